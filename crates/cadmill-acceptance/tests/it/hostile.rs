//! Hostile input: every file ends in media or in one failure of the catalogue, and nothing is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cadmill_domain::{Failure, FailureCode, MediaKind};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    inputs::{INPUTS, Input, input},
    milled::{fresh_folder, scene},
    mutations::{FIXED, Mutation, RANDOM, Random},
    oracles::assert_valid_gltf,
    program::{Convert, Ended},
    trees::Tree,
};

/// The least number of damaged files.
const MUTATIONS: usize = 160;
/// Larger files are damaged less often, as the kernel takes long for them.
const SMALL_BYTES: u64 = 100_000;

#[test]
fn every_damaged_file_ends_in_media_or_in_one_failure() {
    let folder = fresh_folder("hostile");
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    let count = write_mutations(&files) + write_what_is_no_step(&files);
    let media = folder.join("media");
    let limits = [
        "--jobs",
        "2",
        "--timeout",
        "10s",
        "--memory",
        "2GiB",
        "--json",
    ];
    let ended = Convert::new(&[&files], &media).with(&limits).run();

    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let outcomes = outcomes(&ended);
    assert_eq!(outcomes.len(), count, "{outcomes:?}");
    let names: Vec<&String> = outcomes
        .iter()
        .filter(|(_, o)| o.is_none())
        .map(|(n, _)| n)
        .collect();
    let stem = |name: &str| {
        Path::new(name)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let mut expected: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let kinds = MediaKind::ALL
                .map(MediaKind::extension)
                .into_iter()
                .chain(["json"]);
            kinds
                .map(|extension| format!("{}.{extension}", stem(name)))
                .collect::<Vec<_>>()
        })
        .collect();
    expected.sort();
    assert_eq!(file_names(&media), expected);
    let glbs: Vec<PathBuf> = names
        .iter()
        .map(|name| media.join(format!("{}.glb", stem(name))))
        .collect();
    assert_valid_gltf(&glbs);
}

#[test]
fn what_is_no_step_file_is_told_as_that() {
    let folder = fresh_folder("no-step");
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    write_what_is_no_step(&files);
    let ended = Convert::new(&[&files], &folder.join("media"))
        .with(&["--json"])
        .run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let expected = [
        ("empty.step", FailureCode::StepEmpty),
        ("garbage.step", FailureCode::NotStep),
        ("text.step", FailureCode::NotStep),
        ("zeros.step", FailureCode::NotStep),
    ];
    let expected = expected.map(|(name, code)| (name.to_owned(), Some(code)));
    assert_eq!(outcomes(&ended), expected.into());
}

#[test]
fn an_assembly_that_is_endless_or_explodes_is_refused_before_a_kernel_starts() {
    let folder = fresh_folder("endless");
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    Tree::endless().write(&files.join("endless.step"));
    // A million occurrences, and more than there are atoms.
    Tree::tower(20, 2).write(&files.join("million.step"));
    Tree::tower(300, 3).write(&files.join("bomb.step"));
    let nobody = folder.join("there is no such program");
    let ended = Convert::new(&[&files], &folder.join("media"))
        .tessellator(&nobody)
        .with(&["--json"])
        .run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let codes: Vec<_> = outcomes(&ended).into_values().collect();
    assert_eq!(codes, [Some(FailureCode::StepStructure); 3]);
}

#[test]
fn an_assembly_twenty_thousand_deep_is_converted() {
    const DEPTH: usize = 20_000;
    let folder = fresh_folder("deep");
    let file = folder.join("deep.step");
    Tree::tower(DEPTH, 1).write(&file);
    let media = folder.join("media");
    // The assemblies have no reference designators, so a key would be the path of all names.
    Convert::of_kinds(&[&file], &media, "glb,usd")
        .run()
        .succeeded();
    let scene = scene(&media.join("deep.glb"));
    assert_eq!((scene.occurrences.len(), scene.parts.len()), (DEPTH + 1, 1));
    let keys: BTreeSet<_> = scene.occurrences.iter().map(|o| &o.key).collect();
    assert_eq!(keys.len(), DEPTH + 1);
    let megabytes = |name: &str| media.join(name).metadata().unwrap().len() >> 20;
    assert!(megabytes("deep.glb") < 20 && megabytes("deep.usdz") < 20);
}

#[test]
fn little_memory_is_enough_for_a_little_file() {
    let folder = fresh_folder("memory");
    let file = &input("inch-cube").path;
    let convert = Convert::of_kinds(&[file], &folder.join("media"), "glb");
    convert.with(&["--memory", "400MiB"]).run().succeeded();
    let convert = Convert::of_kinds(&[file], &folder.join("none"), "glb");
    let ended = convert.with(&["--memory", "40MiB", "--json"]).run();
    let codes: Vec<_> = outcomes(&ended).into_values().collect();
    assert_eq!(codes, [Some(FailureCode::KernelMemory)]);
}

/// Writes damaged copies of the inputs, and gives their number.
fn write_mutations(folder: &Path) -> usize {
    let is_small = |input: &&Input| input.path.metadata().unwrap().len() < SMALL_BYTES;
    let bases: Vec<(&str, Vec<u8>)> = INPUTS
        .iter()
        .filter(is_small)
        .map(|input| (input.stem.as_str(), fs::read(&input.path).unwrap()))
        .collect();
    assert!(!bases.is_empty(), "no input is small");
    let mut random = Random(20_261_123);
    let mut count = 0;
    let mut write = |mutation: Mutation, (stem, base): &(&str, Vec<u8>)| {
        let name = format!("{count:03}-{stem}-{mutation:?}.step");
        fs::write(folder.join(name), mutation.apply(base, &mut random)).unwrap();
        count += 1;
        count
    };
    for mutation in FIXED {
        for base in &bases {
            write(mutation, base);
        }
    }
    loop {
        for mutation in RANDOM {
            for base in &bases {
                let written = write(mutation, base);
                if written >= MUTATIONS {
                    return written;
                }
            }
        }
    }
}

/// Writes files that were never STEP, and gives their number.
fn write_what_is_no_step(folder: &Path) -> usize {
    let garbage: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let zeros = vec![0; 100_000];
    let text = "Dear Sir,\nplease find the part attached.\n".repeat(100);
    let files: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("garbage", &garbage),
        ("text", text.as_bytes()),
        ("zeros", &zeros),
    ];
    for (name, bytes) in files {
        fs::write(folder.join(format!("{name}.step")), bytes).unwrap();
    }
    files.len()
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A line of `cadmill convert --json` about one file.
#[derive(Debug, Deserialize)]
struct FileLine {
    input: PathBuf,
    status: String,
    failure: Option<Failure>,
}

/// For each file the code of its failure, or nothing if there are media of it.
fn outcomes(ended: &Ended) -> BTreeMap<String, Option<FailureCode>> {
    let lines = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let files = lines.filter(|line| line["event"] == "file");
    let outcome = |line: Value| {
        let line: FileLine = serde_json::from_value(line).unwrap();
        let code = line.failure.map(|failure| failure.code);
        assert_eq!(line.status == "converted", code.is_none(), "{code:?}");
        (
            line.input.file_name().unwrap().to_str().unwrap().to_owned(),
            code,
        )
    };
    files.map(outcome).collect()
}
