//! `/api/v1`: one file per noun, one OpenAPI document.

pub mod applications;
pub mod audit;
pub mod changes;
pub mod environments;
pub mod explain;
pub mod me;
pub mod releases;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::OpenApi;

use crate::domain::observation::Millis;
use crate::domain::problem::{FieldError, Problem};
use crate::web::LARGEST_BODY;
use crate::web::error::{ApiError, Document, too_large};

/// The API's description.
#[derive(OpenApi)]
#[openapi(
    info(title = "Fleetgate", description = "Push releases, change capacity, roll back, approve, audit. Errors are problem documents (RFC 9457)."),
    paths(
        me::show, environments::list, environments::show, environments::create, environments::put_back, environments::pay, applications::create, releases::images, releases::list, releases::create,
        changes::preview, changes::create, changes::list, changes::show, changes::events, changes::approve, changes::reject, changes::cancel, changes::force_close,
        audit::list, audit::export
    ),
    components(schemas(Document)),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, doc: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = doc.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
        doc.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// The OpenAPI document.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// `GET /api/openapi.json`.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Rows on a page.
pub const PAGE: i64 = 100;

impl<T> Page<T> {
    /// A page of rows that were read with `PAGE + 1` as limit.
    pub fn of(mut items: Vec<T>, key: impl Fn(&T) -> i64) -> Self {
        let more = items.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
        items.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
        let next = if more { items.last().map(|i| key(i).to_string()) } else { None };
        Self { items, next }
    }
}

/// A cursor from a query.
///
/// # Errors
/// It is not one of ours.
pub fn cursor(text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|t| t.parse().map_err(|_| Problem::field("cursor", "is not a cursor of this list; take `next` of the page before"))).transpose()
}

/// A time from a query: RFC 3339, or a date.
///
/// # Errors
/// Names the field.
pub fn time(field: &str, text: Option<&str>) -> Result<Option<Millis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    full.parse::<jiff::Timestamp>()
        .map(|t| Some(t.as_millisecond()))
        .map_err(|_| Problem::field(field, "must be a time such as 2026-03-01T00:00:00Z, or a date such as 2026-03-01"))
}

/// A time as the API writes it: RFC 3339 in UTC, milliseconds.
pub fn written(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |t| format!("{t:.3}"))
}

/// A JSON body. Errors name the field.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|t| t.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json")));
        if !json {
            return Err(ApiError(Problem::Malformed("Send the body as JSON, with `content-type: application/json`.".into())));
        }
        let bytes = to_bytes(request.into_body(), LARGEST_BODY).await.map_err(|_| ApiError(too_large()))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|e| ApiError(Problem::Malformed(format!("The body is no JSON: line {}, column {}.", e.line(), e.column()))))?;
        Ok(Self(read(value)?))
    }
}

/// Reads a value, naming the field that can not be taken.
///
/// # Errors
/// `Invalid`, with the field's path.
pub fn read<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let message = e.inner().to_string();
        // serde names a missing, unknown or tag field in its sentence and not in the path.
        let named = message.strip_prefix("missing field `").or_else(|| message.strip_prefix("unknown field `")).and_then(|m| m.split('`').next());
        let field = match (path.as_str(), named) {
            ("." | "", Some(f)) => f.to_owned(),
            (p, Some(f)) if !p.ends_with(f) => format!("{p}.{f}"),
            ("." | "", None) if message.contains("variant") => "kind".into(),
            (p, _) => p.to_owned(),
        };
        Problem::Invalid(vec![FieldError::new(field, message)])
    })
}

/// `{reason}`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why, in words.
    pub reason: String,
}
