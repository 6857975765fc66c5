//! Problem documents (RFC 9457): one shape for every error, with the request's id.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::request_id::RequestId;

use super::Site;
use super::page::{Frame, Person, Shown, initials, theme};
use super::session::{Caller, is_page, known, origin};
use crate::clock::Clocks;
use crate::domain::access::{ActorKind, EVERYWHERE, Role};
use crate::domain::problem::{FieldError, Problem};

/// The body of an error.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Document {
    /// `about:blank`: the status says the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// One sentence: what is wrong, and the way out.
    pub detail: String,
    /// Fields that need a change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The change that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// Finds this request in the log and in the audit.
    pub request_id: String,
}

/// A problem on its way out. Kept in the response's extensions, so that the audit sees it.
#[derive(Clone, Debug)]
pub struct Refused(pub Problem);

/// A handler's error.
#[derive(Debug)]
pub struct ApiError(pub Problem);

impl<T: Into<Problem>> From<T> for ApiError {
    fn from(e: T) -> Self {
        Self(e.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        respond(self.0)
    }
}

/// The response for a problem; [`name_request`] adds the body with the request's id.
pub fn respond(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Problem::Internal(inner) = &problem {
        tracing::error!(error = %inner, "internal error");
    }
    let mut response = status.into_response();
    if let Problem::Unavailable(_, seconds) | Problem::TooMany(_, seconds) = &problem {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response.extensions_mut().insert(Refused(problem));
    response
}

#[derive(Template)]
#[template(path = "error.html")]
struct Page {
    frame: Frame,
    detail: String,
    fields: Vec<FieldError>,
    change: Option<i64>,
    ways: Vec<(&'static str, &'static str)>,
    changed: &'static str,
    request_id: String,
}

/// Gives every problem its document: a page for people, a problem document for programs. Outside the routes, so that nothing
/// leaves without one.
pub async fn name_request(State(clocks): State<Clocks>, request: Request, next: Next) -> Response {
    let id = request_id(request.extensions());
    let page = is_page(request.uri().path());
    let theme = theme(request.headers());
    let mut response = next.run(request).await;
    if response.extensions().get::<Shown>().is_some() {
        return response;
    }
    let problem = match response.extensions().get::<Refused>() {
        Some(Refused(p)) => p.clone(),
        // What the framework refused by itself.
        None if response.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        None if [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNSUPPORTED_MEDIA_TYPE].contains(&response.status())
            && is_plain(response.headers()) =>
        {
            // The framework's words name the parameter, and are about the request alone.
            let body = std::mem::take(response.body_mut());
            let words = to_bytes(body, 1000).await.map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
            Problem::Malformed(format!("The request can not be read. {words}").trim().to_owned())
        }
        None => return response,
    };
    let status = response.status();
    let (errors, change) = match &problem {
        Problem::Invalid(fields) => (fields.clone(), None),
        Problem::Conflict { fields, number, .. } => (fields.clone(), *number),
        _ => (Vec::new(), None),
    };
    if page {
        return person_page(response, &problem, errors, change, id, theme, &clocks);
    }
    let document = Document {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: problem.detail(),
        errors,
        change,
        request_id: id,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, serde_json::to_vec(&document).unwrap_or_default().into())
}

/// The same problem, for somebody who reads it in a browser.
fn person_page(
    response: Response,
    problem: &Problem,
    fields: Vec<FieldError>,
    change: Option<i64>,
    request_id: String,
    theme: &'static str,
    clocks: &Clocks,
) -> Response {
    let title = match problem.status() {
        401 => "Sign in first",
        403 => "You may not do this",
        404 => "There is nothing here",
        405 | 415 | 400 => "That can not be read",
        409 => "Something else came first",
        413 => "That is too much",
        422 => "Something needs you",
        429 => "Too often",
        503 => "Not now",
        _ => "Something broke",
    };
    let mut frame = Frame::outside(title, theme, clocks.wall());
    if let Some(Caller(actor)) = response.extensions().get::<Caller>()
        && actor.kind == ActorKind::Person
    {
        frame.person = Some(Person { name: actor.name.clone(), initials: initials(&actor.name), admin: actor.has(Role::Admin, EVERYWHERE) });
    }
    let ways = match (&frame.person, problem) {
        (None, _) => vec![("/login", "Sign in")],
        (_, Problem::NotFound(_)) => vec![("/", "See all environments"), ("/deployments", "See all deployments"), ("/help", "Help")],
        (_, Problem::Forbidden(_)) => vec![("/me", "See what you may do"), ("/", "Go to Home")],
        _ => vec![("/", "Go to Home")],
    };
    let changed = if problem.status() >= 500 { "Nothing that is not in the audit was changed." } else { "Nothing was changed." };
    let shown = Page { frame, detail: problem.detail(), fields, change, ways, changed, request_id };
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, shown.render().unwrap_or_else(|_| problem.detail()).into())
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|t| t.as_bytes().starts_with(b"text/plain"))
}

/// The id that this request has in the log and in the audit.
pub fn request_id(extensions: &axum::http::Extensions) -> String {
    extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or("-").to_owned()
}

/// Drops a request id that came from outside.
pub async fn drop_request_id(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove("x-request-id");
    next.run(request).await
}

/// 413.
pub fn too_large() -> Problem {
    Problem::TooLarge(format!("The request body may have at most {} KiB.", super::LARGEST_BODY / 1024))
}

/// 404 for what is no route.
pub async fn not_found(State(site): State<Site>, request: Request) -> Response {
    let (from, headers) = (origin(&request), request.headers().clone());
    let caller = known(&site, &headers, from).await;
    let mut response = respond(Problem::NotFound(
        "There is no such address here. Everything is reached from Home; the API is described at /api/openapi.json.".into(),
    ));
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    response
}

/// 405.
pub async fn method_not_allowed() -> Response {
    let mut response = respond(Problem::Malformed("This address does not take that method. The API is described at /api/openapi.json.".into()));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// 403 for a request that another site made.
pub fn forged() -> Response {
    respond(Problem::Forbidden("This request came from another site, so it was not carried out. Open Fleetgate itself and try again.".into()))
}

/// 500: a panic ends one request, not the process.
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    respond(Problem::Internal("a handler panicked".into()))
}
