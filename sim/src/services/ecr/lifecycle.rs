//! Lifecycle policies and their preview (aws-reference 8).
//!
//! **Invariant:** a preview finds what the policy itself would let expire at the instant it was started.

use serde_json::{Value, json};

use super::{
    about,
    input::{Asked, bad, need, text},
    lifecycle_text,
    lists::tag_filter,
    not_paged, paged, repository, repository_mut, seconds, with_token,
};
use crate::{
    wire::ApiError,
    world::{
        World,
        images::{
            Repository,
            expiry::{Expiring, Lifecycle, Preview},
        },
    },
};

fn missing(w: &World, r: &Repository) -> ApiError {
    let words = format!("Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'", r.name, w.account);
    ApiError::bad("LifecyclePolicyNotFoundException", words)
}

fn policy<'a>(w: &World, r: &'a Repository) -> Result<&'a Lifecycle, ApiError> {
    r.lifecycle.as_ref().ok_or_else(|| missing(w, r))
}

pub(super) fn put(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let (text, rules) = lifecycle_text::read(need(v, "lifecyclePolicyText")?)?;
    let answer = about(w, &name, json!({"lifecyclePolicyText": text}));
    w.set_lifecycle(&name, text, rules);
    Ok(answer)
}

pub(super) fn get(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let policy = policy(w, r)?;
    let mut out = about(w, &r.name, json!({"lifecyclePolicyText": policy.text}));
    if let Some(at) = policy.evaluated {
        out["lastEvaluatedAt"] = seconds(at).into();
    }
    Ok(out)
}

pub(super) fn delete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let answer = get(w, v)?;
    repository_mut(w, v)?.lifecycle = None;
    Ok(answer)
}

pub(super) fn start_preview(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    if r.preview.as_ref().is_some_and(|p| w.now < p.done) {
        let words = format!(
            "A lifecycle policy preview is already in progress for the repository with name '{}' in the registry with id '{}'",
            r.name, w.account
        );
        return Err(ApiError::bad("LifecyclePolicyPreviewInProgressException", words));
    }
    let (text, rules) = match text(v, "lifecyclePolicyText")? {
        Some(text) => lifecycle_text::read(text)?,
        None => policy(w, r).map(|p| (p.text.clone(), p.rules.clone()))?,
    };
    let rows = r.expiring(&rules, w.now, w.params.lifecycle_spares_children);
    let done = w.now + w.params.lifecycle_preview.draw(w.seed, "lifecycle_preview", &format!("{}/{}", r.name, w.now));
    let answer = about(w, &r.name, json!({"lifecyclePolicyText": text, "status": "IN_PROGRESS"}));
    repository_mut(w, v)?.preview = Some(Preview { text, done, rows });
    Ok(answer)
}

pub(super) fn preview(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let preview = r.preview.as_ref().ok_or_else(|| {
        let words =
            format!("Lifecycle policy preview does not exist for the repository with name '{}' in the registry with id '{}'", r.name, w.account);
        ApiError::bad("LifecyclePolicyPreviewNotFoundException", words)
    })?;
    let keep = tag_filter(v)?;
    let ids = Asked::many(v)?;
    if let Some(ids) = &ids {
        not_paged(v, "imageIds")?;
        if ids.iter().any(|id| id.digest.is_none() && id.tag.is_none()) {
            return Err(bad("imageIds", "imageDigest and imageTag cannot both be null"));
        }
    }
    let named = |e: &Expiring, id: &Asked<'_>| id.digest.is_none_or(|d| d == e.digest) && id.tag.is_none_or(|t| e.tags.iter().any(|tag| tag == t));
    let wanted = |e: &&Expiring| keep(!e.tags.is_empty()) && ids.as_ref().is_none_or(|ids| ids.iter().any(|id| named(e, id)));
    let complete = w.now >= preview.done;
    let found: Vec<&Expiring> = if complete { preview.rows.iter().filter(wanted).collect() } else { Vec::new() };
    let (found, next) = paged(v, found, 100)?;
    let rows: Vec<Value> = found
        .into_iter()
        .map(|e| {
            let mut row = json!({
                "imageDigest": e.digest,
                "imagePushedAt": seconds(e.pushed),
                "action": {"type": "EXPIRE"},
                "appliedRulePriority": e.priority,
                "storageClass": "STANDARD",
            });
            if !e.tags.is_empty() {
                row["imageTags"] = json!(e.tags);
            }
            row
        })
        .collect();
    let status = if complete { "COMPLETE" } else { "IN_PROGRESS" };
    let mut out = about(w, &r.name, json!({"lifecyclePolicyText": preview.text, "status": status, "previewResults": rows}));
    if complete {
        out["summary"] = json!({"expiringImageTotalCount": preview.rows.len()});
    }
    Ok(with_token(out, next))
}
