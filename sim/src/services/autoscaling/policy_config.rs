//! Reading the parts of a scaling policy (aws-reference 4.5).
//!
//! **Invariant:** a member that does not belong to the policy's type is refused, and so is a metric that is not simulated.

use crate::{
    services::read,
    wire::{ApiError, node::Node},
    world::{
        World,
        group::Group,
        metric::{Metric, datum::Stat},
        policy::{Adjustment, Rule, Step},
        tracking::Followed,
    },
};

fn wrong(text: impl Into<String>) -> ApiError {
    ApiError::validation(text)
}

/// Members of PutScalingPolicy and the types they belong to.
const BELONGS: [(&str, &[&str]); 8] = [
    ("AdjustmentType", &["SimpleScaling", "StepScaling"]),
    ("MinAdjustmentStep", &["SimpleScaling", "StepScaling"]),
    ("MinAdjustmentMagnitude", &["SimpleScaling", "StepScaling"]),
    ("ScalingAdjustment", &["SimpleScaling"]),
    ("Cooldown", &["SimpleScaling"]),
    ("StepAdjustments", &["StepScaling"]),
    ("MetricAggregationType", &["StepScaling"]),
    ("TargetTrackingConfiguration", &["TargetTrackingScaling"]),
];

/// The policy's type, with every member that is there belonging to it.
pub(super) fn kind(p: &Node) -> Result<&str, ApiError> {
    let kind = p.text("PolicyType").unwrap_or("SimpleScaling");
    match kind {
        "SimpleScaling" | "StepScaling" | "TargetTrackingScaling" => {}
        "PredictiveScaling" => return Err(wrong("PredictiveScaling is not supported for this Auto Scaling group.")),
        odd => {
            let valid = "SimpleScaling, StepScaling, TargetTrackingScaling, PredictiveScaling";
            return Err(wrong(format!("{odd} is not a valid policy type. Valid values: {valid}")));
        }
    }
    if p.at("PredictiveScalingConfiguration").is_some() {
        return Err(wrong(format!("PredictiveScalingConfiguration cannot be specified for policy type {kind}")));
    }
    let strange = BELONGS.iter().find(|(name, kinds)| p.at(name).is_some() && !kinds.contains(&kind));
    let warm = p.at("EstimatedInstanceWarmup").is_some() && kind == "SimpleScaling";
    match strange.map(|(name, _)| *name).or(warm.then_some("EstimatedInstanceWarmup")) {
        Some(name) => Err(wrong(format!("{name} cannot be specified for policy type {kind}"))),
        None => Ok(kind),
    }
}

/// AdjustmentType, which simple and step policies need.
pub(super) fn adjustment(p: &Node) -> Result<Adjustment, ApiError> {
    let name = read::need(p, "AdjustmentType")?;
    Adjustment::ALL
        .into_iter()
        .find(|a| a.name() == name)
        .ok_or_else(|| wrong(format!("{name} is not a valid adjustment type. Valid values: {}", Adjustment::ALL.map(Adjustment::name).join(", "))))
}

pub(super) fn simple(p: &Node) -> Result<Rule, ApiError> {
    read::need(p, "ScalingAdjustment")?;
    let by = read::int(p, "ScalingAdjustment")?.unwrap_or(0);
    Ok(Rule::Simple { by, cooldown: read::int_in(p, "Cooldown", 0, i64::MAX)? })
}

/// Steps that meet without gap or overlap; each end may be open once.
pub(super) fn steps(p: &Node) -> Result<Rule, ApiError> {
    let aggregation = p.text("MetricAggregationType").unwrap_or("Average");
    if !matches!(aggregation, "Minimum" | "Maximum" | "Average") {
        return Err(wrong(format!("{aggregation} is not a valid metric aggregation type. Valid values: Minimum, Maximum, Average")));
    }
    let mut steps = Vec::new();
    for node in p.list("StepAdjustments") {
        read::need(node, "ScalingAdjustment")?;
        steps.push(Step {
            lower: read::float(node, "MetricIntervalLowerBound")?,
            upper: read::float(node, "MetricIntervalUpperBound")?,
            adjustment: read::int(node, "ScalingAdjustment")?.unwrap_or(0),
        });
    }
    if steps.is_empty() {
        return Err(wrong("At least one StepAdjustment must be specified for policy type StepScaling"));
    }
    if steps.len() > 20 {
        return Err(ApiError::bad("LimitExceeded", "A step scaling policy has at most 20 step adjustments."));
    }
    let mut order: Vec<(f64, f64)> = steps.iter().map(|s: &Step| (s.lower.unwrap_or(f64::NEG_INFINITY), s.upper.unwrap_or(f64::INFINITY))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    if steps.iter().any(|s| s.lower.is_none() && s.upper.is_none()) && steps.len() > 1 || order.iter().any(|(low, high)| low >= high) {
        return Err(wrong("StepAdjustment MetricIntervalLowerBound must be less than the MetricIntervalUpperBound"));
    }
    if order.windows(2).any(|w| w[0].1 != w[1].0) {
        return Err(wrong("StepAdjustment intervals can't overlap or have a gap between them"));
    }
    let (low, high) = (order.first().map_or(0.0, |s| s.0), order.last().map_or(0.0, |s| s.1));
    if low < 0.0 && low.is_finite() {
        return Err(wrong("There must be a StepAdjustment with an unspecified lower bound if there is one with a negative lower bound"));
    }
    if high > 0.0 && high.is_finite() {
        return Err(wrong("There must be a StepAdjustment with an unspecified upper bound if there is one with a positive upper bound"));
    }
    Ok(Rule::Step { steps, aggregation: aggregation.to_owned() })
}

/// What a target tracking configuration follows, and towards what.
pub(super) fn followed(w: &World, g: &Group, p: &Node) -> Result<Followed, ApiError> {
    let Some(node) = p.at("TargetTrackingConfiguration") else {
        return Err(wrong("TargetTrackingConfiguration is required for policy type TargetTrackingScaling"));
    };
    read::need(node, "TargetValue")?;
    let target = read::float(node, "TargetValue")?.unwrap_or(0.0);
    if target <= 0.0 {
        return Err(wrong("TargetValue must be greater than 0"));
    }
    let disable_scale_in = read::flag(node, "DisableScaleIn")?.unwrap_or(false);
    let (metric, stat, unit, period) = match (node.at("PredefinedMetricSpecification"), node.at("CustomizedMetricSpecification")) {
        (Some(m), None) => {
            let (metric, stat) = predefined(w, g, m)?;
            (metric, stat, None, 60)
        }
        (None, Some(m)) => customized(m)?,
        _ => return Err(wrong("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified")),
    };
    Ok(Followed { raw: node.clone(), target, disable_scale_in, metric, stat, unit, period })
}

fn predefined(w: &World, g: &Group, m: &Node) -> Result<(Metric, Stat), ApiError> {
    let kind = read::need(m, "PredefinedMetricType")?;
    let label = m.text("ResourceLabel");
    let of_group = |name: &str| (Metric::new("AWS/EC2", name, &[("AutoScalingGroupName", &g.name)]), Stat::Average);
    if label.is_some() && kind != "ALBRequestCountPerTarget" {
        return Err(wrong(format!("ResourceLabel cannot be specified for the metric {kind}")));
    }
    match kind {
        "ASGAverageCPUUtilization" => Ok(of_group("CPUUtilization")),
        "ASGAverageNetworkIn" => Ok(of_group("NetworkIn")),
        "ASGAverageNetworkOut" => Ok(of_group("NetworkOut")),
        "ALBRequestCountPerTarget" => {
            let label = label.ok_or_else(|| wrong("ResourceLabel must be specified for the metric ALBRequestCountPerTarget"))?;
            // app/<name>/<16 hex>/targetgroup/<name>/<16 hex>
            let parts: Vec<&str> = label.split('/').collect();
            let ["app", balancer, hex, "targetgroup", targets, tail] = parts.as_slice() else {
                return Err(wrong(format!("{label} is not a valid ResourceLabel")));
            };
            let target_group = format!("targetgroup/{targets}/{tail}");
            let arn = g.target_groups.iter().find(|arn| arn.ends_with(&format!(":{target_group}")));
            if arn.and_then(|arn| w.target_groups.get(arn)).is_none() {
                return Err(wrong(format!("The target group of the ResourceLabel {label} is not attached to the Auto Scaling group {}", g.name)));
            }
            let balancer = format!("app/{balancer}/{hex}");
            let dimensions = [("TargetGroup", target_group.as_str()), ("LoadBalancer", balancer.as_str())];
            Ok((Metric::new("AWS/ApplicationELB", "RequestCountPerTarget", &dimensions), Stat::Sum))
        }
        "ASGAverageCPUUtilizationHighResolution" => Err(wrong(format!("{kind} is not supported for this Auto Scaling group."))),
        odd => {
            let valid = "ASGAverageCPUUtilization, ASGAverageNetworkIn, ASGAverageNetworkOut, ALBRequestCountPerTarget";
            Err(wrong(format!("{odd} is not a valid predefined metric type. Valid values: {valid}")))
        }
    }
}

/// Metric, statistic, unit and period.
type Customized = (Metric, Stat, Option<String>, i64);

fn customized(m: &Node) -> Result<Customized, ApiError> {
    if m.at("Metrics").is_some() {
        return Err(wrong("Metric math is not supported in a CustomizedMetricSpecification of this Auto Scaling group."));
    }
    let statistic = read::need(m, "Statistic")?;
    let stat = Stat::plain(statistic)
        .ok_or_else(|| wrong(format!("{statistic} is not a valid statistic. Valid values: Average, Minimum, Maximum, SampleCount, Sum")))?;
    let period = read::int(m, "Period")?.unwrap_or(60);
    if !matches!(period, 10 | 30 | 60) {
        return Err(wrong(format!("{period} is not a valid period. Valid values: 10, 30, 60")));
    }
    let mut metric = Metric::new(read::need(m, "Namespace")?, read::need(m, "MetricName")?, &[]);
    for d in m.list("Dimensions") {
        metric.dimensions.insert(read::need(d, "Name")?.to_owned(), read::need(d, "Value")?.to_owned());
    }
    Ok((metric, stat, m.text("Unit").map(str::to_owned), period))
}
