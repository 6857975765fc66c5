//! BatchGetImage and BatchDeleteImage (aws-reference 8).
//!
//! **Invariant:** a row that fails is a row of `failures` and leaves the others alone; by digest a manifest is answered
//! as it was put.

use serde_json::{Value, json};

use super::{
    about,
    input::{Asked, Failure, bad, texts},
    repository, repository_mut,
};
use crate::{
    rng,
    wire::ApiError,
    world::{
        World,
        images::{
            Image, Repository,
            manifest::{DOCKER, OCI},
        },
    },
};

fn failure(id: &Asked<'_>, (code, reason): Failure) -> Value {
    json!({"imageId": id.json(), "failureCode": code, "failureReason": reason})
}

/// The text, type and digest to answer for an image, if there is one the caller takes.
fn readable(i: &Image, id: &Asked<'_>, accepted: Option<&[&str]>, exact_always: bool) -> Option<(String, String, String)> {
    let as_put = || Some((i.manifest.as_str().to_owned(), i.form.media_type.clone(), i.digest.clone()));
    let Some(accepted) = accepted.filter(|types| !types.contains(&i.form.media_type.as_str())) else {
        return as_put();
    };
    if id.digest.is_some() {
        return if exact_always { as_put() } else { None };
    }
    let to = [OCI, DOCKER].into_iter().find(|to| accepted.contains(to))?;
    let text = i.form.converted(to)?;
    let digest = rng::sha256(text.as_bytes());
    Some((text, to.to_owned(), digest))
}

pub(super) fn get(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let ids = Asked::many(v)?.ok_or_else(|| bad("imageIds", "must not be null"))?;
    let accepted = texts(v, "acceptedMediaTypes", 100)?;
    let (mut images, mut failures, mut pulled) = (Vec::new(), Vec::new(), Vec::new());
    for id in &ids {
        let image = match id.find(r) {
            Ok(image) => image,
            Err(why) => {
                failures.push(failure(id, why));
                continue;
            }
        };
        let Some((text, kind, digest)) = readable(image, id, accepted.as_deref(), w.params.digest_answers_any_type) else {
            failures.push(failure(id, ("ImageNotFound", "Requested image not found".into())));
            continue;
        };
        pulled.push(image.digest.clone());
        images.push(about(w, &r.name, json!({"imageId": id.with(Some(&digest)), "imageManifest": text, "imageManifestMediaType": kind})));
    }
    let (now, grain) = (w.now, w.params.pull_record_grain);
    let r = repository_mut(w, v)?;
    for digest in pulled {
        if let Some(image) = r.images.get_mut(&digest) {
            image.record_pull(now, grain);
        }
    }
    Ok(json!({"images": images, "failures": failures}))
}

/// Manifest lists that name an image.
fn lists_of(r: &Repository, digest: &str) -> Vec<String> {
    r.images.values().filter(|i| i.form.children.iter().any(|c| c.digest == digest)).map(|i| i.digest.clone()).collect()
}

pub(super) fn delete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let ids = Asked::many(v)?.ok_or_else(|| bad("imageIds", "must not be null"))?;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for id in &ids {
        let r = repository_mut(w, v)?;
        let digest = match id.find(r) {
            Ok(image) => image.digest.clone(),
            Err(why) => {
                failures.push(failure(id, why));
                continue;
            }
        };
        // By tag the tag goes, and with the last tag the image; by digest everything.
        let tags: Vec<String> = match id.tag {
            Some(tag) => vec![tag.to_owned()],
            None => r.tags_of(&digest).into_iter().map(str::to_owned).collect(),
        };
        let whole = r.tags_of(&digest).len() == tags.len();
        let lists = lists_of(r, &digest);
        if whole && !lists.is_empty() {
            failures
                .push(failure(id, ("ImageReferencedByManifestList", format!("Requested image referenced by manifest list: [{}]", lists.join(", ")))));
            continue;
        }
        r.tags.retain(|tag, _| !tags.contains(tag));
        done.extend(tags.iter().map(|tag| json!({"imageDigest": digest, "imageTag": tag})));
        if tags.is_empty() {
            done.push(json!({"imageDigest": digest}));
        }
        if whole {
            w.remove_images(&name, &[digest]);
        }
    }
    Ok(json!({"imageIds": done, "failures": failures}))
}
