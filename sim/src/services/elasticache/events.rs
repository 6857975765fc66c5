//! DescribeEvents (aws-reference 10).
//!
//! **Invariant:** newest first; without a time the last hour.

use super::{contradiction, int_in, invalid, paged, read};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, cache::Event},
};

const TYPES: [&str; 9] = [
    "cache-cluster",
    "cache-parameter-group",
    "cache-security-group",
    "cache-subnet-group",
    "replication-group",
    "serverless-cache",
    "serverless-cache-snapshot",
    "user",
    "user-group",
];
const MINUTE: i64 = 60_000;

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let kind = p.text("SourceType");
    if let Some(odd) = kind.filter(|k| !TYPES.contains(k)) {
        return Err(invalid(format!("Invalid SourceType: {odd}")));
    }
    let source = p.text("SourceIdentifier").map(str::to_lowercase);
    if source.is_some() && kind.is_none() {
        return Err(contradiction("SourceIdentifier must be used together with SourceType."));
    }
    let (from, to) = span(w, p)?;
    let rows: Vec<&Event> = w
        .cache_events()
        .filter(|e| from <= e.at && e.at <= to)
        .filter(|e| kind.is_none_or(|k| k == e.kind()) && source.as_ref().is_none_or(|s| *s == e.source))
        .collect();
    let (rows, next) = paged(p, rows)?;
    let rows = rows
        .into_iter()
        .map(|e| Fields::new().set("SourceIdentifier", &e.source).set("SourceType", e.kind()).set("Message", &e.message).set("Date", iso(e.at)));
    Ok(Fields::new().opt("Marker", next).named("Events", "Event", rows))
}

/// The time that is asked for.
fn span(w: &World, p: &Node) -> Result<(i64, i64), ApiError> {
    let duration = int_in(p, "Duration", 1, 14 * 24 * 60)?.map(|m| m * MINUTE);
    let (from, to) = match (read::time(p, "StartTime")?, read::time(p, "EndTime")?, duration) {
        (Some(_), Some(_), Some(_)) => return Err(contradiction("Duration cannot be used together with StartTime and EndTime.")),
        (Some(from), Some(to), None) => (from, to),
        (Some(from), None, Some(d)) => (from, from + d),
        (Some(from), None, None) => (from, w.now),
        (None, to, d) => {
            let to = to.unwrap_or(w.now);
            (to - d.unwrap_or(60 * MINUTE), to)
        }
    };
    if from > to {
        return Err(contradiction("StartTime must be before EndTime."));
    }
    Ok((from, to))
}
