//! Target health and replacement (aws-reference 4.3, 6).

use crate::client::{runs, world, world_with};

#[tokio::test]
async fn sick_instance_is_replaced_after_grace_and_poll() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.handle.sicken(&id).expect("known");
    w.handle.advance(55.0);
    assert_eq!(w.truth()[0]["health"], "Healthy", "three failed checks take at least a minute");
    w.handle.advance(120.0);
    assert!(w.truth().iter().any(|i| i["id"] == id && i["lifecycle"] == "Terminating"));
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("in response to an ELB system health check failure."));
    assert!(got.body.contains("in response to an unhealthy instance needing to be replaced."));
    w.handle.advance(600.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert!(!w.truth().iter().any(|i| i["id"] == id));
}

#[tokio::test]
async fn grace_hides_the_load_balancer() {
    let w = world().await;
    let version = w.version_of("v3").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "600")]).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(60.0);
    let id = w.truth().into_iter().find(|i| i["template_version"] == 2).expect("launched")["id"].clone();
    let find = || w.truth().into_iter().find(|i| i["id"] == id).unwrap_or_default();
    let (mut served, mut failing) = (0, 0);
    while find()["lifecycle"] != "Terminating" {
        served += i64::from(find()["lifecycle"] == "InService") * 5;
        failing += i64::from(find()["targets"][0]["reason"] == "Target.ResponseCodeMismatch") * 5;
        assert!(served < 500);
        w.handle.advance(5.0);
    }
    assert!((270..=370).contains(&served), "{served}");
    assert!(failing >= 100, "{failing}");
}

#[tokio::test]
async fn health_check_and_replacement_obey_suspension() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "ReplaceUnhealthy")]).await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.handle.sicken(&id).expect("known");
    w.handle.advance(600.0);
    assert_eq!(w.truth()[0]["health"], "Unhealthy");
    assert_eq!(w.truth()[0]["lifecycle"], "InService");
    w.on_group("ResumeProcesses", &[]).await;
    w.handle.advance(5.0);
    assert!(w.truth().iter().any(|i| i["id"] == id && i["lifecycle"] == "Terminating"));
}

#[tokio::test]
async fn killed_instance_is_replaced_within_grace() {
    let w = world_with(7, |s| s.groups[0].grace = 7200).await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.handle.kill(&id).expect("known");
    w.handle.advance(400.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert!(!w.truth().iter().any(|i| i["id"] == id));
    let got = w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert!(got.body.contains("<name>terminated</name>"));
    w.handle.advance(3700.0);
    w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await.refused(400, "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn draining_lasts_the_whole_delay() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let params = [("InstanceId", id.as_str()), ("ShouldDecrementDesiredCapacity", "false")];
    assert_eq!(w.asg("TerminateInstanceInAutoScalingGroup", &params).await.status, 200);
    w.handle.advance(59.0);
    assert!(w.targets().await.contains(&"draining".to_owned()));
    w.handle.advance(2.0);
    assert!(!w.targets().await.contains(&"draining".to_owned()));
    let got = w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert!(got.body.contains("<name>shutting-down</name>"), "EC2 goes only after the drain");
}

#[tokio::test]
async fn in_service_comes_before_healthy_and_slow_boot_is_slow() {
    let w = world().await;
    let answer = w
        .control("POST", "images", serde_json::json!({"repository": "stateless-app", "tag": "slow", "behaviour": "slow_boot", "boot_seconds": 240}))
        .await;
    assert!(answer.json()["digest"].as_str().is_some_and(|d| d.starts_with("sha256:")));
    let version = w.version_of("slow").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "300")]).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(200.0);
    let new = w.truth().into_iter().find(|i| runs(i, &version)).unwrap_or_default();
    assert_eq!(new["lifecycle"], "InService");
    assert_eq!(new["health"], "Healthy");
    assert_ne!(new["targets"][0]["state"], "healthy");
    w.handle.advance(130.0);
    let id = new["id"].clone();
    let new = w.truth().into_iter().find(|i| i["id"] == id).unwrap_or_default();
    assert_eq!(new["targets"][0]["state"], "healthy");
    w.until(&["Successful"], 1500).await;
}

#[tokio::test]
async fn crashing_and_flaky_images() {
    let w = world().await;
    w.control("POST", "images", serde_json::json!({"repository": "stateless-app", "tag": "crash", "behaviour": "crash_after:120"})).await;
    let version = w.version_of("crash").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "900"), ("Preferences.MinHealthyPercentage", "0")]).await;
    let mut seen = Vec::new();
    for _ in 0..100 {
        w.handle.advance(5.0);
        seen.extend(w.truth().iter().filter(|i| runs(i, &version)).map(|i| i["targets"][0]["state"].to_string()));
    }
    let healthy = seen.iter().position(|s| s == "\"healthy\"").expect("was healthy");
    assert!(seen[healthy..].iter().any(|s| s == "\"unhealthy\""), "and fell ill again");
    let bad = w.control("POST", "images", serde_json::json!({"repository": "stateless-app", "tag": "x", "behaviour": "odd"})).await;
    assert_eq!(bad.status, 400);
    assert!(bad.json()["error"].as_str().is_some_and(|e| e.starts_with("behaviour")));
}

/// `heal` ends what `sicken` began, and only that.
#[tokio::test]
async fn a_healed_instance_answers_again() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "HealthCheck")]).await;
    assert_eq!(w.control("POST", &format!("instances/{id}/sicken"), serde_json::json!({})).await.status, 200);
    w.handle.advance(120.0);
    assert_eq!(w.targets().await, ["healthy", "unhealthy"]);
    assert_eq!(w.control("POST", &format!("instances/{id}/heal"), serde_json::json!({})).await.status, 200);
    // Two passes in a row, 30 seconds apart.
    w.handle.advance(29.0);
    assert_eq!(w.targets().await, ["healthy", "unhealthy"]);
    w.handle.advance(35.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert_eq!(w.truth().iter().find(|i| i["id"] == id.as_str()).map(|i| i["sick"].clone()), Some(false.into()));
}

fn find(w: &crate::client::World, id: &str) -> serde_json::Value {
    w.truth().into_iter().find(|i| i["id"] == id).unwrap_or_default()
}

#[tokio::test]
async fn a_terminated_instance_is_replaced_at_unchanged_desired_capacity() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.handle.kill(&id).expect("known");
    let desired = async || w.describe_group().await.one("DesiredCapacity");
    let mut seconds = 0;
    while !w.truth().iter().any(|i| i["lifecycle"] == "Pending") {
        assert_eq!(desired().await, "2");
        w.handle.advance(1.0);
        seconds += 1;
        assert!(seconds <= 61, "the group sees it within a minute");
    }
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    let causes = got.all("Cause").join("\n");
    assert!(causes.contains("in response to an EC2 health check that indicated it had been terminated or stopped."), "{causes}");
    assert!(causes.contains("an instance was launched in response to an unhealthy instance needing to be replaced."), "{causes}");
    w.handle.advance(240.0);
    assert_eq!((desired().await, w.targets().await), ("2".into(), vec!["healthy".into(), "healthy".into()]));
    assert!(!w.truth().iter().any(|i| i["id"] == id.as_str()));
}

/// An instance falls ill: its target turns unhealthy and leaves rotation, then the group sees it, then it is replaced,
/// then the new one is in rotation. Each gap lies inside the ranges of aws-reference 14.
#[tokio::test]
async fn the_order_of_self_healing() {
    for seed in 0..6 {
        let w = world_with(seed, |_| {}).await;
        let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
        w.handle.sicken(&id).expect("known");
        let (mut unhealthy, mut marked, mut leaving, mut launched, mut in_service, mut rotation) = (0, 0, 0, 0, 0, 0);
        for second in 1..900 {
            w.handle.advance(1.0);
            let note = |at: &mut i64, holds: bool| *at = if *at == 0 && holds { second } else { *at };
            let truth = w.truth();
            let row = truth.iter().find(|i| i["id"] == id.as_str()).cloned().unwrap_or_default();
            let new = truth.into_iter().find(|i| i["launched_at"].as_str().is_some_and(|t| t >= "2026-01-05T09")).unwrap_or_default();
            note(&mut unhealthy, row["targets"][0]["state"] == "unhealthy");
            note(&mut marked, row["health"] == "Unhealthy");
            note(&mut leaving, row["lifecycle"] == "Terminating");
            note(&mut launched, new["lifecycle"] == "Pending");
            note(&mut in_service, new["lifecycle"] == "InService");
            note(&mut rotation, new["targets"][0]["state"] == "healthy");
            if second == unhealthy {
                assert_eq!(row["health"], "Healthy", "the load balancer knows before the group does");
                assert_eq!(w.targets().await, ["healthy", "unhealthy"]);
            }
            if rotation > 0 && leaving > 0 {
                break;
            }
        }
        let said = format!("seed {seed}: {unhealthy} {marked} {leaving} {launched} {in_service} {rotation}");
        // Three failed checks of 30 seconds each.
        assert!((60..=91).contains(&unhealthy), "{said}");
        // The group acts within a minute.
        assert!((20..=60).contains(&(marked - unhealthy)), "{said}");
        assert!(leaving >= marked && leaving - marked <= 1 && launched - marked <= 1, "the replacement is launched beside the drain: {said}");
        // pending to running 10-30, running to InService 5-20.
        assert!((15..=50).contains(&(in_service - launched)), "{said}");
        // The application listens 60-120 seconds after running, the next check follows within 30; a target that has failed
        // three checks by then needs two that pass.
        assert!((45..=176).contains(&(rotation - in_service)), "{said}");
    }
}

#[tokio::test]
async fn set_instance_health_respects_the_grace_period_unless_told_otherwise() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(100.0);
    let young = w.truth().last().map(|i| i["id"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
    let sick = async |respect: &str| {
        w.asg("SetInstanceHealth", &[("InstanceId", &young), ("HealthStatus", "Unhealthy"), ("ShouldRespectGracePeriod", respect)]).await
    };
    assert_eq!(sick("true").await.status, 200);
    w.handle.advance(30.0);
    assert_eq!((find(&w, &young)["health"].clone(), find(&w, &young)["lifecycle"].clone()), ("Healthy".into(), "InService".into()));
    // Without HealthCheck nothing is marked by itself, but this is no check.
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "HealthCheck")]).await;
    assert_eq!(sick("false").await.status, 200);
    assert_eq!(find(&w, &young)["lifecycle"], "Terminating");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("in response to a user health-check."));
    w.asg("SetInstanceHealth", &[("InstanceId", &young), ("HealthStatus", "Odd")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn a_failing_status_check_counts_after_some_minutes() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let other = w.truth()[1]["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(w.control("POST", &format!("instances/{id}/impair"), serde_json::json!({})).await.status, 200);
    // One that passes again before it counts is left alone.
    assert_eq!(w.control("POST", &format!("instances/{other}/impair"), serde_json::json!({"seconds": 90})).await.status, 200);
    let status = w.ec2("DescribeInstanceStatus", &[("InstanceId.1", &id)]).await;
    assert!(status.one("instanceStatus").contains("<status>impaired</status>"), "{}", status.body);
    assert!(status.one("systemStatus").contains("<status>ok</status>"));
    let mut seconds = 0;
    while find(&w, &id)["health"] == "Healthy" {
        w.handle.advance(5.0);
        seconds += 5;
        assert!(seconds < 400);
    }
    assert!((140..=365).contains(&seconds), "{seconds}");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("in response to an EC2 instance status check failure."));
    w.handle.advance(600.0);
    assert_eq!(find(&w, &other)["health"], "Healthy");
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert_eq!(w.control("POST", "instances/i-0/impair", serde_json::json!({})).await.status, 404);
    assert_eq!(w.control("POST", &format!("instances/{other}/impair"), serde_json::json!({"seconds": 0})).await.status, 400);
}

#[tokio::test]
async fn grace_hides_a_failing_status_check() {
    let w = world_with(7, |s| s.groups[0].grace = 900).await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(60.0);
    let young = w.truth().last().map(|i| i["id"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
    w.handle.impair(&young, None).expect("known");
    w.handle.advance(840.0);
    assert_eq!(find(&w, &young)["health"], "Healthy");
    w.handle.advance(120.0);
    assert_eq!(find(&w, &young)["lifecycle"], "Terminating");
}

#[tokio::test]
async fn the_unhealthy_are_replaced_a_tenth_at_a_time() {
    let w = world_with(7, |s| {
        s.groups[0].desired = 10;
        s.groups[0].max = 20;
    })
    .await;
    for i in w.truth().iter().take(4) {
        w.handle.sicken(i["id"].as_str().unwrap_or_default()).expect("known");
    }
    let mut least = 10;
    for _ in 0..360 {
        least = least.min(w.truth().iter().filter(|i| i["lifecycle"] == "InService").count());
        w.handle.advance(5.0);
    }
    assert_eq!(least, 9, "one out of ten at a time");
    assert_eq!(w.targets().await, vec!["healthy"; 10]);
}

#[tokio::test]
async fn where_all_fail_at_once_fewer_are_marked_if_the_world_says_so() {
    for fewer in [true, false] {
        let w = world_with(7, |s| {
            if let Some(p) = &mut s.params {
                p.all_unhealthy_marks_fewer = fewer;
            }
        })
        .await;
        w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "ReplaceUnhealthy")]).await;
        for i in w.truth() {
            w.handle.sicken(i["id"].as_str().unwrap_or_default()).expect("known");
        }
        w.handle.advance(600.0);
        assert_eq!(w.truth().iter().filter(|i| i["health"] == "Unhealthy").count(), if fewer { 1 } else { 2 });
    }
}
