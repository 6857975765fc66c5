//! Debts: what a change alters for its time is written down before, shown, and paid back on every way out.

use serde_json::{Value, json};

use fleetgate::aws::Priority;

use crate::harness::{APP, As, Setup, TestApp};

const HELD: &str = "AZRebalance";

async fn suspended(t: &TestApp) -> Vec<String> {
    t.outsider().await.group(Priority::Act, &t.names.staging).await.unwrap().unwrap().suspended
}

async fn owed(t: &TestApp, who: &As) -> usize {
    t.environment(who, "staging").await["debts"].as_array().unwrap().len()
}

/// Asks for a deployment that suspends a process while it rolls.
async fn deploy(t: &TestApp, who: &As, release: i64) -> i64 {
    TestApp::accepted(t.change(who, "staging", json!({"kind": "deploy", "release": release, "strategy": {"suspend": [HELD]}})).await)
}

/// Steps until the refresh has been started.
async fn rolling(t: &TestApp, number: i64) {
    t.work().await;
    for _ in 0..20 {
        if t.app.store.find_change(number).await.unwrap().unwrap().progress.refresh.is_some() {
            return;
        }
        t.step().await;
    }
    panic!("#{number} does not roll");
}

#[tokio::test]
async fn what_is_suspended_for_a_rollout_is_resumed_on_every_way_out() {
    // How the image behaves, what a person does meanwhile, and how it ends.
    for (at, (behaviour, act, end)) in
        [("ok", None, "succeeded"), ("unhealthy", None, "undone"), ("ok", Some("stop"), "cancelled"), ("ok", Some("undo"), "undone")]
            .into_iter()
            .enumerate()
    {
        let t = TestApp::with_stack(Setup::seed(911 + at as u64)).await;
        let dan = t.sign_in("dan").await;
        let v = t.release(&dan, "one", behaviour, None).await;
        let number = deploy(&t, &dan, v).await;
        rolling(&t, number).await;
        assert_eq!(suspended(&t).await, [HELD], "{end}: suspended while it rolls");
        assert_eq!(owed(&t, &dan).await, 1, "{end}: and shown as owed");
        let page = t.get(&dan, &format!("/apps/{APP}/staging")).await.text;
        assert!(page.contains("We owe AWS this"), "{page}");
        if let Some(mode) = act {
            t.step().await;
            t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": mode})).await.expect(202);
        }
        let (c, _) = t.run(&dan, number).await;
        assert_eq!(c["state"], end, "{c}");
        assert_eq!(c["debts"][0]["state"], "paid");
        // What was stopped half way left something: the instances of the new version.
        let page = t.get(&dan, &format!("/deployments/{number}")).await.text;
        let told = if end == "cancelled" { "What the instances run is told above" } else { "Nothing was left behind" };
        assert!(page.contains(told) && page.matches(" unchanged</td>").count() == 6, "{end}: {page}");
        assert_eq!((suspended(&t).await, owed(&t, &dan).await), (vec![], 0), "{end}: paid back");
        let count = |operation: &str| t.mutating().iter().filter(|c| c.operation == operation && c.effective).count();
        assert_eq!((count("SuspendProcesses"), count("ResumeProcesses")), (1, 1));
        assert_eq!(t.environment(&dan, "staging").await["foreign"], json!([]), "{end}: ours");
        t.finish().await;
    }
}

#[tokio::test]
async fn what_others_suspended_stays_theirs() {
    let t = TestApp::with_stack(Setup::seed(921)).await;
    let (dan, outsider) = (t.sign_in("dan").await, t.outsider().await);
    outsider.suspend(&t.names.staging, &[HELD.into()]).await.unwrap();
    let v = t.release(&dan, "one", "ok", None).await;
    let number = deploy(&t, &dan, v).await;
    let (c, _) = t.run(&dan, number).await;
    assert_eq!((c["state"].as_str(), &c["debts"]), (Some("succeeded"), &json!([])));
    assert_eq!(suspended(&t).await, [HELD]);
    t.finish_with_strangers().await;
}

/// A change that is ended by hand leaves its debt: it is shown, in the way of the next, and paid by the sweep or a button.
#[tokio::test]
async fn a_forced_end_leaves_a_debt_that_is_paid_by_the_sweep() {
    let t = TestApp::with_stack(Setup::seed(922)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let v = t.release(&dan, "one", "ok", None).await;
    let number = deploy(&t, &dan, v).await;
    rolling(&t, number).await;
    // AWS does not let go of it now.
    t.fault("ResumeProcesses", fleetgate_sim::FaultKind::Error, Some(1));
    t.post(&ada, &format!("/api/v1/changes/{number}/force-close"), json!({"reason": "stuck"})).await.expect(200);
    t.work().await;
    assert_eq!((suspended(&t).await, owed(&t, &dan).await), (vec![HELD.to_owned()], 1));
    t.outsider().await.cancel_refresh(&t.names.staging).await.unwrap();
    t.step_by(600).await;
    t.step_by(60).await;
    assert_eq!((suspended(&t).await, owed(&t, &dan).await), (Vec::<String>::new(), 0), "paid by the sweep");
    t.finish_with_strangers().await;
}

#[tokio::test]
async fn nothing_new_is_deployed_over_a_debt_and_a_button_pays_it() {
    let t = TestApp::with_stack(Setup::seed(923)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let v = t.release(&dan, "one", "ok", None).await;
    let number = deploy(&t, &dan, v).await;
    rolling(&t, number).await;
    t.outsider().await.cancel_refresh(&t.names.staging).await.unwrap();
    t.post(&ada, &format!("/api/v1/changes/{number}/force-close"), json!({"reason": "stuck"})).await.expect(200);
    let refused = t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await;
    assert!(refused.fields().contains(&"debts".to_owned()) && refused.text.contains(HELD), "{}", refused.text);
    let paid: Value = t.post(&dan, &format!("/api/v1/apps/{APP}/environments/staging/debts/pay"), json!({})).await.expect(200);
    assert_eq!(paid["left"], 0);
    assert_eq!((suspended(&t).await, owed(&t, &dan).await), (Vec::<String>::new(), 0));
    t.step_by(600).await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    t.finish_with_strangers().await;
}

/// Killed between the intent and the call, between the call and the outcome, and before the way back: nothing leaks.
#[tokio::test]
async fn a_crash_at_any_moment_leaks_nothing() {
    for (at, (operation, kind)) in [
        ("SuspendProcesses", fleetgate_sim::FaultKind::Timeout),
        ("SuspendProcesses", fleetgate_sim::FaultKind::LostReply),
        ("ResumeProcesses", fleetgate_sim::FaultKind::Timeout),
        ("ResumeProcesses", fleetgate_sim::FaultKind::LostReply),
    ]
    .into_iter()
    .enumerate()
    {
        let mut t = TestApp::with_stack(Setup::seed(931 + at as u64)).await;
        let dan = t.sign_in("dan").await;
        let v = t.release(&dan, "one", "ok", None).await;
        t.fault(operation, kind, Some(1));
        let number = deploy(&t, &dan, v).await;
        t.work().await;
        t.restart().await;
        let dan = t.sign_in("dan").await;
        let (c, _) = t.run(&dan, number).await;
        assert_eq!((c["state"].as_str(), c["debts"][0]["state"].as_str()), (Some("succeeded"), Some("paid")), "{operation} {kind:?}: {c}");
        assert_eq!(suspended(&t).await, Vec::<String>::new());
        t.finish().await;
    }
}

/// The resumption did not arrive, and a read shows the group as it was before the suspension: that is no resumption.
#[tokio::test]
async fn a_read_from_before_the_suspension_pays_nothing() {
    let t = TestApp::with_stack(Setup::seed(925)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    // From now on AWS can show what was; for the time being it does not.
    let past = json!({"service": "*", "operation": "*", "kind": "stale", "rate": 0.0, "seconds": 25});
    t.sim.world().fault(serde_json::from_value(past).unwrap()).unwrap();
    t.step().await;
    t.fault("StartInstanceRefresh", fleetgate_sim::FaultKind::Throttle, None);
    t.fault("ResumeProcesses", fleetgate_sim::FaultKind::Error, Some(1));
    let number = deploy(&t, &dan, v).await;
    t.work().await;
    assert_eq!(suspended(&t).await, [HELD]);
    t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
    t.work().await;
    t.fault("DescribeAutoScalingGroups", fleetgate_sim::FaultKind::Stale, Some(1));
    t.step().await;
    assert_eq!(owed(&t, &dan).await, 1, "paid by a read that lags");
    let (c, _) = t.run(&dan, number).await;
    assert_eq!((c["state"].as_str(), c["debts"][0]["state"].as_str()), (Some("cancelled"), Some("paid")), "{c}");
    assert_eq!(suspended(&t).await, Vec::<String>::new());
    t.finish().await;
}

#[tokio::test]
async fn only_what_a_refresh_does_not_need_can_be_suspended() {
    let t = TestApp::with_stack(Setup::seed(924)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    for process in ["Launch", "Terminate", "HealthCheck", "InstanceRefresh", "nonsense"] {
        let answer = t.change(&dan, "staging", json!({"kind": "deploy", "release": v, "strategy": {"suspend": [process]}})).await;
        assert_eq!(answer.fields(), ["strategy.suspend"], "{process}: {}", answer.text);
    }
    t.finish().await;
}
