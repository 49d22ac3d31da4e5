//! The invariants of a scene, checked before it is written and after it is read.

use std::collections::HashSet;

use glam::DAffine3;

use crate::{
    Material, MaterialIndex, MeshProblem, Overlay, Part, PartIndex, Primitive, Scene, SceneError,
};

/// The maximum deviation of a normal's squared length from 1, well above `f32` rounding errors.
const NORMAL_TOLERANCE: f32 = 1e-3;
/// The maximum cosine of the angle between two axes of a transform.
const SHEAR_TOLERANCE: f64 = 1e-6;

impl Scene {
    /// Checks that the scene is valid: keys are unique, indices are in range, numbers are finite,
    /// colours are between 0 and 1, normals have length 1, every part has an occurrence, parents
    /// precede their children, and transforms consist of a translation, a rotation and a scale.
    ///
    /// # Errors
    /// Returns the first defect that is found.
    pub fn check(&self) -> Result<(), SceneError> {
        self.check_structure()?;
        for part in &self.parts {
            for (index, primitive) in part.primitives.iter().enumerate() {
                check_primitive(primitive).map_err(|problem| SceneError::Mesh {
                    part: part.key.clone(),
                    primitive: index,
                    problem,
                })?;
            }
        }
        Ok(())
    }

    /// Performs the checks of [`Scene::check`] that do not involve meshes.
    pub(crate) fn check_structure(&self) -> Result<(), SceneError> {
        self.materials.iter().try_for_each(check_material)?;
        let keys = self.parts.iter().map(|part| part.key.as_str());
        check_unique("part", keys)?;
        for part in &self.parts {
            self.check_part(part)?;
        }
        self.check_occurrences()
    }

    fn check_part(&self, part: &Part) -> Result<(), SceneError> {
        let density = part.physical.as_ref().and_then(|p| p.density_kg_m3);
        if let Some(value) = density.filter(|d| !(d.is_finite() && *d > 0.0)) {
            let part = part.key.clone();
            return Err(SceneError::Density { part, value });
        }
        let mut primitives = part.primitives.iter();
        primitives.try_for_each(|p| self.check_material_index(p.material, part.key.as_str()))
    }

    fn check_occurrences(&self) -> Result<(), SceneError> {
        let keys = self.occurrences.iter().map(|o| o.key.as_str());
        check_unique("occurrence", keys)?;
        let mut has_occurrence = vec![false; self.parts.len()];
        for (index, occurrence) in self.occurrences.iter().enumerate() {
            if occurrence.parent.is_some_and(|parent| parent.0 >= index) {
                return Err(SceneError::Tree(occurrence.key.clone()));
            }
            if !is_translation_rotation_scale(&occurrence.transform) {
                return Err(SceneError::Transform(occurrence.key.clone()));
            }
            if let Some(PartIndex(part)) = occurrence.part {
                let has_occurrence = has_occurrence.get_mut(part);
                *has_occurrence.ok_or_else(|| SceneError::UnknownPart(occurrence.key.clone()))? =
                    true;
            }
            if let Some(material) = occurrence.material {
                self.check_material_index(material, occurrence.key.as_str())?;
            }
        }
        match has_occurrence
            .iter()
            .position(|has_occurrence| !has_occurrence)
        {
            Some(part) => Err(SceneError::PartNotShown(self.parts[part].key.clone())),
            None => Ok(()),
        }
    }

    fn check_material_index(&self, material: MaterialIndex, owner: &str) -> Result<(), SceneError> {
        if material.0 < self.materials.len() {
            return Ok(());
        }
        Err(SceneError::UnknownMaterial {
            owner: owner.to_owned(),
            material,
        })
    }
}

impl Overlay {
    /// Checks that the overlay was resolved for `scene`, and that its materials are valid.
    pub(crate) fn check(&self, scene: &Scene) -> Result<(), SceneError> {
        self.materials.iter().try_for_each(check_material)?;
        let count = scene.materials.len() + self.materials.len();
        let mut indices = self.parts.iter().chain(&self.occurrences).flatten();
        if self.parts.len() != scene.parts.len()
            || self.occurrences.len() != scene.occurrences.len()
            || indices.any(|material| material.0 >= count)
        {
            return Err(SceneError::ForeignOverlay);
        }
        Ok(())
    }
}

fn check_unique<'a>(
    kind: &'static str,
    mut keys: impl Iterator<Item = &'a str>,
) -> Result<(), SceneError> {
    let mut seen = HashSet::new();
    match keys.find(|key| !seen.insert(*key)) {
        Some(key) => Err(SceneError::DuplicateKey {
            kind,
            key: key.to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_material(material: &Material) -> Result<(), SceneError> {
    let [red, green, blue, opacity] = material.base_color;
    let numbers = [
        ("red", red),
        ("green", green),
        ("blue", blue),
        ("opacity", opacity),
        ("metallic", material.metallic),
        ("roughness", material.roughness),
    ];
    let wrong = numbers.iter().find(|(_, v)| !(0.0..=1.0).contains(v));
    match wrong {
        Some(&(field, value)) => Err(SceneError::MaterialOutOfRange {
            material: material.name.clone(),
            field,
            value,
        }),
        None => Ok(()),
    }
}

fn check_primitive(primitive: &Primitive) -> Result<(), MeshProblem> {
    let Primitive {
        positions,
        normals,
        indices,
        ..
    } = primitive;
    if indices.is_empty() {
        return Err(MeshProblem::Empty);
    }
    if !indices.len().is_multiple_of(3) {
        return Err(MeshProblem::NotTriangles);
    }
    if normals.len() != positions.len() || positions.len() >= u32::MAX as usize {
        return Err(MeshProblem::Counts);
    }
    // Folds without early exit, so that the compiler can vectorise them.
    let max = indices.iter().fold(0, |max, &i| i.max(max));
    if max as usize >= positions.len() {
        return Err(MeshProblem::IndexOutOfRange);
    }
    let finite = |v: &[[f32; 3]]| {
        v.as_flattened()
            .iter()
            .fold(true, |ok, x| ok & x.is_finite())
    };
    if !(finite(positions) && finite(normals)) {
        return Err(MeshProblem::NotFinite);
    }
    let unit = normals.iter().fold(true, |ok, [x, y, z]| {
        ok & ((x * x + y * y + z * z - 1.0).abs() <= NORMAL_TOLERANCE)
    });
    if unit {
        Ok(())
    } else {
        Err(MeshProblem::NormalNotUnit)
    }
}

/// Whether glTF nodes and CAD kernels can represent the transform: no shear, no collapsed axis.
fn is_translation_rotation_scale(transform: &DAffine3) -> bool {
    let axes = transform.matrix3;
    let (x, y, z) = (axes.x_axis, axes.y_axis, axes.z_axis);
    transform.is_finite()
        && axes.determinant().is_normal()
        && [(x, y), (y, z), (z, x)].iter().all(|(a, b)| {
            let cosine = a.dot(*b) / (a.length() * b.length());
            cosine.abs() <= SHEAR_TOLERANCE
        })
}
