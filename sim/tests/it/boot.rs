//! What user data makes an instance run (aws-reference 7.2, 12.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::client::{TEMPLATE, World, runs, world};

/// Host of the target stack's registry.
pub(crate) const REGISTRY: &str = "123456789012.dkr.ecr.ap-south-1.amazonaws.com";

/// Launches one instance of this user data and returns its ground truth five minutes later.
pub(crate) async fn launched(w: &World, user_data: &str, more: &[(&str, &str)]) -> Value {
    let data = STANDARD.encode(user_data);
    let mut call = vec![("LaunchTemplateName", TEMPLATE), ("SourceVersion", "1"), ("LaunchTemplateData.UserData", data.as_str())];
    call.extend_from_slice(more);
    let version = w.ec2("CreateLaunchTemplateVersion", &call).await.one("versionNumber");
    w.on_group("UpdateAutoScalingGroup", &[("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", &version)]).await;
    let more = (w.truth().len() + 1).to_string();
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", &more)]).await;
    w.handle.advance(300.0);
    w.truth().into_iter().find(|i| runs(i, &version)).unwrap_or_default()
}

#[tokio::test]
async fn digest_tag_and_latest() {
    let w = world().await;
    let (v1, v4) = (w.digest("v1").await, w.digest("v4").await);
    let i = launched(&w, &format!("#!/bin/sh\ndocker run -d -p 80:3000 {REGISTRY}/stateless-app@{v1}\n"), &[]).await;
    assert_eq!(i["digest"], v1);
    assert_eq!(i["targets"][0]["state"], "healthy");
    let i = launched(&w, &format!("#!/bin/sh\nR={REGISTRY}; T=v1\ndocker run --name app -e A=b \"${{R}}/stateless-app:$T\"\n"), &[]).await;
    assert_eq!(i["digest"], v1);
    let i =
        launched(&w, &format!("#!/bin/sh\nstart() {{\n  docker run -d \\\n    --restart always '{REGISTRY}/stateless-app'\n}}\nstart\n"), &[]).await;
    assert_eq!(i["digest"], v4, "no tag means latest, resolved at boot");
    let i = launched(&w, &format!("#!/bin/sh\nIMAGE={REGISTRY}/stateless-app:v1 # only this\n"), &[]).await;
    assert_eq!(i["digest"], v1);
}

#[tokio::test]
async fn missing_image_foreign_registry_and_missing_command() {
    let w = world().await;
    for (script, words) in [
        (
            format!("#!/bin/bash\nset -e\ndocker pull {REGISTRY}/stateless-app:gone\ndocker run {REGISTRY}/stateless-app:v1\n"),
            "not found: manifest unknown",
        ),
        (format!("#!/bin/bash\nset -e\ndocker pull {}/stateless-app:v1\n", REGISTRY.replace("123456789012", "999999999999")), "no such host"),
        (
            format!("#!/bin/bash\nset -e\namazon-linux-extras install docker\ndocker run {REGISTRY}/stateless-app:v1\n"),
            "amazon-linux-extras: command not found",
        ),
    ] {
        let i = launched(&w, &script, &[]).await;
        assert!(i["digest"].is_null());
        assert_eq!(i["lifecycle"], "InService", "EC2 and the group see nothing wrong");
        assert_eq!(i["targets"][0]["reason"], "Target.FailedHealthChecks");
        let id = i["id"].as_str().unwrap_or_default().to_owned();
        let console = w.ec2("GetConsoleOutput", &[("InstanceId", &id)]).await.one("output");
        let console = String::from_utf8(STANDARD.decode(console).expect("base64")).expect("text");
        assert!(console.contains(words), "{console}");
    }
}

#[tokio::test]
async fn instance_tag_through_the_metadata_service() {
    let w = world().await;
    let v1 = w.digest("v1").await;
    let script = format!(
        "#!/bin/bash\nset -e\nTOKEN=$(curl -sX PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')\nDIGEST=$(curl -s -H \"X-aws-ec2-metadata-token: $TOKEN\" http://169.254.169.254/latest/meta-data/tags/instance/release-digest)\ndocker run -d \"{REGISTRY}/stateless-app@$DIGEST\"\n"
    );
    let tags = [
        ("LaunchTemplateData.TagSpecification.1.ResourceType", "instance"),
        ("LaunchTemplateData.TagSpecification.1.Tag.1.Key", "release-digest"),
        ("LaunchTemplateData.TagSpecification.1.Tag.1.Value", v1.as_str()),
    ];
    let hidden = launched(&w, &script, &tags).await;
    assert!(hidden["digest"].is_null(), "tags are not in metadata unless enabled");
    let mut shown = tags.to_vec();
    shown.push(("LaunchTemplateData.MetadataOptions.InstanceMetadataTags", "enabled"));
    assert_eq!(launched(&w, &script, &shown).await["digest"], v1);
    shown[1].1 = "release/digest";
    assert!(launched(&w, &script, &shown).await.is_null(), "a tag key with a slash makes the launch fail");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.body.contains("is not a valid tag key"));
}

#[tokio::test]
async fn a_moved_tag_reaches_the_next_instance_of_latest() {
    let w = world().await;
    let legacy = "stateless-app-legacy-asg";
    let digest = w.control("POST", "images", serde_json::json!({"repository": "stateless-app", "tag": "latest"})).await.json()["digest"].clone();
    w.asg("SetDesiredCapacity", &[("AutoScalingGroupName", legacy), ("DesiredCapacity", "2")]).await;
    w.handle.advance(300.0);
    let snapshot = w.handle.snapshot();
    let group = snapshot["groups"].as_array().and_then(|g| g.iter().find(|g| g["name"] == legacy)).cloned().unwrap_or_default();
    let digests: Vec<&Value> = group["instances"].as_array().into_iter().flatten().map(|i| &i["digest"]).collect();
    assert_eq!(digests.len(), 2);
    assert_ne!(digests[0], digests[1]);
    assert_eq!(*digests[1], digest);
}
