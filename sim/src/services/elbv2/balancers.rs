//! Load balancers as they are described, taken away, and given other security groups and subnets (aws-reference 6).
//!
//! **Invariant:** deleting what is not there succeeds, as AWS says; a protected load balancer stays.

use super::{NAMED, attributes, balancer, named, no_balancer, paged, shaped, unsupported, wrong};
use crate::{
    clock::iso,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, balancer::Balancer},
};

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (names, arns) = (named(p, "Names")?, named(p, "LoadBalancerArns")?);
    if names.len() + arns.len() > NAMED {
        return Err(ApiError::validation(format!("Up to '{NAMED}' load balancers can be described at the same time")));
    }
    let lost =
        names.iter().find(|n| !w.elb.balancers.values().any(|b| b.name == **n)).or_else(|| arns.iter().find(|a| !w.elb.balancers.contains_key(*a)));
    if let Some(lost) = lost {
        return Err(no_balancer(&format!("[{lost}]")));
    }
    let mut rows: Vec<&Balancer> =
        w.elb.balancers.values().filter(|b| (names.is_empty() || names.contains(&b.name)) && (arns.is_empty() || arns.contains(&b.arn))).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let (rows, next) = paged(p, rows)?;
    Ok(Fields::new().members("LoadBalancers", rows.into_iter().map(|b| row(w, b))).opt("NextMarker", next))
}

fn zones(w: &World, b: &Balancer) -> Vec<Fields> {
    let mut rows: Vec<(&str, &String)> = b.subnets.iter().filter_map(|s| Some((w.zone_of(s)?, s))).collect();
    rows.sort_unstable();
    let one = |(zone, subnet)| Fields::new().set("ZoneName", zone).set("SubnetId", subnet).members("LoadBalancerAddresses", Vec::<String>::new());
    rows.into_iter().map(one).collect()
}

pub(super) fn row(w: &World, b: &Balancer) -> Fields {
    let out = Fields::new()
        .set("LoadBalancerArn", &b.arn)
        .set("DNSName", &b.dns)
        .set("CanonicalHostedZoneId", if b.network { "ZVDDRBQ08TROA" } else { "ZP97RAFLXTNZK" })
        .set("CreatedTime", iso(b.created))
        .set("LoadBalancerName", &b.name)
        .set("Scheme", if b.internal { "internal" } else { "internet-facing" })
        .set("VpcId", &w.vpc)
        .set("State", Fields::new().set("Code", if w.now < b.active_at { "provisioning" } else { "active" }))
        .set("Type", if b.network { "network" } else { "application" })
        .members("AvailabilityZones", zones(w, b));
    let out = if b.network && b.security_groups.is_empty() { out } else { out.members("SecurityGroups", &b.security_groups) };
    out.set("IpAddressType", "ipv4")
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arn = read::need(p, "LoadBalancerArn")?;
    shaped(arn, ":loadbalancer/", "load balancer")?;
    let Some(b) = w.elb.balancers.get(arn) else {
        return Ok(Fields::new());
    };
    if attributes::balancer_value(b, "deletion_protection.enabled") == "true" {
        return Err(ApiError::bad(
            "OperationNotPermitted",
            format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
        ));
    }
    w.elb.remove_balancer(arn);
    w.settle_use();
    Ok(Fields::new())
}

/// Security groups of a request, each known.
pub(super) fn security_groups(w: &World, p: &Node) -> Result<Vec<String>, ApiError> {
    let ids = p.texts("SecurityGroups");
    match ids.iter().find(|id| !w.security_groups.contains_key(*id)) {
        Some(lost) => Err(ApiError::bad("InvalidSecurityGroup", format!("The security group '{lost}' does not exist"))),
        None => Ok(ids),
    }
}

/// Subnets of a request: known, one per zone, in two zones at least for an application load balancer.
pub(super) fn subnets(w: &World, p: &Node, network: bool) -> Result<Vec<String>, ApiError> {
    let mappings = p.list("SubnetMappings");
    if mappings.iter().any(|m| m.kids.keys().any(|k| k != "SubnetId")) {
        return Err(wrong("Addresses of subnet mappings are not supported"));
    }
    let (plain, mapped) = (p.texts("Subnets"), mappings.iter().filter_map(|m| m.text("SubnetId").map(str::to_owned)).collect::<Vec<_>>());
    if !plain.is_empty() && !mapped.is_empty() {
        return Err(ApiError::validation("Only one of 'subnets' and 'subnetMappings' can be specified"));
    }
    let ids = if mapped.is_empty() { plain } else { mapped };
    if ids.is_empty() {
        return Err(ApiError::validation("At least one subnet must be specified"));
    }
    let mut zones = Vec::new();
    for id in &ids {
        let zone = w.zone_of(id).ok_or_else(|| ApiError::bad("SubnetNotFound", format!("The subnet ID '{id}' does not exist")))?;
        if zones.contains(&zone) {
            return Err(wrong("A load balancer cannot be attached to multiple subnets in the same Availability Zone"));
        }
        zones.push(zone);
    }
    if !network && zones.len() < 2 {
        return Err(ApiError::validation("At least two subnets in two different Availability Zones must be specified"));
    }
    Ok(ids)
}

pub(super) fn set_security_groups(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let b = balancer(w, p)?;
    unsupported(p, &["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"])?;
    if b.network && b.security_groups.is_empty() {
        return Err(wrong("You cannot set security groups for a network load balancer that was created without any"));
    }
    let arn = b.arn.clone();
    let ids = security_groups(w, p)?;
    if ids.is_empty() {
        return Err(ApiError::validation("At least one security group must be specified"));
    }
    if let Some(b) = w.elb.balancers.get_mut(&arn) {
        b.security_groups.clone_from(&ids);
    }
    Ok(Fields::new().members("SecurityGroupIds", ids))
}

pub(super) fn set_subnets(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let b = balancer(w, p)?;
    unsupported(p, &["EnablePrefixForIpv6SourceNat"])?;
    if p.text("IpAddressType").is_some_and(|t| t != "ipv4") {
        return Err(wrong("You must specify subnets with an associated IPv6 CIDR block."));
    }
    let (arn, network) = (b.arn.clone(), b.network);
    let ids = subnets(w, p, network)?;
    let Some(b) = w.elb.balancers.get_mut(&arn) else {
        return Err(no_balancer(&arn));
    };
    b.subnets = ids;
    w.settle_use();
    let rows = w.elb.balancers.get(&arn).map(|b| zones(w, b)).unwrap_or_default();
    Ok(Fields::new().members("AvailabilityZones", rows).set("IpAddressType", "ipv4"))
}
