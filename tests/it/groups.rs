//! Kinds of groups: supported, or refused with a sentence that says what to do.

use serde_json::{Value, json};

use fleetgate_sim::seed::{GroupSeed, HookSeed, ScheduledSeed, Seed, TargetGroupSeed};

use crate::harness::{APP, Setup, TestApp};

type Edit = fn(&mut GroupSeed);

async fn with_staging(seed: u64, edit: Edit, others: fn(&mut Seed, &str)) -> TestApp {
    TestApp::with_stack(Setup::seed(seed).world(move |world, names| {
        let name = names.staging.clone();
        edit(world.groups.iter_mut().find(|g| g.name == name).unwrap());
        others(world, &name);
    }))
    .await
}

fn check<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["preflight"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no check {name} in {plan}"))
}

#[tokio::test]
async fn what_can_not_be_deployed_is_refused_with_the_way_out() {
    let cases: [(&str, Edit, &str, &str); 5] = [
        ("warm pool", |g| g.warm_pool = Some(1), "warm_pool", "Delete the warm pool"),
        ("suspended Launch", |g| g.suspended = vec!["Launch".into()], "suspended", "resume-processes"),
        (
            "launch configuration",
            |g| {
                g.template = None;
                g.launch_configuration = Some("old-lc".into());
            },
            "launch_source",
            "Copy it to a launch template",
        ),
        ("mixed instances policy", |g| g.mixed_types = vec!["t3.micro".into(), "t3a.micro".into()], "launch_source", "mixed instances policy"),
        ("$Latest", |g| g.version = "$Latest".into(), "numbered_template", "Pin the environment first"),
    ];
    for (at, (what, edit, name, way_out)) in cases.into_iter().enumerate() {
        let t = with_staging(210 + at as u64, edit, |_, _| {}).await;
        let dan = t.sign_in("dan").await;
        let v = t.release(&dan, "one", "ok", None).await;
        let answer = t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await;
        assert!(answer.fields().contains(&name.to_owned()), "{what}: {}", answer.text);
        assert!(answer.text.contains(way_out), "{what}: no way out in {}", answer.text);
        answer.expect(422);
        assert!(t.mutating().is_empty());
        t.finish().await;
    }
}

#[tokio::test]
async fn what_can_be_deployed_says_what_to_know_and_ends_well() {
    let cases: [(&str, Edit, &str, &str); 6] = [
        ("max lifetime", |g| g.max_instance_lifetime = Some(604_800), "max_lifetime", "7 days"),
        (
            "no target group",
            |g| {
                g.target_groups.clear();
                g.health_check = "EC2".into();
            },
            "health_source",
            "EC2 alone",
        ),
        (
            "lifecycle hook",
            |g| {
                g.hooks = vec![HookSeed {
                    name: "drain-jobs".into(),
                    transition: "autoscaling:EC2_INSTANCE_TERMINATING".into(),
                    heartbeat: 60,
                    default_result: "CONTINUE".into(),
                }];
            },
            "lifecycle_hooks",
            "drain-jobs",
        ),
        ("suspended AZRebalance", |g| g.suspended = vec!["AZRebalance".into()], "suspended", "AZRebalance"),
        ("maintenance policy", |g| g.maintenance = Some((90, 110)), "stable", "in service"),
        (
            "scheduled action",
            |g| {
                g.scheduled =
                    vec![ScheduledSeed { name: "night".into(), start_in: Some(1800), recurrence: None, min: None, max: Some(4), desired: None }];
            },
            "scheduled_action",
            "`night` is due in",
        ),
    ];
    for (at, (what, edit, name, says)) in cases.into_iter().enumerate() {
        let t = with_staging(220 + at as u64, edit, |_, _| {}).await;
        let dan = t.sign_in("dan").await;
        let v = t.release(&dan, "one", "ok", None).await;
        let path = format!("/api/v1/apps/{APP}/environments/staging/changes/preview");
        let plan = t.post(&dan, &path, json!({"kind": "deploy", "release": v})).await.expect(200);
        let told = check(&plan, name);
        assert!(told["sentence"].as_str().unwrap().contains(says), "{what}: {told}");
        if what == "maintenance policy" {
            let p = &plan["bound"]["preferences"];
            assert_eq!((&p["min_healthy"], &p["max_healthy"]), (&json!(90), &json!(110)), "the group's own policy is followed");
        }
        let (end, _) = t.run(&dan, TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await)).await;
        assert_eq!(end["state"], "succeeded", "{what}: {end}");
        t.finish().await;
    }
}

#[tokio::test]
async fn a_network_load_balancer_is_supported() {
    let t = with_staging(
        230,
        |g| g.target_groups = vec!["tcp-targets".into()],
        |world, _| {
            let load_balancer = world.target_groups[0].load_balancer.clone();
            world.target_groups.push(TargetGroupSeed {
                name: "tcp-targets".into(),
                check_protocol: "TCP".into(),
                load_balancer,
                ..TargetGroupSeed::default()
            });
        },
    )
    .await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let (end, _) = t.run(&dan, TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await)).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    t.finish().await;
}

#[tokio::test]
async fn a_neighbour_that_follows_the_template_is_not_deployed_to_by_accident() {
    let t = with_staging(
        231,
        |_| {},
        |world, staging| {
            let mut neighbour = world.groups.iter().find(|g| g.name == staging).unwrap().clone();
            neighbour.name = "neighbour".into();
            neighbour.version = "$Latest".into();
            world.groups.push(neighbour);
        },
    )
    .await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let answer = t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await;
    assert!(answer.text.contains("neighbour follows this template's $Latest"), "{}", answer.text);
    answer.expect(422);
    assert!(t.mutating().is_empty());
    t.finish().await;
}

#[tokio::test]
async fn a_protected_instance_is_waited_for_by_default_and_named() {
    let t = with_staging(232, |g| g.protect_new = true, |_, _| {}).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let path = format!("/api/v1/apps/{APP}/environments/staging/changes/preview");
    let plan = t.post(&dan, &path, json!({"kind": "deploy", "release": v})).await.expect(200);
    let told = check(&plan, "protected")["sentence"].as_str().unwrap().to_owned();
    assert!(told.contains("i-") && told.contains("is waited for"), "{told}");
    assert_eq!(plan["bound"]["preferences"]["protected"], "Wait");
    let body = json!({"kind": "deploy", "release": v, "strategy": {"protected": "Refresh"}});
    let (end, _) = t.run(&dan, TestApp::accepted(t.change(&dan, "staging", body).await)).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    t.finish().await;
}

#[tokio::test]
async fn a_role_that_does_not_let_us_in_is_said_without_its_name() {
    let t = TestApp::with_stack(Setup::seed(233)).await;
    let ada = t.sign_in("ada").await;
    let body = json!({"name": "other", "region": t.names.region, "asg": t.names.legacy, "role_arn": format!("arn:aws:iam::{}:role/{}", t.names.account, t.names.role), "external_id": "wrong"});
    let answer = t.post(&ada, &format!("/api/v1/apps/{APP}/environments"), body).await;
    assert!(!answer.text.contains("arn:aws") && answer.text.contains("iam-policy"), "{}", answer.text);
    answer.expect(503);
    t.finish().await;
}
