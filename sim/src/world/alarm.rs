//! CloudWatch metric alarms (aws-reference 9).
//!
//! **Invariant:** a new alarm is INSUFFICIENT_DATA until it is evaluated, an update keeps the state; every change of
//! state is an item of the history, and the history outlives the alarm.

pub(crate) mod evaluate;
pub(crate) mod history;
pub(crate) mod reason;

use serde::{Deserialize, Serialize};

use super::{
    World,
    agenda::Entity,
    metric::{Metric, datum::Stat, query::Query},
};
use crate::rng;

/// State of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

impl AlarmState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|s| s.name() == text)
    }
}

/// How a value is held against the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Greater => "GreaterThanThreshold",
            Self::GreaterOrEqual => "GreaterThanOrEqualToThreshold",
            Self::Less => "LessThanThreshold",
            Self::LessOrEqual => "LessThanOrEqualToThreshold",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Greater, Self::GreaterOrEqual, Self::Less, Self::LessOrEqual].into_iter().find(|c| c.name() == text)
    }

    pub(crate) fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
        }
    }
}

/// What a missing datapoint counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TreatMissing {
    Missing,
    NotBreaching,
    Breaching,
    Ignore,
}

impl TreatMissing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotBreaching => "notBreaching",
            Self::Breaching => "breaching",
            Self::Ignore => "ignore",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Missing, Self::NotBreaching, Self::Breaching, Self::Ignore].into_iter().find(|m| m.name() == text)
    }
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Watch {
    /// Period in seconds.
    Metric { metric: Metric, stat: Stat, period: i64, unit: Option<String> },
    /// The one query that returns data.
    Math(Vec<Query>),
}

impl Watch {
    /// Seconds.
    pub(crate) fn period(&self) -> i64 {
        match self {
            Self::Metric { period, .. } => *period,
            Self::Math(queries) => queries.iter().filter_map(Query::period).max().unwrap_or(60),
        }
    }
}

/// The alarm. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// Set by [`World::put_alarm`].
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    pub(crate) watch: Watch,
    pub(crate) comparison: Comparison,
    pub(crate) threshold: f64,
    pub(crate) periods: i64,
    /// M of N; N where it is absent.
    pub(crate) datapoints: Option<i64>,
    pub(crate) treat_missing: Option<TreatMissing>,
    /// EvaluateLowSampleCountPercentile, echoed.
    pub(crate) low_samples: Option<String>,
    pub(crate) actions_enabled: bool,
    /// On ALARM.
    pub(crate) actions: Vec<String>,
    pub(crate) ok_actions: Vec<String>,
    pub(crate) insufficient_actions: Vec<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) configured_at: i64,
    pub(crate) state: AlarmState,
    pub(crate) reason: String,
    pub(crate) reason_data: Option<String>,
    pub(crate) updated_at: i64,
    pub(crate) transitioned_at: i64,
}

impl Alarm {
    /// An alarm on the average of one metric with everything else at its default.
    pub(crate) fn on(name: &str, metric: Metric, period: i64, comparison: Comparison, threshold: f64, periods: i64) -> Self {
        Self {
            name: name.to_owned(),
            arn: String::new(),
            description: None,
            watch: Watch::Metric { metric, stat: Stat::Average, period, unit: None },
            comparison,
            threshold,
            periods,
            datapoints: None,
            treat_missing: None,
            low_samples: None,
            actions_enabled: true,
            actions: Vec::new(),
            ok_actions: Vec::new(),
            insufficient_actions: Vec::new(),
            tags: Vec::new(),
            configured_at: 0,
            state: AlarmState::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated_at: 0,
            transitioned_at: 0,
        }
    }

    /// Actions of a state.
    pub(crate) fn actions_of(&self, state: AlarmState) -> &[String] {
        match state {
            AlarmState::Ok => &self.ok_actions,
            AlarmState::Alarm => &self.actions,
            AlarmState::InsufficientData => &self.insufficient_actions,
        }
    }

    /// Milliseconds between evaluations: a minute, ten seconds at high resolution, an hour over more than a day.
    fn pace(&self) -> i64 {
        match self.watch.period() {
            period if period < 60 => 10_000,
            period if period * self.periods > 86_400 => 3_600_000,
            _ => 60_000,
        }
    }
}

impl World {
    /// Creates an alarm, or overwrites one of that name but for its state and tags.
    pub(crate) fn put_alarm(&mut self, mut alarm: Alarm) {
        let now = self.now;
        alarm.arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{}", self.region, self.account, alarm.name);
        alarm.configured_at = now;
        match self.alarms.get(&alarm.name) {
            Some(old) => {
                alarm.state = old.state;
                alarm.reason.clone_from(&old.reason);
                alarm.reason_data.clone_from(&old.reason_data);
                alarm.updated_at = old.updated_at;
                alarm.transitioned_at = old.transitioned_at;
                alarm.tags.clone_from(&old.tags);
                let old = old.clone();
                self.configured(&alarm, Some(&old), "updated");
            }
            None => {
                alarm.updated_at = now;
                alarm.transitioned_at = now;
                self.configured(&alarm, None, "created");
            }
        }
        let name = alarm.name.clone();
        self.alarms.insert(name.clone(), alarm);
        self.plan_alarm(&name);
    }

    /// Removes an alarm; its history stays.
    pub(crate) fn delete_alarm(&mut self, name: &str) {
        if let Some(alarm) = self.alarms.remove(name) {
            self.configured(&alarm, None, "deleted");
        }
    }

    pub(crate) fn alarm_in_alarm(&self, name: &str) -> bool {
        self.alarms.get(name).is_some_and(|a| a.state == AlarmState::Alarm)
    }

    /// Asks for the next evaluation; each alarm has its own second of the minute.
    pub(crate) fn plan_alarm(&mut self, name: &str) {
        let Some(alarm) = self.alarms.get(name) else {
            return;
        };
        let pace = alarm.pace();
        let phase = (rng::hash(self.seed, "alarm_phase", name) % pace as u64) as i64;
        let next = (self.now - phase).div_euclid(pace) * pace + phase + pace;
        self.agenda.wake(next, Entity::Alarm(name.to_owned()));
    }
}
