//! What comes before and after the rules about AWS: a change that has not begun, a look that is missing, a group that is not the
//! adopted one; and at the end what the change itself tells.

use super::words::{act, cancel_foreign, capacity, clock, quoted, since, span, ways_out};
use super::{Act, Action, By, Cause, Found, Input, Scene, Seen, Subject};
use crate::domain::change::{Kind, Lane, State};
use crate::domain::observation::{Group, LaunchSource};

/// Looks in a row that must fail before contact counts as lost.
const LOST: i64 = 3;

/// The change has not begun, or nothing can be seen. `false`: nothing that AWS shows matters yet.
pub(super) fn before(input: &Input<'_>, found: &mut Vec<Found>) -> bool {
    if let Some(c) = &input.change {
        match c.state {
            State::AwaitingApproval => {
                let by = By::Fleetgate { change: c.number };
                let words = format!("#{} waits for another person's approval{}.", c.number, since(input.now, Some(c.created_at)));
                found.push(Found::amiss(Cause::AwaitingApproval, by, words).since(Some(c.created_at)).may([
                    act(Act::Approve, format!("Somebody with the approver role decides on #{}.", c.number)).to(c.number),
                    act(Act::StopChange, format!("Withdraw #{}.", c.number)).to(c.number),
                ]));
                return false;
            }
            State::Scheduled => {
                let by = By::Fleetgate { change: c.number };
                found.push(
                    Found::normal(Cause::Scheduled, by, format!("#{} waits for its time.", c.number)).since(Some(c.created_at)).may([act(
                        Act::StopChange,
                        format!("Withdraw #{}.", c.number),
                    )
                    .to(c.number)]),
                );
                return false;
            }
            State::Queued => {
                if let Some(f) = queued(input, c) {
                    found.push(f);
                    return false;
                }
            }
            _ => {}
        }
    }
    match &input.seen {
        None => {
            let words = "AWS has not been asked about this group yet; it is within a minute.";
            found.push(Found::normal(Cause::NeverSeen, By::Unknown, words));
        }
        Some(seen) => found.extend(contact(input, seen)),
    }
    true
}

/// The change that must end first.
fn queued(input: &Input<'_>, c: &Subject<'_>) -> Option<Found> {
    // A rollback overtakes what has not begun.
    let before = |o: &&super::Other| {
        o.lane == c.lane
            && (o.state.holds_lane() || o.state == State::Queued && o.number < c.number && (c.kind != Kind::Rollback || o.kind == c.kind))
    };
    let both_take = |o: &&super::Other| {
        c.kind == Kind::Terminate && o.lane != c.lane && o.state.holds_lane() && matches!(o.kind, Kind::Terminate | Kind::Capacity)
    };
    let ahead = input.others.iter().find(|o| before(o) && o.state.holds_lane());
    let ahead = ahead.or_else(|| input.others.iter().find(before)).or_else(|| input.others.iter().find(both_take))?;
    let how = if ahead.state.holds_lane() { "runs" } else { "was asked for before" };
    let words = format!("#{} waits for the end of #{} ({}), which {how}.", c.number, ahead.number, ahead.kind.name());
    Some(Found::amiss(Cause::QueuedBehind, By::Fleetgate { change: ahead.number }, words).since(Some(c.created_at)).may([
        act(Act::OpenChange, format!("Look at #{}, and undo or stop it if it must not go on.", ahead.number)).to(ahead.number),
        act(Act::StopChange, format!("Withdraw #{}.", c.number)).to(c.number),
    ]))
}

fn contact(input: &Input<'_>, seen: &Seen<'_>) -> Option<Found> {
    let age = input.now - seen.obs.at;
    let old = format!("What is known was read {} ago, at {}", span(age), clock(input.now, seen.obs.at));
    if seen.misses >= LOST {
        let failure = seen.failure.unwrap_or_default();
        let has = |codes: &[&str]| codes.iter().any(|c| failure.contains(c));
        let operation = failure.split_once(": ").map_or("", |(operation, _)| operation);
        let call = if operation.is_empty() { String::new() } else { format!(" ({operation})") };
        let (cause, what, action) = if has(&["Throttl", "RequestLimitExceeded", "Rate exceeded", "SlowDown"]) {
            let lasts = act(Act::LookInAws, "See who else calls this account's APIs so often; Fleetgate asks again by itself.");
            (Cause::Throttled, format!("AWS limits our calls{call}: {} looks in a row were refused", seen.misses), lasts)
        } else if has(&["AccessDenied", "UnauthorizedOperation", "ExpiredToken", "InvalidClientTokenId", "not authorized"]) {
            let policy = act(Act::FixPermission, "Compare the role with what `fleetgate iam-policy` prints.");
            (Cause::ReadingDenied, format!("AWS does not let Fleetgate look{call}: {} looks in a row were refused", seen.misses), policy)
        } else {
            let network = act(Act::LookInAws, "See whether AWS is reachable from where Fleetgate runs; it asks again by itself.");
            (Cause::LostContact, format!("AWS does not answer{call}: {} looks in a row failed", seen.misses), network)
        };
        let by = if cause == Cause::ReadingDenied { By::Others } else { By::Aws };
        return Some(Found::amiss(cause, by, format!("{what}. {old}.")).since(Some(seen.obs.at)).may([action]));
    }
    let waits = input.change.is_some();
    (waits && age > input.stale_ms).then(|| {
        let words = format!("{old}: Fleetgate has not come to look again, because its own budget of AWS calls is used up or it was stopped.");
        let action = act(Act::LookInAws, "Nothing is lost: it looks again by itself. If it lasts, see whether Fleetgate's worker runs.");
        Found::amiss(Cause::DataOld, By::Unknown, words).since(Some(seen.obs.at)).may([action])
    })
}

/// The adopted group, or why there is none.
pub(super) fn group<'a>(input: &Input<'_>, seen: &Seen<'a>, found: &mut Vec<Found>) -> Option<&'a Group> {
    let close = || input.change.filter(|c| c.state.holds_lane()).map(|c| act(Act::ForceClose, format!("Close #{} by force.", c.number)).to(c.number));
    let adopt = |words: &str| act(Act::AdoptAgain, words);
    let Some(group) = &seen.obs.group else {
        let words = format!("AWS no longer lists the group {}: it was deleted, not by Fleetgate. Nothing is sent.", input.asg);
        let again = adopt("Adopt its successor as a new environment.");
        found.push(Found::amiss(Cause::GroupGone, By::Others, words).may(close()).may([again]));
        return None;
    };
    if group.arn != input.asg_arn {
        let words = format!("The group {} was recreated under the same name, not by Fleetgate. Nothing is sent to a stranger.", input.asg);
        found.push(Found::amiss(Cause::GroupRecreated, By::Others, words).may(close()).may([adopt("Adopt the new group.")]));
        return None;
    }
    if let Some(status) = &group.status {
        let words = format!("The group is being deleted, not by Fleetgate; AWS says {}. Its instances go with it.", quoted(status));
        found.push(Found::amiss(Cause::GroupDeleting, By::Others, words).may(close()).may([adopt("Adopt its successor once there is one.")]));
    }
    Some(group)
}

/// The group launches from something else than what the change was planned for.
pub(super) fn source(scene: &Scene<'_>, found: &mut Vec<Found>) {
    let Some(c) = &scene.rollout else { return };
    let what = match &scene.group.launch {
        LaunchSource::Template(_) => return,
        LaunchSource::Mixed { .. } => "a mixed instances policy".to_owned(),
        LaunchSource::Configuration { name } => format!("the launch configuration {name}"),
        LaunchSource::Unknown => "nothing that AWS names".to_owned(),
    };
    let words = format!("The group was switched to {what} meanwhile, not by Fleetgate, which deploys to a launch template alone.");
    let back = act(Act::FixTemplate, "Point the group at its launch template again, or deploy it by its own pipeline.");
    found.push(Found::amiss(Cause::LaunchSourceChanged, By::Others, words).may([back]).may(ways_out(c)));
}

/// What is left: conditions, and what the change itself tells.
pub(super) fn rest(scene: &Scene<'_>, found: &mut Vec<Found>) {
    let (input, group) = (scene.input, scene.group);
    if !scene.obs.health.is_empty() && scene.obs.listening().next().is_none() {
        let names: Vec<&str> = scene.obs.health.iter().map(|h| h.group.name.as_str()).collect();
        let words = format!("No listener forwards to {}, so only EC2's own checks tell how an instance is.", names.join(", "));
        let listener = act(Act::AddListener, "Add a listener or a rule that forwards there, or detach the target group.");
        found.push(Found::amiss(Cause::NoListener, By::Others, words).may([listener]));
    }
    let Some(c) = &input.change else { return };
    if c.state == State::Queued {
        let words = c.sentence.strip_prefix(c.plan.sentence.as_str()).unwrap_or(c.sentence).trim();
        let words = if words.is_empty() { "It starts at its next turn." } else { words };
        let made = if words.len() > 30 { Found::amiss } else { Found::normal };
        let foreign: Vec<Action> = scene.obs.active_refresh().map(|_| cancel_foreign(input)).into_iter().collect();
        let withdraw = act(Act::StopChange, format!("Withdraw #{}.", c.number)).to(c.number);
        found.push(made(Cause::QueuedCondition, By::Unknown, format!("#{} has not begun: {words}", c.number)).may(foreign).may([withdraw]));
        return;
    }
    if c.progress.refusals > 0 {
        let words =
            format!("AWS refused the last call, {} in a row; it is sent again after a look and a pause. {}", times(c.progress.refusals), c.sentence);
        found.push(Found::amiss(Cause::RefusedForNow, By::Aws, words).may(ways_out(c)));
    }
    if c.kind == Kind::Capacity || c.kind == Kind::Terminate {
        let serving = group.instances.iter().filter(|i| i.in_service()).count();
        let words = format!("{serving} of {} instances are in service; AWS has begun nothing further yet.", group.desired);
        found.push(Found::normal(Cause::Resizing, scene.us(), words).since(c.progress.capacity_set_at));
    }
    let action = if c.state == State::NeedsAttention { ways_out(c) } else { Vec::new() };
    let mut told = Found::normal(Cause::AsTold, scene.us(), c.sentence.to_owned()).since(c.progress.attention_since).may(action);
    told.normal = c.state != State::NeedsAttention;
    found.push(told);
    let full = group.desired >= group.max && c.lane == Lane::Main;
    no_room(scene, full, found);
}

fn times(n: u32) -> String {
    if n == 1 { "once".into() } else { format!("{n} times") }
}

/// Milliseconds without any movement after which a missing place is named.
const QUIET_MS: i64 = 120_000;

/// The refresh must launch before it terminates, and the group is full: AWS may have no room for either.
fn no_room(scene: &Scene<'_>, full: bool, found: &mut Vec<Found>) {
    let (Some(c), Some(r)) = (&scene.rollout, scene.refresh) else { return };
    let all = c.plan.bound.preferences.as_ref().is_some_and(|p| p.min_healthy >= 100);
    let moving = scene.group.instances.iter().any(|i| i.arriving() || i.leaving() || scene.is_new(i));
    let since = scene.obs.refresh_since.get(&r.id).and_then(|s| s.status_at);
    if !full || !all || moving || r.status != "InProgress" || since.is_none_or(|at| scene.now - at < QUIET_MS) {
        return;
    }
    let words = format!(
        "The refresh keeps 100 % of {} instances healthy and the group's maximum is {}: AWS may have no room to start another{}.",
        scene.group.desired,
        scene.group.max,
        super::words::since(scene.now, since)
    );
    let raise = capacity("Raise the maximum by one or more; this may be done beside the deployment.");
    found.push(Found::amiss(Cause::NoRoom, By::Others, words).since(since).may([raise]).may(ways_out(c)));
}
