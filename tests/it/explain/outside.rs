//! Instances that hold it up, somebody else's hand, and what can not be seen.

use fleetgate_sim::{FaultKind, Span};

use super::Deed::*;
use super::{ROW, Row, hook, play_all};

#[tokio::test]
async fn instances_that_hold_it_up() {
    play_all(
        50,
        &[
            Row {
                what: "protected",
                first: "booting",
                then: &[Protect],
                cause: "protected_instance",
                says: &["is protected from scale-in since", "not by Fleetgate"],
                act: "lift_protection",
                ..ROW
            },
            Row {
                what: "by the group's setting",
                world: |w, n, _| w.groups.iter_mut().find(|g| g.name == n.staging).unwrap().protect_new = true,
                cause: "protected_instance",
                says: &["by the group's own setting"],
                act: "terminate_instance",
                ..ROW
            },
            Row {
                what: "standby",
                first: "booting",
                then: &[Standby],
                cause: "standby_instance",
                says: &["was taken out of service", "not by Fleetgate"],
                act: "leave_standby",
                ..ROW
            },
            Row {
                what: "launch hook",
                world: |w, n, _| hook(w, n, "LAUNCHING", 900),
                cause: "launch_hook",
                says: &["the hook warm-cache since", "900 s"],
                act: "complete_hook",
                ..ROW
            },
            Row {
                what: "terminate hook",
                world: |w, n, _| hook(w, n, "TERMINATING", 900),
                cause: "terminate_hook",
                says: &["may not end: it waits for the hook warm-cache"],
                act: "complete_hook",
                ..ROW
            },
            Row {
                what: "unregistered",
                ask: "",
                before: &[Deregister],
                cause: "not_registered",
                says: &["the load balancer sends it nothing"],
                act: "register_target",
                ..ROW
            },
            Row {
                what: "a state of the future",
                first: "booting",
                then: &[Fault("DescribeAutoScalingGroups", FaultKind::UnknownEnum)],
                cause: "lifecycle_unknown",
                says: &["“FutureState”"],
                act: "terminate_instance",
                ..ROW
            },
            Row {
                what: "shrinking",
                before: &[ProtectAll],
                ask: r#"{"kind": "capacity", "desired": 1, "base": {"min": 1, "desired": 2, "max": 4}}"#,
                cause: "shrink_protected",
                says: &["2 instances serve and 1 are wanted"],
                act: "lift_protection",
                ..ROW
            },
            Row {
                what: "no listener",
                world: |w, n, _| w.target_groups.iter_mut().find(|g| g.name == n.staging_targets).unwrap().load_balancer = None,
                ask: "",
                cause: "no_listener",
                says: &["No listener forwards to"],
                act: "add_listener",
                ..ROW
            },
        ],
    )
    .await;
}

#[tokio::test]
async fn somebody_else_s_hand() {
    play_all(
        60,
        &[
            Row {
                what: "cancelled",
                first: "booting",
                then: &[Cancel],
                cause: "cancelled_by_others",
                says: &["Somebody cancels the refresh"],
                act: "undo_change",
                ..ROW
            },
            Row {
                what: "rolled back",
                world: |_, _, p| p.success_waits_for_drain = true,
                first: "warming",
                then: &[RollBack],
                cause: "rolled_back_by_others",
                says: &["not by Fleetgate's order", "AWS says “"],
                act: "force_close",
                ..ROW
            },
            Row {
                what: "begun beside nothing",
                ask: "",
                before: &[Refresh],
                cause: "foreign_refresh",
                says: &["Another instance refresh"],
                act: "cancel_foreign_refresh",
                ..ROW
            },
            Row {
                what: "deleted",
                ask: "",
                before: &[DeleteGroup],
                cause: "group_deleting",
                says: &["Delete in progress"],
                act: "adopt_again",
                ..ROW
            },
            Row {
                what: "gone",
                first: "warming",
                then: &[DeleteGroup],
                cause: "group_gone",
                says: &["AWS no longer lists the group"],
                act: "force_close",
                ..ROW
            },
            Row {
                what: "an earlier activity",
                world: |_, _, p| (p.refresh_pending, p.shutdown) = (Span::new(60, 60), Span::new(50, 60)),
                first: "refresh_pending",
                then: &[Terminate],
                cause: "pending_behind_activity",
                says: &["an earlier scaling activity is not over, “"],
                ..ROW
            },
        ],
    )
    .await;
}

#[tokio::test]
async fn what_can_not_be_seen() {
    play_all(
        70,
        &[
            Row {
                what: "lost",
                first: "booting",
                then: &[Fault("*", FaultKind::Error)],
                cause: "lost_contact",
                says: &["AWS does not answer", "3 looks in a row"],
                act: "look_in_aws",
                ..ROW
            },
            Row {
                what: "throttled",
                first: "booting",
                then: &[Fault("DescribeAutoScalingGroups", FaultKind::Throttle)],
                cause: "throttled",
                says: &["AWS limits our calls (autoscaling:DescribeAutoScalingGroups)"],
                act: "look_in_aws",
                ..ROW
            },
            Row {
                what: "denied",
                first: "booting",
                then: &[Fault("DescribeAutoScalingGroups", FaultKind::Denied)],
                cause: "reading_denied",
                says: &["does not let Fleetgate look"],
                act: "fix_permission",
                ..ROW
            },
            Row { what: "old", first: "booting", then: &[Sleep(400)], cause: "data_old", says: &["was read 6 min ago"], act: "look_in_aws", ..ROW },
            Row {
                what: "a status of the future",
                first: "booting",
                then: &[Fault("DescribeInstanceRefreshes", FaultKind::UnknownEnum)],
                cause: "refresh_status_unknown",
                says: &["“FutureState”", "nothing is concluded"],
                act: "undo_change",
                ..ROW
            },
        ],
    )
    .await;
}
