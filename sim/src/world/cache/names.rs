//! Names of ElastiCache's endpoints, and ARNs (aws-reference 10).
//!
//! **Invariant:** a name depends on what it names, the account and the Region, never on a role or a state.

use super::{NODE, ReplicationGroup};
use crate::{rng, world::World};

impl World {
    /// The part of every endpoint that is the account's: `abc123`.
    pub(super) fn cache_host(&self) -> String {
        let h = rng::hash(self.seed, "cache_host", &self.account);
        (0..6).map(|n| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[((h >> (n * 8)) & 0xff) as usize % if n == 0 { 26 } else { 36 }])).collect()
    }

    fn cache_domain(&self) -> String {
        format!("{}.cache.amazonaws.com", region_code(&self.region))
    }

    /// Address of a node.
    pub(super) fn cache_node_address(&self, group: &str, cluster: &str, tls: bool) -> String {
        let (host, domain) = (self.cache_host(), self.cache_domain());
        if tls { format!("{cluster}.{group}.{host}.{domain}") } else { format!("{cluster}.{host}.{NODE}.{domain}") }
    }

    /// Primary and reader address of a shard, cluster mode disabled.
    pub(crate) fn cache_addresses(&self, g: &ReplicationGroup, shard: &str) -> (String, String) {
        let (host, domain, id) = (self.cache_host(), self.cache_domain(), &g.id);
        if g.settings.tls.is_some() {
            (format!("master.{id}.{host}.{domain}"), format!("replica.{id}.{host}.{domain}"))
        } else {
            (format!("{id}.{host}.ng.{shard}.{domain}"), format!("{id}-ro.{host}.ng.{shard}.{domain}"))
        }
    }

    /// Address of the configuration endpoint, cluster mode enabled.
    pub(crate) fn cache_configuration_address(&self, g: &ReplicationGroup) -> String {
        let (host, domain, id) = (self.cache_host(), self.cache_domain(), &g.id);
        if g.settings.tls.is_some() { format!("clustercfg.{id}.{host}.{domain}") } else { format!("{id}.{host}.clustercfg.{domain}") }
    }

    /// ARN of a `replicationgroup`, `cluster`, `subnetgroup` or `parametergroup`.
    pub(crate) fn cache_arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:elasticache:{}:{}:{kind}:{name}", self.region, self.account)
    }
}

/// `use1` of `us-east-1`.
fn region_code(region: &str) -> String {
    let mut parts = region.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            other => other.get(..1).unwrap_or_default(),
        };
    }
    out
}
