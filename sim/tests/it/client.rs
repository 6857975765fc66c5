//! A small client and a world to point it at.

use fleetgate_sim::{ClockMode, Exchange, Handle, Params, Running, Seed, Sim, SimConfig, StackNames};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Production group of the target stack.
pub(crate) const ASG: &str = "stateless-app-asg";
/// Its template.
pub(crate) const TEMPLATE: &str = "stateless-app-template";

/// Whether an instance of ground truth was launched from this template version.
pub(crate) fn runs(instance: &Value, version: &str) -> bool {
    instance["template_version"].as_u64().is_some_and(|n| n.to_string().as_str() == version)
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) bytes: Bytes,
    pub(crate) headers: hyper::HeaderMap,
}

impl Got {
    /// Texts of every element of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        self.body.split(&open).skip(1).filter_map(|rest| rest.split_once(&close).map(|(text, _)| text.to_owned())).collect()
    }

    /// Text of the first.
    pub(crate) fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Refused with this code and status.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.one("Code"), code, "{}", self.body);
    }
}

/// A running world.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) handle: Handle,
}

fn config(seed: u64, edit: impl FnOnce(&mut Seed)) -> SimConfig {
    let mut world = Seed::target_stack(&StackNames::default());
    world.params = Some(Params::reference());
    edit(&mut world);
    let start = "2026-01-05T09:00:00Z".parse().expect("instant");
    SimConfig { listen: ([127, 0, 0, 1], 0).into(), clock: ClockMode::Manual { start }, seed, world }
}

/// A world without a port, asked in process: for tests of very many calls.
pub(crate) fn local(seed: u64, edit: impl FnOnce(&mut Seed)) -> Handle {
    Sim::world(config(seed, edit)).expect("builds")
}

/// One exchange in process: headers and body.
pub(crate) fn exchange(handle: &Handle, request: hyper::Request<String>) -> Exchange {
    let (head, body) = request.into_parts();
    handle.exchange(&head, body.as_bytes())
}

/// A request of the query protocol.
pub(crate) fn query_request(key: &str, region: &str, service: &str, action: &str, params: &[(&str, &str)]) -> hyper::Request<String> {
    let authorization = format!("AWS4-HMAC-SHA256 Credential={key}/20260105/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0");
    hyper::Request::post("/").header("authorization", authorization).body(form(action, params)).expect("request")
}

/// What an exchange answered; panics when it did not.
pub(crate) fn answered(exchange: Exchange) -> Got {
    match exchange {
        Exchange::Answer(response) => {
            let (head, body) = response.into_parts();
            let text = String::from_utf8_lossy(&body).into_owned();
            Got { status: head.status.as_u16(), body: text, bytes: body.into(), headers: head.headers }
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// A query call in process.
pub(crate) fn ask(handle: &Handle, service: &str, action: &str, params: &[(&str, &str)]) -> Got {
    answered(exchange(handle, query_request("AKIATEST", "ap-south-1", service, action, params)))
}

/// An ECR call in process.
pub(crate) fn ask_ecr(handle: &Handle, operation: &str, body: &Value) -> Got {
    let mut request = query_request("AKIATEST", "ap-south-1", "ecr", "", &[]).map(|_| body.to_string());
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}").parse().expect("header");
    request.headers_mut().insert("x-amz-target", target);
    answered(exchange(handle, request))
}

/// The target stack with reference parameters, changed by `edit`.
pub(crate) async fn world_with(seed: u64, edit: impl FnOnce(&mut Seed)) -> World {
    let running = Sim::start(config(seed, edit)).await.expect("starts");
    let handle = running.world();
    World { running, handle }
}

pub(crate) async fn world() -> World {
    world_with(7, |_| {}).await
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn form(action: &str, params: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}");
    for (name, value) in params {
        body += &format!("&{}={}", encode(name), encode(value));
    }
    body
}

impl World {
    pub(crate) async fn send(&self, request: hyper::Request<Full<Bytes>>) -> Result<Got, hyper::Error> {
        let stream = tokio::net::TcpStream::connect(self.running.addr).await.expect("connects");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let kind = &response.headers()["content-type"];
            assert!(response.headers().contains_key("x-amzn-requestid") || kind == "application/json" || kind == "text/html");
            let headers = response.headers().clone();
            let bytes = response.into_body().collect().await?.to_bytes();
            Ok(Got { status, body: String::from_utf8_lossy(&bytes).into_owned(), bytes, headers })
        };
        tokio::pin!(exchange);
        tokio::select! {
            got = &mut exchange => got,
            ended = connection => { ended?; exchange.await }
        }
    }

    pub(crate) fn authorization(key: &str, service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={key}/20260105/ap-south-1/{service}/aws4_request, SignedHeaders=host, Signature=0")
    }

    /// A query call that may lose its reply.
    pub(crate) async fn try_query(&self, service: &str, action: &str, params: &[(&str, &str)]) -> Result<Got, hyper::Error> {
        self.as_key("AKIATEST", service, action, params).await
    }

    /// A query call under an access key.
    pub(crate) async fn as_key(&self, key: &str, service: &str, action: &str, params: &[(&str, &str)]) -> Result<Got, hyper::Error> {
        let request = hyper::Request::post("/")
            .header("host", "localhost")
            .header("authorization", Self::authorization(key, service))
            .body(Full::new(Bytes::from(form(action, params))))
            .expect("request");
        self.send(request).await
    }

    pub(crate) async fn query(&self, service: &str, action: &str, params: &[(&str, &str)]) -> Got {
        self.try_query(service, action, params).await.expect("answers")
    }

    /// An Auto Scaling call.
    pub(crate) async fn asg(&self, action: &str, params: &[(&str, &str)]) -> Got {
        self.query("autoscaling", action, params).await
    }

    /// The same, on the production group and successful.
    pub(crate) async fn on_group(&self, action: &str, params: &[(&str, &str)]) -> Got {
        let mut all = vec![("AutoScalingGroupName", ASG)];
        all.extend_from_slice(params);
        let got = self.asg(action, &all).await;
        assert_eq!(got.status, 200, "{action}: {}", got.body);
        got
    }

    pub(crate) async fn ec2(&self, action: &str, params: &[(&str, &str)]) -> Got {
        self.query("ec2", action, params).await
    }

    pub(crate) async fn ecr(&self, operation: &str, body: Value) -> Got {
        let request = hyper::Request::post("/")
            .header("host", "localhost")
            .header("authorization", Self::authorization("AKIATEST", "ecr"))
            .header("x-amz-target", format!("AmazonEC2ContainerRegistry_V20150921.{operation}"))
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("request");
        self.send(request).await.expect("answers")
    }

    /// A control.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("/_sim/{path}"))
            .header("host", "localhost")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("request");
        self.send(request).await.expect("answers")
    }

    pub(crate) async fn describe_group(&self) -> Got {
        self.asg("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", ASG)]).await
    }

    pub(crate) async fn refreshes(&self) -> Got {
        self.on_group("DescribeInstanceRefreshes", &[]).await
    }

    /// Target states of the production group, sorted.
    pub(crate) async fn targets(&self) -> Vec<String> {
        let arn = self.describe_group().await.one("TargetGroupARNs").replace("<member>", "").replace("</member>", "");
        let got = self.query("elasticloadbalancing", "DescribeTargetHealth", &[("TargetGroupArn", &arn)]).await;
        let mut states: Vec<String> = got
            .all("TargetHealth")
            .iter()
            .map(|t| t.split("<State>").nth(1).and_then(|s| s.split('<').next()).unwrap_or_default().to_owned())
            .collect();
        states.sort();
        states
    }

    /// Digest behind a tag.
    pub(crate) async fn digest(&self, tag: &str) -> String {
        let got = self.ecr("DescribeImages", serde_json::json!({"repositoryName": "stateless-app", "imageIds": [{"imageTag": tag}]})).await;
        got.json()["imageDetails"][0]["imageDigest"].as_str().unwrap_or_default().to_owned()
    }

    /// New template version that runs this tag, by digest.
    pub(crate) async fn version_of(&self, tag: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let digest = self.digest(tag).await;
        let data = StackNames::default().user_data(&format!("stateless-app@{digest}"));
        let got = self
            .ec2(
                "CreateLaunchTemplateVersion",
                &[
                    ("LaunchTemplateName", TEMPLATE),
                    ("SourceVersion", "1"),
                    ("ClientToken", tag),
                    ("LaunchTemplateData.UserData", &STANDARD.encode(data)),
                ],
            )
            .await;
        got.one("versionNumber")
    }

    /// Starts a refresh to a version.
    pub(crate) async fn start(&self, version: &str, preferences: &[(&str, &str)]) -> String {
        let mut params =
            vec![("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", TEMPLATE), ("DesiredConfiguration.LaunchTemplate.Version", version)];
        params.extend_from_slice(preferences);
        self.on_group("StartInstanceRefresh", &params).await.one("InstanceRefreshId")
    }

    /// Steps until the newest refresh has one of these statuses; returns it and the seconds it took.
    pub(crate) async fn until(&self, statuses: &[&str], limit: i64) -> (String, i64) {
        let mut seconds = 0;
        loop {
            let status = self.refreshes().await.one("Status");
            if statuses.contains(&status.as_str()) {
                return (status, seconds);
            }
            assert!(seconds < limit, "still {status} after {seconds} s");
            self.handle.advance(5.0);
            seconds += 5;
        }
    }

    /// Instances of the production group in ground truth.
    pub(crate) fn truth(&self) -> Vec<Value> {
        let snapshot = self.handle.snapshot();
        let groups = snapshot["groups"].as_array().cloned().unwrap_or_default();
        let group = groups.into_iter().find(|g| g["name"] == ASG).unwrap_or_default();
        group["instances"].as_array().cloned().unwrap_or_default()
    }

    /// Template version in the group's own description.
    pub(crate) async fn group_version(&self) -> String {
        let got = self.describe_group().await;
        got.one("LaunchTemplate").split("<Version>").nth(1).and_then(|t| t.split('<').next()).unwrap_or_default().to_owned()
    }
}
