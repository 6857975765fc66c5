//! The adapter against a socket: what is sent, how often, and what a failure of the wire becomes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use super::*;

const START: i64 = 1_800_000_000_000;

fn place(role: Option<&str>) -> Place {
    Place { region: "eu-west-1".into(), role_arn: role.map(Into::into), external_id: Some("ext".into()) }
}

async fn aws(endpoint: &str) -> Aws {
    let config = AwsConfig {
        endpoint: Some(endpoint.into()),
        static_credentials: Some(("AKIDTEST".into(), "secret".into())),
        attempt_timeout: Duration::from_millis(1500),
        operation_timeout: Duration::from_secs(4),
        read_backoff: Duration::from_millis(5),
        budget: BudgetConfig::default(),
        ..AwsConfig::default()
    };
    Aws::connect(config, Clocks::manual(START).0).await
}

/// Answers each connection's first request with the next of `replies` (`None`: hangs up), and hands over the requests.
fn server(replies: Vec<Option<(u16, String)>>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for reply in replies {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !complete(&request) {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
            if let Some((status, body)) = reply {
                let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\nx-amzn-requestid: req-9\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        }
    });
    (address, requests)
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    body.len() >= length.and_then(|l| l.trim().parse().ok()).unwrap_or(0)
}

fn wrapped(operation: &str, result: &str) -> String {
    format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>")
}

fn refusal(code: &str) -> String {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>")
}

fn preferences() -> crate::domain::strategy::Preferences {
    use crate::domain::strategy::{OnHold, OnStandby, Preferences};
    Preferences {
        min_healthy: 100,
        max_healthy: 200,
        warmup_seconds: 60,
        skip_matching: true,
        auto_rollback: true,
        protected: OnHold::Wait,
        standby: OnStandby::Ignore,
        bake_seconds: 120,
        checkpoints: Vec::new(),
        checkpoint_delay_seconds: 0,
        alarms: Vec::new(),
        suspend: vec![],
    }
}

#[tokio::test]
async fn a_refresh_is_sent_once_with_every_preference() {
    let (address, requests) = server(vec![Some((200, wrapped("StartInstanceRefresh", "<InstanceRefreshId>r-1</InstanceRefreshId>")))]);
    let aws = aws(&format!("http://{address}")).await;
    let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
    let done = cloud.start_refresh("web", "lt-1", 5, &preferences()).await.expect("started");
    assert_eq!(done, Done { value: "r-1".into(), request_id: Some("req-9".into()) });
    assert_eq!(aws.calls(), 1);
    let body = requests.recv().expect("a request");
    for part in [
        "Strategy=Rolling",
        "DesiredConfiguration.LaunchTemplate.LaunchTemplateId=lt-1",
        "DesiredConfiguration.LaunchTemplate.Version=5",
        "Preferences.MinHealthyPercentage=100",
        "Preferences.MaxHealthyPercentage=200",
        "Preferences.InstanceWarmup=60",
        "Preferences.SkipMatching=true",
        "Preferences.AutoRollback=true",
        "Preferences.ScaleInProtectedInstances=Wait",
        "Preferences.StandbyInstances=Ignore",
        "Preferences.BakeTime=120",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert!(!body.contains("Checkpoint"), "{body}");
}

#[tokio::test]
async fn an_act_without_an_answer_is_unknown_and_not_repeated() {
    for reply in [None, Some((500, refusal("InternalFailure"))), Some((200, "<html>".into()))] {
        let (address, requests) = server(vec![reply.clone(), reply]);
        let aws = aws(&format!("http://{address}")).await;
        let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
        let error = cloud.terminate("i-1", false).await.expect_err("no answer");
        assert!(error.unknown(), "{error:?}");
        assert_eq!((aws.calls(), requests.try_iter().count()), (1, 1));
    }
}

#[tokio::test]
async fn a_read_is_tried_twice_at_most() {
    let broken = || Some((500, refusal("InternalFailure")));
    let (address, _requests) = server(vec![broken(), broken(), broken()]);
    let aws = aws(&format!("http://{address}")).await;
    let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
    let error = cloud.group(Priority::Act, "web").await.expect_err("broken");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(error.request_id.as_deref(), Some("req-9"));
    assert_eq!(aws.calls(), 2);
}

/// Guards `error::never_connected`, which knows the HTTP client's text.
#[tokio::test]
async fn an_act_that_found_no_connection_was_not_sent() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    for endpoint in [format!("http://127.0.0.1:{port}"), "http://no-such-host.invalid".to_owned()] {
        let aws = aws(&endpoint).await;
        let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
        let error = cloud.cancel_refresh("web").await.expect_err("nobody there");
        assert_eq!(error.kind, ErrorKind::NotSent, "{endpoint} {error:?}");
        assert!(error.refused());
        let error = cloud.group(Priority::Act, "web").await.expect_err("nobody there");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{endpoint} {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_the_attempt_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let aws = aws(&format!("http://{}", listener.local_addr().expect("an address"))).await;
    let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
    let error = cloud.rollback_refresh("web").await.expect_err("silence");
    assert!(error.unknown(), "{error:?}");
    assert_eq!(error.message, "AWS did not answer in time");
}

#[tokio::test]
async fn a_role_is_assumed_with_our_session_and_its_refusal_is_denied() {
    let (address, requests) = server(vec![Some((403, refusal("AccessDenied")))]);
    let aws = aws(&format!("http://{address}")).await;
    let cloud = aws.cloud(&place(Some("arn:aws:iam::123456789012:role/deploy")), "change 7/ü").await.expect("a cloud");
    let error = cloud.resize("web", None, Some(3), None).await.expect_err("denied");
    assert_eq!(error.kind, ErrorKind::Denied, "{error:?}");
    assert!(error.message.starts_with("the role of this environment could not be assumed"), "{error}");
    let body = requests.recv().expect("a request");
    assert!(body.contains("RoleSessionName=change-7--") && body.contains("ExternalId=ext"), "{body}");
    assert_eq!(aws.calls(), 0, "the act was never sent");
}

#[tokio::test]
async fn reads_stop_at_the_budget_and_acts_go_on() {
    let aws = aws("http://127.0.0.1:9").await;
    let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
    let twin = aws.cloud(&place(None), "y").await.expect("a cloud");
    let mut kinds = Vec::new();
    for n in 0..8 {
        let cloud = if n % 2 == 0 { &cloud } else { &twin };
        kinds.push(cloud.group(Priority::Watched, "web").await.expect_err("nobody there").kind);
    }
    assert_eq!(kinds[5], ErrorKind::Unavailable);
    assert!(matches!(kinds[6], ErrorKind::OverBudget { retry_at } if retry_at > START), "{kinds:?}");
    assert_eq!(cloud.cancel_refresh("web").await.expect_err("nobody there").kind, ErrorKind::NotSent);
}

#[tokio::test]
async fn a_repeated_page_token_ends_the_listing_with_an_error() {
    let page = || Some((200, wrapped("DescribeAutoScalingGroups", "<AutoScalingGroups/><NextToken>t</NextToken>")));
    let (address, _requests) = server(vec![page(), page(), page()]);
    let aws = aws(&format!("http://{address}")).await;
    let cloud = aws.cloud(&place(None), "x").await.expect("a cloud");
    assert_eq!(cloud.groups(Priority::Act).await.expect_err("endless").kind, ErrorKind::Unavailable);
    assert_eq!(aws.calls(), 2);
}

#[tokio::test]
async fn a_place_that_cannot_be_one_is_refused() {
    let aws = aws("http://127.0.0.1:9").await;
    for region in ["", "eu-west-1.evil.example/", "EU"] {
        let bad = Place { region: region.into(), ..place(None) };
        assert!(aws.cloud(&bad, "x").await.is_err_and(|e| e.kind == ErrorKind::Invalid), "{region}");
    }
    assert!(aws.cloud(&place(Some("admin")), "x").await.is_err());
}

#[tokio::test]
async fn clients_are_kept_within_bounds() {
    let aws = aws("http://127.0.0.1:9").await;
    let role = place(Some("arn:aws:iam::123456789012:role/deploy"));
    for n in 0..MOST_CLOUDS + 6 {
        aws.cloud(&role, &format!("change-{n}")).await.expect("a cloud");
    }
    let (clouds, budgets) = aws.kept(|kept| (kept.clouds.len(), kept.budgets.len()));
    assert_eq!((clouds, budgets), (MOST_CLOUDS, 1));
}

#[test]
fn session_names_fit() {
    assert_eq!(session_name("change-7@alice"), "change-7@alice");
    assert_eq!(session_name("a b/c:ü"), "a-b-c--");
    assert_eq!(session_name("x"), "fleetgate");
    assert_eq!(session_name(&"n".repeat(99)).len(), 64);
}

#[tokio::test]
async fn calls_may_be_made_from_any_task() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let aws = aws("http://127.0.0.1:9").await;
    let place = place(None);
    let cloud = movable(aws.cloud(&place, "x")).await.expect("a cloud");
    assert!(movable(cloud.groups(Priority::Act)).await.is_err());
    assert!(movable(cloud.start_refresh("web", "lt-1", 5, &preferences())).await.is_err());
}
