//! Instances stopped, started, rebooted and terminated; templates deleted; what is not seen at once (aws-reference 2.3, 7).

use base64::{Engine, engine::general_purpose::STANDARD};
use fleetgate_sim::Span;
use serde_json::{Value, json};

use crate::client::{ASG, TEMPLATE, World, world, world_with};

fn first(w: &World) -> String {
    w.truth()[0]["id"].as_str().unwrap_or_default().to_owned()
}

/// Ground truth of an instance, whether it is in a group or not.
fn of(w: &World, id: &str) -> Value {
    w.handle.snapshot()["instances"].as_array().into_iter().flatten().find(|i| i["id"] == id).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_stopped_instance_is_unhealthy_and_replaced() {
    let w = world().await;
    let id = first(&w);
    let got = w.ec2("StopInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(got.all("name"), ["stopping", "running"]);
    assert_eq!(of(&w, &id)["targets"][0]["reason"], "Target.InvalidState");
    w.handle.advance(61.0);
    let leaving = of(&w, &id)["lifecycle"].to_string().contains("Terminating");
    assert!(leaving, "leaving EC2 running is never excused, and there is no drain to wait for");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("EC2 health check that indicated it had been terminated or stopped"));
    w.handle.advance(600.0);
    assert_eq!(of(&w, &id)["ec2"], "terminated");
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn a_stopped_instance_starts_again_with_its_application() {
    let w = world().await;
    w.on_group("SuspendProcesses", &[]).await;
    let id = first(&w);
    let digest = of(&w, &id)["digest"].clone();
    w.ec2("StopInstances", &[("InstanceId.1", &id)]).await;
    w.ec2("StartInstances", &[("InstanceId.1", &id)]).await.refused(400, "IncorrectInstanceState");
    w.handle.advance(60.0);
    assert_eq!(of(&w, &id)["ec2"], "stopped");
    assert_eq!(w.ec2("StopInstances", &[("InstanceId.1", &id)]).await.all("name"), ["stopped", "stopped"], "asking again changes nothing");
    w.ec2("RebootInstances", &[("InstanceId.1", &id)]).await.refused(400, "IncorrectInstanceState");
    assert_eq!(w.ec2("StartInstances", &[("InstanceId.1", &id)]).await.all("name"), ["pending", "stopped"]);
    w.handle.advance(31.0);
    assert_eq!((of(&w, &id)["ec2"].clone(), of(&w, &id)["targets"][0]["state"].clone()), (json!("running"), json!("initial")));
    w.handle.advance(90.0);
    assert_eq!(of(&w, &id)["targets"][0]["state"], "healthy");
    assert_eq!(of(&w, &id)["digest"], digest, "user data does not run twice");
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn a_reboot_is_short_and_the_instance_stays() {
    let w = world().await;
    let id = first(&w);
    assert_eq!(w.ec2("RebootInstances", &[("InstanceId.1", &id)]).await.one("return"), "true");
    assert_eq!(of(&w, &id)["ec2"], "running");
    let listens = of(&w, &id)["listens_at"].as_str().unwrap_or_default().to_owned();
    assert!(listens.as_str() > "2026-01-05T09:00:04", "{listens}");
    w.handle.advance(600.0);
    assert_eq!(of(&w, &id)["lifecycle"], "InService");
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn terminating_is_all_or_none_and_can_be_repeated() {
    let w = world().await;
    let id = first(&w);
    w.ec2("TerminateInstances", &[("InstanceId.1", &id), ("InstanceId.2", "i-00000000")]).await.refused(400, "InvalidInstanceID.NotFound");
    w.ec2("TerminateInstances", &[("InstanceId.1", "nonsense")]).await.refused(400, "InvalidInstanceID.Malformed");
    w.ec2("TerminateInstances", &[]).await.refused(400, "MissingParameter");
    assert_eq!(of(&w, &id)["ec2"], "running");
    assert_eq!(w.ec2("TerminateInstances", &[("InstanceId.1", &id)]).await.all("name"), ["shutting-down", "running"]);
    assert_eq!(w.ec2("TerminateInstances", &[("InstanceId.1", &id)]).await.all("name"), ["shutting-down", "shutting-down"]);
    w.ec2("StopInstances", &[("InstanceId.1", &id)]).await.refused(400, "IncorrectInstanceState");
    w.handle.advance(600.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"], "the group has replaced it");
}

#[tokio::test]
async fn a_protected_instance_is_not_terminated_or_stopped() {
    let w = world_with(7, |s| {
        for member in ["DisableApiTermination", "DisableApiStop"] {
            s.templates[0].versions[0].data.insert(member.into(), "true".into());
        }
    })
    .await;
    let id = first(&w);
    w.ec2("TerminateInstances", &[("InstanceId.1", &id)]).await.refused(400, "OperationNotPermitted");
    w.ec2("StopInstances", &[("InstanceId.1", &id)]).await.refused(400, "OperationNotPermitted");
    assert_eq!(of(&w, &id)["ec2"], "running");
}

#[tokio::test]
async fn the_console_is_old_unless_the_latest_is_asked_for() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(90.0);
    let new = w.truth().into_iter().find(|i| i["ec2"] == "running" && i["launched_at"].as_str() > Some("2026-01-05")).expect("launched");
    let id = new["id"].as_str().unwrap_or_default().to_owned();
    let console = async |latest: &str| {
        let got = w.ec2("GetConsoleOutput", &[("InstanceId", &id), ("Latest", latest)]).await.one("output");
        String::from_utf8(STANDARD.decode(got).expect("base64")).expect("text")
    };
    w.handle.advance(150.0);
    let (old, latest) = (console("false").await, console("true").await);
    assert!(latest.starts_with(&old) && latest.len() >= old.len());
    assert_eq!(w.ec2("RebootInstances", &[("InstanceId.1", &id)]).await.status, 200);
    assert!(console("true").await.contains("Starting docker.service"));
    assert!(!console("false").await.contains("Starting docker.service"), "refreshed rarely");
    w.handle.advance(240.0);
    assert!(console("false").await.contains("Starting docker.service"));
    w.ec2("GetConsoleOutput", &[("InstanceId", "nonsense")]).await.refused(400, "InvalidInstanceID.Malformed");
    let w = world_with(7, |s| {
        s.templates[0].versions[0].data.insert("InstanceType".into(), "t2.micro".into());
    })
    .await;
    let id = first(&w);
    w.ec2("GetConsoleOutput", &[("InstanceId", &id), ("Latest", "true")]).await.refused(400, "UnsupportedOperation");
    assert_eq!(w.ec2("GetConsoleOutput", &[("InstanceId", &id)]).await.status, 200);
}

#[tokio::test]
async fn a_default_version_moves_once_per_token() {
    let w = world().await;
    w.version_of("v1").await;
    let call = |version, token| [("LaunchTemplateName", TEMPLATE), ("SetDefaultVersion", version), ("ClientToken", token)];
    assert_eq!(w.ec2("ModifyLaunchTemplate", &call("2", "a")).await.one("defaultVersionNumber"), "2");
    assert_eq!(w.ec2("ModifyLaunchTemplate", &call("1", "b")).await.one("defaultVersionNumber"), "1");
    assert_eq!(w.ec2("ModifyLaunchTemplate", &call("2", "a")).await.one("defaultVersionNumber"), "1", "what was done is not done again");
    w.ec2("ModifyLaunchTemplate", &call("1", "a")).await.refused(400, "IdempotentParameterMismatch");
    w.ec2("ModifyLaunchTemplate", &call("9", "c")).await.refused(400, "InvalidLaunchTemplateId.VersionNotFound");
    w.ec2("ModifyLaunchTemplate", &[("LaunchTemplateName", TEMPLATE)]).await.refused(400, "MissingParameter");
}

#[tokio::test]
async fn versions_are_deleted_one_by_one() {
    let w = world().await;
    w.version_of("v1").await;
    let delete = async |template: (&str, &str), versions: &[&str]| {
        let names: Vec<String> = (1..=versions.len()).map(|n| format!("LaunchTemplateVersion.{n}")).collect();
        let mut params = vec![template];
        params.extend(names.iter().map(String::as_str).zip(versions.iter().copied()));
        w.ec2("DeleteLaunchTemplateVersions", &params).await
    };
    let got = delete(("LaunchTemplateName", TEMPLATE), &["1", "2", "9"]).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.all("code"), ["unexpectedError", "launchTemplateVersionDoesNotExist"]);
    assert!(got.one("successfullyDeletedLaunchTemplateVersionSet").contains("<versionNumber>2</versionNumber>"));
    assert_eq!(w.version_of("v4").await, "3", "a number is never used again");
    let got = delete(("LaunchTemplateId", "lt-00000000000000000"), &["1"]).await;
    assert_eq!((got.status, got.one("code")), (200, "launchTemplateIdDoesNotExist".into()));
    let got = delete(("LaunchTemplateName", "none"), &["1"]).await;
    assert_eq!(got.one("code"), "launchTemplateNameDoesNotExist");
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    delete(("LaunchTemplateName", TEMPLATE), &many).await.refused(400, "InvalidParameterValue");
    delete(("LaunchTemplateName", TEMPLATE), &["one"]).await.refused(400, "InvalidParameterValue");
}

#[tokio::test]
async fn a_deleted_template_fails_whoever_launches_from_it() {
    let w = world().await;
    let got = w.ec2("DeleteLaunchTemplate", &[("LaunchTemplateName", TEMPLATE)]).await;
    assert_eq!(got.one("launchTemplateName"), TEMPLATE);
    w.ec2("DeleteLaunchTemplate", &[("LaunchTemplateName", TEMPLATE)]).await.refused(400, "InvalidLaunchTemplateName.NotFoundException");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(60.0);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("The specified launch template, with template ID lt-"), "{ASG} cannot launch");
    assert_eq!(w.truth().len(), 2);
}

#[tokio::test]
async fn what_was_just_made_is_not_seen_at_once() {
    let w = world_with(7, |s| {
        if let Some(p) = &mut s.params {
            p.ec2_visible = Span::new(5, 5);
        }
    })
    .await;
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let group = w.ec2("CreateSecurityGroup", &[("GroupName", "new"), ("GroupDescription", "made"), ("VpcId", &vpc)]).await.one("groupId");
    let template = w
        .ec2("CreateLaunchTemplate", &[("LaunchTemplateName", "new"), ("LaunchTemplateData.InstanceType", "t3.micro")])
        .await
        .one("launchTemplateId");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let mut id = String::new();
    while id.is_empty() {
        id = w.truth().get(2).map(|i| i["id"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
        if id.is_empty() {
            let before = [
                ("DescribeSecurityGroups", "GroupId.1", &group, "InvalidGroup.NotFound"),
                ("DescribeLaunchTemplates", "LaunchTemplateId.1", &template, "InvalidLaunchTemplateId.NotFound"),
            ];
            for (action, member, id, code) in before.into_iter().filter(|_| w.handle.now().to_string().as_str() < "2026-01-05T09:00:05") {
                w.ec2(action, &[(member, id)]).await.refused(400, code);
            }
            w.handle.advance(1.0);
        }
    }
    for action in ["DescribeInstances", "DescribeInstanceStatus"] {
        w.ec2(action, &[("InstanceId.1", &id)]).await.refused(400, "InvalidInstanceID.NotFound");
    }
    w.handle.advance(5.0);
    assert_eq!(w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await.status, 200);
    assert_eq!(w.ec2("DescribeSecurityGroups", &[("GroupId.1", &group)]).await.status, 200);
    assert_eq!(w.ec2("DescribeLaunchTemplates", &[("LaunchTemplateId.1", &template)]).await.status, 200);
}

#[tokio::test]
async fn a_group_on_latest_may_miss_a_version_made_just_now() {
    for (window, wanted) in [(600, 1), (0, 2)] {
        let w = world_with(7, |s| {
            if let Some(p) = &mut s.params {
                p.ec2_visible = Span::new(window, window);
            }
        })
        .await;
        let latest = [("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", "$Latest")];
        w.on_group("UpdateAutoScalingGroup", &latest).await;
        w.version_of("v1").await;
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
        w.handle.advance(40.0);
        assert_eq!(w.truth()[2]["template_version"], wanted);
    }
}

#[tokio::test]
async fn regions_that_are_enabled_and_those_that_are_not() {
    let w = world().await;
    let some = w.ec2("DescribeRegions", &[]).await.all("regionName");
    let all = w.ec2("DescribeRegions", &[("AllRegions", "true")]).await;
    assert!(some.contains(&"ap-south-1".to_owned()) && some.len() < all.all("regionName").len());
    assert!(all.body.contains("not-opted-in"));
    let one = w.ec2("DescribeRegions", &[("RegionName.1", "eu-west-1")]).await;
    assert_eq!(one.one("regionEndpoint"), "ec2.eu-west-1.amazonaws.com");
    w.ec2("DescribeRegions", &[("RegionName.1", "moon-1")]).await.refused(400, "InvalidParameterValue");
    let by = w.ec2("DescribeRegions", &[("Filter.1.Name", "region-name"), ("Filter.1.Value.1", "us-*")]).await;
    assert!(by.all("regionName").iter().all(|r| r.starts_with("us-")) && !by.all("regionName").is_empty());
}
