//! Ground truth of ElastiCache for `GET /_sim/world`.
//!
//! **Invariant:** reading changes nothing.

use serde_json::{Value, json};

use super::{ReplicationGroup, Work, window::due_text};
use crate::{clock::iso, world::World};

/// Events shown.
const LATEST: usize = 20;

impl World {
    pub(crate) fn caches_view(&self) -> Value {
        self.caches.groups.values().map(|g| self.cache_view(g)).collect()
    }

    /// The latest events, newest first.
    pub(crate) fn cache_events_view(&self) -> Value {
        let row = |e: &super::Event| json!({"at": iso(e.at), "source": e.source, "type": e.kind(), "message": e.message});
        self.cache_events().take(LATEST).map(row).collect()
    }

    fn cache_view(&self, g: &ReplicationGroup) -> Value {
        let endpoint = match g.shards.first() {
            _ if g.sharded => self.cache_configuration_address(g),
            Some(shard) => self.cache_addresses(g, &shard.id).0,
            None => String::new(),
        };
        json!({
            "id": g.id,
            "status": g.status.name(),
            "writes": g.writes(),
            "endpoint": endpoint,
            "port": g.settings.port,
            "engine": g.settings.engine,
            "engine_version": g.settings.version,
            "cluster_mode": g.sharded,
            "automatic_failover": g.failover_status(),
            "multi_az": g.multi_az,
            "busy": self.busy(g),
            "pending_until": due_text(&g.pending),
            "shards": g.shards.iter().map(|s| json!({
                "id": s.id,
                "slots": s.slots,
                "members": s.nodes.iter().map(|n| json!({
                    "id": n.id,
                    "az": n.zone,
                    "role": n.role().name(),
                    "role_since": iso(n.role_since()),
                    "status": n.state.cluster(),
                    "serves": n.at(self.now).is_some_and(|(_, serves)| serves),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }

    /// What the group is busy with, and until when.
    fn busy(&self, g: &ReplicationGroup) -> Value {
        let row = |what: &str, until: i64| json!({"what": what, "until": iso(until)});
        match &g.work {
            None => Value::Null,
            Some(Work::Held) => json!({"what": "held"}),
            Some(Work::Create { until }) => row("create", *until),
            Some(Work::Modify { until, .. }) => row("modify", *until),
            Some(Work::Replicas { until }) => row("replicas", *until),
            Some(Work::Delete { until, .. }) => row("delete", *until),
            Some(Work::Failover(f)) => json!({
                "what": "failover",
                "from": f.from,
                "to": f.to,
                "promoted_at": iso(f.promote_at),
                "until": iso(f.until),
            }),
        }
    }
}
