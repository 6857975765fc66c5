//! Elastic Load Balancing v2, API 2015-12-01 (aws-reference 6).
//!
//! **Invariant:** every change of a listener, a rule or a zone is followed by [`World::settle_use`], so that targets are in
//! use exactly while something forwards to them.

mod actions;
mod attributes;
mod balancer_create;
mod balancers;
mod catalogue;
mod conditions;
mod group_write;
mod groups;
mod listener_write;
mod listeners;
mod rules;
mod tags;
mod targets;

use super::read;
use crate::{
    wire::{ApiError, node::Node, page, xml::Fields},
    world::{
        World,
        balancer::{Balancer, Listener},
        target::TargetGroup,
    },
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node) -> Result<Fields, ApiError> {
    match op {
        "DescribeLoadBalancers" => balancers::describe(w, p),
        "CreateLoadBalancer" => balancer_create::create(w, p),
        "DeleteLoadBalancer" => balancers::delete(w, p),
        "SetSecurityGroups" => balancers::set_security_groups(w, p),
        "SetSubnets" => balancers::set_subnets(w, p),
        "DescribeLoadBalancerAttributes" => attributes::of_balancer(w, p),
        "ModifyLoadBalancerAttributes" => attributes::modify_balancer(w, p),
        "DescribeTargetGroups" => groups::describe(w, p),
        "CreateTargetGroup" => group_write::create(w, p),
        "ModifyTargetGroup" => group_write::modify(w, p),
        "DeleteTargetGroup" => groups::delete(w, p),
        "DescribeTargetGroupAttributes" => attributes::of_group(w, p),
        "ModifyTargetGroupAttributes" => attributes::modify_group(w, p),
        "DescribeTargetHealth" => targets::health(w, p),
        "RegisterTargets" => targets::register(w, p),
        "DeregisterTargets" => targets::deregister(w, p),
        "DescribeListeners" => listeners::describe(w, p),
        "CreateListener" => listener_write::create(w, p),
        "ModifyListener" => listener_write::modify(w, p),
        "DeleteListener" => listener_write::delete(w, p),
        "DescribeListenerAttributes" => attributes::of_listener(w, p),
        "DescribeRules" => rules::describe(w, p),
        "CreateRule" => rules::create(w, p),
        "ModifyRule" => rules::modify(w, p),
        "DeleteRule" => rules::delete(w, p),
        "SetRulePriorities" => rules::set_priorities(w, p),
        "AddTags" => tags::add(w, p),
        "RemoveTags" => tags::remove(w, p),
        "DescribeTags" => tags::describe(w, p),
        "DescribeAccountLimits" => catalogue::limits(p),
        "DescribeSSLPolicies" => catalogue::policies(p),
        _ => Err(super::unknown(op, "2015-12-01")),
    }
}

/// Most names or ARNs one call may hold (aws-reference 2.5).
const NAMED: usize = 20;

fn paged<T>(p: &Node, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = read::int_in(p, "PageSize", 1, 400)?.unwrap_or(400) as usize;
    page::page(rows, p.text("Marker"), size).ok_or_else(|| ApiError::validation("Marker is not valid"))
}

/// The texts of a list that names what is wanted.
fn named(p: &Node, member: &str) -> Result<Vec<String>, ApiError> {
    let rows = p.texts(member);
    if rows.len() > NAMED {
        return Err(ApiError::validation(format!("Up to '{NAMED}' {} can be specified at the same time", read::lower(member))));
    }
    Ok(rows)
}

/// An ARN of another kind is no ARN of this one.
fn shaped(arn: &str, part: &str, what: &str) -> Result<(), ApiError> {
    if arn.contains(part) {
        return Ok(());
    }
    Err(ApiError::validation(format!("'{arn}' is not a valid {what} ARN")))
}

fn no_group() -> ApiError {
    ApiError::bad("TargetGroupNotFound", "One or more target groups not found")
}

fn no_balancer(named: &str) -> ApiError {
    ApiError::bad("LoadBalancerNotFound", format!("Load balancer '{named}' not found"))
}

fn no_listener() -> ApiError {
    ApiError::bad("ListenerNotFound", "One or more listeners not found")
}

fn no_rule() -> ApiError {
    ApiError::bad("RuleNotFound", "One or more rules not found")
}

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidConfigurationRequest", message)
}

/// The target group the request names.
fn group<'a>(w: &'a World, p: &Node) -> Result<&'a TargetGroup, ApiError> {
    let arn = read::need(p, "TargetGroupArn")?;
    shaped(arn, ":targetgroup/", "target group")?;
    w.target_groups.get(arn).ok_or_else(no_group)
}

/// The load balancer the request names.
fn balancer<'a>(w: &'a World, p: &Node) -> Result<&'a Balancer, ApiError> {
    let arn = read::need(p, "LoadBalancerArn")?;
    shaped(arn, ":loadbalancer/", "load balancer")?;
    w.elb.balancers.get(arn).ok_or_else(|| no_balancer(arn))
}

/// The listener the request names.
fn listener<'a>(w: &'a World, p: &Node) -> Result<&'a Listener, ApiError> {
    let arn = read::need(p, "ListenerArn")?;
    shaped(arn, ":listener/", "listener")?;
    w.elb.listeners.get(arn).ok_or_else(no_listener)
}

/// A member this world does not simulate is refused, not dropped.
fn unsupported(p: &Node, members: &[&str]) -> Result<(), ApiError> {
    match members.iter().find(|m| p.at(m).is_some()) {
        Some(member) => Err(wrong(format!("'{}' is not supported", read::lower(member)))),
        None => Ok(()),
    }
}

/// Checks a name of a load balancer or target group.
fn check_name(name: &str, what: &str) -> Result<(), ApiError> {
    if name.len() > 32 {
        return Err(ApiError::validation(format!("{what} name '{name}' cannot be longer than '32' characters")));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(ApiError::validation(format!(
            "{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)"
        )));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(ApiError::validation(format!("{what} name '{name}' cannot begin or end with '-'")));
    }
    Ok(())
}
