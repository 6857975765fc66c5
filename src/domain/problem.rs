//! Why something was refused, in words for the one who asked.
//!
//! **Invariant:** no text here holds a secret, SQL, a path, a role's ARN or an AWS signature; every refusal says the way out.

use serde::{Deserialize, Serialize};

/// One field that can not be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Path of the field in the request body, such as `strategy.max_healthy`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// For a field that moved meanwhile: what the request was based on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<i64>,
    /// For a field that moved meanwhile: what it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
}

impl FieldError {
    /// A plain field error.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), base: None, now: None }
    }
}

/// A refusal or a failure, as every layer above the store speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 401: no valid session or token.
    Unauthenticated(String),
    /// 403: the caller may see the thing and may not do this. Says which right, and who can grant it.
    Forbidden(String),
    /// 404: not there, or not for the caller's eyes. The two are not told apart.
    NotFound(String),
    /// 409: something else runs, or is newer. `number` is that change.
    Conflict {
        /// The sentence.
        detail: String,
        /// The change that is in the way.
        number: Option<i64>,
        /// Fields that moved meanwhile, each with its base and its present value.
        fields: Vec<FieldError>,
    },
    /// 422: one or more fields.
    Invalid(Vec<FieldError>),
    /// 400: not even readable.
    Malformed(String),
    /// 413: the body is over the limit.
    TooLarge(String),
    /// 429: too many requests; seconds until the next try.
    TooMany(String, u64),
    /// 503: AWS or the database can not be asked now; seconds until a retry makes sense.
    Unavailable(String, u64),
    /// 500: ours. The text is for the log only.
    Internal(String),
}

impl Problem {
    /// One field, one message.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }
    /// A conflict with a running or newer change.
    pub fn busy(detail: impl Into<String>, number: i64) -> Self {
        Self::Conflict { detail: detail.into(), number: Some(number), fields: Vec::new() }
    }
    /// A conflict without a change in the way.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict { detail: detail.into(), number: None, fields: Vec::new() }
    }
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict { .. } => 409,
            Self::TooLarge(_) => 413,
            Self::Invalid(_) => 422,
            Self::TooMany(..) => 429,
            Self::Internal(_) => 500,
            Self::Unavailable(..) => 503,
        }
    }
    /// The sentence shown to the one who asked.
    pub fn detail(&self) -> String {
        match self {
            Self::Unauthenticated(s)
            | Self::Forbidden(s)
            | Self::NotFound(s)
            | Self::Malformed(s)
            | Self::TooLarge(s)
            | Self::TooMany(s, _)
            | Self::Unavailable(s, _) => s.clone(),
            Self::Conflict { detail, .. } => detail.clone(),
            Self::Invalid(fields) => match fields.as_slice() {
                [one] => format!("{}: {}.", one.field, one.message.trim_end_matches('.')),
                many => {
                    let list: Vec<_> = many.iter().map(|f| f.field.as_str()).collect();
                    format!("{} fields need a change: {}.", many.len(), list.join(", "))
                }
            },
            Self::Internal(_) => "Something failed on our side. Nothing was sent to AWS by this request. The request id finds it in the log.".into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Internal(inner) => write!(f, "internal: {inner}"),
            other => f.write_str(&other.detail()),
        }
    }
}

impl std::error::Error for Problem {}
