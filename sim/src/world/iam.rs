//! IAM's state: roles, their policies, instance profiles, and what judges a caller (aws-reference 11, 13).
//!
//! **Invariant:** every policy held here was read whole ([`Document`]) when it came. A role is judged by its own policies from
//! the moment it has been given any (by the seed, or by a call); a principal to whom no policy speaks may do everything, as
//! in a world without IAM.

pub(crate) mod managed;
mod seeded;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use crate::{
    policy::{Document, Principals},
    rng,
};

/// A policy as it was sent and as it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// The text AWS gives back.
    pub(crate) text: String,
    pub(crate) document: Document,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) description: Option<String>,
    pub(crate) max_session: i64,
    pub(crate) trust: Policy,
    pub(crate) inline: BTreeMap<String, Policy>,
    /// ARNs of managed policies.
    pub(crate) attached: BTreeSet<String>,
    pub(crate) tags: Vec<(String, String)>,
    /// Whether its own policies judge it.
    pub(crate) governed: bool,
    /// When it was last assumed.
    pub(crate) used: Option<i64>,
}

/// An instance profile and its role, if it has one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) role: Option<String>,
}

/// A policy put on a principal by the control `policy`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// ARN of a user or role, or `*`.
    pub(crate) principal: String,
    pub(crate) policy: Policy,
}

/// Policies of the control at most: each is asked at every call.
const RULES_MOST: usize = 100;

/// All of IAM. The account's, whatever the Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Iam {
    /// When the account's own users and policies came to be.
    pub(crate) since: i64,
    /// By name: names are unique over all paths.
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) profiles: BTreeMap<String, Profile>,
    pub(crate) rules: Vec<Rule>,
}

/// `(path, name)` of what follows `:role/`, `:user/`, … in an ARN.
pub(crate) fn path_and_name(arn: &str, kind: &str) -> Option<(String, String)> {
    let (_, rest) = arn.split_once(&format!(":{kind}/"))?;
    match rest.rsplit_once('/') {
        Some((path, name)) => Some((format!("/{path}/"), name.to_owned())),
        None => Some(("/".into(), rest.to_owned())),
    }
}

/// Name of the role behind a session's ARN.
pub(crate) fn role_of_session(arn: &str) -> Option<&str> {
    arn.split_once(":assumed-role/")?.1.split('/').next()
}

/// The trust policy of a seeded role.
pub(crate) fn trust_document(account: &str, service: Option<&str>, external_id: Option<&str>) -> Value {
    let principal = match service {
        Some(service) => json!({"Service": service}),
        None => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
    };
    let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    if let (Some(id), Some(map)) = (external_id, statement.as_object_mut()) {
        map.insert("Condition".into(), json!({"StringEquals": {"sts:ExternalId": id}}));
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

impl Iam {
    /// The role with this ARN.
    pub(crate) fn role_at(&self, arn: &str) -> Option<&Role> {
        self.roles.values().find(|r| r.arn == arn)
    }

    /// The role a caller acts as.
    pub(crate) fn role_of(&self, caller: &str) -> Option<&Role> {
        self.roles.get(role_of_session(caller)?)
    }

    /// The policies that judge a caller, with a name for each; nothing when none speaks to it.
    pub(crate) fn judges(&self, caller: &str) -> Option<Vec<(String, Document)>> {
        let role = self.role_at(caller).or_else(|| self.role_of(caller));
        let own = |rule: &&Rule| rule.principal == "*" || rule.principal == caller || role.is_some_and(|r| r.arn == rule.principal);
        let rules: Vec<&Rule> = self.rules.iter().filter(own).collect();
        let governed = role.filter(|r| r.governed);
        if rules.is_empty() && governed.is_none() {
            return None;
        }
        let mut out: Vec<(String, Document)> = Vec::new();
        if let Some(role) = governed {
            out.extend(role.inline.iter().map(|(name, policy)| (name.clone(), policy.document.clone())));
            let attached = role.attached.iter().filter_map(|arn| managed::find(arn));
            out.extend(attached.filter_map(|m| m.read().map(|document| (m.name.to_owned(), document))));
        }
        out.extend(rules.iter().enumerate().map(|(n, rule)| (format!("rule-{}", n + 1), rule.policy.document.clone())));
        Some(out)
    }
}

impl Principals {
    /// Whether a trust policy's AWS principals name this caller.
    pub(crate) fn name_caller(&self, caller: &str, role: Option<&str>) -> bool {
        let account = caller.split(':').nth(4).unwrap_or_default();
        self.aws.iter().any(|named| {
            named == "*" || named == caller || named == account || Some(named.as_str()) == role || *named == format!("arn:aws:iam::{account}:root")
        })
    }
}

impl World {
    /// Identifier of IAM's form: a four-letter kind and seventeen capitals.
    pub(crate) fn iam_id(&self, kind: &str, key: &str) -> String {
        format!("{kind}{}", rng::hex(self.seed, kind, key, 17).to_uppercase())
    }

    /// Puts a policy on a principal.
    pub(crate) fn add_rule(&mut self, principal: &str, document: &Value) -> Result<(), String> {
        if principal != "*" {
            let ours = |kind: &str| principal.starts_with(&format!("arn:aws:iam::{}:{kind}/", self.account));
            if !(ours("user") || self.iam.role_at(principal).is_some()) {
                return Err(format!("principal: {principal:?} is neither *, nor a role of this account, nor a user's ARN in it"));
            }
        }
        if self.iam.rules.len() >= RULES_MOST {
            return Err(format!("policies: there are {RULES_MOST} already"));
        }
        let read = crate::authorize::readable(document).map_err(|e| format!("document: {e}"))?;
        self.iam.rules.push(Rule { principal: principal.to_owned(), policy: Policy { text: document.to_string(), document: read } });
        Ok(())
    }
}
