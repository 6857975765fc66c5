//! What a large world costs while nobody asks: a thousand groups of two instances at speed 1, and then what the first
//! calls cost.
//!
//! ```text
//! idle --seconds 60 --groups 1000
//! ```
//!
//! Fails above 5 % of a core or 200 MB. `--poll` asks for one page of groups each second meanwhile, as an observer does.
//!
//! **Invariant:** measured is the process itself, by what the system says of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fleetgate_sim::{ClockMode, Exchange, Handle, Seed, Sim, SimConfig, StackNames};

/// Cost of an idle world.
#[derive(Parser)]
struct Args {
    /// How long to look on.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many groups.
    #[arg(long, default_value_t = 1000)]
    groups: usize,
    /// Ask for one page of groups each second.
    #[arg(long)]
    poll: bool,
}

/// A world of this many groups, each with a template, a target group and two instances.
fn seed(groups: usize) -> Seed {
    let mut seed = Seed::target_stack(&StackNames::default());
    let (group, targets, template) = (seed.groups.remove(0), seed.target_groups.remove(0), seed.templates.remove(0));
    seed.groups.clear();
    seed.target_groups.clear();
    seed.templates.clear();
    for n in 0..groups {
        let (mut group, mut targets, mut template) = (group.clone(), targets.clone(), template.clone());
        group.name = format!("group-{n:04}");
        targets.name = format!("targets-{n:04}");
        template.name = format!("template-{n:04}");
        group.template = Some(template.name.clone());
        group.target_groups = vec![targets.name.clone()];
        seed.groups.push(group);
        seed.target_groups.push(targets);
        seed.templates.push(template);
    }
    seed
}

/// Processor time so far, in hundredths of a second.
fn ticks() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(") ").next().context("stat")?.split(' ').collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// Memory in use, megabytes.
fn memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}

fn ask(handle: &Handle, method: &str, path: &str, body: &str) -> Result<String> {
    let credential = "AWS4-HMAC-SHA256 Credential=AKIAIDLE/20260105/ap-south-1/autoscaling/aws4_request, SignedHeaders=host, Signature=0";
    let (head, ()) = hyper::Request::builder().method(method).uri(path).header("authorization", credential).body(())?.into_parts();
    match handle.exchange(&head, body.as_bytes()) {
        Exchange::Answer(response) => Ok(String::from_utf8(response.into_body())?),
        other => anyhow::bail!("no answer: {other:?}"),
    }
}

/// Every group, page by page.
fn pages(handle: &Handle) -> Result<usize> {
    let (mut token, mut found) = (String::new(), 0);
    loop {
        let body = format!("Action=DescribeAutoScalingGroups&MaxRecords=100{token}");
        let page = ask(handle, "POST", "/", &body)?;
        found += page.matches("<AutoScalingGroupARN>").count();
        match page.split("<NextToken>").nth(1).and_then(|t| t.split('<').next()) {
            Some(next) => token = format!("&NextToken={}", next.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F")),
            None => return Ok(found),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let start = "2026-01-05T09:00:00Z".parse()?;
    let clock = ClockMode::Running { start, speed: 1.0 };
    let began = Instant::now();
    let running = Sim::start(SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock, seed: 1, world: seed(args.groups) }).await?;
    let handle = running.world();
    println!("built in {:.0} ms, {} MB", began.elapsed().as_secs_f64() * 1000.0, memory()?);
    // What is due at the start happens once and is not what an idle world costs.
    handle.now();
    let before = ticks()?;
    let watched = Instant::now();
    for _ in 0..args.seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if args.poll {
            ask(&handle, "POST", "/", "Action=DescribeAutoScalingGroups&MaxRecords=50")?;
        }
    }
    let share = (ticks()? - before) as f64 / watched.elapsed().as_secs_f64();
    println!("{share:.2} % of a core over {} s, {} MB", args.seconds, memory()?);
    for what in ["first", "again"] {
        let began = Instant::now();
        let found = pages(&handle)?;
        ensure!(found == args.groups, "{found} groups came of {}", args.groups);
        println!("every group in pages of 100, {what}: {:.1} ms", began.elapsed().as_secs_f64() * 1000.0);
    }
    let began = Instant::now();
    let world = ask(&handle, "GET", "/_sim/world", "")?;
    println!("/_sim/world: {:.1} ms, {} KB", began.elapsed().as_secs_f64() * 1000.0, world.len() >> 10);
    let began = Instant::now();
    handle.advance(3600.0);
    println!("an hour passes: {:.1} ms, {} MB", began.elapsed().as_secs_f64() * 1000.0, memory()?);
    ensure!(share < 5.0, "an idle world takes {share:.1} % of a core");
    ensure!(memory()? < 200, "an idle world takes {} MB", memory()?);
    running.stop().await;
    Ok(())
}
