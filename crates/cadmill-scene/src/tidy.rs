//! Cleans up meshes of a kernel.

use glam::Vec3;

use crate::Primitive;

impl Primitive {
    /// Removes degenerate triangles and unused positions, and normalises all normals. Missing
    /// normals are computed from the adjacent triangles. May leave a primitive without triangles,
    /// which must then be removed from its part.
    ///
    /// Invalid indices and a wrong number of normals are left unchanged;
    /// [`Scene::check`](crate::Scene::check) reports them.
    pub fn tidy(&mut self) {
        let count = self.positions.len();
        let in_range = self.indices.iter().all(|&index| (index as usize) < count);
        if !in_range || self.normals.len() != count || !self.indices.len().is_multiple_of(3) {
            return;
        }
        self.remove_degenerate();
        self.remove_unused();
        self.normalise_normals();
    }

    fn remove_degenerate(&mut self) {
        let positions = &self.positions;
        let mut kept = 0;
        for triangle in 0..self.indices.len() / 3 {
            let corners = [0, 1, 2].map(|corner| self.indices[triangle * 3 + corner]);
            let [a, b, c] = corners.map(|corner| positions[corner as usize]);
            if a != b && b != c && c != a {
                self.indices[kept..kept + 3].copy_from_slice(&corners);
                kept += 3;
            }
        }
        self.indices.truncate(kept);
    }

    fn remove_unused(&mut self) {
        const UNUSED: u32 = u32::MAX;
        let mut renumbered = vec![UNUSED; self.positions.len()];
        for &index in &self.indices {
            renumbered[index as usize] = 0;
        }
        let mut kept = 0;
        for (old, new) in renumbered.iter_mut().enumerate() {
            if *new != UNUSED {
                *new = kept as u32;
                self.positions[kept] = self.positions[old];
                self.normals[kept] = self.normals[old];
                kept += 1;
            }
        }
        self.positions.truncate(kept);
        self.normals.truncate(kept);
        for index in &mut self.indices {
            *index = renumbered[*index as usize];
        }
    }

    fn normalise_normals(&mut self) {
        let mut missing = Vec::new();
        for (index, normal) in self.normals.iter_mut().enumerate() {
            match Vec3::from_array(*normal).try_normalize() {
                Some(unit) => *normal = unit.to_array(),
                None => missing.push(index),
            }
        }
        if missing.is_empty() {
            return;
        }
        let mut sums = vec![Vec3::ZERO; self.positions.len()];
        for triangle in self.indices.chunks_exact(3) {
            let corners = [triangle[0], triangle[1], triangle[2]].map(|index| index as usize);
            let [a, b, c] = corners.map(|corner| Vec3::from_array(self.positions[corner]));
            // The length of the cross product weights the normal by the area of the triangle.
            let normal = (b - a).cross(c - a);
            for corner in corners {
                sums[corner] += normal;
            }
        }
        for index in missing {
            self.normals[index] = sums[index].try_normalize().unwrap_or(Vec3::Z).to_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{MaterialIndex, Primitive};

    fn square(normals: [[f32; 3]; 5], indices: &[u32]) -> Primitive {
        let corners = [
            [9.0; 3],
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [1.0, 1.0, 0.0],
            [0.0, 1.0, 0.0],
        ];
        Primitive {
            material: MaterialIndex(0),
            positions: corners.to_vec(),
            normals: normals.to_vec(),
            indices: indices.to_vec(),
        }
    }

    #[test]
    fn degenerate_triangles_and_unused_positions_are_removed() {
        let mut primitive = square([[0.0, 0.0, 1.0]; 5], &[1, 1, 2, 1, 2, 3, 3, 4, 3, 1, 3, 4]);
        primitive.tidy();
        assert_eq!(primitive.indices, [0, 1, 2, 0, 2, 3]);
        assert_eq!(primitive.positions.len(), 4);
        assert_eq!(primitive.positions[3], [0.0, 1.0, 0.0]);
    }

    #[test]
    fn normals_are_normalised_and_missing_ones_computed() {
        let normals = [
            [7.0; 3],
            [0.0, 0.0, 2.0],
            [0.0; 3],
            [f32::NAN; 3],
            [0.0, 3.0, 4.0],
        ];
        let mut primitive = square(normals, &[1, 2, 3, 1, 3, 4]);
        primitive.tidy();
        let up = [0.0, 0.0, 1.0];
        assert_eq!(primitive.normals, [up, up, up, [0.0, 0.6, 0.8]]);
    }

    #[test]
    fn invalid_meshes_are_left_unchanged() {
        let mut primitive = square([[0.0; 3]; 5], &[1, 2, 30]);
        let before = primitive.clone();
        primitive.tidy();
        assert_eq!(primitive, before);
    }
}
