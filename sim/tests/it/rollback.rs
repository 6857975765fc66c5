//! Refreshes that do not end well (aws-reference 5.2, 5.3).

use crate::client::{ASG, TEMPLATE, world, world_with};

const FAST: [(&str, &str); 3] =
    [("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "200"), ("Preferences.InstanceWarmup", "300")];

#[tokio::test]
async fn bad_image_rolls_back_by_itself_after_an_hour() {
    let w = world().await;
    let version = w.version_of("v3").await;
    let mut prefs = FAST.to_vec();
    prefs.push(("Preferences.AutoRollback", "true"));
    w.start(&version, &prefs).await;
    let (_, seconds) = w.until(&["RollbackInProgress"], 9000).await;
    assert!((3600..=4500).contains(&seconds), "{seconds}");
    let got = w.refreshes().await;
    assert!(!got.one("RollbackReason").is_empty());
    w.until(&["RollbackSuccessful"], 2400).await;
    assert_eq!(w.group_version().await, "1");
    w.handle.advance(600.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert!(w.truth().iter().all(|i| i["template_version"] == 1));
}

#[tokio::test]
async fn bad_image_without_rollback_fails_and_leaves_drift() {
    let w = world().await;
    let version = w.version_of("v3").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "600")]).await;
    w.until(&["Failed"], 6000).await;
    assert_eq!(w.group_version().await, "1");
    let old = w.truth().iter().filter(|i| i["template_version"] == 1 && i["lifecycle"] == "InService").count();
    assert!(old >= 1, "an old instance beyond Min stays untouched");
}

#[tokio::test]
async fn rollback_call_returns_the_same_id_and_undoes() {
    let w = world().await;
    let version = w.version_of("v3").await;
    let id = w.start(&version, &FAST).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(200.0);
    assert_eq!(w.on_group("RollbackInstanceRefresh", &[]).await.one("InstanceRefreshId"), id);
    assert_eq!(w.refreshes().await.one("Status"), "RollbackInProgress");
    let (_, seconds) = w.until(&["RollbackSuccessful"], 900).await;
    assert!(seconds < 120, "nothing old was taken out: {seconds}");
    w.handle.advance(400.0);
    assert_eq!(w.targets().await, ["healthy", "healthy"]);
    assert!(w.truth().iter().all(|i| i["template_version"] == 1));
    assert_eq!(w.group_version().await, "1");
}

#[tokio::test]
async fn rollback_while_baking() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.BakeTime", "3600")]).await;
    w.until(&["Baking"], 1200).await;
    w.on_group("RollbackInstanceRefresh", &[]).await;
    w.until(&["RollbackSuccessful"], 1200).await;
    assert!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").all(|i| i["template_version"] == 1));
}

#[tokio::test]
async fn rollback_needs_a_configuration_and_a_number() {
    let w = world().await;
    w.on_group("StartInstanceRefresh", &[]).await;
    let got = w.asg("RollbackInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await;
    got.refused(400, "IrreversibleInstanceRefresh");
    let legacy = [("AutoScalingGroupName", "stateless-app-legacy-asg"), ("Preferences.AutoRollback", "true")];
    w.asg("StartInstanceRefresh", &legacy).await.refused(400, "ValidationError");
    let mut with = legacy.to_vec();
    with.push(("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", TEMPLATE));
    with.push(("DesiredConfiguration.LaunchTemplate.Version", "1"));
    w.asg("StartInstanceRefresh", &with).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn cancel_stops_where_it_is() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let id = w.start(&version, &[("Preferences.InstanceWarmup", "300")]).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(10.0);
    assert_eq!(w.on_group("CancelInstanceRefresh", &[]).await.one("InstanceRefreshId"), id);
    assert_eq!(w.refreshes().await.one("Status"), "Cancelling");
    w.until(&["Cancelled"], 300).await;
    assert_eq!(w.refreshes().await.one("StatusReason"), "Cancelled due to user request.");
    assert_eq!(w.group_version().await, "1");
    w.handle.advance(600.0);
    let mut versions: Vec<String> = w.truth().iter().map(|i| i["template_version"].to_string()).collect();
    versions.sort();
    assert_eq!(versions, ["1", "2"], "cancel is not undo");
    let got = w.asg("CancelInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await;
    got.refused(400, "ActiveInstanceRefreshNotFound");
}

#[tokio::test]
async fn cancelled_surplus_goes_new_first_where_the_seed_says_so() {
    let w = world_with(7, |_| {}).await;
    let version = w.version_of("v4").await;
    w.start(&version, &FAST).await;
    w.until(&["InProgress"], 100).await;
    w.handle.advance(100.0);
    w.on_group("CancelInstanceRefresh", &[]).await;
    w.until(&["Cancelled"], 300).await;
    w.handle.advance(600.0);
    assert_eq!(w.truth().len(), 2);
    assert!(w.truth().iter().all(|i| i["template_version"] == 1));
}

#[tokio::test]
async fn one_refresh_at_a_time_and_it_guards_the_template() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[]).await;
    w.asg("StartInstanceRefresh", &[("AutoScalingGroupName", ASG)]).await.refused(400, "InstanceRefreshInProgress");
    let update = [("AutoScalingGroupName", ASG), ("LaunchTemplate.LaunchTemplateName", TEMPLATE), ("LaunchTemplate.Version", "1")];
    w.asg("UpdateAutoScalingGroup", &update).await.refused(400, "ValidationError");
    w.on_group("UpdateAutoScalingGroup", &[("MaxSize", "12")]).await;
}
