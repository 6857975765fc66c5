//! The plan of `pin`: from `$Latest`, `$Default` and moving tags to a numbered version with a digest.
//!
//! Three steps in an order that deploys nothing: the group first gets the number that it uses anyway, then the version with
//! the digest is created (now no group follows it), then the group gets that number. No instance is replaced.

use super::{BoundTemplate, Difference, Facts, Plan, PlannedStep, bound, commands, ok, refuse, refuse_field, warn};
use crate::domain::change::{Kind, Step};
use crate::domain::environment::Environment;
use crate::domain::image::{self, Launched};
use crate::domain::observation::{Group, LaunchSource, Observation};
use crate::domain::problem::Problem;
use crate::domain::release::short;

pub(super) fn plan(env: &Environment, facts: &Facts, obs: &Observation, group: &Group) -> Result<Plan, Problem> {
    let mut bound = bound(env, group, Kind::Pin);
    let (mut checks, mut diff, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let mut current = None;
    match &group.launch {
        LaunchSource::Template(t) => {
            // The shell put the version that an alias resolves to into the observation.
            match obs.launched_version() {
                Some(n) => current = obs.versions.get(&n).map(|v| (t, v)),
                None => checks.push(refuse("template", "The version that the group follows could not be read. Try again when AWS answers.")),
            }
        }
        _ => {
            if let Err(check) = super::numbered(group) {
                checks.push(check);
            }
        }
    }
    if let Some(r) = obs.active_refresh() {
        checks.push(super::wait("no_refresh", format!("An instance refresh ({}) is {}. The pin waits for its end.", r.id, r.status)));
    }
    let others: Vec<_> = facts.following.clone();
    if let Some((t, version)) = current {
        let n = version.number;
        let numbered_now = t.number().is_some();
        let runs = image::launched(version, &env.image_source, &env.registry, &env.repository);
        let pinned = matches!(runs, Launched::Digest { .. });
        if numbered_now && pinned {
            checks.push(refuse("pinned", format!("The group already uses version {n}, which names a digest. There is nothing to pin.")));
        }
        if let Launched::Unclear { why } = &runs {
            checks.push(refuse("image", why.clone()));
        }
        let digest = match &runs {
            Launched::Digest { digest } => Some(digest.clone()),
            _ => facts.image.as_ref().map(|i| i.digest.clone()),
        };
        bound.digest.clone_from(&digest);
        bound.release = facts.release.as_ref().map(|r| r.number);
        bound.template = Some(BoundTemplate {
            id: t.id.clone(),
            base: n,
            content: image::masked_hash(version, &env.image_source, &env.registry, &env.repository),
            image_source: env.image_source.clone().into(),
            repository: format!("{}/{}", env.registry, env.repository),
            reuse: pinned.then_some(n),
        });
        if !numbered_now {
            let follows = if t.version.is_empty() { "$Default" } else { &t.version };
            diff.push(Difference { field: "template_version".into(), before: Some(follows.into()), after: Some(n.to_string()) });
            steps.push(PlannedStep {
                step: Step::PinCurrent,
                sentence: format!("Point the group at version {n}, which it uses anyway."),
                cli: Some(commands::set_template(env, &t.id, &n.to_string())),
            });
        }
        if !pinned {
            if !others.is_empty() {
                checks.push(refuse(
                    "nobody_follows",
                    format!("{} follows this template's $Latest, so a new version would deploy there. Pin that group first.", others.join(", ")),
                ));
            }
            match (&runs, &digest) {
                (Launched::MovingTag { tag }, Some(digest)) => {
                    diff.push(Difference { field: "image".into(), before: Some(format!(":{tag}")), after: Some(digest.clone()) });
                    checks.push(ok("image_exists", format!("`{tag}` points to {} now.", short(digest))));
                    let late = facts.image.as_ref().and_then(|i| i.pushed_at);
                    if late.is_some_and(|at| facts.now - at < 86_400_000) {
                        checks.push(warn("tag_moved", format!("`{tag}` was pushed within the last day: running instances may have booted an older image. Replace them after the pin.")));
                    }
                    if let Err(why) = image::imprint(version, &env.image_source, &env.registry, &env.repository, digest) {
                        checks.push(refuse("image", why));
                    }
                }
                (Launched::MovingTag { tag }, None) => checks.push(refuse_field(
                    "image_exists",
                    "release",
                    format!("The tag `{tag}` points to no image in {}. Push it, or name a release to pin.", env.repository),
                )),
                _ => {}
            }
            steps.push(PlannedStep {
                step: Step::CreateVersion,
                sentence: format!("Create a version from {n} that names the digest instead of the tag."),
                cli: Some(commands::create_version(env, &t.id, n)),
            });
            steps.push(PlannedStep {
                step: Step::PinVersion,
                sentence: "Point the group at that version. No instance is replaced.".into(),
                cli: Some(commands::set_template(env, &t.id, "NEW")),
            });
        }
        steps.push(PlannedStep { step: Step::Settle, sentence: "Write down the outcome.".into(), cli: None });
    }
    Ok(Plan {
        sentence: format!("Pin {} to a numbered template version with a digest. No instance is replaced.", env.scope()),
        old_version: bound.template.as_ref().map(|t| t.base),
        old_digest: None,
        ways_out: Vec::new(),
        seen: super::seen(group),
        bound,
        diff,
        steps,
        checks,
        boot_budget_seconds: env.policy.boot_budget(group.grace_seconds, None),
        desired: group.desired,
    })
}
