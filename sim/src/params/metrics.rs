//! Timings and undocumented choices of CloudWatch, and what the world's numbers are made of.
//!
//! **Invariant:** as in the parent: what is inferred is a field here and nowhere a constant.

use serde::{Deserialize, Serialize};

use super::{flag, narrow};
use crate::rng::Span;

/// CloudWatch's part of a world's parameters (aws-reference 2.3, 9, 14). Spans in seconds unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricParams {
    /// End of a datapoint's interval until it can be read.
    pub latency: Span,
    /// The same for what a client puts for the last three hours.
    pub custom_latency: Span,
    /// The same for what a client puts for the last day.
    pub late_datum_latency: Span,
    /// First datapoint of a metric until ListMetrics shows it.
    pub list_lag: Span,
    /// Periods an alarm looks at beyond its own, for missing datapoints.
    pub alarm_extra_periods: i64,
    /// An alarm's reason says "3 out of the last 3 datapoints" (else "3 datapoints").
    pub alarm_reason_counts_periods: bool,
    /// CPU of an instance nobody asks for anything, percent.
    pub idle_cpu: Span,
    /// Requests per second that cost one percent of an instance's CPU.
    pub requests_per_percent: Span,
    /// Average response time of a target, milliseconds.
    pub response_ms: Span,
    /// Size of a request, bytes.
    pub request_bytes: Span,
    /// Size of an answer, bytes.
    pub response_bytes: Span,
    /// Requests a client sends over one connection.
    pub requests_per_connection: Span,
}

impl MetricParams {
    pub(super) fn reference() -> Self {
        Self {
            latency: Span::new(60, 120),
            custom_latency: Span::new(1, 120),
            late_datum_latency: Span::new(120, 7200),
            list_lag: Span::new(60, 900),
            alarm_extra_periods: 2,
            alarm_reason_counts_periods: false,
            idle_cpu: Span::new(1, 5),
            requests_per_percent: Span::new(1, 8),
            response_ms: Span::new(20, 120),
            request_bytes: Span::new(600, 3000),
            response_bytes: Span::new(2000, 40_000),
            requests_per_connection: Span::new(1, 20),
        }
    }

    pub(super) fn draw(seed: u64) -> Self {
        let r = Self::reference();
        Self {
            latency: narrow(seed, "metrics.latency", r.latency),
            custom_latency: narrow(seed, "metrics.custom_latency", r.custom_latency),
            late_datum_latency: narrow(seed, "metrics.late_datum_latency", r.late_datum_latency),
            list_lag: narrow(seed, "metrics.list_lag", r.list_lag),
            alarm_reason_counts_periods: flag(seed, "metrics.alarm_reason_counts_periods"),
            idle_cpu: narrow(seed, "metrics.idle_cpu", r.idle_cpu),
            requests_per_percent: narrow(seed, "metrics.requests_per_percent", r.requests_per_percent),
            response_ms: narrow(seed, "metrics.response_ms", r.response_ms),
            request_bytes: narrow(seed, "metrics.request_bytes", r.request_bytes),
            response_bytes: narrow(seed, "metrics.response_bytes", r.response_bytes),
            requests_per_connection: narrow(seed, "metrics.requests_per_connection", r.requests_per_connection),
            ..r
        }
    }
}
