//! What health checks find, and when (aws-reference 6.1, 6.2).

use serde_json::json;

use crate::{
    client::{TEMPLATE, World, runs, world},
    elb::{done, group, subnets},
    targets::{health, register, served},
};

/// Adds an instance of production that runs an image of this behaviour, and returns its id.
async fn run_image(w: &World, behaviour: &str) -> Vec<String> {
    w.control("POST", "images", json!({"repository": "stateless-app", "tag": "odd", "behaviour": behaviour, "boot_seconds": 60})).await;
    let version = w.version_of("odd").await;
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "ReplaceUnhealthy")]).await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(120.0);
    w.truth().iter().filter(|i| runs(i, &version)).map(|i| i["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn path_and_matcher_decide_and_a_change_is_live() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let at = ("TargetGroupArn", arn.as_str());
    done(&w, "ModifyTargetGroup", &[at, ("HealthCheckPath", "/nowhere")]).await;
    w.handle.advance(21.0);
    let got = done(&w, "DescribeTargetHealth", &[at]).await;
    assert_eq!(got.one("Reason"), "Target.ResponseCodeMismatch");
    assert_eq!(got.one("Description"), "Health checks failed with these codes: [404]");
    for (codes, state) in [("200,202", "unhealthy"), ("200-403", "unhealthy"), ("200,400-404", "healthy"), ("200", "unhealthy"), ("404", "healthy")] {
        done(&w, "ModifyTargetGroup", &[at, ("Matcher.HttpCode", codes)]).await;
        w.handle.advance(31.0);
        assert_eq!(health(&w, &arn).await[0].1, state, "{codes}");
    }
    for path in ["/", "/ready", "/health?deep=1"] {
        done(&w, "ModifyTargetGroup", &[at, ("HealthCheckPath", path), ("Matcher.HttpCode", "200")]).await;
        w.handle.advance(31.0);
        assert_eq!(health(&w, &arn).await[0].1, "healthy", "{path}");
    }
}

#[tokio::test]
async fn an_unhealthy_target_recovers_after_its_threshold_in_a_row() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let at = ("TargetGroupArn", arn.as_str());
    done(&w, "ModifyTargetGroup", &[at, ("HealthCheckPath", "/nowhere"), ("HealthyThresholdCount", "4")]).await;
    w.handle.advance(21.0);
    assert_eq!(health(&w, &arn).await[0].1, "unhealthy");
    done(&w, "ModifyTargetGroup", &[at, ("HealthCheckPath", "/health")]).await;
    w.handle.advance(30.0);
    assert_eq!(health(&w, &arn).await[0].1, "unhealthy", "three passes are not four");
    w.handle.advance(11.0);
    assert_eq!(health(&w, &arn).await[0].1, "healthy");
}

#[tokio::test]
async fn an_interval_that_changes_moves_the_checks() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let at = ("TargetGroupArn", arn.as_str());
    let slow = [at, ("HealthCheckIntervalSeconds", "300"), ("HealthCheckPath", "/nowhere")];
    done(&w, "ModifyTargetGroup", &slow).await;
    w.handle.advance(290.0);
    assert_eq!(health(&w, &arn).await[0].1, "healthy", "two failures take more than one interval");
    w.handle.advance(320.0);
    assert_eq!(health(&w, &arn).await[0].1, "unhealthy");
    let quick = [at, ("HealthCheckIntervalSeconds", "5"), ("HealthCheckTimeoutSeconds", "2"), ("HealthCheckPath", "/health")];
    done(&w, "ModifyTargetGroup", &quick).await;
    w.handle.advance(11.0);
    assert!(health(&w, &arn).await.iter().all(|(_, state, _)| state == "healthy"), "two checks come within two new intervals");
}

#[tokio::test]
async fn a_hanging_application_times_out_unless_only_a_connection_is_asked() {
    let w = world().await;
    let hanging = run_image(&w, "hang").await;
    assert_eq!(hanging.len(), 1);
    let arn = w.describe_group().await.one("TargetGroupARNs").replace("<member>", "").replace("</member>", "");
    w.handle.advance(100.0);
    let row = health(&w, &arn).await.into_iter().find(|(id, _, _)| *id == hanging[0]).expect("listed");
    assert_eq!((row.1.as_str(), row.2.as_str()), ("unhealthy", "Target.Timeout"));
    let got = done(&w, "DescribeTargetHealth", &[("TargetGroupArn", &arn), ("Targets.member.1.Id", &hanging[0])]).await;
    assert_eq!(got.one("TargetHealth"), "<State>unhealthy</State><Reason>Target.Timeout</Reason><Description>Request timed out</Description>");
    let web = done(
        &w,
        "CreateLoadBalancer",
        &[("Name", "net"), ("Type", "network"), ("Subnets.member.1", &subnets(&w).await[0]), ("Subnets.member.2", &subnets(&w).await[1])],
    )
    .await
    .one("LoadBalancerArn");
    let tcp = group(&w, "tcp", &[("Protocol", "TCP"), ("HealthCheckProtocol", "TCP"), ("HealthCheckPath", "")]).await;
    let forward = [
        ("LoadBalancerArn", web.as_str()),
        ("Port", "80"),
        ("Protocol", "TCP"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", &tcp),
    ];
    done(&w, "CreateListener", &forward).await;
    w.handle.advance(300.0);
    register(&w, &tcp, &hanging).await;
    w.handle.advance(30.0);
    assert_eq!(health(&w, &tcp).await[0].1, "healthy", "it accepts connections");
}

#[tokio::test]
async fn a_timeout_counts_when_it_is_over_and_does_not_move_the_grid() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let hanging = run_image(&w, "hang").await;
    let slow = [("TargetGroupArn", arn.as_str()), ("HealthCheckTimeoutSeconds", "9")];
    done(&w, "ModifyTargetGroup", &slow).await;
    register(&w, &arn, &hanging).await;
    let mut initial = 0;
    while health(&w, &arn).await.iter().any(|(id, state, _)| *id == hanging[0] && state == "initial") {
        w.handle.advance(1.0);
        initial += 1;
    }
    // Registration 5-15 s, then up to 10 s to the first check, 10 s to the second, 9 s until it is given up.
    assert!((24..=45).contains(&initial), "{initial}");
    let before = w.handle.now();
    w.handle.advance(3600.0);
    assert!(w.handle.now() > before);
    assert!(health(&w, &arn).await.iter().any(|(id, _, reason)| *id == hanging[0] && reason == "Target.Timeout"));
}
