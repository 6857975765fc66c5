//! What every answer must be, whatever the request was.
//!
//! **Invariant:** a complaint says what is wrong; no complaint means the answer is one that AWS could have given.

use hyper::Response;
use serde_json::Value;

/// Codes of server errors that are the world's, not a defect.
const OWN: &[&str] = &["InsufficientInstanceCapacity", "NotImplemented", "RequestLimitExceeded", "ResourceContention", "SlowDown"];

/// Judges the form of an answer. `faulted`: a fault has made what it likes of it. `bare`: no body is expected, or one of
/// any kind.
pub(crate) fn judge(response: &Response<Vec<u8>>, control: bool, faulted: bool, bare: bool) -> Result<(), String> {
    if faulted {
        return Ok(());
    }
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = header("content-type");
    let body = response.body();
    if !(200..600).contains(&status) {
        return Err(format!("status {status}"));
    }
    if !control && header("x-amzn-requestid").is_empty() {
        return Err("no request id".into());
    }
    let code = match kind {
        _ if body.is_empty() && bare => return Ok(()),
        _ if body.is_empty() => None,
        kind if bare && status < 300 && !kind.contains("xml") => return Ok(()),
        kind if kind.contains("xml") => xml(body)?,
        kind if kind.contains("json") => json(body, control)?,
        kind if kind.contains("cbor") => cbor(body, header("x-amzn-query-error"))?,
        // The live page and what belongs to it.
        kind if control && status == 200 && (kind.starts_with("text/") || kind.starts_with("image/")) => None,
        other => return Err(format!("content type {other:?}")),
    };
    match (status, code) {
        (200..400, _) => Ok(()),
        (400.., None) => Err("a refusal without a code".into()),
        (500.., Some(code)) if !OWN.contains(&code.as_str()) => Err(format!("a server error of our own: {code}")),
        (_, Some(code)) if !control && !code.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') => Err(format!("the code {code:?}")),
        _ => Ok(()),
    }
}

/// The error code of a well-formed document, if it is a refusal.
fn xml(body: &[u8]) -> Result<Option<String>, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("the XML is no text: {e}"))?;
    let document = roxmltree::Document::parse(text).map_err(|e| format!("the XML is not well formed: {e}"))?;
    let root = document.root_element();
    let refusal = ["ErrorResponse", "Response", "Error"].contains(&root.tag_name().name());
    let code = root.descendants().find(|n| n.tag_name().name() == "Code").and_then(|n| n.text());
    Ok(code.filter(|_| refusal).map(str::to_owned))
}

fn json(body: &[u8], control: bool) -> Result<Option<String>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|e| format!("the JSON is none: {e}"))?;
    if control {
        let error = value["error"].as_str();
        return match error {
            Some(error) if !error.contains(": ") => Err(format!("an error that names no field: {error}")),
            error => Ok(error.map(str::to_owned)),
        };
    }
    Ok(value["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or_default().to_owned()))
}

/// The code of a CBOR answer stands in a header too.
fn cbor(body: &[u8], query_error: &str) -> Result<Option<String>, String> {
    let mut decoder = minicbor::Decoder::new(body);
    decoder.skip().map_err(|e| format!("the CBOR is none: {e}"))?;
    if decoder.position() != body.len() {
        return Err("something follows the CBOR".into());
    }
    Ok(query_error.split(';').next().filter(|code| !code.is_empty()).map(str::to_owned))
}
