//! Layers: availability, upload in parts, and download (aws-reference 8).
//!
//! **Invariant:** parts follow each other without a gap; a layer is there only after its sha256 was found to be what its
//! digest says.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    about,
    input::{bad, is_digest, need, texts, whole},
    over_limit, repository, repository_mut,
};
use crate::{
    rng,
    wire::ApiError,
    world::{
        World,
        images::{
            Repository,
            layer::{Blob, Layer, Upload},
            manifest::is_sha256,
        },
    },
};

/// What UploadLayerPart takes at most (the quota), and what InitiateLayerUpload asks for.
const PART_SIZE: u64 = 10 << 20;
/// What the shape of its blob takes at most.
const BLOB_LIMIT: usize = 20 << 20;
/// What every part but the last has at least.
const PART_LEAST: u64 = 5 << 20;
const PARTS_LIMIT: usize = 4200;
/// Path of the URLs that GetDownloadUrlForLayer gives out.
pub(crate) const LAYER_PATH: &str = "/_sim/layers/";
/// How long such an URL is good, milliseconds.
const URL_LIFE: i64 = 3_600_000;

pub(super) fn check(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let digests = texts(v, "layerDigests", 100)?.ok_or_else(|| bad("layerDigests", "must not be null"))?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for digest in digests {
        let failed = match digest {
            "" => Some(("MissingLayerDigest", "Invalid request parameters: layer digest cannot be empty")),
            odd if !is_digest(odd) => {
                Some(("InvalidLayerDigest", "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"))
            }
            _ => None,
        };
        if let Some((code, reason)) = failed {
            failures.push(json!({"layerDigest": digest, "failureCode": code, "failureReason": reason}));
            continue;
        }
        let Some(layer) = r.layer(digest, w.now) else {
            layers.push(json!({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}));
            continue;
        };
        let mut row = json!({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": layer.size});
        if let Some(kind) = &layer.media_type {
            row["mediaType"] = kind.as_str().into();
        }
        layers.push(row);
    }
    Ok(json!({"layers": layers, "failures": failures}))
}

pub(super) fn initiate(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    repository(w, v)?;
    w.sweep_layers();
    let id = w.new_uuid("layer_upload");
    let until = w.now + w.params.upload_kept.draw(w.seed, "upload_kept", &id);
    repository_mut(w, v)?.uploads.insert(id.clone(), Upload { until, parts: Vec::new() });
    Ok(json!({"uploadId": id, "partSize": PART_SIZE}))
}

/// The upload a call names: its repository and id.
fn upload<'a>(w: &'a World, v: &'a Value) -> Result<(&'a Repository, &'a str, &'a Upload), ApiError> {
    let r = repository(w, v)?;
    let id = need(v, "uploadId")?;
    let found = r.uploads.get(id).filter(|u| w.now < u.until).ok_or_else(|| {
        let words = format!(
            "The upload with upload ID '{id}' does not exist in the repository with name '{}' in the registry with id '{}'",
            r.name, w.account
        );
        ApiError::bad("UploadNotFoundException", words)
    })?;
    Ok((r, id, found))
}

/// A byte's place in a layer.
fn place(v: &Value, name: &str) -> Result<u64, ApiError> {
    let value = whole(v, name)?.ok_or_else(|| bad(name, "must not be null"))?;
    u64::try_from(value).map_err(|_| bad(name, "Member must have value greater than or equal to 0"))
}

pub(super) fn part(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let (first, last) = (place(v, "partFirstByte")?, place(v, "partLastByte")?);
    let (r, id, upload) = upload(w, v)?;
    let coded = need(v, "layerPartBlob")?;
    let unreadable = |_| ApiError::bad("SerializationException", "The member layerPartBlob can not be converted to a Blob");
    // Decoded only when it can be short enough: four characters are three bytes.
    let decoded = if coded.len() / 4 * 3 > BLOB_LIMIT + 2 { None } else { Some(STANDARD.decode(coded).map_err(unreadable)?) };
    let Some(bytes) = decoded.filter(|bytes| bytes.len() <= BLOB_LIMIT) else {
        return Err(bad("layerPartBlob", format!("Member must have length less than or equal to {BLOB_LIMIT}")));
    };
    let (received, size) = (upload.received(), bytes.len() as u64);
    let odd = if first != received {
        Some(format!("The first byte {first} of the layer part is not consecutive to the last byte of the previous layer part"))
    } else if size == 0 || last.checked_sub(first).is_none_or(|n| n.saturating_add(1) != size) {
        Some(format!("The layer part has {size} bytes, which is not what its first byte {first} and last byte {last} say"))
    } else if size > PART_SIZE {
        Some(format!("The layer part has {size} bytes, and at most {PART_SIZE} are allowed"))
    } else {
        None
    };
    if let Some(words) = odd {
        let more = about(w, &r.name, json!({"uploadId": id}));
        let mut error = ApiError::bad("InvalidLayerPartException", words).with(more);
        // Before the first part no byte is valid.
        if let Some(last) = received.checked_sub(1) {
            error = error.with(json!({"lastValidByteReceived": last}));
        }
        return Err(error);
    }
    if upload.parts.len() >= PARTS_LIMIT {
        return Err(over_limit());
    }
    let id = id.to_owned();
    let answer = about(w, &r.name, json!({"uploadId": id, "lastByteReceived": last}));
    if !w.has_room(size) {
        return Err(over_limit());
    }
    w.sweep_layers();
    if let Some(upload) = repository_mut(w, v)?.uploads.get_mut(&id) {
        upload.parts.push(Blob::new(bytes));
    }
    Ok(answer)
}

pub(super) fn complete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let (r, id, upload) = upload(w, v)?;
    let said = texts(v, "layerDigests", 100)?.ok_or_else(|| bad("layerDigests", "must not be null"))?;
    if let Some(odd) = said.iter().find(|d| !is_sha256(d)) {
        return Err(bad("layerDigests", format!("'{odd}' is not a sha256 digest")));
    }
    let Some((_, before)) = upload.parts.split_last() else {
        return Err(ApiError::bad("EmptyUploadException", "The specified layer upload does not contain any layer parts."));
    };
    if before.iter().any(|part| part.len() < PART_LEAST) {
        return Err(ApiError::bad("LayerPartTooSmallException", "All layer parts except the last part should be at least 5MB"));
    }
    let digest = rng::sha256_of(upload.parts.iter().map(Blob::bytes));
    if let Some(other) = said.iter().find(|d| **d != digest) {
        let words = format!("The layer digest '{digest}' calculated by Amazon ECR does not match the digest '{other}' specified");
        return Err(ApiError::bad("InvalidLayerException", words));
    }
    if r.layer(&digest, w.now).is_some() {
        let words =
            format!("Layer with digest '{digest}' already exists in the repository with name '{}' in the registry with id '{}'", r.name, w.account);
        return Err(ApiError::bad("LayerAlreadyExistsException", words));
    }
    let id = id.to_owned();
    let answer = about(w, &r.name, json!({"uploadId": id, "layerDigest": digest}));
    let until = Some(w.layer_gone_at(&digest));
    let r = repository_mut(w, v)?;
    if let Some(upload) = r.uploads.remove(&id) {
        let size = upload.received();
        r.layers.insert(digest, Layer { size, media_type: None, content: Some(upload.parts), until, app: None });
    }
    Ok(answer)
}

/// What makes an URL of this world's own out of a path.
fn signature(w: &World, repository: &str, digest: &str, expires: i64) -> String {
    rng::hex(w.seed, "layer_url", &format!("{repository}/{digest}/{expires}"), 64)
}

pub(super) fn url(w: &World, v: &Value, host: &str) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let digest = need(v, "layerDigest")?;
    if !is_digest(digest) {
        return Err(bad("layerDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"));
    }
    let layer = r.layer(digest, w.now).ok_or_else(|| {
        let words =
            format!("Layers with digests '[{digest}]' do not exist in the repository with name '{}' in the registry with id '{}'", r.name, w.account);
        ApiError::bad("LayersNotFoundException", words)
    })?;
    if layer.until.is_some() {
        return Err(ApiError::bad(
            "LayerInaccessibleException",
            "The specified layer is not available because it is not associated with an image. Unassociated image layers may be cleaned up at any time.",
        ));
    }
    if layer.content.is_none() {
        let words = format!("The layer '{digest}' is not available: it was not uploaded through this API, so there are no bytes of it");
        return Err(ApiError::bad("LayerInaccessibleException", words));
    }
    let expires = w.now + URL_LIFE;
    let signature = signature(w, &r.name, digest, expires);
    let url = format!("http://{host}{LAYER_PATH}{}/{digest}?expires={expires}&signature={signature}", r.name);
    Ok(json!({"downloadUrl": url, "layerDigest": digest}))
}

/// The bytes behind such an URL; `path` is what follows [`LAYER_PATH`]. Refused in the words of S3, which serves layers.
pub(crate) fn download(w: &World, path: &str, query: &str) -> Result<Vec<Blob>, ApiError> {
    let denied = |words: &str| ApiError::new(403, "AccessDenied", words);
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let parts = path.rsplit_once('/').zip(value("expires").and_then(|t| t.parse::<i64>().ok())).zip(value("signature"));
    let Some((((repository, digest), expires), signed)) = parts else {
        return Err(denied("Access Denied"));
    };
    if signature(w, repository, digest, expires) != signed {
        return Err(ApiError::new(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."));
    }
    if w.now >= expires {
        return Err(denied("Request has expired"));
    }
    let content = w.repositories.get(repository).and_then(|r| r.layer(digest, w.now)).and_then(|l| l.content.clone());
    content.ok_or_else(|| ApiError::new(404, "NoSuchKey", "The specified key does not exist."))
}
