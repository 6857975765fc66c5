//! ElastiCache's events (aws-reference 10).
//!
//! **Invariant:** kept for 14 days and no longer; oldest first.

use serde::{Deserialize, Serialize};

use crate::world::World;

/// How long events are kept.
pub(crate) const KEPT: i64 = 14 * 86_400_000;

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) group: bool,
    pub(crate) source: String,
    pub(crate) message: String,
}

impl Event {
    /// SourceType.
    pub(crate) fn kind(&self) -> &'static str {
        if self.group { "replication-group" } else { "cache-cluster" }
    }
}

impl World {
    pub(super) fn cache_event_of_group(&mut self, source: &str, message: impl Into<String>) {
        self.cache_event(true, source, message.into());
    }

    pub(super) fn cache_event_of_cluster(&mut self, source: &str, message: impl Into<String>) {
        self.cache_event(false, source, message.into());
    }

    fn cache_event(&mut self, group: bool, source: &str, message: String) {
        let at = self.now;
        let old = self.caches.events.partition_point(|e| e.at < at - KEPT);
        self.caches.events.drain(..old);
        self.caches.events.push(Event { at, group, source: source.to_owned(), message });
    }

    /// Events that are still kept, newest first.
    pub(crate) fn cache_events(&self) -> impl Iterator<Item = &Event> {
        let oldest = self.now - KEPT;
        self.caches.events.iter().rev().take_while(move |e| e.at >= oldest)
    }
}
