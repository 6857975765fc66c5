//! Lifecycle policies: which images a repository lets expire, and when it looks (aws-reference 8).
//!
//! **Invariant:** an image expires by at most one rule, the first (by priority) whose tags it matches; nothing here knows
//! what is deployed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Image, Repository};
use crate::world::{World, agenda::Entity};

const DAY: i64 = 86_400_000;

/// Which images a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Select {
    Untagged,
    Any,
    /// Each of these begins one of the image's tags.
    Prefixes(Vec<String>),
    /// Each of these, with `*` for anything, is one of the image's tags.
    Patterns(Vec<String>),
}

/// Which of them it lets expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Count {
    /// Those pushed longer ago than this many days.
    OlderThanDays(i64),
    /// The oldest, until this many are left.
    MoreThan(i64),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) priority: i64,
    pub(crate) select: Select,
    pub(crate) count: Count,
}

/// A repository's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    pub(crate) text: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) evaluated: Option<i64>,
    /// When it is applied next.
    pub(crate) next: i64,
}

/// An image a preview found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expiring {
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
    pub(crate) pushed: i64,
    pub(crate) priority: i64,
}

/// The newest preview of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preview {
    pub(crate) text: String,
    pub(crate) done: i64,
    pub(crate) rows: Vec<Expiring>,
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

impl Select {
    fn takes(&self, tags: &[&str]) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => tags.is_empty(),
            Self::Prefixes(all) => all.iter().all(|p| tags.iter().any(|t| t.starts_with(p.as_str()))),
            Self::Patterns(all) => all.iter().all(|p| tags.iter().any(|t| fits(p, t))),
        }
    }
}

impl Repository {
    /// Images that would expire now, oldest first. With `spare`, images a manifest list names are out of reach.
    pub(crate) fn expiring(&self, rules: &[Rule], now: i64, spare: bool) -> Vec<Expiring> {
        let mut tags = self.tags_by_digest();
        let referenced: BTreeSet<&str> = self.images.values().flat_map(|i| &i.form.children).map(|c| c.digest.as_str()).collect();
        let mut images: Vec<(&Image, Vec<&str>)> = self
            .images
            .values()
            .filter(|i| !(spare && referenced.contains(i.digest.as_str())))
            .map(|i| (i, tags.remove(i.digest.as_str()).unwrap_or_default()))
            .collect();
        images.sort_by(|(a, _), (b, _)| (a.pushed, &a.digest).cmp(&(b.pushed, &b.digest)));
        let mut order: Vec<&Rule> = rules.iter().collect();
        order.sort_by_key(|r| r.priority);
        // What a rule has looked at is out of reach for the rules after it, which still count it.
        let mut seen = BTreeSet::new();
        let mut found: BTreeMap<&str, i64> = BTreeMap::new();
        for rule in order {
            let mine: Vec<&Image> = images.iter().filter(|(_, tags)| rule.select.takes(tags)).map(|(i, _)| *i).collect();
            let old = match rule.count {
                Count::OlderThanDays(days) => mine.iter().take_while(|i| now - i.pushed > days.saturating_mul(DAY)).count(),
                Count::MoreThan(most) => mine.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX)),
            };
            for image in mine.iter().take(old).filter(|i| !seen.contains(i.digest.as_str())) {
                found.insert(&image.digest, rule.priority);
            }
            seen.extend(mine.iter().map(|i| i.digest.as_str()));
        }
        images
            .into_iter()
            .filter_map(|(i, tags)| {
                let priority = *found.get(i.digest.as_str())?;
                let tags = tags.into_iter().map(str::to_owned).collect();
                Some(Expiring { digest: i.digest.clone(), tags, pushed: i.pushed, priority })
            })
            .collect()
    }
}

impl World {
    /// Puts a policy on a repository; it is applied within a day, and within a day again and again.
    pub(crate) fn set_lifecycle(&mut self, repository: &str, text: String, rules: Vec<Rule>) {
        let next = self.next_look(repository);
        if let Some(repo) = self.repositories.get_mut(repository) {
            repo.lifecycle = Some(Lifecycle { text, rules, evaluated: None, next });
            self.agenda.wake(next, Entity::Repository(repository.to_owned()));
        }
    }

    fn next_look(&self, repository: &str) -> i64 {
        self.now + self.params.lifecycle_run.draw(self.seed, "lifecycle_run", &format!("{repository}/{}", self.now))
    }

    /// Applies the policy of a repository that has come to its time.
    pub(crate) fn step_repository(&mut self, name: &str) {
        let (now, spare) = (self.now, self.params.lifecycle_spares_children);
        let next = self.next_look(name);
        let Some((repo, policy)) = self.repositories.get(name).and_then(|r| r.lifecycle.as_ref().map(|l| (r, l))) else {
            return;
        };
        // The wake may be one of an earlier policy.
        if policy.next > now {
            let at = policy.next;
            self.agenda.wake(at, Entity::Repository(name.to_owned()));
            return;
        }
        let gone: Vec<String> = repo.expiring(&policy.rules, now, spare).into_iter().map(|e| e.digest).collect();
        self.remove_images(name, &gone);
        if let Some(policy) = self.repositories.get_mut(name).and_then(|r| r.lifecycle.as_mut()) {
            policy.evaluated = Some(now);
            policy.next = next;
            self.agenda.wake(next, Entity::Repository(name.to_owned()));
        }
    }
}
