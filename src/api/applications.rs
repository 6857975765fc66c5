//! Applications.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::Body;
use crate::domain::application::Application;
use crate::web::Site;
use crate::web::error::{ApiError, Document};
use crate::web::session::Caller;

/// A new application.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Slug, unique.
    name: String,
    /// ECR repository name, without host, tag or digest.
    repository: String,
}

/// Creates an application.
#[utoipa::path(post, path = "/api/v1/apps", request_body = NewApplication, responses((status = 201, body = Application), (status = 409, body = Document), (status = 422, body = Document)))]
pub async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    Body(new): Body<NewApplication>,
) -> Result<(StatusCode, Json<Application>), ApiError> {
    let made = site.app.create_application(&actor, Application { name: new.name, repository: new.repository }).await?;
    Ok((StatusCode::CREATED, Json(made)))
}
