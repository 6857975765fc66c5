//! Use cases: what people, tokens and the engine may do, one file per noun.
//!
//! **Invariant:** every act passes [`gate`]; every change of AWS is made by [`advance`], one step at a time, with its intent in
//! the audit before the call. No transaction is open across an AWS call.

pub mod advance;
pub mod applications;
pub mod changes;
pub mod debts;
pub mod environments;
pub mod estimate;
pub mod explain;
pub mod facts;
pub mod foreign;
pub mod gate;
pub mod look;
pub mod overview;
pub mod people;
mod perform;
pub mod releases;
pub mod sessions;
pub mod start;
pub mod survey;
pub mod tokens;

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::aws::{Aws, AwsError, ErrorKind, Place};
use crate::clock::Clocks;
use crate::domain::environment::Environment;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::store::Store;

/// Everything that a use case needs. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// AWS.
    pub aws: Aws,
    /// Both clocks.
    pub clocks: Clocks,
    /// Start-up settings.
    pub settings: Arc<Settings>,
    /// Wakes the worker; carries no data.
    pub wake: Arc<Notify>,
    /// Password hashes that may be computed at once.
    pub hashing: Arc<Semaphore>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// Start-up settings of the use cases.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Region for what belongs to no environment, such as images of an application without one.
    pub region: String,
    /// Cloud milliseconds that a read of AWS may lag behind (design invariant 3).
    pub staleness_ms: Millis,
    /// Cloud milliseconds between two looks at an idle environment.
    pub idle_ms: Millis,
    /// Wall milliseconds for which a worker holds a change.
    pub lease_ms: Millis,
    /// Wall milliseconds without use after which a session ends.
    pub session_idle_ms: Millis,
    /// Wall milliseconds after which a session ends.
    pub session_ms: Millis,
    /// The cookie may be sent over https only.
    pub secure_cookie: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".into(),
            staleness_ms: 30_000,
            idle_ms: 30_000,
            lease_ms: 120_000,
            session_idle_ms: 1_800_000,
            session_ms: 43_200_000,
            secure_cookie: false,
        }
    }
}

/// Shortest real time between two looks, in milliseconds: a rehearsal at high speed must not spin.
const SHORTEST_POLL_MS: Millis = 200;

impl App {
    /// Wires the use cases.
    pub fn new(store: Store, aws: Aws, clocks: Clocks, settings: Settings) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { store, aws, clocks, settings: Arc::new(settings), wake: Arc::new(Notify::new()), hashing: Arc::new(Semaphore::new(cores)) }
    }

    /// A poll interval in cloud time, with the floor in real time.
    pub(crate) fn poll(&self, cloud_ms: Millis) -> Millis {
        cloud_ms.max(self.clocks.cloud_during(SHORTEST_POLL_MS))
    }

    /// Cloud milliseconds between two idle looks.
    pub(crate) fn idle_poll(&self) -> Millis {
        self.poll(self.settings.idle_ms)
    }

    /// Cloud milliseconds to leave a change alone after a failure of ours or of AWS.
    pub(crate) fn poll_after_failure(&self) -> Millis {
        self.poll(2000)
    }

    /// Leaves a change alone until `due` (cloud clock), without touching anything else of it.
    ///
    /// # Errors
    /// Of the database.
    pub(crate) async fn postpone(&self, number: i64, due: Millis) -> Result<(), Problem> {
        Ok(self
            .store
            .keep(move |tx| {
                Box::pin(async move {
                    let mut change = tx.get_change(number).await?;
                    change.due_at = due;
                    tx.set_change(&mut change).await
                })
            })
            .await?)
    }

    /// Where an environment lives.
    pub(crate) fn place(env: &Environment) -> Place {
        Place { region: env.region.clone(), role_arn: env.role_arn.clone(), external_id: env.external_id.clone() }
    }
}

/// An AWS failure in words for the one who asked.
pub(crate) fn aws_problem(e: &AwsError) -> Problem {
    tracing::warn!(operation = e.operation, code = e.code.as_deref(), request = e.request_id.as_deref(), "AWS read failed");
    match e.kind {
        ErrorKind::Denied => Problem::Unavailable(
            format!("AWS does not let Fleetgate do this ({}). Nothing was changed. Compare the role with `fleetgate iam-policy`.", e.operation),
            60,
        ),
        ErrorKind::NotFound | ErrorKind::Invalid => Problem::Unavailable(format!("AWS refused the question ({}): {}", e.operation, e.message), 60),
        ErrorKind::OverBudget { .. } | ErrorKind::Throttled => {
            Problem::Unavailable("AWS limits our calls now. Nothing was changed. Try again in a few seconds.".into(), 5)
        }
        _ => Problem::Unavailable("AWS does not answer now. Nothing was changed. Try again in a moment.".into(), 10),
    }
}
