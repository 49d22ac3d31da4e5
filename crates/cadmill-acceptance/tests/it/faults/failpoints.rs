//! Workers that are killed at each of the named places, again and again.

use cadmill_pipeline::Failpoint;

use super::{
    LONG,
    check::{settle_after_crashes, stop_and_check},
    site::Site,
};

/// How many workers die at each place,
const DEATHS: usize = 20;
/// and how many of them at once.
const AT_ONCE: usize = 4;
/// Each file makes for at least three deaths before its work is set aside, or is done.
const FILES: usize = 12;

#[track_caller]
fn check(place: Failpoint) {
    let name = place.name();
    let site = Site::new(&format!("killed-{name}"));
    site.import(FILES);
    let variables = [("CADMILL_FAILPOINT", name), ("CADMILL_SLOTS", "1")];
    for _ in 0..DEATHS / AT_ONCE {
        let dying: Vec<_> = (0..AT_ONCE).map(|_| site.worker(&variables)).collect();
        for mut worker in dying {
            worker.is_killed();
            assert!(worker.said().contains(&format!("failpoint {name}")));
        }
    }
    let worker = site.worker(&[]);
    settle_after_crashes(&site, LONG);
    stop_and_check(&site, vec![worker]);
    assert_eq!(site.kernel.overlaps(), [""; 0]);
}

macro_rules! killed_at {
    ($($test:ident: $place:ident,)*) => {
        $(
            #[test]
            fn $test() {
                check(Failpoint::$place);
            }
        )*

        #[test]
        fn no_place_is_forgotten() {
            assert_eq!(Failpoint::ALL, [$(Failpoint::$place),*]);
        }
    };
}

killed_at! {
    killed_after_lock: AfterLock,
    killed_after_claim: AfterClaim,
    killed_before_spawn: BeforeSpawn,
    killed_during_tessellation: DuringTessellation,
    killed_after_tessellation: AfterTessellation,
    killed_before_blob: BeforeBlob,
    killed_after_blob: AfterBlob,
    killed_before_publish: BeforePublish,
    killed_after_publish: AfterPublish,
    killed_before_release: BeforeRelease,
}
