//! The loop of an instance refresh: which instances to take out and put in next (aws-reference 5.3).
//!
//! **Invariant:** never fewer than ceil(desired x Min %) ready instances by its own hand, except that at least one
//! instance is always worked on; never more than desired x Max % (one above desired when both are 100).

use super::{
    World,
    group::Why,
    instance::Lifecycle,
    refresh::{Refresh, Status},
    refresh_look::Look,
};
use crate::clock;

/// A refresh ends after fourteen days, whatever it waits for (aws-reference 5.3). Milliseconds.
const LONGEST: i64 = 14 * 86_400_000;

impl World {
    pub(crate) fn step_refresh(&mut self, name: &str) {
        let now = self.now;
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let Some(refresh) = group.active_refresh() else {
            return;
        };
        let (status, tick) = (refresh.status, refresh.next_tick);
        match status {
            Status::Pending if now >= refresh.pending_until => {
                if let Some(r) = self.groups.get_mut(name).and_then(|g| g.active_refresh_mut()) {
                    r.status = Status::InProgress;
                    r.start = Some(now);
                    r.last_progress = now;
                }
                self.run_refresh(name);
            }
            Status::InProgress | Status::RollbackInProgress if now >= tick => self.run_refresh(name),
            Status::Baking => match self.breached(name) {
                Some(why) => self.fail_refresh(name, &why),
                None if refresh.bake_until.is_none_or(|t| now >= t) => self.end_refresh(name, Status::Successful, None),
                None => {
                    // While it bakes, only its alarms are watched.
                    let pace = self.params.control_loop.draw(self.seed, "control_loop", &format!("{name}/{now}"));
                    let watched = !refresh.preferences.alarms.is_empty();
                    if let Some(r) = self.groups.get_mut(name).and_then(|g| g.active_refresh_mut()) {
                        r.next_tick = if watched { now + pace.max(1000) } else { i64::MAX };
                    }
                }
            },
            Status::Cancelling => {
                let busy = self.members(group).iter().any(|i| {
                    (i.lifecycle.is_pending() && i.generation.is_some())
                        || (i.refreshed_out && i.lifecycle.is_leaving() && i.lifecycle != Lifecycle::Terminated)
                });
                if !busy {
                    self.end_refresh(name, Status::Cancelled, None);
                }
            }
            _ => {}
        }
        let next = self.groups.get(name).and_then(|g| g.active_refresh()).and_then(|r| match r.status {
            Status::Pending => Some(r.pending_until),
            Status::InProgress | Status::RollbackInProgress => Some(r.next_tick),
            Status::Baking => r.bake_until.map(|t| t.min(r.next_tick)),
            _ => None,
        });
        if let Some(at) = next {
            self.wake_group(name, at.max(now + 1));
        }
    }

    fn run_refresh(&mut self, name: &str) {
        let now = self.now;
        let pace = self.params.control_loop.draw(self.seed, "control_loop", &format!("{name}/{now}"));
        let Some(look) = self.look(name) else { return };
        let breached = self.breached(name);
        let limit = self.params.refresh_no_progress * 1000;
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let paused = g.is_suspended("InstanceRefresh");
        let stuck = g.is_suspended("Launch") || g.is_suspended("Terminate");
        let Some(r) = g.active_refresh_mut() else {
            return;
        };
        r.next_tick = now + pace.max(1000);
        let forward = r.status == Status::InProgress;
        score(r, &look, now);
        let end = r.created + LONGEST;
        if now >= end {
            self.fail_refresh(name, "The instance refresh exceeded the maximum duration of 14 days.");
            return;
        }
        if look.desired > r.seen_desired {
            r.seen_desired = look.desired;
            let again = r.preferences.checkpoints.iter().take(r.checkpoints_passed).filter(|c| **c <= r.percentage).count();
            r.checkpoints_passed = again;
        }
        if let Some(why) = breached.filter(|_| forward) {
            self.fail_refresh(name, &why);
            return;
        }
        if paused {
            r.last_progress = now;
            // Resuming the process wakes it; until then there is nothing to look for but its alarms.
            if r.preferences.alarms.is_empty() {
                r.next_tick = end;
            }
            r.reason = Some("Instance refresh is paused because the InstanceRefresh process is suspended.".into());
            return;
        }
        if now - r.last_progress >= limit {
            let why = "No progress was made on the instance refresh for the past hour.";
            self.fail_refresh(name, why);
            return;
        }
        if stuck {
            r.reason = Some("Waiting for the Launch and Terminate processes to be resumed before continuing.".into());
            return;
        }
        if r.checkpoint_until.is_some_and(|t| now < t) {
            r.last_progress = now;
            r.reason = Some(format!("Waiting at a checkpoint until {} before continuing.", clock::iso_seconds(r.checkpoint_until.unwrap_or(now))));
            return;
        }
        self.act(name, &look, forward);
    }

    /// Why an alarm of the refresh ends it, if one is in ALARM (aws-reference 5.1).
    fn breached(&self, name: &str) -> Option<String> {
        let refresh = self.groups.get(name)?.active_refresh()?;
        let alarm = refresh.preferences.alarms.iter().find(|a| self.alarm_in_alarm(a))?;
        Some(format!("CloudWatch alarm {alarm} specified in the instance refresh is in ALARM state."))
    }

    /// Takes the next step the look allows.
    fn act(&mut self, name: &str, look: &Look, forward: bool) {
        let now = self.now;
        let params = self.params.clone();
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let max_size = g.max;
        let Some(r) = g.active_refresh_mut() else {
            return;
        };
        let p = r.preferences.clone();
        let launch_first = p.min >= 100;
        let waits = if launch_first { params.launch_first_waits_for_drain } else { params.terminate_first_waits_for_drain };
        let keep = (look.desired * p.min + 99) / 100;
        let excess = look.active - look.desired;

        // What is above desired is paid back first: a rollback may drop bad instances at once.
        if excess > 0 && !look.old.is_empty() && (look.warming.is_empty() || !forward) {
            let mut ready = look.ready;
            let mut out = Vec::new();
            for id in &look.old {
                let serves = !look.old_unready.contains(id);
                if out.len() as i64 >= excess || (serves && ready - 1 < keep) {
                    continue;
                }
                ready -= i64::from(serves);
                out.push(id.clone());
            }
            if !out.is_empty() {
                r.surplus = (r.surplus - out.len() as i64).max(0);
                r.last_progress = now;
                self.take_out_for_refresh(name, &out, false);
                return;
            }
        }
        if look.active < look.desired + r.surplus {
            r.reason = Some("Waiting for remaining instances to be available.".into());
            return;
        }
        if let Some(id) = look.warming.first() {
            r.reason = Some(format!("Waiting for instances to warm up before continuing. For example: {id} is warming up."));
            if let Some(at) = look.next_warm.filter(|t| *t > now) {
                r.next_tick = r.next_tick.min(at);
            }
            return;
        }
        if waits && look.draining {
            r.reason = Some("Waiting for remaining instances to be terminated before continuing.".into());
            return;
        }
        // Several may be reached at once: a small group stops once for all of them. Growth can lose one again (aws-reference 5.3).
        let reached = p.checkpoints.iter().filter(|goal| **goal <= r.percentage).count();
        let before = std::mem::replace(&mut r.checkpoints_passed, reached);
        if forward && reached > before {
            let last = reached == p.checkpoints.len();
            if last && r.percentage < 100 {
                r.surplus = 0;
                self.finish(name);
                return;
            }
            if !last {
                r.checkpoint_until = Some(now + p.checkpoint_delay * 1000);
                r.last_progress = now;
                r.reason = Some("Waiting at a checkpoint before continuing.".into());
                return;
            }
        }
        let goal = p.checkpoints.get(reached).copied();
        if look.old.is_empty() {
            if let Some(id) = &look.blocked {
                r.reason =
                    Some(format!("Waiting for remaining instances to be available. For example: {id} is protected from scale in or in standby."));
            } else if params.success_waits_for_drain && look.draining {
                r.reason = Some("Waiting for remaining instances to be terminated before continuing.".into());
            } else {
                r.surplus = 0;
                self.finish(name);
            }
            return;
        }
        let cap = if params.max_healthy_rounds_up { (look.desired * p.max + 99) / 100 } else { look.desired * p.max / 100 };
        let mut cap = if launch_first { cap.max(look.desired + 1) } else { cap };
        if !params.refresh_may_pass_max_size {
            cap = cap.min(max_size.max(look.desired));
        }
        let left = look.old.len() as i64;
        // A checkpoint bounds the batch, so that it is not overshot.
        let step = match goal.filter(|_| forward) {
            Some(goal) => {
                let scope = (look.desired - look.outside).max(1);
                ((goal * scope + 99) / 100 - look.updated).max(1).min(left)
            }
            None => left,
        };
        let room = cap - look.active;
        if launch_first && room > 0 {
            let n = room.min(step);
            r.surplus += n;
            if let Some(g) = self.groups.get_mut(name) {
                g.owed.extend((0..n).map(|_| Why::Refresh));
            }
            return;
        }
        let out_count = (look.ready - keep).max(1).min(step);
        let extra = (cap - look.active).min(step - out_count).max(0);
        r.surplus += extra;
        let out: Vec<String> = look.old.iter().take(out_count as usize).cloned().collect();
        if let Some(g) = self.groups.get_mut(name) {
            g.owed.extend((0..extra).map(|_| Why::Refresh));
        }
        self.take_out_for_refresh(name, &out, true);
    }

    fn finish(&mut self, name: &str) {
        let now = self.now;
        let Some(r) = self.groups.get_mut(name).and_then(|g| g.active_refresh_mut()) else {
            return;
        };
        if r.status == Status::RollbackInProgress {
            self.end_refresh(name, Status::RollbackSuccessful, None);
        } else if r.preferences.bake > 0 {
            r.status = Status::Baking;
            r.reason = None;
            r.bake_until = Some(now + r.preferences.bake * 1000);
        } else {
            self.end_refresh(name, Status::Successful, None);
        }
    }

    fn take_out_for_refresh(&mut self, name: &str, out: &[String], replaced: bool) {
        for id in out {
            let at = clock::iso_seconds(self.now);
            let cause = format!(
                "an instance was taken out of service in response to an instance refresh.  At {at} instance {id} was selected for termination."
            );
            if let Some(i) = self.instances.get_mut(id) {
                i.refreshed_out = true;
            }
            self.take_out(id, &cause);
            if replaced && let Some(g) = self.groups.get_mut(name) {
                g.owed.push(Why::Refresh);
            }
        }
    }
}

/// PercentageComplete, InstancesToUpdate and the progress clock (aws-reference 5.2).
fn score(r: &mut Refresh, look: &Look, now: i64) {
    let scope = (look.desired - look.outside).max(0);
    if r.status == Status::RollbackInProgress {
        let from = r.rollback.as_ref().map_or(0, |b| b.percentage);
        let share = if look.desired > 0 { 100 * look.old.len() as i64 / look.desired } else { 0 };
        r.percentage = share.min(r.percentage).min(from);
        if look.updated > r.best {
            r.best = look.updated;
            r.last_progress = now;
        }
        return;
    }
    r.percentage = if scope == 0 { 100 } else { (100 * look.updated / scope).min(100) };
    r.to_update = (scope - look.updated).max(0);
    if look.updated > r.best {
        r.best = look.updated;
        r.last_progress = now;
    }
}
