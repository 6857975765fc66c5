//! People and their accounts: setup links, sessions, passwords, roles, tokens. Each rule through the pages, as a browser sends them.

use axum::http::header;
use serde_json::json;

use fleetgate::domain::access::{Actor, EVERYWHERE, Grants, Origin, Role};

use crate::forms::post;
use crate::harness::{APP, Answer, As, PASSWORD, Setup, TestApp};

const NEW: &str = "another battery and staple";

fn cookie(answer: &Answer) -> As {
    As::Cookie(answer.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned())
}

/// The setup link that a page shows.
fn link(answer: &Answer) -> String {
    let at = answer.text.find("/setup/").unwrap_or_else(|| panic!("no link: {}", answer.text));
    answer.text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/-_".contains(*c)).collect()
}

async fn sign_in(t: &TestApp, name: &str, password: &str) -> Answer {
    post(t, &As::Nobody, "/login", &[("username", name), ("password", password)]).await
}

#[tokio::test]
async fn a_setup_link_works_once_and_looking_at_it_does_not_use_it_up() {
    let t = TestApp::with_stack(Setup::seed(1201)).await;
    let ada = t.sign_in("ada").await;
    let added = post(&t, &ada, "/admin/people", &[("name", "nora"), ("role", "viewer"), ("scope", "*")]).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let link = link(&added);
    assert_eq!(sign_in(&t, "nora", PASSWORD).await.status, 401, "there is no password yet");
    assert_eq!(sign_in(&t, "nora", "").await.status, 401, "nor an empty one");
    for _ in 0..2 {
        let page = t.get(&As::Nobody, &link).await;
        assert!(page.status == 200 && page.text.contains("for nora"), "{}", page.text);
    }
    let chosen = post(&t, &As::Nobody, &link, &[("password", NEW), ("again", NEW)]).await;
    assert_eq!(chosen.status, 303, "{}", chosen.text);
    assert!(t.get(&cookie(&chosen), "/me").await.text.contains("nora"), "choosing signs in");
    assert_eq!(sign_in(&t, "nora", NEW).await.status, 303);
    let again = post(&t, &As::Nobody, &link, &[("password", PASSWORD), ("again", PASSWORD)]).await;
    assert_eq!(again.status, 404, "{}", again.text);
    assert_eq!(t.get(&As::Nobody, &link).await.status, 404);
    assert_eq!(sign_in(&t, "nora", PASSWORD).await.status, 401, "the second choice changed nothing");
    let fresh = self::link(&post(&t, &ada, "/admin/people/nora", &[("act", "reset")]).await);
    let fields = [("password", NEW), ("again", NEW)];
    let (one, two, three) =
        tokio::join!(post(&t, &As::Nobody, &fresh, &fields), post(&t, &As::Nobody, &fresh, &fields), post(&t, &As::Nobody, &fresh, &fields));
    let mut answers = [one.status.as_u16(), two.status.as_u16(), three.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [303, 404, 404], "of three choices at once, one counts");
    let trail = t.audit().await;
    let set_up = trail.iter().find(|e| e.action == "account.set_up" && e.actor == "nora").expect("in the trail");
    assert_eq!(set_up.target, "person:nora");
    assert_eq!(trail.iter().filter(|e| e.action == "account.set_up" && e.actor == "nora").count(), 2);
    let secret = link.rsplit('/').next().unwrap();
    assert!(trail.iter().all(|e| !serde_json::to_string(e).unwrap().contains(secret)), "the link's secret is in no entry");
    t.finish().await;
}

#[tokio::test]
async fn a_newer_link_and_time_void_a_link_and_a_reset_ends_everything() {
    let t = TestApp::with_stack(Setup::seed(1202)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    let reset = [("act", "reset")];
    let first = link(&post(&t, &ada, "/admin/people/dan", &reset).await);
    t.get(&dan, "/api/v1/me").await.expect(401);
    assert_eq!(sign_in(&t, "dan", PASSWORD).await.status, 401, "the old password is void at once");
    let second = link(&post(&t, &ada, "/admin/people/dan", &reset).await);
    assert_eq!(t.get(&As::Nobody, &first).await.status, 404, "a newer link replaces it");
    assert_eq!(t.get(&As::Nobody, &second).await.status, 200);
    t.clock.advance(std::time::Duration::from_secs(3 * 86_400 + 1));
    assert_eq!(t.get(&As::Nobody, &second).await.status, 404, "three days are over");
    assert_eq!(post(&t, &As::Nobody, &second, &[("password", NEW), ("again", NEW)]).await.status, 404);
    t.finish().await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_a_new_password_ends_them_all() {
    let t = TestApp::with_stack(Setup::seed(1203)).await;
    let (here, there, third) = (t.sign_in("dan").await, t.sign_in("dan").await, t.sign_in("dan").await);
    let pia = t.sign_in("pia").await;
    let page = t.get(&here, "/me").await.text;
    assert_eq!(page.matches("this one").count(), 1);
    let handles: Vec<&str> = page.split("name=\"session\" value=\"").skip(1).map(|s| &s[..16]).collect();
    assert_eq!(handles.len(), 2, "{page}");
    // Nobody ends a session of somebody else by its handle.
    assert_eq!(post(&t, &pia, "/me", &[("act", "end"), ("session", handles[0])]).await.status, 404);
    let ended = post(&t, &here, "/me", &[("act", "end"), ("session", handles[0])]).await;
    assert!(ended.status == 200 && ended.text.contains("That session has ended."), "{}", ended.text);
    assert_eq!(post(&t, &here, "/me", &[("act", "end"), ("session", handles[0])]).await.status, 404);
    let mut alive = 0;
    for who in [&there, &third] {
        alive += usize::from(t.get(who, "/api/v1/me").await.status == 200);
    }
    assert_eq!(alive, 1, "one of the two ended");
    assert_eq!(post(&t, &here, "/me", &[("act", "others")]).await.status, 200);
    for who in [&there, &third] {
        t.get(who, "/api/v1/me").await.expect(401);
    }
    t.get(&here, "/api/v1/me").await.expect(200);
    let there = t.sign_in("dan").await;
    let changed = post(&t, &here, "/me", &[("act", "password"), ("current", PASSWORD), ("password", NEW), ("again", NEW)]).await;
    assert!(changed.status == 200 && changed.text.contains("Your password is changed"), "{}", changed.text);
    for who in [&here, &there] {
        t.get(who, "/api/v1/me").await.expect(401);
    }
    t.get(&cookie(&changed), "/api/v1/me").await.expect(200);
    assert_eq!((sign_in(&t, "dan", PASSWORD).await.status.as_u16(), sign_in(&t, "dan", NEW).await.status.as_u16()), (401, 303));
    t.finish().await;
}

/// Whoever has a session but not the password can not try passwords without end.
#[tokio::test]
async fn guessing_the_present_password_is_limited_like_a_sign_in() {
    let t = TestApp::with_stack(Setup::seed(1204)).await;
    let dan = t.sign_in("dan").await;
    let mut answers = Vec::new();
    for n in 0..12 {
        let guess = format!("guess number {n} of many");
        answers.push(post(&t, &dan, "/me", &[("act", "password"), ("current", &guess), ("password", NEW), ("again", NEW)]).await.status.as_u16());
    }
    assert_eq!(answers[..10], [422; 10]);
    assert_eq!(answers[10..], [429; 2]);
    t.finish().await;
}

#[tokio::test]
async fn nobody_changes_themselves_and_an_admin_always_remains() {
    let t = TestApp::with_stack(Setup::seed(1205)).await;
    let (ada, bob, dan) = (t.sign_in("ada").await, t.sign_in("bob").await, t.sign_in("dan").await);
    for act in ["grant", "revoke", "disable", "reset", "enable"] {
        let own = post(&t, &ada, "/admin/people/ada", &[("act", act), ("role", "approver"), ("scope", "*")]).await;
        assert_eq!(own.status, 403, "{act}: {}", own.text);
        let below = post(&t, &dan, "/admin/people/vera", &[("act", act), ("role", "approver"), ("scope", "*")]).await;
        assert_eq!(below.status, 403, "{act}: {}", below.text);
        // Who may not manage people must not learn who exists.
        let nobody = post(&t, &dan, "/admin/people/nobody", &[("act", act), ("role", "approver"), ("scope", "*")]).await;
        assert_eq!(nobody.status, 403, "{act}: {}", nobody.text);
    }
    // Two admins may not throw each other out.
    assert_eq!(post(&t, &ada, "/admin/people/bob", &[("act", "revoke"), ("role", "admin"), ("scope", "*")]).await.status, 303);
    assert_eq!(t.get(&bob, "/admin/people").await.status, 403, "a role that is taken bites on the next request");
    let host = Actor::host("root");
    let last = t.app.revoke_role(&host, "ada", EVERYWHERE, Role::Admin).await.unwrap_err();
    assert!(last.detail().contains("nobody who is admin everywhere"), "{last}");
    assert_eq!(t.app.disable_person(&host, "ada").await.unwrap_err().status(), 409);
    t.get(&ada, "/admin/people").await;
    assert_eq!(t.app.store.count_admins().await.unwrap(), 1, "the refused write left nothing behind");
    t.finish().await;
}

/// Design: admin verbs give no rights on protected environments once a second admin exists.
#[tokio::test]
async fn the_machine_gives_no_rights_on_protected_environments_once_a_second_admin_exists() {
    let t = TestApp::with_stack(Setup::seed(1206)).await;
    let host = Actor::host("root");
    let (production, staging) = (format!("{APP}/production"), format!("{APP}/staging"));
    for (scope, role, status) in [
        (EVERYWHERE, Role::Approver, Some(403)),
        (production.as_str(), Role::Deployer, Some(403)),
        (production.as_str(), Role::Viewer, None),
        (staging.as_str(), Role::Deployer, None),
    ] {
        let done = t.app.grant_role(&host, "vera", scope, role).await;
        assert_eq!(done.as_ref().err().map(fleetgate::domain::problem::Problem::status), status, "{scope} {role:?}: {done:?}");
    }
    let grants = Grants::from([(production.clone(), vec![Role::Approver])]);
    assert_eq!(t.app.add_person(&host, "nora", &grants).await.unwrap_err().status(), 403);
    // Whoever makes a link could use it.
    assert_eq!(t.app.reset_person(&host, "pia").await.unwrap_err().status(), 403);
    assert!(t.app.reset_person(&host, "ada").await.is_ok(), "for an admin the machine is the last way in");
    t.app.disable_person(&host, "bob").await.unwrap();
    assert!(t.app.grant_role(&host, "vera", &production, Role::Deployer).await.is_ok(), "alone, the machine helps");
    t.finish().await;
}

#[tokio::test]
async fn disabled_people_stay_out_until_they_are_let_in_again() {
    let t = TestApp::with_stack(Setup::seed(1207)).await;
    let (ada, vera) = (t.sign_in("ada").await, t.sign_in("vera").await);
    let open = link(&post(&t, &ada, "/admin/people", &[("name", "nora"), ("role", "viewer"), ("scope", "*")]).await);
    for name in ["vera", "nora"] {
        assert_eq!(post(&t, &ada, &format!("/admin/people/{name}"), &[("act", "disable")]).await.status, 303);
    }
    t.get(&vera, "/api/v1/me").await.expect(401);
    assert_eq!(sign_in(&t, "vera", PASSWORD).await.status, 401);
    assert_eq!(t.get(&As::Nobody, &open).await.status, 404, "an open link goes with it");
    assert_eq!(t.app.choose_password(open.rsplit('/').next().unwrap(), NEW, Origin::default()).await.unwrap_err().status(), 404);
    assert_eq!(post(&t, &ada, "/admin/people/vera", &[("act", "reset")]).await.status, 409);
    assert_eq!(post(&t, &ada, "/admin/people/vera", &[("act", "enable")]).await.status, 303);
    assert_eq!(sign_in(&t, "vera", PASSWORD).await.status, 303);
    t.finish().await;
}

#[tokio::test]
async fn tokens_are_made_shown_once_and_revoked_by_the_page() {
    let t = TestApp::with_stack(Setup::seed(1208)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    assert_eq!(t.get(&dan, "/admin/tokens").await.status, 403);
    let staging = format!("{APP}/staging");
    let made = post(&t, &ada, "/admin/tokens", &[("act", "create"), ("name", "ci"), ("days", "30"), ("env", &staging)]).await;
    let at = made.text.find("fg_").unwrap_or_else(|| panic!("no token: {}", made.text));
    let secret: String = made.text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    let token = As::Token(secret.clone());
    t.get(&token, &format!("/api/v1/apps/{APP}/environments/staging")).await.expect(200);
    t.get(&token, &format!("/api/v1/apps/{APP}/environments/production")).await.expect(404);
    assert!(!t.get(&ada, "/admin/tokens").await.text.contains(&secret), "it is shown once");
    assert_eq!(post(&t, &ada, "/admin/tokens", &[("act", "revoke"), ("name", "ci")]).await.status, 303);
    t.get(&token, "/api/v1/me").await.expect(401);
    assert!(t.get(&ada, "/admin/tokens").await.text.contains("Revoked"));
    t.finish().await;
}

/// The trail's pages show what the API shows, and no more to whom may see less.
#[tokio::test]
async fn the_audit_pages_filter_show_and_recompute() {
    let t = TestApp::with_stack(Setup::seed(1209)).await;
    let staging = format!("{APP}/staging");
    t.person("sam", &[(staging.as_str(), Role::Deployer)]).await;
    let (ada, dan, sam) = (t.sign_in("ada").await, t.sign_in("dan").await, t.sign_in("sam").await);
    let v = t.release(&dan, "one", "ok", None).await;
    let number = TestApp::accepted(t.change(&dan, "production", json!({"kind": "deploy", "release": v, "reason": "Tuesday's release"})).await);
    let page = t.get(&ada, &format!("/audit?actor=dan&action=change.request*&change=%23{number}")).await.text;
    assert!(page.contains("Asked to deploy") && page.contains("Tuesday&#39;s release"), "{page}");
    assert_eq!(page.matches("role=\"rowgroup\"").count(), 2);
    assert_eq!(page.matches(", entry ").count(), 1, "one entry matches: {page}");
    let bad = t.get(&ada, "/audit?change=many&from=yesterday").await;
    assert!(bad.status == 422 && bad.text.contains("href=\"#f-change\"") && bad.text.contains("value=\"many\""), "{}", bad.text);
    t.post(&dan, &format!("/api/v1/changes/{number}/cancel"), json!({"mode": "stop"})).await.expect(202);
    let entry = t.audit().await.into_iter().find(|e| e.change == Some(number)).unwrap();
    let shown = t.get(&ada, &format!("/audit/{}", entry.seq)).await.text;
    for part in
        [entry.hash.as_str(), entry.previous.as_str(), entry.request.as_deref().unwrap(), "Before and after", "Later: Stopped, undid or withdrew"]
    {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    // Of production sam sees nothing, and the whole chain is not for him.
    assert_eq!(t.get(&sam, &format!("/audit/{}", entry.seq)).await.status, 404);
    assert!(!t.get(&sam, "/audit").await.text.contains("production"));
    assert_eq!(post(&t, &sam, "/audit/verify", &[]).await.status, 403);
    let holds = post(&t, &ada, "/audit/verify", &[]).await;
    assert!(holds.text.contains("The chain holds"), "{}", holds.text);
    assert!(t.audit().await.iter().any(|e| e.action == "audit.verify" && e.actor == "ada"));
    t.finish().await;
}

#[tokio::test]
async fn a_broken_chain_is_said_on_the_page() {
    let t = TestApp::with_stack(Setup::seed(1210)).await;
    let ada = t.sign_in("ada").await;
    let url = format!("sqlite://{}/fleetgate.db", t.dir.path().display());
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("update audit set actor = 'mallory' where seq = 3").execute(&pool).await.unwrap();
    let broken = post(&t, &ada, "/audit/verify", &[]).await;
    assert!(broken.text.contains("The chain is broken") && broken.text.contains("ntry 3"), "{}", broken.text);
}

/// A new installation tells how to begin, and the command that it names prints a link that opens it.
#[tokio::test]
async fn the_first_admin_begins_at_the_machine() {
    let t = TestApp::new(1211).await;
    let door = t.get(&As::Nobody, "/login").await.text;
    assert!(door.contains("Nobody can sign in yet") && !door.contains("type=\"password\""), "{door}");
    let named = door.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    let arguments: Vec<&str> = named.strip_prefix("fleetgate ").unwrap().split(' ').map(|w| if w == "YOUR-NAME" { "ada" } else { w }).collect();
    let run = |arguments: &[&str]| {
        let url = format!("sqlite://{}/fleetgate.db", t.dir.path().display());
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_fleetgate"))
            .args(arguments)
            .env("FLEETGATE_DATABASE_URL", url)
            .env("FLEETGATE_PUBLIC_URL", crate::harness::ORIGIN)
            .current_dir(t.dir.path())
            .output()
            .unwrap();
        (out.status.success(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    let (done, link, words) = run(&arguments);
    assert!(done && words.contains("Give this link to ada"), "{words}");
    let path = link.trim().strip_prefix(crate::harness::ORIGIN).unwrap_or_else(|| panic!("the link alone, at the public URL: {link}"));
    let secret = path.strip_prefix("/setup/").unwrap();
    assert!(secret.len() >= 43, "256 bits: {secret}");
    let (refused, _, why) = run(&["user", "add", "ada", "--grant", "viewer"]);
    assert!(!refused && why.contains("there is a person named ada already"), "{why}");
    assert!(t.get(&As::Nobody, "/login").await.text.contains("type=\"password\""), "somebody exists now");
    let entry = t.audit().await.into_iter().find(|e| e.action == "person.add").unwrap();
    assert!(entry.actor.starts_with("host:") && entry.target == "person:ada", "{entry:?}");
}

/// Comparing a password takes time; what an admin does meanwhile counts.
#[tokio::test]
async fn a_reset_is_not_undone_by_what_was_under_way() {
    let t = TestApp::with_stack(Setup::seed(1212)).await;
    let (ada, dan) = (t.sign_in("ada").await, t.sign_in("dan").await);
    // Every place to compare is taken, so that both requests are under way when the reset comes.
    let cores = u32::try_from(t.app.hashing.available_permits()).unwrap();
    let busy = t.app.hashing.clone().acquire_many_owned(cores).await.unwrap();
    let under_way = async {
        let change = [("act", "password"), ("current", PASSWORD), ("password", NEW), ("again", NEW)];
        tokio::join!(post(&t, &dan, "/me", &change), sign_in(&t, "dan", PASSWORD))
    };
    let meanwhile = async {
        // Both have counted their try: they wait for their turn to compare.
        while t.app.store.keep(|tx| Box::pin(async move { Ok(tx.login_failures("address:").await?.0) })).await.unwrap() < 2 {
            tokio::task::yield_now().await;
        }
        let reset = post(&t, &ada, "/admin/people/dan", &[("act", "reset")]).await;
        assert_eq!(reset.status, 200, "{}", reset.text);
        drop(busy);
    };
    let ((changed, entered), ()) = tokio::join!(under_way, meanwhile);
    assert_eq!((changed.status.as_u16(), entered.status.as_u16()), (422, 401), "{} {}", changed.text, entered.text);
    for password in [PASSWORD, NEW] {
        assert_eq!(sign_in(&t, "dan", password).await.status, 401, "the password is void");
    }
    let me = t.app.store.find_person("dan").await.unwrap().unwrap();
    assert!(t.app.store.list_sessions(me.id).await.unwrap().is_empty());
    t.finish().await;
}

/// Signing in on a browser that has a session already leaves no second key behind.
#[tokio::test]
async fn a_sign_in_replaces_the_session_of_the_browser() {
    let t = TestApp::with_stack(Setup::seed(1213)).await;
    let dan = t.sign_in("dan").await;
    let again = post(&t, &dan, "/login", &[("username", "dan"), ("password", PASSWORD)]).await;
    assert_eq!(again.status, 303);
    t.get(&dan, "/api/v1/me").await.expect(401);
    t.get(&cookie(&again), "/api/v1/me").await.expect(200);
    t.finish().await;
}

/// What a page does by itself keeps no session alive.
#[tokio::test]
async fn a_page_that_reloads_itself_does_not_keep_a_session_alive() {
    let t = TestApp::with_stack(Setup::seed(1214)).await;
    let dan = t.sign_in("dan").await;
    for _ in 0..31 {
        t.clock.advance(std::time::Duration::from_secs(60));
        t.get(&dan, "/?watch=15").await;
    }
    t.get(&dan, "/api/v1/me").await.expect(401);
    t.finish().await;
}

/// A role that is not named, or was not there to be taken, is no role.
#[tokio::test]
async fn roles_are_given_where_it_is_said_and_taken_where_they_are() {
    let t = TestApp::with_stack(Setup::seed(1215)).await;
    let ada = t.sign_in("ada").await;
    let grant = post(&t, &ada, "/admin/people/vera", &[("act", "grant"), ("role", "deployer")]).await;
    assert!(grant.status == 422 && grant.text.contains("href=\"#f-scope\""), "{}", grant.text);
    let add = post(&t, &ada, "/admin/people", &[("name", "nora"), ("role", "admin")]).await;
    assert_eq!(add.status, 422, "{}", add.text);
    let taken = post(&t, &ada, "/admin/people/vera", &[("act", "revoke"), ("role", "admin"), ("scope", "*")]).await;
    assert!(taken.status == 409 && taken.text.contains("do not have that role"), "{}", taken.text);
    assert!(!t.audit().await.iter().any(|e| e.action == "person.revoke" || e.action == "person.grant"));
    t.finish().await;
}
