//! Why an alarm is in its state, in CloudWatch's words.
//!
//! **Invariant:** the text names exactly the datapoints that decided; the data holds them in a form a machine can read.

use serde_json::{Map, Value, json};

use super::{Alarm, AlarmState, Comparison, TreatMissing, Watch, evaluate::Verdict};
use crate::{clock, world::metric::datum::Stat};

/// `2026-01-05T09:00:00.000+0000`.
pub(crate) fn stamp(millis: i64) -> String {
    clock::iso(millis).replace('Z', "+0000")
}

/// `05/01/26 09:00:00`.
fn short(millis: i64) -> String {
    let iso = clock::iso_seconds(millis);
    let (date, time) = iso.split_once('T').unwrap_or_default();
    let mut parts = date.split('-').rev();
    let mut next = || parts.next().unwrap_or_default();
    let (day, month, year) = (next(), next(), next());
    format!("{day}/{month}/{} {}", year.get(2..).unwrap_or_default(), time.trim_end_matches('Z'))
}

fn plural(n: i64, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

fn words(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Greater => "greater than",
        Comparison::GreaterOrEqual => "greater than or equal to",
        Comparison::Less => "less than",
        Comparison::LessOrEqual => "less than or equal to",
    }
}

/// Text and data of a verdict. `counts` says "3 out of the last 3 datapoints" where others say "3 datapoints".
pub(crate) fn of(alarm: &Alarm, verdict: &Verdict, now: i64, counts: bool) -> (String, String) {
    (text(alarm, verdict, counts), data(alarm, verdict, now).to_string())
}

fn text(alarm: &Alarm, verdict: &Verdict, counts: bool) -> String {
    let n = alarm.periods;
    let filled = verdict.filled;
    if verdict.state == AlarmState::InsufficientData {
        return format!("Insufficient Data: {} {} unknown.", plural(n, "datapoint"), if n == 1 { "was" } else { "were" });
    }
    if let (Some(treated @ (TreatMissing::Breaching | TreatMissing::NotBreaching)), true) = (alarm.treat_missing, filled > 0) {
        let received = match n - filled {
            0 => "no datapoints were".to_owned(),
            1 => "1 datapoint was".to_owned(),
            k => format!("{k} datapoints were"),
        };
        let was = if filled == 1 { "was" } else { "were" };
        let as_what = if treated == TreatMissing::Breaching { "Breaching" } else { "NonBreaching" };
        let (periods, missing) = (plural(n, "period"), plural(filled, "missing datapoint"));
        return format!("Threshold Crossed: {received} received for {periods} and {missing} {was} treated as [{as_what}].");
    }
    let alarmed = verdict.state == AlarmState::Alarm;
    let deciding: Vec<String> = verdict
        .evaluated
        .iter()
        .rev()
        .filter(|(_, v)| alarm.comparison.breaches(*v, alarm.threshold) == alarmed)
        .map(|(at, v)| format!("{v:?} ({})", short(*at)))
        .collect();
    let k = deciding.len() as i64;
    let m = alarm.datapoints.unwrap_or(n);
    let (least, way) = if alarmed { (m, "OK -> ALARM") } else { (n - m + 1, "ALARM -> OK") };
    let count = if counts { format!("{k} out of the last {n} datapoints") } else { plural(k, "datapoint") };
    let tail = if counts { format!(" (minimum {} for {way} transition)", plural(least, "datapoint")) } else { String::new() };
    format!(
        "Threshold Crossed: {count} [{}] {} {}{} the threshold ({:?}){tail}.",
        deciding.join(", "),
        if k == 1 { "was" } else { "were" },
        if alarmed { "" } else { "not " },
        words(alarm.comparison),
        alarm.threshold,
    )
}

fn data(alarm: &Alarm, verdict: &Verdict, now: i64) -> Value {
    let mut out = Map::new();
    out.insert("version".into(), "1.0".into());
    out.insert("queryDate".into(), stamp(now).into());
    if let Some((first, _)) = verdict.evaluated.first() {
        out.insert("startDate".into(), stamp(*first).into());
    }
    if let Watch::Metric { stat, unit, .. } = &alarm.watch {
        if !matches!(stat, Stat::Percentile(_)) {
            out.insert("statistic".into(), stat.name().into());
        }
        if let Some(unit) = unit {
            out.insert("unit".into(), unit.clone().into());
        }
    }
    out.insert("period".into(), alarm.watch.period().into());
    out.insert("recentDatapoints".into(), verdict.evaluated.iter().map(|(_, v)| json!(v)).collect());
    out.insert("threshold".into(), json!(alarm.threshold));
    let points = verdict.evaluated.iter().rev().map(|(at, v)| json!({"timestamp": stamp(*at), "value": v}));
    out.insert("evaluatedDatapoints".into(), points.collect());
    Value::Object(out)
}
