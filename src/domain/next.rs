//! What a running change does next: `next(plan, progress, observation)` is pure, so any end can be replayed.
//!
//! **Invariant:** success is said on evidence alone (design invariant 8); a status that we do not know is shown and never
//! read as an end; what was decided once (undo, stop) is never forgotten.

pub(crate) mod capacity;
mod pin;
mod refresh;
mod rollout;
pub(crate) mod settings;
mod terminate;

use super::change::{Kind, Progress, State, Step};
use super::foreign;
use super::observation::{Group, Millis, Observation};
use super::plan::Plan;

/// Cloud milliseconds between two looks at a running change (aws-reference 16.1).
pub const POLL_MS: i64 = 10_000;
/// Cloud milliseconds between two looks at one that waits for a person.
pub const SLOW_POLL_MS: i64 = 60_000;
/// Polls in a row that must prove the end.
pub const PROOFS: u32 = 3;
/// Cloud milliseconds after which a contradiction at the end is shown as such.
const CONTRADICTION_MS: i64 = 1_200_000;

/// Cloud milliseconds that a read may lag behind an accepted call (design invariant 3).
const LAG_MS: i64 = 30_000;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Perform this act: look, act if it is not yet done, verify.
    Act(Step),
    /// Nothing until the next look.
    Wait {
        /// The step that is being watched.
        step: Step,
        /// The state to show.
        state: State,
        /// One sentence: what is waited for.
        sentence: String,
    },
    /// Take the change back. The evidence of `instance` is kept first.
    TakeBack {
        /// The failing instance, where one is the cause.
        instance: Option<String>,
        /// One sentence.
        why: String,
        /// `fleetgate` or `aws`.
        by: &'static str,
    },
    /// A person must look; goes on by itself when it ends.
    Attention {
        /// The step that is being watched.
        step: Step,
        /// One sentence.
        sentence: String,
    },
    /// The end.
    Done {
        /// A final state.
        state: State,
        /// One sentence.
        sentence: String,
    },
}

/// Decides. Returns the progress to keep with the decision.
pub fn next(plan: &Plan, mut progress: Progress, obs: &Observation, deadline_minutes: i64) -> (Progress, Decision) {
    let group = match &obs.group {
        Some(g) if g.arn == plan.bound.group_arn => g,
        Some(_) => {
            return (
                progress,
                attention(
                    "The group was recreated under the same name. Nothing is sent to a stranger; force-close this change and adopt the new group.",
                ),
            );
        }
        None => {
            return (
                progress,
                attention("AWS no longer lists the group. It may have been deleted. Nothing is sent; force-close this change if that is so."),
            );
        }
    };
    let started = *progress.started_at.get_or_insert(obs.at);
    if let Some(words) = foreign::scaling(obs, started) {
        progress.scaled = Some(words);
    }
    let proofs = progress.proofs;
    let decision = match plan.bound.kind {
        Kind::Deploy | Kind::Rollback | Kind::Replace => rollout::next(plan, &mut progress, obs, group),
        Kind::Pin => pin::next(plan, &mut progress, obs, group),
        Kind::Capacity => capacity::next(plan, &mut progress, obs, group),
        Kind::Terminate => terminate::next(plan, &mut progress, obs, group),
        Kind::Settings => settings::next(plan, &mut progress, obs, group),
        Kind::Refresh => refresh::next(plan, &mut progress, obs),
    };
    let decision = with_debts(plan, &mut progress, group, decision);
    // In a row: a look that proves nothing begins the count anew.
    if progress.proofs == proofs {
        progress.proofs = 0;
    }
    let (since, limit, what) = deadline(&progress, started, deadline_minutes);
    let decision = match decision {
        Decision::Wait { step, sentence, .. } if obs.at - since > limit * 60_000 => {
            Decision::Attention { step, sentence: format!("{what} takes longer than {limit} minutes. {sentence}") }
        }
        other => other,
    };
    match &decision {
        Decision::Attention { .. } => {
            progress.attention_since.get_or_insert(obs.at);
        }
        _ => progress.attention_since = None,
    }
    (progress, decision)
}

/// So soon after the beginning that the look may be from before whatever the change puts right: what it shows without an act of ours
/// proves nothing yet.
fn may_be_old(progress: &Progress, obs: &Observation) -> bool {
    progress.started_at.is_some_and(|at| (0..=LAG_MS).contains(&(obs.at - at)))
}

/// Minutes that stopping a change may take before a person is asked to look: AWS stops a refresh within minutes.
const STOP_MINUTES: i64 = 30;

/// Each state's deadline: since when (cloud clock), how many minutes, and of what. Being stopped or taken back starts a new one.
fn deadline(progress: &Progress, started: Millis, minutes: i64) -> (Millis, i64, &'static str) {
    match (&progress.undo, &progress.stop) {
        (Some(undo), _) => (undo.at, minutes, "Taking it back"),
        (None, Some(stop)) => (stop.at, STOP_MINUTES.min(minutes), "Stopping it"),
        (None, None) => (started, minutes, "This"),
    }
}

/// Borrows before the refresh starts, and pays back before any end: what was suspended for the rollout is resumed however it ends.
fn with_debts(plan: &Plan, progress: &mut Progress, group: &Group, decision: Decision) -> Decision {
    let Some(prefs) = plan.bound.preferences.as_ref().filter(|p| !p.suspend.is_empty()) else { return decision };
    match decision {
        Decision::Act(Step::StartRefresh) if !progress.suspended => {
            if progress.debts.is_empty() {
                // What others suspended before stays theirs.
                progress.debts = prefs.suspend.iter().filter(|p| !group.suspended.contains(p)).cloned().collect();
            }
            if progress.debts.is_empty() {
                progress.suspended = true;
                return decision;
            }
            Decision::Act(Step::Suspend)
        }
        Decision::Done { .. } if progress.debts.is_empty() => decision,
        // Also where the group shows nothing suspended: that read may be older than our own suspension.
        Decision::Done { .. } if !progress.resumed => Decision::Act(Step::Resume),
        Decision::Done { .. } if !settings::none_suspended(&progress.debts, group) => {
            wait(Step::Resume, State::Running, format!("AWS accepted that {} is resumed and does not show it yet.", progress.debts.join(", ")))
        }
        Decision::Done { .. } => {
            progress.debts.clear();
            decision
        }
        other => other,
    }
}

fn attention(sentence: &str) -> Decision {
    Decision::Attention { step: Step::Settle, sentence: sentence.into() }
}

fn wait(step: Step, state: State, sentence: impl Into<String>) -> Decision {
    Decision::Wait { step, state, sentence: sentence.into() }
}

fn done(state: State, sentence: impl Into<String>) -> Decision {
    Decision::Done { state, sentence: sentence.into() }
}

fn group_version(group: &Group) -> Option<i64> {
    match &group.launch {
        super::observation::LaunchSource::Template(t) => t.number(),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
