//! Amazon ElastiCache, API 2015-02-02 (aws-reference 10): replication groups of Redis OSS and Valkey.
//!
//! **Invariant:** lists carry their own element names (aws-reference 1.2), identifiers are lower case, and a parameter
//! that asks for something that is not simulated is refused.

pub(crate) mod catalogue;
mod clusters;
mod create;
mod events;
mod groups;
mod modify;
mod parameters;
mod replicas;
mod subnets;
mod tags;

use super::read;
use crate::{
    wire::{ApiError, node::Node, page, xml::Fields},
    world::{
        World,
        cache::{ReplicationGroup, Status},
    },
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node) -> Result<Fields, ApiError> {
    match op {
        "CreateReplicationGroup" => create::create(w, p),
        "DescribeReplicationGroups" => groups::describe(w, p),
        "ModifyReplicationGroup" => modify::modify(w, p),
        "DeleteReplicationGroup" => groups::delete(w, p),
        "IncreaseReplicaCount" => replicas::increase(w, p),
        "DecreaseReplicaCount" => replicas::decrease(w, p),
        "TestFailover" => groups::test_failover(w, p),
        "DescribeCacheClusters" => clusters::describe(w, p),
        "RebootCacheCluster" => clusters::reboot(w, p),
        "DescribeEvents" => events::describe(w, p),
        "DescribeCacheSubnetGroups" => subnets::describe(w, p),
        "CreateCacheSubnetGroup" => subnets::create(w, p),
        "DeleteCacheSubnetGroup" => subnets::delete(w, p),
        "DescribeCacheParameterGroups" => parameters::groups(w, p),
        "DescribeCacheParameters" => parameters::parameters(p),
        "DescribeCacheEngineVersions" => parameters::versions(p),
        "DescribeReservedCacheNodes" => parameters::reserved(p),
        "ListTagsForResource" => tags::list(w, p),
        "AddTagsToResource" => tags::add(w, p),
        "RemoveTagsFromResource" => tags::remove(w, p),
        _ => Err(super::unknown(op, "2015-02-02")),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterValue", message)
}

fn contradiction(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterCombination", message)
}

/// An identifier, in lower case as ElastiCache keeps them.
fn id(p: &Node, name: &str) -> Result<String, ApiError> {
    read::need(p, name).map(str::to_lowercase)
}

fn no_group(id: &str) -> ApiError {
    ApiError::new(404, "ReplicationGroupNotFoundFault", format!("ReplicationGroup {id} not found."))
}

/// The group an operation names.
fn group<'a>(w: &'a World, p: &Node) -> Result<&'a ReplicationGroup, ApiError> {
    let id = id(p, "ReplicationGroupId")?;
    w.caches.groups.get(&id).ok_or_else(|| no_group(&id))
}

/// The same, where it must be available to be changed.
fn available<'a>(w: &'a World, p: &Node) -> Result<&'a ReplicationGroup, ApiError> {
    let g = group(w, p)?;
    if g.status != Status::Available {
        return Err(ApiError::bad("InvalidReplicationGroupState", "Replication group must be in available state to modify."));
    }
    Ok(g)
}

fn busy_member(id: &str) -> ApiError {
    ApiError::bad("InvalidCacheClusterState", format!("Cache cluster {id} is not in available state."))
}

/// Refuses every one of these that is there.
fn unsupported(p: &Node, names: &[&str]) -> Result<(), ApiError> {
    match names.iter().find(|n| p.at(n).is_some()) {
        Some(name) => Err(invalid(format!("The parameter {name} is not supported at this endpoint."))),
        None => Ok(()),
    }
}

/// Refuses a value other than the only one there is.
fn only(p: &Node, name: &str, value: &str) -> Result<(), ApiError> {
    match p.text(name) {
        Some(text) if text != value => {
            Err(invalid(format!("The value {text} of the parameter {name} is not supported at this endpoint, {value} is.")))
        }
        _ => Ok(()),
    }
}

/// One page of rows and the marker of the next (aws-reference 2.5).
fn paged<T>(p: &Node, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match read::int(p, "MaxRecords")? {
        Some(n) if !(20..=100).contains(&n) => return Err(invalid(format!("Invalid value {n} for MaxRecords. Must be between 20 and 100"))),
        size => size.unwrap_or(100) as usize,
    };
    page::page(rows, p.text("Marker"), size).ok_or_else(|| invalid("Invalid Marker"))
}

/// A whole number within bounds.
fn int_in(p: &Node, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
    match read::int(p, name)? {
        Some(n) if !(low..=high).contains(&n) => Err(invalid(format!("Invalid value {n} for {name}. Must be between {low} and {high}"))),
        value => Ok(value),
    }
}
