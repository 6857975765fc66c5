use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateBlockDeviceMapping, LaunchTemplateCpuOptions, LaunchTemplateEbsBlockDevice, LaunchTemplateHttpTokensState,
    LaunchTemplateInstanceMetadataOptions, LaunchTemplateTagSpecification, ResourceType, Tag, VolumeType,
};

use super::*;

fn made(data: sdk::ResponseLaunchTemplateData) -> TemplateVersion {
    let raw = sdk::LaunchTemplateVersion::builder().launch_template_id("lt-1").version_number(7).launch_template_data(data).build();
    version(raw).expect("has id and number")
}

fn tags(kind: ResourceType, pairs: &[(&str, &str)]) -> LaunchTemplateTagSpecification {
    let tags = pairs.iter().map(|(k, v)| Tag::builder().key(*k).value(*v).build()).collect();
    LaunchTemplateTagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

#[test]
fn known_members_have_a_line_each_and_nothing_is_left_over() {
    let ebs = LaunchTemplateEbsBlockDevice::builder().volume_size(8).volume_type(VolumeType::Gp3).encrypted(true).build();
    let metadata =
        LaunchTemplateInstanceMetadataOptions::builder().http_tokens(LaunchTemplateHttpTokensState::Required).http_put_response_hop_limit(2).build();
    let v = made(
        sdk::ResponseLaunchTemplateData::builder()
            .image_id("ami-1")
            .instance_type(InstanceType::T3Micro)
            .security_group_ids("sg-2")
            .security_group_ids("sg-1")
            .metadata_options(metadata)
            .block_device_mappings(LaunchTemplateBlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build())
            .user_data(STANDARD.encode("#!/bin/bash\necho hi\n"))
            .set_license_specifications(Some(Vec::new()))
            .build(),
    );
    assert_eq!(v.user_data.as_deref(), Some("#!/bin/bash\necho hi\n"));
    assert_eq!(v.ami.as_deref(), Some("ami-1"));
    let lines: Vec<String> = v.rest.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        lines,
        [
            "block_device_mappings./dev/xvda.ebs.encrypted=true",
            "block_device_mappings./dev/xvda.ebs.volume_size=8",
            "block_device_mappings./dev/xvda.ebs.volume_type=gp3",
            "block_device_mappings./dev/xvda.mapped=true",
            "image_id=ami-1",
            "instance_type=t3.micro",
            "metadata_options.http_put_response_hop_limit=2",
            "metadata_options.http_tokens=required",
            "security_group_ids=sg-1,sg-2",
        ]
    );
}

#[test]
fn a_member_without_a_line_of_its_own_is_not_dropped() {
    let with =
        |cores| made(sdk::ResponseLaunchTemplateData::builder().cpu_options(LaunchTemplateCpuOptions::builder().core_count(cores).build()).build());
    assert!(with(2).rest["other"].contains("core_count: Some(2)"));
    assert_ne!(with(2).rest, with(4).rest);
    assert!(made(sdk::ResponseLaunchTemplateData::builder().build()).rest.is_empty());
}

#[test]
fn tags_of_other_resources_come_back_out_of_the_lines() {
    let v = made(
        sdk::ResponseLaunchTemplateData::builder()
            .tag_specifications(tags(ResourceType::Instance, &[("app", "shop")]))
            .tag_specifications(tags(ResourceType::Volume, &[("cost.center", "7"), ("a", "")]))
            .build(),
    );
    assert_eq!(v.instance_tags, BTreeMap::from([("app".into(), "shop".into())]));
    let volume = BTreeMap::from([("a".to_owned(), String::new()), ("cost.center".to_owned(), "7".to_owned())]);
    assert_eq!(other_tag_specs(&v), BTreeMap::from([("volume".to_owned(), volume)]));
}

#[test]
fn user_data_that_is_no_text_is_known_by_its_hash() {
    let opaque = |encoded: &str| made(sdk::ResponseLaunchTemplateData::builder().user_data(encoded).build());
    let gzip = opaque(&STANDARD.encode([0x1f, 0x8b, 0x08, 0x00]));
    assert_eq!(gzip.user_data, None);
    assert_eq!(gzip.rest["user_data.opaque"].len(), 64);
    assert_ne!(gzip.rest, opaque(&STANDARD.encode([0x1f, 0x8b, 0x08, 0x01])).rest);
    assert_eq!(opaque("not base64!").user_data, None);
    assert_eq!(opaque("").rest, BTreeMap::new());
    assert_eq!(opaque("aGkg\naGk=").user_data.as_deref(), Some("hi hi"), "line breaks are no part of base64");
}
