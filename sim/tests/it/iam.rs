//! IAM: roles, profiles, policies and their simulation (aws-reference 11, 13).

use serde_json::{Value, json};

use crate::client::{Got, World, world, world_with};

const ACCOUNT: &str = "123456789012";
const S3_FULL: &str = "arn:aws:iam::aws:policy/AmazonS3FullAccess";

async fn iam(w: &World, action: &str, params: &[(&str, &str)]) -> Got {
    w.query("iam", action, params).await
}

/// A URL-encoded document.
fn decoded(text: &str) -> Value {
    assert!(text.starts_with("%7B") && !text.contains(['{', ' ', '"', '+']), "{text}");
    let text = percent_encoding::percent_decode_str(text).decode_utf8().expect("UTF-8");
    serde_json::from_str(&text).expect("JSON")
}

fn trust() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}]}).to_string()
}

async fn create(w: &World, name: &str) -> Got {
    iam(w, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust())]).await
}

#[tokio::test]
async fn a_role_shows_its_trust_and_no_more_than_there_is() {
    let w = world().await;
    let got = iam(&w, "GetRole", &[("RoleName", "fleet-control")]).await;
    assert_eq!(got.status, 200, "{}", got.body);
    assert_eq!(got.one("Arn"), format!("arn:aws:iam::{ACCOUNT}:role/fleet-control"));
    assert!(got.one("RoleId").starts_with("AROA") && got.one("RoleId").len() == 21);
    let document = decoded(&got.one("AssumeRolePolicyDocument"));
    let condition = json!({"StringEquals": {"sts:ExternalId": "stack-external-id"}});
    assert_eq!(document["Statement"][0]["Condition"], condition);
    assert_eq!(document["Statement"][0]["Principal"]["AWS"], format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!((got.one("RoleLastUsed").as_str(), got.body.contains("<Tags>")), ("", false));
    let params = [("RoleArn", got.one("Arn")), ("RoleSessionName", "me".into()), ("ExternalId", "stack-external-id".into())];
    let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let session = w.query("sts", "AssumeRole", &params).await;
    assert!(session.one("AssumedRoleId").starts_with(&got.one("RoleId")), "the session has the role's id");
    let got = iam(&w, "GetRole", &[("RoleName", "fleet-control")]).await;
    assert_eq!((got.one("LastUsedDate").as_str(), got.one("Region").as_str()), ("2026-01-05T09:00:00Z", "ap-south-1"));
    let app = iam(&w, "GetRole", &[("RoleName", "app-role")]).await;
    assert_eq!(decoded(&app.one("AssumeRolePolicyDocument"))["Statement"][0]["Principal"]["Service"], "ec2.amazonaws.com");
}

#[tokio::test]
async fn what_is_not_there_is_no_such_entity() {
    let w = world().await;
    let role = [("RoleName", "none")];
    let with = |more: (&'static str, &'static str)| vec![role[0], more];
    for (action, params, words) in [
        ("GetRole", role.to_vec(), "The role with name none cannot be found."),
        ("ListAttachedRolePolicies", role.to_vec(), "The role with name none cannot be found."),
        ("ListRolePolicies", role.to_vec(), "The role with name none cannot be found."),
        ("ListInstanceProfilesForRole", role.to_vec(), "The role with name none cannot be found."),
        ("DeleteRole", role.to_vec(), "The role with name none cannot be found."),
        ("AttachRolePolicy", with(("PolicyArn", S3_FULL)), "The role with name none cannot be found."),
        ("GetInstanceProfile", vec![("InstanceProfileName", "none")], "Instance Profile none cannot be found."),
        ("GetRolePolicy", vec![("RoleName", "app-role"), ("PolicyName", "none")], "The role policy with name none cannot be found."),
        ("DeleteRolePolicy", vec![("RoleName", "app-role"), ("PolicyName", "none")], "The role policy with name none cannot be found."),
        ("GetPolicy", vec![("PolicyArn", "arn:aws:iam::aws:policy/None")], "Policy arn:aws:iam::aws:policy/None was not found."),
        ("GetPolicyVersion", vec![("PolicyArn", S3_FULL), ("VersionId", "v9")], "version v9 does not exist"),
        ("DetachRolePolicy", vec![("RoleName", "fleet-control"), ("PolicyArn", S3_FULL)], "was not found."),
        ("AttachRolePolicy", vec![("RoleName", "app-role"), ("PolicyArn", "arn:aws:iam::aws:policy/None")], "does not exist or is not attachable."),
        ("GetUser", vec![("UserName", "nobody")], "The user with name nobody cannot be found."),
        (
            "SimulatePrincipalPolicy",
            vec![("PolicySourceArn", "arn:aws:iam::123456789012:role/none"), ("ActionNames.member.1", "s3:GetObject")],
            "none",
        ),
    ] {
        let got = iam(&w, action, &params).await;
        got.refused(404, "NoSuchEntity");
        assert!(got.one("Message").contains(words), "{action}: {}", got.one("Message"));
    }
}

#[tokio::test]
async fn the_instances_profile_and_policies_are_those_of_the_stack() {
    let w = world().await;
    let profile = iam(&w, "GetInstanceProfile", &[("InstanceProfileName", "app-instance-profile")]).await;
    assert_eq!(profile.one("Arn"), format!("arn:aws:iam::{ACCOUNT}:instance-profile/app-instance-profile"));
    assert_eq!(profile.one("RoleName"), "app-role");
    assert!(profile.one("InstanceProfileId").starts_with("AIPA"));
    let of_role = iam(&w, "ListInstanceProfilesForRole", &[("RoleName", "app-role")]).await;
    assert_eq!(of_role.all("InstanceProfileName"), ["app-instance-profile"]);
    assert_eq!(iam(&w, "ListInstanceProfilesForRole", &[("RoleName", "fleet-control")]).await.all("InstanceProfileName"), Vec::<String>::new());
    assert_eq!(iam(&w, "ListInstanceProfiles", &[]).await.all("InstanceProfileName"), ["app-instance-profile"]);
    let attached = iam(&w, "ListAttachedRolePolicies", &[("RoleName", "app-role")]).await;
    let wanted = ["AmazonEC2ContainerRegistryReadOnly", "AmazonS3FullAccess", "AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"];
    assert_eq!(attached.all("PolicyName"), wanted);
    for arn in attached.all("PolicyArn") {
        let policy = iam(&w, "GetPolicy", &[("PolicyArn", &arn)]).await;
        assert_eq!((policy.one("Arn"), policy.one("AttachmentCount").as_str()), (arn.clone(), "1"));
        let version = iam(&w, "GetPolicyVersion", &[("PolicyArn", &arn), ("VersionId", &policy.one("DefaultVersionId"))]).await;
        assert!(decoded(&version.one("Document"))["Statement"].is_array(), "{arn}");
        let entities = iam(&w, "ListEntitiesForPolicy", &[("PolicyArn", &arn)]).await;
        assert_eq!(entities.all("RoleName"), ["app-role"]);
        let users = iam(&w, "ListEntitiesForPolicy", &[("PolicyArn", &arn), ("EntityFilter", "User")]).await;
        assert_eq!(users.all("RoleName"), Vec::<String>::new());
    }
    // The profile that the templates name is the one there is.
    let data = w.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateName", "stateless-app-template")]).await;
    assert!(data.one("iamInstanceProfile").contains("<name>app-instance-profile</name>"));
}

#[tokio::test]
async fn iam_is_one_for_all_regions() {
    let w = world().await;
    for region in ["us-east-1", "ap-south-1", "eu-west-1"] {
        let scope = format!("AKIATEST/20260105/{region}/iam/aws4_request");
        let stream = tokio::net::TcpStream::connect(w.running.addr).await.expect("connects");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.expect("shakes hands");
        let request = hyper::Request::post("/")
            .header("host", "localhost")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(http_body_util::Full::new(hyper::body::Bytes::from_static(b"Action=GetRole&RoleName=app-role")))
            .expect("request");
        let exchange = sender.send_request(request);
        tokio::pin!(exchange);
        let response = tokio::select! {
            response = &mut exchange => response,
            _ = connection => exchange.await,
        };
        assert_eq!(response.expect("answers").status().as_u16(), 200, "{region}");
    }
}

#[tokio::test]
async fn roles_are_made_and_deleted() {
    let w = world().await;
    let params = [
        ("RoleName", "builder"),
        ("AssumeRolePolicyDocument", &trust()),
        ("Path", "/ci/"),
        ("Description", "builds"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "x"),
    ];
    let made = iam(&w, "CreateRole", &params).await;
    assert_eq!(made.one("Arn"), format!("arn:aws:iam::{ACCOUNT}:role/ci/builder"), "{}", made.body);
    let got = iam(&w, "GetRole", &[("RoleName", "builder")]).await;
    assert_eq!((got.one("Path").as_str(), got.one("Description").as_str(), got.one("MaxSessionDuration").as_str()), ("/ci/", "builds", "7200"));
    assert_eq!(decoded(&got.one("AssumeRolePolicyDocument")).to_string(), serde_json::from_str::<Value>(&trust()).expect("JSON").to_string());
    iam(&w, "CreateRole", &params).await.refused(409, "EntityAlreadyExists");
    let role = ("RoleName", "builder");
    let text = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}).to_string();
    assert_eq!(iam(&w, "PutRolePolicy", &[role, ("PolicyName", "p"), ("PolicyDocument", &text)]).await.status, 200);
    assert_eq!(iam(&w, "AttachRolePolicy", &[role, ("PolicyArn", S3_FULL)]).await.status, 200);
    let conflict = iam(&w, "DeleteRole", &[role]).await;
    conflict.refused(409, "DeleteConflict");
    assert_eq!(conflict.one("Message"), "Cannot delete entity, must detach all policies first.");
    assert_eq!(iam(&w, "DetachRolePolicy", &[role, ("PolicyArn", S3_FULL)]).await.status, 200);
    assert_eq!(iam(&w, "DeleteRole", &[role]).await.one("Message"), "Cannot delete entity, must delete policies first.");
    let shown = iam(&w, "GetRolePolicy", &[role, ("PolicyName", "p")]).await;
    assert_eq!(decoded(&shown.one("PolicyDocument")).to_string(), text);
    assert_eq!(iam(&w, "DeleteRolePolicy", &[role, ("PolicyName", "p")]).await.status, 200);
    assert_eq!(iam(&w, "DeleteRole", &[role]).await.status, 200);
    iam(&w, "GetRole", &[role]).await.refused(404, "NoSuchEntity");
    let held = iam(&w, "DeleteRole", &[("RoleName", "app-role")]).await;
    held.refused(409, "DeleteConflict");
    // A role of the same name is another role.
    let again = iam(&w, "CreateRole", &params).await;
    assert_ne!(again.one("RoleId"), made.one("RoleId"));
}

#[tokio::test]
async fn a_role_in_an_instance_profile_is_not_deleted() {
    let w = world_with(7, |seed| {
        seed.roles[1].attached.clear();
        seed.roles[1].policies = None;
    })
    .await;
    let got = iam(&w, "DeleteRole", &[("RoleName", "app-role")]).await;
    got.refused(409, "DeleteConflict");
    assert_eq!(got.one("Message"), "Cannot delete entity, must remove roles from instance profile first.");
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let w = world().await;
    let trust = trust();
    let role = |name: &'static str| vec![("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
    let with = |more: (&'static str, &'static str)| [role("r"), vec![more]].concat();
    for (action, params, code) in [
        ("GetRole", vec![], "ValidationError"),
        ("GetRole", vec![("RoleName", "with space")], "ValidationError"),
        ("CreateRole", role("a/b"), "ValidationError"),
        ("CreateRole", with(("Path", "ci")), "ValidationError"),
        ("CreateRole", with(("MaxSessionDuration", "60")), "ValidationError"),
        ("CreateRole", with(("PermissionsBoundary", S3_FULL)), "InvalidInput"),
        ("CreateRole", vec![("RoleName", "r"), ("AssumeRolePolicyDocument", "{")], "MalformedPolicyDocument"),
        (
            "CreateRole",
            vec![("RoleName", "r"), ("AssumeRolePolicyDocument", "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\"}}")],
            "MalformedPolicyDocument",
        ),
        ("ListRoles", vec![("PathPrefix", "ci")], "ValidationError"),
        ("ListRoles", vec![("MaxItems", "0")], "ValidationError"),
        ("ListRoles", vec![("Marker", "mine")], "ValidationError"),
        ("GetPolicy", vec![("PolicyArn", "policy")], "InvalidInput"),
        ("SimulateCustomPolicy", vec![("ActionNames.member.1", "s3:GetObject")], "ValidationError"),
        ("SimulateCustomPolicy", vec![("PolicyInputList.member.1", "{}"), ("ActionNames.member.1", "s3:GetObject")], "InvalidInput"),
        (
            "SimulatePrincipalPolicy",
            vec![("PolicySourceArn", "arn:aws:iam::123456789012:role/app-role"), ("ActionNames.member.1", "GetObject")],
            "InvalidInput",
        ),
        (
            "SimulatePrincipalPolicy",
            vec![("PolicySourceArn", "arn:aws:iam::123456789012:role/app-role"), ("ActionNames.member.1", "s3:GetObject"), ("ResourcePolicy", "{}")],
            "InvalidInput",
        ),
    ] {
        iam(&w, action, &params).await.refused(400, code);
    }
}

#[tokio::test]
async fn lists_are_turned_by_marker_and_cut_by_path() {
    let w = world().await;
    for name in ["one", "two"] {
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", &trust()), ("Path", "/team/")];
        assert_eq!(iam(&w, "CreateRole", &params).await.status, 200);
    }
    assert_eq!(iam(&w, "ListRoles", &[("PathPrefix", "/team/")]).await.all("RoleName"), ["one", "two"]);
    let whole = iam(&w, "ListRoles", &[]).await;
    assert_eq!((whole.all("RoleName").len(), whole.one("IsTruncated").as_str(), whole.body.contains("<Marker>")), (4, "false", false));
    let (mut seen, mut marker) = (Vec::new(), None::<String>);
    loop {
        let mut params = vec![("MaxItems", "1")];
        params.extend(marker.as_deref().map(|m| ("Marker", m)));
        let page = iam(&w, "ListRoles", &params).await;
        seen.extend(page.all("RoleName"));
        marker = Some(page.one("Marker")).filter(|m| !m.is_empty());
        assert_eq!(page.one("IsTruncated") == "true", marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, whole.all("RoleName"));
}

#[tokio::test]
async fn a_key_is_a_user_of_its_name() {
    let w = world().await;
    let got = iam(&w, "GetUser", &[]).await;
    assert_eq!((got.one("UserName").as_str(), got.one("Arn")), ("AKIATEST", format!("arn:aws:iam::{ACCOUNT}:user/AKIATEST")));
    assert_eq!(iam(&w, "GetUser", &[("UserName", "AKIATEST")]).await.one("UserId"), got.one("UserId"));
    let params = [("RoleArn", "arn:aws:iam::123456789012:role/fleet-control"), ("RoleSessionName", "me"), ("ExternalId", "stack-external-id")];
    let key = w.query("sts", "AssumeRole", &params).await.one("AccessKeyId");
    w.as_key(&key, "iam", "GetUser", &[]).await.expect("answers").refused(400, "ValidationError");
}

#[tokio::test]
async fn a_session_lasts_no_longer_than_its_role_allows() {
    let w = world().await;
    let made = create(&w, "brief").await;
    let arn = made.one("Arn");
    let ask = |seconds: &'static str| vec![("RoleArn", arn.as_str()), ("RoleSessionName", "me"), ("DurationSeconds", seconds)];
    assert_eq!(w.query("sts", "AssumeRole", &ask("3600")).await.status, 200);
    w.query("sts", "AssumeRole", &ask("3601")).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn simulation_says_what_a_call_would_meet() {
    let w = world().await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/app-role");
    let params = [
        ("PolicySourceArn", arn.as_str()),
        ("ActionNames.member.1", "s3:PutObject"),
        ("ActionNames.member.2", "autoscaling:SetDesiredCapacity"),
        ("ResourceArns.member.1", "arn:aws:s3:::stateless-app-files/a"),
    ];
    let got = iam(&w, "SimulatePrincipalPolicy", &params).await;
    assert_eq!(got.all("EvalDecision"), ["allowed", "implicitDeny"], "{}", got.body);
    assert_eq!(got.all("EvalActionName"), ["s3:PutObject", "autoscaling:SetDesiredCapacity"]);
    assert_eq!((got.one("SourcePolicyId").as_str(), got.one("SourcePolicyType").as_str()), ("AmazonS3FullAccess", "aws-managed"));
    let page = iam(&w, "SimulatePrincipalPolicy", &[&params[..], &[("MaxItems", "1")]].concat()).await;
    assert_eq!((page.all("EvalDecision").len(), page.one("IsTruncated").as_str()), (1, "true"));
    // More documents only add; a deny among them wins.
    let deny = json!({"Statement": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}}).to_string();
    let got = iam(&w, "SimulatePrincipalPolicy", &[&params[..], &[("PolicyInputList.member.1", deny.as_str())]].concat()).await;
    assert_eq!(got.all("EvalDecision"), ["explicitDeny", "implicitDeny"]);
    let condition = json!({"StringEquals": {"aws:RequestedRegion": "ap-south-1"}});
    let asked = json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}}).to_string();
    let got = iam(&w, "SimulateCustomPolicy", &[("PolicyInputList.member.1", &asked), ("ActionNames.member.1", "s3:GetObject")]).await;
    assert_eq!(
        (got.one("EvalDecision").as_str(), got.one("MissingContextValues").as_str()),
        ("implicitDeny", "<member>aws:RequestedRegion</member>")
    );
    // To whom no policy speaks everything is allowed, and that is what is said.
    let free = [("PolicySourceArn", "arn:aws:iam::123456789012:role/fleet-control"), ("ActionNames.member.1", "s3:GetObject")];
    assert_eq!(iam(&w, "SimulatePrincipalPolicy", &free).await.one("EvalDecision"), "allowed");
    w.handle.policy(Some(free[0].1), &json!({"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}})).expect("reads");
    assert_eq!(iam(&w, "SimulatePrincipalPolicy", &free).await.one("EvalDecision"), "implicitDeny");
}

#[tokio::test]
async fn roles_have_an_end() {
    let w = world_with(7, |seed| {
        let arn = |n: usize| format!("arn:aws:iam::{ACCOUNT}:role/r{n}");
        seed.roles.extend((0..997).map(|n| fleetgate_sim::seed::RoleSeed { arn: arn(n), ..Default::default() }));
    })
    .await;
    let long = trust().replace("root", &format!("role/{}", "x".repeat(2000)));
    iam(&w, "CreateRole", &[("RoleName", "one"), ("AssumeRolePolicyDocument", &long)]).await.refused(409, "LimitExceeded");
    assert_eq!(create(&w, "one").await.status, 200);
    create(&w, "two").await.refused(409, "LimitExceeded");
}

#[tokio::test]
async fn inline_policies_have_an_end() {
    let w = world().await;
    let actions: Vec<String> = (0..400).map(|n| format!("ec2:SomeLongOperation{n:04}")).collect();
    let text = json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}).to_string();
    let put = |name: &'static str| vec![("RoleName", "app-role"), ("PolicyName", name), ("PolicyDocument", text.as_str())];
    iam(&w, "PutRolePolicy", &put("one")).await.refused(409, "LimitExceeded");
    let text = json!({"Statement": {"Effect": "Allow", "Action": actions[..200], "Resource": "*"}}).to_string();
    let put = |name: &'static str| vec![("RoleName", "app-role"), ("PolicyName", name), ("PolicyDocument", text.as_str())];
    assert_eq!(iam(&w, "PutRolePolicy", &put("one")).await.status, 200);
    assert_eq!(iam(&w, "PutRolePolicy", &put("one")).await.status, 200, "put again it counts once");
    iam(&w, "PutRolePolicy", &put("two")).await.refused(409, "LimitExceeded");
}
