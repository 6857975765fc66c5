//! Conditions of rules (aws-reference 6).
//!
//! **Invariant:** host, path, method and source at most once in a rule, five values in all; what a field does not take is
//! refused. Conditions are kept and told: no request is matched here.

use super::{catalogue, wrong};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::balancer::Condition,
};

/// Field, the member its values stand in, and whether plain `Values` do as well.
const FIELDS: &[(&str, &str, bool)] = &[
    ("host-header", "HostHeaderConfig", true),
    ("path-pattern", "PathPatternConfig", true),
    ("http-header", "HttpHeaderConfig", false),
    ("query-string", "QueryStringConfig", false),
    ("http-request-method", "HttpRequestMethodConfig", false),
    ("source-ip", "SourceIpConfig", false),
];

pub(super) fn read(rows: &[&Node]) -> Result<Vec<Condition>, ApiError> {
    if rows.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    let mut out: Vec<Condition> = Vec::new();
    let mut values = 0;
    for row in rows {
        let condition = one(row)?;
        let repeats = |a: &Condition| !matches!(a, Condition::Header(..) | Condition::Query(_));
        if repeats(&condition) && out.iter().any(|c| std::mem::discriminant(c) == std::mem::discriminant(&condition)) {
            return Err(ApiError::validation(format!("A rule can only have one '{}' condition", row.text("Field").unwrap_or_default())));
        }
        values += match &condition {
            Condition::Query(pairs) => pairs.len(),
            Condition::Host(v) | Condition::Path(v) | Condition::Header(_, v) | Condition::Method(v) | Condition::Source(v) => v.len(),
        };
        out.push(condition);
    }
    catalogue::within("condition-values-per-alb-rule", values, "ValidationError", "A rule can only have '5' condition values")?;
    Ok(out)
}

fn one(row: &Node) -> Result<Condition, ApiError> {
    let field = read::need(row, "Field")?;
    let Some((_, member, plain)) = FIELDS.iter().find(|(name, _, _)| *name == field) else {
        let known: Vec<&str> = FIELDS.iter().map(|(name, _, _)| *name).collect();
        return Err(ApiError::validation(format!("Condition field '{field}' must be one of '[{}]'", known.join(", "))));
    };
    if let Some(odd) = row.kids.keys().find(|k| *k != "Field" && k != member && !(*plain && *k == "Values")) {
        return Err(wrong(format!("'{odd}' is not supported for condition field '{field}'")));
    }
    let config = row.at(member);
    if config.is_some() && row.at("Values").is_some() {
        return Err(ApiError::validation(format!("You cannot specify both 'Values' and '{member}'")));
    }
    let known: &[&str] = if *member == "HttpHeaderConfig" { &["HttpHeaderName", "Values"] } else { &["Values"] };
    if let Some(odd) = config.and_then(|c| c.kids.keys().find(|k| !known.contains(&k.as_str()))) {
        return Err(wrong(format!("'{odd}' is not supported for condition field '{field}'")));
    }
    let texts = config.unwrap_or(row).texts("Values");
    let empty = || ApiError::validation("A condition value must be specified");
    if field == "query-string" {
        let pairs = config.map(|c| c.list("Values")).unwrap_or_default();
        let pairs: Option<Vec<_>> = pairs.iter().map(|r| r.text("Value").map(|v| (r.text("Key").map(str::to_owned), v.to_owned()))).collect();
        return pairs.filter(|p| !p.is_empty()).map(Condition::Query).ok_or_else(empty);
    }
    if texts.is_empty() {
        return Err(empty());
    }
    if let Some(odd) = texts.iter().find(|t| t.is_empty() || t.len() > 128 || !value_fits(field, t)) {
        return Err(ApiError::validation(format!("The condition value '{odd}' is not valid for field '{field}'")));
    }
    Ok(match field {
        "host-header" => Condition::Host(texts),
        "path-pattern" => Condition::Path(texts),
        "http-request-method" => Condition::Method(texts),
        "source-ip" => Condition::Source(texts),
        _ => {
            let name = config.and_then(|c| c.text("HttpHeaderName")).unwrap_or_default();
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || name.len() > 40 || !name.chars().all(token) || name.eq_ignore_ascii_case("host") {
                return Err(ApiError::validation(format!("The HTTP header name '{name}' is not valid")));
            }
            Condition::Header(name.to_owned(), texts)
        }
    })
}

fn value_fits(field: &str, text: &str) -> bool {
    match field {
        "host-header" => text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.*?".contains(c)),
        "path-pattern" => text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c)),
        "http-request-method" => text.len() <= 40 && text.chars().all(|c| c.is_ascii_uppercase() || "-_".contains(c)),
        "source-ip" => is_block(text),
        _ => true,
    }
}

/// An address block of either family.
fn is_block(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse().is_ok_and(|b: u8| b <= most)
}

/// Conditions as they are described.
pub(super) fn written(conditions: &[Condition]) -> Vec<Fields> {
    let values = |v: &[String]| Fields::new().members("Values", v);
    let row = |field: &'static str| Fields::new().set("Field", field);
    let one = |c: &Condition| match c {
        // Where plain values would do, both spellings are told.
        Condition::Host(v) => row("host-header").members("Values", v).set("HostHeaderConfig", values(v)),
        Condition::Path(v) => row("path-pattern").members("Values", v).set("PathPatternConfig", values(v)),
        Condition::Header(name, v) => row("http-header").set("HttpHeaderConfig", Fields::new().set("HttpHeaderName", name).members("Values", v)),
        Condition::Query(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| Fields::new().opt("Key", k.as_ref()).set("Value", v));
            row("query-string").set("QueryStringConfig", Fields::new().members("Values", pairs))
        }
        Condition::Method(v) => row("http-request-method").set("HttpRequestMethodConfig", values(v)),
        Condition::Source(v) => row("source-ip").set("SourceIpConfig", values(v)),
    };
    conditions.iter().map(one).collect()
}
