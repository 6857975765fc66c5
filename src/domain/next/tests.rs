use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::change::Undo;
use crate::domain::observation::{GroupInstance, LaunchSource, Refresh, TargetGroup, TargetHealth, TargetState, TemplateRef};
use crate::domain::plan::{Bound, BoundTemplate};
use crate::domain::strategy::{StrategyChoice, preferences};

const OLD: i64 = 3;
const NEW: i64 = 4;
const STATUSES: [&str; 11] = [
    "Pending",
    "InProgress",
    "Baking",
    "Successful",
    "Failed",
    "Cancelling",
    "Cancelled",
    "RollbackInProgress",
    "RollbackSuccessful",
    "RollbackFailed",
    "SomethingNew",
];

fn group(version: i64, instances: Vec<GroupInstance>) -> Group {
    Group {
        arn: "arn:g".into(),
        name: "g".into(),
        min: 1,
        desired: i32::try_from(instances.len()).unwrap().max(1),
        max: 9,
        launch: LaunchSource::Template(TemplateRef { id: "lt-1".into(), name: String::new(), version: version.to_string() }),
        health_check_type: "ELB".into(),
        grace_seconds: 300,
        default_warmup_seconds: None,
        zones: vec!["a".into()],
        target_group_arns: vec!["tg".into()],
        suspended: vec![],
        suspension_reasons: BTreeMap::new(),
        instances,
        maintenance: None,
        warm_pool: false,
        max_instance_lifetime: None,
        protects_new: false,
        status: None,
    }
}

pub(crate) fn a_plan(kind: Kind) -> Plan {
    let prefs = preferences(&group(OLD, vec![]), &StrategyChoice::default(), 60, 300).unwrap();
    Plan {
        bound: Bound {
            form: 1,
            app: "a".into(),
            env: "e".into(),
            group_arn: "arn:g".into(),
            kind,
            release: Some(2),
            digest: Some("sha256:x".into()),
            template: Some(BoundTemplate {
                id: "lt-1".into(),
                base: OLD,
                content: String::new(),
                image_source: String::new(),
                repository: String::new(),
                reuse: None,
            }),
            preferences: Some(prefs),
            policy_version: 1,
            min: 1,
            max: 9,
            set_min: None,
            set_desired: None,
            set_max: None,
            instance: None,
            shrink: false,
            settings: None,
            refresh: None,
        },
        sentence: String::new(),
        diff: vec![],
        steps: vec![],
        ways_out: vec![],
        seen: crate::domain::change::Capacity { min: 1, desired: 2, max: 9 },
        checks: vec![],
        old_version: Some(OLD),
        old_digest: None,
        boot_budget_seconds: 300,
        desired: 2,
    }
}

fn observation(at: i64, group: Group, states: &[&str], status: &str) -> Observation {
    let targets = group
        .instances
        .iter()
        .zip(states)
        .map(|(i, s)| (i.id.clone(), TargetState { state: (*s).into(), reason: None, description: None }))
        .collect();
    let target_group = TargetGroup { arn: "tg".into(), name: "tg".into(), protocol: "HTTP".into(), has_listener: true };
    let refresh = |id: &str, status: &str| Refresh {
        id: id.into(),
        status: status.into(),
        reason: None,
        percent: None,
        to_update: None,
        desired: None,
        started_at: None,
        ended_at: None,
    };
    Observation {
        at,
        group: Some(group),
        health: vec![TargetHealth { group: target_group, targets }],
        refreshes: vec![refresh("r", status)],
        activities: vec![],
        versions: BTreeMap::new(),
        policies: None,
        policies_at: 0,
        health_at: at,
        detail_at: at,
        alarms: vec![],
        hooks: vec![],
        drains: BTreeMap::new(),
        since: BTreeMap::new(),
        refresh_since: BTreeMap::new(),
    }
}

prop_compose! {
    fn instance()(n in 0..6, lifecycle in 0..5_usize, healthy: bool, version in OLD..=NEW) -> GroupInstance {
        GroupInstance {
            id: format!("i-{n}"),
            zone: "a".into(),
            lifecycle: ["InService", "InService", "Pending", "Terminating", "Standby"][lifecycle].into(),
            health: if healthy { "Healthy" } else { "Unhealthy" }.into(),
            template_version: Some(version),
            template_id: Some("lt-1".into()),
            protected: false,
        }
    }
}

prop_compose! {
    /// Mostly looks that nearly prove the end, each with at most a flaw or two: random ones would hardly ever come to an end.
    fn looks()(rows in prop::collection::vec((prop::collection::vec((instance(), 0..3_usize), 0..4), 0..STATUSES.len(), OLD..=NEW, 1..600_i64, 0..12_usize), 3..40),
        back: bool) -> Vec<Observation> {
        let mut at = 0;
        rows.into_iter().map(|(mut instances, mut status, mut version, seconds, flaw)| {
            at += seconds * 1000;
            instances.sort_by(|a, b| a.0.id.cmp(&b.0.id));
            instances.dedup_by(|a, b| a.0.id == b.0.id);
            let end = if back { OLD } else { NEW };
            if flaw > 0 {
                let kept = instances.len().min(if flaw == 1 { 1 } else { 0 });
                for (i, state) in instances.iter_mut().skip(kept) {
                    (i.lifecycle, i.health, i.template_version, *state) = ("InService".into(), "Healthy".into(), Some(end), 0);
                }
                version = if flaw == 2 { version } else { end };
                status = if flaw == 3 { status } else { STATUSES.iter().position(|s| *s == if back { "RollbackSuccessful" } else { "Successful" }).unwrap() };
            }
            let states: Vec<&str> = instances.iter().map(|(_, s)| ["healthy", "unhealthy", "initial"][*s]).collect();
            observation(at, group(version, instances.into_iter().map(|(i, _)| i).collect()), &states, STATUSES[status])
        }).collect()
    }
}

/// What success means, written again in other words.
fn proves(obs: &Observation, version: i64) -> bool {
    let g = obs.group.as_ref().unwrap();
    let counted: Vec<_> = g.instances.iter().filter(|i| ["InService", "Pending"].contains(&i.lifecycle.as_str())).collect();
    let healthy = |id: &str| obs.health[0].targets.get(id).is_some_and(|t| t.state == "healthy");
    super::group_version(g) == Some(version)
        && counted.iter().all(|i| i.template_version == Some(version))
        && counted.iter().any(|i| i.lifecycle == "InService" && i.health == "Healthy" && healthy(&i.id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Whatever AWS shows in whatever order: success and "undone" are said only on the evidence of the last three looks.
    #[test]
    fn no_success_without_evidence(looks in looks(), replace: bool, undo_at in prop::option::of(0..40_usize)) {
        let plan = a_plan(if replace { Kind::Replace } else { Kind::Deploy });
        let mut progress = Progress { new_version: Some(NEW), refresh: Some("r".into()), old_instances: ["i-0".to_owned()].into(), ..Progress::default() };
        for (at, obs) in looks.iter().enumerate() {
            if undo_at == Some(at) {
                progress.undo.get_or_insert(crate::domain::change::Undo { by: "dan".into(), why: "w".into(), at: obs.at });
                progress.proofs = 0;
            }
            let undoing = progress.undo.is_some();
            let (kept, decision) = next(&plan, progress.clone(), obs, 180);
            prop_assert_eq!(kept.undo.is_some(), undoing, "what was decided is kept");
            progress = kept;
            match decision {
                Decision::Done { state: State::Succeeded, .. } => {
                    prop_assert!(!undoing);
                    prop_assert!(at >= 2);
                    for o in &looks[at - 2..=at] {
                        prop_assert!(proves(o, NEW) && o.refreshes[0].status == "Successful", "{:?}", o);
                        prop_assert!(!replace || o.group.as_ref().unwrap().instances.iter().all(|i| i.id != "i-0" || !["InService", "Pending"].contains(&i.lifecycle.as_str())));
                    }
                    return Ok(());
                }
                Decision::Done { state: State::Undone, .. } => {
                    prop_assert!(undoing && at >= 2);
                    for o in &looks[at - 2..=at] {
                        prop_assert!(proves(o, OLD), "{:?}", o);
                    }
                    return Ok(());
                }
                Decision::Done { .. } => return Ok(()),
                Decision::TakeBack { .. } => {
                    prop_assert!(!undoing && !replace || obs.refreshes[0].status.starts_with("Rollback"));
                    progress.undo = Some(crate::domain::change::Undo { by: "fleetgate".into(), why: "w".into(), at: obs.at });
                    progress.proofs = 0;
                }
                Decision::Act(Step::RollBack) => progress.rollback_asked = true,
                Decision::Act(Step::StartUndo) => { progress.undo_refresh = Some("r".into()); }
                Decision::Act(_) | Decision::Wait { .. } | Decision::Attention { .. } => {}
            }
            if obs.refreshes[0].status == "SomethingNew" {
                prop_assert!(!matches!(next(&plan, progress.clone(), obs, 180).1, Decision::Done { .. }), "an unknown status ends nothing");
            }
        }
    }
}

fn young(id: &str) -> GroupInstance {
    GroupInstance {
        id: id.into(),
        zone: "a".into(),
        lifecycle: "InService".into(),
        health: "Healthy".into(),
        template_version: Some(NEW),
        template_id: Some("lt-1".into()),
        protected: false,
    }
}

fn roll(progress: Progress, seconds: i64, state: &str) -> (Progress, Decision) {
    next(&a_plan(Kind::Deploy), progress, &observation(seconds * 1000, group(OLD, vec![young("i-1")]), &[state], "InProgress"), 180)
}

#[test]
fn a_slow_start_within_the_budget_is_no_failure_and_one_beyond_it_is() {
    let begun = Progress { new_version: Some(NEW), refresh: Some("r".into()), ..Progress::default() };
    let (p, d) = roll(begun, 0, "initial");
    assert!(matches!(d, Decision::Wait { .. }));
    let (p, d) = roll(p, 299, "unhealthy");
    assert!(matches!(d, Decision::Wait { .. }), "unhealthy before it ever was healthy is a slow start: {d:?}");
    let (slow, d) = roll(p.clone(), 300, "healthy");
    assert!(matches!(d, Decision::Wait { .. }));
    let (_, d) = roll(p, 301, "unhealthy");
    assert!(matches!(&d, Decision::TakeBack { instance: Some(i), .. } if i == "i-1"), "{d:?}");
    let (_, d) = roll(slow, 310, "unhealthy");
    assert!(matches!(&d, Decision::TakeBack { why, .. } if why.contains("was healthy and is no longer")), "{d:?}");
}

#[test]
fn each_status_has_one_honest_reading() {
    let told = |status: &str| {
        let obs = observation(1000, group(OLD, vec![young("i-1")]), &["healthy"], status);
        next(&a_plan(Kind::Deploy), Progress { new_version: Some(NEW), refresh: Some("r".into()), ..Progress::default() }, &obs, 180).1
    };
    for status in STATUSES {
        let d = told(status);
        let fits = match status {
            "Pending" | "InProgress" => matches!(d, Decision::Wait { state: State::Running, .. }),
            "Baking" => matches!(d, Decision::Wait { state: State::Baking, .. }),
            // The group does not use the new version yet: a contradiction is waited for, not believed.
            "Successful" => matches!(&d, Decision::Wait { sentence, .. } if sentence.contains("does not use version 4")),
            "Failed" | "RollbackInProgress" | "RollbackSuccessful" | "RollbackFailed" => matches!(d, Decision::TakeBack { .. }),
            "Cancelling" => matches!(d, Decision::Wait { state: State::Cancelling, .. }),
            "Cancelled" => matches!(d, Decision::Done { state: State::Cancelled, .. }),
            _ => matches!(&d, Decision::Attention { sentence, .. } if sentence.contains("SomethingNew")),
        };
        assert!(fits, "{status}: {d:?}");
    }
}

#[test]
fn a_recreated_group_is_a_stranger() {
    let mut obs = observation(1000, group(OLD, vec![]), &[], "InProgress");
    obs.group.as_mut().unwrap().arn = "arn:other".into();
    assert!(matches!(next(&a_plan(Kind::Deploy), Progress::default(), &obs, 180).1, Decision::Attention { .. }));
    obs.group = None;
    assert!(matches!(next(&a_plan(Kind::Deploy), Progress::default(), &obs, 180).1, Decision::Attention { .. }));
}

#[test]
fn what_takes_too_long_calls_a_person() {
    let begun = Progress { new_version: Some(NEW), refresh: Some("r".into()), started_at: Some(0), ..Progress::default() };
    let obs = observation(181 * 60_000, group(OLD, vec![]), &[], "InProgress");
    let (p, d) = next(&a_plan(Kind::Deploy), begun, &obs, 180);
    assert!(matches!(d, Decision::Attention { .. }) && p.attention_since.is_some(), "{d:?}");
}

fn serving(version: i64) -> Group {
    let one = |n: i32| GroupInstance {
        id: format!("i-{n}"),
        zone: "a".into(),
        lifecycle: "InService".into(),
        health: "Healthy".into(),
        template_version: Some(version),
        template_id: Some("lt-1".into()),
        protected: false,
    };
    group(version, vec![one(1), one(2)])
}

/// A guard alarm is evidence of its own: nobody waits for AWS to act on it. Whoever has nothing to go back to calls a person.
#[test]
fn a_guard_alarm_takes_back_at_the_look_that_sees_it() {
    for (kind, state, taken_back) in [(Kind::Deploy, "ALARM", true), (Kind::Deploy, "OK", false), (Kind::Replace, "ALARM", false)] {
        let mut plan = a_plan(kind);
        plan.bound.preferences.as_mut().unwrap().alarms = vec!["errors".into()];
        let mut obs = observation(60_000, serving(OLD), &["healthy", "healthy"], "InProgress");
        obs.alarms = vec![crate::domain::observation::Alarm { name: "errors".into(), state: state.into(), reason: Some("12 errors".into()) }];
        let progress = Progress { new_version: Some(NEW), refresh: Some("r".into()), ..Progress::default() };
        let (_, decision) = next(&plan, progress, &obs, 180);
        assert_eq!(matches!(&decision, Decision::TakeBack { why, .. } if why.contains("12 errors")), taken_back, "{kind:?} {state}: {decision:?}");
        assert_eq!(matches!(decision, Decision::Attention { .. }), kind == Kind::Replace, "{kind:?} {state}");
    }
}

/// However it ends, what is owed is paid first: there is no end beside a debt.
#[test]
fn nothing_ends_while_it_owes_something() {
    let mut plan = a_plan(Kind::Deploy);
    plan.bound.preferences.as_mut().unwrap().suspend = vec!["AZRebalance".into()];
    for (status, end) in [("Successful", State::Succeeded), ("Cancelled", State::Cancelled), ("RollbackFailed", State::UndoFailed)] {
        let version = if end == State::Succeeded { NEW } else { OLD };
        let mut obs = observation(600_000, serving(version), &["healthy", "healthy"], status);
        obs.group.as_mut().unwrap().suspended = vec!["AZRebalance".into()];
        let undo = (end == State::UndoFailed).then(|| Undo { by: "aws".into(), why: "x".into(), at: 0 });
        let progress = Progress {
            new_version: Some(NEW),
            refresh: Some("r".into()),
            suspended: true,
            debts: vec!["AZRebalance".into()],
            proofs: PROOFS,
            undo,
            ..Progress::default()
        };
        let (owing, decision) = next(&plan, progress, &obs, 180);
        assert_eq!(decision, Decision::Act(Step::Resume), "{status}");
        // Accepted, and not shown yet: waited for.
        let (owing, decision) = next(&plan, Progress { resumed: true, ..owing }, &obs, 180);
        assert!(matches!(decision, Decision::Wait { step: Step::Resume, .. }), "{status}: {decision:?}");
        obs.group.as_mut().unwrap().suspended.clear();
        let (paid, decision) = next(&plan, owing, &obs, 180);
        assert!(matches!(decision, Decision::Done { state, .. } if state == end) && paid.debts.is_empty(), "{status}: {decision:?}");
    }
}

#[test]
fn a_look_that_may_be_from_before_pins_and_terminates_nothing() {
    let there = GroupInstance {
        id: "i-1".into(),
        zone: "a".into(),
        lifecycle: "InService".into(),
        health: "Healthy".into(),
        template_version: Some(OLD),
        template_id: Some("lt-1".into()),
        protected: false,
    };
    let mut pin = a_plan(Kind::Pin);
    pin.bound.template.as_mut().unwrap().reuse = Some(OLD);
    let mut terminate = a_plan(Kind::Terminate);
    terminate.bound.instance = Some("i-2".into());
    for plan in [pin, terminate] {
        let at = |ms| {
            next(
                &plan,
                Progress { started_at: Some(0), ..Progress::default() },
                &observation(ms, group(OLD, vec![there.clone()]), &["healthy"], ""),
                60,
            )
            .1
        };
        assert!(matches!(at(1000), Decision::Wait { .. }), "{:?}: {:?}", plan.bound.kind, at(1000));
        assert!(matches!(at(LAG_MS + 1), Decision::Done { state: State::Succeeded, .. }), "{:?}: {:?}", plan.bound.kind, at(LAG_MS + 1));
    }
}
