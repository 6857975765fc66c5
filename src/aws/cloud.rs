//! The clients of one place, and the two functions that every call goes through: [`Cloud::read`] and [`Cloud::act`].
//!
//! **Invariant:** no other function sends anything. Logs hold the operation, its time, the request id and the error code,
//! never a parameter or a body.

use std::cell::Cell;
use std::collections::HashSet;
use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::budget::{Budget, Priority};
use super::error::{AwsError, Call, ErrorKind, classify};
use super::scrub::safe;
use crate::clock::Clocks;
use crate::failpoint::Tripwire;

tokio::task_local! {
    /// Whether the call of this task reached the connector, so that a failure before it is known to have sent nothing.
    static TRANSMITTED: Cell<bool>;
}

/// Who we are in AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// ARN of the user or of the assumed role's session.
    pub arn: String,
}

/// An act that AWS accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// What it brought.
    pub value: T,
    /// AWS's request id, for the audit.
    pub request_id: Option<String>,
}

impl<T> Done<T> {
    /// The same act with another value.
    pub(super) fn map<U>(self, value: impl FnOnce(T) -> U) -> Done<U> {
        Done { value: value(self.value), request_id: self.request_id }
    }
}

/// The clients of one place. Cheap to clone.
///
/// Reads take a [`Priority`] and fail with `OverBudget` before anything is sent when the place's budget is used up; acts
/// always go.
#[derive(Clone)]
pub struct Cloud {
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) ecr: aws_sdk_ecr::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    sts: aws_sdk_sts::Client,
    /// The same services for acts: one attempt.
    pub(super) autoscaling_once: aws_sdk_autoscaling::Client,
    pub(super) ec2_once: aws_sdk_ec2::Client,
    clocks: Clocks,
    budget: Arc<Mutex<Budget>>,
    tripwire: Tripwire,
}

/// Longest that a read waits for the budget, in cloud milliseconds.
const LONGEST_TURN_MS: i64 = 30_000;
/// Shortest real sleep while waiting for the budget.
const SHORTEST_SLEEP: std::time::Duration = std::time::Duration::from_millis(2);

impl Cloud {
    /// Makes the clients; nothing is sent.
    pub(super) fn new(
        config: &SdkConfig,
        attempt: Duration,
        clocks: Clocks,
        budget: Arc<Mutex<Budget>>,
        calls: Arc<AtomicU64>,
        tripwire: Tripwire,
    ) -> Self {
        let meter = Meter(calls);
        let timeouts = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let once = config
            .to_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(timeouts.operation_timeout(attempt).build())
            .build();
        macro_rules! client {
            ($service:ident, $config:expr) => {
                $service::Client::from_conf($service::config::Builder::from($config).interceptor(meter.clone()).build())
            };
        }
        Self {
            autoscaling: client!(aws_sdk_autoscaling, config),
            ec2: client!(aws_sdk_ec2, config),
            elb: client!(aws_sdk_elasticloadbalancingv2, config),
            ecr: client!(aws_sdk_ecr, config),
            cloudwatch: client!(aws_sdk_cloudwatch, config),
            sts: client!(aws_sdk_sts, config),
            autoscaling_once: client!(aws_sdk_autoscaling, &once),
            ec2_once: client!(aws_sdk_ec2, &once),
            clocks,
            budget,
            tripwire,
        }
    }

    /// Who these credentials are: the best probe of a new place (aws-reference 11).
    ///
    /// # Errors
    /// Those of a read; `Denied` when the credentials or the role are not accepted.
    pub async fn whoami(&self, p: Priority) -> Result<Identity, AwsError> {
        let out = self.read(p, "sts:GetCallerIdentity", self.sts.get_caller_identity().send()).await?;
        Ok(Identity { account: out.account.unwrap_or_default(), arn: out.arn.unwrap_or_default() })
    }

    /// Sends a read: budget, log, classification.
    pub(super) async fn read<O, E>(
        &self,
        p: Priority,
        operation: &'static str,
        sending: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, AwsError>
    where
        O: RequestId,
        E: ProvideErrorMetadata + Error + 'static,
    {
        if self.tripwire.broken() {
            return Err(AwsError::ours(ErrorKind::Unavailable, operation, "the process has ended"));
        }
        self.send(Call::Read, p, operation, sending).await.map(|done| done.value)
    }

    /// Sends an act. `sending` must come from a `…_once` client.
    pub(super) async fn act<O, E>(
        &self,
        operation: &'static str,
        sending: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<Done<O>, AwsError>
    where
        O: RequestId,
        E: ProvideErrorMetadata + Error + 'static,
    {
        if !self.tripwire.pass("before act") {
            return Err(AwsError::ours(ErrorKind::NotSent, operation, "the process has ended"));
        }
        let answer = self.send(Call::Act, Priority::Act, operation, sending).await;
        if !self.tripwire.pass("after act") {
            return Err(AwsError::ours(ErrorKind::Unknown, operation, "the process has ended"));
        }
        answer
    }

    async fn send<O, E>(
        &self,
        call: Call,
        p: Priority,
        operation: &'static str,
        sending: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<Done<O>, AwsError>
    where
        O: RequestId,
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.take_turn(p, operation).await?;
        // On the heap: an SDK future is tens of kilobytes without optimisation, and callers nest many.
        let sending = Box::pin(sending);
        let start = self.clocks.wall();
        let (answer, transmitted) = TRANSMITTED.scope(Cell::new(false), async { (sending.await, TRANSMITTED.with(Cell::get)) }).await;
        let ms = self.clocks.wall() - start;
        match answer {
            Ok(value) => {
                let request_id = value.request_id().map(safe);
                tracing::debug!(operation, ms, request_id, "answered");
                Ok(Done { value, request_id })
            }
            Err(failure) => {
                let error = classify(call, operation, transmitted, &failure);
                tracing::debug!(operation, ms, request_id = error.request_id, code = error.code, kind = ?error.kind, "failed");
                if error.kind == ErrorKind::Throttled {
                    self.budget(|budget, now| budget.throttled(now));
                }
                Err(error)
            }
        }
    }

    /// Waits for the budget: one look needs several calls, and must not starve between two of them. A clock that is moved by
    /// hand is not waited for.
    async fn take_turn(&self, p: Priority, operation: &'static str) -> Result<(), AwsError> {
        let begun = self.clocks.cloud();
        loop {
            let Err(retry_at) = self.budget(|budget, now| budget.take(p, now)) else { return Ok(()) };
            let now = self.clocks.cloud();
            if self.clocks.is_manual() || retry_at - begun > LONGEST_TURN_MS {
                tracing::debug!(operation, "held back by the call budget");
                return Err(AwsError::over_budget(operation, retry_at));
            }
            tokio::time::sleep(self.clocks.real(retry_at - now).max(SHORTEST_SLEEP)).await;
        }
    }

    fn budget<T>(&self, work: impl FnOnce(&mut Budget, i64) -> T) -> T {
        work(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner), self.clocks.cloud())
    }
}

/// Counts what is sent, and marks the call that sends it.
#[derive(Clone, Debug)]
struct Meter(Arc<AtomicU64>);

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "fleetgate meter"
    }
    fn read_before_transmit(&self, _: &BeforeTransmitInterceptorContextRef<'_>, _: &RuntimeComponents, _: &mut ConfigBag) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        // Outside a call of ours there is nothing to mark.
        let _ = TRANSMITTED.try_with(|sent| sent.set(true));
        Ok(())
    }
}

/// Walks the pages of a listing.
pub(super) struct Pages {
    operation: &'static str,
    cap: usize,
    seen: HashSet<String>,
    token: Option<String>,
}

impl Pages {
    /// At most about `cap` entries will be read.
    pub(super) fn new(operation: &'static str, cap: usize) -> Self {
        Self { operation, cap, seen: HashSet::new(), token: None }
    }

    /// The token of the page to ask for now.
    pub(super) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Whether there is a page after the one with token `next`, with `so_far` entries read.
    ///
    /// # Errors
    /// `Unavailable` when AWS repeats a token: the listing would never end, and what was read may not be all.
    pub(super) fn more(&mut self, next: Option<String>, so_far: usize) -> Result<bool, AwsError> {
        self.token = next.filter(|t| !t.is_empty());
        let Some(token) = &self.token else { return Ok(false) };
        if so_far >= self.cap {
            tracing::warn!(operation = self.operation, so_far, "listing cut off at its cap");
            return Ok(false);
        }
        if self.seen.insert(token.clone()) {
            return Ok(true);
        }
        Err(AwsError::ours(ErrorKind::Unavailable, self.operation, "AWS repeated a page of this listing"))
    }
}
