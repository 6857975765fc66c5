//! Launch templates and their immutable versions (aws-reference 7.1).
//!
//! **Invariant:** a version's data never changes and a number is never used twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{World, group::TemplateRef};
use crate::wire::node::Node;

/// One version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) created: i64,
    pub(crate) by: String,
    pub(crate) description: Option<String>,
    /// Members by request name.
    pub(crate) data: Node,
}

/// The template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: i64,
    pub(crate) by: String,
    pub(crate) default: u64,
    pub(crate) latest: u64,
    pub(crate) versions: BTreeMap<u64, Version>,
    pub(crate) tags: Vec<(String, String)>,
    /// Client token, fingerprint of the request it came with, and the version it made.
    pub(crate) tokens: BTreeMap<String, (String, u64)>,
}

impl Template {
    /// The number behind `$Latest`, `$Default` or a number in text.
    pub(crate) fn number(&self, version: &str) -> Option<u64> {
        match version {
            "$Latest" => self.versions.keys().next_back().copied(),
            "$Default" => Some(self.default),
            text => text.parse().ok(),
        }
    }

    pub(crate) fn resolve(&self, version: &str) -> Option<&Version> {
        self.versions.get(&self.number(version)?)
    }
}

impl World {
    pub(crate) fn template_named(&self, name: &str) -> Option<&Template> {
        self.templates.values().find(|t| t.name == name)
    }

    /// The template and version behind a reference. `$Latest` may lag behind a version made just now (aws-reference 2.3).
    pub(crate) fn version_of(&self, spec: &TemplateRef) -> Option<(&Template, &Version)> {
        let template = self.templates.get(&spec.id)?;
        let seen = |v: &&Version| self.visible(&format!("{}/{}", template.id, v.number), v.created);
        let lagging = (spec.version == "$Latest").then(|| template.versions.values().rev().find(seen)).flatten();
        Some((template, lagging.or_else(|| template.resolve(&spec.version))?))
    }
}
