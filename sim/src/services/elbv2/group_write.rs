//! CreateTargetGroup and ModifyTargetGroup (aws-reference 6, 6.2).
//!
//! **Invariant:** the timeout is shorter than the interval; settings of health checks take hold at once, on the targets
//! that are registered already.

use std::collections::BTreeMap;

use super::{catalogue, check_name, group, groups, tags, unsupported, wrong};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, target::TargetGroup},
};

const PROTOCOLS: &[&str] = &["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"];

/// Reads the health check settings that are there over those of `t`.
fn checks(p: &Node, t: &mut TargetGroup) -> Result<(), ApiError> {
    if read::flag(p, "HealthCheckEnabled")? == Some(false) {
        return Err(wrong("Health checks can't be disabled for target groups with target type 'instance'"));
    }
    if let Some(protocol) = p.text("HealthCheckProtocol") {
        let known: &[&str] = if t.speaks_http() { &["HTTP", "HTTPS"] } else { &["HTTP", "HTTPS", "TCP"] };
        if !known.contains(&protocol) {
            return Err(ApiError::validation(format!("Health check protocol '{protocol}' must be one of '{}'", known.join(", "))));
        }
        protocol.clone_into(&mut t.check_protocol);
    }
    let http = t.check_protocol.starts_with("HTTP");
    if let Some(port) = p.text("HealthCheckPort") {
        if port != "traffic-port" && !port.parse().is_ok_and(|n: i64| (1..=65_535).contains(&n)) {
            return Err(ApiError::validation(format!("Health check port '{port}' must be 'traffic-port' or an integer from 1 to 65535")));
        }
        port.clone_into(&mut t.check_port);
    }
    let path = p.text("HealthCheckPath");
    let codes = p.text("Matcher.HttpCode");
    if p.text("Matcher.GrpcCode").is_some() {
        return Err(wrong("The matcher 'GrpcCode' is for target groups with protocol version GRPC"));
    }
    if !http {
        if path.is_some() || codes.is_some() {
            return Err(wrong("You cannot specify a health check path or matcher for a target group with health check protocol 'TCP'"));
        }
        (t.path, t.matcher) = (None, None);
    } else {
        if let Some(odd) = path.filter(|path| !path.starts_with('/') || path.len() > 1024) {
            return Err(ApiError::validation(format!("Health check path '{odd}' must begin with '/' and be at most 1024 characters long")));
        }
        let high = if t.speaks_http() { 499 } else { 599 };
        if let Some(odd) = codes.filter(|codes| !is_matcher(codes, high)) {
            return Err(ApiError::validation(format!("Health check matcher HTTP code '{odd}' must be within '200-{high}'")));
        }
        let default = if t.speaks_http() { "200" } else { "200-399" };
        t.path = Some(path.map(str::to_owned).or(t.path.take()).unwrap_or_else(|| "/".into()));
        t.matcher = Some(codes.map(str::to_owned).or(t.matcher.take()).unwrap_or_else(|| default.into()));
    }
    t.interval = read::int_in(p, "HealthCheckIntervalSeconds", 5, 300)?.unwrap_or(t.interval);
    t.timeout = read::int_in(p, "HealthCheckTimeoutSeconds", 2, 120)?.unwrap_or(t.timeout);
    t.healthy = read::int_in(p, "HealthyThresholdCount", 2, 10)?.unwrap_or(t.healthy);
    t.unhealthy = read::int_in(p, "UnhealthyThresholdCount", 2, 10)?.unwrap_or(t.unhealthy);
    if t.timeout >= t.interval {
        return Err(ApiError::validation(format!("Health check timeout '{}' must be smaller than the interval '{}'", t.timeout, t.interval)));
    }
    Ok(())
}

/// `200`, `200,202` or `200-299`, all between 200 and `high`.
fn is_matcher(text: &str, high: u16) -> bool {
    let code = |t: &str| t.parse::<u16>().ok().filter(|c| t.len() == 3 && (200..=high).contains(c));
    text.split(',').all(|part| match part.split_once('-') {
        Some((low, high)) => code(low).zip(code(high)).is_some_and(|(low, high)| low <= high),
        None => code(part).is_some(),
    })
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "Name")?.to_owned();
    check_name(&name, "Target group")?;
    unsupported(p, &["TargetControlPort"])?;
    if let Some(odd) = p.text("TargetType").filter(|t| *t != "instance") {
        return Err(wrong(format!("Target groups with target type '{odd}' are not supported")));
    }
    if p.text("IpAddressType").is_some_and(|t| t != "ipv4") {
        return Err(wrong("Target groups of IPv6 addresses are not supported"));
    }
    let protocol = p.text("Protocol").ok_or_else(|| ApiError::validation("A protocol must be specified"))?.to_owned();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err(wrong(format!("Target groups with protocol '{protocol}' are not supported")));
    }
    let port = read::int_in(p, "Port", 1, 65_535)?.ok_or_else(|| ApiError::validation("A port must be specified"))?;
    let vpc = p.text("VpcId").ok_or_else(|| ApiError::validation("A VPC ID must be specified"))?;
    if vpc != w.vpc {
        return Err(ApiError::validation(format!("The VPC ID '{vpc}' is not found")));
    }
    let http = protocol.starts_with("HTTP");
    let version = match p.text("ProtocolVersion") {
        None => http.then(|| "HTTP1".to_owned()),
        Some(v @ ("HTTP1" | "HTTP2")) if http => Some(v.to_owned()),
        Some(odd) => return Err(wrong(format!("Protocol version '{odd}' is not supported for target groups with protocol '{protocol}'"))),
    };
    let labels = tags::read(p, "Tags")?;
    let old = w.target_groups.values().find(|t| t.name == name);
    let check_protocol = p.text("HealthCheckProtocol").unwrap_or(if http { "HTTP" } else { "TCP" }).to_owned();
    let timeout = match (check_protocol.as_str(), http) {
        ("TCP", _) => 10,
        (_, true) if !w.params.target_timeout_is_six => 5,
        _ => 6,
    };
    let mut row = TargetGroup {
        arn: old.map(|t| t.arn.clone()).unwrap_or_default(),
        name: name.clone(),
        protocol,
        version,
        port,
        check_protocol,
        check_port: "traffic-port".into(),
        path: None,
        matcher: None,
        interval: 30,
        timeout,
        healthy: 5,
        unhealthy: 2,
        attributes: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    checks(p, &mut row)?;
    if let Some(old) = old {
        if settings(old) == settings(&row) {
            return Ok(Fields::new().members("TargetGroups", [groups::row(w, old)]));
        }
        return Err(ApiError::bad(
            "DuplicateTargetGroupName",
            format!("A target group with the same name '{name}' exists, but with different settings"),
        ));
    }
    catalogue::within("target-groups", w.target_groups.len() + 1, "TooManyTargetGroups", "The maximum number of target groups has been reached")?;
    let tail = w.new_hex("target_group", 16);
    row.arn = format!("arn:aws:elasticloadbalancing:{}:{}:targetgroup/{name}/{tail}", w.region, w.account);
    let out = groups::row(w, &row);
    tags::put(w, &row.arn, labels);
    w.target_groups.insert(row.arn.clone(), row);
    Ok(Fields::new().members("TargetGroups", [out]))
}

/// What makes two groups the same (aws-reference 2.4).
fn settings(t: &TargetGroup) -> impl PartialEq + use<'_> {
    ((&t.protocol, &t.version, t.port, &t.check_protocol, &t.check_port), (&t.path, &t.matcher, t.interval, t.timeout, t.healthy, t.unhealthy))
}

pub(super) fn modify(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let old = group(w, p)?;
    let mut new = old.clone();
    checks(p, &mut new)?;
    let (arn, another) = (old.arn.clone(), old.interval != new.interval);
    let out = groups::row(w, &new);
    w.target_groups.insert(arn.clone(), new);
    w.recheck(&arn, another);
    Ok(Fields::new().members("TargetGroups", [out]))
}
