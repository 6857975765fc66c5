"""Load balancing, asked of the simulator and of moto alike."""

NAME = "oracle-moto"


def first(member, key):
    return lambda answer: answer[member][0][key]


def begin(both):
    """A balancer, its target group, listener and rules; the group of moto_calls.py stands behind it."""
    health = {
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 3,
        "Matcher": {"HttpCode": "200"},
    }
    settings = {"Name": NAME, "Protocol": "HTTP", "Port": 80, "TargetType": "instance", **health}
    same = lambda operation, *rest, **how: both.same("elbv2", operation, *rest, **how)
    same("CreateTargetGroup", lambda s: {**settings, "VpcId": s["vpc"]}, keep={"targets": first("TargetGroups", "TargetGroupArn")})
    same(
        "CreateTargetGroup",
        # What the timeout is by itself is told in two ways: see target_timeout_is_six.
        lambda s: {"Name": f"{NAME}-2", "Protocol": "HTTP", "Port": 8080, "VpcId": s["vpc"], "HealthCheckTimeoutSeconds": 5},
        keep={"other targets": first("TargetGroups", "TargetGroupArn")},
    )
    same("CreateTargetGroup", lambda s: {**settings, "VpcId": s["vpc"]})
    same("CreateTargetGroup", lambda s: {**settings, "Port": 81, "VpcId": s["vpc"]})
    same(
        "CreateLoadBalancer",
        lambda s: {"Name": NAME, "Subnets": [s["subnet 0"], s["subnet 1"]], "Scheme": "internet-facing", "SecurityGroups": [s["security group"]]},
        keep={"balancer": first("LoadBalancers", "LoadBalancerArn"), "balancer name": first("LoadBalancers", "DNSName")},
    )
    same("CreateLoadBalancer", lambda s: {"Name": f"{NAME}-1", "Subnets": [s["subnet 0"]]})
    both.walk.sim.advance(300)
    forward = lambda s: [{"Type": "forward", "TargetGroupArn": s["targets"]}]
    listener = lambda s: {"LoadBalancerArn": s["balancer"], "Protocol": "HTTP", "Port": 80, "DefaultActions": forward(s)}
    same("CreateListener", listener, keep={"listener": first("Listeners", "ListenerArn")})
    same("CreateListener", listener)
    path = [{"Field": "path-pattern", "Values": ["/api/*"]}]
    same(
        "CreateRule",
        lambda s: {"ListenerArn": s["listener"], "Priority": 10, "Conditions": path, "Actions": [{"Type": "forward", "TargetGroupArn": s["other targets"]}]},
        keep={"rule": first("Rules", "RuleArn")},
    )
    same("DescribeLoadBalancers", lambda s: {"LoadBalancerArns": [s["balancer"]]})
    same("DescribeLoadBalancers", {"Names": ["oracle-none"]})
    same("DescribeTargetGroups", lambda s: {"TargetGroupArns": [s["targets"]]})
    same("DescribeTargetGroups", lambda s: {"LoadBalancerArn": s["balancer"]})
    same("DescribeTargetGroups", {"Names": ["oracle-none"]})
    same("DescribeListeners", lambda s: {"LoadBalancerArn": s["balancer"]})
    same("DescribeListeners", lambda s: {"ListenerArns": [s["listener"] + "0"]})
    same("DescribeListeners", {})
    same("DescribeRules", lambda s: {"ListenerArn": s["listener"]})
    same("DescribeRules", lambda s: {"RuleArns": [s["rule"] + "0"]})
    same("ModifyRule", lambda s: {"RuleArn": s["rule"], "Conditions": [{"Field": "host-header", "Values": ["shop.example"]}]})
    same("SetRulePriorities", lambda s: {"RulePriorities": [{"RuleArn": s["rule"], "Priority": 20}]})
    same("ModifyListener", lambda s: {"ListenerArn": s["listener"], "Port": 8080})
    same("ModifyTargetGroup", lambda s: {"TargetGroupArn": s["other targets"], **health, "HealthCheckPath": "/ready"})
    same("DescribeTargetGroupAttributes", lambda s: {"TargetGroupArn": s["targets"]})
    same("DescribeTargetGroupAttributes", lambda s: {"TargetGroupArn": s["targets"][:-16] + "0123456789abcdef"})
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]
    same("ModifyTargetGroupAttributes", lambda s: {"TargetGroupArn": s["targets"], "Attributes": delay})
    same("DescribeLoadBalancerAttributes", lambda s: {"LoadBalancerArn": s["balancer"]})
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "120"}]
    same("ModifyLoadBalancerAttributes", lambda s: {"LoadBalancerArn": s["balancer"], "Attributes": idle})
    same("DescribeListenerAttributes", lambda s: {"ListenerArn": s["listener"]})
    same("SetSecurityGroups", lambda s: {"LoadBalancerArn": s["balancer"], "SecurityGroups": [s["security group"]]})
    same("SetSubnets", lambda s: {"LoadBalancerArn": s["balancer"], "Subnets": [s["subnet 0"], s["subnet 1"]]})
    tagged = lambda s, *values: {"ResourceArns": [s["targets"]], "Tags": [{"Key": k, "Value": v} for k, v in values]}
    same("AddTags", lambda s: tagged(s, ("team", "\u00fc shop"), ("tier", "web")))
    same("RemoveTags", lambda s: {"ResourceArns": [s["targets"]], "TagKeys": ["tier"]})
    same("DescribeTags", lambda s: {"ResourceArns": [s["targets"], s["balancer"]]})
    same("DescribeAccountLimits", values=False)
    same("DescribeSSLPolicies", {"Names": ["ELBSecurityPolicy-TLS13-1-2-2021-06"]})


def targets(both):
    """The group's instances as targets, and one by hand."""
    same = lambda operation, *rest, **how: both.same("elbv2", operation, *rest, **how)
    same("DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"]})
    same("DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"], "Targets": [{"Id": s["instance 0"]}]})
    same("DescribeTargetHealth", lambda s: {"TargetGroupArn": s["targets"], "Targets": [{"Id": "i-00000000000000000"}]})
    one = lambda s: {"TargetGroupArn": s["other targets"], "Targets": [{"Id": s["instance 1"]}]}
    same("RegisterTargets", one)
    same("DeregisterTargets", one)
    both.walk.sim.advance(400)
    same("DescribeTargetHealth", lambda s: {"TargetGroupArn": s["other targets"]})


def end(both):
    same = lambda operation, *rest, **how: both.same("elbv2", operation, *rest, **how)
    same("DeleteTargetGroup", lambda s: {"TargetGroupArn": s["targets"]})
    same("DeleteRule", lambda s: {"RuleArn": s["rule"]})
    same("DeleteListener", lambda s: {"ListenerArn": s["listener"]})
    same("DeleteTargetGroup", lambda s: {"TargetGroupArn": s["other targets"]})
    same("DeleteLoadBalancer", lambda s: {"LoadBalancerArn": s["balancer"]})
    same("DescribeLoadBalancers", {"Names": [NAME]})
