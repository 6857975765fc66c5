//! Debts: temporary alterations of AWS, one row each, written before the call that makes them.
//!
//! States: `owed` (made, or may have been made), `paid`. A row is paid when AWS accepted the way back, or a look found it back.

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::observation::Millis;

/// One debt.
#[derive(Clone, Debug, FromRow, serde::Serialize, utoipa::ToSchema)]
pub struct Debt {
    /// Row id.
    pub id: i64,
    /// Environment's row id.
    #[serde(skip)]
    pub env: i64,
    /// The change that made it.
    pub change: i64,
    /// What was altered, such as `suspended/AZRebalance`.
    pub what: String,
    /// The value before; absent = was not so.
    pub before: Option<String>,
    /// The temporary value.
    pub after: Option<String>,
    /// `owed` or `paid`.
    pub state: String,
    /// Wall clock.
    #[serde(skip)]
    pub at: Millis,
    /// Wall clock.
    #[serde(skip)]
    pub paid_at: Option<Millis>,
    /// How it was paid.
    pub note: Option<String>,
}

impl Debt {
    /// The process that is suspended.
    pub fn process(&self) -> &str {
        self.what.strip_prefix("suspended/").unwrap_or(&self.what)
    }
    /// One sentence.
    pub fn sentence(&self) -> String {
        format!("{} was suspended for #{} and is to be resumed.", self.process(), self.change)
    }
}

const COLUMNS: &str = "select id, env, change, what, before, after, state, at, paid_at, note from debts";

impl Store {
    /// What is owed in an environment, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_owed(&self, env: i64) -> Result<Vec<Debt>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where env = $1 and state = 'owed' order by id")))
            .bind(env)
            .fetch_all(self.reads())
            .await?)
    }

    /// Every debt of a change, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_debts(&self, change: i64) -> Result<Vec<Debt>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} where change = $1 order by id"))).bind(change).fetch_all(self.reads()).await?)
    }

    /// What is owed by changes that have ended: nobody but the sweep pays it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_left_debts(&self) -> Result<Vec<Debt>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} where state = 'owed' and change in (select number from changes
             where state in ('succeeded', 'failed', 'cancelled', 'undone', 'undo_failed', 'rejected', 'expired', 'superseded')) order by id limit 50"
        )))
        .fetch_all(self.reads())
        .await?)
    }
}

impl WriteTx {
    /// Writes down what is about to be altered; once for each change and thing, however often the act is tried.
    ///
    /// # Errors
    /// Of the database.
    pub async fn owe(&mut self, env: i64, change: i64, what: &str, before: Option<&str>, after: &str) -> Result<()> {
        let known: Option<(i64,)> = sqlx::query_as("select id from debts where change = $1 and what = $2")
            .bind(change)
            .bind(what.to_owned())
            .fetch_optional(self.conn())
            .await?;
        if known.is_some() {
            return Ok(());
        }
        let id = self.number("debt").await?;
        let now = self.now();
        sqlx::query("insert into debts (id, env, change, what, before, after, state, at) values ($1, $2, $3, $4, $5, $6, 'owed', $7)")
            .bind(id)
            .bind(env)
            .bind(change)
            .bind(what.to_owned())
            .bind(before.map(str::to_owned))
            .bind(after.to_owned())
            .bind(now)
            .execute(self.conn())
            .await?;
        self.event(&format!("env-{env}"), None, None).await
    }

    /// Everything that a change owed is paid back.
    ///
    /// # Errors
    /// Of the database.
    pub async fn pay(&mut self, env: i64, change: i64, note: &str) -> Result<()> {
        let now = self.now();
        sqlx::query("update debts set state = 'paid', paid_at = $2, note = $3 where change = $1 and state = 'owed'")
            .bind(change)
            .bind(now)
            .bind(note.to_owned())
            .execute(self.conn())
            .await?;
        self.event(&format!("env-{env}"), None, None).await
    }
}
