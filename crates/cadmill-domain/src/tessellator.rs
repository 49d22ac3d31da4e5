//! The port behind which the geometry kernel runs: a STEP file in, a canonical GLB out.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, pending},
};
use serde::{Deserialize, Serialize};

use crate::{ContentHash, Deflection, ExternalReferences, Failure, MissingGeometry, Recipe};

/// Turns a STEP file into the canonical scene.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Tessellator: Send + Sync + fmt::Debug {
    /// Tessellates one file.
    ///
    /// When `cancelled` resolves, or the returned future is dropped, the work is stopped and
    /// everything it left behind is removed.
    ///
    /// # Errors
    /// One entry of the failure catalogue; after one coarser retry, the failure of the first try.
    async fn tessellate(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure>;

    /// Name and version of the kernel, as [`TessellationReport::kernel`].
    ///
    /// # Errors
    /// If it cannot be asked.
    async fn kernel(&self) -> Result<String, Failure>;
}

/// What is to be tessellated, and within which limits.
#[derive(Debug, Clone, PartialEq)]
pub struct TessellationRequest {
    /// The STEP file.
    pub source: PathBuf,
    /// SHA-256 of its bytes; written into the GLB.
    pub source_hash: ContentHash,
    /// How many `ADVANCED_FACE`s (and the like) the file holds; a shortfall is reported.
    pub source_faces: u64,
    /// What it refers to outside of itself.
    pub external: ExternalReferences,
    /// How finely.
    pub recipe: Recipe,
    /// Wall-clock limit of one try.
    pub timeout: Duration,
    /// Limit of the address space of the child process, in bytes.
    pub memory_bytes: u64,
    /// How many threads the kernel may use.
    pub threads: usize,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Tessellation {
    /// The canonical GLB, checked.
    pub glb: Vec<u8>,
    /// What was found and measured.
    pub report: TessellationReport,
}

/// What the kernel found in a file, measured on its exact surfaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TessellationReport {
    /// Name and version of the kernel, for example `Open CASCADE 7.6.3`.
    pub kernel: String,
    /// Number of distinct parts.
    pub parts: usize,
    /// Number of occurrences that carry a part (not those that only group others).
    pub occurrences: usize,
    /// Triangles of the distinct parts, each counted once.
    pub triangles: u64,
    /// Faces of the distinct parts, each counted once.
    pub faces: FaceCount,
    /// Faces that the file declares.
    pub source_faces: u64,
    /// Those of them that did not come through the kernel's translation. Not the difference to
    /// `faces.total`, since its repair splits and merges faces.
    pub unread_faces: u64,
    /// Volume of all occurrences, in mm³. Open surfaces enclose none.
    pub volume_mm3: f64,
    /// Area of all occurrences, in mm².
    pub area_mm2: f64,
    /// Box around the meshes of all occurrences, in the axes of the file.
    pub bounds: Option<Bounds>,
    /// Each distinct part.
    pub part_reports: Vec<PartReport>,
    /// Whether faces are missing, or geometry that lies in other files.
    pub partial: bool,
    /// Geometry that lies in other files. They are never opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_geometry: Vec<MissingGeometry>,
    /// What was odd but not fatal.
    pub warnings: Vec<String>,
    /// Set if the first try failed and this is the coarser one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
    /// How long each phase took.
    pub timings: Timings,
}

impl TessellationReport {
    /// Adds the geometry that lies in other files: the result is partial, and a warning names each.
    pub fn add_missing_geometry(&mut self, missing: &[MissingGeometry]) {
        self.partial |= !missing.is_empty();
        self.warnings.extend(MissingGeometry::sentences(missing));
        self.missing_geometry.extend_from_slice(missing);
    }
}

/// How many faces there are, and how many of them got triangles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceCount {
    /// All faces.
    pub total: u64,
    /// Faces that could not be meshed.
    pub unmeshed: u64,
}

/// An axis-aligned box in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Least x, y, z.
    pub min_mm: [f64; 3],
    /// Greatest x, y, z.
    pub max_mm: [f64; 3],
}

impl Bounds {
    /// Length of the diagonal, in millimetres.
    #[must_use]
    pub fn diagonal_mm(&self) -> f64 {
        let squares = self.min_mm.iter().zip(&self.max_mm);
        squares
            .map(|(min, max)| (max - min).powi(2))
            .sum::<f64>()
            .sqrt()
    }
}

/// What the kernel found in one distinct part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartReport {
    /// The stable key of the part.
    pub key: String,
    /// The name of its product.
    pub name: String,
    /// How many occurrences show it.
    pub occurrences: usize,
    /// Its triangles.
    pub triangles: u64,
    /// Its faces.
    pub faces: FaceCount,
    /// The exact volume that its closed shells enclose, in mm³.
    pub volume_mm3: f64,
    /// Its exact area, in mm².
    pub area_mm2: f64,
    /// Its bounding box in its own axes.
    pub bounds: Option<Bounds>,
    /// The deflection it was meshed with.
    pub deflection: Deflection,
    /// Its engineering material, if the file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
    /// Density of that material, in kg/m³.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density_kg_m3: Option<f64>,
}

/// Why the result is coarser than what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retried {
    /// How the first try ended.
    pub first: Failure,
    /// The recipe of the second.
    pub recipe: Recipe,
    /// Under which conditions; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// The conditions of a try. The same recipe may succeed under others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conditions {
    /// Name and version of the kernel.
    pub kernel: String,
    /// Limit of the address space, in bytes.
    pub memory_bytes: u64,
    /// Wall-clock limit, in ms.
    pub timeout_ms: u64,
}

impl Conditions {
    /// Those of a try by this kernel within these limits.
    pub fn new(kernel: impl Into<String>, memory_bytes: u64, timeout: Duration) -> Self {
        Self {
            kernel: kernel.into(),
            memory_bytes,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// What goes into the input of a coarser scene: 16 hexadecimal digits, different for other
    /// conditions or another recipe.
    #[must_use]
    pub fn fingerprint(&self, recipe: Recipe) -> String {
        let Self {
            kernel,
            memory_bytes,
            timeout_ms,
        } = self;
        let recipe = recipe.fingerprint();
        let exact = format!(
            "v1 recipe={recipe} kernel={kernel:?} memory={memory_bytes} timeout={timeout_ms}"
        );
        ContentHash::of(exact.as_bytes()).to_string()[..16].to_owned()
    }
}

/// Wall-clock time of each phase, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Reading and parsing the file.
    pub read_s: f64,
    /// Translating its entities to shapes.
    pub transfer_s: f64,
    /// Meshing and extracting the parts.
    pub mesh_s: f64,
    /// Writing the GLB.
    pub write_s: f64,
}

/// What the tessellator is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading and parsing the file.
    Read,
    /// Translating entities to shapes.
    Transfer,
    /// Meshing the parts.
    Mesh,
    /// Writing the GLB.
    Write,
}

/// Is told how far the work is.
pub trait ProgressSink: Send + Sync {
    /// `phase` is done to `fraction`, from 0 to 1.
    fn report(&self, phase: Phase, fraction: f64);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _: Phase, _: f64) {}
}

/// Resolves when the work is no longer wanted; clones resolve together.
#[derive(Clone)]
pub struct Cancelled(Shared<BoxFuture<'static, ()>>);

impl Cancelled {
    /// Wraps any future, for example that of a cancellation token.
    pub fn when(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(future.boxed().shared())
    }

    /// Work that is never cancelled.
    #[must_use]
    pub fn never() -> Self {
        Self::when(pending())
    }

    /// Waits until the work is no longer wanted.
    pub async fn wait(self) {
        self.0.await;
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}
