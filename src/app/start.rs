//! The start of a queued change: the second half of the gate, on fresh reads.
//!
//! **Invariant:** what starts is what was asked for and, where approval is needed, what was approved: the plan is made anew and
//! its hash compared. A condition that does not hold keeps the change waiting and says why; it never voids an approval.

use serde_json::json;

use super::{App, advance::Turn, aws_problem};
use crate::aws::{Cloud, Priority};
use crate::domain::access::{Permit, Role};
use crate::domain::change::{Kind, Lane, State};
use crate::domain::environment::Environment;
use crate::domain::next::POLL_MS;
use crate::domain::plan::{self, Difference};
use crate::domain::problem::Problem;
use crate::domain::remains::Shape;
use crate::store::changes::Change;
use crate::store::{NewEntry, StoreError};

const HOUR_MS: i64 = 3_600_000;

impl App {
    /// Starts a queued change, or says what it waits for.
    ///
    /// # Errors
    /// `Unavailable` when AWS or the database can not be asked: the change stays queued.
    pub(super) async fn start(&self, change: Change, env: &Environment, cloud: &Cloud) -> Result<Turn, Problem> {
        if let Some(holder) = self.store.find_running(env.id, change.lane).await? {
            return self.hold(change, format!("Waits for #{} ({}): {}", holder.number, holder.kind.name(), holder.sentence)).await;
        }
        if let Some(older) = self
            .store
            .list_open(env.id, change.lane)
            .await?
            .into_iter()
            .find(|c| c.number < change.number && c.state == State::Queued && super::changes::blocks(change.kind, c))
        {
            return self.hold(change, format!("Waits for #{}, which was asked for before.", older.number)).await;
        }
        let obs = match Box::pin(self.look(env, cloud, Priority::Watched)).await {
            Ok(obs) => obs,
            Err(e) => return self.hold(change, aws_problem(&e).detail()).await,
        };
        let facts = match Box::pin(self.facts(env, &change.intent, &obs, cloud, change.created_at)).await {
            Ok(facts) => facts,
            Err(p @ Problem::Unavailable(..)) => return self.hold(change, p.detail()).await,
            Err(p) => return Err(p),
        };
        let fresh = match plan::plan(&change.intent, env, &facts, &obs) {
            Ok(p) => p,
            Err(Problem::Unavailable(..)) => return self.hold(change, "AWS does not answer now.".into()).await,
            Err(p) => return self.refuse(change, &p).await,
        };
        let refusals = fresh.refusals();
        if !refusals.is_empty() {
            return self.refuse(change, &Problem::Invalid(refusals)).await;
        }
        let scope = change.scope();
        if change.protected {
            if fresh.hash() != change.plan_hash {
                let moved = plan::moved(&change.plan.bound, &fresh.bound);
                return self.void(change, env, fresh, &moved).await;
            }
            let mut standing = 0;
            let authors = self.authors(&change).await?;
            for a in self.store.list_approvals(change.number).await?.iter().filter(|a| a.decision == "approve" && a.plan_hash == change.plan_hash) {
                if !authors.contains(&a.person) && self.still_has(&a.person, &scope, Role::Approver).await? {
                    standing += 1;
                }
            }
            if standing < env.policy.approvals {
                return self
                    .unapproved(
                        change,
                        format!(
                            "{standing} of {} approvals stand: an approver lost the role since. Another person must approve.",
                            env.policy.approvals
                        ),
                    )
                    .await;
            }
        }
        if !self.still_has(&change.requested_by, &scope, Role::Deployer).await?
            && !self.still_has(&change.requested_by, &scope, Role::Approver).await?
        {
            let why = Problem::conflict(format!("{} may no longer ask for changes here.", change.requested_by));
            return self.refuse(change, &why).await;
        }
        if let Some(wait) = fresh.waits_for() {
            return self.hold(change, wait.to_owned()).await;
        }
        if change.kind == Kind::Terminate {
            let other = if change.lane == Lane::Main { Lane::Side } else { Lane::Main };
            if let Some(holder) = self.store.find_running(env.id, other).await?.filter(|c| matches!(c.kind, Kind::Terminate | Kind::Capacity)) {
                return self
                    .hold(change, format!("Waits for #{} ({}): both change how many instances serve.", holder.number, holder.kind.name()))
                    .await;
            }
        }
        let now = self.clocks.cloud();
        let before = Shape::of(&obs, self.clocks.wall());
        let number = change.number;
        let permit = Permit::engine("change.start", &scope);
        let entry = NewEntry::done().change(number).after(&json!({"plan_hash": fresh.hash(), "requested_by": change.requested_by}));
        let started = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    // The other lane may not take instances away while this one does: each alone would leave one, both none.
                    let other = if c.lane == Lane::Main { Lane::Side } else { Lane::Main };
                    let takes = |c: &Change| matches!(c.kind, Kind::Terminate | Kind::Capacity);
                    if c.kind == Kind::Terminate && tx.list_open(c.env, other).await?.iter().any(|o| o.state.holds_lane() && takes(o)) {
                        return Err(StoreError::Moved);
                    }
                    c.plan_hash = fresh.hash();
                    c.release = fresh.bound.release;
                    c.plan = fresh;
                    c.state = State::Running;
                    c.started_at = Some(tx.now());
                    c.expires_at = None;
                    c.progress.started_at = Some(now);
                    c.progress.before = before;
                    c.progress.counts.total = c.plan.desired;
                    c.due_at = now;
                    c.sentence = format!("{} Begun.", c.plan.sentence);
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match started {
            Ok(()) => Ok(Turn::Again),
            // Somebody took the lane, or cancelled this one: decide anew.
            Err(StoreError::Duplicate | StoreError::Moved) => Ok(Turn::Later),
            Err(e) => Err(e.into()),
        }
    }

    /// Stays queued, with the reason shown.
    async fn hold(&self, change: Change, why: String) -> Result<Turn, Problem> {
        let due = self.clocks.cloud() + self.poll(POLL_MS);
        let sentence = format!("{} {why}", change.plan.sentence);
        self.keep_quietly(change, move |c| {
            c.due_at = due;
            c.sentence = sentence;
        })
        .await?;
        Ok(Turn::Later)
    }

    /// Ends before anything was sent.
    async fn refuse(&self, change: Change, why: &Problem) -> Result<Turn, Problem> {
        let words = match why {
            Problem::Invalid(fields) => fields.iter().map(|f| f.message.clone()).collect::<Vec<_>>().join(" "),
            Problem::Conflict { detail, fields, .. } if !fields.is_empty() => {
                format!("{detail} {}", fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect::<Vec<_>>().join("; "))
            }
            other => other.detail(),
        };
        let permit = Permit::engine("change.fail", &change.scope());
        let entry = NewEntry::done()
            .result("failed")
            .change(change.number)
            .before(&json!({"state": change.state.name()}))
            .after(&json!({"state": "failed"}))
            .reason(Some(words.clone()));
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    c.state = State::Failed;
                    c.finished_at = Some(tx.now());
                    c.sentence = format!("Not started, and nothing was sent to AWS: {words}");
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match done {
            Ok(()) | Err(StoreError::Moved) => Ok(Turn::Later),
            Err(e) => Err(e.into()),
        }
    }

    /// The approval is void: what it was bound to moved. The new plan waits for a new approval.
    async fn void(&self, change: Change, env: &Environment, fresh: plan::Plan, moved: &[Difference]) -> Result<Turn, Problem> {
        let words: Vec<String> = moved
            .iter()
            .map(|d| {
                format!(
                    "{} was {} when approved and is now {}",
                    d.field,
                    d.before.as_deref().unwrap_or("not set"),
                    d.after.as_deref().unwrap_or("not set")
                )
            })
            .collect();
        let sentence = format!("The approval is void: {}. The new plan waits for an approval of its own.", words.join("; "));
        let expires = self.clocks.wall() + env.policy.approval_hours * HOUR_MS;
        let permit = Permit::engine("change.approval_void", &change.scope());
        let entry = NewEntry::done()
            .change(change.number)
            .before(&json!({"plan_hash": change.plan_hash, "moved": moved.iter().map(|d| (&d.field, &d.before)).collect::<std::collections::BTreeMap<_, _>>()}))
            .after(&json!({"plan_hash": fresh.hash(), "moved": moved.iter().map(|d| (&d.field, &d.after)).collect::<std::collections::BTreeMap<_, _>>()}))
            .reason(Some(sentence.clone()));
        self.back_to_approval(change, permit, entry, Some(fresh), sentence, Some(expires)).await
    }

    async fn unapproved(&self, change: Change, sentence: String) -> Result<Turn, Problem> {
        let permit = Permit::engine("change.approval_void", &change.scope());
        let entry = NewEntry::done().change(change.number).reason(Some(sentence.clone()));
        self.back_to_approval(change, permit, entry, None, sentence, None).await
    }

    async fn back_to_approval(
        &self,
        change: Change,
        permit: Permit,
        entry: NewEntry,
        fresh: Option<plan::Plan>,
        sentence: String,
        expires: Option<i64>,
    ) -> Result<Turn, Problem> {
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    c.state = State::AwaitingApproval;
                    if let Some(plan) = fresh {
                        c.plan_hash = plan.hash();
                        c.plan = plan;
                    }
                    c.expires_at = expires.or(c.expires_at);
                    c.sentence = sentence;
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match done {
            Ok(()) | Err(StoreError::Moved) => Ok(Turn::Later),
            Err(e) => Err(e.into()),
        }
    }
}

/// The release that a change carries to the environment's record at the end, if any.
pub(super) fn brings_release(kind: Kind) -> bool {
    matches!(kind, Kind::Deploy | Kind::Rollback | Kind::Pin)
}
