//! A tiny AWS: one group, its instances and refreshes, pure and on a clock of its own.
//!
//! It is meaner than AWS: reads of each kind are stale by themselves, replies are lost, people cancel and scale from outside, a late
//! scale-out brings an old instance into a refresh that then calls itself Successful all the same. What others altered just before, and
//! what a rollout suspends, may read as it was for almost as long as the product says that a read can lag.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate::domain::change::{Kind, Step};
use fleetgate::domain::observation::{
    Group, GroupInstance, LaunchSource, Millis, Observation, Refresh, TargetGroup, TargetHealth, TargetState, TemplateRef,
};

use fleetgate::domain::plan::Bound;

use crate::proofs::Dice;

pub(super) const SECOND: Millis = 1000;
pub(super) const BASE: i64 = 3;
/// Longest lag of what a group says of itself; the product reckons with 30 s.
const LAG: Millis = 25 * SECOND;
/// A process that strangers alone touch while a change runs.
const STRANGERS: &str = "ScheduledActions";

#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) launched: Millis,
    serves: Millis,
    healthy: Option<Millis>,
    sick: Option<Millis>,
    pub(super) leaving: Option<Millis>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) to: i64,
    pub(super) status: &'static str,
    begun: Millis,
    progress: Millis,
    ends: Millis,
    rolls_back: bool,
    irreversible: bool,
    /// Shows a status that nobody knows until then.
    strange: Millis,
}

impl Run {
    pub(super) fn active(&self) -> bool {
        !matches!(self.status, "Successful" | "Failed" | "Cancelled" | "RollbackSuccessful" | "RollbackFailed")
    }
}

/// What AWS says to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Version(i64),
    Refresh(String),
    Accepted,
    /// Refused for now.
    Again,
    NoActiveRefresh,
    Irreversible,
    Denied,
    /// No answer; it may have been done.
    Lost,
}

#[derive(Clone, Debug)]
struct Shot {
    group: Group,
    health: Vec<TargetHealth>,
    refreshes: Vec<Refresh>,
}

#[derive(Clone, Debug)]
pub(super) struct Aws {
    pub(super) now: Millis,
    pub(super) dice: Dice,
    pub(super) version: i64,
    pub(super) newest: i64,
    pub(super) figures: (i32, i32, i32),
    pub(super) grace: i32,
    pub(super) suspended: BTreeSet<String>,
    /// Of these, what a rollout of ours suspended, and what strangers did.
    pub(super) borrowed: BTreeSet<String>,
    pub(super) theirs: BTreeSet<String>,
    pub(super) instances: Vec<Instance>,
    pub(super) refreshes: Vec<Run>,
    /// Instances of this version never become healthy, or not for long.
    pub(super) bad: Option<i64>,
    /// Effective calls by step.
    pub(super) done: BTreeMap<Step, usize>,
    /// The version that was made for the change, found by its mark.
    pub(super) made: Option<i64>,
    /// Somebody cancelled a refresh from outside.
    pub(super) foreign_cancel: bool,
    /// No faults and no foreign hands any more: what is to end must end.
    pub(super) calm: bool,
    before: Option<Shot>,
    /// The group before the last alteration that a read may lag behind, and when that was.
    earlier: Option<(Group, Millis)>,
    next_id: usize,
}

impl Aws {
    pub(super) fn new(mut dice: Dice, size: i32) -> Self {
        let now = 1_790_000_000_000;
        let mut aws = Self {
            now,
            version: BASE,
            newest: BASE,
            figures: (1, size, size + 5),
            grace: 300,
            suspended: BTreeSet::new(),
            borrowed: BTreeSet::new(),
            theirs: BTreeSet::new(),
            instances: Vec::new(),
            refreshes: Vec::new(),
            bad: None,
            done: BTreeMap::new(),
            made: None,
            foreign_cancel: false,
            calm: false,
            before: None,
            earlier: None,
            next_id: usize::try_from(dice.below(1000)).unwrap(),
            dice,
        };
        for _ in 0..size {
            aws.launch(BASE);
        }
        for i in &mut aws.instances {
            (i.launched, i.serves, i.healthy, i.sick) = (now - 3_600_000, now - 3_600_000, Some(now - 3_500_000), None);
        }
        aws
    }

    fn name(&mut self, kind: &str) -> String {
        self.next_id += 1;
        format!("{kind}-{}", self.next_id)
    }

    fn launch(&mut self, version: i64) {
        let id = self.name("i");
        let serves = self.now + self.dice.between(5, 40) * SECOND;
        let ready = serves + self.dice.between(10, 120) * SECOND;
        let bad = self.bad == Some(version);
        // A bad one never comes up, or falls over after a while; now and then a good one does too.
        let (healthy, sick) = match (bad, self.dice.below(100)) {
            (true, 0..60) => (None, None),
            (true, _) => (Some(ready), Some(ready + self.dice.between(5, 300) * SECOND)),
            (false, 0..2) => (Some(ready), Some(ready + self.dice.between(30, 900) * SECOND)),
            (false, _) => (Some(ready), None),
        };
        self.instances.push(Instance { id, version, launched: self.now, serves, healthy, sick, leaving: None });
    }

    fn serving(&self, i: &Instance) -> bool {
        i.leaving.is_none() && i.serves <= self.now
    }

    pub(super) fn is_healthy(&self, i: &Instance) -> bool {
        self.serving(i) && i.healthy.is_some_and(|h| h <= self.now) && i.sick.is_none_or(|s| self.now < s)
    }

    /// Instances that are not on their way out.
    pub(super) fn active(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|i| i.leaving.is_none())
    }

    fn retire(&mut self, id: &str) {
        let now = self.now;
        self.instances.iter_mut().filter(|i| i.id == id).for_each(|i| i.leaving = Some(now));
    }

    /// Lets time pass, in steps of at most ten seconds.
    pub(super) fn advance(&mut self, seconds: i64) {
        self.before = Some(self.shot());
        self.now += seconds * SECOND;
        let now = self.now;
        self.instances.retain(|i| i.leaving.is_none_or(|at| now - at < 60 * SECOND));
        if !self.calm {
            self.foreign_hands();
        }
        // The group replaces what is sick, and what is old once nothing rolls.
        let running = self.refreshes.last().filter(|r| r.active()).cloned();
        let size = usize::try_from(self.figures.1).unwrap();
        if running.is_none() {
            let gone =
                self.active().find(|i| i.sick.is_some_and(|s| s + 60 * SECOND < now) || i.version != self.version && now - i.launched > 1_800_000);
            if let Some(id) = gone.map(|i| i.id.clone()) {
                self.retire(&id);
            }
        }
        if self.active().count() < size {
            // While a refresh rolls, a scale-out may bring either version.
            let version = running.as_ref().filter(|_| self.dice.percent(50)).map_or(self.version, |r| r.to);
            self.launch(version);
        } else if self.active().count() > size && running.is_none() {
            let ids: Vec<_> = self.active().map(|i| i.id.clone()).collect();
            let id = self.dice.pick(&ids).clone();
            self.retire(&id);
        }
        if let Some(run) = running {
            self.roll(run);
        }
    }

    /// Somebody alters the group; reads may lag behind it.
    pub(super) fn alter(&mut self, edit: impl FnOnce(&mut Self)) {
        self.earlier = Some((self.shot().group, self.now));
        edit(self);
    }

    pub(super) fn lags(&self) -> bool {
        self.earlier.as_ref().is_some_and(|(_, at)| self.now - at <= LAG)
    }

    /// Strangers suspend a process, or resume it.
    pub(super) fn stranger(&mut self, process: &str, suspend: bool) {
        for set in [&mut self.suspended, &mut self.theirs] {
            if suspend {
                set.insert(process.to_owned())
            } else {
                set.remove(process)
            };
        }
    }

    fn foreign_hands(&mut self) {
        if self.dice.below(200) == 0 {
            let there = self.suspended.contains(STRANGERS);
            self.stranger(STRANGERS, !there);
        }
        if self.dice.below(400) == 0 {
            let (min, desired, max) = self.figures;
            let to = self.dice.between(i64::from(desired), i64::from(max));
            self.figures = (min, i32::try_from(to).unwrap(), max);
        }
        if self.dice.below(700) == 0
            && let Some(r) = self.refreshes.last_mut().filter(|r| r.active())
        {
            (r.status, self.foreign_cancel) = ("Cancelling", true);
        }
        let now = self.now;
        let strange = now + self.dice.between(10, 60) * SECOND;
        if self.dice.below(300) == 0
            && let Some(r) = self.refreshes.last_mut().filter(|r| r.active())
        {
            r.strange = strange;
        }
    }

    /// One move of a refresh: at most one instance in and one out.
    fn roll(&mut self, mut run: Run) {
        let now = self.now;
        let size = usize::try_from(self.figures.1).unwrap();
        let goal = if run.status == "RollbackInProgress" { self.version } else { run.to };
        let fits = |i: &&Instance| i.version == goal && (run.to != self.version || i.launched >= run.begun);
        let (new, old): (Vec<_>, Vec<_>) = self.active().cloned().partition(|i| fits(&i));
        let ready = new.iter().filter(|i| self.is_healthy(i)).count();
        match run.status {
            "Pending" if now >= run.ends => (run.status, run.progress) = ("InProgress", now),
            "InProgress" | "RollbackInProgress" if !old.is_empty() => {
                let late = now - run.progress > 3_600_000;
                let surplus = new.len() + old.len() > size;
                if late {
                    run.status = match (run.status, run.rolls_back) {
                        ("RollbackInProgress", _) => "RollbackFailed",
                        (_, true) => "RollbackInProgress",
                        _ => "Failed",
                    };
                    run.progress = now;
                } else if surplus && (ready == new.len() || run.status == "RollbackInProgress") {
                    self.retire(&old[0].id);
                    run.progress = now;
                } else if !surplus {
                    self.launch(goal);
                } else if ready == new.len().saturating_sub(1) && self.dice.below(3000) == 0 {
                    // A late scale-out brought an old one, and AWS calls it a day all the same.
                    (run.status, self.version) = ("Successful", run.to);
                }
            }
            "InProgress" => (run.status, run.ends) = ("Baking", now + self.dice.between(0, 120) * SECOND),
            "Baking" if now >= run.ends => (run.status, self.version) = ("Successful", run.to),
            "RollbackInProgress" => run.status = if self.dice.below(40) == 0 { "RollbackFailed" } else { "RollbackSuccessful" },
            "Cancelling" if self.dice.below(2) == 0 => run.status = "Cancelled",
            _ => {}
        }
        *self.refreshes.last_mut().unwrap() = run;
    }

    pub(super) fn begin(&mut self, to: i64, rolls_back: bool) -> String {
        let id = self.name("r");
        let irreversible = self.dice.below(20) == 0;
        let ends = self.now + self.dice.between(5, 60) * SECOND;
        let run = Run { id: id.clone(), to, status: "Pending", begun: self.now, progress: self.now, ends, rolls_back, irreversible, strange: 0 };
        self.refreshes.push(run);
        id
    }

    /// One mutating call, with whatever becomes of its answer.
    pub(super) fn call(&mut self, step: Step, version: i64, bound: &Bound, processes: &[String]) -> Answer {
        match if self.calm { 100 } else { self.dice.below(100) } {
            0..8 => return Answer::Again,
            // Never arrived, and nobody can know.
            8..14 => return Answer::Lost,
            14..16 => return Answer::Denied,
            _ => {}
        }
        let answer = self.perform(step, version, bound, processes);
        let effective = matches!(answer, Answer::Version(_) | Answer::Refresh(_) | Answer::Accepted);
        if effective {
            *self.done.entry(step).or_default() += 1;
        }
        if !self.calm && self.dice.percent(10) { Answer::Lost } else { answer }
    }

    fn perform(&mut self, step: Step, version: i64, bound: &Bound, processes: &[String]) -> Answer {
        let rolls_back = step == Step::StartRefresh && bound.kind == Kind::Deploy;
        let last = self.refreshes.last_mut().filter(|r| r.active());
        match step {
            Step::CreateVersion => {
                self.newest += 1;
                self.made = Some(self.newest);
                Answer::Version(self.newest)
            }
            Step::StartRefresh | Step::StartUndo => match last {
                Some(_) => Answer::Again,
                None => Answer::Refresh(self.begin(version, rolls_back)),
            },
            Step::RollBack => match last {
                None => Answer::NoActiveRefresh,
                Some(r) if r.irreversible => Answer::Irreversible,
                Some(r) if matches!(r.status, "Cancelling" | "RollbackInProgress") => Answer::NoActiveRefresh,
                Some(r) => {
                    (r.status, r.progress) = ("RollbackInProgress", self.now);
                    Answer::Accepted
                }
            },
            Step::CancelRefresh => match last {
                None => Answer::NoActiveRefresh,
                Some(r) if r.status == "Cancelling" => Answer::NoActiveRefresh,
                Some(r) => {
                    r.status = "Cancelling";
                    Answer::Accepted
                }
            },
            Step::PinCurrent | Step::PinVersion => {
                self.version = version;
                Answer::Accepted
            }
            Step::SetCapacity => {
                let (min, desired, max) = self.figures;
                self.figures = (bound.set_min.unwrap_or(min), bound.set_desired.unwrap_or(desired), bound.set_max.unwrap_or(max));
                Answer::Accepted
            }
            Step::TerminateInstance => {
                self.retire(bound.instance.as_deref().unwrap_or_default());
                Answer::Accepted
            }
            Step::Suspend => {
                let new: Vec<String> = processes.iter().filter(|p| !self.suspended.contains(*p)).cloned().collect();
                if bound.kind != Kind::Settings {
                    self.borrowed.extend(new.clone());
                }
                self.alter(|aws| aws.suspended.extend(new));
                Answer::Accepted
            }
            Step::Resume => {
                for set in [&mut self.suspended, &mut self.borrowed] {
                    set.retain(|p| !processes.contains(p));
                }
                Answer::Accepted
            }
            Step::SetGroup => {
                let s = bound.settings.clone().unwrap_or_default();
                self.version = s.template_version.unwrap_or(self.version);
                self.grace = s.grace_seconds.unwrap_or(self.grace);
                Answer::Accepted
            }
            other => panic!("{} calls nothing", other.name()),
        }
    }

    fn shot(&self) -> Shot {
        let rows = |i: &Instance| GroupInstance {
            id: i.id.clone(),
            zone: "a".into(),
            lifecycle: if i.leaving.is_some() {
                "Terminating"
            } else if i.serves <= self.now {
                "InService"
            } else {
                "Pending"
            }
            .into(),
            health: "Healthy".into(),
            template_version: Some(i.version),
            template_id: Some("lt-1".into()),
            protected: false,
        };
        let target = |i: &Instance| {
            let state = match i.leaving {
                Some(_) => "draining",
                None if self.is_healthy(i) => "healthy",
                None if i.healthy.is_some_and(|h| h <= self.now) || self.now - i.serves > 60 * SECOND => "unhealthy",
                None => "initial",
            };
            (i.id.clone(), TargetState { state: state.into(), reason: None, description: None })
        };
        let (min, desired, max) = self.figures;
        let template = |n: i64| TemplateRef { id: "lt-1".into(), name: String::new(), version: n.to_string() };
        let group = Group {
            arn: "arn:g".into(),
            name: "g".into(),
            min,
            desired,
            max,
            launch: LaunchSource::Template(template(self.version)),
            health_check_type: "ELB".into(),
            grace_seconds: self.grace,
            default_warmup_seconds: None,
            zones: vec!["a".into()],
            target_group_arns: vec!["tg".into()],
            suspended: self.suspended.iter().cloned().collect(),
            suspension_reasons: BTreeMap::new(),
            instances: self.instances.iter().map(rows).collect(),
            maintenance: None,
            warm_pool: false,
            max_instance_lifetime: None,
            protects_new: false,
            status: None,
        };
        let listening = TargetGroup { arn: "tg".into(), name: "tg".into(), protocol: "HTTP".into(), has_listener: true };
        let targets = self.instances.iter().filter(|i| i.serves <= self.now).map(target).collect();
        let refresh = |r: &Run| Refresh {
            id: r.id.clone(),
            status: if self.now < r.strange && r.active() { "Reticulating" } else { r.status }.into(),
            reason: None,
            percent: None,
            to_update: None,
            desired: Some(template(r.to)),
            started_at: None,
            ended_at: None,
        };
        Shot { group, health: vec![TargetHealth { group: listening, targets }], refreshes: self.refreshes.iter().rev().map(refresh).collect() }
    }

    /// What a look shows at this time of the machine's clock: each part fresh, or as it was up to ten seconds ago.
    pub(super) fn look(&mut self, at: Millis) -> Observation {
        let now = self.shot();
        let before = self.before.clone().filter(|_| !self.calm);
        let mut pick = || before.as_ref().filter(|_| self.dice.percent(25)).unwrap_or(&now).clone();
        let (mut group, health, refreshes) = (pick().group, pick().health, pick().refreshes);
        if !self.calm
            && self.lags()
            && self.dice.percent(25)
            && let Some((earlier, _)) = &self.earlier
        {
            group = Group { instances: group.instances, ..earlier.clone() };
        }
        Observation {
            at,
            group: Some(group),
            health,
            refreshes,
            activities: vec![],
            versions: BTreeMap::new(),
            policies: None,
            policies_at: 0,
            health_at: at,
            detail_at: at,
            alarms: vec![],
            hooks: vec![],
            drains: BTreeMap::new(),
            since: BTreeMap::new(),
            refresh_since: BTreeMap::new(),
        }
    }
}
