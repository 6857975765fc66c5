//! Health checks of a group and the replacement of unhealthy instances (aws-reference 4.3).
//!
//! **Invariant:** the opinion of the load balancer and of a status check counts only after the grace period, the former
//! once one instance has passed, the latter once it has failed for some minutes; an instance that left EC2 `running` is
//! never excused. Replacement goes at 10 % of desired, at least one, at a time.

use super::{
    World,
    group::Why,
    instance::{Ec2State, Lifecycle},
    target::Health,
};

const ELB: &str = "an instance was taken out of service in response to an ELB system health check failure.";
const STATUS: &str = "an instance was taken out of service in response to an EC2 instance status check failure.";
const EC2: &str = "an instance was taken out of service in response to an EC2 health check that indicated it had been terminated or stopped.";

impl World {
    pub(crate) fn step_health(&mut self, name: &str) {
        let Some(g) = self.groups.get(name) else {
            return;
        };
        if !g.is_suspended("HealthCheck") {
            self.mark(name);
        }
        let Some(g) = self.groups.get(name) else {
            return;
        };
        if !g.is_suspended("ReplaceUnhealthy") && !g.is_suspended("Terminate") {
            self.replace(name);
        }
    }

    /// Marks what has been failing long enough.
    fn mark(&mut self, name: &str) {
        let now = self.now;
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let elb = g.health_check.contains("ELB");
        let limit = (g.desired as usize / 10).max(1);
        let mut marks = Vec::new();
        let (mut marked, mut serving) = (0, 0);
        let mut next: Option<i64> = None;
        for i in self.members(g) {
            marked += usize::from(i.unhealthy && i.lifecycle.is_active());
            serving += usize::from(i.lifecycle == Lifecycle::InService);
            if i.unhealthy || !(i.lifecycle == Lifecycle::InService || (i.lifecycle.is_pending() && i.ec2 != Ec2State::Pending)) {
                continue;
            }
            let mut failing = None;
            if !i.ec2.is_up() {
                failing = [i.stopping_at, i.shutdown_at].into_iter().flatten().min().map(|t| (t, EC2));
            } else if let Some(served) = i.in_service_at {
                let graced = served + g.grace * 1000;
                let since = g
                    .target_groups
                    .iter()
                    .filter(|arn| elb && g.attached.contains(*arn))
                    .filter_map(|arn| self.target_groups.get(arn)?.targets.get(&i.id))
                    .filter(|t| t.health == Health::Unhealthy)
                    .map(|t| t.since)
                    .min();
                let wait = self.params.impaired_wait.draw(self.seed, "impaired_wait", &i.id);
                let impaired = i.impaired.filter(|(from, until)| until.is_none_or(|t| now < t && from + wait < t));
                let impaired = impaired.map(|(from, _)| ((from + wait).max(graced), STATUS));
                failing = since.map(|s| (s.max(graced), ELB)).into_iter().chain(impaired).min();
            }
            let Some((from, why)) = failing else { continue };
            let due = from + self.params.health_poll.draw(self.seed, "health_poll", &format!("{}/{from}", i.id));
            if now >= due {
                marks.push((i.id.clone(), why));
            } else {
                next = Some(next.map_or(due, |n| n.min(due)));
            }
        }
        // Where everything fails at once, the fault may well be elsewhere.
        if self.params.all_unhealthy_marks_fewer && serving > 1 && marked + marks.iter().filter(|(_, why)| *why != EC2).count() >= serving {
            marks.sort_by_key(|(_, why)| *why != EC2);
            let gone = marks.iter().filter(|(_, why)| *why == EC2).count();
            let room = gone + limit.saturating_sub(marked);
            if marks.len() > room {
                marks.truncate(room);
                let again = now + self.params.health_poll.draw(self.seed, "health_poll", &format!("{name}/{now}"));
                next = Some(next.map_or(again, |n| n.min(again)));
            }
        }
        for (id, why) in marks {
            if let Some(i) = self.instances.get_mut(&id) {
                i.unhealthy = true;
                i.unhealthy_why = Some(why.to_owned());
            }
        }
        if let Some(at) = next {
            self.wake_group(name, at);
        }
    }

    /// Takes out unhealthy instances, paced.
    fn replace(&mut self, name: &str) {
        let now = self.now;
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let members = self.members(g);
        let warmup = g.warmup.unwrap_or(0) * 1000;
        let warming = |i: &&&super::instance::Instance| {
            i.replaces_unhealthy
                && !i.unhealthy
                && (i.lifecycle.is_pending() || i.in_service_at.is_some_and(|t| i.lifecycle == Lifecycle::InService && t + warmup > now))
        };
        let busy: Vec<i64> = members.iter().filter(warming).map(|i| i.in_service_at.map_or(0, |t| t + warmup)).collect();
        // Without launches nobody stands in: then those on their way out set the pace (aws-reference 4.6).
        let owed = if g.is_suspended("Launch") {
            members.iter().filter(|i| i.unhealthy && i.lifecycle.is_leaving()).count()
        } else {
            g.owed.iter().filter(|w| **w == Why::Unhealthy).count()
        };
        let limit = ((g.desired as usize) / 10).max(1);
        let mut room = limit.saturating_sub(busy.len() + owed);
        let launch_first = g.maintenance.is_some_and(|(min, _)| min >= 100) && !g.is_suspended("Launch");
        let mut out = Vec::new();
        let mut pair = 0;
        let mut waiting = false;
        for i in members.iter().filter(|i| i.unhealthy && i.lifecycle.is_active()) {
            let why = i.unhealthy_why.clone().unwrap_or_else(|| EC2.to_owned());
            if let Some(stand_in) = i.replaced_by.as_deref() {
                match self.instances.get(stand_in) {
                    Some(s) if s.in_service_at.is_some_and(|t| s.lifecycle == Lifecycle::InService && t + warmup <= now) => {
                        out.push((i.id.clone(), why, false));
                    }
                    Some(s) if s.lifecycle.is_active() => {}
                    _ if stand_in.is_empty() => {}
                    _ => out.push((i.id.clone(), why, true)),
                }
                continue;
            }
            // An instance that is gone from EC2 serves nobody: no use in pacing or in launching first.
            let gone = i.ec2 != Ec2State::Running;
            if room == 0 && !gone {
                waiting = true;
                continue;
            }
            room = room.saturating_sub(1);
            if launch_first && !gone {
                pair += 1;
                out.push((i.id.clone(), String::new(), true));
            } else {
                out.push((i.id.clone(), why, true));
            }
        }
        let next = busy.into_iter().filter(|t| *t > now).min();
        for (id, why, owes) in out {
            if why.is_empty() {
                if let Some(i) = self.instances.get_mut(&id) {
                    i.replaced_by = Some(String::new());
                }
            } else {
                self.take_out(&id, &why);
            }
            if owes && let Some(g) = self.groups.get_mut(name) {
                g.owed.push(Why::Unhealthy);
            }
        }
        if let Some(at) = next.filter(|_| waiting || pair > 0 || launch_first) {
            self.wake_group(name, at);
        }
    }

    /// Gives a freshly launched stand-in to the unhealthy instance that waits for one.
    pub(crate) fn pair(&mut self, name: &str, id: &str) {
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let waiting = self.members(g).iter().find(|i| i.replaced_by.as_deref() == Some("")).map(|i| i.id.clone());
        if let Some(i) = waiting.and_then(|w| self.instances.get_mut(&w)) {
            i.replaced_by = Some(id.to_owned());
        }
    }
}
