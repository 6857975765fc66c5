//! DescribeAlarmHistory (aws-reference 9).
//!
//! **Invariant:** newest first unless asked otherwise; the history of a deleted alarm is still there.

use serde_json::Value;

use super::{
    alarms,
    fields::{between, constraint, int, one_of, paged, sized, text},
};
use crate::{
    wire::{ApiError, answer::Members},
    world::{World, alarm::history::Item},
};

const KINDS: [&str; 5] = ["ConfigurationUpdate", "StateUpdate", "Action", "AlarmContributorStateUpdate", "AlarmContributorAction"];

pub(super) fn describe(w: &World, v: &Value) -> Result<Members, ApiError> {
    let name = text(v, "AlarmName").map(|n| sized(n, "AlarmName", 255)).transpose()?;
    if let Some(id) = text(v, "AlarmContributorId") {
        return Err(constraint(id, "AlarmContributorId", "The alarm has no contributors"));
    }
    let types = alarms::types(v)?;
    let kind = text(v, "HistoryItemType").map(|k| one_of(k, "HistoryItemType", &KINDS)).transpose()?;
    let (from, to) = (int(v, "StartDate"), int(v, "EndDate"));
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::validation("StartDate must not be later than EndDate."));
    }
    let order = one_of(text(v, "ScanBy").unwrap_or("TimestampDescending"), "ScanBy", &["TimestampDescending", "TimestampAscending"])?;
    let size = between(v, "MaxRecords", 1, 100)?.unwrap_or(100) as usize;
    let mut rows: Vec<&Item> = w
        .alarm_history
        .iter()
        .filter(|_| types.is_empty() || types.iter().any(|t| t == "MetricAlarm"))
        .filter(|i| name.is_none_or(|n| n == i.alarm))
        .filter(|i| kind.is_none_or(|k| k == i.kind))
        .filter(|i| from.is_none_or(|t| i.at >= t) && to.is_none_or(|t| i.at <= t))
        .collect();
    if order == "TimestampDescending" {
        rows.reverse();
    }
    let (rows, next) = paged(v, rows, size)?;
    let row = |i: &Item| {
        Members::new()
            .set("AlarmName", &i.alarm)
            .set("AlarmType", "MetricAlarm")
            .time("Timestamp", i.at)
            .set("HistoryItemType", &i.kind)
            .set("HistorySummary", i.summary.chars().take(255).collect::<String>())
            .set("HistoryData", &i.data)
    };
    Ok(Members::new().list("AlarmHistoryItems", rows.into_iter().map(row)).opt("NextToken", next))
}
