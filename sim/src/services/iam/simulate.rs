//! SimulatePrincipalPolicy and SimulateCustomPolicy (aws-reference 13): the judge of permission mode, asked in advance.
//!
//! **Invariant:** what is answered for a principal is what a call of it with these keys would meet; the context holds what the
//! request gives and nothing else, as with AWS.

use serde_json::Value;

use super::{no_such, parse, turned};
use crate::{
    policy::{self, Ask, Context, Decision, Document},
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        iam::{managed, path_and_name},
    },
};

/// Members that would change the answer and are not simulated.
const REFUSED: &[&str] = &["PermissionsBoundaryPolicyInputList", "ResourcePolicy", "ResourceOwner", "CallerArn", "ResourceHandlingOption"];

pub(super) fn principal(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let source = read::need(p, "PolicySourceArn")?;
    if let Some((_, name)) = path_and_name(source, "role") {
        w.iam.role_at(source).ok_or_else(|| no_such(format!("The role with name {name} cannot be found.")))?;
    } else if !source.starts_with(&format!("arn:aws:iam::{}:user/", w.account)) {
        return Err(ApiError::bad("InvalidInput", format!("Invalid Entity Arn: {source} does not clearly define entity type and name.")));
    }
    let judges = w.iam.judges(source).map(|rows| rows.into_iter().map(|(name, document)| (source_of(&name), name, document)).collect());
    answer(p, judges)
}

fn source_of(name: &str) -> &'static str {
    if managed::ALL.iter().any(|m| m.name == name) { "aws-managed" } else { "role" }
}

pub(super) fn custom(p: &Node) -> Result<Fields, ApiError> {
    if p.list("PolicyInputList").is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'policyInputList' failed to satisfy constraint: Member must not be null",
        ));
    }
    answer(p, Some(Vec::new()))
}

/// Kind, name and document of a policy.
type Judge = (&'static str, String, Document);

fn answer(p: &Node, judges: Option<Vec<Judge>>) -> Result<Fields, ApiError> {
    if let Some(odd) = REFUSED.iter().find(|name| p.at(name).is_some()) {
        return Err(ApiError::bad("InvalidInput", format!("{odd} is not simulated.")));
    }
    let mut more = Vec::new();
    for (n, text) in p.texts("PolicyInputList").iter().enumerate() {
        let read = |value: &Value| Document::identity(value);
        more.push(("none", format!("PolicyInputList.{}", n + 1), parse(text, read).map_err(invalid)?.document));
    }
    // A principal that nothing judges may do everything; documents of the request alone judge it all the same.
    let judges = match judges {
        None if more.is_empty() => None,
        judges => Some(judges.into_iter().flatten().chain(more).collect::<Vec<_>>()),
    };
    let actions = p.texts("ActionNames");
    if actions.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null",
        ));
    }
    if let Some(odd) = actions.iter().find(|a| !a.contains(':')) {
        return Err(ApiError::bad("InvalidInput", format!("Invalid Action: {odd}")));
    }
    let mut resources = p.texts("ResourceArns");
    if resources.is_empty() {
        resources.push("*".into());
    }
    let mut context = Context::default();
    for entry in p.list("ContextEntries") {
        let key = read::need(entry, "ContextKeyName")?;
        entry.texts("ContextKeyValues").into_iter().for_each(|value| context.add(key, value));
    }
    let mut rows = Vec::new();
    for action in &actions {
        for resource in &resources {
            let ask = Ask { action: action.clone(), resource: resource.clone(), context: context.clone() };
            rows.push(row(&ask, judges.as_deref()));
        }
    }
    let (rows, next) = turned(p, rows)?;
    Ok(Fields::new().members("EvaluationResults", rows).set("IsTruncated", next.is_some()).opt("Marker", next))
}

fn invalid(error: ApiError) -> ApiError {
    ApiError::bad("InvalidInput", error.message)
}

fn row(ask: &Ask, judges: Option<&[Judge]>) -> Fields {
    let decision = judges.map_or(Decision::Allowed, |rows| policy::decide(rows.iter().map(|(.., d)| d), ask));
    let word = match decision {
        Decision::Allowed => "allowed",
        Decision::NotAllowed => "implicitDeny",
        Decision::Denied => "explicitDeny",
    };
    let judges = judges.unwrap_or_default();
    let speaks = judges.iter().flat_map(|(kind, name, document)| policy::matching(document, ask).map(move |_| (kind, name)));
    let matched = speaks.map(|(kind, name)| Fields::new().set("SourcePolicyId", name).set("SourcePolicyType", *kind));
    Fields::new()
        .set("EvalActionName", &ask.action)
        .set("EvalResourceName", &ask.resource)
        .set("EvalDecision", word)
        .members("MatchedStatements", matched)
        .members("MissingContextValues", policy::missing_keys(judges.iter().map(|(.., d)| d), ask))
}
