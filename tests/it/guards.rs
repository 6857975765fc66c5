//! Guard alarms, deadlines of each state, and what the observer costs.

use serde_json::{Value, json};

use fleetgate::worker::observer::{self, Schedule};

use crate::harness::{APP, As, Setup, TestApp};

const ALARM: &str = "errors-high";

fn cloudwatch(t: &TestApp) -> aws_sdk_cloudwatch::Client {
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Builder, Credentials, Region};
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(t.names.region.clone()))
        .endpoint_url(format!("http://{}", t.sim.addr))
        .credentials_provider(Credentials::new("AKIATEST", "test", None, None, "test"))
        .build();
    aws_sdk_cloudwatch::Client::from_conf(config)
}

/// An alarm on a metric that nobody sends, so that it stays in the state that the test gives it.
async fn put_alarm(t: &TestApp) {
    use aws_sdk_cloudwatch::types::ComparisonOperator;
    let request = cloudwatch(t).put_metric_alarm().alarm_name(ALARM).namespace("App").metric_name("Errors").period(60).evaluation_periods(1);
    let request = request.threshold(1.0).comparison_operator(ComparisonOperator::GreaterThanThreshold).treat_missing_data("ignore");
    Box::pin(request.statistic(aws_sdk_cloudwatch::types::Statistic::Sum).send()).await.unwrap();
}

async fn set_alarm(t: &TestApp, state: &str) {
    let request = cloudwatch(t).set_alarm_state().alarm_name(ALARM).state_value(state.into()).state_reason("12 errors a minute");
    Box::pin(request.send()).await.unwrap();
}

/// The environment `guarded`, with an alarm in its policy.
async fn guarded(seed: u64) -> (TestApp, As) {
    let t = TestApp::with_stack(Setup::seed(seed)).await;
    let ada = t.sign_in("ada").await;
    let dan = t.sign_in("dan").await;
    let mut env = t.app.store.find_environment(APP, "staging").await.unwrap().unwrap();
    env.policy.guard_alarms = vec![ALARM.into()];
    t.set_policy(env.id, &env.policy).await;
    drop(ada);
    (t, dan)
}

#[tokio::test]
async fn a_guard_alarm_takes_a_deployment_back_within_one_poll() {
    let (t, dan) = guarded(941).await;
    let v = t.release(&dan, "one", "ok", None).await;
    let missing = t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await;
    assert!(missing.fields().contains(&"guard_alarm".to_owned()) && missing.text.contains(ALARM), "{}", missing.text);
    put_alarm(&t).await;
    set_alarm(&t, "OK").await;
    let old = t.digests(&t.names.staging);
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.work().await;
    for _ in 0..6 {
        t.step().await;
    }
    assert_eq!(t.show(&dan, number).await["state"], "running");
    set_alarm(&t, "ALARM").await;
    t.step().await;
    let c = t.show(&dan, number).await;
    assert_eq!(c["state"], "undoing", "one look after the alarm: {c}");
    assert!(c["sentence"].as_str().unwrap().contains(ALARM) || c["sentence"].as_str().unwrap().contains("rolling"), "{}", c["sentence"]);
    set_alarm(&t, "OK").await;
    let (end, _) = t.run(&dan, number).await;
    assert_eq!((end["state"].as_str(), t.digests(&t.names.staging)), (Some("undone"), old));
    // While it is in ALARM a deployment waits and says for what; going back does not.
    set_alarm(&t, "ALARM").await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.work().await;
    let held = t.show(&dan, number).await;
    assert!(held["state"] == "queued" && held["sentence"].as_str().unwrap().contains(ALARM), "{held}");
    set_alarm(&t, "OK").await;
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    set_alarm(&t, "ALARM").await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "rollback"})).await);
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    t.finish_with_strangers().await;
}

/// Being stopped has a deadline of its own, whatever the change had used up before.
#[tokio::test]
async fn each_state_has_its_deadline_and_a_person_can_always_end_it() {
    let t = TestApp::with_stack(Setup::seed(942)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let v = t.release(&dan, "one", "ok", None).await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.work().await;
    t.step_by(60).await;
    // AWS takes no cancel for as long as it likes.
    t.fault("CancelInstanceRefresh", fleetgate_sim::FaultKind::LostReply, Some(1));
    t.fault("DescribeInstanceRefreshes", fleetgate_sim::FaultKind::Stale, None);
    t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
    let mut state = Value::Null;
    for _ in 0..200 {
        t.step().await;
        t.get(&ada, "/api/v1/me").await;
        t.get(&dan, "/api/v1/me").await;
        let c = t.show(&dan, number).await;
        state = c["state"].clone();
        if state != "cancelling" {
            break;
        }
    }
    assert!(["needs_attention", "cancelled"].contains(&state.as_str().unwrap()), "{state}");
    if state == "needs_attention" {
        let closed = t.post(&ada, &format!("/api/v1/changes/{number}/force-close"), json!({"reason": "AWS hangs"})).await.expect(200);
        assert!(closed["sentence"].as_str().unwrap().contains("AWS"), "it says what AWS still does: {closed}");
    }
    t.sim.world().clear_faults();
    for _ in 0..12 {
        t.step().await;
    }
    t.finish().await;
}

/// promises.md, P5: the calls of idle environments do not depend on who looks, and groups are asked for together.
#[tokio::test]
async fn looking_costs_no_calls_and_groups_are_asked_for_together() {
    let (quiet, together) = ten_minutes(0).await;
    let (watched, _) = ten_minutes(3).await;
    assert_eq!(watched, quiet, "calls with and without browsers");
    assert!(together >= 18, "one call for both groups, {together} times");
}

/// Calls of ten minutes, and how many of them asked for both groups at once.
async fn ten_minutes(viewers: usize) -> (usize, usize) {
    let t = TestApp::with_stack(Setup::seed(943)).await;
    let dan = t.sign_in("dan").await;
    let mut schedule = Schedule::default();
    for _ in 0..60 {
        t.step().await;
        Box::pin(observer::tick(&t.app, &mut schedule)).await.unwrap();
        for _ in 0..viewers {
            for path in ["/", "/apps/shop/staging", "/deployments"] {
                t.get(&dan, path).await.expect(200);
            }
        }
    }
    let calls = t.calls();
    let both =
        |c: &&fleetgate_sim::CallRecord| c.operation == "DescribeAutoScalingGroups" && c.params.keys().filter(|k| k.contains("Names")).count() == 2;
    let together = calls.iter().filter(both).count();
    t.finish().await;
    (calls.len(), together)
}
