//! Work that other workers take over, and work that they must leave alone.

use std::{sync::Arc, thread, time::Duration};

use cadmill_servers::{Proxy, Traffic};

use super::{
    check::{AGAIN, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    redis_client::redis,
    site::{Site, step},
};

const RUNNING: &str = "ledger where state = 'running'";

#[test]
fn others_take_over_from_a_worker_that_alone_cannot_reach_the_database() {
    let site = Site::new("silent-database");
    site.kernel.close_gate();
    site.import(1);
    let proxy = Proxy::start(&site.database_url).unwrap();
    let silent = site.worker(&[("CADMILL_DATABASE_URL", proxy.url())]);
    eventually("it tessellates", || tessellators_in(&site.data()) == 1);
    proxy.set(Traffic::Silent);
    let other = site.worker(&[]);
    eventually_at_least("the other worker tessellates", 2, || {
        site.kernel.runs().len()
    });
    proxy.set(Traffic::Forward);
    silent.says("so the work was stopped");
    site.kernel.open_gate();
    settle_and_check(&site, vec![silent, other]);
}

/// An owner that froze within a transaction holds its rows until the server ends its session.
#[test]
fn a_transaction_that_stands_still_stops_nobody() {
    let site = Site::new("frozen-transaction");
    site.kernel.close_gate();
    site.import(1);
    let dead = site.worker(&[]);
    eventually("it tessellates", || site.count(RUNNING) == 1);
    drop(dead);
    let (postgres, url) = (Arc::clone(&site.postgres), site.database_url.clone());
    let locking = thread::spawn(move || {
        let sql = "begin; select 1 from cad_file for update; select 1 from ledger for update; \
                   select pg_sleep(600)";
        postgres.read().unwrap().query(&url, sql)
    });
    let session = "pg_stat_activity where datname = current_database() and query like '%pg_sleep%' \
                   and wait_event = 'PgSleep'";
    eventually("the rows are held", || site.count(session) == 1);
    site.kernel.open_gate();
    let workers = vec![site.worker(&[]), site.worker(&[])];
    let folder = site.folder.join("more");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..6 {
        let path = folder.join(format!("more-{number}.step"));
        std::fs::write(path, step(&format!("more {number}"))).unwrap();
    }
    site.import_folder(&folder);
    eventually("all other files are made", || {
        site.count("media_asset where kind = 'usd_master'") == 6
    });
    assert_eq!(site.count(session), 1, "the rows are still held");
    site.sql(&format!("select pg_terminate_backend(pid) from {session}"));
    locking.join().unwrap().unwrap_err();
    settle_and_check(&site, workers);
}

#[test]
fn newer_bytes_end_the_run_of_the_old_ones() {
    let site = Site::new("superseded");
    let api = super::api::Api::start(&site, &[]);
    site.kernel.close_gate();
    let old = api.upload("part.step", &step("old"));
    assert_eq!(old.status, 201, "{old:?}");
    let id = site.sql("select id from cad_file");
    // The only slot is taken by what is no longer wanted.
    let worker = site.worker(&[("CADMILL_SLOTS", "1")]);
    eventually_at_least("the old bytes are tessellated", 1, || {
        site.kernel.runs().len()
    });
    let replaced = api.replace(&id, &step("new"));
    assert_eq!(replaced.status, 200, "{replaced:?}");
    eventually_at_least("the new bytes are tessellated", 2, || {
        site.kernel.runs().len()
    });
    let runs = site.kernel.runs();
    assert_ne!(runs[0], runs[1]);
    assert_eq!(tessellators_in(&site.data()), 1, "the old run goes on");
    site.kernel.open_gate();
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.count(AGAIN), 0, "neither crash nor attempt");
    assert_eq!(site.kernel.runs().len(), 2);
    api.stop();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "commands are counted over a time in which nothing is to be done"
)]
fn a_thousand_keys_of_another_program_cost_little_and_stop_nothing() {
    let site = Site::new("foreign-keys");
    site.import(1_000);
    let ids = site.sql("select id from cad_file");
    for id in ids.lines() {
        let key = format!("step_processing_lock:{id}");
        redis(&site.redis_url, &["SET", &key, "celery", "EX", "1800"]);
    }
    let folder = site.folder.join("free");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("free.step"), step("free")).unwrap();
    site.import_folder(&folder);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually("the free file is made", || {
        site.count("media_asset where kind = 'usd_master'") == 1
    });
    assert_eq!(site.count("ledger where fence > 0"), 3);
    thread::sleep(Duration::from_secs(10));
    redis(&site.redis_url, &["CONFIG", "RESETSTAT"]);
    let seconds = 10;
    thread::sleep(Duration::from_secs(seconds));
    let statistics = redis(&site.redis_url, &["INFO", "commandstats"]);
    let calls = |line: &str| {
        let (_, calls) = line.split_once("calls=")?;
        calls.split_once(',')?.0.parse::<u64>().ok()
    };
    let commands: u64 = statistics.lines().filter_map(calls).sum();
    println!("{commands} commands in {seconds} s: {statistics}");
    assert!(commands <= 20 * seconds, "{commands}: {statistics}");
    assert_eq!(redis(&site.redis_url, &["FLUSHALL"]), "+OK");
    for worker in workers {
        worker.stop();
    }
}
