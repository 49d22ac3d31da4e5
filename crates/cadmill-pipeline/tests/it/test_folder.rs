//! A scratch folder, a STEP file, and the stand-in that is to work on it.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use cadmill_domain::{
    ContentHash, ExternalReferences, Failure, Recipe,
    tessellator::{
        Cancelled, NoProgress, Phase, ProgressSink, Tessellation, TessellationRequest,
        Tessellator as _,
    },
};
use cadmill_pipeline::ProcessTessellator;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedSender;

/// How long a test waits for what must happen before it fails. Nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An example of this package, which cargo builds beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    folder.join("examples").join(name)
}

pub(crate) struct TestFolder {
    pub(crate) folder: TempDir,
}

impl TestFolder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.path("scratch")
    }

    pub(crate) fn tessellator(&self) -> ProcessTessellator {
        ProcessTessellator::new(example("fake-tessellator")).with_scratch(self.scratch())
    }

    /// A small STEP file that asks the stand-in to misbehave in this way.
    pub(crate) fn step(&self, name: &str, order: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, step(order)).unwrap();
        path
    }

    pub(crate) fn request(&self, order: &str) -> TessellationRequest {
        let source = self.step("part.step", order);
        TessellationRequest {
            source_hash: ContentHash::of(&fs::read(&source).unwrap()),
            source,
            source_faces: 6,
            external: ExternalReferences::default(),
            recipe: Recipe::STANDARD,
            timeout: PATIENCE,
            memory_bytes: 2 << 30,
            threads: 1,
        }
    }

    pub(crate) async fn run(&self, request: &TessellationRequest) -> Result<Tessellation, Failure> {
        let ended = self
            .tessellator()
            .tessellate(request, Arc::new(NoProgress), Cancelled::never())
            .await;
        self.assert_scratch_is_empty();
        ended
    }

    #[track_caller]
    pub(crate) fn assert_scratch_is_empty(&self) {
        let left: Vec<_> = fs::read_dir(self.scratch()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// A pipe that every process of a tree holds open, and how to learn that all are gone.
    pub(crate) fn leash(&self) -> Leash {
        let path = self.path("leash");
        let mode = nix::sys::stat::Mode::S_IRWXU;
        nix::unistd::mkfifo(&path, mode).unwrap();
        let (gone_tx, gone) = mpsc::channel();
        let opened = path.clone();
        std::thread::spawn(move || {
            // Opening waits for the first writer; reading ends when the last one is gone.
            let mut pipe = File::open(opened).unwrap();
            let mut child = String::new();
            pipe.read_to_string(&mut child).unwrap();
            gone_tx.send(child)
        });
        Leash { path, gone }
    }
}

pub(crate) struct Leash {
    path: PathBuf,
    gone: mpsc::Receiver<String>,
}

impl Leash {
    /// The word that makes the stand-in hold the pipe.
    pub(crate) fn word(&self) -> String {
        format!("fifo={}", self.path.display())
    }

    /// Waits until no process holds the pipe; tells the number of the child.
    #[track_caller]
    pub(crate) fn assert_all_are_gone(&self) -> String {
        self.gone.recv_timeout(PATIENCE).unwrap()
    }

    /// The same, and that the child was also reaped by now.
    #[track_caller]
    pub(crate) fn assert_all_are_gone_and_reaped(&self) {
        let child = self.assert_all_are_gone();
        #[cfg(target_os = "linux")]
        assert!(!Path::new("/proc").join(&child).exists(), "{child}");
        assert!(child.parse::<u32>().is_ok(), "{child}");
    }
}

/// Tells which phases begin.
pub(crate) struct Watch(pub(crate) UnboundedSender<Phase>);

impl ProgressSink for Watch {
    fn report(&self, phase: Phase, _: f64) {
        // The test may have seen enough.
        let _ = self.0.send(phase);
    }
}

/// One cube as far as the reader of STEP can tell, and an order to the stand-in.
pub(crate) fn step(order: &str) -> String {
    format!(
        "ISO-10303-21;\nHEADER;\n/* fake: {order} */\nFILE_DESCRIPTION((''),'2;1');\n\
         FILE_NAME('part','2024-01-01T00:00:00',(''),(''),'','','');\n\
         FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\nDATA;\n\
         #1=PRODUCT('cube','Cube','',());\n#2=ADVANCED_FACE('',(),#1,.T.);\nENDSEC;\n\
         END-ISO-10303-21;\n"
    )
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
