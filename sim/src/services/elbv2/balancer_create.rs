//! CreateLoadBalancer (aws-reference 2.4, 6).
//!
//! **Invariant:** the same name with the same settings gives back what there is; with others it is refused. A new one is
//! `provisioning` for some minutes, and no target of its is healthy before.

use std::collections::{BTreeMap, BTreeSet};

use super::{balancers, catalogue, check_name, tags, unsupported, wrong};
use crate::{
    rng,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, balancer::Balancer},
};

/// A value among those AWS knows; the rest of its enumeration is refused by name.
fn one_of<'a>(p: &'a Node, member: &str, known: &[&'static str], default: &'static str) -> Result<&'a str, ApiError> {
    match p.text(member) {
        None => Ok(default),
        Some(value) if known.contains(&value) => Ok(value),
        Some(value) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            read::lower(member),
            known.join(", ")
        ))),
    }
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "Name")?.to_owned();
    check_name(&name, "The load balancer")?;
    if name.starts_with("internal-") {
        return Err(ApiError::validation(format!("The load balancer name '{name}' cannot begin with 'internal-'")));
    }
    let kind = one_of(p, "Type", &["application", "network", "gateway"], "application")?;
    if kind == "gateway" {
        return Err(wrong("Load balancers of type 'gateway' are not supported"));
    }
    let network = kind == "network";
    let internal = one_of(p, "Scheme", &["internet-facing", "internal"], "internet-facing")? == "internal";
    if one_of(p, "IpAddressType", &["ipv4", "dualstack", "dualstack-without-public-ipv4"], "ipv4")? != "ipv4" {
        return Err(wrong("You must specify subnets with an associated IPv6 CIDR block."));
    }
    unsupported(p, &["CustomerOwnedIpv4Pool", "EnablePrefixForIpv6SourceNat", "IpamPools"])?;
    let subnets = balancers::subnets(w, p, network)?;
    let mut security_groups = balancers::security_groups(w, p)?;
    if security_groups.is_empty() && !network {
        security_groups.extend(w.default_group());
    }
    let labels = tags::read(p, "Tags")?;
    if let Some(old) = w.elb.balancers.values().find(|b| b.name == name) {
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        let same = (old.network, old.internal) == (network, internal)
            && set(&old.subnets) == set(&subnets)
            && set(&old.security_groups) == set(&security_groups);
        if same {
            return Ok(Fields::new().members("LoadBalancers", [balancers::row(w, old)]));
        }
        return Err(ApiError::bad(
            "DuplicateLoadBalancerName",
            format!("A load balancer with the same name '{name}' exists, but with different settings"),
        ));
    }
    let limit = if network { "network-load-balancers" } else { "application-load-balancers" };
    let count = w.elb.balancers.values().filter(|b| b.network == network).count();
    catalogue::within(limit, count + 1, "TooManyLoadBalancers", "The maximum number of load balancers has been reached")?;
    let tail = w.new_hex("load_balancer", 16);
    let kind = if network { "net" } else { "app" };
    let arn = format!("arn:aws:elasticloadbalancing:{}:{}:loadbalancer/{kind}/{name}/{tail}", w.region, w.account);
    let dns = match (network, internal) {
        (true, _) => format!("{name}-{tail}.elb.{}.amazonaws.com", w.region),
        (false, internal) => {
            let number = rng::hash(w.seed, "dns", &tail) % 1_000_000_000;
            format!("{}{name}-{number}.{}.elb.amazonaws.com", if internal { "internal-" } else { "" }, w.region)
        }
    };
    let active_at = w.now + w.params.balancer_provisioning.draw(w.seed, "balancer_provisioning", &arn);
    let row =
        Balancer { arn: arn.clone(), name, network, internal, dns, created: w.now, active_at, subnets, security_groups, attributes: BTreeMap::new() };
    let out = balancers::row(w, &row);
    w.elb.balancers.insert(arn.clone(), row);
    tags::put(w, &arn, labels);
    Ok(Fields::new().members("LoadBalancers", [out]))
}
