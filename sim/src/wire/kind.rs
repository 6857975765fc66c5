//! The shape of a request's members, so that one operation can be asked in JSON, CBOR and query form.
//!
//! **Invariant:** after reading, a value has exactly the types of its shape: times are whole milliseconds, numbers are
//! numbers, absent members are absent. A value of another type is refused in the protocol's own words.

use serde_json::{Map, Value};

use super::{ApiError, node::Node};
use crate::clock;

/// Type of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Int,
    Double,
    Flag,
    Time,
    List(&'static Kind),
    /// A map whose keys are data.
    Entries(&'static Kind),
    Struct(&'static [(&'static str, Kind)]),
}

fn odd(path: &str, wanted: &str) -> ApiError {
    ApiError::bad("SerializationException", format!("{path} is not {wanted}"))
}

impl Kind {
    /// Reads a JSON or CBOR value. Members the shape does not have are left out, as AWS does.
    pub(crate) fn value(&self, value: &Value, path: &str) -> Result<Value, ApiError> {
        match (self, value) {
            (Self::Text, Value::String(_)) | (Self::Flag, Value::Bool(_)) | (Self::Double, Value::Number(_)) => Ok(value.clone()),
            // What JSON and CBOR cannot write as a number.
            (Self::Double, Value::String(text)) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity" | "inf" | "-inf") => Ok(value.clone()),
            (Self::Int, Value::Number(n)) => n.as_i64().map(Value::from).ok_or_else(|| odd(path, "a whole number")),
            (Self::Time, Value::Number(n)) => {
                n.as_f64().filter(|s| s.abs() < 1e11).map(|s| Value::from((s * 1000.0).round() as i64)).ok_or_else(|| odd(path, "a time"))
            }
            (Self::List(kind), Value::Array(rows)) => {
                let read = |(n, row): (usize, &Value)| kind.value(row, &format!("{path}.{}", n + 1));
                rows.iter().enumerate().map(read).collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::Entries(kind), Value::Object(map)) => {
                let read = |(key, row): (&String, &Value)| Ok((key.clone(), kind.value(row, &format!("{path}.{key}"))?));
                map.iter().map(read).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            (Self::Struct(members), Value::Object(map)) => {
                let mut out = Map::new();
                for (name, kind) in *members {
                    if let Some(value) = map.get(*name).filter(|v| !v.is_null()) {
                        out.insert((*name).to_owned(), kind.value(value, &join(path, name))?);
                    }
                }
                Ok(Value::Object(out))
            }
            _ => Err(odd(path, self.name())),
        }
    }

    /// Reads a query form.
    pub(crate) fn form(&self, node: &Node, path: &str) -> Result<Value, ApiError> {
        let text = node.value.as_deref();
        let wrong = || ApiError::bad("MalformedInput", format!("{path} is not {}", self.name()));
        match self {
            Self::Text => text.map(Value::from).ok_or_else(wrong),
            Self::Int => text.and_then(|t| t.parse::<i64>().ok()).map(Value::from).ok_or_else(wrong),
            Self::Double => match text.and_then(|t| t.parse::<f64>().ok()) {
                Some(n) if n.is_finite() => Ok(Value::from(n)),
                Some(n) => Ok(Value::String(n.to_string())),
                None => Err(wrong()),
            },
            Self::Flag => text.and_then(|t| t.parse::<bool>().ok()).map(Value::Bool).ok_or_else(wrong),
            Self::Time => text.and_then(clock::parse_iso).map(Value::from).ok_or_else(wrong),
            Self::List(kind) => {
                let rows = node.kids.get("member").unwrap_or(node).numbered();
                let read = |(n, row): (usize, &Node)| kind.form(row, &format!("{path}.member.{}", n + 1));
                rows.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Entries(kind) => {
                let rows = node.kids.get("entry").unwrap_or(node).numbered();
                let read = |row: &Node| {
                    let key = row.text("key").ok_or_else(wrong)?.to_owned();
                    Ok((key.clone(), kind.form(row.at("value").ok_or_else(wrong)?, &format!("{path}.{key}"))?))
                };
                rows.into_iter().map(read).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Self::Struct(members) => {
                let mut out = Map::new();
                for (name, kind) in *members {
                    if let Some(kid) = node.at(name) {
                        out.insert((*name).to_owned(), kind.form(kid, &join(path, name))?);
                    }
                }
                Ok(Value::Object(out))
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Int => "a whole number",
            Self::Double => "a number",
            Self::Flag => "a boolean",
            Self::Time => "a time",
            Self::List(_) => "a list",
            Self::Entries(_) => "a map",
            Self::Struct(_) => "a structure",
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
