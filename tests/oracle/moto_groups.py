"""Auto Scaling, asked of the simulator and of moto alike."""

NAME = "oracle-moto"
BY_NAME = {"AutoScalingGroupName": NAME}
NAMES = {"AutoScalingGroupNames": [NAME]}


def asked(both):
    return lambda operation, params=None, **how: both.same("autoscaling", operation, params, **how)


def one(side):
    return {"InstanceIds": [side["instance 0"]]}


def rows(both):
    found = both.ours.call("autoscaling", "DescribeAutoScalingGroups", **NAMES)["AutoScalingGroups"]
    return found[0]["Instances"] if found else []


def settled(both, count):
    """Ours takes its time, moto none."""
    good = lambda: len(rows(both)) == count and all(i["LifecycleState"] == "InService" for i in rows(both))
    return lambda: both.walk.checks.that(both.walk.sim.until(good, 1800), f"{NAME} settles at {count}", str(rows(both)))


def template(side):
    return {"LaunchTemplate": {"LaunchTemplateId": side["template"], "Version": "1"}}


def begin(both):
    """A group of two, read in every way."""
    same, sim = asked(both), both.walk.sim
    same(
        "CreateAutoScalingGroup",
        lambda s: {
            **BY_NAME,
            **template(s),
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
        settle=settled(both, 2),
    )
    for side in (both.ours, both.moto):
        found = side.call("autoscaling", "DescribeAutoScalingGroups", **NAMES)["AutoScalingGroups"][0]["Instances"]
        for number, row in enumerate(sorted(found, key=lambda r: r["AvailabilityZone"])):
            side.keep(f"instance {number}", row["InstanceId"])
    same("DescribeAutoScalingGroups", NAMES)
    same("DescribeAutoScalingGroups", {"AutoScalingGroupNames": ["oracle-none"]})
    same("DescribeAutoScalingGroups", {"Filters": [{"Name": "tag:team", "Values": ["moto \u00fc & <co>"]}]})
    same("DescribeAutoScalingInstances", one)
    same("DescribeAutoScalingInstances", {"InstanceIds": ["i-00000000000000000"]})
    both.same("ec2", "DescribeInstances", one)
    both.same("ec2", "DescribeInstances", {"InstanceIds": ["i-00000000000000000"]})
    both.same("ec2", "DescribeInstances", {"InstanceIds": ["nonsense"]})
    sim.advance(600)
    both.same("ec2", "DescribeInstanceStatus", one)
    both.same("ec2", "GetConsoleOutput", lambda s: {"InstanceId": s["instance 0"]}, values=False)
    both.same("ec2", "GetConsoleOutput", {"InstanceId": "i-00000000000000000"})
    same("DescribeScalingActivities", BY_NAME, values=False)
    same("DescribeLoadBalancerTargetGroups", BY_NAME)
    same("DescribeTrafficSources", BY_NAME)


def settings(both):
    """What may be put on a group and taken off again."""
    same = asked(both)
    same("UpdateAutoScalingGroup", {**BY_NAME, "MaxSize": 5, "DefaultCooldown": 120})
    same("UpdateAutoScalingGroup", {"AutoScalingGroupName": "oracle-none", "MaxSize": 5})
    same("SuspendProcesses", {**BY_NAME, "ScalingProcesses": ["AZRebalance", "ScheduledActions"]})
    same("SetInstanceProtection", lambda s: {**BY_NAME, **one(s), "ProtectedFromScaleIn": True})
    same("EnableMetricsCollection", {**BY_NAME, "Granularity": "1Minute", "Metrics": ["GroupDesiredCapacity"]})
    same("DescribeAutoScalingGroups", NAMES)
    same("DisableMetricsCollection", BY_NAME)
    same("ResumeProcesses", BY_NAME)
    same("SetInstanceProtection", lambda s: {**BY_NAME, **one(s), "ProtectedFromScaleIn": False})
    action = {**BY_NAME, "ScheduledActionName": "evening"}
    times = {"Recurrence": "0 18 * * *", "StartTime": "2037-01-04T18:00:00Z", "EndTime": "2037-06-04T18:00:00Z", "TimeZone": "Asia/Kolkata"}
    sizes = {"MinSize": 1, "MaxSize": 5, "DesiredCapacity": 3}
    same("PutScheduledUpdateGroupAction", {**action, **times, **sizes})
    same("DescribeScheduledActions", BY_NAME)
    same("DeleteScheduledAction", action)
    same("DeleteScheduledAction", action)
    morning = {"ScheduledActionName": "morning", "StartTime": "2037-01-05T06:00:00Z", "MinSize": 2}
    same("BatchPutScheduledUpdateGroupAction", {**BY_NAME, "ScheduledUpdateGroupActions": [morning]})
    same("DescribeScheduledActions", BY_NAME)
    same("BatchDeleteScheduledAction", {**BY_NAME, "ScheduledActionNames": ["morning", "none"]})
    hook = {**BY_NAME, "LifecycleHookName": "boot"}
    words = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "NotificationMetadata": '{"team": "\u00fc & <co>"}'}
    same("PutLifecycleHook", {**hook, **words, "HeartbeatTimeout": 600, "DefaultResult": "CONTINUE"})
    same("DescribeLifecycleHooks", BY_NAME)
    same("CompleteLifecycleAction", lambda s: {**hook, "InstanceId": s["instance 0"], "LifecycleActionResult": "CONTINUE"})
    same("RecordLifecycleActionHeartbeat", lambda s: {**hook, "InstanceId": s["instance 0"]})
    same("DeleteLifecycleHook", hook)
    same("DescribePolicies", BY_NAME)
    policy = {**BY_NAME, "PolicyName": "cpu"}
    target = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50.0}
    same("PutScalingPolicy", {**policy, "PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": target})
    same("DescribePolicies", BY_NAME)
    same("DeletePolicy", policy)
    simple = {**BY_NAME, "PolicyName": "more", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": 60}
    same("PutScalingPolicy", {**simple, "PolicyType": "SimpleScaling"})
    same("DescribePolicies", {**BY_NAME, "PolicyNames": ["more"]})
    tag = {"ResourceId": NAME, "ResourceType": "auto-scaling-group", "Key": "tier"}
    same("CreateOrUpdateTags", {"Tags": [{**tag, "Value": "web", "PropagateAtLaunch": False}]})
    same("DescribeTags", {"Filters": [{"Name": "auto-scaling-group", "Values": [NAME]}]})
    same("DeleteTags", {"Tags": [tag]})
    same("DescribeWarmPool", BY_NAME)
    same("DescribeNotificationConfigurations", NAMES)
    for operation in (
        "AccountLimits",
        "AdjustmentTypes",
        "AutoScalingNotificationTypes",
        "LifecycleHookTypes",
        "MetricCollectionTypes",
        "ScalingProcessTypes",
        "TerminationPolicyTypes",
    ):
        same(f"Describe{operation}")


def end(both):
    """Instances that come and go."""
    settings(both)
    same, sim = asked(both), both.walk.sim
    # moto balances nothing: ours must not take the instances that are named here.
    same("SuspendProcesses", {**BY_NAME, "ScalingProcesses": ["AZRebalance"]})
    same("SetDesiredCapacity", {**BY_NAME, "DesiredCapacity": 3}, settle=settled(both, 3))
    same("SetInstanceHealth", lambda s: {"InstanceId": s["instance 0"], "HealthStatus": "Healthy"})
    same("EnterStandby", lambda s: {**BY_NAME, **one(s), "ShouldDecrementDesiredCapacity": True})
    sim.until(lambda: any(i["LifecycleState"] == "Standby" for i in rows(both)), 900)
    same("DescribeAutoScalingInstances", one)
    same("ExitStandby", lambda s: {**BY_NAME, **one(s)}, settle=settled(both, 3))
    same(
        "DetachInstances",
        lambda s: {**BY_NAME, "InstanceIds": [s["instance 1"]], "ShouldDecrementDesiredCapacity": True},
        settle=lambda: sim.advance(600),
    )
    same("AttachInstances", lambda s: {**BY_NAME, "InstanceIds": [s["instance 1"]]}, settle=lambda: sim.advance(600))
    if "other targets" in both.ours.named:
        other = lambda s: {**BY_NAME, "TargetGroupARNs": [s["other targets"]]}
        same("AttachLoadBalancerTargetGroups", other, settle=lambda: sim.advance(300))
        same("DescribeLoadBalancerTargetGroups", BY_NAME)
        same("DetachLoadBalancerTargetGroups", other, settle=lambda: sim.advance(600))
        source = lambda s: {**BY_NAME, "TrafficSources": [{"Identifier": s["other targets"], "Type": "elbv2"}]}
        same("AttachTrafficSources", source, settle=lambda: sim.advance(300))
        same("DetachTrafficSources", source, settle=lambda: sim.advance(600))
    same(
        "TerminateInstanceInAutoScalingGroup",
        lambda s: {"InstanceId": s["instance 0"], "ShouldDecrementDesiredCapacity": True},
        settle=settled(both, 2),
    )
    sim.advance(120)
    both.same("ec2", "DescribeInstances", one)
    same("TerminateInstanceInAutoScalingGroup", {"InstanceId": "i-00000000000000000", "ShouldDecrementDesiredCapacity": True})
    same("ExecutePolicy", {**BY_NAME, "PolicyName": "more"}, settle=lambda: sim.advance(600))
    for operation in ("StartInstanceRefresh", "DescribeInstanceRefreshes", "RollbackInstanceRefresh", "CancelInstanceRefresh"):
        same(operation, BY_NAME)
    # Last: moto does as it is told here.
    same("SetDesiredCapacity", {**BY_NAME, "DesiredCapacity": 33})
    same("SetDesiredCapacity", {"AutoScalingGroupName": "oracle-none", "DesiredCapacity": 1})
    same("CreateAutoScalingGroup", lambda s: {**BY_NAME, **template(s), "MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": s["subnet 0"]})
    same("DeleteAutoScalingGroup", {**BY_NAME, "ForceDelete": True}, settle=lambda: sim.advance(1800))
    same("DeleteAutoScalingGroup", BY_NAME)
    if both.has("autoscaling", "DeleteAutoScalingGroup"):
        same("DescribeAutoScalingGroups", NAMES)
