//! What others changed in an environment, with the button that puts it back; and what Fleetgate owes AWS there.

use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;

use super::deploy::{askable, key};
use super::error::ApiError;
use super::page::{Visit, again, go};
use super::words::{Moment, Wrong};
use crate::app::foreign::put_back;
use crate::domain::change::{Kind, RefreshMode};
use crate::domain::foreign;
use crate::domain::observation::Observation;
use crate::domain::problem::Problem;
use crate::store::sightings::SightingRow;

/// How a sighting is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The old value can be put back.
    PutBack,
    /// A refresh that runs can be rolled back or stopped.
    EndRefresh,
    /// It was overtaken, or Fleetgate can not put it back.
    None,
}

/// A sighting as the page shows it.
pub(super) struct Shown {
    /// Row id.
    pub(super) id: i64,
    /// When it was seen.
    pub(super) at: Moment,
    /// What is different.
    pub(super) sentence: String,
    /// AWS's words.
    pub(super) cause: Option<String>,
    /// The change that puts it back.
    pub(super) settled_by: Option<i64>,
    /// What can be done about it.
    pub(super) way: Way,
    /// Words on the button.
    pub(super) button: String,
}

/// The sightings of an environment; only the newest of each setting, while it still stands, can be put back.
pub(super) fn shown(rows: Vec<SightingRow>, obs: Option<&Observation>) -> Vec<Shown> {
    let group = obs.and_then(|o| o.group.as_ref().map(|g| foreign::settings(g, o.policies.as_ref())));
    let mut known = std::collections::BTreeSet::new();
    rows.into_iter()
        .map(|row| {
            let s = row.sighting();
            let newest = known.insert(s.what.clone());
            let refresh = s.what.starts_with("refresh/");
            let stands = refresh || group.as_ref().is_some_and(|g| g.get(&s.what) == s.after.as_ref());
            let possible = newest && stands && row.settled_by.is_none() && obs.is_some_and(|o| put_back(&s, o).is_some());
            let way = match (possible, refresh) {
                (true, true) => Way::EndRefresh,
                (true, false) => Way::PutBack,
                _ => Way::None,
            };
            let button = match s.before.as_deref() {
                Some(before) if !s.what.starts_with("suspended/") => format!("Put back {before}"),
                _ if s.after.is_some() => "Resume it".into(),
                _ => "Suspend it again".into(),
            };
            Shown { id: row.id, at: Moment(row.at), sentence: s.sentence(), cause: row.cause, settled_by: row.settled_by, way, button }
        })
        .collect()
}

/// The form beside a sighting.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    reason: String,
    mode: String,
    key: String,
}

/// `POST /apps/{app}/{env}/sightings/{id}`.
pub async fn settle(
    visit: Visit,
    Path((app, name, id)): Path<(String, String, i64)>,
    axum::Form(form): axum::Form<Form>,
) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &name, Kind::Settings).await?;
    let mode = match form.mode.as_str() {
        "cancel" => Some(RefreshMode::Cancel),
        "roll_back" => Some(RefreshMode::RollBack),
        _ => None,
    };
    match visit.site.app.put_back(&visit.actor, &env, id, &form.reason, mode, Some(key(&form.key))).await {
        Ok(change) => Ok(go(&format!("/deployments/{}", change.number))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            let shown = super::environments::build(&visit, env, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

/// `POST /apps/{app}/{env}/debts`: pays back now what ended changes still owe.
pub async fn pay(visit: Visit, Path((app, name)): Path<(String, String)>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &name, Kind::Settings).await?;
    visit.site.app.pay_debts_of(&visit.actor, &env).await?;
    Ok(go(&format!("/apps/{}", env.scope())))
}
