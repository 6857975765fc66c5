//! Replication groups of a seed.
//!
//! **Invariant:** they are available, were created long before the start, and leave no event of it.

use anyhow::{Result, bail};

use super::{NodeState, Settings, Status, SubnetGroup, Work, change::Plan, drawn_window};
use crate::{
    rng,
    seed::{ReplicationGroupSeed, Seed},
    services::elasticache::catalogue,
    world::World,
};

const DAY: i64 = 86_400_000;

impl World {
    pub(crate) fn build_caches(&mut self, seed: &Seed) -> Result<()> {
        let named = seed.redis.iter().map(|name| ReplicationGroupSeed { name: name.clone(), ..ReplicationGroupSeed::default() });
        for (at, g) in named.chain(seed.replication_groups.iter().cloned()).enumerate() {
            let at = if at < seed.redis.len() { format!("redis: {}", g.name) } else { format!("replication_groups: {}", g.name) };
            self.build_cache(&g, &at)?;
        }
        Ok(())
    }

    fn build_cache(&mut self, g: &ReplicationGroupSeed, at: &str) -> Result<()> {
        let start = self.now;
        let Some(version) = catalogue::version("redis", &g.engine_version) else {
            bail!("{at}: engine_version: {:?} is not known", g.engine_version);
        };
        if !catalogue::is_group_id(&g.name) {
            bail!("{at}: name: must be letters, digits and single hyphens, begin with a letter and have at most 40 characters");
        }
        if self.caches.groups.contains_key(&g.name) {
            bail!("{at}: name: stands twice");
        }
        let shards = g.shards.unwrap_or(1);
        if shards == 0 || g.replicas > 5 || g.auto_failover && g.replicas == 0 || g.multi_az && !g.auto_failover {
            bail!("{at}: shards, replicas, auto_failover, multi_az: contradict each other");
        }
        let subnet_group = format!("{}-subnets", g.name);
        let row = SubnetGroup {
            name: subnet_group.clone(),
            description: format!("Subnets of {}", g.name),
            subnets: self.subnets.iter().map(|s| s.id.clone()).collect(),
        };
        self.caches.subnet_groups.insert(subnet_group.clone(), row);
        if self.cache_zones(&subnet_group).len() < if g.multi_az { 2 } else { 1 } {
            bail!("{at}: multi_az: the subnets are not in enough zones");
        }
        self.now = start - 60 * DAY;
        let sharded = g.shards.is_some();
        let count = shards as usize;
        let layout = (0..count).map(|n| {
            let id = format!("{:04}", n + 1);
            let zones = self.cache_spread(&subnet_group, &format!("{}/{id}", g.name), g.replicas as usize + 1);
            (id, sharded.then(|| catalogue::slots(n, count)), zones)
        });
        let plan = Plan {
            shards: layout.collect(),
            id: g.name.clone(),
            description: format!("Cache of {}", g.name),
            settings: Settings {
                engine: "redis".into(),
                version: version.full.into(),
                node_type: g.node_type.clone(),
                port: g.port,
                subnet_group,
                parameter_group: version.parameter_group(sharded),
                security_groups: vec![format!("sg-0{}", rng::hex(1, &self.account, "redis", 16))],
                tls: g.tls.then(|| "required".into()),
                at_rest: g.tls,
                kms_key: None,
                auth_since: None,
                snapshot_retention: 0,
                snapshot_window: "05:00-06:00".into(),
                maintenance_window: drawn_window(self.seed, &g.name),
                auto_minor: true,
                topic: None,
            },
            auto_failover: g.auto_failover,
            multi_az: g.multi_az,
            sharded,
        };
        self.create_cache(plan);
        let created = self.now;
        if let Some(group) = self.caches.groups.get_mut(&g.name) {
            if let Some(Work::Create { .. }) = group.work.take() {
                group.status = Status::Available;
            }
            for n in group.shards.iter_mut().flat_map(|s| &mut s.nodes) {
                n.set(created, NodeState::Available, n.role());
            }
        }
        self.now = start;
        Ok(())
    }
}
