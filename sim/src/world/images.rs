//! Repositories and images (aws-reference 8).
//!
//! **Invariant:** a digest is the sha256 of the manifest's exact bytes; a tag names one image at a time, and moving it
//! leaves the old image in place, untagged.

pub(crate) mod expiry;
pub(crate) mod layer;
pub(crate) mod manifest;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::World;
use crate::{rng, seed::ImageSeed};
use expiry::{Lifecycle, Preview};
use layer::{Layer, Text, Upload};
use manifest::{DOCKER, Manifest};

/// Longest time an image may name, seconds.
const YEAR: i64 = 31_536_000;

/// How the application in an image behaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(crate) enum Behaviour {
    #[default]
    Ok,
    /// Answers 500.
    Unhealthy,
    /// Listens only after the image's `boot_seconds`.
    SlowBoot,
    /// Dies this many seconds after it began to listen.
    CrashAfter(i64),
    /// Each health check fails with this probability.
    Flaky(f64),
    /// Accepts connections and never answers.
    Hang,
}

impl Behaviour {
    /// Reads `ok|unhealthy|slow_boot|hang|crash_after:S|flaky:P` (design section 6).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => match text {
                "ok" => Some(Self::Ok),
                "unhealthy" => Some(Self::Unhealthy),
                "slow_boot" => Some(Self::SlowBoot),
                "hang" => Some(Self::Hang),
                _ => None,
            },
            Some(("crash_after", s)) => s.parse().ok().filter(|s| (0..=YEAR).contains(s)).map(Self::CrashAfter),
            Some(("flaky", p)) => p.parse().ok().filter(|p| (0.0..=1.0).contains(p)).map(Self::Flaky),
            Some(_) => None,
        }
    }

    /// The same text again.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Ok => "ok".into(),
            Self::Unhealthy => "unhealthy".into(),
            Self::SlowBoot => "slow_boot".into(),
            Self::Hang => "hang".into(),
            Self::CrashAfter(s) => format!("crash_after:{s}"),
            Self::Flaky(p) => format!("flaky:{p}"),
        }
    }
}

/// A scan of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scan {
    pub(crate) started: i64,
    pub(crate) done: i64,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) manifest: Text,
    /// What the manifest says.
    pub(crate) form: Manifest,
    pub(crate) size: u64,
    pub(crate) pushed: i64,
    /// Last recorded pull.
    pub(crate) pulled: Option<i64>,
    pub(crate) behaviour: Behaviour,
    pub(crate) boot_seconds: Option<i64>,
    pub(crate) scan: Option<Scan>,
}

impl Image {
    /// A pull is recorded when the last record is older than the grain.
    pub(crate) fn record_pull(&mut self, now: i64, grain: i64) {
        if self.pulled.is_none_or(|last| now - last >= grain * 1000) {
            self.pulled = Some(now);
        }
    }
}

/// Which tags may move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mutability {
    /// AWS's name of the mode.
    pub(crate) mode: String,
    /// Tags that fit one of these are the exception.
    pub(crate) exclusions: Vec<String>,
}

impl Default for Mutability {
    fn default() -> Self {
        Self { mode: "MUTABLE".into(), exclusions: Vec::new() }
    }
}

impl Mutability {
    /// Whether this tag, once set, stays.
    pub(crate) fn fixes(&self, tag: &str) -> bool {
        self.mode.starts_with("IMMUTABLE") != self.exclusions.iter().any(|pattern| expiry::fits(pattern, tag))
    }
}

/// One repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) created: i64,
    pub(crate) images: BTreeMap<String, Image>,
    /// Tag to digest.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) layers: BTreeMap<String, Layer>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    pub(crate) mutability: Mutability,
    pub(crate) scan_on_push: bool,
    /// Tags of the repository itself.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its resource policy, kept and not enforced.
    pub(crate) policy: Option<String>,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) preview: Option<Preview>,
}

impl Repository {
    pub(crate) fn tags_of(&self, digest: &str) -> Vec<&str> {
        self.tags.iter().filter(|(_, d)| *d == digest).map(|(t, _)| t.as_str()).collect()
    }

    /// The tags of every tagged image.
    pub(crate) fn tags_by_digest(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tag, digest) in &self.tags {
            out.entry(digest).or_default().push(tag);
        }
        out
    }
}

/// An image an instance has pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pulled {
    pub(crate) repository: String,
    /// What the reference named; an index, perhaps.
    pub(crate) named: String,
    /// The image of the instance's own platform.
    pub(crate) digest: String,
}

/// A manifest whose bytes are decided by the salt alone.
fn manifest(seed: u64, salt: &str) -> (String, u64) {
    let layer = |n: usize| format!("sha256:{}", rng::hex(seed, "layer", &format!("{salt}/{n}"), 64));
    let size = |n: u64| 20_000_000 + rng::hash(seed, "size", &format!("{salt}/{n}")) % 60_000_000;
    let (a, b) = (size(1), size(2));
    let text = format!(
        "{{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"{DOCKER}\",\n   \"config\": {{\n      \"mediaType\": \"application/vnd.docker.container.image.v1+json\",\n      \"size\": 7023,\n      \"digest\": \"{}\"\n   }},\n   \"layers\": [\n      {{\n         \"mediaType\": \"application/vnd.docker.image.rootfs.diff.tar.gzip\",\n         \"size\": {a},\n         \"digest\": \"{}\"\n      }},\n      {{\n         \"mediaType\": \"application/vnd.docker.image.rootfs.diff.tar.gzip\",\n         \"size\": {b},\n         \"digest\": \"{}\"\n      }}\n   ]\n}}",
        layer(0),
        layer(1),
        layer(2)
    );
    (text, a + b + 7023)
}

impl World {
    /// Pushes an image under a tag and returns its digest.
    pub(crate) fn push_image(&mut self, repository: &str, image: &ImageSeed, pushed: i64) -> Result<String, String> {
        let behaviour = Behaviour::parse(&image.behaviour)
            .ok_or_else(|| format!("behaviour: {:?} is none of ok, unhealthy, slow_boot, hang, crash_after:S, flaky:P", image.behaviour))?;
        if image.tag.is_empty() {
            return Err("tag: must not be empty".into());
        }
        if image.boot_seconds.is_some_and(|s| !(0..=YEAR).contains(&s)) {
            return Err(format!("boot_seconds: must be between 0 and {YEAR}"));
        }
        let key = self.next_key();
        let (manifest, size) = manifest(self.seed, &format!("{repository}/{key}"));
        let digest = rng::sha256(manifest.as_bytes());
        let form = Manifest::parse(&manifest, None)?;
        let scan = Some(Scan { started: pushed, done: pushed + self.params.scan.draw(self.seed, "scan", &digest) });
        let repo = self.repositories.get_mut(repository).ok_or_else(|| format!("repository: {repository:?} does not exist"))?;
        for (at, blob) in form.blobs().enumerate() {
            let app = (at == 0).then_some((behaviour, image.boot_seconds));
            let layer = Layer { size: blob.size, media_type: Some(blob.media_type.clone()), content: None, until: None, app };
            repo.layers.insert(blob.digest.clone(), layer);
        }
        let row = Image {
            digest: digest.clone(),
            manifest: manifest.into(),
            form,
            size,
            pushed,
            pulled: None,
            behaviour,
            boot_seconds: image.boot_seconds,
            scan: scan.filter(|_| repo.scan_on_push),
        };
        repo.images.insert(digest.clone(), row);
        repo.tags.insert(image.tag.clone(), digest.clone());
        Ok(digest)
    }

    /// What is behind a reference `host/repository:tag` or `host/repository@sha256:…`, or the words in which docker
    /// refuses it.
    pub(crate) fn pull(&mut self, reference: &str) -> Result<Pulled, String> {
        let registry = self.registry();
        let Some((host, rest)) = reference.split_once('/').filter(|(host, _)| host.contains('.')) else {
            return Err(format!(
                "Error response from daemon: pull access denied for {reference}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
            ));
        };
        if host != registry {
            return Err(format!("Error response from daemon: Get \"https://{host}/v2/\": dial tcp: lookup {host}: no such host"));
        }
        let (name, wanted) = match rest.split_once('@') {
            Some((name, digest)) => (name.split(':').next().unwrap_or(name), Err(digest)),
            None => {
                let (name, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
                (name, Ok(tag))
            }
        };
        let (now, grain) = (self.now, self.params.pull_record_grain);
        let account = self.account.clone();
        let Some(repo) = self.repositories.get_mut(name) else {
            return Err(format!(
                "Error response from daemon: repository {host}/{name} not found: name unknown: The repository with name '{name}' does not exist in the registry with id '{account}'"
            ));
        };
        let digest = match wanted {
            Err(digest) => Some(digest.to_owned()),
            Ok(tag) => repo.tags.get(tag).cloned(),
        };
        let lost = || format!("Error response from daemon: manifest for {reference} not found: manifest unknown: Requested image not found");
        let image = digest.and_then(|d| repo.images.get(&d)).ok_or_else(lost)?;
        let named = image.digest.clone();
        let own = if image.form.is_index() {
            let child = image.form.own_platform().ok_or("no matching manifest for linux/amd64 in the manifest list entries")?;
            repo.images.get(&child.digest).ok_or_else(lost)?
        } else {
            image
        };
        if !own.form.is_container() {
            return Err(format!("Error response from daemon: unsupported media type {}", own.form.artifact().unwrap_or_default()));
        }
        let digest = own.digest.clone();
        for pulled in [&named, &digest] {
            if let Some(image) = repo.images.get_mut(pulled) {
                image.record_pull(now, grain);
            }
        }
        Ok(Pulled { repository: name.to_owned(), named, digest })
    }

    pub(crate) fn image(&self, repository: &str, digest: &str) -> Option<&Image> {
        self.repositories.get(repository)?.images.get(digest)
    }
}
