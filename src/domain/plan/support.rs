//! What Fleetgate can do with a group, as far as the group itself tells: read before it is adopted, and again in every plan.

use super::{Check, numbered, refuse, warn};
use crate::domain::observation::{Group, LaunchSource};

/// Processes without which a refresh can not end, or would end in a fleet that serves nobody (aws-reference 4.6).
const NEEDED_PROCESSES: [&str; 5] = ["Launch", "Terminate", "AddToLoadBalancer", "HealthCheck", "InstanceRefresh"];

/// The suspended processes without which a refresh could not end well, in words.
pub fn blocking_processes(group: &Group) -> Option<String> {
    let names: Vec<_> = group.suspended.iter().filter(|p| NEEDED_PROCESSES.contains(&p.as_str())).cloned().collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What stands in the way of deploying to a group, or is worth knowing, whatever is deployed.
pub(super) fn of_group(group: &Group) -> Vec<Check> {
    let mut checks = Vec::new();
    if group.warm_pool {
        checks.push(refuse("warm_pool", "The group has a warm pool, whose instances keep the old image. Delete the warm pool before deploying."));
    }
    let blocking: Vec<_> = group.suspended.iter().filter(|p| NEEDED_PROCESSES.contains(&p.as_str())).cloned().collect();
    if !blocking.is_empty() {
        checks.push(refuse("suspended", format!("{} is suspended, so a refresh could not end well. Resume it first: aws autoscaling resume-processes --auto-scaling-group-name {} --scaling-processes {}", blocking.join(", "), group.name, blocking.join(" "))));
    } else if !group.suspended.is_empty() {
        checks.push(warn("suspended", format!("Suspended processes: {}.", group.suspended.join(", "))));
    }
    if let Some(seconds) = group.max_instance_lifetime {
        checks.push(warn(
            "max_lifetime",
            format!("The group replaces instances older than {} days by itself; such a replacement may join the deploy.", seconds / 86_400),
        ));
    }
    if group.target_group_arns.is_empty() {
        checks.push(warn("health_source", "The group has no target group: health is judged by EC2 alone."));
    }
    checks
}

/// The same before adoption. A group that follows an alias can be adopted: pinning it is a change of its own.
pub fn support(group: &Group) -> Vec<Check> {
    let mut checks = Vec::new();
    match (&group.launch, numbered(group)) {
        (LaunchSource::Template(t), Err(_)) => {
            let alias = if t.version.is_empty() { "$Default" } else { &t.version };
            checks.push(warn(
                "numbered_template",
                format!("It follows {alias} of its launch template: adopt it, then pin it before the first deployment."),
            ));
        }
        (_, Err(check)) => checks.push(check),
        (_, Ok(_)) => {}
    }
    if let Some(status) = &group.status {
        checks.push(refuse("status", format!("AWS says of this group: {status}.")));
    }
    checks.extend(of_group(group));
    checks
}
