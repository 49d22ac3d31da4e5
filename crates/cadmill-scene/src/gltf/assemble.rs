//! Converts a scene and an overlay into the nodes, meshes and materials of a glTF document. A
//! [`Layout`] describes where the mesh data is, so the canonical and the compressed GLB share this
//! code.

use std::collections::BTreeMap;

use crate::{
    Material, MaterialIndex, Occurrence, OccurrenceIndex, Overlay, Part, PartIndex, Scene,
    gltf::{
        document::{
            Accessor, Asset, Attributes, Buffer, BufferView, Document, Extras, FORMAT,
            GltfMaterial, GltfPrimitive, GltfScene, Mesh, MetallicRoughness, Node, OccurrenceInfo,
            PartInfo, PrimitiveInfo, SceneInfo,
        },
        placement::{Placement, Z_UP_TO_Y_UP},
    },
};

/// The buffers, views and accessors of the mesh data.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub accessors: Vec<Accessor>,
    pub views: Vec<BufferView>,
    pub buffers: Vec<Buffer>,
    /// The accessors of each primitive of each part.
    pub parts: Vec<Vec<PrimitiveAccessors>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PrimitiveAccessors {
    pub attributes: Attributes,
    pub indices: usize,
}

/// Builds the document. Node 0 is the root; node `i + 1` is occurrence `i`.
pub(crate) fn assemble(scene: &Scene, overlay: &Overlay, layout: Layout) -> Document {
    let mut document = Document {
        asset: Asset {
            version: "2.0".to_owned(),
            generator: scene.provenance.converter.clone(),
            extras: Extras {
                cadmill: scene_info(scene),
            },
        },
        extensions_used: Vec::new(),
        extensions_required: Vec::new(),
        scene: 0,
        scenes: vec![GltfScene { nodes: vec![0] }],
        nodes: nodes(scene),
        meshes: Vec::new(),
        materials: Vec::new(),
        accessors: layout.accessors,
        buffer_views: layout.views,
        buffers: layout.buffers,
    };
    assign_materials(&mut document, scene, overlay, &layout.parts);
    document
}

/// Assigns meshes to nodes and materials to meshes, replacing existing ones.
pub(crate) fn assign_materials(
    document: &mut Document,
    scene: &Scene,
    overlay: &Overlay,
    parts: &[Vec<PrimitiveAccessors>],
) {
    let node_variants: Vec<Option<MeshVariant>> = (0..scene.occurrences.len())
        .map(|index| MeshVariant::of(scene, overlay, OccurrenceIndex(index)))
        .collect();
    // Only variants in use, sorted by part and then by material.
    let mut variants: BTreeMap<MeshVariant, usize> =
        node_variants.iter().flatten().map(|c| (*c, 0)).collect();
    for (position, mesh) in variants.values_mut().enumerate() {
        *mesh = position;
    }
    for (node, variant) in document.nodes[1..].iter_mut().zip(&node_variants) {
        node.mesh = variant.map(|variant| variants[&variant]);
    }

    let material_of = |variant: &MeshVariant, primitive| {
        variant
            .material
            .unwrap_or_else(|| overlay.primitive_material(scene, variant.part, primitive))
    };
    let mut used: BTreeMap<MaterialIndex, usize> = variants
        .keys()
        .flat_map(|variant| {
            let primitives = 0..scene.parts[variant.part.0].primitives.len();
            primitives.map(move |primitive| (material_of(variant, primitive), 0))
        })
        .collect();
    for (position, material) in used.values_mut().enumerate() {
        *material = position;
    }
    document.materials = used
        .keys()
        .map(|&index| gltf_material(overlay.material(scene, index)))
        .collect();
    document.meshes = variants
        .keys()
        .map(|variant| {
            let part = &scene.parts[variant.part.0];
            let primitives = part.primitives.iter().zip(&parts[variant.part.0]);
            Mesh {
                name: part.name.clone(),
                primitives: primitives
                    .enumerate()
                    .map(|(index, (primitive, accessors))| GltfPrimitive {
                        attributes: accessors.attributes,
                        indices: accessors.indices,
                        material: used[&material_of(variant, index)],
                        extras: Extras {
                            cadmill: PrimitiveInfo {
                                material: primitive.material.0,
                            },
                        },
                    })
                    .collect(),
                extras: Extras {
                    cadmill: part_info(part, variant.part),
                },
            }
        })
        .collect();
}

/// The mesh of a part as occurrences use it: with its own materials, or entirely in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MeshVariant {
    part: PartIndex,
    material: Option<MaterialIndex>,
}

impl MeshVariant {
    fn of(scene: &Scene, overlay: &Overlay, index: OccurrenceIndex) -> Option<Self> {
        let part = scene.occurrences[index.0].part?;
        let has_mesh = !scene.parts[part.0].primitives.is_empty();
        has_mesh.then(|| Self {
            part,
            material: overlay.occurrence_material(scene, index),
        })
    }
}

fn nodes(scene: &Scene) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(scene.occurrences.len() + 1);
    nodes.push(root(scene));
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        let parent = occurrence.parent.map_or(0, |parent| parent.0 + 1);
        nodes[parent].children.push(index + 1);
        nodes.push(node(scene, occurrence));
    }
    nodes
}

fn root(scene: &Scene) -> Node {
    let mut roots = scene.occurrences.iter().filter(|o| o.parent.is_none());
    let name = match (roots.next(), roots.next()) {
        (Some(only), None) => only.name.clone(),
        _ => "root".to_owned(),
    };
    Node {
        name,
        translation: None,
        rotation: Some(Z_UP_TO_Y_UP),
        scale: None,
        mesh: None,
        children: Vec::new(),
        extras: None,
    }
}

fn node(scene: &Scene, occurrence: &Occurrence) -> Node {
    let part = occurrence.part.map(|index| (&scene.parts[index.0], index));
    let meshless = part.filter(|(part, _)| part.primitives.is_empty());
    let mut node = Node {
        name: occurrence.name.clone(),
        translation: None,
        rotation: None,
        scale: None,
        mesh: None,
        children: Vec::new(),
        extras: Some(Extras {
            cadmill: OccurrenceInfo {
                key: occurrence.key.clone(),
                product_id: occurrence.product_id.clone(),
                designator: occurrence.designator.clone(),
                layers: occurrence.layers.clone(),
                part: part.map(|(part, _)| part.key.clone()),
                material: occurrence.material.map(|material| material.0),
                meshless: meshless.map(|(part, index)| part_info(part, index)),
            },
        }),
    };
    Placement::of(&occurrence.transform).place(&mut node);
    node
}

fn scene_info(scene: &Scene) -> SceneInfo {
    SceneInfo {
        format: FORMAT,
        source_hash: scene.provenance.source_hash,
        recipe: scene.provenance.recipe.clone(),
        converter: scene.provenance.converter.clone(),
        materials: scene.materials.clone(),
    }
}

fn part_info(part: &Part, index: PartIndex) -> PartInfo {
    PartInfo {
        part: part.key.clone(),
        index: index.0,
        name: part.name.clone(),
        physical: part.physical.clone(),
        layers: part.layers.clone(),
    }
}

/// Materials are double-sided: CAD files contain open surfaces, and a face that cannot be meshed
/// opens a solid. With back faces culled, such parts look broken in every viewer.
fn gltf_material(material: &Material) -> GltfMaterial {
    let transparent = material.base_color[3] < 1.0;
    GltfMaterial {
        name: material.name.clone(),
        pbr_metallic_roughness: MetallicRoughness {
            base_color: material.base_color,
            metallic: material.metallic,
            roughness: material.roughness,
        },
        alpha_mode: transparent.then(|| "BLEND".to_owned()),
        double_sided: true,
    }
}
