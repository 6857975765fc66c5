//! The table of actions as it stands in the source, and one call of every operation in it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::{client::World, s3::Sent};

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// Signing name.
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) actions: Vec<String>,
}

fn source(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    fs::read_to_string(root.join(path)).expect("the crate's source")
}

/// Texts in quotation marks.
fn quoted(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every row of `authorize/table.rs`, read as text: rows begin with `on("…"` in the list of their service.
pub(crate) fn rows() -> Vec<Operation> {
    let text = source("authorize/table.rs");
    let services = text.split_once("pub(crate) const SERVICES").and_then(|(_, rest)| rest.split_once("];")).expect("the services").0;
    let mut out = Vec::new();
    for line in services.lines().filter(|l| l.trim_start().starts_with('(')) {
        let list = line.rsplit(',').find_map(|part| part.trim().strip_suffix(')')).expect("a list's name").trim().to_owned();
        let (_, rows) = text.split_once(&format!("const {list}: &[Row] = &[")).expect("the list");
        let rows = rows.split_once("];").expect("its end").0;
        for row in rows.split("on(\"").skip(1) {
            let (operation, rest) = row.split_once('"').expect("a name");
            let actions = quoted(rest).into_iter().filter(|t| t.contains(':') && !t.ends_with(':')).collect();
            out.push(Operation { service: quoted(line)[0].clone(), operation: operation.to_owned(), actions });
        }
    }
    out
}

/// Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(|p| p.extension().is_some_and(|e| e == "rs")).collect()
}

/// Service and operation of every arm of the services' `match op`.
pub(crate) fn in_the_source() -> BTreeSet<(String, String)> {
    let mut out = BTreeSet::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/services");
    for path in files(&folder) {
        let module = path.strip_prefix(&folder).expect("below").iter().next().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let service = match module.trim_end_matches(".rs") {
            "elbv2" => "elasticloadbalancing",
            "cloudwatch" => "monitoring",
            name => name,
        };
        let text = fs::read_to_string(&path).expect("text");
        for (at, _) in text.match_indices("\n    match op {") {
            let body = text[at..].split_once("\n    }").expect("its end").0;
            for line in body.lines().skip(2).filter(|l| l.trim_start().starts_with(['"', '|'])) {
                let arm = line.split("=>").next().unwrap_or_default();
                out.extend(quoted(arm).into_iter().filter(|n| n.starts_with(|c: char| c.is_ascii_uppercase())).map(|n| (service.to_owned(), n)));
            }
        }
    }
    out
}

/// A connection that stays open over many calls.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with this.
    _task: JoinSet<hyper::Result<()>>,
}

impl Connection {
    pub(crate) async fn open(w: &World) -> Self {
        let stream = tokio::net::TcpStream::connect(w.running.addr).await.expect("connects");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("shakes hands");
        let mut task = JoinSet::new();
        task.spawn(connection);
        Self { sender, _task: task }
    }

    /// Calls an operation with next to no parameters; status and body.
    pub(crate) async fn call(&mut self, row: &Operation) -> (u16, String) {
        let request = request(row);
        self.sender.ready().await.expect("open");
        let response = self.sender.send_request(request).await.expect("answers");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// Version prefix of the services that name their operation in `x-amz-target`.
const TARGETS: &[(&str, &str)] = &[("ecr", "AmazonEC2ContainerRegistry_V20150921"), ("monitoring", "GraniteServiceVersion20100801")];

fn request(row: &Operation) -> Request<Full<Bytes>> {
    if row.service == "s3" {
        return in_s3(&row.operation).request();
    }
    let scope = format!("AKIATEST/20260105/ap-south-1/{}/aws4_request", row.service);
    let request = Request::post("/")
        .header("host", "localhost")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"));
    if let Some((_, target)) = TARGETS.iter().find(|(service, _)| *service == row.service) {
        let request = request.header("x-amz-target", format!("{target}.{}", row.operation));
        return request.body(Full::new(Bytes::from_static(b"{}"))).expect("request");
    }
    // Assuming a role is refused in the same words where the trust is missing.
    let more = match row.operation.as_str() {
        "AssumeRole" => "&RoleArn=arn:aws:iam::123456789012:role/fleet-control&RoleSessionName=me&ExternalId=stack-external-id",
        _ => "",
    };
    request.body(Full::new(Bytes::from(format!("Action={}{more}", row.operation)))).expect("request")
}

fn in_s3(operation: &str) -> Sent {
    let (bucket, key) = ("/stateless-app-files", "/stateless-app-files/key");
    let path = |tail: &str| format!("{bucket}?{tail}");
    match operation {
        "ListBuckets" => Sent::new("GET", "/"),
        "HeadBucket" => Sent::new("HEAD", bucket),
        "CreateBucket" => Sent::new("PUT", bucket),
        "DeleteBucket" => Sent::new("DELETE", "/no-such-bucket"),
        "GetBucketLocation" => Sent::new("GET", &path("location")),
        "GetPublicAccessBlock" => Sent::new("GET", &path("publicAccessBlock")),
        "PutPublicAccessBlock" => Sent::new("PUT", &path("publicAccessBlock")),
        "DeletePublicAccessBlock" => Sent::new("DELETE", &path("publicAccessBlock")),
        "GetBucketEncryption" => Sent::new("GET", &path("encryption")),
        "ListObjectsV2" => Sent::new("GET", &path("list-type=2")),
        "PutObject" => Sent::new("PUT", key),
        "GetObject" => Sent::new("GET", "/no-such-bucket/key"),
        "HeadObject" => Sent::new("HEAD", "/no-such-bucket/key"),
        "DeleteObject" => Sent::new("DELETE", key),
        "DeleteObjects" => Sent::new("POST", &path("delete")).body(b"<Delete><Object><Key>key</Key></Object></Delete>"),
        "CopyObject" => Sent::new("PUT", "/stateless-app-files/other").header("x-amz-copy-source", "no-such-bucket/key"),
        other => panic!("no call of s3 {other}"),
    }
}
