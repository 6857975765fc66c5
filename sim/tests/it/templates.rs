//! Launch templates (aws-reference 7.1, 2.4).

use crate::client::{TEMPLATE, world};

#[tokio::test]
async fn source_version_inherits_and_without_it_nothing_is() {
    let w = world().await;
    let base = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.InstanceType", "t3.small")];
    let alone = w.ec2("CreateLaunchTemplateVersion", &base).await;
    assert_eq!(alone.one("versionNumber"), "2");
    assert!(!alone.body.contains("imageId"));
    let mut with = base.to_vec();
    with.push(("SourceVersion", "1"));
    let got = w.ec2("CreateLaunchTemplateVersion", &with).await;
    assert_eq!(got.one("instanceType"), "t3.small");
    assert!(got.body.contains("<userData>") && got.body.contains("<httpTokens>required</httpTokens>"));
    let all = w.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateName", TEMPLATE)]).await;
    assert_eq!(all.all("versionNumber"), ["3", "2", "1"]);
    let named = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateVersion.1", "$Latest"), ("LaunchTemplateVersion.2", "$Default")];
    assert_eq!(w.ec2("DescribeLaunchTemplateVersions", &named).await.all("versionNumber"), ["3", "1"]);
    let lost = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateVersion.1", "99")];
    w.ec2("DescribeLaunchTemplateVersions", &lost).await.refused(400, "InvalidLaunchTemplateId.VersionNotFound");
}

#[tokio::test]
async fn client_token_is_idempotent() {
    let w = world().await;
    let call = [("LaunchTemplateName", TEMPLATE), ("ClientToken", "change-7"), ("LaunchTemplateData.KeyName", "a")];
    assert_eq!(w.ec2("CreateLaunchTemplateVersion", &call).await.one("versionNumber"), "2");
    assert_eq!(w.ec2("CreateLaunchTemplateVersion", &call).await.one("versionNumber"), "2");
    let other = [("LaunchTemplateName", TEMPLATE), ("ClientToken", "change-7"), ("LaunchTemplateData.KeyName", "b")];
    w.ec2("CreateLaunchTemplateVersion", &other).await.refused(400, "IdempotentParameterMismatch");
    assert_eq!(w.ec2("DescribeLaunchTemplates", &[("LaunchTemplateName.1", TEMPLATE)]).await.one("latestVersionNumber"), "2");
}

#[tokio::test]
async fn every_known_member_comes_back_and_unknown_ones_are_refused() {
    let w = world().await;
    let call = [
        ("LaunchTemplateName", TEMPLATE),
        ("LaunchTemplateData.BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
        ("LaunchTemplateData.NetworkInterface.1.SecurityGroupId.1", "sg-1"),
        ("LaunchTemplateData.CreditSpecification.CpuCredits", "standard"),
    ];
    let got = w.ec2("CreateLaunchTemplateVersion", &call).await;
    for part in [
        "<blockDeviceMappingSet><item><deviceName>/dev/xvda</deviceName><ebs><volumeSize>20</volumeSize></ebs></item></blockDeviceMappingSet>",
        "<groupSet><groupId>sg-1</groupId></groupSet>",
        "<creditSpecification><cpuCredits>standard</cpuCredits></creditSpecification>",
    ] {
        assert!(got.body.contains(part), "{part}: {}", got.body);
    }
    let odd = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.Wings", "2")];
    w.ec2("CreateLaunchTemplateVersion", &odd).await.refused(400, "InvalidParameterValue");
    let long = "QUFB".repeat(6000);
    let long = [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.UserData", long.as_str())];
    w.ec2("CreateLaunchTemplateVersion", &long).await.refused(400, "InvalidParameterValue");
}

#[tokio::test]
async fn default_moves_only_by_modify_and_is_not_deleted() {
    let w = world().await;
    for _ in 0..2 {
        w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.KeyName", "a")]).await;
    }
    let modify = [("LaunchTemplateName", TEMPLATE), ("SetDefaultVersion", "2")];
    assert_eq!(w.ec2("ModifyLaunchTemplate", &modify).await.one("defaultVersionNumber"), "2");
    let delete =
        [("LaunchTemplateName", TEMPLATE), ("LaunchTemplateVersion.1", "2"), ("LaunchTemplateVersion.2", "3"), ("LaunchTemplateVersion.3", "9")];
    let got = w.ec2("DeleteLaunchTemplateVersions", &delete).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.all("code"), ["unexpectedError", "launchTemplateVersionDoesNotExist"]);
    let next = w.ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", TEMPLATE), ("LaunchTemplateData.KeyName", "a")]).await;
    assert_eq!(next.one("versionNumber"), "4", "numbers are never used again");
}

#[tokio::test]
async fn user_data_is_masked_in_the_call_log() {
    let w = world().await;
    w.version_of("v4").await;
    let call = w.handle.calls_since(0).into_iter().find(|c| c.operation == "CreateLaunchTemplateVersion").expect("logged");
    assert!(call.params["LaunchTemplateData.UserData"].starts_with("<masked"));
}
