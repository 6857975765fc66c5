"""Elastic Load Balancing v2: load balancers, target groups, listeners and rules from their making to their end."""

from waiters import Waits

CERTIFICATE = "arn:aws:acm:ap-south-1:123456789012:certificate/0f1e2d3c-4b5a-4978-8069-5a4b3c2d1e0f"
# Longer than a waiter of ten minutes, shorter than two.
DELAY = 900


def everything(walk):
    subnets = walk.boto.call("ec2", "DescribeSubnets")["Subnets"]
    vpc = subnets[0]["VpcId"]
    balancer = the_balancer(walk, [s["SubnetId"] for s in subnets])
    targets = the_groups(walk, vpc)
    listener = the_listeners(walk, balancer, targets)
    the_rules(walk, listener, targets)
    the_targets(walk, balancer, targets)
    the_rest(walk, balancer, listener, targets)
    the_end(walk, balancer, listener, targets)


def the_balancer(walk, subnets):
    act, checks = walk.act, walk.checks
    params = {"Name": walk.name, "Subnets": subnets, "Tags": [{"Key": "team", "Value": "red"}]}
    made = [act("elbv2", "CreateLoadBalancer", **params)["LoadBalancers"][0] for _ in range(2)]
    checks.equal(made[1], made[0], "the same load balancer again is given back")
    checks.equal(made[0]["State"]["Code"], "provisioning", "a new load balancer is provisioning")
    arn = made[0]["LoadBalancerArn"]
    walk.read("elbv2", "DescribeLoadBalancers", Names=[walk.name])
    waits = Waits(walk, {})
    waits.wait("elbv2", "LoadBalancerExists", at_once=True, LoadBalancerArns=[arn])
    waits.wait("elbv2", "LoadBalancerAvailable", at_once=False, LoadBalancerArns=[arn])
    act("elbv2", "SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=made[0]["SecurityGroups"])
    enabled = act("elbv2", "SetSubnets", LoadBalancerArn=arn, Subnets=subnets)
    checks.equal({z["SubnetId"] for z in enabled["AvailabilityZones"]}, set(subnets), "the subnets are those that were set")
    set_to = {"Key": "idle_timeout.timeout_seconds", "Value": "120"}
    act("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[set_to])
    told = walk.read("elbv2", "DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    checks.that(set_to in told, "an attribute of a load balancer is what it was set to")
    return arn


def the_groups(walk, vpc):
    made = []
    for name in (walk.name, f"{walk.name}-2"):
        params = {"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": vpc}
        rows = [walk.act("elbv2", "CreateTargetGroup", **params)["TargetGroups"][0] for _ in range(2)]
        walk.checks.equal(rows[1], rows[0], "the same target group again is given back")
        walk.checks.equal(rows[0]["LoadBalancerArns"], [], "nothing forwards to a new target group")
        made.append(rows[0]["TargetGroupArn"])
    wanted = {
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200,202"},
    }
    walk.act("elbv2", "ModifyTargetGroup", TargetGroupArn=made[0], **wanted)
    told = walk.read("elbv2", "DescribeTargetGroups", TargetGroupArns=made)["TargetGroups"][0]
    told = next(t for t in walk.read("elbv2", "DescribeTargetGroups", TargetGroupArns=made[:1])["TargetGroups"])
    walk.checks.equal({k: told[k] for k in wanted}, wanted, "a target group is checked as it was told")
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(DELAY)}
    walk.act("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=made[0], Attributes=[attribute])
    told = walk.read("elbv2", "DescribeTargetGroupAttributes", TargetGroupArn=made[0])["Attributes"]
    walk.checks.that(attribute in told, "an attribute of a target group is what it was set to")
    return made


def the_listeners(walk, balancer, targets):
    act, checks = walk.act, walk.checks
    forward = lambda *arns: [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": arn, "Weight": n} for n, arn in enumerate(arns, 1)],
                "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
            },
        }
    ]
    params = {"LoadBalancerArn": balancer, "Port": 80, "Protocol": "HTTP"}
    simple = [{"Type": "forward", "TargetGroupArn": targets[0]}]
    made = [act("elbv2", "CreateListener", **params, DefaultActions=simple)["Listeners"][0] for _ in range(2)]
    checks.equal(made[1], made[0], "the same listener again is given back")
    secure = act(
        "elbv2",
        "CreateListener",
        LoadBalancerArn=balancer,
        Port=443,
        Protocol="HTTPS",
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        Certificates=[{"CertificateArn": CERTIFICATE}],
        DefaultActions=[{"Type": "redirect", "RedirectConfig": {"Host": "www.example.com", "StatusCode": "HTTP_302"}}],
    )["Listeners"][0]["ListenerArn"]
    listener = made[0]["ListenerArn"]
    both = act("elbv2", "ModifyListener", ListenerArn=listener, DefaultActions=forward(*targets))["Listeners"][0]
    checks.equal(both["DefaultActions"], forward(*targets), "weights are told as they were given")
    act("elbv2", "ModifyListener", ListenerArn=secure, Certificates=[{"CertificateArn": CERTIFICATE}])
    walk.reads(
        ("elbv2", "DescribeListeners", {"LoadBalancerArn": balancer}),
        ("elbv2", "DescribeListeners", {"ListenerArns": [secure]}),
        ("elbv2", "DescribeListenerAttributes", {"ListenerArn": listener}),
        ("elbv2", "DescribeTargetGroups", {"LoadBalancerArn": balancer}),
    )
    act("elbv2", "DeleteListener", ListenerArn=secure)
    return listener


def the_rules(walk, listener, targets):
    act, checks = walk.act, walk.checks
    conditions = [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/img/*"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "User-Agent", "Values": ["*Chrome*"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "version", "Value": "v1"}]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}},
    ]
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "later"}}]
    create = lambda priority, conditions, actions: act(
        "elbv2", "CreateRule", ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=actions
    )["Rules"][0]
    first = create(10, conditions, answer)
    checks.equal(first["Actions"], answer, "an action is told as it was given")
    second = create(20, [{"Field": "host-header", "Values": ["*.example.com"]}], [{"Type": "forward", "TargetGroupArn": targets[1]}])
    changed = act("elbv2", "ModifyRule", RuleArn=second["RuleArn"], Conditions=[{"Field": "path-pattern", "Values": ["/images/*"]}])
    checks.equal(changed["Rules"][0]["Conditions"][0]["PathPatternConfig"], {"Values": ["/images/*"]}, "a rule has its new condition")
    swapped = [{"RuleArn": first["RuleArn"], "Priority": 20}, {"RuleArn": second["RuleArn"], "Priority": 10}]
    act("elbv2", "SetRulePriorities", RulePriorities=swapped)
    rows = walk.read("elbv2", "DescribeRules", ListenerArn=listener)["Rules"]
    checks.equal(
        [(r["Priority"], r["IsDefault"]) for r in rows], [("10", False), ("20", False), ("default", True)], "rules come by priority"
    )
    checks.equal(rows[0]["RuleArn"], second["RuleArn"], "two rules have changed places")
    walk.read("elbv2", "DescribeRules", RuleArns=[first["RuleArn"]])
    for row in rows[:2]:
        act("elbv2", "DeleteRule", RuleArn=row["RuleArn"])


def the_targets(walk, balancer, targets):
    act, checks, waits = walk.act, walk.checks, Waits(walk, {})
    ids = [i["InstanceId"] for i in walk.big["Instances"] if i["LifecycleState"] == "InService"][:2]
    arn = {"TargetGroupArn": targets[0]}
    # Unused before a listener, and in a group that none names.
    act("elbv2", "RegisterTargets", **arn, Targets=[{"Id": i} for i in ids])
    walk.read("elbv2", "DescribeTargetHealth", **arn, Include=["AnomalyDetection"])
    waits.wait("elbv2", "TargetInService", at_once=False, **arn)
    act("elbv2", "RegisterTargets", **arn, Targets=[{"Id": ids[0], "Port": 8080}])
    act("elbv2", "DeregisterTargets", **arn, Targets=[{"Id": ids[0]}])
    rows = walk.read("elbv2", "DescribeTargetHealth", **arn)["TargetHealthDescriptions"]
    checks.equal(
        sorted((r["Target"]["Port"], r["TargetHealth"]["State"]) for r in rows if r["Target"]["Id"] == ids[0]),
        [(80, "draining"), (8080, "initial")],
        "one port of an instance drains while the other begins",
    )
    waits.fails("elbv2", "TargetInService", "Max attempts exceeded", **arn)
    waits.wait("elbv2", "TargetInService", at_once=True, **arn, Targets=[{"Id": ids[1]}])
    waits.wait("elbv2", "TargetDeregistered", at_once=False, **arn, Targets=[{"Id": ids[0]}])
    waits.wait("elbv2", "TargetInService", at_once=True, **arn)


def the_rest(walk, balancer, listener, targets):
    act, checks = walk.act, walk.checks
    arns = [balancer, listener, targets[0]]
    act("elbv2", "AddTags", ResourceArns=arns, Tags=[{"Key": "project", "Value": "lima"}, {"Key": "team", "Value": "blue"}])
    act("elbv2", "RemoveTags", ResourceArns=arns, TagKeys=["project"])
    told = walk.read("elbv2", "DescribeTags", ResourceArns=arns)["TagDescriptions"]
    checks.equal({t["ResourceArn"]: t["Tags"] for t in told}, {a: [{"Key": "team", "Value": "blue"}] for a in arns}, "tags are what was left")
    walk.reads(
        ("elbv2", "DescribeAccountLimits", {}),
        ("elbv2", "DescribeSSLPolicies", {}),
        ("elbv2", "DescribeSSLPolicies", {"Names": ["ELBSecurityPolicy-2016-08"]}),
    )
    names = lambda caller: [l["Name"] for l in caller.pages("elbv2", "DescribeAccountLimits", 2)["Limits"]]
    checks.equal(names(walk.boto), [l["Name"] for l in walk.boto.call("elbv2", "DescribeAccountLimits")["Limits"]], "limits come in pages")


def the_end(walk, balancer, listener, targets):
    act, checks, waits = walk.act, walk.checks, Waits(walk, {})
    act("elbv2", "DeleteLoadBalancer", LoadBalancerArn=balancer)
    waits.wait("elbv2", "LoadBalancersDeleted", at_once=True, LoadBalancerArns=[balancer])
    rows = walk.read("elbv2", "DescribeTargetHealth", TargetGroupArn=targets[0])["TargetHealthDescriptions"]
    checks.equal({r["TargetHealth"]["Reason"] for r in rows}, {"Target.NotInUse"}, "without a listener no target is in use")
    for arn in targets:
        act("elbv2", "DeleteTargetGroup", TargetGroupArn=arn)


def refusals(walk):
    call = walk.boto.call
    seeded = call("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]
    balancer = {"LoadBalancerArn": seeded["LoadBalancerArn"]}
    listener = call("elbv2", "DescribeListeners", **balancer)["Listeners"][0]
    rule = call("elbv2", "DescribeRules", ListenerArn=listener["ListenerArn"])["Rules"][0]["RuleArn"]
    group = {"TargetGroupArn": walk.targets}
    lost = {"LoadBalancerArn": seeded["LoadBalancerArn"] + "0"}
    subnets = [z["SubnetId"] for z in seeded["AvailabilityZones"]]
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    forward = [{"Type": "forward", "TargetGroupArn": walk.targets}]
    path = [{"Field": "path-pattern", "Values": ["/a"]}]
    fresh = {"Name": "refused", "Protocol": "HTTP", "Port": 80, "VpcId": seeded["VpcId"]}
    attribute = lambda key, value: {"Attributes": [{"Key": key, "Value": value}]}
    return [
        ("elbv2", "CreateLoadBalancer", {"Name": "refused", "Subnets": subnets[:1]}, "ValidationError", 400, "At least two subnets"),
        ("elbv2", "CreateLoadBalancer", {"Name": "refused", "Subnets": ["subnet-00000000", *subnets]}, "SubnetNotFound", 400, "subnet-00000000"),
        ("elbv2", "CreateLoadBalancer", {"Name": "refused", "Subnets": subnets, "SecurityGroups": ["sg-00000000"]}, "InvalidSecurityGroup", 400, "sg-00000000"),
        ("elbv2", "CreateLoadBalancer", {"Name": seeded["LoadBalancerName"], "Subnets": subnets, "Scheme": "internal"}, "DuplicateLoadBalancerName", 400, "different settings"),
        ("elbv2", "SetSubnets", {**lost, "Subnets": subnets}, "LoadBalancerNotFound", 400, ""),
        ("elbv2", "SetSecurityGroups", {**balancer, "SecurityGroups": ["sg-00000000"]}, "InvalidSecurityGroup", 400, ""),
        ("elbv2", "ModifyLoadBalancerAttributes", {**balancer, **attribute("idle_timeout.timeout_seconds", "0")}, "InvalidConfigurationRequest", 400, "idle_timeout"),
        ("elbv2", "ModifyLoadBalancerAttributes", {**balancer, **attribute("nonsense", "0")}, "ValidationError", 400, "nonsense"),
        ("elbv2", "CreateTargetGroup", {**fresh, "HealthCheckTimeoutSeconds": 30}, "ValidationError", 400, "smaller than the interval"),
        ("elbv2", "CreateTargetGroup", {**fresh, "TargetType": "lambda"}, "InvalidConfigurationRequest", 400, "lambda"),
        ("elbv2", "CreateTargetGroup", {**fresh, "Name": walk.targets.split("/")[1]}, "DuplicateTargetGroupName", 400, "different settings"),
        ("elbv2", "ModifyTargetGroup", {"TargetGroupArn": walk.targets + "0", "HealthCheckPath": "/"}, "TargetGroupNotFound", 400, ""),
        ("elbv2", "ModifyTargetGroup", {**group, "Matcher": {"HttpCode": "600"}}, "ValidationError", 400, "600"),
        ("elbv2", "ModifyTargetGroupAttributes", {**group, **attribute("slow_start.duration_seconds", "5")}, "InvalidConfigurationRequest", 400, "slow_start"),
        ("elbv2", "DeleteTargetGroup", group, "ResourceInUse", 400, "in use"),
        ("elbv2", "RegisterTargets", {**group, "Targets": [{"Id": "i-00000000000000000"}]}, "InvalidTarget", 400, "i-00000000000000000"),
        ("elbv2", "CreateListener", {**balancer, "Port": listener["Port"], "Protocol": "HTTP", "DefaultActions": answer}, "DuplicateListener", 400, ""),
        ("elbv2", "CreateListener", {**balancer, "Port": 9000, "Protocol": "TCP", "DefaultActions": forward}, "ValidationError", 400, "must be one of"),
        ("elbv2", "CreateListener", {**balancer, "Port": 9000, "Protocol": "HTTPS", "DefaultActions": forward}, "ValidationError", 400, "certificate"),
        ("elbv2", "CreateListener", {**balancer, "Port": 9000, "Protocol": "HTTPS", "DefaultActions": forward, "Certificates": [{"CertificateArn": "nonsense"}]}, "CertificateNotFound", 400, ""),
        ("elbv2", "ModifyListener", {"ListenerArn": listener["ListenerArn"] + "0", "Port": 81}, "ListenerNotFound", 400, ""),
        ("elbv2", "CreateRule", {"ListenerArn": listener["ListenerArn"], "Priority": 1, "Conditions": [], "Actions": answer}, "ValidationError", 400, "condition"),
        ("elbv2", "CreateRule", {"ListenerArn": listener["ListenerArn"], "Priority": 1, "Conditions": path, "Actions": answer * 2}, "InvalidLoadBalancerAction", 400, ""),
        ("elbv2", "DeleteRule", {"RuleArn": rule}, "OperationNotPermitted", 400, "cannot be deleted"),
        ("elbv2", "ModifyRule", {"RuleArn": rule + "0", "Conditions": path}, "RuleNotFound", 400, ""),
        ("elbv2", "AddTags", {"ResourceArns": [walk.targets], "Tags": [{"Key": "aws:x", "Value": "y"}]}, "ValidationError", 400, "aws:"),
        ("elbv2", "DescribeTags", {"ResourceArns": [walk.targets + "0"]}, "TargetGroupNotFound", 400, ""),
        ("elbv2", "DescribeSSLPolicies", {"Names": ["nonsense"]}, "SSLPolicyNotFound", 400, "nonsense"),
        ("elbv2", "DescribeTargetGroups", {"Names": [f"g{n}" for n in range(21)]}, "ValidationError", 400, "20"),
    ]
