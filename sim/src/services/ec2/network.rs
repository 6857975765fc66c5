//! Availability Zones, subnets and the VPC, as far as the groups here use them.
//!
//! **Invariant:** only what the world's seed names exists; a selector that names something else is refused.

use std::collections::BTreeSet;

use super::{
    select::{self, filters, invalid, of_tags, paged, passes},
    tag_set,
};
use crate::{
    rng,
    seed::Subnet,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, instance::Ec2State},
};

const CIDR: &str = "10.0.0.0/16";
/// Addresses of a /24 that AWS leaves to its owner.
const ADDRESSES: usize = 251;

/// `aps1-az1` for the first zone of ap-south-1.
fn zone_id(w: &World, zone: &str) -> String {
    let mut short = String::new();
    for (at, part) in w.region.split('-').enumerate() {
        match (at, part) {
            (0, part) => short += part,
            (_, "northeast") => short += "ne",
            (_, "northwest") => short += "nw",
            (_, "southeast") => short += "se",
            (_, "southwest") => short += "sw",
            (_, part) => short.extend(part.chars().next()),
        }
    }
    let letter = zone.strip_prefix(w.region.as_str()).and_then(|tail| tail.bytes().next()).unwrap_or(b'a');
    format!("{short}-az{}", letter.saturating_sub(b'a') + 1)
}

const ZONE_FILTERS: &[&str] = &[
    "group-long-name",
    "group-name",
    "message",
    "opt-in-status",
    "parent-zone-id",
    "parent-zone-name",
    "region-name",
    "state",
    "zone-id",
    "zone-name",
    "zone-type",
];

pub(super) fn zones(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, ZONE_FILTERS)?;
    let zones: BTreeSet<&str> = w.subnets.iter().map(|s| s.zone.as_str()).collect();
    let (names, ids) = (p.texts("ZoneName"), p.texts("ZoneId"));
    if let Some(lost) = names.iter().find(|n| !zones.contains(n.as_str())) {
        return Err(invalid("InvalidParameterValue", format!("Invalid availability zone: [{lost}]")));
    }
    if let Some(lost) = ids.iter().find(|id| !zones.iter().any(|z| zone_id(w, z) == **id)) {
        return Err(invalid("InvalidParameterValue", format!("Invalid availability zone-id: [{lost}]")));
    }
    let group = format!("{}-zg-1", w.region);
    let rows = zones.into_iter().filter(|zone| {
        (names.is_empty() || names.iter().any(|n| n == zone))
            && (ids.is_empty() || ids.contains(&zone_id(w, zone)))
            && passes(&filters, |name| match name {
                "group-name" => vec![group.clone()],
                "opt-in-status" => vec!["opt-in-not-required".into()],
                "region-name" => vec![w.region.clone()],
                "state" => vec!["available".into()],
                "zone-id" => vec![zone_id(w, zone)],
                "zone-name" => vec![(*zone).to_owned()],
                "zone-type" => vec!["availability-zone".into()],
                _ => Vec::new(),
            })
    });
    let rows: Vec<Fields> = rows
        .map(|zone| {
            Fields::new()
                .set("optInStatus", "opt-in-not-required")
                .items("messageSet", Vec::<Fields>::new())
                .set("regionName", &w.region)
                .set("zoneName", zone)
                .set("zoneId", zone_id(w, zone))
                .set("groupName", &group)
                .set("networkBorderGroup", &w.region)
                .set("zoneType", "availability-zone")
                .set("zoneState", "available")
        })
        .collect();
    Ok(Fields::new().items("availabilityZoneInfo", rows))
}

/// What EC2 also calls by another name comes first here.
const SUBNET_FILTERS: &[&str] = &[
    "availability-zone",
    "availabilityZone",
    "availability-zone-id",
    "availabilityZoneId",
    "available-ip-address-count",
    "cidr-block",
    "cidr",
    "cidrBlock",
    "customer-owned-ipv4-pool",
    "default-for-az",
    "defaultForAz",
    "enable-dns64",
    "ipv6-native",
    "map-customer-owned-ip-on-launch",
    "map-public-ip-on-launch",
    "outpost-arn",
    "owner-id",
    "state",
    "subnet-arn",
    "subnet-id",
    "tag-key",
    "tag:",
    "vpc-id",
];

/// Tags of the VPC or a subnet.
fn tags_of<'a>(w: &'a World, id: &str) -> Vec<(&'a str, &'a str)> {
    w.network_tags.get(id).into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

/// Adds the tags of what has any.
fn tagged(w: &World, id: &str, out: Fields) -> Fields {
    match tags_of(w, id) {
        tags if tags.is_empty() => out,
        tags => out.items("tagSet", tag_set(tags)),
    }
}

/// Addresses that no instance holds.
fn free(w: &World, s: &Subnet) -> usize {
    let taken = w.instances.values().filter(|i| i.subnet == s.id && i.ec2 != Ec2State::Terminated).count();
    ADDRESSES.saturating_sub(taken)
}

fn subnet_arn(w: &World, s: &Subnet) -> String {
    format!("arn:aws:ec2:{}:{}:subnet/{}", w.region, w.account, s.id)
}

pub(super) fn subnets(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, SUBNET_FILTERS)?;
    let wanted = p.texts("SubnetId");
    select::all_known(&wanted, |id| w.subnets.iter().any(|s| s.id == id), "InvalidSubnetID.NotFound", "subnet")?;
    let cidr = |at: usize| format!("10.0.{}.0/24", at + 10);
    let rows = w.subnets.iter().enumerate().filter(|(at, s)| {
        (wanted.is_empty() || wanted.contains(&s.id))
            && passes(&filters, |name| {
                let value = match name {
                    "subnet-id" => s.id.clone(),
                    "subnet-arn" => subnet_arn(w, s),
                    "vpc-id" => w.vpc.clone(),
                    "owner-id" => w.account.clone(),
                    "state" => "available".into(),
                    "availability-zone" | "availabilityZone" => s.zone.clone(),
                    "availability-zone-id" | "availabilityZoneId" => zone_id(w, &s.zone),
                    "available-ip-address-count" => free(w, s).to_string(),
                    "cidr-block" | "cidr" | "cidrBlock" => cidr(*at),
                    "default-for-az" | "defaultForAz" | "enable-dns64" | "ipv6-native" => "false".into(),
                    "map-public-ip-on-launch" | "map-customer-owned-ip-on-launch" => "false".into(),
                    name if name.starts_with("tag") => return of_tags(name, tags_of(w, &s.id)),
                    _ => return Vec::new(),
                };
                vec![value]
            })
    });
    let (rows, next) = paged(p, rows.collect(), (5, 1000))?;
    let rows = rows.into_iter().map(|(at, s)| {
        let out = Fields::new()
            .set("availabilityZoneId", zone_id(w, &s.zone))
            .set("mapCustomerOwnedIpOnLaunch", false)
            .set("ownerId", &w.account)
            .set("assignIpv6AddressOnCreation", false)
            .items("ipv6CidrBlockAssociationSet", Vec::<Fields>::new())
            .set("subnetArn", subnet_arn(w, s))
            .set("enableDns64", false)
            .set("ipv6Native", false)
            .set(
                "privateDnsNameOptionsOnLaunch",
                Fields::new().set("hostnameType", "ip-name").set("enableResourceNameDnsARecord", false).set("enableResourceNameDnsAAAARecord", false),
            )
            .set("subnetId", &s.id)
            .set("state", "available")
            .set("vpcId", &w.vpc)
            .set("cidrBlock", cidr(at))
            .set("availableIpAddressCount", free(w, s))
            .set("availabilityZone", &s.zone)
            .set("defaultForAz", false)
            .set("mapPublicIpOnLaunch", false);
        tagged(w, &s.id, out)
    });
    Ok(Fields::new().items("subnetSet", rows).opt("nextToken", next))
}

const VPC_FILTERS: &[&str] = &[
    "cidr",
    "cidr-block-association.association-id",
    "cidr-block-association.cidr-block",
    "cidr-block-association.state",
    "dhcp-options-id",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "ipv6-cidr-block-association.ipv6-pool",
    "ipv6-cidr-block-association.state",
    "is-default",
    "isDefault",
    "owner-id",
    "state",
    "tag-key",
    "tag:",
    "vpc-id",
];

pub(super) fn vpcs(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, VPC_FILTERS)?;
    let wanted = p.texts("VpcId");
    select::all_known(&wanted, |id| !w.vpc.is_empty() && w.vpc == id, "InvalidVpcID.NotFound", "vpc")?;
    let id = |kind: &str| format!("{kind}-0{}", rng::hex(w.seed, kind, &w.vpc, 16));
    let (dhcp, association) = (id("dopt"), id("vpc-cidr-assoc"));
    let fits = !w.vpc.is_empty()
        && passes(&filters, |name| {
            let value = match name {
                "vpc-id" => w.vpc.clone(),
                "owner-id" => w.account.clone(),
                "cidr" | "cidr-block-association.cidr-block" => CIDR.into(),
                "cidr-block-association.association-id" => association.clone(),
                "cidr-block-association.state" => "associated".into(),
                "dhcp-options-id" => dhcp.clone(),
                "is-default" | "isDefault" => "false".into(),
                "state" => "available".into(),
                name if name.starts_with("tag") => return of_tags(name, tags_of(w, &w.vpc)),
                _ => return Vec::new(),
            };
            vec![value]
        });
    let block =
        Fields::new().set("associationId", &association).set("cidrBlock", CIDR).set("cidrBlockState", Fields::new().set("state", "associated"));
    let row = Fields::new()
        .set("ownerId", &w.account)
        .set("instanceTenancy", "default")
        .items("cidrBlockAssociationSet", [block])
        .set("isDefault", false)
        .set("vpcId", &w.vpc)
        .set("state", "available")
        .set("cidrBlock", CIDR)
        .set("dhcpOptionsId", &dhcp);
    let row = tagged(w, &w.vpc, row);
    let (rows, next) = paged(p, fits.then_some(row).into_iter().collect(), (5, 1000))?;
    Ok(Fields::new().items("vpcSet", rows).opt("nextToken", next))
}
