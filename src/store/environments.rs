//! Environments.

use sqlx::FromRow;

use super::{Result, Store, StoreError, WriteTx};
use crate::domain::environment::Environment;
use crate::domain::image::ImageSource;

#[derive(FromRow)]
struct Row {
    id: i64,
    app: String,
    name: String,
    protected: i64,
    account: String,
    region: String,
    asg: String,
    asg_arn: String,
    role_arn: Option<String>,
    external_id: Option<String>,
    registry: String,
    repository: String,
    image_source: String,
    redis_group: Option<String>,
    bucket: Option<String>,
    policy: String,
    policy_version: i64,
    release: Option<i64>,
}

impl TryFrom<Row> for Environment {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self> {
        Ok(Self {
            id: r.id,
            app: r.app,
            name: r.name,
            protected: r.protected != 0,
            account: r.account,
            region: r.region,
            asg: r.asg,
            asg_arn: r.asg_arn,
            role_arn: r.role_arn,
            external_id: r.external_id,
            registry: r.registry,
            repository: r.repository,
            image_source: ImageSource::try_from(r.image_source).map_err(StoreError::Corrupt)?,
            redis_group: r.redis_group,
            bucket: r.bucket,
            policy: serde_json::from_str(&r.policy)?,
            policy_version: r.policy_version,
            release: r.release,
        })
    }
}

const ALL: &str =
    "select e.id, e.app, e.name, e.protected, e.account, e.region, e.asg, e.asg_arn, e.role_arn, e.external_id, e.registry, a.repository,
    e.image_source, e.redis_group, e.bucket, e.policy, e.policy_version, e.release from environments e join applications a on a.name = e.app";

impl Store {
    /// All, by application and name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_environments(&self) -> Result<Vec<Environment>> {
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{ALL} order by e.app, e.name"))).fetch_all(self.reads()).await?;
        rows.into_iter().map(Environment::try_from).collect()
    }

    /// By application and name.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_environment(&self, app: &str, name: &str) -> Result<Option<Environment>> {
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{ALL} where e.app = $1 and e.name = $2")))
            .bind(app.to_owned())
            .bind(name.to_owned())
            .fetch_optional(self.reads())
            .await?;
        row.map(Environment::try_from).transpose()
    }

    /// By row id.
    ///
    /// # Errors
    /// Of the database.
    pub async fn get_environment(&self, id: i64) -> Result<Environment> {
        let row: Row = sqlx::query_as(sqlx::AssertSqlSafe(format!("{ALL} where e.id = $1"))).bind(id).fetch_one(self.reads()).await?;
        row.try_into()
    }
}

impl WriteTx {
    /// Inserts one; its `id` is drawn here.
    ///
    /// # Errors
    /// `Duplicate` when the name or the group is taken.
    pub async fn insert_environment(&mut self, env: &Environment) -> Result<i64> {
        let id = self.number("environment").await?;
        let now = self.now();
        sqlx::query(
            "insert into environments (id, app, name, protected, account, region, asg, asg_arn, role_arn, external_id, registry, image_source, redis_group, bucket, policy, policy_version, release, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(id)
        .bind(env.app.clone())
        .bind(env.name.clone())
        .bind(i64::from(env.protected))
        .bind(env.account.clone())
        .bind(env.region.clone())
        .bind(env.asg.clone())
        .bind(env.asg_arn.clone())
        .bind(env.role_arn.clone())
        .bind(env.external_id.clone())
        .bind(env.registry.clone())
        .bind(String::from(env.image_source.clone()))
        .bind(env.redis_group.clone())
        .bind(env.bucket.clone())
        .bind(serde_json::to_string(&env.policy)?)
        .bind(env.policy_version)
        .bind(env.release)
        .bind(now)
        .execute(self.conn())
        .await?;
        Ok(id)
    }

    /// Notes the release that last succeeded there.
    ///
    /// # Errors
    /// Of the database.
    pub async fn set_environment_release(&mut self, id: i64, release: Option<i64>) -> Result<()> {
        sqlx::query("update environments set release = $2 where id = $1").bind(id).bind(release).execute(self.conn()).await?;
        Ok(())
    }
}
