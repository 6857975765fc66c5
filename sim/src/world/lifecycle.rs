//! One instance's way from launch to termination (aws-reference 4.1).
//!
//! **Invariant:** an instance is registered before it is InService, and leaves its target groups, drain included, before
//! EC2 shuts it down. InService never waits for the application.

use super::{
    World,
    instance::{Ec2State, Lifecycle},
};

const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

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
            Lifecycle::PendingWait | Lifecycle::TerminatingWait if i.hook_deadline.is_some_and(|d| now >= d) => {
                let transition = if i.lifecycle == Lifecycle::PendingWait { LAUNCHING } else { TERMINATING };
                let result =
                    self.groups.get(&i.group).and_then(|g| g.hook(transition)).map_or_else(|| "ABANDON".to_owned(), |h| h.default_result.clone());
                self.complete_hook(id, result == "CONTINUE");
            }
            Lifecycle::Terminating | Lifecycle::EnteringStandby if self.registrations(id).is_empty() => self.drained(id),
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
            let (group, activity, leaving) = (i.group.clone(), i.activity.clone(), i.lifecycle.is_leaving());
            if leaving {
                i.lifecycle = Lifecycle::Terminated;
                self.set_activity(&group, &activity, "Successful", 100, None);
                self.leave_group(id);
            }
            self.wake_group(&group, now);
        }
        let visible = self.params.terminated_visible * 1000;
        let gone = self.instances.get(id).is_some_and(|i| {
            i.ec2 == Ec2State::Terminated && i.lifecycle == Lifecycle::Terminated && i.terminated_at.is_some_and(|t| now >= t + visible)
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
        times.extend(i.hook_deadline);
        times.extend(i.stopped_at);
        times.extend(i.terminated_at.map(|t| if i.ec2 == Ec2State::Terminated { t + visible } else { t }));
        times.extend(i.app.as_ref().and_then(|a| a.dies_at));
        if let Some(at) = times.into_iter().filter(|t| *t > now).min() {
            self.wake_instance(id, at);
        }
    }

    /// EC2 is up: hook first, if there is one, then service.
    fn ready(&mut self, id: &str) {
        let now = self.now;
        let Some(group) = self.instances.get(id).map(|i| i.group.clone()) else {
            return;
        };
        let heartbeat = self.groups.get(&group).and_then(|g| g.hook(LAUNCHING)).map(|h| h.heartbeat);
        match heartbeat {
            Some(seconds) => {
                let token = self.new_uuid("hook");
                let Some(i) = self.instances.get_mut(id) else {
                    return;
                };
                i.lifecycle = Lifecycle::PendingWait;
                i.hook_deadline = Some(now + seconds * 1000);
                i.hook_token = Some(token);
                let activity = i.activity.clone();
                self.set_activity(&group, &activity, "MidLifecycleAction", 60, None);
            }
            None => self.enter_service(id),
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
        i.hook_deadline = None;
        i.hook_token = None;
        let (group, activity) = (i.group.clone(), i.activity.clone());
        let arns = match self.groups.get(&group) {
            Some(g) if !g.is_suspended("AddToLoadBalancer") => g.target_groups.clone(),
            _ => Vec::new(),
        };
        for arn in arns {
            self.register(&arn, id);
        }
        self.set_activity(&group, &activity, "Successful", 100, None);
        self.wake_group(&group, now);
    }

    /// Ends the wait of a lifecycle hook.
    pub(crate) fn complete_hook(&mut self, id: &str, proceed: bool) {
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        i.hook_deadline = None;
        i.hook_token = None;
        let (group, activity, lifecycle) = (i.group.clone(), i.activity.clone(), i.lifecycle);
        match lifecycle {
            Lifecycle::PendingWait if proceed => self.enter_service(id),
            Lifecycle::PendingWait => {
                let message =
                    "Instance failed to complete user's Lifecycle Action: Lifecycle Action was abandoned: Lifecycle hook timed out or was abandoned"
                        .to_owned();
                self.set_activity(&group, &activity, "Cancelled", 100, Some(message));
                self.take_out(id, "an instance was taken out of service in response to a lifecycle action being abandoned.");
                if let Some(g) = self.groups.get_mut(&group) {
                    g.owed.push(super::group::Why::Unhealthy);
                }
                self.wake_group(&group, self.now);
            }
            Lifecycle::TerminatingWait => self.shut_down(id),
            _ => {}
        }
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
        i.hook_deadline = None;
        i.activity = activity.clone();
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
        let heartbeat = self.groups.get(&group).and_then(|g| g.hook(TERMINATING)).map(|h| h.heartbeat);
        let running = self.instances.get(id).is_some_and(|i| i.ec2 == Ec2State::Running);
        match heartbeat {
            Some(seconds) if running => {
                let token = self.new_uuid("hook");
                let Some(i) = self.instances.get_mut(id) else {
                    return;
                };
                i.lifecycle = Lifecycle::TerminatingWait;
                i.hook_deadline = Some(now + seconds * 1000);
                i.hook_token = Some(token);
                self.set_activity(&group, &activity, "MidLifecycleAction", 60, None);
            }
            _ => self.shut_down(id),
        }
        self.wake_group(&group, now);
    }

    fn shut_down(&mut self, id: &str) {
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        i.lifecycle = Lifecycle::TerminatingProceed;
        let group = i.group.clone();
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

    fn leave_group(&mut self, id: &str) {
        let Some(group) = self.instances.get(id).map(|i| i.group.clone()) else {
            return;
        };
        if let Some(g) = self.groups.get_mut(&group) {
            g.members.retain(|m| m != id);
        }
    }
}
