//! A bad release is taken back to the last good one, at once and without spreading; a slow one is left alone (promise S7).
//!
//! The judge knows nothing of the product: it reads the simulator's ground truth at each look, and its log of calls.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use fleetgate::domain::access::Role;
use fleetgate::domain::next::POLL_MS;
use fleetgate_sim::FaultKind;

use crate::harness::{As, Setup, TestApp, drawn};
use crate::proofs::{Dice, adopt, cases, effective, people, quick, quick_times, truth};

const GROUP: &str = "rolls";
/// Seconds that a new instance may take to become healthy.
const BUDGET: i64 = 60;
/// Desired, and the share of the first checkpoint.
const SIZE: i64 = 5;
const SHARE: i64 = 20;

async fn stack(seed: u64) -> TestApp {
    let t = TestApp::with(Setup::seed(seed).world(move |world, names| {
        quick(world, names, GROUP, (2, SIZE, 12));
        quick_times(world, drawn(seed));
        // AWS gives up on a refresh without progress after ten minutes here, not after an hour.
        world.params.as_mut().unwrap().refresh_no_progress = 600;
    }))
    .await;
    adopt(&t, GROUP, GROUP, false, json!({"boot_budget_seconds": BUDGET, "bake_seconds": 60})).await;
    t
}

async fn asked(t: &TestApp, who: &As, release: i64, strategy: Value) -> i64 {
    TestApp::accepted(t.change(who, GROUP, json!({"kind": "deploy", "release": release, "strategy": strategy})).await)
}

/// The numbered version that the group launches.
fn version(t: &TestApp) -> i64 {
    truth(t, GROUP)["template"]["version"].as_str().unwrap().parse().unwrap()
}

fn canary() -> Value {
    json!({"checkpoints": [SHARE, 100], "checkpoint_delay_seconds": 300})
}

/// What AWS could show of the bad image, look by look.
#[derive(Default)]
struct Judge {
    /// First look that showed the instance in service, and whether one ever showed it healthy.
    seen: BTreeMap<String, (i64, bool)>,
    /// Cloud time of the first look that proves the image bad.
    evidence: Option<i64>,
    /// Most instances that ran it at a time.
    most: usize,
}

impl Judge {
    fn look(&mut self, t: &TestApp, old: i64) {
        let now = t.clock.now();
        let group = truth(t, GROUP);
        // By the version: what runs is not known before it was pulled.
        let ours: Vec<_> = group["instances"].as_array().unwrap().iter().filter(|i| i["template_version"] != old).collect();
        let runs = ours.iter().filter(|i| !i["lifecycle"].as_str().unwrap().starts_with("Terminat"));
        self.most = self.most.max(runs.count());
        for i in ours.iter().filter(|i| i["lifecycle"] == "InService") {
            let state = i["targets"][0]["state"].as_str().unwrap_or("initial");
            let (since, was_healthy) = self.seen.entry(i["id"].to_string()).or_insert((now, false));
            *was_healthy |= state == "healthy";
            let late = now - *since > BUDGET * 1000;
            if (state == "unhealthy" && *was_healthy) || (state != "healthy" && late && !*was_healthy) {
                self.evidence.get_or_insert(now);
            }
        }
    }
}

/// Runs a change under the judge's eyes.
async fn watched(t: &TestApp, number: i64, old: i64) -> (Judge, fleetgate::store::changes::Change) {
    let mut judge = Judge::default();
    t.work().await;
    for _ in 0..1000 {
        let c = t.app.store.find_change(number).await.unwrap().unwrap();
        if c.state.is_final() {
            return (judge, c);
        }
        t.sim.world().advance(10.0);
        t.clock.advance(std::time::Duration::from_secs(10));
        judge.look(t, old);
        t.work().await;
    }
    panic!("#{number} did not end");
}

/// Cloud time of the one rollback call after call number `seq`.
fn rollback_at(t: &TestApp, seq: u64) -> Vec<i64> {
    let calls = t.sim.world().calls_since(seq);
    let rolls = calls.iter().filter(|c| c.operation == "RollbackInstanceRefresh" && c.effective);
    rolls.map(|c| c.at.parse::<jiff::Timestamp>().unwrap().as_millisecond()).collect()
}

#[tokio::test]
async fn bad_releases_are_taken_back_at_once_and_do_not_spread() {
    let count = cases(10, 100);
    // A world of its own for every so many: the simulator keeps so many calls and no more.
    for first in (0..count).step_by(25) {
        spread(1801 + 10 * first as u64, 25.min(count - first)).await;
    }
}

async fn spread(number: u64, count: usize) {
    let t = stack(number).await;
    let mut dice = Dice::new(drawn(number));
    let token = t.token(&["*"]).await;
    let mut bad = 0;
    let mut worst = 0;
    for n in 0..count {
        // Now and then a good one between: what is gone back to is the last that was good, not the first.
        if n % 5 == 0 {
            let good = t.release(&token, &format!("good{n}"), "ok", Some(dice.between(0, 10))).await;
            let number = asked(&t, &token, good, json!({"warmup_seconds": 10, "bake_seconds": 0})).await;
            assert_eq!(t.run(&token, number).await.0["state"], "succeeded");
        }
        let (good, version) = (t.digests(GROUP), version(&t));
        assert_eq!(good.len(), 1);
        let behaviour = match dice.below(4) {
            0 => "unhealthy".to_owned(),
            1 => "hang".into(),
            _ => format!("crash_after:{}", dice.between(5, 200)),
        };
        let release = t.release(&token, &format!("bad{n}"), &behaviour, Some(dice.between(0, 15))).await;
        let seq = t.calls().last().unwrap().seq;
        let number = asked(&t, &token, release, canary()).await;
        let (judge, end) = watched(&t, number, version).await;
        let what = format!("case {n} ({behaviour}): {} {}", end.state.name(), end.sentence);
        assert_eq!(end.state.name(), "undone", "{what}");
        assert_eq!(t.digests(GROUP), good, "{what}");
        assert_eq!(self::version(&t), version, "{what}");
        assert_eq!(t.running(GROUP).len(), usize::try_from(SIZE).unwrap(), "{what}");
        let evidence = judge.evidence.unwrap_or_else(|| panic!("{what}: taken back without evidence: {:?}", judge.seen));
        let [at] = rollback_at(&t, seq)[..] else { panic!("{what}: not one rollback call") };
        assert!(at <= evidence + POLL_MS, "{what}: {} seconds after the evidence", (at - evidence) / 1000);
        worst = worst.max(at - evidence);
        let share = usize::try_from((SIZE * SHARE + 99) / 100).unwrap();
        assert!(judge.most <= share + 1, "{what}: {} instances ran it", judge.most);
        bad += 1;
    }
    println!("{bad} bad releases taken back, at most {} seconds after the evidence", worst / 1000);
    assert_eq!(effective(&t, "RollbackInstanceRefresh"), count);
    t.finish().await;
}

/// The undo itself fails: AWS can launch nothing any more, or refuses the call. Both are said, and neither is called undone.
#[tokio::test]
async fn an_undo_that_fails_is_shown_as_such() {
    let t = stack(1802).await;
    people(&t, &[("dan", Role::Deployer)]).await;
    let mut dice = Dice::new(drawn(1802));
    let token = t.token(&["*"]).await;
    let zones: Vec<String> = t.sim.world().snapshot()["zones"].as_array().unwrap().iter().map(|z| z.as_str().unwrap().to_owned()).collect();
    for n in 0..cases(2, 20) {
        let bad = t.release(&token, &format!("bad{n}"), "unhealthy", Some(dice.between(0, 15))).await;
        // Old instances go first, so that going back needs launches.
        let number = asked(&t, &token, bad, json!({"min_healthy": 60, "max_healthy": 100})).await;
        let launches_fail = n % 2 == 0;
        if !launches_fail {
            t.fault("RollbackInstanceRefresh", FaultKind::Denied, None);
        }
        let mut steps = 0;
        let stands = loop {
            let c = t.app.store.find_change(number).await.unwrap().unwrap();
            let undoing = c.progress.undo.is_some();
            if launches_fail && undoing {
                zones.iter().for_each(|z| t.sim.world().capacity(z, Some(0)).unwrap());
            }
            if c.state.is_final() || (!launches_fail && c.state.name() == "needs_attention") {
                break c;
            }
            t.step().await;
            steps += 1;
            assert!(steps < 1000, "{} {}", c.state.name(), c.sentence);
        };
        let dan = t.sign_in("dan").await;
        let page = t.get(&dan, &format!("/deployments/{number}")).await.text;
        if launches_fail {
            assert_eq!(stands.state.name(), "undo_failed", "{}", stands.sentence);
            assert!(stands.sentence.contains("could not roll back"), "{}", stands.sentence);
            assert!(page.contains("could not roll back") && page.contains("See what a rollback does"), "the page does not say it");
            assert!(t.audit().await.iter().any(|e| e.change == Some(number) && e.action == "change.undo_failed" && e.result == "failed"));
            zones.iter().for_each(|z| t.sim.world().capacity(z, None).unwrap());
        } else {
            // Taking back is never given up: a person is called, and it goes on by itself when the refusal ends.
            assert!(stands.sentence.contains("AWS refuses `roll_back`") && page.contains("AWS refuses"), "{}", stands.sentence);
            t.sim.world().clear_faults();
            let (end, _) = t.run(&token, number).await;
            assert_eq!(end["state"], "undone", "{end}");
        }
        // The next one begins from a whole group.
        let good = t.release(&token, &format!("good{n}"), "ok", Some(5)).await;
        for _ in 0..60 {
            t.step().await;
        }
        let number = asked(&t, &token, good, json!({"warmup_seconds": 10, "bake_seconds": 0})).await;
        let (end, _) = t.run(&token, number).await;
        assert_eq!(end["state"], "succeeded", "{end}");
        assert_eq!(t.digests(GROUP).len(), 1);
    }
    t.finish().await;
}

/// Slow, and good: nothing is taken back while a new instance is within its budget.
#[tokio::test]
async fn a_good_release_that_is_slow_is_left_alone() {
    let t = stack(1803).await;
    let mut dice = Dice::new(drawn(1803));
    let token = t.token(&["*"]).await;
    let count = cases(6, 100);
    for n in 0..count {
        // With its checks and its registration it comes into the budget just so.
        let boot = dice.between(20, BUDGET - 18);
        let behaviour = dice.pick(&["ok", "slow_boot"]);
        let release = t.release(&token, &format!("slow{n}"), behaviour, Some(boot)).await;
        let number = asked(&t, &token, release, json!({"max_healthy": 200, "bake_seconds": 10})).await;
        let (end, _) = t.run(&token, number).await;
        assert_eq!(end["state"], "succeeded", "case {n}, {behaviour} {boot} s: {end}");
    }
    assert_eq!((effective(&t, "StartInstanceRefresh"), effective(&t, "RollbackInstanceRefresh")), (count, 0));
    t.finish().await;
}
