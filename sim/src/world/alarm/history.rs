//! The history of alarms: configuration, states and actions.
//!
//! **Invariant:** items are oldest first and kept 30 days; they stay when their alarm goes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Alarm, AlarmState, Watch, reason::stamp};
use crate::{clock, world::World};

const KEPT: i64 = 30 * 86_400_000;

/// Longest `HistoryData` CloudWatch has.
const LONGEST: usize = 4095;

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) alarm: String,
    pub(crate) at: i64,
    /// `ConfigurationUpdate`, `StateUpdate` or `Action`.
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) data: String,
}

impl World {
    fn remember(&mut self, alarm: &str, kind: &str, summary: String, data: &Value) {
        let now = self.now;
        let old = self.alarm_history.partition_point(|i| i.at < now - KEPT);
        self.alarm_history.drain(..old);
        let mut data = data.to_string();
        while data.len() > LONGEST {
            data.pop();
        }
        self.alarm_history.push(Item { alarm: alarm.to_owned(), at: now, kind: kind.to_owned(), summary, data });
    }

    /// Created, updated or deleted.
    pub(super) fn configured(&mut self, alarm: &Alarm, old: Option<&Alarm>, what: &str) {
        let (kind, member) = match what {
            "created" => ("Create", "createdAlarm"),
            "updated" => ("Update", "updatedAlarm"),
            _ => ("Delete", "deletedAlarm"),
        };
        let mut data = json!({"version": "1.0", "type": kind, member: configuration(alarm)});
        if let (Some(old), Some(map)) = (old, data.as_object_mut()) {
            map.insert("previousAlarm".into(), configuration(old));
        }
        self.remember(&alarm.name, "ConfigurationUpdate", format!("Alarm \"{}\" {what}", alarm.name), &data);
    }

    pub(super) fn state_changed(&mut self, old: &Alarm, new: &Alarm) {
        let summary = format!("Alarm updated from {} to {}", old.state.name(), new.state.name());
        let data = json!({"version": "1.0", "oldState": state(old), "newState": state(new)});
        self.remember(&new.name, "StateUpdate", summary, &data);
    }

    pub(super) fn action_done(&mut self, alarm: &Alarm, action: &str) {
        let data = json!({
            "version": "1.0",
            "actionState": "Succeeded",
            "stateUpdateTimestamp": alarm.updated_at,
            "notificationResource": action,
            "publishedMessage": Value::Null,
            "error": Value::Null,
        });
        self.remember(&alarm.name, "Action", format!("Successfully executed action {action}"), &data);
    }
}

fn state(alarm: &Alarm) -> Value {
    let data = alarm.reason_data.as_deref().and_then(|d| serde_json::from_str::<Value>(d).ok());
    let mut out = json!({"stateValue": alarm.state.name(), "stateReason": alarm.reason});
    if let (Some(data), Some(map)) = (data, out.as_object_mut()) {
        map.insert("stateReasonData".into(), data);
    }
    out
}

fn configuration(alarm: &Alarm) -> Value {
    let mut out = json!({
        "alarmName": alarm.name,
        "alarmArn": alarm.arn,
        "alarmDescription": alarm.description,
        "actionsEnabled": alarm.actions_enabled,
        "okActions": alarm.actions_of(AlarmState::Ok),
        "alarmActions": alarm.actions_of(AlarmState::Alarm),
        "insufficientDataActions": alarm.actions_of(AlarmState::InsufficientData),
        "period": alarm.watch.period(),
        "evaluationPeriods": alarm.periods,
        "datapointsToAlarm": alarm.datapoints,
        "threshold": alarm.threshold,
        "comparisonOperator": alarm.comparison.name(),
        "treatMissingData": alarm.treat_missing.map(super::TreatMissing::name),
        "stateValue": alarm.state.name(),
        "alarmConfigurationUpdatedTimestamp": clock::iso(alarm.configured_at).replace('Z', "+0000"),
        "stateUpdatedTimestamp": stamp(alarm.updated_at),
    });
    if let (Watch::Metric { metric, stat, .. }, Some(map)) = (&alarm.watch, out.as_object_mut()) {
        map.insert("metricName".into(), metric.name.clone().into());
        map.insert("namespace".into(), metric.namespace.clone().into());
        map.insert("statistic".into(), stat.name().into());
        map.insert("dimensions".into(), metric.dimensions.iter().map(|(k, v)| json!({"name": k, "value": v})).collect());
    }
    out
}
