//! The evaluation of alarms (aws-reference 9; missing data as CloudWatch's guide has it).
//!
//! **Invariant:** the newest `periods` datapoints that exist in the evaluation range decide, `datapoints` of them to be
//! in ALARM; missing ones are filled in only where too few exist, and never change what the existing ones already say.

use std::collections::BTreeMap;

use super::{Alarm, AlarmState, TreatMissing, Watch, reason};
use crate::world::{
    World,
    metric::{Window, floor},
};

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) state: AlarmState,
    /// Datapoints it rests on, oldest first.
    pub(crate) evaluated: Vec<(i64, f64)>,
    /// Missing ones that were filled in.
    pub(crate) filled: i64,
}

/// Judges a range of periods, oldest first; none keeps the state.
pub(crate) fn judge(alarm: &Alarm, range: &[Option<(i64, f64)>]) -> Option<Verdict> {
    let (n, m) = (alarm.periods, alarm.datapoints.unwrap_or(alarm.periods));
    let breaches = |v: f64| alarm.comparison.breaches(v, alarm.threshold);
    // Datapoints with their age in periods, the newest is 1.
    let real: Vec<(i64, (i64, f64))> =
        range.iter().rev().enumerate().filter_map(|(age, point)| point.map(|p| (age as i64 + 1, p))).take(n as usize).collect();
    let filled = n - real.len() as i64;
    let breaching = real.iter().filter(|(_, (_, v))| breaches(*v)).count() as i64;
    let by_count = |count: i64| Some(if count >= m { AlarmState::Alarm } else { AlarmState::Ok });
    let mixed = breaching < real.len() as i64;
    let state = match alarm.treat_missing.unwrap_or(TreatMissing::Missing) {
        _ if filled == 0 || breaching >= m => by_count(breaching),
        TreatMissing::Breaching => by_count(breaching + filled),
        TreatMissing::NotBreaching => by_count(breaching),
        _ if mixed => Some(AlarmState::Ok),
        TreatMissing::Ignore => None,
        TreatMissing::Missing if real.is_empty() => Some(AlarmState::InsufficientData),
        // Not before it is as old as M: the next ones may not breach (no premature alarm).
        TreatMissing::Missing => real.last().filter(|(age, _)| *age >= m).map(|_| AlarmState::Alarm),
    }?;
    Some(Verdict { state, evaluated: real.into_iter().rev().map(|(_, p)| p).collect(), filled })
}

impl World {
    /// One evaluation, and the next one asked for.
    pub(crate) fn step_alarm(&mut self, name: &str) {
        let Some(alarm) = self.alarms.get(name) else {
            return;
        };
        let verdict = judge(alarm, &self.range(alarm));
        let stays = verdict.as_ref().is_none_or(|v| v.state == alarm.state);
        if let Some(verdict) = verdict.filter(|_| !stays) {
            let (text, data) = reason::of(alarm, &verdict, self.now, self.params.metrics.alarm_reason_counts_periods);
            self.change_state(name, verdict.state, &text, Some(data));
        } else if alarm.state == AlarmState::Alarm && alarm.actions_enabled {
            // Auto Scaling is told again at every evaluation, others only once.
            let again: Vec<String> = alarm.actions.iter().filter(|a| a.starts_with("arn:aws:autoscaling:")).cloned().collect();
            for action in again {
                self.alarm_action(&action, name);
            }
        }
        self.plan_alarm(name);
    }

    /// The evaluation range, oldest first: some more periods than are needed.
    pub(crate) fn range(&self, alarm: &Alarm) -> Vec<Option<(i64, f64)>> {
        let period = alarm.watch.period();
        let count = alarm.periods + self.params.metrics.alarm_extra_periods;
        // The window slides from minute to minute.
        let to = floor(self.now, period.min(60) * 1000);
        let window = Window { from: to - count * period * 1000, to, period };
        let series = match &alarm.watch {
            Watch::Metric { metric, stat, unit, .. } => self.series(metric, *stat, unit.as_deref(), &window),
            Watch::Math(queries) => self.watched(queries, &window).unwrap_or_default(),
        };
        (0..count).map(|n| window.from + n * period * 1000).map(|at| series.get(&at).map(|v| (at, *v))).collect()
    }

    fn watched(&self, queries: &[crate::world::metric::query::Query], window: &Window) -> Option<BTreeMap<i64, f64>> {
        let mut lines = self.evaluate(queries, window.from, window.to).ok()?;
        let watched = queries.iter().find(|q| q.returns)?;
        lines.remove(&watched.id)?.into_iter().next().map(|line| line.points)
    }

    /// Changes a state by evaluation or by hand, writes the history and carries out the actions of the new state.
    pub(crate) fn change_state(&mut self, name: &str, state: AlarmState, text: &str, data: Option<String>) {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(name) else {
            return;
        };
        let old = alarm.clone();
        alarm.state = state;
        text.clone_into(&mut alarm.reason);
        alarm.reason_data = data;
        alarm.updated_at = now;
        if old.state == state {
            return;
        }
        alarm.transitioned_at = now;
        let new = alarm.clone();
        self.state_changed(&old, &new);
        if new.actions_enabled {
            for action in new.actions_of(state) {
                self.action_done(&new, action);
                self.alarm_action(action, name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{alarm::Comparison, metric::Metric};

    /// CloudWatch's own examples: `0` well, `X` breaching, `-` missing, oldest first, five periods of range.
    #[test]
    fn missing_data_is_treated_as_the_guide_s_tables_say() {
        let table = [
            (3, "0-X-X", ["OK", "OK", "OK", "OK"]),
            (3, "0----", ["OK", "OK", "OK", "OK"]),
            (3, "-----", ["INSUFFICIENT_DATA", "keeps", "ALARM", "OK"]),
            (3, "0XX-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (3, "--X--", ["ALARM", "keeps", "ALARM", "OK"]),
            (3, "----X", ["keeps", "keeps", "ALARM", "OK"]),
            (3, "---X-", ["keeps", "keeps", "ALARM", "OK"]),
            (2, "0-X-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, "00X0X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, "0-X--", ["OK", "OK", "ALARM", "OK"]),
            (2, "----0", ["OK", "OK", "ALARM", "OK"]),
            (2, "---X-", ["ALARM", "keeps", "ALARM", "OK"]),
        ];
        for (m, points, wanted) in table {
            let treatments = [TreatMissing::Missing, TreatMissing::Ignore, TreatMissing::Breaching, TreatMissing::NotBreaching];
            for (treatment, wanted) in treatments.into_iter().zip(wanted) {
                let mut alarm = Alarm::on("a", Metric::new("n", "m", &[]), 60, Comparison::Greater, 5.0, 3);
                alarm.datapoints = Some(m);
                alarm.treat_missing = Some(treatment);
                let point = |(n, c): (usize, char)| (c != '-').then_some((n as i64, if c == 'X' { 9.0 } else { 1.0 }));
                let range: Vec<Option<(i64, f64)>> = points.chars().enumerate().map(point).collect();
                let got = judge(&alarm, &range).map_or("keeps", |v| v.state.name());
                assert_eq!(got, wanted, "{m} of 3, {points}, {treatment:?}");
            }
        }
    }
}
