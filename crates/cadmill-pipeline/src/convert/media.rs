//! The media of a scene: pure work, each on a thread of its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use cadmill_domain::{Failure, FailureCode, MaterialMaps, MediaKind, sentence};
use cadmill_scene::{Overlay, Scene, SceneError, glb, thumbnail, web};
use cadmill_usd::{UsdError, master};

use super::staging::StagedFile;

/// Width and height of the thumbnail, in pixels.
const THUMBNAIL_SIZE: u32 = 512;

/// Where the files of one conversion go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The folder; it is made if it is not there.
    pub folder: PathBuf,
    /// What the names of all files begin with.
    pub stem: OsString,
}

impl Target {
    /// Where the medium of this kind goes.
    #[must_use]
    pub fn medium(&self, kind: MediaKind) -> PathBuf {
        self.file(kind.extension())
    }

    /// Where the record goes.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.file("json")
    }

    /// The folder of the loose USD layers.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.file("usd")
    }

    fn file(&self, extension: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(".");
        name.push(extension);
        self.folder.join(name)
    }
}

/// A scene and how it is to look.
#[derive(Debug)]
pub(super) struct Dressed {
    pub(super) canonical: Vec<u8>,
    pub(super) scene: Scene,
    pub(super) materials: Arc<MaterialMaps>,
    pub(super) overlay: Overlay,
}

impl Dressed {
    pub(super) fn new(canonical: Vec<u8>, materials: Arc<MaterialMaps>) -> Result<Self, Failure> {
        let scene = glb::read(&canonical).map_err(|error| of_scene(&error))?;
        let overlay = Overlay::resolve(&scene, &materials);
        Ok(Self {
            canonical,
            scene,
            materials,
            overlay,
        })
    }
}

/// A medium under its temporary name, with the loose layers if it is USD and they are wanted.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) kind: MediaKind,
    pub(super) path: PathBuf,
    pub(super) file: StagedFile,
    pub(super) layers: Vec<StagedFile>,
}

/// Makes one medium and writes it under a temporary name.
pub(super) fn make(
    kind: MediaKind,
    dressed: &Dressed,
    target: &Target,
    with_layers: bool,
) -> Result<Staged, Failure> {
    let path = target.medium(kind);
    let mut layers = Vec::new();
    let file = match kind {
        MediaKind::GltfGeometry if dressed.materials.is_empty() => {
            StagedFile::write(&path, &dressed.canonical)
        }
        MediaKind::GltfGeometry => {
            let overlaid = glb::overlay(&dressed.canonical, &dressed.materials);
            write(&path, overlaid.map(|overlaid| overlaid.glb))
        }
        MediaKind::WebGlb => write(&path, web::compress(&dressed.scene, &dressed.overlay)),
        MediaKind::Thumbnail => {
            let png = thumbnail::render(&dressed.scene, &dressed.overlay, THUMBNAIL_SIZE);
            write(&path, png)
        }
        MediaKind::UsdMaster => {
            let master = master::build(&dressed.scene, &dressed.overlay);
            let master = master.map_err(|error| of_usd(&error))?;
            if with_layers {
                // Here the root is first; it gets its name when all that it refers to is there.
                for (name, layer) in master.layers().rev() {
                    let path = target.layers().join(name);
                    layers.push(StagedFile::write_from(&target.folder, &path, layer)?);
                }
            }
            let package = master.to_usdz().map_err(|error| of_usd(&error))?;
            StagedFile::write(&path, &package)
        }
    }?;
    Ok(Staged {
        kind,
        path,
        file,
        layers,
    })
}

fn write(path: &Path, medium: Result<Vec<u8>, SceneError>) -> Result<StagedFile, Failure> {
    StagedFile::write(path, &medium.map_err(|error| of_scene(&error))?)
}

fn of_scene(error: &SceneError) -> Failure {
    let code = match error {
        SceneError::TooLarge { .. } => FailureCode::TooLarge,
        _ => FailureCode::OutputInvalid,
    };
    Failure::new(code, sentence(error))
}

fn of_usd(error: &UsdError) -> Failure {
    let code = match error {
        UsdError::TooLarge { .. } => FailureCode::TooLarge,
        _ => FailureCode::OutputInvalid,
    };
    Failure::new(code, sentence(error))
}
