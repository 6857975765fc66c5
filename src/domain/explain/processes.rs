//! Suspended processes (aws-reference 4.6): which of them stops what is waited for, by whom, since when.

use jiff::Timestamp;

use super::words::{resume, since, ways_out};
use super::{By, Cause, Found, Scene};
use crate::domain::evidence::{Health, health};
use crate::domain::observation::{Group, Millis};

/// What AWS's words say: who suspended it, and when. AWS begins them with the one who did.
fn suspended(group: &Group, process: &str) -> Option<(By, Option<Millis>)> {
    if !group.suspended.iter().any(|p| p == process) {
        return None;
    }
    let reason = group.suspension_reasons.get(process).map_or("", String::as_str);
    let by = match reason.split_whitespace().next().unwrap_or_default().to_lowercase() {
        who if who.starts_with("administrat") => By::Aws,
        who if who == "user" => By::Others,
        _ => By::Unknown,
    };
    let at = reason.rsplit(' ').next().and_then(|t| t.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond);
    Some((by, at))
}

/// Is AddToLoadBalancer suspended? By whom, and since when.
pub(super) fn registering(group: &Group) -> Option<(By, Option<Millis>)> {
    suspended(group, "AddToLoadBalancer")
}

pub(super) fn rules(scene: &Scene<'_>, found: &mut Vec<Found>) {
    let group = scene.group;
    let active = scene.refresh.is_some_and(|r| r.active()) || scene.obs.active_refresh().is_some();
    let serving = group.instances.iter().filter(|i| i.in_service()).count();
    let more = i32::try_from(serving).unwrap_or(i32::MAX) > group.desired;
    let sick = group.instances.iter().any(|i| i.in_service() && health(scene.obs, i) == Health::Unhealthy);
    let mut tell = |process: &str, cause: Cause, blocks: bool, effect: &str| {
        let Some((by, at)) = suspended(group, process) else { return };
        // What the running change borrowed it pays back at its end: nobody need do anything.
        if scene.running.is_some_and(|c| c.progress.debts.iter().any(|p| p == process)) {
            return;
        }
        // What stops nothing now is still worth knowing while a change runs.
        let cause = match (blocks, cause) {
            (true, _) | (_, Cause::AlarmsSuspended) => cause,
            (false, _) if scene.running.is_some() => Cause::AlsoSuspended,
            _ => return,
        };
        let cause = if cause == Cause::LaunchSuspended && by == By::Aws { Cause::LaunchSuspendedByAws } else { cause };
        let who = match by {
            By::Aws => "by AWS itself, after launches kept failing",
            By::Others => "by a user of AWS, not by Fleetgate",
            _ => "not by Fleetgate",
        };
        let reason = group
            .suspension_reasons
            .get(process)
            .filter(|_| at.is_none())
            .map_or_else(String::new, |r| format!("; AWS says {}", super::words::quoted(r)));
        let words = format!("{process} is suspended{}, {who}{reason}: {effect}.", since(scene.now, at));
        let out = scene.running.iter().filter(|_| blocks).flat_map(ways_out);
        found.push(Found::amiss(cause, by, words).since(at).may([resume(scene.input, process)]).may(out));
    };
    tell("InstanceRefresh", Cause::InstanceRefreshSuspended, active, "AWS pauses the refresh until it is resumed");
    tell("Launch", Cause::LaunchSuspended, scene.launches(), "AWS starts no instance until it is resumed");
    tell("Terminate", Cause::TerminateSuspended, active || more, "AWS takes no instance away until it is resumed");
    tell("HealthCheck", Cause::HealthCheckSuspended, sick, "AWS marks no instance as unhealthy, so that none is replaced");
    tell("ReplaceUnhealthy", Cause::ReplaceUnhealthySuspended, sick, "AWS replaces no unhealthy instance until it is resumed");
    tell("AlarmNotification", Cause::AlarmsSuspended, false, "scaling policies do nothing, whatever the load");
    tell("AddToLoadBalancer", Cause::AlsoSuspended, false, "instances that start now are never registered with the load balancer");
}
