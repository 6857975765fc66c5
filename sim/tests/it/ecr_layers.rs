//! Layers: upload, completion, download, and how long they stay (aws-reference 8).

use serde_json::{Value, json};

use crate::{
    client::{World, world, world_with},
    ecr_push::{part, sha256},
};

const MIB: usize = 1 << 20;

async fn availability(w: &World, digest: &str) -> Value {
    w.did("BatchCheckLayerAvailability", json!({"layerDigests": [digest]})).await["layers"][0].clone()
}

#[tokio::test]
async fn a_layer_is_uploaded_in_parts_and_served_again() {
    let w = world().await;
    let bytes: Vec<u8> = (0..5 * MIB + 9).map(|n| (n % 251) as u8).collect();
    let digest = sha256(&bytes);
    assert_eq!(availability(&w, &digest).await, json!({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}));
    let begun = w.did("InitiateLayerUpload", json!({})).await;
    assert_eq!(begun["partSize"], 10 * MIB);
    let upload = begun["uploadId"].as_str().unwrap_or_default();
    let got = w.did("UploadLayerPart", part(upload, 0, &bytes[..5 * MIB])).await;
    assert_eq!((got["lastByteReceived"].as_u64(), got["uploadId"].as_str()), (Some(5 * MIB as u64 - 1), Some(upload)));
    w.did("UploadLayerPart", part(upload, 5 * MIB, &bytes[5 * MIB..])).await;
    let done = w.did("CompleteLayerUpload", json!({"uploadId": upload, "layerDigests": [digest]})).await;
    assert_eq!(done["layerDigest"], digest.as_str());
    assert_eq!(availability(&w, &digest).await, json!({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": bytes.len()}));
    let wanted = json!({"layerDigest": digest});
    w.refuses("GetDownloadUrlForLayer", wanted.clone(), "LayerInaccessibleException").await;
    let config = b"{}";
    let config_digest = w.blob(config).await;
    let (config_type, layer_type) = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": crate::ecr_push::OCI,
        "config": {"mediaType": config_type, "size": 2, "digest": config_digest},
        "layers": [{"mediaType": layer_type, "size": bytes.len(), "digest": digest}],
    });
    w.put(&manifest.to_string(), Some("big")).await;
    assert_eq!(availability(&w, &digest).await["mediaType"], layer_type);
    let url = w.did("GetDownloadUrlForLayer", wanted).await["downloadUrl"].as_str().unwrap_or_default().to_owned();
    assert_eq!(w.fetch(&url).await, (200, bytes));
    assert_eq!(w.fetch(&url.replace("signature=", "signature=0")).await.0, 403, "an URL of no one's making");
    assert_eq!(w.fetch(&url.replace(&digest, &config_digest)).await.0, 403, "it is good for its own layer alone");
    w.handle.advance(3600.0);
    assert_eq!(w.fetch(&url).await.0, 403, "it expires");
}

#[tokio::test]
async fn parts_follow_each_other() {
    let w = world().await;
    let upload = w.initiate().await;
    let odd = w.refuses("UploadLayerPart", part(&upload, 1, b"gap"), "InvalidLayerPartException").await;
    assert!(odd.get("lastValidByteReceived").is_none(), "no byte was received: {odd}");
    w.did("UploadLayerPart", part(&upload, 0, b"0123456789")).await;
    for first in [0, 9, 11] {
        let odd = w.refuses("UploadLayerPart", part(&upload, first, b"next"), "InvalidLayerPartException").await;
        assert_eq!(
            (&odd["lastValidByteReceived"], &odd["uploadId"], &odd["repositoryName"], &odd["registryId"]),
            (&json!(9), &json!(upload), &json!("stateless-app"), &json!("123456789012"))
        );
    }
    let mut longer = part(&upload, 10, b"next");
    longer["partLastByte"] = json!(14);
    w.refuses("UploadLayerPart", longer, "InvalidLayerPartException").await;
    w.did("UploadLayerPart", part(&upload, 10, b"next")).await;
}

#[tokio::test]
async fn parts_have_their_size() {
    let w = world().await;
    let upload = w.initiate().await;
    w.refuses("UploadLayerPart", part(&upload, 0, b""), "InvalidParameterException").await;
    w.refuses("UploadLayerPart", part(&upload, 0, &vec![0; 10 * MIB + 1]), "InvalidLayerPartException").await;
    w.refuses("UploadLayerPart", part(&upload, 0, &vec![0; 20 * MIB + 1]), "InvalidParameterException").await;
    w.did("UploadLayerPart", part(&upload, 0, b"small")).await;
    w.did("UploadLayerPart", part(&upload, 5, b"last")).await;
    w.refuses("CompleteLayerUpload", json!({"uploadId": upload, "layerDigests": [sha256(b"smalllast")]}), "LayerPartTooSmallException").await;
    let other = w.initiate().await;
    w.did("UploadLayerPart", part(&other, 0, &vec![7; 10 * MIB])).await;
}

#[tokio::test]
async fn completion_is_verified() {
    let w = world().await;
    let upload = w.initiate().await;
    let complete = |upload: &str, bytes: &[u8]| json!({"uploadId": upload, "layerDigests": [sha256(bytes)]});
    w.refuses("CompleteLayerUpload", complete(&upload, b""), "EmptyUploadException").await;
    w.did("UploadLayerPart", part(&upload, 0, b"content")).await;
    w.refuses("CompleteLayerUpload", complete(&upload, b"other"), "InvalidLayerException").await;
    let both = json!({"uploadId": upload, "layerDigests": [sha256(b"content"), sha256(b"other")]});
    w.refuses("CompleteLayerUpload", both, "InvalidLayerException").await;
    w.refuses("CompleteLayerUpload", json!({"uploadId": upload, "layerDigests": ["md5:00"]}), "InvalidParameterException").await;
    let mut elsewhere = complete(&upload, b"content");
    w.did("CreateRepository", json!({"repositoryName": "other"})).await;
    elsewhere["repositoryName"] = "other".into();
    w.refuses("CompleteLayerUpload", elsewhere, "UploadNotFoundException").await;
    w.did("CompleteLayerUpload", complete(&upload, b"content")).await;
    w.refuses("CompleteLayerUpload", complete(&upload, b"content"), "UploadNotFoundException").await;
    let again = w.initiate().await;
    w.did("UploadLayerPart", part(&again, 0, b"content")).await;
    w.refuses("CompleteLayerUpload", complete(&again, b"content"), "LayerAlreadyExistsException").await;
    w.handle.advance(86_400.0);
    w.refuses("UploadLayerPart", part(&again, 7, b"late"), "UploadNotFoundException").await;
}

#[tokio::test]
async fn layers_are_checked_one_by_one() {
    let w = world().await;
    let digest = w.blob(b"here").await;
    let got = w.did("BatchCheckLayerAvailability", json!({"layerDigests": ["", "sha256", digest, sha256(b"none")]})).await;
    let column = |list: &str, name: &str| got[list].as_array().into_iter().flatten().map(|r| r[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("failures", "failureCode"), ["MissingLayerDigest", "InvalidLayerDigest"]);
    assert_eq!(column("layers", "layerAvailability"), ["AVAILABLE", "UNAVAILABLE"]);
    let many = vec![digest; 101];
    w.refuses("BatchCheckLayerAvailability", json!({"layerDigests": many}), "InvalidParameterException").await;
    let calls = w.handle.calls_since(0);
    assert!(calls.iter().filter(|c| c.operation == "BatchCheckLayerAvailability").all(|c| !c.effective), "looking changes nothing");
}

#[tokio::test]
async fn the_bytes_kept_are_bounded() {
    let w = world_with(7, |seed| {
        if let Some(params) = &mut seed.params {
            params.ecr_store_bytes = 20_000;
        }
    })
    .await;
    let upload = w.initiate().await;
    w.did("UploadLayerPart", part(&upload, 0, &[1; 10_000])).await;
    w.refuses("UploadLayerPart", part(&upload, 10_000, &[1; 10_000]), "LimitExceededException").await;
    let manifest = w.manifest("small", json!({})).await;
    let wide = manifest.replacen('{', &format!("{{{}", " ".repeat(10_000)), 1);
    w.refuses("PutImage", json!({"imageManifest": wide}), "LimitExceededException").await;
    w.put(&manifest, Some("small")).await;
    w.handle.advance(86_400.0);
    let later = w.initiate().await;
    w.did("UploadLayerPart", part(&later, 0, &[1; 10_000])).await;
}

#[tokio::test]
async fn a_layer_that_no_image_names_is_gone_after_a_while() {
    let w = world().await;
    let loose = w.blob(b"loose").await;
    let image = w.push("content", Some("x")).await;
    let kept = sha256(b"content");
    w.handle.advance(43_200.0);
    assert_eq!(availability(&w, &loose).await["layerAvailability"], "AVAILABLE", "not at once");
    w.handle.advance(4.0 * 86_400.0);
    assert_eq!(availability(&w, &loose).await["layerAvailability"], "UNAVAILABLE");
    assert_eq!(availability(&w, &kept).await["layerAvailability"], "AVAILABLE");
    w.did("BatchDeleteImage", json!({"imageIds": [{"imageDigest": image}]})).await;
    assert_eq!(availability(&w, &kept).await["layerAvailability"], "AVAILABLE");
    w.handle.advance(4.0 * 86_400.0);
    assert_eq!(availability(&w, &kept).await["layerAvailability"], "UNAVAILABLE");
}

#[tokio::test]
async fn seeded_layers_are_there_without_bytes() {
    let w = world().await;
    let got = w.did("BatchGetImage", json!({"imageIds": [{"imageTag": "v1"}]})).await;
    let manifest: Value = serde_json::from_str(got["images"][0]["imageManifest"].as_str().unwrap_or_default()).expect("JSON");
    let layer = &manifest["layers"][0];
    let there = availability(&w, layer["digest"].as_str().unwrap_or_default()).await;
    assert_eq!((&there["layerAvailability"], &there["layerSize"]), (&json!("AVAILABLE"), &layer["size"]));
    w.refuses("GetDownloadUrlForLayer", json!({"layerDigest": layer["digest"]}), "LayerInaccessibleException").await;
    w.refuses("GetDownloadUrlForLayer", json!({"layerDigest": sha256(b"none")}), "LayersNotFoundException").await;
}
