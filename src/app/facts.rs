//! What a plan needs to know beside the observation: releases, images, neighbours, schedules.

use super::{App, aws_problem};
use crate::aws::{Cloud, Priority};
use crate::domain::change::Intent;
use crate::domain::environment::Environment;
use crate::domain::evidence;
use crate::domain::image::{self, Launched};
use crate::domain::observation::{Image, LaunchSource, Millis, Observation};
use crate::domain::plan::{self, Facts};
use crate::domain::problem::Problem;
use crate::domain::readiness;
use crate::domain::release::Release;
use crate::store::releases::Good;

const DAY_MS: i64 = 86_400_000;
/// Releases that a rollback is offered at most.
const MOST_CANDIDATES: usize = 8;

impl App {
    /// Gathers the facts for planning `intent` on `env`, which was asked for at `asked_at` (wall clock).
    ///
    /// # Errors
    /// `Unavailable` when AWS or the database can not be asked.
    pub async fn facts(&self, env: &Environment, intent: &Intent, obs: &Observation, cloud: &Cloud, asked_at: Millis) -> Result<Facts, Problem> {
        let mut facts = Facts { now: self.clocks.cloud(), ..Facts::default() };
        if matches!(intent, Intent::Capacity { .. } | Intent::Terminate { .. }) {
            return Ok(facts);
        }
        let p = Priority::Act;
        let fail = |e| aws_problem(&e);
        match intent {
            Intent::Refresh { .. } => {
                facts.own_refreshes = self.store.own_refreshes(env.id).await?;
                return Ok(facts);
            }
            Intent::Settings(s) => {
                if let (Some(version), Some(template)) = (s.template_version, group_template(obs)) {
                    facts.version = self.template_version(env, cloud, p, &template, version).await.map_err(fail)?;
                }
                return Ok(facts);
            }
            Intent::Deploy { release, .. } => facts.release = self.store.find_release(&env.app, *release).await?,
            Intent::Rollback { release } => {
                let target = self.rollback_target(env, *release, obs).await?;
                if let Some((good, release)) = target {
                    facts.was_good_here = true;
                    facts.release = Some(release);
                    if let Some(template) = group_template(obs) {
                        facts.former = self.template_version(env, cloud, p, &template, good.template_version).await.map_err(fail)?;
                    }
                } else if let Some(number) = release {
                    facts.release = self.store.find_release(&env.app, *number).await?;
                }
            }
            Intent::Pin { release } => {
                if let Some(number) = release {
                    facts.release = self.store.find_release(&env.app, *number).await?;
                }
                facts.image = self.moving_image(env, obs, cloud).await?;
            }
            _ => {}
        }
        if let Some(release) = &facts.release {
            facts.image = cloud.image_by_digest(p, &env.repository, &release.digest).await.map_err(fail)?;
        }
        if let Some(template) = group_template(obs) {
            facts.newest_version = cloud.template_version(p, &template, "$Latest").await.map_err(fail)?.map(|v| v.number);
            let neighbours = cloud.groups(p).await.map_err(fail)?;
            facts.following = neighbours
                .into_iter()
                .filter(|g| g.name != env.asg)
                .filter(|g| match &g.launch {
                    LaunchSource::Template(t) | LaunchSource::Mixed { template: Some(t) } => t.id == template && t.version == "$Latest",
                    _ => false,
                })
                .map(|g| g.name)
                .collect();
        }
        facts.debts = self.store.list_owed(env.id).await?.iter().map(crate::store::debts::Debt::sentence).collect();
        // Of changes that had ended when this one was asked for: the plan must not move while it waits for its approval.
        facts.boot_p95_seconds = evidence::p95(self.store.list_boots(env.id, asked_at).await?);
        facts.alarms = cloud.alarms(p, &env.policy.guard_alarms).await.map_err(fail)?;
        facts.scheduled = cloud.scheduled_actions(p, &env.asg).await.map_err(fail)?;
        facts.hooks = cloud.lifecycle_hooks(p, &env.asg).await.map_err(fail)?.into_iter().map(|h| h.name).collect();
        Ok(facts)
    }

    /// The image that a moving tag of the group's template points to now.
    async fn moving_image(&self, env: &Environment, obs: &Observation, cloud: &Cloud) -> Result<Option<Image>, Problem> {
        let Some(version) = obs.launched_version() else { return Ok(None) };
        match obs.versions.get(&version).map(|v| image::launched(v, &env.image_source, &env.registry, &env.repository)) {
            Some(Launched::MovingTag { tag }) => cloud.image_by_tag(Priority::Act, &env.repository, &tag).await.map_err(|e| aws_problem(&e)),
            _ => Ok(None),
        }
    }

    /// Where a rollback goes: the named release if it was good here, else the newest good one that does not run now and whose image
    /// is not known to be gone.
    ///
    /// # Errors
    /// Of the database.
    pub async fn rollback_target(&self, env: &Environment, named: Option<i64>, obs: &Observation) -> Result<Option<(Good, Release)>, Problem> {
        let mut all = self.rollback_candidates(env, named, obs).await?.into_iter();
        if named.is_some() {
            return Ok(all.next());
        }
        let kept = self.store.find_images(&env.app).await?;
        let gone = |r: &Release| matches!(readiness::image(&r.digest, kept.as_ref().map(super::releases::whole)), readiness::Kept::Gone(_));
        Ok(all.find(|(_, r)| !gone(r)))
    }

    /// Releases that were good here, newest first: where a rollback may go as far as the policy is concerned.
    ///
    /// # Errors
    /// Of the database.
    pub async fn rollback_candidates(&self, env: &Environment, named: Option<i64>, obs: &Observation) -> Result<Vec<(Good, Release)>, Problem> {
        let running = running_digest(env, obs);
        let oldest = self.clocks.wall() - env.policy.rollback_days * DAY_MS;
        let mut out: Vec<(Good, Release)> = Vec::new();
        for good in self.store.list_good(env.id, 200).await? {
            if good.left_by.is_some() || good.approved == 0 || named.is_some_and(|n| n != good.release) {
                continue;
            }
            if out.iter().any(|(g, _)| g.release == good.release) {
                continue;
            }
            // What ran until now was good until it was replaced, however long ago it came.
            let current = env.release == Some(good.release);
            if good.at < oldest && !current && !self.succeeded_since(env, good.id, oldest).await? {
                continue;
            }
            let Some(release) = self.store.find_release(&env.app, good.release).await? else { continue };
            if running.as_ref() == Some(&release.digest) && named.is_none() {
                continue;
            }
            out.push((good, release));
            if out.len() == MOST_CANDIDATES {
                break;
            }
        }
        Ok(out)
    }

    /// Was the release that came after `good` brought within the window? Then `good` ran until then.
    async fn succeeded_since(&self, env: &Environment, good: i64, oldest: i64) -> Result<bool, Problem> {
        let mut newer: Vec<_> = self.store.list_good(env.id, 200).await?.into_iter().filter(|g| g.id > good).collect();
        newer.sort_by_key(|g| g.id);
        Ok(newer.first().is_some_and(|g| g.at >= oldest))
    }
}

/// The template id of the observed group.
pub(crate) fn group_template(obs: &Observation) -> Option<String> {
    match obs.group.as_ref().map(|g| &g.launch) {
        Some(LaunchSource::Template(t)) => Some(t.id.clone()),
        _ => None,
    }
}

/// The digest that the observed group launches, where it is certain.
pub fn running_digest(env: &Environment, obs: &Observation) -> Option<String> {
    match plan::launched(env, obs, obs.launched_version()?) {
        Launched::Digest { digest } => Some(digest),
        _ => None,
    }
}
