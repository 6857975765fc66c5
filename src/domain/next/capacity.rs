//! `capacity`: set the edited figures, then watch the group reach them.

use super::{Decision, LAG_MS, done, may_be_old, wait};
use crate::domain::change::{Progress, State, Step};
use crate::domain::evidence::Counts;
use crate::domain::observation::{Group, Observation};
use crate::domain::plan::Plan;

/// Cloud milliseconds that a group may take to reach its size before a person is asked to look.
const SLOW_MS: i64 = 1_800_000;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let b = &plan.bound;
    let as_asked = is_set(plan, group);
    if let Some(stop) = progress.stop.as_ref().or(progress.undo.as_ref()) {
        let sent = if progress.capacity_set { "The figures stay as they were sent" } else { "Nothing was sent to AWS" };
        return done(State::Cancelled, format!("Stopped by {}. {sent}: {}/{}/{}.", stop.by, group.min, group.desired, group.max));
    }
    if !progress.capacity_set && !as_asked {
        // Before each send: a figure that is edited and moved since belongs to someone else.
        let s = &plan.seen;
        let figures =
            [("min", b.set_min, s.min, group.min), ("desired", b.set_desired, s.desired, group.desired), ("max", b.set_max, s.max, group.max)];
        if let Some((name, wish, was, now)) = figures.into_iter().find(|(_, wish, was, now)| wish.is_some_and(|w| w != *now) && was != now) {
            let wish = wish.unwrap_or(now);
            return done(
                State::Failed,
                format!("{name} was {was} and is now {now}, so {wish} was not sent. Nothing was changed. Look again, then ask again."),
            );
        }
        return Decision::Act(Step::SetCapacity);
    }
    if !progress.capacity_set && may_be_old(progress, obs) {
        return wait(Step::Resize, State::Running, "The group shows the figures although nothing was sent. Looking again, because a read may lag.");
    }
    progress.capacity_set = true;
    let since = obs.at - *progress.capacity_set_at.get_or_insert(obs.at);
    let serving = i32::try_from(group.instances.iter().filter(|i| i.in_service()).count()).unwrap_or(i32::MAX);
    let leaving = i32::try_from(group.instances.iter().filter(|i| i.leaving()).count()).unwrap_or(i32::MAX);
    progress.counts = Counts { total: group.desired, new_healthy: serving, leaving, ..Counts::default() };
    let limits_hold = b.set_min.is_none_or(|v| v == group.min) && b.set_max.is_none_or(|v| v == group.max);
    let figures = format!("{}/{}/{}", group.min, group.desired, group.max);
    // A read may lag behind: what is not shown yet is not concluded from.
    if !as_asked && since <= LAG_MS {
        return wait(Step::Resize, State::Running, format!("AWS accepted the figures and shows {figures}. Waiting for it to show them."));
    }
    if !limits_hold {
        return wait(
            Step::Resize,
            State::Running,
            format!("AWS accepted the figures and shows {figures}: either it lags, or someone changed them since."),
        );
    }
    // More than wanted may serve while a deploy replaces instances beside this.
    let shrinks = plan.diff.iter().any(|d| d.field == "desired" && number(d.before.as_deref()) > number(d.after.as_deref()));
    if serving == group.desired || (serving > group.desired && !shrinks) {
        let moved =
            if b.set_desired.is_some_and(|v| v != group.desired) { " Desired was moved since by autoscaling or by someone else." } else { "" };
        return done(State::Succeeded, format!("The group is at {figures} (min/desired/max) with {serving} instances in service.{moved}"));
    }
    let words = format!("{serving} of {} instances are in service.", group.desired);
    let started = progress.started_at.unwrap_or(obs.at);
    if obs.at - started > SLOW_MS {
        let failed = obs.activities.iter().find(|a| a.status == "Failed").and_then(|a| a.message.clone());
        let why = failed.map_or_else(String::new, |m| format!(" AWS says: {m}"));
        return Decision::Attention { step: Step::Resize, sentence: format!("The figures are set, but only {words}{why}") };
    }
    wait(Step::Resize, State::Running, words)
}

fn number(text: Option<&str>) -> i32 {
    text.and_then(|t| t.parse().ok()).unwrap_or_default()
}

/// Does the group show every figure that was asked for?
pub(crate) fn is_set(plan: &Plan, group: &Group) -> bool {
    let b = &plan.bound;
    b.set_min.is_none_or(|v| v == group.min) && b.set_max.is_none_or(|v| v == group.max) && b.set_desired.is_none_or(|v| v == group.desired)
}
