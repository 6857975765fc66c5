//! What a world starts as, in plain data: written in Rust by tests, or as JSON for the stand-alone program.
//!
//! **Invariant:** a seed holds no state and no clock; the same seed builds the same world. In user data
//! `{{digest:REPOSITORY:TAG}}` stands for the digest the tag will have.

mod stack;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::params::Params;

pub use stack::StackNames;

/// A subnet and its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Availability Zone name.
    pub zone: String,
}

/// A role (aws-reference 11).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleSeed {
    /// `arn:aws:iam::ACCOUNT:role/NAME`, with a path before the name if it has one.
    pub arn: String,
    /// External id the caller must present.
    pub external_id: Option<String>,
    /// Service that may assume it, e.g. `ec2.amazonaws.com`; the account's own principals when absent.
    pub service: Option<String>,
    /// IAM policy documents that judge its sessions (aws-reference 13). When absent they may do everything.
    pub policies: Option<Vec<Value>>,
    /// Names of AWS-managed policies attached to it.
    pub attached: Vec<String>,
    /// Instance profile that holds it.
    pub instance_profile: Option<String>,
}

/// An image to push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSeed {
    /// Tag it gets.
    pub tag: String,
    /// `ok|unhealthy|slow_boot|hang|crash_after:S|flaky:P` (design section 6).
    pub behaviour: String,
    /// EC2 running until the application listens, seconds.
    pub boot_seconds: Option<i64>,
}

/// A repository and its images, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepositorySeed {
    /// Repository name.
    pub name: String,
    /// Images, pushed in this order.
    pub images: Vec<ImageSeed>,
    /// Tag to the tag of an image above that it also names (`latest` to `v4`).
    pub aliases: BTreeMap<String, String>,
}

/// One version of a launch template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VersionSeed {
    /// Plain text; the world stores it base64 (aws-reference 7.2).
    pub user_data: String,
    /// Tags for instances.
    pub tags: BTreeMap<String, String>,
    /// Every other member, by its dotted request name, e.g. `Monitoring.Enabled` (aws-reference 7.1).
    pub data: BTreeMap<String, String>,
    /// VersionDescription.
    pub description: Option<String>,
}

/// A launch template; versions are numbered from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TemplateSeed {
    /// Name.
    pub name: String,
    /// Versions in order.
    pub versions: Vec<VersionSeed>,
    /// Default version; 1 when absent.
    pub default: Option<u64>,
}

/// A target group. Durations in seconds (aws-reference 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetGroupSeed {
    /// Name, at most 32 characters.
    pub name: String,
    /// `HTTP`, `TCP`, …
    pub protocol: String,
    /// Port of the targets.
    pub port: i64,
    /// `HTTP` or `TCP`.
    pub check_protocol: String,
    /// Health check path (HTTP only).
    pub path: String,
    /// Between checks.
    pub interval: i64,
    /// Of one check.
    pub timeout: i64,
    /// Successes in a row that make an unhealthy target healthy.
    pub healthy: i64,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy: i64,
    /// Deregistration delay.
    pub deregistration_delay: i64,
    /// Load balancer whose listener forwards here; none means no listener.
    pub load_balancer: Option<String>,
}

impl Default for TargetGroupSeed {
    fn default() -> Self {
        Self {
            name: String::new(),
            protocol: "HTTP".into(),
            port: 80,
            check_protocol: "HTTP".into(),
            path: "/health".into(),
            interval: 30,
            timeout: 5,
            healthy: 2,
            unhealthy: 3,
            deregistration_delay: 300,
            load_balancer: None,
        }
    }
}

/// What a security group allows. Exactly one of `cidr` and `group` names the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermissionSeed {
    /// `tcp`, `udp`, or `-1` for everything, which has no ports.
    pub protocol: String,
    /// First port.
    pub from: i64,
    /// Last port.
    pub to: i64,
    /// IPv4 block.
    pub cidr: Option<String>,
    /// Name of a group of this seed.
    pub group: Option<String>,
}

impl Default for PermissionSeed {
    fn default() -> Self {
        Self { protocol: "tcp".into(), from: 0, to: 65_535, cidr: None, group: None }
    }
}

/// A security group (aws-reference 7.4, 12).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityGroupSeed {
    /// Name, unique in the seed.
    pub name: String,
    /// `sg-…`; drawn when absent.
    pub id: Option<String>,
    /// Load balancer it stands in front of, instead of an id.
    pub load_balancer: Option<String>,
    /// Description.
    pub description: String,
    /// What may come in.
    pub ingress: Vec<PermissionSeed>,
    /// What may go out.
    pub egress: Vec<PermissionSeed>,
}

/// A lifecycle hook (aws-reference 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSeed {
    /// Name.
    pub name: String,
    /// `autoscaling:EC2_INSTANCE_LAUNCHING` or `…TERMINATING`.
    pub transition: String,
    /// Heartbeat timeout, seconds.
    pub heartbeat: i64,
    /// `CONTINUE` or `ABANDON`.
    pub default_result: String,
}

/// A scheduled action (aws-reference 3). Start is relative to the start of the world, seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduledSeed {
    /// Name.
    pub name: String,
    /// One-off start, seconds after the world's start.
    pub start_in: Option<i64>,
    /// Five-field cron, UTC.
    pub recurrence: Option<String>,
    /// New minimum.
    pub min: Option<i64>,
    /// New maximum.
    pub max: Option<i64>,
    /// New desired capacity.
    pub desired: Option<i64>,
}

/// A group. Durations in seconds (aws-reference 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSeed {
    /// Name.
    pub name: String,
    /// Template name; with `mixed_types` the template of a mixed instances policy.
    pub template: Option<String>,
    /// Number, `$Latest` or `$Default`.
    pub version: String,
    /// Launch configuration name instead of a template.
    pub launch_configuration: Option<String>,
    /// Instance types of a mixed instances policy.
    pub mixed_types: Vec<String>,
    /// MinSize.
    pub min: i64,
    /// DesiredCapacity.
    pub desired: i64,
    /// MaxSize.
    pub max: i64,
    /// `EC2` or `ELB`.
    pub health_check: String,
    /// HealthCheckGracePeriod.
    pub grace: i64,
    /// DefaultInstanceWarmup.
    pub warmup: Option<i64>,
    /// Target group names.
    pub target_groups: Vec<String>,
    /// Minimum size of a warm pool (echoed, not simulated).
    pub warm_pool: Option<i64>,
    /// MaxInstanceLifetime (echoed).
    pub max_instance_lifetime: Option<i64>,
    /// Suspended processes.
    pub suspended: Vec<String>,
    /// Lifecycle hooks.
    pub hooks: Vec<HookSeed>,
    /// Instance maintenance policy: min and max healthy percentage.
    pub maintenance: Option<(i64, i64)>,
    /// Scheduled actions.
    pub scheduled: Vec<ScheduledSeed>,
    /// NewInstancesProtectedFromScaleIn.
    pub protect_new: bool,
    /// Group tags, propagated to instances.
    pub tags: BTreeMap<String, String>,
    /// Group metrics whose collection is enabled, such as `GroupDesiredCapacity` (aws-reference 9).
    pub enabled_metrics: Vec<String>,
}

impl Default for GroupSeed {
    fn default() -> Self {
        Self {
            name: String::new(),
            template: None,
            version: "$Default".into(),
            launch_configuration: None,
            mixed_types: Vec::new(),
            min: 0,
            desired: 0,
            max: 0,
            health_check: "ELB".into(),
            grace: 300,
            warmup: None,
            target_groups: Vec::new(),
            warm_pool: None,
            max_instance_lifetime: None,
            suspended: Vec::new(),
            hooks: Vec::new(),
            maintenance: None,
            scheduled: Vec::new(),
            protect_new: false,
            tags: BTreeMap::new(),
            enabled_metrics: Vec::new(),
        }
    }
}

/// An ElastiCache replication group; the defaults are those of aws-reference 12.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplicationGroupSeed {
    /// Name.
    pub name: String,
    /// Redis version, `7.0`.
    pub engine_version: String,
    /// Node type.
    pub node_type: String,
    /// Port.
    pub port: i64,
    /// Number of shards, with cluster mode enabled; disabled when absent.
    pub shards: Option<u32>,
    /// Replicas of each shard.
    pub replicas: u32,
    /// Automatic failover; needs a replica.
    pub auto_failover: bool,
    /// Nodes in several zones; needs automatic failover.
    pub multi_az: bool,
    /// Connections are encrypted.
    pub tls: bool,
}

impl Default for ReplicationGroupSeed {
    fn default() -> Self {
        Self {
            name: String::new(),
            engine_version: "7.0".into(),
            node_type: "cache.t3.micro".into(),
            port: 6379,
            shards: None,
            replicas: 1,
            auto_failover: true,
            multi_az: true,
            tls: true,
        }
    }
}

/// A whole world at its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Twelve digits.
    pub account: String,
    /// Region name.
    pub region: String,
    /// VPC id.
    pub vpc: String,
    /// Subnets the groups use.
    pub subnets: Vec<Subnet>,
    /// Roles.
    pub roles: Vec<RoleSeed>,
    /// Repositories.
    pub repositories: Vec<RepositorySeed>,
    /// Launch templates.
    pub templates: Vec<TemplateSeed>,
    /// Target groups.
    pub target_groups: Vec<TargetGroupSeed>,
    /// Security groups; one that a template or a load balancer names is there without being listed.
    pub security_groups: Vec<SecurityGroupSeed>,
    /// Auto Scaling groups.
    pub groups: Vec<GroupSeed>,
    /// Names of ElastiCache replication groups as in aws-reference 12.
    pub redis: Vec<String>,
    /// Further replication groups, in full.
    pub replication_groups: Vec<ReplicationGroupSeed>,
    /// Bucket names.
    pub buckets: Vec<String>,
    /// Requests are throttled by token buckets, also where the parameters do not say so.
    pub token_buckets: bool,
    /// Parameters instead of those drawn from the seed number.
    pub params: Option<Params>,
}
