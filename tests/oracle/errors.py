"""AWS's own refusals: code, HTTP status and the exception class boto3 makes of the code."""

import base64
from concurrent.futures import ThreadPoolExecutor

from harness import Refused

NO_GROUP = "no-such-group"
NO_TEMPLATE = "lt-00000000000000000"


def table(walk):
    """(service, operation, params, code, status, words of the message). Statuses are AWS's, not 400 by default."""
    group = {"AutoScalingGroupName": walk.name}
    template = {"LaunchTemplateId": walk.template}
    image = {"repositoryName": walk.repository}
    balancer = walk.targets.rsplit(":", 1)[0] + ":loadbalancer/app/none/0123456789abcdef"
    targets = walk.targets.rsplit(":", 1)[0] + ":targetgroup/none/0123456789abcdef"
    role = f"arn:aws:iam::{walk.account}:role/none"
    version = lambda number: {"LaunchTemplate": {**template, "Version": number}}
    long_script = base64.b64encode(b"#" * 16385).decode()
    return [
        ("autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": NO_GROUP, "DesiredCapacity": 1}, "ValidationError", 400, "not found"),
        ("autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": NO_GROUP, "MinSize": 1}, "ValidationError", 400, "not found"),
        ("autoscaling", "StartInstanceRefresh", {"AutoScalingGroupName": NO_GROUP}, "ValidationError", 400, "not found"),
        ("autoscaling", "CancelInstanceRefresh", {"AutoScalingGroupName": NO_GROUP}, "ValidationError", 400, "not found"),
        ("autoscaling", "SetDesiredCapacity", {**group, "DesiredCapacity": 33}, "ValidationError", 400, "New SetDesiredCapacity value 33 is above max value 5 for the AutoScalingGroup."),
        ("autoscaling", "UpdateAutoScalingGroup", {**group, "MinSize": 9}, "ValidationError", 400, ""),
        ("autoscaling", "UpdateAutoScalingGroup", {**group, **version("99")}, "ValidationError", 400, ""),
        ("autoscaling", "StartInstanceRefresh", {**group, "DesiredConfiguration": version("99")}, "ValidationError", 400, ""),
        ("autoscaling", "StartInstanceRefresh", {**group, "Preferences": {"AutoRollback": True}}, "ValidationError", 400, "The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter is empty"),
        ("autoscaling", "StartInstanceRefresh", {**group, "Preferences": {"MinHealthyPercentage": 10, "MaxHealthyPercentage": 200}}, "ValidationError", 400, ""),
        ("autoscaling", "StartInstanceRefresh", {**group, "Preferences": {"MaxHealthyPercentage": 150}}, "ValidationError", 400, ""),
        ("autoscaling", "StartInstanceRefresh", {**group, "Preferences": {"CheckpointPercentages": [60, 50]}}, "ValidationError", 400, ""),
        ("autoscaling", "CancelInstanceRefresh", group, "ActiveInstanceRefreshNotFound", 400, "No in progress or pending Instance Refresh found"),
        ("autoscaling", "RollbackInstanceRefresh", group, "ActiveInstanceRefreshNotFound", 400, ""),
        ("autoscaling", "CreateAutoScalingGroup", {**group, "MinSize": 0, "MaxSize": 1, **version("1"), "VPCZoneIdentifier": walk.big["VPCZoneIdentifier"]}, "AlreadyExists", 400, ""),
        ("autoscaling", "PutScheduledUpdateGroupAction", {**group, "ScheduledActionName": "past", "StartTime": "2001-01-01T00:00:00Z", "MinSize": 0}, "ValidationError", 400, ""),
        ("autoscaling", "SuspendProcesses", {**group, "ScalingProcesses": ["Nonsense"]}, "ValidationError", 400, ""),
        ("autoscaling", "TerminateInstanceInAutoScalingGroup", {"InstanceId": "i-00000000000000000", "ShouldDecrementDesiredCapacity": True}, "ValidationError", 400, ""),
        ("autoscaling", "CompleteLifecycleAction", {**group, "LifecycleHookName": "none", "LifecycleActionResult": "CONTINUE", "InstanceId": "i-00000000000000000"}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeAutoScalingGroups", {"NextToken": "nonsense"}, "InvalidNextToken", 400, ""),
        ("ec2", "DescribeLaunchTemplateVersions", {**template, "Versions": ["99"]}, "InvalidLaunchTemplateId.VersionNotFound", 400, "Could not find the specified version 99 for the launch template with ID lt-"),
        ("ec2", "DescribeLaunchTemplateVersions", {"LaunchTemplateId": NO_TEMPLATE}, "InvalidLaunchTemplateId.NotFound", 400, ""),
        ("ec2", "DescribeLaunchTemplateVersions", {"LaunchTemplateName": "none-such"}, "InvalidLaunchTemplateName.NotFoundException", 400, ""),
        ("ec2", "CreateLaunchTemplate", {"LaunchTemplateName": walk.name, "LaunchTemplateData": {"InstanceType": "t3.micro"}}, "InvalidLaunchTemplateName.AlreadyExistsException", 400, ""),
        ("ec2", "CreateLaunchTemplateVersion", {"LaunchTemplateId": NO_TEMPLATE, "LaunchTemplateData": {"InstanceType": "t3.micro"}}, "InvalidLaunchTemplateId.NotFound", 400, ""),
        ("ec2", "CreateLaunchTemplateVersion", {**template, "SourceVersion": "99", "LaunchTemplateData": {"InstanceType": "t3.micro"}}, "InvalidLaunchTemplateId.VersionNotFound", 400, ""),
        ("ec2", "CreateLaunchTemplateVersion", {**template, "LaunchTemplateData": {"InstanceType": "t3.nano"}, "ClientToken": f"{walk.name}-2"}, "IdempotentParameterMismatch", 400, ""),
        ("ec2", "CreateLaunchTemplateVersion", {**template, "LaunchTemplateData": {"UserData": long_script}}, "InvalidParameterValue", 400, "16384"),
        ("ec2", "ModifyLaunchTemplate", {**template, "DefaultVersion": "99"}, "InvalidLaunchTemplateId.VersionNotFound", 400, ""),
        ("ec2", "DescribeInstances", {"InstanceIds": ["i-00000000000000000"]}, "InvalidInstanceID.NotFound", 400, ""),
        ("ec2", "DescribeInstances", {"InstanceIds": ["nonsense"]}, "InvalidInstanceID.Malformed", 400, ""),
        ("ec2", "GetConsoleOutput", {"InstanceId": "i-00000000000000000"}, "InvalidInstanceID.NotFound", 400, ""),
        ("ec2", "CreateLaunchTemplateVersion", {**template, "LaunchTemplateData": {"InstanceType": "t3.nano"}, "DryRun": True}, "DryRunOperation", 412, ""),
        ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": targets}, "TargetGroupNotFound", 400, ""),
        ("elbv2", "DescribeTargetGroups", {"Names": ["none"]}, "TargetGroupNotFound", 400, ""),
        ("elbv2", "DescribeLoadBalancers", {"Names": ["none"]}, "LoadBalancerNotFound", 400, ""),
        ("elbv2", "DescribeTargetGroups", {"LoadBalancerArn": balancer}, "LoadBalancerNotFound", 400, ""),
        ("ecr", "DescribeImages", {**image, "imageIds": [{"imageTag": "none"}]}, "ImageNotFoundException", 400, ""),
        ("ecr", "DescribeImages", {**image, "imageIds": [{"imageDigest": "sha256:" + "0" * 64}]}, "ImageNotFoundException", 400, ""),
        ("ecr", "DescribeImages", {"repositoryName": "none"}, "RepositoryNotFoundException", 400, ""),
        ("ecr", "BatchGetImage", {"repositoryName": "none", "imageIds": [{"imageTag": "x"}]}, "RepositoryNotFoundException", 400, ""),
        ("ecr", "DescribeRepositories", {"repositoryNames": ["none"]}, "RepositoryNotFoundException", 400, ""),
        ("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "nobody"}, "AccessDenied", 403, ""),
    ]


# Wire code -> class of the exception, where the shape's name is another (the model's `error.code`).
CLASSES = {
    "ActiveInstanceRefreshNotFound": "ActiveInstanceRefreshNotFoundFault",
    "AlreadyExists": "AlreadyExistsFault",
    "ImageNotFoundException": "ImageNotFoundException",
    "InstanceRefreshInProgress": "InstanceRefreshInProgressFault",
    "IrreversibleInstanceRefresh": "IrreversibleInstanceRefreshFault",
    "LoadBalancerNotFound": "LoadBalancerNotFoundException",
    "RepositoryNotFoundException": "RepositoryNotFoundException",
    "TargetGroupNotFound": "TargetGroupNotFoundException",
}
# InvalidNextToken belongs to the shape `InvalidNextToken`; the rest has no shape and becomes a plain ClientError.
CLASSES["InvalidNextToken"] = "InvalidNextToken"

# What a throttled and a forbidden caller meets.
THROTTLED = {
    "autoscaling": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "elbv2": ("Throttling", 400),
    "ecr": ("ThrottlingException", 400),
    "sts": ("Throttling", 400),
}
DENIED = {
    "autoscaling": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "elbv2": ("AccessDenied", 403),
    "ecr": ("AccessDeniedException", 400),
    "sts": ("AccessDenied", 403),
}
SIMPLE_READ = {
    "autoscaling": "DescribeAutoScalingGroups",
    "ec2": "DescribeInstances",
    "elbv2": "DescribeTargetGroups",
    "ecr": "DescribeRepositories",
    "sts": "GetCallerIdentity",
}
SIGNING_NAME = {"elbv2": "elasticloadbalancing"}
UNKNOWN_OPERATION = {"ecr": ("UnknownOperationException", 400)}


def refused(caller, service, operation, params):
    try:
        return None, caller.call(service, operation, **params)
    except Refused as refusal:
        return refusal, None


def expect(walk, rows):
    """Each row through boto3 (code, status, class, words); the CLI reads each code of each service once."""
    checks = walk.checks
    first = {}
    for row in rows:
        first.setdefault((row[0], row[3]), row)
    with ThreadPoolExecutor(4) as pool:
        by_cli = {id(row): pool.submit(refused, walk.cli, *row[:3]) for row in first.values()}
        for row in rows:
            service, operation, params, code, status, words = row
            said = f"{service}.{operation} {str(params)[:120]}"
            refusal, answer = refused(walk.boto, service, operation, params)
            if checks.that(refusal, f"{said}: refused with {code}", f"answered {str(answer)[:300]}"):
                wanted = (code, status, CLASSES.get(code, "ClientError"))
                checks.equal((refusal.code, refusal.status, refusal.kind), wanted, f"{said}: refused as AWS does")
                checks.that(words in refusal.message, f"{said}: AWS's words", refusal.message)
            if id(row) not in by_cli:
                continue
            refusal, answer = by_cli[id(row)].result()
            if checks.that(refusal, f"cli {said}: refused with {code}", f"answered {str(answer)[:300]}"):
                checks.equal(refusal.code, code, f"cli {said}: refused as AWS does")


def unknown_operations(walk, implemented):
    """For each service the first operation of the model that needs no parameter and is not simulated."""
    rows = []
    for service, known in implemented.items():
        model = walk.boto.clients[service].meta.service_model
        for operation in model.operation_names:
            shape = model.operation_model(operation).input_shape
            simple = shape is None or not shape.required_members
            if operation not in known and simple and not model.operation_model(operation).deprecated:
                code, status = UNKNOWN_OPERATION.get(service, ("InvalidAction", 400))
                rows.append((service, operation, {}, code, status, ""))
                break
    return rows


def faults(walk, kind, answers):
    """An injected fault is in the service's own words."""
    for service in answers:
        walk.sim.control(
            "faults",
            {"service": SIGNING_NAME.get(service, service), "operation": SIMPLE_READ[service], "kind": kind, "rate": 1.0, "seed": 1},
        )
    expect(walk, [(s, SIMPLE_READ[s], {}, code, status, "") for s, (code, status) in answers.items()])
    walk.sim.control("faults", method="DELETE")


def run(walk, implemented):
    checks = walk.checks
    for answer in (
        walk.read("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[NO_GROUP])["AutoScalingGroups"],
        walk.read("autoscaling", "DescribeAutoScalingInstances", InstanceIds=["i-00000000000000000"])["AutoScalingInstances"],
    ):
        checks.equal(answer, [], "describing what is not there is an empty list")
    expect(walk, table(walk))
    expect(walk, unknown_operations(walk, implemented))
    faults(walk, "throttle", THROTTLED)
    faults(walk, "denied", DENIED)
    # One active refresh blocks a second, and a change of the template under it.
    group = {"AutoScalingGroupName": walk.name}
    version = {"LaunchTemplate": {"LaunchTemplateId": walk.template, "Version": "2"}}
    walk.act("autoscaling", "StartInstanceRefresh", **group, DesiredConfiguration=version)
    expect(
        walk,
        [
            ("autoscaling", "StartInstanceRefresh", group, "InstanceRefreshInProgress", 400, "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."),
            ("autoscaling", "StartInstanceRefresh", {**group, "DesiredConfiguration": version}, "InstanceRefreshInProgress", 400, ""),
            ("autoscaling", "UpdateAutoScalingGroup", {**group, **version}, "ValidationError", 400, "An active instance refresh with a desired configuration exists"),
        ],
    )
    walk.act("autoscaling", "CancelInstanceRefresh", **group, WaitForTransitioningInstances=False)
    # Without a desired configuration there is nothing to roll back to.
    walk.sim.until(
        lambda: walk.boto.call("autoscaling", "DescribeInstanceRefreshes", **group)["InstanceRefreshes"][0]["Status"] == "Cancelled",
        1800,
    )
    walk.act("autoscaling", "StartInstanceRefresh", **group)
    expect(walk, [("autoscaling", "RollbackInstanceRefresh", group, "IrreversibleInstanceRefresh", 400, "")])
    walk.act("autoscaling", "CancelInstanceRefresh", **group)
