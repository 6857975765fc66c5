//! SIGKILL to the real process, from this one, at instants drawn from a printed seed.
//!
//! Each kill waits until a change is in a drawn step (read from the database), then a drawn few milliseconds, then strikes.
//! After all kills: every change ended in the state that the simulator holds, one refresh each, no entry lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use fleetgate::app::environments::Adoption;
use fleetgate::app::releases::NewRelease;
use fleetgate::app::{App, Settings};
use fleetgate::aws::{Aws, AwsConfig};
use fleetgate::clock::Clocks;
use fleetgate::domain::access::Actor;
use fleetgate::domain::application::Application;
use fleetgate::domain::change::State;
use fleetgate::domain::environment::Policy;
use fleetgate::store::Store;
use fleetgate::store::changes::Filter;
use fleetgate_sim::seed::ImageSeed;
use fleetgate_sim::{ClockMode, Seed, Sim, SimConfig, StackNames};

use crate::harness::{APP, check_acts, drawn, long};
use crate::process::{PATIENCE, Process, Serve};

const KILLS: usize = 40;
const SPEED: f64 = 150.0;
const ENVIRONMENTS: usize = 3;
/// Where to strike. `queued` and `any` are not steps.
const TARGETS: [&str; 8] = ["queued", "create_version", "start_refresh", "roll", "verify", "roll_back", "undo", "any"];

/// SplitMix64: a drawn number for each question, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// Several groups like staging, each with a template and a target group of its own.
fn world(names: &StackNames) -> (Seed, Vec<String>) {
    let mut seed = Seed::target_stack(names);
    let find = |seed: &Seed| {
        (
            seed.groups.iter().find(|g| g.name == names.staging).cloned().unwrap(),
            seed.templates.iter().find(|t| t.name == names.staging_template).cloned().unwrap(),
        )
    };
    let (group, template) = find(&seed);
    let targets = seed.target_groups.iter().find(|t| t.name == names.staging_targets).cloned().unwrap();
    let mut groups = Vec::new();
    for n in 0..ENVIRONMENTS {
        let (mut g, mut t, mut tg) = (group.clone(), template.clone(), targets.clone());
        g.name = format!("{}-{n}", group.name);
        t.name = format!("{}-{n}", template.name);
        tg.name = format!("tg-{n}-{}", &targets.name[..6]);
        g.template = Some(t.name.clone());
        g.target_groups = vec![tg.name.clone()];
        groups.push(g.name.clone());
        seed.groups.push(g);
        seed.templates.push(t);
        seed.target_groups.push(tg);
    }
    (seed, groups)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_kills_repeat_nothing_and_lose_nothing() {
    let seed = drawn(20_261_122);
    let wanted_kills = long("FLEETGATE_TEST_KILLS", KILLS);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let names = StackNames::random(seed);
    let (seeded, groups) = world(&names);
    let start = jiff::Timestamp::from_millisecond(Clocks::system().wall()).unwrap();
    let sim = Sim::start(SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Running { start, speed: SPEED }, seed, world: seeded })
        .await
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/fleetgate.db", dir.path().display());
    let store = Store::open(&database, Clocks::system()).await.unwrap();
    let config = AwsConfig {
        endpoint: Some(format!("http://{}", sim.addr)),
        static_credentials: Some(("AKIATEST".into(), "test".into())),
        ..AwsConfig::default()
    };
    let app = App::new(
        store.clone(),
        Aws::connect(config, Clocks::system()).await,
        Clocks::system(),
        Settings { region: names.region.clone(), ..Settings::default() },
    );
    let host = Actor::host("test");
    app.create_application(&host, Application { name: APP.into(), repository: names.repository.clone() }).await.unwrap();
    for (n, asg) in groups.iter().enumerate() {
        let adoption = Adoption {
            name: format!("e{n}"),
            protected: false,
            region: names.region.clone(),
            role_arn: None,
            external_id: None,
            asg: asg.clone(),
            registry: None,
            image_source: None,
            redis_group: None,
            bucket: None,
            policy: Policy { bake_seconds: 0, boot_budget_seconds: Some(240), ..Policy::default() },
        };
        app.adopt(&host, APP, adoption).await.unwrap();
    }
    let token = app.create_token(&host, "crash", &["*".into()], 3_600_000).await.unwrap();
    let client = reqwest::Client::new();
    let serve = Serve { database: &database, endpoint: &format!("http://{}", sim.addr), region: &names.region, speed: SPEED, more: &[] };
    let mut starts = vec![Clocks::system().wall()];
    let mut process = Process::start(&serve);
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    let mut kills = 0;
    let mut round = 0;
    while kills < wanted_kills {
        // Every second round brings a bad image, which is taken back.
        let bad = round % 2 == 1;
        let tag = format!("round{round}");
        sim.world()
            .put_image(&names.repository, &ImageSeed { tag: tag.clone(), behaviour: if bad { "unhealthy" } else { "ok" }.into(), boot_seconds: None })
            .unwrap();
        // With our own App the release needs no running process.
        let person = Actor { grants: [("*".to_owned(), vec![fleetgate::domain::access::Role::Deployer])].into(), ..Actor::host("test") };
        let (release, _) = app.make_release(&person, APP, NewRelease { tag: Some(tag), digest: None, commit: None, notes: None }).await.unwrap();
        for n in 0..ENVIRONMENTS {
            let mut body = json!({"kind": "deploy", "release": release.number});
            if !bad {
                body["strategy"] = json!({"warmup_seconds": 60});
            }
            let answer = client
                .post(format!("{}/api/v1/apps/{APP}/environments/e{n}/changes", process.url))
                .bearer_auth(&token)
                .json(&body)
                .send()
                .await
                .unwrap();
            let status = answer.status();
            let body: Value = answer.json().await.unwrap();
            assert_eq!(status, 202, "{body}");
        }
        loop {
            // Half of the time what was hit least, so that no step is left out.
            let drawn = TARGETS[usize::try_from(dice.roll(TARGETS.len() as u64)).unwrap()];
            let here = TARGETS.into_iter().filter(|t| *t != "any" && (bad || !matches!(*t, "roll_back" | "undo")));
            let least = here.min_by_key(|t| hits.get(*t).copied().unwrap_or(0)).unwrap_or(drawn);
            let wanted = if dice.roll(2) == 0 { least } else { drawn };
            let jitter = Duration::from_micros(dice.roll(if matches!(wanted, "any" | "roll" | "undo") { 400_000 } else { 12_000 }));
            if kills >= wanted_kills || !reached(&store, wanted, round * ENVIRONMENTS).await {
                break;
            }
            tokio::time::sleep(jitter).await;
            process.kill();
            kills += 1;
            for step in steps(&store).await {
                *hits.entry(step).or_default() += 1;
            }
            starts.push(Clocks::system().wall());
            process = Process::start(&serve);
            if finals(&store).await == (round + 1) * ENVIRONMENTS {
                break;
            }
        }
        let begun = Instant::now();
        while finals(&store).await < (round + 1) * ENVIRONMENTS {
            assert!(begun.elapsed() < PATIENCE, "changes did not end: {:?}", unfinished(&store).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let expected = if bad { State::Undone } else { State::Succeeded };
        for c in store.list_changes(&Filter::default(), ENVIRONMENTS as i64).await.unwrap() {
            assert_eq!(c.state, expected, "#{} in round {round}: {}", c.number, c.sentence);
            // The truth: what the simulator's instances run.
            let digest = if bad { c.plan.old_digest.clone() } else { c.plan.bound.digest.clone() };
            let index: usize = c.env_name[1..].parse().unwrap();
            let world = sim.world().snapshot();
            let group = world["groups"].as_array().unwrap().iter().find(|g| g["name"] == groups[index].as_str()).unwrap().clone();
            for i in group["instances"].as_array().unwrap().iter().filter(|i| i["lifecycle"] == "InService") {
                assert_eq!(i["digest"].as_str(), digest.as_deref(), "#{} says {} and an instance disagrees", c.number, c.state.name());
            }
        }
        round += 1;
    }
    process.kill();
    let back = resumptions(&store, &starts).await;
    println!("taken up again within {} ms of the start of the process, worst of {}", back.iter().max().unwrap(), back.len());
    println!("{kills} kills over {} deploys, by the step that was hit: {hits:#?}", round * ENVIRONMENTS);
    for step in ["create_version", "start_refresh", "roll", "verify", "roll_back", "undo"] {
        let least = if wanted_kills > KILLS { 3 } else { 1 };
        assert!(hits.get(step).is_some_and(|n| *n >= least), "too few kills hit {step}");
    }
    let calls = sim.world().calls_since(0);
    let effective = |operation: &str| calls.iter().filter(|c| c.operation == operation && c.effective).count();
    assert_eq!(effective("StartInstanceRefresh"), round * ENVIRONMENTS, "one refresh for each deploy");
    assert_eq!(effective("CreateLaunchTemplateVersion"), round * ENVIRONMENTS, "one version for each deploy");
    assert_eq!(effective("RollbackInstanceRefresh"), round / 2 * ENVIRONMENTS, "one rollback for each bad one");
    check_acts(&store, &calls).await;
    let (entries, _) = store.verify_audit().await.unwrap().expect("the chain holds");
    let trail = store.page_audit(&Default::default(), 0, 100_000).await.unwrap();
    assert_eq!(i64::try_from(trail.len()).unwrap(), entries, "no entry is lost");
    for c in store.list_changes(&Filter::default(), 1000).await.unwrap() {
        let of = |action: &str, result: &str| trail.iter().filter(|e| e.change == Some(c.number) && e.action == action && e.result == result).count();
        assert_eq!(of(&format!("change.{}", c.state.name()), "done"), 1, "one end of #{}", c.number);
        for act in store.list_acts(c.number).await.unwrap() {
            assert!(of(&format!("aws.{}", act.operation), "intended") >= 1, "an act without its intent in the trail: {act:?}");
        }
    }
}

/// Waits until a change of this round is in the wanted step; `false` when the round ended before.
async fn reached(store: &Store, wanted: &str, finished_before: usize) -> bool {
    let begun = Instant::now();
    loop {
        if finals(store).await >= finished_before + ENVIRONMENTS {
            return false;
        }
        let now = steps(store).await;
        if wanted == "any" || now.iter().any(|s| s == wanted) {
            return true;
        }
        assert!(begun.elapsed() < PATIENCE, "changes hang: {:?}", unfinished(store).await);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// The step of every unfinished change, as the database has it.
async fn steps(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    for c in store.list_changes(&Filter::default(), ENVIRONMENTS as i64).await.unwrap() {
        if c.state == State::Queued {
            out.push("queued".to_owned());
        } else if !c.state.is_final() {
            let last = store.list_steps(c.number).await.unwrap().pop();
            out.push(last.filter(|s| s.state == "running").map_or_else(|| "between steps".to_owned(), |s| s.step));
        }
    }
    out
}

/// Milliseconds from the start of a process until it took up what an older one had begun, for each time that one did. Wall clock.
async fn resumptions(store: &Store, starts: &[i64]) -> Vec<i64> {
    let mut out = Vec::new();
    for c in store.list_changes(&Filter::default(), 1000).await.unwrap() {
        for e in store.list_events(c.number, 0, 10_000).await.unwrap() {
            if e.sentence.is_some_and(|s| s.starts_with("Fleetgate was")) {
                out.push(e.at - starts.iter().filter(|s| **s <= e.at).max().expect("some process wrote it"));
            }
        }
    }
    out
}

async fn finals(store: &Store) -> usize {
    store.list_changes(&Filter::default(), 1000).await.unwrap().iter().filter(|c| c.state.is_final()).count()
}

async fn unfinished(store: &Store) -> Vec<String> {
    store
        .list_changes(&Filter::default(), 1000)
        .await
        .unwrap()
        .iter()
        .filter(|c| !c.state.is_final())
        .map(|c| format!("#{} {} {}", c.number, c.state.name(), c.sentence))
        .collect()
}
