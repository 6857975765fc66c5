//! The codes: what blocks, by whom, and what may be done. The order of [`Cause`] is the precedence of the module's table.

use serde::{Deserialize, Serialize};

/// What blocks, as a stable code. The order is the precedence: see the table of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is told by its name and by the table of the module")]
pub enum Cause {
    AwaitingApproval,
    Scheduled,
    QueuedBehind,
    NeverSeen,
    ReadingDenied,
    Throttled,
    LostContact,
    DataOld,
    GroupGone,
    GroupRecreated,
    GroupDeleting,
    LaunchSourceChanged,
    ForeignRefresh,
    CancelledByOthers,
    AlarmGuard,
    RolledBackByOthers,
    RefreshStatusUnknown,
    LaunchSuspendedByAws,
    InstanceRefreshSuspended,
    LaunchSuspended,
    TerminateSuspended,
    HealthCheckSuspended,
    ReplaceUnhealthySuspended,
    LaunchUnauthorized,
    LaunchKeyUnusable,
    LaunchImageMissing,
    LaunchSecurityGroupMissing,
    LaunchTemplateInvalid,
    LaunchQuota,
    LaunchNoAddresses,
    LaunchSpot,
    LaunchNoCapacity,
    LaunchAbandoned,
    LaunchFailed,
    WasHealthy,
    BootBudgetOver,
    MarkedUnhealthy,
    LoadBalancerSuspended,
    NotRegistered,
    TargetUnused,
    ProtectedInstance,
    StandbyInstance,
    LaunchHook,
    TerminateHook,
    LifecycleUnknown,
    ShrinkProtected,
    UnhealthyCode,
    UnhealthyTimeout,
    UnhealthyFailed,
    UnhealthyBalancer,
    UnhealthyOther,
    HealthUnavailable,
    Contradiction,
    QueuedCondition,
    RefusedForNow,
    NoRoom,
    PendingBehindActivity,
    RefreshPending,
    RefreshNotListed,
    Baking,
    Checkpoint,
    Booting,
    Registering,
    FirstChecks,
    Warming,
    Draining,
    ShuttingDown,
    Proving,
    Resizing,
    AwsSays,
    AsTold,
    ZoneLaunchesFail,
    AlarmsSuspended,
    AlsoSuspended,
    ProtectedIgnored,
    StandbyIgnored,
    NoListener,
}

impl Cause {
    /// As the API writes it.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Who brought it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum By {
    /// Fleetgate, by this change.
    Fleetgate {
        /// Its number.
        change: i64,
    },
    /// AWS, by itself.
    Aws,
    /// Somebody, not through Fleetgate.
    Others,
    /// Not known.
    Unknown,
}

/// What a person may do, as a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is told by its name and by its sentence")]
pub enum Act {
    Wait,
    Approve,
    OpenChange,
    StopChange,
    UndoChange,
    RollBack,
    ForceClose,
    TerminateInstance,
    ChangeCapacity,
    PinTemplate,
    AdoptAgain,
    ResumeProcess,
    LiftProtection,
    LeaveStandby,
    CompleteHook,
    ReadConsole,
    CheckHealthCheck,
    RegisterTarget,
    AddListener,
    CancelForeignRefresh,
    RaiseQuota,
    FreeAddresses,
    UseAnotherZone,
    FixTemplate,
    FixPermission,
    LookInAws,
}
