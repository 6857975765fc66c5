//! What the proofs share: how many cases a form runs, drawn numbers, quick groups, and requests that meet a sick AWS.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use fleetgate::aws::{Aws, AwsConfig, Priority};
use fleetgate::domain::access::{Actor, Role};
use fleetgate::domain::application::Application;
use fleetgate::domain::observation::LaunchSource;
use fleetgate::domain::strategy::{StrategyChoice, preferences};
use fleetgate_sim::{Params, Seed, Span, StackNames};

use crate::harness::{APP, Answer, As, TestApp, aws_config};

/// Cases of a form: the short one in the ordinary run, the long one with FLEETGATE_TEST_LONG=1; FLEETGATE_TEST_COUNT names another
/// count (docs/proofs-engine.md).
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
pub(crate) fn cases(short: usize, long: usize) -> usize {
    if let Ok(count) = std::env::var("FLEETGATE_TEST_COUNT") {
        return count.parse().expect("FLEETGATE_TEST_COUNT is a number");
    }
    if std::env::var("FLEETGATE_TEST_LONG").is_ok_and(|v| v == "1") { long } else { short }
}

/// The one seed that FLEETGATE_TEST_ONE asks for, to replay it alone.
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
pub(crate) fn one() -> Option<u64> {
    std::env::var("FLEETGATE_TEST_ONE").ok().map(|seed| seed.parse().expect("FLEETGATE_TEST_ONE is a seed"))
}

/// SplitMix64: drawn numbers, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Stirred once: the state goes up by the same step with every number, so that neighbouring seeds would draw the same ones, one later.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Self(seed).next())
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(u64::try_from(high - low + 1).unwrap())).unwrap()
    }
    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// A copy of staging under another name whose parts are quick: a change takes minutes of simulated time, so that many fit a test.
pub(crate) fn quick(world: &mut Seed, names: &StackNames, name: &str, (min, desired, max): (i64, i64, i64)) {
    let mut group = world.groups.iter().find(|g| g.name == names.staging).cloned().unwrap();
    let mut template = world.templates.iter().find(|t| t.name == names.staging_template).cloned().unwrap();
    let mut targets = world.target_groups.iter().find(|t| t.name == names.staging_targets).cloned().unwrap();
    (group.min, group.desired, group.max) = (min, desired, max);
    group.name = name.into();
    template.name = format!("{name}-template");
    targets.name = format!("{name}-targets");
    (targets.interval, targets.timeout, targets.deregistration_delay) = (5, 2, 5);
    group.template = Some(template.name.clone());
    group.target_groups = vec![targets.name.clone()];
    group.warmup = Some(10);
    world.groups.push(group);
    world.templates.push(template);
    world.target_groups.push(targets);
}

/// Timings at the short end; every undocumented choice stays the seed's.
pub(crate) fn quick_times(world: &mut Seed, seed: u64) {
    world.params = Some(Params {
        scale_delay: Span::new(1, 3),
        refresh_pending: Span::new(1, 5),
        pending_to_running: Span::new(2, 5),
        running_to_in_service: Span::new(2, 5),
        target_initial: Span::new(1, 3),
        boot: Span::new(5, 10),
        shutdown: Span::new(5, 10),
        control_loop: Span::new(3, 5),
        ..Params::draw(seed)
    });
}

/// Adopts a group as an environment with a bake of none and a boot budget of a minute, into the application, which is made where there is
/// none yet. By the machine's own administrator, so that no test needs people whom it does not ask anything.
pub(crate) async fn adopt(t: &TestApp, env: &str, asg: &str, protected: bool, policy: Value) {
    let mut rules = json!({"max_ceiling": 50, "bake_seconds": 0, "boot_budget_seconds": 60});
    for (k, v) in policy.as_object().into_iter().flatten() {
        rules[k] = v.clone();
    }
    let (n, host) = (&t.names, Actor::host("test"));
    if t.app.store.list_applications().await.unwrap().is_empty() {
        t.app.create_application(&host, Application { name: APP.into(), repository: n.repository.clone() }).await.unwrap();
    }
    let body = json!({
        "name": env, "protected": protected, "region": n.region, "asg": asg, "external_id": n.external_id,
        "role_arn": format!("arn:aws:iam::{}:role/{}", n.account, n.role), "policy": rules,
    });
    Box::pin(t.app.adopt(&host, APP, serde_json::from_value(body).unwrap())).await.unwrap();
}

/// People, each with one role everywhere.
pub(crate) async fn people(t: &TestApp, people: &[(&str, Role)]) {
    for (name, role) in people {
        t.person(name, &[("*", *role)]).await;
    }
}

/// The product with other timeouts towards AWS; everything else stays.
pub(crate) async fn with_patience(t: &mut TestApp, attempt: Duration, operation: Duration) {
    let config = AwsConfig { attempt_timeout: attempt, operation_timeout: operation, tripwire: t.app.store.tripwire(), ..aws_config(&t.sim) };
    t.app.aws = Aws::connect(config, t.app.clocks.clone()).await;
    t.rewire();
}

/// Asks for a change until AWS lets it be planned: each 503 says that nothing was changed and when to ask again.
pub(crate) async fn ask(t: &TestApp, who: &As, env: &str, body: &Value, key: Option<&str>) -> Answer {
    loop {
        let mut request = Request::post(format!("/api/v1/apps/{APP}/environments/{env}/changes")).header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = t.send(who, request, Body::from(body.to_string())).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.headers.contains_key("retry-after") && answer.text.contains("Nothing was changed"), "{}", answer.text);
    }
}

/// The ground truth of a group.
pub(crate) fn truth(t: &TestApp, group: &str) -> Value {
    let world = t.sim.world().snapshot();
    world["groups"].as_array().unwrap().iter().find(|g| g["name"] == group).unwrap().clone()
}

/// Instances of a group that are in service and healthy in every target group, with the digest that each runs.
pub(crate) fn healthy(group: &Value) -> Vec<(String, String)> {
    let up = |i: &&Value| i["lifecycle"] == "InService" && i["targets"].as_array().is_some_and(|t| t.iter().all(|t| t["state"] == "healthy"));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    group["instances"].as_array().unwrap().iter().filter(up).map(|i| (text(&i["id"]), text(&i["digest"]))).collect()
}

/// Effective calls of an operation.
pub(crate) fn effective(t: &TestApp, operation: &str) -> usize {
    t.mutating().iter().filter(|c| c.operation == operation && c.effective).count()
}

/// Somebody with the console replaces a group's instances by the version that it uses; returns the refresh's id.
pub(crate) async fn foreign_refresh(t: &TestApp, asg: &str, bake_seconds: i32) -> String {
    let outsider = t.outsider().await;
    let group = Box::pin(outsider.group(Priority::Act, asg)).await.unwrap().unwrap();
    let LaunchSource::Template(template) = &group.launch else { panic!("{group:?}") };
    let mut prefs = preferences(&group, &StrategyChoice::default(), bake_seconds, 300).unwrap();
    (prefs.skip_matching, prefs.auto_rollback) = (false, false);
    Box::pin(outsider.start_refresh(asg, &template.id, template.number().unwrap(), &prefs)).await.unwrap().value
}

/// Refuses leftovers, and whatever is taken for a stranger's beside the refreshes that are.
pub(crate) async fn finish_beside_refreshes(t: TestApp) {
    for env in t.app.store.list_environments().await.unwrap() {
        let mut seen = t.app.store.list_sightings(env.id, 100).await.unwrap();
        seen.retain(|s| !s.what.starts_with("refresh/"));
        assert!(seen.is_empty(), "nobody else acted in {}: {seen:#?}", env.scope());
    }
    t.finish_with_strangers().await;
}

/// The database file, for a second handle on it.
pub(crate) fn database(t: &TestApp) -> String {
    format!("sqlite://{}/fleetgate.db", t.dir.path().display())
}
