//! Attaching and detaching: target groups of a group, instances of a group (aws-reference 3, 4.1).
//!
//! **Invariant:** a target group is `Adding` until every serving instance is registered with it, `Added` until one has
//! passed a check, then `InService`; a detached one is `Removing` as long as an instance drains there.

use super::{
    World,
    group::Group,
    instance::{Ec2State, Lifecycle},
};

impl World {
    /// State of an attachment as the describing operations show it.
    pub(crate) fn attachment(&self, g: &Group, arn: &str) -> &'static str {
        if g.detaching.contains(arn) {
            "Removing"
        } else if g.attaching.contains_key(arn) {
            "Adding"
        } else if g.attached.contains(arn) {
            "InService"
        } else {
            "Added"
        }
    }

    /// Attaches target groups; the instances are registered a little later.
    pub(crate) fn attach_target_groups(&mut self, name: &str, arns: &[String]) {
        let now = self.now;
        for arn in arns {
            let at = now + self.params.attach.draw(self.seed, "attach", &format!("{name}/{arn}/{now}"));
            let Some(g) = self.groups.get_mut(name).filter(|g| !g.target_groups.contains(arn)) else {
                continue;
            };
            g.detaching.remove(arn);
            g.target_groups.push(arn.clone());
            g.attaching.insert(arn.clone(), at);
            self.wake_group(name, at);
        }
    }

    /// Detaches target groups; the instances stay and drain there.
    pub(crate) fn detach_target_groups(&mut self, name: &str, arns: &[String]) {
        for arn in arns {
            let Some(g) = self.groups.get_mut(name) else {
                return;
            };
            g.target_groups.retain(|a| a != arn);
            g.attached.remove(arn);
            g.attaching.remove(arn);
            g.detaching.insert(arn.clone());
            for id in g.members.clone() {
                self.deregister(arn, &id);
            }
        }
        self.wake_group(name, self.now);
    }

    pub(super) fn step_attachments(&mut self, name: &str) {
        let now = self.now;
        let Some(g) = self.groups.get(name).filter(|g| !g.attaching.is_empty() || !g.detaching.is_empty()) else {
            return;
        };
        let due: Vec<String> = g.attaching.iter().filter(|(_, at)| **at <= now).map(|(arn, _)| arn.clone()).collect();
        let next = g.attaching.values().copied().filter(|at| *at > now).min();
        let held = g.is_suspended("AddToLoadBalancer");
        let serving: Vec<String> = self.members(g).into_iter().filter(|i| i.lifecycle == Lifecycle::InService).map(|i| i.id.clone()).collect();
        let members = g.members.clone();
        for arn in due.iter().filter(|_| !held) {
            for id in &serving {
                if self.target_groups.get(arn).is_some_and(|t| !t.targets.contains_key(id)) {
                    self.register(arn, id);
                }
            }
            if let Some(g) = self.groups.get_mut(name) {
                g.attaching.remove(arn);
            }
        }
        if let Some(at) = next {
            self.wake_group(name, at);
        }
        let empty = |arn: &String| self.target_groups.get(arn).is_none_or(|t| !members.iter().any(|id| t.targets.contains_key(id)));
        let done: Vec<String> = self.groups.get(name).into_iter().flat_map(|g| g.detaching.iter().filter(|a| empty(a))).cloned().collect();
        if let Some(g) = self.groups.get_mut(name) {
            g.detaching.retain(|arn| !done.contains(arn));
        }
        // With the last drain over the attachment is gone.
        let drains = self.groups.get(name).into_iter().flat_map(|g| &g.detaching).filter_map(|arn| self.target_groups.get(arn));
        let last = drains.flat_map(|t| t.targets.values()).filter_map(|t| t.drain_until).filter(|until| *until > now).max();
        if let Some(at) = last {
            self.wake_group(name, at);
        }
    }

    /// Starts detaching an instance: it drains and goes on running. No terminate hook holds it.
    pub(crate) fn detach(&mut self, id: &str, activity: &str) {
        if let Some(i) = self.instances.get_mut(id) {
            i.lifecycle = Lifecycle::Detaching;
            i.waits.clear();
            activity.clone_into(&mut i.activity);
        }
        for arn in self.registrations(id) {
            self.deregister(&arn, id);
        }
        self.wake_instance(id, self.now);
    }

    /// Drained: it belongs to no group from now on.
    pub(super) fn detached(&mut self, id: &str) {
        self.leave_group(id);
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        let group = std::mem::take(&mut i.group);
        i.lifecycle = Lifecycle::Detached;
        i.unhealthy = false;
        i.generation = None;
        i.tags.retain(|(key, _)| key != "aws:autoscaling:groupName");
        self.wake_group(&group, self.now);
    }

    /// Takes a running instance into a group: on to the launch hooks and service.
    pub(crate) fn attach(&mut self, name: &str, id: &str, activity: &str) {
        let now = self.now;
        let ready = now + self.params.running_to_in_service.draw(self.seed, "attach", &format!("{id}/{now}"));
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let protected = g.protect_new;
        g.members.push(id.to_owned());
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        name.clone_into(&mut i.group);
        activity.clone_into(&mut i.activity);
        i.lifecycle = Lifecycle::Pending;
        i.protected = protected;
        i.in_service_at = None;
        i.ready_at = ready;
        i.replaces_unhealthy = false;
        i.replaced_by = None;
        i.refreshed_out = false;
        i.tags.push(("aws:autoscaling:groupName".into(), name.to_owned()));
        i.tags.sort();
        self.wake_instance(id, ready);
    }

    /// Deletes a group with all its instances, without waiting for drains or hooks; it is listed until they are gone.
    pub(crate) fn force_delete(&mut self, name: &str) {
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let from = g.desired;
        g.deleting = true;
        (g.min, g.max, g.desired) = (0, 0, 0);
        g.owed.clear();
        let members = g.members.clone();
        let cause = format!("a user request force deleted AutoScalingGroup changing the desired capacity from {from} to 0.");
        for id in members {
            // An instance that EC2 has taken down does not drain.
            self.ec2_terminate(&id, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown");
            self.take_out(&id, &cause);
            self.shut_down(&id);
        }
        self.wake_group(name, self.now);
    }

    /// Removes a group that nothing belongs to any more, with its policies' own alarms; `true` while it is being deleted.
    pub(super) fn step_deletion(&mut self, name: &str) -> bool {
        match self.groups.get(name) {
            Some(g) if g.deleting => {
                // In some worlds an instance leaves the list when it shuts down; the group is there until it has ended.
                let ending = self.instances.values().any(|i| i.group == name && i.lifecycle.is_leaving() && i.ec2 != Ec2State::Terminated);
                if g.members.is_empty() && !ending {
                    self.remove_group(name);
                }
                true
            }
            _ => false,
        }
    }

    /// Takes a group off the books.
    pub(crate) fn remove_group(&mut self, name: &str) {
        let policies: Vec<String> = self.groups.get(name).into_iter().flat_map(|g| g.policies.iter().map(|p| p.name.clone())).collect();
        for policy in policies {
            self.remove_policy(name, &policy);
        }
        self.groups.remove(name);
    }
}
