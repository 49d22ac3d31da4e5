//! Workers that are killed at each of the named places, twenty at each.

use cadmill_pipeline::Failpoint;

use super::{
    LONG,
    check::{settle_after_crashes, stop_and_check},
    site::Site,
};

/// How often workers die at each place, with everything made and checked in between,
const ROUNDS: usize = 5;
/// and how many at once.
const AT_ONCE: usize = 4;

#[track_caller]
fn check(place: Failpoint) {
    let name = place.name();
    let site = Site::new(&format!("killed-{name}"));
    let variables = [("CADMILL_FAILPOINT", name), ("CADMILL_SLOTS", "1")];
    for round in 1..=ROUNDS {
        // Those of the rounds before, which are made, and one more for each worker.
        site.import(round * AT_ONCE);
        let dying: Vec<_> = (0..AT_ONCE).map(|_| site.worker(&variables)).collect();
        for mut worker in dying {
            worker.is_killed();
            assert!(worker.said().contains(&format!("failpoint {name}")));
        }
        let worker = site.worker(&[]);
        settle_after_crashes(&site, LONG);
        stop_and_check(&site, vec![worker]);
        assert_eq!(site.kernel.overlaps(), [""; 0]);
    }
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
