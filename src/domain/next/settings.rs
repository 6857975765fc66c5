//! `settings`: suspend, resume, set; then see the group show it.

use super::{Decision, done, group_version, may_be_old, wait};
use crate::domain::change::{Progress, Settings, State, Step};
use crate::domain::observation::{Group, Observation};
use crate::domain::plan::Plan;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let Some(s) = &plan.bound.settings else { return done(State::Failed, "The plan names no settings. Nothing was sent to AWS.") };
    if let Some(stop) = progress.stop.as_ref().or(progress.undo.as_ref()) {
        let sent = progress.suspended || progress.resumed || progress.group_set;
        let words = if sent { "What was sent to AWS stays" } else { "Nothing was sent to AWS" };
        return done(State::Cancelled, format!("Stopped by {}. {words}.", stop.by));
    }
    let lags = "AWS accepted it and does not show it yet, or someone changed it since.";
    if !all_suspended(&s.suspend, group) {
        return if progress.suspended { wait(Step::Suspend, State::Running, lags) } else { Decision::Act(Step::Suspend) };
    }
    if !none_suspended(&s.resume, group) {
        return if progress.resumed { wait(Step::Resume, State::Running, lags) } else { Decision::Act(Step::Resume) };
    }
    if !is_set(s, group) {
        if progress.group_set {
            return wait(Step::SetGroup, State::Running, lags);
        }
        // Before each send: a version that moved since belongs to someone else.
        let base = plan.bound.template.as_ref().map(|t| t.base);
        if base.is_some() && group_version(group) != base {
            return done(
                State::Failed,
                "What the group launches moved meanwhile. Nothing was sent over it. Look at the environment again, then ask again.",
            );
        }
        return Decision::Act(Step::SetGroup);
    }
    let sets = *s != Settings { suspend: s.suspend.clone(), resume: s.resume.clone(), ..Settings::default() };
    let parts = [(!s.suspend.is_empty(), progress.suspended), (!s.resume.is_empty(), progress.resumed), (sets, progress.group_set)];
    if parts.iter().any(|(needed, sent)| *needed && !sent) && may_be_old(progress, obs) {
        return wait(Step::Settle, State::Running, "The group shows it although not all of it was sent. Looking again, because a read may lag.");
    }
    done(State::Succeeded, "The group shows every setting that was asked for.")
}

/// Are all of these processes suspended?
pub(crate) fn all_suspended(names: &[String], group: &Group) -> bool {
    names.iter().all(|n| group.suspended.contains(n))
}

/// Is none of these processes suspended?
pub(crate) fn none_suspended(names: &[String], group: &Group) -> bool {
    !names.iter().any(|n| group.suspended.contains(n))
}

/// Does the group launch, and judge health, as asked?
pub(crate) fn is_set(s: &Settings, group: &Group) -> bool {
    s.template_version.is_none_or(|v| group_version(group) == Some(v))
        && s.grace_seconds.is_none_or(|v| group.grace_seconds == v)
        && s.health_check.as_ref().is_none_or(|v| group.health_check_type == *v)
}
