//! Many writers on one database: none of them ever hears of a lock.

use tokio::task::JoinSet;

use fleetgate::clock::Clocks;
use fleetgate::domain::access::{Actor, Permit};
use fleetgate::store::{NewEntry, Store};

const WRITERS: usize = 64;

/// `FLEETGATE_TEST_WRITES=10000` is the long form. Half of the writers are in a process of their own, as far as SQLite can tell: the
/// admin verbs work beside the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not concerned")]
async fn no_writer_hears_of_a_lock() {
    let each: usize = std::env::var("FLEETGATE_TEST_WRITES").map_or(20, |n| n.parse().expect("FLEETGATE_TEST_WRITES is a number"));
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/fleetgate.db", dir.path().display());
    let server = Store::open(&url, Clocks::system()).await.unwrap().take_over(Some(&dir.path().join("lock"))).await.unwrap();
    let admin = Store::open(&url, Clocks::system()).await.unwrap();
    let begun = std::time::Instant::now();
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let store = if n % 2 == 0 { server.clone() } else { admin.clone() };
        writers.spawn(async move {
            let permit = Permit::witness(&Actor::host("test"), "audit.export", "*");
            for _ in 0..each {
                store.write(&permit, NewEntry::done(), |_| Box::pin(async { Ok(()) })).await?;
                store.last_event().await?;
            }
            Ok::<(), fleetgate::store::StoreError>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap().unwrap();
    }
    let total = WRITERS * each;
    println!("{total} transactions of {WRITERS} writers in {:.1} s", begun.elapsed().as_secs_f64());
    let (entries, _) = server.verify_audit().await.unwrap().expect("the chain holds");
    assert_eq!(usize::try_from(entries).unwrap(), total);
}
