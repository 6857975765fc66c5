//! Load balancers, listeners and rules as state of the world (aws-reference 2.4, 2.5, 6).

use crate::client::{Got, World, world, world_with};

/// An ELBv2 call.
pub(crate) async fn elb(w: &World, action: &str, params: &[(&str, &str)]) -> Got {
    w.query("elasticloadbalancing", action, params).await
}

/// The same, successful.
pub(crate) async fn done(w: &World, action: &str, params: &[(&str, &str)]) -> Got {
    let got = elb(w, action, params).await;
    assert_eq!(got.status, 200, "{action}: {}", got.body);
    got
}

/// Ids of the world's two subnets.
pub(crate) async fn subnets(w: &World) -> Vec<String> {
    w.ec2("DescribeSubnets", &[]).await.all("subnetId")
}

/// Creates an application load balancer in both zones and returns its ARN.
pub(crate) async fn balancer(w: &World, name: &str) -> String {
    let subnets = subnets(w).await;
    let params = [("Name", name), ("Subnets.member.1", subnets[0].as_str()), ("Subnets.member.2", subnets[1].as_str())];
    done(w, "CreateLoadBalancer", &params).await.one("LoadBalancerArn")
}

/// Creates a target group, checked every 10 seconds, and returns its ARN; an empty value takes a setting away.
pub(crate) async fn group(w: &World, name: &str, more: &[(&str, &str)]) -> String {
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let mut params = vec![
        ("Name", name),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("VpcId", vpc.as_str()),
        ("HealthCheckIntervalSeconds", "10"),
        ("HealthCheckTimeoutSeconds", "5"),
        ("HealthCheckPath", "/health"),
        ("HealthyThresholdCount", "2"),
        ("UnhealthyThresholdCount", "2"),
    ];
    params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    params.extend_from_slice(more);
    params.retain(|(_, value)| !value.is_empty());
    done(w, "CreateTargetGroup", &params).await.one("TargetGroupArn")
}

/// Creates a listener that forwards to a group and returns its ARN.
pub(crate) async fn listen(w: &World, balancer: &str, port: &str, group: &str) -> String {
    let params = [
        ("LoadBalancerArn", balancer),
        ("Port", port),
        ("Protocol", "HTTP"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", group),
    ];
    done(w, "CreateListener", &params).await.one("ListenerArn")
}

#[tokio::test]
async fn a_seeded_balancer_keeps_its_names() {
    let w = world().await;
    let got = elb(&w, "DescribeLoadBalancers", &[]).await;
    let arn = "arn:aws:elasticloadbalancing:ap-south-1:123456789012:loadbalancer/app/stateless-app-alb/d502053437e79fc2";
    assert_eq!(got.one("LoadBalancerArn"), arn, "the ARN follows from the name and the seed");
    assert_eq!(got.one("SecurityGroups"), "<member>sg-0901bf54eb88bb380</member>");
    assert_eq!(got.one("Code"), "active");
    let listeners = elb(&w, "DescribeListeners", &[("LoadBalancerArn", arn)]).await;
    assert_eq!(listeners.all("Port"), ["80", "8081", "8082"]);
    for (listener, group) in listeners.all("ListenerArn").iter().zip(listeners.all("DefaultActions")) {
        let rules = elb(&w, "DescribeRules", &[("ListenerArn", listener)]).await;
        assert_eq!((rules.one("IsDefault"), rules.one("Priority")), ("true".into(), "default".into()));
        assert_eq!(rules.one("Actions"), group, "the default rule is the listener's own action");
    }
}

#[tokio::test]
async fn a_new_balancer_is_provisioned_before_it_is_active() {
    let w = world().await;
    let arn = balancer(&w, "web").await;
    let state = async || elb(&w, "DescribeLoadBalancers", &[("LoadBalancerArns.member.1", &arn)]).await.one("Code");
    assert_eq!(state().await, "provisioning");
    w.handle.advance(59.0);
    assert_eq!(state().await, "provisioning");
    w.handle.advance(182.0);
    assert_eq!(state().await, "active");
}

#[tokio::test]
async fn a_balancer_made_again_is_the_same_or_a_duplicate() {
    let w = world().await;
    let first = balancer(&w, "web").await;
    assert_eq!(balancer(&w, "web").await, first);
    let subnets = subnets(&w).await;
    let other = [("Name", "web"), ("Scheme", "internal"), ("Subnets.member.1", subnets[0].as_str()), ("Subnets.member.2", subnets[1].as_str())];
    elb(&w, "CreateLoadBalancer", &other).await.refused(400, "DuplicateLoadBalancerName");
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &first)]).await;
    assert_ne!(balancer(&w, "web").await, first, "a name may come again, an ARN does not");
}

#[tokio::test]
async fn a_balancer_needs_two_zones_and_what_exists() {
    let w = world().await;
    let subnets = subnets(&w).await;
    let one = ("Subnets.member.1", subnets[0].as_str());
    let two = ("Subnets.member.2", subnets[1].as_str());
    for (params, code) in [
        (vec![("Name", "web"), one], "ValidationError"),
        (vec![("Name", "web")], "ValidationError"),
        (vec![("Name", "web"), one, ("Subnets.member.2", subnets[0].as_str())], "InvalidConfigurationRequest"),
        (vec![("Name", "web"), one, ("Subnets.member.2", "subnet-00000000")], "SubnetNotFound"),
        (vec![("Name", "web"), one, two, ("SecurityGroups.member.1", "sg-00000000")], "InvalidSecurityGroup"),
        (vec![("Name", "web"), one, two, ("Type", "gateway")], "InvalidConfigurationRequest"),
        (vec![("Name", "web"), one, two, ("IpAddressType", "dualstack")], "InvalidConfigurationRequest"),
        (vec![("Name", "-web"), one, two], "ValidationError"),
        (vec![("Name", "internal-web"), one, two], "ValidationError"),
        (vec![("Name", "w".repeat(33).as_str()), one, two], "ValidationError"),
    ] {
        elb(&w, "CreateLoadBalancer", &params).await.refused(400, code);
    }
    let network = done(&w, "CreateLoadBalancer", &[("Name", "net"), ("Type", "network"), one]).await;
    assert!(network.one("LoadBalancerArn").contains(":loadbalancer/net/net/"), "a network one does with one zone");
    assert!(!network.body.contains("<SecurityGroups>"));
}

#[tokio::test]
async fn a_protected_balancer_stays_and_deleting_twice_succeeds() {
    let w = world().await;
    let arn = balancer(&w, "web").await;
    let on =
        |value| [("LoadBalancerArn", arn.as_str()), ("Attributes.member.1.Key", "deletion_protection.enabled"), ("Attributes.member.1.Value", value)];
    done(&w, "ModifyLoadBalancerAttributes", &on("true")).await;
    elb(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]).await.refused(400, "OperationNotPermitted");
    done(&w, "ModifyLoadBalancerAttributes", &on("false")).await;
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]).await;
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]).await;
    elb(&w, "DescribeLoadBalancers", &[("LoadBalancerArns.member.1", &arn)]).await.refused(400, "LoadBalancerNotFound");
}

#[tokio::test]
async fn a_target_group_belongs_to_one_balancer() {
    let w = world().await;
    let (web, other, targets) = (balancer(&w, "web").await, balancer(&w, "other").await, group(&w, "spare", &[]).await);
    let listener = listen(&w, &web, "80", &targets).await;
    let params = |balancer| {
        [
            ("LoadBalancerArn", balancer),
            ("Port", "81"),
            ("Protocol", "HTTP"),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", targets.as_str()),
        ]
    };
    elb(&w, "CreateListener", &params(&other)).await.refused(400, "TargetGroupAssociationLimit");
    let second = done(&w, "CreateListener", &params(&web)).await.one("ListenerArn");
    let got = elb(&w, "DescribeTargetGroups", &[("TargetGroupArns.member.1", &targets)]).await;
    assert_eq!(got.one("LoadBalancerArns"), format!("<member>{web}</member>"));
    elb(&w, "DeleteTargetGroup", &[("TargetGroupArn", &targets)]).await.refused(400, "ResourceInUse");
    done(&w, "DeleteListener", &[("ListenerArn", &listener)]).await;
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &web)]).await;
    elb(&w, "DescribeListeners", &[("ListenerArns.member.1", &second)]).await.refused(400, "ListenerNotFound");
    let got = elb(&w, "DescribeTargetGroups", &[("TargetGroupArns.member.1", &targets)]).await;
    assert_eq!(got.one("LoadBalancerArns"), "", "its listeners went with the balancer");
    done(&w, "CreateListener", &params(&other)).await;
    done(&w, "DeleteLoadBalancer", &[("LoadBalancerArn", &other)]).await;
    done(&w, "DeleteTargetGroup", &[("TargetGroupArn", &targets)]).await;
    elb(&w, "DescribeTargetGroups", &[("TargetGroupArns.member.1", &targets)]).await.refused(400, "TargetGroupNotFound");
}

#[tokio::test]
async fn a_port_has_one_listener_and_a_protocol_that_fits() {
    let w = world().await;
    let (web, targets) = (balancer(&w, "web").await, group(&w, "spare", &[]).await);
    let first = listen(&w, &web, "80", &targets).await;
    assert_eq!(listen(&w, &web, "80", &targets).await, first, "the same listener again is given back");
    let more = group(&w, "more", &[]).await;
    let tcp = group(&w, "tcp", &[("Protocol", "TCP"), ("HealthCheckProtocol", "HTTP")]).await;
    let call = |port, protocol, targets| {
        vec![
            ("LoadBalancerArn", web.as_str()),
            ("Port", port),
            ("Protocol", protocol),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", targets),
        ]
    };
    elb(&w, "CreateListener", &call("80", "HTTP", &more)).await.refused(400, "DuplicateListener");
    elb(&w, "CreateListener", &call("81", "HTTP", &tcp)).await.refused(400, "IncompatibleProtocols");
    elb(&w, "CreateListener", &call("81", "TCP", &tcp)).await.refused(400, "ValidationError");
    let lost = format!("{more}0");
    elb(&w, "CreateListener", &call("81", "HTTP", &lost)).await.refused(400, "TargetGroupNotFound");
    elb(&w, "CreateListener", &call("443", "HTTPS", &more)).await.refused(400, "ValidationError");
    let certificate = ("Certificates.member.1.CertificateArn", "arn:aws:acm:ap-south-1:123456789012:certificate/0f1e");
    let mut secure = call("443", "HTTPS", &more);
    secure.push(certificate);
    secure.push(("SslPolicy", "none"));
    elb(&w, "CreateListener", &secure).await.refused(400, "SSLPolicyNotFound");
    secure.pop();
    let got = done(&w, "CreateListener", &secure).await;
    assert_eq!(got.one("SslPolicy"), "ELBSecurityPolicy-2016-08");
    let listener = got.one("ListenerArn");
    elb(&w, "ModifyListener", &[("ListenerArn", &listener), ("Port", "80")]).await.refused(400, "DuplicateListener");
    let plain = done(&w, "ModifyListener", &[("ListenerArn", &listener), ("Port", "82"), ("Protocol", "HTTP")]).await;
    assert!(!plain.body.contains("SslPolicy") && !plain.body.contains("Certificate"), "without TLS there is no certificate");
}

#[tokio::test]
async fn what_a_balancer_is_given_later_is_checked_too() {
    let w = world_with(7, |s| s.subnets.push(fleetgate_sim::seed::Subnet { id: "subnet-0c".into(), zone: "ap-south-1c".into() })).await;
    let arn = balancer(&w, "web").await;
    let own = elb(&w, "DescribeLoadBalancers", &[("Names.member.1", "web")]).await.one("SecurityGroups");
    let found = w.ec2("DescribeSecurityGroups", &[("Filter.1.Name", "group-name"), ("Filter.1.Value.1", "default")]).await.one("groupId");
    assert_eq!(own, format!("<member>{found}</member>"), "without a word it gets the VPC's own group");
    let at = ("LoadBalancerArn", arn.as_str());
    elb(&w, "SetSecurityGroups", &[at, ("SecurityGroups.member.1", "sg-00000000")]).await.refused(400, "InvalidSecurityGroup");
    let app = w.ec2("DescribeSecurityGroups", &[("Filter.1.Name", "group-name"), ("Filter.1.Value.1", "app")]).await.one("groupId");
    assert_eq!(done(&w, "SetSecurityGroups", &[at, ("SecurityGroups.member.1", &app)]).await.one("member"), app);
    elb(&w, "SetSubnets", &[at, ("Subnets.member.1", "subnet-0c")]).await.refused(400, "ValidationError");
    let first = subnets(&w).await[0].clone();
    let got = done(&w, "SetSubnets", &[at, ("Subnets.member.1", "subnet-0c"), ("Subnets.member.2", &first)]).await;
    assert_eq!(got.all("ZoneName"), ["ap-south-1a", "ap-south-1c"]);
}
