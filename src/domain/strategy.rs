//! How a refresh is run: every preference that AWS has, each with a value that we send and show.
//!
//! **Invariant:** no preference is left to a default of AWS. The API's defaults differ from the console's (aws-reference 5.1),
//! so a default is a guess about what people expect.

use serde::{Deserialize, Serialize};

use super::observation::Group;

/// The preferences of one instance refresh, as sent (aws-reference 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// Percent of desired that must stay healthy, 0–100.
    pub min_healthy: i32,
    /// Percent of desired that may exist, 100–200.
    pub max_healthy: i32,
    /// Seconds after `InService` until an instance counts.
    pub warmup_seconds: i32,
    /// Leave instances alone that already run the wanted version.
    pub skip_matching: bool,
    /// AWS rolls back by itself when the refresh fails.
    pub auto_rollback: bool,
    /// Scale-in protected instances: `Refresh`, `Ignore` or `Wait`.
    pub protected: OnHold,
    /// Standby instances: `Terminate`, `Ignore` or `Wait`.
    pub standby: OnStandby,
    /// Seconds AWS keeps the refresh open after the last instance, able to roll back.
    pub bake_seconds: i32,
    /// Ascending percentages at which AWS pauses; empty = none.
    pub checkpoints: Vec<i32>,
    /// Seconds of each pause.
    pub checkpoint_delay_seconds: i32,
    /// CloudWatch alarms that stop the refresh; empty = none.
    pub alarms: Vec<String>,
    /// Processes that are suspended while it rolls, and resumed on every way out; empty = none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspend: Vec<String>,
}

/// Processes that a rollout may suspend for its time: none without which a refresh could not end (aws-reference 4.6).
pub const SUSPENDABLE: [&str; 3] = ["AlarmNotification", "AZRebalance", "ScheduledActions"];

/// What a refresh does with scale-in protected instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum OnHold {
    /// Replace them all the same.
    Refresh,
    /// Leave them on the old version.
    Ignore,
    /// Wait for someone to lift the protection; AWS gives up after an hour.
    Wait,
}

/// What a refresh does with instances in standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum OnStandby {
    /// Replace them.
    Terminate,
    /// Leave them.
    Ignore,
    /// Wait for someone to bring them back; AWS gives up after an hour.
    Wait,
}

/// What a requester may choose; an absent field takes the environment's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StrategyChoice {
    /// Percent of desired that must stay healthy, 0–100.
    pub min_healthy: Option<i32>,
    /// Percent of desired that may exist, 100–200.
    pub max_healthy: Option<i32>,
    /// Seconds after `InService` until an instance counts.
    pub warmup_seconds: Option<i32>,
    /// Seconds to watch after the last instance.
    pub bake_seconds: Option<i32>,
    /// Scale-in protected instances.
    pub protected: Option<OnHold>,
    /// Standby instances.
    pub standby: Option<OnStandby>,
    /// Ascending percentages at which to pause.
    pub checkpoints: Option<Vec<i32>>,
    /// Seconds of each pause.
    pub checkpoint_delay_seconds: Option<i32>,
    /// Processes to suspend while it rolls: `AlarmNotification`, `AZRebalance`, `ScheduledActions`. Absent = none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Vec<String>>,
}

/// A named choice, so that nobody must know every preference at three in the morning. Each value is shown, and may be edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// New instances beside the old ones; never fewer than wanted.
    #[default]
    Safe,
    /// As safe, with pauses at a fifth and at half.
    Careful,
    /// Half of the instances at a time: for when it must be quick and some capacity may go.
    Fast,
}

impl Pace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Safe, Self::Careful, Self::Fast];
    /// As posted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Careful => "careful",
            Self::Fast => "fast",
        }
    }
    /// What it means, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Safe => "New instances start beside the old ones; there are never fewer healthy ones than wanted.",
            Self::Careful => "Like safe, and AWS pauses for 10 minutes at 20 % and at 50 %.",
            Self::Fast => "Half of the instances at a time. Quick, and half of the capacity is missing meanwhile.",
        }
    }
    /// The choice that it stands for; what it leaves open is the environment's default.
    pub fn choice(self) -> StrategyChoice {
        match self {
            Self::Safe => StrategyChoice::default(),
            Self::Careful => {
                StrategyChoice { checkpoints: Some(vec![20, 50, 100]), checkpoint_delay_seconds: Some(600), ..StrategyChoice::default() }
            }
            Self::Fast => StrategyChoice { min_healthy: Some(50), max_healthy: Some(100), ..StrategyChoice::default() },
        }
    }
}

/// Longest bake and checkpoint delay that AWS takes, in seconds.
pub const LONGEST_WAIT_SECONDS: i32 = 172_800;

/// Seconds that the warmup is longer than the boot budget: time for a poll to see the failure and for AWS to take the
/// rollback, before AWS retires a good instance for a bad one.
const WARMUP_MARGIN_SECONDS: i32 = 60;

/// The preferences for a rollout on `group`: what was chosen, else the group's own maintenance policy, else ours
/// (launch before terminate, never below the wanted capacity).
///
/// The warmup is at least the boot budget and a margin. While the grace period hides the load balancer's word, AWS counts a
/// new instance as soon as its warmup is over: with a shorter one a bad image replaces every good instance before anyone
/// could have judged it (aws-reference 5.4).
///
/// # Errors
/// A list of `(field, sentence)`, one for each value that AWS would refuse.
pub fn preferences(
    group: &Group,
    choice: &StrategyChoice,
    bake_default: i32,
    boot_budget_seconds: i32,
) -> Result<Preferences, Vec<(String, String)>> {
    let own = group.maintenance;
    let p = Preferences {
        min_healthy: choice.min_healthy.or(own.map(|m| m.min_healthy)).unwrap_or(100),
        max_healthy: choice.max_healthy.or(own.map(|m| m.max_healthy)).unwrap_or(200),
        warmup_seconds: choice
            .warmup_seconds
            .unwrap_or_else(|| group.default_warmup_seconds.unwrap_or(group.grace_seconds).max(boot_budget_seconds + WARMUP_MARGIN_SECONDS)),
        skip_matching: true,
        auto_rollback: true,
        protected: choice.protected.unwrap_or(OnHold::Wait),
        standby: choice.standby.unwrap_or(OnStandby::Wait),
        bake_seconds: choice.bake_seconds.unwrap_or(bake_default),
        checkpoints: choice.checkpoints.clone().unwrap_or_default(),
        checkpoint_delay_seconds: choice.checkpoint_delay_seconds.unwrap_or(0),
        alarms: Vec::new(),
        suspend: choice.suspend.clone().unwrap_or_default(),
    };
    let mut bad = Vec::new();
    let mut check = |ok: bool, field: &str, message: String| {
        if !ok {
            bad.push((format!("strategy.{field}"), message));
        }
    };
    check((0..=100).contains(&p.min_healthy), "min_healthy", format!("must be 0 to 100 percent, not {}", p.min_healthy));
    check((100..=200).contains(&p.max_healthy), "max_healthy", format!("must be 100 to 200 percent, not {}", p.max_healthy));
    check(
        p.max_healthy - p.min_healthy <= 100,
        "max_healthy",
        format!("may be at most 100 percent above min_healthy; {} is {} above {}", p.max_healthy, p.max_healthy - p.min_healthy, p.min_healthy),
    );
    check((0..=7200).contains(&p.warmup_seconds), "warmup_seconds", format!("must be 0 to 7200 seconds, not {}", p.warmup_seconds));
    check(
        (0..=LONGEST_WAIT_SECONDS).contains(&p.bake_seconds),
        "bake_seconds",
        format!("must be 0 to {LONGEST_WAIT_SECONDS} seconds, not {}", p.bake_seconds),
    );
    check(
        (0..=LONGEST_WAIT_SECONDS).contains(&p.checkpoint_delay_seconds),
        "checkpoint_delay_seconds",
        format!("must be 0 to {LONGEST_WAIT_SECONDS} seconds, not {}", p.checkpoint_delay_seconds),
    );
    for name in p.suspend.iter().filter(|n| !SUSPENDABLE.contains(&n.as_str())) {
        check(false, "suspend", format!("`{name}` can not be suspended for a rollout; use {}", SUSPENDABLE.join(", ")));
    }
    let ascending = p.checkpoints.windows(2).all(|w| w[0] < w[1]);
    let in_range = p.checkpoints.iter().all(|c| (1..=100).contains(c));
    check(ascending && in_range, "checkpoints", "must be ascending percentages from 1 to 100".into());
    check(
        p.checkpoints.is_empty() || p.checkpoints.last() == Some(&100),
        "checkpoints",
        "must end with 100: AWS calls a refresh that stops earlier Successful, and the fleet would stay mixed".into(),
    );
    if bad.is_empty() { Ok(p) } else { Err(bad) }
}
