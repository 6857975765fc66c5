//! What a change will do, computed before anyone is asked.
//!
//! `plan(intent, environment, facts, observation)` is pure. The part that an approval is bound to is [`Bound`]; its hash is
//! the plan's. What autoscaling may move by itself (desired, instances, health) stands outside it, as checks that are made
//! again at the start.
//!
//! **Invariant:** every field of [`Bound`] goes into the hash; nothing else does.

mod capacity;
mod commands;
mod pin;
mod refresh;
mod rollout;
mod settings;
mod support;
mod terminate;

pub use rollout::rollback_preferences;
pub use support::{blocking_processes, support};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::change::{Capacity, Intent, Kind, RefreshMode, Settings, Step};
use super::environment::Environment;
use super::image::{self, Launched};
use super::observation::{Alarm, Group, Image, LaunchSource, Millis, Observation, ScheduledAction, TemplateRef, TemplateVersion};
use super::problem::{FieldError, Problem};
use super::release::Release;
use super::strategy::Preferences;

/// The part of a plan that an approval is bound to (design invariant 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Number of this form.
    pub form: u32,
    /// Application.
    pub app: String,
    /// Environment.
    pub env: String,
    /// The group's ARN.
    pub group_arn: String,
    /// The kind of change.
    pub kind: Kind,
    /// Release to bring.
    pub release: Option<i64>,
    /// Its digest.
    pub digest: Option<String>,
    /// The launch template and what changes in it.
    pub template: Option<BoundTemplate>,
    /// Every preference of the refresh.
    pub preferences: Option<Preferences>,
    /// Version of the environment's policy.
    pub policy_version: i64,
    /// The group's minimum when asked.
    pub min: i32,
    /// The group's maximum when asked.
    pub max: i32,
    /// Figures to set.
    pub set_min: Option<i32>,
    /// Figures to set.
    pub set_desired: Option<i32>,
    /// Figures to set.
    pub set_max: Option<i32>,
    /// Instance to terminate.
    pub instance: Option<String>,
    /// Lower desired with it.
    pub shrink: bool,
    /// Settings to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// The foreign refresh, and what is done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<(String, RefreshMode)>,
}

/// The launch template part of [`Bound`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundTemplate {
    /// `lt-…`.
    pub id: String,
    /// The numbered version that the group uses now.
    pub base: i64,
    /// Hash of that version's content, with the image masked.
    pub content: String,
    /// Where the image is written.
    pub image_source: String,
    /// Registry host and repository that the image comes from.
    pub repository: String,
    /// An existing version to go to, instead of creating one.
    pub reuse: Option<i64>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// Possible, and worth knowing.
    Warn,
    /// Not now: the change waits for it.
    Wait,
    /// Not like this.
    Refuse,
}

/// One check of the preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Check {
    /// Which.
    pub name: String,
    /// Verdict.
    pub verdict: Verdict,
    /// One sentence; for a refusal with the way out.
    pub sentence: String,
    /// The field of the request that it is about, for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// One planned step, with the command that does the same by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlannedStep {
    /// Which.
    pub step: Step,
    /// What it does.
    pub sentence: String,
    /// The equivalent AWS CLI command, where the step calls AWS to change something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli: Option<String>,
}

/// One line of the exact before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// What.
    pub field: String,
    /// Before; absent = not set.
    pub before: Option<String>,
    /// After; absent = not set.
    pub after: Option<String>,
}

/// What a change will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What the approval is bound to.
    pub bound: Bound,
    /// One sentence.
    pub sentence: String,
    /// Exact before and after.
    pub diff: Vec<Difference>,
    /// In order.
    pub steps: Vec<PlannedStep>,
    /// Steps that are taken only if it must be taken back or stopped.
    #[serde(default)]
    pub ways_out: Vec<PlannedStep>,
    /// Preflight.
    pub checks: Vec<Check>,
    /// The template version that runs before.
    pub old_version: Option<i64>,
    /// The digest that it launches, where it is certain.
    pub old_digest: Option<String>,
    /// Seconds that a new instance may take to become healthy.
    pub boot_budget_seconds: i32,
    /// Instances when planned.
    pub desired: i32,
    /// The group's figures when planned: an act is not sent over another value than these.
    pub seen: Capacity,
}

impl Plan {
    /// The hash that an approval is bound to.
    pub fn hash(&self) -> String {
        canonical::hash(&self.bound)
    }
    /// The refusals, as field errors.
    pub fn refusals(&self) -> Vec<FieldError> {
        self.checks
            .iter()
            .filter(|c| c.verdict == Verdict::Refuse)
            .map(|c| FieldError::new(c.field.clone().unwrap_or_else(|| c.name.clone()), c.sentence.clone()))
            .collect()
    }
    /// The first thing to wait for, in words.
    pub fn waits_for(&self) -> Option<&str> {
        self.checks.iter().find(|c| c.verdict == Verdict::Wait).map(|c| c.sentence.as_str())
    }
}

/// What a plan needs to know beside the observation. Gathered by the shell before planning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Cloud clock.
    pub now: Millis,
    /// The release to bring.
    pub release: Option<Release>,
    /// Its image, where ECR has it.
    pub image: Option<Image>,
    /// Newest version of the group's template.
    pub newest_version: Option<i64>,
    /// Other groups that follow this template's `$Latest`.
    pub following: Vec<String>,
    /// Scheduled actions of the group.
    pub scheduled: Vec<ScheduledAction>,
    /// Names of its lifecycle hooks.
    pub hooks: Vec<String>,
    /// A version that ran the wanted release here before, and still exists.
    pub former: Option<TemplateVersion>,
    /// The release was good here within the policy's days, and was approved here where approval is asked.
    pub was_good_here: bool,
    /// What Fleetgate owes AWS here, in sentences.
    pub debts: Vec<String>,
    /// Seconds that nineteen of twenty boots took here at most, before this change was asked for.
    pub boot_p95_seconds: Option<i32>,
    /// The guard alarms, as CloudWatch shows them.
    pub alarms: Vec<Alarm>,
    /// Refreshes that Fleetgate started itself.
    pub own_refreshes: BTreeSet<String>,
    /// The wanted template version, where there is one.
    pub version: Option<TemplateVersion>,
}

/// Plans `intent`.
///
/// # Errors
/// `Invalid` with every field that can not be taken, `Conflict` for edited fields that moved meanwhile, `Conflict` where the
/// group is gone or is another than the adopted one.
pub fn plan(intent: &Intent, env: &Environment, facts: &Facts, obs: &Observation) -> Result<Plan, Problem> {
    let group = same_group(env, obs)?;
    match intent {
        Intent::Pin { .. } => pin::plan(env, facts, obs, group),
        Intent::Deploy { strategy, base_template_version, .. } => rollout::deploy(env, facts, obs, group, strategy, *base_template_version),
        Intent::Rollback { release } => rollout::roll_back(env, facts, obs, group, *release),
        Intent::Replace { strategy } => rollout::replace(env, facts, obs, group, strategy),
        Intent::Capacity { min, desired, max, base } => capacity::plan(env, obs, group, (*min, *desired, *max), *base),
        Intent::Terminate { instance, shrink } => terminate::plan(env, obs, group, instance, *shrink),
        Intent::Settings(wanted) => settings::plan(env, facts, obs, group, wanted),
        Intent::Refresh { refresh, mode } => refresh::plan(env, facts, obs, group, refresh, *mode),
    }
}

/// The adopted group, or why there is none.
///
/// # Errors
/// `Conflict`: gone, or recreated under the same name.
pub fn same_group<'a>(env: &Environment, obs: &'a Observation) -> Result<&'a Group, Problem> {
    match &obs.group {
        None => Err(Problem::conflict(format!(
            "AWS knows no group {} in {}. Was it deleted? Adopt its successor as a new environment.",
            env.asg, env.region
        ))),
        Some(g) if g.arn != env.asg_arn => Err(Problem::conflict(format!(
            "The group {} was recreated: it is no longer the one that was adopted. Adopt it again, so that nobody acts on a stranger.",
            env.asg
        ))),
        Some(g) => Ok(g),
    }
}

/// What changed between two bounds, for the sentence that says why an approval is void.
pub fn moved(old: &Bound, new: &Bound) -> Vec<Difference> {
    let flat = |b: &Bound| {
        let mut out = std::collections::BTreeMap::new();
        flatten("", &serde_json::to_value(b).unwrap_or_default(), &mut out);
        out
    };
    let (a, b) = (flat(old), flat(new));
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).cloned().collect();
    keys.into_iter()
        .filter(|k| a.get(k) != b.get(k))
        .map(|k| Difference { before: a.get(&k).cloned(), after: b.get(&k).cloned(), field: k })
        .collect()
}

fn flatten(path: &str, value: &serde_json::Value, out: &mut std::collections::BTreeMap<String, String>) {
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::Object(map) => {
            for (key, v) in map {
                flatten(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, v, out);
            }
        }
        serde_json::Value::String(s) => {
            out.insert(path.into(), s.clone());
        }
        other => {
            out.insert(path.into(), other.to_string());
        }
    }
}

/// The group's numbered template reference, or the refusal that says what to do instead.
fn numbered(group: &Group) -> Result<(&TemplateRef, i64), Check> {
    let no = |name: &str, sentence: String| Err(refuse(name, sentence));
    match &group.launch {
        LaunchSource::Template(t) => match t.number() {
            Some(n) => Ok((t, n)),
            None => no(
                "numbered_template",
                format!(
                    "The group follows {} of its launch template, so creating a version would itself deploy on the next scale-out. Pin the environment first.",
                    if t.version.is_empty() { "$Default" } else { &t.version }
                ),
            ),
        },
        LaunchSource::Mixed { .. } => no(
            "launch_source",
            "The group uses a mixed instances policy, which Fleetgate does not edit. Point the group at a launch template alone, or deploy it by its own pipeline.".into(),
        ),
        LaunchSource::Configuration { name } => no(
            "launch_source",
            format!("The group uses the launch configuration {name}, which AWS has retired and which has no versions. Copy it to a launch template in the EC2 console, then attach that to the group."),
        ),
        LaunchSource::Unknown => no("launch_source", "AWS names no launch template for this group. Attach one to the group first.".into()),
    }
}

/// What version `number` launches, as far as the observation knows it.
pub fn launched(env: &Environment, obs: &Observation, number: i64) -> Launched {
    match obs.versions.get(&number) {
        Some(v) => image::launched(v, &env.image_source, &env.registry, &env.repository),
        None => Launched::Unclear { why: format!("Template version {number} could not be read. It may be deleted.") },
    }
}

fn ok(name: &str, sentence: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Ok, sentence: sentence.into(), field: None }
}
fn warn(name: &str, sentence: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Warn, sentence: sentence.into(), field: None }
}
fn wait(name: &str, sentence: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Wait, sentence: sentence.into(), field: None }
}
fn refuse(name: &str, sentence: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Refuse, sentence: sentence.into(), field: None }
}
fn refuse_field(name: &str, field: &str, sentence: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Refuse, sentence: sentence.into(), field: Some(field.into()) }
}

fn seen(group: &Group) -> Capacity {
    Capacity { min: group.min, desired: group.desired, max: group.max }
}

fn bound(env: &Environment, group: &Group, kind: Kind) -> Bound {
    Bound {
        form: 1,
        app: env.app.clone(),
        env: env.name.clone(),
        group_arn: group.arn.clone(),
        kind,
        release: None,
        digest: None,
        template: None,
        preferences: None,
        policy_version: env.policy_version,
        min: group.min,
        max: group.max,
        set_min: None,
        set_desired: None,
        set_max: None,
        instance: None,
        shrink: false,
        settings: None,
        refresh: None,
    }
}

#[cfg(test)]
mod tests;
