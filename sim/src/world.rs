//! The simulated account and Region: all state, and the loop that lets time pass over it.
//!
//! **Invariant:** state changes only in [`World::advance_to`] (due events in time order, ties by entity) or in a
//! service operation at the present instant; given the same seed and the same calls at the same times, two worlds are
//! equal in every byte.

pub(crate) mod agenda;
pub(crate) mod alarm;
pub(crate) mod attach;
pub(crate) mod balance;
pub(crate) mod balancer;
pub(crate) mod boot;
pub(crate) mod bucket;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod capacity;
pub(crate) mod flow;
pub(crate) mod group;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod iam;
pub(crate) mod images;
pub(crate) mod instance;
pub(crate) mod launch;
pub(crate) mod lifecycle;
pub(crate) mod load;
pub(crate) mod metric;
pub(crate) mod placement;
pub(crate) mod policy;
pub(crate) mod power;
pub(crate) mod refresh;
pub(crate) mod refresh_look;
pub(crate) mod refresh_run;
pub(crate) mod scaling;
pub(crate) mod schedule;
pub(crate) mod security;
pub(crate) mod shell;
pub(crate) mod steps;
pub(crate) mod target;
pub(crate) mod target_check;
pub(crate) mod target_shown;
pub(crate) mod template;
pub(crate) mod token_bucket;
pub(crate) mod track;
pub(crate) mod tracking;
pub(crate) mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{params::Params, policy::Document, rng, seed::Subnet};
use agenda::{Agenda, Entity};
use alarm::{Alarm, history::Item};
use balancer::Elb;
use bucket::Bucket;
use cache::Caches;
use group::Group;
use iam::Iam;
use images::Repository;
use instance::Instance;
use load::Load;
use metric::custom::Custom;
use security::{SecurityGroup, Tags};
use target::TargetGroup;
use template::Template;
use token_bucket::TokenBuckets;
use track::Tracks;

/// A role session or user known by its access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) account: String,
    /// How long the keys are good for, seconds.
    pub(crate) seconds: i64,
    /// Until when, in real time. Not part of the state, which would else not be the same twice: in an imported world the
    /// time begins anew at the first call.
    #[serde(skip)]
    pub(crate) expires: Option<i64>,
    /// Policies the session was made with; each must allow what it does.
    pub(crate) policies: Vec<Document>,
}

fn yes() -> bool {
    true
}

/// One account in one Region. Times are milliseconds since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) now: i64,
    /// Real time: credentials are signed and judged by the machine's clock, not by the simulated one.
    #[serde(skip)]
    pub(crate) wall: i64,
    /// Something was done from outside since the tracks were written.
    #[serde(skip, default = "yes")]
    pub(crate) touched: bool,
    pub(crate) seed: u64,
    pub(crate) params: Params,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) iam: Iam,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) templates: BTreeMap<String, Template>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    pub(crate) elb: Elb,
    pub(crate) security_groups: BTreeMap<String, SecurityGroup>,
    /// Tags of the VPC and its subnets.
    pub(crate) network_tags: BTreeMap<String, Tags>,
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// Launches still possible per zone; a zone that is absent has no limit.
    pub(crate) capacity: BTreeMap<String, u64>,
    /// Load asked for by group.
    pub(crate) load: BTreeMap<String, Load>,
    pub(crate) caches: Caches,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) token_buckets: TokenBuckets,
    /// What happened, for the metrics.
    #[serde(default)]
    pub(crate) tracks: Tracks,
    /// Metrics clients have put, by their key.
    #[serde(default)]
    pub(crate) custom: BTreeMap<String, Custom>,
    #[serde(default)]
    pub(crate) alarms: BTreeMap<String, Alarm>,
    /// Oldest first.
    #[serde(default)]
    pub(crate) alarm_history: Vec<Item>,
    pub(crate) agenda: Agenda,
    /// Ordinal behind every generated identifier.
    pub(crate) ids: u64,
}

impl World {
    /// An empty account, as another Region of it looks.
    pub(crate) fn empty(now: i64, seed: u64, params: Params, account: &str, region: &str) -> Self {
        Self {
            now,
            wall: 0,
            touched: true,
            seed,
            params,
            account: account.to_owned(),
            region: region.to_owned(),
            vpc: String::new(),
            subnets: Vec::new(),
            iam: Iam::default(),
            sessions: BTreeMap::new(),
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
            templates: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            elb: Elb::default(),
            security_groups: BTreeMap::new(),
            network_tags: BTreeMap::new(),
            repositories: BTreeMap::new(),
            capacity: BTreeMap::new(),
            load: BTreeMap::new(),
            caches: Caches::default(),
            buckets: BTreeMap::new(),
            token_buckets: TokenBuckets::default(),
            tracks: Tracks::default(),
            custom: BTreeMap::new(),
            alarms: BTreeMap::new(),
            alarm_history: Vec::new(),
            agenda: Agenda::default(),
            ids: 0,
        }
    }

    /// Lets time pass: every due event in order, then now = `to`.
    pub(crate) fn advance_to(&mut self, to: i64) {
        // What an operation or a control did at the present instant is written down before time passes over it; what
        // events do is written down with them.
        if std::mem::take(&mut self.touched) {
            self.observe();
        }
        while let Some((at, entity)) = self.agenda.pop(to) {
            self.now = self.now.max(at);
            match entity {
                Entity::Instance(id) => {
                    let group = self.instances.get(&id).map(|i| i.group.clone());
                    self.step_instance(&id);
                    if let Some(group) = group {
                        self.observe_group(&group);
                    }
                }
                Entity::Target(arn, id) => {
                    self.step_target(&arn, &id);
                    self.observe_target(&arn, &id);
                }
                Entity::Group(name) => {
                    self.step_group(&name);
                    self.observe_group(&name);
                }
                Entity::Cache(id) => {
                    self.step_cache(&id);
                    self.observe_caches();
                }
                Entity::Alarm(name) => self.step_alarm(&name),
                Entity::Repository(name) => self.step_repository(&name),
            }
        }
        self.now = self.now.max(to);
    }

    /// How large the state is: the rows that a world may have many of.
    pub(crate) fn rows(&self) -> usize {
        let history: usize = self.groups.values().map(|g| 1 + g.activities.len() + g.refreshes.len()).sum();
        let targets: usize = self.target_groups.values().map(|t| 1 + t.targets.len()).sum();
        let images: usize = self.repositories.values().map(|r| 1 + r.images.len() + r.layers.len() + r.uploads.len()).sum();
        let versions: usize = self.templates.values().map(|t| 1 + t.versions.len()).sum();
        self.instances.len() + history + targets + images + versions
    }

    /// Next identifier's key.
    pub(crate) fn next_key(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    pub(crate) fn new_uuid(&mut self, label: &str) -> String {
        let key = self.next_key();
        rng::uuid(self.seed, label, &key)
    }

    pub(crate) fn new_hex(&mut self, label: &str, len: usize) -> String {
        let key = self.next_key();
        rng::hex(self.seed, label, &key, len)
    }

    /// Registry host of this account and Region.
    pub(crate) fn registry(&self) -> String {
        format!("{}.dkr.ecr.{}.amazonaws.com", self.account, self.region)
    }

    pub(crate) fn wake_group(&mut self, name: &str, at: i64) {
        self.agenda.wake(at.max(self.now), Entity::Group(name.to_owned()));
    }

    pub(crate) fn wake_instance(&mut self, id: &str, at: i64) {
        self.agenda.wake(at.max(self.now), Entity::Instance(id.to_owned()));
    }

    pub(crate) fn wake_target(&mut self, arn: &str, id: &str, at: i64) {
        self.agenda.wake(at.max(self.now), Entity::Target(arn.to_owned(), id.to_owned()));
    }
}
