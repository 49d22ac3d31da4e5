//! Runs the tessellator as its parent does, on the samples and on further real files if present.

mod external;
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
mod sources;

use std::collections::BTreeMap;

use cadmill_domain::{FailureCode, Recipe};
use cadmill_scene::Scene;

use run::{End, Run};

#[test]
fn exact_measurements_match_another_program() {
    for source in sources::expected() {
        let name = source.path.display();
        let run = Run::of(&source.path).finish();
        let report = run.report();
        assert_eq!(report.parts, source.parts, "parts of {name}");
        assert_eq!(
            report.occurrences, source.occurrences,
            "occurrences of {name}"
        );
        let area = report.area_mm2 / source.area_mm2 - 1.0;
        assert!(area.abs() < 1e-4, "area of {name} is off by {area:e}");
        if !source.open_shells {
            let volume = report.volume_mm3 / source.volume_mm3 - 1.0;
            assert!(volume.abs() < 1e-3, "volume of {name} is off by {volume:e}");
        }
        for part in &report.part_reports {
            let (key, mm) = (&part.key, part.bounds.map_or(0.0, |b| b.diagonal_mm()));
            assert!(part.deflection.linear_mm <= 0.1, "{key} of {name}");
            assert!(
                part.deflection.linear_mm <= 1e-3 * mm * (1.0 + 1e-6),
                "{key} of {name}"
            );
        }
    }
}

#[test]
fn every_product_name_is_the_name_of_an_occurrence() {
    for source in sources::expected() {
        let scene = Run::of(&source.path).finish().scene();
        let shown: Vec<&str> = scene.occurrences.iter().map(|o| o.name.as_str()).collect();
        for name in &source.names {
            assert!(
                shown.contains(&name.as_str()),
                "{name} in {}",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    for source in sources::expected() {
        let one = Run::of(&source.path).threads(1).finish().glb();
        for threads in [2, 5] {
            let more = Run::of(&source.path).threads(threads).finish().glb();
            assert!(
                one == more,
                "{} on {threads} threads",
                source.path.display()
            );
        }
    }
}

#[test]
fn colours_of_faces_and_parts_and_default_colours_are_distinguished() {
    let scene = Run::of(&sources::sample("gearbox.step")).finish().scene();
    let housing = part(&scene, "Gehäuse 零件");
    assert!(
        housing.primitives.len() > 1,
        "the machined faces have their own colour"
    );
    let names: BTreeMap<&str, usize> = scene
        .materials
        .iter()
        .zip(0..)
        .map(|(m, i)| (m.name.as_str(), i))
        .collect();
    assert_eq!(
        names.len(),
        scene.materials.len(),
        "each colour is one material"
    );
}

#[test]
fn keys_are_unique_and_not_numbered_by_position() {
    let scene = Run::of(&sources::sample("gearbox.step")).finish().scene();
    scene.check().expect("a valid scene");
    let bolts: Vec<&str> = scene
        .occurrences
        .iter()
        .filter(|o| o.name == "bolt-m6")
        .map(|o| o.key.as_str())
        .collect();
    assert!(bolts.len() >= 12, "{bolts:?}");
    assert!(
        bolts.iter().all(|key| key.starts_with("/gearbox/")),
        "{bolts:?}"
    );
}

#[test]
fn every_product_has_its_id_including_assemblies() {
    let scene = Run::of(&sources::sample("gearbox.step")).finish().scene();
    for occurrence in &scene.occurrences {
        assert!(!occurrence.product_id.is_empty(), "{}", occurrence.key);
    }
}

#[test]
fn progress_only_grows_within_a_phase() {
    let run = Run::of(&sources::sample("gearbox.step")).finish();
    let mut last = BTreeMap::new();
    for (phase, fraction) in &run.progress {
        assert!((0.0..=1.0).contains(fraction), "{phase} {fraction}");
        let before = last.insert(phase.clone(), *fraction).unwrap_or(0.0);
        assert!(
            before <= *fraction,
            "{phase} fell from {before} to {fraction}"
        );
    }
    let phases: Vec<&str> = last.keys().map(String::as_str).collect();
    assert_eq!(phases, ["mesh", "read", "transfer", "write"]);
}

#[test]
fn a_coarser_recipe_gives_fewer_triangles() {
    let sample = sources::sample("gearbox.step");
    let triangles = |recipe| Run::of(&sample).recipe(recipe).finish().report().triangles;
    let [draft, standard, fine] = [Recipe::DRAFT, Recipe::STANDARD, Recipe::FINE].map(triangles);
    assert!(
        draft < standard && standard < fine,
        "{draft} {standard} {fine}"
    );
}

#[test]
fn inputs_that_cannot_be_meshed_have_failure_codes() {
    let cases = [
        (sources::no_step(), FailureCode::KernelError),
        (sources::no_solid(), FailureCode::KernelEmpty),
    ];
    for (text, code) in cases {
        let run = Run::of_text(&text).finish();
        assert_eq!(run.end, End::Failed(code), "{:?}", run.detail);
        assert_eq!(run.exit, Some(1));
        assert!(run.detail.ends_with('.'), "{}", run.detail);
    }
}

#[test]
fn a_face_without_a_surface_is_counted() {
    let text = std::fs::read_to_string(sources::sample("inch-cube.step")).unwrap();
    let faces = text.matches("ADVANCED_FACE").count() as u64;
    let run = Run::of_text(sources::without("ADVANCED_FACE", &text))
        .source_faces(faces)
        .finish();
    let report = run.report();
    assert!(report.partial, "{:?} of {faces}", report.faces);
}

#[test]
fn a_fault_is_reported_and_ends_the_process() {
    use nix::sys::signal::{Signal, kill};
    for fault in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGILL,
        Signal::SIGFPE,
    ] {
        let run = Run::of(&sources::sample("gearbox.step")).finish_after(|process| {
            let process = nix::unistd::Pid::from_raw(process.cast_signed());
            kill(process, fault).expect("it still runs");
        });
        assert_eq!(run.end, End::Failed(FailureCode::KernelCrash));
        assert_eq!(run.detail, format!("It died by {fault}."));
        assert_eq!(run.exit, Some(1));
    }
}

#[test]
fn a_fault_of_the_kernel_is_not_a_success() {
    // Open CASCADE 7.6 reads out of bounds. A version that checks the type loses the face.
    let run = Run::of_text(sources::pole_that_is_no_point())
        .source_faces(4)
        .finish();
    match run.end {
        End::Failed(code) => assert_eq!(code, FailureCode::KernelCrash, "{}", run.detail),
        _ => assert!(run.report().partial),
    }
}

#[test]
fn shared_solids_are_meshed_in_a_fixed_order() {
    let text = sources::shared_solids();
    let one = Run::of_text(&text).threads(1).finish();
    assert_eq!(one.scene().parts.len(), 3);
    for _ in 0..5 {
        let more = Run::of_text(&text).threads(4).finish();
        assert!(one.glb() == more.glb());
    }
}

#[test]
fn a_material_applies_to_all_bodies_of_its_product() {
    let report = Run::of_text(sources::two_solids_of_one_material())
        .finish()
        .report();
    let both = report.part_reports.iter().find(|part| part.key == "both");
    assert_eq!(both.unwrap().material.as_deref(), Some("Bronze"));
}

#[test]
fn a_layer_of_a_face_is_a_layer_of_its_part() {
    let scene = Run::of_text(sources::two_solids_of_one_material())
        .finish()
        .scene();
    let layers: Vec<&String> = scene.parts.iter().flat_map(|part| &part.layers).collect();
    assert!(layers.contains(&&"faces".to_owned()), "{layers:?}");
}

#[test]
fn names_in_latin_1_are_read() {
    let scene = Run::of_text(sources::latin1_names()).finish().scene();
    for name in ["Gehäuse", "零件"] {
        assert_eq!(part(&scene, name).key.as_str(), name);
    }
}

#[test]
fn output_that_cannot_be_written_is_reported() {
    let run = Run::of(&sources::sample("inch-cube.step"))
        .into_missing_folder()
        .finish();
    assert_eq!(run.end, End::Failed(FailureCode::Storage), "{}", run.detail);
}

fn part<'a>(scene: &'a Scene, name: &str) -> &'a cadmill_scene::Part {
    scene
        .parts
        .iter()
        .find(|part| part.name == name)
        .expect("the part is in the scene")
}
