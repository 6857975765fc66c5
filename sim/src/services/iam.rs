//! AWS IAM, API 2010-05-08: roles, instance profiles, policies and their simulation (aws-reference 11, 13).
//!
//! **Invariant:** one for the whole account, reached in whatever Region a client signs for: AWS wants us-east-1, but a client
//! with an endpoint of its own signs for its own Region. Policy documents leave URL-encoded and otherwise as they came.

mod policies;
mod profiles;
mod roles;
mod simulate;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Principal, read, unknown};
use crate::{
    wire::{ApiError, node::Node, page, xml::Fields},
    world::{
        World,
        iam::{Policy, Role},
    },
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    match op {
        "GetRole" => roles::get(w, p),
        "ListRoles" => roles::list(w, p),
        "CreateRole" => roles::create(w, p),
        "DeleteRole" => roles::delete(w, p),
        "GetInstanceProfile" => profiles::get(w, p),
        "ListInstanceProfiles" => profiles::list(w, p),
        "ListInstanceProfilesForRole" => profiles::for_role(w, p),
        "ListAttachedRolePolicies" => policies::attached(w, p),
        "AttachRolePolicy" => policies::attach(w, p),
        "DetachRolePolicy" => policies::detach(w, p),
        "ListRolePolicies" => policies::inline(w, p),
        "GetRolePolicy" => policies::get_inline(w, p),
        "PutRolePolicy" => policies::put_inline(w, p),
        "DeleteRolePolicy" => policies::delete_inline(w, p),
        "GetPolicy" => policies::get(w, p),
        "GetPolicyVersion" => policies::version(p),
        "ListEntitiesForPolicy" => policies::entities(w, p),
        "GetUser" => user(w, p, who),
        "SimulatePrincipalPolicy" => simulate::principal(w, p),
        "SimulateCustomPolicy" => simulate::custom(p),
        _ => Err(unknown(op, "2010-05-08")),
    }
}

fn no_such(text: impl Into<String>) -> ApiError {
    ApiError::new(404, "NoSuchEntity", text)
}

fn conflict(code: &str, text: impl Into<String>) -> ApiError {
    ApiError::new(409, code, text)
}

/// The role a call names.
fn role<'a>(w: &'a World, p: &Node) -> Result<&'a Role, ApiError> {
    let name = name(p, "RoleName", 64)?;
    w.iam.roles.get(name).ok_or_else(|| no_such(format!("The role with name {name} cannot be found.")))
}

fn role_mut<'a>(w: &'a mut World, p: &Node) -> Result<&'a mut Role, ApiError> {
    let name = name(p, "RoleName", 64)?;
    w.iam.roles.get_mut(name).ok_or_else(|| no_such(format!("The role with name {name} cannot be found.")))
}

/// A required name of IAM's alphabet.
fn name<'a>(p: &'a Node, member: &str, most: usize) -> Result<&'a str, ApiError> {
    let text = read::need(p, member)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if text.len() > most {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must have length less than or equal to {most}",
            read::lower(member)
        )));
    }
    if !text.chars().all(fine) {
        return Err(ApiError::validation(format!(
            "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
            read::lower(member)
        )));
    }
    Ok(text)
}

/// `PathPrefix` of a list; `/` when absent.
fn prefix(p: &Node) -> Result<&str, ApiError> {
    match p.text("PathPrefix") {
        None => Ok("/"),
        Some(text) if text.starts_with('/') && text.len() <= 512 => Ok(text),
        Some(_) => Err(ApiError::validation("The specified value for pathPrefix is invalid. It must begin with a / character.")),
    }
}

/// One page under the list's name, with `IsTruncated` and `Marker`.
fn paged<T: Into<crate::wire::xml::Xml>>(p: &Node, member: &'static str, rows: Vec<T>) -> Result<Fields, ApiError> {
    let (rows, next) = turned(p, rows)?;
    Ok(Fields::new().members(member, rows).set("IsTruncated", next.is_some()).opt("Marker", next))
}

fn turned<T>(p: &Node, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = read::int_in(p, "MaxItems", 1, 1000)?.unwrap_or(100) as usize;
    page::page(rows, p.text("Marker"), size).ok_or_else(|| ApiError::validation("Invalid Marker."))
}

/// A document as IAM sends it.
fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// Reads a document that a caller sent.
fn document(p: &Node, member: &str, read: impl Fn(&Value) -> Result<crate::policy::Document, String>) -> Result<Policy, ApiError> {
    let text = self::read::need(p, member)?;
    parse(text, read)
}

fn parse(text: &str, read: impl Fn(&Value) -> Result<crate::policy::Document, String>) -> Result<Policy, ApiError> {
    let malformed = |why: String| ApiError::bad("MalformedPolicyDocument", why);
    let value: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json".into()))?;
    let document = read(&value).map_err(malformed)?;
    Ok(Policy { text: text.to_owned(), document })
}

/// Any access key is a user of that name; others are known to nobody here.
fn user(w: &World, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    let own = who.arn.split_once(":user/").map(|(_, name)| name);
    let name = match (p.text("UserName"), own) {
        (Some(name), Some(own)) if name == own => own,
        (Some(name), _) => return Err(no_such(format!("The user with name {name} cannot be found."))),
        (None, Some(own)) => own,
        (None, None) => return Err(ApiError::validation("Must specify userName when calling with non-User credentials")),
    };
    let user = Fields::new()
        .set("Path", "/")
        .set("UserName", name)
        .set("UserId", &who.user_id)
        .set("Arn", &who.arn)
        .set("CreateDate", crate::clock::iso_seconds(w.iam.since));
    Ok(Fields::new().set("User", user))
}
