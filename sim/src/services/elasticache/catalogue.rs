//! What ElastiCache offers: engine versions, parameter groups, node types, and the rules of names.
//!
//! **Invariant:** the same in every world.

/// An engine version.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) engine: &'static str,
    /// As a request names it.
    pub(crate) name: &'static str,
    /// As a cache cluster shows it.
    pub(crate) full: &'static str,
    pub(crate) family: &'static str,
}

const fn row(engine: &'static str, name: &'static str, full: &'static str, family: &'static str) -> Version {
    Version { engine, name, full, family }
}

/// Oldest first by engine; the last of an engine is its default.
pub(crate) const VERSIONS: &[Version] = &[
    row("memcached", "1.6.22", "1.6.22", "memcached1.6"),
    row("redis", "5.0.6", "5.0.6", "redis5.0"),
    row("redis", "6.0", "6.0.5", "redis6.x"),
    row("redis", "6.2", "6.2.6", "redis6.x"),
    row("redis", "7.0", "7.0.7", "redis7"),
    row("redis", "7.1", "7.1.0", "redis7"),
    row("valkey", "7.2", "7.2.6", "valkey7"),
    row("valkey", "8.0", "8.0.1", "valkey8"),
];

impl Version {
    /// Name of the family's default parameter group.
    pub(crate) fn parameter_group(&self, sharded: bool) -> String {
        format!("default.{}{}", self.family, if sharded { ".cluster.on" } else { "" })
    }
}

/// The version a request names; `6.x` is the newest of 6.
pub(crate) fn version(engine: &str, name: &str) -> Option<&'static Version> {
    let name = if name == "6.x" { "6.2" } else { name };
    VERSIONS.iter().find(|v| v.engine == engine && (v.name == name || v.full == name))
}

/// The engine's default.
pub(crate) fn newest(engine: &str) -> Option<&'static Version> {
    VERSIONS.iter().rev().find(|v| v.engine == engine)
}

/// Place of a version in the catalogue, by the number a cache cluster shows.
pub(crate) fn rank(engine: &str, full: &str) -> Option<usize> {
    VERSIONS.iter().position(|v| v.engine == engine && v.full == full)
}

/// A default parameter group: its version's family, and whether cluster mode is on.
pub(crate) fn parameter_group(name: &str) -> Option<(&'static str, bool)> {
    let rest = name.strip_prefix("default.")?;
    let (family, sharded) = rest.strip_suffix(".cluster.on").map_or((rest, false), |f| (f, true));
    let found = VERSIONS.iter().find(|v| v.family == family)?;
    (!(sharded && found.engine == "memcached")).then_some((found.family, sharded))
}

/// Every parameter group: name, family, cluster mode on.
pub(crate) fn parameter_groups() -> Vec<(String, &'static str, bool)> {
    let mut families: Vec<(&str, &str)> = VERSIONS.iter().map(|v| (v.engine, v.family)).collect();
    families.dedup();
    let modes = |engine: &str| if engine == "memcached" { vec![false] } else { vec![false, true] };
    families
        .into_iter()
        .flat_map(|(engine, family)| {
            modes(engine).into_iter().map(move |on| (format!("default.{family}{}", if on { ".cluster.on" } else { "" }), family, on))
        })
        .collect()
}

/// Memory of the node types whose size is known here, bytes (parameter `maxmemory`).
pub(crate) const MEMORY: &[(&str, i64)] = &[
    ("cache.m6g.large", 6_854_542_746),
    ("cache.m7g.large", 6_854_542_746),
    ("cache.r6g.large", 14_037_181_030),
    ("cache.r7g.large", 14_037_181_030),
    ("cache.t3.medium", 3_317_862_236),
    ("cache.t3.micro", 536_870_912),
    ("cache.t3.small", 1_471_026_299),
    ("cache.t4g.medium", 3_317_862_236),
    ("cache.t4g.micro", 536_870_912),
    ("cache.t4g.small", 1_471_026_299),
];

/// Whether a text is a node type: `cache.FAMILY.SIZE` of a current family.
pub(crate) fn is_node_type(text: &str) -> bool {
    const FAMILIES: [&str; 12] = ["t2", "t3", "t4g", "m5", "m6g", "m7g", "r5", "r6g", "r7g", "c7gn", "m4", "r4"];
    const SMALL: [&str; 3] = ["micro", "small", "medium"];
    const LARGE: [&str; 7] = ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
    let mut parts = text.split('.');
    let (Some("cache"), Some(family), Some(size), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    FAMILIES.contains(&family) && if family.starts_with('t') { SMALL.contains(&size) } else { LARGE.contains(&size) }
}

/// Whether a text may be a replication group's id.
pub(crate) fn is_group_id(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with('-')
        && !text.contains("--")
}

/// Hash slots in all.
pub(crate) const SLOTS: usize = 16_384;

/// Slots of the n-th of this many equal shards.
pub(crate) fn slots(n: usize, of: usize) -> String {
    let of = of.max(1);
    format!("{}-{}", SLOTS * n / of, SLOTS * (n + 1) / of - 1)
}

/// Whether texts such as `0-8999,9500` name every slot once.
pub(crate) fn covers(texts: &[String]) -> bool {
    let mut ranges = Vec::new();
    for part in texts.iter().flat_map(|t| t.split(',')) {
        let (from, to) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        match (from.trim().parse::<usize>(), to.trim().parse::<usize>()) {
            (Ok(from), Ok(to)) if from <= to => ranges.push((from, to)),
            _ => return false,
        }
    }
    ranges.sort_unstable();
    let mut next = 0;
    for (from, to) in ranges {
        if from != next {
            return false;
        }
        next = to + 1;
    }
    next == SLOTS
}
