//! Alarms: states, evaluation, history.

use serde_json::{Value, json};

use crate::{
    client::{ASG, World, world, world_with},
    cloudwatch::cpu_metric,
};

/// An alarm on the group's CPU, above 50 for three minutes.
fn high(name: &str) -> Value {
    let mut body = cpu_metric();
    let more = json!({
        "AlarmName": name,
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 50.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": ["arn:aws:sns:ap-south-1:123456789012:ops"],
    });
    for (member, value) in more.as_object().expect("map") {
        body[member] = value.clone();
    }
    body
}

impl World {
    async fn alarm(&self, name: &str) -> Value {
        self.cw_ok("DescribeAlarms", json!({"AlarmNames": [name]})).await["MetricAlarms"][0].clone()
    }

    async fn state(&self, name: &str) -> String {
        self.alarm(name).await["StateValue"].as_str().unwrap_or_default().to_owned()
    }

    async fn history(&self, body: Value) -> Vec<Value> {
        self.cw_ok("DescribeAlarmHistory", body).await["AlarmHistoryItems"].as_array().cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn an_alarm_starts_without_data_and_follows_the_load() {
    let w = world().await;
    w.cw_ok("PutMetricAlarm", high("high")).await;
    let alarm = w.alarm("high").await;
    assert_eq!((alarm["StateValue"].as_str(), alarm["StateReason"].as_str()), (Some("INSUFFICIENT_DATA"), Some("Unchecked: Initial alarm creation")));
    assert_eq!(alarm["AlarmArn"], "arn:aws:cloudwatch:ap-south-1:123456789012:alarm:high");
    w.handle.advance(60.0);
    assert_eq!(w.state("high").await, "OK", "the days before have data");
    w.offer(json!({"cpu": 80})).await;
    let loaded = w.seconds();
    while w.state("high").await != "ALARM" {
        w.handle.advance(5.0);
        assert!(w.seconds() - loaded < 480, "still {}", w.state("high").await);
    }
    let took = w.seconds() - loaded;
    assert!(took >= 180 + 60, "three minutes and the latency, not {took} s");
    let alarm = w.alarm("high").await;
    let reason = alarm["StateReason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("Threshold Crossed: 3 datapoints [") && reason.ends_with("] were greater than the threshold (50.0)."), "{reason}");
    assert!(reason.contains(" (05/01/26 09:0"), "{reason}");
    let data: Value = serde_json::from_str(alarm["StateReasonData"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(
        (data["version"].as_str(), data["statistic"].as_str(), data["period"].as_i64(), data["threshold"].as_f64()),
        (Some("1.0"), Some("Average"), Some(60), Some(50.0))
    );
    assert_eq!((data["recentDatapoints"].as_array().map(Vec::len), data["evaluatedDatapoints"].as_array().map(Vec::len)), (Some(3), Some(3)));
    assert!(data["queryDate"].as_str().unwrap_or_default().ends_with("+0000"));
    let items = w.history(json!({"AlarmName": "high"})).await;
    let rows: Vec<(&str, &str)> =
        items.iter().map(|i| (i["HistoryItemType"].as_str().unwrap_or_default(), i["HistorySummary"].as_str().unwrap_or_default())).collect();
    let wanted = [
        ("Action", "Successfully executed action arn:aws:sns:ap-south-1:123456789012:ops"),
        ("StateUpdate", "Alarm updated from OK to ALARM"),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to OK"),
        ("ConfigurationUpdate", "Alarm \"high\" created"),
    ];
    assert_eq!(rows, wanted);
    let change: Value = serde_json::from_str(items[1]["HistoryData"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!((change["oldState"]["stateValue"].as_str(), change["newState"]["stateReason"].as_str()), (Some("OK"), Some(reason)));
    w.offer(json!({"cpu": 10})).await;
    w.handle.advance(400.0);
    let alarm = w.alarm("high").await;
    let reason = alarm["StateReason"].as_str().unwrap_or_default();
    assert!(
        alarm["StateValue"] == "OK" && reason.starts_with("Threshold Crossed: 1 datapoint [") && reason.contains("was not greater than"),
        "{reason}"
    );
}

#[tokio::test]
async fn m_of_n_datapoints_are_enough() {
    let w = world().await;
    let mut some = high("some");
    some["EvaluationPeriods"] = json!(5);
    some["DatapointsToAlarm"] = json!(2);
    w.cw_ok("PutMetricAlarm", some).await;
    w.cw_ok("PutMetricAlarm", high("all")).await;
    w.handle.advance(300.0);
    w.offer(json!({"cpu": 90})).await;
    w.handle.advance(120.0);
    w.offer(json!({"cpu": 10})).await;
    w.handle.advance(240.0);
    assert_eq!((w.state("some").await.as_str(), w.state("all").await.as_str()), ("ALARM", "OK"));
}

#[tokio::test]
async fn missing_data_is_treated_as_asked() {
    let w = world().await;
    for treatment in ["missing", "notBreaching", "breaching", "ignore"] {
        let mut body = high(treatment);
        body["MetricName"] = json!("NoSuchMetric");
        body["TreatMissingData"] = json!(treatment);
        w.cw_ok("PutMetricAlarm", body).await;
        w.cw_ok(
            "SetAlarmState",
            json!({"AlarmName": treatment, "StateValue": if treatment == "breaching" { "OK" } else { "ALARM" }, "StateReason": "test"}),
        )
        .await;
    }
    w.handle.advance(70.0);
    let mut states = Vec::new();
    for treatment in ["missing", "notBreaching", "breaching", "ignore"] {
        states.push(w.state(treatment).await);
    }
    assert_eq!(states, ["INSUFFICIENT_DATA", "OK", "ALARM", "ALARM"]);
    let reasons = [
        ("missing", "Insufficient Data: 3 datapoints were unknown."),
        ("breaching", "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching]."),
    ];
    for (name, reason) in reasons {
        assert_eq!(w.alarm(name).await["StateReason"], reason);
    }
}

#[tokio::test]
async fn a_state_set_by_hand_lasts_until_the_next_evaluation() {
    let w = world().await;
    w.cw_ok("PutMetricAlarm", high("high")).await;
    w.handle.advance(60.0);
    let body = json!({"AlarmName": "high", "StateValue": "ALARM", "StateReason": "drill", "StateReasonData": "{\"by\": 1}"});
    w.cw_ok("SetAlarmState", body.clone()).await;
    let alarm = w.alarm("high").await;
    assert_eq!(
        (alarm["StateValue"].as_str(), alarm["StateReason"].as_str(), alarm["StateReasonData"].as_str()),
        (Some("ALARM"), Some("drill"), Some("{\"by\": 1}"))
    );
    let actions = w.history(json!({"AlarmName": "high", "HistoryItemType": "Action"})).await;
    assert_eq!(actions.len(), 1, "its actions are carried out");
    assert_eq!(w.handle.snapshot()["alarms"][0]["state"], "ALARM");
    w.handle.advance(60.0);
    assert_eq!(w.state("high").await, "OK");
    for (member, value, code) in [
        ("AlarmName", json!("none"), "ResourceNotFound"),
        ("StateReasonData", json!("{"), "InvalidFormat"),
        ("StateValue", json!("BAD"), "ValidationError"),
    ] {
        let mut bad = body.clone();
        bad[member] = value;
        let got = w.cw("SetAlarmState", bad).await;
        assert_eq!(got.headers["x-amzn-query-error"], format!("{code};Sender"));
        assert_eq!(got.status, if code == "ResourceNotFound" { 404 } else { 400 });
    }
}

#[tokio::test]
async fn an_update_overwrites_everything_but_the_state() {
    let w = world().await;
    let mut first = high("high");
    first["AlarmDescription"] = json!("first");
    first["Tags"] = json!([{"Key": "team", "Value": "web"}]);
    w.cw_ok("PutMetricAlarm", first).await;
    w.handle.advance(60.0);
    let before = w.alarm("high").await;
    let mut second = high("high");
    second["Threshold"] = json!(1e9);
    second["Tags"] = json!([{"Key": "team", "Value": "other"}]);
    w.cw_ok("PutMetricAlarm", second).await;
    let after = w.alarm("high").await;
    assert_eq!(after.get("AlarmDescription"), None);
    assert_eq!(after["Threshold"], 1e9);
    for kept in ["StateValue", "StateReason", "StateUpdatedTimestamp"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let tags = w.cw_ok("ListTagsForResource", json!({"ResourceARN": after["AlarmArn"]})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "web"}]), "tags of an existing alarm stay");
    let arn = after["AlarmArn"].clone();
    w.cw_ok("TagResource", json!({"ResourceARN": arn, "Tags": [{"Key": "tier", "Value": "1"}, {"Key": "team", "Value": "ops"}]})).await;
    w.cw_ok("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["tier", "none"]})).await;
    let tags = w.cw_ok("ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "ops"}]));
    let lost = w.cw("ListTagsForResource", json!({"ResourceARN": "arn:aws:cloudwatch:ap-south-1:123456789012:alarm:none"})).await;
    assert_eq!((lost.status, lost.headers["x-amzn-query-error"].to_str().ok()), (404, Some("ResourceNotFoundException;Sender")));
}

#[tokio::test]
async fn alarms_are_found_by_what_they_are() {
    let w = world().await;
    for name in ["web-high", "web-low", "other"] {
        w.cw_ok("PutMetricAlarm", high(name)).await;
    }
    let mut percentile = high("tail");
    percentile.as_object_mut().expect("map").remove("Statistic");
    percentile["ExtendedStatistic"] = json!("p99");
    percentile["AlarmActions"] = json!(["arn:aws:autoscaling:ap-south-1:123456789012:scalingPolicy:x:autoScalingGroupName/a:policyName/p"]);
    w.cw_ok("PutMetricAlarm", percentile).await;
    w.cw_ok("SetAlarmState", json!({"AlarmName": "other", "StateValue": "ALARM", "StateReason": ""})).await;
    let names = async |body: Value| {
        let got = w.cw_ok("DescribeAlarms", body).await;
        let rows = got["MetricAlarms"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|a| a["AlarmName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({})).await, ["other", "tail", "web-high", "web-low"]);
    assert_eq!(names(json!({"AlarmNames": ["web-low", "none"]})).await, ["web-low"]);
    assert_eq!(names(json!({"AlarmNamePrefix": "web-"})).await, ["web-high", "web-low"]);
    assert_eq!(names(json!({"StateValue": "ALARM"})).await, ["other"]);
    assert_eq!(names(json!({"ActionPrefix": "arn:aws:autoscaling"})).await, ["tail"]);
    assert_eq!(names(json!({"AlarmTypes": ["CompositeAlarm"]})).await, [""; 0]);
    assert_eq!(names(json!({"AlarmTypes": ["CompositeAlarm", "MetricAlarm"]})).await.len(), 4);
    let page = w.cw_ok("DescribeAlarms", json!({"MaxRecords": 3})).await;
    assert_eq!(names(json!({"MaxRecords": 3, "NextToken": page["NextToken"]})).await, ["web-low"]);
    let metric = json!({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{"Name": "AutoScalingGroupName", "Value": ASG}]});
    let count = async |more: Value| {
        let mut body = metric.clone();
        more.as_object().expect("map").iter().for_each(|(k, v)| body[k] = v.clone());
        w.cw_ok("DescribeAlarmsForMetric", body).await["MetricAlarms"].as_array().map(Vec::len)
    };
    assert_eq!(
        (count(json!({})).await, count(json!({"Statistic": "Average"})).await, count(json!({"ExtendedStatistic": "p99"})).await),
        (Some(4), Some(3), Some(1))
    );
    assert_eq!((count(json!({"Period": 300})).await, count(json!({"Dimensions": []})).await), (Some(0), Some(0)));
    let many: Vec<String> = (0..101).map(|n| format!("a{n}")).collect();
    let cases = [
        (json!({"AlarmNames": many}), "ValidationError"),
        (json!({"MaxRecords": 101}), "ValidationError"),
        (json!({"AlarmNames": ["a"], "AlarmNamePrefix": "a"}), "ValidationError"),
        (json!({"AlarmTypes": ["Bell"]}), "ValidationError"),
        (json!({"NextToken": "x"}), "InvalidNextToken"),
        (json!({"ChildrenOfAlarmName": "none"}), "ResourceNotFound"),
    ];
    for (body, code) in cases {
        assert_eq!(w.cw("DescribeAlarms", body.clone()).await.headers["x-amzn-query-error"], format!("{code};Sender"), "{body}");
    }
}

#[tokio::test]
async fn deleting_is_all_or_nothing_and_leaves_the_history() {
    let w = world().await;
    for name in ["a", "b"] {
        w.cw_ok("PutMetricAlarm", high(name)).await;
    }
    assert_eq!(w.cw("DeleteAlarms", json!({"AlarmNames": ["a", "none"]})).await.status, 404);
    assert_eq!(w.state("a").await, "INSUFFICIENT_DATA", "still there");
    w.cw_ok("DeleteAlarms", json!({"AlarmNames": ["a", "b"]})).await;
    assert_eq!(w.cw_ok("DescribeAlarms", json!({})).await["MetricAlarms"], json!([]));
    let items = w.history(json!({"ScanBy": "TimestampAscending", "AlarmName": "a"})).await;
    assert_eq!(
        items.iter().map(|i| i["HistorySummary"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["Alarm \"a\" created", "Alarm \"a\" deleted"]
    );
    w.handle.advance(31.0 * 86_400.0);
    w.cw_ok("PutMetricAlarm", high("c")).await;
    assert_eq!(w.history(json!({})).await.len(), 1, "a month later it is forgotten");
}

#[tokio::test]
async fn disabled_actions_are_not_carried_out() {
    let w = world().await;
    w.cw_ok("PutMetricAlarm", high("high")).await;
    w.cw_ok("DisableAlarmActions", json!({"AlarmNames": ["high", "none"]})).await;
    assert_eq!(w.alarm("high").await["ActionsEnabled"], false);
    let set = json!({"AlarmName": "high", "StateValue": "ALARM", "StateReason": "drill"});
    w.cw_ok("SetAlarmState", set.clone()).await;
    assert_eq!(w.history(json!({"HistoryItemType": "Action"})).await.len(), 0);
    w.cw_ok("EnableAlarmActions", json!({"AlarmNames": ["high"]})).await;
    w.handle.advance(60.0);
    w.cw_ok("SetAlarmState", set).await;
    assert_eq!(w.history(json!({"HistoryItemType": "Action"})).await.len(), 1);
}

#[tokio::test]
async fn an_alarm_may_watch_an_expression() {
    let w = world().await;
    let stat = json!({"Metric": cpu_metric(), "Period": 60, "Stat": "Average"});
    let body = json!({
        "AlarmName": "math",
        "EvaluationPeriods": 2,
        "Threshold": 100,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Metrics": [{"Id": "a", "MetricStat": stat, "ReturnData": false}, {"Id": "e", "Expression": "a * 2"}],
    });
    w.cw_ok("PutMetricAlarm", body.clone()).await;
    w.offer(json!({"cpu": 60})).await;
    w.handle.advance(420.0);
    let alarm = w.alarm("math").await;
    assert_eq!((alarm["StateValue"].as_str(), alarm.get("MetricName"), alarm["Metrics"].as_array().map(Vec::len)), (Some("ALARM"), None, Some(2)));
    let edits: [(&str, Value); 4] = [
        ("Metrics", json!([{"Id": "a", "MetricStat": stat}, {"Id": "e", "Expression": "a * 2"}])),
        ("Metrics", json!([{"Id": "e", "Expression": "a * 2"}])),
        ("Metrics", json!([{"Id": "a", "MetricStat": stat, "ReturnData": false}, {"Id": "e", "Expression": "SUM(a)"}])),
        ("Period", json!(60)),
    ];
    for (member, value) in edits {
        let mut bad = body.clone();
        bad[member] = value;
        assert_eq!(w.cw("PutMetricAlarm", bad).await.headers["x-amzn-query-error"], "ValidationError;Sender");
    }
}

#[tokio::test]
async fn an_alarm_that_cannot_be_evaluated_is_refused() {
    let w = world().await;
    let edits = [
        ("Period", json!(61)),
        ("Period", json!(5)),
        ("EvaluationPeriods", json!(1441)),
        ("EvaluationPeriods", json!(0)),
        ("DatapointsToAlarm", json!(4)),
        ("TreatMissingData", json!("guess")),
        ("ComparisonOperator", json!("Near")),
        ("ComparisonOperator", json!("GreaterThanUpperThreshold")),
        ("ExtendedStatistic", json!("p99")),
        ("Statistic", json!("Median")),
        ("AlarmActions", json!(["nobody"])),
        (
            "AlarmActions",
            json!(["arn:aws:sns:r:1:a", "arn:aws:sns:r:1:b", "arn:aws:sns:r:1:c", "arn:aws:sns:r:1:d", "arn:aws:sns:r:1:e", "arn:aws:sns:r:1:f"]),
        ),
        ("EvaluateLowSampleCountPercentile", json!("ignore")),
        ("ThresholdMetricId", json!("t")),
        ("EvaluationWindow", json!({"WallClockWindow": {"Timezone": "UTC"}})),
        ("AlarmName", json!("")),
    ];
    for (member, value) in edits {
        let mut bad = high("bad");
        bad[member] = value.clone();
        let got = w.cw("PutMetricAlarm", bad).await;
        assert_eq!(
            got.headers.get("x-amzn-query-error").and_then(|v| v.to_str().ok()),
            Some("ValidationError;Sender"),
            "{member} {value}: {}",
            got.body
        );
    }
    assert_eq!(w.cw_ok("DescribeAlarms", json!({})).await["MetricAlarms"], json!([]));
}

/// An exported world goes on with its alarms as the original.
#[tokio::test]
async fn alarms_go_on_in_an_exported_world() {
    let (w, other) = (world().await, world_with(7, |_| {}).await);
    for n in 0..200 {
        w.cw_ok("PutMetricAlarm", high(&format!("a{n}"))).await;
    }
    other.handle.import(w.handle.export().expect("exports")).expect("imports");
    w.handle.advance(3600.0);
    other.handle.advance(3600.0);
    assert_eq!(w.handle.export().expect("exports"), other.handle.export().expect("exports"));
}
