//! Rules of listeners (aws-reference 6).
//!
//! **Invariant:** a listener's default rule is its own actions under a rule's ARN: it comes last, has no conditions, and is
//! changed through the listener alone. A priority is held once.

use std::collections::BTreeMap;

use super::{actions, catalogue, conditions, listener, named, no_listener, no_rule, paged, shaped, tags, unsupported};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, balancer::Rule},
};

fn row(r: &Rule) -> Fields {
    Fields::new()
        .set("RuleArn", &r.arn)
        .set("Priority", r.priority.to_string())
        .members("Conditions", conditions::written(&r.conditions))
        .members("Actions", actions::written(&r.actions))
        .set("IsDefault", false)
}

/// ARN and description of every rule of a listener, the default one last.
fn rows(w: &World, arn: &str) -> Vec<(String, Fields)> {
    let Some(l) = w.elb.listeners.get(arn) else {
        return Vec::new();
    };
    let mut out: Vec<(String, Fields)> = w.elb.rules_of(arn).into_iter().map(|r| (r.arn.clone(), row(r))).collect();
    let default = w.default_rule(arn);
    let fields = Fields::new()
        .set("RuleArn", &default)
        .set("Priority", "default")
        .members("Conditions", Vec::<Fields>::new())
        .members("Actions", actions::written(&l.actions))
        .set("IsDefault", true);
    out.push((default, fields));
    out
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let arns = named(p, "RuleArns")?;
    let found = match (p.text("ListenerArn"), arns.is_empty()) {
        (None, true) => return Err(ApiError::validation("You must specify either listener rule ARNs or a listener ARN")),
        (Some(_), false) => return Err(ApiError::validation("You can't specify both listener rule ARNs and a listener ARN")),
        (Some(arn), true) => {
            shaped(arn, ":listener/", "listener")?;
            if !w.elb.listeners.contains_key(arn) {
                return Err(no_listener());
            }
            rows(w, arn)
        }
        (None, false) => {
            for arn in &arns {
                shaped(arn, ":listener-rule/", "listener rule")?;
            }
            let all: Vec<(String, Fields)> = w.elb.listeners.keys().flat_map(|l| rows(w, l)).collect();
            if arns.iter().any(|arn| !all.iter().any(|(a, _)| a == arn)) {
                return Err(no_rule());
            }
            all.into_iter().filter(|(a, _)| arns.contains(a)).collect()
        }
    };
    let (found, next) = paged(p, found)?;
    Ok(Fields::new().members("Rules", found.into_iter().map(|(_, fields)| fields)).opt("NextMarker", next))
}

fn in_use(priority: i64) -> ApiError {
    ApiError::bad("PriorityInUse", format!("Priority '{priority}' is currently in use"))
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let l = listener(w, p)?;
    let b = actions::balancer_of(w, l)?;
    if b.network {
        return Err(ApiError::bad("UnsupportedProtocol", format!("Rules are unsupported for listeners with protocol '{}'", l.protocol)));
    }
    unsupported(p, &["Transforms"])?;
    let conditions = conditions::read(&p.list("Conditions"))?;
    let priority = read::int_in(p, "Priority", 1, 50_000)?.ok_or_else(|| ApiError::validation("A priority must be specified"))?;
    let acts = actions::read(w, &p.list("Actions"), b, &l.protocol)?;
    let labels = tags::read(p, "Tags")?;
    if w.elb.rules_of(&l.arn).iter().any(|r| r.priority == priority) {
        return Err(in_use(priority));
    }
    let of_balancer = w.elb.rules.values().filter(|r| w.elb.listeners.get(&r.listener).is_some_and(|l| l.balancer == b.arn)).count();
    let most = "The maximum number of rules for the load balancer has been reached";
    catalogue::within("rules-per-application-load-balancer", of_balancer + 1, "TooManyRules", most)?;
    let listener = l.arn.clone();
    let arn = listener.replace(":listener/", ":listener-rule/") + "/" + &w.new_hex("rule", 16);
    let rule = Rule { arn: arn.clone(), listener, priority, conditions, actions: acts };
    let out = row(&rule);
    w.elb.rules.insert(arn.clone(), rule);
    tags::put(w, &arn, labels);
    w.settle_use();
    Ok(Fields::new().members("Rules", [out]))
}

/// A rule that can be changed by itself.
fn own<'a>(w: &'a World, arn: &str, what: &str) -> Result<&'a Rule, ApiError> {
    shaped(arn, ":listener-rule/", "listener rule")?;
    if w.elb.listeners.keys().any(|l| w.default_rule(l) == arn) {
        return Err(ApiError::bad("OperationNotPermitted", format!("Default rule '{arn}' cannot be {what}")));
    }
    w.elb.rules.get(arn).ok_or_else(no_rule)
}

pub(super) fn modify(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let mut rule = own(w, read::need(p, "RuleArn")?, "modified")?.clone();
    unsupported(p, &["Transforms", "ResetTransforms"])?;
    let (new_conditions, new_actions) = (p.list("Conditions"), p.list("Actions"));
    if new_conditions.is_empty() && new_actions.is_empty() {
        return Err(ApiError::validation("You must specify conditions or actions"));
    }
    if !new_conditions.is_empty() {
        rule.conditions = conditions::read(&new_conditions)?;
    }
    if !new_actions.is_empty() {
        let l = w.elb.listeners.get(&rule.listener).ok_or_else(no_listener)?;
        rule.actions = actions::read(w, &new_actions, actions::balancer_of(w, l)?, &l.protocol)?;
    }
    let out = row(&rule);
    w.elb.rules.insert(rule.arn.clone(), rule);
    w.settle_use();
    Ok(Fields::new().members("Rules", [out]))
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arn = own(w, read::need(p, "RuleArn")?, "deleted")?.arn.clone();
    w.elb.rules.remove(&arn);
    w.elb.tags.remove(&arn);
    w.settle_use();
    Ok(Fields::new())
}

pub(super) fn set_priorities(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let mut new = BTreeMap::new();
    for pair in p.list("RulePriorities") {
        let arn = own(w, read::need(pair, "RuleArn")?, "given a priority")?.arn.clone();
        let priority = read::int_in(pair, "Priority", 1, 50_000)?.ok_or_else(|| ApiError::validation("A priority must be specified"))?;
        if new.insert(arn, priority).is_some() {
            return Err(ApiError::validation("A rule can be specified only once"));
        }
    }
    if new.is_empty() {
        return Err(ApiError::validation("At least one rule priority must be specified"));
    }
    let after = |r: &Rule| new.get(&r.arn).copied().unwrap_or(r.priority);
    let mut held = BTreeMap::new();
    for r in w.elb.rules.values() {
        if held.insert((&r.listener, after(r)), &r.arn).is_some() {
            return Err(in_use(after(r)));
        }
    }
    for (arn, priority) in &new {
        if let Some(r) = w.elb.rules.get_mut(arn) {
            r.priority = *priority;
        }
    }
    let rows = new.keys().filter_map(|arn| w.elb.rules.get(arn)).map(row);
    Ok(Fields::new().members("Rules", rows))
}
