//! One look at an environment: what AWS says of its group, put together and kept as the local copy.

use std::collections::{BTreeMap, BTreeSet};

use super::App;
use crate::aws::{AwsError, Cloud, ErrorKind, Priority};
use crate::domain::environment::Environment;
use crate::domain::observation::{DEFAULT_MARK, Group, LaunchSource, Millis, Observation, TargetHealth, TemplateVersion};

/// Session name of the observer, as CloudTrail shows it.
pub const OBSERVER: &str = "fleetgate-observer";
/// Refreshes read at one look: ours is among the newest.
const REFRESHES: usize = 20;
/// Cloud milliseconds between two reads of what changes seldom.
const SELDOM_MS: Millis = 300_000;
/// Activities read at one look.
const ACTIVITIES: usize = 20;

/// How seldom the observer asks about a group that has not moved, in cloud milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Health of its targets: one call for each target group.
    pub health_ms: Millis,
    /// Its refreshes and activities: two calls.
    pub detail_ms: Millis,
}

impl Pace {
    /// For so many groups in one account and region: with many, a cycle of everything would use up the budget of calls.
    pub fn of(groups: usize) -> Self {
        if groups <= FEW_GROUPS { Self { health_ms: 0, detail_ms: 55_000 } } else { Self { health_ms: 110_000, detail_ms: 290_000 } }
    }
}

/// Groups of one account and region whose health is asked for at each idle look.
const FEW_GROUPS: usize = 20;

impl App {
    /// Clients for an environment under a session name.
    ///
    /// # Errors
    /// `Invalid` for a region or role that can not be.
    pub async fn cloud(&self, env: &Environment, session: &str) -> Result<Cloud, AwsError> {
        self.aws.cloud_in(Some(&env.account), &Self::place(env), session).await
    }

    /// Looks at an environment and keeps what was seen.
    ///
    /// # Errors
    /// Of AWS; the miss is noted beside the local copy.
    pub async fn look(&self, env: &Environment, cloud: &Cloud, priority: Priority) -> Result<Observation, AwsError> {
        let seen = Box::pin(self.observe(env, cloud, priority)).await;
        self.keep_look(env, seen).await
    }

    /// One look for the observer at environments of one place, at the lowest priority: one call for all their groups, the rest as
    /// seldom as `pace` says. `Err`: not before this time (cloud clock), because the budget is spent; any other failure is noted
    /// beside the local copy of each. Returns those that were looked at, with when to look again where the budget ran out.
    pub async fn glance(&self, envs: &[Environment], pace: Pace) -> Result<Vec<(i64, Option<Millis>)>, Millis> {
        let Some(first) = envs.first() else { return Ok(Vec::new()) };
        let names: Vec<String> = envs.iter().map(|e| e.asg.clone()).collect();
        let groups = match self.cloud(first, OBSERVER).await {
            Ok(cloud) => cloud.groups_named(Priority::Idle, &names).await.map(|groups| (cloud, groups)),
            Err(e) => Err(e),
        };
        let (cloud, mut groups) = match groups {
            Ok(found) => found,
            Err(AwsError { kind: ErrorKind::OverBudget { retry_at }, .. }) => return Err(retry_at),
            Err(e) => {
                tracing::debug!(operation = e.operation, code = e.code.as_deref(), "an idle look at groups failed");
                for env in envs {
                    let _ = self.keep_look(env, Err(e.clone())).await;
                }
                return Ok(envs.iter().map(|e| (e.id, None)).collect());
            }
        };
        let mut looked = Vec::new();
        for env in envs {
            let last = self.store.find_observation(env.id).await.ok().flatten().map(|l| l.observation);
            let seen = Box::pin(self.fill(env, &cloud, Priority::Idle, groups.remove(&env.asg), last, Some(pace))).await;
            let again = match self.keep_look(env, seen).await {
                Err(AwsError { kind: ErrorKind::OverBudget { retry_at }, .. }) => Some(retry_at),
                _ => None,
            };
            looked.push((env.id, again));
        }
        Ok(looked)
    }

    async fn keep_look(&self, env: &Environment, seen: Result<Observation, AwsError>) -> Result<Observation, AwsError> {
        match seen {
            Ok(obs) => {
                if let Err(error) = self.store.keep_observation(env.id, obs.clone(), self.settings.staleness_ms).await {
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

    /// What AWS says now, without keeping it.
    ///
    /// # Errors
    /// Of AWS.
    pub async fn observe(&self, env: &Environment, cloud: &Cloud, priority: Priority) -> Result<Observation, AwsError> {
        let group = cloud.group(priority, &env.asg).await?;
        let last = self.store.find_observation(env.id).await.ok().flatten().map(|l| l.observation);
        Box::pin(self.fill(env, cloud, priority, group, last, None)).await
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

    /// A look that was just begun with its group, made whole: what is read anew, and since when all of it is as it is.
    async fn fill(
        &self,
        env: &Environment,
        cloud: &Cloud,
        priority: Priority,
        group: Option<Group>,
        last: Option<Observation>,
        pace: Option<Pace>,
    ) -> Result<Observation, AwsError> {
        let mut obs = Box::pin(self.read_parts(env, cloud, priority, group, last.as_ref(), pace)).await?;
        obs.carry(last.as_ref());
        if priority == Priority::Watched {
            Box::pin(self.read_what_is_waited_for(env, cloud, &mut obs, last.as_ref())).await;
        }
        Ok(obs)
    }

    /// Everything that belongs to a group that was just read. `pace`: what an unchanged group needs no new read of.
    async fn read_parts(
        &self,
        env: &Environment,
        cloud: &Cloud,
        priority: Priority,
        group: Option<Group>,
        last: Option<&Observation>,
        pace: Option<Pace>,
    ) -> Result<Observation, AwsError> {
        let at = self.clocks.cloud();
        let mut obs = Observation {
            at,
            group,
            health: Vec::new(),
            refreshes: Vec::new(),
            activities: Vec::new(),
            versions: BTreeMap::new(),
            policies: None,
            policies_at: 0,
            health_at: at,
            detail_at: at,
            alarms: Vec::new(),
            hooks: Vec::new(),
            drains: BTreeMap::new(),
            since: BTreeMap::new(),
            refresh_since: BTreeMap::new(),
        };
        let Some(group) = &obs.group else { return Ok(obs) };
        // A group that moved is looked at whole, whatever its pace.
        let calm = last.filter(|l| l.group.as_ref() == Some(group) && l.active_refresh().is_none());
        let kept = |since: Millis, every: fn(&Pace) -> Millis| pace.as_ref().is_some_and(|p| at - since < every(p));
        match calm.filter(|l| kept(l.health_at, |p| p.health_ms)) {
            Some(last) => {
                obs.health.clone_from(&last.health);
                obs.health_at = last.health_at;
            }
            None if group.target_group_arns.is_empty() => {}
            None => {
                for target_group in cloud.target_groups(priority, &group.target_group_arns).await? {
                    let targets = if target_group.has_listener { cloud.target_states(priority, &target_group.arn).await? } else { BTreeMap::new() };
                    obs.health.push(TargetHealth { group: target_group, targets });
                }
            }
        }
        match calm.filter(|l| kept(l.detail_at, |p| p.detail_ms)) {
            Some(last) => {
                obs.refreshes.clone_from(&last.refreshes);
                obs.activities.clone_from(&last.activities);
                obs.detail_at = last.detail_at;
            }
            None => {
                obs.refreshes = cloud.refreshes(priority, &env.asg, REFRESHES).await?;
                obs.activities = cloud.activities(priority, &env.asg, ACTIVITIES).await?;
            }
        }
        match last.filter(|l| l.policies.is_some() && at - l.policies_at < pace.map_or(SELDOM_MS, |p| p.detail_ms.max(SELDOM_MS))) {
            Some(last) => {
                obs.policies.clone_from(&last.policies);
                obs.policies_at = last.policies_at;
            }
            None => {
                obs.policies = Some(cloud.policies(priority, &env.asg).await?);
                obs.policies_at = at;
            }
        }
        if pace.is_none() {
            obs.alarms = cloud.alarms(priority, &env.policy.guard_alarms).await?;
        }
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
