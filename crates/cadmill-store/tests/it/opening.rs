//! What goes wrong when a database or a data folder is opened, and how that is told.

use std::{net::TcpListener, path::Path};

use cadmill_migrations::Migrator;
use cadmill_store::{Database, FolderLock, FolderLockError, OpenError};
use futures_util::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::MigratorTrait as _;
use tempfile::tempdir;

use crate::open;

#[tokio::test]
async fn whoever_is_not_let_in_is_told_so_without_the_password() {
    let url = open::new_postgres_database().await;
    let (server, name) = url.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    for wrong in [
        format!("postgres://cadmill:xyzzy@{host}/{name}"),
        format!("postgres://nobody:xyzzy@{host}/{name}"),
        format!("{server}/no_such_database"),
    ] {
        let error = refused(&wrong).await;
        assert!(matches!(error, OpenError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains(host), "{error}");
        check_secret(&error, &wrong);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_refuses() {
    // Nobody listens where somebody has just stopped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for host in [
        format!("127.0.0.1:{port}"),
        "no.such.host.invalid:5432".to_owned(),
    ] {
        let url = format!("postgres://cadmill:xyzzy@{host}/cadmill");
        let error = refused(&url).await;
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&host), "{error}");
        check_secret(&error, &url);
    }
}

#[tokio::test]
async fn a_url_that_is_none_is_told_without_the_password() {
    for url in [
        "",
        "xyzzy",
        "cadmill:xyzzy@127.0.0.1/cadmill",
        "mysql://cadmill:xyzzy@127.0.0.1/cadmill",
        "sqlite://xyzzy.db",
        "postgres://cadmill:xyzzy@127.0.0.1:port/cadmill",
        "postgres://cadmill:xyzzy@:/ /",
        "postgres://cadmill:xyzzy@127.0.0.1/cadmill?sslmode=xyzzy",
    ] {
        let error = refused(url).await;
        assert!(matches!(error, OpenError::Url(_)), "{url}: {error:?}");
        check_secret(&error, "postgres://cadmill:xyzzy@127.0.0.1");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_with_its_path() {
    let folder = tempdir().unwrap();
    let text = folder.path().join("notes.db");
    std::fs::write(&text, "This is no database.\n".repeat(500)).unwrap();
    let missing = folder.path().join("missing/cadmill.db");
    for path in [&text, &missing, &folder.path().to_owned()] {
        let error = Database::open_sqlite(path).await.unwrap_err();
        let shown = path.display().to_string();
        assert!(
            matches!(error, OpenError::Unreachable { .. } | OpenError::Damaged(_)),
            "{shown}: {error:?}"
        );
        assert!(error.to_string().contains(&shown), "{error}");
    }
    let kept = std::fs::read_to_string(&text).unwrap();
    assert!(
        kept.starts_with("This is no database."),
        "it is left as it is"
    );
}

#[tokio::test]
async fn tables_of_another_version_are_told() {
    let folder = tempdir().unwrap();
    let (sqlite, url) = sqlite_in(folder.path()).await;
    check_versions(&sqlite, &url).await;
    let url = open::new_postgres_database().await;
    let postgres = Database::connect_postgres(&url, 2).await.unwrap();
    check_versions(&postgres, &url).await;
}

/// Behind, newest, newest again, newer.
async fn check_versions(database: &Database, url: &str) {
    let behind = database.check().await.unwrap_err();
    assert!(matches!(behind, OpenError::Behind(1..)), "{behind:?}");
    assert!(behind.to_string().contains("cadmill migrate"), "{behind}");
    for _ in 0..2 {
        database.migrate().await.unwrap();
        database.check().await.unwrap();
    }
    let tables = connect(url).await;
    let later =
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99991231_000001_later', 0)";
    tables.execute_unprepared(later).await.unwrap();
    for refused in [database.check().await, database.migrate().await] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, OpenError::Newer(name) if name == "m99991231_000001_later"),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_may_migrate_at_once() {
    let folder = tempdir().unwrap();
    let url = open::new_postgres_database().await;
    let databases = |url: String| {
        let path = folder.path().to_owned();
        (0..5).map(move |_| {
            let (url, path) = (url.clone(), path.clone());
            async move {
                if url.is_empty() {
                    return open::sqlite_in(&path).await;
                }
                Database::connect_postgres(&url, 2).await.unwrap()
            }
        })
    };
    for url in [String::new(), url] {
        let migrated = databases(url).map(|opened| {
            tokio::spawn(async move {
                let database = opened.await;
                database.migrate().await.unwrap();
                database.check().await.unwrap();
            })
        });
        for one in join_all(migrated).await {
            one.unwrap();
        }
    }
}

#[tokio::test]
async fn rows_of_the_first_version_are_kept() {
    let folder = tempdir().unwrap();
    let (_, sqlite) = sqlite_in(folder.path()).await;
    for url in [sqlite, open::new_postgres_database().await] {
        let connection = connect(&url).await;
        Migrator::up(&connection, Some(1)).await.unwrap();
        let id = "'00000000000000000000000000000001'";
        let id = match connection.get_database_backend() {
            DbBackend::Postgres => format!("{id}::uuid"),
            _ => format!("unhex({id})"),
        };
        let now = "'2026-01-01T12:00:00.000001+00:00'";
        for row in [
            format!(
                "INSERT INTO cad_file (id, name, source_sha256, source_bytes, part_materials, \
                 manual_overrides, materials_fingerprint, created_at, updated_at) VALUES \
                 ({id}, 'a', '{hash}', 1, '{{}}', '{{}}', '{hash}', {now}, {now})",
                hash = "a".repeat(64)
            ),
            format!(
                "INSERT INTO ledger (cad_file_id, kind, state, priority, fence, crashes, attempts) \
                 VALUES ({id}, 'gltf_geometry', 'queued', 50, 7, 1, 2)"
            ),
        ] {
            connection.execute_unprepared(&row).await.unwrap();
        }
        let database = match connection.get_database_backend() {
            DbBackend::Postgres => Database::connect_postgres(&url, 2).await.unwrap(),
            _ => open::sqlite_in(folder.path()).await,
        };
        let newer = Migrator::migrations().len() - 1;
        let checked = database.check().await;
        assert!(matches!(checked, Err(OpenError::Behind(behind)) if behind == newer));
        let deployment = open::deployment(database, std::sync::Arc::default()).await;
        let files = cadmill_domain::contract::all_files(&*deployment.files).await;
        let [file] = files.try_into().unwrap();
        assert_eq!(file.revision().to_string(), "1767268800000001");
        let rows = deployment.ledger.rows(file.id).await.unwrap();
        let [(_, row)] = rows.try_into().unwrap();
        assert_eq!((row.fence.0, row.tries(), row.force), (7, 3, false));
        // And back.
        let newer = u32::try_from(newer).unwrap();
        Migrator::down(&connection, Some(newer)).await.unwrap();
        Migrator::up(&connection, None).await.unwrap();
        assert_eq!(deployment.ledger.rows(file.id).await.unwrap().len(), 1);
        // A file takes its rows along, whoever deletes it.
        let delete = "DELETE FROM cad_file";
        connection.execute_unprepared(delete).await.unwrap();
        assert_eq!(deployment.ledger.rows(file.id).await.unwrap(), []);
    }
}

#[tokio::test]
async fn readers_of_sqlite_do_not_wait_for_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (_database, url) = sqlite_in(folder.path()).await;
    let other = connect(&url).await;
    let mode = Statement::from_string(
        DbBackend::Sqlite,
        "SELECT journal_mode FROM pragma_journal_mode",
    );
    let mode = other.query_one_raw(mode).await.unwrap().unwrap();
    let mode: String = mode.try_get_by_index(0).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_folder_in_use_names_who_uses_it() {
    let folder = tempdir().unwrap();
    let lock = FolderLock::take(folder.path(), "cadmill serve, process 4711").unwrap();
    let error = FolderLock::take(folder.path(), "cadmill work, process 4712").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data folder is in use by cadmill serve, process 4711; stop that process, or use another \
         folder"
    );
    drop(lock);
    let _lock = FolderLock::take(folder.path(), "4712").unwrap();
    let error = FolderLock::take(folder.path(), "4713").unwrap_err();
    assert!(matches!(error, FolderLockError::Held { holder } if holder == "4712"));
    let missing = FolderLock::take(&folder.path().join("missing"), "4714").unwrap_err();
    assert!(matches!(missing, FolderLockError::Io(_)), "{missing:?}");
}

async fn refused(url: &str) -> OpenError {
    let connected = Database::connect_postgres(url, 1).await;
    connected.expect_err(url)
}

/// Neither the error nor what caused it shows the password of `url`.
fn check_secret(error: &OpenError, url: &str) {
    let (_, rest) = url.split_once("://").unwrap();
    let (_, rest) = rest.split_once(':').unwrap();
    let (password, _) = rest.split_once('@').unwrap();
    let text = format!("{error:?} {}", cadmill_domain::sentence(error));
    assert!(!text.contains(password), "{text}");
}

async fn sqlite_in(folder: &Path) -> (Database, String) {
    let url = format!("sqlite://{}/cadmill.db", folder.display());
    (open::sqlite_in(folder).await, url)
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}
