//! `fleetgate iam-policy` is enough, and each of its actions is needed: the simulator judges every call by that policy.

use serde_json::{Value, json};

use crate::harness::{APP, As, Setup, TestApp};
use fleetgate::domain::iam;

/// The role that the environments assume.
fn role(t: &TestApp) -> String {
    format!("arn:aws:iam::{}:role/{}", t.names.account, t.names.role)
}

/// What `fleetgate iam-policy --env` prints, with the one name that it cannot know.
async fn policy(t: &TestApp, env: &str) -> Value {
    let found = t.app.store.find_environment(APP, env).await.unwrap().unwrap();
    let look = t.app.store.find_observation(found.id).await.unwrap().unwrap();
    let template = look.observation.versions.into_values().next().unwrap().template_id;
    let text = iam::policy(Some(&found), Some(&template)).to_string();
    assert!(text.contains("APP_ROLE"), "{text}");
    serde_json::from_str(&text.replace("APP_ROLE", &t.names.app_role)).unwrap()
}

/// The same without one action.
fn without(policy: &Value, action: &str) -> Value {
    let mut less = policy.clone();
    let statements = less["Statement"].as_array_mut().unwrap();
    for s in statements.iter_mut() {
        if let Some(actions) = s["Action"].as_array_mut() {
            actions.retain(|a| a != action);
        }
    }
    statements.retain(|s| s["Action"] != action && s["Action"] != json!([]));
    assert_ne!(&less, policy, "{action} is in the policy");
    less
}

fn put(t: &TestApp, policy: &Value) {
    t.sim.world().clear_policies();
    t.sim.world().policy(Some(&role(t)), policy).unwrap();
}

async fn look(t: &TestApp) {
    for _ in 0..4 {
        t.step_by(60).await;
    }
}

async fn act(t: &TestApp, who: &As, body: Value) -> (Value, f64) {
    let number = TestApp::accepted(t.change(who, "staging", body).await);
    t.run(who, number).await
}

async fn capacity(t: &TestApp, who: &As) -> Value {
    let c = t.environment(who, "staging").await["capacity"].clone();
    json!({"min": c["min"], "desired": c["desired"], "max": c["max"]})
}

#[tokio::test]
async fn the_policy_is_enough() {
    let t = TestApp::with_stack(Setup::seed(501)).await;
    let dan = t.sign_in("dan").await;
    put(&t, &policy(&t, "staging").await);
    let (one, two) = (t.release(&dan, "one", "ok", None).await, t.release(&dan, "two", "ok", None).await);
    for release in [one, two] {
        let (end, _) = act(&t, &dan, json!({"kind": "deploy", "release": release})).await;
        assert_eq!(end["state"], "succeeded", "{end}");
    }
    let (end, _) = act(&t, &dan, json!({"kind": "rollback"})).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    let base = capacity(&t, &dan).await;
    let (end, _) = act(&t, &dan, json!({"kind": "capacity", "desired": 3, "max": 5, "base": base})).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    look(&t).await;
    let victim = t.running(&t.names.staging).into_keys().next().unwrap();
    let (end, _) = act(&t, &dan, json!({"kind": "terminate", "instance": victim, "shrink": false, "reason": "odd"})).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    let (end, _) = act(&t, &dan, json!({"kind": "replace"})).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    // A bad image goes back by the rollback of AWS.
    let bad = t.release(&dan, "bad", "unhealthy", None).await;
    let (end, _) = act(&t, &dan, json!({"kind": "deploy", "release": bad})).await;
    assert_eq!(end["state"], "undone", "{end}");
    let denied: Vec<_> =
        t.calls().into_iter().filter(|c| c.error_code.as_deref().is_some_and(|e| e.contains("Denied") || e.contains("Unauthorized"))).collect();
    assert!(denied.is_empty(), "{denied:?}");
    t.finish().await;
}

#[tokio::test]
async fn no_act_of_the_policy_is_one_too_many() {
    let t = TestApp::with_stack(Setup::seed(502)).await;
    let dan = t.sign_in("dan").await;
    let whole = policy(&t, "staging").await;
    put(&t, &whole);
    let (one, two) = (t.release(&dan, "one", "ok", None).await, t.release(&dan, "two", "ok", None).await);
    let (end, _) = act(&t, &dan, json!({"kind": "deploy", "release": one})).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    let deploy = json!({"kind": "deploy", "release": two});
    let victim = t.running(&t.names.staging).into_keys().next().unwrap();
    let base = capacity(&t, &dan).await;
    let cases = [
        ("ec2:CreateLaunchTemplateVersion", deploy.clone()),
        ("autoscaling:StartInstanceRefresh", deploy.clone()),
        ("ec2:RunInstances", deploy.clone()),
        ("ec2:CreateTags", deploy.clone()),
        ("iam:PassRole", deploy.clone()),
        ("autoscaling:UpdateAutoScalingGroup", json!({"kind": "capacity", "desired": 3, "base": base})),
        ("autoscaling:TerminateInstanceInAutoScalingGroup", json!({"kind": "terminate", "instance": victim, "shrink": false, "reason": "odd"})),
    ];
    for (action, body) in cases {
        put(&t, &without(&whole, action));
        let before = t.running(&t.names.staging);
        let (end, _) = act(&t, &dan, body).await;
        assert_eq!(end["state"], "failed", "without {action}: {end}");
        let sentence = end["sentence"].as_str().unwrap();
        assert!(sentence.contains("iam-policy"), "the way out is named, {action}: {sentence}");
        assert_eq!(t.running(&t.names.staging), before, "without {action} nothing changed");
    }
    // The two that a running refresh needs.
    put(&t, &without(&whole, "autoscaling:RollbackInstanceRefresh"));
    let number = TestApp::accepted(t.change(&dan, "staging", deploy.clone()).await);
    t.work().await;
    t.step_by(120).await;
    t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "undo", "reason": "try"})).await;
    for _ in 0..12 {
        t.step().await;
    }
    let refused = t.calls().iter().any(|c| c.operation == "RollbackInstanceRefresh" && c.error_code.as_deref() == Some("AccessDenied"));
    assert!(refused, "a rollback was tried and refused");
    put(&t, &whole);
    let (end, _) = t.run(&dan, number).await;
    assert!(["undone", "undo_failed", "succeeded", "failed"].contains(&end["state"].as_str().unwrap()), "{end}");
}

#[tokio::test]
async fn no_read_of_the_policy_is_one_too_many() {
    let t = TestApp::with_stack(Setup::seed(503)).await;
    let dan = t.sign_in("dan").await;
    let whole = policy(&t, "staging").await;
    put(&t, &whole);
    // A bad image makes the product read all that it ever reads: activities, hooks, the console of an instance.
    let bad = t.release(&dan, "bad", "unhealthy", None).await;
    let (end, _) = act(&t, &dan, json!({"kind": "deploy", "release": bad})).await;
    assert_eq!(end["state"], "undone", "{end}");
    look(&t).await;
    let called: std::collections::BTreeSet<String> = t.calls().into_iter().map(|c| c.operation).collect();
    let mut never = Vec::new();
    for action in iam::READS.iter().chain(&iam::REPOSITORY_READS) {
        let operation = action.split_once(':').unwrap().1;
        if !called.contains(operation) {
            never.push(*action);
        }
    }
    assert_eq!(never, Vec::<&str>::new(), "read by nobody");
}
