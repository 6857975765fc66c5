//! Which instance goes, and where one comes (aws-reference 4.6, 4.7).

use fleetgate_sim::seed::Subnet;
use serde_json::{Value, json};

use crate::client::{ASG, TEMPLATE, World, runs, world, world_with};

fn in_zone(w: &World, zone: &str) -> usize {
    w.truth().iter().filter(|i| i["az"] == zone && i["lifecycle"] == "InService").count()
}

fn id(i: &Value) -> String {
    i["id"].as_str().unwrap_or_default().to_owned()
}

async fn size(w: &World, desired: &str) {
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", desired)]).await;
    w.handle.advance(400.0);
}

/// Four instances, two in each zone: two old ones, then one of a newer template version, then one of the old again.
async fn four(w: &World, policy: &str) -> Vec<Value> {
    w.on_group("UpdateAutoScalingGroup", &[("TerminationPolicies.member.1", policy)]).await;
    let version = w.version_of("v4").await;
    w.handle.advance(1000.0);
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    size(w, "3").await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", "1")]).await;
    w.handle.advance(500.0);
    size(w, "4").await;
    let mut rows = w.truth();
    rows.sort_by_key(|i| i["launched_at"].to_string());
    assert_eq!(rows.len(), 4);
    assert_eq!((in_zone(w, "ap-south-1a"), in_zone(w, "ap-south-1b")), (2, 2));
    rows
}

async fn gone_after(w: &World, rows: &[Value], desired: &str) -> Vec<usize> {
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "0")]).await;
    size(w, desired).await;
    let left: Vec<String> = w.truth().iter().map(id).collect();
    (0..rows.len()).filter(|n| !left.contains(&id(&rows[*n]))).collect()
}

#[tokio::test]
async fn newest_and_oldest_instance() {
    let w = world().await;
    let rows = four(&w, "NewestInstance").await;
    assert_eq!(gone_after(&w, &rows, "3").await, [3]);
    let w = world().await;
    let rows = four(&w, "OldestInstance").await;
    assert_eq!(gone_after(&w, &rows, "3").await, [0]);
}

#[tokio::test]
async fn the_oldest_template_version_goes_first_and_the_default_policy_says_so_too() {
    for policy in ["OldestLaunchTemplate", "Default"] {
        let w = world().await;
        let rows = four(&w, policy).await;
        assert!(runs(&rows[2], "2"));
        let gone = gone_after(&w, &rows, "1").await;
        assert_eq!(gone, [0, 1, 3], "{policy}: the newer version stays");
    }
}

/// Two instances of another template, younger and of a higher version than the group's own two.
#[tokio::test]
async fn instances_of_another_template_go_before_any_of_the_group_s_own() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("TerminationPolicies.member.1", "OldestLaunchTemplate")]).await;
    let other = "stateless-app-staging-template";
    w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", other), ("SourceVersion", "1"), ("LaunchTemplateData.EbsOptimized", "true")]).await;
    for (template, version, desired) in [(other, "2", "4"), (TEMPLATE, "1", "2")] {
        w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", template), ("LaunchTemplate.Version", version)]).await;
        size(&w, desired).await;
    }
    assert!(w.truth().len() == 2 && w.truth().iter().all(|i| runs(i, "1")), "{:?}", w.truth());
}

#[tokio::test]
async fn closest_to_the_next_hour_of_its_life() {
    let w = world().await;
    let rows = four(&w, "ClosestToNextInstanceHour").await;
    let now = w.handle.now().as_millisecond();
    let left = |i: &Value| {
        let at: jiff::Timestamp = i["launched_at"].as_str().unwrap_or_default().parse().expect("instant");
        3_600_000 - (now - at.as_millisecond()).rem_euclid(3_600_000)
    };
    let nearest = (0..4).min_by_key(|n| left(&rows[*n])).expect("four");
    assert_eq!(gone_after(&w, &rows, "3").await, [nearest]);
}

#[tokio::test]
async fn a_later_policy_breaks_the_ties_of_the_first() {
    let w = world().await;
    let rows = four(&w, "OldestLaunchTemplate").await;
    let both = [("TerminationPolicies.member.1", "OldestLaunchTemplate"), ("TerminationPolicies.member.2", "NewestInstance")];
    w.on_group("UpdateAutoScalingGroup", &both).await;
    // The second one goes from the other zone, where the newest has the newer version.
    let gone = gone_after(&w, &rows, "2").await;
    assert!(gone.len() == 2 && gone.contains(&3) && !gone.contains(&2), "of the three with the old version the newest: {gone:?}");
}

#[tokio::test]
async fn the_fullest_zone_comes_before_any_policy_and_protection_before_all() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("TerminationPolicies.member.1", "NewestInstance")]).await;
    // One after the other, so that the newest but one stands in the other zone.
    for desired in ["3", "4", "5"] {
        size(&w, desired).await;
    }
    let full = if in_zone(&w, "ap-south-1a") == 3 { "ap-south-1a" } else { "ap-south-1b" };
    let mut rows = w.truth();
    rows.sort_by_key(|i| i["launched_at"].to_string());
    let newest = rows.pop().expect("five");
    assert!(newest["az"] == full && rows.last().is_some_and(|i| i["az"] != full), "{rows:?}");
    w.on_group("SetInstanceProtection", &[("InstanceIds.member.1", &id(&newest)), ("ProtectedFromScaleIn", "true")]).await;
    size(&w, "4").await;
    assert_eq!(in_zone(&w, full), 2);
    assert!(w.truth().iter().any(|i| id(i) == id(&newest)), "the protected one stays");
}

#[tokio::test]
async fn all_protected_means_no_scale_in() {
    let w = world_with(7, |s| s.groups[0].protect_new = true).await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "0"), ("DesiredCapacity", "0")]).await;
    w.handle.advance(600.0);
    assert_eq!(w.truth().len(), 2);
    assert!(w.truth().iter().all(|i| i["lifecycle"] == "InService"));
}

#[tokio::test]
async fn zones_out_of_balance_are_evened_out_launch_first() {
    let w = world_with(7, |s| s.groups[0].max = 4).await;
    w.control("POST", "capacity", json!({"az": "ap-south-1b", "instances": 0})).await;
    size(&w, "4").await;
    assert_eq!((in_zone(&w, "ap-south-1a"), in_zone(&w, "ap-south-1b")), (3, 1));
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "AZRebalance")]).await;
    w.control("POST", "capacity", json!({"az": "ap-south-1b", "instances": null})).await;
    w.handle.advance(3600.0);
    assert_eq!(in_zone(&w, "ap-south-1b"), 1, "not while suspended");
    w.on_group("ResumeProcesses", &[]).await;
    let (mut most, mut least) = (0, 9);
    for _ in 0..200 {
        let serving = in_zone(&w, "ap-south-1a") + in_zone(&w, "ap-south-1b");
        let active = w.truth().iter().filter(|i| i["lifecycle"] == "InService" || i["lifecycle"] == "Pending").count();
        most = most.max(active);
        least = least.min(serving);
        w.handle.advance(5.0);
    }
    assert_eq!((in_zone(&w, "ap-south-1a"), in_zone(&w, "ap-south-1b")), (2, 2));
    assert_eq!((least, most), (4, 5), "one above Max for a while, never below desired");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("instances were launched to balance instances in zones ap-south-1b with other zones resulting in more than desired number of instances in the group."));
    let launches = w.truth().len();
    w.handle.advance(7200.0);
    assert_eq!(w.truth().len(), launches, "and then it rests");
}

#[tokio::test]
async fn instances_leave_a_zone_that_the_group_leaves() {
    let w = world().await;
    let subnets = w.ec2("DescribeSubnets", &[("Filter.1.Name", "availability-zone"), ("Filter.1.Value.1", "ap-south-1b")]).await;
    w.on_group("UpdateAutoScalingGroup", &[("VPCZoneIdentifier", &subnets.one("subnetId"))]).await;
    assert_eq!(w.describe_group().await.one("AvailabilityZones"), "<member>ap-south-1b</member>");
    w.handle.advance(900.0);
    assert_eq!((in_zone(&w, "ap-south-1a"), in_zone(&w, "ap-south-1b")), (0, 2));
    w.asg("UpdateAutoScalingGroup", &[("AutoScalingGroupName", ASG), ("VPCZoneIdentifier", "subnet-none")]).await.refused(400, "ValidationError");
}

/// Where the zones cannot all be equal: one zone with less than its share, one with more, and one that the group leaves while
/// the others have their share already.
#[tokio::test]
async fn zones_that_cannot_be_equal_are_evened_out_as_far_as_they_can() {
    // Launches that b and c have room for, size, whether c is left, and what the zones hold in the end.
    for (launches, desired, left, wanted) in
        [((None, 0), "4", false, [1, 1, 2]), ((Some(0), 1), "5", false, [1, 2, 2]), ((None, 9), "3", true, [0, 1, 2])]
    {
        let w = world_with(7, |s| s.subnets.push(Subnet { id: "subnet-0c".into(), zone: "ap-south-1c".into() })).await;
        let (in_b, in_c) = launches;
        w.handle.capacity("ap-south-1b", in_b).expect("known");
        w.handle.capacity("ap-south-1c", Some(in_c)).expect("known");
        w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "AZRebalance")]).await;
        size(&w, desired).await;
        let zones = || ["ap-south-1a", "ap-south-1b", "ap-south-1c"].map(|zone| in_zone(&w, zone));
        let before = zones();
        if left {
            let subnets = w.ec2("DescribeSubnets", &[]).await.all("subnetId");
            let others: Vec<&str> = subnets.iter().map(String::as_str).filter(|id| *id != "subnet-0c").collect();
            w.on_group("UpdateAutoScalingGroup", &[("VPCZoneIdentifier", &others.join(","))]).await;
        }
        for zone in ["ap-south-1b", "ap-south-1c"] {
            w.handle.capacity(zone, None).expect("known");
        }
        w.on_group("ResumeProcesses", &[]).await;
        w.handle.advance(1200.0);
        let mut after = zones();
        after.sort_unstable();
        assert_eq!(after, wanted, "{before:?}");
        assert_eq!(in_zone(&w, "ap-south-1c") == 0, left);
    }
}

#[tokio::test]
async fn a_balanced_only_group_launches_nowhere_else() {
    let w = world().await;
    w.on_group("UpdateAutoScalingGroup", &[("AvailabilityZoneDistribution.CapacityDistributionStrategy", "balanced-only")]).await;
    size(&w, "3").await;
    let less = if in_zone(&w, "ap-south-1a") == 1 { "ap-south-1a" } else { "ap-south-1b" };
    w.control("POST", "capacity", json!({"az": less, "instances": 0})).await;
    size(&w, "4").await;
    assert_eq!(w.truth().len(), 3);
    w.on_group("UpdateAutoScalingGroup", &[("AvailabilityZoneDistribution.CapacityDistributionStrategy", "balanced-best-effort")]).await;
    w.handle.advance(200.0);
    assert_eq!(in_zone(&w, less), 1);
    assert_eq!(w.truth().len(), 4);
}

async fn suspended(w: &World) -> Vec<(String, String)> {
    let got = w.describe_group().await;
    got.all("ProcessName").into_iter().zip(got.all("SuspensionReason")).collect()
}

#[tokio::test]
async fn a_day_of_failed_launches_is_suspended_by_aws_itself() {
    for all in [false, true] {
        let w = world_with(7, |s| {
            if let Some(p) = &mut s.params {
                p.admin_suspends_all = all;
            }
        })
        .await;
        for zone in ["ap-south-1a", "ap-south-1b"] {
            w.control("POST", "capacity", json!({"az": zone, "instances": 0})).await;
        }
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
        w.handle.advance(86_300.0);
        assert_eq!(suspended(&w).await, []);
        w.handle.advance(300.0);
        let rows = suspended(&w).await;
        assert_eq!(rows.len(), if all { 9 } else { 1 });
        let launch = rows.iter().find(|(name, _)| name == "Launch").expect("Launch");
        assert!(launch.1.starts_with("Administrator suspended at 2026-01-06T09:"), "{}", launch.1);
        // It is over for good until somebody resumes it.
        w.control("POST", "capacity", json!({"az": "ap-south-1a", "instances": null})).await;
        w.handle.advance(3600.0);
        assert_eq!(w.truth().len(), 2);
        w.on_group("ResumeProcesses", &[]).await;
        w.handle.advance(120.0);
        assert_eq!(w.truth().len(), 3);
    }
}

#[tokio::test]
async fn without_launch_the_unhealthy_are_taken_out_all_the_same() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "Launch")]).await;
    for i in w.truth() {
        w.handle.sicken(&id(&i)).expect("known");
    }
    w.handle.advance(900.0);
    assert_eq!(w.truth().len(), 0);
    w.on_group("ResumeProcesses", &[]).await;
    w.handle.advance(300.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn without_terminate_nothing_is_taken_out() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "Terminate")]).await;
    w.on_group("UpdateAutoScalingGroup", &[("MinSize", "1"), ("DesiredCapacity", "1")]).await;
    w.handle.sicken(&id(&w.truth()[0])).expect("known");
    w.handle.advance(900.0);
    let lifecycles: Vec<Value> = w.truth().iter().map(|i| i["lifecycle"].clone()).collect();
    assert_eq!(lifecycles, ["InService", "InService"]);
    w.on_group("ResumeProcesses", &[]).await;
    w.handle.advance(400.0);
    assert_eq!(w.targets().await, ["healthy"]);
}

#[tokio::test]
async fn what_is_launched_without_add_to_load_balancer_stays_unregistered() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "AddToLoadBalancer")]).await;
    size(&w, "3").await;
    w.on_group("ResumeProcesses", &[]).await;
    w.handle.advance(600.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert_eq!(w.truth().len(), 3);
}
