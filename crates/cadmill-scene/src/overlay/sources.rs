//! Where the material of each part and occurrence comes from, for people who ask why.

use cadmill_domain::{MaterialKey, MaterialMaps};

use super::{Choice, Choices, Rules, Verdict};
use crate::{OccurrenceIndex, PartIndex, Scene};

/// Where a material comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaterialSource {
    /// From the manual override with this key.
    ManualOverride(MaterialKey),
    /// From the part material with this key.
    PartMaterial(MaterialKey),
    /// From the canonical scene: the colours of the STEP file, or grey where it has none.
    Scene,
}

/// Where the materials come from that [`Overlay::resolve`](super::Overlay::resolve) finds for the same
/// scene and maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaterialSources {
    /// One per part.
    pub parts: Vec<MaterialSource>,
    /// One per occurrence; nothing where it looks as its part does, or shows none.
    pub occurrences: Vec<Option<MaterialSource>>,
}

impl MaterialSources {
    /// Tells the sources of `maps` on `scene`.
    #[must_use]
    pub fn of(scene: &Scene, maps: &MaterialMaps) -> Self {
        let mut manual = Rules::of(&maps.manual_overrides);
        let mut catalogue = Rules::of(&maps.part_materials);
        let by_map = ByMap {
            manual: manual.choose(scene),
            catalogue: catalogue.choose(scene),
        };
        let parts = (0..scene.parts.len()).map(|index| by_map.part(PartIndex(index)));
        let parts: Vec<_> = parts.collect();
        let occurrences = scene.occurrences.iter().enumerate();
        let occurrences = occurrences.map(|(index, occurrence)| {
            let part = occurrence.part?;
            let from_file = occurrence.material.is_some() && parts[part.0] == MaterialSource::Scene;
            match by_map.occurrence(OccurrenceIndex(index), part) {
                Said::Own(source) => Some(source),
                Said::AsPart => None,
                Said::Nothing => from_file.then_some(MaterialSource::Scene),
            }
        });
        let occurrences = occurrences.collect();
        Self { parts, occurrences }
    }
}

/// What the two maps choose.
struct ByMap<'a> {
    manual: Choices<'a>,
    catalogue: Choices<'a>,
}

impl ByMap<'_> {
    fn part(&self, part: PartIndex) -> MaterialSource {
        match (self.manual.parts[part.0], self.catalogue.parts[part.0]) {
            (Some(choice), _) => manual(choice),
            (None, Some(choice)) => catalogue(choice),
            (None, None) => MaterialSource::Scene,
        }
    }

    fn occurrence(&self, occurrence: OccurrenceIndex, part: PartIndex) -> Said {
        let judge = |choices: &Choices<'_>, source: fn(Choice<'_>) -> MaterialSource| {
            let verdict = choices.judge(occurrence.0, part)?;
            Some(match verdict {
                Verdict::Own(choice) => Said::Own(source(choice)),
                Verdict::AsPart => Said::AsPart,
            })
        };
        let said = judge(&self.manual, manual);
        said.or_else(|| judge(&self.catalogue, catalogue))
            .unwrap_or(Said::Nothing)
    }
}

/// What the maps say of an occurrence.
enum Said {
    Own(MaterialSource),
    AsPart,
    Nothing,
}

fn manual(choice: Choice<'_>) -> MaterialSource {
    MaterialSource::ManualOverride(choice.key.clone())
}

fn catalogue(choice: Choice<'_>) -> MaterialSource {
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
    fn each_source_is_named_by_its_key() {
        let scene = gearbox_like();
        let first = scene.parts[0].key.as_str();
        let second = scene.parts[1].key.as_str();
        let shown = scene
            .occurrences
            .iter()
            .position(|o| o.part == Some(PartIndex(1)));
        let shown = shown.unwrap();
        let path = scene.occurrences[shown].key.as_str();
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
        assert_eq!(sources.occurrences[shown], own);
    }

    #[test]
    fn a_colour_of_the_file_for_one_occurrence_gives_way_to_a_material_of_its_part() {
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
