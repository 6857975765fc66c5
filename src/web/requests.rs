//! The smaller changes, each a page that says what it does and one button: pin the template, replace all instances, terminate one.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::deploy::{askable, key, new_key};
use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{self, Wrong};
use crate::app::changes::{OnBusy, Request};
use crate::app::overview::Overview;
use crate::domain::change::{Intent, Kind};
use crate::domain::environment::Environment;
use crate::domain::problem::Problem;
use crate::domain::strategy::StrategyChoice;

/// The form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    instance: String,
    shrink: String,
    on_busy: String,
    reason: String,
    key: String,
}

#[derive(Template)]
#[template(path = "environments/request.html")]
struct Page {
    frame: Frame,
    o: Overview,
    kind: Kind,
    form: Form,
    key: String,
    asks: bool,
    busy: Option<(i64, String)>,
    wrong: Option<Wrong>,
}

impl Page {
    fn path(&self) -> String {
        format!("/apps/{}/{}", self.o.env.scope(), self.kind.name())
    }
}

fn intent(kind: Kind, form: &Form) -> Result<Intent, Problem> {
    Ok(match kind {
        Kind::Pin => Intent::Pin { release: None },
        Kind::Replace => Intent::Replace { strategy: StrategyChoice::default() },
        _ if form.instance.trim().is_empty() => return Err(Problem::field("instance", "choose an instance")),
        _ => Intent::Terminate { instance: form.instance.trim().to_owned(), shrink: form.shrink == "yes" },
    })
}

async fn consequence(visit: &Visit, env: Environment, kind: Kind, form: Form, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let o = visit.site.app.overview(env).await?;
    let wanted = intent(kind, &form).unwrap_or(Intent::Terminate { instance: String::new(), shrink: form.shrink == "yes" });
    Ok(Page {
        frame: visit.frame(format!("{} in {}", words::title(kind, None), o.env.scope()), "apps").await?.protected(o.env.protected),
        asks: visit.site.app.asks_for_approval(&o.env, &wanted),
        busy: o.open.iter().find(|c| c.lane == wanted.lane()).map(|c| (c.number, c.sentence.clone())),
        key: new_key(),
        form,
        kind,
        wrong,
        o,
    })
}

async fn show(visit: Visit, app: &str, env: &str, kind: Kind, form: Form) -> Result<Response, ApiError> {
    let env = askable(&visit, app, env, kind).await?;
    page(&consequence(&visit, env, kind, form, None).await?)
}

async fn create(visit: Visit, app: &str, name: &str, kind: Kind, form: Form) -> Result<Response, ApiError> {
    let env = askable(&visit, app, name, kind).await?;
    let asked = match intent(kind, &form) {
        Ok(intent) => {
            let request = Request {
                intent,
                reason: Some(form.reason.trim().to_owned()).filter(|r| !r.is_empty()),
                on_busy: if form.on_busy == "wait" { OnBusy::Wait } else { OnBusy::Refuse },
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
            let shown = consequence(&visit, env, kind, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

/// `GET /apps/{app}/{env}/pin`.
pub async fn pin_form(visit: Visit, Path((app, env)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    show(visit, &app, &env, Kind::Pin, form).await
}
/// `POST /apps/{app}/{env}/pin`.
pub async fn pin(visit: Visit, Path((app, env)): Path<(String, String)>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    create(visit, &app, &env, Kind::Pin, form).await
}
/// `GET /apps/{app}/{env}/replace`.
pub async fn replace_form(visit: Visit, Path((app, env)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    show(visit, &app, &env, Kind::Replace, form).await
}
/// `POST /apps/{app}/{env}/replace`.
pub async fn replace(visit: Visit, Path((app, env)): Path<(String, String)>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    create(visit, &app, &env, Kind::Replace, form).await
}
/// `GET /apps/{app}/{env}/terminate`.
pub async fn terminate_form(visit: Visit, Path((app, env)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    show(visit, &app, &env, Kind::Terminate, form).await
}
/// `POST /apps/{app}/{env}/terminate`.
pub async fn terminate(visit: Visit, Path((app, env)): Path<(String, String)>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    create(visit, &app, &env, Kind::Terminate, form).await
}
