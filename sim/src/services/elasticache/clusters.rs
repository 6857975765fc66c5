//! Cache clusters: the nodes of a group, each under its own id.
//!
//! **Invariant:** nodes stand only where ShowCacheNodeInfo asks for them.

use super::{contradiction, invalid, paged, read};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{Member, NODE, NodeState, Status, Work},
    },
};

pub(super) fn not_found(id: &str) -> ApiError {
    ApiError::new(404, "CacheClusterNotFound", format!("CacheCluster not found: {id}"))
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let nodes = read::flag(p, "ShowCacheNodeInfo")?.unwrap_or(false);
    let alone = read::flag(p, "ShowCacheClustersNotInReplicationGroups")?.unwrap_or(false);
    let mut rows = w.cache_members();
    if let Some(id) = p.text("CacheClusterId").map(str::to_lowercase) {
        rows.retain(|m| m.node.id == id);
        if rows.is_empty() {
            return Err(not_found(&id));
        }
    }
    rows.retain(|m| !alone || m.group.is_none());
    rows.sort_by(|a, b| a.node.id.cmp(&b.node.id));
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().opt("Marker", next).named("CacheClusters", "CacheCluster", rows.iter().map(|m| one(w, m, nodes))))
}

fn one(w: &World, m: &Member<'_>, nodes: bool) -> Fields {
    let (s, n) = (m.settings, m.node);
    let change = m.group.map(|g| match &g.work {
        Some(Work::Modify { change, .. }) => change,
        _ => &g.pending,
    });
    let pending =
        Fields::new().opt("EngineVersion", change.and_then(|c| c.version.as_ref())).opt("CacheNodeType", change.and_then(|c| c.node_type.as_ref()));
    let parameters = Fields::new()
        .set("CacheParameterGroupName", &s.parameter_group)
        .set("ParameterApplyStatus", if change.is_some_and(|c| c.parameter_group.is_some()) { "applying" } else { "in-sync" })
        .named("CacheNodeIdsToReboot", "CacheNodeId", Vec::<&str>::new());
    let mut out = Fields::new()
        .set("CacheClusterId", &n.id)
        .set("ClientDownloadLandingPage", "https://console.aws.amazon.com/elasticache/home#client-download:")
        .set("CacheNodeType", &s.node_type)
        .set("Engine", &s.engine)
        .set("EngineVersion", &s.version)
        .set("CacheClusterStatus", n.state.cluster())
        .set("NumCacheNodes", 1i64)
        .set("PreferredAvailabilityZone", &n.zone);
    if n.state != NodeState::Creating {
        out = out.set("CacheClusterCreateTime", iso(n.created));
    }
    out = out.set("PreferredMaintenanceWindow", &s.maintenance_window).set("PendingModifiedValues", pending);
    if let Some(topic) = &s.topic {
        out = out.set("NotificationConfiguration", Fields::new().set("TopicArn", topic).set("TopicStatus", "active"));
    }
    out = out
        .named("CacheSecurityGroups", "CacheSecurityGroup", Vec::<Fields>::new())
        .set("CacheParameterGroup", parameters)
        .set("CacheSubnetGroupName", &s.subnet_group);
    if nodes && n.state != NodeState::Creating {
        out = out.named("CacheNodes", "CacheNode", [node(m)]);
    }
    // Snapshots are taken of one cluster of the group alone.
    let snapshots = m.group.is_none_or(|g| g.snapshotting.as_ref() == Some(&n.id));
    out = out
        .set("AutoMinorVersionUpgrade", s.auto_minor)
        .members("SecurityGroups", s.security_groups.iter().map(|id| Fields::new().set("SecurityGroupId", id).set("Status", "active")))
        .opt("ReplicationGroupId", m.group.map(|g| &g.id))
        .set("SnapshotRetentionLimit", if snapshots { s.snapshot_retention } else { 0 })
        .set("SnapshotWindow", &s.snapshot_window)
        .set("AuthTokenEnabled", s.auth_since.is_some())
        .opt("AuthTokenLastModifiedDate", s.auth_since.map(iso))
        .set("TransitEncryptionEnabled", s.tls.is_some())
        .set("AtRestEncryptionEnabled", s.at_rest)
        .set("ARN", w.cache_arn("cluster", &n.id))
        .set("ReplicationGroupLogDeliveryEnabled", false)
        .named("LogDeliveryConfigurations", "LogDeliveryConfiguration", Vec::<Fields>::new())
        .set("NetworkType", "ipv4")
        .set("IpDiscovery", "ipv4");
    out.opt("TransitEncryptionMode", s.tls.as_ref())
}

fn node(m: &Member<'_>) -> Fields {
    let n = m.node;
    Fields::new()
        .set("CacheNodeId", NODE)
        .set("CacheNodeStatus", n.state.node())
        .set("CacheNodeCreateTime", iso(n.created))
        .set("Endpoint", Fields::new().set("Address", &n.address).set("Port", m.settings.port))
        .set("ParameterGroupStatus", "in-sync")
        .set("CustomerAvailabilityZone", &n.zone)
}

pub(super) fn reboot(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = super::id(p, "CacheClusterId")?;
    let asked = p.named_texts("CacheNodeIdsToReboot", "CacheNodeId");
    let m = w.cache_member(&id).ok_or_else(|| not_found(&id))?;
    if asked.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'cacheNodeIdsToReboot' failed to satisfy constraint: Member must not be null",
        ));
    }
    if let Some(odd) = asked.iter().find(|n| *n != NODE) {
        return Err(invalid(format!("Cache node {odd} does not exist in cache cluster {id}.")));
    }
    if m.group.is_some_and(|g| g.sharded) {
        return Err(contradiction("A cache cluster with cluster mode enabled cannot be rebooted."));
    }
    let busy = m.group.is_some_and(|g| !matches!(g.status, Status::Available) && g.work.is_some());
    if m.node.state != NodeState::Available || busy {
        return Err(super::busy_member(&id));
    }
    w.reboot_cache(&id);
    let m = w.cache_member(&id).ok_or_else(|| not_found(&id))?;
    Ok(Fields::new().set("CacheCluster", one(w, &m, false)))
}
