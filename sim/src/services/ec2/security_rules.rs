//! Rules of security groups authorized, revoked and described (aws-reference 7.4).
//!
//! **Invariant:** a call adds or takes away all its rules or none; a rule is there once, whatever it is called.

use super::{
    permissions,
    security_groups::one,
    select::{filters, invalid, of_tags, paged, passes},
    tags,
};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        security::{Peer, Permission},
    },
};

/// `return` of a call that did what it was asked.
pub(super) fn done() -> Fields {
    Fields::new().set("return", true)
}

fn said(r: &Permission) -> String {
    let peer = match &r.peer {
        Peer::V4(text) | Peer::V6(text) | Peer::Group(text) => text,
    };
    let protocol = if r.protocol == "-1" { "ALL".to_owned() } else { r.protocol.to_uppercase() };
    let ports = r.from.zip(r.to).map(|(from, to)| format!(", from port: {from}, to port: {to}")).unwrap_or_default();
    format!("peer: {peer}, {protocol}{ports}, ALLOW")
}

pub(super) fn authorize(w: &mut World, p: &Node, egress: bool) -> Result<Fields, ApiError> {
    let id = one(w, p)?;
    let mut new = permissions::read(w, p, egress)?;
    let labels = tags::specified(p, "security-group-rule")?;
    let old = w.security_groups.get(&id).map(|g| g.rules.as_slice()).unwrap_or_default();
    for (at, rule) in new.iter().enumerate() {
        if old.iter().any(|r| r.same(rule)) {
            return Err(invalid("InvalidPermission.Duplicate", format!("the specified rule \"{}\" already exists", said(rule))));
        }
        if new[..at].iter().any(|r| r.same(rule)) {
            return Err(invalid("InvalidParameterValue", "The same permission must not appear multiple times"));
        }
    }
    for rule in &mut new {
        rule.id = format!("sgr-0{}", w.new_hex("rule", 16));
        rule.tags.clone_from(&labels);
    }
    let rows: Vec<Fields> = new.iter().map(|r| permissions::single(w, &id, r, false)).collect();
    if let Some(g) = w.security_groups.get_mut(&id) {
        g.rules.extend(new);
    }
    Ok(done().items("securityGroupRuleSet", rows))
}

pub(super) fn revoke(w: &mut World, p: &Node, egress: bool) -> Result<Fields, ApiError> {
    let id = one(w, p)?;
    let rules = w.security_groups.get(&id).map(|g| g.rules.clone()).unwrap_or_default();
    let ids = p.texts("SecurityGroupRuleId");
    let gone: Vec<Permission> = if ids.is_empty() {
        let wanted = permissions::read(w, p, egress)?;
        let found = |rule: &Permission| rules.iter().find(|r| r.same(rule)).cloned();
        let lost = || invalid("InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
        wanted.iter().map(|rule| found(rule).ok_or_else(lost)).collect::<Result<_, _>>()?
    } else {
        let found = |id: &String| rules.iter().find(|r| r.id == *id && r.egress == egress).cloned();
        ids.iter().map(|id| found(id).ok_or_else(|| no_rule(id))).collect::<Result<_, _>>()?
    };
    if let Some(g) = w.security_groups.get_mut(&id) {
        g.rules.retain(|r| !gone.iter().any(|x| x.id == r.id));
    }
    Ok(done().items("revokedSecurityGroupRuleSet", gone.iter().map(|r| permissions::single(w, &id, r, true))))
}

fn no_rule(id: &str) -> ApiError {
    invalid("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, &["group-id", "security-group-rule-id", "tag-key", "tag:"])?;
    let ids = p.texts("SecurityGroupRuleId");
    let all: Vec<(&String, &Permission)> = w.security_groups.values().flat_map(|g| g.rules.iter().map(move |r| (&g.id, r))).collect();
    if let Some(lost) = ids.iter().find(|id| !all.iter().any(|(_, r)| r.id == **id)) {
        return Err(no_rule(lost));
    }
    let rows = all.into_iter().filter(|(group, r)| {
        (ids.is_empty() || ids.contains(&r.id))
            && passes(&filters, |name| match name {
                "group-id" => vec![(*group).clone()],
                "security-group-rule-id" => vec![r.id.clone()],
                name => of_tags(name, r.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
            })
    });
    let (rows, next) = paged(p, rows.collect(), (5, 1000))?;
    let rows = rows.into_iter().map(|(group, r)| permissions::single(w, group, r, false));
    Ok(Fields::new().items("securityGroupRuleSet", rows).opt("nextToken", next))
}
