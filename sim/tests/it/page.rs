//! The live page: who gets it, what it may load, and who may not use the controls.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{World, world};

/// A browser's own words.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A raw answer: status, head in lower case, body.
async fn raw(w: &World, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let mut stream = tokio::net::TcpStream::connect(w.running.addr).await.expect("connects");
    let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        text += &format!("host: {}\r\n", w.running.addr);
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.expect("writes");
    let mut got = String::new();
    stream.read_to_string(&mut got).await.expect("reads");
    let (head, body) = got.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_browser_gets_the_page_and_a_program_the_list() {
    let w = world().await;
    for (accept, html) in [
        (Some(BROWSER), true),
        (Some("text/html"), true),
        (Some("application/json;q=0.5, text/html;q=0.9"), true),
        (None, false),
        (Some("*/*"), false),
        (Some("application/json"), false),
        (Some("application/json, text/html;q=0.9"), false),
        (Some("text/html;q=0"), false),
    ] {
        let headers: Vec<(&str, &str)> = accept.map(|a| ("accept", a)).into_iter().collect();
        for path in ["/_sim/", "/_sim"] {
            let (status, head, body) = raw(&w, &format!("GET {path}"), &headers, "").await;
            assert_eq!(status, 200);
            let (kind, start) = if html { ("text/html; charset=utf-8", "<!doctype html>") } else { ("application/json", "{") };
            assert!(head.contains(&format!("content-type: {kind}")) && body.starts_with(start), "{accept:?}: {head}");
        }
    }
    // Only the list has a page.
    let (_, head, _) = raw(&w, "GET /_sim/world", &[("accept", BROWSER)], "").await;
    assert!(head.contains("content-type: application/json"));
}

#[tokio::test]
async fn the_page_may_load_its_own_files_alone() {
    let w = world().await;
    let (_, head, page) = raw(&w, "GET /_sim/", &[("accept", BROWSER)], "").await;
    let policy = head.lines().find_map(|l| l.strip_prefix("content-security-policy: ")).unwrap_or_default();
    let rules: Vec<&str> = policy.split("; ").collect();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(rules.contains(&rule), "{rule}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    for line in ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-store", "vary: accept"] {
        assert!(head.contains(line), "{line}");
    }
    // No address of another host, nothing inline, and every file it names is there.
    let mut files: Vec<String> = page.split(['"', '\'']).filter(|t| t.starts_with("/_sim/")).map(str::to_owned).collect();
    let mut at = 0;
    while at < files.len() {
        let (status, head, text) = raw(&w, &format!("GET {}", files[at]), &[], "").await;
        assert_eq!(status, 200, "{}", files[at]);
        assert!(head.contains("x-content-type-options: nosniff") && !head.contains("application/json"), "{head}");
        for name in text.lines().filter_map(|l| l.strip_prefix("import ")?.rsplit('"').nth(1)) {
            let path = format!("/_sim/{}", name.trim_start_matches("./"));
            if !files.contains(&path) {
                files.push(path);
            }
        }
        assert!(!text.contains("://") && !text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{}", files[at]);
        at += 1;
    }
    assert!(files.len() > 5);
    assert!(!page.contains("://") && !page.contains("<style") && !page.contains(" style="), "inline");
    let handler = |rest: &str| rest.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase()));
    assert!(!page.split(" on").skip(1).any(handler), "an inline handler");
    assert!(page.split("<script").skip(1).all(|s| s.contains("src=\"/_sim/")));
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_use_the_controls() {
    let w = world().await;
    let before = w.handle.snapshot();
    let own = format!("http://{}", w.running.addr);
    let port = w.running.addr.port();
    let elsewhere = [
        "http://example.com".to_owned(),
        "null".to_owned(),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        w.running.addr.to_string(),
        format!("{own}.example.com"),
    ];
    for origin in &elsewhere {
        for (line, body) in [("POST /_sim/clock", r#"{"advance_seconds": 60}"#), ("DELETE /_sim/faults", ""), ("POST /_sim/nowhere", "{}")] {
            let (status, _, text) = raw(&w, line, &[("origin", origin)], body).await;
            assert_eq!(status, 403, "{origin} {line}");
            assert!(text.contains("\"error\":\"origin: "), "{text}");
        }
    }
    assert_eq!(w.handle.snapshot(), before);
    // Reading, the page itself, and programs, which have no origin.
    let (status, ..) = raw(&w, "GET /_sim/world", &[("origin", "http://example.com")], "").await;
    assert_eq!(status, 200);
    for headers in [vec![("origin", own.as_str())], Vec::new()] {
        let (status, ..) = raw(&w, "POST /_sim/clock", &headers, r#"{"advance_seconds": 60}"#).await;
        assert_eq!(status, 200);
    }
    assert_ne!(w.handle.snapshot(), before);
}

#[tokio::test]
async fn the_world_shows_what_the_page_needs() {
    let w = world().await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    w.handle.advance(40.0);
    let snapshot = w.handle.snapshot();
    assert_eq!(snapshot["zones"], serde_json::json!(["ap-south-1a", "ap-south-1b"]));
    let groups = snapshot["groups"].as_array().cloned().unwrap_or_default();
    let group = groups.iter().find(|g| g["name"] == crate::client::ASG).cloned().unwrap_or_default();
    let newest = &group["activities"][0];
    assert!(newest["description"].as_str().is_some_and(|d| d.starts_with("Launching a new EC2 instance")), "{newest}");
    assert!(newest["end"].is_null() || newest["status"] == "Successful");
}
