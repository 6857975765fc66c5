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
        self.step_schedule(name);
        self.step_health(name);
        self.step_refresh(name);
        self.step_capacity(name);
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
        let target = g.desired + surplus + stand_ins;
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
                    None => {
                        let key = format!("{name}/{now}");
                        let again = now + self.params.launch_retry.draw(self.seed, "retry", &key);
                        if let Some(g) = self.groups.get_mut(name) {
                            g.owed.insert(0, why);
                            g.retry_at = again;
                        }
                        self.wake_group(name, again);
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
        }
    }

    fn scale_in(&mut self, name: &str, active: i64, target: i64) {
        let at = clock::iso_seconds(self.now);
        let first = self.groups.get(name).and_then(|g| g.cause.clone()).map_or_else(String::new, |c| format!("{c}  At {at} "));
        for id in self.choose_scale_in(name, (active - target) as usize) {
            let cause = format!(
                "{first}an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {active} to {target}.  At {at} instance {id} was selected for termination."
            );
            self.take_out(&id, &cause);
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
        g.cause = Some(cause);
        g.act_at = act_at;
        self.wake_group(name, act_at);
        // Whoever asked for it: an event of something else than the group too.
        self.observe_group(name);
    }

    /// Sets bounds; desired follows where it fell outside (aws-reference 3).
    pub(crate) fn set_bounds(&mut self, name: &str, min: Option<i64>, max: Option<i64>, desired: Option<i64>, who: &str) {
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let before = (g.min, g.max, g.desired);
        g.min = min.unwrap_or(g.min);
        g.max = max.unwrap_or(g.max);
        let wanted = desired.unwrap_or(g.desired).clamp(g.min, g.max.max(g.min));
        let cause = format!(
            "{who} changing min from {} to {}, max from {} to {}, desired capacity from {} to {wanted}.",
            before.0, g.min, before.1, g.max, before.2
        );
        self.set_desired(name, wanted, cause);
    }
}
