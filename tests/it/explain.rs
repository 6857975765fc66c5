//! Why it is not moving, each situation reached by driving the simulated AWS: somebody's hand in the console, a zone without capacity,
//! a sick image, a silent AWS. A row says how it comes about, and what must then be told.

mod outside;

use serde_json::{Value, json};

use fleetgate::domain::explain::Cause;
use fleetgate_sim::seed::{HookSeed, Seed};
use fleetgate_sim::{FaultKind, Params, Span, StackNames};

use crate::harness::{APP, As, Setup, TestApp, drawn};

/// Something that happens, not through Fleetgate.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Suspend(&'static str),
    /// No capacity in the first so many zones.
    Dry(usize),
    /// On the first instance of the group when the test began.
    Protect,
    ProtectAll,
    Standby,
    Terminate,
    Deregister,
    Sicken,
    /// On what has come since.
    SickenNew,
    Cancel,
    RollBack,
    Refresh,
    DeleteGroup,
    DeleteTemplate,
    Fault(&'static str, FaultKind),
    /// Time passes and Fleetgate does not look.
    Sleep(u64),
    /// Another change is asked for.
    Ask(&'static str),
}

use Deed::*;

/// How it comes about, and what is told then.
struct Row {
    what: &'static str,
    world: fn(&mut Seed, &StackNames, &mut Params),
    /// Behaviour of the release, and its seconds to start.
    image: (&'static str, Option<i64>),
    before: &'static [Deed],
    /// The change that is asked for; empty: none, and the environment is asked about.
    ask: &'static str,
    /// What is told before `then` happens; empty: at once.
    first: &'static str,
    then: &'static [Deed],
    cause: &'static str,
    says: &'static [&'static str],
    act: &'static str,
}

const DEPLOY: &str = r#"{"kind": "deploy"}"#;
const ROW: Row =
    Row { what: "", world: |_, _, _| {}, image: ("ok", None), before: &[], ask: DEPLOY, first: "", then: &[], cause: "", says: &[], act: "wait" };

struct Stage {
    t: TestApp,
    who: As,
    number: Option<i64>,
    /// Instances when it began.
    old: Vec<String>,
    told: Vec<String>,
}

macro_rules! hand {
    ($service:ident, $t:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .endpoint_url(format!("http://{}", $t.sim.addr))
                .region($service::config::Region::new($t.names.region.clone()))
                .credentials_provider($service::config::Credentials::new("AKIATEST", "test", None, None, "test"))
                .build(),
        )
    };
}

impl Stage {
    async fn new(at: u64, row: &Row) -> Self {
        let (seed, world) = (1500 + at, row.world);
        let t = TestApp::with_stack(Setup::seed(seed).world(move |w, names| {
            let mut params = Params::draw(drawn(seed));
            world(w, names, &mut params);
            w.params = Some(params);
        }))
        .await;
        let who = t.sign_in("dan").await;
        let old = t.running(&t.names.staging).into_keys().collect();
        Self { t, who, number: None, old, told: Vec::new() }
    }

    async fn ask(&mut self, body: &str, image: (&str, Option<i64>)) {
        let mut body: Value = serde_json::from_str(body).unwrap();
        if body["kind"] == "deploy" {
            let tag = format!("tag{}", self.told.len());
            body["release"] = json!(self.t.release(&self.who, &tag, image.0, image.1).await);
        }
        let env = body.as_object_mut().unwrap().remove("env").map_or_else(|| "staging".to_owned(), |e| e.as_str().unwrap().to_owned());
        self.number = Some(TestApp::accepted(self.t.change(&self.who, &env, body).await));
        self.t.work().await;
    }

    async fn group(&self) -> fleetgate::domain::observation::Group {
        self.t.outsider().await.group(fleetgate::aws::Priority::Act, &self.t.names.staging).await.unwrap().unwrap()
    }

    async fn happen(&mut self, deed: Deed) {
        let (asg, aws) = (self.t.names.staging.clone(), hand!(aws_sdk_autoscaling, self.t));
        let first = self.old.first().cloned().unwrap();
        let zone = |n: usize| format!("{}{}", self.t.names.region, ["a", "b"][n]);
        match deed {
            Suspend(process) => {
                aws.suspend_processes().auto_scaling_group_name(&asg).scaling_processes(process).send().await.unwrap();
            }
            Dry(n) => (0..n).for_each(|z| self.t.sim.world().capacity(&zone(z), Some(0)).unwrap()),
            Protect | ProtectAll => {
                let ids = if matches!(deed, Protect) { vec![first] } else { self.old.clone() };
                let call = aws.set_instance_protection().auto_scaling_group_name(&asg).set_instance_ids(Some(ids));
                call.protected_from_scale_in(true).send().await.unwrap();
            }
            Standby => {
                let call = aws.enter_standby().auto_scaling_group_name(&asg).instance_ids(first);
                call.should_decrement_desired_capacity(true).send().await.unwrap();
            }
            Terminate => {
                let call = aws.terminate_instance_in_auto_scaling_group().instance_id(first);
                call.should_decrement_desired_capacity(false).send().await.unwrap();
            }
            Deregister => {
                let elb = hand!(aws_sdk_elasticloadbalancingv2, self.t);
                let target = aws_sdk_elasticloadbalancingv2::types::TargetDescription::builder().id(first).build();
                let arn = self.group().await.target_group_arns.remove(0);
                elb.deregister_targets().target_group_arn(arn).targets(target).send().await.unwrap();
            }
            Sicken => self.t.sim.world().sicken(&first).unwrap(),
            SickenNew => {
                for i in self.group().await.instances.iter().filter(|i| !self.old.contains(&i.id)) {
                    self.t.sim.world().sicken(&i.id).unwrap();
                }
            }
            Cancel => drop(aws.cancel_instance_refresh().auto_scaling_group_name(&asg).send().await.unwrap()),
            RollBack => drop(aws.rollback_instance_refresh().auto_scaling_group_name(&asg).send().await.unwrap()),
            Refresh => drop(aws.start_instance_refresh().auto_scaling_group_name(&asg).send().await.unwrap()),
            DeleteGroup => drop(aws.delete_auto_scaling_group().auto_scaling_group_name(&asg).force_delete(true).send().await.unwrap()),
            DeleteTemplate => {
                let ec2 = hand!(aws_sdk_ec2, self.t);
                ec2.delete_launch_template().launch_template_name(&self.t.names.staging_template).send().await.unwrap();
            }
            Fault(operation, kind) => self.t.fault(operation, kind, None),
            Sleep(seconds) => {
                self.t.sim.world().advance(seconds as f64);
                self.t.clock.advance(std::time::Duration::from_secs(seconds));
            }
            Ask(body) => Box::pin(self.ask(body, ("ok", None))).await,
        }
    }

    /// What is told now, of the change or of the environment without one.
    async fn explanation(&self) -> Value {
        match self.number {
            Some(n) => self.t.show(&self.who, n).await["explanation"].clone(),
            None => self.t.environment(&self.who, "staging").await["explanation"].clone(),
        }
    }

    /// Looks every ten seconds until this is told.
    async fn until(&mut self, what: &str, cause: &str) -> Value {
        let mut silent = Vec::new();
        for _ in 0..240 {
            // A sign-in lasts half an hour.
            if self.told.len() % 100 == 99 {
                self.who = self.t.sign_in("dan").await;
            }
            let e = self.explanation().await;
            if e["cause"] == cause {
                return e;
            }
            let told = e["cause"].as_str().unwrap_or("nothing").to_owned();
            if silent.last() != Some(&e["sentence"]) {
                silent.push(e["sentence"].clone());
            }
            self.told.push(told);
            self.t.step().await;
            if self.number.is_none() {
                let env = self.t.app.store.find_environment(APP, "staging").await.unwrap().unwrap();
                let _ = Box::pin(self.t.app.glance(std::slice::from_ref(&env), fleetgate::app::look::Pace::of(1))).await;
            }
        }
        panic!("{what}: {cause} was never told, but {silent:#?}");
    }
}

async fn play(at: u64, row: &Row) {
    let what = row.what;
    serde_json::from_value::<Cause>(json!(row.cause)).unwrap_or_else(|_| panic!("{what}: no such cause"));
    let mut s = Stage::new(at, row).await;
    for deed in row.before {
        s.happen(*deed).await;
    }
    if !row.ask.is_empty() {
        s.ask(row.ask, row.image).await;
    }
    if !row.first.is_empty() {
        s.until(what, row.first).await;
    }
    for deed in row.then {
        s.happen(*deed).await;
    }
    let e = s.until(what, row.cause).await;
    let sentence = e["sentence"].as_str().unwrap();
    for part in row.says {
        assert!(sentence.contains(part), "{what}: `{part}` is missing in `{sentence}`");
    }
    assert!(e["actions"].as_array().unwrap().iter().any(|a| a["act"] == row.act), "{what}: {} is not offered: {e:#}", row.act);
    // Every page that an action leads to is there.
    for page in e["actions"].as_array().unwrap().iter().filter_map(|a| a["page"].as_str()) {
        let status = s.t.get(&s.who, page).await.status;
        assert!(status != 404 && status != 405, "{what}: {page} answers {status}");
    }
    // The page tells the same.
    let page = match s.number {
        Some(n) => format!("/deployments/{n}"),
        None => format!("/apps/{APP}/staging"),
    };
    let text = s.t.get(&s.who, &page).await.text;
    let contact = ["lost_contact", "throttled", "reading_denied"].contains(&row.cause);
    let escaped = sentence.split(['\'', '"', '&', '<', '>']).next().unwrap();
    assert!(contact || text.contains(escaped), "{what}: the page does not tell `{escaped}`");
}

async fn play_all(from: u64, rows: &[Row]) {
    for (at, row) in rows.iter().enumerate() {
        Box::pin(play(from + at as u64, row)).await;
    }
}

fn hook(world: &mut Seed, names: &StackNames, transition: &str, heartbeat: i64) {
    let group = world.groups.iter_mut().find(|g| g.name == names.staging).unwrap();
    group.hooks = vec![HookSeed {
        name: "warm-cache".into(),
        transition: format!("autoscaling:EC2_INSTANCE_{transition}"),
        heartbeat,
        default_result: "ABANDON".into(),
    }];
}

/// One good deployment passes through all of these, and nothing is ever called amiss.
#[tokio::test]
async fn an_ordinary_deployment_tells_each_of_its_waits() {
    let row = Row {
        world: |w, n, p| {
            (p.refresh_pending, p.running_to_in_service, p.success_waits_for_drain) = (Span::new(30, 60), Span::new(12, 20), true);
            w.target_groups.iter_mut().find(|g| g.name == n.staging_targets).unwrap().deregistration_delay = 120;
        },
        ..ROW
    };
    let mut s = Stage::new(0, &row).await;
    s.ask(r#"{"kind": "deploy", "strategy": {"checkpoints": [50, 100], "checkpoint_delay_seconds": 120, "bake_seconds": 60}}"#, ("ok", None)).await;
    let mut told: Vec<String> = Vec::new();
    for _ in 0..400 {
        let c = s.t.show(&s.who, s.number.unwrap()).await;
        if !c["finished_at"].is_null() {
            assert_eq!(c["state"], "succeeded", "{c}");
            assert!(c["explanation"].is_null(), "an end is not explained");
            break;
        }
        let e = &c["explanation"];
        assert!(e["normal"] == true && e["also"] == json!([]), "{e:#}");
        told.push(e["cause"].as_str().unwrap().to_owned());
        s.t.step().await;
        s.who = s.t.sign_in("dan").await;
    }
    told.dedup();
    for cause in ["refresh_pending", "booting", "warming", "checkpoint", "draining", "baking", "proving"] {
        assert!(told.iter().any(|t| t == cause), "{cause} was never told: {told:?}");
    }
    assert!(told.iter().any(|t| t == "registering" || t == "first_checks" || t == "unhealthy_failed"), "{told:?}");
}

#[tokio::test]
async fn what_has_not_begun() {
    play_all(
        10,
        &[
            Row {
                what: "approval",
                ask: r#"{"kind": "deploy", "env": "production"}"#,
                cause: "awaiting_approval",
                says: &["another person"],
                act: "approve",
                ..ROW
            },
            Row {
                what: "queue",
                first: "booting",
                then: &[Ask(r#"{"kind": "replace", "on_busy": "wait"}"#)],
                cause: "queued_behind",
                says: &["waits for the end of #", "(deploy), which runs"],
                act: "open_change",
                ..ROW
            },
            Row {
                what: "condition",
                before: &[Terminate, Sleep(5)],
                cause: "queued_condition",
                says: &["has not begun: The group is scaling"],
                act: "stop_change",
                ..ROW
            },
            Row {
                what: "foreign refresh",
                before: &[Refresh],
                cause: "foreign_refresh",
                says: &["waits: another instance refresh", "which no open change started"],
                act: "cancel_foreign_refresh",
                ..ROW
            },
        ],
    )
    .await;
}

#[tokio::test]
async fn what_an_image_does() {
    play_all(
        20,
        &[
            Row {
                what: "another code",
                image: ("unhealthy", Some(20)),
                cause: "unhealthy_code",
                says: &["[500]", "its boot budget lasts until"],
                act: "read_console",
                ..ROW
            },
            Row {
                what: "silence",
                image: ("hang", Some(20)),
                cause: "unhealthy_timeout",
                says: &["does not answer the health check in time"],
                act: "read_console",
                ..ROW
            },
            Row {
                what: "slow",
                image: ("ok", Some(280)),
                cause: "unhealthy_failed",
                says: &["refuses the health check's connection"],
                act: "read_console",
                ..ROW
            },
            Row {
                what: "no longer healthy",
                ask: r#"{"kind": "replace"}"#,
                first: "warming",
                then: &[SickenNew],
                cause: "was_healthy",
                says: &["was healthy and is no longer", "[500]"],
                act: "stop_change",
                ..ROW
            },
            Row {
                what: "over budget",
                ask: r#"{"kind": "replace"}"#,
                first: "booting",
                then: &[SickenNew],
                cause: "boot_budget_over",
                says: &["within its boot budget of 300 s"],
                act: "read_console",
                ..ROW
            },
        ],
    )
    .await;
}

#[tokio::test]
async fn suspended_processes() {
    play_all(
        30,
        &[
            Row {
                what: "pause",
                first: "booting",
                then: &[Suspend("InstanceRefresh")],
                cause: "instance_refresh_suspended",
                says: &["by a user of AWS, not by Fleetgate"],
                act: "resume_process",
                ..ROW
            },
            Row {
                what: "launch",
                first: "refresh_pending",
                then: &[Suspend("Launch")],
                cause: "launch_suspended",
                says: &["Launch is suspended since"],
                act: "undo_change",
                world: |_, _, p| p.refresh_pending = Span::new(30, 60),
                ..ROW
            },
            Row {
                what: "terminate",
                first: "booting",
                then: &[Suspend("Terminate")],
                cause: "terminate_suspended",
                says: &["takes no instance away"],
                act: "resume_process",
                ..ROW
            },
            Row {
                what: "administrative",
                world: |_, _, p| p.admin_suspend_after = 300,
                before: &[Dry(2)],
                cause: "launch_suspended_by_aws",
                says: &["by AWS itself"],
                act: "resume_process",
                ..ROW
            },
            Row {
                what: "no registration",
                first: "booting",
                then: &[Suspend("AddToLoadBalancer")],
                cause: "load_balancer_suspended",
                says: &["is not registered with"],
                act: "register_target",
                ..ROW
            },
            Row {
                what: "no marks",
                ask: "",
                before: &[Suspend("HealthCheck"), Sicken],
                cause: "health_check_suspended",
                says: &["marks no instance"],
                act: "resume_process",
                ..ROW
            },
            Row {
                what: "no replacement",
                ask: "",
                before: &[Suspend("ReplaceUnhealthy"), Sicken],
                cause: "replace_unhealthy_suspended",
                says: &["replaces no unhealthy"],
                act: "resume_process",
                ..ROW
            },
            Row {
                what: "no policies",
                ask: "",
                before: &[Suspend("AlarmNotification")],
                cause: "alarms_suspended",
                says: &["scaling policies do nothing"],
                act: "resume_process",
                ..ROW
            },
        ],
    )
    .await;
}

#[tokio::test]
async fn launches_that_fail() {
    play_all(
        40,
        &[
            Row {
                what: "capacity",
                before: &[Dry(2)],
                cause: "launch_no_capacity",
                says: &["AWS has no t3.micro capacity in", "since"],
                act: "use_another_zone",
                ..ROW
            },
            Row {
                what: "quota",
                world: |w, _, p| p.instance_limit = usize::try_from(w.groups.iter().map(|g| g.desired).sum::<i64>()).unwrap(),
                cause: "launch_quota",
                says: &["The account's quota is used up", "than your current instance limit"],
                act: "raise_quota",
                ..ROW
            },
            Row {
                what: "template",
                world: |_, _, p| p.refresh_pending = Span::new(30, 60),
                first: "refresh_pending",
                then: &[DeleteTemplate],
                cause: "launch_template_invalid",
                says: &["can not launch from the template", "does not exist"],
                act: "fix_template",
                ..ROW
            },
            Row {
                what: "abandoned",
                world: |w, n, _| hook(w, n, "LAUNCHING", 30),
                cause: "launch_abandoned",
                says: &["A lifecycle hook gave up the last launch"],
                act: "look_in_aws",
                ..ROW
            },
        ],
    )
    .await;
}

/// users.md, scenario 6: one instance is protected, a zone lacks capacity; within one poll it is read, with what may be done.
#[tokio::test]
async fn scenario_06_the_stuck_instance_explained() {
    let row = Row { what: "scenario 6", ..ROW };
    let mut s = Stage::new(90, &row).await;
    s.happen(Dry(1)).await;
    s.ask(DEPLOY, ("ok", None)).await;
    s.until(row.what, "booting").await;
    let before = s.explanation().await;
    assert_ne!(before["cause"], "protected_instance");
    let at = s.t.clock.now();
    s.happen(Protect).await;
    s.t.step().await;
    let e = s.explanation().await;
    assert_eq!((e["cause"].as_str(), e["instance"].as_str()), (Some("protected_instance"), Some(s.old[0].as_str())), "within one poll: {e:#}");
    assert_eq!((&e["by"]["who"], &e["normal"]), (&json!("others"), &json!(false)));
    let since: jiff::Timestamp = e["since"].as_str().unwrap().parse().unwrap();
    assert!((at..=at + 10_000).contains(&since.as_millisecond()), "since when: {since}");
    let sentence = e["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with(&s.old[0]) && sentence.contains("protected from scale-in since") && sentence.contains("not by Fleetgate"),
        "{sentence}"
    );
    let zone = format!("{}a", s.t.names.region);
    assert!(
        e["also"].as_array().unwrap().iter().any(|a| a.as_str().unwrap().starts_with(&format!("AWS has no t3.micro capacity in {zone} since"))),
        "{e:#}"
    );
    // The refresh goes on with the other one, and then waits for this one alone.
    let alone = loop {
        let e = s.until(row.what, "protected_instance").await;
        if e["sentence"].as_str().unwrap().contains("waits for it alone") {
            break e;
        }
        s.t.step().await;
        s.who = s.t.sign_in("dan").await;
        assert!(s.t.clock.now() - at < 3_600_000, "{e:#}");
    };
    assert_eq!(alone["since"], e["since"], "it is so since the same time");
    // The environment tells the same, and the pages too, with buttons for what may be done.
    assert_eq!(s.t.environment(&s.who, "staging").await["explanation"]["sentence"], alone["sentence"]);
    let number = s.number.unwrap();
    let terminate = format!("/apps/{APP}/staging/terminate?instance={}", s.old[0]);
    for page in [format!("/deployments/{number}"), format!("/apps/{APP}/staging")] {
        let html = s.t.get(&s.who, &page).await.text;
        assert!(html.contains("Why it is not moving") && html.contains(&format!("href=\"{terminate}\"")), "{page}: {html}");
        assert!(html.contains("aws autoscaling set-instance-protection") && html.contains("Also: AWS has no t3.micro capacity"), "{page}");
    }
    // Doing it: the instance goes, and the deployment ends.
    let body = json!({"kind": "terminate", "instance": s.old[0], "shrink": false, "reason": "stuck"});
    TestApp::accepted(s.t.change(&s.who, "staging", body).await);
    let (end, _) = s.t.run(&s.who, number).await;
    assert_eq!(end["state"], "succeeded", "{end}");
}

/// An explanation costs no call of its own: hooks and delays are asked for only while a change runs and something waits for them.
#[tokio::test]
async fn an_idle_look_asks_for_nothing_more() {
    let row = Row { world: |w, n, _| hook(w, n, "TERMINATING", 900), ..ROW };
    let mut s = Stage::new(95, &row).await;
    s.happen(Terminate).await;
    let begun = s.t.calls().len();
    s.until("idle", "terminate_hook").await;
    let asked = |s: &Stage, operation: &str| s.t.calls()[begun..].iter().filter(|c| c.operation == operation).count();
    assert_eq!((asked(&s, "DescribeLifecycleHooks"), asked(&s, "DescribeTargetGroupAttributes")), (0, 0));
    let row = Row { world: |w, n, _| hook(w, n, "TERMINATING", 900), ..ROW };
    let mut s = Stage::new(96, &row).await;
    s.ask(DEPLOY, ("ok", None)).await;
    let begun = s.t.calls().len();
    s.until("busy", "terminate_hook").await;
    let asked = |s: &Stage, operation: &str| s.t.calls()[begun..].iter().filter(|c| c.operation == operation).count();
    for _ in 0..5 {
        s.t.step().await;
    }
    assert_eq!((asked(&s, "DescribeLifecycleHooks"), asked(&s, "DescribeTargetGroupAttributes")), (1, 1), "once while it lasts");
}
