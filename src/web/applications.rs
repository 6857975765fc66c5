//! `/apps`: applications, each with its environments, releases and images.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::board::{Group, groups};
use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{Moment, Wrong};
use crate::app::overview::Overview;
use crate::domain::access::{EVERYWHERE, Role};
use crate::domain::application::Application;
use crate::domain::observation::Image;
use crate::domain::problem::Problem;
use crate::domain::release::Release;
use crate::store::changes::{Change, Filter};

#[derive(Template)]
#[template(path = "apps/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<(Application, Option<Group>)>,
    can_add: bool,
}

/// `GET /apps`.
pub async fn list(visit: Visit) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let mut cells = groups(&app.overviews(&visit.actor).await?);
    let mut rows = Vec::new();
    for a in app.store.list_applications().await?.into_iter().filter(|a| visit.actor.sees_app(&a.name)) {
        let at = cells.iter().position(|g| g.app == a.name);
        rows.push((a, at.map(|i| cells.remove(i))));
    }
    page(&ListPage { frame: visit.frame("Applications", "apps").await?.live("*"), rows, can_add: visit.actor.has(Role::Admin, EVERYWHERE) })
}

#[derive(Template)]
#[template(path = "apps/show.html")]
struct ShowPage {
    frame: Frame,
    application: Application,
    group: Option<Group>,
    releases: Vec<(Release, Vec<String>)>,
    changes: Vec<Change>,
    may_release: bool,
    admin: bool,
}

/// Where each release runs, from the local copy.
fn places(overviews: &[Overview], digest: &str) -> Vec<String> {
    let mut out = Vec::new();
    for o in overviews {
        let n = o.instances.iter().filter(|i| i.digest.as_deref() == Some(digest)).count();
        if n > 0 {
            out.push(format!("{} ({n} of {})", o.env.name, o.instances.len()));
        }
    }
    out
}

async fn overviews_of(visit: &Visit, app: &str) -> Result<Vec<Overview>, Problem> {
    Ok(visit.site.app.overviews(&visit.actor).await?.into_iter().filter(|o| o.env.app == app).collect())
}

/// `GET /apps/{app}`.
pub async fn show(visit: Visit, Path(name): Path<String>) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let application = app.visible_application(&visit.actor, &name).await?;
    let overviews = overviews_of(&visit, &name).await?;
    let releases = app.store.list_releases(&name, i64::MAX, 8).await?;
    let releases = releases.into_iter().map(|r| (places(&overviews, &r.digest), r)).map(|(p, r)| (r, p)).collect();
    let filter = Filter { app: Some(name.clone()), scopes: visit.scopes(), ..Filter::default() };
    let topics: Vec<String> = overviews.iter().map(|o| format!("env-{}", o.env.id)).chain([format!("app-{name}")]).collect();
    page(&ShowPage {
        frame: visit.frame(&name, "apps").await?.live(topics.join(" ")),
        group: groups(&overviews).pop(),
        changes: app.store.list_changes(&filter, 10).await?,
        may_release: visit.actor.has_in_app(Role::Deployer, &name),
        admin: visit.actor.has_in_app(Role::Admin, &name),
        releases,
        application,
    })
}

/// One image of the list.
struct Row {
    image: Image,
    release: Option<Release>,
    places: Vec<String>,
}

#[derive(Template)]
#[template(path = "apps/images.html")]
struct ImagesPage {
    frame: Frame,
    application: Application,
    rows: Vec<Row>,
    gone: Vec<(Release, Vec<String>)>,
    as_of: Option<Moment>,
    failure: Option<String>,
    may_release: bool,
    targets: Vec<String>,
    wrong: Option<Wrong>,
    form: ReleaseForm,
}

/// Names an image as a release.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReleaseForm {
    act: String,
    tag: String,
    commit: String,
    notes: String,
}

async fn images_page(visit: &Visit, name: &str, form: ReleaseForm, wrong: Option<Wrong>) -> Result<ImagesPage, Problem> {
    let app = &visit.site.app;
    let application = app.visible_application(&visit.actor, name).await?;
    let overviews = overviews_of(visit, name).await?;
    let kept = app.store.find_images(name).await?;
    let releases = app.store.list_releases(name, i64::MAX, 500).await?;
    let images = kept.as_ref().map(|k| k.images.clone()).unwrap_or_default();
    let gone = releases.iter().filter(|r| !images.iter().any(|i| i.digest == r.digest)).map(|r| (r.clone(), places(&overviews, &r.digest))).collect();
    let rows = images
        .into_iter()
        .map(|image| Row { release: releases.iter().find(|r| r.digest == image.digest).cloned(), places: places(&overviews, &image.digest), image })
        .collect();
    Ok(ImagesPage {
        frame: visit.frame(format!("Releases and images of {name}"), "apps").await?,
        targets: overviews
            .iter()
            .filter(|o| visit.actor.has(Role::Deployer, &o.env.scope()) && o.alias().is_none())
            .map(|o| o.env.name.clone())
            .collect(),
        as_of: kept.as_ref().map(|k| Moment(k.at)),
        failure: kept.and_then(|k| k.failure),
        may_release: visit.actor.has_in_app(Role::Deployer, name),
        application,
        rows,
        gone,
        wrong,
        form,
    })
}

/// `GET /apps/{app}/images`.
pub async fn images(visit: Visit, Path(name): Path<String>, Query(form): Query<ReleaseForm>) -> Result<Response, ApiError> {
    page(&images_page(&visit, &name, form, None).await?)
}

/// `POST /apps/{app}/images`: reads the list anew, or names an image as a release.
pub async fn release(visit: Visit, Path(name): Path<String>, axum::Form(form): axum::Form<ReleaseForm>) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let text = |s: &str| Some(s.trim().to_owned()).filter(|s| !s.is_empty());
    let done = match form.act.as_str() {
        "refresh" => app.refresh_images(&visit.actor, &name).await,
        _ => {
            let new = crate::app::releases::NewRelease {
                tag: Some(form.tag.trim().to_owned()),
                digest: None,
                commit: text(&form.commit),
                notes: text(&form.notes),
            };
            app.make_release(&visit.actor, &name, new).await.map(|_| ())
        }
    };
    match done {
        Ok(()) => Ok(go(&format!("/apps/{name}/images"))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            let wrong = Wrong::of(&problem);
            let shown = images_page(&visit, &name, form, Some(wrong)).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
