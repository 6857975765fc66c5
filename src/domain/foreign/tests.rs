use super::*;
use crate::domain::observation::{MaintenancePolicy, Refresh, TemplateRef};

fn group(desired: i32, max: i32) -> Group {
    Group {
        arn: "arn:g".into(),
        name: "g".into(),
        min: 1,
        desired,
        max,
        launch: LaunchSource::Template(TemplateRef { id: "lt-1".into(), name: String::new(), version: "3".into() }),
        health_check_type: "ELB".into(),
        grace_seconds: 300,
        default_warmup_seconds: None,
        zones: vec!["a".into()],
        target_group_arns: vec!["tg".into()],
        suspended: vec![],
        suspension_reasons: BTreeMap::new(),
        instances: vec![],
        maintenance: None,
        warm_pool: false,
        max_instance_lifetime: None,
        protects_new: false,
        status: None,
    }
}

fn look(at: i64, group: Group, causes: &[(&str, &str)]) -> Observation {
    let activity = |(id, cause): &(&str, &str)| Activity {
        id: (*id).into(),
        description: "Terminating EC2 instance: i-1".into(),
        cause: (*cause).into(),
        status: "Successful".into(),
        message: None,
        started_at: None,
        ended_at: None,
        zone: None,
    };
    Observation {
        at,
        group: Some(group),
        health: vec![],
        refreshes: vec![],
        activities: causes.iter().map(activity).collect(),
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

fn first(obs: &Observation) -> Baseline {
    let (base, found) = compare(None, obs, &Ours::default());
    assert_eq!(found, []);
    base
}

fn names(found: &[Sighting]) -> Vec<&str> {
    found.iter().map(|s| s.what.as_str()).collect()
}

const SECOND: i64 = 1000;

#[test]
fn what_others_set_is_told_once_and_what_we_sent_is_not() {
    let base = first(&look(0, group(2, 4), &[]));
    let (base, found) = compare(Some(base), &look(60 * SECOND, group(2, 9), &[]), &Ours::default());
    assert_eq!(found, [Sighting { what: "max".into(), before: Some("4".into()), after: Some("9".into()), cause: None }]);
    let (base, found) = compare(Some(base), &look(120 * SECOND, group(2, 9), &[]), &Ours::default());
    assert_eq!(found, []);
    let mut ours = Ours::default();
    ours.send("max", "6");
    let (base, found) = compare(Some(base), &look(180 * SECOND, group(2, 6), &[]), &ours);
    assert_eq!(found, []);
    // Another value than the one that we sent is not ours.
    let (_, found) = compare(Some(base), &look(240 * SECOND, group(2, 7), &[]), &ours);
    assert_eq!(names(&found), ["max"]);
}

#[test]
fn an_old_value_that_shows_again_at_once_is_a_late_read_and_later_is_a_hand() {
    let mut ours = Ours::default();
    ours.send("max", "9");
    let base = first(&look(0, group(2, 4), &[]));
    let (base, _) = compare(Some(base), &look(60 * SECOND, group(2, 9), &[]), &ours);
    let (base, found) = compare(Some(base), &look(70 * SECOND, group(2, 4), &[]), &Ours::default());
    assert_eq!(found, [], "ten seconds after ours");
    let (base, found) = compare(Some(base), &look(80 * SECOND, group(2, 9), &[]), &Ours::default());
    assert_eq!(found, [], "and back");
    let (_, found) = compare(Some(base), &look(100 * SECOND, group(2, 4), &[]), &Ours::default());
    assert_eq!(names(&found), ["max"], "forty seconds after ours it is the old value again");
}

#[test]
fn desired_is_told_by_its_cause_and_without_one_after_two_minutes() {
    let policy = "At … a monitor alarm in state ALARM triggered policy p changing the desired capacity from 2 to 3.";
    let person = "At … a user request explicitly set group desired capacity changing the desired capacity from 2 to 3.";
    let base = first(&look(0, group(2, 4), &[]));
    let (_, found) = compare(Some(base.clone()), &look(30 * SECOND, group(3, 4), &[("a", policy)]), &Ours::default());
    assert_eq!(found, [], "autoscaling's own");
    let (_, found) = compare(Some(base.clone()), &look(30 * SECOND, group(3, 4), &[("a", person)]), &Ours::default());
    assert_eq!((names(&found), found[0].cause.as_deref()), (vec!["desired"], Some(person)));
    // Not yet explained: waited for, then told all the same.
    let (base, found) = compare(Some(base), &look(30 * SECOND, group(3, 4), &[]), &Ours::default());
    assert_eq!(found, []);
    let (late, found) = compare(Some(base.clone()), &look(60 * SECOND, group(3, 4), &[("a", policy)]), &Ours::default());
    assert_eq!((found, late.unexplained_since), (vec![], None), "explained in time");
    let (_, found) = compare(Some(base), &look(151 * SECOND, group(3, 4), &[]), &Ours::default());
    assert_eq!(names(&found), ["desired"]);
    // With a limit that somebody moved there is nothing to wait for.
    let base = first(&look(0, group(2, 4), &[]));
    let (_, found) = compare(Some(base), &look(30 * SECOND, group(3, 9), &[]), &Ours::default());
    assert_eq!(names(&found), ["desired", "max"]);
}

#[test]
fn protection_that_comes_with_an_instance_is_nobodys_hand() {
    let with = |instances: &[(&str, bool)]| {
        let mut g = group(2, 4);
        g.instances = instances
            .iter()
            .map(|(id, protected)| GroupInstance {
                id: (*id).into(),
                zone: "a".into(),
                lifecycle: "InService".into(),
                health: "Healthy".into(),
                template_version: Some(3),
                template_id: None,
                protected: *protected,
            })
            .collect();
        g
    };
    let base = first(&look(0, with(&[("i-1", false)]), &[]));
    let (base, found) = compare(Some(base), &look(SECOND, with(&[("i-1", true), ("i-2", true)]), &[]), &Ours::default());
    assert_eq!(names(&found), ["protected/i-1"]);
    let (_, found) = compare(Some(base), &look(40 * SECOND, with(&[("i-1", true)]), &[]), &Ours::default());
    assert_eq!(found, [], "it left with its protection");
}

#[test]
fn an_instance_that_somebody_took_away_is_told_by_aws_words() {
    let cause = "At … instance i-1 was taken out of service in response to a user request.";
    let base = first(&look(0, group(2, 4), &[("old", cause)]));
    let (base, found) = compare(Some(base), &look(SECOND, group(2, 4), &[("new", cause), ("old", cause)]), &Ours::default());
    assert_eq!(names(&found), ["instance/i-1"]);
    let (_, found) = compare(Some(base.clone()), &look(2 * SECOND, group(2, 4), &[("new", cause), ("old", cause)]), &Ours::default());
    assert_eq!(found, []);
    let ours = Ours { terminated: ["i-1".to_owned()].into(), ..Ours::default() };
    let (_, found) = compare(Some(base), &look(2 * SECOND, group(2, 4), &[("newer", cause)]), &ours);
    assert_eq!(found, [], "we told it to go");
}

#[test]
fn a_refresh_is_foreign_unless_we_sent_its_version_or_know_its_id() {
    let with = |at: i64, id: &str, version: &str, status: &str| {
        let mut obs = look(at, group(2, 4), &[]);
        obs.refreshes = vec![Refresh {
            id: id.into(),
            status: status.into(),
            reason: None,
            percent: None,
            to_update: None,
            desired: Some(TemplateRef { id: "lt-1".into(), name: String::new(), version: version.into() }),
            started_at: None,
            ended_at: None,
        }];
        obs
    };
    let base = first(&look(0, group(2, 4), &[]));
    let (base, found) = compare(Some(base), &with(SECOND, "r1", "7", "Pending"), &Ours::default());
    assert_eq!(names(&found), ["refresh/r1"]);
    let (base, found) = compare(Some(base), &with(2 * SECOND, "r1", "7", "InProgress"), &Ours::default());
    assert_eq!(found, [], "on its way");
    let (base, found) = compare(Some(base), &with(3 * SECOND, "r1", "7", "Successful"), &Ours::default());
    assert_eq!((names(&found), found[0].before.as_deref()), (vec!["refresh/r1"], Some("InProgress")));
    // The answer to our own start was lost: the version tells that it is ours.
    let ours = Ours { versions: [8].into(), ..Ours::default() };
    let (base, found) = compare(Some(base), &with(4 * SECOND, "r2", "8", "Pending"), &ours);
    assert_eq!(found, []);
    let (_, found) = compare(Some(base), &with(5 * SECOND, "r2", "8", "Successful"), &Ours::default());
    assert_eq!(found, [], "once ours, ever ours");
}

#[test]
fn every_setting_is_told_in_words_of_its_own() {
    let mut other = group(3, 9);
    other.min = 2;
    other.launch = LaunchSource::Configuration { name: "lc".into() };
    other.health_check_type = "EC2".into();
    other.grace_seconds = 1;
    other.default_warmup_seconds = Some(5);
    other.zones = vec!["b".into()];
    other.target_group_arns = vec![];
    other.suspended = vec!["Launch".into()];
    other.maintenance = Some(MaintenancePolicy { min_healthy: 90, max_healthy: 120 });
    other.max_instance_lifetime = Some(86_400);
    other.protects_new = true;
    let mut obs = look(SECOND, other, &[]);
    obs.policies = Some([("p".to_owned(), "TargetTracking at 50".to_owned())].into());
    let (_, found) = compare(Some(first(&look(0, group(2, 4), &[]))), &obs, &Ours::default());
    let told: BTreeSet<String> = found.iter().map(Sighting::sentence).collect();
    assert_eq!(told.len(), 14, "{told:#?}");
    assert!(told.iter().all(|s| !s.contains('/')), "{told:#?}");
}
