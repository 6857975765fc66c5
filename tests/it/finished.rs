//! Finished stays finished (promise S4): whatever a late worker, an old snapshot or a second process writes after the end, nobody leaves it.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::AnyPool;

use fleetgate::domain::access::{Permit, Role};
use fleetgate::domain::change::{Progress, State};
use fleetgate::store::changes::Change;
use fleetgate::store::{NewEntry, Store, StoreError};
use fleetgate_sim::FaultKind;

use crate::harness::{Setup, TestApp, admin, drawn};
use crate::proofs::{Dice, adopt, cases, database, effective, people, quick, quick_times};

/// Every row of every table, as text, by table.
async fn dump(pool: &AnyPool) -> BTreeMap<String, Vec<String>> {
    let tables: Vec<(String,)> =
        sqlx::query_as("select name from sqlite_master where type = 'table' and name not like '\\_sqlx%' escape '\\'").fetch_all(pool).await.unwrap();
    let mut out = BTreeMap::new();
    for (table,) in tables {
        let columns: Vec<(String,)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("select name from pragma_table_info('{table}')"))).fetch_all(pool).await.unwrap();
        let columns = columns.into_iter().map(|(c,)| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
        let rows: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(format!("select json_array({columns}) as row from {table} order by 1")))
            .fetch_all(pool)
            .await
            .unwrap();
        out.insert(table, rows.into_iter().map(|(r,)| r).collect());
    }
    out
}

/// What of a change may not move any more once it has ended.
fn face(c: &Change) -> (State, i64, String, Progress, Option<i64>, Option<i64>, i64) {
    (c.state, c.version, c.sentence.clone(), c.progress.clone(), c.finished_at, c.template_version, c.due_at)
}

const RUNNING: [State; 5] = [State::Running, State::Baking, State::Cancelling, State::Undoing, State::NeedsAttention];

/// One write of a worker, by its snapshot or by the row as it is.
#[derive(Clone, Copy, Debug)]
enum Write {
    /// A look that changed nothing but times and sentences (`advance.rs`, `wait`).
    Keep,
    /// An audited turn to another running state.
    Turn,
    /// The end.
    Settle,
    /// What came of an act: the row is read anew, a final one is left alone (`perform.rs`, `outcome`).
    Outcome,
    /// The row is read anew and written whatever it says (`App::postpone`).
    Postpone,
    /// A fresh snapshot.
    Look,
    /// A person ends it.
    ForceClose,
}

async fn write(store: &Store, snapshot: &mut Change, what: Write, to: State, mark: String) -> Result<(), StoreError> {
    let mut c = snapshot.clone();
    let permit = Permit::engine("change.proof", &c.scope());
    let entry = NewEntry::done().change(c.number).reason(Some(mark.clone()));
    let written = match what {
        Write::Keep | Write::Turn | Write::Settle => {
            c.state = to;
            c.sentence = mark;
            c.finished_at = to.is_final().then_some(1);
            let put: fleetgate::store::Write<Change> = Box::new(move |tx| {
                Box::pin(async move {
                    tx.set_change(&mut c).await?;
                    Ok(c)
                })
            });
            if matches!(what, Write::Keep) { store.keep(put).await? } else { store.write(&permit, entry, put).await? }
        }
        Write::Outcome => {
            store
                .write(&permit, entry, move |tx| {
                    Box::pin(async move {
                        let mut c = tx.get_change(c.number).await?;
                        if !c.state.is_final() {
                            c.progress.refusals += 1;
                            tx.set_change(&mut c).await?;
                        }
                        Ok(c)
                    })
                })
                .await?
        }
        Write::Postpone => {
            store
                .keep(move |tx| {
                    Box::pin(async move {
                        let mut c = tx.get_change(c.number).await?;
                        c.due_at += 1;
                        tx.set_change(&mut c).await?;
                        Ok(c)
                    })
                })
                .await?
        }
        Write::Look | Write::ForceClose => store.find_change(c.number).await?.unwrap(),
    };
    *snapshot = written;
    Ok(())
}

/// Two processes, each with snapshots of any age, in any order of writes.
#[tokio::test]
async fn no_interleaving_of_two_workers_leaves_an_end() {
    let t = TestApp::with_stack(Setup::seed(1901)).await;
    let dan = t.sign_in("dan").await;
    let asked = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "replace"})).await);
    let model = t.app.store.find_change(asked).await.unwrap().unwrap();
    let env = t.app.store.get_environment(model.env).await.unwrap();
    t.app.cancel_change(&admin_and_deployer(), &env, asked, fleetgate::app::changes::CancelMode::Stop, None).await.unwrap();
    // The second process: a handle of its own on the same file.
    let second = Store::open(&database(&t), t.app.clocks.clone()).await.unwrap();
    let stores = [&t.app.store, &second];
    let mut dice = Dice::new(drawn(1901));
    let (mut late, mut refused) = (0, 0);
    for case in 0..cases(300, 10_000) {
        let mut row = model.clone();
        row.state = *dice.pick(&RUNNING);
        let permit = Permit::engine("change.proof", &row.scope());
        let row: Change = t
            .app
            .store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    row.number = tx.number("change").await?;
                    tx.insert_change(&row).await?;
                    tx.get_change(row.number).await
                })
            })
            .await
            .unwrap();
        let mut snapshots = [row.clone(), row.clone()];
        let mut script = Vec::new();
        let mut end = None;
        for at in 0..7 {
            let who = usize::try_from(dice.below(2)).unwrap();
            // The end comes somewhere in the middle, so that there is a before and an after.
            let what = match dice.below(16) {
                0..3 => Write::Keep,
                3..5 => Write::Turn,
                5..8 => Write::Settle,
                8..10 => Write::Outcome,
                10..12 => Write::Postpone,
                12 => Write::ForceClose,
                _ => Write::Look,
            };
            let to = if matches!(what, Write::Settle) { *dice.pick(&State::ALL[8..]) } else { *dice.pick(&RUNNING) };
            script.push((who, what, to));
            let story = format!("case {case}: {script:?}");
            if end.is_some() && !matches!(what, Write::Look) {
                late += 1;
            }
            let newest = t.app.store.find_change(row.number).await.unwrap().unwrap().version;
            let stale = matches!(what, Write::Keep | Write::Turn | Write::Settle) && snapshots[who].version != newest;
            let done = match what {
                Write::ForceClose => match t.app.force_close(&admin(), &env, row.number, "stuck".into()).await {
                    Ok(_) => Ok(()),
                    Err(_) => Err(StoreError::Moved),
                },
                _ => write(stores[who], &mut snapshots[who], what, to, format!("{case}/{at}")).await,
            };
            let now = t.app.store.find_change(row.number).await.unwrap().unwrap();
            match (&end, done) {
                (Some(end), done) => {
                    assert_eq!(&face(&now), end, "{story}: it left its end");
                    let harmless = matches!(what, Write::Look | Write::Outcome);
                    assert_eq!(done.is_ok(), harmless, "{story}: {done:?}");
                    refused += usize::from(!harmless);
                }
                // What another wrote meanwhile, such as an order to take it back, is not written over.
                (None, Ok(())) => assert!(!stale, "{story}: an old snapshot was written"),
                (None, Err(StoreError::Moved)) => assert!(!matches!(what, Write::Look | Write::Outcome | Write::Postpone), "{story}"),
                (None, Err(e)) => panic!("{story}: {e}"),
            }
            if now.state.is_final() {
                end.get_or_insert_with(|| face(&now));
            }
        }
        if end.is_none() {
            let mut now = t.app.store.find_change(row.number).await.unwrap().unwrap();
            write(&second, &mut now, Write::Settle, State::Succeeded, "the end".into()).await.unwrap();
        }
    }
    println!("{late} writes after an end, {refused} of them refused");
    assert!(refused > 0);
    // A refused write leaves no entry that says it was done.
    t.app.store.verify_audit().await.unwrap().expect("the chain holds");
}

fn admin_and_deployer() -> fleetgate::domain::access::Actor {
    let mut actor = admin();
    actor.grants.insert("*".into(), vec![Role::Admin, Role::Deployer]);
    actor
}

/// A change is closed by hand while the answer to its act is out; the answer comes late, by the sweep or by the old worker itself. Then the
/// act and the audit tell what became of it, and nothing else moves.
#[tokio::test]
async fn a_late_outcome_of_a_closed_change_changes_its_act_and_the_audit_alone() {
    let t = TestApp::with(Setup::seed(1902).world(move |world, names| {
        quick(world, names, "late", (1, 2, 6));
        quick_times(world, drawn(1902));
    }))
    .await;
    adopt(&t, "late", "late", false, json!({})).await;
    people(&t, &[("ada", Role::Admin)]).await;
    let token = t.token(&["*"]).await;
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&database(&t)).await.unwrap();
    let acts = [
        ("StartInstanceRefresh", FaultKind::LostReply, "adopted"),
        ("UpdateAutoScalingGroup", FaultKind::LostReply, "adopted"),
        ("TerminateInstanceInAutoScalingGroup", FaultKind::LostReply, "adopted"),
        ("UpdateAutoScalingGroup", FaultKind::Error, "not_done"),
        ("StartInstanceRefresh", FaultKind::Error, "not_done"),
    ];
    for n in 0..cases(5, 50) {
        let (operation, kind, ends) = acts[n % acts.len()];
        let ada = t.sign_in("ada").await;
        let now = crate::proofs::truth(&t, "late");
        let desired = now["desired"].as_i64().unwrap();
        let body = match operation {
            "StartInstanceRefresh" => json!({"kind": "replace"}),
            "UpdateAutoScalingGroup" => {
                let to = if desired == 2 { 3 } else { 2 };
                json!({"kind": "capacity", "desired": to, "base": {"min": now["min"], "desired": desired, "max": now["max"]}})
            }
            _ => json!({"kind": "terminate", "instance": now["instances"][0]["id"], "shrink": false}),
        };
        t.fault(operation, kind, Some(1));
        let number = TestApp::accepted(crate::proofs::ask(&t, &token, "late", &body, None).await);
        t.work().await;
        let mut waited = 0;
        while t.app.store.find_open_act(number).await.unwrap().is_none() {
            t.step().await;
            waited += 1;
            assert!(waited < 60, "{operation}: nothing was sent: {}", t.show(&token, number).await["sentence"]);
        }
        let old = t.app.store.find_change(number).await.unwrap().unwrap();
        t.post(&ada, &format!("/api/v1/changes/{number}/force-close"), json!({"reason": "stuck"})).await.expect(200);
        let before = dump(&pool).await;
        let calls = t.mutating().len();
        // By the old worker, which knows of nothing, or by the sweep.
        let by_the_worker = n % 2 == 0;
        let mut looks = 0;
        while t.app.store.find_open_act(number).await.unwrap().is_some() {
            t.sim.world().advance(10.0);
            t.clock.advance(std::time::Duration::from_secs(10));
            if by_the_worker && looks == 0 {
                Box::pin(t.app.advance(old.clone())).await.unwrap();
            } else {
                Box::pin(t.app.resolve_closed()).await.unwrap();
            }
            looks += 1;
            assert!(looks < 20, "{operation}: its outcome was never found out");
        }
        let after = dump(&pool).await;
        let what = format!("{operation}, {kind:?}, {}", if by_the_worker { "by the old worker" } else { "by the sweep" });
        for (table, rows) in &before {
            // That an environment was looked at is told to its pages.
            let quiet = |rows: &Vec<String>| rows.iter().filter(|r| !r.contains("\"env-")).cloned().collect::<Vec<_>>();
            let (rows, now) = (&quiet(rows), &quiet(&after[table]));
            match table.as_str() {
                // Our copy of AWS, and the heads of what follows.
                "observations" | "baselines" | "sightings" | "template_versions" | "heads" | "counters" => {}
                "audit" => assert!(now.len() > rows.len() && rows.iter().all(|r| now.contains(r)), "{what}"),
                "acts" => {
                    let moved: Vec<_> = rows.iter().zip(now).filter(|(a, b)| a != b).collect();
                    assert!(moved.len() == 1 && rows.len() == now.len(), "{what}: {moved:#?}");
                }
                _ => assert_eq!(now, rows, "{what}: {table} changed"),
            }
        }
        let act = t.app.store.list_acts(number).await.unwrap().pop().unwrap();
        assert_eq!((act.operation.as_str(), act.state.as_str()), (operation, ends), "{what}");
        let trail = t.audit().await;
        let outcome = trail.iter().rfind(|e| e.change == Some(number)).unwrap();
        assert_eq!((outcome.action.clone(), outcome.actor_kind.as_str()), (format!("aws.{operation}"), "engine"), "{what}");
        assert_eq!(t.mutating().len(), calls, "{what}: something was sent for a change that has ended");
        // What AWS still does must end before the next.
        for _ in 0..60 {
            t.step().await;
        }
    }
    assert!(effective(&t, "StartInstanceRefresh") >= 1);
    t.finish().await;
}
