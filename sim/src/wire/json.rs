//! awsJson1.1 (ECR) and awsJson1.0 (CloudWatch) envelopes (aws-reference 1.2).
//!
//! **Invariant:** a refusal names its code twice, in `__type` and (set by the server) in `x-amzn-errortype`; a service
//! that once spoke query names that protocol's code too, in `x-amzn-query-error`.

use serde_json::{Value, json};

use super::{ApiError, Reply};

const TYPE: &str = "application/x-amz-json-1.1";
const TYPE_1_0: &str = "application/x-amz-json-1.0";

/// A successful answer.
pub(crate) fn ok(value: &Value) -> Reply {
    Reply::new(200, TYPE, value.to_string())
}

/// A refusal.
pub(crate) fn error(error: &ApiError) -> Reply {
    let mut body = json!({"__type": error.code, "message": error.message});
    if let Some(body) = body.as_object_mut() {
        body.extend(error.members.clone());
    }
    Reply { error: Some(error.code.clone()), ..Reply::new(error.status, TYPE, body.to_string()) }
}

/// A successful answer in the older version.
pub(crate) fn ok_1_0(value: &Value) -> Reply {
    Reply::new(200, TYPE_1_0, value.to_string())
}

/// A refusal in the older version, by a service that is compatible with query.
pub(crate) fn error_1_0(error: &ApiError) -> Reply {
    let body = json!({"__type": format!("com.amazonaws.cloudwatch#{}", shape(&error.code)), "message": error.message}).to_string();
    Reply { error: Some(error.code.clone()), headers: vec![query_error(error)], ..Reply::new(error.status, TYPE_1_0, body) }
}

/// The header that carries the query protocol's code.
pub(crate) fn query_error(error: &ApiError) -> (String, String) {
    let side = if error.status >= 500 { "Receiver" } else { "Sender" };
    ("x-amzn-query-error".to_owned(), format!("{};{side}", error.code))
}

/// Name of CloudWatch's error shape behind a query code.
pub(crate) fn shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "MissingParameter" => "MissingRequiredParameterException",
        "InternalServiceError" => "InternalServiceFault",
        "LimitExceeded" => "LimitExceededFault",
        "InvalidFormat" => "InvalidFormatFault",
        other => other,
    }
}
