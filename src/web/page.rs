//! What every page shares: who looks, from where, and the frame around the content.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use axum_extra::extract::CookieJar;

use super::Site;
use super::error::{ApiError, Refused};
use super::session::Caller;
use super::words::{self, Moment};
use crate::domain::access::{Actor, EVERYWHERE, Role};
use crate::domain::change::State;
use crate::domain::problem::Problem;
use crate::store::changes::{Change, Filter};

/// Name of the cookie that holds the chosen theme.
pub const THEME: &str = "theme";

/// A signed-in person who looks at a page.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who.
    pub actor: Actor,
    /// The site.
    pub site: Site,
    /// Path and query of this page.
    pub url: String,
    /// Path of this page.
    pub path: String,
    /// `light`, `dark` or empty.
    pub theme: &'static str,
    /// Seconds of the refresh that a person without JavaScript chose.
    pub watch: Option<u32>,
    /// Number of the last event before anything of the page was read: its stream begins there, so nothing falls between.
    pub since: i64,
}

/// The chosen theme of a request.
pub fn theme(headers: &axum::http::HeaderMap) -> &'static str {
    match CookieJar::from_headers(headers).get(THEME).map(|c| c.value().to_owned()).as_deref() {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}

impl FromRequestParts<Site> for Visit {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, ApiError> {
        let Caller(actor) = Caller::from_request_parts(parts, site).await?;
        let url = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let watch = parts
            .uri
            .query()
            .unwrap_or("")
            .split('&')
            .find_map(|p| p.strip_prefix("watch="))
            .and_then(|s| s.parse().ok())
            .map(|s: u32| s.clamp(5, 300));
        Ok(Self {
            since: site.app.store.last_event().await?,
            theme: theme(&parts.headers),
            path: parts.uri.path().to_owned(),
            site: site.clone(),
            actor,
            url,
            watch,
        })
    }
}

/// The person in the frame's corner.
#[derive(Clone, Debug)]
pub struct Person {
    /// Name.
    pub name: String,
    /// One or two letters.
    pub initials: String,
    /// Manages people and tokens.
    pub admin: bool,
}

/// Everything that `base.html` shows around a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Title of the page, without the product's name.
    pub title: String,
    /// The item of the navigation that is current.
    pub here: &'static str,
    /// Who is signed in.
    pub person: Option<Person>,
    /// Changes that wait for this person's decision.
    pub waiting: usize,
    /// The stripe of production.
    pub protected: bool,
    /// Topics that renew this page, separated by spaces; `*` = all; empty = the page does not renew itself.
    pub topics: String,
    /// Where the stream of this page begins.
    pub since: i64,
    /// Path and query of this page.
    pub url: String,
    /// Path of this page.
    pub path: String,
    /// `light`, `dark` or empty.
    pub theme: &'static str,
    /// Seconds between two loads, where chosen.
    pub watch: Option<u32>,
    /// What a screen reader is told when it changes.
    pub say: String,
    /// When this was rendered.
    pub now: Moment,
    /// In a rehearsal: AWS's time, and how much faster it runs.
    pub rehearsal: Option<(Moment, String)>,
}

impl Frame {
    /// A frame for somebody who is not signed in.
    pub fn outside(title: &str, theme: &'static str, now: i64) -> Self {
        Self {
            title: title.to_owned(),
            here: "",
            person: None,
            waiting: 0,
            protected: false,
            topics: String::new(),
            since: 0,
            url: "/".into(),
            path: "/".into(),
            theme,
            watch: None,
            say: String::new(),
            now: Moment(now),
            rehearsal: None,
        }
    }
    /// With the stripe of a protected environment.
    pub fn protected(mut self, protected: bool) -> Self {
        self.protected = protected;
        self
    }
    /// Renewed by these topics.
    pub fn live(mut self, topics: impl Into<String>) -> Self {
        self.topics = topics.into();
        self
    }
    /// What a screen reader is told when it changes.
    pub fn say(mut self, sentence: impl Into<String>) -> Self {
        self.say = sentence.into();
        self
    }
    /// Addresses of static files, for the templates.
    pub fn asset(&self, name: &str) -> String {
        super::assets::asset(name)
    }
    /// The same page, loaded again every 15 seconds.
    pub fn watching(&self) -> String {
        format!("{}?watch=15", self.path)
    }
}

/// One or two letters for a name.
pub fn initials(name: &str) -> String {
    let mut parts = name.split(['-', '.', '_']).filter_map(|p| p.chars().next());
    let first = parts.next().unwrap_or('?');
    std::iter::once(first).chain(parts.next()).collect::<String>().to_uppercase()
}

impl Visit {
    /// The frame of this page.
    ///
    /// # Errors
    /// Of the database.
    pub async fn frame(&self, title: impl Into<String>, here: &'static str) -> Result<Frame, Problem> {
        let clocks = &self.site.app.clocks;
        Ok(Frame {
            here,
            waiting: self.waiting().await?.len(),
            since: self.since,
            url: self.url.clone(),
            path: self.path.clone(),
            watch: self.watch,
            person: Some(Person {
                name: self.actor.name.clone(),
                initials: initials(&self.actor.name),
                admin: self.actor.has(Role::Admin, EVERYWHERE),
            }),
            rehearsal: clocks.speed().map(|s| (Moment(clocks.cloud()), words::number(s))),
            ..Frame::outside(&title.into(), self.theme, clocks.wall())
        })
    }

    /// The scopes that a list is narrowed to; `None` where a role holds everywhere.
    pub fn scopes(&self) -> Option<Vec<String>> {
        self.actor.scopes()
    }

    /// Changes that wait for a decision which this person may make.
    ///
    /// # Errors
    /// Of the database.
    pub async fn waiting(&self) -> Result<Vec<Change>, Problem> {
        let filter = Filter { states: vec![State::AwaitingApproval], scopes: self.scopes(), ..Filter::default() };
        let mut mine = Vec::new();
        for c in self.site.app.store.list_changes(&filter, 200).await? {
            if !self.actor.has(Role::Approver, &c.scope()) || self.site.app.authors(&c).await?.contains(&self.actor.name) {
                continue;
            }
            let decided = self.site.app.store.list_approvals(c.number).await?;
            if !decided.iter().any(|a| a.person == self.actor.name && a.plan_hash == c.plan_hash) {
                mine.push(c);
            }
        }
        Ok(mine)
    }

    /// The wall clock.
    pub fn now(&self) -> i64 {
        self.site.app.clocks.wall()
    }
}

/// A rendered page.
///
/// # Errors
/// The template failed, which is ours.
pub fn page(template: &impl Template) -> Result<Response, ApiError> {
    shown(StatusCode::OK, template)
}

/// A rendered page with a status of its own.
///
/// # Errors
/// The template failed, which is ours.
pub fn shown(status: StatusCode, template: &impl Template) -> Result<Response, ApiError> {
    let html = template.render().map_err(|e| ApiError(Problem::Internal(format!("template: {e}"))))?;
    Ok((status, Html(html)).into_response())
}

/// Marks a response that already shows its problem.
#[derive(Clone, Debug)]
pub struct Shown;

/// A form that is shown again with what is wrong. The problem goes with it, so that the refusal is in the trail.
///
/// # Errors
/// The template failed, which is ours.
pub fn again(problem: Problem, template: &impl Template) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = shown(status, template)?;
    response.extensions_mut().insert(Refused(problem));
    response.extensions_mut().insert(Shown);
    Ok(response)
}

/// Goes to a page after a form was taken (303).
pub fn go(to: &str) -> Response {
    axum::response::Redirect::to(to).into_response()
}
