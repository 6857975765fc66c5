//! Roles (aws-reference 11).
//!
//! **Invariant:** a role that has policies or stands in an instance profile is not deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::{conflict, document, encoded, name, paged, prefix, role};
use crate::{
    clock::iso_seconds,
    policy::Document,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, iam::Role},
};

/// Characters of a trust policy, white space aside.
const TRUST_MOST: usize = 2048;
const TAGS_MOST: usize = 50;
const ROLES_MOST: usize = 1000;

/// What every answer says about a role.
pub(super) fn brief(r: &Role) -> Fields {
    Fields::new()
        .set("Path", &r.path)
        .set("RoleName", &r.name)
        .set("RoleId", &r.id)
        .set("Arn", &r.arn)
        .set("CreateDate", iso_seconds(r.created))
        .set("AssumeRolePolicyDocument", encoded(&r.trust.text))
}

fn listed(r: &Role) -> Fields {
    brief(r).opt("Description", r.description.as_ref()).set("MaxSessionDuration", r.max_session)
}

fn with_tags(out: Fields, r: &Role) -> Fields {
    if r.tags.is_empty() {
        return out;
    }
    out.members("Tags", r.tags.iter().map(|(k, v)| Fields::new().set("Key", k).set("Value", v)))
}

pub(super) fn get(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let r = role(w, p)?;
    let used = match r.used {
        Some(at) => Fields::new().set("LastUsedDate", iso_seconds(at)).set("Region", &w.region),
        None => Fields::new(),
    };
    Ok(Fields::new().set("Role", with_tags(listed(r), r).set("RoleLastUsed", used)))
}

pub(super) fn list(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let prefix = prefix(p)?;
    paged(p, "Roles", w.iam.roles.values().filter(|r| r.path.starts_with(prefix)).map(listed).collect())
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = name(p, "RoleName", 64)?.to_owned();
    let trust = document(p, "AssumeRolePolicyDocument", Document::trust)?;
    let path = p.text("Path").unwrap_or("/").to_owned();
    let fine = |c: char| c.is_ascii_graphic();
    if !(path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && path.chars().all(fine)) {
        return Err(ApiError::validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ));
    }
    let max_session = read::int_in(p, "MaxSessionDuration", 3600, 43_200)?.unwrap_or(3600);
    if p.text("PermissionsBoundary").is_some() {
        return Err(ApiError::bad("InvalidInput", "PermissionsBoundary is not simulated."));
    }
    let mut tags = Vec::new();
    for tag in p.list("Tags") {
        tags.push((read::need(tag, "Key")?.to_owned(), tag.text("Value").unwrap_or_default().to_owned()));
    }
    if trust.text.chars().filter(|c| !c.is_whitespace()).count() > TRUST_MOST {
        return Err(conflict("LimitExceeded", format!("Cannot exceed quota for ACLSizePerRole: {TRUST_MOST}")));
    }
    if tags.len() > TAGS_MOST {
        return Err(conflict("LimitExceeded", format!("Cannot exceed quota for TagsPerRole: {TAGS_MOST}")));
    }
    if w.iam.roles.contains_key(&name) {
        return Err(conflict("EntityAlreadyExists", format!("Role with name {name} already exists.")));
    }
    if w.iam.roles.len() >= ROLES_MOST {
        return Err(conflict("LimitExceeded", format!("Cannot exceed quota for RolesPerAccount: {ROLES_MOST}")));
    }
    let arn = format!("arn:aws:iam::{}:role{path}{name}", w.account);
    // A role that is made again under the same name is another one, with another id.
    let key = w.next_key();
    let role = Role {
        id: w.iam_id("AROA", &key),
        name: name.clone(),
        path,
        arn,
        created: w.now,
        description: p.text("Description").map(str::to_owned),
        max_session,
        trust,
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
        tags,
        governed: true,
        used: None,
    };
    let out = Fields::new().set("Role", with_tags(listed(&role), &role));
    w.iam.roles.insert(name, role);
    Ok(out)
}

pub(super) fn delete(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let r = role(w, p)?;
    let name = r.name.clone();
    let in_profile = w.iam.profiles.values().any(|p| p.role.as_ref() == Some(&name));
    let why = match (r.attached.is_empty(), r.inline.is_empty(), in_profile) {
        (false, ..) => "must detach all policies first.",
        (_, false, _) => "must delete policies first.",
        (.., true) => "must remove roles from instance profile first.",
        _ => {
            w.iam.roles.remove(&name);
            return Ok(Fields::new());
        }
    };
    Err(conflict("DeleteConflict", format!("Cannot delete entity, {why}")))
}
