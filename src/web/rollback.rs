//! `/apps/{app}/{env}/rollback`: what going back does, and the button. Two clicks from the environment's page.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::deploy::{askable, key, new_key};
use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{self, Moment, Wrong};
use crate::app::changes::{OnBusy, Request};
use crate::app::overview::{Overview, Readiness};
use crate::app::releases::whole;
use crate::domain::change::{Intent, Kind};
use crate::domain::environment::Environment;
use crate::domain::fleet::{Instance, Standing};
use crate::domain::problem::Problem;
use crate::domain::readiness::{self, Kept};
use crate::domain::release::Release;
use crate::store::changes::Change;

/// The form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    release: String,
    reason: String,
    key: String,
}

#[derive(Template)]
#[template(path = "environments/rollback.html")]
struct Page {
    frame: Frame,
    o: Overview,
    form: Form,
    key: String,
    readiness: Readiness,
    /// Releases that were good here, newest first; the first is the usual target.
    others: Vec<(Release, i64)>,
    target: Option<Release>,
    template: Option<i64>,
    /// Instances that do not run the target yet.
    replaced: usize,
    /// How long it takes, and what that is taken from.
    takes: Option<(String, String)>,
    /// The target's image by the last list of ECR, and when that was read.
    image: Kept,
    images_at: Option<Moment>,
    /// When the target was last seen healthy here.
    healthy: Option<Moment>,
    /// The deploy that is still rolling: rolling back is its undo.
    running: Option<Change>,
    leaves: Option<i64>,
    wrong: Option<Wrong>,
}

async fn consequence(visit: &Visit, env: Environment, form: Form, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let app = &visit.site.app;
    let o = app.overview(env).await?;
    let readiness = app.readiness(&o).await?;
    let mut others: Vec<(Release, i64)> = Vec::new();
    for good in app.store.list_good(o.env.id, 50).await? {
        if good.left_by.is_some() || Some(good.release) == o.release() || others.iter().any(|(r, _)| r.number == good.release) {
            continue;
        }
        let Some(obs) = o.obs() else { break };
        if let Some((good, release)) = app.rollback_target(&o.env, Some(good.release), obs).await? {
            others.push((release, good.template_version));
        }
        if others.len() == 8 {
            break;
        }
    }
    let first = match &readiness {
        Readiness::Ready(found) => Some((found.1.clone(), found.0.template_version)),
        Readiness::Not(_) => None,
    };
    let named = form.release.parse::<i64>().ok().and_then(|n| others.iter().find(|(r, _)| r.number == n).cloned());
    let chosen = named.or(first);
    let running = o.running().filter(|c| c.kind == Kind::Deploy && c.progress.undo.is_none()).cloned();
    let images = app.store.find_images(&o.env.app).await?;
    let image = match &chosen {
        Some((r, _)) => readiness::image(&r.digest, images.as_ref().map(whole)),
        None => Kept::There,
    };
    let healthy = match &chosen {
        Some((r, _)) => app.last_healthy(&o.env, r).await?,
        None => None,
    };
    let goes = |i: &&Instance| !matches!(i.standing, Standing::Leaving | Standing::Standby) && i.release != chosen.as_ref().map(|(r, _)| r.number);
    let replaced = o.instances.iter().filter(goes).count();
    let takes = match o.obs().and_then(|obs| obs.group.as_ref()) {
        Some(group) if replaced > 0 => app.estimate_rollback(&o.env, group, i32::try_from(replaced).unwrap_or(i32::MAX)).await?,
        _ => None,
    };
    let title = match (&running, &chosen) {
        (Some(c), _) => format!("Undo #{} in {}", c.number, o.env.scope()),
        (None, Some((r, _))) => format!("Roll {} back to v{}", o.env.scope(), r.number),
        (None, None) => format!("Roll {} back", o.env.scope()),
    };
    Ok(Page {
        frame: visit.frame(title, "apps").await?.protected(o.env.protected),
        key: new_key(),
        replaced,
        takes: takes.as_ref().map(words::takes),
        image,
        images_at: images.map(|k| Moment(k.at)),
        healthy: healthy.map(Moment),
        template: chosen.as_ref().map(|(_, t)| *t),
        target: chosen.map(|(r, _)| r),
        leaves: o.release(),
        readiness,
        running,
        others,
        form,
        wrong,
        o,
    })
}

/// `GET /apps/{app}/{env}/rollback`.
pub async fn show(visit: Visit, Path((app, env)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &env, Kind::Rollback).await?;
    page(&consequence(&visit, env, form, None).await?)
}

/// `POST /apps/{app}/{env}/rollback`.
pub async fn create(visit: Visit, Path((app, name)): Path<(String, String)>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &name, Kind::Rollback).await?;
    let release = match form.release.as_str() {
        "" => Ok(None),
        n => n.parse().map(Some).map_err(|_| Problem::field("release", "choose one of the releases that were good here")),
    };
    let asked = match release {
        Ok(release) => {
            let request = Request {
                intent: Intent::Rollback { release },
                reason: Some(form.reason.trim().to_owned()).filter(|r| !r.is_empty()),
                on_busy: OnBusy::Refuse,
                key: Some(key(&form.key)),
                read: None,
                settles: None,
            };
            Box::pin(visit.site.app.request_change(&visit.actor, &env, request)).await
        }
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(change) => Ok(go(&format!("/deployments/{}", change.number))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            let shown = consequence(&visit, env, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
