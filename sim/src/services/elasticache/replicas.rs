//! More and fewer replicas.
//!
//! **Invariant:** the primary is never removed, and a group that fails over keeps a replica in every shard.

use super::{available, contradiction, groups, invalid, read};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{NodeState, ReplicationGroup, Role, Shard},
    },
};

/// Replicas of a shard at most.
const MOST: i64 = 5;

/// What a shard is to have.
struct Wanted {
    shard: String,
    replicas: i64,
    zones: Vec<String>,
}

fn immediately(p: &Node) -> Result<(), ApiError> {
    read::need(p, "ApplyImmediately")?;
    match read::flag(p, "ApplyImmediately")? {
        Some(true) => Ok(()),
        _ => Err(invalid("ApplyImmediately=false is not currently supported.")),
    }
}

/// New counts of replicas, by NewReplicaCount for every shard or by ReplicaConfiguration for some.
fn wanted(g: &ReplicationGroup, p: &Node) -> Result<Vec<Wanted>, ApiError> {
    let rows = p.named("ReplicaConfiguration", "ConfigureShard");
    let count = |p: &Node| super::int_in(p, "NewReplicaCount", 0, MOST);
    match (count(p)?, rows.as_slice()) {
        (Some(_), [_, ..]) => Err(contradiction("NewReplicaCount and ReplicaConfiguration cannot be used together.")),
        (None, []) => Err(contradiction("NewReplicaCount or ReplicaConfiguration must be given.")),
        (Some(n), []) => Ok(g.shards.iter().map(|s| Wanted { shard: s.id.clone(), replicas: n, zones: Vec::new() }).collect()),
        (None, rows) => rows
            .iter()
            .map(|row| {
                super::unsupported(row, &["PreferredOutpostArns"])?;
                let shard = read::need(row, "NodeGroupId")?.to_owned();
                if !g.shards.iter().any(|s| s.id == shard) {
                    return Err(invalid(format!("Node group {shard} not found in replication group {}.", g.id)));
                }
                read::need(row, "NewReplicaCount")?;
                let zones = row.named_texts("PreferredAvailabilityZones", "PreferredAvailabilityZone");
                Ok(Wanted { shard, replicas: count(row)?.unwrap_or(0), zones })
            })
            .collect(),
    }
}

fn shard<'a>(g: &'a ReplicationGroup, id: &str) -> Option<&'a Shard> {
    g.shards.iter().find(|s| s.id == id)
}

fn settled(g: &ReplicationGroup) -> Result<(), ApiError> {
    match g.nodes().find(|n| n.state != NodeState::Available) {
        Some(n) => Err(super::busy_member(&n.id)),
        None => Ok(()),
    }
}

fn nothing() -> ApiError {
    ApiError::bad("NoOperationFault", "The operation was not performed because no changes were required.")
}

pub(super) fn increase(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    immediately(p)?;
    let g = available(w, p)?;
    settled(g)?;
    let id = g.id.clone();
    let reach = w.cache_zones(&g.settings.subnet_group);
    let mut plan = Vec::new();
    for row in wanted(g, p)? {
        let Some(s) = shard(g, &row.shard) else { continue };
        let more = row.replicas - s.replicas() as i64;
        if more < 0 {
            return Err(invalid(format!("Node group {} has {} replicas; {} are no increase.", s.id, s.replicas(), row.replicas)));
        }
        // The zones are those of all nodes, the primary's first, or of none.
        let zones = match row.zones.as_slice() {
            [] => {
                let first = s.nodes.len();
                w.cache_spread(&g.settings.subnet_group, &format!("{id}/{}", s.id), first + more as usize).split_off(first)
            }
            zones if zones.len() as i64 == row.replicas + 1 => zones[s.nodes.len()..].to_vec(),
            _ => return Err(invalid("The number of PreferredAvailabilityZones must be one more than NewReplicaCount.")),
        };
        if let Some(zone) = row.zones.iter().find(|z| !reach.contains(z)) {
            return Err(invalid(format!("The cache subnet group {} has no subnet in Availability Zone {zone}.", g.settings.subnet_group)));
        }
        if more > 0 {
            plan.push((s.id.clone(), zones));
        }
    }
    if plan.is_empty() {
        return Err(nothing());
    }
    w.add_replicas(&id, &plan);
    groups::answer(w, &id)
}

pub(super) fn decrease(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    immediately(p)?;
    let g = available(w, p)?;
    settled(g)?;
    let id = g.id.clone();
    let named: Vec<String> = p.texts("ReplicasToRemove").iter().map(|t| t.to_lowercase()).collect();
    if let Some(odd) = named.iter().find(|n| !groups::is_replica(g, n)) {
        return Err(invalid(format!("{odd} is not a replica of replication group {id}.")));
    }
    let counted = !named.is_empty() && p.at("NewReplicaCount").is_none() && p.at("ReplicaConfiguration").is_none();
    let rows = if counted {
        let left = |s: &Shard| s.replicas() as i64 - s.nodes.iter().filter(|n| named.contains(&n.id)).count() as i64;
        g.shards.iter().map(|s| Wanted { shard: s.id.clone(), replicas: left(s), zones: Vec::new() }).collect()
    } else {
        wanted(g, p)?
    };
    let least = i64::from(g.auto_failover || g.multi_az);
    let mut out = Vec::new();
    for row in rows {
        let Some(s) = shard(g, &row.shard) else { continue };
        let fewer = s.replicas() as i64 - row.replicas;
        if fewer < 0 {
            return Err(invalid(format!("Node group {} has {} replicas; {} are no decrease.", s.id, s.replicas(), row.replicas)));
        }
        if row.replicas < least {
            return Err(invalid("A replication group with automatic failover or Multi-AZ must keep at least one replica."));
        }
        let own: Vec<String> = s.nodes.iter().filter(|n| named.contains(&n.id)).map(|n| n.id.clone()).collect();
        if own.is_empty() {
            let mut all: Vec<&String> = s.nodes.iter().filter(|n| n.role() == Role::Replica).map(|n| &n.id).collect();
            if w.params.cache.decrease_takes_newest {
                all.reverse();
            }
            out.extend(all.into_iter().take(fewer as usize).cloned());
        } else if own.len() as i64 == fewer {
            out.extend(own);
        } else {
            return Err(contradiction("The number of ReplicasToRemove does not fit the new number of replicas."));
        }
    }
    if out.is_empty() {
        return Err(nothing());
    }
    w.remove_replicas(&id, &out);
    groups::answer(w, &id)
}
