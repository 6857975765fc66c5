"""Filters and other selectors: what is answered is exactly what is asked for.

What a selector should leave is worked out here from the answer without it, so that one that is silently ignored, or that
hides everything, is found. boto3 reads each; the CLI reads the first of each operation, which shows that it sends them.
"""


def rows_of(operation, member, answer):
    found = answer[member]
    if operation == "DescribeInstances":
        found = [instance for reservation in found for instance in reservation["Instances"]]
    return found


def table(walk):
    """(service, operation, member, fixed params, selector, what of the rows it leaves)."""
    tags = lambda row: {t["Key"]: t["Value"] for t in row.get("Tags", [])}
    one = lambda name, *values: {"Filters": [{"Name": name, "Values": list(values)}]}
    versions = ("ec2", "DescribeLaunchTemplateVersions", "LaunchTemplateVersions", {"LaunchTemplateId": walk.template})
    images = ("ec2", "DescribeImages", "Images", {})
    subnets = ("ec2", "DescribeSubnets", "Subnets", {})
    zones = ("ec2", "DescribeAvailabilityZones", "AvailabilityZones", {})
    vpcs = ("ec2", "DescribeVpcs", "Vpcs", {})
    instances = ("ec2", "DescribeInstances", "Reservations", {})
    groups = ("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups", {})
    activities = ("autoscaling", "DescribeScalingActivities", "Activities", {"AutoScalingGroupName": walk.name})
    sources = ("autoscaling", "DescribeTrafficSources", "TrafficSources", {"AutoScalingGroupName": walk.name})
    ecr = ("ecr", "DescribeImages", "imageDetails", {"repositoryName": walk.repository})
    rows = lambda row: walk.boto.call(row[0], row[1], **row[3])[row[2]]
    subnet, zone, vpc = (rows(row)[0] for row in (subnets, zones, vpcs))
    began = rows(activities)[-1]["StartTime"]
    kind = lambda row: row["LaunchTemplateData"].get("InstanceType")
    ami = walk.data["ImageId"]
    everything, nothing = (lambda row: True), (lambda row: False)
    return [
        (*versions, one("is-default-version", "true"), lambda r: r["DefaultVersion"]),
        (*versions, one("is-default-version", "false"), lambda r: not r["DefaultVersion"]),
        (*versions, one("instance-type", "t3.small", "t3.large"), lambda r: kind(r) in ("t3.small", "t3.large")),
        (*versions, one("instance-type", "t3.*"), lambda r: (kind(r) or "").startswith("t3.")),
        (*versions, one("image-id", ami), lambda r: r["LaunchTemplateData"].get("ImageId") == ami),
        (*versions, one("image-id", "ami-none"), nothing),
        (*versions, one("http-tokens", "required"), lambda r: "MetadataOptions" in r["LaunchTemplateData"]),
        (*images, {"Owners": ["amazon"]}, everything),
        (*images, {"Owners": ["self"]}, nothing),
        (*images, {"Owners": ["self", "137112412989"]}, everything),
        (*images, one("image-id", ami), lambda r: r["ImageId"] == ami),
        (*images, one("architecture", "arm64"), nothing),
        (*images, one("name", "al2023-ami-*-x86_64"), everything),
        (*images, one("tag:none", "x"), nothing),
        (*subnets, one("availability-zone", subnet["AvailabilityZone"]), lambda r: r["AvailabilityZone"] == subnet["AvailabilityZone"]),
        (*subnets, one("availability-zone-id", subnet["AvailabilityZoneId"]), lambda r: r["SubnetId"] == subnet["SubnetId"]),
        (*subnets, {"SubnetIds": [subnet["SubnetId"]]}, lambda r: r["SubnetId"] == subnet["SubnetId"]),
        (*subnets, one("vpc-id", vpc["VpcId"]), everything),
        (*subnets, one("vpc-id", "vpc-none"), nothing),
        (*subnets, one("cidr-block", subnet["CidrBlock"]), lambda r: r["CidrBlock"] == subnet["CidrBlock"]),
        (*zones, {"ZoneNames": [zone["ZoneName"]]}, lambda r: r["ZoneName"] == zone["ZoneName"]),
        (*zones, {"ZoneIds": [zone["ZoneId"]]}, lambda r: r["ZoneId"] == zone["ZoneId"]),
        (*zones, one("zone-name", zone["ZoneName"]), lambda r: r["ZoneName"] == zone["ZoneName"]),
        (*zones, one("state", "unavailable"), nothing),
        (*vpcs, {"VpcIds": [vpc["VpcId"]]}, everything),
        (*vpcs, one("cidr", vpc["CidrBlock"]), everything),
        (*vpcs, one("is-default", "true"), nothing),
        (*vpcs, one("tag:Name", vpc["Tags"][0]["Value"]), everything),
        (*vpcs, one("tag:Name", "another"), nothing),
        (*instances, one("tag:Name", walk.name), lambda r: tags(r).get("Name") == walk.name),
        (*instances, one("instance-state-name", "running"), lambda r: r["State"]["Name"] == "running"),
        (*groups, one("tag:team", "\u00fc & <co>"), lambda r: tags(r).get("team") == "\u00fc & <co>"),
        (*groups, one("tag:team", "another"), nothing),
        (*groups, one("tag-key", "team"), lambda r: "team" in tags(r)),
        (*groups, one("tag-value", "another"), nothing),
        (*activities, one("Status", "Successful"), lambda r: r["StatusCode"] == "Successful"),
        (*activities, one("StartTimeUpperBound", began), lambda r: r["StartTime"] <= began),
        (*activities, one("StartTimeLowerBound", began), lambda r: r["StartTime"] >= began),
        (*sources, {"TrafficSourceType": "elbv2"}, everything),
        (*sources, {"TrafficSourceType": "vpc-lattice"}, nothing),
        (*ecr, {"filter": {"tagStatus": "TAGGED"}}, lambda r: "imageTags" in r),
        (*ecr, {"filter": {"imageStatus": "ARCHIVED"}}, nothing),
    ]


def rules(walk):
    """Listeners and rules by their own ARN."""
    checks, call = walk.checks, walk.boto.call
    balancer = call("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = call("elbv2", "DescribeListeners", LoadBalancerArn=balancer)["Listeners"]
    checks.that(len(listeners) > 1, "there is more than one listener to choose from")
    for listener in listeners[:2]:
        arn = listener["ListenerArn"]
        checks.equal(walk.read("elbv2", "DescribeListeners", ListenerArns=[arn])["Listeners"], [listener], "a listener by its ARN")
        behind = walk.read("elbv2", "DescribeRules", ListenerArn=arn)["Rules"]
        checks.equal(
            walk.read("elbv2", "DescribeRules", RuleArns=[behind[0]["RuleArn"]])["Rules"], behind, "a rule by its ARN"
        )
    first = call("elbv2", "DescribeListeners", LoadBalancerArn=balancer, PageSize=1)
    rest = call("elbv2", "DescribeListeners", LoadBalancerArn=balancer, Marker=first["NextMarker"])
    checks.equal(first["Listeners"] + rest["Listeners"], listeners, "listeners come in pages")


def run(walk):
    rows = table(walk)
    whole = {(service, operation): (service, operation, params) for service, operation, _, params, *_ in rows}
    chosen = [(service, operation, {**params, **selector}) for service, operation, _, params, selector, _ in rows]
    first = {}
    for row in chosen:
        first.setdefault(row[:2], row)
    walk.reads(*first.values())
    whole = {key: walk.boto.call(service, operation, **params) for key, (service, operation, params) in whole.items()}
    for (service, operation, member, _, selector, left), (*_, params) in zip(rows, chosen, strict=True):
        answer = walk.boto.call(service, operation, **params)
        choice = rows_of(operation, member, whole[(service, operation)])
        walk.checks.once(choice, f"{service}.{operation}: there are rows to choose from")
        wanted = [row for row in choice if left(row)]
        got = rows_of(operation, member, answer)
        walk.checks.equal(got, wanted, f"{service}.{operation} {selector}: leaves what it asks for")
    rules(walk)
