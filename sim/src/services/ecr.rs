//! Amazon ECR, API 2015-09-21 (aws-reference 8).
//!
//! **Invariant:** manifests come back byte for byte, so that sha256 of the text is the digest.

mod scan;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    rng,
    wire::{ApiError, page},
    world::{
        World,
        images::{Image, MANIFEST_TYPE, Repository},
    },
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, v: &Value) -> Result<Value, ApiError> {
    match op {
        "GetAuthorizationToken" => token(w),
        "DescribeRepositories" => repositories(w, v),
        "DescribeImages" => describe_images(w, v),
        "ListImages" => list_images(w, v),
        "BatchGetImage" => batch_get(w, v),
        "BatchDeleteImage" => batch_delete(w, v),
        "DescribeImageScanFindings" => scan::findings(w, v),
        _ => Err(ApiError::bad("UnknownOperationException", "")),
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterException", message)
}

fn token(w: &World) -> Result<Value, ApiError> {
    let password = rng::hex(w.seed, "ecr_token", &(w.now / 3_600_000).to_string(), 120);
    Ok(json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        "expiresAt": seconds(w.now + 12 * 3_600_000),
        "proxyEndpoint": format!("https://{}", w.registry()),
    }]}))
}

fn no_repository(w: &World, name: &str) -> ApiError {
    ApiError::bad("RepositoryNotFoundException", format!("The repository with name '{name}' does not exist in the registry with id '{}'", w.account))
}

fn repository<'a>(w: &'a World, v: &Value) -> Result<&'a Repository, ApiError> {
    let name = v
        .get("repositoryName")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must not be null'"))?;
    if v.get("registryId").and_then(Value::as_str).is_some_and(|id| id != w.account) {
        return Err(no_repository(w, name));
    }
    w.repositories.get(name).ok_or_else(|| no_repository(w, name))
}

fn paged<T>(v: &Value, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match v.get("maxResults") {
        None | Some(Value::Null) => 100,
        Some(n) => n
            .as_u64()
            .filter(|n| (1..=1000).contains(n))
            .ok_or_else(|| invalid("Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must be between 1 and 1000'"))?
            as usize,
    };
    page::page(rows, v.get("nextToken").and_then(Value::as_str), size)
        .ok_or_else(|| invalid("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'"))
}

/// Pages are for listings, not for what is named.
fn not_paged(v: &Value, named: &str) -> Result<(), ApiError> {
    match ["maxResults", "nextToken"].iter().find(|name| v.get(**name).is_some_and(|value| !value.is_null())) {
        Some(name) => Err(invalid(format!("Invalid parameter at '{name}' failed to satisfy constraint: '{name} cannot be specified with {named}'"))),
        None => Ok(()),
    }
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let (Some(next), Some(map)) = (next, answer.as_object_mut()) {
        map.insert("nextToken".into(), next.into());
    }
    answer
}

fn repositories(w: &World, v: &Value) -> Result<Value, ApiError> {
    let names: Vec<&str> = v.get("repositoryNames").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !names.is_empty() {
        not_paged(v, "repositoryNames")?;
    }
    if let Some(name) = names.iter().find(|n| !w.repositories.contains_key(**n)) {
        return Err(no_repository(w, name));
    }
    let rows: Vec<&Repository> = w.repositories.values().filter(|r| names.is_empty() || names.contains(&r.name.as_str())).collect();
    let (rows, next) = paged(v, rows)?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|r| {
            json!({
                "repositoryArn": format!("arn:aws:ecr:{}:{}:repository/{}", w.region, w.account, r.name),
                "registryId": w.account,
                "repositoryName": r.name,
                "repositoryUri": format!("{}/{}", w.registry(), r.name),
                "createdAt": seconds(r.created),
                "imageTagMutability": "MUTABLE",
                "imageScanningConfiguration": {"scanOnPush": true},
                "encryptionConfiguration": {"encryptionType": "AES256"},
            })
        })
        .collect();
    Ok(with_token(json!({"repositories": rows}), next))
}

/// An image id as asked for: digest and tag.
type Asked<'a> = (Option<&'a str>, Option<&'a str>);

fn asked<'a>(v: &'a Value) -> Vec<Asked<'a>> {
    let text = |id: &'a Value, name: &str| id.get(name).and_then(Value::as_str);
    v.get("imageIds").and_then(Value::as_array).into_iter().flatten().map(|id| (text(id, "imageDigest"), text(id, "imageTag"))).collect()
}

/// The image behind an id; a failure code and reason when there is none.
fn find<'a>(r: &'a Repository, (digest, tag): Asked<'_>) -> Result<&'a Image, (&'static str, &'static str)> {
    let by_tag = tag.map(|t| r.tags.get(t));
    let wanted = match (digest, by_tag) {
        (None, None) => {
            return Err(("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"));
        }
        (Some(d), Some(Some(t))) if t != d => {
            return Err(("ImageTagDoesNotMatchDigest", "Requested image digest does not match the tag's digest"));
        }
        (_, Some(None)) => return Err(("ImageNotFound", "Requested image not found")),
        (Some(d), _) => d,
        (None, Some(Some(t))) => t.as_str(),
    };
    r.images.get(wanted).ok_or(("ImageNotFound", "Requested image not found"))
}

fn id_json((digest, tag): Asked<'_>) -> Value {
    let mut out = Map::new();
    if let Some(d) = digest {
        out.insert("imageDigest".into(), d.into());
    }
    if let Some(t) = tag {
        out.insert("imageTag".into(), t.into());
    }
    Value::Object(out)
}

fn not_found(w: &World, r: &Repository, (digest, tag): Asked<'_>) -> ApiError {
    let null = "null";
    ApiError::bad(
        "ImageNotFoundException",
        format!(
            "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{}' in the registry with id '{}'",
            digest.unwrap_or(null),
            tag.unwrap_or(null),
            r.name,
            w.account
        ),
    )
}

/// Reads `filter`: which tag states it keeps. Every image here is ACTIVE, so another `imageStatus` keeps none.
fn filter(v: &Value) -> Result<impl Fn(bool) -> bool, ApiError> {
    let odd = |path: &str| invalid(format!("Invalid parameter at '{path}' failed to satisfy constraint: 'Member must satisfy enum value set'"));
    let text = |name: &str| v.pointer(&format!("/filter/{name}")).filter(|value| !value.is_null()).map(|value| value.as_str().unwrap_or_default());
    let (tagged, untagged) = match text("tagStatus") {
        None | Some("ANY") => (true, true),
        Some("TAGGED") => (true, false),
        Some("UNTAGGED") => (false, true),
        Some(_) => return Err(odd("filter.tagStatus")),
    };
    let active = match text("imageStatus") {
        None | Some("ANY" | "ACTIVE") => true,
        Some("ARCHIVED" | "ACTIVATING") => false,
        Some(_) => return Err(odd("filter.imageStatus")),
    };
    Ok(move |has_tags: bool| active && if has_tags { tagged } else { untagged })
}

fn describe_images(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let ids = asked(v);
    if !ids.is_empty() {
        not_paged(v, "imageIds")?;
    }
    let keep = filter(v)?;
    let mut rows: Vec<&Image> = Vec::new();
    for id in &ids {
        let image = find(r, *id).map_err(|_| not_found(w, r, *id))?;
        if !rows.iter().any(|i| i.digest == image.digest) {
            rows.push(image);
        }
    }
    if ids.is_empty() {
        rows = r.images.values().filter(|i| keep(!r.tags_of(&i.digest).is_empty())).collect();
    }
    let (rows, next) = paged(v, rows)?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|i| {
            let mut out = json!({
                "registryId": w.account,
                "repositoryName": r.name,
                "imageDigest": i.digest,
                "imageSizeInBytes": i.size,
                "imagePushedAt": seconds(i.pushed),
                "imageManifestMediaType": MANIFEST_TYPE,
                "artifactMediaType": "application/vnd.docker.container.image.v1+json",
                "imageStatus": "ACTIVE",
            });
            let tags = r.tags_of(&i.digest);
            if let Some(map) = out.as_object_mut() {
                if !tags.is_empty() {
                    map.insert("imageTags".into(), json!(tags));
                }
                if let Some(pulled) = i.pulled {
                    let day = pulled - pulled.rem_euclid(86_400_000);
                    map.insert("lastRecordedPullTime".into(), json!(seconds(day)));
                }
            }
            out
        })
        .collect();
    Ok(with_token(json!({"imageDetails": rows}), next))
}

fn list_images(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let keep = filter(v)?;
    let mut rows = Vec::new();
    for i in r.images.values() {
        let tags = r.tags_of(&i.digest);
        if !keep(!tags.is_empty()) {
            continue;
        }
        if tags.is_empty() {
            rows.push(json!({"imageDigest": i.digest}));
        }
        rows.extend(tags.iter().map(|t| json!({"imageDigest": i.digest, "imageTag": t})));
    }
    let (rows, next) = paged(v, rows)?;
    Ok(with_token(json!({"imageIds": rows}), next))
}

fn batch_get(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for id in asked(v) {
        match find(r, id) {
            Ok(i) => {
                let mut image_id = json!({"imageDigest": i.digest});
                if let (Some(tag), Some(map)) = (id.1, image_id.as_object_mut()) {
                    map.insert("imageTag".into(), tag.into());
                }
                images.push(json!({
                    "registryId": w.account,
                    "repositoryName": r.name,
                    "imageId": image_id,
                    "imageManifest": i.manifest,
                    "imageManifestMediaType": MANIFEST_TYPE,
                }));
            }
            Err((code, reason)) => {
                failures.push(json!({"imageId": id_json(id), "failureCode": code, "failureReason": reason}));
            }
        }
    }
    Ok(json!({"images": images, "failures": failures}))
}

fn batch_delete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let Some(r) = w.repositories.get_mut(&name) else {
        return Err(no_repository(w, &name));
    };
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for id in asked(v) {
        let digest = match find(r, id) {
            Ok(image) => image.digest.clone(),
            Err((code, reason)) => {
                failures.push(json!({"imageId": id_json(id), "failureCode": code, "failureReason": reason}));
                continue;
            }
        };
        // By tag the tag goes, and with the last tag the image; by digest everything.
        match id {
            (None, Some(tag)) => {
                r.tags.remove(tag);
                done.push(json!({"imageDigest": digest, "imageTag": tag}));
            }
            _ => {
                for tag in r.tags_of(&digest) {
                    done.push(json!({"imageDigest": digest, "imageTag": tag}));
                }
                if r.tags_of(&digest).is_empty() {
                    done.push(json!({"imageDigest": digest}));
                }
                r.tags.retain(|_, d| *d != digest);
            }
        }
        if r.tags_of(&digest).is_empty() {
            r.images.remove(&digest);
        }
    }
    Ok(json!({"imageIds": done, "failures": failures}))
}
