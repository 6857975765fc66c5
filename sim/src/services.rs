//! The AWS services: one module each, one function per operation, routed by the credential scope's service name.
//!
//! **Invariant:** a function either refuses with nothing changed or does the whole operation; it never looks at who asks
//! beyond recording the principal.

pub(crate) mod autoscaling;
pub(crate) mod cloudwatch;
pub(crate) mod ec2;
pub(crate) mod ecr;
pub(crate) mod elasticache;
pub(crate) mod elbv2;
pub(crate) mod iam;
pub(crate) mod read;
pub(crate) mod s3;
pub(crate) mod sts;

use serde_json::Value;

use crate::{
    policy::Document,
    wire::{ApiError, Reply, answer::Members, cbor, ec2query, json, node::Node, query, rest, strange, xml::Fields},
    world::World,
};

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) account: String,
    /// Policies its session was made with.
    pub(crate) session: Vec<Document>,
}

/// A request read far enough to be routed and logged.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) region: String,
    pub(crate) principal: Principal,
    pub(crate) wire: Wire,
    /// Where the caller found this port.
    pub(crate) host: String,
    pub(crate) body: Body,
    /// States in the answer take a value that is in no model ([`strange`]).
    pub(crate) strange: bool,
}

/// Protocol it came in, and is answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Form,
    Json,
    Cbor,
}

/// Its parameters.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Form(Node),
    Json(Value),
    S3(Box<s3::Call>),
}

impl Request {
    /// Whether the operation only reads, by AWS's naming.
    pub(crate) fn reads(&self) -> bool {
        ["Describe", "List", "Get", "BatchGet", "BatchCheck", "Head", "Simulate"].iter().any(|p| self.operation.starts_with(p))
    }

    /// Whether the service is the account's, whatever Region it is asked in.
    pub(crate) fn global(&self) -> bool {
        matches!(self.service.as_str(), "iam" | "s3" | "sts")
    }

    /// Renders a refusal in this service's envelope.
    pub(crate) fn refuse(&self, error: &ApiError, request_id: &str) -> Reply {
        match self.service.as_str() {
            "ec2" => ec2query::error(error, request_id),
            "ecr" => json::error(error),
            "monitoring" if self.wire == Wire::Cbor => cbor::error(error),
            "monitoring" if self.wire == Wire::Json => json::error_1_0(error),
            "s3" => match &self.body {
                Body::S3(call) => rest::error(error, call.bucket.as_deref(), call.key.as_deref(), request_id),
                _ => rest::error(error, None, None, request_id),
            },
            service => query::error(service, error, request_id),
        }
    }

    /// Renders an answer of a service that speaks all three protocols.
    fn answer(&self, members: &Members, request_id: &str) -> Reply {
        match self.wire {
            Wire::Form => query::ok(&self.service, &self.operation, &members.xml(), request_id),
            Wire::Json => json::ok_1_0(&members.json()),
            Wire::Cbor => cbor::ok(members),
        }
    }
}

/// Performs a request.
pub(crate) fn perform(world: &mut World, request: &Request, request_id: &str) -> Result<Reply, ApiError> {
    let op = request.operation.as_str();
    let dress = |mut fields: Fields| {
        if request.strange {
            strange::dress(&request.service, op, &mut fields);
        }
        fields
    };
    match (&request.body, request.service.as_str()) {
        (Body::Form(p), "autoscaling") => autoscaling::call(world, op, p).map(|f| query::ok("autoscaling", op, &dress(f), request_id)),
        (Body::Form(p), "elasticloadbalancing") => elbv2::call(world, op, p).map(|f| query::ok("elasticloadbalancing", op, &dress(f), request_id)),
        (Body::Form(p), "elasticache") => elasticache::call(world, op, p).map(|f| query::ok("elasticache", op, &dress(f), request_id)),
        (Body::Form(p), "sts") => sts::call(world, op, p, &request.principal).map(|f| query::ok("sts", op, &f, request_id)),
        (Body::Form(p), "iam") => iam::call(world, op, p, &request.principal).map(|f| query::ok("iam", op, &f, request_id)),
        (Body::Form(p), "ec2") => ec2::call(world, op, p, &request.principal).map(|f| ec2query::ok(op, &dress(f), request_id)),
        (body, "monitoring") => cloudwatch::call(world, op, &cloudwatch::read(op, body)?).map(|mut members| {
            if request.strange {
                strange::dress_members("monitoring", op, &mut members);
            }
            request.answer(&members, request_id)
        }),
        (Body::Json(v), "ecr") => ecr::call(world, op, v, &request.host).map(|v| json::ok(&v)),
        (Body::S3(call), "s3") => s3::call(world, op, call, request),
        (_, service) => Err(ApiError::bad("InvalidAction", format!("The service {service} is not available at this endpoint."))),
    }
}

/// `InvalidAction`, the query services' word for an operation they do not have.
pub(crate) fn unknown(op: &str, version: &str) -> ApiError {
    ApiError::bad("InvalidAction", format!("Could not find operation {op} for version {version}"))
}
