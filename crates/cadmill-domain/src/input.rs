//! What a result is made of, as one text: equal inputs give equal bytes.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{MediaKind, Recipe, RecipeFingerprint, Subject, TaskKind};

/// Everything that a result depends on: the hash of the STEP file, the recipe, the materials, and
/// the revision of what we write. It is the key of every cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Input(String);

impl Input {
    /// The one with this text, as it was stored.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What this deployment makes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Making {
    recipe: Recipe,
    /// That of the recipe: it goes into every input.
    fingerprint: RecipeFingerprint,
    derived: BTreeSet<MediaKind>,
}

/// The text of an input around the two hashes that differ from file to file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPattern {
    /// What follows the hash of the source.
    pub after_source: String,
    /// What follows the hash of the materials, if they matter.
    pub after_materials: Option<String>,
}

impl Making {
    /// Makes canonical scenes by `recipe`, and of each the media of `derived`. The USD master is
    /// always among them.
    pub fn new(recipe: Recipe, derived: impl IntoIterator<Item = MediaKind>) -> Self {
        let mut derived: BTreeSet<_> = derived.into_iter().collect();
        derived.remove(&MediaKind::GltfGeometry);
        derived.insert(MediaKind::UsdMaster);
        Self {
            recipe,
            fingerprint: recipe.fingerprint(),
            derived,
        }
    }

    /// The recipe of the canonical scenes.
    #[must_use]
    pub const fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// The fingerprint of that recipe.
    #[must_use]
    pub const fn fingerprint(&self) -> &RecipeFingerprint {
        &self.fingerprint
    }

    /// Whether work of this kind is done here.
    #[must_use]
    pub fn does(&self, kind: TaskKind) -> bool {
        self.kinds().any(|done| done == kind)
    }

    /// Every kind of work that is done here, in the order of the chain.
    pub fn kinds(&self) -> impl Iterator<Item = TaskKind> {
        let derived = self.derived.iter().copied().map(TaskKind::Make);
        [
            TaskKind::ProcessStep,
            TaskKind::Make(MediaKind::GltfGeometry),
        ]
        .into_iter()
        .chain(derived)
    }

    /// Every medium that is made here, in the order of the chain.
    pub fn media(&self) -> impl Iterator<Item = MediaKind> {
        self.kinds().filter_map(TaskKind::medium)
    }

    /// What is requested when a task of `kind` has published.
    pub fn chained(&self, kind: TaskKind) -> impl Iterator<Item = TaskKind> {
        self.kinds()
            .filter(move |next| next.upstream() == Some(kind))
    }

    /// What `kind` is made of now, for this file.
    #[must_use]
    pub fn input(&self, kind: TaskKind, file: &Subject) -> Input {
        self.pattern(kind).fill(file)
    }

    /// The same for any file.
    #[must_use]
    pub fn pattern(&self, kind: TaskKind) -> InputPattern {
        let scene = format!(
            ":{}:{}",
            self.fingerprint,
            revision(MediaKind::GltfGeometry)
        );
        match kind {
            TaskKind::ProcessStep => InputPattern {
                after_source: ":step1".to_owned(),
                after_materials: None,
            },
            TaskKind::Make(MediaKind::GltfGeometry) => InputPattern {
                after_source: scene,
                after_materials: None,
            },
            TaskKind::Make(derived) => InputPattern {
                after_source: scene + ":",
                after_materials: Some(format!(":{}", revision(derived))),
            },
        }
    }
}

impl InputPattern {
    /// The input for this file.
    #[must_use]
    pub fn fill(&self, file: &Subject) -> Input {
        let Subject {
            source, materials, ..
        } = file;
        let after_source = &self.after_source;
        Input(match &self.after_materials {
            None => format!("{source}{after_source}"),
            Some(after) => format!("{source}{after_source}{materials}{after}"),
        })
    }
}

/// The revision of what we write. It is raised when the bytes of a kind change for the same input;
/// media of an earlier one are stale.
const fn revision(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::GltfGeometry => "glb1",
        MediaKind::UsdMaster => "usd1",
        MediaKind::WebGlb => "web1",
        MediaKind::Thumbnail => "png1",
    }
}
