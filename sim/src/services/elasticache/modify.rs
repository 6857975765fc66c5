//! Changing a replication group.
//!
//! **Invariant:** what touches nodes goes by way of `modifying`, at once with ApplyImmediately and in the maintenance
//! window without; the rest is true at once.

use super::{available, catalogue, contradiction, create, groups, int_in, invalid, only, read::flag, unsupported};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{Change, NodeState, ReplicationGroup, Role},
    },
};

pub(super) fn modify(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    unsupported(
        p,
        &[
            "CacheSecurityGroupNames",
            "AuthToken",
            "AuthTokenUpdateStrategy",
            "UserGroupIdsToAdd",
            "UserGroupIdsToRemove",
            "RemoveUserGroups",
            "LogDeliveryConfigurations",
            "TransitEncryptionEnabled",
            "TransitEncryptionMode",
        ],
    )?;
    only(p, "IpDiscovery", "ipv4")?;
    let g = available(w, p)?;
    let id = g.id.clone();
    only(p, "Engine", &g.settings.engine)?;
    only(p, "ClusterMode", if g.sharded { "enabled" } else { "disabled" })?;
    let immediately = flag(p, "ApplyImmediately")?.unwrap_or(false);
    let change = change(g, p)?;
    if !change.is_empty()
        && let Some(n) = g.nodes().find(|n| n.state != NodeState::Available)
    {
        return Err(super::busy_member(&n.id));
    }
    let snapshotting = snapshotting(g, p)?;
    let retention = int_in(p, "SnapshotRetentionLimit", 0, 35)?;
    let (snapshots, maintenance) = (create::snapshot_window(p)?, create::maintenance_window(p)?);
    let security_groups = create::checked_security_groups(p.named_texts("SecurityGroupIds", "SecurityGroupId"))?;
    let auto_minor = flag(p, "AutoMinorVersionUpgrade")?;
    let topic = create::topic(p)?;
    let silent = match p.text("NotificationTopicStatus") {
        None | Some("active") => false,
        Some("inactive") => true,
        Some(odd) => return Err(invalid(format!("{odd} is not a valid NotificationTopicStatus."))),
    };
    let description = p.text("ReplicationGroupDescription").map(str::to_owned);
    if let Some(g) = w.caches.groups.get_mut(&id) {
        let s = &mut g.settings;
        g.description = description.unwrap_or_else(|| g.description.clone());
        g.snapshotting = snapshotting.or(g.snapshotting.take());
        s.snapshot_retention = retention.unwrap_or(s.snapshot_retention);
        s.snapshot_window = snapshots.unwrap_or_else(|| s.snapshot_window.clone());
        s.maintenance_window = maintenance.unwrap_or_else(|| s.maintenance_window.clone());
        if !security_groups.is_empty() {
            s.security_groups = security_groups;
        }
        s.auto_minor = auto_minor.unwrap_or(s.auto_minor);
        s.topic = if silent { None } else { topic.or(s.topic.take()) };
    }
    let mut all = w.caches.groups.get(&id).map(|g| g.pending.clone()).unwrap_or_default();
    match immediately {
        true => {
            // What waited is applied with it.
            all.merge(change);
            all.due = None;
            if !all.is_empty() {
                if let Some(g) = w.caches.groups.get_mut(&id) {
                    g.pending = Change::default();
                }
                w.change_cache(&id, all);
            }
        }
        false if !change.is_empty() => w.defer_cache(&id, change),
        false => {}
    }
    groups::answer(w, &id)
}

/// The part that touches nodes; what is so already is left out.
fn change(g: &ReplicationGroup, p: &Node) -> Result<Change, ApiError> {
    let auto_failover = flag(p, "AutomaticFailoverEnabled")?;
    let multi_az = flag(p, "MultiAZEnabled")?;
    let (failover_then, zones_then) = (auto_failover.unwrap_or(g.auto_failover), multi_az.unwrap_or(g.multi_az));
    if g.sharded && !failover_then {
        return Err(contradiction("Automatic failover must be enabled for a replication group with cluster mode enabled."));
    }
    if failover_then && g.shards.iter().any(|s| s.replicas() == 0) {
        return Err(contradiction("Automatic failover needs at least one replica in every node group."));
    }
    if zones_then && !failover_then {
        return Err(contradiction("Automatic failover must be enabled if Multi-AZ is enabled."));
    }
    let spread = |s: &crate::world::cache::Shard| s.nodes.iter().any(|n| n.zone != s.nodes[0].zone);
    if zones_then && !g.shards.iter().all(spread) {
        return Err(contradiction("Multi-AZ needs nodes in at least two Availability Zones."));
    }
    let primary = match p.text("PrimaryClusterId").map(str::to_lowercase) {
        None => None,
        Some(_) if g.sharded || failover_then => {
            return Err(contradiction("A replica cannot be promoted while automatic failover is enabled."));
        }
        Some(id) if g.nodes().any(|n| n.id == id && n.role() == Role::Primary) => None,
        Some(id) if groups::is_replica(g, &id) => Some(id),
        Some(id) => return Err(super::clusters::not_found(&id)),
    };
    let node_type = p.text("CacheNodeType").filter(|t| *t != g.settings.node_type).map(str::to_owned);
    if let Some(odd) = node_type.as_deref().filter(|t| !catalogue::is_node_type(t)) {
        return Err(invalid(format!("Invalid Cache Node Type: {odd}")));
    }
    let version = match p.text("EngineVersion") {
        None => None,
        Some(name) => {
            let engine = &g.settings.engine;
            let v = catalogue::version(engine, name).ok_or_else(|| invalid(format!("Cannot find version {name} for {engine}")))?;
            if catalogue::rank(engine, v.full) < catalogue::rank(engine, &g.settings.version) {
                return Err(contradiction(format!("A {engine} cache cluster cannot go from version {} back to {}.", g.settings.version, v.full)));
            }
            Some(v).filter(|v| v.full != g.settings.version)
        }
    };
    let family = version.map_or_else(|| family(g), |v| Some(v.family));
    let mut parameter_group = p.text("CacheParameterGroupName").map(str::to_owned);
    if let Some(name) = &parameter_group {
        let (own, on) = catalogue::parameter_group(name)
            .ok_or_else(|| ApiError::new(404, "CacheParameterGroupNotFound", format!("CacheParameterGroup {name} not found.")))?;
        if Some(own) != family || on != g.sharded {
            return Err(contradiction(format!("The parameter group {name} does not fit the replication group.")));
        }
    } else if version.is_some_and(|v| Some(v.family) != self::family(g)) {
        parameter_group = version.map(|v| v.parameter_group(g.sharded));
    }
    Ok(Change {
        primary,
        auto_failover: auto_failover.filter(|on| *on != g.auto_failover),
        multi_az: multi_az.filter(|on| *on != g.multi_az),
        node_type,
        version: version.map(|v| v.full.to_owned()),
        parameter_group: parameter_group.filter(|name| *name != g.settings.parameter_group),
        due: None,
    })
}

fn family(g: &ReplicationGroup) -> Option<&'static str> {
    catalogue::parameter_group(&g.settings.parameter_group).map(|(family, _)| family)
}

fn snapshotting(g: &ReplicationGroup, p: &Node) -> Result<Option<String>, ApiError> {
    match p.text("SnapshottingClusterId").map(str::to_lowercase) {
        Some(_) if g.sharded => Err(contradiction("SnapshottingClusterId is only for a replication group with cluster mode disabled.")),
        Some(id) if !g.nodes().any(|n| n.id == id) => Err(super::clusters::not_found(&id)),
        id => Ok(id),
    }
}
