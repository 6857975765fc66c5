//! Stopping, starting and rebooting instances, and when EC2 lets a new thing be seen (aws-reference 2.3, 7.3).
//!
//! **Invariant:** user data runs at the first boot only; afterwards the container comes back by itself. What the group
//! thinks of a stopped instance is decided in `health.rs`, what the load balancer thinks in `target.rs`.

use super::{World, images::Behaviour, instance::Ec2State};

impl World {
    /// Whether reads by id see a thing made then.
    pub(crate) fn visible(&self, id: &str, created: i64) -> bool {
        self.now >= created + self.params.ec2_visible.draw(self.seed, "visible", id)
    }

    fn wake_owner(&mut self, id: &str) {
        self.poke_targets(id);
        if let Some(group) = self.instances.get(id).map(|i| i.group.clone()) {
            self.wake_group(&group, self.now);
        }
    }

    /// EC2 shuts the instance down at the user's word.
    pub(crate) fn ec2_terminate_by_user(&mut self, id: &str) {
        self.ec2_terminate(id, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown");
        self.wake_owner(id);
    }

    /// A running instance stops.
    pub(crate) fn ec2_stop(&mut self, id: &str) {
        let now = self.now;
        let until = now + self.params.stopping.draw(self.seed, "stopping", &format!("{id}/{now}"));
        let Some(i) = self.instances.get_mut(id).filter(|i| i.ec2 == Ec2State::Running) else {
            return;
        };
        i.ec2 = Ec2State::Stopping;
        (i.stopping_at, i.stopped_at) = (Some(now), Some(until));
        i.state_reason = Some(("Client.UserInitiatedShutdown".into(), "Client.UserInitiatedShutdown: User initiated shutdown".into()));
        self.wake_instance(id, until);
        self.wake_owner(id);
    }

    /// A stopped instance starts again.
    pub(crate) fn ec2_start(&mut self, id: &str) {
        let now = self.now;
        let key = format!("{id}/{now}");
        let running_at = now + self.params.pending_to_running.draw(self.seed, "running", &key);
        let checks = self.params.status_checks.draw(self.seed, "checks", &key);
        let boot = self.params.boot.draw(self.seed, "boot", &key);
        let Some(i) = self.instances.get_mut(id).filter(|i| i.ec2 == Ec2State::Stopped) else {
            return;
        };
        i.ec2 = Ec2State::Pending;
        (i.stopping_at, i.stopped_at, i.state_reason) = (None, None, None);
        (i.started_at, i.running_at, i.checks_ok_at) = (Some(now), running_at, running_at + checks);
        if !i.booted {
            i.pull_at = running_at + boot * 7 / 10;
        }
        self.restart_application(id, running_at);
        self.wake_instance(id, running_at);
        self.wake_owner(id);
    }

    /// A running instance reboots: it stays `running`, its application is away for a while.
    pub(crate) fn ec2_reboot(&mut self, id: &str) {
        if self.instances.get(id).is_some_and(|i| i.ec2 == Ec2State::Running) {
            self.restart_application(id, self.now);
            self.wake_owner(id);
        }
    }

    fn restart_application(&mut self, id: &str, from: i64) {
        let listens_at = from + self.params.restart.draw(self.seed, "restart", &format!("{id}/{from}"));
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        i.console.push((from, "systemd[1]: Starting docker.service - Docker Application Container Engine...".into()));
        if let Some(app) = &mut i.app {
            app.listens_at = listens_at;
            app.dies_at = match app.behaviour {
                Behaviour::CrashAfter(seconds) => Some(listens_at + seconds * 1000),
                _ => None,
            };
            i.console.push((listens_at, "docker: app: listening on 0.0.0.0:3000".into()));
        }
    }
}
