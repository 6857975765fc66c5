//! One instance's way from launch to termination (aws-reference 4.1).
//!
//! **Invariant:** an instance is registered before it is InService, and leaves its target groups, drain included, before
//! EC2 shuts it down. InService never waits for the application.

use super::{
    World,
    hooks::{LAUNCHING, TERMINATING},
    instance::{Ec2State, Lifecycle},
};

impl World {
    pub(crate) fn step_instance(&mut self, id: &str) {
        let now = self.now;
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        let mut started = false;
        if i.ec2 == Ec2State::Pending && now >= i.running_at {
            i.ec2 = Ec2State::Running;
            started = i.lifecycle != Lifecycle::Pending;
        }
        if i.ec2 == Ec2State::Stopping && i.stopped_at.is_some_and(|t| now >= t) {
            i.ec2 = Ec2State::Stopped;
        }
        let boot = i.ec2 == Ec2State::Running && !i.booted && now >= i.pull_at;
        if boot {
            self.boot(id);
        }
        if started {
            self.poke_targets(id);
        }
        self.step_shutdown(id);
        let Some(i) = self.instances.get(id) else {
            return;
        };
        match i.lifecycle {
            Lifecycle::Pending if i.ec2 == Ec2State::Running && now >= i.ready_at => self.ready(id),
            Lifecycle::PendingProceed if now >= i.ready_at => self.enter_service(id),
            Lifecycle::PendingWait | Lifecycle::TerminatingWait => self.step_hooks(id),
            Lifecycle::Terminating | Lifecycle::EnteringStandby | Lifecycle::Detaching if self.registrations(id).is_empty() => self.drained(id),
            _ => {}
        }
        self.plan_instance(id);
    }

    fn step_shutdown(&mut self, id: &str) {
        let now = self.now;
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        if i.ec2 == Ec2State::ShuttingDown && i.terminated_at.is_some_and(|t| now >= t) {
            i.ec2 = Ec2State::Terminated;
            let leaving = i.lifecycle.is_leaving() && i.lifecycle != Lifecycle::Detached;
            let (group, activity) = (i.group.clone(), i.activity.clone());
            if leaving {
                i.lifecycle = Lifecycle::Terminated;
                self.set_activity(&group, &activity, "Successful", 100, None);
                self.leave_group(id);
            }
            self.wake_group(&group, now);
        }
        let visible = self.params.terminated_visible * 1000;
        let gone = self.instances.get(id).is_some_and(|i| {
            let over = matches!(i.lifecycle, Lifecycle::Terminated | Lifecycle::Detached);
            i.ec2 == Ec2State::Terminated && over && i.terminated_at.is_some_and(|t| now >= t + visible)
        });
        if gone {
            self.instances.remove(id);
        }
    }

    /// Asks to be woken at the next time something is due.
    fn plan_instance(&mut self, id: &str) {
        let now = self.now;
        let visible = self.params.terminated_visible * 1000;
        let Some(i) = self.instances.get(id) else {
            return;
        };
        let mut times = vec![i.running_at, i.pull_at, i.ready_at];
        times.extend(i.stopped_at);
        times.extend(i.waits.iter().map(|w| w.deadline.min(w.last)));
        times.extend(i.terminated_at.map(|t| if i.ec2 == Ec2State::Terminated { t + visible } else { t }));
        times.extend(i.app.as_ref().and_then(|a| a.dies_at));
        if let Some(at) = times.into_iter().filter(|t| *t > now).min() {
            self.wake_instance(id, at);
        }
    }

    /// EC2 is up: hooks first, if there are any, then service.
    fn ready(&mut self, id: &str) {
        if !self.hold(id, LAUNCHING) {
            self.enter_service(id);
        }
    }

    /// Registers the instance and takes it into service; grace and warmup start here.
    pub(crate) fn enter_service(&mut self, id: &str) {
        let now = self.now;
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        i.lifecycle = Lifecycle::InService;
        i.in_service_at = Some(now);
        i.waits.clear();
        let (group, activity) = (i.group.clone(), i.activity.clone());
        let arns = match self.groups.get(&group) {
            Some(g) if !g.is_suspended("AddToLoadBalancer") => g.target_groups.clone(),
            _ => Vec::new(),
        };
        for arn in arns {
            self.register(&arn, id);
        }
        self.set_activity(&group, &activity, "Successful", 100, None);
        self.start_cooldown(&group, &activity);
        self.wake_group(&group, now);
    }

    /// Starts taking an instance out: deregister and drain, hook, EC2 (aws-reference 4.1). Returns the activity's id.
    pub(crate) fn take_out(&mut self, id: &str, cause: &str) -> Option<String> {
        let i = self.instances.get(id)?;
        if i.lifecycle.is_leaving() {
            return Some(i.activity.clone());
        }
        let (group, az, waiting) = (i.group.clone(), i.az.clone(), i.lifecycle.is_pending());
        let launch = i.activity.clone();
        if waiting {
            self.set_activity(&group, &launch, "Cancelled", 100, None);
        }
        let activity = self.open_activity(&group, format!("Terminating EC2 instance: {id}"), cause.to_owned(), "InProgress", &az);
        let i = self.instances.get_mut(id)?;
        i.lifecycle = Lifecycle::Terminating;
        i.waits.clear();
        i.activity.clone_from(&activity);
        let registered = self.registrations(id);
        let drains = !registered.is_empty();
        for arn in registered {
            self.deregister(&arn, id);
        }
        if drains {
            self.set_activity(&group, &activity, "WaitingForELBConnectionDraining", 50, None);
        }
        self.wake_instance(id, self.now);
        Some(activity)
    }

    /// Puts an instance on standby, draining first.
    pub(crate) fn enter_standby(&mut self, id: &str) {
        if let Some(i) = self.instances.get_mut(id) {
            i.lifecycle = Lifecycle::EnteringStandby;
        }
        for arn in self.registrations(id) {
            self.deregister(&arn, id);
        }
        self.wake_instance(id, self.now);
    }

    /// Out of every target group: on to the hook, EC2 or standby.
    fn drained(&mut self, id: &str) {
        let now = self.now;
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        let (group, activity) = (i.group.clone(), i.activity.clone());
        if i.lifecycle == Lifecycle::EnteringStandby {
            i.lifecycle = Lifecycle::Standby;
            self.set_activity(&group, &activity, "Successful", 100, None);
            self.wake_group(&group, now);
            return;
        }
        if i.lifecycle == Lifecycle::Detaching {
            self.set_activity(&group, &activity, "Successful", 100, None);
            self.detached(id);
            return;
        }
        if !self.hold(id, TERMINATING) {
            self.shut_down(id);
        }
        self.wake_group(&group, now);
    }

    /// The cooldown of a group starts with the end of a launch, or with the end of a drain (aws-reference 4.4).
    fn start_cooldown(&mut self, group: &str, activity: &str) {
        let now = self.now;
        if let Some(g) = self.groups.get_mut(group) {
            g.cooldown_from = Some((now, activity.to_owned(), g.cooldown_own));
        }
    }

    /// Drained and let go by its hooks: on to EC2.
    pub(super) fn shut_down(&mut self, id: &str) {
        let Some(i) = self.instances.get(id) else {
            return;
        };
        let (group, activity) = (i.group.clone(), i.activity.clone());
        self.start_cooldown(&group, &activity);
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        i.lifecycle = Lifecycle::TerminatingProceed;
        if i.ec2 == Ec2State::Terminated {
            i.lifecycle = Lifecycle::Terminated;
            let activity = i.activity.clone();
            self.set_activity(&group, &activity, "Successful", 100, None);
            self.leave_group(id);
        } else {
            self.ec2_terminate(id, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown");
            if self.params.leaves_group_at_shutdown {
                self.leave_group(id);
            }
        }
        self.wake_group(&group, self.now);
    }

    /// EC2 starts shutting the instance down.
    pub(crate) fn ec2_terminate(&mut self, id: &str, code: &str, text: &str) {
        let delay = self.params.shutdown.draw(self.seed, "shutdown", id);
        let now = self.now;
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        if matches!(i.ec2, Ec2State::ShuttingDown | Ec2State::Terminated) {
            return;
        }
        i.ec2 = Ec2State::ShuttingDown;
        i.shutdown_at = Some(now);
        i.terminated_at = Some(now + delay);
        i.state_reason = Some((code.to_owned(), text.to_owned()));
        self.wake_instance(id, now + delay);
        self.poke_targets(id);
    }

    pub(super) fn leave_group(&mut self, id: &str) {
        let Some(group) = self.instances.get(id).map(|i| i.group.clone()) else {
            return;
        };
        if let Some(g) = self.groups.get_mut(&group) {
            g.members.retain(|m| m != id);
        }
    }
}
