//! Quantizes and welds the vertices of a part, and orders them for graphics hardware.

use bytemuck::{Pod, Zeroable};
use meshopt::{
    encode_filter_oct, generate_vertex_remap, optimize_vertex_cache, optimize_vertex_fetch,
    remap_index_buffer, remap_vertex_buffer,
};

use crate::{Part, Primitive};

/// Bits per octahedral coordinate of a normal, for a precision of about 0.2°. With 8 bits, which
/// need half the graphics memory, large polished faces show bands.
const NORMAL_BITS: i32 = 10;

/// The maximum quantized coordinate.
const MAX_QUANTIZED: f64 = u16::MAX as f64;

/// Three coordinates, padded to a multiple of four bytes.
pub(super) type PackedPosition = [u16; 4];
/// The input of the octahedral filter: two coordinates, the value of 1, and padding.
pub(super) type PackedNormal = [i16; 4];

/// A part with positions `offset + scale × quantized`.
#[derive(Debug)]
pub(super) struct PackedPart {
    pub offset: [f64; 3],
    pub scale: f64,
    pub primitives: Vec<PackedPrimitive>,
}

#[derive(Debug)]
pub(super) struct PackedPrimitive {
    pub positions: Vec<PackedPosition>,
    pub normals: Vec<PackedNormal>,
    pub indices: Vec<u32>,
}

#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Vertex {
    position: PackedPosition,
    normal: PackedNormal,
}

impl PackedPart {
    pub(super) fn of(part: &Part) -> Self {
        let mut min = [f64::INFINITY; 3];
        let mut max = [f64::NEG_INFINITY; 3];
        for position in part.primitives.iter().flat_map(|p| &p.positions) {
            for axis in 0..3 {
                min[axis] = min[axis].min(f64::from(position[axis]));
                max[axis] = max[axis].max(f64::from(position[axis]));
            }
        }
        let extent = (0..3).map(|axis| max[axis] - min[axis]).fold(0.0, f64::max);
        // If all positions are equal, the extent is 0 and any scale works.
        let scale = if extent > 0.0 {
            extent / MAX_QUANTIZED
        } else {
            1.0
        };
        let pack = |primitive| PackedPrimitive::of(primitive, min, scale);
        Self {
            offset: min,
            scale,
            primitives: part.primitives.iter().map(pack).collect(),
        }
    }
}

impl PackedPrimitive {
    fn of(primitive: &Primitive, offset: [f64; 3], scale: f64) -> Self {
        let vertices = quantize(primitive, offset, scale);
        let (count, remap) = generate_vertex_remap(&vertices, Some(&primitive.indices));
        let indices = remap_index_buffer(Some(&primitive.indices), vertices.len(), &remap);
        let vertices = remap_vertex_buffer(&vertices, count, &remap);
        let indices = without_degenerate(indices, &vertices);
        let mut indices = optimize_vertex_cache(&indices, vertices.len());
        let vertices = optimize_vertex_fetch(&mut indices, &vertices);
        Self {
            positions: vertices.iter().map(|vertex| vertex.position).collect(),
            normals: vertices.iter().map(|vertex| vertex.normal).collect(),
            indices,
        }
    }

    pub(super) fn bounds(&self) -> ([u16; 3], [u16; 3]) {
        let mut min = [u16::MAX; 3];
        let mut max = [0; 3];
        for position in &self.positions {
            for axis in 0..3 {
                min[axis] = min[axis].min(position[axis]);
                max[axis] = max[axis].max(position[axis]);
            }
        }
        (min, max)
    }
}

fn quantize(primitive: &Primitive, offset: [f64; 3], scale: f64) -> Vec<Vertex> {
    let normals: Vec<[f32; 4]> = primitive
        .normals
        .iter()
        .map(|&[x, y, z]| [x, y, z, 0.0])
        .collect();
    let normals: Vec<PackedNormal> = encode_filter_oct(&normals, NORMAL_BITS);
    let quantized = |position: &[f32; 3], axis: usize| {
        let steps = (f64::from(position[axis]) - offset[axis]) / scale;
        steps.round().clamp(0.0, MAX_QUANTIZED) as u16
    };
    let positions = primitive.positions.iter();
    positions
        .zip(normals)
        .map(|(p, normal)| Vertex {
            position: [quantized(p, 0), quantized(p, 1), quantized(p, 2), 0],
            normal,
        })
        .collect()
}

/// Removes triangles that quantization made degenerate, unless none would remain.
fn without_degenerate(indices: Vec<u32>, vertices: &[Vertex]) -> Vec<u32> {
    let kept: Vec<u32> = indices
        .chunks_exact(3)
        .filter(|triangle| {
            let place = |corner: usize| vertices[triangle[corner] as usize].position;
            place(0) != place(1) && place(1) != place(2) && place(2) != place(0)
        })
        .flatten()
        .copied()
        .collect();
    if kept.is_empty() { indices } else { kept }
}
