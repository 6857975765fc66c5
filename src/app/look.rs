//! One look at an environment: what AWS says of its group, put together and kept as the local copy.

use std::collections::{BTreeMap, BTreeSet};

use super::App;
use crate::aws::{AwsError, Cloud, ErrorKind, Priority};
use crate::domain::environment::Environment;
use crate::domain::observation::{DEFAULT_MARK, LaunchSource, Millis, Observation, TargetHealth, TemplateVersion};

/// Session name of the observer, as CloudTrail shows it.
pub const OBSERVER: &str = "fleetgate-observer";
/// Refreshes read at one look: ours is among the newest.
const REFRESHES: usize = 20;
/// Activities read at one look.
const ACTIVITIES: usize = 20;

impl App {
    /// Clients for an environment under a session name.
    ///
    /// # Errors
    /// `Invalid` for a region or role that can not be.
    pub async fn cloud(&self, env: &Environment, session: &str) -> Result<Cloud, AwsError> {
        self.aws.cloud(&Self::place(env), session).await
    }

    /// Looks at an environment and keeps what was seen.
    ///
    /// # Errors
    /// Of AWS; the miss is noted beside the local copy.
    pub async fn look(&self, env: &Environment, cloud: &Cloud, priority: Priority) -> Result<Observation, AwsError> {
        match self.observe(env, cloud, priority).await {
            Ok(mut obs) => {
                let before = self.store.find_observation(env.id).await.ok().flatten().map(|l| l.observation);
                obs.carry(before.as_ref());
                if priority == Priority::Watched {
                    self.read_what_is_waited_for(env, cloud, &mut obs, before.as_ref()).await;
                }
                if let Err(error) = self.store.keep_observation(env.id, obs.clone()).await {
                    tracing::warn!(%error, env = env.id, "the look could not be kept");
                }
                Ok(obs)
            }
            // Our own restraint is no silence of AWS.
            Err(e) if matches!(e.kind, ErrorKind::OverBudget { .. }) => Err(e),
            Err(e) => {
                if let Err(error) = self.store.miss_observation(env.id, e.to_string()).await {
                    tracing::warn!(%error, env = env.id, "the missed look could not be noted");
                }
                Err(e)
            }
        }
    }

    /// What only an explanation needs, and only while it is waited for: the hooks when an instance waits for one, the
    /// deregistration delay when a target drains. Read once while that lasts; a refusal costs no look.
    async fn read_what_is_waited_for(&self, env: &Environment, cloud: &Cloud, obs: &mut Observation, before: Option<&Observation>) {
        let priority = Priority::Watched;
        let held = obs.group.iter().flat_map(|g| &g.instances).any(|i| i.lifecycle.ends_with(":Wait"));
        if held {
            obs.hooks = match before.map(|b| b.hooks.clone()).filter(|h| !h.is_empty()) {
                Some(known) => known,
                None => cloud.lifecycle_hooks(priority, &env.asg).await.unwrap_or_default(),
            };
        }
        let draining = obs.health.iter().filter(|h| h.targets.values().any(|t| t.state == "draining"));
        for arn in draining.map(|h| h.group.arn.clone()).collect::<Vec<_>>() {
            let seconds = match before.and_then(|b| b.drains.get(&arn)).copied() {
                Some(known) => Some(known),
                None => cloud.drain_seconds(priority, &arn).await.ok().flatten(),
            };
            obs.drains.extend(seconds.map(|s| (arn, s)));
        }
    }

    /// One look for the observer, at the lowest priority. `Err`: not before this time (cloud clock), because the budget is
    /// spent; any other failure is noted beside the local copy.
    pub async fn glance(&self, env: &Environment) -> Result<(), Millis> {
        let look = match self.cloud(env, OBSERVER).await {
            Ok(cloud) => self.look(env, &cloud, Priority::Idle).await,
            Err(e) => Err(e),
        };
        match look {
            Ok(_) => Ok(()),
            Err(AwsError { kind: ErrorKind::OverBudget { retry_at }, .. }) => Err(retry_at),
            Err(e) => {
                tracing::debug!(env = env.id, operation = e.operation, code = e.code.as_deref(), "an idle look failed");
                Ok(())
            }
        }
    }

    /// What AWS says now, without keeping it.
    ///
    /// # Errors
    /// Of AWS.
    pub async fn observe(&self, env: &Environment, cloud: &Cloud, priority: Priority) -> Result<Observation, AwsError> {
        let at = self.clocks.cloud();
        let mut obs = Observation {
            at,
            group: cloud.group(priority, &env.asg).await?,
            health: Vec::new(),
            refreshes: Vec::new(),
            activities: Vec::new(),
            versions: BTreeMap::new(),
            hooks: Vec::new(),
            drains: BTreeMap::new(),
            since: BTreeMap::new(),
            refresh_since: BTreeMap::new(),
        };
        let Some(group) = &obs.group else { return Ok(obs) };
        if !group.target_group_arns.is_empty() {
            for target_group in cloud.target_groups(priority, &group.target_group_arns).await? {
                let targets = if target_group.has_listener { cloud.target_states(priority, &target_group.arn).await? } else { BTreeMap::new() };
                obs.health.push(TargetHealth { group: target_group, targets });
            }
        }
        obs.refreshes = cloud.refreshes(priority, &env.asg, REFRESHES).await?;
        obs.activities = cloud.activities(priority, &env.asg, ACTIVITIES).await?;
        let (LaunchSource::Template(template) | LaunchSource::Mixed { template: Some(template) }) = &group.launch else { return Ok(obs) };
        let mut numbers: BTreeSet<i64> =
            group.instances.iter().filter(|i| i.template_id.as_ref() == Some(&template.id)).filter_map(|i| i.template_version).collect();
        match template.number() {
            Some(n) => {
                numbers.insert(n);
            }
            None => {
                let alias = if template.version.is_empty() { "$Default" } else { &template.version };
                if let Some(mut version) = cloud.template_version(priority, &template.id, alias).await? {
                    if alias == "$Default" {
                        version.rest.insert(DEFAULT_MARK.into(), "1".into());
                    }
                    obs.versions.insert(version.number, version);
                }
            }
        }
        let id = template.id.clone();
        for n in numbers {
            if obs.versions.contains_key(&n) {
                continue;
            }
            if let Some(version) = self.template_version(env, cloud, priority, &id, n).await? {
                obs.versions.insert(n, version);
            }
        }
        Ok(obs)
    }

    /// A numbered template version, from the local copy where it was read before: versions never change.
    ///
    /// # Errors
    /// Of AWS.
    pub(crate) async fn template_version(
        &self,
        env: &Environment,
        cloud: &Cloud,
        priority: Priority,
        template: &str,
        number: i64,
    ) -> Result<Option<TemplateVersion>, AwsError> {
        let place = format!("{}/{}", env.account, env.region);
        if let Ok(Some(known)) = self.store.find_template_version(&place, template, number).await {
            return Ok(Some(known));
        }
        let found = cloud.template_version(priority, template, &number.to_string()).await?;
        if let Some(version) = &found
            && let Err(error) = self.store.keep_template_version(&place, version).await
        {
            tracing::warn!(%error, "a template version could not be kept");
        }
        Ok(found)
    }
}
