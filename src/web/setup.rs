//! `/setup/{link}`: a person chooses their own password, once. Opening the link does not use it up; choosing does.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::Site;
use super::error::ApiError;
use super::login::{agent, enter};
use super::page::{Frame, again, page, theme};
use super::session::origin;
use super::words::Wrong;
use crate::app::sessions::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
use crate::domain::problem::Problem;

/// The form.
#[derive(Debug, Deserialize)]
pub struct Form {
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct Page {
    frame: Frame,
    name: String,
    link: String,
    wrong: Option<Wrong>,
}

impl Page {
    fn lengths(&self) -> String {
        format!("{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, such as four or five words")
    }
}

async fn choice(site: &Site, headers: &HeaderMap, link: &str, wrong: Option<Wrong>) -> Result<Page, Problem> {
    let person = site.app.setup_link(link).await?;
    let frame = Frame::outside("Choose your password", theme(headers), site.app.clocks.wall());
    Ok(Page { frame, name: person.name, link: link.to_owned(), wrong })
}

/// `GET /setup/{link}`.
pub async fn show(State(site): State<Site>, Path(link): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    page(&choice(&site, &headers, &link, None).await?)
}

/// `POST /setup/{link}`: keeps the password and signs in.
pub async fn create(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Result<Response, ApiError> {
    let (from, headers, agent) = (origin(&request), request.headers().clone(), agent(request.headers()));
    let axum::Form(form) = <axum::Form<Form> as axum::extract::FromRequest<Site>>::from_request(request, &site)
        .await
        .map_err(|_| Problem::Malformed("Send the fields `password` and `again` as a form.".into()))?;
    let chosen = if form.password == form.again {
        site.app.choose_and_enter(&link, &form.password, from, agent).await
    } else {
        Err(Problem::field("again", "is not the same as the password above"))
    };
    match chosen {
        Ok(secret) => Ok(enter(&site, secret, "/")),
        Err(problem @ Problem::Invalid(_)) => {
            let shown = choice(&site, &headers, &link, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
