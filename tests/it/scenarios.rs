//! What a user was promised, told as the user would: acceptance scenarios, by their numbers.
//!
//! A sentence of a scenario that the product can not keep yet has no assertion here, and stands in docs/proofs-engine.md.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use fleetgate::domain::access::Role;
use fleetgate::worker::observer::{self, Schedule};

use crate::forms::post;
use crate::harness::{APP, Answer, As, HOST, Setup, TestApp, drawn};
use crate::proofs::{adopt, ask, effective, healthy, people, quick, quick_times, truth};

/// An environment `live` on a quick group of this size, whose first release is `v1`.
async fn live(seed: u64, sizes: (i64, i64, i64), protected: bool, policy: Value) -> TestApp {
    live_with(seed, sizes, protected, policy, |_| {}).await
}

async fn live_with(seed: u64, sizes: (i64, i64, i64), protected: bool, policy: Value, edit: fn(&mut fleetgate_sim::seed::GroupSeed)) -> TestApp {
    let t = TestApp::with(Setup::seed(seed).world(move |world, names| {
        quick(world, names, "live", sizes);
        edit(world.groups.last_mut().unwrap());
        quick_times(world, drawn(seed));
    }))
    .await;
    adopt(&t, "live", "live", protected, policy).await;
    people(&t, &[("dan", Role::Deployer), ("pia", Role::Approver)]).await;
    t
}

/// What the simulator's instances run and say, against what the page counts as new and healthy.
fn on(t: &TestApp, digest: &str) -> usize {
    healthy(&truth(t, "live")).iter().filter(|(_, d)| d == digest).count()
}

/// The value of a field in a form as the browser shows it.
fn field(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no field {name}"));
    let value = page[at..].split_once("value=\"").unwrap().1;
    value.split('"').next().unwrap().to_owned()
}

async fn deployed(t: &TestApp, who: &As, release: i64, strategy: Value) -> Value {
    let number = TestApp::accepted(t.change(who, "live", json!({"kind": "deploy", "release": release, "strategy": strategy})).await);
    let (end, _) = t.run(who, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    end
}

#[tokio::test]
async fn scenario_01_the_crash_at_60_percent() {
    let mut t = live(1701, (10, 10, 20), true, json!({})).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    // "I deploy 2.4 to production, 10 instances."
    let v = t.release(&dan, "2.4", "ok", Some(10)).await;
    let digest = t.get(&dan, &format!("/api/v1/apps/{APP}/releases")).await.expect(200)["items"][0]["digest"].as_str().unwrap().to_owned();
    let body = json!({"kind": "deploy", "release": v, "strategy": {"max_healthy": 120, "warmup_seconds": 30}});
    let number = TestApp::accepted(t.change(&dan, "live", body).await);
    t.approve(&pia, number).await.expect(200);
    // "At 6 of 10 the control plane is killed with -9": nothing of the process is left, and nothing more is written.
    let mut looks = 0;
    while t.app.store.find_change(number).await.unwrap().unwrap().progress.counts.new_healthy < 6 {
        t.step().await;
        looks += 1;
        assert!(looks < 200, "6 of 10 never came");
    }
    let before = t.app.store.find_change(number).await.unwrap().unwrap();
    assert_eq!((before.progress.counts.new_healthy, before.progress.counts.total), (6, 10));
    let told = t.app.store.list_steps(number).await.unwrap();
    // "... and started again after three minutes": AWS goes on meanwhile.
    t.sim.world().advance(180.0);
    t.clock.advance(Duration::from_secs(180));
    assert!(on(&t, &digest) > 6, "AWS went on without us");
    t.restart().await;
    t.work().await;
    // "I reload: progress is true".
    let dan = t.sign_in("dan").await;
    let after = t.show(&dan, number).await;
    assert_eq!(after["progress"]["new_healthy"], on(&t, &digest), "{}", after["progress"]);
    assert!(matches!(after["state"].as_str().unwrap(), "running" | "baking"), "{after}");
    let page = t.get(&dan, &format!("/deployments/{number}")).await;
    assert!(page.status == 200 && page.text.contains(after["sentence"].as_str().unwrap()), "the page shows another state");
    // "... the deploy ends Succeeded".
    let (end, _) = t.run(&dan, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(on(&t, &digest), 10);
    // "timeline has no gap": one step follows the other, and those of before are as they were ...
    let steps = t.app.store.list_steps(number).await.unwrap();
    for (was, is) in told.iter().zip(&steps) {
        assert_eq!((was.position, &was.step, was.started_at, was.attempts), (is.position, &is.step, is.started_at, is.attempts));
    }
    for pair in steps.windows(2) {
        assert_eq!(pair[0].finished_at, Some(pair[1].started_at), "between {} and {} nothing is told", pair[0].step, pair[1].step);
    }
    // ... and that nobody looked for three minutes is told, once.
    let away: Vec<_> =
        t.app.store.list_events(number, 0, 1000).await.unwrap().into_iter().filter_map(|e| e.sentence).filter(|s| s.contains("away")).collect();
    assert!(away.len() == 1 && away[0].contains("(3 min later)"), "{away:?}");
    assert!(t.get(&dan, &format!("/deployments/{number}")).await.text.contains("Fleetgate was away"));
    // "no second refresh was started".
    assert_eq!(t.mutating().iter().filter(|c| c.operation == "StartInstanceRefresh").count(), 1);
    assert_eq!(truth(&t, "live")["refreshes"].as_array().unwrap().len(), 1);
    t.finish().await;
}

/// Parameters of the calls that changed the group's figures, by our own role.
fn resizes(t: &TestApp) -> Vec<Value> {
    let mine = t.mutating().into_iter().filter(|c| c.operation == "UpdateAutoScalingGroup" && c.principal.contains("fleetgate-"));
    mine.map(|c| json!({"min": c.params.get("MinSize"), "desired": c.params.get("DesiredCapacity"), "max": c.params.get("MaxSize")})).collect()
}

fn figures(t: &TestApp) -> (Value, Value, Value) {
    let g = truth(t, "live");
    (g["min"].clone(), g["desired"].clone(), g["max"].clone())
}

/// Where a form led to.
#[track_caller]
fn to(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// The number of the change that a form led to.
#[track_caller]
fn number(answer: &Answer) -> i64 {
    to(answer).rsplit('/').next().unwrap().parse().unwrap()
}

/// The change that a form led to, at its end.
async fn followed(t: &TestApp, who: &As, answer: Answer) -> Value {
    t.run(who, number(&answer)).await.0
}

/// The fields of a form by its id, as the browser sends them when its button `act` is pressed.
fn pressed(page: &str, id: &str, act: &str) -> Vec<(&'static str, String)> {
    let form = page.split_once(&format!("<form id=\"{id}\"")).unwrap_or_else(|| panic!("no form {id}: {page}")).1.split_once("</form>").unwrap().0;
    let names = ["min", "desired", "max", "base_min", "base_desired", "base_max", "reason", "on_busy", "key"];
    names.into_iter().map(|n| (n, field(form, n))).chain([("act", act.to_owned())]).collect()
}

/// A row of a table by its title: its cells, without their tags.
fn cells(page: &str, title: &str) -> Vec<String> {
    let row = page.split("<tr").find(|r| r.contains(&format!(">{title}<"))).unwrap_or_else(|| panic!("no row {title}: {page}"));
    let text = |cell: &str| cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect::<String>().trim().to_owned();
    row.split("</tr>").next().unwrap().split("<td").skip(1).map(|cell| text(&format!("<td{cell}"))).collect()
}

/// Someone with the console, where the product's own adapter has no verb.
fn console(t: &TestApp) -> aws_sdk_autoscaling::Client {
    let config = aws_sdk_autoscaling::config::Builder::new()
        .behavior_version(aws_sdk_autoscaling::config::BehaviorVersion::latest())
        .region(aws_sdk_autoscaling::config::Region::new(t.names.region.clone()))
        .endpoint_url(format!("http://{}", t.sim.addr))
        .credentials_provider(aws_sdk_autoscaling::config::Credentials::new("AKIATEST", "test", None, None, "test"))
        .build();
    aws_sdk_autoscaling::Client::from_conf(config)
}

#[tokio::test]
async fn scenario_02_the_two_operators() {
    let t = live(1702, (4, 6, 10), false, json!({})).await;
    people(&t, &[("ana", Role::Deployer), ("ben", Role::Deployer)]).await;
    let (ana, ben) = (t.sign_in("ana").await, t.sign_in("ben").await);
    let path = format!("/apps/{APP}/live/capacity");
    // "Ana opens the capacity form at 4/10/6."
    let opened = t.get(&ana, &path).await.text;
    let shown = |page: &str| ["min", "max", "desired"].map(|f| field(page, f));
    assert_eq!(shown(&opened), ["4", "10", "6"]);
    let form = |page: &str, edit: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let names = ["key", "base_min", "base_desired", "base_max", "min", "desired", "max"];
        let typed = |n: &str| edit.iter().find(|(f, _)| *f == n).map(|(_, v)| (*v).to_owned());
        names.into_iter().map(|n| (n, typed(n).unwrap_or_else(|| field(page, n)))).chain([("act", "apply".to_owned())]).collect()
    };
    let send = async |who: &As, fields: Vec<(&'static str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        post(&t, who, &path, &fields).await
    };
    // "Autoscaling raises desired to 9."
    t.outsider().await.resize("live", None, Some(9), None).await.unwrap();
    t.step_by(120).await;
    // "Ben sets max to 12."
    let his = t.get(&ben, &path).await.text;
    let set = send(&ben, form(&his, &[("max", "12")])).await;
    assert_eq!(followed(&t, &ben, set).await["state"], "succeeded");
    // "Ana changes only min to 5: it passes and touches neither desired nor max."
    let set = send(&ana, form(&opened, &[("min", "5")])).await;
    assert_eq!(followed(&t, &ana, set).await["state"], "succeeded");
    assert_eq!(resizes(&t), [json!({"min": null, "desired": null, "max": "12"}), json!({"min": "5", "desired": null, "max": null})]);
    assert_eq!(figures(&t), (json!(5), json!(9), json!(12)));
    // "She then changes desired to 7 from a stale page: nothing is sent ..."
    let mut stale = form(&opened, &[("desired", "7")]);
    stale[0].1 = "of a page of its own".into();
    let moved = send(&ana, stale).await;
    assert_eq!(moved.status, 409, "{}", moved.text);
    t.step().await;
    assert_eq!(resizes(&t).len(), 2, "something was sent");
    // "... she sees base 6, now 9, wish 7 side by side ..."
    assert_eq!(cells(&moved.text, "Desired</a>"), ["6", "9", "7"]);
    assert!(moved.text.contains("changed meanwhile") && moved.text.contains("<title>Error: "), "{}", moved.text);
    // "... (or "keep 9") ...": nothing is sent, and she is back where she came from.
    assert!(moved.text.contains(">Set desired 7 anyway</button>") && moved.text.contains(">Keep 9</button>"), "{}", moved.text);
    let kept = send(&ana, pressed(&moved.text, "keep", "keep")).await;
    assert_eq!((to(&kept), resizes(&t).len()), (format!("/apps/{APP}/live"), 2));
    // "... and one click on "set 7 anyway" finishes it without typing again": the button alone, in a browser without JavaScript.
    let set = send(&ana, pressed(&moved.text, "set", "apply")).await;
    let end = followed(&t, &ana, set).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(resizes(&t)[2], json!({"min": null, "desired": "7", "max": null}));
    assert_eq!(figures(&t), (json!(5), json!(7), json!(12)));
    // The same with two figures that moved and one that did not: it goes with either button, and what is kept is not sent.
    let opened = t.get(&ana, &path).await.text;
    t.outsider().await.resize("live", None, Some(8), Some(13)).await.unwrap();
    let moved = send(&ana, form(&opened, &[("min", "4"), ("desired", "6"), ("max", "14")])).await;
    assert_eq!(moved.status, 409, "{}", moved.text);
    assert_eq!(
        (cells(&moved.text, "Desired</a>"), cells(&moved.text, "Maximum</a>")),
        (vec!["7".into(), "8".into(), "6".into()], vec!["12".into(), "13".into(), "14".into()])
    );
    for says in [">Set 6 and 14 anyway</button>", ">Keep AWS’s figures</button>", "Either also sets minimum 4"] {
        assert!(moved.text.contains(says), "{says}: {}", moved.text);
    }
    // What moves once more before she decides is shown once more: "anyway" is over what she saw.
    t.outsider().await.resize("live", None, Some(9), None).await.unwrap();
    let again = send(&ana, pressed(&moved.text, "set", "apply")).await;
    assert_eq!((again.status.as_u16(), cells(&again.text, "Desired</a>")), (409, vec!["8".into(), "9".into(), "6".into()]));
    let set = send(&ana, pressed(&again.text, "keep", "keep")).await;
    assert_eq!(followed(&t, &ana, set).await["state"], "succeeded");
    assert_eq!(resizes(&t)[3], json!({"min": "4", "desired": null, "max": "14"}));
    assert_eq!(figures(&t), (json!(4), json!(9), json!(14)));
}

#[tokio::test]
async fn scenario_03_the_failed_deploy_that_leaves_nothing_behind() {
    // With something to lose: a suspended process, and protection from scale-in.
    let edit = |g: &mut fleetgate_sim::seed::GroupSeed| {
        g.suspended = vec!["AZRebalance".into()];
        g.protect_new = true;
    };
    let mut t = live_with(1703, (2, 4, 8), false, json!({"bake_seconds": 30}), edit).await;
    people(&t, &[("ada", Role::Admin)]).await;
    let dan = t.sign_in("dan").await;
    let aws = console(&t);
    let aside = healthy(&truth(&t, "live"))[0].0.clone();
    aws.enter_standby().auto_scaling_group_name("live").instance_ids(aside).should_decrement_desired_capacity(true).send().await.unwrap();
    t.step_by(60).await;
    let state = |t: &TestApp| {
        let g = truth(t, "live");
        let rows = g["instances"].as_array().unwrap();
        let of = |name: &str| rows.iter().filter(|i| i["lifecycle"] != "Terminated").map(|i| i[name].to_string()).collect::<Vec<_>>();
        (figures(t), g["suspended"].clone(), g["template"].clone(), of("protected"), of("lifecycle"), t.digests("live"))
    };
    let before = state(&t);
    assert!(before.1.to_string().contains("AZRebalance") && before.4.iter().any(|l| l.contains("Standby")), "{before:?}");
    // By the form, which also suspends a process while it rolls: the review names it, and what is started is what was read.
    let bad = t.release(&dan, "bad", "unhealthy", Some(5)).await;
    let path = format!("/apps/{APP}/live/deploy");
    let chosen = format!("release:{bad}");
    let choice = [("image", &*chosen), ("protected", "Refresh"), ("standby", "Ignore"), ("suspend_alarms", "yes"), ("act", "review")];
    let review = post(&t, &dan, &path, &choice).await.text;
    assert!(review.contains("AlarmNotification while it rolls; resumed at the end, whatever the end"), "{review}");
    assert!(review.contains("No rollout was measured here yet: assumed from a warmup or boot of"), "{review}");
    assert_eq!(field(&review, "suspend_alarms"), "yes");
    let (hash, key) = (field(&review, "plan_hash"), field(&review, "key"));
    let start: Vec<_> = choice.into_iter().filter(|(n, _)| *n != "act").chain([("plan_hash", &*hash), ("key", &*key), ("act", "start")]).collect();
    let without: Vec<_> = start.iter().copied().filter(|(n, _)| *n != "suspend_alarms").collect();
    assert_eq!(post(&t, &dan, &path, &without).await.status, 409, "what is suspended is part of the plan that was read");
    let started = number(&post(&t, &dan, &path, &start).await);
    // "New image fails its health check. The system rolls back alone."
    let (end, _) = t.run(&dan, started).await;
    assert_eq!(end["state"], "undone", "{end}");
    let undo = t.app.store.find_change(started).await.unwrap().unwrap().progress.undo.unwrap();
    assert!(matches!(undo.by.as_str(), "fleetgate" | "aws"), "nobody had to ask: {undo:?}");
    // "I can deploy again at once": at this very moment, not after a clean-up. A schedule moves desired meanwhile.
    let good = t.release(&dan, "good", "ok", Some(5)).await;
    let soon = aws_sdk_autoscaling::primitives::DateTime::from_millis(t.clock.now() + 90_000);
    aws.put_scheduled_update_group_action()
        .auto_scaling_group_name("live")
        .scheduled_action_name("noon")
        .start_time(soon)
        .desired_capacity(4)
        .send()
        .await
        .unwrap();
    let strategy = json!({"protected": "Refresh", "standby": "Ignore"});
    let again = TestApp::accepted(t.change(&dan, "live", json!({"kind": "deploy", "release": good, "strategy": strategy})).await);
    // "Min, max, desired, suspended processes, protection and standby equal the values before the start ..."
    assert_eq!(state(&t), before);
    assert_eq!(t.mutating().iter().filter(|c| c.effective).count(), 5, "version, suspend, refresh, rollback, resume: {:#?}", t.mutating());
    // "... the page proves it in a table".
    let proof = async |t: &TestApp, number: i64| t.get(&t.sign_in("dan").await, &format!("/deployments/{number}")).await.text;
    let page = proof(&t, started).await;
    let was = [
        ("Minimum", "2"),
        ("Desired", "3"),
        ("Maximum", "8"),
        ("Suspended processes", "AZRebalance"),
        ("Protected from scale-in", "4 instances"),
        ("In standby", "1 instance"),
    ];
    assert!(page.contains("Nothing was left behind"), "{page}");
    for (title, value) in was {
        assert_eq!(cells(&page, title), [value, value, "unchanged"], "{title}");
    }
    // What differs is named, and autoscaling's own move is no leftover.
    let (end, _) = t.run(&dan, again).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(t.digests("live").len(), 1);
    let page = proof(&t, again).await;
    let desired = cells(&page, "Desired");
    assert!(
        desired[..2] == ["3", "4"] && desired[2].contains("Autoscaling moved it meanwhile, not this change") && desired[2].contains("noon"),
        "{desired:?}"
    );
    assert!(page.contains("2 of 6 differ, and the cause is known."), "{page}");
    // A program reads the same.
    let told = &end["before_and_after"][1];
    assert_eq!((&told["what"], &told["before"], &told["after"]), (&json!("desired"), &json!("3"), &json!("4")), "{}", end["before_and_after"]);
    assert!(told["cause"].as_str().unwrap().contains("noon"));
    // What somebody changes afterwards stands in no table, also not after a restart.
    t.outsider().await.resize("live", None, None, Some(9)).await.unwrap();
    t.restart().await;
    fleetgate::worker::observer::tick(&t.app, &mut Default::default()).await.unwrap();
    assert_eq!(cells(&proof(&t, started).await, "Maximum"), ["8", "8", "unchanged"]);
    // An end by force: the last look is old, which is said, and what is still owed is no secret.
    let dan = t.sign_in("dan").await;
    let next = t.release(&dan, "next", "ok", Some(5)).await;
    let strategy = json!({"protected": "Refresh", "standby": "Ignore", "suspend": ["AlarmNotification"]});
    let forced = TestApp::accepted(t.change(&dan, "live", json!({"kind": "deploy", "release": next, "strategy": strategy})).await);
    while t.app.store.find_change(forced).await.unwrap().unwrap().progress.refresh.is_none() {
        t.step().await;
    }
    t.step().await;
    t.sim.world().advance(300.0);
    t.clock.advance(Duration::from_secs(300));
    let ada = t.sign_in("ada").await;
    t.post(&ada, &format!("/api/v1/changes/{forced}/force-close"), json!({"reason": "a drill"})).await.expect(200);
    let page = proof(&t, forced).await;
    assert!(page.contains("5 min before the end; what happened between the two is not in this table"), "{page}");
    assert!(!page.contains("Nothing was left behind") && page.contains("It still owed AWS something when it ended"), "{page}");
    let suspended = cells(&page, "Suspended processes");
    assert!(suspended[1] == "AZRebalance, AlarmNotification" || suspended[1] == "AlarmNotification, AZRebalance", "{suspended:?}");
    assert!(suspended[2].contains("This change suspended AlarmNotification, and still owed its resumption"), "{suspended:?}");
    for _ in 0..12 {
        t.step().await;
    }
    t.finish_with_strangers().await;
}

#[tokio::test]
async fn scenario_04_the_rollback_that_is_a_rollback() {
    // A warmup of six minutes for the way back, and half a minute for the ways there: what they took alone would say too little.
    let t = live(1704, (10, 10, 20), false, json!({"boot_budget_seconds": 300})).await;
    let dan = t.sign_in("dan").await;
    let old = t.release(&dan, "2.3", "ok", Some(10)).await;
    deployed(&t, &dan, old, json!({"warmup_seconds": 30})).await;
    let digest = t.digests("live");
    // It runs for two days: whoever asks when it was last healthy is not told when it came.
    t.step_by(2 * 86_400).await;
    let dan = t.sign_in("dan").await;
    let new = t.release(&dan, "2.4", "ok", Some(10)).await;
    let left = deployed(&t, &dan, new, json!({"warmup_seconds": 30})).await;
    assert_ne!(t.digests("live"), digest);
    // "20 minutes after a successful deploy I press "Back to 2.3"."
    t.step_by(1200).await;
    fleetgate::worker::observer::tick(&t.app, &mut Default::default()).await.unwrap();
    t.clock.advance(Duration::from_secs(30));
    let dan = t.sign_in("dan").await;
    let page = t.get(&dan, &format!("/apps/{APP}/live/rollback")).await.text;
    // "The page says: a new refresh, 10 instances, about 14 minutes, image present, last healthy on Tuesday."
    let left = t.app.store.find_change(left["number"].as_i64().unwrap()).await.unwrap().unwrap().started_at.unwrap();
    let day = jiff::Timestamp::from_millisecond(left).unwrap().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %-d %b").to_string();
    for says in
        [&*format!("back to v{old}"), "2.3", "A new refresh starts", "10 instances are replaced", "is in ECR, looked up", &format!("\">{day}</time>")]
    {
        assert!(page.contains(says), "the page does not say {says:?}: {page}");
    }
    assert!(page.contains("what the last 2 rollouts here took beside it"), "{page}");
    let minutes: f64 = page.split("in about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let fields = [("key", field(&page, "key")), ("release", field(&page, "release")), ("reason", String::new())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let back = number(&post(&t, &dan, &format!("/apps/{APP}/live/rollback"), &fields).await);
    let (end, took) = t.run(&dan, back).await;
    assert!((took - minutes).abs() <= 2.0, "about {minutes} minutes were said, and it took {took}");
    // "It ends with every instance on the 2.3 digest".
    assert_eq!((&end["state"], &end["kind"]), (&json!("succeeded"), &json!("rollback")), "{end}");
    assert_eq!(t.digests("live"), digest);
    assert_eq!(healthy(&truth(&t, "live")).len(), 10);
    // A new refresh: nothing was running that could be rolled back, and the version of then is used again.
    assert_eq!((effective(&t, "StartInstanceRefresh"), effective(&t, "RollbackInstanceRefresh")), (3, 0));
    assert_eq!(effective(&t, "CreateLaunchTemplateVersion"), 2);
    t.finish().await;
}

#[tokio::test]
async fn scenario_09_the_guard_at_the_last_instance() {
    // Two instances, one of them sick and not replaced, in a protected environment whose policy would allow 0.
    let edit = |g: &mut fleetgate_sim::seed::GroupSeed| g.health_check = "EC2".into();
    let t = live_with(1709, (1, 2, 4), true, json!({"min_floor": 0}), edit).await;
    let ids: Vec<String> = healthy(&truth(&t, "live")).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2);
    t.sim.world().sicken(&ids[0]).unwrap();
    t.step_by(60).await;
    assert_eq!(healthy(&truth(&t, "live")), [(ids[1].clone(), t.running("live")[&ids[1]].clone())]);
    fleetgate::worker::observer::tick(&t.app, &mut Default::default()).await.unwrap();
    let (dan, token) = (t.sign_in("dan").await, t.token(&[&format!("{APP}/live")]).await);
    let last = ids[1].as_str();
    // "I ask for min 0 and desired 0 in production, ... both by UI and by API token."
    let none = [("min", "0"), ("desired", "0"), ("max", "4"), ("base_min", "1"), ("base_desired", "2"), ("base_max", "4"), ("act", "apply")];
    let by_page = post(&t, &dan, &format!("/apps/{APP}/live/capacity"), &none).await;
    let by_token = t.change(&token, "live", json!({"kind": "capacity", "min": 0, "desired": 0, "base": {"min": 1, "desired": 2, "max": 4}})).await;
    // "... and in another tab I terminate the last healthy instance".
    let gone = post(&t, &dan, &format!("/apps/{APP}/live/terminate"), &[("instance", last), ("reason", "odd")]).await;
    let gone_by_token = t.change(&token, "live", json!({"kind": "terminate", "instance": last, "shrink": false})).await;
    // "Both are refused by the server with the reason".
    for (what, answer, says) in [
        ("0 by page", &by_page, "0 instances is refused in a protected environment"),
        ("0 by token", &by_token, "0 instances is refused in a protected environment"),
        ("the last by page", &gone, "It is the last healthy instance"),
        ("the last by token", &gone_by_token, "It is the last healthy instance"),
    ] {
        assert_eq!(answer.status, 422, "{what}: {}", answer.text);
        assert!(answer.text.contains(says), "{what}: {}", answer.text);
    }
    // "both refusals are in the audit".
    let trail = t.audit().await;
    let refused: Vec<_> = trail.iter().filter(|e| e.action == "request.refused" && e.target == format!("{APP}/live")).collect();
    assert_eq!(refused.len(), 4, "{refused:#?}");
    assert_eq!(refused.iter().filter(|e| e.actor == "dan").count(), 2);
    assert_eq!(refused.iter().filter(|e| e.actor_kind == "token").count(), 2);
    for e in refused {
        assert!(e.reason.as_deref().is_some_and(|r| r.starts_with("422 ")), "{e:?}");
    }
    for _ in 0..3 {
        t.step().await;
    }
    assert!(t.mutating().is_empty());
    assert!(t.running("live").contains_key(last));
    t.finish().await;
}

/// A browser that has the environment's page open: its session and its stream of events.
struct Browser {
    who: As,
    events: Body,
}

impl Browser {
    async fn open(t: &TestApp, name: &str) -> Self {
        let who = t.sign_in(name).await;
        let As::Cookie(cookie) = &who else { unreachable!() };
        let request = Request::get("/live").header(header::COOKIE, cookie).header(header::HOST, HOST).body(Body::empty()).unwrap();
        let answer = Box::pin(tower::ServiceExt::oneshot(t.router.clone(), request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { who, events: answer.into_body() }
    }

    /// The page, which says how old its data is.
    async fn read(&self, t: &TestApp, wanted: &str) {
        let page = t.get(&self.who, &format!("/apps/{APP}/live")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains(&format!("as of <time datetime=\"{wanted}\"")), "not as of {wanted}: {}", page.text);
    }

    /// Waits for word of a change in the stream.
    async fn hears(mut self, number: i64) {
        let mut told = String::new();
        while !told.contains(&format!("change-{number}\"")) {
            let frame = self.events.frame().await.unwrap().unwrap();
            told += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
        }
    }
}

/// A deployment while one call in three is throttled; how many calls AWS had in the same time.
async fn throttled(viewers: usize) -> usize {
    let t = live(1712, (2, 3, 8), false, json!({})).await;
    people(&t, &[("vera", Role::Viewer)]).await;
    let token = t.token(&["*"]).await;
    let v = t.release(&token, "2.5", "ok", Some(10)).await;
    let mut schedule = Schedule::default();
    observer::tick(&t.app, &mut schedule).await.unwrap();
    let mut browsers = Vec::new();
    for _ in 0..viewers {
        browsers.push(Browser::open(&t, "vera").await);
    }
    let rule = json!({"service": "*", "operation": "*", "kind": "throttle", "rate": 1.0 / 3.0, "seed": 12});
    t.sim.world().fault(serde_json::from_value(rule).unwrap()).unwrap();
    let body = json!({"kind": "deploy", "release": v, "strategy": {"warmup_seconds": 10}});
    let number = TestApp::accepted(ask(&t, &token, "live", &body, None).await);
    // A quarter of an hour: the deployment, and a quiet time after it.
    for _ in 0..90 {
        t.step().await;
        Box::pin(observer::tick(&t.app, &mut schedule)).await.unwrap();
        let as_of = t.environment(&token, "live").await["as_of"].as_str().unwrap().to_owned();
        let second: jiff::Timestamp = as_of.parse().unwrap();
        for b in &browsers {
            b.read(&t, &second.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).await;
        }
    }
    let end = t.show(&token, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(effective(&t, "StartInstanceRefresh"), 1);
    for b in browsers {
        b.hears(number).await;
    }
    let calls = t.calls();
    let refused = calls.iter().filter(|c| c.fault.as_deref() == Some("throttle")).count();
    assert!((calls.len() / 4..calls.len() / 2).contains(&refused), "{refused} of {} calls were throttled", calls.len());
    t.sim.world().clear_faults();
    t.finish().await;
    calls.len()
}

/// "... a deploy still finishes, pages answer with the age of the data, and the number of AWS calls per minute does not grow with the number
/// of browsers": it is the same. (That a page takes less than 300 ms is measured elsewhere.)
#[tokio::test]
async fn scenario_12_throttled_aws() {
    let alone = Box::pin(throttled(0)).await;
    let watched = Box::pin(throttled(10)).await;
    println!("{alone} calls of AWS with no browser and {watched} with ten");
    assert_eq!(watched, alone);
}
