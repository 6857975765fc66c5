//! A launch template version as plain values.
//!
//! **Invariant:** nothing that AWS returned is dropped: members without a line of their own stand in an `other` line, so
//! that two versions with equal values launch equal instances. User data that is not text is known by its hash only.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use aws_sdk_ec2::types as sdk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::domain::observation::TemplateVersion;

/// Most bytes of user data, before base64 (aws-reference 7.2).
pub const MAX_USER_DATA_BYTES: usize = 16_384;

/// Prefix of the lines in `rest` that hold tags of resources other than instances.
const TAGS: &str = "tags.";

/// The tags that a version gives to resources other than instances, by resource type: for
/// [`super::Cloud::create_template_version`].
pub fn other_tag_specs(version: &TemplateVersion) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut specs: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let lines = version.rest.iter().filter_map(|(path, value)| Some((path.strip_prefix(TAGS)?, value)));
    // A resource type has no dot; a tag key may.
    for ((kind, key), value) in lines.filter_map(|(path, value)| Some((path.split_once('.')?, value))) {
        specs.entry(kind.to_owned()).or_default().insert(key.to_owned(), value.clone());
    }
    specs
}

/// Ours from the SDK's; `None` when it has no template id or number.
pub(super) fn version(v: sdk::LaunchTemplateVersion) -> Option<TemplateVersion> {
    let mut data = v.launch_template_data.unwrap_or_else(|| sdk::ResponseLaunchTemplateData::builder().build());
    let mut rest = Rest::default();
    let user_data = match data.user_data.take().filter(|text| !text.trim().is_empty()).map(|text| decoded(&text)) {
        Some(Ok(text)) => Some(text),
        Some(Err(hash)) => {
            rest.put("user_data.opaque", Some(hash));
            None
        }
        None => None,
    };
    let mut instance_tags = BTreeMap::new();
    for spec in data.tag_specifications.take().unwrap_or_default() {
        let kind = spec.resource_type.map(|t| t.as_str().to_owned()).unwrap_or_default();
        for tag in spec.tags.unwrap_or_default() {
            let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
            if kind == "instance" {
                instance_tags.insert(key, value);
            } else {
                rest.put(&format!("{TAGS}{kind}.{key}"), Some(value));
            }
        }
    }
    let ami = data.image_id.clone();
    rest.data(data);
    Some(TemplateVersion {
        template_id: v.launch_template_id?,
        number: v.version_number?,
        description: v.version_description.unwrap_or_default(),
        user_data,
        instance_tags,
        rest: rest.0,
        ami,
    })
}

/// The text, or the hash of what is none (compressed, or not base64 at all).
fn decoded(encoded: &str) -> Result<String, String> {
    let compact: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(&compact).map_err(|_| hex(encoded.as_bytes()))?;
    String::from_utf8(bytes).map_err(|e| hex(e.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Sorted `path=value` lines.
#[derive(Default)]
struct Rest(BTreeMap<String, String>);

/// Puts members of a structure under their own names: `put!(rest, path, structure, member, …)`.
macro_rules! put {
    ($rest:expr, $path:expr, $from:expr, $($member:ident),+ $(,)?) => {
        $($rest.put(&format!("{}{}", $path, stringify!($member)), $from.$member.take());)+
    };
}
/// The same for members that are enumerations: their text as AWS spells it.
macro_rules! put_text {
    ($rest:expr, $path:expr, $from:expr, $($member:ident),+ $(,)?) => {
        $($rest.put(&format!("{}{}", $path, stringify!($member)), $from.$member.take().map(|v| v.as_str().to_owned()));)+
    };
}

impl Rest {
    fn put(&mut self, path: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.insert(path.to_owned(), value.to_string());
        }
    }

    /// A list whose order means nothing.
    fn set(&mut self, path: &str, values: Option<Vec<String>>) {
        let mut values = values.unwrap_or_default();
        values.sort();
        self.put(path, (!values.is_empty()).then(|| values.join(",")));
    }

    /// What is left of a structure after its known members were taken out.
    fn other(&mut self, path: &str, left: &impl Debug, nothing: &impl Debug) {
        let text = |value: &dyn Debug| format!("{value:?}").replace("Some([])", "None");
        let left = text(left);
        if left != text(nothing) {
            self.put(path, Some(left));
        }
    }

    fn data(&mut self, mut d: sdk::ResponseLaunchTemplateData) {
        put!(self, "", d, image_id, key_name, kernel_id, ram_disk_id, ebs_optimized, disable_api_termination, disable_api_stop);
        put_text!(self, "", d, instance_type, instance_initiated_shutdown_behavior);
        self.set("security_group_ids", d.security_group_ids.take());
        self.set("security_groups", d.security_groups.take());
        if let Some(mut profile) = d.iam_instance_profile.take() {
            put!(self, "iam_instance_profile.", profile, arn, name);
        }
        self.put("monitoring.enabled", d.monitoring.take().and_then(|m| m.enabled));
        self.put("credit_specification.cpu_credits", d.credit_specification.take().and_then(|c| c.cpu_credits));
        self.put("hibernation_options.configured", d.hibernation_options.take().and_then(|h| h.configured));
        self.put("enclave_options.enabled", d.enclave_options.take().and_then(|e| e.enabled));
        let recovery = d.maintenance_options.take().and_then(|m| m.auto_recovery);
        self.put("maintenance_options.auto_recovery", recovery.map(|r| r.as_str().to_owned()));
        if let Some(mut m) = d.metadata_options.take() {
            let path = "metadata_options.";
            // `state` says whether the setting has been applied to running instances: no part of the content.
            m.state = None;
            put!(self, path, m, http_put_response_hop_limit);
            put_text!(self, path, m, http_tokens, http_endpoint, http_protocol_ipv6, instance_metadata_tags);
            self.other("metadata_options.other", &m, &sdk::LaunchTemplateInstanceMetadataOptions::builder().build());
        }
        if let Some(mut names) = d.private_dns_name_options.take() {
            let path = "private_dns_name_options.";
            put!(self, path, names, enable_resource_name_dns_a_record, enable_resource_name_dns_aaaa_record);
            put_text!(self, path, names, hostname_type);
        }
        if let Some(mut place) = d.placement.take() {
            let path = "placement.";
            put!(self, path, place, availability_zone, availability_zone_id, affinity, group_name, group_id, host_id);
            put!(self, path, place, spread_domain, host_resource_group_arn, partition_number);
            put_text!(self, path, place, tenancy);
            self.other("placement.other", &place, &sdk::LaunchTemplatePlacement::builder().build());
        }
        if let Some(mut reservation) = d.capacity_reservation_specification.take() {
            let path = "capacity_reservation_specification.";
            put_text!(self, path, reservation, capacity_reservation_preference);
            if let Some(mut target) = reservation.capacity_reservation_target.take() {
                put!(self, path, target, capacity_reservation_id, capacity_reservation_resource_group_arn);
            }
        }
        for (index, device) in d.block_device_mappings.take().unwrap_or_default().into_iter().enumerate() {
            self.device(index, device);
        }
        for (index, interface) in d.network_interfaces.take().unwrap_or_default().into_iter().enumerate() {
            self.interface(index, interface);
        }
        self.other("other", &d, &sdk::ResponseLaunchTemplateData::builder().build());
    }

    fn device(&mut self, index: usize, mut device: sdk::LaunchTemplateBlockDeviceMapping) {
        let name = device.device_name.take().unwrap_or_else(|| index.to_string());
        let path = format!("block_device_mappings.{name}.");
        // A device with no setting of its own is still there.
        self.put(&format!("{path}mapped"), Some(true));
        put!(self, path, device, virtual_name, no_device);
        if let Some(mut ebs) = device.ebs.take() {
            let path = format!("{path}ebs.");
            put!(self, path, ebs, encrypted, delete_on_termination, iops, kms_key_id, snapshot_id, volume_size, throughput);
            put!(self, path, ebs, volume_initialization_rate, ebs_card_index);
            put_text!(self, path, ebs, volume_type);
            self.other(&format!("{path}other"), &ebs, &sdk::LaunchTemplateEbsBlockDevice::builder().build());
        }
        self.other(&format!("{path}other"), &device, &sdk::LaunchTemplateBlockDeviceMapping::builder().build());
    }

    fn interface(&mut self, index: usize, mut n: sdk::LaunchTemplateInstanceNetworkInterfaceSpecification) {
        let path = format!("network_interfaces.{index}.");
        self.put(&format!("{path}mapped"), Some(true));
        put!(self, path, n, device_index, network_card_index, description, interface_type, network_interface_id, subnet_id);
        put!(self, path, n, associate_public_ip_address, associate_carrier_ip_address, delete_on_termination);
        put!(self, path, n, private_ip_address, secondary_private_ip_address_count, ipv6_address_count, primary_ipv6);
        put!(self, path, n, ipv4_prefix_count, ipv6_prefix_count);
        self.set(&format!("{path}groups"), n.groups.take());
        self.other(&format!("{path}other"), &n, &sdk::LaunchTemplateInstanceNetworkInterfaceSpecification::builder().build());
    }
}

#[cfg(test)]
mod tests;
