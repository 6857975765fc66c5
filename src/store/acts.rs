//! Acts: one row for each mutating AWS call, written before it is sent.
//!
//! States: `intended` (may or may not have reached AWS), `unknown` (sent, the answer was lost), then one of `done`, `adopted`
//! (found done by looking), `refused` (AWS said no, nothing was done), `not_done` (found not done by looking twice).

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::change::Step;
use crate::domain::observation::Millis;

/// One intended call.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub struct ActRow {
    /// Row id.
    pub id: i64,
    /// Its change.
    pub change: i64,
    /// Its step.
    pub step: String,
    /// 1, 2, …
    pub attempt: i64,
    /// AWS service.
    pub service: String,
    /// AWS operation.
    pub operation: String,
    /// What was sent, as JSON, without user data.
    pub detail: String,
    /// See the module.
    pub state: String,
    /// Cloud clock of the first look that did not find it done.
    pub look_at: Option<Millis>,
    /// What came of it.
    pub result: Option<String>,
    /// AWS's request id.
    pub aws_request: Option<String>,
    /// Wall clock.
    pub at: Millis,
    /// Wall clock.
    pub done_at: Option<Millis>,
}

const COLUMNS: &str = "select id, change, step, attempt, service, operation, detail, state, look_at, result, aws_request, at, done_at from acts";

impl Store {
    /// The act whose outcome is not known yet, if there is one.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_open_act(&self, change: i64) -> Result<Option<ActRow>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where change = $1 and state in ('intended', 'unknown') order by id desc limit 1")))
            .bind(change)
            .fetch_optional(self.reads())
            .await?)
    }

    /// Acts without outcome whose change is final.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_open_acts_of_closed(&self) -> Result<Vec<ActRow>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where state in ('intended', 'unknown') and change in (select number from changes
             where state in ('succeeded', 'failed', 'cancelled', 'undone', 'undo_failed', 'rejected', 'expired', 'superseded')) order by id limit 20"
        )))
        .fetch_all(self.reads())
        .await?)
    }

    /// All acts of a change, in order.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_acts(&self, change: i64) -> Result<Vec<ActRow>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where change = $1 order by id"))).bind(change).fetch_all(self.reads()).await?)
    }
}

impl WriteTx {
    /// Writes the intent of a call; returns its id and attempt number.
    ///
    /// # Errors
    /// Of the database.
    pub async fn insert_act(
        &mut self,
        change: i64,
        step: Step,
        service: &'static str,
        operation: &'static str,
        detail: String,
    ) -> Result<(i64, i64)> {
        let id = self.number("act").await?;
        let now = self.now();
        let (before,): (i64,) =
            sqlx::query_as("select count(*) from acts where change = $1 and step = $2").bind(change).bind(step.name()).fetch_one(self.conn()).await?;
        let (epoch,): (i64,) = sqlx::query_as("select epoch from heads where id = 1").fetch_one(self.conn()).await?;
        sqlx::query("insert into acts (id, change, step, attempt, service, operation, detail, state, epoch, at) values ($1, $2, $3, $4, $5, $6, $7, 'intended', $8, $9)")
            .bind(id)
            .bind(change)
            .bind(step.name())
            .bind(before + 1)
            .bind(service)
            .bind(operation)
            .bind(detail)
            .bind(epoch)
            .bind(now)
            .execute(self.conn())
            .await?;
        Ok((id, before + 1))
    }

    /// Writes what came of it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn set_act(&mut self, id: i64, state: &'static str, result: &str, aws_request: Option<String>) -> Result<()> {
        let now = self.now();
        let done = (state != "unknown").then_some(now);
        sqlx::query("update acts set state = $2, result = $3, aws_request = coalesce($4, aws_request), done_at = $5 where id = $1 and state in ('intended', 'unknown')")
            .bind(id)
            .bind(state)
            .bind(result.to_owned())
            .bind(aws_request)
            .bind(done)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Notes the first look that did not find it done (cloud clock).
    ///
    /// # Errors
    /// Of the database.
    pub async fn set_act_looked(&mut self, id: i64, at: Millis) -> Result<()> {
        sqlx::query("update acts set look_at = $2 where id = $1 and look_at is null").bind(id).bind(at).execute(self.conn()).await?;
        Ok(())
    }
}
