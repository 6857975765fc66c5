//! `/me`: what this person may do, their sessions, their password, how the pages look.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::Site;
use super::error::ApiError;
use super::login::{agent, stay};
use super::page::{Frame, THEME, Visit, again, go, page};
use super::session::Proof;
use super::words::{self, Moment, Wrong};
use crate::app::sessions::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
use crate::domain::problem::Problem;

/// The forms of this page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    act: String,
    current: String,
    password: String,
    again: String,
    session: String,
    theme: String,
}

/// One session of this person.
struct Row {
    handle: String,
    here: bool,
    browser: String,
    address: String,
    opened: Moment,
    used: Moment,
    ends: Moment,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Page {
    frame: Frame,
    name: String,
    /// Scope; its roles, each with what it allows.
    roles: Vec<(String, Vec<(String, &'static str)>)>,
    sessions: Vec<Row>,
    idle: String,
    done: &'static str,
    wrong: Option<Wrong>,
}

impl Page {
    fn lengths(&self) -> String {
        format!("{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    }
    fn themes(&self) -> [(&'static str, &'static str, bool); 3] {
        [
            ("", "As the system", self.frame.theme.is_empty()),
            ("light", "Light", self.frame.theme == "light"),
            ("dark", "Dark", self.frame.theme == "dark"),
        ]
    }
}

/// What a browser calls itself, for people: `Firefox on Linux`.
fn browser(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, word)| *word);
    let name = find(&[("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl")]);
    let system =
        find(&[("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux")]);
    match (name, system) {
        (Some(n), Some(s)) => format!("{n} on {s}"),
        (Some(n), None) => n.to_owned(),
        _ => "A browser that does not say its name".into(),
    }
}

async fn account(visit: &Visit, proof: &Proof, done: &'static str, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let app = &visit.site.app;
    let Proof::Session(secret) = proof else { return Err(Problem::Forbidden("Only a signed-in person has an account here.".into())) };
    let sessions = app
        .own_sessions(&visit.actor, secret)
        .await?
        .into_iter()
        .map(|(s, here)| Row {
            handle: s.handle().to_owned(),
            here,
            browser: browser(s.user_agent.as_deref().unwrap_or_default()),
            address: s.address.unwrap_or_else(|| "an unknown address".into()),
            opened: Moment(s.created_at),
            used: Moment(s.last_seen_at),
            ends: Moment(s.expires_at),
        })
        .collect();
    Ok(Page {
        frame: visit.frame("Your account", "me").await?,
        name: visit.actor.name.clone(),
        roles: visit
            .actor
            .grants
            .iter()
            .map(|(scope, roles)| (scope.clone(), roles.iter().map(|r| (words::capital(r.name()), super::people::meaning(*r))).collect()))
            .collect(),
        idle: words::span(app.settings.session_idle_ms),
        done,
        sessions,
        wrong,
    })
}

/// `GET /me`.
pub async fn show(visit: Visit, proof: Proof) -> Result<Response, ApiError> {
    page(&account(&visit, &proof, "", None).await?)
}

/// `POST /me`: one of its forms.
pub async fn update(visit: Visit, proof: Proof, State(site): State<Site>, request: Request) -> Result<Response, ApiError> {
    let agent = agent(request.headers());
    let axum::Form(form) = <axum::Form<Form> as axum::extract::FromRequest<Site>>::from_request(request, &site)
        .await
        .map_err(|_| Problem::Malformed("Send one of the forms of this page.".into()))?;
    let (app, actor) = (&visit.site.app, &visit.actor);
    let Proof::Session(secret) = &proof else { return Err(ApiError(Problem::Forbidden("Only a signed-in person has an account here.".into()))) };
    let done: Result<Response, Problem> = match form.act.as_str() {
        "theme" => Ok(themed(&site, &form.theme)),
        "end" => match app.end_session(actor, &form.session).await {
            Ok(()) => return page(&account(&visit, &proof, "That session has ended.", None).await?),
            Err(problem) => Err(problem),
        },
        "others" => match app.end_other_sessions(actor, secret).await {
            Ok(()) => return page(&account(&visit, &proof, "All your other sessions have ended.", None).await?),
            Err(problem) => Err(problem),
        },
        "password" if form.password != form.again => Err(Problem::field("again", "is not the same as the new password above")),
        "password" => match app.change_password(actor, &form.current, &form.password, agent).await {
            Ok(secret) => {
                let words = "Your password is changed. All your other sessions have ended.";
                let shown = account(&visit, &Proof::Session(secret.clone()), words, None).await?;
                return Ok(stay(&site, secret, page(&shown)?));
            }
            Err(problem) => Err(problem),
        },
        _ => Err(Problem::Malformed("Send one of the forms of this page.".into())),
    };
    match done {
        Ok(response) => Ok(response),
        Err(problem @ (Problem::Invalid(_) | Problem::TooMany(..))) => {
            let shown = account(&visit, &proof, "", Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

fn themed(site: &Site, theme: &str) -> Response {
    let chosen = if ["light", "dark"].contains(&theme) { theme.to_owned() } else { String::new() };
    let cookie =
        Cookie::build((THEME, chosen)).path("/").http_only(true).secure(site.app.settings.secure_cookie).same_site(SameSite::Lax).permanent().build();
    (CookieJar::new().add(cookie), go("/me")).into_response()
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_named_as_people_do() {
        assert_eq!(browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"), "Chrome on Linux");
        assert_eq!(browser("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19 Safari/604"), "Safari on iPhone");
        assert_eq!(browser("<script>"), "A browser that does not say its name");
    }
}
