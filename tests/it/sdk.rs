//! The Rust SDKs of services that the product does not call yet, against the simulator: CloudWatch speaks CBOR in Rust alone, and S3
//! sends checksums as no other client does.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, StandardUnit, StateValue, Statistic, StatusCode,
};
use aws_sdk_s3::primitives::ByteStream;

use fleetgate_sim::{ClockMode, Params, Running, Seed, Sim, SimConfig, StackNames};

const START: i64 = 1_790_000_040;

async fn sim() -> (Running, StackNames) {
    let names = StackNames::random(41);
    let mut world = Seed::target_stack(&names);
    world.params = Some(Params::reference());
    let start = jiff::Timestamp::from_second(START).unwrap();
    let config = SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed: 41, world };
    (Sim::start(config).await.unwrap(), names)
}

/// Settings that every service's builder takes.
macro_rules! client {
    ($service:ident, $sim:expr, $region:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .endpoint_url(format!("http://{}", $sim.addr))
                .region($service::config::Region::new($region.clone()))
                .credentials_provider($service::config::Credentials::new("AKIATEST", "test", None, None, "test"))
                .retry_config($service::config::retry::RetryConfig::disabled())
                .build(),
        )
    };
}

fn at(seconds: i64) -> DateTime {
    DateTime::from_secs(seconds)
}

#[tokio::test]
async fn cloudwatch_by_cbor() {
    let (sim, names) = sim().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, sim, names.region);
    sim.world().advance(1800.0);
    let now = START + 1800;
    let group = Dimension::builder().name("AutoScalingGroupName").value(&names.production).build();
    let metric = Metric::builder().namespace("AWS/EC2").metric_name("CPUUtilization").dimensions(group.clone()).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Average").build();
    let query = MetricDataQuery::builder().id("cpu").metric_stat(stat).return_data(true).build();
    let data = cloudwatch.get_metric_data().metric_data_queries(query).start_time(at(now - 900)).end_time(at(now - 180)).send().await.unwrap();
    let row = &data.metric_data_results()[0];
    assert_eq!((row.id(), row.status_code()), (Some("cpu"), Some(&StatusCode::Complete)));
    assert_eq!((row.values().len(), row.timestamps().len()), (12, 12), "a value a minute, times as CBOR's tag 1");
    assert!(row.values().iter().all(|v| (0.0..=100.0).contains(v)), "{:?}", row.values());
    assert!(row.timestamps().windows(2).all(|w| w[0] > w[1]), "newest first unless asked otherwise");

    let statistics = cloudwatch
        .get_metric_statistics()
        .namespace("AWS/EC2")
        .metric_name("CPUUtilization")
        .dimensions(group.clone())
        .start_time(at(now - 900))
        .end_time(at(now - 180))
        .period(300)
        .statistics(Statistic::Average)
        .statistics(Statistic::Maximum)
        .send()
        .await
        .unwrap();
    assert!(statistics.datapoints().iter().all(|d| d.average().is_some() && d.maximum() >= d.average() && d.unit() == Some(&StandardUnit::Percent)));

    let listed = cloudwatch
        .list_metrics()
        .namespace("AWS/EC2")
        .dimensions(aws_sdk_cloudwatch::types::DimensionFilter::builder().name("AutoScalingGroupName").value(&names.production).build())
        .send()
        .await
        .unwrap();
    assert!(listed.metrics().iter().any(|m| m.metric_name() == Some("CPUUtilization")));

    cloudwatch
        .put_metric_alarm()
        .alarm_name("busy")
        .namespace("AWS/EC2")
        .metric_name("CPUUtilization")
        .dimensions(group)
        .statistic(Statistic::Average)
        .period(60)
        .evaluation_periods(1)
        .threshold(99.5)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .send()
        .await
        .unwrap();
    let alarms = cloudwatch.describe_alarms().alarm_names("busy").alarm_types(AlarmType::MetricAlarm).send().await.unwrap();
    let alarm = &alarms.metric_alarms()[0];
    assert_eq!((alarm.state_value(), alarm.threshold()), (Some(&StateValue::InsufficientData), Some(99.5)));
    sim.world().advance(300.0);
    let alarms = cloudwatch.describe_alarms().alarm_names("busy").send().await.unwrap();
    assert_eq!(alarms.metric_alarms()[0].state_value(), Some(&StateValue::Ok));
    let history = cloudwatch.describe_alarm_history().alarm_name("busy").send().await.unwrap();
    assert!(history.alarm_history_items().len() >= 2, "created, and a change of state");

    // Above ten KiB the SDK compresses this one.
    let many: Vec<MetricDatum> = (0..300)
        .map(|n| {
            MetricDatum::builder().metric_name(format!("Depth{n}")).value(f64::from(n)).timestamp(at(now + 60)).unit(StandardUnit::Count).build()
        })
        .collect();
    cloudwatch.put_metric_data().namespace("Shop").set_metric_data(Some(many)).send().await.unwrap();
    // A new metric is listed up to a quarter of an hour late.
    sim.world().advance(900.0);
    let listed = cloudwatch.list_metrics().namespace("Shop").metric_name("Depth299").send().await.unwrap();
    assert_eq!(listed.metrics().len(), 1);

    let error = cloudwatch.describe_alarms().next_token("not a token").send().await.unwrap_err();
    assert!(
        error.as_service_error().is_some_and(aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsError::is_invalid_next_token),
        "{error:?}"
    );
}

#[tokio::test]
async fn elasticache_and_its_failover() {
    let (sim, names) = sim().await;
    let cache = client!(aws_sdk_elasticache, sim, names.region);
    let group = || cache.describe_replication_groups().replication_group_id(&names.redis).send();
    let primary = |g: &aws_sdk_elasticache::types::ReplicationGroup| {
        let members = g.node_groups()[0].node_group_members();
        members.iter().find(|m| m.current_role() == Some("primary")).and_then(|m| m.cache_cluster_id()).map(str::to_owned)
    };
    let before = group().await.unwrap();
    let before = &before.replication_groups()[0];
    assert_eq!((before.status(), before.node_groups()[0].node_group_members().len()), (Some("available"), 2));
    cache.test_failover().replication_group_id(&names.redis).node_group_id("0001").send().await.unwrap();
    let during = group().await.unwrap();
    assert_eq!(during.replication_groups()[0].status(), Some("modifying"));
    sim.world().advance(3600.0);
    let after = group().await.unwrap();
    let after = &after.replication_groups()[0];
    assert_eq!(after.status(), Some("available"));
    assert_ne!(primary(before), primary(after), "the roles changed places");
    let events = cache.describe_events().duration(120).send().await.unwrap();
    assert!(events.events().iter().any(|e| e.message() == Some("Test Failover API called for node group 0001")), "{events:?}");
    let unknown = cache.describe_replication_groups().replication_group_id("nothing").send().await.unwrap_err();
    assert!(unknown.as_service_error().is_some_and(
        aws_sdk_elasticache::operation::describe_replication_groups::DescribeReplicationGroupsError::is_replication_group_not_found_fault
    ));
}

#[tokio::test]
async fn s3_with_the_sdk_s_checksums() {
    let (sim, names) = sim().await;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .endpoint_url(format!("http://{}", sim.addr))
        .region(aws_sdk_s3::config::Region::new(names.region.clone()))
        .credentials_provider(aws_sdk_s3::config::Credentials::new("AKIATEST", "test", None, None, "test"))
        .force_path_style(true)
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    s3.head_bucket().bucket(&names.bucket).send().await.unwrap();
    let body: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    s3.put_object().bucket(&names.bucket).key("notes/one two+three.txt").body(ByteStream::from(body.clone())).send().await.unwrap();
    let got = s3.get_object().bucket(&names.bucket).key("notes/one two+three.txt").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), body.as_slice());
    let listed = s3.list_objects_v2().bucket(&names.bucket).prefix("notes/").send().await.unwrap();
    assert_eq!(listed.contents()[0].size(), Some(200_000));
    let block = s3.get_public_access_block().bucket(&names.bucket).send().await.unwrap();
    let block = block.public_access_block_configuration().unwrap();
    assert_eq!(
        [block.block_public_acls(), block.ignore_public_acls(), block.block_public_policy(), block.restrict_public_buckets()],
        [Some(true); 4]
    );
    let rules = s3.get_bucket_encryption().bucket(&names.bucket).send().await.unwrap();
    assert!(format!("{rules:?}").contains("Aes256"), "{rules:?}");
    let missing = s3.get_object().bucket(&names.bucket).key("nothing").send().await.unwrap_err();
    assert!(missing.as_service_error().is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key));
}

#[tokio::test]
async fn iam_from_any_region() {
    let (sim, names) = sim().await;
    let iam = client!(aws_sdk_iam, sim, names.region);
    let role = iam.get_role().role_name(&names.role).send().await.unwrap();
    assert!(role.role().is_some_and(|r| r.arn().ends_with(&format!(":role/{}", names.role))));
    let missing = iam.get_role().role_name("nobody").send().await.unwrap_err();
    assert!(missing.as_service_error().is_some_and(aws_sdk_iam::operation::get_role::GetRoleError::is_no_such_entity_exception));
}
