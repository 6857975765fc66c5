//! Resource policies of repositories: kept as they are set, not enforced.
//!
//! **Invariant:** what is kept is a policy ECR would take; a policy that shuts everybody out of changing it is taken only
//! with `force`.

use serde_json::{Value, json};

use super::{
    about,
    input::{bad, flag, need},
    repository, repository_mut,
};
use crate::{wire::ApiError, world::World};

const TEXT_LIMIT: usize = 10_240;

fn none(w: &World, name: &str) -> ApiError {
    let words = format!("Repository policy does not exist for the repository with name '{name}' in the registry with id '{}'", w.account);
    ApiError::bad("RepositoryPolicyNotFoundException", words)
}

/// One value, or a list of them.
fn several(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// A statement ECR takes: who and what, and no resource, which is the repository itself.
fn is_statement(value: &Value) -> bool {
    let one_of = |a: &str, b: &str| value.get(a).is_some() != value.get(b).is_some();
    let names = |name: &str| value.get(name).is_none_or(|v| several(v).iter().all(|a| a.as_str().is_some_and(|a| a == "*" || a.starts_with("ecr:"))));
    let effect = matches!(value.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"));
    let bare = value.get("Resource").is_none() && value.get("NotResource").is_none();
    effect && bare && one_of("Principal", "NotPrincipal") && one_of("Action", "NotAction") && names("Action") && names("NotAction")
}

/// Whether a statement keeps everybody from setting another policy.
fn locks_out(value: &Value) -> bool {
    let everybody = value.get("Principal").is_some_and(|p| p == "*" || p.get("AWS").is_some_and(|a| several(a).iter().any(|a| a == "*")));
    let action = |a: &Value| a.as_str().is_some_and(|a| crate::world::images::expiry::fits(a, "ecr:SetRepositoryPolicy"));
    let acts = value.get("Action").is_some_and(|a| several(a).iter().any(action));
    value.get("Effect").is_some_and(|e| e == "Deny") && value.get("Condition").is_none() && everybody && acts
}

pub(super) fn set(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let text = need(v, "policyText")?;
    let force = flag(v, "force")?.unwrap_or_default();
    if text.len() > TEXT_LIMIT {
        return Err(bad("policyText", format!("Member must have length less than or equal to {TEXT_LIMIT}")));
    }
    let invalid = || bad("PolicyText", "Invalid repository policy provided");
    let policy: Value = serde_json::from_str(text).map_err(|_| invalid())?;
    let version = policy.get("Version").is_none_or(|v| v == "2012-10-17" || v == "2008-10-17");
    let statements = policy.get("Statement").map(several).unwrap_or_default();
    if !version || statements.is_empty() || !statements.iter().all(is_statement) {
        return Err(invalid());
    }
    if !force && statements.iter().any(locks_out) {
        let words = "The policy would prevent another policy from being set in the future; force is needed";
        return Err(bad("PolicyText", words));
    }
    repository_mut(w, v)?.policy = Some(text.to_owned());
    Ok(about(w, &name, json!({"policyText": text})))
}

pub(super) fn get(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let text = r.policy.as_ref().ok_or_else(|| none(w, &r.name))?;
    Ok(about(w, &r.name, json!({"policyText": text})))
}

pub(super) fn delete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let answer = get(w, v)?;
    repository_mut(w, v)?.policy = None;
    Ok(answer)
}
