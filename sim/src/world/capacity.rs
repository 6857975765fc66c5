//! The group's loop: make actual capacity what is desired.
//!
//! **Invariant:** Standby and Terminating instances are not capacity; what a refresh holds above desired is its own and
//! is not scaled in while the refresh lasts.

use super::{World, group::Why, instance::Lifecycle};
use crate::clock;

impl World {
    pub(crate) fn step_group(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            return;
        }
        if self.step_deletion(name) {
            return;
        }
        self.step_schedule(name);
        self.step_attachments(name);
        self.step_health(name);
        self.step_refresh(name);
        self.step_capacity(name);
        self.step_balance(name);
    }

    /// Number of instances that count as capacity.
    pub(crate) fn active_count(&self, name: &str) -> i64 {
        self.groups.get(name).map_or(0, |g| self.members(g).iter().filter(|i| i.lifecycle.is_active()).count() as i64)
    }

    fn step_capacity(&mut self, name: &str) {
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let now = self.now;
        let surplus = g.active_refresh().map_or(0, |r| r.surplus);
        let stand_ins = self.members(g).iter().filter(|i| i.lifecycle == Lifecycle::InService && i.replaced_by.is_some()).count() as i64;
        let target = g.desired + surplus + stand_ins + g.balancing;
        let (act_at, retry_at) = (g.act_at, g.retry_at);
        let mut active = self.active_count(name);
        if active >= target
            && let Some(g) = self.groups.get_mut(name)
        {
            g.owed.clear();
        }
        let Some(g) = self.groups.get(name) else {
            return;
        };
        if active < target && !g.is_suspended("Launch") {
            if now < retry_at {
                self.wake_group(name, retry_at);
                return;
            }
            while active < target {
                let Some(g) = self.groups.get_mut(name) else {
                    return;
                };
                let why = if g.owed.is_empty() { Why::Capacity } else { g.owed.remove(0) };
                if why == Why::Capacity && now < act_at {
                    self.wake_group(name, act_at);
                    return;
                }
                let cause = self.launch_cause(name, why, active, target);
                match self.launch(name, why, &cause) {
                    Some(id) => {
                        if why == Why::Unhealthy {
                            self.pair(name, &id);
                        }
                        active += 1;
                    }
                    // The zones stay as they are until the next round.
                    None if why == Why::Balance => {
                        self.end_balance(name);
                        return;
                    }
                    None => {
                        if let Some(g) = self.groups.get_mut(name) {
                            g.owed.insert(0, why);
                        }
                        return;
                    }
                }
            }
        } else if active > target && !g.is_suspended("Terminate") {
            if now < act_at {
                self.wake_group(name, act_at);
                return;
            }
            self.scale_in(name, active, target);
        }
        if self.active_count(name) == target
            && let Some(g) = self.groups.get_mut(name)
        {
            g.cause = None;
            g.invoking.clear();
        }
    }

    fn scale_in(&mut self, name: &str, active: i64, target: i64) {
        let at = clock::iso_seconds(self.now);
        let first = self.groups.get(name).and_then(|g| g.cause.clone()).map_or_else(String::new, |c| format!("{c}  At {at} "));
        for id in self.choose_scale_in(name, (active - target) as usize) {
            let cause = format!(
                "{first}an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {active} to {target}.  At {at} instance {id} was selected for termination."
            );
            if let Some(activity) = self.take_out(&id, &cause) {
                self.name_alarms(name, &activity);
            }
        }
    }

    /// Sets desired capacity with a reason; the group acts on it a little later (aws-reference 14).
    pub(crate) fn set_desired(&mut self, name: &str, desired: i64, cause: String) {
        let now = self.now;
        let key = self.next_key();
        let act_at = now + self.params.scale_delay.draw(self.seed, "scale", &key);
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        if g.desired == desired {
            return;
        }
        g.desired = desired;
        let sentence = format!("At {} {cause}", clock::iso_seconds(now));
        // What has not been acted on yet is told with it, as far as a cause is long (1023 characters).
        g.cause = Some(match g.cause.take() {
            Some(first) if first.len() + sentence.len() < 700 => format!("{first}  {sentence}"),
            _ => sentence,
        });
        // A policy says so again after this.
        g.invoking.clear();
        g.cooldown_own = None;
        g.act_at = act_at;
        self.wake_group(name, act_at);
        // Whoever asked for it: an event of something else than the group too.
        self.observe_group(name);
    }

    /// Sets bounds; desired follows where it fell outside (aws-reference 3).
    pub(crate) fn set_bounds(&mut self, name: &str, min: Option<i64>, max: Option<i64>, desired: Option<i64>, scheduled: Option<&str>) {
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        g.min = min.unwrap_or(g.min);
        g.max = max.unwrap_or(g.max);
        let (from, wanted) = (g.desired, desired.unwrap_or(g.desired).clamp(g.min, g.max.max(g.min)));
        let cause = match scheduled {
            Some(action) => format!("the scheduled action {action} executed. Setting desired capacity from {from} to {wanted}."),
            None => format!(
                "a user request update of AutoScalingGroup constraints to min: {}, max: {}, desired: {wanted} changing the desired capacity from {from} to {wanted}.",
                g.min, g.max
            ),
        };
        self.set_desired(name, wanted, cause);
    }

    /// The activity that blocks a simple policy or a call that honours the cooldown (aws-reference 4.4).
    pub(crate) fn cooling(&self, name: &str) -> Option<String> {
        let g = self.groups.get(name)?;
        if let Some(a) = g.activities.iter().rev().find(|a| a.end.is_none()) {
            return Some(a.id.clone());
        }
        let (from, activity, own) = g.cooldown_from.as_ref()?;
        (from + own.unwrap_or(g.cooldown) * 1000 > self.now).then(|| activity.clone())
    }
}
