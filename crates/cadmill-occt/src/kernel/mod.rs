//! A safe interface to the kernel: reads and transfers a document, meshes its bodies, and extracts
//! the triangles of its parts.

use std::{fs::File, os::fd::AsRawFd as _, sync::OnceLock};

use cadmill_domain::{
    Deflection, FailureCode, Recipe,
    tessellator::{Bounds, Phase},
};
use cxx::{SharedPtr, UniquePtr};

use bridge::ffi;

#[expect(unsafe_code, unreachable_pub, reason = "cxx writes this code")]
pub(crate) mod bridge;

pub(crate) use ffi::{Node, Tree};

/// An error of the kernel.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct KernelError {
    /// The failure code.
    pub code: FailureCode,
    /// The message.
    pub detail: String,
}

impl From<cxx::Exception> for KernelError {
    /// Parses the format of the shim, `<code>|<detail>`.
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

/// The progress callback. It is global because the kernel's callback has no context argument.
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

/// Prepares the kernel for this process: faults are reported and end the process, the kernel's
/// messages are silenced, and its pool gets `threads` threads.
///
/// # Errors
/// If the kernel cannot start its threads.
pub fn prepare(threads: usize, progress: fn(Phase, f64)) -> Result<(), KernelError> {
    PROGRESS.get_or_init(|| progress);
    Ok(ffi::prepare_kernel(threads)?)
}

/// Returns the name and version of the kernel.
#[must_use]
pub fn version() -> String {
    format!("Open CASCADE {}", ffi::kernel_version())
}

/// A STEP file in the kernel. Methods must be called in the order of their declaration.
pub(crate) struct Document(UniquePtr<ffi::Document>);

impl Document {
    /// Reads and parses an open file. No other files that it names are opened.
    pub(crate) fn read(file: &File) -> Result<Self, KernelError> {
        let mut document = ffi::new_document()?;
        document.pin_mut().read(file.as_raw_fd())?;
        Ok(Self(document))
    }

    /// Returns the number of products that contain no others.
    pub(crate) fn leaves(&self) -> usize {
        self.0.leaves()
    }

    /// Transfers one leaf product. Returns its new bodies, which may share topology with each other
    /// but not with those of other leaves. Bodies that do are deferred.
    pub(crate) fn transfer_leaf(&mut self, leaf: usize) -> Result<Vec<Body>, KernelError> {
        self.0.pin_mut().transfer_leaf(leaf)?;
        self.new_bodies()
    }

    /// Transfers the rest, and finds the occurrences and distinct parts. Returns the new and
    /// deferred bodies, which may share topology with each other and with all earlier ones.
    pub(crate) fn transfer(&mut self) -> Result<(Tree, Vec<Body>), KernelError> {
        self.0.pin_mut().transfer()?;
        let tree = self.0.pin_mut().walk()?;
        Ok((tree, self.new_bodies()?))
    }

    fn new_bodies(&mut self) -> Result<Vec<Body>, KernelError> {
        let mut bodies = Vec::new();
        loop {
            let body = self.0.pin_mut().next_body()?;
            if body.is_null() {
                return Ok(bodies);
            }
            bodies.push(Body(body));
        }
    }

    /// Returns the triangles of a part whose body was meshed.
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

/// A shape that is meshed separately, while others are still being transferred.
pub(crate) struct Body(SharedPtr<ffi::Body>);

#[expect(
    unsafe_code,
    reason = "the kernel counts its handles atomically, and meshing writes only to the topology \
              of the body, which no other body shares"
)]
// SAFETY: see the reason above.
unsafe impl Send for Body {}

impl Body {
    /// Returns its index among all bodies.
    pub(crate) fn index(&self) -> usize {
        self.0.index()
    }

    /// Meshes the body and measures its exact surfaces. `parallel` uses several threads for its
    /// faces.
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

/// Replaces the measure of an invalid surface (damaged knots, poles at infinity) by zero.
fn finite(measure: f64) -> f64 {
    if measure.is_finite() { measure } else { 0.0 }
}

/// The measures of the exact surfaces of a body, and the deflections of its mesh.
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

/// Triangles of one colour, in metres.
#[derive(Debug)]
pub(crate) struct PartPrimitive {
    /// Linear RGB and opacity.
    pub(crate) color: Option<[f32; 4]>,
    pub(crate) positions: Vec<[f32; 3]>,
    pub(crate) normals: Vec<[f32; 3]>,
    pub(crate) indices: Vec<u32>,
}
