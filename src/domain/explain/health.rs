//! What the load balancer and AWS's own checks say of one instance in service (aws-reference 4.3, 6.1).

use super::words::{act, console, quoted, since, terminate, until, ways_out};
use super::{Act, Action, By, Cause, Found, Scene};
use crate::domain::evidence::{Health, health};
use crate::domain::observation::{GroupInstance, Millis, TargetState};

/// An instance may be missing in its target group for so long after it came into service.
const REGISTERS_MS: i64 = 60_000;

/// Where an instance stands with its boot budget.
enum Boot {
    /// It may still start until then.
    Until(Millis),
    /// It should have been healthy by then.
    Over(Millis),
    /// It was healthy before.
    Was,
    /// When it came into service is not known, or it is none of the new ones.
    Unknown,
}

fn boot(scene: &Scene<'_>, i: &GroupInstance) -> Boot {
    let seen = scene.rollout.filter(|_| scene.is_new(i)).and_then(|c| c.progress.seen.get(&i.id));
    if seen.is_some_and(|s| s.healthy_at.is_some()) {
        return Boot::Was;
    }
    let old = scene.rollout.is_some() && !scene.is_new(i);
    let at = seen.and_then(|s| s.in_service_at).or_else(|| scene.since(&i.id).lifecycle_at).filter(|_| !old);
    match at.map(|at| at + i64::from(scene.input.boot_budget_seconds) * 1000) {
        Some(end) if scene.now <= end => Boot::Until(end),
        Some(end) => Boot::Over(end),
        None => Boot::Unknown,
    }
}

/// What is said of an instance that is in service; `None` when it is healthy everywhere.
pub(super) fn finding(scene: &Scene<'_>, i: &GroupInstance) -> Option<Found> {
    let mut all: Vec<Found> = scene.obs.listening().filter_map(|g| of_target(scene, i, g.targets.get(&i.id), &g.group.name)).collect();
    // The group's own word is told where the load balancer says nothing worse.
    if i.health != "Healthy" && !all.iter().any(|f| !f.normal && f.cause >= Cause::UnhealthyCode) {
        all.push(marked(scene, i));
    }
    all.into_iter().min_by_key(|f| f.cause)
}

fn place(i: &GroupInstance) -> String {
    format!("{} in {}", i.id, i.zone)
}

/// The group calls it unhealthy: a failing status check, a stopped instance, or somebody's `SetInstanceHealth`.
fn marked(scene: &Scene<'_>, i: &GroupInstance) -> Found {
    let words = format!(
        "{} is marked {} by AWS's own checks, not by the load balancer: AWS replaces it when the grace period and its pace allow.",
        place(i),
        i.health
    );
    Found::amiss(Cause::MarkedUnhealthy, By::Aws, words).of(&i.id).may([console(scene.input, &i.id), terminate(&i.id)])
}

fn of_target(scene: &Scene<'_>, i: &GroupInstance, target: Option<&TargetState>, group: &str) -> Option<Found> {
    let state = target.map_or("", |t| t.state.as_str());
    let reason = target.and_then(|t| t.reason.as_deref()).unwrap_or_default();
    let at = scene.since(&i.id).target_at;
    match state {
        "healthy" => None,
        "" | "draining" => Some(unregistered(scene, i, group)),
        "unused" if reason == "Target.NotRegistered" => Some(unregistered(scene, i, group)),
        "initial" => Some(initial(scene, i, reason, at)),
        "unused" => {
            let words = format!("{} is unused in {group}{}: AWS says {}.", place(i), since(scene.now, at), quoted(&said(target)));
            let look = act(Act::RegisterTarget, "See that the load balancer is enabled in the instance's zone and that the instance runs.");
            Some(Found::amiss(Cause::TargetUnused, By::Others, words).of(&i.id).since(at).may([look]))
        }
        "unavailable" => {
            let words = format!("The load balancer tells nothing of {} in {group}{}: {}.", i.id, since(scene.now, at), quoted(&said(target)));
            let check = act(Act::CheckHealthCheck, "Switch the target group's health check on.");
            Some(Found::amiss(Cause::HealthUnavailable, By::Others, words).of(&i.id).since(at).may([check]))
        }
        _ => Some(unhealthy(scene, i, target, reason, at)),
    }
}

/// AWS's reason and sentence.
fn said(target: Option<&TargetState>) -> String {
    let Some(t) = target else { return String::new() };
    match (&t.reason, &t.description) {
        (Some(r), Some(d)) => format!("{r}: {d}"),
        (Some(r), None) => r.clone(),
        (None, Some(d)) => d.clone(),
        (None, None) => t.state.clone(),
    }
}

fn unregistered(scene: &Scene<'_>, i: &GroupInstance, group: &str) -> Found {
    let at = scene.since(&i.id).lifecycle_at;
    let register =
        act(Act::RegisterTarget, format!("Register {} with {group} by hand, or terminate it: its successor is registered.", i.id)).on(&i.id);
    if let Some((by, suspended)) = super::processes::registering(scene.group) {
        let words = format!(
            "{} is not registered with {group}, because AddToLoadBalancer is suspended{}, not by Fleetgate: AWS never does it later.",
            place(i),
            since(scene.now, suspended)
        );
        let resume = super::words::resume(scene.input, "AddToLoadBalancer");
        return Found::amiss(Cause::LoadBalancerSuspended, by, words).of(&i.id).since(suspended).may([resume, register, terminate(&i.id)]);
    }
    if at.is_some_and(|at| scene.now - at < REGISTERS_MS) {
        return Found::normal(Cause::Registering, By::Aws, format!("{} is being registered with {group}.", place(i))).of(&i.id).since(at);
    }
    let words = format!("{} serves in the group and is not registered with {group}: the load balancer sends it nothing.", place(i));
    Found::amiss(Cause::NotRegistered, By::Unknown, words).of(&i.id).since(at).may([register, terminate(&i.id)])
}

fn initial(scene: &Scene<'_>, i: &GroupInstance, reason: &str, at: Option<Millis>) -> Found {
    if let Some(f) = late(scene, i, "has not passed its first health checks") {
        return f;
    }
    let until = match boot(scene, i) {
        Boot::Until(end) => Some(end),
        _ => None,
    };
    let expected = until.map_or_else(String::new, |end| format!("; it may take {}", super::words::until(scene.now, end)));
    let (cause, what) = if reason == "Elb.RegistrationInProgress" {
        (Cause::Registering, "is being registered with the load balancer")
    } else {
        (Cause::FirstChecks, "waits for its first health checks")
    };
    Found::normal(cause, By::Aws, format!("{} {what}{}{expected}.", place(i), since(scene.now, at))).of(&i.id).since(at).until(until)
}

/// A new instance whose budget is over, or that was healthy before.
fn late(scene: &Scene<'_>, i: &GroupInstance, what: &str) -> Option<Found> {
    let healthy = health(scene.obs, i) == Health::Healthy;
    let may = |scene: &Scene<'_>| -> Vec<Action> {
        let mut out = vec![console(scene.input, &i.id)];
        out.extend(scene.running.iter().flat_map(ways_out));
        out.push(terminate(&i.id));
        out
    };
    match boot(scene, i) {
        Boot::Over(end) if !healthy => {
            let words = format!(
                "{} {what} within its boot budget of {} s, which ended {} ago.",
                place(i),
                scene.input.boot_budget_seconds,
                super::words::span(scene.now - end)
            );
            Some(Found::amiss(Cause::BootBudgetOver, By::Unknown, words).of(&i.id).since(Some(end)).may(may(scene)))
        }
        Boot::Was if health(scene.obs, i) == Health::Unhealthy => {
            let at = scene.since(&i.id).target_at;
            let words = format!("{} was healthy and is no longer{}: it {what}.", place(i), since(scene.now, at));
            Some(Found::amiss(Cause::WasHealthy, By::Unknown, words).of(&i.id).since(at).may(may(scene)))
        }
        _ => None,
    }
}

fn unhealthy(scene: &Scene<'_>, i: &GroupInstance, target: Option<&TargetState>, reason: &str, at: Option<Millis>) -> Found {
    let text = quoted(&said(target));
    let (cause, what) = match reason {
        "Target.ResponseCodeMismatch" => (Cause::UnhealthyCode, format!("answers the health check with another code than asked for ({text})")),
        "Target.Timeout" => (Cause::UnhealthyTimeout, format!("does not answer the health check in time ({text})")),
        "Target.FailedHealthChecks" => (Cause::UnhealthyFailed, format!("refuses the health check's connection or answers no HTTP ({text})")),
        r if r.starts_with("Elb.") => (Cause::UnhealthyBalancer, format!("is failed by the load balancer itself ({text})")),
        _ => (Cause::UnhealthyOther, format!("does not pass the health check; AWS says {text}")),
    };
    if let Some(f) = late(scene, i, &what) {
        return f;
    }
    if let Boot::Until(end) = boot(scene, i) {
        let words = format!("{} {what}; its boot budget lasts {}.", place(i), until(scene.now, end));
        return Found::normal(cause, By::Unknown, words).of(&i.id).since(at).until(Some(end)).may([console(scene.input, &i.id)]);
    }
    let check = act(Act::CheckHealthCheck, "Compare the health check's path, port and codes with what the application answers.");
    let words = format!("{} {what}{}.", place(i), since(scene.now, at));
    Found::amiss(cause, By::Unknown, words).of(&i.id).since(at).may([console(scene.input, &i.id), check, terminate(&i.id)])
}
