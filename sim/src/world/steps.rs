//! Step functions of time: what held since when, written only when it changes.
//!
//! **Invariant:** rows are in time order, no two neighbours hold the same value, and of several changes at one instant
//! only the last one stands.

use serde::{Deserialize, Serialize};

/// A value over time. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Steps<T>(Vec<(i64, T)>);

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Steps<T> {
    /// Holds from now on.
    pub(crate) fn record(&mut self, at: i64, value: T) {
        while self.0.last().is_some_and(|(since, _)| *since >= at) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((at, value));
        }
    }

    /// What held at an instant.
    pub(crate) fn at(&self, time: i64) -> Option<&T> {
        let after = self.0.partition_point(|(since, _)| *since <= time);
        self.0.get(after.checked_sub(1)?).map(|(_, value)| value)
    }

    /// Instants of change.
    pub(crate) fn changes(&self) -> impl Iterator<Item = i64> {
        self.0.iter().map(|(since, _)| *since)
    }

    /// Every value there was.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Drops what had ended before an instant.
    pub(crate) fn forget(&mut self, before: i64) {
        let past = self.0.partition_point(|(since, _)| *since <= before);
        self.0.drain(..past.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_kept_and_the_last_of_an_instant_wins() {
        let mut steps = Steps::default();
        for (at, value) in [(10, 1), (20, 1), (30, 2), (30, 3), (40, 4), (40, 3)] {
            steps.record(at, value);
        }
        assert_eq!(steps.0, [(10, 1), (30, 3)]);
        assert_eq!([9, 10, 29, 30, 99].map(|t| steps.at(t).copied()), [None, Some(1), Some(1), Some(3), Some(3)]);
        steps.forget(35);
        assert_eq!((steps.at(29), steps.at(35)), (None, Some(&3)));
    }
}
