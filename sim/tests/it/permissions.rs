//! Permission mode: calls judged by IAM policies (aws-reference 1.3, 13).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    client::{ASG, Got, TEMPLATE, World, world, world_with},
    s3::{Sent, send},
    table::{self, Operation},
};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/fleet-control";

fn allow(actions: Value, resource: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]})
}

async fn put(w: &World, principal: Option<&str>, document: Value) {
    let body = match principal {
        Some(principal) => json!({"principal": principal, "document": document}),
        None => json!({"document": document}),
    };
    let got = w.control("POST", "policy", body).await;
    assert_eq!(got.status, 200, "{}", got.body);
}

async fn clear(w: &World) {
    assert_eq!(w.control("DELETE", "policy", json!({})).await.status, 200);
}

/// Key of a session of the deploy role.
async fn session(w: &World) -> String {
    let params = [("RoleArn", ROLE), ("RoleSessionName", "fleet-1-anna"), ("ExternalId", "stack-external-id")];
    let key = w.query("sts", "AssumeRole", &params).await.one("AccessKeyId");
    assert!(key.starts_with("ASIA"));
    key
}

/// A call with a session's key.
async fn by(w: &World, key: &str, service: &str, action: &str, params: &[(&str, &str)]) -> Got {
    w.as_key(key, service, action, params).await.expect("answers")
}

fn template_id(w: &World) -> String {
    let snapshot = w.handle.snapshot();
    let rows = snapshot["templates"].as_array().cloned().unwrap_or_default();
    rows.iter().find(|t| t["name"] == TEMPLATE).and_then(|t| t["id"].as_str()).expect("template").to_owned()
}

/// The documents of aws-reference 13.1 and 13.2 with the stack's names.
fn read_only() -> Value {
    let text = include_str!("policies/read_only.json");
    serde_json::from_str(&named(text, "")).expect("JSON")
}

fn deploy(template: &str) -> Value {
    serde_json::from_str(&named(include_str!("policies/deploy.json"), template)).expect("JSON")
}

fn instance_role() -> Value {
    serde_json::from_str(&named(include_str!("policies/instance.json"), "")).expect("JSON")
}

fn named(text: &str, template: &str) -> String {
    let names = [
        ("REGION", "ap-south-1"),
        ("ACCT", ACCOUNT),
        ("APP_ROLE", "app-role"),
        ("APP_PROFILE", "app-instance-profile"),
        ("REPO", "stateless-app"),
        ("BUCKET", "stateless-app-files"),
        ("LT_ID", template),
        ("ASG", ASG),
    ];
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

#[tokio::test]
async fn without_a_policy_everything_is_allowed() {
    let w = world().await;
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200);
    put(&w, Some(ROLE), allow(json!("ec2:*"), json!("*"))).await;
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200, "another principal's policy");
    put(&w, None, allow(json!("ec2:*"), json!("*"))).await;
    w.asg("DescribeAutoScalingGroups", &[]).await.refused(403, "AccessDenied");
    clear(&w).await;
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200);
}

#[tokio::test]
async fn each_service_refuses_in_its_own_code_and_words() {
    let w = world().await;
    put(&w, None, allow(json!("iam:GetAccountSummary"), json!("*"))).await;
    let who = format!("arn:aws:iam::{ACCOUNT}:user/AKIATEST");
    let because = |action: &str| format!("because no identity-based policy allows the {action} action");
    let got = w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "3")]).await;
    got.refused(403, "AccessDenied");
    let message = got.one("Message");
    let (head, tail) = message.split_once(" on resource: ").expect("names the resource");
    assert_eq!(head, format!("User: {who} is not authorized to perform: autoscaling:SetDesiredCapacity"));
    assert!(tail.starts_with(&format!("arn:aws:autoscaling:ap-south-1:{ACCOUNT}:autoScalingGroup:")), "{tail}");
    assert!(tail.ends_with(&format!(":autoScalingGroupName/{ASG} {}", because("autoscaling:SetDesiredCapacity"))), "{tail}");
    let got = w.ec2("DescribeInstances", &[]).await;
    got.refused(403, "UnauthorizedOperation");
    let words = format!("You are not authorized to perform this operation. User: {who} is not authorized to perform: ec2:DescribeInstances ");
    assert_eq!(got.one("Message"), words + &because("ec2:DescribeInstances"));
    let got = w.ecr("DescribeImages", json!({"repositoryName": "stateless-app"})).await;
    assert_eq!((got.status, got.json()["__type"].as_str()), (400, Some("AccessDeniedException")));
    let resource = format!("arn:aws:ecr:ap-south-1:{ACCOUNT}:repository/stateless-app");
    let words = format!("User: {who} is not authorized to perform: ecr:DescribeImages on resource: {resource} ");
    assert_eq!(got.json()["message"], words + &because("ecr:DescribeImages"));
    w.query("elasticloadbalancing", "DescribeTargetGroups", &[]).await.refused(403, "AccessDenied");
    w.query("iam", "GetRole", &[("RoleName", "app-role")]).await.refused(403, "AccessDenied");
    let got = send(&w, Sent::new("GET", "/stateless-app-files?list-type=2")).await;
    assert_eq!((got.status, got.code().as_str()), (403, "AccessDenied"));
    let words = format!("User: {who} is not authorized to perform: s3:ListBucket on resource: &quot;arn:aws:s3:::stateless-app-files&quot; ");
    assert!(got.text().contains(&(words + &because("s3:ListBucket"))), "{}", got.text());
    put(&w, None, json!({"Statement": {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}})).await;
    let message = w.ec2("DescribeInstances", &[]).await.one("Message");
    assert!(message.ends_with("with an explicit deny in an identity-based policy"), "{message}");
}

#[tokio::test]
async fn a_refused_call_changes_nothing_and_stands_in_the_log() {
    let w = world().await;
    put(&w, None, allow(json!("autoscaling:Describe*"), json!("*"))).await;
    w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", ASG), ("DesiredCapacity", "3")]).await.refused(403, "AccessDenied");
    assert_eq!(w.describe_group().await.one("DesiredCapacity"), "2");
    let call = &w.handle.calls_since(0)[0];
    assert_eq!((call.operation.as_str(), call.status, call.effective), ("SetDesiredCapacity", 403, false));
    assert_eq!(call.error_code.as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn every_operation_has_its_row() {
    let (rows, operations) = (table::rows(), table::in_the_source());
    assert!(operations.len() > 70, "{}", operations.len());
    let has = |service: &str, operation: &str| rows.iter().filter(|r| r.service == service && r.operation == operation).count();
    let without: Vec<_> = operations.iter().filter(|(s, o)| has(s, o) != 1).collect();
    assert!(without.is_empty(), "not exactly one row in sim/src/authorize/table.rs: {without:?}");
    let nowhere = |r: &&Operation| !operations.contains(&(r.service.clone(), r.operation.clone()));
    let left: Vec<_> = rows.iter().filter(nowhere).map(|r| (&r.service, &r.operation)).collect();
    assert!(left.is_empty(), "rows of sim/src/authorize/table.rs for operations that are not there: {left:?}");
}

/// Whether an answer is a refusal for want of permission.
fn denied(operation: &Operation, status: u16, body: &str) -> bool {
    match operation.service.as_str() {
        "ec2" => body.contains("<Code>UnauthorizedOperation</Code>"),
        "ecr" => body.contains("AccessDeniedException"),
        "s3" if operation.operation.starts_with("Head") => status == 403,
        _ => body.contains("<Code>AccessDenied</Code>") || body.contains("AccessDenied\""),
    }
}

#[tokio::test]
async fn a_policy_of_one_action_allows_that_and_nothing_else() {
    let w = world().await;
    let mut connection = table::Connection::open(&w).await;
    let rows = table::rows();
    let mut sets: Vec<Vec<String>> = rows.iter().map(|r| r.actions.clone()).filter(|a| !a.is_empty()).collect();
    sets.sort();
    sets.dedup();
    for (n, actions) in sets.into_iter().enumerate() {
        clear(&w).await;
        put(&w, None, allow(json!(actions), json!("*"))).await;
        // Every operation of the action's own service, and in turn a share of the others.
        let own = |row: &Operation| row.actions.iter().chain(&actions).map(|a| a.split(':').next()).collect::<BTreeSet<_>>().len() == 1;
        for row in rows.iter().enumerate().filter(|(m, row)| (n + m) % 10 == 0 || own(row)).map(|(_, row)| row) {
            let (status, body) = connection.call(row).await;
            let open = row.actions.iter().all(|a| actions.contains(a));
            assert_eq!(denied(row, status, &body), !open, "{} {} under {actions:?}: {status} {body}", row.service, row.operation);
        }
    }
}

#[tokio::test]
async fn an_operation_without_a_row_is_refused_to_who_is_judged() {
    let w = world().await;
    put(&w, None, allow(json!("autoscaling:Describe*"), json!("*"))).await;
    w.asg("FlyToTheMoon", &[]).await.refused(403, "AccessDenied");
    w.ec2("FlyToTheMoon", &[]).await.refused(403, "UnauthorizedOperation");
}

#[tokio::test]
async fn a_role_is_judged_through_its_sessions() {
    let w = world().await;
    let key = session(&w).await;
    put(&w, Some(ROLE), allow(json!("autoscaling:DescribeAutoScalingGroups"), json!("*"))).await;
    assert_eq!(by(&w, &key, "autoscaling", "DescribeAutoScalingGroups", &[]).await.status, 200);
    let got = by(&w, &key, "autoscaling", "DescribeScalingActivities", &[]).await;
    got.refused(403, "AccessDenied");
    assert!(got.one("Message").starts_with(&format!("User: arn:aws:sts::{ACCOUNT}:assumed-role/fleet-control/fleet-1-anna is not authorized")));
}

#[tokio::test]
async fn a_role_with_seeded_policies_is_judged_by_them() {
    let w = world_with(7, |seed| seed.roles[0].policies = Some(vec![allow(json!("ecr:*"), json!("*"))])).await;
    let key = session(&w).await;
    by(&w, &key, "autoscaling", "DescribeAutoScalingGroups", &[]).await.refused(403, "AccessDenied");
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200, "the user is not the role");
    let got = w.query("iam", "ListRolePolicies", &[("RoleName", "fleet-control")]).await;
    assert_eq!(got.one("member"), "policy-1");
    // Policies of the control stand beside the role's own.
    put(&w, Some(ROLE), allow(json!("autoscaling:*"), json!("*"))).await;
    assert_eq!(by(&w, &key, "autoscaling", "DescribeAutoScalingGroups", &[]).await.status, 200);
}

#[tokio::test]
async fn a_role_that_once_got_a_policy_stays_judged() {
    let w = world().await;
    let key = session(&w).await;
    let ask = async || by(&w, &key, "autoscaling", "DescribeAutoScalingGroups", &[]).await.status;
    assert_eq!(ask().await, 200);
    let text = allow(json!("ecr:*"), json!("*")).to_string();
    let inline = [("RoleName", "fleet-control"), ("PolicyName", "only"), ("PolicyDocument", text.as_str())];
    assert_eq!(w.query("iam", "PutRolePolicy", &inline).await.status, 200);
    assert_eq!(ask().await, 403);
    let managed = [("RoleName", "fleet-control"), ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess")];
    assert_eq!(w.query("iam", "AttachRolePolicy", &managed).await.status, 200);
    assert_eq!(ask().await, 200);
    assert_eq!(w.query("iam", "DetachRolePolicy", &managed).await.status, 200);
    assert_eq!(w.query("iam", "DeleteRolePolicy", &inline[..2]).await.status, 200);
    assert_eq!(ask().await, 403);
}

#[tokio::test]
async fn a_session_may_do_no_more_than_its_own_policy() {
    let w = world().await;
    let text = allow(json!("autoscaling:Describe*"), json!("*")).to_string();
    let params = [("RoleArn", ROLE), ("RoleSessionName", "narrow"), ("ExternalId", "stack-external-id"), ("Policy", text.as_str())];
    let key = w.query("sts", "AssumeRole", &params).await.one("AccessKeyId");
    assert_eq!(by(&w, &key, "autoscaling", "DescribeAutoScalingGroups", &[]).await.status, 200);
    let got = by(&w, &key, "ec2", "DescribeInstances", &[]).await;
    got.refused(403, "UnauthorizedOperation");
    assert!(got.one("Message").contains("because no session policy allows"), "{}", got.body);
}

#[tokio::test]
async fn who_am_i_needs_no_permission_and_assuming_a_role_its_trust() {
    let w = world().await;
    put(&w, None, json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})).await;
    assert_eq!(w.query("sts", "GetCallerIdentity", &[]).await.status, 200);
    clear(&w).await;
    let params = [("RoleArn", ROLE), ("RoleSessionName", "me")];
    w.query("sts", "AssumeRole", &params).await.refused(403, "AccessDenied");
    let with = [params[0], params[1], ("ExternalId", "stack-external-id")];
    assert_eq!(w.query("sts", "AssumeRole", &with).await.status, 200);
    // Only its service may assume the instances' role.
    let app = [("RoleArn", "arn:aws:iam::123456789012:role/app-role"), ("RoleSessionName", "me")];
    w.query("sts", "AssumeRole", &app).await.refused(403, "AccessDenied");
    put(&w, None, allow(json!("sts:AssumeRole"), json!("arn:aws:iam::123456789012:role/other"))).await;
    w.query("sts", "AssumeRole", &with).await.refused(403, "AccessDenied");
    clear(&w).await;
    let condition = json!({"StringEquals": {"sts:ExternalId": "stack-external-id"}});
    let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE, "Condition": condition});
    put(&w, None, json!({"Statement": statement})).await;
    assert_eq!(w.query("sts", "AssumeRole", &with).await.status, 200);
}

#[tokio::test]
async fn condition_keys_come_from_the_call_and_from_what_it_names() {
    let w = world_with(7, |seed| {
        seed.groups[0].tags.insert("stage".into(), "production".into());
    })
    .await;
    let (group, template) = (("AutoScalingGroupName", ASG), ("LaunchTemplate.LaunchTemplateName", TEMPLATE));
    for (action, operator, key, value, params, holds) in [
        ("SetDesiredCapacity", "StringEquals", "aws:RequestedRegion", "ap-south-1", vec![("DesiredCapacity", "2")], true),
        ("SetDesiredCapacity", "StringEquals", "aws:RequestedRegion", "eu-west-1", vec![("DesiredCapacity", "2")], false),
        ("SetDesiredCapacity", "StringEquals", "aws:ResourceTag/stage", "production", vec![("DesiredCapacity", "2")], true),
        ("SetDesiredCapacity", "StringEquals", "autoscaling:ResourceTag/stage", "production", vec![("DesiredCapacity", "2")], true),
        ("SetDesiredCapacity", "StringEquals", "autoscaling:ResourceTag/stage", "staging", vec![("DesiredCapacity", "2")], false),
        ("UpdateAutoScalingGroup", "NumericLessThanEquals", "autoscaling:MaxSize", "10", vec![("MaxSize", "10")], true),
        ("UpdateAutoScalingGroup", "NumericLessThanEquals", "autoscaling:MaxSize", "10", vec![("MaxSize", "11")], false),
        ("UpdateAutoScalingGroup", "NumericGreaterThan", "autoscaling:MinSize", "1", vec![("MinSize", "1")], false),
        (
            "UpdateAutoScalingGroup",
            "Bool",
            "autoscaling:LaunchTemplateVersionSpecified",
            "true",
            vec![template, ("LaunchTemplate.Version", "1")],
            true,
        ),
        (
            "UpdateAutoScalingGroup",
            "Bool",
            "autoscaling:LaunchTemplateVersionSpecified",
            "true",
            vec![template, ("LaunchTemplate.Version", "$Latest")],
            false,
        ),
        ("UpdateAutoScalingGroup", "Bool", "autoscaling:LaunchTemplateVersionSpecified", "true", vec![template], false),
        ("UpdateAutoScalingGroup", "StringEquals", "aws:username", "AKIATEST", vec![("MaxSize", "10")], true),
        ("UpdateAutoScalingGroup", "ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*", vec![("MaxSize", "10")], false),
        ("UpdateAutoScalingGroup", "DateGreaterThan", "aws:CurrentTime", "2026-01-05T09:00:01Z", vec![("MaxSize", "10")], false),
    ] {
        clear(&w).await;
        put(&w, None, allow(json!(["ec2:*", "iam:PassRole"]), json!("*"))).await;
        let condition = json!({operator: {key: value}});
        put(&w, None, json!({"Statement": {"Effect": "Allow", "Action": "autoscaling:*", "Resource": "*", "Condition": condition}})).await;
        let mut all = vec![group];
        all.extend(params.clone());
        let got = w.asg(action, &all).await;
        assert_eq!(got.status == 200, holds, "{operator} {key} {value} {params:?}: {}", got.body);
    }
}

#[tokio::test]
async fn a_template_needs_the_right_to_launch_it() {
    let w = world().await;
    let template = template_id(&w);
    let words = format!("You are not authorized to use launch template: {template}");
    let named = [
        ("AutoScalingGroupName", ASG),
        ("DesiredConfiguration.LaunchTemplate.LaunchTemplateId", template.as_str()),
        ("DesiredConfiguration.LaunchTemplate.Version", "1"),
    ];
    let update = [("AutoScalingGroupName", ASG), ("LaunchTemplate.LaunchTemplateId", &template), ("LaunchTemplate.Version", "1")];
    let subnets = w.describe_group().await.one("VPCZoneIdentifier");
    let create = [
        ("AutoScalingGroupName", "new"),
        ("LaunchTemplate.LaunchTemplateId", &template),
        ("MinSize", "0"),
        ("MaxSize", "0"),
        ("VPCZoneIdentifier", &subnets),
    ];
    let mixed = [
        ("AutoScalingGroupName", ASG),
        ("MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateId", template.as_str()),
        ("MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.Version", "1"),
    ];
    let whole = ["ec2:RunInstances", "iam:PassRole", "ec2:CreateTags"];
    for missing in 0..=whole.len() {
        let mut actions: Vec<&str> = whole.to_vec();
        if missing < whole.len() {
            actions.remove(missing);
        }
        clear(&w).await;
        put(&w, None, allow(json!("autoscaling:*"), json!("*"))).await;
        put(&w, None, allow(json!(actions), json!("*"))).await;
        for (action, params) in [
            ("StartInstanceRefresh", &named[..]),
            ("UpdateAutoScalingGroup", &update),
            ("UpdateAutoScalingGroup", &mixed),
            ("CreateAutoScalingGroup", &create),
        ] {
            let got = w.asg(action, params).await;
            if missing < whole.len() {
                got.refused(403, "AccessDenied");
                assert_eq!(got.one("Message"), words, "{action} without {}", whole[missing]);
            } else if action != "UpdateAutoScalingGroup" {
                assert_eq!(got.status, 200, "{action}: {}", got.body);
            } else {
                // The refresh just started keeps the template; being told so is being allowed.
                got.refused(400, "ValidationError");
            }
        }
    }
    // Without a template in the call nothing of it is asked.
    clear(&w).await;
    put(&w, None, allow(json!("autoscaling:*"), json!("*"))).await;
    assert_eq!(w.asg("UpdateAutoScalingGroup", &[("AutoScalingGroupName", ASG), ("MaxSize", "9")]).await.status, 200);
}

#[tokio::test]
async fn the_right_to_launch_is_asked_with_template_role_and_tags() {
    let w = world().await;
    let template = template_id(&w);
    let arn = format!("arn:aws:ec2:ap-south-1:{ACCOUNT}:launch-template/{template}");
    let role = format!("arn:aws:iam::{ACCOUNT}:role/app-role");
    let run = |template: &str| json!({"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*", "Condition": {"ArnEquals": {"ec2:LaunchTemplate": template}}});
    let pass = |role: &str, service: &str| json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": role, "Condition": {"StringEquals": {"iam:PassedToService": service}}});
    let tag = |action: &str, kind: &str| json!({"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": format!("arn:aws:ec2:*:*:{kind}/*"), "Condition": {"StringEquals": {"ec2:CreateAction": action}}});
    let update = [("AutoScalingGroupName", ASG), ("LaunchTemplate.LaunchTemplateId", template.as_str()), ("LaunchTemplate.Version", "1")];
    let ec2 = "ec2.amazonaws.com";
    for (statements, holds) in [
        ([run(&arn), pass(&role, ec2), tag("RunInstances", "instance")], true),
        ([run(&arn.replace("lt-0", "lt-1")), pass(&role, ec2), tag("RunInstances", "instance")], false),
        ([run(&arn), pass("arn:aws:iam::123456789012:role/other", ec2), tag("RunInstances", "instance")], false),
        ([run(&arn), pass(&role, "ecs.amazonaws.com"), tag("RunInstances", "instance")], false),
        ([run(&arn), pass(&role, ec2), tag("CreateVolume", "instance")], false),
        ([run(&arn), pass(&role, ec2), tag("RunInstances", "volume")], false),
    ] {
        clear(&w).await;
        put(&w, None, allow(json!("autoscaling:*"), json!("*"))).await;
        put(&w, None, json!({"Statement": statements})).await;
        assert_eq!(w.asg("UpdateAutoScalingGroup", &update).await.status == 200, holds, "{statements:?}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_whether_it_would_be_allowed() {
    let w = world().await;
    put(&w, None, allow(json!("ec2:DescribeVpcs"), json!("*"))).await;
    w.ec2("DescribeVpcs", &[("DryRun", "true")]).await.refused(412, "DryRunOperation");
    w.ec2("DescribeInstances", &[("DryRun", "true")]).await.refused(403, "UnauthorizedOperation");
}

#[tokio::test]
async fn tags_at_creation_need_create_tags() {
    let w = world().await;
    put(&w, None, allow(json!("ec2:CreateLaunchTemplate"), json!("*"))).await;
    let plain = [("LaunchTemplateName", "plain"), ("LaunchTemplateData.InstanceType", "t3.micro")];
    assert_eq!(w.ec2("CreateLaunchTemplate", &plain).await.status, 200);
    let tagged = [
        ("LaunchTemplateName", "tagged"),
        ("LaunchTemplateData.InstanceType", "t3.micro"),
        ("TagSpecification.1.ResourceType", "launch-template"),
        ("TagSpecification.1.Tag.1.Key", "team"),
        ("TagSpecification.1.Tag.1.Value", "x"),
    ];
    w.ec2("CreateLaunchTemplate", &tagged).await.refused(403, "UnauthorizedOperation");
    let condition = json!({"StringEquals": {"ec2:CreateAction": "CreateLaunchTemplate", "aws:RequestTag/team": "x"}});
    put(&w, None, json!({"Statement": {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": condition}})).await;
    assert_eq!(w.ec2("CreateLaunchTemplate", &tagged).await.status, 200);
}

#[tokio::test]
async fn the_read_only_document_reads_and_changes_nothing() {
    let w = world().await;
    put(&w, None, read_only()).await;
    for action in ["DescribeAutoScalingGroups", "DescribeAutoScalingInstances", "DescribeScalingActivities", "DescribePolicies"] {
        assert_eq!(w.asg(action, &[]).await.status, 200, "{action}");
    }
    for action in ["DescribeInstances", "DescribeInstanceStatus", "DescribeLaunchTemplates", "DescribeSubnets", "DescribeImages"] {
        assert_eq!(w.ec2(action, &[]).await.status, 200, "{action}");
    }
    assert_eq!(w.ecr("DescribeImages", json!({"repositoryName": "stateless-app"})).await.status, 200);
    assert_eq!(w.ecr("DescribeRepositories", json!({"repositoryNames": ["stateless-app"]})).await.status, 200);
    // Asking for all repositories is asking for more than the one.
    assert_eq!(w.ecr("DescribeRepositories", json!({})).await.status, 400);
    for path in ["/stateless-app-files?list-type=2", "/stateless-app-files?location", "/stateless-app-files?publicAccessBlock"] {
        assert_eq!(send(&w, Sent::new("GET", path)).await.status, 200, "{path}");
    }
    assert_eq!(w.query("iam", "GetRole", &[("RoleName", "app-role")]).await.status, 200);
    assert_eq!(w.query("iam", "ListAttachedRolePolicies", &[("RoleName", "app-role")]).await.status, 200);
    assert_eq!(w.query("iam", "GetInstanceProfile", &[("InstanceProfileName", "app-instance-profile")]).await.status, 200);
    w.query("iam", "GetRole", &[("RoleName", "fleet-control")]).await.refused(403, "AccessDenied");
    w.query("iam", "ListRolePolicies", &[("RoleName", "app-role")]).await.refused(403, "AccessDenied");
    w.ec2("DescribeVpcs", &[]).await.refused(403, "UnauthorizedOperation");
    w.asg("StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await.refused(403, "AccessDenied");
    assert_eq!(send(&w, Sent::new("GET", "/stateless-app-files/key")).await.status, 403);
}

#[tokio::test]
async fn the_deploy_document_deploys_its_group_and_no_other() {
    let w = world().await;
    let template = template_id(&w);
    let data = w.digest("v4").await;
    put(&w, Some(ROLE), read_only()).await;
    put(&w, Some(ROLE), deploy(&template)).await;
    let key = session(&w).await;
    let version = [
        ("LaunchTemplateId", template.as_str()),
        ("SourceVersion", "1"),
        ("LaunchTemplateData.InstanceType", "t3.small"),
        ("VersionDescription", data.as_str()),
    ];
    assert_eq!(by(&w, &key, "ec2", "CreateLaunchTemplateVersion", &version).await.one("versionNumber"), "2");
    let refresh = [
        ("AutoScalingGroupName", ASG),
        ("DesiredConfiguration.LaunchTemplate.LaunchTemplateId", template.as_str()),
        ("DesiredConfiguration.LaunchTemplate.Version", "2"),
    ];
    let got = by(&w, &key, "autoscaling", "StartInstanceRefresh", &refresh).await;
    assert_eq!(got.status, 200, "{}", got.body);
    assert_eq!(by(&w, &key, "autoscaling", "CancelInstanceRefresh", &refresh[..1]).await.status, 200);
    assert_eq!(by(&w, &key, "autoscaling", "SetDesiredCapacity", &[refresh[0], ("DesiredCapacity", "3")]).await.status, 200);
    let other = [("AutoScalingGroupName", "stateless-app-staging-asg"), ("DesiredCapacity", "2")];
    by(&w, &key, "autoscaling", "SetDesiredCapacity", &other).await.refused(403, "AccessDenied");
    by(&w, &key, "autoscaling", "UpdateAutoScalingGroup", &[refresh[0], ("MaxSize", "9")]).await.refused(403, "AccessDenied");
    let moved = [("LaunchTemplateId", template.as_str()), ("SetDefaultVersion", "2")];
    by(&w, &key, "ec2", "ModifyLaunchTemplate", &moved).await.refused(403, "UnauthorizedOperation");
    let foreign = [("LaunchTemplateName", "stateless-app-staging-template"), ("LaunchTemplateData.InstanceType", "t3.small")];
    by(&w, &key, "ec2", "CreateLaunchTemplateVersion", &foreign).await.refused(403, "UnauthorizedOperation");
}

#[tokio::test]
async fn the_deploy_document_without_launch_rights_starts_no_refresh() {
    let w = world().await;
    let template = template_id(&w);
    let mut document = deploy(&template);
    let statements = document["Statement"].as_array_mut().expect("statements");
    statements.retain(|s| s["Sid"] != "PassAppRole");
    put(&w, None, document).await;
    let named = [("AutoScalingGroupName", ASG), ("DesiredConfiguration.LaunchTemplate.LaunchTemplateId", template.as_str())];
    let got = w.asg("StartInstanceRefresh", &named).await;
    got.refused(403, "AccessDenied");
    assert_eq!(got.one("Message"), format!("You are not authorized to use launch template: {template}"));
}

#[tokio::test]
async fn the_instance_document_reaches_its_bucket_alone() {
    let w = world_with(7, |seed| seed.buckets.push("other-files".into())).await;
    put(&w, None, instance_role()).await;
    assert_eq!(send(&w, Sent::new("PUT", "/stateless-app-files/a").body(b"x")).await.status, 200);
    assert_eq!(send(&w, Sent::new("GET", "/stateless-app-files/a")).await.status, 200);
    assert_eq!(send(&w, Sent::new("GET", "/stateless-app-files?list-type=2")).await.status, 200);
    assert_eq!(send(&w, Sent::new("DELETE", "/stateless-app-files/a")).await.status, 204);
    assert_eq!(send(&w, Sent::new("PUT", "/other-files/a").body(b"x")).await.status, 403);
    assert_eq!(send(&w, Sent::new("GET", "/")).await.status, 403);
    assert_eq!(w.ecr("GetAuthorizationToken", json!({})).await.status, 200);
    assert_eq!(w.ecr("DescribeImages", json!({"repositoryName": "stateless-app"})).await.status, 400);
}

#[tokio::test]
async fn policies_are_put_listed_and_removed() {
    let w = world().await;
    let document = allow(json!("ec2:*"), json!("*"));
    put(&w, Some(ROLE), document.clone()).await;
    put(&w, None, document.clone()).await;
    let wanted = json!([{"principal": ROLE, "document": document}, {"principal": "*", "document": document}]);
    assert_eq!(w.control("GET", "policy", json!({})).await.json()["policies"], wanted);
    for principal in ["fleet-control", "arn:aws:iam::123456789012:role/none", "arn:aws:iam::999999999999:user/x", ""] {
        let got = w.control("POST", "policy", json!({"principal": principal, "document": document})).await;
        assert_eq!(got.status, 400, "{principal}");
        assert!(got.json()["error"].as_str().is_some_and(|e| e.starts_with("principal: ")), "{}", got.body);
    }
    clear(&w).await;
    assert_eq!(w.control("GET", "policy", json!({})).await.json()["policies"], json!([]));
}

#[tokio::test]
async fn policies_go_with_an_exported_world() {
    let w = world().await;
    put(&w, None, allow(json!("ec2:*"), json!("*"))).await;
    let state = w.handle.export().expect("exports");
    clear(&w).await;
    assert_eq!(w.asg("DescribeAutoScalingGroups", &[]).await.status, 200);
    w.handle.import(state).expect("imports");
    w.asg("DescribeAutoScalingGroups", &[]).await.refused(403, "AccessDenied");
}
