//! What is said of targets, and where requests would go (aws-reference 6.1, 6.2).
//!
//! **Invariant:** looking changes nothing. With fewer healthy targets than the group asks for, requests go to all of them.

use std::collections::BTreeSet;

use super::{
    World,
    instance::Ec2State,
    target::{Health, Shown, Target, TargetGroup},
};

impl World {
    /// Since when the balancer that uses this target is active, or why none does: reason and description.
    pub(crate) fn in_use(&self, arn: &str, id: &str) -> Result<i64, (&'static str, &'static str)> {
        let balancers = self.balancers_of(arn);
        if balancers.is_empty() {
            return Err(("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"));
        }
        let instance = self.instances.get(id).filter(|i| i.ec2 == Ec2State::Running);
        let Some(instance) = instance else {
            return Err(("Target.InvalidState", "Target is in the stopped or terminated state"));
        };
        let reached = balancers.iter().filter(|b| b.subnets.iter().any(|s| self.zone_of(s) == Some(&instance.az)));
        reached.map(|b| b.active_at).min().ok_or(("Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer"))
    }

    /// State, reason and description as DescribeTargetHealth shows them (aws-reference 6.1).
    pub(crate) fn shown(&self, group: &TargetGroup, key: &str) -> Shown {
        let say = |state, reason: &str, text: &str| (state, Some(reason.to_owned()), Some(text.to_owned()));
        let Some(target) = group.targets.get(key) else {
            return say("unused", "Target.NotRegistered", "Target is not registered to the target group");
        };
        match target.health {
            Health::Healthy => ("healthy", None, None),
            Health::Draining => say("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"),
            Health::Initial if self.now < target.initial_until => say("initial", "Elb.RegistrationInProgress", "Target registration is in progress"),
            Health::Initial => say("initial", "Elb.InitialHealthChecking", "Initial health checks in progress"),
            Health::Unhealthy => {
                let (reason, text) = target.reason.clone().unwrap_or_default();
                ("unhealthy", Some(reason), Some(text))
            }
            Health::Unused => {
                let (reason, text) = self.in_use(&group.arn, &target.id).err().unwrap_or_default();
                say("unused", reason, text)
            }
        }
    }

    /// Keys of the targets that requests would go to now (aws-reference 6.2, fail open).
    pub(crate) fn routes_to<'a>(&'a self, group: &'a TargetGroup) -> Vec<&'a str> {
        let serving: Vec<(&str, &Target)> = group
            .targets
            .iter()
            .filter(|(_, t)| matches!(t.health, Health::Initial | Health::Healthy | Health::Unhealthy))
            .map(|(key, t)| (key.as_str(), t))
            .collect();
        if self.crosses_zones(group) {
            return open(group, &serving);
        }
        let zone = |t: &Target| self.instances.get(&t.id).map(|i| i.az.as_str());
        let zones: BTreeSet<Option<&str>> = serving.iter().map(|(_, t)| zone(t)).collect();
        let of = |z: Option<&str>| serving.iter().copied().filter(|(_, t)| zone(t) == z).collect::<Vec<_>>();
        let mut keys: Vec<&str> = zones.into_iter().flat_map(|z| open(group, &of(z))).collect();
        keys.sort_unstable();
        keys
    }

    /// Cross-zone balancing: the group's word, else the balancer's (on for application, off for network ones).
    fn crosses_zones(&self, group: &TargetGroup) -> bool {
        const KEY: &str = "load_balancing.cross_zone.enabled";
        match group.attributes.get(KEY).map(String::as_str) {
            Some("true") => true,
            Some("false") => false,
            _ => match self.balancers_of(&group.arn).first() {
                Some(b) if b.network => b.attributes.get(KEY).is_some_and(|v| v == "true"),
                _ => true,
            },
        }
    }
}

/// The healthy ones, or all where they are fewer than the group's minimum.
fn open<'a>(group: &TargetGroup, serving: &[(&'a str, &Target)]) -> Vec<&'a str> {
    let least = |what: &str| {
        let key = format!("target_group_health.unhealthy_state_routing.minimum_healthy_targets.{what}");
        group.attributes.get(&key).and_then(|v| v.parse::<usize>().ok())
    };
    let healthy: Vec<&str> = serving.iter().filter(|(_, t)| t.health == Health::Healthy).map(|(key, _)| *key).collect();
    let few = healthy.len() < least("count").unwrap_or(1) || least("percentage").is_some_and(|p| healthy.len() * 100 < p * serving.len());
    if few { serving.iter().map(|(key, _)| *key).collect() } else { healthy }
}
