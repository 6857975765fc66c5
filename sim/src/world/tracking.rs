//! What an alarm's action does to an Auto Scaling group.
//!
//! **Invariant:** an action whose ARN names nothing here has no effect.

use super::World;

impl World {
    /// Carries out one action of an alarm: on every change into its state, and at each evaluation while in ALARM.
    pub(crate) fn alarm_action(&mut self, _action_arn: &str, _alarm: &str) {}
}
