//! AWS/ApplicationELB (aws-reference 9): requests follow the load, host counts the states of the targets.
//!
//! **Invariant:** counts and response times exist only where something was counted: absent when zero. Numbers by zone
//! and by target group add up to those of the load balancer.

use std::collections::{BTreeMap, BTreeSet};

use super::{Metric, datum::Datum, floor, instance::Raw, noise};
use crate::world::{
    World,
    flow::{Scene, Traffic, during, overlap},
    steps::Steps,
    target::TargetGroup,
};

const MINUTE: i64 = 60_000;

/// Shape of response times around their average: a long tail, mean 1.
const TAIL: [(f64, f64); 8] = [(0.35, 0.25), (0.6, 0.2), (0.85, 0.2), (1.1, 0.15), (1.5, 0.1), (2.2, 0.06), (3.4, 0.03), (6.05, 0.01)];

/// Of the load balancer as a whole, and by zone.
pub(crate) const OWN: [&str; 9] = [
    "HTTPCode_ELB_5XX_Count",
    "HTTPCode_ELB_502_Count",
    "HTTPCode_ELB_503_Count",
    "HTTPCode_ELB_504_Count",
    "ActiveConnectionCount",
    "NewConnectionCount",
    "ConsumedLCUs",
    "ProcessedBytes",
    "RejectedConnectionCount",
];

/// Of the load balancer, and by target group.
pub(crate) const BOTH: [&str; 6] = [
    "RequestCount",
    "TargetResponseTime",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
    "TargetConnectionErrorCount",
];

/// Of a target group only.
pub(crate) const TARGETS: [&str; 3] = ["HealthyHostCount", "UnHealthyHostCount", "RequestCountPerTarget"];

/// What a metric's dimensions choose.
struct Chosen<'a> {
    balancer: Option<&'a str>,
    group: Option<&'a str>,
    zone: Option<&'a str>,
}

fn choose(metric: &Metric) -> Option<Chosen<'_>> {
    let get = |name: &str| metric.dimensions.get(name).map(String::as_str);
    let out = Chosen { balancer: get("LoadBalancer"), group: get("TargetGroup"), zone: get("AvailabilityZone") };
    let used = [out.balancer, out.group, out.zone].into_iter().flatten().count();
    let name = metric.name.as_str();
    let fits = match (out.balancer.is_some(), out.group.is_some()) {
        (true, false) => OWN.contains(&name) || BOTH.contains(&name),
        (true, true) => BOTH.contains(&name) || TARGETS.contains(&name),
        (false, true) => name == "RequestCountPerTarget",
        (false, false) => false,
    };
    (used == metric.dimensions.len() && fits).then_some(out)
}

/// What was counted in a minute.
#[derive(Debug, Default)]
struct Counted {
    requests: f64,
    well: f64,
    failed: f64,
    refused: f64,
    /// Connected, and never answered.
    silent: f64,
    lost: f64,
    /// Response times: average and how many.
    times: Vec<(f64, f64)>,
}

/// `targetgroup/<name>/<hex>` of an ARN.
pub(crate) fn tail(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

impl World {
    /// How metrics name the load balancer in front of a target group; none where there is no application load balancer.
    pub(crate) fn door(&self, group: &TargetGroup) -> Option<String> {
        let balancer = self.balancers_of(&group.arn).into_iter().find(|b| !b.network)?;
        balancer.arn.split_once(":loadbalancer/").map(|(_, tail)| tail.to_owned())
    }

    fn arns_behind(&self, chosen: &Chosen<'_>) -> BTreeSet<String> {
        let fits = |arn: &str, doors: &Steps<Option<String>>| {
            chosen.group.is_none_or(|g| g == tail(arn)) && chosen.balancer.is_none_or(|lb| doors.values().flatten().any(|d| d == lb))
        };
        self.tracks.doors.iter().filter(|(arn, doors)| fits(arn, doors)).map(|(arn, _)| arn.clone()).collect()
    }

    pub(super) fn balancer_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Raw> {
        let Some(chosen) = choose(metric) else {
            return Vec::new();
        };
        let arns = self.arns_behind(&chosen);
        let known = self.tracks.doors.iter().filter(|(arn, _)| arns.contains(*arn)).filter_map(|(_, d)| d.changes().next()).min();
        let Some(known) = known else {
            return Vec::new();
        };
        let start = floor(from.max(known) + MINUTE - 1, MINUTE);
        let scenes = self.scenes(&arns, None, start, to.max(start + 1) + MINUTE);
        let starts = (0..).map(|n| start + n * MINUTE).take_while(|at| *at < to);
        starts.filter_map(|at| self.minute(&metric.name, &chosen, during(&scenes, at, at + MINUTE), at)).collect()
    }

    fn minute(&self, name: &str, chosen: &Chosen<'_>, scenes: &[Scene<'_>], at: i64) -> Option<Raw> {
        let datum = |datum, unit| Some((at, MINUTE, datum, unit));
        if matches!(name, "HealthyHostCount" | "UnHealthyHostCount") {
            return datum(hosts(name == "HealthyHostCount", chosen, scenes)?, "Count");
        }
        let counted = self.count(chosen, scenes, at);
        let ones = |n: f64| (n > 0.0).then(|| Datum::many(vec![(1.0, n)]));
        let sum = |n: f64| (n > 0.0).then(|| Datum::one(n));
        let bytes = || (counted.requests * self.params.metrics.response_bytes.draw(self.seed, "message_bytes", "out") as f64 / 1000.0).round();
        let fresh =
            || (counted.requests * 1000.0 / self.params.metrics.requests_per_connection.draw(self.seed, "requests_per_connection", "") as f64).ceil();
        match name {
            "RequestCount" => datum(ones(counted.requests)?, "Count"),
            "HTTPCode_Target_2XX_Count" => datum(ones(counted.well)?, "Count"),
            "HTTPCode_Target_5XX_Count" => datum(ones(counted.failed)?, "Count"),
            "HTTPCode_ELB_5XX_Count" => datum(ones(counted.refused + counted.silent + counted.lost)?, "Count"),
            "HTTPCode_ELB_502_Count" => datum(ones(counted.refused)?, "Count"),
            "HTTPCode_ELB_503_Count" => datum(ones(counted.lost)?, "Count"),
            "HTTPCode_ELB_504_Count" => datum(ones(counted.silent)?, "Count"),
            "TargetConnectionErrorCount" => datum(ones(counted.refused)?, "Count"),
            "ActiveConnectionCount" => datum(sum(fresh() * 2.0)?, "Count"),
            "NewConnectionCount" => datum(sum(fresh())?, "Count"),
            "ProcessedBytes" => datum(sum(bytes())?, "Bytes"),
            // The largest of new and active connections and bytes, each against what one unit holds.
            "ConsumedLCUs" => datum(sum((fresh() / 60.0 / 25.0).max(fresh() * 2.0 / 3000.0).max(bytes() * 60.0 / 1e9))?, "None"),
            "RequestCountPerTarget" => datum(sum(counted.requests / average_hosts(chosen, scenes)?)?, "Count"),
            "TargetResponseTime" => {
                let rows =
                    counted.times.iter().flat_map(|(average, n)| TAIL.map(|(factor, share)| (average * factor, n * share))).collect::<Vec<_>>();
                (!rows.is_empty()).then(|| (at, MINUTE, Datum::many(rows), "Seconds"))
            }
            _ => None,
        }
    }

    /// Requests of a minute, whole numbers per target, so that every way of adding them up agrees.
    fn count(&self, chosen: &Chosen<'_>, scenes: &[Scene<'_>], at: i64) -> Counted {
        /// Requests, failing ones, refused ones, seconds of latency times requests, unanswered ones.
        type Row = (f64, f64, f64, f64, f64);
        let mut rows: BTreeMap<(&str, &str), Row> = BTreeMap::new();
        let mut lost: BTreeMap<&str, f64> = BTreeMap::new();
        for scene in scenes {
            let seconds = overlap(scene, at, at + MINUTE);
            for (arn, traffic) in doors(scene, chosen) {
                *lost.entry(arn).or_default() += traffic.lost * seconds;
                for hit in traffic.hits.iter().filter(|h| chosen.zone.is_none_or(|z| z == h.zone)) {
                    let n = hit.rate * seconds;
                    let row = rows.entry((arn, hit.id)).or_default();
                    row.0 += n;
                    if hit.refused {
                        row.2 += n;
                    } else if hit.silent {
                        row.4 += n;
                    } else {
                        row.1 += n * hit.failing;
                        row.3 += n * hit.latency;
                    }
                }
            }
        }
        let mut out = Counted::default();
        let noisy = |key: &str, n: f64| (n * (1.0 + 0.05 * noise(self.seed, "requests", key, at))).round();
        for ((arn, id), (all, failing, refused, latency, silent)) in rows {
            let n = noisy(&format!("{arn}/{id}"), all);
            if n <= 0.0 {
                continue;
            }
            let refusing = (n * refused / all).round();
            let hanging = (n * silent / all).round().min(n - refusing);
            let served = n - refusing - hanging;
            let answered = all - refused - silent;
            let failed = if answered > 0.0 { (served * failing / answered).round() } else { 0.0 };
            out.requests += n;
            out.refused += refusing;
            out.silent += hanging;
            out.failed += failed;
            out.well += served - failed;
            if served > 0.0 && answered > 0.0 {
                let average = latency / answered * (1.0 + 0.08 * noise(self.seed, "latency", id, at));
                out.times.push((average, served));
            }
        }
        // A request that met no target was counted in no zone.
        if chosen.zone.is_none() {
            out.lost = lost.into_iter().map(|(arn, n)| noisy(arn, n)).sum();
        }
        out
    }

    /// Whether a metric was published in a span.
    /// Target groups of which a metric of load balancing tells; none for another one.
    pub(super) fn told_of(&self, metric: &Metric) -> Option<BTreeSet<String>> {
        choose(metric).filter(|_| metric.namespace == "AWS/ApplicationELB").map(|chosen| self.arns_behind(&chosen))
    }

    /// Whether the metric had a datapoint until an instant, out of the scenes of [`World::told_of`] its target groups.
    pub(super) fn balancer_published(&self, metric: &Metric, scenes: &[Scene<'_>], to: i64) -> bool {
        let Some(chosen) = choose(metric) else {
            return false;
        };
        // The first minute of a scene counts as any other of it.
        let mut there = scenes.iter().filter(|s| s.to.min(to) - s.from >= 1000);
        there.any(|s| self.minute(&metric.name, &chosen, std::slice::from_ref(s), s.from).is_some())
    }
}

/// Traffic of a scene behind the chosen load balancer.
fn doors<'s, 'a>(scene: &'s Scene<'a>, chosen: &'s Chosen<'_>) -> impl Iterator<Item = (&'a str, &'s Traffic<'a>)> {
    scene.traffic.iter().filter(|(_, t)| t.balancer.is_some() && chosen.balancer.is_none_or(|lb| t.balancer == Some(lb))).map(|(arn, t)| (*arn, t))
}

fn of_zone(traffic: &Traffic<'_>, zone: Option<&str>) -> Option<(i64, i64)> {
    let mut rows = traffic.hosts.iter().filter(|(z, _)| zone.is_none_or(|zone| zone == **z)).map(|(_, n)| *n).peekable();
    rows.peek()?;
    Some(rows.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1)))
}

/// Hosts over a minute: a sample for each state it was in.
fn hosts(healthy: bool, chosen: &Chosen<'_>, scenes: &[Scene<'_>]) -> Option<Datum> {
    let rows: Vec<(f64, f64)> = scenes
        .iter()
        .filter_map(|s| {
            let (well, ill) = doors(s, chosen).filter_map(|(_, t)| of_zone(t, chosen.zone)).reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
            Some((if healthy { well } else { ill } as f64, (s.to - s.from) as f64 / MINUTE as f64))
        })
        .collect();
    (!rows.is_empty()).then(|| Datum::many(rows))
}

fn average_hosts(chosen: &Chosen<'_>, scenes: &[Scene<'_>]) -> Option<f64> {
    hosts(true, chosen, scenes).map(|d| (d.sum / d.samples).max(1.0))
}
