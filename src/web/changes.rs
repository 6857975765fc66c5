//! `/deployments`: the list of changes, and the page of one change.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::draw::{self, Band};
use super::environments::{Zone, zones};
use super::error::ApiError;
use super::explain::{Why, why};
use super::page::{Frame, Visit, again, go, page};
use super::phases::{Phase, phases};
use super::remains::{Remains, remains};
use super::words::{self, Moment, Wrong};
use crate::app::changes::CancelMode;
use crate::app::overview::{Overview, Readiness};
use crate::domain::access::{Act, Facts, On, Role, decide};
use crate::domain::change::{Kind, State};
use crate::domain::environment::Environment;
use crate::domain::plan::{Check, Verdict};
use crate::domain::problem::Problem;
use crate::store::changes::{Approval, Change, Filter};
use crate::store::events::Event;

/// Rows on a page of the list.
const ROWS: i64 = 50;
/// Entries of the timeline that are shown.
const TIMELINE: i64 = 300;

#[derive(Template)]
#[template(path = "changes/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Change>,
    q: Search,
    older: Option<String>,
    filtered: bool,
}

/// Filters of the list, as in its address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    app: String,
    env: String,
    kind: String,
    state: String,
    by: String,
    below: String,
}

impl Search {
    fn query(&self, below: i64) -> String {
        let below = below.to_string();
        let all = [("app", &self.app), ("env", &self.env), ("kind", &self.kind), ("state", &self.state), ("by", &self.by), ("below", &below)];
        let set: Vec<_> = all.into_iter().filter(|(_, v)| !v.is_empty()).collect();
        serde_html_form::to_string(set).unwrap_or_default()
    }
    /// Kinds for the select: stored name and title.
    fn kinds(&self) -> Vec<(&'static str, String)> {
        Kind::ALL.into_iter().map(|k| (k.name(), words::title(k, None))).collect()
    }
    /// States for the select.
    fn states(&self) -> Vec<(&'static str, &'static str)> {
        State::ALL.into_iter().map(|s| (s.name(), words::state(s).0)).collect()
    }
}

/// `GET /deployments`.
pub async fn list(visit: Visit, Query(q): Query<Search>) -> Result<Response, ApiError> {
    let text = |s: &str| Some(s.trim().to_owned()).filter(|s| !s.is_empty());
    let filter = Filter {
        app: text(&q.app),
        env: text(&q.env),
        kind: text(&q.kind),
        states: State::parse(&q.state).into_iter().collect(),
        by: text(&q.by),
        below: q.below.parse().ok(),
        scopes: visit.scopes(),
        ..Filter::default()
    };
    let mut rows = visit.site.app.store.list_changes(&filter, ROWS + 1).await?;
    let more = rows.len() > usize::try_from(ROWS).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let older = rows.last().filter(|_| more).map(|c| q.query(c.number));
    let filtered = [&q.app, &q.env, &q.kind, &q.state, &q.by].iter().any(|v| !v.is_empty());
    let frame = visit.frame("Deployments and other changes", "deployments").await?.live("*");
    page(&ListPage { frame, rows, q, older, filtered })
}

/// A change that this person may see, with its environment.
pub(super) async fn visible(visit: &Visit, number: i64) -> Result<(Change, Environment), Problem> {
    let none = || Problem::NotFound(format!("There is no change #{number} that you may see."));
    let change = visit.site.app.store.find_change(number).await?.ok_or_else(none)?;
    decide(&visit.actor, &Act::View, &On::Environment(&change.scope()), &Facts::default()).map_err(|_| none())?;
    let env = visit.site.app.store.get_environment(change.env).await?;
    Ok((change, env))
}

/// What stands in the problem card.
struct Card {
    title: String,
    sentence: String,
    evidence: Vec<(&'static str, String)>,
    console: Option<String>,
    at: Option<Moment>,
}

#[derive(Template)]
#[template(path = "changes/show.html")]
struct ShowPage {
    frame: Frame,
    c: Change,
    o: Overview,
    band: Option<Band>,
    band_words: Vec<(&'static str, &'static str, i32, String)>,
    zones: Vec<Zone>,
    phases: Vec<Phase>,
    remains: Option<Remains>,
    spent: String,
    timeline: Vec<Event>,
    approvals: Vec<Approval>,
    card: Option<Card>,
    why: Option<Why>,
    waits: Vec<Check>,
    tag: Option<String>,
    may_cancel: bool,
    may_close: bool,
    may_deploy: bool,
    may_decide: bool,
    own: bool,
    undoes: bool,
    stops: bool,
    back: Option<i64>,
    commands: Vec<(String, String)>,
    as_of: Option<Moment>,
}

fn card(c: &Change) -> Option<Card> {
    if let Some(f) = &c.progress.first_failure {
        let mut evidence = vec![("Zone", f.zone.clone())];
        if let Some(t) = &f.target {
            evidence.push(("Load balancer", t.clone()));
        }
        return Some(Card {
            title: "A new instance failed".into(),
            sentence: f.sentence.clone(),
            console: f.console.clone().filter(|s| !s.trim().is_empty()),
            at: Some(Moment(f.at)),
            evidence,
        });
    }
    let title = match c.state {
        State::NeedsAttention => "A person must look",
        State::UndoFailed => "It could not be taken back",
        State::Failed => "It failed",
        _ => return None,
    };
    Some(Card { title: title.into(), sentence: c.sentence.clone(), evidence: Vec::new(), console: None, at: None })
}

/// What a screen reader is told: only when something is reached.
fn milestone(c: &Change) -> String {
    let word = words::state_of(c.state, c.kind).0;
    let p = &c.progress.counts;
    let done = p.new_healthy.max(0);
    match c.state {
        State::Running if p.total > 0 => format!("#{}: {word}, {} percent", c.number, done * 4 / p.total.max(1) * 25),
        State::NeedsAttention | State::Failed | State::UndoFailed | State::Undone => format!("#{}: {word}. {}", c.number, c.sentence),
        _ => format!("#{}: {word}", c.number),
    }
}

fn band_words(c: &Change) -> Vec<(&'static str, &'static str, i32, String)> {
    let counts = &c.progress.counts;
    let back = c.progress.undo.is_some();
    let (new, old) = if back { ("old again, healthy", "still new") } else { ("new, healthy", "old, in service") };
    [
        ("new", "c-new", counts.new_healthy, new),
        ("warming", "c-wait", counts.warming, "warming up"),
        ("leaving", "c-leave", counts.leaving, "leaving"),
        ("old", "c-old", counts.old, old),
        ("failed", "c-bad", counts.failed, "failed"),
    ]
    .into_iter()
    .filter(|(_, _, n, _)| *n > 0)
    .map(|(k, m, n, w)| (k, m, n, w.to_owned()))
    .collect()
}

/// `GET /deployments/{n}`.
pub async fn show(visit: Visit, Path(number): Path<i64>) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let (c, env) = visible(&visit, number).await?;
    let scope = c.scope();
    let o = app.overview(env).await?;
    let approvals = app.store.list_approvals(number).await?;
    let steps = app.store.list_steps(number).await?;
    let mut timeline = app.store.list_events(number, 0, TIMELINE).await?;
    timeline.retain(|e| e.sentence.is_some());
    timeline.dedup_by(|a, b| a.sentence == b.sentence);
    timeline.reverse();
    let rolls = matches!(c.kind, Kind::Deploy | Kind::Rollback | Kind::Replace);
    let min_healthy = c.plan.bound.preferences.as_ref().map_or(100, |p| p.min_healthy);
    let started = c.started_at.is_some();
    let back = match app.readiness(&o).await? {
        Readiness::Ready(found) if c.state == State::Succeeded && matches!(c.kind, Kind::Deploy | Kind::Rollback) && o.release() == c.release => {
            Some(found.1.number)
        }
        _ => None,
    };
    let tag = match c.release {
        Some(r) => app.store.find_release(&c.app, r).await?.and_then(|r| r.tag),
        None => None,
    };
    let has = |role| visit.actor.has(role, &scope);
    let authors = app.authors(&c).await?;
    let may_cancel = has(Role::Deployer) || has(Role::Approver) || has(Role::Admin);
    let now = Moment(visit.now());
    let end = c.finished_at.unwrap_or(now.0);
    let decided = approvals.iter().any(|a| a.person == visit.actor.name && a.plan_hash == c.plan_hash);
    let topics = format!("change-{number} env-{}", c.env);
    let frame = visit
        .frame(format!("#{number} {}", words::title(c.kind, c.release)), "deployments")
        .await?
        .protected(o.env.protected)
        .live(if c.state.is_final() { format!("change-{number}") } else { topics })
        .say(milestone(&c));
    page(&ShowPage {
        band: if rolls && started { draw::band(&c.progress.counts, min_healthy) } else { None },
        band_words: band_words(&c),
        zones: if c.state.is_final() { Vec::new() } else { zones(&o.instances) },
        phases: phases(&c, &steps, &approvals, now),
        remains: remains(&c),
        spent: match c.started_at {
            Some(at) => format!("{} since the request, {} of work", words::span(end - c.created_at), words::span(end - at)),
            None => format!("{} since the request", words::span(end - c.created_at)),
        },
        card: card(&c),
        why: why(&visit, &o, Some(&c), true),
        waits: c.plan.checks.iter().filter(|k| k.verdict != Verdict::Ok).cloned().collect(),
        may_close: has(Role::Admin) && c.state.holds_lane(),
        may_deploy: has(Role::Deployer),
        may_decide: has(Role::Approver) && !authors.contains(&visit.actor.name) && !decided,
        own: authors.contains(&visit.actor.name),
        undoes: c.state.holds_lane() && matches!(c.kind, Kind::Deploy | Kind::Rollback) && c.progress.undo.is_none(),
        stops: !c.state.is_final() && c.progress.undo.is_none() && c.progress.stop.is_none(),
        commands: c.plan.steps.iter().chain(&c.plan.ways_out).filter_map(|s| s.cli.clone().map(|cli| (s.sentence.clone(), cli))).collect(),
        as_of: o.look.as_ref().map(|l| Moment(l.at)),
        frame,
        timeline,
        approvals,
        tag,
        may_cancel,
        back,
        c,
        o,
    })
}

/// How a change is cancelled.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CancelForm {
    mode: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "changes/cancel.html")]
struct CancelPage {
    frame: Frame,
    c: Change,
    mode: &'static str,
    reason: String,
    wrong: Option<Wrong>,
    from: String,
    to: String,
}

async fn cancel_page(visit: &Visit, number: i64, form: CancelForm, wrong: Option<Wrong>) -> Result<CancelPage, Problem> {
    let (c, env) = visible(visit, number).await?;
    decide(&visit.actor, &Act::Cancel, &On::Environment(&c.scope()), &Facts::default())?;
    let mode = if form.mode == "stop" || !c.state.holds_lane() || !matches!(c.kind, Kind::Deploy | Kind::Rollback) { "stop" } else { "undo" };
    let label = |r: Option<i64>| r.map_or_else(|| "what ran before".to_owned(), |n| format!("v{n}"));
    let verb = match (mode, c.state.holds_lane()) {
        ("undo", _) => "Undo",
        (_, true) => "Stop",
        _ => "Withdraw",
    };
    Ok(CancelPage {
        frame: visit.frame(format!("{verb} #{number}"), "deployments").await?.protected(env.protected),
        from: label(c.release),
        to: label(env.release),
        reason: form.reason,
        mode,
        wrong,
        c,
    })
}

/// `GET /deployments/{n}/cancel`: what undoing or stopping does.
pub async fn cancel_form(visit: Visit, Path(number): Path<i64>, Query(form): Query<CancelForm>) -> Result<Response, ApiError> {
    page(&cancel_page(&visit, number, form, None).await?)
}

/// `POST /deployments/{n}/cancel`.
pub async fn cancel(visit: Visit, Path(number): Path<i64>, axum::Form(form): axum::Form<CancelForm>) -> Result<Response, ApiError> {
    let (_, env) = visible(&visit, number).await?;
    let mode = match form.mode.as_str() {
        "undo" => CancelMode::Undo,
        "stop" => CancelMode::Stop,
        _ => return Err(ApiError(Problem::field("mode", "must be undo or stop; begin from the change's page"))),
    };
    let reason = Some(form.reason.trim().to_owned()).filter(|r| !r.is_empty());
    match visit.site.app.cancel_change(&visit.actor, &env, number, mode, reason).await {
        Ok(_) => Ok(go(&format!("/deployments/{number}"))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            let shown = cancel_page(&visit, number, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}

/// A reason.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReasonForm {
    reason: String,
}

#[derive(Template)]
#[template(path = "changes/close.html")]
struct ClosePage {
    frame: Frame,
    c: Change,
    reason: String,
    wrong: Option<Wrong>,
}

async fn close_page(visit: &Visit, number: i64, form: ReasonForm, wrong: Option<Wrong>) -> Result<ClosePage, Problem> {
    let (c, env) = visible(visit, number).await?;
    if !visit.actor.has(Role::Admin, &c.scope()) {
        return Err(Problem::Forbidden(format!("Closing by force needs the admin role for {}.", c.scope())));
    }
    let frame = visit.frame(format!("Close #{number} by force"), "deployments").await?.protected(env.protected);
    Ok(ClosePage { frame, c, reason: form.reason, wrong })
}

/// `GET /deployments/{n}/force-close`.
pub async fn close_form(visit: Visit, Path(number): Path<i64>, Query(form): Query<ReasonForm>) -> Result<Response, ApiError> {
    page(&close_page(&visit, number, form, None).await?)
}

/// `POST /deployments/{n}/force-close`.
pub async fn close(visit: Visit, Path(number): Path<i64>, axum::Form(form): axum::Form<ReasonForm>) -> Result<Response, ApiError> {
    let (_, env) = visible(&visit, number).await?;
    match visit.site.app.force_close(&visit.actor, &env, number, form.reason.trim().to_owned()).await {
        Ok(_) => Ok(go(&format!("/deployments/{number}"))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. })) => {
            let shown = close_page(&visit, number, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
