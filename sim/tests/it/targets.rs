//! Target health over time: use, checks, drain, fail open (aws-reference 6.1, 6.2).

use serde_json::{Value, json};

use crate::{
    client::{ASG, World, world, world_with},
    elb::{balancer, done, elb, group, listen, subnets},
};

/// Ids of the production group's instances.
fn members(w: &World) -> Vec<String> {
    w.truth().iter().map(|i| i["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// State and reason of every target of a group, by id.
pub(crate) async fn health(w: &World, arn: &str) -> Vec<(String, String, String)> {
    let got = done(w, "DescribeTargetHealth", &[("TargetGroupArn", arn)]).await;
    let healths = got.all("TargetHealth");
    let of = |text: &str, name: &str| text.split(&format!("<{name}>")).nth(1).and_then(|t| t.split('<').next()).unwrap_or_default().to_owned();
    got.all("Target").iter().zip(healths).map(|(t, h)| (of(t, "Id"), of(&h, "State"), of(&h, "Reason"))).collect()
}

pub(crate) async fn register(w: &World, arn: &str, ids: &[String]) {
    let names: Vec<String> = (1..=ids.len()).map(|n| format!("Targets.member.{n}.Id")).collect();
    let mut params = vec![("TargetGroupArn", arn)];
    params.extend(names.iter().map(String::as_str).zip(ids.iter().map(String::as_str)));
    done(w, "RegisterTargets", &params).await;
}

/// Ground truth of a target group.
fn truth(w: &World, arn: &str) -> Value {
    w.handle.snapshot()["target_groups"].as_array().into_iter().flatten().find(|g| g["arn"] == arn).cloned().unwrap_or_default()
}

/// A target group behind an active balancer of its own, with the production instances registered.
pub(crate) async fn served(w: &World) -> (String, String) {
    let (web, arn) = (balancer(w, "web").await, group(w, "spare", &[]).await);
    listen(w, &web, "80", &arn).await;
    w.handle.advance(300.0);
    register(w, &arn, &members(w)).await;
    w.handle.advance(30.0);
    (web, arn)
}

#[tokio::test]
async fn only_a_running_instance_is_registered() {
    let w = world().await;
    let arn = group(&w, "spare", &[]).await;
    let ids = members(&w);
    assert_eq!(w.ec2("StopInstances", &[("InstanceId.1", &ids[0])]).await.status, 200);
    let both = [("TargetGroupArn", arn.as_str()), ("Targets.member.1.Id", &ids[1]), ("Targets.member.2.Id", &ids[0])];
    elb(&w, "RegisterTargets", &both).await.refused(400, "InvalidTarget");
    let lost = [("TargetGroupArn", arn.as_str()), ("Targets.member.1.Id", "i-00000000")];
    elb(&w, "RegisterTargets", &lost).await.refused(400, "InvalidTarget");
    assert_eq!(health(&w, &arn).await, [], "one that cannot be registered refuses all");
    done(&w, "DeregisterTargets", &lost).await;
}

#[tokio::test]
async fn a_target_is_unused_until_something_forwards_to_it() {
    let w = world().await;
    let (web, arn) = (balancer(&w, "web").await, group(&w, "spare", &[]).await);
    w.handle.advance(300.0);
    let one = members(&w)[..1].to_vec();
    register(&w, &arn, &one).await;
    w.handle.advance(300.0);
    let is = |state: &str, reason: &str| vec![(one[0].clone(), state.to_owned(), reason.to_owned())];
    assert_eq!(health(&w, &arn).await, is("unused", "Target.NotInUse"));
    let listener = listen(&w, &web, "80", &arn).await;
    assert_eq!(health(&w, &arn).await, is("initial", "Elb.RegistrationInProgress"));
    w.handle.advance(25.0);
    assert_eq!(health(&w, &arn).await, is("healthy", ""), "one pass is enough for a new target");
    done(&w, "DeleteListener", &[("ListenerArn", &listener)]).await;
    assert_eq!(health(&w, &arn).await, is("unused", "Target.NotInUse"));
    assert_eq!(truth(&w, &arn)["routes_to"], json!([]));
}

#[tokio::test]
async fn a_rule_alone_puts_a_group_to_use() {
    let w = world().await;
    let arn = group(&w, "spare", &[]).await;
    register(&w, &arn, &members(&w)[..1]).await;
    let seeded = elb(&w, "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let listener = elb(&w, "DescribeListeners", &[("LoadBalancerArn", &seeded)]).await.one("ListenerArn");
    let params = [
        ("ListenerArn", listener.as_str()),
        ("Priority", "1"),
        ("Conditions.member.1.Field", "path-pattern"),
        ("Conditions.member.1.Values.member.1", "/spare"),
        ("Actions.member.1.Type", "forward"),
        ("Actions.member.1.TargetGroupArn", &arn),
    ];
    let rule = done(&w, "CreateRule", &params).await.one("RuleArn");
    w.handle.advance(25.0);
    assert_eq!(health(&w, &arn).await[0].1, "healthy");
    assert_eq!(truth(&w, &arn)["load_balancers"], json!(["stateless-app-alb"]));
    done(&w, "DeleteRule", &[("RuleArn", &rule)]).await;
    assert_eq!(health(&w, &arn).await[0].2, "Target.NotInUse");
}

#[tokio::test]
async fn no_target_is_healthy_before_its_balancer_is_active() {
    let w = world().await;
    let (web, arn) = (balancer(&w, "web").await, group(&w, "spare", &[]).await);
    listen(&w, &web, "80", &arn).await;
    register(&w, &arn, &members(&w)[..1]).await;
    loop {
        let active = elb(&w, "DescribeLoadBalancers", &[("Names.member.1", "web")]).await.one("Code") == "active";
        if active {
            break;
        }
        assert_eq!(health(&w, &arn).await[0].2, "Elb.RegistrationInProgress");
        w.handle.advance(1.0);
    }
    w.handle.advance(11.0);
    assert_eq!(health(&w, &arn).await[0].1, "healthy");
}

#[tokio::test]
async fn a_target_outside_the_enabled_zones_is_unused() {
    let w = world_with(7, |s| s.subnets.push(fleetgate_sim::seed::Subnet { id: "subnet-0c".into(), zone: "ap-south-1c".into() })).await;
    let (web, arn) = served(&w).await;
    let all = subnets(&w).await;
    let (a, c) = (all[0].as_str(), "subnet-0c");
    done(&w, "SetSubnets", &[("LoadBalancerArn", &web), ("Subnets.member.1", a), ("Subnets.member.2", c)]).await;
    let zone = |id: &str| w.truth().iter().find(|i| i["id"] == id).map(|i| i["az"].to_string()).unwrap_or_default();
    for (id, state, reason) in health(&w, &arn).await {
        let wanted = if zone(&id).contains("1b") { ("unused", "Target.NotInUse") } else { ("healthy", "") };
        assert_eq!((state.as_str(), reason.as_str()), wanted, "{}", zone(&id));
    }
    assert!(health(&w, &arn).await.iter().any(|(_, state, _)| state == "unused"));
    done(&w, "SetSubnets", &[("LoadBalancerArn", &web), ("Subnets.member.1", a), ("Subnets.member.2", &all[1])]).await;
    w.handle.advance(30.0);
    assert!(health(&w, &arn).await.iter().all(|(_, state, _)| state == "healthy"));
}

#[tokio::test]
async fn an_instance_can_be_registered_on_several_ports() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let id = members(&w)[0].clone();
    let more = [("TargetGroupArn", arn.as_str()), ("Targets.member.1.Id", &id), ("Targets.member.1.Port", "8080")];
    done(&w, "RegisterTargets", &more).await;
    assert_eq!(health(&w, &arn).await.iter().filter(|(i, _, _)| *i == id).count(), 2);
    let got = done(&w, "DescribeTargetHealth", &more).await;
    assert_eq!((got.one("Port"), got.one("HealthCheckPort")), ("8080".into(), "8080".into()));
    done(&w, "DeregisterTargets", &more).await;
    let states: Vec<String> = health(&w, &arn).await.into_iter().filter(|(i, _, _)| *i == id).map(|(_, s, _)| s).collect();
    assert_eq!(states, ["healthy", "draining"], "the one port drains, the other serves");
}

#[tokio::test]
async fn a_drain_keeps_its_delay_and_registering_again_ends_it() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let id = members(&w)[0].clone();
    let one = [("TargetGroupArn", arn.as_str()), ("Targets.member.1.Id", id.as_str())];
    let delay = |seconds| {
        [
            ("TargetGroupArn", arn.as_str()),
            ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
            ("Attributes.member.1.Value", seconds),
        ]
    };
    done(&w, "ModifyTargetGroupAttributes", &delay("100")).await;
    done(&w, "DeregisterTargets", &one).await;
    done(&w, "ModifyTargetGroupAttributes", &delay("1")).await;
    w.handle.advance(99.0);
    let state = async || health(&w, &arn).await.into_iter().find(|(i, _, _)| *i == id).map(|(_, s, r)| (s, r));
    assert_eq!(state().await, Some(("draining".into(), "Target.DeregistrationInProgress".into())), "the delay of when it began");
    assert_eq!(truth(&w, &arn)["routes_to"].as_array().map(Vec::len), Some(1), "it gets no new requests");
    w.handle.advance(2.0);
    assert_eq!(state().await, None, "then it drops out");
    let got = done(&w, "DescribeTargetHealth", &one).await;
    assert_eq!((got.one("State"), got.one("Reason")), ("unused".into(), "Target.NotRegistered".into()));
    register(&w, &arn, std::slice::from_ref(&id)).await;
    w.handle.advance(30.0);
    done(&w, "DeregisterTargets", &one).await;
    register(&w, &arn, std::slice::from_ref(&id)).await;
    assert_eq!(state().await.map(|(s, _)| s), Some("initial".into()));
    w.handle.advance(300.0);
    assert_eq!(state().await.map(|(s, _)| s), Some("healthy".into()));
}

#[tokio::test]
async fn with_too_few_healthy_targets_requests_go_to_all() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    w.on_group("SuspendProcesses", &[]).await;
    let ids = members(&w);
    let routes = || truth(&w, &arn)["routes_to"].clone();
    let mut all = ids.clone();
    all.sort();
    assert_eq!(routes(), json!(all));
    w.handle.sicken(&ids[0]).expect("known");
    w.handle.advance(30.0);
    assert_eq!(routes(), json!([ids[1]]), "the healthy one alone");
    w.handle.sicken(&ids[1]).expect("known");
    w.handle.advance(30.0);
    assert_eq!(routes(), json!(all), "fail open: all unhealthy, traffic to all");
}

#[tokio::test]
async fn fail_open_follows_the_groups_minimum_and_its_zones() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    w.on_group("SuspendProcesses", &[]).await;
    let ids = members(&w);
    w.handle.sicken(&ids[0]).expect("known");
    w.handle.advance(30.0);
    let set = async |key: &str, value: &str| {
        let params = [("TargetGroupArn", arn.as_str()), ("Attributes.member.1.Key", key), ("Attributes.member.1.Value", value)];
        done(&w, "ModifyTargetGroupAttributes", &params).await;
        truth(&w, &arn)["routes_to"].as_array().map(Vec::len).unwrap_or_default()
    };
    let minimum = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
    assert_eq!(set(&format!("{minimum}.count"), "2").await, 2);
    assert_eq!(set(&format!("{minimum}.count"), "1").await, 1);
    assert_eq!(set(&format!("{minimum}.percentage"), "51").await, 2);
    assert_eq!(set(&format!("{minimum}.percentage"), "50").await, 1);
    // The two instances are in two zones: each zone decides by itself.
    assert_eq!(set("load_balancing.cross_zone.enabled", "false").await, 2);
}

#[tokio::test]
async fn anomalies_are_told_where_they_are_asked_for() {
    let w = world().await;
    let (_, arn) = served(&w).await;
    let at = ("TargetGroupArn", arn.as_str());
    assert!(!done(&w, "DescribeTargetHealth", &[at]).await.body.contains("AnomalyDetection"));
    let got = done(&w, "DescribeTargetHealth", &[at, ("Include.member.1", "AnomalyDetection")]).await;
    assert_eq!(got.one("AnomalyDetection"), "<Result>normal</Result><MitigationInEffect>no</MitigationInEffect>");
    elb(&w, "DescribeTargetHealth", &[at, ("Include.member.1", "Odd")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn a_deleted_group_holds_no_instance_back() {
    let w = world().await;
    let (web, arn) = served(&w).await;
    let id = members(&w)[0].clone();
    w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &id), ("ShouldDecrementDesiredCapacity", "false")]).await;
    w.handle.advance(61.0);
    let lifecycle = || w.truth().iter().find(|i| i["id"] == id).map(|i| i["lifecycle"].clone());
    assert_eq!(lifecycle(), Some(json!("Terminating")), "{ASG} waits for the longer drain");
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &web)]).await;
    done(&w, "DeleteTargetGroup", &[("TargetGroupArn", &arn)]).await;
    w.handle.advance(1.0);
    assert_ne!(lifecycle(), Some(json!("Terminating")));
}
