//! A sick AWS changes nothing of what was promised (promise S2), in bulk: almost a third of all calls go wrong, and what is read is old.
//!
//! Many environments roll at once, so that calls which hang do so beside one another; the worker is the real one.

use std::time::Duration;

use serde_json::json;

use fleetgate::domain::change::State;
use fleetgate_sim::FaultKind;

use crate::harness::{Setup, TestApp, drawn};
use crate::proofs::{adopt, ask, cases, effective, healthy, one, quick, quick_times, truth, with_patience};

const GROUPS: usize = 5;
const ROUNDS: usize = 10;

/// Throttled, broken, never answered, done but not answered, old.
const FAULTS: [(FaultKind, f64); 5] =
    [(FaultKind::Throttle, 0.10), (FaultKind::Error, 0.078), (FaultKind::Timeout, 0.072), (FaultKind::LostReply, 0.091), (FaultKind::Stale, 0.5)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_end_as_aws_does_while_a_third_of_the_calls_goes_wrong() {
    if let Some(number) = one() {
        return world(number, ROUNDS).await;
    }
    let rounds = cases(10, 1000).div_ceil(GROUPS);
    // A world of its own for every few rounds: the simulator keeps so many calls and no more.
    for first in (0..rounds).step_by(ROUNDS) {
        world(2201 + first as u64, ROUNDS.min(rounds - first)).await;
    }
}

async fn world(world: u64, rounds: usize) {
    let seed = drawn(world);
    let names: Vec<String> = (0..GROUPS).map(|n| format!("sick{n}")).collect();
    let groups = names.clone();
    let mut t = TestApp::with(Setup::seed(world).world(move |seeded, stack| {
        groups.iter().for_each(|g| quick(seeded, stack, g, (1, 2, 6)));
        quick_times(seeded, seed);
    }))
    .await;
    // A call that hangs costs this much of real time.
    with_patience(&mut t, Duration::from_millis(200), Duration::from_millis(600)).await;
    for name in &names {
        adopt(&t, name, name, false, json!({})).await;
    }
    let token = t.token(&["*"]).await;
    let (mut good, mut bad, mut called_done) = (0, 0, 0);
    for round in 0..rounds {
        // Every third release is bad and taken back.
        let works = round % 3 != 1;
        let release = t.release(&token, &format!("r{round}"), if works { "ok" } else { "unhealthy" }, Some(5)).await;
        for (n, (kind, rate)) in FAULTS.into_iter().enumerate() {
            let rule = json!({"service": "*", "operation": "*", "kind": kind, "rate": rate, "seed": seed + (round * 10 + n) as u64, "seconds": 10});
            t.sim.world().fault(serde_json::from_value(rule).unwrap()).unwrap();
        }
        let mut numbers = Vec::new();
        for name in &names {
            let body = json!({"kind": "deploy", "release": release, "strategy": {"warmup_seconds": 10}});
            numbers.push(TestApp::accepted(ask(&t, &token, name, &body, None).await));
        }
        let mut steps = 0;
        loop {
            let mut open = 0;
            for n in &numbers {
                let c = t.app.store.find_change(*n).await.unwrap().unwrap();
                open += usize::from(!c.state.is_final());
                assert!(steps < 700, "#{n} did not end: {} {}", c.state.name(), c.sentence);
            }
            if open == 0 {
                break;
            }
            t.step().await;
            steps += 1;
        }
        t.sim.world().clear_faults();
        for (name, number) in names.iter().zip(&numbers) {
            let c = t.app.store.find_change(*number).await.unwrap().unwrap();
            let group = truth(&t, name);
            let events: Vec<_> = t.app.store.list_events(*number, 0, 1000).await.unwrap().into_iter().filter_map(|e| e.sentence).collect();
            let told = format!("world {world}, round {round}, {name}: {} {}\n{:#?}\n{events:#?}", c.state.name(), c.sentence, group["refreshes"]);
            let digest = if works { c.plan.bound.digest.clone() } else { c.plan.old_digest.clone() }.unwrap();
            // The end that is told is the end that AWS holds, whichever it is.
            let runs = healthy(&group);
            assert!(runs.iter().all(|(_, d)| *d == digest) && runs.len() >= 2, "{told}: {runs:?}");
            assert_eq!(c.state, if works { State::Succeeded } else { State::Undone }, "{told}");
            let refreshes = group["refreshes"].as_array().unwrap();
            let status =
                |id: &Option<String>| refreshes.iter().find(|r| r["id"].as_str() == id.as_deref()).map_or("", |r| r["status"].as_str().unwrap());
            // Some draws let AWS call a refresh done before its new instances were ever healthy. What is taken back then is no refresh
            // any more: another one goes back.
            let late = !works && status(&c.progress.refresh) == "Successful";
            assert_eq!(status(&c.progress.refresh), if works || late { "Successful" } else { "RollbackSuccessful" }, "{told}");
            assert_eq!(status(&c.progress.undo_refresh), if late { "Successful" } else { "" }, "{told}");
            called_done += usize::from(late);
        }
        *(if works { &mut good } else { &mut bad }) += GROUPS;
    }
    let needed = [
        ("CreateLaunchTemplateVersion", good + bad),
        ("StartInstanceRefresh", good + bad + called_done),
        ("RollbackInstanceRefresh", bad - called_done),
    ];
    for (operation, needed) in needed {
        assert_eq!(effective(&t, operation), needed, "effective {operation} calls");
    }
    let calls = t.calls();
    let share = |kind: &str| calls.iter().filter(|c| c.fault.as_deref() == Some(kind)).count() as f64 * 100.0 / calls.len() as f64;
    let shares = FAULTS.map(|(kind, _)| format!("{} {:.1}", kind_name(kind), share(&kind_name(kind))));
    println!(
        "{good} good and {bad} bad deploys ({called_done} called done by AWS before), {} calls, per cent that went wrong: {}",
        calls.len(),
        shares.join(", ")
    );
    let wrong: f64 = ["throttle", "error", "timeout", "lost_reply"].into_iter().map(share).sum();
    assert!((25.0..35.0).contains(&wrong), "{wrong} per cent");
    t.finish().await;
}

fn kind_name(kind: FaultKind) -> String {
    json!(kind).as_str().unwrap().to_owned()
}
