//! A request body of dotted names as a tree (aws-reference 1.1).
//!
//! **Invariant:** lists are ordered by their numeric index, so `.10` comes after `.2`. A tree is never deeper than
//! [`DEEPEST`]: nothing that walks it can run out of stack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most steps of a name; no operation has half as many.
const DEEPEST: usize = 32;
/// Longest body; what is larger in AWS goes in other protocols.
const LONGEST: usize = 2 << 20;
/// Most parameters of a request.
const MOST: usize = 20_000;

/// One step of the tree: a value, children, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) kids: BTreeMap<String, Node>,
}

impl Node {
    /// Reads a form body; none when it is not one, or is beyond every limit.
    pub(crate) fn parse(body: &str) -> Option<(Node, Vec<(String, String)>)> {
        if body.len() > LONGEST || body.bytes().filter(|b| *b == b'&').count() >= MOST {
            return None;
        }
        let pairs: Vec<(String, String)> = serde_html_form::from_str(body).ok()?;
        let mut root = Node::default();
        if pairs.iter().any(|(key, _)| key.split('.').count() > DEEPEST) {
            return None;
        }
        for (key, value) in &pairs {
            root.put(key, value);
        }
        Some((root, pairs))
    }

    /// Sets the value at a dotted path.
    pub(crate) fn put(&mut self, path: &str, value: &str) {
        let mut at = self;
        for step in path.split('.') {
            at = at.kids.entry(step.to_owned()).or_default();
        }
        at.value = Some(value.to_owned());
    }

    pub(crate) fn at(&self, name: &str) -> Option<&Node> {
        self.kids.get(name)
    }

    /// Text at a dotted path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        let mut at = self;
        for step in path.split('.') {
            at = at.kids.get(step)?;
        }
        at.value.as_deref()
    }

    /// Kids with numeric names, in numeric order: ec2's flattened lists.
    pub(crate) fn numbered(&self) -> Vec<&Node> {
        let mut rows: Vec<(u64, &Node)> = self.kids.iter().filter_map(|(k, v)| k.parse().ok().map(|n: u64| (n, v))).collect();
        rows.sort_by_key(|(n, _)| *n);
        rows.into_iter().map(|(_, v)| v).collect()
    }

    /// The items of a list member, written with or without the `member` level.
    pub(crate) fn list(&self, name: &str) -> Vec<&Node> {
        match self.kids.get(name) {
            None => Vec::new(),
            Some(node) => node.kids.get("member").unwrap_or(node).numbered(),
        }
    }

    /// The items of a list whose elements have a name of their own: `SecurityGroupIds.SecurityGroupId.1` (ElastiCache).
    pub(crate) fn named(&self, name: &str, item: &str) -> Vec<&Node> {
        match self.kids.get(name).and_then(|node| node.kids.get(item)) {
            Some(node) => node.numbered(),
            None => self.list(name),
        }
    }

    /// The texts of such a list.
    pub(crate) fn named_texts(&self, name: &str, item: &str) -> Vec<String> {
        self.named(name, item).into_iter().filter_map(|n| n.value.clone()).collect()
    }

    /// Security groups of launch template data, those of its network interfaces too.
    pub(crate) fn security_groups(&self) -> Vec<String> {
        let mut out = self.texts("SecurityGroupId");
        for interface in self.list("NetworkInterface") {
            out.extend(interface.texts("SecurityGroupId"));
        }
        out
    }

    /// The texts of a list member.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).into_iter().filter_map(|n| n.value.clone()).collect()
    }
}
