//! Why it is not moving: one sentence that names what blocks, since when, by whom, and what a person may do about it.
//!
//! [`explain`] is pure: every rule looks at the running change and the last observation and may find one cause; the causes are
//! sorted by [`Cause`], whose order *is* the precedence. The first is told, the others that are amiss stand in `also`.
//!
//! **Invariant:** nothing is guessed. AWS's reasons are told apart by AWS's own codes and documented sentences alone; what is
//! unknown is shown as AWS wrote it. A time is the time of the first look that saw the thing so.
//!
//! # Precedence, most blocking first
//!
//! Where two findings have the same cause, the one that is longer so wins, then the lower instance id.
//!
//! | tier | causes, in order | why here |
//! |---|---|---|
//! | not begun | `awaiting_approval` `scheduled` `queued_behind` | a person or another change comes first, whatever AWS does |
//! | not seen | `never_seen` `reading_denied` `throttled` `lost_contact` `data_old` | what follows is old, and would mislead |
//! | the group | `group_gone` `group_recreated` `group_deleting` `launch_source_changed` | nothing can be done with it any more |
//! | other hands | `foreign_refresh` `cancelled_by_others` `alarm_guard` `rolled_back_by_others` `refresh_status_unknown` | somebody else decided where it goes |
//! | stopped processes | `launch_suspended_by_aws` `instance_refresh_suspended` `launch_suspended` `terminate_suspended` `health_check_suspended` `replace_unhealthy_suspended` | nothing moves before they are resumed; the last two where an instance is unhealthy |
//! | launches fail | `launch_unauthorized` `launch_key_unusable` `launch_image_missing` `launch_security_group_missing` `launch_template_invalid` `launch_quota` `launch_no_addresses` `launch_spot` `launch_no_capacity` `launch_abandoned` `launch_failed` | no instance can start anywhere; what never ends by itself before what may |
//! | one instance | `was_healthy` `boot_budget_over` `marked_unhealthy` `load_balancer_suspended` `not_registered` `target_unused` `protected_instance` `standby_instance` `launch_hook` `terminate_hook` `lifecycle_unknown` `shrink_protected` | this instance must be dealt with |
//! | its health check | `unhealthy_code` `unhealthy_timeout` `unhealthy_failed` `unhealthy_balancer` `unhealthy_other` `health_unavailable` | amiss, or normal while a new instance boots |
//! | conditions | `contradiction` `queued_condition` `refused_for_now` `no_room` | waits that may last |
//! | it moves | `pending_behind_activity` `refresh_pending` `refresh_not_listed` `baking` `checkpoint` `booting` `registering` `first_checks` `warming` `draining` `shutting_down` `proving` `resizing` `aws_says` `as_told` | normal: it goes on by itself |
//! | worth knowing | `zone_launches_fail` `alarms_suspended` `also_suspended` `protected_ignored` `standby_ignored` `no_listener` | nothing waits for it; in `also` while a change runs |

mod cause;
mod health;
mod instances;
mod launches;
mod processes;
mod refresh;
mod shell;
mod words;

pub use cause::{Act, By, Cause};

use serde::{Deserialize, Serialize};

use super::change::{Kind, Lane, Progress, State};
use super::evidence::Wanted;
use super::observation::{Group, Millis, Observation, Refresh};
use super::plan::Plan;

/// One thing that a person may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Which.
    pub act: Act,
    /// In words.
    pub sentence: String,
    /// The instance that it is about.
    pub instance: Option<String>,
    /// The change that it is about.
    pub change: Option<i64>,
    /// The suspended process that it is about.
    pub process: Option<String>,
    /// The AWS CLI command that does it, where it is done outside Fleetgate.
    pub command: Option<String>,
}

/// Why it is not moving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What blocks most.
    pub cause: Cause,
    /// It goes on by itself, and nothing is amiss.
    pub normal: bool,
    /// One sentence.
    pub sentence: String,
    /// The instance that blocks.
    pub instance: Option<String>,
    /// Since when, where a look saw it begin (cloud clock; the wall clock for what waits for a person).
    pub since: Option<Millis>,
    /// When it should be over, where that is known.
    pub until: Option<Millis>,
    /// Who brought it about.
    pub by: By,
    /// What a person may do, the best first.
    pub actions: Vec<Action>,
    /// What else is amiss, most blocking first.
    pub also: Vec<String>,
}

/// The change that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its number.
    pub number: i64,
    /// Its kind.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Its lane.
    pub lane: Lane,
    /// What it will do.
    pub plan: &'a Plan,
    /// What the engine knows.
    pub progress: &'a Progress,
    /// Its own sentence.
    pub sentence: &'a str,
    /// When it was asked for (wall clock).
    pub created_at: Millis,
}

/// Another open change of the same environment.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// Its number.
    pub number: i64,
    /// Its kind.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Its lane.
    pub lane: Lane,
}

/// The last look, and what failed since.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What was seen.
    pub obs: &'a Observation,
    /// Looks in a row that failed since.
    pub misses: i64,
    /// Why the last one failed.
    pub failure: Option<&'a str>,
}

/// Everything that an explanation is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The change; `None`: nothing is in progress.
    pub change: Option<Subject<'a>>,
    /// Other open changes of the environment, oldest first.
    pub others: &'a [Other],
    /// The group's name.
    pub asg: &'a str,
    /// The ARN of the adopted group.
    pub asg_arn: &'a str,
    /// The region.
    pub region: &'a str,
    /// The last look; `None` before the first.
    pub seen: Option<Seen<'a>>,
    /// Seconds that a new instance may take to become healthy.
    pub boot_budget_seconds: i32,
    /// Cloud milliseconds after which a look counts as old while a change runs.
    pub stale_ms: Millis,
    /// Cloud clock.
    pub now: Millis,
}

/// One finding of a rule.
struct Found {
    cause: Cause,
    normal: bool,
    sentence: String,
    instance: Option<String>,
    since: Option<Millis>,
    until: Option<Millis>,
    by: By,
    actions: Vec<Action>,
}

impl Found {
    /// Something amiss.
    fn amiss(cause: Cause, by: By, sentence: impl Into<String>) -> Self {
        Self { cause, normal: false, sentence: sentence.into(), instance: None, since: None, until: None, by, actions: Vec::new() }
    }
    /// A wait that ends by itself.
    fn normal(cause: Cause, by: By, sentence: impl Into<String>) -> Self {
        Self { normal: true, ..Self::amiss(cause, by, sentence) }
    }
    fn of(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }
    fn since(mut self, at: Option<Millis>) -> Self {
        self.since = at;
        self
    }
    fn until(mut self, at: Option<Millis>) -> Self {
        self.until = at;
        self
    }
    fn may(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }
}

/// What the rules about the group and its instances look at.
struct Scene<'a> {
    input: &'a Input<'a>,
    /// The change, once the engine has taken it up.
    running: Option<Subject<'a>>,
    /// A running change that replaces instances.
    rollout: Option<Subject<'a>>,
    /// Which instances that change calls new.
    wanted: Option<Wanted<'a>>,
    obs: &'a Observation,
    group: &'a Group,
    /// The refresh of that change.
    refresh: Option<&'a Refresh>,
    now: Millis,
}

static NONE: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();

impl<'a> Scene<'a> {
    fn new(input: &'a Input<'a>, obs: &'a Observation, group: &'a Group) -> Self {
        let running = input.change.filter(|c| c.state.holds_lane());
        let rollout = running.filter(|c| matches!(c.kind, Kind::Deploy | Kind::Rollback | Kind::Replace));
        let wanted = rollout.and_then(|c| {
            if c.progress.undo.is_some() {
                return c.plan.old_version.map(|version| Wanted { version, not: &NONE });
            }
            c.progress.new_version.map(|version| Wanted { version, not: &c.progress.old_instances })
        });
        let id = rollout.and_then(|c| c.progress.undo_refresh.as_ref().or(c.progress.refresh.as_ref()));
        Self { input, running, rollout, wanted, obs, group, refresh: id.and_then(|id| obs.refresh(id)), now: input.now }
    }
    /// Who acts when the running change does.
    fn us(&self) -> By {
        self.running.map_or(By::Unknown, |c| By::Fleetgate { change: c.number })
    }
    fn is_new(&self, i: &super::observation::GroupInstance) -> bool {
        self.wanted.as_ref().is_some_and(|w| w.is_new(i))
    }
    /// Instances that serve or are about to.
    fn present(&self) -> i32 {
        let n = self.group.instances.iter().filter(|i| i.in_service() || i.arriving()).count();
        i32::try_from(n).unwrap_or(i32::MAX)
    }
    /// Fewer than are wanted, or a rollout that is still under way: a launch is to come.
    fn launches(&self) -> bool {
        let rolls = self.refresh.is_some_and(|r| r.active() && r.status != "Baking");
        rolls || self.present() < self.group.desired
    }
    fn since(&self, instance: &str) -> super::observation::Since {
        self.obs.since.get(instance).copied().unwrap_or_default()
    }
}

/// Findings beside the first that are told.
const MOST_ALSO: usize = 4;

/// Explains; `None` when nothing is in progress and nothing is amiss, or when the change is final.
pub fn explain(input: &Input<'_>) -> Option<Explanation> {
    if input.change.is_some_and(|c| c.state.is_final()) {
        return None;
    }
    let mut found = Vec::new();
    let goes_on = shell::before(input, &mut found);
    if goes_on
        && let Some(seen) = &input.seen
        && let Some(group) = shell::group(input, seen, &mut found)
    {
        let scene = Scene::new(input, seen.obs, group);
        shell::source(&scene, &mut found);
        refresh::rules(&scene, &mut found);
        processes::rules(&scene, &mut found);
        launches::rules(&scene, &mut found);
        instances::rules(&scene, &mut found);
        shell::rest(&scene, &mut found);
    }
    // Stable: what has no time comes after what has one, and equals keep the order of their ids.
    found.sort_by(|a, b| {
        let key = |f: &Found| (f.cause, f.since.is_none(), f.since, f.instance.clone());
        key(a).cmp(&key(b))
    });
    if found.is_empty() {
        return None;
    }
    let main = found.remove(0);
    let mut also: Vec<String> = Vec::new();
    for f in found.into_iter().filter(|f| !f.normal) {
        if also.len() < MOST_ALSO && !also.contains(&f.sentence) {
            also.push(f.sentence);
        }
    }
    Some(Explanation {
        cause: main.cause,
        normal: main.normal,
        sentence: main.sentence,
        instance: main.instance,
        since: main.since,
        until: main.until,
        by: main.by,
        actions: if main.normal && main.actions.is_empty() { vec![words::wait()] } else { main.actions },
        also,
    })
}

/// Why a change's timeline has a gap: the process was away. `looked`: when it had last looked at AWS; `began`: when it was back.
pub fn away(looked: Option<Millis>, began: Millis) -> String {
    let back = words::clock(began, began);
    let gap = looked.map_or_else(
        || format!("Fleetgate was started again at {back}."),
        |looked| {
            format!(
                "Fleetgate was away: it had last looked at AWS at {}, and was started again at {back} ({} later).",
                words::clock(began, looked),
                words::span(began - looked)
            )
        },
    );
    format!("{gap} It goes on from what AWS says now.")
}

#[cfg(test)]
mod tests;
