//! GetMetricData (aws-reference 9).
//!
//! **Invariant:** StartTime is inclusive, EndTime exclusive; pages are slices of time over all queries together, so a
//! result is PartialData until its last datapoint has been sent.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::fields::{at_most, bad_token, constraint, flag, good_period, int, metric, need, one_of, rows, text, unit};
use crate::{
    rng,
    wire::{
        ApiError,
        answer::{Answer, Members},
    },
    world::{
        World,
        metric::{
            datum::Stat,
            floor,
            query::{Query, Source},
        },
    },
};

const MOST_QUERIES: usize = 500;
const MOST_POINTS: i64 = 100_800;
const DAY: i64 = 86_400_000;

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::validation(message)
}

/// StartTime as CloudWatch rounds it: to the grain its age still has, or to a period below a minute.
pub(super) fn rounded(now: i64, start: i64, period: i64) -> i64 {
    let grain = match now - start {
        _ if period < 60 => period * 1000,
        age if age < 15 * DAY => 60_000,
        age if age <= 63 * DAY => 300_000,
        _ => 3_600_000,
    };
    floor(start, grain)
}

/// Reads a list of queries.
pub(super) fn queries(w: &World, v: &Value, name: &str, most: usize) -> Result<Vec<Query>, ApiError> {
    at_most(v, name, most)?;
    let mut out: Vec<Query> = Vec::new();
    for (n, row) in rows(v, name).iter().enumerate() {
        let query = query(w, row, &format!("{name}.member.{}", n + 1))?;
        if out.iter().any(|q| q.id == query.id) {
            return Err(wrong(format!("The values for parameter id in {name} are not unique.")));
        }
        out.push(query);
    }
    Ok(out)
}

fn query(w: &World, v: &Value, path: &str) -> Result<Query, ApiError> {
    let id = need(v, "Id").map_err(|_| wrong(format!("The parameter {path}.Id is required.")))?;
    let good = id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && id.len() <= 255;
    if !good {
        return Err(wrong(format!("The value {id} for parameter {path}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.")));
    }
    let own = int(v, "Period");
    let source = match (v.get("MetricStat"), text(v, "Expression")) {
        (Some(stat), None) => {
            if own.is_some() {
                return Err(wrong(format!("The parameter {path}.Period must not be specified together with MetricStat.")));
            }
            stat_source(stat, path)?
        }
        (None, Some(text)) => {
            if text.is_empty() || text.chars().count() > 2048 {
                return Err(constraint(text, "Expression", "Member must have a length between 1 and 2048"));
            }
            if own.is_some_and(|p| !good_period(p)) {
                return Err(bad_period(path));
            }
            Source::Math { text: text.to_owned(), period: own }
        }
        _ => return Err(wrong(format!("Exactly one of {path}.MetricStat and {path}.Expression must be specified."))),
    };
    let label = text(v, "Label").map(str::to_owned);
    if label.as_ref().is_some_and(|l| l.contains("${")) {
        return Err(wrong(format!("The parameter {path}.Label has a dynamic part, which is not supported.")));
    }
    let account = text(v, "AccountId").map(str::to_owned);
    if account.as_ref().is_some_and(|a| *a != w.account) {
        return Err(wrong(format!("The parameter {path}.AccountId names an account that is not linked.")));
    }
    Ok(Query { id: id.to_owned(), label, source, returns: flag(v, "ReturnData").unwrap_or(true), account })
}

fn bad_period(path: &str) -> ApiError {
    wrong(format!("The parameter {path}.Period must be 1, 5, 10, 20, 30 or a multiple of 60."))
}

fn stat_source(v: &Value, path: &str) -> Result<Source, ApiError> {
    let required = |name: &str| wrong(format!("The parameter {path}.MetricStat.{name} is required."));
    let metric = metric(v.get("Metric").ok_or_else(|| required("Metric"))?, required)?;
    let period = int(v, "Period").ok_or_else(|| required("Period"))?;
    if !good_period(period) {
        return Err(bad_period(path));
    }
    let stat = text(v, "Stat").ok_or_else(|| required("Stat"))?;
    let stat = Stat::parse(stat).ok_or_else(|| wrong(format!("The value {stat} for parameter {path}.MetricStat.Stat is not supported.")))?;
    Ok(Source::Stat { metric, stat, period, unit: unit(v)?.map(str::to_owned) })
}

pub(super) fn get(w: &World, v: &Value) -> Result<Members, ApiError> {
    let (start, end) = match (int(v, "StartTime"), int(v, "EndTime")) {
        (Some(start), Some(end)) => (start, end),
        (None, _) => return Err(wrong("The parameter StartTime is required.")),
        _ => return Err(wrong("The parameter EndTime is required.")),
    };
    if v.get("MetricDataQueries").is_none() {
        return Err(wrong("The parameter MetricDataQueries is required."));
    }
    let queries = queries(w, v, "MetricDataQueries", MOST_QUERIES)?;
    if start >= end {
        return Err(wrong("The parameter StartTime must be less than the parameter EndTime."));
    }
    let scan = one_of(text(v, "ScanBy").unwrap_or("TimestampDescending"), "ScanBy", &["TimestampDescending", "TimestampAscending"])?;
    let size = int(v, "MaxDatapoints").unwrap_or(MOST_POINTS);
    if !(1..=MOST_POINTS).contains(&size) {
        return Err(wrong(format!("The parameter MaxDatapoints must be between 1 and {MOST_POINTS}.")));
    }
    if let Some(zone) = v.pointer("/LabelOptions/Timezone").and_then(Value::as_str) {
        let digits = zone.strip_prefix(['+', '-']).unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong(format!("The value {zone} for parameter LabelOptions.Timezone is not of the form +HHMM.")));
        }
    }
    let least = queries.iter().filter_map(Query::period).min().unwrap_or(60);
    let from = rounded(w.now, start, least);
    let lines = w.evaluate(&queries, from, end).map_err(wrong)?;
    let mut all: Vec<Shown<'_>> = Vec::new();
    for query in queries.iter().filter(|q| q.returns) {
        let lines = lines.get(&query.id).map(Vec::as_slice).unwrap_or_default();
        let many = lines.len() > 1;
        for (n, line) in lines.iter().enumerate() {
            let label = label(&queries, query);
            let label = if many { format!("{label} {}", n + 1) } else { label };
            // What lies before the start asked for is not returned, though its period may end after it.
            all.push(Shown { query, label, points: line.points.range(from..end).map(|(t, p)| (*t, *p)).collect() });
        }
    }
    page(v, &all, scan == "TimestampDescending", size as usize)
}

/// One line of results.
struct Shown<'a> {
    query: &'a Query,
    label: String,
    points: Vec<(i64, f64)>,
}

/// The label asked for; else the metric's name, with what tells it from others of that name.
fn label(queries: &[Query], query: &Query) -> String {
    if let Some(label) = &query.label {
        return label.clone();
    }
    let Source::Stat { metric, stat, .. } = &query.source else {
        return query.id.clone();
    };
    let same = |f: &dyn Fn(&crate::world::metric::Metric, &Stat) -> bool| {
        queries.iter().any(|q| q.id != query.id && matches!(&q.source, Source::Stat { metric: m, stat: s, .. } if m.name == metric.name && f(m, s)))
    };
    let mut parts = Vec::new();
    if same(&|m, _| m.dimensions != metric.dimensions) {
        parts.extend(metric.dimensions.values().cloned());
    }
    if parts.is_empty() || same(&|_, s| s != stat) {
        parts.push(metric.name.clone());
    }
    if same(&|_, s| s != stat) {
        parts.push(stat.name());
    }
    parts.join(" ")
}

/// A token belongs to one request: everything but itself.
fn fingerprint(v: &Value) -> String {
    let mut rest = v.clone();
    if let Some(map) = rest.as_object_mut() {
        map.remove("NextToken");
    }
    rng::hex(0, "metric_data", &rest.to_string(), 16)
}

fn page(v: &Value, all: &[Shown<'_>], newest_first: bool, size: usize) -> Result<Members, ApiError> {
    let mut order: Vec<(i64, usize, f64)> = all.iter().enumerate().flat_map(|(n, s)| s.points.iter().map(move |(t, p)| (*t, n, *p))).collect();
    order.sort_by_key(|(t, n, _)| (if newest_first { -*t } else { *t }, *n));
    let own = fingerprint(v);
    let offset = match text(v, "NextToken") {
        None => 0,
        Some(token) => {
            let text = STANDARD.decode(token).ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(bad_token)?;
            let (offset, theirs) = text.strip_prefix("data/").and_then(|t| t.split_once('/')).ok_or_else(bad_token)?;
            offset.parse().ok().filter(|_| theirs == own).ok_or_else(bad_token)?
        }
    };
    if offset > order.len() {
        return Err(bad_token());
    }
    let end = (offset + size).min(order.len());
    let mut sent: BTreeMap<usize, Vec<(i64, f64)>> = BTreeMap::new();
    for (t, n, p) in &order[offset..end] {
        sent.entry(*n).or_default().push((*t, *p));
    }
    let left = |n: usize| order[end..].iter().any(|(_, of, _)| *of == n);
    let results = all.iter().enumerate().map(|(n, shown)| {
        let points = sent.remove(&n).unwrap_or_default();
        Members::new()
            .set("Id", &shown.query.id)
            .set("Label", &shown.label)
            .list("Timestamps", points.iter().map(|(t, _)| Answer::Time(*t)))
            .list("Values", points.iter().map(|(_, p)| *p))
            .set("StatusCode", if left(n) { "PartialData" } else { "Complete" })
    });
    let results: Vec<Members> = results.collect();
    let next = (end < order.len()).then(|| STANDARD.encode(format!("data/{end}/{own}")));
    Ok(Members::new().list("MetricDataResults", results).opt("NextToken", next).list("Messages", Vec::<Members>::new()))
}
