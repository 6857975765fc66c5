//! Load balancing and power as permissions and metrics see them (aws-reference 6, 7.3, 9, 13).

use serde_json::json;

use crate::{
    client::{ASG, TEMPLATE, World, world},
    cloudwatch::balancer_metric,
    elb::elb,
};

/// A user whom one policy judges may do this on these resources alone.
async fn allowed(w: &World, actions: &[&str], resources: &[String]) {
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]});
    let user = "arn:aws:iam::123456789012:user/AKIAJUDGED";
    assert_eq!(w.control("POST", "policy", json!({"principal": user, "document": document})).await.status, 200);
}

/// Status of a call by that user.
async fn judged(w: &World, service: &str, action: &str, params: &[(&str, &str)]) -> u16 {
    w.as_key("AKIAJUDGED", service, action, params).await.expect("answers").status
}

#[tokio::test]
async fn a_policy_on_one_resource_reaches_no_other() {
    let w = world().await;
    let groups = elb(&w, "DescribeTargetGroups", &[]).await.all("TargetGroupArn");
    let ids: Vec<String> = w.truth().iter().map(|i| i["id"].as_str().unwrap_or_default().to_owned()).collect();
    let balancer = elb(&w, "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let account = |service: &str| format!("arn:aws:{service}:ap-south-1:123456789012:");
    let actions = [
        "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:AddTags",
        "ec2:RebootInstances",
        "ec2:CreateTags",
    ];
    let (own, instance) = (format!("{}targetgroup/mine/*", account("elasticloadbalancing")), format!("{}instance/{}", account("ec2"), ids[0]));
    allowed(&w, &actions, &[groups[0].clone(), own, instance]).await;
    let register = |arn| [("TargetGroupArn", arn), ("Targets.member.1.Id", ids[0].as_str())];
    assert_eq!(judged(&w, "elasticloadbalancing", "RegisterTargets", &register(groups[0].as_str())).await, 200);
    assert_eq!(judged(&w, "elasticloadbalancing", "RegisterTargets", &register(groups[1].as_str())).await, 403);
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let create = |name| {
        [("Name", name), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", vpc.as_str()), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]
    };
    assert_eq!(judged(&w, "elasticloadbalancing", "CreateTargetGroup", &create("mine")).await, 200);
    assert_eq!(judged(&w, "elasticloadbalancing", "CreateTargetGroup", &create("other")).await, 403);
    let tag = |id| [("ResourceId.1", id), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")];
    for (id, status) in [(ids[0].as_str(), 200), (ids[1].as_str(), 403), (vpc.as_str(), 403)] {
        assert_eq!(judged(&w, "ec2", "CreateTags", &tag(id)).await, status, "{id}");
    }
    assert_eq!(judged(&w, "ec2", "RebootInstances", &[("InstanceId.1", &ids[0])]).await, 200);
    assert_eq!(judged(&w, "ec2", "RebootInstances", &[("InstanceId.1", &ids[0]), ("InstanceId.2", &ids[1])]).await, 403);
    assert_eq!(judged(&w, "ec2", "TerminateInstances", &[("InstanceId.1", &ids[0])]).await, 403);
    assert_eq!(judged(&w, "elasticloadbalancing", "DeleteLoadBalancer", &[("LoadBalancerArn", &balancer)]).await, 403);
}

#[tokio::test]
async fn tags_at_creation_need_add_tags() {
    let w = world().await;
    allowed(&w, &["elasticloadbalancing:CreateTargetGroup"], &["*".to_owned()]).await;
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let plain = [("Name", "mine"), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", vpc.as_str())];
    let tagged = [plain.as_slice(), &[("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]].concat();
    assert_eq!(judged(&w, "elasticloadbalancing", "CreateTargetGroup", &tagged).await, 403);
    assert_eq!(judged(&w, "elasticloadbalancing", "CreateTargetGroup", &plain).await, 200);
}

#[tokio::test]
async fn a_hanging_fleet_makes_the_balancer_answer_504() {
    let w = world().await;
    w.control("POST", "images", json!({"repository": "stateless-app", "tag": "odd", "behaviour": "hang"})).await;
    let version = w.version_of("odd").await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "HealthCheck")]).await;
    for id in w.truth().iter().map(|i| i["id"].as_str().unwrap_or_default().to_owned()) {
        w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &id), ("ShouldDecrementDesiredCapacity", "false")]).await;
    }
    w.handle.advance(900.0);
    assert_eq!(w.targets().await, ["unhealthy", "unhealthy"]);
    w.offer(json!({"cpu": 50, "requests_per_second": 10})).await;
    let from = w.seconds() / 60 * 60 + 60;
    w.handle.advance(600.0);
    let sum = async |name: &str| w.values("Sum", balancer_metric(&w, name, false).await, from, 60).await.first().map(|(_, v)| *v);
    let (all, timeouts) = (sum("RequestCount").await.expect("requests"), sum("HTTPCode_ELB_504_Count").await.expect("timeouts"));
    assert!(all > 500.0 && timeouts == all, "fail open sends {all} requests, {timeouts} of them time out");
    assert_eq!(sum("HTTPCode_Target_2XX_Count").await, None, "no target answered anything");
    assert_eq!(sum("TargetResponseTime").await, None);
}

#[tokio::test]
async fn a_stopped_instance_publishes_nothing_until_it_starts_again() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[]).await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let cpu = json!({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId", "Value": id}]});
    let from = w.seconds();
    w.handle.advance(600.0);
    assert_eq!(w.ec2("StopInstances", &[("InstanceId.1", &id)]).await.status, 200, "{ASG} looks away");
    let (stopped, hour) = (w.seconds(), 3600.0);
    w.handle.advance(hour);
    assert_eq!(w.ec2("StartInstances", &[("InstanceId.1", &id)]).await.status, 200);
    let started = w.seconds();
    w.handle.advance(1200.0);
    let values = w.values("Average", cpu, from, 60).await;
    let between = |low: i64, high: i64| values.iter().filter(|(at, _)| (low..high).contains(at)).count();
    assert!(between(from, stopped) >= 9, "before");
    assert_eq!(between(stopped + 60, started), 0, "while it is stopped");
    assert!(between(started + 60, started + 900) >= 10, "and after");
}
