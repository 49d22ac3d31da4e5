//! Determines the material of each part and occurrence: manual override → part material → STEP
//! colour.

mod sources;

use std::collections::BTreeSet;

use cadmill_domain::{MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, Specificity};

pub use self::sources::{MaterialSource, MaterialSources};
use crate::{Material, MaterialIndex, OccurrenceIndex, PartIndex, Scene};

/// The materials that maps assign to a scene, in addition to its own.
///
/// Material indices count the materials of the scene first, then those of the overlay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// The additional materials.
    pub materials: Vec<Material>,
    /// For each part, the material of its whole mesh, unless an occurrence has its own.
    pub parts: Vec<Option<MaterialIndex>>,
    /// For each occurrence, its own material.
    pub occurrences: Vec<Option<MaterialIndex>>,
    /// Keys that match nothing in this scene, sorted and without duplicates.
    pub unmatched: Vec<MaterialKey>,
}

impl Overlay {
    /// An overlay without materials: all colours are those of the STEP file.
    #[must_use]
    pub fn none(scene: &Scene) -> Self {
        Self::resolve(scene, &MaterialMaps::default())
    }

    /// Resolves `maps` for `scene`.
    ///
    /// - A key that begins with `/` applies to the occurrences it matches and to their descendants,
    ///   except those matched by an equally or more specific key. Other keys apply to the parts
    ///   whose key or name they match.
    /// - Among keys for the same item, an exact key has priority, then the glob with the most
    ///   literal characters, then a match of the part's key over one of its name, then text order.
    /// - A key for an occurrence has priority over one for its part, unless it is a glob and the
    ///   other is exact.
    /// - Manual overrides always have priority over part materials.
    #[must_use]
    pub fn resolve(scene: &Scene, maps: &MaterialMaps) -> Self {
        let mut manual_rules = Rules::of(&maps.manual_overrides);
        let mut part_rules = Rules::of(&maps.part_materials);
        // In order of priority.
        let choices = [manual_rules.choose(scene), part_rules.choose(scene)];

        let mut overlay = Self::default();
        let [manual, part_materials] = &choices;
        for (manual, part_material) in manual.parts.iter().zip(&part_materials.parts) {
            let material = manual
                .or(*part_material)
                .map(|choice| overlay.add(scene, choice.spec));
            overlay.parts.push(material);
        }
        for (index, occurrence) in scene.occurrences.iter().enumerate() {
            let own = occurrence.part.and_then(|part| {
                let choice = choices
                    .iter()
                    .find_map(|choices| choices.choice_for(index, part))?;
                let OccurrenceChoice::Own(own) = choice else {
                    return None;
                };
                let material = overlay.add(scene, own.spec);
                // An occurrence with the same material as its part needs no entry.
                (overlay.parts[part.0] != Some(material)).then_some(material)
            });
            overlay.occurrences.push(own);
        }
        let unmatched: BTreeSet<_> = manual_rules
            .unmatched()
            .chain(part_rules.unmatched())
            .collect();
        overlay.unmatched = unmatched.into_iter().collect();
        overlay
    }

    /// Returns the material of `occurrence` if it replaces those of the part.
    #[must_use]
    pub fn occurrence_material(
        &self,
        scene: &Scene,
        occurrence: OccurrenceIndex,
    ) -> Option<MaterialIndex> {
        let own = &scene.occurrences[occurrence.0];
        let part_is_overridden = own.part.is_some_and(|part| self.parts[part.0].is_some());
        let from_file = own.material.filter(|_| !part_is_overridden);
        self.occurrences[occurrence.0].or(from_file)
    }

    /// Returns the material of a primitive of `part` for occurrences without their own material.
    #[must_use]
    pub fn primitive_material(
        &self,
        scene: &Scene,
        part: PartIndex,
        primitive: usize,
    ) -> MaterialIndex {
        self.parts[part.0].unwrap_or(scene.parts[part.0].primitives[primitive].material)
    }

    /// Returns the material at `index`, counting the materials of the scene first.
    #[must_use]
    pub fn material<'a>(&'a self, scene: &'a Scene, index: MaterialIndex) -> &'a Material {
        scene
            .materials
            .get(index.0)
            .unwrap_or_else(|| &self.materials[index.0 - scene.materials.len()])
    }

    fn add(&mut self, scene: &Scene, spec: &MaterialSpec) -> MaterialIndex {
        let material = Material::from(spec);
        let added = &mut self.materials;
        let position = added.iter().position(|m| *m == material);
        let position = position.unwrap_or_else(|| {
            added.push(material);
            added.len() - 1
        });
        MaterialIndex(scene.materials.len() + position)
    }
}

/// An entry of a map that matches an item, and the specificity of the match.
#[derive(Clone, Copy)]
struct Choice<'a> {
    specificity: Specificity,
    key: &'a MaterialKey,
    spec: &'a MaterialSpec,
}

/// The entries that one map chooses for each part and occurrence.
struct Choices<'a> {
    parts: Vec<Option<Choice<'a>>>,
    occurrences: Vec<Option<Choice<'a>>>,
}

impl<'a> Choices<'a> {
    /// Returns what this map assigns to the occurrence of `part`, if anything.
    fn choice_for(&self, occurrence: usize, part: PartIndex) -> Option<OccurrenceChoice<'a>> {
        use Specificity::{Exact, Glob};
        let (own, of_part) = (self.occurrences[occurrence], self.parts[part.0]);
        let specificity = |choice: Option<Choice<'_>>| choice.map(|choice| choice.specificity);
        match (specificity(own), specificity(of_part)) {
            (Some(Glob { .. }), Some(Exact)) | (None, Some(_)) => Some(OccurrenceChoice::AsPart),
            _ => own.map(OccurrenceChoice::Own),
        }
    }
}

/// What a map assigns to an occurrence.
enum OccurrenceChoice<'a> {
    /// Its own material.
    Own(Choice<'a>),
    /// The material of its part.
    AsPart,
}

/// A map with its globs listed separately: exact keys are looked up, only globs are tried in turn.
struct Rules<'a> {
    map: &'a MaterialMap,
    part_globs: Vec<&'a MaterialKey>,
    occurrence_globs: Vec<&'a MaterialKey>,
    used: BTreeSet<&'a MaterialKey>,
}

impl<'a> Rules<'a> {
    fn of(map: &'a MaterialMap) -> Self {
        let globs = map.keys().filter(|key| key.as_str().contains(['*', '?']));
        let (occurrence_globs, part_globs) = globs.partition(|key| key.as_str().starts_with('/'));
        Self {
            map,
            part_globs,
            occurrence_globs,
            used: BTreeSet::new(),
        }
    }

    fn choose(&mut self, scene: &Scene) -> Choices<'a> {
        let Self {
            map,
            part_globs,
            occurrence_globs,
            used,
        } = self;
        let parts = scene.parts.iter().map(|part| {
            let names = [part.key.as_str(), part.name.as_str()];
            most_specific(map, part_globs, &names, used)
        });
        let parts = parts.collect();
        let mut occurrences: Vec<Option<Choice<'a>>> = Vec::with_capacity(scene.occurrences.len());
        for occurrence in &scene.occurrences {
            let own = most_specific(map, occurrence_globs, &[occurrence.key.as_str()], used);
            let above = occurrence.parent.and_then(|p| occurrences[p.0]);
            let above_wins = own
                .zip(above)
                .is_some_and(|(own, above)| above.specificity > own.specificity);
            occurrences.push(if above_wins { above } else { own.or(above) });
        }
        Choices { parts, occurrences }
    }

    fn unmatched(&self) -> impl Iterator<Item = MaterialKey> {
        let unused = self.map.keys().filter(|key| !self.used.contains(key));
        unused.cloned()
    }
}

/// Returns the entry whose key matches one of `names` most specifically. Adds all matching keys to
/// `used`.
fn most_specific<'a>(
    map: &'a MaterialMap,
    globs: &[&'a MaterialKey],
    names: &[&str],
    used: &mut BTreeSet<&'a MaterialKey>,
) -> Option<Choice<'a>> {
    let mut best: Option<(Specificity, &'a MaterialKey)> = None;
    for name in names {
        let exact = map
            .get_key_value(&MaterialKey::new(*name))
            .map(|(key, _)| key);
        for key in exact.into_iter().chain(globs.iter().copied()) {
            let Some(specificity) = key.matches(name) else {
                continue;
            };
            used.insert(key);
            // The key of a part is tried before its name, so it is preferred among equals.
            if best.is_none_or(|(other, _)| specificity > other) {
                best = Some((specificity, key));
            }
        }
    }
    best.map(|(specificity, key)| Choice {
        specificity,
        key,
        spec: &map[key],
    })
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
