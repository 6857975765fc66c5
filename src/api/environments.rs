//! Environments.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::{Body, Page, written};
use crate::app::environments::Adoption;
use crate::domain::access::Actor;
use crate::domain::change::{Capacity, Lane};
use crate::domain::environment::{Environment, Policy};
use crate::domain::health::{Level, explain};
use crate::domain::image::Launched;
use crate::domain::plan;
use crate::domain::problem::Problem;
use crate::web::Site;
use crate::web::error::{ApiError, Document};
use crate::web::session::Caller;

/// An environment, from the local copy of AWS.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EnvironmentView {
    /// Application.
    app: String,
    /// Its name.
    name: String,
    /// Changes wait for another person's approval.
    protected: bool,
    /// AWS region.
    region: String,
    /// Auto Scaling group.
    asg: String,
    /// The release that the group launches; where that is not certain, the one that last succeeded here.
    release: Option<i64>,
    /// The figures of the group; absent before the first look.
    capacity: Option<CapacityView>,
    /// The health axis.
    health: Level,
    /// Why.
    sentence: String,
    /// The instances.
    instances: Vec<InstanceView>,
    /// The template version that the group launches, as AWS shows it: a number, `$Latest` or `$Default`.
    template_version: Option<String>,
    /// When AWS was looked at last.
    as_of: Option<String>,
    /// Looks in a row that AWS did not answer since.
    missed_looks: i64,
    /// Can it be rolled back now, and to what.
    rollback: RollbackView,
    /// The change that runs here.
    running: Option<i64>,
    /// The rules.
    policy: Policy,
}

/// The figures of a group.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CapacityView {
    /// Smallest, wanted and largest size.
    #[serde(flatten)]
    figures: Capacity,
    /// Instances in service.
    in_service: usize,
    /// Of these, healthy.
    healthy: usize,
}

/// An instance.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstanceView {
    /// `i-…`.
    id: String,
    /// Zone.
    az: String,
    /// Lifecycle state as AWS spells it.
    lifecycle: String,
    /// State in the first listening target group.
    target_health: Option<String>,
    /// AWS's reason.
    target_reason: Option<String>,
    /// What it was launched to run, where that is certain.
    digest: Option<String>,
    /// That digest's release.
    release: Option<i64>,
    /// The template version that it was launched from.
    template_version: Option<i64>,
    /// Protected from scale-in.
    protected: bool,
}

/// Rollback readiness.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RollbackView {
    /// Ready.
    ready: bool,
    /// To this release.
    release: Option<i64>,
    /// Otherwise why not.
    why_not: Option<String>,
}

async fn view(site: &Site, env: Environment) -> Result<EnvironmentView, Problem> {
    let look = site.app.store.find_observation(env.id).await?;
    let obs = look.as_ref().map(|l| &l.observation);
    let (health, mut sentence) = explain(&env, obs);
    let misses = look.as_ref().map_or(0, |l| l.misses);
    if misses >= 3 {
        sentence = format!("Lost contact with AWS: {misses} looks in a row failed. What follows is old. {sentence}");
    }
    let group = obs.and_then(|o| o.group.as_ref());
    let mut instances = Vec::new();
    let (mut in_service, mut healthy) = (0, 0);
    if let (Some(obs), Some(group)) = (obs, group) {
        for i in &group.instances {
            let target = obs.listening().find_map(|h| h.targets.get(&i.id));
            in_service += usize::from(i.in_service());
            healthy += usize::from(i.in_service() && crate::domain::evidence::health(obs, i) == crate::domain::evidence::Health::Healthy);
            let digest = i.template_version.and_then(|v| match plan::launched(&env, obs, v) {
                Launched::Digest { digest } => Some(digest),
                _ => None,
            });
            let release = match &digest {
                Some(d) => site.app.store.find_release_by_digest(&env.app, d).await?.map(|r| r.number),
                None => None,
            };
            instances.push(InstanceView {
                id: i.id.clone(),
                az: i.zone.clone(),
                lifecycle: i.lifecycle.clone(),
                target_health: target.map(|t| t.state.clone()),
                target_reason: target.and_then(|t| t.reason.clone()),
                digest,
                release,
                template_version: i.template_version,
                protected: i.protected,
            });
        }
    }
    // What the group launches is the truth; the record is what last succeeded.
    let launched = match obs.and_then(|o| crate::app::facts::running_digest(&env, o)) {
        Some(digest) => site.app.store.find_release_by_digest(&env.app, &digest).await?.map(|r| r.number),
        None => None,
    };
    let mut health = health;
    if let (Some(launched), Some(record)) = (launched, env.release)
        && launched != record
    {
        sentence = format!("{sentence} The group launches v{launched}; the last that succeeded here is v{record}.");
        health = if health == Level::Ok { Level::Warn } else { health };
    }
    let running = site.app.store.find_running(env.id, Lane::Main).await?.map(|c| c.number);
    let rollback = match obs {
        None => RollbackView { ready: false, release: None, why_not: Some("AWS has not been asked yet.".into()) },
        Some(obs) => match site.app.rollback_target(&env, None, obs).await? {
            Some((_, release)) => RollbackView { ready: true, release: Some(release.number), why_not: None },
            None => RollbackView { ready: false, release: None, why_not: Some("No earlier release was good here.".into()) },
        },
    };
    let template_version = group.and_then(|g| match &g.launch {
        crate::domain::observation::LaunchSource::Template(t) => Some(t.version.clone()),
        _ => None,
    });
    Ok(EnvironmentView {
        capacity: group.map(|g| CapacityView { figures: Capacity { min: g.min, desired: g.desired, max: g.max }, in_service, healthy }),
        health: if misses >= 3 { Level::Unknown } else { health },
        sentence,
        instances,
        template_version,
        as_of: look.as_ref().map(|l| written(l.at)),
        missed_looks: misses,
        rollback,
        running,
        app: env.app,
        name: env.name,
        protected: env.protected,
        region: env.region,
        asg: env.asg,
        release: launched.or(env.release),
        policy: env.policy,
    })
}

fn visible(actor: &Actor, env: &Environment) -> bool {
    actor.sees(&env.scope())
}

/// All environments that the caller may see.
#[utoipa::path(get, path = "/api/v1/environments", responses((status = 200, body = Page<EnvironmentView>)))]
pub async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Json<Page<EnvironmentView>>, ApiError> {
    let mut items = Vec::new();
    for env in site.app.store.list_environments().await?.into_iter().filter(|e| visible(&actor, e)) {
        items.push(view(&site, env).await?);
    }
    Ok(Json(Page { items, next: None }))
}

/// One environment: capacity, health, instances, release, data age, explanation.
#[utoipa::path(get, path = "/api/v1/apps/{app}/environments/{env}", params(("app" = String, Path), ("env" = String, Path)), responses((status = 200, body = EnvironmentView), (status = 404, body = Document)))]
pub async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((app, env)): Path<(String, String)>,
) -> Result<Json<EnvironmentView>, ApiError> {
    let env = site.app.visible(&actor, &app, &env).await?;
    Ok(Json(view(&site, env).await?))
}

/// Adopts an Auto Scaling group as an environment.
#[utoipa::path(post, path = "/api/v1/apps/{app}/environments", params(("app" = String, Path)), request_body = Adoption, responses((status = 201, body = EnvironmentView), (status = 409, body = Document), (status = 422, body = Document)))]
pub async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(app): Path<String>,
    Body(new): Body<Adoption>,
) -> Result<(StatusCode, Json<EnvironmentView>), ApiError> {
    let env = site.app.adopt(&actor, &app, new).await?;
    Ok((StatusCode::CREATED, Json(view(&site, env).await?)))
}
