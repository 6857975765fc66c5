//! Foreign hands: what changed in AWS and was not done by Fleetgate.
//!
//! A [`Baseline`] holds the settings that were last acknowledged, as `key → value`. [`compare`] finds what differs from it, leaves
//! out what Fleetgate sent and what autoscaling does by itself, and tells the rest once.
//!
//! **Invariant:** pure. A read that lags behind is no change: a value that was left less than [`LAG_MS`] ago does not count when
//! it shows again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observation::{Activity, Group, GroupInstance, LaunchSource, Millis, Observation};

/// Cloud milliseconds that a read may lag behind (design invariant 3).
const LAG_MS: Millis = 30_000;
/// Cloud milliseconds that desired may differ before it is told without a cause: AWS names the cause with its first activity.
const UNEXPLAINED_MS: Millis = 120_000;

/// What was last acknowledged of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// Settings by key (see [`settings`]).
    pub settings: BTreeMap<String, String>,
    /// Instances that were there.
    pub instances: BTreeSet<String>,
    /// Scaling activities that were read.
    pub activities: BTreeSet<String>,
    /// Refreshes that were seen, with the last status of those that are not ours.
    pub refreshes: BTreeMap<String, Option<String>>,
    /// Values that a key had before, and when it left them (cloud clock).
    pub left: BTreeMap<String, (Option<String>, Millis)>,
    /// Since when desired differs without a cause (cloud clock).
    pub unexplained_since: Option<Millis>,
}

/// Something that others did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// `min`, `template`, `suspended/AZRebalance`, `instance/i-…`, `refresh/<id>`, …
    pub what: String,
    /// Before; absent = was not there.
    pub before: Option<String>,
    /// After; absent = is gone.
    pub after: Option<String>,
    /// AWS's own words about it.
    pub cause: Option<String>,
}

/// What Fleetgate itself did or is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// Values that were sent, by key; `*` stands for any.
    pub sent: BTreeMap<String, BTreeSet<String>>,
    /// Refreshes that are ours.
    pub refreshes: BTreeSet<String>,
    /// Template versions for which a refresh was sent.
    pub versions: BTreeSet<i64>,
    /// Instances that were told to go.
    pub terminated: BTreeSet<String>,
}

impl Ours {
    /// Notes a value that was sent.
    pub fn send(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.sent.entry(key.into()).or_default().insert(value.into());
    }
    fn did(&self, key: &str, after: Option<&String>) -> bool {
        let none = String::new();
        self.sent.get(key).is_some_and(|values| values.contains("*") || values.contains(after.unwrap_or(&none)))
    }
}

/// The settings of a group as `key → value`. Absent = not so.
pub fn settings(group: &Group, policies: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut put = |key: &str, value: String| {
        out.insert(key.to_owned(), value);
    };
    put("min", group.min.to_string());
    put("desired", group.desired.to_string());
    put("max", group.max.to_string());
    put("template", launches(&group.launch));
    put("health_check", group.health_check_type.clone());
    put("grace_seconds", group.grace_seconds.to_string());
    let mut sorted = group.target_group_arns.clone();
    sorted.sort();
    put("target_groups", sorted.join(" "));
    let mut sorted = group.zones.clone();
    sorted.sort();
    put("zones", sorted.join(" "));
    if let Some(seconds) = group.default_warmup_seconds {
        put("default_warmup_seconds", seconds.to_string());
    }
    if let Some(m) = group.maintenance {
        put("maintenance", format!("{} to {} percent", m.min_healthy, m.max_healthy));
    }
    if group.protects_new {
        put("protects_new", "yes".into());
    }
    if let Some(seconds) = group.max_instance_lifetime {
        put("max_instance_lifetime", seconds.to_string());
    }
    for process in &group.suspended {
        put(&format!("suspended/{process}"), "suspended".into());
    }
    for i in &group.instances {
        if i.protected {
            put(&format!("protected/{}", i.id), "protected".into());
        }
        if i.standby() {
            put(&format!("standby/{}", i.id), "standby".into());
        }
    }
    for (name, words) in policies.into_iter().flatten() {
        put(&format!("policy/{name}"), words.clone());
    }
    out
}

/// `lt-… version 5`.
fn launches(launch: &LaunchSource) -> String {
    match launch {
        LaunchSource::Template(t) => format!("{} {}", t.id, if t.version.is_empty() { "$Default" } else { &t.version }),
        LaunchSource::Mixed { template: Some(t) } => format!("mixed instances of {} {}", t.id, t.version),
        LaunchSource::Mixed { template: None } => "mixed instances".into(),
        LaunchSource::Configuration { name } => format!("launch configuration {name}"),
        LaunchSource::Unknown => "nothing".into(),
    }
}

/// Who moved desired, by AWS's cause sentence (aws-reference 4.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mover {
    Outside,
    Scaling,
}

fn mover(activity: &Activity) -> Option<Mover> {
    let cause = &activity.cause;
    let moves = ["desired capacity", "shrinking the capacity", "increasing the capacity"].iter().any(|w| cause.contains(w));
    if !moves {
        None
    } else if cause.contains("user request") {
        Some(Mover::Outside)
    } else if cause.contains("triggered policy") || cause.contains("scheduled action") {
        Some(Mover::Scaling)
    } else {
        None
    }
}

/// AWS's words on the last time since `since` (cloud clock) that a policy or a schedule moved desired.
pub fn scaling(obs: &Observation, since: Millis) -> Option<String> {
    let last = obs.activities.iter().find(|a| mover(a) == Some(Mover::Scaling) && a.started_at.is_some_and(|at| at >= since))?;
    // The rest of the cause says which instance was started or chosen for it.
    let words = last.cause.split(".  At ").next().unwrap_or_default();
    Some(format!("{}.", words.trim_end_matches('.')))
}

/// Ways in which AWS says that somebody took an instance away.
const TAKEN: [&str; 3] =
    ["out of service in response to a user request", "detached in response to a user request", "indicated it had been terminated or stopped"];

/// The instance that an activity's description ends with.
fn instance_of(activity: &Activity) -> Option<&str> {
    activity.description.rsplit(' ').next().filter(|w| w.starts_with("i-"))
}

/// Compares a look with the baseline. Returns the new baseline and what others did, in a stable order; nothing at the first look.
pub fn compare(baseline: Option<Baseline>, obs: &Observation, ours: &Ours) -> (Baseline, Vec<Sighting>) {
    let Some(group) = &obs.group else { return (baseline.unwrap_or_default(), Vec::new()) };
    let now = settings(group, obs.policies.as_ref());
    let first = baseline.is_none();
    let mut base = baseline.unwrap_or_default();
    let new_activities: Vec<&Activity> = obs.activities.iter().filter(|a| !base.activities.contains(&a.id)).collect();
    let mut found = Vec::new();
    if first {
        base.settings = now;
    } else {
        moved(&mut base, &now, obs, group, ours, &new_activities, &mut found);
        for a in &new_activities {
            if let Some(id) = instance_of(a).filter(|id| !ours.terminated.contains(*id))
                && TAKEN.iter().any(|w| a.cause.contains(w))
            {
                found.push(Sighting {
                    what: format!("instance/{id}"),
                    before: Some("in the group".into()),
                    after: Some("taken away".into()),
                    cause: Some(a.cause.clone()),
                });
            }
        }
    }
    refreshes(&mut base, obs, ours, first, &mut found);
    // Some calls of ours go unseen at a look that did not ask; what was read once stays read.
    if !obs.activities.is_empty() {
        base.activities = obs.activities.iter().map(|a| a.id.clone()).collect();
    }
    base.instances = group.instances.iter().map(|i| i.id.clone()).collect();
    base.left.retain(|_, (_, at)| obs.at - *at <= LAG_MS);
    (base, found)
}

fn moved(
    base: &mut Baseline,
    now: &BTreeMap<String, String>,
    obs: &Observation,
    group: &Group,
    ours: &Ours,
    activities: &[&Activity],
    found: &mut Vec<Sighting>,
) {
    let keys: BTreeSet<String> = base.settings.keys().chain(now.keys()).cloned().collect();
    let limits = ["min", "max"].iter().any(|k| base.settings.get(*k) != now.get(*k) && !ours.did(k, now.get(*k)));
    let mut pending = false;
    for key in keys {
        let (before, after) = (base.settings.get(&key).cloned(), now.get(&key).cloned());
        if before == after || (key.starts_with("policy/") && obs.policies.is_none()) {
            continue;
        }
        let lags = base.left.get(&key).is_some_and(|(value, at)| *value == after && obs.at - *at <= LAG_MS);
        let mine = ours.did(&key, after.as_ref());
        if lags && !mine {
            continue;
        }
        let mut cause = None;
        let mut told = !mine && concerns(&key, base, group);
        if key == "desired" && told {
            let by = activities.iter().find_map(|a| mover(a).map(|m| (m, a.cause.clone())));
            match by {
                Some((Mover::Scaling, _)) => told = false,
                Some((Mover::Outside, words)) => cause = Some(words),
                None if limits => {}
                None => {
                    let since = *base.unexplained_since.get_or_insert(obs.at);
                    if obs.at - since < UNEXPLAINED_MS {
                        pending = true;
                        continue;
                    }
                }
            }
        }
        base.left.insert(key.clone(), (before.clone(), obs.at));
        match &after {
            Some(value) => base.settings.insert(key.clone(), value.clone()),
            None => base.settings.remove(&key),
        };
        if told {
            found.push(Sighting { what: key, before, after, cause });
        }
    }
    if !pending {
        base.unexplained_since = None;
    }
}

/// What belongs to an instance is a change only of one that was there before and is there now.
fn concerns(key: &str, base: &Baseline, group: &Group) -> bool {
    match key.strip_prefix("protected/").or_else(|| key.strip_prefix("standby/")) {
        Some(id) => {
            let there: Option<&GroupInstance> = group.instances.iter().find(|i| i.id == id);
            base.instances.contains(id) && there.is_some_and(|i| !i.leaving())
        }
        None => true,
    }
}

fn refreshes(base: &mut Baseline, obs: &Observation, ours: &Ours, first: bool, found: &mut Vec<Sighting>) {
    for r in obs.refreshes.iter().rev() {
        let version = r.desired.as_ref().and_then(super::observation::TemplateRef::number);
        let sent = || version.is_some_and(|v| ours.versions.contains(&v));
        match base.refreshes.get(&r.id).cloned() {
            // Ours, or ended before the first look.
            Some(None) => {}
            Some(Some(status)) => {
                if status != r.status {
                    if !r.active() {
                        found.push(Sighting {
                            what: format!("refresh/{}", r.id),
                            before: Some(status),
                            after: Some(r.status.clone()),
                            cause: r.reason.clone(),
                        });
                    }
                    base.refreshes.insert(r.id.clone(), Some(r.status.clone()));
                }
            }
            None if ours.refreshes.contains(&r.id) || sent() => {
                base.refreshes.insert(r.id.clone(), None);
            }
            None if first && !r.active() => {
                base.refreshes.insert(r.id.clone(), None);
            }
            None => {
                base.refreshes.insert(r.id.clone(), Some(r.status.clone()));
                found.push(Sighting {
                    what: format!("refresh/{}", r.id),
                    before: None,
                    after: Some(r.status.clone()),
                    cause: r.desired.as_ref().map(|d| format!("It brings version {} of {}.", d.version, d.id)),
                });
            }
        }
    }
    if !obs.refreshes.is_empty() {
        base.refreshes.retain(|id, _| obs.refreshes.iter().any(|r| r.id == *id));
    }
}

impl Sighting {
    /// The part of `what` after the slash.
    pub fn subject(&self) -> Option<&str> {
        self.what.split_once('/').map(|(_, s)| s)
    }
    /// One sentence: what is different, never by whom, which AWS does not say.
    pub fn sentence(&self) -> String {
        let (before, after) = (self.before.as_deref().unwrap_or("not set"), self.after.as_deref().unwrap_or("not set"));
        let subject = self.subject().unwrap_or_default();
        match self.what.split('/').next().unwrap_or_default() {
            "min" => format!("The minimum went from {before} to {after}"),
            "desired" => format!("Desired went from {before} to {after}"),
            "max" => format!("The maximum went from {before} to {after}"),
            "template" => format!("What the group launches went from {before} to {after}"),
            "health_check" => format!("The health check type went from {before} to {after}"),
            "grace_seconds" => format!("The health check's grace period went from {before} to {after} seconds"),
            "default_warmup_seconds" => format!("The default warmup went from {before} to {after} seconds"),
            "target_groups" => format!("The attached target groups went from {before} to {after}"),
            "zones" => format!("The zones went from {before} to {after}"),
            "maintenance" => format!("The maintenance policy went from {before} to {after}"),
            "protects_new" if self.after.is_some() => "New instances are protected from scale-in now".into(),
            "protects_new" => "New instances are no longer protected from scale-in".into(),
            "max_instance_lifetime" => format!("The longest life of an instance went from {before} to {after} seconds"),
            "suspended" if self.after.is_some() => format!("The process {subject} was suspended"),
            "suspended" => format!("The process {subject} was resumed"),
            "protected" if self.after.is_some() => format!("{subject} was protected from scale-in"),
            "protected" => format!("{subject} is no longer protected from scale-in"),
            "standby" if self.after.is_some() => format!("{subject} was put into standby"),
            "standby" => format!("{subject} was brought back from standby"),
            "instance" => format!("{subject} was taken away by hand"),
            "policy" => format!("The scaling policy {subject} went from {before} to {after}"),
            "refresh" if self.before.is_none() => format!("The instance refresh {subject} was started ({after})"),
            "refresh" => format!("The instance refresh {subject} went from {before} to {after}"),
            other => format!("{other} went from {before} to {after}"),
        }
    }
}

#[cfg(test)]
mod tests;
