//! One file into its media.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use cadmill_domain::{
    Failure, FailureCode, MaterialMaps, MediaKind, Recipe,
    tessellator::{Cancelled, MockTessellator, Tessellator},
};
use cadmill_pipeline::{Conversion, ConversionProgress, Converted, Stage, Target};
use tokio_util::sync::CancellationToken;

use crate::test_folder::{PATIENCE, TestFolder, names};

struct NoProgress;

impl ConversionProgress for NoProgress {
    fn report(&self, _: Stage) {}
}

fn conversion(folder: &TestFolder, order: &str) -> Conversion {
    Conversion {
        source: folder.step("part.step", order),
        target: Target {
            folder: folder.path("out"),
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

async fn run(folder: &TestFolder, conversion: &Conversion) -> Result<Converted, Failure> {
    run_with(conversion, &folder.tessellator()).await
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
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    let converted = run(&folder, &conversion).await.unwrap();
    assert_eq!(names(&folder.path("out")), ALL_FILES);
    assert!(!converted.reused);
    let media = &converted.record.media;
    assert_eq!(media.len(), 4);
    for medium in media {
        let bytes = content(&folder.path("out"), &medium.file);
        assert_eq!(bytes.len() as u64, medium.bytes);
        assert_eq!(cadmill_domain::ContentHash::of(&bytes), medium.sha256);
    }
    let record = content(&folder.path("out"), "part.json");
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["tessellation"]["volume_mm3"], 1e6);
    assert_eq!(record["step"]["geometry"]["faces"], 1);
    assert_eq!(record["recipe_name"], "standard");
}

#[tokio::test]
async fn only_the_kinds_that_are_asked_for_are_written() {
    let folder = TestFolder::new();
    let mut conversion = conversion(&folder, "");
    conversion.kinds = BTreeSet::from([MediaKind::UsdMaster]);
    conversion.loose_layers = true;
    run(&folder, &conversion).await.unwrap();
    assert_eq!(
        names(&folder.path("out")),
        ["part.json", "part.usd", "part.usdz"]
    );
    assert!(names(&folder.path("out/part.usd")).contains(&"root.usdc".to_owned()));
}

#[tokio::test]
async fn new_materials_do_not_start_the_tessellator() {
    let folder = TestFolder::new();
    let mut conversion = conversion(&folder, "");
    let plain = run(&folder, &conversion).await.unwrap().record;
    let before = content(&folder.path("out"), "part.glb");

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
    assert_eq!(content(&folder.path("out"), "part.glb"), before);
}

#[tokio::test]
async fn a_scene_that_may_hold_other_files_is_not_used_again() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    let text = std::fs::read_to_string(&conversion.source).unwrap();
    let named = text.replace("#1=", "#3=DOCUMENT_FILE('a.step','',$,$,'',$);\n#1=");
    std::fs::write(&conversion.source, named).unwrap();
    assert!(!run(&folder, &conversion).await.unwrap().reused);
    assert!(run(&folder, &conversion).await.unwrap().reused);
    // As an earlier version wrote it, whose kernel opened other files.
    let path = folder.path("out/part.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let step = record["step"].as_object_mut().unwrap();
    assert_eq!(step.remove("names_other_files"), Some(true.into()));
    std::fs::write(&path, record.to_string()).unwrap();
    assert!(!run(&folder, &conversion).await.unwrap().reused);
}

#[tokio::test]
async fn what_is_not_the_same_is_milled_anew() {
    let folder = TestFolder::new();
    let first = conversion(&folder, "");
    run(&folder, &first).await.unwrap();
    let mut afresh = first.clone();
    afresh.afresh = true;
    assert!(!run(&folder, &afresh).await.unwrap().reused);
    let mut finer = first.clone();
    finer.recipe = Recipe::FINE;
    assert!(!run(&folder, &finer).await.unwrap().reused);
    assert!(!run(&folder, &first).await.unwrap().reused);
    assert!(run(&folder, &first).await.unwrap().reused);
    let changed = conversion(&folder, "first silent");
    assert!(!run(&folder, &changed).await.unwrap().reused);
}

#[tokio::test]
async fn a_damaged_glb_is_milled_anew() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    run(&folder, &conversion).await.unwrap();
    let path = folder.path("out/part.glb");
    let whole = fs::read(&path).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    for damaged in [bent.as_slice(), &whole[..whole.len() / 2], b""] {
        fs::write(&path, damaged).unwrap();
        assert!(!run(&folder, &conversion).await.unwrap().reused);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_coarser_result_is_used_again_only_where_the_recipe_would_fail_again() {
    for order in ["first signal 24", "first signal 11"] {
        let folder = TestFolder::new();
        let faulty = conversion(&folder, order);
        let record = run(&folder, &faulty).await.unwrap().record;
        let retried = record.tessellation.retried.unwrap();
        assert_eq!(retried.recipe, faulty.recipe.coarser());
        assert!(run(&folder, &faulty).await.unwrap().reused, "{order}");
        let mut roomier = faulty.clone();
        roomier.memory_bytes *= 2;
        assert!(!run(&folder, &roomier).await.unwrap().reused, "more memory");
        let mut longer = roomier.clone();
        longer.timeout *= 2;
        assert!(!run(&folder, &longer).await.unwrap().reused, "more time");
        assert!(run(&folder, &longer).await.unwrap().reused, "{order}");
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
    let folder = TestFolder::new();
    for order in ["first signal 9", "first signal 15"] {
        let killed = conversion(&folder, order);
        let failure = run(&folder, &killed).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::KernelKilled, "{order}");
        assert!(!folder.path("out/part.glb").exists(), "{order}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_step_never_starts_the_tessellator() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    fs::write(&conversion.source, "hello").unwrap();
    let failure = run_with(&conversion, &nobody()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NotStep);
    assert!(!folder.path("out").exists());
}

#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    fs::remove_file(&conversion.source).unwrap();
    nix::unistd::mkfifo(&conversion.source, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let failure = run_with(&conversion, &nobody()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreadable);
    assert!(failure.detail.contains("no regular file"), "{failure}");
}

#[tokio::test]
async fn a_file_that_changes_under_way_is_not_converted() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
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
    assert!(!folder.path("out").exists());
}

#[tokio::test]
async fn loose_layers_take_the_place_of_layers_only() {
    let folder = TestFolder::new();
    let mut conversion = conversion(&folder, "");
    conversion.kinds = BTreeSet::from([MediaKind::UsdMaster]);
    conversion.loose_layers = true;
    let layers = folder.path("out/part.usd");
    fs::create_dir_all(&layers).unwrap();
    fs::write(layers.join("notes.txt"), "of the user").unwrap();
    fs::write(layers.join("root.usdc"), "of an older run").unwrap();
    run(&folder, &conversion).await.unwrap();
    assert_eq!(content(&layers, "notes.txt"), b"of the user");
    assert!(content(&layers, "root.usdc").starts_with(b"PXR-USDC"));
    assert_eq!(names(&layers).len(), 5);
}

#[tokio::test]
async fn several_may_write_the_same_media_at_once() {
    let folder = TestFolder::new();
    let mut conversion = conversion(&folder, "");
    conversion.loose_layers = true;
    let (conversion, tessellator) = (&conversion, &folder.tessellator());
    let runs = (0..8).map(|_| run_with(conversion, tessellator));
    for converted in futures_util::future::join_all(runs).await {
        converted.unwrap();
    }
    let expected = [&ALL_FILES[..3], &["part.usd"], &ALL_FILES[3..]].concat();
    assert_eq!(names(&folder.path("out")), expected);
    assert_eq!(names(&folder.path("out/part.usd")).len(), 4);
}

#[tokio::test]
async fn a_failure_leaves_the_earlier_media_as_they_are() {
    let folder = TestFolder::new();
    run(&folder, &conversion(&folder, "")).await.unwrap();
    let before = content(&folder.path("out"), "part.json");
    let failure = run(&folder, &conversion(&folder, "silent"))
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::KernelError);
    assert_eq!(names(&folder.path("out")), ALL_FILES);
    assert_eq!(content(&folder.path("out"), "part.json"), before);
}

#[tokio::test]
async fn a_target_that_cannot_be_written_is_told() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    fs::write(folder.path("out"), "a file where a folder should be").unwrap();
    let failure = run(&folder, &conversion).await.unwrap_err();
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

    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    let token = CancellationToken::new();
    let cancelled = Cancelled::when(token.clone().cancelled_owned());
    let failure = conversion
        .run(&folder.tessellator(), Arc::new(Late(token)), cancelled)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert_eq!(names(&folder.path("out")), [""; 0]);
}

#[tokio::test]
async fn cancelled_work_writes_nothing() {
    let folder = TestFolder::new();
    let conversion = conversion(&folder, "");
    let cancelled = Cancelled::when(std::future::ready(()));
    let failure = conversion
        .run(&nobody(), Arc::new(NoProgress), cancelled)
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert!(!folder.path("out").exists());
}
