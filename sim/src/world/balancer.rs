//! Load balancers, their listeners and rules, and which target groups they reach (aws-reference 6).
//!
//! **Invariant:** a target group is attached to a balancer by the actions of a listener or a rule and by nothing else;
//! [`World::balancers_of`] alone says so, and after every change of an action or a zone [`World::settle_use`] brings the
//! targets in line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{World, target::Health};
use crate::{rng, seed::TargetGroupSeed};

/// Application or network load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Balancer {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) network: bool,
    pub(crate) internal: bool,
    pub(crate) dns: String,
    pub(crate) created: i64,
    /// `provisioning` until then.
    pub(crate) active_at: i64,
    /// One per enabled zone.
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
    /// Those that were set; the rest has its default.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A listener; its actions are those of its default rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) balancer: String,
    pub(crate) port: i64,
    pub(crate) protocol: String,
    pub(crate) certificate: Option<String>,
    pub(crate) ssl_policy: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) actions: Vec<Action>,
}

/// A rule that is no default one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    pub(crate) listener: String,
    pub(crate) priority: i64,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) actions: Vec<Action>,
}

/// What is done with a request, and the order it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Action {
    pub(crate) order: Option<i64>,
    pub(crate) act: Act,
}

/// The three kinds of action without a user directory behind them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    Forward {
        /// Target group and weight.
        groups: Vec<(String, i64)>,
        sticky: bool,
        sticky_seconds: Option<i64>,
    },
    Redirect {
        protocol: String,
        port: String,
        host: String,
        path: String,
        query: String,
        status: String,
    },
    Fixed {
        status: String,
        content_type: Option<String>,
        body: Option<String>,
    },
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Host(Vec<String>),
    Path(Vec<String>),
    Header(String, Vec<String>),
    /// Key, if one was given, and value.
    Query(Vec<(Option<String>, String)>),
    Method(Vec<String>),
    Source(Vec<String>),
}

/// Everything of Elastic Load Balancing but the target groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Elb {
    pub(crate) balancers: BTreeMap<String, Balancer>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    pub(crate) rules: BTreeMap<String, Rule>,
    /// By ARN, target groups' too.
    pub(crate) tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// Target groups these actions forward to.
pub(crate) fn forwards(actions: &[Action]) -> impl Iterator<Item = &str> {
    actions
        .iter()
        .flat_map(|a| match &a.act {
            Act::Forward { groups, .. } => groups.as_slice(),
            _ => &[],
        })
        .map(|(arn, _)| arn.as_str())
}

impl Elb {
    /// The balancer's listeners, by port.
    pub(crate) fn listeners_of(&self, balancer: &str) -> Vec<&Listener> {
        let mut rows: Vec<&Listener> = self.listeners.values().filter(|l| l.balancer == balancer).collect();
        rows.sort_by_key(|l| l.port);
        rows
    }

    /// The listener's rules by priority, the default one aside.
    pub(crate) fn rules_of(&self, listener: &str) -> Vec<&Rule> {
        let mut rows: Vec<&Rule> = self.rules.values().filter(|r| r.listener == listener).collect();
        rows.sort_by_key(|r| r.priority);
        rows
    }

    /// Every action together with the balancer it belongs to.
    fn actions(&self) -> impl Iterator<Item = (&str, &[Action])> {
        let of_rules = self.rules.values().filter_map(|r| Some((self.listeners.get(&r.listener)?.balancer.as_str(), r.actions.as_slice())));
        self.listeners.values().map(|l| (l.balancer.as_str(), l.actions.as_slice())).chain(of_rules)
    }

    /// Target groups the balancer's listeners and rules name.
    pub(crate) fn reached_by(&self, balancer: &str) -> BTreeSet<&str> {
        self.actions().filter(|(b, _)| *b == balancer).flat_map(|(_, actions)| forwards(actions)).collect()
    }

    /// Takes a balancer away with all that is its own.
    pub(crate) fn remove_balancer(&mut self, arn: &str) {
        let listeners: Vec<String> = self.listeners_of(arn).iter().map(|l| l.arn.clone()).collect();
        for listener in listeners {
            self.remove_listener(&listener);
        }
        self.balancers.remove(arn);
        self.tags.remove(arn);
    }

    pub(crate) fn remove_listener(&mut self, arn: &str) {
        let rules: Vec<String> = self.rules_of(arn).iter().map(|r| r.arn.clone()).collect();
        for rule in rules {
            self.rules.remove(&rule);
            self.tags.remove(&rule);
        }
        self.listeners.remove(arn);
        self.tags.remove(arn);
    }
}

impl World {
    /// The balancers a target group is attached to through listeners and rules.
    pub(crate) fn balancers_of(&self, group: &str) -> Vec<&Balancer> {
        let arns: BTreeSet<&str> =
            self.elb.actions().filter(|(_, actions)| forwards(actions).any(|arn| arn == group)).map(|(balancer, _)| balancer).collect();
        arns.into_iter().filter_map(|arn| self.elb.balancers.get(arn)).collect()
    }

    /// Zone of a subnet.
    pub(crate) fn zone_of(&self, subnet: &str) -> Option<&str> {
        self.subnets.iter().find(|s| s.id == subnet).map(|s| s.zone.as_str())
    }

    /// Brings every target in line with the listeners, rules and zones there are now.
    pub(crate) fn settle_use(&mut self) {
        let all: Vec<(String, String)> = self
            .target_groups
            .values()
            .flat_map(|g| g.targets.iter().filter(|(_, t)| t.health != Health::Draining).map(|(key, _)| (g.arn.clone(), key.clone())))
            .collect();
        for (arn, key) in all {
            self.settle_target(&arn, &key);
        }
    }

    /// The default rule's ARN follows from its listener's.
    pub(crate) fn default_rule(&self, listener: &str) -> String {
        let tail = rng::hex(self.seed, "rule", listener, 16);
        listener.replace(":listener/", ":listener-rule/") + "/" + &tail
    }

    /// Balancers and listeners of seeded target groups: one listener per group, ports from 80 up by the groups' names.
    /// Their ARNs follow from the names, so that they stay the same when something else is added to a seed.
    pub(crate) fn build_balancers(&mut self, seeds: &[TargetGroupSeed]) {
        let created = self.now - 30 * 24 * 3_600_000;
        let mut named: BTreeMap<&str, Vec<&TargetGroupSeed>> = BTreeMap::new();
        for t in seeds {
            if let Some(name) = &t.load_balancer {
                named.entry(name).or_default().push(t);
            }
        }
        for (name, mut behind) in named {
            behind.sort_by(|a, b| a.name.cmp(&b.name));
            let arn_of = |w: &Self, name: &str| w.target_groups.values().find(|t| t.name == name).map(|t| t.arn.clone()).unwrap_or_default();
            let first = self.target_groups.values().find(|t| behind.iter().any(|b| b.name == t.name));
            let network = !first.is_some_and(|t| t.protocol.starts_with("HTTP"));
            let tail = rng::hex(self.seed, "load_balancer", name, 16);
            let kind = if network { "net" } else { "app" };
            let arn = format!("arn:aws:elasticloadbalancing:{}:{}:loadbalancer/{kind}/{name}/{tail}", self.region, self.account);
            let security_groups = if network { Vec::new() } else { vec![self.balancer_group(name)] };
            let mut zones = BTreeSet::new();
            let subnets = self.subnets.iter().filter(|s| zones.insert(s.zone.as_str())).map(|s| s.id.clone()).collect();
            for (at, t) in behind.iter().enumerate() {
                let group = arn_of(self, &t.name);
                let secure = matches!(t.protocol.as_str(), "HTTPS" | "TLS");
                let listener = arn.replace(":loadbalancer/", ":listener/") + "/" + &rng::hex(self.seed, "listener", &group, 16);
                let certificate =
                    || format!("arn:aws:acm:{}:{}:certificate/{}", self.region, self.account, rng::uuid(self.seed, "certificate", &listener));
                let row = Listener {
                    arn: listener.clone(),
                    balancer: arn.clone(),
                    port: if at == 0 { 80 } else { 8080 + at as i64 },
                    protocol: t.protocol.clone(),
                    certificate: secure.then(certificate),
                    ssl_policy: secure.then(|| "ELBSecurityPolicy-2016-08".to_owned()),
                    alpn: None,
                    actions: vec![Action { order: None, act: Act::Forward { groups: vec![(group, 1)], sticky: false, sticky_seconds: None } }],
                };
                self.elb.listeners.insert(listener, row);
            }
            let dns = format!("{name}-{}.{}.elb.amazonaws.com", rng::hash(self.seed, "dns", name) % 1_000_000_000, self.region);
            let row = Balancer {
                arn: arn.clone(),
                name: name.to_owned(),
                network,
                internal: false,
                dns,
                created,
                active_at: created,
                subnets,
                security_groups,
                attributes: BTreeMap::new(),
            };
            self.elb.balancers.insert(arn, row);
        }
    }
}
