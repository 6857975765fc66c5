//! What clients have put (aws-reference 9).
//!
//! **Invariant:** datapoints are kept in the grain their age has and no longer than 455 days; what was put for one minute
//! adds up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Metric, Point, datum::Datum, floor};
use crate::world::{World, track::KEPT};

const HOUR: i64 = 3_600_000;

/// Datapoints of one grid interval that can be read from one instant on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) at: i64,
    pub(crate) unit: String,
    pub(crate) datum: Datum,
    pub(crate) visible: i64,
}

/// A metric that was put.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Custom {
    pub(crate) metric: Metric,
    /// When it was put for the first time, and the newest time it was put for.
    pub(crate) first: i64,
    pub(crate) newest: i64,
    pub(crate) rows: Vec<Put>,
}

impl World {
    pub(super) fn custom_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Point> {
        let rows = self.custom.get(&metric.key()).map(|c| c.rows.as_slice()).unwrap_or_default();
        let first = rows.partition_point(|r| r.at < from);
        let last = rows.partition_point(|r| r.at < to);
        let point = |r: &Put| Point { at: r.at, datum: r.datum.clone(), unit: r.unit.clone(), visible: r.visible };
        rows.get(first..last).unwrap_or_default().iter().map(point).collect()
    }

    /// Stores a datapoint; a second is the grain of high resolution, a minute that of others.
    pub(crate) fn put_datum(&mut self, metric: &Metric, at: i64, unit: &str, datum: &Datum, high: bool) {
        let now = self.now;
        let at = floor(at, if high { 1000 } else { 60_000 });
        let draw = |most: crate::rng::Span| most.draw(self.seed, "custom_metric_latency", &metric.key());
        // Late data takes longer to show (documented for PutMetricData).
        let late = match now - at {
            age if age < 3 * HOUR => draw(self.params.metrics.custom_latency),
            age if age < 24 * HOUR => draw(self.params.metrics.late_datum_latency),
            _ => 48 * HOUR,
        };
        let fresh = || Custom { metric: metric.clone(), first: now, newest: at, rows: Vec::new() };
        let custom = self.custom.entry(metric.key()).or_insert_with(fresh);
        custom.newest = custom.newest.max(at);
        let place = custom.rows.partition_point(|r| r.at <= at);
        custom.rows.insert(place, Put { at, unit: unit.to_owned(), datum: datum.clone(), visible: now + late });
        custom.compact(now);
    }
}

impl Custom {
    /// Puts what has grown old together in its coarser grain.
    fn compact(&mut self, now: i64) {
        let grain = |at: i64| match now - at {
            age if age <= 3 * HOUR => 1000,
            age if age <= 15 * 24 * HOUR => 60_000,
            age if age <= 63 * 24 * HOUR => 300_000,
            _ => HOUR,
        };
        let mut merged: BTreeMap<(i64, String, i64), Put> = BTreeMap::new();
        for mut row in self.rows.drain(..).filter(|r| r.at > now - KEPT) {
            row.at = floor(row.at, grain(row.at));
            // Only what is visible at the same instant may be one datapoint.
            let visible = row.visible.max(now);
            match merged.get_mut(&(row.at, row.unit.clone(), visible)) {
                Some(old) => {
                    old.datum.add(&row.datum);
                    old.datum.pack();
                }
                None => {
                    merged.insert((row.at, row.unit.clone(), visible), row);
                }
            }
        }
        self.rows = merged.into_values().collect();
    }
}

impl Datum {
    /// Puts equal values together.
    fn pack(&mut self) {
        self.values.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.values.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }
}
