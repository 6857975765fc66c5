//! Members that Create and Update share: the name, health checks, termination policies, and what is kept or refused.
//!
//! **Invariant:** a value outside its documented list is refused, never stored; so is a member that is not simulated.

use crate::{
    wire::{ApiError, node::Node},
    world::{World, group::Extras},
};

const HEALTH_CHECKS: [&str; 4] = ["EC2", "EBS", "ELB", "VPC_LATTICE"];
pub(super) const TERMINATION_POLICIES: [&str; 7] = [
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
    match policies.iter().find(|t| !TERMINATION_POLICIES.contains(&t.as_str())) {
        Some(odd) => Err(ApiError::validation(format!("{odd} is not a valid termination policy. Valid values: {}", TERMINATION_POLICIES.join(", ")))),
        None => Ok(policies),
    }
}

/// Refuses members that are not simulated, and a service-linked role that is not the account's own.
pub(super) fn refused(w: &World, p: &Node, names: &[&str]) -> Result<(), ApiError> {
    if let Some(odd) = names.iter().find(|n| p.at(n).is_some_and(|v| v.value.as_deref() != Some(""))) {
        return Err(ApiError::validation(match *odd {
            // What AWS says of one that does not exist, and here none does.
            "PlacementGroup" => format!("The Placement Group '{}' is unknown.", p.text("PlacementGroup").unwrap_or_default()),
            "LoadBalancerNames" => "Provided Load Balancers may not be valid. Please ensure they exist and try again.".to_owned(),
            _ => format!("{odd} is not supported for this Auto Scaling group."),
        }));
    }
    match p.text("ServiceLinkedRoleARN").filter(|arn| *arn != linked_role(w)) {
        Some(odd) => Err(ApiError::validation(format!("ARN specified for Service-Linked Role does not exist: {odd}"))),
        None => Ok(()),
    }
}

/// The account's service-linked role.
pub(super) fn linked_role(w: &World) -> String {
    format!("arn:aws:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", w.account)
}

/// One of a list, or nothing sent.
fn one_of(p: &Node, path: &str, known: &[&str]) -> Result<Option<String>, ApiError> {
    match p.text(path) {
        Some(odd) if !known.contains(&odd) => {
            Err(ApiError::validation(format!("{odd} is not a valid value for {path}. Valid values: {}", known.join(", "))))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// What is kept and shown; absent members stay as they were.
pub(super) fn extras(p: &Node, old: &Extras) -> Result<Extras, ApiError> {
    if p.at("CapacityReservationSpecification").is_some_and(|c| c.at("CapacityReservationTarget").is_some()) {
        return Err(ApiError::validation("CapacityReservationTarget is not supported for this Auto Scaling group."));
    }
    let strategies = ["balanced-best-effort", "balanced-only"];
    let protections = ["none", "prevent-all-deletion", "prevent-force-deletion"];
    let new = Extras {
        desired_type: one_of(p, "DesiredCapacityType", &["units"])?,
        deletion_protection: one_of(p, "DeletionProtection", &protections)?,
        zone_strategy: one_of(p, "AvailabilityZoneDistribution.CapacityDistributionStrategy", &strategies)?,
        reservation: one_of(p, "CapacityReservationSpecification.CapacityReservationPreference", &["default", "none"])?,
    };
    let old = old.clone();
    Ok(Extras {
        desired_type: new.desired_type.or(old.desired_type),
        deletion_protection: new.deletion_protection.or(old.deletion_protection),
        zone_strategy: new.zone_strategy.or(old.zone_strategy),
        reservation: new.reservation.or(old.reservation),
    })
}
