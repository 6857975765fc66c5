//! Polls AWS for environments that no change is looking at, so that pages render from the local copy.
//!
//! **Invariant:** calls per minute depend on the environments alone, never on who looks at a page.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::look::Pace;
use crate::domain::environment::Environment;
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
    let mut places: HashMap<String, (usize, Vec<Environment>)> = HashMap::new();
    for env in app.store.list_environments().await? {
        let (all, due) = places.entry(env.place()).or_default();
        *all += 1;
        if schedule.environments.get(&env.id).is_some_and(|at| *at > now) {
            continue;
        }
        // A running change looks by itself, more often than this would.
        let fresh = app.store.find_observation(env.id).await?.is_some_and(|l| now - l.observation.at < app.settings.idle_ms / 2 && l.misses == 0);
        schedule.environments.insert(env.id, now + app.idle_poll());
        if !fresh {
            due.push(env);
        }
    }
    for (all, due) in places.into_values() {
        looked += due.len();
        match Box::pin(app.glance(&due, Pace::of(all))).await {
            Err(retry_at) => schedule.environments.extend(due.iter().map(|e| (e.id, retry_at.max(now + 1000)))),
            Ok(seen) => {
                for (env, again) in seen {
                    if let Some(retry_at) = again {
                        schedule.environments.insert(env, retry_at.max(now + 1000));
                    }
                }
                for env in &due {
                    app.note_readiness(env).await?;
                }
            }
        }
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
