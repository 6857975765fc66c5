//! The plan of `capacity`: only what was edited is sent, and an edited figure that moved meanwhile is shown, not overwritten.

use super::{Difference, Plan, PlannedStep, bound, commands, ok, refuse_field, wait, warn};
use crate::domain::change::{Capacity, Kind, Step};
use crate::domain::environment::Environment;
use crate::domain::observation::{Group, Observation};
use crate::domain::problem::{FieldError, Problem};

/// Largest figure that is taken at all, so that sums stay sums.
const LARGEST: i32 = 10_000;

pub(super) fn plan(
    env: &Environment,
    obs: &Observation,
    group: &Group,
    edit: (Option<i32>, Option<i32>, Option<i32>),
    base: Capacity,
) -> Result<Plan, Problem> {
    let (min, desired, max) = edit;
    let figures = [("min", min, base.min, group.min), ("desired", desired, base.desired, group.desired), ("max", max, base.max, group.max)];
    if figures.iter().all(|(_, new, ..)| new.is_none()) {
        return Err(Problem::field("min", "give at least one of min, desired and max"));
    }
    let moved: Vec<FieldError> = figures
        .iter()
        .filter(|(_, new, base, now)| new.is_some() && base != now)
        .map(|(name, new, base, now)| FieldError {
            field: (*name).into(),
            message: format!(
                "was {base} when you looked, is now {now}; you asked for {}. Send it again with base {now} to set it anyway",
                new.unwrap_or(*now)
            ),
            base: Some(i64::from(*base)),
            now: Some(i64::from(*now)),
        })
        .collect();
    if !moved.is_empty() {
        return Err(Problem::Conflict {
            detail: "A figure that you edit was changed meanwhile. Nothing was sent to AWS.".into(),
            number: None,
            fields: moved,
        });
    }
    let odd: Vec<FieldError> = figures
        .iter()
        .filter(|(_, new, ..)| new.is_some_and(|n| !(0..=LARGEST).contains(&n)))
        .map(|(name, ..)| FieldError::new(*name, format!("must be 0 to {LARGEST}")))
        .collect();
    if !odd.is_empty() {
        return Err(Problem::Invalid(odd));
    }
    let after = Capacity { min: min.unwrap_or(group.min), desired: desired.unwrap_or(group.desired), max: max.unwrap_or(group.max) };
    let mut checks = Vec::new();
    let mut need = |ok: bool, field: &str, sentence: String| {
        if !ok {
            checks.push(refuse_field("range", field, sentence));
        }
    };
    let p = &env.policy;
    // A figure is blamed only if it was edited.
    let blame = |a: &'static str, edited: bool, b: &'static str| if edited { a } else { b };
    need(after.min >= 0, "min", "must be 0 or more".into());
    need(
        after.min <= after.max,
        blame("min", min.is_some(), "max"),
        format!("min {} is above max {}; min must be at most max", after.min, after.max),
    );
    need(
        after.desired >= after.min,
        blame("desired", desired.is_some(), "min"),
        format!("desired {} is below min {}; raise desired or lower min", after.desired, after.min),
    );
    need(
        after.desired <= after.max,
        blame("desired", desired.is_some(), "max"),
        format!("desired {} is above max {}; lower desired or raise max", after.desired, after.max),
    );
    need(min.is_none_or(|m| m >= p.min_floor), "min", format!("must be at least {}, the floor of this environment's policy", p.min_floor));
    need(max.is_none_or(|m| m <= p.max_ceiling), "max", format!("must be at most {}, the ceiling of this environment's policy", p.max_ceiling));
    need(
        !(env.protected && (min == Some(0) || desired == Some(0))),
        blame("desired", desired == Some(0), "min"),
        "0 instances is refused in a protected environment: it would stop the application. Unprotect it first".into(),
    );
    let lowered = desired.is_some_and(|d| d < group.desired) || min.is_some_and(|m| m < group.min) || max.is_some_and(|m| m < group.max);
    if lowered && obs.active_refresh().is_some() {
        checks.push(wait("no_refresh", "An instance refresh runs. Lowering figures waits for its end; raising them would not."));
    }
    let zones = i32::try_from(group.zones.len()).unwrap_or(1);
    if env.protected && min.is_some_and(|m| m < zones) {
        checks.push(warn("zones", format!("A minimum of {} is fewer than the {zones} zones: losing one zone could leave nothing.", after.min)));
    }
    let delta = (after.desired - group.desired).abs();
    if delta > 10 || (group.desired > 1 && delta * 2 > group.desired) {
        checks.push(warn("large_step", format!("Desired moves by {delta} instances at once, from {} to {}.", group.desired, after.desired)));
    }
    let mut diff = Vec::new();
    for (name, new, _, now) in figures {
        if let Some(new) = new
            && new != now
        {
            diff.push(Difference { field: name.into(), before: Some(now.to_string()), after: Some(new.to_string()) });
        }
    }
    if diff.is_empty() {
        checks.push(refuse_field("no_change", "min", "The group has these figures already. There is nothing to change."));
    } else if checks.iter().all(|c| c.verdict != super::Verdict::Refuse) {
        let effect = match after.desired - group.desired {
            0 => "no instance starts or ends by it".to_owned(),
            n if n > 0 => format!("{n} {} started", if n == 1 { "instance is" } else { "instances are" }),
            n => format!("{} {} terminated", -n, if n == -1 { "instance is" } else { "instances are" }),
        };
        checks.push(ok("range", format!("{}/{}/{} keeps min ≤ desired ≤ max: {effect}.", after.min, after.desired, after.max)));
    }
    let mut bound = bound(env, group, Kind::Capacity);
    // Only what changes is sent.
    (bound.set_min, bound.set_desired, bound.set_max) =
        (min.filter(|v| *v != group.min), desired.filter(|v| *v != group.desired), max.filter(|v| *v != group.max));
    let cli = commands::resize(env, bound.set_min, bound.set_desired, bound.set_max);
    Ok(Plan {
        sentence: format!(
            "Set {} from {}/{}/{} to {}/{}/{} (min/desired/max).",
            env.scope(),
            group.min,
            group.desired,
            group.max,
            after.min,
            after.desired,
            after.max
        ),
        steps: vec![
            PlannedStep { step: Step::SetCapacity, sentence: "Send only the edited figures.".into(), cli: Some(cli) },
            PlannedStep { step: Step::Resize, sentence: format!("Watch the group reach {} instances.", after.desired), cli: None },
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
        desired: after.desired,
    })
}
