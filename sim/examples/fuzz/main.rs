//! Fuzzes everything the simulator reads off the wire, in process, with seeded changes to real requests:
//!
//! ```text
//! fuzz --seconds 60 --seed 1        stops at the first defect and prints the request
//! fuzz --requests 5000 --seed 1     the same requests each time
//! ```
//!
//! No request may make the simulator panic, take longer than a second of processor time (ten unoptimised) or grow its memory without
//! bound; every answer is well formed and a refusal has a code; what was refused or only read has changed nothing.
//!
//! **Invariant:** the requests depend on the seed alone; how many of them fit into the time does not.

mod corpus;
mod judge;
mod mutate;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Parser;
use corpus::Request;
use fleetgate_sim::{ClockMode, Exchange, Handle, Seed, Sim, SimConfig, StackNames};
use mutate::Dice;
use serde_json::Value;

/// Requests to one world before the next begins.
const PER_WORLD: u64 = 2000;
/// Most memory, bytes.
const MEMORY: u64 = 400 << 20;
/// Largest body asked with.
const BODY: usize = 4 << 20;
/// Longest a request may work: a second, and ten where the code is not optimised.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
/// Most requests between two looks at the state.
const STRETCH: usize = 12;
/// Farthest the clock is moved at once: what happens in a year may take longer than a second.
const STEP: f64 = 86_400.0;

/// Seeded fuzzing of the simulator.
#[derive(Parser)]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many requests instead.
    #[arg(long)]
    requests: Option<u64>,
    /// Which requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The world, and what is known of its state.
struct World {
    handle: Handle,
    /// State before the requests below; none while it is not watched.
    state: Option<Value>,
    /// What was asked since, none of which may have changed it.
    asked: Vec<Request>,
    /// Number of the newest call.
    last: u64,
}

impl World {
    fn new(seed: u64) -> Result<Self> {
        let start = "2026-01-05T09:00:00Z".parse()?;
        let world = Seed::target_stack(&StackNames::default());
        let config = SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed, world };
        Ok(Self { handle: Sim::world(config)?, state: None, asked: Vec::new(), last: 0 })
    }

    /// Begins to watch the state.
    fn watch(&mut self) -> Result<()> {
        self.asked.clear();
        self.state = Some(self.handle.export()?);
        Ok(())
    }

    /// Something may have changed the state: it is not watched any more.
    fn forget(&mut self) {
        self.asked.clear();
        self.state = None;
    }

    /// Looks whether the state is what it was; if not, the requests are asked again to find which has changed it.
    fn look(&mut self) -> Result<(), String> {
        let text = |e: anyhow::Error| e.to_string();
        let Some(before) = self.state.take() else { return Ok(()) };
        let after = self.handle.export().map_err(text)?;
        let Some(what) = difference(&before, &after, "") else {
            self.asked.clear();
            self.state = Some(before);
            return Ok(());
        };
        for request in &self.asked {
            self.handle.import(before.clone()).map_err(text)?;
            if let Some((head, body)) = request.build() {
                self.handle.exchange(&head, &body);
            }
            if let Some(what) = difference(&before, &self.handle.export().map_err(text)?, "") {
                return Err(format!("it was refused or only read, but changed something: {what}\n{}", show(request)));
            }
        }
        Err(format!("one of {} requests that were refused or only read has changed something: {what}", self.asked.len()))
    }
}

/// A request to be read by a person.
fn show(request: &Request) -> String {
    let body = String::from_utf8_lossy(&request.body.bytes()).chars().take(2000).collect::<String>();
    format!("{} {:?} {:?} {:?}\n{body:?}", request.method, request.path, request.scope, request.headers)
}

/// Processor time of this thread; real time where the system does not tell.
fn worked(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// Memory in use, bytes; nothing where the system does not tell.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

/// Whether a control's body asks for more time than a step.
fn is_far(request: &Request) -> bool {
    let body: Option<Value> = serde_json::from_slice(&request.body.bytes()).ok();
    body.is_some_and(|b| b["advance_seconds"].as_f64().is_some_and(|s| s > STEP))
}

/// One request; what is wrong, if anything.
fn ask(world: &mut World, request: &Request, begun: Instant) -> Result<(), String> {
    let Some((head, body)) = request.build() else { return Ok(()) };
    let control = request.control().is_some();
    // The port takes no larger body; many of them in memory would be the fuzzer's own weight.
    if body.len() > BODY || (control && is_far(request)) {
        return Ok(());
    }
    let start = worked(begun);
    let exchange = catch_unwind(AssertUnwindSafe(|| world.handle.exchange(&head, &body))).map_err(|_| "it panicked".to_owned())?;
    let spent = worked(begun).saturating_sub(start);
    if spent > LONGEST {
        return Err(format!("it took {spent:?}"));
    }
    if control {
        // Time stands still but for the fuzzer's own steps.
        world.handle.set_speed(None);
    }
    let call = world.handle.calls_since(world.last).pop();
    world.last = call.as_ref().map_or(world.last, |c| c.seq);
    let fault = call.as_ref().and_then(|c| c.fault.clone());
    // Objects are of any kind, and an answer to HEAD has none.
    let bare = request.scope.as_ref().is_some_and(|[_, _, service]| service == "s3");
    let refused = match &exchange {
        Exchange::Answer(response) | Exchange::Late(response, _) => {
            judge::judge(response, control, fault.as_deref().is_some_and(|f| f != "bucket" && f != "stale"), bare)?;
            (400..600).contains(&response.status().as_u16())
        }
        Exchange::Hang | Exchange::Cut if fault.is_some() => false,
        other => return Err(format!("no answer and no fault: {other:?}")),
    };
    let changes = call.as_ref().map_or(control, |c| c.effective);
    if refused || !changes {
        world.asked.push(request.clone());
        if world.asked.len() >= STRETCH { world.look() } else { Ok(()) }
    } else {
        world.forget();
        Ok(())
    }
}

/// The first place in which two states differ, but for what every call takes and for the record that an image was pulled.
fn difference(a: &Value, b: &Value, path: &str) -> Option<String> {
    if a == b || path == "/token_buckets" || (path.starts_with("/repositories/") && path.ends_with("/pulled")) {
        return None;
    }
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => x
            .keys()
            .chain(y.keys())
            .find_map(|key| difference(x.get(key).unwrap_or(&Value::Null), y.get(key).unwrap_or(&Value::Null), &format!("{path}/{key}"))),
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(n, (a, b))| difference(a, b, &format!("{path}/{n}")))
        }
        _ => Some(format!("{path}: {a} became {b}").chars().take(400).collect()),
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let begun = Instant::now();
    let mut dice = Dice(args.seed);
    let (mut asked, mut world, mut requests) = (0u64, World::new(args.seed)?, Vec::new());
    loop {
        let over = args.requests.map_or_else(|| begun.elapsed() >= Duration::from_secs(args.seconds), |most| asked >= most);
        if over {
            break;
        }
        if asked.is_multiple_of(PER_WORLD) {
            world = World::new(args.seed ^ asked)?;
            requests = corpus::read(include_str!("corpus.txt"), &world.handle);
        }
        let Some(mut request) = dice.of(&requests).cloned() else { bail!("the corpus is empty") };
        mutate::mutate(&mut dice, &mut request, &requests);
        asked += 1;
        if world.state.is_none() && dice.roll(3) == 0 {
            world.watch()?;
        }
        if let Err(wrong) = ask(&mut world, &request, begun) {
            bail!("request {asked} of seed {}: {wrong}\n{}", args.seed, show(&request));
        }
        if dice.roll(20) == 0 {
            world.look().map_err(|wrong| anyhow::anyhow!("before request {asked} of seed {}: {wrong}", args.seed))?;
            world.forget();
            let step = [1.0, 30.0, 300.0, 3600.0][dice.roll(4)];
            if catch_unwind(AssertUnwindSafe(|| world.handle.advance(step))).is_err() {
                bail!("after request {asked} of seed {}: time could not pass", args.seed);
            }
        }
        if asked.is_multiple_of(500) && memory() > MEMORY {
            bail!("after request {asked} of seed {}: {} MB are in use", args.seed, memory() >> 20);
        }
    }
    println!("fuzz: {asked} requests of seed {} in {:.0} s, {} MB", args.seed, begun.elapsed().as_secs_f64(), memory() >> 20);
    Ok(())
}
