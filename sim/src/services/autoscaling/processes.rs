//! Suspending and resuming processes (aws-reference 4.6).
//!
//! **Invariant:** no process named means all of them; an unknown name changes nothing.

use super::group;
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

const ALL: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

fn named(p: &Node) -> Result<Vec<String>, ApiError> {
    let names = p.texts("ScalingProcesses");
    if let Some(unknown) = names.iter().find(|n| !ALL.contains(&n.as_str())) {
        return Err(ApiError::validation(format!("{unknown} is not a valid process type")));
    }
    Ok(if names.is_empty() { ALL.map(String::from).to_vec() } else { names })
}

pub(super) fn suspend(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let now = w.now;
    let names = named(p)?;
    if let Some(g) = w.group_mut(&name) {
        for process in names {
            g.suspended.entry(process).or_insert(now);
        }
    }
    Ok(Fields::new())
}

pub(super) fn resume(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let now = w.now;
    let names = named(p)?;
    if let Some(g) = w.group_mut(&name) {
        let paused = names.iter().any(|n| n == "InstanceRefresh") && g.is_suspended("InstanceRefresh");
        for process in names {
            g.suspended.remove(&process);
        }
        // A paused refresh goes on from here, its clock of progress too.
        if let Some(refresh) = g.active_refresh_mut().filter(|_| paused) {
            refresh.next_tick = now;
            refresh.last_progress = now;
        }
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new())
}
