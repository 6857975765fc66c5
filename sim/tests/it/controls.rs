//! The controls, and the cost of time.

use fleetgate_sim::{ClockMode, Handle, Seed, Sim, SimConfig, StackNames};
use serde_json::json;

use crate::client::{answered, ask, exchange, local, world};

#[tokio::test]
async fn bad_controls_name_the_field() {
    let w = world().await;
    for (method, path, body, words) in [
        ("POST", "clock", json!({}), "advance_seconds, speed"),
        ("POST", "clock", json!({"advance_seconds": -1.0}), "advance_seconds"),
        ("POST", "images", json!({"repository": "none", "tag": "x"}), "repository"),
        ("POST", "images", json!({"tag": "x"}), "repository"),
        ("POST", "load", json!({"asg": "none", "cpu": 5}), "asg"),
        ("POST", "capacity", json!({"az": "moon", "instances": 0}), "az"),
        ("POST", "redis", json!({"group": "stateless-app-redis", "state": "odd"}), "state"),
        ("POST", "instances/i-0/kill", json!({}), "instance"),
        ("POST", "instances/i-0/heal", json!({}), "instance"),
        ("GET", "nowhere", json!({}), "path"),
        ("GET", "world?size=1", json!({}), "size"),
        ("GET", "calls?until=1", json!({}), "until"),
        ("GET", "calls?since=-1", json!({}), "since"),
        ("GET", "calls?since=18446744073709551616", json!({}), "since"),
        ("GET", "calls?since=1&since=2", json!({}), "since"),
    ] {
        let got = w.control(method, path, body).await;
        assert!((400..500).contains(&got.status));
        assert!(got.json()["error"].as_str().is_some_and(|e| e.contains(words)), "{path}: {}", got.body);
    }
    assert_eq!(w.control("GET", "world", json!({})).await.json()["account"], "123456789012");
    assert_eq!(w.control("GET", "calls?since=0", json!({})).await.json()["calls"], json!([]));
}

/// A control as it stands on the wire.
fn post(handle: &fleetgate_sim::Handle, path: &str, body: &str) -> (u16, String) {
    let request = hyper::Request::post(format!("/_sim/{path}")).body(body.to_owned()).expect("request");
    let got = answered(exchange(handle, request));
    (got.status, got.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_wrong_field_of_every_control_is_named() {
    let h = local(7, |_| {});
    let id = h.snapshot()["instances"][0]["id"].as_str().unwrap_or_default().to_owned();
    let rule = |more: &str| format!(r#"{{"service":"ec2","operation":"*","kind":"slow","rate":1{more}}}"#);
    let image = |more: &str| format!(r#"{{"repository":"stateless-app","tag":"x"{more}}}"#);
    let rows: Vec<(String, String, &str)> = vec![
        ("clock", r#"{"advance_seconds":1,"speed":1}"#.to_owned(), "advance_seconds, speed"),
        ("clock", r#"{"advance_seconds":-0.001}"#.to_owned(), "advance_seconds"),
        ("clock", r#"{"advance_seconds":31536001}"#.to_owned(), "advance_seconds"),
        ("clock", r#"{"advance_seconds":1e999}"#.to_owned(), "advance_seconds"),
        ("clock", r#"{"advance_seconds":NaN}"#.to_owned(), "advance_seconds"),
        ("clock", r#"{"advance_seconds":"60"}"#.to_owned(), "advance_seconds"),
        ("clock", r#"{"speed":-1}"#.to_owned(), "speed"),
        ("clock", r#"{"speed":1e300}"#.to_owned(), "speed"),
        ("clock", r#"{"advance":1}"#.to_owned(), "advance"),
        ("clock", "[]".to_owned(), "body"),
        ("clock", "".to_owned(), "body"),
        ("clock", r#"{"speed":1} x"#.to_owned(), "body"),
        ("faults", rule(r#","seconds":-1"#), "seconds"),
        ("faults", rule(r#","seconds":121"#), "seconds"),
        ("faults", rule(r#","seconds":9223372036854775807"#), "seconds"),
        ("faults", rule(r#","seconds":1.5"#), "seconds"),
        ("faults", rule(r#","seed":-1"#), "seed"),
        ("faults", rule(r#","count":18446744073709551616"#), "count"),
        ("faults", rule(r#","client":"x""#), "client"),
        ("faults", r#"{"service":"ec2","operation":"*","kind":"throttle","rate":-0.1}"#.to_owned(), "rate"),
        ("faults", r#"{"service":"ec2","operation":"*","kind":"throttle","rate":1e400}"#.to_owned(), "rate"),
        ("faults", r#"{"service":"ec2","operation":"*","kind":"throttle"}"#.to_owned(), "rate"),
        ("faults", r#"{"service":"ec2","operation":"*","kind":"odd","rate":1}"#.to_owned(), "kind"),
        ("faults", r#"{"service":"","operation":"*","kind":"throttle","rate":1}"#.to_owned(), "service"),
        ("faults", r#"{"service":"ec2","operation":"Describe*","kind":"throttle","rate":1}"#.to_owned(), "operation"),
        ("faults", r#"{"service":"ec2","operation":"*","kind":"stale","rate":1,"seconds":86401}"#.to_owned(), "seconds"),
        ("buckets", "{}".to_owned(), "on"),
        ("buckets", r#"{"on":1}"#.to_owned(), "on"),
        ("buckets", r#"{"on":true,"scale":0}"#.to_owned(), "scale"),
        ("buckets", r#"{"on":true,"scale":-1}"#.to_owned(), "scale"),
        ("buckets", r#"{"on":true,"scale":1e308}"#.to_owned(), "scale"),
        ("images", image(r#","boot_seconds":-1"#), "boot_seconds"),
        ("images", image(r#","boot_seconds":9223372036854775807"#), "boot_seconds"),
        ("images", image(r#","behaviour":"crash_after:9223372036854775807""#), "behaviour"),
        ("images", image(r#","behaviour":"crash_after:-1""#), "behaviour"),
        ("images", image(r#","behaviour":"flaky:NaN""#), "behaviour"),
        ("images", image(r#","behaviour":"flaky:1.01""#), "behaviour"),
        ("images", image(r#","behavior":"ok""#), "behavior"),
        ("images", r#"{"repository":"stateless-app","tag":""}"#.to_owned(), "tag"),
        ("images", r#"{"repository":"stateless-app","tag":"a b"}"#.to_owned(), "tag"),
        ("images", r#"{"repository":"stateless-app","tag":".a"}"#.to_owned(), "tag"),
        ("capacity", r#"{"az":"ap-south-1a","instances":-1}"#.to_owned(), "instances"),
        ("capacity", r#"{"az":"ap-south-1a","instances":1.5}"#.to_owned(), "instances"),
        ("load", r#"{"asg":"stateless-app-asg","cpu":10001}"#.to_owned(), "cpu"),
        ("load", r#"{"asg":"stateless-app-asg","cpu":-1}"#.to_owned(), "cpu"),
        ("redis", r#"{"group":"none","state":"available"}"#.to_owned(), "group"),
    ]
    .into_iter()
    .map(|(path, body, word)| (path.to_owned(), body, word))
    .chain(["kill", "sicken", "heal"].map(|act| (format!("instances/{id}/{act}"), r#"{"force":true}"#.to_owned(), "force")))
    .collect();
    let before = h.export().expect("exports");
    for (path, body, word) in rows {
        let (status, error) = post(&h, &path, &body);
        assert_eq!(status, 400, "{path} {body}");
        assert!(error.starts_with(&format!("{word}: ")), "{path} {body}: {error}");
    }
    assert_eq!(h.export().expect("exports"), before, "and nothing was done");
}

#[test]
fn time_has_an_end_and_stops_there() {
    let h = local(7, |_| {});
    h.advance(f64::NAN);
    h.advance(-5.0);
    assert_eq!(h.now().to_string(), "2026-01-05T09:00:00Z");
    h.set_speed(Some(f64::INFINITY));
    h.set_speed(Some(f64::NAN));
    h.set_speed(None);
    let end = h.now();
    assert!(end.to_string().starts_with("2026") || end.to_string().starts_with("9892"));
    let late = local(7, |s| {
        s.groups.clear();
        s.params = None;
    });
    late.advance(f64::INFINITY);
    assert!(late.now().to_string().starts_with("9892"));
    let (status, error) = post(&late, "clock", r#"{"advance_seconds":60}"#);
    assert_eq!((status, error.as_str()), (400, "advance_seconds: the clock ends in the year 9892"));
    assert_eq!(ask(&late, "autoscaling", "DescribeAutoScalingGroups", &[]).status, 200);
}

#[test]
fn rules_are_bounded() {
    let h = local(7, |_| {});
    let rule = r#"{"service":"ec2","operation":"*","kind":"throttle","rate":0}"#;
    let statuses: Vec<u16> = (0..1001).map(|_| post(&h, "faults", rule).0).collect();
    assert!(statuses[..1000].iter().all(|s| *s == 200));
    assert_eq!(statuses[1000], 400);
}

#[test]
fn the_call_log_begins_after_the_number_asked_for() {
    let h = local(7, |_| {});
    let names: Vec<String> = (0..150).map(|n| format!("Names.member.{n}")).collect();
    let params: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    for _ in 0..12 {
        ask(&h, "elasticloadbalancing", "DescribeTargetGroups", &params);
    }
    let calls = h.calls_since(10);
    assert_eq!(calls.iter().map(|c| c.seq).collect::<Vec<_>>(), [11, 12]);
    assert_eq!((calls[0].params.len(), calls[0].params["…"].as_str()), (101, "50 more"));
    let list = hyper::Request::get("/_sim/calls?since=10").body(String::new()).expect("request");
    let rows = answered(exchange(&h, list)).json();
    assert_eq!((rows["gone"].as_u64(), rows["calls"].as_array().map(Vec::len)), (Some(0), Some(2)));
    assert_eq!((h.calls_gone(0), h.calls_since(u64::MAX).len()), (0, 0));
}

#[test]
fn a_request_that_names_no_service_has_a_request_id_of_its_own_and_no_row() {
    let h = local(7, |_| {});
    let bare = || match exchange(&h, hyper::Request::post("/").body("Action=X".to_owned()).expect("request")) {
        fleetgate_sim::Exchange::Answer(a) => a.headers()["x-amzn-requestid"].to_str().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    let (one, other) = (bare(), bare());
    assert_ne!(one, other);
    ask(&h, "ec2", "DescribeVpcs", &[]);
    let calls = h.calls_since(0);
    assert_eq!((calls.len(), calls[0].seq), (1, 1));
    assert!(calls[0].request_id != one && calls[0].request_id != other);
}

#[tokio::test]
async fn the_index_lists_what_there_is() {
    let w = world().await;
    let index = w.control("GET", "", json!({})).await.json();
    let rows = index["controls"].as_array().cloned().unwrap_or_default();
    assert!(rows.len() > 10);
    for row in rows {
        let (Some(method), Some(path)) = (row["method"].as_str(), row["path"].as_str()) else {
            panic!("{row}");
        };
        let path = path.strip_prefix("/_sim/").unwrap_or_default();
        let got = w.control(method, path, json!({})).await;
        let error = got.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(!error.starts_with("path:") && !error.starts_with("method:"), "{method} {path}: {error}");
        assert_eq!(w.control("PATCH", path, json!({})).await.status, 405, "{path}");
    }
}

#[tokio::test]
async fn every_name_can_be_another_one() {
    for seed in [1, 2, 3] {
        let names = StackNames::random(seed);
        let start = "2026-01-05T09:00:00Z".parse().expect("instant");
        let config = SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed, world: Seed::target_stack(&names) };
        let running = Sim::start(config).await.expect("starts");
        let text = running.world().snapshot().to_string();
        assert!(text.contains(&names.production) && !text.contains("stateless-app"));
        running.stop().await;
    }
}

/// Wakes that come due in so many seconds, as the exported agenda tells them.
fn wakes(handle: &Handle, seconds: i64) -> usize {
    let end = handle.now().as_millisecond() + seconds * 1000;
    let mut count = 0;
    loop {
        let agenda = handle.export().expect("exports")["agenda"].as_array().cloned().unwrap_or_default();
        let times: Vec<i64> = agenda.iter().filter_map(|row| row[0].as_i64()).collect();
        let next = times.iter().copied().min().map_or(end, |at| at.min(end));
        count += times.iter().filter(|at| **at == next && next < end).count();
        handle.advance((next - handle.now().as_millisecond()) as f64 / 1000.0);
        if next == end {
            return count;
        }
    }
}

/// A world does what is due and no more: nothing is looked at while nothing happens to it.
#[test]
fn time_is_cheap() {
    let h = local(7, |_| {});
    wakes(&h, 3600);
    assert_eq!(wakes(&h, 86_400), 0, "a quiet day");
    let snapshot = h.snapshot();
    h.sicken(snapshot["instances"][0]["id"].as_str().unwrap_or_default()).expect("known");
    let busy = wakes(&h, 7200);
    assert!((5..=30).contains(&busy), "one is replaced: {busy}");
    assert_eq!(wakes(&h, 86_400), 0, "a quiet day again");
}
