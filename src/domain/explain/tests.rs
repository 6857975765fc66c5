mod cases;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::domain::evidence::Seen as SeenInstance;
use crate::domain::observation::{Activity, Hook, LaunchSource, RefreshSince, Since, TargetState};
use cases::{CODE, NORMAL, RUNNING};

const NOW: Millis = 1_790_000_000_000;
const MIN: Millis = 60_000;
const OLD: i64 = 3;
const NEW: i64 = 4;

/// A world in the middle of a deployment: two old instances, one new one, a refresh in progress; each case spoils it.
struct World {
    change: bool,
    kind: Kind,
    state: State,
    lane: Lane,
    sentence: String,
    plan: Plan,
    progress: Progress,
    obs: Observation,
    others: Vec<Other>,
    looked: bool,
    misses: i64,
    failure: Option<String>,
    now: Millis,
}

fn of_json<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn plan() -> Plan {
    let preferences = json!({
        "min_healthy": 100, "max_healthy": 200, "warmup_seconds": 360, "skip_matching": true, "auto_rollback": true, "protected": "Wait",
        "standby": "Wait", "bake_seconds": 120, "checkpoints": [50, 100], "checkpoint_delay_seconds": 600, "alarms": ["guard-5xx"],
    });
    let bound = json!({
        "form": 1, "app": "a", "env": "e", "group_arn": "arn:g", "kind": "deploy", "release": 2, "digest": null, "template": null,
        "preferences": preferences, "policy_version": 1, "min": 1, "max": 9, "set_min": null, "set_desired": null, "set_max": null, "instance": null,
        "shrink": false,
    });
    of_json(json!({
        "bound": bound, "sentence": "Deploys v2.", "diff": [], "steps": [], "checks": [], "old_version": OLD, "old_digest": null,
        "boot_budget_seconds": 300, "desired": 2, "seen": {"min": 1, "desired": 2, "max": 9},
    }))
}

fn instance(id: &str, version: i64) -> Value {
    json!({"id": id, "zone": "z-a", "lifecycle": "InService", "health": "Healthy", "template_version": version, "template_id": "lt-1", "protected": false})
}

impl World {
    fn new() -> Self {
        let group = json!({
            "arn": "arn:g", "name": "g", "min": 1, "desired": 2, "max": 9, "launch": {"by": "template", "id": "lt-1", "name": "", "version": "3"},
            "health_check_type": "ELB", "grace_seconds": 300, "default_warmup_seconds": null, "zones": ["z-a", "z-b"], "target_group_arns": ["tg"],
            "suspended": [], "maintenance": null, "warm_pool": false, "max_instance_lifetime": null, "protects_new": false, "status": null,
            "instances": [instance("i-old1", OLD), instance("i-old2", OLD), instance("i-new1", NEW)],
        });
        let well = json!({"state": "healthy", "reason": null, "description": null});
        let health = json!([{
            "group": {"arn": "tg", "name": "web", "protocol": "HTTP", "has_listener": true},
            "targets": {"i-old1": well, "i-old2": well, "i-new1": well},
        }]);
        let refresh = json!({
            "id": "r-1", "status": "InProgress", "reason": null, "percent": 0, "to_update": 2, "desired": null, "started_at": NOW - 10 * MIN, "ended_at": null,
        });
        let obs: Observation =
            of_json(json!({"at": NOW, "group": group, "health": health, "refreshes": [refresh], "activities": [], "versions": {}}));
        let seen = BTreeMap::from([("i-new1".to_owned(), SeenInstance { in_service_at: Some(NOW - 10 * MIN), healthy_at: Some(NOW - 8 * MIN) })]);
        Self {
            change: true,
            kind: Kind::Deploy,
            state: State::Running,
            lane: Lane::Main,
            sentence: "1 of 2 instances run v2 and are healthy, 2 are old.".into(),
            plan: plan(),
            progress: Progress {
                started_at: Some(NOW - 12 * MIN),
                new_version: Some(NEW),
                refresh: Some("r-1".into()),
                refresh_before: Some(String::new()),
                seen,
                ..Progress::default()
            },
            obs,
            others: Vec::new(),
            looked: true,
            misses: 0,
            failure: None,
            now: NOW,
        }
    }
    fn idle() -> Self {
        let mut w = Self::new();
        w.change = false;
        w.obs.refreshes.clear();
        w.group().instances.truncate(2);
        w
    }
    fn group(&mut self) -> &mut Group {
        self.obs.group.as_mut().unwrap()
    }
    fn i(&mut self, id: &str) -> &mut crate::domain::observation::GroupInstance {
        self.group().instances.iter_mut().find(|i| i.id == id).unwrap()
    }
    fn lifecycle(&mut self, id: &str, state: &str, minutes: Millis) {
        self.i(id).lifecycle = state.into();
        self.obs.since.entry(id.into()).or_default().lifecycle_at = Some(NOW - minutes * MIN);
    }
    fn target(&mut self, id: &str, state: &str, reason: &str, text: &str) {
        let some = |t: &str| Some(t.to_owned()).filter(|t| !t.is_empty());
        let new = TargetState { state: state.into(), reason: some(reason), description: some(text) };
        self.obs.health[0].targets.insert(id.into(), new);
        self.obs.since.entry(id.into()).or_default().target_at = Some(NOW - MIN);
    }
    /// The new instance has come into service so many minutes ago, and was never healthy.
    fn fresh(&mut self, minutes: Millis) {
        self.progress.seen.insert("i-new1".into(), SeenInstance { in_service_at: Some(NOW - minutes * MIN), healthy_at: None });
    }
    fn protect(&mut self, id: &str, minutes: Millis) {
        self.i(id).protected = true;
        self.obs.since.insert(id.into(), Since { protected_at: Some(NOW - minutes * MIN), ..Since::default() });
    }
    fn suspend(&mut self, process: &str, reason: &str) {
        self.group().suspended.push(process.into());
        self.group().suspension_reasons.insert(process.into(), reason.into());
    }
    /// A launch, newest first, that failed or not so many minutes ago.
    fn launch(&mut self, minutes: Millis, zone: &str, message: Option<&str>) {
        let a = Activity {
            id: format!("a{minutes}"),
            description: message.map_or("Launching a new EC2 instance: i-x", |_| "Launching a new EC2 instance").into(),
            cause: String::new(),
            status: if message.is_some() { "Failed" } else { "Successful" }.into(),
            message: message.map(|m| format!("Launching a new EC2 instance.  Status Reason: {m}")),
            started_at: Some(NOW - minutes * MIN),
            ended_at: Some(NOW - minutes * MIN),
            zone: Some(zone.into()),
        };
        self.obs.activities.push(a);
        self.obs.activities.sort_by_key(|a| std::cmp::Reverse(a.started_at));
    }
    fn status(&mut self, status: &str, reason: Option<&str>) {
        self.obs.refreshes[0].status = status.into();
        self.obs.refreshes[0].reason = reason.map(str::to_owned);
        self.obs
            .refresh_since
            .insert("r-1".into(), RefreshSince { status_at: Some(NOW - MIN), percent_at: Some(NOW - MIN), percent_before: Some(0) });
    }
    fn explain(&self) -> Option<Explanation> {
        explain(&Input {
            change: self.change.then_some(Subject {
                number: 7,
                kind: self.kind,
                state: self.state,
                lane: self.lane,
                plan: &self.plan,
                progress: &self.progress,
                sentence: &self.sentence,
                created_at: NOW - 12 * MIN,
            }),
            others: &self.others,
            asg: "g",
            asg_arn: "arn:g",
            region: "eu-west-1",
            seen: self.looked.then_some(Seen { obs: &self.obs, misses: self.misses, failure: self.failure.as_deref() }),
            boot_budget_seconds: 300,
            stale_ms: 3 * MIN,
            now: self.now,
        })
    }
    #[track_caller]
    fn told(&self) -> Explanation {
        self.explain().expect("an explanation")
    }
}

fn other(number: i64, kind: Kind, state: State) -> Other {
    Other { number, kind, state, lane: Lane::Main }
}

#[track_caller]
fn check(world: &World, what: &str, cause: Cause, says: &[&str]) -> Explanation {
    let e = world.told();
    assert_eq!(e.cause, cause, "{what}: {e:#?}");
    for part in says {
        assert!(e.sentence.contains(part), "{what}: `{part}` is missing in `{}`", e.sentence);
    }
    assert!(e.sentence.ends_with('.') && !e.sentence.contains("..") && !e.sentence.contains("  "), "{what}: {}", e.sentence);
    assert!(!e.actions.is_empty(), "{what}: no action, not even to wait");
    e
}

#[test]
fn every_situation_has_its_cause_and_its_sentence() {
    for (what, spoil, cause, says) in RUNNING {
        let mut w = World::new();
        spoil(&mut w);
        check(&w, what, cause, says);
    }
}

#[test]
fn what_goes_on_by_itself_is_called_normal_and_says_until_when() {
    for (what, make, cause, says) in NORMAL {
        let mut w = World::new();
        make(&mut w);
        let e = check(&w, what, cause, says);
        assert!(e.normal && e.also.is_empty(), "{what}: {e:#?}");
    }
}

#[test]
fn no_two_situations_share_a_cause_by_accident_and_every_cause_is_reached() {
    let notes =
        [Cause::ZoneLaunchesFail, Cause::AlarmsSuspended, Cause::AlsoSuspended, Cause::ProtectedIgnored, Cause::StandbyIgnored, Cause::NoListener];
    let reached: BTreeSet<Cause> = RUNNING.iter().chain(&NORMAL).map(|c| c.2).chain(notes).chain([Cause::ShrinkProtected]).collect();
    let doc = include_str!("../explain.rs");
    let listed: Vec<Cause> = doc
        .lines()
        .filter(|l| l.starts_with("//! |"))
        .flat_map(|l| l.split('|').nth(2).unwrap_or_default().split('`').skip(1).step_by(2))
        .map(|name| serde_json::from_value(json!(name)).unwrap_or_else(|_| panic!("`{name}` of the table is no cause")))
        .collect();
    assert!(listed.windows(2).all(|w| w[0] < w[1]), "the table is in the order of the code: {listed:?}");
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), reached, "the table names what the tests reach, and nothing else");
}

/// Two things at once: the first of each pair is told, the second stands in `also`.
#[test]
fn where_two_block_the_documented_one_wins() {
    let pairs: [(&str, &str); 15] = [
        ("denied", "paused"),
        ("deleting", "foreign"),
        ("foreign", "launch"),
        ("cancelled", "protected"),
        ("administrative", "paused"),
        ("paused", "launch"),
        ("launch", "terminate"),
        ("terminate", "capacity"),
        ("capacity", "protected"),
        ("security group", "standby"),
        ("no longer healthy", "protected"),
        ("protected", "standby"),
        ("standby", "odd lifecycle"),
        ("protected", "time-out"),
        ("protected", "refused for now"),
    ];
    let case = |name: &str| RUNNING.iter().find(|c| c.0 == name).unwrap();
    for (first, second) in pairs {
        // In either order of coming about.
        for order in [[first, second], [second, first]] {
            let mut w = World::new();
            for name in order {
                case(name).1(&mut w);
            }
            if first == "protected" && second == "time-out" {
                w.target("i-old1", "healthy", "", "");
                w.target("i-old2", "unhealthy", "Target.Timeout", "Request timed out");
            }
            let e = w.told();
            assert_eq!(e.cause, case(first).2, "{order:?}: {e:#?}");
            if first != "foreign" {
                assert!(e.also.iter().any(|s| case(second).3.iter().all(|part| s.contains(part)) || second == "time-out"), "{order:?}: {e:#?}");
            }
        }
    }
}

#[test]
fn of_two_of_the_same_cause_the_older_wins_and_then_the_lower_id() {
    let mut w = World::new();
    w.protect("i-old1", 2);
    w.protect("i-old2", 5);
    let e = w.told();
    assert_eq!((e.instance.as_deref(), e.since), (Some("i-old2"), Some(NOW - 5 * MIN)));
    assert!(e.also[0].contains("i-old1"));
    w.protect("i-old1", 5);
    assert_eq!(w.told().instance.as_deref(), Some("i-old1"));
    // One whose beginning nobody saw comes after one with a time.
    w.obs.since.insert("i-old1".into(), Since::default());
    let e = w.told();
    assert_eq!(e.instance.as_deref(), Some("i-old2"));
    assert!(e.also[0].contains("i-old1 in z-a is protected from scale-in, not by Fleetgate"), "no time is made up: {:?}", e.also);
}

#[test]
fn a_zone_without_capacity_beside_a_protected_instance_is_told_after_it() {
    let mut w = World::new();
    w.protect("i-old1", 4);
    w.launch(8, "z-b", Some("We currently do not have sufficient m6i.large capacity in the Availability Zone you requested (z-b)."));
    w.launch(8, "z-a", None);
    let e = w.told();
    assert_eq!(e.cause, Cause::ProtectedInstance);
    assert!(e.also[0].starts_with("AWS has no m6i.large capacity in z-b since"), "{e:#?}");
    // A later launch there ends it.
    w.launch(3, "z-b", None);
    assert!(w.told().also.is_empty());
}

#[test]
fn a_failure_that_a_later_launch_made_up_for_is_history() {
    let mut w = World::new();
    w.launch(6, "z-a", Some("VcpuLimitExceeded"));
    w.launch(5, "z-a", None);
    assert_eq!(w.told().cause, Cause::AsTold);
    // The streak begins after the last success, and keeps to one cause.
    w.launch(3, "z-a", Some("VcpuLimitExceeded"));
    w.launch(1, "z-a", Some("VcpuLimitExceeded"));
    let e = w.told();
    assert_eq!((e.cause, e.since), (Cause::LaunchQuota, Some(NOW - 3 * MIN)));
    // One from before the change began says nothing of it.
    w.obs.activities.clear();
    w.launch(15, "z-a", Some("VcpuLimitExceeded"));
    assert_eq!(w.told().cause, Cause::AsTold);
}

#[test]
fn behind_the_same_words_the_narrower_reason_wins() {
    let mut w = World::new();
    w.launch(1, "z-a", Some("You must use a valid fully-formed launch template. The image id '[ami-1]' does not exist"));
    assert_eq!(w.told().cause, Cause::LaunchImageMissing);
    assert_eq!(launches::class("You must use a valid fully-formed launch template. You are not authorized"), Cause::LaunchUnauthorized);
    assert_eq!(launches::class("capacity"), Cause::LaunchFailed, "a word alone is no reason");
}

#[test]
fn what_a_setting_lets_through_blocks_nothing() {
    let mut w = World::new();
    w.protect("i-old1", 4);
    w.lifecycle("i-old2", "Standby", 3);
    let p = w.plan.bound.preferences.as_mut().unwrap();
    (p.protected, p.standby) = (crate::domain::strategy::OnHold::Ignore, crate::domain::strategy::OnStandby::Ignore);
    let e = w.told();
    assert_eq!(e.cause, Cause::AsTold);
    assert!(e.also[0].contains("i-old1") && e.also[0].contains("on the old version") && e.also[1].contains("i-old2"), "{e:#?}");
    let p = w.plan.bound.preferences.as_mut().unwrap();
    (p.protected, p.standby) = (crate::domain::strategy::OnHold::Refresh, crate::domain::strategy::OnStandby::Terminate);
    assert!(w.told().also.is_empty());
}

#[test]
fn processes_that_stop_nothing_now_are_told_beside() {
    let mut w = World::new();
    w.suspend("AlarmNotification", "User suspended at 2026-09-21T14:03:20Z");
    w.suspend("AddToLoadBalancer", "User suspended at 2026-09-21T14:03:20Z");
    w.suspend("HealthCheck", "User suspended at 2026-09-21T14:03:20Z");
    let e = w.told();
    assert_eq!((e.cause, e.also.len()), (Cause::AsTold, 3));
    assert!(e.also[0].contains("scaling policies do nothing"), "{e:#?}");
}

#[test]
fn past_a_checkpoint_the_next_instance_is_told() {
    let mut w = World::new();
    NORMAL[3].1(&mut w);
    w.fresh(1);
    w.target("i-new1", "initial", "Elb.InitialHealthChecking", "");
    assert_eq!(w.told().cause, Cause::FirstChecks);
    w.lifecycle("i-new1", "Pending", 1);
    assert_eq!(w.told().cause, Cause::Booting);
}

#[test]
fn a_step_that_goes_over_no_checkpoint_is_no_pause() {
    let mut w = World::new();
    NORMAL[3].1(&mut w);
    w.obs.refreshes[0].percent = Some(60);
    w.obs.refresh_since.get_mut("r-1").unwrap().percent_before = Some(50);
    assert_eq!(w.told().cause, Cause::AsTold);
    w.obs.refreshes[0].percent = Some(100);
    assert_eq!(w.told().cause, Cause::AsTold);
}

#[test]
fn a_checkpoint_that_is_overdue_explains_nothing_any_more() {
    let mut w = World::new();
    NORMAL[3].1(&mut w);
    w.obs.refresh_since.insert("r-1".into(), RefreshSince { status_at: None, percent_at: Some(NOW - 20 * MIN), percent_before: Some(0) });
    assert_eq!(w.told().cause, Cause::AsTold);
}

#[test]
fn what_we_did_ourselves_is_not_blamed_on_others() {
    let mut w = World::new();
    w.status("RollbackInProgress", Some("Rollback due to user request."));
    w.progress.rollback_asked = true;
    assert_eq!(w.told().cause, Cause::AwsSays);
    w.status("Cancelling", None);
    w.progress.cancel_asked = true;
    assert_eq!(w.told().cause, Cause::AsTold);
    // A refresh whose answer is lost may be ours.
    w.progress.refresh = None;
    w.obs.refreshes[0].id = "r-9".into();
    assert_ne!(w.told().cause, Cause::ForeignRefresh);
    // That of a deployment beside a capacity change is no stranger's.
    (w.kind, w.lane, w.others) = (Kind::Capacity, Lane::Side, vec![other(6, Kind::Deploy, State::Running)]);
    assert_ne!(w.told().cause, Cause::ForeignRefresh);
}

#[test]
fn by_whom_follows_what_aws_wrote() {
    let told = |reason: &str| {
        let mut w = World::new();
        w.suspend("Terminate", reason);
        w.told()
    };
    let e = told("User suspended at 2026-09-21T14:03:20Z");
    let at: jiff::Timestamp = "2026-09-21T14:03:20Z".parse().unwrap();
    assert_eq!((e.by, e.since), (By::Others, Some(at.as_millisecond())));
    assert_eq!(told("Administrative suspension").by, By::Aws);
    assert_eq!((told("for the gods").by, told("for the gods").since), (By::Unknown, None));
}

#[test]
fn a_calm_environment_has_nothing_to_explain_and_a_sick_one_does() {
    assert_eq!(World::idle().explain(), None);
    let mut w = World::idle();
    w.target("i-old2", "unhealthy", "Target.ResponseCodeMismatch", CODE);
    let e = check(&w, "sick", Cause::UnhealthyCode, &["i-old2 in z-a answers the health check with another code"]);
    assert!(!e.normal && e.actions.iter().any(|a| a.act == Act::ReadConsole && a.command.is_some()));
    let mut w = World::idle();
    w.lifecycle("i-old2", "Pending", 1);
    assert!(check(&w, "starting", Cause::Booting, &["i-old2"]).normal);
    let mut w = World::idle();
    w.obs.refreshes = World::new().obs.refreshes;
    check(&w, "foreign", Cause::ForeignRefresh, &["Another instance refresh (r-1), which no open change started"]);
    let mut w = World::idle();
    w.suspend("Launch", "User suspended at 2026-09-21T14:03:20Z");
    assert_eq!(w.explain(), None, "nothing is to be launched");
    w.group().desired = 3;
    check(&w, "launch", Cause::LaunchSuspended, &[]);
    let mut w = World::idle();
    w.obs.health[0].group.has_listener = false;
    check(&w, "no listener", Cause::NoListener, &["No listener forwards to web"]);
}

#[test]
fn a_group_that_must_shrink_and_may_not_names_the_oldest_protection() {
    let mut w = World::idle();
    (w.change, w.kind, w.progress.refresh) = (true, Kind::Capacity, None);
    w.group().desired = 1;
    w.protect("i-old1", 2);
    w.protect("i-old2", 9);
    let e = check(&w, "shrink", Cause::ShrinkProtected, &["2 instances serve and 1 are wanted", "i-old2 since"]);
    assert_eq!(e.instance.as_deref(), Some("i-old2"));
}

#[test]
fn an_end_is_not_explained() {
    for state in State::ALL.into_iter().filter(|s| s.is_final()) {
        let mut w = World::new();
        w.state = state;
        assert_eq!(w.explain(), None);
    }
}

#[test]
fn commands_are_safe_for_the_shell() {
    let mut w = World::new();
    w.suspend("Launch", "");
    let command = w.told().actions[0].command.clone().unwrap();
    assert_eq!(command, "aws autoscaling resume-processes --auto-scaling-group-name g --scaling-processes Launch --region eu-west-1");
    let input =
        Input { change: None, others: &[], asg: "a'; rm -rf", asg_arn: "", region: "r", seen: None, boot_budget_seconds: 0, stale_ms: 0, now: 0 };
    assert!(words::resume(&input, "Launch").command.unwrap().contains(r"'a'\''; rm -rf'"));
}
