//! Points at which a test lets the process die: before and after each commit, before and after each act on AWS.
//!
//! **Invariant:** without the feature `failpoints`, which nothing but the tests turns on, this is empty and every point passes.

#[cfg(feature = "failpoints")]
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// What a store and the clients that belong to it pass through. Once it has broken, nothing is written and nothing is sent any more:
/// as if the process had been killed there.
#[derive(Clone, Debug, Default)]
pub struct Tripwire {
    #[cfg(feature = "failpoints")]
    state: Arc<State>,
}

#[cfg(feature = "failpoints")]
#[derive(Debug, Default)]
struct State {
    /// Breaks at this point, counted from 1; 0 = never.
    at: AtomicUsize,
    broken: AtomicBool,
    passed: Mutex<Vec<&'static str>>,
}

impl Tripwire {
    /// Passes a point; `false` = the process died here, or before.
    #[cfg(feature = "failpoints")]
    pub(crate) fn pass(&self, point: &'static str) -> bool {
        if self.broken() {
            return false;
        }
        let mut passed = self.state.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push(point);
        let dies = passed.len() == self.state.at.load(Ordering::SeqCst);
        self.state.broken.store(dies, Ordering::SeqCst);
        !dies
    }

    /// Passes a point; `false` = the process died here, or before.
    #[cfg(not(feature = "failpoints"))]
    pub(crate) fn pass(&self, _: &'static str) -> bool {
        true
    }

    /// Has it broken?
    pub fn broken(&self) -> bool {
        #[cfg(feature = "failpoints")]
        return self.state.broken.load(Ordering::SeqCst);
        #[cfg(not(feature = "failpoints"))]
        false
    }

    /// Breaks at the `at`th point from now; 0 = never. Forgets what was passed before.
    #[cfg(feature = "failpoints")]
    pub fn arm(&self, at: usize) {
        self.state.passed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.state.at.store(at, Ordering::SeqCst);
    }

    /// The points that were passed since it was armed, in order.
    #[cfg(feature = "failpoints")]
    pub fn passed(&self) -> Vec<&'static str> {
        self.state.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
