//! ElastiCache: replication groups, their shards and nodes, events (aws-reference 10).
//!
//! **Invariant:** a shard has exactly one primary at every instant, also while no node of it takes writes; a group does
//! one thing at a time, and its endpoint names never change. Times are milliseconds since the epoch.

mod build;
mod change;
mod events;
mod failover;
mod names;
mod step;
mod view;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{World, agenda::Entity};

pub(crate) use change::{Change, Plan};
pub(crate) use events::Event;
pub(crate) use failover::Refusal;
pub(crate) use window::{drawn_window, is_window};

/// The only node of a Redis cache cluster.
pub(crate) const NODE: &str = "0001";
/// How far back role changes are kept, as long as metrics of a minute last (aws-reference 9).
const HISTORY: i64 = 15 * 86_400_000;

/// Everything of ElastiCache in one Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Caches {
    pub(crate) groups: BTreeMap<String, ReplicationGroup>,
    /// Cache clusters of no group: a primary that was kept when its group was deleted.
    pub(crate) alone: BTreeMap<String, Alone>,
    pub(crate) subnet_groups: BTreeMap<String, SubnetGroup>,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// Tests of a failover in the last day: when, group, shard.
    pub(crate) tests: Vec<(i64, String, String)>,
    /// Tags by ARN.
    pub(crate) tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// Cache subnet group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubnetGroup {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) subnets: Vec<String>,
}

/// What holds for every node of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) engine: String,
    /// With its patch number, `7.0.7`.
    pub(crate) version: String,
    pub(crate) node_type: String,
    pub(crate) port: i64,
    pub(crate) subnet_group: String,
    pub(crate) parameter_group: String,
    pub(crate) security_groups: Vec<String>,
    /// `required` or `preferred` where connections are encrypted.
    pub(crate) tls: Option<String>,
    pub(crate) at_rest: bool,
    pub(crate) kms_key: Option<String>,
    /// When the AUTH token was set; the token itself is kept nowhere.
    pub(crate) auth_since: Option<i64>,
    pub(crate) snapshot_retention: i64,
    pub(crate) snapshot_window: String,
    pub(crate) maintenance_window: String,
    pub(crate) auto_minor: bool,
    pub(crate) topic: Option<String>,
}

/// Status of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Creating,
    Available,
    Modifying,
    Deleting,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Modifying => "modifying",
            Self::Deleting => "deleting",
        }
    }
}

/// Who takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Primary,
    Replica,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// State of a cache cluster and its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeState {
    Creating,
    Available,
    Modifying,
    Rebooting,
    /// Lost in a failover, not yet being recovered.
    Failed,
    Recovering,
    Deleting,
}

impl NodeState {
    /// CacheClusterStatus.
    pub(crate) fn cluster(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Modifying | Self::Failed | Self::Recovering => "modifying",
            Self::Rebooting => "rebooting cluster nodes",
            Self::Deleting => "deleting",
        }
    }

    /// CacheNodeStatus.
    pub(crate) fn node(self) -> &'static str {
        match self {
            Self::Creating | Self::Recovering => "creating",
            Self::Available | Self::Modifying | Self::Failed => "available",
            Self::Rebooting => "rebooting",
            Self::Deleting => "deleting",
        }
    }

    fn serves(self) -> bool {
        matches!(self, Self::Available | Self::Modifying)
    }
}

/// One cache cluster with its single node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    /// CacheClusterId.
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) address: String,
    pub(crate) created: i64,
    pub(crate) state: NodeState,
    /// When a reboot, or a replica that settles by itself, is over.
    pub(crate) until: Option<i64>,
    /// From when on: the role, and whether it serves. Oldest first, never empty.
    pub(crate) history: Vec<(i64, Role, bool)>,
}

impl Node {
    pub(crate) fn role(&self) -> Role {
        self.history.last().map_or(Role::Replica, |(_, role, _)| *role)
    }

    /// Since when it has this role.
    pub(crate) fn role_since(&self) -> i64 {
        let role = self.role();
        self.history.iter().rev().take_while(|(_, r, _)| *r == role).last().map_or(self.created, |(at, _, _)| *at)
    }

    /// The role at an instant, and whether it served then; none before it was there.
    pub(crate) fn at(&self, t: i64) -> Option<(Role, bool)> {
        self.history.iter().rev().find(|(at, _, _)| *at <= t).map(|(_, role, serves)| (*role, *serves))
    }

    fn set(&mut self, now: i64, state: NodeState, role: Role) {
        self.state = state;
        let serves = state.serves();
        if self.history.last().is_some_and(|(_, r, s)| (*r, *s) == (role, serves)) {
            return;
        }
        let keep = self.history.iter().rposition(|(at, _, _)| *at <= now - HISTORY).unwrap_or(0);
        self.history.drain(..keep);
        self.history.push((now, role, serves));
    }
}

/// A node group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) id: String,
    pub(crate) slots: Option<String>,
    pub(crate) nodes: Vec<Node>,
}

impl Shard {
    pub(crate) fn primary(&self) -> Option<&Node> {
        self.nodes.iter().find(|n| n.role() == Role::Primary)
    }

    pub(crate) fn replicas(&self) -> usize {
        self.nodes.iter().filter(|n| n.role() == Role::Replica && n.state != NodeState::Deleting).count()
    }
}

/// What a group is busy with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Work {
    Create {
        until: i64,
    },
    Modify {
        until: i64,
        change: Change,
    },
    Failover(failover::Failover),
    /// Replicas come or go.
    Replicas {
        until: i64,
    },
    Delete {
        until: i64,
        retain: bool,
    },
    /// Kept in `modifying` by the control until that lets go.
    Held,
}

/// A replication group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplicationGroup {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) created: i64,
    pub(crate) status: Status,
    pub(crate) settings: Settings,
    pub(crate) auto_failover: bool,
    pub(crate) multi_az: bool,
    /// Cluster mode enabled.
    pub(crate) sharded: bool,
    pub(crate) shards: Vec<Shard>,
    pub(crate) snapshotting: Option<String>,
    pub(crate) work: Option<Work>,
    /// Waits for the maintenance window.
    pub(crate) pending: Change,
}

impl ReplicationGroup {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.shards.iter().flat_map(|s| &s.nodes)
    }

    /// Whether every shard takes writes now.
    pub(crate) fn writes(&self) -> bool {
        !self.shards.is_empty() && self.shards.iter().all(|s| s.primary().is_some_and(|n| n.state.serves()))
    }

    /// AutomaticFailover.
    pub(crate) fn failover_status(&self) -> &'static str {
        match &self.work {
            Some(Work::Create { .. }) if self.auto_failover => "enabling",
            Some(Work::Modify { change, .. }) => match change.auto_failover {
                Some(true) => "enabling",
                Some(false) => "disabling",
                None if self.auto_failover => "enabled",
                None => "disabled",
            },
            _ if self.auto_failover => "enabled",
            _ => "disabled",
        }
    }
}

/// A cache cluster of no group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alone {
    pub(crate) settings: Settings,
    pub(crate) node: Node,
}

/// A node with what is around it.
pub(crate) struct Member<'a> {
    pub(crate) group: Option<&'a ReplicationGroup>,
    pub(crate) settings: &'a Settings,
    pub(crate) node: &'a Node,
}

impl World {
    /// Every cache cluster of the Region, groups' members first; what metrics are computed of.
    pub(crate) fn cache_members(&self) -> Vec<Member<'_>> {
        let of_groups = self.caches.groups.values().flat_map(|g| g.nodes().map(move |n| Member { group: Some(g), settings: &g.settings, node: n }));
        let alone = self.caches.alone.values().map(|a| Member { group: None, settings: &a.settings, node: &a.node });
        of_groups.chain(alone).collect()
    }

    /// One cache cluster.
    pub(crate) fn cache_member(&self, id: &str) -> Option<Member<'_>> {
        self.cache_members().into_iter().find(|m| m.node.id == id)
    }

    /// Asks for the next thing that happens to a group, or to a cache cluster of no group.
    pub(crate) fn wake_cache(&mut self, id: &str) {
        let group = self.caches.groups.get(id);
        let of_group = group.and_then(|g| self.next_of_group(g));
        let alone = self.caches.alone.get(id).and_then(|a| a.node.until);
        if let Some(at) = of_group.into_iter().chain(alone).min() {
            self.agenda.wake(at.max(self.now), Entity::Cache(id.to_owned()));
        }
    }
}
