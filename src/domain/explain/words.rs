//! Times, names and actions, as every rule words them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Act, Action, Input, Subject};
use crate::domain::change::Kind;
use crate::domain::observation::Millis;

/// A day: a time further away is told with its date.
const DAY_MS: i64 = 86_400_000;

/// `10:02 UTC`, with the date where it is another day.
pub(super) fn clock(now: Millis, at: Millis) -> String {
    let Ok(t) = Timestamp::from_millisecond(at) else { return at.to_string() };
    let form = if (now - at).abs() < DAY_MS * 3 / 4 { "%H:%M:%S UTC" } else { "%-d %b %H:%M UTC" };
    t.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

/// `45 s`, `12 min`, `3 h 20 min`, `4 days`.
pub(super) fn span(ms: Millis) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 if s % 3600 >= 60 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// ` since 10:02 UTC (4 min)`; nothing where no look saw it begin.
pub(super) fn since(now: Millis, at: Option<Millis>) -> String {
    at.map_or_else(String::new, |at| format!(" since {} ({})", clock(now, at), span(now - at)))
}

/// `until 10:08 UTC (2 min more)`, or that it should be over.
pub(super) fn until(now: Millis, at: Millis) -> String {
    if at > now { format!("until {} ({} more)", clock(now, at), span(at - now)) } else { format!("until {}, which is over", clock(now, at)) }
}

/// The text of AWS, quoted, without its full stop.
pub(super) fn quoted(text: &str) -> String {
    format!("“{}”", text.trim().trim_end_matches('.'))
}

/// A word for the shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// An action in words.
pub(super) fn act(act: Act, sentence: impl Into<String>) -> Action {
    Action { act, sentence: sentence.into(), instance: None, change: None, process: None, command: None }
}

/// Nothing to do.
pub(super) fn wait() -> Action {
    act(Act::Wait, "Nothing to do: it goes on by itself.")
}

impl Action {
    pub(super) fn on(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }
    pub(super) fn to(mut self, change: i64) -> Self {
        self.change = Some(change);
        self
    }
    fn by_hand(mut self, input: &Input<'_>, command: &str) -> Self {
        self.command = Some(format!("aws {command} --region {}", word(input.region)));
        self
    }
}

/// The command's words that name the group.
fn of_group(input: &Input<'_>) -> String {
    format!("--auto-scaling-group-name {}", word(input.asg))
}

pub(super) fn resume(input: &Input<'_>, process: &str) -> Action {
    let mut a = act(Act::ResumeProcess, format!("Resume {process} once nobody needs it suspended."));
    a.process = Some(process.to_owned());
    a.by_hand(input, &format!("autoscaling resume-processes {} --scaling-processes {}", of_group(input), word(process)))
}

pub(super) fn lift_protection(input: &Input<'_>, instance: &str) -> Action {
    let command = format!("autoscaling set-instance-protection --instance-ids {instance} {} --no-protected-from-scale-in", of_group(input));
    act(Act::LiftProtection, format!("Lift the protection of {instance}, if what it protects is done.")).on(instance).by_hand(input, &command)
}

pub(super) fn leave_standby(input: &Input<'_>, instance: &str) -> Action {
    let command = format!("autoscaling exit-standby --instance-ids {instance} {}", of_group(input));
    act(Act::LeaveStandby, format!("Bring {instance} back into service, if whoever took it out is done.")).on(instance).by_hand(input, &command)
}

pub(super) fn complete_hook(input: &Input<'_>, instance: &str, hook: Option<&str>) -> Action {
    let name = hook.map_or_else(|| "HOOK".to_owned(), word);
    let command = format!(
        "autoscaling complete-lifecycle-action --instance-id {instance} --lifecycle-hook-name {name} --lifecycle-action-result CONTINUE {}",
        of_group(input)
    );
    act(Act::CompleteHook, "Look at what answers the hook; if it is gone, answer in its place.").on(instance).by_hand(input, &command)
}

pub(super) fn console(input: &Input<'_>, instance: &str) -> Action {
    let command = format!("ec2 get-console-output --instance-id {instance} --latest --output text");
    act(Act::ReadConsole, format!("Read the console of {instance}: its start script writes there.")).on(instance).by_hand(input, &command)
}

pub(super) fn cancel_foreign(input: &Input<'_>) -> Action {
    let command = format!("autoscaling cancel-instance-refresh {}", of_group(input));
    act(Act::CancelForeignRefresh, "Ask whoever started it; cancelling it leaves both versions running.").by_hand(input, &command)
}

pub(super) fn terminate(instance: &str) -> Action {
    act(Act::TerminateInstance, format!("Terminate {instance}; AWS starts another in its place.")).on(instance)
}

pub(super) fn capacity(sentence: &str) -> Action {
    act(Act::ChangeCapacity, sentence)
}

/// Taking the change back, or stopping it: what its kind and state still allow.
pub(super) fn ways_out(c: &Subject<'_>) -> Vec<Action> {
    if c.progress.undo.is_some() || c.progress.stop.is_some() {
        return vec![
            act(Act::ForceClose, format!("An admin may close #{} by force; the page then says what AWS still does.", c.number)).to(c.number),
        ];
    }
    let mut out = Vec::new();
    if matches!(c.kind, Kind::Deploy | Kind::Rollback) {
        out.push(act(Act::UndoChange, format!("Undo #{}: go back to what ran before.", c.number)).to(c.number));
    }
    out.push(act(Act::StopChange, format!("Stop #{} where it is.", c.number)).to(c.number));
    out
}
