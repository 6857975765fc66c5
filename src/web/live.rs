//! `GET /live`: what happened, by topic and event id. The browser then asks for its page again, so that rights and rendering
//! stay in one place.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_stream::wrappers::ReceiverStream;

use super::Site;
use super::error::ApiError;
use super::session::{Caller, Proof};
use crate::domain::access::Actor;
use crate::domain::problem::Problem;

/// A stream says that it lives at least this often; the page calls it lost after 15 s.
const BEAT: Duration = Duration::from_secs(5);
/// More events than this at once: the page is told to read everything again.
const MOST: i64 = 500;
/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// Where a stream begins.
#[derive(Debug, Deserialize)]
pub struct Begin {
    /// Id of the last event that the page has seen. `Last-Event-ID` wins.
    since: Option<i64>,
}

/// `GET /live`.
pub async fn stream(
    State(site): State<Site>,
    Caller(actor): Caller,
    proof: Proof,
    headers: HeaderMap,
    Query(begin): Query<Begin>,
) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let head = site.app.store.last_event().await?;
    // An id from the future is of another database: begin with what is.
    let after = last.or(begin.since).filter(|id| (0..=head).contains(id));
    let (out, events) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(8);
    #[expect(clippy::disallowed_methods, reason = "ends with its reader, or with the site")]
    tokio::spawn(async move {
        let stop = site.stop.clone();
        // Around all of it: a feed whose reader takes nothing must end too, so that the stream ends in order.
        stop.run_until_cancelled(feed(site, actor, proof, after, head, out)).await;
    });
    let mut response = Sse::new(ReceiverStream::new(events)).into_response();
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

type Out = tokio::sync::mpsc::Sender<Result<Event, Infallible>>;

async fn feed(site: Site, mut actor: Actor, proof: Proof, after: Option<i64>, head: i64, out: Out) {
    let mut woken = site.app.store.woken();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut scopes = HashMap::new();
    let mut at = after.unwrap_or(head);
    if after.is_none() && out.send(Ok(Event::default().event("reset").id(head.to_string()).data("[]").retry(RETRY))).await.is_err() {
        return;
    }
    loop {
        match news(&site, &actor, &mut scopes, at).await {
            Ok(News::None(seen)) => at = seen,
            Ok(News::Some(seen, topics)) => {
                at = seen;
                let data = serde_json::to_string(&topics).unwrap_or_default();
                if out.send(Ok(Event::default().event("news").id(at.to_string()).data(data).retry(RETRY))).await.is_err() {
                    return;
                }
            }
            Ok(News::TooMany(head)) => {
                at = head;
                if out.send(Ok(Event::default().event("reset").id(at.to_string()).data("[]"))).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be read for a stream");
                return;
            }
        }
        tokio::select! {
            () = out.closed() => return,
            changed = woken.changed() => if changed.is_err() { return },
            _ = beat.tick() => {
                // Rights are read anew: who is disabled, or whose session ended, hears nothing more.
                match proof.look(&site, actor.origin.clone()).await {
                    Ok(now) => actor = now,
                    Err((Problem::Unauthenticated(_), _)) => {
                        let _ = out.send(Ok(Event::default().event("over").data("[]"))).await;
                        return;
                    }
                    Err(_) => return,
                }
                if out.send(Ok(Event::default().event("beat").data("[]"))).await.is_err() {
                    return;
                }
            }
        }
    }
}

enum News {
    None(i64),
    Some(i64, BTreeSet<String>),
    TooMany(i64),
}

/// Topics of events above `after` that this actor may know of.
async fn news(site: &Site, actor: &Actor, scopes: &mut HashMap<i64, String>, after: i64) -> Result<News, Problem> {
    let rows = site.app.store.list_news(after, MOST + 1).await?;
    if i64::try_from(rows.len()).unwrap_or(0) > MOST {
        return Ok(News::TooMany(site.app.store.last_event().await?));
    }
    let Some(last) = rows.last().map(|e| e.id) else { return Ok(News::None(after)) };
    let mut topics = BTreeSet::new();
    for e in rows {
        let visible = match e.topic.split_once('-') {
            Some(("app", name)) => actor.sees_app(name),
            Some(("env", id)) => match id.parse() {
                Ok(id) => scope(site, scopes, id).await?.is_some_and(|s| actor.sees(&s)),
                Err(_) => false,
            },
            Some(("change", _)) => e.scope.is_some_and(|s| actor.sees(&s)),
            _ => false,
        };
        if visible {
            topics.insert(e.topic);
        }
    }
    Ok(if topics.is_empty() { News::None(last) } else { News::Some(last, topics) })
}

async fn scope(site: &Site, known: &mut HashMap<i64, String>, id: i64) -> Result<Option<String>, Problem> {
    if !known.contains_key(&id) {
        *known = site.app.store.list_environments().await?.into_iter().map(|e| (e.id, e.scope())).collect();
    }
    Ok(known.get(&id).cloned())
}
