//! The kernel behind a safe face: a document is read and transferred, its bodies are
//! meshed, and the triangles of its parts are taken out.

use std::{fs::File, os::fd::AsRawFd as _, sync::OnceLock};

use cadmill_domain::{Bounds, Deflection, FailureCode, Phase, Recipe};
use cxx::{SharedPtr, UniquePtr};

use bridge::ffi;

#[expect(unsafe_code, unreachable_pub, reason = "cxx writes this code")]
pub(crate) mod bridge;

pub(crate) use ffi::{Node, Tree};

/// The kernel refused, or ran out of memory.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct KernelError {
    /// The entry of the failure catalogue.
    pub code: FailureCode,
    /// What the kernel said.
    pub detail: String,
}

impl From<cxx::Exception> for KernelError {
    /// The shim writes `<code>|<detail>`.
    fn from(exception: cxx::Exception) -> Self {
        let text = exception.what();
        let (code, detail) = text.split_once('|').unwrap_or(("kernel_error", text));
        let code = FailureCode::ALL
            .iter()
            .find(|known| known.as_str() == code)
            .copied()
            .unwrap_or(FailureCode::KernelError);
        Self {
            code,
            detail: format!("{}.", detail.trim_end_matches('.')),
        }
    }
}

/// Who is told how far the kernel is. The kernel's own callback carries no context.
static PROGRESS: OnceLock<fn(Phase, f64)> = OnceLock::new();

fn report_progress(phase: u8, fraction: f64) {
    let phase = if phase == 0 {
        Phase::Read
    } else {
        Phase::Transfer
    };
    if let Some(report) = PROGRESS.get() {
        report(phase, fraction);
    }
}

/// Prepares the kernel for this process: a fault is reported and ends the process, its own messages
/// are silenced, its pool gets `threads` threads.
///
/// # Errors
/// If the kernel cannot start its threads.
pub fn prepare(threads: usize, progress: fn(Phase, f64)) -> Result<(), KernelError> {
    PROGRESS.get_or_init(|| progress);
    Ok(ffi::prepare_kernel(threads)?)
}

/// Name and version of the kernel.
#[must_use]
pub fn version() -> String {
    format!("Open CASCADE {}", ffi::kernel_version())
}

/// A STEP file inside the kernel. Its steps are to be taken in the order of its methods.
pub(crate) struct Document(UniquePtr<ffi::Document>);

impl Document {
    /// Reads and parses an open file, and no other that it names.
    pub(crate) fn read(file: &File) -> Result<Self, KernelError> {
        let mut document = ffi::new_document()?;
        document.pin_mut().read(file.as_raw_fd())?;
        Ok(Self(document))
    }

    /// How many products contain no others.
    pub(crate) fn leaves(&self) -> usize {
        self.0.leaves()
    }

    /// Transfers one of these. Gives the bodies that are new: they may share topology with each
    /// other, but not with those of another leaf. Those that do are kept back.
    pub(crate) fn transfer_leaf(&mut self, leaf: usize) -> Result<Vec<Body>, KernelError> {
        self.0.pin_mut().transfer_leaf(leaf)?;
        self.fresh_bodies()
    }

    /// Transfers what is left, and finds the occurrences and distinct parts. Gives the bodies that
    /// are new or were kept back: they may share topology with each other and with all before.
    pub(crate) fn transfer(&mut self) -> Result<(Tree, Vec<Body>), KernelError> {
        self.0.pin_mut().transfer()?;
        let tree = self.0.pin_mut().walk()?;
        Ok((tree, self.fresh_bodies()?))
    }

    fn fresh_bodies(&mut self) -> Result<Vec<Body>, KernelError> {
        let mut bodies = Vec::new();
        loop {
            let body = self.0.pin_mut().next_body()?;
            if body.is_null() {
                return Ok(bodies);
            }
            bodies.push(Body(body));
        }
    }

    /// The triangles of a part whose body was meshed.
    pub(crate) fn extract(&self, part: usize) -> Result<PartMesh, KernelError> {
        let mesh = self.0.extract(part)?;
        let primitives = (0..mesh.primitives())
            .map(|i| PartPrimitive {
                color: mesh.has_color(i).then(|| mesh.color(i)),
                positions: mesh.positions(i).as_chunks().0.to_vec(),
                normals: mesh.normals(i).as_chunks().0.to_vec(),
                indices: mesh.indices(i).to_vec(),
            })
            .collect();
        Ok(PartMesh {
            primitives,
            unmeshed_faces: mesh.unmeshed(),
        })
    }
}

/// A shape that is meshed by itself, while others are still being transferred.
pub(crate) struct Body(SharedPtr<ffi::Body>);

#[expect(
    unsafe_code,
    reason = "the kernel counts its handles atomically, and meshing writes only into the topology \
              of the body, which is no other's"
)]
// SAFETY: as the reason says.
unsafe impl Send for Body {}

impl Body {
    /// Its position among all bodies.
    pub(crate) fn index(&self) -> usize {
        self.0.index()
    }

    /// Meshes it and measures its exact surfaces; `parallel` for its faces on several threads.
    pub(crate) fn mesh(&self, recipe: &Recipe, parallel: bool) -> Result<MeshedBody, KernelError> {
        let deflection = recipe.deflection(self.0.diagonal()?);
        self.0.mesh(&ffi::Deflections {
            linear: deflection.linear_mm,
            angular: deflection.angular_deg.to_radians(),
            parallel,
        })?;
        let measure = self.0.measure(parallel)?;
        Ok(MeshedBody {
            deflection,
            volume_mm3: finite(measure.volume),
            area_mm2: finite(measure.area),
            bounds: measure.has_box.then_some(Bounds {
                min_mm: measure.min,
                max_mm: measure.max,
            }),
        })
    }
}

/// A surface of nonsense (damaged knots, poles at infinity) measures nothing.
fn finite(measure: f64) -> f64 {
    if measure.is_finite() { measure } else { 0.0 }
}

/// What the exact surfaces of a body measure, and how finely it was meshed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MeshedBody {
    pub(crate) deflection: Deflection,
    pub(crate) volume_mm3: f64,
    pub(crate) area_mm2: f64,
    pub(crate) bounds: Option<Bounds>,
}

/// The triangles of a part, one primitive per colour.
#[derive(Debug)]
pub(crate) struct PartMesh {
    pub(crate) primitives: Vec<PartPrimitive>,
    pub(crate) unmeshed_faces: u64,
}

/// Triangles of one colour; metres.
#[derive(Debug)]
pub(crate) struct PartPrimitive {
    /// Linear light and opacity.
    pub(crate) color: Option<[f32; 4]>,
    pub(crate) positions: Vec<[f32; 3]>,
    pub(crate) normals: Vec<[f32; 3]>,
    pub(crate) indices: Vec<u32>,
}
