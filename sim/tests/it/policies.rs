//! What IAM policies say, asked through SimulateCustomPolicy (aws-reference 13).

use serde_json::{Value, json};

use crate::client::{World, world};

/// One statement over everything, changed by these members.
fn policy(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Decision on one action and resource under these policies and context.
async fn decision(w: &World, policies: &[String], action: &str, resource: &str, context: &[(&str, &[&str])]) -> String {
    let mut params: Vec<(String, String)> = vec![("ActionNames.member.1".into(), action.into()), ("ResourceArns.member.1".into(), resource.into())];
    for (n, text) in policies.iter().enumerate() {
        params.push((format!("PolicyInputList.member.{}", n + 1), text.clone()));
    }
    for (n, (key, values)) in context.iter().enumerate() {
        let entry = format!("ContextEntries.member.{}", n + 1);
        params.push((format!("{entry}.ContextKeyName"), (*key).into()));
        params.push((format!("{entry}.ContextKeyType"), "string".into()));
        for (m, value) in values.iter().enumerate() {
            params.push((format!("{entry}.ContextKeyValues.member.{}", m + 1), (*value).into()));
        }
    }
    let pairs: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let got = w.query("iam", "SimulateCustomPolicy", &pairs).await;
    assert_eq!(got.status, 200, "{}", got.body);
    got.one("EvalDecision")
}

#[tokio::test]
async fn a_deny_wins_and_nothing_is_allowed_by_default() {
    let w = world().await;
    let allow = policy(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*"})]);
    let deny = policy(&[json!({"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})]);
    let other = policy(&[json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})]);
    for (policies, wanted) in [
        (vec![allow.clone()], "allowed"),
        (vec![allow.clone(), deny.clone()], "explicitDeny"),
        (vec![deny.clone(), allow], "explicitDeny"),
        (vec![other], "implicitDeny"),
        (vec![deny], "explicitDeny"),
    ] {
        assert_eq!(decision(&w, &policies, "ec2:DescribeInstances", "*", &[]).await, wanted, "{policies:?}");
    }
}

#[tokio::test]
async fn actions_match_by_wildcard_in_any_case() {
    let w = world().await;
    for (member, pattern, action, wanted) in [
        ("Action", "ec2:DescribeInstances", "ec2:DescribeInstances", "allowed"),
        ("Action", "EC2:describeinstances", "ec2:DescribeInstances", "allowed"),
        ("Action", "ec2:Describe*", "ec2:DescribeInstances", "allowed"),
        ("Action", "ec2:*Inst?nces", "ec2:DescribeInstances", "allowed"),
        ("Action", "ec2:Describe?", "ec2:DescribeInstances", "implicitDeny"),
        ("Action", "ec2:DescribeInstance", "ec2:DescribeInstances", "implicitDeny"),
        ("Action", "s3:*", "ec2:DescribeInstances", "implicitDeny"),
        ("Action", "*", "ec2:DescribeInstances", "allowed"),
        ("NotAction", "ec2:*", "ec2:DescribeInstances", "implicitDeny"),
        ("NotAction", "ec2:Run*", "ec2:DescribeInstances", "allowed"),
    ] {
        let document = policy(&[json!({"Effect": "Allow", member: pattern, "Resource": "*"})]);
        assert_eq!(decision(&w, &[document], action, "*", &[]).await, wanted, "{member} {pattern}");
    }
}

#[tokio::test]
async fn resources_match_part_by_part() {
    let w = world().await;
    let group = "arn:aws:autoscaling:ap-south-1:123456789012:autoScalingGroup:0a-1b:autoScalingGroupName/app";
    for (member, pattern, resource, wanted) in [
        ("Resource", group, group, "allowed"),
        ("Resource", "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/app", group, "allowed"),
        ("Resource", "arn:aws:autoscaling:*:123456789012:autoScalingGroup:*:autoScalingGroupName/ap?", group, "allowed"),
        ("Resource", "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/other", group, "implicitDeny"),
        // A wildcard does not reach over a colon of the first five parts.
        ("Resource", "arn:aws:autoscaling:*:autoScalingGroup:*:autoScalingGroupName/app", group, "implicitDeny"),
        ("Resource", "arn:aws:s3:::b*", "arn:aws:s3:::bucket/key", "allowed"),
        ("Resource", "arn:aws:s3:::B*", "arn:aws:s3:::bucket", "implicitDeny"),
        // What is asked of everything is not allowed by one thing.
        ("Resource", "arn:aws:s3:::*", "*", "implicitDeny"),
        ("NotResource", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket", "implicitDeny"),
        ("NotResource", "arn:aws:s3:::bucket", "arn:aws:s3:::other", "allowed"),
    ] {
        let document = policy(&[json!({"Effect": "Allow", "Action": "*", member: pattern})]);
        assert_eq!(decision(&w, &[document], "s3:GetObject", resource, &[]).await, wanted, "{member} {pattern} {resource}");
    }
}

#[tokio::test]
async fn condition_operators_compare_as_iam_does() {
    let w = world().await;
    let role = "arn:aws:iam::123456789012:role/app";
    for (operator, wanted, have, holds) in [
        ("StringEquals", "ap-south-1", "ap-south-1", true),
        ("StringEquals", "ap-south-1", "AP-SOUTH-1", false),
        ("StringEquals", "ap-*", "ap-south-1", false),
        ("StringNotEquals", "ap-south-1", "eu-west-1", true),
        ("StringNotEquals", "ap-south-1", "ap-south-1", false),
        ("StringEqualsIgnoreCase", "ap-south-1", "AP-SOUTH-1", true),
        ("StringNotEqualsIgnoreCase", "ap-south-1", "AP-SOUTH-1", false),
        ("StringLike", "ap-*-?", "ap-south-1", true),
        ("StringLike", "ap-?", "ap-south-1", false),
        ("StringNotLike", "ap-*", "ap-south-1", false),
        ("ArnEquals", "arn:aws:iam::*:role/app", role, true),
        ("ArnLike", "arn:aws:iam::*:role/other", role, false),
        ("ArnNotEquals", "arn:aws:iam::*:role/app", role, false),
        ("ArnNotLike", "arn:aws:iam::*:role/other", role, true),
        ("NumericEquals", "4", "4.0", true),
        ("NumericNotEquals", "4", "4", false),
        ("NumericLessThan", "4", "3", true),
        ("NumericLessThan", "4", "4", false),
        ("NumericLessThanEquals", "4", "4", true),
        ("NumericLessThanEquals", "4", "5", false),
        ("NumericGreaterThan", "4", "10", true),
        ("NumericGreaterThan", "4", "4", false),
        ("NumericGreaterThanEquals", "4", "4", true),
        ("NumericGreaterThanEquals", "4", "3", false),
        ("DateLessThan", "2026-02-01T00:00:00Z", "2026-01-31T23:59:59Z", true),
        ("DateGreaterThan", "2026-02-01T00:00:00Z", "2026-01-31T23:59:59Z", false),
        ("DateEquals", "2026-02-01T00:00:00Z", "1769904000", true),
        ("Bool", "true", "true", true),
        ("Bool", "true", "false", false),
        ("IpAddress", "10.1.0.0/16", "10.1.200.3", true),
        ("IpAddress", "10.1.0.0/16", "10.2.0.1", false),
        ("IpAddress", "10.1.2.3", "10.1.2.3", true),
        ("IpAddress", "2001:db8::/32", "2001:db8:5::1", true),
        ("NotIpAddress", "10.1.0.0/16", "10.1.0.1", false),
        ("Null", "true", "present", false),
        ("Null", "false", "present", true),
    ] {
        let document = policy(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"aws:Thing": wanted}}})]);
        let got = decision(&w, &[document], "a:B", "*", &[("AWS:thing", &[have])]).await;
        assert_eq!(got == "allowed", holds, "{operator} {wanted} {have}");
    }
}

#[tokio::test]
async fn an_absent_key_fails_unless_negated_or_if_exists() {
    let w = world().await;
    for (operator, wanted, holds) in [
        ("StringEquals", "x", false),
        ("StringEqualsIfExists", "x", true),
        ("StringNotEquals", "x", true),
        ("StringNotLike", "x", true),
        ("NumericLessThan", "5", false),
        ("NumericLessThanIfExists", "5", true),
        ("ArnNotLike", "arn:aws:iam::*:role/x", true),
        ("Bool", "true", false),
        ("BoolIfExists", "true", true),
        ("Null", "true", true),
        ("Null", "false", false),
        ("ForAnyValue:StringEquals", "x", false),
        ("ForAllValues:StringEquals", "x", true),
    ] {
        let document = policy(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"aws:Thing": wanted}}})]);
        assert_eq!(decision(&w, &[document], "a:B", "*", &[]).await == "allowed", holds, "{operator}");
    }
}

#[tokio::test]
async fn set_operators_look_at_every_value() {
    let w = world().await;
    for (operator, wanted, have, holds) in [
        ("ForAnyValue:StringEquals", json!(["a", "b"]), &["c", "b"] as &[&str], true),
        ("ForAnyValue:StringEquals", json!(["a", "b"]), &["c", "d"], false),
        ("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "b"], true),
        ("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "c"], false),
        ("ForAnyValue:StringNotEquals", json!("a"), &["a", "b"], true),
        ("ForAllValues:StringNotEquals", json!("a"), &["a", "b"], false),
    ] {
        let document = policy(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"aws:TagKeys": wanted}}})]);
        assert_eq!(decision(&w, &[document], "a:B", "*", &[("aws:TagKeys", have)]).await == "allowed", holds, "{operator} {have:?}");
    }
}

#[tokio::test]
async fn every_condition_of_a_statement_must_hold() {
    let w = world().await;
    let condition = json!({"StringEquals": {"aws:One": "1", "aws:Two": ["2", "3"]}, "Bool": {"aws:Three": "true"}});
    let document = [policy(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition})])];
    let all: [(&str, &[&str]); 3] = [("aws:One", &["1"]), ("aws:Two", &["3"]), ("aws:Three", &["true"])];
    assert_eq!(decision(&w, &document, "a:B", "*", &all).await, "allowed");
    for without in 0..3 {
        let rest: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, row)| *row).collect();
        assert_eq!(decision(&w, &document, "a:B", "*", &rest).await, "implicitDeny", "{without}");
    }
}

#[tokio::test]
async fn variables_stand_for_the_context() {
    let w = world().await;
    for (resource, version, name, holds) in [
        ("arn:aws:s3:::home/${aws:username}/*", "2012-10-17", Some("anna"), true),
        ("arn:aws:s3:::home/${aws:username}/*", "2012-10-17", Some("berta"), false),
        // A name that is itself a pattern stands for its characters alone.
        ("arn:aws:s3:::home/${aws:username}/*", "2012-10-17", Some("*"), false),
        ("arn:aws:s3:::home/${aws:username}/*", "2012-10-17", None, false),
        ("arn:aws:s3:::home/ann?/${*}", "2012-10-17", None, false),
        // The older version knows no variables.
        ("arn:aws:s3:::home/${aws:username}/*", "2008-10-17", Some("anna"), false),
    ] {
        let document = json!({"Version": version, "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": resource}}).to_string();
        let names: Vec<&str> = name.into_iter().collect();
        let context: Vec<(&str, &[&str])> = if names.is_empty() { Vec::new() } else { vec![("aws:username", &names)] };
        let got = decision(&w, &[document], "s3:GetObject", "arn:aws:s3:::home/anna/file", &context).await;
        assert_eq!(got == "allowed", holds, "{resource} {name:?}");
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_judged_is_refused_with_the_reason() {
    let w = world().await;
    let statement = |name: &str, value: Value| {
        let mut row = json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"});
        row[name] = value;
        json!({"Version": "2012-10-17", "Statement": [row]})
    };
    let without = |name: &str| {
        let mut row = json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"});
        row.as_object_mut().expect("object").remove(name);
        json!({"Statement": row})
    };
    for (document, words) in [
        (json!([]), "not an object"),
        (json!({"Statement": []}), "Statement"),
        (json!({"Version": "2020-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}), "Version"),
        (json!({"Statements": []}), "Statements"),
        (statement("Effect", json!("allow")), "Effect"),
        (statement("Action", json!("Describe*")), "vendor"),
        (statement("Action", json!(7)), "vendor"),
        (statement("Resource", json!("bucket")), "must be in ARN format"),
        (statement("Resource", json!("arn:aws:s3")), "must be in ARN format"),
        (statement("NotAction", json!("s3:*")), "exclude each other"),
        (statement("Principal", json!("*")), "should not specify a principal"),
        (statement("Sid", json!("with space")), "alpha-numeric"),
        (statement("Where", json!(1)), "Where"),
        (statement("Condition", json!({"StringMatches": {"aws:RequestedRegion": "x"}})), "StringMatches"),
        (statement("Condition", json!({"BinaryEquals": {"aws:RequestedRegion": "x"}})), "BinaryEquals"),
        (statement("Condition", json!({"ForSomeValue:StringEquals": {"aws:RequestedRegion": "x"}})), "ForSomeValue"),
        (statement("Condition", json!({"NumericEquals": {"autoscaling:MinSize": "many"}})), "many"),
        (statement("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})), "10.0.0.0/33"),
        (statement("Condition", json!({"StringEquals": {"aws:MoonPhase": "full"}})), "aws:MoonPhase"),
        (without("Action"), "Action"),
        (without("Resource"), "must contain resources"),
        (
            json!({"Statement": [{"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "A", "Effect": "Deny", "Action": "*", "Resource": "*"}]}),
            "unique",
        ),
    ] {
        let got = w.control("POST", "policy", json!({"document": document})).await;
        assert_eq!(got.status, 400, "{document}");
        let error = got.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.starts_with("document: ") && error.contains(words), "{document}: {error}");
        let params = [("RoleName", "app-role"), ("PolicyName", "x"), ("PolicyDocument", &document.to_string())];
        w.query("iam", "PutRolePolicy", &params).await.refused(400, "MalformedPolicyDocument");
    }
    assert_eq!(w.control("GET", "policy", json!({})).await.json()["policies"], json!([]));
}
