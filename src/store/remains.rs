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
        // Those alone that sent something: one that ends without an act moved nothing.
        let beside: Vec<(i64, String, String, i64)> = sqlx::query_as(
            "select c.number, c.kind, c.plan, max(case when a.state in ('done', 'adopted') then 1 else 0 end)
             from changes c join acts a on a.change = c.number and a.step in ('set_capacity', 'terminate_instance') and a.state in ('intended', 'unknown', 'done', 'adopted')
             where c.env = $1 and c.number <> $2 and c.started_at is not null and (c.finished_at is null or c.finished_at >= $3)
             group by c.number, c.kind, c.plan order by c.number",
        )
        .bind(c.env)
        .bind(c.number)
        .bind(c.started_at)
        .fetch_all(self.conn())
        .await?;
        for (number, kind, plan, sure) in beside {
            let bound = serde_json::from_str::<Plan>(&plan)?.bound;
            let shrinks = kind == Kind::Terminate.name() && bound.shrink;
            for (row, set) in
                [("min", bound.set_min.is_some()), ("desired", bound.set_desired.is_some() || shrinks), ("max", bound.set_max.is_some())]
            {
                if set {
                    because(&mut c.progress.causes, row, &format!("#{number} {} it meanwhile.", if sure == 1 { "set" } else { "may have set" }));
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
            // Told late: it stood already when this change began, and explains nothing.
            if c.progress.before.as_ref().and_then(|b| b.figure(&row)).is_some_and(|n| after.as_deref() == Some(n.to_string().as_str())) {
                continue;
            }
            let sighting = Sighting { what, before, after, cause: None };
            because(&mut c.progress.causes, &row, &format!("Not by Fleetgate: {}.", sighting.sentence()));
        }
        let owed: Vec<(String,)> =
            sqlx::query_as("select what from debts where change = $1 and state = 'owed' order by id").bind(c.number).fetch_all(self.conn()).await?;
        c.progress.owed = owed.into_iter().map(|(what,)| what.strip_prefix("suspended/").unwrap_or(&what).to_owned()).collect();
        Ok(())
    }
}
