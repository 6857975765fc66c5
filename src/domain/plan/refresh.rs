//! The plan of `refresh`: stop or roll back an instance refresh that somebody else started.

use super::{Difference, Facts, Plan, PlannedStep, bound, commands, ok, refuse_field, warn};
use crate::domain::change::{Kind, RefreshMode, Step};
use crate::domain::environment::Environment;
use crate::domain::observation::{Group, Observation};
use crate::domain::problem::Problem;

pub(super) fn plan(env: &Environment, facts: &Facts, obs: &Observation, group: &Group, id: &str, mode: RefreshMode) -> Result<Plan, Problem> {
    let mut checks = Vec::new();
    let found = obs.refresh(id);
    match found {
        None => checks.push(refuse_field("foreign_refresh", "refresh", format!("AWS lists no instance refresh `{id}` of this group."))),
        Some(_) if facts.own_refreshes.contains(id) => {
            checks.push(refuse_field("foreign_refresh", "refresh", "Fleetgate started it: cancel or undo its change instead."));
        }
        Some(r) if !r.active() => {
            checks.push(refuse_field("foreign_refresh", "refresh", format!("It has ended ({}). There is nothing left to stop.", r.status)));
        }
        Some(r) => checks.push(ok("foreign_refresh", format!("{} is {}, and was not started by Fleetgate.", r.id, r.status))),
    }
    let status = found.map(|r| r.status.clone());
    let (step, words, cli, after) = match mode {
        RefreshMode::Cancel => (Step::CancelRefresh, "Stop the refresh where it is: both versions stay", commands::cancel(env), "Cancelled"),
        RefreshMode::RollBack => (Step::RollBack, "Let AWS take the refresh back", commands::roll_back(env), "RollbackSuccessful"),
    };
    if mode == RefreshMode::RollBack {
        let numbered = found.and_then(|r| r.desired.as_ref()).is_some_and(|d| d.number().is_some());
        if !numbered {
            checks.push(warn("reversible", "It names no numbered template version, so AWS may refuse to roll it back; stopping it works."));
        }
    }
    let mut bound = bound(env, group, Kind::Refresh);
    bound.refresh = Some((id.to_owned(), mode));
    Ok(Plan {
        sentence: format!("{words} ({id}) on {}.", env.scope()),
        diff: vec![Difference { field: "refresh".into(), before: status, after: Some(after.into()) }],
        steps: vec![
            PlannedStep { step, sentence: format!("{words}."), cli: Some(cli) },
            PlannedStep { step: Step::Stop, sentence: "Watch it end.".into(), cli: None },
            PlannedStep { step: Step::Settle, sentence: "Write down the outcome.".into(), cli: None },
        ],
        ways_out: Vec::new(),
        old_version: super::numbered(group).ok().map(|(_, n)| n),
        old_digest: None,
        seen: super::seen(group),
        boot_budget_seconds: env.policy.boot_budget(group.grace_seconds, None),
        desired: group.desired,
        bound,
        checks,
    })
}
