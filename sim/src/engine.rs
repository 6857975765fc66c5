//! World, clock, faults and call log together: one request in, one outcome out.
//!
//! **Invariant:** every entry lets the world catch up with the clock first, so a request sees everything that was due.

use std::collections::VecDeque;

use crate::{
    calls::{self, CallRecord},
    clock::{self, Clock},
    faults::{self, FaultKind, Faults},
    rng,
    services::{self, Body, Principal, Request},
    wire::{ApiError, Reply, node::Node},
    world::World,
};

/// Old states kept for stale answers.
const RING: usize = 64;

/// What becomes of a connection after a request.
pub(crate) enum Outcome {
    /// Answer and request id.
    Reply(Reply, String),
    /// No answer, connection left open.
    Hang,
    /// No answer, connection closed.
    Drop,
}

/// What the HTTP side read of a request.
pub(crate) struct Incoming<'a> {
    pub(crate) authorization: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// Everything behind the port.
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<CallRecord>,
    ring: VecDeque<World>,
}

impl Engine {
    pub(crate) fn new(clock: Clock, world: World) -> Self {
        Self { clock, world, faults: Faults::default(), calls: Vec::new(), ring: VecDeque::new() }
    }

    /// Lets the world catch up; keeps the state before for stale answers while any are asked for.
    pub(crate) fn catch_up(&mut self) {
        let now = self.clock.now();
        match self.faults.stale_age() {
            Some(age) => {
                let fresh = self.ring.back().is_none_or(|w| self.world.now > w.now || self.world.ids != w.ids);
                if fresh {
                    self.ring.push_back(self.world.clone());
                }
                while self.ring.len() > RING || self.ring.front().is_some_and(|w| w.now < now - age) && self.ring.len() > 1 {
                    self.ring.pop_front();
                }
            }
            None => self.ring.clear(),
        }
        self.world.advance_to(now);
        self.world.wall = Clock::wall();
    }

    fn principal(&self, key: &str) -> Result<Principal, ()> {
        if let Some(s) = self.world.sessions.get(key) {
            if s.expires <= self.world.wall {
                return Err(());
            }
            return Ok(Principal { arn: s.arn.clone(), user_id: s.user_id.clone(), account: s.account.clone() });
        }
        let account = self.world.account.clone();
        let user_id = format!("AIDA{}", rng::hex(self.world.seed, "user", key, 17).to_uppercase());
        Ok(Principal { arn: format!("arn:aws:iam::{account}:user/{key}"), user_id, account })
    }

    /// One AWS request.
    pub(crate) fn serve(&mut self, incoming: &Incoming<'_>) -> Outcome {
        self.catch_up();
        let seq = self.calls.len() as u64 + 1;
        let request_id = rng::uuid(self.world.seed, "request", &seq.to_string());
        let Some((key, region, service)) = incoming.authorization.and_then(scope) else {
            let error = ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
            return Outcome::Reply(crate::wire::query::error("sts", &error, &request_id), request_id);
        };
        let mut record = CallRecord {
            seq,
            at: clock::iso(self.world.now),
            service: service.to_owned(),
            operation: String::new(),
            params: std::collections::BTreeMap::new(),
            status: 0,
            error_code: None,
            request_id: request_id.clone(),
            principal: String::new(),
            region: region.to_owned(),
            fault: None,
            effective: false,
        };
        let principal = self.principal(key);
        let known =
            principal.clone().unwrap_or_else(|()| Principal { arn: String::new(), user_id: String::new(), account: self.world.account.clone() });
        record.principal.clone_from(&known.arn);
        let (body, operation) = read_body(incoming, &mut record);
        let request = Request {
            service: service.to_owned(),
            operation: operation.clone().unwrap_or_default(),
            region: region.to_owned(),
            principal: known,
            body,
        };
        record.operation.clone_from(&request.operation);
        let result = if operation.is_none() {
            Err(malformed(service))
        } else if principal.is_err() {
            Err(expired(service))
        } else {
            return self.with_faults(&request, record);
        };
        self.finish(&request, record, result)
    }

    fn with_faults(&mut self, request: &Request, mut record: CallRecord) -> Outcome {
        let fault = self.faults.draw(&request.service, &request.operation, request.reads());
        record.fault = fault.as_ref().map(|f| kind_name(f.kind).to_owned());
        let (service, operation) = (request.service.as_str(), request.operation.as_str());
        match fault.map(|f| (f.kind, f.seconds)) {
            Some((FaultKind::Throttle, _)) => self.finish(request, record, Err(faults::throttled(service))),
            Some((FaultKind::Error, _)) => self.finish(request, record, Err(faults::broken(service))),
            Some((FaultKind::Expired, _)) => self.finish(request, record, Err(expired(service))),
            Some((FaultKind::Denied, _)) => {
                let error = faults::denied(service, operation, &request.principal.arn);
                self.finish(request, record, Err(error))
            }
            Some((FaultKind::Timeout, _)) => {
                self.calls.push(record);
                Outcome::Hang
            }
            Some((FaultKind::LostReply, _)) => {
                let result = self.perform(request, &record.request_id);
                record.effective = result.is_ok() && !request.reads();
                record.error_code = result.err().map(|e| e.code);
                self.calls.push(record);
                Outcome::Drop
            }
            Some((FaultKind::Stale, seconds)) => {
                let oldest = self.world.now - seconds * 1000;
                let old = self.ring.iter().find(|w| w.now >= oldest).or(self.ring.back()).cloned();
                let result = match old {
                    Some(mut old) => services::perform(&mut old, request, &record.request_id),
                    None => self.perform(request, &record.request_id),
                };
                self.finish(request, record, result)
            }
            None => {
                let result = self.perform(request, &record.request_id);
                self.finish(request, record, result)
            }
        }
    }

    /// Performs a request in the Region it names; other Regions of the account are empty.
    fn perform(&mut self, request: &Request, request_id: &str) -> Result<Reply, ApiError> {
        let world = &mut self.world;
        if request.region == world.region || request.service == "sts" {
            let result = services::perform(world, request, request_id);
            let now = world.now;
            world.advance_to(now);
            return result;
        }
        let mut other = World::empty(world.now, world.seed, world.params.clone(), &world.account, &request.region);
        services::perform(&mut other, request, request_id)
    }

    fn finish(&mut self, request: &Request, mut record: CallRecord, result: Result<Reply, ApiError>) -> Outcome {
        record.effective = result.is_ok() && !request.reads();
        let request_id = record.request_id.clone();
        let reply = result.unwrap_or_else(|error| request.refuse(&error, &request_id));
        record.status = reply.status;
        record.error_code.clone_from(&reply.error);
        self.calls.push(record);
        Outcome::Reply(reply, request_id)
    }
}

fn kind_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Throttle => "throttle",
        FaultKind::Error => "error",
        FaultKind::Timeout => "timeout",
        FaultKind::LostReply => "lost_reply",
        FaultKind::Stale => "stale",
        FaultKind::Denied => "denied",
        FaultKind::Expired => "expired",
    }
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

/// Reads the body by protocol and the operation's name out of it.
fn read_body(incoming: &Incoming<'_>, record: &mut CallRecord) -> (Body, Option<String>) {
    if let Some(target) = incoming.target {
        let text: &[u8] = if incoming.body.is_empty() { b"{}" } else { incoming.body };
        let value: serde_json::Value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(_) => return (Body::Json(serde_json::Value::Null), None),
        };
        record.params = calls::from_json(&value);
        let operation = target.rsplit('.').next().map(str::to_owned);
        return (Body::Json(value), operation);
    }
    let parsed = std::str::from_utf8(incoming.body).ok().and_then(Node::parse);
    let Some((node, pairs)) = parsed else {
        return (Body::Form(Node::default()), None);
    };
    record.params = calls::from_pairs(&pairs);
    let operation = node.text("Action").map(str::to_owned);
    (Body::Form(node), operation)
}

fn malformed(service: &str) -> ApiError {
    match service {
        "ecr" => ApiError::bad("SerializationException", "The request body could not be read."),
        "ec2" => ApiError::bad("MissingAction", "The request must contain the parameter Action"),
        _ => ApiError::bad("MissingAction", "One or more required parameters in request are missing: Action"),
    }
}

/// Expired credentials, in the service's words (aws-reference 1.3).
fn expired(service: &str) -> ApiError {
    match service {
        "ec2" => ApiError::bad("RequestExpired", "Request has expired."),
        "ecr" => ApiError::bad("ExpiredTokenException", "The security token included in the request is expired"),
        _ => ApiError::new(403, "ExpiredToken", "The security token included in the request is expired"),
    }
}
