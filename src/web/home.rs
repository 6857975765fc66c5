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
