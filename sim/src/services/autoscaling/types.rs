//! Lists that are the same in every account: adjustment, process, hook, metric and termination policy types.
//!
//! **Invariant:** what is listed here is what the other operations accept.

use super::{members, metrics};
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{World, group::PROCESSES, hooks, policy::Adjustment},
};

pub(super) fn adjustments() -> Fields {
    Fields::new().members("AdjustmentTypes", Adjustment::ALL.map(|a| Fields::new().set("AdjustmentType", a.name())))
}

pub(super) fn processes() -> Fields {
    Fields::new().members("Processes", PROCESSES.map(|p| Fields::new().set("ProcessName", p)))
}

pub(super) fn termination_policies() -> Fields {
    Fields::new().members("TerminationPolicyTypes", members::TERMINATION_POLICIES)
}

pub(super) fn metrics() -> Fields {
    Fields::new()
        .members("Metrics", metrics::ALL.map(|m| Fields::new().set("Metric", m)))
        .members("Granularities", [Fields::new().set("Granularity", metrics::GRANULARITY)])
}

pub(super) fn hooks() -> Fields {
    Fields::new().members("LifecycleHookTypes", [hooks::LAUNCHING, hooks::TERMINATING])
}

pub(super) fn notifications() -> Fields {
    let types = ["LAUNCH", "LAUNCH_ERROR", "TERMINATE", "TERMINATE_ERROR"].map(|t| format!("autoscaling:EC2_INSTANCE_{t}"));
    Fields::new().members("AutoScalingNotificationTypes", types.into_iter().chain(["autoscaling:TEST_NOTIFICATION".to_owned()]))
}

/// No group sends notifications: PutNotificationConfiguration is not simulated.
pub(super) fn notification_configurations(p: &Node) -> Result<Fields, ApiError> {
    read::flag(p, "IncludeManagedResources")?;
    let (rows, next) = super::paged(p, Vec::<Fields>::new(), 50, 100)?;
    Ok(Fields::new().members("NotificationConfigurations", rows).opt("NextToken", next))
}

/// The default quotas, and what there is.
pub(super) fn account_limits(w: &World) -> Fields {
    let mut configurations: Vec<&str> = w.groups.values().filter_map(|g| g.spec.configuration()).collect();
    configurations.sort_unstable();
    configurations.dedup();
    Fields::new()
        .set("MaxNumberOfAutoScalingGroups", 500i64)
        .set("MaxNumberOfLaunchConfigurations", 200i64)
        .set("NumberOfAutoScalingGroups", w.groups.len())
        .set("NumberOfLaunchConfigurations", configurations.len())
}
