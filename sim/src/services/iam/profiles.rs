//! Instance profiles (aws-reference 11).
//!
//! **Invariant:** a profile holds at most one role.

use super::{name, no_such, paged, prefix, role, roles};
use crate::{
    clock::iso_seconds,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, iam::Profile},
};

fn one(w: &World, p: &Profile) -> Fields {
    let roles = p.role.iter().filter_map(|name| w.iam.roles.get(name)).map(roles::brief);
    Fields::new()
        .set("Path", &p.path)
        .set("InstanceProfileName", &p.name)
        .set("InstanceProfileId", &p.id)
        .set("Arn", &p.arn)
        .set("CreateDate", iso_seconds(p.created))
        .members("Roles", roles)
}

pub(super) fn get(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let name = name(p, "InstanceProfileName", 128)?;
    let profile = w.iam.profiles.get(name).ok_or_else(|| no_such(format!("Instance Profile {name} cannot be found.")))?;
    Ok(Fields::new().set("InstanceProfile", one(w, profile)))
}

pub(super) fn list(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let prefix = prefix(p)?;
    let rows = w.iam.profiles.values().filter(|row| row.path.starts_with(prefix)).map(|row| one(w, row));
    paged(p, "InstanceProfiles", rows.collect())
}

pub(super) fn for_role(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let role = role(w, p)?;
    let rows = w.iam.profiles.values().filter(|row| row.role.as_ref() == Some(&role.name)).map(|row| one(w, row));
    paged(p, "InstanceProfiles", rows.collect())
}
