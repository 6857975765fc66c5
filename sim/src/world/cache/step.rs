//! What becomes of a replication group as time passes.
//!
//! **Invariant:** a change is applied at its end and in one instant.

use super::{Alone, Change, NODE, Node, NodeState, ReplicationGroup, Role, Shard, Status, Work, failover::set};
use crate::world::World;

impl World {
    /// Everything that is due of a group, or of a cache cluster of no group.
    pub(crate) fn step_cache(&mut self, id: &str) {
        if let Some(mut a) = self.caches.alone.remove(id) {
            self.settle(&mut a.node);
            self.caches.alone.insert(id.to_owned(), a);
        }
        if let Some(mut g) = self.caches.groups.remove(id) {
            for shard in &mut g.shards {
                let mut nodes = std::mem::take(&mut shard.nodes);
                nodes.retain_mut(|n| self.settle(n));
                shard.nodes = nodes;
            }
            if !self.step_work(&mut g) {
                self.caches.groups.insert(id.to_owned(), g);
            }
        }
        self.wake_cache(id);
    }

    /// Ends what a node is busy with by itself; whether the node is still there.
    fn settle(&mut self, n: &mut Node) -> bool {
        if n.until.is_none_or(|t| t > self.now) {
            return true;
        }
        n.until = None;
        match n.state {
            NodeState::Deleting => {
                self.cache_event_of_cluster(&n.id, "Cache cluster deleted");
                return false;
            }
            NodeState::Creating => self.came(&n.id, &n.zone),
            _ => self.cache_event_of_cluster(&n.id, format!("Cache node {NODE} restarted")),
        }
        n.set(self.now, NodeState::Available, n.role());
        true
    }

    fn came(&mut self, cluster: &str, zone: &str) {
        self.cache_event_of_cluster(cluster, "Cache cluster created");
        self.cache_event_of_cluster(cluster, format!("Added cache node {NODE} in availability zone {zone}"));
    }

    /// Goes on with what the group is busy with; whether the group is gone.
    fn step_work(&mut self, g: &mut ReplicationGroup) -> bool {
        let now = self.now;
        match g.work.take() {
            Some(Work::Create { until }) if until <= now => {
                let rows: Vec<(String, String, Role)> = g.nodes().map(|n| (n.id.clone(), n.zone.clone(), n.role())).collect();
                for (id, zone, role) in rows {
                    set(g, now, &id, NodeState::Available, role);
                    self.came(&id, &zone);
                }
                self.cache_event_of_group(&g.id, format!("Replication group {} created", g.id));
                g.status = Status::Available;
            }
            Some(Work::Modify { until, change }) if until <= now => apply(g, now, change),
            Some(Work::Replicas { until }) if until <= now => g.status = Status::Available,
            Some(Work::Delete { until, retain }) if until <= now => {
                self.gone(g, retain);
                return true;
            }
            Some(Work::Failover(f)) => {
                if self.step_failover(g, &f) {
                    g.status = Status::Available;
                } else {
                    g.work = Some(Work::Failover(f));
                }
            }
            other => g.work = other,
        }
        if g.work.is_none() && g.status == Status::Modifying && g.nodes().all(|n| n.state != NodeState::Rebooting) {
            g.status = Status::Available;
        }
        if g.work.is_none() && g.status == Status::Available && g.pending.due.is_some_and(|t| t <= now) {
            let change = std::mem::take(&mut g.pending);
            let id = g.id.clone();
            self.caches.groups.insert(id.clone(), g.clone());
            self.change_cache(&id, change);
            return true;
        }
        false
    }

    /// The end of a group.
    fn gone(&mut self, g: &ReplicationGroup, retain: bool) {
        for n in g.nodes() {
            if retain && n.role() == Role::Primary {
                self.caches.alone.insert(n.id.clone(), Alone { settings: g.settings.clone(), node: n.clone() });
                self.wake_cache(&n.id);
                continue;
            }
            let arn = self.cache_arn("cluster", &n.id);
            self.caches.tags.remove(&arn);
            self.cache_event_of_cluster(&n.id, "Cache cluster deleted");
        }
        let arn = self.cache_arn("replicationgroup", &g.id);
        self.caches.tags.remove(&arn);
        self.cache_event_of_group(&g.id, format!("Replication group {} deleted", g.id));
    }
}

/// Makes a change true.
fn apply(g: &mut ReplicationGroup, now: i64, change: Change) {
    if let Some(to) = &change.primary {
        let from = g.shards.iter().find(|s| s.nodes.iter().any(|n| n.id == *to)).and_then(Shard::primary).map(|n| n.id.clone());
        if let Some(from) = from {
            set(g, now, &from, NodeState::Available, Role::Replica);
            set(g, now, to, NodeState::Available, Role::Primary);
        }
    }
    for n in g.shards.iter_mut().flat_map(|s| &mut s.nodes).filter(|n| n.state == NodeState::Modifying) {
        n.state = NodeState::Available;
    }
    g.auto_failover = change.auto_failover.unwrap_or(g.auto_failover);
    g.multi_az = change.multi_az.unwrap_or(g.multi_az);
    let s = &mut g.settings;
    s.node_type = change.node_type.unwrap_or_else(|| s.node_type.clone());
    s.version = change.version.unwrap_or_else(|| s.version.clone());
    s.parameter_group = change.parameter_group.unwrap_or_else(|| s.parameter_group.clone());
    g.status = Status::Available;
}
