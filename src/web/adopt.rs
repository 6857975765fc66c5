//! `/apps/new` and `/apps/{app}/adopt`: an application, and the Auto Scaling groups that become its environments.
//!
//! Adopting has two steps on one address: look at a place (what the role may do, which groups there are), then choose a group.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;

use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::Wrong;
use crate::app::environments::Adoption;
use crate::app::survey::{Candidate, Place, Survey, Tried};
use crate::domain::access::{Act, Facts, On, decide};
use crate::domain::application::Application;
use crate::domain::environment::Policy;
use crate::domain::iam;
use crate::domain::plan::Verdict;
use crate::domain::problem::{FieldError, Problem};

/// The form of a new application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApplicationForm {
    name: String,
    repository: String,
}

#[derive(Template)]
#[template(path = "apps/new.html")]
struct NewPage {
    frame: Frame,
    form: ApplicationForm,
    wrong: Option<Wrong>,
}

async fn new_page(visit: &Visit, form: ApplicationForm, wrong: Option<Wrong>) -> Result<NewPage, Problem> {
    Ok(NewPage { frame: visit.frame("Add an application", "apps").await?, form, wrong })
}

/// `GET /apps/new`.
pub async fn application_form(visit: Visit) -> Result<Response, ApiError> {
    decide(&visit.actor, &Act::CreateApplication, &On::Everything, &Facts::default())?;
    page(&new_page(&visit, ApplicationForm::default(), None).await?)
}

/// `POST /apps/new`: adds it, and goes on to its first environment.
pub async fn application(visit: Visit, axum::Form(form): axum::Form<ApplicationForm>) -> Result<Response, ApiError> {
    let wanted = Application { name: form.name.trim().to_owned(), repository: form.repository.trim().to_owned() };
    match visit.site.app.create_application(&visit.actor, wanted).await {
        Ok(made) => Ok(go(&format!("/apps/{}/adopt", made.name))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. })) => {
            let shown = new_page(&visit, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

/// The form of an adoption: the place, then the environment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    act: String,
    region: String,
    role_arn: String,
    external_id: String,
    asg: String,
    name: String,
    protected: String,
    image_source: String,
    registry: String,
    redis_group: String,
    bucket: String,
    approvals: String,
    min_floor: String,
    max_ceiling: String,
    bake_seconds: String,
}

#[derive(Template)]
#[template(path = "apps/adopt.html")]
struct Page {
    frame: Frame,
    application: Application,
    form: Form,
    survey: Option<Survey>,
    policy_document: String,
    wrong: Option<Wrong>,
}

impl Page {
    fn adoptable(&self, c: &Candidate) -> bool {
        c.taken.is_none() && !c.checks.iter().any(|k| k.verdict == Verdict::Refuse)
    }
    fn any(&self, s: &Survey) -> bool {
        s.groups.iter().any(|c| self.adoptable(c))
    }
    fn tried(&self, t: &Tried) -> (&'static str, &'static str, String) {
        match t {
            Tried::Allowed => ("ok", "ok", "allowed".into()),
            Tried::Denied => ("bad", "bad", "denied".into()),
            Tried::Failed(why) => ("warn", "warn", format!("no answer: {why}")),
            Tried::Untried(why) => ("none", "", format!("not tried: {why}")),
        }
    }
    /// Name, title, hint and value of each number.
    fn numbers(&self) -> [(&'static str, &'static str, &'static str, &str); 4] {
        let f = &self.form;
        [
            ("policy.min_floor", "Lowest minimum", "that a capacity change may set", &f.min_floor),
            ("policy.max_ceiling", "Highest maximum", "that a capacity change may set", &f.max_ceiling),
            ("policy.bake_seconds", "Bake", "seconds of watching after the last instance", &f.bake_seconds),
            ("policy.approvals", "Approvals", "other people, where protected", &f.approvals),
        ]
    }
}

fn text(s: &str) -> Option<String> {
    Some(s.trim().to_owned()).filter(|s| !s.is_empty())
}

fn place(form: &Form) -> Place {
    Place { region: form.region.trim().to_owned(), role_arn: text(&form.role_arn), external_id: text(&form.external_id) }
}

fn policy(form: &Form) -> Result<Policy, Vec<FieldError>> {
    let mut bad = Vec::new();
    let mut number = |field: &str, value: &str| {
        let n = value.trim().parse::<i32>();
        if n.is_err() {
            bad.push(FieldError::new(format!("policy.{field}"), format!("must be a whole number, not `{}`", value.trim())));
        }
        n.unwrap_or_default()
    };
    let policy = Policy {
        min_floor: number("min_floor", &form.min_floor),
        max_ceiling: number("max_ceiling", &form.max_ceiling),
        bake_seconds: number("bake_seconds", &form.bake_seconds),
        approvals: i64::from(number("approvals", &form.approvals)),
        ..Policy::default()
    };
    if bad.is_empty() { Ok(policy) } else { Err(bad) }
}

async fn adopt_page(visit: &Visit, app: &str, mut form: Form, survey: Option<Survey>, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let store = &visit.site.app.store;
    let application = visit.site.app.visible_application(&visit.actor, app).await?;
    if form.act.is_empty() {
        // The next environment is most likely where the last one is.
        let near = store.list_environments().await?.into_iter().rev().find(|e| e.app == app && visit.actor.sees(&e.scope()));
        let d = Policy::default();
        form = Form {
            region: near.as_ref().map_or_else(|| visit.site.app.settings.region.clone(), |e| e.region.clone()),
            role_arn: near.as_ref().and_then(|e| e.role_arn.clone()).unwrap_or_default(),
            external_id: near.as_ref().and_then(|e| e.external_id.clone()).unwrap_or_default(),
            redis_group: near.as_ref().and_then(|e| e.redis_group.clone()).unwrap_or_default(),
            bucket: near.and_then(|e| e.bucket).unwrap_or_default(),
            image_source: "user_data".into(),
            approvals: d.approvals.to_string(),
            min_floor: d.min_floor.to_string(),
            max_ceiling: d.max_ceiling.to_string(),
            bake_seconds: d.bake_seconds.to_string(),
            ..Form::default()
        };
    }
    Ok(Page {
        frame: visit.frame(format!("Adopt an environment of {app}"), "apps").await?,
        policy_document: serde_json::to_string_pretty(&iam::policy(None, None)).unwrap_or_default(),
        application,
        form,
        survey,
        wrong,
    })
}

/// `GET /apps/{app}/adopt`.
pub async fn show(visit: Visit, Path(app): Path<String>) -> Result<Response, ApiError> {
    decide(&visit.actor, &Act::Adopt, &On::Application(&app), &Facts::default())?;
    page(&adopt_page(&visit, &app, Form::default(), None, None).await?)
}

/// `POST /apps/{app}/adopt`: looks at the place, or adopts the chosen group.
pub async fn create(visit: Visit, Path(app): Path<String>, axum::Form(mut form): axum::Form<Form>) -> Result<Response, ApiError> {
    decide(&visit.actor, &Act::Adopt, &On::Application(&app), &Facts::default())?;
    if form.act != "adopt" {
        form.act = "look".into();
    }
    let mut problem = None;
    if form.act == "adopt" {
        match adopt(&visit, &app, &form).await {
            Ok(scope) => return Ok(go(&format!("/apps/{scope}"))),
            Err(p @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => problem = Some(p),
            Err(other) => return Err(ApiError(other)),
        }
    }
    let survey = match visit.site.app.survey(&visit.actor, &app, &place(&form)).await {
        Ok(s) => Some(s),
        Err(p @ (Problem::Invalid(_) | Problem::Unavailable(..))) => {
            problem.get_or_insert(p);
            None
        }
        Err(other) => return Err(ApiError(other)),
    };
    let shown = adopt_page(&visit, &app, form, survey, problem.as_ref().map(Wrong::of)).await?;
    match problem {
        Some(p) => again(p, &shown),
        None => page(&shown),
    }
}

async fn adopt(visit: &Visit, app: &str, form: &Form) -> Result<String, Problem> {
    if form.asg.is_empty() {
        return Err(Problem::field("asg", "choose a group"));
    }
    let wanted = Adoption {
        name: form.name.trim().to_owned(),
        protected: form.protected == "yes",
        region: form.region.trim().to_owned(),
        role_arn: text(&form.role_arn),
        external_id: text(&form.external_id),
        asg: form.asg.clone(),
        registry: text(&form.registry),
        image_source: text(&form.image_source),
        redis_group: text(&form.redis_group),
        bucket: text(&form.bucket),
        policy: policy(form).map_err(Problem::Invalid)?,
    };
    Ok(visit.site.app.adopt(&visit.actor, app, wanted).await?.scope())
}
