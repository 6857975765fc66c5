//! Any order of events is safe (promise S3): the pure rules of `domain::next` driven through whole changes of every kind against a tiny
//! AWS under virtual time. Faults, stale reads, lost replies, crashes, duplicate looks, clock steps and foreign hands come from the seed.
//!
//! A failing seed prints itself; FLEETGATE_TEST_ONE=<seed> replays it alone, with its trace.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use fleetgate::domain::change::{Capacity, Kind, Progress, RefreshMode, Settings, State, Step, Undo};
use fleetgate::domain::next::{Decision, PROOFS, next};
use fleetgate::domain::observation::{Millis, Observation};
use fleetgate::domain::plan::{Bound, BoundTemplate, Difference, Plan};
use fleetgate::domain::strategy::{OnHold, OnStandby, Preferences};

use crate::harness::drawn;
use crate::proofs::{Dice, cases, one};
use model::{Answer, Aws, BASE, SECOND};

/// Looks after which everything must have ended: faults stop after the first third.
const BOUND: usize = 6000;
const STALENESS: Millis = 30_000;
const WARMUP: i32 = 60;

/// Kind, the state at the end or that it was forced, and whether a deploy had something suspended for it.
type End = (Kind, &'static str, bool);

/// The committed row of a change: what a process that begins anew has.
#[derive(Clone, Debug)]
struct Row {
    state: State,
    progress: Progress,
    /// An act without outcome: its step, and when a look did not find it done first.
    open: Option<(Step, Option<Millis>)>,
    sentence: String,
}

struct Run {
    plan: Plan,
    aws: Aws,
    dice: Dice,
    row: Row,
    /// How far the machine's clock is off.
    skew: Millis,
    /// Acts whose outcome is written down as done.
    known: BTreeSet<Step>,
    /// For each of the last looks: does it prove the end, judged in other words?
    proofs: Vec<(bool, bool)>,
    /// First look that showed an instance in service.
    seen: BTreeMap<String, Millis>,
    /// A person's order, and AWS's definite no.
    undo_decided: bool,
    denied: bool,
    /// The debts as they stand in their rows: written with the intent to suspend, paid with the outcome of the resumption.
    owed: BTreeSet<String>,
    owed_since: Millis,
    /// An admin ended it.
    forced: bool,
    /// Somebody moved what the group launches while a change of settings ran.
    moved: bool,
    trace: Vec<String>,
}

/// What a rollout suspends for its time.
const LENT: [&str; 2] = ["AZRebalance", "AlarmNotification"];

fn bound_template(base: i64, reuse: Option<i64>) -> BoundTemplate {
    BoundTemplate { id: "lt-1".into(), base, content: String::new(), image_source: String::new(), repository: String::new(), reuse }
}

/// What others altered a moment ago, and the settings that put it back.
fn put_back(aws: &mut Aws, dice: &mut Dice) -> Settings {
    let mut wanted = Settings::default();
    let [suspends, resumes, grace, template] = [(); 4].map(|()| dice.percent(50));
    if suspends {
        wanted.resume = vec![LENT[0].into()];
    }
    if resumes {
        aws.suspended.insert(LENT[1].into());
        wanted.suspend = vec![LENT[1].into()];
    }
    if template {
        wanted.template_version = Some(BASE);
    }
    if grace || wanted == Settings::default() {
        wanted.grace_seconds = Some(aws.grace);
    }
    aws.alter(|aws| {
        aws.suspended.extend(wanted.resume.iter().cloned());
        wanted.suspend.iter().for_each(|p| aws.stranger(p, false));
        aws.version = if template { BASE - 1 } else { aws.version };
        aws.grace = if wanted.grace_seconds.is_some() { 77 } else { aws.grace };
    });
    // What is put back is not theirs to keep.
    aws.theirs.retain(|p| !wanted.resume.contains(p));
    wanted
}

fn a_plan(kind: Kind, aws: &mut Aws, dice: &mut Dice) -> Plan {
    let (min, mut desired, max) = aws.figures;
    let back = matches!(kind, Kind::Deploy);
    let preferences = Preferences {
        min_healthy: 100,
        max_healthy: 200,
        warmup_seconds: WARMUP,
        skip_matching: true,
        auto_rollback: back,
        protected: OnHold::Wait,
        standby: OnStandby::Wait,
        bake_seconds: 60,
        checkpoints: vec![],
        checkpoint_delay_seconds: 0,
        alarms: vec![],
        suspend: if matches!(kind, Kind::Deploy | Kind::Replace) && dice.percent(60) { LENT.map(str::to_owned).to_vec() } else { vec![] },
    };
    let reuse = match kind {
        Kind::Replace => Some(BASE),
        Kind::Rollback => Some(BASE - 1),
        _ => None,
    };
    let rolls = matches!(kind, Kind::Deploy | Kind::Rollback | Kind::Replace | Kind::Pin);
    let template = rolls.then(|| bound_template(BASE, reuse));
    let mut to = i32::try_from(dice.between(1, i64::from(max))).unwrap();
    let capacity = kind == Kind::Capacity;
    if capacity && dice.percent(40) {
        // Somebody moved it a moment ago, and it is put back.
        aws.alter(|aws| aws.figures.1 = to);
        (desired, to) = (to, desired);
    }
    let settings = (kind == Kind::Settings).then(|| put_back(aws, dice));
    let settings_template = settings.as_ref().and_then(|s| s.template_version).map(|wanted| bound_template(aws.version, Some(wanted)));
    let refresh = (kind == Kind::Refresh).then(|| (aws.begin(BASE - 1, false), *dice.pick(&[RefreshMode::Cancel, RefreshMode::RollBack])));
    Plan {
        bound: Bound {
            form: 1,
            app: "a".into(),
            env: "e".into(),
            group_arn: "arn:g".into(),
            kind,
            release: Some(2),
            digest: Some("sha256:x".into()),
            template: template.or(settings_template),
            preferences: rolls.then_some(preferences),
            policy_version: 1,
            min,
            max,
            set_min: None,
            set_desired: (capacity && to != desired).then_some(to),
            set_max: (capacity && to == desired).then_some(max + 1),
            instance: (kind == Kind::Terminate).then(|| dice.pick(&aws.instances).id.clone()),
            shrink: false,
            settings,
            refresh,
        },
        sentence: String::new(),
        diff: if capacity && to != desired {
            vec![Difference { field: "desired".into(), before: Some(desired.to_string()), after: Some(to.to_string()) }]
        } else {
            vec![]
        },
        steps: vec![],
        ways_out: vec![],
        seen: Capacity { min, desired, max },
        checks: vec![],
        old_version: Some(BASE),
        old_digest: None,
        boot_budget_seconds: 300,
        desired,
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut aws = Aws::new(Dice::new(seed ^ 0x00A3_17AD), i32::try_from(dice.between(2, 6)).unwrap());
        // Three in ten are deploys.
        let kind = *dice.pick(&[&Kind::ALL[..], &[Kind::Deploy; 2]].concat());
        for process in LENT {
            if dice.percent(15) {
                aws.stranger(process, true);
            }
        }
        let plan = a_plan(kind, &mut aws, &mut dice);
        if dice.percent(35) {
            aws.bad = Some(if kind == Kind::Deploy { BASE + 1 } else { plan.bound.template.as_ref().and_then(|t| t.reuse).unwrap_or(BASE) });
        }
        // A refresh from outside stands in the way at first.
        if !matches!(kind, Kind::Refresh | Kind::Settings) && dice.percent(8) {
            aws.begin(BASE, false);
        }
        if kind == Kind::Pin && dice.below(2) == 0 {
            // A group that follows an alias launches another number than the one it is pinned to.
            aws.version = BASE - 1;
        }
        let row = Row { state: State::Running, progress: Progress::default(), open: None, sentence: String::new() };
        Self {
            plan,
            aws,
            dice,
            row,
            skew: 0,
            known: BTreeSet::new(),
            proofs: Vec::new(),
            seen: BTreeMap::new(),
            undo_decided: false,
            denied: false,
            owed: BTreeSet::new(),
            owed_since: 0,
            forced: false,
            moved: false,
            trace: Vec::new(),
        }
    }

    fn clock(&self) -> Millis {
        self.aws.now + self.skew
    }

    fn kind(&self) -> Kind {
        self.plan.bound.kind
    }

    fn tell(&mut self, what: String) {
        if one().is_some() {
            println!("{} {what}", self.clock());
        }
        self.trace.push(format!("{} {what}", self.clock()));
    }

    /// A person stops it or takes it back, as `App::cancel_change` writes it.
    fn person(&mut self) {
        let p = &mut self.row.progress;
        let order = Undo { by: "dan".into(), why: "dan asked for it.".into(), at: 0 };
        let undoes = matches!(self.plan.bound.kind, Kind::Deploy | Kind::Rollback);
        if undoes && self.dice.below(2) == 0 && p.undo.is_none() {
            (p.undo, p.stop, p.proofs, p.counts) = (Some(order), None, 0, Default::default());
            (self.row.state, self.undo_decided) = (State::Undoing, true);
        } else if p.undo.is_none() && p.stop.is_none() {
            p.stop = Some(order);
            self.row.state = State::Cancelling;
        }
        self.tell("a person decides".into());
    }

    /// Does this look prove the end (forward, back), written in other words than the rules are?
    fn proves(&mut self, obs: &Observation) -> (bool, bool) {
        let g = obs.group.as_ref().unwrap();
        for i in g.instances.iter().filter(|i| i.lifecycle == "InService") {
            self.seen.entry(i.id.clone()).or_insert(obs.at);
        }
        let healthy = |id: &str| obs.health[0].targets.get(id).is_some_and(|t| t.state == "healthy");
        let counted: Vec<_> = g.instances.iter().filter(|i| ["InService", "Pending"].contains(&i.lifecycle.as_str())).collect();
        let young = |id: &str| self.seen.get(id).is_none_or(|at| obs.at - at <= i64::from(WARMUP) * SECOND);
        let on = |version: Option<i64>| {
            fleetgate_version(obs) == version
                && counted.iter().all(|i| i.template_version == version && (healthy(&i.id) || young(&i.id)))
                && counted.iter().any(|i| i.lifecycle == "InService" && healthy(&i.id))
        };
        let p = &self.row.progress;
        let fresh = self.kind() != Kind::Replace || counted.iter().all(|i| !p.old_instances.contains(&i.id));
        let ended = |id: &Option<String>, status: &str| id.as_ref().and_then(|id| obs.refresh(id)).is_some_and(|r| r.status == status);
        (on(p.new_version) && fresh && ended(&p.refresh, "Successful"), on(Some(BASE)))
    }

    /// What a step suspends or resumes: what the settings say, else what is owed.
    fn processes(&self, step: Step) -> Vec<String> {
        match (&self.plan.bound.settings, step) {
            (Some(s), Step::Suspend) => s.suspend.clone(),
            (Some(s), _) => s.resume.clone(),
            (None, _) => self.row.progress.debts.clone(),
        }
    }

    fn is_set(&self, version: Option<i64>, grace: i32) -> bool {
        let s = self.plan.bound.settings.clone().unwrap_or_default();
        s.template_version.is_none_or(|v| version == Some(v)) && s.grace_seconds.is_none_or(|v| grace == v)
    }

    fn find_done(&self, obs: &Observation, step: Step) -> Option<Answer> {
        let (p, b) = (&self.row.progress, &self.plan.bound);
        let group = obs.group.as_ref()?;
        let ours = |before: &Option<String>, version: Option<i64>| {
            let newer = obs.refreshes.iter().take_while(|r| Some(&r.id) != before.as_ref());
            newer.into_iter().find(|r| r.desired.as_ref().and_then(|d| d.number()) == version).map(|r| Answer::Refresh(r.id.clone()))
        };
        let status = p.refresh.as_ref().and_then(|id| obs.refresh(id)).map_or("", |r| r.status.as_str());
        let when = |yes: bool| yes.then_some(Answer::Accepted);
        let early = |since: Option<Millis>| since.is_some_and(|s| (0..=STALENESS).contains(&(obs.at - s)));
        let shown = |names: &[String]| names.iter().filter(|n| group.suspended.contains(n)).count();
        match step {
            Step::CreateVersion => self.aws.made.map(Answer::Version),
            Step::StartRefresh => ours(&p.refresh_before, p.new_version),
            Step::StartUndo => ours(&p.undo_refresh_before, self.plan.old_version),
            Step::RollBack => when(status.starts_with("Rollback")),
            Step::CancelRefresh => when(status.starts_with("Cancel")),
            Step::PinCurrent => when(fleetgate_version(obs) == Some(BASE)),
            Step::PinVersion => when(fleetgate_version(obs) == p.new_version),
            Step::SetCapacity => {
                let figures = b.set_desired.is_none_or(|v| v == group.desired) && b.set_max.is_none_or(|v| v == group.max);
                when(figures && !early(p.started_at))
            }
            Step::Suspend => when(shown(&self.processes(step)) == self.processes(step).len() && !early(p.started_at)),
            Step::Resume => when(shown(&self.processes(step)) == 0 && !early(p.suspended_at.or(p.started_at))),
            Step::SetGroup => when(self.is_set(fleetgate_version(obs), group.grace_seconds) && !early(p.started_at)),
            Step::TerminateInstance => {
                when(group.instances.iter().find(|i| Some(&i.id) == b.instance.as_ref()).is_none_or(|i| i.lifecycle == "Terminating"))
            }
            _ => None,
        }
    }

    /// Writes down what came of an act.
    fn outcome(&mut self, step: Step, answer: &Answer) {
        let p = &mut self.row.progress;
        match (step, answer) {
            (Step::CreateVersion, Answer::Version(n)) => p.new_version = Some(*n),
            (Step::StartRefresh, Answer::Refresh(id)) => p.refresh = Some(id.clone()),
            (Step::StartUndo, Answer::Refresh(id)) => p.undo_refresh = Some(id.clone()),
            (Step::RollBack, _) => p.rollback_asked = true,
            (Step::CancelRefresh, _) => p.cancel_asked = true,
            (Step::PinCurrent, _) => p.pinned_current = true,
            (Step::PinVersion, _) => p.pinned_version = true,
            (Step::SetCapacity, _) => p.capacity_set = true,
            (Step::TerminateInstance, _) => p.terminate_asked = true,
            (Step::Suspend, _) => p.suspended = true,
            (Step::Resume, _) => {
                p.resumed = true;
                self.owed.clear();
            }
            (Step::SetGroup, _) => p.group_set = true,
            other => panic!("{other:?} is no outcome"),
        }
        self.row.open = None;
        self.known.insert(step);
    }

    /// Looks what became of an act whose answer is not known.
    fn resolve(&mut self, obs: &Observation, step: Step, first: Option<Millis>) {
        match (self.find_done(obs, step), first) {
            (Some(answer), _) => {
                self.tell(format!("{} found done", step.name()));
                self.outcome(step, &answer);
            }
            (None, Some(first)) if obs.at - first > STALENESS => {
                self.tell(format!("{} not done", step.name()));
                self.row.open = None;
            }
            (None, first) => self.row.open = Some((step, first.or(Some(obs.at)))),
        }
    }

    /// One turn of the shell; a crash is a return before the next write.
    fn turn(&mut self, obs: &Observation) {
        let crash = |dice: &mut Dice, calm: bool| !calm && dice.percent(3);
        let calm = self.aws.calm;
        if let Some((step, first)) = self.row.open {
            if crash(&mut self.dice, calm) {
                return self.tell("crash before the outcome".into());
            }
            return self.resolve(obs, step, first);
        }
        let seen = self.seen.clone();
        let proof = self.proves(obs);
        let before = self.row.progress.clone();
        let (progress, decision) = next(&self.plan, before.clone(), obs, 180);
        assert!(before.undo.is_none() || progress.undo == before.undo, "an undo was forgotten");
        assert!(before.stop.is_none() || progress.stop == before.stop, "a stop was forgotten");
        if crash(&mut self.dice, calm) {
            // What this look showed is lost with the process.
            self.seen = seen;
            return self.tell("crash before the decision was written".into());
        }
        self.proofs.push(proof);
        match decision {
            Decision::Act(step) => self.act(progress, obs, step),
            Decision::Wait { state, sentence, .. } => {
                assert!(!sentence.trim().is_empty() && !state.is_final());
                (self.row.progress, self.row.state, self.row.sentence) = (progress, state, sentence);
            }
            Decision::Attention { sentence, .. } => {
                assert!(!sentence.trim().is_empty());
                (self.row.progress, self.row.state, self.row.sentence) = (progress, State::NeedsAttention, sentence);
            }
            Decision::TakeBack { why, by, .. } => {
                assert!(before.undo.is_none() && !why.trim().is_empty());
                self.tell(format!("taken back by {by}"));
                (self.row.progress, self.row.state, self.undo_decided) = (progress, State::Undoing, true);
                (self.row.progress.undo, self.row.progress.proofs) = (Some(Undo { by: by.into(), why, at: obs.at }), 0);
            }
            Decision::Done { state, sentence } => {
                assert!(state.is_final() && !sentence.trim().is_empty());
                (self.row.progress, self.row.state, self.row.sentence) = (progress, state, sentence);
                self.judge_end();
            }
        }
    }

    fn act(&mut self, mut progress: Progress, obs: &Observation, step: Step) {
        assert!(!self.known.contains(&step), "{} again, although it is known to be done", step.name());
        let calm = self.aws.calm;
        let newest = obs.refreshes.first().map(|r| r.id.clone()).unwrap_or_default();
        match step {
            Step::StartRefresh => progress.refresh_before = Some(newest),
            Step::StartUndo => progress.undo_refresh_before = Some(newest),
            Step::CreateVersion if self.aws.made.is_some() => {
                self.row.progress = progress;
                let made = Answer::Version(self.aws.made.unwrap());
                return self.outcome(step, &made);
            }
            Step::SetGroup => {
                let base = self.plan.bound.template.as_ref().map(|t| t.base);
                assert!(base.is_none() || fleetgate_version(obs) == base, "sent over what somebody else set");
            }
            Step::Suspend if self.kind() != Kind::Settings => {
                progress.suspended_at = Some(obs.at);
                self.owed.extend(progress.debts.iter().cloned());
                self.owed_since = self.aws.now;
            }
            _ => {}
        }
        (self.row.progress, self.row.open) = (progress, Some((step, None)));
        if !calm && self.dice.percent(4) {
            return self.tell(format!("crash before {} was sent", step.name()));
        }
        let version = match step {
            Step::StartUndo | Step::PinCurrent => BASE,
            _ => self.row.progress.new_version.unwrap_or_default(),
        };
        let processes = self.processes(step);
        let answer = self.aws.call(step, version, &self.plan.bound, &processes);
        self.tell(format!("{}: {answer:?}", step.name()));
        if !calm && self.dice.percent(4) {
            return self.tell("crash before the answer was written".into());
        }
        let undoing = matches!(step, Step::RollBack | Step::StartUndo | Step::CancelRefresh | Step::Resume)
            && !matches!(self.kind(), Kind::Refresh | Kind::Settings);
        match answer {
            Answer::Lost => {}
            Answer::Again | Answer::NoActiveRefresh => self.row.open = None,
            Answer::Irreversible => (self.row.open, self.row.progress.irreversible) = (None, true),
            Answer::Denied if undoing => (self.row.open, self.row.state) = (None, State::NeedsAttention),
            Answer::Denied => {
                (self.row.open, self.row.state, self.denied) = (None, State::Failed, true);
                self.judge_end();
            }
            done => self.outcome(step, &done),
        }
    }

    /// Is the end that is told the end that is?
    fn judge_end(&mut self) {
        let (state, aws, b) = (self.row.state, &self.aws, &self.plan.bound);
        let text = format!("{} {}: {}", b.kind.name(), state.name(), self.row.sentence);
        let wanted = self.row.progress.new_version;
        let all_on = |version: Option<i64>| Some(aws.version) == version && aws.active().all(|i| Some(i.version) == version);
        let last = |pick: fn(&(bool, bool)) -> bool| self.proofs.len() >= 3 && self.proofs.iter().rev().take(3).all(pick);
        let rolls = matches!(b.kind, Kind::Deploy | Kind::Rollback | Kind::Replace);
        if self.undo_decided && rolls {
            assert!(matches!(state, State::Undone | State::UndoFailed), "{text}: it was to be taken back");
        }
        match (state, b.kind) {
            (State::Succeeded, Kind::Deploy | Kind::Rollback | Kind::Replace) => {
                assert!(all_on(wanted), "{text}: another version runs: {aws:#?}");
                assert!(last(|p| p.0), "{text}: not three looks in a row proved it");
                assert_eq!(PROOFS, 3);
            }
            (State::Succeeded, Kind::Pin) => assert_eq!(Some(aws.version), wanted, "{text}"),
            (State::Succeeded, Kind::Capacity) => {
                let (sent, wish) = (aws.done.contains_key(&Step::SetCapacity), b.set_desired.unwrap_or(aws.figures.1));
                assert!(b.set_max.is_none_or(|v| v == aws.figures.2) && (sent || wish == aws.figures.1), "{text}: {:?}", aws.figures);
            }
            (State::Succeeded, Kind::Terminate) => {
                assert!(aws.active().all(|i| Some(&i.id) != b.instance.as_ref()), "{text}");
            }
            (State::Succeeded, Kind::Settings) => {
                let s = b.settings.clone().unwrap();
                assert!(self.moved || self.is_set(Some(aws.version), aws.grace), "{text}: it is not set: {aws:#?}");
                let shown = |names: &[String]| names.iter().filter(|n| aws.suspended.contains(*n)).count();
                assert_eq!((shown(&s.suspend), shown(&s.resume)), (s.suspend.len(), 0), "{text}: {:?}", aws.suspended);
                // Nobody else puts anything back, so that each part is an act of ours, and nothing is sent beside them.
                let parts = [
                    (Step::Suspend, !s.suspend.is_empty()),
                    (Step::Resume, !s.resume.is_empty()),
                    (Step::SetGroup, s.grace_seconds.is_some() || s.template_version.is_some()),
                ];
                let needed: Vec<Step> = parts.into_iter().filter(|(_, needed)| *needed).map(|(step, _)| step).collect();
                assert_eq!(aws.done.keys().copied().collect::<Vec<_>>(), needed, "{text}");
            }
            (State::Succeeded | State::Failed, Kind::Refresh) => {
                let (id, mode) = b.refresh.as_ref().unwrap();
                let (step, end) =
                    if *mode == RefreshMode::Cancel { (Step::CancelRefresh, "Cancelled") } else { (Step::RollBack, "RollbackSuccessful") };
                let run = aws.refreshes.iter().find(|r| r.id == *id).unwrap();
                if state == State::Succeeded {
                    assert_eq!(run.status, end, "{text}");
                    assert!(aws.done.contains_key(&step) || aws.foreign_cancel, "{text}: by nobody");
                } else {
                    let known = self.denied || self.row.progress.irreversible || (!run.active() && run.status != end);
                    assert!(known, "{text}: {run:?}");
                }
                assert!(aws.done.keys().all(|s| *s == step), "{text}: {:?}", aws.done);
            }
            (State::Undone, _) => {
                assert!(self.undo_decided, "{text}: nobody decided it");
                if self.row.progress.refresh.is_some() {
                    assert!(all_on(Some(BASE)), "{text}: another version runs: {aws:#?}");
                    assert!(last(|p| p.1), "{text}: not three looks in a row proved it");
                }
            }
            (State::Cancelled, _) => {
                assert!(self.row.progress.stop.is_some() || aws.foreign_cancel, "{text}: nobody stopped it");
                // What a person is told of an act is so.
                if b.kind == Kind::Settings && !self.moved {
                    assert_eq!(self.row.sentence.contains("Nothing was sent"), aws.done.is_empty(), "{text}: {:?}", aws.done);
                }
            }
            (State::Failed, Kind::Settings) => assert!(self.denied || self.moved, "{text}"),
            (State::Failed, _) => assert!(!self.undo_decided || self.denied || !rolls, "{text}"),
            (State::UndoFailed, _) => assert!(self.undo_decided, "{text}"),
            other => panic!("{other:?} is no end of a running change"),
        }
        // Who was refused or cut off by an admin owes what is shown; everybody else owes nothing.
        if !self.denied {
            assert!(self.owed.is_empty() && self.row.progress.debts.is_empty(), "{text}: it ended beside a debt: {:?}", self.owed);
        }
        self.tell(text);
    }

    /// Whatever is suspended for a rollout stands in a row, from before the call until after the resumption.
    fn judge_debts(&self) {
        assert!(self.aws.borrowed.is_subset(&self.owed), "{:?} is suspended, and owed is {:?}", self.aws.borrowed, self.owed);
        assert!(self.aws.theirs.is_subset(&self.aws.suspended), "others suspended {:?}, and {:?} is left", self.aws.theirs, self.aws.suspended);
    }

    /// An admin ends it: what is open and owed stays, and the sweep sees to it.
    fn force_close(&mut self) {
        (self.row.state, self.forced) = (State::Failed, true);
        self.tell("force-closed".into());
    }

    /// Sees to what an ended change left: the open act first, then what it owes.
    fn sweep(&mut self) {
        for _ in 0..BOUND {
            self.judge_debts();
            if self.row.open.is_none() && self.owed.is_empty() {
                return;
            }
            self.aws.advance(10);
            let obs = self.aws.look(self.clock());
            if let Some((step, first)) = self.row.open {
                self.resolve(&obs, step, first);
                continue;
            }
            let names: Vec<String> = self.owed.iter().cloned().collect();
            let shown = obs.group.as_ref().unwrap().suspended.iter().any(|p| names.contains(p));
            if !shown && self.aws.now - self.owed_since > STALENESS {
                self.owed.clear();
                continue;
            }
            self.row.open = Some((Step::Resume, None));
            match self.aws.call(Step::Resume, 0, &self.plan.bound, &names) {
                Answer::Lost => {}
                Answer::Accepted => self.outcome(Step::Resume, &Answer::Accepted),
                _ => self.row.open = None,
            }
        }
        panic!("{:?} is never paid", self.owed);
    }

    /// Runs to the end; returns the trace and how long it took on AWS's clock.
    fn play(mut self) -> (Vec<String>, Millis, End) {
        let begun = self.aws.now;
        // What replaces instances takes about a hundred looks, the rest a few.
        let rolls = matches!(self.kind(), Kind::Deploy | Kind::Rollback | Kind::Replace);
        let mut at_some_look = |percent: u64| self.dice.percent(percent).then(|| self.dice.below(if rolls { 120 } else { 8 }));
        let (orders, closes) = (at_some_look(25), at_some_look(15));
        for turn in 0..BOUND {
            self.aws.calm = turn > BOUND / 3;
            // What waits for a person gets one, late.
            if orders == Some(turn as u64) || (turn > BOUND / 2 && self.row.state == State::NeedsAttention) {
                self.person();
            }
            // The machine's clock steps; forward, the next look is due at once.
            let mut seconds = 10;
            if !self.aws.calm && !self.aws.lags() && self.dice.below(400) == 0 {
                let by = self.dice.between(-3600, 3600) * SECOND;
                self.skew += by;
                seconds = if by > 0 { 1 } else { 10 };
                self.tell(format!("the clock steps by {} s", by / SECOND));
            }
            self.aws.advance(seconds);
            if self.kind() == Kind::Settings && !self.aws.calm && self.dice.below(12) == 0 {
                (self.aws.version, self.moved) = (9, self.plan.bound.settings.as_ref().is_some_and(|s| s.template_version.is_some()));
            }
            if !self.aws.calm && self.dice.percent(5) {
                continue;
            }
            let at = self.clock();
            let obs = self.aws.look(at);
            if closes.is_some_and(|at| at <= turn as u64) {
                self.force_close();
            } else {
                self.turn(&obs);
            }
            self.judge_debts();
            // The same look once more, as a worker would that was taken over in between.
            if !self.row.state.is_final() && !self.aws.calm && self.dice.percent(3) {
                self.turn(&obs);
            }
            if self.row.state.is_final() {
                let debts = !self.row.progress.debts.is_empty() || self.aws.done.contains_key(&Step::Resume);
                self.sweep();
                for (step, times) in &self.aws.done {
                    assert_eq!(*times, 1, "{} was done {times} times", step.name());
                }
                let end = if self.forced { "forced" } else { self.row.state.name() };
                let end = (self.kind(), end, debts && self.kind() == Kind::Deploy);
                return (self.trace, self.aws.now - begun, end);
            }
        }
        panic!("{} did not end within {BOUND} looks: {} {}", self.kind().name(), self.row.state.name(), self.row.sentence);
    }
}

fn fleetgate_version(obs: &Observation) -> Option<i64> {
    match &obs.group.as_ref()?.launch {
        fleetgate::domain::observation::LaunchSource::Template(t) => t.number(),
        _ => None,
    }
}

#[test]
fn any_order_of_events_is_safe() {
    if let Some(seed) = one() {
        println!("{:#?}", Run::new(seed).play());
        return;
    }
    let first = drawn(0);
    let mut ends: BTreeMap<End, usize> = BTreeMap::new();
    let mut time = 0;
    for n in 0..u64::try_from(cases(300, 10_000)).unwrap() {
        let seed = first * 1000 + n;
        match std::panic::catch_unwind(|| Run::new(seed).play()) {
            Ok((_, took, end)) => {
                *ends.entry(end).or_default() += 1;
                time += took;
            }
            Err(why) => {
                println!("seed {seed} fails");
                std::panic::resume_unwind(why);
            }
        }
    }
    println!("{} simulated days; ends: {ends:#?}", time / 86_400_000);
    // Every kind comes to its good end, and deploys to each of theirs: else the model is too kind, or too mean, to show anything.
    for kind in Kind::ALL {
        assert!(ends.contains_key(&(kind, "succeeded", false)), "no {} succeeded", kind.name());
    }
    for end in ["succeeded", "undone", "cancelled", "failed", "forced"] {
        for debts in [false, true] {
            assert!(ends.contains_key(&(Kind::Deploy, end, debts)), "no deploy was {end}, with debts: {debts}");
        }
    }
}

#[test]
fn a_seed_replays_the_same_way() {
    for n in 0..10 {
        let run = || Run::new(drawn(0) * 1000 + n).play();
        assert_eq!(run().0, run().0, "seed {n}");
    }
}
