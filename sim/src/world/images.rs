//! Repositories and images (aws-reference 8).
//!
//! **Invariant:** a digest is the sha256 of the manifest's exact bytes; a tag names one image at a time, and moving it
//! leaves the old image in place, untagged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::World;
use crate::{rng, seed::ImageSeed};

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
            Some(("crash_after", s)) => s.parse().ok().filter(|s| *s >= 0).map(Self::CrashAfter),
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

/// One image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) manifest: String,
    pub(crate) size: u64,
    pub(crate) pushed: i64,
    pub(crate) pulled: Option<i64>,
    pub(crate) behaviour: Behaviour,
    pub(crate) boot_seconds: Option<i64>,
    pub(crate) scanned_at: i64,
}

/// One repository.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) created: i64,
    pub(crate) images: BTreeMap<String, Image>,
    /// Tag to digest.
    pub(crate) tags: BTreeMap<String, String>,
}

impl Repository {
    pub(crate) fn tags_of(&self, digest: &str) -> Vec<&str> {
        self.tags.iter().filter(|(_, d)| *d == digest).map(|(t, _)| t.as_str()).collect()
    }
}

/// Media type of every manifest here.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A manifest whose bytes are decided by the salt alone.
fn manifest(seed: u64, salt: &str) -> (String, u64) {
    let layer = |n: usize| format!("sha256:{}", rng::hex(seed, "layer", &format!("{salt}/{n}"), 64));
    let size = |n: u64| 20_000_000 + rng::hash(seed, "size", &format!("{salt}/{n}")) % 60_000_000;
    let (a, b) = (size(1), size(2));
    let text = format!(
        "{{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"{MANIFEST_TYPE}\",\n   \"config\": {{\n      \"mediaType\": \"application/vnd.docker.container.image.v1+json\",\n      \"size\": 7023,\n      \"digest\": \"{}\"\n   }},\n   \"layers\": [\n      {{\n         \"mediaType\": \"application/vnd.docker.image.rootfs.diff.tar.gzip\",\n         \"size\": {a},\n         \"digest\": \"{}\"\n      }},\n      {{\n         \"mediaType\": \"application/vnd.docker.image.rootfs.diff.tar.gzip\",\n         \"size\": {b},\n         \"digest\": \"{}\"\n      }}\n   ]\n}}",
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
        if image.boot_seconds.is_some_and(|s| s < 0) {
            return Err("boot_seconds: must not be negative".into());
        }
        let key = self.next_key();
        let (manifest, size) = manifest(self.seed, &format!("{repository}/{key}"));
        let digest = rng::sha256(manifest.as_bytes());
        let scanned_at = pushed + self.params.scan.draw(self.seed, "scan", &digest);
        let repo = self.repositories.get_mut(repository).ok_or_else(|| format!("repository: {repository:?} does not exist"))?;
        let image_row =
            Image { digest: digest.clone(), manifest, size, pushed, pulled: None, behaviour, boot_seconds: image.boot_seconds, scanned_at };
        repo.images.insert(digest.clone(), image_row);
        repo.tags.insert(image.tag.clone(), digest.clone());
        Ok(digest)
    }

    /// The repository and digest behind a reference `host/repository:tag` or `host/repository@sha256:…`, or the words
    /// in which docker refuses it.
    pub(crate) fn pull(&mut self, reference: &str) -> Result<(String, String), String> {
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
        let now = self.now;
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
        match digest.and_then(|d| repo.images.get_mut(&d)) {
            Some(image) => {
                image.pulled = Some(now);
                Ok((name.to_owned(), image.digest.clone()))
            }
            None => Err(format!("Error response from daemon: manifest for {reference} not found: manifest unknown: Requested image not found")),
        }
    }

    pub(crate) fn image(&self, repository: &str, digest: &str) -> Option<&Image> {
        self.repositories.get(repository)?.images.get(digest)
    }
}
