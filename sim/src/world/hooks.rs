//! Lifecycle hooks that hold an instance (aws-reference 3, 4.1).
//!
//! **Invariant:** every hook of a transition holds the instance on its own clock; a heartbeat moves that clock on, never
//! past the hook's global timeout, and a hook that times out takes its default result.

use serde::{Deserialize, Serialize};

use super::{
    World,
    instance::{Ec2State, Lifecycle},
};

/// Before an instance goes into service.
pub(crate) const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
/// Before EC2 terminates it.
pub(crate) const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

/// One hook an instance waits for. Times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wait {
    pub(crate) hook: String,
    pub(crate) token: String,
    /// Between heartbeats.
    pub(crate) heartbeat: i64,
    pub(crate) deadline: i64,
    /// Global timeout: 48 hours or 100 heartbeats, whichever is less.
    pub(crate) last: i64,
    pub(crate) default_result: String,
}

impl World {
    /// Holds the instance for the hooks of a transition; `false` when there are none.
    pub(super) fn hold(&mut self, id: &str, transition: &str) -> bool {
        let now = self.now;
        let Some(i) = self.instances.get(id) else {
            return false;
        };
        let (group, activity) = (i.group.clone(), i.activity.clone());
        let hooks: Vec<_> =
            self.groups.get(&group).into_iter().flat_map(|g| g.hooks.iter().filter(|h| h.transition == transition)).cloned().collect();
        if hooks.is_empty() || (transition == TERMINATING && i.ec2 != Ec2State::Running) {
            return false;
        }
        let waits = hooks.into_iter().map(|h| {
            let heartbeat = h.heartbeat * 1000;
            let last = now + (heartbeat * 100).min(172_800_000);
            Wait { token: self.new_uuid("hook"), hook: h.name, heartbeat, deadline: now + heartbeat, last, default_result: h.default_result }
        });
        let waits: Vec<Wait> = waits.collect();
        if let Some(i) = self.instances.get_mut(id) {
            i.lifecycle = if transition == LAUNCHING { Lifecycle::PendingWait } else { Lifecycle::TerminatingWait };
            i.waits = waits;
        }
        self.set_activity(&group, &activity, "MidLifecycleAction", 60, None);
        true
    }

    /// Ends what has run out.
    pub(super) fn step_hooks(&mut self, id: &str) {
        let now = self.now;
        let due = |w: &World| w.instances.get(id).and_then(|i| i.waits.iter().find(|w| now >= w.deadline.min(w.last)).cloned());
        while let Some(wait) = due(self) {
            self.complete_hook(id, &wait.hook, wait.default_result == "CONTINUE", "Heartbeat Timeout");
        }
    }

    /// A heartbeat: the hook's clock starts again.
    pub(crate) fn beat_hook(&mut self, id: &str, hook: &str) {
        let now = self.now;
        let Some(wait) = self.instances.get_mut(id).and_then(|i| i.waits.iter_mut().find(|w| w.hook == hook)) else {
            return;
        };
        wait.deadline = (now + wait.heartbeat).min(wait.last);
        let at = wait.deadline;
        self.wake_instance(id, at);
    }

    /// Ends the wait for one hook. Abandoning ends the others with it; when terminating both results do the same.
    pub(crate) fn complete_hook(&mut self, id: &str, hook: &str, proceed: bool, how: &str) {
        let now = self.now;
        let delay = self.params.hook_proceed.draw(self.seed, "hook_proceed", id);
        let Some(i) = self.instances.get_mut(id) else {
            return;
        };
        let Some(at) = i.waits.iter().position(|w| w.hook == hook) else {
            return;
        };
        let token = i.waits.remove(at).token;
        if !proceed {
            i.waits.clear();
        }
        if !i.waits.is_empty() {
            return;
        }
        let (group, activity) = (i.group.clone(), i.activity.clone());
        match i.lifecycle {
            Lifecycle::PendingWait if proceed => {
                i.lifecycle = Lifecycle::PendingProceed;
                i.ready_at = now + delay;
                self.wake_instance(id, now + delay);
            }
            Lifecycle::PendingWait => {
                let message =
                    format!("Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {how}");
                self.set_activity(&group, &activity, "Cancelled", 100, Some(message));
                self.take_out(id, "an instance was taken out of service in response to a launch lifecycle action being abandoned.");
                self.launch_failed(&group);
            }
            Lifecycle::TerminatingWait => self.shut_down(id),
            _ => {}
        }
    }
}
