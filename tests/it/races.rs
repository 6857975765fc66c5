//! One rollout per group (promise S6): of many requests at once one counts, and one key makes one change.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use fleetgate::domain::access::Role;

use crate::harness::{APP, Answer, As, Setup, TestApp, drawn};
use crate::proofs::{Dice, adopt, ask, effective, people, quick, quick_times, with_patience};

/// `count` requests on as many tasks; each begins after the number of turns that `begin` gives it.
async fn at_once(t: &Arc<TestApp>, who: &As, env: &'static str, body: &Value, key: Option<&'static str>, begin: &[u64]) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    for turns in begin.iter().copied() {
        let (t, who, body) = (t.clone(), who.clone(), body.clone());
        tasks.spawn(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            ask(&t, &who, env, &body, key).await
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer.unwrap());
    }
    answers
}

async fn stack(seed: u64) -> Arc<TestApp> {
    let mut t = TestApp::with(Setup::seed(seed).world(move |world, names| {
        quick(world, names, "quick", (1, 2, 4));
        quick_times(world, drawn(seed));
    }))
    .await;
    // Two hundred looks at once on a busy machine: none may time out.
    with_patience(&mut t, Duration::from_secs(15), Duration::from_secs(18)).await;
    adopt(&t, "quick", "quick", false, json!({})).await;
    people(&t, &[("dan", Role::Deployer)]).await;
    Arc::new(t)
}

async fn changes(t: &TestApp, who: &As) -> Vec<Value> {
    t.get(who, &format!("/api/v1/changes?app={APP}&env=quick")).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_deploys_at_once_one_is_accepted_and_the_others_name_it() {
    let t = stack(1601).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", Some(5)).await;
    let body = json!({"kind": "deploy", "release": v});
    let answers = at_once(&t, &dan, "quick", &body, None, &[0; 200]).await;
    let accepted: Vec<_> = answers.iter().filter(|a| a.status == 202).collect();
    assert_eq!(accepted.len(), 1, "{:?}", answers.iter().map(|a| a.status.as_u16()).collect::<Vec<_>>());
    let number = accepted[0].body["number"].as_i64().unwrap();
    for a in answers.iter().filter(|a| a.status != 202) {
        assert_eq!(a.status, 409, "{}", a.text);
        assert_eq!(a.body["change"], number, "it does not name what runs: {}", a.text);
        assert!(a.body["detail"].as_str().unwrap().contains(&format!("#{number} ")), "{}", a.text);
    }
    assert_eq!(changes(&t, &dan).await.len(), 1);
    let trail = t.audit().await;
    let of = |action: &str, result: &str| trail.iter().filter(|e| e.action == action && e.result == result).count();
    assert_eq!((of("change.request.deploy", "done"), of("request.refused", "refused")), (1, 199));
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!((effective(&t, "StartInstanceRefresh"), effective(&t, "CreateLaunchTemplateVersion")), (1, 1));
    Arc::into_inner(t).unwrap().finish().await;
}

/// The same key fifty times: all at once, and then beginning one after the other while the first is being written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_fifty_times_is_one_change_and_fifty_equal_answers() {
    let t = stack(1602).await;
    let mut dice = Dice::new(drawn(1602));
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", Some(5)).await;
    let one_answer = |answers: Vec<Answer>, what: &str| {
        assert_eq!(answers.len(), 50);
        for a in &answers {
            assert_eq!(a.status, 202, "{what}: {}", a.text);
            assert_eq!(a.text, answers[0].text, "{what}: the answers differ");
        }
        answers[0].body["number"].as_i64().unwrap()
    };
    let deploy = json!({"kind": "deploy", "release": v});
    let number = one_answer(at_once(&t, &dan, "quick", &deploy, Some("deploy"), &[0; 50]).await, "a deploy");
    assert_eq!(changes(&t, &dan).await.len(), 1);
    // Another body under that key is refused, whatever it asks for.
    let other = ask(&t, &dan, "quick", &json!({"kind": "replace"}), Some("deploy")).await;
    assert_eq!((other.status.as_u16(), other.fields()), (422, vec!["Idempotency-Key".to_owned()]), "{}", other.text);
    t.step().await;
    t.step().await;
    // Rolling back while it runs is its undo: the same number, once.
    let back = json!({"kind": "rollback", "reason": "one click"});
    assert_eq!(one_answer(at_once(&t, &dan, "quick", &back, Some("undo"), &[0; 50]).await, "an undo"), number);
    assert_eq!(t.audit().await.iter().filter(|e| e.change == Some(number) && e.action == "change.cancel" && e.result == "done").count(), 1);
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "undone", "{end}");
    assert_eq!(effective(&t, "RollbackInstanceRefresh"), 1);
    // Some come while the first is written, so that they meet its row and not yet its key, or the other way round.
    let begin: Vec<u64> = (0..50).map(|_| dice.below(400)).collect();
    let raise = json!({"kind": "capacity", "max": 6, "base": {"min": 1, "desired": 2, "max": 4}});
    let raised = one_answer(at_once(&t, &dan, "quick", &raise, Some("raise"), &begin).await, "a raise");
    assert_eq!(t.run(&dan, raised).await.0["state"], "succeeded");
    assert_eq!(changes(&t, &dan).await.len(), 2);
    assert_eq!(effective(&t, "UpdateAutoScalingGroup"), 1);
    Arc::into_inner(t).unwrap().finish().await;
}

/// Someone with the console starts a refresh: what we wait for is shown where it is looked for, and nothing is sent against it.
#[tokio::test]
async fn a_refresh_from_outside_is_shown_and_not_fought() {
    let t = stack(1603).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", Some(5)).await;
    let console = t.outsider().await;
    let start = async || {
        let group = console.group(fleetgate::aws::Priority::Act, "quick").await.unwrap().unwrap();
        let fleetgate::domain::observation::LaunchSource::Template(template) = &group.launch else { panic!("a template") };
        let mut prefs = fleetgate::domain::strategy::preferences(&group, &Default::default(), 0, 60).unwrap();
        (prefs.skip_matching, prefs.auto_rollback) = (false, false);
        console.start_refresh("quick", &template.id, template.number().unwrap(), &prefs).await.unwrap().value
    };
    // Before ours: the plan and the queued change name it.
    let foreign = start().await;
    let body = json!({"kind": "deploy", "release": v});
    let plan = t.post(&dan, &format!("/api/v1/apps/{APP}/environments/quick/changes/preview"), body.clone()).await.expect(200);
    assert!(plan["preflight"].to_string().contains(&foreign), "the plan does not show it: {}", plan["preflight"]);
    let number = TestApp::accepted(t.change(&dan, "quick", body).await);
    t.step().await;
    let waiting = t.show(&dan, number).await;
    assert_eq!(waiting["state"], "queued");
    assert!(waiting["sentence"].as_str().unwrap().contains(&foreign), "{}", waiting["sentence"]);
    assert_eq!(t.mutating().len(), 1, "something was sent beside the foreign refresh: {:#?}", t.mutating());
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    // Someone cancels ours from outside: it is told, and not started again.
    let v = t.release(&dan, "two", "ok", Some(5)).await;
    let number = TestApp::accepted(t.change(&dan, "quick", json!({"kind": "deploy", "release": v})).await);
    t.step().await;
    t.step().await;
    console.cancel_refresh("quick").await.unwrap();
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "cancelled", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("cancelled outside Fleetgate"), "{}", end["sentence"]);
    let ours: Vec<_> = t.mutating().into_iter().filter(|c| c.principal.contains(&format!("fleetgate-{number}-"))).collect();
    assert_eq!(ours.iter().filter(|c| c.operation == "StartInstanceRefresh").count(), 1);
    assert!(t.calls().iter().all(|c| c.error_code.as_deref() != Some("InstanceRefreshInProgress")), "nobody was fought");
}
