//! An EC2 instance and its place in a group.
//!
//! **Invariant:** data only; `lifecycle.rs` moves it. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};

use super::{boot::App, hooks::Wait};
use crate::wire::node::Node;

/// EC2 instance states (aws-reference 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ec2State {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl Ec2State {
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }
}

/// Auto Scaling lifecycle states (aws-reference 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lifecycle {
    Pending,
    PendingWait,
    PendingProceed,
    InService,
    EnteringStandby,
    Standby,
    Detaching,
    Detached,
    Terminating,
    TerminatingWait,
    TerminatingProceed,
    Terminated,
}

impl Lifecycle {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::PendingProceed => "Pending:Proceed",
            Self::InService => "InService",
            Self::EnteringStandby => "EnteringStandby",
            Self::Standby => "Standby",
            Self::Detaching => "Detaching",
            Self::Detached => "Detached",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
            Self::Terminated => "Terminated",
        }
    }

    pub(crate) fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::PendingProceed)
    }

    /// Counts as capacity (aws-reference 4.1).
    pub(crate) fn is_active(self) -> bool {
        self.is_pending() || self == Self::InService
    }

    pub(crate) fn is_leaving(self) -> bool {
        matches!(self, Self::Detaching | Self::Detached | Self::Terminating | Self::TerminatingWait | Self::TerminatingProceed | Self::Terminated)
    }
}

impl Ec2State {
    /// Up, or on the way.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// The instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) az: String,
    pub(crate) subnet: String,
    pub(crate) ip: String,
    pub(crate) kind: String,
    pub(crate) ami: String,
    /// Template id, name and numeric version.
    pub(crate) template: Option<(String, String, u64)>,
    pub(crate) configuration: Option<String>,
    /// Template data it was launched with.
    pub(crate) data: Node,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) ec2: Ec2State,
    pub(crate) launched_at: i64,
    pub(crate) running_at: i64,
    /// When boot reaches the image pull.
    pub(crate) pull_at: i64,
    /// When the group may take it into service.
    pub(crate) ready_at: i64,
    pub(crate) checks_ok_at: i64,
    /// When it was started again.
    pub(crate) started_at: Option<i64>,
    /// When EC2 was told to stop it, until it is started again, and when it is stopped.
    pub(crate) stopping_at: Option<i64>,
    pub(crate) stopped_at: Option<i64>,
    pub(crate) shutdown_at: Option<i64>,
    pub(crate) terminated_at: Option<i64>,
    pub(crate) state_reason: Option<(String, String)>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) in_service_at: Option<i64>,
    pub(crate) unhealthy: bool,
    /// Why the group found it unhealthy, as activity text.
    pub(crate) unhealthy_why: Option<String>,
    pub(crate) protected: bool,
    /// Refresh that launched it, `<id>` or `<id>/rollback`.
    pub(crate) generation: Option<String>,
    /// Launched in place of an unhealthy one.
    pub(crate) replaces_unhealthy: bool,
    /// Stand-in launched before this unhealthy one goes.
    pub(crate) replaced_by: Option<String>,
    /// Taken out by a refresh.
    pub(crate) refreshed_out: bool,
    /// Lifecycle hooks it waits for.
    pub(crate) waits: Vec<Wait>,
    pub(crate) activity: String,
    pub(crate) app: Option<App>,
    pub(crate) booted: bool,
    pub(crate) console: Vec<(i64, String)>,
    /// Answers errors since the control asked for it.
    pub(crate) sick: bool,
    /// Its status check fails from the first instant until the second.
    pub(crate) impaired: Option<(i64, Option<i64>)>,
}

impl Instance {
    /// Since when its status check has been failing.
    pub(crate) fn impaired_since(&self, now: i64) -> Option<i64> {
        self.impaired.filter(|(from, until)| *from <= now && until.is_none_or(|t| now < t)).map(|(from, _)| from)
    }
}
