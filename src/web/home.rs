//! The front page: what this is, and where the API is. The pages of the product take its place.

use askama::Template;
use askama_web::WebTemplate;

/// The front page.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "home.html")]
pub struct Home {}

/// `GET /`.
pub async fn show() -> Home {
    Home {}
}

/// `GET /static/app.css`.
pub async fn style() -> impl axum::response::IntoResponse {
    ([(axum::http::header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../static/app.css"))
}
