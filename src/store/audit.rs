//! The audit trail: written in the transaction of the act that it tells of, read by filter and key.

use sqlx::FromRow;

use super::sql::Sql;
use super::{NewEntry, Result, Store, StoreError, WriteTx};
use crate::domain::access::{ActorKind, Permit};
use crate::domain::audit::{Chain, Entry};
use crate::domain::observation::Millis;

#[derive(FromRow)]
struct Row {
    seq: i64,
    at: i64,
    actor: String,
    actor_kind: String,
    action: String,
    target: String,
    change: Option<i64>,
    result: String,
    before: Option<String>,
    after: Option<String>,
    reason: Option<String>,
    address: Option<String>,
    request: Option<String>,
    aws_request: Option<String>,
    previous: String,
    hash: String,
}

impl From<Row> for Entry {
    fn from(r: Row) -> Self {
        Self {
            seq: r.seq,
            at: r.at,
            actor: r.actor,
            actor_kind: r.actor_kind,
            action: r.action,
            target: r.target,
            change: r.change,
            result: r.result,
            before: r.before,
            after: r.after,
            reason: r.reason,
            address: r.address,
            request: r.request,
            aws_request: r.aws_request,
            previous: r.previous,
            hash: r.hash,
        }
    }
}

/// What a list of entries is narrowed to. Empty = everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Exactly this actor.
    pub actor: Option<String>,
    /// Exactly this action, or with a trailing `*` all that begin so.
    pub action: Option<String>,
    /// Exactly this target.
    pub target: Option<String>,
    /// This change.
    pub change: Option<i64>,
    /// Exactly this result: `done`, `refused`, `intended`, `failed`, `unknown`.
    pub result: Option<String>,
    /// Not before (inclusive).
    pub from: Option<Millis>,
    /// Not after (exclusive).
    pub until: Option<Millis>,
    /// Only below this number.
    pub below: Option<i64>,
    /// Only these targets, where the reader may not see all.
    pub scopes: Option<Vec<String>>,
}

fn kind_name(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Person => "person",
        ActorKind::Token => "token",
        ActorKind::Host => "host",
        ActorKind::Engine => "engine",
        ActorKind::Anonymous => "anonymous",
    }
}

impl WriteTx {
    /// Appends an entry under this write's permit.
    ///
    /// # Errors
    /// Of the database; `Corrupt` in a write without a permit.
    pub async fn audit(&mut self, entry: NewEntry) -> Result<i64> {
        let permit = self.permit.clone().ok_or_else(|| StoreError::Corrupt("an audit entry without a permit".into()))?;
        self.audit_as(&permit, entry).await
    }

    /// Appends an entry under another permit than the write's, where one act leads to another's.
    ///
    /// # Errors
    /// Of the database.
    pub async fn audit_as(&mut self, permit: &Permit, entry: NewEntry) -> Result<i64> {
        let actor = permit.actor();
        let mut row = Entry {
            seq: self.audit_seq + 1,
            at: self.now,
            actor: clean(&actor.name),
            actor_kind: kind_name(actor.kind).into(),
            action: clean(permit.action()),
            target: clean(permit.target()),
            change: entry.change,
            result: entry.result.into(),
            before: entry.before.as_deref().map(clean),
            after: entry.after.as_deref().map(clean),
            reason: entry.reason.as_deref().map(clean),
            address: actor.origin.address.as_deref().map(clean),
            request: actor.origin.request.as_deref().map(clean),
            aws_request: entry.aws_request.as_deref().map(clean),
            previous: self.audit_hash.clone(),
            hash: String::new(),
        };
        row.hash = row.hash_after(&row.previous);
        sqlx::query(
            "insert into audit (seq, at, actor, actor_kind, action, target, change, result, before, after, reason, address, request, aws_request, previous, hash)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(row.seq)
        .bind(row.at)
        .bind(row.actor)
        .bind(row.actor_kind)
        .bind(row.action)
        .bind(row.target)
        .bind(row.change)
        .bind(row.result)
        .bind(row.before)
        .bind(row.after)
        .bind(row.reason)
        .bind(row.address)
        .bind(row.request)
        .bind(row.aws_request)
        .bind(row.previous)
        .bind(row.hash.clone())
        .execute(self.conn())
        .await?;
        self.audit_seq = row.seq;
        self.audit_hash = row.hash;
        self.dirty = true;
        Ok(row.seq)
    }
}

/// One act, one line: control and text-direction characters become their code points, and 8 KiB are enough.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            out.push(c);
        }
        if out.len() > 8192 {
            out.push('…');
            break;
        }
    }
    out
}

impl Store {
    /// Entries, newest first, at most `limit`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn list_audit(&self, filter: &Filter, limit: i64) -> Result<Vec<Entry>> {
        let mut q = narrowed(filter);
        q.push(" order by seq desc limit ").push_bind(limit);
        let rows: Vec<Row> = q.fetch_all(self.reads()).await?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// Entries above `after`, oldest first, at most `limit`: for exports and verification.
    ///
    /// # Errors
    /// Of the database.
    pub async fn page_audit(&self, filter: &Filter, after: i64, limit: i64) -> Result<Vec<Entry>> {
        let mut q = narrowed(filter);
        q.push(" and seq > ").push_bind(after).push(" order by seq limit ").push_bind(limit);
        let rows: Vec<Row> = q.fetch_all(self.reads()).await?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// One entry.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_audit(&self, seq: i64) -> Result<Option<Entry>> {
        Ok(self.page_audit(&Filter::default(), seq.saturating_sub(1), 1).await?.into_iter().find(|e| e.seq == seq))
    }

    /// Recomputes the whole chain and compares it with the head.
    ///
    /// # Errors
    /// Of the database. A broken chain is the inner `Err`, with the sentence that names the first bad entry.
    pub async fn verify_audit(&self) -> Result<std::result::Result<(i64, String), String>> {
        let mut chain = Chain::default();
        // The head first: entries that are added meanwhile are beyond it and checked all the same.
        let (seq, hash): (i64, String) = sqlx::query_as("select audit_seq, audit_hash from heads where id = 1").fetch_one(self.reads()).await?;
        loop {
            let rows = self.page_audit(&Filter::default(), chain.head().0, 1000).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if let Err(why) = chain.push(row) {
                    return Ok(Err(why));
                }
                if row.seq == seq && row.hash != hash {
                    return Ok(Err(format!("Entry {seq} is not the one that the head names: the chain was rebuilt.")));
                }
            }
        }
        let (last, last_hash) = chain.head();
        // Entries beyond the head as it is now were not written by a commit.
        let (now,): (i64,) = sqlx::query_as("select audit_seq from heads where id = 1").fetch_one(self.reads()).await?;
        if last > now {
            return Ok(Err(format!("Entry {} lies beyond the head, which names {now}: it was added by hand.", now + 1)));
        }
        if last < seq {
            return Ok(Err(format!("The trail ends at entry {last}, the head names {seq}: {} entries are missing at the end.", seq - last)));
        }
        Ok(Ok((last, last_hash.to_owned())))
    }
}

fn narrowed(f: &Filter) -> Sql {
    let mut q = Sql::new(
        "select seq, at, actor, actor_kind, action, target, change, result, before, after, reason, address, request, aws_request, previous, hash from audit where 1 = 1",
    );
    if let Some(v) = &f.actor {
        q.push(" and actor = ").push_bind(v.clone());
    }
    if let Some(v) = &f.action {
        match v.strip_suffix('*') {
            // A range, not `like`: it uses the index on both engines and needs no escaping.
            Some(prefix) => q.push(" and action >= ").push_bind(prefix.to_owned()).push(" and action < ").push_bind(format!("{prefix}\u{10ffff}")),
            None => q.push(" and action = ").push_bind(v.clone()),
        };
    }
    if let Some(v) = &f.target {
        q.push(" and target = ").push_bind(v.clone());
    }
    if let Some(v) = &f.result {
        q.push(" and result = ").push_bind(v.clone());
    }
    if let Some(v) = f.change {
        q.push(" and change = ").push_bind(v);
    }
    if let Some(v) = f.from {
        q.push(" and at >= ").push_bind(v);
    }
    if let Some(v) = f.until {
        q.push(" and at < ").push_bind(v);
    }
    if let Some(v) = f.below {
        q.push(" and seq < ").push_bind(v);
    }
    if let Some(scopes) = &f.scopes {
        q.push(" and target in (''");
        for s in scopes {
            q.push(", ").push_bind(s.clone());
        }
        q.push(")");
    }
    q
}
