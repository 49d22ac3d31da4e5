//! The kernel behind a safe face: a [`Document`] is read, transferred, walked and meshed.

use std::{path::Path, sync::OnceLock};

use cadmill_domain::{Bounds, Deflection, FailureCode, Phase};
use cxx::UniquePtr;

use bridge::ffi;

#[expect(unsafe_code, unreachable_pub, reason = "cxx writes this code")]
pub(crate) mod bridge;

pub(crate) use ffi::{Node, PartInfo, Tree};

/// The kernel refused, crashed, or ran out of memory.
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

/// Prepares the kernel for this process: signals become errors, its own messages are silenced, its
/// pool gets `threads` threads.
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

/// A STEP file inside the kernel.
pub(crate) struct Document(UniquePtr<ffi::Document>);

#[expect(
    unsafe_code,
    reason = "the kernel's handles are counted atomically; meshing writes only into the part's own \
              topology, and `mesh` is called for one part of a group at a time"
)]
// SAFETY: as the reason says; every other method takes `&mut self`.
unsafe impl Sync for Document {}

impl Document {
    /// Reads and transfers the file.
    pub(crate) fn open(path: &Path, timed: &mut impl FnMut(Phase)) -> Result<Self, KernelError> {
        let mut document = ffi::new_document()?;
        let path = path.to_str().ok_or_else(|| KernelError {
            code: FailureCode::Unreadable,
            detail: "The path of the input is not UTF-8.".to_owned(),
        })?;
        document.pin_mut().read(path)?;
        timed(Phase::Read);
        document.pin_mut().transfer()?;
        timed(Phase::Transfer);
        Ok(Self(document))
    }

    /// The occurrences and distinct parts.
    pub(crate) fn walk(&mut self) -> Result<Tree, KernelError> {
        Ok(self.0.pin_mut().walk()?)
    }

    /// The diagonal of a part, in millimetres: a lower bound that is at hand before it is meshed.
    pub(crate) fn diagonal_mm(&self, part: usize) -> Result<f64, KernelError> {
        Ok(self.0.diagonal(part)?)
    }

    /// What the exact surfaces of a part measure that was meshed before.
    pub(crate) fn measure(&self, part: usize) -> Result<Measure, KernelError> {
        let measure = self.0.measure(part)?;
        Ok(Measure {
            volume_mm3: measure.volume,
            area_mm2: measure.area,
            bounds: measure.has_box.then_some(Bounds {
                min_mm: measure.min,
                max_mm: measure.max,
            }),
        })
    }

    /// Meshes a part. Parts of one group must not be meshed at the same time.
    pub(crate) fn mesh(
        &self,
        part: usize,
        deflection: Deflection,
        parallel: bool,
    ) -> Result<PartMesh, KernelError> {
        let deflections = ffi::Deflections {
            linear: deflection.linear_mm,
            angular: deflection.angular_deg.to_radians(),
            parallel,
        };
        let mesh = self.0.mesh(part, &deflections)?;
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

/// What the exact surfaces of a part measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
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
