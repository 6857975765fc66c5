//! `pin`: three acts in an order that deploys nothing.

use super::{Decision, done, group_version, may_be_old, wait};
use crate::domain::change::{Progress, State, Step};
use crate::domain::observation::{Group, Observation};
use crate::domain::plan::Plan;
use crate::domain::release::short;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let Some(template) = &plan.bound.template else {
        return done(State::Failed, "The plan names no launch template. Nothing was sent to AWS.");
    };
    if let Some(stop) = progress.stop.as_ref().or(progress.undo.as_ref()) {
        return done(
            State::Cancelled,
            format!(
                "Stopped by {}. The group uses {}.",
                stop.by,
                group_version(group).map_or_else(|| "no numbered version".into(), |v| format!("version {v}"))
            ),
        );
    }
    if progress.new_version.is_none() {
        progress.new_version = template.reuse;
    }
    let now = group_version(group);
    let target = progress.new_version;
    // Nothing of ours made it so: a read may be from before somebody let the group follow `$Latest`, and a version made now would roll.
    if (now == target || now == Some(template.base))
        && now.is_some()
        && !progress.pinned_current
        && !progress.pinned_version
        && may_be_old(progress, obs)
    {
        return wait(Step::PinCurrent, State::Running, "The group shows a numbered version already. Looking again, because a read may lag.");
    }
    if now.is_some() && now == target {
        progress.pinned_version = true;
        let digest = plan.bound.digest.as_deref().map_or_else(String::new, |d| format!(", which launches {}", short(d)));
        return done(State::Succeeded, format!("The group uses version {}{digest}. No instance was replaced.", target.unwrap_or_default()));
    }
    if now != Some(template.base) {
        if progress.pinned_current {
            return wait(Step::PinCurrent, State::Running, "AWS accepted the numbered version and does not show it yet.");
        }
        return Decision::Act(Step::PinCurrent);
    }
    progress.pinned_current = true;
    if target.is_none() {
        return Decision::Act(Step::CreateVersion);
    }
    if progress.pinned_version {
        return wait(Step::PinVersion, State::Running, "AWS accepted the new version and does not show it yet.");
    }
    Decision::Act(Step::PinVersion)
}
