//! Scaling policies: put, describe, delete, execute (aws-reference 3, 4.5).
//!
//! **Invariant:** a policy is validated whole before the old one goes; a target tracking policy has its two alarms from
//! put to delete.

use super::{capacity, group, launch_spec, paged, policy_config as config};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::Group,
        policy::{Policy, Rule},
        scaling::Trigger,
    },
};

/// Policies of one group at most.
const MOST: usize = 50;

/// The group and the policy a call names, by its name or ARN.
fn named<'a>(w: &'a World, p: &Node) -> Result<(&'a Group, &'a Policy), ApiError> {
    let policy = read::need(p, "PolicyName")?;
    let not_found = || ApiError::validation(format!("PolicyName not found - {policy}"));
    if policy.starts_with("arn:") {
        let found = w.groups.values().flat_map(|g| g.policies.iter().map(move |p| (g, p))).find(|(_, p)| p.arn == policy);
        let (g, found) = found.ok_or_else(not_found)?;
        return match p.text("AutoScalingGroupName") {
            Some(name) if name != g.name => Err(not_found()),
            _ => Ok((g, found)),
        };
    }
    let g = group(w, p)?;
    Ok((g, g.policies.iter().find(|p| p.name == policy).ok_or_else(not_found)?))
}

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    let policy = read::need(p, "PolicyName")?.to_owned();
    if policy.len() > 255 || policy.contains(':') {
        return Err(ApiError::validation(format!("{policy} is not a valid policy name: at most 255 characters, no colon.")));
    }
    let kind = config::kind(p)?;
    let enabled = read::flag(p, "Enabled")?.unwrap_or(true);
    let warmup = read::int_in(p, "EstimatedInstanceWarmup", 0, i64::MAX)?;
    let old = g.policies.iter().find(|o| o.name == policy);
    if old.is_none() && g.policies.len() >= MOST {
        return Err(ApiError::bad("LimitExceeded", format!("A group has at most {MOST} scaling policies.")));
    }
    let arn = old.map(|o| o.arn.clone());
    let (adjustment, rule, followed) = match kind {
        "TargetTrackingScaling" => {
            let followed = config::followed(w, g, p)?;
            let same = |o: &&Policy| o.name != policy && o.tracking().is_some_and(|t| followed.same_metric(&t.raw));
            if g.policies.iter().any(|o| same(&o)) {
                return Err(ApiError::validation("Only one TargetTrackingScaling policy for a given metric specification is allowed."));
            }
            (None, None, Some(followed))
        }
        "StepScaling" => (Some(config::adjustment(p)?), Some(config::steps(p)?), None),
        _ => (Some(config::adjustment(p)?), Some(config::simple(p)?), None),
    };
    let magnitude = read::int_in(p, "MinAdjustmentMagnitude", 1, i64::MAX)?;
    let min_step = read::int_in(p, "MinAdjustmentStep", 1, i64::MAX)?;
    if (magnitude.is_some() || min_step.is_some()) && adjustment.is_some_and(|a| a.name() != "PercentChangeInCapacity") {
        return Err(ApiError::validation("MinAdjustmentMagnitude can only be specified for the adjustment type PercentChangeInCapacity"));
    }
    let arn = arn.unwrap_or_else(|| {
        let uuid = w.new_uuid("policy");
        format!("arn:aws:autoscaling:{}:{}:scalingPolicy:{uuid}:autoScalingGroupName/{name}:policyName/{policy}", w.region, w.account)
    });
    let rule = match (rule, followed) {
        (Some(rule), _) => {
            // One that tracked before has no alarms of its own any more.
            w.remove_alarms(&name, &policy);
            rule
        }
        (None, Some(followed)) => Rule::Tracking(w.follow(&name, &policy, &arn, followed)),
        (None, None) => return Ok(Fields::new()),
    };
    let row = Policy { name: policy.clone(), arn: arn.clone(), rule, adjustment, magnitude, min_step, warmup, enabled };
    if let Some(g) = w.group_mut(&name) {
        match g.policies.iter_mut().find(|o| o.name == policy) {
            Some(old) => *old = row.clone(),
            None => g.policies.push(row.clone()),
        }
    }
    Ok(Fields::new().set("PolicyARN", arn).members("Alarms", alarms(w, &row)))
}

/// Alarms of a policy: its own two, or those whose action it is.
fn alarms(w: &World, policy: &Policy) -> Vec<Fields> {
    w.alarms_of(policy).into_iter().map(|(name, arn)| Fields::new().set("AlarmName", name).set("AlarmARN", arn)).collect()
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let only = p.text("AutoScalingGroupName");
    let (names, types) = (p.texts("PolicyNames"), p.texts("PolicyTypes"));
    read::flag(p, "IncludeManagedResources")?;
    let known = ["SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling"];
    if let Some(odd) = types.iter().find(|t| !known.contains(&t.as_str())) {
        return Err(ApiError::validation(format!("{odd} is not a valid policy type. Valid values: {}", known.join(", "))));
    }
    let rows: Vec<(&Group, &Policy)> = w
        .groups
        .values()
        .filter(|g| only.is_none_or(|n| n == g.name))
        .flat_map(|g| g.policies.iter().map(move |p| (g, p)))
        .filter(|(_, p)| names.is_empty() || names.contains(&p.name) || names.contains(&p.arn))
        .filter(|(_, p)| types.is_empty() || types.iter().any(|t| t == p.kind()))
        .collect();
    let (rows, next) = paged(p, rows, 50, 100)?;
    Ok(Fields::new().members("ScalingPolicies", rows.into_iter().map(|(g, p)| one(w, g, p))).opt("NextToken", next))
}

fn one(w: &World, g: &Group, p: &Policy) -> Fields {
    let mut out = Fields::new()
        .set("AutoScalingGroupName", &g.name)
        .set("PolicyName", &p.name)
        .set("PolicyARN", &p.arn)
        .set("PolicyType", p.kind())
        .opt("AdjustmentType", p.adjustment.map(|a| a.name()))
        .opt("MinAdjustmentStep", p.min_step)
        .opt("MinAdjustmentMagnitude", p.magnitude);
    out = match &p.rule {
        Rule::Simple { by, cooldown } => {
            out.set("ScalingAdjustment", *by).opt("Cooldown", *cooldown).members("StepAdjustments", Vec::<Fields>::new())
        }
        Rule::Step { steps, aggregation } => out
            .members(
                "StepAdjustments",
                steps.iter().map(|s| {
                    Fields::new()
                        .opt("MetricIntervalLowerBound", s.lower)
                        .opt("MetricIntervalUpperBound", s.upper)
                        .set("ScalingAdjustment", s.adjustment)
                }),
            )
            .set("MetricAggregationType", aggregation),
        Rule::Tracking(t) => {
            let mut raw = t.raw.clone();
            raw.put("DisableScaleIn", if t.disable_scale_in { "true" } else { "false" });
            out.members("StepAdjustments", Vec::<Fields>::new()).set("TargetTrackingConfiguration", launch_spec::generic(&raw))
        }
    };
    out.opt("EstimatedInstanceWarmup", p.warmup).members("Alarms", alarms(w, p)).set("Enabled", p.enabled)
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let (g, policy) = named(w, p)?;
    let (group, policy) = (g.name.clone(), policy.name.clone());
    w.remove_policy(&group, &policy);
    Ok(Fields::new())
}

pub(super) fn execute(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let (g, policy) = named(w, p)?;
    let honor_cooldown = read::flag(p, "HonorCooldown")?.unwrap_or(false);
    let (value, threshold) = (read::float(p, "MetricValue")?, read::float(p, "BreachThreshold")?);
    let breach = match (&policy.rule, value, threshold) {
        (Rule::Tracking(_), ..) => {
            return Err(ApiError::validation("The policy type TargetTrackingScaling is not supported by ExecutePolicy"));
        }
        (Rule::Step { .. }, Some(value), Some(threshold)) => Some(value - threshold),
        (Rule::Step { .. }, ..) => {
            return Err(ApiError::validation("MetricValue and BreachThreshold must be specified for a policy of type StepScaling"));
        }
        (Rule::Simple { .. }, None, None) => None,
        (Rule::Simple { .. }, ..) => {
            return Err(ApiError::validation("MetricValue and BreachThreshold cannot be specified for a policy of type SimpleScaling"));
        }
    };
    if matches!(policy.rule, Rule::Step { .. }) && honor_cooldown {
        return Err(ApiError::validation("HonorCooldown cannot be specified for a policy of type StepScaling"));
    }
    if !policy.enabled {
        return Err(ApiError::validation(format!("The policy {} is disabled", policy.name)));
    }
    let (group, name) = (g.name.clone(), policy.name.clone());
    let trigger = Trigger { who: format!("a user request executed policy {name}"), alarm: None, honor_cooldown };
    w.run_policy(&group, &name, breach, trigger).map_err(|activity| capacity::in_the_way(&activity))?;
    Ok(Fields::new())
}
