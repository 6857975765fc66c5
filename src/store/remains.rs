//! What a change leaves behind, noted in the transaction of its end.

use super::changes::Change;
use super::{Result, WriteTx};
use crate::domain::change::Kind;
use crate::domain::foreign::Sighting;
use crate::domain::observation::Observation;
use crate::domain::plan::Plan;
use crate::domain::remains::{Shape, because};

impl WriteTx {
    /// Notes the group's shape by the last look, whoever ends the change, and what explains a difference to the shape at its begin.
    ///
    /// # Errors
    /// Of the database.
    pub(super) async fn note_remains(&mut self, c: &mut Change) -> Result<()> {
        let look: Option<(i64, String)> =
            sqlx::query_as("select at, body from observations where env = $1").bind(c.env).fetch_optional(self.conn()).await?;
        c.progress.after = match look {
            Some((at, body)) => Shape::of(&serde_json::from_str::<Observation>(&body)?, at),
            None => None,
        };
        let causes = &mut c.progress.causes;
        let beside: Vec<(i64, String, String)> = sqlx::query_as(
            "select number, kind, plan from changes where env = $1 and number <> $2 and started_at is not null and (finished_at is null or finished_at >= $3)
             order by number",
        )
        .bind(c.env)
        .bind(c.number)
        .bind(c.started_at)
        .fetch_all(self.conn())
        .await?;
        for (number, kind, plan) in beside {
            let bound = serde_json::from_str::<Plan>(&plan)?.bound;
            let shrinks = kind == Kind::Terminate.name() && bound.shrink;
            for (row, set) in
                [("min", bound.set_min.is_some()), ("desired", bound.set_desired.is_some() || shrinks), ("max", bound.set_max.is_some())]
            {
                if set {
                    because(causes, row, &format!("#{number} set it meanwhile."));
                }
            }
        }
        let seen: Vec<(String, Option<String>, Option<String>)> =
            sqlx::query_as("select what, before, after from sightings where env = $1 and at >= $2 order by id")
                .bind(c.env)
                .bind(c.started_at)
                .fetch_all(self.conn())
                .await?;
        for (what, before, after) in seen {
            let row = what.split('/').next().unwrap_or_default().to_owned();
            let sighting = Sighting { what, before, after, cause: None };
            because(causes, &row, &format!("Not by Fleetgate: {}.", sighting.sentence()));
        }
        let owed: Vec<(String,)> =
            sqlx::query_as("select what from debts where change = $1 and state = 'owed' order by id").bind(c.number).fetch_all(self.conn()).await?;
        for (what,) in owed {
            let process = what.strip_prefix("suspended/").unwrap_or(&what);
            because(causes, "suspended", &format!("This change suspended {process}, and still owed its resumption when it ended."));
        }
        Ok(())
    }
}
