//! Amazon CloudWatch, API 2010-08-01 (aws-reference 9), in CBOR, JSON and query form (aws-reference 1.1).
//!
//! **Invariant:** an operation sees one form of its parameters, whatever protocol they came in, and answers one tree.

mod alarms;
mod data;
mod fields;
mod history;
mod list;
mod put;
mod put_alarm;
mod schema;
mod statistics;
mod tags;

use serde_json::Value;

use super::Body;
use crate::{
    wire::{ApiError, answer::Members},
    world::World,
};

/// Parameters of an operation in the one form.
pub(crate) fn read(op: &str, body: &Body) -> Result<Value, ApiError> {
    let Some(kind) = schema::of(op) else {
        return Err(unknown(op, body));
    };
    match body {
        Body::Form(node) => kind.form(node, ""),
        Body::Json(value) => kind.value(value, ""),
        Body::S3(_) => Err(unknown(op, body)),
    }
}

fn unknown(op: &str, body: &Body) -> ApiError {
    match body {
        Body::Form(_) => super::unknown(op, "2010-08-01"),
        Body::Json(_) | Body::S3(_) => ApiError::new(404, "UnknownOperationException", format!("The requested operation {op} is not available.")),
    }
}

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, v: &Value) -> Result<Members, ApiError> {
    match op {
        "GetMetricData" => data::get(w, v),
        "GetMetricStatistics" => statistics::get(w, v),
        "ListMetrics" => list::metrics(w, v),
        "PutMetricData" => put::data(w, v),
        "DescribeAlarms" => alarms::describe(w, v),
        "DescribeAlarmsForMetric" => alarms::for_metric(w, v),
        "DescribeAlarmHistory" => history::describe(w, v),
        "PutMetricAlarm" => put_alarm::put(w, v),
        "DeleteAlarms" => alarms::delete(w, v),
        "SetAlarmState" => alarms::set_state(w, v),
        "EnableAlarmActions" => alarms::enable(w, v, true),
        "DisableAlarmActions" => alarms::enable(w, v, false),
        "ListTagsForResource" => tags::list(w, v),
        "TagResource" => tags::put(w, v),
        "UntagResource" => tags::remove(w, v),
        _ => Err(super::unknown(op, "2010-08-01")),
    }
}
