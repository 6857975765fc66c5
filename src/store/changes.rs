//! Changes, their steps and approvals.
//!
//! **Invariant:** a row is written by compare-and-set on its version; a final state is never left.

use sqlx::FromRow;

use super::sql::Sql;
use super::{Result, Store, StoreError, WriteTx};
use crate::domain::change::{Intent, Kind, Lane, Progress, State, Step};
use crate::domain::observation::Millis;
use crate::domain::plan::Plan;

/// One change as stored.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number, shown as `#7`.
    pub number: i64,
    /// Environment's row id.
    pub env: i64,
    /// Application.
    pub app: String,
    /// Environment's name.
    pub env_name: String,
    /// Kind.
    pub kind: Kind,
    /// Lane.
    pub lane: Lane,
    /// State.
    pub state: State,
    /// Counts the writes of this row.
    pub version: i64,
    /// What was asked for.
    pub intent: Intent,
    /// What it will do.
    pub plan: Plan,
    /// The plan's hash.
    pub plan_hash: String,
    /// What the engine knows.
    pub progress: Progress,
    /// One sentence.
    pub sentence: String,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The release it brings.
    pub release: Option<i64>,
    /// The template version it ended on.
    pub template_version: Option<i64>,
    /// Approval is needed.
    pub protected: bool,
    /// The change that it takes back.
    pub rollback_of: Option<i64>,
    /// The change that took it back.
    pub rolled_back_by: Option<i64>,
    /// Wall clock.
    pub created_at: Millis,
    /// Wall clock.
    pub started_at: Option<Millis>,
    /// Wall clock.
    pub finished_at: Option<Millis>,
    /// Wall clock: lapses unless it has begun.
    pub expires_at: Option<Millis>,
    /// Cloud clock: not looked at before.
    pub due_at: Millis,
}

impl Change {
    /// `app/env`.
    pub fn scope(&self) -> String {
        format!("{}/{}", self.app, self.env_name)
    }
    /// Topic of its events.
    pub fn topic(&self) -> String {
        format!("change-{}", self.number)
    }
}

#[derive(FromRow)]
struct Row {
    number: i64,
    env: i64,
    app: String,
    env_name: String,
    kind: String,
    lane: String,
    state: String,
    version: i64,
    intent: String,
    plan: String,
    plan_hash: String,
    progress: String,
    sentence: String,
    requested_by: String,
    reason: Option<String>,
    release: Option<i64>,
    template_version: Option<i64>,
    protected: i64,
    rollback_of: Option<i64>,
    rolled_back_by: Option<i64>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    expires_at: Option<i64>,
    due_at: i64,
}

impl TryFrom<Row> for Change {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self> {
        let odd = |what: &str, value: &str| StoreError::Corrupt(format!("change {}: unknown {what} `{value}`", r.number));
        Ok(Self {
            kind: Kind::parse(&r.kind).ok_or_else(|| odd("kind", &r.kind))?,
            state: State::parse(&r.state).ok_or_else(|| odd("state", &r.state))?,
            lane: if r.lane == "side" { Lane::Side } else { Lane::Main },
            intent: serde_json::from_str(&r.intent)?,
            plan: serde_json::from_str(&r.plan)?,
            progress: serde_json::from_str(&r.progress)?,
            number: r.number,
            env: r.env,
            app: r.app,
            env_name: r.env_name,
            version: r.version,
            plan_hash: r.plan_hash,
            sentence: r.sentence,
            requested_by: r.requested_by,
            reason: r.reason,
            release: r.release,
            template_version: r.template_version,
            protected: r.protected != 0,
            rollback_of: r.rollback_of,
            rolled_back_by: r.rolled_back_by,
            created_at: r.created_at,
            started_at: r.started_at,
            finished_at: r.finished_at,
            expires_at: r.expires_at,
            due_at: r.due_at,
        })
    }
}

/// A decision about a change.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// The plan that was decided on.
    pub plan_hash: String,
    /// In their words.
    pub comment: Option<String>,
    /// Wall clock.
    pub at: Millis,
}

/// A step that the engine took or takes.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub struct StepRow {
    /// 1, 2, …
    pub position: i64,
    /// Which.
    pub step: String,
    /// `running`, `done`, `failed`.
    pub state: String,
    /// How often its act was tried.
    pub attempts: i64,
    /// What came of it.
    pub sentence: Option<String>,
    /// Wall clock.
    pub started_at: Millis,
    /// Wall clock.
    pub finished_at: Option<Millis>,
}

/// What a list of changes is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Application.
    pub app: Option<String>,
    /// Environment's name.
    pub env: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// States.
    pub states: Vec<State>,
    /// Who asked.
    pub by: Option<String>,
    /// Created not before (wall clock).
    pub from: Option<Millis>,
    /// Created before (wall clock).
    pub until: Option<Millis>,
    /// Only below this number.
    pub below: Option<i64>,
    /// Only these `app/env`, where the reader may not see all.
    pub scopes: Option<Vec<String>>,
}

const COLUMNS: &str =
    "select number, env, app, env_name, kind, lane, state, version, intent, plan, plan_hash, progress, sentence, requested_by, reason, release,
    template_version, protected, rollback_of, rolled_back_by, created_at, started_at, finished_at, expires_at, due_at from changes";

impl Store {
    /// By number.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_change(&self, number: i64) -> Result<Option<Change>> {
        let row: Option<Row> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where number = $1"))).bind(number).fetch_optional(self.reads()).await?;
        row.map(Change::try_from).transpose()
    }

    /// Newest first, at most `limit`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_changes(&self, f: &Filter, limit: i64) -> Result<Vec<Change>> {
        let mut q = Sql::new(COLUMNS);
        q.push(" where 1 = 1");
        for (column, value) in [(" and app = ", &f.app), (" and env_name = ", &f.env), (" and kind = ", &f.kind), (" and requested_by = ", &f.by)] {
            if let Some(v) = value {
                q.push(column).push_bind(v.clone());
            }
        }
        if !f.states.is_empty() {
            q.push(" and state in (''");
            for s in &f.states {
                q.push(", ").push_bind(s.name());
            }
            q.push(")");
        }
        if let Some(v) = f.from {
            q.push(" and created_at >= ").push_bind(v);
        }
        if let Some(v) = f.until {
            q.push(" and created_at < ").push_bind(v);
        }
        if let Some(v) = f.below {
            q.push(" and number < ").push_bind(v);
        }
        if let Some(scopes) = &f.scopes {
            q.push(" and app || '/' || env_name in (''");
            for s in scopes {
                q.push(", ").push_bind(s.clone());
            }
            q.push(")");
        }
        q.push(" order by number desc limit ").push_bind(limit);
        let rows: Vec<Row> = q.fetch_all(self.reads()).await?;
        rows.into_iter().map(Change::try_from).collect()
    }

    /// The change that holds a lane of an environment, if one does.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_running(&self, env: i64, lane: Lane) -> Result<Option<Change>> {
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where env = $1 and lane = $2 and state in ('running', 'baking', 'cancelling', 'undoing', 'needs_attention')"
        )))
        .bind(env)
        .bind(lane.name())
        .fetch_optional(self.reads())
        .await?;
        row.map(Change::try_from).transpose()
    }

    /// Changes of a lane that are not final, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_open(&self, env: i64, lane: Lane) -> Result<Vec<Change>> {
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where env = $1 and lane = $2 and state in ('awaiting_approval', 'scheduled', 'queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention') order by number"
        )))
        .bind(env)
        .bind(lane.name())
        .fetch_all(self.reads())
        .await?;
        rows.into_iter().map(Change::try_from).collect()
    }

    /// Changes that wait for a person or a turn past their time, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_lapsed(&self) -> Result<Vec<Change>> {
        let wall = self.clocks().wall();
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where state in ('awaiting_approval', 'scheduled', 'queued') and expires_at is not null and expires_at <= $1 order by number limit 50"
        )))
        .bind(wall)
        .fetch_all(self.reads())
        .await?;
        rows.into_iter().map(Change::try_from).collect()
    }

    /// Decisions about a change, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_approvals(&self, number: i64) -> Result<Vec<Approval>> {
        Ok(sqlx::query_as("select person, decision, plan_hash, comment, at from approvals where change = $1 order by at, person")
            .bind(number)
            .fetch_all(self.reads())
            .await?)
    }

    /// Seconds that each instance of the last twenty rollouts that had succeeded before `until` (wall clock) took to boot.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_boots(&self, env: i64, until: Millis) -> Result<Vec<i64>> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "select progress from changes where env = $1 and state = 'succeeded' and finished_at <= $2 and kind in ('deploy', 'rollback', 'replace')
             order by number desc limit 20",
        )
        .bind(env)
        .bind(until)
        .fetch_all(self.reads())
        .await?;
        let mut all = Vec::new();
        for (text,) in rows {
            let progress: Progress = serde_json::from_str(&text)?;
            all.extend(crate::domain::evidence::boots(&progress.seen));
        }
        Ok(all)
    }

    /// Steps of a change, in order.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_steps(&self, number: i64) -> Result<Vec<StepRow>> {
        Ok(sqlx::query_as("select position, step, state, attempts, sentence, started_at, finished_at from steps where change = $1 order by position")
            .bind(number)
            .fetch_all(self.reads())
            .await?)
    }

    /// The change that an idempotency key made, with the hash of its body.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_idempotent(&self, actor: &str, key: &str) -> Result<Option<(String, i64)>> {
        Ok(sqlx::query_as("select body_hash, change from idempotency where actor = $1 and key = $2")
            .bind(actor.to_owned())
            .bind(key.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }
}

impl WriteTx {
    /// Inserts a change; its `number` is set already.
    ///
    /// # Errors
    /// `Duplicate` when its lane is held.
    pub async fn insert_change(&mut self, c: &Change) -> Result<()> {
        sqlx::query(
            "insert into changes (number, env, app, env_name, kind, lane, state, version, intent, plan, plan_hash, progress, sentence, requested_by, reason, release,
             template_version, protected, rollback_of, rolled_back_by, created_at, started_at, finished_at, expires_at, due_at, lease_epoch, lease_until)
             values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, null, $19, null, null, $20, $21, 0, 0)",
        )
        .bind(c.number)
        .bind(c.env)
        .bind(c.app.clone())
        .bind(c.env_name.clone())
        .bind(c.kind.name())
        .bind(c.lane.name())
        .bind(c.state.name())
        .bind(serde_json::to_string(&c.intent)?)
        .bind(serde_json::to_string(&c.plan)?)
        .bind(c.plan_hash.clone())
        .bind(serde_json::to_string(&c.progress)?)
        .bind(c.sentence.clone())
        .bind(c.requested_by.clone())
        .bind(c.reason.clone())
        .bind(c.release)
        .bind(c.template_version)
        .bind(i64::from(c.protected))
        .bind(c.rollback_of)
        .bind(c.created_at)
        .bind(c.expires_at)
        .bind(c.due_at)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Writes what may change, if the row still has `c.version` and is not final; then counts the version up in `c`. With an end goes
    /// what the change leaves behind, so that no way of ending can forget it.
    ///
    /// # Errors
    /// `Moved` when somebody was faster; `Duplicate` when its lane is held.
    pub async fn set_change(&mut self, c: &mut Change) -> Result<()> {
        if c.state.is_final() && c.progress.before.is_some() {
            self.note_remains(c).await?;
        }
        let done = sqlx::query(
            "update changes set state = $3, version = version + 1, plan = $4, plan_hash = $5, progress = $6, sentence = $7, release = $8, template_version = $9,
             rolled_back_by = $10, started_at = $11, finished_at = $12, expires_at = $13, due_at = $14, rollback_of = $15
             where number = $1 and version = $2 and state not in ('succeeded', 'failed', 'cancelled', 'undone', 'undo_failed', 'rejected', 'expired', 'superseded')",
        )
        .bind(c.number)
        .bind(c.version)
        .bind(c.state.name())
        .bind(serde_json::to_string(&c.plan)?)
        .bind(c.plan_hash.clone())
        .bind(serde_json::to_string(&c.progress)?)
        .bind(c.sentence.clone())
        .bind(c.release)
        .bind(c.template_version)
        .bind(c.rolled_back_by)
        .bind(c.started_at)
        .bind(c.finished_at)
        .bind(c.expires_at)
        .bind(c.due_at)
        .bind(c.rollback_of)
        .execute(self.conn())
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Moved);
        }
        c.version += 1;
        Ok(())
    }

    /// Notes on a finished change which one took it back. The one column that may change after the end.
    ///
    /// # Errors
    /// Of the database.
    pub async fn set_rolled_back_by(&mut self, number: i64, by: i64) -> Result<()> {
        sqlx::query("update changes set rolled_back_by = $2 where number = $1").bind(number).bind(by).execute(self.conn()).await?;
        Ok(())
    }

    /// Reads a change inside the transaction.
    ///
    /// # Errors
    /// Of the database.
    pub async fn get_change(&mut self, number: i64) -> Result<Change> {
        let row: Option<Row> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where number = $1"))).bind(number).fetch_optional(self.conn()).await?;
        row.ok_or(StoreError::Moved)?.try_into()
    }

    /// Notes a decision.
    ///
    /// # Errors
    /// `Duplicate` when this person decided on this plan already.
    pub async fn insert_approval(&mut self, number: i64, a: &Approval) -> Result<()> {
        sqlx::query("insert into approvals (change, person, decision, plan_hash, comment, at) values ($1, $2, $3, $4, $5, $6)")
            .bind(number)
            .bind(a.person.clone())
            .bind(a.decision.clone())
            .bind(a.plan_hash.clone())
            .bind(a.comment.clone())
            .bind(a.at)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Persons who approved this plan.
    ///
    /// # Errors
    /// Of the database.
    pub async fn approvers(&mut self, number: i64, plan_hash: &str) -> Result<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("select person from approvals where change = $1 and plan_hash = $2 and decision = 'approve' order by at")
                .bind(number)
                .bind(plan_hash.to_owned())
                .fetch_all(self.conn())
                .await?;
        Ok(rows.into_iter().map(|(p,)| p).collect())
    }

    /// Begins `step`, or counts another attempt of it; the step that ran before is ended as done.
    ///
    /// # Errors
    /// Of the database.
    pub async fn begin_step(&mut self, number: i64, step: Step, attempt: bool) -> Result<()> {
        let now = self.now();
        let last: Option<(i64, String, String)> =
            sqlx::query_as("select position, step, state from steps where change = $1 order by position desc limit 1")
                .bind(number)
                .fetch_optional(self.conn())
                .await?;
        if let Some((position, name, state)) = &last {
            if name == step.name() && state == "running" {
                if attempt {
                    sqlx::query("update steps set attempts = attempts + 1 where change = $1 and position = $2")
                        .bind(number)
                        .bind(position)
                        .execute(self.conn())
                        .await?;
                }
                return Ok(());
            }
            if state == "running" {
                sqlx::query("update steps set state = 'done', finished_at = $3 where change = $1 and position = $2")
                    .bind(number)
                    .bind(position)
                    .bind(now)
                    .execute(self.conn())
                    .await?;
            }
        }
        let position = last.map_or(1, |(p, ..)| p + 1);
        sqlx::query("insert into steps (change, position, step, state, attempts, started_at) values ($1, $2, $3, 'running', $4, $5)")
            .bind(number)
            .bind(position)
            .bind(step.name())
            .bind(i64::from(attempt))
            .bind(now)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Ends the running step, if any.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_step(&mut self, number: i64, state: &'static str, sentence: &str) -> Result<()> {
        let now = self.now();
        sqlx::query("update steps set state = $2, sentence = $3, finished_at = $4 where change = $1 and state = 'running'")
            .bind(number)
            .bind(state)
            .bind(sentence.to_owned())
            .bind(now)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Keeps which change a key made.
    ///
    /// # Errors
    /// `Duplicate` when the key was used meanwhile.
    pub async fn insert_idempotent(&mut self, actor: &str, key: &str, body_hash: &str, change: i64) -> Result<()> {
        let now = self.now();
        sqlx::query("insert into idempotency (actor, key, body_hash, change, at) values ($1, $2, $3, $4, $5)")
            .bind(actor.to_owned())
            .bind(key.to_owned())
            .bind(body_hash.to_owned())
            .bind(change)
            .bind(now)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Changes of a lane that are not final, oldest first, inside the transaction.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_open(&mut self, env: i64, lane: Lane) -> Result<Vec<Change>> {
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where env = $1 and lane = $2 and state in ('awaiting_approval', 'scheduled', 'queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention') order by number"
        )))
        .bind(env)
        .bind(lane.name())
        .fetch_all(self.conn())
        .await?;
        rows.into_iter().map(Change::try_from).collect()
    }

    /// The newest change that brought a release to an environment.
    ///
    /// # Errors
    /// Of the database.
    pub async fn change_of_release(&mut self, env: i64, release: Option<i64>) -> Result<Option<i64>> {
        let row: Option<(i64,)> = sqlx::query_as(
            "select number from changes where env = $1 and release = $2 and state = 'succeeded' and kind in ('deploy', 'rollback') order by number desc limit 1",
        )
        .bind(env)
        .bind(release)
        .fetch_optional(self.conn())
        .await?;
        Ok(row.map(|(n,)| n))
    }

    /// Tells the streams of a change and of its environment where it stands.
    ///
    /// # Errors
    /// Of the database.
    pub async fn announce(&mut self, c: &Change) -> Result<()> {
        self.event(&c.topic(), Some(c.number), Some(&c.sentence)).await?;
        self.event(&format!("env-{}", c.env), None, None).await
    }
}
