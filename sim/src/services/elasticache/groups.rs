//! Describing, deleting and failing over replication groups.
//!
//! **Invariant:** a configuration endpoint stands only with cluster mode enabled, primary and reader endpoints and roles
//! only with cluster mode disabled.

use super::{available, group, invalid, paged, read};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{NODE, Node as Member, NodeState, Refusal, ReplicationGroup, Role, Shard, Status, Work},
    },
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let rows: Vec<&ReplicationGroup> = match p.text("ReplicationGroupId") {
        Some(_) => vec![group(w, p)?],
        None => w.caches.groups.values().collect(),
    };
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().opt("Marker", next).named("ReplicationGroups", "ReplicationGroup", rows.into_iter().map(|g| one(w, g))))
}

/// The answer of an operation on one group.
pub(super) fn answer(w: &World, id: &str) -> Result<Fields, ApiError> {
    let g = w.caches.groups.get(id).ok_or_else(|| super::no_group(id))?;
    Ok(Fields::new().set("ReplicationGroup", one(w, g)))
}

fn endpoint(address: String, port: i64) -> Fields {
    Fields::new().set("Address", address).set("Port", port)
}

fn one(w: &World, g: &ReplicationGroup) -> Fields {
    let s = &g.settings;
    let mut pending = Fields::new();
    let change = match &g.work {
        Some(Work::Modify { change, .. }) => change,
        _ => &g.pending,
    };
    pending = pending
        .opt("PrimaryClusterId", change.primary.as_ref())
        .opt("AutomaticFailoverStatus", change.auto_failover.map(|on| if on { "enabled" } else { "disabled" }));
    let mut out = Fields::new()
        .set("ReplicationGroupId", &g.id)
        .set("Description", &g.description)
        .set("Status", g.status.name())
        .set("PendingModifiedValues", pending)
        .named("MemberClusters", "ClusterId", g.nodes().map(|n| &n.id));
    let creating = g.status == Status::Creating;
    if !creating || w.params.cache.creating_shows_node_groups {
        out = out.named("NodeGroups", "NodeGroup", g.shards.iter().map(|shard| node_group(w, g, shard)));
    }
    out = out
        .opt("SnapshottingClusterId", g.snapshotting.as_ref())
        .set("AutomaticFailover", g.failover_status())
        .set("MultiAZ", if g.multi_az { "enabled" } else { "disabled" });
    if g.sharded && !creating {
        out = out.set("ConfigurationEndpoint", endpoint(w.cache_configuration_address(g), s.port));
    }
    out.set("SnapshotRetentionLimit", s.snapshot_retention)
        .set("SnapshotWindow", &s.snapshot_window)
        .set("ClusterEnabled", g.sharded)
        .set("CacheNodeType", &s.node_type)
        .set("AuthTokenEnabled", s.auth_since.is_some())
        .opt("AuthTokenLastModifiedDate", s.auth_since.map(iso))
        .set("TransitEncryptionEnabled", s.tls.is_some())
        .set("AtRestEncryptionEnabled", s.at_rest)
        .opt("KmsKeyId", s.kms_key.as_ref())
        .set("ARN", w.cache_arn("replicationgroup", &g.id))
        .named("LogDeliveryConfigurations", "LogDeliveryConfiguration", Vec::<Fields>::new())
        .set("ReplicationGroupCreateTime", iso(g.created))
        .set("DataTiering", "disabled")
        .set("AutoMinorVersionUpgrade", s.auto_minor)
        .set("NetworkType", "ipv4")
        .set("IpDiscovery", "ipv4")
        .opt("TransitEncryptionMode", s.tls.as_ref())
        .set("ClusterMode", if g.sharded { "enabled" } else { "disabled" })
        .set("Engine", &s.engine)
}

fn node_group(w: &World, g: &ReplicationGroup, shard: &Shard) -> Fields {
    let creating = g.status == Status::Creating;
    // Of a sharded group only the shard that fails over is in another state than its neighbours.
    let status = match &g.work {
        Some(Work::Failover(f)) if f.shard != shard.id => Status::Available,
        _ => g.status,
    };
    let mut out = Fields::new().set("NodeGroupId", &shard.id).set("Status", status.name());
    if !g.sharded && !creating {
        let (primary, reader) = w.cache_addresses(g, &shard.id);
        out = out.set("PrimaryEndpoint", endpoint(primary, g.settings.port)).set("ReaderEndpoint", endpoint(reader, g.settings.port));
    }
    out = out.opt("Slots", shard.slots.as_ref());
    out.named("NodeGroupMembers", "NodeGroupMember", shard.nodes.iter().map(|n| member(g, n, creating)))
}

fn member(g: &ReplicationGroup, n: &Member, creating: bool) -> Fields {
    let mut out = Fields::new().set("CacheClusterId", &n.id).set("CacheNodeId", NODE);
    if !g.sharded && !creating && n.state != NodeState::Creating {
        out = out.set("ReadEndpoint", endpoint(n.address.clone(), g.settings.port));
    }
    out = out.set("PreferredAvailabilityZone", &n.zone);
    if g.sharded { out } else { out.set("CurrentRole", n.role().name()) }
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let retain = read::flag(p, "RetainPrimaryCluster")?.unwrap_or(false);
    let g = available(w, p)?;
    let id = g.id.clone();
    if p.text("FinalSnapshotIdentifier").is_some() {
        return Err(ApiError::bad("SnapshotFeatureNotSupportedFault", "Snapshots are not supported at this endpoint."));
    }
    if retain && (g.sharded || g.shards.len() != 1) {
        return Err(super::contradiction("RetainPrimaryCluster is only for a replication group with cluster mode disabled."));
    }
    w.delete_cache(&id, retain);
    answer(w, &id)
}

pub(super) fn test_failover(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let id = g.id.clone();
    let shard = read::need(p, "NodeGroupId")?.to_owned();
    if !(1..=4).contains(&shard.len()) || !shard.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(format!("The NodeGroupId {shard} is not valid.")));
    }
    let busy = g.nodes().find(|n| n.state != NodeState::Available).map(|n| n.id.clone()).unwrap_or_default();
    let state = |words: &str| ApiError::bad("InvalidReplicationGroupState", words);
    w.start_failover(&id, &shard, true).map_err(|why| match why {
        Refusal::NoShard => ApiError::new(404, "NodeGroupNotFoundFault", format!("Node group {shard} not found in replication group {id}.")),
        Refusal::Busy => state("Replication group must be in available state to test failover."),
        Refusal::MemberBusy => super::busy_member(&busy),
        Refusal::NoFailover if w.params.cache.no_failover_is_not_available => {
            ApiError::bad("TestFailoverNotAvailableFault", "The TestFailover action is not available.")
        }
        Refusal::NoFailover => state("Automatic failover is not enabled for the replication group."),
        Refusal::Quota => ApiError::bad("APICallRateForCustomerExceeded", "The customer has exceeded the allowed rate of API calls."),
    })?;
    answer(w, &id)
}

/// Whether a cache cluster is a replica of the group that can be named as such.
pub(super) fn is_replica(g: &ReplicationGroup, id: &str) -> bool {
    g.nodes().any(|n| n.id == id && n.role() == Role::Replica && n.state == NodeState::Available)
}
