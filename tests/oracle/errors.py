"""AWS's own refusals: code, HTTP status and the exception class boto3 makes of the code."""

import base64
import importlib.util
import json
import pathlib

from harness import REGION, Refused
from scenario import WALKS

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
    filters = lambda name, *values: {"Filters": [{"Name": name, "Values": list(values)}]}
    new_group = {"MinSize": 0, "MaxSize": 1, **version("1"), "VPCZoneIdentifier": walk.big["VPCZoneIdentifier"]}
    hook = {**group, "LifecycleHookName": "refused", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
    queue = f"arn:aws:sqs:{REGION}:{walk.account}:launches"
    load_balancer = walk.boto.call("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
    listener = walk.boto.call("elbv2", "DescribeListeners", LoadBalancerArn=load_balancer)["Listeners"][0]["ListenerArn"]
    rule = listener.replace(":listener/", ":listener-rule/") + "/0123456789abcdef"
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
        ("autoscaling", "CreateAutoScalingGroup", {**group, **new_group}, "AlreadyExists", 400, ""),
        ("autoscaling", "PutScheduledUpdateGroupAction", {**group, "ScheduledActionName": "past", "StartTime": "2001-01-01T00:00:00Z", "MinSize": 0}, "ValidationError", 400, ""),
        ("autoscaling", "SuspendProcesses", {**group, "ScalingProcesses": ["Nonsense"]}, "ValidationError", 400, ""),
        ("autoscaling", "TerminateInstanceInAutoScalingGroup", {"InstanceId": "i-00000000000000000", "ShouldDecrementDesiredCapacity": True}, "ValidationError", 400, ""),
        ("autoscaling", "CompleteLifecycleAction", {**group, "LifecycleHookName": "none", "LifecycleActionResult": "CONTINUE", "InstanceId": "i-00000000000000000"}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeAutoScalingGroups", {"NextToken": "nonsense"}, "InvalidNextToken", 400, ""),
        ("autoscaling", "DescribeAutoScalingGroups", filters("nonsense", "x"), "ValidationError", 400, "nonsense"),
        ("autoscaling", "DescribeAutoScalingGroups", {"MaxRecords": 101}, "ValidationError", 400, "less than or equal to 100"),
        ("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": [f"g{n}" for n in range(51)]}, "ValidationError", 400, "less than or equal to 50"),
        ("autoscaling", "DescribeAutoScalingInstances", {"MaxRecords": 51}, "ValidationError", 400, "less than or equal to 50"),
        ("autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": [f"i-{n:017x}" for n in range(51)]}, "ValidationError", 400, "less than or equal to 50"),
        ("autoscaling", "DescribeScalingActivities", {"MaxRecords": 101}, "ValidationError", 400, "less than or equal to 100"),
        ("autoscaling", "DescribeScalingActivities", filters("nonsense", "x"), "ValidationError", 400, "nonsense"),
        ("autoscaling", "DescribeScalingActivities", filters("Status", "Successful"), "ValidationError", 400, "AutoScalingGroupName"),
        ("autoscaling", "DescribePolicies", {"MaxRecords": 101}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeInstanceRefreshes", {**group, "MaxRecords": 101}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeScheduledActions", {"MaxRecords": 101}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeWarmPool", {**group, "MaxRecords": 51}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeTrafficSources", {**group, "MaxRecords": 51}, "ValidationError", 400, ""),
        ("autoscaling", "DescribeTrafficSources", {**group, "TrafficSourceType": "nonsense"}, "ValidationError", 400, "nonsense"),
        ("autoscaling", "DescribeLoadBalancerTargetGroups", {**group, "MaxRecords": 101}, "ValidationError", 400, ""),
        ("autoscaling", "UpdateAutoScalingGroup", {**group, "HealthCheckType": "NONSENSE"}, "ValidationError", 400, "NONSENSE"),
        ("autoscaling", "UpdateAutoScalingGroup", {**group, "HealthCheckType": "ELB,NONSENSE"}, "ValidationError", 400, "NONSENSE"),
        ("autoscaling", "UpdateAutoScalingGroup", {**group, "TerminationPolicies": ["Default", "Nonsense"]}, "ValidationError", 400, "Nonsense"),
        ("autoscaling", "CreateAutoScalingGroup", {**new_group, "AutoScalingGroupName": "with:colon"}, "ValidationError", 400, ""),
        ("autoscaling", "CreateAutoScalingGroup", {**new_group, "AutoScalingGroupName": "with blank"}, "ValidationError", 400, ""),
        ("autoscaling", "CreateAutoScalingGroup", {**new_group, "AutoScalingGroupName": "new", "HealthCheckType": "NONSENSE"}, "ValidationError", 400, "NONSENSE"),
        ("autoscaling", "CreateAutoScalingGroup", {**new_group, "AutoScalingGroupName": "new", "TerminationPolicies": ["Nonsense"]}, "ValidationError", 400, "Nonsense"),
        ("autoscaling", "PutLifecycleHook", {**hook, "NotificationTargetARN": "nonsense", "RoleARN": role}, "ValidationError", 400, "nonsense"),
        ("autoscaling", "PutLifecycleHook", {**hook, "NotificationTargetARN": queue}, "ValidationError", 400, "RoleARN"),
        ("ec2", "DescribeLaunchTemplateVersions", {**template, **filters("nonsense", "x")}, "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeLaunchTemplates", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeLaunchTemplates", filters("tag:", "x"), "InvalidParameterValue", 400, ""),
        ("ec2", "DescribeLaunchTemplateVersions", {**template, "MaxResults": 201}, "InvalidParameterValue", 400, "maxResults"),
        ("ec2", "DescribeInstances", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeInstances", {"MaxResults": 1001}, "InvalidParameterValue", 400, "maxResults"),
        ("ec2", "DescribeInstanceStatus", {"InstanceIds": [walk.big["Instances"][0]["InstanceId"]], "MaxResults": 5}, "InvalidParameterCombination", 400, "maxResults"),
        ("ec2", "DescribeVpcs", {"VpcIds": ["vpc-00000000000000000"]}, "InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-00000000000000000' does not exist"),
        ("ec2", "DescribeVpcs", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeSubnets", {"SubnetIds": ["subnet-00000000000000000"]}, "InvalidSubnetID.NotFound", 400, "The subnet ID 'subnet-00000000000000000' does not exist"),
        ("ec2", "DescribeSubnets", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeAvailabilityZones", {"ZoneNames": ["moon-1a"]}, "InvalidParameterValue", 400, "Invalid availability zone: [moon-1a]"),
        ("ec2", "DescribeAvailabilityZones", {"ZoneIds": ["moon1-az1"]}, "InvalidParameterValue", 400, "Invalid availability zone-id: [moon1-az1]"),
        ("ec2", "DescribeAvailabilityZones", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "DescribeImages", {"ImageIds": ["ami-00000000000000000"]}, "InvalidAMIID.NotFound", 400, "The image id '[ami-00000000000000000]' does not exist"),
        ("ec2", "DescribeImages", {"ImageIds": ["nonsense"]}, "InvalidAMIID.Malformed", 400, "nonsense"),
        ("ec2", "DescribeImages", {"Owners": ["nonsense"]}, "InvalidUserID.Malformed", 400, "nonsense"),
        ("ec2", "DescribeImages", filters("nonsense", "x"), "InvalidParameterValue", 400, "The filter 'nonsense' is invalid"),
        ("ec2", "CreateLaunchTemplateVersion", {"LaunchTemplateId": NO_TEMPLATE, "LaunchTemplateData": {"InstanceType": "t3.nano"}, "DryRun": True}, "InvalidLaunchTemplateId.NotFound", 400, ""),
        ("ec2", "CreateLaunchTemplate", {"LaunchTemplateName": walk.name, "LaunchTemplateData": {"InstanceType": "t3.nano"}, "DryRun": True}, "InvalidLaunchTemplateName.AlreadyExistsException", 400, ""),
        ("ec2", "CreateLaunchTemplate", {"LaunchTemplateName": f"{walk.name}-dry", "LaunchTemplateData": {"InstanceType": "t3.nano"}, "DryRun": True}, "DryRunOperation", 412, ""),
        ("ec2", "DescribeLaunchTemplates", {"LaunchTemplateNames": [f"{walk.name}-dry"]}, "InvalidLaunchTemplateName.NotFoundException", 400, ""),
        ("ec2", "DescribeVpcs", {"VpcIds": ["vpc-00000000000000000"], "DryRun": True}, "InvalidVpcID.NotFound", 400, ""),
        ("ec2", "DescribeVpcs", {"DryRun": True}, "DryRunOperation", 412, ""),
        ("ec2", "RunInstances", {"ImageId": walk.data["ImageId"], "MinCount": 1, "MaxCount": 1, "DryRun": True}, "InvalidAction", 400, ""),
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
        ("elbv2", "DescribeListeners", {}, "ValidationError", 400, "You must specify either listener ARNs or a load balancer ARN"),
        ("elbv2", "DescribeListeners", {"LoadBalancerArn": balancer}, "LoadBalancerNotFound", 400, ""),
        ("elbv2", "DescribeListeners", {"LoadBalancerArn": targets}, "ValidationError", 400, "is not a valid load balancer ARN"),
        ("elbv2", "DescribeListeners", {"ListenerArns": [listener + "0"]}, "ListenerNotFound", 400, ""),
        ("elbv2", "DescribeListeners", {"ListenerArns": [rule]}, "ValidationError", 400, "is not a valid listener ARN"),
        ("elbv2", "DescribeRules", {}, "ValidationError", 400, "You must specify either"),
        ("elbv2", "DescribeRules", {"RuleArns": [rule]}, "RuleNotFound", 400, ""),
        ("elbv2", "DescribeRules", {"ListenerArn": listener + "0"}, "ListenerNotFound", 400, ""),
        ("ecr", "DescribeImages", {**image, "imageIds": [{"imageTag": "latest"}], "maxResults": 5}, "InvalidParameterException", 400, "maxResults"),
        ("ecr", "DescribeRepositories", {"repositoryNames": [walk.repository], "maxResults": 5}, "InvalidParameterException", 400, "maxResults"),
        ("ecr", "ListImages", {**image, "filter": {"tagStatus": "NONSENSE"}}, "InvalidParameterException", 400, "tagStatus"),
        ("ecr", "DescribeImages", {**image, "imageIds": [{"imageTag": "none"}]}, "ImageNotFoundException", 400, ""),
        ("ecr", "DescribeImages", {**image, "imageIds": [{"imageDigest": "sha256:" + "0" * 64}]}, "ImageNotFoundException", 400, ""),
        ("ecr", "DescribeImages", {"repositoryName": "none"}, "RepositoryNotFoundException", 400, ""),
        ("ecr", "BatchGetImage", {"repositoryName": "none", "imageIds": [{"imageTag": "x"}]}, "RepositoryNotFoundException", 400, ""),
        ("ecr", "DescribeRepositories", {"repositoryNames": ["none"]}, "RepositoryNotFoundException", 400, ""),
        ("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "nobody"}, "AccessDenied", 403, ""),
    ]


# What a throttled and a forbidden caller meets. ELBv2's word for the first is drawn (aws-reference 1.3: accept both).
THROTTLED = {
    "autoscaling": ("Throttling", 400),
    "cloudwatch": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "ecr": ("ThrottlingException", 400),
    "elasticache": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "s3": ("SlowDown", 503),
    "sts": ("Throttling", 400),
}
DENIED = {
    "autoscaling": ("AccessDenied", 403),
    "cloudwatch": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "ecr": ("AccessDeniedException", 400),
    "elasticache": ("AccessDenied", 403),
    "elbv2": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "s3": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
}
SIMPLE_READ = {
    "autoscaling": "DescribeAutoScalingGroups",
    "cloudwatch": "DescribeAlarms",
    "ec2": "DescribeInstances",
    "ecr": "DescribeRepositories",
    "elasticache": "DescribeReplicationGroups",
    "elbv2": "DescribeTargetGroups",
    "iam": "ListRoles",
    "s3": "ListBuckets",
    "sts": "GetCallerIdentity",
}
SIGNING_NAME = {"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring"}
UNKNOWN_OPERATION = {"ecr": ("UnknownOperationException", 400), "cloudwatch": ("UnknownOperationException", 404)}


def kind(walk, service, code):
    """The class of the exception: that of the error of the model with this wire code, else the plain one."""
    shape = walk.boto.clients[service].meta.service_model.shape_for_error_code(code)
    return shape.name if shape is not None else "ClientError"


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
    for row in rows:
        service, operation, params, code, status, words = row
        said = f"{service}.{operation} {str(params)[:120]}"
        refusal, answer = refused(walk.boto, service, operation, params)
        if checks.that(refusal, f"{said}: refused with {code}", f"answered {str(answer)[:300]}"):
            wanted = (code, status, kind(walk, service, code))
            checks.equal((refusal.code, refusal.status, refusal.kind), wanted, f"{said}: refused as AWS does")
            checks.that(words in refusal.message, f"{said}: AWS's words", refusal.message)
        if first[(service, code)] is not row:
            continue
        refusal, answer = refused(walk.cli, service, operation, params)
        if checks.that(refusal, f"cli {said}: refused with {code}", f"answered {str(answer)[:300]}"):
            checks.equal(refusal.code, code, f"cli {said}: refused as AWS does")


def known_to_the_cli(service, version):
    """Operations of the botocore that awscli brings along, which is older than boto3's."""
    [awscli] = importlib.util.find_spec("awscli").submodule_search_locations
    model = pathlib.Path(awscli) / "botocore" / "data" / service / version / "service-2.json"
    return json.loads(model.read_text())["operations"].keys()


def unknown_operations(walk, implemented):
    """For each service the first read of both models that needs no parameter and is not simulated."""
    rows = []
    for service, known in implemented.items():
        if service == "s3":
            # A method and path that mean nothing there: no client sends them.
            continue
        model = walk.boto.clients[service].meta.service_model
        names = known_to_the_cli(service, model.api_version) & set(model.operation_names)

        def fits(operation):
            shape = model.operation_model(operation).input_shape
            simple = shape is None or not shape.required_members
            return operation not in known and simple and not model.operation_model(operation).deprecated

        left = sorted(filter(fits, names), key=lambda name: (not name.startswith(("Describe", "Get", "List")), name))
        if left:
            code, status = UNKNOWN_OPERATION.get(service, ("InvalidAction", 400))
            rows.append((service, left[0], {}, code, status, ""))
    return rows


def faults(walk, kind, answers, implemented):
    """An injected fault is in the service's own words."""
    answers = {s: answer for s, answer in answers.items() if SIMPLE_READ[s] in implemented.get(s, ())}
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
    for other in WALKS:
        if hasattr(other, "refusals"):
            expect(walk, other.refusals(walk))
    expect(walk, unknown_operations(walk, implemented))
    word = "ThrottlingException" if walk.sim.drawn("elb_throttling_exception") else "Throttling"
    faults(walk, "throttle", {**THROTTLED, "elbv2": (word, 400)}, implemented)
    faults(walk, "denied", DENIED, implemented)
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
