"""Metrics and alarms, asked of the simulator and of moto alike."""

import datetime

SPACE = "Oracle/Moto"
ALARM = "oracle-moto"


def run(both):
    if not both.has("cloudwatch", "PutMetricData"):
        return
    same = lambda operation, params=None, **how: both.same("cloudwatch", operation, params, **how)
    now = datetime.datetime.fromisoformat(both.walk.sim.control("world")["now"])
    start = now.replace(second=0, microsecond=0) - datetime.timedelta(minutes=30)
    shop = [{"Name": "Shop", "Value": "\u00fc"}]
    at = lambda minute: start + datetime.timedelta(minutes=minute)
    data = [{"MetricName": "Orders", "Dimensions": shop, "Timestamp": at(n), "Value": float(n), "Unit": "Count"} for n in range(1, 7)]
    same("PutMetricData", {"Namespace": SPACE, "MetricData": data})
    same("PutMetricData", {"Namespace": "AWS/Oracle", "MetricData": data[:1]})
    # Ours shows a new metric after a while, as AWS does.
    both.walk.sim.advance(1200)
    same("ListMetrics", {"Namespace": SPACE})
    same("ListMetrics", {"Namespace": "Oracle/None"})
    span = {"StartTime": start, "EndTime": at(10)}
    statistics = {"Namespace": SPACE, "MetricName": "Orders", "Dimensions": shop, **span, "Period": 300}
    same("GetMetricStatistics", {**statistics, "Statistics": ["Sum", "Average", "Minimum", "Maximum", "SampleCount"]})
    same("GetMetricStatistics", statistics)
    stat = {"Metric": {"Namespace": SPACE, "MetricName": "Orders", "Dimensions": shop}, "Period": 300, "Stat": "Sum"}
    same("GetMetricData", {**span, "MetricDataQueries": [{"Id": "q1", "MetricStat": stat}]})
    same("GetMetricData", {**span, "ScanBy": "TimestampAscending", "MetricDataQueries": [{"Id": "q1", "MetricStat": stat, "Label": "orders"}]})
    same("GetMetricData", {"StartTime": start, "EndTime": start, "MetricDataQueries": [{"Id": "q1", "MetricStat": stat}]})
    alarm = {
        "AlarmName": ALARM,
        "AlarmDescription": "\u00fc & <co>",
        "Namespace": SPACE,
        "MetricName": "Orders",
        "Dimensions": shop,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": "team", "Value": "shop"}],
    }
    same("PutMetricAlarm", alarm)
    named = {"AlarmNames": [ALARM]}
    same("DescribeAlarms", named, keep={"alarm": lambda a: a["MetricAlarms"][0]["AlarmArn"]})
    same("DescribeAlarms", {"AlarmNames": ["oracle-none"]})
    same("DescribeAlarmsForMetric", {"Namespace": SPACE, "MetricName": "Orders", "Dimensions": shop})
    same("DisableAlarmActions", named)
    same("SetAlarmState", {"AlarmName": ALARM, "StateValue": "ALARM", "StateReason": "by hand", "StateReasonData": '{"by": "hand"}'})
    same("SetAlarmState", {"AlarmName": "oracle-none", "StateValue": "ALARM", "StateReason": "by hand"})
    same("DescribeAlarms", named)
    same("EnableAlarmActions", named)
    same("DescribeAlarmHistory", {"AlarmName": ALARM}, values=False)
    same("ListTagsForResource", lambda s: {"ResourceARN": s["alarm"]})
    same("TagResource", lambda s: {"ResourceARN": s["alarm"], "Tags": [{"Key": "tier", "Value": "web"}]})
    same("UntagResource", lambda s: {"ResourceARN": s["alarm"], "TagKeys": ["team"]})
    same("DeleteAlarms", named)
    same("DeleteAlarms", {"AlarmNames": ["oracle-none"]})
