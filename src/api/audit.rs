//! The audit trail: list and export.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::{PAGE, Page, cursor, time, written};
use crate::domain::access::{Actor, Permit};
use crate::domain::audit::Entry;
use crate::domain::problem::Problem;
use crate::store::audit::Filter;
use crate::web::Site;
use crate::web::error::{ApiError, Document};
use crate::web::session::Caller;

/// Filters of the trail.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Exactly this actor.
    actor: Option<String>,
    /// Exactly this action; `change.*` for all that begin so.
    action: Option<String>,
    /// Exactly this target, `app/env`.
    target: Option<String>,
    /// This change.
    change: Option<i64>,
    /// Exactly this result: `done`, `refused`, `intended`, `failed`, `unknown`.
    result: Option<String>,
    /// Not before.
    from: Option<String>,
    /// Before.
    until: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// `csv` or `ndjson`, for the export.
    format: Option<String>,
}

fn filter(actor: &Actor, q: &Search) -> Result<Filter, Problem> {
    Ok(Filter {
        actor: q.actor.clone(),
        action: q.action.clone(),
        target: q.target.clone(),
        change: q.change,
        result: q.result.clone(),
        from: time("from", q.from.as_deref())?,
        until: time("until", q.until.as_deref())?,
        below: cursor(q.cursor.as_deref())?,
        scopes: actor.scopes(),
    })
}

/// Entries that the caller may see, newest first.
#[utoipa::path(get, path = "/api/v1/audit", params(Search), responses((status = 200, body = Page<Entry>), (status = 422, body = Document)))]
pub async fn list(State(site): State<Site>, Caller(actor): Caller, Query(q): Query<Search>) -> Result<Json<Page<Entry>>, ApiError> {
    let rows = site.app.store.list_audit(&filter(&actor, &q)?, PAGE + 1).await?;
    Ok(Json(Page::of(rows, |e| e.seq)))
}

const COLUMNS: &str = "seq,at,actor,actor_kind,action,target,change,result,before,after,reason,address,request,aws_request,previous,hash\r\n";

/// The same entries, oldest first, as a stream of CSV or NDJSON. The export is itself an entry.
#[utoipa::path(get, path = "/api/v1/audit/export", params(Search), responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 422, body = Document)))]
pub async fn export(State(site): State<Site>, Caller(actor): Caller, Query(q): Query<Search>) -> Result<Response, ApiError> {
    let csv = match q.format.as_deref() {
        Some("csv") => true,
        None | Some("ndjson") => false,
        Some(other) => return Err(ApiError(Problem::field("format", format!("`{other}` is no format; use csv or ndjson")))),
    };
    let filter = filter(&actor, &q)?;
    let permit = Permit::witness(&actor, "audit.export", "*");
    let entry = crate::store::NewEntry::done().after(&json!({"format": if csv { "csv" } else { "ndjson" }, "actor": q.actor, "action": q.action, "target": q.target, "change": q.change, "result": q.result, "from": q.from, "until": q.until}));
    site.app.record(&permit, entry).await?;
    let (out, lines) = tokio::sync::mpsc::channel::<String>(4);
    let produce = async move {
        if csv && out.send(COLUMNS.into()).await.is_err() {
            return;
        }
        let mut after = 0;
        loop {
            let Ok(rows) = site.app.store.page_audit(&filter, after, 500).await else {
                // A broken stream must not look like a whole one.
                let _ = out.send("EXPORT INCOMPLETE: the database failed\n".into()).await;
                return;
            };
            let Some(last) = rows.last() else { return };
            after = last.seq;
            let text: String = rows.iter().map(|e| if csv { csv_line(e) } else { format!("{}\n", json!(e)) }).collect();
            if out.send(text).await.is_err() {
                return;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with its reader")]
    tokio::spawn(produce);
    let body = HttpBody::from_stream(ReceiverStream::new(lines).map(Ok::<_, std::convert::Infallible>));
    let (kind, name) = if csv { ("text/csv; charset=utf-8", "audit.csv") } else { ("application/x-ndjson", "audit.ndjson") };
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(|e| Problem::Internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}

fn csv_line(e: &Entry) -> String {
    let text = |s: &Option<String>| s.clone().unwrap_or_default();
    let cells = [
        e.seq.to_string(),
        written(e.at),
        e.actor.clone(),
        e.actor_kind.clone(),
        e.action.clone(),
        e.target.clone(),
        e.change.map(|n| n.to_string()).unwrap_or_default(),
        e.result.clone(),
        text(&e.before),
        text(&e.after),
        text(&e.reason),
        text(&e.address),
        text(&e.request),
        text(&e.aws_request),
        e.previous.clone(),
        e.hash.clone(),
    ];
    let mut line = cells.map(|c| cell(&c)).join(",");
    line.push_str("\r\n");
    line
}

/// A spreadsheet must not run what a person typed: a cell that begins like a formula gets a quote before it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_can_not_become_a_formula_or_a_second_cell() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("plain"), "plain");
    }
}
