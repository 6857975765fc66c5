//! Takes up due changes, step by step.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::advance::Turn;
use crate::domain::problem::Problem;

/// Changes advanced at once.
const AT_ONCE: i64 = 16;
/// Steps in a row of one change before others get a turn.
const IN_A_ROW: usize = 16;
/// Longest sleep without a wake-up, in real time: a lost wake-up costs no more than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);
/// Shortest sleep, while a change that is due is still in its turn.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);
/// Pause after a failed scan.
const PAUSE: Duration = Duration::from_millis(500);

/// Advances all that is due; returns how many changes got a turn.
///
/// # Errors
/// Of the database.
pub async fn tick(app: &App) -> Result<usize, Problem> {
    let due = app.store.list_due(app.clocks.cloud(), AT_ONCE).await?;
    let count = due.len();
    let mut turns = JoinSet::new();
    for number in due {
        turns.spawn(turn(app.clone(), number));
    }
    while let Some(ended) = turns.join_next().await {
        report(ended);
    }
    Ok(count)
}

async fn turn(app: App, number: i64) {
    if let Err(problem) = take_up(&app, number).await {
        tracing::warn!(change = number, %problem, "a change could not be advanced; it is tried again");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "advancing a change panicked; its lease runs out and it is taken up again");
    }
}

async fn take_up(app: &App, number: i64) -> Result<(), Problem> {
    let Some(mut change) = app.store.claim_change(number, app.settings.lease_ms).await? else { return Ok(()) };
    let result = loop_steps(app, &mut change).await;
    if let Err(problem) = &result {
        // Not at once again: a sick database or AWS must not be hammered.
        tracing::debug!(change = number, %problem, "pausing");
        let due = app.clocks.cloud() + app.poll_after_failure();
        let _ = app.postpone(number, due).await;
    }
    app.store.release_change(number).await?;
    result
}

async fn loop_steps(app: &App, change: &mut crate::store::changes::Change) -> Result<(), Problem> {
    for _ in 0..IN_A_ROW {
        let number = change.number;
        if app.advance(change.clone()).await? == Turn::Later {
            return Ok(());
        }
        match app.store.find_change(number).await? {
            Some(c) if !c.state.is_final() => *change = c,
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Runs until stopped. Turns run beside one another: an AWS that hangs for one change must not hold up the others. A
/// change that is found due twice is harmless: the lease is claimed inside its turn.
pub async fn run(app: App, stop: CancellationToken) {
    let mut turns = JoinSet::new();
    loop {
        let room = AT_ONCE - i64::try_from(turns.len()).unwrap_or(AT_ONCE);
        let pause = match app.store.list_due(app.clocks.cloud(), room.max(0)).await {
            Ok(due) => {
                for number in due {
                    turns.spawn(turn(app.clone(), number));
                }
                match app.store.next_due().await {
                    Ok(Some(at)) => app.clocks.real(at - app.clocks.cloud()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
                    _ => LONGEST_SLEEP,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "changes could not be listed");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = app.wake.notified() => {}
            Some(ended) = turns.join_next() => report(ended),
            () = tokio::time::sleep(pause) => {}
        }
    }
    // What is in flight gets its outcome written; the grace of the shutdown bounds it.
    while let Some(ended) = turns.join_next().await {
        report(ended);
    }
}
