//! Layers that images consist of, and uploads under way (aws-reference 8).
//!
//! **Invariant:** uploaded bytes are shared, not copied, when a world is kept for stale answers; together with the
//! manifests they never pass `Params::ecr_store_bytes`. A layer no image names is gone after a while, an upload that is
//! not completed too.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Behaviour, Repository};
use crate::world::World;

/// Shared bytes; base64 in an exported world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Blob(Arc<Vec<u8>>);

impl Blob {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl TryFrom<String> for Blob {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self::new)
    }
}

impl From<Blob> for String {
    fn from(blob: Blob) -> Self {
        STANDARD.encode(blob.bytes())
    }
}

/// Shared text: a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Text(Arc<str>);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.as_ref().to_owned()
    }
}

/// A layer or a container's config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) size: u64,
    /// As the first manifest that named it said.
    pub(crate) media_type: Option<String>,
    /// Bytes as they were uploaded; what a seed or a control pushed has none.
    pub(crate) content: Option<Vec<Blob>>,
    /// When it is gone unless an image names it until then; absent while one does.
    pub(crate) until: Option<i64>,
    /// What starts from this config, where it has no bytes to read that from.
    pub(crate) app: Option<(Behaviour, Option<i64>)>,
}

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) until: i64,
    pub(crate) parts: Vec<Blob>,
}

impl Upload {
    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.parts.iter().map(Blob::len).sum()
    }
}

impl Repository {
    /// A layer that is still there.
    pub(crate) fn layer(&self, digest: &str, now: i64) -> Option<&Layer> {
        self.layers.get(digest).filter(|l| l.until.is_none_or(|until| now < until))
    }

    fn stored(&self, now: i64) -> u64 {
        let layers = self.layers.values().filter(|l| l.until.is_none_or(|until| now < until)).filter_map(|l| l.content.as_ref()).flatten();
        let parts = self.uploads.values().filter(|u| now < u.until).flat_map(|u| &u.parts);
        let manifests = self.images.values().map(|i| i.manifest.as_str().len() as u64);
        layers.chain(parts).map(Blob::len).sum::<u64>() + manifests.sum::<u64>()
    }
}

impl World {
    /// Lets go of layers and uploads whose time is over.
    pub(crate) fn sweep_layers(&mut self) {
        let now = self.now;
        for repo in self.repositories.values_mut() {
            repo.layers.retain(|_, l| l.until.is_none_or(|until| now < until));
            repo.uploads.retain(|_, u| now < u.until);
        }
    }

    /// Whether this many more bytes may be kept.
    pub(crate) fn has_room(&self, more: u64) -> bool {
        let stored: u64 = self.repositories.values().map(|r| r.stored(self.now)).sum();
        stored.saturating_add(more) <= self.params.ecr_store_bytes
    }

    /// When a layer of this digest is gone if no image names it from now on.
    pub(crate) fn layer_gone_at(&self, digest: &str) -> i64 {
        self.now + self.params.unreferenced_layer.draw(self.seed, "unreferenced_layer", digest)
    }

    /// Removes images with their tags; layers that no image names any more begin to age.
    pub(crate) fn remove_images(&mut self, repository: &str, digests: &[String]) {
        let mut freed = Vec::new();
        if let Some(repo) = self.repositories.get_mut(repository) {
            for digest in digests {
                let Some(image) = repo.images.remove(digest) else { continue };
                repo.tags.retain(|_, d| d != digest);
                freed.extend(image.form.blobs().map(|b| b.digest.clone()));
            }
            freed.retain(|digest| !repo.images.values().any(|i| i.form.blobs().any(|b| b.digest == *digest)));
        }
        for digest in freed {
            let gone = self.layer_gone_at(&digest);
            if let Some(layer) = self.repositories.get_mut(repository).and_then(|r| r.layers.get_mut(&digest)) {
                layer.until = Some(gone);
            }
        }
    }
}
