//! Failovers and events (aws-reference 10, 14).

use fleetgate_sim::ReplicationGroupSeed;
use serde_json::{Value, json};

use crate::{
    cache::{REDIS, cache, describe, events, ok, status, truth},
    client::{Got, World, world, world_with},
};

const GROUP: (&str, &str) = ("ReplicationGroupId", REDIS);
const SHARD: (&str, &str) = ("NodeGroupId", "0001");
const FIRST: &str = "stateless-app-redis-001";
const SECOND: &str = "stateless-app-redis-002";

async fn fail(w: &World) -> Got {
    ok(w, "TestFailover", &[GROUP, SHARD]).await
}

fn instant(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap_or_default().parse().expect("an instant")
}

/// Steps to one second before the promotion.
fn before_promotion(w: &World) {
    let at = instant(&truth(w, REDIS)["busy"]["promoted_at"]);
    w.handle.advance(at.duration_since(w.handle.now()).as_secs_f64() - 1.0);
}

#[tokio::test]
async fn a_failover_takes_the_course_of_aws() {
    let w = world().await;
    let before = describe(&w, REDIS).await;
    let got = fail(&w).await;
    assert_eq!((got.one("Status"), got.all("CurrentRole")), ("modifying".into(), vec!["primary".into(), "replica".into()]));
    let busy = truth(&w, REDIS)["busy"].clone();
    let gap = instant(&busy["promoted_at"]).duration_since(w.handle.now()).as_secs();
    let all = instant(&busy["until"]).duration_since(w.handle.now()).as_secs();
    assert!((5..=30).contains(&gap) && (300..=600).contains(&all), "{gap} {all}");
    before_promotion(&w);
    assert_eq!(describe(&w, REDIS).await.all("CurrentRole"), ["primary", "replica"]);
    assert_eq!(truth(&w, REDIS)["writes"], false);
    w.handle.advance(1.0);
    let got = describe(&w, REDIS).await;
    assert_eq!((got.one("Status"), got.all("CurrentRole")), ("modifying".into(), vec!["replica".into(), "primary".into()]));
    assert_eq!(truth(&w, REDIS)["writes"], true);
    let nodes = ok(&w, "DescribeCacheClusters", &[("ShowCacheNodeInfo", "true")]).await;
    assert_eq!(nodes.all("CacheClusterStatus"), ["modifying", "available"]);
    w.handle.advance((all - gap - 1) as f64);
    assert_eq!(status(&w, REDIS).await, "modifying");
    assert_eq!(ok(&w, "DescribeCacheClusters", &[("ShowCacheNodeInfo", "true")]).await.all("CacheNodeStatus"), ["creating", "available"]);
    w.handle.advance(1.0);
    let after = describe(&w, REDIS).await;
    assert_eq!((after.one("Status"), after.all("CurrentRole")), ("available".into(), vec!["replica".into(), "primary".into()]));
    assert_eq!(after.all("Address"), before.all("Address"), "names do not change");
    let mut words = events(&w, &[]).await;
    words.reverse();
    let done = format!("Failover from primary node {FIRST} to replica node {SECOND} completed");
    let wanted = [
        (REDIS, "Test Failover API called for node group 0001".to_owned()),
        (FIRST, done.clone()),
        (REDIS, done),
        (FIRST, format!("Recovering cache nodes {FIRST}")),
        (FIRST, format!("Finished recovery for cache nodes {FIRST}")),
    ];
    assert_eq!(words, wanted.map(|(source, text)| (source.to_owned(), text)));
}

#[tokio::test]
async fn who_is_named_in_the_messages_is_the_worlds_choice() {
    let w = world_with(7, |s| {
        let cache = &mut s.params.as_mut().expect("given").cache;
        (cache.failover_event_of_old_primary, cache.recovery_event_names_node) = (false, true);
    })
    .await;
    fail(&w).await;
    w.handle.advance(601.0);
    let words = events(&w, &[("SourceType", "cache-cluster")]).await;
    let sources: Vec<&str> = words.iter().map(|(s, _)| s.as_str()).collect();
    assert_eq!(sources, [FIRST, FIRST, SECOND]);
    assert_eq!((words[1].1.as_str(), words[0].1.as_str()), ("Recovering cache nodes 0001", "Finished recovery for cache nodes 0001"));
}

#[tokio::test]
async fn what_cannot_fail_over_is_refused() {
    let w = world_with(7, |s| {
        let seed = |name: &str, replicas| ReplicationGroupSeed {
            name: name.into(),
            replicas,
            auto_failover: false,
            multi_az: false,
            ..ReplicationGroupSeed::default()
        };
        s.replication_groups = vec![seed("single", 0), seed("manual", 1)];
    })
    .await;
    let before = w.handle.snapshot();
    cache(&w, "TestFailover", &[("ReplicationGroupId", "none"), SHARD]).await.refused(404, "ReplicationGroupNotFoundFault");
    cache(&w, "TestFailover", &[GROUP, ("NodeGroupId", "0002")]).await.refused(404, "NodeGroupNotFoundFault");
    cache(&w, "TestFailover", &[GROUP, ("NodeGroupId", "first")]).await.refused(400, "InvalidParameterValue");
    cache(&w, "TestFailover", &[GROUP]).await.refused(400, "ValidationError");
    for name in ["single", "manual"] {
        cache(&w, "TestFailover", &[("ReplicationGroupId", name), SHARD]).await.refused(400, "TestFailoverNotAvailableFault");
    }
    assert_eq!(w.handle.snapshot(), before);
    fail(&w).await;
    cache(&w, "TestFailover", &[GROUP, SHARD]).await.refused(400, "InvalidReplicationGroupState");
}

#[tokio::test]
async fn what_a_group_without_failover_answers_is_the_worlds_choice() {
    let w = world_with(7, |s| {
        s.params.as_mut().expect("given").cache.no_failover_is_not_available = false;
        s.replication_groups = vec![ReplicationGroupSeed {
            name: "single".into(),
            replicas: 0,
            auto_failover: false,
            multi_az: false,
            ..ReplicationGroupSeed::default()
        }];
    })
    .await;
    cache(&w, "TestFailover", &[("ReplicationGroupId", "single"), SHARD]).await.refused(400, "InvalidReplicationGroupState");
}

/// Fails over again and again until it is refused; how often it was not.
async fn tests_until_refused(w: &World, shards: &[&str], group: &str) -> usize {
    let mut done = 0;
    for shard in shards.iter().cycle().take(40) {
        let got = cache(w, "TestFailover", &[("ReplicationGroupId", group), ("NodeGroupId", shard)]).await;
        if got.status != 200 {
            got.refused(400, "APICallRateForCustomerExceeded");
            break;
        }
        done += 1;
        w.handle.advance(601.0);
    }
    done
}

#[tokio::test]
async fn fifteen_tests_a_day_and_the_day_rolls() {
    let w = world().await;
    assert_eq!(tests_until_refused(&w, &["0001"], REDIS).await, 15);
    let gone = 15.0 * 601.0;
    w.handle.advance(86_399.0 - gone);
    cache(&w, "TestFailover", &[GROUP, SHARD]).await.refused(400, "APICallRateForCustomerExceeded");
    w.handle.advance(1.0);
    fail(&w).await;
    w.handle.advance(600.0);
    cache(&w, "TestFailover", &[GROUP, SHARD]).await.refused(400, "APICallRateForCustomerExceeded");
}

#[tokio::test]
async fn the_quota_may_count_shards_instead_of_tests() {
    let w = world_with(7, |s| {
        s.params.as_mut().expect("given").cache.failover_quota_counts_calls = false;
        s.replication_groups = vec![ReplicationGroupSeed { name: "wide".into(), shards: Some(16), ..ReplicationGroupSeed::default() }];
    })
    .await;
    assert_eq!(tests_until_refused(&w, &["0001"], REDIS).await, 40, "one shard counts once");
    let ids: Vec<String> = (1..=16).map(|n| format!("{n:04}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(tests_until_refused(&w, &ids, "wide").await, 14, "with the other group's it is fifteen");
}

#[tokio::test]
async fn in_cluster_mode_one_shard_fails_over_and_the_group_is_busy() {
    let w = world_with(7, |s| {
        s.replication_groups = vec![ReplicationGroupSeed { name: "wide".into(), shards: Some(2), ..ReplicationGroupSeed::default() }];
    })
    .await;
    let wide = ("ReplicationGroupId", "wide");
    let got = ok(&w, "TestFailover", &[wide, ("NodeGroupId", "0002")]).await;
    assert_eq!(got.all("Status"), ["modifying", "available", "modifying"]);
    cache(&w, "TestFailover", &[wide, SHARD]).await.refused(400, "InvalidReplicationGroupState");
    ok(&w, "TestFailover", &[GROUP, SHARD]).await;
    w.handle.advance(601.0);
    let role = |shard: usize| truth(&w, "wide")["shards"][shard]["members"][0]["role"].clone();
    assert_eq!((role(0), role(1)), (json!("primary"), json!("replica")));
}

#[tokio::test]
async fn the_control_fails_over_without_the_message_of_the_api() {
    let w = world().await;
    let control = async |state: &str| w.control("POST", "redis", json!({"group": REDIS, "state": state})).await;
    assert_eq!(control("failover").await.status, 200);
    assert_eq!((status(&w, REDIS).await, &truth(&w, REDIS)["writes"]), ("modifying".into(), &json!(false)));
    assert_eq!(control("failover").await.status, 400, "one at a time");
    w.handle.advance(601.0);
    let words = events(&w, &[]).await;
    assert_eq!(words.len(), 4);
    assert!(!words.iter().any(|(_, m)| m.contains("API")));
    // It is no test: the day's fifteen are left.
    assert_eq!(tests_until_refused(&w, &["0001"], REDIS).await, 15);
}

#[tokio::test]
async fn the_control_holds_a_group_and_lets_it_go() {
    let w = world().await;
    let control = async |state: &str| w.control("POST", "redis", json!({"group": REDIS, "state": state})).await;
    assert_eq!(control("modifying").await.status, 200);
    w.handle.advance(86_400.0);
    assert_eq!(status(&w, REDIS).await, "modifying");
    assert_eq!(control("modifying").await.status, 400);
    assert_eq!(control("available").await.status, 200);
    assert_eq!(status(&w, REDIS).await, "available");
    // What a group is busy with ends at once, and wholly.
    fail(&w).await;
    assert_eq!(control("available").await.status, 200);
    let got = describe(&w, REDIS).await;
    assert_eq!((got.one("Status"), got.all("CurrentRole")), ("available".into(), vec!["replica".into(), "primary".into()]));
    assert_eq!(events(&w, &[]).await.len(), 5);
    ok(&w, "DeleteReplicationGroup", &[GROUP]).await;
    assert_eq!(control("available").await.status, 400);
    assert_eq!(status(&w, REDIS).await, "deleting");
}

#[tokio::test]
async fn events_of_the_last_hour_unless_another_time_is_asked_for() {
    let w = world().await;
    fail(&w).await;
    w.handle.advance(3601.0);
    let group = ("SourceType", "replication-group");
    assert_eq!(events(&w, &[group]).await.len(), 1, "the call itself is an hour old");
    assert_eq!(events(&w, &[group, ("Duration", "61")]).await.len(), 2);
    assert_eq!(events(&w, &[group, ("StartTime", "2026-01-05T09:00:00Z")]).await.len(), 2);
    assert_eq!(events(&w, &[("StartTime", "2026-01-05T09:00:00Z"), ("EndTime", "2026-01-05T09:00:00Z")]).await.len(), 1);
    assert_eq!(events(&w, &[("EndTime", "2026-01-05T09:00:00Z")]).await.len(), 1);
    assert_eq!(events(&w, &[group, ("StartTime", "2026-01-05T09:00:00Z"), ("Duration", "1")]).await.len(), 2);
    assert_eq!(events(&w, &[group, ("SourceIdentifier", "other"), ("Duration", "600")]).await, []);
    cache(&w, "DescribeEvents", &[("SourceIdentifier", REDIS)]).await.refused(400, "InvalidParameterCombination");
    cache(&w, "DescribeEvents", &[("SourceType", "odd")]).await.refused(400, "InvalidParameterValue");
    cache(&w, "DescribeEvents", &[("Duration", "20161")]).await.refused(400, "InvalidParameterValue");
    let turned = [("StartTime", "2026-01-05T10:00:00Z"), ("EndTime", "2026-01-05T09:00:00Z")];
    cache(&w, "DescribeEvents", &turned).await.refused(400, "InvalidParameterCombination");
    let three = [("StartTime", "2026-01-05T09:00:00Z"), ("EndTime", "2026-01-05T10:00:00Z"), ("Duration", "5")];
    cache(&w, "DescribeEvents", &three).await.refused(400, "InvalidParameterCombination");
}

#[tokio::test]
async fn events_are_kept_for_fourteen_days() {
    let w = world().await;
    fail(&w).await;
    w.handle.advance(14.0 * 86_400.0);
    let all = [("StartTime", "2026-01-01T00:00:00Z")];
    assert_eq!(events(&w, &all).await.len(), 5);
    w.handle.advance(1.0);
    assert_eq!(events(&w, &all).await.len(), 4);
    w.handle.advance(601.0);
    assert_eq!(events(&w, &all).await.len(), 0);
}

#[tokio::test]
async fn a_world_exported_in_a_failover_goes_on_as_it_would_have() {
    let (a, b) = (world().await, world().await);
    fail(&a).await;
    a.handle.advance(3.0);
    b.handle.import(a.handle.export().expect("exports")).expect("imports");
    for w in [&a, &b] {
        w.handle.advance(1000.0);
    }
    assert_eq!(a.handle.export().expect("exports"), b.handle.export().expect("exports"));
    assert_eq!(truth(&b, REDIS)["status"], "available");
}
