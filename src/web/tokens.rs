//! `/admin/tokens`: API tokens, made and revoked.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{Moment, Wrong};
use crate::domain::access::{Act, EVERYWHERE, Facts, On, decide};
use crate::domain::problem::{FieldError, Problem};
use crate::store::tokens::Token;

const DAY_MS: i64 = 86_400_000;

/// The forms of this page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    act: String,
    name: String,
    days: String,
    /// Ticked environments.
    env: Vec<String>,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Page {
    frame: Frame,
    rows: Vec<Token>,
    scopes: Vec<String>,
    form: Form,
    /// A token that was just made: it is shown this once.
    made: Option<(String, String)>,
    wrong: Option<Wrong>,
}

impl Page {
    fn state(&self, t: &Token) -> (&'static str, &'static str, String) {
        let expires = Moment(t.expires_at);
        match t.revoked_at {
            Some(at) => ("cross", "off", format!("Revoked {}", Moment(at).day())),
            None if t.expires_at <= self.frame.now.0 => ("cross", "off", format!("Expired {}", expires.day())),
            None => ("ok", "ok", format!("Works until {}", expires.day())),
        }
    }
    fn works(&self, t: &Token) -> bool {
        t.revoked_at.is_none() && t.expires_at > self.frame.now.0
    }
    fn ticked(&self, scope: &str) -> bool {
        self.form.env.iter().any(|e| e == scope)
    }
}

async fn tokens(visit: &Visit, form: Form, made: Option<(String, String)>, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let store = &visit.site.app.store;
    Ok(Page {
        frame: visit.frame("API tokens", "admin").await?,
        rows: store.list_tokens().await?,
        scopes: store.list_environments().await?.iter().map(crate::domain::environment::Environment::scope).collect(),
        form,
        made,
        wrong,
    })
}

fn admin(visit: &Visit) -> Result<(), Problem> {
    decide(&visit.actor, &Act::CreateToken, &On::Everything, &Facts::default()).map(|_| ())
}

/// `GET /admin/tokens`.
pub async fn list(visit: Visit) -> Result<Response, ApiError> {
    admin(&visit)?;
    page(&tokens(&visit, Form { days: "90".into(), ..Form::default() }, None, None).await?)
}

/// `POST /admin/tokens`: makes one and shows it, or revokes one.
pub async fn update(visit: Visit, body: String) -> Result<Response, ApiError> {
    admin(&visit)?;
    let form: Form = serde_html_form::from_str(&body).map_err(|_| Problem::Malformed("Send one of the forms of this page.".into()))?;
    let (app, actor) = (&visit.site.app, &visit.actor);
    if form.act == "revoke" {
        app.revoke_token(actor, &form.name).await?;
        return Ok(go("/admin/tokens"));
    }
    let scopes = if form.env.iter().any(|e| e == EVERYWHERE) { vec![EVERYWHERE.to_owned()] } else { form.env.clone() };
    let days = form.days.trim().parse::<i64>().ok().filter(|d| (1..=366).contains(d));
    let name = form.name.trim().to_owned();
    let made = match days {
        Some(_) if form.env.is_empty() => Err(Problem::field("env", "tick at least one environment")),
        Some(days) => app.create_token(actor, &name, &scopes, days * DAY_MS).await,
        None => Err(Problem::Invalid(vec![FieldError::new("days", format!("must be 1 to 366 days, not `{}`", form.days.trim()))])),
    };
    match made {
        Ok(secret) => page(&tokens(&visit, Form { days: "90".into(), ..Form::default() }, Some((name, secret)), None).await?),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. })) => {
            let shown = tokens(&visit, form, None, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
