//! A worker that is told to stop.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cadmill_servers::{Proxy, Traffic};
use nix::sys::signal::Signal;

use super::{
    check::{AGAIN, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    redis_client::locks,
    site::Site,
};

const RUNNING: &str = "ledger where state = 'running'";

#[test]
fn what_does_not_end_in_time_goes_back_without_blame() {
    let site = Site::new("terminated");
    site.kernel.close_gate();
    site.import(6);
    let worker = site.worker(&[("CADMILL_GRACE", "300ms")]);
    eventually_at_least("all slots tessellate", 2, || tessellators_in(&site.data()));
    worker.stop();
    assert_eq!(tessellators_in(&site.data()), 0, "a tessellator is left");
    assert_eq!(site.count(RUNNING), 0, "work was not handed back");
    assert_eq!(site.count("ledger where crashes > 0"), 0, "nobody crashed");
    assert_eq!(locks(&site.redis_url), "", "a lock is left");
    let cancelled = "pipeline_event where event = 'step_failed' \
                     and result ->> 'code' = 'cancelled'";
    assert_eq!(site.count(cancelled), 2);
    site.kernel.open_gate();
    let worker = site.worker(&[]);
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.count(AGAIN), 0, "nobody crashed");
    assert_eq!(site.kernel.overlaps(), [""; 0]);
}

#[test]
fn what_ends_in_time_is_published_and_nothing_else_is_begun() {
    let site = Site::new("terminated-graceful");
    site.kernel.close_gate();
    site.import(6);
    let mut worker = site.worker(&[("CADMILL_GRACE", "60s")]);
    eventually_at_least("all slots tessellate", 2, || tessellators_in(&site.data()));
    worker.signal(Signal::SIGTERM);
    worker.says("no more work is claimed");
    site.kernel.open_gate();
    assert_eq!(worker.ended().code(), Some(0), "{}", worker.said());
    assert_eq!(site.count("media_asset where kind = 'gltf_geometry'"), 2);
    assert_eq!(site.kernel.runs().len(), 2);
    assert_eq!(locks(&site.redis_url), "", "a lock is left");
    let worker = site.worker(&[]);
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.kernel.runs().len(), 6);
}

/// What cannot be handed back is taken back when its lease is over.
#[test]
fn a_worker_ends_although_the_database_is_gone() {
    let site = Site::alone("terminated-without-database");
    site.kernel.close_gate();
    site.import(2);
    let mut worker = site.worker(&[("CADMILL_GRACE", "300ms")]);
    eventually_at_least("all slots tessellate", 2, || tessellators_in(&site.data()));
    {
        let mut postgres = site.postgres.write().unwrap();
        postgres.kill().unwrap();
        worker.signal(Signal::SIGTERM);
        assert_eq!(worker.ended().code(), Some(0), "{}", worker.said());
        assert_eq!(tessellators_in(&site.data()), 0, "a tessellator is left");
        postgres.restart().unwrap();
    }
    site.kernel.open_gate();
    let worker = site.worker(&[]);
    settle_and_check(&site, vec![worker]);
}

#[test]
fn a_worker_ends_although_its_way_to_the_database_is_silent() {
    let site = Site::new("terminated-silent");
    site.kernel.close_gate();
    site.import(2);
    let proxy = Proxy::start(&site.database_url).unwrap();
    let mut worker = site.worker(&[
        ("CADMILL_GRACE", "300ms"),
        ("CADMILL_LEASE", "30s"),
        ("CADMILL_DATABASE_URL", proxy.url()),
    ]);
    eventually("all slots tessellate", || {
        tessellators_in(&site.data()) == 2
    });
    proxy.set(Traffic::Silent);
    let since = Instant::now();
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code(), Some(0), "{}", worker.said());
    // Its deadline is 2.3 s. A busy machine may take longer, and a call to the database much longer.
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(tessellators_in(&site.data()), 0, "a tessellator is left");
}

#[test]
fn a_database_that_does_not_answer_does_not_keep_a_worker_from_its_end() {
    let site = Site::new("terminated-locked-ledger");
    let worker = site.worker(&[]);
    let (postgres, url) = (Arc::clone(&site.postgres), site.database_url.clone());
    let locking = thread::spawn(move || {
        let sql = "begin; lock table ledger; select pg_sleep(600)";
        postgres.read().unwrap().query(&url, sql)
    });
    let locks = "pg_locks where relation = 'ledger'::regclass and";
    eventually("the worker waits for the ledger", || {
        site.count(&format!("{locks} not granted")) > 0
    });
    worker.stop();
    site.sql(&format!(
        "select pg_terminate_backend(pid) from {locks} granted and pid <> pg_backend_pid()"
    ));
    locking.join().unwrap().unwrap_err();
}
