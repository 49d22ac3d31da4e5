//! Joins the primitives of a part into one mesh.

use cadmill_scene::{Part, Primitive};

use crate::UsdError;

/// USD stores indices as `int`.
const MAX_INDEX: u64 = i32::MAX as u64;

/// The triangles of several primitives, concatenated.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Mesh {
    pub(super) points: Vec<[f32; 3]>,
    pub(super) normals: Vec<[f32; 3]>,
    pub(super) indices: Vec<i32>,
    /// The number of triangles of each primitive.
    pub(super) triangles: Vec<usize>,
}

impl Mesh {
    /// Joins the primitives of `part` with these indices. Unused points are omitted, because
    /// validators report them.
    pub(super) fn of(part: &Part, primitives: &[usize]) -> Result<Self, UsdError> {
        let primitives = || primitives.iter().map(|&index| &part.primitives[index]);
        let points = primitives().map(|p| p.positions.len()).sum::<usize>();
        let indices = primitives().map(|p| p.indices.len()).sum::<usize>();
        UsdError::check_limit("points in a mesh", points as u64, MAX_INDEX)?;
        UsdError::check_limit("face vertices in a mesh", indices as u64, MAX_INDEX)?;
        let mut mesh = Self {
            points: Vec::with_capacity(points),
            normals: Vec::with_capacity(points),
            indices: Vec::with_capacity(indices),
            triangles: Vec::new(),
        };
        primitives().for_each(|primitive| mesh.append(primitive));
        Ok(mesh)
    }

    fn append(&mut self, primitive: &Primitive) {
        const UNUSED: i32 = -1;
        let mut places = vec![UNUSED; primitive.positions.len()];
        for &index in &primitive.indices {
            places[index as usize] = 0;
        }
        let vertices = primitive.positions.iter().zip(&primitive.normals);
        for (place, (position, normal)) in places.iter_mut().zip(vertices) {
            if *place != UNUSED {
                *place = self.points.len() as i32;
                self.points.push(*position);
                self.normals.push(*normal);
            }
        }
        let indices = primitive.indices.iter();
        self.indices
            .extend(indices.map(|&index| places[index as usize]));
        self.triangles.push(primitive.indices.len() / 3);
    }

    /// Returns the minimum and maximum corner of the bounding box.
    pub(super) fn extent(&self) -> [[f32; 3]; 2] {
        let first = self.points.first().copied().unwrap_or_default();
        let mut extent = [first, first];
        for point in &self.points {
            for axis in 0..3 {
                extent[0][axis] = extent[0][axis].min(point[axis]);
                extent[1][axis] = extent[1][axis].max(point[axis]);
            }
        }
        extent
    }

    /// Returns the face indices of each primitive.
    pub(super) fn subsets(&self) -> impl Iterator<Item = Vec<i32>> {
        self.triangles.iter().scan(0, |start, &triangles| {
            let end = *start + triangles as i32;
            let faces = (*start..end).collect();
            *start = end;
            Some(faces)
        })
    }
}
