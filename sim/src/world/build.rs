//! From a seed to a living world.
//!
//! **Invariant:** instances of a seeded group were launched in the past and are InService and healthy at the start; a
//! seed that contradicts itself is refused with the field that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    World,
    bucket::Bucket,
    group::{Group, Hook, LaunchSpec, Scheduled, Tag, TemplateRef, Why},
    images::Repository,
    instance::{Ec2State, Lifecycle},
    schedule,
    target::{self, Health, TargetGroup},
    template::{Template, Version},
};
use crate::{
    params::Params,
    rng,
    seed::{GroupSeed, Seed},
    wire::node::Node,
};

const HOUR: i64 = 3_600_000;

impl World {
    /// Builds the world of a seed, starting at `now`.
    pub(crate) fn build(seed_number: u64, seed: &Seed, now: i64) -> Result<Self> {
        let params = seed.params.clone().unwrap_or_else(|| Params::draw(seed_number));
        let mut w = Self::empty(now, seed_number, params, &seed.account, &seed.region);
        if w.account.len() != 12 || !w.account.bytes().all(|b| b.is_ascii_digit()) {
            bail!("account: {:?} is not twelve digits", w.account);
        }
        w.token_buckets.set(w.params.token_buckets || seed.token_buckets, 1000);
        w.vpc = seed.vpc.clone();
        w.subnets = seed.subnets.clone();
        w.build_roles(seed)?;
        let made = now - 90 * 24 * HOUR;
        w.buckets = seed.buckets.iter().map(|name| (name.clone(), Bucket::new(&seed.region, made))).collect();
        w.build_caches(seed)?;
        w.build_repositories(seed)?;
        w.build_templates(seed)?;
        for t in &seed.target_groups {
            let tail = w.new_hex("target_group", 16);
            let arn = format!("arn:aws:elasticloadbalancing:{}:{}:targetgroup/{}/{tail}", w.region, w.account, t.name);
            let group = TargetGroup {
                arn: arn.clone(),
                name: t.name.clone(),
                protocol: t.protocol.clone(),
                version: t.protocol.starts_with("HTTP").then(|| "HTTP1".to_owned()),
                port: t.port,
                check_protocol: t.check_protocol.clone(),
                check_port: "traffic-port".into(),
                path: t.check_protocol.starts_with("HTTP").then(|| t.path.clone()),
                matcher: t.check_protocol.starts_with("HTTP").then(|| "200".to_owned()),
                interval: t.interval,
                timeout: t.timeout,
                healthy: t.healthy,
                unhealthy: t.unhealthy,
                attributes: BTreeMap::from([(target::DELAY.to_owned(), t.deregistration_delay.to_string())]),
                targets: BTreeMap::new(),
            };
            w.target_groups.insert(arn, group);
        }
        w.build_balancers(&seed.target_groups);
        w.build_security(seed)?;
        for g in &seed.groups {
            w.build_group(g).with_context(|| format!("groups: {}", g.name))?;
        }
        // The fleet has been as it is since its launch: that is what the metrics of the days before show.
        w.now = now - 3 * 24 * HOUR + HOUR / 4;
        w.observe();
        w.now = now;
        Ok(w)
    }

    fn build_repositories(&mut self, seed: &Seed) -> Result<()> {
        let now = self.now;
        for r in &seed.repositories {
            let row = Repository { name: r.name.clone(), created: now - 90 * 24 * HOUR, scan_on_push: true, ..Repository::default() };
            self.repositories.insert(r.name.clone(), row);
            let count = r.images.len() as i64;
            for (at, image) in r.images.iter().enumerate() {
                let pushed = now - (count - at as i64) * 36 * HOUR;
                self.push_image(&r.name, image, pushed).map_err(|e| anyhow::anyhow!("repositories: {e}"))?;
            }
            let Some(repo) = self.repositories.get_mut(&r.name) else {
                continue;
            };
            for (alias, tag) in &r.aliases {
                let digest = repo.tags.get(tag).cloned().with_context(|| format!("repositories: aliases: no tag {tag:?}"))?;
                repo.tags.insert(alias.clone(), digest);
            }
        }
        Ok(())
    }

    fn build_templates(&mut self, seed: &Seed) -> Result<()> {
        let by = format!("arn:aws:iam::{}:root", self.account);
        for t in &seed.templates {
            let created = self.now - 60 * 24 * HOUR;
            let mut versions = BTreeMap::new();
            for (at, v) in t.versions.iter().enumerate() {
                let number = at as u64 + 1;
                let mut data = Node::default();
                for (key, value) in &v.data {
                    data.put(key, value);
                }
                if !v.user_data.is_empty() {
                    data.put("UserData", &STANDARD.encode(self.fill(&v.user_data)?));
                }
                if !v.tags.is_empty() {
                    data.put("TagSpecification.1.ResourceType", "instance");
                    for (n, (key, value)) in v.tags.iter().enumerate() {
                        data.put(&format!("TagSpecification.1.Tag.{}.Key", n + 1), key);
                        data.put(&format!("TagSpecification.1.Tag.{}.Value", n + 1), value);
                    }
                }
                let description = v.description.clone();
                versions.insert(number, Version { number, created, by: by.clone(), description, data });
            }
            let id = format!("lt-0{}", self.new_hex("template", 16));
            let row = Template {
                id: id.clone(),
                name: t.name.clone(),
                created,
                by: by.clone(),
                default: t.default.unwrap_or(1),
                latest: versions.len() as u64,
                versions,
                tags: Vec::new(),
                tokens: BTreeMap::new(),
            };
            self.templates.insert(id, row);
        }
        Ok(())
    }

    /// Puts digests in for `{{digest:REPOSITORY:TAG}}`.
    fn fill(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{digest:") {
            let (name, tail) = after.split_once("}}").context("templates: user_data: unclosed {{digest:")?;
            let (repository, tag) = name.rsplit_once(':').context("templates: user_data: {{digest:REPOSITORY:TAG}}")?;
            let digest = self
                .repositories
                .get(repository)
                .and_then(|r| r.tags.get(tag))
                .with_context(|| format!("templates: user_data: no image {repository}:{tag}"))?;
            out.push_str(before);
            out.push_str(digest);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn build_group(&mut self, g: &GroupSeed) -> Result<()> {
        if !(0 <= g.min && g.min <= g.desired && g.desired <= g.max) {
            bail!("min, desired, max: {} <= {} <= {} does not hold", g.min, g.desired, g.max);
        }
        let spec = match (&g.template, &g.launch_configuration) {
            (Some(name), None) => {
                let id = self.template_named(name).map(|t| t.id.clone()).with_context(|| format!("template: no {name:?}"))?;
                let template = TemplateRef { id, name: name.clone(), version: g.version.clone() };
                if g.mixed_types.is_empty() {
                    LaunchSpec::Template(template)
                } else {
                    let overrides = g
                        .mixed_types
                        .iter()
                        .map(|kind| {
                            let mut node = Node::default();
                            node.put("InstanceType", kind);
                            node
                        })
                        .collect();
                    LaunchSpec::Mixed { template, overrides, distribution: None }
                }
            }
            (None, Some(name)) => LaunchSpec::Configuration(name.clone()),
            _ => bail!("template, launch_configuration: exactly one is needed"),
        };
        let mut arns = Vec::new();
        for name in &g.target_groups {
            let arn = self.target_groups.values().find(|t| t.name == *name).map(|t| t.arn.clone());
            arns.push(arn.with_context(|| format!("target_groups: no {name:?}"))?);
        }
        let start = self.now;
        let created = start - 30 * 24 * HOUR;
        let uuid = self.new_uuid("group");
        let arn = format!("arn:aws:autoscaling:{}:{}:autoScalingGroup:{uuid}:autoScalingGroupName/{}", self.region, self.account, g.name);
        let scheduled = g.scheduled.iter().map(|s| {
            let at = s.start_in.map(|t| start + t * 1000).or_else(|| schedule::next_run(s.recurrence.as_deref(), None, start));
            let lag = self.params.scheduled_lag.draw(self.seed, "scheduled", &s.name);
            Scheduled {
                name: s.name.clone(),
                start: at,
                end: None,
                recurrence: s.recurrence.clone(),
                time_zone: None,
                min: s.min,
                max: s.max,
                desired: s.desired,
                due: at.map(|t| t + lag),
            }
        });
        let group = Group {
            min: g.min,
            max: g.max,
            desired: g.desired,
            warmup: g.warmup,
            subnets: self.subnets.iter().map(|s| s.id.clone()).collect(),
            target_groups: arns.clone(),
            attached: arns.iter().cloned().collect::<BTreeSet<_>>(),
            health_check: g.health_check.clone(),
            grace: g.grace,
            protect_new: g.protect_new,
            max_lifetime: g.max_instance_lifetime,
            maintenance: g.maintenance,
            warm_pool: g.warm_pool.map(|min| ("Stopped".to_owned(), min)),
            suspended: g.suspended.iter().map(|p| (p.clone(), created)).collect(),
            tags: g.tags.iter().map(|(k, v)| Tag { key: k.clone(), value: v.clone(), propagate: true }).collect(),
            hooks: g
                .hooks
                .iter()
                .map(|h| Hook {
                    name: h.name.clone(),
                    transition: h.transition.clone(),
                    heartbeat: h.heartbeat,
                    default_result: h.default_result.clone(),
                    notification: Default::default(),
                })
                .collect(),
            scheduled: scheduled.collect(),
            enabled_metrics: g.enabled_metrics.iter().map(|m| (m.clone(), created)).collect(),
            ..Group::bare(&g.name, arn, created, spec)
        };
        self.groups.insert(g.name.clone(), group);
        for n in 0..g.desired {
            self.now = start - 3 * 24 * HOUR + n * 1000;
            self.build_instance(&g.name, &arns, n, g.desired)?;
        }
        self.now = start;
        self.wake_schedule(&g.name);
        Ok(())
    }

    /// An instance that has been serving for days.
    fn build_instance(&mut self, group: &str, arns: &[String], n: i64, of: i64) -> Result<()> {
        let cause = format!(
            "a user request update of AutoScalingGroup constraints to min: 0, max: {of}, desired: {of} changing the desired capacity from 0 to {of}.  At {} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {n} to {}.",
            crate::clock::iso_seconds(self.now),
            n + 1
        );
        let id = self.launch(group, Why::Capacity, &cause).context("could not launch")?;
        let times = self.instances.get(&id).map(|i| (i.running_at, i.pull_at, i.ready_at));
        let Some((running, pull, ready)) = times else {
            return Ok(());
        };
        let activity = self.instances.get(&id).map(|i| i.activity.clone()).unwrap_or_default();
        if let Some(i) = self.instances.get_mut(&id) {
            i.ec2 = Ec2State::Running;
            i.lifecycle = Lifecycle::InService;
            i.in_service_at = Some(ready);
        }
        self.now = ready.max(running);
        self.set_activity(group, &activity, "Successful", 100, None);
        for arn in arns {
            self.register(arn, &id);
        }
        self.now = pull.max(ready);
        self.boot(&id);
        for arn in arns {
            let Some(t) = self.target_groups.get_mut(arn).and_then(|g| g.targets.get_mut(&id)) else {
                continue;
            };
            if t.health == Health::Unused {
                continue;
            }
            t.health = Health::Healthy;
            t.since = t.first_check + 120_000;
            t.passes = 5;
        }
        if self.instances.get(&id).is_some_and(|i| i.app.is_none() && i.template.is_some()) && !arns.is_empty() {
            bail!("the user data of {group} starts no container: {id} cannot be healthy");
        }
        // A launch configuration has no user data here: its application just runs.
        let bare = self.instances.get(&id).is_some_and(|i| i.app.is_none());
        if bare {
            let digest = rng::sha256(group.as_bytes());
            let listens_at = running;
            if let Some(i) = self.instances.get_mut(&id) {
                i.app = Some(super::boot::App {
                    reference: format!("{group}-baked"),
                    repository: String::new(),
                    digest,
                    behaviour: super::images::Behaviour::Ok,
                    listens_at,
                    dies_at: None,
                });
            }
        }
        Ok(())
    }
}
