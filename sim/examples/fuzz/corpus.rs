//! The requests that the fuzzer starts from.
//!
//! **Invariant:** every line is a request that a client could send as it stands; what it names is there in the world.

use std::convert::Infallible;

use fleetgate_sim::Handle;
use minicbor::{Encoder, data::Tag, encode::Error};
use serde_json::{Map, Value};

/// A request, taken apart far enough to be changed in a meaningful way.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Access key, Region and service of the credential scope; controls have none.
    pub(crate) scope: Option<[String; 3]>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// A body by its protocol.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Form(Vec<(String, String)>),
    Json(Value),
    /// The same values in CBOR; `{"$time": n}` is an instant.
    Cbor(Value),
    Raw(Vec<u8>),
}

impl Body {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Form(pairs) => {
                let encode = |text: &str| text.bytes().map(escaped).collect::<String>();
                pairs.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect::<Vec<_>>().join("&").into_bytes()
            }
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Cbor(value) => {
                let mut encoder = Encoder::new(Vec::new());
                // Writing into memory cannot fail.
                let _ = cbor(&mut encoder, value);
                encoder.into_writer()
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

fn cbor(e: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), Error<Infallible>> {
    match value {
        Value::Null => drop(e.null()?),
        Value::Bool(b) => drop(e.bool(*b)?),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => drop(e.u64(n)?),
            (None, Some(n)) => drop(e.i64(n)?),
            _ => drop(e.f64(n.as_f64().unwrap_or_default())?),
        },
        Value::String(text) => drop(e.str(text)?),
        Value::Array(rows) => {
            e.array(rows.len() as u64)?;
            rows.iter().try_for_each(|row| cbor(e, row))?;
        }
        Value::Object(map) => match map.get("$time").filter(|_| map.len() == 1) {
            Some(at) => {
                e.tag(Tag::new(1))?;
                cbor(e, at)?;
            }
            None => {
                e.map(map.len() as u64)?;
                for (key, value) in map {
                    e.str(key)?;
                    cbor(e, value)?;
                }
            }
        },
    }
    Ok(())
}

fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

impl Request {
    /// Head and body for the simulator; none when the head cannot be written at all.
    pub(crate) fn build(&self) -> Option<(hyper::http::request::Parts, Vec<u8>)> {
        let mut builder = hyper::Request::builder().method(self.method.as_bytes()).uri(self.path.as_str());
        if let Some([key, region, service]) = &self.scope {
            let credential = format!("AWS4-HMAC-SHA256 Credential={key}/20260105/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0");
            builder = builder.header("authorization", credential);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value.as_bytes());
        }
        let (head, ()) = builder.body(()).ok()?.into_parts();
        Some((head, self.body.bytes()))
    }

    /// The control it asks for, if it does.
    pub(crate) fn control(&self) -> Option<&str> {
        self.path.strip_prefix("/_sim")
    }
}

/// The first key or text below that holds this.
fn named(value: &Value, part: &str) -> String {
    fn find<'a>(value: &'a Value, part: &str) -> Option<&'a str> {
        match value {
            Value::String(text) => Some(text.as_str()).filter(|t| t.contains(part)),
            Value::Array(rows) => rows.iter().find_map(|row| find(row, part)),
            Value::Object(map) => map.iter().find_map(|(key, kid)| Some(key.as_str()).filter(|k| k.contains(part)).or_else(|| find(kid, part))),
            _ => None,
        }
    }
    find(value, part).unwrap_or_default().to_owned()
}

/// Names of this world for the names in braces.
fn names(handle: &Handle) -> Vec<(&'static str, String)> {
    let world = handle.snapshot();
    let state = handle.export().unwrap_or_default();
    let text = |path: &str| world.pointer(path).or_else(|| state.pointer(path)).and_then(Value::as_str).unwrap_or_default().to_owned();
    vec![
        ("{group}", text("/groups/0/name")),
        ("{instance}", text("/groups/0/instances/0/id")),
        ("{template}", text("/templates/0/name")),
        ("{template-id}", text("/templates/0/id")),
        ("{targets}", text("/target_groups/0/arn")),
        ("{repository}", text("/images/0/repository")),
        ("{digest}", text("/images/0/digest")),
        ("{balancer}", named(&state["elb"], ":loadbalancer/")),
        ("{listener}", named(&state["elb"], ":listener/")),
        ("{security}", named(&state["security_groups"], "sg-")),
        ("{bucket}", named(&state["buckets"], "")),
        ("{redis}", text("/redis/0/id")),
        ("{subnet}", text("/subnets/0/id")),
        ("{vpc}", text("/vpc")),
    ]
}

/// The corpus, with the names of this world.
pub(crate) fn read(text: &str, handle: &Handle) -> Vec<Request> {
    let names = names(handle);
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| names.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value)))
        .inspect(|line| assert!(!line.contains("=&") && !line.ends_with('='), "the corpus names what this world has not: {line}"))
        .map(|line| parse(&line).unwrap_or_else(|| panic!("the corpus has a line that is no request: {line}")))
        .collect()
}

/// A value of the corpus: `+` is a blank, `%XX` a byte.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *byte == b'%').and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        out.push(hex.unwrap_or(if *byte == b'+' { b' ' } else { *byte }));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn scope(service: &str) -> Option<[String; 3]> {
    Some(["AKIAFUZZ".to_owned(), "ap-south-1".to_owned(), service.to_owned()])
}

fn parse(line: &str) -> Option<Request> {
    // CBOR calls have one word less: they are CloudWatch's alone.
    if let Some((operation, text)) = line.strip_prefix("cbor ").and_then(|rest| rest.split_once(' ')) {
        let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-query-mode", "true")];
        return Some(Request {
            method: "POST".to_owned(),
            path: format!("/service/GraniteServiceVersion20100801/operation/{operation}"),
            scope: scope("monitoring"),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Body::Cbor(serde_json::from_str(text).ok()?),
        });
    }
    let mut words = line.splitn(4, ' ');
    let (kind, first, second, rest) = (words.next()?, words.next()?, words.next()?, words.next().unwrap_or_default());
    let request = |scope, method: &str, path: &str, headers, body| Request { method: method.to_owned(), path: path.to_owned(), scope, headers, body };
    Some(match kind {
        "query" => {
            let mut pairs = vec![("Action".to_owned(), second.to_owned())];
            pairs.extend(rest.split('&').filter(|p| !p.is_empty()).map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (name.to_owned(), decoded(value))
            }));
            request(scope(first), "POST", "/", Vec::new(), Body::Form(pairs))
        }
        "json" => {
            let target = vec![("x-amz-target".to_owned(), second.to_owned())];
            request(scope(first), "POST", "/", target, Body::Json(serde_json::from_str(rest).ok()?))
        }
        "rest" => {
            let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
            request(scope(first), second, path, Vec::new(), Body::Raw(body.as_bytes().to_vec()))
        }
        "control" => {
            let body = if rest.is_empty() { Body::Json(Value::Object(Map::new())) } else { Body::Json(serde_json::from_str(rest).ok()?) };
            request(None, first, second, Vec::new(), body)
        }
        _ => return None,
    })
}
