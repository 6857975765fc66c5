//! AWS/ElastiCache by node (aws-reference 9).
//!
//! **Invariant:** every node of a replication group publishes each minute; only a replica has a lag, and only the primary
//! is master.

use super::{Metric, datum::Datum, floor, instance::Raw, noise};
use crate::world::World;

const MINUTE: i64 = 60_000;

/// Name, unit, usual value and how far it strays.
pub(crate) const NAMES: [(&str, &str, f64, f64); 17] = [
    ("CPUUtilization", "Percent", 4.0, 1.5),
    ("EngineCPUUtilization", "Percent", 1.0, 0.5),
    ("DatabaseMemoryUsagePercentage", "Percent", 12.0, 0.4),
    ("FreeableMemory", "Bytes", 9.1e8, 4.0e6),
    ("SwapUsage", "Bytes", 0.0, 0.0),
    ("CurrConnections", "Count", 14.0, 3.0),
    ("NewConnections", "Count", 4.0, 3.0),
    ("CacheHits", "Count", 420.0, 60.0),
    ("CacheMisses", "Count", 21.0, 6.0),
    ("CacheHitRate", "Percent", 95.2, 0.8),
    ("Evictions", "Count", 0.0, 0.0),
    ("ReplicationLag", "Seconds", 0.004, 0.003),
    ("IsMaster", "Count", 1.0, 0.0),
    ("BytesUsedForCache", "Bytes", 6.4e7, 2.0e6),
    ("CurrItems", "Count", 1850.0, 40.0),
    ("NetworkBytesIn", "Bytes", 1.9e5, 3.0e4),
    ("NetworkBytesOut", "Bytes", 4.6e5, 6.0e4),
];

impl World {
    /// Nodes there are, and whether each is the primary.
    pub(super) fn cache_nodes(&self) -> Vec<(String, bool)> {
        self.redis.keys().flat_map(|group| [(format!("{group}-001"), true), (format!("{group}-002"), false)]).collect()
    }

    pub(super) fn cache_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Raw> {
        let node = match (metric.exactly(["CacheClusterId"]), metric.exactly(["CacheClusterId", "CacheNodeId"])) {
            (Some([id]), _) | (None, Some([id, "0001"])) => id,
            _ => return Vec::new(),
        };
        let Some((_, primary)) = self.cache_nodes().into_iter().find(|(id, _)| id == node) else {
            return Vec::new();
        };
        let Some((name, unit, usual, stray)) = NAMES.into_iter().find(|(name, ..)| *name == metric.name) else {
            return Vec::new();
        };
        let start = floor(from.max(self.started) + MINUTE - 1, MINUTE);
        let starts = (0..).map(|n| start + n * MINUTE).take_while(|at| *at < to);
        let value = |at: i64| match name {
            "ReplicationLag" if primary => None,
            "IsMaster" => Some(f64::from(u8::from(primary))),
            _ => {
                let value = usual + stray * noise(self.seed, name, node, at);
                Some(if unit == "Count" || unit == "Bytes" { value.round() } else { value })
            }
        };
        starts.filter_map(|at| Some((at, MINUTE, Datum::one(value(at)?), unit))).collect()
    }
}
