//! Listeners made, changed and taken away (aws-reference 2.4, 6).
//!
//! **Invariant:** one listener per port of a load balancer; making the same one again gives back what there is.

use super::{actions, balancer, catalogue, listener, listeners, shaped, tags, wrong};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        balancer::{Balancer, Listener},
    },
};

fn check_protocol(b: &Balancer, protocol: &str) -> Result<(), ApiError> {
    let known: &[&str] = if b.network { &["UDP", "TCP", "TCP_UDP", "TLS"] } else { &["HTTPS", "HTTP"] };
    if known.contains(&protocol) {
        return Ok(());
    }
    Err(ApiError::validation(format!("Listener protocol '{protocol}' must be one of '{}'", known.join(", "))))
}

/// Certificate, policy and ALPN of the request over those of `l`, as the protocol needs them.
fn secure(p: &Node, l: &mut Listener) -> Result<(), ApiError> {
    if p.text("MutualAuthentication.Mode").is_some_and(|mode| mode != "off") {
        return Err(wrong("Mutual authentication is not supported"));
    }
    let certificates = p.list("Certificates");
    let asked = !certificates.is_empty() || p.text("SslPolicy").is_some();
    if !matches!(l.protocol.as_str(), "HTTPS" | "TLS") {
        if asked {
            return Err(wrong(format!("You cannot specify a certificate or SSL policy for a listener with protocol '{}'", l.protocol)));
        }
        (l.certificate, l.ssl_policy, l.alpn) = (None, None, None);
        return Ok(());
    }
    if certificates.len() > 1 {
        return Err(ApiError::bad("TooManyCertificates", "Only one certificate can be specified for a listener"));
    }
    if let Some(arn) = certificates.first().map(|c| read::need(c, "CertificateArn")).transpose()? {
        let known = ["acm", "iam"].iter().any(|s| arn.starts_with(&format!("arn:aws:{s}:"))) && arn.contains("certificate/");
        if !known {
            return Err(ApiError::bad("CertificateNotFound", format!("Certificate ARN '{arn}' is not valid")));
        }
        l.certificate = Some(arn.to_owned());
    }
    if l.certificate.is_none() {
        return Err(ApiError::validation(format!("A certificate must be specified for {} listeners", l.protocol)));
    }
    match p.text("SslPolicy") {
        Some(name) if !catalogue::knows_policy(name) => return Err(catalogue::no_policy(name)),
        Some(name) => l.ssl_policy = Some(name.to_owned()),
        None => l.ssl_policy = Some(l.ssl_policy.take().unwrap_or_else(|| catalogue::DEFAULT_POLICY.into())),
    }
    match p.texts("AlpnPolicy").as_slice() {
        [] => {}
        [one] if l.protocol == "TLS" && matches!(one.as_str(), "HTTP1Only" | "HTTP2Only" | "HTTP2Optional" | "HTTP2Preferred" | "None") => {
            l.alpn = Some(one.clone());
        }
        _ => return Err(ApiError::bad("ALPNPolicyNotFound", "The specified ALPN policy is not supported")),
    }
    Ok(())
}

fn same(a: &Listener, b: &Listener) -> bool {
    (&a.protocol, &a.certificate, &a.ssl_policy, &a.alpn, &a.actions) == (&b.protocol, &b.certificate, &b.ssl_policy, &b.alpn, &b.actions)
}

fn taken(l: &Listener) -> ApiError {
    ApiError::bad("DuplicateListener", format!("A listener already exists on port {} for this load balancer '{}'", l.port, l.balancer))
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let b = balancer(w, p)?;
    let port = read::int_in(p, "Port", 1, 65_535)?.ok_or_else(|| ApiError::validation("A listener port must be specified"))?;
    let protocol = p.text("Protocol").ok_or_else(|| ApiError::validation("A listener protocol must be specified"))?.to_owned();
    check_protocol(b, &protocol)?;
    let rows = p.list("DefaultActions");
    if rows.is_empty() {
        return Err(ApiError::validation("A default action must be specified"));
    }
    let actions = actions::read(w, &rows, b, &protocol)?;
    let labels = tags::read(p, "Tags")?;
    let balancer = b.arn.clone();
    let mut new =
        Listener { arn: String::new(), balancer: balancer.clone(), port, protocol, certificate: None, ssl_policy: None, alpn: None, actions };
    secure(p, &mut new)?;
    let there = w.elb.listeners_of(&balancer);
    if let Some(old) = there.iter().find(|l| l.port == port) {
        return if same(old, &new) { Ok(Fields::new().members("Listeners", [listeners::row(old)])) } else { Err(taken(&new)) };
    }
    let limit = if b.network { "listeners-per-network-load-balancer" } else { "listeners-per-application-load-balancer" };
    catalogue::within(limit, there.len() + 1, "TooManyListeners", "The maximum number of listeners for the load balancer has been reached")?;
    new.arn = balancer.replace(":loadbalancer/", ":listener/") + "/" + &w.new_hex("listener", 16);
    let out = listeners::row(&new);
    tags::put(w, &new.arn, labels);
    w.elb.listeners.insert(new.arn.clone(), new);
    w.settle_use();
    Ok(Fields::new().members("Listeners", [out]))
}

pub(super) fn modify(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let old = listener(w, p)?;
    let b = actions::balancer_of(w, old)?;
    let mut new = old.clone();
    if let Some(port) = read::int_in(p, "Port", 1, 65_535)? {
        new.port = port;
    }
    if let Some(protocol) = p.text("Protocol") {
        check_protocol(b, protocol)?;
        protocol.clone_into(&mut new.protocol);
    }
    let rows = p.list("DefaultActions");
    if !rows.is_empty() {
        new.actions = actions::read(w, &rows, b, &new.protocol)?;
    }
    secure(p, &mut new)?;
    if w.elb.listeners_of(&new.balancer).iter().any(|l| l.port == new.port && l.arn != new.arn) {
        return Err(taken(&new));
    }
    let out = listeners::row(&new);
    w.elb.listeners.insert(new.arn.clone(), new);
    w.settle_use();
    Ok(Fields::new().members("Listeners", [out]))
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    shaped(read::need(p, "ListenerArn")?, ":listener/", "listener")?;
    let arn = listener(w, p)?.arn.clone();
    w.elb.remove_listener(&arn);
    w.settle_use();
    Ok(Fields::new())
}
