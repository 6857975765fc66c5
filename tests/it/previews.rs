//! Capacity edits can not surprise (promise S9): what the preview shows is what the simulator receives, and nothing beside it.

use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::harness::{APP, As, Setup, TestApp, drawn};
use crate::proofs::{adopt, cases, quick, quick_times, truth};

const ENV: &str = "sized";
const CEILING: i32 = 30;

/// One edit: the figures that the group has, the ones that the person saw (each may be stale), and what they ask for.
#[derive(Clone, Debug)]
struct Edit {
    now: [i32; 3],
    stale_by: [i32; 3],
    wish: [Option<i32>; 3],
}

const NAMES: [&str; 3] = ["min", "desired", "max"];
const PARAMS: [&str; 3] = ["MinSize", "DesiredCapacity", "MaxSize"];

fn edits() -> impl Strategy<Value = Edit> {
    // Rising, so that the group itself is always a possible one.
    let now = (1..4_i32, 0..4_i32, 0..5_i32).prop_map(|(min, more, room)| [min, min + more, min + more + room]);
    let stale = prop_oneof![8 => Just(0_i32), 1 => -2..3_i32];
    // Mostly a little up or down from what is, now and then anything.
    let near = (-1..4_i32).prop_map(|by| Some((true, by)));
    let wish = prop_oneof![4 => Just(None), 5 => near, 1 => (-2..CEILING + 3).prop_map(|to| Some((false, to)))];
    (now, [stale.clone(), stale.clone(), stale], [wish.clone(), wish.clone(), wish]).prop_map(|(now, stale_by, wish)| {
        let wish = [0, 1, 2].map(|n: usize| wish[n].map(|(near, by)| if near { now[n] + by } else { by }));
        Edit { now, stale_by, wish }
    })
}

impl Edit {
    fn base(&self, n: usize) -> i32 {
        (self.now[n] + self.stale_by[n]).max(0)
    }
    fn body(&self) -> Value {
        let mut body = json!({"kind": "capacity", "base": {"min": self.base(0), "desired": self.base(1), "max": self.base(2)}});
        for (name, wish) in NAMES.iter().zip(self.wish).filter(|(_, w)| w.is_some()) {
            body[*name] = json!(wish);
        }
        body
    }
    /// Edited, and not what the person saw.
    fn stale(&self) -> bool {
        (0..3).any(|n| self.wish[n].is_some() && self.base(n) != self.now[n])
    }
    /// What may be sent: edited figures that differ from what is, alone.
    fn sends(&self) -> [Option<i32>; 3] {
        [0, 1, 2].map(|n| self.wish[n].filter(|w| *w != self.now[n]))
    }
    fn fits(&self) -> bool {
        let [min, desired, max] = [0, 1, 2].map(|n| self.wish[n].unwrap_or(self.now[n]));
        let policy = self.wish[0].is_none_or(|m| m >= 1) && self.wish[2].is_none_or(|m| m <= CEILING);
        policy && 0 <= min && min <= desired && desired <= max && self.sends().iter().any(Option::is_some)
    }
}

struct Ends {
    sent: usize,
    stale: usize,
    unfit: usize,
}

async fn one(t: &TestApp, who: &As, console: &fleetgate::aws::Cloud, edit: &Edit, ends: &Mutex<Ends>) -> Result<(), TestCaseError> {
    let [min, desired, max] = edit.now;
    let g = truth(t, ENV);
    if [&g["min"], &g["desired"], &g["max"]] != [&json!(min), &json!(desired), &json!(max)] {
        console.resize(ENV, Some(min), Some(desired), Some(max)).await.unwrap();
    }
    let seq = t.calls().last().unwrap().seq;
    let (path, body) = (format!("/api/v1/apps/{APP}/environments/{ENV}/changes"), edit.body());
    let shown = t.post(who, &format!("{path}/preview"), body.clone()).await;
    let asked = t.post(who, &path, body).await;
    let kind = if edit.wish == [None; 3] {
        422
    } else if edit.stale() {
        409
    } else if edit.fits() {
        202
    } else {
        422
    };
    prop_assert_eq!(asked.status.as_u16(), kind, "{}", asked.text);
    t.work().await;
    let calls = t.sim.world().calls_since(seq).into_iter().filter(|c| c.operation == "UpdateAutoScalingGroup").collect::<Vec<_>>();
    if kind != 202 {
        prop_assert!(calls.is_empty(), "something was sent: {:#?}", calls);
        let mut ends = ends.lock().unwrap();
        *(if kind == 409 { &mut ends.stale } else { &mut ends.unfit }) += 1;
        if kind == 409 {
            // Each field that moved is named, with its base and what it is now; no other is.
            let moved: Vec<_> = (0..3).filter(|n| edit.wish[*n].is_some() && edit.base(*n) != edit.now[*n]).collect();
            prop_assert_eq!(asked.body["errors"].as_array().unwrap().len(), moved.len(), "{}", asked.text);
            for (n, e) in moved.into_iter().zip(asked.body["errors"].as_array().unwrap()) {
                prop_assert_eq!((&e["field"], &e["base"], &e["now"]), (&json!(NAMES[n]), &json!(edit.base(n)), &json!(edit.now[n])));
            }
        }
        return Ok(());
    }
    prop_assert_eq!(shown.status.as_u16(), 200, "{}", shown.text);
    prop_assert_eq!(calls.len(), 1, "{:#?}", calls);
    for n in 0..3 {
        let previewed = &shown.body["bound"][format!("set_{}", NAMES[n])];
        prop_assert_eq!(previewed, &json!(edit.sends()[n]), "the preview of {}", NAMES[n]);
        let received = calls[0].params.get(PARAMS[n]).map(|v| v.parse::<i32>().unwrap());
        prop_assert_eq!(&json!(received), previewed, "{} was previewed as {}: {:?}", NAMES[n], previewed, calls[0].params);
        let line = shown.body["diff"].as_array().unwrap().iter().find(|d| d["field"] == NAMES[n]);
        prop_assert_eq!(line.map(|d| d["after"].clone()), edit.sends()[n].map(|v| json!(v.to_string())), "the difference of {}", NAMES[n]);
        let is = &truth(t, ENV)[NAMES[n]];
        prop_assert_eq!(is, &json!(edit.sends()[n].unwrap_or(edit.now[n])));
    }
    // Nothing else of the group is touched.
    let named: Vec<_> = calls[0].params.keys().filter(|k| *k != "AutoScalingGroupName").collect();
    prop_assert_eq!(named.len(), edit.sends().iter().flatten().count(), "{:?}", calls[0].params);
    let number = asked.body["number"].as_i64().unwrap();
    let state = t.app.store.find_change(number).await.unwrap().unwrap().state;
    if !state.is_final() {
        t.post(who, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
        t.work().await;
    }
    ends.lock().unwrap().sent += 1;
    Ok(())
}

#[test]
fn what_is_previewed_is_what_aws_receives() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seed = drawn(2101);
    let (t, token, console) = runtime.block_on(async {
        let t = TestApp::with(Setup::seed(2101).world(move |world, names| {
            quick(world, names, ENV, (1, 1, 4));
            quick_times(world, seed);
        }))
        .await;
        adopt(&t, ENV, ENV, false, json!({"max_ceiling": CEILING})).await;
        let (token, console) = (t.token(&["*"]).await, t.outsider().await);
        (t, token, console)
    });
    let cases = u32::try_from(cases(60, 1000)).unwrap();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let ends = Mutex::new(Ends { sent: 0, stale: 0, unfit: 0 });
    let end = runner.run(&edits(), |edit| runtime.block_on(one(&t, &token, &console, &edit, &ends)));
    end.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    let Ends { sent, stale, unfit } = ends.into_inner().unwrap();
    println!("{sent} sent as previewed, {stale} refused as stale, {unfit} refused as unfit");
    assert!(sent > 5 && stale > 5 && unfit > 5);
}
