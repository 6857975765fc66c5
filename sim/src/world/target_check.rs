//! Health checks over time (aws-reference 6.1, 6.2).
//!
//! **Invariant:** checks fall on a fixed grid per target, however long an answer takes; a new target is healthy after one
//! success, an unhealthy one after `healthy` successes in a row. A target whose next answers cannot differ sleeps.

use super::{
    World,
    boot::Answer,
    instance::{Ec2State, Instance},
    target::{Health, Target, TargetGroup},
};

/// Whether a check passed, else reason and description.
type Verdict = Result<(), (String, String)>;

/// Whether a code is among `200`, `200,202` or `200-299`.
pub(crate) fn matches(matcher: &str, code: u16) -> bool {
    matcher.split(',').any(|part| match part.split_once('-') {
        Some((low, high)) => low.trim().parse().is_ok_and(|l: u16| l <= code) && high.trim().parse().is_ok_and(|h: u16| code <= h),
        None => part.trim().parse() == Ok(code),
    })
}

fn failed(reason: &str, text: impl Into<String>) -> Verdict {
    Err((reason.to_owned(), text.into()))
}

impl Target {
    /// Moves the next check to the grid point that is due now or comes next, after sleep.
    fn realign(&mut self, now: i64, interval: i64) {
        if now > self.next_check {
            let behind = (now - self.first_check).div_euclid(interval);
            let on_grid = self.first_check + behind * interval;
            self.next_check = if on_grid < now { on_grid + interval } else { on_grid }.max(self.next_check);
        }
    }

    /// Counts a check that is over; the new state if it changes.
    fn record(&mut self, verdict: Verdict, now: i64, healthy: i64, unhealthy: i64) -> Option<Health> {
        let mut became = None;
        match verdict {
            Ok(()) => {
                (self.passes, self.failures) = (self.passes + 1, 0);
                if self.health == Health::Initial || (self.health == Health::Unhealthy && self.passes >= healthy) {
                    became = Some(Health::Healthy);
                    self.reason = None;
                }
            }
            Err(reason) => {
                (self.failures, self.passes) = (self.failures + 1, 0);
                if self.health == Health::Unhealthy {
                    self.reason = Some(reason);
                } else if self.failures >= unhealthy {
                    became = Some(Health::Unhealthy);
                    self.reason = Some(reason);
                }
            }
        }
        if let Some(health) = became {
            (self.health, self.since) = (health, now);
        }
        became
    }

    /// When to look again: never while nothing can change, at the next check or give-up otherwise.
    fn next_look(&self, now: i64, interval: i64, recorded: bool, instance: &Instance) -> Option<i64> {
        // One that was just checked and is settled needs no further check until its answer can change; one that was
        // woken between checks has something new to show at the next.
        let settled = recorded
            && self.gives_up.is_none()
            && match self.health {
                Health::Healthy => self.failures == 0,
                Health::Unhealthy => self.passes == 0,
                _ => false,
            };
        match (settled, instance.answer_changes(now)) {
            (true, None) => None,
            (true, Some(at)) if at > now => {
                let late = (at - self.next_check).max(0);
                let steps = late / interval + i64::from(late % interval != 0);
                Some(self.next_check + steps * interval)
            }
            _ => Some(self.gives_up.map_or(self.next_check, |t| t.min(self.next_check))),
        }
    }
}

impl World {
    pub(crate) fn step_target(&mut self, arn: &str, key: &str) {
        let Some(target) = self.target_groups.get(arn).and_then(|g| g.targets.get(key)) else {
            return;
        };
        let id = target.id.clone();
        if target.health == Health::Draining {
            return self.step_drain(arn, key, &id);
        }
        let Some(instance) = self.instances.get(&id) else {
            if let Some(group) = self.target_groups.get_mut(arn) {
                group.targets.remove(key);
            }
            return;
        };
        if target.health == Health::Unused || instance.ec2 != Ec2State::Running {
            self.settle_target(arn, key);
        } else {
            self.check(arn, key);
        }
    }

    fn step_drain(&mut self, arn: &str, key: &str, id: &str) {
        let now = self.now;
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let until = group.targets.get(key).and_then(|t| t.drain_until).unwrap_or(now);
        if now < until {
            self.wake_target(arn, key, until);
            return;
        }
        group.targets.remove(key);
        self.wake_instance(id, now);
    }

    fn check(&mut self, arn: &str, key: &str) {
        let (now, seed) = (self.now, self.seed);
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let (interval, timeout) = (group.interval.max(1) * 1000, group.timeout.max(1) * 1000);
        let (healthy, unhealthy) = (group.healthy, group.unhealthy);
        let Some(mut target) = group.targets.remove(key) else {
            return;
        };
        let Some(instance) = self.instances.get(&target.id) else {
            return;
        };
        target.realign(now, interval);
        let (mut became, mut recorded) = (None, false);
        if target.gives_up.is_some_and(|t| now >= t) {
            target.gives_up = None;
            recorded = true;
            became = target.record(failed("Target.Timeout", "Request timed out"), now, healthy, unhealthy);
        }
        if now >= target.next_check {
            target.next_check = now + interval;
            match verdict(group, instance, now, seed, &format!("{arn}/{key}/{now}")) {
                // No answer: it counts as failed when the timeout is over, and the next check comes all the same.
                None => target.gives_up = Some(now + timeout.min(interval)),
                Some(verdict) => {
                    recorded = true;
                    became = target.record(verdict, now, healthy, unhealthy).or(became);
                }
            }
        }
        let next = target.next_look(now, interval, recorded, instance);
        let owner = instance.group.clone();
        group.targets.insert(key.to_owned(), target);
        if let Some(at) = next {
            self.wake_target(arn, key, at.max(now + 1));
        }
        if let Some(health) = became {
            if health == Health::Healthy
                && let Some(g) = self.groups.get_mut(&owner)
            {
                g.attached.insert(arn.to_owned());
            }
            self.wake_group(&owner, now);
        }
    }
}

/// What a check finds; nothing while no answer comes.
fn verdict(group: &TargetGroup, instance: &Instance, now: i64, seed: u64, check: &str) -> Option<Verdict> {
    let tcp = !group.check_protocol.starts_with("HTTP");
    let path = group.path.as_deref().unwrap_or("/");
    let matcher = group.matcher.as_deref().unwrap_or("200");
    Some(match instance.answer(now, seed, check, path) {
        Answer::Refused => failed("Target.FailedHealthChecks", "Health checks failed"),
        // A connection is all that TCP asks for.
        Answer::Status(_) | Answer::Silence if tcp => Ok(()),
        Answer::Silence => return None,
        Answer::Status(code) if matches(matcher, code) => Ok(()),
        Answer::Status(code) => failed("Target.ResponseCodeMismatch", format!("Health checks failed with these codes: [{code}]")),
    })
}
