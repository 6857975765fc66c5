//! `/audit`: the trail by filter, one entry with what was before and after, and the recomputation of the chain.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::page::{Frame, Visit, page};
use super::words::{self, Wrong};
use crate::domain::access::{Act, EVERYWHERE, Facts, On, decide};
use crate::domain::audit::Entry;
use crate::domain::problem::{FieldError, Problem};
use crate::store::NewEntry;
use crate::store::audit::Filter;

/// Entries on one page.
const ROWS: i64 = 100;
const DAY_MS: i64 = 86_400_000;

/// The filters, as they stand in the address.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Search {
    #[serde(skip_serializing_if = "String::is_empty")]
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    target: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    change: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    result: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    until: String,
    /// Only entries below this number.
    #[serde(skip_serializing_if = "String::is_empty")]
    below: String,
}

/// Actions to filter by: the prefix and its words.
const ACTIONS: [(&str, &str); 9] = [
    ("change.request*", "Asking for a change"),
    ("change.approve", "Approving"),
    ("change.reject", "Rejecting"),
    ("change.*", "All about changes"),
    ("aws.*", "Calls to AWS"),
    ("account.*", "Signing in, passwords, sessions"),
    ("person.*", "People and roles"),
    ("token.*", "API tokens"),
    ("request.refused", "Refused requests"),
];
/// Results to filter by.
const RESULTS: [(&str, &str); 5] = [("done", "Done"), ("refused", "Refused"), ("failed", "Failed"), ("unknown", "Unknown"), ("intended", "Intended")];

impl Search {
    fn filter(&self, visit: &Visit) -> Result<Filter, Problem> {
        let mut bad = Vec::new();
        let text = |s: &str| Some(s.trim().to_owned()).filter(|s| !s.is_empty());
        let mut number = |field: &str, s: &str| {
            let s = s.trim().trim_start_matches('#');
            let n = s.parse().ok();
            if n.is_none() && !s.is_empty() {
                bad.push(FieldError::new(field, format!("must be a number, not `{s}`")));
            }
            n
        };
        let (change, below) = (number("change", &self.change), number("below", &self.below));
        let mut day = |field: &str, s: &str| {
            let at = text(s).map(|s| format!("{s}T00:00:00Z").parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond));
            match at {
                Some(Err(_)) => {
                    bad.push(FieldError::new(field, "must be a date such as 2026-03-01"));
                    None
                }
                Some(Ok(at)) => Some(at),
                None => None,
            }
        };
        let (from, until) = (day("from", &self.from), day("until", &self.until).map(|d| d + DAY_MS));
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            bad.push(FieldError::new("until", "lies before the first day"));
        }
        if !bad.is_empty() {
            return Err(Problem::Invalid(bad));
        }
        let (actor, action, target, result) = (text(&self.actor), text(&self.action), text(&self.target), text(&self.result));
        Ok(Filter { actor, action, target, change, result, from, until, below, scopes: visit.scopes() })
    }

    fn query(&self, below: Option<i64>) -> String {
        let q = Self { below: below.map(|b| b.to_string()).unwrap_or_default(), ..self.clone() };
        serde_html_form::to_string(&q).unwrap_or_default()
    }

    /// The same filter for the export of the API: there `until` is exclusive.
    fn export(&self, filter: &Filter, format: &str) -> String {
        let until = filter.until.and_then(|u| jiff::Timestamp::from_millisecond(u).ok()).map(|t| t.to_string()).unwrap_or_default();
        let change = filter.change.map(|n| n.to_string()).unwrap_or_default();
        let q = Self { until, change, ..self.clone() };
        format!("/api/v1/audit/export?format={format}&{}", q.query(None))
    }
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct ListPage {
    frame: Frame,
    q: Search,
    rows: Vec<Entry>,
    older: Option<String>,
    filtered: bool,
    exports: Option<[(&'static str, String); 2]>,
    targets: Vec<String>,
    may_verify: bool,
    /// What recomputing the chain said.
    verdict: Option<Result<String, String>>,
    wrong: Option<Wrong>,
}

impl ListPage {
    fn actions(&self) -> [(&'static str, &'static str, bool); 9] {
        ACTIONS.map(|(v, w)| (v, w, self.q.action == v))
    }
    fn results(&self) -> [(&'static str, &'static str, bool); 5] {
        RESULTS.map(|(v, w)| (v, w, self.q.result == v))
    }
    /// An action that the list does not offer, from an address.
    fn other_action(&self) -> Option<&str> {
        Some(self.q.action.as_str()).filter(|a| !a.is_empty() && !ACTIONS.iter().any(|(v, _)| v == a))
    }
    fn other_target(&self) -> Option<&str> {
        Some(self.q.target.as_str()).filter(|t| !t.is_empty() && !self.targets.iter().any(|k| k == t))
    }
}

async fn list_page(visit: &Visit, q: Search, verdict: Option<Result<String, String>>) -> Result<(ListPage, Option<Problem>), Problem> {
    let store = &visit.site.app.store;
    let (filter, problem) = match q.filter(visit) {
        Ok(f) => (Some(f), None),
        Err(p) => (None, Some(p)),
    };
    let mut rows = match &filter {
        Some(f) => store.list_audit(f, ROWS + 1).await?,
        None => Vec::new(),
    };
    let more = rows.len() > usize::try_from(ROWS).unwrap_or(100);
    rows.truncate(usize::try_from(ROWS).unwrap_or(100));
    let mut targets: Vec<String> =
        store.list_environments().await?.iter().map(crate::domain::environment::Environment::scope).filter(|s| visit.actor.sees(s)).collect();
    targets.push(EVERYWHERE.into());
    let page = ListPage {
        frame: visit.frame("Audit", "audit").await?,
        older: rows.last().filter(|_| more).map(|e| q.query(Some(e.seq))),
        filtered: !q.query(None).is_empty(),
        exports: filter.as_ref().map(|f| [("CSV", q.export(f, "csv")), ("NDJSON", q.export(f, "ndjson"))]),
        may_verify: visit.actor.scopes().is_none(),
        wrong: problem.as_ref().map(Wrong::of),
        verdict,
        targets,
        rows,
        q,
    };
    Ok((page, problem))
}

/// `GET /audit`.
pub async fn list(visit: Visit, Query(q): Query<Search>) -> Result<Response, ApiError> {
    let (shown, problem) = list_page(&visit, q, None).await?;
    match problem {
        Some(p) => super::page::again(p, &shown),
        None => page(&shown),
    }
}

/// `POST /audit/verify`: recomputes the whole chain.
pub async fn verify(visit: Visit) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let permit = decide(&visit.actor, &Act::VerifyAudit, &On::Everything, &Facts::default())?;
    let verdict = match app.store.verify_audit().await? {
        Ok((seq, head)) => Ok(format!("All {seq} entries were recomputed, and the chain holds. Its head is {head}.")),
        Err(why) => Err(why),
    };
    let entry = NewEntry::done().result(if verdict.is_ok() { "done" } else { "failed" });
    app.record(&permit, entry.reason(Some(verdict.clone().unwrap_or_else(|why| why)))).await?;
    let (shown, _) = list_page(&visit, Search::default(), Some(verdict)).await?;
    page(&shown)
}

/// One field that an entry tells of.
struct Field {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "audit/show.html")]
struct ShowPage {
    frame: Frame,
    e: Entry,
    fields: Vec<Field>,
    earlier: Option<Entry>,
    later: Option<Entry>,
}

fn flat(text: Option<&str>) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &serde_json::Value, out: &mut BTreeMap<String, String>) {
        let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::Object(map) => map.iter().for_each(|(k, v)| walk(&join(k), v, out)),
            serde_json::Value::Array(list) if list.iter().any(|v| v.is_object() || v.is_array()) => {
                list.iter().enumerate().for_each(|(i, v)| walk(&join(&(i + 1).to_string()), v, out));
            }
            serde_json::Value::Array(list) => {
                let words: Vec<String> = list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                out.insert(path.to_owned(), words.join(", "));
            }
            serde_json::Value::String(s) => {
                out.insert(path.to_owned(), s.clone());
            }
            other => {
                out.insert(path.to_owned(), other.to_string());
            }
        }
    }
    let mut out = BTreeMap::new();
    if let Some(text) = text {
        match serde_json::from_str(text) {
            Ok(value) => walk("", &value, &mut out),
            Err(_) => {
                out.insert("value".into(), text.to_owned());
            }
        }
    }
    out
}

fn fields(e: &Entry) -> Vec<Field> {
    let (before, after) = (flat(e.before.as_deref()), flat(e.after.as_deref()));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().map(|n| Field { name: n.clone(), before: before.get(n).cloned(), after: after.get(n).cloned() }).collect()
}

/// `GET /audit/{seq}`.
pub async fn show(visit: Visit, Path(seq): Path<i64>) -> Result<Response, ApiError> {
    let store = &visit.site.app.store;
    let scopes = visit.scopes();
    let found = store.find_audit(seq).await?.filter(|e| scopes.as_ref().is_none_or(|s| s.contains(&e.target)));
    let e = found.ok_or_else(|| Problem::NotFound(format!("There is no entry {seq} that you may see.")))?;
    let same = Filter { target: Some(e.target.clone()), ..Filter::default() };
    let earlier = store.list_audit(&Filter { below: Some(seq), ..same.clone() }, 1).await?.pop();
    let later = store.page_audit(&same, seq, 1).await?.pop();
    page(&ShowPage {
        frame: visit.frame(format!("Entry {seq}: {}", words::action(&e.action)), "audit").await?,
        fields: fields(&e),
        earlier,
        later,
        e,
    })
}

#[cfg(test)]
mod tests {
    use super::flat;

    #[test]
    fn nested_values_become_fields_with_paths() {
        let out = flat(Some(r#"{"a":{"b":[1,2]},"c":null,"d":[{"e":true}]}"#));
        assert_eq!(out.into_iter().collect::<Vec<_>>(), [("a.b".to_owned(), "1, 2".to_owned()), ("d.1.e".to_owned(), "true".to_owned())]);
        assert_eq!(flat(Some("no json"))["value"], "no json");
    }
}
