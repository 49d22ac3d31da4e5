//! One file into its media.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use cadmill_domain::{
    Cancelled, Failure, FailureCode, MaterialMaps, MediaKind, MockTessellator, Recipe, Tessellator,
};
use cadmill_pipeline::{Conversion, ConversionProgress, Converted, Stage, Target};
use tokio_util::sync::CancellationToken;

use crate::mill::{Mill, PATIENCE, names};

struct NoProgress;

impl ConversionProgress for NoProgress {
    fn report(&self, _: Stage) {}
}

fn conversion(mill: &Mill, order: &str) -> Conversion {
    Conversion {
        source: mill.step("part.step", order),
        target: Target {
            folder: mill.path("out"),
            stem: "part".into(),
        },
        kinds: BTreeSet::from(MediaKind::ALL),
        recipe: Recipe::STANDARD,
        materials: Arc::default(),
        loose_layers: false,
        afresh: false,
        timeout: PATIENCE,
        memory_bytes: 2 << 30,
        threads: 1,
    }
}

async fn run_with(
    conversion: &Conversion,
    tessellator: &dyn Tessellator,
) -> Result<Converted, Failure> {
    conversion
        .run(tessellator, Arc::new(NoProgress), Cancelled::never())
        .await
}

async fn run(mill: &Mill, conversion: &Conversion) -> Result<Converted, Failure> {
    run_with(conversion, &mill.tessellator()).await
}

/// Fails the test if it is ever asked.
fn nobody() -> MockTessellator {
    let mut tessellator = MockTessellator::new();
    tessellator.expect_tessellate().never();
    tessellator
}

fn red_cube() -> Arc<MaterialMaps> {
    let json = r##"{"manual_overrides": {"cube": {"color": "#ff0000"}, "no such": {"color": "#00ff00"}}}"##;
    Arc::new(serde_json::from_str(json).unwrap())
}

const ALL_FILES: [&str; 5] = [
    "part.glb",
    "part.json",
    "part.png",
    "part.usdz",
    "part.web.glb",
];

fn content(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[tokio::test]
async fn every_medium_and_the_record_are_written() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    let converted = run(&mill, &conversion).await.unwrap();
    assert_eq!(names(&mill.path("out")), ALL_FILES);
    assert!(!converted.reused);
    let media = &converted.record.media;
    assert_eq!(media.len(), 4);
    for medium in media {
        let bytes = content(&mill.path("out"), &medium.file);
        assert_eq!(bytes.len() as u64, medium.bytes);
        assert_eq!(cadmill_domain::ContentHash::of(&bytes), medium.sha256);
    }
    let record = content(&mill.path("out"), "part.json");
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["tessellation"]["volume_mm3"], 1e6);
    assert_eq!(record["step"]["geometry"]["faces"], 1);
    assert_eq!(record["recipe_name"], "standard");
}

#[tokio::test]
async fn only_the_kinds_that_are_asked_for_are_written() {
    let mill = Mill::new();
    let mut conversion = conversion(&mill, "");
    conversion.kinds = BTreeSet::from([MediaKind::UsdMaster]);
    conversion.loose_layers = true;
    run(&mill, &conversion).await.unwrap();
    assert_eq!(
        names(&mill.path("out")),
        ["part.json", "part.usd", "part.usdz"]
    );
    assert!(names(&mill.path("out/part.usd")).contains(&"root.usdc".to_owned()));
}

#[tokio::test]
async fn new_materials_do_not_start_the_tessellator() {
    let mill = Mill::new();
    let mut conversion = conversion(&mill, "");
    let plain = run(&mill, &conversion).await.unwrap().record;
    let before = content(&mill.path("out"), "part.glb");

    conversion.materials = red_cube();
    let converted = run_with(&conversion, &nobody()).await.unwrap();
    assert!(converted.reused);
    let red = converted.record;
    assert_eq!(red.unmatched_materials[0].as_str(), "no such");
    assert_eq!(red.canonical_sha256, plain.canonical_sha256);
    let changed = |kind: MediaKind| {
        let hash = |record: &cadmill_pipeline::Record| {
            let medium = record.media.iter().find(|medium| medium.kind == kind);
            medium.unwrap().sha256
        };
        hash(&red) != hash(&plain)
    };
    assert!(changed(MediaKind::GltfGeometry));
    assert!(changed(MediaKind::UsdMaster));

    conversion.materials = Arc::default();
    assert!(run_with(&conversion, &nobody()).await.unwrap().reused);
    assert_eq!(content(&mill.path("out"), "part.glb"), before);
}

#[tokio::test]
async fn a_scene_that_may_hold_other_files_is_not_used_again() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    let text = std::fs::read_to_string(&conversion.source).unwrap();
    let named = text.replace("#1=", "#3=DOCUMENT_FILE('a.step','',$,$,'',$);\n#1=");
    std::fs::write(&conversion.source, named).unwrap();
    assert!(!run(&mill, &conversion).await.unwrap().reused);
    assert!(run(&mill, &conversion).await.unwrap().reused);
    // As an earlier version wrote it, whose kernel opened other files.
    let path = mill.path("out/part.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let step = record["step"].as_object_mut().unwrap();
    assert_eq!(step.remove("names_other_files"), Some(true.into()));
    std::fs::write(&path, record.to_string()).unwrap();
    assert!(!run(&mill, &conversion).await.unwrap().reused);
}

#[tokio::test]
async fn what_is_not_the_same_is_milled_anew() {
    let mill = Mill::new();
    let first = conversion(&mill, "");
    run(&mill, &first).await.unwrap();
    let mut afresh = first.clone();
    afresh.afresh = true;
    assert!(!run(&mill, &afresh).await.unwrap().reused);
    let mut finer = first.clone();
    finer.recipe = Recipe::FINE;
    assert!(!run(&mill, &finer).await.unwrap().reused);
    assert!(!run(&mill, &first).await.unwrap().reused);
    assert!(run(&mill, &first).await.unwrap().reused);
    let changed = conversion(&mill, "first silent");
    assert!(!run(&mill, &changed).await.unwrap().reused);
}

#[tokio::test]
async fn a_damaged_glb_is_milled_anew() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    run(&mill, &conversion).await.unwrap();
    let path = mill.path("out/part.glb");
    let whole = fs::read(&path).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    for damaged in [bent.as_slice(), &whole[..whole.len() / 2], b""] {
        fs::write(&path, damaged).unwrap();
        assert!(!run(&mill, &conversion).await.unwrap().reused);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_coarser_result_is_used_again_only_where_the_recipe_would_fail_again() {
    for order in ["first signal 24", "first signal 11"] {
        let mill = Mill::new();
        let faulty = conversion(&mill, order);
        let record = run(&mill, &faulty).await.unwrap().record;
        let retried = record.tessellation.retried.unwrap();
        assert_eq!(retried.recipe, faulty.recipe.coarser());
        assert!(run(&mill, &faulty).await.unwrap().reused, "{order}");
        let mut roomier = faulty.clone();
        roomier.memory_bytes *= 2;
        assert!(!run(&mill, &roomier).await.unwrap().reused, "more memory");
        let mut longer = roomier.clone();
        longer.timeout *= 2;
        assert!(!run(&mill, &longer).await.unwrap().reused, "more time");
        assert!(run(&mill, &longer).await.unwrap().reused, "{order}");
        let mut newer = MockTessellator::new();
        newer
            .expect_kernel()
            .returning(|| Ok("newer kernel".to_owned()));
        newer.expect_tessellate().times(1).returning(|_, _, _| {
            let detail = "The test wants it.";
            Err(Failure::new(FailureCode::KernelError, detail))
        });
        let failure = run_with(&longer, &newer).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::KernelError, "it is tried again");
    }
}

#[tokio::test]
async fn a_kill_from_outside_makes_nothing_coarser() {
    let mill = Mill::new();
    for order in ["first signal 9", "first signal 15"] {
        let killed = conversion(&mill, order);
        let failure = run(&mill, &killed).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::KernelKilled, "{order}");
        assert!(!mill.path("out/part.glb").exists(), "{order}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_step_never_starts_the_tessellator() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    fs::write(&conversion.source, "hello").unwrap();
    let failure = run_with(&conversion, &nobody()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NotStep);
    assert!(!mill.path("out").exists());
}

#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    fs::remove_file(&conversion.source).unwrap();
    nix::unistd::mkfifo(&conversion.source, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let failure = run_with(&conversion, &nobody()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreadable);
    assert!(failure.detail.contains("no regular file"), "{failure}");
}

#[tokio::test]
async fn a_file_that_changes_under_way_is_not_converted() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    let source = conversion.source.clone();
    let mut tessellator = MockTessellator::new();
    tessellator.expect_tessellate().return_once(move |_, _, _| {
        fs::write(source, "another file").unwrap();
        Err(Failure::new(
            FailureCode::KernelError,
            "It is another file.",
        ))
    });
    let failure = run_with(&conversion, &tessellator).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreadable);
    assert!(failure.detail.contains("was changed"), "{failure}");
    assert!(!mill.path("out").exists());
}

#[tokio::test]
async fn loose_layers_take_the_place_of_layers_only() {
    let mill = Mill::new();
    let mut conversion = conversion(&mill, "");
    conversion.kinds = BTreeSet::from([MediaKind::UsdMaster]);
    conversion.loose_layers = true;
    let folder = mill.path("out/part.usd");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "of the user").unwrap();
    fs::write(folder.join("root.usdc"), "of an older run").unwrap();
    run(&mill, &conversion).await.unwrap();
    assert_eq!(content(&folder, "notes.txt"), b"of the user");
    assert!(content(&folder, "root.usdc").starts_with(b"PXR-USDC"));
    assert_eq!(names(&folder).len(), 5);
}

#[tokio::test]
async fn several_may_write_the_same_media_at_once() {
    let mill = Mill::new();
    let mut conversion = conversion(&mill, "");
    conversion.loose_layers = true;
    let (conversion, tessellator) = (&conversion, &mill.tessellator());
    let runs = (0..8).map(|_| run_with(conversion, tessellator));
    for converted in futures_util::future::join_all(runs).await {
        converted.unwrap();
    }
    let expected = [&ALL_FILES[..3], &["part.usd"], &ALL_FILES[3..]].concat();
    assert_eq!(names(&mill.path("out")), expected);
    assert_eq!(names(&mill.path("out/part.usd")).len(), 4);
}

#[tokio::test]
async fn a_failure_leaves_the_earlier_media_as_they_are() {
    let mill = Mill::new();
    run(&mill, &conversion(&mill, "")).await.unwrap();
    let before = content(&mill.path("out"), "part.json");
    let failure = run(&mill, &conversion(&mill, "silent")).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelError);
    assert_eq!(names(&mill.path("out")), ALL_FILES);
    assert_eq!(content(&mill.path("out"), "part.json"), before);
}

#[tokio::test]
async fn a_target_that_cannot_be_written_is_told() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    fs::write(mill.path("out"), "a file where a folder should be").unwrap();
    let failure = run(&mill, &conversion).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage, "{failure}");
}

#[tokio::test]
async fn work_that_is_cancelled_at_its_last_step_writes_nothing() {
    /// Cancels as soon as the media are being made.
    struct Late(CancellationToken);

    impl ConversionProgress for Late {
        fn report(&self, stage: Stage) {
            if stage == Stage::Media {
                self.0.cancel();
            }
        }
    }

    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    let token = CancellationToken::new();
    let cancelled = Cancelled::when(token.clone().cancelled_owned());
    let failure = conversion
        .run(&mill.tessellator(), Arc::new(Late(token)), cancelled)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert_eq!(names(&mill.path("out")), [""; 0]);
}

#[tokio::test]
async fn cancelled_work_writes_nothing() {
    let mill = Mill::new();
    let conversion = conversion(&mill, "");
    let cancelled = Cancelled::when(std::future::ready(()));
    let failure = conversion
        .run(&nobody(), Arc::new(NoProgress), cancelled)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert!(!mill.path("out").exists());
}
