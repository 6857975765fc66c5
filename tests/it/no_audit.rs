//! No act without its entry (promise S13): while the trail can not be written, nothing is sent to AWS, people are told why, reads go on, and
//! all goes on without a restart once it can be written again.

use serde_json::{Value, json};
use sqlx::{AnyPool, Connection as _};

use fleetgate::app::advance::Turn;
use fleetgate::domain::access::{Permit, Role};
use fleetgate::store::NewEntry;

use crate::harness::{APP, As, Setup, TestApp, drawn};
use crate::proofs::{adopt, cases, database, effective, finish_beside_refreshes, foreign_refresh, healthy, people, quick, quick_times, truth};

const ENV: &str = "held";
/// Where somebody else's refresh runs.
const ROLLED: &str = "rolled";
/// It bakes for longer than any test takes.
const BAKES: i32 = 172_800;

async fn stack(seed: u64) -> (TestApp, AnyPool) {
    let t = TestApp::with(Setup::seed(seed).world(move |world, names| {
        for name in [ENV, ROLLED] {
            quick(world, names, name, (1, 2, 6));
        }
        quick_times(world, drawn(seed));
    }))
    .await;
    for env in [ENV, ROLLED] {
        adopt(&t, env, env, false, json!({})).await;
    }
    adopt(&t, "alias", &t.names.legacy, false, json!({})).await;
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&database(&t)).await.unwrap();
    (t, pool)
}

async fn sql(pool: &AnyPool, text: String) {
    sqlx::query(sqlx::AssertSqlSafe(text)).execute(pool).await.unwrap();
}

/// From now on no entry for which `when` holds can be written.
async fn break_it(pool: &AnyPool, how: &str, when: &str) {
    let text = format!("create trigger broken before insert on audit when {when} begin select raise({how}, 'disk I/O error'); end");
    sql(pool, text).await;
}

async fn mend(pool: &AnyPool) {
    sql(pool, "drop trigger broken".into()).await;
}

/// Sets a pragma on the product's one writing connection.
async fn pragma(t: &TestApp, text: String) {
    t.app
        .store
        .keep(move |tx| {
            Box::pin(async move {
                sqlx::query(sqlx::AssertSqlSafe(text)).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
}

/// Lets the file grow no more, and fills what room is left. SQLite ends the transaction of the write that finds no room by itself, so that
/// the product takes a new connection, which is bound anew.
async fn fill_up(t: &TestApp) {
    let bind = || pragma(t, "pragma max_page_count = 1".into());
    bind().await;
    let mut written = 0;
    while t.app.store.write(&Permit::engine("probe", "*"), NewEntry::done(), |_| Box::pin(async { Ok(()) })).await.is_ok() {
        written += 1;
        assert!(written < 2000, "the disk does not fill up");
    }
    bind().await;
}

/// A request of each kind, each fit to be accepted now.
async fn requests(t: &TestApp, deploy: i64, foreign: &str) -> Vec<(&'static str, Value)> {
    let g = truth(t, ENV);
    let base = json!({"min": g["min"], "desired": g["desired"], "max": g["max"]});
    vec![
        ("alias", json!({"kind": "pin"})),
        (ENV, json!({"kind": "deploy", "release": deploy})),
        (ENV, json!({"kind": "rollback"})),
        (ENV, json!({"kind": "replace"})),
        (ENV, json!({"kind": "capacity", "max": g["max"].as_i64().unwrap() + 1, "base": base})),
        (ENV, json!({"kind": "terminate", "instance": healthy(&g)[0].0, "shrink": false})),
        (ENV, json!({"kind": "settings", "grace_seconds": 77, "suspend": ["AlarmNotification"]})),
        (ROLLED, json!({"kind": "refresh", "refresh": foreign, "mode": "cancel"})),
    ]
}

/// Every kind is refused with the reason, nothing is sent, nothing is kept, and pages and lists go on.
async fn all_is_refused(t: &TestApp, who: &As, page: &As, requests: &[(&'static str, Value)], what: &str) {
    let (calls, list) = (t.mutating().len(), t.get(who, "/api/v1/changes").await.expect(200));
    for (env, body) in requests {
        let answer = t.change(who, env, body.clone()).await;
        assert_eq!(answer.status, 503, "{what}, {body}: {}", answer.text);
        assert!(answer.headers.contains_key("retry-after"), "{what}, {body}");
        assert!(answer.body["detail"].as_str().unwrap().contains("nothing was sent to AWS"), "{what}, {body}: {}", answer.text);
    }
    t.step().await;
    assert_eq!(t.mutating().len(), calls, "{what}: something was sent");
    assert_eq!(t.get(who, "/api/v1/changes").await.expect(200), list, "{what}: a change was kept");
    for path in [format!("/apps/{APP}/{ENV}"), "/deployments".into(), "/audit".into()] {
        assert_eq!(t.get(page, &path).await.status, 200, "{what}: {path}");
    }
}

/// Accepts again, without a restart; what was accepted is withdrawn.
async fn all_is_accepted(t: &TestApp, who: &As, requests: &[(&'static str, Value)], what: &str) {
    for (env, body) in requests {
        let answer = t.change(who, env, body.clone()).await;
        assert_eq!(answer.status, 202, "{what}, {body}: {}", answer.text);
        let number = answer.body["number"].as_i64().unwrap();
        t.post(who, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
    }
}

#[tokio::test]
async fn no_kind_of_change_is_accepted_while_the_trail_can_not_be_written() {
    let (mut t, pool) = stack(2001).await;
    people(&t, &[("dan", Role::Deployer)]).await;
    let token = t.token(&["*"]).await;
    // Something to go back to, and something new.
    let one = t.release(&token, "one", "ok", Some(5)).await;
    let done = t.run(&token, TestApp::accepted(t.change(&token, ENV, json!({"kind": "deploy", "release": one})).await)).await.0;
    assert_eq!(done["state"], "succeeded", "{done}");
    let two = t.release(&token, "two", "ok", Some(5)).await;
    let foreign = Box::pin(foreign_refresh(&t, ROLLED, BAKES)).await;
    t.step().await;
    for round in 0..cases(1, 20) {
        let (dan, asks) = (t.sign_in("dan").await, requests(&t, two, &foreign).await);
        for how in ["abort", "fail", "rollback"] {
            break_it(&pool, how, "1").await;
            all_is_refused(&t, &token, &dan, &asks, &format!("round {round}, a trigger that raises ({how})")).await;
            mend(&pool).await;
            all_is_accepted(&t, &token, &asks[..if how == "abort" { asks.len() } else { 1 }], &format!("round {round} ({how})")).await;
        }
        // Another process holds the lock for longer than we wait (ten seconds otherwise).
        pragma(&t, "pragma busy_timeout = 20".into()).await;
        let mut other = pool.acquire().await.unwrap();
        let held = other.begin_with("begin immediate").await.unwrap();
        all_is_refused(&t, &token, &dan, &asks, &format!("round {round}, a lock of another process")).await;
        held.rollback().await.unwrap();
        drop(other);
        all_is_accepted(&t, &token, &asks[1..2], &format!("round {round}, after the lock")).await;
        // The disk is full: the file may not grow, and what room it has is filled up.
        for ask in &asks {
            fill_up(&t).await;
            all_is_refused(&t, &token, &dan, std::slice::from_ref(ask), &format!("round {round}, a full disk")).await;
        }
        pragma(&t, "pragma max_page_count = 1000000".into()).await;
        all_is_accepted(&t, &token, &asks[3..4], &format!("round {round}, after there was room")).await;
    }
    t.app.store.verify_audit().await.unwrap().expect("the chain holds");
    // Read-only, as the engine says it of a file that may not be written. It is for good here, so a new process ends it.
    let dan = t.sign_in("dan").await;
    pragma(&t, "pragma query_only = on".into()).await;
    let asks = requests(&t, two, &foreign).await;
    all_is_refused(&t, &token, &dan, &asks, "read-only").await;
    t.restart().await;
    all_is_accepted(&t, &token, &asks, "after read-only").await;
    finish_beside_refreshes(t).await;
}

/// Lets AWS and the clock go on until the engine fails to write; every other step of it succeeds.
async fn until_held(t: &TestApp, number: i64, what: &str) {
    for _ in 0..400 {
        let change = t.app.store.find_change(number).await.unwrap().unwrap();
        assert!(!change.state.is_final(), "{what}: it ended, {}", change.sentence);
        match Box::pin(t.app.advance(change)).await {
            Ok(Turn::Again) => {}
            Ok(Turn::Later) => {
                t.sim.world().advance(10.0);
                t.clock.advance(std::time::Duration::from_secs(10));
            }
            Err(problem) => {
                assert_eq!(problem.status(), 503, "{what}: {problem}");
                return;
            }
        }
    }
    panic!("{what}: the act never came");
}

/// Every act of the engine: its intent can not be written, so it is not sent; its outcome can not be written, so it is sent once and found
/// done by looking.
#[tokio::test]
async fn no_act_of_the_engine_is_sent_without_its_intent_nor_twice_for_want_of_its_outcome() {
    for round in 0..cases(1, 20) {
        Box::pin(acts_held(2010 + round as u64, round > 0)).await;
    }
}

async fn acts_held(seed: u64, all: bool) {
    let (t, pool) = stack(seed).await;
    let token = t.token(&["*"]).await;
    let first = t.release(&token, "zero", "ok", Some(5)).await;
    let done = t.run(&token, TestApp::accepted(t.change(&token, ENV, json!({"kind": "deploy", "release": first})).await)).await.0;
    assert_eq!(done["state"], "succeeded", "{done}");
    // What leads to the act; the operation; what its entry is known by beside that; how the change ends.
    let acts = [
        ("deploy", "CreateLaunchTemplateVersion", "1", "succeeded"),
        ("deploy", "StartInstanceRefresh", "1", "succeeded"),
        ("bad", "RollbackInstanceRefresh", "1", "undone"),
        ("late undo", "StartInstanceRefresh", "new.change in (select number from changes where progress like '%\"undo\":{%')", "undone"),
        ("stop", "CancelInstanceRefresh", "1", "cancelled"),
        ("capacity", "UpdateAutoScalingGroup", "1", "succeeded"),
        ("terminate", "TerminateInstanceInAutoScalingGroup", "1", "succeeded"),
        ("lent", "SuspendProcesses", "1", "succeeded"),
        ("lent", "ResumeProcesses", "1", "succeeded"),
        ("suspend", "SuspendProcesses", "1", "succeeded"),
        ("resume", "ResumeProcesses", "1", "succeeded"),
        ("grace", "UpdateAutoScalingGroup", "1", "succeeded"),
        ("stop foreign", "CancelInstanceRefresh", "1", "succeeded"),
        ("take foreign back", "RollbackInstanceRefresh", "1", "succeeded"),
    ];
    // What ends soon is tried both ways in the short form too.
    let soon = ["suspend", "resume", "grace", "stop foreign", "take foreign back", "terminate"];
    let mut tag = 0;
    for (how, operation, known_by, end) in acts {
        for result in ["new.result = 'intended'", "new.result <> 'intended'"] {
            // Of the others the start of a refresh alone, which would do most harm twice, and a debt that would stay.
            if result.contains("<>") && !all && !soon.contains(&how) && !matches!(operation, "StartInstanceRefresh" | "ResumeProcesses") {
                continue;
            }
            let what = format!("seed {seed}, {how}: {operation} where {result}");
            tag += 1;
            let g = truth(&t, ENV);
            let base = json!({"min": g["min"], "desired": g["desired"], "max": g["max"]});
            let body = match how {
                "capacity" => json!({"kind": "capacity", "max": g["max"].as_i64().unwrap() + 1, "base": base}),
                "terminate" => json!({"kind": "terminate", "instance": healthy(&g)[0].0, "shrink": false}),
                "suspend" | "resume" => json!({"kind": "settings", how: [if result.contains("<>") { "AZRebalance" } else { "AlarmNotification" }]}),
                "grace" => json!({"kind": "settings", "grace_seconds": 100 + tag}),
                "stop foreign" | "take foreign back" => {
                    let refresh = Box::pin(foreign_refresh(&t, ENV, BAKES)).await;
                    t.step().await;
                    json!({"kind": "refresh", "refresh": refresh, "mode": if how == "stop foreign" { "cancel" } else { "roll_back" }})
                }
                _ => {
                    let behaviour = if how == "bad" { "unhealthy" } else { "ok" };
                    let release = t.release(&token, &format!("t{tag}"), behaviour, Some(5)).await;
                    // To be stopped, it must still roll.
                    let strategy = match how {
                        "bad" => json!({}),
                        "stop" => json!({"warmup_seconds": 120}),
                        "lent" => json!({"warmup_seconds": 10, "suspend": ["AZRebalance"]}),
                        _ => json!({"warmup_seconds": 10}),
                    };
                    json!({"kind": "deploy", "release": release, "strategy": strategy})
                }
            };
            let number = TestApp::accepted(t.change(&token, ENV, body).await);
            if matches!(how, "late undo" | "stop") {
                let (status, mode) = if how == "stop" { ("InProgress", "stop") } else { ("Successful", "undo") };
                let old = g["refreshes"].as_array().unwrap().len();
                let begun = |t: &TestApp| truth(t, ENV)["refreshes"].as_array().unwrap().get(old).is_some_and(|r| r["status"] == status);
                t.work().await;
                while !begun(&t) {
                    t.step_by(2).await;
                }
                t.post(&token, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": mode})).await.expect(202);
            }
            Box::pin(held_and_mended(&t, &pool, &token, number, (operation, known_by, result), &what)).await;
            let (ended, _) = Box::pin(t.run(&token, number)).await;
            assert_eq!(ended["state"], end, "{what}: {ended}");
            // Its own, and a deploy's others.
            for _ in 0..6 {
                t.step().await;
            }
        }
    }
    assert_eq!(truth(&t, ENV)["suspended"], json!([]), "seed {seed}");
    finish_beside_refreshes(t).await;
}

/// The three acts of a pin, which a group needs once.
#[tokio::test]
async fn no_act_of_a_pin_is_sent_without_its_intent() {
    for round in 0..cases(1, 20) {
        Box::pin(pin_held(2050 + round as u64)).await;
    }
}

async fn pin_held(seed: u64) {
    let (t, pool) = stack(seed).await;
    let token = t.token(&["*"]).await;
    let number = TestApp::accepted(t.change(&token, "alias", json!({"kind": "pin"})).await);
    let of = |pinned: bool| format!("new.change in (select number from changes where progress like '%\"pinned_current\":{pinned}%')");
    let acts = [("UpdateAutoScalingGroup", of(false)), ("CreateLaunchTemplateVersion", "1".into()), ("UpdateAutoScalingGroup", of(true))];
    for (n, (operation, known_by)) in acts.iter().enumerate() {
        let when = format!("new.action = 'aws.{operation}' and new.result = 'intended' and {known_by}");
        sql(&pool, format!("create trigger broken{n} before insert on audit when {when} begin select raise(abort, 'disk I/O error'); end")).await;
    }
    for (n, (operation, _)) in acts.iter().enumerate() {
        let what = format!("seed {seed}, act {n}: {operation}");
        until_held(&t, number, &what).await;
        for _ in 0..2 {
            t.step().await;
            assert_eq!(t.mutating().len(), n, "{what}: sent all the same");
        }
        sql(&pool, format!("drop trigger broken{n}")).await;
    }
    let (ended, _) = t.run(&token, number).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!((effective(&t, "UpdateAutoScalingGroup"), effective(&t, "CreateLaunchTemplateVersion")), (2, 1));
    t.finish().await;
}

/// Breaks the entries of one operation, sees that it is not sent (or, where its outcome is what can not be written, sent once), that reads go
/// on, and that it is done once when the trail is whole again.
async fn held_and_mended(t: &TestApp, pool: &AnyPool, who: &As, number: i64, (operation, known_by, result): (&str, &str, &str), what: &str) {
    let calls = || t.mutating().iter().filter(|c| c.operation == operation).count();
    break_it(pool, "abort", &format!("new.action = 'aws.{operation}' and {result} and {known_by}")).await;
    until_held(t, number, what).await;
    let before = calls();
    let sent = t.app.store.list_acts(number).await.unwrap().iter().filter(|a| a.operation == operation && a.state == "intended").count();
    assert_eq!(sent, usize::from(result.contains("<>")), "{what}: an intent beside its entry");
    for _ in 0..2 {
        let shown = t.get(who, &format!("/api/v1/changes/{number}")).await;
        assert_eq!(shown.status, 200, "{what}: {}", shown.text);
        t.step().await;
        assert_eq!(calls(), before, "{what}: sent all the same, or again");
    }
    let done = effective(t, operation);
    mend(pool).await;
    t.step().await;
    for _ in 0..12 {
        if t.app.store.find_open_act(number).await.unwrap().is_none() && effective(t, operation) > done - sent {
            break;
        }
        t.step().await;
    }
    assert_eq!((calls(), effective(t, operation)), (before + 1 - sent, done + 1 - sent), "{what}: not once after it was mended");
}
