//! What is the same for every account: limits and TLS policies.
//!
//! **Invariant:** a limit that is told is held, by [`within`].

use super::paged;
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
};

const LIMITS: &[(&str, usize)] = &[
    ("application-load-balancers", 50),
    ("condition-values-per-alb-rule", 5),
    ("listeners-per-application-load-balancer", 50),
    ("listeners-per-network-load-balancer", 50),
    ("network-load-balancers", 50),
    ("rules-per-application-load-balancer", 100),
    ("target-groups", 3000),
    ("target-groups-per-action-on-application-load-balancer", 5),
    ("target-groups-per-action-on-network-load-balancer", 5),
    ("target-groups-per-application-load-balancer", 100),
    ("targets-per-target-group", 1000),
];

/// Refuses a count above a limit.
pub(super) fn within(limit: &str, count: usize, code: &str, message: &str) -> Result<(), ApiError> {
    match LIMITS.iter().find(|(name, _)| *name == limit) {
        Some((_, max)) if count > *max => Err(ApiError::bad(code, message)),
        _ => Ok(()),
    }
}

pub(super) fn limits(p: &Node) -> Result<Fields, ApiError> {
    let (rows, next) = paged(p, LIMITS.iter().collect())?;
    let rows = rows.into_iter().map(|(name, max)| Fields::new().set("Name", *name).set("Max", max.to_string()));
    Ok(Fields::new().members("Limits", rows).opt("NextMarker", next))
}

const TLS13: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const FORWARD: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
];
const PLAIN: &[&str] = &["AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256"];
const SHA1: &[&str] =
    &["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA", "AES128-SHA", "AES256-SHA"];

/// Policy of a listener that names none.
pub(super) const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// Name, protocols and ciphers.
type Policy = (&'static str, &'static [&'static str], &'static [&'static [&'static str]]);

const POLICIES: &[Policy] = &[
    (DEFAULT_POLICY, &["TLSv1", "TLSv1.1", "TLSv1.2"], &[FORWARD, PLAIN, SHA1]),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", &["TLSv1.2", "TLSv1.3"], &[TLS13, FORWARD]),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", &["TLSv1.2"], &[FORWARD, PLAIN]),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", &["TLSv1.2"], &[FORWARD, PLAIN, SHA1]),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", &["TLSv1.1", "TLSv1.2"], &[FORWARD, PLAIN, SHA1]),
];

pub(super) fn knows_policy(name: &str) -> bool {
    POLICIES.iter().any(|(known, _, _)| *known == name)
}

pub(super) fn no_policy(name: &str) -> ApiError {
    ApiError::bad("SSLPolicyNotFound", format!("SSL policy '{name}' not found"))
}

pub(super) fn policies(p: &Node) -> Result<Fields, ApiError> {
    let names = p.texts("Names");
    if let Some(lost) = names.iter().find(|n| !knows_policy(n)) {
        return Err(no_policy(lost));
    }
    let kind = p.text("LoadBalancerType");
    if kind.is_some_and(|k| !matches!(k, "application" | "network" | "gateway")) {
        return Err(ApiError::validation(format!("Value '{}' at '{}' is not a type", kind.unwrap_or_default(), read::lower("LoadBalancerType"))));
    }
    let rows = POLICIES.iter().filter(|(name, _, _)| (names.is_empty() || names.iter().any(|n| n == name)) && kind != Some("gateway"));
    let (rows, next) = paged(p, rows.collect())?;
    let rows = rows.into_iter().map(|(name, protocols, ciphers)| {
        let all = ciphers.iter().flat_map(|list| list.iter()).enumerate();
        Fields::new()
            .members("SslProtocols", protocols.iter().copied())
            .members("Ciphers", all.map(|(at, cipher)| Fields::new().set("Name", *cipher).set("Priority", at + 1)))
            .set("Name", *name)
            .members("SupportedLoadBalancerTypes", ["application", "network"])
    });
    Ok(Fields::new().members("SslPolicies", rows).opt("NextMarker", next))
}
