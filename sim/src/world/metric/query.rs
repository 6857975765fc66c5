//! Queries of GetMetricData and of alarms: metrics by id, and expressions over them.
//!
//! **Invariant:** whether queries can be evaluated depends on them alone, never on the data; there is no recursion over
//! ids, so no chain of references is too long.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Metric, Window,
    datum::Stat,
    expression::{self, Expr, Line, Value},
};
use crate::world::World;

/// Where a query's data comes from. Periods in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Source {
    Stat { metric: Metric, stat: Stat, period: i64, unit: Option<String> },
    Math { text: String, period: Option<i64> },
}

/// One query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) label: Option<String>,
    pub(crate) source: Source,
    /// ReturnData.
    pub(crate) returns: bool,
    pub(crate) account: Option<String>,
}

impl Query {
    pub(crate) fn period(&self) -> Option<i64> {
        match &self.source {
            Source::Stat { period, .. } => Some(*period),
            Source::Math { period, .. } => *period,
        }
    }
}

impl World {
    /// Results by id; an expression may have several lines. Complaints are in CloudWatch's words.
    pub(crate) fn evaluate(&self, queries: &[Query], from: i64, to: i64) -> Result<BTreeMap<String, Vec<Line>>, String> {
        let mut done: BTreeMap<String, Value> = BTreeMap::new();
        let mut waiting: Vec<(&Query, Expr)> = Vec::new();
        let metrics: BTreeSet<&str> = queries.iter().filter(|q| matches!(q.source, Source::Stat { .. })).map(|q| q.id.as_str()).collect();
        for query in queries {
            match &query.source {
                Source::Stat { metric, stat, period, unit } => {
                    let points = self.series(metric, *stat, unit.as_deref(), &Window { from, to, period: *period });
                    done.insert(query.id.clone(), Value::Series(Line { points, period: *period }));
                }
                Source::Math { text, .. } => {
                    let expr = expression::parse(text).map_err(|why| complaint(query, &why))?;
                    let lost = expr.ids().into_iter().find(|id| !queries.iter().any(|q| q.id == *id));
                    if let Some(id) = lost {
                        return Err(complaint(query, &format!("Undefined variable: {id}")));
                    }
                    waiting.push((query, expr));
                }
            }
        }
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for (query, expr) in waiting {
                if !expr.ids().iter().all(|id| done.contains_key(*id)) {
                    still.push((query, expr));
                    continue;
                }
                let scope = expression::Scope { values: &done, metrics: &metrics, from, to: to.min(self.now) };
                let value = scope.value(&expr).map_err(|why| complaint(query, &why))?;
                done.insert(query.id.clone(), value);
            }
            if still.len() == before {
                return Err(still.first().map_or_else(String::new, |(q, _)| complaint(q, "Circular reference")));
            }
            waiting = still;
        }
        queries.iter().filter(|q| q.returns).map(|q| Ok((q.id.clone(), lines(q, done.get(&q.id))?))).collect()
    }
}

fn lines(query: &Query, value: Option<&Value>) -> Result<Vec<Line>, String> {
    match value {
        Some(Value::Series(line)) => Ok(vec![line.clone()]),
        Some(Value::Many(lines)) => Ok(lines.clone()),
        _ => Err(complaint(query, "The expression must return a time series or an array of time series")),
    }
}

fn complaint(query: &Query, why: &str) -> String {
    format!("Error in expression '{}': {why}", query.id)
}
