//! Timings and undocumented choices of ElastiCache.
//!
//! **Invariant:** as in the parent: what is inferred is a field here and nowhere a constant.

use serde::{Deserialize, Serialize};

use super::{flag, narrow};
use crate::rng::Span;

/// ElastiCache's part of a world's parameters (aws-reference 10, 14). Spans in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheParams {
    /// CreateReplicationGroup: `creating` until `available`.
    pub create: Span,
    /// ModifyReplicationGroup: `modifying` until `available`, where no node is replaced.
    pub modify: Span,
    /// The same where nodes are replaced (node type, engine version).
    pub replace: Span,
    /// A replica that is added or removed.
    pub replica: Span,
    /// DeleteReplicationGroup: `deleting` until it is gone.
    pub delete: Span,
    /// Failover: the primary is lost until the replica takes writes.
    pub write_gap: Span,
    /// Failover: promotion until the old primary's node begins to recover.
    pub recovery_start: Span,
    /// Failover: the primary is lost until the old one is back as a replica.
    pub recovery: Span,
    /// RebootCacheCluster until the node serves again.
    pub reboot: Span,
    /// While it is created a group lists its node groups, without endpoints (else not at all).
    pub creating_shows_node_groups: bool,
    /// While one of its nodes reboots a group is `modifying` (else it stays `available`).
    pub reboot_shows_modifying: bool,
    /// A group is `available` again only when its added or removed replicas have settled.
    pub group_waits_for_replicas: bool,
    /// Without a number of replicas by name, the newest ones are removed (else the oldest).
    pub decrease_takes_newest: bool,
    /// The cache cluster's message on a failover is the old primary's (else the new one's).
    pub failover_event_of_old_primary: bool,
    /// Recovery messages name the node, `0001` (else the cache cluster).
    pub recovery_event_names_node: bool,
    /// The daily quota counts every test of a failover (else each shard once).
    pub failover_quota_counts_calls: bool,
    /// Testing the failover of a group that has none is TestFailoverNotAvailableFault (else
    /// InvalidReplicationGroupState).
    pub no_failover_is_not_available: bool,
}

impl CacheParams {
    pub(super) fn reference() -> Self {
        Self {
            create: Span::new(300, 900),
            modify: Span::new(60, 300),
            replace: Span::new(600, 1500),
            replica: Span::new(300, 600),
            delete: Span::new(180, 540),
            write_gap: Span::new(5, 30),
            recovery_start: Span::new(5, 60),
            recovery: Span::new(300, 600),
            reboot: Span::new(30, 120),
            creating_shows_node_groups: false,
            reboot_shows_modifying: false,
            group_waits_for_replicas: true,
            decrease_takes_newest: true,
            failover_event_of_old_primary: true,
            recovery_event_names_node: false,
            failover_quota_counts_calls: true,
            no_failover_is_not_available: true,
        }
    }

    pub(super) fn draw(seed: u64) -> Self {
        let r = Self::reference();
        let span = |label: &str, full: Span| narrow(seed, &format!("cache.{label}"), full);
        let flag = |label: &str| flag(seed, &format!("cache.{label}"));
        Self {
            create: span("create", r.create),
            modify: span("modify", r.modify),
            replace: span("replace", r.replace),
            replica: span("replica", r.replica),
            delete: span("delete", r.delete),
            write_gap: span("write_gap", r.write_gap),
            recovery_start: span("recovery_start", r.recovery_start),
            recovery: span("recovery", r.recovery),
            reboot: span("reboot", r.reboot),
            creating_shows_node_groups: flag("creating_shows_node_groups"),
            reboot_shows_modifying: flag("reboot_shows_modifying"),
            group_waits_for_replicas: flag("group_waits_for_replicas"),
            decrease_takes_newest: flag("decrease_takes_newest"),
            failover_event_of_old_primary: flag("failover_event_of_old_primary"),
            recovery_event_names_node: flag("recovery_event_names_node"),
            failover_quota_counts_calls: flag("failover_quota_counts_calls"),
            no_failover_is_not_available: flag("no_failover_is_not_available"),
        }
    }
}
