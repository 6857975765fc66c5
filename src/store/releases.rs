//! Releases.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::observation::Millis;
use crate::domain::release::Release;

#[derive(FromRow)]
struct Row {
    app: String,
    number: i64,
    tag: Option<String>,
    digest: String,
    commit_sha: Option<String>,
    notes: Option<String>,
    created_by: String,
    created_at: i64,
}

impl From<Row> for Release {
    fn from(r: Row) -> Self {
        Self {
            app: r.app,
            number: r.number,
            tag: r.tag,
            digest: r.digest,
            commit: r.commit_sha,
            notes: r.notes,
            created_by: r.created_by,
            created_at: r.created_at,
        }
    }
}

/// A release that was good in an environment.
#[derive(Clone, Debug, FromRow)]
pub struct Good {
    /// Row id: newer is larger.
    pub id: i64,
    /// Its number.
    pub release: i64,
    /// The template version that carried it.
    pub template_version: i64,
    /// The change that brought it; none where it was adopted.
    pub change: Option<i64>,
    /// It was approved, or no approval was asked for.
    pub approved: i64,
    /// Wall clock.
    pub at: Millis,
    /// The rollback that left it as bad.
    pub left_by: Option<i64>,
}

impl Store {
    /// Releases that were good in an environment, newest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_good(&self, env: i64, limit: i64) -> Result<Vec<Good>> {
        Ok(sqlx::query_as(
            "select id, release, template_version, change, approved, at, left_by from good_releases where env = $1 order by id desc limit $2",
        )
        .bind(env)
        .bind(limit)
        .fetch_all(self.reads())
        .await?)
    }

    /// By number.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_release(&self, app: &str, number: i64) -> Result<Option<Release>> {
        let row: Option<Row> =
            sqlx::query_as("select app, number, tag, digest, commit_sha, notes, created_by, created_at from releases where app = $1 and number = $2")
                .bind(app.to_owned())
                .bind(number)
                .fetch_optional(self.reads())
                .await?;
        Ok(row.map(Release::from))
    }

    /// By digest.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_release_by_digest(&self, app: &str, digest: &str) -> Result<Option<Release>> {
        let row: Option<Row> =
            sqlx::query_as("select app, number, tag, digest, commit_sha, notes, created_by, created_at from releases where app = $1 and digest = $2")
                .bind(app.to_owned())
                .bind(digest.to_owned())
                .fetch_optional(self.reads())
                .await?;
        Ok(row.map(Release::from))
    }

    /// Every release's number by its digest.
    ///
    /// # Errors
    /// Of the database.
    pub async fn release_numbers(&self, app: &str) -> Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select digest, number from releases where app = $1").bind(app.to_owned()).fetch_all(self.reads()).await?;
        Ok(rows.into_iter().collect())
    }

    /// Newest first, below `below`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_releases(&self, app: &str, below: i64, limit: i64) -> Result<Vec<Release>> {
        let rows: Vec<Row> = sqlx::query_as(
            "select app, number, tag, digest, commit_sha, notes, created_by, created_at from releases where app = $1 and number < $2 order by number desc limit $3",
        )
        .bind(app.to_owned())
        .bind(below)
        .bind(limit)
        .fetch_all(self.reads())
        .await?;
        Ok(rows.into_iter().map(Release::from).collect())
    }
}

impl WriteTx {
    /// Notes a release as good in an environment.
    ///
    /// # Errors
    /// Of the database.
    pub async fn insert_good(&mut self, env: i64, release: i64, template_version: i64, change: Option<i64>, approved: bool) -> Result<()> {
        let id = self.number("good").await?;
        let now = self.now();
        sqlx::query("insert into good_releases (id, env, release, template_version, change, approved, at) values ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id)
            .bind(env)
            .bind(release)
            .bind(template_version)
            .bind(change)
            .bind(i64::from(approved))
            .bind(now)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Notes that a rollback left this release: it is not offered again until it succeeds anew.
    ///
    /// # Errors
    /// Of the database.
    pub async fn leave_release(&mut self, env: i64, release: i64, by: i64) -> Result<()> {
        sqlx::query("update good_releases set left_by = $3 where env = $1 and release = $2 and left_by is null")
            .bind(env)
            .bind(release)
            .bind(by)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// A release by its digest, inside the transaction.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_release_number(&mut self, app: &str, digest: &str) -> Result<Option<i64>> {
        let row: Option<(i64,)> = sqlx::query_as("select number from releases where app = $1 and digest = $2")
            .bind(app.to_owned())
            .bind(digest.to_owned())
            .fetch_optional(self.conn())
            .await?;
        Ok(row.map(|(n,)| n))
    }

    /// Inserts one; its number is drawn here and returned.
    ///
    /// # Errors
    /// `Duplicate` when the digest has a number already.
    pub async fn insert_release(&mut self, r: &Release) -> Result<i64> {
        let (number,): (i64,) = sqlx::query_as("update counters set value = value + 1 where name = $1 returning value")
            .bind(format!("release:{}", r.app))
            .fetch_one(self.conn())
            .await?;
        let now = self.now();
        sqlx::query(
            "insert into releases (app, number, tag, digest, commit_sha, notes, created_by, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(r.app.clone())
        .bind(number)
        .bind(r.tag.clone())
        .bind(r.digest.clone())
        .bind(r.commit.clone())
        .bind(r.notes.clone())
        .bind(r.created_by.clone())
        .bind(now)
        .execute(self.conn())
        .await?;
        Ok(number)
    }
}
