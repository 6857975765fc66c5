"""Redis, asked of the simulator and of moto alike."""

NAME = "oracle-moto"


def run(both):
    same = lambda operation, params=None, **how: both.same("elasticache", operation, params, **how)
    group = {"ReplicationGroupId": NAME}
    same("DescribeReplicationGroups", {"ReplicationGroupId": "oracle-none"})
    same("DescribeCacheClusters", {"CacheClusterId": "oracle-none"})
    same("CreateCacheSubnetGroup", lambda s: {"CacheSubnetGroupName": NAME, "CacheSubnetGroupDescription": "oracle", "SubnetIds": [s["subnet 0"], s["subnet 1"]]})
    same("DescribeCacheSubnetGroups", {"CacheSubnetGroupName": NAME})
    same("DescribeCacheSubnetGroups", {"CacheSubnetGroupName": "oracle-none"})
    made = {
        **group,
        "ReplicationGroupDescription": "\u00fc & <co>",
        "Engine": "redis",
        "EngineVersion": "7.0",
        "CacheNodeType": "cache.t3.micro",
        "NumCacheClusters": 2,
        "AutomaticFailoverEnabled": True,
        "MultiAZEnabled": True,
        "CacheSubnetGroupName": NAME,
        "Port": 6379,
        "Tags": [{"Key": "team", "Value": "shop"}],
    }
    same("CreateReplicationGroup", made, keep={"redis": lambda a: a["ReplicationGroup"]["ARN"]}, settle=lambda: both.walk.sim.advance(1800))
    same("CreateReplicationGroup", made)
    same("DescribeReplicationGroups", group)
    same("DescribeCacheClusters", {"CacheClusterId": f"{NAME}-001", "ShowCacheNodeInfo": True})
    same("ListTagsForResource", lambda s: {"ResourceName": s["redis"]})
    same("AddTagsToResource", lambda s: {"ResourceName": s["redis"], "Tags": [{"Key": "tier", "Value": "data"}]})
    same("RemoveTagsFromResource", lambda s: {"ResourceName": s["redis"], "TagKeys": ["team"]})
    same("DescribeEvents", {"SourceIdentifier": NAME, "SourceType": "replication-group"}, values=False)
    same("DescribeCacheParameterGroups", {"CacheParameterGroupName": "default.redis7"})
    same("DescribeCacheParameters", {"CacheParameterGroupName": "default.redis7"}, values=False)
    same("DescribeCacheEngineVersions", {"Engine": "redis"}, values=False)
    same("DescribeReservedCacheNodes", {}, values=False)
    wait = lambda: both.walk.sim.advance(1800)
    same("ModifyReplicationGroup", {**group, "ReplicationGroupDescription": "other", "ApplyImmediately": True}, settle=wait)
    same("TestFailover", {**group, "NodeGroupId": "0001"}, settle=wait)
    same("RebootCacheCluster", {"CacheClusterId": f"{NAME}-001", "CacheNodeIdsToReboot": ["0001"]}, settle=wait)
    same("IncreaseReplicaCount", {**group, "NewReplicaCount": 2, "ApplyImmediately": True}, settle=wait)
    same("DecreaseReplicaCount", {**group, "NewReplicaCount": 1, "ApplyImmediately": True}, settle=wait)
    same("DeleteReplicationGroup", group, settle=wait)
    same("DeleteReplicationGroup", group)
    same("DeleteCacheSubnetGroup", {"CacheSubnetGroupName": NAME})
