//! PutMetricData (aws-reference 9).
//!
//! **Invariant:** all of a call is stored or nothing; `AWS/` is not a client's namespace.

use serde_json::Value;

use super::fields::{dimensions, int, invalid, missing, namespace, rows, sized, text, unit};
use crate::{
    clock,
    wire::{ApiError, answer::Members},
    world::{
        World,
        metric::{Metric, datum::Datum},
    },
};

const MOST: usize = 1000;
const HOUR: i64 = 3_600_000;

/// One datapoint ready to be stored.
struct Row {
    metric: Metric,
    at: i64,
    unit: String,
    datum: Datum,
    high: bool,
}

fn combination(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterCombination", message)
}

pub(super) fn data(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let space = namespace(text(v, "Namespace").ok_or_else(|| missing("Namespace"))?)?;
    if space.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
    }
    // Entities say what a metric is about; they are no part of its name.
    let of_entities = rows(v, "EntityMetricData").iter().flat_map(|e| rows(e, "MetricData"));
    let all: Vec<&Value> = rows(v, "MetricData").iter().chain(of_entities).collect();
    if all.is_empty() {
        return Err(missing("MetricData"));
    }
    if all.len() > MOST {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {MOST}.")));
    }
    let read = |(n, row): (usize, &&Value)| one(w, space, row, &format!("MetricData.member.{}", n + 1));
    let ready = all.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    for row in ready {
        w.put_datum(&row.metric, row.at, &row.unit, &row.datum, row.high);
    }
    Ok(Members::new())
}

fn one(w: &World, space: &str, v: &Value, path: &str) -> Result<Row, ApiError> {
    let name = sized(text(v, "MetricName").ok_or_else(|| missing(&format!("{path}.MetricName")))?, "MetricName", 255)?;
    let at = int(v, "Timestamp").unwrap_or(w.now);
    if at > w.now + 2 * HOUR {
        return Err(invalid(format!("The parameter {path}.Timestamp must specify a time no more than two hours in the future.")));
    }
    if at < w.now - 14 * 24 * HOUR {
        return Err(invalid(format!("The parameter {path}.Timestamp must specify a time no more than two weeks in the past ({}).", clock::iso(at))));
    }
    let high = match int(v, "StorageResolution") {
        None | Some(60) => false,
        Some(1) => true,
        Some(n) => return Err(invalid(format!("The value {n} for parameter {path}.StorageResolution is not supported."))),
    };
    let metric = Metric { namespace: space.to_owned(), name: name.to_owned(), dimensions: dimensions(v)? };
    Ok(Row { metric, at, unit: unit(v)?.unwrap_or("None").to_owned(), datum: datum(v, path)?, high })
}

/// A number that can be stored: finite, and between -2^360 and 2^360.
fn number(v: &Value, path: &str) -> Result<f64, ApiError> {
    let limit = 2f64.powi(360);
    v.as_f64().filter(|n| n.abs() <= limit).ok_or_else(|| invalid(format!("The value {v} for parameter {path} is invalid.")))
}

fn datum(v: &Value, path: &str) -> Result<Datum, ApiError> {
    let members = ["Value", "Values", "StatisticValues"].map(|name| v.get(name).map(|value| (name, value)));
    let given: Vec<_> = members.into_iter().flatten().collect();
    let [(name, value)] = given.as_slice() else {
        let what = format!("{path}.Value, {path}.Values and {path}.StatisticValues");
        return Err(if given.is_empty() {
            missing(&format!("{path}.Value"))
        } else {
            combination(format!("The parameters {what} are mutually exclusive."))
        });
    };
    let counts = rows(v, "Counts");
    if !counts.is_empty() && *name != "Values" {
        return Err(combination(format!("The parameter {path}.Counts needs {path}.Values.")));
    }
    match *name {
        "Value" => Ok(Datum::one(number(value, &format!("{path}.Value"))?)),
        "Values" => values(rows(v, "Values"), counts, path),
        _ => set(value, path),
    }
}

fn values(rows: &[Value], counts: &[Value], path: &str) -> Result<Datum, ApiError> {
    if rows.is_empty() || rows.len() > 150 {
        return Err(invalid(format!("The collection {path}.Values must have a size between 1 and 150.")));
    }
    if !counts.is_empty() && counts.len() != rows.len() {
        return Err(combination(format!("The collections {path}.Values and {path}.Counts must have the same size.")));
    }
    let mut out = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let count = counts.get(n).map_or(Ok(1.0), |c| number(c, &format!("{path}.Counts")))?;
        if count <= 0.0 {
            return Err(invalid(format!("The value {count} for parameter {path}.Counts is invalid.")));
        }
        out.push((number(row, &format!("{path}.Values"))?, count));
    }
    Ok(Datum::many(out))
}

fn set(v: &Value, path: &str) -> Result<Datum, ApiError> {
    let get = |name: &str| {
        let path = format!("{path}.StatisticValues.{name}");
        number(v.get(name).ok_or_else(|| missing(&path))?, &path)
    };
    let (samples, sum, min, max) = (get("SampleCount")?, get("Sum")?, get("Minimum")?, get("Maximum")?);
    if samples <= 0.0 || min > max {
        return Err(invalid(format!(
            "The parameter {path}.StatisticValues is no statistic set: its minimum is above its maximum, or it has no samples."
        )));
    }
    Ok(Datum { samples, sum, min, max, values: Vec::new() })
}
