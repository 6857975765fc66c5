//! `fleetgate demo`: the product, the simulated AWS, and a world with a history.
//!
//! The history is played: real changes through the engine, on clocks that are moved by hand from three days ago to now. So
//! the trail verifies, and its digests and versions exist in the simulator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::json;

use fleetgate::app::changes::{OnBusy, Request};
use fleetgate::app::environments::Adoption;
use fleetgate::app::releases::NewRelease;
use fleetgate::app::{App, Settings};
use fleetgate::aws::{Aws, AwsConfig, BudgetConfig};
use fleetgate::clock::{Anchor, Clocks, ManualClock};
use fleetgate::config::CONNECTIONS_PER_ADDRESS;
use fleetgate::domain::access::{Actor, ActorKind, Grants, Origin, Role};
use fleetgate::domain::application::Application;
use fleetgate::domain::change::{Capacity, Intent, State};
use fleetgate::domain::environment::Policy;
use fleetgate::domain::strategy::StrategyChoice;
use fleetgate::serve;
use fleetgate::store::Store;
use fleetgate::store::changes::Change;
use fleetgate::worker;
use fleetgate_sim::seed::ImageSeed;
use fleetgate_sim::{ClockMode, Seed, Sim, SimConfig, StackNames};

/// Options of the demo.
#[derive(Args)]
pub(crate) struct Options {
    /// Address of the site; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the simulated AWS; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4566")]
    aws_listen: SocketAddr,
    /// One real second is N simulated ones.
    #[arg(long, default_value_t = 20.0)]
    speed: f64,
    /// Where the database goes; default: a fresh temporary directory.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Print one line of JSON once ready, instead of words.
    #[arg(long)]
    json: bool,
}

const APP: &str = "stateless-app";
/// How far back the history begins.
const HISTORY: Duration = Duration::from_secs(3 * 86_400);
/// Step of the clocks while the history is played.
const STEP: Duration = Duration::from_secs(30);
/// Steps after which a played change must have ended.
const MOST_STEPS: usize = 400;

/// Name, role, and where it holds.
const PEOPLE: [(&str, Role); 4] = [("ada", Role::Admin), ("dan", Role::Deployer), ("pia", Role::Approver), ("vera", Role::Viewer)];

/// Starts everything and runs until a signal.
///
/// # Errors
/// An address is taken, the directory can not be written, or the history did not play as it must.
pub(crate) async fn run(o: Options) -> anyhow::Result<()> {
    ensure!(o.listen.ip().is_loopback() && o.aws_listen.ip().is_loopback(), "the demo has made-up people and passwords: it listens on loopback only");
    fleetgate::config::check_speed(Some(o.speed), Some("http://127.0.0.1"))?;
    let dir = match o.data_dir {
        Some(d) => d,
        None => std::env::temp_dir().join(format!("fleetgate-demo-{}", uuid::Uuid::now_v7().simple())),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("{} can not be created", dir.display()))?;
    let database = dir.join("fleetgate.db");
    ensure!(!database.exists(), "{} exists: a demo needs a world of its own. Give an empty --data-dir, or remove it", database.display());
    let names = StackNames { production_tag: "v1".into(), staging_tag: "v1".into(), ..StackNames::default() };
    let begin = Clocks::system().wall() - i64::try_from(HISTORY.as_millis())?;
    let start = jiff::Timestamp::from_millisecond(begin)?;
    let sim = Sim::start(SimConfig { listen: o.aws_listen, clock: ClockMode::Manual { start }, seed: 7, world: Seed::target_stack(&names) }).await?;
    let endpoint = format!("http://{}", sim.addr);
    let url = format!("sqlite://{}", database.display());
    let (clocks, hand) = Clocks::manual(begin);
    let lock = dir.join("fleetgate.db.lock");
    let aws = |clocks: &Clocks, budget: BudgetConfig| {
        let config = AwsConfig {
            endpoint: Some(endpoint.clone()),
            static_credentials: Some(("AKIADEMO".into(), "demo".into())),
            budget,
            ..AwsConfig::default()
        };
        Aws::connect(config, clocks.clone())
    };
    let settings = Settings { region: names.region.clone(), ..Settings::default() };
    let (people, token) = {
        let store = Store::open(&url, clocks.clone()).await?.take_over(Some(&lock)).await?;
        // While the clock is moved by hand nothing refills the budget.
        let app = App::new(store, aws(&clocks, BudgetConfig { per_second: 1e6, burst: 1e9, reserve: 0.0 }).await, clocks.clone(), settings.clone());
        Player { app, sim: sim.world(), hand, names: &names }.play().await.context("the history could not be played")?
    };
    let world = sim.world();
    let wall = Clocks::system().wall();
    let behind = wall - world.now().as_millisecond();
    if behind > 0 {
        world.advance(behind as f64 / 1000.0);
    }
    world.put_image(&names.repository, &ImageSeed { tag: "v5".into(), behaviour: "ok".into(), boot_seconds: None })?;
    world.set_speed(Some(o.speed));
    let now = Clocks::system().wall();
    let anchor = Anchor { wall: now, cloud: world.now().as_millisecond() };
    let store = Store::open(&url, Clocks::system()).await?.take_over(Some(&lock)).await?;
    let clocks = Clocks::scaled(store.anchor(o.speed, anchor).await?, o.speed);
    let app = App::new(store, aws(&clocks, BudgetConfig::default()).await, clocks, settings);
    app.glance_images(APP).await?;
    let running = serve::start(app, o.listen, None, None, CONNECTIONS_PER_ADDRESS).await?;
    let site = format!("http://{}", running.addr);
    if o.json {
        println!("{}", json!({"url": site, "aws_endpoint": endpoint, "people": people, "token": token, "data_dir": dir}));
    } else {
        println!(
            "Fleetgate demo\n\n  site        {site}\n  API         {site}/api/openapi.json\n  AWS         {endpoint} (simulated, {} times as fast)\n  database    {}\n",
            o.speed,
            database.display()
        );
        for p in &people {
            println!(
                "  {:<6} {:<9} {}",
                p["name"].as_str().unwrap_or_default(),
                p["role"].as_str().unwrap_or_default(),
                p["password"].as_str().unwrap_or_default()
            );
        }
        println!(
            "\n  API token   {token}\n\nEnvironments: {APP}/staging, {APP}/production (asks for approval), {APP}/legacy (waits for its pin). Ctrl-C ends it."
        );
    }
    running.until_signal().await
}

struct Player<'a> {
    app: App,
    sim: fleetgate_sim::Handle,
    hand: ManualClock,
    names: &'a StackNames,
}

impl Player<'_> {
    async fn play(&self) -> anyhow::Result<(Vec<serde_json::Value>, String)> {
        let host = Actor::host("demo");
        let mut people = Vec::new();
        for (name, role) in PEOPLE {
            let password = format!("{name}-{}", uuid::Uuid::new_v4().simple());
            let grants = Grants::from([("*".to_owned(), vec![role])]);
            let link = self.app.add_person(&host, name, &grants).await?;
            self.app.choose_password(&link, &password, Origin::default()).await?;
            people.push(json!({"name": name, "password": password, "role": role}));
        }
        let (ada, dan, pia) =
            (self.person("ada", Role::Admin).await?, self.person("dan", Role::Deployer).await?, self.person("pia", Role::Approver).await?);
        self.app.create_application(&ada, Application { name: APP.into(), repository: self.names.repository.clone() }).await?;
        self.app.make_release(&dan, APP, release("v1", "First release.")).await?;
        for (env, protected, asg, policy) in [
            ("staging", false, &self.names.staging, Policy { max_ceiling: 4, ..Policy::default() }),
            ("production", true, &self.names.production, Policy { min_floor: 2, max_ceiling: 12, ..Policy::default() }),
            ("legacy", false, &self.names.legacy, Policy { max_ceiling: 4, ..Policy::default() }),
        ] {
            let adoption = Adoption {
                name: env.into(),
                protected,
                region: self.names.region.clone(),
                role_arn: Some(format!("arn:aws:iam::{}:role/{}", self.names.account, self.names.role)),
                external_id: Some(self.names.external_id.clone()),
                asg: asg.clone(),
                registry: None,
                image_source: None,
                redis_group: Some(self.names.redis.clone()),
                bucket: Some(self.names.bucket.clone()),
                policy,
            };
            self.app.adopt(&ada, APP, adoption).await?;
        }
        let token =
            self.app.create_token(&host, "ci", &["staging", "production", "legacy"].map(|env| format!("{APP}/{env}")), 90 * 86_400_000).await?;
        self.pass(Duration::from_secs(9 * 3600)).await?;
        self.deploy(&dan, &pia, "v2", "Faster start page.", State::Succeeded, true).await?;
        self.pass(Duration::from_secs(20 * 3600)).await?;
        // The third image answers 500: it is taken back in staging and never reaches production.
        self.deploy(&dan, &pia, "v3", "New session store.", State::Undone, false).await?;
        self.pass(Duration::from_secs(3 * 3600)).await?;
        self.deploy(&dan, &pia, "v4", "New session store, with the missing migration.", State::Succeeded, true).await?;
        self.pass(Duration::from_secs(14 * 3600)).await?;
        let env = self.app.visible(&dan, APP, "staging").await?;
        let base = Capacity { min: 1, desired: 2, max: 4 };
        let raise = Request {
            intent: Intent::Capacity { min: Some(2), desired: None, max: None, base },
            reason: Some("Two zones, always.".into()),
            on_busy: OnBusy::Refuse,
            key: None,
            read: None,
            settles: None,
        };
        let change = self.app.request_change(&dan, &env, raise).await?;
        self.settle(change.number, State::Succeeded).await?;
        Ok((people, token))
    }

    async fn deploy(&self, dan: &Actor, pia: &Actor, tag: &str, notes: &str, end: State, on_to_production: bool) -> anyhow::Result<()> {
        let (made, _) = self.app.make_release(dan, APP, release(tag, notes)).await?;
        let intent = Intent::Deploy { release: made.number, base_template_version: None, strategy: StrategyChoice::default() };
        for env in ["staging", "production"] {
            if env == "production" && !on_to_production {
                continue;
            }
            let place = self.app.visible(dan, APP, env).await?;
            let request = Request {
                intent: intent.clone(),
                reason: Some(format!("Release {tag}: {notes}")),
                on_busy: OnBusy::Refuse,
                key: None,
                read: None,
                settles: None,
            };
            let change = self.app.request_change(dan, &place, request).await?;
            if change.state == State::AwaitingApproval {
                self.pass(Duration::from_secs(600)).await?;
                self.app.approve_change(pia, &place, change.number, &change.plan_hash, Some("Staging looked good.".into())).await?;
            }
            self.settle(change.number, end).await?;
        }
        Ok(())
    }

    /// Moves both clocks and the world together, and lets the worker do what is due.
    async fn step(&self, by: Duration) -> anyhow::Result<()> {
        self.sim.advance(by.as_secs_f64());
        self.hand.advance(by);
        while worker::changes::tick(&self.app).await? > 0 {}
        Ok(())
    }

    async fn pass(&self, time: Duration) -> anyhow::Result<()> {
        self.step(time).await
    }

    async fn settle(&self, number: i64, end: State) -> anyhow::Result<Change> {
        for _ in 0..MOST_STEPS {
            self.step(STEP).await?;
            let change = self.app.store.find_change(number).await?.context("a change vanished")?;
            if change.state.is_final() {
                ensure!(change.state == end, "#{number} ended as {}: {}", change.state.name(), change.sentence);
                return Ok(change);
            }
        }
        let change = self.app.store.find_change(number).await?.context("a change vanished")?;
        anyhow::bail!("#{number} did not end: {} ({})", change.state.name(), change.sentence)
    }

    async fn person(&self, name: &str, role: Role) -> anyhow::Result<Actor> {
        let id = self.app.store.find_person(name).await?.context("a person vanished")?.id;
        Ok(Actor { kind: ActorKind::Person, name: name.into(), id, grants: Grants::from([("*".to_owned(), vec![role])]), origin: Origin::default() })
    }
}

fn release(tag: &str, notes: &str) -> NewRelease {
    NewRelease { tag: Some(tag.into()), digest: None, commit: None, notes: Some(notes.into()) }
}
