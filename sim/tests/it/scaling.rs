//! Policies that alarms set off: target tracking, steps, counts (aws-reference 4.2, 4.5, 4.6, 5.1).

use serde_json::{Value, json};

use crate::{
    client::{ASG, World, world, world_with},
    cloudwatch::cpu_metric,
};

const GROUP: (&str, &str) = ("AutoScalingGroupName", ASG);
const CPU: (&str, &str) = ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ASGAverageCPUUtilization");

async fn track(w: &World, name: &str, more: &[(&str, &str)]) -> Vec<String> {
    let mut params = vec![("PolicyName", name), ("PolicyType", "TargetTrackingScaling")];
    params.extend_from_slice(more);
    w.on_group("PutScalingPolicy", &params).await.all("AlarmName")
}

/// Follows CPU towards 50, warming up 180 seconds.
async fn track_cpu(w: &World) -> Vec<String> {
    track(w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "50"), ("EstimatedInstanceWarmup", "180")]).await
}

/// A policy on a metric that only the test publishes.
async fn track_depth(w: &World, name: &str, more: &[(&str, &str)]) -> Vec<String> {
    let mut params = vec![
        ("TargetTrackingConfiguration.CustomizedMetricSpecification.Namespace", "Own"),
        ("TargetTrackingConfiguration.CustomizedMetricSpecification.MetricName", "Depth"),
        ("TargetTrackingConfiguration.CustomizedMetricSpecification.Statistic", "Average"),
        ("TargetTrackingConfiguration.TargetValue", "100"),
        ("EstimatedInstanceWarmup", "300"),
    ];
    params.extend_from_slice(more);
    track(w, name, &params).await
}

async fn desired(w: &World) -> i64 {
    w.describe_group().await.one("DesiredCapacity").parse().expect("number")
}

async fn alarm(w: &World, name: &str) -> Value {
    w.cw_ok("DescribeAlarms", json!({"AlarmNames": [name]})).await["MetricAlarms"][0].clone()
}

async fn state(w: &World, name: &str) -> String {
    alarm(w, name).await["StateValue"].as_str().unwrap_or_default().to_owned()
}

/// Publishes a depth each minute for so many minutes.
async fn depth(w: &World, value: f64, minutes: i64) {
    for _ in 0..minutes {
        w.cw_ok("PutMetricData", json!({"Namespace": "Own", "MetricData": [{"MetricName": "Depth", "Value": value}]})).await;
        w.handle.advance(60.0);
    }
}

/// Steps until desired capacity is another one; the seconds it took.
async fn until_changed(w: &World, from: i64, limit: i64) -> i64 {
    let mut seconds = 0;
    while desired(w).await == from {
        assert!(seconds < limit, "still {from} after {seconds} s");
        w.handle.advance(5.0);
        seconds += 5;
    }
    seconds
}

#[tokio::test]
async fn cpu_above_target_scales_out_and_below_scales_in() {
    let w = world().await;
    let alarms = track_cpu(&w).await;
    let (high, low) = (alarm(&w, &alarms[0]).await, alarm(&w, &alarms[1]).await);
    for (row, comparison, threshold, periods) in [(&high, "GreaterThanThreshold", 50.0, 3), (&low, "LessThanThreshold", 35.0, 15)] {
        let shown = (row["ComparisonOperator"].as_str(), row["Threshold"].as_f64(), row["EvaluationPeriods"].as_i64(), row["Period"].as_i64());
        assert_eq!(shown, (Some(comparison), Some(threshold), Some(periods), Some(60)));
        assert_eq!((row["MetricName"].as_str(), row["Statistic"].as_str()), (Some("CPUUtilization"), Some("Average")));
        let words = row["AlarmDescription"].as_str().unwrap_or_default();
        assert!(words.starts_with("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy arn:aws:autoscaling:"), "{words}");
    }
    // 2 x 80 % is 160 %: ceil(160 / 50) is four.
    w.offer(json!({"cpu": 80})).await;
    let took = until_changed(&w, 2, 600).await;
    assert!((180 + 60..=480).contains(&took), "three minutes and the latency: {took}");
    assert_eq!(desired(&w).await, 4);
    w.handle.advance(45.0);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    let words =
        format!("a monitor alarm {} in state ALARM triggered policy cpu changing the desired capacity from 2 to 4.  At 2026-01-05T09:", alarms[0]);
    let cause = got.all("Cause").into_iter().find(|c| c.contains(&words)).unwrap_or_else(|| panic!("{}", got.body));
    assert!(
        cause.ends_with(
            "an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 3 to 4."
        ),
        "{cause}"
    );
    let details: Value = serde_json::from_str(&got.one("Details").replace("&quot;", "\"")).expect("JSON");
    assert_eq!(details["InvokingAlarms"][0]["AlarmName"], alarms[0].as_str(), "{details}");
    assert_eq!(details["InvokingAlarms"][0]["Trigger"]["Threshold"], 50.0);
    assert!(details["Availability Zone"].is_string());
    // While the two warm up, and afterwards at 40 %, four it stays.
    w.handle.advance(1800.0);
    assert_eq!(desired(&w).await, 4);
    assert_eq!(w.targets().await, vec!["healthy"; 4]);
    w.offer(json!({"cpu": 10})).await;
    let took = until_changed(&w, 4, 1500).await;
    assert!(took >= 900 - 60, "fifteen minutes: {took}");
    assert_eq!(desired(&w).await, 2);
    w.handle.advance(600.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    let words = format!("a monitor alarm {} in state ALARM triggered policy cpu changing the desired capacity from 4 to 2.", alarms[1]);
    assert!(got.body.contains(&words) && got.body.contains("shrinking the capacity from 4 to 2."), "{}", got.body);
}

/// The load of three instances at their target, on eight: in to three at once, and never below on the way, neither while the
/// five drain nor when they are gone and the newest datapoint is still one of eight.
#[tokio::test]
async fn a_scale_in_rounds_in_favour_of_capacity_and_does_not_overshoot() {
    for seed in 0..4 {
        let w = world_with(seed, |s| {
            s.groups[0].desired = 8;
            s.groups[0].min = 1;
        })
        .await;
        // 8 x 13 %, and what each needs for itself: between two and three instances' worth at 50 %.
        w.offer(json!({"cpu": 13})).await;
        w.handle.advance(1800.0);
        track_cpu(&w).await;
        let mut least = 8;
        for _ in 0..180 {
            least = least.min(desired(&w).await);
            w.handle.advance(10.0);
        }
        assert_eq!((least, desired(&w).await), (3, 3), "seed {seed}");
    }
}

#[tokio::test]
async fn the_low_alarm_is_at_seventy_or_ninety_percent_of_the_target() {
    for (percent, wanted) in [(70, 28.0), (90, 36.0)] {
        let w = world_with(7, |s| {
            if let Some(p) = &mut s.params {
                p.alarm_low_percent = percent;
            }
        })
        .await;
        let alarms = track(&w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "40")]).await;
        assert_eq!(alarm(&w, &alarms[1]).await["Threshold"], wanted);
        assert_eq!(alarm(&w, &alarms[0]).await["Threshold"], 40.0);
        w.on_group("DeletePolicy", &[("PolicyName", "cpu")]).await;
        assert_eq!(w.cw_ok("DescribeAlarms", json!({"AlarmNamePrefix": "TargetTracking-"})).await["MetricAlarms"], json!([]));
    }
}

#[tokio::test]
async fn instances_that_warm_up_are_capacity_already() {
    let w = world().await;
    // They warm up for half an hour, and the load stays as high all the while.
    track(&w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "50"), ("EstimatedInstanceWarmup", "1800")]).await;
    w.offer(json!({"cpu": 80})).await;
    until_changed(&w, 2, 600).await;
    for _ in 0..20 {
        w.handle.advance(60.0);
        assert_eq!(desired(&w).await, 4);
    }
}

#[tokio::test]
async fn nothing_is_scaled_in_while_an_instance_warms_up() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(60.0);
    track(&w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "50"), ("EstimatedInstanceWarmup", "3600")]).await;
    w.handle.advance(3000.0);
    let alarms = w.on_group("DescribePolicies", &[]).await.all("AlarmName");
    assert_eq!((state(&w, &alarms[1]).await.as_str(), desired(&w).await), ("ALARM", 4), "idle, but warming");
    w.handle.advance(900.0);
    assert_eq!(desired(&w).await, 2);
}

#[tokio::test]
async fn without_data_nothing_is_scaled() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    let alarms = track_depth(&w, "depth", &[]).await;
    w.handle.advance(3600.0);
    assert_eq!((state(&w, &alarms[0]).await, state(&w, &alarms[1]).await), ("INSUFFICIENT_DATA".into(), "INSUFFICIENT_DATA".into()));
    assert_eq!(desired(&w).await, 4);
}

#[tokio::test]
async fn out_if_any_policy_says_so_and_in_only_if_all_do() {
    let w = world_with(7, |s| {
        if let Some(p) = &mut s.params {
            p.alarm_low_percent = 70;
        }
    })
    .await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(300.0);
    track(&w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "50"), ("EstimatedInstanceWarmup", "60")]).await;
    let alarms = track_depth(&w, "depth", &[]).await;
    // CPU is idle and says in; the depth says nothing: three would be enough for it, but it is above its low alarm.
    depth(&w, 72.0, 25).await;
    let low = w.on_group("DescribePolicies", &[("PolicyNames.member.1", "cpu")]).await.all("AlarmName").remove(1);
    assert_eq!((state(&w, &low).await, state(&w, &alarms[1]).await), ("ALARM".into(), "OK".into()));
    assert_eq!(desired(&w).await, 4);
    // One says out: 4 x 160 / 100 is 6.4, rounded up.
    depth(&w, 160.0, 6).await;
    assert_eq!(desired(&w).await, 7);
    // Both say in: the depth asks for ceil(7 x 40 / 100) = 3, CPU for less.
    for _ in 0..25 {
        if desired(&w).await == 7 {
            depth(&w, 40.0, 1).await;
        }
    }
    assert_eq!(desired(&w).await, 3);
}

#[tokio::test]
async fn a_policy_that_may_not_scale_in_has_no_say_in_it() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(300.0);
    let off = ("TargetTrackingConfiguration.DisableScaleIn", "true");
    track_depth(&w, "depth", &[off]).await;
    depth(&w, 10.0, 25).await;
    assert_eq!(desired(&w).await, 4);
    // At its target its low alarm is over, and would keep the other one from it.
    depth(&w, 95.0, 5).await;
    track(&w, "cpu", &[CPU, ("TargetTrackingConfiguration.TargetValue", "50"), ("EstimatedInstanceWarmup", "60")]).await;
    depth(&w, 95.0, 5).await;
    assert_eq!(desired(&w).await, 2, "the other one decides alone");
    // Where it says out it is heard, and the other one does not take that back.
    w.on_group("UpdateAutoScalingGroup", &[("MaxSize", "3")]).await;
    depth(&w, 110.0, 10).await;
    let activities = async || w.on_group("DescribeScalingActivities", &[]).await.all("ActivityId").len();
    let before = activities().await;
    depth(&w, 110.0, 20).await;
    assert_eq!((desired(&w).await, activities().await), (3, before));
}

#[tokio::test]
async fn requests_per_target_are_followed_too() {
    let w = world().await;
    let arn = w.describe_group().await.one("TargetGroupARNs").replace("<member>", "").replace("</member>", "");
    let balancer = w.query("elasticloadbalancing", "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let tail = |arn: &str, from: &str| arn.split_once(from).map(|(_, t)| t.to_owned()).unwrap_or_default();
    let label = format!("{}/targetgroup/{}", tail(&balancer, ":loadbalancer/"), tail(&arn, ":targetgroup/"));
    let more = [
        ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ALBRequestCountPerTarget"),
        ("TargetTrackingConfiguration.PredefinedMetricSpecification.ResourceLabel", label.as_str()),
        ("TargetTrackingConfiguration.TargetValue", "600"),
        ("EstimatedInstanceWarmup", "120"),
    ];
    let alarms = track(&w, "requests", &more).await;
    let row = alarm(&w, &alarms[0]).await;
    assert_eq!((row["MetricName"].as_str(), row["Statistic"].as_str()), (Some("RequestCountPerTarget"), Some("Sum")));
    // 50 a second are 3000 a minute: five targets at 600.
    w.offer(json!({"cpu": 20, "requests_per_second": 50})).await;
    until_changed(&w, 2, 600).await;
    assert!((5..=6).contains(&desired(&w).await), "{}", desired(&w).await);
    let size = desired(&w).await;
    w.handle.advance(1800.0);
    assert_eq!(desired(&w).await, size, "and not once more while they start");
}

#[tokio::test]
async fn suspended_alarm_notifications_count_once_resumed() {
    let w = world().await;
    let alarms = track_cpu(&w).await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "AlarmNotification")]).await;
    w.offer(json!({"cpu": 80})).await;
    w.handle.advance(1200.0);
    assert_eq!((state(&w, &alarms[0]).await.as_str(), desired(&w).await), ("ALARM", 2));
    w.on_group("ResumeProcesses", &[("ScalingProcesses.member.1", "AlarmNotification")]).await;
    assert_eq!(desired(&w).await, 4, "the breach is current");
}

/// An alarm on CPU above 50 for two minutes whose action is a policy.
async fn alarm_for(w: &World, name: &str, policy: &str) {
    let mut body = cpu_metric();
    let more = json!({
        "AlarmName": name, "Statistic": "Average", "Period": 60, "EvaluationPeriods": 2, "Threshold": 50.0,
        "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [policy],
    });
    for (member, value) in more.as_object().expect("map") {
        body[member] = value.clone();
    }
    w.cw_ok("PutMetricAlarm", body).await;
}

#[tokio::test]
async fn an_alarm_sets_a_step_policy_off_with_what_it_measured() {
    let w = world().await;
    let steps = [
        ("PolicyName", "steps"),
        ("PolicyType", "StepScaling"),
        ("AdjustmentType", "ChangeInCapacity"),
        ("EstimatedInstanceWarmup", "600"),
        ("StepAdjustments.member.1.MetricIntervalLowerBound", "0"),
        ("StepAdjustments.member.1.MetricIntervalUpperBound", "20"),
        ("StepAdjustments.member.1.ScalingAdjustment", "1"),
        ("StepAdjustments.member.2.MetricIntervalLowerBound", "20"),
        ("StepAdjustments.member.2.ScalingAdjustment", "3"),
    ];
    let arn = w.on_group("PutScalingPolicy", &steps).await.one("PolicyARN");
    alarm_for(&w, "hot", &arn).await;
    assert_eq!(w.on_group("DescribePolicies", &[]).await.all("AlarmName"), ["hot"]);
    w.offer(json!({"cpu": 90})).await;
    until_changed(&w, 2, 600).await;
    assert_eq!(desired(&w).await, 5, "90 is 40 above the threshold");
    w.handle.advance(300.0);
    assert_eq!(desired(&w).await, 5, "warming instances are counted once");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("a monitor alarm hot in state ALARM triggered policy steps changing the desired capacity from 2 to 5."));
}

#[tokio::test]
async fn an_alarm_sets_a_simple_policy_off_once_per_cooldown() {
    let w = world().await;
    let simple = [("PolicyName", "up"), ("AdjustmentType", "ChangeInCapacity"), ("ScalingAdjustment", "1"), ("Cooldown", "400")];
    let arn = w.on_group("PutScalingPolicy", &simple).await.one("PolicyARN");
    alarm_for(&w, "hot", &arn).await;
    // So much that it stays hot at any size.
    w.offer(json!({"cpu": 1000})).await;
    until_changed(&w, 2, 600).await;
    assert_eq!(desired(&w).await, 3);
    let took = until_changed(&w, 3, 900).await;
    assert!((400..=400 + 30 + 50 + 65).contains(&took), "cooldown after the launch: {took}");
}

async fn errors_alarm(w: &World) {
    let body = json!({
        "AlarmName": "errors", "Namespace": "Own", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    w.cw_ok("PutMetricAlarm", body).await;
}

async fn ring(w: &World) {
    w.cw_ok("SetAlarmState", json!({"AlarmName": "errors", "StateValue": "ALARM", "StateReason": "test"})).await;
    w.handle.advance(15.0);
}

const WATCHED: (&str, &str) = ("Preferences.AlarmSpecification.Alarms.member.1", "errors");

#[tokio::test]
async fn an_alarm_of_a_refresh_fails_it_or_rolls_it_back() {
    for (auto, wanted) in [("false", "Failed"), ("true", "RollbackInProgress")] {
        let w = world().await;
        errors_alarm(&w).await;
        let version = w.version_of("v4").await;
        w.start(&version, &[WATCHED, ("Preferences.AutoRollback", auto)]).await;
        w.until(&["InProgress"], 100).await;
        w.handle.advance(60.0);
        assert_eq!(w.refreshes().await.one("Status"), "InProgress");
        ring(&w).await;
        let got = w.refreshes().await;
        assert_eq!(got.one("Status"), wanted);
        assert!(got.body.contains("CloudWatch alarm errors specified in the instance refresh is in ALARM state."), "{}", got.body);
        w.until(&["Failed", "RollbackSuccessful"], 2000).await;
        assert_eq!(w.group_version().await, "1");
    }
}

#[tokio::test]
async fn an_alarm_counts_while_a_refresh_bakes_and_waits_at_a_checkpoint() {
    let bake: &[(&str, &str)] = &[("Preferences.BakeTime", "3600")];
    let checkpoint: &[(&str, &str)] = &[("Preferences.CheckpointPercentages.member.1", "50"), ("Preferences.CheckpointPercentages.member.2", "100")];
    for more in [bake, checkpoint] {
        let w = world().await;
        errors_alarm(&w).await;
        let version = w.version_of("v4").await;
        let mut prefs = vec![WATCHED, ("Preferences.AutoRollback", "true")];
        prefs.extend_from_slice(more);
        w.start(&version, &prefs).await;
        w.handle.advance(1500.0);
        assert!(["Baking", "InProgress"].contains(&w.refreshes().await.one("Status").as_str()));
        ring(&w).await;
        assert_eq!(w.refreshes().await.one("Status"), "RollbackInProgress", "{more:?}");
        assert!(w.refreshes().await.one("RollbackReason").contains("errors"));
        w.until(&["RollbackSuccessful"], 2000).await;
    }
}

#[tokio::test]
async fn another_alarm_does_not_concern_a_refresh() {
    let w = world().await;
    errors_alarm(&w).await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.AutoRollback", "true")]).await;
    w.until(&["InProgress"], 100).await;
    ring(&w).await;
    w.until(&["Successful"], 2000).await;
}

#[tokio::test]
async fn a_deleted_group_takes_its_alarms_with_it() {
    let w = world().await;
    let alarms = track_cpu(&w).await;
    assert_eq!(alarms.len(), 2);
    assert_eq!(w.asg("DeleteAutoScalingGroup", &[GROUP, ("ForceDelete", "true")]).await.status, 200);
    w.handle.advance(120.0);
    assert_eq!(w.cw_ok("DescribeAlarms", json!({"AlarmNames": alarms})).await["MetricAlarms"], json!([]));
}
