//! Acts on single instances of a group (aws-reference 3).
//!
//! **Invariant:** an instance that is not in the group is refused before anything is done to the others.

use super::{at_most, attachments, describe, group};
use crate::{
    clock,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, group::Why, instance::Lifecycle},
};

pub(super) fn known(w: &World, name: &str, id: &str) -> Result<(), ApiError> {
    match w.groups.get(name) {
        Some(g) if g.members.iter().any(|m| m == id) => Ok(()),
        _ => Err(ApiError::validation(format!("The instance {id} is not part of Auto Scaling group {name}."))),
    }
}

fn group_of(w: &World, id: &str) -> Result<String, ApiError> {
    w.instances
        .get(id)
        .filter(|i| w.groups.get(&i.group).is_some_and(|g| g.members.contains(&i.id)))
        .map(|i| i.group.clone())
        .ok_or_else(|| ApiError::validation(format!("Instance Id not found - No managed instance found for instance ID: {id}")))
}

pub(super) fn terminate(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = read::need(p, "InstanceId")?.to_owned();
    let decrement = read::need_flag(p, "ShouldDecrementDesiredCapacity")?;
    let name = group_of(w, &id)?;
    let Some(g) = w.groups.get(&name) else {
        return Ok(Fields::new());
    };
    let Some(i) = w.instances.get(&id) else {
        return Ok(Fields::new());
    };
    if i.lifecycle.is_leaving() {
        return Err(ApiError::bad("ScalingActivityInProgress", format!("Scaling activity {} is in progress and blocks this action.", i.activity)));
    }
    let active = i.lifecycle.is_active();
    if decrement && active && g.desired - 1 < g.min {
        return Err(ApiError::validation(format!(
            "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            g.min
        )));
    }
    let from = g.desired;
    let at = clock::iso_seconds(w.now);
    let cause = if decrement {
        format!("instance {id} was taken out of service in response to a user request, shrinking the capacity from {from} to {}.", from - 1)
    } else {
        format!("instance {id} was taken out of service in response to a user request.  At {at} instance {id} was selected for termination.")
    };
    let activity = w.take_out(&id, &cause);
    if let Some(g) = w.group_mut(&name).filter(|_| active) {
        if decrement {
            g.desired -= 1;
        } else {
            g.owed.push(Why::User);
        }
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new().opt("Activity", shown(w, &name, activity.as_deref())))
}

pub(super) fn shown(w: &World, name: &str, activity: Option<&str>) -> Option<Fields> {
    let g = w.groups.get(name)?;
    let a = g.activities.iter().find(|a| Some(a.id.as_str()) == activity)?;
    Some(describe::activity(g, a))
}

pub(super) fn protect(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let ids = at_most(p, "InstanceIds", 50)?;
    let value = read::need_flag(p, "ProtectedFromScaleIn")?;
    for id in &ids {
        known(w, &name, id)?;
    }
    for id in &ids {
        if let Some(i) = w.instances.get_mut(id) {
            i.protected = value;
        }
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new())
}

pub(super) fn set_health(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = read::need(p, "InstanceId")?.to_owned();
    let status = read::need(p, "HealthStatus")?.to_owned();
    let respect = read::flag(p, "ShouldRespectGracePeriod")?.unwrap_or(true);
    let name = group_of(w, &id)?;
    let grace = w.groups.get(&name).map_or(0, |g| g.grace * 1000);
    let now = w.now;
    if let Some(i) = w.instances.get_mut(&id) {
        let inside = i.in_service_at.is_none_or(|t| now < t + grace);
        match status.as_str() {
            "Healthy" => i.unhealthy = false,
            "Unhealthy" if respect && inside => {}
            "Unhealthy" => {
                i.unhealthy = true;
                i.unhealthy_why = Some("an instance was taken out of service in response to a user health-check.".into());
            }
            other => {
                return Err(ApiError::validation(format!("HealthStatus {other} is not Healthy or Unhealthy")));
            }
        }
    }
    w.wake_group(&name, now);
    Ok(Fields::new())
}

pub(super) fn enter_standby(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let decrement = read::need_flag(p, "ShouldDecrementDesiredCapacity")?;
    let ids = attachments::ids(p)?;
    for id in &ids {
        known(w, &name, id)?;
        if w.instances.get(id).is_some_and(|i| i.lifecycle != Lifecycle::InService) {
            return Err(ApiError::validation(format!("The instance {id} is not in InService state.")));
        }
    }
    let Some(g) = w.groups.get(&name) else {
        return Ok(Fields::new());
    };
    let (from, count) = (g.desired, ids.len() as i64);
    if decrement && from - count < g.min {
        return Err(attachments::sizes(w, &name, &format!("place into standby {count} instance")));
    }
    let mut rows = Vec::new();
    for id in &ids {
        let az = w.instances.get(id).map(|i| i.az.clone()).unwrap_or_default();
        let cause = if decrement {
            format!("instance {id} was moved to standby in response to a user request, shrinking the capacity from {from} to {}.", from - count)
        } else {
            format!("instance {id} was moved to standby in response to a user request.")
        };
        let activity = w.open_activity(&name, format!("Moving EC2 instance to Standby: {id}"), cause, "InProgress", &az);
        if let Some(i) = w.instances.get_mut(id) {
            i.activity.clone_from(&activity);
        }
        w.enter_standby(id);
        rows.extend(shown(w, &name, Some(&activity)));
    }
    if let (true, Some(g)) = (decrement, w.group_mut(&name)) {
        g.desired -= count;
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new().members("Activities", rows))
}

pub(super) fn exit_standby(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let ids = attachments::ids(p)?;
    for id in &ids {
        known(w, &name, id)?;
        if w.instances.get(id).is_some_and(|i| i.lifecycle != Lifecycle::Standby) {
            return Err(ApiError::validation(format!("The instance {id} is not in Standby.")));
        }
    }
    let (from, max) = w.groups.get(&name).map_or((0, 0), |g| (g.desired, g.max));
    let count = ids.len() as i64;
    if from + count > max {
        return Err(attachments::sizes(w, &name, &format!("move {count} instance out of standby")));
    }
    if let Some(g) = w.group_mut(&name) {
        g.desired += count;
    }
    let mut rows = Vec::new();
    for id in &ids {
        let az = w.instances.get(id).map(|i| i.az.clone()).unwrap_or_default();
        let cause =
            format!("instance {id} was moved out of standby in response to a user request, increasing the capacity from {from} to {}.", from + count);
        let activity = w.open_activity(&name, format!("Moving EC2 instance out of Standby: {id}"), cause, "PreInService", &az);
        let ready = w.now + w.params.running_to_in_service.draw(w.seed, "standby", &activity);
        if let Some(i) = w.instances.get_mut(id) {
            i.activity.clone_from(&activity);
            i.lifecycle = Lifecycle::Pending;
            i.ready_at = ready;
        }
        w.wake_instance(id, ready);
        rows.extend(shown(w, &name, Some(&activity)));
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new().members("Activities", rows))
}
