//! Earlier states of the world, for reads that are answered stale.
//!
//! **Invariant:** states are kept only while a rule asks for stale answers, at most [`MOST`] of them, evenly over the age
//! asked for, and fewer of a large world: together they hold at most [`MOST_ROWS`] rows, unless two states alone do.

use std::collections::VecDeque;

use crate::world::World;

/// Most states.
const MOST: usize = 16;
/// Most rows of all states together, about a kilobyte each.
const MOST_ROWS: usize = 100_000;

/// The states, oldest first.
#[derive(Default)]
pub(crate) struct Past {
    states: VecDeque<(World, usize)>,
    rows: usize,
}

impl Past {
    /// Keeps the state before time moves on to `now`, for stale answers of this age in milliseconds; `None` forgets all.
    pub(crate) fn keep(&mut self, world: &World, now: i64, age: Option<i64>) {
        let Some(age) = age else {
            self.states.clear();
            self.rows = 0;
            return;
        };
        let last = self.states.back().map(|(w, _)| (w.now, w.ids));
        let due = last.is_none_or(|(at, ids)| (world.now, world.ids) != (at, ids) && (now > at) && now - at >= age / MOST as i64);
        if due {
            let rows = world.rows();
            self.states.push_back((world.clone(), rows));
            self.rows += rows;
        }
        // One that is too old to be shown stays as long as there is none between it and the oldest that may be: moved on,
        // it is that one.
        let second = |states: &VecDeque<(World, usize)>| states.get(1).is_some_and(|(w, _)| w.now <= now - age);
        while self.states.len() > 1 && (second(&self.states) || self.is_full()) {
            self.rows -= self.states.pop_front().map_or(0, |(_, rows)| rows);
        }
    }

    fn is_full(&self) -> bool {
        self.states.len() > MOST || (self.states.len() > 2 && self.rows > MOST_ROWS)
    }

    /// The oldest state that is not older than `oldest`, the present aside; where there is none, the newest before it, moved
    /// on to that time.
    pub(crate) fn since(&mut self, oldest: i64, now: i64) -> Option<&mut World> {
        let between = self.states.iter().position(|(w, _)| (oldest..now).contains(&w.now));
        let before = || self.states.iter().rposition(|(w, _)| w.now <= oldest);
        let at = between.or_else(before).or_else(|| self.states.len().checked_sub(1))?;
        let (world, _) = self.states.get_mut(at)?;
        if world.now < oldest {
            world.advance_to(oldest);
        }
        Some(world)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;

    fn at(now: i64) -> World {
        World::empty(now, 1, Params::reference(), "123456789012", "ap-south-1")
    }

    #[test]
    fn states_are_few_and_none_is_older_than_needed() {
        let mut past = Past::default();
        for now in (0..600_000).step_by(100) {
            past.keep(&at(now), now + 100, Some(30_000));
            let ages: Vec<i64> = past.states.iter().map(|(w, _)| now + 100 - w.now).collect();
            assert!(ages.len() <= MOST && ages.iter().skip(1).all(|age| *age < 30_000), "{ages:?}");
        }
        assert!(past.states.len() > MOST / 2, "spread over the age");
        past.keep(&at(700_000), 700_000, None);
        assert_eq!((past.states.len(), past.rows), (0, 0));
    }

    #[test]
    fn a_large_world_has_fewer() {
        let mut past = Past::default();
        for now in (0..300_000).step_by(2000) {
            past.keep(&at(now), now + 2000, Some(30_000));
            // As if each state had this many rows.
            if let Some((_, rows)) = past.states.back_mut() {
                past.rows = past.rows - *rows + 40_000;
                *rows = 40_000;
            }
        }
        assert_eq!(past.states.len(), 3, "the last one was weighed after it was kept");
    }
}
