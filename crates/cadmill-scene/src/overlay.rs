//! Which material each part and occurrence gets: manual override → part material → STEP colour.

use cadmill_domain::{MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, Specificity};

use crate::{Material, MaterialIndex, OccurrenceIndex, PartIndex, Scene};

/// The materials that maps give to a scene, on top of its own.
///
/// A material index counts the scene's own materials first, then those of the overlay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Added materials.
    pub materials: Vec<Material>,
    /// One per part: the material of its whole mesh, in every occurrence that has none of its own.
    pub parts: Vec<Option<MaterialIndex>>,
    /// One per occurrence: the material it alone has.
    pub occurrences: Vec<Option<MaterialIndex>>,
    /// Keys that name nothing in this scene, in their order.
    pub unmatched: Vec<MaterialKey>,
}

impl Overlay {
    /// No map says anything: every colour is the STEP file's.
    #[must_use]
    pub fn none(scene: &Scene) -> Self {
        Self::resolve(scene, &MaterialMaps::default())
    }

    /// Resolves `maps` on `scene`.
    ///
    /// A key that is a part's key or name is for the part; one that is an occurrence's key is for
    /// that occurrence and everything below it. Within a map the most specific key wins; among
    /// equals the first in the order of their text.
    #[must_use]
    pub fn resolve(scene: &Scene, maps: &MaterialMaps) -> Self {
        let mut overlay = Self {
            parts: vec![None; scene.parts.len()],
            occurrences: vec![None; scene.occurrences.len()],
            ..Self::default()
        };
        let mut resolver = Resolver {
            scene,
            overlay: &mut overlay,
        };
        // The weaker map first, so that the stronger one overwrites it.
        resolver.apply(&maps.part_materials);
        resolver.apply(&maps.manual_overrides);
        overlay
    }

    /// The material that `occurrence` has instead of those of its part, if any.
    #[must_use]
    pub fn occurrence_material(
        &self,
        scene: &Scene,
        occurrence: OccurrenceIndex,
    ) -> Option<MaterialIndex> {
        let own = &scene.occurrences[occurrence.0];
        let part_is_overridden = || own.part.is_some_and(|part| self.parts[part.0].is_some());
        self.occurrences[occurrence.0].or_else(|| match own.material {
            Some(_) if part_is_overridden() => None,
            material => material,
        })
    }

    /// The material of the primitive at `primitive` of `part`, where no occurrence has its own.
    #[must_use]
    pub fn primitive_material(
        &self,
        scene: &Scene,
        part: PartIndex,
        primitive: usize,
    ) -> MaterialIndex {
        self.parts[part.0].unwrap_or(scene.parts[part.0].primitives[primitive].material)
    }

    /// The material at `index`, the scene's own first.
    #[must_use]
    pub fn material<'a>(&'a self, scene: &'a Scene, index: MaterialIndex) -> &'a Material {
        scene
            .materials
            .get(index.0)
            .unwrap_or_else(|| &self.materials[index.0 - scene.materials.len()])
    }
}

struct Resolver<'a> {
    scene: &'a Scene,
    overlay: &'a mut Overlay,
}

impl Resolver<'_> {
    fn apply(&mut self, map: &MaterialMap) {
        let mut used = vec![false; map.len()];
        for (index, part) in self.scene.parts.iter().enumerate() {
            let names = [part.key.as_str(), part.name.as_str()];
            if let Some(spec) = most_specific(map, &names, &mut used) {
                let material = self.material(spec);
                self.overlay.parts[index] = Some(material);
                // What this map says of the part is stronger than what a weaker one said of an
                // occurrence.
                for (occurrence, given) in self
                    .scene
                    .occurrences
                    .iter()
                    .zip(&mut self.overlay.occurrences)
                {
                    if occurrence.part == Some(PartIndex(index)) {
                        *given = None;
                    }
                }
            }
        }
        let mut inherited: Vec<Option<MaterialIndex>> =
            Vec::with_capacity(self.scene.occurrences.len());
        for (index, occurrence) in self.scene.occurrences.iter().enumerate() {
            let from_above = occurrence.parent.and_then(|parent| inherited[parent.0]);
            let own = most_specific(map, &[occurrence.key.as_str()], &mut used)
                .map(|spec| self.material(spec));
            inherited.push(own.or(from_above));
            if let (Some(_), Some(material)) = (occurrence.part, inherited[index]) {
                self.overlay.occurrences[index] = Some(material);
            }
        }
        let unmatched = map.keys().zip(used).filter(|(_, used)| !used);
        self.overlay
            .unmatched
            .extend(unmatched.map(|(key, _)| key.clone()));
    }

    fn material(&mut self, spec: &MaterialSpec) -> MaterialIndex {
        let material = Material::from(spec);
        let added = &mut self.overlay.materials;
        let position = added
            .iter()
            .position(|m| *m == material)
            .unwrap_or_else(|| {
                added.push(material);
                added.len() - 1
            });
        MaterialIndex(self.scene.materials.len() + position)
    }
}

/// The entry whose key names one of `candidates` most specifically; marks every key that names one.
fn most_specific<'a>(
    map: &'a MaterialMap,
    candidates: &[&str],
    used: &mut [bool],
) -> Option<&'a MaterialSpec> {
    let mut best: Option<(Specificity, &MaterialSpec)> = None;
    for ((key, spec), used) in map.iter().zip(used) {
        let matched = candidates.iter().filter_map(|c| key.matches(c)).max();
        let Some(specificity) = matched else { continue };
        *used = true;
        if best.is_none_or(|(other, _)| specificity > other) {
            best = Some((specificity, spec));
        }
    }
    best.map(|(_, spec)| spec)
}

impl From<&MaterialSpec> for Material {
    fn from(spec: &MaterialSpec) -> Self {
        let [r, g, b] = spec.color.to_linear();
        Self {
            name: spec.name.clone().unwrap_or_else(|| spec.color.to_string()),
            base_color: [r, g, b, spec.opacity as f32],
            metallic: spec.metallic as f32,
            roughness: spec.roughness as f32,
        }
    }
}
