//! Releases and images.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Body, PAGE, Page, cursor, written};
use crate::app::releases::NewRelease;
use crate::domain::release::Release;
use crate::web::Site;
use crate::web::error::{ApiError, Document};
use crate::web::session::Caller;

/// A release.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReleaseView {
    /// 1, 2, … per application.
    number: i64,
    /// Application.
    app: String,
    /// The tag that it was made from: a label.
    tag: Option<String>,
    /// What runs.
    digest: String,
    /// Commit.
    commit: Option<String>,
    /// Notes.
    notes: Option<String>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: String,
}

impl From<Release> for ReleaseView {
    fn from(r: Release) -> Self {
        Self {
            number: r.number,
            app: r.app,
            tag: r.tag,
            digest: r.digest,
            commit: r.commit,
            notes: r.notes,
            created_by: r.created_by,
            created_at: written(r.created_at),
        }
    }
}

/// An image of the application's repository.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImageView {
    /// What it is.
    digest: String,
    /// Its tags now. A tag may move.
    tags: Vec<String>,
    /// Compressed bytes.
    size_bytes: Option<i64>,
    /// When it was pushed.
    pushed_at: Option<String>,
    /// The release that it is, where it is one.
    release: Option<i64>,
}

/// A cursor.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Images in ECR, newest first, as they were read last. A tag that was pushed since can be made a release all the same.
#[utoipa::path(get, path = "/api/v1/apps/{app}/images", params(("app" = String, Path)), responses((status = 200, body = Page<ImageView>), (status = 404, body = Document), (status = 503, body = Document)))]
pub async fn images(State(site): State<Site>, Caller(actor): Caller, Path(app): Path<String>) -> Result<Json<Page<ImageView>>, ApiError> {
    site.app.visible_application(&actor, &app).await?;
    let Some(kept) = site.app.store.find_images(&app).await? else {
        return Err(ApiError(crate::domain::problem::Problem::Unavailable("The images have not been read yet.".into(), 5)));
    };
    let releases = site.app.store.release_numbers(&app).await?;
    let mut items = Vec::with_capacity(kept.images.len());
    for i in kept.images {
        let release = releases.get(&i.digest).copied();
        items.push(ImageView { digest: i.digest, tags: i.tags, size_bytes: i.size_bytes, pushed_at: i.pushed_at.map(written), release });
    }
    Ok(Json(Page { items, next: None }))
}

/// Releases, newest first.
#[utoipa::path(get, path = "/api/v1/apps/{app}/releases", params(("app" = String, Path), Cursor), responses((status = 200, body = Page<ReleaseView>), (status = 404, body = Document)))]
pub async fn list(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(app): Path<String>,
    Query(q): Query<Cursor>,
) -> Result<Json<Page<ReleaseView>>, ApiError> {
    site.app.visible_application(&actor, &app).await?;
    let below = cursor(q.cursor.as_deref())?.unwrap_or(i64::MAX);
    let rows = site.app.store.list_releases(&app, below, PAGE + 1).await?;
    let page = Page::of(rows, |r| r.number);
    Ok(Json(Page { items: page.items.into_iter().map(ReleaseView::from).collect(), next: page.next }))
}

/// Makes a release of an image: its tag is resolved to a digest once, now. An image that is a release already is returned with 200.
#[utoipa::path(post, path = "/api/v1/apps/{app}/releases", params(("app" = String, Path)), request_body = NewRelease, responses((status = 201, body = ReleaseView), (status = 200, body = ReleaseView), (status = 422, body = Document)))]
pub async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(app): Path<String>,
    Body(new): Body<NewRelease>,
) -> Result<(StatusCode, Json<ReleaseView>), ApiError> {
    let (release, made) = site.app.make_release(&actor, &app, new).await?;
    Ok((if made { StatusCode::CREATED } else { StatusCode::OK }, Json(release.into())))
}
