//! Targets: registered, deregistered, and how they are (aws-reference 6, 6.1).
//!
//! **Invariant:** DescribeTargetHealth lists what is registered, draining included, and nothing else unless asked by id. One
//! target that cannot be registered refuses the call for all.

use super::{attributes, catalogue, group};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, instance::Ec2State},
};

/// Ids and ports of the request; the group's own port where none is said.
fn named(p: &Node, port: i64) -> Result<Vec<(String, i64)>, ApiError> {
    let one = |row: &&Node| {
        if row.at("QuicServerId").is_some() {
            return Err(super::wrong("'quicServerId' is for target groups with protocol QUIC"));
        }
        if row.at("AvailabilityZone").is_some() {
            return Err(super::wrong("You cannot specify an Availability Zone for a target group with target type 'instance'"));
        }
        Ok((read::need(row, "Id")?.to_owned(), read::int_in(row, "Port", 1, 65_535)?.unwrap_or(port)))
    };
    p.list("Targets").iter().map(one).collect()
}

fn needed(p: &Node, port: i64) -> Result<Vec<(String, i64)>, ApiError> {
    let targets = named(p, port)?;
    if targets.is_empty() {
        return Err(ApiError::validation("At least one target must be specified"));
    }
    Ok(targets)
}

pub(super) fn health(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let t = group(w, p)?;
    let include = p.texts("Include");
    if let Some(odd) = include.iter().find(|i| !matches!(i.as_str(), "AnomalyDetection" | "All")) {
        return Err(ApiError::validation(format!("Value '{odd}' at 'include' failed to satisfy constraint")));
    }
    let asked = named(p, t.port)?;
    let rows: Vec<(String, String, i64)> = if asked.is_empty() {
        t.targets.iter().map(|(key, target)| (key.clone(), target.id.clone(), target.port)).collect()
    } else {
        asked.into_iter().map(|(id, port)| (t.key(&id, port), id, port)).collect()
    };
    let anomalies = t.speaks_http() && !include.is_empty();
    let mitigates = attributes::group_value(t, "load_balancing.algorithm.anomaly_mitigation") == "on";
    let rows = rows.iter().map(|(key, id, port)| {
        let (state, reason, description) = w.shown(t, key);
        let health = Fields::new().set("State", state).opt("Reason", reason).opt("Description", description);
        let mut out = Fields::new().set("Target", Fields::new().set("Id", id).set("Port", *port));
        if t.targets.contains_key(key) {
            out = out.set("HealthCheckPort", t.port_checked(*port));
        }
        out = out.set("TargetHealth", health);
        if anomalies && t.targets.contains_key(key) {
            let normal = Fields::new().set("Result", "normal").set("MitigationInEffect", if mitigates { "yes" } else { "no" });
            out = out.set("AnomalyDetection", normal);
        }
        out.set(
            "AdministrativeOverride",
            Fields::new()
                .set("State", "no_override")
                .set("Reason", "AdministrativeOverride.NoOverride")
                .set("Description", "No override is currently active on target"),
        )
    });
    Ok(Fields::new().members("TargetHealthDescriptions", rows))
}

pub(super) fn register(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let t = group(w, p)?;
    let targets = needed(p, t.port)?;
    let list = |ids: Vec<&str>| ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let ids = || targets.iter().map(|(id, _)| id.as_str());
    let lost: Vec<&str> = ids().filter(|id| !w.instances.contains_key(*id)).collect();
    if !lost.is_empty() {
        return Err(ApiError::bad("InvalidTarget", format!("The following targets are not valid instances: {}", list(lost))));
    }
    let idle: Vec<&str> = ids().filter(|id| w.instances.get(*id).is_some_and(|i| i.ec2 != Ec2State::Running)).collect();
    if !idle.is_empty() {
        let message = format!("The following targets are not in a running state and cannot be registered: {}", list(idle));
        return Err(ApiError::bad("InvalidTarget", message));
    }
    let fresh = targets.iter().filter(|(id, port)| !t.targets.contains_key(&t.key(id, *port))).count();
    catalogue::within(
        "targets-per-target-group",
        t.targets.len() + fresh,
        "TooManyTargets",
        "The maximum number of targets for the target group has been reached",
    )?;
    let arn = t.arn.clone();
    for (id, port) in targets {
        w.register_port(&arn, &id, port);
    }
    Ok(Fields::new())
}

pub(super) fn deregister(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let t = group(w, p)?;
    let keys: Vec<String> = needed(p, t.port)?.into_iter().map(|(id, port)| t.key(&id, port)).collect();
    let arn = t.arn.clone();
    for key in keys {
        w.deregister_key(&arn, &key);
    }
    Ok(Fields::new())
}
