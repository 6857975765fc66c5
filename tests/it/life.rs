//! Starts, ends and restarts of the real process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use fleetgate::clock::Clocks;
use fleetgate::domain::change::State;
use fleetgate::store::Store;
use fleetgate::store::changes::Filter;

use crate::harness::{APP, Setup, TestApp, check_acts};
use crate::process::{PATIENCE, Process, Rehearsal, connect, established, exchange, read_until, rest, until};

const SPEED: f64 = 150.0;

/// How often, in the long form.
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
fn times(variable: &str, short: usize) -> usize {
    std::env::var(variable).ok().map_or(short, |n| n.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

async fn deploy(process: &Process, token: &str, release: i64) -> i64 {
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/apps/{APP}/environments/e0/changes", process.url))
        .bearer_auth(token)
        .json(&json!({"kind": "deploy", "release": release, "strategy": {"warmup_seconds": 60}}))
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 202, "{body}");
    body["number"].as_i64().unwrap()
}

/// Waits until the change's state is as wanted, in the database.
async fn reaches(store: &Store, number: i64, what: &str, wanted: impl Fn(State, usize) -> bool) {
    let begun = Instant::now();
    loop {
        let change = store.find_change(number).await.unwrap().unwrap();
        let steps = store.list_steps(number).await.unwrap().len();
        if wanted(change.state, steps) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "#{number} does not reach {what}: {} {}", change.state.name(), change.sentence);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Every deploy has succeeded, with one refresh each, and the group runs the last.
async fn check_truth(r: &Rehearsal, last: i64) {
    let changes = r.app.store.list_changes(&Filter::default(), 1000).await.unwrap();
    for c in &changes {
        assert_eq!(c.state, State::Succeeded, "#{}: {}", c.number, c.sentence);
    }
    let digest = r.app.store.find_change(last).await.unwrap().unwrap().plan.bound.digest;
    let world = r.sim.world().snapshot();
    let group = world["groups"].as_array().unwrap().iter().find(|g| g["name"] == r.names.staging.as_str()).unwrap();
    for i in group["instances"].as_array().unwrap().iter().filter(|i| i["lifecycle"] == "InService") {
        assert_eq!(i["digest"].as_str(), digest.as_deref(), "an instance runs something else");
    }
    let calls = r.sim.world().calls_since(0);
    let refreshes = calls.iter().filter(|c| c.operation == "StartInstanceRefresh" && c.effective).count();
    assert_eq!(refreshes, changes.len(), "one refresh for each deploy");
    check_acts(&r.app.store, &calls).await;
    r.app.store.verify_audit().await.unwrap().expect("the chain holds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_what_has_begun_and_the_next_process_goes_on() {
    let r = Rehearsal::new(911, SPEED).await;
    let release = r.release("next").await;
    r.sim
        .world()
        .put_image(&r.names.repository, &fleetgate_sim::seed::ImageSeed { tag: "late".into(), behaviour: "ok".into(), boot_seconds: None })
        .unwrap();
    let process = Process::start(&r.serve(SPEED, &[]));
    let cookie = r.sign_in(&process).await;
    let number = deploy(&process, &r.token, release).await;
    reaches(&r.app.store, number, "its first act", |state, steps| state == State::Running && steps > 1).await;

    // A stream of a browser, one of a program, and one whose reader takes nothing.
    let mut live = connect(&process, "127.0.0.1", None).await;
    live.write_all(format!("GET /live HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut live, "event: reset").await;
    let mut events = connect(&process, "127.0.0.1", None).await;
    let head =
        format!("GET /api/v1/changes/{number}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\r\n", r.token);
    events.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut events, "event: ").await;
    let mut deaf = connect(&process, "127.0.0.1", Some(2048)).await;
    deaf.write_all(head.as_bytes()).await.unwrap();
    // One with half a head, one idle.
    let mut half = connect(&process, "127.0.0.1", None).await;
    half.write_all(b"GET / HT").await.unwrap();
    let mut idle = connect(&process, "127.0.0.1", None).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut idle, "ok\n").await;
    // A request in flight: the product has asked for its body.
    let body = json!({"tag": "late"}).to_string();
    let mut flight = connect(&process, "127.0.0.1", None).await;
    let head = format!(
        "POST /api/v1/apps/{APP}/releases HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        r.token,
        body.len()
    );
    flight.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut flight, "100 Continue").await;

    let asked = Instant::now();
    process.terminate();
    let address: std::net::SocketAddr = process.address().parse().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(address).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it still takes connections");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    flight.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut flight).await;
    assert!(answer.contains("HTTP/1.1 201") && answer.contains("\"digest\""), "what was in flight is answered: {answer}");
    for (name, stream) in [("live", &mut live), ("events", &mut events)] {
        let end = rest(stream).await;
        assert!(end.ends_with("0\r\n\r\n"), "the stream {name} ends in order: {end:?}");
    }
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut half).await, "");
    let (status, log) = process.ended().await;
    println!("gone {:.2} s after SIGTERM", asked.elapsed().as_secs_f64());
    assert!(status.success() && !log.contains("did not end in time"), "{status}: {log}");
    drop(deaf);

    let unfinished = r.app.store.find_change(number).await.unwrap().unwrap();
    assert!(!unfinished.state.is_final(), "the deploy was over before the end could interrupt it");
    let process = Process::start(&r.serve(SPEED, &[]));
    reaches(&r.app.store, number, "its end", |state, _| state.is_final()).await;
    process.kill();
    check_truth(&r, number).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_does_not_wait_for_a_look_at_a_silent_aws() {
    let r = Rehearsal::new(915, SPEED).await;
    let looks = || r.sim.world().calls_since(0).iter().filter(|c| c.operation == "DescribeAutoScalingGroups").count();
    let silent = json!({"service": "*", "operation": "DescribeAutoScalingGroups", "kind": "timeout", "rate": 1.0, "seed": 1});
    let before = looks();
    r.sim.world().fault(serde_json::from_value(silent).unwrap()).unwrap();
    let process = Process::start(&r.serve(SPEED, &[]));
    until("a look that gets no answer begins", || looks() > before).await;
    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success() && !log.contains("did not end in time"), "{status}: {log}");
}

/// An act that AWS did and does not answer: the process does not wait for it for ever, and the next one finds what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_does_not_wait_for_ever_for_an_act_without_an_answer() {
    let r = Rehearsal::new(916, SPEED).await;
    let release = r.release("next").await;
    let silent = json!({"service": "*", "operation": "StartInstanceRefresh", "kind": "hang_after", "rate": 1.0, "seed": 1});
    r.sim.world().fault(serde_json::from_value(silent).unwrap()).unwrap();
    let process = Process::start(&r.serve(SPEED, &[]));
    let number = deploy(&process, &r.token, release).await;
    until("the refresh is started", || r.sim.world().calls_since(0).iter().any(|c| c.operation == "StartInstanceRefresh")).await;
    let asked = Instant::now();
    process.terminate();
    let (status, log) = process.ended().await;
    println!("gone {:.2} s after SIGTERM", asked.elapsed().as_secs_f64());
    assert!(status.success() && log.contains("did not end in time; what they did is looked up at the next start"), "{status}: {log}");
    r.sim.world().clear_faults();
    let process = Process::start(&r.serve(SPEED, &[]));
    reaches(&r.app.store, number, "its end", |state, _| state.is_final()).await;
    process.kill();
    check_truth(&r, number).await;
}

/// However far away its next look is.
#[tokio::test]
async fn what_an_older_process_had_in_hand_is_taken_up_at_once() {
    let mut t = TestApp::with_stack(Setup::seed(917)).await;
    let dan = t.sign_in("dan").await;
    let release = t.release(&dan, "next", "ok", None).await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": release})).await);
    while t.app.store.find_change(number).await.unwrap().unwrap().progress.refresh.is_none() {
        t.step().await;
    }
    let told = async |t: &TestApp| {
        let events = t.app.store.list_events(number, 0, 1000).await.unwrap();
        events.into_iter().filter_map(|e| e.sentence).filter(|s| s.starts_with("Fleetgate was")).count()
    };
    t.work().await;
    assert!(t.app.store.next_due().await.unwrap().is_some_and(|at| at > t.clock.now()), "it is looked at later");
    assert_eq!(told(&t).await, 0);
    for restarts in 1..=2 {
        t.restart().await;
        t.work().await;
        assert_eq!(told(&t).await, restarts, "once for each process");
    }
    t.finish().await;
}

/// `FLEETGATE_TEST_RESTARTS=50` is the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_leave_no_wrong_state() {
    let restarts = times("FLEETGATE_TEST_RESTARTS", 5);
    let r = Rehearsal::new(912, SPEED).await;
    let (site, mut sites) = tokio::sync::watch::channel(String::new());
    let mut process = Process::start(&r.serve(SPEED, &[]));
    site.send_replace(process.url.clone());
    let mut load = tokio::task::JoinSet::new();
    for reader in 0..4 {
        let (sites, token) = (sites.clone(), r.token.clone());
        load.spawn(async move {
            let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
            let (mut answered, mut cut) = (0_usize, 0_usize);
            loop {
                let url = sites.borrow().clone();
                if url.is_empty() {
                    return (answered, cut);
                }
                let path = if reader % 2 == 0 { "/api/v1/environments" } else { "/api/v1/changes" };
                match client.get(format!("{url}{path}")).bearer_auth(&token).send().await {
                    Ok(answer) => {
                        assert_eq!(answer.status(), 200, "{path}");
                        answered += 1;
                    }
                    // Nobody listens between two processes.
                    Err(e) if e.is_connect() => tokio::task::yield_now().await,
                    Err(_) => cut += 1,
                }
            }
        });
    }
    let (mut round, mut number, mut slowest) = (0, 0, Duration::ZERO);
    for restart in 0..restarts {
        let open = match number {
            0 => None,
            n => r.app.store.find_change(n).await.unwrap().filter(|c| !c.state.is_final()),
        };
        if open.is_none() {
            let release = r.release(&format!("round{round}")).await;
            number = deploy(&process, &r.token, release).await;
            round += 1;
        }
        // Something has moved since the last start: another step, or the end.
        let before = r.app.store.list_steps(number).await.unwrap().len();
        reaches(&r.app.store, number, "another step", |state, steps| state.is_final() || steps > before).await;
        let asked = Instant::now();
        process.terminate();
        let (status, log) = process.ended().await;
        assert!(status.success() && !log.contains("did not end in time"), "restart {restart}: {status}: {log}");
        slowest = slowest.max(asked.elapsed());
        process = Process::start(&r.serve(SPEED, &[]));
        site.send_replace(process.url.clone());
    }
    reaches(&r.app.store, number, "its end", |state, _| state.is_final()).await;
    site.send_replace(String::new());
    sites.borrow_and_update();
    let (mut answered, mut cut) = (0, 0);
    while let Some(done) = load.join_next().await {
        let (a, c) = done.unwrap();
        (answered, cut) = (answered + a, cut + c);
    }
    process.kill();
    println!("{restarts} restarts, {round} deploys, {answered} answers, {cut} cut off, slowest end {:.2} s", slowest.as_secs_f64());
    // The kernel cuts off whoever connects in the instant between the last accept and the close; nothing else may be.
    assert!(cut <= 1 + restarts / 10, "requests that were taken were not answered");
    check_truth(&r, number).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused() {
    let r = Rehearsal::new(913, 1.0).await;
    let first = Process::start(&r.serve(1.0, &[]));
    let said = Process::ready(Process::spawn(&r.serve(1.0, &[]))).err().expect("the second must not start");
    assert!(said.contains("another Fleetgate works on this database"), "{said}");
    let answer = exchange(&first, "127.0.0.1", "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "the first works on: {answer}");
    until("its connection is gone", || established(first.port(), "127.0.0.1") == 0).await;
    first.kill();
    // A lock does not outlive its process.
    Process::start(&r.serve(1.0, &[])).kill();
}

/// `FLEETGATE_TEST_RACES=50` is the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_start_at_once_one_wins() {
    let r = Rehearsal::new(914, 1.0).await;
    for race in 0..times("FLEETGATE_TEST_RACES", 5) {
        // Half of them on a database that is not there yet: both would make it.
        let fresh = format!("sqlite://{}/race{race}.db", r.dir.path().display());
        let mut serve = r.serve(1.0, &[]);
        if race % 2 == 0 {
            serve.database = &fresh;
        }
        let both = [Process::spawn(&serve), Process::spawn(&serve)].map(|child| tokio::task::spawn_blocking(|| Process::ready(child)));
        let [a, b] = both;
        match (a.await.unwrap(), b.await.unwrap()) {
            (Ok(winner), Err(said)) | (Err(said), Ok(winner)) => {
                assert!(said.contains("another Fleetgate works on this database"), "race {race}: {said}");
                winner.kill();
            }
            (Ok(_), Ok(_)) => panic!("race {race}: both run"),
            (Err(a), Err(b)) => panic!("race {race}: neither runs: {a} / {b}"),
        }
        if race % 2 == 0 {
            assert!(Store::open(&fresh, Clocks::system()).await.is_ok(), "race {race} left a database that can not be opened");
        }
    }
}
