//! Security groups and the tags of the network (aws-reference 7.4, 12).
//!
//! **Invariant:** a VPC has its `default` group; a group that something uses or another group's rule names cannot go. No
//! packet is judged by these rules: what they say is what is answered.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{World, instance::Ec2State};
use crate::{
    rng,
    seed::{PermissionSeed, Seed},
};

/// Tags of one resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Peer {
    V4(String),
    V6(String),
    Group(String),
}

/// One rule: one peer, one range of ports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Permission {
    pub(crate) id: String,
    pub(crate) egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` or a number.
    pub(crate) protocol: String,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
}

impl Permission {
    /// Whether the two allow the same; what they are called does not count.
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.egress, &self.protocol, self.from, self.to, &self.peer) == (other.egress, &other.protocol, other.from, other.to, &other.peer)
    }
}

/// A security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) created: i64,
    pub(crate) rules: Vec<Permission>,
    pub(crate) tags: Tags,
}

const ANYWHERE: &str = "0.0.0.0/0";

impl World {
    /// Id of the VPC's own group, if there is a VPC.
    pub(crate) fn default_group(&self) -> Option<String> {
        (!self.vpc.is_empty()).then(|| format!("sg-0{}", rng::hex(1, &self.account, "default", 16)))
    }

    /// Id of the group in front of a seeded application load balancer.
    pub(crate) fn balancer_group(&self, balancer: &str) -> String {
        format!("sg-0{}", rng::hex(self.seed, "alb", balancer, 16))
    }

    /// Whether something uses the group or another group's rule names it.
    pub(crate) fn group_in_use(&self, id: &str) -> bool {
        self.instances.values().any(|i| i.ec2 != Ec2State::Terminated && i.data.security_groups().iter().any(|g| g == id))
            || self.elb.balancers.values().any(|b| b.security_groups.iter().any(|g| g == id))
            || self.cache_members().iter().any(|m| m.settings.security_groups.iter().any(|g| g == id))
            || self.security_groups.values().any(|g| g.id != id && g.rules.iter().any(|r| r.peer == Peer::Group(id.to_owned())))
    }

    /// A rule's identifier follows from what it says, at the start.
    fn seeded_rule(&self, group: &str, egress: bool, protocol: &str, ports: Option<(i64, i64)>, peer: Peer) -> Permission {
        let key = format!("{group}/{egress}/{protocol}/{ports:?}/{peer:?}");
        Permission {
            id: format!("sgr-0{}", rng::hex(self.seed, "rule", &key, 16)),
            egress,
            protocol: protocol.to_owned(),
            from: ports.map(|(from, _)| from),
            to: ports.map(|(_, to)| to),
            peer,
            description: None,
            tags: Tags::new(),
        }
    }

    fn seeded_group(&mut self, id: String, name: &str, description: &str, rules: Vec<Permission>) {
        let created = self.now - 90 * 24 * 3_600_000;
        let row = SecurityGroup { id: id.clone(), name: name.to_owned(), description: description.to_owned(), created, rules, tags: Tags::new() };
        self.security_groups.insert(id, row);
    }

    /// The seed's groups, the VPC's own one, and one for each that a template or a balancer names beside them.
    pub(crate) fn build_security(&mut self, seed: &Seed) -> Result<()> {
        if !self.vpc.is_empty() {
            self.network_tags.insert(self.vpc.clone(), Tags::from([("Name".to_owned(), "main".to_owned())]));
        }
        let mut ids = BTreeMap::new();
        for g in &seed.security_groups {
            let id = match (&g.id, &g.load_balancer) {
                (Some(id), None) => id.clone(),
                (None, Some(name)) => self.balancer_group(name),
                (None, None) => format!("sg-0{}", rng::hex(self.seed, "security_group", &g.name, 16)),
                _ => bail!("security_groups: {}: id, load_balancer: at most one", g.name),
            };
            if ids.insert(g.name.clone(), id).is_some() {
                bail!("security_groups: {} is there twice", g.name);
            }
        }
        for g in &seed.security_groups {
            let id = ids.get(&g.name).cloned().unwrap_or_default();
            let mut rules = Vec::new();
            for (egress, list) in [(false, &g.ingress), (true, &g.egress)] {
                for p in list {
                    let peer = peer(p, &ids).with_context(|| format!("security_groups: {}", g.name))?;
                    let ports = (p.protocol != "-1").then_some((p.from, p.to));
                    rules.push(self.seeded_rule(&id, egress, &p.protocol, ports, peer));
                }
            }
            self.seeded_group(id, &g.name, &g.description, rules);
        }
        if let Some(id) = self.default_group() {
            let inside = self.seeded_rule(&id, false, "-1", None, Peer::Group(id.clone()));
            let out = self.seeded_rule(&id, true, "-1", None, Peer::V4(ANYWHERE.into()));
            self.seeded_group(id, "default", "default VPC security group", vec![inside, out]);
        }
        let of_templates = self.templates.values().flat_map(|t| t.versions.values()).flat_map(|v| v.data.security_groups());
        let named: Vec<(String, String)> = of_templates
            .map(|id| (id.clone(), id.trim_start_matches("sg-").to_owned()))
            .chain(self.cache_members().iter().flat_map(|m| m.settings.security_groups.iter().map(|id| (id.clone(), "redis".to_owned()))))
            .chain(self.elb.balancers.values().flat_map(|b| b.security_groups.iter().map(|id| (id.clone(), b.name.clone()))))
            .collect();
        for (id, name) in named {
            if !self.security_groups.contains_key(&id) {
                let web = self.seeded_rule(&id, false, "tcp", Some((80, 80)), Peer::V4(ANYWHERE.into()));
                let out = self.seeded_rule(&id, true, "-1", None, Peer::V4(ANYWHERE.into()));
                self.seeded_group(id, &name, &name, vec![web, out]);
            }
        }
        Ok(())
    }
}

fn peer(p: &PermissionSeed, ids: &BTreeMap<String, String>) -> Result<Peer> {
    match (&p.cidr, &p.group) {
        (Some(cidr), None) => Ok(Peer::V4(cidr.clone())),
        (None, Some(name)) => Ok(Peer::Group(ids.get(name).cloned().with_context(|| format!("group: no {name:?}"))?)),
        _ => bail!("cidr, group: exactly one is needed"),
    }
}
