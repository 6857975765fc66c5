//! People, their roles and their setup links.

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
    /// Argon2id, PHC string; empty = none was chosen yet, or it is void.
    pub password_hash: String,
    /// May no longer sign in, since.
    pub disabled_at: Option<Millis>,
    /// Wall clock.
    pub created_at: Millis,
}

/// A link by which a person chooses their own password.
#[derive(Clone, Debug, FromRow)]
pub struct SetupLink {
    /// Whose.
    pub person: i64,
    /// Who made it.
    pub created_by: String,
    /// Wall clock.
    pub expires_at: Millis,
}

const COUNT_ADMINS: &str =
    "select count(*) from people p join grants g on g.person = p.id where g.role = 'admin' and g.scope = '*' and p.disabled_at is null";

impl Store {
    /// By name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_person(&self, name: &str) -> Result<Option<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at, created_at from people where name = $1")
            .bind(name.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// By row id.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_person_by_id(&self, id: i64) -> Result<Option<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at, created_at from people where id = $1")
            .bind(id)
            .fetch_optional(self.reads())
            .await?)
    }

    /// All, by name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_people(&self) -> Result<Vec<Person>> {
        Ok(sqlx::query_as("select id, name, password_hash, disabled_at, created_at from people order by name").fetch_all(self.reads()).await?)
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

    /// Everybody's roles: person's row id, scope, role.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_grants(&self) -> Result<Vec<(i64, String, String)>> {
        Ok(sqlx::query_as("select person, scope, role from grants order by person, scope, role").fetch_all(self.reads()).await?)
    }

    /// Persons, not disabled, who hold admin everywhere.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_admins(&self) -> Result<i64> {
        let (n,): (i64,) = sqlx::query_as(COUNT_ADMINS).fetch_one(self.reads()).await?;
        Ok(n)
    }

    /// A setup link by the hash of its secret.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_setup_link(&self, token_hash: &str) -> Result<Option<SetupLink>> {
        Ok(sqlx::query_as("select person, created_by, expires_at from setup_links where token_hash = $1")
            .bind(token_hash.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// All open setup links.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_setup_links(&self) -> Result<Vec<SetupLink>> {
        Ok(sqlx::query_as("select person, created_by, expires_at from setup_links").fetch_all(self.reads()).await?)
    }
}

impl WriteTx {
    /// Inserts a person, without a password.
    ///
    /// # Errors
    /// `Duplicate` when the name is taken.
    pub async fn insert_person(&mut self, name: &str, grants: &Grants) -> Result<i64> {
        let id = self.number("person").await?;
        let now = self.now();
        sqlx::query("insert into people (id, name, password_hash, created_at) values ($1, $2, '', $3)")
            .bind(id)
            .bind(name.to_owned())
            .bind(now)
            .execute(self.conn())
            .await?;
        for (scope, roles) in grants {
            for role in roles {
                self.insert_grant(id, scope, *role).await?;
            }
        }
        Ok(id)
    }

    /// Gives a role.
    ///
    /// # Errors
    /// Of the database.
    pub async fn insert_grant(&mut self, person: i64, scope: &str, role: Role) -> Result<()> {
        sqlx::query("insert into grants (person, scope, role) values ($1, $2, $3) on conflict (person, scope, role) do nothing")
            .bind(person)
            .bind(scope.to_owned())
            .bind(role.name())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Takes a role away. `false`: the person did not have it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn delete_grant(&mut self, person: i64, scope: &str, role: Role) -> Result<bool> {
        let done = sqlx::query("delete from grants where person = $1 and scope = $2 and role = $3")
            .bind(person)
            .bind(scope.to_owned())
            .bind(role.name())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Persons, not disabled, who hold admin everywhere, as this write leaves it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_admins(&mut self) -> Result<i64> {
        let (n,): (i64,) = sqlx::query_as(COUNT_ADMINS).fetch_one(self.conn()).await?;
        Ok(n)
    }

    /// Keeps a setup link; an earlier one of the same person opens nothing any more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn insert_setup_link(&mut self, person: i64, token_hash: &str, created_by: &str, expires_at: Millis) -> Result<()> {
        let now = self.now();
        sqlx::query("delete from setup_links where person = $1").bind(person).execute(self.conn()).await?;
        sqlx::query("insert into setup_links (person, token_hash, created_by, created_at, expires_at) values ($1, $2, $3, $4, $5)")
            .bind(person)
            .bind(token_hash.to_owned())
            .bind(created_by.to_owned())
            .bind(now)
            .bind(expires_at)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Uses a setup link up. `false`: it was used meanwhile.
    ///
    /// # Errors
    /// Of the database.
    pub async fn use_setup_link(&mut self, token_hash: &str) -> Result<bool> {
        let done = sqlx::query("delete from setup_links where token_hash = $1").bind(token_hash.to_owned()).execute(self.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether a password that was just compared is still the person's, and they may sign in: somebody may have reset it meanwhile.
    ///
    /// # Errors
    /// Of the database.
    pub async fn still_opens(&mut self, person: i64, password_hash: &str) -> Result<bool> {
        let found: Option<(String,)> =
            sqlx::query_as("select password_hash from people where id = $1 and disabled_at is null").bind(person).fetch_optional(self.conn()).await?;
        Ok(found.is_some_and(|(now,)| now == password_hash))
    }

    /// Lets a person in again.
    ///
    /// # Errors
    /// Of the database.
    pub async fn enable_person(&mut self, id: i64) -> Result<()> {
        sqlx::query("update people set disabled_at = null where id = $1").bind(id).execute(self.conn()).await?;
        Ok(())
    }

    /// Disables a person and ends their sessions and their setup link.
    ///
    /// # Errors
    /// Of the database.
    pub async fn disable_person(&mut self, id: i64) -> Result<()> {
        let now = self.now();
        sqlx::query("update people set disabled_at = $2 where id = $1 and disabled_at is null").bind(id).bind(now).execute(self.conn()).await?;
        sqlx::query("delete from setup_links where person = $1").bind(id).execute(self.conn()).await?;
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
}
