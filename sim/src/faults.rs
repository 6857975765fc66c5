//! Faults put into the wire on request (design section 6).
//!
//! **Invariant:** whether a fault hits depends on its own seed and how many matching calls it has seen, so the same
//! calls meet the same faults again.

use serde::{Deserialize, Serialize};

use crate::{rng, wire::ApiError};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused with the service's throttling code (aws-reference 1.3).
    Throttle,
    /// Refused with HTTP 500.
    Error,
    /// Not done; the connection hangs until the client leaves, or 120 s.
    Timeout,
    /// Done; the connection closes without an answer.
    LostReply,
    /// Reads are answered from a state up to `seconds` old.
    Stale,
    /// Refused as not authorised (aws-reference 1.3).
    Denied,
    /// Refused because the credentials expired (aws-reference 1.3).
    Expired,
}

/// A fault rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Signing name of the service (`elbv2` is read as `elasticloadbalancing`), or `*`.
    pub service: String,
    /// Operation name, or `*`.
    pub operation: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Share of matching calls that are hit, 0 to 1.
    pub rate: f64,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
    /// How many calls may be hit; no limit when absent.
    #[serde(default)]
    pub count: Option<u64>,
    /// Age of stale answers, seconds (`stale` only).
    #[serde(default = "default_age")]
    pub seconds: i64,
}

fn default_age() -> i64 {
    30
}

impl Fault {
    /// Complains about the field that is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err("rate: must be between 0 and 1".into());
        }
        if self.seconds < 0 {
            return Err("seconds: must not be negative".into());
        }
        Ok(())
    }

    fn matches(&self, service: &str, operation: &str) -> bool {
        let own = if self.service == "elbv2" { "elasticloadbalancing" } else { &self.service };
        (own == "*" || own == service) && (self.operation == "*" || self.operation == operation)
    }
}

/// The active rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Rule, calls seen, calls hit.
    rows: Vec<(Fault, u64, u64)>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rows.push((fault, 0, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn list(&self) -> Vec<&Fault> {
        self.rows.iter().map(|(fault, _, _)| fault).collect()
    }

    /// Oldest age a stale rule may ask for, milliseconds.
    pub(crate) fn stale_age(&self) -> Option<i64> {
        self.rows.iter().filter(|(f, _, _)| f.kind == FaultKind::Stale).map(|(f, _, _)| f.seconds * 1000).max()
    }

    /// The first rule that hits this call.
    pub(crate) fn draw(&mut self, service: &str, operation: &str, reads: bool) -> Option<Fault> {
        for (fault, seen, hit) in &mut self.rows {
            let fits = fault.matches(service, operation) && (reads || fault.kind != FaultKind::Stale);
            if !fits || fault.count.is_some_and(|count| *hit >= count) {
                continue;
            }
            *seen += 1;
            if rng::unit(fault.seed, "fault", &seen.to_string()) < fault.rate {
                *hit += 1;
                return Some(fault.clone());
            }
        }
        None
    }
}

/// Throttled, in the service's words (aws-reference 1.3).
pub(crate) fn throttled(service: &str) -> ApiError {
    match service {
        "ec2" => ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        "ecr" => ApiError::bad("ThrottlingException", "Rate exceeded"),
        _ => ApiError::bad("Throttling", "Rate exceeded"),
    }
}

/// Broken, in the service's words.
pub(crate) fn broken(service: &str) -> ApiError {
    match service {
        "ec2" => ApiError::new(500, "InternalError", "An internal error has occurred"),
        "ecr" => ApiError::new(500, "ServerException", "Service encountered an internal error."),
        _ => ApiError::new(500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."),
    }
}

/// Not authorised, in the service's words.
pub(crate) fn denied(service: &str, operation: &str, principal: &str) -> ApiError {
    let text = format!(
        "User: {principal} is not authorized to perform: {service}:{operation} because no identity-based policy allows the {service}:{operation} action"
    );
    match service {
        "ec2" => ApiError::new(403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {text}")),
        "ecr" => ApiError::bad("AccessDeniedException", text),
        _ => ApiError::new(403, "AccessDenied", text),
    }
}
