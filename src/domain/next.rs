//! What a running change does next: `next(plan, progress, observation)` is pure, so any end can be replayed.
//!
//! **Invariant:** success is said on evidence alone (design invariant 8); a status that we do not know is shown and never
//! read as an end; what was decided once (undo, stop) is never forgotten.

pub(crate) mod capacity;
mod pin;
mod rollout;
mod terminate;

use super::change::{Kind, Progress, State, Step};
use super::observation::{Group, Observation};
use super::plan::Plan;

/// Cloud milliseconds between two looks at a running change (aws-reference 16.1).
pub const POLL_MS: i64 = 10_000;
/// Cloud milliseconds between two looks at one that waits for a person.
pub const SLOW_POLL_MS: i64 = 60_000;
/// Polls in a row that must prove the end.
pub const PROOFS: u32 = 3;
/// Cloud milliseconds after which a contradiction at the end is shown as such.
const CONTRADICTION_MS: i64 = 1_200_000;

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
    let proofs = progress.proofs;
    let decision = match plan.bound.kind {
        Kind::Deploy | Kind::Rollback | Kind::Replace => rollout::next(plan, &mut progress, obs, group),
        Kind::Pin => pin::next(plan, &mut progress, group),
        Kind::Capacity => capacity::next(plan, &mut progress, obs, group),
        Kind::Terminate => terminate::next(plan, &mut progress, obs, group),
    };
    // In a row: a look that proves nothing begins the count anew.
    if progress.proofs == proofs {
        progress.proofs = 0;
    }
    let late = obs.at - started > deadline_minutes * 60_000;
    let decision = match decision {
        Decision::Wait { step, sentence, .. } if late => Decision::Attention {
            step,
            sentence: format!("This takes longer than the {deadline_minutes} minutes of the environment's policy. {sentence}"),
        },
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
mod tests;
