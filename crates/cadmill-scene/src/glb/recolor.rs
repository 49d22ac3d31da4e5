//! New materials for a canonical GLB: only its JSON chunk is made anew.

use cadmill_domain::{MaterialKey, MaterialMaps};

use crate::{
    Overlay, SceneError,
    glb::read::Skeleton,
    gltf::{
        assemble::dress,
        container::{Chunks, parse, parse_document, write_head},
    },
};

/// A GLB with the materials of an overlay.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlaid {
    /// The GLB; its BIN chunk is that of the input, byte for byte.
    pub glb: Vec<u8>,
    /// Keys that name nothing in this scene.
    pub unmatched: Vec<MaterialKey>,
}

/// Gives a canonical GLB, overlaid before or not, the materials of `maps`.
///
/// The result is what writing the scene with this overlay would give. What an earlier overlay did
/// is forgotten, so empty maps restore the canonical bytes.
///
/// # Errors
/// If this is not a canonical GLB, or a number of a material lies outside 0 to 1.
pub fn overlay(glb: &[u8], maps: &MaterialMaps) -> Result<Overlaid, SceneError> {
    let Chunks { json, bin } = parse(glb)?;
    let mut document = parse_document(json)?;
    let Skeleton { scene, parts } = Skeleton::of(&document)?;
    scene.check_structure()?;
    let overlay = Overlay::resolve(&scene, maps);
    overlay.check(&scene)?;
    dress(&mut document, &scene, &overlay, &parts);
    let mut overlaid = Vec::with_capacity(bin.len() + 2 * json.len());
    write_head(&document, bin.len() as u64, &mut overlaid)?;
    overlaid.extend_from_slice(bin);
    Ok(Overlaid {
        glb: overlaid,
        unmatched: overlay.unmatched,
    })
}
