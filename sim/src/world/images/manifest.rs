//! Manifests: the four forms of aws-reference 8, and what ECR makes of one for a client that reads another.
//!
//! **Invariant:** what is parsed here is a view; the bytes a client sent are kept beside it and never written anew.

use serde::{Deserialize, Serialize};

/// One container image, as docker writes it.
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Images of several platforms, as docker writes them.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// One image or artifact, as OCI writes it.
pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
/// Images of several platforms, as OCI writes them.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Docker's and OCI's names of the same content.
const SAME: &[(&str, &str)] = &[
    ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
    ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
];

/// What a child of an index runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
}

/// A reference to content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) size: u64,
    pub(crate) digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u64,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    /// Absent in an index.
    pub(crate) config: Option<Descriptor>,
    pub(crate) layers: Vec<Descriptor>,
    /// Of an index.
    pub(crate) children: Vec<Descriptor>,
    pub(crate) subject: Option<String>,
    artifact_type: Option<String>,
}

/// `sha256:` and 64 digits.
pub(crate) fn is_sha256(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

impl Manifest {
    /// Reads a manifest; `said` is the media type given beside it. The error says what constraint is not met.
    pub(crate) fn parse(text: &str, said: Option<&str>) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(text).map_err(|_| "Invalid JSON syntax or structure".to_owned())?;
        let media_type = match (wire.media_type, said) {
            (Some(inside), Some(said)) if inside != said => {
                return Err(format!("The mediaType {inside} of the manifest does not match the imageManifestMediaType {said}"));
            }
            (Some(inside), _) => inside,
            (None, Some(said)) => said.to_owned(),
            (None, None) => return Err("The manifest has no mediaType and no imageManifestMediaType was given".into()),
        };
        if wire.schema_version != 2 {
            return Err(format!("Unsupported schemaVersion {}", wire.schema_version));
        }
        let (config, layers, children) = match (media_type.as_str(), wire.config, wire.layers, wire.manifests) {
            (DOCKER | OCI, Some(config), Some(layers), None) => (Some(config), layers, Vec::new()),
            (DOCKER_LIST | OCI_INDEX, None, None, Some(children)) => (None, Vec::new(), children),
            (DOCKER | OCI | DOCKER_LIST | OCI_INDEX, ..) => return Err(format!("The content is not a manifest of type {media_type}")),
            _ => return Err(format!("Unsupported manifest media type {media_type}")),
        };
        let manifest = Self { media_type, config, layers, children, subject: wire.subject.map(|s| s.digest), artifact_type: wire.artifact_type };
        let mut named = manifest.blobs().chain(&manifest.children).map(|d| d.digest.as_str()).chain(manifest.subject.as_deref());
        let odd = named.find(|d| !is_sha256(d)).map(|odd| format!("Invalid digest {odd}"));
        drop(named);
        odd.map_or(Ok(manifest), Err)
    }

    /// Everything that has to be uploaded before it: the config, which is a layer too, and the layers.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    pub(crate) fn is_index(&self) -> bool {
        self.config.is_none()
    }

    /// Whether docker can run it, and basic scanning look into it.
    pub(crate) fn is_container(&self) -> bool {
        self.config.as_ref().is_some_and(|c| c.media_type == SAME[0].0 || c.media_type == SAME[0].1)
    }

    /// `artifactMediaType` of DescribeImages.
    pub(crate) fn artifact(&self) -> Option<&str> {
        self.artifact_type.as_deref().or(self.config.as_ref().map(|c| c.media_type.as_str()))
    }

    /// The child of an index for instances here, which are all linux on x86_64.
    pub(crate) fn own_platform(&self) -> Option<&Descriptor> {
        self.children.iter().find(|c| c.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == "amd64"))
    }

    /// The same image in another form: docker to OCI or back. There is no other conversion.
    pub(crate) fn converted(&self, to: &str) -> Option<String> {
        let config = self.config.as_ref()?;
        let rename = |d: &Descriptor| {
            let found = SAME.iter().find_map(|(docker, oci)| match (self.media_type.as_str(), to) {
                (DOCKER, OCI) if d.media_type == *docker => Some(*oci),
                (OCI, DOCKER) if d.media_type == *oci => Some(*docker),
                _ => None,
            });
            found.map(|name| Descriptor { media_type: name.to_owned(), platform: None, ..d.clone() })
        };
        let layers = self.layers.iter().map(rename).collect::<Option<Vec<_>>>()?;
        serde_json::to_string(&Written { schema_version: 2, media_type: to, config: rename(config)?, layers }).ok()
    }
}
