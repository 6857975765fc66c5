//! Lifecycle hooks (aws-reference 3).
//!
//! **Invariant:** a hook that times out takes its default result, ABANDON unless set.

use super::group;
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        group::{Hook, Notification},
        instance::Lifecycle,
    },
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let names = p.texts("LifecycleHookNames");
    let only = read::need(p, "AutoScalingGroupName")?;
    let rows = w.groups.get(only).into_iter().flat_map(|g| {
        g.hooks.iter().filter(|h| names.is_empty() || names.contains(&h.name)).map(|h| {
            Fields::new()
                .set("LifecycleHookName", &h.name)
                .set("AutoScalingGroupName", &g.name)
                .set("LifecycleTransition", &h.transition)
                .opt("NotificationTargetARN", h.notification.target.as_ref())
                .opt("RoleARN", h.notification.role.as_ref())
                .opt("NotificationMetadata", h.notification.metadata.as_ref())
                .set("HeartbeatTimeout", h.heartbeat)
                .set("GlobalTimeout", (h.heartbeat * 100).min(172_800))
                .set("DefaultResult", &h.default_result)
        })
    });
    Ok(Fields::new().members("LifecycleHooks", rows))
}

/// Where a hook's notifications go; what is absent stays as it was. They are stored, not sent.
fn notification(p: &Node, old: Option<&Notification>) -> Result<Notification, ApiError> {
    let text = |name: &str, low: usize, high: usize| match p.text(name) {
        Some(text) if !(low..=high).contains(&text.chars().count()) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must have length between {low} and {high}",
            read::lower(name)
        ))),
        text => Ok(text.map(str::to_owned)),
    };
    let (target, role) = (text("NotificationTargetARN", 0, 255)?, text("RoleARN", 1, 255)?);
    let metadata = text("NotificationMetadata", 1, 4000)?;
    let service = |arn: &str| arn.split(':').nth(2).filter(|_| arn.starts_with("arn:")).map(str::to_owned);
    if let Some(odd) = target.as_deref().filter(|t| !t.is_empty() && !matches!(service(t).as_deref(), Some("sns" | "sqs"))) {
        return Err(ApiError::validation(format!("{odd} is not the ARN of an Amazon SNS topic or an Amazon SQS queue.")));
    }
    if let Some(odd) = role.as_deref().filter(|r| service(r).as_deref() != Some("iam")) {
        return Err(ApiError::validation(format!("{odd} is not the ARN of an IAM role.")));
    }
    let old = old.cloned().unwrap_or_default();
    let new = Notification {
        // An empty text takes the target away.
        target: target.or(old.target).filter(|t| !t.is_empty()),
        role: role.or(old.role),
        metadata: metadata.or(old.metadata),
    };
    if new.target.is_some() && new.role.is_none() {
        return Err(ApiError::validation("A lifecycle hook with a NotificationTargetARN needs a RoleARN."));
    }
    Ok(new)
}

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let hook_name = read::need(p, "LifecycleHookName")?.to_owned();
    let old = w.groups.get(&name).and_then(|g| g.hooks.iter().find(|h| h.name == hook_name)).cloned();
    let transition = match (p.text("LifecycleTransition"), &old) {
        (Some(t @ ("autoscaling:EC2_INSTANCE_LAUNCHING" | "autoscaling:EC2_INSTANCE_TERMINATING")), _) => t.to_owned(),
        (None, Some(old)) => old.transition.clone(),
        (other, _) => {
            return Err(ApiError::validation(format!("{} is not a valid lifecycle transition", other.unwrap_or("null"))));
        }
    };
    let default_result = match p.text("DefaultResult") {
        Some(r @ ("CONTINUE" | "ABANDON")) => r.to_owned(),
        None => old.as_ref().map_or_else(|| "ABANDON".into(), |o| o.default_result.clone()),
        Some(other) => {
            return Err(ApiError::validation(format!("{other} is not CONTINUE or ABANDON")));
        }
    };
    let notification = notification(p, old.as_ref().map(|o| &o.notification))?;
    let heartbeat = read::int_in(p, "HeartbeatTimeout", 30, 7200)?.or(old.map(|o| o.heartbeat)).unwrap_or(3600);
    let Some(g) = w.group_mut(&name) else {
        return Ok(Fields::new());
    };
    g.hooks.retain(|h| h.name != hook_name);
    if g.hooks.len() >= 50 {
        return Err(ApiError::bad("LimitExceeded", "Lifecycle hook limit exceeded for this group"));
    }
    g.hooks.push(Hook { name: hook_name, transition, heartbeat, default_result, notification });
    Ok(Fields::new())
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let hook = read::need(p, "LifecycleHookName")?.to_owned();
    let Some(g) = w.group_mut(&name) else {
        return Ok(Fields::new());
    };
    if !g.hooks.iter().any(|h| h.name == hook) {
        return Err(ApiError::validation(format!("No Lifecycle Hook found with name: {hook}")));
    }
    g.hooks.retain(|h| h.name != hook);
    Ok(Fields::new())
}

pub(super) fn complete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let result = read::need(p, "LifecycleActionResult")?;
    if !matches!(result, "CONTINUE" | "ABANDON") {
        return Err(ApiError::validation(format!("{result} is not CONTINUE or ABANDON")));
    }
    let hook = read::need(p, "LifecycleHookName")?;
    let found = w.members(g).into_iter().find(|i| {
        let named =
            p.text("InstanceId").is_some_and(|id| id == i.id) || p.text("LifecycleActionToken").is_some_and(|t| i.hook_token.as_deref() == Some(t));
        named && matches!(i.lifecycle, Lifecycle::PendingWait | Lifecycle::TerminatingWait)
    });
    let Some(id) = found.filter(|_| g.hooks.iter().any(|h| h.name == hook)).map(|i| i.id.clone()) else {
        return Err(ApiError::validation("No active Lifecycle Action found with the given instance or token"));
    };
    let proceed = result == "CONTINUE";
    w.complete_hook(&id, proceed);
    Ok(Fields::new())
}
