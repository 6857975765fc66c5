//! The target stack of aws-reference section 12 as a seed.
//!
//! **Invariant:** every name, the account and (through the seed number) every digest can be other ones; nothing in the
//! crate depends on these.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    GroupSeed, ImageSeed, PermissionSeed, RepositorySeed, RoleSeed, SecurityGroupSeed, Seed, Subnet, TargetGroupSeed, TemplateSeed, VersionSeed,
};
use crate::rng;

/// Names of the target stack's parts. Each group carries the image tag its first template version runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StackNames {
    /// Twelve digits.
    pub account: String,
    /// Region name.
    pub region: String,
    /// ECR repository.
    pub repository: String,
    /// Image tags, oldest first; the third is unhealthy.
    pub tags: Vec<String>,
    /// The moving tag, on the newest healthy image.
    pub moving_tag: String,
    /// Production group (2/2/10).
    pub production: String,
    /// Tag production's first template version carries, by digest.
    pub production_tag: String,
    /// Deregistration delay of production, seconds.
    pub production_drain: i64,
    /// Production's launch template.
    pub production_template: String,
    /// Production's target group.
    pub production_targets: String,
    /// Staging group (1/2/4).
    pub staging: String,
    /// Tag staging's first template version carries, by digest.
    pub staging_tag: String,
    /// Staging's launch template.
    pub staging_template: String,
    /// Staging's target group.
    pub staging_targets: String,
    /// Group on `$Latest` whose user data names the moving tag.
    pub legacy: String,
    /// Its launch template.
    pub legacy_template: String,
    /// Its target group.
    pub legacy_targets: String,
    /// Load balancer in front of all.
    pub load_balancer: String,
    /// ElastiCache replication group.
    pub redis: String,
    /// Bucket.
    pub bucket: String,
    /// Role for AssumeRole; its external id is the next field.
    pub role: String,
    /// External id of the role.
    pub external_id: String,
    /// Role of the instances.
    pub app_role: String,
    /// Instance profile that holds it.
    pub app_profile: String,
}

impl Default for StackNames {
    fn default() -> Self {
        Self {
            account: "123456789012".into(),
            region: "ap-south-1".into(),
            repository: "stateless-app".into(),
            tags: ["v1", "v2", "v3", "v4"].map(String::from).to_vec(),
            moving_tag: "latest".into(),
            production: "stateless-app-asg".into(),
            production_tag: "v2".into(),
            production_drain: 60,
            production_template: "stateless-app-template".into(),
            production_targets: "stateless-app-targets".into(),
            staging: "stateless-app-staging-asg".into(),
            staging_tag: "v2".into(),
            staging_template: "stateless-app-staging-template".into(),
            staging_targets: "stateless-app-staging-targets".into(),
            legacy: "stateless-app-legacy-asg".into(),
            legacy_template: "stateless-app-legacy-template".into(),
            legacy_targets: "stateless-app-legacy-targets".into(),
            load_balancer: "stateless-app-alb".into(),
            redis: "stateless-app-redis".into(),
            bucket: "stateless-app-files".into(),
            role: "fleet-control".into(),
            external_id: "stack-external-id".into(),
            app_role: "app-role".into(),
            app_profile: "app-instance-profile".into(),
        }
    }
}

impl StackNames {
    /// Every name and the account drawn from a number.
    pub fn random(seed: u64) -> Self {
        let word = |label: &str| {
            let h = rng::hash(seed, "stack", label);
            let parts = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"];
            format!("{}-{}", parts[(h % 8) as usize], rng::hex(seed, "stack", label, 6))
        };
        let account = format!("{:012}", 100_000_000_000 + rng::hash(seed, "stack", "account") % 900_000_000_000);
        let tags: Vec<String> = (0..4).map(|n| format!("r{}", rng::hex(seed, "tag", &n.to_string(), 5))).collect();
        let regions = ["ap-south-1", "eu-west-1", "us-east-2", "eu-central-1"];
        Self {
            account,
            region: regions[(rng::hash(seed, "stack", "region") % 4) as usize].into(),
            repository: format!("team/{}", word("repository")),
            production_tag: tags[1].clone(),
            staging_tag: tags[1].clone(),
            tags,
            moving_tag: format!("stable{}", rng::hex(seed, "stack", "moving", 3)),
            production: word("production"),
            production_drain: 30 + (rng::hash(seed, "stack", "drain") % 60) as i64,
            production_template: word("production_template"),
            production_targets: word("production_targets"),
            staging: word("staging"),
            staging_template: word("staging_template"),
            staging_targets: word("staging_targets"),
            legacy: word("legacy"),
            legacy_template: word("legacy_template"),
            legacy_targets: word("legacy_targets"),
            load_balancer: word("load_balancer"),
            redis: word("redis"),
            bucket: word("bucket"),
            role: word("role"),
            external_id: rng::hex(seed, "stack", "external", 20),
            app_role: word("app_role"),
            app_profile: word("app_profile"),
        }
    }

    /// User data of aws-reference 12.1 with this image behind the registry host.
    pub fn user_data(&self, image: &str) -> String {
        let (region, account, redis, bucket) = (&self.region, &self.account, &self.redis, &self.bucket);
        format!(
            r#"#!/bin/bash
set -euo pipefail
REGION={region}; REGISTRY={account}.dkr.ecr.{region}.amazonaws.com
IMAGE="$REGISTRY/{image}"
dnf install -y docker                            # not: amazon-linux-extras install docker
systemctl enable --now docker
retry() {{ for i in 1 2 3 4 5; do "$@" && return 0; sleep $((i*5)); done; return 1; }}
login() {{ aws ecr get-login-password --region "$REGION" | docker login --username AWS --password-stdin "$REGISTRY"; }}
retry login
retry docker pull "$IMAGE"
docker run -d --name app --restart unless-stopped -p 80:3000 \
  -e REDIS_URL="redis://master.{redis}.cache.amazonaws.com:6379" -e AWS_REGION="$REGION" -e S3_BUCKET_NAME="{bucket}" \
  --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 "$IMAGE"
"#
        )
    }
}

impl Seed {
    /// The target stack of aws-reference section 12: production, a smaller staging copy, and one group still on
    /// `$Latest` with a moving tag.
    pub fn target_stack(n: &StackNames) -> Self {
        let pinned = |tag: &str| n.user_data(&format!("{r}@{{{{digest:{r}:{tag}}}}}", r = n.repository));
        let moving = n.user_data(&format!("{}:{}", n.repository, n.moving_tag));
        let template = |name: &str, user_data: String| TemplateSeed {
            name: name.to_owned(),
            versions: vec![VersionSeed {
                user_data,
                tags: BTreeMap::from([("Name".to_owned(), name.replace("-template", ""))]),
                data: template_data(n),
                description: Some("first".into()),
            }],
            default: None,
        };
        let targets = |name: &str, delay: i64| TargetGroupSeed {
            name: name.to_owned(),
            deregistration_delay: delay,
            load_balancer: Some(n.load_balancer.clone()),
            ..TargetGroupSeed::default()
        };
        let group = |name: &str, template: &str, version: &str, sizes: (i64, i64, i64), targets: &str| GroupSeed {
            name: name.to_owned(),
            template: Some(template.to_owned()),
            version: version.to_owned(),
            min: sizes.0,
            desired: sizes.1,
            max: sizes.2,
            warmup: Some(60),
            target_groups: vec![targets.to_owned()],
            enabled_metrics: crate::world::metric::group::NAMES.map(String::from).to_vec(),
            ..GroupSeed::default()
        };
        let image = |(at, tag): (usize, &String)| ImageSeed {
            tag: tag.clone(),
            behaviour: if at == 2 { "unhealthy" } else { "ok" }.into(),
            boot_seconds: None,
        };
        let newest = n.tags.last().cloned().unwrap_or_default();
        let region = &n.region;
        let subnet = |zone: &str| Subnet { id: format!("subnet-0{}", rng::hex(1, &n.account, zone, 16)), zone: format!("{region}{zone}") };
        Self {
            account: n.account.clone(),
            region: n.region.clone(),
            vpc: format!("vpc-0{}", rng::hex(1, &n.account, "vpc", 16)),
            subnets: vec![subnet("a"), subnet("b")],
            roles: roles(n),
            repositories: vec![RepositorySeed {
                name: n.repository.clone(),
                images: n.tags.iter().enumerate().map(image).collect(),
                aliases: BTreeMap::from([(n.moving_tag.clone(), newest)]),
            }],
            templates: vec![
                template(&n.production_template, pinned(&n.production_tag)),
                template(&n.staging_template, pinned(&n.staging_tag)),
                template(&n.legacy_template, moving),
            ],
            target_groups: vec![targets(&n.production_targets, n.production_drain), targets(&n.staging_targets, 30), targets(&n.legacy_targets, 30)],
            security_groups: security_groups(n),
            groups: vec![
                group(&n.production, &n.production_template, "1", (2, 2, 10), &n.production_targets),
                group(&n.staging, &n.staging_template, "1", (1, 2, 4), &n.staging_targets),
                group(&n.legacy, &n.legacy_template, "$Latest", (1, 1, 3), &n.legacy_targets),
            ],
            redis: vec![n.redis.clone()],
            replication_groups: Vec::new(),
            buckets: vec![n.bucket.clone()],
            token_buckets: false,
            params: None,
        }
    }
}

/// The role that a control plane assumes, and that of the instances with the policies of aws-reference section 12.
fn roles(n: &StackNames) -> Vec<RoleSeed> {
    let arn = |name: &str| format!("arn:aws:iam::{}:role/{name}", n.account);
    let attached = ["AmazonEC2ContainerRegistryReadOnly", "CloudWatchAgentServerPolicy", "AmazonS3FullAccess", "AmazonSSMManagedInstanceCore"];
    vec![
        RoleSeed { arn: arn(&n.role), external_id: Some(n.external_id.clone()), ..RoleSeed::default() },
        RoleSeed {
            arn: arn(&n.app_role),
            service: Some("ec2.amazonaws.com".into()),
            policies: Some(Vec::new()),
            attached: attached.map(String::from).to_vec(),
            instance_profile: Some(n.app_profile.clone()),
            ..RoleSeed::default()
        },
    ]
}

/// Id of a security group of the stack.
fn security_group(n: &StackNames, name: &str) -> String {
    format!("sg-0{}", rng::hex(1, &n.account, name, 16))
}

/// The three security groups of aws-reference section 12.
fn security_groups(n: &StackNames) -> Vec<SecurityGroupSeed> {
    let anyone = |port: i64| PermissionSeed { from: port, to: port, cidr: Some("0.0.0.0/0".into()), ..PermissionSeed::default() };
    let between = |port: i64, group: &str| PermissionSeed { from: port, to: port, group: Some(group.into()), ..PermissionSeed::default() };
    let row = |name: &str, description: &str, ingress: Vec<PermissionSeed>, egress: Vec<PermissionSeed>| SecurityGroupSeed {
        name: name.into(),
        id: Some(security_group(n, name)),
        description: description.into(),
        ingress,
        egress,
        ..SecurityGroupSeed::default()
    };
    let alb = row("alb", "load balancer", vec![anyone(80), anyone(443)], vec![between(80, "app")]);
    vec![
        SecurityGroupSeed { id: None, load_balancer: Some(n.load_balancer.clone()), ..alb },
        row("app", "application", vec![between(80, "alb")], vec![anyone(443), between(6379, "redis")]),
        row("redis", "replication group", vec![between(6379, "app")], Vec::new()),
    ]
}

/// Template members of aws-reference section 12, user data and tags aside.
fn template_data(n: &StackNames) -> BTreeMap<String, String> {
    let ami = format!("ami-0{}", rng::hex(1, &n.account, "ami", 16));
    let security_group = security_group(n, "app");
    [
        ("ImageId", ami.as_str()),
        ("InstanceType", "t3.micro"),
        ("IamInstanceProfile.Name", n.app_profile.as_str()),
        ("SecurityGroupId.1", security_group.as_str()),
        ("Monitoring.Enabled", "true"),
        ("MetadataOptions.HttpTokens", "required"),
        ("MetadataOptions.HttpPutResponseHopLimit", "2"),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .collect()
}
