//! Members that Create and Update share: the name, health checks, termination policies.
//!
//! **Invariant:** a value outside its documented list is refused, never stored.

use crate::wire::{ApiError, node::Node};

const HEALTH_CHECKS: [&str; 4] = ["EC2", "EBS", "ELB", "VPC_LATTICE"];
const TERMINATION_POLICIES: [&str; 7] = [
    "AllocationStrategy",
    "ClosestToNextInstanceHour",
    "Default",
    "NewestInstance",
    "OldestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
];

/// A new group's name: printable ASCII without blanks and colons, at most 255 characters.
pub(super) fn name(name: &str) -> Result<(), ApiError> {
    if name.len() > 255 {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at 'autoScalingGroupName' failed to satisfy constraint: Member must have length less than or equal to 255"
        )));
    }
    if name.contains(':') {
        return Err(ApiError::validation("Group name cannot contain the colon character ':'"));
    }
    if !name.bytes().all(|b| (33..=126).contains(&b)) {
        return Err(ApiError::validation("Group name can only contain ASCII characters 33 to 126"));
    }
    Ok(())
}

/// HealthCheckType: one or more types with commas between.
pub(super) fn health_check(p: &Node) -> Result<Option<String>, ApiError> {
    let Some(text) = p.text("HealthCheckType") else {
        return Ok(None);
    };
    match text.split(',').map(str::trim).find(|t| !HEALTH_CHECKS.contains(t)) {
        Some(odd) => Err(ApiError::validation(format!("Invalid Health Check Type: {odd}. Valid values: {}", HEALTH_CHECKS.join(", ")))),
        None => Ok(Some(text.to_owned())),
    }
}

/// TerminationPolicies; empty when none are sent.
pub(super) fn termination_policies(p: &Node) -> Result<Vec<String>, ApiError> {
    let policies = p.texts("TerminationPolicies");
    let fine = |t: &str| TERMINATION_POLICIES.contains(&t) || t.starts_with("arn:") && t.contains(":lambda:") && t.contains(":function:");
    match policies.iter().find(|t| !fine(t)) {
        Some(odd) => Err(ApiError::validation(format!("{odd} is not a valid termination policy. Valid values: {}", TERMINATION_POLICIES.join(", ")))),
        None => Ok(policies),
    }
}
