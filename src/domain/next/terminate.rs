//! `terminate`: tell one instance to go, then watch it go and, where asked, its successor arrive.

use super::{Decision, done, wait};
use crate::domain::change::{Progress, State, Step};
use crate::domain::evidence::Counts;
use crate::domain::observation::{Group, Observation};
use crate::domain::plan::Plan;

pub(super) fn next(plan: &Plan, progress: &mut Progress, _obs: &Observation, group: &Group) -> Decision {
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
        return Decision::Act(Step::TerminateInstance);
    }
    progress.terminate_asked = true;
    let serving = i32::try_from(group.instances.iter().filter(|i| i.in_service()).count()).unwrap_or(i32::MAX);
    progress.counts = Counts { total: group.desired, new_healthy: serving, leaving: i32::from(there.is_some()), ..Counts::default() };
    match there {
        Some(i) if !i.leaving() => wait(Step::Leave, State::Running, format!("AWS accepted it; {id} is still {}.", i.lifecycle)),
        Some(i) => wait(Step::Leave, State::Running, format!("{id} is leaving ({}): its connections drain.", i.lifecycle)),
        None if serving < group.desired => {
            wait(Step::Leave, State::Running, format!("{id} is gone; {serving} of {} instances are in service.", group.desired))
        }
        None => done(State::Succeeded, format!("{id} is gone; {serving} of {} instances are in service.", group.desired)),
    }
}
