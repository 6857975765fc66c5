//! The instance refresh: whose it is, what state it is in, what it waits for by its own account.

use super::words::{cancel_foreign, clock, quoted, since, until, ways_out};
use super::{By, Cause, Found, Scene, Subject};
use crate::domain::change::{Kind, State};
use crate::domain::observation::{Activity, GroupInstance, Refresh};

/// A checkpoint that is this much overdue explains nothing any more.
const OVERDUE_MS: i64 = 90_000;

pub(super) fn rules(scene: &Scene<'_>, found: &mut Vec<Found>) {
    found.extend(foreign(scene));
    let Some(c) = &scene.rollout else { return };
    let Some(r) = scene.refresh else {
        if c.progress.refresh.is_some() {
            let words = "AWS has accepted the refresh and does not list it yet.";
            found.push(Found::normal(Cause::RefreshNotListed, scene.us(), words));
        }
        return;
    };
    let of = scene.obs.refresh_since.get(&r.id).copied().unwrap_or_default();
    let said = r.reason.as_deref().map_or_else(String::new, |why| format!(" AWS says {}.", quoted(why)));
    match r.status.as_str() {
        "Pending" => found.push(pending(scene, r)),
        "InProgress" => {
            found.extend(checkpoint(scene, c, r));
            found.extend(says(r));
        }
        "Baking" => {
            let seconds = c.plan.bound.preferences.as_ref().map_or(0, |p| p.bake_seconds);
            let end = of.status_at.map(|at| at + i64::from(seconds) * 1000);
            let how_long = end.map_or_else(String::new, |end| format!(" {}", until(scene.now, end)));
            let words = format!("Every instance is replaced; AWS bakes it for {seconds} s{how_long}, and can still roll it back.");
            found.push(Found::normal(Cause::Baking, scene.us(), words).since(of.status_at).until(end));
        }
        "Cancelling" if !c.progress.cancel_asked => {
            let words = format!("Somebody cancels the refresh{}, not by Fleetgate. Both versions will stay.{said}", since(scene.now, of.status_at));
            found.push(Found::amiss(Cause::CancelledByOthers, By::Others, words).since(of.status_at).may(ways_out(c)));
        }
        "RollbackInProgress" if !c.progress.rollback_asked => {
            let alarms = c.plan.bound.preferences.as_ref().map_or(&[][..], |p| p.alarms.as_slice());
            let alarm = alarms.iter().find(|a| r.reason.as_deref().is_some_and(|why| why.contains(a.as_str())));
            let begun = since(scene.now, of.status_at);
            let f = match alarm {
                Some(name) => {
                    let words = format!("AWS rolls the refresh back{begun}, because the alarm {name} that guards it went off.{said}");
                    Found::amiss(Cause::AlarmGuard, By::Aws, words)
                }
                None => {
                    let words = format!("The refresh is rolled back{begun}, not by Fleetgate's order.{said}");
                    Found::amiss(Cause::RolledBackByOthers, By::Unknown, words)
                }
            };
            found.push(f.since(of.status_at).may(ways_out(c)));
            found.extend(says(r));
        }
        "RollbackInProgress" | "Cancelling" => found.extend(says(r)),
        "Successful" | "RollbackSuccessful" if c.progress.contradiction_since.is_some() => {
            let at = c.progress.contradiction_since;
            let words = format!("{}{}", c.sentence.trim_end_matches('.'), format_args!("{}.", since(scene.now, at)));
            found.push(Found::amiss(Cause::Contradiction, By::Unknown, words).since(at).may(ways_out(c)));
        }
        "Successful" | "RollbackSuccessful" => {
            let words = format!("AWS is done; Fleetgate proves it by three looks of its own, of which {} agree.", c.progress.proofs);
            found.push(Found::normal(Cause::Proving, scene.us(), words));
        }
        "Failed" | "Cancelled" | "RollbackFailed" => {}
        other => {
            let words = format!(
                "AWS reports a status that Fleetgate does not know, {}{}: nothing is concluded from it.{said}",
                quoted(other),
                since(scene.now, of.status_at)
            );
            found.push(Found::amiss(Cause::RefreshStatusUnknown, By::Aws, words).since(of.status_at).may(ways_out(c)));
        }
    }
}

/// A refresh that no open change started.
fn foreign(scene: &Scene<'_>) -> Option<Found> {
    let rolls = |k: Kind| matches!(k, Kind::Deploy | Kind::Rollback | Kind::Replace);
    let r = scene.obs.active_refresh()?;
    let ours = scene.rollout.is_some_and(|c| [&c.progress.refresh, &c.progress.undo_refresh].into_iter().flatten().any(|id| *id == r.id));
    let beside = scene.input.others.iter().any(|o| o.state.holds_lane() && rolls(o.kind));
    // Its answer may be lost: whose it is, the next looks tell.
    let asked = scene.rollout.is_some_and(|c| c.progress.refresh_before.is_some() && c.progress.refresh.is_none());
    if ours || beside || asked {
        return None;
    }
    let at = r.started_at.or_else(|| scene.obs.refresh_since.get(&r.id).and_then(|s| s.status_at));
    let waits = match &scene.input.change {
        Some(c) if c.state == State::Queued || scene.rollout.is_some() => format!("#{} waits: a", c.number),
        _ => "A".to_owned(),
    };
    let said = r.reason.as_deref().map_or_else(String::new, |why| format!(" AWS says {}.", quoted(why)));
    let words = format!("{waits}nother instance refresh ({}), which no open change started, is {}{}.{said}", r.id, r.status, since(scene.now, at));
    Some(Found::amiss(Cause::ForeignRefresh, By::Others, words).since(at).may([cancel_foreign(scene.input)]))
}

fn under_way(a: &Activity) -> bool {
    a.ended_at.is_none() && !matches!(a.status.as_str(), "Successful" | "Failed" | "Cancelled")
}

fn pending(scene: &Scene<'_>, r: &Refresh) -> Found {
    let at = scene.obs.refresh_since.get(&r.id).and_then(|s| s.status_at);
    let begun = since(scene.now, at);
    match scene.obs.activities.iter().filter(|a| under_way(a)).min_by_key(|a| a.started_at) {
        Some(a) => {
            let of = scene.group.instances.iter().find(|i| a.description.contains(&i.id)).map(|i| i.id.clone());
            let words = format!(
                "AWS has not begun the refresh{begun}: an earlier scaling activity is not over, {}{}, status {}.",
                quoted(&a.description),
                since(scene.now, a.started_at),
                a.status
            );
            let f = Found::normal(Cause::PendingBehindActivity, By::Aws, words).since(a.started_at);
            if let Some(id) = of { f.of(&id) } else { f }
        }
        None => Found::normal(Cause::RefreshPending, By::Aws, format!("AWS has accepted the refresh{begun} and begins it, usually within a minute."))
            .since(at),
    }
}

/// AWS pauses at a checkpoint: what it counts has reached one, and nothing moves.
fn checkpoint(scene: &Scene<'_>, c: &Subject<'_>, r: &Refresh) -> Option<Found> {
    let p = c.plan.bound.preferences.as_ref()?;
    let percent = r.percent.filter(|p| *p < 100)?;
    // Its last step went over a checkpoint; small groups go over several at once.
    let before = scene.obs.refresh_since.get(&r.id)?.percent_before?;
    let reached = *p.checkpoints.iter().filter(|at| before < **at && **at <= percent).max()?;
    // One that starts or warms up: AWS is past it.
    let warmup = i64::from(p.warmup_seconds) * 1000;
    let young = |i: &GroupInstance| {
        let at = c.progress.seen.get(&i.id).and_then(|s| s.in_service_at);
        i.arriving() || scene.is_new(i) && i.in_service() && at.is_none_or(|at| scene.now - at < warmup)
    };
    if c.progress.undo.is_some() || scene.group.instances.iter().any(young) {
        return None;
    }
    let at = scene.obs.refresh_since.get(&r.id)?.percent_at?;
    let end = at + i64::from(p.checkpoint_delay_seconds) * 1000;
    if scene.now > end + OVERDUE_MS {
        return None;
    }
    let words = format!(
        "AWS pauses at the checkpoint of {reached} % for {} s, about until {}. There is no way to go on earlier; it can be stopped or undone.",
        p.checkpoint_delay_seconds,
        clock(scene.now, end)
    );
    Some(Found::normal(Cause::Checkpoint, scene.us(), words).since(Some(at)).until(Some(end)).may(ways_out(c)))
}

/// AWS's own words: shown, never parsed.
fn says(r: &Refresh) -> Option<Found> {
    let why = r.reason.as_deref().filter(|w| !w.trim().is_empty())?;
    Some(Found::normal(Cause::AwsSays, By::Aws, format!("AWS says {}.", quoted(why))))
}
