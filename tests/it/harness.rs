//! The product beside a simulated AWS, both on clocks that are moved by hand. Names, accounts and digests are random.
//!
//! [`TestApp::finish`] refuses leftovers: an act without outcome, a mutating AWS call without its intent row, an unknown
//! operation, a chain that does not verify.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use fleetgate::app::{App, Settings};
use fleetgate::aws::{Aws, AwsConfig, BudgetConfig};
use fleetgate::clock::{Clocks, ManualClock};
use fleetgate::domain::access::{Actor, ActorKind, Grants, Origin, Role};
use fleetgate::domain::canonical::sha256_hex;
use fleetgate::domain::iam;
use fleetgate::store::Store;
use fleetgate::store::audit::Filter;
use fleetgate::web::{self, Site};
use fleetgate::worker;
use fleetgate_sim::seed::ImageSeed;
use fleetgate_sim::{CallRecord, ClockMode, FaultKind, Seed, Sim, SimConfig, StackNames};

pub(crate) const APP: &str = "shop";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// Steps of ten seconds after which a change must have ended: three simulated hours.
const MOST_STEPS: usize = 1080;

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) text: String,
    pub(crate) headers: axum::http::HeaderMap,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }
    /// Field names of a problem document.
    pub(crate) fn fields(&self) -> Vec<String> {
        self.body["errors"].as_array().into_iter().flatten().map(|e| e["field"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum As {
    Cookie(String),
    Token(String),
    Nobody,
}

pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) sim: fleetgate_sim::Running,
    pub(crate) clock: ManualClock,
    pub(crate) names: StackNames,
    pub(crate) dir: tempfile::TempDir,
    unknown_calls_allowed: bool,
    strangers: bool,
}

type Edit = Box<dyn FnOnce(&mut Seed, &StackNames) + Send>;

/// What a test may change of the world before it begins.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) world: Edit,
}

/// A test's own seed, moved by FLEETGATE_TEST_SEEDS: `scripts/seeds` runs the suite under others, so that no test and no line of the
/// product leans on one draw of what AWS does not document.
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
pub(crate) fn drawn(seed: u64) -> u64 {
    let moved: u64 = std::env::var("FLEETGATE_TEST_SEEDS").ok().map_or(0, |n| n.parse().expect("FLEETGATE_TEST_SEEDS is a number"));
    seed + moved * 10_000
}

/// The count of a test's cases: the short figure, or what the variable says for the long one (docs/proofs.md).
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
pub(crate) fn long(variable: &str, short: usize) -> usize {
    std::env::var(variable).ok().map_or(short, |n| n.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

impl Setup {
    pub(crate) fn seed(seed: u64) -> Self {
        Self { seed: drawn(seed), world: Box::new(|_, _| {}) }
    }
    pub(crate) fn world(mut self, edit: impl FnOnce(&mut Seed, &StackNames) + Send + 'static) -> Self {
        self.world = Box::new(edit);
        self
    }
}

impl TestApp {
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with(Setup::seed(seed)).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let names = StackNames::random(setup.seed);
        let mut world = Seed::target_stack(&names);
        (setup.world)(&mut world, &names);
        // A fixed day: no test may lean on the machine's clock.
        let start = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let sim =
            Sim::start(SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed: setup.seed, world }).await.unwrap();
        let (clocks, clock) = Clocks::manual(start.as_millisecond());
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/fleetgate.db", dir.path().display());
        let store = Store::open(&url, clocks.clone()).await.unwrap().take_over(Some(&dir.path().join("lock"))).await.unwrap();
        let aws = Aws::connect(AwsConfig { tripwire: store.tripwire(), ..aws_config(&sim) }, clocks.clone()).await;
        let app = App::new(store, aws, clocks, Settings { region: names.region.clone(), ..Settings::default() });
        let router = router(&app);
        Self { app, router, sim, clock, names, dir, unknown_calls_allowed: false, strangers: false }
    }

    /// People, the application, `staging` and `production`; production is protected.
    pub(crate) async fn with_stack(setup: Setup) -> Self {
        let t = Self::with(setup).await;
        for (name, role) in [
            ("ada", Role::Admin),
            ("bob", Role::Admin),
            ("dan", Role::Deployer),
            ("pia", Role::Approver),
            ("paul", Role::Approver),
            ("vera", Role::Viewer),
        ] {
            t.person(name, &[("*", role)]).await;
        }
        let ada = t.sign_in("ada").await;
        t.post(&ada, "/api/v1/apps", json!({"name": APP, "repository": t.names.repository})).await.expect(201);
        for (env, protected, asg) in [("staging", false, t.names.staging.clone()), ("production", true, t.names.production.clone())] {
            t.adopt(&ada, env, protected, &asg).await.expect(201);
        }
        t
    }

    pub(crate) async fn adopt(&self, who: &As, env: &str, protected: bool, asg: &str) -> Answer {
        let body = json!({
            "name": env, "protected": protected, "region": self.names.region, "asg": asg,
            "role_arn": format!("arn:aws:iam::{}:role/{}", self.names.account, self.names.role), "external_id": self.names.external_id,
            "policy": {"max_ceiling": 12, "bake_seconds": 60},
        });
        self.post(who, &format!("/api/v1/apps/{APP}/environments"), body).await
    }

    pub(crate) async fn person(&self, name: &str, grants: &[(&str, Role)]) {
        let mut all = Grants::new();
        for (scope, role) in grants {
            all.entry((*scope).to_owned()).or_default().push(*role);
        }
        let link = self.app.add_person(&admin(), name, &all).await.unwrap();
        choose(&self.app, name, &link).await;
    }

    pub(crate) async fn sign_in(&self, name: &str) -> As {
        let form = format!("username={name}&password={}", PASSWORD.replace(' ', "+"));
        let request = Request::post("/login")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, ORIGIN)
            .header(header::HOST, HOST)
            .body(Body::from(form))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        As::Cookie(cookie.split(';').next().unwrap().to_owned())
    }

    pub(crate) async fn token(&self, scopes: &[&str]) -> As {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        As::Token(self.app.create_token(&Actor::host("test"), &name, &scopes, 3_600_000 * 24 * 30).await.unwrap())
    }

    pub(crate) async fn send(&self, who: &As, request: axum::http::request::Builder, body: Body) -> Answer {
        let request = match who {
            As::Cookie(c) => request.header(header::COOKIE, c).header(header::ORIGIN, ORIGIN),
            As::Token(t) => request.header(header::AUTHORIZATION, format!("Bearer {t}")),
            As::Nobody => request,
        };
        let answer = Box::pin(self.router.clone().oneshot(request.header(header::HOST, HOST).body(body).unwrap())).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), text, headers }
    }

    pub(crate) async fn get(&self, who: &As, path: &str) -> Answer {
        self.send(who, Request::get(path), Body::empty()).await
    }

    pub(crate) async fn post(&self, who: &As, path: &str, body: Value) -> Answer {
        self.send(who, Request::post(path).header(header::CONTENT_TYPE, "application/json"), Body::from(body.to_string())).await
    }

    pub(crate) async fn post_with_key(&self, who: &As, path: &str, body: Value, key: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json").header("idempotency-key", key);
        self.send(who, request, Body::from(body.to_string())).await
    }

    pub(crate) async fn change(&self, who: &As, env: &str, body: Value) -> Answer {
        self.post(who, &format!("/api/v1/apps/{APP}/environments/{env}/changes"), body).await
    }

    pub(crate) async fn environment(&self, who: &As, env: &str) -> Value {
        self.get(who, &format!("/api/v1/apps/{APP}/environments/{env}")).await.expect(200)
    }

    pub(crate) async fn show(&self, who: &As, number: i64) -> Value {
        self.get(who, &format!("/api/v1/changes/{number}")).await.expect(200)
    }

    /// Pushes an image and makes a release of it; returns its number.
    pub(crate) async fn release(&self, who: &As, tag: &str, behaviour: &str, boot_seconds: Option<i64>) -> i64 {
        self.push(tag, behaviour, boot_seconds);
        self.post(who, &format!("/api/v1/apps/{APP}/releases"), json!({"tag": tag})).await.expect(201)["number"].as_i64().unwrap()
    }

    pub(crate) fn push(&self, tag: &str, behaviour: &str, boot_seconds: Option<i64>) -> String {
        let image = ImageSeed { tag: tag.into(), behaviour: behaviour.into(), boot_seconds };
        self.sim.world().put_image(&self.names.repository, &image).unwrap()
    }

    pub(crate) async fn approve(&self, who: &As, number: i64) -> Answer {
        let hash = self.show(who, number).await["plan_hash"].clone();
        self.post(who, &format!("/api/v1/changes/{number}/approve"), json!({"plan_hash": hash})).await
    }

    /// Moves both clocks and the world by ten seconds; everything that is due happens.
    pub(crate) async fn step(&self) {
        self.step_by(10).await;
    }

    pub(crate) async fn step_by(&self, seconds: u64) {
        self.sim.world().advance(seconds as f64);
        self.clock.advance(Duration::from_secs(seconds));
        self.work().await;
    }

    /// Lets the worker do what is due now.
    pub(crate) async fn work(&self) {
        while worker::changes::tick(&self.app).await.unwrap() > 0 {}
        worker::upkeep::tick(&self.app).await.unwrap();
    }

    /// Steps until the change is final; returns it with the simulated minutes that it took.
    pub(crate) async fn run(&self, who: &As, number: i64) -> (Value, f64) {
        let begun = self.clock.now();
        self.work().await;
        for step in 0..MOST_STEPS {
            // Somebody watches, so that the session does not end meanwhile.
            if step % 60 == 59 {
                self.get(who, "/api/v1/me").await;
            }
            let c = self.app.store.find_change(number).await.unwrap().unwrap();
            if c.state.is_final() {
                return (self.show(who, number).await, (self.clock.now() - begun) as f64 / 60_000.0);
            }
            self.step().await;
        }
        let c = self.app.store.find_change(number).await.unwrap().unwrap();
        panic!("#{number} did not end: {} {}", c.state.name(), c.sentence);
    }

    /// Someone with the console: our adapter, with credentials of its own.
    pub(crate) async fn outsider(&self) -> fleetgate::aws::Cloud {
        let aws = Aws::connect(aws_config(&self.sim), self.app.clocks.clone()).await;
        let place = fleetgate::aws::Place { region: self.names.region.clone(), role_arn: None, external_id: None };
        aws.cloud(&place, "console").await.unwrap()
    }

    /// A fault of one operation, each time.
    pub(crate) fn fault(&self, operation: &str, kind: FaultKind, count: Option<u64>) {
        let value = json!({"service": "*", "operation": operation, "kind": kind, "rate": 1.0, "seed": 1, "count": count, "seconds": 25});
        self.sim.world().fault(serde_json::from_value(value).unwrap()).unwrap();
    }

    #[track_caller]
    pub(crate) fn accepted(answer: Answer) -> i64 {
        answer.expect(202)["number"].as_i64().unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        self.sim.world().calls_since(0)
    }

    /// Mutating calls that reached the simulator.
    pub(crate) fn mutating(&self) -> Vec<CallRecord> {
        mutating(&self.calls())
    }

    /// Ground truth of a group: instance id to the digest that it runs.
    pub(crate) fn running(&self, group: &str) -> BTreeMap<String, String> {
        let world = self.sim.world().snapshot();
        let instances = world["groups"].as_array().unwrap().iter().find(|g| g["name"] == group).unwrap()["instances"].as_array().unwrap().clone();
        instances
            .iter()
            .filter(|i| i["lifecycle"] == "InService")
            .map(|i| (i["id"].as_str().unwrap().to_owned(), i["digest"].as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    pub(crate) fn digests(&self, group: &str) -> BTreeSet<String> {
        self.running(group).into_values().collect()
    }

    /// Process death in a test: the database and the world stay, everything else is built again.
    pub(crate) async fn restart(&mut self) {
        let url = format!("sqlite://{}/fleetgate.db", self.dir.path().display());
        let clocks = self.app.clocks.clone();
        let store = Store::open(&url, clocks.clone()).await.unwrap().take_over(None).await.unwrap();
        let aws = Aws::connect(AwsConfig { tripwire: store.tripwire(), ..aws_config(&self.sim) }, clocks.clone()).await;
        self.app = App::new(store, aws, clocks, (*self.app.settings).clone());
        self.router = router(&self.app);
    }

    /// The routes over the present `app`, after a test has changed it.
    pub(crate) fn rewire(&mut self) {
        self.router = router(&self.app);
    }

    pub(crate) async fn audit(&self) -> Vec<fleetgate::domain::audit::Entry> {
        self.app.store.page_audit(&Filter::default(), 0, 100_000).await.unwrap()
    }

    pub(crate) fn allow_unknown_calls(&mut self) {
        self.unknown_calls_allowed = true;
    }

    /// Other rules for an environment, as if it had been adopted with them.
    pub(crate) async fn set_policy(&self, env: i64, policy: &fleetgate::domain::environment::Policy) {
        let text = serde_json::to_string(policy).unwrap();
        let write: fleetgate::store::Write<()> = Box::new(move |tx| {
            Box::pin(async move {
                sqlx::query("update environments set policy = $2 where id = $1").bind(env).bind(text).execute(tx.conn()).await?;
                Ok(())
            })
        });
        self.app.store.keep(write).await.unwrap();
    }

    /// Somebody deletes an image in ECR.
    pub(crate) async fn delete_image(&self, digest: &str) {
        let config = aws_sdk_ecr::config::Builder::new()
            .behavior_version(aws_sdk_ecr::config::BehaviorVersion::latest())
            .region(aws_sdk_ecr::config::Region::new(self.names.region.clone()))
            .endpoint_url(format!("http://{}", self.sim.addr))
            .credentials_provider(aws_sdk_ecr::config::Credentials::new("AKIATEST", "test", None, None, "test"))
            .build();
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_digest(digest).build();
        let client = aws_sdk_ecr::Client::from_conf(config);
        let out = client.batch_delete_image().repository_name(&self.names.repository).image_ids(id).send().await.unwrap();
        assert!(out.failures().is_empty(), "{out:?}");
    }

    /// Refuses leftovers; others acted here too.
    pub(crate) async fn finish_with_strangers(mut self) {
        self.strangers = true;
        self.finish().await;
    }

    /// Refuses leftovers, and whatever Fleetgate took for the act of somebody else.
    pub(crate) async fn finish(self) {
        if !self.strangers {
            for env in self.app.store.list_environments().await.unwrap() {
                let seen = self.app.store.list_sightings(env.id, 100).await.unwrap();
                assert!(seen.is_empty(), "nobody else acted in {}: {seen:#?}", env.scope());
            }
        }
        self.app.store.verify_audit().await.unwrap().expect("the chain holds");
        let mut calls = self.calls();
        // Strangers have no role of ours.
        calls.retain(|c| !self.strangers || c.principal.contains("assumed-role"));
        let known: BTreeSet<&str> = iam::READS
            .iter()
            .chain(&iam::REPOSITORY_READS)
            .chain(&iam::GROUP_ACTS)
            .chain(&iam::TEMPLATE_ACTS)
            .map(|a| a.split_once(':').unwrap().1)
            .chain(["GetCallerIdentity", "AssumeRole", "BatchDeleteImage", "DescribeAlarms"])
            .collect();
        if !self.unknown_calls_allowed {
            for c in &calls {
                assert!(known.contains(c.operation.as_str()), "a call that the IAM policy does not name: {c:?}");
            }
        }
        check_acts(&self.app.store, &calls).await;
        for env in self.app.store.list_environments().await.unwrap() {
            let owed = self.app.store.list_owed(env.id).await.unwrap();
            assert!(owed.is_empty(), "an unpaid debt: {owed:#?}");
        }
    }
}

/// The person chooses [`PASSWORD`] by their link, but it is hashed with the least that Argon2id allows: its real price is an eighth of the
/// suite's time. A hash names its own parameters, so that the product compares it as any other.
pub(crate) async fn choose(app: &App, name: &str, link: &str) {
    static CHEAP: LazyLock<String> = LazyLock::new(|| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(Params::MIN_M_COST, 1, 1, None).unwrap());
        argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
    });
    let person = app.store.find_person(name).await.unwrap().unwrap();
    let link = sha256_hex(link.as_bytes());
    let write: fleetgate::store::Write<()> = Box::new(move |tx| {
        Box::pin(async move {
            assert!(tx.use_setup_link(&link).await?);
            tx.set_password(person.id, &CHEAP).await
        })
    });
    app.store.keep(write).await.unwrap();
}

/// An admin who stands in no test.
pub(crate) fn admin() -> Actor {
    Actor { kind: ActorKind::Person, name: "setup".into(), id: 0, grants: Grants::from([("*".into(), vec![Role::Admin])]), origin: Origin::default() }
}

pub(crate) const HOST: &str = "127.0.0.1:8080";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8080";

pub(crate) fn aws_config(sim: &fleetgate_sim::Running) -> AwsConfig {
    aws_config_at(format!("http://{}", sim.addr))
}

pub(crate) fn aws_config_at(endpoint: String) -> AwsConfig {
    AwsConfig {
        endpoint: Some(endpoint),
        static_credentials: Some(("AKIATEST".into(), "test".into())),
        attempt_timeout: Duration::from_millis(1500),
        operation_timeout: Duration::from_secs(4),
        read_backoff: Duration::from_millis(5),
        // Nothing refills a budget on a clock that stands still.
        budget: BudgetConfig { per_second: 1e6, burst: 1e9, reserve: 0.0 },
        ..AwsConfig::default()
    }
}

fn router(app: &App) -> Router {
    let site = Site { app: app.clone(), public_url: ORIGIN.into(), stop: CancellationToken::new(), health_here: true };
    web::router(site).unwrap()
}

pub(crate) fn mutating(calls: &[CallRecord]) -> Vec<CallRecord> {
    let acts: BTreeSet<&str> = iam::GROUP_ACTS.iter().chain(&iam::TEMPLATE_ACTS).map(|a| a.split_once(':').unwrap().1).collect();
    // A trial run changes nothing, by AWS's own word.
    let trial = |c: &CallRecord| c.error_code.as_deref() == Some("DryRunOperation");
    calls.iter().filter(|c| acts.contains(c.operation.as_str()) && !trial(c)).cloned().collect()
}

/// Every mutating call has its intent row, and every intent row its call, or its proof that there was none.
pub(crate) async fn check_acts(store: &Store, calls: &[CallRecord]) {
    let mut rows = Vec::new();
    let changes = store.list_changes(&fleetgate::store::changes::Filter::default(), 10_000).await.unwrap();
    for c in &changes {
        let acts = store.list_acts(c.number).await.unwrap();
        for a in &acts {
            assert!(!matches!(a.state.as_str(), "intended" | "unknown") || !c.state.is_final(), "an act without outcome: {a:?}");
        }
        if c.state.is_final() {
            let steps = store.list_steps(c.number).await.unwrap();
            assert!(steps.iter().all(|s| s.state != "running"), "an unfinished step of #{}: {steps:?}", c.number);
        }
        rows.extend(acts);
    }
    let calls = mutating(calls);
    let count = |effective: bool, operation: &str| calls.iter().filter(|c| c.operation == operation && c.effective == effective).count();
    let operations: BTreeSet<String> = calls.iter().map(|c| c.operation.clone()).chain(rows.iter().map(|r| r.operation.clone())).collect();
    for operation in operations {
        let in_state = |states: &[&str]| rows.iter().filter(|r| r.operation == operation && states.contains(&r.state.as_str())).count();
        assert_eq!(
            count(true, &operation),
            in_state(&["done", "adopted"]),
            "effective {operation} calls and intent rows that say done differ:\n{calls:#?}\n{rows:#?}"
        );
        assert!(
            count(false, &operation) <= in_state(&["refused", "not_done"]),
            "a refused {operation} call has no intent row:\n{calls:#?}\n{rows:#?}"
        );
    }
    for row in rows.iter().filter(|r| r.state == "done") {
        let call = calls.iter().find(|c| Some(&c.request_id) == row.aws_request.as_ref());
        assert!(call.is_some_and(|c| c.operation == row.operation), "no call answers to the request id of {row:?}");
    }
}
