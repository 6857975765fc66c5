//! Words, times and marks that the pages share. All pure.

use std::borrow::Borrow;

use crate::domain::change::{Kind, State};
use crate::domain::estimate::{ASSUMED_SECONDS, Basis, Estimate};
use crate::domain::health::Level;
use crate::domain::observation::Millis;
use crate::domain::plan::Verdict;
use crate::domain::problem::{FieldError, Problem};

/// A moment. Written in UTC; `app.js` puts it into the reader's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Millis);

impl Moment {
    fn zoned(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
    fn form(self, form: &str) -> String {
        self.zoned().map_or_else(|| self.0.to_string(), |t| t.to_zoned(jiff::tz::TimeZone::UTC).strftime(form).to_string())
    }
    /// For machines: RFC 3339.
    pub fn machine(&self) -> String {
        self.form("%Y-%m-%dT%H:%M:%SZ")
    }
    /// `12:24:05`.
    pub fn clock(&self) -> String {
        self.form("%H:%M:%S")
    }
    /// `12:24`.
    pub fn minute(&self) -> String {
        self.form("%H:%M")
    }
    /// `Tue 25 Aug 2026, 12:24:07 UTC`.
    pub fn full(&self) -> String {
        self.form("%a %-d %b %Y, %H:%M:%S UTC")
    }
    /// `25 Aug 12:24`.
    pub fn day(&self) -> String {
        self.form("%-d %b %H:%M")
    }
    /// `Tue 25 Aug`.
    pub fn weekday(&self) -> String {
        self.form("%a %-d %b")
    }
    /// `2026-08-25`, for a date field.
    pub fn date(&self) -> String {
        self.form("%Y-%m-%d")
    }
    /// `3 min ago`, seen from `now`.
    pub fn ago(&self, now: &Moment) -> String {
        let ms = now.0 - self.0;
        if ms < 5000 { "just now".into() } else { format!("{} ago", span(ms)) }
    }
    /// `in 3 h`, seen from `now`.
    pub fn ahead(&self, now: &Moment) -> String {
        if self.0 <= now.0 { "now".into() } else { format!("in {}", span(self.0 - now.0)) }
    }
}

/// A moment, for templates.
pub fn at(ms: impl Borrow<Millis>) -> Moment {
    Moment(*ms.borrow())
}

/// `45 s`, `12 min`, `3 h 20 min`, `4 days`.
pub fn span(ms: impl Borrow<Millis>) -> String {
    let s = (*ms.borrow()).max(0) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..36_000 if s % 3600 >= 60 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// `20`, `0.5`.
pub fn number(n: f64) -> String {
    if n.fract() == 0.0 { format!("{n:.0}") } else { n.to_string() }
}

/// `214 MB`.
pub fn size(bytes: impl Borrow<i64>) -> String {
    let bytes = *bytes.borrow();
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// `1 instance`, `3 instances`.
pub fn count(n: impl Borrow<usize>, thing: &str) -> String {
    let n = *n.borrow();
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// A word with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A digest for people: `9f2c41ab03de`.
pub fn digest(text: &str) -> &str {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.get(..12).unwrap_or(hex)
}

/// A value of a plan: digests are shortened, the title holds them whole.
pub fn value(text: &str) -> &str {
    if text.starts_with("sha256:") { digest(text) } else { text }
}

/// The word of a health level.
pub fn health(level: impl Borrow<Level>) -> &'static str {
    match level.borrow() {
        Level::Ok => "Healthy",
        Level::Warn => "Degraded",
        Level::Bad => "Not healthy",
        Level::Unknown => "Unknown",
    }
}

/// The class of a health level.
pub fn health_class(level: impl Borrow<Level>) -> &'static str {
    match level.borrow() {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Bad => "bad",
        Level::Unknown => "off",
    }
}

/// The icon of a health level.
pub fn health_icon(level: impl Borrow<Level>) -> &'static str {
    match level.borrow() {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Bad => "bad",
        Level::Unknown => "unknown",
    }
}

/// The word of a change's state, with its class and its icon.
pub fn state(state: impl Borrow<State>) -> (&'static str, &'static str, &'static str) {
    match state.borrow() {
        State::AwaitingApproval => ("Waits for approval", "off", "gate"),
        State::Scheduled => ("Scheduled", "off", "wait"),
        State::Queued => ("Queued", "off", "wait"),
        State::Running => ("Rolling", "run", "rolling"),
        State::Baking => ("Baking", "run", "wait"),
        State::Cancelling => ("Stopping", "warn", "wait"),
        State::Undoing => ("Undoing", "warn", "undo"),
        State::NeedsAttention => ("Needs attention", "bad", "bad"),
        State::Succeeded => ("Succeeded", "ok", "ok"),
        State::Failed => ("Failed", "bad", "bad"),
        State::Cancelled => ("Stopped", "off", "cross"),
        State::Undone => ("Undone", "warn", "undo"),
        State::UndoFailed => ("Undo failed", "bad", "bad"),
        State::Rejected => ("Rejected", "off", "cross"),
        State::Expired => ("Expired", "off", "cross"),
        State::Superseded => ("Superseded", "off", "cross"),
    }
}

/// The state's word where nothing rolls.
pub fn state_of(state_now: impl Borrow<State>, kind: impl Borrow<Kind>) -> (&'static str, &'static str, &'static str) {
    match (*state_now.borrow(), *kind.borrow()) {
        (State::Running, Kind::Capacity | Kind::Terminate | Kind::Pin | Kind::Settings | Kind::Refresh) => ("Running", "run", "rolling"),
        (other, _) => state(other),
    }
}

/// What a change does, as a title: `Deploy v5`.
pub fn title(kind: impl Borrow<Kind>, release: impl Borrow<Option<i64>>) -> String {
    match (*kind.borrow(), *release.borrow()) {
        (Kind::Deploy, Some(r)) => format!("Deploy v{r}"),
        (Kind::Deploy, None) => "Deploy".into(),
        (Kind::Rollback, Some(r)) => format!("Roll back to v{r}"),
        (Kind::Rollback, None) => "Roll back".into(),
        (Kind::Replace, _) => "Replace all instances".into(),
        (Kind::Capacity, _) => "Change capacity".into(),
        (Kind::Terminate, _) => "Terminate one instance".into(),
        (Kind::Pin, _) => "Pin the template".into(),
        (Kind::Settings, _) => "Set the group's settings".into(),
        (Kind::Refresh, _) => "End a foreign refresh".into(),
    }
}

/// An action of the trail for people: `change.request.deploy` → `Asked to deploy`. One that has no words keeps its name.
pub fn action(name: &str) -> String {
    let words = match name {
        "change.request.deploy" => "Asked to deploy",
        "change.request.rollback" => "Asked to roll back",
        "change.request.replace" => "Asked to replace all instances",
        "change.request.capacity" => "Asked to change capacity",
        "change.request.terminate" => "Asked to terminate an instance",
        "change.request.pin" => "Asked to pin the template",
        "change.request.settings" => "Asked to set the group's settings",
        "change.request.refresh" => "Asked to end a foreign refresh",
        "change.approve" => "Approved",
        "change.reject" => "Rejected",
        "change.cancel" => "Stopped, undid or withdrew",
        "change.force_close" => "Closed by force",
        "change.approval_void" => "An approval became void",
        "change.start" => "Started",
        "change.attention" => "Called for a person",
        "change.undo" => "Began to take back",
        "change.adopt" => "Took over what AWS had begun",
        "change.expire" => "Lapsed",
        "request.refused" => "Refused",
        "account.sign_in" => "Signed in",
        "account.sign_out" => "Signed out",
        "account.set_up" => "Chose a password",
        "account.password" => "Changed the password",
        "account.end_session" => "Ended a session",
        "person.add" => "Added a person",
        "person.grant" => "Gave a role",
        "person.revoke" => "Took a role",
        "person.reset" => "Made a new setup link",
        "person.disable" => "Disabled a person",
        "person.enable" => "Let a person in again",
        "token.create" => "Made an API token",
        "token.revoke" => "Revoked an API token",
        "release.create" => "Made a release",
        "application.create" => "Added an application",
        "environment.adopt" => "Adopted an environment",
        "audit.export" => "Exported the trail",
        "audit.verify" => "Recomputed the chain",
        _ => match name.split_once('.') {
            Some(("aws", operation)) => return format!("AWS {operation}"),
            Some(("change", state)) => return format!("Ended: {}", plain(state)),
            _ => return name.to_owned(),
        },
    };
    words.to_owned()
}

/// The result of an entry: icon, class and word. Only exceptions are coloured.
pub fn result(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "done" => ("tick", "", "Done"),
        "intended" => ("dots", "", "Intended"),
        "refused" => ("cross", "bad", "Refused"),
        "failed" => ("bad", "bad", "Failed"),
        "unknown" => ("unknown", "warn", "Unknown"),
        _ => ("none", "", "Noted"),
    }
}

/// Where an entry happened.
pub fn target(name: &str) -> &str {
    if name == "*" { "Everywhere" } else { name }
}

/// Icon, class and word of a check's verdict.
pub fn verdict(verdict: impl Borrow<Verdict>) -> (&'static str, &'static str, &'static str) {
    match verdict.borrow() {
        Verdict::Ok => ("ok", "ok", ""),
        Verdict::Warn => ("warn", "warn", "worth knowing"),
        Verdict::Wait => ("wait", "off", "waits for it"),
        Verdict::Refuse => ("bad", "bad", "refused"),
    }
}

/// How long a rollout takes, in words, and what that is taken from.
pub fn takes(e: &Estimate) -> (String, String) {
    let about = if e.minutes == 1 { "about 1 minute".to_owned() } else { format!("about {} minutes", e.minutes) };
    let wait = span(i64::from(e.wait_seconds) * 1000);
    let batches =
        if e.batches == 1 { format!("a warmup or boot of {wait}") } else { format!("{} batches with a warmup or boot of {wait} each", e.batches) };
    let batches = if e.pause_seconds == 0 { batches } else { format!("{batches}, pauses and bake of {}", span(e.pause_seconds * 1000)) };
    let from = match e.basis {
        Basis::Measured(1) => format!("From {batches}, and what the last rollout here took beside it."),
        Basis::Measured(n) => format!("From {batches}, and what the last {n} rollouts here took beside it."),
        Basis::Assumed => {
            format!(
                "No rollout was measured here yet: assumed from {batches}, and {} a batch for AWS to start and stop instances.",
                span(ASSUMED_SECONDS * 1000)
            )
        }
    };
    (about, from)
}

/// What is wrong with a form, for the summary at its top.
#[derive(Clone, Debug, Default)]
pub struct Wrong {
    /// One sentence.
    pub title: String,
    /// Each field with its message.
    pub fields: Vec<FieldError>,
    /// The change that is in the way.
    pub change: Option<i64>,
}

impl Wrong {
    /// From a refusal. Nothing was changed: every refusal comes before the first act.
    pub fn of(problem: &Problem) -> Self {
        let (fields, change) = match problem {
            Problem::Invalid(fields) => (fields.clone(), None),
            Problem::Conflict { fields, number, .. } => (fields.clone(), *number),
            _ => (Vec::new(), None),
        };
        let title = match problem {
            Problem::Invalid(f) if f.len() == 1 => "Nothing was changed. 1 value needs you.".into(),
            Problem::Invalid(f) => format!("Nothing was changed. {} values need you.", f.len()),
            other => other.detail(),
        };
        Self { title, fields, change }
    }
    /// The message of one field, if it has one.
    pub fn at(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.field == field).map(|f| f.message.as_str())
    }
}

/// An AWS CLI word, a field's path or a step's name for people: `min_healthy` → `min healthy`.
pub fn plain(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spoken_as_people_do() {
        assert_eq!(span(45_000), "45 s");
        assert_eq!(span(61_000), "1 min");
        assert_eq!(span(3_600_000 + 1_200_000), "1 h 20 min");
        assert_eq!(span(86_400_000), "24 h");
        assert_eq!(span(4 * 86_400_000), "4 days");
        assert_eq!(Moment(0).full(), "Thu 1 Jan 1970, 00:00:00 UTC");
        assert_eq!(Moment(0).ago(&Moment(1000)), "just now");
    }
}
