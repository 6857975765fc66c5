//! What a hostile user once did to a running demo, each as a test: conditions that move between two sends, keys on odd paths,
//! strangers' hands, tampering.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use fleetgate::domain::access::Actor;
use fleetgate_sim::FaultKind;

use crate::harness::{APP, As, HOST, Setup, TestApp};

async fn steps(t: &TestApp, n: usize) {
    for _ in 0..n {
        t.step().await;
    }
}

fn keyed(path: &str, key: &str) -> axum::http::request::Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").header("idempotency-key", key)
}

const STAGING: &str = "/api/v1/apps/shop/environments/staging/changes";

#[tokio::test]
async fn a_retried_rollback_with_its_key_rolls_back_once() {
    let t = TestApp::with_stack(Setup::seed(701)).await;
    let dan = t.sign_in("dan").await;
    for tag in ["one", "two"] {
        let v = t.release(&dan, tag, "ok", None).await;
        let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
        if tag == "one" {
            assert_eq!(t.run(&dan, n).await.0["state"], "succeeded");
            continue;
        }
        steps(&t, 10).await;
        let named = t.change(&dan, "staging", json!({"kind": "rollback", "release": 1})).await;
        assert!(named.fields().contains(&"release".to_owned()), "a named release is not ignored: {}", named.text);
        named.expect(422);
        let body = || Body::from(json!({"kind": "rollback"}).to_string());
        let first = t.send(&dan, keyed(STAGING, "K"), body()).await.expect(202)["number"].clone();
        assert_eq!(first, n);
        assert_eq!(t.run(&dan, n).await.0["state"], "undone");
        let again = t.send(&dan, keyed(STAGING, "K"), body()).await.expect(202);
        assert_eq!((again["number"].clone(), again["state"].clone()), (first, json!("undone")), "the same answer, and nothing begun");
    }
    // What was taken back is not what a rollback offers.
    assert_ne!(t.environment(&dan, "staging").await["rollback"]["release"], 3);
    t.finish().await;
}

#[tokio::test]
async fn a_figure_that_someone_else_set_meanwhile_is_not_overwritten() {
    let t = TestApp::with_stack(Setup::seed(702)).await;
    let dan = t.sign_in("dan").await;
    t.fault("UpdateAutoScalingGroup", FaultKind::Throttle, None);
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "capacity", "desired": 3, "base": {"min": 1, "desired": 2, "max": 4}})).await);
    steps(&t, 2).await;
    t.sim.world().clear_faults();
    t.outsider().await.resize(&t.names.staging, None, Some(4), None).await.unwrap();
    let (end, _) = t.run(&dan, n).await;
    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("desired was 2 and is now 4"), "{}", end["sentence"]);
    assert_eq!(t.environment(&dan, "staging").await["capacity"]["desired"], 4);
}

#[tokio::test]
async fn a_stale_read_after_the_send_is_not_taken_for_someone_elses_hand() {
    let t = TestApp::with_stack(Setup::seed(703)).await;
    let dan = t.sign_in("dan").await;
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "capacity", "desired": 3, "base": {"min": 1, "desired": 2, "max": 4}})).await);
    t.fault("DescribeAutoScalingGroups", FaultKind::Stale, Some(3));
    let (end, _) = t.run(&dan, n).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert!(
        !end["sentence"].as_str().unwrap().contains("someone else") && end["sentence"].as_str().unwrap().contains("1/3/4"),
        "{}",
        end["sentence"]
    );
    t.finish().await;
}

#[tokio::test]
async fn the_last_healthy_instance_is_guarded_before_each_send_and_across_lanes() {
    let t = TestApp::with_stack(Setup::seed(704)).await;
    let dan = t.sign_in("dan").await;
    let ids: Vec<String> = t.running(&t.names.staging).into_keys().collect();
    t.fault("TerminateInstanceInAutoScalingGroup", FaultKind::Throttle, None);
    let a = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "terminate", "instance": ids[0], "shrink": true})).await);
    steps(&t, 1).await;
    assert_eq!(t.show(&dan, a).await["state"], "running");
    let b = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "terminate", "instance": ids[1], "shrink": false})).await);
    steps(&t, 2).await;
    let held = t.show(&dan, b).await;
    assert_eq!(held["state"], "queued", "both lanes take instances away at once: {held}");
    assert!(held["sentence"].as_str().unwrap().contains(&format!("Waits for #{a}")), "{}", held["sentence"]);
    // Meanwhile the other instance dies by itself.
    t.sim.world().kill(&ids[1]).unwrap();
    t.sim.world().clear_faults();
    let (end, _) = t.run(&dan, a).await;
    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("last healthy instance"), "{}", end["sentence"]);
    // The other change may end the instance that is dead already; the last healthy one stays.
    assert!(t.running(&t.names.staging).contains_key(&ids[0]), "the last healthy instance was terminated");
    t.run(&dan, b).await;
    t.finish().await;
}

#[tokio::test]
async fn a_shrink_that_never_happened_is_not_claimed() {
    let t = TestApp::with_stack(Setup::seed(705)).await;
    let dan = t.sign_in("dan").await;
    let ids: Vec<String> = t.running(&t.names.staging).into_keys().collect();
    t.fault("TerminateInstanceInAutoScalingGroup", FaultKind::Throttle, None);
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "terminate", "instance": ids[0], "shrink": true})).await);
    steps(&t, 2).await;
    t.sim.world().kill(&ids[0]).unwrap();
    let (end, _) = t.run(&dan, n).await;
    assert_eq!(end["state"], "failed", "{end}");
    assert!(
        end["sentence"].as_str().unwrap().contains("left by itself") && end["sentence"].as_str().unwrap().contains("desired is still 2"),
        "{}",
        end["sentence"]
    );
    t.sim.world().clear_faults();
    t.finish_with_strangers().await;
}

#[tokio::test]
async fn a_template_that_someone_moved_meanwhile_is_not_rolled_over() {
    let t = TestApp::with_stack(Setup::seed(706)).await;
    let dan = t.sign_in("dan").await;
    let one = t.release(&dan, "one", "ok", None).await;
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": one})).await);
    t.run(&dan, n).await;
    let two = t.release(&dan, "two", "ok", None).await;
    t.fault("StartInstanceRefresh", FaultKind::Throttle, None);
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": two})).await);
    steps(&t, 2).await;
    t.sim.world().clear_faults();
    let template = t.show(&dan, n).await["plan"]["bound"]["template"]["id"].as_str().unwrap().to_owned();
    t.outsider().await.set_group_template(&t.names.staging, &template, 1).await.unwrap();
    let (end, _) = t.run(&dan, n).await;
    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("moved from version 2 to version 1"), "{}", end["sentence"]);
    // And the environment says what its group launches, not what the record wishes.
    let env = t.environment(&dan, "staging").await;
    assert_eq!((env["release"].clone(), env["health"].clone()), (json!(1), json!("warn")), "{env}");
    assert!(env["sentence"].as_str().unwrap().contains("The group launches v1"), "{}", env["sentence"]);
}

#[tokio::test]
async fn a_stop_ends_only_when_aws_has_ended() {
    let t = TestApp::with_stack(Setup::seed(707)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    steps(&t, 12).await;
    t.outsider().await.rollback_refresh(&t.names.staging).await.unwrap();
    t.post(&dan, &format!("/api/v1/changes/{n}/cancel"), json!({"mode": "stop"})).await.expect(202);
    t.work().await;
    let now = t.show(&dan, n).await;
    assert_eq!(now["state"], "cancelling", "{now}");
    assert!(now["sentence"].as_str().unwrap().contains("rolling the refresh back"), "{}", now["sentence"]);
    assert_eq!(t.run(&dan, n).await.0["state"], "cancelled");
    let refresh = t.sim.world().snapshot();
    assert!(!refresh.to_string().contains("RollbackInProgress"), "the lane was freed while AWS still worked");
}

#[tokio::test]
async fn a_force_close_names_the_open_act_and_its_outcome_is_found_all_the_same() {
    let t = TestApp::with_stack(Setup::seed(708)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let v = t.release(&dan, "one", "ok", None).await;
    t.fault("StartInstanceRefresh", FaultKind::LostReply, Some(1));
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    t.work().await;
    let closed = t.post(&ada, &format!("/api/v1/changes/{n}/force-close"), json!({"reason": "stuck"})).await.expect(200);
    assert!(closed["sentence"].as_str().unwrap().contains("StartInstanceRefresh was sent and its outcome is not known yet"), "{closed}");
    steps(&t, 2).await;
    assert_eq!(t.app.store.list_acts(n).await.unwrap().last().unwrap().state, "adopted");
    assert_eq!(t.show(&dan, n).await["state"], "failed", "finished stays finished");
    steps(&t, 90).await;
    fleetgate::worker::observer::tick(&t.app, &mut Default::default()).await.unwrap();
    assert_eq!(t.environment(&dan, "staging").await["release"], v, "what the group launches is shown");
    t.finish().await;
}

#[tokio::test]
async fn a_rollback_waits_for_nothing_that_has_not_begun() {
    let t = TestApp::with_stack(Setup::seed(709)).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    let none = t.change(&dan, "production", json!({"kind": "rollback"})).await;
    assert_eq!(none.body["errors"].as_array().unwrap().len(), 1, "{}", none.text);
    assert!(none.text.contains("No earlier release was good here. Deploy one instead."), "{}", none.text);
    let one = t.release(&dan, "one", "ok", None).await;
    let n = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": one})).await);
    t.approve(&pia, n).await.expect(200);
    t.run(&dan, n).await;
    let two = t.release(&dan, "two", "ok", None).await;
    let pending = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": two})).await);
    let back = TestApp::accepted(t.change(&dan, "production", json!({"kind": "rollback"})).await);
    assert_eq!(t.run(&dan, back).await.0["state"], "succeeded");
    assert_eq!(t.show(&dan, pending).await["state"], "awaiting_approval");
    t.finish().await;
}

#[tokio::test]
async fn an_act_that_is_refused_for_ever_calls_a_person() {
    let t = TestApp::with_stack(Setup::seed(710)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    t.fault("StartInstanceRefresh", FaultKind::Throttle, None);
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    steps(&t, 3).await;
    assert_eq!(t.show(&dan, n).await["state"], "running");
    t.step_by(181 * 60).await;
    assert_eq!(t.show(&t.sign_in("dan").await, n).await["state"], "needs_attention");
    t.sim.world().clear_faults();
    let dan = t.sign_in("dan").await;
    t.post(&dan, &format!("/api/v1/changes/{n}/cancel"), json!({"mode": "undo"})).await.expect(202);
    assert_eq!(t.run(&dan, n).await.0["state"], "undone");
    t.finish().await;
}

#[tokio::test]
async fn cancel_says_no_to_what_it_can_not_do() {
    let t = TestApp::with_stack(Setup::seed(711)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    steps(&t, 3).await;
    let path = format!("/api/v1/changes/{n}/cancel");
    t.post(&dan, &path, json!({"mode": "undo"})).await.expect(202);
    t.post(&dan, &path, json!({"mode": "undo"})).await.expect(202);
    t.post(&dan, &path, json!({"mode": "stop"})).await.expect(409);
    let done = t.audit().await.into_iter().filter(|e| e.action == "change.cancel" && e.result == "done").count();
    assert_eq!(done, 1, "what changed nothing is no act");
    t.run(&dan, n).await;
    t.fault("UpdateAutoScalingGroup", FaultKind::Throttle, Some(2));
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "capacity", "max": 6, "base": {"min": 1, "desired": 2, "max": 4}})).await);
    t.work().await;
    let no = t.post(&dan, &format!("/api/v1/changes/{n}/cancel"), json!({"mode": "undo"})).await;
    assert!(no.text.contains("Stop it, then ask for the old figures"), "{}", no.text);
    no.expect(422);
    t.run(&dan, n).await;
    t.finish().await;
}

#[tokio::test]
async fn extreme_figures_and_odd_roles_are_field_errors() {
    let t = TestApp::with_stack(Setup::seed(712)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    for extreme in [i64::from(i32::MIN), i64::from(i32::MAX), -1, i64::MAX] {
        let answer = t.change(&dan, "staging", json!({"kind": "capacity", "desired": extreme, "base": {"min": 1, "desired": 2, "max": 4}})).await;
        assert_eq!(answer.status, 422, "{extreme}: {}", answer.text);
        assert!(answer.fields().contains(&"desired".to_owned()), "{}", answer.text);
    }
    let body = json!({"name": "x", "region": t.names.region, "asg": t.names.legacy, "role_arn": "../../etc/passwd"});
    let odd = t.post(&ada, &format!("/api/v1/apps/{APP}/environments"), body).await;
    assert_eq!(odd.fields(), ["role_arn"], "{}", odd.text);
    let odd = t.get(&dan, "/api/v1/changes?colour=1").await;
    assert!(odd.text.contains("colour"), "the parameter is named: {}", odd.text);
    odd.expect(400);
    t.finish().await;
}

#[tokio::test]
async fn refusals_show_no_role_and_are_found_by_environment_and_change() {
    let t = TestApp::with_stack(Setup::seed(713)).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    t.fault("StartInstanceRefresh", FaultKind::Denied, None);
    let n = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    let (end, _) = t.run(&dan, n).await;
    assert!(!end.to_string().contains("assumed-role"), "{}", end["sentence"]);
    assert!(t.audit().await.iter().all(|e| !e.reason.as_deref().unwrap_or_default().contains("assumed-role")));
    t.approve(&dan, n).await.expect(403);
    t.change(&dan, "staging", json!({"kind": "deploy", "release": 99})).await.expect(422);
    let As::Cookie(cookie) = dan.clone() else { panic!() };
    let forged = Request::post(STAGING)
        .header(header::COOKIE, cookie)
        .header(header::ORIGIN, "http://evil.example")
        .header(header::CONTENT_TYPE, "application/json");
    t.send(&As::Nobody, forged, Body::from(json!({"kind": "replace"}).to_string())).await.expect(403);
    let ask = |filter: String| {
        let (t, dan) = (&t, &dan);
        async move { t.get(dan, &format!("/api/v1/audit?action=request.refused&{filter}")).await.expect(200)["items"].as_array().unwrap().len() }
    };
    assert_eq!(ask(format!("change={n}")).await, 1);
    assert_eq!(ask("target=shop/staging".into()).await, 3, "the approval, the release that is not there, and the forged request");
}

#[tokio::test]
async fn tries_at_once_do_not_slip_past_the_limit() {
    let t = TestApp::with_stack(Setup::seed(714)).await;
    let tries = (0..40).map(|n| {
        let request = Request::post("/login").header(header::HOST, HOST).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(format!("username=vera&password=wrong-{n}"))).unwrap();
        let router = t.router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16() }
    });
    let mut set = tokio::task::JoinSet::new();
    tries.for_each(|f| {
        set.spawn(f);
    });
    let codes = set.join_all().await;
    assert_eq!(codes.iter().filter(|c| **c == 401).count(), 10, "{codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == 429).count(), 30);
}

#[tokio::test]
async fn tampering_with_the_trail_is_found() {
    let cases: [(&str, &str); 6] = [
        ("update audit set reason = 'x' where seq = 3", "Entry 3 was altered"),
        ("delete from audit where seq = 4", "Entry 4 is missing"),
        ("delete from audit where seq >= 5", "missing at the end"),
        ("delete from audit", "missing at the end"),
        ("update audit set actor = 'x' where seq = 2", "Entry 2 was altered"),
        (
            "insert into audit select max(seq) + 1, at, actor, actor_kind, action, target, change, result, before, after, reason, address, request, aws_request, hash, 'forged' from audit",
            "altered",
        ),
    ];
    for (sql, says) in cases {
        let t = TestApp::with_stack(Setup::seed(715)).await;
        t.app.store.verify_audit().await.unwrap().expect("the chain holds before");
        let url = format!("sqlite://{}/fleetgate.db", t.dir.path().display());
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        let why = t.app.store.verify_audit().await.unwrap().expect_err(sql);
        assert!(why.contains(says), "{sql}: {why}");
    }
}

#[tokio::test]
async fn an_entry_beyond_the_head_is_found() {
    let t = TestApp::with_stack(Setup::seed(716)).await;
    let last = t.audit().await.pop().unwrap();
    let mut forged = fleetgate::domain::audit::Entry { seq: last.seq + 1, previous: last.hash.clone(), ..last };
    forged.hash = forged.hash_after(&forged.previous);
    let url = format!("sqlite://{}/fleetgate.db", t.dir.path().display());
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query(
        "insert into audit (seq, at, actor, actor_kind, action, target, change, result, before, after, reason, address, request, aws_request, previous, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(forged.seq)
    .bind(forged.at)
    .bind(forged.actor)
    .bind(forged.actor_kind)
    .bind(forged.action)
    .bind(forged.target)
    .bind(forged.change)
    .bind(forged.result)
    .bind(forged.before)
    .bind(forged.after)
    .bind(forged.reason)
    .bind(forged.address)
    .bind(forged.request)
    .bind(forged.aws_request)
    .bind(forged.previous)
    .bind(forged.hash)
    .execute(&pool)
    .await
    .unwrap();
    assert!(t.app.store.verify_audit().await.unwrap().expect_err("beyond the head").contains("beyond the head"));
}

#[tokio::test]
async fn a_link_leads_to_the_same_lock_and_an_older_process_knows_it_is_over() {
    let t = TestApp::with_stack(Setup::seed(717)).await;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(t.dir.path().join("fleetgate.db"), &link).unwrap();
    let lock = |path: &std::path::Path| {
        let settings = fleetgate::config::Settings { database_url: Some(format!("sqlite://{}", path.display())), ..Default::default() };
        fleetgate::config::Config::from_settings(settings).unwrap().lock_file().unwrap()
    };
    assert_eq!(lock(&link), lock(&t.dir.path().canonicalize().unwrap().join("fleetgate.db")));
    assert!(!t.app.store.is_superseded().await.unwrap());
    let url = format!("sqlite://{}/fleetgate.db", t.dir.path().display());
    let open = || fleetgate::store::Store::open(&url, t.app.clocks.clone());
    let held = t.dir.path().join("lock");
    let refused = open().await.unwrap().take_over(Some(&held)).await.expect_err("the lock is held");
    assert!(refused.to_string().contains("another Fleetgate works on this database"), "{refused}");
    let _newer = open().await.unwrap().take_over(None).await.unwrap();
    assert!(t.app.store.is_superseded().await.unwrap());
    assert!(t.app.add_person(&Actor::host("test"), "late", &Default::default()).await.is_err(), "an older process writes no more");
    let ready = t.get(&As::Nobody, "/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.body), (503, Value::Null));
}
