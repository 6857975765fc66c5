//! HTTP: the route table, sessions, problem documents, headers.
//!
//! **Invariant:** every route stands in [`ROUTES`] with its access level; one that is not there does not exist (static files and
//! probes aside). No GET makes an AWS call.

pub mod adopt;
pub mod applications;
pub mod approvals;
pub mod assets;
pub mod audit;
pub mod board;
pub mod capacity;
pub mod changes;
pub mod deploy;
pub mod draw;
pub mod environments;
pub mod error;
pub mod explain;
pub mod foreign;
pub mod health;
pub mod help;
pub mod infrastructure;
pub mod live;
pub mod login;
pub mod me;
pub mod page;
pub mod people;
pub mod phases;
pub mod remains;
pub mod requests;
pub mod rollback;
pub mod session;
pub mod setup;
pub mod tokens;
pub mod words;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api;
use crate::app::App;

/// Largest request body in bytes.
pub const LARGEST_BODY: usize = 262_144;

/// State of every handler.
#[derive(Clone, Debug)]
pub struct Site {
    /// The use cases.
    pub app: App,
    /// Where browsers reach it: `scheme://host[:port]`.
    pub public_url: String,
    /// Ends streams at shutdown.
    pub stop: CancellationToken,
    /// `/healthz` and `/readyz` are here too, because there is no private listener.
    pub health_here: bool,
}

/// Who may call a route at all. What they may do there is the gate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// A signed-in person or an API token.
    Caller,
    /// A signed-in person.
    Person,
}

/// One route.
pub struct Route {
    /// Method, upper case.
    pub method: &'static str,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: fn() -> MethodRouter<Site>,
}

macro_rules! route {
    ($method:literal $verb:ident $path:literal $access:ident $handler:path) => {
        Route { method: $method, path: $path, access: Access::$access, handler: || $verb($handler) }
    };
}

/// The whole site.
pub const ROUTES: &[Route] = &[
    route!("GET" get "/login" Public login::show),
    route!("POST" post "/login" Public login::create),
    route!("POST" post "/logout" Person login::delete),
    route!("GET" get "/setup/{link}" Public setup::show),
    route!("POST" post "/setup/{link}" Public setup::create),
    route!("GET" get "/me" Person me::show),
    route!("POST" post "/me" Person me::update),
    route!("GET" get "/live" Person live::stream),
    route!("GET" get "/help" Person help::show),
    route!("GET" get "/help/infrastructure-as-code" Person infrastructure::show),
    route!("GET" get "/" Person board::show),
    route!("GET" get "/apps" Person applications::list),
    route!("GET" get "/apps/new" Person adopt::application_form),
    route!("POST" post "/apps/new" Person adopt::application),
    route!("GET" get "/apps/{app}" Person applications::show),
    route!("GET" get "/apps/{app}/adopt" Person adopt::show),
    route!("POST" post "/apps/{app}/adopt" Person adopt::create),
    route!("GET" get "/apps/{app}/images" Person applications::images),
    route!("POST" post "/apps/{app}/images" Person applications::release),
    route!("GET" get "/apps/{app}/{env}" Person environments::show),
    route!("GET" get "/apps/{app}/{env}/deploy" Person deploy::show),
    route!("POST" post "/apps/{app}/{env}/deploy" Person deploy::create),
    route!("GET" get "/apps/{app}/{env}/rollback" Person rollback::show),
    route!("POST" post "/apps/{app}/{env}/rollback" Person rollback::create),
    route!("GET" get "/apps/{app}/{env}/capacity" Person capacity::show),
    route!("POST" post "/apps/{app}/{env}/capacity" Person capacity::create),
    route!("GET" get "/apps/{app}/{env}/pin" Person requests::pin_form),
    route!("POST" post "/apps/{app}/{env}/pin" Person requests::pin),
    route!("GET" get "/apps/{app}/{env}/replace" Person requests::replace_form),
    route!("POST" post "/apps/{app}/{env}/replace" Person requests::replace),
    route!("GET" get "/apps/{app}/{env}/terminate" Person requests::terminate_form),
    route!("POST" post "/apps/{app}/{env}/terminate" Person requests::terminate),
    route!("POST" post "/apps/{app}/{env}/sightings/{id}" Person foreign::settle),
    route!("POST" post "/apps/{app}/{env}/debts" Person foreign::pay),
    route!("GET" get "/approvals" Person approvals::list),
    route!("GET" get "/approvals/{number}" Person approvals::show),
    route!("POST" post "/approvals/{number}" Person approvals::decide),
    route!("GET" get "/deployments" Person changes::list),
    route!("GET" get "/deployments/{number}" Person changes::show),
    route!("GET" get "/deployments/{number}/cancel" Person changes::cancel_form),
    route!("POST" post "/deployments/{number}/cancel" Person changes::cancel),
    route!("GET" get "/deployments/{number}/force-close" Person changes::close_form),
    route!("POST" post "/deployments/{number}/force-close" Person changes::close),
    route!("GET" get "/audit" Person audit::list),
    route!("POST" post "/audit/verify" Person audit::verify),
    route!("GET" get "/audit/{seq}" Person audit::show),
    route!("GET" get "/admin/people" Person people::list),
    route!("POST" post "/admin/people" Person people::create),
    route!("GET" get "/admin/people/{name}" Person people::show),
    route!("POST" post "/admin/people/{name}" Person people::update),
    route!("GET" get "/admin/tokens" Person tokens::list),
    route!("POST" post "/admin/tokens" Person tokens::update),
    route!("GET" get "/api/openapi.json" Public api::openapi),
    route!("GET" get "/api/v1/me" Caller api::me::show),
    route!("GET" get "/api/v1/environments" Caller api::environments::list),
    route!("POST" post "/api/v1/apps" Caller api::applications::create),
    route!("POST" post "/api/v1/apps/{app}/environments" Caller api::environments::create),
    route!("GET" get "/api/v1/apps/{app}/environments/{env}" Caller api::environments::show),
    route!("GET" get "/api/v1/apps/{app}/images" Caller api::releases::images),
    route!("GET" get "/api/v1/apps/{app}/releases" Caller api::releases::list),
    route!("POST" post "/api/v1/apps/{app}/releases" Caller api::releases::create),
    route!("POST" post "/api/v1/apps/{app}/environments/{env}/changes/preview" Caller api::changes::preview),
    route!("POST" post "/api/v1/apps/{app}/environments/{env}/changes" Caller api::changes::create),
    route!("POST" post "/api/v1/apps/{app}/environments/{env}/sightings/{id}/put-back" Caller api::environments::put_back),
    route!("POST" post "/api/v1/apps/{app}/environments/{env}/debts/pay" Caller api::environments::pay),
    route!("GET" get "/api/v1/changes" Caller api::changes::list),
    route!("GET" get "/api/v1/changes/{number}" Caller api::changes::show),
    route!("GET" get "/api/v1/changes/{number}/events" Caller api::changes::events),
    route!("POST" post "/api/v1/changes/{number}/approve" Caller api::changes::approve),
    route!("POST" post "/api/v1/changes/{number}/reject" Caller api::changes::reject),
    route!("POST" post "/api/v1/changes/{number}/cancel" Caller api::changes::cancel),
    route!("POST" post "/api/v1/changes/{number}/force-close" Caller api::changes::force_close),
    route!("GET" get "/api/v1/audit" Caller api::audit::list),
    route!("GET" get "/api/v1/audit/export" Caller api::audit::export),
];

/// The public site.
///
/// # Errors
/// The public URL is not one.
pub fn router(site: Site) -> anyhow::Result<Router> {
    let csrf = CsrfLayer::new()
        .add_trusted_origin(&site.public_url)
        .map_err(|e| anyhow::anyhow!("public URL `{}`: {e}", site.public_url))?
        .with_rejection_response(|_| error::forged());
    let mut routes = Router::new();
    for r in ROUTES {
        // Inside the guard, so that a forged request of somebody known is in the trail.
        let handler = (r.handler)().layer(csrf.clone());
        let guarded = match r.access {
            Access::Public => handler.route_layer(middleware::from_fn_with_state(site.clone(), session::public)),
            Access::Caller => handler.route_layer(middleware::from_fn_with_state(site.clone(), session::caller)),
            Access::Person => handler.route_layer(middleware::from_fn_with_state(site.clone(), session::person)),
        };
        routes = routes.route(r.path, guarded);
    }
    if site.health_here {
        routes = routes.merge(health::probes());
    }
    routes = routes.merge(assets::router());
    let clocks = site.app.clocks.clone();
    let header = |name: HeaderName, value: &'static str| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let id = HeaderName::from_static("x-request-id");
    Ok(routes
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(site)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn_with_state(clocks, error::name_request))
        .layer(CompressionLayer::new())
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(SetRequestIdLayer::new(id.clone(), MakeRequestUuid))
        // A request id from outside would let a caller forge the trail: ours always.
        .layer(middleware::from_fn(error::drop_request_id))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
        )))
}
