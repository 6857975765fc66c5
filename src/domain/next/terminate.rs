//! `terminate`: tell one instance to go, then watch it go and, where asked, its successor arrive.

use super::{Decision, done, may_be_old, wait};
use crate::domain::change::{Progress, State, Step};
use crate::domain::evidence::{Counts, Health, health};
use crate::domain::observation::{Group, Observation};
use crate::domain::plan::Plan;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation, group: &Group) -> Decision {
    let Some(id) = plan.bound.instance.as_deref() else {
        return done(State::Failed, "The plan names no instance. Nothing was sent to AWS.");
    };
    let there = group.instances.iter().find(|i| i.id == id);
    if let Some(stop) = progress.stop.as_ref().or(progress.undo.as_ref()) {
        let sent =
            if progress.terminate_asked { "AWS was already told to terminate it, which can not be taken back" } else { "Nothing was sent to AWS" };
        return done(State::Cancelled, format!("Stopped by {}. {sent}.", stop.by));
    }
    let leaving = there.is_none_or(super::super::observation::GroupInstance::leaving);
    if !progress.terminate_asked && !leaving {
        // Before each send: what was not the last healthy instance when asked may be it now.
        let others = group.instances.iter().filter(|i| i.id != id && i.in_service() && health(obs, i) == Health::Healthy).count();
        if others == 0 {
            return done(
                State::Failed,
                format!("{id} is the last healthy instance now, so it was not terminated. Nothing was changed. Raise the capacity first."),
            );
        }
        return Decision::Act(Step::TerminateInstance);
    }
    if there.is_none() && !progress.terminate_asked && may_be_old(progress, obs) {
        return wait(Step::Leave, State::Running, format!("{id} is not in the group's list. Looking again, because a read may lag."));
    }
    let serving = i32::try_from(group.instances.iter().filter(|i| i.in_service()).count()).unwrap_or(i32::MAX);
    progress.counts = Counts { total: group.desired, new_healthy: serving, leaving: i32::from(there.is_some()), ..Counts::default() };
    match there {
        Some(i) if !i.leaving() => wait(Step::Leave, State::Running, format!("AWS accepted it; {id} is still {}.", i.lifecycle)),
        Some(i) => wait(Step::Leave, State::Running, format!("{id} is leaving ({}): its connections drain.", i.lifecycle)),
        None if serving < group.desired => {
            wait(Step::Leave, State::Running, format!("{id} is gone; {serving} of {} instances are in service.", group.desired))
        }
        None if plan.bound.shrink && group.desired >= plan.seen.desired => {
            let how = if progress.terminate_asked { "is gone" } else { "left by itself before AWS took the call" };
            done(State::Failed, format!("{id} {how}; desired is still {}, and was not lowered.", group.desired))
        }
        None if !progress.terminate_asked => {
            done(State::Succeeded, format!("{id} left by itself; {serving} of {} instances are in service.", group.desired))
        }
        None => done(State::Succeeded, format!("{id} is gone; {serving} of {} instances are in service.", group.desired)),
    }
}
