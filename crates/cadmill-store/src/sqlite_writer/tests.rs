//! What transactions that share a commit owe each other.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use tempfile::TempDir;

use super::*;
use crate::database::sqlite_options;

/// A file with a table of numbers.
struct Numbers {
    writer: SqliteWriter,
    folder: TempDir,
}

impl Numbers {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlite_options(&folder.path().join("numbers.db"));
        let writer = SqliteWriter::open(options, Damage::default())
            .await
            .unwrap();
        let create = "CREATE TABLE number (n INTEGER PRIMARY KEY, square INTEGER NOT NULL)";
        writer.execute_unprepared(create).await.unwrap();
        Self { writer, folder }
    }

    /// Adds a number in a transaction of two statements.
    async fn add(&self, n: i64) -> Result<(), DbErr> {
        let transaction = self.writer.begin().await?;
        let there = query("SELECT 1 FROM number WHERE n = $1", [n.into()]);
        transaction.query_one_raw(there).await?;
        let insert = "INSERT INTO number VALUES ($1, $2)";
        let insert = query(insert, [n.into(), (n * n).into()]);
        transaction.commit(vec![insert]).await.map(drop)
    }

    /// The numbers that another connection sees.
    async fn seen(&self) -> Vec<i64> {
        let url = format!("sqlite://{}", self.path().display());
        let other = sea_orm::Database::connect(url).await.unwrap();
        let all = query("SELECT n FROM number ORDER BY n", []);
        let rows = other.query_all_raw(all).await.unwrap();
        let numbers = rows.iter().map(|row| row.try_get("", "n").unwrap());
        let numbers = numbers.collect();
        other.close().await.unwrap();
        numbers
    }

    /// How often something was committed: each commit marks its last frame in the log by the size of
    /// the database.
    fn commits(&self) -> usize {
        const HEADER: usize = 32;
        const FRAME_HEADER: usize = 24;
        const PAGE: usize = 4096;
        let log = std::fs::read(self.path().with_extension("db-wal")).unwrap();
        let frames = log[HEADER..].chunks_exact(FRAME_HEADER + PAGE);
        frames.filter(|frame| frame[4..8] != [0; 4]).count()
    }

    fn path(&self) -> std::path::PathBuf {
        let folder: &Path = self.folder.path();
        folder.join("numbers.db")
    }
}

fn query(sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

#[tokio::test]
async fn those_who_wait_share_a_commit() {
    let numbers = Numbers::new().await;
    let before = numbers.commits();
    let added = join_all((0..40).map(|n| numbers.add(n))).await;
    assert!(added.iter().all(Result::is_ok), "{added:?}");
    let commits = numbers.commits() - before;
    assert!((1..=10).contains(&commits), "{commits} commits");
    assert_eq!(numbers.seen().await, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn single_statements_take_part() {
    let numbers = Numbers::new().await;
    let before = numbers.commits();
    let insert = |n: i64| {
        let sql = "INSERT INTO number VALUES ($1, 0) RETURNING n";
        numbers.writer.query_one_raw(query(sql, [n.into()]))
    };
    let added = join_all((0..40).map(insert)).await;
    for (n, row) in added.into_iter().enumerate() {
        let row = row.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), n as i64);
    }
    let commits = numbers.commits() - before;
    assert!((1..=10).contains(&commits), "{commits} commits");
    let update = "UPDATE number SET square = 1 WHERE n < $1";
    let update = |n: i64| numbers.writer.execute_raw(query(update, [n.into()]));
    let updated = join_all((0..40).map(update)).await;
    for (n, done) in updated.into_iter().enumerate() {
        assert_eq!(done.unwrap().rows_affected(), n as u64);
    }
}

#[tokio::test]
async fn one_that_fails_does_no_harm_to_the_others() {
    let numbers = Numbers::new().await;
    // Each number twice: the second is refused by the key, after its neighbours have written.
    let added = join_all((0..40).map(|n| numbers.add(n / 2))).await;
    for (n, added) in added.into_iter().enumerate() {
        assert_eq!(added.is_ok(), n % 2 == 0, "{n}: {added:?}");
    }
    assert_eq!(numbers.seen().await, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_that_gives_up_is_undone_alone() {
    let numbers = Numbers::new().await;
    let give_up = async |n: i64| {
        let transaction = numbers.writer.begin().await.unwrap();
        let insert = query("INSERT INTO number VALUES ($1, 0)", [(100 + n).into()]);
        transaction.execute_raw(insert).await.unwrap();
        if n % 2 == 0 {
            transaction.rollback().await.unwrap();
        }
    };
    let added = join_all((0..20).map(async |n| {
        give_up(n).await;
        numbers.add(n).await
    }));
    for added in added.await {
        added.unwrap();
    }
    assert_eq!(numbers.seen().await, (0..20).collect::<Vec<_>>());
}

/// Wherever a transaction is when its caller goes away: those who were answered are there, whole
/// transactions only, and the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_caller_goes_away_is_there_or_not() {
    let numbers = Arc::new(Numbers::new().await);
    let mut answered = Vec::new();
    for round in 0..60 {
        let first = round * 10;
        let tasks: Vec<_> = (first..first + 10)
            .map(|n| {
                let numbers = Arc::clone(&numbers);
                tokio::spawn(async move { numbers.add(n).await.map(|()| n) })
            })
            .collect();
        // From at once to after most have ended.
        tokio::time::sleep(Duration::from_micros(50 * round as u64)).await;
        for task in tasks.iter().step_by(3) {
            task.abort();
        }
        for task in tasks {
            match task.await {
                Ok(added) => answered.push(added.unwrap()),
                Err(gone) => assert!(gone.is_cancelled()),
            }
        }
    }
    numbers.add(-1).await.unwrap();
    let seen = numbers.seen().await;
    assert!(answered.len() >= 60 * 6);
    for n in answered {
        assert!(seen.contains(&n), "{n} was answered");
    }
}

/// A dropped transaction must not keep the lock of the file until another comes.
#[tokio::test]
async fn a_dropped_transaction_lets_other_processes_write() {
    let numbers = Numbers::new().await;
    let transaction = numbers.writer.begin().await.unwrap();
    let insert = query("INSERT INTO number VALUES (1, 1)", []);
    transaction.execute_raw(insert).await.unwrap();
    drop(transaction);
    let other = SqliteWriter::open(sqlite_options(&numbers.path()), Damage::default()).await;
    let insert = query("INSERT INTO number VALUES (2, 4)", []);
    other.unwrap().execute_raw(insert).await.unwrap();
    assert_eq!(numbers.seen().await, [2]);
}

#[tokio::test]
async fn when_the_disk_is_full_nobody_of_the_group_is_told_otherwise() {
    let numbers = Numbers::new().await;
    numbers.add(-1).await.unwrap();
    let full = "PRAGMA max_page_count = 1";
    let turn = numbers.writer.turn().await.unwrap();
    turn.single(&query(full, [])).await.unwrap();
    let long = "x".repeat(20_000);
    let fill = |n: i64| {
        let sql = "INSERT INTO number VALUES ($1, length($2)), ($1 + 100, $2)";
        numbers
            .writer
            .execute_raw(query(sql, [n.into(), long.clone().into()]))
    };
    let mixed = join_all((0..10).map(async |n| {
        if n % 5 == 4 {
            fill(n).await.map(drop)
        } else {
            numbers.add(n).await
        }
    }));
    let answers = mixed.await;
    let seen = numbers.seen().await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(
            answer.is_ok(),
            seen.contains(&(n as i64)),
            "{n}: {answer:?}"
        );
    }
    assert!(answers.iter().any(Result::is_err));
    // A new connection knows no such limit.
    numbers.add(1000).await.unwrap();
}
