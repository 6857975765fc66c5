//! `/apps/{app}/{env}/capacity`: min, desired and max, with a ruler, rails and the way back.
//!
//! The page plans on the local copy, so that looking asks nothing of AWS; applying plans anew on a fresh read.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::deploy::{askable, key, new_key};
use super::draw::{self, Ruler};
use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{Moment, Wrong};
use crate::app::changes::{OnBusy, Request};
use crate::app::overview::Overview;
use crate::domain::change::{Capacity, Intent, Kind, State};
use crate::domain::environment::Environment;
use crate::domain::plan::{self, Plan};
use crate::domain::problem::{FieldError, Problem};
use crate::store::changes::Filter;

/// The form, as posted and as it may stand in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    min: String,
    desired: String,
    max: String,
    base_min: String,
    base_desired: String,
    base_max: String,
    reason: String,
    on_busy: String,
    key: String,
    /// `apply`, `keep`, `preview`, or `min+1` and the like, for those without JavaScript.
    act: String,
}

impl Form {
    /// A figure as typed, and what it was when the page was made.
    fn figure(&mut self, name: &str) -> (&mut String, &mut String) {
        match name {
            "min" => (&mut self.min, &mut self.base_min),
            "desired" => (&mut self.desired, &mut self.base_desired),
            _ => (&mut self.max, &mut self.base_max),
        }
    }
    /// What the form sends of the three figures, for a copy of it.
    fn hidden(&self) -> [(&'static str, &str); 8] {
        [
            ("min", &self.min),
            ("desired", &self.desired),
            ("max", &self.max),
            ("base_min", &self.base_min),
            ("base_desired", &self.base_desired),
            ("base_max", &self.base_max),
            ("reason", &self.reason),
            ("on_busy", &self.on_busy),
        ]
    }
}

/// The three figures: name and title.
const FIGURES: [(&str, &str); 3] = [("min", "Minimum"), ("desired", "Desired"), ("max", "Maximum")];

/// What a person typed, as a number.
fn number(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

/// An edited figure that moved while the form was open.
struct Moved {
    name: &'static str,
    title: &'static str,
    base: i64,
    now: i64,
    wish: i64,
}

/// What moved, and the two forms that settle it without typing again.
struct Clash {
    rows: Vec<Moved>,
    /// What was typed, over the figures as they are now.
    set: Form,
    set_key: String,
    /// The same with AWS's figures in place of those that moved.
    keep: Form,
    keep_key: String,
    /// Edited figures that did not move, in words; they go with either form.
    others: String,
}

impl Clash {
    /// `form` loses what is stale: what was typed stays, the base becomes what is now, and what was not edited is shown as it is now.
    fn of(wrong: &mut Wrong, form: &mut Form, now: Capacity) -> Option<Self> {
        let mut rows = Vec::new();
        let mut others = Vec::new();
        for ((name, title), present) in FIGURES.into_iter().zip([now.min, now.desired, now.max]) {
            let found = wrong.fields.iter_mut().find(|f| f.field == name && f.base.is_some());
            let (typed, base) = form.figure(name);
            if let Some((f, now)) = found.and_then(|f| f.now.map(|now| (f, now))) {
                let (was, wish) = (f.base.unwrap_or(now), typed.trim().parse().unwrap_or(now));
                f.message = format!("was {was} when you looked, is now {now}; you asked for {wish}");
                *base = now.to_string();
                rows.push(Moved { name, title, base: was, now, wish });
            } else if typed.trim() == base.trim() || number(typed).is_some() && number(typed) == number(base) {
                (*typed, *base) = (present.to_string(), present.to_string());
            } else {
                others.push(format!("{} {}", title.to_lowercase(), number(typed).map_or_else(|| typed.trim().to_owned(), |n| n.to_string())));
            }
        }
        if rows.is_empty() {
            return None;
        }
        let mut keep = form.clone();
        for row in &rows {
            *keep.figure(row.name).0 = row.now.to_string();
        }
        Some(Self { set: form.clone(), set_key: new_key(), keep, keep_key: new_key(), others: others.join(" and "), rows })
    }
    /// The button that sends what was typed; none where AWS has it already.
    fn set_label(&self) -> Option<String> {
        let apart: Vec<&Moved> = self.rows.iter().filter(|r| r.wish != r.now).collect();
        match apart.as_slice() {
            [] => None,
            [one] => Some(format!("Set {} {} anyway", one.title.to_lowercase(), one.wish)),
            [first @ .., last] => {
                let first: Vec<String> = first.iter().map(|r| r.wish.to_string()).collect();
                Some(format!("Set {} and {} anyway", first.join(", "), last.wish))
            }
        }
    }
    /// The button that leaves what moved as it is.
    fn keep_label(&self) -> String {
        match self.rows.as_slice() {
            [one] => format!("Keep {}", one.now),
            _ => "Keep AWS’s figures".into(),
        }
    }
}

/// A figure of the form.
struct Field {
    name: &'static str,
    title: &'static str,
    value: String,
    now: i32,
    base: i32,
}

#[derive(Template)]
#[template(path = "environments/capacity.html")]
struct Page {
    frame: Frame,
    o: Overview,
    form: Form,
    key: String,
    fields: Vec<Field>,
    now: Option<Capacity>,
    ruler: Option<Ruler>,
    then: Option<Capacity>,
    /// Plan on the local copy, where the figures allow one.
    plan: Option<Plan>,
    /// What the preview finds wrong; the summary at the top is for what was sent.
    amiss: Vec<FieldError>,
    asks: bool,
    busy: Option<(i64, String)>,
    before: Vec<(Capacity, Moment, String, i64)>,
    clash: Option<Clash>,
    wrong: Option<Wrong>,
}

fn parse(field: &str, text: &str, bad: &mut Vec<FieldError>) -> Option<i32> {
    let text = text.trim();
    match text.parse::<i32>() {
        Ok(n) => Some(n),
        Err(_) if text.is_empty() => {
            bad.push(FieldError::new(field, "write a whole number"));
            None
        }
        Err(_) => {
            bad.push(FieldError::new(field, format!("must be a whole number, not `{}`", text.chars().take(40).collect::<String>())));
            None
        }
    }
}

/// The edited figures over what the page was based on. Only what a person changed is asked for.
fn intent(form: &Form, now: Capacity) -> Result<Option<Intent>, Vec<FieldError>> {
    let mut bad = Vec::new();
    let new = [parse("min", &form.min, &mut bad), parse("desired", &form.desired, &mut bad), parse("max", &form.max, &mut bad)];
    if !bad.is_empty() {
        return Err(bad);
    }
    let base = base(form, now);
    let edited = |new: Option<i32>, old: i32| new.filter(|n| *n != old);
    let (min, desired, max) = (edited(new[0], base.min), edited(new[1], base.desired), edited(new[2], base.max));
    Ok((min.is_some() || desired.is_some() || max.is_some()).then_some(Intent::Capacity { min, desired, max, base }))
}

fn base(form: &Form, now: Capacity) -> Capacity {
    Capacity {
        min: form.base_min.parse().unwrap_or(now.min),
        desired: form.base_desired.parse().unwrap_or(now.desired),
        max: form.base_max.parse().unwrap_or(now.max),
    }
}

async fn show_form(visit: &Visit, env: Environment, mut form: Form, mut wrong: Option<Wrong>) -> Result<Page, Problem> {
    let app = &visit.site.app;
    let o = app.overview(env).await?;
    let now = o.capacity();
    let mut fields = Vec::new();
    let (mut plan, mut amiss, mut then, mut asks, mut busy, mut clash) = (None, Vec::new(), None, false, None, None);
    if let (Some(now), Some(obs)) = (now, o.obs()) {
        clash = wrong.as_mut().and_then(|w| Clash::of(w, &mut form, now));
        let base = base(&form, now);
        let fill = |text: &mut String, n: i32| {
            if text.is_empty() {
                *text = n.to_string();
            }
        };
        fill(&mut form.min, base.min);
        fill(&mut form.desired, base.desired);
        fill(&mut form.max, base.max);
        match intent(&form, now) {
            Ok(Some(intent)) => {
                asks = app.asks_for_approval(&o.env, &intent);
                busy = o.open.iter().find(|c| c.lane == intent.lane()).map(|c| (c.number, c.sentence.clone()));
                match plan::plan(&intent, &o.env, &plan::Facts::default(), obs) {
                    Ok(p) => {
                        amiss = p.refusals();
                        plan = Some(p);
                    }
                    Err(Problem::Invalid(fields) | Problem::Conflict { fields, .. }) => amiss = fields,
                    Err(_) => {}
                }
            }
            Ok(None) => {}
            Err(bad) => amiss = bad,
        }
        if let (Ok(min), Ok(desired), Ok(max)) = (form.min.trim().parse(), form.desired.trim().parse(), form.max.trim().parse()) {
            then = Some(Capacity { min, desired, max });
        }
        for ((name, title), (now, base)) in FIGURES.into_iter().zip([(now.min, base.min), (now.desired, base.desired), (now.max, base.max)]) {
            fields.push(Field { name, title, value: form.figure(name).0.clone(), now, base });
        }
    }
    let past = Filter {
        app: Some(o.env.app.clone()),
        env: Some(o.env.name.clone()),
        kind: Some(Kind::Capacity.name().into()),
        states: vec![State::Succeeded],
        ..Filter::default()
    };
    let mut before: Vec<(Capacity, Moment, String, i64)> = Vec::new();
    for c in app.store.list_changes(&past, 10).await? {
        if Some(c.plan.seen) != now && !before.iter().any(|(seen, ..)| *seen == c.plan.seen) {
            before.push((c.plan.seen, Moment(c.created_at), c.requested_by, c.number));
        }
    }
    let p = &o.env.policy;
    Ok(Page {
        frame: visit.frame(format!("Capacity of {}", o.env.scope()), "apps").await?.protected(o.env.protected),
        ruler: now.map(|n| draw::ruler(n, then.unwrap_or(n), p.min_floor, p.max_ceiling)),
        key: new_key(),
        form,
        fields,
        now,
        then,
        plan,
        amiss,
        asks,
        busy,
        before,
        clash,
        wrong,
        o,
    })
}

/// `GET /apps/{app}/{env}/capacity`: the form, with whatever figures the address holds.
pub async fn show(visit: Visit, Path((app, env)): Path<(String, String)>, Query(mut form): Query<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &env, Kind::Capacity).await?;
    for (name, text) in [("min", &mut form.min), ("desired", &mut form.desired), ("max", &mut form.max)] {
        let by = match form.act.strip_prefix(name) {
            Some("+1") => 1,
            Some("-1") => -1,
            _ => continue,
        };
        *text = text.trim().parse::<i32>().map_or_else(|_| text.clone(), |n| n.saturating_add(by).max(0).to_string());
    }
    page(&show_form(&visit, env, form, None).await?)
}

/// `POST /apps/{app}/{env}/capacity`.
pub async fn create(visit: Visit, Path((app, name)): Path<(String, String)>, axum::Form(form): axum::Form<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &name, Kind::Capacity).await?;
    let now = visit.site.app.overview(env.clone()).await?.capacity();
    let intent = match now {
        None => Err(Problem::Unavailable("AWS has not been asked for this group yet. Try again in a moment.".into(), 10)),
        Some(now) => match intent(&form, now) {
            Ok(Some(intent)) => Ok(intent),
            // AWS's figures were kept and nothing else was edited.
            Ok(None) if form.act == "keep" => return Ok(go(&format!("/apps/{}", env.scope()))),
            Ok(None) => Err(Problem::field("desired", "these are the present figures; change at least one")),
            Err(bad) => Err(Problem::Invalid(bad)),
        },
    };
    let asked = match intent {
        Ok(intent) => {
            let request = Request {
                intent,
                reason: Some(form.reason.trim().to_owned()).filter(|r| !r.is_empty()),
                on_busy: if form.on_busy == "wait" { OnBusy::Wait } else { OnBusy::Refuse },
                key: Some(key(&form.key)),
                read: None,
                settles: None,
            };
            Box::pin(visit.site.app.request_change(&visit.actor, &env, request)).await
        }
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(change) => Ok(go(&format!("/deployments/{}", change.number))),
        Err(problem @ (Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..))) => {
            let shown = show_form(&visit, env, form, Some(Wrong::of(&problem))).await?;
            again(problem, &shown)
        }
        Err(other) => Err(ApiError(other)),
    }
}
