//! Engine versions, parameter groups and reserved nodes: what the service offers, the same for all.
//!
//! **Invariant:** reads only; nothing can be bought here.

use super::{catalogue, invalid, paged, read};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

fn no_parameter_group(name: &str) -> ApiError {
    ApiError::new(404, "CacheParameterGroupNotFound", format!("CacheParameterGroup {name} not found."))
}

pub(super) fn versions(p: &Node) -> Result<Fields, ApiError> {
    let (engine, name, family) = (p.text("Engine"), p.text("EngineVersion"), p.text("CacheParameterGroupFamily"));
    let default_only = read::flag(p, "DefaultOnly")?.unwrap_or(false);
    let mut rows: Vec<&catalogue::Version> = catalogue::VERSIONS
        .iter()
        .filter(|v| engine.is_none_or(|e| e == v.engine) && family.is_none_or(|f| f == v.family))
        // With DefaultOnly a major version selects, too.
        .filter(|v| name.is_none_or(|n| n == v.name || default_only && v.name.starts_with(&format!("{n}."))))
        .collect();
    if default_only {
        rows = rows.iter().enumerate().filter(|(at, v)| rows.get(at + 1).is_none_or(|next| next.engine != v.engine)).map(|(_, v)| *v).collect();
    }
    let (rows, next) = paged(p, rows)?;
    let rows = rows.into_iter().map(|v| {
        let title = if v.engine == "redis" { "Redis" } else { v.engine };
        Fields::new()
            .set("Engine", v.engine)
            .set("EngineVersion", v.name)
            .set("CacheParameterGroupFamily", v.family)
            .set("CacheEngineDescription", title)
            .set("CacheEngineVersionDescription", format!("{} version {}", v.engine, v.full))
    });
    Ok(Fields::new().opt("Marker", next).named("CacheEngineVersions", "CacheEngineVersion", rows))
}

pub(super) fn groups(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let mut rows = catalogue::parameter_groups();
    if let Some(name) = p.text("CacheParameterGroupName") {
        rows.retain(|(n, ..)| n == name);
        if rows.is_empty() {
            return Err(no_parameter_group(name));
        }
    }
    let (rows, next) = paged(p, rows)?;
    let rows = rows.into_iter().map(|(name, family, on)| {
        let mode = if on { " with cluster mode on" } else { "" };
        Fields::new()
            .set("CacheParameterGroupName", &name)
            .set("CacheParameterGroupFamily", family)
            .set("Description", format!("Default parameter group for {family}{mode}"))
            .set("IsGlobal", false)
            .set("ARN", w.cache_arn("parametergroup", &name))
    });
    Ok(Fields::new().opt("Marker", next).named("CacheParameterGroups", "CacheParameterGroup", rows))
}

/// Name, value, type, allowed values, modifiable, needs a reboot, description.
type Parameter = (&'static str, &'static str, &'static str, &'static str, bool, bool, &'static str);

/// Parameters of the Redis and Valkey families that matter to a client; each family has more.
const PARAMETERS: &[Parameter] = &[
    ("activerehashing", "yes", "string", "yes,no", true, true, "Apply rehashing or not."),
    ("appendfsync", "everysec", "string", "always,everysec,no", false, false, "fsync policy for AOF persistence"),
    ("appendonly", "no", "string", "yes,no", false, false, "Enable Redis persistence."),
    (
        "close-on-replica-write",
        "yes",
        "string",
        "yes,no",
        true,
        false,
        "If enabled, clients who attempt to write to a read-only replica will be disconnected.",
    ),
    ("cluster-enabled", "no", "string", "yes,no", false, true, "Enable cluster mode"),
    ("databases", "16", "integer", "1-1200000", true, true, "Set the number of databases."),
    ("lazyfree-lazy-eviction", "yes", "string", "yes,no", false, false, "Perform an asynchronous delete on evictions."),
    (
        "maxmemory-policy",
        "volatile-lru",
        "string",
        "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction",
        true,
        false,
        "Max memory policy.",
    ),
    ("notify-keyspace-events", "", "string", "", true, false, "The keyspace events for Redis to notify Pub/Sub clients about."),
    ("reserved-memory-percent", "25", "integer", "0-100", true, false, "The percent of memory reserved for non-cache memory usage."),
    (
        "slowlog-log-slower-than",
        "10000",
        "integer",
        "-",
        true,
        false,
        "The execution time, in microseconds, to exceed in order for the command to get logged.",
    ),
    ("tcp-keepalive", "300", "integer", "0-", true, false, "If non-zero, send ACKs every given number of seconds."),
    ("timeout", "0", "integer", "0,20-", true, false, "Close connection if client is idle for a given number of seconds, or never if 0."),
];

pub(super) fn parameters(p: &Node) -> Result<Fields, ApiError> {
    let name = read::need(p, "CacheParameterGroupName")?;
    let (family, on) = catalogue::parameter_group(name).ok_or_else(|| no_parameter_group(name))?;
    let source = p.text("Source");
    if let Some(odd) = source.filter(|s| !matches!(*s, "user" | "system" | "engine-default")) {
        return Err(invalid(format!("Invalid source: {odd}")));
    }
    // A default group's parameters are the system's.
    let shown = source.is_none_or(|s| s == "system") && !family.starts_with("memcached");
    let rows: Vec<&Parameter> = PARAMETERS.iter().filter(|_| shown).collect();
    let (rows, next) = paged(p, rows)?;
    let least = family.trim_start_matches(|c: char| c.is_ascii_alphabetic()).replace(".x", ".0");
    let least = if least.contains('.') { format!("{least}.0") } else { format!("{least}.0.0") };
    let change = |reboot: bool| if reboot { "requires-reboot" } else { "immediate" };
    let rows = rows.into_iter().map(|(name, value, kind, allowed, modifiable, reboot, what)| {
        let value = if *name == "cluster-enabled" && on { "yes" } else { value };
        let mut out = Fields::new().set("ParameterName", *name).set("ParameterValue", value).set("Description", *what).set("Source", "system");
        out = out.set("DataType", *kind).opt("AllowedValues", Some(*allowed).filter(|a| !a.is_empty()));
        out.set("IsModifiable", *modifiable).set("MinimumEngineVersion", &least).set("ChangeType", change(*reboot))
    });
    let values = catalogue::MEMORY.iter().map(|(kind, bytes)| Fields::new().set("CacheNodeType", *kind).set("Value", *bytes));
    let memory = Fields::new()
        .set("ParameterName", "maxmemory")
        .set("Description", "The maximum configurable amount of memory to use to store items, in bytes.")
        .set("Source", "system")
        .set("DataType", "integer")
        .set("AllowedValues", "0-")
        .set("IsModifiable", false)
        .set("MinimumEngineVersion", &least)
        .named("CacheNodeTypeSpecificValues", "CacheNodeTypeSpecificValue", values)
        .set("ChangeType", "immediate");
    let specific = Some(memory).filter(|_| shown);
    Ok(Fields::new().opt("Marker", next).named("Parameters", "Parameter", rows).named(
        "CacheNodeTypeSpecificParameters",
        "CacheNodeTypeSpecificParameter",
        specific,
    ))
}

/// Nobody reserves nodes here.
pub(super) fn reserved(p: &Node) -> Result<Fields, ApiError> {
    if let Some(id) = p.text("ReservedCacheNodeId") {
        return Err(ApiError::new(404, "ReservedCacheNodeNotFound", format!("ReservedCacheNode {id} not found.")));
    }
    let (rows, next) = paged(p, Vec::<Fields>::new())?;
    Ok(Fields::new().opt("Marker", next).named("ReservedCacheNodes", "ReservedCacheNode", rows))
}
