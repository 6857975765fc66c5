//! Scheduled actions (aws-reference 3).
//!
//! **Invariant:** an action names at least one size and a time that is not past.

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

pub(super) fn put(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let action = read::need(p, "ScheduledActionName")?.to_owned();
    let (min, max) = (read::int_in(p, "MinSize", 0, 10_000)?, read::int_in(p, "MaxSize", 0, 10_000)?);
    let desired = read::int_in(p, "DesiredCapacity", 0, 10_000)?;
    if min.is_none() && max.is_none() && desired.is_none() {
        return Err(ApiError::validation("At least one of MinSize, MaxSize or DesiredCapacity must be specified"));
    }
    let recurrence = p.text("Recurrence").map(str::to_owned);
    if let Some(text) = recurrence.as_deref().filter(|t| !schedule::is_cron(t)) {
        return Err(ApiError::validation(format!("Given recurrence string: {text} is invalid")));
    }
    let start = read::time(p, "StartTime")?.or(read::time(p, "Time")?);
    let now = w.now;
    if start.is_some_and(|t| t < now) {
        return Err(ApiError::validation("Given start time is in the past"));
    }
    let start = start.or_else(|| schedule::next_run(recurrence.as_deref(), now));
    let Some(start) = start else {
        return Err(ApiError::validation("Either a StartTime or a Recurrence must be specified"));
    };
    let end = read::time(p, "EndTime")?;
    let lag = w.params.scheduled_lag.draw(w.seed, "scheduled", &format!("{action}/{start}"));
    let row = Scheduled {
        name: action.clone(),
        start: Some(start),
        end,
        recurrence,
        time_zone: p.text("TimeZone").map(str::to_owned),
        min,
        max,
        desired,
        due: Some(start + lag),
    };
    if let Some(g) = w.group_mut(&name) {
        if g.scheduled.len() >= 125 {
            return Err(ApiError::bad("LimitExceeded", "Scheduled action limit exceeded for this group"));
        }
        g.scheduled.retain(|s| s.name != action);
        g.scheduled.push(row);
    }
    w.wake_schedule(&name);
    Ok(Fields::new())
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let action = read::need(p, "ScheduledActionName")?.to_owned();
    let Some(g) = w.group_mut(&name) else {
        return Ok(Fields::new());
    };
    if !g.scheduled.iter().any(|s| s.name == action) {
        return Err(ApiError::validation(format!("Scheduled action name not found - {action}")));
    }
    g.scheduled.retain(|s| s.name != action);
    Ok(Fields::new())
}
