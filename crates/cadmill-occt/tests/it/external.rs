//! The kernel opens no other files that the input names, even if they exist.

use std::fs;

use crate::{run::Run, sources};

/// Returns the result for a reference to `name`, with a file `there` next to the input.
fn scene(name: &str, listed: bool, there: &str) -> Vec<u8> {
    let run = Run::of_text(sources::with_shape_in(name, listed));
    fs::copy(
        sources::sample("plate-instances.step"),
        run.folder().join(there),
    )
    .unwrap();
    let finished = run.source_hash_of("the same").finish();
    let scene = finished.scene();
    // The part without a shape is kept, and stays empty.
    let filled = scene
        .parts
        .iter()
        .filter(|part| !part.primitives.is_empty());
    let filled: Vec<&str> = filled.map(|part| part.name.as_str()).collect();
    assert_eq!(filled, ["inch-cube"], "{name}");
    finished.glb()
}

#[test]
fn files_next_to_the_input_are_not_read() {
    for listed in [false, true] {
        let absent = scene("outside.step", listed, "other.step");
        assert_eq!(scene("outside.step", listed, "outside.step"), absent);
        assert_eq!(scene("./outside.step", listed, "outside.step"), absent);
    }
}

#[test]
fn an_absolute_path_is_not_followed() {
    let path = sources::sample("plate-instances.step")
        .canonicalize()
        .unwrap();
    let path = path.to_str().unwrap();
    for listed in [false, true] {
        let absent = scene("/no/such/file.step", listed, "other.step");
        assert_eq!(scene(path, listed, "other.step"), absent);
        assert_eq!(
            scene(&format!("file://{path}"), listed, "other.step"),
            absent
        );
    }
}

#[test]
fn a_pipe_is_not_waited_for() {
    let run = Run::of_text(sources::with_shape_in("pipe.step", false));
    nix::unistd::mkfifo(
        &run.folder().join("pipe.step"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    assert_eq!(run.finish().report().triangles, 12);
}
