//! Scaling policies: their data, and the sizes they compute (aws-reference 4.5).
//!
//! **Invariant:** pure; what a size becomes of and when it is applied is decided in `scaling.rs`.

use serde::{Deserialize, Serialize};

use super::group::Group;
use crate::wire::node::Node;

/// One step of a step policy; bounds are relative to the alarm's threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) lower: Option<f64>,
    pub(crate) upper: Option<f64>,
    pub(crate) adjustment: i64,
}

/// How a size is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Adjustment {
    Change,
    Exact,
    Percent,
}

impl Adjustment {
    pub(crate) const ALL: [Self; 3] = [Self::Change, Self::Exact, Self::Percent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Change => "ChangeInCapacity",
            Self::Exact => "ExactCapacity",
            Self::Percent => "PercentChangeInCapacity",
        }
    }

    /// The size after the change. A percentage is rounded towards zero, but never to nothing.
    pub(crate) fn apply(self, from: i64, by: i64, at_least: i64) -> i64 {
        match self {
            Self::Change => from + by,
            Self::Exact => by,
            Self::Percent => {
                let change = from * by / 100;
                let change = if change == 0 && by != 0 && from > 0 { by.signum() } else { change };
                from + if change.abs() < at_least { at_least * by.signum() } else { change }
            }
        }
    }
}

/// What a target tracking policy follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tracking {
    /// The configuration as it was sent.
    pub(crate) raw: Node,
    pub(crate) target: f64,
    pub(crate) disable_scale_in: bool,
    /// Names of its own two alarms.
    pub(crate) high: String,
    pub(crate) low: String,
}

/// What a policy does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Rule {
    Simple { by: i64, cooldown: Option<i64> },
    Step { steps: Vec<Step>, aggregation: String },
    Tracking(Tracking),
}

/// A scaling policy of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) rule: Rule,
    /// None for target tracking.
    pub(crate) adjustment: Option<Adjustment>,
    pub(crate) magnitude: Option<i64>,
    /// The same by its old name.
    pub(crate) min_step: Option<i64>,
    /// EstimatedInstanceWarmup, seconds.
    pub(crate) warmup: Option<i64>,
    pub(crate) enabled: bool,
}

impl Policy {
    pub(crate) fn kind(&self) -> &'static str {
        match self.rule {
            Rule::Simple { .. } => "SimpleScaling",
            Rule::Step { .. } => "StepScaling",
            Rule::Tracking(_) => "TargetTrackingScaling",
        }
    }

    pub(crate) fn tracking(&self) -> Option<&Tracking> {
        match &self.rule {
            Rule::Tracking(t) => Some(t),
            _ => None,
        }
    }

    /// Seconds an instance warms up for this policy (aws-reference 4.4).
    pub(crate) fn warmup(&self, group: &Group) -> i64 {
        self.warmup.or(group.warmup).unwrap_or(group.cooldown)
    }

    /// The size this policy's own adjustment makes of one.
    pub(crate) fn adjusted(&self, from: i64, by: i64) -> i64 {
        let at_least = self.magnitude.or(self.min_step).unwrap_or(0);
        self.adjustment.map_or(from, |a| a.apply(from, by, at_least))
    }
}

/// The step a breach falls into: above the threshold the lower bound belongs to the step, below it the upper one.
pub(crate) fn step_for(steps: &[Step], breach: f64) -> Option<&Step> {
    let above = |s: &&Step| s.lower.is_none_or(|l| breach >= l) && s.upper.is_none_or(|u| breach < u);
    let below = |s: &&Step| s.lower.is_none_or(|l| breach > l) && s.upper.is_none_or(|u| breach <= u);
    if breach < 0.0 { steps.iter().find(below) } else { steps.iter().find(above) }
}
