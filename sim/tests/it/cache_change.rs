//! Replication groups that change: settings, replicas, reboots, the end (aws-reference 10).

use serde_json::json;

use crate::{
    cache::{REDIS, cache, created, describe, events, ok, status, truth},
    client::{World, world, world_with},
};

const GROUP: (&str, &str) = ("ReplicationGroupId", REDIS);
const NOW: (&str, &str) = ("ApplyImmediately", "true");

async fn modify(w: &World, params: &[(&str, &str)]) -> crate::client::Got {
    let mut all = vec![GROUP];
    all.extend_from_slice(params);
    cache(w, "ModifyReplicationGroup", &all).await
}

#[tokio::test]
async fn a_change_applied_immediately_goes_by_way_of_modifying() {
    let w = world().await;
    let off = [("AutomaticFailoverEnabled", "false"), ("MultiAZEnabled", "false"), NOW];
    let got = modify(&w, &off).await;
    assert_eq!((got.one("Status"), got.one("AutomaticFailover")), ("modifying".into(), "disabling".into()));
    assert_eq!(got.one("AutomaticFailoverStatus"), "disabled");
    assert_eq!(truth(&w, REDIS)["writes"], true);
    modify(&w, &[("ReplicationGroupDescription", "x")]).await.refused(400, "InvalidReplicationGroupState");
    w.handle.advance(59.0);
    assert_eq!(status(&w, REDIS).await, "modifying");
    w.handle.advance(242.0);
    let got = describe(&w, REDIS).await;
    assert_eq!((got.one("Status"), got.one("AutomaticFailover"), got.one("MultiAZ")), ("available".into(), "disabled".into(), "disabled".into()));
    assert!(!got.body.contains("AutomaticFailoverStatus"));
}

#[tokio::test]
async fn what_touches_no_node_is_true_at_once() {
    let w = world().await;
    let got = modify(
        &w,
        &[("ReplicationGroupDescription", "other"), ("SnapshotRetentionLimit", "3"), ("SnapshottingClusterId", "stateless-app-redis-002")],
    )
    .await;
    assert_eq!((got.one("Status"), got.one("Description"), got.one("SnapshotRetentionLimit")), ("available".into(), "other".into(), "3".into()));
    assert_eq!(got.one("SnapshottingClusterId"), "stateless-app-redis-002");
    let got = modify(&w, &[("SecurityGroupIds.SecurityGroupId.1", "sg-1"), ("SecurityGroupIds.SecurityGroupId.2", "sg-2")]).await;
    assert_eq!(got.one("Status"), "available");
    assert_eq!(ok(&w, "DescribeCacheClusters", &[]).await.all("SecurityGroupId"), ["sg-1", "sg-2", "sg-1", "sg-2"]);
    // What is so already is no change.
    assert_eq!(modify(&w, &[("AutomaticFailoverEnabled", "true"), ("CacheNodeType", "cache.t3.micro"), NOW]).await.one("Status"), "available");
}

#[tokio::test]
async fn without_apply_immediately_a_change_waits_for_the_maintenance_window() {
    // The world starts on a Monday at nine.
    let w = world().await;
    modify(&w, &[("PreferredMaintenanceWindow", "mon:10:00-mon:11:00")]).await;
    let got = modify(&w, &[("CacheNodeType", "cache.t3.small"), ("EngineVersion", "7.1")]).await;
    assert_eq!((got.one("Status"), got.one("CacheNodeType")), ("available".into(), "cache.t3.micro".into()));
    let clusters = ok(&w, "DescribeCacheClusters", &[("CacheClusterId", "stateless-app-redis-001")]).await;
    assert!(clusters.body.contains("<PendingModifiedValues><EngineVersion>7.1.0</EngineVersion><CacheNodeType>cache.t3.small</CacheNodeType>"));
    w.handle.advance(3599.0);
    assert_eq!(status(&w, REDIS).await, "available");
    w.handle.advance(1.0);
    assert_eq!(status(&w, REDIS).await, "modifying");
    let clusters = ok(&w, "DescribeCacheClusters", &[]).await;
    assert_eq!(clusters.all("CacheClusterStatus"), ["modifying", "modifying"]);
    w.handle.advance(1501.0);
    assert_eq!(describe(&w, REDIS).await.one("CacheNodeType"), "cache.t3.small");
    let clusters = ok(&w, "DescribeCacheClusters", &[]).await;
    assert_eq!(clusters.all("EngineVersion"), ["7.1.0", "7.1.0"]);
    assert!(clusters.body.contains("<PendingModifiedValues></PendingModifiedValues>"));
    w.handle.advance(8.0 * 86_400.0);
    assert_eq!(status(&w, REDIS).await, "available", "a change is made once");
}

#[tokio::test]
async fn a_maintenance_window_is_an_hour_at_least_on_any_day() {
    let w = world().await;
    for (window, fits) in [
        ("sun:05:00-sun:06:00", true),
        ("Wed:23:30-thu:00:30", true),
        ("sun:23:30-mon:00:30", true),
        ("sun:05:00-sun:05:59", false),
        ("sun:24:00-mon:01:00", false),
        ("day:05:00-sun:06:00", false),
        ("sun:05:00", false),
    ] {
        let got = modify(&w, &[("PreferredMaintenanceWindow", window)]).await;
        assert_eq!(got.status, if fits { 200 } else { 400 }, "{window}: {}", got.body);
        if fits {
            let clusters = ok(&w, "DescribeCacheClusters", &[]).await;
            assert_eq!(clusters.one("PreferredMaintenanceWindow"), window.to_lowercase());
        }
    }
    // Through the night from Sunday to Monday: the next opening is six days and more away.
    modify(&w, &[("PreferredMaintenanceWindow", "sun:23:30-mon:00:30")]).await;
    modify(&w, &[("CacheNodeType", "cache.t3.small")]).await;
    assert_eq!(truth(&w, REDIS)["pending_until"], "2026-01-11T23:30:00.000Z");
}

#[tokio::test]
async fn applying_immediately_takes_what_waited_along() {
    let w = world().await;
    modify(&w, &[("CacheNodeType", "cache.t3.small")]).await;
    modify(&w, &[("EngineVersion", "7.1"), NOW]).await;
    w.handle.advance(1501.0);
    assert_eq!(describe(&w, REDIS).await.one("CacheNodeType"), "cache.t3.small");
    assert_eq!(ok(&w, "DescribeCacheClusters", &[]).await.all("EngineVersion"), ["7.1.0", "7.1.0"]);
}

#[tokio::test]
async fn changes_that_cannot_be_are_refused() {
    let w = world().await;
    let before = w.handle.snapshot();
    for (own, code, word) in [
        (("EngineVersion", "6.2"), 400, "InvalidParameterCombination"),
        (("EngineVersion", "9"), 400, "InvalidParameterValue"),
        (("AutomaticFailoverEnabled", "false"), 400, "InvalidParameterCombination"),
        (("PrimaryClusterId", "stateless-app-redis-002"), 400, "InvalidParameterCombination"),
        (("SnapshottingClusterId", "none"), 404, "CacheClusterNotFound"),
        (("CacheParameterGroupName", "default.redis7.cluster.on"), 400, "InvalidParameterCombination"),
        (("CacheNodeType", "x"), 400, "InvalidParameterValue"),
        (("AuthToken", "0123456789abcdef"), 400, "InvalidParameterValue"),
        (("TransitEncryptionEnabled", "false"), 400, "InvalidParameterValue"),
        (("ClusterMode", "enabled"), 400, "InvalidParameterValue"),
        (("Engine", "valkey"), 400, "InvalidParameterValue"),
        (("NotificationTopicStatus", "odd"), 400, "InvalidParameterValue"),
    ] {
        modify(&w, &[own, NOW]).await.refused(code, word);
    }
    assert_eq!(w.handle.snapshot(), before);
}

#[tokio::test]
async fn a_replica_is_promoted_by_hand_where_nothing_fails_over() {
    let w = world().await;
    modify(&w, &[("AutomaticFailoverEnabled", "false"), ("MultiAZEnabled", "false"), NOW]).await;
    w.handle.advance(301.0);
    modify(&w, &[("PrimaryClusterId", "none"), NOW]).await.refused(404, "CacheClusterNotFound");
    let got = modify(&w, &[("PrimaryClusterId", "stateless-app-redis-002"), NOW]).await;
    assert_eq!((got.one("PrimaryClusterId"), got.all("CurrentRole")), ("stateless-app-redis-002".into(), vec!["primary".into(), "replica".into()]));
    w.handle.advance(301.0);
    assert_eq!(describe(&w, REDIS).await.all("CurrentRole"), ["replica", "primary"]);
}

#[tokio::test]
async fn a_replica_more_comes_over_minutes_and_a_replica_less_goes() {
    let w = world().await;
    let group = |count: &'static str| [GROUP, ("NewReplicaCount", count), NOW];
    cache(&w, "IncreaseReplicaCount", &[GROUP, ("NewReplicaCount", "2"), ("ApplyImmediately", "false")]).await.refused(400, "InvalidParameterValue");
    cache(&w, "IncreaseReplicaCount", &group("1")).await.refused(400, "NoOperationFault");
    cache(&w, "IncreaseReplicaCount", &group("0")).await.refused(400, "InvalidParameterValue");
    cache(&w, "IncreaseReplicaCount", &group("6")).await.refused(400, "InvalidParameterValue");
    cache(&w, "IncreaseReplicaCount", &[GROUP, NOW]).await.refused(400, "InvalidParameterCombination");
    let got = ok(&w, "IncreaseReplicaCount", &group("2")).await;
    assert_eq!((got.one("Status"), got.all("ClusterId").len()), ("modifying".into(), 3));
    w.handle.advance(299.0);
    assert_eq!(status(&w, REDIS).await, "modifying");
    assert_eq!(truth(&w, REDIS)["shards"][0]["members"][2]["status"], "creating");
    w.handle.advance(302.0);
    let got = describe(&w, REDIS).await;
    assert_eq!((got.one("Status"), got.all("CurrentRole")), ("available".into(), vec!["primary".into(), "replica".into(), "replica".into()]));
    let third = events(&w, &[("SourceType", "cache-cluster"), ("SourceIdentifier", "stateless-app-redis-003")]).await;
    assert_eq!(third.len(), 2);
    cache(&w, "DecreaseReplicaCount", &group("0")).await.refused(400, "InvalidParameterValue");
    let primary = [GROUP, ("ReplicasToRemove.member.1", "stateless-app-redis-001"), NOW];
    cache(&w, "DecreaseReplicaCount", &primary).await.refused(400, "InvalidParameterValue");
    let got = ok(&w, "DecreaseReplicaCount", &[GROUP, ("ReplicasToRemove.member.1", "stateless-app-redis-002"), NOW]).await;
    assert_eq!(got.one("Status"), "modifying");
    assert_eq!(truth(&w, REDIS)["shards"][0]["members"][1]["status"], "deleting");
    w.handle.advance(601.0);
    assert_eq!(describe(&w, REDIS).await.all("ClusterId"), ["stateless-app-redis-001", "stateless-app-redis-003"]);
}

#[tokio::test]
async fn a_group_may_be_available_while_its_new_replica_is_not() {
    let w = world_with(7, |s| s.params.as_mut().expect("given").cache.group_waits_for_replicas = false).await;
    ok(&w, "IncreaseReplicaCount", &[GROUP, ("NewReplicaCount", "2"), NOW]).await;
    w.handle.advance(299.0);
    let mut seen = Vec::new();
    for _ in 0..61 {
        seen.push((status(&w, REDIS).await, truth(&w, REDIS)["shards"][0]["members"][2]["status"].clone()));
        w.handle.advance(5.0);
    }
    assert!(seen.contains(&("available".into(), json!("creating"))), "{seen:?}");
    let w = world_with(7, |s| s.params.as_mut().expect("given").cache.group_waits_for_replicas = false).await;
    ok(&w, "IncreaseReplicaCount", &[GROUP, ("NewReplicaCount", "2"), NOW]).await;
    while status(&w, REDIS).await != "available" {
        w.handle.advance(5.0);
    }
    modify(&w, &[("CacheNodeType", "cache.t3.small"), NOW]).await.refused(400, "InvalidCacheClusterState");
}

#[tokio::test]
async fn which_replica_goes_is_the_worlds_choice() {
    for (newest, left) in [(true, "stateless-app-redis-002"), (false, "stateless-app-redis-003")] {
        let w = world_with(7, |s| s.params.as_mut().expect("given").cache.decrease_takes_newest = newest).await;
        ok(&w, "IncreaseReplicaCount", &[GROUP, ("NewReplicaCount", "2"), NOW]).await;
        w.handle.advance(601.0);
        ok(&w, "DecreaseReplicaCount", &[GROUP, ("NewReplicaCount", "1"), NOW]).await;
        w.handle.advance(601.0);
        assert_eq!(describe(&w, REDIS).await.all("ClusterId"), ["stateless-app-redis-001", left]);
    }
}

#[tokio::test]
async fn a_reboot_is_no_failover_and_stops_writes_of_a_primary() {
    let w = world().await;
    let primary = [("CacheClusterId", "stateless-app-redis-001"), ("CacheNodeIdsToReboot.CacheNodeId.1", "0001")];
    cache(&w, "RebootCacheCluster", &[("CacheClusterId", "none"), primary[1]]).await.refused(404, "CacheClusterNotFound");
    cache(&w, "RebootCacheCluster", &primary[..1]).await.refused(400, "ValidationError");
    cache(&w, "RebootCacheCluster", &[primary[0], ("CacheNodeIdsToReboot.CacheNodeId.1", "0002")]).await.refused(400, "InvalidParameterValue");
    let got = ok(&w, "RebootCacheCluster", &primary).await;
    assert_eq!(got.one("CacheClusterStatus"), "rebooting cluster nodes");
    assert_eq!((status(&w, REDIS).await, &truth(&w, REDIS)["writes"]), ("available".into(), &json!(false)));
    cache(&w, "RebootCacheCluster", &primary).await.refused(400, "InvalidCacheClusterState");
    cache(&w, "TestFailover", &[GROUP, ("NodeGroupId", "0001")]).await.refused(400, "InvalidCacheClusterState");
    w.handle.advance(121.0);
    assert_eq!(describe(&w, REDIS).await.all("CurrentRole"), ["primary", "replica"]);
    assert_eq!(truth(&w, REDIS)["writes"], true);
    assert_eq!(events(&w, &[]).await, [("stateless-app-redis-001".into(), "Cache node 0001 restarted".into())]);
}

#[tokio::test]
async fn a_reboot_shows_on_the_group_by_choice_of_the_world() {
    let w = world_with(7, |s| s.params.as_mut().expect("given").cache.reboot_shows_modifying = true).await;
    ok(&w, "RebootCacheCluster", &[("CacheClusterId", "stateless-app-redis-002"), ("CacheNodeIdsToReboot.CacheNodeId.1", "0001")]).await;
    assert_eq!((status(&w, REDIS).await, &truth(&w, REDIS)["writes"]), ("modifying".into(), &json!(true)));
    w.handle.advance(121.0);
    assert_eq!(status(&w, REDIS).await, "available");
}

#[tokio::test]
async fn a_deleted_group_is_deleting_for_minutes_and_then_gone() {
    let w = world().await;
    cache(&w, "DeleteReplicationGroup", &[GROUP, ("FinalSnapshotIdentifier", "s")]).await.refused(400, "SnapshotFeatureNotSupportedFault");
    let got = ok(&w, "DeleteReplicationGroup", &[GROUP]).await;
    assert_eq!(got.one("Status"), "deleting");
    cache(&w, "DeleteReplicationGroup", &[GROUP]).await.refused(400, "InvalidReplicationGroupState");
    w.handle.advance(179.0);
    assert_eq!(ok(&w, "DescribeCacheClusters", &[]).await.all("CacheClusterStatus"), ["deleting", "deleting"]);
    w.handle.advance(362.0);
    cache(&w, "DescribeReplicationGroups", &[GROUP]).await.refused(404, "ReplicationGroupNotFoundFault");
    assert!(ok(&w, "DescribeCacheClusters", &[]).await.all("CacheClusterId").is_empty());
    created(&w, REDIS, &[("NumCacheClusters", "1")]).await;
}

#[tokio::test]
async fn a_primary_may_outlive_its_group() {
    let w = world().await;
    ok(&w, "DeleteReplicationGroup", &[GROUP, ("RetainPrimaryCluster", "true")]).await;
    w.handle.advance(541.0);
    let got = ok(&w, "DescribeCacheClusters", &[("ShowCacheClustersNotInReplicationGroups", "true")]).await;
    assert_eq!(got.all("CacheClusterId"), ["stateless-app-redis-001"]);
    assert_eq!(got.one("CacheClusterStatus"), "available");
    assert!(!got.body.contains("ReplicationGroupId"));
    ok(&w, "RebootCacheCluster", &[("CacheClusterId", "stateless-app-redis-001"), ("CacheNodeIdsToReboot.CacheNodeId.1", "0001")]).await;
    w.handle.advance(121.0);
    assert_eq!(ok(&w, "DescribeCacheClusters", &[]).await.all("CacheClusterStatus"), ["available"]);
}
