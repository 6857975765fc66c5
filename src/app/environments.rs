//! Environments: adopting a group.

use serde_json::json;

use super::{App, aws_problem, facts};
use crate::aws::{Place, Priority};
use crate::domain::access::{Act, Actor, Facts, On, decide};
use crate::domain::application::environment_name;
use crate::domain::environment::{Environment, Policy};
use crate::domain::health::{Level, explain};
use crate::domain::image::ImageSource;
use crate::domain::problem::{FieldError, Problem};
use crate::domain::release::Release;
use crate::store::{NewEntry, StoreError};

/// What is needed to adopt a group.
#[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// Slug, unique in the application.
    pub name: String,
    /// Changes wait for another person's approval.
    #[serde(default)]
    pub protected: bool,
    /// AWS region of the group.
    pub region: String,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External id for that role.
    pub external_id: Option<String>,
    /// Name of the Auto Scaling group.
    pub asg: String,
    /// Registry host; absent = the account's own registry in this region.
    pub registry: Option<String>,
    /// `user_data` (default), or `instance_tag:KEY`.
    pub image_source: Option<String>,
    /// ElastiCache replication group, by name.
    pub redis_group: Option<String>,
    /// S3 bucket, by name.
    pub bucket: Option<String>,
    /// Rules; absent fields take their defaults.
    #[serde(default)]
    pub policy: Policy,
}

impl App {
    /// Adopts a group as an environment: reads it, checks what is named, and notes what runs.
    ///
    /// # Errors
    /// `Invalid` naming each field, `Conflict` when the name or the group is taken, `Unavailable` when AWS can not be asked.
    pub async fn adopt(&self, actor: &Actor, app: &str, a: Adoption) -> Result<Environment, Problem> {
        let permit = decide(actor, &Act::Adopt, &On::Application(app), &Facts::default())?;
        let application = self.visible_application(actor, app).await?;
        let mut bad: Vec<FieldError> = environment_name(&a.name).err().into_iter().chain(a.policy.check()).collect();
        let source = match ImageSource::try_from(a.image_source.clone().unwrap_or_else(|| "user_data".into())) {
            Ok(s) => s,
            Err(why) => {
                bad.push(FieldError::new("image_source", why));
                ImageSource::UserData
            }
        };
        if a.asg.is_empty() || a.asg.len() > 255 || a.asg.chars().any(char::is_control) {
            bad.push(FieldError::new("asg", "must be the name of an Auto Scaling group, 1 to 255 characters"));
        }
        let place = Place { region: a.region.clone(), role_arn: a.role_arn.clone(), external_id: a.external_id.clone() };
        if let Err(Problem::Invalid(more)) = check_place(&place) {
            bad.extend(more);
        }
        if !bad.is_empty() {
            return Err(Problem::Invalid(bad));
        }
        let cloud = self.aws.cloud(&place, super::look::OBSERVER).await.map_err(|e| aws_problem(&e))?;
        let p = Priority::Act;
        let identity = cloud.whoami(p).await.map_err(|e| aws_problem(&e))?;
        let Some(group) = cloud.group(p, &a.asg).await.map_err(|e| aws_problem(&e))? else {
            return Err(Problem::field("asg", format!("AWS knows no Auto Scaling group `{}` in {} for this account", a.asg, a.region)));
        };
        let account = group.arn.split(':').nth(4).map_or(identity.account, str::to_owned);
        let registry = a.registry.clone().unwrap_or_else(|| format!("{account}.dkr.ecr.{}.amazonaws.com", a.region));
        if cloud.repository_exists(p, &application.repository).await.map_err(|e| aws_problem(&e))?.is_none() {
            return Err(Problem::field(
                "region",
                format!("ECR has no repository `{}` in {}; the application's images must be there", application.repository, a.region),
            ));
        }
        let mut env = Environment {
            id: 0,
            app: app.to_owned(),
            name: a.name,
            protected: a.protected,
            account,
            region: a.region,
            asg: a.asg,
            asg_arn: group.arn.clone(),
            role_arn: a.role_arn,
            external_id: a.external_id,
            registry,
            repository: application.repository,
            image_source: source,
            redis_group: a.redis_group,
            bucket: a.bucket,
            policy: a.policy,
            policy_version: 1,
            release: None,
        };
        let obs = Box::pin(self.observe(&env, &cloud, p)).await.map_err(|e| aws_problem(&e))?;
        let digest = facts::running_digest(&env, &obs);
        let good_version = (explain(&env, Some(&obs)).0 == Level::Ok).then(|| obs.launched_version()).flatten();
        let entry = NewEntry::done().after(&json!({
            "environment": env.scope(), "asg": env.asg, "asg_arn": env.asg_arn, "protected": env.protected, "region": env.region, "registry": env.registry,
            "image_source": String::from(env.image_source.clone()), "role_arn": env.role_arn, "policy": env.policy, "runs": digest,
        }));
        let mut adopted = env.clone();
        let by = actor.name.clone();
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    if let Some(digest) = digest {
                        let made = Release {
                            app: adopted.app.clone(),
                            number: 0,
                            tag: None,
                            digest: digest.clone(),
                            commit: None,
                            notes: Some(format!("Ran in {} when it was adopted.", adopted.scope())),
                            created_by: by,
                            created_at: 0,
                        };
                        let number = match tx.find_release_number(&adopted.app, &digest).await? {
                            Some(n) => n,
                            None => tx.insert_release(&made).await?,
                        };
                        adopted.release = Some(number);
                    }
                    adopted.id = tx.insert_environment(&adopted).await?;
                    if let (Some(release), Some(version)) = (adopted.release, good_version) {
                        tx.insert_good(adopted.id, release, version, None, true).await?;
                    }
                    tx.event(&format!("env-{}", adopted.id), None, None).await?;
                    tx.event(&format!("app-{}", adopted.app), None, None).await?;
                    Ok(adopted)
                })
            })
            .await;
        env = match done {
            Ok(e) => e,
            Err(StoreError::Duplicate) => return Err(Problem::conflict(format!("{} or its group {} is adopted already.", env.scope(), env.asg))),
            Err(e) => return Err(e.into()),
        };
        if let Err(error) = self.store.keep_observation(env.id, obs, self.settings.staleness_ms).await {
            tracing::warn!(%error, "the first look could not be kept");
        }
        Ok(env)
    }
}

/// Region, role and external id, as far as their spelling goes.
pub(super) fn check_place(place: &Place) -> Result<(), Problem> {
    let mut bad = Vec::new();
    let region = &place.region;
    if region.is_empty() || region.len() > 32 || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        bad.push(FieldError::new("region", "must be an AWS region such as `ap-south-1`"));
    }
    if let Some(arn) = &place.role_arn
        && !(arn.starts_with("arn:aws")
            && arn.contains(":iam::")
            && arn.contains(":role/")
            && arn.len() <= 2048
            && !arn.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        bad.push(FieldError::new("role_arn", "must be the ARN of a role, such as `arn:aws:iam::123456789012:role/fleetgate`"));
    }
    match (&place.external_id, &place.role_arn) {
        (Some(_), None) => bad.push(FieldError::new("external_id", "goes with role_arn")),
        (Some(id), _) if id.len() > 1224 || id.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            bad.push(FieldError::new("external_id", "must be what the role's trust policy asks for, without spaces"));
        }
        _ => {}
    }
    if bad.is_empty() { Ok(()) } else { Err(Problem::Invalid(bad)) }
}
