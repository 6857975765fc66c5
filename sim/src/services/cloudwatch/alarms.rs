//! Describing alarms, and everything done to them but putting (aws-reference 9).
//!
//! **Invariant:** without AlarmTypes only metric alarms are described, and there are no others here; unknown names are
//! left out of a description and refused where they are to be changed.

use serde_json::Value;

use super::fields::{at_most, between, constraint, invalid, metric, need, one_of, paged, sized, text, texts, unit};
use crate::{
    wire::{ApiError, answer::Members},
    world::{
        World,
        alarm::{Alarm, AlarmState, Watch},
        metric::{
            Metric,
            datum::Stat,
            query::{Query, Source},
        },
    },
};

const STATES: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];
pub(super) const TYPES: [&str; 3] = ["CompositeAlarm", "MetricAlarm", "LogAlarm"];

pub(super) fn not_found(what: &str) -> ApiError {
    ApiError::new(404, "ResourceNotFound", what.to_owned())
}

pub(super) fn describe(w: &World, v: &Value) -> Result<Members, ApiError> {
    let names = names(v)?;
    let prefix = text(v, "AlarmNamePrefix").map(|p| sized(p, "AlarmNamePrefix", 255)).transpose()?;
    if !names.is_empty() && prefix.is_some() {
        return Err(ApiError::validation("AlarmNamePrefix and AlarmNames cannot be specified together."));
    }
    let types = types(v)?;
    let state = text(v, "StateValue").map(|s| one_of(s, "StateValue", &STATES)).transpose()?;
    let action = text(v, "ActionPrefix").map(|p| sized(p, "ActionPrefix", 1024)).transpose()?;
    for related in ["ChildrenOfAlarmName", "ParentsOfAlarmName"] {
        if let Some(name) = text(v, related) {
            // Relations are those of composite alarms, of which there are none.
            return Err(if w.alarms.contains_key(name) { invalid(format!("{name} is not a composite alarm.")) } else { not_found(name) });
        }
    }
    let size = between(v, "MaxRecords", 1, 100)?.unwrap_or(50) as usize;
    let acts =
        |a: &Alarm, prefix: &str| [&a.actions, &a.ok_actions, &a.insufficient_actions].into_iter().flatten().any(|arn| arn.starts_with(prefix));
    let rows: Vec<&Alarm> = w
        .alarms
        .values()
        .filter(|_| types.is_empty() || types.iter().any(|t| t == "MetricAlarm"))
        .filter(|a| names.is_empty() || names.contains(&a.name))
        .filter(|a| prefix.is_none_or(|p| a.name.starts_with(p)))
        .filter(|a| state.is_none_or(|s| a.state.name() == s))
        .filter(|a| action.is_none_or(|p| acts(a, p)))
        .collect();
    let (rows, next) = paged(v, rows, size)?;
    let none = Vec::<Members>::new;
    Ok(Members::new()
        .list("CompositeAlarms", none())
        .list("MetricAlarms", rows.into_iter().map(one))
        .list("LogAlarms", none())
        .opt("NextToken", next))
}

/// AlarmTypes, checked.
pub(super) fn types(v: &Value) -> Result<Vec<String>, ApiError> {
    let types = texts(v, "AlarmTypes");
    types.iter().try_for_each(|t| one_of(t, "AlarmTypes", &TYPES).map(drop))?;
    Ok(types)
}

pub(super) fn names(v: &Value) -> Result<Vec<String>, ApiError> {
    at_most(v, "AlarmNames", 100)?;
    let names = texts(v, "AlarmNames");
    names.iter().try_for_each(|n| sized(n, "AlarmNames", 255).map(drop))?;
    Ok(names)
}

fn some_names(v: &Value) -> Result<Vec<String>, ApiError> {
    match v.get("AlarmNames") {
        None => Err(ApiError::validation("The parameter AlarmNames is required.")),
        Some(_) => names(v),
    }
}

/// Writes a metric's name.
fn named(out: Members, metric: &Metric) -> Members {
    out.set("MetricName", &metric.name).set("Namespace", &metric.namespace).list("Dimensions", dimensions(metric))
}

/// Its dimensions as rows.
pub(super) fn dimensions(metric: &Metric) -> impl Iterator<Item = Members> {
    metric.dimensions.iter().map(|(name, value)| Members::new().set("Name", name).set("Value", value))
}

fn query(q: &Query) -> Members {
    let out = Members::new().set("Id", &q.id);
    let out = match &q.source {
        Source::Stat { metric, stat, period, unit } => {
            let stat = Members::new()
                .set("Metric", named(Members::new(), metric))
                .set("Period", *period)
                .set("Stat", stat.name())
                .opt("Unit", unit.as_ref());
            out.set("MetricStat", stat)
        }
        Source::Math { text, period } => out.set("Expression", text).opt("Period", *period),
    };
    out.opt("Label", q.label.as_ref()).set("ReturnData", q.returns).opt("AccountId", q.account.as_ref())
}

/// One alarm.
fn one(a: &Alarm) -> Members {
    let out = Members::new()
        .set("AlarmName", &a.name)
        .set("AlarmArn", &a.arn)
        .opt("AlarmDescription", a.description.as_ref())
        .time("AlarmConfigurationUpdatedTimestamp", a.configured_at)
        .set("ActionsEnabled", a.actions_enabled)
        .list("OKActions", &a.ok_actions)
        .list("AlarmActions", &a.actions)
        .list("InsufficientDataActions", &a.insufficient_actions)
        .set("StateValue", a.state.name())
        .set("StateReason", &a.reason)
        .opt("StateReasonData", a.reason_data.as_ref())
        .time("StateUpdatedTimestamp", a.updated_at);
    let out = match &a.watch {
        Watch::Metric { metric, stat, period, unit } => {
            let extended = matches!(stat, Stat::Percentile(_));
            named(out, metric)
                .set(if extended { "ExtendedStatistic" } else { "Statistic" }, stat.name())
                .set("Period", *period)
                .opt("Unit", unit.as_ref())
        }
        Watch::Math(queries) => out.list("Dimensions", Vec::<Members>::new()).list("Metrics", queries.iter().map(query)),
    };
    out.set("EvaluationPeriods", a.periods)
        .opt("DatapointsToAlarm", a.datapoints)
        .set("Threshold", a.threshold)
        .set("ComparisonOperator", a.comparison.name())
        .opt("TreatMissingData", a.treat_missing.map(|t| t.name()))
        .opt("EvaluateLowSampleCountPercentile", a.low_samples.as_ref())
        .time("StateTransitionedTimestamp", a.transitioned_at)
}

/// Alarms on exactly this metric; math alarms are none of them.
pub(super) fn for_metric(w: &World, v: &Value) -> Result<Members, ApiError> {
    let wanted = metric(v, |name| ApiError::validation(format!("The parameter {name} is required.")))?;
    let statistic = text(v, "Statistic")
        .or(text(v, "ExtendedStatistic"))
        .map(|s| Stat::parse(s).ok_or_else(|| constraint(s, "Statistic", "Member must be a statistic")));
    let statistic = statistic.transpose()?;
    let period = between(v, "Period", 1, i64::MAX)?;
    let unit = unit(v)?;
    let fits = |a: &&Alarm| match &a.watch {
        Watch::Metric { metric, stat, period: own, unit: measured } => {
            *metric == wanted
                && statistic.is_none_or(|s| s == *stat)
                && period.is_none_or(|p| p == *own)
                && unit.is_none_or(|u| measured.as_deref() == Some(u))
        }
        Watch::Math(_) => false,
    };
    Ok(Members::new().list("MetricAlarms", w.alarms.values().filter(fits).map(one)))
}

pub(super) fn delete(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let names = some_names(v)?;
    if let Some(lost) = names.iter().find(|n| !w.alarms.contains_key(*n)) {
        return Err(not_found(&format!("Alarm {lost} does not exist")));
    }
    names.iter().for_each(|name| w.delete_alarm(name));
    Ok(Members::new())
}

pub(super) fn set_state(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let name = sized(need(v, "AlarmName")?, "AlarmName", 255)?;
    let state = one_of(need(v, "StateValue")?, "StateValue", &STATES)?;
    let reason = need(v, "StateReason")?;
    if reason.chars().count() > 1023 {
        return Err(constraint(reason, "StateReason", "Member must have length less than or equal to 1023"));
    }
    let data = text(v, "StateReasonData");
    if data.is_some_and(|d| d.chars().count() > 4000) {
        return Err(constraint("…", "StateReasonData", "Member must have length less than or equal to 4000"));
    }
    if data.is_some_and(|d| serde_json::from_str::<Value>(d).is_err()) {
        return Err(ApiError::bad("InvalidFormat", "StateReasonData is not valid JSON"));
    }
    if !w.alarms.contains_key(name) {
        return Err(not_found(&format!("Alarm {name} does not exist")));
    }
    if let Some(state) = AlarmState::parse(state) {
        w.change_state(name, state, reason, data.map(str::to_owned));
    }
    Ok(Members::new())
}

/// Unknown names are no error of this operation's.
pub(super) fn enable(w: &mut World, v: &Value, on: bool) -> Result<Members, ApiError> {
    for name in some_names(v)? {
        if let Some(alarm) = w.alarms.get(&name).filter(|a| a.actions_enabled != on) {
            w.put_alarm(Alarm { actions_enabled: on, ..alarm.clone() });
        }
    }
    Ok(Members::new())
}
