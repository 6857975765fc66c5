//! Machine images, subnets, zones and the VPC, as far as the groups here use them.
//!
//! **Invariant:** only what a template or group of this world names exists.

use std::collections::BTreeSet;

use super::{filters, fits, invalid_filter};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

pub(super) fn images(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let wanted = p.texts("ImageId");
    let known: BTreeSet<&str> = w
        .templates
        .values()
        .flat_map(|t| t.versions.values())
        .filter_map(|v| v.data.text("ImageId"))
        .chain(w.instances.values().map(|i| i.ami.as_str()))
        .filter(|id| id.starts_with("ami-"))
        .collect();
    if let Some(unknown) = wanted.iter().find(|id| !known.contains(id.as_str())) {
        return Err(ApiError::bad(
            "InvalidAMIID.NotFound",
            format!("The image id '[{unknown}]' does not exist"),
        ));
    }
    let rows = known
        .into_iter()
        .filter(|id| wanted.is_empty() || wanted.iter().any(|w| w == id))
        .map(|id| {
            Fields::new()
                .set("imageId", id)
                .set(
                    "imageLocation",
                    "amazon/al2023-ami-2023.6.20250303.0-kernel-6.1-x86_64",
                )
                .set("imageState", "available")
                .set("imageOwnerId", "137112412989")
                .set("isPublic", true)
                .set("architecture", "x86_64")
                .set("imageType", "machine")
                .set("name", "al2023-ami-2023.6.20250303.0-kernel-6.1-x86_64")
                .set(
                    "description",
                    "Amazon Linux 2023 AMI 2023.6.20250303.0 x86_64 HVM kernel-6.1",
                )
                .set("rootDeviceType", "ebs")
                .set("rootDeviceName", "/dev/xvda")
                .set("virtualizationType", "hvm")
                .set("creationDate", iso(w.now - 100 * 86_400_000))
                .set("imdsSupport", "v2.0")
        });
    Ok(Fields::new().items("imagesSet", rows))
}

pub(super) fn subnets(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let wanted = p.texts("SubnetId");
    if let Some(unknown) = wanted
        .iter()
        .find(|id| !w.subnets.iter().any(|s| s.id == **id))
    {
        return Err(ApiError::bad(
            "InvalidSubnetID.NotFound",
            format!("The subnet ID '{unknown}' does not exist"),
        ));
    }
    let filters = filters(p);
    let mut rows = Vec::new();
    for (at, s) in w
        .subnets
        .iter()
        .enumerate()
        .filter(|(_, s)| wanted.is_empty() || wanted.contains(&s.id))
    {
        let mut keep = true;
        for (name, values) in &filters {
            keep &= match name.as_str() {
                "subnet-id" => fits(values, &s.id),
                "vpc-id" => fits(values, &w.vpc),
                "availability-zone" | "availabilityZone" => fits(values, &s.zone),
                other => return Err(invalid_filter(other)),
            };
        }
        if keep {
            rows.push(
                Fields::new()
                    .set("subnetId", &s.id)
                    .set(
                        "subnetArn",
                        format!("arn:aws:ec2:{}:{}:subnet/{}", w.region, w.account, s.id),
                    )
                    .set("state", "available")
                    .set("ownerId", &w.account)
                    .set("vpcId", &w.vpc)
                    .set("cidrBlock", format!("10.0.{}.0/24", at + 10))
                    .set("availableIpAddressCount", 251i64)
                    .set("availabilityZone", &s.zone)
                    .set("defaultForAz", false)
                    .set("mapPublicIpOnLaunch", false),
            );
        }
    }
    Ok(Fields::new().items("subnetSet", rows))
}

pub(super) fn zones(w: &World) -> Result<Fields, ApiError> {
    let zones: BTreeSet<&str> = w.subnets.iter().map(|s| s.zone.as_str()).collect();
    Ok(Fields::new().items(
        "availabilityZoneInfo",
        zones.into_iter().map(|zone| {
            Fields::new()
                .set("zoneName", zone)
                .set("zoneState", "available")
                .set("regionName", &w.region)
                .set("zoneType", "availability-zone")
        }),
    ))
}

pub(super) fn vpcs(w: &World) -> Result<Fields, ApiError> {
    let row = Fields::new()
        .set("vpcId", &w.vpc)
        .set("ownerId", &w.account)
        .set("state", "available")
        .set("cidrBlock", "10.0.0.0/16")
        .set("isDefault", false);
    Ok(Fields::new().items("vpcSet", (!w.vpc.is_empty()).then_some(row)))
}
