//! Listeners and their rules: each listener forwards to one target group by its default rule.
//!
//! **Invariant:** a call names what it wants; what it names and is not there is refused.

use super::{balancer_arn, balancers, paged};
use crate::{
    rng,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, target::TargetGroup},
};

/// Listeners: one per target group behind the balancer, ports from 80 up.
fn listener_rows(w: &World) -> Vec<(String, String, i64, &TargetGroup)> {
    let mut out: Vec<(String, String, i64, &TargetGroup)> = Vec::new();
    for name in balancers(w) {
        let balancer = balancer_arn(w, &name);
        let mut behind: Vec<&TargetGroup> = w.target_groups.values().filter(|t| t.load_balancer.as_ref() == Some(&name)).collect();
        behind.sort_by(|a, b| a.name.cmp(&b.name));
        for (at, t) in behind.into_iter().enumerate() {
            let tail = rng::hex(w.seed, "listener", &t.arn, 16);
            let arn = balancer.replace(":loadbalancer/", ":listener/") + "/" + &tail;
            let port = if at == 0 { 80 } else { 8080 + at as i64 };
            out.push((arn, balancer.clone(), port, t));
        }
    }
    out
}

fn forward(arn: &str) -> Fields {
    let target = Fields::new().set("TargetGroupArn", arn).set("Weight", 1i64);
    Fields::new()
        .set("Type", "forward")
        .set("TargetGroupArn", arn)
        .set("ForwardConfig", Fields::new().members("TargetGroups", [target]).set("TargetGroupStickinessConfig", Fields::new().set("Enabled", false)))
}

fn none_given(message: &str) -> ApiError {
    ApiError::validation(message)
}

fn no_listener() -> ApiError {
    ApiError::bad("ListenerNotFound", "One or more listeners not found")
}

/// An ARN of another kind is no ARN of this one.
fn shaped(arn: &str, part: &str, what: &str) -> Result<(), ApiError> {
    if arn.contains(part) {
        return Ok(());
    }
    Err(ApiError::validation(format!("'{arn}' is not a valid {what} ARN")))
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let arns = p.texts("ListenerArns");
    let balancer = p.text("LoadBalancerArn");
    if balancer.is_none() && arns.is_empty() {
        return Err(none_given("You must specify either listener ARNs or a load balancer ARN"));
    }
    let all = listener_rows(w);
    if let Some(arn) = balancer {
        shaped(arn, ":loadbalancer/", "load balancer")?;
        if !all.iter().any(|(_, b, _, _)| b == arn) {
            return Err(ApiError::bad("LoadBalancerNotFound", format!("Load balancer '{arn}' not found")));
        }
    }
    for arn in &arns {
        shaped(arn, ":listener/", "listener")?;
        if !all.iter().any(|(l, _, _, _)| l == arn) {
            return Err(no_listener());
        }
    }
    let rows = all.iter().filter(|(l, b, _, _)| (arns.is_empty() || arns.contains(l)) && balancer.is_none_or(|arn| arn == b));
    let (rows, next) = paged(p, rows.collect())?;
    let rows = rows.into_iter().map(|(l, b, port, t)| {
        Fields::new()
            .set("ListenerArn", l)
            .set("LoadBalancerArn", b)
            .set("Port", *port)
            .set("Protocol", &t.protocol)
            .members("DefaultActions", [forward(&t.arn)])
    });
    Ok(Fields::new().members("Listeners", rows).opt("NextMarker", next))
}

/// ARN of a listener's default rule.
fn rule_arn(w: &World, listener: &str) -> String {
    let tail = rng::hex(w.seed, "rule", listener, 16);
    listener.replace(":listener/", ":listener-rule/") + "/" + &tail
}

pub(super) fn rules(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let listener = p.text("ListenerArn");
    let arns = p.texts("RuleArns");
    let all = listener_rows(w);
    match (listener, arns.is_empty()) {
        (None, true) => return Err(none_given("You must specify either listener rule ARNs or a listener ARN")),
        (Some(_), false) => return Err(none_given("You can't specify both listener rule ARNs and a listener ARN")),
        (Some(arn), true) => {
            shaped(arn, ":listener/", "listener")?;
            if !all.iter().any(|(l, _, _, _)| l == arn) {
                return Err(no_listener());
            }
        }
        (None, false) => {}
    }
    for arn in &arns {
        shaped(arn, ":listener-rule/", "listener rule")?;
        if !all.iter().any(|(l, _, _, _)| rule_arn(w, l) == *arn) {
            return Err(ApiError::bad("RuleNotFound", "One or more rules not found"));
        }
    }
    let rows = all.iter().map(|(l, _, _, t)| (l, rule_arn(w, l), t));
    let rows = rows.filter(|(l, rule, _)| listener.is_none_or(|arn| arn == *l) && (arns.is_empty() || arns.contains(rule)));
    let (rows, next) = paged(p, rows.collect())?;
    let rows = rows.into_iter().map(|(_, rule, t)| {
        Fields::new()
            .set("RuleArn", rule)
            .set("Priority", "default")
            .members("Conditions", Vec::<Fields>::new())
            .members("Actions", [forward(&t.arn)])
            .set("IsDefault", true)
    });
    Ok(Fields::new().members("Rules", rows).opt("NextMarker", next))
}
