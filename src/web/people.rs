//! `/admin/people`: who is here, with what roles, and the links by which they choose their passwords.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;

use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{Moment, Wrong};
use crate::domain::access::{Act, Facts, Grants, On, Role, decide};
use crate::domain::problem::{FieldError, Problem};
use crate::store::people::Person;

/// The forms of both pages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    act: String,
    name: String,
    scope: String,
    role: String,
}

/// A person of the list.
struct Row {
    person: Person,
    grants: Vec<(String, String)>,
    /// Until when their setup link works.
    link_until: Option<Moment>,
}

impl Row {
    fn state(&self) -> (&'static str, &'static str, &'static str) {
        match (self.person.disabled_at, self.person.password_hash.is_empty()) {
            (Some(_), _) => ("cross", "off", "Disabled"),
            (None, false) => ("ok", "ok", "Can sign in"),
            (None, true) if self.link_until.is_some() => ("wait", "off", "Has a setup link"),
            (None, true) => ("warn", "warn", "Has no password"),
        }
    }
}

/// A setup link that was just made: it is shown this once.
struct Link {
    name: String,
    url: String,
}

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    scopes: Vec<String>,
    form: Form,
    link: Option<Link>,
    wrong: Option<Wrong>,
}

#[derive(Template)]
#[template(path = "people/show.html")]
struct ShowPage {
    frame: Frame,
    row: Row,
    own: bool,
    /// Names of tokens that they made and that still work.
    tokens: Vec<String>,
    scopes: Vec<String>,
    form: Form,
    link: Option<Link>,
    wrong: Option<Wrong>,
}

/// What a role is for, in a select.
pub(super) fn roles() -> [(&'static str, &'static str); 4] {
    Role::ALL.map(|r| (r.name(), meaning(r)))
}

/// What a role lets a person do.
pub(super) fn meaning(role: Role) -> &'static str {
    match role {
        Role::Viewer => "may look",
        Role::Deployer => "may look and ask for changes",
        Role::Approver => "may look and decide about other people’s changes",
        Role::Admin => "may look, adopt environments, manage people and tokens, close changes by force",
    }
}

fn admin(visit: &Visit) -> Result<(), Problem> {
    decide(&visit.actor, &Act::AddPerson, &On::Everything, &Facts::default()).map(|_| ())
}

async fn rows(visit: &Visit) -> Result<Vec<Row>, Problem> {
    let store = &visit.site.app.store;
    let (grants, links) = (store.list_grants().await?, store.list_setup_links().await?);
    let live = |p: &Person| links.iter().find(|l| l.person == p.id && l.expires_at > visit.now()).map(|l| Moment(l.expires_at));
    Ok(store
        .list_people()
        .await?
        .into_iter()
        .map(|person| Row {
            grants: grants.iter().filter(|(id, ..)| *id == person.id).map(|(_, s, r)| (s.clone(), r.clone())).collect(),
            link_until: live(&person),
            person,
        })
        .collect())
}

async fn scopes(visit: &Visit) -> Result<Vec<String>, Problem> {
    Ok(visit.site.app.store.list_environments().await?.iter().map(crate::domain::environment::Environment::scope).collect())
}

fn setup_url(visit: &Visit, name: &str, secret: &str) -> Link {
    Link { name: name.to_owned(), url: format!("{}/setup/{secret}", visit.site.public_url) }
}

fn granted(form: &Form) -> Result<(String, Role), Problem> {
    if form.scope.is_empty() {
        return Err(Problem::field("scope", "choose an environment, or everywhere"));
    }
    let role = form.role.parse().map_err(|why| Problem::Invalid(vec![FieldError::new("role", why)]))?;
    Ok((form.scope.clone(), role))
}

async fn list_page(visit: &Visit, form: Form, link: Option<Link>, wrong: Option<Wrong>) -> Result<ListPage, Problem> {
    Ok(ListPage { frame: visit.frame("People", "admin").await?, rows: rows(visit).await?, scopes: scopes(visit).await?, form, link, wrong })
}

/// `GET /admin/people`.
pub async fn list(visit: Visit) -> Result<Response, ApiError> {
    admin(&visit)?;
    page(&list_page(&visit, Form::default(), None, None).await?)
}

/// `POST /admin/people`: adds a person, and shows their link.
pub async fn create(visit: Visit, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    admin(&visit)?;
    let name = form.name.trim().to_owned();
    let made = match granted(&form) {
        Ok((scope, role)) => visit.site.app.add_person(&visit.actor, &name, &Grants::from([(scope, vec![role])])).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(secret) => page(&list_page(&visit, Form::default(), Some(setup_url(&visit, &name, &secret)), None).await?),
        Err(problem @ Problem::Invalid(_)) => {
            let shown = list_page(&visit, form, None, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

async fn show_page(visit: &Visit, name: &str, form: Form, link: Option<Link>, wrong: Option<Wrong>) -> Result<ShowPage, Problem> {
    let none = || Problem::NotFound(format!("There is no person named {name}."));
    Ok(ShowPage {
        frame: visit.frame(name, "admin").await?,
        row: rows(visit).await?.into_iter().find(|r| r.person.name == name).ok_or_else(none)?,
        own: visit.actor.name == name,
        tokens: visit
            .site
            .app
            .store
            .list_tokens()
            .await?
            .into_iter()
            .filter(|t| t.created_by == name && t.revoked_at.is_none() && t.expires_at > visit.now())
            .map(|t| t.name)
            .collect(),
        scopes: scopes(visit).await?,
        form,
        link,
        wrong,
    })
}

/// `GET /admin/people/{name}`.
pub async fn show(visit: Visit, Path(name): Path<String>) -> Result<Response, ApiError> {
    admin(&visit)?;
    page(&show_page(&visit, &name, Form::default(), None, None).await?)
}

/// `POST /admin/people/{name}`: gives or takes a role, disables, enables, or makes a new setup link.
pub async fn update(visit: Visit, Path(name): Path<String>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    admin(&visit)?;
    let (app, actor) = (&visit.site.app, &visit.actor);
    let done = match form.act.as_str() {
        "grant" | "revoke" => match granted(&form) {
            Ok((scope, role)) if form.act == "grant" => app.grant_role(actor, &name, &scope, role).await,
            Ok((scope, role)) => app.revoke_role(actor, &name, &scope, role).await,
            Err(problem) => Err(problem),
        },
        "disable" => app.disable_person(actor, &name).await,
        "enable" => app.enable_person(actor, &name).await,
        "reset" => match app.reset_person(actor, &name).await {
            Ok(secret) => return page(&show_page(&visit, &name, form, Some(setup_url(&visit, &name, &secret)), None).await?),
            Err(problem) => Err(problem),
        },
        _ => Err(Problem::Malformed("Send one of the forms of this page.".into())),
    };
    match done {
        Ok(()) => Ok(go(&format!("/admin/people/{name}"))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. })) => {
            let shown = show_page(&visit, &name, form, None, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
