//! Bad input gets a clear problem document that names the field or what is in the way; state and AWS stay untouched, and the
//! refusal is in the trail.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::harness::{APP, Answer, As, Setup, TestApp};

struct Case {
    what: &'static str,
    answer: Answer,
    status: u16,
    /// A field, or words of the sentence.
    field: Option<&'static str>,
    says: &'static str,
}

#[tokio::test]
async fn every_bad_request_names_its_field_and_changes_nothing() {
    let t = TestApp::with_stack(Setup::seed(601)).await;
    let token = t.token(&["*"]).await;
    let v = t.release(&token, "one", "ok", None).await;
    let other = t.push("elsewhere", "ok", None);
    let foreign = format!("sha256:{}", "9".repeat(64));
    assert_ne!(other, foreign);
    let running = TestApp::accepted(t.change(&token, "staging", json!({"kind": "deploy", "release": v, "on_busy": "refuse"})).await);
    t.step().await;
    t.step().await;
    let releases = format!("/api/v1/apps/{APP}/releases");
    let changes = format!("/api/v1/apps/{APP}/environments/production/changes");
    let base = json!({"min": 2, "desired": 2, "max": 10});
    let calls = t.mutating().len();
    let before = t.get(&token, "/api/v1/changes").await.expect(200);
    let trail = t.audit().await.len();

    let json_body = |path: &str, text: &str| (Request::post(path).header(header::CONTENT_TYPE, "application/json"), Body::from(text.to_owned()));
    let (malformed, malformed_body) = json_body(&changes, "{\"kind\":");
    let (large, large_body) = json_body(&changes, &format!("{{\"kind\":\"{}\"}}", "x".repeat(2_000_000)));
    let cases = vec![
        Case {
            what: "unknown tag",
            answer: t.post(&token, &releases, json!({"tag": "nope"})).await,
            status: 422,
            field: Some("tag"),
            says: "no image tagged `nope`",
        },
        Case {
            what: "image of another repository",
            answer: t.post(&token, &releases, json!({"digest": foreign})).await,
            status: 422,
            field: Some("digest"),
            says: "another repository",
        },
        Case {
            what: "repository in the tag",
            answer: t.post(&token, &releases, json!({"tag": "other/app:v1"})).await,
            status: 422,
            field: Some("tag"),
            says: "give the tag alone",
        },
        Case {
            what: "no such release",
            answer: t.change(&token, "production", json!({"kind": "deploy", "release": 999})).await,
            status: 422,
            field: Some("release"),
            says: "no such release",
        },
        Case {
            what: "min above max",
            answer: t.change(&token, "production", json!({"kind": "capacity", "min": 11, "desired": 11, "base": base})).await,
            status: 422,
            field: Some("min"),
            says: "min 11 is above max 10",
        },
        Case {
            what: "above the ceiling",
            answer: t.change(&token, "production", json!({"kind": "capacity", "max": 99, "base": base})).await,
            status: 422,
            field: Some("max"),
            says: "at most 12",
        },
        Case {
            what: "nothing edited",
            answer: t.change(&token, "production", json!({"kind": "capacity", "base": base})).await,
            status: 422,
            field: Some("min"),
            says: "at least one",
        },
        Case {
            what: "zero in production",
            answer: t.change(&token, "production", json!({"kind": "capacity", "min": 0, "desired": 0, "base": base})).await,
            status: 422,
            field: Some("desired"),
            says: "would stop the application",
        },
        Case {
            what: "stale field",
            answer: t.change(&token, "production", json!({"kind": "capacity", "desired": 4, "base": {"min": 2, "desired": 3, "max": 10}})).await,
            status: 409,
            field: Some("desired"),
            says: "changed meanwhile",
        },
        Case {
            what: "second deploy",
            answer: t.change(&token, "staging", json!({"kind": "deploy", "release": v})).await,
            status: 409,
            field: None,
            says: "is in the way",
        },
        Case { what: "malformed JSON", answer: t.send(&token, malformed, malformed_body).await, status: 400, field: None, says: "line 1, column 8" },
        Case { what: "2 MB", answer: t.send(&token, large, large_body).await, status: 413, field: None, says: "at most 256 KiB" },
        Case {
            what: "unknown kind",
            answer: t.change(&token, "production", json!({"kind": "explode"})).await,
            status: 422,
            field: Some("kind"),
            says: "unknown variant",
        },
        Case { what: "missing kind", answer: t.change(&token, "production", json!({})).await, status: 422, field: Some("kind"), says: "missing" },
        Case {
            what: "wrong type",
            answer: t.change(&token, "production", json!({"kind": "deploy", "release": "one"})).await,
            status: 422,
            field: Some("release"),
            says: "invalid type",
        },
        Case {
            what: "unknown field",
            answer: t.change(&token, "production", json!({"kind": "pin", "colour": 1})).await,
            status: 422,
            field: Some("colour"),
            says: "unknown field",
        },
        Case {
            what: "deep field",
            answer: t.change(&token, "production", json!({"kind": "deploy", "release": v, "strategy": {"min_healthy": "x"}})).await,
            status: 422,
            field: Some("strategy.min_healthy"),
            says: "invalid type",
        },
        Case {
            what: "preferences",
            answer: t
                .change(&token, "production", json!({"kind": "deploy", "release": v, "strategy": {"min_healthy": 50, "max_healthy": 200}}))
                .await,
            status: 422,
            field: Some("strategy.max_healthy"),
            says: "at most 100 percent above",
        },
        Case {
            what: "a stranger's instance",
            answer: t.change(&token, "production", json!({"kind": "terminate", "instance": "i-0123456789abcdef0", "shrink": false})).await,
            status: 422,
            field: Some("instance"),
            says: "no instance of",
        },
        Case {
            what: "stale template",
            answer: t.change(&token, "production", json!({"kind": "deploy", "release": v, "base_template_version": 9})).await,
            status: 409,
            field: Some("base_template_version"),
            says: "moved from version 9 to 1",
        },
        Case {
            what: "rollback to what never ran",
            answer: t.change(&token, "production", json!({"kind": "rollback", "release": v})).await,
            status: 422,
            field: Some("release"),
            says: "was not good here",
        },
        Case {
            what: "unknown change",
            answer: t.post(&token, "/api/v1/changes/999/cancel", json!({"mode": "stop"})).await,
            status: 404,
            field: None,
            says: "no change #999",
        },
    ];
    let count = cases.len();
    for c in cases {
        assert_eq!(c.answer.status.as_u16(), c.status, "{}: {}", c.what, c.answer.text);
        assert_eq!(c.answer.headers[header::CONTENT_TYPE], "application/problem+json", "{}", c.what);
        assert!(c.answer.text.contains(c.says), "{}: {}", c.what, c.answer.text);
        if let Some(field) = c.field {
            assert!(c.answer.fields().contains(&field.to_owned()), "{} does not name {field}: {}", c.what, c.answer.text);
        }
        if c.what == "second deploy" {
            assert_eq!(c.answer.body["change"], running);
        }
        if c.what == "stale field" {
            assert_eq!((&c.answer.body["errors"][0]["base"], &c.answer.body["errors"][0]["now"]), (&json!(3), &json!(2)));
        }
        for secret in ["arn:aws:iam", "select ", "/root/", "Signature"] {
            assert!(!c.answer.text.contains(secret), "{} shows {secret}: {}", c.what, c.answer.text);
        }
    }
    assert_eq!(t.mutating().len(), calls, "AWS is untouched");
    assert_eq!(t.get(&token, "/api/v1/changes").await.expect(200), before, "the state is untouched");
    let refused = t.audit().await[trail..].iter().filter(|e| e.action == "request.refused" && e.result == "refused").count();
    assert_eq!(refused, count, "every refusal is in the trail");
    t.run(&token, running).await;
    t.finish().await;
}

#[tokio::test]
async fn an_expired_or_revoked_token_is_refused_by_name() {
    let t = TestApp::with_stack(Setup::seed(602)).await;
    let host = fleetgate::domain::access::Actor::host("test");
    let short = As::Token(t.app.create_token(&host, "short", &["*".into()], 60_000).await.unwrap());
    let revoked = As::Token(t.app.create_token(&host, "revoked", &["*".into()], 3_600_000).await.unwrap());
    t.get(&short, "/api/v1/me").await.expect(200);
    t.get(&revoked, "/api/v1/me").await.expect(200);
    t.step_by(61).await;
    t.app.revoke_token(&host, "revoked").await.unwrap();
    for (who, says, name) in [(&short, "has expired", "token:short"), (&revoked, "was revoked", "token:revoked")] {
        let answer = t.change(who, "staging", json!({"kind": "replace"})).await;
        assert!(answer.text.contains(says), "{}", answer.text);
        answer.expect(401);
        assert!(t.audit().await.iter().any(|e| e.actor == name && e.action == "request.refused"), "{name}");
    }
    assert!(t.mutating().is_empty());
    t.finish().await;
}

#[tokio::test]
async fn one_key_makes_one_change_however_often_it_is_sent() {
    let t = TestApp::with_stack(Setup::seed(603)).await;
    let token = t.token(&["*"]).await;
    let v = t.release(&token, "one", "ok", None).await;
    let path = format!("/api/v1/apps/{APP}/environments/staging/changes");
    let send = |body: Value| {
        let request = Request::post(&path).header(header::CONTENT_TYPE, "application/json").header("idempotency-key", "build-77");
        t.send(&token, request, Body::from(body.to_string()))
    };
    let body = json!({"kind": "deploy", "release": v});
    let (a, b, c) = tokio::join!(send(body.clone()), send(body.clone()), send(body.clone()));
    let numbers = [a.expect(202), b.expect(202), c.expect(202)].map(|v| v["number"].as_i64().unwrap());
    assert!(numbers.iter().all(|n| *n == numbers[0]), "{numbers:?}");
    let other = send(json!({"kind": "replace"})).await;
    assert!(other.fields().contains(&"Idempotency-Key".to_owned()), "{}", other.text);
    other.expect(422);
    t.run(&token, numbers[0]).await;
    assert_eq!(send(body).await.expect(202)["number"], numbers[0], "after the end, too");
    t.finish().await;
}

#[tokio::test]
async fn simultaneous_requests_make_one_change_and_name_it() {
    let t = TestApp::with_stack(Setup::seed(604)).await;
    let token = t.token(&["*"]).await;
    let v = t.release(&token, "one", "ok", None).await;
    let requests = (0..20).map(|_| t.change(&token, "staging", json!({"kind": "deploy", "release": v})));
    let mut answers = Vec::new();
    for answer in futures(requests).await {
        answers.push((answer.status.as_u16(), answer.body["number"].as_i64().or(answer.body["change"].as_i64())));
    }
    assert_eq!(answers.iter().filter(|(s, _)| *s == 202).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|(s, _)| *s == 409).count(), 19);
    assert!(answers.iter().all(|(_, n)| *n == answers[0].1), "{answers:?}");
    t.run(&token, answers[0].1.unwrap()).await;
    t.finish().await;
}

/// Polls all at once, in order.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (f, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(v) = f.as_mut().poll(cx)
            {
                *slot = Some(v);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
