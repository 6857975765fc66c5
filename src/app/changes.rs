//! Changes: preview, request, approve, reject, cancel, force-close.

use serde_json::json;

use super::{App, aws_problem};
use crate::aws::Priority;
use crate::domain::access::{Act, Actor, ActorKind, Facts as GateFacts, Permit};
use crate::domain::application::free_text;
use crate::domain::canonical;
use crate::domain::change::{Intent, Kind, Lane, Progress, State, Undo};
use crate::domain::environment::Environment;
use crate::domain::plan::{self, Plan};
use crate::domain::problem::Problem;
use crate::store::changes::{Approval, Change};
use crate::store::{NewEntry, StoreError};

/// What to do when another change is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBusy {
    /// Say which.
    #[default]
    Refuse,
    /// Queue behind it.
    Wait,
}

/// How a running change is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CancelMode {
    /// Leave it where it is.
    Stop,
    /// Take it back.
    Undo,
}

/// A request with its wrapping.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub intent: Intent,
    /// Why.
    pub reason: Option<String>,
    /// When something is in the way.
    pub on_busy: OnBusy,
    /// Idempotency key, where one was given.
    pub key: Option<String>,
    /// Hash of the plan that the requester read, where they read one: another plan is refused.
    pub read: Option<String>,
    /// The sighting (row id) that the change puts back.
    pub settles: Option<i64>,
}

const HOUR_MS: i64 = 3_600_000;
/// Longest that a queued change waits for its turn (wall clock).
const QUEUE_MS: i64 = 6 * HOUR_MS;
/// Fresh reads behind a person's request end after this.
const LOOK_SECONDS: u64 = 20;

/// Does this change wait for another person? Rolling back, raising within the policy, and ending a foreign refresh do not.
pub(crate) fn needs_approval(env: &Environment, intent: &Intent) -> bool {
    let raises = matches!(intent, Intent::Capacity { .. }) && intent.lane() == Lane::Side;
    env.protected && !matches!(intent.kind(), Kind::Rollback | Kind::Refresh) && !raises
}

impl App {
    /// Does this change wait for another person?
    pub fn asks_for_approval(&self, env: &Environment, intent: &Intent) -> bool {
        needs_approval(env, intent)
    }

    /// Plans without effect.
    ///
    /// # Errors
    /// As [`plan::plan`], or `Unavailable`.
    pub async fn preview_change(&self, actor: &Actor, env: &Environment, intent: &Intent) -> Result<Plan, Problem> {
        self.gate(actor, &Act::Request(intent.kind()), env, GateFacts::default()).await?;
        self.fresh_plan(env, intent).await
    }

    /// A plan on fresh reads.
    async fn fresh_plan(&self, env: &Environment, intent: &Intent) -> Result<Plan, Problem> {
        // On the heap, as all that nests SDK futures: without optimisation they are tens of kilobytes each.
        let work = Box::pin(async {
            let cloud = self.cloud(env, super::look::OBSERVER).await.map_err(|e| aws_problem(&e))?;
            let obs = Box::pin(self.look(env, &cloud, Priority::Act)).await.map_err(|e| aws_problem(&e))?;
            let facts = Box::pin(self.facts(env, intent, &obs, &cloud, self.clocks.wall())).await?;
            plan::plan(intent, env, &facts, &obs)
        });
        match tokio::time::timeout(std::time::Duration::from_secs(LOOK_SECONDS), work).await {
            Ok(result) => result,
            Err(_) => Err(Problem::Unavailable("AWS does not answer now. Nothing was changed. Try again in a moment.".into(), 10)),
        }
    }

    /// Asks for a change. Returns it; for a key that was used before, the change that it made then.
    ///
    /// # Errors
    /// `Invalid` naming each field, `Conflict` naming what is in the way, `Forbidden`, `Unavailable`.
    pub async fn request_change(&self, actor: &Actor, env: &Environment, request: Request) -> Result<Change, Problem> {
        if let Some(reason) = &request.reason {
            free_text("reason", reason, 1000).map_err(|e| Problem::Invalid(vec![e]))?;
        }
        let body_hash = canonical::hash(&json!({"env": env.scope(), "intent": request.intent, "reason": request.reason, "on_busy": request.on_busy}));
        if let Some(key) = &request.key {
            if key.is_empty() || key.len() > 200 || key.chars().any(char::is_control) {
                return Err(Problem::field("Idempotency-Key", "must be 1 to 200 printable characters"));
            }
            if let Some(known) = self.known_key(actor, key, &body_hash).await? {
                return Ok(known);
            }
        }
        let asked = self.request_anew(actor, env, request.clone(), body_hash.clone()).await;
        match (asked, &request.key) {
            // The same key raced with us: whatever is in the way since, the first one made the change.
            (Err(problem), Some(key)) => self.known_key(actor, key, &body_hash).await?.ok_or(problem),
            (asked, _) => asked,
        }
    }

    async fn request_anew(&self, actor: &Actor, env: &Environment, request: Request, body_hash: String) -> Result<Change, Problem> {
        let lane = request.intent.lane();
        let kind = request.intent.kind();
        let running = self.store.find_running(env.id, lane).await?;
        // Rolling back while a deploy runs is that deploy's undo: the fastest path, never queued.
        if kind == Kind::Rollback
            && let Some(deploy) = running.as_ref().filter(|c| matches!(c.kind, Kind::Deploy))
        {
            self.gate(actor, &Act::Request(kind), env, GateFacts::default()).await?;
            if let Intent::Rollback { release: Some(named) } = &request.intent
                && env.release != Some(*named)
            {
                let back = env.release.map_or_else(|| "what ran before".to_owned(), |r| format!("v{r}"));
                return Err(Problem::field(
                    "release",
                    format!("#{} runs, and rolling back now takes it back to {back}. Leave `release` out, or wait for its end", deploy.number),
                ));
            }
            let key = request.key.map(|k| (k, body_hash));
            return self.cancel_with_key(actor, env, deploy.number, CancelMode::Undo, request.reason, key).await;
        }
        let open: Vec<_> = self.store.list_open(env.id, lane).await?.into_iter().filter(|c| blocks(kind, c)).collect();
        let busy = match request.on_busy {
            OnBusy::Wait => None,
            OnBusy::Refuse => open.first().map(in_the_way),
        };
        let permit = self.gate(actor, &Act::Request(kind), env, GateFacts { busy, ..GateFacts::default() }).await?;
        let plan = Box::pin(self.fresh_plan(env, &request.intent)).await?;
        let refusals = plan.refusals();
        if !refusals.is_empty() {
            return Err(Problem::Invalid(refusals));
        }
        if request.read.as_ref().is_some_and(|read| *read != plan.hash()) {
            return Err(Problem::conflict(
                "The plan is no longer the one that you read, because something moved meanwhile. Nothing was sent. Read it again, then start it.",
            ));
        }
        // A rollback without a name goes where it would go now, also when its turn comes later.
        let mut bound = request.clone();
        if let Intent::Rollback { release } = &mut bound.intent {
            *release = plan.bound.release;
        }
        let change = self.insert_request(&permit, env, bound, plan, body_hash).await?;
        self.wake.notify_one();
        Ok(change)
    }

    async fn known_key(&self, actor: &Actor, key: &str, body_hash: &str) -> Result<Option<Change>, Problem> {
        let Some((hash, number)) = self.store.find_idempotent(&actor.name, key).await? else { return Ok(None) };
        if hash != body_hash {
            return Err(Problem::Invalid(vec![crate::domain::problem::FieldError::new(
                "Idempotency-Key",
                format!("was used for another request, which made #{number}. Use a new key for a new request"),
            )]));
        }
        Ok(self.store.find_change(number).await?)
    }

    async fn insert_request(
        &self,
        permit: &Permit,
        env: &Environment,
        request: Request,
        plan: Plan,
        body_hash: String,
    ) -> Result<Change, StoreError> {
        let (env, wall, cloud) = (env.clone(), self.clocks.wall(), self.clocks.cloud());
        let actor = permit.actor().name.clone();
        let lane = request.intent.lane();
        self.store
            .write_with(permit, move |tx| {
                Box::pin(async move {
                    if request.on_busy == OnBusy::Refuse
                        && let Some(first) = tx.list_open(env.id, lane).await?.into_iter().find(|c| blocks(request.intent.kind(), c))
                    {
                        let (number, sentence) = in_the_way(&first);
                        return Err(Problem::busy(sentence, number).into());
                    }
                    let number = tx.number("change").await?;
                    let protected = needs_approval(&env, &request.intent);
                    let rollback_of = if request.intent.kind() == Kind::Rollback { tx.change_of_release(env.id, env.release).await? } else { None };
                    let mut change = Change {
                        number,
                        env: env.id,
                        app: env.app.clone(),
                        env_name: env.name.clone(),
                        kind: request.intent.kind(),
                        lane,
                        state: if protected { State::AwaitingApproval } else { State::Queued },
                        version: 1,
                        release: plan.bound.release,
                        plan_hash: plan.hash(),
                        progress: Progress::default(),
                        sentence: String::new(),
                        requested_by: actor.clone(),
                        reason: request.reason.clone(),
                        template_version: None,
                        protected,
                        rollback_of,
                        rolled_back_by: None,
                        created_at: wall,
                        started_at: None,
                        finished_at: None,
                        expires_at: Some(wall + if protected { env.policy.approval_hours * HOUR_MS } else { QUEUE_MS }),
                        due_at: cloud,
                        intent: request.intent,
                        plan,
                    };
                    change.sentence = if protected {
                        format!("{} Waits for the approval of another person.", change.plan.sentence)
                    } else {
                        format!("{} Waits for its turn.", change.plan.sentence)
                    };
                    tx.audit(
                        NewEntry::done()
                            .change(number)
                            .before(&json!(change.plan.diff.iter().map(|d| (d.field.clone(), d.before.clone())).collect::<std::collections::BTreeMap<_, _>>()))
                            .after(&json!({
                                "set": change.plan.diff.iter().map(|d| (d.field.clone(), d.after.clone())).collect::<std::collections::BTreeMap<_, _>>(),
                                "plan_hash": change.plan_hash,
                                "state": change.state.name(),
                            }))
                            .reason(change.reason.clone()),
                    )
                    .await?;
                    tx.insert_change(&change).await?;
                    if let Some(sighting) = request.settles {
                        tx.settle_sighting(sighting, number).await?;
                    }
                    if let Some(key) = &request.key {
                        tx.insert_idempotent(&actor, key, &body_hash, number).await?;
                    }
                    tx.event(&change.topic(), Some(number), Some(&format!("{actor} asked for it: {}", change.sentence))).await?;
                    tx.event(&format!("env-{}", env.id), None, None).await?;
                    Ok(change)
                })
            })
            .await
    }

    /// Approves a change for the plan that the caller saw.
    ///
    /// # Errors
    /// `Forbidden` for the requester and for tokens; `Conflict` when the plan moved, the state does not wait for it, or the
    /// caller decided already.
    pub async fn approve_change(
        &self,
        actor: &Actor,
        env: &Environment,
        number: i64,
        plan_hash: &str,
        comment: Option<String>,
    ) -> Result<Change, Problem> {
        self.decide_change(actor, env, number, Some(plan_hash), comment).await
    }

    /// Rejects a change.
    ///
    /// # Errors
    /// `Forbidden`, or `Conflict` when the state does not wait for a decision.
    pub async fn reject_change(&self, actor: &Actor, env: &Environment, number: i64, reason: String) -> Result<Change, Problem> {
        if reason.trim().is_empty() {
            return Err(Problem::field("reason", "say why, so that the requester knows what to change"));
        }
        self.decide_change(actor, env, number, None, Some(reason)).await
    }

    /// Who stands behind a request: whoever asked, and for a token the person who made it. None of them approves it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn authors(&self, change: &Change) -> Result<Vec<String>, Problem> {
        let mut authors = vec![change.requested_by.clone()];
        if let Some(token) = change.requested_by.strip_prefix("token:")
            && let Some(token) = self.store.find_token_by_name(token).await?
        {
            authors.push(token.created_by);
        }
        Ok(authors)
    }

    async fn decide_change(
        &self,
        actor: &Actor,
        env: &Environment,
        number: i64,
        plan_hash: Option<&str>,
        comment: Option<String>,
    ) -> Result<Change, Problem> {
        if let Some(text) = &comment {
            free_text(if plan_hash.is_some() { "comment" } else { "reason" }, text, 1000).map_err(|e| Problem::Invalid(vec![e]))?;
        }
        let change = self.change_of(env, number).await?;
        let approves = plan_hash.is_some();
        let decided = self.store.list_approvals(number).await?.into_iter().filter(|a| a.plan_hash == change.plan_hash).map(|a| a.person).collect();
        let facts = GateFacts {
            authors: self.authors(&change).await?,
            decided,
            hashes: plan_hash.map(|h| (h.to_owned(), change.plan_hash.clone())),
            state_refuses: (change.state != State::AwaitingApproval)
                .then(|| format!("#{number} is {} and waits for no decision.", change.state.name())),
            ..GateFacts::default()
        };
        let act = if approves { Act::Approve } else { Act::Reject };
        let permit = self.gate(actor, &act, env, facts).await?;
        let (wanted, cloud, person) = (env.policy.approvals, self.clocks.cloud(), actor.name.clone());
        let seen = change.plan_hash.clone();
        let entry = NewEntry::done().change(number).after(&json!({"plan_hash": seen})).reason(comment.clone());
        let result = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = tx.get_change(number).await?;
                    // The state, again, inside the transaction: of an approval and a rejection at once, one counts.
                    if c.state != State::AwaitingApproval || c.plan_hash != seen {
                        return Err(StoreError::Moved);
                    }
                    let now = tx.now();
                    let approval = Approval {
                        person: person.clone(),
                        decision: if approves { "approve" } else { "reject" }.into(),
                        plan_hash: seen.clone(),
                        comment,
                        at: now,
                    };
                    tx.insert_approval(number, &approval).await?;
                    if approves {
                        let count = i64::try_from(tx.approvers(number, &seen).await?.len()).unwrap_or(0);
                        if count >= wanted {
                            c.state = State::Queued;
                            c.due_at = cloud;
                            c.sentence = format!("{} Approved by {person}; waits for its turn.", c.plan.sentence);
                        } else {
                            c.sentence = format!("{} {count} of {wanted} approvals.", c.plan.sentence);
                        }
                    } else {
                        c.state = State::Rejected;
                        c.finished_at = Some(now);
                        c.sentence = format!("Rejected by {person}: {}", approval.comment.as_deref().unwrap_or("no reason given"));
                    }
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await?;
                    Ok(c)
                })
            })
            .await?;
        self.wake.notify_one();
        Ok(result)
    }

    /// Cancels a change: at once where nothing was sent, else by stopping or undoing what runs.
    ///
    /// # Errors
    /// `Forbidden`, or `Conflict` when it is finished.
    pub async fn cancel_change(
        &self,
        actor: &Actor,
        env: &Environment,
        number: i64,
        mode: CancelMode,
        reason: Option<String>,
    ) -> Result<Change, Problem> {
        self.cancel_with_key(actor, env, number, mode, reason, None).await
    }

    async fn cancel_with_key(
        &self,
        actor: &Actor,
        env: &Environment,
        number: i64,
        mode: CancelMode,
        reason: Option<String>,
        key: Option<(String, String)>,
    ) -> Result<Change, Problem> {
        if let Some(text) = &reason {
            free_text("reason", text, 1000).map_err(|e| Problem::Invalid(vec![e]))?;
        }
        let change = self.change_of(env, number).await?;
        let facts = GateFacts {
            state_refuses: change.state.is_final().then(|| format!("#{number} is finished: {}.", change.state.name())),
            ..GateFacts::default()
        };
        let permit = self.gate(actor, &Act::Cancel, env, facts).await?;
        if change.state.holds_lane() {
            let p = &change.progress;
            match mode {
                // A second click is harmless, and is no act.
                CancelMode::Undo if p.undo.is_some() && key.is_none() => return Ok(change),
                CancelMode::Stop if p.undo.is_some() => return Err(Problem::conflict(format!("#{number} is being taken back already."))),
                CancelMode::Stop if p.stop.is_some() => return Ok(change),
                CancelMode::Undo if !matches!(change.kind, Kind::Deploy | Kind::Rollback) => {
                    let way = if change.kind == Kind::Capacity { "Stop it, then ask for the old figures" } else { "Stop it instead" };
                    return Err(Problem::field("mode", format!("a {} can not be taken back. {way}", change.kind.name())));
                }
                _ => {}
            }
        }
        let (cloud, who) = (self.clocks.cloud(), actor.name.clone());
        let entry =
            NewEntry::done().change(number).before(&json!({"state": change.state.name()})).after(&json!({"mode": mode})).reason(reason.clone());
        let result = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = tx.get_change(number).await?;
                    if c.state.is_final() {
                        return Err(Problem::conflict(format!("#{number} is finished: {}.", c.state.name())).into());
                    }
                    if let Some((key, body_hash)) = &key {
                        tx.insert_idempotent(&who, key, body_hash, number).await?;
                    }
                    let now = tx.now();
                    if c.state.holds_lane() {
                        let why = reason.map_or_else(|| format!("{who} asked for it."), |r| format!("{who}: {r}"));
                        let order = Undo { by: who.clone(), why, at: cloud };
                        match mode {
                            // A later human command wins; a second click changes nothing.
                            CancelMode::Undo if c.progress.undo.is_none() => {
                                c.progress.undo = Some(order);
                                c.progress.stop = None;
                                c.progress.proofs = 0;
                                // They were counted towards the other version.
                                c.progress.counts = Default::default();
                                c.state = State::Undoing;
                                c.sentence = format!("{who} asked to take it back; it is sent with the next look at AWS.");
                            }
                            CancelMode::Stop if c.progress.undo.is_none() && c.progress.stop.is_none() => {
                                c.progress.stop = Some(order);
                                c.state = State::Cancelling;
                                c.sentence = format!("{who} stops it where it is.");
                            }
                            _ => return Ok(c),
                        }
                        c.due_at = cloud;
                    } else {
                        c.state = State::Cancelled;
                        c.finished_at = Some(now);
                        c.sentence = format!("Cancelled by {who} before anything was sent to AWS.");
                    }
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await?;
                    Ok(c)
                })
            })
            .await?;
        self.wake.notify_one();
        Ok(result)
    }

    /// Ends a change by hand. The page then says what AWS still does.
    ///
    /// # Errors
    /// `Forbidden` unless admin, `Conflict` when it is finished.
    pub async fn force_close(&self, actor: &Actor, env: &Environment, number: i64, reason: String) -> Result<Change, Problem> {
        if reason.trim().is_empty() {
            return Err(Problem::field("reason", "say why: this goes into the audit"));
        }
        free_text("reason", &reason, 1000).map_err(|e| Problem::Invalid(vec![e]))?;
        let change = self.change_of(env, number).await?;
        let facts = GateFacts {
            state_refuses: change.state.is_final().then(|| format!("#{number} is finished: {}.", change.state.name())),
            ..GateFacts::default()
        };
        let permit = self.gate(actor, &Act::ForceClose, env, facts).await?;
        let still = match self.store.find_observation(env.id).await?.and_then(|l| l.observation.active_refresh().cloned()) {
            Some(r) => format!("AWS still works on the refresh {} ({}).", r.id, r.status),
            None => "AWS showed no running refresh at the last look.".into(),
        };
        let open = match self.store.find_open_act(number).await? {
            Some(act) => format!(" {} was sent and its outcome is not known yet; it is looked up and noted in the audit.", act.operation),
            None => String::new(),
        };
        let still = format!("{still}{open}");
        let who = actor.name.clone();
        let entry = NewEntry::done()
            .change(number)
            .before(&json!({"state": change.state.name()}))
            .after(&json!({"state": "failed"}))
            .reason(Some(reason.clone()));
        Ok(self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = tx.get_change(number).await?;
                    if c.state.is_final() {
                        return Err(Problem::conflict(format!("#{number} is finished: {}.", c.state.name())).into());
                    }
                    c.state = State::Failed;
                    c.finished_at = Some(tx.now());
                    c.sentence = format!("Force-closed by {who}: {}. {still}", reason.trim().trim_end_matches('.'));
                    tx.end_step(number, "failed", &c.sentence).await?;
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await?;
                    Ok(c)
                })
            })
            .await?)
    }

    /// A change of this environment.
    async fn change_of(&self, env: &Environment, number: i64) -> Result<Change, Problem> {
        let found = self.store.find_change(number).await?.filter(|c| c.env == env.id);
        found.ok_or_else(|| Problem::NotFound(format!("There is no change #{number} that you may see.")))
    }

    /// Lets waiting changes lapse (wall clock).
    ///
    /// # Errors
    /// Of the database.
    pub async fn expire_changes(&self) -> Result<usize, Problem> {
        let lapsed = self.store.list_lapsed().await?;
        let count = lapsed.len();
        for change in lapsed {
            let permit = Permit::engine("change.expire", &change.scope());
            let entry = NewEntry::done().change(change.number).before(&json!({"state": change.state.name()})).after(&json!({"state": "expired"}));
            let number = change.number;
            let done = self
                .store
                .write(&permit, entry, move |tx| {
                    Box::pin(async move {
                        let mut c = tx.get_change(number).await?;
                        if c.state.holds_lane() || c.state.is_final() {
                            return Err(StoreError::Moved);
                        }
                        c.sentence = if c.state == State::AwaitingApproval {
                            "Expired: nobody decided in time."
                        } else {
                            "Expired: its turn did not come in time."
                        }
                        .into();
                        c.state = State::Expired;
                        c.finished_at = Some(tx.now());
                        tx.set_change(&mut c).await?;
                        tx.announce(&c).await
                    })
                })
                .await;
            match done {
                Ok(()) | Err(StoreError::Moved) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(count)
    }

    /// May this person still stand behind an approval or a request? Checked again at the start.
    ///
    /// # Errors
    /// Of the database.
    pub(crate) async fn still_has(&self, name: &str, scope: &str, role: crate::domain::access::Role) -> Result<bool, Problem> {
        if let Some(token) = name.strip_prefix("token:") {
            let now = self.clocks.wall();
            return Ok(self.store.find_token_by_name(token).await?.is_some_and(|t| t.revoked_at.is_none() && t.expires_at > now));
        }
        if name.starts_with("host:") {
            return Ok(true);
        }
        let Some(person) = self.store.find_person(name).await?.filter(|p| p.disabled_at.is_none()) else { return Ok(false) };
        let actor = Actor {
            kind: ActorKind::Person,
            name: person.name,
            id: person.id,
            grants: self.store.grants(person.id).await?,
            origin: crate::domain::access::Origin::default(),
        };
        Ok(actor.has(role, scope))
    }
}

/// Does an open change stand in the way of a new one of this kind? A rollback, and the end of a foreign refresh, wait for what runs
/// and for another of their kind alone.
pub(super) fn blocks(kind: Kind, open: &Change) -> bool {
    !matches!(kind, Kind::Rollback | Kind::Refresh) || open.state.holds_lane() || open.kind == kind
}

fn in_the_way(c: &Change) -> (i64, String) {
    (
        c.number,
        format!(
            "#{} ({}, {}) is in the way: {} Wait for its end, cancel it, or send on_busy \"wait\".",
            c.number,
            c.kind.name(),
            c.state.name(),
            c.sentence
        ),
    )
}
