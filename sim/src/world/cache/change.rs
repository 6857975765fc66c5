//! What begins with a replication group, failovers aside: creating, changing, replicas, rebooting, deleting.
//!
//! **Invariant:** the caller has checked that the group may; a node that comes is a replica, and the primary never goes
//! but with its group.

use serde::{Deserialize, Serialize};

use super::{Node, NodeState, ReplicationGroup, Role, Settings, Shard, Status, Work, window};
use crate::{rng, world::World};

/// What ModifyReplicationGroup changes by way of `modifying`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) primary: Option<String>,
    pub(crate) auto_failover: Option<bool>,
    pub(crate) multi_az: Option<bool>,
    pub(crate) node_type: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) parameter_group: Option<String>,
    /// When the maintenance window opens that it waits for.
    pub(crate) due: Option<i64>,
}

impl Change {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { due: self.due, ..Self::default() }
    }

    /// Nodes are replaced by it.
    pub(super) fn replaces(&self) -> bool {
        self.node_type.is_some() || self.version.is_some()
    }

    /// Takes over what the other one names.
    pub(crate) fn merge(&mut self, other: Self) {
        self.primary = other.primary.or(self.primary.take());
        self.auto_failover = other.auto_failover.or(self.auto_failover);
        self.multi_az = other.multi_az.or(self.multi_az);
        self.node_type = other.node_type.or(self.node_type.take());
        self.version = other.version.or(self.version.take());
        self.parameter_group = other.parameter_group.or(self.parameter_group.take());
    }
}

/// A group to be.
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) settings: Settings,
    pub(crate) auto_failover: bool,
    pub(crate) multi_az: bool,
    pub(crate) sharded: bool,
    /// Id, slots, and the zones of the primary and the replicas.
    pub(crate) shards: Vec<(String, Option<String>, Vec<String>)>,
}

impl World {
    /// Zones a subnet group reaches, sorted.
    pub(crate) fn cache_zones(&self, subnet_group: &str) -> Vec<String> {
        let Some(group) = self.caches.subnet_groups.get(subnet_group) else {
            return Vec::new();
        };
        let mut zones: Vec<String> = self.subnets.iter().filter(|s| group.subnets.contains(&s.id)).map(|s| s.zone.clone()).collect();
        zones.sort();
        zones.dedup();
        zones
    }

    /// Zones for this many nodes of a shard, one after the other.
    pub(crate) fn cache_spread(&self, subnet_group: &str, key: &str, count: usize) -> Vec<String> {
        let zones = self.cache_zones(subnet_group);
        let first = rng::hash(self.seed, "cache_zone", key) as usize % zones.len().max(1);
        zones.iter().cycle().skip(first).take(if zones.is_empty() { 0 } else { count }).cloned().collect()
    }

    /// Begins to create a group.
    pub(crate) fn create_cache(&mut self, plan: Plan) {
        let now = self.now;
        let mut shards = Vec::new();
        for (shard, slots, zones) in &plan.shards {
            let base = if plan.sharded { format!("{}-{shard}", plan.id) } else { plan.id.clone() };
            let nodes = zones.iter().enumerate().map(|(n, zone)| {
                let role = if n == 0 { Role::Primary } else { Role::Replica };
                self.new_node(&plan.id, format!("{base}-{:03}", n + 1), zone, plan.settings.tls.is_some(), role)
            });
            shards.push(Shard { id: shard.clone(), slots: slots.clone(), nodes: nodes.collect() });
        }
        let until = now + self.params.cache.create.draw(self.seed, "cache_create", &format!("{}/{now}", plan.id));
        let snapshotting =
            if plan.settings.snapshot_retention > 0 { shards.first().and_then(|s| s.nodes.last()).map(|n| n.id.clone()) } else { None };
        let group = ReplicationGroup {
            id: plan.id.clone(),
            description: plan.description,
            created: now,
            status: Status::Creating,
            settings: plan.settings,
            auto_failover: plan.auto_failover,
            multi_az: plan.multi_az,
            sharded: plan.sharded,
            shards,
            snapshotting,
            work: Some(Work::Create { until }),
            pending: Change::default(),
        };
        self.caches.groups.insert(plan.id.clone(), group);
        self.wake_cache(&plan.id);
    }

    fn new_node(&self, group: &str, id: String, zone: &str, tls: bool, role: Role) -> Node {
        let (created, address) = (self.now, self.cache_node_address(group, &id, tls));
        Node { id, zone: zone.to_owned(), address, created, state: NodeState::Creating, until: None, history: vec![(created, role, false)] }
    }

    /// Begins a change now; the group must be available.
    pub(crate) fn change_cache(&mut self, id: &str, change: Change) {
        let now = self.now;
        let key = format!("{id}/{now}");
        let span = if change.replaces() { self.params.cache.replace } else { self.params.cache.modify };
        let until = now + span.draw(self.seed, "cache_modify", &key);
        if let Some(g) = self.caches.groups.get_mut(id) {
            g.status = Status::Modifying;
            for n in g.shards.iter_mut().flat_map(|s| &mut s.nodes).filter(|_| change.replaces()) {
                n.state = NodeState::Modifying;
            }
            g.work = Some(Work::Modify { until, change });
        }
        self.wake_cache(id);
    }

    /// Keeps a change until the maintenance window opens.
    pub(crate) fn defer_cache(&mut self, id: &str, change: Change) {
        let now = self.now;
        if let Some(g) = self.caches.groups.get_mut(id) {
            g.pending.merge(change);
            g.pending.due = window::next(&g.settings.maintenance_window, now);
        }
        self.wake_cache(id);
    }

    /// Adds a replica per zone to each of these shards.
    pub(crate) fn add_replicas(&mut self, id: &str, shards: &[(String, Vec<String>)]) {
        let now = self.now;
        let Some(g) = self.caches.groups.get(id) else {
            return;
        };
        let mut rows = Vec::new();
        for (shard, zones) in shards {
            let base = if g.sharded { format!("{id}-{shard}") } else { id.to_owned() };
            let taken: Vec<&str> = g.nodes().map(|n| n.id.as_str()).collect();
            let free = (1..).map(|n| format!("{base}-{n:03}")).filter(|name| !taken.contains(&name.as_str()));
            for (name, zone) in free.zip(zones) {
                let mut node = self.new_node(id, name, zone, g.settings.tls.is_some(), Role::Replica);
                node.until = Some(now + self.params.cache.replica.draw(self.seed, "cache_replica", &format!("{}/{now}", node.id)));
                rows.push((shard.clone(), node));
            }
        }
        let settled = rows.iter().filter_map(|(_, n)| n.until).max().unwrap_or(now);
        if let Some(g) = self.caches.groups.get_mut(id) {
            for (shard, node) in rows {
                if let Some(s) = g.shards.iter_mut().find(|s| s.id == shard) {
                    s.nodes.push(node);
                }
            }
        }
        self.replicas_until(id, settled);
    }

    /// Removes these replicas.
    pub(crate) fn remove_replicas(&mut self, id: &str, names: &[String]) {
        let (now, seed, span) = (self.now, self.seed, self.params.cache.replica);
        let mut settled = now;
        if let Some(g) = self.caches.groups.get_mut(id) {
            for n in g.shards.iter_mut().flat_map(|s| &mut s.nodes).filter(|n| names.contains(&n.id)) {
                let until = now + span.draw(seed, "cache_replica", &format!("{}/{now}", n.id));
                n.set(now, NodeState::Deleting, Role::Replica);
                n.until = Some(until);
                settled = settled.max(until);
            }
        }
        self.replicas_until(id, settled);
    }

    fn replicas_until(&mut self, id: &str, settled: i64) {
        let (now, p) = (self.now, &self.params.cache);
        let early = now + p.modify.draw(self.seed, "cache_replicas", &format!("{id}/{now}"));
        let until = if p.group_waits_for_replicas { settled } else { early.min(settled) };
        if let Some(g) = self.caches.groups.get_mut(id) {
            g.status = Status::Modifying;
            g.work = Some(Work::Replicas { until });
        }
        self.wake_cache(id);
    }

    /// Begins to delete a group; its primary may stay as a cache cluster of no group.
    pub(crate) fn delete_cache(&mut self, id: &str, retain: bool) {
        let now = self.now;
        let until = now + self.params.cache.delete.draw(self.seed, "cache_delete", &format!("{id}/{now}"));
        if let Some(g) = self.caches.groups.get_mut(id) {
            g.status = Status::Deleting;
            for n in g.shards.iter_mut().flat_map(|s| &mut s.nodes) {
                let role = n.role();
                if !(retain && role == Role::Primary) {
                    n.until = None;
                    n.set(now, NodeState::Deleting, role);
                }
            }
            g.pending = Change::default();
            g.work = Some(Work::Delete { until, retain });
        }
        self.wake_cache(id);
    }

    /// Reboots a cache cluster. It is no failover, also where it is the primary's (aws-reference 10).
    pub(crate) fn reboot_cache(&mut self, id: &str) {
        let now = self.now;
        let until = now + self.params.cache.reboot.draw(self.seed, "cache_reboot", &format!("{id}/{now}"));
        let shows = self.params.cache.reboot_shows_modifying;
        let reboot = |n: &mut Node| {
            let role = n.role();
            n.set(now, NodeState::Rebooting, role);
            n.until = Some(until);
        };
        let mut owner = id.to_owned();
        if let Some(a) = self.caches.alone.get_mut(id) {
            reboot(&mut a.node);
        } else if let Some(g) = self.caches.groups.values_mut().find(|g| g.nodes().any(|n| n.id == id)) {
            g.shards.iter_mut().flat_map(|s| &mut s.nodes).filter(|n| n.id == id).for_each(reboot);
            if shows && g.status == Status::Available {
                g.status = Status::Modifying;
            }
            owner.clone_from(&g.id);
        }
        self.wake_cache(&owner);
    }

    /// The control: `failover`, `modifying`, or `available`, which ends at once what the group is busy with.
    pub(crate) fn force_cache(&mut self, id: &str, state: &str) -> Result<(), String> {
        let now = self.now;
        let g = self.caches.groups.get_mut(id).ok_or_else(|| format!("group: {id:?} does not exist"))?;
        match state {
            "failover" => {
                let shard = g.shards.first().map(|s| s.id.clone()).unwrap_or_default();
                self.start_failover(id, &shard, false).map_err(|why| format!("state: {id} {}", why.words()))?;
            }
            "modifying" if g.status == Status::Available => {
                g.status = Status::Modifying;
                g.work = Some(Work::Held);
            }
            "modifying" => return Err(format!("state: {id} is {}", g.status.name())),
            "available" if matches!(g.work, Some(Work::Delete { .. })) => return Err(format!("state: {id} is deleting")),
            "available" => {
                for n in g.shards.iter_mut().flat_map(|s| &mut s.nodes) {
                    n.until = n.until.map(|t| t.min(now));
                }
                match &mut g.work {
                    Some(Work::Create { until } | Work::Modify { until, .. } | Work::Replicas { until }) => *until = now,
                    Some(Work::Failover(f)) => f.hurry(now),
                    Some(Work::Held) => {
                        g.work = None;
                        g.status = Status::Available;
                    }
                    Some(Work::Delete { .. }) | None => {}
                }
                self.step_cache(id);
            }
            odd => return Err(format!("state: {odd:?} is none of available, failover, modifying")),
        }
        Ok(())
    }

    /// When something happens to the group next.
    pub(super) fn next_of_group(&self, g: &ReplicationGroup) -> Option<i64> {
        let work = match &g.work {
            Some(Work::Create { until } | Work::Modify { until, .. } | Work::Replicas { until } | Work::Delete { until, .. }) => Some(*until),
            Some(Work::Failover(f)) => Some(f.next(self.now)),
            Some(Work::Held) => None,
            None => g.pending.due,
        };
        g.nodes().filter_map(|n| n.until).chain(work).min()
    }
}
