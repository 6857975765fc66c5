//! Help: the words, and what to do when.

use askama::Template;
use axum::response::Response;

use super::error::ApiError;
use super::page::{Frame, Visit, page};

#[derive(Template)]
#[template(path = "help.html")]
struct Page {
    frame: Frame,
}

/// `GET /help`.
pub async fn show(visit: Visit) -> Result<Response, ApiError> {
    page(&Page { frame: visit.frame("Help", "help").await? })
}
