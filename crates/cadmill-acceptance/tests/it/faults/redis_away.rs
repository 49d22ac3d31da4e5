//! A Redis that forgets or is away.

use std::{thread, time::Duration};

use super::{
    check::{AGAIN, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    redis_client::{locks, redis},
    site::Site,
};

const MADE: &str = "media_asset where kind = 'gltf_geometry'";
const STARTS: &str = "pipeline_event where event = 'step_start'";

#[test]
fn what_redis_forgets_costs_no_asset() {
    let site = Site::new("redis-forgets");
    site.import(20);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually("some are made", || site.count(MADE) >= 3);
    assert_eq!(redis(&site.redis_url, &["SCRIPT", "FLUSH"]), "+OK");
    eventually("more are made", || site.count(MADE) >= 6);
    assert_eq!(redis(&site.redis_url, &["FLUSHALL"]), "+OK");
    eventually("more are made", || site.count(MADE) >= 10);
    site.redis.borrow_mut().kill().unwrap();
    site.redis.borrow_mut().restart().unwrap();
    settle_and_check(&site, workers);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "there is no sign of nothing happening"
)]
fn without_redis_nothing_is_begun_and_what_runs_goes_on() {
    let site = Site::new("redis-away");
    site.kernel.close_gate();
    site.import(20);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    site.redis.borrow_mut().stop().unwrap();
    let starts = site.count(STARTS);
    // Thirty times the lease.
    thread::sleep(Duration::from_secs(30));
    assert_eq!(tessellators_in(&site.data()), 4, "running work was ended");
    site.kernel.open_gate();
    eventually("what runs is published", || site.count(MADE) == 4);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(
        site.count(STARTS),
        starts,
        "something was claimed without a lock"
    );
    site.redis.borrow_mut().restart().unwrap();
    settle_and_check(&site, workers);
    assert_eq!(site.count(AGAIN), 0, "no worker crashed");
    assert_eq!(site.kernel.overlaps(), [""; 0]);
    assert_eq!(site.kernel.runs().len(), 20);
}

#[test]
fn a_redis_that_hangs_costs_no_work_either() {
    let site = Site::new("redis-hangs");
    site.kernel.close_gate();
    site.import(4);
    let workers = vec![site.worker(&[])];
    eventually_at_least("all slots tessellate", 2, || tessellators_in(&site.data()));
    site.redis.borrow().pause().unwrap();
    eventually("a lease is not renewed", || {
        let said = workers[0].said();
        ["could not be renewed", "the lock store does not answer"]
            .iter()
            .any(|sentence| said.contains(sentence))
    });
    site.kernel.open_gate();
    eventually("what runs is published", || site.count(MADE) == 2);
    site.redis.borrow().resume().unwrap();
    settle_and_check(&site, workers);
    assert_eq!(site.count(AGAIN), 0, "no worker crashed");
    assert_eq!(site.kernel.runs().len(), 4);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "there is no sign of nothing happening"
)]
fn five_flushes_during_one_run_cost_nothing() {
    let site = Site::new("redis-flushed");
    site.kernel.close_gate();
    site.import(1);
    let variables = [("CADMILL_LEASE", "3s")];
    let workers = vec![site.worker(&variables), site.worker(&variables)];
    eventually("it tessellates", || tessellators_in(&site.data()) == 1);
    for _ in 0..5 {
        assert_eq!(redis(&site.redis_url, &["FLUSHALL"]), "+OK");
        eventually("its owner takes the lock again", || {
            locks(&site.redis_url).contains("glb_geometry_lock")
        });
        // The other worker looks for claims whose locks are free.
        thread::sleep(Duration::from_millis(600));
    }
    assert_eq!(tessellators_in(&site.data()), 1, "running work was ended");
    site.kernel.open_gate();
    settle_and_check(&site, workers);
    assert_eq!(site.count(AGAIN), 0, "no worker crashed");
    assert_eq!(site.count("ledger where fence > 1"), 0, "claimed again");
    assert_eq!(site.kernel.runs().len(), 1);
}
