//! Cache subnet groups.
//!
//! **Invariant:** a subnet of a group exists, and a group that is in use stays.

use super::{paged, read, tags};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, cache::SubnetGroup},
};

/// Subnet groups of a Region, and subnets of a group, at most.
const GROUPS: usize = 150;
const SUBNETS: usize = 20;

/// 400, unlike its neighbours (botocore's model).
pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::bad("CacheSubnetGroupNotFoundFault", format!("Cache Subnet Group {name} does not exist."))
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let rows: Vec<&SubnetGroup> = match p.text("CacheSubnetGroupName").map(str::to_lowercase) {
        Some(name) => vec![w.caches.subnet_groups.get(&name).ok_or_else(|| not_found(&name))?],
        None => w.caches.subnet_groups.values().collect(),
    };
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().opt("Marker", next).named("CacheSubnetGroups", "CacheSubnetGroup", rows.into_iter().map(|g| one(w, g))))
}

fn one(w: &World, g: &SubnetGroup) -> Fields {
    let subnets = w.subnets.iter().filter(|s| g.subnets.contains(&s.id)).map(|s| {
        Fields::new()
            .set("SubnetIdentifier", &s.id)
            .set("SubnetAvailabilityZone", Fields::new().set("Name", &s.zone))
            .members("SupportedNetworkTypes", ["ipv4"])
    });
    Fields::new()
        .set("CacheSubnetGroupName", &g.name)
        .set("CacheSubnetGroupDescription", &g.description)
        .set("VpcId", &w.vpc)
        .named("Subnets", "Subnet", subnets)
        .set("ARN", w.cache_arn("subnetgroup", &g.name))
        .members("SupportedNetworkTypes", ["ipv4"])
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = super::id(p, "CacheSubnetGroupName")?;
    let description = read::need(p, "CacheSubnetGroupDescription")?.to_owned();
    if name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(super::invalid(format!(
            "The parameter CacheSubnetGroupName must be provided and must not exceed 255 characters of letters, digits and hyphens: {name}"
        )));
    }
    let subnets = p.named_texts("SubnetIds", "SubnetIdentifier");
    if subnets.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'subnetIds' failed to satisfy constraint: Member must not be null",
        ));
    }
    if w.caches.subnet_groups.contains_key(&name) {
        return Err(ApiError::bad("CacheSubnetGroupAlreadyExists", format!("Cache subnet group {name} already exists.")));
    }
    if subnets.len() > SUBNETS {
        return Err(ApiError::bad("CacheSubnetQuotaExceededFault", format!("A cache subnet group may have {SUBNETS} subnets at most.")));
    }
    if w.caches.subnet_groups.len() >= GROUPS {
        return Err(ApiError::bad("CacheSubnetGroupQuotaExceeded", format!("You may have {GROUPS} cache subnet groups at most.")));
    }
    if let Some(odd) = subnets.iter().find(|id| !w.subnets.iter().any(|s| s.id == **id)) {
        return Err(ApiError::bad("InvalidSubnet", format!("The subnet ID '{odd}' does not exist")));
    }
    let tags = tags::read(p)?;
    let row = SubnetGroup { name: name.clone(), description, subnets };
    let answer = Fields::new().set("CacheSubnetGroup", one(w, &row));
    w.caches.subnet_groups.insert(name.clone(), row);
    tags::put(w, &w.cache_arn("subnetgroup", &name), tags);
    Ok(answer)
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = super::id(p, "CacheSubnetGroupName")?;
    if !w.caches.subnet_groups.contains_key(&name) {
        return Err(not_found(&name));
    }
    if w.cache_members().iter().any(|m| m.settings.subnet_group == name) {
        return Err(ApiError::bad("CacheSubnetGroupInUse", format!("Cache subnet group {name} is currently in use by a cache cluster.")));
    }
    w.caches.subnet_groups.remove(&name);
    let arn = w.cache_arn("subnetgroup", &name);
    w.caches.tags.remove(&arn);
    Ok(Fields::new())
}
