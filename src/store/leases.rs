//! Which changes are due, and which process works on them.
//!
//! **Invariant:** a change is worked on by one process. A new one takes over at once what an older one had in hand, and the change's
//! timeline says so: a gap in it is explained.

use super::{Result, Store, WriteTx};
use crate::domain::explain;
use crate::domain::observation::Millis;
use crate::store::changes::Change;

/// The life of this process as the worker (wall clock).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    /// When it became the worker.
    began: Millis,
    /// When the one before it last looked at AWS.
    looked_before: Option<Millis>,
}

/// Begins a life: the next epoch. Whatever an older process had in hand is due at once.
pub(super) async fn begin(tx: &mut WriteTx) -> Result<(i64, Life)> {
    let (epoch,): (i64,) = sqlx::query_as("update heads set epoch = epoch + 1 where id = 1 returning epoch").fetch_one(tx.conn()).await?;
    let (looked_before,): (Option<Millis>,) = sqlx::query_as("select max(at) from observations").fetch_one(tx.conn()).await?;
    sqlx::query("update changes set due_at = 0 where state in ('queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention')")
        .execute(tx.conn())
        .await?;
    Ok((epoch, Life { began: tx.now(), looked_before }))
}

impl Store {
    /// Numbers of changes that are due at cloud time `now` and not leased, oldest due first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_due(&self, now: Millis, limit: i64) -> Result<Vec<i64>> {
        let wall = self.clocks().wall();
        let epoch = self.epoch();
        let rows: Vec<(i64,)> = sqlx::query_as(
            "select number from changes where state in ('queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention')
             and due_at <= $1 and (lease_until < $2 or lease_epoch <> $3) order by due_at, number limit $4",
        )
        .bind(now)
        .bind(wall)
        .bind(epoch)
        .bind(limit)
        .fetch_all(self.reads())
        .await?;
        Ok(rows.into_iter().map(|(n,)| n).collect())
    }

    /// When the next change is due (cloud clock).
    ///
    /// # Errors
    /// Of the database.
    pub async fn next_due(&self) -> Result<Option<Millis>> {
        let (at,): (Option<i64>,) = sqlx::query_as(
            "select min(due_at) from changes where state in ('queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention')",
        )
        .fetch_one(self.reads())
        .await?;
        Ok(at)
    }

    /// Leases a change to this process for `hold_ms` of wall time. `None`: somebody else holds it, or it is final.
    ///
    /// # Errors
    /// Of the database.
    pub async fn claim_change(&self, number: i64, hold_ms: Millis) -> Result<Option<Change>> {
        let (epoch, life) = (self.epoch(), self.life);
        let got = self
            .keep(move |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    let before: Option<(i64,)> =
                        sqlx::query_as("select lease_epoch from changes where number = $1").bind(number).fetch_optional(tx.conn()).await?;
                    let row: Option<(i64,)> = sqlx::query_as(
                        "update changes set lease_epoch = $2, lease_until = $3 where number = $1 and (lease_until < $4 or lease_epoch <> $2)
                         and state in ('queued', 'running', 'baking', 'cancelling', 'undoing', 'needs_attention') returning number",
                    )
                    .bind(number)
                    .bind(epoch)
                    .bind(now + hold_ms)
                    .bind(now)
                    .fetch_optional(tx.conn())
                    .await?;
                    // 0: nobody has had it yet.
                    if row.is_some() && before.is_some_and(|(e,)| e != 0 && e != epoch) {
                        let sentence = explain::away(life.looked_before, life.began);
                        tx.event(&format!("change-{number}"), Some(number), Some(&sentence)).await?;
                    }
                    Ok(row.is_some())
                })
            })
            .await?;
        if got { self.find_change(number).await } else { Ok(None) }
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// Of the database.
    pub async fn release_change(&self, number: i64) -> Result<()> {
        let epoch = self.epoch();
        self.keep(move |tx| {
            Box::pin(async move {
                sqlx::query("update changes set lease_until = 0 where number = $1 and lease_epoch = $2")
                    .bind(number)
                    .bind(epoch)
                    .execute(tx.conn())
                    .await?;
                Ok(())
            })
        })
        .await
    }
}
