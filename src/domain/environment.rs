//! Environments: one Auto Scaling group of one application, with the rules that hold for it.

use serde::{Deserialize, Serialize};

use super::image::ImageSource;
use super::problem::FieldError;

/// An adopted group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Row id.
    pub id: i64,
    /// Application.
    pub app: String,
    /// Slug, unique in the application.
    pub name: String,
    /// Changes wait for another person's approval.
    pub protected: bool,
    /// AWS account of the group.
    pub account: String,
    /// AWS region.
    pub region: String,
    /// Name of the Auto Scaling group.
    pub asg: String,
    /// Its ARN: the identity.
    pub asg_arn: String,
    /// Role to assume for this environment.
    pub role_arn: Option<String>,
    /// External id for that role.
    pub external_id: Option<String>,
    /// Registry host, `<account>.dkr.ecr.<region>.amazonaws.com`.
    pub registry: String,
    /// ECR repository, from the application.
    pub repository: String,
    /// How an image gets onto an instance.
    pub image_source: ImageSource,
    /// ElastiCache replication group, by name.
    pub redis_group: Option<String>,
    /// S3 bucket, by name.
    pub bucket: Option<String>,
    /// Rules.
    pub policy: Policy,
    /// Counts the policy's edits: part of what an approval is bound to.
    pub policy_version: i64,
    /// Number of the release that last succeeded here.
    pub release: Option<i64>,
}

impl Environment {
    /// Account, region and role: environments of one place can be asked for in one call.
    pub fn place(&self) -> String {
        let (role, id) = (self.role_arn.as_deref().unwrap_or_default(), self.external_id.as_deref().unwrap_or_default());
        format!("{} {} {role} {id}", self.account, self.region)
    }
    /// `app/env`, the scope of grants and tokens.
    pub fn scope(&self) -> String {
        format!("{}/{}", self.app, self.name)
    }
}

/// The rules of an environment. Every field has a default, and every default is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Persons, other than the requester, that must approve. Only protected environments ask.
    pub approvals: i64,
    /// Hours until a request or an approval lapses.
    pub approval_hours: i64,
    /// Lowest minimum that a capacity change may set.
    pub min_floor: i32,
    /// Highest maximum that a capacity change may set.
    pub max_ceiling: i32,
    /// Seconds to watch after the last instance was replaced.
    pub bake_seconds: i32,
    /// Seconds that a new instance may take to become healthy; absent = the larger of the group's grace period and twice what
    /// nineteen of twenty boots took here.
    pub boot_budget_seconds: Option<i32>,
    /// CloudWatch alarms that end a deployment and take it back when they go into ALARM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guard_alarms: Vec<String>,
    /// Days for which going back to a release that was good here needs no approval.
    pub rollback_days: i64,
    /// Minutes after which a running change asks for a person.
    pub deadline_minutes: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            approvals: 1,
            approval_hours: 24,
            min_floor: 1,
            max_ceiling: 100,
            bake_seconds: 120,
            boot_budget_seconds: None,
            guard_alarms: Vec::new(),
            rollback_days: 30,
            deadline_minutes: 180,
        }
    }
}

impl Policy {
    /// Checks the values themselves.
    pub fn check(&self) -> Vec<FieldError> {
        let mut bad = Vec::new();
        let mut need = |ok: bool, field: &str, message: &str| {
            if !ok {
                bad.push(FieldError::new(format!("policy.{field}"), message));
            }
        };
        need((1..=10).contains(&self.approvals), "approvals", "must be 1 to 10");
        need((1..=720).contains(&self.approval_hours), "approval_hours", "must be 1 to 720");
        need(self.min_floor >= 0, "min_floor", "must be 0 or more");
        need(self.max_ceiling >= self.min_floor.max(1), "max_ceiling", "must be at least min_floor, and at least 1");
        need((0..=172_800).contains(&self.bake_seconds), "bake_seconds", "must be 0 to 172800");
        need(self.boot_budget_seconds.is_none_or(|s| (30..=7200).contains(&s)), "boot_budget_seconds", "must be 30 to 7200");
        // AWS takes ten alarms for a refresh.
        let names = self.guard_alarms.len() <= 10 && self.guard_alarms.iter().all(|n| (1..=255).contains(&n.chars().count()));
        need(names && !self.guard_alarms.iter().any(|n| n.chars().any(char::is_control)), "guard_alarms", "must be at most 10 names of alarms");
        need((0..=365).contains(&self.rollback_days), "rollback_days", "must be 0 to 365");
        need((10..=2880).contains(&self.deadline_minutes), "deadline_minutes", "must be 10 to 2880");
        bad
    }

    /// Seconds that a new instance may take to become healthy: what the policy says, else the larger of the group's grace period
    /// (two minutes at least) and twice the 95th percentile of past boots; 7200 at most, which is AWS's longest warmup.
    pub fn boot_budget(&self, grace_seconds: i32, p95_seconds: Option<i32>) -> i32 {
        let usual = p95_seconds.unwrap_or(0).saturating_mul(2);
        self.boot_budget_seconds.unwrap_or_else(|| grace_seconds.max(120).max(usual).min(LONGEST_BOOT_SECONDS))
    }
}

/// With the margin of the warmup this is AWS's longest.
const LONGEST_BOOT_SECONDS: i32 = 7140;
