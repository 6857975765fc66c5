//! Instance refresh operations (aws-reference 5.1).
//!
//! **Invariant:** preferences are validated whole before a refresh exists.

use super::{group, launch_spec, paged};
use crate::{
    clock::iso,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::Group,
        refresh::{KEPT, Odd, Preferences, Refresh, Status},
    },
};

pub(super) fn start(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    if let Some(strategy) = p.text("Strategy").filter(|s| *s != "Rolling") {
        return Err(ApiError::validation(format!("The strategy {strategy} is not supported for this Auto Scaling group.")));
    }
    let empty = Node::default();
    let raw = p.at("DesiredConfiguration");
    let desired = match raw {
        Some(node) => {
            launch_spec::writable(node)?;
            launch_spec::read(w, node)?
        }
        None => None,
    };
    let preferences = preferences(p.at("Preferences").unwrap_or(&empty), g, desired.is_some())?;
    if let Some(odd) = preferences.alarms.iter().find(|a| !w.alarms.contains_key(*a)) {
        return Err(ApiError::validation(format!("The following CloudWatch alarm does not exist: {odd}")));
    }
    if g.active_refresh().is_some() {
        return Err(ApiError::bad(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        ));
    }
    if preferences.auto_rollback && !w.reversible(&g.spec) {
        return Err(ApiError::validation(
            "The AutoRollback parameter cannot be set to true when the Auto Scaling group uses a launch configuration, a launch template version of $Latest or $Default, or an AMI alias.",
        ));
    }
    let raw = raw.cloned().filter(|_| desired.is_some());
    let id = w.start_refresh(&name, preferences, desired, raw)?;
    Ok(Fields::new().set("InstanceRefreshId", id))
}

fn odd(p: &Node, name: &str, replace: &str) -> Result<Odd, ApiError> {
    match p.text(name) {
        None | Some("Wait") => Ok(Odd::Wait),
        Some("Ignore") => Ok(Odd::Ignore),
        Some(text) if text == replace => Ok(Odd::Replace),
        Some(text) => Err(ApiError::validation(format!("{text} is not a valid value for {name}"))),
    }
}

fn preferences(p: &Node, g: &Group, has_desired: bool) -> Result<Preferences, ApiError> {
    let asked_min = read::int_in(p, "MinHealthyPercentage", 0, 100)?;
    let asked_max = read::int_in(p, "MaxHealthyPercentage", 100, 200)?;
    if asked_max.is_some() && asked_min.is_none() {
        return Err(ApiError::validation("The MinHealthyPercentage must be specified when MaxHealthyPercentage is specified."));
    }
    let min = asked_min.or(g.maintenance.map(|m| m.0)).unwrap_or(90);
    let max = asked_max.or(g.maintenance.map(|m| m.1).filter(|_| asked_min.is_none())).unwrap_or(100);
    if max - min > 100 {
        return Err(ApiError::validation("The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be greater than 100."));
    }
    let mut checkpoints = Vec::new();
    for text in p.texts("CheckpointPercentages") {
        let value: i64 = text.parse().map_err(|_| ApiError::validation("CheckpointPercentages must be numbers"))?;
        if !(1..=100).contains(&value) || checkpoints.last().is_some_and(|last| *last >= value) {
            return Err(ApiError::validation("CheckpointPercentages must be unique, ascending and between 1 and 100."));
        }
        checkpoints.push(value);
    }
    let delay = read::int_in(p, "CheckpointDelay", 0, 172_800)?;
    if delay.is_some() && checkpoints.is_empty() {
        return Err(ApiError::validation("The CheckpointDelay can only be specified together with CheckpointPercentages."));
    }
    let auto_rollback = read::flag(p, "AutoRollback")?.unwrap_or(false);
    if auto_rollback && !has_desired {
        return Err(ApiError::validation(
            "The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter is empty. To use AutoRollback, specify a desired configuration.",
        ));
    }
    let alarms = p.at("AlarmSpecification").map(|a| a.texts("Alarms")).unwrap_or_default();
    if alarms.len() > 10 {
        return Err(ApiError::validation("At most 10 alarms can be specified."));
    }
    Ok(Preferences {
        min,
        max,
        warmup: read::int_in(p, "InstanceWarmup", 0, i64::MAX)?.or(g.warmup).unwrap_or(g.grace),
        checkpoint_delay: delay.unwrap_or(if checkpoints.is_empty() { 0 } else { 3600 }),
        checkpoints,
        skip_matching: read::flag(p, "SkipMatching")?.unwrap_or(false),
        auto_rollback,
        protected: odd(p, "ScaleInProtectedInstances", "Refresh")?,
        standby: odd(p, "StandbyInstances", "Terminate")?,
        bake: read::int_in(p, "BakeTime", 0, 172_800)?.unwrap_or(0),
        alarms,
    })
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "AutoScalingGroupName")?;
    let ids = p.texts("InstanceRefreshIds");
    let rows: Vec<(&Group, &Refresh)> = w
        .groups
        .get(name)
        .into_iter()
        .flat_map(|g| g.refreshes.iter().rev().map(move |r| (g, r)))
        .filter(|(_, r)| w.now - r.created < KEPT && (ids.is_empty() || ids.contains(&r.id)))
        .collect();
    let (rows, next) = paged(p, rows, 50, 100)?;
    Ok(Fields::new().members("InstanceRefreshes", rows.into_iter().map(|(g, r)| one(g, r))).opt("NextToken", next))
}

fn one(g: &Group, r: &Refresh) -> Fields {
    let mut out = Fields::new()
        .set("InstanceRefreshId", &r.id)
        .set("AutoScalingGroupName", &g.name)
        .set("Status", r.status.name())
        .opt("StatusReason", r.reason.as_ref())
        .opt("StartTime", r.start.map(iso))
        .opt("EndTime", r.end.map(iso))
        .set("PercentageComplete", r.percentage)
        .set("InstancesToUpdate", r.to_update)
        .set("Preferences", shown(&r.preferences));
    if let Some(raw) = &r.desired_raw {
        out = out.set("DesiredConfiguration", launch_spec::generic(raw));
    }
    if let Some(b) = &r.rollback {
        let details = Fields::new()
            .set("RollbackReason", &b.reason)
            .set("RollbackStartTime", iso(b.start))
            .set("PercentageCompleteOnRollback", b.percentage)
            .set("InstancesToUpdateOnRollback", b.to_update);
        out = out.set("RollbackDetails", details);
    }
    out.set("Strategy", "Rolling")
}

fn shown(p: &Preferences) -> Fields {
    let name = |odd: Odd, replace: &'static str| match odd {
        Odd::Replace => replace,
        Odd::Ignore => "Ignore",
        Odd::Wait => "Wait",
    };
    let mut out = Fields::new().set("MinHealthyPercentage", p.min).set("InstanceWarmup", p.warmup);
    if !p.checkpoints.is_empty() {
        out = out.members("CheckpointPercentages", p.checkpoints.iter().copied()).set("CheckpointDelay", p.checkpoint_delay);
    }
    out = out
        .set("SkipMatching", p.skip_matching)
        .set("AutoRollback", p.auto_rollback)
        .set("ScaleInProtectedInstances", name(p.protected, "Refresh"))
        .set("StandbyInstances", name(p.standby, "Terminate"));
    if !p.alarms.is_empty() {
        out = out.set("AlarmSpecification", Fields::new().members("Alarms", &p.alarms));
    }
    out = out.set("MaxHealthyPercentage", p.max);
    if p.bake > 0 { out.set("BakeTime", p.bake) } else { out }
}

pub(super) fn cancel(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let wait = read::flag(p, "WaitForTransitioningInstances")?.unwrap_or(true);
    let id = w.cancel_refresh(&name, wait)?;
    Ok(Fields::new().set("InstanceRefreshId", id))
}

pub(super) fn rollback(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    let pending = g.active_refresh().is_some_and(|r| r.status == Status::Cancelling);
    if pending {
        return Err(ApiError::bad("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group"));
    }
    let id = w.rollback_refresh(&name)?;
    Ok(Fields::new().set("InstanceRefreshId", id))
}
