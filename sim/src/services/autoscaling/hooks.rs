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
        hooks::{LAUNCHING, TERMINATING},
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

/// Hooks of one group at most.
const MOST: usize = 50;

/// Reads a hook; what is absent stays as it was.
fn read(p: &Node, old: Option<&Hook>) -> Result<Hook, ApiError> {
    let name = read::need(p, "LifecycleHookName")?.to_owned();
    if name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b)) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at 'lifecycleHookName' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9\\-_\\/]+"
        )));
    }
    let transition = match (p.text("LifecycleTransition"), old) {
        (Some(t @ (LAUNCHING | TERMINATING)), _) => t.to_owned(),
        (None, Some(old)) => old.transition.clone(),
        (other, _) => {
            return Err(ApiError::validation(format!("{} is not a valid lifecycle transition", other.unwrap_or("null"))));
        }
    };
    let default_result = match p.text("DefaultResult") {
        Some(r @ ("CONTINUE" | "ABANDON")) => r.to_owned(),
        None => old.map_or_else(|| "ABANDON".into(), |o| o.default_result.clone()),
        Some(other) => {
            return Err(ApiError::validation(format!("{other} is not CONTINUE or ABANDON")));
        }
    };
    let notification = notification(p, old.map(|o| &o.notification))?;
    let heartbeat = read::int_in(p, "HeartbeatTimeout", 30, 7200)?.or(old.map(|o| o.heartbeat)).unwrap_or(3600);
    Ok(Hook { name, transition, heartbeat, default_result, notification })
}

/// Hooks that a group is created with.
pub(super) fn specifications(p: &Node) -> Result<Vec<Hook>, ApiError> {
    let rows = p.list("LifecycleHookSpecificationList");
    if rows.len() > MOST {
        return Err(limit());
    }
    rows.into_iter().map(|node| read(node, None)).collect()
}

fn limit() -> ApiError {
    ApiError::bad("LimitExceeded", "Lifecycle hook limit exceeded for this group")
}

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    let old = g.hooks.iter().find(|h| Some(h.name.as_str()) == p.text("LifecycleHookName"));
    let hook = read(p, old)?;
    if old.is_none() && g.hooks.len() >= MOST {
        return Err(limit());
    }
    if let Some(g) = w.group_mut(&name) {
        g.hooks.retain(|h| h.name != hook.name);
        g.hooks.push(hook);
    }
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
    // What it holds is let go: a launch is abandoned, a termination goes on.
    let held = g.members.clone();
    for id in held {
        let launching = w.instances.get(&id).is_some_and(|i| i.lifecycle.is_pending());
        w.complete_hook(&id, &hook, !launching, "Lifecycle Hook Deleted");
    }
    Ok(Fields::new())
}

/// The instance that waits for the hook a request names, by its id or the action's token.
fn waiting(w: &World, p: &Node) -> Result<(String, String), ApiError> {
    let g = group(w, p)?;
    let hook = read::need(p, "LifecycleHookName")?;
    let (id, token) = (p.text("InstanceId"), p.text("LifecycleActionToken"));
    let found = w.members(g).into_iter().find(|i| {
        let named = id.is_some_and(|id| id == i.id) || (id.is_none() && token.is_some());
        named && i.waits.iter().any(|w| w.hook == hook && token.is_none_or(|t| w.token == t))
    });
    match found {
        Some(i) => Ok((i.id.clone(), hook.to_owned())),
        None => Err(ApiError::validation(match (id, token) {
            (Some(id), _) => format!("No active Lifecycle Action found with instance ID {id}"),
            (None, Some(token)) => format!("No active Lifecycle Action found with token {token}"),
            (None, None) => "Either a LifecycleActionToken or an InstanceId must be specified".to_owned(),
        })),
    }
}

pub(super) fn complete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    group(w, p)?;
    let result = read::need(p, "LifecycleActionResult")?;
    if !matches!(result, "CONTINUE" | "ABANDON") {
        return Err(ApiError::validation(format!("{result} is not CONTINUE or ABANDON")));
    }
    let (id, hook) = waiting(w, p)?;
    w.complete_hook(&id, &hook, result == "CONTINUE", "Lifecycle Action Completed with ABANDON Result");
    Ok(Fields::new())
}

pub(super) fn heartbeat(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let (id, hook) = waiting(w, p)?;
    w.beat_hook(&id, &hook);
    Ok(Fields::new())
}
