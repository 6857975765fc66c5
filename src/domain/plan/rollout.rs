//! Plans of the kinds that replace instances: `deploy`, `rollback`, `replace`.

use super::{
    Bound, BoundTemplate, Check, Difference, Facts, Plan, PlannedStep, bound, commands, launched, numbered, ok, refuse, refuse_field, support, wait,
    warn,
};
use crate::domain::change::{Kind, Step};
use crate::domain::environment::Environment;
use crate::domain::evidence::{Health, health};
use crate::domain::image::{self, Launched};
use crate::domain::observation::{Group, Observation};
use crate::domain::problem::{FieldError, Problem};
use crate::domain::release::short;
use crate::domain::strategy::{OnHold, Preferences, StrategyChoice, preferences};

/// A scheduled action that is due within this time is named.
const SOON_MS: i64 = 3_600_000;

pub(super) fn deploy(
    env: &Environment,
    facts: &Facts,
    obs: &Observation,
    group: &Group,
    choice: &StrategyChoice,
    base: Option<i64>,
) -> Result<Plan, Problem> {
    let mut prefs =
        preferences(group, choice, env.policy.bake_seconds, env.policy.boot_budget(group.grace_seconds, facts.boot_p95_seconds)).map_err(invalid)?;
    prefs.alarms.clone_from(&env.policy.guard_alarms);
    let mut draft = Draft::new(env, facts, obs, group, Kind::Deploy, prefs);
    draft.group_checks(true);
    if let Ok((_, now)) = numbered(group)
        && let Some(base) = base
        && base != now
    {
        return Err(Problem::Conflict {
            detail: format!(
                "The group's template moved from version {base} to {now} since you looked. Look at the environment again, then ask again."
            ),
            number: None,
            fields: vec![FieldError {
                field: "base_template_version".into(),
                message: format!("was {base}, is now {now}"),
                base: Some(base),
                now: Some(now),
            }],
        });
    }
    draft.new_image("release");
    Ok(draft.finish())
}

/// How a rollback is run, whatever its target.
///
/// # Errors
/// `Invalid` where the group's own maintenance policy is one that AWS would refuse for a refresh.
pub fn rollback_preferences(env: &Environment, group: &Group, boot_p95_seconds: Option<i32>) -> Result<Preferences, Problem> {
    let budget = env.policy.boot_budget(group.grace_seconds, boot_p95_seconds);
    let prefs = preferences(group, &StrategyChoice::default(), env.policy.bake_seconds, budget).map_err(invalid)?;
    // Back to what was good here: no bake, and never automatically "back" to the release that people are leaving.
    Ok(Preferences { bake_seconds: 0, auto_rollback: false, ..prefs })
}

pub(super) fn roll_back(env: &Environment, facts: &Facts, obs: &Observation, group: &Group, named: Option<i64>) -> Result<Plan, Problem> {
    let prefs = rollback_preferences(env, group, facts.boot_p95_seconds)?;
    let mut draft = Draft::new(env, facts, obs, group, Kind::Rollback, prefs);
    draft.group_checks(false);
    if facts.release.is_none() {
        let none = named.map_or_else(|| "No earlier release was good here.".to_owned(), |n| format!("There is no release v{n} that was good here."));
        draft.checks.push(refuse_field("good_here", "release", format!("{none} Deploy one instead.")));
        return Ok(draft.finish());
    }
    if !facts.was_good_here {
        draft.checks.push(refuse_field(
            "good_here",
            "release",
            format!(
                "This release was not good here within the last {} days. Deploy it instead, so that it is checked and approved.",
                env.policy.rollback_days
            ),
        ));
    }
    draft.new_image("release");
    Ok(draft.finish())
}

pub(super) fn replace(env: &Environment, facts: &Facts, obs: &Observation, group: &Group, choice: &StrategyChoice) -> Result<Plan, Problem> {
    let mut prefs =
        preferences(group, choice, env.policy.bake_seconds, env.policy.boot_budget(group.grace_seconds, facts.boot_p95_seconds)).map_err(invalid)?;
    // The same version again: AWS must not skip it, and there is nothing to roll back to.
    prefs.skip_matching = false;
    prefs.auto_rollback = false;
    prefs.alarms.clone_from(&env.policy.guard_alarms);
    let mut draft = Draft::new(env, facts, obs, group, Kind::Replace, prefs);
    draft.group_checks(true);
    if let Ok((t, n)) = numbered(group) {
        draft.template(t.id.clone(), n, Some(n));
        if let Launched::MovingTag { tag } = launched(env, obs, n) {
            draft.checks.push(refuse(
                "image",
                format!("The template launches the moving tag `{tag}`: replacing instances could bring another image. Pin the environment first."),
            ));
        }
    }
    Ok(draft.finish())
}

fn invalid(bad: Vec<(String, String)>) -> Problem {
    Problem::Invalid(bad.into_iter().map(|(f, m)| FieldError::new(f, m)).collect())
}

struct Draft<'a> {
    env: &'a Environment,
    facts: &'a Facts,
    obs: &'a Observation,
    group: &'a Group,
    bound: Bound,
    checks: Vec<Check>,
    diff: Vec<Difference>,
}

impl<'a> Draft<'a> {
    fn new(env: &'a Environment, facts: &'a Facts, obs: &'a Observation, group: &'a Group, kind: Kind, prefs: Preferences) -> Self {
        let mut bound = bound(env, group, kind);
        bound.preferences = Some(prefs);
        Self { env, facts, obs, group, bound, checks: Vec::new(), diff: Vec::new() }
    }

    fn template(&mut self, id: String, base: i64, reuse: Option<i64>) {
        let env = self.env;
        let content =
            self.obs.versions.get(&base).map_or_else(String::new, |v| image::masked_hash(v, &env.image_source, &env.registry, &env.repository));
        self.bound.template = Some(BoundTemplate {
            id,
            base,
            content,
            image_source: env.image_source.clone().into(),
            repository: format!("{}/{}", env.registry, env.repository),
            reuse,
        });
    }

    /// The wanted release's image, and the template version that carries it.
    fn new_image(&mut self, field: &str) {
        let (env, facts) = (self.env, self.facts);
        let Some(release) = &facts.release else {
            self.checks.push(refuse_field("release", field, "There is no such release of this application. Make one from an image first."));
            return;
        };
        self.bound.release = Some(release.number);
        self.bound.digest = Some(release.digest.clone());
        if facts.image.is_some() {
            self.checks.push(ok("image_exists", format!("{} is in {}.", short(&release.digest), env.repository)));
        } else {
            self.checks.push(refuse_field(
                "image_exists",
                field,
                format!(
                    "{} is no longer in {}: ECR may have expired it. Push the image again, or choose another release.",
                    short(&release.digest),
                    env.repository
                ),
            ));
        }
        let Ok((t, now)) = numbered(self.group) else { return };
        let (id, now) = (t.id.clone(), now);
        let Some(current) = self.obs.versions.get(&now) else {
            self.checks
                .push(refuse("template", format!("Template version {now} could not be read, so nothing can be derived from it. Was it deleted?")));
            return;
        };
        match image::launched(current, &env.image_source, &env.registry, &env.repository) {
            Launched::Digest { digest } if digest == release.digest => {
                self.checks.push(refuse_field(
                    "same_release",
                    field,
                    format!("The group already launches {}. To replace its instances all the same, ask for `replace`.", release.label()),
                ));
            }
            Launched::Digest { .. } => {}
            Launched::MovingTag { tag } => {
                self.checks.push(refuse(
                    "image",
                    format!("The template launches the moving tag `{tag}`, so AWS could not roll back to what runs now. Pin the environment first."),
                ));
            }
            Launched::Unclear { why } => self.checks.push(refuse("image", why)),
        }
        let mask = |v| image::masked_hash(v, &env.image_source, &env.registry, &env.repository);
        let former = facts.former.as_ref().filter(|v| v.template_id == id && mask(v) == mask(current));
        if former.is_none()
            && let Err(why) = image::imprint(current, &env.image_source, &env.registry, &env.repository, &release.digest)
        {
            self.checks.push(refuse("image", why));
        }
        let reuse = former.map(|v| v.number);
        self.template(id, now, reuse);
        if let (Some(v), None) = (&facts.former, reuse) {
            self.checks.push(warn(
                "template_differs",
                format!("Version {} ran this release before, and differs from the present template in more than the image. The image goes onto the present template.", v.number),
            ));
        }
        let old = match launched(env, self.obs, now) {
            Launched::Digest { digest } => Some(digest),
            _ => None,
        };
        self.diff.push(Difference { field: "image".into(), before: old, after: Some(release.digest.clone()) });
        let after = reuse.map_or_else(|| format!("new version from {now}"), |n| n.to_string());
        self.diff.push(Difference { field: "template_version".into(), before: Some(now.to_string()), after: Some(after) });
    }

    /// `calm`: the group must be stable first. A rollback does not wait for a sick fleet to calm down.
    fn group_checks(&mut self, calm: bool) {
        let (group, obs, facts) = (self.group, self.obs, self.facts);
        let checks = &mut self.checks;
        match numbered(group) {
            Err(check) => checks.push(check),
            Ok((t, n)) => {
                checks.push(ok("numbered_template", format!("The group uses version {n} of {}.", t.id)));
                if facts.following.is_empty() {
                    checks.push(ok("nobody_follows", "No other group follows this template's $Latest."));
                } else {
                    checks.push(refuse(
                        "nobody_follows",
                        format!(
                            "{} follows this template's $Latest, so a new version would deploy there too. Pin that group to a number first.",
                            facts.following.join(", ")
                        ),
                    ));
                }
                if let Some(newest) = facts.newest_version.filter(|newest| *newest != n) {
                    checks.push(warn(
                        "newest_version",
                        format!("The newest template version is {newest}, the group uses {n}. The new version is made from {n}."),
                    ));
                }
                if obs.versions.get(&n).and_then(|v| v.ami.as_deref()).is_some_and(|ami| ami.starts_with("resolve:ssm:")) {
                    checks.push(refuse("ami", "The template takes its AMI from an SSM parameter, so AWS can not roll back. Set the AMI by its id."));
                }
            }
        }
        checks.extend(support::of_group(group));
        if let Some(first) = facts.debts.first() {
            let sentence = format!("Fleetgate owes AWS something here: {first} Pay it back on the environment's page first.");
            // Going back must not wait for it.
            checks.push(if calm { refuse("debts", sentence) } else { warn("debts", sentence) });
        }
        for name in self.bound.preferences.iter().flat_map(|p| &p.alarms) {
            match facts.alarms.iter().find(|a| a.name == *name) {
                None => checks.push(refuse(
                    "guard_alarm",
                    format!("CloudWatch has no alarm `{name}`, which guards this environment. Create it, or take it out of the policy."),
                )),
                Some(a) if a.state == "ALARM" => checks.push(wait(
                    "guard_alarm",
                    format!("The guard alarm `{name}` is in ALARM: AWS would end the refresh at once. The change waits for its end. Rolling back does not."),
                )),
                Some(a) => checks.push(ok("guard_alarm", format!("The guard alarm `{name}` is {}.", a.state))),
            }
        }
        let suspend = self.bound.preferences.as_ref().map(|p| p.suspend.clone()).unwrap_or_default();
        if !suspend.is_empty() {
            checks.push(warn(
                "suspends",
                format!("{} is suspended while it rolls: until it is resumed at the end, autoscaling does not do this.", suspend.join(", ")),
            ));
        }
        if !facts.hooks.is_empty() {
            checks.push(warn(
                "lifecycle_hooks",
                format!("Lifecycle hooks run for every instance: {}. A hook that times out counts as a failed launch.", facts.hooks.join(", ")),
            ));
        }
        let on_hold = self.bound.preferences.as_ref().map(|p| p.protected);
        let protected: Vec<_> = group.instances.iter().filter(|i| i.protected).map(|i| i.id.as_str()).collect();
        if !protected.is_empty() || group.protects_new {
            let names = if protected.is_empty() { "New instances".into() } else { protected.join(", ") };
            let what = match on_hold {
                Some(OnHold::Ignore) => "is left on the old version",
                Some(OnHold::Refresh) => "is replaced all the same",
                _ => "is waited for: lift the protection, or AWS gives up after an hour",
            };
            checks.push(warn("protected", format!("{names}: protected from scale-in, and {what} (strategy.protected).")));
        }
        if group.desired == 0 {
            checks.push(refuse("capacity", "The group wants 0 instances, so nothing could prove the release. Raise the capacity first."));
        } else if group.desired >= group.max && self.bound.preferences.as_ref().is_some_and(|p| p.max_healthy > 100) {
            checks.push(warn(
                "headroom",
                format!(
                    "The group is at its maximum of {}. The refresh launches before it terminates and may pass that figure for a short time.",
                    group.max
                ),
            ));
        } else {
            checks.push(ok("headroom", format!("{} of at most {} instances.", group.desired, group.max)));
        }
        if let Some(action) = facts.scheduled.iter().find(|a| a.start_at.is_some_and(|at| at - facts.now < SOON_MS && at >= facts.now)) {
            let minutes = (action.start_at.unwrap_or(facts.now) - facts.now) / 60_000;
            checks.push(warn(
                "scheduled_action",
                format!("The scheduled action `{}` is due in {minutes} minutes and will move the capacity.", action.name),
            ));
        }
        if !group.target_group_arns.is_empty() && obs.listening().next().is_none() {
            checks.push(warn("health_source", "No target group of this environment has a listener: health is judged by EC2 alone."));
        }
        if let Some(r) = obs.active_refresh() {
            checks.push(wait("no_refresh", format!("Another instance refresh ({}) is {}. The change waits for its end.", r.id, r.status)));
        }
        let moving: Vec<_> = group.instances.iter().filter(|i| i.leaving() || i.arriving()).map(|i| format!("{} is {}", i.id, i.lifecycle)).collect();
        let serving = group.instances.iter().filter(|i| i.in_service()).count();
        let sick: Vec<_> = group.instances.iter().filter(|i| i.in_service() && health(obs, i) != Health::Healthy).map(|i| i.id.clone()).collect();
        let steady = moving.is_empty() && i32::try_from(serving).unwrap_or(i32::MAX) == group.desired;
        match (steady, calm) {
            (true, _) => checks.push(ok("stable", format!("{serving} of {} instances in service.", group.desired))),
            (false, true) => checks.push(wait(
                "stable",
                format!("The group is scaling: {serving} of {} in service{}. The change waits for it.", group.desired, list(&moving)),
            )),
            (false, false) => checks.push(warn(
                "stable",
                format!("The group is not stable: {serving} of {} in service. The rollback does not wait for it.", group.desired),
            )),
        }
        if !sick.is_empty() {
            checks.push(warn("healthy_now", format!("Not healthy now: {}.", sick.join(", "))));
        }
    }

    fn finish(self) -> Plan {
        let (env, group) = (self.env, self.group);
        let prefs = self.bound.preferences.clone();
        let old_version = numbered(group).ok().map(|(_, n)| n);
        let old_digest = old_version.and_then(|n| match launched(env, self.obs, n) {
            Launched::Digest { digest } => Some(digest),
            _ => None,
        });
        let mut steps = Vec::new();
        if let (Some(t), Some(p)) = (&self.bound.template, &prefs) {
            let target = t.reuse.map_or_else(|| "NEW".to_owned(), |n| n.to_string());
            if t.reuse.is_none() {
                steps.push(PlannedStep {
                    step: Step::CreateVersion,
                    sentence: format!("Create a version of {} from version {} that differs in the image alone.", t.id, t.base),
                    cli: Some(commands::create_version(env, &t.id, t.base)),
                });
            }
            if !p.suspend.is_empty() {
                steps.push(PlannedStep {
                    step: Step::Suspend,
                    sentence: format!("Suspend {} for the time of the rollout; written down as owed before it is sent.", p.suspend.join(", ")),
                    cli: Some(commands::processes(env, "suspend", &p.suspend)),
                });
            }
            steps.push(PlannedStep {
                step: Step::StartRefresh,
                sentence: format!(
                    "Start an instance refresh to version {target}; the group keeps its present version until AWS calls it Successful."
                ),
                cli: Some(commands::start_refresh(env, &t.id, &target, p)),
            });
            steps.push(PlannedStep {
                step: Step::Roll,
                sentence: format!("Watch {} instances being replaced; a failing one ends it early.", group.desired),
                cli: None,
            });
            steps.push(PlannedStep {
                step: Step::Verify,
                sentence: "Prove it: three looks in a row with every counted instance new and healthy.".into(),
                cli: None,
            });
            if !p.suspend.is_empty() {
                steps.push(PlannedStep {
                    step: Step::Resume,
                    sentence: format!("Resume {}, however it ends.", p.suspend.join(", ")),
                    cli: Some(commands::processes(env, "resume", &p.suspend)),
                });
            }
            steps.push(PlannedStep { step: Step::Settle, sentence: "Write down the outcome.".into(), cli: None });
        }
        let way = |step, sentence: &str, cli| PlannedStep { step, sentence: sentence.into(), cli: Some(cli) };
        let mut ways_out = vec![way(Step::CancelRefresh, "Stop it where it is: instances of both versions stay.", commands::cancel(env))];
        if self.bound.kind == Kind::Deploy {
            ways_out.insert(
                0,
                way(Step::RollBack, "Take it back while the refresh runs or bakes: AWS returns to the old version.", commands::roll_back(env)),
            );
            if let (Some(t), Some(p), Some(old)) = (&self.bound.template, &prefs, old_version) {
                let back = Preferences { auto_rollback: false, bake_seconds: 0, checkpoints: Vec::new(), ..p.clone() };
                let cli = commands::start_refresh(env, &t.id, &old.to_string(), &back);
                ways_out.insert(1, way(Step::StartUndo, "Take it back afterwards: a new refresh to the old version.", cli));
            }
        }
        let what = match (self.bound.kind, &self.facts.release) {
            (Kind::Replace, _) => "Replace all instances, same release".to_owned(),
            (Kind::Rollback, Some(r)) => format!("Roll back to {}", r.label()),
            (_, Some(r)) => format!("Deploy {}", r.label()),
            (_, None) => "Deploy".into(),
        };
        let plural = if group.desired == 1 { "" } else { "s" };
        Plan {
            sentence: format!("{what} on {}: {} instance{plural}.", env.scope(), group.desired),
            bound: self.bound,
            diff: self.diff,
            steps,
            checks: self.checks,
            old_version,
            old_digest,
            ways_out,
            seen: super::seen(group),
            boot_budget_seconds: env.policy.boot_budget(group.grace_seconds, self.facts.boot_p95_seconds),
            desired: group.desired,
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}
