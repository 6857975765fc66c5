//! What happens next, and to whom.
//!
//! **Invariant:** at most one wake per entity, the earliest asked for; ties are broken by the entity itself, so the order
//! of events never depends on a hash or on insertion order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Something that can be woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Entity {
    Instance(String),
    /// Target group ARN and instance id.
    Target(String, String),
    Group(String),
    /// Replication group, or cache cluster of none.
    Cache(String),
    Alarm(String),
    Repository(String),
}

/// The queue of wakes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, Entity)>", into = "Vec<(i64, Entity)>")]
pub(crate) struct Agenda {
    queue: BTreeSet<(i64, Entity)>,
    wakes: BTreeMap<Entity, i64>,
}

impl Agenda {
    /// Wakes the entity at this time, or earlier if already asked.
    pub(crate) fn wake(&mut self, at: i64, entity: Entity) {
        if let Some(&old) = self.wakes.get(&entity) {
            if old <= at {
                return;
            }
            self.queue.remove(&(old, entity.clone()));
        }
        self.wakes.insert(entity.clone(), at);
        self.queue.insert((at, entity));
    }

    /// Takes the first wake due by `to`.
    pub(crate) fn pop(&mut self, to: i64) -> Option<(i64, Entity)> {
        if self.queue.first()?.0 > to {
            return None;
        }
        let (at, entity) = self.queue.pop_first()?;
        self.wakes.remove(&entity);
        Some((at, entity))
    }
}

impl From<Vec<(i64, Entity)>> for Agenda {
    fn from(rows: Vec<(i64, Entity)>) -> Self {
        let mut agenda = Self::default();
        for (at, entity) in rows {
            agenda.wake(at, entity);
        }
        agenda
    }
}

impl From<Agenda> for Vec<(i64, Entity)> {
    fn from(agenda: Agenda) -> Self {
        agenda.queue.into_iter().collect()
    }
}
