//! Rasterises triangles to samples. Corners are snapped to 1/256 of a sample and the top-left rule
//! applies, so adjacent triangles leave no gaps and cover no sample twice.

use glam::{DVec3, I64Vec2, Vec3, Vec4};

use super::{camera::Projection, light::Surface};
use crate::Primitive;

const SUBSAMPLES: i64 = 256;

/// The nearest opaque triangle in a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// The depth in samples, increasing towards the viewer; negative infinity if there is no
    /// triangle.
    pub depth: f32,
    /// An octahedral encoding of the normal, 16 bits per coordinate.
    normal: u32,
    /// The index of the surface.
    pub surface: u32,
}

/// The transparent triangles in a sample, combined by weighted blended order-independent
/// transparency: nearer triangles have more weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blend {
    /// The sum of weighted colours, premultiplied by opacity, and the sum of the weighted
    /// opacities.
    pub sum: Vec4,
    /// The fraction of the light from behind that passes through.
    pub transmittance: f32,
}

#[derive(Debug)]
pub(super) struct Canvas<'a> {
    pub samples: Vec<Sample>,
    /// Empty if no surface is transparent.
    pub blends: Vec<Blend>,
    pub surfaces: &'a [Surface],
    size: usize,
    /// The corners of the current primitive.
    corners: Vec<Corner>,
}

#[derive(Debug, Clone, Copy)]
struct Corner {
    /// In units of 1/256 sample.
    place: I64Vec2,
    depth: f32,
    normal: Vec3,
}

impl Sample {
    pub(super) const EMPTY: Self = Self {
        depth: f32::NEG_INFINITY,
        normal: 0,
        surface: 0,
    };

    pub(super) fn is_covered(&self) -> bool {
        self.depth > f32::NEG_INFINITY
    }

    /// Returns the unit normal.
    pub(super) fn normal(&self) -> Vec3 {
        let x = f32::from(self.normal as u16 as i16) / 32767.0;
        let y = f32::from((self.normal >> 16) as u16 as i16) / 32767.0;
        let z = 1.0 - x.abs() - y.abs();
        let fold = (-z).max(0.0);
        Vec3::new(x - fold.copysign(x), y - fold.copysign(y), z).normalize()
    }
}

fn pack_normal(normal: Vec3) -> u32 {
    let n = normal / (normal.x.abs() + normal.y.abs() + normal.z.abs());
    let (x, y) = if n.z >= 0.0 {
        (n.x, n.y)
    } else {
        let folded = |a: f32, b: f32| (1.0 - b.abs()).copysign(a);
        (folded(n.x, n.y), folded(n.y, n.x))
    };
    let bits = |x: f32| u32::from((x * 32767.0).round() as i16 as u16);
    bits(x) | bits(y) << 16
}

impl<'a> Canvas<'a> {
    pub(super) fn new(size: usize, surfaces: &'a [Surface]) -> Self {
        let blend = Blend {
            sum: Vec4::ZERO,
            transmittance: 1.0,
        };
        let transparent = surfaces.iter().any(Surface::is_transparent);
        Self {
            samples: vec![Sample::EMPTY; size * size],
            blends: vec![blend; if transparent { size * size } else { 0 }],
            surfaces,
            size,
            corners: Vec::new(),
        }
    }

    /// Draws a primitive with the surface at index `surface`. Transparent primitives must be drawn
    /// after all opaque ones.
    pub(super) fn draw(&mut self, primitive: &Primitive, projection: &Projection, surface: u32) {
        let vertices = primitive.positions.iter().zip(&primitive.normals);
        let mut corners = std::mem::take(&mut self.corners);
        corners.clear();
        corners.extend(vertices.map(|(&position, &normal)| {
            let place = projection.position(position);
            Corner {
                place: snapped(place),
                depth: place.z as f32,
                normal: projection.normal(normal),
            }
        }));
        for triangle in primitive.indices.chunks_exact(3) {
            let corner = |i: usize| corners[triangle[i] as usize];
            self.triangle([corner(0), corner(1), corner(2)], surface);
        }
        self.corners = corners;
    }

    fn triangle(&mut self, mut corners: [Corner; 3], surface: u32) {
        let mut area = cross(&corners, corners[2].place);
        if area == 0 {
            return;
        }
        if area < 0 {
            corners.swap(1, 2);
            area = -area;
        }
        let [a, b, c] = corners;
        let min = a.place.min(b.place).min(c.place);
        let max = a.place.max(b.place).max(c.place);
        let last = self.size as i64 - 1;
        let first_row = first_centre(min.y).max(0);
        let last_row = last_centre(max.y).min(last);
        let first_column = first_centre(min.x).max(0);
        let last_column = last_centre(max.x).min(last);
        if first_row > last_row || first_column > last_column {
            return;
        }
        let start = I64Vec2::new(first_column, first_row) * SUBSAMPLES + SUBSAMPLES / 2;
        // The weight of a corner is the edge function of the opposite side.
        let mut sides = [
            Side::new(b, c, start),
            Side::new(c, a, start),
            Side::new(a, b, start),
        ];
        let inverse = 1.0 / area as f32;
        for row in first_row..=last_row {
            let mut weights = sides.map(|side| side.value);
            let line = row as usize * self.size;
            for column in first_column..=last_column {
                if (weights[0] | weights[1] | weights[2]) >= 0 {
                    let [wa, wb, wc] =
                        [0, 1, 2].map(|i| (weights[i] + sides[i].bias) as f32 * inverse);
                    let depth = wa * a.depth + wb * b.depth + wc * c.depth;
                    let normal = || wa * a.normal + wb * b.normal + wc * c.normal;
                    self.put(line + column as usize, depth, normal, surface);
                }
                for (weight, side) in weights.iter_mut().zip(&sides) {
                    *weight += side.per_column;
                }
            }
            for side in &mut sides {
                side.value += side.per_row;
            }
        }
    }

    fn put(&mut self, index: usize, depth: f32, normal: impl Fn() -> Vec3, surface: u32) {
        let sample = &mut self.samples[index];
        if depth <= sample.depth {
            return;
        }
        let normal = normal().try_normalize().unwrap_or(Vec3::Z);
        let material = &self.surfaces[surface as usize];
        if material.is_transparent() {
            let blend = &mut self.blends[index];
            let lit = material.lit(normal);
            let opacity = lit.w;
            // From 1 at the back of the picture to 1000 at the front.
            let nearness = (depth / self.size as f32 + 0.5).clamp(0.0, 1.0);
            let weight = opacity * 1000.0_f32.powf(nearness);
            blend.sum += lit.truncate().extend(1.0) * weight;
            blend.transmittance *= 1.0 - opacity;
        } else {
            *sample = Sample {
                depth,
                normal: pack_normal(normal),
                surface,
            };
        }
    }
}

/// The edge function of a side, which is positive inside, and its increments.
#[derive(Debug, Clone, Copy)]
struct Side {
    value: i64,
    per_column: i64,
    per_row: i64,
    /// Subtracted from `value`, so that samples on a shared side belong to one triangle only.
    bias: i64,
}

impl Side {
    fn new(from: Corner, to: Corner, start: I64Vec2) -> Self {
        let along = to.place - from.place;
        let top_or_left = along.y < 0 || (along.y == 0 && along.x > 0);
        let bias = i64::from(!top_or_left);
        Self {
            value: along.perp_dot(start - from.place) - bias,
            per_column: -along.y * SUBSAMPLES,
            per_row: along.x * SUBSAMPLES,
            bias,
        }
    }
}

fn cross([a, b, _]: &[Corner; 3], c: I64Vec2) -> i64 {
    (b.place - a.place).perp_dot(c - a.place)
}

fn snapped(place: DVec3) -> I64Vec2 {
    // All corners are within the picture; the clamp guards against rounding errors of extreme
    // numbers.
    let limit = DVec3::splat(1e6);
    let parts = (place.clamp(-limit, limit) * SUBSAMPLES as f64).round();
    I64Vec2::new(parts.x as i64, parts.y as i64)
}

/// Returns the first sample whose centre is at or after `place`.
fn first_centre(place: i64) -> i64 {
    (place + SUBSAMPLES / 2 - 1).div_euclid(SUBSAMPLES)
}

/// Returns the last sample whose centre is at or before `place`.
fn last_centre(place: i64) -> i64 {
    (place - SUBSAMPLES / 2).div_euclid(SUBSAMPLES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_a_normal_round_trips(v in prop::array::uniform3(-1.0..1.0_f32)) {
            let normal = Vec3::from_array(v).try_normalize().unwrap_or(Vec3::X);
            let sample = Sample { normal: pack_normal(normal), ..Sample::EMPTY };
            prop_assert!(sample.normal().abs_diff_eq(normal, 1e-4), "{} {normal}", sample.normal());
        }
    }
}
