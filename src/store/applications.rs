//! Applications.

use super::{Result, Store, WriteTx};
use crate::domain::application::Application;

impl Store {
    /// By name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_application(&self, name: &str) -> Result<Option<Application>> {
        let row: Option<(String, String)> =
            sqlx::query_as("select name, repository from applications where name = $1").bind(name.to_owned()).fetch_optional(self.reads()).await?;
        Ok(row.map(|(name, repository)| Application { name, repository }))
    }

    /// All, by name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_applications(&self) -> Result<Vec<Application>> {
        let rows: Vec<(String, String)> = sqlx::query_as("select name, repository from applications order by name").fetch_all(self.reads()).await?;
        Ok(rows.into_iter().map(|(name, repository)| Application { name, repository }).collect())
    }
}

impl WriteTx {
    /// Inserts one.
    ///
    /// # Errors
    /// `Duplicate` when the name is taken.
    pub async fn insert_application(&mut self, app: &Application) -> Result<()> {
        let now = self.now();
        sqlx::query("insert into applications (name, repository, created_at) values ($1, $2, $3)")
            .bind(app.name.clone())
            .bind(app.repository.clone())
            .bind(now)
            .execute(self.conn())
            .await?;
        sqlx::query("insert into counters (name, value) values ($1, 0)").bind(format!("release:{}", app.name)).execute(self.conn()).await?;
        Ok(())
    }
}
