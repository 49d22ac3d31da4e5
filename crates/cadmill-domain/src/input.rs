//! What a result is made of, as one text: equal inputs give equal bytes.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{Conditions, MediaKind, Recipe, RecipeFingerprint, Subject, TaskKind};

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

    /// The input of a scene that is coarser than this one, which is wanted: the recipe failed under
    /// `conditions`, and the scene was made by its coarser form.
    #[must_use]
    pub fn coarser(&self, recipe: Recipe, conditions: &Conditions) -> Self {
        let mark = conditions.fingerprint(recipe.coarser());
        let mut parts: Vec<_> = self.0.split(':').map(str::to_owned).collect();
        if let Some(recipe) = parts.get_mut(RECIPE) {
            recipe.push(COARSER);
            recipe.push_str(&mark);
        }
        Self(parts.join(":"))
    }

    /// Whether it is that of a coarser scene, or of a medium that is made of one.
    #[must_use]
    pub fn is_coarser(&self) -> bool {
        self.0.contains(COARSER)
    }

    /// Whether it stands in for `wanted`: all but the recipe is the same, and that is coarser.
    #[must_use]
    pub fn is_coarser_than(&self, wanted: &Self) -> bool {
        self.is_coarser() && self.wanted() == *wanted
    }

    /// What was wanted when this was made: itself, unless it is coarser.
    #[must_use]
    pub fn wanted(&self) -> Self {
        let parts = self.0.split(':').map(|part| {
            let (plain, _) = part.split_once(COARSER).unwrap_or((part, ""));
            plain
        });
        Self(parts.collect::<Vec<_>>().join(":"))
    }

    /// The input of the scene of which a medium with this input is made.
    #[must_use]
    pub fn scene(&self) -> Self {
        let parts = self.0.split(':').take(PARTS_OF_SCENE);
        Self(parts.collect::<Vec<_>>().join(":"))
    }
}

/// Which part of an input, between colons, names the recipe.
const RECIPE: usize = 1;
/// How many parts the input of a scene has: source, recipe and revision.
const PARTS_OF_SCENE: usize = 3;
/// What stands between the recipe that was wanted and the mark of a coarser one.
const COARSER: char = '~';

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What this deployment makes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlan {
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

impl MediaPlan {
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

    /// What `kind` is made of where this scene is there in place of the wanted one.
    #[must_use]
    pub fn input_on(&self, kind: TaskKind, file: &Subject, scene: &Input) -> Input {
        match self.pattern(kind).after_materials {
            None => self.input(kind, file),
            Some(after) => Input(format!("{scene}:{}{after}", file.materials)),
        }
    }

    /// Whether work with this input is to be done for this file: that which is wanted, or a medium
    /// that is made of a coarser scene.
    #[must_use]
    pub fn accepts(&self, kind: TaskKind, file: &Subject, input: &Input) -> bool {
        let wanted = self.input(kind, file);
        let is_derived = self.pattern(kind).after_materials.is_some();
        *input == wanted || is_derived && input.is_coarser_than(&wanted)
    }

    /// The text of the input of a coarser scene around the hash of the source: what follows that, and
    /// what is at the end.
    #[must_use]
    pub fn coarser_pattern(&self) -> (String, String) {
        let revision = revision(MediaKind::GltfGeometry);
        (
            format!(":{}{COARSER}", self.fingerprint),
            format!(":{revision}"),
        )
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{CadFileId, ContentHash, SystemClock};

    const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
    const USD: TaskKind = TaskKind::Make(MediaKind::UsdMaster);

    fn subject() -> Subject {
        Subject {
            id: CadFileId::generate(&SystemClock),
            source: ContentHash::of(b"source"),
            materials: ContentHash::of(b"materials"),
        }
    }

    #[test]
    fn a_coarser_input_is_another_and_stands_in_for_one_only() {
        let (file, plan) = (subject(), MediaPlan::new(Recipe::STANDARD, []));
        let fine = MediaPlan::new(Recipe::FINE, []);
        let wanted = plan.input(GLB, &file);
        let conditions = Conditions::new("kernel 1", 1 << 30, Duration::from_mins(1));
        let coarser = wanted.coarser(plan.recipe(), &conditions);
        assert!(coarser.is_coarser_than(&wanted), "{coarser}");
        assert_eq!(coarser.wanted(), wanted);
        assert!(!coarser.is_coarser_than(&fine.input(GLB, &file)));
        assert!(!wanted.is_coarser() && !wanted.is_coarser_than(&wanted));
        let (after_source, end) = plan.coarser_pattern();
        let text = coarser.as_str();
        assert!(text.starts_with(&format!("{}{after_source}", file.source)));
        assert!(text.ends_with(&end));
        let others = [
            Conditions::new("kernel 2", 1 << 30, Duration::from_mins(1)),
            Conditions::new("kernel 1", 2 << 30, Duration::from_mins(1)),
            Conditions::new("kernel 1", 1 << 30, Duration::from_secs(61)),
        ];
        for other in others {
            assert_ne!(wanted.coarser(plan.recipe(), &other), coarser);
        }
    }

    #[test]
    fn what_is_made_of_a_coarser_scene_says_so() {
        let (file, plan) = (subject(), MediaPlan::new(Recipe::STANDARD, []));
        let conditions = Conditions::new("kernel 1", 1 << 30, Duration::from_mins(1));
        let scene = plan.input(GLB, &file);
        let coarser = scene.coarser(plan.recipe(), &conditions);
        let wanted = plan.input(USD, &file);
        let made = plan.input_on(USD, &file, &coarser);
        assert!(made.is_coarser_than(&wanted), "{made}");
        assert_eq!(made.scene(), coarser);
        assert_eq!(plan.input_on(USD, &file, &scene), wanted);
        assert_eq!(plan.input_on(GLB, &file, &coarser), scene);
        assert!(plan.accepts(USD, &file, &made) && plan.accepts(USD, &file, &wanted));
        assert!(plan.accepts(GLB, &file, &scene) && !plan.accepts(GLB, &file, &coarser));
    }
}
