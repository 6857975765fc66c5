//! "Before and after" on the page of a rollout that has ended: drawn from what was kept with the change, never from what is now.

use super::words::{self, Moment};
use crate::domain::change::{Kind, State};
use crate::domain::remains::{self, Row};
use crate::store::changes::Change;

/// A look that was made longer before the end than this (wall milliseconds) is told as old.
const OLD_MS: i64 = 60_000;

/// The table, or the sentence that stands in its place.
pub struct Remains {
    /// Empty where there is nothing to compare.
    pub rows: Vec<Row>,
    /// What all of it comes to, in one sentence.
    pub sentence: String,
    /// When AWS was looked at before and after, and how long before the end the second was.
    pub looks: Option<(Moment, Moment, String)>,
    /// The look after was too long before the end to show what became of it.
    pub old: bool,
    /// It is as the sentence of the change says, and nothing is left to look at.
    pub sound: bool,
}

/// Of a rollout that has ended; `None` for all else.
pub fn remains(c: &Change) -> Option<Remains> {
    let ended = c.finished_at.filter(|_| matches!(c.kind, Kind::Deploy | Kind::Rollback | Kind::Replace))?;
    let alone =
        |sentence: &str| Some(Remains { rows: Vec::new(), sentence: sentence.into(), looks: None, old: false, sound: c.started_at.is_none() });
    let p = &c.progress;
    let (before, after) = match (&p.before, &p.after) {
        _ if c.started_at.is_none() => return alone("It did not begin: nothing was sent to AWS, so nothing was left behind."),
        (None, _) => return alone("Nothing was kept to compare: this began under a version of Fleetgate that did not keep it."),
        (Some(_), None) => return alone("There is nothing to compare: AWS showed no group at the last look before the end."),
        (Some(before), Some(after)) => (before, after),
    };
    let rows = remains::rows(&c.plan, p);
    let differ = rows.iter().filter(|r| !r.same()).count();
    let unknown = rows.iter().filter(|r| !r.explained).count();
    let (all, apart) = (rows.len(), ended - after.at);
    // The look that proved the end is of the same moment.
    let age = if apart < 5000 { "at the end".into() } else { format!("{} before the end", words::span(apart)) };
    let old = apart > OLD_MS || after.cloud_at <= before.cloud_at;
    let ended_well = matches!(c.state, State::Succeeded | State::Undone);
    let sentence = match (differ, unknown) {
        (0, _) if old => format!("Nothing differed at the last look, {age}; what came of it after that is not known here."),
        (0, _) if ended_well => "Nothing was left behind: capacity, suspended processes, protection and standby are as before the start.".into(),
        (0, _) => "Capacity, suspended processes, protection and standby are as before the start. What the instances run is told above.".into(),
        _ if !p.owed.is_empty() => format!("It still owed AWS something when it ended: {} was suspended.", p.owed.join(", ")),
        (n, 0) => format!("{n} of {all} {}, and the cause is known.", if n == 1 { "differs" } else { "differ" }),
        (n, m) => format!("{n} of {all} {}, {m} of them without a known cause.", if n == 1 { "differs" } else { "differ" }),
    };
    Some(Remains {
        rows,
        sentence,
        looks: Some((Moment(before.at), Moment(after.at), age)),
        old,
        sound: ended_well && unknown == 0 && p.owed.is_empty() && !old,
    })
}

/// The title of a row.
pub fn title(what: &str) -> &'static str {
    match what {
        "min" => "Minimum",
        "desired" => "Desired",
        "max" => "Maximum",
        "suspended" => "Suspended processes",
        "protected" => "Protected from scale-in",
        _ => "In standby",
    }
}

/// What is said of a row that differs where no cause is known.
pub fn unknown(what: &str) -> &'static str {
    match what {
        "min" | "desired" | "max" => "No cause is known. This change sends no figures.",
        _ => "No cause is known.",
    }
}
