//! Target groups and the health of their targets (aws-reference 6).
//!
//! **Invariant:** checks fall on a fixed grid per target; a new target is healthy after one success, an unhealthy one
//! after `healthy` successes in a row; a draining target stays listed for the whole deregistration delay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{World, boot::Answer, instance::Ec2State};

/// State of one target, reasons aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Health {
    Initial,
    Healthy,
    Unhealthy,
    Draining,
}

/// One registered instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) health: Health,
    /// Since when this state holds.
    pub(crate) since: i64,
    pub(crate) initial_until: i64,
    pub(crate) first_check: i64,
    pub(crate) next_check: i64,
    pub(crate) passes: i64,
    pub(crate) failures: i64,
    /// Reason and description of the last failure.
    pub(crate) reason: Option<(String, String)>,
    pub(crate) drain_until: Option<i64>,
}

/// One target group. Durations in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: i64,
    pub(crate) check_protocol: String,
    pub(crate) path: Option<String>,
    pub(crate) interval: i64,
    pub(crate) timeout: i64,
    pub(crate) healthy: i64,
    pub(crate) unhealthy: i64,
    pub(crate) delay: i64,
    /// Name of the load balancer whose listener forwards here.
    pub(crate) load_balancer: Option<String>,
    pub(crate) targets: BTreeMap<String, Target>,
}

/// What DescribeTargetHealth says of a target: state, reason, description.
pub(crate) type Shown = (&'static str, Option<String>, Option<String>);

impl World {
    pub(crate) fn register(&mut self, arn: &str, id: &str) {
        let now = self.now;
        let key = format!("{arn}/{id}/{now}");
        let initial_until = now + self.params.target_initial.draw(self.seed, "target_initial", &key);
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let interval = group.interval.max(1) * 1000;
        let phase = (crate::rng::hash(self.seed, "phase", &key) % interval as u64) as i64;
        let first_check = initial_until + phase;
        group.targets.insert(
            id.to_owned(),
            Target {
                id: id.to_owned(),
                health: Health::Initial,
                since: now,
                initial_until,
                first_check,
                next_check: first_check,
                passes: 0,
                failures: 0,
                reason: None,
                drain_until: None,
            },
        );
        self.wake_target(arn, id, first_check);
    }

    /// Starts the drain. An instance that is gone leaves at once.
    pub(crate) fn deregister(&mut self, arn: &str, id: &str) {
        let now = self.now;
        let gone = self.instances.get(id).is_none_or(|i| matches!(i.ec2, Ec2State::ShuttingDown | Ec2State::Terminated));
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let delay = group.delay * 1000;
        let Some(target) = group.targets.get_mut(id) else {
            return;
        };
        if target.health == Health::Draining {
            return;
        }
        target.health = Health::Draining;
        target.since = now;
        let until = if gone { now } else { now + delay };
        target.drain_until = Some(until);
        self.wake_target(arn, id, until);
    }

    /// Target groups this instance is listed in.
    pub(crate) fn registrations(&self, id: &str) -> Vec<String> {
        self.target_groups.values().filter(|g| g.targets.contains_key(id)).map(|g| g.arn.clone()).collect()
    }

    /// Takes the checks of an instance up again after something changed on it.
    pub(crate) fn poke_targets(&mut self, id: &str) {
        for arn in self.registrations(id) {
            self.wake_target(&arn, id, self.now);
        }
    }

    pub(crate) fn step_target(&mut self, arn: &str, id: &str) {
        let now = self.now;
        let seed = self.seed;
        let instance = self.instances.get(id);
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let interval = group.interval.max(1) * 1000;
        let tcp = matches!(group.check_protocol.as_str(), "TCP" | "TLS");
        let (pass_limit, fail_limit) = (group.healthy, group.unhealthy);
        let Some(target) = group.targets.get_mut(id) else {
            return;
        };
        let owner = instance.map(|i| i.group.clone());
        if target.health == Health::Draining {
            let until = target.drain_until.unwrap_or(now);
            if now < until {
                self.wake_target(arn, id, until);
                return;
            }
            group.targets.remove(id);
            self.wake_instance(id, now);
            return;
        }
        let Some(instance) = instance else {
            group.targets.remove(id);
            return;
        };
        let mut became = None;
        let mut checked = false;
        if now > target.next_check {
            // It slept through checks that could not have changed anything.
            let behind = (now - target.first_check).div_euclid(interval);
            let on_grid = target.first_check + behind * interval;
            target.next_check = if on_grid < now { on_grid + interval } else { on_grid }.max(target.next_check);
        }
        if now >= target.next_check && !matches!(instance.ec2, Ec2State::Terminated) {
            checked = true;
            let check = format!("{arn}/{id}/{now}");
            let failure = match instance.answer(now, seed, &check) {
                Answer::Status(200) => None,
                Answer::Status(_) if tcp => None,
                Answer::Status(code) => Some(("Target.ResponseCodeMismatch".to_owned(), format!("Health checks failed with these codes: [{code}]"))),
                Answer::Refused => Some(("Target.FailedHealthChecks".to_owned(), "Health checks failed".to_owned())),
            };
            match failure {
                None => {
                    target.passes += 1;
                    target.failures = 0;
                    if target.health == Health::Initial || (target.health == Health::Unhealthy && target.passes >= pass_limit) {
                        became = Some(Health::Healthy);
                        target.reason = None;
                    }
                }
                Some(reason) => {
                    target.failures += 1;
                    target.passes = 0;
                    if target.health == Health::Unhealthy {
                        target.reason = Some(reason);
                    } else if target.failures >= fail_limit {
                        became = Some(Health::Unhealthy);
                        target.reason = Some(reason);
                    }
                }
            }
            if let Some(health) = became {
                target.health = health;
                target.since = now;
            }
            target.next_check = now + interval;
        }
        // A target that was just checked and is settled needs no further check until its answer can change; one that
        // was woken between checks has something new to show at the next.
        let settled = checked
            && match target.health {
                Health::Healthy => target.failures == 0,
                Health::Unhealthy => target.passes == 0,
                _ => false,
            };
        let next = match (settled, instance.answer_changes(now)) {
            (true, None) => None,
            (true, Some(at)) if at > now => {
                let steps = (at - target.next_check).max(0) / interval + i64::from((at - target.next_check).max(0) % interval != 0);
                Some(target.next_check + steps * interval)
            }
            _ => Some(target.next_check),
        };
        if let Some(at) = next {
            self.wake_target(arn, id, at.max(now + 1));
        }
        if let (Some(health), Some(owner)) = (became, owner) {
            if health == Health::Healthy
                && let Some(g) = self.groups.get_mut(&owner)
            {
                g.attached.insert(arn.to_owned());
            }
            self.wake_group(&owner, now);
        }
    }

    /// State, reason and description as DescribeTargetHealth shows them (aws-reference 6.1).
    pub(crate) fn shown(&self, group: &TargetGroup, id: &str) -> Shown {
        let say = |state, reason: &str, text: &str| (state, Some(reason.to_owned()), Some(text.to_owned()));
        let Some(target) = group.targets.get(id) else {
            return say("unused", "Target.NotRegistered", "Target is not registered to the target group");
        };
        if target.health == Health::Draining {
            return say("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress");
        }
        if group.load_balancer.is_none() {
            return say("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer");
        }
        if self.instances.get(id).is_none_or(|i| matches!(i.ec2, Ec2State::ShuttingDown | Ec2State::Terminated)) {
            return say("unused", "Target.InvalidState", "Target is in the terminated or stopped state");
        }
        match target.health {
            Health::Healthy => ("healthy", None, None),
            Health::Initial if self.now < target.initial_until => say("initial", "Elb.RegistrationInProgress", "Target registration is in progress"),
            Health::Initial => say("initial", "Elb.InitialHealthChecking", "Initial health checks in progress"),
            _ => {
                let (reason, text) = target.reason.clone().unwrap_or_default();
                ("unhealthy", Some(reason), Some(text))
            }
        }
    }
}
