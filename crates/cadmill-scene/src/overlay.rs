//! Which material each part and occurrence gets: manual override → part material → STEP colour.

mod sources;

use std::collections::BTreeSet;

use cadmill_domain::{MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, Specificity};

pub use self::sources::{MaterialSource, MaterialSources};
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
    /// Keys that name nothing in this scene, in their order, each once.
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
    /// A key that begins with `/` is for the occurrences that it names and everything below them,
    /// up to the next that another such key names as specifically. Any other is for the parts whose
    /// key or name it is. Among keys for one thing the exact one wins, then the glob with most
    /// literal characters, then the one for a part's key, then the first in the order of their text.
    /// An occurrence's key wins over its part's, unless it is a glob and the part's is exact. A manual override, of whatever kind, wins over every
    /// part material.
    #[must_use]
    pub fn resolve(scene: &Scene, maps: &MaterialMaps) -> Self {
        let mut manual = Rules::of(&maps.manual_overrides);
        let mut catalogue = Rules::of(&maps.part_materials);
        // The stronger map first.
        let choices = [manual.choose(scene), catalogue.choose(scene)];

        let mut overlay = Self::default();
        let [strong, weak] = &choices;
        for (strong, weak) in strong.parts.iter().zip(&weak.parts) {
            let material = strong
                .or(*weak)
                .map(|choice| overlay.add(scene, choice.spec));
            overlay.parts.push(material);
        }
        for (index, occurrence) in scene.occurrences.iter().enumerate() {
            let own = occurrence.part.and_then(|part| {
                let verdict = choices
                    .iter()
                    .find_map(|choices| choices.judge(index, part))?;
                let Verdict::Own(own) = verdict else {
                    return None;
                };
                let material = overlay.add(scene, own.spec);
                // What the part has anyway needs no variant of its own.
                (overlay.parts[part.0] != Some(material)).then_some(material)
            });
            overlay.occurrences.push(own);
        }
        let unmatched: BTreeSet<_> = manual.unmatched().chain(catalogue.unmatched()).collect();
        overlay.unmatched = unmatched.into_iter().collect();
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
        let part_is_overridden = own.part.is_some_and(|part| self.parts[part.0].is_some());
        let from_file = own.material.filter(|_| !part_is_overridden);
        self.occurrences[occurrence.0].or(from_file)
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

/// The entry of a map that is for something, and how specifically its key says so.
#[derive(Clone, Copy)]
struct Choice<'a> {
    specificity: Specificity,
    key: &'a MaterialKey,
    spec: &'a MaterialSpec,
}

/// What one map chooses for each part and occurrence.
struct Choices<'a> {
    parts: Vec<Option<Choice<'a>>>,
    occurrences: Vec<Option<Choice<'a>>>,
}

impl<'a> Choices<'a> {
    /// What this map says of the occurrence of `part`, if anything.
    fn judge(&self, occurrence: usize, part: PartIndex) -> Option<Verdict<'a>> {
        use Specificity::{Exact, Glob};
        let (own, of_part) = (self.occurrences[occurrence], self.parts[part.0]);
        let specificity = |choice: Option<Choice<'_>>| choice.map(|choice| choice.specificity);
        match (specificity(own), specificity(of_part)) {
            (Some(Glob { .. }), Some(Exact)) | (None, Some(_)) => Some(Verdict::AsPart),
            _ => own.map(Verdict::Own),
        }
    }
}

/// What a map says of an occurrence.
enum Verdict<'a> {
    /// It alone has this material.
    Own(Choice<'a>),
    /// It has what the map gives to its part.
    AsPart,
}

/// One map, with its globs apart: exact keys are looked up, only globs are tried one by one.
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

/// The entry whose key names one of `names` most specifically; adds every key that names one to
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
            // The key of a part is tried before its name, so among equals it wins.
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
