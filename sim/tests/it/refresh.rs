//! Instance refreshes that end well (aws-reference 5, worked examples of 14).

use crate::client::{ASG, runs, world, world_with};

/// Default preferences, warmup 300: 12 to 20 minutes, one serving at the low point, template written at the end.
#[tokio::test]
async fn default_preferences() {
    let w = world_with(7, |s| {
        s.groups[0].warmup = None;
        s.target_groups[0].deregistration_delay = 300;
    })
    .await;
    let version = w.version_of("v4").await;
    w.start(&version, &[]).await;
    let (mut seconds, mut least) = (0, 2);
    let mut percentages = vec![];
    loop {
        let got = w.refreshes().await;
        percentages.push(got.one("PercentageComplete"));
        if got.one("Status") == "Successful" {
            break;
        }
        assert_eq!(w.group_version().await, "1", "the group keeps its template until Successful");
        least = least.min(w.targets().await.iter().filter(|t| *t == "healthy").count());
        w.handle.advance(5.0);
        seconds += 5;
        assert!(seconds < 1500);
    }
    assert!((600..=1260).contains(&seconds), "{seconds}");
    assert_eq!(least, 1);
    percentages.dedup();
    assert_eq!(percentages, ["0", "50", "100"]);
    assert_eq!(w.group_version().await, version);
    let digest = w.digest("v4").await;
    assert!(w.truth().iter().all(|i| i["digest"] == digest || i["lifecycle"] != "InService"));
}

/// Min 100 / Max 200, warmup 120, drain 60: about four minutes, never below two in service.
#[tokio::test]
async fn launch_before_terminate() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let prefs = [("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "200"), ("Preferences.InstanceWarmup", "120")];
    w.start(&version, &prefs).await;
    let mut seconds = 0;
    let (mut most, mut fewest) = (0, 9);
    while w.refreshes().await.one("Status") != "Successful" {
        let serving = w.truth().iter().filter(|i| i["lifecycle"] == "InService").count();
        let active = w.truth().iter().filter(|i| i["lifecycle"] == "InService" || i["lifecycle"] == "Pending").count();
        most = most.max(active);
        fewest = fewest.min(serving);
        w.handle.advance(5.0);
        seconds += 5;
        assert!(seconds < 600);
    }
    assert!((130..=330).contains(&seconds), "{seconds}");
    assert_eq!((fewest, most), (2, 4));
    assert_eq!(w.group_version().await, version);
    // Both new instances are spread over the zones.
    let zones: Vec<_> = w.truth().into_iter().filter(|i| i["lifecycle"] == "InService").map(|i| i["az"].clone()).collect();
    assert_ne!(zones[0], zones[1]);
}

#[tokio::test]
async fn skip_matching_is_done_at_once() {
    let w = world().await;
    w.start("1", &[("Preferences.SkipMatching", "true")]).await;
    let (status, seconds) = w.until(&["Successful"], 120).await;
    assert_eq!(status, "Successful");
    assert!(seconds <= 65);
    assert!(w.truth().iter().all(|i| i["generation"].is_null()));
}

#[tokio::test]
async fn checkpoint_waits_then_goes_on() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let prefs = [
        ("Preferences.CheckpointPercentages.member.1", "50"),
        ("Preferences.CheckpointPercentages.member.2", "100"),
        ("Preferences.CheckpointDelay", "600"),
        ("Preferences.InstanceWarmup", "30"),
    ];
    w.start(&version, &prefs).await;
    let mut at_fifty = 0;
    while w.refreshes().await.one("Status") != "Successful" {
        at_fifty += i64::from(w.refreshes().await.one("PercentageComplete") == "50") * 5;
        w.handle.advance(5.0);
        assert!(at_fifty < 2000);
    }
    assert!(at_fifty >= 600, "{at_fifty}");
}

#[tokio::test]
async fn partial_refresh_ends_successful_and_writes_the_template() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.CheckpointPercentages.member.1", "50")]).await;
    w.until(&["Successful"], 900).await;
    assert_eq!(w.refreshes().await.one("PercentageComplete"), "50");
    assert_eq!(w.group_version().await, version);
}

#[tokio::test]
async fn bake_time_is_a_status() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.BakeTime", "300")]).await;
    w.until(&["Baking"], 900).await;
    assert_eq!(w.group_version().await, "1");
    let (_, seconds) = w.until(&["Successful"], 400).await;
    assert!((295..=310).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn protected_instances_wait_and_fail_after_an_hour() {
    let w = world().await;
    let version = w.version_of("v4").await;
    for i in w.truth() {
        let id = i["id"].as_str().unwrap_or_default().to_owned();
        w.on_group("SetInstanceProtection", &[("InstanceIds.member.1", &id), ("ProtectedFromScaleIn", "true")]).await;
    }
    w.start(&version, &[]).await;
    let (_, seconds) = w.until(&["Failed"], 4000).await;
    assert!((3600..=3700).contains(&seconds), "{seconds}");
    assert_eq!(w.group_version().await, "1");
    w.start(&version, &[("Preferences.ScaleInProtectedInstances", "Refresh")]).await;
    w.until(&["Successful"], 1500).await;
}

#[tokio::test]
async fn suspension_pauses() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.on_group("SuspendProcesses", &[("ScalingProcesses.member.1", "InstanceRefresh")]).await;
    w.start(&version, &[]).await;
    w.handle.advance(7200.0);
    assert_eq!(w.refreshes().await.one("Status"), "InProgress");
    assert!(w.truth().iter().all(|i| i["template_version"] == 1));
    w.on_group("ResumeProcesses", &[("ScalingProcesses.member.1", "InstanceRefresh")]).await;
    w.until(&["Successful"], 1500).await;
}

#[tokio::test]
async fn scale_out_during_a_refresh_uses_the_desired_configuration() {
    let w = world().await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.InstanceWarmup", "300")]).await;
    w.until(&["InProgress"], 100).await;
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "4")]).await;
    w.handle.advance(90.0);
    let new = w.truth().iter().filter(|i| runs(i, &version)).count();
    assert!(new >= 3, "{new}");
    w.until(&["Successful"], 3000).await;
    assert_eq!(w.truth().iter().filter(|i| i["lifecycle"] == "InService").count(), 4);
}

/// The most forbidding draw: every seed's parameters end the same refresh Successful.
#[tokio::test]
async fn every_seed_ends_successful() {
    for seed in 0..12 {
        let w = world_with(seed, |s| s.params = None).await;
        let version = w.version_of("v4").await;
        w.start(&version, &[("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "150")]).await;
        w.until(&["Successful"], 2400).await;
        let name = w.describe_group().await.one("AutoScalingGroupName");
        assert_eq!(name, ASG);
        w.handle.advance(600.0);
        assert_eq!(w.targets().await, ["healthy", "healthy"], "seed {seed}");
    }
}

/// Growth takes a refresh back below a checkpoint it has passed: it stops there again (aws-reference 5.3).
#[tokio::test]
async fn growth_meets_a_checkpoint_again() {
    let w = world().await;
    let version = w.version_of("v4").await;
    let prefs = [
        ("Preferences.CheckpointPercentages.member.1", "50"),
        ("Preferences.CheckpointPercentages.member.2", "100"),
        ("Preferences.CheckpointDelay", "600"),
        ("Preferences.InstanceWarmup", "60"),
        ("Preferences.MinHealthyPercentage", "100"),
        ("Preferences.SkipMatching", "true"),
    ];
    w.start(&version, &prefs).await;
    let waits = async || w.refreshes().await.one("StatusReason").contains("checkpoint");
    let reach = async || {
        let mut seconds = 0;
        while !waits().await {
            w.handle.advance(5.0);
            seconds += 5;
            assert!(seconds < 900, "{}", w.refreshes().await.body);
        }
    };
    reach().await;
    assert_eq!(w.refreshes().await.one("PercentageComplete"), "50");
    // Old ones grow in number: what cannot be launched now is launched with the desired configuration, so percentages
    // follow the new desired.
    w.on_group("SetDesiredCapacity", &[("DesiredCapacity", "6")]).await;
    w.handle.advance(20.0);
    assert!(w.refreshes().await.one("PercentageComplete").parse::<i64>().is_ok_and(|p| p < 50));
    let mut waited = 20;
    while w.refreshes().await.one("Status") != "Successful" {
        waited += i64::from(waits().await) * 5;
        w.handle.advance(5.0);
        assert!(waited < 3000);
    }
    assert!((1180..=1230).contains(&waited), "the delay of 600 is kept a second time: {waited}");
}

#[tokio::test]
async fn an_alarm_that_does_not_exist_is_refused_at_the_start() {
    let w = world().await;
    let params = [("AutoScalingGroupName", ASG), ("Preferences.AlarmSpecification.Alarms.member.1", "none")];
    w.asg("StartInstanceRefresh", &params).await.refused(400, "ValidationError");
    assert_eq!(w.refreshes().await.one("Status"), "");
}
