//! `/apps/{app}/{env}`: health with its cause, the fleet, capacity, rollback readiness, activity.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::error::ApiError;
use super::explain::{Why, why};
use super::foreign::{Shown, shown};
use super::page::{Frame, Visit, page};
use super::words::{Moment, Wrong};
use crate::app::overview::{Overview, Readiness};
use crate::domain::access::Role;
use crate::domain::change::{Capacity, Kind};
use crate::domain::environment::Environment;
use crate::domain::fleet::Instance;
use crate::domain::observation::Activity;
use crate::domain::problem::Problem;
use crate::store::changes::{Change, Filter};
use crate::store::debts::Debt;

/// Sightings on the page.
const SIGHTINGS: i64 = 8;

/// A zone of the fleet map.
pub(super) struct Zone {
    /// `ap-south-1a`.
    pub(super) name: String,
    /// Its instances, oldest version first.
    pub(super) instances: Vec<Instance>,
}

/// The fleet map.
pub(super) fn zones(instances: &[Instance]) -> Vec<Zone> {
    let mut out: Vec<Zone> = Vec::new();
    for i in instances {
        match out.last_mut().filter(|z| z.name == i.zone) {
            Some(z) => z.instances.push(i.clone()),
            None => out.push(Zone { name: i.zone.clone(), instances: vec![i.clone()] }),
        }
    }
    out
}

/// What the fleet map template needs of an instance.
pub(super) fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(4)..).unwrap_or(id)
}

/// Everything of the id but its tail.
pub(super) fn head(id: &str) -> &str {
    id.get(..id.len().saturating_sub(4)).unwrap_or("")
}

#[derive(Template)]
#[template(path = "environments/show.html")]
pub(super) struct Page {
    frame: Frame,
    o: Overview,
    cell: super::board::Cell,
    zones: Vec<Zone>,
    capacity: Option<Capacity>,
    readiness: Readiness,
    changes: Vec<Change>,
    activities: Vec<Activity>,
    as_of: Option<Moment>,
    may_deploy: bool,
    running: Option<Change>,
    why: Option<Why>,
    undoes: bool,
    /// Where an instance is terminated.
    terminate: Option<String>,
    /// What others changed, newest first.
    sightings: Vec<Shown>,
    /// What Fleetgate owes AWS here.
    debts: Vec<Debt>,
    key: String,
    wrong: Option<Wrong>,
}

/// `GET /apps/{app}/{env}`.
pub async fn show(visit: Visit, Path((app, env)): Path<(String, String)>) -> Result<Response, ApiError> {
    let env = visit.site.app.visible(&visit.actor, &app, &env).await?;
    page(&build(&visit, env, None).await?)
}

/// The page of an environment, with what was wrong with a form on it.
pub(super) async fn build(visit: &Visit, env: Environment, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let site = &visit.site;
    let o = site.app.overview(env).await?;
    let sightings = shown(site.app.store.list_sightings(o.env.id, SIGHTINGS).await?, o.obs());
    let debts = site.app.store.list_owed(o.env.id).await?;
    let readiness = site.app.readiness(&o).await?;
    let filter = Filter { app: Some(o.env.app.clone()), env: Some(o.env.name.clone()), ..Filter::default() };
    let changes = site.app.store.list_changes(&filter, 10).await?;
    let activities = o.obs().map(|obs| obs.activities.iter().take(8).cloned().collect()).unwrap_or_default();
    let running = o.running().cloned();
    let frame = visit
        .frame(o.env.scope(), "apps")
        .await?
        .protected(o.env.protected)
        .live(format!("env-{} app-{}", o.env.id, o.env.app))
        .say(format!("{}: {}", o.env.scope(), o.sentence));
    Ok(Page {
        frame,
        sightings,
        debts,
        key: super::deploy::new_key(),
        wrong,
        cell: super::board::cell(&o),
        zones: zones(&o.instances),
        capacity: o.capacity(),
        as_of: o.look.as_ref().map(|l| Moment(l.at)),
        may_deploy: visit.actor.has(Role::Deployer, &o.env.scope()),
        terminate: visit.actor.has(Role::Deployer, &o.env.scope()).then(|| format!("/apps/{}/terminate", o.env.scope())),
        undoes: running.as_ref().is_some_and(|c| c.kind == Kind::Deploy && c.progress.undo.is_none()),
        why: why(visit, &o, o.subject(), false),
        running,
        readiness,
        changes,
        activities,
        o,
    })
}
