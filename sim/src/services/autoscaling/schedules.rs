//! Scheduled actions (aws-reference 3).
//!
//! **Invariant:** an action names at least one size and a time that is not past and not taken by another.

use super::{at_most, group, paged};
use crate::{
    clock::iso,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, group::Scheduled, schedule},
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let only = p.text("AutoScalingGroupName");
    let names = at_most(p, "ScheduledActionNames", 50)?;
    let (from, to) = (read::time(p, "StartTime")?, read::time(p, "EndTime")?);
    let rows: Vec<Fields> = w
        .groups
        .values()
        .filter(|g| only.is_none_or(|n| n == g.name))
        .flat_map(|g| g.scheduled.iter().map(move |s| (g, s)))
        .filter(|(_, s)| match names.as_slice() {
            // The times count only where no action is named.
            [] => from.is_none_or(|t| s.start >= Some(t)) && to.is_none_or(|t| s.start.is_some_and(|start| start <= t)),
            names => names.contains(&s.name),
        })
        .map(|(g, s)| {
            Fields::new()
                .set("AutoScalingGroupName", &g.name)
                .set("ScheduledActionName", &s.name)
                .set("ScheduledActionARN", g.arn.replace("autoScalingGroup:", "scheduledUpdateGroupAction:") + ":scheduledActionName/" + &s.name)
                .opt("Time", s.start.map(iso))
                .opt("StartTime", s.start.map(iso))
                .opt("EndTime", s.end.map(iso))
                .opt("Recurrence", s.recurrence.as_ref())
                .opt("MinSize", s.min)
                .opt("MaxSize", s.max)
                .opt("DesiredCapacity", s.desired)
                .opt("TimeZone", s.time_zone.as_ref())
        })
        .collect();
    let (rows, next) = paged(p, rows, 50, 100)?;
    Ok(Fields::new().members("ScheduledUpdateGroupActions", rows).opt("NextToken", next))
}

/// Scheduled actions of one group at most.
const MOST: usize = 125;

/// Reads one action of a group; the other actions of the same request come as `with`.
fn read(w: &World, name: &str, p: &Node, with: &[Scheduled]) -> Result<Scheduled, ApiError> {
    let action = read::need(p, "ScheduledActionName")?.to_owned();
    let (min, max) = (read::int_in(p, "MinSize", 0, 10_000)?, read::int_in(p, "MaxSize", 0, 10_000)?);
    let desired = read::int_in(p, "DesiredCapacity", 0, 10_000)?;
    if min.is_none() && max.is_none() && desired.is_none() {
        return Err(ApiError::validation("At least one of MinSize, MaxSize or DesiredCapacity must be specified"));
    }
    super::capacity::bounds(min.unwrap_or(0), max.unwrap_or(i64::MAX), desired)?;
    let time_zone = p.text("TimeZone").map(str::to_owned);
    if let Some(odd) = time_zone.as_deref().filter(|z| schedule::zone(Some(z)).is_none()) {
        return Err(ApiError::validation(format!("Given time zone: {odd} is invalid")));
    }
    let recurrence = p.text("Recurrence").map(str::to_owned);
    if let Some(text) = recurrence.as_deref().filter(|t| !schedule::is_cron(t)) {
        return Err(ApiError::validation(format!("Given recurrence string: {text} is invalid")));
    }
    let start = read::time(p, "StartTime")?.or(read::time(p, "Time")?);
    let end = read::time(p, "EndTime")?;
    let now = w.now;
    if start.is_some_and(|t| t < now) {
        return Err(ApiError::validation("Given start time is in the past"));
    }
    if end.is_some_and(|t| t < now) {
        return Err(ApiError::validation("Given end time is in the past"));
    }
    let Some(start) = start.or_else(|| schedule::next_run(recurrence.as_deref(), time_zone.as_deref(), now)) else {
        return Err(ApiError::validation("Either a StartTime or a Recurrence must be specified"));
    };
    if end.is_some_and(|end| end <= start) {
        return Err(ApiError::validation("The end time must be after the start time and after the first run of the recurrence."));
    }
    let others = || w.groups.get(name).into_iter().flat_map(|g| &g.scheduled).chain(with).filter(|s| s.name != action);
    // Only one-off actions are bound to one instant; recurring ones may well meet.
    if recurrence.is_none() && others().any(|s| s.recurrence.is_none() && s.start == Some(start)) {
        return Err(ApiError::bad("AlreadyExists", "There is already a scheduled action of this group at that time."));
    }
    if others().count() >= MOST {
        return Err(ApiError::bad("LimitExceeded", "Scheduled action limit exceeded for this group"));
    }
    let lag = w.params.scheduled_lag.draw(w.seed, "scheduled", &format!("{action}/{start}"));
    Ok(Scheduled { name: action, start: Some(start), end, recurrence, time_zone, min, max, desired, due: Some(start + lag) })
}

fn store(w: &mut World, name: &str, rows: Vec<Scheduled>) {
    if let Some(g) = w.group_mut(name) {
        for row in rows {
            g.scheduled.retain(|s| s.name != row.name);
            g.scheduled.push(row);
        }
    }
    w.wake_schedule(name);
}

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let row = read(w, &name, p, &[])?;
    store(w, &name, vec![row]);
    Ok(Fields::new())
}

/// The entries of a batch, 50 at most, named once each.
fn batch(p: &Node, list: &str, name: impl Fn(&Node) -> Option<String>) -> Result<Vec<String>, ApiError> {
    let rows = p.list(list);
    if rows.is_empty() {
        read::need(p, list)?;
    }
    if rows.len() > 50 {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less than or equal to 50",
            read::lower(list)
        )));
    }
    Ok(rows.into_iter().map(|r| name(r).unwrap_or_default()).collect())
}

fn failure(name: &str, error: &ApiError) -> Fields {
    Fields::new().set("ScheduledActionName", name).set("ErrorCode", &error.code).set("ErrorMessage", &error.message)
}

/// Each action stands for itself: those that cannot be put are listed, the others are put.
pub(super) fn put_batch(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let names = batch(p, "ScheduledUpdateGroupActions", |r| r.text("ScheduledActionName").map(str::to_owned))?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (node, action) in p.list("ScheduledUpdateGroupActions").into_iter().zip(names) {
        match read(w, &name, node, &rows) {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(failure(&action, &error)),
        }
    }
    store(w, &name, rows);
    Ok(Fields::new().members("FailedScheduledUpdateGroupActions", failed))
}

fn unknown(action: &str) -> ApiError {
    ApiError::validation(format!("Scheduled action name not found - {action}"))
}

pub(super) fn delete_batch(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let names = batch(p, "ScheduledActionNames", |r| r.value.clone())?;
    let mut failed = Vec::new();
    if let Some(g) = w.group_mut(&name) {
        for action in &names {
            if !g.scheduled.iter().any(|s| s.name == *action) {
                failed.push(failure(action, &unknown(action)));
            }
            g.scheduled.retain(|s| s.name != *action);
        }
    }
    Ok(Fields::new().members("FailedScheduledActions", failed))
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let action = read::need(p, "ScheduledActionName")?.to_owned();
    let Some(g) = w.group_mut(&name) else {
        return Ok(Fields::new());
    };
    if !g.scheduled.iter().any(|s| s.name == action) {
        return Err(unknown(&action));
    }
    g.scheduled.retain(|s| s.name != action);
    Ok(Fields::new())
}
