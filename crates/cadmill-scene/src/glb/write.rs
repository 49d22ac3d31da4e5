//! Writes a scene as a canonical GLB. Each part has one buffer view for vertices and one for
//! indices, in the order of the parts, so the data of a part is contiguous.

use std::io::Write;

use crate::{
    Overlay, Part, Primitive, Scene, SceneError,
    gltf::{
        assemble::{Layout, PrimitiveAccessors, assemble},
        container::write_head,
        document::{
            ARRAY_BUFFER, Accessor, Attributes, Buffer, BufferView, Document, ELEMENT_ARRAY_BUFFER,
            FLOAT, Shape, UNSIGNED_INT, UNSIGNED_SHORT, fits_16_bits,
        },
    },
};

const VERTEX_BYTES: usize = size_of::<[f32; 3]>();

/// Writes `scene` with the materials of `overlay` as a canonical GLB.
///
/// # Errors
/// If the scene is invalid, the overlay was resolved for another scene, or the result exceeds the 4
/// GiB limit of GLB.
pub fn write(scene: &Scene, overlay: &Overlay) -> Result<Vec<u8>, SceneError> {
    let (document, bin_length) = prepare(scene, overlay)?;
    let mut glb = Vec::new();
    write_head(&document, bin_length as u64, &mut glb)?;
    glb.reserve_exact(bin_length);
    write_parts(&scene.parts, &mut glb)?;
    Ok(glb)
}

/// Like [`write()`], but writes to `out` without a second copy of the mesh data. Mesh data is
/// written in large slices, so `out` needs a buffer only if there are many small parts.
///
/// # Errors
/// Those of [`write()`], and errors of `out`.
pub fn write_to(scene: &Scene, overlay: &Overlay, out: &mut impl Write) -> Result<(), SceneError> {
    let (document, bin_length) = prepare(scene, overlay)?;
    write_head(&document, bin_length as u64, out)?;
    write_parts(&scene.parts, out)
}

fn prepare(scene: &Scene, overlay: &Overlay) -> Result<(Document, usize), SceneError> {
    scene.check()?;
    overlay.check(scene)?;
    let (layout, bin_length) = lay_out(&scene.parts);
    Ok((assemble(scene, overlay, layout), bin_length))
}

fn lay_out(parts: &[Part]) -> (Layout, usize) {
    let mut layout = Layout::default();
    let mut length = 0;
    for part in parts {
        let accessors = lay_out_part(part, &mut layout, &mut length);
        layout.parts.push(accessors);
    }
    if length > 0 {
        layout.buffers.push(Buffer {
            byte_length: length,
            extensions: None,
        });
    }
    (layout, length)
}

fn lay_out_part(part: &Part, layout: &mut Layout, length: &mut usize) -> Vec<PrimitiveAccessors> {
    if part.primitives.is_empty() {
        return Vec::new();
    }
    let vertices = layout.views.len();
    let indices = vertices + 1;
    let (mut vertex_bytes, mut index_bytes) = (0, 0);
    let accessors = part
        .primitives
        .iter()
        .map(|primitive| {
            let first = layout.accessors.len();
            let array_bytes = primitive.positions.len() * VERTEX_BYTES;
            let (min, max) = bounds(&primitive.positions);
            let position = Accessor {
                buffer_view: vertices,
                byte_offset: vertex_bytes,
                component_type: FLOAT,
                normalized: false,
                count: primitive.positions.len(),
                shape: Shape::Vec3,
                min: Some(min.map(f64::from)),
                max: Some(max.map(f64::from)),
            };
            let normal = Accessor {
                byte_offset: vertex_bytes + array_bytes,
                min: None,
                max: None,
                ..position.clone()
            };
            let index = Accessor {
                buffer_view: indices,
                byte_offset: index_bytes,
                component_type: if fits_16_bits(primitive.positions.len()) {
                    UNSIGNED_SHORT
                } else {
                    UNSIGNED_INT
                },
                normalized: false,
                count: primitive.indices.len(),
                shape: Shape::Scalar,
                min: None,
                max: None,
            };
            layout.accessors.extend([position, normal, index]);
            vertex_bytes += 2 * array_bytes;
            index_bytes += padded_index_bytes(primitive);
            PrimitiveAccessors {
                attributes: Attributes {
                    position: first,
                    normal: first + 1,
                },
                indices: first + 2,
            }
        })
        .collect();
    layout.views.extend([
        BufferView {
            buffer: 0,
            byte_offset: *length,
            byte_length: vertex_bytes,
            byte_stride: Some(VERTEX_BYTES),
            target: Some(ARRAY_BUFFER),
            extensions: None,
        },
        BufferView {
            buffer: 0,
            byte_offset: *length + vertex_bytes,
            byte_length: index_bytes,
            byte_stride: None,
            target: Some(ELEMENT_ARRAY_BUFFER),
            extensions: None,
        },
    ]);
    *length += vertex_bytes + index_bytes;
    accessors
}

fn write_parts(parts: &[Part], out: &mut impl Write) -> Result<(), SceneError> {
    let mut parts = parts.iter();
    parts
        .try_for_each(|part| write_part(part, out))
        .map_err(SceneError::Write)
}

fn write_part(part: &Part, out: &mut impl Write) -> std::io::Result<()> {
    for primitive in &part.primitives {
        out.write_all(bytemuck::cast_slice(&primitive.positions))?;
        out.write_all(bytemuck::cast_slice(&primitive.normals))?;
    }
    for primitive in &part.primitives {
        if fits_16_bits(primitive.positions.len()) {
            write_short_indices(&primitive.indices, out)?;
        } else {
            out.write_all(bytemuck::cast_slice(&primitive.indices))?;
        }
    }
    Ok(())
}

/// Writes indices as `u16`, padded to a multiple of four bytes.
fn write_short_indices(indices: &[u32], out: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = [0_u16; 4096];
    for chunk in indices.chunks(buffer.len()) {
        for (to, from) in buffer.iter_mut().zip(chunk) {
            *to = *from as u16;
        }
        out.write_all(bytemuck::cast_slice(&buffer[..chunk.len()]))?;
    }
    let padding = indices.len() % 2 * size_of::<u16>();
    out.write_all(&[0; 2][..padding])
}

fn padded_index_bytes(primitive: &Primitive) -> usize {
    let width = if fits_16_bits(primitive.positions.len()) {
        2
    } else {
        4
    };
    (primitive.indices.len() * width).next_multiple_of(4)
}

fn bounds(positions: &[[f32; 3]]) -> ([f32; 3], [f32; 3]) {
    let mut min = [f32::INFINITY; 3];
    let mut max = [f32::NEG_INFINITY; 3];
    for position in positions {
        for axis in 0..3 {
            min[axis] = min[axis].min(position[axis]);
            max[axis] = max[axis].max(position[axis]);
        }
    }
    (min, max)
}
