//! The port: HTTP/1.1 in front of the engine.
//!
//! **Invariant:** a lost reply closes the socket without a byte; a hang holds it until the client leaves or 120 s pass.
//! No lock is held across an await.

use std::{fmt, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::Bytes,
    header::{HeaderName, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    control,
    engine::{Incoming, Outcome},
    handle::Handle,
    page,
    services::ecr,
    wire::Reply,
};

const BODY_LIMIT: usize = 8 << 20;
/// A part of a layer: 20 MiB in base64 (aws-reference 8).
const PART_LIMIT: usize = 30 << 20;
const HANG: Duration = Duration::from_secs(120);

/// Reason for closing a connection without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection cut by a fault")
    }
}

impl std::error::Error for Cut {}

/// Serves until told to stop; open connections are dropped then.
pub(crate) async fn run(listener: TcpListener, handle: Handle, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _peer)): Result<(_, SocketAddr), _> = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let handle = handle.clone();
                async move { respond(handle, request).await }
            });
            // A cut connection ends in an error by design; there is nobody to tell.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What becomes of one exchange.
#[derive(Debug)]
pub enum Exchange {
    /// An answer.
    Answer(Response<Vec<u8>>),
    /// An answer, sent only after this time.
    Late(Response<Vec<u8>>, Duration),
    /// No answer, connection left open.
    Hang,
    /// No answer, connection closed.
    Cut,
}

async fn respond(handle: Handle, request: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, body_limit(&head)).collect().await else {
        return Ok(too_large().map(Full::from));
    };
    match exchange(&handle, &head, &body.to_bytes()) {
        Exchange::Answer(response) => Ok(response.map(Full::from)),
        Exchange::Late(response, delay) => {
            tokio::time::sleep(delay).await;
            Ok(response.map(Full::from))
        }
        Exchange::Cut => Err(Cut),
        Exchange::Hang => {
            tokio::time::sleep(HANG).await;
            Err(Cut)
        }
    }
}

fn body_limit(head: &Parts) -> usize {
    let part = head.headers.get("x-amz-target").is_some_and(|t| t.as_bytes().ends_with(b".UploadLayerPart"));
    if part { PART_LIMIT } else { BODY_LIMIT }
}

fn too_large() -> Response<Vec<u8>> {
    plain(413, "application/json", br#"{"error":"body: too large"}"#.to_vec())
}

/// One request, control or AWS, without its connection.
pub(crate) fn exchange(handle: &Handle, head: &Parts, body: &[u8]) -> Exchange {
    if body.len() > body_limit(head) {
        return Exchange::Answer(too_large());
    }
    if let (Some(path), "GET" | "HEAD") = (head.uri.path().strip_prefix(ecr::LAYER_PATH), head.method.as_str()) {
        return Exchange::Answer(layer(handle, path, head.uri.query().unwrap_or_default()));
    }
    if let Some(path) = control_path(head.uri.path()) {
        if let Some(page) = page::answer(&head.method, path, &head.headers) {
            return Exchange::Answer(page);
        }
        if page::foreign(&head.method, &head.headers) {
            let error = r#"{"error":"origin: a page of another origin may not use the controls"}"#;
            return Exchange::Answer(plain(403, "application/json", error.into()));
        }
        let query = head.uri.query().unwrap_or_default();
        let (status, value) = control::answer(handle, head.method.as_str(), path, query, body);
        return Exchange::Answer(plain(status, "application/json", value.to_string().into_bytes()));
    }
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
    let incoming = Incoming {
        method: &head.method,
        uri: &head.uri,
        headers: &head.headers,
        authorization: header("authorization"),
        target: header("x-amz-target"),
        protocol: header("smithy-protocol"),
        encoding: header("content-encoding"),
        host: header("host").or(head.uri.authority().map(|a| a.as_str())),
        body,
    };
    let outcome = handle.lock().serve(&incoming);
    match outcome {
        Outcome::Reply(reply, request_id) => Exchange::Answer(named(reply, &request_id)),
        Outcome::Late(reply, request_id, delay) => Exchange::Late(named(reply, &request_id), delay),
        Outcome::Page(reply) => Exchange::Answer(plain(reply.status, reply.content_type, reply.body)),
        Outcome::Drop => Exchange::Cut,
        Outcome::Hang => Exchange::Hang,
    }
}

/// AWS's answer with its headers.
fn named(reply: Reply, request_id: &str) -> Response<Vec<u8>> {
    let code = reply.error.filter(|_| reply.content_type.contains("json"));
    let mut response = plain(reply.status, reply.content_type, reply.body);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value.clone());
        headers.insert("x-amz-request-id", value);
    }
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(value) = code.and_then(|code| HeaderValue::from_str(&code).ok()) {
        headers.insert("x-amzn-errortype", value);
    }
    response
}

/// What follows `/_sim/` where a path is a control's.
fn control_path(path: &str) -> Option<&str> {
    match path.strip_prefix("/_sim")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// A layer's bytes behind an URL of GetDownloadUrlForLayer, or S3's refusal.
fn layer(handle: &Handle, path: &str, query: &str) -> Response<Vec<u8>> {
    let found = ecr::download(&handle.lock().world, path, query);
    match found {
        Ok(parts) => plain(200, "application/octet-stream", parts.iter().map(|part| part.bytes()).collect::<Vec<_>>().concat()),
        Err(error) => {
            let body =
                format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>", error.code, error.message);
            plain(error.status, "application/xml", body.into())
        }
    }
}

fn plain(status: u16, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}
