//! Creating a replication group.
//!
//! **Invariant:** what contradicts itself is refused before anything exists.

use super::{catalogue, contradiction, groups, int_in, invalid, only, subnets, tags, unsupported};
use crate::{
    rng,
    services::read,
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        World,
        cache::{Plan, Settings, drawn_window, is_window},
    },
};

/// Nodes of a Region, and node groups of a group.
const NODES: usize = 300;
const NODE_GROUPS: i64 = 90;

/// A shard as it is asked for.
struct Wanted {
    id: String,
    slots: Option<String>,
    /// Zones of the primary and the replicas, where they are named.
    zones: Vec<String>,
    nodes: usize,
}

pub(super) fn create(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = super::id(p, "ReplicationGroupId")?;
    let description = read::need(p, "ReplicationGroupDescription")?.to_owned();
    unsupported(
        p,
        &[
            "GlobalReplicationGroupId",
            "PrimaryClusterId",
            "CacheSecurityGroupNames",
            "SnapshotArns",
            "SnapshotName",
            "ServerlessCacheSnapshotName",
            "UserGroupIds",
            "LogDeliveryConfigurations",
        ],
    )?;
    only(p, "DataTieringEnabled", "false")?;
    only(p, "NetworkType", "ipv4")?;
    only(p, "IpDiscovery", "ipv4")?;
    if !catalogue::is_group_id(&id) {
        return Err(invalid(format!(
            "The parameter ReplicationGroupId is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens: {id}"
        )));
    }
    if w.caches.groups.contains_key(&id) {
        return Err(ApiError::bad("ReplicationGroupAlreadyExists", format!("Replication group with specified id {id} already exists.")));
    }
    let engine = p.text("Engine").unwrap_or("redis");
    let version = match p.text("EngineVersion") {
        _ if !matches!(engine, "redis" | "valkey") => None,
        Some(name) => catalogue::version(engine, name),
        None => catalogue::newest(engine),
    };
    let Some(version) = version else {
        return Err(invalid(format!("Cannot find version {} for {engine}", p.text("EngineVersion").unwrap_or_default())));
    };
    let wanted = p.named("NodeGroupConfiguration", "NodeGroupConfiguration");
    let count = int_in(p, "NumNodeGroups", 1, 500)?;
    if count.is_some_and(|n| n > NODE_GROUPS) {
        let words = format!("A replication group may have {NODE_GROUPS} node groups at most.");
        return Err(ApiError::bad("NodeGroupsPerReplicationGroupQuotaExceeded", words));
    }
    let count = count.unwrap_or(wanted.len().max(1) as i64) as usize;
    let sharded = mode(p, version.family, count)?;
    let parameter_group = p.text("CacheParameterGroupName").map_or_else(|| version.parameter_group(sharded), str::to_owned);
    let auto_failover = read::flag(p, "AutomaticFailoverEnabled")?.unwrap_or(sharded);
    let multi_az = read::flag(p, "MultiAZEnabled")?.unwrap_or(false);
    if sharded && !auto_failover {
        return Err(contradiction("Automatic failover must be enabled for a replication group with cluster mode enabled."));
    }
    if multi_az && !auto_failover {
        return Err(contradiction("Automatic failover must be enabled if Multi-AZ is enabled."));
    }
    let subnet_group = p.text("CacheSubnetGroupName").unwrap_or("default").to_lowercase();
    if !w.caches.subnet_groups.contains_key(&subnet_group) {
        return Err(subnets::not_found(&subnet_group));
    }
    let shards = shards(p, &wanted, count, sharded)?;
    if auto_failover && shards.iter().any(|s| s.nodes < 2) {
        return Err(contradiction("Automatic failover needs at least one replica in every node group."));
    }
    let zones = w.cache_zones(&subnet_group);
    if let Some(zone) = shards.iter().flat_map(|s| &s.zones).find(|z| !zones.contains(z)) {
        return Err(invalid(format!("The cache subnet group {subnet_group} has no subnet in Availability Zone {zone}.")));
    }
    let one_zone = |s: &Wanted| !s.zones.is_empty() && s.zones.iter().all(|z| *z == s.zones[0]);
    if multi_az && (zones.len() < 2 || shards.iter().any(one_zone)) {
        return Err(contradiction("Multi-AZ needs nodes in at least two Availability Zones."));
    }
    let nodes: usize = shards.iter().map(|s| s.nodes).sum();
    if w.cache_members().len() + nodes > NODES {
        return Err(ApiError::bad("NodeQuotaForCustomerExceeded", format!("You may have {NODES} nodes at most.")));
    }
    let settings = settings(w, p, &id, version, subnet_group, parameter_group)?;
    let tags = tags::read(p)?;
    let layout = shards.into_iter().map(|s| {
        let zones = match s.zones.as_slice() {
            [] => w.cache_spread(&settings.subnet_group, &format!("{id}/{}", s.id), s.nodes),
            zones => zones.to_vec(),
        };
        (s.id, s.slots, zones)
    });
    let plan = Plan { id: id.clone(), description, shards: layout.collect(), settings, auto_failover, multi_az, sharded };
    w.create_cache(plan);
    tags::put(w, &w.cache_arn("replicationgroup", &id), tags);
    groups::answer(w, &id)
}

/// Whether cluster mode is on: by ClusterMode, by the parameter group, or by the number of node groups.
fn mode(p: &Node, family: &str, count: usize) -> Result<bool, ApiError> {
    let asked = match p.text("ClusterMode") {
        None => None,
        Some("enabled") => Some(true),
        Some("disabled") => Some(false),
        Some(odd) => return Err(invalid(format!("The value {odd} of the parameter ClusterMode is not supported at this endpoint."))),
    };
    let by_group = match p.text("CacheParameterGroupName") {
        None => None,
        Some(name) => {
            let (own, on) = catalogue::parameter_group(name)
                .ok_or_else(|| ApiError::new(404, "CacheParameterGroupNotFound", format!("CacheParameterGroup {name} not found.")))?;
            if own != family {
                return Err(contradiction(format!("Expected a parameter group of family {family} but found one of family {own}")));
            }
            Some(on)
        }
    };
    if let (Some(a), Some(b)) = (asked, by_group)
        && a != b
    {
        return Err(contradiction("ClusterMode and CacheParameterGroupName contradict each other."));
    }
    let on = asked.or(by_group).unwrap_or(count > 1);
    if count > 1 && !on {
        return Err(contradiction("More than one node group needs a parameter group with cluster mode enabled."));
    }
    Ok(on)
}

/// Node groups as they are asked for.
fn shards(p: &Node, wanted: &[&Node], count: usize, sharded: bool) -> Result<Vec<Wanted>, ApiError> {
    let clusters = int_in(p, "NumCacheClusters", 1, 6)?;
    let replicas = int_in(p, "ReplicasPerNodeGroup", 0, 5)?;
    let zones = p.named_texts("PreferredCacheClusterAZs", "AvailabilityZone");
    if clusters.is_some() && (sharded || replicas.is_some() || !wanted.is_empty()) {
        return Err(contradiction("NumCacheClusters cannot be used with ReplicasPerNodeGroup, NodeGroupConfiguration or cluster mode enabled."));
    }
    if !zones.is_empty() && (sharded || !wanted.is_empty()) {
        return Err(contradiction("PreferredCacheClusterAZs cannot be used with NodeGroupConfiguration or cluster mode enabled."));
    }
    if !wanted.is_empty() && wanted.len() != count {
        return Err(contradiction("NumNodeGroups must equal the number of node group configurations."));
    }
    let nodes = replicas.map(|n| n + 1).or(clusters).unwrap_or(if zones.is_empty() { 1 } else { zones.len() as i64 }) as usize;
    if !zones.is_empty() && zones.len() != nodes {
        return Err(contradiction("The number of PreferredCacheClusterAZs must equal NumCacheClusters."));
    }
    let name = |n: usize| format!("{:04}", n + 1);
    if wanted.is_empty() {
        let slots = |n: usize| sharded.then(|| catalogue::slots(n, count));
        return Ok((0..count).map(|n| Wanted { id: name(n), slots: slots(n), zones: zones.clone(), nodes }).collect());
    }
    let mut out = Vec::new();
    for (n, c) in wanted.iter().enumerate() {
        unsupported(c, &["PrimaryOutpostArn", "ReplicaOutpostArns"])?;
        let id = c.text("NodeGroupId").map_or_else(|| name(n), str::to_owned);
        if !(1..=4).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_digit()) || out.iter().any(|w: &Wanted| w.id == id) {
            return Err(invalid(format!("The NodeGroupId {id} is not valid.")));
        }
        let mut zones: Vec<String> = c.text("PrimaryAvailabilityZone").map(str::to_owned).into_iter().collect();
        let others = c.named_texts("ReplicaAvailabilityZones", "AvailabilityZone");
        if zones.is_empty() != others.is_empty() && !(others.is_empty() && int_in(c, "ReplicaCount", 0, 5)?.unwrap_or(0) == 0) {
            return Err(contradiction("PrimaryAvailabilityZone and ReplicaAvailabilityZones must be given together."));
        }
        zones.extend(others);
        let own = int_in(c, "ReplicaCount", 0, 5)?.or(replicas).map(|n| n as usize + 1);
        let nodes = own.unwrap_or(zones.len().max(1));
        if !zones.is_empty() && zones.len() != nodes {
            return Err(contradiction("The number of ReplicaAvailabilityZones must equal ReplicaCount."));
        }
        out.push(Wanted { id: format!("{id:0>4}"), slots: c.text("Slots").map(str::to_owned), zones, nodes });
    }
    let texts: Vec<String> = out.iter().filter_map(|w| w.slots.clone()).collect();
    match (texts.len(), sharded) {
        (0, true) => out.iter_mut().enumerate().for_each(|(n, w)| w.slots = Some(catalogue::slots(n, count))),
        (0, false) => {}
        (n, true) if n == count && catalogue::covers(&texts) => {}
        _ => return Err(invalid("Slots must name every slot from 0 to 16383 once, in every node group of cluster mode enabled.")),
    }
    Ok(out)
}

fn settings(
    w: &World,
    p: &Node,
    id: &str,
    version: &catalogue::Version,
    subnet_group: String,
    parameter_group: String,
) -> Result<Settings, ApiError> {
    let node_type = read::need(p, "CacheNodeType")?.to_owned();
    if !catalogue::is_node_type(&node_type) {
        return Err(invalid(format!("Invalid Cache Node Type: {node_type}")));
    }
    let tls = read::flag(p, "TransitEncryptionEnabled")?.unwrap_or(false);
    let tls = match (tls, p.text("TransitEncryptionMode")) {
        (true, None) => Some("required".to_owned()),
        (true, Some(mode)) if matches!(mode, "required" | "preferred") => Some(mode.to_owned()),
        (false, None) => None,
        (true, Some(odd)) => return Err(invalid(format!("{odd} is not a valid TransitEncryptionMode."))),
        (false, Some(_)) => return Err(contradiction("TransitEncryptionMode needs TransitEncryptionEnabled.")),
    };
    let token = p.text("AuthToken");
    if token.is_some() && tls.is_none() {
        return Err(contradiction("AuthToken needs TransitEncryptionEnabled."));
    }
    if token.is_some_and(|t| !(16..=128).contains(&t.len()) || !t.bytes().all(|b| b.is_ascii_graphic() && !b"/\"@%".contains(&b))) {
        return Err(invalid("The AUTH token must have 16 to 128 printable characters without '/', '\"', '@' and '%'."));
    }
    let at_rest = read::flag(p, "AtRestEncryptionEnabled")?.unwrap_or(version.engine == "valkey");
    let kms_key = p.text("KmsKeyId").map(str::to_owned);
    if kms_key.is_some() && !at_rest {
        return Err(contradiction("KmsKeyId needs AtRestEncryptionEnabled."));
    }
    let mut security_groups = p.named_texts("SecurityGroupIds", "SecurityGroupId");
    if security_groups.is_empty() {
        security_groups.extend(w.default_group());
    }
    Ok(Settings {
        engine: version.engine.into(),
        version: version.full.into(),
        node_type,
        port: int_in(p, "Port", 1, 65_535)?.unwrap_or(6379),
        subnet_group,
        parameter_group,
        security_groups: checked_security_groups(security_groups)?,
        tls,
        at_rest,
        kms_key,
        auth_since: token.map(|_| w.now),
        snapshot_retention: int_in(p, "SnapshotRetentionLimit", 0, 35)?.unwrap_or(0),
        snapshot_window: snapshot_window(p)?.unwrap_or_else(|| format!("{:02}:00-{0:02}:59", rng::hash(w.seed, "cache_snapshot", id) % 24)),
        maintenance_window: maintenance_window(p)?.unwrap_or_else(|| drawn_window(w.seed, id)),
        auto_minor: read::flag(p, "AutoMinorVersionUpgrade")?.unwrap_or(true),
        topic: topic(p)?,
    })
}

pub(super) fn checked_security_groups(ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    match ids.iter().find(|id| !id.starts_with("sg-")) {
        Some(odd) => Err(invalid(format!("The security group {odd} does not exist."))),
        None => Ok(ids),
    }
}

pub(super) fn topic(p: &Node) -> Result<Option<String>, ApiError> {
    match p.text("NotificationTopicArn") {
        Some(arn) if !arn.starts_with("arn:aws:sns:") => Err(invalid(format!("Invalid topic ARN: {arn}"))),
        arn => Ok(arn.map(str::to_owned)),
    }
}

pub(super) fn maintenance_window(p: &Node) -> Result<Option<String>, ApiError> {
    match p.text("PreferredMaintenanceWindow").map(str::to_lowercase) {
        Some(text) if !is_window(&text) => Err(invalid(format!("Invalid maintenance window format: {text}"))),
        text => Ok(text),
    }
}

pub(super) fn snapshot_window(p: &Node) -> Result<Option<String>, ApiError> {
    let time = |t: &str| t.len() == 5 && is_window(&format!("mon:{t}-tue:{t}"));
    match p.text("SnapshotWindow") {
        Some(text) if !text.split_once('-').is_some_and(|(a, b)| time(a) && time(b)) => {
            Err(invalid(format!("Invalid snapshot window format: {text}")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}
