//! What AWS said last about one environment: plain values, with nothing of the SDK in them.
//!
//! **Invariant:** pure data. Texts that AWS may extend (statuses, reasons, lifecycle states) stay text, so that a value
//! unknown to us is shown and never mistaken for success.

mod since;

use std::collections::BTreeMap;

pub use since::{RefreshSince, Since};

use serde::{Deserialize, Serialize};

/// UTC milliseconds since 1970.
pub type Millis = i64;

/// The launch template reference of a group, an instance or a refresh, as AWS returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// `lt-…`.
    pub id: String,
    /// The template's name; may be empty where AWS leaves it out.
    pub name: String,
    /// A number, `$Latest`, `$Default`, or empty (which AWS reads as `$Default`).
    pub version: String,
}

impl TemplateRef {
    /// The version number, when it is one. `$Latest`, `$Default` and an absent version are `None`.
    pub fn number(&self) -> Option<i64> {
        self.version.parse().ok()
    }
}

/// How a group says what to launch (aws-reference 3, `DescribeAutoScalingGroups`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum LaunchSource {
    /// A launch template.
    Template(TemplateRef),
    /// A mixed instances policy; the template inside it where there is one.
    Mixed {
        /// The template named by the policy.
        template: Option<TemplateRef>,
    },
    /// A launch configuration (the predecessor of launch templates).
    Configuration {
        /// Its name.
        name: String,
    },
    /// AWS named none.
    Unknown,
}

/// One instance as the Auto Scaling group lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInstance {
    /// `i-…`.
    pub id: String,
    /// Availability zone.
    pub zone: String,
    /// `Pending`, `InService`, `Terminating:Wait`, … as AWS spells it.
    pub lifecycle: String,
    /// `Healthy` or `Unhealthy`.
    pub health: String,
    /// Numeric template version it was launched from, where AWS says.
    pub template_version: Option<i64>,
    /// The template it was launched from.
    pub template_id: Option<String>,
    /// Protected from scale-in.
    pub protected: bool,
}

impl GroupInstance {
    /// Serving or about to: counts toward capacity.
    pub fn in_service(&self) -> bool {
        self.lifecycle == "InService"
    }
    /// On its way out.
    pub fn leaving(&self) -> bool {
        self.lifecycle.starts_with("Terminating") || self.lifecycle.starts_with("Detach") || self.lifecycle == "Terminated"
    }
    /// On its way in.
    pub fn arriving(&self) -> bool {
        self.lifecycle.starts_with("Pending")
    }
    /// Taken out by hand.
    pub fn standby(&self) -> bool {
        self.lifecycle.contains("Standby")
    }
}

/// The group's own instance maintenance policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenancePolicy {
    /// Percent of desired.
    pub min_healthy: i32,
    /// Percent of desired.
    pub max_healthy: i32,
}

/// One Auto Scaling group (aws-reference 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its ARN: the identity. A recreated group of the same name has another.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Smallest size.
    pub min: i32,
    /// Wanted size.
    pub desired: i32,
    /// Largest size.
    pub max: i32,
    /// What it launches.
    pub launch: LaunchSource,
    /// `EC2`, `ELB`, `EC2,ELB`, …
    pub health_check_type: String,
    /// Seconds.
    pub grace_seconds: i32,
    /// Seconds; `None` when unset.
    pub default_warmup_seconds: Option<i32>,
    /// Zones it launches into.
    pub zones: Vec<String>,
    /// Attached target groups.
    pub target_group_arns: Vec<String>,
    /// Names of suspended processes.
    pub suspended: Vec<String>,
    /// AWS's words on why each is suspended, such as `User suspended at 2026-03-01T10:02:00Z`, by the process's name.
    #[serde(default)]
    pub suspension_reasons: BTreeMap<String, String>,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
    /// Its maintenance policy, when it has one.
    pub maintenance: Option<MaintenancePolicy>,
    /// Has a warm pool.
    pub warm_pool: bool,
    /// Seconds; `None` when unset.
    pub max_instance_lifetime: Option<i32>,
    /// New instances are protected from scale-in.
    pub protects_new: bool,
    /// Set only while AWS deletes the group.
    pub status: Option<String>,
}

/// A target group (aws-reference 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `HTTP`, `HTTPS`, `TCP`, …
    pub protocol: String,
    /// Attached to a load balancer's listener: only then its health says anything.
    pub has_listener: bool,
}

/// Health of one instance in one target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused`, …
    pub state: String,
    /// AWS's reason code, such as `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// AWS's sentence.
    pub description: Option<String>,
}

/// A target group with the health of its targets, by instance id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The target group.
    pub group: TargetGroup,
    /// Instance id to its state.
    pub targets: BTreeMap<String, TargetState>,
}

/// An instance refresh (aws-reference 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// One of AWS's ten statuses, or a newer one.
    pub status: String,
    /// AWS's free text: shown, never parsed.
    pub reason: Option<String>,
    /// AWS's own percentage, shown beside our count only.
    pub percent: Option<i32>,
    /// Remaining instances by AWS's count.
    pub to_update: Option<i32>,
    /// The template it brings, when it has a desired configuration.
    pub desired: Option<TemplateRef>,
    /// Start.
    pub started_at: Option<Millis>,
    /// End, in a terminal status.
    pub ended_at: Option<Millis>,
}

impl Refresh {
    /// Still doing something. A status unknown to us counts as active: it is never read as an end.
    pub fn active(&self) -> bool {
        !matches!(self.status.as_str(), "Successful" | "Failed" | "Cancelled" | "RollbackSuccessful" | "RollbackFailed")
    }
}

/// A scaling activity (aws-reference 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// AWS's description.
    pub description: String,
    /// AWS's cause sentence.
    pub cause: String,
    /// `InProgress`, `Successful`, `Failed`, …
    pub status: String,
    /// AWS's message, chiefly on failure.
    pub message: Option<String>,
    /// Start.
    pub started_at: Option<Millis>,
    /// End.
    pub ended_at: Option<Millis>,
    /// The zone that it is about, where AWS's details name one.
    #[serde(default)]
    pub zone: Option<String>,
}

/// A lifecycle hook (aws-reference 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// `autoscaling:EC2_INSTANCE_LAUNCHING` or `autoscaling:EC2_INSTANCE_TERMINATING`.
    pub transition: String,
    /// Seconds without a word of whoever owns the hook, after which AWS takes the default result.
    pub heartbeat_seconds: Option<i32>,
    /// `ABANDON` or `CONTINUE`.
    pub default_result: Option<String>,
}

/// A scheduled action due at a known time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Its name.
    pub name: String,
    /// Next start.
    pub start_at: Option<Millis>,
    /// Minimum it sets.
    pub min: Option<i32>,
    /// Desired it sets.
    pub desired: Option<i32>,
    /// Maximum it sets.
    pub max: Option<i32>,
}

/// A CloudWatch alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// AWS's sentence about the state.
    pub reason: Option<String>,
}

/// One numbered launch template version. Immutable in AWS, so it is read once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// Template id.
    pub template_id: String,
    /// Its number.
    pub number: i64,
    /// The version's description.
    pub description: String,
    /// Decoded user data; `None` when the version has none, `Some(Err)` is not possible: undecodable text is kept as AWS gave it.
    pub user_data: Option<String>,
    /// Tags that instances get at launch.
    pub instance_tags: BTreeMap<String, String>,
    /// Everything else, as sorted `path=value` lines: compared and hashed, with the image masked by leaving out the two above.
    pub rest: BTreeMap<String, String>,
    /// AMI id, or `resolve:ssm:…`.
    pub ami: Option<String>,
}

/// An image in ECR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `sha256:…`.
    pub digest: String,
    /// Tags at the time of reading. A tag may move.
    pub tags: Vec<String>,
    /// Compressed size.
    pub size_bytes: Option<i64>,
    /// Push time.
    pub pushed_at: Option<Millis>,
}

/// Everything that one look at an environment brought, with the time of the look (cloud clock).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// When AWS was asked, on the cloud clock.
    pub at: Millis,
    /// The group; `None` when AWS knows no group of that name.
    pub group: Option<Group>,
    /// Health in each attached target group.
    pub health: Vec<TargetHealth>,
    /// Newest first; at most the last few.
    pub refreshes: Vec<Refresh>,
    /// Newest first; at most the last few. Empty when this look did not ask.
    pub activities: Vec<Activity>,
    /// Template versions that the group, its instances or its refreshes name, by number.
    pub versions: BTreeMap<i64, TemplateVersion>,
    /// Scaling policies of the group, each by its name with what it does; `None` when this look did not ask.
    #[serde(default)]
    pub policies: Option<BTreeMap<String, String>>,
    /// The guard alarms of the environment, where this look asked.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// When the policies were asked for (cloud clock); kept from look to look.
    #[serde(default)]
    pub policies_at: Millis,
    /// When target health was asked for (cloud clock).
    #[serde(default)]
    pub health_at: Millis,
    /// When refreshes and activities were asked for (cloud clock).
    #[serde(default)]
    pub detail_at: Millis,
    /// The group's lifecycle hooks. Asked for only while a change runs and an instance waits for one.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// Seconds of the deregistration delay, by target group. Asked for only while a change runs and a target drains.
    #[serde(default)]
    pub drains: BTreeMap<String, i32>,
    /// Since when each instance is as it is, as far as looks told.
    #[serde(default)]
    pub since: BTreeMap<String, Since>,
    /// The same of each refresh that was active.
    #[serde(default)]
    pub refresh_since: BTreeMap<String, RefreshSince>,
}

/// Mark in `rest` of the version that `$Default` resolved to at a look.
pub const DEFAULT_MARK: &str = "fleetgate.default";

impl Observation {
    /// The same but for the times of the looks.
    pub fn alike(&self, other: &Self) -> bool {
        let timeless = |o: &Self| Self { at: 0, health_at: 0, detail_at: 0, policies_at: 0, ..o.clone() };
        timeless(self) == timeless(other)
    }
    /// The version that the group launches: its number, or what its alias resolved to at the look.
    pub fn launched_version(&self) -> Option<i64> {
        let LaunchSource::Template(t) = &self.group.as_ref()?.launch else { return None };
        t.number().or_else(|| {
            let mut of = self.versions.values().filter(|v| v.template_id == t.id);
            if t.version == "$Latest" { of.map(|v| v.number).max() } else { of.find(|v| v.rest.contains_key(DEFAULT_MARK)).map(|v| v.number) }
        })
    }
    /// The refresh that is active now, if any.
    pub fn active_refresh(&self) -> Option<&Refresh> {
        self.refreshes.iter().find(|r| r.active())
    }
    /// A refresh by its id.
    pub fn refresh(&self, id: &str) -> Option<&Refresh> {
        self.refreshes.iter().find(|r| r.id == id)
    }
    /// Target groups whose health counts: those behind a listener.
    pub fn listening(&self) -> impl Iterator<Item = &TargetHealth> {
        self.health.iter().filter(|h| h.group.has_listener)
    }
}
