//! Maintenance windows: `ddd:hh:mm-ddd:hh:mm`, UTC.
//!
//! **Invariant:** a window lasts an hour at least.

use super::Change;
use crate::{clock, rng};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minute of the week, from Monday, of `ddd:hh:mm`.
fn minute_of_week(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let day = DAYS.iter().position(|d| *d == name)? as i64;
    let (hour, minute): (i64, i64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && (0..24).contains(&hour) && (0..60).contains(&minute)).then_some((day * 24 + hour) * 60 + minute)
}

/// When a maintenance window `ddd:hh:mm-ddd:hh:mm` of at least an hour opens, minutes from Monday.
fn opens(text: &str) -> Option<i64> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute_of_week(from)?, minute_of_week(to)?);
    ((to - from).rem_euclid(7 * 24 * 60) >= 60).then_some(from)
}

/// Whether a text is a maintenance window.
pub(crate) fn is_window(text: &str) -> bool {
    opens(text).is_some()
}

/// When the window opens next.
pub(super) fn next(text: &str, now: i64) -> Option<i64> {
    const WEEK: i64 = 7 * 86_400_000;
    // The epoch was a Thursday.
    let monday = (now + 3 * 86_400_000).div_euclid(WEEK) * WEEK - 3 * 86_400_000;
    let at = monday + opens(text)? * 60_000;
    Some(if at > now { at } else { at + WEEK })
}

/// A maintenance window of the service's own choice: `sun:03:30-sun:04:30`.
pub(crate) fn drawn_window(seed: u64, id: &str) -> String {
    let h = rng::hash(seed, "cache_window", id);
    let (day, hour) = (DAYS[(h % 7) as usize], (h >> 8) % 23);
    format!("{day}:{hour:02}:30-{day}:{:02}:30", hour + 1)
}

/// When a change that waits will be made, for ground truth.
pub(super) fn due_text(change: &Change) -> Option<String> {
    change.due.filter(|_| !change.is_empty()).map(clock::iso)
}
