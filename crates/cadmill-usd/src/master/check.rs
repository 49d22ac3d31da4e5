//! Validates the scene and its overlay, which may come from other code.

use cadmill_scene::{Material, MaterialIndex, Occurrence, Overlay, Part, Primitive, Scene};

use crate::UsdError;

/// Checks that indices are in range and that numbers are finite.
pub(super) fn check(scene: &Scene, overlay: &Overlay) -> Result<(), UsdError> {
    let materials = scene.materials.len() + overlay.materials.len();
    for (index, part) in scene.parts.iter().enumerate() {
        check_part(part, scene.materials.len())
            .map_err(|problem| UsdError::Scene(format!("part {index}: {problem}")))?;
    }
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        check_occurrence(index, occurrence, scene)
            .map_err(|problem| UsdError::Scene(format!("occurrence {index}: {problem}")))?;
    }
    for (index, material) in scene.materials.iter().chain(&overlay.materials).enumerate() {
        check_material(material)
            .map_err(|problem| UsdError::Scene(format!("material {index}: {problem}")))?;
    }
    let of_overlay = overlay.parts.iter().chain(&overlay.occurrences);
    let is_in_range = |index: &Option<MaterialIndex>| index.is_none_or(|m| m.0 < materials);
    let is_for_scene = overlay.parts.len() == scene.parts.len()
        && overlay.occurrences.len() == scene.occurrences.len();
    if !is_for_scene || !of_overlay.into_iter().all(is_in_range) {
        return Err(UsdError::Scene(
            "the overlay was resolved for another scene".to_owned(),
        ));
    }
    Ok(())
}

fn check_part(part: &Part, materials: usize) -> Result<(), &'static str> {
    part.primitives
        .iter()
        .try_for_each(|primitive| check_primitive(primitive, materials))
}

fn check_primitive(primitive: &Primitive, materials: usize) -> Result<(), &'static str> {
    let points = primitive.positions.len();
    let vectors = primitive.positions.iter().chain(&primitive.normals);
    if primitive.material.0 >= materials {
        Err("a material does not exist")
    } else if primitive.normals.len() != points {
        Err("the numbers of normals and positions differ")
    } else if !primitive.indices.len().is_multiple_of(3) {
        Err("the number of indices is not a multiple of three")
    } else if primitive.indices.iter().any(|&i| i as usize >= points) {
        Err("an index is out of range")
    } else if vectors.flatten().any(|number| !number.is_finite()) {
        Err("a position or normal is not finite")
    } else {
        Ok(())
    }
}

fn check_occurrence(
    index: usize,
    occurrence: &Occurrence,
    scene: &Scene,
) -> Result<(), &'static str> {
    if occurrence.parent.is_some_and(|parent| parent.0 >= index) {
        Err("it precedes its parent")
    } else if occurrence.part.is_some_and(|p| p.0 >= scene.parts.len()) {
        Err("its part does not exist")
    } else if occurrence
        .material
        .is_some_and(|m| m.0 >= scene.materials.len())
    {
        Err("its material does not exist")
    } else if !occurrence.transform.is_finite() {
        Err("its transform is not finite")
    } else {
        Ok(())
    }
}

fn check_material(material: &Material) -> Result<(), &'static str> {
    let numbers = [material.metallic, material.roughness];
    let numbers = material.base_color.iter().chain(&numbers);
    if numbers.into_iter().any(|number| !number.is_finite()) {
        return Err("a number is not finite");
    }
    Ok(())
}
