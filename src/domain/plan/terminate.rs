//! The plan of `terminate`: one instance, with or without a successor.

use super::{Difference, Plan, PlannedStep, bound, commands, ok, refuse_field, wait};
use crate::domain::change::{Kind, Step};
use crate::domain::environment::Environment;
use crate::domain::evidence::{Health, health};
use crate::domain::observation::{Group, Observation};
use crate::domain::problem::Problem;

pub(super) fn plan(env: &Environment, obs: &Observation, group: &Group, instance: &str, shrink: bool) -> Result<Plan, Problem> {
    let mut checks = Vec::new();
    match group.instances.iter().find(|i| i.id == instance) {
        None => checks.push(refuse_field(
            "instance",
            "instance",
            format!("`{instance}` is no instance of {}. Take an id from the environment's list.", env.asg),
        )),
        Some(i) if i.leaving() => {
            checks.push(refuse_field("instance", "instance", format!("{instance} is on its way out already ({}).", i.lifecycle)))
        }
        Some(i) => checks.push(ok("instance", format!("{instance} in {} is {}.", i.zone, i.lifecycle))),
    }
    let others = group.instances.iter().filter(|i| i.id != instance && i.in_service() && health(obs, i) == Health::Healthy).count();
    if others == 0 {
        let sentence = "It is the last healthy instance: terminating it would stop the application. Raise the capacity first";
        checks.push(refuse_field("last_healthy", "instance", sentence));
    }
    if shrink && group.desired <= group.min {
        checks.push(refuse_field(
            "shrink",
            "shrink",
            format!(
                "desired is {} and min is {}: AWS would refuse to shrink. Lower min first, or terminate without shrink",
                group.desired, group.min
            ),
        ));
    }
    if shrink && obs.active_refresh().is_some() {
        checks.push(wait("no_refresh", "An instance refresh runs. Shrinking waits for its end."));
    }
    let mut bound = bound(env, group, Kind::Terminate);
    bound.instance = Some(instance.into());
    bound.shrink = shrink;
    let mut diff = vec![Difference { field: "instance".into(), before: Some(instance.into()), after: None }];
    if shrink {
        diff.push(Difference { field: "desired".into(), before: Some(group.desired.to_string()), after: Some((group.desired - 1).to_string()) });
    }
    let end = if shrink { "desired falls by one" } else { "the group launches a successor" };
    Ok(Plan {
        sentence: format!("Terminate {instance} of {}; {end}.", env.scope()),
        steps: vec![
            PlannedStep {
                step: Step::TerminateInstance,
                sentence: format!("Terminate {instance}; {end}."),
                cli: Some(commands::terminate(env, instance, shrink)),
            },
            PlannedStep { step: Step::Leave, sentence: "Watch it go.".into(), cli: None },
            PlannedStep { step: Step::Settle, sentence: "Write down the outcome.".into(), cli: None },
        ],
        bound,
        diff,
        checks,
        old_version: None,
        old_digest: None,
        ways_out: Vec::new(),
        seen: super::seen(group),
        boot_budget_seconds: env.policy.boot_budget(group.grace_seconds, None),
        desired: if shrink { group.desired - 1 } else { group.desired },
    })
}
