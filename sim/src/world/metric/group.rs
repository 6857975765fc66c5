//! AWS/AutoScaling by group (aws-reference 9).
//!
//! **Invariant:** a metric exists only while its collection is enabled; sizes are those at the start of the minute.

use super::{Metric, datum::Datum, floor, instance::Raw};
use crate::world::{
    World,
    track::{Shape, Track},
};

/// Names EnableMetricsCollection knows, of groups without a warm pool.
pub(crate) const NAMES: [&str; 13] = [
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
];

fn value(shape: &Shape, name: &str) -> Option<i64> {
    Some(match name {
        "GroupMinSize" => shape.min,
        "GroupMaxSize" => shape.max,
        "GroupDesiredCapacity" => shape.desired,
        // Without instance weights a unit of capacity is an instance.
        "GroupInServiceInstances" | "GroupInServiceCapacity" => shape.in_service,
        "GroupPendingInstances" | "GroupPendingCapacity" => shape.pending,
        "GroupStandbyInstances" | "GroupStandbyCapacity" => shape.standby,
        "GroupTerminatingInstances" | "GroupTerminatingCapacity" => shape.terminating,
        "GroupTotalInstances" | "GroupTotalCapacity" => shape.in_service + shape.pending + shape.standby + shape.terminating,
        _ => return None,
    })
}

impl World {
    pub(super) fn group_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Raw> {
        let track = metric.exactly(["AutoScalingGroupName"]).and_then(|[name]| self.tracks.groups.get(name));
        let Some(first) = track.and_then(|t| t.shape.changes().next()) else {
            return Vec::new();
        };
        let start = floor(from.max(first) + 59_999, 60_000);
        let starts = (0..).map(|n| start + n * 60_000).take_while(|at| *at < to);
        let at = |at: i64| {
            let shape = track?.shape.at(at)?.as_ref().filter(|s| s.metrics.contains(&metric.name))?;
            Some((at, 60_000, Datum::one(value(shape, &metric.name)? as f64), "None"))
        };
        starts.filter_map(at).collect()
    }
}

/// Whether a metric of this name was published in a span.
pub(super) fn published(track: &Track, name: &str, from: i64, to: i64) -> bool {
    let on = |t: i64| track.shape.at(t).and_then(Option::as_ref).is_some_and(|s| s.metrics.contains(name));
    NAMES.contains(&name) && (on(from) || track.shape.changes().any(|t| (from..to).contains(&t) && on(t)))
}
