//! Target groups as they are described and taken away (aws-reference 6).
//!
//! **Invariant:** LoadBalancerArns is empty for a group that no action names; one that is named cannot be deleted.

use super::{balancer, named, no_group, paged, shaped};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, target::TargetGroup},
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (names, arns) = (named(p, "Names")?, named(p, "TargetGroupArns")?);
    let reached = match p.text("LoadBalancerArn") {
        Some(_) => Some(w.elb.reached_by(&balancer(w, p)?.arn)),
        None => None,
    };
    let known = |f: &dyn Fn(&TargetGroup) -> bool| w.target_groups.values().any(f);
    if names.iter().any(|n| !known(&|t| t.name == *n)) || arns.iter().any(|a| !w.target_groups.contains_key(a)) {
        return Err(no_group());
    }
    let rows: Vec<&TargetGroup> = w
        .target_groups
        .values()
        .filter(|t| names.is_empty() || names.contains(&t.name))
        .filter(|t| arns.is_empty() || arns.contains(&t.arn))
        .filter(|t| reached.as_ref().is_none_or(|arns| arns.contains(t.arn.as_str())))
        .collect();
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().members("TargetGroups", rows.into_iter().map(|t| row(w, t))).opt("NextMarker", next))
}

pub(super) fn row(w: &World, t: &TargetGroup) -> Fields {
    let out = Fields::new()
        .set("TargetGroupArn", &t.arn)
        .set("TargetGroupName", &t.name)
        .set("Protocol", &t.protocol)
        .set("Port", t.port)
        .set("VpcId", &w.vpc)
        .set("HealthCheckProtocol", &t.check_protocol)
        .set("HealthCheckPort", &t.check_port)
        .set("HealthCheckEnabled", true)
        .set("HealthCheckIntervalSeconds", t.interval)
        .set("HealthCheckTimeoutSeconds", t.timeout)
        .set("HealthyThresholdCount", t.healthy)
        .set("UnhealthyThresholdCount", t.unhealthy)
        .opt("HealthCheckPath", t.path.as_ref())
        .opt("Matcher", t.matcher.as_ref().map(|codes| Fields::new().set("HttpCode", codes)));
    out.members("LoadBalancerArns", w.balancers_of(&t.arn).into_iter().map(|b| &b.arn))
        .set("TargetType", "instance")
        .opt("ProtocolVersion", t.version.as_ref())
        .set("IpAddressType", "ipv4")
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arn = read::need(p, "TargetGroupArn")?;
    shaped(arn, ":targetgroup/", "target group")?;
    if !w.balancers_of(arn).is_empty() {
        return Err(ApiError::bad("ResourceInUse", format!("Target group '{arn}' is currently in use by a listener or a rule")));
    }
    w.elb.tags.remove(arn);
    let Some(gone) = w.target_groups.remove(arn) else {
        return Ok(Fields::new());
    };
    // An instance may be waiting for its drain here.
    for id in gone.targets.into_values().map(|t| t.id) {
        let now = w.now;
        w.wake_instance(&id, now);
    }
    Ok(Fields::new())
}
