//! AWS/EC2 by instance or by group (aws-reference 9).
//!
//! **Invariant:** an instance publishes from `running` to its end, each minute with detailed monitoring and each five
//! without; by group the samples are those of every instance the group had, serving or not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Metric, datum::Datum, floor, noise};
use crate::world::{
    World,
    flow::{Scene, during, overlap},
    track::{Life, Track},
};

/// Start, grain (milliseconds), samples and unit of a datapoint.
pub(crate) type Raw = (i64, i64, Datum, &'static str);

const MINUTE: i64 = 60_000;

/// Names published by instance and by group.
pub(crate) const NAMES: [&str; 9] = [
    "CPUUtilization",
    "NetworkIn",
    "NetworkOut",
    "CPUCreditBalance",
    "CPUSurplusCreditBalance",
    "StatusCheckFailed",
    "StatusCheckFailed_Instance",
    "StatusCheckFailed_System",
    "StatusCheckFailed_AttachedEBS",
];

/// Credits an hour, virtual CPUs and largest balance of a burstable size.
fn burst(kind: &str) -> Option<(f64, f64, f64)> {
    let (family, size) = kind.split_once('.')?;
    if !matches!(family, "t3" | "t3a" | "t4g") {
        return None;
    }
    let (hourly, cpus) = match size {
        "nano" => (6.0, 2.0),
        "micro" => (12.0, 2.0),
        "small" | "medium" => (24.0, 2.0),
        "large" => (36.0, 2.0),
        "xlarge" => (96.0, 4.0),
        "2xlarge" => (192.0, 8.0),
        _ => return None,
    };
    Some((hourly, cpus, hourly * 24.0))
}

/// Distance between the datapoints of a metric of this instance.
fn grain(life: &Life, name: &str) -> i64 {
    match name {
        _ if name.starts_with("StatusCheck") => MINUTE,
        "CPUCreditBalance" | "CPUSurplusCreditBalance" => 5 * MINUTE,
        _ if life.detailed => MINUTE,
        _ => 5 * MINUTE,
    }
}

/// Whether this instance publishes a metric of this name at all.
pub(crate) fn has(life: &Life, name: &str) -> bool {
    NAMES.contains(&name) && (!name.contains("Credit") || burst(&life.kind).is_some())
}

impl World {
    /// Percent of CPU a group's instances need for themselves.
    pub(crate) fn idle_cpu(&self, group: &str) -> f64 {
        let whole = self.params.metrics.idle_cpu.draw(self.seed, "idle_cpu", group) as f64 / 1000.0;
        whole + crate::rng::unit(self.seed, "idle_cpu_part", group) * 0.8
    }

    pub(super) fn instance_points(&self, metric: &Metric, from: i64, to: i64) -> Vec<Raw> {
        let found = if let Some([id]) = metric.exactly(["InstanceId"]) {
            self.tracks.groups.iter().find_map(|(name, t)| Some((name, t, vec![t.lives.get_key_value(id)?])))
        } else if let Some([name]) = metric.exactly(["AutoScalingGroupName"]) {
            self.tracks.groups.get_key_value(name).map(|(name, t)| (name, t, t.lives.iter().collect()))
        } else {
            None
        };
        let Some((group, track, lives)) = found else {
            return Vec::new();
        };
        let lives: Vec<(&String, &Life)> = lives.into_iter().filter(|(_, l)| l.meets(from, to) && has(l, &metric.name)).collect();
        let Some(first) = lives.iter().map(|(_, l)| l.running).min() else {
            return Vec::new();
        };
        // Credits are the sum of everything since the launch.
        let start = if metric.name.contains("Credit") { first } else { floor(from.max(first), 5 * MINUTE) };
        let arns: BTreeSet<String> = lives.iter().flat_map(|(_, l)| l.seats.keys().cloned()).collect();
        let scenes = self.scenes(&arns, Some(track), start, to.max(start + 1) + 5 * MINUTE);
        let mut out: BTreeMap<(i64, i64), Datum> = BTreeMap::new();
        let mut unit = "";
        for (id, life) in lives {
            for (at, grain, value, own) in self.of_life(group, id, life, &scenes, &metric.name, (from, to)) {
                unit = own;
                out.entry((at, grain)).or_default().add(&Datum::one(value));
            }
        }
        out.into_iter().map(|((at, grain), datum)| (at, grain, datum, unit)).collect()
    }

    fn of_life(&self, group: &str, id: &str, life: &Life, scenes: &[Scene<'_>], name: &str, span: (i64, i64)) -> Vec<(i64, i64, f64, &'static str)> {
        let (from, to) = span;
        let grain = grain(life, name);
        let idle = self.idle_cpu(group);
        let first = floor(from + grain - 1, grain).max(floor(life.running, grain));
        let last = to.min(life.ended.unwrap_or(to));
        let starts = (0..).map(|n| first + n * grain).take_while(|at| *at < last).filter(|at| !life.stood_still(*at, *at + grain));
        if name.contains("Credit") {
            let Some(size) = burst(&life.kind) else {
                return Vec::new();
            };
            return starts.map(|at| (at, grain, credits(scenes, id, life, idle, size, at + grain, name), "Count")).collect();
        }
        starts
            .map(|at| {
                let (value, unit) = match name {
                    "CPUUtilization" => (self.cpu(scenes, id, life, idle, at, grain), "Percent"),
                    "NetworkIn" => (self.network(scenes, id, at, grain, self.params.metrics.request_bytes, "in"), "Bytes"),
                    "NetworkOut" => (self.network(scenes, id, at, grain, self.params.metrics.response_bytes, "out"), "Bytes"),
                    _ => (0.0, "Count"),
                };
                (at, grain, value, unit)
            })
            .collect()
    }

    /// Average over the part of the interval the instance ran in, clipped at what an instance has.
    fn cpu(&self, scenes: &[Scene<'_>], id: &str, life: &Life, idle: f64, at: i64, grain: i64) -> f64 {
        let (from, to) = (at.max(life.running), (at + grain).min(life.ended.unwrap_or(i64::MAX)));
        let noise = noise(self.seed, "cpu", id, at);
        let (mut sum, mut seconds) = (0.0, 0.0);
        for scene in during(scenes, from, to) {
            let share = scene.busy.get(id).map_or(0.0, |(work, _)| *work).max(idle);
            let part = overlap(scene, from, to);
            sum += (share * (1.0 + 0.03 * noise) + 0.2 * noise).clamp(0.1, 100.0) * part;
            seconds += part;
        }
        if seconds > 0.0 { sum / seconds } else { idle }
    }

    fn network(&self, scenes: &[Scene<'_>], id: &str, at: i64, grain: i64, each: crate::rng::Span, label: &str) -> f64 {
        let bytes = each.draw(self.seed, "message_bytes", label) as f64 / 1000.0;
        let requests: f64 = during(scenes, at, at + grain).iter().map(|s| s.busy.get(id).map_or(0.0, |b| b.1) * overlap(s, at, at + grain)).sum();
        // Agents and health checks talk also where nobody calls.
        let idle = 400.0 * grain as f64 / 1000.0;
        ((requests * bytes + idle) * (1.0 + 0.1 * noise(self.seed, label, id, at))).round()
    }
}

/// Credit balance or surplus at an instant: earned since launch less spent, capped, and below zero on surplus.
fn credits(scenes: &[Scene<'_>], id: &str, life: &Life, idle: f64, (hourly, cpus, most): (f64, f64, f64), at: i64, name: &str) -> f64 {
    let mut balance = 0.0f64;
    for scene in during(scenes, life.running, at) {
        let hours = overlap(scene, life.running, at) / 3600.0;
        let percent = scene.busy.get(id).map_or(0.0, |(work, _)| *work).clamp(idle, 100.0f64.max(idle));
        // One credit is one CPU for a minute; an unlimited instance borrows up to a day's earnings.
        balance = (balance + hours * (hourly - percent / 100.0 * cpus * 60.0)).clamp(-most, most);
    }
    if name == "CPUCreditBalance" { balance.max(0.0) } else { (-balance).max(0.0) }
}

/// Whether a group's or an instance's metric was published in a span.
pub(super) fn published(track: &Track, id: Option<&str>, name: &str, from: i64, to: i64) -> bool {
    let there = |life: &Life| has(life, name) && life.meets(from, to);
    match id {
        Some(id) => track.lives.get(id).is_some_and(there),
        None => track.lives.values().any(there),
    }
}
