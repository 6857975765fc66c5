//! The fleet as people see it: each instance with where it stands on two axes, version and health, which are never mixed.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::evidence::{self, target_words};
use super::image::Launched;
use super::observation::{GroupInstance, Observation};
use super::plan;

/// The version axis, against the template version that the fleet should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Another one that nobody asked for here.
    Other,
    /// The one before.
    Old,
    /// The wanted one.
    Wanted,
}

/// The health axis of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In service, and healthy in everything that listens.
    Healthy,
    /// On its way in, or not yet healthy.
    Starting,
    /// Says no.
    Failing,
    /// On its way out.
    Leaving,
    /// Taken out by hand.
    Standby,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Zone.
    pub zone: String,
    /// Lifecycle state as AWS spells it.
    pub lifecycle: String,
    /// Version axis.
    pub version: Version,
    /// Health axis.
    pub standing: Standing,
    /// Template version that it was launched from.
    pub template_version: Option<i64>,
    /// What it was launched to run, where that is certain.
    pub digest: Option<String>,
    /// That digest's release.
    pub release: Option<i64>,
    /// AWS's words about its target, when not healthy.
    pub words: Option<String>,
    /// Protected from scale-in.
    pub protected: bool,
}

/// Which template versions are wanted and old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    /// The wanted version; `None`: what the group launches.
    pub wanted: Option<i64>,
    /// The version before.
    pub old: Option<i64>,
}

/// Every instance of the observed group: by zone, old versions first.
pub fn instances(env: &Environment, obs: &Observation, releases: &BTreeMap<String, i64>, aim: Aim) -> Vec<Instance> {
    let Some(group) = &obs.group else { return Vec::new() };
    let wanted = aim.wanted.or_else(|| obs.launched_version());
    let mut digests: BTreeMap<i64, Option<String>> = BTreeMap::new();
    let mut all: Vec<Instance> = group
        .instances
        .iter()
        .map(|i| {
            let digest = i.template_version.and_then(|v| {
                digests
                    .entry(v)
                    .or_insert_with(|| match plan::launched(env, obs, v) {
                        Launched::Digest { digest } => Some(digest),
                        _ => None,
                    })
                    .clone()
            });
            let standing = standing(obs, i);
            Instance {
                version: match i.template_version {
                    v if v.is_some() && v == wanted => Version::Wanted,
                    v if v.is_some() && (v == aim.old || aim.old.is_none() && v < wanted) => Version::Old,
                    _ => Version::Other,
                },
                words: if standing == Standing::Healthy { None } else { target_words(obs, &i.id) },
                release: digest.as_ref().and_then(|d| releases.get(d)).copied(),
                id: i.id.clone(),
                zone: i.zone.clone(),
                lifecycle: i.lifecycle.clone(),
                template_version: i.template_version,
                protected: i.protected,
                standing,
                digest,
            }
        })
        .collect();
    all.sort_by(|a, b| (&a.zone, a.template_version, &a.id).cmp(&(&b.zone, b.template_version, &b.id)));
    all
}

fn standing(obs: &Observation, i: &GroupInstance) -> Standing {
    if i.leaving() {
        Standing::Leaving
    } else if i.standby() {
        Standing::Standby
    } else {
        match evidence::health(obs, i) {
            evidence::Health::Healthy => Standing::Healthy,
            evidence::Health::Starting => Standing::Starting,
            evidence::Health::Unhealthy if i.arriving() => Standing::Starting,
            evidence::Health::Unhealthy => Standing::Failing,
        }
    }
}
