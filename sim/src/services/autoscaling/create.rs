//! CreateAutoScalingGroup from a launch template or a mixed instances policy (aws-reference 3).
//!
//! **Invariant:** defaults are the API's, not the console's: grace 0, cooldown 300, health check EC2.

use std::collections::{BTreeMap, BTreeSet};

use super::{capacity, launch_spec, members};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{Group, Tag},
    },
};

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "AutoScalingGroupName")?.to_owned();
    members::name(&name)?;
    if w.groups.contains_key(&name) {
        return Err(ApiError::bad(
            "AlreadyExists",
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists"),
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
    let subnets: Vec<String> = match p.text("VPCZoneIdentifier") {
        Some(text) => text.split(',').map(|s| s.trim().to_owned()).collect(),
        None => {
            let zones = p.texts("AvailabilityZones");
            w.subnets.iter().filter(|s| zones.contains(&s.zone)).map(|s| s.id.clone()).collect()
        }
    };
    if subnets.is_empty() {
        return Err(ApiError::validation("At least one Availability Zone or VPC Subnet is required."));
    }
    if let Some(unknown) = subnets.iter().find(|s| !w.subnets.iter().any(|have| have.id == **s)) {
        return Err(ApiError::validation(format!("The subnet ID '{unknown}' does not exist")));
    }
    let target_groups = p.texts("TargetGroupARNs");
    if let Some(unknown) = target_groups.iter().find(|arn| !w.target_groups.contains_key(*arn)) {
        return Err(ApiError::validation(format!("Provided Target Groups may not be valid. Please ensure they exist and try again. ({unknown})")));
    }
    let grace = read::int_in(p, "HealthCheckGracePeriod", 0, i64::MAX)?.unwrap_or(0);
    let cooldown = read::int_in(p, "DefaultCooldown", 0, i64::MAX)?.unwrap_or(300);
    let warmup = read::int_in(p, "DefaultInstanceWarmup", 0, 3600)?;
    let lifetime = read::int_in(p, "MaxInstanceLifetime", 0, 31_536_000)?.filter(|v| *v > 0);
    let protect_new = read::flag(p, "NewInstancesProtectedFromScaleIn")?.unwrap_or(false);
    let capacity_rebalance = read::flag(p, "CapacityRebalance")?;
    let maintenance = capacity::maintenance(p)?.flatten();
    let tags = p
        .list("Tags")
        .into_iter()
        .map(|t| Tag {
            key: t.text("Key").unwrap_or_default().to_owned(),
            value: t.text("Value").unwrap_or_default().to_owned(),
            propagate: t.text("PropagateAtLaunch") == Some("true"),
        })
        .collect();
    let policies = members::termination_policies(p)?;
    let health_check = members::health_check(p)?.unwrap_or_else(|| "EC2".into());
    let uuid = w.new_uuid("group");
    let arn = format!("arn:aws:autoscaling:{}:{}:autoScalingGroup:{uuid}:autoScalingGroupName/{name}", w.region, w.account);
    let wanted = desired.unwrap_or(min);
    let group = Group {
        name: name.clone(),
        arn,
        created: w.now,
        spec,
        min,
        max,
        desired: 0,
        cooldown,
        warmup,
        subnets,
        target_groups,
        attached: BTreeSet::new(),
        health_check,
        grace,
        termination_policies: if policies.is_empty() { vec!["Default".into()] } else { policies },
        protect_new,
        max_lifetime: lifetime,
        capacity_rebalance,
        maintenance,
        warm_pool: None,
        suspended: BTreeMap::new(),
        tags,
        hooks: Vec::new(),
        scheduled: Vec::new(),
        activities: Vec::new(),
        refreshes: Vec::new(),
        members: Vec::new(),
        act_at: 0,
        owed: Vec::new(),
        cause: None,
        retry_at: 0,
        last_end: None,
        enabled_metrics: Default::default(),
    };
    w.groups.insert(name.clone(), group);
    let cause = format!("a user request created an AutoScalingGroup changing the desired capacity from 0 to {wanted}.");
    w.set_desired(&name, wanted, cause);
    Ok(Fields::new())
}
