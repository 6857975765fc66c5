//! IpPermissions between a request, the rules they stand for, and an answer (aws-reference 7.4).
//!
//! **Invariant:** one rule per peer; a block is kept without its host bits; a protocol's number and its name are one.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{security_groups::no_group, select::invalid, tag_set, templates::missing};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        security::{Peer, Permission, Tags},
    },
};

fn protocol(text: &str) -> Result<String, ApiError> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => "tcp".into(),
        "udp" | "17" => "udp".into(),
        "icmp" | "1" => "icmp".into(),
        "icmpv6" | "58" => "icmpv6".into(),
        "-1" | "all" => "-1".into(),
        number if number.parse().is_ok_and(|n: u8| n.to_string() == number) => number.to_owned(),
        _ => return Err(invalid("InvalidPermission.Malformed", format!("Unsupported IP protocol \"{text}\" - supported: [tcp, udp, icmp]"))),
    })
}

fn ports(p: &Node, protocol: &str) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let read = |name: &str| -> Result<Option<i64>, ApiError> {
        let number = |text: &str| text.parse().map_err(|_| invalid("InvalidParameterValue", format!("Invalid value '{text}' for {name}")));
        p.text(name).map(number).transpose()
    };
    let (from, to) = (read("FromPort")?, read("ToPort")?);
    match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                let message = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
                return Err(invalid("InvalidParameterValue", message));
            };
            if !(0..=65_535).contains(&from) || !(from..=65_535).contains(&to) {
                let message = format!("Invalid {} port range ({from}:{to})", protocol.to_uppercase());
                return Err(invalid("InvalidParameterValue", message));
            }
            Ok((Some(from), Some(to)))
        }
        "icmp" | "icmpv6" => Ok((Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1)))),
        _ => Ok((None, None)),
    }
}

fn malformed(cidr: &str) -> ApiError {
    invalid("InvalidParameterValue", format!("CIDR block {cidr} is malformed"))
}

fn block(cidr: &str) -> Result<String, ApiError> {
    let (address, bits) = cidr.split_once('/').ok_or_else(|| malformed(cidr))?;
    let address: Ipv4Addr = address.parse().map_err(|_| malformed(cidr))?;
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 32).ok_or_else(|| malformed(cidr))?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Ok(format!("{}/{bits}", Ipv4Addr::from(u32::from(address) & mask)))
}

fn block_v6(cidr: &str) -> Result<String, ApiError> {
    let (address, bits) = cidr.split_once('/').ok_or_else(|| malformed(cidr))?;
    let address: Ipv6Addr = address.parse().map_err(|_| malformed(cidr))?;
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 128).ok_or_else(|| malformed(cidr))?;
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    Ok(format!("{}/{bits}", Ipv6Addr::from(u128::from(address) & mask)))
}

/// The rules a request stands for, without identifiers.
pub(super) fn read(w: &World, p: &Node, egress: bool) -> Result<Vec<Permission>, ApiError> {
    let flat = ["CidrIp", "FromPort", "ToPort", "IpProtocol"].iter().any(|name| p.at(name).is_some());
    if ["SourceSecurityGroupName", "SourceSecurityGroupOwnerId"].iter().any(|name| p.at(name).is_some()) {
        return Err(invalid(
            "InvalidParameterCombination",
            "The parameter sourceSecurityGroupName may only be used without a VPC; use IP permissions",
        ));
    }
    let listed = p.list("IpPermissions");
    if flat && (egress || !listed.is_empty()) {
        return Err(invalid(
            "InvalidParameterCombination",
            "The parameter ipPermissions may not be used in combination with other parameters of a rule",
        ));
    }
    let mut out = Vec::new();
    if flat {
        let cidr = p.text("CidrIp").ok_or_else(|| missing("CidrIp"))?;
        push(&mut out, p, egress, vec![(Peer::V4(block(cidr)?), None)])?;
    }
    for row in listed {
        push(&mut out, row, egress, peers(w, row)?)?;
    }
    if out.is_empty() {
        return Err(missing("ipPermissions"));
    }
    Ok(out)
}

fn push(out: &mut Vec<Permission>, row: &Node, egress: bool, peers: Vec<(Peer, Option<String>)>) -> Result<(), ApiError> {
    let protocol = protocol(row.text("IpProtocol").ok_or_else(|| missing("ipProtocol"))?)?;
    let (from, to) = ports(row, &protocol)?;
    for (peer, description) in peers {
        out.push(Permission { id: String::new(), egress, protocol: protocol.clone(), from, to, peer, description, tags: Tags::new() });
    }
    Ok(())
}

fn peers(w: &World, row: &Node) -> Result<Vec<(Peer, Option<String>)>, ApiError> {
    let said = |row: &Node| row.text("Description").filter(|t| !t.is_empty()).map(str::to_owned);
    let mut out = Vec::new();
    for r in row.list("IpRanges") {
        out.push((Peer::V4(block(r.text("CidrIp").unwrap_or_default())?), said(r)));
    }
    for r in row.list("Ipv6Ranges") {
        out.push((Peer::V6(block_v6(r.text("CidrIpv6").unwrap_or_default())?), said(r)));
    }
    if let Some(r) = row.list("PrefixListIds").first() {
        let id = r.text("PrefixListId").unwrap_or_default();
        return Err(invalid("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist")));
    }
    for r in row.list("Groups") {
        let id = r.text("GroupId").ok_or_else(|| invalid("VPCIdNotSpecified", "No default VPC for this user"))?;
        let foreign = r.text("UserId").is_some_and(|u| u != w.account) || r.text("VpcId").is_some_and(|v| v != w.vpc);
        if foreign || r.at("VpcPeeringConnectionId").is_some() || !w.security_groups.contains_key(id) {
            return Err(no_group(id));
        }
        out.push((Peer::Group(id.to_owned()), said(r)));
    }
    if out.is_empty() {
        return Err(missing("ipRanges, ipv6Ranges, prefixListIds or groups"));
    }
    Ok(out)
}

/// Rules as IpPermissions: those of one protocol and range of ports together.
pub(super) fn grouped<'a>(w: &World, rules: impl Iterator<Item = &'a Permission>) -> Vec<Fields> {
    let mut sets: Vec<Vec<&Permission>> = Vec::new();
    for rule in rules {
        let alike = |set: &&mut Vec<&Permission>| (&set[0].protocol, set[0].from, set[0].to) == (&rule.protocol, rule.from, rule.to);
        match sets.iter_mut().find(alike) {
            Some(set) => set.push(rule),
            None => sets.push(vec![rule]),
        }
    }
    sets.iter().map(|set| one(w, set)).collect()
}

fn one(w: &World, set: &[&Permission]) -> Fields {
    let (mut groups, mut v4, mut v6) = (Vec::new(), Vec::new(), Vec::new());
    for r in set {
        let row = Fields::new().opt("description", r.description.as_ref());
        match &r.peer {
            Peer::V4(cidr) => v4.push(row.set("cidrIp", cidr)),
            Peer::V6(cidr) => v6.push(row.set("cidrIpv6", cidr)),
            Peer::Group(id) => groups.push(row.set("userId", &w.account).set("groupId", id)),
        }
    }
    let out = Fields::new().opt("ipProtocol", set.first().map(|r| &r.protocol));
    let out = out.opt("fromPort", set.first().and_then(|r| r.from)).opt("toPort", set.first().and_then(|r| r.to));
    out.items("groups", groups).items("ipRanges", v4).items("ipv6Ranges", v6).items("prefixListIds", Vec::<Fields>::new())
}

/// A rule by itself; `referenced` is how the answer names a group on the other side.
pub(super) fn single(w: &World, group: &str, r: &Permission, revoked: bool) -> Fields {
    let out = Fields::new().set("securityGroupRuleId", &r.id).set("groupId", group);
    let out = if revoked { out } else { out.set("groupOwnerId", &w.account) };
    let out = out.set("isEgress", r.egress).set("ipProtocol", &r.protocol).set("fromPort", r.from.unwrap_or(-1)).set("toPort", r.to.unwrap_or(-1));
    let out = match &r.peer {
        Peer::V4(cidr) => out.set("cidrIpv4", cidr),
        Peer::V6(cidr) => out.set("cidrIpv6", cidr),
        Peer::Group(id) if revoked => out.set("referencedGroupId", id),
        Peer::Group(id) => out.set("referencedGroupInfo", Fields::new().set("groupId", id).set("userId", &w.account).set("vpcId", &w.vpc)),
    };
    let out = out.opt("description", r.description.as_ref());
    if revoked {
        return out;
    }
    let arn = format!("arn:aws:ec2:{}:{}:security-group-rule/{}", w.region, w.account, r.id);
    out.items("tagSet", tag_set(r.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())))).set("securityGroupRuleArn", arn)
}
