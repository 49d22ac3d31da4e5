//! Sessions of PostgreSQL whose processes freeze, and a PostgreSQL that is read-only for a while.

use std::{sync::Arc, thread};

use nix::sys::signal::Signal;

use super::{
    check::{AGAIN, settle, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    site::Site,
    workers::Worker,
};

/// The worker freezes when its publication has locked rows, and before it commits.
#[test]
fn a_worker_that_freezes_within_a_transaction_loses_its_session() {
    let site = Site::new("frozen-session");
    site.kernel.close_gate();
    site.import(1);
    let frozen = site.worker(&[
        ("CADMILL_DATABASE_IDLE_TIMEOUT", "1s"),
        // It must still be waiting when it is frozen.
        ("CADMILL_DATABASE_LOCK_TIMEOUT", "5m"),
        ("CADMILL_DATABASE_STATEMENT_TIMEOUT", "5m"),
        ("CADMILL_LEASE", "20s"),
    ]);
    eventually("it tessellates", || tessellators_in(&site.data()) == 1);
    // The transaction locks the file first, and then waits for the row.
    let (postgres, url) = (Arc::clone(&site.postgres), site.database_url.clone());
    let locking = thread::spawn(move || {
        let sql = "begin; select 1 from ledger where kind = 'gltf_geometry' for update; \
                   select pg_sleep(600)";
        postgres.read().unwrap().query(&url, sql)
    });
    let held = "pg_stat_activity where datname = current_database() and query like '%pg_sleep%' \
                and wait_event = 'PgSleep'";
    eventually("the row is held", || site.count(held) == 1);
    site.kernel.open_gate();
    let waiting = "pg_stat_activity where datname = current_database() \
                   and application_name = 'cadmill' and wait_event_type = 'Lock' \
                   and query like '%FOR UPDATE%' and query not like '%SKIP LOCKED%'";
    eventually("the publication waits for the row", || {
        site.count(waiting) > 0
    });
    let ended = "select sessions_fatal from pg_stat_database where datname = current_database()";
    let before = site.sql(ended);
    frozen.signal(Signal::SIGSTOP);
    site.sql(&format!("select pg_terminate_backend(pid) from {held}"));
    locking.join().unwrap().unwrap_err();
    // Nothing else ends the session of the frozen worker, whose rows others want.
    eventually("its session is ended", || site.sql(ended) != before);
    let other = site.worker(&[]);
    site.import(2);
    settle(&site);
    frozen.signal(Signal::SIGCONT);
    settle_and_check(&site, vec![frozen, other]);
}

#[test]
fn a_database_that_is_read_only_for_a_while_costs_no_work() {
    let site = Site::alone("postgres-read-only");
    site.kernel.close_gate();
    site.import(4);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    set_read_only(&site, true);
    site.kernel.open_gate();
    eventually("the tessellators end", || {
        tessellators_in(&site.data()) == 0
    });
    let asks_again = |worker: &Worker| worker.said().contains("it is asked again");
    eventually("publishing is tried", || workers.iter().all(asks_again));
    assert_eq!(site.count("media_asset"), 0, "the database is read-only");
    set_read_only(&site, false);
    settle_and_check(&site, workers);
    assert_eq!(site.kernel.runs().len(), 4, "each scene is made once");
    assert_eq!(site.count(AGAIN), 0, "no crash and no attempt");
}

fn set_read_only(site: &Site, is_read_only: bool) {
    let set = format!("alter system set default_transaction_read_only = {is_read_only}");
    // Each is a transaction of its own, and no setting of the server holds for them.
    let postgres = site.postgres.read().unwrap();
    let writable = format!(
        "{}?options=-c%20default_transaction_read_only%3Doff",
        site.database_url
    );
    for sql in [set.as_str(), "select pg_reload_conf()"] {
        postgres.query(&writable, sql).unwrap();
    }
}
