//! awsJson1.1 envelopes: ECR (aws-reference 1.2).
//!
//! **Invariant:** a refusal names its code twice, in `__type` and (set by the server) in `x-amzn-errortype`.

use serde_json::{Value, json};

use super::{ApiError, Reply};

const TYPE: &str = "application/x-amz-json-1.1";

/// A successful answer.
pub(crate) fn ok(value: &Value) -> Reply {
    Reply { status: 200, content_type: TYPE, body: value.to_string(), error: None }
}

/// A refusal.
pub(crate) fn error(error: &ApiError) -> Reply {
    let body = json!({"__type": error.code, "message": error.message}).to_string();
    Reply { status: error.status, content_type: TYPE, body, error: Some(error.code.clone()) }
}
