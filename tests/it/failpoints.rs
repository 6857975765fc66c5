//! promises.md, S1: the process dies before and after each commit and each act on AWS, once and twice in a row; nothing is repeated,
//! nothing is lost, and every change ends in the state that AWS holds.
//!
//! The short form takes the points around the acts; with `FLEETGATE_TEST_LONG=1` every point, once and twice.

use std::collections::BTreeSet;

use serde_json::json;

use fleetgate::domain::change::State;
use fleetgate::worker;

use crate::harness::{APP, As, Setup, TestApp, long};

/// Looks of a change until it must have ended.
const MOST_LOOKS: usize = 400;

/// Lets the worker do what is due, unless the process dies at it.
async fn work(t: &TestApp) {
    let wire = t.app.store.tripwire();
    while !wire.broken() && worker::changes::tick(&t.app).await.is_ok_and(|n| n > 0) {}
    if !wire.broken() {
        let _ = worker::upkeep::tick(&t.app).await;
    }
}

/// One deployment of a new image with deaths at the given points, each counted from the start before it. Returns the points that the
/// last life passed.
async fn deploy(t: &mut TestApp, who: &As, tag: &str, good: bool, mut deaths: Vec<usize>) -> Vec<&'static str> {
    let release = t.release(who, tag, if good { "ok" } else { "unhealthy" }, None).await;
    let (begun, before) = (t.calls().len(), t.digests(&t.names.staging));
    deaths.reverse();
    t.app.store.tripwire().arm(deaths.pop().unwrap_or(0));
    let mut number = None;
    for _ in 0..MOST_LOOKS {
        if t.app.store.tripwire().broken() {
            t.restart().await;
            t.app.store.tripwire().arm(deaths.pop().unwrap_or(0));
        }
        if number.is_none() {
            // Whoever had no answer asks again with the same key.
            let path = format!("/api/v1/apps/{APP}/environments/staging/changes");
            let body = json!({"kind": "deploy", "release": release, "strategy": {"bake_seconds": 0}});
            let answer = t.post_with_key(who, &path, body, tag).await;
            if answer.status == 202 {
                number = answer.body["number"].as_i64();
            } else {
                assert!(t.app.store.tripwire().broken(), "{}", answer.text);
                continue;
            }
        }
        work(t).await;
        let change = t.app.store.find_change(number.unwrap()).await.unwrap().unwrap();
        if change.state.is_final() && !t.app.store.tripwire().broken() {
            let (state, runs) =
                if good { (State::Succeeded, BTreeSet::from([change.plan.bound.digest.clone().unwrap()])) } else { (State::Undone, before) };
            assert_eq!(change.state, state, "{tag}: {}", change.sentence);
            assert_eq!(t.digests(&t.names.staging), runs, "{tag}: what AWS runs");
            let calls = &t.calls()[begun..];
            for (operation, times) in
                [("CreateLaunchTemplateVersion", 1), ("StartInstanceRefresh", 1), ("RollbackInstanceRefresh", usize::from(!good))]
            {
                let done = calls.iter().filter(|c| c.operation == operation && c.effective).count();
                assert_eq!(done, times, "{tag}: effective {operation}");
            }
            let passed = t.app.store.tripwire().passed();
            t.app.store.tripwire().arm(0);
            return passed;
        }
        t.sim.world().advance(20.0);
        t.clock.advance(std::time::Duration::from_secs(20));
    }
    panic!("{tag} does not end: {:?}", t.app.store.find_change(number.unwrap()).await.unwrap().map(|c| (c.state, c.sentence)));
}

#[tokio::test]
async fn a_death_at_each_point_repeats_nothing_and_loses_nothing() {
    let every = long("FLEETGATE_TEST_LONG", 0) > 0;
    let mut t = TestApp::with_stack(Setup::seed(951)).await;
    let who = t.token(&["shop/staging"]).await;
    let (mut lives, mut points) = (0, 0);
    for good in [true, false] {
        let passed = Box::pin(deploy(&mut t, &who, &format!("whole-{good}"), good, vec![])).await;
        let acts: Vec<usize> = (0..passed.len()).filter(|at| passed[*at].ends_with("act")).collect();
        assert!(acts.len() >= 4, "{passed:?}");
        // Around an act: the commit of its intent, the call, the commit of its outcome.
        let near: BTreeSet<usize> = acts.iter().flat_map(|at| [at.saturating_sub(1), *at, at + 1]).map(|at| at + 1).collect();
        // The bad one differs by its last act.
        let short = near.into_iter().filter(|at| good || *at >= acts[acts.len() - 2]).collect();
        let chosen: Vec<usize> = if every { (1..=passed.len()).collect() } else { short };
        points += chosen.len();
        for at in chosen {
            Box::pin(deploy(&mut t, &who, &format!("once-{good}-{at}"), good, vec![at])).await;
            lives += 2;
            if every {
                Box::pin(deploy(&mut t, &who, &format!("twice-{good}-{at}"), good, vec![at, at.min(4)])).await;
                lives += 3;
            }
        }
    }
    println!("{points} points, {lives} lives");
    t.finish().await;
}
