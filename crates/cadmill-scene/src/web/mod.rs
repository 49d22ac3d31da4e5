//! The GLB for browsers: compressed with `EXT_meshopt_compression`, with positions quantized
//! (`KHR_mesh_quantization`) to 16 bits over the largest extent of their part.
//!
//! Extensions: <https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0>. All parts share one
//! stream of positions, one of normals, and one or two of indices.

mod pack;
mod stream;

use glam::DVec3;
use rayon::prelude::*;

use self::{pack::PackedPart, stream::Streams};
use crate::{
    Overlay, Scene, SceneError, glb,
    gltf::{
        assemble::assemble,
        container::write_head,
        document::{Document, Node},
        placement::Placement,
    },
};

/// Writes `scene` with the materials of `overlay` as a compressed GLB. Names and the `extras` of
/// nodes, meshes and primitives are those of the canonical GLB.
///
/// The transform of a leaf node includes the dequantization of its part; a node with children gets
/// an additional child for it. A scene without meshes is written uncompressed.
///
/// # Errors
/// Those of [`glb::write`].
pub fn compress(scene: &Scene, overlay: &Overlay) -> Result<Vec<u8>, SceneError> {
    scene.check()?;
    overlay.check(scene)?;
    let parts: Vec<PackedPart> = scene.parts.par_iter().map(PackedPart::of).collect();
    if parts.iter().all(|part| part.primitives.is_empty()) {
        return glb::write(scene, overlay);
    }
    let (layout, bin) = Streams::of(&parts).encode()?;
    let mut document = assemble(scene, overlay, layout);
    let extensions = ["EXT_meshopt_compression", "KHR_mesh_quantization"].map(str::to_owned);
    document.extensions_used = extensions.to_vec();
    document.extensions_required = extensions.to_vec();
    add_dequantization(&mut document, scene, &parts);
    let mut compressed = Vec::new();
    write_head(&document, bin.len() as u64, &mut compressed)?;
    compressed.extend_from_slice(&bin);
    Ok(compressed)
}

/// Adds the dequantization to the transforms.
fn add_dequantization(document: &mut Document, scene: &Scene, parts: &[PackedPart]) {
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        let Some(part) = occurrence.part else {
            continue;
        };
        let PackedPart { offset, scale, .. } = parts[part.0];
        let offset = DVec3::from_array(offset);
        let children = document.nodes.len();
        let node = &mut document.nodes[index + 1];
        if node.mesh.is_none() {
            continue;
        }
        if node.children.is_empty() {
            let placement = Placement::of(&occurrence.transform);
            placement.rebased(offset, scale).place(node);
        } else {
            let mut child = Node {
                name: scene.parts[part.0].name.clone(),
                translation: None,
                rotation: None,
                scale: None,
                mesh: node.mesh.take(),
                children: Vec::new(),
                extras: None,
            };
            node.children.push(children);
            Placement::default()
                .rebased(offset, scale)
                .place(&mut child);
            document.nodes.push(child);
        }
    }
}
