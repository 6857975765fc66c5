//! CreateAutoScalingGroup from a launch template or a mixed instances policy (aws-reference 3).
//!
//! **Invariant:** defaults are the API's, not the console's: grace 0, cooldown 300, health check EC2.

use super::{attachments, capacity, hooks, launch_spec, members, placement, tags};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{Extras, Group},
    },
};

/// Members of CreateAutoScalingGroup that are not simulated.
const REFUSED: &[&str] = &[
    "AvailabilityZoneIds",
    "AvailabilityZoneImpairmentPolicy",
    "Context",
    "InstanceId",
    "InstanceLifecyclePolicy",
    "LoadBalancerNames",
    "Operator",
    "PlacementGroup",
];

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "AutoScalingGroupName")?.to_owned();
    members::name(&name)?;
    if let Some(g) = w.groups.get(&name) {
        let pending = if g.deleting { " and is pending delete" } else { "" };
        return Err(ApiError::bad(
            "AlreadyExists",
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists{pending}"),
        ));
    }
    let Some(spec) = launch_spec::read(w, p)? else {
        return Err(ApiError::validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        ));
    };
    let missing = |what: &str| {
        ApiError::validation(format!("1 validation error detected: Value null at '{what}' failed to satisfy constraint: Member must not be null"))
    };
    let min = read::int_in(p, "MinSize", 0, 10_000)?.ok_or_else(|| missing("minSize"))?;
    let max = read::int_in(p, "MaxSize", 0, 10_000)?.ok_or_else(|| missing("maxSize"))?;
    let desired = read::int_in(p, "DesiredCapacity", 0, 10_000)?;
    capacity::bounds(min, max, desired)?;
    let subnets = placement::subnets(w, p)?.ok_or_else(|| ApiError::validation("At least one Availability Zone or VPC Subnet is required."))?;
    members::refused(w, p, REFUSED)?;
    read::flag(p, "SkipZonalShiftValidation")?;
    let extras = members::extras(p, &Extras::default())?;
    let mut target_groups = p.texts("TargetGroupARNs");
    for arn in attachments::sources(p)? {
        if !target_groups.contains(&arn) {
            target_groups.push(arn);
        }
    }
    attachments::known(w, &target_groups)?;
    let hooks = hooks::specifications(p)?;
    let grace = read::int_in(p, "HealthCheckGracePeriod", 0, i64::MAX)?.unwrap_or(0);
    let cooldown = read::int_in(p, "DefaultCooldown", 0, i64::MAX)?.unwrap_or(300);
    let warmup = read::int_in(p, "DefaultInstanceWarmup", 0, 3600)?;
    let lifetime = read::int_in(p, "MaxInstanceLifetime", 0, 31_536_000)?.filter(|v| *v > 0);
    let protect_new = read::flag(p, "NewInstancesProtectedFromScaleIn")?.unwrap_or(false);
    let capacity_rebalance = read::flag(p, "CapacityRebalance")?;
    let maintenance = capacity::maintenance(p)?.flatten();
    let tags = p.list("Tags").into_iter().map(tags::read).collect::<Result<Vec<_>, _>>()?;
    let policies = members::termination_policies(p)?;
    let health_check = members::health_check(p)?.unwrap_or_else(|| "EC2".into());
    let uuid = w.new_uuid("group");
    let arn = format!("arn:aws:autoscaling:{}:{}:autoScalingGroup:{uuid}:autoScalingGroupName/{name}", w.region, w.account);
    let wanted = desired.unwrap_or(min);
    let bare = Group::bare(&name, arn, w.now, spec);
    let group = Group {
        min,
        max,
        cooldown,
        warmup,
        subnets,
        target_groups,
        health_check,
        grace,
        termination_policies: if policies.is_empty() { vec!["Default".into()] } else { policies },
        protect_new,
        max_lifetime: lifetime,
        capacity_rebalance,
        maintenance,
        extras,
        tags,
        hooks,
        ..bare
    };
    w.groups.insert(name.clone(), group);
    let cause = format!("a user request created an AutoScalingGroup changing the desired capacity from 0 to {wanted}.");
    w.set_desired(&name, wanted, cause);
    Ok(Fields::new())
}
