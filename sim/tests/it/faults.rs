//! Faults on the wire, and determinism.

use fleetgate_sim::{Fault, FaultKind};

use crate::client::{ASG, TEMPLATE, World, world};

fn fault(service: &str, operation: &str, kind: FaultKind, rate: f64, count: Option<u64>) -> Fault {
    Fault { service: service.into(), operation: operation.into(), kind, rate, seed: 3, count, seconds: 30 }
}

#[tokio::test]
async fn a_lost_reply_is_done() {
    let w = world().await;
    w.handle.fault(fault("autoscaling", "StartInstanceRefresh", FaultKind::LostReply, 1.0, Some(1))).expect("fits");
    let params = [("AutoScalingGroupName", ASG)];
    assert!(w.try_query("autoscaling", "StartInstanceRefresh", &params).await.is_err(), "no byte comes back");
    let call = w.handle.calls_since(0).remove(0);
    assert!(call.effective);
    assert_eq!((call.status, call.fault.as_deref()), (0, Some("lost_reply")));
    w.asg("StartInstanceRefresh", &params).await.refused(400, "InstanceRefreshInProgress");
}

#[tokio::test]
async fn a_timeout_is_not_done() {
    let w = world().await;
    w.handle.fault(fault("*", "*", FaultKind::Timeout, 1.0, Some(1))).expect("fits");
    let params = [("AutoScalingGroupName", ASG)];
    let call = w.try_query("autoscaling", "StartInstanceRefresh", &params);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), call).await;
    assert!(waited.is_err(), "the connection hangs");
    assert!(!w.handle.calls_since(0)[0].effective);
    assert_eq!(w.refreshes().await.one("Status"), "");
}

#[tokio::test]
async fn throttling_has_each_service_s_code() {
    let w = world().await;
    let body = serde_json::json!({"service": "*", "operation": "*", "kind": "throttle", "rate": 1.0, "seed": 1});
    assert_eq!(w.control("POST", "faults", body).await.status, 200);
    w.asg("DescribeAutoScalingGroups", &[]).await.refused(400, "Throttling");
    w.ec2("DescribeInstances", &[]).await.refused(503, "RequestLimitExceeded");
    assert_eq!(w.ecr("DescribeRepositories", serde_json::json!({})).await.json()["__type"], "ThrottlingException");
    w.control("DELETE", "faults", serde_json::json!({})).await;
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200);
    w.handle.fault(fault("elbv2", "*", FaultKind::Error, 1.0, None)).expect("fits");
    w.query("elasticloadbalancing", "DescribeTargetGroups", &[]).await.refused(500, "InternalFailure");
    let bad = serde_json::json!({"service": "ec2", "operation": "*", "kind": "throttle", "rate": 2.0});
    let bad = w.control("POST", "faults", bad).await;
    assert_eq!(bad.json()["error"], "rate: must be between 0 and 1");
}

#[tokio::test]
async fn stale_reads_are_old() {
    let w = world().await;
    w.handle.fault(fault("autoscaling", "DescribeAutoScalingGroups", FaultKind::Stale, 1.0, None)).expect("fits");
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "5")]).await;
    w.handle.advance(10.0);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    w.handle.advance(31.0);
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "5");
}

async fn story(w: &World) {
    w.handle.fault(fault("*", "*", FaultKind::Throttle, 0.3, None)).expect("fits");
    for n in 0..60 {
        let _ = w.describe_group().await;
        let size = (2 + n % 4).to_string();
        let _ = w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", &size)]).await;
        let _ = w
            .ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1"), ("LaunchTemplateData.KeyName", &size)])
            .await;
        w.handle.advance(17.0);
    }
}

#[tokio::test]
async fn the_same_seed_and_calls_make_the_same_world() {
    let (a, b, c) = (world().await, world().await, crate::client::world_with(8, |_| {}).await);
    story(&a).await;
    story(&b).await;
    story(&c).await;
    assert_eq!(a.handle.calls_since(0), b.handle.calls_since(0));
    assert_eq!(a.handle.snapshot(), b.handle.snapshot());
    assert_eq!(a.handle.export().expect("exports"), b.handle.export().expect("exports"));
    assert_ne!(a.handle.snapshot(), c.handle.snapshot());
    let throttled = a.handle.calls_since(0).iter().filter(|c| c.status == 400).count();
    assert!((30..=80).contains(&throttled), "{throttled}");
}

#[tokio::test]
async fn an_exported_world_goes_on_as_it_would_have() {
    let (a, b) = (world().await, world().await);
    let version = a.version_of("v4").await;
    a.start(&version, &[]).await;
    a.handle.advance(100.0);
    b.handle.import(a.handle.export().expect("exports")).expect("imports");
    for w in [&a, &b] {
        w.handle.advance(900.0);
    }
    assert_eq!(a.handle.snapshot(), b.handle.snapshot());
}
