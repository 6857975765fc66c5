//! Members of every request, by operation.
//!
//! **Invariant:** names and types are those of the service's model; a member that is not here does not exist. Members
//! that stand for what is not simulated are here, so that they are refused and not overlooked.

use crate::wire::kind::Kind::{self, Double, Entries, Flag, Int, List, Struct, Text, Time};

const DIMENSIONS: Kind = List(&Struct(&[("Name", Text), ("Value", Text)]));
const TAGS: Kind = List(&Struct(&[("Key", Text), ("Value", Text)]));
const TEXTS: Kind = List(&Text);

const QUERIES: Kind = List(&Struct(&[
    ("Id", Text),
    (
        "MetricStat",
        Struct(&[
            ("Metric", Struct(&[("Namespace", Text), ("MetricName", Text), ("Dimensions", DIMENSIONS)])),
            ("Period", Int),
            ("Stat", Text),
            ("Unit", Text),
        ]),
    ),
    ("Expression", Text),
    ("Label", Text),
    ("ReturnData", Flag),
    ("Period", Int),
    ("AccountId", Text),
]));

const DATA: Kind = List(&Struct(&[
    ("MetricName", Text),
    ("Dimensions", DIMENSIONS),
    ("Timestamp", Time),
    ("Value", Double),
    ("StatisticValues", Struct(&[("SampleCount", Double), ("Sum", Double), ("Minimum", Double), ("Maximum", Double)])),
    ("Values", List(&Double)),
    ("Counts", List(&Double)),
    ("Unit", Text),
    ("StorageResolution", Int),
]));

/// Shape of an operation's request.
pub(super) fn of(op: &str) -> Option<Kind> {
    Some(match op {
        "GetMetricData" => Struct(&[
            ("MetricDataQueries", QUERIES),
            ("StartTime", Time),
            ("EndTime", Time),
            ("NextToken", Text),
            ("ScanBy", Text),
            ("MaxDatapoints", Int),
            ("LabelOptions", Struct(&[("Timezone", Text)])),
        ]),
        "GetMetricStatistics" => Struct(&[
            ("Namespace", Text),
            ("MetricName", Text),
            ("Dimensions", DIMENSIONS),
            ("StartTime", Time),
            ("EndTime", Time),
            ("Period", Int),
            ("Statistics", TEXTS),
            ("ExtendedStatistics", TEXTS),
            ("Unit", Text),
        ]),
        "ListMetrics" => Struct(&[
            ("Namespace", Text),
            ("MetricName", Text),
            ("Dimensions", DIMENSIONS),
            ("NextToken", Text),
            ("RecentlyActive", Text),
            ("IncludeLinkedAccounts", Flag),
            ("OwningAccount", Text),
        ]),
        "PutMetricData" => Struct(&[
            ("Namespace", Text),
            ("MetricData", DATA),
            (
                "EntityMetricData",
                List(&Struct(&[("Entity", Struct(&[("KeyAttributes", Entries(&Text)), ("Attributes", Entries(&Text))])), ("MetricData", DATA)])),
            ),
            ("StrictEntityValidation", Flag),
        ]),
        "DescribeAlarms" => Struct(&[
            ("AlarmNames", TEXTS),
            ("AlarmNamePrefix", Text),
            ("AlarmTypes", TEXTS),
            ("ChildrenOfAlarmName", Text),
            ("ParentsOfAlarmName", Text),
            ("StateValue", Text),
            ("ActionPrefix", Text),
            ("MaxRecords", Int),
            ("NextToken", Text),
        ]),
        "DescribeAlarmsForMetric" => Struct(&[
            ("MetricName", Text),
            ("Namespace", Text),
            ("Statistic", Text),
            ("ExtendedStatistic", Text),
            ("Dimensions", DIMENSIONS),
            ("Period", Int),
            ("Unit", Text),
        ]),
        "DescribeAlarmHistory" => Struct(&[
            ("AlarmName", Text),
            ("AlarmContributorId", Text),
            ("AlarmTypes", TEXTS),
            ("HistoryItemType", Text),
            ("StartDate", Time),
            ("EndDate", Time),
            ("MaxRecords", Int),
            ("NextToken", Text),
            ("ScanBy", Text),
        ]),
        "PutMetricAlarm" => Struct(&[
            ("AlarmName", Text),
            ("AlarmDescription", Text),
            ("ActionsEnabled", Flag),
            ("OKActions", TEXTS),
            ("AlarmActions", TEXTS),
            ("InsufficientDataActions", TEXTS),
            ("MetricName", Text),
            ("Namespace", Text),
            ("Statistic", Text),
            ("ExtendedStatistic", Text),
            ("Dimensions", DIMENSIONS),
            ("Period", Int),
            ("Unit", Text),
            ("EvaluationPeriods", Int),
            ("DatapointsToAlarm", Int),
            ("Threshold", Double),
            ("ComparisonOperator", Text),
            ("TreatMissingData", Text),
            ("EvaluateLowSampleCountPercentile", Text),
            ("Metrics", QUERIES),
            ("Tags", TAGS),
            ("ThresholdMetricId", Text),
            ("EvaluationWindow", Struct(&[("WallClockWindow", Struct(&[("Timezone", Text)])), ("SlidingWindow", Struct(&[]))])),
            ("WarmUpConfiguration", Struct(&[])),
            ("EvaluationCriteria", Struct(&[])),
            ("EvaluationInterval", Int),
            ("ActionConfiguration", Struct(&[])),
        ]),
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => Struct(&[("AlarmNames", TEXTS)]),
        "SetAlarmState" => Struct(&[("AlarmName", Text), ("StateValue", Text), ("StateReason", Text), ("StateReasonData", Text)]),
        "TagResource" => Struct(&[("ResourceARN", Text), ("Tags", TAGS)]),
        "UntagResource" => Struct(&[("ResourceARN", Text), ("TagKeys", TEXTS)]),
        "ListTagsForResource" => Struct(&[("ResourceARN", Text)]),
        _ => return None,
    })
}
