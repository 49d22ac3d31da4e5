//! USD masters: what usd-core, NVIDIA's validator and Blender make of them.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex},
    thread,
};

use cadmill_domain::MediaKind;

use crate::{
    geometry::{Measured, assert_close},
    inputs::{INPUTS, Input},
    milled::MILLED,
    oracles::{UsdReport, blender_report, nvidia_verdict, usd_report},
};

/// What usd-core says of the USD master of each input.
pub(crate) static REPORTS: LazyLock<Vec<(&Input, UsdReport)>> = LazyLock::new(|| {
    let report = |input| {
        (
            input,
            usd_report(&MILLED.medium(input, MediaKind::UsdMaster)),
        )
    };
    INPUTS.iter().map(report).collect()
});

#[test]
fn usd_core_finds_no_error() {
    for (input, report) in REPORTS.iter() {
        let none: [String; 0] = [];
        assert_eq!(report.composition_errors, none, "{}", input.stem);
        assert_eq!(report.validation_errors, none, "{}", input.stem);
    }
}

#[test]
fn nvidias_validator_finds_no_failure() {
    // It takes seconds for a large file, on one processor.
    let waiting = Mutex::new(INPUTS.iter());
    let work = || {
        let next = || waiting.lock().unwrap().next();
        while let Some(input) = next() {
            let verdict = nvidia_verdict(&MILLED.medium(input, MediaKind::UsdMaster));
            let found = [verdict.failures, verdict.errors].concat();
            assert!(found.is_empty(), "{}: {found:#?}", input.stem);
        }
    };
    let processors = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
}

#[test]
fn the_stage_says_what_it_is() {
    for (input, report) in REPORTS.iter() {
        let step = cadmill_step::inspect_path(&input.path).unwrap();
        assert_eq!(report.source_hash, step.hash.to_string());
        assert_eq!(
            (report.up_axis.as_str(), report.metres_per_unit),
            ("Z", 1.0)
        );
        assert_eq!(report.kind, "assembly");
    }
}

#[test]
fn occurrences_parts_and_instances_are_those_of_the_file() {
    for (input, report) in REPORTS.iter() {
        let scene = MILLED.scene(input);
        let shown = scene
            .occurrences
            .iter()
            .filter(|o| o.part.is_some())
            .count();
        let found = (
            report.parts,
            report.instances,
            report.meshes,
            report.occurrences,
        );
        let of_scene = (scene.parts.len(), shown, shown, scene.occurrences.len());
        assert_eq!(found, of_scene, "{}", input.stem);
        // A part that some occurrences show in a colour of their own is a prototype for each.
        let shown: BTreeSet<_> = scene
            .occurrences
            .iter()
            .filter_map(|o| Some((o.part?, o.material)))
            .collect();
        assert_eq!(report.prototypes, shown.len(), "{}", input.stem);
        if let Some(expected) = &input.expected {
            let expected = (expected.parts, expected.occurrences);
            assert_eq!((report.parts, report.instances), expected, "{}", input.stem);
        }
    }
}

#[test]
fn the_usd_measures_what_the_glb_and_another_program_do() {
    for (input, report) in REPORTS.iter() {
        let [x, y, z] = report.bbox.min.map(|metres| metres * 1e3);
        let [max_x, max_y, max_z] = report.bbox.max.map(|metres| metres * 1e3);
        let measured = Measured {
            volume_mm3: report.volume_m3 * 1e9,
            area_mm2: report.area_m2 * 1e6,
            bbox_mm: [x, y, z, max_x, max_y, max_z],
        };
        assert_close(&input.stem, &measured, &Measured::of(&MILLED.scene(input)));
        if let Some(expected) = &input.expected {
            assert_close(&input.stem, &measured, &expected.into());
        }
    }
}

#[test]
fn blender_draws_every_occurrence_as_an_instance() {
    for (input, report) in REPORTS.iter() {
        let blender = blender_report(&MILLED.medium(input, MediaKind::UsdMaster));
        assert_eq!(blender.instances.len(), report.instances, "{}", input.stem);
        assert_eq!(blender.shown, report.meshes, "{}", input.stem);
    }
}
