//! What a listener or a rule does with a request: forward, redirect, answer (aws-reference 6).
//!
//! **Invariant:** exactly one action that ends the request; a target group it forwards to exists, speaks a protocol that fits
//! and belongs to no other load balancer.

use std::collections::BTreeSet;

use super::{catalogue, no_group, shaped};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        balancer::{Act, Action, Balancer, Listener, forwards},
    },
};

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidLoadBalancerAction", message)
}

/// Reads and checks the actions of a request for this balancer and protocol.
pub(super) fn read(w: &World, rows: &[&Node], balancer: &Balancer, protocol: &str) -> Result<Vec<Action>, ApiError> {
    let [row] = rows else {
        return Err(invalid("Exactly one action of type 'forward', 'redirect' or 'fixed-response' must be specified"));
    };
    let order = read::int_in(row, "Order", 1, 50_000)?;
    let kind = read::need(row, "Type")?;
    let members: &[(&str, &[&str])] =
        &[("forward", &["TargetGroupArn", "ForwardConfig"]), ("redirect", &["RedirectConfig"]), ("fixed-response", &["FixedResponseConfig"])];
    let Some((_, own)) = members.iter().find(|(name, _)| *name == kind) else {
        return Err(invalid(format!("Actions of type '{kind}' are not supported")));
    };
    if let Some(odd) = row.kids.keys().find(|k| !own.contains(&k.as_str()) && !matches!(k.as_str(), "Type" | "Order")) {
        return Err(invalid(format!("'{odd}' cannot be specified for an action of type '{kind}'")));
    }
    let act = match kind {
        "forward" => forward(row)?,
        "redirect" => redirect(row)?,
        _ => fixed(row)?,
    };
    if balancer.network && kind != "forward" {
        return Err(invalid(format!("Actions of type '{kind}' are not supported for network load balancers")));
    }
    let actions = vec![Action { order, act }];
    attachable(w, &actions, balancer, protocol)?;
    Ok(actions)
}

fn forward(row: &Node) -> Result<Act, ApiError> {
    let config = row.at("ForwardConfig");
    let mut groups = Vec::new();
    for g in config.map(|c| c.list("TargetGroups")).unwrap_or_default() {
        groups.push((read::need(g, "TargetGroupArn")?.to_owned(), read::int_in(g, "Weight", 0, 999)?.unwrap_or(1)));
    }
    match (row.text("TargetGroupArn"), groups.as_slice()) {
        (Some(arn), []) => groups.push((arn.to_owned(), 1)),
        (Some(arn), [(same, _)]) if arn == same => {}
        (Some(_), _) => return Err(invalid("The target group ARN and the forward config of an action must name the same target group")),
        (None, []) => return Err(ApiError::validation("A target group ARN must be specified")),
        (None, _) => {}
    }
    let names: BTreeSet<&str> = groups.iter().map(|(arn, _)| arn.as_str()).collect();
    if names.len() != groups.len() {
        return Err(invalid("A target group can be specified only once in an action"));
    }
    let limit = "target-groups-per-action-on-application-load-balancer";
    catalogue::within(limit, groups.len(), "TooManyTargetGroups", "The maximum number of target groups per action has been reached")?;
    let sticky = config.and_then(|c| c.at("TargetGroupStickinessConfig"));
    let on = sticky.map(|s| read::flag(s, "Enabled")).transpose()?.flatten().unwrap_or(false);
    let sticky_seconds = sticky.map(|s| read::int_in(s, "DurationSeconds", 1, 604_800)).transpose()?.flatten();
    if on && sticky_seconds.is_none() {
        return Err(ApiError::validation("A duration must be specified when target group stickiness is enabled"));
    }
    Ok(Act::Forward { groups, sticky: on, sticky_seconds })
}

fn redirect(row: &Node) -> Result<Act, ApiError> {
    let config = row.at("RedirectConfig").ok_or_else(|| ApiError::validation("A redirect config must be specified"))?;
    let status = read::need(config, "StatusCode")?.to_owned();
    if !matches!(status.as_str(), "HTTP_301" | "HTTP_302") {
        return Err(ApiError::validation(format!("Redirect status code '{status}' must be one of 'HTTP_301, HTTP_302'")));
    }
    let part = |name: &str, default: &str| config.text(name).unwrap_or(default).to_owned();
    let (protocol, port) = (part("Protocol", "#{protocol}"), part("Port", "#{port}"));
    let (host, path, query) = (part("Host", "#{host}"), part("Path", "/#{path}"), part("Query", "#{query}"));
    if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "#{protocol}") {
        return Err(ApiError::validation(format!("Redirect protocol '{protocol}' must be one of 'HTTP, HTTPS, #{{protocol}}'")));
    }
    if port != "#{port}" && !port.parse().is_ok_and(|n: i64| (1..=65_535).contains(&n)) {
        return Err(ApiError::validation(format!("Redirect port '{port}' is not valid")));
    }
    if !path.starts_with('/') || [&host, &path, &query].iter().any(|t| t.len() > 128) {
        return Err(ApiError::validation("Redirect host, path and query can have up to 128 characters, and a path begins with '/'"));
    }
    if (protocol.as_str(), port.as_str(), host.as_str(), path.as_str()) == ("#{protocol}", "#{port}", "#{host}", "/#{path}") {
        return Err(invalid("The redirect must change the protocol, port, host or path, else it would loop"));
    }
    Ok(Act::Redirect { protocol, port, host, path, query, status })
}

fn fixed(row: &Node) -> Result<Act, ApiError> {
    let config = row.at("FixedResponseConfig").ok_or_else(|| ApiError::validation("A fixed response config must be specified"))?;
    let status = read::need(config, "StatusCode")?.to_owned();
    if status.len() != 3 || !status.parse().is_ok_and(|n: i64| matches!(n / 100, 2 | 4 | 5)) {
        return Err(ApiError::validation(format!("Fixed response status code '{status}' must be 2XX, 4XX or 5XX")));
    }
    let content_type = config.text("ContentType").map(str::to_owned);
    let known = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];
    if let Some(odd) = content_type.as_ref().filter(|t| !known.contains(&t.as_str())) {
        return Err(ApiError::validation(format!("Fixed response content type '{odd}' must be one of '{}'", known.join(", "))));
    }
    let body = config.text("MessageBody").map(str::to_owned);
    if body.as_ref().is_some_and(|b| b.len() > 1024) {
        return Err(ApiError::validation("Fixed response message body can have up to 1024 characters"));
    }
    Ok(Act::Fixed { status, content_type, body })
}

/// Whether these protocols can stand behind each other.
fn fit(listener: &str, group: &str) -> bool {
    match listener {
        "HTTP" | "HTTPS" => group.starts_with("HTTP"),
        "TLS" => matches!(group, "TCP" | "TLS"),
        "TCP" => matches!(group, "TCP" | "TCP_UDP"),
        "UDP" => matches!(group, "UDP" | "TCP_UDP"),
        other => group == other,
    }
}

fn attachable(w: &World, actions: &[Action], balancer: &Balancer, protocol: &str) -> Result<(), ApiError> {
    for arn in forwards(actions) {
        shaped(arn, ":targetgroup/", "target group")?;
        let t = w.target_groups.get(arn).ok_or_else(no_group)?;
        if !fit(protocol, &t.protocol) {
            let message = format!("The protocol '{}' of target group '{arn}' is not compatible with the listener protocol '{protocol}'", t.protocol);
            return Err(ApiError::bad("IncompatibleProtocols", message));
        }
        if w.balancers_of(arn).iter().any(|b| b.arn != balancer.arn) {
            let message = format!("The following target groups cannot be associated with more than one load balancer: {arn}");
            return Err(ApiError::bad("TargetGroupAssociationLimit", message));
        }
    }
    let mut all = w.elb.reached_by(&balancer.arn);
    all.extend(forwards(actions));
    catalogue::within(
        "target-groups-per-application-load-balancer",
        all.len(),
        "TooManyUniqueTargetGroupsPerLoadBalancer",
        "The maximum number of unique target groups for the load balancer has been reached",
    )
}

/// The balancer of a listener.
pub(super) fn balancer_of<'a>(w: &'a World, l: &Listener) -> Result<&'a Balancer, ApiError> {
    w.elb.balancers.get(&l.balancer).ok_or_else(|| super::no_balancer(&l.balancer))
}

/// Actions as they are described.
pub(super) fn written(actions: &[Action]) -> Vec<Fields> {
    actions.iter().map(one).collect()
}

fn one(action: &Action) -> Fields {
    let order = action.order;
    match &action.act {
        Act::Forward { groups, sticky, sticky_seconds } => {
            let single = match groups.as_slice() {
                [(arn, _)] => Some(arn),
                _ => None,
            };
            let rows = groups.iter().map(|(arn, weight)| Fields::new().set("TargetGroupArn", arn).set("Weight", *weight));
            let sticky = Fields::new().set("Enabled", *sticky).opt("DurationSeconds", *sticky_seconds);
            Fields::new()
                .set("Type", "forward")
                .opt("TargetGroupArn", single)
                .opt("Order", order)
                .set("ForwardConfig", Fields::new().members("TargetGroups", rows).set("TargetGroupStickinessConfig", sticky))
        }
        Act::Redirect { protocol, port, host, path, query, status } => {
            let config = Fields::new()
                .set("Protocol", protocol)
                .set("Port", port)
                .set("Host", host)
                .set("Path", path)
                .set("Query", query)
                .set("StatusCode", status);
            Fields::new().set("Type", "redirect").opt("Order", order).set("RedirectConfig", config)
        }
        Act::Fixed { status, content_type, body } => {
            let config = Fields::new().opt("MessageBody", body.as_ref()).set("StatusCode", status).opt("ContentType", content_type.as_ref());
            Fields::new().set("Type", "fixed-response").opt("Order", order).set("FixedResponseConfig", config)
        }
    }
}
