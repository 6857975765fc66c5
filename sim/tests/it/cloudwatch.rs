//! CloudWatch: metrics that follow the world, and alarms over them.

use fleetgate_sim::{Params, Seed, Span};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::client::{ASG, Got, World, world, world_with};

/// First instant of every world, seconds.
pub(crate) const START: i64 = 1_767_603_600;

impl World {
    /// A call in JSON.
    pub(crate) async fn cw(&self, operation: &str, body: Value) -> Got {
        let request = hyper::Request::post("/")
            .header("host", "localhost")
            .header("authorization", Self::authorization("AKIATEST", "monitoring"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"))
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("request");
        self.send(request).await.expect("answers")
    }

    /// A call in JSON that succeeds.
    pub(crate) async fn cw_ok(&self, operation: &str, body: Value) -> Value {
        let got = self.cw(operation, body).await;
        assert_eq!(got.status, 200, "{operation}: {}", got.body);
        got.json()
    }

    /// Simulated now, seconds.
    pub(crate) fn seconds(&self) -> i64 {
        self.handle.now().as_second()
    }

    /// Offers a load to the production group.
    pub(crate) async fn offer(&self, mut load: Value) {
        load["asg"] = json!(ASG);
        let got = self.control("POST", "load", load).await;
        assert_eq!(got.status, 200, "{}", got.body);
    }

    /// Values of one metric from a time on, oldest first: time and value.
    pub(crate) async fn values(&self, stat: &str, metric: Value, from: i64, period: i64) -> Vec<(i64, f64)> {
        let query = json!({"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}});
        let to = self.seconds() + 3600;
        let body = json!({"MetricDataQueries": [query], "StartTime": from, "EndTime": to, "ScanBy": "TimestampAscending"});
        let got = self.cw_ok("GetMetricData", body).await;
        let result = &got["MetricDataResults"][0];
        let numbers = |name: &str| result[name].as_array().cloned().unwrap_or_default();
        numbers("Timestamps").iter().zip(numbers("Values")).map(|(t, v)| (t.as_i64().expect("whole seconds"), v.as_f64().expect("number"))).collect()
    }

    /// The group's CPU as CloudWatch shows it.
    pub(crate) async fn cpu(&self, from: i64) -> Vec<(i64, f64)> {
        self.values("Average", cpu_metric(), from, 60).await
    }
}

/// CPU of the production group.
pub(crate) fn cpu_metric() -> Value {
    json!({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{"Name": "AutoScalingGroupName", "Value": ASG}]})
}

/// A metric of the production group's load balancer; with the target group where `targets`.
pub(crate) async fn balancer_metric(w: &World, name: &str, targets: bool) -> Value {
    let found = w.cw_ok("ListMetrics", json!({"Namespace": "AWS/ApplicationELB", "MetricName": "HealthyHostCount"})).await;
    let rows = found["Metrics"].as_array().cloned().unwrap_or_default();
    let own = rows.iter().find(|m| {
        let dimensions = m["Dimensions"].as_array().expect("list");
        dimensions.len() == 2 && dimensions.iter().any(|d| d["Value"].as_str().is_some_and(|v| v.starts_with("targetgroup/stateless-app-targets/")))
    });
    let mut dimensions = own.expect("listed")["Dimensions"].as_array().cloned().unwrap_or_default();
    dimensions.retain(|d| targets || d["Name"] == "LoadBalancer");
    json!({"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions})
}

fn set_params(seed: &mut Seed, edit: impl FnOnce(&mut Params)) {
    let mut params = Params::reference();
    edit(&mut params);
    seed.params = Some(params);
}

#[tokio::test]
async fn a_minute_is_shown_only_after_its_latency() {
    let w = world_with(7, |seed| set_params(seed, |p| p.metrics.latency = Span::new(75, 75))).await;
    w.handle.advance(134.0);
    assert_eq!(w.cpu(START).await, []);
    w.handle.advance(1.0);
    assert_eq!(w.cpu(START).await.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [START]);
}

#[tokio::test]
async fn load_follows_the_number_of_instances_that_serve() {
    let w = world().await;
    w.offer(json!({"cpu": 60})).await;
    w.handle.advance(600.0);
    let shown = w.cpu(START).await;
    assert!(shown.len() >= 7, "{shown:?}");
    assert!(shown.iter().all(|(_, v)| (57.0..63.0).contains(v)), "{shown:?}");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(1200.0);
    let from = w.seconds() - 600;
    let shown = w.cpu(from).await;
    assert!(!shown.is_empty() && shown.iter().all(|(_, v)| (28.0..32.0).contains(v)), "{shown:?}");
    let groups = w.handle.snapshot()["groups"].as_array().cloned().unwrap_or_default();
    let group = groups.into_iter().find(|g| g["name"] == ASG).expect("there");
    assert!((28.0..32.0).contains(&group["cpu"].as_f64().expect("number")), "{group}");
}

#[tokio::test]
async fn cpu_is_clipped_and_idles_at_a_few_percent() {
    let w = world().await;
    w.handle.advance(600.0);
    let idle = w.cpu(START).await;
    assert!(idle.iter().all(|(_, v)| (0.5..7.0).contains(v)), "{idle:?}");
    assert!(idle.windows(2).any(|w| w[0].1.to_bits() != w[1].1.to_bits()), "there is noise");
    assert_eq!(idle, w.cpu(START).await, "and it is always the same");
    w.offer(json!({"cpu": 250})).await;
    w.handle.advance(600.0);
    let from = w.seconds() - 400;
    let maximum = w.values("Maximum", cpu_metric(), from, 60).await;
    assert!(!maximum.is_empty() && maximum.iter().all(|(_, v)| v.to_bits() == 100f64.to_bits()), "{maximum:?}");
    for bad in [json!({"asg": ASG, "cpu": -1}), json!({"asg": ASG, "cpu": 5, "error_rate": 2}), json!({"asg": ASG, "cpu": 5, "wait": 1})] {
        assert_eq!(w.control("POST", "load", bad).await.status, 400);
    }
}

#[tokio::test]
async fn without_detailed_monitoring_there_is_a_datapoint_each_five_minutes() {
    let w = world_with(7, |seed| {
        for template in &mut seed.templates {
            template.versions[0].data.remove("Monitoring.Enabled");
        }
    })
    .await;
    w.handle.advance(1800.0);
    let times: Vec<i64> = w.cpu(START).await.into_iter().map(|(t, _)| t).collect();
    assert!(times.len() >= 4, "{times:?}");
    assert!(times.iter().all(|t| t % 300 == 0), "{times:?}");
    let checks = json!({"Namespace": "AWS/EC2", "MetricName": "StatusCheckFailed", "Dimensions": cpu_metric()["Dimensions"]});
    assert!(w.values("Sum", checks, START, 60).await.len() > 20, "status checks are free and each minute");
}

#[tokio::test]
async fn counts_are_absent_when_zero_and_there_when_a_target_is_sick() {
    let w = world_with(7, |seed| seed.groups[0].health_check = "EC2".into()).await;
    w.handle.advance(1800.0);
    let (requests, errors) = (balancer_metric(&w, "RequestCount", false).await, balancer_metric(&w, "HTTPCode_Target_5XX_Count", true).await);
    let times = balancer_metric(&w, "TargetResponseTime", true).await;
    assert_eq!(w.values("Sum", requests.clone(), START, 60).await, []);
    assert_eq!(w.values("p99", times.clone(), START, 60).await, []);
    w.offer(json!({"cpu": 20, "requests_per_second": 50, "latency_seconds": 0.2})).await;
    let loaded = w.seconds();
    w.handle.advance(600.0);
    let count = w.values("Sum", requests.clone(), loaded, 60).await;
    assert!(count.len() >= 7 && count.iter().all(|(_, n)| (2800.0..3200.0).contains(n)), "{count:?}");
    assert_eq!(w.values("Sum", errors.clone(), START, 60).await, [], "nobody failed");
    let (average, tail) = (w.values("Average", times.clone(), loaded, 60).await, w.values("p99", times, loaded, 60).await);
    assert!(average.iter().all(|(_, s)| (0.17..0.23).contains(s)), "{average:?}");
    assert!(average.iter().zip(&tail).all(|(a, t)| t.1 > 2.0 * a.1), "{tail:?}");
    // Sick, but in rotation until three checks have failed; then the other one answers all.
    let id = w.truth()[0]["id"].as_str().expect("id").to_owned();
    w.control("POST", &format!("instances/{id}/sicken"), json!({})).await;
    let sick = w.seconds();
    w.handle.advance(900.0);
    let failed = w.values("Sum", errors.clone(), sick, 60).await;
    assert!((1..=3).contains(&failed.len()), "{failed:?}");
    assert!(failed.iter().any(|(_, n)| *n > 1000.0), "{failed:?}");
    let well = balancer_metric(&w, "HealthyHostCount", true).await;
    let hosts = w.values("Minimum", well, sick, 60).await;
    assert_eq!(hosts.last().map(|(_, n)| *n as i64), Some(1), "{hosts:?}");
    let ill = balancer_metric(&w, "UnHealthyHostCount", true).await;
    assert_eq!(w.values("Maximum", ill, sick, 60).await.last().map(|(_, n)| *n as i64), Some(1));
    // All unhealthy: fail open, everything fails.
    let id = w.truth()[1]["id"].as_str().expect("id").to_owned();
    w.control("POST", &format!("instances/{id}/sicken"), json!({})).await;
    w.handle.advance(900.0);
    let from = w.seconds() - 400;
    let failed = w.values("Sum", errors, from, 60).await;
    assert!(failed.len() >= 3 && failed.iter().all(|(_, n)| *n > 2800.0), "{failed:?}");
    let by_balancer = w.values("Sum", balancer_metric(&w, "HTTPCode_Target_5XX_Count", false).await, from, 60).await;
    assert_eq!(by_balancer, failed, "the only group with traffic is all of the load balancer's");
}

#[tokio::test]
async fn group_metrics_exist_only_while_collection_is_enabled() {
    let w = world_with(7, |seed| {
        set_params(seed, |p| p.pending_to_running = Span::new(60, 60));
        seed.groups[0].enabled_metrics = vec!["GroupDesiredCapacity".into(), "GroupInServiceInstances".into(), "GroupPendingInstances".into()];
    })
    .await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(900.0);
    let metric = |name: &str| json!({"Namespace": "AWS/AutoScaling", "MetricName": name, "Dimensions": cpu_metric()["Dimensions"]});
    let of = async |name: &str| w.values("Maximum", metric(name), START, 60).await.into_iter().map(|(_, n)| n as i64).collect::<Vec<_>>();
    assert!(of("GroupDesiredCapacity").await.iter().all(|n| *n == 3));
    let serving = of("GroupInServiceInstances").await;
    assert_eq!((serving.first(), serving.last()), (Some(&2), Some(&3)), "{serving:?}");
    assert!(of("GroupPendingInstances").await.contains(&1));
    assert_eq!(of("GroupMinSize").await, [0i64; 0]);
}

#[tokio::test]
async fn credits_are_earned_idle_and_spent_under_load() {
    let w = world().await;
    w.handle.advance(3600.0);
    let id = w.truth()[0]["id"].clone();
    let balance = json!({"Namespace": "AWS/EC2", "MetricName": "CPUCreditBalance", "Dimensions": [{"Name": "InstanceId", "Value": id}]});
    let earned = w.values("Average", balance.clone(), START, 300).await;
    assert!(earned.len() > 8 && earned.windows(2).all(|w| w[1].1 > w[0].1 || w[1].1 > 287.0), "{earned:?}");
    w.offer(json!({"cpu": 90})).await;
    w.handle.advance(3600.0);
    let spent = w.values("Average", balance, START + 4200, 300).await;
    assert!(spent.len() > 6 && spent.windows(2).all(|w| w[1].1 < w[0].1), "{spent:?}");
}

#[tokio::test]
async fn a_node_of_a_cache_publishes_and_only_the_replica_lags() {
    let w = world().await;
    w.handle.advance(600.0);
    let of = async |name: &str, node: &str| {
        let metric = json!({"Namespace": "AWS/ElastiCache", "MetricName": name, "Dimensions": [{"Name": "CacheClusterId", "Value": node}]});
        w.values("Average", metric, START, 60).await
    };
    assert!(of("EngineCPUUtilization", "stateless-app-redis-001").await.len() > 6);
    assert_eq!(of("ReplicationLag", "stateless-app-redis-001").await, []);
    assert!(!of("ReplicationLag", "stateless-app-redis-002").await.is_empty());
    assert_eq!(of("IsMaster", "stateless-app-redis-002").await[0].1 as i64, 0);
    assert_eq!(of("CPUUtilization", "no-such-node").await, []);
    w.control("POST", "redis", json!({"group": "stateless-app-redis", "state": "failover"})).await;
    w.handle.advance(2400.0);
    let master = of("IsMaster", "stateless-app-redis-002").await;
    assert_eq!((master[0].1 as i64, master.last().map(|(_, n)| *n as i64)), (0, Some(1)), "roles swap: {master:?}");
    let lost = of("CPUUtilization", "stateless-app-redis-001").await;
    assert!(lost.windows(2).any(|w| w[1].0 - w[0].0 > 60), "a lost node says nothing: {lost:?}");
}

#[tokio::test]
async fn an_instance_that_is_gone_has_left_its_datapoints() {
    let w = world().await;
    let id = w.truth()[0]["id"].as_str().expect("id").to_owned();
    w.handle.kill(&id).expect("known");
    w.handle.advance(7200.0);
    assert!(w.handle.snapshot()["instances"].as_array().expect("list").iter().all(|i| i["id"] != id.as_str()));
    let metric = json!({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId", "Value": id}]});
    let shown = w.values("Average", metric, START - 600, 60).await;
    assert_eq!(shown.len(), 10, "until it ended, and not one more: {shown:?}");
}

#[tokio::test]
async fn old_datapoints_have_the_grain_of_their_age() {
    let w = world().await;
    w.handle.advance(17.0 * 86_400.0);
    let count = async |period: i64| w.values("Average", cpu_metric(), START, period).await.into_iter().filter(|(t, _)| *t < START + 86_400).count();
    assert_eq!((count(60).await, count(300).await), (0, 288), "a minute's are kept 15 days");
    w.handle.advance(50.0 * 86_400.0);
    assert_eq!((count(300).await, count(3600).await), (0, 24), "five minutes' are kept 63 days");
}
