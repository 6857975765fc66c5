//! Polls AWS for environments that no change is looking at, so that pages render from the local copy.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;

/// Images are read once for so many idle looks.
const IMAGES_EVERY: Millis = 2;

/// When each environment, and each application's list of images, is looked at next (cloud clock). Lost with the process, and then simply looked at again.
#[derive(Debug, Default)]
pub struct Schedule {
    environments: HashMap<i64, Millis>,
    images: HashMap<String, Millis>,
}

/// Looks at every environment that is due.
///
/// # Errors
/// Of the database. A failed look is noted beside the local copy.
pub async fn tick(app: &App, schedule: &mut Schedule) -> Result<usize, Problem> {
    let now = app.clocks.cloud();
    let mut looked = 0;
    for env in app.store.list_environments().await? {
        if schedule.environments.get(&env.id).is_some_and(|at| *at > now) {
            continue;
        }
        // A running change looks by itself, more often than this would.
        let fresh = app.store.find_observation(env.id).await?.is_some_and(|l| now - l.observation.at < app.settings.idle_ms / 2 && l.misses == 0);
        let mut next = now + app.idle_poll();
        if !fresh {
            looked += 1;
            if let Err(retry_at) = app.glance(&env).await {
                next = retry_at.max(now + 1000);
            }
        }
        schedule.environments.insert(env.id, next);
    }
    for application in app.store.list_applications().await? {
        if schedule.images.get(&application.name).is_none_or(|at| *at <= now) {
            app.glance_images(&application.name).await?;
            schedule.images.insert(application.name, now + app.idle_poll() * IMAGES_EVERY);
        }
    }
    Ok(looked)
}

/// Runs until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    let mut schedule = Schedule::default();
    loop {
        // Only looks: it may end anywhere, and must not hold up the end while it waits for the budget or for a silent AWS.
        let Some(looked) = stop.run_until_cancelled(tick(&app, &mut schedule)).await else { return };
        if let Err(problem) = looked {
            tracing::warn!(%problem, "environments could not be listed");
        }
        let pause = app.clocks.real(app.idle_poll() / 4).clamp(Duration::from_millis(200), Duration::from_secs(10));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
