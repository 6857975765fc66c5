//! The hash-chained audit trail: what an entry holds, and how its hash is made.
//!
//! Canonical form of an entry: its fields in the order of [`Entry::fields`], each as a netstring (`<bytes>:<utf-8>,`), an
//! absent one as `~,`. Hash = SHA-256 over the previous entry's hash (as a netstring of 64 hex digits; 64 zeros before the
//! first) followed by the canonical form, in lower-case hex. `scripts/audit_head.py` recomputes it in twenty lines.

use serde::{Deserialize, Serialize};

use super::canonical::sha256_hex;
use super::observation::Millis;

/// Hash before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One row of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// 1, 2, 3, … without gaps, in the order of commits.
    pub seq: i64,
    /// Wall clock, UTC milliseconds.
    pub at: Millis,
    /// `anna`, `token:ci`, `host:root`, `fleetgate`.
    pub actor: String,
    /// `person`, `token`, `host`, `engine`, `anonymous`.
    pub actor_kind: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// On what: `app/env`, `app`, `*`.
    pub target: String,
    /// The change it belongs to.
    pub change: Option<i64>,
    /// `intended`, `done`, `refused`, `failed`, `unknown`.
    pub result: String,
    /// Values before, as JSON.
    pub before: Option<String>,
    /// Values after, as JSON.
    pub after: Option<String>,
    /// The person's reason, or ours for a refusal.
    pub reason: Option<String>,
    /// Peer address.
    pub address: Option<String>,
    /// Our request id.
    pub request: Option<String>,
    /// AWS's request id.
    pub aws_request: Option<String>,
    /// Hash of the entry before.
    pub previous: String,
    /// Hash of this one.
    pub hash: String,
}

impl Entry {
    /// The hashed fields, in order.
    fn fields(&self) -> [Option<String>; 14] {
        [
            Some(self.seq.to_string()),
            Some(self.at.to_string()),
            Some(self.actor.clone()),
            Some(self.actor_kind.clone()),
            Some(self.action.clone()),
            Some(self.target.clone()),
            self.change.map(|n| n.to_string()),
            Some(self.result.clone()),
            self.before.clone(),
            self.after.clone(),
            self.reason.clone(),
            self.address.clone(),
            self.request.clone(),
            self.aws_request.clone(),
        ]
    }

    /// The hash that this entry must have after `previous`.
    pub fn hash_after(&self, previous: &str) -> String {
        let mut form = netstring(previous);
        for field in self.fields() {
            form.push_str(&field.map_or_else(|| "~,".to_owned(), |f| netstring(&f)));
        }
        sha256_hex(form.as_bytes())
    }
}

fn netstring(text: &str) -> String {
    format!("{}:{text},", text.len())
}

/// Walks the chain, entry by entry.
#[derive(Debug)]
pub struct Chain {
    seq: i64,
    hash: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.into() }
    }
}

impl Chain {
    /// Takes the next entry.
    ///
    /// # Errors
    /// A sentence naming the first entry that does not fit.
    pub fn push(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.seq != self.seq + 1 {
            return Err(format!("Entry {} is missing: after {} comes {}.", self.seq + 1, self.seq, entry.seq));
        }
        if entry.previous != self.hash {
            return Err(format!("Entry {} does not follow entry {}: its previous hash is another.", entry.seq, self.seq));
        }
        if entry.hash_after(&self.hash) != entry.hash {
            return Err(format!("Entry {} was altered: its content does not give its hash.", entry.seq));
        }
        self.seq = entry.seq;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }
    /// Number and hash of the last entry taken.
    pub fn head(&self) -> (i64, &str) {
        (self.seq, &self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i64, previous: &str) -> Entry {
        let mut e = Entry {
            seq,
            at: 1_700_000_000_000 + seq,
            actor: "anna".into(),
            actor_kind: "person".into(),
            action: "change.request.deploy".into(),
            target: "app/production".into(),
            change: Some(7),
            result: "done".into(),
            before: None,
            after: Some("{\"release\":5}".into()),
            reason: Some("r".into()),
            address: None,
            request: Some("q".into()),
            aws_request: None,
            previous: previous.into(),
            hash: String::new(),
        };
        e.hash = e.hash_after(previous);
        e
    }

    /// Each field of an entry, altered alone, is found; so are a gap and a swap.
    #[test]
    fn every_altered_field_is_found() {
        let clean = entry(1, GENESIS);
        assert!(Chain::default().push(&clean).is_ok());
        let value = serde_json::to_value(&clean).unwrap();
        for (name, old) in value.as_object().unwrap() {
            let mut changed = value.clone();
            changed[name] = match old {
                serde_json::Value::Number(n) => (n.as_i64().unwrap() + 1).into(),
                serde_json::Value::Null if name == "change" => 1.into(),
                serde_json::Value::Null => "x".into(),
                other => format!("{}x", other.as_str().unwrap()).into(),
            };
            let altered: Entry = serde_json::from_value(changed).unwrap();
            assert!(Chain::default().push(&altered).is_err(), "an altered {name} was not found");
        }
        let second = entry(3, &clean.hash);
        let mut chain = Chain::default();
        chain.push(&clean).unwrap();
        assert!(chain.push(&second).unwrap_err().contains("Entry 2 is missing"));
    }

    /// `("ab", "c")` and `("a", "bc")` must not have one hash.
    #[test]
    fn text_can_not_move_between_fields() {
        let mut a = entry(1, GENESIS);
        let mut b = a.clone();
        a.actor = "ann".into();
        a.actor_kind = "aperson".into();
        b.actor = "anna".into();
        b.actor_kind = "person".into();
        assert_ne!(a.hash_after(GENESIS), b.hash_after(GENESIS));
        let (mut none, mut empty) = (a.clone(), a);
        none.reason = None;
        empty.reason = Some(String::new());
        assert_ne!(none.hash_after(GENESIS), empty.hash_after(GENESIS));
    }
}
