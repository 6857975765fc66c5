//! Suspending and resuming processes (aws-reference 4.6).
//!
//! **Invariant:** no process named means all of them; an unknown name changes nothing.

use super::group;
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, group::PROCESSES},
};

fn named(p: &Node) -> Result<Vec<String>, ApiError> {
    let names = p.texts("ScalingProcesses");
    if let Some(unknown) = names.iter().find(|n| !PROCESSES.contains(&n.as_str())) {
        return Err(ApiError::validation(format!("{unknown} is not a valid process type")));
    }
    Ok(if names.is_empty() { PROCESSES.map(String::from).to_vec() } else { names })
}

pub(super) fn suspend(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let now = w.now;
    let names = named(p)?;
    if let Some(g) = w.group_mut(&name) {
        for process in names {
            g.suspended_by_aws.remove(&process);
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
        for process in &names {
            g.suspended.remove(process);
            g.suspended_by_aws.remove(process);
        }
        // A paused refresh goes on from here, its clock of progress too.
        if let Some(refresh) = g.active_refresh_mut().filter(|_| paused) {
            refresh.next_tick = now;
            refresh.last_progress = now;
        }
    }
    if names.iter().any(|n| n == "AlarmNotification") {
        // Breaches that are current count from now on (aws-reference 4.6).
        w.hear_alarms(&name);
    }
    w.wake_group(&name, w.now);
    Ok(Fields::new())
}
