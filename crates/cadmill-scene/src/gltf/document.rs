//! The glTF JSON document, typed and with a fixed order of fields. Data that only Cadmill reads is
//! in `extras`, always under the key `cadmill`.

use cadmill_domain::{ContentHash, RecipeFingerprint};
use serde::{Deserialize, Serialize};

use crate::{Material, OccurrenceKey, PartKey, PhysicalMaterial};

/// The version of the `extras`, incremented when their meaning changes.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const FLOAT: u32 = 5126;
pub(crate) const SHORT: u32 = 5122;
pub(crate) const UNSIGNED_SHORT: u32 = 5123;
pub(crate) const UNSIGNED_INT: u32 = 5125;
pub(crate) const ARRAY_BUFFER: u32 = 34962;
pub(crate) const ELEMENT_ARRAY_BUFFER: u32 = 34963;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Document {
    pub asset: Asset,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions_used: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions_required: Vec<String>,
    pub scene: usize,
    pub scenes: Vec<GltfScene>,
    pub nodes: Vec<Node>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meshes: Vec<Mesh>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<GltfMaterial>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accessors: Vec<Accessor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buffer_views: Vec<BufferView>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buffers: Vec<Buffer>,
}

/// The `extras` that Cadmill adds to glTF objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Extras<T> {
    pub cadmill: T,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asset {
    pub version: String,
    pub generator: String,
    pub extras: Extras<SceneInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SceneInfo {
    pub format: u32,
    pub source_hash: ContentHash,
    pub recipe: RecipeFingerprint,
    pub converter: String,
    /// All materials of the scene. The glTF list holds only those in use, and an overlay may have
    /// replaced some of them.
    pub materials: Vec<Material>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GltfScene {
    pub nodes: Vec<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<[f64; 4]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<usize>,
    /// `None` only for the root, which converts the axes and is not an occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<Extras<OccurrenceInfo>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OccurrenceInfo {
    pub key: OccurrenceKey,
    pub product_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub designator: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Also stored in the mesh, because viewers merge the extras of a node and its mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartKey>,
    /// The colour that the STEP file assigns to this occurrence only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<usize>,
    /// The part, if it has no mesh that could store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meshless: Option<PartInfo>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartInfo {
    pub part: PartKey,
    /// The index of the part. Unlike the key, it is not stable across revisions.
    pub index: usize,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical: Option<PhysicalMaterial>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mesh {
    pub name: String,
    pub primitives: Vec<GltfPrimitive>,
    pub extras: Extras<PartInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GltfPrimitive {
    pub attributes: Attributes,
    pub indices: usize,
    pub material: usize,
    pub extras: Extras<PrimitiveInfo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub(crate) struct Attributes {
    pub position: usize,
    pub normal: usize,
}

/// The material that the STEP file assigns to the primitive, unaffected by an overlay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrimitiveInfo {
    pub material: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GltfMaterial {
    pub name: String,
    pub pbr_metallic_roughness: MetallicRoughness,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha_mode: Option<String>,
    pub double_sided: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetallicRoughness {
    #[serde(rename = "baseColorFactor")]
    pub base_color: [f32; 4],
    #[serde(rename = "metallicFactor")]
    pub metallic: f32,
    #[serde(rename = "roughnessFactor")]
    pub roughness: f32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Accessor {
    pub buffer_view: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub byte_offset: usize,
    pub component_type: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    pub normalized: bool,
    pub count: usize,
    #[serde(rename = "type")]
    pub shape: Shape,
    /// As `f64`, which represents every `f32` and `u32` exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<[f64; 3]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Shape {
    Scalar,
    Vec3,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BufferView {
    pub buffer: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub byte_offset: usize,
    pub byte_length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_stride: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Meshopt<Compression>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Buffer {
    pub byte_length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Meshopt<Fallback>>,
}

/// The object that `EXT_meshopt_compression` adds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meshopt<T> {
    #[serde(rename = "EXT_meshopt_compression")]
    pub meshopt: T,
}

/// The location of the compressed data of a view.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Compression {
    pub buffer: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub byte_offset: usize,
    pub byte_length: usize,
    pub byte_stride: usize,
    pub count: usize,
    pub mode: CompressionMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<CompressionFilter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CompressionMode {
    Attributes,
    Triangles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CompressionFilter {
    Octahedral,
}

/// Marks a buffer without data, which only states the size of the decompressed views.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fallback {
    pub fallback: bool,
}

/// Whether `u16` indices suffice for this many vertices. 65535 is excluded, because graphics APIs
/// use it to restart a primitive.
pub(crate) const fn fits_16_bits(vertices: usize) -> bool {
    vertices <= u16::MAX as usize
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde requires this signature"
)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde requires this signature"
)]
fn is_false(b: &bool) -> bool {
    !*b
}
