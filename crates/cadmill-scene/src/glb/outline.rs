//! Reads the structure of a canonical scene from the JSON chunk alone.

use std::ops::Range;

use super::read::Skeleton;
use crate::{
    Scene, SceneError,
    gltf::container::{json_length, parse_document},
};

/// The number of leading bytes of a GLB that [`json_range`] needs.
pub const HEAD_BYTES: usize = 20;

/// Returns the byte range of the JSON chunk in a GLB that begins with `head`.
///
/// # Errors
/// If `head` is not the beginning of a GLB.
pub fn json_range(head: &[u8; HEAD_BYTES]) -> Result<Range<u64>, SceneError> {
    let start = HEAD_BYTES as u64;
    Ok(start..start + u64::from(json_length(head)?))
}

/// Reads a canonical scene without its meshes from the JSON chunk of its GLB: parts, materials and
/// occurrences. Primitives have their material, but no triangles.
///
/// # Errors
/// If this is not the JSON chunk of a canonical scene, or is damaged.
pub fn outline(json: &[u8]) -> Result<Scene, SceneError> {
    let document = parse_document(json)?;
    let scene = Skeleton::of(&document)?.scene;
    check_indices(&scene)?;
    Ok(scene)
}

/// Checks that all indices are in range. [`Scene::check`] would require the meshes.
fn check_indices(scene: &Scene) -> Result<(), SceneError> {
    let parts = scene.parts.iter().flat_map(|part| {
        let materials = part.primitives.iter().map(|primitive| primitive.material);
        materials.map(|material| (part.key.as_str(), material))
    });
    let occurrences = scene.occurrences.iter().filter_map(|occurrence| {
        let material = occurrence.material?;
        Some((occurrence.key.as_str(), material))
    });
    for (owner, material) in parts.chain(occurrences) {
        if material.0 >= scene.materials.len() {
            let owner = owner.to_owned();
            return Err(SceneError::UnknownMaterial { owner, material });
        }
    }
    let unknown = scene.occurrences.iter().find(|occurrence| {
        let part = occurrence.part;
        part.is_some_and(|part| part.0 >= scene.parts.len())
    });
    match unknown {
        None => Ok(()),
        Some(occurrence) => Err(SceneError::UnknownPart(occurrence.key.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overlay, glb, sample::gearbox_like};

    #[test]
    fn the_outline_is_the_scene_without_meshes() {
        let mut scene = gearbox_like();
        let bytes = glb::write(&scene, &Overlay::none(&scene)).unwrap();
        let range = json_range(bytes[..HEAD_BYTES].try_into().unwrap()).unwrap();
        let json = &bytes[range.start as usize..range.end as usize];
        for part in &mut scene.parts {
            for primitive in &mut part.primitives {
                primitive.positions.clear();
                primitive.normals.clear();
                primitive.indices.clear();
            }
        }
        let found = outline(json).unwrap();
        assert_eq!(found.parts, scene.parts);
        assert_eq!(found.materials, scene.materials);
        let keys = |scene: &Scene| -> Vec<_> {
            let occurrences = scene.occurrences.iter();
            occurrences
                .map(|o| (o.key.clone(), o.part, o.material))
                .collect()
        };
        assert_eq!(keys(&found), keys(&scene));
    }

    #[test]
    fn other_documents_are_refused() {
        assert!(matches!(
            json_range(&[0; HEAD_BYTES]),
            Err(SceneError::NotGlb(_))
        ));
        let mut head = *b"glTF\x02\0\0\0\x14\0\0\0\x04\0\0\0JSON";
        assert!(matches!(json_range(&head), Err(SceneError::NotGlb(_))));
        head[8] = 24;
        assert_eq!(json_range(&head).unwrap(), 20..24);
        assert!(outline(b"{}").is_err());
    }
}
