//! The story that the API is for, told once from end to end.

use serde_json::{Value, json};

use crate::harness::{APP, Setup, TestApp};

#[tokio::test]
async fn pin_release_deploy_approve_roll_back_resize_terminate() {
    let t = TestApp::with_stack(Setup::seed(101)).await;
    let (ada, dan, pia) = (t.sign_in("ada").await, t.sign_in("dan").await, t.sign_in("pia").await);

    // A third group still follows $Latest with a moving tag: deploying there is refused, a pin settles it.
    t.adopt(&ada, "legacy", false, &t.names.legacy.clone()).await.expect(201);
    let v1 = t.release(&dan, "one", "ok", None).await;
    let refused = t.change(&dan, "legacy", json!({"kind": "deploy", "release": v1})).await;
    assert!(refused.text.contains("Pin the environment first"), "{}", refused.text);
    refused.expect(422);
    let before = t.running(&t.names.legacy);
    let pin = TestApp::accepted(t.change(&dan, "legacy", json!({"kind": "pin"})).await);
    let (pinned, _) = t.run(&dan, pin).await;
    assert_eq!(pinned["state"], "succeeded", "{pinned}");
    assert_eq!(t.running(&t.names.legacy), before, "a pin replaces no instance");
    assert_eq!(t.environment(&dan, "legacy").await["template_version"], "2");
    assert_eq!(t.environment(&dan, "legacy").await["health"], "ok");

    // Staging is not protected.
    let staging = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v1, "reason": "try it"})).await);
    let (deployed, minutes) = t.run(&dan, staging).await;
    assert_eq!(deployed["state"], "succeeded", "{deployed}");
    assert!(minutes < 40.0, "staging took {minutes} simulated minutes");
    let digest = deployed["plan"]["bound"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(t.digests(&t.names.staging), [digest.clone()].into(), "every instance runs the release's digest");

    // Production is held for another person.
    let old = t.running(&t.names.production);
    let production = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v1, "reason": "staging is good"})).await);
    for _ in 0..6 {
        t.step().await;
    }
    assert_eq!(t.show(&dan, production).await["state"], "awaiting_approval");
    assert_eq!(t.running(&t.names.production), old, "nothing happens before the approval");
    t.approve(&dan, production).await.expect(403);
    t.approve(&pia, production).await.expect(200);
    let (deployed, _) = t.run(&dan, production).await;
    assert_eq!(deployed["state"], "succeeded", "{deployed}");
    assert_eq!(t.digests(&t.names.production), [digest].into());
    assert!(old.keys().all(|id| !t.running(&t.names.production).contains_key(id)), "every old instance was replaced");

    // Back to what ran before: one request, no approval.
    let back = TestApp::accepted(t.change(&dan, "production", json!({"kind": "rollback"})).await);
    let (rolled, _) = t.run(&dan, back).await;
    assert_eq!(rolled["state"], "succeeded", "{rolled}");
    assert_eq!(t.digests(&t.names.production), old.values().cloned().collect());
    assert_eq!(rolled["rollback_of"], production);
    assert_eq!(t.show(&dan, production).await["rolled_back_by"], back);
    assert!(!rolled["steps"].to_string().contains("create_version"), "the version that ran before is used again: {}", rolled["steps"]);

    // 2/2/10 -> 3/3/10: raising within the policy waits for nobody.
    let resize = TestApp::accepted(
        t.change(&dan, "production", json!({"kind": "capacity", "min": 3, "desired": 3, "base": {"min": 2, "desired": 2, "max": 10}})).await,
    );
    let (resized, _) = t.run(&dan, resize).await;
    assert_eq!(resized["state"], "succeeded", "{resized}");
    let capacity = t.environment(&dan, "production").await["capacity"].clone();
    assert_eq!(
        (capacity["min"].clone(), capacity["desired"].clone(), capacity["max"].clone(), capacity["in_service"].clone()),
        (json!(3), json!(3), json!(10), json!(3))
    );

    // One instance goes, and is replaced.
    // The third instance needs its boot time before it counts as healthy.
    for _ in 0..30 {
        t.step().await;
    }
    let victim = t.running(&t.names.production).into_keys().next().unwrap();
    let terminate = TestApp::accepted(
        t.change(&dan, "production", json!({"kind": "terminate", "instance": victim, "shrink": false, "reason": "odd disk"})).await,
    );
    t.approve(&pia, terminate).await.expect(200);
    let (gone, _) = t.run(&dan, terminate).await;
    assert_eq!(gone["state"], "succeeded", "{gone}");
    let after = t.running(&t.names.production);
    assert!(!after.contains_key(&victim) && after.len() == 3);

    // Every act stands in the audit, with before and after, before AWS heard of it.
    let trail = t.audit().await;
    for number in [pin, staging, production, back, resize, terminate] {
        let of: Vec<_> = trail.iter().filter(|e| e.change == Some(number)).collect();
        let request = of.iter().find(|e| e.action.starts_with("change.request.")).expect("the request");
        assert!(request.actor == "dan" && request.before.is_some() && request.after.is_some(), "{request:?}");
        let end = of.iter().find(|e| e.action == "change.succeeded").expect("the end");
        assert!(end.before.is_some() && end.after.is_some() && end.seq > request.seq);
        for act in t.app.store.list_acts(number).await.unwrap() {
            let intent = of.iter().find(|e| e.result == "intended" && e.action == format!("aws.{}", act.operation)).expect("the intent");
            let outcome = of.iter().find(|e| e.result == "done" && e.aws_request == act.aws_request && e.aws_request.is_some()).expect("the outcome");
            assert!(intent.seq < outcome.seq);
        }
    }
    let approval = trail.iter().find(|e| e.change == Some(production) && e.action == "change.approve" && e.result == "done").unwrap();
    assert_eq!(approval.actor, "pia");
    assert!(
        trail.iter().any(|e| e.action == "request.refused" && e.actor == "dan" && e.change == Some(production)),
        "the refused approval is in the trail"
    );

    // Each AWS act was made under a role session that names the change.
    for call in t.mutating() {
        assert!(call.principal.contains("assumed-role") && call.principal.contains("fleetgate-"), "{call:?}");
    }
    assert_eq!(t.app.store.verify_audit().await.unwrap().unwrap().0, i64::try_from(trail.len()).unwrap());
    t.finish().await;
}

#[tokio::test]
async fn a_preview_has_no_effect_and_prints_the_commands() {
    let t = TestApp::with_stack(Setup::seed(102)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let changes = t.get(&dan, "/api/v1/changes").await.expect(200);
    let plan =
        t.post(&dan, &format!("/api/v1/apps/{APP}/environments/staging/changes/preview"), json!({"kind": "deploy", "release": v})).await.expect(200);
    let commands: Vec<_> = plan["steps"].as_array().unwrap().iter().filter_map(|s| s["cli"].as_str()).collect();
    assert!(commands.iter().any(|c| c.starts_with("aws ec2 create-launch-template-version")), "{commands:?}");
    assert!(
        commands.iter().any(|c| c.starts_with("aws autoscaling start-instance-refresh") && c.contains("\"MinHealthyPercentage\":100")),
        "{commands:?}"
    );
    for member in ["min_healthy", "max_healthy", "warmup_seconds", "skip_matching", "auto_rollback", "protected", "standby", "bake_seconds"] {
        assert_ne!(plan["bound"]["preferences"][member], Value::Null, "the preference {member} is not shown");
    }
    assert_eq!(t.get(&dan, "/api/v1/changes").await.expect(200), changes);
    assert!(t.mutating().is_empty());
    t.finish().await;
}

#[tokio::test]
async fn rolling_back_while_a_deploy_runs_is_its_undo() {
    let t = TestApp::with_stack(Setup::seed(103)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let old = t.digests(&t.names.staging);
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    for _ in 0..20 {
        t.step().await;
    }
    assert_eq!(t.show(&dan, deploy).await["state"], "running");
    assert_eq!(TestApp::accepted(t.change(&dan, "staging", json!({"kind": "rollback"})).await), deploy, "the same number");
    assert_eq!(TestApp::accepted(t.change(&dan, "staging", json!({"kind": "rollback"})).await), deploy, "a second click is harmless");
    let (undone, _) = t.run(&dan, deploy).await;
    assert_eq!(undone["state"], "undone", "{undone}");
    assert_eq!(t.digests(&t.names.staging), old);
    assert_eq!(t.mutating().iter().filter(|c| c.operation == "RollbackInstanceRefresh").count(), 1);
    t.finish().await;
}

#[tokio::test]
async fn replacing_and_stopping_say_what_they_left() {
    let t = TestApp::with_stack(Setup::seed(104)).await;
    let dan = t.sign_in("dan").await;
    let before = t.running(&t.names.staging);
    let replace = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "replace"})).await);
    let (replaced, _) = t.run(&dan, replace).await;
    assert_eq!(replaced["state"], "succeeded", "{replaced}");
    let after = t.running(&t.names.staging);
    assert!(before.keys().all(|id| !after.contains_key(id)) && t.digests(&t.names.staging) == before.values().cloned().collect());

    let v = t.release(&dan, "one", "ok", None).await;
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    for _ in 0..20 {
        t.step().await;
    }
    t.post(&dan, &format!("/api/v1/changes/{deploy}/cancel"), json!({"mode": "stop", "reason": "wrong day"})).await.expect(202);
    let (stopped, _) = t.run(&dan, deploy).await;
    assert_eq!(stopped["state"], "cancelled", "{stopped}");
    assert!(stopped["sentence"].as_str().unwrap().contains("new version"), "{}", stopped["sentence"]);
    t.post(&dan, &format!("/api/v1/changes/{deploy}/cancel"), json!({"mode": "stop"})).await.expect(409);
    t.finish().await;
}

#[tokio::test]
async fn raising_and_terminating_run_beside_a_deploy_and_the_rest_waits() {
    let t = TestApp::with_stack(Setup::seed(105)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    for _ in 0..6 {
        t.step().await;
    }
    let base = json!({"min": 1, "desired": 2, "max": 4});
    let busy = t.change(&dan, "staging", json!({"kind": "capacity", "max": 3, "base": base})).await;
    assert_eq!(busy.body["change"], deploy, "{}", busy.text);
    busy.expect(409);
    let raise = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "capacity", "max": 6, "base": base})).await);
    t.step().await;
    assert_eq!(t.show(&dan, raise).await["state"], "succeeded", "raising does not wait for the deploy");
    let wait = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "replace", "on_busy": "wait"})).await);
    t.step().await;
    assert_eq!(t.show(&dan, wait).await["state"], "queued");
    assert!(t.show(&dan, wait).await["sentence"].as_str().unwrap().contains(&format!("Waits for #{deploy}")));
    let (deployed, _) = t.run(&dan, deploy).await;
    assert_eq!(deployed["state"], "succeeded", "{deployed}");
    let (replaced, _) = t.run(&dan, wait).await;
    assert_eq!(replaced["state"], "succeeded", "{replaced}");
    t.finish().await;
}

/// While a good release rolls, instances that are not healthy yet stand beside enough that are: no alarm at any look.
#[tokio::test]
async fn an_ordinary_rollout_is_no_alarm() {
    let t = TestApp::with_stack(Setup::seed(130)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "slow", "ok", Some(100)).await;
    let number = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    let (mut looks, mut beside) = (0, 0);
    loop {
        t.step().await;
        let dan = t.sign_in("dan").await;
        let change = t.show(&dan, number).await;
        if !change["finished_at"].is_null() {
            assert_eq!(change["state"], "succeeded", "{change}");
            break;
        }
        let env = t.environment(&dan, "staging").await;
        assert_eq!(env["health"], "ok", "{}", env["sentence"]);
        looks += 1;
        beside += usize::from(env["sentence"].as_str().unwrap().contains(" is "));
        assert!(looks < 400);
    }
    assert!(looks > 10 && beside > 0, "{looks} looks, {beside} of them with an instance that was not healthy yet");
    t.finish().await;
}
