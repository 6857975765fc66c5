//! GetMetricStatistics (aws-reference 9).
//!
//! **Invariant:** at most 1440 datapoints could come back, and they come in no order.

use serde_json::Value;

use super::{
    data::rounded,
    fields::{at_most, good_period, int, invalid, metric, missing, texts, unit},
};
use crate::{
    rng,
    wire::{
        ApiError,
        answer::{Answer, Members},
    },
    world::{
        World,
        metric::{Window, datum::Stat},
    },
};

const MOST: i64 = 1440;

fn combination(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterCombination", message)
}

pub(super) fn get(w: &World, v: &Value) -> Result<Members, ApiError> {
    let metric = metric(v, missing)?;
    let need = |name: &str| int(v, name).ok_or_else(|| missing(name));
    let (start, end, period) = (need("StartTime")?, need("EndTime")?, need("Period")?);
    if !good_period(period) {
        return Err(invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60."));
    }
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let (plain, extended) = (texts(v, "Statistics"), texts(v, "ExtendedStatistics"));
    at_most(v, "Statistics", 5)?;
    at_most(v, "ExtendedStatistics", 10)?;
    if plain.is_empty() == extended.is_empty() {
        return Err(combination("Exactly one of the parameters Statistics and ExtendedStatistics must be specified."));
    }
    let read = |names: &[String], parse: fn(&str) -> Option<Stat>, what: &str| {
        let one = |name: &String| {
            parse(name).map(|s| (name.clone(), s)).ok_or_else(|| invalid(format!("The value {name} for parameter {what} is not supported.")))
        };
        names.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let plain = read(&plain, Stat::plain, "Statistics")?;
    let extended = read(&extended, Stat::percentile, "ExtendedStatistics")?;
    let unit = unit(v)?;
    let asked = (end - start + period * 1000 - 1) / (period * 1000);
    if asked > MOST {
        return Err(combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            thousands(asked)
        )));
    }
    let window = Window { from: rounded(w.now, start, period), to: end, period };
    let mut rows: Vec<(i64, Members)> = Vec::new();
    for (at, (datum, unit)) in w.buckets(&metric, unit, &window) {
        let mut out = Members::new().time("Timestamp", at);
        for (_, stat) in &plain {
            if let Some(value) = datum.value(*stat) {
                out = match stat {
                    Stat::SampleCount => out.set("SampleCount", value),
                    Stat::Average => out.set("Average", value),
                    Stat::Sum => out.set("Sum", value),
                    Stat::Minimum => out.set("Minimum", value),
                    _ => out.set("Maximum", value),
                };
            }
        }
        let percentiles: Vec<(String, Answer)> = extended.iter().filter_map(|(name, s)| Some((name.clone(), datum.value(*s)?.into()))).collect();
        if !extended.is_empty() {
            if percentiles.is_empty() {
                continue;
            }
            out = out.set("ExtendedStatistics", Answer::Entries(percentiles));
        }
        rows.push((at, out.set("Unit", &unit)));
    }
    // Not in the order of time: whoever needs one sorts.
    rows.sort_by_key(|(at, _)| rng::hash(w.seed, "unordered", &at.to_string()));
    Ok(Members::new().set("Label", &metric.name).list("Datapoints", rows.into_iter().map(|(_, row)| row)))
}

/// `2880` as `2,880`.
fn thousands(n: i64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
