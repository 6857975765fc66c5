//! Approvals are bound to the intent: autoscaling's own moves void none, a moved limit does and says so.

use serde_json::json;

use fleetgate::domain::access::{Actor, Role};

use crate::harness::{APP, As, Setup, TestApp};

/// Someone resizes the group outside Fleetgate.
async fn outside(t: &TestApp, min: Option<i32>, desired: Option<i32>, max: Option<i32>) {
    t.outsider().await.resize(&t.names.production, min, desired, max).await.unwrap();
}

async fn requested(t: &TestApp, dan: &As) -> i64 {
    let v = t.release(dan, "one", "ok", None).await;
    TestApp::accepted(t.change(dan, "production", json!({"kind": "deploy", "release": v, "reason": "r"})).await)
}

#[tokio::test]
async fn fifty_autoscaling_events_void_no_approval() {
    let t = TestApp::with_stack(Setup::seed(401)).await;
    let dan = t.sign_in("dan").await;
    let number = requested(&t, &dan).await;
    let hash = t.show(&dan, number).await["plan_hash"].clone();
    for event in 0..50 {
        outside(&t, None, Some(3 + event % 3), None).await;
        t.step_by(30).await;
    }
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    t.approve(&pia, number).await.expect(200);
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(end["plan_hash"], hash);
    assert!(t.audit().await.iter().all(|e| e.action != "change.approval_void"));
}

#[tokio::test]
async fn a_lowered_max_voids_the_approval_and_says_so() {
    let t = TestApp::with_stack(Setup::seed(402)).await;
    let (dan, pia, paul) = (t.sign_in("dan").await, t.sign_in("pia").await, t.sign_in("paul").await);
    let number = requested(&t, &dan).await;
    let hash = t.show(&dan, number).await["plan_hash"].clone();
    outside(&t, None, None, Some(6)).await;
    t.approve(&pia, number).await.expect(200);
    for _ in 0..3 {
        t.step().await;
    }
    let void = t.show(&dan, number).await;
    assert_eq!(void["state"], "awaiting_approval", "{void}");
    assert_eq!(void["sentence"], "The approval is void: max was 10 when approved and is now 6. The new plan waits for an approval of its own.");
    assert_ne!(void["plan_hash"], hash);
    assert!(t.mutating().iter().all(|c| c.operation == "UpdateAutoScalingGroup"), "nothing but the outsider's call reached AWS");
    // The hash that was seen before is no longer good for anything.
    let stale = t.post(&paul, &format!("/api/v1/changes/{number}/approve"), json!({"plan_hash": hash})).await;
    assert!(stale.text.contains("no longer the one that you saw"), "{}", stale.text);
    stale.expect(409);
    t.approve(&paul, number).await.expect(200);
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
}

#[tokio::test]
async fn who_may_not_approve_does_not_and_each_try_is_in_the_trail() {
    let t = TestApp::with_stack(Setup::seed(403)).await;
    t.person("dora", &[("*", Role::Deployer), ("*", Role::Approver)]).await;
    let (dora, vera, token) = (t.sign_in("dora").await, t.sign_in("vera").await, t.token(&["*"]).await);
    let number = requested(&t, &dora).await;
    let again = t.sign_in("dora").await;
    let tries = [(&dora, "own"), (&again, "own, in a second session"), (&vera, "a viewer"), (&token, "a token")];
    for (who, what) in tries {
        let answer = t.approve(who, number).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
    }
    let hash = t.show(&dora, number).await["plan_hash"].clone();
    t.post(&As::Nobody, &format!("/api/v1/changes/{number}/approve"), json!({"plan_hash": hash})).await.expect(401);
    for _ in 0..3 {
        t.step().await;
    }
    assert_eq!(t.show(&dora, number).await["state"], "awaiting_approval");
    assert!(t.mutating().is_empty(), "no AWS call");
    let refused = t.audit().await.into_iter().filter(|e| e.action == "request.refused" && e.change == Some(number)).count();
    assert_eq!(refused, tries.len(), "each refusal of somebody known is an entry");
    t.finish().await;
}

#[tokio::test]
async fn an_approver_who_lost_the_role_no_longer_stands() {
    let t = TestApp::with_stack(Setup::seed(404)).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    let number = requested(&t, &dan).await;
    // The group is scaling, so the approved change waits; meanwhile the approver is disabled.
    outside(&t, None, Some(4), None).await;
    t.approve(&pia, number).await.expect(200);
    t.app.disable_person(&Actor::host("test"), "pia").await.unwrap();
    t.get(&pia, "/api/v1/me").await.expect(401);
    for _ in 0..3 {
        t.step().await;
    }
    let c = t.show(&dan, number).await;
    assert_eq!(c["state"], "awaiting_approval", "{c}");
    assert!(c["sentence"].as_str().unwrap().contains("Another person must approve"), "{}", c["sentence"]);
    assert!(t.mutating().iter().all(|c| c.operation == "UpdateAutoScalingGroup"));
}

#[tokio::test]
async fn a_rejection_ends_it_and_an_old_request_lapses() {
    let t = TestApp::with_stack(Setup::seed(405)).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    let number = requested(&t, &dan).await;
    t.post(&pia, &format!("/api/v1/changes/{number}/reject"), json!({"reason": " "})).await.expect(422);
    t.post(&pia, &format!("/api/v1/changes/{number}/reject"), json!({"reason": "not on a Friday"})).await.expect(200);
    t.approve(&pia, number).await.expect(409);
    let late = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": 2})).await);
    t.step_by(25 * 3600).await;
    let pia = t.sign_in("pia").await;
    assert_eq!(t.show(&pia, late).await["state"], "expired");
    assert!(t.mutating().is_empty());
    t.finish().await;
}

/// Whoever made a token stands behind what it asks for: one person is not two.
#[tokio::test]
async fn nobody_approves_what_their_own_token_asked_for() {
    let t = TestApp::with_stack(Setup::seed(409)).await;
    t.person("sid", &[("*", Role::Admin), ("*", Role::Approver)]).await;
    let (sid, pia, dan) = (t.sign_in("sid").await, t.sign_in("pia").await, t.sign_in("dan").await);
    let v = t.release(&dan, "one", "ok", None).await;
    let me = t.app.store.find_person("sid").await.unwrap().unwrap();
    let actor = Actor { name: "sid".into(), id: me.id, ..crate::harness::admin() };
    let token = As::Token(t.app.create_token(&actor, "sids", &[format!("{APP}/production")], 86_400_000).await.unwrap());
    let number = TestApp::accepted(t.change(&token, "production", json!({"kind": "deploy", "release": v})).await);
    t.approve(&sid, number).await.expect(403);
    let page = t.get(&sid, &format!("/approvals/{number}")).await.text;
    assert!(page.contains("You made token:sids, which asked for this") && !page.contains("Approve #"), "{page}");
    assert!(t.get(&sid, "/approvals").await.text.contains("Nothing waits for you"));
    t.approve(&pia, number).await.expect(200);
    t.finish().await;
}
