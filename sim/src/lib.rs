//! `fleetgate-sim`: a simulated AWS on the wire. One port speaks the query, EC2 and JSON protocols of Auto Scaling, EC2,
//! ELBv2, ECR, ElastiCache, CloudWatch, IAM, STS and S3, and a world of groups, instances and images changes over simulated time as AWS
//! does.
//!
//! | where | what |
//! |---|---|
//! | [`seed`] | what a world starts as; [`Seed::target_stack`] |
//! | [`params`] | every timing, and every fact AWS does not document |
//! | `world` | state, and time passing over it |
//! | `services`, `wire` | the operations, and their spelling |
//! | `policy`, `authorize` | IAM's judgement, and what it is asked about a call |
//! | [`faults`], [`calls`], `past` | faults on the wire, the log of calls, and earlier states for stale answers |
//! | [`handle`], `control` | the controls, in process and over HTTP |
//! | `page` | the live page of the world for browsers |
//!
//! **Invariant:** nothing branches on a client, a user agent, a tag name or a number of a change; two worlds with the
//! same seed and the same calls at the same simulated times are equal.

mod authorize;
pub mod calls;
mod clock;
mod control;
mod engine;
pub mod faults;
pub mod handle;
mod page;
pub mod params;
mod past;
mod policy;
mod rng;
pub mod seed;
mod server;
mod services;
mod wire;
mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, ensure};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use calls::CallRecord;
pub use clock::ClockMode;
pub use faults::{Fault, FaultKind};
pub use handle::Handle;
pub use params::{CacheParams, MetricParams, Params};
pub use rng::Span;
pub use seed::{ReplicationGroupSeed, Seed, StackNames};
pub use server::Exchange;
pub use world::load::Load;

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How time moves.
    pub clock: ClockMode,
    /// Number behind every identifier, timing and undocumented choice.
    pub seed: u64,
    /// What there is at the start.
    pub world: Seed,
}

/// The simulator.
#[derive(Debug)]
pub struct Sim;

impl Sim {
    /// Builds the world, binds the port and serves until [`Running::stop`] or drop.
    pub async fn start(config: SimConfig) -> Result<Running> {
        let listen = config.listen;
        let handle = Self::world(config)?;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(server::run(listener, handle.clone(), stopped));
        Ok(Running { addr, handle, stop, task })
    }

    /// Builds the same without a port: it is asked through [`Handle::exchange`].
    pub fn world(config: SimConfig) -> Result<Handle> {
        let clock = clock::Clock::new(config.clock);
        ensure!((0..clock::END).contains(&clock.now()), "the clock must start between 1970 and 9891");
        let world = world::World::build(config.seed, &config.world, clock.now()).context("the seed is not a world")?;
        Ok(Handle(Arc::new(Mutex::new(engine::Engine::new(clock, world)))))
    }
}

/// A simulator that serves. Dropping it closes the port.
pub struct Running {
    /// Address it listens on.
    pub addr: SocketAddr,
    handle: Handle,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Running {
    /// The world behind it.
    pub fn world(&self) -> Handle {
        self.handle.clone()
    }

    /// Closes the port and every connection.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.task.join_next().await.is_some() {}
    }
}
