//! Security groups, and the tags of EC2 (aws-reference 7.4, 12).

use crate::client::{Got, TEMPLATE, World, world};

/// The group of this name.
async fn named(w: &World, name: &str) -> Got {
    w.ec2("DescribeSecurityGroups", &[("Filter.1.Name", "group-name"), ("Filter.1.Value.1", name)]).await
}

async fn id_of(w: &World, name: &str) -> String {
    named(w, name)
        .await
        .all("securityGroupInfo")
        .first()
        .and_then(|g| g.split("<groupId>").nth(1))
        .and_then(|t| t.split('<').next())
        .unwrap_or_default()
        .to_owned()
}

async fn made(w: &World, name: &str) -> String {
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let got = w.ec2("CreateSecurityGroup", &[("GroupName", name), ("GroupDescription", "made"), ("VpcId", &vpc)]).await;
    assert_eq!(got.status, 200, "{}", got.body);
    got.one("groupId")
}

/// Parameters that allow TCP on one port to a block.
fn tcp<'a>(group: &'a str, port: &'a str, cidr: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("GroupId", group),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", port),
        ("IpPermissions.1.ToPort", port),
        ("IpPermissions.1.IpRanges.1.CidrIp", cidr),
    ]
}

#[tokio::test]
async fn the_stack_has_its_three_groups() {
    let w = world().await;
    let (alb, app, redis) = (id_of(&w, "alb").await, id_of(&w, "app").await, id_of(&w, "redis").await);
    let template = w.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateName", TEMPLATE)]).await;
    assert_eq!(template.one("securityGroupIdSet"), format!("<item>{app}</item>"), "the template names it");
    let balancer = w.query("elasticloadbalancing", "DescribeLoadBalancers", &[]).await;
    assert_eq!(balancer.one("SecurityGroups"), format!("<member>{alb}</member>"), "the balancer names it");
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let instance = w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert!(instance.body.contains(&format!("<groupId>{app}</groupId><groupName>app</groupName>")));
    let got = named(&w, "app").await;
    let (ingress, egress) = (got.one("ipPermissions"), got.one("ipPermissionsEgress"));
    assert!(ingress.contains("<fromPort>80</fromPort>") && ingress.contains(&alb) && !ingress.contains("0.0.0.0/0"), "80 from the balancer only");
    assert!(egress.contains("443") && egress.contains("6379") && egress.contains(&redis));
    let by = async |name: &str, value: &str| {
        w.ec2("DescribeSecurityGroups", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).await.all("groupDescription")
    };
    assert_eq!(by("ip-permission.group-id", &alb).await, ["application"]);
    assert_eq!(by("ip-permission.group-name", "app").await, ["replication group"]);
    assert_eq!(by("ip-permission.from-port", "443").await, ["load balancer"]);
    assert_eq!(by("egress.ip-permission.to-port", "6379").await, ["application"]);
    assert_eq!(by("ip-permission.cidr", "10.0.0.0/8").await, Vec::<String>::new());
    assert_eq!(by("vpc-id", "vpc-none").await, Vec::<String>::new());
    w.ec2("DescribeSecurityGroups", &[("Filter.1.Name", "wings"), ("Filter.1.Value.1", "2")]).await.refused(400, "InvalidParameterValue");
}

#[tokio::test]
async fn a_new_group_lets_everything_out_and_nothing_in() {
    let w = world().await;
    let id = made(&w, "new").await;
    let got = w.ec2("DescribeSecurityGroups", &[("GroupId.1", &id)]).await;
    assert_eq!(got.one("ipPermissions"), "");
    assert!(got.one("ipPermissionsEgress").contains("<ipProtocol>-1</ipProtocol>") && got.body.contains("0.0.0.0/0"));
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let call = |name, vpc| [("GroupName", name), ("GroupDescription", "made"), ("VpcId", vpc)];
    w.ec2("CreateSecurityGroup", &call("new", &vpc)).await.refused(400, "InvalidGroup.Duplicate");
    w.ec2("CreateSecurityGroup", &call("sg-new", &vpc)).await.refused(400, "InvalidParameterValue");
    w.ec2("CreateSecurityGroup", &call("other", "vpc-00000000")).await.refused(400, "InvalidVpcID.NotFound");
    w.ec2("CreateSecurityGroup", &call("other", &vpc)[..2]).await.refused(400, "VPCIdNotSpecified");
    w.ec2("DescribeSecurityGroups", &[("GroupName.1", "new")]).await.refused(400, "VPCIdNotSpecified");
    w.ec2("DescribeSecurityGroups", &[("GroupId.1", "sg-00000000")]).await.refused(400, "InvalidGroup.NotFound");
    w.ec2("DescribeSecurityGroups", &[("GroupId.1", "nonsense")]).await.refused(400, "InvalidGroupId.Malformed");
}

#[tokio::test]
async fn a_rule_is_there_once() {
    let w = world().await;
    let id = made(&w, "new").await;
    let call = tcp(&id, "80", "10.1.2.3/16");
    let got = w.ec2("AuthorizeSecurityGroupIngress", &call).await;
    assert_eq!((got.one("return"), got.one("cidrIpv4")), ("true".into(), "10.1.0.0/16".into()), "a block has no host bits");
    w.ec2("AuthorizeSecurityGroupIngress", &tcp(&id, "80", "10.1.0.0/16")).await.refused(400, "InvalidPermission.Duplicate");
    let mut two = tcp(&id, "81", "10.1.0.0/16");
    two.push(("IpPermissions.1.IpRanges.2.CidrIp", "10.1.9.9/16"));
    w.ec2("AuthorizeSecurityGroupIngress", &two).await.refused(400, "InvalidParameterValue");
    let mut half = tcp(&id, "82", "10.2.0.0/16");
    half.extend([
        ("IpPermissions.2.IpProtocol", "6"),
        ("IpPermissions.2.FromPort", "80"),
        ("IpPermissions.2.ToPort", "80"),
        ("IpPermissions.2.IpRanges.1.CidrIp", "10.1.0.0/16"),
    ]);
    w.ec2("AuthorizeSecurityGroupIngress", &half).await.refused(400, "InvalidPermission.Duplicate");
    let rules = w.ec2("DescribeSecurityGroupRules", &[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &id)]).await;
    assert_eq!(rules.all("securityGroupRuleId").len(), 2, "what was refused added nothing");
    assert_eq!(w.ec2("AuthorizeSecurityGroupEgress", &tcp(&id, "80", "10.1.0.0/16")).await.status, 200, "the other direction is another rule");
    for (member, value) in [("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0/8"), ("IpPermissions.1.ToPort", "79"), ("IpPermissions.1.FromPort", "-1")] {
        let mut bad = tcp(&id, "80", "10.3.0.0/16");
        bad.retain(|(k, _)| *k != member);
        bad.push((member, value));
        w.ec2("AuthorizeSecurityGroupIngress", &bad).await.refused(400, "InvalidParameterValue");
    }
    let foreign = [("GroupId", id.as_str()), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", "sg-00000000")];
    w.ec2("AuthorizeSecurityGroupIngress", &foreign).await.refused(400, "InvalidGroup.NotFound");
}

#[tokio::test]
async fn a_rule_is_revoked_by_what_it_says_or_by_its_id() {
    let w = world().await;
    let id = made(&w, "new").await;
    w.ec2("AuthorizeSecurityGroupIngress", &tcp(&id, "80", "10.1.0.0/16")).await;
    let other = w.ec2("AuthorizeSecurityGroupIngress", &tcp(&id, "81", "10.1.0.0/16")).await.one("securityGroupRuleId");
    w.ec2("RevokeSecurityGroupIngress", &tcp(&id, "82", "10.1.0.0/16")).await.refused(400, "InvalidPermission.NotFound");
    w.ec2("RevokeSecurityGroupEgress", &tcp(&id, "80", "10.1.0.0/16")).await.refused(400, "InvalidPermission.NotFound");
    assert_eq!(w.ec2("RevokeSecurityGroupIngress", &tcp(&id, "80", "10.1.0.0/16")).await.one("fromPort"), "80");
    let by_id = [("GroupId", id.as_str()), ("SecurityGroupRuleId.1", other.as_str())];
    w.ec2("RevokeSecurityGroupEgress", &by_id).await.refused(400, "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(w.ec2("RevokeSecurityGroupIngress", &by_id).await.one("securityGroupRuleId"), other);
    assert_eq!(w.ec2("DescribeSecurityGroups", &[("GroupId.1", &id)]).await.one("ipPermissions"), "");
}

#[tokio::test]
async fn a_group_in_use_cannot_go() {
    let w = world().await;
    let (alb, app, default) = (id_of(&w, "alb").await, id_of(&w, "app").await, id_of(&w, "default").await);
    for id in [&alb, &app] {
        w.ec2("DeleteSecurityGroup", &[("GroupId", id)]).await.refused(400, "DependencyViolation");
    }
    w.ec2("DeleteSecurityGroup", &[("GroupId", &default)]).await.refused(400, "CannotDelete");
    let front = made(&w, "front").await;
    let balancer = w.query("elasticloadbalancing", "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let set = |group| [("LoadBalancerArn", balancer.as_str()), ("SecurityGroups.member.1", group)];
    w.query("elasticloadbalancing", "SetSecurityGroups", &set(front.as_str())).await;
    w.ec2("DeleteSecurityGroup", &[("GroupId", &front)]).await.refused(400, "DependencyViolation");
    w.query("elasticloadbalancing", "SetSecurityGroups", &set(alb.as_str())).await;
    assert_eq!(w.ec2("DeleteSecurityGroup", &[("GroupId", &front)]).await.status, 200);
    let (one, two) = (made(&w, "one").await, made(&w, "two").await);
    let named = [("GroupId", two.as_str()), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", one.as_str())];
    assert_eq!(w.ec2("AuthorizeSecurityGroupIngress", &named).await.status, 200);
    w.ec2("DeleteSecurityGroup", &[("GroupId", &one)]).await.refused(400, "DependencyViolation");
    assert_eq!(w.ec2("DeleteSecurityGroup", &[("GroupId", &two)]).await.status, 200);
    assert_eq!(w.ec2("DeleteSecurityGroup", &[("GroupId", &one)]).await.status, 200);
    w.ec2("DeleteSecurityGroup", &[("GroupId", &one)]).await.refused(400, "InvalidGroup.NotFound");
}

#[tokio::test]
async fn a_launch_into_a_group_that_is_gone_fails() {
    let w = world().await;
    let id = made(&w, "brief").await;
    let version = [("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1"), ("LaunchTemplateData.SecurityGroupId.1", id.as_str())];
    let number = w.ec2("CreateLaunchTemplateVersion", &version).await.one("versionNumber");
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &number)]).await;
    assert_eq!(w.ec2("DeleteSecurityGroup", &[("GroupId", &id)]).await.status, 200, "a template's word alone keeps nothing");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(60.0);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(
        got.body.contains(&format!("The security group &apos;{id}&apos; does not exist"))
            || got.body.contains(&format!("The security group '{id}' does not exist"))
    );
}

#[tokio::test]
async fn tags_are_set_deleted_and_found() {
    let w = world().await;
    let group = made(&w, "new").await;
    let instance = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    let vpc = w.ec2("DescribeVpcs", &[]).await.one("vpcId");
    let on = [("ResourceId.1", group.as_str()), ("ResourceId.2", &instance), ("ResourceId.3", &vpc), ("Tag.1.Key", "team"), ("Tag.1.Value", "red")];
    assert_eq!(w.ec2("CreateTags", &on).await.one("return"), "true");
    let found = async |name: &str, value: &str| {
        let mut ids = w.ec2("DescribeTags", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).await.all("resourceId");
        ids.sort();
        ids
    };
    let mut wanted = vec![group.clone(), instance.clone(), vpc.clone()];
    wanted.sort();
    assert_eq!(found("key", "team").await, wanted);
    assert_eq!(found("tag:team", "red").await, wanted);
    assert_eq!(found("tag:team", "blue").await, Vec::<String>::new());
    assert_eq!(w.ec2("DescribeInstances", &[("Filter.1.Name", "tag:team"), ("Filter.1.Value.1", "red")]).await.one("instanceId"), instance);
    assert_eq!(w.ec2("DescribeVpcs", &[("Filter.1.Name", "tag:team"), ("Filter.1.Value.1", "red")]).await.one("vpcId"), vpc);
    let lost = [("ResourceId.1", group.as_str()), ("ResourceId.2", "sg-00000000"), ("Tag.1.Key", "x"), ("Tag.1.Value", "y")];
    w.ec2("CreateTags", &lost).await.refused(400, "InvalidGroup.NotFound");
    assert_eq!(found("key", "x").await, Vec::<String>::new(), "all or none");
    w.ec2("CreateTags", &[("ResourceId.1", &group), ("Tag.1.Key", "aws:x"), ("Tag.1.Value", "y")]).await.refused(400, "InvalidParameterValue");
    w.ec2("DeleteTags", &[("ResourceId.1", &instance), ("Tag.1.Key", "team"), ("Tag.1.Value", "blue")]).await;
    assert_eq!(found("key", "team").await, wanted, "another value is another tag");
    w.ec2("DeleteTags", &[("ResourceId.1", &instance)]).await;
    let left = w.ec2("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &instance)]).await.all("key");
    assert!(left.iter().all(|key| key.starts_with("aws:")) && left.len() == 3, "AWS's own stay: {left:?}");
}
