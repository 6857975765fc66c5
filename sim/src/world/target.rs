//! Target groups: who is registered, since when and until when (aws-reference 6).
//!
//! **Invariant:** a target is known by its instance and port; one on the group's own port is keyed by the instance's id
//! alone. A draining target stays listed for the whole deregistration delay; one that is not in use is not checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::World;

/// State of one target, reasons aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Health {
    Initial,
    Healthy,
    Unhealthy,
    Draining,
    /// No listener, no enabled zone, or an instance that does not run.
    Unused,
}

/// One registered instance and port.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) port: i64,
    pub(crate) health: Health,
    /// Since when this state holds.
    pub(crate) since: i64,
    pub(crate) initial_until: i64,
    pub(crate) first_check: i64,
    pub(crate) next_check: i64,
    /// When the check that waits for an answer is given up.
    pub(crate) gives_up: Option<i64>,
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
    /// `HTTP1` or `HTTP2`, of groups that speak HTTP.
    pub(crate) version: Option<String>,
    pub(crate) port: i64,
    pub(crate) check_protocol: String,
    /// `traffic-port` or a number.
    pub(crate) check_port: String,
    pub(crate) path: Option<String>,
    /// Codes that pass, `200`, `200,202` or `200-299`.
    pub(crate) matcher: Option<String>,
    pub(crate) interval: i64,
    pub(crate) timeout: i64,
    pub(crate) healthy: i64,
    pub(crate) unhealthy: i64,
    /// Those that were set; the rest has its default.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) targets: BTreeMap<String, Target>,
}

/// What DescribeTargetHealth says of a target: state, reason, description.
pub(crate) type Shown = (&'static str, Option<String>, Option<String>);

/// Attribute of the deregistration delay.
pub(crate) const DELAY: &str = "deregistration_delay.timeout_seconds";

impl TargetGroup {
    /// Behind an application load balancer, else a network one.
    pub(crate) fn speaks_http(&self) -> bool {
        self.protocol.starts_with("HTTP")
    }

    /// Key of a target.
    pub(crate) fn key(&self, id: &str, port: i64) -> String {
        if port == self.port { id.to_owned() } else { format!("{id}:{port}") }
    }

    /// Port its health checks go to.
    pub(crate) fn port_checked(&self, port: i64) -> String {
        if self.check_port == "traffic-port" { port.to_string() } else { self.check_port.clone() }
    }

    /// Deregistration delay, milliseconds.
    fn delay(&self) -> i64 {
        self.attributes.get(DELAY).and_then(|v| v.parse().ok()).unwrap_or(300) * 1000
    }

    /// Keys of an instance's targets here.
    fn keys_of(&self, id: &str) -> Vec<String> {
        self.targets.iter().filter(|(_, t)| t.id == id).map(|(key, _)| key.clone()).collect()
    }
}

impl World {
    /// Registers an instance on the group's own port.
    pub(crate) fn register(&mut self, arn: &str, id: &str) {
        if let Some(port) = self.target_groups.get(arn).map(|g| g.port) {
            self.register_port(arn, id, port);
        }
    }

    /// Registers an instance; one that drains starts anew, one that is registered stays as it is.
    pub(crate) fn register_port(&mut self, arn: &str, id: &str, port: i64) {
        let now = self.now;
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let key = group.key(id, port);
        if group.targets.get(&key).is_some_and(|t| t.health != Health::Draining) {
            return;
        }
        let target = Target {
            id: id.to_owned(),
            port,
            health: Health::Unused,
            since: now,
            initial_until: now,
            first_check: now,
            next_check: now,
            gives_up: None,
            passes: 0,
            failures: 0,
            reason: None,
            drain_until: None,
        };
        group.targets.insert(key.clone(), target);
        self.settle_target(arn, &key);
    }

    /// Starts or ends the use of a target as its balancers, zone and instance have it now.
    pub(crate) fn settle_target(&mut self, arn: &str, key: &str) {
        let now = self.now;
        let Some(target) = self.target_groups.get(arn).and_then(|g| g.targets.get(key)) else {
            return;
        };
        let idle = target.health == Health::Unused;
        match self.in_use(arn, &target.id) {
            Ok(active_at) if idle => self.begin_checks(arn, key, active_at),
            Err(_) if !idle => {
                if let Some(t) = self.target_groups.get_mut(arn).and_then(|g| g.targets.get_mut(key)) {
                    (t.health, t.since, t.gives_up, t.reason) = (Health::Unused, now, None, None);
                }
            }
            _ => {}
        }
    }

    /// Registration starts, not to end before the balancer is active; the first check follows on a grid of the target's own.
    fn begin_checks(&mut self, arn: &str, key: &str, active_at: i64) {
        let now = self.now;
        let draw = format!("{arn}/{key}/{now}");
        let initial_until = active_at.max(now + self.params.target_initial.draw(self.seed, "target_initial", &draw));
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let interval = group.interval.max(1) * 1000;
        let phase = (crate::rng::hash(self.seed, "phase", &draw) % interval as u64) as i64;
        let Some(t) = group.targets.get_mut(key) else {
            return;
        };
        (t.health, t.since, t.reason, t.gives_up) = (Health::Initial, now, None, None);
        (t.passes, t.failures, t.initial_until) = (0, 0, initial_until);
        (t.first_check, t.next_check) = (initial_until + phase, initial_until + phase);
        self.wake_target(arn, key, initial_until + phase);
    }

    /// Deregisters an instance from every port of a group.
    pub(crate) fn deregister(&mut self, arn: &str, id: &str) {
        let keys = self.target_groups.get(arn).map(|g| g.keys_of(id)).unwrap_or_default();
        for key in keys {
            self.deregister_key(arn, &key);
        }
    }

    /// Starts the drain. What gets no requests leaves at once.
    pub(crate) fn deregister_key(&mut self, arn: &str, key: &str) {
        let now = self.now;
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let delay = group.delay();
        let Some(target) = group.targets.get_mut(key) else {
            return;
        };
        if target.health == Health::Draining {
            return;
        }
        let runs = self.instances.get(&target.id).is_some_and(|i| i.ec2.is_up());
        let until = if runs && target.health != Health::Unused { now + delay } else { now };
        (target.health, target.since, target.drain_until, target.gives_up) = (Health::Draining, now, Some(until), None);
        self.wake_target(arn, key, until);
    }

    /// Target groups this instance is listed in.
    pub(crate) fn registrations(&self, id: &str) -> Vec<String> {
        self.target_groups.values().filter(|g| g.targets.values().any(|t| t.id == id)).map(|g| g.arn.clone()).collect()
    }

    /// Takes the checks of an instance up again after something changed on it.
    pub(crate) fn poke_targets(&mut self, id: &str) {
        let all: Vec<(String, Vec<String>)> = self.target_groups.values().map(|g| (g.arn.clone(), g.keys_of(id))).collect();
        for (arn, key) in all.into_iter().flat_map(|(arn, keys)| keys.into_iter().map(move |key| (arn.clone(), key))) {
            self.wake_target(&arn, &key, self.now);
        }
    }

    /// Lets changed settings of a group's health checks take hold; another interval is another grid.
    pub(crate) fn recheck(&mut self, arn: &str, another_interval: bool) {
        let (now, seed) = (self.now, self.seed);
        let Some(group) = self.target_groups.get_mut(arn) else {
            return;
        };
        let interval = group.interval.max(1) * 1000;
        let mut wakes = Vec::new();
        for (key, t) in &mut group.targets {
            if !matches!(t.health, Health::Initial | Health::Healthy | Health::Unhealthy) {
                continue;
            }
            if another_interval {
                let phase = (crate::rng::hash(seed, "phase", &format!("{arn}/{key}/{now}")) % interval as u64) as i64;
                t.first_check = now.max(t.initial_until) + phase;
                t.next_check = t.first_check;
            }
            wakes.push(key.clone());
        }
        for key in wakes {
            self.wake_target(arn, &key, now);
        }
    }
}
