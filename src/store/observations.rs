//! The local copy of AWS: what the observer saw last of each environment.

use std::collections::HashMap;

use super::{Result, Store, WriteTx};
use crate::domain::observation::{Millis, Observation, TemplateVersion};

/// The last look at an environment.
#[derive(Clone, Debug)]
pub struct LastLook {
    /// What was seen.
    pub observation: Observation,
    /// Wall clock of the look.
    pub at: Millis,
    /// Looks in a row that failed since.
    pub misses: i64,
    /// Why the last one failed.
    pub failure: Option<String>,
}

impl Store {
    /// What was seen last; `None` before the first look.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_observation(&self, env: i64) -> Result<Option<LastLook>> {
        let row: Option<(i64, String, i64, Option<String>)> =
            sqlx::query_as("select at, body, misses, failure from observations where env = $1").bind(env).fetch_optional(self.reads()).await?;
        row.map(|(at, body, misses, failure)| Ok(LastLook { observation: serde_json::from_str(&body)?, at, misses, failure })).transpose()
    }

    /// What was seen last of every environment, by its row id.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_observations(&self) -> Result<HashMap<i64, LastLook>> {
        let rows: Vec<(i64, i64, String, i64, Option<String>)> =
            sqlx::query_as("select env, at, body, misses, failure from observations").fetch_all(self.reads()).await?;
        rows.into_iter()
            .map(|(env, at, body, misses, failure)| Ok((env, LastLook { observation: serde_json::from_str(&body)?, at, misses, failure })))
            .collect()
    }

    /// Keeps a look, and tells what others changed since the one before. `lag_ms`: cloud milliseconds that a read may lag behind.
    ///
    /// # Errors
    /// Of the database.
    pub async fn keep_observation(&self, env: i64, obs: Observation, lag_ms: Millis) -> Result<()> {
        let topic = format!("env-{env}");
        let lag = i64::try_from(self.clocks().real(lag_ms).as_millis()).unwrap_or(lag_ms);
        self.keep(move |tx| {
            Box::pin(async move {
                let old: Option<(String, i64)> =
                    sqlx::query_as("select body, at from observations where env = $1").bind(env).fetch_optional(tx.conn()).await?;
                let same = match &old {
                    Some((body, _)) => serde_json::from_str::<Observation>(body).is_ok_and(|o| o.alike(&obs)),
                    None => false,
                };
                let now = tx.now();
                // What ended before the look before, and could not show late in it, explains nothing any more.
                let since = old.as_ref().map_or(0, |(_, at)| at - lag);
                tx.sight(env, &obs, since, same).await?;
                sqlx::query(
                    "insert into observations (env, at, cloud_at, body, misses) values ($1, $2, $3, $4, 0)
                     on conflict (env) do update set at = excluded.at, cloud_at = excluded.cloud_at, body = excluded.body, misses = 0, failure = null, failed_at = null",
                )
                .bind(env)
                .bind(now)
                .bind(obs.at)
                .bind(serde_json::to_string(&obs)?)
                .execute(tx.conn())
                .await?;
                if !same {
                    tx.event(&topic, None, None).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes that a look failed.
    ///
    /// # Errors
    /// Of the database.
    pub async fn miss_observation(&self, env: i64, why: String) -> Result<()> {
        self.keep(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                sqlx::query("update observations set misses = misses + 1, failed_at = $2, failure = $3 where env = $1")
                    .bind(env)
                    .bind(now)
                    .bind(why)
                    .execute(tx.conn())
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Why environments can not be rolled back to their last good release, by row id; those that can are not in it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_unready(&self) -> Result<HashMap<i64, String>> {
        let rows: Vec<(i64, String)> = sqlx::query_as("select env, sentence from unready").fetch_all(self.reads()).await?;
        Ok(rows.into_iter().collect())
    }

    /// Notes why an environment can not be rolled back now, or that it can; its events tell of it.
    ///
    /// # Errors
    /// Of the database.
    pub async fn keep_unready(&self, env: i64, sentence: Option<String>) -> Result<()> {
        self.keep(move |tx| {
            Box::pin(async move {
                sqlx::query("delete from unready where env = $1").bind(env).execute(tx.conn()).await?;
                let now = tx.now();
                if let Some(words) = &sentence {
                    sqlx::query("insert into unready (env, sentence, at) values ($1, $2, $3)")
                        .bind(env)
                        .bind(words.clone())
                        .bind(now)
                        .execute(tx.conn())
                        .await?;
                }
                let words = sentence.unwrap_or_else(|| "It can be rolled back again.".into());
                tx.event(&format!("env-{env}"), None, Some(&words)).await
            })
        })
        .await
    }

    /// A template version that was read before. `place` is account or role with region.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_template_version(&self, place: &str, template: &str, number: i64) -> Result<Option<TemplateVersion>> {
        let row: Option<(String,)> = sqlx::query_as("select body from template_versions where place = $1 and template = $2 and number = $3")
            .bind(place)
            .bind(template)
            .bind(number)
            .fetch_optional(self.reads())
            .await?;
        row.map(|(body,)| Ok(serde_json::from_str(&body)?)).transpose()
    }

    /// Keeps a template version: it never changes.
    ///
    /// # Errors
    /// Of the database.
    pub async fn keep_template_version(&self, place: &str, version: &TemplateVersion) -> Result<()> {
        let (place, version) = (place.to_owned(), version.clone());
        self.keep(move |tx| Box::pin(async move { insert_version(tx, &place, &version).await })).await
    }
}

async fn insert_version(tx: &mut WriteTx, place: &str, version: &TemplateVersion) -> Result<()> {
    sqlx::query(
        "insert into template_versions (place, template, number, body) values ($1, $2, $3, $4) on conflict (place, template, number) do nothing",
    )
    .bind(place.to_owned())
    .bind(version.template_id.clone())
    .bind(version.number)
    .bind(serde_json::to_string(version)?)
    .execute(tx.conn())
    .await?;
    Ok(())
}
