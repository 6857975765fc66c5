//! Inline and managed policies of roles (aws-reference 11).
//!
//! **Invariant:** a role that is given a policy is judged by its own policies from then on, also when they are gone again.

use super::{conflict, document, encoded, name, no_such, paged, prefix, role, role_mut, turned};
use crate::{
    authorize,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        iam::managed::{self, Managed},
    },
};

/// Characters of a role's inline policies together, white space aside.
const INLINE_MOST: usize = 10_240;
const ATTACHED_MOST: usize = 10;

pub(super) fn attached(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let prefix = prefix(p)?;
    let rows = role(w, p)?.attached.iter().filter_map(|arn| managed::find(arn)).filter(|m| m.path.starts_with(prefix));
    paged(p, "AttachedPolicies", rows.map(|m| Fields::new().set("PolicyName", m.name).set("PolicyArn", m.arn())).collect())
}

pub(super) fn attach(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arn = policy_arn(p)?;
    let role = role_mut(w, p)?;
    if managed::find(arn).is_none() {
        return Err(no_such(format!("Policy {arn} does not exist or is not attachable.")));
    }
    if !role.attached.contains(arn) && role.attached.len() >= ATTACHED_MOST {
        return Err(conflict("LimitExceeded", format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED_MOST}")));
    }
    role.attached.insert(arn.to_owned());
    role.governed = true;
    Ok(Fields::new())
}

pub(super) fn detach(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let arn = policy_arn(p)?;
    if role_mut(w, p)?.attached.remove(arn) { Ok(Fields::new()) } else { Err(no_such(format!("Policy {arn} was not found."))) }
}

pub(super) fn inline(w: &World, p: &Node) -> Result<Fields, ApiError> {
    paged(p, "PolicyNames", role(w, p)?.inline.keys().map(String::as_str).collect())
}

fn no_inline(name: &str) -> ApiError {
    no_such(format!("The role policy with name {name} cannot be found."))
}

pub(super) fn get_inline(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let (role, name) = (role(w, p)?, name(p, "PolicyName", 128)?);
    let policy = role.inline.get(name).ok_or_else(|| no_inline(name))?;
    Ok(Fields::new().set("RoleName", &role.name).set("PolicyName", name).set("PolicyDocument", encoded(&policy.text)))
}

pub(super) fn put_inline(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = name(p, "PolicyName", 128)?.to_owned();
    let role = role_mut(w, p)?;
    let policy = document(p, "PolicyDocument", authorize::readable)?;
    let size = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let others = role.inline.iter().filter(|(other, _)| **other != name).map(|(_, policy)| size(&policy.text));
    if others.sum::<usize>() + size(&policy.text) > INLINE_MOST {
        return Err(conflict("LimitExceeded", format!("Maximum policy size of {INLINE_MOST} bytes exceeded for role {}", role.name)));
    }
    role.inline.insert(name, policy);
    role.governed = true;
    Ok(Fields::new())
}

pub(super) fn delete_inline(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = name(p, "PolicyName", 128)?;
    role_mut(w, p)?.inline.remove(name).map(|_| Fields::new()).ok_or_else(|| no_inline(name))
}

fn policy_arn(p: &Node) -> Result<&str, ApiError> {
    let arn = read::need(p, "PolicyArn")?;
    if arn.starts_with("arn:") && arn.splitn(6, ':').count() == 6 {
        return Ok(arn);
    }
    Err(ApiError::bad("InvalidInput", format!("ARN {arn} is not valid.")))
}

fn named(p: &Node) -> Result<&'static Managed, ApiError> {
    let arn = policy_arn(p)?;
    managed::find(arn).ok_or_else(|| no_such(format!("Policy {arn} was not found.")))
}

pub(super) fn get(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let m = named(p)?;
    let count = w.iam.roles.values().filter(|r| r.attached.contains(&m.arn())).count();
    let policy = Fields::new()
        .set("PolicyName", m.name)
        .set("PolicyId", m.id)
        .set("Arn", m.arn())
        .set("Path", m.path)
        .set("DefaultVersionId", m.version)
        .set("AttachmentCount", count)
        .set("PermissionsBoundaryUsageCount", 0i64)
        .set("IsAttachable", true)
        .set("Description", m.description)
        .set("CreateDate", m.created)
        .set("UpdateDate", m.updated);
    Ok(Fields::new().set("Policy", policy))
}

pub(super) fn version(p: &Node) -> Result<Fields, ApiError> {
    let m = named(p)?;
    let id = read::need(p, "VersionId")?;
    if id != m.version {
        return Err(no_such(format!("Policy {} version {id} does not exist or is not attachable.", m.arn())));
    }
    let version = Fields::new().set("Document", encoded(m.text)).set("VersionId", id).set("IsDefaultVersion", true).set("CreateDate", m.updated);
    Ok(Fields::new().set("PolicyVersion", version))
}

/// Roles that have a managed policy; there are no users or groups with one here.
pub(super) fn entities(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let m = named(p)?;
    let prefix = prefix(p)?;
    let kind = match p.text("EntityFilter") {
        None | Some("Role") => true,
        Some("User" | "Group" | "LocalManagedPolicy" | "AWSManagedPolicy") => false,
        Some(odd) => return Err(ApiError::validation(format!("Value '{odd}' at 'entityFilter' is not valid"))),
    };
    let usage = match p.text("PolicyUsageFilter") {
        None | Some("PermissionsPolicy") => true,
        Some("PermissionsBoundary") => false,
        Some(odd) => return Err(ApiError::validation(format!("Value '{odd}' at 'policyUsageFilter' is not valid"))),
    };
    let rows = w.iam.roles.values().filter(|r| kind && usage && r.path.starts_with(prefix) && r.attached.contains(&m.arn()));
    let (rows, next) = turned(p, rows.map(|r| Fields::new().set("RoleName", &r.name).set("RoleId", &r.id)).collect())?;
    let none = Vec::<Fields>::new;
    let out = Fields::new().members("PolicyGroups", none()).members("PolicyUsers", none()).members("PolicyRoles", rows);
    Ok(out.set("IsTruncated", next.is_some()).opt("Marker", next))
}
