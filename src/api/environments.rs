//! Environments.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::explain::ExplanationView;
use super::{Body, Page, written};
use crate::app::environments::Adoption;
use crate::app::overview::{Overview, Readiness};
use crate::domain::change::{Capacity, RefreshMode};
use crate::domain::environment::Policy;
use crate::domain::health::Level;
use crate::domain::problem::Problem;
use crate::store::debts::Debt;
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
    /// What Fleetgate owes AWS here: temporary alterations that are not paid back yet.
    debts: Vec<Debt>,
    /// What others changed in AWS, newest first.
    foreign: Vec<SightingView>,
    /// Why what is in progress here is not moving, or what is amiss; absent when nothing is.
    explanation: Option<ExplanationView>,
    /// The rules.
    policy: Policy,
}

/// Something that others changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SightingView {
    /// Its id, for putting it back.
    id: i64,
    /// When it was seen.
    at: String,
    /// `min`, `template`, `suspended/AZRebalance`, `refresh/<id>`, …
    what: String,
    /// Before; absent = was not there.
    before: Option<String>,
    /// After; absent = is gone.
    after: Option<String>,
    /// In words.
    sentence: String,
    /// AWS's own words.
    cause: Option<String>,
    /// The change that puts it back.
    settled_by: Option<i64>,
}

/// Putting back what others changed.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutBack {
    /// Why.
    reason: String,
    /// For a foreign refresh: `cancel` or `roll_back` (default).
    mode: Option<RefreshMode>,
}

/// What was paid back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Paid {
    /// Changes that still owe something.
    left: usize,
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

async fn view(site: &Site, o: Overview) -> Result<EnvironmentView, Problem> {
    let rollback = match site.app.readiness(&o).await? {
        // Ready to another release than the last good one: ready, with the reason why not to that one.
        Readiness::Ready(found) => RollbackView { ready: true, release: Some(found.1.number), why_not: found.3 },
        Readiness::Not(why) => RollbackView { ready: false, release: None, why_not: Some(why) },
    };
    let instances = o
        .instances
        .iter()
        .map(|i| {
            let target = o.obs().and_then(|obs| obs.listening().find_map(|h| h.targets.get(&i.id)));
            InstanceView {
                id: i.id.clone(),
                az: i.zone.clone(),
                lifecycle: i.lifecycle.clone(),
                target_health: target.map(|t| t.state.clone()),
                target_reason: target.and_then(|t| t.reason.clone()),
                digest: i.digest.clone(),
                release: i.release,
                template_version: i.template_version,
                protected: i.protected,
            }
        })
        .collect();
    let debts = site.app.store.list_owed(o.env.id).await?;
    let foreign = site.app.store.list_sightings(o.env.id, 20).await?;
    let foreign = foreign
        .into_iter()
        .map(|s| SightingView {
            sentence: s.sighting().sentence(),
            id: s.id,
            at: written(s.at),
            what: s.what,
            before: s.before,
            after: s.after,
            cause: s.cause,
            settled_by: s.settled_by,
        })
        .collect();
    let explanation = site.app.explain(&o, o.subject()).map(|e| ExplanationView::of(e, &o.env.scope()));
    Ok(EnvironmentView {
        debts,
        foreign,
        explanation,
        capacity: o.capacity().map(|figures| CapacityView { figures, in_service: o.in_service(), healthy: o.healthy() }),
        health: o.level,
        template_version: o.template_version().map(str::to_owned),
        as_of: o.look.as_ref().map(|l| written(l.at)),
        missed_looks: o.look.as_ref().map_or(0, |l| l.misses),
        running: o.running().map(|c| c.number),
        release: o.release(),
        sentence: o.sentence,
        instances,
        rollback,
        app: o.env.app,
        name: o.env.name,
        protected: o.env.protected,
        region: o.env.region,
        asg: o.env.asg,
        policy: o.env.policy,
    })
}

/// All environments that the caller may see.
#[utoipa::path(get, path = "/api/v1/environments", responses((status = 200, body = Page<EnvironmentView>)))]
pub async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Json<Page<EnvironmentView>>, ApiError> {
    let mut items = Vec::new();
    for o in site.app.overviews(&actor).await? {
        items.push(view(&site, o).await?);
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
    Ok(Json(view(&site, site.app.overview(env).await?).await?))
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
    Ok((StatusCode::CREATED, Json(view(&site, site.app.overview(env).await?).await?)))
}

/// Puts back what others changed: asks for the change that does it.
#[utoipa::path(post, path = "/api/v1/apps/{app}/environments/{env}/sightings/{id}/put-back", params(("app" = String, Path), ("env" = String, Path), ("id" = i64, Path)), request_body = PutBack, responses((status = 202, body = super::changes::ChangeView), (status = 404, body = Document), (status = 409, body = Document), (status = 422, body = Document)))]
pub async fn put_back(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((app, env, id)): Path<(String, String, i64)>,
    Body(body): Body<PutBack>,
) -> Result<(StatusCode, Json<super::changes::ChangeView>), ApiError> {
    let env = site.app.visible(&actor, &app, &env).await?;
    let change = site.app.put_back(&actor, &env, id, &body.reason, body.mode, None).await?;
    Ok((StatusCode::ACCEPTED, Json(super::changes::view(&site, change).await?)))
}

/// Pays back now what ended changes still owe AWS.
#[utoipa::path(post, path = "/api/v1/apps/{app}/environments/{env}/debts/pay", params(("app" = String, Path), ("env" = String, Path)), responses((status = 200, body = Paid), (status = 404, body = Document)))]
pub async fn pay(State(site): State<Site>, Caller(actor): Caller, Path((app, env)): Path<(String, String)>) -> Result<Json<Paid>, ApiError> {
    let env = site.app.visible(&actor, &app, &env).await?;
    Ok(Json(Paid { left: site.app.pay_debts_of(&actor, &env).await? }))
}
