//! Attributes of load balancers, target groups and listeners (aws-reference 6.2).
//!
//! **Invariant:** a key that does not belong to the kind and a value out of its range are refused, all together or none;
//! what was never set has the documented default.

use std::collections::BTreeMap;

use super::{balancer, group, listener, wrong};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        balancer::Balancer,
        target::{DELAY, TargetGroup},
    },
};

/// What a value may be.
#[derive(Clone, Copy)]
enum Range {
    Flag,
    Whole(i64, i64),
    /// 0 or within.
    ZeroOr(i64, i64),
    OffOr(i64, i64),
    OneOf(&'static [&'static str]),
    Any,
}

use Range::{Any, Flag, OffOr, OneOf, Whole, ZeroOr};

/// Key, default and range.
type Table = &'static [(&'static str, &'static str, Range)];

/// Of every target group behind either kind.
const GROUP: Table = &[
    ("stickiness.enabled", "false", Flag),
    (DELAY, "300", Whole(0, 3600)),
    (CROSS_ZONE, "use_load_balancer_configuration", OneOf(&["true", "false", "use_load_balancer_configuration"])),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1", OffOr(1, 1000)),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", OffOr(1, 100)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", Whole(1, 1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", OffOr(1, 100)),
];

const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const ALGORITHM: &str = "load_balancing.algorithm.type";
const SLOW_START: &str = "slow_start.duration_seconds";
const MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
const COOKIE: &str = "stickiness.app_cookie.cookie_name";

const HTTP_GROUP: Table = &[
    ("stickiness.type", "lb_cookie", OneOf(&["lb_cookie", "app_cookie"])),
    ("stickiness.lb_cookie.duration_seconds", "86400", Whole(1, 604_800)),
    (SLOW_START, "0", ZeroOr(30, 900)),
    (ALGORITHM, "round_robin", OneOf(&["round_robin", "least_outstanding_requests", "weighted_random"])),
    ("stickiness.app_cookie.duration_seconds", "86400", Whole(1, 604_800)),
    (COOKIE, "", Any),
    (MITIGATION, "off", OneOf(&["on", "off"])),
];

const TCP_GROUP: Table = &[
    ("stickiness.type", "source_ip", OneOf(&["source_ip"])),
    ("deregistration_delay.connection_termination.enabled", "false", Flag),
    ("preserve_client_ip.enabled", "true", Flag),
    ("proxy_protocol_v2.enabled", "false", Flag),
    ("target_health_state.unhealthy.connection_termination.enabled", "true", Flag),
    ("target_health_state.unhealthy.draining_interval_seconds", "0", Whole(0, 360_000)),
];

const BALANCER: Table = &[
    ("access_logs.s3.enabled", "false", Flag),
    ("access_logs.s3.bucket", "", Any),
    ("access_logs.s3.prefix", "", Any),
    ("deletion_protection.enabled", "false", Flag),
    ("ipv6.deny_all_igw_traffic", "false", Flag),
    ("zonal_shift.config.enabled", "false", Flag),
];

const APPLICATION: Table = &[
    ("idle_timeout.timeout_seconds", "60", Whole(1, 4000)),
    (CROSS_ZONE, "true", OneOf(&["true"])),
    ("client_keep_alive.seconds", "3600", Whole(60, 604_800)),
    ("connection_logs.s3.enabled", "false", Flag),
    ("connection_logs.s3.bucket", "", Any),
    ("connection_logs.s3.prefix", "", Any),
    ("health_check_logs.s3.enabled", "false", Flag),
    ("health_check_logs.s3.bucket", "", Any),
    ("health_check_logs.s3.prefix", "", Any),
    ("routing.http.desync_mitigation_mode", "defensive", OneOf(&["monitor", "defensive", "strictest"])),
    ("routing.http.drop_invalid_header_fields.enabled", "false", Flag),
    ("routing.http.preserve_host_header.enabled", "false", Flag),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Flag),
    ("routing.http.xff_client_port.enabled", "false", Flag),
    ("routing.http.xff_header_processing.mode", "append", OneOf(&["append", "preserve", "remove"])),
    ("routing.http2.enabled", "true", Flag),
    ("waf.fail_open.enabled", "false", Flag),
];

const NETWORK: Table = &[
    (CROSS_ZONE, "false", Flag),
    (
        "dns_record.client_routing_policy",
        "any_availability_zone",
        OneOf(&["availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone"]),
    ),
    ("secondary_ips.auto_assigned.per_subnet", "0", Whole(0, 7)),
];

fn fits(range: Range, value: &str) -> bool {
    let within = |low: i64, high: i64| value.parse().is_ok_and(|v: i64| (low..=high).contains(&v));
    match range {
        Flag => matches!(value, "true" | "false"),
        Whole(low, high) => within(low, high),
        ZeroOr(low, high) => value == "0" || within(low, high),
        OffOr(low, high) => value == "off" || within(low, high),
        OneOf(known) => known.contains(&value),
        Any => value.len() <= 1024,
    }
}

/// Takes the attributes of a request into `set`, each checked; `others` are the keys of the other kind.
fn take(p: &Node, set: &mut BTreeMap<String, String>, tables: [Table; 2], others: Table, what: &str) -> Result<(), ApiError> {
    let rows = p.list("Attributes");
    if rows.is_empty() {
        return Err(ApiError::validation(format!("At least one {} attribute must be specified", what.to_lowercase())));
    }
    for row in rows {
        let (key, value) = (row.text("Key").unwrap_or_default(), row.text("Value").unwrap_or_default());
        let Some((_, _, range)) = tables.into_iter().flatten().find(|(k, _, _)| *k == key) else {
            return Err(match others.iter().any(|(k, _, _)| *k == key) {
                true => wrong(format!("{what} attribute key '{key}' is not supported on this kind of {}", what.to_lowercase())),
                false => ApiError::validation(format!("{what} attribute key '{key}' is not recognized")),
            });
        };
        if !fits(*range, value) {
            return Err(wrong(format!("'{value}' is not a valid value for {} attribute '{key}'", what.to_lowercase())));
        }
        set.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

fn value<'a>(set: &'a BTreeMap<String, String>, tables: [Table; 2], key: &str) -> &'a str {
    let default = || tables.into_iter().flatten().find(|(k, _, _)| *k == key).map_or("", |(_, d, _)| d);
    set.get(key).map_or_else(default, String::as_str)
}

fn written(set: &BTreeMap<String, String>, tables: [Table; 2]) -> Fields {
    let shown = |key: &str| match key {
        // Told only where it was said.
        COOKIE => set.contains_key(COOKIE),
        "stickiness.app_cookie.duration_seconds" => set.get("stickiness.type").is_some_and(|t| t == "app_cookie"),
        MITIGATION => value(set, tables, ALGORITHM) == "weighted_random",
        _ => true,
    };
    let keys = tables.into_iter().flatten().map(|(key, _, _)| *key).filter(|key| shown(key));
    Fields::new().members("Attributes", keys.map(|key| Fields::new().set("Key", key).set("Value", value(set, tables, key))))
}

fn group_tables(t: &TargetGroup) -> [Table; 2] {
    [GROUP, if t.speaks_http() { HTTP_GROUP } else { TCP_GROUP }]
}

fn balancer_tables(b: &Balancer) -> [Table; 2] {
    [BALANCER, if b.network { NETWORK } else { APPLICATION }]
}

/// An attribute's value, the default where none was set.
pub(super) fn balancer_value<'a>(b: &'a Balancer, key: &str) -> &'a str {
    value(&b.attributes, balancer_tables(b), key)
}

/// An attribute's value, the default where none was set.
pub(super) fn group_value<'a>(t: &'a TargetGroup, key: &str) -> &'a str {
    value(&t.attributes, group_tables(t), key)
}

pub(super) fn of_group(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let t = group(w, p)?;
    Ok(written(&t.attributes, group_tables(t)))
}

pub(super) fn of_balancer(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let b = balancer(w, p)?;
    Ok(written(&b.attributes, balancer_tables(b)))
}

pub(super) fn modify_group(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let t = group(w, p)?;
    let (arn, tables) = (t.arn.clone(), group_tables(t));
    let mut set = t.attributes.clone();
    take(p, &mut set, tables, if t.speaks_http() { TCP_GROUP } else { HTTP_GROUP }, "Target group")?;
    together(&set, tables)?;
    let out = written(&set, tables);
    if let Some(t) = w.target_groups.get_mut(&arn) {
        t.attributes = set;
    }
    Ok(out)
}

/// What cannot be at the same time (aws-reference 6.2).
fn together(set: &BTreeMap<String, String>, tables: [Table; 2]) -> Result<(), ApiError> {
    let of = |key| value(set, tables, key);
    let algorithm = of(ALGORITHM);
    if !matches!(of(SLOW_START), "0" | "") && algorithm != "round_robin" {
        return Err(wrong(format!("You cannot enable both slow start and the load balancing algorithm '{algorithm}' on a target group")));
    }
    if of(MITIGATION) == "on" && algorithm != "weighted_random" {
        return Err(wrong("Anomaly mitigation is only available with the load balancing algorithm 'weighted_random'"));
    }
    if of("stickiness.enabled") == "true" {
        if of(CROSS_ZONE) == "false" {
            return Err(wrong("You cannot enable stickiness on a target group where cross-zone load balancing is off"));
        }
        if of("stickiness.type") == "app_cookie" && of(COOKIE).is_empty() {
            return Err(wrong("You must specify the application cookie name for app_cookie stickiness"));
        }
    }
    if of(COOKIE).starts_with("AWSALB") {
        return Err(wrong("The application cookie name cannot begin with a prefix that is reserved for the load balancer"));
    }
    Ok(())
}

pub(super) fn modify_balancer(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let b = balancer(w, p)?;
    let (arn, tables) = (b.arn.clone(), balancer_tables(b));
    let mut set = b.attributes.clone();
    take(p, &mut set, tables, if b.network { APPLICATION } else { NETWORK }, "Load balancer")?;
    for logs in ["access_logs", "connection_logs", "health_check_logs"] {
        let bucket = value(&set, tables, &format!("{logs}.s3.bucket")).to_owned();
        if value(&set, tables, &format!("{logs}.s3.enabled")) == "true" && !w.buckets.contains_key(&bucket) {
            return Err(wrong(format!("Access Denied for bucket: {bucket}. Please check S3bucket permission")));
        }
    }
    let out = written(&set, tables);
    if let Some(b) = w.elb.balancers.get_mut(&arn) {
        b.attributes = set;
    }
    Ok(out)
}

pub(super) fn of_listener(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let l = listener(w, p)?;
    let network = w.elb.balancers.get(&l.balancer).is_some_and(|b| b.network);
    let rows: &[(&str, &str)] = if network { &[("tcp.idle_timeout.seconds", "350")] } else { &[("routing.http.response.server.enabled", "true")] };
    Ok(Fields::new().members("Attributes", rows.iter().map(|(k, v)| Fields::new().set("Key", *k).set("Value", *v))))
}
