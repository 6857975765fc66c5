//! DescribeInstances, DescribeInstanceStatus, GetConsoleOutput (aws-reference 7.3).
//!
//! **Invariant:** a terminated instance stays visible about an hour, then its id is unknown again.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    select::{Filter, filters, of_tags, paged, passes},
    tag_set,
};
use crate::{
    clock::iso,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        instance::{Ec2State, Instance},
    },
};

fn well_formed(id: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix("i-").unwrap_or_default();
    if matches!(digits.len(), 8 | 17) && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(ApiError::bad("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")))
}

/// Ids named in a read, each well formed and to be seen by now (aws-reference 2.3).
fn named(w: &World, p: &Node) -> Result<Vec<String>, ApiError> {
    known(w, p, |i| w.visible(&i.id, i.launched_at))
}

/// Ids named in the request, each well formed and there.
pub(super) fn known(w: &World, p: &Node, there: impl Fn(&Instance) -> bool) -> Result<Vec<String>, ApiError> {
    let ids = p.texts("InstanceId");
    ids.iter().try_for_each(|id| well_formed(id))?;
    let missing: Vec<&str> = ids.iter().filter(|id| !w.instances.get(*id).is_some_and(&there)).map(String::as_str).collect();
    match missing.as_slice() {
        [] => Ok(ids),
        [one] => Err(ApiError::bad("InvalidInstanceID.NotFound", format!("The instance ID '{one}' does not exist"))),
        many => Err(ApiError::bad("InvalidInstanceID.NotFound", format!("The instance IDs '{}' do not exist", many.join(", ")))),
    }
}

const FILTERS: &[&str] = &[
    "availability-zone",
    "image-id",
    "instance-id",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "private-ip-address",
    "subnet-id",
    "tag-key",
    "tag:",
    "vpc-id",
];

fn keep(w: &World, i: &Instance, filters: &[Filter]) -> bool {
    passes(filters, |name| {
        let value = match name {
            "instance-id" => i.id.clone(),
            "instance-state-name" => i.ec2.name().into(),
            "instance-state-code" => i.ec2.code().to_string(),
            "instance-type" => i.kind.clone(),
            "image-id" => i.ami.clone(),
            "availability-zone" => i.az.clone(),
            "subnet-id" => i.subnet.clone(),
            "vpc-id" => w.vpc.clone(),
            "private-ip-address" => i.ip.clone(),
            name => return of_tags(name, i.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        };
        vec![value]
    })
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    if !ids.is_empty() && p.text("MaxResults").is_some() {
        return Err(ApiError::bad("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let filters = filters(p, FILTERS)?;
    let mut rows = Vec::new();
    for i in w.instances.values().filter(|i| ids.is_empty() || ids.contains(&i.id)) {
        if keep(w, i, &filters) {
            rows.push(i);
        }
    }
    let (rows, next) = paged(p, rows, (5, 1000))?;
    let sets = rows.into_iter().map(|i| {
        Fields::new()
            .set("reservationId", i.id.replacen("i-", "r-", 1))
            .set("ownerId", &w.account)
            .items("groupSet", Vec::<Fields>::new())
            .items("instancesSet", [one(w, i)])
            .set("requesterId", "940372691376")
    });
    Ok(Fields::new().items("reservationSet", sets).opt("nextToken", next))
}

pub(super) fn state(s: Ec2State) -> Fields {
    Fields::new().set("code", s.code()).set("name", s.name())
}

fn one(w: &World, i: &Instance) -> Fields {
    let alive = i.ec2 != Ec2State::Terminated;
    let dns = format!("ip-{}.{}.compute.internal", i.ip.replace('.', "-"), w.region);
    let detailed = i.data.text("Monitoring.Enabled") == Some("true");
    let option = |name: &str, default: &str| i.data.text(&format!("MetadataOptions.{name}")).unwrap_or(default).to_owned();
    let mut out = Fields::new()
        .set("instanceId", &i.id)
        .set("imageId", &i.ami)
        .set("instanceState", state(i.ec2))
        .set("privateDnsName", if alive { dns.as_str() } else { "" })
        .set("dnsName", "")
        .opt("keyName", i.data.text("KeyName"))
        .set("amiLaunchIndex", 0i64)
        .items("productCodes", Vec::<Fields>::new())
        .set("instanceType", &i.kind)
        .set("launchTime", iso(i.started_at.unwrap_or(i.launched_at)))
        .set("placement", Fields::new().set("availabilityZone", &i.az).set("groupName", "").set("tenancy", "default"))
        .set("monitoring", Fields::new().set("state", if detailed { "enabled" } else { "disabled" }));
    if alive {
        out = out.set("subnetId", &i.subnet).set("vpcId", &w.vpc).set("privateIpAddress", &i.ip);
    }
    let name_of = |id: &str| w.security_groups.get(id).map_or_else(|| id.to_owned(), |g| g.name.clone());
    let groups = i.data.security_groups();
    out = out
        .items("groupSet", groups.iter().map(|id| Fields::new().set("groupId", id).set("groupName", name_of(id))))
        .set("architecture", "x86_64")
        .set("rootDeviceType", "ebs")
        .set("rootDeviceName", "/dev/xvda")
        .items("blockDeviceMapping", Vec::<Fields>::new())
        .set("virtualizationType", "hvm")
        .set("clientToken", i.activity.as_str())
        .items("tagSet", tag_set(i.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))))
        .set("hypervisor", "xen")
        .set("ebsOptimized", i.data.text("EbsOptimized").unwrap_or("false"));
    if let Some(profile) = i.data.at("IamInstanceProfile") {
        let arn = profile
            .text("Arn")
            .map(str::to_owned)
            .unwrap_or_else(|| format!("arn:aws:iam::{}:instance-profile/{}", w.account, profile.text("Name").unwrap_or_default()));
        let id = format!("AIPA{}", crate::rng::hex(w.seed, "profile", &arn, 17).to_uppercase());
        out = out.set("iamInstanceProfile", Fields::new().set("arn", arn).set("id", id));
    }
    if let Some((code, text)) = &i.state_reason {
        let at = i.shutdown_at.or(i.stopping_at).map(crate::clock::iso_seconds).unwrap_or_default();
        out = out
            .set("reason", format!("User initiated ({})", at.replace('T', " ").replace('Z', " GMT")))
            .set("stateReason", Fields::new().set("code", code).set("message", text));
    } else {
        out = out.set("reason", "");
    }
    out.set(
        "metadataOptions",
        Fields::new()
            .set("state", "applied")
            .set("httpTokens", option("HttpTokens", "required"))
            .set("httpPutResponseHopLimit", option("HttpPutResponseHopLimit", "2"))
            .set("httpEndpoint", option("HttpEndpoint", "enabled"))
            .set("httpProtocolIpv6", option("HttpProtocolIpv6", "disabled"))
            .set("instanceMetadataTags", option("InstanceMetadataTags", "disabled")),
    )
}

pub(super) fn status(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let ids = named(w, p)?;
    if ids.len() > 100 {
        return Err(ApiError::bad("InvalidParameterValue", "At most 100 instance ids can be named"));
    }
    if !ids.is_empty() && p.text("MaxResults").is_some() {
        return Err(ApiError::bad("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults"));
    }
    let all = p.text("IncludeAllInstances") == Some("true");
    let filters = filters(p, FILTERS)?;
    let mut rows = Vec::new();
    for i in w.instances.values().filter(|i| ids.is_empty() || ids.contains(&i.id)) {
        if (all || i.ec2 == Ec2State::Running) && keep(w, i, &filters) {
            rows.push(i);
        }
    }
    let (rows, next) = paged(p, rows, (5, 1000))?;
    let rows = rows.into_iter().map(|i| {
        // The instance check of an impaired one fails; that of the host below it does not.
        let (status, detail) = match i.ec2 {
            Ec2State::Running if w.now >= i.checks_ok_at => ("ok", "passed"),
            Ec2State::Running => ("initializing", "initializing"),
            _ => ("not-applicable", ""),
        };
        let check = |impaired: Option<i64>| {
            if let Some(since) = impaired {
                let row = Fields::new().set("name", "reachability").set("status", "failed").set("impairedSince", iso(since));
                return Fields::new().set("status", "impaired").items("details", [row]);
            }
            let out = Fields::new().set("status", status);
            if detail.is_empty() { out } else { out.items("details", [Fields::new().set("name", "reachability").set("status", detail)]) }
        };
        Fields::new()
            .set("instanceId", &i.id)
            .set("availabilityZone", &i.az)
            .set("instanceState", state(i.ec2))
            .set("systemStatus", check(None))
            .set("instanceStatus", check(i.impaired_since(w.now).filter(|_| status == "ok")))
            .set("attachedEbsStatus", check(None))
    });
    Ok(Fields::new().items("instanceStatusSet", rows).opt("nextToken", next))
}

/// Generations before Nitro, which keep no live console.
const BEFORE_NITRO: &[&str] =
    &["c1.", "c3.", "c4.", "d2.", "g2.", "g3.", "i2.", "m1.", "m2.", "m3.", "m4.", "p2.", "r3.", "r4.", "t1.", "t2.", "x1."];

pub(super) fn console(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let id = p.text("InstanceId").unwrap_or_default();
    if id.is_empty() {
        return Err(ApiError::bad("MissingParameter", "The request must contain the parameter InstanceId"));
    }
    well_formed(id)?;
    let Some(i) = w.instances.get(id) else {
        return Err(ApiError::bad("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
    };
    let asked = p.text("Latest");
    let latest = asked == Some("true");
    if latest && BEFORE_NITRO.iter().any(|family| i.kind.starts_with(family)) {
        return Err(ApiError::bad("UnsupportedOperation", "This instance type does not support retrieving the latest console logs."));
    }
    // Without Latest the output is what was kept last, at some pace since the instance came up (aws-reference 7.3).
    let pace = w.params.console_refresh.draw(w.seed, "console_refresh", id).max(1);
    let at = if latest { w.now } else { i.running_at + (w.now - i.running_at).max(0) / pace * pace };
    let text = i.console_text(at.min(w.now));
    let out = Fields::new().set("instanceId", id).set("timestamp", iso(at.min(w.now)));
    Ok(if text.is_empty() { out } else { out.set("output", STANDARD.encode(text)) })
}
