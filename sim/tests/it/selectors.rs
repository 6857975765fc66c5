//! What a call selects, and what it refuses instead of ignoring it (aws-reference 1.3, 2.5, 3, 6, 7, 8).

use serde_json::json;

use crate::client::{ASG, TEMPLATE, World, world, world_with};

async fn versions(w: &World, filters: &[(&str, &str)]) -> Vec<String> {
    let mut params = vec![("LaunchTemplateName", TEMPLATE)];
    params.extend_from_slice(filters);
    let got = w.ec2("DescribeLaunchTemplateVersions", &params).await;
    assert_eq!(got.status, 200, "{}", got.body);
    got.all("versionNumber")
}

#[tokio::test]
async fn versions_by_filter() {
    let w = world().await;
    let small = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.InstanceType", "t3.small")];
    w.ec2("CreateLaunchTemplateVersion", &small).await;
    let by = |name: &'static str, value: &'static str| [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
    assert_eq!(versions(&w, &[]).await, ["2", "1"]);
    assert_eq!(versions(&w, &by("is-default-version", "true")).await, ["1"]);
    assert_eq!(versions(&w, &by("instance-type", "t3.small")).await, ["2"]);
    assert_eq!(versions(&w, &by("instance-type", "t3.*")).await, ["2", "1"]);
    assert_eq!(versions(&w, &by("image-id", "ami-none")).await, Vec::<String>::new());
    let mut both = by("instance-type", "t3.*").to_vec();
    both.extend([("Filter.2.Name", "is-default-version"), ("Filter.2.Value.1", "false")]);
    assert_eq!(versions(&w, &both).await, ["2"], "filters are joined by and");
}

#[tokio::test]
async fn unknown_filters_are_refused_even_where_there_is_nothing_to_filter() {
    let empty = world_with(7, |seed| {
        seed.redis.clear();
        seed.subnets.clear();
        seed.vpc.clear();
        seed.groups.clear();
        seed.templates.clear();
    })
    .await;
    for w in [world().await, empty] {
        let odd = [("Filter.1.Name", "wings"), ("Filter.1.Value.1", "2")];
        for action in [
            "DescribeAvailabilityZones",
            "DescribeImages",
            "DescribeInstanceStatus",
            "DescribeInstances",
            "DescribeLaunchTemplates",
            "DescribeSubnets",
            "DescribeVpcs",
        ] {
            let got = w.ec2(action, &odd).await;
            got.refused(400, "InvalidParameterValue");
            assert_eq!(got.one("Message"), "The filter 'wings' is invalid", "{action}");
        }
        let odd = [("Filters.member.1.Name", "wings"), ("Filters.member.1.Values.member.1", "2")];
        w.asg("DescribeAutoScalingGroups", &odd).await.refused(400, "ValidationError");
        w.asg("DescribeScalingActivities", &odd).await.refused(400, "ValidationError");
    }
}

#[tokio::test]
async fn ids_that_do_not_exist() {
    let w = world().await;
    for (action, member, id, code) in [
        ("DescribeVpcs", "VpcId.1", "vpc-00000000", "InvalidVpcID.NotFound"),
        ("DescribeSubnets", "SubnetId.1", "subnet-00000000", "InvalidSubnetID.NotFound"),
        ("DescribeAvailabilityZones", "ZoneName.1", "moon-1a", "InvalidParameterValue"),
        ("DescribeAvailabilityZones", "ZoneId.1", "moon1-az1", "InvalidParameterValue"),
        ("DescribeImages", "ImageId.1", "ami-00000000", "InvalidAMIID.NotFound"),
        ("DescribeImages", "ImageId.1", "none", "InvalidAMIID.Malformed"),
        ("DescribeImages", "Owner.1", "nobody", "InvalidUserID.Malformed"),
    ] {
        w.ec2(action, &[(member, id)]).await.refused(400, code);
    }
    let zones = w.ec2("DescribeAvailabilityZones", &[("ZoneId.1", "aps1-az2")]).await;
    assert_eq!(zones.all("zoneName"), ["ap-south-1b"]);
    let mine = w.ec2("DescribeImages", &[("Owner.1", "self")]).await;
    assert_eq!((mine.status, mine.all("imageId").len()), (200, 0));
    let images = w.ec2("DescribeImages", &[("Owner.1", "amazon")]).await;
    w.handle.advance(7200.0);
    let later = w.ec2("DescribeImages", &[("Owner.1", "amazon")]).await;
    assert_eq!(images.all("imagesSet"), later.all("imagesSet"), "an image does not age");
}

#[tokio::test]
async fn groups_by_tag() {
    let w = world_with(7, |seed| {
        seed.groups[0].tags.insert("team".into(), "red".into());
        seed.groups[1].tags.insert("team".into(), "blue".into());
    })
    .await;
    let by = async |name: &str, values: &[&str]| {
        let names: Vec<String> = (1..=values.len()).map(|n| format!("Filters.member.1.Values.member.{n}")).collect();
        let mut params = vec![("Filters.member.1.Name", name)];
        params.extend(names.iter().map(String::as_str).zip(values.iter().copied()));
        w.asg("DescribeAutoScalingGroups", &params).await.all("AutoScalingGroupARN").len()
    };
    assert_eq!(by("tag:team", &["red"]).await, 1);
    assert_eq!(by("tag:team", &["red", "blue"]).await, 2);
    assert_eq!(by("tag:team", &["green"]).await, 0);
    assert_eq!(by("tag-key", &["team"]).await, 2);
    assert_eq!(by("tag-value", &["blue"]).await, 1);
}

#[tokio::test]
async fn limits_of_auto_scaling() {
    let w = world().await;
    let on_group = [("AutoScalingGroupName", ASG)];
    for (action, most) in [
        ("DescribeAutoScalingGroups", 100),
        ("DescribeAutoScalingInstances", 50),
        ("DescribeInstanceRefreshes", 100),
        ("DescribeLoadBalancerTargetGroups", 100),
        ("DescribePolicies", 100),
        ("DescribeScalingActivities", 100),
        ("DescribeScheduledActions", 100),
        ("DescribeTrafficSources", 50),
        ("DescribeWarmPool", 50),
    ] {
        let with = async |size: i32| {
            let size = size.to_string();
            let mut params = on_group.to_vec();
            params.push(("MaxRecords", size.as_str()));
            w.asg(action, &params).await
        };
        assert_eq!(with(most).await.status, 200, "{action}");
        with(most + 1).await.refused(400, "ValidationError");
        with(0).await.refused(400, "ValidationError");
    }
    let names: Vec<String> = (1..=51).map(|n| format!("AutoScalingGroupNames.member.{n}")).collect();
    let mut params: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), ASG)).collect();
    w.asg("DescribeAutoScalingGroups", &params).await.refused(400, "ValidationError");
    params.push(("MaxRecords", "60"));
    let got = w.asg("DescribeAutoScalingGroups", &params).await;
    assert_eq!((got.status, got.all("AutoScalingGroupARN").len()), (200, 1), "a larger page allows more names");
}

#[tokio::test]
async fn values_outside_their_list_are_refused_and_change_nothing() {
    let w = world().await;
    let before = w.describe_group().await.body.clone();
    for (member, value) in
        [("HealthCheckType", "SMELL"), ("HealthCheckType", "EC2,SMELL"), ("HealthCheckType", ""), ("TerminationPolicies.member.1", "Loudest")]
    {
        let params = [("AutoScalingGroupName", ASG), ("MinSize", "1"), (member, value)];
        w.asg("UpdateAutoScalingGroup", &params).await.refused(400, "ValidationError");
    }
    let without_id = |body: &str| body.split("<ResponseMetadata>").next().map(str::to_owned);
    assert_eq!(without_id(&w.describe_group().await.body), without_id(&before));
    w.on_group("UpdateAutoScalingGroup", &[("HealthCheckType", "EC2,ELB"), ("TerminationPolicies.member.1", "OldestInstance")]).await;
    let got = w.describe_group().await;
    assert_eq!(got.one("HealthCheckType"), "EC2,ELB");
    let subnet = got.one("VPCZoneIdentifier");
    for name in ["with:colon", "with blank", "w\u{fc}rfel"] {
        let params = [
            ("AutoScalingGroupName", name),
            ("LaunchTemplate.LaunchTemplateName", TEMPLATE),
            ("MinSize", "0"),
            ("MaxSize", "1"),
            ("VPCZoneIdentifier", subnet.as_str()),
        ];
        w.asg("CreateAutoScalingGroup", &params).await.refused(400, "ValidationError");
    }
}

#[tokio::test]
async fn a_hook_keeps_where_it_notifies() {
    let w = world().await;
    let (queue, role) = ("arn:aws:sqs:ap-south-1:123456789012:launches", "arn:aws:iam::123456789012:role/notify");
    let hook = ("LifecycleHookName", "boot");
    let launching = ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING");
    let told = [hook, launching, ("NotificationTargetARN", queue), ("RoleARN", role), ("NotificationMetadata", "a & b")];
    w.on_group("PutLifecycleHook", &told).await;
    w.on_group("PutLifecycleHook", &[hook, ("HeartbeatTimeout", "60")]).await;
    let got = w.on_group("DescribeLifecycleHooks", &[]).await;
    assert_eq!(
        [got.one("NotificationTargetARN"), got.one("RoleARN"), got.one("NotificationMetadata"), got.one("HeartbeatTimeout")],
        [queue, role, "a &amp; b", "60"]
    );
    w.on_group("PutLifecycleHook", &[hook, ("NotificationTargetARN", "")]).await;
    let got = w.on_group("DescribeLifecycleHooks", &[]).await;
    assert!(!got.body.contains("NotificationTargetARN"), "an empty target takes it away");
    for bad in
        [("NotificationTargetARN", "nowhere"), ("NotificationTargetARN", "arn:aws:s3:::bucket"), ("RoleARN", "me"), ("NotificationMetadata", "")]
    {
        let params = [("AutoScalingGroupName", ASG), hook, bad];
        w.asg("PutLifecycleHook", &params).await.refused(400, "ValidationError");
    }
    let alone = [("AutoScalingGroupName", ASG), ("LifecycleHookName", "other"), launching, ("NotificationTargetARN", queue)];
    w.asg("PutLifecycleHook", &alone).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn listeners_and_rules_need_a_selector() {
    let w = world().await;
    let elb = async |action: &str, params: &[(&str, &str)]| w.query("elasticloadbalancing", action, params).await;
    elb("DescribeListeners", &[]).await.refused(400, "ValidationError");
    elb("DescribeRules", &[]).await.refused(400, "ValidationError");
    let balancer = elb("DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let listeners = elb("DescribeListeners", &[("LoadBalancerArn", &balancer)]).await.all("ListenerArn");
    assert_eq!(listeners.len(), 3);
    let page = elb("DescribeListeners", &[("LoadBalancerArn", &balancer), ("PageSize", "2")]).await;
    assert_eq!(page.all("ListenerArn"), listeners[..2]);
    let rest = [("LoadBalancerArn", balancer.as_str()), ("Marker", &page.one("NextMarker"))];
    assert_eq!(elb("DescribeListeners", &rest).await.all("ListenerArn"), listeners[2..]);
    let rule = elb("DescribeRules", &[("ListenerArn", &listeners[1])]).await.one("RuleArn");
    assert_eq!(elb("DescribeRules", &[("RuleArns.member.1", &rule)]).await.all("RuleArn"), [rule.as_str()]);
    let lost = [("RuleArns.member.1", rule.as_str()), ("RuleArns.member.2", &format!("{rule}0"))];
    elb("DescribeRules", &lost).await.refused(400, "RuleNotFound");
    elb("DescribeRules", &[("RuleArns.member.1", &listeners[0])]).await.refused(400, "ValidationError");
    elb("DescribeRules", &[("RuleArns.member.1", &rule), ("ListenerArn", &listeners[1])]).await.refused(400, "ValidationError");
    elb("DescribeListeners", &[("ListenerArns.member.1", &format!("{}0", listeners[0]))]).await.refused(400, "ListenerNotFound");
}

#[tokio::test]
async fn named_images_are_not_paged() {
    let w = world().await;
    for (operation, body) in [
        ("DescribeImages", json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": "v1"}], "maxResults": 5})),
        ("DescribeImages", json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": "v1"}], "nextToken": "x"})),
        ("DescribeRepositories", json!({"repositoryNames": ["stateless-app"], "maxResults": 5})),
        ("ListImages", json!({"repositoryName": "stateless-app", "filter": {"tagStatus": "ODD"}})),
        ("DescribeImages", json!({"repositoryName": "stateless-app", "filter": {"imageStatus": "ODD"}})),
    ] {
        let got = w.ecr(operation, body).await;
        assert_eq!((got.status, got.json()["__type"].as_str()), (400, Some("InvalidParameterException")), "{operation}");
    }
    let archived = json!({"repositoryName": "stateless-app", "filter": {"imageStatus": "ARCHIVED"}});
    assert_eq!(w.ecr("ListImages", archived).await.json()["imageIds"], json!([]));
}

#[tokio::test]
async fn a_dry_run_is_judged_as_the_call_is_and_changes_nothing() {
    let w = world().await;
    let dry = ("DryRun", "true");
    let data = ("LaunchTemplateData.InstanceType", "t3.small");
    w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", TEMPLATE), data, dry]).await.refused(412, "DryRunOperation");
    assert_eq!(versions(&w, &[]).await, ["1"]);
    w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", "none"), data, dry])
        .await
        .refused(400, "InvalidLaunchTemplateName.NotFoundException");
    w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", TEMPLATE), dry]).await.refused(400, "MissingParameter");
    w.ec2("DescribeInstances", &[dry]).await.refused(412, "DryRunOperation");
    w.ec2("RunInstances", &[dry]).await.refused(400, "InvalidAction");
    assert!(w.handle.calls_since(0).iter().all(|c| !c.effective), "nothing was done");
    // Its client token is still free, and the next identifiers are as if it had never been.
    let token = [("LaunchTemplateName", TEMPLATE), data, ("ClientToken", "one")];
    let mut tried = token.to_vec();
    tried.push(dry);
    w.ec2("CreateLaunchTemplateVersion", &tried).await.refused(412, "DryRunOperation");
    assert_eq!(w.ec2("CreateLaunchTemplateVersion", &token).await.one("versionNumber"), "2");
}

#[tokio::test]
async fn a_subnet_names_its_instances_by_address() {
    let w = world().await;
    let got = w.ec2("DescribeSubnets", &[]).await;
    assert_eq!(got.all("hostnameType"), vec!["ip-name"; got.all("subnetId").len()]);
    let dns = w.ec2("DescribeInstances", &[]).await;
    let by_address = dns.all("privateIpAddress").into_iter().map(|ip| format!("ip-{}.ap-south-1.compute.internal", ip.replace('.', "-")));
    assert_eq!(dns.all("privateDnsName"), by_address.collect::<Vec<_>>());
}
