//! A shard's primary is lost and a replica takes its place (aws-reference 10).
//!
//! **Invariant:** the group is `modifying` from the loss until the old primary is back as a replica; roles swap once, at
//! the end of the write gap; events come in AWS's order.

use serde::{Deserialize, Serialize};

use super::{NODE, NodeState, ReplicationGroup, Role, Status, Work};
use crate::{rng, world::World};

/// Shards whose failover may be tested in a day.
const DAILY: usize = 15;
const DAY: i64 = 86_400_000;

/// One failover.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failover {
    pub(crate) shard: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) promote_at: i64,
    pub(crate) recover_at: i64,
    pub(crate) until: i64,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoShard,
    Busy,
    MemberBusy,
    NoFailover,
    Quota,
}

impl Refusal {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoShard => "has no such shard",
            Self::Busy => "is not available",
            Self::MemberBusy => "has a cache cluster that is not available",
            Self::NoFailover => "has no automatic failover or no replica",
            Self::Quota => "was tested too often today",
        }
    }
}

impl World {
    /// Loses a shard's primary. A test of it leaves an event of its own and counts against the daily quota.
    pub(crate) fn start_failover(&mut self, id: &str, shard: &str, test: bool) -> Result<(), Refusal> {
        let now = self.now;
        let g = self.caches.groups.get(id).ok_or(Refusal::NoShard)?;
        let row = g.shards.iter().find(|s| s.id == shard).ok_or(Refusal::NoShard)?;
        if g.status != Status::Available {
            return Err(Refusal::Busy);
        }
        if g.nodes().any(|n| n.state != NodeState::Available) {
            return Err(Refusal::MemberBusy);
        }
        let replicas: Vec<&str> = row.nodes.iter().filter(|n| n.role() == Role::Replica).map(|n| n.id.as_str()).collect();
        let from = row.primary().map(|n| n.id.clone());
        let (Some(from), true, false) = (from, g.auto_failover, replicas.is_empty()) else {
            return Err(Refusal::NoFailover);
        };
        if test {
            self.caches.tests.retain(|(at, ..)| *at > now - DAY);
            let tests = &self.caches.tests;
            let counted = if self.params.cache.failover_quota_counts_calls {
                tests.len()
            } else {
                let mut others: Vec<_> = tests.iter().filter(|(_, g, s)| (g.as_str(), s.as_str()) != (id, shard)).map(|(_, g, s)| (g, s)).collect();
                others.sort_unstable();
                others.dedup();
                others.len()
            };
            if counted >= DAILY {
                return Err(Refusal::Quota);
            }
        }
        let key = format!("{id}/{shard}/{now}");
        // The replica that lags least; who that is, is drawn.
        let to = replicas[(rng::hash(self.seed, "cache_promoted", &key) % replicas.len() as u64) as usize].to_owned();
        let p = &self.params.cache;
        let promote_at = now + p.write_gap.draw(self.seed, "cache_write_gap", &key);
        let recover_at = promote_at + p.recovery_start.draw(self.seed, "cache_recovery_start", &key);
        let until = (now + p.recovery.draw(self.seed, "cache_recovery", &key)).max(recover_at);
        if test {
            self.caches.tests.push((now, id.to_owned(), shard.to_owned()));
            self.cache_event_of_group(id, format!("Test Failover API called for node group {shard}"));
        }
        if let Some(g) = self.caches.groups.get_mut(id) {
            g.status = Status::Modifying;
            set(g, now, &from, NodeState::Failed, Role::Primary);
            g.work = Some(Work::Failover(Failover { shard: shard.to_owned(), from, to, promote_at, recover_at, until }));
        }
        self.wake_cache(id);
        Ok(())
    }

    /// What is due of a failover; whether it is over.
    pub(super) fn step_failover(&mut self, g: &mut ReplicationGroup, f: &Failover) -> bool {
        let now = self.now;
        let state = |g: &ReplicationGroup| g.nodes().find(|n| n.id == f.from).map(|n| (n.state, n.role()));
        if now >= f.promote_at && state(g) == Some((NodeState::Failed, Role::Primary)) {
            set(g, now, &f.from, NodeState::Failed, Role::Replica);
            set(g, now, &f.to, NodeState::Available, Role::Primary);
            let words = format!("Failover from primary node {} to replica node {} completed", f.from, f.to);
            let of = if self.params.cache.failover_event_of_old_primary { &f.from } else { &f.to };
            self.cache_event_of_cluster(of, words.clone());
            self.cache_event_of_group(&g.id, words);
        }
        let named = if self.params.cache.recovery_event_names_node { NODE } else { &f.from };
        if now >= f.recover_at && state(g).is_some_and(|(s, _)| s == NodeState::Failed) {
            set(g, now, &f.from, NodeState::Recovering, Role::Replica);
            self.cache_event_of_cluster(&f.from, format!("Recovering cache nodes {named}"));
        }
        if now < f.until {
            return false;
        }
        set(g, now, &f.from, NodeState::Available, Role::Replica);
        self.cache_event_of_cluster(&f.from, format!("Finished recovery for cache nodes {named}"));
        true
    }
}

impl Failover {
    pub(super) fn next(&self, now: i64) -> i64 {
        [self.promote_at, self.recover_at].into_iter().find(|t| *t > now).unwrap_or(self.until)
    }

    /// Everything at once, for the control that ends it.
    pub(super) fn hurry(&mut self, now: i64) {
        self.promote_at = self.promote_at.min(now);
        self.recover_at = self.recover_at.min(now);
        self.until = now;
    }
}

pub(super) fn set(g: &mut ReplicationGroup, now: i64, id: &str, state: NodeState, role: Role) {
    if let Some(n) = g.shards.iter_mut().flat_map(|s| &mut s.nodes).find(|n| n.id == id) {
        n.set(now, state, role);
    }
}
