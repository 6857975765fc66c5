//! Token buckets (aws-reference 2.2): capacity, refill, which calls share one, and each service's refusal.

use fleetgate_sim::{Handle, Params};
use serde_json::{Value, json};

use crate::client::{answered, ask, ask_ecr, exchange, local, query_request, world};

/// A world with reference parameters in which the buckets are on.
fn throttled() -> Handle {
    local(7, |s| s.token_buckets = true)
}

/// How many of these calls pass before the first is throttled, at most `most`.
fn passes(most: usize, call: impl Fn() -> bool) -> usize {
    (0..most).take_while(|_| call()).count()
}

/// Whether a query call was throttled, whatever else became of it.
fn free(h: &Handle, service: &str, action: &str, params: &[(&str, &str)]) -> bool {
    let code = ask(h, service, action, params).one("Code");
    !["Throttling", "ThrottlingException", "RequestLimitExceeded"].contains(&code.as_str())
}

/// Capacity, then what one second brings back.
fn sizes(h: &Handle, service: &str, action: &str, params: &[(&str, &str)]) -> (usize, usize) {
    let full = passes(3000, || free(h, service, action, params));
    h.advance(1.0);
    (full, passes(3000, || free(h, service, action, params)))
}

fn level(h: &Handle, bucket: &str) -> Value {
    let rows = h.snapshot()["token_buckets"]["levels"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["bucket"] == bucket).unwrap_or_default()
}

#[test]
fn no_world_throttles_unless_it_is_asked_to() {
    for h in [local(7, |_| {}), local(7, |s| s.params = None)] {
        assert_eq!(passes(500, || free(&h, "ec2", "DescribeInstances", &[])), 500);
        assert_eq!(h.snapshot()["token_buckets"], json!({"on": false, "scale": 1.0, "levels": []}));
    }
    let by_params = local(7, |s| {
        s.params = Some(Params { token_buckets: true, ..Params::reference() });
    });
    assert_eq!(by_params.snapshot()["token_buckets"]["on"], true);
    assert_eq!(throttled().snapshot()["token_buckets"]["on"], true);
}

#[test]
fn ec2_reads_have_a_bucket_for_each_operation() {
    let h = throttled();
    assert_eq!(sizes(&h, "ec2", "DescribeSubnets", &[]), (100, 20));
    assert!(!free(&h, "ec2", "DescribeSubnets", &[]));
    assert!(free(&h, "ec2", "DescribeVpcs", &[]));
    ask(&h, "ec2", "DescribeSubnets", &[]).refused(503, "RequestLimitExceeded");
}

#[test]
fn unfiltered_and_unpaginated_reads_have_a_smaller_bucket() {
    for operation in ["DescribeInstances", "DescribeInstanceStatus", "DescribeSecurityGroups", "DescribeNetworkInterfaces"] {
        let h = throttled();
        assert_eq!(sizes(&h, "ec2", operation, &[]), (50, 10), "{operation}");
        let filter = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-1")];
        assert_eq!(sizes(&h, "ec2", operation, &filter), (100, 20), "{operation}");
        h.advance(60.0);
        assert_eq!(sizes(&h, "ec2", operation, &[("MaxResults", "10")]), (100, 20), "{operation}");
    }
}

#[test]
fn whether_ids_are_a_filter_is_a_parameter() {
    for (ids_are_filters, capacity) in [(true, 100), (false, 50)] {
        let h = local(7, |s| {
            s.params = Some(Params { token_buckets: true, ids_are_filters, ..Params::reference() });
        });
        let params = [("InstanceId.1", "i-00000000")];
        assert_eq!(passes(200, || free(&h, "ec2", "DescribeInstances", &params)), capacity);
    }
}

#[test]
fn ec2_changes_have_theirs() {
    for (operation, wanted) in [
        ("CreateLaunchTemplate", (50, 5)),
        ("DeleteLaunchTemplateVersions", (50, 5)),
        ("AuthorizeSecurityGroupIngress", (50, 5)),
        ("CreateLaunchTemplateVersion", (100, 5)),
        ("ModifyLaunchTemplate", (100, 5)),
        ("TerminateInstances", (100, 5)),
        ("RunInstances", (5, 2)),
    ] {
        assert_eq!(sizes(&throttled(), "ec2", operation, &[]), wanted, "{operation}");
    }
}

#[test]
fn run_instances_takes_a_resource_token_for_each_instance() {
    let h = throttled();
    let many = [("MinCount", "1"), ("MaxCount", "600")];
    assert!(free(&h, "ec2", "RunInstances", &many));
    assert!(!free(&h, "ec2", "RunInstances", &many));
    assert_eq!(level(&h, "ec2/RunInstances")["tokens"], 4.0, "what was refused took nothing");
    assert!(free(&h, "ec2", "RunInstances", &[("MaxCount", "400")]));
    h.advance(1.0);
    assert!(free(&h, "ec2", "RunInstances", &[("MaxCount", "2")]));
    assert!(!free(&h, "ec2", "RunInstances", &[("MaxCount", "1")]));
    let dry = [("MaxCount", "600"), ("DryRun", "true")];
    assert!(free(&h, "ec2", "RunInstances", &dry), "a dry run launches nothing");
}

#[test]
fn elbv2_has_one_bucket_of_the_account_beside_those_of_classes() {
    let h = throttled();
    assert_eq!(sizes(&h, "elasticloadbalancing", "DescribeTargetGroups", &[]), (40, 10));
    assert!(!free(&h, "elasticloadbalancing", "ModifyTargetGroup", &[]), "the account's bucket is empty");
    h.advance(60.0);
    assert_eq!(passes(90, || free(&h, "elasticloadbalancing", "ModifyTargetGroup", &[])), 20);
    assert_eq!(level(&h, "elasticloadbalancing")["tokens"], 20.0, "the account's bucket is not");
    h.advance(1.0);
    assert_eq!(passes(90, || free(&h, "elasticloadbalancing", "CreateTargetGroup", &[])), 3, "all changes share one");
    for (operation, wanted) in [("RegisterTargets", (20, 4)), ("DeregisterTargets", (20, 4))] {
        assert_eq!(sizes(&throttled(), "elasticloadbalancing", operation, &[]), wanted, "{operation}");
    }
    let h = throttled();
    assert_eq!(sizes(&h, "elasticloadbalancing", "CreateLoadBalancer", &[]), (10, 0));
    h.advance(4.0);
    assert_eq!(passes(9, || free(&h, "elasticloadbalancing", "CreateLoadBalancer", &[])), 1, "one in five seconds");
}

#[test]
fn unpublished_sizes_are_parameters_of_the_world() {
    for seed in [1, 2, 3] {
        let h = local(seed, |s| {
            s.params = None;
            s.token_buckets = true;
        });
        let params = h.snapshot()["params"].clone();
        for (service, operation, name) in [
            ("autoscaling", "DescribeAutoScalingGroups", "autoscaling_describe"),
            ("autoscaling", "SetDesiredCapacity", "autoscaling_change"),
            ("elasticache", "DescribeReplicationGroups", "elasticache_describe"),
            ("elasticache", "ModifyReplicationGroup", "elasticache_change"),
        ] {
            let (capacity, refill) = (params[name]["capacity"].as_u64().unwrap_or_default(), params[name]["refill"].as_u64().unwrap_or_default());
            assert_eq!(sizes(&h, service, operation, &[]), (capacity as usize, refill as usize / 1000), "{seed} {operation}");
        }
        passes(3000, || free(&h, "autoscaling", "DescribeAutoScalingGroups", &[]));
        assert!(!free(&h, "autoscaling", "DescribeScalingActivities", &[]), "all that describe share one");
    }
    let drawn: std::collections::BTreeSet<String> = (0..20).map(|seed| format!("{:?}", Params::draw(seed).autoscaling_describe)).collect();
    assert!(drawn.len() > 10, "{drawn:?}");
}

#[test]
fn cloudwatch_has_a_rate_for_each_operation() {
    for (operation, rate) in [
        ("GetMetricData", 50),
        ("GetMetricStatistics", 400),
        ("ListMetrics", 25),
        ("DescribeAlarms", 9),
        ("PutMetricAlarm", 3),
        ("SetAlarmState", 3),
        ("DeleteAlarms", 3),
        ("DescribeAlarmHistory", 3),
    ] {
        assert_eq!(sizes(&throttled(), "monitoring", operation, &[]), (rate, rate), "{operation}");
    }
    let insights = [("MetricDataQueries.member.1.Expression", "SELECT AVG(CPUUtilization) FROM \"AWS/EC2\"")];
    assert_eq!(sizes(&throttled(), "monitoring", "GetMetricData", &insights), (10, 10));
}

#[test]
fn ecr_has_a_rate_for_each_operation() {
    for (operation, rate) in [
        ("GetAuthorizationToken", 500),
        ("BatchGetImage", 2000),
        ("BatchCheckLayerAvailability", 1000),
        ("InitiateLayerUpload", 100),
        ("UploadLayerPart", 500),
        ("CompleteLayerUpload", 100),
        ("PutImage", 10),
    ] {
        let h = throttled();
        let open = || ask_ecr(&h, operation, &json!({})).json()["__type"] != "ThrottlingException";
        assert_eq!(passes(2100, open), rate, "{operation}");
        h.advance(0.1);
        assert_eq!(passes(2100, open), rate / 10, "{operation}");
    }
}

#[test]
fn another_region_and_another_account_have_buckets_of_their_own() {
    let h = local(7, |s| {
        s.token_buckets = true;
        s.roles.push(fleetgate_sim::seed::RoleSeed { arn: "arn:aws:iam::210987654321:role/other".into(), ..Default::default() });
    });
    assert_eq!(passes(200, || free(&h, "ec2", "DescribeVpcs", &[])), 100);
    let status = |key: &str, region: &str| answered(exchange(&h, query_request(key, region, "ec2", "DescribeVpcs", &[]))).status;
    assert_eq!(status("AKIATEST", "eu-west-1"), 200);
    assert_eq!(status("AKIAOTHER", "ap-south-1"), 503, "not for each caller");
    let role = [("RoleArn", "arn:aws:iam::210987654321:role/other"), ("RoleSessionName", "tests")];
    let key = ask(&h, "sts", "AssumeRole", &role).one("AccessKeyId");
    assert_eq!(status(&key, "ap-south-1"), 200);
}

#[test]
fn elbv2_s_code_is_a_parameter() {
    for (elb_throttling_exception, code) in [(true, "ThrottlingException"), (false, "Throttling")] {
        let h = local(7, |s| {
            s.params = Some(Params { token_buckets: true, elb_throttling_exception, ..Params::reference() });
        });
        passes(100, || free(&h, "elasticloadbalancing", "DescribeTargetGroups", &[]));
        ask(&h, "elasticloadbalancing", "DescribeTargetGroups", &[]).refused(400, code);
    }
}

#[test]
fn a_throttled_call_is_in_the_log_and_did_nothing() {
    let h = throttled();
    let sizes = |n: usize| [("AutoScalingGroupName", "stateless-app-asg"), ("DesiredCapacity", ["3", "2"][n % 2])];
    let n = (0..200).take_while(|n| free(&h, "autoscaling", "SetDesiredCapacity", &sizes(*n))).count();
    assert_eq!(n, 30);
    let calls = h.calls_since(30);
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].fault.as_deref(), calls[0].status, calls[0].effective), (Some("bucket"), 400, false));
    assert_eq!(calls[0].error_code.as_deref(), Some("Throttling"));
}

#[tokio::test]
async fn the_control_switches_scales_and_shows() {
    let w = world().await;
    let h = &w.handle;
    assert_eq!(w.control("POST", "buckets", json!({"on": true, "scale": 0.1})).await.status, 200);
    assert_eq!(sizes(h, "ec2", "DescribeVpcs", &[]), (10, 2));
    assert_eq!(
        w.control("GET", "buckets", json!({})).await.json(),
        json!({"on": true, "scale": 0.1, "levels": [{
            "account": "123456789012", "region": "ap-south-1", "bucket": "ec2/DescribeVpcs",
            "tokens": 0.0, "capacity": 10.0, "refill_per_second": 2.0,
        }]})
    );
    h.advance(2.0);
    assert_eq!(h.snapshot()["token_buckets"]["levels"][0]["tokens"], 4.0);
    w.control("POST", "buckets", json!({"on": true})).await;
    assert_eq!(h.snapshot()["token_buckets"]["levels"], json!([]), "all are full again");
    w.control("POST", "buckets", json!({"on": false})).await;
    assert_eq!(passes(300, || free(h, "ec2", "DescribeVpcs", &[])), 300);
}

#[test]
fn an_exported_world_keeps_its_levels() {
    let (a, b) = (throttled(), local(7, |_| {}));
    assert_eq!(passes(60, || free(&a, "ec2", "DescribeVpcs", &[])), 60);
    b.import(a.export().expect("exports")).expect("imports");
    assert_eq!(passes(200, || free(&b, "ec2", "DescribeVpcs", &[])), 40);
}
