//! The load a test offers a group.
//!
//! **Invariant:** load is offered to the group as a whole: it is fixed by what one serving instance gets of it at the
//! moment it is set, and afterwards follows the number of instances that serve.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    World,
    target::{Health, TargetGroup},
    track::Offer,
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// CPU of each instance that serves now, percent; above 100 they are overloaded.
    pub cpu: f64,
    /// Requests per second to the whole group; by default as many as that CPU is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<f64>,
    /// Share of requests a well target answers with 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// Average response time of a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
}

impl From<f64> for Load {
    fn from(cpu: f64) -> Self {
        Self { cpu, requests_per_second: None, error_rate: None, latency_seconds: None }
    }
}

impl Load {
    /// Complains about the field that is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: Option<f64>, most: f64| match value {
            Some(v) if !(0.0..=most).contains(&v) => Err(format!("{name}: must be between 0 and {most}")),
            _ => Ok(()),
        };
        within("cpu", Some(self.cpu), 10_000.0)?;
        within("requests_per_second", self.requests_per_second, 10_000_000.0)?;
        within("error_rate", self.error_rate, 1.0)?;
        within("latency_seconds", self.latency_seconds, 3600.0)
    }
}

impl World {
    /// Offers a load from now on.
    pub(crate) fn offer(&mut self, group: &str, load: Load) {
        self.observe();
        let work = load.cpu * self.serving(group) as f64;
        let per_percent = self.params.metrics.requests_per_percent.draw(self.seed, "requests_per_percent", group) as f64 / 1000.0;
        let latency = self.params.metrics.response_ms.draw(self.seed, "response_ms", group) as f64 / 1_000_000.0;
        let offer = Offer {
            work,
            requests: load.requests_per_second.unwrap_or(work * per_percent),
            errors: load.error_rate.unwrap_or(0.0),
            latency: load.latency_seconds.unwrap_or(latency),
        };
        self.load.insert(group.to_owned(), load);
        self.tracks.groups.entry(group.to_owned()).or_default().load.record(self.now, offer);
    }

    /// Instances that share a group's load now; at least one, so that a load has a size.
    fn serving(&self, name: &str) -> usize {
        let Some(group) = self.groups.get(name) else {
            return 1;
        };
        let rows: Vec<&TargetGroup> = group.target_groups.iter().filter_map(|arn| self.target_groups.get(arn)).collect();
        let rotates = |t: &TargetGroup, id: &str| {
            let well = |h: Health| h == Health::Healthy;
            let open = !t.targets.values().any(|t| well(t.health));
            t.targets.get(id).is_some_and(|t| well(t.health) || (open && !matches!(t.health, Health::Draining | Health::Unused)))
        };
        let in_service = |i: &super::instance::Instance| i.lifecycle == super::instance::Lifecycle::InService;
        let serves = |i: &&super::instance::Instance| if rows.is_empty() { in_service(i) } else { rows.iter().any(|t| rotates(t, &i.id)) };
        self.members(group).into_iter().filter(serves).count().max(1)
    }

    /// Average CPU of a group's instances in the last whole minute, what CloudWatch will show of it.
    pub(crate) fn cpu_now(&self, group: &str) -> Option<f64> {
        let metric = super::metric::Metric::new("AWS/EC2", "CPUUtilization", &[("AutoScalingGroupName", group)]);
        let to = super::metric::floor(self.now, 300_000);
        let points = self.points(&metric, to - 300_000, self.now);
        let last = points.iter().rfind(|p| p.at + 60_000 <= self.now)?;
        last.datum.value(super::metric::datum::Stat::Average)
    }

    /// The newest average CloudWatch shows of it.
    pub(crate) fn cpu_shown(&self, group: &str) -> Option<f64> {
        let dimensions = BTreeMap::from([("AutoScalingGroupName".to_owned(), group.to_owned())]);
        let to = super::metric::floor(self.now, 60_000);
        self.metric_average("AWS/EC2", "CPUUtilization", &dimensions, to - 900_000, to, 60).last().map(|(_, value)| *value)
    }
}
