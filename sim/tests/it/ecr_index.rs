//! Images of several platforms, and deleting (aws-reference 8).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    boot::{REGISTRY, launched},
    client::{World, world},
    ecr_push::{DOCKER, OCI, OCI_INDEX, sha256},
};

fn index(children: &[(&str, &str)]) -> String {
    let rows: Vec<Value> = children
        .iter()
        .map(|(digest, arch)| json!({"mediaType": OCI, "size": 500, "digest": digest, "platform": {"architecture": arch, "os": "linux"}}))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows}).to_string()
}

/// Pushes an image of two platforms: the index, its arm64 child and its amd64 child.
async fn pushed(w: &World, tag: &str) -> (String, String, String) {
    let (arm, amd) = (w.push("for arm", None).await, w.push("for amd, which is longer", None).await);
    (w.put(&index(&[(&arm, "arm64"), (&amd, "amd64")]), Some(tag)).await, arm, amd)
}

#[tokio::test]
async fn the_children_of_an_index_must_be_there() {
    let w = world().await;
    let gone = sha256(b"gone");
    let refused = w.refuses("PutImage", json!({"imageManifest": index(&[(&gone, "amd64")])}), "ReferencedImagesNotFoundException").await;
    assert!(refused["message"].as_str().is_some_and(|m| m.contains(&gone)));
    let (all, _, amd) = pushed(&w, "multi").await;
    let (row, child) = (w.row(&all).await, w.row(&amd).await);
    assert_eq!(row["imageSizeInBytes"], child["imageSizeInBytes"], "the largest child's");
    assert_eq!((&row["imageManifestMediaType"], row.get("artifactMediaType")), (&json!(OCI_INDEX), None));
    assert!(child.get("imageTags").is_none(), "children are untagged");
    let got = w.did("BatchGetImage", json!({"imageIds": [{"imageTag": "multi"}], "acceptedMediaTypes": [DOCKER, OCI]})).await;
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound", "an index is not translated");
}

#[tokio::test]
async fn an_instance_pulls_its_own_platform_of_an_index() {
    let w = world().await;
    let (all, arm, amd) = pushed(&w, "multi").await;
    let script = format!("#!/bin/sh\ndocker pull {REGISTRY}/stateless-app:multi\ndocker run -d {REGISTRY}/stateless-app:multi\n");
    let i = launched(&w, &script, &[]).await;
    assert_eq!((&i["digest"], &i["targets"][0]["state"]), (&json!(amd), &json!("healthy")));
    let id = i["id"].as_str().unwrap_or_default().to_owned();
    let console = STANDARD.decode(w.ec2("GetConsoleOutput", &[("InstanceId", &id)]).await.one("output")).expect("base64");
    assert!(String::from_utf8_lossy(&console).contains(&format!("Digest: {all}")), "docker prints what it was asked for");
    let pulled = async |digest: &str| w.row(digest).await.get("lastRecordedPullTime").is_some();
    assert_eq!((pulled(&all).await, pulled(&amd).await, pulled(&arm).await), (true, true, false));
    w.put(&index(&[(&arm, "arm64")]), Some("arm")).await;
    let i = launched(&w, &format!("#!/bin/sh\ndocker run -d {REGISTRY}/stateless-app:arm\n"), &[]).await;
    assert!(i["digest"].is_null());
    let id = i["id"].as_str().unwrap_or_default().to_owned();
    let console = STANDARD.decode(w.ec2("GetConsoleOutput", &[("InstanceId", &id)]).await.one("output")).expect("base64");
    assert!(String::from_utf8_lossy(&console).contains("no matching manifest for linux/amd64"));
}

#[tokio::test]
async fn an_image_that_a_list_names_is_not_deleted() {
    let w = world().await;
    let (all, arm, amd) = pushed(&w, "multi").await;
    w.did("PutImage", json!({"imageManifest": w.manifest("for arm", json!({})).await, "imageTag": "arm"})).await;
    let delete = async |ids: Value| w.did("BatchDeleteImage", json!({"imageIds": ids})).await;
    let got = delete(json!([{"imageDigest": amd}, {"imageTag": "arm"}])).await;
    let codes: Vec<&Value> = got["failures"].as_array().into_iter().flatten().map(|f| &f["failureCode"]).collect();
    assert_eq!(codes, ["ImageReferencedByManifestList", "ImageReferencedByManifestList"]);
    assert_eq!(w.digest("arm").await, arm);
    let got = delete(json!([{"imageDigest": all}, {"imageDigest": amd}, {"imageTag": "arm"}])).await;
    assert_eq!(got["failures"], json!([]), "once the list is gone they go");
    for digest in [all, arm, amd] {
        let gone = json!({"imageIds": [{"imageDigest": digest}]});
        w.refuses("DescribeImages", gone, "ImageNotFoundException").await;
    }
}

#[tokio::test]
async fn deleting_by_tag_takes_the_tag_and_with_the_last_the_image() {
    let w = world().await;
    let digest = w.push("one", Some("a")).await;
    let manifest = w.manifest("one", json!({})).await;
    for tag in ["b", "c"] {
        w.put(&manifest, Some(tag)).await;
    }
    let delete = async |ids: Value| w.did("BatchDeleteImage", json!({"imageIds": ids})).await;
    assert_eq!(delete(json!([{"imageTag": "a"}])).await["imageIds"], json!([{"imageDigest": digest, "imageTag": "a"}]));
    assert_eq!(w.digest("b").await, digest);
    delete(json!([{"imageTag": "b", "imageDigest": digest}])).await;
    assert_eq!(w.digest("c").await, digest);
    delete(json!([{"imageTag": "c"}])).await;
    w.refuses("DescribeImages", json!({"imageIds": [{"imageDigest": digest}]}), "ImageNotFoundException").await;
    let v4 = w.digest("v4").await;
    let got = delete(json!([{"imageDigest": v4}])).await;
    assert_eq!(got["imageIds"].as_array().map(Vec::len), Some(2), "by digest every tag goes: v4 and latest");
    let odd = json!([{"imageTag": "none"}, {"imageDigest": "none"}, {}, {"imageTag": "v1", "imageDigest": sha256(b"x")}, {"imageTag": "a b"}]);
    let got = delete(odd).await;
    let codes: Vec<&str> = got["failures"].as_array().into_iter().flatten().filter_map(|f| f["failureCode"].as_str()).collect();
    assert_eq!(codes, ["ImageNotFound", "InvalidImageDigest", "MissingDigestAndTag", "ImageTagDoesNotMatchDigest", "InvalidImageTag"]);
    w.refuses("BatchDeleteImage", json!({}), "InvalidParameterException").await;
}
