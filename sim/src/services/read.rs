//! Reading query parameters with AWS's own complaints.
//!
//! **Invariant:** a value that cannot be read is refused, never taken as absent.

use crate::{
    clock,
    wire::{ApiError, node::Node},
};

/// First letter in lower case, as the services' complaints name members.
pub(crate) fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |c| c.to_ascii_lowercase().to_string() + chars.as_str())
}

/// A required, non-empty text.
pub(crate) fn need<'a>(p: &'a Node, name: &str) -> Result<&'a str, ApiError> {
    p.text(name).filter(|t| !t.is_empty()).ok_or_else(|| {
        ApiError::validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            lower(name)
        ))
    })
}

/// An optional whole number. Integers of the query services have 32 bits: what is larger is none of theirs.
pub(crate) fn int(p: &Node, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = p.text(name) else {
        return Ok(None);
    };
    text.parse::<i32>()
        .map(|n| Some(n.into()))
        .map_err(|_| ApiError::validation(format!("1 validation error detected: Value '{text}' at '{}' is not a number", lower(name))))
}

/// An optional whole number within bounds.
pub(crate) fn int_in(p: &Node, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
    let value = int(p, name)?;
    match value {
        Some(v) if v < low => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{v}' at '{}' failed to satisfy constraint: Member must have value greater than or equal to {low}",
            lower(name)
        ))),
        Some(v) if v > high => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{v}' at '{}' failed to satisfy constraint: Member must have value less than or equal to {high}",
            lower(name)
        ))),
        v => Ok(v),
    }
}

/// An optional flag.
pub(crate) fn flag(p: &Node, name: &str) -> Result<Option<bool>, ApiError> {
    match p.text(name) {
        None => Ok(None),
        Some("true" | "True" | "1") => Ok(Some(true)),
        Some("false" | "False" | "0") => Ok(Some(false)),
        Some(text) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must be a boolean",
            lower(name)
        ))),
    }
}

/// A required flag.
pub(crate) fn need_flag(p: &Node, name: &str) -> Result<bool, ApiError> {
    need(p, name)?;
    Ok(flag(p, name)?.unwrap_or(false))
}

/// An optional number.
pub(crate) fn float(p: &Node, name: &str) -> Result<Option<f64>, ApiError> {
    let Some(text) = p.text(name) else {
        return Ok(None);
    };
    text.parse()
        .ok()
        .filter(|v: &f64| v.is_finite())
        .map(Some)
        .ok_or_else(|| ApiError::validation(format!("1 validation error detected: Value '{text}' at '{}' is not a number", lower(name))))
}

/// An optional instant, milliseconds.
pub(crate) fn time(p: &Node, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = p.text(name) else {
        return Ok(None);
    };
    clock::parse_iso(text).map(Some).ok_or_else(|| ApiError::validation(format!("Value '{text}' at '{}' is not a timestamp", lower(name))))
}
