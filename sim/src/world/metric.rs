//! Metrics: what they are called, and their datapoints as CloudWatch shows them.
//!
//! **Invariant:** nothing of a metric is stored but what a client has put; a datapoint is shown only once its latency is
//! over, and in the grain its age still has (aws-reference 9).

pub(crate) mod balancer;
pub(crate) mod cache;
pub(crate) mod catalog;
pub(crate) mod custom;
pub(crate) mod datum;
pub(crate) mod expression;
pub(crate) mod group;
pub(crate) mod instance;
pub(crate) mod query;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::World;
use datum::{Datum, Stat};

const DAY: i64 = 86_400_000;

/// A metric's whole name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

impl Metric {
    pub(crate) fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimensions = dimensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }

    /// One text that names it.
    pub(crate) fn key(&self) -> String {
        let dimensions: Vec<String> = self.dimensions.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        format!("{}/{}/{}", self.namespace, self.name, dimensions.join(","))
    }

    /// The dimensions as values, where they are exactly these.
    pub(crate) fn exactly<const N: usize>(&self, names: [&str; N]) -> Option<[&str; N]> {
        if self.dimensions.len() != N {
            return None;
        }
        let mut out = [""; N];
        for (slot, name) in out.iter_mut().zip(names) {
            *slot = self.dimensions.get(name)?;
        }
        Some(out)
    }
}

/// A datapoint before it is put together with others.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) at: i64,
    pub(crate) datum: Datum,
    pub(crate) unit: String,
    /// When it can be read.
    pub(crate) visible: i64,
}

/// A metric over a span, in buckets from its start.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Seconds.
    pub(crate) period: i64,
}

/// Start of the grid interval an instant lies in.
pub(crate) fn floor(time: i64, grain: i64) -> i64 {
    time - time.rem_euclid(grain)
}

/// A value of a minute with a little deterministic noise, -1 to 1.
pub(crate) fn noise(seed: u64, label: &str, key: &str, at: i64) -> f64 {
    2.0 * crate::rng::unit(seed, label, &format!("{key}/{at}")) - 1.0
}

impl World {
    /// Every datapoint of a metric that starts in the span, whoever publishes it, visible or not.
    pub(crate) fn points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Point> {
        let mut out = self.custom_points(metric, from, to);
        // What has not happened has no datapoint, whatever clients put.
        let to = to.min(self.now);
        let own = match metric.namespace.as_str() {
            "AWS/EC2" => self.instance_points(metric, from, to),
            "AWS/AutoScaling" => self.group_points(metric, from, to),
            "AWS/ApplicationELB" => self.balancer_points(metric, from, to),
            "AWS/ElastiCache" => self.cache_points(metric, from, to),
            _ => return out,
        };
        let late = self.params.metrics.latency.draw(self.seed, "metric_latency", &metric.key());
        out.extend(own.into_iter().map(|(at, grain, datum, unit)| Point { at, datum, unit: unit.to_owned(), visible: at + grain + late }));
        out
    }

    /// Visible datapoints put together per bucket and unit. A bucket whose age has a coarser grain than asked for is empty.
    pub(crate) fn buckets(&self, metric: &Metric, unit: Option<&str>, window: &Window) -> BTreeMap<i64, (Datum, String)> {
        let period = window.period * 1000;
        let mut out: BTreeMap<i64, (Datum, String)> = BTreeMap::new();
        for point in self.points(metric, window.from, window.to) {
            if point.visible > self.now || unit.is_some_and(|u| u != point.unit) {
                continue;
            }
            let start = window.from + floor(point.at - window.from, period);
            if window.period % self.grain(start) != 0 {
                continue;
            }
            out.entry(start).or_insert_with(|| (Datum::default(), point.unit.clone())).0.add(&point.datum);
        }
        out
    }

    /// Seconds between datapoints that are still kept of this time; a century where nothing is (aws-reference 9).
    fn grain(&self, time: i64) -> i64 {
        match self.now - time {
            age if age <= 3 * 3_600_000 => 1,
            age if age <= 15 * DAY => 60,
            age if age <= 63 * DAY => 300,
            age if age <= 455 * DAY => 3600,
            _ => i64::MAX,
        }
    }

    /// One statistic per bucket.
    pub(crate) fn series(&self, metric: &Metric, stat: Stat, unit: Option<&str>, window: &Window) -> BTreeMap<i64, f64> {
        let buckets = self.buckets(metric, unit, window);
        buckets.into_iter().filter_map(|(at, (datum, _))| Some((at, datum.value(stat)?))).collect()
    }

    /// Averages of a metric as CloudWatch shows them now: start of each period and value.
    pub(crate) fn metric_average(
        &self,
        namespace: &str,
        name: &str,
        dims: &BTreeMap<String, String>,
        from_ms: i64,
        to_ms: i64,
        period_s: i64,
    ) -> Vec<(i64, f64)> {
        let metric = Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: dims.clone() };
        let window = Window { from: from_ms, to: to_ms, period: period_s.max(1) };
        self.series(&metric, Stat::Average, None, &window).into_iter().collect()
    }
}
