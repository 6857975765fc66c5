//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions (aws-reference 7.1).
//!
//! **Invariant:** newest version first unless versions are named, then in the order they were named.

use super::{
    select::{filters, of_tags, paged, passes},
    templates::{find, missing, no_id, no_name, no_version, one, version},
};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        template::{Template, Version},
    },
};

pub(super) fn templates(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, &["create-time", "launch-template-name", "tag-key", "tag:"])?;
    let (ids, names) = (p.texts("LaunchTemplateId"), p.texts("LaunchTemplateName"));
    let seen = |t: &Template| w.visible(&t.id, t.created);
    if let Some(id) = ids.iter().find(|id| !w.templates.get(*id).is_some_and(seen)) {
        return Err(no_id(id));
    }
    if let Some(name) = names.iter().find(|n| !w.template_named(n).is_some_and(seen)) {
        return Err(no_name(name));
    }
    let rows = w.templates.values().filter(|t| {
        (ids.is_empty() || ids.contains(&t.id))
            && (names.is_empty() || names.contains(&t.name))
            && passes(&filters, |name| match name {
                "launch-template-name" => vec![t.name.clone()],
                "create-time" => vec![iso(t.created)],
                name => of_tags(name, t.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
            })
    });
    let (rows, next) = paged(p, rows.collect(), (1, 200))?;
    Ok(Fields::new().items("launchTemplates", rows.into_iter().map(one)).opt("nextToken", next))
}

/// A filter of DescribeLaunchTemplateVersions and where its value stands in the template data.
const IN_DATA: &[(&str, &str)] = &[
    ("ebs-optimized", "EbsOptimized"),
    ("host-resource-group-arn", "Placement.HostResourceGroupArn"),
    ("http-endpoint", "MetadataOptions.HttpEndpoint"),
    ("http-tokens", "MetadataOptions.HttpTokens"),
    ("iam-instance-profile", "IamInstanceProfile.Arn"),
    ("image-id", "ImageId"),
    ("instance-type", "InstanceType"),
    ("kernel-id", "KernelId"),
    ("ram-disk-id", "RamDiskId"),
];
/// The filters whose values stand elsewhere.
const ELSEWHERE: &[&str] = &["create-time", "http-protocol-ipv4", "is-default-version", "license-configuration-arn", "network-card-index"];

/// What a version has under a filter's name.
fn values(t: &Template, v: &Version, name: &str) -> Vec<String> {
    let within = |list: &str, member: &str| v.data.list(list).iter().filter_map(|row| row.text(member).map(str::to_owned)).collect();
    match name {
        "create-time" => vec![iso(v.created)],
        "is-default-version" => vec![(v.number == t.default).to_string()],
        "license-configuration-arn" => within("LicenseSpecification", "LicenseConfigurationArn"),
        "network-card-index" => within("NetworkInterface", "NetworkCardIndex"),
        name => {
            let path = IN_DATA.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
            path.and_then(|path| v.data.text(path)).map(str::to_owned).into_iter().collect()
        }
    }
}

pub(super) fn versions(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let known: Vec<&str> = IN_DATA.iter().map(|(name, _)| *name).chain(ELSEWHERE.iter().copied()).collect();
    let filters = filters(p, &known)?;
    let wanted = p.texts("LaunchTemplateVersion");
    let named = p.text("LaunchTemplateId").is_some() || p.text("LaunchTemplateName").is_some();
    let mut rows = Vec::new();
    if !named {
        // Without a template only $Latest and $Default may be asked for, over all templates.
        if wanted.is_empty() || wanted.iter().any(|v| !v.starts_with('$')) {
            return Err(missing("LaunchTemplateId"));
        }
        for t in w.templates.values() {
            rows.extend(wanted.iter().filter_map(|v| t.resolve(v)).map(|v| (t, v)));
        }
    } else {
        let id = find(w, p)?;
        let Some(t) = w.templates.get(&id).filter(|t| w.visible(&t.id, t.created)) else {
            return Err(p.text("LaunchTemplateName").map_or_else(|| no_id(&id), no_name));
        };
        if wanted.is_empty() {
            let bound = |name: &str| p.text(name).map(|v| t.number(v).ok_or_else(|| no_version(v, t))).transpose();
            let (low, high) = (bound("MinVersion")?.unwrap_or(0), bound("MaxVersion")?.unwrap_or(u64::MAX));
            rows.extend(t.versions.values().rev().filter(|v| (low..=high).contains(&v.number)).map(|v| (t, v)));
        } else {
            for text in &wanted {
                rows.push((t, t.resolve(text).ok_or_else(|| no_version(text, t))?));
            }
        }
    }
    rows.retain(|(t, v)| passes(&filters, |name| values(t, v, name)));
    let (rows, next) = paged(p, rows, (1, 200))?;
    let rows = rows.into_iter().map(|(t, v)| version(t, v));
    Ok(Fields::new().items("launchTemplateVersionSet", rows).opt("nextToken", next))
}
