//! A PostgreSQL that is restarted while files are milled.

use super::{
    check::{AGAIN, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    site::Site,
};

const MADE: &str = "media_asset where kind = 'gltf_geometry'";

#[test]
fn workers_survive_a_restart_and_a_crash_of_the_database() {
    let site = Site::alone("postgres-restarted");
    site.import(20);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually("some are made", || site.count(MADE) >= 3);
    {
        let mut postgres = site.postgres.write().unwrap();
        postgres.stop().unwrap();
        postgres.restart().unwrap();
    }
    eventually("more are made", || site.count(MADE) >= 8);
    {
        let mut postgres = site.postgres.write().unwrap();
        postgres.kill().unwrap();
        postgres.restart().unwrap();
    }
    settle_and_check(&site, workers);
    assert_eq!(site.kernel.overlaps(), [""; 0]);
}

/// The locks are elsewhere and still held, so the work goes on and is published later.
#[test]
fn a_database_that_is_away_for_a_moment_costs_no_work() {
    let site = Site::alone("postgres-away");
    site.kernel.close_gate();
    site.import(4);
    let workers = vec![site.worker(&[]), site.worker(&[])];
    eventually_at_least("all slots tessellate", 4, || tessellators_in(&site.data()));
    for _ in 0..3 {
        let mut postgres = site.postgres.write().unwrap();
        postgres.kill().unwrap();
        postgres.restart().unwrap();
    }
    {
        let mut postgres = site.postgres.write().unwrap();
        postgres.kill().unwrap();
        site.kernel.open_gate();
        eventually("the tessellators end", || {
            tessellators_in(&site.data()) == 0
        });
        eventually("publishing is tried", || {
            workers
                .iter()
                .all(|worker| worker.said().contains("is tried again"))
        });
        postgres.restart().unwrap();
    }
    settle_and_check(&site, workers);
    assert_eq!(site.kernel.runs().len(), 4);
    assert_eq!(site.count(AGAIN), 0, "nobody crashed");
}
