"""One deploy as boto3 sees it: the group's template changes when the refresh is Successful and not a step earlier."""

import base64

# Every status a refresh of a good image may pass, in order.
ORDER = ["Pending", "InProgress", "Baking", "Successful"]
STEP, LIMIT = 15, 3600


def run(walk):
    checks, call, sim = walk.checks, walk.boto.call, walk.sim
    name = walk.big["AutoScalingGroupName"]
    by_name = {"AutoScalingGroupName": name}
    template = walk.big["LaunchTemplate"]
    by_id = {"LaunchTemplateId": template["LaunchTemplateId"]}
    group = lambda: call("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    before = group()
    old = before["LaunchTemplate"]["Version"]
    digest = sim.control("images", {"repository": walk.repository, "tag": "oracle-story", "boot_seconds": 40})["digest"]
    script = base64.b64decode(walk.data["UserData"]).decode()
    lines = []
    for line in script.splitlines():
        head, at, _ = line.partition("@sha256:")
        lines.append(f'{head}@{digest}"' if at and line.startswith("IMAGE=") else line)
    script = "\n".join(lines) + "\n"
    checks.that(digest in script, "the template's user data names its image by digest")
    new = str(
        call(
            "ec2",
            "CreateLaunchTemplateVersion",
            **by_id,
            SourceVersion=old,
            LaunchTemplateData={"UserData": base64.b64encode(script.encode()).decode()},
            ClientToken="oracle-story",
        )["LaunchTemplateVersion"]["VersionNumber"]
    )
    checks.equal(group()["LaunchTemplate"]["Version"], old, "a new version alone changes no group")
    refresh = call(
        "autoscaling",
        "StartInstanceRefresh",
        **by_name,
        DesiredConfiguration={"LaunchTemplate": {**by_id, "Version": new}},
        Preferences={
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 150,
            "InstanceWarmup": 120,
            "SkipMatching": True,
            "AutoRollback": True,
            "BakeTime": 60,
        },
    )["InstanceRefreshId"]
    statuses, percentages, early, late, least, most = [], [], [], [], before["DesiredCapacity"], 0
    for second in range(0, LIMIT, STEP):
        shown = call("autoscaling", "DescribeInstanceRefreshes", **by_name, InstanceRefreshIds=[refresh])
        shown = shown["InstanceRefreshes"][0]
        now = group()
        serving = [i for i in now["Instances"] if i["LifecycleState"] == "InService"]
        least, most = min(least, len(serving)), max(most, len(now["Instances"]))
        if not statuses or statuses[-1] != shown["Status"]:
            statuses.append(shown["Status"])
        percentages.append(shown.get("PercentageComplete", 0))
        version = now["LaunchTemplate"]["Version"]
        if shown["Status"] != "Successful" and version != old:
            early.append((second, shown["Status"], version))
        if shown["Status"] == "Successful":
            late.append(version)
            break
        sim.advance(STEP)
    places = [ORDER.index(s) if s in ORDER else -1 for s in statuses]
    checks.that(places == sorted(places) and places[0] >= 0, "the refresh goes only forward", str(statuses))
    checks.equal(statuses[-1], "Successful", "the refresh of a good image succeeds")
    checks.that("Baking" in statuses, "the refresh bakes", str(statuses))
    checks.equal(percentages, sorted(percentages), "the percentage never falls")
    checks.equal(percentages[-1], 100, "the percentage ends at 100")
    checks.equal(early, [], "until Successful the group keeps its version")
    checks.equal(late, [new], "at Successful the group has the new version")
    checks.that(least >= before["DesiredCapacity"], "100 % minimum: capacity never drops", f"{least} in service")
    checks.that(most <= before["DesiredCapacity"] * 1.5 + 1, "150 % maximum is kept (a leaving instance aside)", f"{most}")
    # What left may still be draining at Successful.
    settled = sim.until(lambda: len(group()["Instances"]) == before["DesiredCapacity"], 900)
    checks.that(settled, "the old instances leave", str(group()["Instances"]))

    def states():
        rows = call("elbv2", "DescribeTargetHealth", TargetGroupArn=walk.targets)["TargetHealthDescriptions"]
        health = {t["Target"]["Id"]: t["TargetHealth"]["State"] for t in rows}
        return {i["InstanceId"]: health.get(i["InstanceId"]) for i in group()["Instances"]}

    left = {one: state for one, state in states().items() if one in [i["InstanceId"] for i in serving]}
    checks.equal(set(left.values()), {"healthy"}, "every target of the refresh is healthy")

    def at_rest():
        now = group()
        by_zone = [[i["AvailabilityZone"] for i in now["Instances"]].count(zone) for zone in now["AvailabilityZones"]]
        return sum(by_zone) == before["DesiredCapacity"] and max(by_zone) - min(by_zone) <= 1 and set(states().values()) == {"healthy"}

    # Zones that are out of balance are put right by a launch that is none of the refresh's.
    checks.that(sim.until(at_rest, 1800), "the group comes to rest", f"{group()['Instances']} {states()}")
    after = group()
    checks.equal(
        sorted({(i["LaunchTemplate"]["Version"], i["LifecycleState"]) for i in after["Instances"]}),
        [(new, "InService")],
        "every instance runs the new version",
    )
    sizes = ("MinSize", "MaxSize", "DesiredCapacity", "AutoScalingGroupARN")
    checks.equal([after[k] for k in sizes], [before[k] for k in sizes], "sizes stay as they were")
    causes = [a["Cause"] for a in call("autoscaling", "DescribeScalingActivities", **by_name)["Activities"]]
    checks.that(
        any("in response to an instance refresh" in cause for cause in causes), "activities name the refresh", str(causes[:2])
    )
    # The same configuration again: nothing to replace (SkipMatching), so it is over at once and nobody is launched.
    ids = sorted(i["InstanceId"] for i in after["Instances"])
    call(
        "autoscaling",
        "StartInstanceRefresh",
        **by_name,
        DesiredConfiguration={"LaunchTemplate": {**by_id, "Version": new}},
        Preferences={"SkipMatching": True},
    )
    done = sim.until(
        lambda: call("autoscaling", "DescribeInstanceRefreshes", **by_name)["InstanceRefreshes"][0]["Status"] == "Successful", 300
    )
    checks.that(done, "a refresh with nothing to replace is over soon")
    checks.equal(sorted(i["InstanceId"] for i in group()["Instances"]), ids, "a refresh with nothing to replace launches nobody")
