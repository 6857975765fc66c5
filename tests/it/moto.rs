//! Our adapter against moto, a simulated AWS of strangers: each verb that moto answers, on a world that the SDK's own
//! clients made there and told us about.
//!
//! `scripts/test` starts moto and says where in `FLEETGATE_TEST_MOTO`. Where moto has not got an operation, the verb must
//! say that nothing is known, never that it went well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::{LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData, ResourceType, Tag};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ProtocolEnum};
use aws_sdk_sts::config::Credentials;
use aws_smithy_types::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use fleetgate::aws::{Aws, AwsConfig, Cloud, ErrorKind, NewVersion, Place, Priority, other_tag_specs};
use fleetgate::clock::Clocks;
use fleetgate::domain::observation::{LaunchSource, TemplateRef, TemplateVersion};
use fleetgate::domain::strategy::{OnHold, OnStandby, Preferences};

use crate::harness::aws_config_at;

const REGION: &str = "eu-west-1";
/// moto's one account.
const ACCOUNT: &str = "123456789012";
const SCRIPT: &str = "#!/bin/bash\nIMAGE=app@sha256:old\n";
const P: Priority = Priority::Act;

/// Where moto answers.
#[expect(clippy::disallowed_methods, reason = "scripts/test says where moto answers, and nobody else knows")]
fn moto() -> String {
    std::env::var("FLEETGATE_TEST_MOTO").expect("FLEETGATE_TEST_MOTO is not set: run scripts/test, or start moto and say where it answers")
}

/// The SDK's own clients, as someone with the console.
async fn sdk() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(moto())
        .credentials_provider(Credentials::new("AKIACONSOLE", "console", None, None, "console"))
        .load()
        .await
}

/// Our way to moto, without a role or with one.
async fn cloud(role: Option<&str>) -> Cloud {
    // moto reads a service's sources at its first call.
    let slow = AwsConfig { attempt_timeout: Duration::from_secs(30), operation_timeout: Duration::from_secs(70), ..aws_config_at(moto()) };
    let place = Place { region: REGION.into(), role_arn: role.map(Into::into), external_id: role.map(|_| "stack-7".into()) };
    Aws::connect(slow, Clocks::system()).await.cloud(&place, "change-7").await.unwrap()
}

/// What the console made: a group of two on a template, behind a target group that a listener forwards to.
struct World {
    name: String,
    template: String,
    ami: String,
    targets: String,
    balancer: String,
    subnets: Vec<String>,
}

impl World {
    async fn new() -> Self {
        // On the heap: many SDK futures in one are too much for a test's stack.
        Box::pin(Self::make()).await
    }

    async fn make() -> Self {
        let sdk = sdk().await;
        let name = format!("m{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let ec2 = aws_sdk_ec2::Client::new(&sdk);
        let vpc = ec2.create_vpc().cidr_block("10.7.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
        let mut subnets = Vec::new();
        for (zone, cidr) in [("a", "10.7.1.0/24"), ("b", "10.7.2.0/24")] {
            let request = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(format!("{REGION}{zone}"));
            subnets.push(request.send().await.unwrap().subnet.unwrap().subnet_id.unwrap());
        }
        let images = ec2.describe_images().owners("amazon").send().await.unwrap().images.unwrap();
        let ami = images[0].image_id.clone().unwrap();
        let data = RequestLaunchTemplateData::builder()
            .image_id(&ami)
            .instance_type("t3.micro".into())
            .user_data(STANDARD.encode(SCRIPT))
            .tag_specifications(tagged(ResourceType::Instance, "Name", &name))
            .tag_specifications(tagged(ResourceType::Volume, "team", "shop"))
            .build();
        let request = ec2.create_launch_template().launch_template_name(&name).version_description("first").launch_template_data(data);
        let template = request.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap();

        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&sdk);
        let request = elb.create_target_group().name(&name).protocol(ProtocolEnum::Http).port(80).vpc_id(&vpc);
        let targets = request.send().await.unwrap().target_groups.unwrap().remove(0).target_group_arn.unwrap();
        let request = elb.create_load_balancer().name(&name).set_subnets(Some(subnets.clone()));
        let balancer = request.send().await.unwrap().load_balancers.unwrap().remove(0).load_balancer_arn.unwrap();

        let autoscaling = aws_sdk_autoscaling::Client::new(&sdk);
        let spec = LaunchTemplateSpecification::builder().launch_template_id(&template).version("1").build();
        let request = autoscaling.create_auto_scaling_group().auto_scaling_group_name(&name).launch_template(spec);
        let request = request.min_size(1).desired_capacity(2).max_size(4).vpc_zone_identifier(subnets.join(","));
        let request = request.target_group_arns(&targets).health_check_type("ELB").health_check_grace_period(120);
        request.send().await.unwrap();
        Self { name, template, ami, targets, balancer, subnets }
    }

    async fn listener(&self) {
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&sdk().await);
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&self.targets).build();
        let request = elb.create_listener().load_balancer_arn(&self.balancer).protocol(ProtocolEnum::Http).port(80);
        request.default_actions(forward).send().await.unwrap();
    }

    /// A target group of this account that does not exist.
    fn no_targets(&self) -> String {
        format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{}/0123456789abcdef", self.name)
    }
}

fn tagged(kind: ResourceType, key: &str, value: &str) -> LaunchTemplateTagSpecificationRequest {
    let tag = Tag::builder().key(key).value(value).build();
    LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).tags(tag).build()
}

fn preferences() -> Preferences {
    Preferences {
        min_healthy: 100,
        max_healthy: 150,
        warmup_seconds: 60,
        skip_matching: true,
        auto_rollback: true,
        protected: OnHold::Refresh,
        standby: OnStandby::Ignore,
        bake_seconds: 60,
        checkpoints: Vec::new(),
        checkpoint_delay_seconds: 0,
        alarms: Vec::new(),
        suspend: vec![],
    }
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn our_own_credentials_and_an_assumed_role_are_who_moto_says() {
    let own = cloud(None).await.whoami(P).await.unwrap();
    assert_eq!(own.account, ACCOUNT);
    let role = cloud(Some("arn:aws:iam::123456789012:role/deploy")).await.whoami(P).await.unwrap();
    assert_eq!((role.account.as_str(), role.arn.as_str()), (ACCOUNT, "arn:aws:sts::123456789012:assumed-role/deploy/change-7"));
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn a_group_is_read_as_it_was_made() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    let g = cloud.group(P, &w.name).await.unwrap().expect("the group");
    assert_eq!((g.min, g.desired, g.max, g.grace_seconds, g.health_check_type.as_str()), (1, 2, 4, 120, "ELB"));
    let named = TemplateRef { id: w.template.clone(), name: w.name.clone(), version: "1".into() };
    assert_eq!(g.launch, LaunchSource::Template(named));
    assert_eq!(g.target_group_arns, std::slice::from_ref(&w.targets));
    assert!(g.arn.contains(&format!(":{ACCOUNT}:autoScalingGroup:")) && g.arn.ends_with(&format!(":autoScalingGroupName/{}", w.name)), "{}", g.arn);
    assert_eq!(g.zones.len(), w.subnets.len());
    assert_eq!(g.instances.len(), 2);
    for i in &g.instances {
        assert!(i.in_service() && i.health == "Healthy" && !i.protected && i.zone.starts_with(REGION), "{i:?}");
        assert_eq!((i.template_id.as_deref(), i.template_version), (Some(w.template.as_str()), Some(1)));
    }
    assert_eq!((g.maintenance, g.warm_pool, g.max_instance_lifetime, g.protects_new, g.status.as_deref()), (None, false, None, false, None));
    let all = cloud.groups(P).await.unwrap();
    assert_eq!(all.iter().filter(|other| other.name == w.name).collect::<Vec<_>>(), [&g]);
    assert_eq!(cloud.group(P, "none-of-this-name").await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn scheduled_actions_and_hooks_of_a_group_are_read() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    let autoscaling = aws_sdk_autoscaling::Client::new(&sdk().await);
    // 2037-01-04T18:00:00Z
    let start = DateTime::from_secs(2_114_704_800);
    let request = autoscaling.put_scheduled_update_group_action().auto_scaling_group_name(&w.name).scheduled_action_name("evening");
    request.start_time(start).min_size(1).desired_capacity(3).max_size(5).send().await.unwrap();
    let request = autoscaling.put_lifecycle_hook().auto_scaling_group_name(&w.name).lifecycle_hook_name("boot");
    request.lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING").send().await.unwrap();
    let actions = cloud.scheduled_actions(P, &w.name).await.unwrap();
    assert_eq!(actions.len(), 1);
    let action = &actions[0];
    assert_eq!((action.name.as_str(), action.start_at), ("evening", Some(2_114_704_800_000)));
    assert_eq!((action.min, action.desired, action.max), (Some(1), Some(3), Some(5)));
    let hooks = cloud.lifecycle_hooks(P, &w.name).await.unwrap();
    assert_eq!(hooks.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["boot"]);
    // moto keeps no activities.
    assert!(cloud.activities(P, &w.name, 20).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn the_sizes_and_the_template_of_a_group_are_set_and_nothing_else() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    cloud.resize(&w.name, None, Some(3), Some(5)).await.unwrap();
    let g = cloud.group(P, &w.name).await.unwrap().unwrap();
    assert_eq!((g.min, g.desired, g.max, g.instances.len()), (1, 3, 5, 3));
    let made = cloud.create_template_version(&w.template, 1, &changed(&w), &BTreeMap::new(), "second", "set").await.unwrap();
    cloud.set_group_template(&w.name, &w.template, made.value).await.unwrap();
    let after = cloud.group(P, &w.name).await.unwrap().unwrap();
    assert!(matches!(&after.launch, LaunchSource::Template(t) if t.number() == Some(made.value)), "{:?}", after.launch);
    assert_eq!((after.min, after.desired, after.max), (1, 3, 5));
    let refused = cloud.resize("none-of-this-name", Some(1), None, None).await.unwrap_err();
    assert_eq!((refused.kind, refused.final_refusal()), (ErrorKind::NotFound, true), "{refused}");
}

fn numbers(versions: &[TemplateVersion]) -> Vec<i64> {
    versions.iter().map(|v| v.number).collect()
}

fn changed(w: &World) -> NewVersion {
    let tags = BTreeMap::from([("Name".to_owned(), w.name.clone()), ("release".to_owned(), "2".to_owned())]);
    NewVersion { user_data: Some("#!/bin/bash\nIMAGE=app@sha256:new\n".into()), instance_tags: Some(tags) }
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn a_template_version_comes_back_as_it_was_sent() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    let first = cloud.template_version(P, &w.template, "1").await.unwrap().expect("the first version");
    assert_eq!((first.number, first.description.as_str(), first.user_data.as_deref()), (1, "first", Some(SCRIPT)));
    assert_eq!((first.template_id.as_str(), first.ami.as_deref()), (w.template.as_str(), Some(w.ami.as_str())));
    assert_eq!(first.instance_tags, BTreeMap::from([("Name".to_owned(), w.name.clone())]));
    let others = other_tag_specs(&first);
    assert_eq!(others, BTreeMap::from([("volume".to_owned(), BTreeMap::from([("team".to_owned(), "shop".to_owned())]))]));

    cloud.may_create_version(P, &w.template, 1).await.unwrap();
    assert_eq!(cloud.template_versions_from(P, &w.template, 1).await.unwrap().len(), 1, "a trial run makes no version");
    let change = changed(&w);
    let made = cloud.create_template_version(&w.template, 1, &change, &others, "change 7", &w.name).await.unwrap();
    assert_eq!(made.value, 2);
    let second = cloud.template_version(P, &w.template, "$Latest").await.unwrap().expect("the second version");
    assert_eq!((second.number, second.description.as_str()), (2, "change 7"));
    assert_eq!((second.user_data, Some(second.instance_tags.clone())), (change.user_data, change.instance_tags));
    // What moto inherits is its own affair (nothing); what we sent along is there.
    assert_eq!(numbers(&cloud.template_versions_from(P, &w.template, 1).await.unwrap()), [1, 2]);
    let rest = cloud.template_versions_from(P, &w.template, 2).await.unwrap();
    assert_eq!(numbers(&rest), [2]);
    assert_eq!(other_tag_specs(&rest[0]), others);
    assert_eq!(cloud.template_version(P, &w.template, "99").await.unwrap(), None);
    assert_eq!(cloud.template_version(P, "lt-0123456789abcdef0", "1").await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn one_instance_is_terminated_with_a_replacement_and_without() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    let ids = async || {
        let g = cloud.group(P, &w.name).await.unwrap().unwrap();
        (g.desired, g.instances.into_iter().map(|i| i.id).collect::<BTreeSet<_>>())
    };
    let (_, before) = ids().await;
    let one = before.first().unwrap();
    cloud.terminate(one, false).await.unwrap();
    let (desired, replaced) = ids().await;
    assert_eq!((desired, replaced.len(), replaced.contains(one)), (2, 2, false));
    let one = replaced.first().unwrap();
    cloud.terminate(one, true).await.unwrap();
    let (desired, left) = ids().await;
    assert_eq!((desired, left.len(), left.contains(one)), (1, 1, false));
    let console = cloud.console_output(P, left.first().unwrap()).await.unwrap().expect("a console");
    assert!(console.starts_with("Linux version"), "{console}");
    assert_eq!(cloud.console_output(P, "i-0123456789abcdef0").await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn target_groups_and_the_health_of_their_targets_are_read() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    // One that is gone fails AWS's whole answer, and must not hide the other.
    let arns = [w.targets.clone(), w.no_targets()];
    let found = cloud.target_groups(P, &arns).await.unwrap();
    assert_eq!(found.len(), 1);
    let group = &found[0];
    assert_eq!((group.arn.as_str(), group.name.as_str(), group.protocol.as_str()), (w.targets.as_str(), w.name.as_str(), "HTTP"));
    assert!(!group.has_listener);
    w.listener().await;
    assert!(cloud.target_groups(P, &arns[..1]).await.unwrap()[0].has_listener);
    let states = cloud.target_states(P, &w.targets).await.unwrap();
    let instances = cloud.group(P, &w.name).await.unwrap().unwrap().instances;
    assert_eq!(states.keys().collect::<BTreeSet<_>>(), instances.iter().map(|i| &i.id).collect::<BTreeSet<_>>());
    assert!(states.values().all(|s| s.state == "healthy" && s.reason.is_none()), "{states:?}");
    assert_eq!(cloud.target_states(P, &w.no_targets()).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn images_are_found_by_tag_and_by_digest() {
    let cloud = cloud(None).await;
    let repository = format!("team/m{}", uuid::Uuid::new_v4().simple());
    let ecr = aws_sdk_ecr::Client::new(&sdk().await);
    let uri = ecr.create_repository().repository_name(&repository).send().await.unwrap().repository.unwrap().repository_uri.unwrap();
    assert_eq!(cloud.repository_exists(P, &repository).await.unwrap(), Some(uri));
    assert_eq!(cloud.repository_exists(P, "none-of-this-name").await.unwrap(), None);
    let mut digests = BTreeMap::new();
    for (tag, hex) in [("v1", "1"), ("v2", "2")] {
        let blob = |size: i64| json!({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": size, "digest": format!("sha256:{}", hex.repeat(64))});
        let media = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media, "config": blob(7), "layers": [blob(4096)]});
        let put = ecr.put_image().repository_name(&repository).image_manifest(manifest.to_string()).image_tag(tag).send().await.unwrap();
        digests.insert(tag, put.image.unwrap().image_id.unwrap().image_digest.unwrap());
    }
    assert_ne!(digests["v1"], digests["v2"]);
    for (tag, digest) in &digests {
        let by_tag = cloud.image_by_tag(P, &repository, tag).await.unwrap().expect("the tag");
        assert_eq!((&by_tag.digest, by_tag.tags.as_slice()), (digest, [(*tag).to_owned()].as_slice()));
        assert!(by_tag.pushed_at.is_some() && by_tag.size_bytes.is_some(), "{by_tag:?}");
        assert_eq!(cloud.image_by_digest(P, &repository, digest).await.unwrap(), Some(by_tag));
    }
    let all: BTreeSet<String> = cloud.images(P, &repository, 10).await.unwrap().into_iter().map(|i| i.digest).collect();
    assert_eq!(all, digests.into_values().collect::<BTreeSet<_>>());
    assert_eq!(cloud.images(P, &repository, 1).await.unwrap().len(), 1);
    assert_eq!(cloud.image_by_tag(P, &repository, "none").await.unwrap(), None);
    assert_eq!(cloud.image_by_tag(P, "none-of-this-name", "v1").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
#[ignore = "needs moto: scripts/test starts it"]
async fn what_moto_has_not_got_is_unknown_and_never_done() {
    let (w, cloud) = (World::new().await, cloud(None).await);
    // moto has no instance refreshes and answers with a page of HTML.
    assert_eq!(cloud.refreshes(P, &w.name, 1).await.unwrap_err().kind, ErrorKind::Unavailable);
    for error in [
        cloud.start_refresh(&w.name, &w.template, 1, &preferences()).await.map(drop).unwrap_err(),
        cloud.cancel_refresh(&w.name).await.map(drop).unwrap_err(),
        cloud.rollback_refresh(&w.name).await.map(drop).unwrap_err(),
        // It falls over an instance that it does not know.
        cloud.terminate("i-0123456789abcdef0", true).await.map(drop).unwrap_err(),
    ] {
        assert!(error.unknown() && !error.refused() && !error.final_refusal(), "{error:?}");
        assert!(!error.message.contains('<'), "a page of HTML is not shown: {}", error.message);
    }
}
