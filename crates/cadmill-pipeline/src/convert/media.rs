//! The media of a scene: pure work, each on a thread of its own.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use cadmill_domain::{Failure, FailureCode, MaterialMaps, MediaKind, sentence};
use cadmill_scene::{Overlay, Scene, SceneError, glb, thumbnail, web};
use cadmill_usd::{UsdError, UsdMaster, master};

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
pub(crate) struct StyledScene {
    canonical: Vec<u8>,
    scene: Scene,
    materials: Arc<MaterialMaps>,
    pub(crate) overlay: Overlay,
}

impl StyledScene {
    pub(crate) fn new(canonical: Vec<u8>, materials: Arc<MaterialMaps>) -> Result<Self, Failure> {
        let scene = glb::read(&canonical).map_err(|error| of_scene(&error))?;
        let overlay = Overlay::resolve(&scene, &materials);
        Ok(Self {
            canonical,
            scene,
            materials,
            overlay,
        })
    }

    /// The bytes of a medium.
    pub(crate) fn medium(&self, kind: MediaKind) -> Result<Vec<u8>, Failure> {
        let made = match kind {
            MediaKind::GltfGeometry if self.materials.is_empty() => Ok(self.canonical.clone()),
            MediaKind::GltfGeometry => {
                glb::overlay(&self.canonical, &self.materials).map(|overlaid| overlaid.glb)
            }
            MediaKind::WebGlb => web::compress(&self.scene, &self.overlay),
            MediaKind::Thumbnail => thumbnail::render(&self.scene, &self.overlay, THUMBNAIL_SIZE),
            MediaKind::UsdMaster => {
                return self.master()?.to_usdz().map_err(|error| of_usd(&error));
            }
        };
        made.map_err(|error| of_scene(&error))
    }

    fn master(&self) -> Result<UsdMaster, Failure> {
        master::build(&self.scene, &self.overlay).map_err(|error| of_usd(&error))
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
    styled: &StyledScene,
    target: &Target,
    with_layers: bool,
) -> Result<Staged, Failure> {
    let path = target.medium(kind);
    let mut layers = Vec::new();
    let bytes = if kind == MediaKind::UsdMaster {
        let master = styled.master()?;
        if with_layers {
            // Here the root is first; it gets its name when all that it refers to is there.
            for (name, layer) in master.layers().rev() {
                let path = target.layers().join(name);
                layers.push(StagedFile::write_from(&target.folder, &path, layer)?);
            }
        }
        master.to_usdz().map_err(|error| of_usd(&error))?
    } else {
        styled.medium(kind)?
    };
    Ok(Staged {
        kind,
        file: StagedFile::write(&path, &bytes)?,
        path,
        layers,
    })
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
