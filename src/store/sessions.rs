//! Sessions, and the wrong tries to open one.

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::observation::Millis;

/// A session as looked up by its cookie.
#[derive(Clone, Debug, FromRow)]
pub struct Session {
    /// Whose.
    pub person: i64,
    /// Wall clock.
    pub created_at: Millis,
    /// Wall clock, to the minute.
    pub last_seen_at: Millis,
    /// Wall clock: absolute end.
    pub expires_at: Millis,
    /// Hash of its secret. Its [`handle`](Session::handle) names it on a page.
    pub token_hash: String,
    /// Address that it was opened from.
    pub address: Option<String>,
    /// Browser that it was opened with.
    pub user_agent: Option<String>,
}

/// Characters of the hash that name a session.
const HANDLE: usize = 16;

impl Session {
    /// Names the session to its owner: the beginning of its hash, which opens nothing.
    pub fn handle(&self) -> &str {
        self.token_hash.get(..HANDLE).unwrap_or_default()
    }
}

impl Store {
    /// Sessions of a person, last used first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_sessions(&self, person: i64) -> Result<Vec<Session>> {
        Ok(sqlx::query_as(
            "select person, created_at, last_seen_at, expires_at, token_hash, address, user_agent from sessions where person = $1
             order by last_seen_at desc, token_hash",
        )
        .bind(person)
        .fetch_all(self.reads())
        .await?)
    }

    /// A live session by the hash of its token.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_session(&self, token_hash: &str) -> Result<Option<Session>> {
        Ok(sqlx::query_as("select person, created_at, last_seen_at, expires_at, token_hash, address, user_agent from sessions where token_hash = $1")
            .bind(token_hash.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// Notes that a session was used. Called at most once a minute a session.
    ///
    /// # Errors
    /// Of the database.
    pub async fn touch_session(&self, token_hash: &str) -> Result<()> {
        let hash = token_hash.to_owned();
        self.keep(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                sqlx::query("update sessions set last_seen_at = $2 where token_hash = $1").bind(hash).bind(now).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
    }
}

impl WriteTx {
    /// Ends a session of a person by its handle. `false`: there is none.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_session_named(&mut self, person: i64, handle: &str) -> Result<bool> {
        let done = sqlx::query("delete from sessions where person = $1 and substr(token_hash, 1, 16) = $2")
            .bind(person)
            .bind(handle.to_owned())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all sessions of a person but one.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_other_sessions(&mut self, person: i64, kept: &str) -> Result<()> {
        sqlx::query("delete from sessions where person = $1 and token_hash <> $2").bind(person).bind(kept.to_owned()).execute(self.conn()).await?;
        Ok(())
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_sessions(&mut self, person: i64) -> Result<()> {
        sqlx::query("delete from sessions where person = $1").bind(person).execute(self.conn()).await?;
        Ok(())
    }

    /// Ends one session.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_session(&mut self, token_hash: &str) -> Result<()> {
        sqlx::query("delete from sessions where token_hash = $1").bind(token_hash.to_owned()).execute(self.conn()).await?;
        Ok(())
    }

    /// Inserts a session; expired ones are dropped with it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn insert_session(
        &mut self,
        token_hash: &str,
        person: i64,
        expires_at: Millis,
        address: Option<String>,
        agent: Option<String>,
    ) -> Result<()> {
        let now = self.now();
        sqlx::query("delete from sessions where expires_at < $1").bind(now).execute(self.conn()).await?;
        sqlx::query("insert into sessions (token_hash, person, created_at, last_seen_at, expires_at, address, user_agent) values ($1, $2, $3, $3, $4, $5, $6)")
            .bind(token_hash.to_owned())
            .bind(person)
            .bind(now)
            .bind(expires_at)
            .bind(address)
            .bind(agent)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Counts a wrong try within `window_ms`; an older count begins anew.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_login_failure(&mut self, subject: &str, window_ms: Millis) -> Result<()> {
        let now = self.now();
        sqlx::query(
            "insert into login_failures (subject, failures, since) values ($1, 1, $2) on conflict (subject) do update set
             failures = case when login_failures.since < $3 then 1 else login_failures.failures + 1 end,
             since = case when login_failures.since < $3 then $2 else login_failures.since end",
        )
        .bind(subject.to_owned())
        .bind(now)
        .bind(now - window_ms)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Tries of a subject and when they began.
    ///
    /// # Errors
    /// Of the database.
    pub async fn login_failures(&mut self, subject: &str) -> Result<(i64, Millis)> {
        let row: Option<(i64, i64)> = sqlx::query_as("select failures, since from login_failures where subject = $1")
            .bind(subject.to_owned())
            .fetch_optional(self.conn())
            .await?;
        Ok(row.unwrap_or((0, 0)))
    }

    /// Takes one try of a subject back: it was right.
    ///
    /// # Errors
    /// Of the database.
    pub async fn forgive_login(&mut self, subject: &str) -> Result<()> {
        sqlx::query("update login_failures set failures = failures - 1 where subject = $1 and failures > 0")
            .bind(subject.to_owned())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Forgets the wrong tries of a subject.
    ///
    /// # Errors
    /// Of the database.
    pub async fn clear_login_failures(&mut self, subject: &str) -> Result<()> {
        sqlx::query("delete from login_failures where subject = $1").bind(subject.to_owned()).execute(self.conn()).await?;
        Ok(())
    }
}
