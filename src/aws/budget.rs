//! How many calls one account and region may get from us: a token bucket on the cloud clock, shared by everything that
//! talks to that place.
//!
//! **Invariant:** pure and synchronous; the time is handed in. An act is never held back; reads leave it a reserve.

use crate::domain::observation::Millis;

/// How long a throttled answer slows a place down, in milliseconds; also the step of the recovery.
const SLOW_FOR: Millis = 60_000;
/// Throttled answers this close together (milliseconds) are one event: several calls were under way.
const SAME_EVENT: Millis = 1_000;
/// The rate is halved at most this often (to a thirty-second).
const MOST_HALVINGS: u32 = 5;

/// The size of the bucket of one place (role and region).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Calls per second of cloud time, on average.
    pub per_second: f64,
    /// Calls that may be made at once after a pause.
    pub burst: f64,
    /// Tokens that reads leave for acts.
    pub reserve: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { per_second: 2.0, burst: 10.0, reserve: 4.0 }
    }
}

/// How much a call matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A mutating call, or a read that one waits for: never waits.
    Act,
    /// An environment with a running change, or one that somebody looks at.
    Watched,
    /// Everything else.
    Idle,
}

/// The bucket.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    config: BudgetConfig,
    tokens: f64,
    at: Millis,
    halvings: u32,
    slow_until: Millis,
    throttled_at: Option<Millis>,
}

impl Budget {
    /// A full bucket at `now` (cloud clock).
    pub(crate) fn new(config: BudgetConfig, now: Millis) -> Self {
        Self { config, tokens: config.burst, at: now, halvings: 0, slow_until: now, throttled_at: None }
    }

    /// Takes a token at `now` (cloud clock).
    ///
    /// # Errors
    /// The earliest cloud time at which asking again is worth while.
    pub(crate) fn take(&mut self, priority: Priority, now: Millis) -> Result<(), Millis> {
        self.refill(now);
        let floor = match priority {
            Priority::Act => {
                self.tokens = (self.tokens - 1.0).max(-self.config.burst);
                return Ok(());
            }
            Priority::Watched => self.config.reserve,
            Priority::Idle => self.config.reserve + 2.0,
        };
        if self.tokens > floor {
            self.tokens -= 1.0;
            return Ok(());
        }
        let rate = self.rate().max(0.001);
        let wait = ((floor - self.tokens) / rate * 1000.0).ceil() as Millis + 1;
        Err(self.at.saturating_add(wait))
    }

    /// AWS said "too fast" at `now` (cloud clock): half the rate, recovering one halving a minute.
    pub(crate) fn throttled(&mut self, now: Millis) {
        self.refill(now);
        if self.throttled_at.is_none_or(|before| now - before >= SAME_EVENT) {
            self.halvings = (self.halvings + 1).min(MOST_HALVINGS);
            self.throttled_at = Some(now);
        }
        self.slow_until = self.at + SLOW_FOR;
    }

    fn rate(&self) -> f64 {
        self.config.per_second / f64::from(1_u32 << self.halvings)
    }

    /// A clock that went backwards gives nothing and takes nothing.
    fn refill(&mut self, now: Millis) {
        while self.halvings > 0 && now >= self.slow_until {
            self.add(self.slow_until);
            self.halvings -= 1;
            self.slow_until += SLOW_FOR;
        }
        self.add(now);
    }

    fn add(&mut self, until: Millis) {
        let elapsed = (until - self.at).max(0);
        self.tokens = (self.tokens + elapsed as f64 / 1000.0 * self.rate()).min(self.config.burst);
        self.at = self.at.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(priority: Priority) -> (Budget, u32, Millis) {
        let mut budget = Budget::new(BudgetConfig::default(), 0);
        for taken in 0..100 {
            if let Err(retry_at) = budget.take(priority, 0) {
                return (budget, taken, retry_at);
            }
        }
        panic!("never over budget");
    }

    #[test]
    fn reads_leave_the_reserve_and_idle_reads_leave_more() {
        assert_eq!(drained(Priority::Watched).1, 6);
        assert_eq!(drained(Priority::Idle).1, 4);
    }

    #[test]
    fn a_refused_read_passes_at_the_time_it_was_told() {
        for priority in [Priority::Watched, Priority::Idle] {
            let (mut budget, _, retry_at) = drained(priority);
            assert!(retry_at > 0);
            assert_eq!(budget.take(priority, retry_at), Ok(()));
        }
    }

    #[test]
    fn an_act_always_passes_and_its_debt_is_bounded() {
        let mut budget = Budget::new(BudgetConfig::default(), 0);
        for _ in 0..1000 {
            assert_eq!(budget.take(Priority::Act, 0), Ok(()));
        }
        assert!(budget.take(Priority::Watched, 6_000).is_err(), "-10 + 12 tokens leave less than the reserve");
        assert!(budget.take(Priority::Watched, 8_000).is_ok());
    }

    #[test]
    fn throttling_halves_the_rate_and_it_comes_back_step_by_step() {
        let mut budget = Budget::new(BudgetConfig::default(), 0);
        budget.throttled(0);
        budget.throttled(500);
        assert_eq!(budget.rate(), 1.0, "two answers within a second are one event");
        budget.throttled(2_000);
        assert_eq!(budget.rate(), 0.5);
        budget.refill(61_999);
        assert_eq!(budget.rate(), 0.5);
        budget.refill(62_000);
        assert_eq!(budget.rate(), 1.0);
        budget.refill(122_000);
        assert_eq!(budget.rate(), 2.0);
    }

    #[test]
    fn halvings_are_bounded_and_forgotten_after_a_long_pause() {
        let mut budget = Budget::new(BudgetConfig::default(), 0);
        for minute in 0..50 {
            budget.throttled(minute * 2_000);
        }
        assert_eq!(budget.rate(), 2.0 / 32.0);
        budget.refill(100_000_000);
        assert_eq!(budget.rate(), 2.0);
        assert_eq!(budget.tokens, 10.0);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut budget = Budget::new(BudgetConfig::default(), 10_000);
        for _ in 0..6 {
            assert_eq!(budget.take(Priority::Watched, 10_000), Ok(()));
        }
        assert!(budget.take(Priority::Watched, 0).is_err());
        assert!(budget.take(Priority::Watched, 10_000).is_err());
        assert!(budget.take(Priority::Watched, 11_000).is_ok());
    }
}
