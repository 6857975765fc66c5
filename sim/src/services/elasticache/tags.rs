//! Tags of replication groups, cache clusters and subnet groups.
//!
//! **Invariant:** a group's tags are its cache clusters' too, unless they have their own of that key.

use std::collections::BTreeMap;

use super::{clusters, invalid, no_group, subnets};
use crate::{
    services::read::need,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{NodeState, Status},
    },
};

/// Tags of a resource at most.
const MOST: usize = 50;

/// Tags of a request.
pub(super) fn read(p: &Node) -> Result<BTreeMap<String, String>, ApiError> {
    let mut out = BTreeMap::new();
    for row in p.named("Tags", "Tag") {
        let key = row.text("Key").unwrap_or_default();
        let value = row.text("Value").unwrap_or_default();
        if !(1..=128).contains(&key.chars().count()) || key.starts_with("aws:") || value.chars().count() > 256 {
            return Err(invalid(format!("The tag {key:?} is not valid.")));
        }
        out.insert(key.to_owned(), value.to_owned());
    }
    if out.len() > MOST {
        return Err(too_many());
    }
    Ok(out)
}

fn too_many() -> ApiError {
    ApiError::bad("TagQuotaPerResourceExceeded", format!("A resource may have {MOST} tags at most."))
}

/// Puts tags that were read on a resource.
pub(super) fn put(w: &mut World, arn: &str, tags: BTreeMap<String, String>) {
    if !tags.is_empty() {
        w.caches.tags.entry(arn.to_owned()).or_default().extend(tags);
    }
}

/// The resource a request names: its ARN, and the ARN of the group it belongs to.
fn resource(w: &World, p: &Node) -> Result<(String, Option<String>), ApiError> {
    let arn = need(p, "ResourceName")?;
    let wrong = || ApiError::bad("InvalidARN", format!("The resource name {arn} is not a valid ARN."));
    let rest = arn.strip_prefix(&format!("arn:aws:elasticache:{}:{}:", w.region, w.account)).ok_or_else(wrong)?;
    let (kind, name) = rest.split_once(':').ok_or_else(wrong)?;
    let name = name.to_lowercase();
    let busy = || ApiError::bad("InvalidReplicationGroupState", "Cluster not in available state to perform tagging operations.");
    let group = match kind {
        "replicationgroup" => {
            let g = w.caches.groups.get(&name).ok_or_else(|| no_group(&name))?;
            if g.status != Status::Available {
                return Err(busy());
            }
            None
        }
        "cluster" => {
            let m = w.cache_member(&name).ok_or_else(|| clusters::not_found(&name))?;
            if m.node.state != NodeState::Available {
                return Err(busy());
            }
            m.group.map(|g| w.cache_arn("replicationgroup", &g.id))
        }
        "subnetgroup" if w.caches.subnet_groups.contains_key(&name) => None,
        "subnetgroup" => return Err(subnets::not_found(&name)),
        _ => return Err(wrong()),
    };
    Ok((w.cache_arn(kind, &name), group))
}

fn answer(w: &World, arn: &str, group: Option<&String>) -> Fields {
    let own = |arn: &String| w.caches.tags.get(arn).cloned().unwrap_or_default();
    let mut all = group.map(own).unwrap_or_default();
    all.extend(own(&arn.to_owned()));
    Fields::new().named("TagList", "Tag", all.iter().map(|(k, v)| Fields::new().set("Key", k).set("Value", v)))
}

pub(super) fn list(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (arn, group) = resource(w, p)?;
    Ok(answer(w, &arn, group.as_ref()))
}

pub(super) fn add(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let (arn, group) = resource(w, p)?;
    let tags = read(p)?;
    if tags.is_empty() {
        return Err(ApiError::validation("1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"));
    }
    let mut all = w.caches.tags.get(&arn).cloned().unwrap_or_default();
    all.extend(tags.clone());
    if all.len() > MOST {
        return Err(too_many());
    }
    put(w, &arn, tags);
    Ok(answer(w, &arn, group.as_ref()))
}

pub(super) fn remove(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let (arn, group) = resource(w, p)?;
    let keys = p.texts("TagKeys");
    let own = w.caches.tags.get(&arn).cloned().unwrap_or_default();
    if keys.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
        ));
    }
    if let Some(odd) = keys.iter().find(|k| !own.contains_key(*k)) {
        return Err(ApiError::new(404, "TagNotFound", format!("The tag {odd:?} is not found on {arn}.")));
    }
    if let Some(tags) = w.caches.tags.get_mut(&arn) {
        tags.retain(|k, _| !keys.contains(k));
    }
    Ok(answer(w, &arn, group.as_ref()))
}
