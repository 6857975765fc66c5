//! restXml envelopes: S3 (aws-reference 1.2).
//!
//! **Invariant:** a refusal is a bare `Error` that names what it is about: the key, or the bucket.

use super::{ApiError, Reply, xml};

pub(crate) const TYPE: &str = "application/xml";

/// A refusal.
pub(crate) fn error(error: &ApiError, bucket: Option<&str>, key: Option<&str>, request_id: &str) -> Reply {
    let mut reply = Reply { headers: error.headers.clone(), error: Some(error.code.clone()), ..Reply::new(error.status, TYPE, Vec::new()) };
    if error.status == 304 {
        return reply;
    }
    let about = match error.code.as_str() {
        "NoSuchKey" => ("Key", key),
        "NoSuchBucket" | "BucketAlreadyOwnedByYou" | "BucketNotEmpty" | "InvalidBucketName" | "NoSuchPublicAccessBlockConfiguration" => {
            ("BucketName", bucket)
        }
        "PermanentRedirect" => ("Bucket", bucket),
        _ => ("Resource", None),
    };
    let mut body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>", error.code);
    xml::escape(&mut body, &error.message);
    body.push_str("</Message>");
    if let (name, Some(value)) = about {
        body.push_str(&format!("<{name}>"));
        xml::escape(&mut body, value);
        body.push_str(&format!("</{name}>"));
    }
    body.push_str(&format!("<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"));
    reply.body = body.into_bytes();
    reply
}

/// Code and message of an `Error` body.
pub(crate) fn code_and_message(body: &str) -> (String, String) {
    let text = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"))
    };
    let code = text("Code").unwrap_or_default();
    let message = text("Message").unwrap_or_else(|| match code.as_str() {
        "InvalidBucketName" => "The specified bucket is not valid.".into(),
        "KeyTooLongError" => "Your key is too long".into(),
        code => code.to_owned(),
    });
    (code, message)
}
