//! Replaces the materials of a canonical GLB by rewriting its JSON chunk.

use cadmill_domain::{MaterialKey, MaterialMaps};

use crate::{
    Overlay, SceneError,
    glb::read::Skeleton,
    gltf::{
        assemble::assign_materials,
        container::{Chunks, parse, parse_document, write_head},
    },
};

/// A GLB with the materials of an overlay.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlaid {
    /// The GLB. Its BIN chunk is identical to that of the input.
    pub glb: Vec<u8>,
    /// Keys that match nothing in the scene.
    pub unmatched: Vec<MaterialKey>,
}

/// Applies `maps` to a canonical GLB, with or without an earlier overlay.
///
/// The result is the same as that of writing the scene with this overlay. Earlier overlays have no
/// effect, so empty maps restore the canonical bytes.
///
/// # Errors
/// If this is not a canonical GLB, or a number of a material is outside 0 to 1.
pub fn overlay(glb: &[u8], maps: &MaterialMaps) -> Result<Overlaid, SceneError> {
    let Chunks { json, bin } = parse(glb)?;
    let mut document = parse_document(json)?;
    let Skeleton { scene, parts } = Skeleton::of(&document)?;
    scene.check_structure()?;
    let overlay = Overlay::resolve(&scene, maps);
    overlay.check(&scene)?;
    assign_materials(&mut document, &scene, &overlay, &parts);
    let mut overlaid = Vec::with_capacity(bin.len() + 2 * json.len());
    write_head(&document, bin.len() as u64, &mut overlaid)?;
    overlaid.extend_from_slice(bin);
    Ok(Overlaid {
        glb: overlaid,
        unmatched: overlay.unmatched,
    })
}
