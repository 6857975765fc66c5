//! PutImage (aws-reference 2.4, 8).
//!
//! **Invariant:** the manifest is kept as it was sent, byte for byte; everything it names is there before it.

use serde_json::{Value, json};

use super::{
    about,
    input::{bad, is_digest, is_tag, need, text},
    over_limit, repository,
};
use crate::{
    rng,
    wire::ApiError,
    world::{
        World,
        images::{Behaviour, Image, Repository, Scan, manifest::Manifest},
    },
};

const MANIFEST_LIMIT: usize = 4 << 20;
const TAGS_LIMIT: usize = 1000;
const IMAGES_LIMIT: usize = 100_000;
/// A config above this is not read for labels.
const CONFIG_LIMIT: u64 = 1 << 20;
/// Label of a container's config that says how its application behaves here.
const BEHAVIOUR_LABEL: &str = "fleetgate-sim.behaviour";
/// Label that says after how many seconds it listens.
const BOOT_LABEL: &str = "fleetgate-sim.boot-seconds";

pub(super) fn put(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let manifest = need(v, "imageManifest")?;
    if manifest.is_empty() || manifest.len() > MANIFEST_LIMIT {
        return Err(bad("imageManifest", format!("Member must have length between 1 and {MANIFEST_LIMIT}")));
    }
    let tag = text(v, "imageTag")?;
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(bad("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]*'"));
    }
    let form = Manifest::parse(manifest, text(v, "imageManifestMediaType")?).map_err(|why| bad("imageManifest", why))?;
    let digest = rng::sha256(manifest.as_bytes());
    match text(v, "imageDigest")? {
        Some(said) if !is_digest(said) => return Err(bad("imageDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")),
        Some(said) if said != digest => {
            let words = format!("The specified image digest '{said}' does not match the digest '{digest}' that Amazon ECR calculated for the image");
            return Err(ApiError::bad("ImageDigestDoesNotMatchException", words));
        }
        _ => {}
    }
    everything_is_there(w, r, &form)?;
    may_have_tag(w, r, &digest, tag)?;
    let known = r.images.contains_key(&digest);
    if !known && (r.images.len() >= IMAGES_LIMIT || !w.has_room(manifest.len() as u64)) {
        return Err(over_limit());
    }
    let answer = {
        let mut id = json!({"imageDigest": digest});
        if let Some(tag) = tag {
            id["imageTag"] = tag.into();
        }
        let image = about(w, &r.name, json!({"imageId": id, "imageManifest": manifest, "imageManifestMediaType": form.media_type}));
        json!({"image": image})
    };
    let (behaviour, boot_seconds) = application(w, r, &form)?;
    let size = size(w, r, &form);
    let (name, now, moves) = (r.name.clone(), w.now, w.params.retag_moves_pushed);
    let scan = r.scan_on_push && form.is_container();
    let scan = scan.then(|| Scan { started: now, done: now + w.params.scan.draw(w.seed, "scan", &digest) });
    w.sweep_layers();
    let Some(r) = w.repositories.get_mut(&name) else {
        return Err(super::no_repository(&name, &w.account));
    };
    for blob in form.blobs() {
        if let Some(layer) = r.layers.get_mut(&blob.digest) {
            layer.until = None;
            layer.media_type.get_or_insert_with(|| blob.media_type.clone());
        }
    }
    match r.images.get_mut(&digest) {
        Some(image) if moves => image.pushed = now,
        Some(_) => {}
        None => {
            let manifest = manifest.to_owned().into();
            let image = Image { digest: digest.clone(), manifest, form, size, pushed: now, pulled: None, behaviour, boot_seconds, scan };
            r.images.insert(digest.clone(), image);
        }
    }
    // A tag that moves leaves the old image where it is.
    if let Some(tag) = tag {
        r.tags.insert(tag.to_owned(), digest);
    }
    Ok(answer)
}

fn everything_is_there(w: &World, r: &Repository, form: &Manifest) -> Result<(), ApiError> {
    let refuse = |code: &str, what: &str, missing: Vec<&str>| {
        let words = format!(
            "{what} with digests '[{}]' required for pushing image into repository with name '{}' in the registry with id '{}' do not exist",
            missing.join(", "),
            r.name,
            w.account
        );
        Err(ApiError::bad(code, words))
    };
    let layers: Vec<&str> = form.blobs().map(|b| b.digest.as_str()).filter(|d| r.layer(d, w.now).is_none()).collect();
    if !layers.is_empty() {
        return refuse("LayersNotFoundException", "Layers", layers);
    }
    let children: Vec<&str> = form.children.iter().map(|c| c.digest.as_str()).filter(|d| !r.images.contains_key(*d)).collect();
    if !children.is_empty() {
        return refuse("ReferencedImagesNotFoundException", "Images", children);
    }
    Ok(())
}

fn may_have_tag(w: &World, r: &Repository, digest: &str, tag: Option<&str>) -> Result<(), ApiError> {
    let now_on = match tag {
        Some(tag) => r.tags.get(tag).map(String::as_str),
        None => r.images.get(digest).map(|i| i.digest.as_str()),
    };
    match now_on {
        Some(same) if same == digest => Err(ApiError::bad(
            "ImageAlreadyExistsException",
            format!(
                "Image with digest '{digest}' and tag '{}' already exists in the repository with name '{}' in registry with id '{}'",
                tag.unwrap_or("null"),
                r.name,
                w.account
            ),
        )),
        Some(_) if tag.is_some_and(|tag| r.mutability.fixes(tag)) => Err(ApiError::bad(
            "ImageTagAlreadyExistsException",
            format!(
                "The image tag '{}' already exists in the '{}' repository and cannot be overwritten because the tag is immutable.",
                tag.unwrap_or_default(),
                r.name
            ),
        )),
        _ if tag.is_some() && r.tags_of(digest).len() >= TAGS_LIMIT => Err(over_limit()),
        _ => Ok(()),
    }
}

/// What the registry holds of the image; of an index the largest child.
fn size(w: &World, r: &Repository, form: &Manifest) -> u64 {
    let children = form.children.iter().filter_map(|c| r.images.get(&c.digest)).map(|i| i.size);
    children.max().unwrap_or_default() + form.blobs().filter_map(|b| r.layer(&b.digest, w.now)).map(|l| l.size).sum::<u64>()
}

/// How an image's application behaves: as the labels of its config say, or as the seed said of that config.
fn application(w: &World, r: &Repository, form: &Manifest) -> Result<(Behaviour, Option<i64>), ApiError> {
    let plain = (Behaviour::Ok, None);
    let Some(config) = form.config.as_ref().and_then(|c| r.layer(&c.digest, w.now)) else {
        return Ok(plain);
    };
    if let Some(app) = config.app {
        return Ok(app);
    }
    let Some(parts) = config.content.as_ref().filter(|_| config.size <= CONFIG_LIMIT && form.is_container()) else {
        return Ok(plain);
    };
    let bytes = parts.iter().map(|p| p.bytes()).collect::<Vec<_>>().concat();
    let read: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let label = |name: &str| read.pointer("/config/Labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
    // A label in the simulator's own name that it cannot read is a mistake somebody wants to hear of.
    let odd = |name: &str, text: &str| bad("imageManifest", format!("the config's label {name} is {text:?}"));
    let behaviour = match label(BEHAVIOUR_LABEL) {
        Some(text) => Behaviour::parse(text).ok_or_else(|| odd(BEHAVIOUR_LABEL, text))?,
        None => Behaviour::Ok,
    };
    let boot = match label(BOOT_LABEL) {
        Some(text) => Some(text.parse().ok().filter(|s| (0..=86_400).contains(s)).ok_or_else(|| odd(BOOT_LABEL, text))?),
        None => None,
    };
    Ok((behaviour, boot))
}
