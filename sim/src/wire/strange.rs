//! States that are in no model of the service, as an SDK meets them when AWS adds one (aws-reference 14, must-have 13).
//!
//! **Invariant:** only members whose shape is an enumeration are changed, all of them in an answer; nothing else of it is.

use super::{answer::Members, xml::Fields};

/// The value no model knows.
pub(crate) const VALUE: &str = "FutureState";

/// Service, operation, the element around the member, and the member.
const MEMBERS: &[(&str, &str, &str, &str)] = &[
    ("autoscaling", "DescribeAutoScalingGroups", "Instances", "LifecycleState"),
    ("autoscaling", "DescribeAutoScalingInstances", "AutoScalingInstances", "LifecycleState"),
    ("autoscaling", "DescribeInstanceRefreshes", "InstanceRefreshes", "Status"),
    ("autoscaling", "DescribeScalingActivities", "Activities", "StatusCode"),
    ("autoscaling", "EnterStandby", "Activities", "StatusCode"),
    ("autoscaling", "ExitStandby", "Activities", "StatusCode"),
    ("autoscaling", "DetachInstances", "Activities", "StatusCode"),
    ("autoscaling", "TerminateInstanceInAutoScalingGroup", "Activity", "StatusCode"),
    ("ec2", "DescribeInstances", "instanceState", "name"),
    ("ec2", "DescribeInstanceStatus", "instanceState", "name"),
    ("elasticache", "DescribeReplicationGroups", "ReplicationGroups", "AutomaticFailover"),
    ("elasticache", "DescribeReplicationGroups", "ReplicationGroups", "MultiAZ"),
    ("elasticloadbalancing", "DescribeLoadBalancers", "State", "Code"),
    ("elasticloadbalancing", "DescribeTargetHealth", "TargetHealth", "State"),
    ("monitoring", "DescribeAlarms", "MetricAlarms", "StateValue"),
    ("monitoring", "DescribeAlarmsForMetric", "MetricAlarms", "StateValue"),
    ("monitoring", "GetMetricData", "MetricDataResults", "StatusCode"),
];

/// Whether answers of this operation have such a member.
pub(crate) fn known(service: &str, operation: &str) -> bool {
    MEMBERS.iter().any(|(s, o, _, _)| *s == service && *o == operation)
}

/// Puts the unknown value in.
pub(crate) fn dress(service: &str, operation: &str, fields: &mut Fields) {
    for (_, _, around, name) in MEMBERS.iter().filter(|(s, o, _, _)| *s == service && *o == operation) {
        fields.overwrite(around, name, VALUE);
    }
}

/// The same in an answer of several protocols.
pub(crate) fn dress_members(service: &str, operation: &str, members: &mut Members) {
    for (_, _, around, name) in MEMBERS.iter().filter(|(s, o, _, _)| *s == service && *o == operation) {
        members.overwrite(around, name, VALUE);
    }
}
