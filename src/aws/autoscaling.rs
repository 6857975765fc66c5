//! Auto Scaling, read (aws-reference 3 to 5).
//!
//! **Invariant:** texts that AWS may extend stay text; an absent member becomes `None` or AWS's documented default, never a
//! guess.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types as sdk;
use aws_smithy_types::DateTime;

use super::budget::Priority;
use super::cloud::{Cloud, Pages};
use super::error::AwsError;
use crate::domain::observation::{
    Activity, Group, GroupInstance, Hook, LaunchSource, MaintenancePolicy, Millis, Refresh, ScheduledAction, TemplateRef,
};

/// Groups read at most from one account and region.
const MOST_GROUPS: usize = 2000;
/// AWS's largest page.
const PAGE: i32 = 100;
/// Entries read at most of a group's small listings (actions, policies): AWS's quotas are lower.
const MOST_SMALL: usize = 1000;

impl Cloud {
    /// One group by its name; `None` when AWS knows none.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn group(&self, p: Priority, name: &str) -> Result<Option<Group>, AwsError> {
        let request = self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let out = self.read(p, "autoscaling:DescribeAutoScalingGroups", request.send()).await?;
        let found = out.auto_scaling_groups.unwrap_or_default().into_iter().map(group);
        Ok(found.into_iter().find(|g| g.name == name))
    }

    /// Groups by their names, a hundred in one call; those that AWS does not know are not in it.
    ///
    /// # Errors
    /// Those of a read; each call takes a token of the budget.
    pub async fn groups_named(&self, p: Priority, names: &[String]) -> Result<BTreeMap<String, Group>, AwsError> {
        let operation = "autoscaling:DescribeAutoScalingGroups";
        let mut all = BTreeMap::new();
        for some in names.chunks(PAGE as usize) {
            let request = self.autoscaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(some.to_vec())).max_records(PAGE);
            let out = self.read(p, operation, request.send()).await?;
            all.extend(out.auto_scaling_groups.unwrap_or_default().into_iter().map(group).map(|g| (g.name.clone(), g)));
        }
        Ok(all)
    }

    /// All groups of the region, at most 2000.
    ///
    /// # Errors
    /// Those of a read; each page takes a token of the budget.
    pub async fn groups(&self, p: Priority) -> Result<Vec<Group>, AwsError> {
        let operation = "autoscaling:DescribeAutoScalingGroups";
        let (mut pages, mut all) = (Pages::new(operation, MOST_GROUPS), Vec::new());
        loop {
            let request = self.autoscaling.describe_auto_scaling_groups().max_records(PAGE).set_next_token(pages.token());
            let out = self.read(p, operation, request.send()).await?;
            all.extend(out.auto_scaling_groups.unwrap_or_default().into_iter().map(group));
            if !pages.more(out.next_token, all.len())? {
                return Ok(all);
            }
        }
    }

    /// The newest `max` instance refreshes of a group, newest first (aws-reference 5.1).
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a group.
    pub async fn refreshes(&self, p: Priority, group: &str, max: usize) -> Result<Vec<Refresh>, AwsError> {
        let operation = "autoscaling:DescribeInstanceRefreshes";
        let (mut pages, mut all) = (Pages::new(operation, max), Vec::new());
        loop {
            let request = self.autoscaling.describe_instance_refreshes().auto_scaling_group_name(group);
            let out = self.read(p, operation, request.max_records(page(max)).set_next_token(pages.token()).send()).await?;
            all.extend(out.instance_refreshes.unwrap_or_default().into_iter().map(refresh));
            if all.len() >= max || !pages.more(out.next_token, all.len())? {
                all.truncate(max);
                return Ok(all);
            }
        }
    }

    /// The newest `max` scaling activities of a group, newest first (aws-reference 4.2).
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a group.
    pub async fn activities(&self, p: Priority, group: &str, max: usize) -> Result<Vec<Activity>, AwsError> {
        let operation = "autoscaling:DescribeScalingActivities";
        let (mut pages, mut all) = (Pages::new(operation, max), Vec::new());
        loop {
            let request = self.autoscaling.describe_scaling_activities().auto_scaling_group_name(group);
            let out = self.read(p, operation, request.max_records(page(max)).set_next_token(pages.token()).send()).await?;
            all.extend(out.activities.unwrap_or_default().into_iter().map(activity));
            if all.len() >= max || !pages.more(out.next_token, all.len())? {
                all.truncate(max);
                return Ok(all);
            }
        }
    }

    /// Scheduled actions that are still to come.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn scheduled_actions(&self, p: Priority, group: &str) -> Result<Vec<ScheduledAction>, AwsError> {
        let operation = "autoscaling:DescribeScheduledActions";
        let (mut pages, mut all) = (Pages::new(operation, MOST_SMALL), Vec::new());
        loop {
            let request = self.autoscaling.describe_scheduled_actions().auto_scaling_group_name(group).max_records(PAGE);
            let out = self.read(p, operation, request.set_next_token(pages.token()).send()).await?;
            all.extend(out.scheduled_update_group_actions.unwrap_or_default().into_iter().map(scheduled));
            if !pages.more(out.next_token, all.len())? {
                return Ok(all);
            }
        }
    }

    /// The group's scaling policies by name, each with what it does in words.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn policies(&self, p: Priority, group: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let operation = "autoscaling:DescribePolicies";
        let (mut pages, mut all) = (Pages::new(operation, MOST_SMALL), BTreeMap::new());
        loop {
            let request = self.autoscaling.describe_policies().auto_scaling_group_name(group).max_records(PAGE);
            let out = self.read(p, operation, request.set_next_token(pages.token()).send()).await?;
            all.extend(out.scaling_policies.unwrap_or_default().into_iter().map(policy));
            if !pages.more(out.next_token, all.len())? {
                return Ok(all);
            }
        }
    }

    /// The group's lifecycle hooks.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn lifecycle_hooks(&self, p: Priority, group: &str) -> Result<Vec<Hook>, AwsError> {
        let request = self.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group);
        let out = self.read(p, "autoscaling:DescribeLifecycleHooks", request.send()).await?;
        Ok(out.lifecycle_hooks.unwrap_or_default().into_iter().filter_map(hook).collect())
    }
}

fn page(max: usize) -> i32 {
    i32::try_from(max).unwrap_or(PAGE).clamp(1, PAGE)
}

/// UTC milliseconds of an SDK time.
pub(super) fn millis(time: Option<DateTime>) -> Option<Millis> {
    time.and_then(|t| t.to_millis().ok())
}

fn template(spec: sdk::LaunchTemplateSpecification) -> TemplateRef {
    TemplateRef {
        id: spec.launch_template_id.unwrap_or_default(),
        name: spec.launch_template_name.unwrap_or_default(),
        version: spec.version.unwrap_or_default(),
    }
}

/// The template inside a mixed instances policy.
fn mixed(policy: sdk::MixedInstancesPolicy) -> Option<TemplateRef> {
    policy.launch_template.and_then(|t| t.launch_template_specification).map(template)
}

fn group(g: sdk::AutoScalingGroup) -> Group {
    let launch = match (g.mixed_instances_policy, g.launch_template, g.launch_configuration_name) {
        (Some(policy), _, _) => LaunchSource::Mixed { template: mixed(policy) },
        (None, Some(spec), _) => LaunchSource::Template(template(spec)),
        (None, None, Some(name)) => LaunchSource::Configuration { name },
        (None, None, None) => LaunchSource::Unknown,
    };
    // Target groups attached as traffic sources may be listed only there.
    let mut target_group_arns = g.target_group_arns.unwrap_or_default();
    for source in g.traffic_sources.unwrap_or_default() {
        let arn = source.identifier.unwrap_or_default();
        if arn.contains(":targetgroup/") && !target_group_arns.contains(&arn) {
            target_group_arns.push(arn);
        }
    }
    let policy = g.instance_maintenance_policy.map(|p| (p.min_healthy_percentage, p.max_healthy_percentage));
    let maintenance = match policy {
        // -1 means cleared.
        Some((Some(min_healthy), Some(max_healthy))) if min_healthy >= 0 && max_healthy >= 0 => Some(MaintenancePolicy { min_healthy, max_healthy }),
        _ => None,
    };
    let (mut suspended, mut suspension_reasons) = (Vec::new(), BTreeMap::new());
    for process in g.suspended_processes.unwrap_or_default() {
        if let Some(name) = process.process_name {
            suspension_reasons.extend(process.suspension_reason.map(|why| (name.clone(), why)));
            suspended.push(name);
        }
    }
    Group {
        arn: g.auto_scaling_group_arn.unwrap_or_default(),
        name: g.auto_scaling_group_name.unwrap_or_default(),
        min: g.min_size.unwrap_or_default(),
        desired: g.desired_capacity.unwrap_or_default(),
        max: g.max_size.unwrap_or_default(),
        launch,
        health_check_type: g.health_check_type.unwrap_or_else(|| "EC2".to_owned()),
        grace_seconds: g.health_check_grace_period.unwrap_or_default(),
        default_warmup_seconds: g.default_instance_warmup.filter(|s| *s >= 0),
        zones: g.availability_zones.unwrap_or_default(),
        target_group_arns,
        suspended,
        suspension_reasons,
        instances: g.instances.unwrap_or_default().into_iter().map(instance).collect(),
        maintenance,
        warm_pool: g.warm_pool_configuration.is_some(),
        max_instance_lifetime: g.max_instance_lifetime.filter(|s| *s > 0),
        protects_new: g.new_instances_protected_from_scale_in.unwrap_or_default(),
        status: g.status,
    }
}

fn instance(i: sdk::Instance) -> GroupInstance {
    let launched = i.launch_template.map(template);
    GroupInstance {
        id: i.instance_id.unwrap_or_default(),
        zone: i.availability_zone.unwrap_or_default(),
        lifecycle: i.lifecycle_state.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        health: i.health_status.unwrap_or_default(),
        template_version: launched.as_ref().and_then(TemplateRef::number),
        template_id: launched.map(|t| t.id).filter(|id| !id.is_empty()),
        protected: i.protected_from_scale_in.unwrap_or_default(),
    }
}

fn refresh(r: sdk::InstanceRefresh) -> Refresh {
    let desired = r.desired_configuration.and_then(|d| match (d.launch_template, d.mixed_instances_policy) {
        (Some(spec), _) => Some(template(spec)),
        (None, policy) => policy.and_then(mixed),
    });
    Refresh {
        id: r.instance_refresh_id.unwrap_or_default(),
        status: r.status.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        reason: r.status_reason,
        percent: r.percentage_complete,
        to_update: r.instances_to_update,
        desired,
        started_at: millis(r.start_time),
        ended_at: millis(r.end_time),
    }
}

fn hook(h: sdk::LifecycleHook) -> Option<Hook> {
    Some(Hook {
        name: h.lifecycle_hook_name?,
        transition: h.lifecycle_transition.unwrap_or_default(),
        heartbeat_seconds: h.heartbeat_timeout,
        default_result: h.default_result,
    })
}

/// The zone in an activity's details, which are JSON in a string (aws-reference 4.2).
fn zone(details: &str) -> Option<String> {
    let details: serde_json::Value = serde_json::from_str(details).ok()?;
    Some(details.get("Availability Zone")?.as_str()?.to_owned())
}

fn activity(a: sdk::Activity) -> Activity {
    Activity {
        id: a.activity_id.unwrap_or_default(),
        description: a.description.unwrap_or_default(),
        cause: a.cause.unwrap_or_default(),
        status: a.status_code.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        message: a.status_message,
        started_at: millis(a.start_time),
        ended_at: millis(a.end_time),
        zone: a.details.as_deref().and_then(zone),
    }
}

fn scheduled(a: sdk::ScheduledUpdateGroupAction) -> ScheduledAction {
    ScheduledAction {
        name: a.scheduled_action_name.unwrap_or_default(),
        start_at: millis(a.start_time),
        min: a.min_size,
        desired: a.desired_capacity,
        max: a.max_size,
    }
}

/// `TargetTrackingScaling, ASGAverageCPUUtilization at 50, enabled`.
fn policy(p: sdk::ScalingPolicy) -> (String, String) {
    let mut words = vec![p.policy_type.unwrap_or_default()];
    if let Some(t) = p.target_tracking_configuration {
        let metric = match (t.predefined_metric_specification, t.customized_metric_specification) {
            (Some(m), _) => m.predefined_metric_type.map(|m| m.as_str().to_owned()).unwrap_or_default(),
            (None, Some(m)) => m.metric_name.unwrap_or_else(|| "own metric".to_owned()),
            (None, None) => "own metric".to_owned(),
        };
        words.push(format!("{metric} at {}", t.target_value.unwrap_or_default()));
        if t.disable_scale_in == Some(true) {
            words.push("never scales in".to_owned());
        }
    }
    if let Some(by) = p.scaling_adjustment {
        words.push(format!("by {by} ({})", p.adjustment_type.unwrap_or_default()));
    }
    for s in p.step_adjustments.unwrap_or_default() {
        words.push(format!(
            "by {} from {:?} to {:?}",
            s.scaling_adjustment.unwrap_or_default(),
            s.metric_interval_lower_bound,
            s.metric_interval_upper_bound
        ));
    }
    words.push(if p.enabled == Some(false) { "disabled" } else { "enabled" }.to_owned());
    (p.policy_name.unwrap_or_default(), words.join(", "))
}
