//! One way to write a value down for hashing.
//!
//! The canonical form of a JSON value is JSON without white space, object keys sorted by their bytes, at every depth, and
//! numbers as integers only. The hash is SHA-256 over its UTF-8 bytes, in lower-case hex. Anyone can recompute it.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The canonical text of a value.
pub fn text(value: &impl Serialize) -> String {
    let mut out = String::new();
    write(&serde_json::to_value(value).unwrap_or(Value::Null), &mut out);
    out
}

/// SHA-256 of the canonical text, 64 lower-case hex digits.
pub fn hash(value: &impl Serialize) -> String {
    sha256_hex(text(value).as_bytes())
}

/// SHA-256 of bytes, 64 lower-case hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(k, _)| *k);
            out.push('{');
            for (i, (key, v)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(v, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, v) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(v, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_values_do() {
        assert_eq!(text(&json!({"b": 1, "a": {"d": null, "c": [1, 2]}})), r#"{"a":{"c":[1,2],"d":null},"b":1}"#);
        assert_ne!(hash(&json!({"a": 1})), hash(&json!({"a": "1"})));
    }
}
