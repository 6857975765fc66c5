//! The controls, and the cost of time.

use fleetgate_sim::{ClockMode, Params, Seed, Sim, SimConfig, StackNames};
use serde_json::json;

use crate::client::world;

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
        ("GET", "nowhere", json!({}), "path"),
    ] {
        let got = w.control(method, path, body).await;
        assert!((400..500).contains(&got.status));
        assert!(got.json()["error"].as_str().is_some_and(|e| e.contains(words)), "{path}: {}", got.body);
    }
    assert_eq!(w.control("GET", "world", json!({})).await.json()["account"], "123456789012");
    assert_eq!(w.control("GET", "calls?since=0", json!({})).await.json()["calls"], json!([]));
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

/// A hundred busy groups over half an hour stay cheap.
#[tokio::test]
async fn time_is_cheap() {
    let mut seed = Seed::target_stack(&StackNames::default());
    seed.params = Some(Params::reference());
    for n in 0..97 {
        let mut group = seed.groups[0].clone();
        group.name = format!("group-{n}");
        let mut targets = seed.target_groups[0].clone();
        targets.name = format!("targets-{n}");
        group.target_groups = vec![targets.name.clone()];
        seed.target_groups.push(targets);
        seed.groups.push(group);
    }
    let start = "2026-01-05T09:00:00Z".parse().expect("instant");
    let config = SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed: 1, world: seed };
    let running = Sim::start(config).await.expect("starts");
    let handle = running.world();
    let quiet = std::time::Instant::now();
    handle.advance(1800.0);
    let quiet = quiet.elapsed();
    assert!(quiet.as_millis() < 50, "{quiet:?}");
    let ids: Vec<String> =
        handle.snapshot()["instances"].as_array().into_iter().flatten().filter_map(|i| i["id"].as_str().map(str::to_owned)).collect();
    for id in ids.iter().step_by(2) {
        handle.sicken(id).expect("known");
    }
    let busy = std::time::Instant::now();
    handle.advance(1800.0);
    let busy = busy.elapsed();
    assert!(busy.as_millis() < 1000, "{busy:?}");
}
