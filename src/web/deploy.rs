//! `/apps/{app}/{env}/deploy`: choose an image and a pace, read the plan, start it or ask for approval.
//!
//! One address: choosing is a GET, reading the plan and starting it are POSTs, because both ask AWS.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::error::ApiError;
use super::page::{Frame, Visit, again, go, page};
use super::words::{self, Moment, Wrong};
use crate::app::changes::{OnBusy, Request};
use crate::app::overview::Overview;
use crate::app::releases::NewRelease;
use crate::domain::access::{Act, Facts, On, decide};
use crate::domain::change::{Intent, Kind};
use crate::domain::environment::Environment;
use crate::domain::plan::{Plan, Verdict};
use crate::domain::problem::{FieldError, Problem};
use crate::domain::strategy::{OnHold, OnStandby, Pace, SUSPENDABLE, StrategyChoice};

/// The form, as it is posted and as it may stand in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    /// `release:4`, `tag:v5`, `digest:sha256:…`, or `other`.
    image: String,
    /// A tag that the list does not hold yet.
    tag: String,
    pace: String,
    min_healthy: String,
    max_healthy: String,
    warmup_seconds: String,
    bake_seconds: String,
    checkpoints: String,
    checkpoint_delay_seconds: String,
    protected: String,
    standby: String,
    /// `yes` for each process that is suspended while it rolls.
    suspend_alarms: String,
    suspend_rebalance: String,
    suspend_schedules: String,
    reason: String,
    /// `wait`: queue behind what runs.
    on_busy: String,
    /// Template version when the page was shown.
    base: String,
    /// Hash of the plan that was read.
    plan_hash: String,
    /// Makes a second sending harmless.
    key: String,
    /// `review`, `edit` or `start`.
    act: String,
}

impl Form {
    /// Processes that can be suspended while it rolls: field, AWS's name, what it means, and whether it is chosen.
    fn processes(&self) -> [(&'static str, &'static str, &'static str, bool); 3] {
        let means = |name| match name {
            "AlarmNotification" => "Scaling policies hear no alarm: a spike meanwhile adds no instance.",
            "AZRebalance" => "AWS does not move instances between zones to even them out.",
            _ => "A scheduled change of capacity that falls due meanwhile does not happen, and is not made up for.",
        };
        let chosen = [
            ("suspend_alarms", &self.suspend_alarms),
            ("suspend_rebalance", &self.suspend_rebalance),
            ("suspend_schedules", &self.suspend_schedules),
        ];
        let mut names = SUSPENDABLE.into_iter();
        chosen.map(|(field, value)| {
            let name = names.next().unwrap_or_default();
            (field, name, means(name), value == "yes")
        })
    }
    /// Those that are chosen, as AWS calls them.
    fn suspend(&self) -> Vec<String> {
        self.processes().into_iter().filter(|(.., on)| *on).map(|(_, name, ..)| name.to_owned()).collect()
    }
}

/// One thing that can be deployed.
struct Choice {
    value: String,
    title: String,
    tags: String,
    digest: String,
    note: String,
    pushed: Option<Moment>,
    runs: bool,
    /// The deployment here by which it did not stay.
    bad: Option<i64>,
}

#[derive(Template)]
#[template(path = "environments/deploy.html")]
struct ChoosePage {
    frame: Frame,
    o: Overview,
    form: Form,
    choices: Vec<Choice>,
    chosen: String,
    images_at: Option<Moment>,
    wrong: Option<Wrong>,
}

impl ChoosePage {
    fn paces(&self) -> [(&'static str, String, &'static str, bool); 3] {
        let chosen = Pace::ALL.into_iter().find(|p| p.name() == self.form.pace).unwrap_or_default();
        Pace::ALL.map(|p| (p.name(), words::capital(p.name()), p.sentence(), p == chosen))
    }
    /// Options of a select: each with whether it is chosen.
    fn protected(&self) -> [(&'static str, bool); 3] {
        ["Wait", "Refresh", "Ignore"].map(|v| (v, v == self.form.protected))
    }
    fn standby(&self) -> [(&'static str, bool); 3] {
        ["Wait", "Terminate", "Ignore"].map(|v| (v, v == self.form.standby))
    }
    /// Name, field of the request, title, hint and value.
    fn settings(&self) -> [(&'static str, &'static str, &'static str, &'static str, &str); 6] {
        let f = &self.form;
        [
            ("min_healthy", "strategy.min_healthy", "Minimum healthy", "percent, 0 to 100", &f.min_healthy),
            ("max_healthy", "strategy.max_healthy", "Maximum healthy", "percent, 100 to 200", &f.max_healthy),
            ("warmup_seconds", "strategy.warmup_seconds", "Warmup", "seconds until an instance counts", &f.warmup_seconds),
            ("bake_seconds", "strategy.bake_seconds", "Bake", "seconds of watching at the end", &f.bake_seconds),
            ("checkpoints", "strategy.checkpoints", "Checkpoints", "percent, such as 20, 50, 100", &f.checkpoints),
            ("checkpoint_delay_seconds", "strategy.checkpoint_delay_seconds", "Checkpoint pause", "seconds", &f.checkpoint_delay_seconds),
        ]
    }
    fn is_chosen(&self, value: &str) -> bool {
        self.chosen == value
    }
    fn advanced(&self) -> bool {
        let f = &self.form;
        [&f.min_healthy, &f.max_healthy, &f.warmup_seconds, &f.bake_seconds, &f.checkpoints, &f.checkpoint_delay_seconds, &f.protected, &f.standby]
            .iter()
            .any(|v| !v.is_empty())
            || !f.suspend().is_empty()
            || self.wrong.as_ref().is_some_and(|w| w.fields.iter().any(|f| f.field.starts_with("strategy")))
    }
}

#[derive(Template)]
#[template(path = "environments/review.html")]
struct ReviewPage {
    frame: Frame,
    o: Overview,
    form: Form,
    plan: Plan,
    hash: String,
    key: String,
    release: String,
    made: bool,
    asks: bool,
    busy: Option<(i64, String)>,
    /// How long it takes, and what that is taken from.
    takes: Option<(String, String)>,
    wrong: Option<Wrong>,
}

impl ReviewPage {
    fn refused(&self) -> bool {
        self.plan.checks.iter().any(|c| c.verdict == Verdict::Refuse)
    }
    fn hidden(&self) -> Vec<(&'static str, &str)> {
        let f = &self.form;
        vec![
            ("image", &f.image),
            ("tag", &f.tag),
            ("pace", &f.pace),
            ("min_healthy", &f.min_healthy),
            ("max_healthy", &f.max_healthy),
            ("warmup_seconds", &f.warmup_seconds),
            ("bake_seconds", &f.bake_seconds),
            ("checkpoints", &f.checkpoints),
            ("checkpoint_delay_seconds", &f.checkpoint_delay_seconds),
            ("protected", &f.protected),
            ("standby", &f.standby),
            ("suspend_alarms", &f.suspend_alarms),
            ("suspend_rebalance", &f.suspend_rebalance),
            ("suspend_schedules", &f.suspend_schedules),
            ("base", &f.base),
            ("reason", &f.reason),
        ]
    }
}

/// A key for one sending of a form.
pub(super) fn new_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The key of a form: absent in a page of another program, and then a fresh one.
pub(super) fn key(given: &str) -> String {
    if given.is_empty() { new_key() } else { format!("page-{given}") }
}

/// An environment of which this person may ask for a change of `kind`.
pub(super) async fn askable(visit: &Visit, app: &str, env: &str, kind: Kind) -> Result<Environment, Problem> {
    let env = visit.site.app.visible(&visit.actor, app, env).await?;
    decide(&visit.actor, &Act::Request(kind), &On::Environment(&env.scope()), &Facts::default())?;
    Ok(env)
}

async fn choose(visit: &Visit, env: Environment, form: Form, wrong: Option<Wrong>) -> Result<ChoosePage, Problem> {
    let app = &visit.site.app;
    let o = app.overview(env).await?;
    let kept = app.store.find_images(&o.env.app).await?;
    let releases = app.store.list_releases(&o.env.app, i64::MAX, 50).await?;
    let running = o.release();
    let taken_back = app.taken_back(&o.env.app, &o.env.name).await?;
    let mut choices = Vec::new();
    let images = kept.as_ref().map(|k| k.images.as_slice()).unwrap_or_default();
    for i in images.iter().take(30) {
        let release = releases.iter().find(|r| r.digest == i.digest);
        let runs = release.is_some_and(|r| Some(r.number) == running);
        choices.push(Choice {
            value: release.map_or_else(|| format!("digest:{}", i.digest), |r| format!("release:{}", r.number)),
            title: release.map_or_else(|| i.tags.first().cloned().unwrap_or_else(|| "untagged image".into()), |r| format!("v{}", r.number)),
            tags: i.tags.join(", "),
            digest: words::digest(&i.digest).to_owned(),
            note: match release {
                Some(r) => r.notes.clone().unwrap_or_default(),
                None => "New: becomes a release when you review it.".into(),
            },
            bad: release.and_then(|r| taken_back.get(&r.number)).copied(),
            pushed: i.pushed_at.map(Moment),
            runs,
        });
    }
    let tag_value = |tag: &str| images.iter().find(|i| i.tags.iter().any(|t| t == tag)).map(|i| i.digest.clone());
    let wanted = match form.image.split_once(':') {
        Some(("tag", tag)) => tag_value(tag).and_then(|d| choices.iter().find(|c| c.digest == words::digest(&d)).map(|c| c.value.clone())),
        _ => None,
    }
    .unwrap_or_else(|| form.image.clone());
    let chosen = if choices.iter().any(|c| c.value == wanted) || wanted == "other" {
        wanted
    } else {
        choices.iter().find(|c| !c.runs && c.bad.is_none()).map_or_else(|| "other".to_owned(), |c| c.value.clone())
    };
    let frame = visit.frame(format!("Deploy to {}", o.env.scope()), "apps").await?.protected(o.env.protected);
    Ok(ChoosePage { frame, o, form, choices, chosen, images_at: kept.map(|k| Moment(k.at)), wrong })
}

/// `GET /apps/{app}/{env}/deploy`.
pub async fn show(visit: Visit, Path((app, env)): Path<(String, String)>, Query(form): Query<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &env, Kind::Deploy).await?;
    page(&choose(&visit, env, form, None).await?)
}

/// Reads the pace and what was edited over it. Empty = the pace's, else the environment's default.
fn strategy(form: &Form) -> Result<StrategyChoice, Vec<FieldError>> {
    let mut bad = Vec::new();
    let mut number = |field: &str, text: &str| -> Option<i32> {
        if text.trim().is_empty() {
            return None;
        }
        match text.trim().parse() {
            Ok(n) => Some(n),
            Err(_) => {
                bad.push(FieldError::new(format!("strategy.{field}"), format!("must be a whole number, not `{}`", text.trim())));
                None
            }
        }
    };
    let pace = Pace::ALL.into_iter().find(|p| p.name() == form.pace).unwrap_or_default().choice();
    let mut choice = StrategyChoice {
        min_healthy: number("min_healthy", &form.min_healthy).or(pace.min_healthy),
        max_healthy: number("max_healthy", &form.max_healthy).or(pace.max_healthy),
        warmup_seconds: number("warmup_seconds", &form.warmup_seconds).or(pace.warmup_seconds),
        bake_seconds: number("bake_seconds", &form.bake_seconds).or(pace.bake_seconds),
        checkpoint_delay_seconds: number("checkpoint_delay_seconds", &form.checkpoint_delay_seconds).or(pace.checkpoint_delay_seconds),
        protected: match form.protected.as_str() {
            "Refresh" => Some(OnHold::Refresh),
            "Ignore" => Some(OnHold::Ignore),
            "Wait" => Some(OnHold::Wait),
            _ => pace.protected,
        },
        standby: match form.standby.as_str() {
            "Terminate" => Some(OnStandby::Terminate),
            "Ignore" => Some(OnStandby::Ignore),
            "Wait" => Some(OnStandby::Wait),
            _ => pace.standby,
        },
        checkpoints: pace.checkpoints,
        suspend: Some(form.suspend()).filter(|s| !s.is_empty()).or(pace.suspend),
    };
    if !form.checkpoints.trim().is_empty() {
        let parts: Result<Vec<i32>, _> = form.checkpoints.split([',', ' ']).filter(|p| !p.is_empty()).map(str::parse).collect();
        match parts {
            Ok(list) => choice.checkpoints = Some(list),
            Err(_) => bad.push(FieldError::new("strategy.checkpoints", "must be percentages such as `20, 50, 100`")),
        }
    }
    if bad.is_empty() { Ok(choice) } else { Err(bad) }
}

/// The release that was chosen; an image that is none yet becomes one.
async fn release(visit: &Visit, app: &str, form: &Form) -> Result<(i64, bool), Problem> {
    let choose = || Problem::field("image", "choose an image or a release");
    let new = |tag: Option<&str>, digest: Option<&str>| NewRelease {
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
        commit: None,
        notes: None,
    };
    let wanted = match form.image.split_once(':') {
        Some(("release", n)) => return Ok((n.parse().map_err(|_| choose())?, false)),
        Some(("tag", tag)) => new(Some(tag), None),
        Some(("digest", digest)) => new(None, Some(digest)),
        _ if form.image == "other" && !form.tag.trim().is_empty() => new(Some(form.tag.trim()), None),
        _ if form.image == "other" => return Err(Problem::field("tag", "write the tag that you pushed")),
        _ => return Err(choose()),
    };
    let wanted = match &wanted.digest {
        // A tag says more to people than a digest: the one that the list shows is kept as the release's label.
        Some(digest) => {
            let kept = visit.site.app.store.find_images(app).await?;
            let tag = kept.and_then(|k| k.images.into_iter().find(|i| i.digest == *digest)).and_then(|i| i.tags.first().cloned());
            let named = match &tag {
                Some(tag) => visit.site.app.make_release(&visit.actor, app, new(Some(tag), None)).await.ok().filter(|(r, _)| r.digest == *digest),
                None => None,
            };
            if let Some((release, made)) = named {
                return Ok((release.number, made));
            }
            wanted
        }
        None => wanted,
    };
    let (made, fresh) = visit.site.app.make_release(&visit.actor, app, wanted).await.map_err(|p| match p {
        Problem::Invalid(fields) => {
            Problem::Invalid(fields.into_iter().map(|f| if form.image == "other" { f } else { FieldError { field: "image".into(), ..f } }).collect())
        }
        other => other,
    })?;
    Ok((made.number, fresh))
}

/// `POST /apps/{app}/{env}/deploy`.
pub async fn create(visit: Visit, Path((app, name)): Path<(String, String)>, axum::Form(mut form): axum::Form<Form>) -> Result<Response, ApiError> {
    let env = askable(&visit, &app, &name, Kind::Deploy).await?;
    if form.act == "edit" {
        return page(&choose(&visit, env, form, None).await?);
    }
    let wanted = async {
        let strategy = strategy(&form).map_err(Problem::Invalid)?;
        let (release, made) = release(&visit, &app, &form).await?;
        let base = form.base.parse().ok();
        Ok::<_, Problem>((Intent::Deploy { release, base_template_version: base, strategy }, release, made))
    }
    .await;
    let (intent, number, made) = match wanted {
        Ok(w) => w,
        Err(problem) => return refused(&visit, env, form, problem, None).await,
    };
    form.image = format!("release:{number}");
    let reason = Some(form.reason.trim().to_owned()).filter(|r| !r.is_empty());
    if form.act == "start" {
        let request = Request {
            intent: intent.clone(),
            reason,
            on_busy: if form.on_busy == "wait" { OnBusy::Wait } else { OnBusy::Refuse },
            key: Some(key(&form.key)),
            read: Some(form.plan_hash.clone()),
            settles: None,
        };
        match Box::pin(visit.site.app.request_change(&visit.actor, &env, request)).await {
            Ok(change) => return Ok(go(&format!("/deployments/{}", change.number))),
            // The plan is shown again as it is now, with what came between.
            Err(problem @ Problem::Conflict { .. }) => return review(&visit, env, form, intent, made, Some(problem)).await,
            Err(problem) => return refused(&visit, env, form, problem, made.then_some(number)).await,
        }
    }
    if let Some(text) = &reason
        && let Err(e) = crate::domain::application::free_text("reason", text, 1000)
    {
        return refused(&visit, env, form, Problem::Invalid(vec![e]), made.then_some(number)).await;
    }
    review(&visit, env, form, intent, made, None).await
}

/// The choice again. `made`: the release that the chosen image became on the way.
async fn refused(visit: &Visit, env: Environment, form: Form, problem: Problem, made: Option<i64>) -> Result<Response, ApiError> {
    match problem {
        Problem::Invalid(_) | Problem::Conflict { .. } | Problem::Unavailable(..) => {
            let mut wrong = Wrong::of(&problem);
            if let Some(number) = made {
                wrong.title =
                    format!("The image is now release v{number}. {}", wrong.title.replace("Nothing was changed.", "Nothing else was changed."));
            }
            let shown = choose(visit, env, form, Some(wrong)).await?;
            again(problem, &shown)
        }
        other => Err(ApiError(other)),
    }
}

async fn review(visit: &Visit, env: Environment, form: Form, intent: Intent, made: bool, problem: Option<Problem>) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let plan = match app.preview_change(&visit.actor, &env, &intent).await {
        Ok(plan) => plan,
        Err(problem) => {
            // A stale base is settled by looking again: the next review is made against what is now.
            let form = if matches!(problem, Problem::Conflict { .. }) { Form { base: String::new(), ..form } } else { form };
            let made = if let (true, Intent::Deploy { release, .. }) = (made, &intent) { Some(*release) } else { None };
            return refused(visit, env, form, problem, made).await;
        }
    };
    let o = app.overview(env).await?;
    let busy = o.open.iter().find(|c| c.lane == intent.lane()).map(|c| (c.number, c.sentence.clone()));
    let release = match plan.bound.release {
        Some(n) => app.store.find_release(&o.env.app, n).await?.map_or_else(|| format!("v{n}"), |r| r.label()),
        None => "the release".into(),
    };
    let takes = match &plan.bound.preferences {
        Some(how) if plan.desired > 0 => Some(words::takes(&app.estimate(&o.env, plan.desired, how).await?)),
        _ => None,
    };
    let frame = visit.frame(format!("Review: deploy {release} to {}", o.env.scope()), "apps").await?.protected(o.env.protected);
    let shown = ReviewPage {
        hash: plan.hash(),
        // After a refusal another sending is another request.
        key: new_key(),
        asks: app.asks_for_approval(&o.env, &intent),
        wrong: problem.as_ref().map(Wrong::of),
        takes,
        frame,
        o,
        form,
        plan,
        release,
        made,
        busy,
    };
    match problem {
        Some(problem) => again(problem, &shown),
        None => page(&shown),
    }
}
