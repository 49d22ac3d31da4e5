//! A worker that freezes for longer than its lease, and wakes up again.

use nix::sys::signal::Signal;

use super::{
    check::{settle, settle_and_check},
    eventually, eventually_at_least,
    kernel::tessellators_in,
    site::Site,
};

/// Everything that is current, by which a publication of a stale worker would show.
const ASSETS: &str = "select cad_file_id, kind, asset_id, fence from ledger order by 1, 2";

#[test]
fn frozen_before_it_publishes_it_is_refused_when_it_wakes() {
    let site = Site::new("frozen-before-publish");
    site.import(2);
    let frozen = site.worker(&[
        ("CADMILL_FAILPOINT", "before_publish=stop"),
        ("CADMILL_SLOTS", "1"),
    ]);
    frozen.is_frozen();
    let other = site.worker(&[]);
    settle(&site);
    let assets = site.sql(ASSETS);
    let taken_back =
        "pipeline_event where event = 'step_failed' and result ->> 'code' = 'lock_lost'";
    // It may have read the second file, too, beside the first.
    let closed = site.count(taken_back);
    assert!(
        (1..=2).contains(&closed),
        "its claims were closed by the other"
    );
    eventually("the stale worker is refused", || {
        frozen.signal(Signal::SIGCONT);
        frozen.said().contains("so its result was refused")
    });
    assert_eq!(
        site.count(taken_back),
        closed,
        "and not once more by itself"
    );
    assert_eq!(site.sql(ASSETS), assets, "a stale worker changed something");
    other.stop();
    // It works on, and freezes at the same place for each piece of work.
    site.import(4);
    eventually("the woken worker makes the rest", || {
        frozen.signal(Signal::SIGCONT);
        site.count("ledger where kind = 'usd_master' and state = 'idle'") == 4
    });
    settle_and_check(&site, vec![frozen]);
}

#[test]
fn frozen_while_it_tessellates_it_kills_its_tessellator_when_it_wakes() {
    let site = Site::new("frozen-tessellating");
    site.kernel.close_gate();
    site.import(1);
    let frozen = site.worker(&[]);
    eventually_at_least("the tessellator runs", 1, || site.kernel.runs().len());
    frozen.signal(Signal::SIGSTOP);
    let other = site.worker(&[]);
    eventually_at_least("the other worker tessellates", 2, || {
        site.kernel.runs().len()
    });
    frozen.signal(Signal::SIGCONT);
    frozen.says("so the work was stopped");
    assert_eq!(
        tessellators_in(&site.data()),
        1,
        "the stale tessellator lives"
    );
    site.kernel.open_gate();
    settle(&site);
    other.stop();
    site.import(3);
    settle_and_check(&site, vec![frozen]);
    let made_by_the_first = "pipeline_event where event = 'step_done' and fence = 1";
    assert!(site.count(made_by_the_first) > 0);
    assert_eq!(site.kernel.runs().len(), 4);
}
