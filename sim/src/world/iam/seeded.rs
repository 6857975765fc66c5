//! From a seed to roles and instance profiles.
//!
//! **Invariant:** a seed's policy that cannot be judged is refused with the role it was for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};

use super::{Policy, Profile, Role, managed, path_and_name, trust_document};
use crate::{authorize, policy::Document, seed::Seed, world::World};

impl World {
    /// The roles of a seed and their instance profiles.
    pub(in crate::world) fn build_roles(&mut self, seed: &Seed) -> Result<()> {
        let created = self.now - 90 * 24 * 3_600_000;
        self.iam.since = created;
        for r in &seed.roles {
            let (path, name) = path_and_name(&r.arn, "role").with_context(|| format!("roles: arn: {:?} is no role's", r.arn))?;
            let trust = trust_document(&self.account, r.service.as_deref(), r.external_id.as_deref());
            let document = Document::trust(&trust).map_err(|e| anyhow!("roles: {}: {e}", r.arn))?;
            let mut inline = BTreeMap::new();
            for (n, value) in r.policies.iter().flatten().enumerate() {
                let document = authorize::readable(value).map_err(|e| anyhow!("roles: {}: policies: {e}", r.arn))?;
                inline.insert(format!("policy-{}", n + 1), Policy { text: value.to_string(), document });
            }
            let mut attached = BTreeSet::new();
            for wanted in &r.attached {
                let policy = managed::ALL.iter().find(|m| m.name == wanted).with_context(|| format!("roles: attached: no {wanted:?}"))?;
                attached.insert(policy.arn());
            }
            let role = Role {
                id: self.iam_id("AROA", &r.arn),
                name: name.clone(),
                path,
                arn: r.arn.clone(),
                created,
                description: None,
                // A session as long as AWS grants at most, so that a seed need not say it.
                max_session: 43_200,
                trust: Policy { text: trust.to_string(), document },
                inline,
                governed: r.policies.is_some() || !attached.is_empty(),
                attached,
                tags: Vec::new(),
                used: None,
            };
            if let Some(profile) = &r.instance_profile {
                let row = Profile {
                    name: profile.clone(),
                    path: "/".into(),
                    arn: format!("arn:aws:iam::{}:instance-profile/{profile}", self.account),
                    id: self.iam_id("AIPA", profile),
                    created,
                    role: Some(name.clone()),
                };
                self.iam.profiles.insert(profile.clone(), row);
            }
            self.iam.roles.insert(name, role);
        }
        Ok(())
    }
}
