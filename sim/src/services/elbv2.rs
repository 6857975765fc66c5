//! Elastic Load Balancing v2, API 2015-12-01 (aws-reference 6).
//!
//! **Invariant:** DescribeTargetHealth lists what is registered, draining included, and nothing else unless asked by id.

mod listeners;

use std::collections::BTreeSet;

use super::read;
use crate::{
    clock::iso,
    rng,
    wire::{ApiError, node::Node, page, xml::Fields},
    world::{World, target::TargetGroup},
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node) -> Result<Fields, ApiError> {
    match op {
        "DescribeTargetGroups" => target_groups(w, p),
        "DescribeTargetHealth" => target_health(w, p),
        "DescribeTargetGroupAttributes" => attributes(w, p),
        "DescribeLoadBalancers" => load_balancers(w, p),
        "DescribeListeners" => listeners::describe(w, p),
        "DescribeRules" => listeners::rules(w, p),
        _ => Err(super::unknown(op, "2015-12-01")),
    }
}

fn not_found() -> ApiError {
    ApiError::bad("TargetGroupNotFound", "One or more target groups not found")
}

fn paged<T>(p: &Node, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = read::int_in(p, "PageSize", 1, 400)?.unwrap_or(400) as usize;
    page::page(rows, p.text("Marker"), size).ok_or_else(|| ApiError::validation("Marker is not valid"))
}

/// ARN of a load balancer by name; its tail is decided by the name.
pub(crate) fn balancer_arn(w: &World, name: &str) -> String {
    let tail = rng::hex(w.seed, "load_balancer", name, 16);
    format!("arn:aws:elasticloadbalancing:{}:{}:loadbalancer/{}/{name}/{tail}", w.region, w.account, kind(w, name))
}

/// `app`, or `net` when the groups behind it speak TCP.
fn kind(w: &World, name: &str) -> &'static str {
    let first = w.target_groups.values().find(|t| t.load_balancer.as_deref() == Some(name));
    if first.is_some_and(|t| t.protocol.starts_with("HTTP")) { "app" } else { "net" }
}

fn balancers(w: &World) -> BTreeSet<String> {
    w.target_groups.values().filter_map(|t| t.load_balancer.clone()).collect()
}

fn target_groups(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (names, arns) = (p.texts("Names"), p.texts("TargetGroupArns"));
    let balancer = p.text("LoadBalancerArn");
    if let Some(arn) = balancer.filter(|arn| !balancers(w).iter().any(|n| balancer_arn(w, n) == *arn)) {
        return Err(ApiError::bad("LoadBalancerNotFound", format!("Load balancer '{arn}' not found")));
    }
    let known = |f: &dyn Fn(&TargetGroup) -> bool| w.target_groups.values().any(f);
    if names.iter().any(|n| !known(&|t| t.name == *n)) || arns.iter().any(|a| !known(&|t| t.arn == *a)) {
        return Err(not_found());
    }
    let rows: Vec<&TargetGroup> = w
        .target_groups
        .values()
        .filter(|t| names.is_empty() || names.contains(&t.name))
        .filter(|t| arns.is_empty() || arns.contains(&t.arn))
        .filter(|t| balancer.is_none_or(|arn| t.load_balancer.as_ref().is_some_and(|n| balancer_arn(w, n) == arn)))
        .collect();
    let (rows, next) = paged(p, rows)?;
    let rows = rows.into_iter().map(|t| {
        let mut out = Fields::new()
            .set("TargetGroupArn", &t.arn)
            .set("TargetGroupName", &t.name)
            .set("Protocol", &t.protocol)
            .set("Port", t.port)
            .set("VpcId", &w.vpc)
            .set("HealthCheckProtocol", &t.check_protocol)
            .set("HealthCheckPort", "traffic-port")
            .set("HealthCheckEnabled", true)
            .set("HealthCheckIntervalSeconds", t.interval)
            .set("HealthCheckTimeoutSeconds", t.timeout)
            .set("HealthyThresholdCount", t.healthy)
            .set("UnhealthyThresholdCount", t.unhealthy);
        if let Some(path) = &t.path {
            out = out.set("HealthCheckPath", path).set("Matcher", Fields::new().set("HttpCode", "200"));
        }
        out = out.members("LoadBalancerArns", t.load_balancer.iter().map(|n| balancer_arn(w, n))).set("TargetType", "instance");
        if t.protocol.starts_with("HTTP") {
            out = out.set("ProtocolVersion", "HTTP1");
        }
        out.set("IpAddressType", "ipv4")
    });
    Ok(Fields::new().members("TargetGroups", rows).opt("NextMarker", next))
}

fn one<'a>(w: &'a World, p: &Node) -> Result<&'a TargetGroup, ApiError> {
    let arn = read::need(p, "TargetGroupArn")?;
    if !arn.contains(":targetgroup/") {
        return Err(ApiError::validation(format!("'{arn}' is not a valid target group ARN")));
    }
    w.target_groups.get(arn).ok_or_else(not_found)
}

fn target_health(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let t = one(w, p)?;
    let asked: Vec<String> = p.list("Targets").iter().filter_map(|n| n.text("Id").map(str::to_owned)).collect();
    let ids: Vec<String> = if asked.is_empty() { t.targets.keys().cloned().collect() } else { asked };
    let rows = ids.iter().map(|id| {
        let (state, reason, description) = w.shown(t, id);
        let health = Fields::new().set("State", state).opt("Reason", reason).opt("Description", description);
        let out = Fields::new().set("Target", Fields::new().set("Id", id).set("Port", t.port));
        let out = if t.targets.contains_key(id) { out.set("HealthCheckPort", t.port.to_string()) } else { out };
        out.set("TargetHealth", health).set(
            "AdministrativeOverride",
            Fields::new()
                .set("State", "no_override")
                .set("Reason", "AdministrativeOverride.NoOverride")
                .set("Description", "No override is currently active on target"),
        )
    });
    Ok(Fields::new().members("TargetHealthDescriptions", rows))
}

fn attributes(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let t = one(w, p)?;
    let delay = t.delay.to_string();
    let mut rows = vec![
        ("stickiness.enabled", "false"),
        ("deregistration_delay.timeout_seconds", delay.as_str()),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ];
    if t.protocol.starts_with("HTTP") {
        rows.extend([
            ("stickiness.type", "lb_cookie"),
            ("stickiness.lb_cookie.duration_seconds", "86400"),
            ("slow_start.duration_seconds", "0"),
            ("load_balancing.algorithm.type", "round_robin"),
        ]);
    } else {
        rows.extend([
            ("stickiness.type", "source_ip"),
            ("deregistration_delay.connection_termination.enabled", "false"),
            ("preserve_client_ip.enabled", "true"),
            ("proxy_protocol_v2.enabled", "false"),
        ]);
    }
    let rows = rows.into_iter().map(|(k, v)| Fields::new().set("Key", k).set("Value", v));
    Ok(Fields::new().members("Attributes", rows))
}

fn load_balancers(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (names, arns) = (p.texts("Names"), p.texts("LoadBalancerArns"));
    let all = balancers(w);
    let lost = names.iter().find(|n| !all.contains(*n)).or_else(|| arns.iter().find(|a| !all.iter().any(|n| balancer_arn(w, n) == **a)));
    if let Some(lost) = lost {
        return Err(ApiError::bad("LoadBalancerNotFound", format!("Load balancers '[{lost}]' not found")));
    }
    let rows: Vec<String> =
        all.into_iter().filter(|n| names.is_empty() || names.contains(n)).filter(|n| arns.is_empty() || arns.contains(&balancer_arn(w, n))).collect();
    let (rows, next) = paged(p, rows)?;
    // As old as the oldest group; nothing in the world is when there is none.
    let since = w.groups.values().map(|g| g.created).min().unwrap_or_default();
    let rows = rows.into_iter().map(|name| {
        let arn = balancer_arn(w, &name);
        let kind = kind(w, &name);
        let out = Fields::new()
            .set("LoadBalancerArn", &arn)
            .set("DNSName", format!("{name}-{}.{}.elb.amazonaws.com", rng::hash(w.seed, "dns", &name) % 1_000_000_000, w.region))
            .set("CanonicalHostedZoneId", "ZP97RAFLXTNZK")
            .set("CreatedTime", iso(since))
            .set("LoadBalancerName", &name)
            .set("Scheme", "internet-facing")
            .set("VpcId", &w.vpc)
            .set("State", Fields::new().set("Code", "active"))
            .set("Type", if kind == "app" { "application" } else { "network" })
            .members(
                "AvailabilityZones",
                w.subnets
                    .iter()
                    .map(|s| Fields::new().set("ZoneName", &s.zone).set("SubnetId", &s.id).members("LoadBalancerAddresses", Vec::<String>::new())),
            );
        let out = if kind == "app" {
            let group = format!("sg-0{}", rng::hex(w.seed, "alb", &name, 16));
            out.members("SecurityGroups", [group])
        } else {
            out
        };
        out.set("IpAddressType", "ipv4")
    });
    Ok(Fields::new().members("LoadBalancers", rows).opt("NextMarker", next))
}
