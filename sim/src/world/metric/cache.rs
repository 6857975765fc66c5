//! AWS/ElastiCache by node (aws-reference 9).
//!
//! **Invariant:** a node publishes each minute in which it serves; only a replica has a lag, and only the primary is master.

use super::{Metric, datum::Datum, floor, instance::Raw, noise};
use crate::world::{World, steps::Steps};

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
    pub(super) fn cache_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Raw> {
        let node = match (metric.exactly(["CacheClusterId"]), metric.exactly(["CacheClusterId", "CacheNodeId"])) {
            (Some([id]), _) | (None, Some([id, "0001"])) => id,
            _ => return Vec::new(),
        };
        let Some(track) = self.tracks.nodes.get(node) else {
            return Vec::new();
        };
        let Some((name, unit, usual, stray)) = NAMES.into_iter().find(|(name, ..)| *name == metric.name) else {
            return Vec::new();
        };
        let start = floor(from.max(track.changes().next().unwrap_or(to)) + MINUTE - 1, MINUTE);
        let starts = (0..).map(|n| start + n * MINUTE).take_while(|at| *at < to);
        let value = |at: i64| {
            let primary = *track.at(at)?.as_ref()?;
            Some(match name {
                "ReplicationLag" if primary => return None,
                "IsMaster" => f64::from(u8::from(primary)),
                _ => {
                    let value = usual + stray * noise(self.seed, name, node, at);
                    if unit == "Count" || unit == "Bytes" { value.round() } else { value }
                }
            })
        };
        starts.filter_map(|at| Some((at, MINUTE, Datum::one(value(at)?), unit))).collect()
    }
}

/// Whether a metric of this name was published in a span.
pub(super) fn published(track: &Steps<Option<bool>>, name: &str, from: i64, to: i64) -> bool {
    let says = |state: Option<&Option<bool>>| matches!(state, Some(Some(primary)) if !(*primary && name == "ReplicationLag"));
    says(track.at(from)) || track.changes().any(|t| (from..to).contains(&t) && says(track.at(t)))
}
