//! Signing in and out.

use axum::Form;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::Site;
use super::error::ApiError;
use super::session::{Caller, Proof, cookie_name, origin};
use crate::domain::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

/// `POST /login`: sets the session cookie and goes to `/`.
pub async fn create(State(site): State<Site>, request: Request) -> Result<Response, ApiError> {
    let from = origin(&request);
    let agent = request.headers().get(header::USER_AGENT).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let form = <Form<Credentials> as axum::extract::FromRequest<Site>>::from_request(request, &site).await;
    let Ok(Form(given)) = form else {
        return Err(ApiError(Problem::Malformed("Send the fields `username` and `password` as a form.".into())));
    };
    let secret = site.app.sign_in(&given.username, &given.password, from, agent).await?;
    let secure = site.app.settings.secure_cookie;
    let cookie = Cookie::build((cookie_name(secure), secret)).path("/").http_only(true).secure(secure).same_site(SameSite::Lax).build();
    Ok((CookieJar::new().add(cookie), Redirect::to("/")).into_response())
}

/// `POST /logout`: ends this session.
pub async fn delete(State(site): State<Site>, Caller(actor): Caller, proof: Proof) -> Result<Response, ApiError> {
    if let Proof::Session(secret) = proof {
        site.app.sign_out(&actor, &secret).await?;
    }
    let secure = site.app.settings.secure_cookie;
    let gone = Cookie::build((cookie_name(secure), "")).path("/").secure(secure).http_only(true).build();
    Ok((CookieJar::new().add(gone.clone()).remove(gone), Redirect::to("/")).into_response())
}
