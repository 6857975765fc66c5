//! Instance refreshes: their state and the transitions a caller or the clock asks for (aws-reference 5).
//!
//! **Invariant:** one active refresh per group; the group's own template is written only when a refresh becomes
//! Successful, so a rollback always has something to return to.

use serde::{Deserialize, Serialize};

use super::{World, group::LaunchSpec};
use crate::wire::{ApiError, node::Node};

/// How long a refresh stays in the list, milliseconds: six weeks (aws-reference 5.1).
pub(crate) const KEPT: i64 = 42 * 86_400_000;

/// Status machine of aws-reference 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Pending,
    InProgress,
    Baking,
    Successful,
    Failed,
    Cancelling,
    Cancelled,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Baking => "Baking",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::RollbackInProgress => "RollbackInProgress",
            Self::RollbackSuccessful => "RollbackSuccessful",
            Self::RollbackFailed => "RollbackFailed",
        }
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Cancelled | Self::RollbackSuccessful | Self::RollbackFailed)
    }
}

/// What to do with protected or standby instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Odd {
    /// Refresh (protected) or Terminate (standby).
    Replace,
    Ignore,
    Wait,
}

/// Preferences with every default filled in (aws-reference 5.1). Durations in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Preferences {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) warmup: i64,
    pub(crate) checkpoints: Vec<i64>,
    pub(crate) checkpoint_delay: i64,
    pub(crate) skip_matching: bool,
    pub(crate) auto_rollback: bool,
    pub(crate) protected: Odd,
    pub(crate) standby: Odd,
    pub(crate) bake: i64,
    pub(crate) alarms: Vec<String>,
}

/// Kept when a rollback starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rollback {
    pub(crate) reason: String,
    pub(crate) start: i64,
    pub(crate) percentage: i64,
    pub(crate) to_update: i64,
}

/// One refresh. Times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) created: i64,
    pub(crate) pending_until: i64,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) preferences: Preferences,
    /// Desired configuration: parsed, and as the caller wrote it.
    pub(crate) desired: Option<LaunchSpec>,
    pub(crate) desired_raw: Option<Node>,
    pub(crate) percentage: i64,
    pub(crate) to_update: i64,
    /// Instances it holds above desired.
    pub(crate) surplus: i64,
    pub(crate) best: i64,
    pub(crate) last_progress: i64,
    pub(crate) next_tick: i64,
    pub(crate) checkpoints_passed: usize,
    /// Desired capacity as the last look saw it: growth can take a checkpoint back (aws-reference 5.3).
    pub(crate) seen_desired: i64,
    pub(crate) checkpoint_until: Option<i64>,
    pub(crate) bake_until: Option<i64>,
    pub(crate) rollback: Option<Rollback>,
}

impl Refresh {
    /// Mark on instances launched by the present direction.
    pub(crate) fn generation(&self) -> String {
        match self.status {
            Status::RollbackInProgress => format!("{}/rollback", self.id),
            _ => self.id.clone(),
        }
    }
}

fn none_active() -> ApiError {
    ApiError::bad("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group")
}

impl World {
    /// Starts a refresh the service layer has validated.
    pub(crate) fn start_refresh(
        &mut self,
        name: &str,
        preferences: Preferences,
        desired: Option<LaunchSpec>,
        desired_raw: Option<Node>,
    ) -> Result<String, ApiError> {
        let id = self.new_uuid("refresh");
        let now = self.now;
        let pending_until = now + self.params.refresh_pending.draw(self.seed, "refresh_pending", &id);
        let to_update = self.active_count(name);
        let Some(g) = self.groups.get_mut(name) else {
            return Err(none_active());
        };
        if g.active_refresh().is_some() {
            return Err(ApiError::bad(
                "InstanceRefreshInProgress",
                "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
            ));
        }
        g.refreshes.retain(|r| now - r.created < KEPT);
        g.refreshes.push(Refresh {
            id: id.clone(),
            status: Status::Pending,
            reason: None,
            created: now,
            pending_until,
            start: None,
            end: None,
            preferences,
            desired,
            desired_raw,
            percentage: 0,
            to_update,
            surplus: 0,
            best: 0,
            last_progress: now,
            next_tick: pending_until,
            checkpoints_passed: 0,
            seen_desired: 0,
            checkpoint_until: None,
            bake_until: None,
            rollback: None,
        });
        self.wake_group(name, pending_until);
        Ok(id)
    }

    /// CancelInstanceRefresh; also ends a running rollback.
    pub(crate) fn cancel_refresh(&mut self, name: &str, wait: bool) -> Result<String, ApiError> {
        let now = self.now;
        let refresh = self.groups.get_mut(name).and_then(|g| g.active_refresh_mut()).ok_or_else(none_active)?;
        if refresh.status == Status::Cancelling {
            return Err(none_active());
        }
        refresh.status = Status::Cancelling;
        refresh.reason = Some("Cancelled due to user request.".into());
        refresh.next_tick = now;
        let id = refresh.id.clone();
        if !wait {
            self.end_refresh(name, Status::Cancelled, None);
        }
        self.wake_group(name, now);
        Ok(id)
    }

    /// RollbackInstanceRefresh with its preconditions (aws-reference 5.3).
    pub(crate) fn rollback_refresh(&mut self, name: &str) -> Result<String, ApiError> {
        let group = self.groups.get(name).ok_or_else(none_active)?;
        let refresh =
            group.active_refresh().filter(|r| matches!(r.status, Status::Pending | Status::InProgress | Status::Baking)).ok_or_else(none_active)?;
        if refresh.desired.is_none() || !self.reversible(&group.spec) {
            return Err(ApiError::bad(
                "IrreversibleInstanceRefresh",
                "The instance refresh cannot be rolled back. A desired configuration must be specified, and the Auto Scaling group must use a numbered launch template version with an AMI ID.",
            ));
        }
        let id = refresh.id.clone();
        self.start_rollback(name, "Rollback due to user request.");
        Ok(id)
    }

    /// Whether a refresh can return to this: a numbered template version whose AMI is no alias (aws-reference 5.3).
    pub(crate) fn reversible(&self, spec: &LaunchSpec) -> bool {
        spec.template().filter(|t| t.version.parse::<u64>().is_ok()).is_some_and(|t| {
            let alias = self.version_of(t).and_then(|(_, v)| v.data.text("ImageId")).is_some_and(|ami| ami.starts_with("resolve:ssm:"));
            !alias
        })
    }

    pub(crate) fn start_rollback(&mut self, name: &str, why: &str) {
        let now = self.now;
        let active = self.active_count(name);
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let desired = g.desired;
        g.owed.clear();
        let Some(r) = g.active_refresh_mut() else {
            return;
        };
        r.rollback = Some(Rollback { reason: why.to_owned(), start: now, percentage: r.percentage, to_update: r.to_update });
        r.status = Status::RollbackInProgress;
        r.start.get_or_insert(now);
        r.reason = Some(why.to_owned());
        r.surplus = (active - desired).max(0);
        r.best = 0;
        r.last_progress = now;
        r.next_tick = now;
        r.checkpoint_until = None;
        r.bake_until = None;
        self.wake_group(name, now);
    }

    /// Ends the active refresh in a final status.
    pub(crate) fn end_refresh(&mut self, name: &str, status: Status, reason: Option<String>) {
        let now = self.now;
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        let Some(r) = g.active_refresh_mut() else {
            return;
        };
        r.status = status;
        r.end = Some(now);
        r.surplus = 0;
        // What it waited for last is over; only a cancellation keeps its own words.
        if status != Status::Cancelled {
            r.reason = reason;
        }
        if status == Status::Successful {
            r.percentage = if r.preferences.checkpoints.last().is_some_and(|c| *c < 100) { r.percentage } else { 100 };
            if let Some(spec) = r.desired.clone() {
                g.spec = spec;
            }
        }
        self.wake_group(name, now);
    }

    /// A failure: rolls back when asked to, else ends.
    pub(crate) fn fail_refresh(&mut self, name: &str, why: &str) {
        let Some(r) = self.groups.get(name).and_then(|g| g.active_refresh()) else {
            return;
        };
        match (r.status, r.preferences.auto_rollback) {
            (Status::RollbackInProgress, _) => self.end_refresh(name, Status::RollbackFailed, Some(why.to_owned())),
            (_, true) => self.start_rollback(name, why),
            (_, false) => self.end_refresh(name, Status::Failed, Some(why.to_owned())),
        }
    }
}
