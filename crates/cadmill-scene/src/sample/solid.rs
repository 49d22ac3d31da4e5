//! Simple closed solids for sample scenes.

use crate::{MaterialIndex, Primitive};

/// A closed solid in metres, with triangles counter-clockwise when seen from outside.
#[derive(Debug, Clone, Default)]
pub struct Solid {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    indices: Vec<u32>,
}

impl Solid {
    /// A box centred at the origin.
    #[must_use]
    pub fn cuboid([x, y, z]: [f32; 3]) -> Self {
        let (x, y) = (x / 2.0, y / 2.0);
        Self::prism(&[[-x, -y], [x, -y], [x, y], [-x, y]], [0.0; 2], z).moved([0.0, 0.0, -z / 2.0])
    }

    /// A cylinder on the plane z = 0, with exact normals.
    #[must_use]
    pub fn cylinder(radius: f32, height: f32, segments: u16) -> Self {
        let mut solid = Self::prism(&super::circle(radius, segments), [0.0; 2], height);
        let wall = usize::from(segments) * 4;
        for (normal, position) in solid.normals.iter_mut().zip(&solid.positions).take(wall) {
            *normal = unit([position[0], position[1], 0.0]);
        }
        solid
    }

    /// A prism from z = 0 to `height`. `outline` is counter-clockwise, and star-shaped as seen from
    /// `centre`. The walls come first, with four positions each.
    #[must_use]
    pub fn prism(outline: &[[f32; 2]], centre: [f32; 2], height: f32) -> Self {
        let mut solid = Self::default();
        let next = |i: usize| outline[(i + 1) % outline.len()];
        for (i, &[x0, y0]) in outline.iter().enumerate() {
            let [x1, y1] = next(i);
            let normal = unit([y1 - y0, x0 - x1, 0.0]);
            let corners = [
                [x0, y0, 0.0],
                [x1, y1, 0.0],
                [x1, y1, height],
                [x0, y0, height],
            ];
            solid.face(&corners, normal, &[0, 1, 2, 0, 2, 3]);
        }
        for (i, &[x0, y0]) in outline.iter().enumerate() {
            let [x1, y1] = next(i);
            let [cx, cy] = centre;
            let top = [[cx, cy, height], [x0, y0, height], [x1, y1, height]];
            solid.face(&top, [0.0, 0.0, 1.0], &[0, 1, 2]);
            let bottom = [[cx, cy, 0.0], [x1, y1, 0.0], [x0, y0, 0.0]];
            solid.face(&bottom, [0.0, 0.0, -1.0], &[0, 1, 2]);
        }
        solid
    }

    /// Translates the solid.
    #[must_use]
    pub fn moved(mut self, by: [f32; 3]) -> Self {
        for position in &mut self.positions {
            for axis in 0..3 {
                position[axis] += by[axis];
            }
        }
        self
    }

    /// Rotates the solid by a quarter turn about X, so that +Y becomes +Z.
    #[must_use]
    pub fn turned_up(mut self) -> Self {
        for [_, y, z] in self.positions.iter_mut().chain(&mut self.normals) {
            (*y, *z) = (-*z, *y);
        }
        self
    }

    /// Adds another solid.
    pub fn extend(&mut self, other: &Self) {
        let base = self.positions.len() as u32;
        self.positions.extend_from_slice(&other.positions);
        self.normals.extend_from_slice(&other.normals);
        self.indices
            .extend(other.indices.iter().map(|index| base + index));
    }

    /// Converts the solid to a primitive of a part.
    #[must_use]
    pub fn primitive(self, material: MaterialIndex) -> Primitive {
        Primitive {
            material,
            positions: self.positions,
            normals: self.normals,
            indices: self.indices,
        }
    }

    fn face(&mut self, corners: &[[f32; 3]], normal: [f32; 3], triangles: &[u32]) {
        let base = self.positions.len() as u32;
        self.positions.extend_from_slice(corners);
        self.normals.extend(corners.iter().map(|_| normal));
        self.indices
            .extend(triangles.iter().map(|index| base + index));
    }
}

fn unit([x, y, z]: [f32; 3]) -> [f32; 3] {
    let length = (x * x + y * y + z * z).sqrt();
    [x / length, y / length, z / length]
}
