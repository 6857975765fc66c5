//! Probes and metrics. Where a private listener is set they are only there.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Site;
use crate::domain::change::State as ChangeState;
use crate::store::changes::Filter;

/// `/healthz` and `/readyz`.
pub fn probes() -> Router<Site> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// The private listener: probes and `/metrics`.
pub fn private(site: Site) -> Router {
    probes().route("/metrics", get(metrics)).with_state(site)
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the database answers.
async fn ready(State(site): State<Site>) -> Response {
    match site.app.store.is_superseded().await {
        Ok(false) => "ready\n".into_response(),
        Ok(true) => (StatusCode::SERVICE_UNAVAILABLE, "another process has taken over\n").into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

async fn metrics(State(site): State<Site>) -> Response {
    let mut registry = Registry::with_prefix("fleetgate");
    let calls: Gauge = Gauge::default();
    calls.set(i64::try_from(site.app.aws.calls()).unwrap_or(i64::MAX));
    registry.register("aws_calls", "AWS calls sent since the start", calls);
    let open = Family::<Vec<(String, String)>, Gauge>::default();
    for state in ChangeState::ALL.into_iter().filter(|s| !s.is_final()) {
        let filter = Filter { states: vec![state], ..Filter::default() };
        let Ok(changes) = site.app.store.list_changes(&filter, 1000).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        open.get_or_create(&vec![("state".to_owned(), state.name().to_owned())]).set(i64::try_from(changes.len()).unwrap_or(i64::MAX));
    }
    registry.register("changes", "Changes that are not finished", open);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
