//! Whatever is done to a group, it comes to rest at its desired capacity.

use crate::client::{ASG, world_with};

/// A small generator of its own, so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn any_mixture_of_acts_settles() {
    for seed in 0..40 {
        let w = world_with(seed, |s| s.params = None).await;
        let mut dice = Dice(seed);
        let mut versions = vec!["1".to_owned()];
        for tag in ["v1", "v4"] {
            versions.push(w.version_of(tag).await);
        }
        for _ in 0..30 {
            let truth = w.truth();
            let any = truth.get(dice.roll(truth.len().max(1) as u64) as usize).map(|i| i["id"].as_str().unwrap_or_default().to_owned());
            let group = ("AutoScalingGroupName", ASG);
            match dice.roll(9) {
                0 | 1 => {
                    let version = versions[dice.roll(3) as usize].clone();
                    let (min, max) = [("90", "100"), ("100", "100"), ("100", "200"), ("50", "150"), ("0", "100")][dice.roll(5) as usize];
                    let flag = ["true", "false"][dice.roll(2) as usize];
                    let params = [
                        group,
                        ("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", "stateless-app-template"),
                        ("DesiredConfiguration.LaunchTemplate.Version", &version),
                        ("Preferences.MinHealthyPercentage", min),
                        ("Preferences.MaxHealthyPercentage", max),
                        ("Preferences.AutoRollback", flag),
                        ("Preferences.SkipMatching", flag),
                        ("Preferences.StandbyInstances", "Ignore"),
                    ];
                    w.asg("StartInstanceRefresh", &params).await;
                }
                2 => drop(w.asg("CancelInstanceRefresh", &[group]).await),
                3 => drop(w.asg("RollbackInstanceRefresh", &[group]).await),
                4 | 5 => {
                    let size = (2 + dice.roll(9)).to_string();
                    w.asg("SetDesiredCapacity", &[group, ("DesiredCapacity", &size)]).await;
                }
                6 => {
                    if let Some(id) = any {
                        w.asg("TerminateInstanceInAutoScalingGroup", &[("InstanceId", &id), ("ShouldDecrementDesiredCapacity", "false")]).await;
                    }
                }
                7 => drop(any.map(|id| w.handle.kill(&id))),
                _ => drop(any.map(|id| w.handle.sicken(&id))),
            }
            w.handle.advance(dice.roll(200) as f64);
        }
        w.handle.advance(4.0 * 3600.0);
        let status = w.refreshes().await.one("Status");
        assert!(
            ["", "Successful", "Cancelled", "RollbackSuccessful", "Failed", "RollbackFailed"].contains(&status.as_str()),
            "seed {seed}: {status}"
        );
        w.handle.advance(3600.0);
        let desired: usize = w.describe_group().await.one("DesiredCapacity").parse().expect("number");
        assert_eq!(w.truth().len(), desired, "seed {seed}: {:?}", w.truth());
        assert_eq!(w.targets().await, vec!["healthy"; desired], "seed {seed}");
        let a = w.truth().iter().filter(|i| i["az"] == "ap-south-1a").count() as i64;
        let skew = (a * 2 - desired as i64).abs();
        assert!(skew <= 3, "seed {seed}: {skew}");
    }
}

/// A group that is full, in a world where a refresh may not pass MaxSize, still gets through.
#[tokio::test]
async fn a_full_group_is_refreshed_all_the_same() {
    let w = world_with(7, |s| {
        s.groups[0].max = 2;
        if let Some(p) = &mut s.params {
            p.refresh_may_pass_max_size = false;
        }
    })
    .await;
    let version = w.version_of("v4").await;
    w.start(&version, &[("Preferences.MinHealthyPercentage", "100"), ("Preferences.MaxHealthyPercentage", "200")]).await;
    let mut most = 0;
    while w.refreshes().await.one("Status") != "Successful" {
        most = most.max(w.truth().iter().filter(|i| i["lifecycle"] == "InService" || i["lifecycle"] == "Pending").count());
        w.handle.advance(5.0);
    }
    assert_eq!(most, 2);
}
