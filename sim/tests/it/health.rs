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
