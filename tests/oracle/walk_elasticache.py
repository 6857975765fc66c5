"""ElastiCache: a replication group's life, every operation of it, and what is refused."""

STACK = "stateless-app-redis"


def everything(walk):
    comes(walk)
    fails_over(walk)
    changes(walk)
    goes(walk)
    catalogue(walk)
    events(walk)


def group(walk, name):
    return walk.boto.call("elasticache", "DescribeReplicationGroups", ReplicationGroupId=name)["ReplicationGroups"][0]


def settles(walk, name, wanted="available"):
    """The clock steps until the group has this status."""
    found = walk.sim.until(lambda: group(walk, name)["Status"] == wanted, 3600, step=30)
    walk.checks.that(found, f"{name} becomes {wanted}", str(group(walk, name)["Status"]))


def comes(walk):
    act, checks = walk.act, walk.checks
    subnets = walk.boto.call("ec2", "DescribeSubnets")["Subnets"]
    tags = [{"Key": "team", "Value": "\u00fc & <co>"}]
    made = act(
        "elasticache",
        "CreateCacheSubnetGroup",
        CacheSubnetGroupName=f"{walk.name}-subnets",
        CacheSubnetGroupDescription="of the oracle",
        SubnetIds=[s["SubnetId"] for s in subnets],
        Tags=tags,
    )["CacheSubnetGroup"]
    checks.equal(
        sorted(s["SubnetAvailabilityZone"]["Name"] for s in made["Subnets"]),
        sorted(s["AvailabilityZone"] for s in subnets),
        "a subnet group has its subnets' zones",
    )
    walk.cache = f"{walk.name}-cache"
    zones = [s["AvailabilityZone"] for s in subnets][:2]
    new = act(
        "elasticache",
        "CreateReplicationGroup",
        ReplicationGroupId=walk.cache,
        ReplicationGroupDescription="of the oracle",
        CacheSubnetGroupName=made["CacheSubnetGroupName"],
        CacheNodeType="cache.t3.micro",
        Engine="redis",
        EngineVersion="7.0",
        NumCacheClusters=2,
        PreferredCacheClusterAZs=zones,
        AutomaticFailoverEnabled=True,
        MultiAZEnabled=True,
        TransitEncryptionEnabled=True,
        AtRestEncryptionEnabled=True,
        AuthToken="a-token-of-the-oracle",
        SecurityGroupIds=["sg-0123456789abcdef0"],
        SnapshotRetentionLimit=3,
        PreferredMaintenanceWindow="sun:05:00-sun:06:00",
        NotificationTopicArn=f"arn:aws:sns:ap-south-1:{walk.account}:cache",
        Tags=tags,
    )["ReplicationGroup"]
    checks.equal(
        (new["Status"], new["MemberClusters"], new["AutomaticFailover"]),
        ("creating", [f"{walk.cache}-001", f"{walk.cache}-002"], "enabling"),
        "a new group is creating",
    )
    one = {"ReplicationGroupId": walk.cache}
    walk.reads(("elasticache", "DescribeReplicationGroups", one), ("elasticache", "DescribeCacheClusters", {"ShowCacheNodeInfo": True}))
    settles(walk, walk.cache)
    shown, clusters, *_ = walk.reads(
        ("elasticache", "DescribeReplicationGroups", one),
        ("elasticache", "DescribeCacheClusters", {"CacheClusterId": f"{walk.cache}-001", "ShowCacheNodeInfo": True}),
        ("elasticache", "DescribeReplicationGroups", {}),
        ("elasticache", "DescribeCacheClusters", {}),
        ("elasticache", "DescribeCacheSubnetGroups", {"CacheSubnetGroupName": made["CacheSubnetGroupName"]}),
        ("elasticache", "ListTagsForResource", {"ResourceName": new["ARN"]}),
    )
    row = shown["ReplicationGroups"][0]
    members = row["NodeGroups"][0]["NodeGroupMembers"]
    checks.equal(
        [(m["CurrentRole"], m["PreferredAvailabilityZone"]) for m in members],
        list(zip(("primary", "replica"), zones)),
        "roles and zones as they were asked for",
    )
    checks.that(row["NodeGroups"][0]["PrimaryEndpoint"]["Address"].startswith(f"master.{walk.cache}."), "the primary's name with TLS")
    checks.equal(clusters["CacheClusters"][0]["CacheNodes"][0]["Endpoint"], members[0]["ReadEndpoint"], "one node, one endpoint")
    # Cluster mode enabled: a configuration endpoint, and no roles.
    sharded = f"{walk.name}-sharded"
    act(
        "elasticache",
        "CreateReplicationGroup",
        ReplicationGroupId=sharded,
        ReplicationGroupDescription="of the oracle",
        CacheSubnetGroupName=made["CacheSubnetGroupName"],
        CacheNodeType="cache.t3.micro",
        CacheParameterGroupName="default.redis7.cluster.on",
        NodeGroupConfiguration=[
            {"NodeGroupId": "0001", "Slots": "0-8999", "ReplicaCount": 1, "PrimaryAvailabilityZone": zones[0], "ReplicaAvailabilityZones": [zones[1]]},
            {"NodeGroupId": "0002", "Slots": "9000-16383", "ReplicaCount": 2},
        ],
    )
    settles(walk, sharded)
    row = walk.read("elasticache", "DescribeReplicationGroups", ReplicationGroupId=sharded)["ReplicationGroups"][0]
    shards = row["NodeGroups"]
    checks.equal([(s["Slots"], len(s["NodeGroupMembers"])) for s in shards], [("0-8999", 2), ("9000-16383", 3)], "shards as asked for")
    checks.that("ConfigurationEndpoint" in row and not any("PrimaryEndpoint" in s for s in shards), "one endpoint for all shards")
    checks.that(not any("CurrentRole" in m for s in shards for m in s["NodeGroupMembers"]), "no roles with cluster mode enabled")
    act("elasticache", "DeleteReplicationGroup", ReplicationGroupId=sharded)
    walk.read("elasticache", "DescribeReplicationGroups", ReplicationGroupId=sharded)
    gone = walk.sim.until(
        lambda: sharded not in [g["ReplicationGroupId"] for g in walk.boto.call("elasticache", "DescribeReplicationGroups")["ReplicationGroups"]],
        1800,
        step=30,
    )
    checks.that(gone, "a deleted group goes")


def fails_over(walk):
    checks = walk.checks
    before = group(walk, walk.cache)
    began = walk.sim.control("world")["now"]
    during = walk.act("elasticache", "TestFailover", ReplicationGroupId=walk.cache, NodeGroupId="0001")["ReplicationGroup"]
    checks.equal(during["Status"], "modifying", "a failover shows on the group")
    roles = lambda: [m["CurrentRole"] for m in group(walk, walk.cache)["NodeGroups"][0]["NodeGroupMembers"]]
    checks.that(walk.sim.until(lambda: roles() == ["replica", "primary"], 60, step=1), "the replica is promoted within a minute", str(roles()))
    walk.reads(
        ("elasticache", "DescribeReplicationGroups", {"ReplicationGroupId": walk.cache}),
        ("elasticache", "DescribeCacheClusters", {"ShowCacheNodeInfo": True}),
    )
    settles(walk, walk.cache)
    after = group(walk, walk.cache)
    endpoints = lambda g: {k: g["NodeGroups"][0][k] for k in ("PrimaryEndpoint", "ReaderEndpoint")}
    checks.equal(endpoints(after), endpoints(before), "endpoint names do not change in a failover")
    of_group = {"SourceType": "replication-group", "SourceIdentifier": walk.cache, "StartTime": began}
    of_clusters = {"SourceType": "cache-cluster", "StartTime": began}
    of_group, of_clusters = (e["Events"] for e in walk.reads(("elasticache", "DescribeEvents", of_group), ("elasticache", "DescribeEvents", of_clusters)))
    old, new = before["MemberClusters"]
    done = f"Failover from primary node {old} to replica node {new} completed"
    checks.equal(
        [e["Message"] for e in reversed(of_group)], ["Test Failover API called for node group 0001", done], "the group's messages of a failover"
    )
    # Who carries the first message, and what the recovering node is called, is drawn. Other clusters may have gone this very instant.
    first = old if walk.sim.drawn("cache.failover_event_of_old_primary") else new
    node = "0001" if walk.sim.drawn("cache.recovery_event_names_node") else old
    checks.equal(
        [(e["SourceIdentifier"], e["Message"]) for e in reversed(of_clusters) if e["SourceIdentifier"] in (old, new)],
        [(first, done), (old, f"Recovering cache nodes {node}"), (old, f"Finished recovery for cache nodes {node}")],
        "the clusters' messages of a failover, in order",
    )


def changes(walk):
    act, checks = walk.act, walk.checks
    one = {"ReplicationGroupId": walk.cache}
    act("elasticache", "ModifyReplicationGroup", **one, CacheNodeType="cache.t3.small", EngineVersion="7.1", ApplyImmediately=False)
    checks.equal(group(walk, walk.cache)["Status"], "available", "without ApplyImmediately a change waits")
    waiting = walk.read("elasticache", "DescribeCacheClusters", CacheClusterId=f"{walk.cache}-001")["CacheClusters"][0]
    checks.equal(waiting["PendingModifiedValues"], {"EngineVersion": "7.1.0", "CacheNodeType": "cache.t3.small"}, "what waits is shown")
    act("elasticache", "ModifyReplicationGroup", **one, ReplicationGroupDescription="changed", ApplyImmediately=True)
    checks.equal(group(walk, walk.cache)["Status"], "modifying", "with it, what waited is applied")
    settles(walk, walk.cache)
    checks.equal(
        [group(walk, walk.cache)[k] for k in ("CacheNodeType", "Description")], ["cache.t3.small", "changed"], "a change is made"
    )
    more = act("elasticache", "IncreaseReplicaCount", **one, NewReplicaCount=2, ApplyImmediately=True)["ReplicationGroup"]
    checks.equal(len(more["MemberClusters"]), 3, "a further replica")
    all_available = lambda: all(
        c["CacheClusterStatus"] == "available" for c in walk.boto.call("elasticache", "DescribeCacheClusters")["CacheClusters"]
    )
    settles(walk, walk.cache)
    walk.sim.until(all_available, 1800, step=30)
    act("elasticache", "DecreaseReplicaCount", **one, ReplicasToRemove=[more["MemberClusters"][2]], ApplyImmediately=True)
    walk.read("elasticache", "DescribeReplicationGroups", **one)
    settles(walk, walk.cache)
    walk.sim.until(all_available, 1800, step=30)
    checks.equal(group(walk, walk.cache)["MemberClusters"], more["MemberClusters"][:2], "and away again")
    rebooted = act("elasticache", "RebootCacheCluster", CacheClusterId=f"{walk.cache}-001", CacheNodeIdsToReboot=["0001"])["CacheCluster"]
    checks.equal(rebooted["CacheClusterStatus"], "rebooting cluster nodes", "a reboot shows on the cluster")
    walk.sim.until(all_available, 600)
    arn = group(walk, walk.cache)["ARN"]
    tags = act("elasticache", "AddTagsToResource", ResourceName=arn, Tags=[{"Key": "more", "Value": "1"}])["TagList"]
    checks.equal(tags, [{"Key": "more", "Value": "1"}, {"Key": "team", "Value": "\u00fc & <co>"}], "tags come back as they were put")
    tags = act("elasticache", "RemoveTagsFromResource", ResourceName=arn, TagKeys=["more"])["TagList"]
    checks.equal([t["Key"] for t in tags], ["team"], "a tag goes")
    walk.read("elasticache", "ListTagsForResource", ResourceName=arn.replace(":replicationgroup:", ":cluster:") + "-001")


def goes(walk):
    spare = {"CacheSubnetGroupName": f"{walk.name}-spare"}
    subnet = walk.boto.call("ec2", "DescribeSubnets")["Subnets"][0]["SubnetId"]
    walk.act("elasticache", "CreateCacheSubnetGroup", **spare, CacheSubnetGroupDescription="spare", SubnetIds=[subnet])
    walk.act("elasticache", "DeleteCacheSubnetGroup", **spare)
    walk.act("elasticache", "DeleteReplicationGroup", ReplicationGroupId=walk.cache, RetainPrimaryCluster=True)
    alone = {"ShowCacheClustersNotInReplicationGroups": True, "ShowCacheNodeInfo": True}
    kept = walk.sim.until(
        lambda: [
            c
            for c in walk.boto.call("elasticache", "DescribeCacheClusters", **alone)["CacheClusters"]
            if c["CacheClusterId"].startswith(walk.cache)
        ],
        1800,
        step=30,
    )
    if walk.checks.that(kept, "the primary outlives its group"):
        walk.checks.equal((kept[0]["CacheClusterId"], kept[0]["CacheClusterStatus"]), (f"{walk.cache}-002", "available"), "the one that was promoted")
    walk.read("elasticache", "DescribeCacheClusters", **alone)


def catalogue(walk):
    versions, groups, *_ = walk.reads(
        ("elasticache", "DescribeCacheEngineVersions", {}),
        ("elasticache", "DescribeCacheParameterGroups", {}),
        ("elasticache", "DescribeCacheEngineVersions", {"Engine": "redis", "DefaultOnly": True}),
        ("elasticache", "DescribeCacheParameters", {"CacheParameterGroupName": "default.redis7"}),
        ("elasticache", "DescribeCacheParameters", {"CacheParameterGroupName": "default.redis7.cluster.on", "Source": "system"}),
        ("elasticache", "DescribeCacheParameterGroups", {"CacheParameterGroupName": "default.redis7"}),
        ("elasticache", "DescribeReservedCacheNodes", {}),
        ("elasticache", "DescribeCacheSubnetGroups", {}),
    )
    families = {v["CacheParameterGroupFamily"] for v in versions["CacheEngineVersions"]}
    walk.checks.equal({g["CacheParameterGroupFamily"] for g in groups["CacheParameterGroups"]}, families, "a parameter group for every family")


def events(walk):
    """Pages of twenty hold what one page of a hundred holds."""
    week = {"Duration": 10080}
    whole = walk.boto.pages("elasticache", "DescribeEvents", None, **week)["Events"]
    walk.checks.that(len(whole) > 20, "there is more than one page of events")
    walk.checks.equal(whole, sorted(whole, key=lambda e: e["Date"], reverse=True), "events are listed newest first")
    for caller in (walk.boto, walk.cli):
        walk.checks.equal(caller.pages("elasticache", "DescribeEvents", 20, **week)["Events"], whole, f"events by {caller.who}: small pages hold the whole")
    walk.reads(("elasticache", "DescribeEvents", {}), ("elasticache", "DescribeEvents", {**week, "MaxRecords": 20}))


def refusals(walk):
    stack = {"ReplicationGroupId": STACK}
    none = {"ReplicationGroupId": "none"}
    new = {
        "ReplicationGroupId": "refused",
        "ReplicationGroupDescription": "d",
        "CacheNodeType": "cache.t3.micro",
        "CacheSubnetGroupName": f"{STACK}-subnets",
    }
    count = {"ApplyImmediately": True, "NewReplicaCount": 1}
    value, pair = "InvalidParameterValue", "InvalidParameterCombination"
    row = lambda operation, params, code, status=400, words="": ("elasticache", operation, params, code, status, words)
    return [
        row("DescribeReplicationGroups", none, "ReplicationGroupNotFoundFault", 404, "ReplicationGroup none not found"),
        row("ModifyReplicationGroup", none, "ReplicationGroupNotFoundFault", 404),
        row("DeleteReplicationGroup", none, "ReplicationGroupNotFoundFault", 404),
        row("TestFailover", {**none, "NodeGroupId": "0001"}, "ReplicationGroupNotFoundFault", 404),
        row("IncreaseReplicaCount", {**none, **count}, "ReplicationGroupNotFoundFault", 404),
        row("TestFailover", {**stack, "NodeGroupId": "0009"}, "NodeGroupNotFoundFault", 404),
        row("DescribeCacheClusters", {"CacheClusterId": "none"}, "CacheClusterNotFound", 404),
        row("RebootCacheCluster", {"CacheClusterId": "none", "CacheNodeIdsToReboot": ["0001"]}, "CacheClusterNotFound", 404),
        row("DescribeCacheSubnetGroups", {"CacheSubnetGroupName": "none"}, "CacheSubnetGroupNotFoundFault", 400),
        row("DescribeCacheParameterGroups", {"CacheParameterGroupName": "none"}, "CacheParameterGroupNotFound", 404),
        row("DescribeCacheParameters", {"CacheParameterGroupName": "none"}, "CacheParameterGroupNotFound", 404),
        row("DescribeReservedCacheNodes", {"ReservedCacheNodeId": "none"}, "ReservedCacheNodeNotFound", 404),
        row("DescribeEvents", {"SourceIdentifier": STACK}, pair),
        row("DescribeEvents", {"Duration": 20161}, value),
        row("DescribeReplicationGroups", {"MaxRecords": 19}, value, words="Must be between 20 and 100"),
        row("DescribeCacheClusters", {"MaxRecords": 101}, value),
        row("DescribeReplicationGroups", {"Marker": "nonsense"}, value),
        row("CreateReplicationGroup", {**new, **stack}, "ReplicationGroupAlreadyExists"),
        row("CreateReplicationGroup", {**new, "CacheSubnetGroupName": "none"}, "CacheSubnetGroupNotFoundFault"),
        row("CreateReplicationGroup", {**new, "AutomaticFailoverEnabled": True}, pair),
        row("CreateReplicationGroup", {**new, "CacheNodeType": "nonsense"}, value),
        row("CreateReplicationGroup", {**new, "SnapshotName": "s"}, value),
        row("CreateCacheSubnetGroup", {"CacheSubnetGroupName": f"{STACK}-subnets", "CacheSubnetGroupDescription": "d", "SubnetIds": ["x"]}, "CacheSubnetGroupAlreadyExists"),
        row("CreateCacheSubnetGroup", {"CacheSubnetGroupName": "new", "CacheSubnetGroupDescription": "d", "SubnetIds": ["x"]}, "InvalidSubnet"),
        row("DeleteCacheSubnetGroup", {"CacheSubnetGroupName": f"{STACK}-subnets"}, "CacheSubnetGroupInUse"),
        row("ModifyReplicationGroup", {**stack, "EngineVersion": "6.2"}, pair),
        row("IncreaseReplicaCount", {**stack, **count}, "NoOperationFault"),
        row("DecreaseReplicaCount", {**stack, "ApplyImmediately": True, "NewReplicaCount": 0}, value),
        row("DeleteReplicationGroup", {**stack, "FinalSnapshotIdentifier": "s"}, "SnapshotFeatureNotSupportedFault"),
        row("ListTagsForResource", {"ResourceName": "nonsense"}, "InvalidARN"),
    ]
