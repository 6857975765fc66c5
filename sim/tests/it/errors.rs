//! Refusals and envelopes (aws-reference 1.2, 1.3, 3).

use crate::client::{ASG, world};

#[tokio::test]
async fn group_not_found_rules() {
    let w = world().await;
    let nobody = [("AutoScalingGroupName", "nobody")];
    for action in ["DescribeInstanceRefreshes", "DescribeScalingActivities", "DescribeScheduledActions", "DescribeLifecycleHooks"] {
        assert_eq!(w.asg(action, &nobody).await.status, 200, "{action}");
    }
    let got = w.asg("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", "nobody")]).await;
    assert!(got.body.contains("<AutoScalingGroups></AutoScalingGroups>"));
    for action in ["StartInstanceRefresh", "CancelInstanceRefresh", "SetDesiredCapacity", "UpdateAutoScalingGroup", "SuspendProcesses"] {
        let got = w.asg(action, &[("AutoScalingGroupName", "nobody"), ("DesiredCapacity", "1")]).await;
        got.refused(400, "ValidationError");
        assert_eq!(got.one("Message"), "AutoScalingGroup name not found - AutoScalingGroup nobody not found");
    }
}

#[tokio::test]
async fn capacity_out_of_range() {
    let w = world().await;
    let got = w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "33")]).await;
    got.refused(400, "ValidationError");
    assert_eq!(got.one("Message"), "New SetDesiredCapacity value 33 is above max value 10 for the AutoScalingGroup.");
    let got = w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "1")]).await;
    assert_eq!(got.one("Message"), "New SetDesiredCapacity value 1 is below min value 2 for the AutoScalingGroup.");
    w.asg("UpdateAutoScalingGroup", &[("AutoScalingGroupName", ASG), ("MinSize", "11")]).await.refused(400, "ValidationError");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(40.0);
    let params = [("AutoScalingGroupName", ASG), ("DesiredCapacity", "4"), ("HonorCooldown", "true")];
    w.asg("SetDesiredCapacity", &params).await.refused(400, "ScalingActivityInProgress");
}

#[tokio::test]
async fn preferences_are_validated() {
    let w = world().await;
    for bad in [
        vec![("Preferences.MinHealthyPercentage", "101")],
        vec![("Preferences.MaxHealthyPercentage", "150")],
        vec![("Preferences.MinHealthyPercentage", "0"), ("Preferences.MaxHealthyPercentage", "200")],
        vec![("Preferences.CheckpointDelay", "5")],
        vec![("Preferences.CheckpointPercentages.member.1", "60"), ("Preferences.CheckpointPercentages.member.2", "50")],
        vec![("Preferences.AutoRollback", "true")],
        vec![("Preferences.BakeTime", "-1")],
        vec![("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", "none")],
    ] {
        let mut params = vec![("AutoScalingGroupName", ASG)];
        params.extend(bad);
        w.asg("StartInstanceRefresh", &params).await.refused(400, "ValidationError");
    }
    assert_eq!(w.refreshes().await.one("Status"), "");
}

#[tokio::test]
async fn unknown_operations_are_refused_and_logged() {
    let w = world().await;
    w.asg("FlyToTheMoon", &[]).await.refused(400, "InvalidAction");
    w.ec2("RunInstances", &[]).await.refused(400, "InvalidAction");
    let got = w.ecr("PutReplicationConfiguration", serde_json::json!({})).await;
    assert_eq!((got.status, got.json()["__type"].as_str()), (400, Some("UnknownOperationException")));
    let got = w.query("dynamodb", "ListTables", &[]).await;
    assert_eq!(got.status, 400);
    let calls = w.handle.calls_since(0);
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|c| !c.effective && c.error_code.is_some()));
}

#[tokio::test]
async fn pages_and_tokens() {
    let w = world().await;
    let first = w.asg("DescribeAutoScalingGroups", &[("MaxRecords", "2")]).await;
    assert_eq!(first.all("AutoScalingGroupARN").len(), 2);
    let token = first.one("NextToken");
    let second = w.asg("DescribeAutoScalingGroups", &[("MaxRecords", "2"), ("NextToken", &token)]).await;
    assert_eq!(second.all("AutoScalingGroupARN").len(), 1);
    assert!(!second.body.contains("NextToken"));
    w.asg("DescribeAutoScalingGroups", &[("NextToken", "mine")]).await.refused(400, "InvalidNextToken");
    let got = w.ecr("ListImages", serde_json::json!({"repositoryName": "stateless-app", "maxResults": 2})).await;
    assert!(got.json()["nextToken"].is_string());
}

#[tokio::test]
async fn images_and_manifests() {
    let w = world().await;
    let digest = w.digest("v4").await;
    let got = w
        .ecr("BatchGetImage", serde_json::json!({"repositoryName": "stateless-app", "imageIds": [{"imageDigest": digest}, {"imageTag": "none"}]}))
        .await;
    let manifest = got.json()["images"][0]["imageManifest"].as_str().unwrap_or_default().to_owned();
    use sha2::Digest;
    let hash: String = sha2::Sha256::digest(manifest.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(format!("sha256:{hash}"), digest);
    assert_eq!(got.json()["failures"][0]["failureCode"], "ImageNotFound");
    let got = w.ecr("DescribeImages", serde_json::json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": "none"}]})).await;
    assert_eq!(got.json()["__type"], "ImageNotFoundException");
    let got = w.ecr("DescribeImages", serde_json::json!({"repositoryName": "other"})).await;
    assert_eq!(got.json()["__type"], "RepositoryNotFoundException");
    w.ecr("BatchDeleteImage", serde_json::json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": "v1"}]})).await;
    assert_eq!(w.digest("v1").await, "");
}

#[tokio::test]
async fn roles_need_their_external_id_and_leave_a_session() {
    let w = world().await;
    let role = [("RoleArn", "arn:aws:iam::123456789012:role/fleet-control"), ("RoleSessionName", "fleet-12-ada")];
    w.query("sts", "AssumeRole", &role).await.refused(403, "AccessDenied");
    let mut with = role.to_vec();
    with.push(("ExternalId", "stack-external-id"));
    let got = w.query("sts", "AssumeRole", &with).await;
    let key = got.one("AccessKeyId");
    assert!(key.starts_with("ASIA"));
    let who = w.as_key(&key, "sts", "GetCallerIdentity", &[]).await.expect("answers");
    assert_eq!(who.one("Arn"), "arn:aws:sts::123456789012:assumed-role/fleet-control/fleet-12-ada");
    let last = w.handle.calls_since(2).remove(0);
    assert!(last.principal.ends_with("fleet-12-ada"));
    w.handle.advance(100_000.0);
    let later = w.as_key(&key, "sts", "GetCallerIdentity", &[]).await.expect("answers");
    assert_eq!(later.status, 200, "credentials live in real time");
    let fault = serde_json::json!({"service": "*", "operation": "*", "kind": "expired", "rate": 1.0});
    assert_eq!(w.control("POST", "faults", fault).await.status, 200);
    w.asg("DescribeAutoScalingGroups", &[]).await.refused(403, "ExpiredToken");
    w.ec2("DescribeInstances", &[]).await.refused(400, "RequestExpired");
}

/// Names nested without end, and parameters without number, are refused before a tree is made of them.
#[tokio::test]
async fn a_body_beyond_every_limit_is_a_malformed_query() {
    let w = world().await;
    let deep = vec!["a"; 100_000].join(".");
    w.asg("DescribeAutoScalingGroups", &[(deep.as_str(), "1")]).await.refused(404, "MalformedQueryString");
    let names: Vec<String> = (0..20_001).map(|n| format!("InstanceId.{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "i")).collect();
    w.ec2("DescribeInstances", &many).await.refused(404, "MalformedQueryString");
}

/// Integers of the query services have 32 bits.
#[tokio::test]
async fn a_number_beyond_32_bits_is_none() {
    let w = world().await;
    for value in ["2147483648", "-2147483649", "9223372036854775807", "1e3", "", "0x10"] {
        for member in ["HealthCheckGracePeriod", "DefaultCooldown", "MaxSize", "DefaultInstanceWarmup"] {
            w.asg("UpdateAutoScalingGroup", &[("AutoScalingGroupName", crate::client::ASG), (member, value)]).await.refused(400, "ValidationError");
        }
    }
    let longest = [("AutoScalingGroupName", crate::client::ASG), ("HealthCheckGracePeriod", "2147483647")];
    assert_eq!(w.asg("UpdateAutoScalingGroup", &longest).await.status, 200);
    w.handle.advance(600.0);
    assert_eq!(w.describe_group().await.one("HealthCheckGracePeriod"), "2147483647");
}

/// What an answer would have to repeat must be a name that it can hold.
#[tokio::test]
async fn members_that_xml_cannot_hold_are_refused() {
    let w = world().await;
    let template = ("MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName", "stateless-app-template");
    for odd in [
        "MixedInstancesPolicy.LaunchTemplate.Overrides.member.1.%zz",
        "MixedInstancesPolicy.InstancesDistribution.1",
        "MixedInstancesPolicy.InstancesDistribution.a b",
    ] {
        w.asg("UpdateAutoScalingGroup", &[("AutoScalingGroupName", crate::client::ASG), template, (odd, "1")]).await.refused(400, "ValidationError");
    }
    let odd = [
        ("AutoScalingGroupName", crate::client::ASG),
        ("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", "stateless-app-template"),
        ("DesiredConfiguration.<x>", "1"),
    ];
    w.asg("StartInstanceRefresh", &odd).await.refused(400, "ValidationError");
}
