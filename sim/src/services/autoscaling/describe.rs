//! Describing groups, their instances, activities and attachments.
//!
//! **Invariant:** reads only; absent optional members are not written.

use super::{at_most, filters, launch_spec, paged};
use crate::{
    clock::{iso, parse_iso},
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{Activity, Group},
        instance::Instance,
    },
};

pub(super) fn groups(w: &World, p: &Node) -> Result<Fields, ApiError> {
    // More than fifty names need a page that holds them.
    let most = read::int_in(p, "MaxRecords", 1, 100)?.unwrap_or(50);
    let names = at_most(p, "AutoScalingGroupNames", most as usize)?;
    let include = read::flag(p, "IncludeInstances")?.unwrap_or(true);
    let filters = filters(p, |name| matches!(name, "tag-key" | "tag-value") || name.starts_with("tag:"))?;
    let rows: Vec<&Group> = w
        .groups
        .values()
        .filter(|g| names.is_empty() || names.iter().any(|n| *n == g.name || *n == g.arn))
        .filter(|g| filters.iter().all(|(name, values)| fits(g, name, values)))
        .collect();
    let (rows, next) = paged(p, rows, 50, 100)?;
    Ok(Fields::new().members("AutoScalingGroups", rows.into_iter().map(|g| one(w, g, include))).opt("NextToken", next))
}

fn fits(g: &Group, name: &str, values: &[String]) -> bool {
    match name {
        "tag-key" => g.tags.iter().any(|t| values.contains(&t.key)),
        "tag-value" => g.tags.iter().any(|t| values.contains(&t.value)),
        _ => name.strip_prefix("tag:").is_some_and(|key| g.tags.iter().any(|t| t.key == key && values.contains(&t.value))),
    }
}

fn one(w: &World, g: &Group, include: bool) -> Fields {
    let health = match g.health_check.as_str() {
        "ELB" if w.params.echo_ec2_health => "EC2,ELB",
        other => other,
    };
    let zones: Vec<String> = w.zones(g).into_iter().map(|(zone, _)| zone).collect();
    let mut out = Fields::new().set("AutoScalingGroupName", &g.name).set("AutoScalingGroupARN", &g.arn);
    out = launch_spec::write(out, &g.spec)
        .set("MinSize", g.min)
        .set("MaxSize", g.max)
        .set("DesiredCapacity", g.desired)
        .set("DefaultCooldown", g.cooldown)
        .members("AvailabilityZones", &zones)
        .members("LoadBalancerNames", Vec::<String>::new())
        .members("TargetGroupARNs", &g.target_groups)
        .set("HealthCheckType", health)
        .set("HealthCheckGracePeriod", g.grace);
    if include {
        out = out.members("Instances", w.members(g).into_iter().map(|i| instance(i, false)));
    }
    out = out
        .set("CreatedTime", iso(g.created))
        .members(
            "SuspendedProcesses",
            g.suspended.iter().map(|(process, at)| {
                let who = if g.suspended_by_aws.contains(process) { "Administrator" } else { "User" };
                Fields::new().set("ProcessName", process).set("SuspensionReason", format!("{who} suspended at {}", crate::clock::iso_seconds(*at)))
            }),
        )
        .set("VPCZoneIdentifier", g.subnets.join(","))
        .members(
            "EnabledMetrics",
            g.enabled_metrics.keys().map(|metric| Fields::new().set("Metric", metric).set("Granularity", super::metrics::GRANULARITY)),
        )
        .opt("Status", g.deleting.then_some("Delete in progress"))
        .members("Tags", g.tags.iter().map(|t| super::tags::shown(g, t)))
        .members("TerminationPolicies", &g.termination_policies)
        .set("NewInstancesProtectedFromScaleIn", g.protect_new)
        .set("ServiceLinkedRoleARN", super::members::linked_role(w))
        .opt("MaxInstanceLifetime", g.max_lifetime)
        .opt("CapacityRebalance", g.capacity_rebalance)
        .opt("DefaultInstanceWarmup", g.warmup)
        .opt("DesiredCapacityType", g.extras.desired_type.as_ref())
        .opt("DeletionProtection", g.extras.deletion_protection.as_ref());
    if let Some(strategy) = &g.extras.zone_strategy {
        out = out.set("AvailabilityZoneDistribution", Fields::new().set("CapacityDistributionStrategy", strategy));
    }
    if let Some(preference) = &g.extras.reservation {
        out = out.set("CapacityReservationSpecification", Fields::new().set("CapacityReservationPreference", preference));
    }
    if let Some((state, min)) = &g.warm_pool {
        out = out.set("WarmPoolConfiguration", Fields::new().set("MinSize", *min).set("PoolState", state)).set("WarmPoolSize", 0i64);
    }
    if let Some((min, max)) = g.maintenance {
        let policy = Fields::new().set("MinHealthyPercentage", min).set("MaxHealthyPercentage", max);
        out = out.set("InstanceMaintenancePolicy", policy);
    }
    out.members("TrafficSources", g.target_groups.iter().map(|arn| Fields::new().set("Identifier", arn).set("Type", "elbv2")))
}

/// An instance of a group; with its group's name in DescribeAutoScalingInstances, whose health is upper case.
fn instance(i: &Instance, alone: bool) -> Fields {
    let health = match (alone, i.unhealthy) {
        (false, false) => "Healthy",
        (false, true) => "Unhealthy",
        (true, false) => "HEALTHY",
        (true, true) => "UNHEALTHY",
    };
    let mut out = Fields::new().set("InstanceId", &i.id).set("InstanceType", &i.kind);
    if alone {
        out = out.set("AutoScalingGroupName", &i.group);
    }
    out = out.set("AvailabilityZone", &i.az).set("LifecycleState", i.lifecycle.name()).set("HealthStatus", health);
    if let Some((id, name, version)) = &i.template {
        let template = Fields::new().set("LaunchTemplateId", id).set("LaunchTemplateName", name).set("Version", *version);
        out = out.set("LaunchTemplate", template);
    }
    out = out.opt("LaunchConfigurationName", i.configuration.as_ref()).set("ProtectedFromScaleIn", i.protected);
    if !alone {
        out = out.set("ImageId", &i.ami);
    }
    out
}

pub(super) fn instances(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let ids = at_most(p, "InstanceIds", 50)?;
    let rows: Vec<&Instance> = w.groups.values().flat_map(|g| w.members(g)).filter(|i| ids.is_empty() || ids.contains(&i.id)).collect();
    let (rows, next) = paged(p, rows, 50, 50)?;
    Ok(Fields::new().members("AutoScalingInstances", rows.into_iter().map(|i| instance(i, true))).opt("NextToken", next))
}

/// One scaling activity (aws-reference 4.2).
pub(super) fn activity(group: &Group, a: &Activity) -> Fields {
    Fields::new()
        .set("ActivityId", &a.id)
        .set("AutoScalingGroupName", &group.name)
        .set("Description", &a.description)
        .set("Cause", &a.cause)
        .set("StartTime", iso(a.start))
        .opt("EndTime", a.end.map(iso))
        .set("StatusCode", &a.status)
        .opt("StatusMessage", a.message.as_ref())
        .set("Progress", a.progress)
        .set("Details", &a.details)
        .set("AutoScalingGroupARN", &group.arn)
}

/// Instants of a time filter; without an offset they are UTC.
fn bounds(name: &str, values: &[String]) -> Result<Vec<i64>, ApiError> {
    if name == "Status" {
        return Ok(Vec::new());
    }
    let read = |text: &String| {
        let wrong = || ApiError::validation(format!("The value {text} of the filter {name} is not a timestamp."));
        parse_iso(text).or_else(|| parse_iso(&format!("{text}Z"))).ok_or_else(wrong)
    };
    values.iter().map(read).collect()
}

pub(super) fn activities(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let ids = p.texts("ActivityIds");
    let name = p.text("AutoScalingGroupName");
    let filters = filters(p, |name| matches!(name, "StartTimeLowerBound" | "StartTimeUpperBound" | "Status"))?;
    if name.is_none() && filters.iter().any(|(filter, _)| filter == "Status") {
        return Err(ApiError::validation("The Status filter can only be used together with AutoScalingGroupName."));
    }
    let filters = filters.into_iter().map(|(name, values)| Ok((bounds(&name, &values)?, name, values))).collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<(&Group, &Activity)> = w
        .groups
        .values()
        .filter(|g| name.is_none_or(|n| n == g.name || n == g.arn))
        .flat_map(|g| g.activities.iter().rev().map(move |a| (g, a)))
        .filter(|(_, a)| ids.is_empty() || ids.contains(&a.id))
        .filter(|(_, a)| {
            filters.iter().all(|(times, name, values)| match name.as_str() {
                "Status" => values.contains(&a.status),
                "StartTimeLowerBound" => times.iter().any(|t| a.start >= *t),
                _ => times.iter().any(|t| a.start <= *t),
            })
        })
        .collect();
    // Newest first, those in progress before all (aws-reference 2.5).
    rows.sort_by_key(|(_, a)| (a.end.is_some(), std::cmp::Reverse(a.start)));
    let (rows, next) = paged(p, rows, 100, 100)?;
    Ok(Fields::new().members("Activities", rows.into_iter().map(|(g, a)| activity(g, a))).opt("NextToken", next))
}

/// Target groups that are attached or on their way out.
fn attachments(g: &Group) -> impl Iterator<Item = &String> {
    g.target_groups.iter().chain(&g.detaching)
}

pub(super) fn target_groups(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let g = super::group(w, p)?;
    let rows: Vec<Fields> =
        attachments(g).map(|arn| Fields::new().set("LoadBalancerTargetGroupARN", arn).set("State", w.attachment(g, arn))).collect();
    let (rows, next) = paged(p, rows, 100, 100)?;
    Ok(Fields::new().members("LoadBalancerTargetGroups", rows).opt("NextToken", next))
}

pub(super) fn traffic_sources(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let g = super::group(w, p)?;
    let asked = p.text("TrafficSourceType");
    if let Some(odd) = asked.filter(|t| !matches!(*t, "elb" | "elbv2" | "vpc-lattice")) {
        return Err(ApiError::validation(format!("{odd} is not a valid traffic source type.")));
    }
    let rows: Vec<Fields> = attachments(g)
        .filter(|_| asked.is_none_or(|t| t == "elbv2"))
        .map(|arn| Fields::new().set("Identifier", arn).set("State", w.attachment(g, arn)).set("Type", "elbv2"))
        .collect();
    let (rows, next) = paged(p, rows, 50, 50)?;
    Ok(Fields::new().members("TrafficSources", rows).opt("NextToken", next))
}

pub(super) fn warm_pool(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let g = super::group(w, p)?;
    let mut out = Fields::new();
    if let Some((state, min)) = &g.warm_pool {
        out = out.set("WarmPoolConfiguration", Fields::new().set("MinSize", *min).set("PoolState", state));
    }
    let (rows, next) = paged(p, Vec::<Fields>::new(), 50, 50)?;
    Ok(out.members("Instances", rows).opt("NextToken", next))
}
