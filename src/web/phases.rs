//! The track of a change: what was done, what is being done, what is to come. Pure.

use super::words::{Moment, span};
use crate::domain::change::{Kind, State, Step};
use crate::domain::plan::PlannedStep;
use crate::store::changes::{Approval, Change, StepRow};

/// One phase of the track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// `done`, `now`, `todo`, `bad` or `skip`.
    pub class: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Its name.
    pub label: String,
    /// When, how long, or why not.
    pub note: String,
    /// When it began.
    pub at: Option<Moment>,
}

fn label(step: Step, c: &Change) -> String {
    let version = c.progress.new_version.or_else(|| c.plan.bound.template.as_ref().and_then(|t| t.reuse));
    match step {
        Step::PinCurrent => "Pinned number".into(),
        Step::CreateVersion => version.map_or_else(|| "Template version".into(), |v| format!("Template version {v}")),
        Step::PinVersion => "Group on it".into(),
        Step::StartRefresh => "Refresh started".into(),
        Step::Roll => "Rolling".into(),
        Step::Verify => "Proof".into(),
        Step::RollBack => "Rollback asked".into(),
        Step::StartUndo => "Refresh back".into(),
        Step::Undo => "Taking back".into(),
        Step::CancelRefresh => "Stop asked".into(),
        Step::Stop => "Stopping".into(),
        Step::SetCapacity => "Figures sent".into(),
        Step::Resize => "Resizing".into(),
        Step::TerminateInstance => "Terminate sent".into(),
        Step::Leave => "Leaving".into(),
        Step::Suspend => "Suspended".into(),
        Step::Resume => "Resumed".into(),
        Step::SetGroup => "Settings sent".into(),
        Step::Settle => "Done".into(),
    }
}

/// The phases of a change, in order.
pub fn phases(c: &Change, steps: &[StepRow], approvals: &[Approval], now: Moment) -> Vec<Phase> {
    let mut out =
        vec![Phase { class: "done", icon: "ok", label: "Requested".into(), note: format!("by {}", c.requested_by), at: Some(Moment(c.created_at)) }];
    if c.protected {
        let decided: Vec<&Approval> = approvals.iter().filter(|a| a.plan_hash == c.plan_hash).collect();
        out.push(match (c.state, decided.last()) {
            (State::AwaitingApproval, _) => {
                let note = c.expires_at.map_or_else(String::new, |e| format!("lapses {}", Moment(e).ahead(&now)));
                Phase { class: "now", icon: "gate", label: "Approval".into(), note, at: None }
            }
            (State::Rejected, Some(a)) => {
                Phase { class: "bad", icon: "bad", label: "Rejected".into(), note: format!("by {}", a.person), at: Some(Moment(a.at)) }
            }
            (_, Some(a)) => Phase { class: "done", icon: "ok", label: "Approved".into(), note: format!("by {}", a.person), at: Some(Moment(a.at)) },
            _ => Phase { class: "skip", icon: "none", label: "Approval".into(), note: "not given".into(), at: None },
        });
    }
    let back = c.progress.undo.is_some();
    let stopped = c.progress.stop.is_some();
    let planned = c.plan.steps.iter().map(|s: &PlannedStep| s.step);
    let taken_back = [Step::RollBack, Step::StartUndo, Step::CancelRefresh, Step::Undo, Step::Stop];
    let mut all: Vec<Step> = planned.filter(|s| *s != Step::Settle).collect();
    if back || stopped {
        all.retain(|s| steps.iter().any(|r| r.step == s.name()));
        all.extend(taken_back.into_iter().filter(|s| steps.iter().any(|r| r.step == s.name())));
    }
    for step in all {
        let row = steps.iter().rfind(|r| r.step == step.name());
        let name = label(step, c);
        out.push(match row {
            Some(r) if r.state == "running" && !c.state.is_final() => {
                let baking = c.state == State::Baking && step == Step::Roll;
                Phase {
                    class: if c.state == State::NeedsAttention { "bad" } else { "now" },
                    icon: if c.state == State::NeedsAttention { "bad" } else { "rolling" },
                    label: if baking { "Baking".into() } else { name },
                    note: format!("for {}", span(now.0 - r.started_at)),
                    at: Some(Moment(r.started_at)),
                }
            }
            Some(r) if r.state == "failed" => {
                Phase { class: "bad", icon: "bad", label: name, note: "ended here".into(), at: Some(Moment(r.started_at)) }
            }
            Some(r) => {
                let took = r.finished_at.or(c.finished_at).map_or_else(String::new, |e| format!("took {}", span(e - r.started_at)));
                Phase { class: "done", icon: "ok", label: name, note: took, at: Some(Moment(r.started_at)) }
            }
            None if c.state.is_final() => Phase { class: "skip", icon: "none", label: name, note: "not reached".into(), at: None },
            None => Phase { class: "todo", icon: "none", label: name, note: String::new(), at: None },
        });
    }
    let (word, class, icon) = super::words::state_of(c.state, c.kind);
    out.push(if c.state.is_final() {
        let class = if class == "bad" { "bad" } else { "done" };
        Phase { class, icon, label: word.into(), note: String::new(), at: c.finished_at.map(Moment) }
    } else {
        let label = if back {
            "Undone"
        } else if c.kind == Kind::Pin {
            "Pinned"
        } else {
            "Succeeded"
        };
        Phase { class: "todo", icon: "none", label: label.into(), note: String::new(), at: None }
    });
    out
}
