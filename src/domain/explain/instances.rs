//! Instances that hold something up: held by a hook, protected, on standby, starting, warming up, draining.

use super::words::{act, complete_hook, leave_standby, lift_protection, quoted, since, terminate, until, ways_out};
use super::{Act, By, Cause, Found, Scene, Subject, health};
use crate::domain::change::Kind;
use crate::domain::evidence::{Health, health as health_of};
use crate::domain::observation::{GroupInstance, Hook, Millis};
use crate::domain::strategy::{OnHold, OnStandby};

/// Transitions of hooks.
const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";
/// Lifecycle states that are known here (aws-reference 4.1).
const KNOWN: [&str; 12] = [
    "Pending",
    "Pending:Wait",
    "Pending:Proceed",
    "InService",
    "Terminating",
    "Terminating:Wait",
    "Terminating:Proceed",
    "Terminated",
    "Detaching",
    "Detached",
    "EnteringStandby",
    "Standby",
];

pub(super) fn rules(scene: &Scene<'_>, found: &mut Vec<Found>) {
    let begin = found.len();
    for i in &scene.group.instances {
        found.extend(one(scene, i));
        found.extend(kept(scene, i));
    }
    found.extend(shrinking(scene));
    // Without a change, what goes on by itself is told only while fewer are healthy than are wanted.
    let serving = scene.group.instances.iter().filter(|i| i.in_service() && health_of(scene.obs, i) == Health::Healthy).count();
    if scene.input.change.is_none() && i32::try_from(serving).unwrap_or(i32::MAX) >= scene.group.desired {
        let rest = found.split_off(begin);
        found.extend(rest.into_iter().filter(|f| !f.normal));
    }
}

fn one(scene: &Scene<'_>, i: &GroupInstance) -> Option<Found> {
    match i.lifecycle.as_str() {
        "Pending:Wait" => Some(hook(scene, i, LAUNCHING)),
        "Terminating:Wait" => Some(hook(scene, i, TERMINATING)),
        "Pending" | "Pending:Proceed" => Some(starting(scene, i)),
        "InService" => {
            let going_back = scene.rollout.is_some_and(|c| c.progress.undo.is_some()) && !scene.is_new(i);
            if going_back { None } else { health::finding(scene, i).or_else(|| warming(scene, i)) }
        }
        "Terminating" | "Terminating:Proceed" | "Detaching" => Some(leaving(scene, i)),
        other if !KNOWN.contains(&other) => {
            let at = scene.since(&i.id).lifecycle_at;
            let words = format!("{} in {} is {}{}, a state that Fleetgate does not know.", i.id, i.zone, quoted(other), since(scene.now, at));
            Some(Found::amiss(Cause::LifecycleUnknown, By::Unknown, words).of(&i.id).since(at).may([terminate(&i.id)]))
        }
        _ => None,
    }
}

/// Since when it is in its state: the look that saw it begin, else the start of the activity that names it.
fn begun(scene: &Scene<'_>, i: &GroupInstance) -> Option<Millis> {
    let activity = || scene.obs.activities.iter().find(|a| a.description.contains(&i.id)).and_then(|a| a.started_at);
    scene.since(&i.id).lifecycle_at.or_else(activity)
}

fn hook(scene: &Scene<'_>, i: &GroupInstance, transition: &str) -> Found {
    let at = begun(scene, i);
    let hooks: Vec<&Hook> = scene.obs.hooks.iter().filter(|h| h.transition == transition).collect();
    let of: Vec<&str> = hooks.iter().map(|h| h.name.as_str()).collect();
    let only = if let [one] = hooks.as_slice() { Some(*one) } else { None };
    let which = match only {
        Some(one) => format!("the hook {}", one.name),
        None if of.is_empty() => "a lifecycle hook, whose name is not known here".to_owned(),
        None => format!("one of the hooks {}", of.join(", ")),
    };
    let heartbeat = only.and_then(|h| h.heartbeat_seconds);
    let end = at.zip(heartbeat).map(|(at, s)| at + i64::from(s) * 1000);
    let result = only.and_then(|h| h.default_result.as_deref()).map_or_else(String::new, |r| format!(" and takes {r}"));
    let gives_up = heartbeat.map_or_else(String::new, |s| format!("; AWS gives up after {s} s without a heartbeat{result}"));
    let (cause, what) = if transition == LAUNCHING { (Cause::LaunchHook, "come into service") } else { (Cause::TerminateHook, "end") };
    let words = format!("{} in {} may not {what}: it waits for {which}{}, not by Fleetgate{gives_up}.", i.id, i.zone, since(scene.now, at));
    let only = only.map(|h| h.name.as_str());
    Found::amiss(cause, By::Others, words).of(&i.id).since(at).until(end).may([complete_hook(scene.input, &i.id, only), terminate(&i.id)])
}

fn starting(scene: &Scene<'_>, i: &GroupInstance) -> Found {
    let at = begun(scene, i);
    let words = format!(
        "{} in {} is being started by EC2{}; then it has {} s to become healthy.",
        i.id,
        i.zone,
        since(scene.now, at),
        scene.input.boot_budget_seconds
    );
    Found::normal(Cause::Booting, By::Aws, words).of(&i.id).since(at)
}

/// Healthy, and not yet counted by AWS.
fn warming(scene: &Scene<'_>, i: &GroupInstance) -> Option<Found> {
    let c = scene.rollout.filter(|_| scene.is_new(i) && scene.refresh.is_some_and(|r| r.active()))?;
    let at = c.progress.seen.get(&i.id).and_then(|s| s.in_service_at).or_else(|| scene.since(&i.id).lifecycle_at)?;
    let end = at + i64::from(c.plan.bound.preferences.as_ref()?.warmup_seconds) * 1000;
    let words = format!("{} in {} is healthy and warms up {} before AWS counts it.", i.id, i.zone, until(scene.now, end));
    (end > scene.now).then(|| Found::normal(Cause::Warming, scene.us(), words).of(&i.id).since(Some(at)).until(Some(end)))
}

fn leaving(scene: &Scene<'_>, i: &GroupInstance) -> Found {
    let draining = scene.obs.health.iter().filter(|h| h.targets.get(&i.id).is_some_and(|t| t.state == "draining"));
    let groups: Vec<&str> = draining.map(|h| h.group.arn.as_str()).collect();
    let of = scene.since(&i.id);
    if groups.is_empty() {
        let words = format!("{} in {} is being shut down{}.", i.id, i.zone, since(scene.now, of.lifecycle_at));
        return Found::normal(Cause::ShuttingDown, scene.us(), words).of(&i.id).since(of.lifecycle_at);
    }
    let longest = groups.iter().filter_map(|arn| scene.obs.drains.get(*arn)).max();
    let end = of.target_at.zip(longest).map(|(at, s)| at + i64::from(*s) * 1000);
    let rest = match end {
        Some(end) => format!("; its connections drain {}", until(scene.now, end)),
        None => format!("; its connections drain{}", since(scene.now, of.target_at)),
    };
    let words = format!("{} in {} is leaving{rest}. AWS shows that for the whole delay, also without connections.", i.id, i.zone);
    Found::normal(Cause::Draining, scene.us(), words).of(&i.id).since(of.target_at).until(end)
}

/// An old instance that the refresh may not replace.
fn kept(scene: &Scene<'_>, i: &GroupInstance) -> Option<Found> {
    let c = scene.rollout?;
    let p = c.plan.bound.preferences.as_ref()?;
    // Before the engine knows the new version, every instance is old.
    if scene.is_new(i) || i.leaving() {
        return None;
    }
    if i.standby() { on_standby(scene, &c, i, p.standby) } else { i.protected.then(|| protected(scene, &c, i, p.protected)).flatten() }
}

/// What else AWS could still do meanwhile.
fn alone(scene: &Scene<'_>, i: &GroupInstance) -> bool {
    let free = |o: &GroupInstance| o.id != i.id && (o.arriving() || o.leaving() || !scene.is_new(o) && o.in_service() && !o.protected);
    !scene.group.instances.iter().any(free)
}

fn protected(scene: &Scene<'_>, c: &Subject<'_>, i: &GroupInstance, setting: OnHold) -> Option<Found> {
    let at = scene.since(&i.id).protected_at;
    let who = if scene.group.protects_new { "by the group's own setting, not by Fleetgate" } else { "not by Fleetgate" };
    let mark = format!("{} in {} is protected from scale-in{}, {who}", i.id, i.zone, since(scene.now, at));
    match setting {
        OnHold::Refresh => None,
        OnHold::Ignore => {
            let words = format!("{mark}: this deployment leaves such instances on the old version.");
            Some(Found::amiss(Cause::ProtectedIgnored, By::Others, words).of(&i.id).since(at).may([lift_protection(scene.input, &i.id)]))
        }
        OnHold::Wait => {
            let waits = if alone(scene, i) { "the refresh waits for it alone" } else { "the refresh will wait for it" };
            let words = format!("{mark}: {waits}, and AWS gives up after an hour.");
            let may = [lift_protection(scene.input, &i.id), terminate(&i.id)];
            Some(Found::amiss(Cause::ProtectedInstance, By::Others, words).of(&i.id).since(at).may(may).may(ways_out(c)))
        }
    }
}

fn on_standby(scene: &Scene<'_>, c: &Subject<'_>, i: &GroupInstance, setting: OnStandby) -> Option<Found> {
    let at = scene.since(&i.id).lifecycle_at;
    let mark = format!("{} in {} was taken out of service ({}){}, not by Fleetgate", i.id, i.zone, i.lifecycle, since(scene.now, at));
    match setting {
        OnStandby::Terminate => None,
        OnStandby::Ignore => {
            let words = format!("{mark}: this deployment leaves such instances on the old version.");
            Some(Found::amiss(Cause::StandbyIgnored, By::Others, words).of(&i.id).since(at).may([leave_standby(scene.input, &i.id)]))
        }
        OnStandby::Wait => {
            let waits = if alone(scene, i) { "the refresh waits for it alone" } else { "the refresh will wait for it" };
            let words = format!("{mark}: {waits}, and AWS gives up after an hour.");
            let may = [leave_standby(scene.input, &i.id), terminate(&i.id)];
            Some(Found::amiss(Cause::StandbyInstance, By::Others, words).of(&i.id).since(at).may(may).may(ways_out(c)))
        }
    }
}

/// More instances than wanted, and every one is protected from scale-in.
fn shrinking(scene: &Scene<'_>) -> Option<Found> {
    let serving: Vec<&GroupInstance> = scene.group.instances.iter().filter(|i| i.in_service()).collect();
    let refreshing = scene.obs.active_refresh().is_some();
    let rolling = scene.rollout.is_some() || scene.running.is_some_and(|c| c.kind == Kind::Terminate);
    let more = i32::try_from(serving.len()).unwrap_or(i32::MAX) > scene.group.desired;
    if !more || refreshing || rolling || serving.iter().any(|i| !i.protected) || scene.group.instances.iter().any(GroupInstance::leaving) {
        return None;
    }
    let i = serving.iter().min_by_key(|i| (scene.since(&i.id).protected_at, i.id.clone()))?;
    let at = scene.since(&i.id).protected_at;
    let words = format!(
        "{} instances serve and {} are wanted, but each of them is protected from scale-in, {} since {}, not by Fleetgate.",
        serving.len(),
        scene.group.desired,
        i.id,
        at.map_or_else(|| "before the first look".to_owned(), |at| super::words::clock(scene.now, at))
    );
    let choose = act(Act::TerminateInstance, "Or terminate one of them, and lower what is wanted with it.").on(&i.id);
    Some(Found::amiss(Cause::ShrinkProtected, By::Others, words).of(&i.id).since(at).may([lift_protection(scene.input, &i.id), choose]))
}
