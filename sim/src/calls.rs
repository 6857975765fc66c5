//! The log of every AWS call, for tests and for the curious.
//!
//! **Invariant:** every request that names a service gets a row, also the refused, the lost and the unknown; user data
//! and AUTH tokens never stand in it. The newest [`KEPT`] rows are kept, fewer where they are large, and what went is counted.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::services::s3::Call;

/// Longest parameter text kept.
const LONGEST: usize = 300;
/// Most parameters of a call kept; the row says how many more there were.
const MOST_PARAMS: usize = 100;
/// Most calls kept.
const KEPT: usize = 50_000;
/// Most characters of all rows together.
const MOST_TEXT: usize = 48 << 20;

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

/// The calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    rows: VecDeque<(CallRecord, usize)>,
    /// Number of the newest call.
    last: u64,
    text: usize,
}

impl CallLog {
    /// Number of the next call.
    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    pub(crate) fn push(&mut self, mut call: CallRecord) {
        let more = call.params.len().saturating_sub(MOST_PARAMS);
        if more > 0 {
            call.params = std::mem::take(&mut call.params).into_iter().take(MOST_PARAMS).collect();
            call.params.insert("…".into(), format!("{more} more"));
        }
        self.last = call.seq;
        // What a row holds beside its texts is about as much again as its fixed members.
        let text = 400 + call.operation.len() + call.region.len() + call.params.iter().map(|(k, v)| 64 + k.len() + v.len()).sum::<usize>();
        self.text += text;
        self.rows.push_back((call, text));
        while self.rows.len() > KEPT || self.text > MOST_TEXT {
            self.text -= self.rows.pop_front().map_or(self.text, |(_, text)| text);
        }
    }

    /// Calls with a number above this, oldest first.
    pub(crate) fn since(&self, seq: u64) -> impl Iterator<Item = &CallRecord> {
        let first = self.rows.front().map_or(0, |(call, _)| call.seq);
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.rows.iter().skip(skip).map(|(call, _)| call)
    }

    /// How many calls with a number above this are not kept any more.
    pub(crate) fn gone(&self, seq: u64) -> u64 {
        let first = self.rows.front().map_or(self.last + 1, |(call, _)| call.seq);
        first.saturating_sub(seq.saturating_add(1))
    }
}

/// Flat parameters of a form.
pub(crate) fn from_pairs(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().filter(|(k, _)| k != "Action" && k != "Version").map(|(k, v)| (cut(k), mask(k, v))).collect()
}

/// Flat parameters of a JSON body.
pub(crate) fn from_json(value: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    flatten(value, "", &mut out);
    out
}

/// Bucket, key and parameters of an S3 call.
pub(crate) fn from_s3(call: &Call) -> BTreeMap<String, String> {
    let named = [("Bucket", &call.bucket), ("Key", &call.key)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    named.chain(call.parameters()).map(|(k, v)| (k.clone(), mask(&k, &v))).collect()
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
            out.insert(cut(path), mask(path, text));
        }
        other => {
            out.insert(cut(path), other.to_string());
        }
    }
}

fn mask(key: &str, value: &str) -> String {
    if key.rsplit('.').next() == Some("UserData") {
        return format!("<masked, {} characters, {}>", value.len(), &crate::rng::sha256(value.as_bytes())[..19]);
    }
    if key.rsplit('.').next() == Some("AuthToken") {
        return "<masked>".to_owned();
    }
    cut(value)
}

/// The beginning of a long text.
pub(crate) fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(seq: u64, params: usize) -> CallRecord {
        CallRecord {
            seq,
            at: String::new(),
            service: "ec2".into(),
            operation: "DescribeVpcs".into(),
            params: (0..params).map(|n| (format!("{n:0300}"), "x".repeat(300))).collect(),
            status: 200,
            error_code: None,
            request_id: String::new(),
            principal: String::new(),
            region: String::new(),
            fault: None,
            effective: false,
        }
    }

    #[test]
    fn the_newest_calls_are_kept_and_what_is_gone_is_counted() {
        let mut log = CallLog::default();
        for seq in 1..=KEPT as u64 + 20 {
            assert_eq!(log.next(), seq);
            log.push(call(seq, 0));
        }
        assert_eq!(log.since(0).next().map(|c| c.seq), Some(21));
        assert_eq!((log.gone(0), log.gone(15), log.gone(20), log.gone(u64::MAX)), (20, 5, 0, 0));
        assert_eq!(log.since(KEPT as u64 + 18).map(|c| c.seq).collect::<Vec<_>>(), [KEPT as u64 + 19, KEPT as u64 + 20]);
    }

    #[test]
    fn large_calls_are_cut_and_fewer_are_kept() {
        let mut log = CallLog::default();
        let large = call(1, 150);
        for seq in 1..=1000 {
            log.push(CallRecord { seq, ..large.clone() });
        }
        let rows: Vec<&CallRecord> = log.since(0).collect();
        assert!((500..1000).contains(&rows.len()), "{}", rows.len());
        assert_eq!(log.gone(0), 1000 - rows.len() as u64);
        assert_eq!((rows[0].params.len(), rows[0].params["…"].as_str()), (MOST_PARAMS + 1, "50 more"));
    }
}
