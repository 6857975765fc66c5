"""CloudWatch: metrics of the world and of clients, alarms from their making to their end. Every read goes by all three protocols."""

import datetime

SPACE = "Oracle/Walk"


def now(walk):
    return datetime.datetime.fromisoformat(walk.sim.control("world")["now"])


def everything(walk):
    the_metrics(walk)
    the_datapoints(walk)
    the_alarms(walk)


def the_metrics(walk):
    checks = walk.checks
    end = now(walk).replace(second=0, microsecond=0)
    start = end - datetime.timedelta(minutes=30)
    group = [{"Name": "AutoScalingGroupName", "Value": walk.big["AutoScalingGroupName"]}]
    cpu = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": group}
    listed, _, recent = walk.reads(
        ("cloudwatch", "ListMetrics", {"Namespace": "AWS/EC2", "Dimensions": group}),
        ("cloudwatch", "ListMetrics", {"Namespace": "AWS/ApplicationELB", "MetricName": "HealthyHostCount"}),
        ("cloudwatch", "ListMetrics", {"Dimensions": [{"Name": "InstanceId"}], "RecentlyActive": "PT3H"}),
    )
    checks.that("CPUUtilization" in {m["MetricName"] for m in listed["Metrics"]}, "a group's CPU is listed", str(listed))
    checks.that(recent["Metrics"], "recently active metrics are listed")
    span = {"StartTime": start, "EndTime": end}
    stat = {"Metric": cpu, "Period": 300, "Stat": "Average"}
    queries = [
        {"Id": "a", "MetricStat": stat, "ReturnData": False},
        {"Id": "b", "MetricStat": {**stat, "Stat": "p99"}, "Label": "tail \u00fc"},
        {"Id": "e", "Expression": "FILL(a * 2, 0) + b - b"},
    ]
    data, _, statistics, tails = walk.reads(
        ("cloudwatch", "GetMetricData", {**span, "MetricDataQueries": queries, "LabelOptions": {"Timezone": "+0530"}}),
        ("cloudwatch", "GetMetricData", {**span, "MetricDataQueries": queries, "ScanBy": "TimestampAscending", "MaxDatapoints": 3}),
        ("cloudwatch", "GetMetricStatistics", {**cpu, **span, "Period": 300, "Statistics": ["Average", "Sum", "SampleCount", "Minimum", "Maximum"]}),
        ("cloudwatch", "GetMetricStatistics", {**cpu, **span, "Period": 300, "ExtendedStatistics": ["p95", "p99"], "Unit": "Percent"}),
    )
    checks.equal([r["Id"] for r in data["MetricDataResults"]], ["b", "e"], "only what returns data is returned")
    times = data["MetricDataResults"][0]["Timestamps"]
    checks.equal(times, sorted(times, reverse=True), "the newest datapoint comes first")
    checks.that(times and times[-1] == start.isoformat(), "the start is inclusive", str(times))
    averages = {d["Timestamp"]: d["Average"] for d in statistics["Datapoints"]}
    doubled = dict(zip(data["MetricDataResults"][1]["Timestamps"], data["MetricDataResults"][1]["Values"], strict=True))
    wrong = [t for t, v in averages.items() if abs(doubled.get(t, 0) - 2 * v) > 1e-9]
    checks.equal(wrong, [], "an expression is over the same averages")
    checks.that(all({"p95", "p99"} == set(d["ExtendedStatistics"]) for d in tails["Datapoints"]), "percentiles are those asked for", str(tails))
    # Small pages of one query hold the whole.
    one = {**span, "MetricDataQueries": queries[1:2]}
    whole = walk.boto.call("cloudwatch", "GetMetricData", **one)["MetricDataResults"][0]
    pages = walk.boto.pages("cloudwatch", "GetMetricData", 2, **one)["MetricDataResults"]
    checks.that(len(pages) > 1, "there is more than one page of datapoints", str(pages))
    checks.equal([v for p in pages for v in p["Values"]], whole["Values"], "small pages of datapoints hold the whole")
    checks.equal({p["StatusCode"] for p in pages[:-1]}, {"PartialData"}, "a page before the last is partial")


def the_datapoints(walk):
    at = now(walk)
    shop = [{"Name": "Shop", "Value": f"{walk.name} \u00fc & <co>"}]
    # More than ten KiB: packed by those callers that pack.
    many = [{"MetricName": "Depth", "Dimensions": shop, "Timestamp": at, "Value": float(n), "Unit": "Count"} for n in range(200)]
    walk.act("cloudwatch", "PutMetricData", Namespace=SPACE, MetricData=many)
    data = [
        {"MetricName": "Orders", "Dimensions": shop, "Values": [1.0, 2.5], "Counts": [3.0, 1.0], "StorageResolution": 1},
        {"MetricName": "Stock", "StatisticValues": {"SampleCount": 2.0, "Sum": 10.0, "Minimum": 4.0, "Maximum": 6.0}, "Unit": "Count"},
    ]
    walk.act("cloudwatch", "PutMetricData", Namespace=SPACE, MetricData=data)
    walk.sim.advance(1200)
    span = {"StartTime": at - datetime.timedelta(minutes=5), "EndTime": at + datetime.timedelta(minutes=5), "Period": 300}
    depth, *_ = walk.reads(
        ("cloudwatch", "GetMetricStatistics", {"Namespace": SPACE, "MetricName": "Depth", "Dimensions": shop, **span, "Statistics": ["Sum", "SampleCount"]}),
        ("cloudwatch", "GetMetricStatistics", {"Namespace": SPACE, "MetricName": "Orders", "Dimensions": shop, **span, "ExtendedStatistics": ["p50"]}),
        ("cloudwatch", "GetMetricStatistics", {"Namespace": SPACE, "MetricName": "Stock", **span, "Statistics": ["Average", "Maximum"]}),
        ("cloudwatch", "ListMetrics", {"Namespace": SPACE, "IncludeLinkedAccounts": True}),
    )
    sums = (sum(d["Sum"] for d in depth["Datapoints"]), sum(d["SampleCount"] for d in depth["Datapoints"]))
    walk.checks.equal(sums, (19900.0, 200.0), "what is put comes back")


def the_alarms(walk):
    act, checks = walk.act, walk.checks
    group = [{"Name": "AutoScalingGroupName", "Value": walk.big["AutoScalingGroupName"]}]
    cpu = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": group}
    high, tail, math = (f"{walk.name}-{kind}" for kind in ("high", "tail", "math"))
    topic = f"arn:aws:sns:ap-south-1:{walk.account}:ops"
    base = {"EvaluationPeriods": 3, "Threshold": 99.5, "ComparisonOperator": "GreaterThanThreshold"}
    act(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=high,
        AlarmDescription="\u00fc & <co>",
        **cpu,
        **base,
        Statistic="Average",
        Unit="Percent",
        Period=60,
        DatapointsToAlarm=2,
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
        OKActions=[topic],
        InsufficientDataActions=[topic],
        Tags=[{"Key": "team", "Value": "\u00fc"}],
    )
    act("cloudwatch", "PutMetricAlarm", AlarmName=tail, **cpu, **base, ExtendedStatistic="p99", Period=60, EvaluateLowSampleCountPercentile="ignore")
    stat = {"Metric": cpu, "Period": 60, "Stat": "Average"}
    queries = [{"Id": "a", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "a + 1", "Label": "more", "ReturnData": True}]
    act("cloudwatch", "PutMetricAlarm", AlarmName=math, **base, Metrics=queries)
    names = [high, tail, math]
    fresh = walk.read("cloudwatch", "DescribeAlarms", AlarmNames=names)["MetricAlarms"]
    checks.equal({a["StateValue"] for a in fresh}, {"INSUFFICIENT_DATA"}, "a new alarm has no state yet")
    walk.sim.advance(120)
    settled = walk.read("cloudwatch", "DescribeAlarms", AlarmNamePrefix=walk.name)["MetricAlarms"]
    checks.equal({a["StateValue"] for a in settled}, {"OK"}, "an alarm below its threshold is OK")
    shown = next(a for a in settled if a["AlarmName"] == math)
    checks.equal(shown["Metrics"], queries, "the queries of an alarm come back as they were put")
    act("cloudwatch", "DisableAlarmActions", AlarmNames=[high])
    act("cloudwatch", "EnableAlarmActions", AlarmNames=[high])
    drill = {"StateValue": "ALARM", "StateReason": "drill \u00fc", "StateReasonData": '{"by": "hand"}'}
    act("cloudwatch", "SetAlarmState", AlarmName=high, **drill)
    alarmed, by_action, for_metric, history, _, tags = walk.reads(
        ("cloudwatch", "DescribeAlarms", {"StateValue": "ALARM", "AlarmTypes": ["MetricAlarm"]}),
        ("cloudwatch", "DescribeAlarms", {"ActionPrefix": topic, "AlarmNamePrefix": walk.name}),
        ("cloudwatch", "DescribeAlarmsForMetric", {**cpu, "ExtendedStatistic": "p99"}),
        ("cloudwatch", "DescribeAlarmHistory", {"AlarmName": high, "ScanBy": "TimestampAscending"}),
        ("cloudwatch", "DescribeAlarmHistory", {"HistoryItemType": "StateUpdate", "AlarmTypes": ["MetricAlarm"], "MaxRecords": 2}),
        ("cloudwatch", "ListTagsForResource", {"ResourceARN": settled[0]["AlarmArn"]}),
    )
    checks.that(high in {a["AlarmName"] for a in alarmed["MetricAlarms"]}, "an alarm set to ALARM is found by its state")
    checks.equal([a["AlarmName"] for a in by_action["MetricAlarms"]], [high], "an alarm is found by its action")
    checks.that(tail in {a["AlarmName"] for a in for_metric["MetricAlarms"]}, "an alarm is found by its metric")
    kinds = [i["HistoryItemType"] for i in history["AlarmHistoryItems"]]
    checks.equal((kinds[0], kinds[-1]), ("ConfigurationUpdate", "Action"), "a history begins with the configuration and ends with the action")
    checks.equal(tags["Tags"], [{"Key": "team", "Value": "\u00fc"}], "the tags of an alarm come back")
    act("cloudwatch", "TagResource", ResourceARN=settled[0]["AlarmArn"], Tags=[{"Key": "tier", "Value": "web"}])
    act("cloudwatch", "UntagResource", ResourceARN=settled[0]["AlarmArn"], TagKeys=["team"])
    left = walk.read("cloudwatch", "ListTagsForResource", ResourceARN=settled[0]["AlarmArn"])["Tags"]
    checks.equal(left, [{"Key": "tier", "Value": "web"}], "the tags of an alarm change")
    whole = walk.boto.pages("cloudwatch", "DescribeAlarms", None, AlarmNamePrefix=walk.name)["MetricAlarms"]
    for caller in (walk.boto, walk.cli):
        small = caller.pages("cloudwatch", "DescribeAlarms", 1, AlarmNamePrefix=walk.name)["MetricAlarms"]
        checks.equal(small, whole, f"cloudwatch.DescribeAlarms by {caller.who}: small pages hold the whole")
    act("cloudwatch", "DeleteAlarms", AlarmNames=names)
    gone = walk.read("cloudwatch", "DescribeAlarms", AlarmNames=names)["MetricAlarms"]
    checks.equal(gone, [], "deleted alarms are gone")
    later = walk.read("cloudwatch", "DescribeAlarmHistory", AlarmName=high)["AlarmHistoryItems"]
    checks.that(later, "the history of a deleted alarm stays")


def refusals(walk):
    end = now(walk)
    span = {"StartTime": end - datetime.timedelta(hours=1), "EndTime": end}
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}
    stat = {"Metric": metric, "Period": 60, "Stat": "Average"}
    query = {"Id": "a", "MetricStat": stat}
    alarm = {"AlarmName": "refused", **metric, "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    point = {"MetricName": "m", "Value": 1.0}
    arn = f"arn:aws:cloudwatch:ap-south-1:{walk.account}:alarm:none"
    return [
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [query], "StartTime": end, "EndTime": end}, "ValidationError", 400, "StartTime must be less than"),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [query, query], **span}, "ValidationError", 400, "not unique"),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [{**query, "Id": "A"}], **span}, "ValidationError", 400, "expected pattern"),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [{"Id": "e", "Expression": "x + 1"}], **span}, "ValidationError", 400, "Undefined variable"),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [query], **span, "NextToken": "nonsense"}, "InvalidNextToken", 400, ""),
        ("cloudwatch", "GetMetricStatistics", {**metric, **span, "Period": 60}, "InvalidParameterCombination", 400, ""),
        ("cloudwatch", "GetMetricStatistics", {**metric, **span, "Period": 61, "Statistics": ["Sum"]}, "InvalidParameterValue", 400, "multiple of 60"),
        ("cloudwatch", "GetMetricStatistics", {**metric, **span, "Period": 1, "Statistics": ["Sum"]}, "InvalidParameterCombination", 400, "3,600 datapoints"),
        ("cloudwatch", "ListMetrics", {"RecentlyActive": "PT1H"}, "InvalidParameterValue", 400, ""),
        ("cloudwatch", "PutMetricData", {"Namespace": "AWS/EC2", "MetricData": [point]}, "InvalidParameterValue", 400, "AWS/"),
        ("cloudwatch", "PutMetricData", {"Namespace": "x", "MetricData": [{"MetricName": "m"}]}, "MissingParameter", 400, ""),
        ("cloudwatch", "PutMetricData", {"Namespace": "x", "MetricData": [{**point, "Values": [1.0]}]}, "InvalidParameterCombination", 400, ""),
        ("cloudwatch", "PutMetricAlarm", {**alarm, "Period": 61}, "ValidationError", 400, ""),
        ("cloudwatch", "PutMetricAlarm", {**alarm, "DatapointsToAlarm": 2}, "ValidationError", 400, "DatapointsToAlarm"),
        ("cloudwatch", "PutMetricAlarm", {**alarm, "TreatMissingData": "nonsense"}, "ValidationError", 400, "nonsense"),
        ("cloudwatch", "PutMetricAlarm", {**alarm, "AlarmActions": ["nonsense"]}, "ValidationError", 400, "nonsense"),
        ("cloudwatch", "DescribeAlarms", {"NextToken": "nonsense"}, "InvalidNextToken", 400, ""),
        ("cloudwatch", "DescribeAlarms", {"MaxRecords": 101}, "ValidationError", 400, ""),
        ("cloudwatch", "DescribeAlarmHistory", {"NextToken": "nonsense"}, "InvalidNextToken", 400, ""),
        ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["none"]}, "ResourceNotFound", 404, ""),
        ("cloudwatch", "SetAlarmState", {"AlarmName": "none", "StateValue": "OK", "StateReason": ""}, "ResourceNotFound", 404, ""),
        ("cloudwatch", "SetAlarmState", {"AlarmName": "none", "StateValue": "OK", "StateReason": "", "StateReasonData": "{"}, "InvalidFormat", 400, ""),
        ("cloudwatch", "ListTagsForResource", {"ResourceARN": arn}, "ResourceNotFoundException", 404, ""),
        ("cloudwatch", "ListTagsForResource", {"ResourceARN": "nonsense"}, "InvalidParameterValue", 400, ""),
    ]
