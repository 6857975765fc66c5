//! Replication groups: what they show, and how they come, change and go (aws-reference 1.2, 2.5, 10).

use fleetgate_sim::ReplicationGroupSeed;
use serde_json::{Value, json};

use crate::client::{Got, World, world, world_with};

/// The replication group of the target stack.
pub(crate) const REDIS: &str = "stateless-app-redis";
pub(crate) const SUBNETS: (&str, &str) = ("CacheSubnetGroupName", "stateless-app-redis-subnets");

pub(crate) async fn cache(w: &World, action: &str, params: &[(&str, &str)]) -> Got {
    w.query("elasticache", action, params).await
}

/// The same, answered.
pub(crate) async fn ok(w: &World, action: &str, params: &[(&str, &str)]) -> Got {
    let got = cache(w, action, params).await;
    assert_eq!(got.status, 200, "{action}: {}", got.body);
    got
}

pub(crate) async fn describe(w: &World, id: &str) -> Got {
    ok(w, "DescribeReplicationGroups", &[("ReplicationGroupId", id)]).await
}

pub(crate) async fn status(w: &World, id: &str) -> String {
    describe(w, id).await.one("Status")
}

/// A group in ground truth.
pub(crate) fn truth(w: &World, id: &str) -> Value {
    let snapshot = w.handle.snapshot();
    snapshot["redis"].as_array().into_iter().flatten().find(|g| g["id"] == id).cloned().unwrap_or_default()
}

/// Messages of events, newest first, with their source.
pub(crate) async fn events(w: &World, params: &[(&str, &str)]) -> Vec<(String, String)> {
    let got = ok(w, "DescribeEvents", params).await;
    got.all("SourceIdentifier").into_iter().zip(got.all("Message")).collect()
}

/// Creates a group of this name and steps until it is available.
pub(crate) async fn created(w: &World, id: &str, params: &[(&str, &str)]) {
    creating(w, id, params).await;
    w.handle.advance(901.0);
    assert_eq!(status(w, id).await, "available");
}

async fn creating(w: &World, id: &str, params: &[(&str, &str)]) -> Got {
    let mut all = vec![("ReplicationGroupId", id), ("ReplicationGroupDescription", "d"), ("CacheNodeType", "cache.t3.micro"), SUBNETS];
    all.extend_from_slice(params);
    ok(w, "CreateReplicationGroup", &all).await
}

/// Where the only endpoint of this kind leads.
fn address(got: &Got, endpoint: &str) -> String {
    got.one(endpoint).replace("<Address>", "").split('<').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_stacks_group_is_as_the_stack_has_it() {
    let w = world().await;
    let got = describe(&w, REDIS).await;
    for (member, wanted) in [
        ("Status", "available"),
        ("AutomaticFailover", "enabled"),
        ("MultiAZ", "enabled"),
        ("ClusterEnabled", "false"),
        ("ClusterMode", "disabled"),
        ("TransitEncryptionEnabled", "true"),
        ("Port", "6379"),
        ("ARN", "arn:aws:elasticache:ap-south-1:123456789012:replicationgroup:stateless-app-redis"),
    ] {
        assert_eq!(got.one(member), wanted, "{member}");
    }
    assert_eq!(got.all("CurrentRole"), ["primary", "replica"]);
    assert_eq!(got.all("ClusterId"), ["stateless-app-redis-001", "stateless-app-redis-002"]);
    let mut zones = got.all("PreferredAvailabilityZone");
    zones.sort();
    assert_eq!(zones, ["ap-south-1a", "ap-south-1b"]);
    let clusters = ok(&w, "DescribeCacheClusters", &[]).await;
    assert_eq!(clusters.all("EngineVersion"), ["7.0.7", "7.0.7"]);
}

#[tokio::test]
async fn lists_carry_elasticaches_own_element_names() {
    let w = world().await;
    let got = describe(&w, REDIS).await;
    for pair in
        ["<ReplicationGroups><ReplicationGroup>", "<MemberClusters><ClusterId>", "<NodeGroups><NodeGroup>", "<NodeGroupMembers><NodeGroupMember>"]
    {
        assert!(got.body.contains(pair), "{pair}: {}", got.body);
    }
    assert!(!got.body.contains("<member>"));
    assert!(got.body.contains("xmlns=\"http://elasticache.amazonaws.com/doc/2015-02-02/\""));
    let got = ok(&w, "DescribeCacheClusters", &[("ShowCacheNodeInfo", "true")]).await;
    assert!(got.body.contains("<CacheClusters><CacheCluster>") && got.body.contains("<CacheNodes><CacheNode>"));
    let got = ok(&w, "DescribeCacheSubnetGroups", &[]).await;
    assert!(got.body.contains("<CacheSubnetGroups><CacheSubnetGroup>") && got.body.contains("<Subnets><Subnet>"));
}

#[tokio::test]
async fn endpoint_names_with_tls_and_without() {
    let w = world().await;
    let host = |text: &str| text.split('.').rev().nth(4).map(str::to_owned).unwrap_or_default();
    let got = describe(&w, REDIS).await;
    let h = host(&address(&got, "PrimaryEndpoint"));
    assert_eq!(h.len(), 6);
    assert_eq!(address(&got, "PrimaryEndpoint"), format!("master.{REDIS}.{h}.aps1.cache.amazonaws.com"));
    assert_eq!(address(&got, "ReaderEndpoint"), format!("replica.{REDIS}.{h}.aps1.cache.amazonaws.com"));
    assert_eq!(address(&got, "ReadEndpoint"), format!("{REDIS}-001.{REDIS}.{h}.aps1.cache.amazonaws.com"));
    created(&w, "plain", &[("NumCacheClusters", "2")]).await;
    let got = describe(&w, "plain").await;
    assert_eq!(address(&got, "PrimaryEndpoint"), format!("plain.{h}.ng.0001.aps1.cache.amazonaws.com"));
    assert_eq!(address(&got, "ReaderEndpoint"), format!("plain-ro.{h}.ng.0001.aps1.cache.amazonaws.com"));
    assert_eq!(address(&got, "ReadEndpoint"), format!("plain-001.{h}.0001.aps1.cache.amazonaws.com"));
    assert!(!got.body.contains("TransitEncryptionMode"));
}

#[tokio::test]
async fn configuration_endpoint_only_with_cluster_mode_enabled_and_roles_only_without() {
    let w = world().await;
    assert!(!describe(&w, REDIS).await.body.contains("ConfigurationEndpoint"));
    created(&w, "sharded", &[("NumNodeGroups", "2"), ("ReplicasPerNodeGroup", "1")]).await;
    let got = describe(&w, "sharded").await;
    assert!(address(&got, "ConfigurationEndpoint").contains(".clustercfg."));
    assert!(!got.body.contains("CurrentRole") && !got.body.contains("PrimaryEndpoint") && !got.body.contains("ReadEndpoint"));
    assert_eq!(got.all("Slots"), ["0-8191", "8192-16383"]);
    assert_eq!(got.all("ClusterId"), ["sharded-0001-001", "sharded-0001-002", "sharded-0002-001", "sharded-0002-002"]);
    assert_eq!((got.one("ClusterEnabled"), got.one("AutomaticFailover")), ("true".into(), "enabled".into()));
    let secret = [("TransitEncryptionEnabled", "true"), ("NumNodeGroups", "2"), ("ReplicasPerNodeGroup", "1")];
    created(&w, "sealed", &secret).await;
    assert!(address(&describe(&w, "sealed").await, "ConfigurationEndpoint").starts_with("clustercfg.sealed."));
}

#[tokio::test]
async fn a_new_group_is_creating_for_minutes_and_then_available() {
    let w = world().await;
    let got = creating(&w, "Fresh", &[("NumCacheClusters", "2"), ("AutomaticFailoverEnabled", "true")]).await;
    assert_eq!((got.one("Status"), got.one("AutomaticFailover")), ("creating".into(), "enabling".into()));
    assert_eq!(got.all("ClusterId"), ["fresh-001", "fresh-002"], "stored in lower case");
    assert!(!got.body.contains("<NodeGroups>") && !got.body.contains("Endpoint"));
    assert_eq!(truth(&w, "fresh")["writes"], false);
    w.handle.advance(299.0);
    assert_eq!(status(&w, "fresh").await, "creating");
    let one = [("CacheClusterId", "fresh-001"), ("ShowCacheNodeInfo", "true")];
    let got = ok(&w, "DescribeCacheClusters", &one).await;
    assert_eq!(got.one("CacheClusterStatus"), "creating");
    assert!(!got.body.contains("CacheClusterCreateTime") && !got.body.contains("<CacheNode>"));
    w.handle.advance(602.0);
    let got = describe(&w, "fresh").await;
    assert_eq!((got.one("Status"), got.one("AutomaticFailover")), ("available".into(), "enabled".into()));
    assert_eq!(truth(&w, "fresh")["writes"], true);
    let zone = got.one("PreferredAvailabilityZone");
    let of_cluster = events(&w, &[("SourceType", "cache-cluster"), ("SourceIdentifier", "fresh-001")]).await;
    let words: Vec<&str> = of_cluster.iter().map(|(_, m)| m.as_str()).collect();
    assert_eq!(words, [format!("Added cache node 0001 in availability zone {zone}").as_str(), "Cache cluster created"]);
}

#[tokio::test]
async fn while_creating_node_groups_show_by_choice_of_the_world() {
    let w = world_with(7, |s| s.params.as_mut().expect("given").cache.creating_shows_node_groups = true).await;
    let got = creating(&w, "fresh", &[("NumCacheClusters", "2")]).await;
    assert!(got.body.contains("<NodeGroupId>0001</NodeGroupId><Status>creating</Status>") && !got.body.contains("Endpoint"));
}

/// Parameters, status and code of a refusal.
type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn what_contradicts_itself_is_not_created() {
    let w = world().await;
    let before = w.handle.snapshot();
    let bad = "InvalidParameterValue";
    let pair = "InvalidParameterCombination";
    let rows: &[Row<'_>] = &[
        (&[("ReplicationGroupId", REDIS)], 400, "ReplicationGroupAlreadyExists"),
        (&[("ReplicationGroupId", "9x")], 400, bad),
        (&[("ReplicationGroupId", "a--b")], 400, bad),
        (&[("ReplicationGroupId", &"x".repeat(41))], 400, bad),
        (&[("CacheSubnetGroupName", "none")], 400, "CacheSubnetGroupNotFoundFault"),
        (&[("CacheNodeType", "cache.huge")], 400, bad),
        (&[("Engine", "memcached")], 400, bad),
        (&[("EngineVersion", "99.9")], 400, bad),
        (&[("NumCacheClusters", "7")], 400, bad),
        (&[("NumCacheClusters", "2"), ("ReplicasPerNodeGroup", "1")], 400, pair),
        (&[("NumCacheClusters", "1"), ("AutomaticFailoverEnabled", "true")], 400, pair),
        (&[("NumCacheClusters", "2"), ("MultiAZEnabled", "true")], 400, pair),
        (&[("NumNodeGroups", "2"), ("ReplicasPerNodeGroup", "1"), ("AutomaticFailoverEnabled", "false")], 400, pair),
        (&[("NumNodeGroups", "91"), ("ReplicasPerNodeGroup", "1")], 400, "NodeGroupsPerReplicationGroupQuotaExceeded"),
        (&[("NumNodeGroups", "2"), ("CacheParameterGroupName", "default.redis7")], 400, pair),
        (&[("CacheParameterGroupName", "mine")], 404, "CacheParameterGroupNotFound"),
        (&[("CacheParameterGroupName", "default.redis6.x")], 400, pair),
        (&[("PreferredCacheClusterAZs.AvailabilityZone.1", "ap-south-1c")], 400, bad),
        (&[("NumCacheClusters", "2"), ("PreferredCacheClusterAZs.AvailabilityZone.1", "ap-south-1a")], 400, pair),
        (&[("TransitEncryptionMode", "preferred")], 400, pair),
        (&[("AuthToken", "0123456789abcdef")], 400, pair),
        (&[("TransitEncryptionEnabled", "true"), ("AuthToken", "short")], 400, bad),
        (&[("KmsKeyId", "key")], 400, pair),
        (&[("PreferredMaintenanceWindow", "sun:05:00-sun:05:30")], 400, bad),
        (&[("SnapshotWindow", "5-6")], 400, bad),
        (&[("SecurityGroupIds.SecurityGroupId.1", "web")], 400, bad),
        (&[("SnapshotName", "s")], 400, bad),
        (&[("UserGroupIds.member.1", "u")], 400, bad),
        (&[("NetworkType", "ipv6")], 400, bad),
        (&[("Tags.Tag.1.Key", "aws:x"), ("Tags.Tag.1.Value", "y")], 400, bad),
        (&[("AutomaticFailoverEnabled", "maybe")], 400, "ValidationError"),
    ];
    let standard = [("ReplicationGroupId", "new"), ("ReplicationGroupDescription", "d"), ("CacheNodeType", "cache.t3.micro"), SUBNETS];
    for (own, code, word) in rows {
        let mut all: Vec<(&str, &str)> = standard.iter().filter(|(k, _)| !own.iter().any(|(o, _)| o == k)).copied().collect();
        all.extend_from_slice(own);
        cache(&w, "CreateReplicationGroup", &all).await.refused(*code, word);
    }
    cache(&w, "CreateReplicationGroup", &standard[..2]).await.refused(400, "CacheSubnetGroupNotFoundFault");
    cache(&w, "CreateReplicationGroup", &[("ReplicationGroupId", "new")]).await.refused(400, "ValidationError");
    assert_eq!(w.handle.snapshot(), before);
}

#[tokio::test]
async fn zones_are_taken_as_named_and_multi_az_needs_two() {
    let w = world().await;
    let zones =
        |a, b| [("NumCacheClusters", "2"), ("PreferredCacheClusterAZs.AvailabilityZone.1", a), ("PreferredCacheClusterAZs.AvailabilityZone.2", b)];
    created(&w, "named", &zones("ap-south-1b", "ap-south-1b")).await;
    assert_eq!(describe(&w, "named").await.all("PreferredAvailabilityZone"), ["ap-south-1b", "ap-south-1b"]);
    let mut all = vec![("ReplicationGroupId", "m"), ("ReplicationGroupDescription", "d"), ("CacheNodeType", "cache.t3.micro"), SUBNETS];
    all.extend([("AutomaticFailoverEnabled", "true"), ("MultiAZEnabled", "true")]);
    all.extend(zones("ap-south-1a", "ap-south-1a"));
    cache(&w, "CreateReplicationGroup", &all).await.refused(400, "InvalidParameterCombination");
}

#[tokio::test]
async fn unknown_names_are_not_found_with_their_own_status() {
    let w = world().await;
    cache(&w, "DescribeReplicationGroups", &[("ReplicationGroupId", "none")]).await.refused(404, "ReplicationGroupNotFoundFault");
    cache(&w, "ModifyReplicationGroup", &[("ReplicationGroupId", "none")]).await.refused(404, "ReplicationGroupNotFoundFault");
    cache(&w, "DescribeCacheClusters", &[("CacheClusterId", "none")]).await.refused(404, "CacheClusterNotFound");
    cache(&w, "DescribeCacheSubnetGroups", &[("CacheSubnetGroupName", "none")]).await.refused(400, "CacheSubnetGroupNotFoundFault");
    cache(&w, "DescribeCacheParameterGroups", &[("CacheParameterGroupName", "none")]).await.refused(404, "CacheParameterGroupNotFound");
    cache(&w, "DescribeReservedCacheNodes", &[("ReservedCacheNodeId", "none")]).await.refused(404, "ReservedCacheNodeNotFound");
    cache(&w, "DescribeSnapshots", &[]).await.refused(400, "InvalidAction");
}

#[tokio::test]
async fn pages_hold_twenty_to_a_hundred_rows_and_the_marker_leads_on() {
    let w = world_with(7, |s| {
        s.replication_groups = (0..25).map(|n| ReplicationGroupSeed { name: format!("g{n:02}"), ..ReplicationGroupSeed::default() }).collect();
    })
    .await;
    for size in ["19", "101"] {
        cache(&w, "DescribeReplicationGroups", &[("MaxRecords", size)]).await.refused(400, "InvalidParameterValue");
    }
    cache(&w, "DescribeEvents", &[("Marker", "nonsense")]).await.refused(400, "InvalidParameterValue");
    let first = ok(&w, "DescribeReplicationGroups", &[("MaxRecords", "20")]).await;
    assert_eq!(first.all("ReplicationGroupId").len(), 20);
    let marker = first.one("Marker");
    let second = ok(&w, "DescribeReplicationGroups", &[("MaxRecords", "20"), ("Marker", &marker)]).await;
    assert_eq!(second.all("ReplicationGroupId").len(), 6);
    assert!(!second.body.contains("<Marker>"));
    assert_eq!(ok(&w, "DescribeCacheClusters", &[]).await.all("CacheClusterId").len(), 52);
}

#[tokio::test]
async fn cache_nodes_stand_only_where_asked_for() {
    let w = world().await;
    assert!(!ok(&w, "DescribeCacheClusters", &[]).await.body.contains("<CacheNodes>"));
    let got = ok(&w, "DescribeCacheClusters", &[("ShowCacheNodeInfo", "true"), ("CacheClusterId", "Stateless-App-Redis-002")]).await;
    assert_eq!(got.all("CacheNodeId"), ["0001"]);
    assert_eq!((got.one("CacheNodeStatus"), got.one("ReplicationGroupId")), ("available".into(), REDIS.into()));
    let got = ok(&w, "DescribeCacheClusters", &[("ShowCacheClustersNotInReplicationGroups", "true")]).await;
    assert!(got.all("CacheClusterId").is_empty());
}

#[tokio::test]
async fn a_subnet_group_is_of_known_subnets_and_can_be_used() {
    let w = world().await;
    let base = [("CacheSubnetGroupName", "Mine"), ("CacheSubnetGroupDescription", "d")];
    let make = |subnet: &str| {
        base.iter().map(|(k, v)| (*k, (*v).to_owned())).chain([("SubnetIds.SubnetIdentifier.1", subnet.to_owned())]).collect::<Vec<_>>()
    };
    let with = |rows: Vec<(&'static str, String)>| rows;
    let subnet = ok(&w, "DescribeCacheSubnetGroups", &[]).await.one("SubnetIdentifier");
    cache(&w, "CreateCacheSubnetGroup", &base).await.refused(400, "ValidationError");
    let rows = with(make("subnet-none"));
    let rows: Vec<(&str, &str)> = rows.iter().map(|(k, v)| (*k, v.as_str())).collect();
    cache(&w, "CreateCacheSubnetGroup", &rows).await.refused(400, "InvalidSubnet");
    let rows = with(make(&subnet));
    let rows: Vec<(&str, &str)> = rows.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let got = ok(&w, "CreateCacheSubnetGroup", &rows).await;
    assert_eq!((got.one("CacheSubnetGroupName"), got.all("SubnetIdentifier")), ("mine".into(), vec![subnet]));
    cache(&w, "CreateCacheSubnetGroup", &rows).await.refused(400, "CacheSubnetGroupAlreadyExists");
    let one_zone = [
        ("ReplicationGroupId", "m"),
        ("ReplicationGroupDescription", "d"),
        ("CacheNodeType", "cache.t3.micro"),
        ("CacheSubnetGroupName", "mine"),
        ("NumCacheClusters", "2"),
        ("AutomaticFailoverEnabled", "true"),
    ];
    let mut both = one_zone.to_vec();
    both.push(("MultiAZEnabled", "true"));
    cache(&w, "CreateReplicationGroup", &both).await.refused(400, "InvalidParameterCombination");
    ok(&w, "CreateReplicationGroup", &one_zone).await;
    cache(&w, "DeleteCacheSubnetGroup", &[("CacheSubnetGroupName", "none")]).await.refused(400, "CacheSubnetGroupNotFoundFault");
    cache(&w, "DeleteCacheSubnetGroup", &[("CacheSubnetGroupName", "mine")]).await.refused(400, "CacheSubnetGroupInUse");
    w.handle.advance(901.0);
    ok(&w, "DeleteReplicationGroup", &[("ReplicationGroupId", "m")]).await;
    w.handle.advance(541.0);
    ok(&w, "DeleteCacheSubnetGroup", &[("CacheSubnetGroupName", "mine")]).await;
    assert_eq!(ok(&w, "DescribeCacheSubnetGroups", &[]).await.all("CacheSubnetGroupName"), ["stateless-app-redis-subnets"]);
}

#[tokio::test]
async fn versions_parameters_and_reservations_are_listed() {
    let w = world().await;
    let got = ok(&w, "DescribeCacheEngineVersions", &[("Engine", "redis"), ("DefaultOnly", "true")]).await;
    assert_eq!(got.all("EngineVersion"), ["7.1"]);
    let got = ok(&w, "DescribeCacheEngineVersions", &[("CacheParameterGroupFamily", "redis7")]).await;
    assert_eq!(got.all("EngineVersion"), ["7.0", "7.1"]);
    let got = ok(&w, "DescribeCacheEngineVersions", &[("EngineVersion", "7.0")]).await;
    assert_eq!(got.all("CacheEngineVersionDescription"), ["redis version 7.0.7"]);
    let got = ok(&w, "DescribeCacheParameterGroups", &[("CacheParameterGroupName", "default.redis7")]).await;
    assert_eq!(got.all("CacheParameterGroupFamily"), ["redis7"]);
    let enabled = |got: &Got| got.body.contains("<ParameterName>cluster-enabled</ParameterName><ParameterValue>yes<");
    assert!(!enabled(&ok(&w, "DescribeCacheParameters", &[("CacheParameterGroupName", "default.redis7")]).await));
    assert!(enabled(&ok(&w, "DescribeCacheParameters", &[("CacheParameterGroupName", "default.redis7.cluster.on")]).await));
    let user = [("CacheParameterGroupName", "default.redis7"), ("Source", "user")];
    assert!(ok(&w, "DescribeCacheParameters", &user).await.all("ParameterName").is_empty());
    assert!(ok(&w, "DescribeReservedCacheNodes", &[]).await.body.contains("<ReservedCacheNodes></ReservedCacheNodes>"));
}

#[tokio::test]
async fn tags_of_a_group_are_its_clusters_too() {
    let w = world().await;
    let arn = "arn:aws:elasticache:ap-south-1:123456789012:replicationgroup:stateless-app-redis";
    let cluster = "arn:aws:elasticache:ap-south-1:123456789012:cluster:stateless-app-redis-001";
    let pair = [("Tags.Tag.1.Key", "team"), ("Tags.Tag.1.Value", "blue")];
    let got = ok(&w, "AddTagsToResource", &[("ResourceName", arn), pair[0], pair[1]]).await;
    assert_eq!((got.all("Key"), got.all("Value")), (vec!["team".into()], vec!["blue".into()]));
    assert_eq!(ok(&w, "ListTagsForResource", &[("ResourceName", cluster)]).await.all("Value"), ["blue"]);
    ok(&w, "AddTagsToResource", &[("ResourceName", cluster), ("Tags.Tag.1.Key", "team"), ("Tags.Tag.1.Value", "red")]).await;
    assert_eq!(ok(&w, "ListTagsForResource", &[("ResourceName", cluster)]).await.all("Value"), ["red"]);
    assert_eq!(ok(&w, "ListTagsForResource", &[("ResourceName", arn)]).await.all("Value"), ["blue"]);
    let many: Vec<(String, String)> = (0..51).map(|n| (format!("Tags.Tag.{n}.Key"), format!("k{n}"))).collect();
    let mut rows = vec![("ResourceName", arn)];
    rows.extend(many.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    cache(&w, "AddTagsToResource", &rows).await.refused(400, "TagQuotaPerResourceExceeded");
    cache(&w, "RemoveTagsFromResource", &[("ResourceName", arn), ("TagKeys.member.1", "none")]).await.refused(404, "TagNotFound");
    let got = ok(&w, "RemoveTagsFromResource", &[("ResourceName", arn), ("TagKeys.member.1", "team")]).await;
    assert!(got.all("Key").is_empty());
    cache(&w, "ListTagsForResource", &[("ResourceName", "nonsense")]).await.refused(400, "InvalidARN");
    cache(&w, "ListTagsForResource", &[("ResourceName", &arn.replace("app", "none"))]).await.refused(404, "ReplicationGroupNotFoundFault");
    w.control("POST", "redis", json!({"group": REDIS, "state": "modifying"})).await;
    cache(&w, "ListTagsForResource", &[("ResourceName", arn)]).await.refused(400, "InvalidReplicationGroupState");
}

#[tokio::test]
async fn an_auth_token_is_in_no_log_and_no_answer() {
    let w = world().await;
    let token = "never-to-be-seen-again";
    let got = creating(&w, "secret", &[("TransitEncryptionEnabled", "true"), ("AuthToken", token)]).await;
    assert_eq!(got.one("AuthTokenEnabled"), "true");
    let seen = format!("{}{}{}", got.body, w.control("GET", "calls?since=0", json!({})).await.body, w.handle.export().expect("exports"));
    assert!(!seen.contains(token));
    assert!(seen.contains("<masked>"));
}
