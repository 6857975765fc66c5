"""The waiters of AWS's own clients end here as they do on AWS: botocore's, and those of the Rust SDK for Auto Scaling.

A waiter sleeps between its tries; here it steps the simulator's clock instead. Every waiter of botocore whose operation is
simulated is waited for, or stands in NOT_WAITED with the reason.
"""

import contextlib
import json
import types

import botocore.exceptions
import botocore.waiter

# botocore has none for Auto Scaling: these are the Smithy model's, as the Rust SDK carries them (src/waiters).
AT_LEAST_MIN = "contains(AutoScalingGroups[].[length(Instances[?LifecycleState=='InService']) >= MinSize][], `false`)"
SOME_GROUP = "length(AutoScalingGroups) > `0`"


def _groups(argument, success):
    path = lambda expected, state: {"matcher": "path", "argument": argument, "expected": expected, "state": state}
    return {
        "operation": "DescribeAutoScalingGroups",
        "delay": 15,
        "maxAttempts": 40,
        "acceptors": [path(success, "success"), path(not success, "retry")],
    }


SMITHY = {
    "autoscaling": {
        "GroupExists": _groups(SOME_GROUP, True),
        "GroupInService": _groups(AT_LEAST_MIN, False),
        "GroupNotExists": _groups(SOME_GROUP, False),
    }
}

NOT_WAITED = {
    ("cloudwatch", "CompositeAlarmExists"): "composite alarms are not simulated",
    ("cloudwatch", "LogAlarmExists"): "alarms on logs are not simulated",
}


class Waits:
    """Waiters driven by the stepped clock."""

    def __init__(self, walk, source):
        self.walk, self.source = walk, source
        self.done = set()

    def has(self, service, *operations):
        return all(operation in self.source.get(service, ()) for operation in operations)

    def waiter(self, service, name):
        client = self.walk.boto.clients[service]
        config = {"version": 2, "waiters": SMITHY[service]} if service in SMITHY else client._get_waiter_config()
        return botocore.waiter.create_waiter_with_client(name, botocore.waiter.WaiterModel(config), client)

    @contextlib.contextmanager
    def stepped(self):
        """Sleeping is stepping; counts the sleeps."""
        sleeps = []

        def sleep(seconds):
            sleeps.append(seconds)
            self.walk.sim.advance(seconds)

        kept, botocore.waiter.time = botocore.waiter.time, types.SimpleNamespace(sleep=sleep)
        try:
            yield sleeps
        finally:
            botocore.waiter.time = kept

    def wait(self, service, name, at_once=None, **params):
        """Ends well; `at_once` says whether it has nothing to wait for, None that it may be either."""
        self.done.add((service, name))
        said = f"{service} waiter {name}"
        with self.stepped() as sleeps:
            try:
                self.waiter(service, name).wait(**params)
            except botocore.exceptions.WaiterError as error:
                self.walk.checks.that(False, f"{said} ends well", f"{error} after {len(sleeps)} sleeps")
                return
        self.walk.checks.that(True, f"{said} ends well")
        if at_once is not None:
            self.walk.checks.equal(not sleeps, at_once, f"{said}: {'is over at once' if at_once else 'has to wait'}")

    def fails(self, service, name, words, **params):
        """Ends with botocore's own error."""
        said = f"{service} waiter {name}"
        self.done.add((service, name))
        with self.stepped():
            try:
                self.waiter(service, name).wait(**params)
            except botocore.exceptions.WaiterError as error:
                self.walk.checks.that(words in str(error), f"{said} fails: {words}", str(error))
                return
        self.walk.checks.that(False, f"{said} fails: {words}", "it ended well")


def an_instance(waits):
    """One instance on its way in, then on its way out, as all the waiters of the three services see it."""
    walk = waits.walk
    checks, call = walk.checks, walk.boto.call
    group = {"AutoScalingGroupName": walk.name}
    by_name = {"AutoScalingGroupNames": [walk.name]}
    refreshes = lambda: call("autoscaling", "DescribeInstanceRefreshes", **group)["InstanceRefreshes"]
    walk.sim.until(lambda: all(r["Status"] not in ("Pending", "InProgress", "Cancelling") for r in refreshes()), 3600)
    before = {i["InstanceId"] for i in walk.group()["Instances"]}
    sizes = {name: walk.group()[name] for name in ("MinSize", "MaxSize", "DesiredCapacity")}
    waits.wait("autoscaling", "GroupExists", at_once=True, **by_name)
    call("autoscaling", "UpdateAutoScalingGroup", **group, MinSize=len(before) + 1)
    new = walk.sim.until(
        lambda: [i["InstanceId"] for i in walk.group()["Instances"] if i["InstanceId"] not in before], 300, step=1
    )
    if not checks.that(new, "an instance is on its way in", str(walk.group()["Instances"])):
        return
    one = {"InstanceIds": new}
    waits.wait("ec2", "InstanceExists", **one)
    waits.wait("ec2", "InstanceRunning", at_once=False, **one)
    waits.wait("autoscaling", "GroupInService", **by_name)
    checks.that(len([i for i in walk.group()["Instances"] if i["LifecycleState"] == "InService"]) > len(before), "the group has its least")
    target = {"TargetGroupArn": walk.targets, "Targets": [{"Id": new[0]}]}
    waits.wait("elbv2", "TargetInService", at_once=False, **target)
    waits.wait("ec2", "SystemStatusOk", **one)
    waits.wait("ec2", "InstanceStatusOk", **one)
    call("autoscaling", "UpdateAutoScalingGroup", **group, MinSize=sizes["MinSize"])
    call("autoscaling", "TerminateInstanceInAutoScalingGroup", InstanceId=new[0], ShouldDecrementDesiredCapacity=True)
    waits.wait("elbv2", "TargetDeregistered", at_once=False, **target)
    waits.wait("ec2", "InstanceTerminated", at_once=False, **one)
    waits.fails("ec2", "InstanceRunning", "terminal failure state", **one)
    waits.fails("ec2", "InstanceStopped", "terminal failure state", **one)
    checks.equal({n: walk.group()[n] for n in sizes}, sizes, "the group is as large as before")


def a_group_that_goes(waits):
    """A group that is deleted with its instances is there until they are gone."""
    walk = waits.walk
    name = {"AutoScalingGroupName": f"{walk.name}-goes"}
    names = {"AutoScalingGroupNames": list(name.values())}
    if not waits.has("autoscaling", "DeleteAutoScalingGroup"):
        waits.wait("autoscaling", "GroupNotExists", at_once=True, **names)
        return
    walk.boto.call(
        "autoscaling",
        "CreateAutoScalingGroup",
        **name,
        LaunchTemplate={"LaunchTemplateId": walk.template, "Version": "1"},
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=walk.big["VPCZoneIdentifier"],
    )
    waits.wait("autoscaling", "GroupInService", at_once=False, **names)
    walk.boto.call("autoscaling", "DeleteAutoScalingGroup", **name, ForceDelete=True)
    waits.wait("autoscaling", "GroupNotExists", at_once=False, **names)


def an_alarm(waits):
    """Makes one; how to name it."""
    waits.walk.boto.call(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName="oracle-waits",
        Namespace="Oracle",
        MetricName="Orders",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    return {"AlarmNames": ["oracle-waits"]}


def an_object(waits):
    """Puts one; how to name it."""
    key = {"Bucket": waits.walk.boto.call("s3", "ListBuckets")["Buckets"][0]["Name"], "Key": "oracle/waits"}
    waits.walk.boto.call("s3", "PutObject", **key, Body=b"")
    return key


def things_that_are_there(waits):
    """Existing things: nothing to wait for. Each only where its operation is simulated."""
    call = waits.walk.boto.call
    rows = [
        ("ec2", "VpcExists", "DescribeVpcs", lambda: {"VpcIds": [call("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]]}),
        ("ec2", "VpcAvailable", "DescribeVpcs", lambda: {"VpcIds": [call("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]]}),
        ("ec2", "SubnetAvailable", "DescribeSubnets", lambda: {"SubnetIds": waits.walk.big["VPCZoneIdentifier"].split(",")}),
        ("ec2", "ImageExists", "DescribeImages", lambda: {"ImageIds": [waits.walk.data["ImageId"]]}),
        ("ec2", "ImageAvailable", "DescribeImages", lambda: {"ImageIds": [waits.walk.data["ImageId"]]}),
        (
            "ec2",
            "SecurityGroupExists",
            "DescribeSecurityGroups",
            lambda: {"GroupIds": [call("ec2", "DescribeSecurityGroups")["SecurityGroups"][0]["GroupId"]]},
        ),
        ("elbv2", "LoadBalancerExists", "DescribeLoadBalancers", lambda: {}),
        ("elbv2", "LoadBalancerAvailable", "DescribeLoadBalancers", lambda: {}),
        ("elbv2", "LoadBalancersDeleted", "DescribeLoadBalancers", lambda: {"Names": ["oracle-none"]}),
        ("iam", "RoleExists", "GetRole", lambda: {"RoleName": call("iam", "ListRoles")["Roles"][0]["RoleName"]}),
        (
            "iam",
            "InstanceProfileExists",
            "GetInstanceProfile",
            lambda: {"InstanceProfileName": waits.walk.data["IamInstanceProfile"].get("Name") or waits.walk.data["IamInstanceProfile"]["Arn"].rsplit("/", 1)[1]},
        ),
        ("iam", "UserExists", "GetUser", lambda: {}),
        ("iam", "PolicyExists", "GetPolicy", lambda: {"PolicyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}),
        ("s3", "ObjectExists", "HeadObject", lambda: an_object(waits)),
        ("s3", "BucketExists", "HeadBucket", lambda: {"Bucket": call("s3", "ListBuckets")["Buckets"][0]["Name"]}),
        ("s3", "BucketNotExists", "HeadBucket", lambda: {"Bucket": "oracle-no-such-bucket"}),
        ("s3", "ObjectNotExists", "HeadObject", lambda: {"Bucket": call("s3", "ListBuckets")["Buckets"][0]["Name"], "Key": "oracle/none"}),
        ("elasticache", "CacheClusterAvailable", "DescribeCacheClusters", lambda: {}),
        ("elasticache", "CacheClusterDeleted", "DescribeCacheClusters", lambda: {"CacheClusterId": "oracle-none"}),
        ("elasticache", "ReplicationGroupDeleted", "DescribeReplicationGroups", lambda: {"ReplicationGroupId": "oracle-none"}),
        ("cloudwatch", "AlarmExists", "PutMetricAlarm", lambda: an_alarm(waits)),
    ]
    for service, name, operation, params in rows:
        if waits.has(service, operation):
            waits.wait(service, name, at_once=True, **params())
    # A thing that is never there: the waiter gives up after all its tries, and none of them is an error.
    if waits.has("iam", "GetRole"):
        waits.fails("iam", "RoleExists", "Max attempts exceeded", RoleName="oracle-none")
    if waits.has("s3", "HeadBucket"):
        waits.fails("s3", "BucketExists", "Max attempts exceeded", Bucket="oracle-no-such-bucket")


def a_scan(waits):
    """A pushed image is scanned, which takes its time."""
    walk = waits.walk
    digest = walk.sim.control("images", {"repository": walk.repository, "tag": "oracle-scan", "behaviour": "ok"})["digest"]
    image = {"repositoryName": walk.repository, "imageId": {"imageDigest": digest}}
    if not waits.has("ecr", "StartImageScan"):
        waits.wait("ecr", "ImageScanComplete", **image)
        return
    waits.wait("ecr", "ImageScanComplete", at_once=False, **image)
    if waits.has("ecr", "StartLifecyclePolicyPreview", "GetLifecyclePolicyPreview"):
        rule = {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5}, "action": {"type": "expire"}}
        name = {"repositoryName": walk.repository}
        walk.boto.call("ecr", "StartLifecyclePolicyPreview", **name, lifecyclePolicyText=json.dumps({"rules": [rule]}))
        waits.wait("ecr", "LifecyclePolicyPreviewComplete", **name)


def a_failover(waits):
    """A replication group is modifying while its replica becomes the primary."""
    walk = waits.walk
    if not waits.has("elasticache", "DescribeReplicationGroups"):
        return
    group = walk.boto.call("elasticache", "DescribeReplicationGroups")["ReplicationGroups"][0]
    name = {"ReplicationGroupId": group["ReplicationGroupId"]}
    waits.wait("elasticache", "ReplicationGroupAvailable", **name)
    if waits.has("elasticache", "TestFailover"):
        walk.boto.call("elasticache", "TestFailover", **name, NodeGroupId=group["NodeGroups"][0]["NodeGroupId"])
        waits.wait("elasticache", "ReplicationGroupAvailable", at_once=False, **name)
        waits.wait("elasticache", "CacheClusterAvailable", CacheClusterId=group["MemberClusters"][0])


def a_cache_that_comes_and_goes(waits):
    """A replication group is waited for at both ends; creating one may take longer than the waiter's ten minutes."""
    walk = waits.walk
    if not waits.has("elasticache", "CreateReplicationGroup", "DeleteReplicationGroup"):
        return
    group = {"ReplicationGroupId": f"{walk.name}-waited"}
    walk.boto.call(
        "elasticache",
        "CreateReplicationGroup",
        **group,
        ReplicationGroupDescription="waited for",
        CacheNodeType="cache.t3.micro",
        CacheSubnetGroupName=walk.boto.call("elasticache", "DescribeCacheSubnetGroups")["CacheSubnetGroups"][0]["CacheSubnetGroupName"],
    )
    walk.sim.advance(360)
    waits.wait("elasticache", "ReplicationGroupAvailable", **group)
    waits.wait("elasticache", "CacheClusterAvailable", at_once=True, CacheClusterId=f"{walk.name}-waited-001")
    waits.fails("elasticache", "ReplicationGroupDeleted", "terminal failure state", **group)
    walk.boto.call("elasticache", "DeleteReplicationGroup", **group)
    waits.fails("elasticache", "CacheClusterAvailable", "terminal failure state", CacheClusterId=f"{walk.name}-waited-001")
    waits.wait("elasticache", "ReplicationGroupDeleted", at_once=False, **group)


def run(walk, source):
    waits = Waits(walk, source)
    for part in (things_that_are_there, a_scan, an_instance, a_group_that_goes, a_failover, a_cache_that_comes_and_goes):
        part(waits)
    for service, operations in source.items():
        client = walk.boto.clients[service]
        names = SMITHY.get(service) or client._get_waiter_config().get("waiters", {})
        for name, config in names.items():
            if config["operation"] in operations and (service, name) not in NOT_WAITED:
                walk.checks.that((service, name) in waits.done, f"{service} waiter {name} is waited for")
