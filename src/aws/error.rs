//! What went wrong with a call, in our words. The one place that knows AWS's error codes (aws-reference 1.3).
//!
//! **Invariant:** for an act, a kind that says "not done" is chosen only when AWS said so or the request never left this
//! machine. Everything else is [`ErrorKind::Unknown`]. Messages are safe to show and to store.

use std::error::Error;
use std::fmt;

use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::scrub::safe;
use crate::domain::observation::Millis;

/// Why AWS refuses to do something in the present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// An instance refresh is active (aws-reference 5.1).
    RefreshInProgress,
    /// There is no active refresh to cancel or roll back.
    NoActiveRefresh,
    /// The refresh cannot be rolled back.
    Irreversible,
    /// A scaling activity blocks the action.
    ScalingActivity,
    /// A quota is used up.
    Limit,
    /// The client token was used before, with other parameters.
    IdempotencyMismatch,
}

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Too many calls. Nothing was done.
    Throttled,
    /// Someone else is changing the same thing (`ResourceContention`). Nothing was done.
    Contention,
    /// An act that never left this machine: no connection, or no credentials yet. Nothing was done.
    NotSent,
    /// Our own budget is used up; nothing was sent.
    OverBudget {
        /// Cloud time at which asking again is worth while.
        retry_at: Millis,
    },
    /// No permission, or the credentials are not accepted.
    Denied,
    /// The thing does not exist.
    NotFound,
    /// AWS (or we, before sending) did not accept the parameters.
    Invalid,
    /// The present state forbids it.
    Conflict(Conflict),
    /// A read failed: 5xx, timeout, no connection, unreadable reply.
    Unavailable,
    /// An act whose effect cannot be known: timeout, connection lost after sending, 5xx, unreadable reply.
    Unknown,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// What it means.
    pub kind: ErrorKind,
    /// The call as an IAM action, such as `autoscaling:StartInstanceRefresh`; `fleetgate:…` when nothing was to be sent.
    pub operation: &'static str,
    /// AWS's error code, to show; never decide on it outside this module.
    pub code: Option<String>,
    /// A sentence that is safe to show: no credentials, signatures, bodies or encoded authorization messages; at most
    /// 500 characters, without control characters.
    pub message: String,
    /// AWS's request id, for a support case.
    pub request_id: Option<String>,
}

impl AwsError {
    /// Definitely not done, and worth another try after a look and a pause.
    pub fn refused(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Contention | ErrorKind::NotSent | ErrorKind::OverBudget { .. })
    }
    /// Definitely not done, and repeating it will not help.
    pub fn final_refusal(&self) -> bool {
        matches!(self.kind, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict(_))
    }
    /// An act that may or may not have been done: only a later look can tell.
    pub fn unknown(&self) -> bool {
        self.kind == ErrorKind::Unknown
    }

    /// An error of our own, without an answer of AWS.
    pub(crate) fn ours(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, code: None, message: safe(&message.into()), request_id: None }
    }
    pub(crate) fn over_budget(operation: &'static str, retry_at: Millis) -> Self {
        Self::ours(ErrorKind::OverBudget { retry_at }, operation, "held back: the call budget of this account and region is used up")
    }
    /// A reply that came, but without the member that matters.
    pub(crate) fn unreadable(call: Call, operation: &'static str, missing: &str, request_id: Option<String>) -> Self {
        Self { request_id, ..Self::ours(call.lost(), operation, format!("AWS answered without {missing}")) }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        match &self.request_id {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

impl Error for AwsError {}

/// Whether a call changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Act,
}

impl Call {
    /// The request may have arrived and there is no usable answer.
    fn lost(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Unavailable,
            Self::Act => ErrorKind::Unknown,
        }
    }
    /// The request did not leave.
    fn unsent(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Unavailable,
            Self::Act => ErrorKind::NotSent,
        }
    }
}

/// Turns a failed call into ours. `transmitted`: the request reached the connector (it may still not have connected).
pub(crate) fn classify<E>(call: Call, operation: &'static str, transmitted: bool, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let request_id = error.request_id().map(safe);
    let ours = |kind, message: &str| AwsError { request_id: request_id.clone(), ..AwsError::ours(kind, operation, message) };
    match error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code(), answer.err().message().unwrap_or_default());
            let kind = of_answer(call, code, message, answer.raw().status().as_u16());
            let status = answer.raw().status().as_u16();
            let text = match (code, message) {
                (Some(code), _) if code.contains("Signature") => "AWS did not accept the signature of the request".to_owned(),
                (_, "") => format!("AWS answered with HTTP status {status} and no message"),
                (_, message) => safe(message),
            };
            AwsError { code: code.map(safe), ..ours(kind, &text) }
        }
        SdkError::ResponseError(_) => ours(call.lost(), "the reply of AWS could not be read"),
        SdkError::ConstructionFailure(_) => ours(ErrorKind::Invalid, "the request could not be built from these values"),
        SdkError::TimeoutError(_) if transmitted => ours(call.lost(), "AWS did not answer in time"),
        SdkError::DispatchFailure(_) if transmitted && never_connected(error) => ours(call.unsent(), "no connection to AWS could be made"),
        SdkError::DispatchFailure(failure) if transmitted && failure.is_timeout() => ours(call.lost(), "AWS did not answer in time"),
        _ if transmitted => ours(call.lost(), "the connection to AWS was lost before the reply"),
        _ => match sources(error).find_map(|e| e.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>()) {
            Some(refusal) => role_refused(call, operation, refusal),
            None => ours(call.unsent(), "no AWS credentials could be had for this call"),
        },
    }
}

/// The call failed because its role could not be assumed. STS's answer is a read's: a refusal of it is final, anything
/// else only means that nothing was sent.
fn role_refused(call: Call, operation: &'static str, refusal: &SdkError<AssumeRoleError, HttpResponse>) -> AwsError {
    let inner = classify(Call::Read, "sts:AssumeRole", true, refusal);
    let kind = match inner.kind {
        ErrorKind::Throttled => ErrorKind::Throttled,
        _ if inner.final_refusal() => ErrorKind::Denied,
        _ => call.unsent(),
    };
    let message = safe(&format!("the role of this environment could not be assumed: {}", inner.message));
    AwsError { kind, operation, message, ..inner }
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}

/// The connection was never made: refused, no such name, no TLS. The HTTP client says so only in text (hyper-util's
/// `ErrorKind::Connect`); should the text change, the call counts as lost, which is the careful side.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(|e| {
        let refused = e.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
        let text = e.to_string();
        refused || text.starts_with("client error (Connect)") || text.starts_with("HTTP connect timeout")
    })
}

/// AWS answered with an error: `code` as on the wire (none for a page of a proxy), HTTP `status`.
fn of_answer(call: Call, code: Option<&str>, message: &str, status: u16) -> ErrorKind {
    let Some(code) = code.filter(|c| !c.is_empty()) else {
        return if status == 429 { ErrorKind::Throttled } else { call.lost() };
    };
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "EC2ThrottledException"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException" => ErrorKind::Throttled,
        "ResourceContention" | "ResourceContentionFault" | "OperationAborted" => ErrorKind::Contention,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "NotAuthorized"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "RegionDisabledException"
        | "InvalidAccessKeyId"
        | "PendingVerification"
        | "Blocked" => ErrorKind::Denied,
        "InstanceRefreshInProgress" | "InstanceRefreshInProgressFault" => ErrorKind::Conflict(Conflict::RefreshInProgress),
        "ActiveInstanceRefreshNotFound" | "ActiveInstanceRefreshNotFoundFault" => ErrorKind::Conflict(Conflict::NoActiveRefresh),
        "IrreversibleInstanceRefresh" | "IrreversibleInstanceRefreshFault" => ErrorKind::Conflict(Conflict::Irreversible),
        "ScalingActivityInProgress" | "ScalingActivityInProgressFault" => ErrorKind::Conflict(Conflict::ScalingActivity),
        "IdempotentParameterMismatch" => ErrorKind::Conflict(Conflict::IdempotencyMismatch),
        "RequestTimeout" | "RequestTimeoutException" => call.lost(),
        "ValidationError" => of_validation(message),
        _ if code.contains("LimitExceeded") => ErrorKind::Conflict(Conflict::Limit),
        _ if ["NotFound", "NotFoundException", "NotFoundFault", "NoSuchEntity"].iter().any(|end| code.ends_with(end)) => ErrorKind::NotFound,
        _ if (400..500).contains(&status) => ErrorKind::Invalid,
        _ => call.lost(),
    }
}

/// Auto Scaling says three different things with one code (aws-reference 3).
fn of_validation(message: &str) -> ErrorKind {
    let message = message.to_ascii_lowercase();
    if message.contains("not found") && (message.contains("group") || message.contains("instance")) {
        ErrorKind::NotFound
    } else if message.contains("active instance refresh") {
        ErrorKind::Conflict(Conflict::RefreshInProgress)
    } else {
        ErrorKind::Invalid
    }
}

#[cfg(test)]
mod tests;
