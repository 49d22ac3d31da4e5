//! The camera: an orthographic view from +X −Y +Z, with Z up.

use glam::{DAffine3, DMat3, DVec3, Vec3};

use super::PlacedPrimitive;

/// The margin on each side, as a fraction of the picture.
const MARGIN: f64 = 0.03;

/// Maps the axes of the scene to samples: x to the right, y down, z towards the viewer, all in the
/// same unit.
#[derive(Debug)]
pub(super) struct Camera {
    /// The rows are the directions right, down and towards the viewer.
    axes: DMat3,
    /// The centre of the scene in these directions.
    middle: DVec3,
    samples_per_metre: f64,
    centre: f64,
}

/// Maps the axes of a part to samples.
#[derive(Debug)]
pub(super) struct Projection {
    positions: DAffine3,
    normals: DMat3,
}

impl Camera {
    /// Fits the camera to all primitives, in a picture of `samples` × `samples`.
    pub(super) fn fit(primitives: &[PlacedPrimitive<'_>], samples: usize) -> Self {
        let axes = axes();
        let mut min = DVec3::INFINITY;
        let mut max = DVec3::NEG_INFINITY;
        for placed in primitives {
            let (lower, upper) = bounds(placed, &axes);
            if lower.is_finite() && upper.is_finite() {
                min = min.min(lower);
                max = max.max(upper);
            }
        }
        let size = (max - min).truncate().max_element();
        let room = samples as f64 * (1.0 - 2.0 * MARGIN);
        Self {
            axes,
            middle: if min.is_finite() {
                min.midpoint(max)
            } else {
                DVec3::ZERO
            },
            samples_per_metre: if size > 0.0 { room / size } else { 1.0 },
            centre: samples as f64 / 2.0,
        }
    }

    /// Returns the projection of a part, or `None` if its position is not finite.
    pub(super) fn projection(&self, transform: &DAffine3) -> Option<Projection> {
        let scale = self.samples_per_metre;
        let positions = DAffine3 {
            matrix3: self.axes * transform.matrix3 * scale,
            translation: (self.axes * transform.translation - self.middle) * scale
                + DVec3::new(self.centre, self.centre, 0.0),
        };
        // The cofactor matrix transforms normals correctly for non-uniform scales, and the sign of
        // the determinant keeps them pointing outwards if the transform mirrors.
        let [x, y, z] = [
            transform.matrix3.x_axis,
            transform.matrix3.y_axis,
            transform.matrix3.z_axis,
        ]
        .map(DVec3::normalize);
        let cofactors = DMat3::from_cols(y.cross(z), z.cross(x), x.cross(y));
        let mirrored = x.cross(y).dot(z) < 0.0;
        let normals = self.axes * cofactors * if mirrored { -1.0 } else { 1.0 };
        let finite = positions.is_finite() && normals.is_finite();
        finite.then_some(Projection { positions, normals })
    }

    /// Returns the direction of +Z in the picture.
    pub(super) fn up() -> Vec3 {
        (axes() * DVec3::Z).as_vec3()
    }
}

impl Projection {
    pub(super) fn position(&self, position: [f32; 3]) -> DVec3 {
        let position = DVec3::from_array(position.map(f64::from));
        self.positions.transform_point3(position)
    }

    pub(super) fn normal(&self, normal: [f32; 3]) -> Vec3 {
        let normal = DVec3::from_array(normal.map(f64::from));
        (self.normals * normal).as_vec3()
    }
}

fn axes() -> DMat3 {
    let eye = DVec3::new(1.0, -1.0, 1.0).normalize();
    let right = DVec3::Z.cross(eye).normalize();
    let down = right.cross(eye);
    DMat3::from_cols(right, down, eye).transpose()
}

fn bounds(placed: &PlacedPrimitive<'_>, axes: &DMat3) -> (DVec3, DVec3) {
    let matrix = *axes * placed.transform.matrix3;
    let translation = *axes * placed.transform.translation;
    let start = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    let positions = placed.primitive.positions.iter();
    positions.fold(start, |(min, max), position| {
        let place = matrix * DVec3::from_array(position.map(f64::from)) + translation;
        (min.min(place), max.max(place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewer_is_at_plus_x_minus_y_plus_z() {
        let axes = axes();
        assert!(
            (axes.determinant() + 1.0).abs() < 1e-12,
            "x right, y down, z nearer"
        );
        let [x, y, z] = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| axes * axis);
        assert!(x.x > 0.0 && x.z > 0.0, "+X is right and nearer");
        assert!(y.x > 0.0 && y.z < 0.0, "+Y is right and farther");
        assert!(z.x.abs() < 1e-12 && z.y < 0.0, "+Z is straight up");
    }
}
