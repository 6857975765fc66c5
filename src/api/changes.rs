//! Changes.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::ReceiverStream;

use super::explain::ExplanationView;
use super::{Body, PAGE, Page, Reason, cursor, read, time, written};
use crate::app::changes::{CancelMode, OnBusy, Request};
use crate::domain::access::{Act, Actor, Facts, On, decide};
use crate::domain::change::{Intent, Kind, State as ChangeState};
use crate::domain::environment::Environment;
use crate::domain::evidence::{Counts, FirstFailure};
use crate::domain::plan::{Check, Difference, Plan, PlannedStep};
use crate::domain::problem::Problem;
use crate::domain::remains;
use crate::store::changes::{Change, Filter};
use crate::store::events::Event;
use crate::web::Site;
use crate::web::error::{ApiError, Document};
use crate::web::session::{Caller, Proof};

/// A plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PlanView {
    /// One sentence.
    sentence: String,
    /// What an approval is bound to.
    hash: String,
    /// Exact before and after.
    diff: Vec<Difference>,
    /// Steps, each with the equivalent AWS CLI command.
    steps: Vec<PlannedStep>,
    /// Steps that are taken only if it must be taken back or stopped.
    ways_out: Vec<PlannedStep>,
    /// Preflight.
    preflight: Vec<Check>,
    /// Everything that the hash covers.
    #[schema(value_type = Object)]
    bound: serde_json::Value,
}

impl PlanView {
    fn of(plan: &Plan) -> Self {
        Self {
            sentence: plan.sentence.clone(),
            hash: plan.hash(),
            diff: plan.diff.clone(),
            steps: plan.steps.clone(),
            ways_out: plan.ways_out.clone(),
            preflight: plan.checks.clone(),
            bound: serde_json::to_value(&plan.bound).unwrap_or_default(),
        }
    }
}

/// A decision.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ApprovalView {
    /// Who.
    by: String,
    /// `approve` or `reject`.
    decision: String,
    /// For which plan.
    plan_hash: String,
    /// In their words.
    comment: Option<String>,
    /// When.
    at: String,
}

/// A step that was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StepView {
    /// Which.
    step: String,
    /// `running`, `done`, `failed`.
    state: String,
    /// How often its act was tried.
    attempts: i64,
    /// What came of it.
    sentence: Option<String>,
    /// Begun.
    started_at: String,
    /// Ended.
    finished_at: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChangeView {
    number: i64,
    app: String,
    env: String,
    kind: Kind,
    state: ChangeState,
    /// One sentence: where it stands, or how it ended.
    sentence: String,
    /// Why it is not moving; absent when it has ended.
    explanation: Option<ExplanationView>,
    requested_by: String,
    reason: Option<String>,
    release: Option<i64>,
    plan: PlanView,
    plan_hash: String,
    approvals: Vec<ApprovalView>,
    steps: Vec<StepView>,
    /// Instances by where they stand.
    progress: Counts,
    /// The evidence of the first failing instance.
    first_failure: Option<FirstFailure>,
    /// The group before it began and after it ended; empty before its end, and for kinds that replace nothing.
    before_and_after: Vec<remains::Row>,
    /// Temporary alterations of AWS that it made, paid back or not.
    debts: Vec<crate::store::debts::Debt>,
    template_version: Option<i64>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    rolled_back_by: Option<i64>,
    rollback_of: Option<i64>,
}

/// A change in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChangeRow {
    number: i64,
    app: String,
    env: String,
    kind: Kind,
    state: ChangeState,
    sentence: String,
    requested_by: String,
    release: Option<i64>,
    plan_hash: String,
    created_at: String,
    finished_at: Option<String>,
}

pub(super) async fn view(site: &Site, c: Change) -> Result<ChangeView, Problem> {
    let approvals = site.app.store.list_approvals(c.number).await?;
    let steps = site.app.store.list_steps(c.number).await?;
    let debts = site.app.store.list_debts(c.number).await?;
    let explanation = if c.state.is_final() {
        None
    } else {
        let o = site.app.overview(site.app.store.get_environment(c.env).await?).await?;
        site.app.explain(&o, Some(&c)).map(|e| ExplanationView::of(e, &c.scope()))
    };
    Ok(ChangeView {
        before_and_after: remains::rows(&c.plan, &c.progress),
        debts,
        explanation,
        plan: PlanView::of(&c.plan),
        approvals: approvals
            .into_iter()
            .map(|a| ApprovalView { by: a.person, decision: a.decision, plan_hash: a.plan_hash, comment: a.comment, at: written(a.at) })
            .collect(),
        steps: steps
            .into_iter()
            .map(|s| StepView {
                step: s.step,
                state: s.state,
                attempts: s.attempts,
                sentence: s.sentence,
                started_at: written(s.started_at),
                finished_at: s.finished_at.map(written),
            })
            .collect(),
        progress: c.progress.counts,
        first_failure: c.progress.first_failure,
        template_version: c.template_version,
        number: c.number,
        app: c.app,
        env: c.env_name,
        kind: c.kind,
        state: c.state,
        sentence: c.sentence,
        requested_by: c.requested_by,
        reason: c.reason,
        release: c.release,
        plan_hash: c.plan_hash,
        created_at: written(c.created_at),
        started_at: c.started_at.map(written),
        finished_at: c.finished_at.map(written),
        rolled_back_by: c.rolled_back_by,
        rollback_of: c.rollback_of,
    })
}

/// A request for a change: `kind` with the fields of that kind, `reason?` and `on_busy?`.
#[derive(Debug)]
pub struct ChangeRequest;

impl utoipa::ToSchema for ChangeRequest {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        <Intent as utoipa::ToSchema>::schemas(schemas);
    }
}

/// Moves the kind from around the fields to beside them, and adds what all kinds take.
impl utoipa::PartialSchema for ChangeRequest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        use utoipa::openapi::{OneOfBuilder, RefOr, Schema};
        let RefOr::T(Schema::OneOf(kinds)) = <Intent as utoipa::PartialSchema>::schema() else { return <Intent as utoipa::PartialSchema>::schema() };
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let mut all = OneOfBuilder::new();
        for kind in kinds.items {
            let RefOr::T(Schema::Object(outer)) = kind else { continue };
            let Some((name, RefOr::T(Schema::Object(mut fields)))) = outer.properties.into_iter().next() else { continue };
            fields.properties.insert("kind".into(), text().enum_values(Some([name])).into());
            fields.required.push("kind".into());
            fields.properties.insert("reason".into(), text().description(Some("Why, in words.")).into());
            fields.properties.insert(
                "on_busy".into(),
                text().enum_values(Some(["refuse", "wait"])).description(Some("When another change is in the way.")).into(),
            );
            all = all.item(fields);
        }
        RefOr::T(Schema::OneOf(all.build()))
    }
}

fn request(value: serde_json::Value, key: Option<String>) -> Result<Request, Problem> {
    let serde_json::Value::Object(mut map) = value else { return Err(Problem::Malformed("The body must be a JSON object.".into())) };
    #[derive(Deserialize)]
    struct Wrapping {
        reason: Option<String>,
        #[serde(default)]
        on_busy: OnBusy,
    }
    let mut wrapping = serde_json::Map::new();
    for name in ["reason", "on_busy"] {
        if let Some(v) = map.remove(name) {
            wrapping.insert(name.into(), v);
        }
    }
    let w: Wrapping = read(wrapping.into())?;
    let kinds: Vec<_> = Kind::ALL.iter().map(|k| k.name()).collect();
    let kind = match map.remove("kind") {
        Some(serde_json::Value::String(k)) if Kind::parse(&k).is_some() => k,
        Some(other) => return Err(Problem::field("kind", format!("unknown variant {other}; one of {}", kinds.join(", ")))),
        None => return Err(Problem::field("kind", format!("is missing; one of {}", kinds.join(", ")))),
    };
    // The kind around the fields: so an error's path leads to the field.
    let around = serde_json::Map::from_iter([(kind.clone(), map.into())]);
    let intent = read(around.into()).map_err(|p| match p {
        Problem::Invalid(fields) => Problem::Invalid(
            fields
                .into_iter()
                .map(|f| crate::domain::problem::FieldError { field: f.field.strip_prefix(&format!("{kind}.")).unwrap_or(&f.field).to_owned(), ..f })
                .collect(),
        ),
        other => other,
    })?;
    Ok(Request { intent, reason: w.reason, on_busy: w.on_busy, key, read: None, settles: None })
}

/// Plans a change without effect: plan, diff, preflight.
#[utoipa::path(post, path = "/api/v1/apps/{app}/environments/{env}/changes/preview", params(("app" = String, Path), ("env" = String, Path)), request_body = ChangeRequest,
    responses((status = 200, body = PlanView), (status = 409, body = Document), (status = 422, body = Document), (status = 503, body = Document)))]
pub async fn preview(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((app, env)): Path<(String, String)>,
    Body(body): Body<serde_json::Value>,
) -> Result<Json<PlanView>, ApiError> {
    let env = site.app.visible(&actor, &app, &env).await?;
    let wanted = request(body, None)?;
    let plan = Box::pin(site.app.preview_change(&actor, &env, &wanted.intent)).await?;
    Ok(Json(PlanView::of(&plan)))
}

/// Asks for a change. `Idempotency-Key` makes a repetition harmless.
#[utoipa::path(post, path = "/api/v1/apps/{app}/environments/{env}/changes", params(("app" = String, Path), ("env" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = ChangeRequest,
    responses((status = 202, body = ChangeView), (status = 403, body = Document), (status = 409, body = Document), (status = 422, body = Document), (status = 503, body = Document)))]
pub async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((app, env)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<serde_json::Value>,
) -> Result<Response, ApiError> {
    let env = site.app.visible(&actor, &app, &env).await?;
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(v) => Some(v.to_str().map_err(|_| Problem::field("Idempotency-Key", "must be 1 to 200 printable characters"))?.to_owned()),
    };
    let change = Box::pin(site.app.request_change(&actor, &env, request(body, key)?)).await?;
    let location = format!("/api/v1/changes/{}", change.number);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(view(&site, change).await?)).into_response())
}

/// Filters of the list of changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Application.
    app: Option<String>,
    /// Environment.
    env: Option<String>,
    /// Kind.
    kind: Option<String>,
    /// State.
    state: Option<String>,
    /// Who asked.
    by: Option<String>,
    /// Asked not before.
    from: Option<String>,
    /// Asked before.
    until: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Changes, newest first.
#[utoipa::path(get, path = "/api/v1/changes", params(Search), responses((status = 200, body = Page<ChangeRow>), (status = 422, body = Document)))]
pub async fn list(State(site): State<Site>, Caller(actor): Caller, Query(q): Query<Search>) -> Result<Json<Page<ChangeRow>>, ApiError> {
    let states = match &q.state {
        None => Vec::new(),
        Some(s) => vec![ChangeState::parse(s).ok_or_else(|| Problem::field("state", format!("`{s}` is no state of a change")))?],
    };
    if let Some(kind) = &q.kind {
        Kind::parse(kind).ok_or_else(|| Problem::field("kind", format!("`{kind}` is no kind of change")))?;
    }
    let filter = Filter {
        app: q.app,
        env: q.env,
        kind: q.kind,
        states,
        by: q.by,
        from: time("from", q.from.as_deref())?,
        until: time("until", q.until.as_deref())?,
        below: cursor(q.cursor.as_deref())?,
        scopes: actor.scopes(),
    };
    let page = Page::of(site.app.store.list_changes(&filter, PAGE + 1).await?, |c| c.number);
    let items = page
        .items
        .into_iter()
        .map(|c| ChangeRow {
            number: c.number,
            app: c.app,
            env: c.env_name,
            kind: c.kind,
            state: c.state,
            sentence: c.sentence,
            requested_by: c.requested_by,
            release: c.release,
            plan_hash: c.plan_hash,
            created_at: written(c.created_at),
            finished_at: c.finished_at.map(written),
        })
        .collect();
    Ok(Json(Page { items, next: page.next }))
}

/// A change that the caller may see, with its environment.
async fn visible(site: &Site, actor: &Actor, number: i64) -> Result<(Change, Environment), Problem> {
    let none = || Problem::NotFound(format!("There is no change #{number} that you may see."));
    let change = site.app.store.find_change(number).await?.ok_or_else(none)?;
    decide(actor, &Act::View, &On::Environment(&change.scope()), &Facts::default()).map_err(|_| none())?;
    let env = site.app.store.get_environment(change.env).await?;
    Ok((change, env))
}

/// One change.
#[utoipa::path(get, path = "/api/v1/changes/{number}", params(("number" = i64, Path)), responses((status = 200, body = ChangeView), (status = 404, body = Document)))]
pub async fn show(State(site): State<Site>, Caller(actor): Caller, Path(number): Path<i64>) -> Result<Json<ChangeView>, ApiError> {
    let (change, _) = visible(&site, &actor, number).await?;
    Ok(Json(view(&site, change).await?))
}

/// The plan that the approver saw.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// `plan_hash` of the change as it was read.
    plan_hash: String,
    /// In words.
    comment: Option<String>,
}

/// Approves a change. Never by its requester, and never by a token.
#[utoipa::path(post, path = "/api/v1/changes/{number}/approve", params(("number" = i64, Path)), request_body = Approve, responses((status = 200, body = ChangeView), (status = 403, body = Document), (status = 409, body = Document)))]
pub async fn approve(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(number): Path<i64>,
    Body(body): Body<Approve>,
) -> Result<Json<ChangeView>, ApiError> {
    let (_, env) = visible(&site, &actor, number).await?;
    let change = site.app.approve_change(&actor, &env, number, &body.plan_hash, body.comment).await?;
    Ok(Json(view(&site, change).await?))
}

/// Rejects a change.
#[utoipa::path(post, path = "/api/v1/changes/{number}/reject", params(("number" = i64, Path)), request_body = Reason, responses((status = 200, body = ChangeView), (status = 403, body = Document), (status = 409, body = Document)))]
pub async fn reject(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(number): Path<i64>,
    Body(body): Body<Reason>,
) -> Result<Json<ChangeView>, ApiError> {
    let (_, env) = visible(&site, &actor, number).await?;
    let change = site.app.reject_change(&actor, &env, number, body.reason).await?;
    Ok(Json(view(&site, change).await?))
}

/// How to cancel.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// `stop` leaves it where it is, `undo` takes it back.
    mode: CancelMode,
    /// Why, in words.
    reason: Option<String>,
}

/// Cancels a change, or takes back what runs.
#[utoipa::path(post, path = "/api/v1/changes/{number}/cancel", params(("number" = i64, Path)), request_body = Cancel, responses((status = 202, body = ChangeView), (status = 403, body = Document), (status = 409, body = Document)))]
pub async fn cancel(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(number): Path<i64>,
    Body(body): Body<Cancel>,
) -> Result<(StatusCode, Json<ChangeView>), ApiError> {
    let (_, env) = visible(&site, &actor, number).await?;
    let change = site.app.cancel_change(&actor, &env, number, body.mode, body.reason).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&site, change).await?)))
}

/// Ends a change by hand. Admins only.
#[utoipa::path(post, path = "/api/v1/changes/{number}/force-close", params(("number" = i64, Path)), request_body = Reason, responses((status = 200, body = ChangeView), (status = 403, body = Document), (status = 409, body = Document)))]
pub async fn force_close(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(number): Path<i64>,
    Body(body): Body<Reason>,
) -> Result<Json<ChangeView>, ApiError> {
    let (_, env) = visible(&site, &actor, number).await?;
    let change = site.app.force_close(&actor, &env, number, body.reason).await?;
    Ok(Json(view(&site, change).await?))
}

/// A stream's reader is checked at least this often.
const RECHECK: std::time::Duration = std::time::Duration::from_secs(1);

/// Where a list of events goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Id of the last event that was read.
    since: Option<i64>,
}

/// What happened to a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EventView {
    /// Id on the stream.
    id: i64,
    /// When.
    at: String,
    /// `change-7`.
    topic: String,
    /// The change.
    change: Option<i64>,
    /// One sentence.
    sentence: Option<String>,
}

impl From<Event> for EventView {
    fn from(e: Event) -> Self {
        Self { id: e.id, at: written(e.at), topic: e.topic, change: e.change, sentence: e.sentence }
    }
}

/// Events of a change, oldest first: JSON, or a stream for `Accept: text/event-stream`, resumed by `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v1/changes/{number}/events", params(("number" = i64, Path), Since), responses((status = 200, body = Page<EventView>), (status = 404, body = Document)))]
pub async fn events(
    State(site): State<Site>,
    Caller(actor): Caller,
    proof: Proof,
    Path(number): Path<i64>,
    Query(q): Query<Since>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    visible(&site, &actor, number).await?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).or(q.since).unwrap_or(0);
    let streams = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|a| a.contains("text/event-stream"));
    if !streams {
        let page = Page::of(site.app.store.list_events(number, last, PAGE + 1).await?, |e| e.id);
        return Ok(Json(Page { items: page.items.into_iter().map(EventView::from).collect(), next: page.next }).into_response());
    }
    let (out, stream) = tokio::sync::mpsc::channel::<Result<SseEvent, Infallible>>(8);
    let (origin, stop) = (actor.origin.clone(), site.stop.clone());
    let follow = async move {
        let mut woken = site.app.store.woken();
        let mut after = last;
        loop {
            woken.borrow_and_update();
            // Rights are read anew: a stream must not outlive them.
            let still = match proof.look(&site, origin.clone()).await {
                Ok(actor) => visible(&site, &actor, number).await.is_ok(),
                Err(_) => false,
            };
            if !still {
                return;
            }
            let Ok(rows) = site.app.store.list_events(number, after, PAGE).await else { return };
            let full = i64::try_from(rows.len()).is_ok_and(|n| n >= PAGE);
            for e in rows {
                after = e.id;
                let e = EventView::from(e);
                let Ok(event) = SseEvent::default().id(e.id.to_string()).event(e.topic.clone()).json_data(&e) else { return };
                if out.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            if full {
                continue;
            }
            tokio::select! {
                () = out.closed() => return,
                // Rights may be taken by another process, which wakes nobody here.
                () = tokio::time::sleep(RECHECK) => {}
                changed = woken.changed() => if changed.is_err() { return },
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the stop token or with its reader")]
    tokio::spawn(async move { stop.run_until_cancelled(follow).await });
    Ok(Sse::new(ReceiverStream::new(stream)).keep_alive(KeepAlive::default()).into_response())
}
