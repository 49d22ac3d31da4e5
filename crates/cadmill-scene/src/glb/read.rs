//! Reads and checks the scene of a canonical GLB.

use std::collections::BTreeMap;

use bytemuck::Pod;

use crate::{
    MaterialIndex, Occurrence, OccurrenceIndex, Part, PartIndex, Primitive, Provenance, Scene,
    SceneError,
    gltf::{
        assemble::PrimitiveAccessors,
        container::{Chunks, parse, parse_document},
        document::{
            Accessor, Document, FLOAT, FORMAT, GltfPrimitive, Node, OccurrenceInfo, PartInfo,
            Shape, UNSIGNED_INT, UNSIGNED_SHORT,
        },
        placement::{Placement, Z_UP_TO_Y_UP},
    },
};

/// Reads the scene of a canonical GLB with the materials of the STEP file. Materials of an overlay
/// are ignored.
///
/// # Errors
/// If this is not a GLB, not a canonical scene, or damaged.
pub fn read(glb: &[u8]) -> Result<Scene, SceneError> {
    let Chunks { json, bin } = parse(glb)?;
    let document = parse_document(json)?;
    let Skeleton { mut scene, parts } = Skeleton::of(&document)?;
    let mut bytes = Bytes::of(&document, bin)?;
    for (part, accessors) in scene.parts.iter_mut().zip(&parts) {
        for (primitive, accessors) in part.primitives.iter_mut().zip(accessors) {
            primitive.positions = bytes.vectors(accessors.attributes.position)?;
            primitive.normals = bytes.vectors(accessors.attributes.normal)?;
            primitive.indices = bytes.indices(accessors.indices)?;
        }
    }
    scene.check()?;
    Ok(scene)
}

/// A scene without its mesh data.
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// The scene, whose primitives have materials but no positions, normals or indices.
    pub scene: Scene,
    /// The accessors of each primitive of each part.
    pub parts: Vec<Vec<PrimitiveAccessors>>,
}

impl Skeleton {
    pub(crate) fn of(document: &Document) -> Result<Self, SceneError> {
        let info = &document.asset.extras.cadmill;
        if info.format != FORMAT {
            return Err(SceneError::NotCanonical(
                "its format version is not supported",
            ));
        }
        if !document.extensions_required.is_empty() {
            return Err(SceneError::NotCanonical("it is a compressed copy"));
        }
        let parents = parents(document)?;
        let mut found = BTreeMap::new();
        collect_parts(document, &mut found)?;
        let occurrences = document.nodes[1..]
            .iter()
            .zip(parents)
            .map(|(node, parent)| occurrence(document, node, parent))
            .collect::<Result<_, _>>()?;
        let mut parts = Vec::with_capacity(found.len());
        let mut scene = Scene {
            provenance: Provenance {
                source_hash: info.source_hash,
                recipe: info.recipe.clone(),
                converter: info.converter.clone(),
            },
            parts: Vec::with_capacity(found.len()),
            materials: info.materials.clone(),
            occurrences,
        };
        for (position, (index, (info, primitives))) in found.into_iter().enumerate() {
            if index != position {
                return Err(damaged("the part numbers have gaps"));
            }
            scene.parts.push(part(info, primitives));
            parts.push(primitives.iter().map(accessors).collect());
        }
        Ok(Self { scene, parts })
    }
}

type FoundParts<'a> = BTreeMap<usize, (&'a PartInfo, &'a [GltfPrimitive])>;

/// Collects all parts: those with a mesh from the meshes, the others from the nodes.
fn collect_parts<'a>(document: &'a Document, found: &mut FoundParts<'a>) -> Result<(), SceneError> {
    let meshes = document
        .meshes
        .iter()
        .map(|mesh| (&mesh.extras.cadmill, &mesh.primitives[..]));
    let meshless = document
        .nodes
        .iter()
        .filter_map(|node| node.extras.as_ref()?.cadmill.meshless.as_ref())
        .map(|part| (part, &[][..]));
    for (info, primitives) in meshes.chain(meshless) {
        let (first, known) = *found.entry(info.index).or_insert((info, primitives));
        if first != info
            || !known
                .iter()
                .map(accessors)
                .eq(primitives.iter().map(accessors))
        {
            return Err(damaged(
                "two meshes of one part differ in more than their materials",
            ));
        }
    }
    Ok(())
}

fn part(info: &PartInfo, primitives: &[GltfPrimitive]) -> Part {
    Part {
        key: info.part.clone(),
        name: info.name.clone(),
        physical: info.physical.clone(),
        layers: info.layers.clone(),
        primitives: primitives
            .iter()
            .map(|primitive| Primitive {
                material: MaterialIndex(primitive.extras.cadmill.material),
                positions: Vec::new(),
                normals: Vec::new(),
                indices: Vec::new(),
            })
            .collect(),
    }
}

fn accessors(primitive: &GltfPrimitive) -> PrimitiveAccessors {
    PrimitiveAccessors {
        attributes: primitive.attributes,
        indices: primitive.indices,
    }
}

fn occurrence(
    document: &Document,
    node: &Node,
    parent: Option<OccurrenceIndex>,
) -> Result<Occurrence, SceneError> {
    let Some(info) = node.extras.as_ref().map(|extras| &extras.cadmill) else {
        return Err(damaged("a node has no key"));
    };
    let Some(placement) = Placement::of_node(node) else {
        return Err(SceneError::Transform(info.key.clone()));
    };
    Ok(Occurrence {
        parent,
        key: info.key.clone(),
        name: node.name.clone(),
        product_id: info.product_id.clone(),
        designator: info.designator.clone(),
        transform: placement.to_transform(),
        part: part_of_node(document, node, info)?,
        material: info.material.map(MaterialIndex),
        layers: info.layers.clone(),
    })
}

fn part_of_node(
    document: &Document,
    node: &Node,
    info: &OccurrenceInfo,
) -> Result<Option<PartIndex>, SceneError> {
    let mesh = match node.mesh {
        Some(mesh) => {
            let mesh = document.meshes.get(mesh);
            let mesh =
                mesh.ok_or_else(|| damaged("a node refers to a mesh that does not exist"))?;
            Some(&mesh.extras.cadmill)
        }
        None => None,
    };
    let part = mesh.or(info.meshless.as_ref());
    if part.map(|part| &part.part) != info.part.as_ref() {
        return Err(damaged("a node and its mesh belong to different parts"));
    }
    Ok(part.map(|part| PartIndex(part.index)))
}

/// Returns the parent of each node except the root. Parents must precede their children, which also
/// rules out cycles.
fn parents(document: &Document) -> Result<Vec<Option<OccurrenceIndex>>, SceneError> {
    let root = document.nodes.first();
    let sound = document.scene == 0
        && matches!(&document.scenes[..], [scene] if scene.nodes == [0])
        && root.is_some_and(|root| root.rotation == Some(Z_UP_TO_Y_UP) && root.extras.is_none());
    if !sound {
        return Err(SceneError::NotCanonical(
            "its root node does not convert the axes",
        ));
    }
    let mut parents: Vec<Option<usize>> = vec![None; document.nodes.len()];
    for (parent, node) in document.nodes.iter().enumerate() {
        for &child in &node.children {
            let slot = parents.get_mut(child).filter(|_| child > parent);
            match slot {
                Some(slot @ None) => *slot = Some(parent),
                _ => {
                    return Err(damaged(
                        "the nodes are not a tree in which parents precede children",
                    ));
                }
            }
        }
    }
    parents[1..]
        .iter()
        .map(|parent| match parent {
            Some(parent) => Ok(parent.checked_sub(1).map(OccurrenceIndex)),
            None => Err(damaged("a node is not in the tree")),
        })
        .collect()
}

/// Reads the arrays in the BIN chunk.
struct Bytes<'a> {
    document: &'a Document,
    bin: &'a [u8],
    /// The number of bytes that may still be read. Arrays do not overlap, so reading more than the
    /// chunk holds means that a small file claims to be a large scene.
    left: usize,
}

impl<'a> Bytes<'a> {
    fn of(document: &'a Document, bin: &'a [u8]) -> Result<Self, SceneError> {
        let declared = match &document.buffers[..] {
            [] => 0,
            [buffer] => buffer.byte_length,
            _ => return Err(SceneError::NotCanonical("it has more than one buffer")),
        };
        if declared > bin.len() || bin.len() - declared >= 4 {
            return Err(damaged("the buffer and the BIN chunk differ in length"));
        }
        Ok(Self {
            document,
            bin,
            left: bin.len(),
        })
    }

    fn vectors(&mut self, accessor: usize) -> Result<Vec<[f32; 3]>, SceneError> {
        let accessor = self.accessor(accessor, Shape::Vec3)?;
        if accessor.component_type != FLOAT {
            return Err(damaged("a vertex array does not consist of floats"));
        }
        self.array(accessor)
    }

    fn indices(&mut self, accessor: usize) -> Result<Vec<u32>, SceneError> {
        let accessor = self.accessor(accessor, Shape::Scalar)?;
        match accessor.component_type {
            UNSIGNED_INT => self.array(accessor),
            UNSIGNED_SHORT => {
                let short: Vec<u16> = self.array(accessor)?;
                Ok(short.into_iter().map(u32::from).collect())
            }
            _ => Err(damaged("indices have neither 16 nor 32 bits")),
        }
    }

    fn accessor(&self, index: usize, shape: Shape) -> Result<&'a Accessor, SceneError> {
        self.document
            .accessors
            .get(index)
            .filter(|accessor| accessor.shape == shape && !accessor.normalized)
            .ok_or_else(|| damaged("an accessor is missing or of the wrong kind"))
    }

    fn array<T: Pod>(&mut self, accessor: &Accessor) -> Result<Vec<T>, SceneError> {
        let bytes = self
            .slice(accessor, size_of::<T>())
            .ok_or_else(|| damaged("an array is outside the BIN chunk"))?;
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| damaged("arrays overlap"))?;
        Ok(bytemuck::pod_collect_to_vec(bytes))
    }

    fn slice(&self, accessor: &Accessor, element_bytes: usize) -> Option<&'a [u8]> {
        let view = self.document.buffer_views.get(accessor.buffer_view)?;
        let packed = view
            .byte_stride
            .is_none_or(|stride| stride == element_bytes);
        if view.buffer != 0 || !packed {
            return None;
        }
        let view_end = view.byte_offset.checked_add(view.byte_length)?;
        let view = self.bin.get(view.byte_offset..view_end)?;
        let length = accessor.count.checked_mul(element_bytes)?;
        view.get(accessor.byte_offset..accessor.byte_offset.checked_add(length)?)
    }
}

fn damaged(problem: &str) -> SceneError {
    SceneError::Damaged(problem.to_owned())
}
