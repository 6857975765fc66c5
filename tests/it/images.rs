//! Bad images end where they began; slow ones are given their time.

use serde_json::json;

use crate::harness::{Setup, TestApp};

#[tokio::test]
async fn an_unhealthy_image_is_taken_back_and_a_slow_one_is_not() {
    let t = TestApp::with_stack(Setup::seed(201)).await;
    let dan = t.sign_in("dan").await;
    let slow = t.release(&dan, "slow", "slow_boot", Some(240)).await;
    let bad = t.release(&dan, "bad", "unhealthy", None).await;

    let first = t.environment(&dan, "staging").await["release"].clone();
    let old = t.running(&t.names.staging);
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": bad})).await);
    let (undone, minutes) = t.run(&dan, deploy).await;
    assert_eq!(undone["state"], "undone", "{undone}");
    assert!(minutes < 30.0, "took {minutes} simulated minutes; AWS alone gives up after 60");
    assert_eq!(t.digests(&t.names.staging), old.values().cloned().collect(), "every instance is on the old digest");
    assert!(old.keys().any(|id| t.running(&t.names.staging).contains_key(id)), "good instances were not retired for bad ones");
    let evidence = &undone["first_failure"];
    assert!(evidence["target"].as_str().unwrap().contains("Target.ResponseCodeMismatch"), "{evidence}");
    assert!(evidence["console"].as_str().is_some_and(|c| c.contains("docker")), "the console was kept before the instance was gone: {evidence}");
    assert!(undone["sentence"].as_str().unwrap().contains(evidence["instance"].as_str().unwrap()));
    assert_eq!(t.environment(&dan, "staging").await["release"], first);

    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": slow})).await);
    let (good, _) = t.run(&dan, deploy).await;
    assert_eq!(good["state"], "succeeded", "a good slow image is never undone: {good}");

    // And the next deploy begins at once: nothing is left behind.
    let next = t.release(&dan, "next", "ok", None).await;
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": next})).await);
    assert_eq!(t.run(&dan, deploy).await.0["state"], "succeeded");
    // Whoever boots slowly here is given twice of what it took, from now on.
    let boots = t.app.store.list_boots(1, t.clock.now()).await.unwrap();
    let plan = t.app.store.find_change(deploy).await.unwrap().unwrap().plan;
    assert!(boots.iter().any(|s| *s >= 240) && plan.boot_budget_seconds >= 480, "{boots:?}: {}", plan.boot_budget_seconds);
    t.finish().await;
}

#[tokio::test]
async fn an_image_that_dies_after_it_was_healthy_is_taken_back() {
    let t = TestApp::with_stack(Setup::seed(202)).await;
    let dan = t.sign_in("dan").await;
    let dying = t.release(&dan, "dying", "crash_after:150", None).await;
    let old = t.digests(&t.names.staging);
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": dying})).await);
    let (undone, _) = t.run(&dan, deploy).await;
    assert_eq!(undone["state"], "undone", "{undone}");
    assert!(undone["first_failure"]["sentence"].as_str().unwrap().contains("was healthy and is no longer"), "{}", undone["first_failure"]);
    assert_eq!(t.digests(&t.names.staging), old);
    t.finish().await;
}

#[tokio::test]
async fn a_tag_that_moves_after_the_release_changes_nothing() {
    let t = TestApp::with_stack(Setup::seed(203)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let digest = t.get(&dan, &format!("/api/v1/apps/{}/releases", crate::harness::APP)).await.expect(200)["items"][0]["digest"].clone();
    let moved = t.push("one", "unhealthy", None);
    assert_ne!(digest, moved);
    let deploy = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    assert_eq!(t.run(&dan, deploy).await.0["state"], "succeeded");
    assert_eq!(t.digests(&t.names.staging), [digest.as_str().unwrap().to_owned()].into());
    t.finish().await;
}
