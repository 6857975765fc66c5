//! Launch templates (aws-reference 7.1) and their client tokens (2.4).
//!
//! **Invariant:** with SourceVersion, members are inherited per top-level member; without it nothing is. The same client
//! token with the same parameters answers as the first call did, with others it is IdempotentParameterMismatch.

use std::collections::BTreeMap;

use super::{data, tag_set};
use crate::{
    clock::iso,
    rng,
    services::Principal,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        template::{Template, Version},
    },
};

pub(super) fn missing(name: &str) -> ApiError {
    ApiError::bad("MissingParameter", format!("The request must contain the parameter {name}"))
}

pub(super) fn no_id(id: &str) -> ApiError {
    ApiError::bad("InvalidLaunchTemplateId.NotFound", format!("The specified launch template, with template ID {id}, does not exist."))
}

pub(super) fn no_name(name: &str) -> ApiError {
    ApiError::bad("InvalidLaunchTemplateName.NotFoundException", format!("The specified launch template, with template name {name}, does not exist."))
}

pub(super) fn no_version(version: &str, t: &Template) -> ApiError {
    ApiError::bad(
        "InvalidLaunchTemplateId.VersionNotFound",
        format!("Could not find the specified version {version} for the launch template with ID {}.", t.id),
    )
}

/// Id of the template named by id xor name.
pub(super) fn find(w: &World, p: &Node) -> Result<String, ApiError> {
    match (p.text("LaunchTemplateId"), p.text("LaunchTemplateName")) {
        (Some(_), Some(_)) => {
            Err(ApiError::bad("InvalidParameterCombination", "The parameters launchTemplateId and launchTemplateName cannot be specified together"))
        }
        (Some(id), None) => w.templates.get(id).map(|t| t.id.clone()).ok_or_else(|| no_id(id)),
        (None, Some(name)) => w.template_named(name).map(|t| t.id.clone()).ok_or_else(|| no_name(name)),
        (None, None) => Err(missing("LaunchTemplateId or LaunchTemplateName")),
    }
}

pub(super) fn one(t: &Template) -> Fields {
    let out = Fields::new()
        .set("launchTemplateId", &t.id)
        .set("launchTemplateName", &t.name)
        .set("createTime", iso(t.created))
        .set("createdBy", &t.by)
        .set("defaultVersionNumber", t.default)
        .set("latestVersionNumber", t.versions.keys().next_back().copied().unwrap_or(t.latest));
    if t.tags.is_empty() {
        return out;
    }
    out.items("tagSet", tag_set(t.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))))
}

pub(super) fn version(t: &Template, v: &Version) -> Fields {
    Fields::new()
        .set("launchTemplateId", &t.id)
        .set("launchTemplateName", &t.name)
        .set("versionNumber", v.number)
        .opt("versionDescription", v.description.as_ref())
        .set("createTime", iso(v.created))
        .set("createdBy", &v.by)
        .set("defaultVersion", v.number == t.default)
        .set("launchTemplateData", data::write(&v.data))
}

/// What a client token is bound to: everything sent but the token itself.
fn fingerprint(p: &Node) -> String {
    let mut rest = p.clone();
    rest.kids.remove("ClientToken");
    rng::sha256(serde_json::to_string(&rest).unwrap_or_default().as_bytes())
}

/// The version an earlier call with this token made.
fn replay(t: &Template, token: &str, print: &str) -> Result<Option<u64>, ApiError> {
    match t.tokens.get(token) {
        Some((old, number)) if old == print => Ok(Some(*number)),
        Some(_) => Err(ApiError::bad("IdempotentParameterMismatch", "Client token already used before with a different set of parameters.")),
        None => Ok(None),
    }
}

pub(super) fn create(w: &mut World, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    let name = p.text("LaunchTemplateName").ok_or_else(|| missing("LaunchTemplateName"))?.to_owned();
    let sent = p.at("LaunchTemplateData").ok_or_else(|| missing("LaunchTemplateData"))?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(fine) {
        return Err(ApiError::bad("InvalidLaunchTemplateName.MalformedException", format!("The launch template name {name} is malformed.")));
    }
    data::check(sent)?;
    let print = fingerprint(p);
    let token = p.text("ClientToken").map(str::to_owned);
    if let Some(t) = w.template_named(&name) {
        if let Some(token) = &token
            && replay(t, token, &print)?.is_some()
        {
            return Ok(Fields::new().set("launchTemplate", one(t)));
        }
        return Err(ApiError::bad("InvalidLaunchTemplateName.AlreadyExistsException", format!("Launch template name already in use: {name}")));
    }
    let mut tags = Vec::new();
    for spec in p.list("TagSpecification").into_iter().filter(|s| s.text("ResourceType") == Some("launch-template")) {
        for tag in spec.list("Tag") {
            let text = |name: &str| tag.text(name).unwrap_or_default().to_owned();
            tags.push((text("Key"), text("Value")));
        }
    }
    let (now, by) = (w.now, who.arn.clone());
    let first = Version { number: 1, created: now, by: by.clone(), description: p.text("VersionDescription").map(str::to_owned), data: sent.clone() };
    let id = format!("lt-0{}", w.new_hex("template", 16));
    let template = Template {
        id: id.clone(),
        name,
        created: now,
        by,
        default: 1,
        latest: 1,
        versions: BTreeMap::from([(1, first)]),
        tags,
        tokens: token.map(|t| (t, (print, 1))).into_iter().collect(),
    };
    let out = Fields::new().set("launchTemplate", one(&template));
    w.templates.insert(id, template);
    Ok(out)
}

pub(super) fn create_version(w: &mut World, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    let id = find(w, p)?;
    let sent = p.at("LaunchTemplateData").ok_or_else(|| missing("LaunchTemplateData"))?;
    data::check(sent)?;
    let now = w.now;
    let print = fingerprint(p);
    let token = p.text("ClientToken").map(str::to_owned);
    let Some(t) = w.templates.get_mut(&id) else {
        return Err(no_id(&id));
    };
    if let Some(token) = &token
        && let Some(number) = replay(t, token, &print)?
        && let Some(v) = t.versions.get(&number)
    {
        return Ok(Fields::new().set("launchTemplateVersion", version(t, v)));
    }
    let mut merged = match p.text("SourceVersion") {
        Some(source) => t.resolve(source).ok_or_else(|| no_version(source, t))?.data.clone(),
        None => Node::default(),
    };
    for (name, member) in &sent.kids {
        merged.kids.insert(name.clone(), member.clone());
    }
    t.latest += 1;
    let number = t.latest;
    let row = Version { number, created: now, by: who.arn.clone(), description: p.text("VersionDescription").map(str::to_owned), data: merged };
    t.versions.insert(number, row.clone());
    if let Some(token) = token {
        t.tokens.insert(token, (print, number));
    }
    let out = Fields::new().set("launchTemplateVersion", version(t, &row));
    let latest: Vec<String> = w.groups.keys().cloned().collect();
    for name in latest {
        w.wake_group(&name, now);
    }
    Ok(out)
}

pub(super) fn modify(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = find(w, p)?;
    let wanted = p.text("SetDefaultVersion").or(p.text("DefaultVersion")).ok_or_else(|| missing("SetDefaultVersion"))?;
    let print = fingerprint(p);
    let token = p.text("ClientToken").map(str::to_owned);
    let Some(t) = w.templates.get_mut(&id) else {
        return Err(no_id(&id));
    };
    if let Some(token) = &token
        && replay(t, token, &print)?.is_some()
    {
        return Ok(Fields::new().set("launchTemplate", one(t)));
    }
    let number = t.resolve(wanted).map(|v| v.number).ok_or_else(|| no_version(wanted, t))?;
    t.default = number;
    if let Some(token) = token {
        t.tokens.insert(token, (print, number));
    }
    Ok(Fields::new().set("launchTemplate", one(t)))
}
