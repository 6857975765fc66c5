//! Foreign hands: what others change in AWS is told once, and what Fleetgate changes never is.

use serde_json::{Value, json};

use fleetgate::aws::Priority;
use fleetgate::worker::observer::{self, Schedule};

use crate::harness::{APP, As, Setup, TestApp};
use crate::proofs::foreign_refresh;

/// A minute of an environment that nobody is changing; the observer looks as often as it would.
async fn minute(t: &TestApp, schedule: &mut Schedule) {
    for _ in 0..6 {
        t.step().await;
        Box::pin(observer::tick(&t.app, schedule)).await.unwrap();
    }
}

async fn foreign(t: &TestApp, who: &As, env: &str) -> Vec<Value> {
    t.environment(who, env).await["foreign"].as_array().unwrap().clone()
}

fn told<'a>(all: &'a [Value], what: &str) -> &'a Value {
    all.iter().find(|s| s["what"].as_str().unwrap().starts_with(what)).unwrap_or_else(|| panic!("{what} is not told: {all:#?}"))
}

async fn put_back(t: &TestApp, who: &As, env: &str, sighting: &Value, mode: Option<&str>) -> i64 {
    let path = format!("/api/v1/apps/{APP}/environments/{env}/sightings/{}/put-back", sighting["id"]);
    let mut body = json!({"reason": "not agreed"});
    if let Some(mode) = mode {
        body["mode"] = mode.into();
    }
    t.post(who, &path, body).await.expect(202)["number"].as_i64().unwrap()
}

/// users.md, scenario 10: a tool lowers desired; it is told within a minute with old and new value and put back with a reason.
#[tokio::test]
async fn scenario_10_the_foreign_hand() {
    let t = TestApp::with_stack(Setup::seed(901)).await;
    let dan = t.sign_in("dan").await;
    let outsider = t.outsider().await;
    let mut schedule = Schedule::default();
    let before = t.environment(&dan, "staging").await["capacity"].clone();
    TestApp::accepted(
        t.change(
            &dan,
            "staging",
            json!({"kind": "capacity", "max": 9, "desired": 8, "base": {"min": before["min"], "desired": before["desired"], "max": before["max"]}}),
        )
        .await,
    );
    for _ in 0..12 {
        minute(&t, &mut schedule).await;
    }
    assert_eq!(foreign(&t, &dan, "staging").await, Vec::<Value>::new(), "our own change is not foreign");
    Box::pin(outsider.resize(&t.names.staging, None, Some(2), None)).await.unwrap();
    minute(&t, &mut schedule).await;
    let all = foreign(&t, &dan, "staging").await;
    let s = told(&all, "desired");
    assert_eq!((s["before"].as_str(), s["after"].as_str()), (Some("8"), Some("2")));
    assert!(s["cause"].as_str().unwrap().contains("a user request"), "AWS's own words: {s}");
    let page = t.get(&dan, &format!("/apps/{APP}/staging")).await;
    assert!(page.text.contains("Not by Fleetgate") && page.text.contains("Put back 8"), "{}", page.text);
    // Without a reason nothing is put back.
    let path = format!("/api/v1/apps/{APP}/environments/staging/sightings/{}/put-back", s["id"]);
    t.post(&dan, &path, json!({"reason": " "})).await.expect(422);
    let number = put_back(&t, &dan, "staging", s, None).await;
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    assert_eq!(t.environment(&dan, "staging").await["capacity"]["desired"], 8);
    let all = foreign(&t, &dan, "staging").await;
    assert_eq!(told(&all, "desired")["settled_by"], number);
    assert_eq!(all.len(), 1, "told once, and the way back is ours: {all:#?}");
    t.finish_with_strangers().await;
}

/// What is asked for twice is done once; what was asked for and came to nothing can be asked for again.
#[tokio::test]
async fn of_two_that_put_the_same_back_one_does_and_a_vain_one_is_forgotten() {
    let t = TestApp::with_stack(Setup::seed(907)).await;
    let (dan, outsider) = (t.sign_in("dan").await, t.outsider().await);
    let mut schedule = Schedule::default();
    minute(&t, &mut schedule).await;
    Box::pin(outsider.resize(&t.names.staging, Some(0), None, None)).await.unwrap();
    minute(&t, &mut schedule).await;
    let all = foreign(&t, &dan, "staging").await;
    let s = told(&all, "min");
    let path = format!("/api/v1/apps/{APP}/environments/staging/sightings/{}/put-back", s["id"]);
    let body = json!({"reason": "not agreed"});
    let (one, two) = tokio::join!(t.post(&dan, &path, body.clone()), t.post(&dan, &path, body.clone()));
    let (first, second) = if one.status == 202 { (one, two) } else { (two, one) };
    let first = first.expect(202)["number"].as_i64().unwrap();
    assert_eq!(second.expect(409)["change"], first);
    t.post(&dan, &format!("/api/v1/changes/{first}/cancel"), json!({"mode": "stop"})).await.expect(202);
    let all = foreign(&t, &dan, "staging").await;
    assert_eq!(told(&all, "min")["settled_by"], Value::Null, "the vain one");
    let number = put_back(&t, &dan, "staging", s, None).await;
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    // The same done once more is another sighting: this one is settled.
    Box::pin(outsider.resize(&t.names.staging, Some(0), None, None)).await.unwrap();
    minute(&t, &mut schedule).await;
    let late = t.post(&dan, &path, body).await.expect(409);
    assert_eq!((late["change"].as_i64(), late["detail"].as_str()), (Some(number), Some(&*format!("#{number} puts this back already."))));
    t.finish_with_strangers().await;
}

/// The other half of scenario 10: a refresh from the console is shown, waited for, and stopped or rolled back.
#[tokio::test]
async fn a_refresh_from_the_console_is_foreign_and_no_error() {
    let t = TestApp::with_stack(Setup::seed(905)).await;
    let (dan, outsider) = (t.sign_in("dan").await, t.outsider().await);
    let mut schedule = Schedule::default();
    minute(&t, &mut schedule).await;
    for (mode, end) in [("cancel", "Cancelled"), ("roll_back", "RollbackSuccessful")] {
        let id = Box::pin(foreign_refresh(&t, &t.names.staging, 0)).await;
        for _ in 0..2 {
            minute(&t, &mut schedule).await;
        }
        let all = foreign(&t, &dan, "staging").await;
        let s = told(&all, &format!("refresh/{id}"));
        assert_eq!(s["before"], Value::Null);
        let v = t.release(&dan, &format!("beside-{mode}"), "ok", None).await;
        let answer = t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await.expect(202);
        t.work().await;
        let held = t.show(&dan, answer["number"].as_i64().unwrap()).await;
        assert!(held["sentence"].as_str().unwrap().contains(&id) && held["state"] == "queued", "it waits, and says for what: {held}");
        assert!(!held.to_string().contains("InstanceRefreshInProgress"));
        let number = put_back(&t, &dan, "staging", s, Some(mode)).await;
        let (change, _) = t.run(&dan, number).await;
        assert_eq!(change["state"], "succeeded", "{mode}: {change}");
        let refreshes = Box::pin(outsider.refreshes(Priority::Act, &t.names.staging, 5)).await.unwrap();
        assert_eq!(refreshes.iter().find(|r| r.id == id).unwrap().status, end);
        let waiting = answer["number"].as_i64().unwrap();
        t.post(&dan, &format!("/api/v1/changes/{waiting}/cancel"), json!({"mode": "stop"})).await.expect(202);
        for _ in 0..4 {
            t.run(&dan, waiting).await;
            minute(&t, &mut schedule).await;
        }
    }
    t.finish_with_strangers().await;
}

/// What is not a figure: processes, template, health check, protection, and an instance that somebody took away.
#[tokio::test]
async fn settings_and_instances_are_told_and_put_back() {
    let t = TestApp::with_stack(Setup::seed(902)).await;
    let (dan, outsider) = (t.sign_in("dan").await, t.outsider().await);
    let mut schedule = Schedule::default();
    let v = t.release(&dan, "one", "ok", None).await;
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    assert_eq!(t.run(&dan, deploy).await.0["state"], "succeeded");
    minute(&t, &mut schedule).await;
    assert_eq!(foreign(&t, &dan, "staging").await, Vec::<Value>::new(), "our own deployment is not foreign");
    let group = Box::pin(outsider.group(Priority::Act, &t.names.staging)).await.unwrap().unwrap();
    let fleetgate::domain::observation::LaunchSource::Template(template) = &group.launch else { panic!("{group:?}") };
    let now: i64 = template.number().unwrap();
    Box::pin(outsider.suspend(&t.names.staging, &["AlarmNotification".into()])).await.unwrap();
    Box::pin(outsider.set_group(&t.names.staging, Some((&template.id, now - 1)), Some(77), None)).await.unwrap();
    minute(&t, &mut schedule).await;
    let all = foreign(&t, &dan, "staging").await;
    assert_eq!(told(&all, "suspended/AlarmNotification")["after"], "suspended");
    assert_eq!(told(&all, "grace_seconds")["after"], "77");
    assert_eq!(told(&all, "template")["after"], format!("{} {}", template.id, now - 1));
    assert_eq!(all.len(), 3, "{all:#?}");
    for s in &all {
        let number = put_back(&t, &dan, "staging", s, None).await;
        let (change, _) = t.run(&dan, number).await;
        assert_eq!(change["state"], "succeeded", "{change}");
    }
    let back = Box::pin(outsider.group(Priority::Act, &t.names.staging)).await.unwrap().unwrap();
    assert_eq!((back.suspended, back.grace_seconds, back.launch), (group.suspended.clone(), group.grace_seconds, group.launch.clone()));
    minute(&t, &mut schedule).await;
    assert_eq!(foreign(&t, &dan, "staging").await.len(), 3, "the way back is ours");
    // Taken away by hand: in the console, or in EC2.
    Box::pin(outsider.terminate(&back.instances[0].id, false)).await.unwrap();
    minute(&t, &mut schedule).await;
    let all = foreign(&t, &dan, "staging").await;
    let s = told(&all, &format!("instance/{}", back.instances[0].id));
    assert!(s["sentence"].as_str().unwrap().contains("taken away by hand"), "{s}");
    let path = format!("/api/v1/apps/{APP}/environments/staging/sightings/{}/put-back", s["id"]);
    let refused = t.post(&dan, &path, json!({"reason": "why"})).await;
    assert!(refused.text.contains("can not put this back"), "{}", refused.text);
    t.finish_with_strangers().await;
}

/// A read that lags shows the old value again: that is nobody's hand.
#[tokio::test]
async fn a_read_that_lags_is_no_foreign_hand() {
    let t = TestApp::with_stack(Setup::seed(903)).await;
    let dan = t.sign_in("dan").await;
    let mut schedule = Schedule::default();
    minute(&t, &mut schedule).await;
    t.fault("DescribeAutoScalingGroups", fleetgate_sim::FaultKind::Stale, Some(2));
    let c = t.environment(&dan, "staging").await["capacity"].clone();
    let base = json!({"min": c["min"], "desired": c["desired"], "max": c["max"]});
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "capacity", "max": 7, "base": base})).await);
    assert_eq!(t.run(&dan, number).await.0["state"], "succeeded");
    t.fault("DescribeAutoScalingGroups", fleetgate_sim::FaultKind::Stale, Some(1));
    Box::pin(observer::tick(&t.app, &mut schedule)).await.unwrap();
    for _ in 0..3 {
        minute(&t, &mut schedule).await;
    }
    assert_eq!(t.environment(&dan, "staging").await["capacity"]["max"], 7);
    assert_eq!(foreign(&t, &dan, "staging").await, Vec::<Value>::new());
    t.finish().await;
}

/// users.md, scenario 5: ECR lost the image of the last good release; it is told before anybody needs it, and the next is offered.
#[tokio::test]
async fn scenario_05_the_vanished_image() {
    let t = TestApp::with_stack(Setup::seed(904)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let mut schedule = Schedule::default();
    let first = t.environment(&dan, "staging").await["release"].clone();
    let mut releases = Vec::new();
    for tag in ["one", "two"] {
        let v = t.release(&dan, tag, "ok", None).await;
        let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
        assert_eq!(t.run(&dan, deploy).await.0["state"], "succeeded");
        releases.push(v);
    }
    minute(&t, &mut schedule).await;
    let ready = t.environment(&dan, "staging").await["rollback"].clone();
    assert_eq!((ready["ready"].as_bool(), ready["release"].as_i64(), &ready["why_not"]), (Some(true), Some(releases[0]), &Value::Null));
    let digest = t.app.store.find_release(APP, releases[0]).await.unwrap().unwrap().digest;
    t.delete_image(&digest).await;
    for _ in 0..2 {
        minute(&t, &mut schedule).await;
    }
    let ready = t.environment(&dan, "staging").await["rollback"].clone();
    assert_eq!((ready["ready"].as_bool(), &ready["release"]), (Some(true), &first), "the next good one is offered");
    assert!(ready["why_not"].as_str().unwrap().contains("no longer in ECR"), "{ready}");
    let page = t.get(&dan, &format!("/apps/{APP}/staging")).await.text;
    assert!(page.contains("no longer in ECR") && page.contains(&format!("Rollback to v{first} is ready")), "{page}");
    let home = t.get(&ada, "/").await.text;
    assert!(home.contains(&format!("Going back to v{} is not possible", releases[0])), "the board says it to everybody: {home}");
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "rollback"})).await);
    let (end, _) = t.run(&dan, number).await;
    assert_eq!((end["state"].as_str(), &end["release"]), (Some("succeeded"), &first));
    t.finish().await;
}
