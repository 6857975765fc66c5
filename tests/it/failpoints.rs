//! promises.md, S1: the process dies before and after each commit and each act on AWS, once and twice in a row; nothing is repeated,
//! nothing is lost, and every change ends in the state that AWS holds.
//!
//! The short form takes the points around the acts (of a deployment with a debt, of settings, of a foreign refresh); with `FLEETGATE_TEST_LONG=1` every point, once and twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use fleetgate::aws::Priority;
use fleetgate::domain::change::State;
use fleetgate::worker;

use crate::harness::{APP, As, Setup, TestApp, long, mutating};
use crate::proofs::{finish_beside_refreshes, foreign_refresh, truth};

/// Looks of a change until it must have ended.
const MOST_LOOKS: usize = 400;
/// Points in a world.
const WORLD: usize = 30;

/// Lets the worker do what is due, unless the process dies at it.
async fn work(t: &TestApp) {
    let wire = t.app.store.tripwire();
    while !wire.broken() && worker::changes::tick(&t.app).await.is_ok_and(|n| n > 0) {}
    if !wire.broken() {
        let _ = worker::upkeep::tick(&t.app).await;
    }
}

/// Number of the last call so far.
fn last_call(t: &TestApp) -> u64 {
    t.calls().last().map_or(0, |c| c.seq)
}

/// What is asked for, and what must have come of it.
struct Wanted {
    body: Value,
    end: State,
    /// Effective calls by operation; of those that are not named there are none.
    calls: &'static [(&'static str, usize)],
}

/// A change with deaths at the given points, each counted from the start before it. Returns the points that the last life passed.
async fn run(t: &mut TestApp, who: &As, key: &str, wanted: &Wanted, mut deaths: Vec<usize>) -> Vec<&'static str> {
    let begun = last_call(t);
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
            let answer = t.post_with_key(who, &path, wanted.body.clone(), key).await;
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
            assert_eq!(change.state, wanted.end, "{key}: {}", change.sentence);
            let mut done: BTreeMap<String, usize> = BTreeMap::new();
            for call in mutating(&t.sim.world().calls_since(begun)).into_iter().filter(|c| c.effective) {
                *done.entry(call.operation).or_default() += 1;
            }
            assert_eq!(done, wanted.calls.iter().map(|(o, n)| ((*o).to_owned(), *n)).collect(), "{key}: effective calls");
            let passed = t.app.store.tripwire().passed();
            t.app.store.tripwire().arm(0);
            return passed;
        }
        t.sim.world().advance(20.0);
        t.clock.advance(std::time::Duration::from_secs(20));
    }
    panic!("{key} does not end: {:?}", t.app.store.find_change(number.unwrap()).await.unwrap().map(|c| (c.state, c.sentence)));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// A deployment of a good image that has something suspended for its time.
    Good,
    /// The same of a bad image.
    Bad,
    /// Two processes and the grace period.
    Settings,
    /// The end of somebody else's refresh.
    Refresh,
}

/// One change of its kind with deaths at the given points, and what the group is like after it.
async fn one(t: &mut TestApp, who: &As, tag: &str, what: What, deaths: Vec<usize>) -> Vec<&'static str> {
    let staging = t.names.staging.clone();
    let outsider = t.outsider().await;
    let (mut runs, group) = (t.digests(&staging), Box::pin(outsider.group(Priority::Act, &staging)).await.unwrap().unwrap());
    let mut wanted = (group.suspended.clone(), group.grace_seconds);
    // Each change of the settings turns round what the one before it set.
    let [held, free] = if group.suspended == PROCESSES[..1] { PROCESSES } else { [PROCESSES[1], PROCESSES[0]] };
    let (body, end, calls): (Value, State, &[(&str, usize)]) = match what {
        What::Good | What::Bad => {
            let good = what == What::Good;
            let release = t.release(who, tag, if good { "ok" } else { "unhealthy" }, None).await;
            let body = json!({"kind": "deploy", "release": release, "strategy": {"bake_seconds": 0, "suspend": ["AZRebalance"]}});
            if good {
                runs = [t.app.store.find_release(APP, release).await.unwrap().unwrap().digest].into();
            }
            let calls: &[_] = if good { &CALLS[..4] } else { &CALLS };
            (body, if good { State::Succeeded } else { State::Undone }, calls)
        }
        What::Settings => {
            wanted = (vec![free.to_owned()], group.grace_seconds + 1);
            let body = json!({"kind": "settings", "grace_seconds": wanted.1, "suspend": [free], "resume": [held]});
            (body, State::Succeeded, &[("SuspendProcesses", 1), ("ResumeProcesses", 1), ("UpdateAutoScalingGroup", 1)])
        }
        What::Refresh => {
            let refresh = Box::pin(foreign_refresh(t, &staging, 172_800)).await;
            t.step().await;
            (json!({"kind": "refresh", "refresh": refresh, "mode": "cancel"}), State::Succeeded, &[("CancelInstanceRefresh", 1)])
        }
    };
    let passed = Box::pin(run(t, who, tag, &Wanted { body, end, calls }, deaths)).await;
    let group = Box::pin(outsider.group(Priority::Act, &staging)).await.unwrap().unwrap();
    assert_eq!((group.suspended, group.grace_seconds), wanted, "{tag}: what is set");
    if what == What::Refresh {
        assert_eq!(truth(t, &staging)["refreshes"].as_array().unwrap().last().unwrap()["status"], "Cancelled", "{tag}");
    } else {
        assert_eq!(t.digests(&staging), runs, "{tag}: what AWS runs");
    }
    passed
}

const PROCESSES: [&str; 2] = ["AlarmNotification", "ScheduledActions"];
const CALLS: [(&str, usize); 5] = [
    ("CreateLaunchTemplateVersion", 1),
    ("SuspendProcesses", 1),
    ("StartInstanceRefresh", 1),
    ("ResumeProcesses", 1),
    ("RollbackInstanceRefresh", 1),
];

/// A stack on which every kind can be asked for.
async fn stack(what: What) -> (TestApp, As) {
    let mut t = TestApp::with_stack(Setup::seed(951)).await;
    let who = t.token(&["shop/staging"]).await;
    if what == What::Settings {
        let body = json!({"kind": "settings", "suspend": [PROCESSES[0]]});
        let wanted = Wanted { body, end: State::Succeeded, calls: &[("SuspendProcesses", 1)] };
        Box::pin(run(&mut t, &who, "first", &wanted, vec![])).await;
    }
    (t, who)
}

#[tokio::test]
async fn a_death_at_each_point_repeats_nothing_and_loses_nothing() {
    let every = long("FLEETGATE_TEST_LONG", 0) > 0;
    let (mut lives, mut points) = (0, 0);
    // How many of a kind's last acts the short form takes: all, but a bad image's deployment differs in being taken back alone.
    for (what, acts_of) in [(What::Good, 4), (What::Bad, 1), (What::Settings, 3), (What::Refresh, 1)] {
        let (mut t, mut who) = Box::pin(stack(what)).await;
        let passed = Box::pin(one(&mut t, &who, &format!("whole-{what:?}"), what, vec![])).await;
        let acts: Vec<usize> = (0..passed.len()).filter(|at| passed[*at].ends_with("act")).collect();
        let of = acts.len().checked_sub(2 * acts_of).unwrap_or_else(|| panic!("{what:?}: {passed:?}"));
        // Around an act: the commit of its intent, the call, the commit of its outcome. A bad one is resumed last.
        let of = if what == What::Bad { of - 2..of } else { of..acts.len() };
        let near: BTreeSet<usize> = acts[of].iter().flat_map(|at| [at.saturating_sub(1), *at, at + 1]).map(|at| at + 1).collect();
        let chosen: Vec<usize> = if every { (1..=passed.len()).collect() } else { near.into_iter().collect() };
        points += chosen.len();
        for (nth, at) in chosen.into_iter().enumerate() {
            // The simulator keeps so many calls and no more.
            if nth > 0 && nth % WORLD == 0 {
                finish_beside_refreshes(t).await;
                (t, who) = Box::pin(stack(what)).await;
            }
            Box::pin(one(&mut t, &who, &format!("once-{what:?}-{at}"), what, vec![at])).await;
            lives += 2;
            if every {
                Box::pin(one(&mut t, &who, &format!("twice-{what:?}-{at}"), what, vec![at, at.min(4)])).await;
                lives += 3;
            }
        }
        finish_beside_refreshes(t).await;
    }
    println!("{points} points, {lives} lives");
}
