//! The STEP files to try: the samples of our own, and others where they are there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::Deserialize;

/// A STEP file.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// What media of it are called.
    pub(crate) stem: String,
    /// What another program measured on its exact surfaces.
    pub(crate) expected: Option<Expected>,
}

/// Figures of a file as a whole, in millimetres and in the axes of the file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expected {
    pub(crate) parts: usize,
    pub(crate) occurrences: usize,
    pub(crate) volume_mm3: f64,
    pub(crate) area_mm2: f64,
    /// Least x, y, z, then greatest x, y, z.
    pub(crate) bbox_mm: [f64; 6],
    pub(crate) names: Vec<String>,
}

/// All inputs, in the order of their paths.
pub(crate) static INPUTS: LazyLock<Vec<Input>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut inputs = folder(&root.join("docs/samples"));
    assert!(!inputs.is_empty(), "docs/samples has no STEP file");
    inputs.extend(folder(&root.join("../shared/step")));
    inputs
});

/// The input whose media are called `stem`.
pub(crate) fn input(stem: &str) -> &'static Input {
    let found = INPUTS.iter().find(|input| input.stem == stem);
    found.unwrap_or_else(|| panic!("there is no input {stem}"))
}

fn folder(folder: &Path) -> Vec<Input> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let expected: BTreeMap<String, Expected> = fs::read(folder.join("expected.json"))
        .map(|json| serde_json::from_slice(&json).unwrap())
        .unwrap_or_default();
    let mut inputs: Vec<Input> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_step(path))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let expected = expected.get(name).cloned();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            Input {
                path,
                stem,
                expected,
            }
        })
        .collect();
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    inputs
}

fn is_step(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("step") || e.eq_ignore_ascii_case("stp"))
}
