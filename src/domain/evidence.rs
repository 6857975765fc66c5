//! What the instances prove: counts by version, and the verdict on each new one.
//!
//! **Invariant:** an instance counts as new only by the template version it was launched from, and as healthy only by the
//! target groups that have a listener (by the group's own health where there is none). AWS's percentage is not used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observation::{Group, GroupInstance, Millis, Observation};

/// What was seen of one instance over time, on the cloud clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// First seen `InService`.
    pub in_service_at: Option<Millis>,
    /// First seen healthy everywhere.
    pub healthy_at: Option<Millis>,
}

/// Instances by where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Wanted size of the group.
    pub total: i32,
    /// New version, healthy.
    pub new_healthy: i32,
    /// New version, not yet healthy.
    pub warming: i32,
    /// On their way out.
    pub leaving: i32,
    /// Old version, serving.
    pub old: i32,
    /// New version, failing.
    pub failed: i32,
}

/// The evidence of the first failing instance, kept before the instance is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct FirstFailure {
    /// `i-…`.
    pub instance: String,
    /// Its zone.
    pub zone: String,
    /// One sentence.
    pub sentence: String,
    /// Target state and reason as AWS gave them.
    pub target: Option<String>,
    /// The end of its console output, at most 4 KiB.
    pub console: Option<String>,
    /// When (cloud clock).
    pub at: Millis,
}

/// Which instances a rollout calls new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The template version.
    pub version: i64,
    /// Instances that do not count as new although they run that version (a `replace`).
    pub not: &'a BTreeSet<String>,
}

impl Wanted<'_> {
    /// Was this instance launched from the wanted version?
    pub fn is_new(&self, instance: &GroupInstance) -> bool {
        instance.template_version == Some(self.version) && !self.not.contains(&instance.id)
    }
}

/// Health of one instance in everything that says something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Healthy in every listening target group; by the group's own check where there is none.
    Healthy,
    /// Not yet known.
    Starting,
    /// Says no.
    Unhealthy,
}

/// The health of `instance` now.
pub fn health(obs: &Observation, instance: &GroupInstance) -> Health {
    let mut all = Vec::new();
    for group in obs.listening() {
        all.push(match group.targets.get(&instance.id).map(|t| t.state.as_str()) {
            Some("healthy") => Health::Healthy,
            Some("unhealthy" | "unhealthy.draining" | "unavailable") => Health::Unhealthy,
            _ => Health::Starting,
        });
    }
    if instance.health != "Healthy" || all.contains(&Health::Unhealthy) {
        Health::Unhealthy
    } else if all.contains(&Health::Starting) || !instance.in_service() {
        Health::Starting
    } else {
        Health::Healthy
    }
}

/// AWS's words about the instance's targets, for people: `unhealthy (Target.ResponseCodeMismatch: Health checks failed …)`.
pub fn target_words(obs: &Observation, instance: &str) -> Option<String> {
    let words: Vec<String> = obs
        .listening()
        .filter_map(|g| g.targets.get(instance))
        .filter(|t| t.state != "healthy")
        .map(|t| match (&t.reason, &t.description) {
            (Some(r), Some(d)) => format!("{} ({r}: {d})", t.state),
            (Some(r), None) => format!("{} ({r})", t.state),
            _ => t.state.clone(),
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Remembers when each instance was first in service, those of the old version too: when it is gone back to, one that has served all along
/// is not young.
pub fn serving(seen: &mut BTreeMap<String, Seen>, obs: &Observation, group: &Group) {
    for i in group.instances.iter().filter(|i| i.in_service()) {
        seen.entry(i.id.clone()).or_default().in_service_at.get_or_insert(obs.at);
    }
}

/// Remembers when each new instance was first in service and first healthy; forgets none.
pub fn note(seen: &mut BTreeMap<String, Seen>, obs: &Observation, group: &Group, wanted: &Wanted<'_>) {
    for i in group.instances.iter().filter(|i| wanted.is_new(i) && i.in_service()) {
        let entry = seen.entry(i.id.clone()).or_default();
        entry.in_service_at.get_or_insert(obs.at);
        if health(obs, i) == Health::Healthy {
            entry.healthy_at.get_or_insert(obs.at);
        }
    }
}

/// The boots of a change: seconds from the first look that saw an instance in service to the first that saw it healthy.
pub fn boots(seen: &BTreeMap<String, Seen>) -> impl Iterator<Item = i64> + '_ {
    seen.values().filter_map(|s| Some((s.healthy_at? - s.in_service_at?) / 1000))
}

/// The 95th percentile in seconds, by nearest rank; the longest of fewer than twenty. `None` of none.
pub fn p95(mut seconds: Vec<i64>) -> Option<i32> {
    seconds.sort_unstable();
    let rank = (seconds.len() * 95).div_ceil(100);
    seconds.get(rank.checked_sub(1)?).map(|s| i32::try_from(*s).unwrap_or(i32::MAX))
}

/// Counts instances by where they stand.
pub fn count(obs: &Observation, group: &Group, wanted: &Wanted<'_>, failing: Option<&str>) -> Counts {
    let mut c = Counts { total: group.desired, ..Counts::default() };
    for i in &group.instances {
        if i.leaving() {
            c.leaving += 1;
        } else if i.standby() {
        } else if !wanted.is_new(i) {
            c.old += 1;
        } else if failing == Some(i.id.as_str()) {
            c.failed += 1;
        } else if health(obs, i) == Health::Healthy {
            c.new_healthy += 1;
        } else {
            c.warming += 1;
        }
    }
    c
}

/// The first new instance that proves the release bad: not healthy within the boot budget, or unhealthy after having been
/// healthy. A slow start within the budget is never a failure.
pub fn failing<'a>(
    seen: &BTreeMap<String, Seen>,
    obs: &Observation,
    group: &'a Group,
    wanted: &Wanted<'_>,
    boot_budget_seconds: i32,
) -> Option<(&'a GroupInstance, String)> {
    group.instances.iter().filter(|i| wanted.is_new(i) && i.in_service()).find_map(|i| {
        let s = seen.get(&i.id)?;
        let words = target_words(obs, &i.id).unwrap_or_else(|| format!("the group calls it {}", i.health));
        match (s.healthy_at, health(obs, i)) {
            (_, Health::Healthy) | (Some(_), Health::Starting) => None,
            (Some(_), Health::Unhealthy) => Some((i, format!("{} in {} was healthy and is no longer: {words}.", i.id, i.zone))),
            (None, _) => {
                let waited = (obs.at - s.in_service_at?) / 1000;
                (waited > i64::from(boot_budget_seconds)).then(|| {
                    (
                        i,
                        format!(
                            "{} in {} was not healthy {waited} seconds after it came into service (budget {boot_budget_seconds} s): {words}.",
                            i.id, i.zone
                        ),
                    )
                })
            }
        }
    })
}

/// What still contradicts success, in sentences; empty = this poll proves it. `young` names instances too young to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Contradictions.
    pub against: Vec<String>,
    /// Instances within their warmup, which do not count yet.
    pub young: Vec<String>,
}

/// Judges the fleet against design invariant 8: no counted instance of another version, each one past its warmup healthy in
/// every listening target group. `ignore_protected` leaves scale-in protected instances out, where the refresh did.
pub fn prove(
    seen: &BTreeMap<String, Seen>,
    obs: &Observation,
    group: &Group,
    wanted: &Wanted<'_>,
    warmup_seconds: i32,
    ignore_protected: bool,
) -> Proof {
    let mut proof = Proof::default();
    let mut counted = 0;
    for i in &group.instances {
        if i.standby() || i.leaving() {
            continue;
        }
        if ignore_protected && i.protected && !wanted.is_new(i) {
            continue;
        }
        if !wanted.is_new(i) {
            let version = i.template_version.map_or_else(|| "an unknown version".to_owned(), |v| format!("version {v}"));
            proof.against.push(format!("{} in {} still runs {version}", i.id, i.zone));
            continue;
        }
        let since = seen.get(&i.id).and_then(|s| s.in_service_at);
        let age = since.map(|at| (obs.at - at) / 1000);
        let healthy = health(obs, i) == Health::Healthy;
        if healthy {
            counted += 1;
        } else if age.is_none_or(|a| a <= i64::from(warmup_seconds)) {
            proof.young.push(i.id.clone());
        } else {
            let words = target_words(obs, &i.id).unwrap_or_else(|| format!("{} / {}", i.lifecycle, i.health));
            proof.against.push(format!("{} in {} is not healthy: {words}", i.id, i.zone));
        }
    }
    if counted == 0 && group.desired > 0 {
        proof.against.push("no instance is healthy yet".into());
    }
    proof
}
