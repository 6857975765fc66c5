//! Scheduled actions (aws-reference 3, 4.6).

use crate::client::{ASG, Got, World, world};

const GROUP: (&str, &str) = ("AutoScalingGroupName", ASG);

async fn put(w: &World, name: &str, params: &[(&str, &str)]) -> Got {
    let mut all = vec![GROUP, ("ScheduledActionName", name)];
    all.extend_from_slice(params);
    w.asg("PutScheduledUpdateGroupAction", &all).await
}

async fn desired(w: &World) -> String {
    w.describe_group().await.one("DesiredCapacity")
}

#[tokio::test]
async fn a_recurrence_is_read_in_its_time_zone() {
    let w = world().await;
    // 15:00 in Kolkata is 09:30 in UTC; the world starts at 09:00.
    assert_eq!(put(&w, "tea", &[("Recurrence", "0 15 * * *"), ("TimeZone", "Asia/Kolkata"), ("DesiredCapacity", "4")]).await.status, 200);
    let got = w.on_group("DescribeScheduledActions", &[]).await;
    assert_eq!((got.one("StartTime"), got.one("TimeZone")), ("2026-01-05T09:30:00.000Z".into(), "Asia/Kolkata".into()));
    w.handle.advance(1920.0);
    assert_eq!(desired(&w).await, "4");
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.one("StartTime"), "2026-01-06T09:30:00.000Z");
    put(&w, "x", &[("Recurrence", "0 15 * * *"), ("TimeZone", "Mars/Olympus"), ("DesiredCapacity", "4")]).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn a_time_zone_keeps_its_hour_over_a_change_of_the_clocks() {
    let w = world().await;
    // Berlin goes from +1 to +2 on 2026-03-29.
    for (start, wanted) in [("0 8 28 3 *", "2026-03-28T07:00:00.000Z"), ("0 8 29 3 *", "2026-03-29T06:00:00.000Z")] {
        put(&w, "morning", &[("Recurrence", start), ("TimeZone", "Europe/Berlin"), ("DesiredCapacity", "4")]).await;
        assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.one("StartTime"), wanted);
    }
}

#[tokio::test]
async fn a_recurring_action_ends_at_its_end_time() {
    let w = world().await;
    let params = [("Recurrence", "*/30 * * * *"), ("EndTime", "2026-01-05T10:15:00Z"), ("DesiredCapacity", "4")];
    assert_eq!(put(&w, "half", &params).await.status, 200);
    w.handle.advance(2000.0);
    assert_eq!(desired(&w).await, "4");
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "2")]).await;
    w.handle.advance(1800.0);
    assert_eq!(desired(&w).await, "4", "ten o'clock is before the end");
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.one("ScheduledActionName"), "", "half past ten is not");
}

#[tokio::test]
async fn times_that_cannot_be_are_refused() {
    let w = world().await;
    for odd in [
        vec![("StartTime", "2026-01-05T08:00:00Z"), ("DesiredCapacity", "4")],
        vec![("StartTime", "2026-01-05T10:00:00Z"), ("EndTime", "2026-01-05T09:30:00Z"), ("DesiredCapacity", "4")],
        vec![("Recurrence", "0 18 * * *"), ("EndTime", "2026-01-05T08:00:00Z"), ("DesiredCapacity", "4")],
        vec![("Recurrence", "0 18 * * *"), ("EndTime", "2026-01-05T12:00:00Z"), ("DesiredCapacity", "4")],
        vec![("Recurrence", "61 * * * *"), ("DesiredCapacity", "4")],
        vec![("StartTime", "2026-01-05T10:00:00Z")],
        vec![("StartTime", "2026-01-05T10:00:00Z"), ("MinSize", "3"), ("MaxSize", "2")],
        vec![("DesiredCapacity", "4")],
    ] {
        put(&w, "odd", &odd).await.refused(400, "ValidationError");
    }
    let at = [("StartTime", "2026-01-05T10:00:00Z"), ("DesiredCapacity", "4")];
    assert_eq!(put(&w, "one", &at).await.status, 200);
    put(&w, "two", &at).await.refused(400, "AlreadyExists");
    assert_eq!(put(&w, "one", &at).await.status, 200, "its own time is free to it");
}

#[tokio::test]
async fn what_falls_due_while_suspended_is_lost() {
    let w = world().await;
    put(&w, "up", &[("StartTime", "2026-01-05T10:00:00Z"), ("DesiredCapacity", "4")]).await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "ScheduledActions")]).await;
    w.handle.advance(3800.0);
    w.on_group("ResumeProcesses", &[]).await;
    w.handle.advance(3600.0);
    assert_eq!(desired(&w).await, "2");
}

#[tokio::test]
async fn the_activity_names_the_action() {
    let w = world().await;
    put(&w, "up", &[("StartTime", "2026-01-05T10:00:00Z"), ("DesiredCapacity", "4")]).await;
    w.handle.advance(3600.0 + 180.0);
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    let cause = got.all("Cause").into_iter().last().unwrap_or_default();
    let words = "Z the scheduled action up executed. Setting desired capacity from 2 to 4.  At 2026-01-05T10:";
    assert!(got.all("Cause").iter().any(|c| c.starts_with("At 2026-01-05T10:0") && c.contains(words)), "{cause}");
}

#[tokio::test]
async fn a_batch_puts_and_deletes_what_it_can() {
    let w = world().await;
    let batch = [
        GROUP,
        ("ScheduledUpdateGroupActions.member.1.ScheduledActionName", "one"),
        ("ScheduledUpdateGroupActions.member.1.StartTime", "2026-01-05T10:00:00Z"),
        ("ScheduledUpdateGroupActions.member.1.DesiredCapacity", "4"),
        ("ScheduledUpdateGroupActions.member.2.ScheduledActionName", "past"),
        ("ScheduledUpdateGroupActions.member.2.StartTime", "2026-01-05T08:00:00Z"),
        ("ScheduledUpdateGroupActions.member.2.DesiredCapacity", "4"),
        ("ScheduledUpdateGroupActions.member.3.ScheduledActionName", "same"),
        ("ScheduledUpdateGroupActions.member.3.StartTime", "2026-01-05T10:00:00Z"),
        ("ScheduledUpdateGroupActions.member.3.DesiredCapacity", "5"),
    ];
    let got = w.asg("BatchPutScheduledUpdateGroupAction", &batch).await;
    assert_eq!(got.all("ScheduledActionName"), ["past", "same"], "{}", got.body);
    assert_eq!(got.all("ErrorCode"), ["ValidationError", "AlreadyExists"]);
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.all("ScheduledActionName"), ["one"]);
    let names = [("ScheduledActionNames.member.1", "none"), ("ScheduledActionNames.member.2", "one")];
    let got = w.on_group("BatchDeleteScheduledAction", &names).await;
    assert_eq!((got.all("ScheduledActionName"), got.one("ErrorCode")), (vec!["none".into()], "ValidationError".into()));
    assert_eq!(w.on_group("DescribeScheduledActions", &[]).await.all("ScheduledActionName"), Vec::<String>::new());
}
