//! What others changed in AWS, and the baseline that it is told from.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::change::{Kind, Progress, Step};
use crate::domain::foreign::{self, Baseline, Ours, Sighting};
use crate::domain::observation::{Millis, Observation};
use crate::domain::problem::Problem;

/// A sighting as stored.
#[derive(Clone, Debug, FromRow)]
pub struct SightingRow {
    /// Row id.
    pub id: i64,
    /// Environment's row id.
    pub env: i64,
    /// Wall clock of the look.
    pub at: Millis,
    /// What, as in [`Sighting::what`].
    pub what: String,
    /// Before.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
    /// AWS's words.
    pub cause: Option<String>,
    /// The change that puts it back, or did.
    pub settled_by: Option<i64>,
}

impl SightingRow {
    /// Without the row.
    pub fn sighting(&self) -> Sighting {
        Sighting { what: self.what.clone(), before: self.before.clone(), after: self.after.clone(), cause: self.cause.clone() }
    }
}

// A change that ended without putting it back settles nothing: the button is there again.
const COLUMNS: &str = "select s.id, s.env, s.at, s.what, s.before, s.after, s.cause,
    case when c.state in ('failed', 'cancelled', 'undone', 'undo_failed', 'rejected', 'expired', 'superseded') then null else s.settled_by end as settled_by
    from sightings s left join changes c on c.number = s.settled_by";

impl Store {
    /// The newest sightings of an environment, newest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_sightings(&self, env: i64, limit: i64) -> Result<Vec<SightingRow>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where s.env = $1 order by s.id desc limit $2")))
            .bind(env)
            .bind(limit)
            .fetch_all(self.reads())
            .await?)
    }

    /// One sighting.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_sighting(&self, id: i64) -> Result<Option<SightingRow>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where s.id = $1"))).bind(id).fetch_optional(self.reads()).await?)
    }
}

#[derive(FromRow)]
struct Recent {
    kind: String,
    progress: String,
}

impl WriteTx {
    /// Notes which change puts a sighting back.
    ///
    /// # Errors
    /// `Conflict` naming the one that does so already.
    pub async fn settle_sighting(&mut self, id: i64, change: i64) -> Result<()> {
        let row: Option<SightingRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where s.id = $1"))).bind(id).fetch_optional(self.conn()).await?;
        if let Some(first) = row.and_then(|s| s.settled_by) {
            return Err(Problem::busy(format!("#{first} puts this back already."), first).into());
        }
        sqlx::query("update sightings set settled_by = $2 where id = $1").bind(id).bind(change).execute(self.conn()).await?;
        Ok(())
    }

    /// Tells what others did since the last look, and moves the baseline. `since`: changes of ours that ended before (wall clock) no
    /// longer explain a difference. `same`: nothing but the time differs from the look before.
    ///
    /// # Errors
    /// Of the database.
    pub async fn sight(&mut self, env: i64, obs: &Observation, since: Millis, same: bool) -> Result<()> {
        let old: Option<(String,)> = sqlx::query_as("select body from baselines where env = $1").bind(env).fetch_optional(self.conn()).await?;
        let old: Option<Baseline> = old.map(|(body,)| serde_json::from_str(&body)).transpose()?;
        // Nothing is new, and nothing waits for more time to pass.
        if same && old.as_ref().is_some_and(|b| b.left.is_empty() && b.unexplained_since.is_none()) {
            return Ok(());
        }
        let (ours, running) = self.ours(env, since).await?;
        let (new, found) = foreign::compare(old.clone(), obs, &ours);
        if old.as_ref() != Some(&new) {
            sqlx::query("insert into baselines (env, body) values ($1, $2) on conflict (env) do update set body = excluded.body")
                .bind(env)
                .bind(serde_json::to_string(&new)?)
                .execute(self.conn())
                .await?;
        }
        for s in found {
            let id = self.number("sighting").await?;
            let now = self.now();
            sqlx::query("insert into sightings (id, env, at, cloud_at, what, before, after, cause) values ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(id)
                .bind(env)
                .bind(now)
                .bind(obs.at)
                .bind(s.what.clone())
                .bind(s.before.clone())
                .bind(s.after.clone())
                .bind(s.cause.clone())
                .execute(self.conn())
                .await?;
            let sentence = format!("Not by Fleetgate: {}.", s.sentence());
            self.event(&format!("env-{env}"), None, Some(&sentence)).await?;
            if let Some(number) = running {
                self.event(&format!("change-{number}"), Some(number), Some(&sentence)).await?;
            }
        }
        Ok(())
    }

    /// What Fleetgate did or is doing in an environment, and the change that holds its main lane.
    async fn ours(&mut self, env: i64, since: Millis) -> Result<(Ours, Option<i64>)> {
        let mut ours = Ours::default();
        let changes: Vec<Recent> = sqlx::query_as(
            "select kind, progress from changes where env = $1 and started_at is not null and (finished_at is null or finished_at > $2)",
        )
        .bind(env)
        .bind(since)
        .fetch_all(self.conn())
        .await?;
        for c in &changes {
            let progress: Progress = serde_json::from_str(&c.progress)?;
            if c.kind != Kind::Refresh.name() {
                ours.refreshes.extend(progress.refresh.into_iter().chain(progress.undo_refresh));
            }
        }
        let acts: Vec<(String, String)> = sqlx::query_as(
            "select a.step, a.detail from acts a join changes c on c.number = a.change
             where c.env = $1 and (a.done_at is null or a.done_at > $2 or c.finished_at is null or c.finished_at > $2) and a.state in ('intended', 'unknown', 'done', 'adopted')",
        )
        .bind(env)
        .bind(since)
        .fetch_all(self.conn())
        .await?;
        for (step, detail) in acts {
            if let Some(step) = Step::parse(&step) {
                sent(&mut ours, step, &serde_json::from_str(&detail)?);
            }
        }
        let running: Option<(i64,)> = sqlx::query_as(
            "select number from changes where env = $1 and state in ('running', 'baking', 'cancelling', 'undoing', 'needs_attention') order by lane limit 1",
        )
        .bind(env)
        .fetch_optional(self.conn())
        .await?;
        Ok((ours, running.map(|(n,)| n)))
    }
}

/// What an act sent, by the detail that was written before it.
fn sent(ours: &mut Ours, step: Step, detail: &serde_json::Value) {
    let number = |name: &str| detail[name].as_i64();
    let launches = |version: i64| format!("{} {version}", detail["template"].as_str().unwrap_or_default());
    let processes = || detail["processes"].as_array().into_iter().flatten().filter_map(|p| p.as_str());
    match step {
        Step::SetCapacity => {
            for key in ["min", "desired", "max"] {
                if let Some(n) = number(key) {
                    ours.send(key, n.to_string());
                    // AWS moves desired into the new limits by itself.
                    ours.send("desired", n.to_string());
                }
            }
        }
        Step::TerminateInstance => {
            ours.terminated.extend(detail["instance"].as_str().map(str::to_owned));
            if detail["shrink"] == true {
                ours.send("desired", "*");
            }
        }
        Step::StartRefresh | Step::StartUndo => {
            if let Some(v) = number("version") {
                ours.versions.insert(v);
                ours.send("template", launches(v));
            }
        }
        Step::PinCurrent | Step::PinVersion | Step::SetGroup => {
            if let Some(v) = number("version") {
                ours.send("template", launches(v));
            }
            if let Some(n) = number("grace_seconds") {
                ours.send("grace_seconds", n.to_string());
            }
            if let Some(kind) = detail["health_check"].as_str() {
                ours.send("health_check", kind);
            }
        }
        Step::Suspend => processes().for_each(|p| ours.send(format!("suspended/{p}"), "suspended")),
        Step::Resume => processes().for_each(|p| ours.send(format!("suspended/{p}"), "")),
        _ => {}
    }
}

impl Store {
    /// Ids of the refreshes that Fleetgate's newest changes started here.
    ///
    /// # Errors
    /// Of the database.
    pub async fn own_refreshes(&self, env: i64) -> Result<BTreeSet<String>> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "select progress from changes where env = $1 and started_at is not null and kind in ('deploy', 'rollback', 'replace') order by number desc limit 50",
        )
        .bind(env)
        .fetch_all(self.reads())
        .await?;
        let mut out = BTreeSet::new();
        for (text,) in rows {
            let p: Progress = serde_json::from_str(&text)?;
            out.extend(p.refresh.into_iter().chain(p.undo_refresh));
        }
        Ok(out)
    }
}
