//! Who I am.

use axum::Json;
use serde::Serialize;

use crate::domain::access::{ActorKind, Grants};
use crate::web::session::Caller;

/// The caller.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Me {
    /// Name as in the audit.
    name: String,
    /// `person` or `token`.
    kind: &'static str,
    /// Scope (`app/env` or `*`) to roles.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<crate::domain::access::Role>>)]
    grants: Grants,
}

/// The caller and its rights.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me)))]
pub async fn show(Caller(actor): Caller) -> Json<Me> {
    let kind = if actor.kind == ActorKind::Token { "token" } else { "person" };
    Json(Me { name: actor.name, kind, grants: actor.grants })
}
