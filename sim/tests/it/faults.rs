//! Faults on the wire, and determinism.

use fleetgate_sim::{Exchange, Fault, FaultKind};

use crate::client::{ASG, TEMPLATE, World, ask, ask_ecr, exchange, local, query_request, world};

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

/// The head and body of an in-process answer.
fn answer(got: Exchange) -> hyper::Response<Vec<u8>> {
    match got {
        Exchange::Answer(response) | Exchange::Late(response, _) => response,
        other => panic!("no answer: {other:?}"),
    }
}

fn start_refresh() -> hyper::Request<String> {
    query_request("AKIATEST", "ap-south-1", "autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)])
}

#[test]
fn a_slow_answer_is_done_at_once_and_waits_in_real_time() {
    let h = local(7, |_| {});
    h.fault(Fault { seconds: 9, ..fault("*", "*", FaultKind::Slow, 1.0, Some(1)) }).expect("fits");
    let before = h.now();
    let Exchange::Late(response, delay) = exchange(&h, start_refresh()) else { panic!("not late") };
    assert_eq!((response.status().as_u16(), delay.as_secs()), (200, 9));
    assert_eq!(h.now(), before, "the world does not wait");
    let call = h.calls_since(0).remove(0);
    assert!(call.effective);
    assert_eq!((call.status, call.fault.as_deref()), (200, Some("slow")));
    ask(&h, "autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).refused(400, "InstanceRefreshInProgress");
}

#[tokio::test]
async fn a_slow_answer_is_not_there_yet() {
    let w = world().await;
    w.handle.fault(Fault { seconds: 60, ..fault("*", "*", FaultKind::Slow, 1.0, Some(1)) }).expect("fits");
    let call = w.try_query("autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), call).await.is_err());
    assert_eq!(w.refreshes().await.one("Status"), "Pending");
}

#[test]
fn a_hang_after_is_done() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::HangAfter, 1.0, Some(1))).expect("fits");
    assert!(matches!(exchange(&h, start_refresh()), Exchange::Hang));
    let call = h.calls_since(0).remove(0);
    assert!(call.effective);
    assert_eq!((call.status, call.fault.as_deref()), (0, Some("hang_after")));
    ask(&h, "autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).refused(400, "InstanceRefreshInProgress");
}

#[test]
fn garbage_is_half_of_the_answer_with_status_200() {
    let h = local(7, |_| {});
    let whole = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]).body;
    h.fault(fault("*", "*", FaultKind::Garbage, 1.0, Some(3))).expect("fits");
    let half = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]);
    assert_eq!(half.status, 200);
    assert_eq!(half.body.len(), whole.len() / 2);
    assert!(whole.starts_with(&half.body));
    let json = ask_ecr(&h, "DescribeRepositories", &serde_json::json!({})).body;
    assert!(json.starts_with('{') && serde_json::from_str::<serde_json::Value>(&json).is_err());
    let refused = answer(exchange(&h, query_request("AKIATEST", "ap-south-1", "autoscaling", "SetDesiredCapacity", &[])));
    assert_eq!(refused.status().as_u16(), 200, "half of a refusal looks no different");
    let calls = h.calls_since(1);
    assert!(calls.iter().all(|c| c.fault.as_deref() == Some("garbage") && c.status == 200));
}

#[test]
fn garbage_is_done() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::Garbage, 1.0, Some(1))).expect("fits");
    exchange(&h, start_refresh());
    assert!(h.calls_since(0)[0].effective);
    ask(&h, "autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).refused(400, "InstanceRefreshInProgress");
}

#[test]
fn html_is_a_proxy_s_page_and_nothing_is_done() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::Html, 1.0, Some(1))).expect("fits");
    let page = answer(exchange(&h, start_refresh()));
    assert_eq!((page.status().as_u16(), &page.headers()["content-type"]), (502, &"text/html".parse().expect("header")));
    assert!(!page.headers().contains_key("x-amzn-requestid") && page.body().starts_with(b"<html>"));
    let call = h.calls_since(0).remove(0);
    assert_eq!((call.status, call.effective, call.fault.as_deref()), (502, false, Some("html")));
    assert_eq!(ask(&h, "autoscaling", "StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).status, 200);
}

#[test]
fn contention_is_auto_scaling_s_and_no_other_call_counts() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::Contention, 1.0, Some(1))).expect("fits");
    assert_eq!(ask(&h, "ec2", "DescribeVpcs", &[]).status, 200);
    ask(&h, "autoscaling", "SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "3")]).refused(500, "ResourceContention");
    assert_eq!(ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]).status, 200);
    assert!(!h.calls_since(0)[1].effective);
}

#[test]
fn unknown_states_are_in_every_enumeration_that_is_watched() {
    let h = local(7, |_| {});
    exchange(&h, start_refresh());
    h.advance(200.0);
    let arn = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]).one("TargetGroupARNs");
    let arn = arn.replace("<member>", "").replace("</member>", "");
    h.fault(fault("*", "*", FaultKind::UnknownEnum, 1.0, None)).expect("fits");
    assert_eq!(ask(&h, "autoscaling", "DescribeScheduledActions", &[]).status, 200);
    let group = [("AutoScalingGroupName", ASG)];
    for (service, operation, params, member) in [
        ("autoscaling", "DescribeAutoScalingGroups", &[][..], "LifecycleState"),
        ("autoscaling", "DescribeAutoScalingInstances", &[], "LifecycleState"),
        ("autoscaling", "DescribeInstanceRefreshes", &group, "Status"),
        ("autoscaling", "DescribeScalingActivities", &group, "StatusCode"),
        ("elasticloadbalancing", "DescribeTargetHealth", &[("TargetGroupArn", arn.as_str())], "TargetHealth"),
        ("elasticloadbalancing", "DescribeLoadBalancers", &[], "Code"),
        ("ec2", "DescribeInstances", &[], "name"),
        ("elasticache", "DescribeReplicationGroups", &[], "AutomaticFailover"),
    ] {
        let values = ask(&h, service, operation, params).all(member);
        let strange = |text: &String| text == "FutureState" || text.starts_with("<State>FutureState</State>");
        assert!(!values.is_empty() && values.iter().all(strange), "{operation}: {values:?}");
    }
    let group = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]);
    assert!(group.all("HealthStatus").iter().all(|s| s == "Healthy"), "what is no enumeration stays");
    h.clear_faults();
    assert!(!ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]).body.contains("FutureState"), "the world itself never was");
    assert_eq!(h.calls_since(0).iter().filter(|c| c.fault.as_deref() == Some("unknown_enum")).count(), 9);
}

#[test]
fn every_service_refuses_in_its_own_words() {
    let h = local(7, |_| {});
    for (kind, service, status, code) in [
        (FaultKind::Throttle, "autoscaling", 400, "Throttling"),
        (FaultKind::Throttle, "elasticloadbalancing", 400, "Throttling"),
        (FaultKind::Throttle, "elasticache", 400, "Throttling"),
        (FaultKind::Throttle, "iam", 400, "Throttling"),
        (FaultKind::Throttle, "sts", 400, "Throttling"),
        (FaultKind::Throttle, "ec2", 503, "RequestLimitExceeded"),
        (FaultKind::Denied, "autoscaling", 403, "AccessDenied"),
        (FaultKind::Denied, "elasticloadbalancing", 403, "AccessDenied"),
        (FaultKind::Denied, "ec2", 403, "UnauthorizedOperation"),
        (FaultKind::Expired, "autoscaling", 403, "ExpiredToken"),
        (FaultKind::Expired, "sts", 403, "ExpiredToken"),
        (FaultKind::Expired, "ec2", 400, "RequestExpired"),
        (FaultKind::Error, "autoscaling", 500, "InternalFailure"),
        (FaultKind::Error, "ec2", 500, "InternalError"),
    ] {
        h.clear_faults();
        h.fault(fault(service, "*", kind, 1.0, None)).expect("fits");
        ask(&h, service, "DescribeThings", &[]).refused(status, code);
    }
    for (kind, status, code) in [
        (FaultKind::Throttle, 400, "ThrottlingException"),
        (FaultKind::Denied, 400, "AccessDeniedException"),
        (FaultKind::Expired, 400, "ExpiredTokenException"),
        (FaultKind::Error, 500, "ServerException"),
    ] {
        h.clear_faults();
        h.fault(fault("ecr", "*", kind, 1.0, None)).expect("fits");
        let got = ask_ecr(&h, "DescribeRepositories", &serde_json::json!({}));
        assert_eq!((got.status, got.json()["__type"].as_str()), (status, Some(code)));
    }
    let words = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[]);
    assert_eq!(words.status, 200, "a rule of one service is no other's");
}

#[test]
fn a_stale_answer_after_a_long_step_is_the_state_of_that_time() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::Stale, 1.0, None)).expect("fits");
    ask(&h, "autoscaling", "SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "3")]);
    h.advance(3600.0);
    let got = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]);
    assert_eq!(got.all("LifecycleState"), ["InService", "InService", "InService"]);
}

#[test]
fn a_stale_answer_honours_the_region() {
    let h = local(7, |_| {});
    h.fault(fault("*", "*", FaultKind::Stale, 1.0, None)).expect("fits");
    h.advance(10.0);
    let there = query_request("AKIATEST", "eu-west-1", "autoscaling", "DescribeAutoScalingGroups", &[]);
    let got = String::from_utf8(answer(exchange(&h, there)).into_body()).expect("text");
    assert!(!got.contains(ASG), "another Region is empty");
}

#[test]
fn stale_answers_come_from_a_few_kept_states_only() {
    let h = local(7, |_| {});
    h.fault(fault("*", "DescribeAutoScalingGroups", FaultKind::Stale, 1.0, None)).expect("fits");
    let sizes: Vec<String> = (0..40).map(|n| (2 + n % 8).to_string()).collect();
    for size in &sizes {
        ask(&h, "autoscaling", "SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", size)]);
        h.advance(0.1);
    }
    // Forty changes in four seconds: the answer is the state of at most 30 seconds ago, so before all of them.
    let seen = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]).one("DesiredCapacity");
    assert_eq!(seen, "2");
    h.advance(27.0);
    let seen = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]).one("DesiredCapacity");
    assert!(seen != sizes[0] && Some(&seen) != sizes.last(), "one of the states in between: {seen}");
    h.advance(31.0);
    let seen = ask(&h, "autoscaling", "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]).one("DesiredCapacity");
    assert_eq!(&seen, sizes.last().expect("one"));
}

#[test]
fn a_rule_that_has_hit_its_count_is_over_and_says_so() {
    let h = local(7, |_| {});
    h.fault(fault("ec2", "DescribeVpcs", FaultKind::Throttle, 1.0, Some(2))).expect("fits");
    let statuses: Vec<u16> = (0..4).map(|_| ask(&h, "ec2", "DescribeVpcs", &[]).status).collect();
    assert_eq!(statuses, [503, 503, 200, 200]);
    let list = hyper::Request::get("/_sim/faults").body(String::new()).expect("request");
    let rows: serde_json::Value = serde_json::from_slice(answer(exchange(&h, list)).body()).expect("JSON");
    assert_eq!((rows["faults"][0]["seen"].as_u64(), rows["faults"][0]["hit"].as_u64()), (Some(2), Some(2)));
}

#[test]
fn the_same_rule_hits_the_same_calls_again() {
    let hits = |seed: u64| {
        let h = local(7, |_| {});
        h.fault(Fault { seed, ..fault("*", "*", FaultKind::Throttle, 0.5, None) }).expect("fits");
        (0..64).map(|_| ask(&h, "ec2", "DescribeVpcs", &[]).status == 503).collect::<Vec<bool>>()
    };
    assert_eq!(hits(5), hits(5));
    assert_ne!(hits(5), hits(6));
    let share = hits(5).iter().filter(|hit| **hit).count();
    assert!((16..=48).contains(&share), "{share}");
}
