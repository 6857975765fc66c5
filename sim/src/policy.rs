//! IAM policies: what a set of documents says about one action on one resource (aws-reference 13).
//!
//! **Invariant:** pure. The answer depends on the documents, the question and its context alone; an explicit Deny wins over
//! every Allow, and what no statement allows is not allowed. What a document says and this module cannot judge is refused
//! when the document is read ([`Document::identity`], [`Document::trust`]), never passed over.

mod condition;
mod document;
mod pattern;

use std::collections::BTreeMap;

pub(crate) use document::{Document, Principals, Statement};

/// Condition keys and their values. Names are case-insensitive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Adds a value under a key.
    pub(crate) fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_lowercase()).or_default().push(value.into());
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}

/// One question: may this be done to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// `service:Operation`.
    pub(crate) action: String,
    /// ARN, or `*` where the action has no resources of its own.
    pub(crate) resource: String,
    pub(crate) context: Context,
}

/// What the documents say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// Judges a question by identity policies.
pub(crate) fn decide<'a>(documents: impl IntoIterator<Item = &'a Document>, ask: &Ask) -> Decision {
    let mut decision = Decision::NotAllowed;
    for document in documents {
        for statement in document.statements.iter().filter(|s| s.applies(document.variables, ask)) {
            match statement.allow {
                false => return Decision::Denied,
                true => decision = Decision::Allowed,
            }
        }
    }
    decision
}

/// Judges who may assume a role by its trust policy; `is` says whether a principal named there is the caller.
pub(crate) fn trusts(document: &Document, ask: &Ask, is: impl Fn(&Principals) -> bool) -> Decision {
    let named = |s: &Statement| s.principals.as_ref().is_some_and(&is);
    let statements = document.statements.iter().filter(|s| named(s)).cloned().collect();
    decide([&Document { variables: document.variables, statements }], ask)
}

/// Whether a document speaks of this action at all, as Simulate's `MatchedStatements` counts it.
pub(crate) fn matching<'a>(document: &'a Document, ask: &'a Ask) -> impl Iterator<Item = &'a Statement> {
    document.statements.iter().filter(|s| s.applies(document.variables, ask))
}

/// Condition keys that the documents use for this action and the context does not hold.
pub(crate) fn missing_keys<'a>(documents: impl IntoIterator<Item = &'a Document>, ask: &Ask) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for document in documents {
        for statement in document.statements.iter().filter(|s| s.names(document.variables, ask)) {
            keys.extend(statement.keys().filter(|key| ask.context.get(key).is_none()).map(str::to_owned));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}
