//! The compressed buffer views: positions, normals, and indices of 16 and of 32 bits.

use meshopt::{encode_index_buffer, encode_vertex_buffer_level};

use super::pack::{PackedNormal, PackedPart, PackedPosition, PackedPrimitive};
use crate::{
    SceneError,
    gltf::{
        assemble::{Layout, PrimitiveAccessors},
        document::{
            ARRAY_BUFFER, Accessor, Attributes, Buffer, BufferView, Compression, CompressionFilter,
            CompressionMode, ELEMENT_ARRAY_BUFFER, Fallback, Meshopt, SHORT, Shape, UNSIGNED_INT,
            UNSIGNED_SHORT, fits_16_bits,
        },
    },
};

/// The codec version that the extension specifies; the library's default is newer.
const VERTEX_CODEC: i32 = 0;
/// Has no effect with this codec version.
const VERTEX_LEVEL: i32 = 2;

/// Indices of the buffer with the BIN chunk, and of the one without data.
const COMPRESSED: usize = 0;
const FALLBACK: usize = 1;

const POSITIONS: usize = 0;
const NORMALS: usize = 1;
const SHORT_INDICES: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Streams {
    positions: Vec<PackedPosition>,
    normals: Vec<PackedNormal>,
    short_indices: Vec<u32>,
    long_indices: Vec<u32>,
    /// The view of 32-bit indices, which follows the 16-bit ones if there are any.
    long_view: usize,
    accessors: Vec<Accessor>,
    parts: Vec<Vec<PrimitiveAccessors>>,
}

impl Streams {
    pub(super) fn of(parts: &[PackedPart]) -> Self {
        let mut primitives = parts.iter().flat_map(|part| &part.primitives);
        let any_short = primitives.any(|p| fits_16_bits(p.positions.len()));
        let mut streams = Self {
            long_view: SHORT_INDICES + usize::from(any_short),
            ..Self::default()
        };
        for part in parts {
            let accessors = part.primitives.iter().map(|p| streams.add(p)).collect();
            streams.parts.push(accessors);
        }
        streams
    }

    fn add(&mut self, primitive: &PackedPrimitive) -> PrimitiveAccessors {
        let first = self.accessors.len();
        let (min, max) = primitive.bounds();
        let position = Accessor {
            buffer_view: POSITIONS,
            byte_offset: size_of_val(&self.positions[..]),
            component_type: UNSIGNED_SHORT,
            normalized: false,
            count: primitive.positions.len(),
            shape: Shape::Vec3,
            min: Some(min.map(f64::from)),
            max: Some(max.map(f64::from)),
        };
        let normal = Accessor {
            buffer_view: NORMALS,
            byte_offset: size_of_val(&self.normals[..]),
            component_type: SHORT,
            normalized: true,
            min: None,
            max: None,
            ..position.clone()
        };
        let (indices, view, component_type, width) = if fits_16_bits(position.count) {
            (&mut self.short_indices, SHORT_INDICES, UNSIGNED_SHORT, 2)
        } else {
            (&mut self.long_indices, self.long_view, UNSIGNED_INT, 4)
        };
        let index = Accessor {
            buffer_view: view,
            byte_offset: indices.len() * width,
            component_type,
            normalized: false,
            count: primitive.indices.len(),
            shape: Shape::Scalar,
            min: None,
            max: None,
        };
        indices.extend_from_slice(&primitive.indices);
        self.positions.extend_from_slice(&primitive.positions);
        self.normals.extend_from_slice(&primitive.normals);
        self.accessors.extend([position, normal, index]);
        PrimitiveAccessors {
            attributes: Attributes {
                position: first,
                normal: first + 1,
            },
            indices: first + 2,
        }
    }

    /// Returns the layout and the contents of the BIN chunk.
    pub(super) fn encode(self) -> Result<(Layout, Vec<u8>), SceneError> {
        let mut views = Views::default();
        views.add_vertices(&self.positions, None)?;
        views.add_vertices(&self.normals, Some(CompressionFilter::Octahedral))?;
        let vertices = self.positions.len();
        for (indices, width) in [(&self.short_indices, 2), (&self.long_indices, 4)] {
            if !indices.is_empty() {
                views.add_indices(indices, vertices, width)?;
            }
        }
        let layout = Layout {
            accessors: self.accessors,
            buffers: vec![
                Buffer {
                    byte_length: views.bin.len(),
                    extensions: None,
                },
                Buffer {
                    byte_length: views.decompressed,
                    extensions: Some(Meshopt {
                        meshopt: Fallback { fallback: true },
                    }),
                },
            ],
            views: views.list,
            parts: self.parts,
        };
        Ok((layout, views.bin))
    }
}

#[derive(Default)]
struct Views {
    list: Vec<BufferView>,
    bin: Vec<u8>,
    /// The total size of the decompressed views in bytes.
    decompressed: usize,
}

impl Views {
    fn add_vertices<T>(
        &mut self,
        vertices: &[T],
        filter: Option<CompressionFilter>,
    ) -> Result<(), SceneError> {
        let encoded = encode_vertex_buffer_level(vertices, VERTEX_LEVEL, Some(VERTEX_CODEC));
        let compression = Compression {
            byte_stride: size_of::<T>(),
            count: vertices.len(),
            mode: CompressionMode::Attributes,
            filter,
            ..self.next()
        };
        self.add(compression, &encoded.map_err(SceneError::Compress)?);
        Ok(())
    }

    fn add_indices(
        &mut self,
        indices: &[u32],
        vertices: usize,
        width: usize,
    ) -> Result<(), SceneError> {
        let encoded = encode_index_buffer(indices, vertices);
        let compression = Compression {
            byte_stride: width,
            count: indices.len(),
            mode: CompressionMode::Triangles,
            ..self.next()
        };
        self.add(compression, &encoded.map_err(SceneError::Compress)?);
        Ok(())
    }

    fn next(&self) -> Compression {
        Compression {
            buffer: COMPRESSED,
            byte_offset: self.bin.len(),
            byte_length: 0,
            byte_stride: 0,
            count: 0,
            mode: CompressionMode::Attributes,
            filter: None,
        }
    }

    fn add(&mut self, mut compression: Compression, encoded: &[u8]) {
        compression.byte_length = encoded.len();
        let byte_length = compression.count * compression.byte_stride;
        let is_vertices = compression.mode == CompressionMode::Attributes;
        self.list.push(BufferView {
            buffer: FALLBACK,
            byte_offset: self.decompressed,
            byte_length,
            byte_stride: is_vertices.then_some(compression.byte_stride),
            target: Some(if is_vertices {
                ARRAY_BUFFER
            } else {
                ELEMENT_ARRAY_BUFFER
            }),
            extensions: Some(Meshopt {
                meshopt: compression,
            }),
        });
        self.decompressed += byte_length.next_multiple_of(4);
        self.bin.extend_from_slice(encoded);
        self.bin.resize(self.bin.len().next_multiple_of(4), 0);
    }
}
