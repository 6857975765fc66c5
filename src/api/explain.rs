//! Why something is not moving, as the API tells it.

use serde::Serialize;

use super::written;
use crate::domain::explain::{Act, Action, By, Cause, Explanation};
use crate::web::explain::place;

/// One thing that a person may do.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ActionView {
    /// Which.
    act: Act,
    /// In words.
    sentence: String,
    /// The instance that it is about.
    instance: Option<String>,
    /// The change that it is about.
    change: Option<i64>,
    /// The suspended process that it is about.
    process: Option<String>,
    /// The page where Fleetgate does it; absent: it is done outside.
    page: Option<String>,
    /// The AWS CLI command that does it outside.
    command: Option<String>,
}

/// Why it is not moving.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ExplanationView {
    /// What blocks most, as a stable code.
    cause: Cause,
    /// It goes on by itself.
    normal: bool,
    /// One sentence.
    sentence: String,
    /// The instance that blocks.
    instance: Option<String>,
    /// Since when, where a look saw it begin; by AWS's clock, which in a rehearsal is faster.
    since: Option<String>,
    /// When it should be over, where that is known.
    until: Option<String>,
    /// Who brought it about.
    by: By,
    /// What a person may do, the best first.
    actions: Vec<ActionView>,
    /// What else is amiss, most blocking first.
    also: Vec<String>,
}

impl ExplanationView {
    /// Of an environment, `app/env`.
    pub fn of(e: Explanation, scope: &str) -> Self {
        let action = |a: Action| ActionView {
            page: place(&a, scope),
            act: a.act,
            sentence: a.sentence,
            instance: a.instance,
            change: a.change,
            process: a.process,
            command: a.command,
        };
        Self {
            cause: e.cause,
            normal: e.normal,
            sentence: e.sentence,
            instance: e.instance,
            since: e.since.map(written),
            until: e.until.map(written),
            by: e.by,
            actions: e.actions.into_iter().map(action).collect(),
            also: e.also,
        }
    }
}
