//! TerminateInstances, StopInstances, StartInstances and RebootInstances (aws-reference 2.4, 7.3).
//!
//! **Invariant:** one instance that cannot be asked for this refuses the call for all; asking again changes nothing.

use super::{
    instances::{known, state},
    security_rules::done,
    select::invalid,
    templates::missing,
};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        instance::{Ec2State, Instance},
    },
};

fn named(w: &World, p: &Node) -> Result<Vec<String>, ApiError> {
    let ids = known(w, p, |_| true)?;
    if ids.is_empty() {
        return Err(missing("InstanceId"));
    }
    Ok(ids)
}

/// Whether the template said that it must not be asked for this.
fn protected(i: &Instance, member: &str, verb: &str, attribute: &str) -> Result<(), ApiError> {
    if i.data.text(member) != Some("true") {
        return Ok(());
    }
    let message = format!("The instance '{}' may not be {verb}. Modify its '{attribute}' instance attribute and try again.", i.id);
    Err(invalid("OperationNotPermitted", message))
}

fn states(w: &World, ids: &[String]) -> Vec<(String, Ec2State)> {
    ids.iter().filter_map(|id| w.instances.get(id)).map(|i| (i.id.clone(), i.ec2)).collect()
}

/// The answer: each instance's state before and now.
fn changed(w: &World, before: Vec<(String, Ec2State)>) -> Fields {
    let rows = before.into_iter().filter_map(|(id, old)| {
        let now = w.instances.get(&id)?.ec2;
        Some(Fields::new().set("instanceId", id).set("currentState", state(now)).set("previousState", state(old)))
    });
    Fields::new().items("instancesSet", rows)
}

pub(super) fn terminate(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    for i in ids.iter().filter_map(|id| w.instances.get(id)) {
        protected(i, "DisableApiTermination", "terminated", "disableApiTermination")?;
    }
    let before = states(w, &ids);
    for id in &ids {
        w.ec2_terminate_by_user(id);
    }
    Ok(changed(w, before))
}

/// Every named instance is in one of these states.
fn all_in(w: &World, ids: &[String], fine: &[Ec2State], verb: &str) -> Result<(), ApiError> {
    match ids.iter().filter_map(|id| w.instances.get(id)).find(|i| !fine.contains(&i.ec2)) {
        Some(i) => Err(invalid("IncorrectInstanceState", format!("The instance '{}' is not in a state from which it can be {verb}.", i.id))),
        None => Ok(()),
    }
}

pub(super) fn stop(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    if p.text("Hibernate") == Some("true") {
        return Err(invalid("UnsupportedHibernationConfiguration", "The instance is not configured for hibernation"));
    }
    all_in(w, &ids, &[Ec2State::Running, Ec2State::Stopping, Ec2State::Stopped], "stopped")?;
    for i in ids.iter().filter_map(|id| w.instances.get(id)) {
        protected(i, "DisableApiStop", "stopped", "disableApiStop")?;
    }
    let before = states(w, &ids);
    for id in &ids {
        w.ec2_stop(id);
    }
    Ok(changed(w, before))
}

pub(super) fn start(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    all_in(w, &ids, &[Ec2State::Stopped, Ec2State::Pending, Ec2State::Running], "started")?;
    let before = states(w, &ids);
    for id in &ids {
        w.ec2_start(id);
    }
    Ok(changed(w, before))
}

pub(super) fn reboot(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    all_in(w, &ids, &[Ec2State::Running], "rebooted")?;
    for id in &ids {
        w.ec2_reboot(id);
    }
    Ok(done())
}
