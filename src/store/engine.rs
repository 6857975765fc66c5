//! What each engine is told at the start, and what it must answer. The one place that knows SQLite from PostgreSQL.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Executor as _};

/// Oldest SQLite that does not lose a WAL database to the reset race (promises, trap 5).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// What each connection is told, how it is asked, and what it must answer.
///
/// - WAL, so that readers never wait for the writer.
/// - `synchronous` 2 is FULL: what was acknowledged survives a power cut. With NORMAL a committed audit entry can be gone.
/// - A lock that another process holds, such as an admin verb, is waited for.
const SQLITE: [(&str, &str, &str); 4] = [
    ("pragma journal_mode = wal", "pragma journal_mode", "wal"),
    ("pragma synchronous = full", "pragma synchronous", "2"),
    ("pragma foreign_keys = on", "pragma foreign_keys", "1"),
    ("pragma busy_timeout = 10000", "pragma busy_timeout", "10000"),
];

/// A pool whose connections are set up.
pub(super) fn pool(sqlite: bool, connections: u32, read_only: bool) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(10)).after_connect(move |conn, _| {
        Box::pin(async move {
            if sqlite {
                for (set, _, _) in SQLITE {
                    conn.execute(set).await?;
                }
                if read_only {
                    conn.execute("pragma query_only = on").await?;
                }
            } else if read_only {
                conn.execute("set default_transaction_read_only = on").await?;
            }
            Ok(())
        })
    })
}

/// Refuses an engine that is too old, or that did not take what it was told: a file system without shared memory has no WAL.
pub(super) async fn check(writes: &AnyPool) -> anyhow::Result<()> {
    let (version,): (String,) = sqlx::query_as("select sqlite_version()").fetch_one(writes).await?;
    anyhow::ensure!(is_new_enough(&version), "SQLite {version} can corrupt a WAL database; {OLDEST_SQLITE:?} or newer is needed");
    for (_, ask, expected) in SQLITE {
        let found = text(&sqlx::query(ask).fetch_one(writes).await?)?;
        anyhow::ensure!(found == expected, "this database can not be trusted with an audit trail: `{ask}` says {found}, not {expected}");
    }
    Ok(())
}

fn text(row: &sqlx::any::AnyRow) -> Result<String, sqlx::Error> {
    use sqlx::Row as _;
    row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string()))
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST_SQLITE
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(url: &str) -> anyhow::Result<()> {
        sqlx::any::install_default_drivers();
        check(&pool(true, 1, false).connect(url).await?).await
    }

    #[tokio::test]
    async fn a_database_that_is_not_durable_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        opened(&format!("sqlite://{}/a.db?mode=rwc", dir.path().display())).await.unwrap();
        // A database in memory has no WAL: the pragma is taken without a word, and does nothing.
        let why = opened("sqlite::memory:").await.unwrap_err().to_string();
        assert!(why.contains("journal_mode") && why.contains("memory"), "{why}");
    }

    #[test]
    fn old_engines_are_told_from_new_ones() {
        assert!(is_new_enough("3.51.3") && is_new_enough("3.53.0") && is_new_enough("4.0.0"));
        assert!(!is_new_enough("3.51.2") && !is_new_enough("3.46.0") && !is_new_enough("2.99.99") && !is_new_enough(""));
    }
}
