//! Target groups and instances that come and go, creating and deleting groups (aws-reference 3, 4.1).

use crate::client::{ASG, Got, World, world, world_with};

const GROUP: (&str, &str) = ("AutoScalingGroupName", ASG);

async fn arn(w: &World, name: &str) -> String {
    w.query("elasticloadbalancing", "DescribeTargetGroups", &[("Names.member.1", name)]).await.one("TargetGroupArn")
}

async fn states(w: &World) -> Vec<String> {
    w.on_group("DescribeLoadBalancerTargetGroups", &[]).await.all("State")
}

async fn targets(w: &World, arn: &str) -> Vec<String> {
    let got = w.query("elasticloadbalancing", "DescribeTargetHealth", &[("TargetGroupArn", arn)]).await;
    got.all("TargetHealth").iter().filter_map(|t| Some(t.split_once("<State>")?.1.split_once('<')?.0.to_owned())).collect()
}

#[tokio::test]
async fn a_target_group_is_adding_then_added_then_in_service_and_removing_at_the_end() {
    let w = world_with(7, |s| {
        let mut other = s.target_groups[0].clone();
        other.name = "other".into();
        s.target_groups.push(other);
    })
    .await;
    let other = arn(&w, "other").await;
    w.on_group("AttachLoadBalancerTargetGroups", &[("TargetGroupARNs.member.1", &other)]).await;
    assert_eq!(states(&w).await, ["InService", "Adding"]);
    assert_eq!(targets(&w, &other).await, Vec::<String>::new());
    let mut seen = Vec::new();
    for _ in 0..91 {
        let state = states(&w).await.remove(1);
        assert_eq!(targets(&w, &other).await.len(), if state == "Adding" { 0 } else { 2 });
        seen.push(state);
        w.handle.advance(1.0);
    }
    seen.dedup();
    assert_eq!(seen, ["Adding", "Added", "InService"]);
    assert_eq!(targets(&w, &other).await, ["healthy", "healthy"]);
    let traffic = w.on_group("DescribeTrafficSources", &[("TrafficSourceType", "elbv2")]).await;
    assert_eq!(traffic.all("Identifier").len(), 2);
    let source = [("TrafficSources.member.1.Identifier", other.as_str()), ("TrafficSources.member.1.Type", "elbv2")];
    w.on_group("DetachTrafficSources", &source).await;
    assert_eq!(states(&w).await, ["InService", "Removing"]);
    assert_eq!(targets(&w, &other).await, ["draining", "draining"]);
    assert!(!w.describe_group().await.body.contains(&other));
    w.handle.advance(61.0);
    assert_eq!(states(&w).await, ["InService"]);
    assert_eq!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").count(), 2, "the instances stay");
    let mut gone = vec![GROUP];
    gone.extend(source);
    w.asg("DetachTrafficSources", &gone).await.refused(400, "ValidationError");
    w.on_group("AttachTrafficSources", &source).await;
    assert_eq!(states(&w).await, ["InService", "Adding"]);
}

#[tokio::test]
async fn a_refresh_blocks_attaching_and_unknown_sources_are_refused() {
    let w = world().await;
    let own = arn(&w, "stateless-app-staging-targets").await;
    let none = [GROUP, ("TargetGroupARNs.member.1", "arn:aws:elasticloadbalancing:ap-south-1:123456789012:targetgroup/none/0")];
    w.asg("AttachLoadBalancerTargetGroups", &none).await.refused(400, "ValidationError");
    let lattice = [GROUP, ("TrafficSources.member.1.Identifier", "tg-1"), ("TrafficSources.member.1.Type", "vpc-lattice")];
    w.asg("AttachTrafficSources", &lattice).await.refused(400, "ValidationError");
    w.asg("AttachLoadBalancerTargetGroups", &[GROUP]).await.refused(400, "ValidationError");
    let names: Vec<String> = (1..=11).map(|n| format!("TargetGroupARNs.member.{n}")).collect();
    let mut many = vec![GROUP];
    many.extend(names.iter().map(|n| (n.as_str(), own.as_str())));
    w.asg("AttachLoadBalancerTargetGroups", &many).await.refused(400, "ValidationError");
    let version = w.version_of("v4").await;
    w.start(&version, &[]).await;
    let attach = [GROUP, ("TargetGroupARNs.member.1", own.as_str())];
    w.asg("AttachLoadBalancerTargetGroups", &attach).await.refused(400, "InstanceRefreshInProgress");
    assert_eq!(states(&w).await, ["InService"]);
}

#[tokio::test]
async fn an_attached_group_without_add_to_load_balancer_registers_on_resume() {
    let w = world().await;
    let other = arn(&w, "stateless-app-staging-targets").await;
    let before = targets(&w, &other).await.len();
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "AddToLoadBalancer")]).await;
    w.on_group("AttachLoadBalancerTargetGroups", &[("TargetGroupARNs.member.1", &other)]).await;
    w.handle.advance(120.0);
    assert_eq!((states(&w).await, targets(&w, &other).await.len()), (vec!["InService".into(), "Adding".into()], before));
    w.on_group("ResumeProcesses", &[]).await;
    assert_eq!(targets(&w, &other).await.len(), before + 2);
}

#[tokio::test]
async fn a_detached_instance_drains_runs_on_and_can_be_attached_again() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let detach = [GROUP, ("InstanceIds.member.1", id.as_str()), ("ShouldDecrementDesiredCapacity", "true")];
    let refused = w.asg("DetachInstances", &detach).await;
    refused.refused(400, "ValidationError");
    assert!(refused.one("Message").contains("has min-size=2, max-size=10, and desired-size=2. To detach 1 instance(s)"), "{}", refused.body);
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "1")]).await;
    let got = w.asg("DetachInstances", &detach).await;
    assert_eq!(got.one("Description"), format!("Detaching EC2 instance: {id}"));
    assert!(got.one("Cause").ends_with(&format!("instance {id} was detached in response to a user request, shrinking the capacity from 2 to 1.")));
    assert!(w.truth().iter().any(|i| i["id"] == id.as_str() && i["lifecycle"] == "Detaching"));
    w.handle.advance(62.0);
    assert_eq!(w.truth().len(), 1);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "1");
    let ec2 = w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert!(ec2.body.contains("<name>running</name>") && !ec2.body.contains("aws:autoscaling:groupName"), "{}", ec2.body);
    w.on_group("AttachInstances", &[("InstanceIds.member.1", &id)]).await;
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    assert!(w.truth().iter().any(|i| i["id"] == id.as_str() && i["lifecycle"] == "Pending"));
    w.handle.advance(80.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    w.asg("AttachInstances", &[GROUP, ("InstanceIds.member.1", &id)]).await.refused(400, "ValidationError");
    w.asg("AttachInstances", &[GROUP, ("InstanceIds.member.1", "i-0")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn detaching_without_a_decrement_launches_another() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.on_group("DetachInstances", &[("InstanceIds.member.1", &id), ("ShouldDecrementDesiredCapacity", "false")]).await;
    w.handle.advance(300.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert!(!w.truth().iter().any(|i| i["id"] == id.as_str()));
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "10")]).await;
    let full = w.asg("AttachInstances", &[GROUP, ("InstanceIds.member.1", &id)]).await;
    full.refused(400, "ValidationError");
    assert!(full.one("Message").contains("max-size=10"), "{}", full.body);
}

#[tokio::test]
async fn a_group_with_instances_is_deleted_only_by_force() {
    for at_shutdown in [false, true] {
        let w = world_with(7, |s| s.params.as_mut().expect("set").leaves_group_at_shutdown = at_shutdown).await;
        w.asg("DeleteAutoScalingGroup", &[GROUP]).await.refused(400, "ResourceInUse");
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
        w.handle.advance(31.0);
        w.asg("DeleteAutoScalingGroup", &[GROUP]).await.refused(400, "ScalingActivityInProgress");
        w.on_group("DeleteAutoScalingGroup", &[("ForceDelete", "true")]).await;
        assert_eq!(w.describe_group().await.one("Status"), "Delete in progress");
        let activities = w.on_group("DescribeScalingActivities", &[]).await;
        assert!(activities.body.contains("a user request force deleted AutoScalingGroup"), "{}", activities.body);
        w.asg("SetDesiredCapacity", &[GROUP, ("DesiredCapacity", "0")]).await.refused(400, "ValidationError");
        w.asg("CreateAutoScalingGroup", &[GROUP, ("MinSize", "0"), ("MaxSize", "0")]).await.refused(400, "AlreadyExists");
        w.handle.advance(61.0);
        assert!(w.describe_group().await.body.contains("<AutoScalingGroups></AutoScalingGroups>"));
        w.asg("DeleteAutoScalingGroup", &[GROUP]).await.refused(400, "ValidationError");
    }
}

#[tokio::test]
async fn an_empty_group_is_deleted_at_once_and_protection_holds() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "0"), ("DeletionProtection", "prevent-force-deletion")]).await;
    assert_eq!(w.describe_group().await.one("DeletionProtection"), "prevent-force-deletion");
    w.asg("DeleteAutoScalingGroup", &[GROUP, ("ForceDelete", "true")]).await.refused(400, "ResourceInUse");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "0")]).await;
    w.handle.advance(300.0);
    w.on_group("UpdateAutoScalingGroup", &[("DeletionProtection", "prevent-all-deletion")]).await;
    w.asg("DeleteAutoScalingGroup", &[GROUP]).await.refused(400, "ResourceInUse");
    w.on_group("UpdateAutoScalingGroup", &[("DeletionProtection", "none")]).await;
    w.on_group("DeleteAutoScalingGroup", &[]).await;
    assert!(w.describe_group().await.body.contains("<AutoScalingGroups></AutoScalingGroups>"));
}

async fn create(w: &World, more: &[(&str, &str)]) -> Got {
    let subnets = w.ec2("DescribeSubnets", &[]).await.all("subnetId").join(",");
    let mut params = vec![
        ("AutoScalingGroupName", "fresh"),
        ("MinSize", "1"),
        ("MaxSize", "3"),
        ("VPCZoneIdentifier", subnets.as_str()),
        ("LaunchTemplate.LaunchTemplateName", "stateless-app-template"),
    ];
    params.extend_from_slice(more);
    w.asg("CreateAutoScalingGroup", &params).await
}

#[tokio::test]
async fn what_create_cannot_do_it_refuses() {
    let w = world().await;
    for odd in [
        ("InstanceId", "i-0"),
        ("LoadBalancerNames.member.1", "classic"),
        ("PlacementGroup", "close"),
        ("AvailabilityZoneIds.member.1", "aps1-az1"),
        ("AvailabilityZones.member.1", "ap-south-1a"),
        ("DesiredCapacityType", "vcpu"),
        ("Context", "c"),
        ("Operator.Principal", "x.amazonaws.com"),
        ("InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon", "retain"),
        ("CapacityReservationSpecification.CapacityReservationPreference", "capacity-reservations-only"),
        ("AvailabilityZoneDistribution.CapacityDistributionStrategy", "odd"),
        ("AvailabilityZoneImpairmentPolicy.ZonalShiftEnabled", "true"),
        ("DeletionProtection", "odd"),
        ("ServiceLinkedRoleARN", "arn:aws:iam::123456789012:role/other"),
        ("LaunchConfigurationName", "none"),
        ("TerminationPolicies.member.1", "arn:aws:lambda:ap-south-1:123456789012:function:choose"),
        ("TrafficSources.member.1.Identifier", "classic"),
        ("Tags.member.1.Key", "aws:mine"),
        ("LifecycleHookSpecificationList.member.1.LifecycleHookName", "no-transition"),
    ] {
        let got = create(&w, &[odd]).await;
        assert_eq!((got.status, got.one("Code")), (400, "ValidationError".into()), "{odd:?}: {}", got.body);
    }
    let got = w.asg("UpdateAutoScalingGroup", &[GROUP, ("PlacementGroup", "close")]).await;
    got.refused(400, "ValidationError");
}

#[tokio::test]
async fn create_takes_hooks_traffic_sources_and_what_is_only_shown() {
    let w = world().await;
    let targets = arn(&w, "stateless-app-staging-targets").await;
    let more = [
        ("TrafficSources.member.1.Identifier", targets.as_str()),
        ("TrafficSources.member.1.Type", "elbv2"),
        ("LifecycleHookSpecificationList.member.1.LifecycleHookName", "boot"),
        ("LifecycleHookSpecificationList.member.1.LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("LifecycleHookSpecificationList.member.1.HeartbeatTimeout", "60"),
        ("LifecycleHookSpecificationList.member.1.DefaultResult", "CONTINUE"),
        ("DesiredCapacityType", "units"),
        ("AvailabilityZoneDistribution.CapacityDistributionStrategy", "balanced-only"),
        ("CapacityReservationSpecification.CapacityReservationPreference", "default"),
    ];
    let got = create(&w, &more).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let fresh = [("AutoScalingGroupName", "fresh")];
    let shown = async || w.asg("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", "fresh")]).await;
    let group = shown().await;
    assert!(group.one("TargetGroupARNs").contains(&targets));
    assert_eq!((group.one("DesiredCapacityType"), group.one("CapacityDistributionStrategy")), ("units".into(), "balanced-only".into()));
    assert_eq!(group.one("CapacityReservationPreference"), "default");
    assert_eq!(w.asg("DescribeLifecycleHooks", &fresh).await.one("HeartbeatTimeout"), "60");
    w.handle.advance(81.0);
    assert_eq!(shown().await.one("LifecycleState"), "Pending:Wait");
    w.handle.advance(66.0);
    assert_eq!(shown().await.one("LifecycleState"), "InService", "the default result is CONTINUE");
}
