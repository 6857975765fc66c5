//! How long a rollout will take here, and when a release was last seen healthy: from what the store holds, without asking AWS.

use super::App;
use crate::domain::change::{Kind, State};
use crate::domain::environment::Environment;
use crate::domain::estimate::{self, Estimate, Measured};
use crate::domain::evidence;
use crate::domain::observation::{Group, Millis};
use crate::domain::plan;
use crate::domain::problem::Problem;
use crate::domain::release::Release;
use crate::domain::strategy::Preferences;
use crate::store::changes::{Change, Filter};

/// Changes of an environment that are looked through.
const LOOKED_THROUGH: i64 = 100;
/// Rollouts that an estimate is taken from: the newest, because machines and images change.
const MEASURES: usize = 5;

impl App {
    /// How long replacing so many instances takes, run like this.
    ///
    /// # Errors
    /// Of the database.
    pub async fn estimate(&self, env: &Environment, instances: i32, preferences: &Preferences) -> Result<Estimate, Problem> {
        let boots = self.store.list_boots(env.id, self.clocks.wall()).await?;
        let past: Vec<Measured> = self.past(env).await?.iter().filter_map(measured).take(MEASURES).collect();
        Ok(estimate::estimate(instances, preferences, evidence::p95(boots), &past))
    }

    /// How long rolling back takes here; `None` where the group's own maintenance policy is one that AWS takes for no refresh, which is
    /// said when it is asked for.
    ///
    /// # Errors
    /// Of the database.
    pub async fn estimate_rollback(&self, env: &Environment, group: &Group, instances: i32) -> Result<Option<Estimate>, Problem> {
        let boots = self.store.list_boots(env.id, self.clocks.wall()).await?;
        match plan::rollback_preferences(env, group, evidence::p95(boots)) {
            Ok(how) => Ok(Some(self.estimate(env, instances, &how).await?)),
            Err(_) => Ok(None),
        }
    }

    /// When this release was last seen healthy here (wall clock): it succeeded, or a change that left it found it whole.
    ///
    /// # Errors
    /// Of the database.
    pub async fn last_healthy(&self, env: &Environment, release: &Release) -> Result<Option<Millis>, Problem> {
        let good = self.store.list_good(env.id, 200).await?.into_iter().filter(|g| g.release == release.number).map(|g| g.at).max();
        let left = self.past(env).await?.into_iter().filter_map(|c| {
            let ran = c.plan.old_digest.as_deref() == Some(release.digest.as_str());
            c.progress.before.filter(|b| ran && b.sound).map(|b| b.at)
        });
        Ok(left.chain(good).max())
    }

    /// The newest changes here, newest first.
    async fn past(&self, env: &Environment) -> Result<Vec<Change>, Problem> {
        let filter = Filter { app: Some(env.app.clone()), env: Some(env.name.clone()), ..Filter::default() };
        Ok(self.store.list_changes(&filter, LOOKED_THROUGH).await?)
    }
}

/// A rollout that went through: one that was taken back or stopped measures something else.
fn measured(c: &Change) -> Option<Measured> {
    let rolls = matches!(c.kind, Kind::Deploy | Kind::Rollback | Kind::Replace) && c.state == State::Succeeded;
    let (begun, ended) = (c.progress.started_at?, c.progress.after.as_ref()?.cloud_at);
    rolls.then_some(())?;
    Some(Measured { instances: c.plan.desired, preferences: c.plan.bound.preferences.clone()?, seconds: (ended - begun) / 1000 })
}
