//! A call as it came: path, parameters, headers and the body put together.
//!
//! **Invariant:** what `s3s` gets is unsigned, has the body's own length, and carries a checksum that stood behind the body
//! as a header before it.

use hyper::{
    HeaderMap, Method, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use percent_encoding::percent_decode_str;

use super::{front::Desk, run};
use crate::wire::ApiError;

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    /// Why it cannot be routed.
    pub(super) refusal: Option<ApiError>,
}

impl Call {
    /// Reads a request; also the operation's name, empty where none is reached.
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (Self, String) {
        let mut call = Self {
            method: method.clone(),
            uri: uri.clone(),
            headers: headers.clone(),
            body: Bytes::copy_from_slice(body),
            bucket: None,
            key: None,
            refusal: None,
        };
        for name in [AUTHORIZATION, TRANSFER_ENCODING] {
            call.headers.remove(name);
        }
        call.refusal = call.unchunk().err();
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        let desk = Desk::asking();
        let refused = run(&call, &desk).err();
        let (operation, bucket, key) = desk.asked();
        if operation.is_empty() {
            call.refusal = call.refusal.or(refused);
        }
        (call.bucket, call.key) = (bucket, key);
        (call, operation)
    }

    /// Puts a body in `aws-chunked` form together (aws-reference 11).
    fn unchunk(&mut self) -> Result<(), ApiError> {
        let streaming = self.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
        let coded: Vec<String> = self.header("content-encoding").into_iter().flat_map(|v| v.split(',').map(|c| c.trim().to_owned())).collect();
        let rest: Vec<&str> = coded.iter().map(String::as_str).filter(|c| *c != "aws-chunked").collect();
        if !streaming && rest.len() == coded.len() {
            return Ok(());
        }
        let odd = || ApiError::bad("IncompleteBody", "The request body terminated unexpectedly");
        let (body, trailers) = chunks(&self.body).ok_or_else(odd)?;
        if self.header("x-amz-decoded-content-length").is_some_and(|n| n.parse() != Ok(body.len())) {
            return Err(odd());
        }
        self.headers.remove("x-amz-decoded-content-length");
        match HeaderValue::from_str(&rest.join(",")) {
            Ok(value) if !value.is_empty() => self.headers.insert(CONTENT_ENCODING, value),
            _ => self.headers.remove(CONTENT_ENCODING),
        };
        // Only the checksum counts; a client that signs its chunks also signs this, which nobody checks.
        for (name, value) in trailers.into_iter().filter(|(name, _)| name.starts_with("x-amz-checksum-")) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                self.headers.insert(name, value);
            }
        }
        self.body = body;
        Ok(())
    }

    /// The request for `s3s`.
    pub(super) fn http(&self, desk: Desk) -> s3s::HttpRequest {
        let mut request = s3s::HttpRequest::new(s3s::Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.extensions_mut().insert(desk);
        request
    }

    /// Whether only the head of the answer is wanted.
    pub(super) fn header_only(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.parameters().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Every parameter of the query.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = self.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(move |pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
    }

    /// `BUCKET/KEY` that is copied from.
    pub(crate) fn copy_source(&self) -> Option<String> {
        let text = percent_decode_str(self.header("x-amz-copy-source")?).decode_utf8_lossy().into_owned();
        Some(text.trim_start_matches('/').to_owned())
    }
}

/// Body and trailers of `SIZE[;chunk-signature=…]\r\nDATA\r\n… 0\r\n[NAME:VALUE\r\n…]\r\n`.
fn chunks(body: &Bytes) -> Option<(Bytes, Vec<(String, String)>)> {
    let line = |at: usize| {
        let end = at + body.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        Some((std::str::from_utf8(&body[at..end]).ok()?, end + 2))
    };
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        let (head, data) = line(at)?;
        let size = usize::from_str_radix(head.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            at = data;
            break;
        }
        let end = data.checked_add(size)?;
        out.extend_from_slice(body.get(data..end)?);
        at = end + 2;
        if body.get(end..at)? != b"\r\n" {
            return None;
        }
    }
    let mut trailers = Vec::new();
    while let Some((text, next)) = line(at) {
        if let Some((name, value)) = text.split_once(':') {
            trailers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
        at = next;
    }
    Some((out.into(), trailers))
}

/// Parameters that stand in every call of an SDK, and those of the operations here.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("ListBuckets", &["max-buckets", "continuation-token", "prefix", "bucket-region"]),
    ("ListObjectsV2", &["list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "fetch-owner", "encoding-type"]),
    ("GetBucketLocation", &["location"]),
    ("GetPublicAccessBlock", &["publicAccessBlock"]),
    ("PutPublicAccessBlock", &["publicAccessBlock"]),
    ("DeletePublicAccessBlock", &["publicAccessBlock"]),
    ("GetBucketEncryption", &["encryption"]),
    ("DeleteObjects", &["delete"]),
];

/// `x-amz-` headers that are honoured, or say nothing about the operation.
const HEADERS: &[&str] = &[
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-expected-bucket-owner",
    "x-amz-metadata-directive",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-trailer",
];

/// Headers that are honoured for the one value that is the default anyway.
const DEFAULTS: &[(&str, &str)] = &[
    ("x-amz-acl", "private"),
    ("x-amz-object-ownership", "BucketOwnerEnforced"),
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-storage-class", "STANDARD"),
];

/// Refuses what is not simulated.
pub(super) fn check(op: &str, call: &Call) -> Result<(), ApiError> {
    let odd = |what: &str| {
        Err(ApiError::new(501, "NotImplemented", format!("A header you provided implies functionality that is not implemented: {what}")))
    };
    let known = PARAMETERS.iter().find(|(name, _)| *name == op).map_or(&[] as &[&str], |(_, known)| known);
    if let Some((name, _)) = call.parameters().find(|(name, _)| name != "x-id" && !known.contains(&name.as_str())) {
        return odd(&name);
    }
    for (name, value) in &call.headers {
        let name = name.as_str();
        let plain = DEFAULTS.iter().any(|(header, only)| *header == name && value == only);
        let free = ["x-amz-meta-", "x-amz-user-"].iter().any(|prefix| name.starts_with(prefix));
        if name.starts_with("x-amz-") && !free && !HEADERS.contains(&name) && !plain {
            return odd(name);
        }
    }
    let conditions = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
    let judged: &[&str] = match op {
        "GetObject" | "HeadObject" => &conditions,
        "PutObject" => &conditions[..2],
        _ => &[],
    };
    let ranged = matches!(op, "GetObject" | "HeadObject");
    if let Some(name) = conditions.iter().find(|name| call.header(name).is_some() && !judged.contains(name)) {
        return odd(name);
    }
    if call.header("range").is_some() && !ranged { odd("range") } else { Ok(()) }
}
