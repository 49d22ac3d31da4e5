//! A worker that is told to stop.

use nix::sys::signal::Signal;

use super::{
    check::{AGAIN, settle_and_check},
    eventually,
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
    eventually("all slots tessellate", || {
        tessellators_in(&site.data()) == 2
    });
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
    eventually("all slots tessellate", || {
        tessellators_in(&site.data()) == 2
    });
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
