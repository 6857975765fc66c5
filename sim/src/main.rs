//! The simulator alone: `fleetgate-sim --listen 127.0.0.1:4566 --speed 20 --seed 1 [--world FILE.json] [--buckets]`.
//!
//! **Invariant:** one line with the address on standard output when ready; nothing else goes there.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use fleetgate_sim::{ClockMode, Seed, Sim, SimConfig, StackNames};
use jiff::Timestamp;

/// A simulated AWS on one port.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Simulated seconds per real second; 0 stops the clock (advance it through /_sim/clock).
    #[arg(long, default_value_t = 20.0)]
    speed: f64,
    /// Seed of identifiers, timings and undocumented choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// World to start with (JSON); the target stack when absent.
    #[arg(long)]
    world: Option<PathBuf>,
    /// Throttle requests by AWS's token buckets, their sizes multiplied by this.
    #[arg(long, value_name = "SCALE", num_args = 0..=1, default_missing_value = "1")]
    buckets: Option<f64>,
    /// First instant of the world (ISO 8601); now when absent.
    #[arg(long)]
    start: Option<Timestamp>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let world = match &args.world {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is not a world", path.display()))?
        }
        None => Seed::target_stack(&StackNames::default()),
    };
    let start = args.start.unwrap_or_else(Timestamp::now);
    let clock = if args.speed > 0.0 { ClockMode::Running { start, speed: args.speed } } else { ClockMode::Manual { start } };
    let running = Sim::start(SimConfig { listen: args.listen, clock, seed: args.seed, world }).await?;
    if let Some(scale) = args.buckets {
        running.world().buckets(true, scale).context("--buckets")?;
    }
    println!("http://{}", running.addr);
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
