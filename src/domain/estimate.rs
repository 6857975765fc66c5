//! How long a rollout will take, from what was measured here and from how it is to be run.
//!
//! **Invariant:** pure, and no promise: each estimate says what it comes from.

use super::strategy::Preferences;

/// A rollout that succeeded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Instances that it replaced.
    pub instances: i32,
    /// How it was run.
    pub preferences: Preferences,
    /// Seconds from its begin to the proof of its end.
    pub seconds: i64,
}

/// What an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// So many rollouts that were measured here.
    Measured(usize),
    /// None was measured yet.
    Assumed,
}

/// How long it will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Whole minutes, at least one.
    pub minutes: i64,
    /// Batches of instances, one after the other.
    pub batches: i32,
    /// Seconds that each batch must be in service before it counts: the warmup, or a boot where that is longer.
    pub wait_seconds: i32,
    /// Seconds of pauses at checkpoints, and of the bake at the end.
    pub pause_seconds: i64,
    /// What the rest is taken from.
    pub basis: Basis,
}

/// Seconds for AWS to launch, register, drain and terminate a batch, where nothing was measured.
pub const ASSUMED_SECONDS: i64 = 120;

/// Batches in which AWS replaces `instances`: what may be launched above the wanted number and taken out below it at a time, and at
/// least one for each checkpoint (aws-reference 5.2, 5.3).
pub fn batches(instances: i32, p: &Preferences) -> i32 {
    if instances <= 0 {
        return 0;
    }
    let above = (instances * p.max_healthy + 99) / 100 - instances;
    let below = instances - (instances * p.min_healthy + 99) / 100;
    let size = (above + below).max(1);
    let checkpoints = i32::try_from(p.checkpoints.len()).unwrap_or(1);
    ((instances + size - 1) / size).max(checkpoints.min(instances))
}

/// Estimates. `boot_p95`: seconds in which nineteen of twenty boots were done here. `past`: newest first.
pub fn estimate(instances: i32, p: &Preferences, boot_p95: Option<i32>, past: &[Measured]) -> Estimate {
    let wait = |p: &Preferences| p.warmup_seconds.max(boot_p95.unwrap_or(0));
    let pauses = |p: &Preferences| {
        let checkpoints = i64::try_from(p.checkpoints.iter().filter(|c| **c < 100).count()).unwrap_or(0);
        i64::from(p.bake_seconds) + checkpoints * i64::from(p.checkpoint_delay_seconds)
    };
    let set = |n: i32, p: &Preferences| i64::from(batches(n, p)) * i64::from(wait(p)) + pauses(p);
    // What is left of each measured one when the set times are taken off is what AWS and the machines took, a batch.
    let mut rest: Vec<i64> = past
        .iter()
        .filter(|m| m.instances > 0)
        .map(|m| (m.seconds - set(m.instances, &m.preferences)).max(0) / i64::from(batches(m.instances, &m.preferences)))
        .collect();
    rest.sort_unstable();
    let (each, basis) = match rest.get(rest.len() / 2) {
        Some(median) => (*median, Basis::Measured(rest.len())),
        None => (ASSUMED_SECONDS, Basis::Assumed),
    };
    let n = batches(instances, p);
    let seconds = set(instances, p) + i64::from(n) * each;
    Estimate { minutes: (seconds + 30).div_euclid(60).max(1), batches: n, wait_seconds: wait(p), pause_seconds: pauses(p), basis }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::strategy::{OnHold, OnStandby};

    fn prefs(min_healthy: i32, max_healthy: i32, warmup_seconds: i32) -> Preferences {
        Preferences {
            min_healthy,
            max_healthy,
            warmup_seconds,
            skip_matching: true,
            auto_rollback: false,
            protected: OnHold::Wait,
            standby: OnStandby::Wait,
            bake_seconds: 0,
            checkpoints: vec![],
            checkpoint_delay_seconds: 0,
            alarms: vec![],
            suspend: vec![],
        }
    }

    #[test]
    fn batches_follow_the_two_percentages() {
        for (n, min, max, wanted) in
            [(10, 100, 200, 1), (10, 90, 100, 10), (10, 50, 100, 2), (10, 90, 110, 5), (3, 100, 100, 3), (10, 100, 110, 10), (0, 100, 200, 0)]
        {
            assert_eq!(batches(n, &prefs(min, max, 60)), wanted, "{n} at {min}/{max}");
        }
        let careful = Preferences { checkpoints: vec![20, 50, 100], ..prefs(100, 200, 60) };
        assert_eq!((batches(10, &careful), batches(2, &careful)), (3, 2));
    }

    #[test]
    fn without_a_measure_it_is_assumed_and_says_so() {
        let e = estimate(10, &prefs(100, 200, 180), None, &[]);
        assert_eq!((e.minutes, e.batches, e.basis), (5, 1, Basis::Assumed));
        let bakes = Preferences { bake_seconds: 600, checkpoints: vec![50, 100], checkpoint_delay_seconds: 300, ..prefs(100, 200, 180) };
        let e = estimate(10, &bakes, None, &[]);
        assert_eq!((e.minutes, e.pause_seconds), (2 * (3 + 2) + 10 + 5, 900));
    }

    #[test]
    fn what_was_measured_takes_the_place_of_the_assumption() {
        let past = |seconds: i64| Measured { instances: 10, preferences: prefs(100, 200, 180), seconds };
        // 200, 300 and 700 seconds beside the warmup: the middle one counts, so that one bad night does not.
        let e = estimate(10, &prefs(100, 200, 180), None, &[past(380), past(880), past(480)]);
        assert_eq!((e.minutes, e.basis), (8, Basis::Measured(3)));
        // Another strategy is scaled by its batches.
        assert_eq!(estimate(10, &prefs(50, 100, 180), None, &[past(480)]).minutes, 2 * 8);
        // A boot that is longer than the warmup is what is waited for.
        assert_eq!(estimate(10, &prefs(100, 200, 60), Some(300), &[]).wait_seconds, 300);
        assert_eq!(estimate(1, &prefs(100, 200, 0), None, &[past(100)]).minutes, 1, "never none");
    }
}
