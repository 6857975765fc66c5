//! The local copy of what ECR holds.

use super::{Result, Store};
use crate::domain::observation::{Image, Millis};

/// The images of an application as they were read last.
#[derive(Clone, Debug)]
pub struct Images {
    /// Newest first.
    pub images: Vec<Image>,
    /// Wall clock of the read.
    pub at: Millis,
    /// Why the last try since failed.
    pub failure: Option<String>,
}

impl Store {
    /// What was read last; `None` before the first read.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_images(&self, app: &str) -> Result<Option<Images>> {
        let row: Option<(i64, String, Option<String>)> =
            sqlx::query_as("select at, body, failure from images where app = $1").bind(app.to_owned()).fetch_optional(self.reads()).await?;
        row.map(|(at, body, failure)| Ok(Images { images: serde_json::from_str(&body)?, at, failure })).transpose()
    }

    /// Keeps a read. Pages hear of it when something is new.
    ///
    /// # Errors
    /// Of the database.
    pub async fn keep_images(&self, app: &str, images: Vec<Image>) -> Result<()> {
        let app = app.to_owned();
        self.keep(move |tx| {
            Box::pin(async move {
                let body = serde_json::to_string(&images)?;
                let old: Option<(String,)> =
                    sqlx::query_as("select body from images where app = $1").bind(app.clone()).fetch_optional(tx.conn()).await?;
                let now = tx.now();
                sqlx::query(
                    "insert into images (app, at, body) values ($1, $2, $3) on conflict (app) do update set at = excluded.at, body = excluded.body, failure = null",
                )
                .bind(app.clone())
                .bind(now)
                .bind(body.clone())
                .execute(tx.conn())
                .await?;
                if old.is_none_or(|(b,)| b != body) {
                    tx.event(&format!("app-{app}"), None, None).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes that a read failed.
    ///
    /// # Errors
    /// Of the database.
    pub async fn miss_images(&self, app: &str, why: String) -> Result<()> {
        let app = app.to_owned();
        self.keep(move |tx| {
            Box::pin(async move {
                sqlx::query("update images set failure = $2 where app = $1").bind(app).bind(why).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
    }
}
