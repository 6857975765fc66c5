//! The wire: request trees, answer trees, the envelopes and the errors of aws-reference section 1.
//!
//! **Invariant:** services see [`node::Node`] or JSON and answer [`xml::Fields`], JSON or [`answer::Members`]; only this module and its
//! children know how an answer is spelled on the wire. A member that is absent is never written.

pub(crate) mod answer;
pub(crate) mod cbor;
pub(crate) mod ec2query;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod rest;
pub(crate) mod strange;
pub(crate) mod xml;

use serde_json::{Map, Value};

/// A refusal in AWS's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Wire code, not the shape's name (aws-reference 1.2).
    pub(crate) code: String,
    pub(crate) message: String,
    /// HTTP status.
    pub(crate) status: u16,
    /// Further headers of the answer.
    pub(crate) headers: Vec<(String, String)>,
    /// Further members of the error's shape (JSON services only).
    pub(crate) members: Map<String, Value>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status, headers: Vec::new(), members: Map::new() }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with further members, an object.
    pub(crate) fn with(mut self, members: Value) -> Self {
        if let Value::Object(members) = members {
            self.members.extend(members);
        }
        self
    }

    /// HTTP 400 with this code.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// `ValidationError`, the query services' word for a bad parameter (aws-reference 1.3).
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::bad("ValidationError", message)
    }
}

/// A finished answer, before HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Further headers.
    pub(crate) headers: Vec<(String, String)>,
    /// Error code, for the header of JSON answers and the call log.
    pub(crate) error: Option<String>,
}

impl Reply {
    /// An answer without an error and without further headers.
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new(), error: None }
    }
}
