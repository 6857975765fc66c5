//! A sick AWS changes nothing of what was promised.

use serde_json::json;

use fleetgate_sim::{Fault, FaultKind};

use crate::harness::{Setup, TestApp};

fn fault(operation: &str, kind: FaultKind, rate: f64, seed: u64, count: Option<u64>) -> Fault {
    let value = json!({"service": "*", "operation": operation, "kind": kind, "rate": rate, "seed": seed, "count": count});
    serde_json::from_value(value).unwrap()
}

fn effective(t: &TestApp, operation: &str) -> usize {
    t.mutating().iter().filter(|c| c.operation == operation && c.effective).count()
}

#[tokio::test]
async fn lost_replies_are_adopted_and_nothing_is_done_twice() {
    for (at, operation) in ["StartInstanceRefresh", "CreateLaunchTemplateVersion"].into_iter().enumerate() {
        let t = TestApp::with_stack(Setup::seed(301 + at as u64)).await;
        let dan = t.sign_in("dan").await;
        let v = t.release(&dan, "one", "ok", None).await;
        t.sim.world().fault(fault(operation, FaultKind::LostReply, 1.0, 1, Some(1))).unwrap();
        let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
        let (end, _) = t.run(&dan, deploy).await;
        assert_eq!(end["state"], "succeeded", "{operation}: {end}");
        assert_eq!(effective(&t, "StartInstanceRefresh"), 1);
        assert_eq!(effective(&t, "CreateLaunchTemplateVersion"), 1);
        let acts = t.app.store.list_acts(deploy).await.unwrap();
        assert_eq!(acts.iter().find(|a| a.operation == operation).unwrap().state, "adopted", "{acts:#?}");
        assert!(t.audit().await.iter().any(|e| e.change == Some(deploy) && e.result == "unknown"), "the lost reply is in the trail");
        t.finish().await;
    }
}

#[tokio::test]
async fn a_call_that_never_arrived_is_sent_again_after_two_empty_looks() {
    let t = TestApp::with_stack(Setup::seed(303)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    t.sim.world().fault(fault("StartInstanceRefresh", FaultKind::Timeout, 1.0, 1, Some(1))).unwrap();
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.work().await;
    // Not before the staleness bound: 30 seconds after the first empty look.
    for _ in 0..2 {
        t.step().await;
        assert_eq!(t.mutating().iter().filter(|c| c.operation == "StartInstanceRefresh").count(), 1, "sent again before AWS could have shown it");
    }
    let (end, _) = t.run(&dan, deploy).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(effective(&t, "StartInstanceRefresh"), 1);
    let states: Vec<_> =
        t.app.store.list_acts(deploy).await.unwrap().into_iter().filter(|a| a.operation == "StartInstanceRefresh").map(|a| a.state).collect();
    assert_eq!(states, ["not_done", "done"]);
    t.finish().await;
}

#[tokio::test]
async fn throttled_at_thirty_percent_everything_still_ends_right() {
    let t = TestApp::with_stack(Setup::seed(304)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let bad = t.release(&dan, "bad", "unhealthy", None).await;
    let old = t.environment(&dan, "staging").await["release"].clone();
    t.sim.world().fault(fault("*", FaultKind::Throttle, 0.3, 9, None)).unwrap();
    let mut ends = Vec::new();
    for body in [
        json!({"kind": "deploy", "release": v}),
        json!({"kind": "deploy", "release": bad}),
        json!({"kind": "rollback"}),
        json!({"kind": "capacity", "max": 6, "base": {"min": 1, "desired": 2, "max": 4}}),
    ] {
        // A person's request meets the throttling too, and gets a 503 that says so; they try again.
        let number = loop {
            let answer = t.change(&dan, "staging", body.clone()).await;
            if answer.status != 503 {
                break TestApp::accepted(answer);
            }
            assert!(answer.headers.contains_key("retry-after") && answer.text.contains("Nothing was changed"), "{}", answer.text);
        };
        ends.push(t.run(&dan, number).await.0["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(ends, ["succeeded", "undone", "succeeded", "succeeded"]);
    assert_eq!(t.environment(&dan, "staging").await["release"], old, "the rollback came out where it began");
    assert_eq!(effective(&t, "StartInstanceRefresh"), 3);
    assert_eq!(effective(&t, "CreateLaunchTemplateVersion"), 2);
    t.finish().await;
}

#[tokio::test]
async fn three_missed_looks_are_said_and_the_change_goes_on_when_aws_answers() {
    let t = TestApp::with_stack(Setup::seed(305)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    for _ in 0..6 {
        t.step().await;
    }
    t.sim.world().fault(fault("*", FaultKind::Error, 1.0, 1, None)).unwrap();
    for _ in 0..5 {
        t.step().await;
    }
    let lost = t.show(&dan, deploy).await;
    assert!(lost["sentence"].as_str().unwrap().starts_with("Lost contact with AWS"), "{}", lost["sentence"]);
    assert_eq!(lost["state"], "running", "a missed poll never fails a change");
    assert_eq!(t.environment(&dan, "staging").await["health"], "unknown");
    t.sim.world().clear_faults();
    assert_eq!(t.run(&dan, deploy).await.0["state"], "succeeded");
    t.finish().await;
}

#[tokio::test]
async fn a_refusal_of_rights_fails_the_change_and_says_which() {
    let t = TestApp::with_stack(Setup::seed(306)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    t.sim.world().fault(fault("StartInstanceRefresh", FaultKind::Denied, 1.0, 1, None)).unwrap();
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    let (end, _) = t.run(&dan, deploy).await;
    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("AccessDenied"), "{}", end["sentence"]);
    t.finish().await;
}

#[tokio::test]
async fn a_refresh_that_someone_else_started_is_waited_for() {
    let mut t = TestApp::with_stack(Setup::seed(307)).await;
    t.allow_unknown_calls();
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let config = crate::harness::aws_config(&t.sim);
    let foreign = fleetgate::aws::Aws::connect(config, t.app.clocks.clone()).await;
    let place = fleetgate::aws::Place { region: t.names.region.clone(), role_arn: None, external_id: None };
    let cloud = foreign.cloud(&place, "console").await.unwrap();
    let group = cloud.group(fleetgate::aws::Priority::Act, &t.names.staging).await.unwrap().unwrap();
    let fleetgate::domain::observation::LaunchSource::Template(template) = &group.launch else { panic!("a template") };
    let mut prefs = fleetgate::domain::strategy::preferences(&group, &Default::default(), 0, 120).unwrap();
    (prefs.skip_matching, prefs.auto_rollback) = (false, false);
    cloud.start_refresh(&t.names.staging, &template.id, template.number().unwrap(), &prefs).await.unwrap();
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.step().await;
    let waiting = t.show(&dan, deploy).await;
    assert_eq!(waiting["state"], "queued");
    assert!(waiting["sentence"].as_str().unwrap().contains("Another instance refresh"), "{}", waiting["sentence"]);
    let (end, _) = t.run(&dan, deploy).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert!(t.calls().iter().all(|c| c.error_code.as_deref() != Some("InstanceRefreshInProgress")), "nobody was fought");
}
