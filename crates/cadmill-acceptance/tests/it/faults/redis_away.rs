//! A Redis that forgets or is away.

use std::{thread, time::Duration};

use super::{
    check::{AGAIN, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    redis_client::redis,
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
fn without_redis_nothing_runs() {
    let site = Site::new("redis-away");
    site.kernel.close_gate();
    site.import(20);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    site.redis.borrow_mut().stop().unwrap();
    eventually("all work is cancelled and handed back", || {
        tessellators_in(&site.data()) == 0 && site.count("ledger where state = 'running'") == 0
    });
    let starts = site.count(STARTS);
    // Sixty times the lease, in which nothing may happen.
    thread::sleep(Duration::from_mins(1));
    assert_eq!(
        site.count(STARTS),
        starts,
        "something was claimed without a lock"
    );
    assert_eq!(site.count("ledger where crashes > 0"), 0, "nobody crashed");
    site.kernel.open_gate();
    site.redis.borrow_mut().restart().unwrap();
    settle_and_check(&site, workers);
    assert_eq!(site.count(AGAIN), 0, "nobody crashed");
    assert_eq!(site.kernel.overlaps(), [""; 0]);
    assert_eq!(site.kernel.runs().len(), 24);
}

#[test]
fn a_redis_that_hangs_stops_the_work_like_one_that_is_gone() {
    let site = Site::new("redis-hangs");
    site.kernel.close_gate();
    site.import(4);
    let workers = vec![site.worker(&[])];
    eventually_at_least("all slots tessellate", 2, || tessellators_in(&site.data()));
    site.redis.borrow().pause().unwrap();
    eventually("all work is cancelled and handed back", || {
        tessellators_in(&site.data()) == 0 && site.count("ledger where state = 'running'") == 0
    });
    assert_eq!(site.count("ledger where crashes > 0"), 0, "nobody crashed");
    site.kernel.open_gate();
    site.redis.borrow().resume().unwrap();
    settle_and_check(&site, workers);
    assert_eq!(site.count(AGAIN), 0, "nobody crashed");
}
