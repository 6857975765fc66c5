//! Tags of load balancers, target groups, listeners and rules.
//!
//! **Invariant:** one resource that is not there refuses the call for all; keys of AWS's own are not set by a user.

use std::collections::BTreeMap;

use super::{no_balancer, no_group, no_listener, no_rule};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

/// Most tags of one resource.
const MOST: usize = 50;

/// Tags of a request.
pub(super) fn read(p: &Node, member: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let mut out = BTreeMap::new();
    let fine = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    for row in p.list(member) {
        let (key, value) = (row.text("Key").unwrap_or_default(), row.text("Value").unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || !fine(key) || !fine(value) {
            return Err(ApiError::validation(format!("Tag '{key}' is not valid")));
        }
        if key.starts_with("aws:") {
            return Err(ApiError::validation("aws: prefixed tag key names are not allowed for external use"));
        }
        if out.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(ApiError::bad("DuplicateTagKeys", format!("Tag key '{key}' is specified more than once")));
        }
    }
    if out.len() > MOST {
        return Err(too_many());
    }
    Ok(out)
}

fn too_many() -> ApiError {
    ApiError::bad("TooManyTags", "The maximum number of tags has been reached")
}

/// Sets the tags of a new resource.
pub(super) fn put(w: &mut World, arn: &str, tags: BTreeMap<String, String>) {
    if !tags.is_empty() {
        w.elb.tags.insert(arn.to_owned(), tags);
    }
}

fn resources(w: &World, p: &Node) -> Result<Vec<String>, ApiError> {
    let arns = super::named(p, "ResourceArns")?;
    if arns.is_empty() {
        return Err(ApiError::validation("At least one resource ARN must be specified"));
    }
    for arn in &arns {
        let kind = arn.split(':').nth(5).and_then(|tail| tail.split('/').next()).unwrap_or_default();
        let (there, error) = match kind {
            "loadbalancer" => (w.elb.balancers.contains_key(arn), no_balancer(arn)),
            "targetgroup" => (w.target_groups.contains_key(arn), no_group()),
            "listener" => (w.elb.listeners.contains_key(arn), no_listener()),
            "listener-rule" => (w.elb.rules.contains_key(arn) || w.elb.listeners.keys().any(|l| w.default_rule(l) == *arn), no_rule()),
            _ => return Err(ApiError::validation(format!("'{arn}' is not a valid resource ARN"))),
        };
        if !there {
            return Err(error);
        }
    }
    Ok(arns)
}

pub(super) fn add(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arns = resources(w, p)?;
    let new = read(p, "Tags")?;
    if new.is_empty() {
        return Err(ApiError::validation("At least one tag must be specified"));
    }
    let after = |arn: &String| {
        let mut all = w.elb.tags.get(arn).cloned().unwrap_or_default();
        all.extend(new.clone());
        (arn.clone(), all)
    };
    let rows: Vec<_> = arns.iter().map(after).collect();
    if rows.iter().any(|(_, tags)| tags.len() > MOST) {
        return Err(too_many());
    }
    w.elb.tags.extend(rows);
    Ok(Fields::new())
}

pub(super) fn remove(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arns = resources(w, p)?;
    let keys = p.texts("TagKeys");
    if keys.is_empty() {
        return Err(ApiError::validation("At least one tag key must be specified"));
    }
    for arn in arns {
        if let Some(tags) = w.elb.tags.get_mut(&arn) {
            tags.retain(|key, _| !keys.contains(key));
        }
    }
    Ok(Fields::new())
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let arns = resources(w, p)?;
    let rows = arns.iter().map(|arn| {
        let tags = w.elb.tags.get(arn).into_iter().flatten();
        Fields::new().set("ResourceArn", arn).members("Tags", tags.map(|(k, v)| Fields::new().set("Key", k).set("Value", v)))
    });
    Ok(Fields::new().members("TagDescriptions", rows))
}
