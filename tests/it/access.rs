//! Every route has its access level and its line in the API's description; rights bite at once.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use fleetgate::domain::access::Role;
use fleetgate::web::{Access, ROUTES};

use crate::harness::{APP, As, HOST, Setup, TestApp};

#[tokio::test]
async fn nobody_gets_past_a_route_that_is_not_public() {
    let t = TestApp::new(501).await;
    for r in ROUTES {
        let path = ["{app}", "{env}", "{number}", "{seq}", "{name}", "{token}", "{id}"]
            .iter()
            .fold(r.path.to_owned(), |p, key| p.replace(key, if *key == "{app}" { "shop" } else { "1" }));
        for who in [As::Nobody, As::Token("fg_made-up".into()), As::Cookie("fleetgate=made-up".into())] {
            let answer =
                t.send(&who, Request::builder().method(r.method).uri(&path).header(header::CONTENT_TYPE, "application/json"), Body::from("{}")).await;
            match r.access {
                Access::Public => assert_ne!(answer.status, 401, "{} {}", r.method, r.path),
                // A person is led to the sign-in and back again; a token is told.
                Access::Person if !r.path.starts_with("/live") && !matches!(who, As::Token(_)) => {
                    assert_eq!(answer.status, 303, "{} {} let {who:?} in: {}", r.method, r.path, answer.text);
                    assert!(answer.headers[header::LOCATION].to_str().unwrap().starts_with("/login"));
                }
                Access::Person if !r.path.starts_with("/live") => {
                    assert_eq!(answer.status, 401, "{} {} let {who:?} in: {}", r.method, r.path, answer.text);
                    assert!(answer.text.contains("<!doctype html>"));
                }
                Access::Caller | Access::Person => {
                    assert_eq!(answer.status, 401, "{} {} let {who:?} in: {}", r.method, r.path, answer.text);
                    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
                    assert_eq!(answer.body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
                }
            }
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert!(answer.headers.contains_key("content-security-policy"));
        }
    }
}

#[test]
fn the_description_names_every_api_route_and_no_other() {
    let doc = serde_json::to_value(fleetgate::api::description()).unwrap();
    let described: BTreeSet<String> = doc["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, ops)| ops.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase())))
        .collect();
    let routed: BTreeSet<String> = ROUTES.iter().filter(|r| r.path.starts_with("/api/v1")).map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(described, routed);
}

#[tokio::test]
async fn what_a_scope_does_not_hold_is_not_found() {
    let t = TestApp::with_stack(Setup::seed(502)).await;
    let staging = format!("{APP}/staging");
    t.person("sam", &[(staging.as_str(), Role::Deployer)]).await;
    let (dan, sam, token) = (t.sign_in("dan").await, t.sign_in("sam").await, t.token(&[&staging]).await);
    let v = t.release(&dan, "one", "ok", None).await;
    let production = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v})).await);
    for who in [&sam, &token] {
        t.get(who, &format!("/api/v1/apps/{APP}/environments/production")).await.expect(404);
        t.get(who, &format!("/api/v1/changes/{production}")).await.expect(404);
        t.post(who, &format!("/api/v1/changes/{production}/cancel"), json!({"mode": "stop"})).await.expect(404);
        t.change(who, "production", json!({"kind": "rollback"})).await.expect(404);
        assert_eq!(t.get(who, "/api/v1/environments").await.expect(200)["items"].as_array().unwrap().len(), 1);
        assert_eq!(t.get(who, "/api/v1/changes").await.expect(200)["items"], json!([]));
        let trail = t.get(who, "/api/v1/audit").await.expect(200);
        assert!(trail["items"].as_array().unwrap().iter().all(|e| e["target"] == staging.as_str()), "{trail}");
    }
    // A made-up environment gets the same words as a foreign one.
    let foreign =
        t.get(&sam, &format!("/api/v1/apps/{APP}/environments/production")).await.body["detail"].as_str().unwrap().replace("production", "x");
    let made_up = t.get(&sam, &format!("/api/v1/apps/{APP}/environments/x")).await.body["detail"].as_str().unwrap().to_owned();
    assert_eq!(foreign, made_up);
    t.finish().await;
}

#[tokio::test]
async fn a_forged_request_with_a_cookie_does_nothing() {
    let t = TestApp::with_stack(Setup::seed(503)).await;
    let As::Cookie(cookie) = t.sign_in("dan").await else { panic!() };
    let before = t.audit().await.len();
    let path = format!("/api/v1/apps/{APP}/environments/staging/changes");
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("origin", "null")],
        &[("origin", "http://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://evil.127.0.0.1:8080")],
    ];
    for headers in cases {
        let mut request =
            Request::post(&path).header(header::HOST, HOST).header(header::COOKIE, &cookie).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = t.send(&As::Nobody, request, Body::from(json!({"kind": "replace"}).to_string())).await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text);
    }
    assert!(t.mutating().is_empty());
    assert_eq!(t.get(&As::Cookie(cookie), "/api/v1/changes").await.expect(200)["items"], json!([]));
    assert!(t.audit().await.len() >= before);
    t.finish().await;
}

#[tokio::test]
async fn sign_in_is_limited_and_the_limit_survives_a_restart() {
    let mut t = TestApp::with_stack(Setup::seed(504)).await;
    let wrong = |n: u32| format!("username=dan&password=wrong-password-{n}");
    let send = |t: &TestApp, body: String| {
        let request = Request::post("/login")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        let router = t.router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16() }
    };
    let mut codes = Vec::new();
    for n in 0..6 {
        codes.push(send(&t, wrong(n)).await);
    }
    t.restart().await;
    for n in 6..12 {
        codes.push(send(&t, wrong(n)).await);
    }
    assert_eq!(codes.iter().filter(|c| **c == 401).count(), 10, "{codes:?}");
    assert_eq!(codes[10..], [429, 429]);
    assert_eq!(send(&t, "username=nobody&password=x".into()).await, 401, "an unknown name gets the same answer");
    let entries = t.audit().await.into_iter().filter(|e| e.action == "account.sign_in" && e.result == "refused").count();
    assert_eq!(entries, 11);
    t.finish().await;
}
