//! A deployment that cannot start: one sentence says why, and what to do.

use std::{fs, process::Command};

use cadmill_servers::{Redis, RedisOptions};

use super::{
    site::{Site, shared_postgres},
    workers::Worker,
};
use crate::program::{Ended, cadmill};

/// Checks that `command` fails with one line on standard error in which all of `told` stands, and
/// none of the deployment's passwords.
#[track_caller]
fn refused(site: &Site, command: &mut Command, told: &[&str]) {
    let ended = Ended::from(command.output().unwrap());
    let stderr = ended.stderr.trim_end();
    assert_eq!(ended.code, Some(1), "{stderr}");
    assert_eq!(ended.stdout, "");
    assert!(
        stderr.starts_with("error: ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    for told in told {
        assert!(stderr.contains(told), "`{told}` is not told: {stderr}");
    }
    let password = site.database_url.split([':', '@']).nth(2).unwrap();
    for secret in [password, "wrong-secret"] {
        assert!(!stderr.contains(secret), "a password is shown: {stderr}");
    }
}

/// Another database URL.
fn with(site: &Site, from: &str, to: &str) -> Command {
    assert!(site.database_url.contains(from));
    let mut worker = site.command(&["worker"]);
    worker.env(
        "CADMILL_DATABASE_URL",
        site.database_url.replacen(from, to, 1),
    );
    worker
}

#[test]
fn a_key_that_nobody_knows() {
    let site = Site::new("unknown-key");
    let mut worker = site.command(&["worker"]);
    refused(
        &site,
        worker.env("CADMILL_LEESE", "1s"),
        &["leese", "lease"],
    );
    let file = site.folder.join("other.toml");
    fs::write(&file, "leese = \"1s\"\n").unwrap();
    let mut worker = site.command(&["worker", "--config", file.to_str().unwrap()]);
    refused(&site, &mut worker, &["leese", "lease"]);
    let mut worker = site.command(&["worker"]);
    refused(
        &site,
        worker.env("CADMILL_LEASE", "soon"),
        &["soon", "lease"],
    );
}

#[test]
fn a_database_that_cannot_be_used() {
    let site = Site::new("no-database");
    let port = site.database_url.rsplit([':', '/']).nth(1).unwrap();
    let password = site.database_url.split([':', '@']).nth(2).unwrap();
    let name = site.database_url.rsplit('/').next().unwrap();
    refused(
        &site,
        &mut with(&site, &format!(":{port}/"), ":1/"),
        &["cannot be reached at 127.0.0.1:1", "check that it runs"],
    );
    refused(
        &site,
        &mut with(&site, password, "wrong-secret"),
        &["does not let the user in", "check user, password"],
    );
    refused(
        &site,
        &mut with(&site, name, "no_such_database"),
        &["does not let the user in", "database name"],
    );
    refused(
        &site,
        &mut with(&site, "postgres://", "mysql://"),
        &["`mysql` is no PostgreSQL"],
    );
    refused(
        &site,
        site.command(&["worker"]).env("CADMILL_REDIS_URL", ""),
        &["redis_url"],
    );
    refused(
        &site,
        site.command(&["worker"])
            .env("CADMILL_REDIS_URL", "redis://:wrong-secret@127.0.0.1:1"),
        &["127.0.0.1:1"],
    );
    let locked = Redis::start_with(RedisOptions {
        password: true,
        ..RedisOptions::default()
    });
    let locked = locked.unwrap();
    let url = locked.url();
    let (_, address) = url.rsplit_once('@').unwrap();
    for credentials in ["", ":wrong-secret@"] {
        let url = format!("redis://{credentials}{address}");
        refused(
            &site,
            site.command(&["worker"]).env("CADMILL_REDIS_URL", url),
            &["redis_url"],
        );
    }
}

#[test]
fn a_database_of_another_version() {
    let site = Site::bare("other-version", shared_postgres());
    let behind = ["run `cadmill migrate`"];
    refused(&site, &mut site.command(&["worker"]), &behind);
    refused(&site, &mut site.command(&["status"]), &behind);
    site.run(&["migrate"]).succeeded();
    site.run(&["migrate"]).succeeded();
    site.sql("insert into seaql_migrations values ('m99990101_000001_from_the_future', 0)");
    let newer = ["m99990101_000001_from_the_future", "newer version"];
    refused(&site, &mut site.command(&["worker"]), &newer);
    refused(&site, &mut site.command(&["migrate"]), &newer);
}

#[test]
fn a_data_folder_that_another_process_works_in() {
    let site = Site::new("two-serve");
    let serve = || {
        let mut serve = cadmill();
        serve.arg("serve").current_dir(&site.folder);
        serve.env("CADMILL_DATA_DIR", site.folder.join("embedded"));
        serve.env("CADMILL_LISTEN", "127.0.0.1:0");
        serve
    };
    let first = Worker::start(serve(), site.folder.join("first.log"));
    first.says("Working with");
    refused(
        &site,
        &mut serve(),
        &["cannot be worked in", "`cadmill serve`"],
    );
    first.stop();
    let second = Worker::start(serve(), site.folder.join("second.log"));
    second.says("Working with");
    second.stop();
}
