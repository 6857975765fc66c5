//! The log of every AWS call, for tests and for the curious.
//!
//! **Invariant:** every request that names a service gets a row, also the refused, the lost and the unknown; user data
//! never stands in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest parameter text kept.
const LONGEST: usize = 300;

/// One call (design section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Number of the call, from 1.
    pub seq: u64,
    /// Simulated time, ISO 8601.
    pub at: String,
    /// Signing name: `autoscaling`, `ec2`, `elasticloadbalancing`, `ecr`, `sts`, …
    pub service: String,
    /// Operation name.
    pub operation: String,
    /// Parameters by dotted name, user data masked.
    pub params: BTreeMap<String, String>,
    /// HTTP status; 0 when no answer was sent.
    pub status: u16,
    /// AWS error code, if refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Request id in the answer's header.
    pub request_id: String,
    /// ARN of the caller.
    pub principal: String,
    /// Region of the credential scope.
    pub region: String,
    /// Kind of the fault that hit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether a state change happened, answered or not.
    pub effective: bool,
}

/// Flat parameters of a form.
pub(crate) fn from_pairs(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().filter(|(k, _)| k != "Action" && k != "Version").map(|(k, v)| (k.clone(), mask(k, v))).collect()
}

/// Flat parameters of a JSON body.
pub(crate) fn from_json(value: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    flatten(value, "", &mut out);
    out
}

fn flatten(value: &Value, path: &str, out: &mut BTreeMap<String, String>) {
    let join = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| flatten(v, &join(k), out)),
        Value::Array(rows) => rows.iter().enumerate().for_each(|(n, v)| flatten(v, &join(&(n + 1).to_string()), out)),
        Value::Null => {}
        Value::String(text) => {
            out.insert(path.to_owned(), mask(path, text));
        }
        other => {
            out.insert(path.to_owned(), other.to_string());
        }
    }
}

fn mask(key: &str, value: &str) -> String {
    if key.rsplit('.').next() == Some("UserData") {
        return format!("<masked, {} characters, {}>", value.len(), &crate::rng::sha256(value.as_bytes())[..19]);
    }
    if value.chars().count() > LONGEST {
        return value.chars().take(LONGEST).collect::<String>() + "…";
    }
    value.to_owned()
}
