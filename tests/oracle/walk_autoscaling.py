"""Auto Scaling beyond the first walk: policies, attachments, detached instances, batches of schedules, tags, deletion."""

WARMUP = 90
STEP = {"AdjustmentType": "PercentChangeInCapacity", "PolicyType": "StepScaling", "MinAdjustmentMagnitude": 2}


def everything(walk):
    by_name = {"AutoScalingGroupName": walk.name}
    types(walk)
    policies(walk, by_name)
    collection_and_tags(walk, by_name)
    schedules(walk, by_name)
    attachments(walk, by_name)
    members_of(walk, by_name)
    hooks(walk, by_name)
    deletion(walk)


def types(walk):
    walk.reads(
        ("autoscaling", "DescribeAdjustmentTypes", {}),
        ("autoscaling", "DescribeScalingProcessTypes", {}),
        ("autoscaling", "DescribeTerminationPolicyTypes", {}),
        ("autoscaling", "DescribeMetricCollectionTypes", {}),
        ("autoscaling", "DescribeLifecycleHookTypes", {}),
        ("autoscaling", "DescribeAutoScalingNotificationTypes", {}),
        ("autoscaling", "DescribeNotificationConfigurations", {}),
        ("autoscaling", "DescribeAccountLimits", {}),
    )


def policies(walk, by_name):
    checks = walk.checks
    # A step counts from the instances that are warm; how lately the last one came is drawn.
    walk.in_service(walk.group()["DesiredCapacity"])
    walk.sim.advance(WARMUP)
    steps = [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 12.5, "ScalingAdjustment": 10},
        {"MetricIntervalLowerBound": 12.5, "ScalingAdjustment": 50},
    ]
    simple = {"AdjustmentType": "PercentChangeInCapacity", "ScalingAdjustment": 25, "MinAdjustmentStep": 2, "Cooldown": 60}
    cpu = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50.0, "DisableScaleIn": False}
    dimensions = [{"Name": "Queue", "Value": walk.name}]
    depth = {"MetricName": "Depth", "Namespace": "Oracle", "Dimensions": dimensions, "Statistic": "Average", "Unit": "Count", "Period": 60}
    own = {"CustomizedMetricSpecification": depth, "TargetValue": 100.0, "DisableScaleIn": True}
    wanted = {
        "simple": simple,
        "steps": {**STEP, "StepAdjustments": steps, "MetricAggregationType": "Maximum", "EstimatedInstanceWarmup": WARMUP},
        "cpu": {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": cpu, "EstimatedInstanceWarmup": 60},
        "depth": {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": own, "Enabled": False},
    }
    put = {name: walk.act("autoscaling", "PutScalingPolicy", **by_name, PolicyName=name, **row) for name, row in wanted.items()}
    checks.equal([len(put[n]["Alarms"]) for n in wanted], [0, 0, 2, 2], "target tracking answers with its two alarms")
    shown, alarms, *_ = walk.reads(
        ("autoscaling", "DescribePolicies", by_name),
        ("cloudwatch", "DescribeAlarms", {"AlarmNamePrefix": f"TargetTracking-{walk.name}-"}),
        ("autoscaling", "DescribePolicies", {"PolicyTypes": ["TargetTrackingScaling"]}),
        ("autoscaling", "DescribePolicies", {**by_name, "PolicyNames": ["steps"]}),
    )
    rows = {p["PolicyName"]: p for p in shown["ScalingPolicies"]}
    for name, row in wanted.items():
        checks.equal({k: rows[name].get(k) for k in row}, row, f"the policy {name} comes back as it was put")
        checks.equal(rows[name]["PolicyARN"], put[name]["PolicyARN"], f"the policy {name} keeps its ARN")
        checks.equal(rows[name]["Alarms"], put[name]["Alarms"], f"the policy {name} shows its alarms")
    checks.equal(
        sorted(a["AlarmName"] for a in alarms["MetricAlarms"]),
        sorted(a["AlarmName"] for n in ("cpu", "depth") for a in put[n]["Alarms"]),
        "the alarms of target tracking are CloudWatch's too",
    )
    before = walk.group()["DesiredCapacity"]
    execute = {"PolicyName": "steps", "MetricValue": 59.0, "BreachThreshold": 50.0}
    walk.act("autoscaling", "ExecutePolicy", **by_name, **execute)
    checks.equal(walk.group()["DesiredCapacity"], before + 2, "a step policy changes by at least its magnitude")
    walk.in_service(before + 2)
    walk.act("autoscaling", "SetDesiredCapacity", **by_name, DesiredCapacity=before)
    walk.in_service(before)
    for name in wanted:
        walk.act("autoscaling", "DeletePolicy", **by_name, PolicyName=put[name]["PolicyARN"] if name == "cpu" else name)
    left = walk.boto.call("cloudwatch", "DescribeAlarms", AlarmNamePrefix=f"TargetTracking-{walk.name}-")
    checks.equal(left["MetricAlarms"], [], "a deleted policy takes its alarms along")


def collection_and_tags(walk, by_name):
    checks = walk.checks
    metrics = ["GroupDesiredCapacity", "GroupInServiceInstances"]
    walk.act("autoscaling", "EnableMetricsCollection", **by_name, Metrics=metrics, Granularity="1Minute")
    checks.equal(
        sorted(m["Metric"] for m in walk.group()["EnabledMetrics"]), sorted(metrics), "the metrics that were enabled are shown"
    )
    walk.act("autoscaling", "DisableMetricsCollection", **by_name)
    checks.equal(walk.group()["EnabledMetrics"], [], "disabling without names disables all")
    tag = {"ResourceId": walk.name, "ResourceType": "auto-scaling-group", "Key": "desk", "Value": "\u00fc & <co>", "PropagateAtLaunch": True}
    walk.act("autoscaling", "CreateOrUpdateTags", Tags=[tag])
    found = walk.read(
        "autoscaling", "DescribeTags", Filters=[{"Name": "auto-scaling-group", "Values": [walk.name]}, {"Name": "key", "Values": ["desk"]}]
    )
    checks.equal(found["Tags"], [tag], "a tag comes back as it was put")
    walk.act("autoscaling", "DeleteTags", Tags=[{k: v for k, v in tag.items() if k != "Value"}])
    found = walk.read("autoscaling", "DescribeTags", Filters=[{"Name": "key", "Values": ["desk"]}])
    checks.equal(found["Tags"], [], "a deleted tag is gone")


def schedules(walk, by_name):
    rows = [
        {"ScheduledActionName": "one", "StartTime": "2037-01-04T18:00:00Z", "DesiredCapacity": 3},
        {"ScheduledActionName": "past", "StartTime": "2001-01-04T18:00:00Z", "DesiredCapacity": 3},
        {"ScheduledActionName": "two", "Recurrence": "0 4 * * 1", "TimeZone": "Europe/Berlin", "MinSize": 1},
    ]
    put = walk.act("autoscaling", "BatchPutScheduledUpdateGroupAction", **by_name, ScheduledUpdateGroupActions=rows)
    failed = put["FailedScheduledUpdateGroupActions"]
    walk.checks.equal([f["ScheduledActionName"] for f in failed], ["past"], "a batch puts what it can")
    shown = walk.read("autoscaling", "DescribeScheduledActions", **by_name)["ScheduledUpdateGroupActions"]
    walk.checks.equal(sorted(a["ScheduledActionName"] for a in shown), ["one", "two"], "the others are there")
    gone = walk.act("autoscaling", "BatchDeleteScheduledAction", **by_name, ScheduledActionNames=["one", "two", "none"])
    walk.checks.equal([f["ScheduledActionName"] for f in gone["FailedScheduledActions"]], ["none"], "a batch deletes what it can")


def state_of(walk, arn):
    rows = walk.boto.call("autoscaling", "DescribeLoadBalancerTargetGroups", AutoScalingGroupName=walk.name)
    return next((r["State"] for r in rows["LoadBalancerTargetGroups"] if r["LoadBalancerTargetGroupARN"] == arn), None)


def attachments(walk, by_name):
    checks = walk.checks
    arns = [t["TargetGroupArn"] for t in walk.boto.call("elbv2", "DescribeTargetGroups")["TargetGroups"]]
    other = next(arn for arn in arns if arn != walk.targets)
    source = {"Identifier": other, "Type": "elbv2"}
    for attach, detach, names in (
        ("AttachLoadBalancerTargetGroups", "DetachLoadBalancerTargetGroups", {"TargetGroupARNs": [other]}),
        ("AttachTrafficSources", "DetachTrafficSources", {"TrafficSources": [source]}),
    ):
        walk.act("autoscaling", attach, **by_name, **names)
        checks.equal(state_of(walk, other), "Adding", f"{attach}: the instances are not registered at once")
        walk.sim.until(lambda: state_of(walk, other) == "InService", 600)
        checks.equal(state_of(walk, other), "InService", f"{attach}: in service once a target has passed")
        walk.act("autoscaling", detach, **by_name, **names)
        walk.reads(("autoscaling", "DescribeTrafficSources", by_name), ("autoscaling", "DescribeLoadBalancerTargetGroups", by_name))
        checks.equal(state_of(walk, other), "Removing", f"{detach}: the targets drain first")
        walk.sim.until(lambda: state_of(walk, other) is None, 900)
        checks.equal(state_of(walk, other), None, f"{detach}: gone after the drain")


def members_of(walk, by_name):
    checks = walk.checks
    before = walk.group()
    size = before["DesiredCapacity"]
    one = walk.in_service(size)[0]
    gone = walk.act("autoscaling", "DetachInstances", **by_name, InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
    checks.equal(gone["Activities"][0]["Description"], f"Detaching EC2 instance: {one}", "detaching is an activity")
    walk.in_service(size - 1)
    ec2 = walk.read("ec2", "DescribeInstances", InstanceIds=[one])["Reservations"][0]["Instances"][0]
    checks.equal(ec2["State"]["Name"], "running", "a detached instance runs on")
    walk.act("autoscaling", "AttachInstances", **by_name, InstanceIds=[one])
    checks.that(one in walk.in_service(size), "an attached instance serves")


def hooks(walk, by_name):
    hook = {**by_name, "LifecycleHookName": "beats"}
    walk.act("autoscaling", "PutLifecycleHook", **hook, LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", HeartbeatTimeout=300)
    size = walk.group()["DesiredCapacity"]
    walk.act("autoscaling", "SetDesiredCapacity", **by_name, DesiredCapacity=size + 1)
    waiting = lambda: [i["InstanceId"] for i in walk.group()["Instances"] if i["LifecycleState"] == "Pending:Wait"]
    held = walk.sim.until(waiting, 300)
    if walk.checks.that(held, "a hook holds the launch", str(walk.group()["Instances"])):
        walk.sim.advance(200)
        walk.act("autoscaling", "RecordLifecycleActionHeartbeat", **hook, InstanceId=held[0])
        walk.sim.advance(200)
        walk.checks.equal(waiting(), held, "a heartbeat gives it more time")
        walk.act("autoscaling", "CompleteLifecycleAction", **hook, InstanceId=held[0], LifecycleActionResult="CONTINUE")
    walk.act("autoscaling", "DeleteLifecycleHook", **hook)
    walk.in_service(size + 1)
    walk.act("autoscaling", "SetDesiredCapacity", **by_name, DesiredCapacity=size)
    walk.in_service(size)


def deletion(walk):
    name = {"AutoScalingGroupName": f"{walk.name}-short"}
    template = {"LaunchTemplateId": walk.template, "Version": "1"}
    subnets = walk.big["VPCZoneIdentifier"]
    walk.act(
        "autoscaling",
        "CreateAutoScalingGroup",
        **name,
        LaunchTemplate=template,
        MinSize=1,
        MaxSize=2,
        VPCZoneIdentifier=subnets,
        DesiredCapacityType="units",
        DeletionProtection="none",
        AvailabilityZoneDistribution={"CapacityDistributionStrategy": "balanced-only"},
        LifecycleHookSpecificationList=[
            {"LifecycleHookName": "made", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": 60}
        ],
    )
    listed = lambda: walk.boto.call("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name["AutoScalingGroupName"]])
    walk.sim.advance(100)
    walk.act("autoscaling", "DeleteAutoScalingGroup", **name, ForceDelete=True)
    shown = walk.read("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name["AutoScalingGroupName"]])
    walk.checks.equal(shown["AutoScalingGroups"][0].get("Status"), "Delete in progress", "a group that is deleted says so")
    walk.sim.until(lambda: not listed()["AutoScalingGroups"], 600)
    walk.checks.equal(listed()["AutoScalingGroups"], [], "a deleted group is gone")


def refusals(walk):
    group = {"AutoScalingGroupName": walk.name}
    big = {"AutoScalingGroupName": walk.big["AutoScalingGroupName"]}
    policy = {**group, "PolicyName": "refused"}
    new = {
        **{"AutoScalingGroupName": "new", "MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": walk.big["VPCZoneIdentifier"]},
        "LaunchTemplate": {"LaunchTemplateId": walk.template, "Version": "1"},
    }
    predictive = {"MetricSpecifications": [{"TargetValue": 40.0}]}
    cpu = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 0.0}
    unknown = walk.targets.rsplit(":", 1)[0] + ":targetgroup/none/0123456789abcdef"
    rows = [
        ("PutScalingPolicy", {**policy, "PolicyType": "PredictiveScaling", "PredictiveScalingConfiguration": predictive}, "ValidationError", "PredictiveScaling"),
        ("PutScalingPolicy", {**policy, "PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": cpu}, "ValidationError", "TargetValue"),
        ("PutScalingPolicy", {**policy, "AdjustmentType": "Nonsense", "ScalingAdjustment": 1}, "ValidationError", "Nonsense"),
        ("DeletePolicy", policy, "ValidationError", "PolicyName not found"),
        ("ExecutePolicy", policy, "ValidationError", "PolicyName not found"),
        ("DescribePolicies", {"PolicyTypes": ["Nonsense"]}, "ValidationError", "Nonsense"),
        ("EnableMetricsCollection", {**group, "Granularity": "5Minute"}, "ValidationError", "5Minute"),
        ("DescribeTags", {"Filters": [{"Name": "nonsense", "Values": ["x"]}]}, "ValidationError", "nonsense"),
        ("CreateOrUpdateTags", {"Tags": [{"ResourceId": "no-such-group", "ResourceType": "auto-scaling-group", "Key": "k"}]}, "ValidationError", "not found"),
        ("AttachLoadBalancerTargetGroups", {**group, "TargetGroupARNs": [unknown]}, "ValidationError", "Target Groups"),
        ("DetachTrafficSources", {**group, "TrafficSources": [{"Identifier": unknown, "Type": "elbv2"}]}, "ValidationError", "not attached"),
        ("AttachInstances", {**group, "InstanceIds": ["i-00000000000000000"]}, "ValidationError", "i-00000000000000000"),
        ("DetachInstances", {**group, "InstanceIds": ["i-00000000000000000"], "ShouldDecrementDesiredCapacity": True}, "ValidationError", "is not part of"),
        ("RecordLifecycleActionHeartbeat", {**group, "LifecycleHookName": "none", "InstanceId": "i-00000000000000000"}, "ValidationError", "No active Lifecycle Action"),
        ("DeleteAutoScalingGroup", big, "ResourceInUse", "instances"),
        ("CreateAutoScalingGroup", {**new, "PlacementGroup": "close"}, "ValidationError", "Placement Group"),
        ("CreateAutoScalingGroup", {**new, "LoadBalancerNames": ["classic"]}, "ValidationError", "Load Balancers"),
        ("PutScheduledUpdateGroupAction", {**group, "ScheduledActionName": "z", "Recurrence": "0 1 * * *", "TimeZone": "Mars/Olympus", "MinSize": 0}, "ValidationError", "Mars/Olympus"),
        ("StartInstanceRefresh", {**group, "Preferences": {"AlarmSpecification": {"Alarms": ["no-such-alarm"]}}}, "ValidationError", "no-such-alarm"),
    ]
    return [("autoscaling", operation, params, code, 400, words) for operation, params, code, words in rows]
