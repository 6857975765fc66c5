//! Listeners as they are described (aws-reference 6).
//!
//! **Invariant:** a call names what it wants; what it names and is not there is refused.

use super::{actions, balancer, named, no_listener, paged, shaped};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, balancer::Listener},
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let arns = named(p, "ListenerArns")?;
    if p.text("LoadBalancerArn").is_none() && arns.is_empty() {
        return Err(ApiError::validation("You must specify either listener ARNs or a load balancer ARN"));
    }
    let of = match p.text("LoadBalancerArn") {
        Some(_) => Some(balancer(w, p)?.arn.as_str()),
        None => None,
    };
    for arn in &arns {
        shaped(arn, ":listener/", "listener")?;
        if !w.elb.listeners.contains_key(arn) {
            return Err(no_listener());
        }
    }
    let mut rows: Vec<&Listener> =
        w.elb.listeners.values().filter(|l| (arns.is_empty() || arns.contains(&l.arn)) && of.is_none_or(|b| b == l.balancer)).collect();
    rows.sort_by_key(|l| (&l.balancer, l.port));
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().members("Listeners", rows.into_iter().map(row)).opt("NextMarker", next))
}

pub(super) fn row(l: &Listener) -> Fields {
    let out = Fields::new().set("ListenerArn", &l.arn).set("LoadBalancerArn", &l.balancer).set("Port", l.port).set("Protocol", &l.protocol);
    let out = match &l.certificate {
        Some(arn) => out.members("Certificates", [Fields::new().set("CertificateArn", arn)]),
        None => out,
    };
    let out = out.opt("SslPolicy", l.ssl_policy.as_ref()).members("DefaultActions", actions::written(&l.actions));
    match &l.alpn {
        Some(policy) => out.members("AlpnPolicy", [policy]),
        None => out,
    }
}
