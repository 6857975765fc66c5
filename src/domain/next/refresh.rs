//! `refresh`: stop or roll back a refresh that somebody else started, then watch it end.

use super::{Decision, done, wait};
use crate::domain::change::{Progress, RefreshMode, State, Step};
use crate::domain::observation::Observation;
use crate::domain::plan::Plan;

pub(super) fn next(plan: &Plan, progress: &mut Progress, obs: &Observation) -> Decision {
    let Some((id, mode)) = &plan.bound.refresh else { return done(State::Failed, "The plan names no refresh. Nothing was sent to AWS.") };
    // The acts of AWS name the group alone: `find_done` looks this refresh up by it.
    progress.refresh = Some(id.clone());
    if let Some(stop) = progress.stop.as_ref().or(progress.undo.as_ref()) {
        let sent = progress.cancel_asked || progress.rollback_asked;
        let words = if sent { "AWS was told already, which can not be taken back" } else { "Nothing was sent to AWS" };
        return done(State::Cancelled, format!("Stopped by {}. {words}.", stop.by));
    }
    let Some(refresh) = obs.refresh(id) else { return wait(Step::Stop, State::Running, "AWS does not list the refresh now.") };
    let asked = match mode {
        RefreshMode::Cancel => progress.cancel_asked,
        RefreshMode::RollBack => progress.rollback_asked,
    };
    let reason = refresh.reason.as_ref().map_or_else(String::new, |r| format!(" AWS says: {r}"));
    match (refresh.status.as_str(), mode) {
        ("Cancelled", RefreshMode::Cancel) => done(State::Succeeded, format!("{id} was stopped. Instances of both versions may run.{reason}")),
        ("RollbackSuccessful", RefreshMode::RollBack) => done(State::Succeeded, format!("AWS took {id} back.{reason}")),
        (status, _) if !refresh.active() => done(
            State::Failed,
            format!("{id} ended as {status} before it could be {}.{reason}", if *mode == RefreshMode::Cancel { "stopped" } else { "taken back" }),
        ),
        _ if progress.irreversible => {
            done(State::Failed, format!("AWS can not roll {id} back, because it names no numbered template version. Stop it instead."))
        }
        (status, _) if asked => wait(Step::Stop, State::Running, format!("AWS accepted it; {id} is {status}.")),
        (_, RefreshMode::Cancel) => Decision::Act(Step::CancelRefresh),
        (_, RefreshMode::RollBack) => Decision::Act(Step::RollBack),
    }
}
