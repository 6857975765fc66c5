//! Alarms and the policies behind them: target tracking makes its own two, and any alarm can name a policy as its action
//! (aws-reference 4.5).
//!
//! **Invariant:** a target tracking policy has exactly two alarms of its own as long as it exists; an action whose ARN
//! names no policy here has no effect, and neither has a metric without data.

use serde_json::{Value, json};

use super::{
    World,
    alarm::{Alarm, Comparison, Watch},
    group::Group,
    metric::{Metric, Window, datum::Stat, floor},
    policy::{Policy, Rule, Tracking},
    scaling::Trigger,
};
use crate::{clock, wire::node::Node};

/// How far back the newest datapoint may lie: one of basic monitoring and its latency.
const FRESH: i64 = 900_000;

/// A target tracking configuration that was read.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) raw: Node,
    pub(crate) target: f64,
    pub(crate) disable_scale_in: bool,
    pub(crate) metric: Metric,
    pub(crate) stat: Stat,
    pub(crate) unit: Option<String>,
    /// Seconds.
    pub(crate) period: i64,
}

impl Followed {
    /// Whether another configuration follows the same metric.
    pub(crate) fn same_metric(&self, other: &Node) -> bool {
        ["PredefinedMetricSpecification", "CustomizedMetricSpecification"].iter().all(|name| self.raw.at(name) == other.at(name))
    }
}

impl World {
    /// Puts the two alarms of a target tracking policy; those it has already keep their names.
    pub(crate) fn follow(&mut self, group: &str, policy: &str, arn: &str, followed: Followed) -> Tracking {
        let old = self.groups.get(group).and_then(|g| g.policies.iter().find(|p| p.name == policy)).and_then(|p| p.tracking()).cloned();
        let mut named =
            |which: &str, old: Option<String>| old.unwrap_or_else(|| format!("TargetTracking-{group}-{which}-{}", self.new_uuid("alarm")));
        let high = named("AlarmHigh", old.as_ref().map(|o| o.high.clone()));
        let low = named("AlarmLow", old.map(|o| o.low));
        let at_low = followed.target * self.params.alarm_low_percent as f64 / 100.0;
        for (name, comparison, threshold, periods) in [(&high, Comparison::Greater, followed.target, 3), (&low, Comparison::Less, at_low, 15)] {
            let mut alarm = Alarm::on(name, followed.metric.clone(), followed.period, comparison, threshold, periods);
            alarm.watch =
                Watch::Metric { metric: followed.metric.clone(), stat: followed.stat, period: followed.period, unit: followed.unit.clone() };
            alarm.description = Some(format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}."));
            alarm.actions = vec![arn.to_owned()];
            self.put_alarm(alarm);
        }
        Tracking { raw: followed.raw, target: followed.target, disable_scale_in: followed.disable_scale_in, high, low }
    }

    /// Name and ARN of the alarms of a policy: its own two, or those whose action it is.
    pub(crate) fn alarms_of(&self, policy: &Policy) -> Vec<(String, String)> {
        self.alarms.values().filter(|a| a.actions.contains(&policy.arn)).map(|a| (a.name.clone(), a.arn.clone())).collect()
    }

    /// Deletes the alarms that belong to a target tracking policy.
    pub(crate) fn remove_alarms(&mut self, group: &str, policy: &str) {
        let tracking = self.groups.get(group).and_then(|g| g.policies.iter().find(|p| p.name == policy)).and_then(|p| p.tracking()).cloned();
        for alarm in tracking.into_iter().flat_map(|t| [t.high, t.low]) {
            self.delete_alarm(&alarm);
        }
    }

    /// Deletes a policy with its own alarms.
    pub(crate) fn remove_policy(&mut self, group: &str, policy: &str) {
        self.remove_alarms(group, policy);
        if let Some(g) = self.groups.get_mut(group) {
            g.policies.retain(|p| p.name != policy);
        }
    }

    /// Lets a group hear of every alarm that is in ALARM now.
    pub(crate) fn hear_alarms(&mut self, group: &str) {
        let arns: Vec<String> = self.groups.get(group).into_iter().flat_map(|g| g.policies.iter().map(|p| p.arn.clone())).collect();
        for arn in arns {
            let breached = |a: &&Alarm| a.actions_enabled && a.actions.contains(&arn) && self.alarm_in_alarm(&a.name);
            let names: Vec<String> = self.alarms.values().filter(breached).map(|a| a.name.clone()).collect();
            for name in names {
                self.alarm_action(&arn, &name);
            }
        }
    }

    /// Carries out one action of an alarm: on every change into its state, and at each evaluation while in ALARM.
    pub(crate) fn alarm_action(&mut self, action_arn: &str, alarm: &str) {
        let found = self.groups.values().find_map(|g| g.policies.iter().find(|p| p.arn == action_arn).map(|p| (g, p)));
        let Some((group, policy)) = found.filter(|(g, p)| p.enabled && !g.deleting && !g.is_suspended("AlarmNotification")) else {
            return;
        };
        let Some(a) = self.alarms.get(alarm) else {
            return;
        };
        let trigger = Trigger {
            who: format!("a monitor alarm {alarm} in state {} triggered policy {}", a.state.name(), policy.name),
            alarm: Some(self.told(a)),
            honor_cooldown: true,
        };
        let (name, policy_name) = (group.name.clone(), policy.name.clone());
        match &policy.rule {
            Rule::Tracking(t) if alarm == t.high => {
                if let Some(size) = self.asked(group, policy, t, a, true) {
                    self.track_out(&name, size, trigger);
                }
            }
            Rule::Tracking(t) if alarm == t.low && !t.disable_scale_in => {
                if let Some(size) = self.all_say_in(group) {
                    self.track_in(&name, size, trigger);
                }
            }
            Rule::Tracking(_) => {}
            Rule::Simple { .. } | Rule::Step { .. } => {
                let breach = self.aggregated(a, policy).map(|v| v - a.threshold);
                // One in the way is no error here: the alarm speaks again at its next evaluation.
                let _ = self.run_policy(&name, &policy_name, breach, trigger);
            }
        }
    }

    /// The size the most careful policy that may scale in asks for; none unless all of them say in, none of the others
    /// says out, and nothing warms up.
    fn all_say_in(&self, group: &Group) -> Option<i64> {
        let mut size = 0;
        for p in group.policies.iter().filter(|p| p.enabled) {
            let Some(t) = p.tracking() else {
                continue;
            };
            if self.alarm_in_alarm(&t.high) || self.warming(group, p.warmup(group)) > 0 {
                return None;
            }
            if t.disable_scale_in {
                continue;
            }
            let low = self.alarms.get(&t.low).filter(|a| self.alarm_in_alarm(&a.name))?;
            size = size.max(self.asked(group, p, t, low, false)?);
        }
        Some(size)
    }

    /// Size at which a metric would be at its target: what the whole group carries, dealt out in favour of capacity. The
    /// newest datapoint says it, so that instances which came or went since are no part of it; what warms up counts as
    /// capacity and shows nothing (aws-reference 4.5).
    fn asked(&self, group: &Group, policy: &Policy, tracking: &Tracking, alarm: &Alarm, out: bool) -> Option<i64> {
        let Watch::Metric { metric, stat, period, unit } = &alarm.watch else {
            return None;
        };
        let step = period * 1000;
        let to = floor(self.now, step);
        let window = Window { from: to - FRESH, to, period: *period };
        let (at, value) = self.series(metric, *stat, unit.as_deref(), &window).into_iter().next_back()?;
        let sum = |m: &Metric| self.series(m, Stat::Sum, None, &window).get(&at).copied();
        let own = *stat == Stat::Average && metric.namespace == "AWS/EC2" && metric.exactly(["AutoScalingGroupName"]) == Some([&group.name]);
        let carried = if own {
            let warm = self.warm(group, policy.warmup(group));
            let cold = group.members.iter().filter(|id| out && !warm.iter().any(|i| i.id == **id));
            let shown = cold.flat_map(|id| self.points(&Metric::new("AWS/EC2", &metric.name, &[("InstanceId", id)]), at, at + step));
            sum(metric)? - shown.map(|p| p.datum.sum).sum::<f64>()
        } else if metric.namespace == "AWS/ApplicationELB" && metric.name == "RequestCountPerTarget" {
            sum(&Metric { name: "RequestCount".into(), ..metric.clone() })?
        } else if out {
            value * self.warm(group, policy.warmup(group)).len() as f64
        } else {
            let there = self.members(group).iter().filter(|i| i.lifecycle.is_active() || i.lifecycle.is_leaving()).count();
            value * there as f64
        };
        // A hair above a whole number is that number.
        Some((carried / tracking.target - 1e-9).ceil().clamp(0.0, 1e6) as i64)
    }

    /// The alarm's datapoints in one number, as a step policy aggregates them.
    fn aggregated(&self, alarm: &Alarm, policy: &Policy) -> Option<f64> {
        let how = match &policy.rule {
            Rule::Step { aggregation, .. } => aggregation.as_str(),
            _ => "Average",
        };
        let values: Vec<f64> = self.range(alarm).into_iter().rev().flatten().take(alarm.periods.max(1) as usize).map(|(_, v)| v).collect();
        match how {
            "Minimum" => values.into_iter().reduce(f64::min),
            "Maximum" => values.into_iter().reduce(f64::max),
            _ => Some(values.iter().sum::<f64>() / values.len() as f64).filter(|v| v.is_finite()),
        }
    }

    /// An alarm as the details of an activity tell it (aws-reference 4.2).
    fn told(&self, a: &Alarm) -> Value {
        let mut trigger = json!({
            "Period": a.watch.period(),
            "EvaluationPeriods": a.periods,
            "ComparisonOperator": a.comparison.name(),
            "Threshold": a.threshold,
        });
        if let (Watch::Metric { metric, stat, unit, .. }, Some(map)) = (&a.watch, trigger.as_object_mut()) {
            let dimensions = metric.dimensions.iter().map(|(name, value)| json!({"name": name, "value": value}));
            map.insert("Dimensions".into(), dimensions.collect());
            map.insert("MetricName".into(), metric.name.clone().into());
            map.insert("Namespace".into(), metric.namespace.clone().into());
            map.insert("Statistic".into(), stat.name().to_uppercase().into());
            map.insert("StatisticType".into(), "Statistic".into());
            map.insert("Unit".into(), unit.clone().into());
        }
        json!({
            "AlarmArn": a.arn,
            "AlarmName": a.name,
            "AlarmDescription": a.description,
            "AWSAccountId": self.account,
            "NewStateValue": a.state.name(),
            "NewStateReason": a.reason,
            "StateChangeTime": clock::iso(a.transitioned_at),
            "Region": self.region,
            "Trigger": trigger,
        })
    }
}
