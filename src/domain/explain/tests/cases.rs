//! The situations: how each is made, its cause, and what the sentence must say.

use super::*;

pub(super) type Case = (&'static str, fn(&mut World), Cause, &'static [&'static str]);

pub(super) const CODE: &str = "Health checks failed with these codes: [502]";

/// Every situation of a running change: how it is made, the cause, and what the sentence must say.
pub(super) const RUNNING: [Case; 62] = [
    ("approval", |w| w.state = State::AwaitingApproval, Cause::AwaitingApproval, &["#7 waits for another person's approval since", "(12 min)"]),
    ("scheduled", |w| w.state = State::Scheduled, Cause::Scheduled, &["waits for its time"]),
    (
        "behind what runs",
        |w| {
            w.state = State::Queued;
            w.others = vec![other(5, Kind::Capacity, State::Running)];
        },
        Cause::QueuedBehind,
        &["#7 waits for the end of #5 (capacity), which runs"],
    ),
    (
        "behind what was asked for before",
        |w| {
            w.state = State::Queued;
            w.others = vec![other(6, Kind::Replace, State::Queued)];
        },
        Cause::QueuedBehind,
        &["#6 (replace), which was asked for before"],
    ),
    (
        "a condition",
        |w| {
            (w.state, w.sentence) = (State::Queued, "Deploys v2. The group is scaling: 1 of 2 in service. The change waits for it.".into());
            w.obs.refreshes.clear();
        },
        Cause::QueuedCondition,
        &["#7 has not begun: The group is scaling"],
    ),
    ("never seen", |w| w.looked = false, Cause::NeverSeen, &["has not been asked"]),
    (
        "denied",
        |w| (w.misses, w.failure) = (3, Some("autoscaling:DescribeAutoScalingGroups: not for you (AccessDenied)".into())),
        Cause::ReadingDenied,
        &["does not let Fleetgate look (autoscaling:DescribeAutoScalingGroups)", "read 0 s ago"],
    ),
    (
        "throttled",
        |w| (w.misses, w.failure, w.now) = (4, Some("autoscaling:DescribeAutoScalingGroups: Rate exceeded (Throttling)".into()), NOW + MIN),
        Cause::Throttled,
        &["AWS limits our calls", "4 looks in a row", "1 min ago"],
    ),
    ("lost", |w| (w.misses, w.failure) = (3, Some("x: timeout".into())), Cause::LostContact, &["AWS does not answer"]),
    ("old", |w| w.now = NOW + 4 * MIN, Cause::DataOld, &["read 4 min ago"]),
    ("gone", |w| w.obs.group = None, Cause::GroupGone, &["no longer lists the group g", "not by Fleetgate"]),
    ("recreated", |w| w.group().arn = "arn:other".into(), Cause::GroupRecreated, &["recreated under the same name"]),
    ("deleting", |w| w.group().status = Some("Delete in progress".into()), Cause::GroupDeleting, &["“Delete in progress”"]),
    ("mixed", |w| w.group().launch = LaunchSource::Mixed { template: None }, Cause::LaunchSourceChanged, &["a mixed instances policy"]),
    (
        "foreign",
        |w| {
            w.progress.refresh = None;
            w.progress.refresh_before = None;
            w.obs.refreshes[0].id = "r-9".into();
        },
        Cause::ForeignRefresh,
        &["#7 waits: another instance refresh (r-9), which no open change started, is InProgress since", "(10 min)"],
    ),
    ("cancelled", |w| w.status("Cancelling", Some("Cancelled due to user request.")), Cause::CancelledByOthers, &["Somebody cancels", "(1 min)"]),
    (
        "alarm",
        |w| w.status("RollbackInProgress", Some("CloudWatch alarm guard-5xx is in ALARM state.")),
        Cause::AlarmGuard,
        &["the alarm guard-5xx", "AWS says “CloudWatch alarm guard-5xx is in ALARM state”"],
    ),
    (
        "rolled back",
        |w| w.status("RollbackInProgress", Some("Rollback due to x.")),
        Cause::RolledBackByOthers,
        &["not by Fleetgate's order", "“Rollback due to x”"],
    ),
    ("new status", |w| w.status("Dreaming", None), Cause::RefreshStatusUnknown, &["“Dreaming”", "nothing is concluded"]),
    (
        "paused",
        |w| w.suspend("InstanceRefresh", "User suspended at 2026-09-21T14:03:20Z"),
        Cause::InstanceRefreshSuspended,
        &["InstanceRefresh is suspended since", "by a user of AWS, not by Fleetgate"],
    ),
    ("administrative", |w| w.suspend("Launch", "Administrator suspended at 2026-09-21T14:03:20Z"), Cause::LaunchSuspendedByAws, &["by AWS itself"]),
    ("launch", |w| w.suspend("Launch", "because"), Cause::LaunchSuspended, &["Launch is suspended, not by Fleetgate; AWS says “because”"]),
    ("terminate", |w| w.suspend("Terminate", "User suspended at 2026-09-21T14:03:20Z"), Cause::TerminateSuspended, &["takes no instance away"]),
    (
        "health check off",
        |w| {
            w.suspend("HealthCheck", "");
            w.target("i-old1", "unhealthy", "Target.Timeout", "Request timed out");
        },
        Cause::HealthCheckSuspended,
        &["marks no instance"],
    ),
    (
        "replace off",
        |w| {
            w.suspend("ReplaceUnhealthy", "");
            w.i("i-old1").health = "Unhealthy".into();
        },
        Cause::ReplaceUnhealthySuspended,
        &["replaces no unhealthy instance"],
    ),
    (
        "not allowed",
        |w| w.launch(1, "z-a", Some("Client.UnauthorizedOperation: no")),
        Cause::LaunchUnauthorized,
        &["“Client.UnauthorizedOperation: no”"],
    ),
    ("key", |w| w.launch(1, "z-a", Some("Client.InvalidKMSKey.InvalidState: disabled")), Cause::LaunchKeyUnusable, &["key of the instance's disk"]),
    ("image", |w| w.launch(1, "z-a", Some("The image id '[ami-1]' does not exist.")), Cause::LaunchImageMissing, &["machine image is gone", "ami-1"]),
    (
        "security group",
        |w| w.launch(1, "z-a", Some("The security group 'sg-1' does not exist. Launching EC2 instance failed.")),
        Cause::LaunchSecurityGroupMissing,
        &["sg-1"],
    ),
    (
        "template",
        |w| w.launch(1, "z-a", Some("You must use a valid fully-formed launch template. Bad.")),
        Cause::LaunchTemplateInvalid,
        &["from the template"],
    ),
    (
        "quota",
        |w| w.launch(1, "z-a", Some("VcpuLimitExceeded - You have requested more vCPU capacity")),
        Cause::LaunchQuota,
        &["quota is used up", "VcpuLimitExceeded"],
    ),
    (
        "addresses",
        |w| w.launch(1, "z-a", Some("There are not enough free addresses in subnet 'subnet-1'.")),
        Cause::LaunchNoAddresses,
        &["in z-a has no free address"],
    ),
    (
        "spot",
        |w| w.launch(1, "z-a", Some("SpotMaxPriceTooLow - Your Spot request price of 0.01 is low")),
        Cause::LaunchSpot,
        &["gives no Spot instance in z-a"],
    ),
    (
        "capacity",
        |w| w.launch(4, "z-b", Some("We currently do not have sufficient m6i.large capacity in the Availability Zone you requested (z-b).")),
        Cause::LaunchNoCapacity,
        &["AWS has no m6i.large capacity in z-b since", "(4 min)"],
    ),
    ("capacity by code", |w| w.launch(1, "z-b", Some("InsufficientInstanceCapacity")), Cause::LaunchNoCapacity, &["no capacity in z-b"]),
    (
        "abandoned",
        |w| w.launch(1, "z-b", Some("Lifecycle Action with token x was abandoned: Heartbeat Timeout")),
        Cause::LaunchAbandoned,
        &["hook gave up"],
    ),
    ("raw", |w| w.launch(1, "z-b", Some("The moon is in the way.")), Cause::LaunchFailed, &["AWS says “The moon is in the way”"]),
    (
        "no longer healthy",
        |w| w.target("i-new1", "unhealthy", "Target.ResponseCodeMismatch", CODE),
        Cause::WasHealthy,
        &["i-new1 in z-a was healthy and is no longer", "[502]"],
    ),
    (
        "over budget",
        |w| {
            w.fresh(7);
            w.target("i-new1", "unhealthy", "Target.FailedHealthChecks", "Health checks failed");
        },
        Cause::BootBudgetOver,
        &["i-new1", "within its boot budget of 300 s, which ended 2 min ago"],
    ),
    ("marked", |w| w.i("i-old1").health = "Unhealthy".into(), Cause::MarkedUnhealthy, &["i-old1 in z-a is marked Unhealthy by AWS's own checks"]),
    (
        "never registered",
        |w| {
            w.fresh(1);
            w.suspend("AddToLoadBalancer", "User suspended at 2026-09-21T14:03:20Z");
            w.obs.health[0].targets.remove("i-new1");
        },
        Cause::LoadBalancerSuspended,
        &["i-new1 in z-a is not registered with web, because AddToLoadBalancer is suspended"],
    ),
    (
        "not registered",
        |w| {
            w.obs.health[0].targets.remove("i-old1");
            w.obs.since.insert("i-old1".into(), Since { lifecycle_at: Some(NOW - 5 * MIN), ..Since::default() });
        },
        Cause::NotRegistered,
        &["i-old1", "is not registered with web"],
    ),
    (
        "unused",
        |w| w.target("i-old1", "unused", "Target.NotInUse", "not enabled"),
        Cause::TargetUnused,
        &["unused in web", "“Target.NotInUse: not enabled”"],
    ),
    (
        "protected",
        |w| w.protect("i-old1", 4),
        Cause::ProtectedInstance,
        &["i-old1 in z-a is protected from scale-in since", "(4 min), not by Fleetgate: the refresh will wait for it"],
    ),
    (
        "protected and alone",
        |w| {
            w.protect("i-old1", 4);
            w.group().instances.retain(|i| i.id != "i-old2");
        },
        Cause::ProtectedInstance,
        &["the refresh waits for it alone"],
    ),
    (
        "standby",
        |w| w.lifecycle("i-old2", "Standby", 3),
        Cause::StandbyInstance,
        &["i-old2 in z-a was taken out of service (Standby) since", "(3 min)"],
    ),
    (
        "launch hook",
        |w| {
            w.lifecycle("i-new1", "Pending:Wait", 3);
            w.obs.hooks = vec![Hook {
                name: "warm-cache".into(),
                transition: "autoscaling:EC2_INSTANCE_LAUNCHING".into(),
                heartbeat_seconds: Some(900),
                default_result: Some("ABANDON".into()),
            }];
        },
        Cause::LaunchHook,
        &[
            "i-new1 in z-a may not come into service: it waits for the hook warm-cache since",
            "AWS gives up after 900 s without a heartbeat and takes ABANDON",
        ],
    ),
    (
        "terminate hook",
        |w| w.lifecycle("i-old1", "Terminating:Wait", 2),
        Cause::TerminateHook,
        &["may not end: it waits for a lifecycle hook, whose name is not known"],
    ),
    ("odd lifecycle", |w| w.lifecycle("i-old1", "Quarantined", 2), Cause::LifecycleUnknown, &["is “Quarantined” since"]),
    (
        "other code while it boots",
        |w| {
            w.fresh(2);
            w.target("i-new1", "unhealthy", "Target.ResponseCodeMismatch", CODE);
        },
        Cause::UnhealthyCode,
        &["another code than asked for", "its boot budget lasts until", "(3 min more)"],
    ),
    (
        "time-out",
        |w| w.target("i-old1", "unhealthy", "Target.Timeout", "Request timed out"),
        Cause::UnhealthyTimeout,
        &["in time (“Target.Timeout: Request timed out”) since"],
    ),
    (
        "refused",
        |w| w.target("i-old1", "unhealthy", "Target.FailedHealthChecks", "Health checks failed"),
        Cause::UnhealthyFailed,
        &["refuses the health check's connection"],
    ),
    ("balancer", |w| w.target("i-old1", "unhealthy", "Elb.InternalError", ""), Cause::UnhealthyBalancer, &["by the load balancer itself"]),
    ("new reason", |w| w.target("i-old1", "unhealthy", "Target.Bored", "Zzz"), Cause::UnhealthyOther, &["AWS says “Target.Bored: Zzz”"]),
    ("check off", |w| w.target("i-old1", "unavailable", "Target.HealthCheckDisabled", "off"), Cause::HealthUnavailable, &["tells nothing of i-old1"]),
    (
        "contradiction",
        |w| {
            w.status("Successful", None);
            (w.progress.contradiction_since, w.sentence) = (Some(NOW - 2 * MIN), "AWS calls it done, but i-old1 still runs version 3.".into());
        },
        Cause::Contradiction,
        &["but i-old1 still runs version 3 since", "(2 min)"],
    ),
    (
        "refused for now",
        |w| (w.progress.refusals, w.sentence) = (2, "StartInstanceRefresh: later.".into()),
        Cause::RefusedForNow,
        &["2 times in a row"],
    ),
    (
        "no room",
        |w| {
            w.group().max = 2;
            w.group().instances.retain(|i| i.id != "i-new1");
            w.obs.refresh_since.insert("r-1".into(), RefreshSince { status_at: Some(NOW - 5 * MIN), percent_at: None, percent_before: None });
        },
        Cause::NoRoom,
        &["keeps 100 % of 2 instances healthy and the group's maximum is 2"],
    ),
    ("says", |w| w.obs.refreshes[0].reason = Some("Waiting for Godot.".into()), Cause::AwsSays, &["AWS says “Waiting for Godot”"]),
    ("nothing known", |_| {}, Cause::AsTold, &["1 of 2 instances run v2"]),
    ("not listed", |w| w.obs.refreshes.clear(), Cause::RefreshNotListed, &["does not list it yet"]),
    ("proving", |w| (w.obs.refreshes[0].status, w.progress.proofs) = ("Successful".into(), 1), Cause::Proving, &["of which 1 agree"]),
];

/// Waits that end by themselves, with when they should.
pub(super) const NORMAL: [Case; 11] = [
    (
        "behind an activity",
        |w| {
            w.status("Pending", None);
            w.launch(2, "z-a", None);
            (w.obs.activities[0].status, w.obs.activities[0].ended_at) = ("InProgress".into(), None);
        },
        Cause::PendingBehindActivity,
        &["has not begun the refresh", "an earlier scaling activity is not over, “Launching a new EC2 instance: i-x”", "(2 min)"],
    ),
    ("pending", |w| w.status("Pending", None), Cause::RefreshPending, &["AWS has accepted the refresh since", "usually within a minute"]),
    ("bake", |w| w.status("Baking", None), Cause::Baking, &["bakes it for 120 s until", "(1 min more)"]),
    (
        "checkpoint",
        |w| {
            w.status("InProgress", None);
            w.obs.refreshes[0].percent = Some(50);
        },
        Cause::Checkpoint,
        &["pauses at the checkpoint of 50 % for 600 s, about until"],
    ),
    ("booting", |w| w.lifecycle("i-new1", "Pending", 1), Cause::Booting, &["i-new1 in z-a is being started by EC2 since", "300 s"]),
    (
        "registering",
        |w| {
            w.fresh(0);
            w.target("i-new1", "initial", "Elb.RegistrationInProgress", "");
        },
        Cause::Registering,
        &["is being registered", "(5 min more)"],
    ),
    (
        "first checks",
        |w| {
            w.fresh(1);
            w.target("i-new1", "initial", "Elb.InitialHealthChecking", "");
        },
        Cause::FirstChecks,
        &["waits for its first health checks", "(4 min more)"],
    ),
    (
        "warming",
        |w| {
            w.progress.seen.insert("i-new1".into(), SeenInstance { in_service_at: Some(NOW - 2 * MIN), healthy_at: Some(NOW - MIN) });
        },
        Cause::Warming,
        &["i-new1 in z-a is healthy and warms up until", "(4 min more)"],
    ),
    (
        "draining",
        |w| {
            w.lifecycle("i-old1", "Terminating", 1);
            w.target("i-old1", "draining", "Target.DeregistrationInProgress", "");
            w.obs.drains.insert("tg".into(), 300);
        },
        Cause::Draining,
        &["i-old1 in z-a is leaving; its connections drain until", "(4 min more)"],
    ),
    (
        "shutting down",
        |w| {
            w.lifecycle("i-old1", "Terminating:Proceed", 1);
            w.obs.health[0].targets.remove("i-old1");
        },
        Cause::ShuttingDown,
        &["is being shut down since"],
    ),
    (
        "resizing",
        |w| (w.kind, w.progress.refresh, w.obs.refreshes) = (Kind::Capacity, None, vec![]),
        Cause::Resizing,
        &["3 of 2 instances are in service"],
    ),
];
