"""EC2 beside templates and reads: security groups, tags, power, regions, deleted templates."""

from waiters import Waits


def everything(walk):
    vpc = walk.boto.call("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]
    the_security_groups(walk, vpc)
    the_tags(walk, vpc)
    the_power(walk)
    walk.reads(
        ("ec2", "DescribeRegions", {}),
        ("ec2", "DescribeRegions", {"AllRegions": True}),
        ("ec2", "DescribeRegions", {"RegionNames": ["eu-west-1"]}),
    )
    brief = {"LaunchTemplateName": f"{walk.name}-brief"}
    walk.act("ec2", "CreateLaunchTemplate", **brief, LaunchTemplateData={"InstanceType": "t3.nano"})
    gone = walk.act("ec2", "DeleteLaunchTemplate", **brief)["LaunchTemplate"]
    walk.checks.equal(gone["LaunchTemplateName"], brief["LaunchTemplateName"], "a deleted template is named")


def seen(walk, group):
    """Waits until EC2 shows a new group: not at once, perhaps."""
    Waits(walk, {}).wait("ec2", "SecurityGroupExists", GroupIds=[group])


def the_security_groups(walk, vpc):
    act, checks = walk.act, walk.checks
    make = lambda name: act(
        "ec2",
        "CreateSecurityGroup",
        GroupName=name,
        Description="of the oracle",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "made-by", "Value": "oracle"}]}],
    )["GroupId"]
    one, two = make(walk.name), make(f"{walk.name}-2")
    for group in (one, two):
        seen(walk, group)
    ranges = [{"CidrIp": "203.0.113.0/24", "Description": "the office"}, {"CidrIp": "198.51.100.0/24"}]
    wanted = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": two, "Description": "each other"}]},
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
    ]
    made = act("ec2", "AuthorizeSecurityGroupIngress", GroupId=one, IpPermissions=wanted)["SecurityGroupRules"]
    checks.equal(len(made), 5, "each peer is a rule of its own")
    out = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}]
    act("ec2", "AuthorizeSecurityGroupEgress", GroupId=one, IpPermissions=out)
    described, *_ = walk.reads(
        ("ec2", "DescribeSecurityGroups", {"GroupIds": [one]}),
        ("ec2", "DescribeSecurityGroups", {}),
        ("ec2", "DescribeSecurityGroups", {"Filters": [{"Name": "tag:made-by", "Values": ["oracle"]}]}),
        ("ec2", "DescribeSecurityGroupRules", {"Filters": [{"Name": "group-id", "Values": [one]}]}),
        ("ec2", "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": [made[0]["SecurityGroupRuleId"]]}),
    )
    row = described["SecurityGroups"][0]
    full = lambda p: {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], **p}
    wanted[1]["UserIdGroupPairs"][0]["UserId"] = walk.account
    checks.equal(row["IpPermissions"], [full(p) for p in wanted], "permissions come back as they were given")
    checks.equal(len(row["IpPermissionsEgress"]), 2, "a new group lets everything out, and what was added")
    everywhere = walk.boto.call("ec2", "DescribeSecurityGroups")["SecurityGroups"]
    for name, values, left in [
        ("group-id", [one, two], lambda g: g["GroupId"] in (one, two)),
        ("group-name", ["app"], lambda g: g["GroupName"] == "app"),
        ("ip-permission.group-id", [two], lambda g: g["GroupId"] == one),
        ("ip-permission.cidr", ["203.0.113.0/24"], lambda g: g["GroupId"] == one),
        ("ip-permission.protocol", ["icmp"], lambda g: g["GroupId"] == one),
        ("egress.ip-permission.to-port", ["443"], lambda g: any(p.get("ToPort") == 443 for p in g["IpPermissionsEgress"])),
        ("vpc-id", [vpc], lambda g: True),
        ("description", ["nonsense"], lambda g: False),
    ]:
        got = walk.boto.call("ec2", "DescribeSecurityGroups", Filters=[{"Name": name, "Values": values}])["SecurityGroups"]
        checks.equal(got, [g for g in everywhere if left(g)], f"ec2.DescribeSecurityGroups by {name}: leaves what it asks for")
    pages = lambda caller, size: caller.pages("ec2", "DescribeSecurityGroups", size)["SecurityGroups"]
    for caller in (walk.boto, walk.cli):
        checks.equal(pages(caller, 5), pages(walk.boto, None), f"ec2.DescribeSecurityGroups by {caller.who}: small pages hold the whole")
    gone = act("ec2", "RevokeSecurityGroupIngress", GroupId=one, IpPermissions=wanted[:1])
    checks.equal(len(gone["RevokedSecurityGroupRules"]), 3, "revoked is what was named")
    act("ec2", "RevokeSecurityGroupIngress", GroupId=one, SecurityGroupRuleIds=[r["SecurityGroupRuleId"] for r in made[3:]])
    act("ec2", "RevokeSecurityGroupEgress", GroupId=one, IpPermissions=out)
    left = walk.read("ec2", "DescribeSecurityGroups", GroupIds=[one])["SecurityGroups"][0]
    checks.equal(left["IpPermissions"], [], "nothing is let in any more")
    for group in (one, two):
        act("ec2", "DeleteSecurityGroup", GroupId=group)


def the_tags(walk, vpc):
    act, checks = walk.act, walk.checks
    instance = walk.big["Instances"][0]["InstanceId"]
    act("ec2", "CreateTags", Resources=[instance, vpc], Tags=[{"Key": "oracle", "Value": walk.name}, {"Key": "passing", "Value": "\u00fc & <co>"}])
    act("ec2", "DeleteTags", Resources=[instance, vpc], Tags=[{"Key": "passing"}])
    rows, _ = walk.reads(
        ("ec2", "DescribeTags", {"Filters": [{"Name": "tag:oracle", "Values": [walk.name]}]}),
        ("ec2", "DescribeTags", {"Filters": [{"Name": "resource-id", "Values": [instance]}]}),
    )
    checks.equal({(t["ResourceId"], t["ResourceType"]) for t in rows["Tags"]}, {(instance, "instance"), (vpc, "vpc")}, "tags are found")
    act("ec2", "DeleteTags", Resources=[instance, vpc], Tags=[{"Key": "oracle", "Value": walk.name}])


def the_power(walk):
    """A group's instances stopped, started, rebooted, terminated; the group is left as it was."""
    act, checks, waits = walk.act, walk.checks, Waits(walk, {})
    by_name = {"AutoScalingGroupName": walk.name}
    act("autoscaling", "UpdateAutoScalingGroup", **by_name, MinSize=2, DesiredCapacity=2)
    one, two = walk.in_service(2)
    act("autoscaling", "SuspendProcesses", **by_name, ScalingProcesses=["HealthCheck", "ReplaceUnhealthy"])
    ids = {"InstanceIds": [one]}
    changed = act("ec2", "StopInstances", **ids)["StoppingInstances"][0]
    checks.equal((changed["PreviousState"]["Code"], changed["CurrentState"]["Name"]), (16, "stopping"), "a stopped instance is stopping")
    health = walk.read("elbv2", "DescribeTargetHealth", TargetGroupArn=walk.targets, Targets=[{"Id": one}])
    checks.equal(health["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"], "Target.InvalidState", "its target is in no state for requests")
    waits.wait("ec2", "InstanceStopped", at_once=False, **ids)
    walk.read("ec2", "DescribeInstances", **ids)
    act("ec2", "StartInstances", **ids)
    waits.wait("ec2", "InstanceRunning", at_once=False, **ids)
    waits.wait("elbv2", "TargetInService", TargetGroupArn=walk.targets, Targets=[{"Id": one}])
    act("ec2", "RebootInstances", **ids)
    act("autoscaling", "ResumeProcesses", **by_name)
    act("ec2", "TerminateInstances", InstanceIds=[two])
    waits.wait("ec2", "InstanceTerminated", at_once=False, InstanceIds=[two])
    act("autoscaling", "UpdateAutoScalingGroup", **by_name, MinSize=0)
    walk.in_service(2)


def refusals(walk):
    groups = walk.boto.call("ec2", "DescribeSecurityGroups")["SecurityGroups"]
    named = {g["GroupName"]: g for g in groups}
    app, default = named["app"]["GroupId"], named["default"]["GroupId"]
    vpc = {"VpcId": named["app"]["VpcId"]}
    every = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    instance = walk.big["Instances"][0]["InstanceId"]
    lost = "i-00000000000000000"
    rule = walk.boto.call("ec2", "DescribeSecurityGroupRules")["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    return [
        ("ec2", "DescribeSecurityGroups", {"GroupIds": ["sg-00000000"]}, "InvalidGroup.NotFound", 400, "The security group 'sg-00000000' does not exist"),
        ("ec2", "DescribeSecurityGroups", {"GroupIds": ["nonsense"]}, "InvalidGroupId.Malformed", 400, "nonsense"),
        ("ec2", "DescribeSecurityGroups", {"GroupNames": ["app"]}, "VPCIdNotSpecified", 400, "No default VPC"),
        ("ec2", "DescribeSecurityGroups", {"Filters": [{"Name": "nonsense", "Values": ["x"]}]}, "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeSecurityGroups", {"MaxResults": 1001}, "InvalidParameterValue", 400, "maxResults"),
        ("ec2", "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": [rule + "0"]}, "InvalidSecurityGroupRuleId.NotFound", 400, ""),
        ("ec2", "CreateSecurityGroup", {"GroupName": "app", "Description": "x", **vpc}, "InvalidGroup.Duplicate", 400, "already exists"),
        ("ec2", "CreateSecurityGroup", {"GroupName": "other", "Description": "x"}, "VPCIdNotSpecified", 400, ""),
        ("ec2", "CreateSecurityGroup", {"GroupName": "other", "Description": "x", "VpcId": "vpc-00000000"}, "InvalidVpcID.NotFound", 400, ""),
        ("ec2", "CreateSecurityGroup", {"GroupName": "other", "Description": "x", **vpc, "DryRun": True}, "DryRunOperation", 412, ""),
        ("ec2", "DeleteSecurityGroup", {"GroupId": app}, "DependencyViolation", 400, "dependent object"),
        ("ec2", "DeleteSecurityGroup", {"GroupId": default}, "CannotDelete", 400, ""),
        ("ec2", "AuthorizeSecurityGroupEgress", {"GroupId": app, "IpPermissions": [every]}, "InvalidPermission.Duplicate", 400, "already exists"),
        ("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": app, "IpPermissions": [{**every, "IpRanges": [{"CidrIp": "0.0.0.0"}]}]}, "InvalidParameterValue", 400, "malformed"),
        ("ec2", "RevokeSecurityGroupIngress", {"GroupId": app, "IpPermissions": [every]}, "InvalidPermission.NotFound", 400, ""),
        ("ec2", "TerminateInstances", {"InstanceIds": [instance, lost]}, "InvalidInstanceID.NotFound", 400, lost),
        ("ec2", "StartInstances", {"InstanceIds": ["nonsense"]}, "InvalidInstanceID.Malformed", 400, ""),
        ("ec2", "StopInstances", {"InstanceIds": [instance], "Hibernate": True}, "UnsupportedHibernationConfiguration", 400, ""),
        ("ec2", "CreateTags", {"Resources": [instance], "Tags": [{"Key": "aws:x", "Value": "y"}]}, "InvalidParameterValue", 400, "aws:"),
        ("ec2", "CreateTags", {"Resources": ["nonsense"], "Tags": [{"Key": "x", "Value": "y"}]}, "InvalidID", 400, "nonsense"),
        ("ec2", "DescribeTags", {"Filters": [{"Name": "nonsense", "Values": ["x"]}]}, "InvalidParameterValue", 400, ""),
        ("ec2", "DescribeRegions", {"RegionNames": ["moon-1"]}, "InvalidParameterValue", 400, "moon-1"),
        ("ec2", "DeleteLaunchTemplate", {"LaunchTemplateName": "none-such"}, "InvalidLaunchTemplateName.NotFoundException", 400, ""),
        ("ec2", "ModifyLaunchTemplate", {"LaunchTemplateId": walk.template}, "MissingParameter", 400, "SetDefaultVersion"),
    ]
