//! Security groups described, made and deleted (aws-reference 7.4).
//!
//! **Invariant:** a new group lets everything out and nothing in; one in use cannot go. There is no default VPC, so no
//! group is known by its name alone.

use super::{
    permissions, security_rules,
    select::{filters, invalid, of_tags, paged, passes},
    tag_set, tags,
    templates::missing,
};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        security::{Peer, Permission, SecurityGroup, Tags},
    },
};

const FILTERS: &[&str] = &[
    "description",
    "egress.ip-permission.cidr",
    "egress.ip-permission.from-port",
    "egress.ip-permission.group-id",
    "egress.ip-permission.group-name",
    "egress.ip-permission.ipv6-cidr",
    "egress.ip-permission.prefix-list-id",
    "egress.ip-permission.protocol",
    "egress.ip-permission.to-port",
    "egress.ip-permission.user-id",
    "group-id",
    "group-name",
    "ip-permission.cidr",
    "ip-permission.from-port",
    "ip-permission.group-id",
    "ip-permission.group-name",
    "ip-permission.ipv6-cidr",
    "ip-permission.prefix-list-id",
    "ip-permission.protocol",
    "ip-permission.to-port",
    "ip-permission.user-id",
    "owner-id",
    "tag-key",
    "tag:",
    "vpc-id",
];

/// Groups are named by id: without a default VPC a name says nothing.
pub(super) fn no_names(p: &Node) -> Result<(), ApiError> {
    if p.at("GroupName").is_some() {
        return Err(invalid("VPCIdNotSpecified", "No default VPC for this user"));
    }
    Ok(())
}

pub(super) fn no_group(id: &str) -> ApiError {
    invalid("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
}

/// An id in the form of a group's.
fn well_formed(id: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix("sg-").unwrap_or_default();
    if matches!(digits.len(), 8 | 17) && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(invalid("InvalidGroupId.Malformed", format!("Invalid id: \"{id}\" (expecting \"sg-...\")")))
}

/// Id of the group a changing call names.
pub(super) fn one(w: &World, p: &Node) -> Result<String, ApiError> {
    let Some(id) = p.text("GroupId") else {
        no_names(p)?;
        return Err(missing("GroupId"));
    };
    well_formed(id)?;
    w.security_groups.get(id).map(|g| g.id.clone()).ok_or_else(|| no_group(id))
}

pub(super) fn arn(w: &World, id: &str) -> String {
    format!("arn:aws:ec2:{}:{}:security-group/{id}", w.region, w.account)
}

/// What a rule has under the last part of a filter's name.
fn of_rule(w: &World, r: &Permission, name: &str) -> Option<String> {
    let port = |port: Option<i64>| port.map(|p| p.to_string());
    match (name, &r.peer) {
        ("protocol", _) => Some(r.protocol.clone()),
        ("from-port", _) => port(r.from),
        ("to-port", _) => port(r.to),
        ("cidr", Peer::V4(cidr)) | ("ipv6-cidr", Peer::V6(cidr)) => Some(cidr.clone()),
        ("group-id", Peer::Group(id)) => Some(id.clone()),
        ("group-name", Peer::Group(id)) => w.security_groups.get(id).map(|g| g.name.clone()),
        ("user-id", Peer::Group(_)) => Some(w.account.clone()),
        _ => None,
    }
}

fn values(w: &World, g: &SecurityGroup, name: &str) -> Vec<String> {
    let rules = |egress: bool, part: &str| g.rules.iter().filter(|r| r.egress == egress).filter_map(|r| of_rule(w, r, part)).collect();
    if let Some(part) = name.strip_prefix("egress.ip-permission.") {
        return rules(true, part);
    }
    if let Some(part) = name.strip_prefix("ip-permission.") {
        return rules(false, part);
    }
    match name {
        "description" => vec![g.description.clone()],
        "group-id" => vec![g.id.clone()],
        "group-name" => vec![g.name.clone()],
        "owner-id" => vec![w.account.clone()],
        "vpc-id" => vec![w.vpc.clone()],
        name => of_tags(name, g.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
    }
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, FILTERS)?;
    no_names(p)?;
    let ids = p.texts("GroupId");
    for id in &ids {
        well_formed(id)?;
        if w.security_groups.get(id).is_none_or(|g| !w.visible(id, g.created)) {
            return Err(no_group(id));
        }
    }
    let rows = w.security_groups.values().filter(|g| (ids.is_empty() || ids.contains(&g.id)) && passes(&filters, |name| values(w, g, name)));
    let (rows, next) = paged(p, rows.collect(), (5, 1000))?;
    let rows = rows.into_iter().map(|g| {
        let of = |egress: bool| permissions::grouped(w, g.rules.iter().filter(|r| r.egress == egress));
        let out = Fields::new()
            .set("ownerId", &w.account)
            .set("groupId", &g.id)
            .set("groupName", &g.name)
            .set("groupDescription", &g.description)
            .set("vpcId", &w.vpc)
            .set("securityGroupArn", arn(w, &g.id))
            .items("ipPermissions", of(false))
            .items("ipPermissionsEgress", of(true));
        if g.tags.is_empty() { out } else { out.items("tagSet", tag_set(g.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())))) }
    });
    Ok(Fields::new().items("securityGroupInfo", rows).opt("nextToken", next))
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let text = |name: &str| p.text(name).filter(|t| !t.is_empty()).map(str::to_owned).ok_or_else(|| missing(name));
    let (name, description) = (text("GroupName")?, text("GroupDescription")?);
    let vpc = p.text("VpcId").ok_or_else(|| invalid("VPCIdNotSpecified", "No default VPC for this user"))?;
    if w.vpc.is_empty() || vpc != w.vpc {
        return Err(invalid("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist")));
    }
    let fine = |t: &str| t.len() <= 255 && t.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c));
    for (member, value) in [("groupName", &name), ("groupDescription", &description)] {
        if !fine(value) {
            return Err(invalid(
                "InvalidParameterValue",
                format!("Value ({value}) for parameter {member} is invalid. Character sets beyond ASCII are not supported."),
            ));
        }
    }
    if name.starts_with("sg-") {
        let message = format!("Invalid value '{name}' for groupName. You may not specify a value that begins with 'sg-'.");
        return Err(invalid("InvalidParameterValue", message));
    }
    if w.security_groups.values().any(|g| g.name == name) {
        return Err(invalid("InvalidGroup.Duplicate", format!("The security group '{name}' already exists for VPC '{vpc}'")));
    }
    let labels = tags::specified(p, "security-group")?;
    let id = format!("sg-0{}", w.new_hex("security_group", 16));
    let out = Permission {
        id: format!("sgr-0{}", w.new_hex("rule", 16)),
        egress: true,
        protocol: "-1".into(),
        from: None,
        to: None,
        peer: Peer::V4("0.0.0.0/0".into()),
        description: None,
        tags: Tags::new(),
    };
    let group = SecurityGroup { id: id.clone(), name, description, created: w.now, rules: vec![out], tags: labels.clone() };
    w.security_groups.insert(id.clone(), group);
    let answer = Fields::new().set("groupId", &id).set("securityGroupArn", arn(w, &id));
    if labels.is_empty() {
        return Ok(answer);
    }
    Ok(answer.items("tagSet", tag_set(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())))))
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = one(w, p)?;
    if w.default_group().as_ref() == Some(&id) {
        return Err(invalid("CannotDelete", format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user")));
    }
    if w.group_in_use(&id) {
        return Err(invalid("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    w.security_groups.remove(&id);
    Ok(security_rules::done().set("groupId", id))
}
