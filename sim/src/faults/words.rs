//! The refusals that every service knows, each in its own words and with its own status (aws-reference 1.3).
//!
//! **Invariant:** a service that is not named here answers as the query services do.

use crate::{params::Params, wire::ApiError};

/// Throttled.
pub(crate) fn throttled(service: &str, params: &Params) -> ApiError {
    match service {
        "ec2" => ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        "ecr" => ApiError::bad("ThrottlingException", "Rate exceeded"),
        "s3" => ApiError::new(503, "SlowDown", "Please reduce your request rate."),
        "elasticloadbalancing" if params.elb_throttling_exception => ApiError::bad("ThrottlingException", "Rate exceeded"),
        _ => ApiError::bad("Throttling", "Rate exceeded"),
    }
}

/// Broken on AWS's side.
pub(crate) fn broken(service: &str) -> ApiError {
    match service {
        "ec2" => ApiError::new(500, "InternalError", "An internal error has occurred"),
        "ecr" => ApiError::new(500, "ServerException", "Service encountered an internal error."),
        "s3" => ApiError::new(500, "InternalError", "We encountered an internal error. Please try again."),
        "monitoring" => ApiError::new(500, "InternalServiceError", "Request processing has failed due to some unknown error, exception, or failure."),
        _ => ApiError::new(500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."),
    }
}

/// Two changes at a time, where the service has a word for it.
pub(crate) fn contended(service: &str) -> Option<ApiError> {
    match service {
        "autoscaling" => Some(ApiError::new(
            500,
            "ResourceContention",
            "You already have a pending update to an Amazon EC2 Auto Scaling resource (for example, an Auto Scaling group, instance, or load balancer).",
        )),
        "s3" => {
            let text = "A conflicting conditional operation is currently in progress against this resource. Please try again.";
            Some(ApiError::new(409, "OperationAborted", text))
        }
        _ => None,
    }
}

/// Expired credentials.
pub(crate) fn expired(service: &str) -> ApiError {
    match service {
        "ec2" => ApiError::bad("RequestExpired", "Request has expired."),
        "ecr" => ApiError::bad("ExpiredTokenException", "The security token included in the request is expired"),
        "s3" => ApiError::bad("ExpiredToken", "The provided token has expired."),
        _ => ApiError::new(403, "ExpiredToken", "The security token included in the request is expired"),
    }
}
