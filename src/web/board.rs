//! `/`: every environment on one page, and above it what needs this person.

use askama::Template;
use axum::response::Response;

use super::draw::{self, Cars};
use super::error::ApiError;
use super::page::{Frame, Visit, page};
use super::words::{self, Moment};
use crate::app::overview::Overview;
use crate::domain::access::{Actor, EVERYWHERE, Role};
use crate::domain::change::{Kind, Lane, State};
use crate::domain::health::Level;
use crate::store::changes::{Change, Filter};

/// One thing that needs this person.
struct Need {
    icon: &'static str,
    class: &'static str,
    kind: &'static str,
    link: String,
    subject: String,
    sentence: String,
    at: Option<Moment>,
    button: String,
    to: String,
}

/// Something odd about an environment, with the change that it is about.
pub(super) struct Odd {
    /// Icon.
    pub(super) icon: &'static str,
    /// Class of its colour.
    pub(super) class: &'static str,
    /// Number and title.
    pub(super) change: Option<(i64, String)>,
    /// What is odd.
    pub(super) words: String,
}

/// One environment on the board.
pub(super) struct Cell {
    /// `app/env` page.
    pub(super) href: String,
    /// Environment's name.
    pub(super) name: String,
    /// Production stripe.
    pub(super) protected: bool,
    /// `v5`, or `v4 → v5`.
    pub(super) version: String,
    /// In step, rolling, drifted, unknown.
    pub(super) step: &'static str,
    /// Its icon.
    pub(super) step_icon: &'static str,
    /// Health.
    pub(super) level: Level,
    /// The train.
    pub(super) train: Vec<Cars>,
    /// Cars in it.
    pub(super) cars: usize,
    /// One fact.
    pub(super) fact: String,
    /// What is odd, with an icon and a class.
    pub(super) odd: Vec<Odd>,
    /// When AWS was looked at.
    pub(super) as_of: Option<Moment>,
}

/// One application on the board.
pub(super) struct Group {
    /// Its name.
    pub(super) app: String,
    /// Its environments, production last.
    pub(super) cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "board.html")]
struct Page {
    frame: Frame,
    needs: Vec<Need>,
    groups: Vec<Group>,
    environments: usize,
    rolling: usize,
    lost: usize,
    can_add: bool,
}

/// What an environment looks like on the board.
pub(super) fn cell(o: &Overview) -> Cell {
    let running = o.running();
    let lost = o.lost();
    let label = |r: Option<i64>| r.map_or_else(|| "unknown".to_owned(), |n| format!("v{n}"));
    let (version, step, step_icon) = match running {
        Some(c) if matches!(c.kind, Kind::Deploy | Kind::Rollback) => {
            let from = o.env.release;
            let (a, b) = if c.progress.undo.is_some() { (c.release, from) } else { (from, c.release) };
            (format!("{} → {}", label(a), label(b)), if c.progress.undo.is_some() { "undoing" } else { "rolling" }, "rolling")
        }
        Some(c) if c.kind == Kind::Replace => (label(o.release()), "replacing", "rolling"),
        _ if o.look.is_none() => (label(o.release()), "not yet seen", "none"),
        _ if o.alias().is_some() => (label(o.release()), "not pinned", "drifted"),
        _ if o.drifted() => (label(o.release()), "drifted", "drifted"),
        _ if o.release().is_none() => ("unknown".into(), "no release recorded", "none"),
        _ => (label(o.release()), "in step", "instep"),
    };
    let fact = match o.capacity() {
        Some(_) if lost => format!("{} when last seen", words::count(o.instances.len(), "instance")),
        Some(c) if o.in_service() > usize::try_from(c.desired).unwrap_or(0) => format!("{} in service, {} wanted", o.in_service(), c.desired),
        Some(c) => format!("{} of {} in service", o.in_service(), c.desired),
        None => "No figures yet".into(),
    };
    let mut odd: Vec<Odd> = Vec::new();
    for c in &o.open {
        let counts = &c.progress.counts;
        let (icon, class, words) = match c.state {
            State::NeedsAttention => ("bad", "bad", " needs attention".to_owned()),
            State::AwaitingApproval => ("gate", "", " waits for approval".into()),
            State::Queued | State::Scheduled => ("wait", "", " waits for its turn".into()),
            _ if c.progress.first_failure.is_some() => ("bad", "bad", ": a new instance failed".into()),
            _ if counts.total > 0 && c.progress.undo.is_none() => {
                ("right", "", format!(": {} of {} new", counts.new_healthy, o.capacity().map_or(counts.total, |k| k.desired)))
            }
            _ => ("right", "", " is in progress".into()),
        };
        odd.push(Odd { icon, class, change: Some((c.number, format!("#{} {}", c.number, words::title(c.kind, c.release)))), words });
    }
    if lost {
        odd.push(Odd { icon: "cloud", class: "", change: None, words: "AWS does not answer".into() });
    } else if o.level == Level::Bad || o.level == Level::Warn && odd.is_empty() {
        odd.push(Odd { icon: words::health_icon(o.level), class: words::health_class(o.level), change: None, words: o.sentence.clone() });
    }
    let train = if o.instances.len() <= draw::LONGEST_TRAIN { draw::train(&o.instances, lost) } else { Vec::new() };
    Cell {
        href: format!("/apps/{}", o.env.scope()),
        name: o.env.name.clone(),
        protected: o.env.protected,
        cars: train.iter().map(|c| c.n).sum(),
        level: o.level,
        as_of: o.look.as_ref().map(|l| Moment(l.at)),
        version,
        step,
        step_icon,
        train,
        fact,
        odd,
    }
}

/// Environments by application, production last.
pub(super) fn groups(overviews: &[Overview]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for o in overviews {
        if groups.last().is_none_or(|g| g.app != o.env.app) {
            groups.push(Group { app: o.env.app.clone(), cells: Vec::new() });
        }
        if let Some(g) = groups.last_mut() {
            g.cells.push(cell(o));
        }
    }
    for g in &mut groups {
        g.cells.sort_by_key(|c| c.protected);
    }
    groups
}

/// Kinds of needs, the most urgent first; ends of changes stand between those of AWS and those of somebody's convenience.
const URGENCY: [&str; 8] = ["Problem", "Health", "No contact", "", "Approval", "Rollback", "Drift", "Pin"];
/// How long a bad end stays among what needs somebody.
const BAD_END_MS: i64 = 24 * 3_600_000;

/// `GET /`.
pub async fn show(visit: Visit) -> Result<Response, ApiError> {
    let app = &visit.site.app;
    let overviews = app.overviews(&visit.actor).await?;
    let mut needs: Vec<Need> = overviews.iter().flat_map(|o| urgent(&visit.actor, o)).collect();
    for c in visit.waiting().await? {
        needs.push(Need {
            icon: "gate",
            class: "",
            kind: "Approval",
            link: format!("/approvals/{}", c.number),
            subject: format!("#{} {}", c.number, c.scope()),
            sentence: format!("{} asks: {}", c.requested_by, words::title(c.kind, c.release)),
            at: Some(Moment(c.created_at)),
            button: format!("Review #{}", c.number),
            to: format!("/approvals/{}", c.number),
        });
    }
    let ended = Filter {
        states: vec![State::Failed, State::Undone, State::UndoFailed],
        from: Some(visit.now() - BAD_END_MS),
        scopes: visit.scopes(),
        ..Filter::default()
    };
    for c in app.store.list_changes(&ended, 20).await? {
        let newer = Filter { app: Some(c.app.clone()), env: Some(c.env_name.clone()), ..Filter::default() };
        let last =
            app.store.list_changes(&newer, 10).await?.into_iter().find(|n| n.lane == Lane::Main && n.number > c.number && n.started_at.is_some());
        // What a person took back on purpose needs nobody.
        let meant = c.state == State::Undone && c.progress.undo.as_ref().is_some_and(|u| u.by != "fleetgate" && u.by != "aws");
        if last.is_none() && !meant && visit.actor.has(Role::Deployer, &c.scope()) {
            needs.push(bad_end(&c));
        }
    }
    needs.sort_by_key(|n| URGENCY.iter().position(|k| *k == n.kind).unwrap_or(3));
    let rolling = overviews.iter().filter(|o| o.running().is_some()).count();
    let lost = overviews.iter().filter(|o| o.lost()).count();
    let title = match needs.len() {
        0 => "Nothing needs you".to_owned(),
        1 => "1 thing needs you".to_owned(),
        n => format!("{n} things need you"),
    };
    let frame = visit.frame(&title, "home").await?.live("*").say(&title);
    page(&Page {
        frame,
        needs,
        groups: groups(&overviews),
        environments: overviews.len(),
        rolling,
        lost,
        can_add: visit.actor.has(Role::Admin, EVERYWHERE),
    })
}

fn urgent(actor: &Actor, o: &Overview) -> Vec<Need> {
    let scope = o.env.scope();
    let href = format!("/apps/{scope}");
    let mut out = Vec::new();
    for c in o.open.iter().filter(|c| c.state == State::NeedsAttention) {
        out.push(Need {
            icon: "bad",
            class: "bad",
            kind: "Problem",
            link: format!("/deployments/{}", c.number),
            subject: format!("#{} {scope}", c.number),
            sentence: c.sentence.clone(),
            at: None,
            button: format!("Open #{}", c.number),
            to: format!("/deployments/{}", c.number),
        });
    }
    let calm = o.running().is_none();
    if o.lost() {
        out.push(Need {
            icon: "cloud",
            class: "",
            kind: "No contact",
            link: href.clone(),
            subject: scope.clone(),
            sentence: "AWS does not answer; what is shown is old.".into(),
            at: o.look.as_ref().map(|l| Moment(l.at)),
            button: "Open it".into(),
            to: href,
        });
    } else if o.level == Level::Bad && calm {
        out.push(Need {
            icon: "bad",
            class: "bad",
            kind: "Health",
            link: href.clone(),
            subject: scope.clone(),
            sentence: o.sentence.clone(),
            at: None,
            button: "Open it".into(),
            to: href,
        });
    } else if let Some(alias) = o.alias().filter(|_| calm && o.open.is_empty() && actor.has(Role::Deployer, &scope)) {
        out.push(Need {
            icon: "drifted",
            class: "",
            kind: "Pin",
            link: href.clone(),
            subject: scope.clone(),
            sentence: format!("follows {alias} of its template; it cannot be deployed to before it is pinned."),
            at: None,
            button: "Pin the template".into(),
            to: format!("{href}/pin"),
        });
    } else if let Some(why) = &o.unready {
        out.push(Need {
            icon: "undo",
            class: "bad",
            kind: "Rollback",
            link: href.clone(),
            subject: scope,
            sentence: why.clone(),
            at: None,
            button: "Open it".into(),
            to: href,
        });
    } else if o.drifted() {
        out.push(Need {
            icon: "drifted",
            class: "",
            kind: "Drift",
            link: href.clone(),
            subject: scope,
            sentence: o.sentence.clone(),
            at: None,
            button: "Open it".into(),
            to: href,
        });
    }
    out
}

fn bad_end(c: &Change) -> Need {
    let (word, class, icon) = words::state(c.state);
    Need {
        icon,
        class,
        kind: word,
        link: format!("/deployments/{}", c.number),
        subject: format!("#{} {}", c.number, c.scope()),
        sentence: c.sentence.clone(),
        at: c.finished_at.map(Moment),
        button: format!("Open #{}", c.number),
        to: format!("/deployments/{}", c.number),
    }
}
