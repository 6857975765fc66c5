//! Which metrics there are, for ListMetrics (aws-reference 9).
//!
//! **Invariant:** a metric is listed while it had a datapoint in the span asked for, and never before its listing
//! latency is over (aws-reference 2.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{Metric, balancer, cache, group, instance};
use crate::world::{World, flow::Scene};

/// What happened behind sets of target groups.
type Scenes<'a> = BTreeMap<&'a BTreeSet<String>, Vec<Scene<'a>>>;

impl World {
    /// Metrics with a datapoint since an instant, in order of their names.
    pub(crate) fn listed(&self, since: i64, wanted: &dyn Fn(&Metric) -> bool) -> Vec<Metric> {
        let candidates: Vec<Metric> = self.candidates().into_iter().filter(|m| wanted(m)).collect();
        // Many metrics tell of the same target groups; going through what happened there is the dear part.
        let told: BTreeSet<BTreeSet<String>> = candidates.iter().filter_map(|m| self.told_of(m)).collect();
        let scenes: Scenes<'_> = told.iter().map(|arns| (arns, self.scenes(arns, None, since, self.now))).collect();
        let mut out: Vec<Metric> = candidates.iter().filter(|m| self.published(m, since, &scenes)).cloned().collect();
        let custom = self.custom.values().filter(|c| wanted(&c.metric) && c.newest >= since && c.first + self.listing_lag(&c.metric) <= self.now);
        out.extend(custom.map(|c| c.metric.clone()));
        out.sort();
        out.dedup();
        out
    }

    fn listing_lag(&self, metric: &Metric) -> i64 {
        self.params.metrics.list_lag.draw(self.seed, "list_metrics_lag", &metric.key())
    }

    fn published(&self, metric: &Metric, since: i64, scenes: &Scenes<'_>) -> bool {
        let to = self.now - self.listing_lag(metric);
        if to <= since {
            return false;
        }
        let by_group = metric.dimensions.get("AutoScalingGroupName").and_then(|name| self.tracks.groups.get(name));
        match (metric.namespace.as_str(), by_group) {
            ("AWS/EC2", Some(track)) => instance::published(track, None, &metric.name, since, to),
            ("AWS/EC2", None) => {
                let id = metric.dimensions.get("InstanceId").map(String::as_str);
                self.tracks.groups.values().any(|t| instance::published(t, id, &metric.name, since, to))
            }
            ("AWS/AutoScaling", Some(track)) => group::published(track, &metric.name, since, to),
            ("AWS/ApplicationELB", _) => {
                let there = self.told_of(metric).and_then(|arns| scenes.get(&arns));
                there.is_some_and(|scenes| self.balancer_published(metric, scenes, to))
            }
            _ => {
                let node = metric.dimensions.get("CacheClusterId").and_then(|id| self.tracks.nodes.get(id));
                node.is_some_and(|track| cache::published(track, &metric.name, since, to))
            }
        }
    }

    /// Everything that may have been published.
    fn candidates(&self) -> Vec<Metric> {
        let mut out = Vec::new();
        for (name, track) in &self.tracks.groups {
            let own = [("AutoScalingGroupName", name.as_str())];
            out.extend(instance::NAMES.iter().map(|n| Metric::new("AWS/EC2", n, &own)));
            out.extend(group::NAMES.iter().map(|n| Metric::new("AWS/AutoScaling", n, &own)));
            for id in track.lives.keys() {
                out.extend(instance::NAMES.iter().map(|n| Metric::new("AWS/EC2", n, &[("InstanceId", id)])));
            }
        }
        for (arn, doors) in &self.tracks.doors {
            let group = ("TargetGroup", balancer::tail(arn));
            let zones = self.subnets.iter().map(|s| Some(("AvailabilityZone", s.zone.as_str())));
            for zone in zones.chain([None]) {
                for door in doors.values().flatten() {
                    let lb = ("LoadBalancer", door.as_str());
                    out.extend(balancer::OWN.iter().chain(&balancer::BOTH).map(|n| Metric::new("AWS/ApplicationELB", n, &with(&[lb], zone))));
                    out.extend(
                        balancer::BOTH.iter().chain(&balancer::TARGETS).map(|n| Metric::new("AWS/ApplicationELB", n, &with(&[lb, group], zone))),
                    );
                }
            }
            out.push(Metric::new("AWS/ApplicationELB", "RequestCountPerTarget", &[group]));
        }
        for node in self.tracks.nodes.keys() {
            for (name, ..) in &cache::NAMES {
                out.push(Metric::new("AWS/ElastiCache", name, &[("CacheClusterId", node)]));
                out.push(Metric::new("AWS/ElastiCache", name, &[("CacheClusterId", node), ("CacheNodeId", "0001")]));
            }
        }
        out
    }
}

/// Dimensions with the zone, where there is one.
fn with<'a>(base: &[(&'a str, &'a str)], zone: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    base.iter().copied().chain(zone).collect()
}
