//! Pushing images over the API, for the tests of ECR.

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::Digest;

use crate::client::World;

/// Repository of the target stack.
pub(crate) const REPO: &str = "stateless-app";
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// `sha256:…` of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// The body with the target stack's repository in it, unless it names one.
fn with_repository(mut body: Value) -> Value {
    if body.get("repositoryName").is_none() && body.get("resourceArn").is_none() {
        body["repositoryName"] = REPO.into();
    }
    body
}

impl World {
    /// An ECR call that is answered.
    pub(crate) async fn did(&self, operation: &str, body: Value) -> Value {
        let got = self.ecr(operation, with_repository(body)).await;
        assert_eq!(got.status, 200, "{operation}: {}", got.body);
        got.json()
    }

    /// An ECR call that is refused with this code; its body.
    pub(crate) async fn refuses(&self, operation: &str, body: Value, code: &str) -> Value {
        let got = self.ecr(operation, with_repository(body)).await;
        assert_eq!((got.status, got.json()["__type"].as_str()), (400, Some(code)), "{operation}: {}", got.body);
        got.json()
    }

    /// Begins an upload.
    pub(crate) async fn initiate(&self) -> String {
        self.did("InitiateLayerUpload", json!({})).await["uploadId"].as_str().unwrap_or_default().to_owned()
    }

    /// Uploads bytes in one part and returns their digest; bytes that are there already are left alone.
    pub(crate) async fn blob(&self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let there = self.did("BatchCheckLayerAvailability", json!({"layerDigests": [digest]})).await;
        if there["layers"][0]["layerAvailability"] == "AVAILABLE" {
            return digest;
        }
        let upload = self.initiate().await;
        self.did("UploadLayerPart", part(&upload, 0, bytes)).await;
        self.did("CompleteLayerUpload", json!({"uploadId": upload, "layerDigests": [digest]})).await;
        digest
    }

    /// Uploads a config with these labels and a layer of this text, and returns a manifest of them.
    pub(crate) async fn manifest(&self, content: &str, labels: Value) -> String {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": labels}}).to_string();
        let (c, l) = (self.blob(config.as_bytes()).await, self.blob(content.as_bytes()).await);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": {"mediaType": CONFIG, "size": config.len(), "digest": c},
            "layers": [{"mediaType": LAYER, "size": content.len(), "digest": l}],
        });
        manifest.to_string()
    }

    /// Puts a manifest under a tag and returns its digest.
    pub(crate) async fn put(&self, manifest: &str, tag: Option<&str>) -> String {
        let mut body = json!({"imageManifest": manifest});
        if let Some(tag) = tag {
            body["imageTag"] = tag.into();
        }
        let image = self.did("PutImage", body).await["image"].clone();
        assert_eq!(image["imageManifest"], manifest);
        image["imageId"]["imageDigest"].as_str().unwrap_or_default().to_owned()
    }

    /// Pushes an image of this content.
    pub(crate) async fn push(&self, content: &str, tag: Option<&str>) -> String {
        let manifest = self.manifest(content, json!({})).await;
        self.put(&manifest, tag).await
    }

    /// DescribeImages' row of an image.
    pub(crate) async fn row(&self, digest: &str) -> Value {
        self.did("DescribeImages", json!({"imageIds": [{"imageDigest": digest}]})).await["imageDetails"][0].clone()
    }

    /// Digests in the repository, sorted.
    pub(crate) async fn digests(&self) -> Vec<String> {
        let got = self.did("DescribeImages", json!({"maxResults": 1000})).await;
        let rows = got["imageDetails"].as_array().cloned().unwrap_or_default();
        let mut out: Vec<String> = rows.iter().filter_map(|r| r["imageDigest"].as_str().map(str::to_owned)).collect();
        out.sort();
        out
    }

    /// Fetches an URL of this port.
    pub(crate) async fn fetch(&self, url: &str) -> (u16, Vec<u8>) {
        let stream = tokio::net::TcpStream::connect(self.running.addr).await.expect("connects");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
        let path = url.strip_prefix("http://localhost").unwrap_or(url).to_owned();
        let request = hyper::Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new()).expect("request");
        let exchange = async {
            let response = sender.send_request(request).await.expect("answers");
            let status = response.status().as_u16();
            (status, response.into_body().collect().await.expect("body").to_bytes().to_vec())
        };
        tokio::pin!(exchange);
        tokio::select! {
            got = &mut exchange => got,
            _ = connection => exchange.await,
        }
    }
}

/// Body of UploadLayerPart.
pub(crate) fn part(upload: &str, first: usize, bytes: &[u8]) -> Value {
    let last = (first + bytes.len()) as i64 - 1;
    json!({"uploadId": upload, "partFirstByte": first, "partLastByte": last, "layerPartBlob": STANDARD.encode(bytes)})
}
