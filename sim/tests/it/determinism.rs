//! Two worlds of one seed, asked the same at the same simulated times, are equal in every byte: state, log and answers.

use fleetgate_sim::{Exchange, Fault, FaultKind, Handle, StackNames};
use serde_json::{Value, json};

use crate::client::{ASG, TEMPLATE, answered, ask, ask_ecr, exchange, local, query_request};

/// The script's own numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }
}

const KINDS: &[FaultKind] = &[
    FaultKind::Throttle,
    FaultKind::Error,
    FaultKind::Contention,
    FaultKind::Timeout,
    FaultKind::HangAfter,
    FaultKind::LostReply,
    FaultKind::Slow,
    FaultKind::Stale,
    FaultKind::Denied,
    FaultKind::Expired,
    FaultKind::UnknownEnum,
    FaultKind::Garbage,
    FaultKind::Html,
];

/// A world and everything it has said.
struct Story {
    handle: Handle,
    said: Vec<String>,
}

impl Story {
    fn call(&mut self, service: &str, action: &str, params: &[(&str, &str)]) {
        let said = match exchange(&self.handle, query_request("AKIATEST", "ap-south-1", service, action, params)) {
            Exchange::Answer(a) => format!("{} {:?} {}", a.status(), a.headers(), String::from_utf8_lossy(a.body())),
            other => format!("{other:?}"),
        };
        self.said.push(said);
    }

    fn on_group(&mut self, action: &str, params: &[(&str, &str)]) {
        let mut all = vec![("AutoScalingGroupName", ASG)];
        all.extend_from_slice(params);
        self.call("autoscaling", action, &all);
    }

    /// An instance of the group by ground truth.
    fn instance(&self, dice: &mut Dice) -> Option<String> {
        let world = self.handle.snapshot();
        let rows: Vec<&Value> = world["instances"].as_array()?.iter().filter(|i| i["group"] == ASG && i["ec2"] == "running").collect();
        (!rows.is_empty()).then(|| rows[dice.roll(rows.len())]["id"].as_str().unwrap_or_default().to_owned())
    }
}

/// A template version that runs what this tag names now.
fn version(h: &Handle, tag: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let images = ask_ecr(h, "DescribeImages", &json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": tag}]})).json();
    let digest = images["imageDetails"][0]["imageDigest"].as_str().unwrap_or_default().to_owned();
    let data = STANDARD.encode(StackNames::default().user_data(&format!("stateless-app@{digest}")));
    let params = [("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1"), ("LaunchTemplateData.UserData", data.as_str())];
    ask(h, "ec2", "CreateLaunchTemplateVersion", &params).one("versionNumber")
}

fn act(s: &mut Story, dice: &mut Dice, versions: &[String; 2]) {
    match dice.roll(16) {
        0..=2 => {
            let version = versions[dice.roll(2)].clone();
            s.on_group(
                "StartInstanceRefresh",
                &[
                    ("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", TEMPLATE),
                    ("DesiredConfiguration.LaunchTemplate.Version", &version),
                    ("Preferences.MinHealthyPercentage", dice.of(&["50", "90", "100"])),
                    ("Preferences.AutoRollback", dice.of(&["true", "false"])),
                    ("Preferences.InstanceWarmup", dice.of(&["0", "60"])),
                ],
            );
        }
        3 => s.on_group(dice.of(&["CancelInstanceRefresh", "RollbackInstanceRefresh"]), &[]),
        4 | 5 => s.on_group("SetDesiredCapacity", &[("DesiredCapacity", dice.of(&["2", "3", "5", "9"]))]),
        6 => {
            let fault = Fault {
                service: "*".into(),
                operation: "*".into(),
                kind: KINDS[dice.roll(KINDS.len())],
                rate: 0.4,
                seed: dice.roll(1000) as u64,
                count: Some(6),
                seconds: 30,
            };
            s.handle.fault(fault).expect("fits");
        }
        7 => {
            if let Some(id) = s.instance(dice) {
                s.handle.kill(&id).expect("known");
            }
        }
        8 => {
            if let Some(id) = s.instance(dice) {
                s.handle.sicken(&id).expect("known");
            }
        }
        9 => {
            if let Some(id) = s.instance(dice) {
                s.handle.heal(&id).expect("known");
            }
        }
        10 => {
            let name = dice.of(&["night", "noon"]);
            s.on_group("PutScheduledUpdateGroupAction", &[("ScheduledActionName", name), ("Recurrence", "*/7 * * * *"), ("DesiredCapacity", "4")]);
        }
        11 => s.on_group(dice.of(&["SuspendProcesses", "ResumeProcesses"]), &[("ScalingProcesses.member.1", dice.of(&["Launch", "HealthCheck"]))]),
        12 => {
            let role =
                [("RoleArn", "arn:aws:iam::123456789012:role/fleet-control"), ("RoleSessionName", "tests"), ("ExternalId", "stack-external-id")];
            // Its expiry is real time, by design the one thing that is not the same twice: only the keys are compared.
            let got = exchange(&s.handle, query_request("AKIATEST", "ap-south-1", "sts", "AssumeRole", &role));
            if let Exchange::Answer(_) = got {
                s.said.push(answered(got).one("AccessKeyId"));
            }
        }
        13 => s.call("ec2", "DescribeInstances", &[]),
        14 => s.on_group("DescribeScalingActivities", &[]),
        _ => s.call("autoscaling", "DescribeAutoScalingGroups", &[]),
    }
    s.on_group("DescribeInstanceRefreshes", &[]);
}

fn story(seed: u64) -> (Story, String) {
    let handle = local(seed, |s| {
        s.params = None;
        s.token_buckets = seed.is_multiple_of(3);
    });
    let mut dice = Dice(seed);
    let versions = [version(&handle, "v4"), version(&handle, "v3")];
    let mut s = Story { handle, said: Vec::new() };
    for _ in 0..25 {
        act(&mut s, &mut dice, &versions);
        s.handle.advance(dice.roll(400) as f64 / 2.0);
    }
    s.handle.clear_faults();
    s.handle.advance(1800.0);
    s.call("autoscaling", "DescribeAutoScalingGroups", &[]);
    let world = s.handle.export().expect("exports").to_string();
    (s, world)
}

fn twice(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let ((a, first), (b, second)) = (story(seed), story(seed));
        for (n, (one, other)) in a.said.iter().zip(&b.said).enumerate() {
            assert_eq!(one, other, "seed {seed}, answer {n}");
        }
        assert_eq!(a.said.len(), b.said.len(), "seed {seed}");
        assert_eq!(a.handle.calls_since(0), b.handle.calls_since(0), "seed {seed}");
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn the_same_twice_for_seeds_0_to_49() {
    twice(0..50);
}

#[test]
fn the_same_twice_for_seeds_50_to_99() {
    twice(50..100);
}

#[test]
fn the_same_twice_for_seeds_100_to_149() {
    twice(100..150);
}

#[test]
fn the_same_twice_for_seeds_150_to_199() {
    twice(150..200);
}

/// The comparison compares something: another seed is another world, and its stories are full of events.
#[test]
fn another_seed_is_another_world() {
    let ((a, first), (_, second)) = (story(1), story(2));
    assert_ne!(first, second);
    let calls = a.handle.calls_since(0);
    assert!(calls.iter().filter(|c| c.effective).count() > 5, "{calls:?}");
    assert!(calls.iter().any(|c| c.fault.is_some()));
    assert!(!first.contains("expires"), "real time is no part of the state");
}
