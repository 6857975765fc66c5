//! `/approvals`: what waits for whom, and the frozen review of one request with the decision.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::changes::visible;
use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{self, Wrong};
use crate::app::overview::{Overview, Readiness};
use crate::domain::access::Role;
use crate::domain::change::State;
use crate::domain::plan::Plan;
use crate::domain::problem::Problem;
use crate::domain::risk::{self, Known, Mark};
use crate::store::changes::{Approval, Change, Filter};

/// Decided requests that the list shows.
const DECIDED: i64 = 20;

#[derive(Template)]
#[template(path = "approvals/list.html")]
struct ListPage {
    frame: Frame,
    mine: Vec<Change>,
    asked: Vec<Change>,
    others: Vec<Change>,
    decided: Vec<Change>,
}

/// `GET /approvals`.
pub async fn list(visit: Visit) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let mine = visit.waiting().await?;
    let waiting = Filter { states: vec![State::AwaitingApproval], scopes: visit.scopes(), ..Filter::default() };
    let (asked, others): (Vec<Change>, Vec<Change>) = app
        .store
        .list_changes(&waiting, 200)
        .await?
        .into_iter()
        .filter(|c| !mine.iter().any(|m| m.number == c.number))
        .partition(|c| c.requested_by == visit.actor.name);
    let done =
        Filter { states: State::ALL.into_iter().filter(|s| *s != State::AwaitingApproval).collect(), scopes: visit.scopes(), ..Filter::default() };
    let decided =
        app.store.list_changes(&done, 200).await?.into_iter().filter(|c| c.protected).take(usize::try_from(DECIDED).unwrap_or(20)).collect();
    let title = match mine.len() {
        0 => "Nothing waits for you".to_owned(),
        1 => "1 request waits for you".to_owned(),
        n => format!("{n} requests wait for you"),
    };
    let frame = visit.frame(&title, "approvals").await?.live("*").say(&title);
    page(&ListPage { frame, mine, asked, others, decided })
}

/// The decision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    decision: String,
    comment: String,
    plan_hash: String,
}

#[derive(Template)]
#[template(path = "approvals/show.html")]
struct ShowPage {
    frame: Frame,
    c: Change,
    plan: Plan,
    o: Overview,
    marks: Vec<Mark>,
    unusual: usize,
    approvals: Vec<Approval>,
    given: usize,
    /// Why this person may not decide, where they may not.
    not_me: Option<String>,
    way_back: Option<String>,
    release: Option<String>,
    notes: Option<String>,
    form: Form,
    wrong: Option<Wrong>,
}

async fn review(visit: &Visit, number: i64, form: Form, wrong: Option<Wrong>) -> Result<ShowPage, Problem> {
    let app = &visit.site.app;
    let (c, env) = visible(visit, number).await?;
    let o = app.overview(env).await?;
    let approvals = app.store.list_approvals(number).await?;
    let scope = c.scope();
    let decided = approvals.iter().find(|a| a.person == visit.actor.name && a.plan_hash == c.plan_hash);
    let not_me = if c.state != State::AwaitingApproval {
        Some(format!("#{number} waits for no decision: it is {}.", words::state(c.state).0.to_lowercase()))
    } else if c.requested_by == visit.actor.name {
        Some("You asked for this, so another person must decide.".into())
    } else if app.authors(&c).await?.contains(&visit.actor.name) {
        Some(format!("You made {}, which asked for this, so another person must decide.", c.requested_by))
    } else if !visit.actor.has(Role::Approver, &scope) {
        Some(format!("Deciding needs the approver role for {scope}."))
    } else {
        decided.map(|a| format!("You have decided already: {}.", a.decision))
    };
    let (mut good_in, mut bad_in) = (Vec::new(), Vec::new());
    if let Some(release) = c.release {
        for env in app.store.list_environments().await?.into_iter().filter(|e| e.app == c.app && visit.actor.sees(&e.scope())) {
            if let Some(number) = app.taken_back(&env.app, &env.name).await?.get(&release).filter(|n| **n != number) {
                bad_in.push(format!("{} by #{number}", env.name));
                continue;
            }
            if env.id == c.env {
                continue;
            }
            if let Some(good) = app.store.list_good(env.id, 50).await?.into_iter().find(|g| g.release == release) {
                match good.left_by {
                    Some(_) => bad_in.push(env.name),
                    None => good_in.push((env.name, good.at)),
                }
            }
        }
    }
    let way_back = match app.readiness(&o).await? {
        // After this change, what runs now is what a rollback goes to.
        _ if o.release().is_some() => o.release().map(|r| format!("v{r}")),
        Readiness::Ready(found) => Some(format!("v{}", found.1.number)),
        Readiness::Not(_) => None,
    };
    let known = Known {
        level: o.level,
        sentence: o.sentence.clone(),
        capacity: o.capacity(),
        older: matches!((c.release, o.release()), (Some(new), Some(now)) if new < now),
        now: visit.now(),
        asked_at: c.created_at,
        way_back: way_back.is_some(),
        good_in,
        bad_in,
    };
    let marks = risk::marks(&c.plan, &known);
    let record = match c.release {
        Some(n) => app.store.find_release(&c.app, n).await?,
        None => None,
    };
    Ok(ShowPage {
        frame: visit.frame(format!("Review #{number}: {}", words::title(c.kind, c.release)), "approvals").await?.protected(o.env.protected),
        unusual: marks.iter().filter(|m| m.unusual).count(),
        given: approvals.iter().filter(|a| a.decision == "approve" && a.plan_hash == c.plan_hash).count(),
        plan: c.plan.clone(),
        release: record.as_ref().map(crate::domain::release::Release::label),
        notes: record.and_then(|r| r.notes),
        marks,
        approvals,
        not_me,
        way_back,
        form,
        wrong,
        c,
        o,
    })
}

/// `GET /approvals/{n}`.
pub async fn show(visit: Visit, Path(number): Path<i64>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    page(&review(&visit, number, form, None).await?)
}

/// `POST /approvals/{n}`: approve or reject.
pub async fn decide(visit: Visit, Path(number): Path<i64>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    let (_, env) = visible(&visit, number).await?;
    let app = &visit.site.app;
    let comment = form.comment.trim().to_owned();
    let done = match form.decision.as_str() {
        "approve" => app.approve_change(&visit.actor, &env, number, &form.plan_hash, Some(comment).filter(|c| !c.is_empty())).await,
        "reject" => app.reject_change(&visit.actor, &env, number, comment).await,
        _ => Err(Problem::field("decision", "choose Approve or Reject")),
    };
    match done {
        Ok(_) => Ok(go(&format!("/deployments/{number}"))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            // The form calls both the comment.
            let problem = match problem {
                Problem::Invalid(fields) => Problem::Invalid(
                    fields
                        .into_iter()
                        .map(|f| if f.field == "reason" { crate::domain::problem::FieldError { field: "comment".into(), ..f } } else { f })
                        .collect(),
                ),
                other => other,
            };
            let shown = review(&visit, number, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
