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

impl Store {
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
