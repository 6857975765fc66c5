//! `deploy`, `rollback` and `replace`: roll, prove, settle; or take back, or stop.

use std::collections::BTreeSet;

use super::{CONTRADICTION_MS, Decision, PROOFS, done, group_version, wait};
use crate::domain::change::{Kind, Progress, State, Step, Undo};
use crate::domain::evidence::{self, Counts, Wanted};
use crate::domain::observation::{Group, Observation, Refresh};
use crate::domain::plan::Plan;
use crate::domain::strategy::OnHold;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let Some(template) = &plan.bound.template else {
        return done(State::Failed, "The plan names no launch template. Nothing was sent to AWS.");
    };
    if plan.bound.kind == Kind::Replace && progress.refresh.is_none() && progress.old_instances.is_empty() {
        progress.old_instances = group.instances.iter().map(|i| i.id.clone()).collect();
    }
    if progress.new_version.is_none() {
        progress.new_version = template.reuse;
    }
    evidence::serving(&mut progress.seen, obs, group);
    if progress.stop.is_some() {
        return stop(plan, progress, obs, group);
    }
    if progress.undo.is_some() {
        return undo(plan, progress, obs, group);
    }
    // Before each send: the new version comes from the one that the group used when it was planned.
    if progress.refresh.is_none() && group_version(group) != Some(template.base) {
        let now = group_version(group).map_or_else(|| "no numbered version".to_owned(), |v| format!("version {v}"));
        return done(
            State::Failed,
            format!(
                "The group's template moved from version {} to {now} meanwhile. Nothing was replaced. Look again, then ask again.",
                template.base
            ),
        );
    }
    let Some(version) = progress.new_version else { return Decision::Act(Step::CreateVersion) };
    let Some(id) = progress.refresh.clone() else {
        if let Some(foreign) = obs.active_refresh() {
            return wait(Step::StartRefresh, State::Running, format!("Waiting: another instance refresh ({}) is {}.", foreign.id, foreign.status));
        }
        return Decision::Act(Step::StartRefresh);
    };
    let old = progress.old_instances.clone();
    let wanted = Wanted { version, not: &old };
    evidence::note(&mut progress.seen, obs, group, &wanted);
    let Some(refresh) = obs.refresh(&id) else {
        return wait(Step::Roll, State::Running, "AWS has accepted the refresh and does not list it yet.");
    };
    let failing = evidence::failing(&progress.seen, obs, group, &wanted, plan.boot_budget_seconds);
    progress.counts = evidence::count(obs, group, &wanted, failing.as_ref().map(|(i, _)| i.id.as_str()));
    match refresh.status.as_str() {
        "Pending" | "InProgress" | "Baking" => {
            if let Some((instance, why)) = failing {
                return fail_early(plan, progress, Some(&instance.id), why);
            }
            let guards = plan.bound.preferences.as_ref().map(|p| p.alarms.as_slice()).unwrap_or_default();
            if let Some(alarm) = obs.alarms.iter().find(|a| a.state == "ALARM" && guards.contains(&a.name)) {
                let reason = alarm.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
                return fail_early(plan, progress, None, format!("The guard alarm `{}` went into ALARM{reason}.", alarm.name));
            }
            let baking = refresh.status == "Baking";
            let words = if baking {
                format!("{} AWS watches for the bake time and can still roll back.", sentence(plan, &progress.counts))
            } else {
                sentence(plan, &progress.counts)
            };
            wait(Step::Roll, if baking { State::Baking } else { State::Running }, words)
        }
        "Successful" => {
            if let Some((instance, why)) = failing {
                return fail_early(plan, progress, Some(&instance.id), why);
            }
            prove(plan, progress, obs, group, version, Step::Verify, State::Succeeded)
        }
        "RollbackInProgress" | "RollbackSuccessful" | "RollbackFailed" => take_back(refresh, "aws", "AWS is rolling the refresh back"),
        "Failed" if plan.bound.kind == Kind::Deploy => take_back(refresh, "fleetgate", "AWS ended the refresh as Failed"),
        "Failed" => done(State::Failed, with_reason("AWS ended the refresh as Failed. Instances of both versions may run", refresh)),
        "Cancelling" => wait(Step::Roll, State::Cancelling, "The refresh is being cancelled, not by Fleetgate."),
        "Cancelled" => {
            done(State::Cancelled, with_reason("The refresh was cancelled outside Fleetgate. Instances of both versions may run", refresh))
        }
        other => Decision::Attention {
            step: Step::Roll,
            sentence: format!("AWS reports a status that is unknown here: {other}. Nothing is concluded from it."),
        },
    }
}

fn take_back(refresh: &Refresh, by: &'static str, what: &str) -> Decision {
    Decision::TakeBack { instance: None, why: with_reason(what, refresh), by }
}

fn with_reason(what: &str, refresh: &Refresh) -> String {
    match &refresh.reason {
        Some(reason) => format!("{what}: {reason}"),
        None => format!("{what}."),
    }
}

/// A deploy is taken back; a rollback or a replacement has nothing better to go back to, so a person decides.
fn fail_early(plan: &Plan, progress: &Progress, instance: Option<&str>, why: String) -> Decision {
    if plan.bound.kind == Kind::Deploy {
        return Decision::TakeBack { instance: instance.map(str::to_owned), why, by: "fleetgate" };
    }
    Decision::Attention { step: Step::Roll, sentence: format!("{why} {} Stop it here, or let it go on.", sentence(plan, &progress.counts)) }
}

/// `v5`, where the change brings a release.
fn wanted_words(plan: &Plan) -> String {
    plan.bound.release.map_or_else(|| "the new version".to_owned(), |n| format!("v{n}"))
}

/// `1 of 2 instances run v5 and are healthy, 1 is starting, 1 is old.`
fn sentence(plan: &Plan, c: &Counts) -> String {
    let mut out = format!("{} of {} instances run {} and are healthy", c.new_healthy, c.total, wanted_words(plan));
    for (n, one, many) in [
        (c.warming, "is starting", "are starting"),
        (c.failed, "fails", "fail"),
        (c.leaving, "is leaving", "are leaving"),
        (c.old, "is old", "are old"),
    ] {
        if n > 0 {
            out.push_str(&format!(", {n} {}", if n == 1 { one } else { many }));
        }
    }
    out.push('.');
    out
}

/// Three looks in a row, or a named contradiction.
fn prove(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group, version: i64, step: Step, end: State) -> Decision {
    let none = BTreeSet::new();
    let undoing = end == State::Undone;
    let old = progress.old_instances.clone();
    let wanted = Wanted { version, not: if undoing { &none } else { &old } };
    if undoing {
        evidence::note(&mut progress.seen, obs, group, &wanted);
        progress.counts = evidence::count(obs, group, &wanted, None);
    }
    let (warmup, ignore) = plan.bound.preferences.as_ref().map_or((0, false), |p| (p.warmup_seconds, p.protected == OnHold::Ignore));
    let mut proof = evidence::prove(&progress.seen, obs, group, &wanted, warmup, ignore);
    if group_version(group) != Some(version) {
        proof.against.push(format!("the group does not use version {version}"));
    }
    if proof.against.is_empty() {
        progress.contradiction_since = None;
        progress.proofs += 1;
        if progress.proofs >= PROOFS {
            let young =
                if proof.young.is_empty() { String::new() } else { format!(" Still warming up, and not counted: {}.", proof.young.join(", ")) };
            let what = match (end, plan.bound.kind) {
                (State::Undone, _) => "Taken back: every counted instance runs the old version and is healthy.",
                (_, Kind::Replace) => "Every instance was replaced and is healthy.",
                _ => &format!("Every counted instance runs {} and is healthy.", wanted_words(plan)),
            };
            return done(end, format!("{what}{young}"));
        }
        let state = if undoing { State::Undoing } else { State::Baking };
        return wait(step, state, format!("Proving the end: look {} of {PROOFS} agrees.", progress.proofs));
    }
    progress.proofs = 0;
    let words = format!("AWS calls it done, but {}.", proof.against.join("; "));
    let since = *progress.contradiction_since.get_or_insert(obs.at);
    if obs.at - since > CONTRADICTION_MS {
        return Decision::Attention { step, sentence: words };
    }
    wait(step, if undoing { State::Undoing } else { State::Baking }, words)
}

/// Taking back: the fastest way that AWS still allows.
fn undo(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let why = progress.undo.as_ref().map_or_else(String::new, |u: &Undo| u.why.clone());
    let Some(id) = progress.refresh.clone() else {
        return done(State::Undone, format!("Taken back before anything was replaced. {why}"));
    };
    let Some(old) = plan.old_version else {
        return done(State::UndoFailed, "The old template version is not known, so there is nothing to go back to.");
    };
    let none = BTreeSet::new();
    let back = Wanted { version: old, not: &none };
    let words = |progress: &mut Progress| {
        progress.counts = evidence::count(obs, group, &back, None);
        let c = &progress.counts;
        format!("Taking back: {} of {} instances run the old version and are healthy. Cause: {why}", c.new_healthy, c.total)
    };
    if let Some(undo_id) = progress.undo_refresh.clone() {
        let Some(refresh) = obs.refresh(&undo_id) else {
            return wait(Step::Undo, State::Undoing, "AWS has accepted the refresh back and does not list it yet.");
        };
        return match refresh.status.as_str() {
            "Successful" => finish_undo(plan, progress, obs, group, old, &why),
            "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful" => {
                done(State::UndoFailed, with_reason(&format!("The refresh back to version {old} ended as {}", refresh.status), refresh))
            }
            _ => wait(Step::Undo, State::Undoing, words(progress)),
        };
    }
    let Some(refresh) = obs.refresh(&id) else {
        return wait(Step::Undo, State::Undoing, "AWS does not list the refresh now.");
    };
    let status = refresh.status.as_str();
    match status {
        "Pending" | "InProgress" | "Baking" if progress.irreversible => {
            if progress.cancel_asked {
                wait(Step::Undo, State::Undoing, "AWS is stopping the refresh before it is taken back.")
            } else {
                Decision::Act(Step::CancelRefresh)
            }
        }
        "Pending" | "InProgress" | "Baking" if progress.rollback_asked => {
            wait(Step::Undo, State::Undoing, "AWS accepted the rollback and has not begun it yet.")
        }
        "Pending" | "InProgress" | "Baking" => Decision::Act(Step::RollBack),
        "RollbackInProgress" | "Cancelling" => wait(Step::Undo, State::Undoing, words(progress)),
        "RollbackSuccessful" => finish_undo(plan, progress, obs, group, old, &why),
        "RollbackFailed" => {
            done(State::UndoFailed, with_reason("AWS could not roll back. Instances of both versions may run; roll back or deploy again", refresh))
        }
        "Failed" | "Cancelled" if all_on(group, old) && group_version(group) == Some(old) => finish_undo(plan, progress, obs, group, old, &why),
        "Successful" | "Failed" | "Cancelled" => {
            if let Some(foreign) = obs.active_refresh() {
                return wait(
                    Step::StartUndo,
                    State::Undoing,
                    format!("Waiting to take back: another instance refresh ({}) is {}.", foreign.id, foreign.status),
                );
            }
            Decision::Act(Step::StartUndo)
        }
        other => Decision::Attention {
            step: Step::Undo,
            sentence: format!("AWS reports a status that is unknown here: {other}. Nothing is concluded from it."),
        },
    }
}

fn finish_undo(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group, old: i64, why: &str) -> Decision {
    match prove(plan, progress, obs, group, old, Step::Undo, State::Undone) {
        Decision::Done { state, sentence } => done(state, format!("{sentence} Cause: {why}")),
        other => other,
    }
}

fn all_on(group: &Group, version: i64) -> bool {
    group.instances.iter().filter(|i| !i.leaving() && !i.standby()).all(|i| i.template_version == Some(version))
}

/// Stopping where it is: both versions may stay, and the page says so.
fn stop(_plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let by = progress.stop.as_ref().map_or_else(String::new, |s| s.by.clone());
    let Some(id) = progress.refresh.clone() else {
        return done(State::Cancelled, format!("Stopped by {by} before anything was replaced."));
    };
    let Some(refresh) = obs.refresh(&id) else {
        return wait(Step::Stop, State::Cancelling, "AWS does not list the refresh now.");
    };
    let old = progress.old_instances.clone();
    let wanted = Wanted { version: progress.new_version.unwrap_or_default(), not: &old };
    progress.counts = evidence::count(obs, group, &wanted, None);
    let c = progress.counts.clone();
    let mixed = format!("{} instances run the new version, {} the old one; the group launches its old version", c.new_healthy + c.warming, c.old);
    match refresh.status.as_str() {
        "Pending" | "InProgress" | "Baking" if progress.cancel_asked => {
            wait(Step::Stop, State::Cancelling, "AWS accepted the cancel and has not begun it yet.")
        }
        "Pending" | "InProgress" | "Baking" => Decision::Act(Step::CancelRefresh),
        "Cancelling" => wait(Step::Stop, State::Cancelling, format!("AWS is stopping the refresh: {mixed}.")),
        "Cancelled" => done(State::Cancelled, format!("Stopped by {by}: {mixed}.")),
        "Successful" => done(
            State::Cancelled,
            format!("The refresh had ended before {by}'s stop reached it: every instance was replaced, and nothing was verified."),
        ),
        "RollbackInProgress" => wait(Step::Stop, State::Cancelling, format!("AWS is rolling the refresh back, not by Fleetgate: {mixed}.")),
        "Failed" | "RollbackSuccessful" | "RollbackFailed" => {
            done(State::Cancelled, with_reason(&format!("The refresh ended as {} while being stopped: {mixed}", refresh.status), refresh))
        }
        other => Decision::Attention {
            step: Step::Stop,
            sentence: format!("AWS reports a status that is unknown here: {other}. Nothing is concluded from it."),
        },
    }
}
