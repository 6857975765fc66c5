"""What is asked of the simulator and of moto alike (against_moto.py): a world built by the same calls, and its refusals."""

import base64
import traceback

import against_moto

NAME = "oracle-moto"
SCRIPT = base64.b64encode(b"#!/bin/bash\nIMAGE=app\n").decode()


def network(both):
    """moto gets the network that the simulator was seeded with."""
    ours, moto, walk = both.ours, both.moto, both.walk
    subnets = walk.big["VPCZoneIdentifier"].split(",")
    rows = walk.boto.call("ec2", "DescribeSubnets", SubnetIds=subnets)["Subnets"]
    vpc = walk.boto.call("ec2", "DescribeVpcs", VpcIds=[rows[0]["VpcId"]])["Vpcs"][0]
    ours.keep("vpc", vpc["VpcId"])
    moto.keep("vpc", moto.call("ec2", "CreateVpc", CidrBlock=vpc["CidrBlock"])["Vpc"]["VpcId"])
    moto.call("ec2", "CreateTags", Resources=[moto["vpc"]], Tags=vpc["Tags"])
    for number, row in enumerate(rows):
        ours.keep(f"subnet {number}", row["SubnetId"])
        made = moto.call(
            "ec2", "CreateSubnet", VpcId=moto["vpc"], CidrBlock=row["CidrBlock"], AvailabilityZone=row["AvailabilityZone"]
        )["Subnet"]["SubnetId"]
        moto.keep(f"subnet {number}", made)
        if row.get("Tags"):
            moto.call("ec2", "CreateTags", Resources=[made], Tags=row["Tags"])
    ours.keep("image", walk.data["ImageId"])
    moto.keep("image", moto.call("ec2", "DescribeImages", Owners=["amazon"])["Images"][0]["ImageId"])
    both.same("ec2", "DescribeVpcs", lambda s: {"VpcIds": [s["vpc"]]})
    both.same("ec2", "DescribeSubnets", lambda s: {"SubnetIds": [s["subnet 0"], s["subnet 1"]]})
    both.same("ec2", "DescribeSubnets", lambda s: {"Filters": [{"Name": "vpc-id", "Values": [s["vpc"]]}]})
    both.same("ec2", "DescribeAvailabilityZones")
    both.same("ec2", "DescribeImages", lambda s: {"ImageIds": [s["image"]]}, values=False)
    both.same("ec2", "DescribeVpcs", {"VpcIds": ["vpc-00000000000000000"]})
    both.same("ec2", "DescribeSubnets", {"SubnetIds": ["subnet-00000000000000000"]})
    both.same("ec2", "DescribeImages", {"ImageIds": ["ami-00000000000000000"]})
    both.same("ec2", "DescribeImages", {"ImageIds": ["nonsense"]})


def identity(both):
    both.same("sts", "GetCallerIdentity")
    both.same(
        "sts",
        "AssumeRole",
        {
            "RoleArn": f"arn:aws:iam::{both.walk.account}:role/fleet-control",
            "RoleSessionName": "fleetgate-7-anna",
            "ExternalId": "stack-external-id",
            "DurationSeconds": 900,
        },
    )


def templates(both):
    data = lambda s: {
        "ImageId": s["image"],
        "InstanceType": "t3.micro",
        "UserData": SCRIPT,
        "Monitoring": {"Enabled": True},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": NAME}]}],
    }
    by_id = lambda s: {"LaunchTemplateId": s["template"]}
    make = lambda s: {
        "LaunchTemplateName": NAME,
        "VersionDescription": "first",
        "LaunchTemplateData": data(s),
        "TagSpecifications": [{"ResourceType": "launch-template", "Tags": [{"Key": "made-by", "Value": "oracle"}]}],
    }
    both.same("ec2", "CreateLaunchTemplate", make, keep={"template": lambda a: a["LaunchTemplate"]["LaunchTemplateId"]})
    both.same("ec2", "CreateLaunchTemplate", make)
    second = {"VersionDescription": "second", "LaunchTemplateData": {"InstanceType": "t3.small", "ImageId": "ami-0abcdef1234567890"}}
    both.same("ec2", "CreateLaunchTemplateVersion", lambda s: {**by_id(s), **second})
    third = {"SourceVersion": "1", "VersionDescription": "third", "LaunchTemplateData": {"InstanceType": "t3.small"}}
    both.same("ec2", "CreateLaunchTemplateVersion", lambda s: {**by_id(s), **third})
    dry = {"LaunchTemplateData": {"InstanceType": "t3.small"}, "DryRun": True}
    both.same("ec2", "CreateLaunchTemplateVersion", lambda s: {**by_id(s), **dry})
    both.same("ec2", "ModifyLaunchTemplate", lambda s: {**by_id(s), "DefaultVersion": "2"})
    both.same("ec2", "ModifyLaunchTemplate", lambda s: {**by_id(s), "DefaultVersion": "99"})
    both.same("ec2", "DescribeLaunchTemplates", lambda s: {"LaunchTemplateIds": [s["template"]]})
    both.same("ec2", "DescribeLaunchTemplates", {"LaunchTemplateNames": [NAME]})
    both.same("ec2", "DescribeLaunchTemplates", {"LaunchTemplateNames": ["oracle-none"]})
    both.same("ec2", "DescribeLaunchTemplates", {"Filters": [{"Name": "tag:made-by", "Values": ["nobody"]}]})
    both.same("ec2", "DescribeLaunchTemplateVersions", by_id)
    both.same("ec2", "DescribeLaunchTemplateVersions", lambda s: {**by_id(s), "Versions": ["$Latest", "$Default", "1"]})
    both.same("ec2", "DescribeLaunchTemplateVersions", lambda s: {**by_id(s), "Versions": ["99"]})
    both.same("ec2", "DescribeLaunchTemplateVersions", lambda s: {**by_id(s), "MinVersion": "2", "MaxVersion": "3"})
    both.same("ec2", "DescribeLaunchTemplateVersions", {"LaunchTemplateId": "lt-00000000000000000"})
    both.same("ec2", "DeleteLaunchTemplateVersions", lambda s: {**by_id(s), "Versions": ["3"]})


def balancing(both):
    settings = {
        "Name": NAME,
        "Protocol": "HTTP",
        "Port": 80,
        "TargetType": "instance",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 3,
        "Matcher": {"HttpCode": "200"},
    }
    of = lambda member, key: lambda a: a[member][0][key]
    if not both.has("elbv2", "CreateTargetGroup", "CreateLoadBalancer", "CreateListener"):
        return
    both.same(
        "elbv2",
        "CreateTargetGroup",
        lambda s: {**settings, "VpcId": s["vpc"]},
        keep={"targets": of("TargetGroups", "TargetGroupArn")},
    )
    both.same(
        "elbv2",
        "CreateLoadBalancer",
        lambda s: {"Name": NAME, "Subnets": [s["subnet 0"], s["subnet 1"]], "Scheme": "internet-facing"},
        keep={"balancer": of("LoadBalancers", "LoadBalancerArn")},
    )
    both.walk.sim.advance(300)
    both.same(
        "elbv2",
        "CreateListener",
        lambda s: {
            "LoadBalancerArn": s["balancer"],
            "Protocol": "HTTP",
            "Port": 80,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": s["targets"]}],
        },
        keep={"listener": of("Listeners", "ListenerArn")},
    )
    both.same("elbv2", "DescribeLoadBalancers", lambda s: {"LoadBalancerArns": [s["balancer"]]})
    both.same("elbv2", "DescribeLoadBalancers", {"Names": ["oracle-none"]})
    both.same("elbv2", "DescribeTargetGroups", lambda s: {"TargetGroupArns": [s["targets"]]})
    both.same("elbv2", "DescribeTargetGroups", lambda s: {"LoadBalancerArn": s["balancer"]})
    both.same("elbv2", "DescribeTargetGroups", {"Names": ["oracle-none"]})
    both.same("elbv2", "DescribeListeners", lambda s: {"LoadBalancerArn": s["balancer"]})
    both.same("elbv2", "DescribeListeners", {})
    both.same("elbv2", "DescribeRules", lambda s: {"ListenerArn": s["listener"]})
    both.same("elbv2", "DescribeTargetGroupAttributes", lambda s: {"TargetGroupArn": s["targets"]})
    both.same("elbv2", "DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"]})


def group(both):
    by_name = {"AutoScalingGroupName": NAME}
    names = {"AutoScalingGroupNames": [NAME]}
    sim = both.walk.sim

    def rows():
        found = both.ours.call("autoscaling", "DescribeAutoScalingGroups", **names)["AutoScalingGroups"]
        return found[0]["Instances"] if found else []

    def settled(count):
        """Ours takes its time, moto none."""
        good = lambda: len(rows()) == count and all(i["LifecycleState"] == "InService" for i in rows())
        return lambda: both.walk.checks.that(sim.until(good, 1800), f"{NAME} settles at {count}", str(rows()))

    both.same(
        "autoscaling",
        "CreateAutoScalingGroup",
        lambda s: {
            **by_name,
            "LaunchTemplate": {"LaunchTemplateId": s["template"], "Version": "1"},
            "MinSize": 1,
            "MaxSize": 4,
            "DesiredCapacity": 2,
            "VPCZoneIdentifier": f"{s['subnet 0']},{s['subnet 1']}",
            **({"TargetGroupARNs": [s["targets"]]} if "targets" in s.named else {}),
            "HealthCheckType": "ELB",
            "HealthCheckGracePeriod": 120,
            "DefaultInstanceWarmup": 30,
            "TerminationPolicies": ["OldestInstance", "Default"],
            "Tags": [{"Key": "team", "Value": "moto \u00fc & <co>", "PropagateAtLaunch": True}],
        },
        settle=settled(2),
    )
    both.same("autoscaling", "DescribeAutoScalingGroups", names)
    both.same("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": ["oracle-none"]})
    both.same("autoscaling", "DescribeAutoScalingGroups", {"Filters": [{"Name": "tag:team", "Values": ["moto \u00fc & <co>"]}]})
    for side in (both.ours, both.moto):
        found = side.call("autoscaling", "DescribeAutoScalingGroups", **names)["AutoScalingGroups"][0]["Instances"]
        for number, row in enumerate(sorted(found, key=lambda r: r["AvailabilityZone"])):
            side.keep(f"instance {number}", row["InstanceId"])
    one = lambda s: {"InstanceIds": [s["instance 0"]]}
    both.same("autoscaling", "DescribeAutoScalingInstances", one)
    both.same("autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": ["i-00000000000000000"]})
    both.same("ec2", "DescribeInstances", one)
    both.same("ec2", "DescribeInstances", {"InstanceIds": ["i-00000000000000000"]})
    both.same("ec2", "DescribeInstances", {"InstanceIds": ["nonsense"]})
    sim.advance(600)
    both.same("ec2", "DescribeInstanceStatus", one)
    both.same("ec2", "GetConsoleOutput", lambda s: {"InstanceId": s["instance 0"]}, values=False)
    both.same("ec2", "GetConsoleOutput", {"InstanceId": "i-00000000000000000"})
    both.same("autoscaling", "DescribeScalingActivities", by_name, values=False)
    both.same("autoscaling", "DescribeLoadBalancerTargetGroups", by_name)
    both.same("autoscaling", "DescribeTrafficSources", by_name)
    if "targets" in both.ours.named:
        both.same("elbv2", "DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"]})
        both.same("elbv2", "DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"], "Targets": [{"Id": s["instance 0"]}]})
        both.same("elbv2", "DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"], "Targets": [{"Id": "i-00000000000000000"}]})
    both.same("autoscaling", "UpdateAutoScalingGroup", {**by_name, "MaxSize": 5, "DefaultCooldown": 120})
    both.same("autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": "oracle-none", "MaxSize": 5})
    both.same("autoscaling", "SetDesiredCapacity", {**by_name, "DesiredCapacity": 3}, settle=settled(3))
    both.same("autoscaling", "SuspendProcesses", {**by_name, "ScalingProcesses": ["AZRebalance", "ScheduledActions"]})
    both.same("autoscaling", "SetInstanceProtection", lambda s: {**by_name, **one(s), "ProtectedFromScaleIn": True})
    both.same("autoscaling", "DescribeAutoScalingGroups", names)
    both.same("autoscaling", "ResumeProcesses", by_name)
    both.same("autoscaling", "SetInstanceProtection", lambda s: {**by_name, **one(s), "ProtectedFromScaleIn": False})
    action = {**by_name, "ScheduledActionName": "evening"}
    both.same(
        "autoscaling",
        "PutScheduledUpdateGroupAction",
        {
            **action,
            "Recurrence": "0 18 * * *",
            "StartTime": "2037-01-04T18:00:00Z",
            "EndTime": "2037-06-04T18:00:00Z",
            "MinSize": 1,
            "MaxSize": 5,
            "DesiredCapacity": 3,
            "TimeZone": "Asia/Kolkata",
        },
    )
    both.same("autoscaling", "DescribeScheduledActions", by_name)
    both.same("autoscaling", "DeleteScheduledAction", action)
    both.same("autoscaling", "DeleteScheduledAction", action)
    hook = {**by_name, "LifecycleHookName": "boot"}
    both.same(
        "autoscaling",
        "PutLifecycleHook",
        {
            **hook,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "HeartbeatTimeout": 600,
            "DefaultResult": "CONTINUE",
            "NotificationMetadata": '{"team": "\u00fc & <co>"}',
        },
    )
    both.same("autoscaling", "DescribeLifecycleHooks", by_name)
    both.same("autoscaling", "CompleteLifecycleAction", lambda s: {**hook, "InstanceId": s["instance 0"], "LifecycleActionResult": "CONTINUE"})
    both.same("autoscaling", "DeleteLifecycleHook", hook)
    both.same("autoscaling", "DescribePolicies", by_name)
    both.same("autoscaling", "DescribeWarmPool", by_name)
    both.same("autoscaling", "SetInstanceHealth", lambda s: {"InstanceId": s["instance 0"], "HealthStatus": "Healthy"})
    standby = lambda s: {**by_name, **one(s)}
    both.same("autoscaling", "EnterStandby", lambda s: {**standby(s), "ShouldDecrementDesiredCapacity": True})
    sim.until(lambda: any(i["LifecycleState"] == "Standby" for i in rows()), 900)
    both.same("autoscaling", "DescribeAutoScalingInstances", one)
    both.same("autoscaling", "ExitStandby", standby, settle=settled(3))
    both.same(
        "autoscaling",
        "TerminateInstanceInAutoScalingGroup",
        lambda s: {"InstanceId": s["instance 0"], "ShouldDecrementDesiredCapacity": True},
        settle=settled(2),
    )
    sim.advance(120)
    both.same("ec2", "DescribeInstances", one)
    both.same("autoscaling", "TerminateInstanceInAutoScalingGroup", {"InstanceId": "i-00000000000000000", "ShouldDecrementDesiredCapacity": True})
    for operation in ("StartInstanceRefresh", "DescribeInstanceRefreshes", "RollbackInstanceRefresh", "CancelInstanceRefresh"):
        both.same("autoscaling", operation, by_name)
    # Last: moto does as it is told here.
    both.same("autoscaling", "SetDesiredCapacity", {**by_name, "DesiredCapacity": 33})
    both.same("autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": "oracle-none", "DesiredCapacity": 1})
    both.same("autoscaling", "CreateAutoScalingGroup", lambda s: {**by_name, "LaunchTemplate": {"LaunchTemplateId": s["template"]}, "MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": s["subnet 0"]})


def registry(both):
    name = {"repositoryName": both.walk.repository}
    both.same("ecr", "GetAuthorizationToken", values=False)
    both.same("ecr", "DescribeRepositories", {"repositoryNames": ["oracle-none"]})
    both.same("ecr", "DescribeImages", {"repositoryName": "oracle-none"})


def run(walk, endpoint, source):
    both = against_moto.Both(walk, endpoint, source)
    for part in (network, identity, templates, balancing, group, registry):
        try:
            part(both)
        except Exception:
            walk.checks.that(False, f"moto: {part.__name__} runs to its end", traceback.format_exc())
    against_moto.compare(walk.checks, both)
