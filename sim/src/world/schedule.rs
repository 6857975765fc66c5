//! Scheduled actions (aws-reference 3).
//!
//! **Invariant:** a one-off action runs once, up to two minutes late, and vanishes, as a recurring one does at its
//! EndTime; what falls due while ScheduledActions is suspended is lost.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::World;

impl World {
    pub(crate) fn step_schedule(&mut self, name: &str) {
        let now = self.now;
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let suspended = g.is_suspended("ScheduledActions");
        let due: Vec<_> = g.scheduled.iter().filter(|s| s.due.is_some_and(|d| d <= now)).cloned().collect();
        for action in &due {
            match next_run(action.recurrence.as_deref(), action.time_zone.as_deref(), now).filter(|at| action.end.is_none_or(|end| *at < end)) {
                Some(at) => {
                    if let Some(s) = g.scheduled.iter_mut().find(|s| s.name == action.name) {
                        s.due = Some(at);
                        s.start = Some(at);
                    }
                }
                None => g.scheduled.retain(|s| s.name != action.name),
            }
        }
        for action in due.into_iter().filter(|_| !suspended) {
            self.set_bounds(name, action.min, action.max, action.desired, Some(&action.name));
        }
        self.wake_schedule(name);
    }

    /// Asks for the next action's time.
    pub(crate) fn wake_schedule(&mut self, name: &str) {
        let next = self.groups.get(name).and_then(|g| g.scheduled.iter().filter_map(|s| s.due).min());
        if let Some(at) = next {
            self.wake_group(name, at);
        }
    }
}

/// A time zone by its IANA name; none named is UTC.
pub(crate) fn zone(name: Option<&str>) -> Option<TimeZone> {
    name.map_or(Some(TimeZone::UTC), |name| TimeZoneDatabase::bundled().get(name).ok())
}

/// Next minute a five-field cron expression names in a time zone, within 366 days.
pub(crate) fn next_run(cron: Option<&str>, time_zone: Option<&str>, after: i64) -> Option<i64> {
    let fields: Vec<&str> = cron?.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return None;
    };
    let zone = zone(time_zone)?;
    let mut at = (after / 60_000 + 1) * 60_000;
    let end = at + 366 * 86_400_000;
    while at < end {
        let t = jiff::Timestamp::from_millisecond(at).ok()?.to_zoned(zone.clone());
        let day_fits = match (*day == "*", *weekday == "*") {
            (false, false) => fits(day, t.day().into()) || fits_weekday(weekday, &t),
            _ => fits(day, t.day().into()) && fits_weekday(weekday, &t),
        };
        if !(fits(month, t.month().into()) && day_fits) {
            at = t.tomorrow().ok()?.start_of_day().ok()?.timestamp().as_millisecond().max(at + 60_000);
        } else if !fits(hour, t.hour().into()) {
            at += 60_000 * (60 - i64::from(t.minute()));
        } else if !fits(minute, t.minute().into()) {
            at += 60_000;
        } else {
            return Some(at);
        }
    }
    None
}

fn fits_weekday(field: &str, t: &jiff::Zoned) -> bool {
    let day = i64::from(t.weekday().to_sunday_zero_offset());
    fits(field, day) || (day == 0 && fits(field, 7))
}

/// Whether one cron field (`*`, `*/n`, `a-b`, lists) takes a value.
pub(crate) fn fits(field: &str, value: i64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').map_or((part, 1), |(r, s)| (r, s.parse().unwrap_or(0)));
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (0, 59),
            Some((a, b)) => (a.parse().unwrap_or(i64::MAX), b.parse().unwrap_or(-1)),
            None => match range.parse() {
                Ok(n) => (n, if part.contains('/') { 59 } else { n }),
                Err(_) => return false,
            },
        };
        step > 0 && value >= low && value <= high && (value - if range == "*" { 0 } else { low }) % step == 0
    })
}

/// Whether the text is a five-field cron expression with a date in it.
pub(crate) fn is_cron(text: &str) -> bool {
    next_run(Some(text), None, 1_767_225_600_000).is_some()
}
