//! A worker that dies right after it has published: the end of the step is there, for the timeline and
//! for clients that follow the events.

use super::{
    api::Api,
    check::{OPEN_STEPS, settle_and_check},
    follower::Follower,
    site::Site,
};

#[test]
fn a_step_has_ended_for_everybody_once_its_result_is_there() {
    let site = Site::new("last-event");
    let api = Api::start(&site, &[]);
    site.import(1);
    // One step after the other, since the lease of the dead is that of its step.
    for (place, steps) in [
        ("after_publish", 1),
        ("before_release", 2),
        ("after_publish", 3),
    ] {
        let mut worker = site.worker(&[("CADMILL_FAILPOINT", place), ("CADMILL_SLOTS", "1")]);
        worker.is_killed();
        assert_eq!(site.count("ledger where state = 'idle'"), steps);
        assert_eq!(site.count(OPEN_STEPS), 0, "killed {place}");
        let follower = Follower::start(std::slice::from_ref(&api));
        let stored = site.sql("select id from pipeline_event order by id");
        let stored: Vec<u64> = stored.lines().map(|id| id.parse().unwrap()).collect();
        assert_eq!(stored.len() as u64, 2 * steps);
        let heard = follower.until(*stored.last().unwrap());
        assert_eq!(heard, stored, "killed {place}");
    }
    let done = "pipeline_event where event = 'step_done'";
    assert_eq!(site.count(done), 3);
    let worker = site.worker(&[]);
    // Nothing is left to be done, and the leases of the dead run out.
    super::eventually("the leases run out", || {
        super::redis_client::locks(&site.redis_url).is_empty()
    });
    settle_and_check(&site, vec![worker]);
    assert_eq!(site.count(done), 3);
    api.stop();
}
