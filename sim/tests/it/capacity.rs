//! Capacity, zones, schedules, standby, hooks (aws-reference 3, 4).

use crate::client::{ASG, world};

#[tokio::test]
async fn scaling_keeps_the_zones_balanced() {
    let w = world().await;
    for desired in ["7", "4", "9", "2"] {
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", desired)]).await;
        w.handle.advance(300.0);
        let zones: Vec<String> = w.truth().iter().filter(|i| i["lifecycle"] == "InService").map(|i| i["az"].to_string()).collect();
        assert_eq!(zones.len().to_string(), desired);
        let a = zones.iter().filter(|z| z.contains("1a")).count() as i64;
        assert!((a - (zones.len() as i64 - a)).abs() <= 1, "{zones:?}");
    }
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("a user request explicitly set group desired capacity changing the desired capacity from 2 to 7."));
}

#[tokio::test]
async fn terminating_one_with_and_without_replacement() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "1")]).await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let params = [("InstanceId", id.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
    let got = w.asg("TerminateInstanceInAutoScalingGroup", &params).await;
    assert!(got.one("Description").starts_with("Terminating EC2 instance: i-"));
    w.handle.advance(300.0);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "1");
    assert_eq!(w.truth().len(), 1);
    let last = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let params = [("InstanceId", last.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
    w.asg("TerminateInstanceInAutoScalingGroup", &params).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn min_and_max_pull_desired_along() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "3")]).await;
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "3");
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "1"), ("MaxSize", "1")]).await;
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "1");
    w.handle.advance(400.0);
    assert_eq!(w.truth().len(), 1);
}

#[tokio::test]
async fn launch_waits_while_suspended_or_out_of_capacity() {
    let w = world().await;
    for zone in ["ap-south-1a", "ap-south-1b"] {
        assert_eq!(w.control("POST", "capacity", serde_json::json!({"az": zone, "instances": 0})).await.status, 200);
    }
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(120.0);
    assert_eq!(w.truth().len(), 2);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.all("StatusCode").contains(&"Failed".to_owned()));
    assert!(got.body.contains("We currently do not have sufficient t3.micro capacity in the Availability Zone you requested (ap-south-1"));
    w.control("POST", "capacity", serde_json::json!({"az": "ap-south-1b", "instances": 5})).await;
    w.handle.advance(200.0);
    assert_eq!(w.truth().len(), 3);
}

#[tokio::test]
async fn scheduled_action_runs_once_and_vanishes() {
    let w = world().await;
    let params = [("ScheduledActionName", "up"), ("StartTime", "2026-01-05T10:00:00Z"), ("DesiredCapacity", "4")];
    w.on_group("PutScheduledUpdateGroupAction", &params).await;
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.one("ScheduledActionName"), "up");
    w.handle.advance(3590.0);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    w.handle.advance(140.0);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "4");
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.one("ScheduledActionName"), "");
    let past = [("AutoScalingGroupName", ASG), ("ScheduledActionName", "x"), ("StartTime", "2026-01-05T08:00:00Z"), ("MinSize", "1")];
    w.asg("PutScheduledUpdateGroupAction", &past).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn standby_leaves_and_comes_back() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "1")]).await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.on_group("EnterStandby", &[("InstanceIds.member.1", &id), ("ShouldDecrementDesiredCapacity", "true")]).await;
    w.handle.advance(70.0);
    assert!(w.truth().iter().any(|i| i["id"] == id && i["lifecycle"] == "Standby"));
    assert_eq!(w.targets().await.len(), 1);
    w.on_group("ExitStandby", &[("InstanceIds.member.1", &id)]).await;
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    w.handle.advance(120.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn launch_hook_holds_the_instance() {
    let w = world().await;
    let hook = [("LifecycleHookName", "warm"), ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"), ("HeartbeatTimeout", "600")];
    w.on_group("PutLifecycleHook", &hook).await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(120.0);
    let waiting = w.truth().into_iter().find(|i| i["lifecycle"] == "Pending:Wait").expect("waits");
    let id = waiting["id"].as_str().unwrap_or_default().to_owned();
    w.on_group("CompleteLifecycleAction", &[("LifecycleHookName", "warm"), ("LifecycleActionResult", "CONTINUE"), ("InstanceId", &id)]).await;
    w.handle.advance(5.0);
    assert!(w.truth().iter().any(|i| i["id"] == id && i["lifecycle"] == "InService"));
}

#[tokio::test]
async fn a_created_group_fills_itself() {
    let w = world().await;
    let snapshot = w.handle.snapshot();
    assert!(snapshot["params"]["boot"]["min"].is_number());
    let subnets = w.ec2("DescribeSubnets", &[]).await.all("subnetId").join(",");
    let params = [
        ("AutoScalingGroupName", "fresh"),
        ("MinSize", "1"),
        ("MaxSize", "3"),
        ("DesiredCapacity", "2"),
        ("VPCZoneIdentifier", subnets.as_str()),
        ("LaunchTemplate.LaunchTemplateName", "stateless-app-template"),
    ];
    assert_eq!(w.asg("CreateAutoScalingGroup", &params).await.status, 200);
    w.asg("CreateAutoScalingGroup", &params).await.refused(400, "AlreadyExists");
    w.handle.advance(120.0);
    let got = w.asg("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", "fresh")]).await;
    assert_eq!(got.all("LifecycleState"), ["InService", "InService"]);
    assert_eq!(got.one("HealthCheckGracePeriod"), "0");
    assert!(got.body.contains("<Version>$Default</Version>"));
}

/// The account's quota of instances: what is above it fails and is tried again.
#[tokio::test]
async fn a_launch_beyond_the_quota_fails() {
    let w = crate::client::world_with(7, |s| {
        if let Some(p) = &mut s.params {
            p.instance_limit = 6;
        }
    })
    .await;
    let all = || w.handle.snapshot()["instances"].as_array().map_or(0, |rows| rows.iter().filter(|i| i["ec2"] == "running").count());
    let room = 6 - all();
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "9")]).await;
    w.handle.advance(300.0);
    assert_eq!((all(), w.truth().len()), (6, 2 + room));
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("You have requested more instances (7) than your current instance limit of 6 allows for the specified instance type."));
    // Where one goes, another may come.
    let id = w.handle.snapshot()["instances"].as_array().into_iter().flatten().find(|i| i["group"] == "stateless-app-staging-asg").cloned();
    w.handle.kill(id.expect("staging has one")["id"].as_str().unwrap_or_default()).expect("known");
    w.handle.advance(300.0);
    assert_eq!(all(), 6);
}
