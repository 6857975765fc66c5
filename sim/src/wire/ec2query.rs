//! ec2Query envelopes (aws-reference 1.2).
//!
//! **Invariant:** no result wrapper; `requestId` in answers, `RequestID` in refusals.

use super::{ApiError, Reply, xml};

/// A successful answer.
pub(crate) fn ok(action: &str, fields: &xml::Fields, request_id: &str) -> Reply {
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{request_id}</requestId>"
    );
    fields.render(&mut body);
    body.push_str(&format!("</{action}Response>"));
    Reply::new(200, "text/xml;charset=UTF-8", body)
}

/// A refusal.
pub(crate) fn error(error: &ApiError, request_id: &str) -> Reply {
    let mut body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code><Message>", error.code);
    xml::escape(&mut body, &error.message);
    body.push_str(&format!("</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"));
    Reply { error: Some(error.code.clone()), ..Reply::new(error.status, "text/xml;charset=UTF-8", body) }
}
