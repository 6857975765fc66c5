//! The two clocks (design invariant 12), handed in and never called as globals.
//!
//! The *wall* clock dates the audit, sessions, tokens, approvals and leases, and is never sped up. The *cloud* clock runs
//! bakes, deadlines and polls; in a rehearsal it follows the simulator's speed.
//!
//! **Invariant:** this is the only file that reads the machine's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::observation::Millis;

/// Both clocks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clocks {
    wall: Source,
    cloud: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Moved by hand, in tests and while the demo's history is played.
    Manual(Arc<AtomicI64>),
    /// `cloud = anchor.cloud + (wall - anchor.wall) * speed`.
    Scaled {
        anchor: Anchor,
        speed: f64,
    },
}

/// Where a scaled cloud clock is pinned to the wall clock. Kept in the database, so that a restart goes on in the same
/// cloud time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Wall time of the pin.
    pub wall: Millis,
    /// Cloud time at that moment.
    pub cloud: Millis,
}

/// A hand-moved pair, for tests and for playing history.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
    /// Sets both clocks.
    pub fn set(&self, at: Millis) {
        self.0.store(at, Ordering::SeqCst);
    }
    /// Reads them.
    pub fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clocks {
    /// Both are the machine's clock: production.
    pub fn system() -> Self {
        Self { wall: Source::System, cloud: Source::System }
    }
    /// The machine's clock, and a cloud clock `speed` times as fast from `anchor` on: a rehearsal.
    pub fn scaled(anchor: Anchor, speed: f64) -> Self {
        Self { wall: Source::System, cloud: Source::Scaled { anchor, speed } }
    }
    /// Both moved by hand, together.
    pub fn manual(start: Millis) -> (Self, ManualClock) {
        let cell = Arc::new(AtomicI64::new(start));
        (Self { wall: Source::Manual(cell.clone()), cloud: Source::Manual(cell.clone()) }, ManualClock(cell))
    }
    /// The wall clock, UTC milliseconds.
    pub fn wall(&self) -> Millis {
        self.wall.now()
    }
    /// The cloud clock, UTC milliseconds.
    pub fn cloud(&self) -> Millis {
        self.cloud.now()
    }
    /// How long to really sleep for `cloud` milliseconds of cloud time.
    pub fn real(&self, cloud: Millis) -> Duration {
        let ms = cloud.max(0);
        match &self.cloud {
            Source::Scaled { speed, .. } if *speed > 0.0 => Duration::from_secs_f64(ms as f64 / 1000.0 / speed),
            _ => Duration::from_millis(ms.unsigned_abs()),
        }
    }
    /// How much cloud time passes in `real` milliseconds.
    pub fn cloud_during(&self, real: Millis) -> Millis {
        match &self.cloud {
            Source::Scaled { speed, .. } => (real as f64 * speed) as Millis,
            _ => real,
        }
    }
    /// In a rehearsal: how many times as fast the cloud clock runs.
    pub fn speed(&self) -> Option<f64> {
        match &self.cloud {
            Source::Scaled { speed, .. } => Some(*speed),
            _ => None,
        }
    }
    /// Moved by hand: nobody may wait for it to pass.
    pub fn is_manual(&self) -> bool {
        matches!(self.cloud, Source::Manual(_))
    }
}

impl Source {
    fn now(&self) -> Millis {
        match self {
            Self::System => system_now(),
            Self::Manual(cell) => cell.load(Ordering::SeqCst),
            Self::Scaled { anchor, speed } => anchor.cloud + ((system_now() - anchor.wall) as f64 * speed) as Millis,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the machine's time")]
fn system_now() -> Millis {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
