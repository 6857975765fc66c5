//! The plan of `settings`: what the group launches, how its health is judged, which processes are suspended.

use super::{BoundTemplate, Difference, Facts, Plan, PlannedStep, bound, commands, numbered, ok, refuse_field, wait, warn};
use crate::domain::change::{Kind, Settings, Step};
use crate::domain::environment::Environment;
use crate::domain::image;
use crate::domain::observation::{Group, Observation};
use crate::domain::problem::{FieldError, Problem};

/// Every process that AWS lets suspend (aws-reference 4.6).
const PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

pub(super) fn plan(env: &Environment, facts: &Facts, obs: &Observation, group: &Group, wanted: &Settings) -> Result<Plan, Problem> {
    let bad: Vec<FieldError> = [("suspend", &wanted.suspend), ("resume", &wanted.resume)]
        .into_iter()
        .flat_map(|(field, names)| names.iter().map(move |n| (field, n)))
        .filter(|(_, n)| !PROCESSES.contains(&n.as_str()))
        .map(|(field, n)| FieldError::new(field, format!("`{n}` is no process; use {}", PROCESSES.join(", "))))
        .collect();
    if !bad.is_empty() {
        return Err(Problem::Invalid(bad));
    }
    let mut both = wanted.suspend.iter().filter(|n| wanted.resume.contains(n));
    if let Some(name) = both.next() {
        return Err(Problem::field("resume", format!("{name} can not be suspended and resumed at once")));
    }
    let (mut checks, mut diff, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let mut bound = bound(env, group, Kind::Settings);
    let mut set = Settings::default();
    let mut differs = |field: String, before: Option<String>, after: Option<String>| diff.push(Difference { field, before, after });
    // Only what differs is sent.
    set.suspend = wanted.suspend.iter().filter(|n| !group.suspended.contains(n)).cloned().collect();
    set.resume = wanted.resume.iter().filter(|n| group.suspended.contains(n)).cloned().collect();
    for name in &set.suspend {
        differs(format!("suspended/{name}"), None, Some("suspended".into()));
    }
    for name in &set.resume {
        differs(format!("suspended/{name}"), Some("suspended".into()), None);
    }
    if let Some(seconds) = wanted.grace_seconds.filter(|s| *s != group.grace_seconds) {
        if !(0..=86_400).contains(&seconds) {
            return Err(Problem::field("grace_seconds", "must be 0 to 86400"));
        }
        differs("grace_seconds".into(), Some(group.grace_seconds.to_string()), Some(seconds.to_string()));
        set.grace_seconds = Some(seconds);
    }
    if let Some(kind) = wanted.health_check.as_ref().filter(|k| **k != group.health_check_type) {
        if !["EC2", "ELB", "EC2,ELB"].contains(&kind.as_str()) {
            return Err(Problem::field("health_check", "must be EC2, ELB or EC2,ELB"));
        }
        differs("health_check".into(), Some(group.health_check_type.clone()), Some(kind.clone()));
        set.health_check = Some(kind.clone());
    }
    let mut template = None;
    if let Some(version) = wanted.template_version {
        match numbered(group) {
            Err(check) => checks.push(check),
            Ok((_, now)) if now == version => {}
            Ok((t, now)) => {
                match &facts.version {
                    None => checks.push(refuse_field(
                        "template",
                        "template_version",
                        format!("Version {version} of {} can not be read. Was it deleted?", t.id),
                    )),
                    Some(v) => {
                        template = Some(BoundTemplate {
                            id: t.id.clone(),
                            base: now,
                            content: image::masked_hash(v, &env.image_source, &env.registry, &env.repository),
                            image_source: env.image_source.clone().into(),
                            repository: format!("{}/{}", env.registry, env.repository),
                            reuse: Some(version),
                        });
                        differs("template_version".into(), Some(now.to_string()), Some(version.to_string()));
                        checks.push(warn(
                            "running_instances",
                            "Running instances stay as they are: only those that AWS starts from now on launch it. Replace all instances to bring them along.",
                        ));
                    }
                }
                if let Some(r) = obs.active_refresh() {
                    checks
                        .push(wait("no_refresh", format!("An instance refresh ({}) is {}. AWS takes no other template meanwhile.", r.id, r.status)));
                }
                set.template_version = Some(version);
            }
        }
    }
    if diff.is_empty() && checks.is_empty() {
        checks.push(refuse_field("no_change", "settings", "The group has these settings already. There is nothing to change."));
    } else {
        checks.push(ok("settings", "Only what differs is sent."));
    }
    if !set.suspend.is_empty() {
        steps.push(PlannedStep {
            step: Step::Suspend,
            sentence: format!("Suspend {}.", set.suspend.join(", ")),
            cli: Some(commands::processes(env, "suspend", &set.suspend)),
        });
    }
    if !set.resume.is_empty() {
        steps.push(PlannedStep {
            step: Step::Resume,
            sentence: format!("Resume {}.", set.resume.join(", ")),
            cli: Some(commands::processes(env, "resume", &set.resume)),
        });
    }
    if set.grace_seconds.is_some() || set.health_check.is_some() || template.is_some() {
        let id = template.as_ref().map(|t| (t.id.as_str(), set.template_version.unwrap_or_default()));
        steps.push(PlannedStep {
            step: Step::SetGroup,
            sentence: "Set what differs on the group.".into(),
            cli: Some(commands::set_group(env, id, set.grace_seconds, set.health_check.as_deref())),
        });
    }
    steps.push(PlannedStep { step: Step::Settle, sentence: "Write down the outcome.".into(), cli: None });
    let words: Vec<String> = diff
        .iter()
        .map(|d| format!("{} from {} to {}", d.field, d.before.as_deref().unwrap_or("not set"), d.after.as_deref().unwrap_or("not set")))
        .collect();
    bound.template = template;
    bound.settings = Some(set);
    Ok(Plan {
        sentence: format!("Set on {}: {}.", env.scope(), words.join("; ")),
        old_version: numbered(group).ok().map(|(_, n)| n),
        old_digest: None,
        ways_out: Vec::new(),
        seen: super::seen(group),
        boot_budget_seconds: env.policy.boot_budget(group.grace_seconds, None),
        desired: group.desired,
        bound,
        diff,
        steps,
        checks,
    })
}
