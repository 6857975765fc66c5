//! Signing in and out.

use askama::Template;
use axum::Form;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::Site;
use super::error::ApiError;
use super::page::{Frame, again, go, page, theme};
use super::session::{Caller, Proof, cookie_name, origin};
use crate::domain::problem::Problem;

/// Fields of a form that are kept over a sign-in take at most this much of the address.
const KEPT: usize = 6000;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    /// Nobody exists yet.
    nobody: bool,
    /// A session was there and is over.
    ended: bool,
    /// A form comes back.
    kept: bool,
    next: String,
    username: String,
    wrong: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Query of `GET /login`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
    ended: bool,
    kept: bool,
}

/// `GET /login`.
pub async fn show(State(site): State<Site>, Query(q): Query<Asked>, headers: HeaderMap) -> Result<Response, ApiError> {
    let nobody = site.app.store.list_people().await?.is_empty();
    let frame = Frame::outside("Sign in", theme(&headers), site.app.clocks.wall());
    page(&Page { frame, nobody, ended: q.ended, kept: q.kept, next: q.next, username: String::new(), wrong: None })
}

/// Leads to the sign-in and back again. A form that was sent without a session comes back with what was typed, because every
/// form is sent to the address that shows it, and that takes its fields as a query.
pub async fn ask(request: Request, ended: bool) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let (next, kept) = if matches!(parts.method, Method::GET | Method::HEAD) {
        (parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string), false)
    } else {
        let fields: Vec<(String, String)> = match to_bytes(body, super::LARGEST_BODY).await {
            Ok(bytes) => serde_html_form::from_bytes(&bytes).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        // A form with a password is typed again whole: its fields must not stand in an address. A key belongs to one sending.
        let secret = fields.iter().any(|(k, _)| k.contains("password"));
        let fields: Vec<_> = fields.into_iter().filter(|(k, _)| !secret && k != "key" && k != "act").collect();
        match serde_html_form::to_string(&fields) {
            Ok(query) if !query.is_empty() && query.len() <= KEPT => (format!("{path}?{query}"), true),
            _ => (path, false),
        }
    };
    let mut query = vec![("next", next.as_str())];
    if ended {
        query.push(("ended", "true"));
    }
    if kept {
        query.push(("kept", "true"));
    }
    go(&match next.as_str() {
        "/" | "/logout" if !ended => "/login".to_owned(),
        _ => format!("/login?{}", serde_html_form::to_string(&query).unwrap_or_default()),
    })
}

/// A way back that stays on this site: a path of ours, and no other host.
fn inside(next: &str) -> &str {
    let plain = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\") && !next.chars().any(char::is_control);
    if plain && !next.starts_with("/login") && !next.starts_with("/logout") { next } else { "/" }
}

/// `POST /login`: sets the session cookie and goes on.
pub async fn create(State(site): State<Site>, request: Request) -> Result<Response, ApiError> {
    let from = origin(&request);
    let headers = request.headers().clone();
    let (theme, agent) = (theme(&headers), agent(&headers));
    let form = <Form<Credentials> as axum::extract::FromRequest<Site>>::from_request(request, &site).await;
    let Ok(Form(given)) = form else {
        return Err(ApiError(Problem::Malformed("Send the fields `username` and `password` as a form.".into())));
    };
    let had = CookieJar::from_headers(&headers).get(cookie_name(site.app.settings.secure_cookie)).map(|c| c.value().to_owned());
    let secret = match site.app.sign_in(&given.username, &given.password, from, agent).await {
        Ok(secret) => secret,
        Err(problem @ (Problem::Unauthenticated(_) | Problem::TooMany(..))) => {
            let frame = Frame::outside("Sign in", theme, site.app.clocks.wall());
            let wait = if let Problem::TooMany(_, seconds) = &problem { Some(*seconds) } else { None };
            let words = match wait {
                Some(seconds) => {
                    format!("{} You can try again in {}.", problem.detail(), super::words::span(i64::try_from(seconds).unwrap_or(0) * 1000))
                }
                None => problem.detail(),
            };
            let shown = Page { frame, nobody: false, ended: false, kept: false, next: given.next, username: given.username, wrong: Some(words) };
            let mut response = again(problem, &shown)?;
            if let Some(seconds) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            return Ok(response);
        }
        Err(other) => return Err(ApiError(other)),
    };
    if let Some(had) = had {
        site.app.drop_session(&had).await?;
    }
    Ok(enter(&site, secret, inside(&given.next)))
}

/// Hands the session's secret to the browser and goes to a page of ours.
pub(super) fn enter(site: &Site, secret: String, to: &str) -> Response {
    stay(site, secret, Redirect::to(to).into_response())
}

/// Hands a session's secret to the browser with this answer.
pub(super) fn stay(site: &Site, secret: String, answer: Response) -> Response {
    let secure = site.app.settings.secure_cookie;
    let cookie = Cookie::build((cookie_name(secure), secret)).path("/").http_only(true).secure(secure).same_site(SameSite::Lax).build();
    (CookieJar::new().add(cookie), answer).into_response()
}

/// What the browser calls itself.
pub(super) fn agent(headers: &HeaderMap) -> Option<String> {
    headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// `POST /logout`: ends this session.
pub async fn delete(State(site): State<Site>, Caller(actor): Caller, proof: Proof) -> Result<Response, ApiError> {
    if let Proof::Session(secret) = proof {
        site.app.sign_out(&actor, &secret).await?;
    }
    let secure = site.app.settings.secure_cookie;
    let gone = Cookie::build((cookie_name(secure), "")).path("/").secure(secure).http_only(true).build();
    Ok((CookieJar::new().add(gone.clone()).remove(gone), Redirect::to("/login")).into_response())
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn a_way_back_stays_on_this_site() {
        assert_eq!(inside("/apps/a/b/deploy?release=5"), "/apps/a/b/deploy?release=5");
        for away in ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "", "/\n/evil", "/login?next=/"] {
            assert_eq!(inside(away), "/", "{away}");
        }
    }
}
