//! awsQuery envelopes: Auto Scaling, ELBv2, ElastiCache, IAM, STS (aws-reference 1.2).
//!
//! **Invariant:** root and result elements carry the action's name; the SDK rejects others.

use super::{ApiError, Reply, xml};

/// XML namespace of a service's API version.
fn namespace(service: &str) -> &'static str {
    match service {
        "autoscaling" => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
        "elasticache" => "http://elasticache.amazonaws.com/doc/2015-02-02/",
        "elasticloadbalancing" => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        "monitoring" => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        "iam" => "https://iam.amazonaws.com/doc/2010-05-08/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

/// A successful answer.
pub(crate) fn ok(service: &str, action: &str, fields: &xml::Fields, request_id: &str) -> Reply {
    let mut body = format!("<{action}Response xmlns=\"{}\"><{action}Result>", namespace(service));
    fields.render(&mut body);
    body.push_str(&format!("</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"));
    Reply::new(200, "text/xml", body)
}

/// A refusal.
pub(crate) fn error(service: &str, error: &ApiError, request_id: &str) -> Reply {
    let side = if error.status >= 500 { "Receiver" } else { "Sender" };
    let mut body = format!("<ErrorResponse xmlns=\"{}\"><Error><Type>{side}</Type><Code>{}</Code><Message>", namespace(service), error.code);
    xml::escape(&mut body, &error.message);
    body.push_str(&format!("</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"));
    Reply { error: Some(error.code.clone()), ..Reply::new(error.status, "text/xml", body) }
}
