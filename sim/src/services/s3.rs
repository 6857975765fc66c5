//! Amazon S3, API 2006-03-01 (aws-reference 11), on the crate `s3s`: routing, members and XML are its; the store, the
//! refusals' envelope and everything a call passes on its way are ours.
//!
//! `s3s` verifies every signature it sees, and reads a body in `aws-chunked` form only under one, so a call comes to it
//! unsigned and with its body put together ([`request`]). It is asynchronous over a store of its own; here the store is part
//! of the world and a call must be whole under the engine's lock, so the store travels in the request ([`front::Desk`]) and
//! the future, which never waits, is polled once. Each call runs through it twice: first up to its access check, which
//! tells the operation's name for the log, the faults and the permissions, then to its end.
//!
//! **Invariant:** a header or parameter that is not simulated is refused as AWS refuses what it does not have, never ignored.
//! A bucket is reached in its own Region alone.

mod front;
mod lists;
mod objects;
mod request;

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use http_body_util::BodyExt;
use s3s::service::{S3Service, S3ServiceBuilder};

use super::Request;
use crate::{
    authorize,
    wire::{ApiError, Reply, rest},
    world::World,
};
use front::{Desk, Front, Gate};

pub(crate) use request::Call;

static SERVICE: LazyLock<S3Service> = LazyLock::new(|| {
    let mut builder = S3ServiceBuilder::new(Front);
    // The access check is only made where there is somebody to verify signatures; no call carries one.
    builder.set_auth(s3s::auth::SimpleAuth::new());
    builder.set_access(Gate);
    builder.build()
});

/// Performs an operation.
pub(crate) fn call(w: &mut World, op: &str, call: &Call, request: &Request) -> Result<Reply, ApiError> {
    if let Some(error) = &call.refusal {
        return Err(error.clone());
    }
    match op {
        "ListBuckets" | "CreateBucket" => {}
        "HeadBucket" | "DeleteBucket" | "GetBucketLocation" | "GetPublicAccessBlock" | "PutPublicAccessBlock" => enter(w, call, request)?,
        "DeletePublicAccessBlock" | "GetBucketEncryption" | "ListObjectsV2" | "DeleteObjects" => enter(w, call, request)?,
        "PutObject" | "GetObject" | "HeadObject" | "DeleteObject" | "CopyObject" => enter(w, call, request)?,
        _ => return Err(ApiError::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")),
    }
    request::check(op, call)?;
    let judge = authorize::Judge::of(w, request);
    let desk = Desk::new(std::mem::take(&mut w.buckets), w.now, &w.account, &request.region, judge);
    let result = run(call, &desk);
    w.buckets = desk.close();
    result
}

/// The bucket exists, stands in the Region the caller signed for, and is of whom the caller expects.
fn enter(w: &World, call: &Call, request: &Request) -> Result<(), ApiError> {
    let name = call.bucket.as_deref().unwrap_or_default();
    let Some(bucket) = w.buckets.get(name) else {
        return Err(ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist"));
    };
    let error = if bucket.region != request.region {
        let text = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
        ApiError::new(301, "PermanentRedirect", text)
    } else if call.header("x-amz-expected-bucket-owner").is_some_and(|owner| owner != w.account) {
        ApiError::new(403, "AccessDenied", "Access Denied")
    } else {
        return Ok(());
    };
    Err(error.with_header("x-amz-bucket-region", &bucket.region))
}

/// One pass through `s3s`.
fn run(call: &Call, desk: &Desk) -> Result<Reply, ApiError> {
    let failed = || ApiError::new(500, "InternalError", "We encountered an internal error. Please try again.");
    let exchange = async {
        let response = SERVICE.call(call.http(desk.clone())).await.ok()?;
        let (head, body) = response.into_parts();
        Some((head, body.collect().await.ok()?.to_bytes()))
    };
    // `s3s` logs each refusal as an error of its own; here a refusal is an answer, and stands in the log of calls.
    let quiet = tracing::Dispatch::none();
    let (head, body) = tracing::dispatcher::with_default(&quiet, || once(exchange)).flatten().ok_or_else(failed)?;
    let status = head.status.as_u16();
    // The answer to HEAD tells the length of a body that is not there.
    let length = |name: &str| name == "content-length" && call.header_only();
    let headers = head.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding") || length(name.as_str()));
    let headers: Vec<(String, String)> =
        headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect();
    if status < 300 {
        return Ok(Reply { status, content_type: rest::TYPE, body: body.to_vec(), error: None, headers });
    }
    let (code, message) = rest::code_and_message(&String::from_utf8_lossy(&body));
    let mut error = ApiError::new(status, if code.is_empty() { "NotModified" } else { &code }, message);
    error.headers = headers.into_iter().filter(|(name, _)| name != "content-type").collect();
    Err(error)
}

/// The value of a future that never waits.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
