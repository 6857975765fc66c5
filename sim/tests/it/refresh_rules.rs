//! The rules of an instance refresh one by one (aws-reference 5.1 to 5.3).

use serde_json::{Value, json};

use crate::client::{ASG, TEMPLATE, World, runs, world, world_with};

const QUICK: [(&str, &str); 3] =
    [("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "200"), ("Preferences.InstanceWarmup", "30")];

fn serving(w: &World) -> usize {
    w.truth().iter().filter(|i| i["lifecycle"] == "InService").count()
}

/// Steps to the end of the newest refresh; fewest in service and most present on the way.
async fn watch(w: &World, limit: i64) -> (usize, usize, i64) {
    let (mut fewest, mut most, mut seconds) = (usize::MAX, 0, 0);
    while w.refreshes().await.one("Status") != "Successful" {
        let truth = w.truth();
        let count = |lifecycle: &str| truth.iter().filter(|i| i["lifecycle"] == lifecycle).count();
        fewest = fewest.min(count("InService"));
        most = most.max(count("InService") + count("Pending"));
        // Shorter than any step of an instance.
        w.handle.advance(4.0);
        seconds += 4;
        assert!(seconds < limit, "{}", w.refreshes().await.body);
    }
    (fewest, most, seconds)
}

/// Sets desired capacity and waits until it is there and healthy.
async fn grow(w: &World, desired: &str) {
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", desired)]).await;
    w.handle.advance(600.0);
    assert_eq!(serving(w).to_string(), desired);
}

async fn protect(w: &World, instance: &str) {
    w.on_group("SetInstanceProtection", &[("InstanceIds.member.1", instance), ("ProtectedFromScaleIn", "true")]).await;
}

fn id(instance: &Value) -> String {
    instance["id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn zero_percent_takes_every_instance_at_once() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.MinHealthyPercentage", "0"), ("Preferences.MaxHealthyPercentage", "100")]).await;
    let (fewest, _, _) = watch(&w, 900).await;
    assert_eq!(fewest, 0, "an outage");
}

#[tokio::test]
async fn hundred_to_hundred_launches_one_above_desired() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(
        &version,
        &[("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "100"), ("Preferences.InstanceWarmup", "30")],
    )
    .await;
    let (fewest, most, _) = watch(&w, 900).await;
    assert_eq!((fewest, most), (2, 3), "one swap at a time, never below desired");
}

#[tokio::test]
async fn the_healthy_share_is_rounded_up() {
    let w = world().await;
    grow(&w, "3").await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.MinHealthyPercentage", "50"), ("Preferences.InstanceWarmup", "30")]).await;
    let (fewest, _, _) = watch(&w, 1500).await;
    assert_eq!(fewest, 2, "ceil(3 x 50 %)");
}

#[tokio::test]
async fn the_next_batch_waits_for_the_warmup() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "240")]).await;
    let mut since = None;
    for _ in 0..1200 {
        let new = w.truth().iter().filter(|i| runs(i, &version) && i["lifecycle"] == "InService").count();
        let leaving = w.truth().iter().filter(|i| i["template_version"] == 1 && i["lifecycle"] != "InService").count();
        if new == 1 && since.is_none() {
            since = Some(0);
        }
        if let Some(s) = since.as_mut() {
            *s += 1;
            assert_eq!(w.refreshes().await.one("PercentageComplete"), if *s <= 240 { "0" } else { "50" }, "after {s} s");
            if leaving == 2 || serving(&w) == 1 && *s > 240 {
                assert!(*s >= 240, "{s}");
                return;
            }
        }
        w.handle.advance(1.0);
    }
    panic!("the second batch never came");
}

#[tokio::test]
async fn small_groups_skip_checkpoints() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let prefs = [
        ("Preferences.CheckpointPercentages.member.1", "10"),
        ("Preferences.CheckpointPercentages.member.2", "40"),
        ("Preferences.CheckpointPercentages.member.3", "100"),
        ("Preferences.CheckpointDelay", "1200"),
        ("Preferences.InstanceWarmup", "30"),
    ];
    w.start(&version, &prefs).await;
    let (_, _, seconds) = watch(&w, 4000).await;
    assert!((1200..2400).contains(&seconds), "one stop, not two: {seconds}");
}

#[tokio::test]
async fn a_checkpoint_lasts_an_hour_unless_told() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.CheckpointPercentages.member.1", "50"), ("Preferences.CheckpointPercentages.member.2", "100")]).await;
    assert_eq!(w.refreshes().await.one("CheckpointDelay"), "3600");
    let (_, _, seconds) = watch(&w, 6000).await;
    assert!(seconds >= 3600, "{seconds}");
}

#[tokio::test]
async fn ignored_protected_instances_stay() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let kept = id(&w.truth()[0]);
    protect(&w, &kept).await;
    w.start(&version, &[("Preferences.ScaleInProtectedInstances", "Ignore"), ("Preferences.InstanceWarmup", "30")]).await;
    watch(&w, 1500).await;
    let stays = w.truth().into_iter().find(|i| id(i) == kept).expect("it stays");
    assert_eq!((&stays["template_version"], &stays["lifecycle"]), (&json!(1), &json!("InService")));
    assert_eq!(w.truth().iter().filter(|i| runs(i, &version) && i["lifecycle"] == "InService").count(), 1);
}

#[tokio::test]
async fn standby_instances_are_waited_for_ignored_or_terminated() {
    for (preference, status) in [("Ignore", "Successful"), ("Terminate", "Successful"), ("Wait", "Failed")] {
        let w = world().await;
        let version = w.version_of("v4").await;
        let aside = id(&w.truth()[0]);
        w.on_group("EnterStandby", &[("InstanceIds.member.1", &aside), ("ShouldDecrementDesiredCapacity", "false")]).await;
        w.handle.advance(600.0);
        w.start(&version, &[("Preferences.StandbyInstances", preference), ("Preferences.InstanceWarmup", "30")]).await;
        w.until(&[status], 6000).await;
        let there = w.truth().iter().any(|i| id(i) == aside && i["lifecycle"] == "Standby");
        assert_eq!(there, preference != "Terminate", "{preference}");
    }
}

#[tokio::test]
async fn launch_failures_are_retried_for_an_hour_and_stand_in_the_activities() {
    let w = world().await;
    let version = w.version_of("v4").await;
    for zone in ["ap-south-1a", "ap-south-1b"] {
        w.control("POST", "capacity", json!({"az": zone, "instances": 0})).await;
    }
    w.start(&version, &QUICK).await;
    let (_, seconds) = w.until(&["Failed"], 4000).await;
    assert!((3600..3700).contains(&seconds), "{seconds}");
    let activities = w.on_group("DescribeScalingActivities", &[]).await;
    let failed = activities.all("StatusMessage").iter().filter(|m| m.contains("sufficient t3.micro capacity")).count();
    assert!(failed > 20, "{failed}");
    assert_eq!(serving(&w), 2, "launch first: nothing old went");
}

#[tokio::test]
async fn a_bad_instance_is_replaced_by_the_same_version_until_the_hour_is_over() {
    let w = world().await;
    let version = w.version_of("v3").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "600")]).await;
    let mut launched = std::collections::BTreeSet::new();
    while w.refreshes().await.one("Status") != "Failed" {
        launched.extend(w.truth().iter().filter(|i| runs(i, &version)).map(id));
        w.handle.advance(10.0);
    }
    assert!(launched.len() >= 3, "{launched:?}");
    assert!(w.truth().iter().any(|i| i["template_version"] == 1 && i["lifecycle"] == "InService"), "old ones beyond Min are not touched");
    let (_, end) = (w.refreshes().await.one("Status"), w.refreshes().await.one("EndTime"));
    assert!(!end.is_empty(), "an end has a time");
}

#[tokio::test]
async fn updating_the_group_first_destroys_the_rollback_target() {
    let w = world().await;
    let version = w.version_of("v3").await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    w.start(&version, &[("Preferences.InstanceWarmup", "300")]).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(120.0);
    w.on_group("RollbackInstanceRefresh", &[]).await;
    w.until(&["RollbackSuccessful", "RollbackFailed"], 9000).await;
    assert_eq!(w.group_version().await, version, "it returns to what the group has now");
}

#[tokio::test]
async fn after_successful_there_is_nothing_to_roll_back() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &QUICK).await;
    w.until(&["Successful"], 900).await;
    w.asg("RollbackInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await.refused(400, "ActiveInstanceRefreshNotFound");
}

#[tokio::test]
async fn an_ssm_alias_cannot_be_rolled_back() {
    let w = world().await;
    let alias = [
        ("LaunchTemplateName", TEMPLATE),
        ("SourceVersion", "1"),
        ("LaunchTemplateData.ImageId", "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"),
    ];
    let version = w.ec2("CreateLaunchTemplateVersion", &alias).await.one("versionNumber");
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    let next = w.version_of("v4").await;
    w.start(&next, &QUICK).await;
    w.asg("RollbackInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await.refused(400, "IrreversibleInstanceRefresh");
    w.until(&["Successful"], 900).await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    let automatic = [
        ("AutoScalingGroupName", ASG),
        ("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", TEMPLATE),
        ("DesiredConfiguration.LaunchTemplate.Version", next.as_str()),
        ("Preferences.AutoRollback", "true"),
    ];
    w.asg("StartInstanceRefresh", &automatic).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn fourteen_days_are_the_end() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &QUICK).await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "InstanceRefresh")]).await;
    w.handle.advance(14.0 * 86_400.0 - 60.0);
    assert_eq!(w.refreshes().await.one("Status"), "InProgress", "suspended, it waits beyond the hour");
    w.handle.advance(180.0);
    assert_eq!(w.refreshes().await.one("Status"), "Failed");
}

#[tokio::test]
async fn an_abandoned_launch_hook_is_a_failed_launch() {
    let w = world().await;
    let hook = [
        ("LifecycleHookName", "check"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("HeartbeatTimeout", "60"),
        ("DefaultResult", "ABANDON"),
    ];
    w.on_group("PutLifecycleHook", &hook).await;
    let version = w.version_of("v4").await;
    w.start(&version, &QUICK).await;
    let (_, seconds) = w.until(&["Failed"], 4000).await;
    assert!(seconds >= 3600, "{seconds}");
    assert!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").all(|i| i["template_version"] == 1));
}

#[tokio::test]
async fn matching_is_by_version_and_type_not_by_what_user_data_pulls() {
    let w = world().await;
    // The moving tag of the group's own user data goes to another image: the version is the same, so everything matches.
    w.control("POST", "images", json!({"repository": "stateless-app", "tag": "latest", "behaviour": "ok"})).await;
    w.start("1", &[("Preferences.SkipMatching", "true")]).await;
    w.until(&["Successful"], 120).await;
    assert!(w.truth().iter().all(|i| i["generation"].is_null()));
    // Another version with the very same content does not match.
    let same = [("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1")];
    let mut with = same.to_vec();
    with.push(("LaunchTemplateData.InstanceType", "t3.micro"));
    let version = w.ec2("CreateLaunchTemplateVersion", &with).await.one("versionNumber");
    w.start(&version, &[("Preferences.SkipMatching", "true"), ("Preferences.InstanceWarmup", "30")]).await;
    w.until(&["Successful"], 900).await;
    assert!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").all(|i| runs(i, &version)));
}

#[tokio::test]
async fn matching_instances_are_replaced_unless_told_to_skip() {
    let w = world().await;
    let before: Vec<String> = w.truth().iter().map(id).collect();
    w.start("1", &[("Preferences.InstanceWarmup", "30")]).await;
    assert_eq!(w.refreshes().await.one("SkipMatching"), "false");
    w.until(&["Successful"], 1500).await;
    assert!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").all(|i| !before.contains(&id(i))));
}

#[tokio::test]
async fn cancel_without_waiting_is_cancelled_at_once() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[]).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(10.0);
    w.on_group("CancelInstanceRefresh", &[("WaitForTransitioningInstances", "false")]).await;
    assert_eq!(w.refreshes().await.one("Status"), "Cancelled");
}

#[tokio::test]
async fn a_running_rollback_can_be_cancelled() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.BakeTime", "3600"), ("Preferences.InstanceWarmup", "30")]).await;
    w.until(&["Baking"], 900).await;
    w.on_group("RollbackInstanceRefresh", &[]).await;
    w.handle.advance(5.0);
    w.on_group("CancelInstanceRefresh", &[]).await;
    w.until(&["Cancelled"], 600).await;
    assert_eq!(w.group_version().await, "1");
}

#[tokio::test]
async fn a_rollback_tells_why_since_when_and_from_where() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "30"), ("Preferences.BakeTime", "600")]).await;
    w.until(&["Baking"], 900).await;
    assert_eq!(w.refreshes().await.one("PercentageComplete"), "100");
    w.on_group("RollbackInstanceRefresh", &[]).await;
    let got = w.refreshes().await;
    assert_eq!((got.one("PercentageCompleteOnRollback"), got.one("InstancesToUpdateOnRollback")), ("100".into(), "0".into()));
    assert!(!got.one("RollbackReason").is_empty() && !got.one("RollbackStartTime").is_empty());
    w.until(&["RollbackSuccessful"], 1500).await;
    assert_eq!(w.refreshes().await.one("PercentageComplete"), "0", "it falls back to nothing");
}

#[tokio::test]
async fn without_a_desired_configuration_the_group_s_own_is_used() {
    let w = world().await;
    let before: Vec<String> = w.truth().iter().map(id).collect();
    w.on_group("StartInstanceRefresh", &[("Preferences.InstanceWarmup", "30")]).await;
    w.until(&["Successful"], 1500).await;
    let after = w.truth();
    assert!(after.iter().filter(|i| i["lifecycle"] == "InService").all(|i| i["template_version"] == 1 && !before.contains(&id(i))));
}

#[tokio::test]
async fn oldest_configuration_goes_first_and_zones_stay_balanced() {
    let w = world().await;
    // A version between on one instance of two, and then a new instance of the old version: the oldest configuration is the
    // younger one's.
    let middle = w.version_of("v4").await;
    w.start(&middle, &[("Preferences.CheckpointPercentages.member.1", "50"), ("Preferences.InstanceWarmup", "30")]).await;
    w.until(&["Successful"], 900).await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", "1")]).await;
    let old = w.truth().into_iter().find(|i| runs(i, "1") && i["lifecycle"] == "InService").expect("one of two");
    w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &id(&old)), ("ShouldDecrementDesiredCapacity", "false")]).await;
    w.handle.advance(600.0);
    let mut rows = w.truth();
    rows.sort_by_key(|i| i["launched_at"].to_string());
    assert!(rows.len() == 2 && runs(&rows[0], &middle) && runs(&rows[1], "1"), "{rows:?}");
    let last = w
        .ec2(
            "CreateLaunchTemplateVersion",
            &[("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1"), ("ClientToken", "last"), ("LaunchTemplateData.InstanceType", "t3.micro")],
        )
        .await
        .one("versionNumber");
    w.start(&last, &[("Preferences.InstanceWarmup", "120")]).await;
    while !w.truth().iter().any(|i| i["lifecycle"] == "Terminating") {
        w.handle.advance(1.0);
    }
    let first: Vec<Value> = w.truth().into_iter().filter(|i| i["lifecycle"] == "Terminating").collect();
    assert!(first.iter().all(|i| i["template_version"] == 1), "{first:?}");
    w.until(&["Successful"], 1500).await;
    let mut zones: Vec<Value> = w.truth().into_iter().filter(|i| i["lifecycle"] == "InService").map(|i| i["az"].clone()).collect();
    zones.sort_by_key(ToString::to_string);
    assert_eq!(zones, [json!("ap-south-1a"), json!("ap-south-1b")]);
}

#[tokio::test]
async fn the_list_is_newest_first_and_forgets_after_six_weeks() {
    let w = world().await;
    let first = w.start("1", &[("Preferences.SkipMatching", "true")]).await;
    w.until(&["Successful"], 120).await;
    w.handle.advance(86_400.0);
    let second = w.start("1", &[("Preferences.SkipMatching", "true")]).await;
    assert_eq!(w.refreshes().await.all("InstanceRefreshId"), [second.clone(), first]);
    w.until(&["Successful"], 120).await;
    w.handle.advance(41.5 * 86_400.0);
    assert_eq!(w.refreshes().await.all("InstanceRefreshId"), [second]);
}

#[tokio::test]
async fn activities_name_the_refresh() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &QUICK).await;
    w.until(&["Successful"], 900).await;
    let causes = w.on_group("DescribeScalingActivities", &[]).await.all("Cause").join("\n");
    assert!(causes.contains("an instance was launched in response to an instance refresh."), "{causes}");
    assert!(causes.contains("an instance was taken out of service in response to an instance refresh.  At "), "{causes}");
    assert!(causes.contains(" was selected for termination."), "{causes}");
}

#[tokio::test]
async fn only_rolling_is_known_without_a_mixed_policy() {
    let w = world().await;
    w.asg("StartInstanceRefresh", &[("AutoScalingGroupName", ASG), ("Strategy", "ReplaceRootVolume")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn a_refresh_may_pass_max_size_only_where_the_seed_says_so() {
    for may in [true, false] {
        let w = world_with(7, |s| {
            s.groups[0].max = 2;
            if let Some(p) = s.params.as_mut() {
                p.refresh_may_pass_max_size = may;
            }
        })
        .await;
        let version = w.version_of("v4").await;
        w.start(&version, &QUICK).await;
        let (_, most, _) = watch(&w, 1500).await;
        assert_eq!(most > 2, may);
    }
}
