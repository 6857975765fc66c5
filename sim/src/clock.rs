//! Simulated time: stepped by hand in tests, running at a chosen speed in the demo.
//!
//! **Invariant:** the only place of the crate that reads the machine's clock. Simulated time never goes back.

use std::time::Instant;

use jiff::Timestamp;

/// The last instant, in the year 9892: the longest time that AWS takes a number for, 68 years, ends before the last date
/// that can be written.
pub(crate) const END: i64 = 250_000_000_000_000;

/// How simulated time moves.
#[derive(Debug, Clone, Copy)]
pub enum ClockMode {
    /// Moves only by `advance`.
    Manual {
        /// First instant of the world.
        start: Timestamp,
    },
    /// One real second is `speed` simulated ones.
    Running {
        /// First instant of the world.
        start: Timestamp,
        /// Simulated seconds per real second.
        speed: f64,
    },
}

/// The clock itself. Times are milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct Clock {
    base: i64,
    since: Instant,
    speed: Option<f64>,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        let (start, speed) = match mode {
            ClockMode::Manual { start } => (start, None),
            ClockMode::Running { start, speed } => (start, Some(speed)),
        };
        Self { base: start.as_millisecond(), since: Instant::now(), speed }
    }

    /// Simulated now.
    pub(crate) fn now(&self) -> i64 {
        match self.speed {
            None => self.base,
            // A float that is too large, or none, saturates.
            Some(speed) => self.base.saturating_add((self.since.elapsed().as_secs_f64() * speed * 1000.0) as i64).min(END),
        }
    }

    /// Real now, for credentials only.
    pub(crate) fn wall() -> i64 {
        Timestamp::now().as_millisecond()
    }

    pub(crate) fn speed(&self) -> Option<f64> {
        self.speed
    }

    /// Moves time on by milliseconds, in either mode.
    pub(crate) fn advance(&mut self, millis: i64) {
        self.base = self.now().saturating_add(millis.max(0)).min(END);
        self.since = Instant::now();
    }

    /// Runs at this speed from now on; `None` stops the clock.
    pub(crate) fn set_speed(&mut self, speed: Option<f64>) {
        self.base = self.now();
        self.since = Instant::now();
        self.speed = speed.filter(|s| *s > 0.0);
    }

    /// Jumps to a later instant (a restored world).
    pub(crate) fn jump(&mut self, to: i64) {
        self.base = to;
        self.since = Instant::now();
    }
}

/// `2026-01-02T03:04:05.678Z`, the form the query services write (aws-reference 1.1).
pub(crate) fn iso(millis: i64) -> String {
    stamp(millis).strftime("%Y-%m-%dT%H:%M:%S").to_string() + &format!(".{:03}Z", millis.rem_euclid(1000))
}

/// `2026-01-02T03:04:05Z`, used inside activity texts (aws-reference 4.2).
pub(crate) fn iso_seconds(millis: i64) -> String {
    stamp(millis).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn stamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads an ISO 8601 instant into milliseconds.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|t| t.as_millisecond())
}
