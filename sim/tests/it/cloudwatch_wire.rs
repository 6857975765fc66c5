//! CloudWatch's three protocols, byte by byte.

use http_body_util::Full;
use hyper::body::Bytes;
use minicbor::{Decoder, Encoder, data::Tag};
use serde_json::{Value, json};

use crate::{
    client::{ASG, Got, World, world},
    cloudwatch::START,
};

/// JSON as CBOR; members whose name ends in `Time` are times.
fn cbor(e: &mut Encoder<Vec<u8>>, name: &str, value: &Value) {
    match value {
        Value::Object(map) => {
            e.begin_map().expect("memory");
            for (key, value) in map {
                e.str(key).expect("memory");
                cbor(e, key, value);
            }
            e.end().expect("memory");
        }
        Value::Array(rows) => {
            e.array(rows.len() as u64).expect("memory");
            rows.iter().for_each(|row| cbor(e, name, row));
        }
        Value::String(text) => drop(e.str(text).expect("memory")),
        Value::Bool(flag) => drop(e.bool(*flag).expect("memory")),
        Value::Number(n) if name.ends_with("Time") => drop(e.tag(Tag::new(1)).expect("memory").f64(n.as_f64().expect("f64")).expect("memory")),
        Value::Number(n) if n.is_i64() => drop(e.i64(n.as_i64().expect("i64")).expect("memory")),
        Value::Number(n) => drop(e.f64(n.as_f64().expect("f64")).expect("memory")),
        Value::Null => drop(e.null().expect("memory")),
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    cbor(&mut encoder, "", value);
    encoder.into_writer()
}

/// The answer's body in CBOR's diagnostic notation.
fn notation(got: &Got) -> String {
    minicbor::display(&got.bytes).to_string()
}

impl World {
    /// A call as the Rust SDK sends it, of these bytes and with these further headers.
    async fn raw(&self, operation: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Got {
        let mut request = hyper::Request::post(format!("/service/GraniteServiceVersion20100801/operation/{operation}"))
            .header("host", "localhost")
            .header("authorization", Self::authorization("AKIATEST", "monitoring"))
            .header("content-type", "application/cbor")
            .header("accept", "application/cbor")
            .header("x-amzn-query-mode", "true");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(Bytes::from(body))).expect("request")).await.expect("answers")
    }

    async fn cbor(&self, operation: &str, body: &Value) -> Got {
        self.raw(operation, encoded(body), &[("smithy-protocol", "rpc-v2-cbor")]).await
    }
}

fn header<'a>(got: &'a Got, name: &str) -> &'a str {
    got.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn statistics() -> Value {
    json!({
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": ASG}],
        "StartTime": START - 600,
        "EndTime": START,
        "Period": 600,
        "Statistics": ["SampleCount", "Maximum"],
    })
}

#[tokio::test]
async fn cbor_is_answered_in_cbor_with_the_protocol_s_header() {
    let w = world().await;
    w.handle.advance(300.0);
    let got = w.cbor("GetMetricStatistics", &statistics()).await;
    assert_eq!(got.status, 200, "{}", notation(&got));
    assert_eq!((header(&got, "content-type"), header(&got, "smithy-protocol")), ("application/cbor", "rpc-v2-cbor"));
    assert!(!header(&got, "x-amzn-requestid").is_empty());
    let text = notation(&got);
    // The time is tag 1, doubles are doubles also where they are whole.
    assert!(text.contains(&format!(r#""Timestamp": 1({})"#, START - 600)), "{text}");
    let mut decoder = Decoder::new(&got.bytes);
    assert_eq!(decoder.map().expect("map"), Some(2));
    assert!(got.bytes.windows(12).any(|b| b == b"kSampleCount"), "{text}");
    let at = got.bytes.windows(12).position(|b| b == b"kSampleCount").expect("there") + 12;
    assert_eq!(&got.bytes[at..at + 3], &[0xfb, 0x40, 0x34], "a double, 20: {text}");
}

#[tokio::test]
async fn a_refusal_in_cbor_names_the_shape_and_the_query_code() {
    let w = world().await;
    let got = w.cbor("GetMetricStatistics", &json!({"Namespace": "AWS/EC2"})).await;
    assert_eq!((got.status, header(&got, "x-amzn-query-error")), (400, "MissingParameter;Sender"));
    assert_eq!((header(&got, "content-type"), header(&got, "smithy-protocol")), ("application/cbor", "rpc-v2-cbor"));
    let text = notation(&got);
    assert!(text.contains(r#""__type": "com.amazonaws.cloudwatch#MissingRequiredParameterException""#), "{text}");
    assert!(text.contains(r#""message": "The parameter MetricName is required.""#), "{text}");
    let call = w.handle.calls_since(0).remove(0);
    assert_eq!((call.operation.as_str(), call.error_code.as_deref(), call.status), ("GetMetricStatistics", Some("MissingParameter"), 400));
    assert_eq!(call.params.get("Namespace").map(String::as_str), Some("AWS/EC2"));
}

#[tokio::test]
async fn a_refusal_in_json_names_both_too() {
    let w = world().await;
    let got = w.cw("DeleteAlarms", json!({"AlarmNames": ["none"]})).await;
    assert_eq!((got.status, header(&got, "x-amzn-query-error")), (404, "ResourceNotFound;Sender"));
    assert_eq!(header(&got, "content-type"), "application/x-amz-json-1.0");
    assert_eq!(got.json()["__type"], "com.amazonaws.cloudwatch#ResourceNotFound");
    let got = w.cw("NoSuchOperation", json!({})).await;
    assert_eq!((got.status, header(&got, "x-amzn-query-error")), (404, "UnknownOperationException;Sender"));
}

#[tokio::test]
async fn query_is_answered_in_xml() {
    let w = world().await;
    w.handle.advance(300.0);
    let params = [
        ("Namespace", "AWS/EC2"),
        ("MetricName", "CPUUtilization"),
        ("Dimensions.member.1.Name", "AutoScalingGroupName"),
        ("Dimensions.member.1.Value", ASG),
        ("StartTime", "2026-01-05T08:50:00Z"),
        ("EndTime", "2026-01-05T09:00:00Z"),
        ("Period", "600"),
        ("ExtendedStatistics.member.1", "p99"),
    ];
    let got = w.query("monitoring", "GetMetricStatistics", &params).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let root = "<GetMetricStatisticsResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><GetMetricStatisticsResult>";
    assert!(got.body.starts_with(root), "{}", got.body);
    assert_eq!(got.one("Timestamp"), "2026-01-05T08:50:00.000Z");
    assert!(got.one("ExtendedStatistics").starts_with("<entry><key>p99</key><value>"), "{}", got.body);
    w.query("monitoring", "GetMetricStatistics", &params[..7]).await.refused(400, "InvalidParameterCombination");
    w.query("monitoring", "GetMetricStatistics", &[&params[..6], &[("Period", "often")]].concat()).await.refused(400, "MalformedInput");
    w.query("monitoring", "NoSuchOperation", &[]).await.refused(400, "InvalidAction");
}

#[tokio::test]
async fn the_protocols_say_the_same() {
    let w = world().await;
    w.handle.advance(300.0);
    let json = w.cw_ok("GetMetricStatistics", statistics()).await;
    let shown = json["Datapoints"][0]["Maximum"].as_f64().expect("number");
    let got = w.cbor("GetMetricStatistics", &statistics()).await;
    let at = got.bytes.windows(8).position(|b| b == b"gMaximum").expect("there") + 8;
    assert_eq!(Decoder::new(&got.bytes[at..]).f64().expect("double").to_bits(), shown.to_bits());
    let params = [
        ("Namespace", "AWS/EC2"),
        ("MetricName", "CPUUtilization"),
        ("Dimensions.member.1.Name", "AutoScalingGroupName"),
        ("Dimensions.member.1.Value", ASG),
        ("StartTime", "2026-01-05T08:50:00Z"),
        ("EndTime", "2026-01-05T09:00:00Z"),
        ("Period", "600"),
        ("Statistics.member.1", "Maximum"),
    ];
    let got = w.query("monitoring", "GetMetricStatistics", &params).await;
    assert_eq!(got.one("Maximum"), shown.to_string());
}

#[tokio::test]
async fn a_body_may_be_packed_and_must_not_grow_without_end() {
    let w = world().await;
    let pack = |bytes: &[u8]| {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).expect("memory");
        packer.finish().expect("memory")
    };
    let headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-encoding", "gzip")];
    let data = encoded(&json!({"Namespace": "app", "MetricData": [{"MetricName": "depth", "Value": 4.0}]}));
    let got = w.raw("PutMetricData", pack(&data), &headers).await;
    assert_eq!(got.status, 200, "{}", notation(&got));
    assert!(w.handle.calls_since(0)[0].effective);
    // Well formed, so that only its size is against it.
    let bomb = pack(&encoded(&json!({"Namespace": "a".repeat(16 << 20)})));
    assert!(bomb.len() < 100_000);
    assert_eq!(header(&w.raw("PutMetricData", bomb, &headers).await, "x-amzn-query-error"), "SerializationException;Sender");
    assert_eq!(header(&w.raw("PutMetricData", data, &headers).await, "x-amzn-query-error"), "SerializationException;Sender");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_harms_nobody() {
    let w = world().await;
    let deep = [vec![0xa1, 0x61, b'a'], vec![0x81; 1 << 20]].concat();
    for body in [deep, vec![0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0], vec![0xff], vec![0xa0, 0xa0], vec![0x83, 0x01]] {
        let got = w.raw("ListMetrics", body, &[("smithy-protocol", "rpc-v2-cbor")]).await;
        assert_eq!((got.status, header(&got, "x-amzn-query-error")), (400, "SerializationException;Sender"));
    }
    // A name that is a million steps deep.
    let got = w.query("monitoring", "ListMetrics", &[("a.".repeat(1 << 20).as_str(), "x")]).await;
    got.refused(404, "MalformedQueryString");
    let got = w.raw("ListMetrics", encoded(&json!({})), &[]).await;
    assert_eq!(got.status, 400, "without the protocol's header");
    let got = w.cw("ListMetrics", json!({"Namespace": 5})).await;
    assert_eq!(got.json()["__type"], "com.amazonaws.cloudwatch#SerializationException");
    assert_eq!(w.cbor("ListMetrics", &json!({})).await.status, 200);
    assert_eq!(w.raw("ListMetrics", Vec::new(), &[("smithy-protocol", "rpc-v2-cbor")]).await.status, 200, "no body is no member");
}

#[tokio::test]
async fn faults_speak_cloudwatch() {
    let w = world().await;
    let fault = |kind: &str| json!({"service": "cloudwatch", "operation": "*", "kind": kind, "rate": 1.0, "seed": 1});
    for (kind, status, code) in
        [("throttle", 400, "Throttling;Sender"), ("error", 500, "InternalServiceError;Receiver"), ("denied", 403, "AccessDenied;Sender")]
    {
        w.control("POST", "faults", fault(kind)).await;
        let got = w.cbor("ListMetrics", &json!({})).await;
        assert_eq!((got.status, header(&got, "x-amzn-query-error")), (status, code));
        if kind == "denied" {
            assert!(notation(&got).contains("perform: cloudwatch:ListMetrics because"), "{}", notation(&got));
        }
        w.control("DELETE", "faults", json!({})).await;
    }
}
