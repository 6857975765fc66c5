//! Running: listeners, workers, and the order in which they end.

mod accept;
mod caps;
mod patience;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::web::{self, Site};
use crate::{config, worker};
use caps::Caps;

/// Longest time that requests in flight get at the end. With what the runtime needs to close, a process is gone within 10 s.
const GRACE: Duration = Duration::from_secs(9);

/// A running product.
#[derive(Debug)]
pub struct Running {
    /// Address of the site.
    pub addr: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts listeners and workers. At most `per_address` connections from one address are served at once; 0 sets no limit.
///
/// # Errors
/// An address can not be bound, or the public URL is not one.
pub async fn start(
    app: App,
    listen: SocketAddr,
    private: Option<SocketAddr>,
    public_url: Option<&str>,
    per_address: usize,
) -> anyhow::Result<Running> {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(listen).await.with_context(|| format!("{listen} can not be listened on"))?;
    let addr = listener.local_addr()?;
    let public_url = public_url.map_or_else(|| format!("http://{addr}"), str::to_owned);
    let site = Site { app: app.clone(), public_url, stop: stop.clone(), health_here: private.is_none() };
    let router = web::router(site.clone())?;
    let open_files = config::open_files();
    let mut tasks = JoinSet::new();
    if let Some(at) = private {
        let listener = TcpListener::bind(at).await.with_context(|| format!("{at} can not be listened on"))?;
        let router = web::health::private(site);
        // Counted apart: whoever fills the site does not blind the probes.
        tasks.spawn(accept::run(listener, router, Caps::new(open_files, per_address), stop.clone()));
    }
    tasks.spawn(accept::run(listener, router, Caps::new(open_files, per_address), stop.clone()));
    tasks.spawn(worker::changes::run(app.clone(), stop.clone()));
    tasks.spawn(worker::observer::run(app.clone(), stop.clone()));
    tasks.spawn(worker::upkeep::run(app, stop.clone()));
    Ok(Running { addr, stop, tasks })
}

impl Running {
    /// Waits for SIGTERM, SIGINT, or the end of a task that should not end; then stops in order.
    ///
    /// # Errors
    /// Signals can not be listened for, or a task ended by itself.
    pub async fn until_signal(mut self) -> anyhow::Result<()> {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let early = tokio::select! {
            _ = term.recv() => false,
            _ = tokio::signal::ctrl_c() => false,
            _ = self.tasks.join_next() => true,
        };
        self.stop().await;
        anyhow::ensure!(!early, "a task that must not end has ended; see the log above");
        Ok(())
    }

    /// Stops: no new requests, streams end, requests in flight finish, workers end between two steps.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("some tasks did not end in time; what they did is looked up at the next start");
        }
    }
}
