//! Machine images: those that a template or an instance of this world names, all of them Amazon's.
//!
//! **Invariant:** an image does not change with time; a selector that names something else is refused.

use std::collections::BTreeSet;

use super::select::{filters, invalid, paged, passes};
use crate::{
    rng,
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

const NAME: &str = "al2023-ami-2023.6.20250303.0-kernel-6.1-x86_64";
const DESCRIPTION: &str = "Amazon Linux 2023 AMI 2023.6.20250303.0 x86_64 HVM kernel-6.1";
const CREATED: &str = "2025-02-28T18:49:23.000Z";
const OWNER: &str = "137112412989";
const DEVICE: &str = "/dev/xvda";

/// The documented filters but those of watermarks, scans and instance type specifications.
const FILTERS: &[&str] = &[
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.encrypted",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "boot-mode",
    "creation-date",
    "description",
    "ena-support",
    "hypervisor",
    "image-id",
    "image-type",
    "is-public",
    "kernel-id",
    "manifest-location",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "product-code",
    "product-code.type",
    "ramdisk-id",
    "root-device-name",
    "root-device-type",
    "source-instance-id",
    "sriov-net-support",
    "state",
    "state-reason-code",
    "state-reason-message",
    "tag-key",
    "tag:",
    "virtualization-type",
];

fn location() -> String {
    format!("amazon/{NAME}")
}

fn snapshot(w: &World, id: &str) -> String {
    format!("snap-0{}", rng::hex(w.seed, "snapshot", id, 16))
}

/// What an image has under a filter's name.
fn value(w: &World, id: &str, name: &str) -> Option<String> {
    let text = match name {
        "architecture" => "x86_64",
        "block-device-mapping.delete-on-termination" | "ena-support" | "is-public" => "true",
        "block-device-mapping.device-name" | "root-device-name" => DEVICE,
        "block-device-mapping.encrypted" => "false",
        "block-device-mapping.snapshot-id" => return Some(snapshot(w, id)),
        "block-device-mapping.volume-size" => "8",
        "block-device-mapping.volume-type" => "gp3",
        "boot-mode" => "uefi-preferred",
        "creation-date" => CREATED,
        "description" => DESCRIPTION,
        "hypervisor" => "xen",
        "image-id" => id,
        "image-type" => "machine",
        "manifest-location" => return Some(location()),
        "name" => NAME,
        "owner-alias" => "amazon",
        "owner-id" => OWNER,
        "root-device-type" => "ebs",
        "sriov-net-support" => "simple",
        "state" => "available",
        "virtualization-type" => "hvm",
        _ => return None,
    };
    Some(text.to_owned())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether one of these owners or users means Amazon's public images; `words` are those that are no account's number.
fn meant(asked: &[String], words: &[&str], hit: &[&str]) -> Result<bool, ApiError> {
    if let Some(odd) = asked.iter().find(|o| !words.contains(&o.as_str()) && !is_account(o)) {
        return Err(invalid("InvalidUserID.Malformed", format!("Invalid user id: \"{odd}\"")));
    }
    Ok(asked.is_empty() || asked.iter().any(|o| hit.contains(&o.as_str())))
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("ami-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|c| c.is_ascii_hexdigit())
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, FILTERS)?;
    let owned = meant(&p.texts("Owner"), &["self", "amazon", "aws-backup-vault", "aws-marketplace"], &["amazon", OWNER])?;
    let launchable = meant(&p.texts("ExecutableBy"), &["self", "all"], &["all"])?;
    let wanted = p.texts("ImageId");
    let known: BTreeSet<&str> = w
        .templates
        .values()
        .flat_map(|t| t.versions.values())
        .filter_map(|v| v.data.text("ImageId"))
        .chain(w.instances.values().map(|i| i.ami.as_str()))
        .filter(|id| id.starts_with("ami-"))
        .collect();
    let lost: Vec<&str> = wanted.iter().map(String::as_str).filter(|id| !known.contains(id)).collect();
    if let Some(odd) = lost.iter().find(|id| !is_id(id)) {
        return Err(invalid("InvalidAMIID.Malformed", format!("Invalid id: \"{odd}\"")));
    }
    match lost.as_slice() {
        [] => {}
        [one] => return Err(invalid("InvalidAMIID.NotFound", format!("The image id '[{one}]' does not exist"))),
        many => return Err(invalid("InvalidAMIID.NotFound", format!("The image ids '[{}]' do not exist", many.join(", ")))),
    }
    let rows = known.into_iter().filter(|id| {
        owned
            && launchable
            && (wanted.is_empty() || wanted.iter().any(|w| w == id))
            && passes(&filters, |name| value(w, id, name).into_iter().collect())
    });
    let (rows, next) = paged(p, rows.collect(), (1, 1000))?;
    let rows = rows.into_iter().map(|id| one(w, id));
    Ok(Fields::new().items("imagesSet", rows).opt("nextToken", next))
}

fn one(w: &World, id: &str) -> Fields {
    let volume = Fields::new()
        .set("deleteOnTermination", true)
        .set("iops", 3000i64)
        .set("snapshotId", snapshot(w, id))
        .set("volumeSize", 8i64)
        .set("volumeType", "gp3")
        .set("throughput", 125i64)
        .set("encrypted", false);
    Fields::new()
        .set("imageId", id)
        .set("imageLocation", location())
        .set("imageState", "available")
        .set("imageOwnerId", OWNER)
        .set("creationDate", CREATED)
        .set("isPublic", true)
        .set("architecture", "x86_64")
        .set("imageType", "machine")
        .set("platformDetails", "Linux/UNIX")
        .set("usageOperation", "RunInstances")
        .items("blockDeviceMapping", [Fields::new().set("deviceName", DEVICE).set("ebs", volume)])
        .set("description", DESCRIPTION)
        .set("enaSupport", true)
        .set("hypervisor", "xen")
        .set("imageOwnerAlias", "amazon")
        .set("name", NAME)
        .set("rootDeviceName", DEVICE)
        .set("rootDeviceType", "ebs")
        .set("sriovNetSupport", "simple")
        .set("virtualizationType", "hvm")
        .set("bootMode", "uefi-preferred")
        .set("imdsSupport", "v2.0")
}
