//! Reading and writing metrics: limits, pages, expressions, and what clients put.

use serde_json::{Value, json};

use crate::{
    client::{ASG, world, world_with},
    cloudwatch::{START, cpu_metric},
};

fn query(id: &str) -> Value {
    json!({"Id": id, "MetricStat": {"Metric": cpu_metric(), "Period": 60, "Stat": "Average"}})
}

fn asked(queries: &[Value], from: i64, to: i64) -> Value {
    json!({"MetricDataQueries": queries, "StartTime": from, "EndTime": to})
}

fn numbers(result: &Value, name: &str) -> Vec<f64> {
    result[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

#[tokio::test]
async fn start_is_inclusive_end_exclusive_and_newest_come_first() {
    let w = world().await;
    w.handle.advance(1200.0);
    let got = w.cw_ok("GetMetricData", asked(&[query("a")], START, START + 300)).await;
    let result = &got["MetricDataResults"][0];
    let times = numbers(result, "Timestamps");
    assert_eq!(times, [240, 180, 120, 60, 0].map(|s| (START + s) as f64));
    assert_eq!(
        (result["Id"].as_str(), result["Label"].as_str(), result["StatusCode"].as_str()),
        (Some("a"), Some("CPUUtilization"), Some("Complete"))
    );
    let mut body = asked(&[query("a")], START, START + 300);
    body["ScanBy"] = json!("TimestampAscending");
    let ascending = w.cw_ok("GetMetricData", body).await;
    assert_eq!(numbers(&ascending["MetricDataResults"][0], "Timestamps"), times.into_iter().rev().collect::<Vec<_>>());
    // A start within a minute is rounded down to it.
    let got = w.cw_ok("GetMetricData", asked(&[query("a")], START + 59, START + 61)).await;
    assert_eq!(numbers(&got["MetricDataResults"][0], "Timestamps").len(), 2);
}

#[tokio::test]
async fn queries_that_cannot_be_answered_are_refused() {
    let w = world().await;
    let math = |text: &str| json!({"Id": "e", "Expression": text});
    let with = |name: &str, value: Value| {
        let mut q = query("a");
        q["MetricStat"][name] = value;
        q
    };
    let many: Vec<Value> = (0..501).map(|n| query(&format!("q{n}"))).collect();
    let label = json!({"Id": "a", "MetricStat": query("a")["MetricStat"], "Label": "${AVG}"});
    let account = json!({"Id": "a", "MetricStat": query("a")["MetricStat"], "AccountId": "999999999999"});
    let cases: Vec<(Vec<Value>, &str)> = vec![
        (many, "greater than 500"),
        (vec![query("a"), query("a")], "not unique"),
        (vec![query("A")], "expected pattern"),
        (vec![query("a-b")], "expected pattern"),
        (vec![json!({"Id": "a"})], "Exactly one of"),
        (vec![with("Period", json!(90))], "multiple of 60"),
        (vec![with("Stat", json!("Median"))], "Stat is not supported"),
        (vec![with("Unit", json!("Furlongs"))], "enum value set"),
        (vec![math("a + 1")], "Undefined variable: a"),
        (vec![query("a"), math("a +")], "Error in expression 'e'"),
        (vec![query("a"), math("SUM(a)")], "must return a time series"),
        (vec![query("a"), math("SEARCH('x', 'Sum', 60)")], "Unsupported function"),
        (vec![json!({"Id": "x", "Expression": "y"}), json!({"Id": "y", "Expression": "x"})], "Circular reference"),
        (vec![label], "dynamic part"),
        (vec![account], "not linked"),
    ];
    for (queries, words) in cases {
        let got = w.cw("GetMetricData", asked(&queries, START - 600, START)).await.json();
        let message = got["message"].as_str().unwrap_or_default();
        assert!(got["__type"].as_str().unwrap_or_default().ends_with("#ValidationError") && message.contains(words), "{words}: {got}");
    }
    let equal = w.cw("GetMetricData", asked(&[query("a")], START, START)).await;
    assert!(equal.body.contains("ValidationError") && equal.body.contains("StartTime must be less"), "{}", equal.body);
    for (name, value) in [
        ("MaxDatapoints", json!(0)),
        ("MaxDatapoints", json!(100_801)),
        ("ScanBy", json!("Sideways")),
        ("LabelOptions", json!({"Timezone": "Berlin"})),
    ] {
        let mut body = asked(&[query("a")], START - 600, START);
        body[name] = value;
        assert!(w.cw("GetMetricData", body).await.body.contains("ValidationError"), "{name}");
    }
}

#[tokio::test]
async fn expressions_refer_to_queries_and_to_each_other() {
    let w = world().await;
    w.offer(json!({"cpu": 40})).await;
    w.handle.advance(1200.0);
    let mut hidden = query("a");
    hidden["ReturnData"] = json!(false);
    let none =
        json!({"Id": "n", "ReturnData": false, "MetricStat": {"Metric": {"Namespace": "none", "MetricName": "none"}, "Period": 60, "Stat": "Sum"}});
    let queries = [
        json!({"Id": "late", "Expression": "double / 2 - a"}),
        hidden,
        json!({"Id": "double", "Expression": "2 * a", "Label": "twice"}),
        none,
        json!({"Id": "zeros", "Expression": "FILL(n, 0)"}),
        json!({"Id": "both", "Expression": "SUM(METRICS())"}),
    ];
    let got = w.cw_ok("GetMetricData", asked(&queries, START + 300, START + 600)).await;
    let rows = got["MetricDataResults"].as_array().expect("list").clone();
    assert_eq!(rows.iter().map(|r| r["Id"].as_str().unwrap_or_default()).collect::<Vec<_>>(), ["late", "double", "zeros", "both"]);
    assert!(numbers(&rows[0], "Values").iter().all(|v| v.abs() < 1e-9));
    assert_eq!(rows[1]["Label"], "twice");
    assert!(numbers(&rows[1], "Values").iter().all(|v| (76.0..84.0).contains(v)), "{rows:?}");
    assert_eq!(numbers(&rows[2], "Values"), [0.0; 5]);
    assert_eq!(numbers(&rows[3], "Values").len(), 5);
}

#[tokio::test]
async fn pages_are_slices_of_time_and_a_token_fits_its_request_only() {
    let w = world().await;
    w.handle.advance(1200.0);
    let mut second = query("b");
    second["MetricStat"]["Stat"] = json!("Maximum");
    let whole = w.cw_ok("GetMetricData", asked(&[query("a"), second.clone()], START, START + 600)).await;
    let mut body = asked(&[query("a"), second], START, START + 600);
    body["MaxDatapoints"] = json!(7);
    let (mut pages, mut values) = (Vec::new(), [Vec::new(), Vec::new()]);
    loop {
        let page = w.cw_ok("GetMetricData", body.clone()).await;
        for (n, values) in values.iter_mut().enumerate() {
            values.extend(numbers(&page["MetricDataResults"][n], "Values"));
        }
        let count: usize = (0..2).map(|n| numbers(&page["MetricDataResults"][n], "Values").len()).sum();
        pages.push((count, page["MetricDataResults"][0]["StatusCode"].as_str().unwrap_or_default().to_owned()));
        match page.get("NextToken") {
            Some(token) => body["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(pages.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [7, 7, 6]);
    assert_eq!(pages.iter().map(|(_, s)| s.as_str()).collect::<Vec<_>>(), ["PartialData", "PartialData", "Complete"]);
    for (n, values) in values.iter().enumerate() {
        assert_eq!(*values, numbers(&whole["MetricDataResults"][n], "Values"));
    }
    body["MaxDatapoints"] = json!(8);
    for token in [body["NextToken"].clone(), json!("nonsense")] {
        body["NextToken"] = token;
        assert!(w.cw("GetMetricData", body.clone()).await.body.contains("#InvalidNextToken"));
    }
}

#[tokio::test]
async fn statistics_are_limited_and_in_no_order() {
    let w = world().await;
    w.handle.advance(7200.0);
    let base = |from: i64, period: i64, more: Value| {
        let mut body = cpu_metric();
        body["StartTime"] = json!(from);
        body["EndTime"] = json!(START + 7200);
        body["Period"] = json!(period);
        for (name, value) in more.as_object().expect("map") {
            body[name] = value.clone();
        }
        body
    };
    let got = w.cw_ok("GetMetricStatistics", base(START, 60, json!({"Statistics": ["Average", "SampleCount"], "Unit": "Percent"}))).await;
    assert_eq!(got["Label"], "CPUUtilization");
    let rows = got["Datapoints"].as_array().expect("list");
    assert!(rows.len() > 110 && rows.iter().all(|r| r["Unit"] == "Percent" && r["SampleCount"] == 2.0 && r.get("Sum").is_none()), "{got}");
    let times: Vec<i64> = rows.iter().filter_map(|r| r["Timestamp"].as_i64()).collect();
    assert!(times.windows(2).any(|w| w[0] < w[1]) && times.windows(2).any(|w| w[0] > w[1]), "in no order");
    let other = w.cw_ok("GetMetricStatistics", base(START, 60, json!({"Statistics": ["Average"], "Unit": "Bytes"}))).await;
    assert_eq!(other["Datapoints"], json!([]), "of another unit there are none");
    let tails = w.cw_ok("GetMetricStatistics", base(START, 3600, json!({"ExtendedStatistics": ["p50", "p99.9"]}))).await;
    let first = &tails["Datapoints"][0]["ExtendedStatistics"];
    assert!(first["p50"].as_f64() < first["p99.9"].as_f64(), "{tails}");
    let cases = [
        (base(START - 86_400, 60, json!({"Statistics": ["Sum"]})), "InvalidParameterCombination", "up to 1,560 datapoints"),
        (base(START, 60, json!({})), "InvalidParameterCombination", "Exactly one"),
        (base(START, 60, json!({"Statistics": ["Sum"], "ExtendedStatistics": ["p1"]})), "InvalidParameterCombination", "Exactly one"),
        (base(START, 70, json!({"Statistics": ["Sum"]})), "InvalidParameterValue", "multiple of 60"),
        (base(START + 7200, 60, json!({"Statistics": ["Sum"]})), "InvalidParameterValue", "less than"),
        (base(START, 60, json!({"Statistics": ["p99"]})), "InvalidParameterValue", "p99"),
        (base(START, 60, json!({"ExtendedStatistics": ["p101"]})), "InvalidParameterValue", "p101"),
    ];
    for (body, code, words) in cases {
        let got = w.cw("GetMetricStatistics", body).await;
        let header = got.headers["x-amzn-query-error"].to_str().unwrap_or_default().to_owned();
        assert!(header == format!("{code};Sender") && got.body.contains(words), "{words}: {header} {}", got.body);
    }
}

#[tokio::test]
async fn metrics_are_listed_by_name_namespace_and_dimension() {
    let w = world_with(7, |seed| {
        for n in 0..30 {
            let mut group = seed.groups[1].clone();
            group.name = format!("more-{n}");
            group.target_groups.clear();
            seed.groups.push(group);
        }
    })
    .await;
    w.handle.advance(1200.0);
    let by_group = json!({"Dimensions": [{"Name": "AutoScalingGroupName", "Value": ASG}], "Namespace": "AWS/EC2"});
    let got = w.cw_ok("ListMetrics", by_group).await;
    let names: Vec<&str> = got["Metrics"].as_array().expect("list").iter().filter_map(|m| m["MetricName"].as_str()).collect();
    assert!(names.len() == 9 && names.contains(&"CPUUtilization") && names.contains(&"CPUCreditBalance"), "{names:?}");
    let by_name = json!({"MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId"}], "RecentlyActive": "PT3H"});
    assert_eq!(w.cw_ok("ListMetrics", by_name).await["Metrics"].as_array().map(Vec::len), Some(65));
    // Counts that were never above zero do not exist.
    let errors = json!({"Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count"});
    assert_eq!(w.cw_ok("ListMetrics", errors).await["Metrics"], json!([]));
    let (mut all, mut sizes, mut body) = (Vec::new(), Vec::new(), json!({}));
    loop {
        let page = w.cw_ok("ListMetrics", body.clone()).await;
        let rows = page["Metrics"].as_array().expect("list").clone();
        sizes.push(rows.len());
        all.extend(rows);
        match page.get("NextToken") {
            Some(token) => body["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert!(sizes.len() > 2 && sizes[..sizes.len() - 1].iter().all(|n| *n == 500), "{sizes:?}");
    let mut unique: Vec<String> = all.iter().map(Value::to_string).collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), all.len());
    for (bad, words) in [
        (json!({"RecentlyActive": "PT1H"}), "PT1H"),
        (json!({"NextToken": "x"}), "NextToken"),
        (json!({"OwningAccount": "1"}), "IncludeLinkedAccounts"),
    ] {
        let got = w.cw("ListMetrics", bad).await;
        assert!(got.body.contains("InvalidParameterValueException") && got.body.contains(words), "{}", got.body);
    }
}

#[tokio::test]
async fn what_is_put_is_read_after_its_latency_and_listed_later() {
    let w = world_with(7, |seed| {
        let mut params = fleetgate_sim::Params::reference();
        params.metrics.custom_latency = fleetgate_sim::Span::new(90, 90);
        params.metrics.list_lag = fleetgate_sim::Span::new(600, 600);
        seed.params = Some(params);
    })
    .await;
    let data = json!({"Namespace": "app", "MetricData": [
        {"MetricName": "depth", "Dimensions": [{"Name": "queue", "Value": "q"}], "Value": 3.0, "Unit": "Count"},
        {"MetricName": "depth", "Dimensions": [{"Name": "queue", "Value": "q"}], "Values": [1.0, 9.0], "Counts": [2.0, 1.0], "Unit": "Count"},
        {"MetricName": "set", "StatisticValues": {"SampleCount": 4.0, "Sum": 20.0, "Minimum": 2.0, "Maximum": 8.0}},
    ]});
    w.cw_ok("PutMetricData", data).await;
    let depth = json!({"Namespace": "app", "MetricName": "depth", "Dimensions": [{"Name": "queue", "Value": "q"}]});
    w.handle.advance(89.0);
    assert_eq!(w.values("Sum", depth.clone(), START, 60).await, []);
    w.handle.advance(1.0);
    assert_eq!(w.values("Sum", depth.clone(), START, 60).await, [(START, 14.0)]);
    assert_eq!(w.values("p50", depth.clone(), START, 60).await, [(START, 1.0)]);
    assert_eq!(w.values("SampleCount", depth, START, 60).await, [(START, 4.0)]);
    let set = json!({"Namespace": "app", "MetricName": "set"});
    assert_eq!(w.values("Average", set.clone(), START, 60).await, [(START, 5.0)]);
    assert_eq!(w.values("p50", set, START, 60).await, [], "a statistic set has no percentiles");
    assert_eq!(w.values("Sum", json!({"Namespace": "app", "MetricName": "depth"}), START, 60).await, [], "other dimensions are another metric");
    w.handle.advance(509.0);
    assert_eq!(w.cw_ok("ListMetrics", json!({"Namespace": "app"})).await["Metrics"], json!([]));
    w.handle.advance(1.0);
    assert_eq!(w.cw_ok("ListMetrics", json!({"Namespace": "app"})).await["Metrics"].as_array().map(Vec::len), Some(2));
    w.handle.advance(4.0 * 3600.0);
    assert_eq!(w.cw_ok("ListMetrics", json!({"Namespace": "app", "RecentlyActive": "PT3H"})).await["Metrics"], json!([]));
}

#[tokio::test]
async fn a_put_is_stored_whole_or_refused() {
    let w = world().await;
    let good = json!({"MetricName": "m", "Value": 1.0});
    let cases = [
        (json!({"Namespace": "AWS/EC2", "MetricData": [good]}), "InvalidParameterValue"),
        (json!({"Namespace": ":x", "MetricData": [good]}), "ValidationError"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m"}]}), "MissingParameter"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": 1.0, "Values": [1.0]}]}), "InvalidParameterCombination"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": "NaN"}]}), "InvalidParameterValue"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": 1e200}]}), "InvalidParameterValue"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": 1.0, "Timestamp": START + 7201}]}), "InvalidParameterValue"),
        (
            json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": 1.0, "Timestamp": START - 15 * 86_400}]}),
            "InvalidParameterValue",
        ),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Value": 1.0, "StorageResolution": 5}]}), "InvalidParameterValue"),
        (json!({"Namespace": "x", "MetricData": [good, {"MetricName": "m", "Values": [1.0], "Counts": [1.0, 2.0]}]}), "InvalidParameterCombination"),
        (json!({"Namespace": "x"}), "MissingParameter"),
    ];
    for (body, code) in cases {
        let got = w.cw("PutMetricData", body.clone()).await;
        let header = got.headers.get("x-amzn-query-error").and_then(|v| v.to_str().ok()).unwrap_or_default();
        assert_eq!(header, format!("{code};Sender"), "{body}");
    }
    w.handle.advance(1200.0);
    assert_eq!(w.cw_ok("ListMetrics", json!({"Namespace": "x"})).await["Metrics"], json!([]), "nothing of a refused call is stored");
}
