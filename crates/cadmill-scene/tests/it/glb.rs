//! The canonical GLB.

use cadmill_scene::{Overlay, Scene, glb, sample};

#[track_caller]
fn check_round_trip(scene: &Scene) {
    let bytes = glb::write(scene, &Overlay::none(scene)).unwrap();
    assert_same(&glb::read(&bytes).unwrap(), scene);
}

/// Equality, but for the rounding of transforms.
#[track_caller]
fn assert_same(found: &Scene, expected: &Scene) {
    let mut rounded = found.clone();
    for (found, expected) in rounded.occurrences.iter_mut().zip(&expected.occurrences) {
        assert!(
            found.transform.abs_diff_eq(expected.transform, 1e-12),
            "{}: {} instead of {}",
            expected.key,
            found.transform,
            expected.transform
        );
        found.transform = expected.transform;
    }
    assert_eq!(&rounded, expected);
}

#[test]
fn the_samples_come_back_as_they_were() {
    check_round_trip(&sample::empty());
    check_round_trip(&sample::cube());
    check_round_trip(&sample::gearbox_like());
}
