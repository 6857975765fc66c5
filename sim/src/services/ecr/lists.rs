//! DescribeImages and ListImages (aws-reference 2.5, 8).
//!
//! **Invariant:** lists have no order a client could lean on, and keep the one they have.

use serde_json::{Value, json};

use super::{
    input::{Asked, bad, object, text},
    not_paged, paged, repository, seconds, unsorted, with_token,
};
use crate::{
    wire::ApiError,
    world::{
        World,
        images::{Image, Repository},
    },
};

/// Reads `filter.tagStatus`: which tag states it keeps.
pub(super) fn tag_filter(v: &Value) -> Result<impl Fn(bool) -> bool, ApiError> {
    let filter = object(v, "filter")?.unwrap_or(&Value::Null);
    let (tagged, untagged) = match text(filter, "tagStatus")? {
        None | Some("ANY") => (true, true),
        Some("TAGGED") => (true, false),
        Some("UNTAGGED") => (false, true),
        Some(_) => return Err(bad("filter.tagStatus", "Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]")),
    };
    Ok(move |has_tags: bool| if has_tags { tagged } else { untagged })
}

/// The same with `filter.imageStatus`. Every image here is ACTIVE, so another status keeps none.
fn filter(v: &Value) -> Result<impl Fn(bool) -> bool, ApiError> {
    let keep = tag_filter(v)?;
    let active = match text(object(v, "filter")?.unwrap_or(&Value::Null), "imageStatus")? {
        None | Some("ANY" | "ACTIVE") => true,
        Some("ARCHIVED" | "ACTIVATING") => false,
        Some(_) => return Err(bad("filter.imageStatus", "Member must satisfy enum value set: [ACTIVE, ARCHIVED, ACTIVATING, ANY]")),
    };
    Ok(move |has_tags: bool| active && keep(has_tags))
}

/// Images of a repository with their tags, both in the order of the seed.
fn rows<'a>(w: &World, r: &'a Repository) -> Vec<(&'a Image, Vec<&'a str>)> {
    let mut tags = r.tags_by_digest();
    let mut rows: Vec<_> = r.images.values().map(|i| (i, tags.remove(i.digest.as_str()).unwrap_or_default())).collect();
    rows.sort_by_key(|(i, _)| unsorted(w, &i.digest));
    for (_, tags) in &mut rows {
        tags.sort_by_key(|tag| unsorted(w, tag));
    }
    rows
}

pub(super) fn describe(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let keep = filter(v)?;
    let named = match Asked::many(v)? {
        None => None,
        Some(ids) => {
            not_paged(v, "imageIds")?;
            let found: Result<Vec<&str>, ApiError> = ids.iter().map(|id| Ok(id.must_find(w, r)?.digest.as_str())).collect();
            Some(found?)
        }
    };
    let wanted = |i: &Image| named.as_ref().is_none_or(|named| named.contains(&i.digest.as_str()));
    let rows: Vec<_> = rows(w, r).into_iter().filter(|(i, tags)| wanted(i) && keep(!tags.is_empty())).collect();
    let (rows, next) = paged(v, rows, 1000)?;
    let rows: Vec<Value> = rows.into_iter().map(|(i, tags)| detail(w, r, i, &tags)).collect();
    Ok(with_token(json!({"imageDetails": rows}), next))
}

/// The scan is not here: the present basic scanner tells it in DescribeImageScanFindings alone.
fn detail(w: &World, r: &Repository, i: &Image, tags: &[&str]) -> Value {
    let mut out = json!({
        "registryId": w.account,
        "repositoryName": r.name,
        "imageDigest": i.digest,
        "imageSizeInBytes": i.size,
        "imagePushedAt": seconds(i.pushed),
        "imageManifestMediaType": i.form.media_type,
        "imageStatus": "ACTIVE",
    });
    if !tags.is_empty() {
        out["imageTags"] = json!(tags);
    }
    if let Some(kind) = i.form.artifact() {
        out["artifactMediaType"] = kind.into();
    }
    if let Some(subject) = &i.form.subject {
        out["subjectManifestDigest"] = subject.as_str().into();
    }
    if let Some(pulled) = i.pulled {
        out["lastRecordedPullTime"] = seconds(pulled).into();
    }
    out
}

pub(super) fn list(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let keep = filter(v)?;
    let mut out = Vec::new();
    for (i, tags) in rows(w, r).into_iter().filter(|(_, tags)| keep(!tags.is_empty())) {
        if tags.is_empty() {
            out.push(json!({"imageDigest": i.digest}));
        }
        out.extend(tags.iter().map(|t| json!({"imageDigest": i.digest, "imageTag": t})));
    }
    let (rows, next) = paged(v, out, 1000)?;
    Ok(with_token(json!({"imageIds": rows}), next))
}
