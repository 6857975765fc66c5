//! Target groups, traffic sources and instances that come to a group or leave it; deleting the group (aws-reference 3).
//!
//! **Invariant:** every name of a request is checked before the first is attached or detached.

use super::{at_most, group, instances};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        instance::{Ec2State, Lifecycle},
    },
};

/// Target groups must exist.
pub(super) fn known(w: &World, arns: &[String]) -> Result<(), ApiError> {
    match arns.iter().find(|arn| !w.target_groups.contains_key(*arn)) {
        Some(odd) => Err(ApiError::validation(format!("Provided Target Groups may not be valid. Please ensure they exist and try again. ({odd})"))),
        None => Ok(()),
    }
}

/// Traffic sources as target group ARNs: the only type that is simulated.
pub(super) fn sources(p: &Node) -> Result<Vec<String>, ApiError> {
    let mut arns = Vec::new();
    for source in p.list("TrafficSources") {
        let id = read::need(source, "Identifier")?;
        let kind = source.text("Type").unwrap_or(if id.contains(":elasticloadbalancing:") { "elbv2" } else { "elb" });
        match kind {
            "elbv2" => arns.push(id.to_owned()),
            "elb" => return Err(ApiError::validation("Provided Load Balancers may not be valid. Please ensure they exist and try again.")),
            "vpc-lattice" => return Err(ApiError::validation(format!("The VPC Lattice target group {id} does not exist."))),
            odd => return Err(ApiError::validation(format!("{odd} is not a valid traffic source type."))),
        }
    }
    Ok(arns)
}

fn listed(p: &Node, name: &str) -> Result<(), ApiError> {
    match p.list(name).len() {
        0 => Err(read::need(p, name).err().unwrap_or_else(|| ApiError::validation(format!("{name} must be a list")))),
        1..=10 => Ok(()),
        _ => at_most(p, name, 10).map(drop).and_then(|()| Err(ApiError::validation(format!("At most 10 {name} can be named")))),
    }
}

fn attach(w: &mut World, p: &Node, arns: &[String]) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    known(w, arns)?;
    if g.active_refresh().is_some() {
        return Err(ApiError::bad(
            "InstanceRefreshInProgress",
            "An Instance Refresh is in progress and blocks attaching traffic sources to this Auto Scaling group.",
        ));
    }
    w.attach_target_groups(&name, arns);
    Ok(Fields::new())
}

fn detach(w: &mut World, p: &Node, arns: &[String]) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    if let Some(odd) = arns.iter().find(|arn| !g.target_groups.contains(arn)) {
        return Err(ApiError::validation(format!("The target group {odd} is not attached to the Auto Scaling group {name}.")));
    }
    w.detach_target_groups(&name, arns);
    Ok(Fields::new())
}

pub(super) fn attach_target_groups(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    listed(p, "TargetGroupARNs")?;
    attach(w, p, &p.texts("TargetGroupARNs"))
}

pub(super) fn detach_target_groups(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    listed(p, "TargetGroupARNs")?;
    detach(w, p, &p.texts("TargetGroupARNs"))
}

pub(super) fn attach_sources(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    listed(p, "TrafficSources")?;
    read::flag(p, "SkipZonalShiftValidation")?;
    attach(w, p, &sources(p)?)
}

pub(super) fn detach_sources(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    listed(p, "TrafficSources")?;
    detach(w, p, &sources(p)?)
}

/// Instances named in a request: at least one, twenty at most (aws-reference 3).
pub(super) fn ids(p: &Node) -> Result<Vec<String>, ApiError> {
    let ids = at_most(p, "InstanceIds", 20)?;
    if ids.is_empty() {
        return Err(ApiError::validation("At least one instance ID must be specified."));
    }
    Ok(ids)
}

/// The sizes that stand in the way, in AWS's words.
pub(super) fn sizes(w: &World, name: &str, to: &str) -> ApiError {
    let (min, max, desired) = w.groups.get(name).map_or((0, 0, 0), |g| (g.min, g.max, g.desired));
    ApiError::validation(format!(
        "AutoScalingGroup {name} has min-size={min}, max-size={max}, and desired-size={desired}. To {to}, please update the AutoScalingGroup sizes appropriately."
    ))
}

pub(super) fn attach_instances(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let (name, from, max) = (g.name.clone(), g.desired, g.max);
    let ids = ids(p)?;
    let zones = w.zones(g);
    for id in &ids {
        let Some(i) = w.instances.get(id) else {
            return Err(ApiError::validation(format!("Invalid Instance ID(s): [{id}]. The instance ID does not exist.")));
        };
        if !i.group.is_empty() {
            return Err(ApiError::validation(format!("The instance {id} is already part of an Auto Scaling group: {}.", i.group)));
        }
        if i.ec2 != Ec2State::Running {
            return Err(ApiError::validation(format!("The instance {id} is not in the running state.")));
        }
        if !zones.iter().any(|(zone, _)| *zone == i.az) {
            return Err(ApiError::validation(format!("The instance {id} is in {}, which is not a zone of AutoScalingGroup {name}.", i.az)));
        }
    }
    let count = ids.len() as i64;
    if from + count > max {
        return Err(sizes(w, &name, &format!("attach {count} instance(s)")));
    }
    if let Some(g) = w.group_mut(&name) {
        g.desired += count;
    }
    for (n, id) in ids.iter().enumerate() {
        let at = from + n as i64;
        let az = w.instances.get(id).map(|i| i.az.clone()).unwrap_or_default();
        let cause = format!("an instance was attached in response to a user request, increasing the capacity from {at} to {}.", at + 1);
        let activity = w.open_activity(&name, format!("Attaching an existing EC2 instance: {id}"), cause, "PreInService", &az);
        w.attach(&name, id, &activity);
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new())
}

pub(super) fn detach_instances(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let (name, from, min) = (g.name.clone(), g.desired, g.min);
    let decrement = read::need_flag(p, "ShouldDecrementDesiredCapacity")?;
    let ids = ids(p)?;
    let mut serving = 0;
    for id in &ids {
        instances::known(w, &name, id)?;
        let state = w.instances.get(id).map(|i| i.lifecycle);
        if !matches!(state, Some(Lifecycle::InService | Lifecycle::Standby)) {
            return Err(ApiError::validation(format!("The instance {id} is not in InService or Standby.")));
        }
        serving += i64::from(state == Some(Lifecycle::InService));
    }
    if decrement && from - serving < min {
        return Err(sizes(w, &name, &format!("detach {} instance(s)", ids.len())));
    }
    let mut rows = Vec::new();
    let mut at = from;
    for id in &ids {
        let counts = w.instances.get(id).is_some_and(|i| i.lifecycle == Lifecycle::InService);
        let cause = if decrement && counts {
            at -= 1;
            format!("instance {id} was detached in response to a user request, shrinking the capacity from {} to {at}.", at + 1)
        } else {
            format!("instance {id} was detached in response to a user request.")
        };
        let az = w.instances.get(id).map(|i| i.az.clone()).unwrap_or_default();
        let activity = w.open_activity(&name, format!("Detaching EC2 instance: {id}"), cause, "InProgress", &az);
        w.detach(id, &activity);
        rows.extend(instances::shown(w, &name, Some(&activity)));
    }
    if let Some(g) = w.group_mut(&name) {
        g.desired = at;
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new().members("Activities", rows))
}

pub(super) fn delete_group(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let g = group(w, p)?;
    let name = g.name.clone();
    let force = read::flag(p, "ForceDelete")?.unwrap_or(false);
    match (g.extras.deletion_protection.as_deref(), force) {
        (Some("prevent-all-deletion"), _) | (Some("prevent-force-deletion"), true) => {
            return Err(ApiError::bad("ResourceInUse", format!("The Auto Scaling group {name} is protected from deletion.")));
        }
        _ => {}
    }
    if g.deleting {
        return Ok(Fields::new());
    }
    if force {
        w.force_delete(&name);
        return Ok(Fields::new());
    }
    if g.activities.iter().any(|a| a.end.is_none()) {
        return Err(ApiError::bad(
            "ScalingActivityInProgress",
            "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
        ));
    }
    if !g.members.is_empty() {
        return Err(ApiError::bad(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        ));
    }
    w.remove_group(&name);
    Ok(Fields::new())
}
