//! Scaling policies at work: what a breach makes of a group's desired capacity (aws-reference 4.4, 4.5).
//!
//! **Invariant:** desired capacity moves only within Min and Max; a policy never takes back what another asked for in the
//! same direction, and nothing is scaled in by a policy while an instance warms up.

use serde_json::Value;

use super::{
    World,
    group::Group,
    instance::{Instance, Lifecycle},
    policy::{Adjustment, Policy, Rule, step_for},
};

/// What set a policy off.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    /// Who, up to `changing the desired capacity …`.
    pub(crate) who: String,
    /// Of the alarm, for the activity's details.
    pub(crate) alarm: Option<Value>,
    /// A simple policy waits for the cooldown and for activities in progress.
    pub(crate) honor_cooldown: bool,
}

impl World {
    /// Instances that serve and are past their warmup of so many seconds.
    pub(crate) fn warm(&self, g: &Group, warmup: i64) -> Vec<&Instance> {
        let past = |i: &&Instance| i.lifecycle == Lifecycle::InService && i.in_service_at.is_some_and(|t| t + warmup * 1000 <= self.now);
        self.members(g).into_iter().filter(past).collect()
    }

    /// Capacity that is on its way: launched or ordered, and not warm yet.
    pub(crate) fn warming(&self, g: &Group, warmup: i64) -> i64 {
        (g.desired.max(self.active_count(&g.name)) - self.warm(g, warmup).len() as i64).max(0)
    }

    /// A simple or step policy, with what the metric is above its threshold. An error is the activity in the way.
    pub(crate) fn run_policy(&mut self, name: &str, policy: &str, breach: Option<f64>, trigger: Trigger) -> Result<(), String> {
        let Some(g) = self.groups.get(name) else {
            return Ok(());
        };
        let Some(p) = g.policies.iter().find(|p| p.name == policy).filter(|p| p.enabled) else {
            return Ok(());
        };
        let own = match &p.rule {
            Rule::Simple { cooldown, .. } => *cooldown,
            _ => None,
        };
        let to = match &p.rule {
            Rule::Tracking(_) => None,
            Rule::Simple { by, .. } => {
                if let Some(activity) = self.cooling(name).filter(|_| trigger.honor_cooldown) {
                    return Err(activity);
                }
                Some(p.adjusted(g.desired, *by))
            }
            Rule::Step { steps, .. } => breach.and_then(|b| step_for(steps, b)).and_then(|s| self.stepped(g, p, s.adjustment)),
        };
        if let Some(to) = to {
            self.scale(name, to, trigger, own);
        }
        Ok(())
    }

    /// Size a step makes: out from the capacity that is warm, never less than is ordered already; in from all that is
    /// there, leaving instances included, and not while one warms.
    fn stepped(&self, g: &Group, p: &Policy, by: i64) -> Option<i64> {
        let warming = self.warming(g, p.warmup(g));
        let leaving = self.members(g).iter().filter(|i| i.lifecycle.is_leaving()).count() as i64;
        let out = match p.adjustment {
            Some(Adjustment::Exact) => by > g.desired,
            _ => by > 0,
        };
        if out {
            let to = p.adjusted(g.desired - warming, by);
            return (to > g.desired).then_some(to);
        }
        let to = p.adjusted(self.active_count(&g.name).max(g.desired) + leaving, by);
        (warming == 0 && to < g.desired).then_some(to)
    }

    /// Target tracking: out to a size, where less was asked for until now.
    pub(crate) fn track_out(&mut self, name: &str, to: i64, trigger: Trigger) {
        if self.groups.get(name).is_some_and(|g| to > g.desired) {
            self.scale(name, to, trigger, None);
        }
    }

    /// Target tracking: in to a size.
    pub(crate) fn track_in(&mut self, name: &str, to: i64, trigger: Trigger) {
        if self.groups.get(name).is_some_and(|g| to < g.desired) {
            self.scale(name, to, trigger, None);
        }
    }

    /// Sets desired capacity for a policy, within Min and Max.
    fn scale(&mut self, name: &str, to: i64, trigger: Trigger, cooldown: Option<i64>) {
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let (from, to) = (g.desired, to.clamp(g.min, g.max.max(g.min)));
        if from == to {
            return;
        }
        self.set_desired(name, to, format!("{} changing the desired capacity from {from} to {to}.", trigger.who));
        if let Some(g) = self.groups.get_mut(name) {
            g.cooldown_own = cooldown;
            g.invoking.extend(trigger.alarm);
        }
    }
}
