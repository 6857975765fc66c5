//! Putting back what others changed: one click, a reason, and a change like any other.

use super::App;
use super::changes::{OnBusy, Request};
use crate::domain::access::Actor;
use crate::domain::change::{Capacity, Intent, RefreshMode, Settings};
use crate::domain::environment::Environment;
use crate::domain::foreign::Sighting;
use crate::domain::observation::{LaunchSource, Observation};
use crate::domain::problem::Problem;
use crate::store::changes::Change;

/// The request that puts a sighting back, where there is one; from the present figures, so that nothing newer is overwritten unseen.
pub fn put_back(s: &Sighting, obs: &Observation) -> Option<Intent> {
    let group = obs.group.as_ref()?;
    let before = s.before.as_deref();
    let number = || before.and_then(|b| b.parse::<i32>().ok());
    let settings = |settings: Settings| Some(Intent::Settings(settings));
    let capacity = |min, desired, max| {
        let base = Capacity { min: group.min, desired: group.desired, max: group.max };
        Some(Intent::Capacity { min, desired, max, base })
    };
    let subject = s.subject().map(str::to_owned);
    match s.what.split('/').next()? {
        "min" => capacity(Some(number()?), None, None),
        "desired" => capacity(None, Some(number()?), None),
        "max" => capacity(None, None, Some(number()?)),
        "grace_seconds" => settings(Settings { grace_seconds: Some(number()?), ..Settings::default() }),
        "health_check" => settings(Settings { health_check: Some(before?.to_owned()), ..Settings::default() }),
        "suspended" if s.after.is_some() => settings(Settings { resume: vec![subject?], ..Settings::default() }),
        "suspended" => settings(Settings { suspend: vec![subject?], ..Settings::default() }),
        "template" => {
            let LaunchSource::Template(t) = &group.launch else { return None };
            let (id, version) = before?.rsplit_once(' ')?;
            (id == t.id).then_some(())?;
            settings(Settings { template_version: Some(version.parse().ok()?), ..Settings::default() })
        }
        "refresh" => {
            let active = obs.refresh(subject.as_deref()?).is_some_and(crate::domain::observation::Refresh::active);
            active.then_some(Intent::Refresh { refresh: subject?, mode: RefreshMode::RollBack })
        }
        _ => None,
    }
}

impl App {
    /// Asks for the change that puts a sighting back. `mode` says what is done with a foreign refresh.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` where it can not be put back or no reason is given, and those of [`App::request_change`].
    pub async fn put_back(
        &self,
        actor: &Actor,
        env: &Environment,
        id: i64,
        reason: &str,
        mode: Option<RefreshMode>,
        key: Option<String>,
    ) -> Result<Change, Problem> {
        let row = self.store.find_sighting(id).await?.filter(|s| s.env == env.id);
        let row = row.ok_or_else(|| Problem::NotFound(format!("There is no sighting {id} here that you may see.")))?;
        if reason.trim().is_empty() {
            return Err(Problem::field("reason", "say why, so that whoever changed it learns what for"));
        }
        let look = self.store.find_observation(env.id).await?;
        let obs = look.map(|l| l.observation).ok_or_else(|| Problem::Unavailable("AWS has not been asked for this group yet.".into(), 10))?;
        let sighting = row.sighting();
        let mut intent = put_back(&sighting, &obs)
            .ok_or_else(|| Problem::field("sighting", "Fleetgate can not put this back. Do it where it was changed, or in the AWS console"))?;
        if let (Intent::Refresh { mode: wanted, .. }, Some(mode)) = (&mut intent, mode) {
            *wanted = mode;
        }
        let request = Request { intent, reason: Some(reason.trim().to_owned()), on_busy: OnBusy::Refuse, key, read: None, settles: Some(id) };
        Box::pin(self.request_change(actor, env, request)).await
    }
}
