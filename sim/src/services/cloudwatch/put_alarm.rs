//! PutMetricAlarm (aws-reference 9).
//!
//! **Invariant:** an alarm is stored only if it can be evaluated; what is not simulated (anomaly detection, PromQL, wall
//! clock windows, warm-up) is refused.

use serde_json::Value;

use super::{
    data,
    fields::{at_most, between, constraint, flag, good_period, metric, need, one_of, rows, sized, text, texts, unit},
    tags,
};
use crate::{
    wire::ApiError,
    wire::answer::Members,
    world::{
        World,
        alarm::{Alarm, Comparison, TreatMissing, Watch},
        metric::datum::Stat,
    },
};

/// Alarms a Region may have.
const MOST: usize = 5000;

const SINGLE: [&str; 7] = ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"];

const REFUSED: [&str; 5] = ["ThresholdMetricId", "WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval", "ActionConfiguration"];

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::validation(message)
}

pub(super) fn put(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let name = sized(need(v, "AlarmName")?, "AlarmName", 255)?;
    if name.chars().any(char::is_control) {
        return Err(constraint(name, "AlarmName", "Member must not contain control characters"));
    }
    if let Some(member) = REFUSED.iter().find(|m| v.get(**m).is_some()) {
        return Err(wrong(format!("The parameter {member} is not supported.")));
    }
    if v.pointer("/EvaluationWindow/WallClockWindow").is_some() {
        return Err(wrong("The parameter EvaluationWindow.WallClockWindow is not supported."));
    }
    let watch = watch(w, v)?;
    let mut alarm = Alarm { watch, ..Alarm::on(name, blank(), 60, comparison(v)?, threshold(v)?, periods(v)?) };
    alarm.datapoints = between(v, "DatapointsToAlarm", 1, i64::MAX)?;
    if alarm.datapoints.is_some_and(|m| m > alarm.periods) {
        return Err(wrong("DatapointsToAlarm must be less than or equal to EvaluationPeriods."));
    }
    range(&alarm)?;
    alarm.description = text(v, "AlarmDescription").map(str::to_owned);
    if alarm.description.as_ref().is_some_and(|d| d.chars().count() > 1024) {
        return Err(constraint("…", "AlarmDescription", "Member must have length less than or equal to 1024"));
    }
    alarm.treat_missing = match text(v, "TreatMissingData") {
        None => None,
        Some(t) => Some(TreatMissing::parse(t).ok_or_else(|| wrong(format!("Option {t} is not supported for TreatMissingData.")))?),
    };
    alarm.low_samples = text(v, "EvaluateLowSampleCountPercentile").map(str::to_owned);
    if let Some(option) = &alarm.low_samples {
        let percentile = matches!(alarm.watch, Watch::Metric { stat: Stat::Percentile(_), .. });
        if !percentile || !matches!(option.as_str(), "evaluate" | "ignore") {
            return Err(wrong(format!("Option {option} is not supported for EvaluateLowSampleCountPercentile.")));
        }
    }
    alarm.actions_enabled = flag(v, "ActionsEnabled").unwrap_or(true);
    alarm.actions = actions(v, "AlarmActions")?;
    alarm.ok_actions = actions(v, "OKActions")?;
    alarm.insufficient_actions = actions(v, "InsufficientDataActions")?;
    alarm.tags = tags::read(v)?;
    if !w.alarms.contains_key(name) && w.alarms.len() >= MOST {
        return Err(ApiError::bad("LimitExceeded", "The limit of alarms has been reached."));
    }
    w.put_alarm(alarm);
    Ok(Members::new())
}

fn blank() -> crate::world::metric::Metric {
    crate::world::metric::Metric::new("", "", &[])
}

fn comparison(v: &Value) -> Result<Comparison, ApiError> {
    let text = need(v, "ComparisonOperator")?;
    let band = ["LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"];
    if band.contains(&text) {
        return Err(wrong(format!("ComparisonOperator {text} needs an anomaly detection model.")));
    }
    let names = [Comparison::GreaterOrEqual, Comparison::Greater, Comparison::Less, Comparison::LessOrEqual].map(Comparison::name);
    Comparison::parse(text).ok_or_else(|| one_of(text, "ComparisonOperator", &[&names[..], &band[..]].concat()).err().unwrap_or_else(|| wrong(text)))
}

fn threshold(v: &Value) -> Result<f64, ApiError> {
    match v.get("Threshold") {
        None => Err(wrong("The parameter Threshold is required.")),
        Some(n) => n.as_f64().ok_or_else(|| wrong(format!("The value {n} for parameter Threshold is not supported."))),
    }
}

fn periods(v: &Value) -> Result<i64, ApiError> {
    between(v, "EvaluationPeriods", 1, i64::MAX)?.ok_or_else(|| wrong("The parameter EvaluationPeriods is required."))
}

/// At most a week, and at most a day where the period is shorter than an hour.
fn range(alarm: &Alarm) -> Result<(), ApiError> {
    let period = alarm.watch.period();
    let most = if period < 3600 { 86_400 } else { 604_800 };
    match period.checked_mul(alarm.periods) {
        Some(span) if span <= most => Ok(()),
        _ => Err(wrong(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {most}).",
            if most == 86_400 { "a day" } else { "seven days" }
        ))),
    }
}

fn watch(w: &World, v: &Value) -> Result<Watch, ApiError> {
    if rows(v, "Metrics").is_empty() {
        let metric = metric(v, |name| wrong(format!("The parameter {name} is required.")))?;
        let stat = match (text(v, "Statistic"), text(v, "ExtendedStatistic")) {
            (Some(s), None) => Stat::plain(s)
                .ok_or_else(|| constraint(s, "Statistic", "Member must satisfy enum value set: [SampleCount, Average, Sum, Minimum, Maximum]"))?,
            (None, Some(s)) => {
                Stat::percentile(s).ok_or_else(|| wrong(format!("The value {s} for parameter ExtendedStatistic is not supported.")))?
            }
            _ => return Err(wrong("Exactly one of Statistic and ExtendedStatistic must be specified.")),
        };
        let period = between(v, "Period", 1, i64::MAX)?.ok_or_else(|| wrong("The parameter Period is required."))?;
        if !good_period(period) || period < 10 {
            return Err(wrong("Valid values for Period are 10, 20, 30 and any multiple of 60."));
        }
        return Ok(Watch::Metric { metric, stat, period, unit: unit(v)?.map(str::to_owned) });
    }
    if let Some(member) = SINGLE.iter().find(|m| v.get(**m).is_some()) {
        return Err(wrong(format!("The parameter {member} must not be specified together with Metrics.")));
    }
    let queries = data::queries(w, v, "Metrics", 20)?;
    if queries.iter().filter(|q| q.returns).count() != 1 {
        return Err(wrong("Exactly one element of the metrics list should return data."));
    }
    let found = w.evaluate(&queries, w.now, w.now).map_err(wrong)?;
    if found.values().any(|lines| lines.len() != 1) {
        return Err(wrong("The expression of an alarm must return a single time series."));
    }
    Ok(Watch::Math(queries))
}

fn actions(v: &Value, name: &str) -> Result<Vec<String>, ApiError> {
    at_most(v, name, 5)?;
    let arns = texts(v, name);
    for arn in &arns {
        sized(arn, name, 1024)?;
        if !arn.starts_with("arn:") || arn.split(':').count() < 6 {
            return Err(wrong(format!("Invalid arn syntax: {arn}")));
        }
    }
    Ok(arns)
}
