//! Events: what happened, by topic. They feed timelines and streams.

use sqlx::FromRow;

use super::{Result, Store, WriteTx};
use crate::domain::observation::Millis;

/// One event.
#[derive(Clone, Debug, FromRow)]
pub struct Event {
    /// Row number: the id on a stream.
    pub id: i64,
    /// Wall clock.
    pub at: Millis,
    /// `change-7`, `env-2`, `app-stateless-app`.
    pub topic: String,
    /// The change, where it is about one.
    pub change: Option<i64>,
    /// One sentence, for the timeline.
    pub sentence: Option<String>,
}

impl WriteTx {
    /// Appends an event.
    ///
    /// # Errors
    /// Of the database.
    pub async fn event(&mut self, topic: &str, change: Option<i64>, sentence: Option<&str>) -> Result<()> {
        self.event_seq += 1;
        self.dirty = true;
        let (id, at) = (self.event_seq, self.now);
        sqlx::query("insert into events (id, at, topic, change, sentence) values ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(at)
            .bind(topic.to_owned())
            .bind(change)
            .bind(sentence.map(str::to_owned))
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

/// What a stream needs to know of an event.
#[derive(Clone, Debug, FromRow)]
pub struct News {
    /// Row number.
    pub id: i64,
    /// Its topic.
    pub topic: String,
    /// `app/env` of its change, where it is about one.
    pub scope: Option<String>,
}

impl Store {
    /// Number of the last event; 0 before the first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn last_event(&self) -> Result<i64> {
        let (seq,): (i64,) = sqlx::query_as("select event_seq from heads where id = 1").fetch_one(self.reads()).await?;
        Ok(seq)
    }

    /// Events of all topics above `after`, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_news(&self, after: i64, limit: i64) -> Result<Vec<News>> {
        Ok(sqlx::query_as(
            "select e.id, e.topic, c.app || '/' || c.env_name as scope from events e left join changes c on c.number = e.change where e.id > $1 order by e.id limit $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.reads())
        .await?)
    }

    /// Events of a change above `after`, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_events(&self, change: i64, after: i64, limit: i64) -> Result<Vec<Event>> {
        Ok(sqlx::query_as("select id, at, topic, change, sentence from events where change = $1 and id > $2 order by id limit $3")
            .bind(change)
            .bind(after)
            .bind(limit)
            .fetch_all(self.reads())
            .await?)
    }
}
