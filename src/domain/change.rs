//! Changes: one intended act on one environment, from the request to a proven end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::evidence::{Counts, FirstFailure, Seen};
use super::observation::Millis;
use super::remains::Shape;
use super::strategy::StrategyChoice;

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Turn `$Latest`, `$Default` and moving tags into a numbered version with a digest.
    Pin,
    /// Bring a release.
    Deploy,
    /// Bring back a release that was good here.
    Rollback,
    /// Replace every instance, same release.
    Replace,
    /// Change min, desired or max.
    Capacity,
    /// Terminate one instance.
    Terminate,
    /// Set what the group launches, its health check or its suspended processes: putting back what others changed.
    Settings,
    /// Stop or roll back an instance refresh that Fleetgate did not start.
    Refresh,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Pin, Self::Deploy, Self::Rollback, Self::Replace, Self::Capacity, Self::Terminate, Self::Settings, Self::Refresh];
    /// As stored and spoken.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Replace => "replace",
            Self::Capacity => "capacity",
            Self::Terminate => "terminate",
            Self::Settings => "settings",
            Self::Refresh => "refresh",
        }
    }
    /// From the stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == text)
    }
}

/// Where a change stands. The last eight are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for another person.
    AwaitingApproval,
    /// Waits for its time.
    Scheduled,
    /// Waits for its turn.
    Queued,
    /// Being carried out.
    Running,
    /// Carried out, being watched.
    Baking,
    /// Being stopped where it is.
    Cancelling,
    /// Being taken back.
    Undoing,
    /// Something contradicts; a person must look. Goes on by itself when the contradiction ends.
    NeedsAttention,
    /// Done, with evidence.
    Succeeded,
    /// Not done.
    Failed,
    /// Stopped by a person.
    Cancelled,
    /// Taken back, with evidence.
    Undone,
    /// Could not be taken back.
    UndoFailed,
    /// Turned down by an approver.
    Rejected,
    /// Nobody decided or nothing happened in time.
    Expired,
    /// Replaced by a newer request.
    Superseded,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::AwaitingApproval,
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Baking,
        Self::Cancelling,
        Self::Undoing,
        Self::NeedsAttention,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Undone,
        Self::UndoFailed,
        Self::Rejected,
        Self::Expired,
        Self::Superseded,
    ];
    /// As stored and spoken.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting_approval",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Baking => "baking",
            Self::Cancelling => "cancelling",
            Self::Undoing => "undoing",
            Self::NeedsAttention => "needs_attention",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
            Self::UndoFailed => "undo_failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
    /// From the stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == text)
    }
    /// Nothing follows.
    pub fn is_final(self) -> bool {
        self >= Self::Succeeded
    }
    /// The engine has taken it up, so that it holds its lane.
    pub fn holds_lane(self) -> bool {
        matches!(self, Self::Running | Self::Baking | Self::Cancelling | Self::Undoing | Self::NeedsAttention)
    }
}

/// Which of the two lanes of an environment a change runs in (design invariant 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// One at a time.
    Main,
    /// Beside a deploy: raising capacity, terminating one instance.
    Side,
}

impl Lane {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Side => "side",
        }
    }
}

/// The three figures of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Smallest size.
    pub min: i32,
    /// Wanted size.
    pub desired: i32,
    /// Largest size.
    pub max: i32,
}

/// What a person asks for. The API writes the kind beside the fields (`api::changes`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Pin the group to a numbered version with a digest.
    Pin {
        /// The release whose digest to pin; absent = what the moving tag points to now.
        release: Option<i64>,
    },
    /// Bring a release.
    Deploy {
        /// Its number.
        release: i64,
        /// The template version that the request was made against.
        base_template_version: Option<i64>,
        /// How.
        #[serde(default)]
        strategy: StrategyChoice,
    },
    /// Bring back a release that was good here; absent = the previous good one.
    Rollback {
        /// Its number.
        release: Option<i64>,
    },
    /// Replace every instance.
    Replace {
        /// How.
        #[serde(default)]
        strategy: StrategyChoice,
    },
    /// Set some of the three figures.
    Capacity {
        /// New smallest size.
        min: Option<i32>,
        /// New wanted size.
        desired: Option<i32>,
        /// New largest size.
        max: Option<i32>,
        /// What the request was based on.
        base: Capacity,
    },
    /// Terminate one instance.
    Terminate {
        /// `i-…`.
        instance: String,
        /// Also lower desired by one, so that nothing replaces it.
        shrink: bool,
    },
    /// Set some settings of the group.
    Settings(Settings),
    /// Stop or roll back an instance refresh that Fleetgate did not start.
    Refresh {
        /// Its id.
        refresh: String,
        /// What to do with it.
        mode: RefreshMode,
    },
}

/// Settings of a group that a change may set. Absent and empty = left as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Numbered version of the group's launch template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<i64>,
    /// Seconds after launch in which health checks do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<i32>,
    /// `EC2` or `EC2,ELB` as AWS spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<String>,
    /// Processes to suspend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspend: Vec<String>,
    /// Processes to resume.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<String>,
}

/// What is done with a foreign refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMode {
    /// Stop it where it is.
    Cancel,
    /// Let AWS undo it.
    RollBack,
}

impl Intent {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Pin { .. } => Kind::Pin,
            Self::Deploy { .. } => Kind::Deploy,
            Self::Rollback { .. } => Kind::Rollback,
            Self::Replace { .. } => Kind::Replace,
            Self::Capacity { .. } => Kind::Capacity,
            Self::Terminate { .. } => Kind::Terminate,
            Self::Settings(_) => Kind::Settings,
            Self::Refresh { .. } => Kind::Refresh,
        }
    }

    /// The lane that it needs: raising figures and terminating one instance may run beside a deploy.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Capacity { min, desired, max, base } => {
                let lowers = |new: &Option<i32>, old: i32| new.is_some_and(|n| n < old);
                if lowers(min, base.min) || lowers(desired, base.desired) || lowers(max, base.max) { Lane::Main } else { Lane::Side }
            }
            // Shrinking lowers desired.
            Self::Terminate { shrink, .. } => {
                if *shrink {
                    Lane::Main
                } else {
                    Lane::Side
                }
            }
            _ => Lane::Main,
        }
    }
}

/// The steps that a change may take, in the words of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Point the group at the number that it already uses.
    PinCurrent,
    /// Create the numbered template version with the digest.
    CreateVersion,
    /// Point the group at the created version.
    PinVersion,
    /// Start the instance refresh.
    StartRefresh,
    /// Watch it replace instances.
    Roll,
    /// Prove the end by evidence.
    Verify,
    /// Ask AWS to roll the refresh back.
    RollBack,
    /// Start a new refresh to the old version.
    StartUndo,
    /// Watch the undo.
    Undo,
    /// Ask AWS to stop the refresh where it is.
    CancelRefresh,
    /// Watch it stop.
    Stop,
    /// Set the figures.
    SetCapacity,
    /// Watch the group reach them.
    Resize,
    /// Terminate the instance.
    TerminateInstance,
    /// Watch it go.
    Leave,
    /// Suspend processes of the group.
    Suspend,
    /// Resume processes of the group.
    Resume,
    /// Set what the group launches or how its health is judged.
    SetGroup,
    /// Write down the outcome.
    Settle,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::PinCurrent,
        Self::CreateVersion,
        Self::PinVersion,
        Self::StartRefresh,
        Self::Roll,
        Self::Verify,
        Self::RollBack,
        Self::StartUndo,
        Self::Undo,
        Self::CancelRefresh,
        Self::Stop,
        Self::SetCapacity,
        Self::Resize,
        Self::TerminateInstance,
        Self::Leave,
        Self::Suspend,
        Self::Resume,
        Self::SetGroup,
        Self::Settle,
    ];
    /// As stored and spoken.
    pub fn name(self) -> &'static str {
        match self {
            Self::PinCurrent => "pin_current",
            Self::CreateVersion => "create_version",
            Self::PinVersion => "pin_version",
            Self::StartRefresh => "start_refresh",
            Self::Roll => "roll",
            Self::Verify => "verify",
            Self::RollBack => "roll_back",
            Self::StartUndo => "start_undo",
            Self::Undo => "undo",
            Self::CancelRefresh => "cancel_refresh",
            Self::Stop => "stop",
            Self::SetCapacity => "set_capacity",
            Self::Resize => "resize",
            Self::TerminateInstance => "terminate_instance",
            Self::Leave => "leave",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::SetGroup => "set_group",
            Self::Settle => "settle",
        }
    }
    /// From the stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == text)
    }
}

/// Why a running change is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// `fleetgate`, `aws`, or a person.
    pub by: String,
    /// One sentence.
    pub why: String,
    /// When (cloud clock).
    pub at: Millis,
}

/// What the engine knows of a running change beside the plan. Kept in the change's row, so that a restart goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// When the engine took it up (cloud clock).
    pub started_at: Option<Millis>,
    /// The version that a step made or found.
    pub new_version: Option<i64>,
    /// Our refresh.
    pub refresh: Option<String>,
    /// Newest refresh that existed before ours; empty text = there was none.
    pub refresh_before: Option<String>,
    /// Our refresh back to the old version.
    pub undo_refresh: Option<String>,
    /// Newest refresh that existed before that one.
    pub undo_refresh_before: Option<String>,
    /// AWS accepted the rollback call.
    pub rollback_asked: bool,
    /// AWS can not roll this refresh back; a new one must.
    pub irreversible: bool,
    /// AWS accepted the cancel call.
    pub cancel_asked: bool,
    /// Set when the change is being taken back.
    pub undo: Option<Undo>,
    /// Set when the change is being stopped where it is.
    pub stop: Option<Undo>,
    /// The group was pointed at its present number.
    pub pinned_current: bool,
    /// The group was pointed at the new version.
    pub pinned_version: bool,
    /// The figures were set.
    pub capacity_set: bool,
    /// When they were first taken as set (cloud clock).
    pub capacity_set_at: Option<Millis>,
    /// The instance was told to go.
    pub terminate_asked: bool,
    /// AWS accepted the suspension.
    pub suspended: bool,
    /// When the suspension for the time of a rollout was sent last (cloud clock).
    pub suspended_at: Option<Millis>,
    /// AWS accepted the resumption.
    pub resumed: bool,
    /// AWS accepted the settings.
    pub group_set: bool,
    /// Processes that this change suspended and owes AWS to resume.
    pub debts: Vec<String>,
    /// Instances that ran before a `replace`.
    pub old_instances: BTreeSet<String>,
    /// What was seen of each new instance.
    pub seen: BTreeMap<String, Seen>,
    /// Last count.
    pub counts: Counts,
    /// Polls in a row that proved the end.
    pub proofs: u32,
    /// Evidence of the first failing instance, kept before the instance is gone.
    pub first_failure: Option<FirstFailure>,
    /// Since when AWS's word and the instances contradict each other (cloud clock).
    pub contradiction_since: Option<Millis>,
    /// Since when a person is asked to look (cloud clock).
    pub attention_since: Option<Millis>,
    /// Looks in a row that AWS did not answer.
    pub misses: u32,
    /// Refused attempts in a row of the present act.
    pub refusals: u32,
    /// The group's shape when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Shape>,
    /// The group's shape at the last look before it ended; kept in the transaction of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Shape>,
    /// AWS's words on the last time that autoscaling moved desired while it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<String>,
    /// What else explains a difference between the two shapes, by row, as it was known at the end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, String>,
    /// Processes that it had suspended and still owed AWS to resume when it ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_raising_and_replacing_one_instance_run_beside_a_deploy() {
        let base = Capacity { min: 2, desired: 4, max: 10 };
        let edit = |min, desired, max| Intent::Capacity { min, desired, max, base };
        assert_eq!(edit(Some(3), None, Some(12)).lane(), Lane::Side);
        assert_eq!(edit(None, Some(3), None).lane(), Lane::Main);
        assert_eq!(edit(Some(3), None, Some(9)).lane(), Lane::Main);
        assert_eq!(Intent::Terminate { instance: "i-1".into(), shrink: false }.lane(), Lane::Side);
        assert_eq!(Intent::Terminate { instance: "i-1".into(), shrink: true }.lane(), Lane::Main);
    }

    #[test]
    fn names_and_states_round_trip() {
        assert!(State::ALL.iter().all(|s| State::parse(s.name()) == Some(*s)));
        assert!(Step::ALL.iter().all(|s| Step::parse(s.name()) == Some(*s)));
        assert!(Kind::ALL.iter().all(|s| Kind::parse(s.name()) == Some(*s)));
        assert_eq!(State::ALL.iter().filter(|s| s.is_final()).count(), 8);
    }
}
