//! An Auto Scaling group and what belongs to it.
//!
//! **Invariant:** data only; behaviour is in the sibling modules. `activities` and `refreshes` are oldest first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{World, policy::Policy, refresh::Refresh};
use crate::{clock, wire::node::Node};

/// A launch template and a version as it was named: a number, `$Latest` or `$Default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TemplateRef {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What a group launches from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaunchSpec {
    Template(TemplateRef),
    Mixed { template: TemplateRef, overrides: Vec<Node>, distribution: Option<Node> },
    Configuration(String),
}

impl LaunchSpec {
    pub(crate) fn template(&self) -> Option<&TemplateRef> {
        match self {
            Self::Template(t) | Self::Mixed { template: t, .. } => Some(t),
            Self::Configuration(_) => None,
        }
    }

    /// Name of a launch configuration.
    pub(crate) fn configuration(&self) -> Option<&str> {
        match self {
            Self::Configuration(name) => Some(name),
            _ => None,
        }
    }

    /// Instance types this launches, where it overrides the template's.
    pub(crate) fn types(&self) -> Vec<&str> {
        match self {
            Self::Mixed { overrides, .. } => overrides.iter().filter_map(|o| o.text("InstanceType")).collect(),
            _ => Vec::new(),
        }
    }
}

/// Where a lifecycle hook's notifications would go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Notification {
    pub(crate) target: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) metadata: Option<String>,
}

/// Lifecycle hook (aws-reference 3).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) transition: String,
    pub(crate) heartbeat: i64,
    pub(crate) default_result: String,
    pub(crate) notification: Notification,
}

/// Scheduled action (aws-reference 3). Times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    pub(crate) name: String,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) recurrence: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) desired: Option<i64>,
    /// When it runs next, lateness included.
    pub(crate) due: Option<i64>,
}

/// Scaling activity (aws-reference 4.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
    pub(crate) status: String,
    pub(crate) message: Option<String>,
    pub(crate) progress: i64,
    pub(crate) details: String,
}

/// Group tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) propagate: bool,
}

/// Why an instance is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Why {
    Refresh,
    Unhealthy,
    Capacity,
    User,
    /// To even out the zones.
    Balance,
}

/// Members of a group that are kept and shown, and of which only DeletionProtection and the zone strategy do anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Extras {
    pub(crate) desired_type: Option<String>,
    pub(crate) deletion_protection: Option<String>,
    /// CapacityDistributionStrategy.
    pub(crate) zone_strategy: Option<String>,
    /// CapacityReservationPreference.
    pub(crate) reservation: Option<String>,
}

/// The group. Durations in seconds, times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: i64,
    pub(crate) spec: LaunchSpec,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) desired: i64,
    pub(crate) cooldown: i64,
    pub(crate) warmup: Option<i64>,
    pub(crate) subnets: Vec<String>,
    pub(crate) target_groups: Vec<String>,
    /// Target groups of which one instance has passed a check (aws-reference 4.3).
    pub(crate) attached: BTreeSet<String>,
    /// Target groups being attached, and when the instances are registered.
    pub(crate) attaching: BTreeMap<String, i64>,
    /// Target groups being detached, as long as an instance drains there.
    pub(crate) detaching: BTreeSet<String>,
    pub(crate) health_check: String,
    pub(crate) grace: i64,
    pub(crate) termination_policies: Vec<String>,
    pub(crate) protect_new: bool,
    pub(crate) max_lifetime: Option<i64>,
    pub(crate) capacity_rebalance: Option<bool>,
    /// Min and max healthy percentage.
    pub(crate) maintenance: Option<(i64, i64)>,
    /// Pool state and minimum size, echoed only.
    pub(crate) warm_pool: Option<(String, i64)>,
    pub(crate) extras: Extras,
    /// Suspended process and when.
    pub(crate) suspended: BTreeMap<String, i64>,
    /// Those of them that AWS suspended by itself.
    pub(crate) suspended_by_aws: BTreeSet<String>,
    /// Metrics it sends, and since when.
    pub(crate) enabled_metrics: BTreeMap<String, i64>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) scheduled: Vec<Scheduled>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) activities: Vec<Activity>,
    pub(crate) refreshes: Vec<Refresh>,
    /// Instance ids, oldest launch first.
    pub(crate) members: Vec<String>,
    /// Earliest time at which a difference between desired and actual is acted on.
    pub(crate) act_at: i64,
    /// Launches owed for instances that were taken out, first reason first.
    pub(crate) owed: Vec<Why>,
    /// First sentences of the cause of the next capacity activity.
    pub(crate) cause: Option<String>,
    /// Alarms behind that cause, for the activity's details.
    pub(crate) invoking: Vec<serde_json::Value>,
    pub(crate) retry_at: i64,
    /// Since when no launch has succeeded.
    pub(crate) failing_since: Option<i64>,
    /// Start of the present cooldown, the activity that started it, and its length where that is not the group's own
    /// (aws-reference 4.4).
    pub(crate) cooldown_from: Option<(i64, String, Option<i64>)>,
    /// Cooldown of the simple policy that acted last, for the activities it leads to.
    pub(crate) cooldown_own: Option<i64>,
    /// Instances above desired to even out the zones.
    pub(crate) balancing: i64,
    /// When the zones are evened out next.
    pub(crate) rebalance_at: Option<i64>,
    /// Force deletion is under way.
    pub(crate) deleting: bool,
}

/// Processes that can be suspended (aws-reference 4.6).
pub(crate) const PROCESSES: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

impl Group {
    /// A group without instances, everything else at the API's defaults (aws-reference 3).
    pub(crate) fn bare(name: &str, arn: String, created: i64, spec: LaunchSpec) -> Self {
        Self {
            name: name.to_owned(),
            arn,
            created,
            spec,
            min: 0,
            max: 0,
            desired: 0,
            cooldown: 300,
            warmup: None,
            subnets: Vec::new(),
            target_groups: Vec::new(),
            attached: BTreeSet::new(),
            attaching: BTreeMap::new(),
            detaching: BTreeSet::new(),
            health_check: "EC2".into(),
            grace: 0,
            termination_policies: vec!["Default".into()],
            protect_new: false,
            max_lifetime: None,
            capacity_rebalance: None,
            maintenance: None,
            warm_pool: None,
            extras: Extras::default(),
            suspended: BTreeMap::new(),
            suspended_by_aws: BTreeSet::new(),
            enabled_metrics: BTreeMap::new(),
            tags: Vec::new(),
            hooks: Vec::new(),
            scheduled: Vec::new(),
            policies: Vec::new(),
            activities: Vec::new(),
            refreshes: Vec::new(),
            members: Vec::new(),
            act_at: 0,
            owed: Vec::new(),
            cause: None,
            invoking: Vec::new(),
            retry_at: 0,
            failing_since: None,
            cooldown_from: None,
            cooldown_own: None,
            balancing: 0,
            rebalance_at: None,
            deleting: false,
        }
    }

    pub(crate) fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains_key(process)
    }

    /// The refresh that is not over, if any.
    pub(crate) fn active_refresh(&self) -> Option<&Refresh> {
        self.refreshes.last().filter(|r| !r.status.is_final())
    }

    pub(crate) fn active_refresh_mut(&mut self) -> Option<&mut Refresh> {
        self.refreshes.last_mut().filter(|r| !r.status.is_final())
    }
}

impl World {
    pub(crate) fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// Records a new activity and returns its id; a cause that does not name its instant is given the present one.
    /// History older than six weeks goes (aws-reference 4.2).
    pub(crate) fn open_activity(&mut self, group: &str, description: String, cause: String, status: &str, az: &str) -> String {
        let id = self.new_uuid("activity");
        let now = self.now;
        let subnet = self.subnets.iter().find(|s| s.zone == az).map_or("", |s| s.id.as_str());
        let details = serde_json::json!({"Subnet ID": subnet, "Availability Zone": az}).to_string();
        if let Some(g) = self.groups.get_mut(group) {
            g.activities.retain(|a| now - a.start < 42 * 86_400_000);
            g.activities.push(Activity {
                id: id.clone(),
                description,
                cause: if cause.starts_with("At ") { cause } else { format!("At {} {cause}", clock::iso_seconds(now)) },
                start: now,
                end: None,
                status: status.to_owned(),
                message: None,
                progress: 30,
                details,
            });
        }
        id
    }

    /// Moves an activity on; a final status sets its end.
    pub(crate) fn set_activity(&mut self, group: &str, id: &str, status: &str, progress: i64, message: Option<String>) {
        let now = self.now;
        let Some(g) = self.groups.get_mut(group) else {
            return;
        };
        let Some(a) = g.activities.iter_mut().rev().find(|a| a.id == id) else {
            return;
        };
        a.status = status.to_owned();
        a.progress = progress;
        if message.is_some() {
            a.message = message;
        }
        if matches!(status, "Successful" | "Failed" | "Cancelled") {
            a.end = Some(now);
        }
    }

    /// Puts the alarms behind the present change of desired capacity into an activity's details (aws-reference 4.2).
    pub(crate) fn name_alarms(&mut self, group: &str, activity: &str) {
        let Some(g) = self.groups.get_mut(group).filter(|g| !g.invoking.is_empty()) else {
            return;
        };
        let alarms = g.invoking.clone();
        let Some(a) = g.activities.iter_mut().rev().find(|a| a.id == activity) else {
            return;
        };
        if let Ok(mut details) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&a.details) {
            details.insert("InvokingAlarms".into(), alarms.into());
            a.details = serde_json::Value::Object(details).to_string();
        }
    }
}
