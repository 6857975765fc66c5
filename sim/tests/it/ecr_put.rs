//! PutImage, tags and what comes back (aws-reference 2.4, 8).

use serde_json::{Value, json};

use crate::{
    boot::{REGISTRY, launched},
    client::{world, world_with},
    ecr_push::{DOCKER, OCI, sha256},
};

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let w = world().await;
    let manifest = w.manifest("one", json!({})).await;
    let odd = manifest.replacen('{', "{\n\t \"note\" : \"\u{fc} \\u00fc \\/\" ,\r\n", 1) + "\n";
    let digest = w.put(&odd, Some("odd")).await;
    assert_eq!(digest, sha256(odd.as_bytes()));
    let got = w.did("BatchGetImage", json!({"imageIds": [{"imageTag": "odd"}, {"imageDigest": digest}]})).await;
    for at in 0..2 {
        assert_eq!((&got["images"][at]["imageManifest"], &got["images"][at]["imageManifestMediaType"]), (&json!(odd), &json!(OCI)));
    }
    let row = w.row(&digest).await;
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {}}}).to_string();
    assert_eq!(row["imageSizeInBytes"], config.len() + 3, "config and layers");
    assert_eq!((&row["imageManifestMediaType"], &row["imageTags"]), (&json!(OCI), &json!(["odd"])));
    assert_eq!(row["artifactMediaType"], "application/vnd.oci.image.config.v1+json");
    assert!(row.get("imageScanStatus").is_none() && row.get("imageScanFindingsSummary").is_none());
}

#[tokio::test]
async fn a_retag_by_digest_keeps_the_digest() {
    for moves in [false, true] {
        let w = world_with(7, |seed| {
            if let Some(params) = &mut seed.params {
                params.retag_moves_pushed = moves;
            }
        })
        .await;
        let digest = w.digest("v2").await;
        let before = w.row(&digest).await;
        let types = [DOCKER, OCI];
        let got = w.did("BatchGetImage", json!({"imageIds": [{"imageDigest": digest}], "acceptedMediaTypes": types})).await;
        let image = &got["images"][0];
        let body = json!({
            "imageManifest": image["imageManifest"],
            "imageManifestMediaType": image["imageManifestMediaType"],
            "imageTag": "release-2",
            "imageDigest": digest,
        });
        assert_eq!(w.did("PutImage", body).await["image"]["imageId"], json!({"imageDigest": digest, "imageTag": "release-2"}));
        assert_eq!(w.digest("release-2").await, digest);
        assert_eq!(w.digest("v2").await, digest);
        assert_eq!(w.row(&digest).await["imagePushedAt"] != before["imagePushedAt"], moves, "aws-reference 8 does not know");
    }
}

#[tokio::test]
async fn what_a_manifest_names_must_be_there() {
    let w = world().await;
    let manifest: Value = serde_json::from_str(&w.manifest("one", json!({})).await).expect("JSON");
    for place in ["/config/digest", "/layers/0/digest"] {
        let mut lacking = manifest.clone();
        let gone = sha256(place.as_bytes());
        lacking[place.split('/').nth(1).unwrap_or_default()] = lacking[place.split('/').nth(1).unwrap_or_default()].clone();
        *lacking.pointer_mut(place).expect("there") = json!(gone);
        let refused = w.refuses("PutImage", json!({"imageManifest": lacking.to_string(), "imageTag": "x"}), "LayersNotFoundException").await;
        assert!(refused["message"].as_str().is_some_and(|m| m.contains(&gone)), "{refused}");
    }
    assert_eq!(w.digest("x").await, "");
    // Layers are those of the repository, not of the registry.
    w.did("CreateRepository", json!({"repositoryName": "other"})).await;
    let elsewhere = json!({"repositoryName": "other", "imageManifest": manifest.to_string()});
    w.refuses("PutImage", elsewhere, "LayersNotFoundException").await;
}

#[tokio::test]
async fn the_media_type_is_in_the_manifest_or_beside_it() {
    let w = world().await;
    let manifest = w.manifest("one", json!({})).await;
    let mut bare: Value = serde_json::from_str(&manifest).expect("JSON");
    bare.as_object_mut().expect("object").remove("mediaType");
    let bare = bare.to_string();
    w.refuses("PutImage", json!({"imageManifest": bare}), "InvalidParameterException").await;
    w.refuses("PutImage", json!({"imageManifest": manifest, "imageManifestMediaType": DOCKER}), "InvalidParameterException").await;
    w.refuses("PutImage", json!({"imageManifest": bare, "imageManifestMediaType": "text/plain"}), "InvalidParameterException").await;
    w.refuses("PutImage", json!({"imageManifest": "{"}), "InvalidParameterException").await;
    w.refuses("PutImage", json!({}), "InvalidParameterException").await;
    let long = format!("{manifest}{}", " ".repeat(4 << 20));
    w.refuses("PutImage", json!({"imageManifest": long}), "InvalidParameterException").await;
    w.refuses("PutImage", json!({"imageManifest": manifest, "imageTag": "not/a tag"}), "InvalidParameterException").await;
    let got = w.did("PutImage", json!({"imageManifest": bare, "imageManifestMediaType": OCI})).await;
    assert_eq!(got["image"]["imageManifestMediaType"], OCI);
    assert_eq!(got["image"]["imageId"], json!({"imageDigest": sha256(bare.as_bytes())}));
}

#[tokio::test]
async fn the_same_image_under_the_same_tag_is_refused() {
    let w = world().await;
    let manifest = w.manifest("one", json!({})).await;
    let body = |tag: &str| json!({"imageManifest": manifest, "imageTag": tag});
    let mut other = body("a");
    other["imageDigest"] = sha256(b"other").into();
    w.refuses("PutImage", other, "ImageDigestDoesNotMatchException").await;
    w.did("PutImage", body("a")).await;
    w.refuses("PutImage", body("a"), "ImageAlreadyExistsException").await;
    w.refuses("PutImage", json!({"imageManifest": manifest}), "ImageAlreadyExistsException").await;
    w.did("PutImage", body("b")).await;
}

#[tokio::test]
async fn an_image_has_a_thousand_tags_at_most() {
    let w = world().await;
    let manifest = w.manifest("one", json!({})).await;
    for n in 0..1000 {
        w.put(&manifest, Some(&format!("t{n}"))).await;
    }
    w.refuses("PutImage", json!({"imageManifest": manifest, "imageTag": "more"}), "LimitExceededException").await;
}

#[tokio::test]
async fn a_tag_moves_in_a_mutable_repository_and_the_old_image_stays() {
    let w = world().await;
    let (first, second) = (w.push("one", Some("moving")).await, w.push("two", Some("moving")).await);
    assert_ne!(first, second);
    assert_eq!(w.digest("moving").await, second);
    let old = w.row(&first).await;
    assert!(old.get("imageTags").is_none() && old["imageStatus"] == "ACTIVE", "{old}");
}

#[tokio::test]
async fn immutable_tags_stay_but_for_the_exceptions() {
    let w = world().await;
    let mutability = async |mode: &str, filters: &[&str]| {
        let mut body = json!({"imageTagMutability": mode});
        if !filters.is_empty() {
            body["imageTagMutabilityExclusionFilters"] = filters.iter().map(|f| json!({"filterType": "WILDCARD", "filter": f})).collect();
        }
        let got = w.did("PutImageTagMutability", body.clone()).await;
        assert_eq!(got["imageTagMutabilityExclusionFilters"], body["imageTagMutabilityExclusionFilters"]);
        let shown = w.did("DescribeRepositories", json!({"repositoryNames": ["stateless-app"]})).await["repositories"][0].clone();
        assert_eq!(shown["imageTagMutability"], mode);
    };
    let (one, two) = (w.manifest("one", json!({})).await, w.manifest("two", json!({})).await);
    for tag in ["r1", "dev-1"] {
        w.put(&one, Some(tag)).await;
    }
    let again = |tag: &str| json!({"imageManifest": two, "imageTag": tag});
    mutability("IMMUTABLE", &[]).await;
    w.refuses("PutImage", again("r1"), "ImageTagAlreadyExistsException").await;
    w.refuses("PutImage", json!({"imageManifest": one, "imageTag": "r1"}), "ImageAlreadyExistsException").await;
    w.did("PutImage", again("new")).await;
    mutability("IMMUTABLE_WITH_EXCLUSION", &["dev-*", "x*y*z"]).await;
    w.refuses("PutImage", again("r1"), "ImageTagAlreadyExistsException").await;
    w.did("PutImage", again("dev-1")).await;
    mutability("MUTABLE_WITH_EXCLUSION", &["r*"]).await;
    w.refuses("PutImage", again("r1"), "ImageTagAlreadyExistsException").await;
    w.put(&one, Some("dev-1")).await;
    mutability("MUTABLE", &[]).await;
    w.did("PutImage", again("r1")).await;
}

#[tokio::test]
async fn labels_of_the_config_say_how_a_pushed_image_behaves() {
    let w = world().await;
    let label = |behaviour: &str| json!({"fleetgate-sim.behaviour": behaviour, "fleetgate-sim.boot-seconds": "30"});
    for (behaviour, state) in [("ok", "healthy"), ("unhealthy", "unhealthy")] {
        let manifest = w.manifest(behaviour, label(behaviour)).await;
        let digest = w.put(&manifest, Some(behaviour)).await;
        let i = launched(&w, &format!("#!/bin/sh\ndocker run -d {REGISTRY}/stateless-app:{behaviour}\n"), &[]).await;
        assert_eq!((&i["digest"], &i["targets"][0]["state"]), (&json!(digest), &json!(state)), "{i}");
    }
    let plain = w.push("plain", Some("plain")).await;
    let i = launched(&w, &format!("#!/bin/sh\ndocker run -d {REGISTRY}/stateless-app@{plain}\n"), &[]).await;
    assert_eq!((&i["digest"], &i["targets"][0]["state"]), (&json!(plain), &json!("healthy")));
    for odd in [json!({"fleetgate-sim.behaviour": "lazy"}), json!({"fleetgate-sim.boot-seconds": "-1"})] {
        let manifest = w.manifest("odd", odd).await;
        w.refuses("PutImage", json!({"imageManifest": manifest}), "InvalidParameterException").await;
    }
}

#[tokio::test]
async fn by_tag_a_manifest_is_translated_by_digest_never() {
    for exact in [true, false] {
        let w = world_with(7, |seed| {
            if let Some(params) = &mut seed.params {
                params.digest_answers_any_type = exact;
            }
        })
        .await;
        let digest = w.digest("v1").await;
        let get = async |id: Value, types: &[&str]| w.did("BatchGetImage", json!({"imageIds": [id], "acceptedMediaTypes": types})).await;
        let same = get(json!({"imageTag": "v1"}), &[OCI, DOCKER]).await;
        assert_eq!(same["images"][0]["imageId"], json!({"imageDigest": digest, "imageTag": "v1"}), "a type that is taken is left alone");
        let other = get(json!({"imageTag": "v1"}), &[OCI]).await["images"][0].clone();
        let text = other["imageManifest"].as_str().unwrap_or_default().to_owned();
        assert_eq!((&other["imageManifestMediaType"], &other["imageId"]["imageDigest"]), (&json!(OCI), &json!(sha256(text.as_bytes()))));
        assert_ne!(other["imageId"]["imageDigest"], digest.as_str());
        assert!(text.contains("application/vnd.oci.image.layer.v1.tar+gzip") && !text.contains("docker"), "{text}");
        let by_digest = get(json!({"imageDigest": digest}), &[OCI]).await;
        match exact {
            true => assert_eq!(by_digest["images"][0]["imageManifest"], same["images"][0]["imageManifest"]),
            false => assert_eq!(by_digest["failures"][0]["failureCode"], "ImageNotFound"),
        }
        // What was translated names the same layers and can be put as an image of its own, and back.
        w.put(&text, Some("v1-oci")).await;
        let back = get(json!({"imageTag": "v1-oci"}), &[DOCKER]).await;
        assert_eq!(back["images"][0]["imageManifestMediaType"], DOCKER);
        let none = get(json!({"imageTag": "v1"}), &["application/vnd.docker.distribution.manifest.v1+json"]).await;
        assert_eq!(none["failures"][0]["failureCode"], "ImageNotFound");
    }
}

#[tokio::test]
async fn a_pull_is_recorded_with_a_grain_of_a_day() {
    let w = world().await;
    let digest = w.push("one", Some("one")).await;
    let pull = async || w.did("BatchGetImage", json!({"imageIds": [{"imageDigest": digest}]})).await;
    assert!(w.row(&digest).await.get("lastRecordedPullTime").is_none());
    pull().await;
    let first = w.row(&digest).await["lastRecordedPullTime"].clone();
    w.handle.advance(86_399.0);
    pull().await;
    assert_eq!(w.row(&digest).await["lastRecordedPullTime"], first);
    w.handle.advance(1.0);
    pull().await;
    assert_eq!(w.row(&digest).await["lastRecordedPullTime"].as_f64(), first.as_f64().map(|t| t + 86_400.0));
}
