//! An environment as a reader sees it: the local copy of AWS beside what Fleetgate knows. Reads only; AWS is not asked.

use std::collections::{BTreeMap, HashMap};

use super::App;
use super::facts::running_digest;
use crate::domain::access::Actor;
use crate::domain::change::{Capacity, Kind, Lane, State};
use crate::domain::environment::Environment;
use crate::domain::evidence;
use crate::domain::fleet::{self, Aim, Instance, Standing};
use crate::domain::health::{Level, explain};
use crate::domain::observation::{LaunchSource, Observation};
use crate::domain::problem::Problem;
use crate::domain::readiness;
use crate::domain::release::Release;
use crate::store::changes::{Change, Filter};
use crate::store::observations::LastLook;
use crate::store::releases::Good;

/// Looks in a row that must fail before contact counts as lost.
pub const LOST: i64 = 3;

/// An environment with everything that was seen of it.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The environment.
    pub env: Environment,
    /// The last look; none before the first.
    pub look: Option<LastLook>,
    /// Health axis.
    pub level: Level,
    /// Why.
    pub sentence: String,
    /// The release that the group launches, where that is certain.
    pub launched: Option<i64>,
    /// Its instances.
    pub instances: Vec<Instance>,
    /// Changes that are not final, oldest first.
    pub open: Vec<Change>,
    /// Why it can not be rolled back to its last good release, as judged at the last look; `None` where it can.
    pub unready: Option<String>,
}

impl Overview {
    /// What AWS said last.
    pub fn obs(&self) -> Option<&Observation> {
        self.look.as_ref().map(|l| &l.observation)
    }
    /// The release that it runs: what the group launches, else what last succeeded here.
    pub fn release(&self) -> Option<i64> {
        self.launched.or(self.env.release)
    }
    /// The group launches another release than the one that last succeeded here.
    pub fn drifted(&self) -> bool {
        self.launched.is_some() && self.env.release.is_some() && self.launched != self.env.release && self.running().is_none()
    }
    /// The change that holds the main lane.
    pub fn running(&self) -> Option<&Change> {
        self.open.iter().find(|c| c.lane == Lane::Main && c.state.holds_lane())
    }
    /// The group's figures.
    pub fn capacity(&self) -> Option<Capacity> {
        self.obs().and_then(|o| o.group.as_ref()).map(|g| Capacity { min: g.min, desired: g.desired, max: g.max })
    }
    /// Instances in service.
    pub fn in_service(&self) -> usize {
        self.instances.iter().filter(|i| i.lifecycle == "InService").count()
    }
    /// Instances that are healthy.
    pub fn healthy(&self) -> usize {
        self.instances.iter().filter(|i| i.standing == Standing::Healthy).count()
    }
    /// AWS did not answer for [`LOST`] looks in a row.
    pub fn lost(&self) -> bool {
        self.look.as_ref().is_some_and(|l| l.misses >= LOST)
    }
    /// The alias that the group follows instead of a numbered version, if it does.
    pub fn alias(&self) -> Option<&str> {
        match &self.obs()?.group.as_ref()?.launch {
            LaunchSource::Template(t) if t.number().is_none() => Some(if t.version.is_empty() { "$Default" } else { &t.version }),
            _ => None,
        }
    }
    /// The template version that the group names, as AWS shows it.
    pub fn template_version(&self) -> Option<&str> {
        match &self.obs()?.group.as_ref()?.launch {
            LaunchSource::Template(t) => Some(&t.version),
            _ => None,
        }
    }
}

/// Whether a rollback can begin, from the local copy.
#[derive(Clone, Debug)]
pub enum Readiness {
    /// To this release; by that record. The first text says what makes it doubtful, the second why better releases are passed over.
    Ready(Box<(Good, Release, Option<String>, Option<String>)>),
    /// Why not.
    Not(String),
}

impl App {
    /// One environment.
    ///
    /// # Errors
    /// Of the database.
    pub async fn overview(&self, env: Environment) -> Result<Overview, Problem> {
        let look = self.store.find_observation(env.id).await?;
        let releases = self.store.release_numbers(&env.app).await?;
        let filter = Filter { app: Some(env.app.clone()), env: Some(env.name.clone()), states: open_states(), ..Filter::default() };
        let mut open = self.store.list_changes(&filter, 50).await?;
        open.reverse();
        let unready = self.store.list_unready().await?.remove(&env.id);
        Ok(assemble(env, look, &releases, open, unready))
    }

    /// All environments that this actor may see, with a fixed number of queries.
    ///
    /// # Errors
    /// Of the database.
    pub async fn overviews(&self, actor: &Actor) -> Result<Vec<Overview>, Problem> {
        let mut looks = self.store.list_observations().await?;
        let mut releases: HashMap<String, BTreeMap<String, i64>> = HashMap::new();
        let filter = Filter { states: open_states(), scopes: actor.scopes(), ..Filter::default() };
        let mut open: HashMap<i64, Vec<Change>> = HashMap::new();
        for change in self.store.list_changes(&filter, 500).await?.into_iter().rev() {
            open.entry(change.env).or_default().push(change);
        }
        let mut unready = self.store.list_unready().await?;
        let mut all = Vec::new();
        for env in self.store.list_environments().await?.into_iter().filter(|e| actor.sees(&e.scope())) {
            if !releases.contains_key(&env.app) {
                releases.insert(env.app.clone(), self.store.release_numbers(&env.app).await?);
            }
            let none = BTreeMap::new();
            let (look, mine) = (looks.remove(&env.id), open.remove(&env.id).unwrap_or_default());
            let numbers = releases.get(&env.app).unwrap_or(&none);
            let why = unready.remove(&env.id);
            all.push(assemble(env, look, numbers, mine, why));
        }
        Ok(all)
    }

    /// Releases whose last deployment in an environment did not stay, each with the number of that deployment.
    ///
    /// # Errors
    /// Of the database.
    pub async fn taken_back(&self, app: &str, env: &str) -> Result<BTreeMap<i64, i64>, Problem> {
        let filter = Filter { app: Some(app.into()), env: Some(env.into()), ..Filter::default() };
        let mut last: BTreeMap<i64, (State, i64)> = BTreeMap::new();
        // Newest first: the first of each release counts.
        for c in self.store.list_changes(&filter, 200).await?.into_iter().filter(|c| c.kind == Kind::Deploy && c.state.is_final()) {
            if let (Some(release), Some(_)) = (c.release, c.started_at) {
                last.entry(release).or_insert((c.state, c.number));
            }
        }
        let bad = |s: &State| matches!(s, State::Undone | State::UndoFailed | State::Failed);
        Ok(last.into_iter().filter(|(_, (state, _))| bad(state)).map(|(release, (_, number))| (release, number)).collect())
    }

    /// Can this environment be rolled back now, and to what.
    ///
    /// # Errors
    /// Of the database.
    pub async fn readiness(&self, o: &Overview) -> Result<Readiness, Problem> {
        let Some(obs) = o.obs() else { return Ok(Readiness::Not("AWS has not been asked yet.".into())) };
        if let Some(why) = readiness::group(&o.env, obs) {
            return Ok(Readiness::Not(why));
        }
        let kept = self.store.find_images(&o.env.app).await?;
        let mut passed = Vec::new();
        for (good, release) in self.rollback_candidates(&o.env, None, obs).await? {
            let doubt = match readiness::image(&release.digest, kept.as_ref().map(super::releases::whole)) {
                readiness::Kept::There => None,
                readiness::Kept::Doubt(why) => Some(why),
                readiness::Kept::Gone(why) => {
                    passed.push(format!("Going back to v{} is not possible: {why}. Push it again, or choose another release.", release.number));
                    continue;
                }
            };
            let passed = (!passed.is_empty()).then(|| passed.join(" "));
            return Ok(Readiness::Ready(Box::new((good, release, doubt, passed))));
        }
        Ok(Readiness::Not(if passed.is_empty() { NONE_GOOD.into() } else { passed.join(" ") }))
    }

    /// Judges an environment's readiness anew and tells where it changed: on its page, on the board, in its events.
    ///
    /// # Errors
    /// Of the database.
    pub async fn note_readiness(&self, env: &Environment) -> Result<(), Problem> {
        let o = self.overview(env.clone()).await?;
        let now = match self.readiness(&o).await? {
            Readiness::Ready(found) => found.3.clone().map(|why| format!("{why} v{} is next.", found.1.number)),
            // Nothing was lost where there was never anything, and a group to pin says so itself.
            Readiness::Not(why) => (o.look.is_some() && why != NONE_GOOD && o.alias().is_none()).then_some(why),
        };
        if now != o.unready {
            self.store.keep_unready(env.id, now).await?;
        }
        Ok(())
    }
}

/// Said where no earlier release was good.
const NONE_GOOD: &str = "No earlier release was good here.";

fn open_states() -> Vec<State> {
    State::ALL.into_iter().filter(|s| !s.is_final()).collect()
}

fn assemble(env: Environment, look: Option<LastLook>, releases: &BTreeMap<String, i64>, open: Vec<Change>, unready: Option<String>) -> Overview {
    let obs = look.as_ref().map(|l| &l.observation);
    let (mut level, mut sentence) = explain(&env, obs);
    // What the group launches is the truth; the record is what last succeeded.
    let launched = obs.and_then(|o| running_digest(&env, o)).and_then(|d| releases.get(&d).copied());
    if let (Some(launched), Some(record)) = (launched, env.release)
        && launched != record
    {
        sentence = format!("{sentence} The group launches v{launched}; the last that succeeded here is v{record}.");
        level = if level == Level::Ok { Level::Warn } else { level };
    }
    // While a refresh rolls, a new instance that is not healthy yet is nothing amiss, as long as enough are; the change watches it.
    let rolls =
        |c: &&Change| c.state.holds_lane() && matches!(c.kind, Kind::Deploy | Kind::Rollback | Kind::Replace) && c.progress.first_failure.is_none();
    if level == Level::Warn && open.iter().any(|c| rolls(&c)) && obs.is_some_and(enough_are_healthy) {
        level = Level::Ok;
    }
    let misses = look.as_ref().map_or(0, |l| l.misses);
    if misses >= LOST {
        sentence = format!("Lost contact with AWS. What follows is old. {sentence}");
        level = Level::Unknown;
    }
    let aim = open.iter().find(|c| c.lane == Lane::Main && c.state.holds_lane()).map_or_else(Aim::default, aim);
    let instances = obs.map(|o| fleet::instances(&env, o, releases, aim)).unwrap_or_default();
    Overview { env, look, level, sentence, launched, instances, open, unready }
}

/// As many healthy instances as are wanted.
fn enough_are_healthy(obs: &Observation) -> bool {
    obs.group.as_ref().is_some_and(|g| {
        let healthy = g.instances.iter().filter(|i| i.in_service() && evidence::health(obs, i) == evidence::Health::Healthy).count();
        i32::try_from(healthy).unwrap_or(i32::MAX) >= g.desired
    })
}

/// Which versions a running change calls new and old.
pub fn aim(change: &Change) -> Aim {
    let (new, old) = (change.progress.new_version, change.plan.old_version);
    if change.progress.undo.is_some() { Aim { wanted: old, old: new } } else { Aim { wanted: new.or(old), old: new.and(old) } }
}
