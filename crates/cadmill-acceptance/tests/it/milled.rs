//! The media of all inputs by the recipe *standard*, made once for all tests that look at them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use cadmill_domain::{MediaKind, tessellator::TessellationReport};
use cadmill_scene::{Scene, glb};
use serde::Deserialize;

use crate::{
    inputs::{INPUTS, Input},
    program::Convert,
};

/// Where this run of the tests keeps its files; cargo gives it, and nothing else lies there.
pub(crate) fn fresh_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The media of all inputs.
pub(crate) static MILLED: LazyLock<Milled> = LazyLock::new(|| Milled::new("standard", "2"));

/// A folder with the media of all inputs.
#[derive(Debug)]
pub(crate) struct Milled {
    folder: PathBuf,
}

impl Milled {
    /// Converts all inputs with so many jobs into a folder of that name.
    pub(crate) fn new(name: &str, jobs: &str) -> Self {
        let folder = fresh_folder(name).join("media");
        let paths: Vec<&Path> = INPUTS.iter().map(|input| input.path.as_path()).collect();
        let convert = Convert::new(&paths, &folder).with(&["--jobs", jobs]);
        convert.run().succeeded();
        Self { folder }
    }

    /// The medium of `input`.
    pub(crate) fn medium(&self, input: &Input, kind: MediaKind) -> PathBuf {
        medium(&self.folder, input, kind)
    }

    /// The media of this kind of all inputs.
    pub(crate) fn media(&self, kind: MediaKind) -> Vec<PathBuf> {
        INPUTS
            .iter()
            .map(|input| self.medium(input, kind))
            .collect()
    }

    /// The canonical scene of `input`.
    pub(crate) fn scene(&self, input: &Input) -> Scene {
        scene(&self.medium(input, MediaKind::GltfGeometry))
    }

    /// What was written beside the media of `input`.
    pub(crate) fn record(&self, input: &Input) -> Record {
        let file = self.folder.join(format!("{}.json", input.stem));
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }
}

/// The medium of `input` in `folder`.
pub(crate) fn medium(folder: &Path, input: &Input, kind: MediaKind) -> PathBuf {
    folder.join(format!("{}.{}", input.stem, kind.extension()))
}

/// The scene in the GLB at `path`.
pub(crate) fn scene(path: &Path) -> Scene {
    glb::read(&fs::read(path).unwrap()).unwrap()
}

/// What a test wants to know of a record.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) tessellation: TessellationReport,
}
