//! Deadlines that nobody is working on: requests and approvals that lapse, acts of closed changes without an outcome, what
//! ended changes still owe AWS, and the end of this process's epoch.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::problem::Problem;

/// Sweeps once; returns how many changes lapsed.
///
/// # Errors
/// Of the database.
pub async fn tick(app: &App) -> Result<usize, Problem> {
    app.resolve_closed().await?;
    app.pay_debts().await?;
    app.expire_changes().await
}

/// Runs until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        // Another process has taken the database over: this one would only show old data. Its end ends the program.
        if app.store.is_superseded().await.unwrap_or(false) {
            tracing::error!("another process has taken over this database; this one stops");
            return;
        }
        // Looks, and single writes that the store's writer finishes by itself.
        let Some(swept) = stop.run_until_cancelled(tick(&app)).await else { return };
        match swept {
            Ok(0) => {}
            Ok(lapsed) => tracing::info!(lapsed, "changes lapsed"),
            Err(problem) => tracing::warn!(%problem, "upkeep failed; it is tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    }
}
