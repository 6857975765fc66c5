"""What is asked of the simulator and of moto alike (against_moto.py): a world built by the same calls, and its refusals."""

import traceback

import against_moto
import moto_accounts
import moto_balancing
import moto_cache
import moto_groups
import moto_metrics
import moto_registry

NAME = "oracle-moto"


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


def templates(both):
    data = lambda s: {
        "ImageId": s["image"],
        "InstanceType": "t3.micro",
        "UserData": both.walk.data["UserData"],
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
    # EC2 may not show what is new at once; moto does.
    both.walk.sim.advance(5)
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


def security(both):
    """Security groups: moto's are asked for where ours can be made."""
    if not both.has("ec2", "CreateSecurityGroup"):
        both.ours.keep("security group", both.walk.data["SecurityGroupIds"][0])
        made = both.moto.call("ec2", "CreateSecurityGroup", GroupName=NAME, Description="oracle", VpcId=both.moto["vpc"])
        both.moto.keep("security group", made["GroupId"])
        return
    same = lambda operation, params=None, **how: both.same("ec2", operation, params, **how)
    same("CreateSecurityGroup", lambda s: {"GroupName": NAME, "Description": "oracle", "VpcId": s["vpc"]}, keep={"security group": lambda a: a["GroupId"]})
    same("CreateSecurityGroup", lambda s: {"GroupName": NAME, "Description": "oracle", "VpcId": s["vpc"]})
    both.walk.sim.advance(5)
    web = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "web"}]}]
    by_id = lambda s: {"GroupId": s["security group"]}
    same("AuthorizeSecurityGroupIngress", lambda s: {**by_id(s), "IpPermissions": web})
    same("AuthorizeSecurityGroupIngress", lambda s: {**by_id(s), "IpPermissions": web})
    same("AuthorizeSecurityGroupEgress", lambda s: {**by_id(s), "IpPermissions": web})
    same("DescribeSecurityGroups", lambda s: {"GroupIds": [s["security group"]]})
    same("DescribeSecurityGroups", {"GroupIds": ["sg-00000000000000000"]})
    same("DescribeSecurityGroupRules", lambda s: {"Filters": [{"Name": "group-id", "Values": [s["security group"]]}]})
    same("RevokeSecurityGroupIngress", lambda s: {**by_id(s), "IpPermissions": web})
    same("RevokeSecurityGroupEgress", lambda s: {**by_id(s), "IpPermissions": web})
    same("DeleteSecurityGroup", {"GroupId": "sg-00000000000000000"})
    tags(both)


def tags(both):
    """Tags of a security group, Regions, and a template that goes again."""
    same = lambda operation, params=None, **how: both.same("ec2", operation, params, **how)
    on = lambda s: {"Resources": [s["security group"]]}
    of = lambda s: {"Filters": [{"Name": "resource-id", "Values": [s["security group"]]}]}
    same("CreateTags", lambda s: {**on(s), "Tags": [{"Key": "made-by", "Value": "oracle"}, {"Key": "tier", "Value": "web"}]})
    same("DescribeTags", of)
    same("DeleteTags", lambda s: {**on(s), "Tags": [{"Key": "made-by"}, {"Key": "tier", "Value": "another"}]})
    same("DescribeTags", of)
    same("DeleteTags", lambda s: {**on(s), "Tags": [{"Key": "tier"}]})
    same("CreateTags", {"Resources": ["sg-00000000000000000"], "Tags": [{"Key": "x", "Value": "y"}]})
    same("DescribeRegions", {"RegionNames": ["eu-west-1"]})
    same("DescribeRegions", {"RegionNames": ["moon-1"]})
    brief = {"LaunchTemplateName": f"{NAME}-brief"}
    same("CreateLaunchTemplate", {**brief, "LaunchTemplateData": {"InstanceType": "t3.nano"}})
    same("DeleteLaunchTemplate", brief)
    same("DeleteLaunchTemplate", brief)


def run(walk, endpoint, source):
    both = against_moto.Both(walk, endpoint, source)
    parts = [network, security, moto_accounts.identity, templates]
    if both.has("elbv2", "CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "CreateRule"):
        parts += [moto_balancing.begin, moto_groups.begin, moto_balancing.targets, moto_groups.end, moto_balancing.end]
    else:
        parts += [moto_groups.begin, moto_groups.end]
    parts += [moto_registry.run, moto_accounts.roles, moto_accounts.buckets, moto_metrics.run, moto_cache.run]
    for part in parts:
        try:
            part(both)
        except Exception:
            walk.checks.that(False, f"moto: {part.__module__}.{part.__name__} runs to its end", traceback.format_exc())
    against_moto.compare(walk.checks, both)
