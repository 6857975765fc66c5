//! Lifecycle hooks (aws-reference 3, 4.1).

use crate::client::{ASG, Got, World, world};

const GROUP: (&str, &str) = ("AutoScalingGroupName", ASG);
const LAUNCHING: (&str, &str) = ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING");
const TERMINATING: (&str, &str) = ("LifecycleTransition", "autoscaling:EC2_INSTANCE_TERMINATING");

async fn hook(w: &World, name: &str, transition: (&str, &str), heartbeat: &str) {
    w.on_group("PutLifecycleHook", &[("LifecycleHookName", name), transition, ("HeartbeatTimeout", heartbeat)]).await;
}

/// The instance in a state, once it is there.
fn wait_for(w: &World, state: &str, limit: i64) -> String {
    for _ in 0..limit {
        if let Some(i) = w.truth().into_iter().find(|i| i["lifecycle"] == state) {
            return i["id"].as_str().unwrap_or_default().to_owned();
        }
        w.handle.advance(1.0);
    }
    panic!("nothing is {state}: {:?}", w.truth());
}

fn state(w: &World, id: &str) -> String {
    w.truth().iter().find(|i| i["id"] == id).and_then(|i| i["lifecycle"].as_str().map(str::to_owned)).unwrap_or_default()
}

async fn complete(w: &World, name: &str, id: &str, result: &str) -> Got {
    w.asg("CompleteLifecycleAction", &[GROUP, ("LifecycleHookName", name), ("LifecycleActionResult", result), ("InstanceId", id)]).await
}

#[tokio::test]
async fn every_hook_of_a_launch_has_to_continue() {
    let w = world().await;
    hook(&w, "one", LAUNCHING, "600").await;
    hook(&w, "two", LAUNCHING, "600").await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let id = wait_for(&w, "Pending:Wait", 100);
    assert_eq!(complete(&w, "one", &id, "CONTINUE").await.status, 200);
    complete(&w, "one", &id, "CONTINUE").await.refused(400, "ValidationError");
    w.handle.advance(10.0);
    assert_eq!(state(&w, &id), "Pending:Wait");
    complete(&w, "two", &id, "CONTINUE").await;
    assert_eq!(state(&w, &id), "Pending:Proceed");
    w.handle.advance(5.0);
    assert_eq!(state(&w, &id), "InService");
}

#[tokio::test]
async fn a_heartbeat_starts_the_clock_again() {
    let w = world().await;
    hook(&w, "boot", LAUNCHING, "100").await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let id = wait_for(&w, "Pending:Wait", 100);
    for _ in 0..3 {
        w.handle.advance(90.0);
        let beat = [GROUP, ("LifecycleHookName", "boot"), ("InstanceId", id.as_str())];
        assert_eq!(w.asg("RecordLifecycleActionHeartbeat", &beat).await.status, 200);
        assert_eq!(state(&w, &id), "Pending:Wait");
    }
    w.handle.advance(99.0);
    assert_eq!(state(&w, &id), "Pending:Wait");
    w.handle.advance(2.0);
    assert_eq!(state(&w, &id), "Terminating:Proceed", "the default result is ABANDON, and it was never registered");
    let beat = [GROUP, ("LifecycleHookName", "boot"), ("InstanceId", id.as_str())];
    w.asg("RecordLifecycleActionHeartbeat", &beat).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn an_abandoned_launch_is_cancelled_and_tried_again() {
    let w = world().await;
    hook(&w, "boot", LAUNCHING, "600").await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let id = wait_for(&w, "Pending:Wait", 100);
    complete(&w, "boot", &id, "ABANDON").await;
    w.handle.advance(29.0);
    assert_eq!(w.truth().iter().filter(|i| i["lifecycle"] == "Pending").count(), 0, "not before launch_retry is over");
    let got = w.on_group("DescribeScalingActivities", &[]).await;
    assert!(got.all("StatusCode").contains(&"Cancelled".to_owned()));
    assert!(got.body.contains("Instance failed to complete user&apos;s") || got.body.contains("Instance failed to complete user's"), "{}", got.body);
    assert!(got.body.contains("was abandoned: Lifecycle Action Completed with ABANDON Result"));
    w.handle.advance(32.0);
    assert_eq!(state(&w, &id), "", "it is gone");
    let next = wait_for(&w, "Pending:Wait", 200);
    assert_ne!(next, id);
    complete(&w, "boot", &next, "CONTINUE").await;
    w.handle.advance(200.0);
    assert_eq!(w.targets().await, ["healthy", "healthy", "healthy"]);
}

#[tokio::test]
async fn a_terminate_hook_holds_after_the_drain_and_both_results_let_go() {
    for result in ["CONTINUE", "ABANDON"] {
        let w = world().await;
        hook(&w, "save", TERMINATING, "600").await;
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
        w.handle.advance(200.0);
        w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "2")]).await;
        let id = wait_for(&w, "Terminating", 40);
        w.handle.advance(58.0);
        assert_eq!(state(&w, &id), "Terminating", "drains first");
        w.handle.advance(3.0);
        assert_eq!(state(&w, &id), "Terminating:Wait");
        let ec2 = w.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
        assert!(ec2.body.contains("<name>running</name>"));
        assert!(w.on_group("DescribeScalingActivities", &[]).await.body.contains("MidLifecycleAction"));
        complete(&w, "save", &id, result).await;
        assert_eq!(state(&w, &id), "Terminating:Proceed", "{result}");
        w.handle.advance(61.0);
        assert_eq!(w.truth().len(), 2);
    }
}

#[tokio::test]
async fn a_deleted_hook_lets_go_of_what_it_holds() {
    let w = world().await;
    hook(&w, "save", TERMINATING, "600").await;
    let id = w.truth()[0]["id"].as_str().unwrap_or_default().to_owned();
    w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &id), ("ShouldDecrementDesiredCapacity", "false")]).await;
    assert_eq!(wait_for(&w, "Terminating:Wait", 70), id);
    w.on_group("DeleteLifecycleHook", &[("LifecycleHookName", "save")]).await;
    assert_eq!(state(&w, &id), "Terminating:Proceed");
}

#[tokio::test]
async fn the_global_timeout_ends_even_a_hook_that_beats() {
    let w = world().await;
    hook(&w, "boot", LAUNCHING, "7200").await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "3")]).await;
    let id = wait_for(&w, "Pending:Wait", 100);
    let beat = [GROUP, ("LifecycleHookName", "boot"), ("InstanceId", id.as_str())];
    let mut hours = 0;
    while state(&w, &id) == "Pending:Wait" {
        w.asg("RecordLifecycleActionHeartbeat", &beat).await;
        w.handle.advance(3600.0);
        hours += 1;
        assert!(hours < 60);
    }
    assert_eq!(hours, 48);
}
