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
        // The oldest goes when it is too old to be shown, or when there is no room: but one always stays.
        while self.states.len() > 1 && (self.states.front().is_some_and(|(w, _)| w.now < now - age) || self.is_full()) {
            self.rows -= self.states.pop_front().map_or(0, |(_, rows)| rows);
        }
    }

    fn is_full(&self) -> bool {
        self.states.len() > MOST || (self.states.len() > 2 && self.rows > MOST_ROWS)
    }

    /// The oldest state that is not older than `oldest`; where there is none, the newest, moved on to that time.
    pub(crate) fn since(&mut self, oldest: i64) -> Option<&mut World> {
        let at = self.states.iter().position(|(w, _)| w.now >= oldest).unwrap_or(self.states.len().saturating_sub(1));
        let (world, _) = self.states.get_mut(at)?;
        if world.now < oldest {
            world.advance_to(oldest);
        }
        Some(world)
    }
}
