//! Every form of the pages: bad input is answered with 422 (or 409), a title that begins "Error:", a summary that links to the
//! field, the message at the field, and what was typed; nothing is changed and the refusal is in the trail.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use fleetgate::domain::access::Role;
use fleetgate::web::ROUTES;

use crate::harness::{APP, Answer, As, PASSWORD, Setup, TestApp, admin};

/// Sends a form as a browser does.
pub(crate) async fn post(t: &TestApp, who: &As, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = serde_html_form::to_string(fields).unwrap();
    let request =
        Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").header(header::ORIGIN, crate::harness::ORIGIN);
    // A signed-in caller's origin is sent by the harness.
    let request =
        if matches!(who, As::Cookie(_)) { Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded") } else { request };
    t.send(who, request, Body::from(body)).await
}

struct Row {
    route: &'static str,
    who: As,
    path: String,
    fields: Vec<(&'static str, String)>,
    status: u16,
    /// The field that is named; empty where the sentence stands for the whole form.
    field: &'static str,
    says: &'static str,
    /// What was typed and must come back.
    kept: &'static str,
}

#[tokio::test]
async fn every_form_says_what_is_wrong_and_keeps_what_was_typed() {
    let t = TestApp::with_stack(Setup::seed(1101)).await;
    t.person("sid", &[("*", Role::Admin), ("*", Role::Approver), ("*", Role::Deployer)]).await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    // Something to go back to.
    let deployed = TestApp::accepted(t.change(&dan, "staging", json!({"kind": "deploy", "release": v})).await);
    assert_eq!(t.run(&dan, deployed).await.0["state"], "succeeded");
    let (sid, dan) = (t.sign_in("sid").await, t.sign_in("dan").await);
    let waiting = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v})).await);
    let link = t.app.reset_person(&admin(), "vera").await.unwrap();
    let staging = format!("/apps/{APP}/staging");
    let s = |text: &str| text.to_owned();
    let long = "x".repeat(1001);
    let row = |route, path: String, fields: Vec<(&'static str, String)>, status, field, says, kept| Row {
        route,
        who: sid.clone(),
        path,
        fields,
        status,
        field,
        says,
        kept,
    };
    let rows = vec![
        Row {
            who: As::Nobody,
            ..row(
                "/login",
                s("/login"),
                vec![("username", s("dan")), ("password", s("quite the wrong one"))],
                401,
                "",
                "The name or the password is wrong",
                "dan",
            )
        },
        Row {
            who: As::Nobody,
            ..row(
                "/setup/{link}",
                format!("/setup/{link}"),
                vec![("password", s("short")), ("again", s("short"))],
                422,
                "password",
                "15 to 128 characters; it has 5",
                "vera",
            )
        },
        Row {
            who: As::Nobody,
            ..row(
                "/setup/{link}",
                format!("/setup/{link}"),
                vec![("password", s(PASSWORD)), ("again", s("another"))],
                422,
                "again",
                "not the same",
                "vera",
            )
        },
        row(
            "/me",
            s("/me"),
            vec![
                ("act", s("password")),
                ("current", s("quite the wrong one")),
                ("password", s("a new and long password")),
                ("again", s("a new and long password")),
            ],
            422,
            "current",
            "is not your present password",
            "sid",
        ),
        row(
            "/me",
            s("/me"),
            vec![("act", s("password")), ("current", s(PASSWORD)), ("password", s("sid-sid-sid-sid-sid")), ("again", s("sid-sid-sid-sid-sid"))],
            422,
            "password",
            "little more than your name",
            "sid",
        ),
        row(
            "/apps/new",
            s("/apps/new"),
            vec![("name", s("No Slug")), ("repository", s("Also:Bad"))],
            422,
            "repository",
            "must be an ECR repository name",
            "No Slug",
        ),
        row(
            "/apps/new",
            s("/apps/new"),
            vec![("name", s("new")), ("repository", s("stateless-app"))],
            422,
            "name",
            "is the address of a page here",
            "stateless-app",
        ),
        row(
            "/apps/new",
            s("/apps/new"),
            vec![("name", s(APP)), ("repository", s("stateless-app"))],
            409,
            "",
            "There is an application named",
            "stateless-app",
        ),
        row(
            "/apps/{app}/adopt",
            format!("/apps/{APP}/adopt"),
            vec![("act", s("look")), ("region", s("Mars!")), ("role_arn", s("not-an-arn"))],
            422,
            "role_arn",
            "must be the ARN of a role",
            "Mars!",
        ),
        row(
            "/apps/{app}/adopt",
            format!("/apps/{APP}/adopt"),
            vec![
                ("act", s("adopt")),
                ("region", t.names.region.clone()),
                ("asg", t.names.staging.clone()),
                ("name", s("images")),
                ("max_ceiling", s("many")),
                ("min_floor", s("1")),
                ("approvals", s("1")),
                ("bake_seconds", s("60")),
            ],
            422,
            "policy.max_ceiling",
            "must be a whole number, not `many`",
            "images",
        ),
        row(
            "/apps/{app}/images",
            format!("/apps/{APP}/images"),
            vec![("tag", s("nope")), ("notes", s("My notes"))],
            422,
            "tag",
            "no image tagged `nope`",
            "My notes",
        ),
        row(
            "/apps/{app}/{env}/deploy",
            format!("{staging}/deploy"),
            vec![("image", s("release:1")), ("bake_seconds", s("soon")), ("reason", s("Because"))],
            422,
            "strategy.bake_seconds",
            "must be a whole number, not `soon`",
            "Because",
        ),
        row(
            "/apps/{app}/{env}/deploy",
            format!("{staging}/deploy"),
            vec![("image", s("other")), ("tag", s("")), ("reason", s("Because"))],
            422,
            "tag",
            "write the tag that you pushed",
            "Because",
        ),
        row(
            "/apps/{app}/{env}/rollback",
            format!("{staging}/rollback"),
            vec![("release", s("999")), ("reason", s("Because"))],
            422,
            "release",
            "There is no release v999 that was good here",
            "Because",
        ),
        row(
            "/apps/{app}/{env}/capacity",
            format!("{staging}/capacity"),
            vec![
                ("min", s("1")),
                ("desired", s("1.5")),
                ("max", s("4")),
                ("base_min", s("1")),
                ("base_desired", s("2")),
                ("base_max", s("4")),
                ("reason", s("Because")),
                ("act", s("apply")),
            ],
            422,
            "desired",
            "whole number",
            "Because",
        ),
        row("/apps/{app}/{env}/pin", format!("{staging}/pin"), vec![("reason", long.clone())], 422, "reason", "at most 1000 characters", "xxxxxxxx"),
        row(
            "/apps/{app}/{env}/replace",
            format!("{staging}/replace"),
            vec![("reason", long.clone())],
            422,
            "reason",
            "at most 1000 characters",
            "xxxxxxxx",
        ),
        row(
            "/apps/{app}/{env}/terminate",
            format!("{staging}/terminate"),
            vec![("instance", s("")), ("reason", s("Because"))],
            422,
            "instance",
            "choose an instance",
            "Because",
        ),
        row("/approvals/{number}", format!("/approvals/{waiting}"), vec![("decision", s("reject")), ("comment", s(""))], 422, "comment", "", ""),
        row(
            "/approvals/{number}",
            format!("/approvals/{waiting}"),
            vec![("decision", s("approve")), ("plan_hash", s("of another plan")), ("comment", s("Fine by me"))],
            409,
            "",
            "no longer the one that you saw",
            "Fine by me",
        ),
        row(
            "/deployments/{number}/cancel",
            format!("/deployments/{waiting}/cancel"),
            vec![("mode", s("stop")), ("reason", long.clone())],
            422,
            "reason",
            "at most 1000 characters",
            "xxxxxxxx",
        ),
        row("/deployments/{number}/force-close", format!("/deployments/{waiting}/force-close"), vec![("reason", s(""))], 422, "reason", "", ""),
        row(
            "/admin/people",
            s("/admin/people"),
            vec![("name", s("dan")), ("role", s("viewer")), ("scope", s("*"))],
            422,
            "name",
            "there is a person named dan already",
            "dan",
        ),
        row(
            "/admin/people",
            s("/admin/people"),
            vec![("name", s("nora")), ("role", s("emperor")), ("scope", s("*"))],
            422,
            "role",
            "is no role",
            "nora",
        ),
        row(
            "/admin/people/{name}",
            s("/admin/people/dan"),
            vec![("act", s("grant")), ("role", s("viewer")), ("scope", s("no/where"))],
            422,
            "scope",
            "there is no environment `no/where`",
            "dan",
        ),
        row(
            "/admin/tokens",
            s("/admin/tokens"),
            vec![("act", s("create")), ("name", s("ci")), ("days", s("forever"))],
            422,
            "days",
            "must be 1 to 366 days",
            "forever",
        ),
        row(
            "/admin/tokens",
            s("/admin/tokens"),
            vec![("act", s("create")), ("name", s("ci")), ("days", s("30"))],
            422,
            "env",
            "tick at least one environment",
            "30",
        ),
    ];
    // Without anything that could be wrong: they have no field. What is put back is tested with the sighting, in foreign.rs.
    let without: BTreeSet<&str> = ["/logout", "/audit/verify", "/apps/{app}/{env}/debts", "/apps/{app}/{env}/sightings/{id}"].into();
    let forms: BTreeSet<&str> =
        ROUTES.iter().filter(|r| r.method == "POST" && !r.path.starts_with("/api")).map(|r| r.path).filter(|p| !without.contains(p)).collect();
    assert_eq!(rows.iter().map(|r| r.route).collect::<BTreeSet<_>>(), forms, "a form without a row");

    let changes = t.get(&sid, "/api/v1/changes").await.expect(200);
    let (calls, trail) = (t.mutating().len(), t.audit().await.len());
    let mut refusals = 0;
    for r in rows {
        let fields: Vec<(&str, &str)> = r.fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let what = format!("{} {fields:?}", r.path);
        let answer = post(&t, &r.who, &r.path, &fields).await;
        assert_eq!(answer.status.as_u16(), r.status, "{what}: {}", answer.text);
        let html = answer.text.as_str();
        assert!(html.contains("<title>Error: "), "{what}: the title says so");
        assert!(html.contains(r.says), "{what} does not say {}: {html}", r.says);
        assert!(html.contains(r.kept), "{what}: {} was lost", r.kept);
        assert!(html.contains("autofocus"), "{what}: the summary takes the focus");
        if !r.field.is_empty() {
            assert!(html.contains(&format!("href=\"#f-{}\"", r.field)), "{what}: the summary leads to the field: {html}");
            assert!(html.contains(&format!("id=\"f-{}\"", r.field)), "{what}: the link leads nowhere: {html}");
        }
        refusals += usize::from(matches!(r.who, As::Cookie(_)));
        for password in [PASSWORD, "quite the wrong one", "a new and long password"] {
            assert!(!html.contains(password), "{what}: a password came back");
        }
    }
    assert_eq!(t.get(&sid, "/api/v1/changes").await.expect(200), changes, "no change was made");
    assert_eq!(t.mutating().len(), calls, "AWS is untouched");
    let entries: Vec<_> = t.audit().await.split_off(trail).into_iter().filter(|e| e.action == "request.refused").collect();
    let refused = entries.len();
    assert!(
        entries.iter().all(|e| !e.reason.as_deref().unwrap_or_default().contains("Refused with status")),
        "each says what was wrong: {entries:?}"
    );
    assert_eq!(refused, refusals, "each refusal of somebody known is in the trail, once");
    t.finish().await;
}

/// What a page sends twice is done once, and both answers lead to the same place.
#[tokio::test]
async fn a_form_that_is_sent_twice_is_done_once() {
    let t = TestApp::with_stack(Setup::seed(1102)).await;
    let dan = t.sign_in("dan").await;
    let form = [("key", "0198-one-key"), ("reason", "Fresh machines.")];
    let path = format!("/apps/{APP}/staging/replace");
    let (first, second) = tokio::join!(post(&t, &dan, &path, &form), post(&t, &dan, &path, &form));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (303, 303), "{} {}", first.text, second.text);
    assert_eq!(first.headers[header::LOCATION], second.headers[header::LOCATION]);
    assert_eq!(t.get(&dan, "/api/v1/changes").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

/// What moved while a form lay open is said, beside what was typed.
#[tokio::test]
async fn what_moved_meanwhile_is_shown_and_settled_in_one_click() {
    let t = TestApp::with_stack(Setup::seed(1103)).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    t.step().await;

    // A capacity form that lay open while an alarm raised desired.
    t.outsider().await.resize(&t.names.staging, None, Some(3), None).await.unwrap();
    let capacity = format!("/apps/{APP}/staging/capacity");
    let stale = [("min", "1"), ("desired", "4"), ("max", "4"), ("base_min", "1"), ("base_desired", "2"), ("base_max", "4"), ("act", "apply")];
    let answer = post(&t, &dan, &capacity, &stale).await;
    assert_eq!(answer.status.as_u16(), 409, "{}", answer.text);
    assert!(answer.text.contains("changed meanwhile"), "{}", answer.text);
    assert!(answer.text.contains("name=\"base_desired\" value=\"3\""), "the next click is made on what is: {}", answer.text);
    assert!(answer.text.contains("value=\"4\""), "the wish is kept: {}", answer.text);
    assert!(t.mutating().iter().all(|c| !c.principal.contains("fleetgate-")), "nothing was sent");

    // An approval of a plan that was made anew meanwhile.
    let v = t.release(&dan, "one", "ok", None).await;
    let number = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v})).await);
    let seen = t.show(&pia, number).await["plan_hash"].as_str().unwrap().to_owned();
    t.outsider().await.resize(&t.names.production, None, None, Some(11)).await.unwrap();
    let decision = [("decision", "approve"), ("plan_hash", seen.as_str())];
    assert_eq!(post(&t, &pia, &format!("/approvals/{number}"), &decision).await.status.as_u16(), 303);
    t.step().await;
    let page = t.get(&pia, &format!("/approvals/{number}")).await;
    assert!(page.text.contains("Approve #"), "the new plan waits for an approval of its own: {}", page.text);
    assert!(t.get(&dan, &format!("/deployments/{number}")).await.text.contains("max"), "the page says what moved");
    let again = post(&t, &pia, &format!("/approvals/{number}"), &decision).await;
    assert_eq!(again.status.as_u16(), 409, "{}", again.text);
    assert!(again.text.contains("no longer the one that you saw"), "{}", again.text);

    // A decision on what ended meanwhile, and an undo of what is over.
    t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
    let late = post(&t, &pia, &format!("/approvals/{number}"), &[("decision", "reject"), ("comment", "Too late")]).await;
    assert_eq!(late.status.as_u16(), 409, "{}", late.text);
    assert!(late.text.contains("<title>Error: "), "{}", late.text);
    let over = post(&t, &dan, &format!("/deployments/{number}/cancel"), &[("mode", "undo"), ("reason", "Kept words")]).await;
    assert_eq!(over.status.as_u16(), 409, "{}", over.text);
    assert!(over.text.contains("Kept words"), "{}", over.text);
    t.app.store.verify_audit().await.unwrap().expect("the chain holds");
}

/// A form that is sent after the session ended comes back after the sign-in, with what was typed.
#[tokio::test]
async fn an_expired_session_loses_nothing_that_was_typed() {
    let t = TestApp::with_stack(Setup::seed(1104)).await;
    let dan = t.sign_in("dan").await;
    t.clock.advance(std::time::Duration::from_secs(1900));
    let path = format!("/apps/{APP}/staging/replace");
    let answer = post(&t, &dan, &path, &[("key", "k"), ("reason", "Fresh machines, please.")]).await;
    assert_eq!(answer.status.as_u16(), 303);
    let to = answer.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert!(to.starts_with("/login?"), "{to}");
    let door = t.get(&As::Nobody, &to).await;
    assert!(door.text.contains("Your session has ended") && door.text.contains("comes back with what you typed"), "{}", door.text);
    let next = door.text.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let inside = post(&t, &As::Nobody, "/login", &[("username", "dan"), ("password", PASSWORD), ("next", &next)]).await;
    assert_eq!(inside.headers[header::LOCATION].to_str().unwrap(), next);
    let cookie = As::Cookie(inside.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned());
    let back = t.get(&cookie, &next).await;
    assert!(back.text.contains("Fresh machines, please."), "{}", back.text);
    assert_eq!(t.get(&cookie, "/api/v1/changes").await.expect(200)["items"], json!([]), "nothing was sent");
}

/// Reading never asks AWS, whoever reads whatever page; and a page for nobody in particular is never kept.
#[tokio::test]
async fn no_page_makes_an_aws_call() {
    let t = TestApp::with_stack(Setup::seed(1105)).await;
    t.person("sid", &[("*", Role::Admin), ("*", Role::Approver), ("*", Role::Deployer)]).await;
    let sid = t.sign_in("sid").await;
    let dan = t.sign_in("dan").await;
    let v = t.release(&dan, "one", "ok", None).await;
    let number = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v})).await);
    assert_eq!(post(&t, &dan, &format!("/apps/{APP}/images"), &[("act", "refresh")]).await.status.as_u16(), 303);
    // Late enough that nothing which was just read would be taken for fresh.
    t.clock.advance(std::time::Duration::from_secs(60));
    let calls = t.calls().len();
    let mut looked = 0;
    for r in ROUTES.iter().filter(|r| r.method == "GET" && r.path != "/live" && !r.path.ends_with("/events")) {
        let path = r
            .path
            .replace("{app}", APP)
            .replace("{env}", "production")
            .replace("{number}", &number.to_string())
            .replace("{seq}", "3")
            .replace("{name}", "dan");
        let answer = t.get(&sid, &path).await;
        assert!(answer.status.is_success() || path.contains("/setup/"), "{path}: {} {}", answer.status, answer.text);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
        looked += 1;
    }
    assert!(looked > 30, "{looked} pages");
    assert_eq!(t.calls().len(), calls, "{:?}", &t.calls()[calls..]);
}

/// A password must never stand in an address: not in a history, not in a proxy's log.
#[tokio::test]
async fn a_form_with_a_password_is_not_kept_over_a_sign_in() {
    let t = TestApp::with_stack(Setup::seed(1106)).await;
    let dan = t.sign_in("dan").await;
    t.clock.advance(std::time::Duration::from_secs(1900));
    let fields = [("act", "password"), ("current", "the old secret"), ("password", "the new secret"), ("again", "the new secret")];
    let answer = post(&t, &dan, "/me", &fields).await;
    assert_eq!(answer.status.as_u16(), 303);
    let to = answer.headers[header::LOCATION].to_str().unwrap();
    assert!(to.starts_with("/login?") && !to.contains("secret"), "{to}");
}

/// Whatever the framework refuses by itself is a page with a way out too.
#[tokio::test]
async fn what_can_not_be_read_is_answered_with_a_page() {
    let t = TestApp::with_stack(Setup::seed(1107)).await;
    let ada = t.sign_in("ada").await;
    let twice = post(&t, &ada, "/admin/people", &[("name", "a"), ("name", "b")]).await;
    assert_eq!(twice.status.as_u16(), 422);
    let plain = t.send(&ada, Request::post("/apps/new").header(header::CONTENT_TYPE, "text/plain"), Body::from("name=x")).await;
    assert_eq!(plain.status.as_u16(), 415);
    let far = t.get(&ada, "/audit/-9223372036854775808").await;
    assert_eq!(far.status.as_u16(), 404, "{}", far.text);
    for answer in [twice, plain, far] {
        assert!(answer.text.contains("<!doctype html>") && answer.text.contains("Request <code>"), "{}", answer.text);
    }
    t.finish().await;
}

/// A release that was made on the way to a refusal is not called nothing.
#[tokio::test]
async fn a_refused_deploy_says_that_the_release_was_made() {
    let t = TestApp::with_stack(Setup::seed(1108)).await;
    let dan = t.sign_in("dan").await;
    for (act, release) in [("start", 2), ("review", 3)] {
        let image = format!("digest:{}", t.push(act, "ok", None));
        let fields = [("image", image.as_str()), ("min_healthy", "500"), ("act", act)];
        let answer = post(&t, &dan, &format!("/apps/{APP}/staging/deploy"), &fields).await;
        assert_eq!(answer.status.as_u16(), 422, "{}", answer.text);
        assert!(answer.text.contains(&format!("The image is now release v{release}. Nothing else was changed.")), "{act}: {}", answer.text);
    }
    t.finish().await;
}

/// A refusal is found by the filters of its environment, however its address was spelled.
#[tokio::test]
async fn an_encoded_address_hides_no_refusal() {
    let t = TestApp::with_stack(Setup::seed(1109)).await;
    let vera = t.sign_in("vera").await;
    assert_eq!(post(&t, &vera, "/apps/sh%6Fp/%73taging/pin", &[]).await.status.as_u16(), 403);
    let last = t.audit().await.pop().unwrap();
    assert_eq!((last.action.as_str(), last.target.as_str()), ("request.refused", "shop/staging"));
    t.finish().await;
}

/// Whoever deploys or approves at three in the morning must see that this very release failed here.
#[tokio::test]
async fn a_release_that_did_not_stay_here_is_not_offered_first_and_is_marked_in_the_review() {
    let t = TestApp::with_stack(Setup::seed(1110)).await;
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    let bad = t.release(&dan, "bad", "unhealthy", None).await;
    let first = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": bad})).await);
    t.approve(&pia, first).await.expect(200);
    assert_eq!(t.run(&dan, first).await.0["state"], "undone");
    let (dan, pia) = (t.sign_in("dan").await, t.sign_in("pia").await);
    assert_eq!(post(&t, &dan, &format!("/apps/{APP}/images"), &[("act", "refresh")]).await.status.as_u16(), 303);
    let choice = t.get(&dan, &format!("/apps/{APP}/production/deploy")).await.text;
    let row = choice.split("<label>").find(|l| l.contains(&format!("value=\"release:{bad}\""))).unwrap();
    assert!(!row.contains(" checked") && row.contains(&format!("It did not stay here: #{first}")), "{row}");
    let second = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": bad})).await);
    let review = t.get(&pia, &format!("/approvals/{second}")).await.text;
    assert!(review.contains(&format!("This release did not stay in production by #{first}.")), "{review}");
    assert!(!review.contains("has not run anywhere else"), "{review}");
    let home = t.get(&dan, "/").await.text;
    assert!(home.contains(&format!("Open #{first}")), "what failed needs somebody until something else began there: {home}");
    t.finish().await;
}

/// Somebody who is signed in is not told to sign in by an address that does not exist.
#[tokio::test]
async fn an_address_that_does_not_exist_knows_who_asks() {
    let t = TestApp::with_stack(Setup::seed(1111)).await;
    let dan = t.sign_in("dan").await;
    let known = t.get(&dan, "/nowhere").await.text;
    assert!(known.contains("See all environments") && !known.contains("href=\"/login\""), "{known}");
    let nobody = t.get(&As::Nobody, "/nowhere").await.text;
    assert!(nobody.contains("href=\"/login\"") && !nobody.contains("See all environments"), "{nobody}");
    t.finish().await;
}
