//! CreateTags, DeleteTags and DescribeTags over whatever carries tags here.
//!
//! **Invariant:** one resource that is not there refuses the call for all; what AWS set itself (`aws:`) a user neither sets
//! nor deletes.

use super::{
    security_groups,
    security_rules::done,
    select::{filters, invalid, paged, passes},
    templates::{missing, no_id},
};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, security::Tags},
};

const MOST: usize = 50;

fn pairs(rows: Vec<&Node>) -> Result<Tags, ApiError> {
    let mut out = Tags::new();
    for row in rows {
        let (key, value) = (row.text("Key").unwrap_or_default(), row.text("Value").unwrap_or_default());
        if key.is_empty() || key.chars().count() > 127 || value.chars().count() > 255 {
            return Err(invalid("InvalidParameterValue", format!("Tag key '{key}' is not valid: keys have 1 to 127 characters, values up to 255")));
        }
        if key.starts_with("aws:") {
            return Err(invalid("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"));
        }
        if out.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid("InvalidParameterValue", format!("Duplicate tag key '{key}' specified.")));
        }
    }
    if out.len() > MOST {
        return Err(invalid("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(out)
}

/// Tags that a request gives a new resource of this type; other types are refused.
pub(super) fn specified(p: &Node, kind: &str) -> Result<Tags, ApiError> {
    let mut out = Tags::new();
    for spec in p.list("TagSpecification") {
        let said = spec.text("ResourceType").unwrap_or_default();
        if said != kind {
            return Err(invalid("InvalidParameterValue", format!("'{said}' is not a valid taggable resource type for this operation.")));
        }
        out.extend(pairs(spec.list("Tag"))?);
    }
    Ok(out)
}

/// A tagged resource: its id and type.
type Resource = (String, &'static str);

fn resource(w: &World, id: &str) -> Result<Resource, ApiError> {
    let kinds: [(&str, &'static str, bool, ApiError); 6] = [
        ("i-", "instance", w.instances.contains_key(id), invalid("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
        ("lt-", "launch-template", w.templates.contains_key(id), no_id(id)),
        (
            "sgr-",
            "security-group-rule",
            w.security_groups.values().any(|g| g.rules.iter().any(|r| r.id == id)),
            invalid("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist")),
        ),
        ("sg-", "security-group", w.security_groups.contains_key(id), security_groups::no_group(id)),
        (
            "subnet-",
            "subnet",
            w.subnets.iter().any(|s| s.id == id),
            invalid("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
        ),
        ("vpc-", "vpc", !w.vpc.is_empty() && w.vpc == id, invalid("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"))),
    ];
    match kinds.into_iter().find(|(prefix, ..)| id.starts_with(prefix)) {
        Some((_, kind, true, _)) => Ok((id.to_owned(), kind)),
        Some((_, _, false, error)) => Err(error),
        None => Err(invalid("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

fn resources(w: &World, p: &Node) -> Result<Vec<Resource>, ApiError> {
    let ids = p.texts("ResourceId");
    if ids.is_empty() {
        return Err(missing("ResourceId"));
    }
    ids.iter().map(|id| resource(w, id)).collect()
}

fn read(w: &World, (id, kind): &Resource) -> Tags {
    let listed = |rows: &[(String, String)]| rows.iter().cloned().collect();
    match *kind {
        "instance" => w.instances.get(id).map(|i| listed(&i.tags)).unwrap_or_default(),
        "launch-template" => w.templates.get(id).map(|t| listed(&t.tags)).unwrap_or_default(),
        "security-group" => w.security_groups.get(id).map(|g| g.tags.clone()).unwrap_or_default(),
        "security-group-rule" => w.security_groups.values().flat_map(|g| &g.rules).find(|r| r.id == *id).map(|r| r.tags.clone()).unwrap_or_default(),
        _ => w.network_tags.get(id).cloned().unwrap_or_default(),
    }
}

fn write(w: &mut World, (id, kind): &Resource, tags: Tags) {
    match *kind {
        "instance" => {
            if let Some(i) = w.instances.get_mut(id) {
                i.tags = tags.into_iter().collect();
            }
        }
        "launch-template" => {
            if let Some(t) = w.templates.get_mut(id) {
                t.tags = tags.into_iter().collect();
            }
        }
        "security-group" => {
            if let Some(g) = w.security_groups.get_mut(id) {
                g.tags = tags;
            }
        }
        "security-group-rule" => {
            if let Some(r) = w.security_groups.values_mut().flat_map(|g| &mut g.rules).find(|r| r.id == *id) {
                r.tags = tags;
            }
        }
        _ => {
            w.network_tags.insert(id.clone(), tags);
        }
    }
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let wanted = resources(w, p)?;
    let new = pairs(p.list("Tag"))?;
    if new.is_empty() {
        return Err(missing("Tag"));
    }
    let mut rows = Vec::new();
    for r in wanted {
        let mut tags = read(w, &r);
        tags.extend(new.clone());
        if tags.keys().filter(|k| !k.starts_with("aws:")).count() > MOST {
            return Err(invalid("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
        }
        rows.push((r, tags));
    }
    for (r, tags) in rows {
        write(w, &r, tags);
    }
    Ok(done())
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let wanted = resources(w, p)?;
    let mut named = Vec::new();
    for row in p.list("Tag") {
        let key = row.text("Key").filter(|k| !k.is_empty()).ok_or_else(|| missing("Tag.Key"))?;
        if key.starts_with("aws:") {
            return Err(invalid("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"));
        }
        named.push((key.to_owned(), row.text("Value").map(str::to_owned)));
    }
    // A key without a value goes whatever its value; none at all means every tag of the user's.
    let goes = |key: &str, value: &str| match named.is_empty() {
        true => !key.starts_with("aws:"),
        false => named.iter().any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value)),
    };
    for r in wanted {
        let mut tags = read(w, &r);
        tags.retain(|key, value| !goes(key, value));
        write(w, &r, tags);
    }
    Ok(done())
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, &["key", "resource-id", "resource-type", "tag:", "value"])?;
    let mut all: Vec<Resource> = w.instances.keys().map(|id| (id.clone(), "instance")).collect();
    all.extend(w.templates.keys().map(|id| (id.clone(), "launch-template")));
    all.extend(w.security_groups.keys().map(|id| (id.clone(), "security-group")));
    all.extend(w.security_groups.values().flat_map(|g| &g.rules).map(|r| (r.id.clone(), "security-group-rule")));
    all.extend(w.network_tags.keys().map(|id| (id.clone(), if *id == w.vpc { "vpc" } else { "subnet" })));
    let rows = all.into_iter().flat_map(|r| read(w, &r).into_iter().map(move |(k, v)| (r.clone(), k, v)));
    let rows = rows.filter(|((id, kind), key, value)| {
        passes(&filters, |name| match name {
            "key" => vec![key.clone()],
            "value" => vec![value.clone()],
            "resource-id" => vec![id.clone()],
            "resource-type" => vec![(*kind).to_owned()],
            name if name.strip_prefix("tag:") == Some(key) => vec![value.clone()],
            _ => Vec::new(),
        })
    });
    let (rows, next) = paged(p, rows.collect(), (5, 1000))?;
    let rows = rows
        .into_iter()
        .map(|((id, kind), key, value)| Fields::new().set("resourceId", id).set("resourceType", kind).set("key", key).set("value", value));
    Ok(Fields::new().items("tagSet", rows).opt("nextToken", next))
}
