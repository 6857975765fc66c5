//! Adopting a group through the pages: the look at a place, permission by permission and group by group, and then the adoption.

use fleetgate::domain::iam;
use fleetgate_sim::FaultKind;

use crate::forms::post;
use crate::harness::{Setup, TestApp};

fn place<'a>(t: &'a TestApp, role: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("region", t.names.region.as_str()), ("role_arn", role), ("external_id", t.names.external_id.as_str())]
}

#[tokio::test]
async fn a_look_tells_what_the_role_may_do_and_what_can_not_be_adopted_and_changes_nothing() {
    let t = TestApp::with_stack(Setup::seed(1301).world(|world, names| {
        let of = |name: &str| world.groups.iter().position(|g| g.name == name).unwrap();
        let copy = |at: usize, name: &str| {
            let mut g = world.groups[at].clone();
            g.name = name.into();
            g
        };
        let mut warm = copy(of(&names.staging), "warm-asg");
        warm.warm_pool = Some(1);
        let mut old = copy(of(&names.staging), "old-asg");
        old.template = None;
        old.launch_configuration = Some("old-lc".into());
        let free = copy(of(&names.staging), "free-asg");
        world.groups.extend([warm, old, free]);
    }))
    .await;
    let ada = t.sign_in("ada").await;
    let role = format!("arn:aws:iam::{}:role/{}", t.names.account, t.names.role);
    let path = "/apps/shop/adopt";
    t.fault("DescribeLifecycleHooks", FaultKind::Denied, None);
    let (before, calls) = (t.mutating().len(), t.calls().len());
    let mut fields = place(&t, &role);
    fields.push(("act", "look"));
    let look = post(&t, &ada, path, &fields).await;
    assert_eq!(look.status, 200, "{}", look.text);
    let html = look.text.as_str();
    let line = |action: &str| {
        let at = html.find(&format!("<code>{action}</code>")).unwrap_or_else(|| panic!("{action} is not listed: {html}"));
        html[at..].split("</li>").next().unwrap().to_owned()
    };
    assert!(line("autoscaling:DescribeLifecycleHooks").contains("denied"), "{html}");
    for allowed in [
        "autoscaling:DescribeInstanceRefreshes",
        "ec2:CreateLaunchTemplateVersion",
        "ecr:DescribeImages",
        "elasticloadbalancing:DescribeTargetHealth",
    ] {
        assert!(line(allowed).contains("allowed"), "{}", line(allowed));
    }
    // A permission of the policy that is not listed would never be looked at; each read is tried under its own name.
    for action in iam::READS.iter().chain(&iam::REPOSITORY_READS).chain(&iam::GROUP_ACTS).chain(&iam::TEMPLATE_ACTS) {
        line(action);
    }
    let trial: Vec<String> = t.calls()[calls..].iter().map(|c| c.operation.clone()).collect();
    for action in iam::READS.iter().chain(&iam::REPOSITORY_READS) {
        let operation = action.split_once(':').unwrap().1;
        assert!(trial.iter().any(|o| o == operation), "{action} was not tried");
    }
    // What can only be tried by doing it is not called allowed.
    for untried in ["autoscaling:StartInstanceRefresh", "autoscaling:TerminateInstanceInAutoScalingGroup", "iam:PassRole"] {
        assert!(line(untried).contains("not tried"), "{}", line(untried));
    }
    let group = |name: &str| {
        let at = html.find(&format!("value=\"{name}\"")).unwrap_or_else(|| panic!("{name} is not listed: {html}"));
        html[at..].split("</label>").next().unwrap().to_owned()
    };
    for (name, why) in
        [("warm-asg", "has a warm pool"), ("old-asg", "launch configuration old-lc"), (t.names.staging.as_str(), "Already shop/staging")]
    {
        let text = group(name);
        assert!(text.contains(why) && text.split('>').next().unwrap().contains("disabled"), "{name}: {text}");
    }
    assert!(group(&t.names.legacy).contains("pin it before the first deployment"), "{}", group(&t.names.legacy));
    assert!(!group("free-asg").split('>').next().unwrap().contains("disabled"));
    assert_eq!(t.mutating().len(), before, "a look changes nothing");

    // The same form, with a group: it becomes an environment.
    let mut fields = place(&t, &role);
    let numbers = [("max_ceiling", "6"), ("min_floor", "1"), ("approvals", "1"), ("bake_seconds", "60"), ("image_source", "user_data")];
    fields.extend([("act", "adopt"), ("asg", "free-asg"), ("name", "canary"), ("protected", "yes")].into_iter().chain(numbers));
    let made = post(&t, &ada, path, &fields).await;
    assert_eq!(made.status, 303, "{}", made.text);
    assert_eq!(made.headers["location"], "/apps/shop/canary");
    let env = t.environment(&ada, "canary").await;
    assert_eq!((&env["protected"], &env["policy"]["max_ceiling"]), (&true.into(), &6.into()), "{env}");
    // Twice: the second sending says what is, and lists the groups again.
    let again = post(&t, &ada, path, &fields).await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert!(again.text.contains("is adopted already") && again.text.contains("Already shop/canary"), "{}", again.text);
    t.finish().await;
}

#[tokio::test]
async fn a_role_that_can_not_be_assumed_names_the_field() {
    let t = TestApp::with_stack(Setup::seed(1302)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let role = format!("arn:aws:iam::{}:role/nobody", t.names.account);
    let mut fields = place(&t, &role);
    fields.push(("act", "look"));
    let answer = post(&t, &ada, "/apps/shop/adopt", &fields).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("href=\"#f-role_arn\"") && answer.text.contains("can not be assumed"), "{}", answer.text);
    assert!(answer.text.contains(&role), "what was typed is kept");
    assert_eq!(t.get(&dan, "/apps/shop/adopt").await.status, 403);
    assert_eq!(post(&t, &dan, "/apps/shop/adopt", &fields).await.status, 403);
    t.finish().await;
}
