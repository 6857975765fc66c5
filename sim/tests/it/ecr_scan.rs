//! Basic scanning (aws-reference 8).

use serde_json::{Value, json};

use crate::{client::world, ecr_push::OCI_INDEX};

#[tokio::test]
async fn a_push_scans_where_the_repository_says_so() {
    let w = world().await;
    let digest = w.push("one", Some("one")).await;
    let id = json!({"imageId": {"imageTag": "one"}});
    let got = w.did("DescribeImageScanFindings", id.clone()).await;
    assert_eq!((&got["imageScanStatus"]["status"], got.get("imageScanFindings")), (&json!("IN_PROGRESS"), None));
    assert_eq!(got["imageId"], json!({"imageDigest": digest, "imageTag": "one"}));
    w.handle.advance(60.0);
    assert_eq!(w.did("DescribeImageScanFindings", id).await["imageScanStatus"]["status"], "COMPLETE");
    let got = w.did("PutImageScanningConfiguration", json!({"imageScanningConfiguration": {"scanOnPush": false}})).await;
    assert_eq!(got["imageScanningConfiguration"], json!({"scanOnPush": false}));
    let other = w.push("two", None).await;
    let id = json!({"imageId": {"imageDigest": other}});
    w.refuses("DescribeImageScanFindings", id.clone(), "ScanNotFoundException").await;
    w.did("StartImageScan", id.clone()).await;
    assert_eq!(w.did("DescribeImageScanFindings", id).await["imageScanStatus"]["status"], "IN_PROGRESS");
}

#[tokio::test]
async fn an_image_is_scanned_once_a_day_and_the_push_counts() {
    let w = world().await;
    let digest = w.push("one", Some("one")).await;
    let id = json!({"imageId": {"imageDigest": digest}});
    w.handle.advance(86_399.0);
    w.refuses("StartImageScan", id.clone(), "LimitExceededException").await;
    let first = w.did("DescribeImageScanFindings", id.clone()).await;
    w.handle.advance(1.0);
    let got = w.did("StartImageScan", id.clone()).await;
    assert_eq!(got["imageScanStatus"]["status"], "IN_PROGRESS");
    w.refuses("StartImageScan", id.clone(), "LimitExceededException").await;
    w.handle.advance(60.0);
    let again = w.did("DescribeImageScanFindings", id).await;
    assert_eq!(again["imageScanFindings"]["findings"], first["imageScanFindings"]["findings"], "the digest alone decides");
    assert_ne!(again["imageScanFindings"]["imageScanCompletedAt"], first["imageScanFindings"]["imageScanCompletedAt"]);
    w.refuses("StartImageScan", json!({"imageId": {"imageTag": "none"}}), "ImageNotFoundException").await;
    w.refuses("StartImageScan", json!({}), "InvalidParameterException").await;
}

#[tokio::test]
async fn findings_are_counted_by_severity_and_paged() {
    let w = world().await;
    for tag in ["v1", "v2", "v3", "v4"] {
        let id = json!({"imageTag": tag});
        let whole = w.did("DescribeImageScanFindings", json!({"imageId": id})).await["imageScanFindings"].clone();
        let rows = whole["findings"].as_array().cloned().unwrap_or_default();
        let counts = whole["findingSeverityCounts"].as_object().cloned().unwrap_or_default();
        for (level, n) in &counts {
            assert_eq!(rows.iter().filter(|f| f["severity"] == level.as_str()).count() as u64, n.as_u64().unwrap_or_default(), "{level}");
        }
        assert_eq!(rows.len() as u64, counts.values().filter_map(Value::as_u64).sum::<u64>());
        let (mut turned, mut token) = (Vec::new(), Value::Null);
        loop {
            let body = json!({"imageId": id, "maxResults": 2, "nextToken": token});
            let page = w.did("DescribeImageScanFindings", body).await;
            turned.extend(page["imageScanFindings"]["findings"].as_array().cloned().unwrap_or_default());
            token = page["nextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(turned, rows);
    }
}

#[tokio::test]
async fn an_index_is_not_scanned() {
    let w = world().await;
    let child = w.push("one", None).await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": crate::ecr_push::OCI, "size": 1, "digest": child}]});
    let digest = w.put(&index.to_string(), Some("multi")).await;
    let id = json!({"imageId": {"imageDigest": digest}});
    w.refuses("DescribeImageScanFindings", id.clone(), "ScanNotFoundException").await;
    w.refuses("StartImageScan", id, "UnsupportedImageTypeException").await;
}
