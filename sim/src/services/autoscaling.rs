//! Amazon EC2 Auto Scaling, API 2011-01-01 (aws-reference 3, 4, 5).
//!
//! **Invariant:** describing an unknown group is an empty list; changing one is ValidationError (aws-reference 3).

mod attachments;
mod capacity;
mod create;
mod describe;
mod hooks;
mod instances;
mod launch_spec;
mod members;
mod metrics;
mod placement;
mod policies;
mod policy_config;
mod processes;
mod refreshes;
mod schedules;
mod tags;
mod types;

use crate::{
    services::read,
    wire::{ApiError, node::Node, page, xml::Fields},
    world::{World, group::Group},
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node) -> Result<Fields, ApiError> {
    being_deleted(w, op, p)?;
    match op {
        "DescribeAutoScalingGroups" => describe::groups(w, p),
        "DescribeAutoScalingInstances" => describe::instances(w, p),
        "DescribeScalingActivities" => describe::activities(w, p),
        "DescribeLoadBalancerTargetGroups" => describe::target_groups(w, p),
        "DescribeTrafficSources" => describe::traffic_sources(w, p),
        "DescribeWarmPool" => describe::warm_pool(w, p),
        "DescribePolicies" => policies::describe(w, p),
        "PutScalingPolicy" => policies::put(w, p),
        "DeletePolicy" => policies::delete(w, p),
        "ExecutePolicy" => policies::execute(w, p),
        "DescribeAdjustmentTypes" => Ok(types::adjustments()),
        "DescribeScalingProcessTypes" => Ok(types::processes()),
        "DescribeTerminationPolicyTypes" => Ok(types::termination_policies()),
        "DescribeMetricCollectionTypes" => Ok(types::metrics()),
        "DescribeLifecycleHookTypes" => Ok(types::hooks()),
        "DescribeAutoScalingNotificationTypes" => Ok(types::notifications()),
        "DescribeNotificationConfigurations" => types::notification_configurations(p),
        "DescribeAccountLimits" => Ok(types::account_limits(w)),
        "EnableMetricsCollection" => metrics::enable(w, p),
        "DisableMetricsCollection" => metrics::disable(w, p),
        "DescribeTags" => tags::describe(w, p),
        "CreateOrUpdateTags" => tags::put(w, p),
        "DeleteTags" => tags::delete(w, p),
        "AttachLoadBalancerTargetGroups" => attachments::attach_target_groups(w, p),
        "DetachLoadBalancerTargetGroups" => attachments::detach_target_groups(w, p),
        "AttachTrafficSources" => attachments::attach_sources(w, p),
        "DetachTrafficSources" => attachments::detach_sources(w, p),
        "AttachInstances" => attachments::attach_instances(w, p),
        "DetachInstances" => attachments::detach_instances(w, p),
        "DeleteAutoScalingGroup" => attachments::delete_group(w, p),
        "CreateAutoScalingGroup" => create::create(w, p),
        "UpdateAutoScalingGroup" => capacity::update(w, p),
        "SetDesiredCapacity" => capacity::set_desired(w, p),
        "TerminateInstanceInAutoScalingGroup" => instances::terminate(w, p),
        "SetInstanceProtection" => instances::protect(w, p),
        "SetInstanceHealth" => instances::set_health(w, p),
        "EnterStandby" => instances::enter_standby(w, p),
        "ExitStandby" => instances::exit_standby(w, p),
        "SuspendProcesses" => processes::suspend(w, p),
        "ResumeProcesses" => processes::resume(w, p),
        "StartInstanceRefresh" => refreshes::start(w, p),
        "DescribeInstanceRefreshes" => refreshes::describe(w, p),
        "CancelInstanceRefresh" => refreshes::cancel(w, p),
        "RollbackInstanceRefresh" => refreshes::rollback(w, p),
        "DescribeScheduledActions" => schedules::describe(w, p),
        "PutScheduledUpdateGroupAction" => schedules::put(w, p),
        "DeleteScheduledAction" => schedules::delete(w, p),
        "BatchPutScheduledUpdateGroupAction" => schedules::put_batch(w, p),
        "BatchDeleteScheduledAction" => schedules::delete_batch(w, p),
        "DescribeLifecycleHooks" => hooks::describe(w, p),
        "PutLifecycleHook" => hooks::put(w, p),
        "DeleteLifecycleHook" => hooks::delete(w, p),
        "CompleteLifecycleAction" => hooks::complete(w, p),
        "RecordLifecycleActionHeartbeat" => hooks::heartbeat(w, p),
        _ => Err(super::unknown(op, "2011-01-01")),
    }
}

/// The group a changing operation names.
fn group<'a>(w: &'a World, p: &Node) -> Result<&'a Group, ApiError> {
    let name = read::need(p, "AutoScalingGroupName")?;
    w.groups.get(name).ok_or_else(|| not_found(name))
}

/// A group that is being deleted can be looked at and no more.
fn being_deleted(w: &World, op: &str, p: &Node) -> Result<(), ApiError> {
    let reads = op.starts_with("Describe") || matches!(op, "CreateAutoScalingGroup" | "DeleteAutoScalingGroup");
    match p.text("AutoScalingGroupName").and_then(|name| w.groups.get(name)) {
        Some(g) if g.deleting && !reads => Err(ApiError::validation(format!("AutoScalingGroup {} is pending delete", g.name))),
        _ => Ok(()),
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::validation(format!("AutoScalingGroup name not found - AutoScalingGroup {name} not found"))
}

/// The texts of a list that may hold this many at most.
fn at_most(p: &Node, name: &str, most: usize) -> Result<Vec<String>, ApiError> {
    let rows = p.texts(name);
    if rows.len() > most {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less than or equal to {most}",
            read::lower(name)
        )));
    }
    Ok(rows)
}

/// Filters as name and values; a name that `known` does not hold is refused.
fn filters(p: &Node, known: impl Fn(&str) -> bool) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let rows: Vec<(String, Vec<String>)> =
        p.list("Filters").iter().map(|f| (f.text("Name").unwrap_or_default().to_owned(), f.texts("Values"))).collect();
    match rows.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(ApiError::validation(format!("The filter name {name} is not valid for this operation."))),
        None => Ok(rows),
    }
}

/// One page of rows and the token of the next.
fn paged<T>(p: &Node, rows: Vec<T>, default: i64, max: i64) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = read::int_in(p, "MaxRecords", 1, max)?.unwrap_or(default) as usize;
    page::page(rows, p.text("NextToken"), size).ok_or_else(|| ApiError::bad("InvalidNextToken", "The NextToken value is not valid."))
}
