//! Group metrics in AWS/AutoScaling: which of them a group sends (aws-reference 3, 9).
//!
//! **Invariant:** none named means all of them; an unknown name changes nothing.

use super::group;
use crate::{
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

/// The only granularity there is.
pub(super) const GRANULARITY: &str = "1Minute";

/// Every group metric.
pub(super) const ALL: [&str; 20] = [
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolWarmedCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
];

fn named(p: &Node) -> Result<Vec<String>, ApiError> {
    let names = p.texts("Metrics");
    if let Some(odd) = names.iter().find(|n| !ALL.contains(&n.as_str())) {
        return Err(ApiError::validation(format!("{odd} is not a valid metric type. Valid values: {}", ALL.join(", "))));
    }
    Ok(if names.is_empty() { ALL.map(String::from).to_vec() } else { names })
}

pub(super) fn enable(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let granularity = read::need(p, "Granularity")?;
    if granularity != GRANULARITY {
        return Err(ApiError::validation(format!("{granularity} is not a valid granularity. Valid values: {GRANULARITY}")));
    }
    let names = named(p)?;
    let now = w.now;
    if let Some(g) = w.group_mut(&name) {
        for metric in names {
            g.enabled_metrics.entry(metric).or_insert(now);
        }
    }
    Ok(Fields::new())
}

pub(super) fn disable(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let name = group(w, p)?.name.clone();
    let names = named(p)?;
    if let Some(g) = w.group_mut(&name) {
        g.enabled_metrics.retain(|metric, _| !names.contains(metric));
    }
    Ok(Fields::new())
}
