//! Scaling policies, cooldowns and what goes with them (aws-reference 3, 4.4, 4.5).

use crate::client::{ASG, World, world, world_with};

const GROUP: (&str, &str) = ("AutoScalingGroupName", ASG);

async fn put(w: &World, name: &str, params: &[(&str, &str)]) -> String {
    let mut all = vec![("PolicyName", name)];
    all.extend_from_slice(params);
    w.on_group("PutScalingPolicy", &all).await.one("PolicyARN")
}

async fn desired(w: &World) -> i64 {
    w.describe_group().await.one("DesiredCapacity").parse().expect("number")
}

async fn execute(w: &World, name: &str) {
    w.on_group("ExecutePolicy", &[("PolicyName", name)]).await;
}

#[tokio::test]
async fn a_simple_policy_changes_by_count_by_percent_or_to_a_size() {
    let w = world().await;
    for (at, (kind, by, wanted)) in [
        ("ChangeInCapacity", "3", 5),
        ("ExactCapacity", "7", 7),
        // 7 x 25 % is 1.75, rounded towards zero.
        ("PercentChangeInCapacity", "25", 8),
        // 8 x 1 % is less than one, and one is the least.
        ("PercentChangeInCapacity", "-1", 7),
        ("ChangeInCapacity", "90", 10),
        ("ChangeInCapacity", "-90", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("policy-{at}");
        put(&w, &name, &[("AdjustmentType", kind), ("ScalingAdjustment", by)]).await;
        execute(&w, &name).await;
        assert_eq!(desired(&w).await, wanted, "{kind} {by}");
    }
    put(&w, "least", &[("AdjustmentType", "PercentChangeInCapacity"), ("ScalingAdjustment", "10"), ("MinAdjustmentMagnitude", "3")]).await;
    execute(&w, "least").await;
    assert_eq!(desired(&w).await, 5, "MinAdjustmentMagnitude");
    w.handle.advance(60.0);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("a user request executed policy least changing the desired capacity from 2 to 5."), "{}", got.body);
}

#[tokio::test]
async fn a_simple_policy_waits_for_the_cooldown_where_asked_to() {
    let w = world().await;
    put(&w, "up", &[("AdjustmentType", "ChangeInCapacity"), ("ScalingAdjustment", "1")]).await;
    put(&w, "own", &[("AdjustmentType", "ChangeInCapacity"), ("ScalingAdjustment", "1"), ("Cooldown", "60")]).await;
    let honor = async |name: &str| w.asg("ExecutePolicy", &[GROUP, ("PolicyName", name), ("HonorCooldown", "true")]).await;
    execute(&w, "up").await;
    w.handle.advance(100.0);
    assert_eq!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").count(), 3);
    let refused = honor("up").await;
    refused.refused(400, "ScalingActivityInProgress");
    let last = w.on_group("DescribeScalingActivities", &[]).await.one("ActivityId");
    assert_eq!(refused.one("Message"), format!("Scaling activity {last} is in progress and blocks this action."));
    // Without the flag it goes on at once.
    execute(&w, "own").await;
    assert_eq!(desired(&w).await, 4);
    honor("up").await.refused(400, "ScalingActivityInProgress");
    // The policy's own cooldown, not the group's 300 seconds, holds after it.
    w.handle.advance(170.0);
    assert_eq!(honor("up").await.status, 200);
    assert_eq!(desired(&w).await, 5);
}

#[tokio::test]
async fn the_cooldown_of_a_scale_in_starts_after_the_drain() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(1000.0);
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "2")]).await;
    let honor = async |size: &str| w.asg("SetDesiredCapacity", &[GROUP, ("DesiredCapacity", size), ("HonorCooldown", "true")]).await;
    let mut drained = 0;
    let mut open = 0;
    for second in (0..600).step_by(5) {
        if drained == 0 && w.truth().iter().any(|i| i["lifecycle"] == "Terminating:Proceed") {
            drained = second;
        }
        if open == 0 && second > 60 && honor("3").await.status == 200 {
            open = second;
        }
        w.handle.advance(5.0);
    }
    assert!(drained >= 60, "the drain takes 60 seconds: {drained}");
    assert!((drained + 295..=drained + 305).contains(&open), "{drained} {open}");
}

const STEPS: [(&str, &str); 7] = [
    ("PolicyType", "StepScaling"),
    ("AdjustmentType", "PercentChangeInCapacity"),
    ("StepAdjustments.member.1.MetricIntervalLowerBound", "0"),
    ("StepAdjustments.member.1.MetricIntervalUpperBound", "10"),
    ("StepAdjustments.member.1.ScalingAdjustment", "50"),
    ("StepAdjustments.member.2.MetricIntervalLowerBound", "10"),
    ("StepAdjustments.member.2.ScalingAdjustment", "100"),
];

async fn breach(w: &World, name: &str, value: &str) {
    w.on_group("ExecutePolicy", &[("PolicyName", name), ("MetricValue", value), ("BreachThreshold", "60")]).await;
}

#[tokio::test]
async fn a_step_policy_does_not_count_what_warms_up_twice() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(900.0);
    let mut params = STEPS.to_vec();
    params.push(("EstimatedInstanceWarmup", "200"));
    put(&w, "steps", &params).await;
    breach(&w, "steps", "65").await;
    assert_eq!(desired(&w).await, 6);
    w.handle.advance(100.0);
    // The same step again while those two warm up, as its lower bound does.
    breach(&w, "steps", "69.9").await;
    assert_eq!(desired(&w).await, 6);
    // A larger step counts from the four that are warm, less what is coming already.
    breach(&w, "steps", "70").await;
    assert_eq!(desired(&w).await, 8);
    w.handle.advance(400.0);
    breach(&w, "steps", "61").await;
    assert_eq!(desired(&w).await, 10, "warm now, and no more than Max");
}

#[tokio::test]
async fn a_step_policy_scales_in_only_when_nothing_warms() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    let down = [
        ("PolicyType", "StepScaling"),
        ("AdjustmentType", "ChangeInCapacity"),
        ("EstimatedInstanceWarmup", "200"),
        ("StepAdjustments.member.1.MetricIntervalUpperBound", "0"),
        ("StepAdjustments.member.1.ScalingAdjustment", "-1"),
    ];
    put(&w, "down", &down).await;
    w.handle.advance(150.0);
    breach(&w, "down", "20").await;
    assert_eq!(desired(&w).await, 4, "two are in service and warming");
    w.handle.advance(300.0);
    breach(&w, "down", "20").await;
    assert_eq!(desired(&w).await, 3);
    w.handle.advance(60.0);
    breach(&w, "down", "20").await;
    assert_eq!(desired(&w).await, 3, "the one that leaves still counts");
    w.handle.advance(300.0);
    breach(&w, "down", "20").await;
    assert_eq!(desired(&w).await, 2);
}

#[tokio::test]
async fn target_tracking_has_two_alarms_from_put_to_delete() {
    let w = world().await;
    let target = |value: &'static str| {
        [
            ("PolicyType", "TargetTrackingScaling"),
            ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ASGAverageCPUUtilization"),
            ("TargetTrackingConfiguration.TargetValue", value),
            ("EstimatedInstanceWarmup", "120"),
        ]
    };
    let arn = put(&w, "cpu", &target("50")).await;
    assert!(arn.starts_with("arn:aws:autoscaling:ap-south-1:123456789012:scalingPolicy:"), "{arn}");
    assert!(arn.ends_with(&format!(":autoScalingGroupName/{ASG}:policyName/cpu")));
    let shown = w.on_group("DescribePolicies", &[]).await;
    assert_eq!(shown.one("PolicyType"), "TargetTrackingScaling");
    assert_eq!(shown.one("TargetValue"), "50");
    assert_eq!(shown.one("EstimatedInstanceWarmup"), "120");
    let alarms = shown.all("AlarmName");
    assert_eq!(alarms.len(), 2);
    assert!(alarms[0].starts_with(&format!("TargetTracking-{ASG}-AlarmHigh-")), "{alarms:?}");
    assert!(alarms[1].starts_with(&format!("TargetTracking-{ASG}-AlarmLow-")), "{alarms:?}");
    // A second put changes the target and keeps ARN and alarms; a second policy may not follow the same metric.
    let mut more = vec![("PolicyName", "cpu")];
    more.extend(target("40"));
    let again = w.on_group("PutScalingPolicy", &more).await;
    assert_eq!((again.one("PolicyARN"), again.all("AlarmName")), (arn.clone(), alarms));
    let mut other = vec![GROUP, ("PolicyName", "other")];
    other.extend(target("30"));
    w.asg("PutScalingPolicy", &other).await.refused(400, "ValidationError");
    w.asg("ExecutePolicy", &[GROUP, ("PolicyName", "cpu")]).await.refused(400, "ValidationError");
    assert_eq!(w.asg("DeletePolicy", &[("PolicyName", &arn)]).await.status, 200);
    assert_eq!(w.on_group("DescribePolicies", &[]).await.all("AlarmName"), Vec::<String>::new());
    w.asg("DeletePolicy", &[GROUP, ("PolicyName", "cpu")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn policies_that_contradict_themselves_are_refused() {
    let w = world().await;
    let cpu = ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ASGAverageCPUUtilization");
    let value = ("TargetTrackingConfiguration.TargetValue", "50");
    let tracking = ("PolicyType", "TargetTrackingScaling");
    let change = ("AdjustmentType", "ChangeInCapacity");
    let step = ("PolicyType", "StepScaling");
    let by = ("StepAdjustments.member.1.ScalingAdjustment", "1");
    let cases: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![("PolicyType", "Odd")],
        vec![("PolicyType", "PredictiveScaling"), ("PredictiveScalingConfiguration.Mode", "ForecastOnly")],
        vec![change],
        vec![("AdjustmentType", "Odd"), ("ScalingAdjustment", "1")],
        vec![change, ("ScalingAdjustment", "1"), ("MinAdjustmentMagnitude", "2")],
        vec![change, ("ScalingAdjustment", "1"), by],
        vec![change, ("ScalingAdjustment", "1"), ("EstimatedInstanceWarmup", "60")],
        vec![step, change],
        vec![
            step,
            change,
            by,
            ("StepAdjustments.member.1.MetricIntervalLowerBound", "0"),
            ("StepAdjustments.member.1.MetricIntervalUpperBound", "5"),
        ],
        vec![step, change, by, ("StepAdjustments.member.1.MetricIntervalLowerBound", "-5")],
        vec![
            step,
            change,
            by,
            ("StepAdjustments.member.1.MetricIntervalLowerBound", "0"),
            ("StepAdjustments.member.1.MetricIntervalUpperBound", "10"),
            ("StepAdjustments.member.2.MetricIntervalLowerBound", "20"),
            ("StepAdjustments.member.2.ScalingAdjustment", "2"),
        ],
        vec![step, change, by, ("MetricAggregationType", "Sum")],
        vec![tracking, cpu],
        vec![tracking, value],
        vec![tracking, cpu, ("TargetTrackingConfiguration.TargetValue", "0")],
        vec![tracking, cpu, value, change],
        vec![tracking, value, ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ALBRequestCountPerTarget")],
        vec![
            tracking,
            value,
            ("TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ALBRequestCountPerTarget"),
            ("TargetTrackingConfiguration.PredefinedMetricSpecification.ResourceLabel", "app/a/0/targetgroup/b/1"),
        ],
        vec![tracking, value, ("TargetTrackingConfiguration.CustomizedMetricSpecification.MetricName", "Depth")],
    ];
    for case in cases {
        let mut params = vec![GROUP, ("PolicyName", "p")];
        params.extend(&case);
        let got = w.asg("PutScalingPolicy", &params).await;
        assert_eq!((got.status, got.one("Code")), (400, "ValidationError".into()), "{case:?}: {}", got.body);
    }
    assert_eq!(w.on_group("DescribePolicies", &[]).await.all("PolicyName"), Vec::<String>::new());
}

#[tokio::test]
async fn policies_are_found_by_name_and_type() {
    let w = world().await;
    put(&w, "one", &[("AdjustmentType", "ExactCapacity"), ("ScalingAdjustment", "2")]).await;
    put(&w, "two", &STEPS).await;
    let by = async |params: &[(&str, &str)]| w.on_group("DescribePolicies", params).await.all("PolicyName");
    assert_eq!(by(&[]).await, ["one", "two"]);
    assert_eq!(by(&[("PolicyNames.member.1", "two")]).await, ["two"]);
    assert_eq!(by(&[("PolicyTypes.member.1", "SimpleScaling")]).await, ["one"]);
    assert_eq!(by(&[("PolicyTypes.member.1", "TargetTrackingScaling")]).await, Vec::<String>::new());
    w.asg("DescribePolicies", &[("PolicyTypes.member.1", "Odd")]).await.refused(400, "ValidationError");
    let steps = by(&[("MaxRecords", "1")]).await;
    assert_eq!(steps, ["one"]);
    put(&w, "off", &[("AdjustmentType", "ExactCapacity"), ("ScalingAdjustment", "2"), ("Enabled", "false")]).await;
    w.asg("ExecutePolicy", &[GROUP, ("PolicyName", "off")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn honouring_the_cooldown_names_the_activity_in_the_way() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(40.0);
    let got = w.asg("SetDesiredCapacity", &[GROUP, ("DesiredCapacity", "4"), ("HonorCooldown", "true")]).await;
    got.refused(400, "ScalingActivityInProgress");
    let running = w.on_group("DescribeScalingActivities", &[]).await.one("ActivityId");
    assert_eq!(got.one("Message"), format!("Scaling activity {running} is in progress and blocks this action."));
    assert_eq!(desired(&w).await, 3);
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
}

#[tokio::test]
async fn group_metrics_are_switched_on_and_off() {
    let w = world().await;
    let shown = async || w.describe_group().await.one("EnabledMetrics").matches("<Metric>").count();
    let before = shown().await;
    w.on_group("DisableMetricsCollection", &[]).await;
    assert_eq!(shown().await, 0, "none named means all; there were {before}");
    w.on_group("EnableMetricsCollection", &[("Granularity", "1Minute"), ("Metrics.member.1", "GroupDesiredCapacity")]).await;
    let got = w.describe_group().await;
    assert!(got.body.contains("<Metric>GroupDesiredCapacity</Metric><Granularity>1Minute</Granularity>"));
    assert_eq!(shown().await, 1);
    w.asg("EnableMetricsCollection", &[GROUP, ("Granularity", "5Minute")]).await.refused(400, "ValidationError");
    w.asg("EnableMetricsCollection", &[GROUP]).await.refused(400, "ValidationError");
    w.asg("DisableMetricsCollection", &[GROUP, ("Metrics.member.1", "Odd")]).await.refused(400, "ValidationError");
    w.on_group("EnableMetricsCollection", &[("Granularity", "1Minute")]).await;
    assert_eq!(shown().await, w.asg("DescribeMetricCollectionTypes", &[]).await.one("Metrics").matches("<Metric>").count());
}

#[tokio::test]
async fn tags_are_put_described_and_deleted() {
    let w = world_with(7, |s| {
        s.groups[1].tags.extend([("team".into(), "blue".into()), ("owner".into(), "ops".into())]);
    })
    .await;
    let tag = |value: &'static str| {
        [
            ("Tags.member.1.ResourceId", ASG),
            ("Tags.member.1.ResourceType", "auto-scaling-group"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", value),
            ("Tags.member.1.PropagateAtLaunch", "true"),
        ]
    };
    for value in ["red", "green"] {
        assert_eq!(w.asg("CreateOrUpdateTags", &tag(value)).await.status, 200);
    }
    let by = async |name: &str, value: &str| {
        let got = w.asg("DescribeTags", &[("Filters.member.1.Name", name), ("Filters.member.1.Values.member.1", value)]).await;
        got.all("Value")
    };
    assert_eq!(by("auto-scaling-group", ASG).await, ["green"]);
    assert_eq!(by("key", "team").await, ["green", "blue"]);
    assert_eq!(by("key", "owner").await, ["ops"]);
    assert_eq!(by("value", "blue").await, ["blue"]);
    assert_eq!(by("propagate-at-launch", "false").await, Vec::<String>::new());
    w.asg("DescribeTags", &[("Filters.member.1.Name", "odd")]).await.refused(400, "ValidationError");
    // The next instance carries it, those that run do not.
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(100.0);
    let found = w.ec2("DescribeInstances", &[("Filter.1.Name", "tag:team"), ("Filter.1.Value.1", "green")]).await;
    assert_eq!(found.all("instanceId").len(), 1);
    assert_eq!(w.asg("DeleteTags", &tag("")).await.status, 200);
    assert_eq!(by("key", "team").await, ["blue"]);
    let mut odd = tag("x").to_vec();
    odd[0].1 = "nobody";
    w.asg("CreateOrUpdateTags", &odd).await.refused(400, "ValidationError");
    let reserved = [("Tags.member.1.ResourceId", ASG), ("Tags.member.1.Key", "aws:x")];
    w.asg("CreateOrUpdateTags", &reserved).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn the_lists_that_are_the_same_everywhere() {
    let w = world().await;
    for (action, element, count) in [
        ("DescribeAdjustmentTypes", "AdjustmentType", 3),
        ("DescribeScalingProcessTypes", "ProcessName", 9),
        ("DescribeMetricCollectionTypes", "Granularity", 1),
        ("DescribeTerminationPolicyTypes", "member", 7),
        ("DescribeLifecycleHookTypes", "member", 2),
        ("DescribeAutoScalingNotificationTypes", "member", 5),
        ("DescribeNotificationConfigurations", "member", 0),
    ] {
        let got = w.asg(action, &[]).await;
        assert_eq!((got.status, got.all(element).len()), (200, count), "{action}: {}", got.body);
    }
    let limits = w.asg("DescribeAccountLimits", &[]).await;
    assert_eq!((limits.one("MaxNumberOfAutoScalingGroups"), limits.one("NumberOfAutoScalingGroups")), ("500".into(), "3".into()));
}
