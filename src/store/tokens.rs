//! API tokens: only their hashes are kept.

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::observation::Millis;

/// A token.
#[derive(Clone, Debug, FromRow)]
pub struct Token {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `*`, or `app/env` separated by spaces.
    pub scopes: String,
    /// Wall clock.
    pub expires_at: Millis,
    /// Wall clock.
    pub revoked_at: Option<Millis>,
    /// Who made it.
    pub created_by: String,
    /// Wall clock.
    pub created_at: Millis,
}

impl Store {
    /// By the hash of the token.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_token(&self, token_hash: &str) -> Result<Option<Token>> {
        Ok(sqlx::query_as("select id, name, scopes, expires_at, revoked_at, created_by, created_at from tokens where token_hash = $1")
            .bind(token_hash.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// By its name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_token_by_name(&self, name: &str) -> Result<Option<Token>> {
        Ok(sqlx::query_as("select id, name, scopes, expires_at, revoked_at, created_by, created_at from tokens where name = $1")
            .bind(name.to_owned())
            .fetch_optional(self.reads())
            .await?)
    }

    /// All, newest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_tokens(&self) -> Result<Vec<Token>> {
        Ok(sqlx::query_as("select id, name, scopes, expires_at, revoked_at, created_by, created_at from tokens order by id desc")
            .fetch_all(self.reads())
            .await?)
    }
}

impl WriteTx {
    /// Inserts a token.
    ///
    /// # Errors
    /// `Duplicate` when the name is taken.
    pub async fn insert_token(&mut self, name: &str, token_hash: &str, scopes: &str, created_by: &str, expires_at: Millis) -> Result<i64> {
        let id = self.number("token").await?;
        let now = self.now();
        sqlx::query("insert into tokens (id, name, token_hash, scopes, created_by, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id)
            .bind(name.to_owned())
            .bind(token_hash.to_owned())
            .bind(scopes.to_owned())
            .bind(created_by.to_owned())
            .bind(now)
            .bind(expires_at)
            .execute(self.conn())
            .await?;
        Ok(id)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// Of the database.
    pub async fn revoke_token(&mut self, id: i64) -> Result<()> {
        let now = self.now();
        sqlx::query("update tokens set revoked_at = $2 where id = $1 and revoked_at is null").bind(id).bind(now).execute(self.conn()).await?;
        Ok(())
    }
}
