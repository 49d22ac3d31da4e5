//! Determines the source of each material, so that it can be shown to users.

use cadmill_domain::{MaterialKey, MaterialMaps};

use super::{Choice, Choices, OccurrenceChoice, Rules};
use crate::{OccurrenceIndex, PartIndex, Scene};

/// The source of a material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaterialSource {
    /// The manual override with this key.
    ManualOverride(MaterialKey),
    /// The part material with this key.
    PartMaterial(MaterialKey),
    /// The canonical scene: colours of the STEP file, or grey if it has none.
    Scene,
}

/// The sources of the materials that [`Overlay::resolve`](super::Overlay::resolve) assigns for the
/// same scene and maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaterialSources {
    /// The source for each part.
    pub parts: Vec<MaterialSource>,
    /// The source for each occurrence; `None` if it has the materials of its part, or no part.
    pub occurrences: Vec<Option<MaterialSource>>,
}

impl MaterialSources {
    /// Returns the sources of the materials that `maps` assign to `scene`.
    #[must_use]
    pub fn of(scene: &Scene, maps: &MaterialMaps) -> Self {
        let mut manual_rules = Rules::of(&maps.manual_overrides);
        let mut part_rules = Rules::of(&maps.part_materials);
        let by_map = ByMap {
            manual: manual_rules.choose(scene),
            part_materials: part_rules.choose(scene),
        };
        let parts = (0..scene.parts.len()).map(|index| by_map.part(PartIndex(index)));
        let parts: Vec<_> = parts.collect();
        let occurrences = scene.occurrences.iter().enumerate();
        let occurrences = occurrences.map(|(index, occurrence)| {
            let part = occurrence.part?;
            let from_file = occurrence.material.is_some() && parts[part.0] == MaterialSource::Scene;
            match by_map.occurrence(OccurrenceIndex(index), part) {
                OccurrenceSource::Own(source) => Some(source),
                OccurrenceSource::AsPart => None,
                OccurrenceSource::Nothing => from_file.then_some(MaterialSource::Scene),
            }
        });
        let occurrences = occurrences.collect();
        Self { parts, occurrences }
    }
}

/// The entries that the two maps choose.
struct ByMap<'a> {
    manual: Choices<'a>,
    part_materials: Choices<'a>,
}

impl ByMap<'_> {
    fn part(&self, part: PartIndex) -> MaterialSource {
        match (self.manual.parts[part.0], self.part_materials.parts[part.0]) {
            (Some(choice), _) => manual_override(choice),
            (None, Some(choice)) => part_material(choice),
            (None, None) => MaterialSource::Scene,
        }
    }

    fn occurrence(&self, occurrence: OccurrenceIndex, part: PartIndex) -> OccurrenceSource {
        let choice_for = |choices: &Choices<'_>, source: fn(Choice<'_>) -> MaterialSource| {
            let choice = choices.choice_for(occurrence.0, part)?;
            Some(match choice {
                OccurrenceChoice::Own(choice) => OccurrenceSource::Own(source(choice)),
                OccurrenceChoice::AsPart => OccurrenceSource::AsPart,
            })
        };
        let source = choice_for(&self.manual, manual_override);
        source
            .or_else(|| choice_for(&self.part_materials, part_material))
            .unwrap_or(OccurrenceSource::Nothing)
    }
}

/// What the maps assign to an occurrence.
enum OccurrenceSource {
    Own(MaterialSource),
    AsPart,
    Nothing,
}

fn manual_override(choice: Choice<'_>) -> MaterialSource {
    MaterialSource::ManualOverride(choice.key.clone())
}

fn part_material(choice: Choice<'_>) -> MaterialSource {
    MaterialSource::PartMaterial(choice.key.clone())
}

#[cfg(test)]
mod tests {
    use cadmill_domain::MaterialMap;

    use super::*;
    use crate::sample::gearbox_like;

    fn map(keys: &[&str]) -> MaterialMap {
        let spec = serde_json::json!({"color": "#ff0000"});
        let spec = || serde_json::from_value(spec.clone()).unwrap();
        keys.iter()
            .map(|key| (MaterialKey::new(*key), spec()))
            .collect()
    }

    #[test]
    fn sources_contain_their_keys() {
        let scene = gearbox_like();
        let first = scene.parts[0].key.as_str();
        let second = scene.parts[1].key.as_str();
        let occurrence = scene
            .occurrences
            .iter()
            .position(|o| o.part == Some(PartIndex(1)))
            .unwrap();
        let path = scene.occurrences[occurrence].key.as_str();
        let maps = MaterialMaps {
            part_materials: map(&[first, second]),
            manual_overrides: map(&[first, path]),
        };
        let sources = MaterialSources::of(&scene, &maps);
        let key = MaterialKey::new;
        assert_eq!(sources.parts[0], MaterialSource::ManualOverride(key(first)));
        assert_eq!(sources.parts[1], MaterialSource::PartMaterial(key(second)));
        assert!(
            sources.parts[2..]
                .iter()
                .all(|source| *source == MaterialSource::Scene)
        );
        let own = Some(MaterialSource::ManualOverride(key(path)));
        assert_eq!(sources.occurrences[occurrence], own);
    }

    #[test]
    fn a_material_of_the_part_replaces_the_occurrence_colour_of_the_file() {
        let scene = gearbox_like();
        let coloured = scene.occurrences.iter().position(|o| o.material.is_some());
        let coloured = coloured.unwrap();
        let none = MaterialSources::of(&scene, &MaterialMaps::default());
        assert_eq!(none.occurrences[coloured], Some(MaterialSource::Scene));
        let maps = MaterialMaps {
            part_materials: map(&["*"]),
            ..MaterialMaps::default()
        };
        let all = MaterialSources::of(&scene, &maps);
        assert_eq!(all.occurrences[coloured], None);
    }
}
