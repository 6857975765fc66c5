//! AZRebalance: evening out the zones (aws-reference 4.7).
//!
//! **Invariant:** launches before it takes out, never more than max(10 %, 1) above Max; one round at a time, and none
//! while a refresh works or the process is suspended.

use super::{
    World,
    group::{Group, Why},
    instance::Lifecycle,
};

impl World {
    /// Starts, watches and ends a round.
    pub(super) fn step_balance(&mut self, name: &str) {
        let now = self.now;
        let Some(g) = self.groups.get(name) else {
            return;
        };
        let off = ["AZRebalance", "Launch"].iter().any(|p| g.is_suspended(p)) || g.active_refresh().is_some();
        let active = self.active_count(name);
        let pending = self.members(g).iter().any(|i| i.lifecycle.is_pending());
        let (desired, balancing, due) = (g.desired, g.balancing, g.rebalance_at);
        if balancing > 0 {
            // The new ones serve: what is above desired goes, from the fullest zone.
            if off || (!pending && active >= desired + balancing) {
                self.end_balance(name);
            }
            return;
        }
        let moves = if off || active != desired || pending { 0 } else { self.moves(g) };
        if moves == 0 {
            if let Some(g) = self.groups.get_mut(name) {
                g.rebalance_at = None;
            }
            return;
        }
        let at = due.unwrap_or_else(|| now + self.params.rebalance.draw(self.seed, "rebalance", &format!("{name}/{now}")));
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        g.rebalance_at = Some(at);
        if now < at {
            self.wake_group(name, at);
            return;
        }
        g.rebalance_at = None;
        let count = moves.min(g.max + (g.max / 10).max(1) - active).max(0);
        g.balancing = count;
        g.owed.extend((0..count).map(|_| Why::Balance));
        self.wake_group(name, now);
    }

    /// A round is over, done or not.
    pub(super) fn end_balance(&mut self, name: &str) {
        let now = self.now;
        if let Some(g) = self.groups.get_mut(name) {
            g.balancing = 0;
            g.owed.retain(|w| *w != Why::Balance);
            g.rebalance_at = None;
        }
        self.wake_group(name, now);
    }

    /// How many instances stand in a zone that has too many, as far as they may be taken out.
    fn moves(&self, g: &Group) -> i64 {
        let zones = self.zones(g);
        if zones.is_empty() {
            return 0;
        }
        let serving: Vec<_> = self.members(g).into_iter().filter(|i| i.lifecycle == Lifecycle::InService).collect();
        let (total, of) = (serving.len() as i64, zones.len() as i64);
        let (most, least) = ((total + of - 1) / of, total / of);
        let (mut above, mut below, mut movable) = (0, 0, 0);
        for (zone, _) in &zones {
            let here: Vec<_> = serving.iter().filter(|i| i.az == *zone).collect();
            let excess = (here.len() as i64 - least).max(0);
            above += (here.len() as i64 - most).max(0);
            below += (least - here.len() as i64).max(0);
            movable += excess.min(here.iter().filter(|i| !i.protected).count() as i64);
        }
        // Instances in a zone that the group has left.
        let outside = serving.iter().filter(|i| !zones.iter().any(|(zone, _)| *zone == i.az));
        let (there, free) = outside.fold((0, 0), |(n, free), i| (n + 1, free + i64::from(!i.protected)));
        (above + there).max(below).min(movable + free)
    }
}
