//! UpdateAutoScalingGroup and SetDesiredCapacity (aws-reference 3).
//!
//! **Invariant:** members that are absent stay as they are; a refused update changes nothing.

use super::{group, launch_spec, members, placement};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

/// Healthy percentages of an InstanceMaintenancePolicy; -1 and -1 clear it.
pub(super) fn maintenance(p: &Node) -> Result<Option<Option<(i64, i64)>>, ApiError> {
    let Some(node) = p.at("InstanceMaintenancePolicy") else {
        return Ok(None);
    };
    let min = read::int_in(node, "MinHealthyPercentage", -1, 100)?;
    let max = read::int_in(node, "MaxHealthyPercentage", -1, 200)?;
    match (min, max) {
        (Some(-1), Some(-1)) => Ok(Some(None)),
        (Some(min), Some(max)) if (100..=200).contains(&max) && max - min <= 100 && min >= 0 => Ok(Some(Some((min, max)))),
        _ => Err(ApiError::validation(
            "The InstanceMaintenancePolicy needs a MinHealthyPercentage of 0 to 100 and a MaxHealthyPercentage of 100 to 200 that differ by at most 100.",
        )),
    }
}

/// Members of UpdateAutoScalingGroup that are not simulated.
const UPDATE_REFUSED: &[&str] = &["AvailabilityZoneIds", "AvailabilityZoneImpairmentPolicy", "Context", "InstanceLifecyclePolicy", "PlacementGroup"];

pub(super) fn update(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    let min = read::int_in(p, "MinSize", 0, 10_000)?;
    let max = read::int_in(p, "MaxSize", 0, 10_000)?;
    let desired = read::int_in(p, "DesiredCapacity", 0, 10_000)?;
    let (low, high) = (min.unwrap_or(g.min), max.unwrap_or(g.max));
    bounds(low, high, desired)?;
    let spec = launch_spec::read(w, p)?;
    let active = g.active_refresh().is_some_and(|r| r.desired.is_some());
    if spec.is_some() && active {
        return Err(ApiError::validation(
            "An active instance refresh with a desired configuration exists. All configuration options derived from the desired configuration are not available for update while the instance refresh is active.",
        ));
    }
    let warmup = read::int_in(p, "DefaultInstanceWarmup", -1, 3600)?;
    let grace = read::int_in(p, "HealthCheckGracePeriod", 0, i64::MAX)?;
    let cooldown = read::int_in(p, "DefaultCooldown", 0, i64::MAX)?;
    let lifetime = read::int_in(p, "MaxInstanceLifetime", 0, 31_536_000)?;
    let protect = read::flag(p, "NewInstancesProtectedFromScaleIn")?;
    let rebalance = read::flag(p, "CapacityRebalance")?;
    let maintenance = maintenance(p)?;
    let health = members::health_check(p)?;
    let subnets = placement::subnets(w, p)?;
    members::refused(w, p, UPDATE_REFUSED)?;
    let extras = members::extras(p, &g.extras)?;
    let policies = members::termination_policies(p)?;
    let Some(g) = w.group_mut(&name) else {
        return Ok(Fields::new());
    };
    if let Some(spec) = spec {
        g.spec = spec;
    }
    if let Some(value) = warmup {
        g.warmup = Some(value).filter(|v| *v >= 0);
    }
    g.extras = extras;
    g.grace = grace.unwrap_or(g.grace);
    g.cooldown = cooldown.unwrap_or(g.cooldown);
    if let Some(value) = lifetime {
        g.max_lifetime = Some(value).filter(|v| *v > 0);
    }
    g.protect_new = protect.unwrap_or(g.protect_new);
    g.capacity_rebalance = rebalance.or(g.capacity_rebalance);
    if let Some(value) = maintenance {
        g.maintenance = value;
    }
    if let Some(value) = health {
        g.health_check = value;
    }
    if let Some(value) = subnets {
        g.subnets = value;
    }
    if !policies.is_empty() {
        g.termination_policies = policies;
    }
    w.set_bounds(&name, min, max, desired, None);
    w.wake_group(&name, w.now);
    Ok(Fields::new())
}

/// Min, max and desired in AWS's order of complaint.
pub(super) fn bounds(min: i64, max: i64, desired: Option<i64>) -> Result<(), ApiError> {
    if min > max {
        return Err(ApiError::validation(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
    }
    if let Some(desired) = desired.filter(|d| *d < min || *d > max) {
        return Err(ApiError::validation(format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}")));
    }
    Ok(())
}

/// What blocks a change of capacity (aws-reference 3).
pub(super) fn in_the_way(activity: &str) -> ApiError {
    ApiError::bad("ScalingActivityInProgress", format!("Scaling activity {activity} is in progress and blocks this action."))
}

pub(super) fn set_desired(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let value = read::int_in(p, "DesiredCapacity", 0, 10_000)?;
    let Some(value) = value else {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'desiredCapacity' failed to satisfy constraint: Member must not be null",
        ));
    };
    let honor = read::flag(p, "HonorCooldown")?.unwrap_or(false);
    if value > g.max {
        return Err(ApiError::validation(format!("New SetDesiredCapacity value {value} is above max value {} for the AutoScalingGroup.", g.max)));
    }
    if value < g.min {
        return Err(ApiError::validation(format!("New SetDesiredCapacity value {value} is below min value {} for the AutoScalingGroup.", g.min)));
    }
    if let Some(activity) = w.cooling(&g.name).filter(|_| honor) {
        return Err(in_the_way(&activity));
    }
    let name = g.name.clone();
    let from = g.desired;
    w.set_desired(
        &name,
        value,
        format!("a user request explicitly set group desired capacity changing the desired capacity from {from} to {value}."),
    );
    Ok(Fields::new())
}
