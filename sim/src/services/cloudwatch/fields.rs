//! Reading members with CloudWatch's own complaints.
//!
//! **Invariant:** a value outside its limits or its enum is refused, never clipped.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    wire::{ApiError, page},
    world::metric::Metric,
};

/// Units there are.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

pub(super) fn text<'a>(v: &'a Value, name: &str) -> Option<&'a str> {
    v.get(name).and_then(Value::as_str)
}

pub(super) fn int(v: &Value, name: &str) -> Option<i64> {
    v.get(name).and_then(Value::as_i64)
}

pub(super) fn flag(v: &Value, name: &str) -> Option<bool> {
    v.get(name).and_then(Value::as_bool)
}

pub(super) fn rows<'a>(v: &'a Value, name: &str) -> &'a [Value] {
    v.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn texts(v: &Value, name: &str) -> Vec<String> {
    rows(v, name).iter().filter_map(|t| t.as_str().map(str::to_owned)).collect()
}

/// `ValidationError` of the model's limits.
pub(super) fn constraint(value: &str, name: &str, rule: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: {rule}",
        crate::services::read::lower(name)
    ))
}

/// `InvalidParameterValue`, the older operations' word.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterValue", message)
}

/// `MissingParameter`, the older operations' word.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::bad("MissingParameter", format!("The parameter {name} is required."))
}

/// A required text of the newer operations.
pub(super) fn need<'a>(v: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    text(v, name).ok_or_else(|| ApiError::validation(format!("The parameter {name} is required.")))
}

/// A text of 1 to `most` characters.
pub(super) fn sized<'a>(value: &'a str, name: &str, most: usize) -> Result<&'a str, ApiError> {
    match value.chars().count() {
        0 => Err(constraint(value, name, "Member must have length greater than or equal to 1")),
        n if n > most => Err(constraint(value, name, &format!("Member must have length less than or equal to {most}"))),
        _ => Ok(value),
    }
}

/// One of a fixed set.
pub(super) fn one_of<'a>(value: &'a str, name: &str, set: &[&str]) -> Result<&'a str, ApiError> {
    if set.contains(&value) {
        return Ok(value);
    }
    Err(constraint(value, name, &format!("Member must satisfy enum value set: [{}]", set.join(", "))))
}

/// An optional whole number between two.
pub(super) fn between(v: &Value, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
    match int(v, name) {
        Some(n) if n < low => Err(constraint(&n.to_string(), name, &format!("Member must have value greater than or equal to {low}"))),
        Some(n) if n > high => Err(constraint(&n.to_string(), name, &format!("Member must have value less than or equal to {high}"))),
        n => Ok(n),
    }
}

/// At most this many rows.
pub(super) fn at_most<'a>(v: &'a Value, name: &str, most: usize) -> Result<&'a [Value], ApiError> {
    let rows = rows(v, name);
    if rows.len() > most {
        return Err(ApiError::validation(format!("The collection {name} must not have a size greater than {most}.")));
    }
    Ok(rows)
}

/// The unit asked for.
pub(super) fn unit(v: &Value) -> Result<Option<&str>, ApiError> {
    text(v, "Unit").map(|u| one_of(u, "Unit", &UNITS)).transpose()
}

/// `[^:].*`, 1 to 255 characters.
pub(super) fn namespace(text: &str) -> Result<&str, ApiError> {
    if text.starts_with(':') {
        return Err(constraint(text, "Namespace", "Member must satisfy regular expression pattern: [^:].*"));
    }
    sized(text, "Namespace", 255)
}

/// Dimensions by name.
pub(super) fn dimensions(v: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let mut out = BTreeMap::new();
    for row in at_most(v, "Dimensions", 30)? {
        let (name, value) = (sized(need(row, "Name")?, "Dimensions.Name", 255)?, sized(need(row, "Value")?, "Dimensions.Value", 1024)?);
        if out.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!("The dimension {name} is given twice.")));
        }
    }
    Ok(out)
}

/// The metric that members of these names call.
pub(super) fn metric(v: &Value, missing: impl Fn(&str) -> ApiError) -> Result<Metric, ApiError> {
    let need = |name: &str| text(v, name).ok_or_else(|| missing(name));
    Ok(Metric {
        namespace: namespace(need("Namespace")?)?.to_owned(),
        name: sized(need("MetricName")?, "MetricName", 255)?.to_owned(),
        dimensions: dimensions(v)?,
    })
}

/// Whether a period is one CloudWatch takes.
pub(super) fn good_period(period: i64) -> bool {
    matches!(period, 1 | 5 | 10 | 20 | 30) || (period >= 60 && period % 60 == 0)
}

/// One page.
pub(super) fn paged<T>(v: &Value, rows: Vec<T>, size: usize) -> Result<(Vec<T>, Option<String>), ApiError> {
    page::page(rows, text(v, "NextToken"), size).ok_or_else(bad_token)
}

pub(super) fn bad_token() -> ApiError {
    ApiError::bad("InvalidNextToken", "The service did not recognise the pagination token.")
}
