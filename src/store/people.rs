//! People, their grants and their sessions.

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::access::{Grants, Role};
use crate::domain::observation::Millis;

/// A person.
#[derive(Clone, Debug, FromRow)]
pub struct Person {
    /// Row id.
    pub id: i64,
    /// Name to sign in with.
    pub name: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// May no longer sign in, since.
    pub disabled_at: Option<Millis>,
}

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
}

impl Store {
    /// By name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_person(&self, name: &str) -> Result<Option<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at from people where name = $1")
            .bind(name.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// By row id.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_person_by_id(&self, id: i64) -> Result<Option<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at from people where id = $1").bind(id).fetch_optional(self.reads()).await?)
    }

    /// All, by name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_people(&self) -> Result<Vec<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at from people order by name").fetch_all(self.reads()).await?)
    }

    /// What a person may do.
    ///
    /// # Errors
    /// Of the database.
    pub async fn grants(&self, person: i64) -> Result<Grants> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("select scope, role from grants where person = $1 order by scope, role").bind(person).fetch_all(self.reads()).await?;
        let mut out = Grants::new();
        for (scope, role) in rows {
            // A role that this program does not know grants nothing.
            if let Ok(role) = role.parse::<Role>() {
                out.entry(scope).or_default().push(role);
            }
        }
        Ok(out)
    }

    /// Persons, not disabled, who hold admin everywhere.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_admins(&self) -> Result<i64> {
        let (n,): (i64,) = sqlx::query_as(
            "select count(*) from people p join grants g on g.person = p.id where g.role = 'admin' and g.scope = '*' and p.disabled_at is null",
        )
        .fetch_one(self.reads())
        .await?;
        Ok(n)
    }

    /// A live session by the hash of its token.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_session(&self, token_hash: &str) -> Result<Option<Session>> {
        Ok(sqlx::query_as("select person, created_at, last_seen_at, expires_at from sessions where token_hash = $1")
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
    /// Inserts a person.
    ///
    /// # Errors
    /// `Duplicate` when the name is taken.
    pub async fn insert_person(&mut self, name: &str, password_hash: &str, grants: &Grants) -> Result<i64> {
        let id = self.number("person").await?;
        let now = self.now();
        sqlx::query("insert into people (id, name, password_hash, created_at) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(name.to_owned())
            .bind(password_hash.to_owned())
            .bind(now)
            .execute(self.conn())
            .await?;
        for (scope, roles) in grants {
            for role in roles {
                sqlx::query("insert into grants (person, scope, role) values ($1, $2, $3) on conflict (person, scope, role) do nothing")
                    .bind(id)
                    .bind(scope.clone())
                    .bind(role.name())
                    .execute(self.conn())
                    .await?;
            }
        }
        Ok(id)
    }

    /// Disables a person and ends their sessions.
    ///
    /// # Errors
    /// Of the database.
    pub async fn disable_person(&mut self, id: i64) -> Result<()> {
        let now = self.now();
        sqlx::query("update people set disabled_at = $2 where id = $1 and disabled_at is null").bind(id).bind(now).execute(self.conn()).await?;
        self.end_sessions(id).await
    }

    /// Sets a new password hash and ends the person's sessions.
    ///
    /// # Errors
    /// Of the database.
    pub async fn set_password(&mut self, id: i64, password_hash: &str) -> Result<()> {
        sqlx::query("update people set password_hash = $2 where id = $1").bind(id).bind(password_hash.to_owned()).execute(self.conn()).await?;
        self.end_sessions(id).await
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
