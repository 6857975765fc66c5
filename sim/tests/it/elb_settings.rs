//! Attributes, tags, limits and names of Elastic Load Balancing (aws-reference 2.4, 2.5, 6.2).

use crate::{
    client::{World, world, world_with},
    elb::{balancer, done, elb, group},
};

async fn attribute(w: &World, kind: &str, arn: &str, key: &str) -> String {
    let (action, member) = match kind {
        "group" => ("DescribeTargetGroupAttributes", "TargetGroupArn"),
        _ => ("DescribeLoadBalancerAttributes", "LoadBalancerArn"),
    };
    let got = done(w, action, &[(member, arn)]).await;
    let row = got.all("member").into_iter().find(|row| row.contains(&format!("<Key>{key}</Key>"))).unwrap_or_default();
    row.split("<Value>").nth(1).and_then(|t| t.split('<').next()).unwrap_or("absent").to_owned()
}

#[tokio::test]
async fn values_of_a_target_groups_attributes_have_ranges() {
    let w = world().await;
    let arn = group(&w, "spare", &[]).await;
    let set = async |pairs: &[(&str, &str)]| {
        let names: Vec<(String, String)> =
            (1..=pairs.len()).map(|n| (format!("Attributes.member.{n}.Key"), format!("Attributes.member.{n}.Value"))).collect();
        let mut params = vec![("TargetGroupArn", arn.as_str())];
        for ((key, value), (k, v)) in names.iter().zip(pairs) {
            params.extend([(key.as_str(), *k), (value.as_str(), *v)]);
        }
        elb(&w, "ModifyTargetGroupAttributes", &params).await
    };
    for (key, bad, good) in [
        ("deregistration_delay.timeout_seconds", "3601", "3600"),
        ("stickiness.enabled", "yes", "true"),
        ("stickiness.lb_cookie.duration_seconds", "604801", "604800"),
        ("stickiness.type", "source_ip", "lb_cookie"),
        ("load_balancing.cross_zone.enabled", "on", "true"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "off", "2"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "101", "100"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "0", "off"),
        ("slow_start.duration_seconds", "29", "30"),
        ("slow_start.duration_seconds", "901", "0"),
        ("load_balancing.algorithm.type", "random", "least_outstanding_requests"),
    ] {
        set(&[(key, bad)]).await.refused(400, "InvalidConfigurationRequest");
        assert_eq!(set(&[(key, good)]).await.status, 200, "{key}={good}");
        assert_eq!(attribute(&w, "group", &arn, key).await, good);
    }
    set(&[("wings", "2")]).await.refused(400, "ValidationError");
    set(&[("proxy_protocol_v2.enabled", "true")]).await.refused(400, "InvalidConfigurationRequest");
    set(&[("deregistration_delay.timeout_seconds", "7"), ("wings", "2")]).await.refused(400, "ValidationError");
    assert_eq!(attribute(&w, "group", &arn, "deregistration_delay.timeout_seconds").await, "3600", "all or none");
}

#[tokio::test]
async fn attributes_that_exclude_each_other_are_refused() {
    let w = world().await;
    let arn = group(&w, "spare", &[]).await;
    let set = async |a: (&str, &str), b: (&str, &str)| {
        let params = [
            ("TargetGroupArn", arn.as_str()),
            ("Attributes.member.1.Key", a.0),
            ("Attributes.member.1.Value", a.1),
            ("Attributes.member.2.Key", b.0),
            ("Attributes.member.2.Value", b.1),
        ];
        elb(&w, "ModifyTargetGroupAttributes", &params).await
    };
    let (algorithm, slow, sticky) = ("load_balancing.algorithm.type", "slow_start.duration_seconds", "stickiness.enabled");
    for (a, b) in [
        ((algorithm, "least_outstanding_requests"), (slow, "30")),
        ((sticky, "true"), ("load_balancing.cross_zone.enabled", "false")),
        ((sticky, "true"), ("stickiness.type", "app_cookie")),
        (("load_balancing.algorithm.anomaly_mitigation", "on"), (algorithm, "round_robin")),
        (("stickiness.type", "app_cookie"), ("stickiness.app_cookie.cookie_name", "AWSALBTG")),
    ] {
        set(a, b).await.refused(400, "InvalidConfigurationRequest");
    }
    assert_eq!(set((sticky, "true"), ("stickiness.type", "lb_cookie")).await.status, 200);
    assert_eq!(set((algorithm, "round_robin"), (slow, "30")).await.status, 200);
}

#[tokio::test]
async fn a_balancers_attributes_have_ranges_and_kinds() {
    let w = world().await;
    let arn = balancer(&w, "web").await;
    let set = async |key: &str, value: &str| {
        let params = [("LoadBalancerArn", arn.as_str()), ("Attributes.member.1.Key", key), ("Attributes.member.1.Value", value)];
        elb(&w, "ModifyLoadBalancerAttributes", &params).await
    };
    assert_eq!(attribute(&w, "balancer", &arn, "idle_timeout.timeout_seconds").await, "60");
    set("idle_timeout.timeout_seconds", "4001").await.refused(400, "InvalidConfigurationRequest");
    set("load_balancing.cross_zone.enabled", "false").await.refused(400, "InvalidConfigurationRequest");
    set("dns_record.client_routing_policy", "any_availability_zone").await.refused(400, "InvalidConfigurationRequest");
    set("wings", "2").await.refused(400, "ValidationError");
    set("access_logs.s3.enabled", "true").await.refused(400, "InvalidConfigurationRequest");
    assert_eq!(set("idle_timeout.timeout_seconds", "4000").await.status, 200);
    assert_eq!(attribute(&w, "balancer", &arn, "idle_timeout.timeout_seconds").await, "4000");
}

#[tokio::test]
async fn a_target_group_made_again_is_the_same_or_a_duplicate() {
    for (six, wanted) in [(false, "5"), (true, "6")] {
        let w = world_with(7, |s| {
            if let Some(p) = &mut s.params {
                p.target_timeout_is_six = six;
            }
        })
        .await;
        let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
        let base = [("Name", "spare"), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", vpc.as_str())];
        let first = done(&w, "CreateTargetGroup", &base).await;
        let told = [
            "HealthCheckTimeoutSeconds",
            "HealthCheckIntervalSeconds",
            "HealthyThresholdCount",
            "UnhealthyThresholdCount",
            "HealthCheckPath",
            "HttpCode",
        ];
        assert_eq!(told.map(|name| first.one(name)), [wanted, "30", "5", "2", "/", "200"]);
        assert_eq!(done(&w, "CreateTargetGroup", &base).await.one("TargetGroupArn"), first.one("TargetGroupArn"));
        let other = [base.as_slice(), &[("HealthCheckPath", "/health")]].concat();
        elb(&w, "CreateTargetGroup", &other).await.refused(400, "DuplicateTargetGroupName");
        for (member, value) in [
            ("HealthCheckTimeoutSeconds", "30"),
            ("HealthCheckIntervalSeconds", "4"),
            ("HealthyThresholdCount", "1"),
            ("HealthCheckPath", "health"),
            ("Matcher.HttpCode", "500"),
            ("Matcher.HttpCode", "299-200"),
            ("HealthCheckProtocol", "TCP"),
        ] {
            let arn = first.one("TargetGroupArn");
            elb(&w, "ModifyTargetGroup", &[("TargetGroupArn", &arn), (member, value)]).await.refused(400, "ValidationError");
        }
    }
}

#[tokio::test]
async fn tags_of_every_kind_of_resource() {
    let w = world().await;
    let balancer = elb(&w, "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let listener = elb(&w, "DescribeListeners", &[("LoadBalancerArn", &balancer)]).await.one("ListenerArn");
    let rule = elb(&w, "DescribeRules", &[("ListenerArn", &listener)]).await.one("RuleArn");
    let targets = elb(&w, "DescribeTargetGroups", &[]).await.one("TargetGroupArn");
    let team = ("Tags.member.1.Key", "team");
    for arn in [&balancer, &listener, &rule, &targets] {
        let at = ("ResourceArns.member.1", arn.as_str());
        done(&w, "AddTags", &[at, team, ("Tags.member.1.Value", "red")]).await;
        assert_eq!(done(&w, "DescribeTags", &[at]).await.one("Value"), "red");
        elb(&w, "AddTags", &[at, ("Tags.member.1.Key", "aws:x"), ("Tags.member.1.Value", "y")]).await.refused(400, "ValidationError");
        elb(&w, "AddTags", &[at, team, ("Tags.member.2.Key", "team")]).await.refused(400, "DuplicateTagKeys");
        done(&w, "RemoveTags", &[at, ("TagKeys.member.1", "team")]).await;
        assert!(!done(&w, "DescribeTags", &[at]).await.body.contains("red"));
    }
    let lost = format!("{targets}0");
    let both = [("ResourceArns.member.1", balancer.as_str()), ("ResourceArns.member.2", lost.as_str()), team, ("Tags.member.1.Value", "blue")];
    elb(&w, "AddTags", &both).await.refused(400, "TargetGroupNotFound");
    assert!(!done(&w, "DescribeTags", &[("ResourceArns.member.1", &balancer)]).await.body.contains("blue"), "all or none");
}

#[tokio::test]
async fn at_most_twenty_are_named_and_limits_are_held() {
    let w = world().await;
    let names: Vec<(String, String)> = (1..=21).map(|n| (format!("Names.member.{n}"), format!("group-{n}"))).collect();
    let params: Vec<(&str, &str)> = names.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    elb(&w, "DescribeTargetGroups", &params).await.refused(400, "ValidationError");
    elb(&w, "DescribeLoadBalancers", &params).await.refused(400, "ValidationError");
    elb(&w, "DescribeTargetGroups", &params[..20]).await.refused(400, "TargetGroupNotFound");
    elb(&w, "DescribeTargetGroups", &[("PageSize", "401")]).await.refused(400, "ValidationError");
    let limits = done(&w, "DescribeAccountLimits", &[]).await;
    let at = limits.all("Name").iter().position(|n| n == "listeners-per-application-load-balancer").expect("told");
    let most: usize = limits.all("Max")[at].parse().expect("number");
    let arn = balancer(&w, "web").await;
    for port in 1..=most + 1 {
        let port = (1000 + port).to_string();
        let params = [
            ("LoadBalancerArn", arn.as_str()),
            ("Port", &port),
            ("Protocol", "HTTP"),
            ("DefaultActions.member.1.Type", "fixed-response"),
            ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
        ];
        let got = elb(&w, "CreateListener", &params).await;
        if port == (1000 + most + 1).to_string() {
            got.refused(400, "TooManyListeners");
        } else {
            assert_eq!(got.status, 200);
        }
    }
    elb(&w, "DescribeSSLPolicies", &[("Names.member.1", "none")]).await.refused(400, "SSLPolicyNotFound");
    let got = done(&w, "DescribeSSLPolicies", &[("Names.member.1", "ELBSecurityPolicy-TLS13-1-2-2021-06")]).await;
    assert_eq!(got.one("SslProtocols"), "<member>TLSv1.2</member><member>TLSv1.3</member>");
}
