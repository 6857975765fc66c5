//! Timings of one instance, and the undocumented choices that no other test turns (aws-reference 14).

use serde_json::Value;

use crate::client::{ASG, World, world_with};

const QUICK: [(&str, &str); 3] =
    [("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "200"), ("Preferences.InstanceWarmup", "30")];

fn one(w: &World, id: &str) -> Option<Value> {
    let snapshot = w.handle.snapshot();
    snapshot["instances"].as_array().cloned().unwrap_or_default().into_iter().find(|i| i["id"] == id)
}

/// Steps second by second until it holds; the seconds it took.
fn until(w: &World, limit: i64, holds: impl Fn() -> bool) -> i64 {
    for seconds in 0..limit {
        if holds() {
            return seconds;
        }
        w.handle.advance(1.0);
    }
    panic!("not within {limit} s");
}

#[tokio::test]
async fn an_instance_takes_the_times_of_section_fourteen() {
    let w = world_with(7, |_| {}).await;
    let before: Vec<Value> = w.truth().iter().map(|i| i["id"].clone()).collect();
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let fresh = || w.truth().into_iter().find(|i| !before.contains(&i["id"]));
    let acted = until(&w, 60, || fresh().is_some());
    assert!((5..=30).contains(&acted), "the group acts after {acted} s");
    let id = fresh().expect("launched")["id"].as_str().unwrap_or_default().to_owned();
    let running = until(&w, 60, || one(&w, &id).is_some_and(|i| i["ec2"] == "running"));
    assert!((9..=31).contains(&running), "pending to running: {running} s");
    let serving = until(&w, 60, || one(&w, &id).is_some_and(|i| i["lifecycle"] == "InService"));
    assert!((4..=21).contains(&serving), "running to InService: {serving} s");
    let mut checks = serving;
    while !w.ec2("DescribeInstanceStatus", &[("InstanceId.1", &id)]).await.body.contains("<status>passed</status>") {
        w.handle.advance(1.0);
        checks += 1;
        assert!(checks < 200, "status checks never passed");
    }
    assert!((119..=181).contains(&checks), "running to checks passed: {checks} s");

    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "2")]).await;
    let leaving = || w.handle.snapshot()["instances"].as_array().cloned().unwrap_or_default().into_iter().find(|i| i["ec2"] == "shutting-down");
    until(&w, 600, || leaving().is_some());
    let gone = leaving().expect("shutting down")["id"].as_str().unwrap_or_default().to_owned();
    let ended = until(&w, 90, || one(&w, &gone).is_some_and(|i| i["ec2"] == "terminated"));
    assert!((19..=61).contains(&ended), "shutting-down to terminated: {ended} s");
    w.handle.advance(3500.0);
    assert!(w.ec2("DescribeInstances", &[("InstanceId.1", &gone)]).await.body.contains("terminated"), "shown for an hour");
    w.handle.advance(200.0);
    w.ec2("DescribeInstances", &[("InstanceId.1", &gone)]).await.refused(400, "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn health_check_type_is_echoed_with_or_without_ec2() {
    for (both, shown) in [(true, "EC2,ELB"), (false, "ELB")] {
        let w = world_with(7, |s| s.params.as_mut().expect("set").echo_ec2_health = both).await;
        assert_eq!(w.describe_group().await.one("HealthCheckType"), shown);
    }
}

#[tokio::test]
async fn an_instance_leaves_the_list_when_it_shuts_down_or_when_it_has_ended() {
    for at_shutdown in [true, false] {
        let w = world_with(7, |s| s.params.as_mut().expect("set").leaves_group_at_shutdown = at_shutdown).await;
        let victim = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
        w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &victim), ("ShouldDecrementDesiredCapacity", "false")]).await;
        until(&w, 200, || one(&w, &victim).is_some_and(|i| i["ec2"] == "shutting-down"));
        assert_eq!(w.describe_group().await.body.contains(&victim), !at_shutdown);
        until(&w, 90, || one(&w, &victim).is_some_and(|i| i["ec2"] == "terminated"));
        assert!(!w.describe_group().await.body.contains(&victim), "gone at the latest now");
    }
}

#[tokio::test]
async fn a_refresh_asks_the_load_balancer_within_grace_or_not() {
    for asks in [true, false] {
        let w = world_with(7, |s| s.params.as_mut().expect("set").refresh_asks_elb_in_grace = asks).await;
        let version = w.version_of("v3").await;
        w.start(&version, &QUICK).await;
        w.handle.advance(250.0);
        let got = w.asg("DescribeInstanceRefreshes", &[("AutoScalingGroupName", ASG)]).await;
        assert_eq!(got.one("Status") == "Successful", !asks, "within grace a bad image counts as good where nobody asks: {}", got.body);
    }
}
