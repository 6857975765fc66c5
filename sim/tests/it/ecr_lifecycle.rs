//! Lifecycle policies (aws-reference 8).

use fleetgate_sim::Params;
use serde_json::{Value, json};

use crate::{
    client::{World, world, world_with},
    ecr_push::{OCI, OCI_INDEX},
};

fn rule(priority: i64, selection: Value) -> Value {
    let description = "a rule whose description makes the text of the policy long enough";
    json!({"rulePriority": priority, "description": description, "selection": selection, "action": {"type": "expire"}})
}

fn policy(rules: &[Value]) -> Value {
    json!({"lifecyclePolicyText": json!({"rules": rules}).to_string()})
}

fn older(status: &str, days: i64) -> Value {
    json!({"tagStatus": status, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days})
}

fn more_than(tags: (&str, Value), most: i64) -> Value {
    let mut selection = json!({"tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": most});
    selection[tags.0] = tags.1;
    selection
}

/// A world whose policies are applied this many seconds after they were put.
async fn world_after(seconds: i64, edit: impl FnOnce(&mut Params)) -> World {
    world_with(7, |seed| {
        if let Some(params) = &mut seed.params {
            params.lifecycle_run = fleetgate_sim::Span::new(seconds, seconds);
            edit(params);
        }
    })
    .await
}

async fn previewed(w: &World, body: Value) -> Value {
    assert_eq!(w.did("StartLifecyclePolicyPreview", body).await["status"], "IN_PROGRESS");
    w.handle.advance(60.0);
    let got = w.did("GetLifecyclePolicyPreview", json!({})).await;
    assert_eq!(got["status"], "COMPLETE");
    got
}

#[tokio::test]
async fn a_policy_is_applied_within_a_day_and_again() {
    let w = world().await;
    let old = w.push("old", None).await;
    w.handle.advance(2.0 * 86_400.0);
    let young = w.push("young", None).await;
    w.did("PutLifecyclePolicy", policy(&[rule(1, older("untagged", 1))])).await;
    assert!(w.did("GetLifecyclePolicy", json!({})).await.get("lastEvaluatedAt").is_none());
    assert!(w.digests().await.contains(&old), "not at once");
    w.handle.advance(86_400.0);
    let left = w.digests().await;
    assert!(!left.contains(&old) && left.contains(&young));
    let first = w.did("GetLifecyclePolicy", json!({})).await["lastEvaluatedAt"].as_f64();
    assert!(first.is_some());
    w.handle.advance(86_400.0);
    assert!(!w.digests().await.contains(&young), "it is applied again and again");
    assert!(w.did("GetLifecyclePolicy", json!({})).await["lastEvaluatedAt"].as_f64() > first);
    assert_ne!(w.digest("v1").await, "", "tagged images were not selected");
}

#[tokio::test]
async fn a_deleted_policy_is_not_applied_and_a_new_one_counts_anew() {
    let w = world_after(7200, |_| {}).await;
    let bare = w.push("bare", None).await;
    w.handle.advance(2.0 * 86_400.0);
    w.did("PutLifecyclePolicy", policy(&[rule(1, older("untagged", 1))])).await;
    let gone = w.did("DeleteLifecyclePolicy", json!({})).await;
    assert!(gone["lifecyclePolicyText"].is_string());
    w.refuses("GetLifecyclePolicy", json!({}), "LifecyclePolicyNotFoundException").await;
    w.refuses("DeleteLifecyclePolicy", json!({}), "LifecyclePolicyNotFoundException").await;
    w.handle.advance(3600.0);
    w.did("PutLifecyclePolicy", policy(&[rule(1, older("untagged", 1))])).await;
    w.handle.advance(3700.0);
    assert!(w.digests().await.contains(&bare), "the time of the first policy passed");
    w.handle.advance(3600.0);
    assert!(!w.digests().await.contains(&bare));
}

#[tokio::test]
async fn an_image_expires_by_at_most_one_rule_and_a_higher_rule_protects() {
    let w = world().await;
    let put = async |content: &str, tags: &[&str]| {
        let manifest = w.manifest(content, json!({})).await;
        let mut digest = String::new();
        for tag in tags {
            digest = w.put(&manifest, Some(tag)).await;
        }
        w.handle.advance(60.0);
        digest
    };
    // The worked example of the guide: A by rule 1; B would be by rule 2, but rule 1 looks at it and keeps it.
    let a = put("a", &["beta-1", "prod-1"]).await;
    put("b", &["beta-2", "prod-2"]).await;
    put("c", &["beta-3"]).await;
    let rules = [rule(1, more_than(("tagPrefixList", json!(["prod"])), 1)), rule(2, more_than(("tagPrefixList", json!(["beta"])), 1))];
    let got = previewed(&w, policy(&rules)).await;
    assert_eq!(got["summary"], json!({"expiringImageTotalCount": 1}));
    let row = &got["previewResults"][0];
    assert_eq!((&row["imageDigest"], &row["appliedRulePriority"], &row["action"]), (&json!(a), &json!(1), &json!({"type": "EXPIRE"})));
    // The other way round rule 2 has nothing left that it may take.
    let rules = [rule(2, more_than(("tagPrefixList", json!(["prod"])), 1)), rule(1, more_than(("tagPrefixList", json!(["beta"])), 1))];
    let got = previewed(&w, policy(&rules)).await;
    let rows: Vec<&Value> = got["previewResults"].as_array().into_iter().flatten().map(|r| &r["appliedRulePriority"]).collect();
    assert_eq!(rows, [1, 1]);
    assert_eq!(w.did("DescribeImages", json!({})).await["imageDetails"].as_array().map(Vec::len), Some(7), "a preview takes nothing");
}

#[tokio::test]
async fn tags_are_selected_by_prefix_and_by_pattern() {
    let w = world().await;
    let manifest = w.manifest("one", json!({})).await;
    for tag in ["prod-eu-1", "green"] {
        w.put(&manifest, Some(tag)).await;
    }
    let count = async |tags: (&str, Value)| {
        // An older image of the same tags is what a count of one leaves out; here the age does it.
        let mut selection = json!({"tagStatus": "tagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1});
        selection[tags.0] = tags.1;
        previewed(&w, policy(&[rule(1, selection)])).await["previewResults"].as_array().map(Vec::len)
    };
    w.handle.advance(2.0 * 86_400.0);
    assert_eq!(count(("tagPrefixList", json!(["prod"]))).await, Some(1));
    assert_eq!(count(("tagPrefixList", json!(["prod", "gr"]))).await, Some(1), "every entry must fit a tag");
    assert_eq!(count(("tagPrefixList", json!(["prod", "red"]))).await, Some(0));
    assert_eq!(count(("tagPatternList", json!(["prod"]))).await, Some(0), "a pattern is the whole tag");
    assert_eq!(count(("tagPatternList", json!(["p*-eu-*"]))).await, Some(1));
    assert_eq!(count(("tagPatternList", json!(["*eu"]))).await, Some(0));
}

#[tokio::test]
async fn a_policy_does_not_know_what_is_deployed() {
    let w = world_after(3600, |_| {}).await;
    let deployed = w.digest("v2").await;
    assert!(w.truth().iter().any(|i| i["digest"] == deployed.as_str()));
    let any = json!({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1});
    w.did("PutLifecyclePolicy", policy(&[rule(5, any)])).await;
    w.handle.advance(3600.0);
    assert_eq!(w.digests().await, [w.digest("v4").await], "the newest stays");
}

#[tokio::test]
async fn children_of_an_index_are_spared_or_not() {
    for spares in [true, false] {
        let w = world_after(3600, |params| params.lifecycle_spares_children = spares).await;
        let child = w.push("child", None).await;
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI, "size": 1, "digest": child}]});
        w.put(&index.to_string(), Some("multi")).await;
        w.handle.advance(2.0 * 86_400.0);
        w.did("PutLifecyclePolicy", policy(&[rule(1, older("untagged", 1))])).await;
        w.handle.advance(3600.0);
        assert_eq!(w.digests().await.contains(&child), spares);
    }
}

#[tokio::test]
async fn the_text_of_a_policy_is_validated() {
    let w = world().await;
    let good = older("untagged", 14);
    let changed = |name: &str, value: Value| {
        let mut selection = good.clone();
        selection[name] = value;
        policy(&[rule(1, selection)])
    };
    let mut moved = rule(1, good.clone());
    moved["action"] = json!({"type": "transition", "targetStorageClass": "archive"});
    let patterns = |list: Value| rule(1, more_than(("tagPatternList", list), 1));
    for odd in [
        json!({}),
        json!({"lifecyclePolicyText": "{}"}),
        json!({"lifecyclePolicyText": format!("{}{}", "{", " ".repeat(100))}),
        json!({"lifecyclePolicyText": " ".repeat(30_721)}),
        policy(&[]),
        policy(&[rule(0, good.clone())]),
        policy(&[rule(1, good.clone()), rule(1, older("any", 5))]),
        policy(&[rule(1, good.clone()), rule(2, good.clone())]),
        policy(&[rule(1, older("any", 5)), rule(2, good.clone())]),
        policy(&[moved]),
        policy(&[patterns(json!([]))]),
        policy(&[patterns(json!(["*1*2*3*4*5*"]))]),
        policy(&[rule(1, older("tagged", 3))]),
        changed("tagStatus", json!("some")),
        changed("tagPrefixList", json!(["a"])),
        changed("countUnit", json!("weeks")),
        changed("countType", json!("sinceImagePulled")),
        changed("countType", json!("imageCountMoreThan")),
        changed("countNumber", json!(0)),
        changed("countNumber", json!("1")),
        changed("surprise", json!(1)),
    ] {
        w.refuses("PutLifecyclePolicy", odd, "InvalidParameterException").await;
    }
    w.refuses("GetLifecyclePolicy", json!({}), "LifecyclePolicyNotFoundException").await;
    let spaced = serde_json::to_string_pretty(&json!({"rules": [rule(1, good)]})).expect("JSON");
    let put = w.did("PutLifecyclePolicy", json!({"lifecyclePolicyText": spaced})).await;
    let kept = put["lifecyclePolicyText"].as_str().unwrap_or_default();
    assert!(kept.starts_with(r#"{"rules":[{"rulePriority":1,"description":"#), "kept in AWS's own spelling: {kept}");
}

#[tokio::test]
async fn a_preview_is_one_at_a_time_and_can_be_filtered() {
    let w = world().await;
    w.refuses("GetLifecyclePolicyPreview", json!({}), "LifecyclePolicyPreviewNotFoundException").await;
    w.refuses("StartLifecyclePolicyPreview", json!({}), "LifecyclePolicyNotFoundException").await;
    let bare = w.push("bare", None).await;
    w.handle.advance(2.0 * 86_400.0);
    w.did("PutLifecyclePolicy", policy(&[rule(1, older("any", 1))])).await;
    w.did("StartLifecyclePolicyPreview", json!({})).await;
    w.refuses("StartLifecyclePolicyPreview", json!({}), "LifecyclePolicyPreviewInProgressException").await;
    let got = w.did("GetLifecyclePolicyPreview", json!({})).await;
    assert_eq!((&got["status"], &got["previewResults"], got.get("summary")), (&json!("IN_PROGRESS"), &json!([]), None));
    w.handle.advance(60.0);
    let get = async |body: Value| w.did("GetLifecyclePolicyPreview", body).await["previewResults"].as_array().cloned().unwrap_or_default();
    assert_eq!(get(json!({})).await.len(), 5);
    assert_eq!(get(json!({"filter": {"tagStatus": "UNTAGGED"}})).await[0]["imageDigest"], bare.as_str());
    assert_eq!(get(json!({"imageIds": [{"imageTag": "v1"}, {"imageDigest": bare}]})).await.len(), 2);
    let page = w.did("GetLifecyclePolicyPreview", json!({"maxResults": 3})).await;
    assert_eq!(page["previewResults"].as_array().map(Vec::len), Some(3));
    assert_eq!(get(json!({"nextToken": page["nextToken"]})).await.len(), 2);
    for odd in [json!({"maxResults": 101}), json!({"imageIds": [{}]}), json!({"imageIds": [{"imageTag": "v1"}], "maxResults": 1})] {
        w.refuses("GetLifecyclePolicyPreview", odd, "InvalidParameterException").await;
    }
}
