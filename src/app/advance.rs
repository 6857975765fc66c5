//! One step of one change: look, decide by the pure rules, perform, write down.
//!
//! **Invariant:** the intent is committed before the call, the outcome after it; a lost answer is looked up, never sent again
//! blindly; a write that finds the change moved decides anew.

use serde_json::json;

use super::{App, aws_problem};
use crate::aws::{AwsError, Cloud, ErrorKind, Priority};
use crate::domain::access::Permit;
use crate::domain::change::{Kind, Progress, State, Step, Undo};
use crate::domain::environment::Environment;
use crate::domain::evidence::{FirstFailure, target_words};
use crate::domain::image::Launched;
use crate::domain::next::{Decision, POLL_MS, SLOW_POLL_MS, next};
use crate::domain::observation::Observation;
use crate::domain::plan;
use crate::domain::problem::Problem;
use crate::domain::release::Release;
use crate::store::acts::ActRow;
use crate::store::changes::Change;
use crate::store::{NewEntry, StoreError, Write};

/// What the worker does next with this change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    Again,
    /// When it is due.
    Later,
}

impl App {
    /// Takes one step of a change that is leased to this process.
    ///
    /// # Errors
    /// `Unavailable` when AWS or the database could not be asked; the change stays as it is.
    pub async fn advance(&self, change: Change) -> Result<Turn, Problem> {
        let env = self.store.get_environment(change.env).await?;
        let session = format!("fleetgate-{}-{}", change.number, change.requested_by);
        let cloud = self.cloud(&env, &session).await.map_err(|e| aws_problem(&e))?;
        if change.state == State::Queued {
            return Box::pin(self.start(change, &env, &cloud)).await;
        }
        let obs = match Box::pin(self.look(&env, &cloud, Priority::Watched)).await {
            Ok(obs) => obs,
            Err(e) => return self.missed(change, &e).await,
        };
        if let Some(act) = self.store.find_open_act(change.number).await? {
            return Box::pin(self.resolve(change, &cloud, &obs, act)).await;
        }
        let (mut progress, decision) = next(&change.plan, change.progress.clone(), &obs, env.policy.deadline_minutes);
        progress.misses = 0;
        match decision {
            Decision::Act(step) => Box::pin(self.act(change, &env, &cloud, &obs, progress, step)).await,
            Decision::Wait { step, state, sentence } => self.wait(change, progress, step, state, sentence, POLL_MS).await,
            Decision::Attention { step, sentence } => self.wait(change, progress, step, State::NeedsAttention, sentence, SLOW_POLL_MS).await,
            Decision::TakeBack { instance, why, by } => Box::pin(self.take_back(change, &cloud, &obs, progress, instance, why, by)).await,
            Decision::Done { state, sentence } => Box::pin(self.settle(change, &env, &obs, progress, state, sentence)).await,
        }
    }

    /// AWS did not answer: the change waits, and says so after three misses.
    async fn missed(&self, change: Change, e: &AwsError) -> Result<Turn, Problem> {
        let now = self.clocks.cloud();
        let due = match e.kind {
            ErrorKind::OverBudget { retry_at } => retry_at.max(now + self.poll(1000)),
            _ => now + self.poll(POLL_MS),
        };
        tracing::warn!(change = change.number, operation = e.operation, code = e.code.as_deref(), "a look at AWS failed");
        let limited = matches!(e.kind, ErrorKind::OverBudget { .. });
        self.keep_quietly(change, move |c| {
            c.due_at = due;
            if !limited {
                c.progress.misses += 1;
                if c.progress.misses >= 3 {
                    // The same words at each further miss, so that the timeline tells of it once.
                    c.sentence = "Lost contact with AWS: three looks in a row failed. The change goes on when AWS answers.".into();
                }
            }
        })
        .await?;
        Ok(Turn::Later)
    }

    /// A change of the row that is no act: times, counts, sentences. Without an event when the sentence is the same.
    pub(super) async fn keep_quietly(&self, change: Change, edit: impl FnOnce(&mut Change) + Send + 'static) -> Result<(), Problem> {
        let done = self
            .store
            .keep(move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    let (sentence, state) = (c.sentence.clone(), c.state);
                    edit(&mut c);
                    tx.set_change(&mut c).await?;
                    if c.sentence != sentence || c.state != state {
                        tx.announce(&c).await?;
                    }
                    Ok(())
                })
            })
            .await;
        match done {
            Ok(()) | Err(StoreError::Moved) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    async fn wait(&self, change: Change, progress: Progress, step: Step, state: State, sentence: String, poll_ms: i64) -> Result<Turn, Problem> {
        let due = self.clocks.cloud() + self.poll(poll_ms);
        let turned = state != change.state && (state == State::NeedsAttention || change.state == State::NeedsAttention);
        let body = move |mut c: Change| {
            c.state = state;
            c.progress = progress;
            c.sentence = sentence;
            c.due_at = due;
            c
        };
        let (old_state, old_sentence, number) = (change.state, change.sentence.clone(), change.number);
        let write: Write<()> = Box::new(move |tx| {
            Box::pin(async move {
                let mut c = body(change);
                tx.begin_step(number, step, false).await?;
                tx.set_change(&mut c).await?;
                if c.sentence != old_sentence || c.state != old_state {
                    tx.announce(&c).await?;
                }
                Ok(())
            })
        });
        // A call for a person is worth an entry; a look that changed nothing is not.
        let done = if turned {
            let scope = self.store.find_change(number).await?.map(|c| c.scope()).unwrap_or_default();
            let permit = Permit::engine("change.attention", &scope);
            let entry = NewEntry::done().change(number).before(&json!({"state": old_state.name()})).after(&json!({"state": state.name()}));
            self.store.write(&permit, entry, write).await
        } else {
            self.store.keep(write).await
        };
        match done {
            Ok(()) => Ok(Turn::Later),
            Err(StoreError::Moved) => Ok(Turn::Again),
            Err(e) => Err(e.into()),
        }
    }

    /// Decides to take a change back; the evidence first, while the instance still exists.
    async fn take_back(
        &self,
        change: Change,
        cloud: &Cloud,
        obs: &Observation,
        mut progress: Progress,
        instance: Option<String>,
        why: String,
        by: &'static str,
    ) -> Result<Turn, Problem> {
        if let Some(id) = &instance
            && progress.first_failure.is_none()
        {
            let zone = obs.group.as_ref().and_then(|g| g.instances.iter().find(|i| i.id == *id)).map_or_else(String::new, |i| i.zone.clone());
            let console = match cloud.console_output(Priority::Act, id).await {
                Ok(text) => text,
                Err(e) => {
                    tracing::warn!(change = change.number, code = e.code.as_deref(), "console output could not be kept");
                    None
                }
            };
            progress.first_failure =
                Some(FirstFailure { instance: id.clone(), zone, sentence: why.clone(), target: target_words(obs, id), console, at: obs.at });
        }
        progress.undo = Some(Undo { by: by.into(), why: why.clone(), at: obs.at });
        progress.proofs = 0;
        let now = self.clocks.cloud();
        let permit = Permit::engine("change.undo", &change.scope());
        let entry = NewEntry::done()
            .change(change.number)
            .before(&json!({"state": change.state.name()}))
            .after(&json!({"state": "undoing", "instance": instance, "target": progress.first_failure.as_ref().and_then(|f| f.target.clone())}))
            .reason(Some(why.clone()));
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    c.state = State::Undoing;
                    c.progress = progress;
                    c.due_at = now;
                    c.sentence = format!("Taking it back: {why}");
                    tx.end_step(c.number, "failed", &why).await?;
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match done {
            Ok(()) | Err(StoreError::Moved) => Ok(Turn::Again),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes down the end: state, release, what a rollback left, and one audit entry with before and after.
    async fn settle(
        &self,
        change: Change,
        env: &Environment,
        obs: &Observation,
        progress: Progress,
        state: State,
        sentence: String,
    ) -> Result<Turn, Problem> {
        let scope = change.scope();
        let permit = Permit::engine(&format!("change.{}", state.name()), &scope);
        let succeeded = state == State::Succeeded;
        let version = obs.launched_version();
        let digest = version.and_then(|v| match plan::launched(env, obs, v) {
            Launched::Digest { digest } => Some(digest),
            _ => None,
        });
        let group = obs.group.as_ref().map(
            |g| json!({"min": g.min, "desired": g.desired, "max": g.max, "instances": g.instances.iter().map(|i| i.id.clone()).collect::<Vec<_>>()}),
        );
        let entry = NewEntry::done()
            .result(if matches!(state, State::Succeeded | State::Undone | State::Cancelled) { "done" } else { "failed" })
            .change(change.number)
            .before(&json!({"template_version": change.plan.old_version, "digest": change.plan.old_digest, "release": env.release, "figures": change.plan.diff}))
            .after(&json!({"state": state.name(), "template_version": version, "digest": digest, "group": group}))
            .reason(Some(sentence.clone()));
        let env = env.clone();
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    let number = c.number;
                    c.progress = progress;
                    c.state = state;
                    c.template_version = version;
                    c.finished_at = Some(tx.now());
                    c.sentence = sentence;
                    if succeeded {
                        tx.begin_step(number, Step::Settle, false).await?;
                        if c.kind == Kind::Pin
                            && c.release.is_none()
                            && let Some(digest) = &digest
                        {
                            // What was pinned gets a number, so that it can be rolled back to.
                            let made = Release {
                                app: env.app.clone(),
                                number: 0,
                                tag: None,
                                digest: digest.clone(),
                                commit: None,
                                notes: Some(format!("Ran in {} when it was pinned.", env.scope())),
                                created_by: c.requested_by.clone(),
                                created_at: 0,
                            };
                            c.release = match tx.find_release_number(&env.app, digest).await? {
                                Some(n) => Some(n),
                                None => Some(tx.insert_release(&made).await?),
                            };
                        }
                        if super::start::brings_release(c.kind)
                            && let (Some(release), Some(version)) = (c.release, version)
                        {
                            if c.kind == Kind::Rollback
                                && let Some(left) = env.release.filter(|r| *r != release)
                            {
                                tx.leave_release(env.id, left, number).await?;
                            }
                            tx.set_environment_release(env.id, Some(release)).await?;
                            tx.insert_good(env.id, release, version, Some(number), true).await?;
                        }
                        if let (Kind::Rollback, Some(of)) = (c.kind, c.rollback_of) {
                            tx.set_rolled_back_by(of, number).await?;
                        }
                    }
                    // What was taken back is not offered again until it succeeds anew.
                    if let (State::Undone | State::UndoFailed, Kind::Deploy, Some(release)) = (state, c.kind, c.release) {
                        tx.leave_release(env.id, release, number).await?;
                    }
                    let step_state = if matches!(state, State::Failed | State::UndoFailed) { "failed" } else { "done" };
                    tx.end_step(number, step_state, &c.sentence).await?;
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match done {
            Ok(()) => Ok(Turn::Later),
            Err(StoreError::Moved) => Ok(Turn::Again),
            Err(e) => Err(e.into()),
        }
    }

    /// Finds out what became of the acts of changes that were ended by hand before their answer came.
    ///
    /// # Errors
    /// Of the database. An AWS that does not answer is asked again at the next sweep.
    pub async fn resolve_closed(&self) -> Result<usize, Problem> {
        let open = self.store.list_open_acts_of_closed().await?;
        let count = open.len();
        for act in open {
            let Some(change) = self.store.find_change(act.change).await? else { continue };
            let env = self.store.get_environment(change.env).await?;
            let Ok(cloud) = self.cloud(&env, super::look::OBSERVER).await else { continue };
            let Ok(obs) = Box::pin(self.look(&env, &cloud, Priority::Watched)).await else { continue };
            Box::pin(self.resolve(change, &cloud, &obs, act)).await?;
        }
        Ok(count)
    }

    /// Finds out what became of an act whose answer is not known (crash, timeout, lost reply).
    async fn resolve(&self, change: Change, cloud: &Cloud, obs: &Observation, act: ActRow) -> Result<Turn, Problem> {
        let Some(step) = Step::parse(&act.step) else { return Err(Problem::Internal(format!("act {} has an unknown step", act.id))) };
        let found = match self.find_done(&change, cloud, obs, step).await {
            Ok(found) => found,
            Err(e) => return self.missed(change, &e).await,
        };
        if let Some(outcome) = found {
            let words = format!("Found done by looking: {outcome:?}.");
            return self.outcome(change, act.id, step, "adopted", words, None, Some(outcome)).await;
        }
        let now = obs.at;
        let (bound, number, id) = (self.settings.staleness_ms, change.number, act.id);
        match act.look_at {
            Some(first) if now - first > bound => {
                let words = format!("Not done: two looks, {} seconds apart, did not find it.", (now - first) / 1000);
                self.outcome(change, act.id, step, "not_done", words, None, None).await
            }
            _ => {
                let due = self.clocks.cloud() + self.poll(POLL_MS);
                let done = self
                    .store
                    .keep(move |tx| {
                        Box::pin(async move {
                            tx.set_act_looked(id, now).await?;
                            let mut c = change;
                            if c.state.is_final() {
                                return Ok(());
                            }
                            c.due_at = due;
                            c.sentence =
                                format!("The answer to `{}` was lost. Looking whether AWS did it, before anything is sent again.", step.name());
                            tx.set_change(&mut c).await?;
                            tx.event(&c.topic(), Some(number), Some(&c.sentence)).await
                        })
                    })
                    .await;
                match done {
                    Ok(()) | Err(StoreError::Moved) => Ok(Turn::Later),
                    Err(e) => Err(e.into()),
                }
            }
        }
    }
}
