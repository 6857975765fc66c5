//! World, clock, faults and call log together: one request in, one outcome out.
//!
//! **Invariant:** every entry lets the world catch up with the clock first, so a request sees everything that was due.

use std::{borrow::Cow, io::Read, time::Duration};

use hyper::{HeaderMap, Method, Uri};

use crate::{
    authorize,
    calls::{self, CallLog, CallRecord},
    clock::{self, Clock},
    faults::{FaultKind, Faults, words},
    past::Past,
    rng,
    services::{self, Body, Principal, Request, Wire, s3::Call},
    wire::{ApiError, Reply, cbor, node::Node},
    world::{World, token_bucket},
};

/// What becomes of a connection after a request.
pub(crate) enum Outcome {
    /// Answer and request id.
    Reply(Reply, String),
    /// The same, sent only after this time.
    Late(Reply, String, Duration),
    /// A page that is no answer of AWS.
    Page(Reply),
    /// No answer, connection left open.
    Hang,
    /// No answer, connection closed.
    Drop,
}

/// What the HTTP side read of a request.
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
    /// `smithy-protocol`.
    pub(crate) protocol: Option<&'a str>,
    /// `content-encoding`.
    pub(crate) encoding: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// Everything behind the port.
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) calls: CallLog,
    past: Past,
    /// Requests that named no service, for their request ids.
    nameless: u64,
}

impl Engine {
    pub(crate) fn new(clock: Clock, world: World) -> Self {
        Self { clock, world, faults: Faults::default(), calls: CallLog::default(), past: Past::default(), nameless: 0 }
    }

    /// Lets the world catch up; keeps the state before for stale answers while any are asked for.
    pub(crate) fn catch_up(&mut self) {
        let now = self.clock.now();
        self.past.keep(&self.world, now, self.faults.stale_age());
        self.world.advance_to(now);
        self.world.wall = Clock::wall();
    }

    fn principal(&mut self, key: &str) -> Result<Principal, ()> {
        let wall = self.world.wall;
        if let Some(s) = self.world.sessions.get_mut(key) {
            if *s.expires.get_or_insert(wall + s.seconds * 1000) <= wall {
                return Err(());
            }
            return Ok(Principal { arn: s.arn.clone(), user_id: s.user_id.clone(), account: s.account.clone(), session: s.policies.clone() });
        }
        let account = self.world.account.clone();
        let user_id = format!("AIDA{}", rng::hex(self.world.seed, "user", key, 17).to_uppercase());
        Ok(Principal { arn: format!("arn:aws:iam::{account}:user/{key}"), user_id, account, session: Vec::new() })
    }

    /// One AWS request.
    pub(crate) fn serve(&mut self, incoming: &Incoming<'_>) -> Outcome {
        self.catch_up();
        let Some((key, region, service)) = incoming.authorization.and_then(scope) else {
            self.nameless += 1;
            let request_id = rng::uuid(self.world.seed, "nameless request", &self.nameless.to_string());
            let error = ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
            return Outcome::Reply(crate::wire::query::error("sts", &error, &request_id), request_id);
        };
        let seq = self.calls.next();
        let request_id = rng::uuid(self.world.seed, "request", &seq.to_string());
        let mut record = CallRecord {
            seq,
            at: clock::iso(self.world.now),
            service: calls::cut(service),
            operation: String::new(),
            params: std::collections::BTreeMap::new(),
            status: 0,
            error_code: None,
            request_id: request_id.clone(),
            principal: String::new(),
            region: calls::cut(region),
            fault: None,
            effective: false,
        };
        let principal = self.principal(key);
        let nobody = || Principal { arn: String::new(), user_id: String::new(), account: self.world.account.clone(), session: Vec::new() };
        let known = principal.clone().unwrap_or_else(|()| nobody());
        record.principal = calls::cut(&known.arn);
        let wire = wire_of(incoming);
        let (body, operation) = read_body(incoming, wire, service, &mut record);
        let (operation, malformed) = match operation {
            Ok(operation) => (operation, None),
            Err(error) => (String::new(), Some(error)),
        };
        record.operation = calls::cut(&operation);
        let host = incoming.host.unwrap_or("localhost").to_owned();
        let request =
            Request { service: service.to_owned(), operation, region: region.to_owned(), principal: known, host, wire, body, strange: false };
        if let Some(error) = malformed {
            return self.finish(&request, record, Err(error));
        }
        if principal.is_err() {
            return self.finish(&request, record, Err(words::expired(service)));
        }
        let call = token_bucket::Call { account: &request.principal.account, region, service, operation: &request.operation, params: &record.params };
        if !self.world.token_buckets.take(&self.world.params, &call, self.world.now) {
            record.fault = Some("bucket".to_owned());
            let error = words::throttled(service, &self.world.params);
            return self.finish(&request, record, Err(error));
        }
        self.with_faults(request, record)
    }

    fn with_faults(&mut self, mut request: Request, mut record: CallRecord) -> Outcome {
        let (service, operation) = (request.service.clone(), request.operation.clone());
        let Some((kind, seconds)) = self.faults.draw(&service, &operation, request.reads()) else {
            return self.done(&request, record);
        };
        record.fault = Some(kind.name().to_owned());
        match kind {
            FaultKind::Throttle => {
                let error = words::throttled(&service, &self.world.params);
                self.finish(&request, record, Err(error))
            }
            FaultKind::Error => self.finish(&request, record, Err(words::broken(&service))),
            FaultKind::Contention => {
                let error = words::contended(&service).unwrap_or_else(|| words::broken(&service));
                self.finish(&request, record, Err(error))
            }
            FaultKind::Expired => self.finish(&request, record, Err(words::expired(&service))),
            FaultKind::Denied => {
                let error = authorize::denied(&service, &operation, &request.principal.arn);
                self.finish(&request, record, Err(error))
            }
            FaultKind::Timeout => {
                self.calls.push(record);
                Outcome::Hang
            }
            FaultKind::HangAfter => {
                self.unanswered(&request, record);
                Outcome::Hang
            }
            FaultKind::LostReply => {
                self.unanswered(&request, record);
                Outcome::Drop
            }
            FaultKind::Html => {
                record.status = 502;
                self.calls.push(record);
                Outcome::Page(bad_gateway())
            }
            FaultKind::Stale => {
                let now = self.world.now;
                // Permissions are those of now: what is stale is the answer.
                let allowed = authorize::check(&self.world, &request);
                let result = match (allowed, self.past.since(now - seconds * 1000, now)) {
                    (Err(error), _) => Err(error),
                    (Ok(()), Some(old)) => perform(old, &request, &record.request_id),
                    (Ok(()), None) => perform(&mut self.world, &request, &record.request_id),
                };
                self.finish(&request, record, result)
            }
            FaultKind::UnknownEnum => {
                request.strange = true;
                self.done(&request, record)
            }
            FaultKind::Slow => match self.done(&request, record) {
                Outcome::Reply(reply, id) => Outcome::Late(reply, id, Duration::from_secs(seconds.unsigned_abs())),
                other => other,
            },
            FaultKind::Garbage => {
                let result = judged(&mut self.world, &request, &record.request_id);
                self.shaped(&request, record, result, halved)
            }
        }
    }

    /// Performs a request and answers it.
    fn done(&mut self, request: &Request, record: CallRecord) -> Outcome {
        let result = judged(&mut self.world, request, &record.request_id);
        self.finish(request, record, result)
    }

    /// Performs a request whose answer nobody gets.
    fn unanswered(&mut self, request: &Request, mut record: CallRecord) {
        let result = judged(&mut self.world, request, &record.request_id);
        record.effective = result.is_ok() && !request.reads();
        record.error_code = result.err().map(|e| e.code);
        self.calls.push(record);
    }

    fn finish(&mut self, request: &Request, record: CallRecord, result: Result<Reply, ApiError>) -> Outcome {
        self.shaped(request, record, result, |reply| reply)
    }

    /// Logs and answers; `shape` does to the answer what happens to it on its way.
    fn shaped(&mut self, request: &Request, mut record: CallRecord, result: Result<Reply, ApiError>, shape: impl FnOnce(Reply) -> Reply) -> Outcome {
        record.effective = result.is_ok() && !request.reads();
        let request_id = record.request_id.clone();
        let reply = result.unwrap_or_else(|error| request.refuse(&error, &request_id));
        record.error_code.clone_from(&reply.error);
        let reply = shape(reply);
        record.status = reply.status;
        self.calls.push(record);
        Outcome::Reply(reply, request_id)
    }
}

/// Performs a request that the caller's policies allow.
fn judged(world: &mut World, request: &Request, request_id: &str) -> Result<Reply, ApiError> {
    authorize::check(world, request)?;
    perform(world, request, request_id)
}

/// Performs a request in the Region it names; other Regions of the account are empty.
fn perform(world: &mut World, request: &Request, request_id: &str) -> Result<Reply, ApiError> {
    if request.region == world.region || request.global() {
        world.touched |= !request.reads();
        let result = services::perform(world, request, request_id);
        let now = world.now;
        world.advance_to(now);
        return result;
    }
    let mut other = World::empty(world.now, world.seed, world.params.clone(), &world.account, &request.region);
    services::perform(&mut other, request, request_id)
}

/// What a proxy in front of AWS says when it got no answer itself.
fn bad_gateway() -> Reply {
    let page =
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
    Reply::new(502, "text/html", page)
}

/// The first half of an answer, as if it were a whole one.
fn halved(mut reply: Reply) -> Reply {
    reply.body.truncate(reply.body.len() / 2);
    reply.headers.retain(|(name, _)| !name.contains("error"));
    Reply { status: 200, error: None, ..reply }
}

/// Access key, Region and service of `Credential=KEY/date/region/service/aws4_request` (aws-reference 1).
fn scope(authorization: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let credential = rest.split([',', ' ']).next()?;
    let mut parts = credential.rsplit('/');
    let _terminator = parts.next()?;
    let service = parts.next()?;
    let region = parts.next()?;
    let _date = parts.next()?;
    Some((parts.next()?, region, service))
}

/// Largest body once it is unpacked; PutMetricData's own limit is 1 MB (aws-reference 1.1).
const UNPACKED: u64 = 4 << 20;

/// Protocol of a request (aws-reference 1).
fn wire_of(incoming: &Incoming<'_>) -> Wire {
    match incoming.target {
        _ if incoming.method == "POST" && incoming.uri.path().starts_with("/service/") => Wire::Cbor,
        Some(_) => Wire::Json,
        None => Wire::Form,
    }
}

/// Reads the body by protocol and the operation's name out of it.
fn read_body(incoming: &Incoming<'_>, wire: Wire, service: &str, record: &mut CallRecord) -> (Body, Result<String, ApiError>) {
    if service == "s3" {
        let (call, operation) = Call::read(incoming.method, incoming.uri, incoming.headers, incoming.body);
        record.params = calls::from_s3(&call);
        return (Body::S3(Box::new(call)), Ok(operation));
    }
    let nothing = |error| (Body::Json(serde_json::Value::Null), Err(error));
    let unpacked = match incoming.encoding {
        Some("gzip") => gunzip(incoming.body).map(Cow::Owned),
        _ => Some(Cow::Borrowed(incoming.body)),
    };
    let Some(bytes) = unpacked else {
        return nothing(unreadable(service, wire));
    };
    let (value, operation) = match wire {
        Wire::Cbor => {
            let known = incoming.uri.path().strip_prefix("/service/GraniteServiceVersion20100801/operation/");
            (cbor::read(&bytes), known.filter(|_| incoming.protocol == Some("rpc-v2-cbor")))
        }
        Wire::Json => {
            let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
            (serde_json::from_slice::<serde_json::Value>(text).ok(), Some(incoming.target.and_then(|t| t.rsplit('.').next()).unwrap_or_default()))
        }
        Wire::Form => {
            let Some((node, pairs)) = std::str::from_utf8(&bytes).ok().and_then(Node::parse) else {
                return (Body::Form(Node::default()), Err(unreadable(service, wire)));
            };
            record.params = calls::from_pairs(&pairs);
            let operation = node.text("Action").map(str::to_owned).ok_or_else(|| nameless(service));
            return (Body::Form(node), operation);
        }
    };
    let Some(value) = value else {
        return nothing(unreadable(service, wire));
    };
    record.params = calls::from_json(&value);
    (Body::Json(value), operation.map(str::to_owned).ok_or_else(|| unreadable(service, wire)))
}

/// Unpacks a compressed body; none when it is no gzip or grows too large.
fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(body).take(UNPACKED + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= UNPACKED).then_some(out)
}

/// A body that is none of the service's.
fn unreadable(service: &str, wire: Wire) -> ApiError {
    match service {
        "monitoring" if wire != Wire::Form => ApiError::bad("SerializationException", "The request body or its operation could not be read."),
        "ecr" => ApiError::bad("SerializationException", "The request body could not be read."),
        _ => ApiError::new(404, "MalformedQueryString", "The query string contains a syntax error."),
    }
}

/// A body without an operation.
fn nameless(service: &str) -> ApiError {
    match service {
        "ecr" => ApiError::bad("SerializationException", "The request names no operation."),
        "ec2" => ApiError::bad("MissingAction", "The request must contain the parameter Action"),
        _ => ApiError::bad("MissingAction", "One or more required parameters in request are missing: Action"),
    }
}
