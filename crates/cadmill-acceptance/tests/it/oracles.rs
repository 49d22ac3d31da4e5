//! Other programs' judgement.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::program::given;

/// What Khronos' validator says of a GLB.
#[derive(Debug, Deserialize)]
struct GltfVerdict {
    #[expect(dead_code, reason = "a failing test shows it")]
    file: PathBuf,
    errors: usize,
    warnings: usize,
    #[expect(dead_code, reason = "a failing test shows them")]
    messages: Vec<String>,
}

/// Checks that Khronos' validator finds no error and no warning in any of the GLBs.
pub(crate) fn assert_valid_gltf(files: &[PathBuf]) {
    let mut node = Command::new("node");
    node.arg(script("gltf/validate.mjs"));
    node.arg(given("CADMILL_ORACLES").join("gltf"));
    let verdicts: Vec<GltfVerdict> = answer(|file| node.arg(file).args(files));
    assert_eq!(verdicts.len(), files.len());
    let bad: Vec<_> = verdicts
        .iter()
        .filter(|verdict| verdict.errors + verdict.warnings > 0)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// What usd-core finds in a USD file; `usd_check.py` says what each is.
#[derive(Debug, Deserialize)]
pub(crate) struct UsdReport {
    pub(crate) composition_errors: Vec<String>,
    pub(crate) validation_errors: Vec<String>,
    pub(crate) up_axis: String,
    pub(crate) metres_per_unit: f64,
    pub(crate) kind: String,
    pub(crate) source_hash: String,
    pub(crate) occurrences: usize,
    pub(crate) instances: usize,
    pub(crate) prototypes: usize,
    pub(crate) parts: usize,
    pub(crate) meshes: usize,
    pub(crate) volume_m3: f64,
    pub(crate) area_m2: f64,
    pub(crate) bbox: UsdBox,
    pub(crate) display_names: BTreeSet<String>,
    pub(crate) materials: BTreeMap<String, Vec<Option<String>>>,
    pub(crate) colors: BTreeMap<String, [f64; 4]>,
}

/// A box in metres.
#[derive(Debug, Deserialize)]
pub(crate) struct UsdBox {
    pub(crate) min: [f64; 3],
    pub(crate) max: [f64; 3],
}

/// Asks usd-core about a USD file.
pub(crate) fn usd_report(file: &Path) -> UsdReport {
    ask("usd", "usd_check.py", file)
}

/// What NVIDIA's validator says of a USD file.
#[derive(Debug, Deserialize)]
pub(crate) struct NvidiaVerdict {
    pub(crate) failures: Vec<String>,
    pub(crate) errors: Vec<String>,
}

/// Asks NVIDIA's validator about a USD file.
pub(crate) fn nvidia_verdict(file: &Path) -> NvidiaVerdict {
    ask("nvidia", "usd_nvidia.py", file)
}

/// What Blender shows of a USD file; `blender_check.py` says what each is.
#[derive(Debug, Deserialize)]
pub(crate) struct BlenderReport {
    pub(crate) instances: BTreeMap<String, BlenderInstance>,
    pub(crate) shown: usize,
    pub(crate) materials: BTreeMap<String, Option<BlenderSurface>>,
}

/// An object that instances a collection.
#[derive(Debug, Deserialize)]
pub(crate) struct BlenderInstance {
    pub(crate) materials: Vec<Option<String>>,
}

/// How a material of Blender looks.
#[derive(Debug, Deserialize)]
pub(crate) struct BlenderSurface {
    pub(crate) color: [f64; 4],
}

/// Asks Blender about a USD file.
pub(crate) fn blender_report(file: &Path) -> BlenderReport {
    ask("blender", "blender_check.py", file)
}

/// Runs a script of ours by the Python of an environment, and reads the JSON that it writes.
fn ask<T: DeserializeOwned>(environment: &str, name: &str, file: &Path) -> T {
    let python = given("CADMILL_ORACLES")
        .join(environment)
        .join("bin/python");
    // Without -B Python would write its bytecode beside the script.
    let mut command = Command::new(python);
    command.arg("-B").arg(script(name)).arg(file);
    answer(|file| command.arg(file))
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("oracles")
        .join(name)
}

/// Runs a command, and reads the JSON that it writes to the file which it is given. Programs print what
/// they like; that is shown if it fails.
fn answer<'a, T: DeserializeOwned>(command: impl FnOnce(&Path) -> &'a mut Command) -> T {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.json");
    let command = command(&file);
    let output = command.output().unwrap();
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|printed| String::from_utf8_lossy(printed));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}\n{stderr}",
        output.status
    );
    let json = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{command:?} wrote no answer: {error}\n{stdout}\n{stderr}"));
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn what_a_program_prints_besides_is_not_taken_for_its_answer() {
    let script = "echo 'USD import took 1 ms'; echo '[1, 2]' > \"$1\"; echo warning >&2";
    let mut shell = Command::new("sh");
    let answer: Vec<u32> = answer(|file| shell.args(["-c", script, "sh"]).arg(file));
    assert_eq!(answer, [1, 2]);
}
