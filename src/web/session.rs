//! Who calls: the session cookie or the bearer token, checked once for every route; and the audit of what was refused.

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use std::net::SocketAddr;

use super::Site;
use super::error::{ApiError, Refused, request_id, respond};
use crate::domain::access::{Actor, ActorKind, Origin};
use crate::domain::problem::Problem;

/// Name of the session cookie: with the `__Host-` prefix where the public URL is https.
pub fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-fleetgate" } else { "fleetgate" }
}

/// The authenticated caller of a request.
#[derive(Clone, Debug)]
pub struct Caller(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError(Problem::Internal("a route without its access layer".into())))
    }
}

/// How to find the caller again, for streams that outlive a decision.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A session's secret.
    Session(String),
    /// An API token.
    Token(String),
}

impl Proof {
    /// Who this proves now, for an act of a person: rights are read anew, and the session was used.
    ///
    /// # Errors
    /// `Unauthenticated`; with the actor where a known token is over.
    pub async fn actor(&self, site: &Site, origin: Origin) -> Result<Actor, (Problem, Option<Actor>)> {
        self.who(site, origin, true).await
    }

    /// Who this proves now, for what a page does by itself: the session grows older.
    ///
    /// # Errors
    /// As [`Proof::actor`].
    pub async fn look(&self, site: &Site, origin: Origin) -> Result<Actor, (Problem, Option<Actor>)> {
        self.who(site, origin, false).await
    }

    async fn who(&self, site: &Site, origin: Origin, used: bool) -> Result<Actor, (Problem, Option<Actor>)> {
        match self {
            Self::Session(secret) => site.app.who_by_session(secret, origin, used).await.map_err(|p| (p, None)),
            Self::Token(secret) => site.app.who_by_token(secret, origin).await,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Proof {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError(Problem::Internal("a route without its access layer".into())))
    }
}

/// Where a request came from.
pub fn origin(request: &Request) -> Origin {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
    Origin { address, request: Some(request_id(request.extensions())) }
}

/// Public routes: nobody is asked for.
pub async fn public(State(_): State<Site>, request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Routes for people and tokens.
pub async fn caller(State(site): State<Site>, request: Request, next: Next) -> Response {
    guard(site, request, next, false).await
}

/// Routes for people alone.
pub async fn person(State(site): State<Site>, request: Request, next: Next) -> Response {
    guard(site, request, next, true).await
}

async fn guard(site: Site, mut request: Request, next: Next, person_only: bool) -> Response {
    let mutating = !matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path().to_owned();
    let asked = format!("{} {path}", request.method());
    let from = origin(&request);
    let reloads = request.uri().query().is_some_and(|q| q.split('&').any(|p| p.starts_with("watch=")));
    let by_itself = path == "/live" || path.ends_with("/events") || reloads || request.headers().contains_key("hx-request");
    let Some(proof) = proof(&site, request.headers()) else {
        return match is_page(&path) {
            true => super::login::ask(request, false).await,
            false => respond(Problem::Unauthenticated("Sign in, or send an API token as `Authorization: Bearer fg_…`.".into())),
        };
    };
    let who = if by_itself { proof.look(&site, from).await } else { proof.actor(&site, from).await };
    let (mut response, actor) = match who {
        Err((Problem::Unauthenticated(_), _)) if is_page(&path) && matches!(proof, Proof::Session(_)) => {
            return super::login::ask(request, true).await;
        }
        Err((problem, actor)) => (respond(problem), actor),
        Ok(actor) => {
            let refusal = if person_only && actor.kind != ActorKind::Person {
                Some(Problem::Forbidden("Only a signed-in person may do this.".into()))
            } else if mutating && matches!(proof, Proof::Session(_)) && !from_browser(request.headers()) {
                Some(Problem::Forbidden(
                    "A request with a session cookie must come from a browser that says where it comes from. Programs use an API token.".into(),
                ))
            } else {
                None
            };
            match refusal {
                Some(problem) => (respond(problem), Some(actor)),
                None => {
                    request.extensions_mut().insert(Caller(actor.clone()));
                    request.extensions_mut().insert(proof);
                    (next.run(request).await, Some(actor))
                }
            }
        }
    };
    if let Some(actor) = &actor {
        response.extensions_mut().insert(Caller(actor.clone()));
    }
    // Every refused act of somebody we know is in the trail; so is one with a body that is too large or not readable.
    if mutating && let Some(actor) = actor {
        let refused = match response.extensions().get::<Refused>() {
            Some(Refused(problem)) => Some(problem.clone()),
            None if response.status().is_client_error() => Some(Problem::Malformed(format!("Refused with status {}.", response.status()))),
            None => None,
        };
        if let Some(problem) = refused
            && let Err(error) = site.app.audit_refusal(&actor, &path, &asked, &problem).await
        {
            tracing::error!(%error, "a refusal could not be audited");
        }
    }
    response
}

/// Answered with HTML: everything but the API and the stream.
pub fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && path != "/live" && path != "/healthz" && path != "/readyz"
}

fn proof(site: &Site, headers: &HeaderMap) -> Option<Proof> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok()?;
        let (scheme, token) = text.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| Proof::Token(token.trim().to_owned()));
    }
    let jar = CookieJar::from_headers(headers);
    jar.get(cookie_name(site.app.settings.secure_cookie)).map(|c| Proof::Session(c.value().to_owned()))
}

/// Who sends this request, where that is known: for an answer that no route gives.
pub(super) async fn known(site: &Site, headers: &HeaderMap, from: Origin) -> Option<Caller> {
    proof(site, headers)?.look(site, from).await.ok().map(Caller)
}

fn from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}
