//! The database: one set of SQL through `sqlx::Any`, one file per noun.
//!
//! Reads go through a read-only pool. A write is a closure handed to the one writer task; it needs a [`Permit`], and its
//! audit entry is inserted before the closure runs, in the same transaction. The writer lives on when the caller is gone, so
//! that a browser that hangs up can not tear a write.
//!
//! **Invariant:** no transaction is open across an AWS call: a closure can not reach AWS. Every write updates the one `heads`
//! row first, so that the chain's and the events' order is the order of commits, and a process whose epoch is over writes
//! nothing.

pub mod acts;
pub mod applications;
pub mod audit;
pub mod changes;
pub mod debts;
mod engine;
pub mod environments;
pub mod events;
pub mod images;
mod leases;
pub mod observations;
pub mod people;
pub mod releases;
mod remains;
pub mod sessions;
pub mod sightings;
mod sql;
pub mod tokens;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Anchor, Clocks};
use crate::domain::access::Permit;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::failpoint::Tripwire;
use leases::Life;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine's own error.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
    /// A unique rule of the schema: somebody was first.
    #[error("a row of this kind exists already")]
    Duplicate,
    /// A compare-and-set found another version than expected: somebody was first.
    #[error("the row moved meanwhile")]
    Moved,
    /// Another process took the work over.
    #[error("another process has taken over this database; this one writes no more")]
    Superseded,
    /// The closure refused.
    #[error("{0}")]
    Refused(Problem),
    /// A stored value can not be read.
    #[error("unreadable row: {0}")]
    Corrupt(String),
    /// The writer is gone: the process is shutting down.
    #[error("shutting down")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        match &e {
            sqlx::Error::Database(d) if d.is_unique_violation() => Self::Duplicate,
            _ => Self::Database(e),
        }
    }
}

impl From<Problem> for StoreError {
    fn from(p: Problem) -> Self {
        Self::Refused(p)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt(e.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Refused(p) => p,
            StoreError::Duplicate | StoreError::Moved => {
                Problem::conflict("Somebody was faster: this changed meanwhile. Look again, then ask again.")
            }
            StoreError::Database(inner) => {
                tracing::error!(error = %inner, "database failed");
                Problem::Unavailable("The database can not be written or read now, so nothing was sent to AWS. Try again in a moment.".into(), 5)
            }
            StoreError::Superseded | StoreError::Closed => Problem::Unavailable("This process is shutting down. Try again in a moment.".into(), 5),
            StoreError::Corrupt(what) => Problem::Internal(what),
        }
    }
}

/// Result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What a write's closure returns.
pub type Writing<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A write's closure, boxed: for one that is audited in some cases and bookkeeping in others.
pub type Write<T> = Box<dyn for<'a> FnOnce(&'a mut WriteTx) -> Writing<'a, T> + Send>;

/// What the audit says of a write, beside what its permit says.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// The change it belongs to.
    pub change: Option<i64>,
    /// `intended`, `done`, `refused`, `failed`, `unknown`.
    pub result: &'static str,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    /// In words.
    pub reason: Option<String>,
    /// AWS's request id.
    pub aws_request: Option<String>,
}

impl NewEntry {
    /// An entry of something that is done with this commit.
    pub fn done() -> Self {
        Self { result: "done", ..Self::default() }
    }
    /// With another result.
    pub fn result(mut self, result: &'static str) -> Self {
        self.result = result;
        self
    }
    /// Belonging to a change.
    pub fn change(mut self, number: i64) -> Self {
        self.change = Some(number);
        self
    }
    /// With the value before.
    pub fn before(mut self, value: &serde_json::Value) -> Self {
        self.before = Some(value.to_string());
        self
    }
    /// With the value after.
    pub fn after(mut self, value: &serde_json::Value) -> Self {
        self.after = Some(value.to_string());
        self
    }
    /// With a reason.
    pub fn reason(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}

/// An open write. Ends with the closure that got it.
#[derive(Debug)]
pub struct WriteTx {
    tx: Transaction<'static, Any>,
    now: Millis,
    audit_seq: i64,
    audit_hash: String,
    event_seq: i64,
    permit: Option<Permit>,
    dirty: bool,
}

impl WriteTx {
    /// The connection, inside the transaction.
    pub fn conn(&mut self) -> &mut AnyConnection {
        &mut self.tx
    }
    /// The wall clock of this write.
    pub fn now(&self) -> Millis {
        self.now
    }
    /// Takes the next number of a counter.
    ///
    /// # Errors
    /// Of the database.
    pub async fn number(&mut self, counter: &'static str) -> Result<i64> {
        let (n,): (i64,) =
            sqlx::query_as("update counters set value = value + 1 where name = $1 returning value").bind(counter).fetch_one(self.conn()).await?;
        Ok(n)
    }
}

/// What the writer runs: gives the transaction back where it is to be committed.
type Work = Box<dyn FnOnce(WriteTx) -> Committing + Send>;
type Committing = Pin<Box<dyn Future<Output = Option<WriteTx>> + Send>>;

struct Job(Work, Option<Permit>, oneshot::Sender<Result<()>>);

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    reads: AnyPool,
    jobs: mpsc::Sender<Job>,
    woken: watch::Receiver<i64>,
    epoch: Arc<AtomicI64>,
    life: Life,
    clocks: Clocks,
    tripwire: Tripwire,
    _lock: Arc<Option<File>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// Takes a lock that ends with the process.
fn lock(path: &Path) -> anyhow::Result<File> {
    // By its real place: a link to the database must not lead around the lock.
    let path = path.canonicalize().or_else(|_| real_parent(path)).with_context(|| format!("{} can not be made", path.display()))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(|| format!("{} can not be made", path.display()))?;
    anyhow::ensure!(file.try_lock().is_ok(), "another Fleetgate works on this database ({} is locked); stop it first", path.display());
    Ok(file)
}

/// The path with its folder resolved, for a file that is not there yet.
fn real_parent(path: &Path) -> std::io::Result<PathBuf> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
}

impl Store {
    /// Opens the database at `url` (`sqlite://file` or `postgres://…`), and brings its schema up to date.
    ///
    /// # Errors
    /// A sentence for the log: not reachable, engine too old, schema newer than this program.
    pub async fn open(url: &str, clocks: Clocks) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let full = if sqlite && !url.contains('?') { format!("{url}?mode=rwc") } else { url.to_owned() };
        let options = AnyConnectOptions::from_str(&full)?;
        let writes = engine::pool(sqlite, 1, false).connect_with(options.clone()).await?;
        if sqlite {
            engine::check(&writes).await?;
        }
        sqlx::migrate!("./migrations").run(&writes).await?;
        sqlx::query("update heads set install = $1 where id = 1 and install = ''")
            .bind(uuid::Uuid::now_v7().simple().to_string())
            .execute(&writes)
            .await?;
        let reads = engine::pool(sqlite, 4, true).connect_with(options).await?;
        let (jobs, queue) = mpsc::channel(256);
        let (wake, woken) = watch::channel(0);
        let epoch = Arc::new(AtomicI64::new(0));
        let tripwire = Tripwire::default();
        let begin = if sqlite { "begin immediate" } else { "begin" };
        spawn_writer(writes, queue, wake, clocks.clone(), epoch.clone(), begin, tripwire.clone());
        Ok(Self { reads, jobs, woken, epoch, life: Life::default(), clocks, tripwire, _lock: Arc::new(None) })
    }

    /// Opens the database as its one worker. The lock comes first: of two that start at once on a database that is not there yet, only
    /// one makes it.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::take_over`].
    pub async fn open_alone(url: &str, clocks: Clocks, lock_file: Option<&Path>) -> anyhow::Result<Self> {
        let lock = lock_file.map(lock).transpose()?;
        Self::open(url, clocks).await?.begin_epoch(lock).await
    }

    /// Becomes the one worker of this database: takes the lock file (SQLite) and a new epoch. Older processes write no more.
    ///
    /// # Errors
    /// Another worker holds the file.
    pub async fn take_over(self, lock_file: Option<&Path>) -> anyhow::Result<Self> {
        let lock = lock_file.map(lock).transpose()?;
        self.begin_epoch(lock).await
    }

    async fn begin_epoch(mut self, lock: Option<File>) -> anyhow::Result<Self> {
        self._lock = Arc::new(lock);
        let (epoch, life) = self.keep(|tx| Box::pin(leases::begin(tx))).await?;
        self.life = life;
        self.epoch.store(epoch, Ordering::SeqCst);
        Ok(self)
    }

    /// Has another process taken the database over since?
    ///
    /// # Errors
    /// Of the database.
    pub async fn is_superseded(&self) -> Result<bool> {
        let (epoch,): (i64,) = sqlx::query_as("select epoch from heads where id = 1").fetch_one(&self.reads).await?;
        Ok(self.epoch() != 0 && epoch != self.epoch())
    }

    /// This process's epoch; 0 when it is not the worker.
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// The read-only pool.
    pub(crate) fn reads(&self) -> &AnyPool {
        &self.reads
    }

    /// What the writes pass through; the clients of the same process get it too.
    pub fn tripwire(&self) -> Tripwire {
        self.tripwire.clone()
    }

    /// The clocks handed in at the start.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Wakes with the number of the newest event.
    pub fn woken(&self) -> watch::Receiver<i64> {
        self.woken.clone()
    }

    /// Random name of this installation, part of client tokens, so that two installations never share one.
    ///
    /// # Errors
    /// Of the database.
    pub async fn install(&self) -> Result<String> {
        let (name,): (String,) = sqlx::query_as("select install from heads where id = 1").fetch_one(&self.reads).await?;
        Ok(name)
    }

    /// The anchor of the cloud clock for this speed, made at the first call and kept.
    ///
    /// # Errors
    /// Of the database.
    pub async fn anchor(&self, speed: f64, fresh: Anchor) -> Result<Anchor> {
        let speed = speed.to_string();
        self.keep(move |tx| {
            Box::pin(async move {
                let (wall, cloud, at): (Option<i64>, Option<i64>, Option<String>) =
                    sqlx::query_as("select anchor_wall, anchor_cloud, anchor_speed from heads where id = 1").fetch_one(tx.conn()).await?;
                if let (Some(wall), Some(cloud), true) = (wall, cloud, at.as_deref() == Some(speed.as_str())) {
                    return Ok(Anchor { wall, cloud });
                }
                sqlx::query("update heads set anchor_wall = $1, anchor_cloud = $2, anchor_speed = $3 where id = 1")
                    .bind(fresh.wall)
                    .bind(fresh.cloud)
                    .bind(speed)
                    .execute(tx.conn())
                    .await?;
                Ok(fresh)
            })
        })
        .await
    }

    /// An audited write: the entry is inserted first, then `f` runs, then all of it is committed, or nothing.
    ///
    /// # Errors
    /// Of the database, or what `f` returned; then nothing was written.
    pub async fn write<T, F>(&self, permit: &Permit, entry: NewEntry, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut WriteTx) -> Writing<'a, T> + Send + 'static,
    {
        self.run(Some(permit.clone()), move |tx| {
            Box::pin(async move {
                tx.audit(entry).await?;
                f(tx).await
            })
        })
        .await
    }

    /// An audited write whose entry depends on what it finds: `f` must call [`WriteTx::audit`] itself.
    ///
    /// # Errors
    /// As [`Store::write`]; `Corrupt` if `f` wrote no entry.
    pub async fn write_with<T, F>(&self, permit: &Permit, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut WriteTx) -> Writing<'a, T> + Send + 'static,
    {
        self.run(Some(permit.clone()), move |tx| {
            Box::pin(async move {
                let before = tx.audit_seq;
                let value = f(tx).await?;
                if tx.audit_seq == before {
                    return Err(StoreError::Corrupt("a write without an audit entry".into()));
                }
                Ok(value)
            })
        })
        .await
    }

    /// Bookkeeping that is no act: the local copy of AWS, leases, progress, session use. Writes no audit entry.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn keep<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut WriteTx) -> Writing<'a, T> + Send + 'static,
    {
        self.run(None, f).await
    }

    async fn run<T, F>(&self, permit: Option<Permit>, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut WriteTx) -> Writing<'a, T> + Send + 'static,
    {
        let (out, value) = oneshot::channel();
        let (committed, done) = oneshot::channel();
        let work = Box::new(move |mut tx: WriteTx| {
            let future: Committing = Box::pin(async move {
                let result = f(&mut tx).await;
                let commit = result.is_ok();
                let _ = out.send(result);
                commit.then_some(tx)
            });
            future
        });
        self.jobs.send(Job(work, permit, committed)).await.map_err(|_| StoreError::Closed)?;
        let commit = done.await.map_err(|_| StoreError::Closed)?;
        // A refusal of the closure says more than the roll-back that followed it.
        match value.await {
            Ok(Ok(v)) => commit.map(|()| v),
            Ok(Err(e)) => Err(e),
            Err(_) => commit.and(Err(StoreError::Closed)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the writer is the store's own task; it ends when the last Store is dropped")]
fn spawn_writer(
    pool: AnyPool,
    mut queue: mpsc::Receiver<Job>,
    wake: watch::Sender<i64>,
    clocks: Clocks,
    epoch: Arc<AtomicI64>,
    begin: &'static str,
    tripwire: Tripwire,
) {
    tokio::spawn(async move {
        while let Some(Job(work, permit, done)) = queue.recv().await {
            let mut events = None;
            let result = write_once(&pool, work, permit, clocks.wall(), epoch.load(Ordering::SeqCst), begin, &mut events, &tripwire).await;
            if let (Ok(()), Some(seq)) = (&result, events) {
                wake.send_replace(seq);
            }
            let _ = done.send(result);
        }
        pool.close().await;
    });
}

async fn write_once(
    pool: &AnyPool,
    work: Work,
    permit: Option<Permit>,
    now: Millis,
    epoch: i64,
    begin: &'static str,
    events: &mut Option<i64>,
    tripwire: &Tripwire,
) -> Result<()> {
    if tripwire.broken() {
        return Err(StoreError::Closed);
    }
    let mut tx = match pool.begin_with(begin).await {
        // Where the disk is full or broken, SQLite ends a transaction by itself, and sqlx takes the connection for one inside a
        // transaction from then on: without a new one nothing could be written until a restart.
        Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed) => {
            pool.acquire().await?.close_on_drop();
            pool.begin_with(begin).await?
        }
        begun => begun?,
    };
    let (audit_seq, audit_hash, event_seq, current): (i64, String, i64, i64) =
        sqlx::query_as("update heads set writes = writes + 1 where id = 1 returning audit_seq, audit_hash, event_seq, epoch")
            .fetch_one(&mut *tx)
            .await?;
    if epoch != 0 && epoch != current {
        tx.rollback().await?;
        return Err(StoreError::Superseded);
    }
    let before = event_seq;
    let open = WriteTx { tx, now, audit_seq, audit_hash, event_seq, permit, dirty: false };
    // A panic in the closure must not end the writer; dropping the transaction rolls it back.
    let Some(mut open) = work(open).await else { return Ok(()) };
    if open.dirty {
        let (seq, hash, event) = (open.audit_seq, open.audit_hash.clone(), open.event_seq);
        sqlx::query("update heads set audit_seq = $1, audit_hash = $2, event_seq = $3 where id = 1")
            .bind(seq)
            .bind(hash)
            .bind(event)
            .execute(open.conn())
            .await?;
    }
    let last = open.event_seq;
    if !tripwire.pass("before commit") {
        return Err(StoreError::Closed);
    }
    open.tx.commit().await?;
    if !tripwire.pass("after commit") {
        return Err(StoreError::Closed);
    }
    *events = (last != before).then_some(last);
    Ok(())
}
