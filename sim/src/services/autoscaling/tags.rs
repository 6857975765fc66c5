//! Tags of groups (aws-reference 3).
//!
//! **Invariant:** every tag of a request is checked before one is changed; instances that run keep the tags they have.

use super::{filters, paged};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{Group, Tag},
    },
};

/// Tags of one group at most.
const MOST: usize = 50;

/// A tag as it stands in answers.
pub(super) fn shown(g: &Group, t: &Tag) -> Fields {
    Fields::new()
        .set("ResourceId", &g.name)
        .set("ResourceType", "auto-scaling-group")
        .set("Key", &t.key)
        .set("Value", &t.value)
        .set("PropagateAtLaunch", t.propagate)
}

/// Reads one tag of a request.
pub(super) fn read(node: &Node) -> Result<Tag, ApiError> {
    let key = read::need(node, "Key")?.to_owned();
    let value = node.text("Value").unwrap_or_default().to_owned();
    if key.chars().count() > 128 || value.chars().count() > 256 {
        return Err(ApiError::validation("A tag key holds at most 128 characters and a tag value at most 256."));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::validation(format!("{key} is not a valid tag key. The prefix aws: is reserved.")));
    }
    Ok(Tag { key, value, propagate: read::flag(node, "PropagateAtLaunch")?.unwrap_or(false) })
}

/// Tags of a request with the groups they are for.
fn rows(w: &World, p: &Node) -> Result<Vec<(String, Tag)>, ApiError> {
    let rows = p.list("Tags");
    if rows.is_empty() {
        return Err(ApiError::validation("1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"));
    }
    rows.into_iter()
        .map(|node| {
            let kind = node.text("ResourceType").unwrap_or("auto-scaling-group");
            if kind != "auto-scaling-group" {
                return Err(ApiError::validation(format!("{kind} is not a valid resource type. Valid values: auto-scaling-group")));
            }
            let name = read::need(node, "ResourceId")?;
            if !w.groups.contains_key(name) {
                return Err(super::not_found(name));
            }
            Ok((name.to_owned(), read(node)?))
        })
        .collect()
}

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let rows = rows(w, p)?;
    for g in w.groups.values() {
        let new = rows.iter().filter(|(name, t)| *name == g.name && !g.tags.iter().any(|have| have.key == t.key)).count();
        if new > 0 && g.tags.len() + new > MOST {
            return Err(ApiError::bad("LimitExceeded", format!("A group has at most {MOST} tags.")));
        }
    }
    for (name, tag) in rows {
        if let Some(g) = w.group_mut(&name) {
            match g.tags.iter_mut().find(|t| t.key == tag.key) {
                Some(old) => *old = tag,
                None => g.tags.push(tag),
            }
        }
    }
    Ok(Fields::new())
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    for (name, tag) in rows(w, p)? {
        if let Some(g) = w.group_mut(&name) {
            g.tags.retain(|t| t.key != tag.key);
        }
    }
    Ok(Fields::new())
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    read::flag(p, "IncludeManagedResources")?;
    let filters = filters(p, |name| matches!(name, "auto-scaling-group" | "key" | "value" | "propagate-at-launch"))?;
    let fits = |g: &Group, t: &Tag| {
        filters.iter().all(|(name, values)| match name.as_str() {
            "auto-scaling-group" => values.contains(&g.name),
            "key" => values.contains(&t.key),
            "value" => values.contains(&t.value),
            _ => values.iter().any(|v| v.eq_ignore_ascii_case(if t.propagate { "true" } else { "false" })),
        })
    };
    let rows: Vec<Fields> =
        w.groups.values().flat_map(|g| g.tags.iter().map(move |t| (g, t))).filter(|(g, t)| fits(g, t)).map(|(g, t)| shown(g, t)).collect();
    let (rows, next) = paged(p, rows, 50, 100)?;
    Ok(Fields::new().members("Tags", rows).opt("NextToken", next))
}
