//! Volume, area and bounds of meshes.

use cadmill_scene::{Part, Scene};
use glam::{DAffine3, DVec3};

use crate::inputs::Expected;

/// What a scene measures as a whole, in millimetres and in the axes of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) volume_mm3: f64,
    pub(crate) area_mm2: f64,
    /// Least x, y, z, then greatest x, y, z.
    pub(crate) bbox_mm: [f64; 6],
}

const MM_PER_M: f64 = 1000.0;

impl Measured {
    /// Measures every occurrence where it is, triangle by triangle.
    pub(crate) fn of(scene: &Scene) -> Self {
        let mut volume = 0.0;
        let mut area = 0.0;
        let mut least = DVec3::INFINITY;
        let mut greatest = DVec3::NEG_INFINITY;
        for (part, placed) in placements(scene) {
            // A mirrored occurrence turns its triangles inside out; viewers turn them back.
            let handedness = placed.matrix3.determinant().signum();
            for corners in triangles(part) {
                let [a, b, c] = corners.map(|corner| placed.transform_point3(corner) * MM_PER_M);
                volume += handedness * a.dot(b.cross(c)) / 6.0;
                area += (b - a).cross(c - a).length() / 2.0;
                for corner in [a, b, c] {
                    least = least.min(corner);
                    greatest = greatest.max(corner);
                }
            }
        }
        let [x, y, z] = least.to_array();
        let [max_x, max_y, max_z] = greatest.to_array();
        Self {
            volume_mm3: volume,
            area_mm2: area,
            bbox_mm: [x, y, z, max_x, max_y, max_z],
        }
    }
}

impl From<&Expected> for Measured {
    fn from(expected: &Expected) -> Self {
        Self {
            volume_mm3: expected.volume_mm3,
            area_mm2: expected.area_mm2,
            bbox_mm: expected.bbox_mm,
        }
    }
}

/// Each occurrence of a part, and the way from the part's axes to those of the file.
pub(crate) fn placements(scene: &Scene) -> Vec<(&Part, DAffine3)> {
    let mut placed: Vec<DAffine3> = Vec::with_capacity(scene.occurrences.len());
    for occurrence in &scene.occurrences {
        let above = occurrence
            .parent
            .map_or(DAffine3::IDENTITY, |parent| placed[parent.0]);
        placed.push(above * occurrence.transform);
    }
    scene
        .occurrences
        .iter()
        .zip(placed)
        .filter_map(|(occurrence, placed)| Some((&scene.parts[occurrence.part?.0], placed)))
        .collect()
}

/// The signed volume of a part in its own axes, in mm³: positive if its triangles face outwards.
pub(crate) fn signed_volume_mm3(part: &Part) -> f64 {
    let six_times: f64 = triangles(part).map(|[a, b, c]| a.dot(b.cross(c))).sum();
    six_times / 6.0 * MM_PER_M.powi(3)
}

/// The fraction of a part's area whose normals face the way that its triangles do.
pub(crate) fn agreeing_normals(part: &Part) -> f64 {
    let mut agreeing = 0.0;
    let mut whole = 0.0;
    for primitive in &part.primitives {
        for corners in primitive.indices.chunks_exact(3) {
            let at = |values: &[[f32; 3]], corner: u32| {
                DVec3::from(values[corner as usize].map(f64::from))
            };
            let [a, b, c] = [0, 1, 2].map(|i| at(&primitive.positions, corners[i]));
            let facing = (b - a).cross(c - a);
            let area = facing.length();
            whole += area;
            let normals = [0, 1, 2].map(|i| at(&primitive.normals, corners[i]));
            if normals.iter().all(|normal| normal.dot(facing) > 0.0) {
                agreeing += area;
            }
        }
    }
    agreeing / whole
}

fn triangles(part: &Part) -> impl Iterator<Item = [DVec3; 3]> {
    part.primitives.iter().flat_map(|primitive| {
        let corner = |index: u32| DVec3::from(primitive.positions[index as usize].map(f64::from));
        primitive
            .indices
            .chunks_exact(3)
            .map(move |corners| [corner(corners[0]), corner(corners[1]), corner(corners[2])])
    })
}

/// Checks that `measured` is what another program measured: volume and area within 1 %, the box
/// within 0.2 mm.
pub(crate) fn assert_close(stem: &str, measured: &Measured, expected: &Measured) {
    let within = |name: &str, measured: f64, expected: f64, limit: f64| {
        let off = (measured - expected).abs();
        assert!(off <= limit, "{stem}: {name} is {measured}, not {expected}");
    };
    let percent = 0.01;
    let (volume, area) = (expected.volume_mm3, expected.area_mm2);
    // Files of open surfaces enclose nothing, so what the origin makes of them says nothing.
    if volume != 0.0 {
        within(
            "volume",
            measured.volume_mm3,
            volume,
            volume.abs() * percent,
        );
    }
    within("area", measured.area_mm2, area, area * percent);
    for (measured, expected) in measured.bbox_mm.into_iter().zip(expected.bbox_mm) {
        within("the box", measured, expected, 0.2);
    }
}
