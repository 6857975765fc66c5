//! Every timing of aws-reference section 14 and every fact AWS does not document, as a value of the world.
//!
//! **Invariant:** nothing that the reference marks as inferred is a constant elsewhere in the crate: it is a field here,
//! drawn per seed between plausible values, so that a client which leans on a guess fails on some seed.

mod cache;
mod metrics;

use serde::{Deserialize, Serialize};

use crate::rng::{Span, hash};

pub use cache::CacheParams;
pub use metrics::MetricParams;

/// A token bucket of AWS's request throttling (aws-reference 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Tokens it holds.
    pub capacity: i64,
    /// Thousandths of a token that come back in a second.
    pub refill: i64,
}

impl Bucket {
    /// A bucket of this capacity, refilled by thousandths of a token a second.
    pub const fn new(capacity: i64, refill: i64) -> Self {
        Self { capacity, refill }
    }
}

/// Timings (seconds) and undocumented choices of one world (aws-reference 14, and the rows marked inferred).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Desired capacity changed until the group acts.
    pub scale_delay: Span,
    /// StartInstanceRefresh: `Pending` until `InProgress`.
    pub refresh_pending: Span,
    /// EC2 `pending` until `running`.
    pub pending_to_running: Span,
    /// EC2 `running` until registered and ASG `InService`.
    pub running_to_in_service: Span,
    /// Target `Elb.RegistrationInProgress` until `Elb.InitialHealthChecking`.
    pub target_initial: Span,
    /// EC2 `running` until the application listens, unless the image says otherwise.
    pub boot: Span,
    /// Status checks `initializing` until `ok`.
    pub status_checks: Span,
    /// A target or instance failing until the group marks it Unhealthy.
    pub health_poll: Span,
    /// EC2 `shutting-down` until `terminated`.
    pub shutdown: Span,
    /// EC2 `stopping` until `stopped`.
    pub stopping: Span,
    /// A rebooted or started instance until its container listens again.
    pub restart: Span,
    /// How old the console's output may be, unless the latest is asked for.
    pub console_refresh: Span,
    /// An instance, template or security group that was just made until reads by id see it, and a template version until a
    /// group on `$Latest` does.
    pub ec2_visible: Span,
    /// Load balancer `provisioning` until `active`.
    pub balancer_provisioning: Span,
    /// A target group made without a timeout waits 6 seconds, as the API's text says (else 5, as the guide does).
    pub target_timeout_is_six: bool,
    /// How long a terminated instance stays in DescribeInstances.
    pub terminated_visible: i64,
    /// Refresh without progress until it fails.
    pub refresh_no_progress: i64,
    /// Pushed image until its scan is complete.
    pub scan: Span,
    /// Layer upload until it is forgotten if nobody completes it.
    pub upload_kept: Span,
    /// A layer that no image names until it is gone.
    pub unreferenced_layer: Span,
    /// A lifecycle policy put, or applied, until it is applied next.
    pub lifecycle_run: Span,
    /// StartLifecyclePolicyPreview until it is complete.
    pub lifecycle_preview: Span,
    /// A recorded pull until a later one is recorded.
    pub pull_record_grain: i64,
    /// A tag put on an image that is there already moves its imagePushedAt.
    pub retag_moves_pushed: bool,
    /// A lifecycle policy leaves images alone that a manifest list names.
    pub lifecycle_spares_children: bool,
    /// BatchGetImage by digest answers a manifest of a type the caller did not list (else it is not found).
    pub digest_answers_any_type: bool,
    /// Bytes of layers, parts and manifests that are kept at most; a limit of this simulator, the same in every world.
    pub ecr_store_bytes: u64,
    /// A scheduled action's lateness.
    pub scheduled_lag: Span,
    /// A failed launch until the next try.
    pub launch_retry: Span,
    /// Pace of a refresh's own loop.
    pub control_loop: Span,
    /// Target group attached until the group's instances are registered with it.
    pub attach: Span,
    /// Zones out of balance until the group moves an instance.
    pub rebalance: Span,
    /// A failing status check until it counts.
    pub impaired_wait: Span,
    /// `Pending:Proceed`, after the launch hooks.
    pub hook_proceed: Span,
    /// Launches failing until AWS suspends the group by itself.
    pub admin_suspend_after: i64,
    /// AlarmLow of a target tracking policy, percent of its target.
    pub alarm_low_percent: i64,
    /// Terminate-first refreshes wait for the old instance's drain before the next batch.
    pub terminate_first_waits_for_drain: bool,
    /// Launch-first refreshes wait for it too.
    pub launch_first_waits_for_drain: bool,
    /// A refresh becomes Successful only when the last old instance has left the target groups.
    pub success_waits_for_drain: bool,
    /// Desired x Max % is rounded up (else down).
    pub max_healthy_rounds_up: bool,
    /// A refresh may take the group above MaxSize for a while.
    pub refresh_may_pass_max_size: bool,
    /// A refresh's first health check asks the load balancer even within the grace period.
    pub refresh_asks_elb_in_grace: bool,
    /// HealthCheckType is echoed `EC2,ELB` where `ELB` was set.
    pub echo_ec2_health: bool,
    /// An instance leaves the group's list when EC2 starts shutting it down (else when it is terminated).
    pub leaves_group_at_shutdown: bool,
    /// Instances above desired after a cancelled or failed refresh: newest configuration goes first (else the
    /// termination policy chooses).
    pub surplus_sheds_new_first: bool,
    /// Instances that may run in the Region at a time; a launch beyond it fails. The quota of an account is its own.
    pub instance_limit: usize,
    /// Requests are throttled by token buckets. Off unless asked for: a clock stepped by hand refills nothing between
    /// the calls of one instant.
    pub token_buckets: bool,
    /// Auto Scaling's bucket of describing calls; its sizes are not published.
    pub autoscaling_describe: Bucket,
    /// Auto Scaling's bucket of changing calls.
    pub autoscaling_change: Bucket,
    /// ElastiCache's bucket of describing calls; its sizes are not published.
    pub elasticache_describe: Bucket,
    /// ElastiCache's bucket of changing calls.
    pub elasticache_change: Bucket,
    /// Naming ids keeps an EC2 describe out of the smaller bucket of unfiltered, unpaginated calls, as a filter does.
    pub ids_are_filters: bool,
    /// ELBv2 says `ThrottlingException` (else `Throttling`).
    pub elb_throttling_exception: bool,
    /// AWS suspends every process of a group whose launches keep failing (else Launch alone).
    pub admin_suspends_all: bool,
    /// Where every instance fails at once, only as many are marked Unhealthy as may be replaced at a time.
    pub all_unhealthy_marks_fewer: bool,
    /// ElastiCache.
    pub cache: CacheParams,
    /// CloudWatch.
    pub metrics: MetricParams,
}

impl Params {
    /// The documented ranges and defaults of aws-reference 14, the same in every world.
    pub fn reference() -> Self {
        Self {
            scale_delay: Span::new(5, 30),
            refresh_pending: Span::new(5, 60),
            pending_to_running: Span::new(10, 30),
            running_to_in_service: Span::new(5, 20),
            target_initial: Span::new(5, 15),
            boot: Span::new(60, 120),
            status_checks: Span::new(120, 180),
            health_poll: Span::new(20, 60),
            shutdown: Span::new(20, 60),
            stopping: Span::new(10, 60),
            restart: Span::new(5, 20),
            console_refresh: Span::new(60, 240),
            ec2_visible: Span::new(0, 0),
            balancer_provisioning: Span::new(60, 240),
            target_timeout_is_six: false,
            terminated_visible: 3600,
            refresh_no_progress: 3600,
            scan: Span::new(10, 60),
            upload_kept: Span::new(43_200, 86_400),
            unreferenced_layer: Span::new(86_400, 259_200),
            lifecycle_run: Span::new(3600, 86_400),
            lifecycle_preview: Span::new(5, 60),
            pull_record_grain: 86_400,
            retag_moves_pushed: false,
            lifecycle_spares_children: true,
            digest_answers_any_type: true,
            ecr_store_bytes: 256 << 20,
            scheduled_lag: Span::new(1, 120),
            launch_retry: Span::new(30, 90),
            control_loop: Span::new(3, 10),
            attach: Span::new(5, 30),
            rebalance: Span::new(60, 300),
            impaired_wait: Span::new(120, 300),
            hook_proceed: Span::new(1, 5),
            admin_suspend_after: 86_400,
            alarm_low_percent: 70,
            terminate_first_waits_for_drain: true,
            launch_first_waits_for_drain: false,
            success_waits_for_drain: false,
            max_healthy_rounds_up: true,
            refresh_may_pass_max_size: true,
            refresh_asks_elb_in_grace: false,
            echo_ec2_health: false,
            leaves_group_at_shutdown: false,
            surplus_sheds_new_first: true,
            instance_limit: 5000,
            token_buckets: false,
            autoscaling_describe: Bucket::new(60, 20_000),
            autoscaling_change: Bucket::new(30, 5000),
            elasticache_describe: Bucket::new(60, 20_000),
            elasticache_change: Bucket::new(20, 2000),
            ids_are_filters: true,
            elb_throttling_exception: false,
            admin_suspends_all: false,
            all_unhealthy_marks_fewer: false,
            cache: CacheParams::reference(),
            metrics: MetricParams::reference(),
        }
    }

    /// Draws narrower spans inside the documented ones and a side for every undocumented choice.
    pub fn draw(seed: u64) -> Self {
        let span = |label: &str, full: Span| narrow(seed, label, full);
        let flag = |label: &str| flag(seed, label);
        // Between half and one and a half times the reference's guess.
        let bucket = |label: &str, around: Bucket| {
            let part = |of: i64, key: &str| of / 2 + (hash(seed, label, key) % (of.max(1) as u64 + 1)) as i64;
            Bucket::new(part(around.capacity, "capacity").max(1), part(around.refill, "refill").max(1))
        };
        let r = Self::reference();
        Self {
            scale_delay: span("scale_delay", r.scale_delay),
            refresh_pending: span("refresh_pending", r.refresh_pending),
            pending_to_running: span("pending_to_running", r.pending_to_running),
            running_to_in_service: span("running_to_in_service", r.running_to_in_service),
            target_initial: span("target_initial", r.target_initial),
            boot: span("boot", r.boot),
            status_checks: span("status_checks", r.status_checks),
            health_poll: span("health_poll", r.health_poll),
            shutdown: span("shutdown", r.shutdown),
            stopping: span("stopping", r.stopping),
            restart: span("restart", r.restart),
            console_refresh: span("console_refresh", r.console_refresh),
            ec2_visible: Span::new(0, if flag("ec2_visible") { 1 + (hash(seed, "ec2_visible", "max") % 5) as i64 } else { 0 }),
            balancer_provisioning: span("balancer_provisioning", r.balancer_provisioning),
            target_timeout_is_six: flag("target_timeout_is_six"),
            scan: span("scan", r.scan),
            upload_kept: span("upload_kept", r.upload_kept),
            unreferenced_layer: span("unreferenced_layer", r.unreferenced_layer),
            lifecycle_run: span("lifecycle_run", r.lifecycle_run),
            lifecycle_preview: span("lifecycle_preview", r.lifecycle_preview),
            pull_record_grain: 3600 + (hash(seed, "pull_record_grain", "grain") % 82_801) as i64,
            retag_moves_pushed: flag("retag_moves_pushed"),
            lifecycle_spares_children: flag("lifecycle_spares_children"),
            digest_answers_any_type: flag("digest_answers_any_type"),
            scheduled_lag: span("scheduled_lag", r.scheduled_lag),
            launch_retry: span("launch_retry", r.launch_retry),
            control_loop: span("control_loop", r.control_loop),
            attach: span("attach", r.attach),
            rebalance: span("rebalance", r.rebalance),
            impaired_wait: span("impaired_wait", r.impaired_wait),
            hook_proceed: span("hook_proceed", r.hook_proceed),
            alarm_low_percent: if flag("alarm_low_percent") { 90 } else { 70 },
            terminate_first_waits_for_drain: flag("terminate_first_waits_for_drain"),
            launch_first_waits_for_drain: flag("launch_first_waits_for_drain"),
            success_waits_for_drain: flag("success_waits_for_drain"),
            max_healthy_rounds_up: flag("max_healthy_rounds_up"),
            refresh_may_pass_max_size: flag("refresh_may_pass_max_size"),
            refresh_asks_elb_in_grace: flag("refresh_asks_elb_in_grace"),
            echo_ec2_health: flag("echo_ec2_health"),
            leaves_group_at_shutdown: flag("leaves_group_at_shutdown"),
            surplus_sheds_new_first: flag("surplus_sheds_new_first"),
            autoscaling_describe: bucket("autoscaling_describe", r.autoscaling_describe),
            autoscaling_change: bucket("autoscaling_change", r.autoscaling_change),
            elasticache_describe: bucket("elasticache_describe", r.elasticache_describe),
            elasticache_change: bucket("elasticache_change", r.elasticache_change),
            ids_are_filters: flag("ids_are_filters"),
            elb_throttling_exception: flag("elb_throttling_exception"),
            admin_suspends_all: flag("admin_suspends_all"),
            all_unhealthy_marks_fewer: flag("all_unhealthy_marks_fewer"),
            cache: CacheParams::draw(seed),
            metrics: MetricParams::draw(seed),
            ..r
        }
    }
}

/// A narrower span inside a documented one.
fn narrow(seed: u64, label: &str, full: Span) -> Span {
    let half = ((full.max - full.min) / 2).max(1) as u64;
    let min = full.min + (hash(seed, label, "min") % half) as i64;
    let max = full.max - (hash(seed, label, "max") % half) as i64;
    Span::new(min, max.max(min))
}

/// A side of an undocumented choice.
fn flag(seed: u64, label: &str) -> bool {
    hash(seed, label, "flag") & 1 == 1
}
