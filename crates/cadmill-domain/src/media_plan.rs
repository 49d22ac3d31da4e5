//! What a deployment makes, and the input of each result.

use std::collections::BTreeSet;

use crate::{
    FormatRevision, Input, MediaKind, Production, Recipe, RecipeFingerprint, SceneInput, TaskKind,
    cad_file::Subject, input::COARSER,
};

/// Which media a deployment makes, and by which recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlan {
    recipe: Recipe,
    fingerprint: RecipeFingerprint,
    derived: BTreeSet<MediaKind>,
}

/// The text of an input around the two hashes that differ between files, for SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPattern {
    /// The text after the hash of the source.
    pub after_source: String,
    /// The text after the hash of the materials, if the input has one.
    pub after_materials: Option<String>,
}

impl MediaPlan {
    /// Canonical scenes by `recipe`, the media that are always made, and those of `derived`.
    pub fn new(recipe: Recipe, derived: impl IntoIterator<Item = MediaKind>) -> Self {
        let always = MediaKind::ALL
            .into_iter()
            .filter(|kind| kind.production() == Production::Always);
        Self {
            recipe,
            fingerprint: recipe.fingerprint(),
            derived: always
                .chain(derived)
                .filter(|kind| kind.is_derived())
                .collect(),
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

    /// Whether this deployment runs tasks of this kind.
    #[must_use]
    pub fn does(&self, kind: TaskKind) -> bool {
        self.kinds().any(|done| done == kind)
    }

    /// The tasks that this deployment runs, in their order.
    pub fn kinds(&self) -> impl Iterator<Item = TaskKind> {
        let derived = self.derived.iter().copied().map(TaskKind::Make);
        [TaskKind::ProcessStep, TaskKind::SCENE]
            .into_iter()
            .chain(derived)
    }

    /// The media that this deployment makes, in their order.
    pub fn media(&self) -> impl Iterator<Item = MediaKind> {
        self.kinds().filter_map(TaskKind::medium)
    }

    /// The tasks that are requested when a task of `kind` has published its result.
    pub fn chained(&self, kind: TaskKind) -> impl Iterator<Item = TaskKind> {
        self.kinds()
            .filter(move |next| next.upstream() == Some(kind))
    }

    /// The current input of a task of `kind` for this file.
    #[must_use]
    pub fn input(&self, kind: TaskKind, file: &Subject) -> Input {
        match kind {
            TaskKind::ProcessStep => Input::Reading {
                source: file.source,
                revision: FormatRevision::current(kind.revision()),
            },
            TaskKind::Make(medium) if medium.is_derived() => {
                derived(medium, file, self.scene(file))
            }
            TaskKind::Make(_) => Input::Scene(self.scene(file)),
        }
    }

    fn scene(&self, file: &Subject) -> SceneInput {
        SceneInput {
            source: file.source,
            recipe: self.fingerprint.clone(),
            coarser: None,
            revision: FormatRevision::current(TaskKind::SCENE.revision()),
        }
    }

    /// The input of a task of `kind` that uses the scene with the input `scene` in place of the
    /// requested one.
    #[must_use]
    pub fn input_on(&self, kind: TaskKind, file: &Subject, scene: &Input) -> Input {
        match (kind, scene.scene()) {
            (TaskKind::Make(medium), Some(scene)) if medium.is_derived() => {
                derived(medium, file, scene.clone())
            }
            _ => self.input(kind, file),
        }
    }

    /// Whether a task of `kind` runs with this input for this file: it is the current input, or
    /// that of a medium that is made of a coarser scene.
    #[must_use]
    pub fn accepts(&self, kind: TaskKind, file: &Subject, input: &Input) -> bool {
        let requested = self.input(kind, file);
        let is_derived = kind.medium().is_some_and(MediaKind::is_derived);
        *input == requested || is_derived && input.is_coarser_than(&requested)
    }

    /// The text of the input of a coarser scene: after the hash of the source, and at the end.
    /// Between the two stands the mark of the conditions.
    #[must_use]
    pub fn coarser_pattern(&self) -> (String, String) {
        (
            format!(":{}{COARSER}", self.fingerprint),
            format!(":{}", TaskKind::SCENE.revision()),
        )
    }

    /// The text of the input of a task of `kind`, for any file.
    #[must_use]
    pub fn pattern(&self, kind: TaskKind) -> InputPattern {
        let revision = kind.revision();
        let scene = format!(":{}:{}", self.fingerprint, TaskKind::SCENE.revision());
        match kind {
            TaskKind::ProcessStep => InputPattern {
                after_source: format!(":{revision}"),
                after_materials: None,
            },
            TaskKind::Make(medium) if medium.is_derived() => InputPattern {
                after_source: scene + ":",
                after_materials: Some(format!(":{revision}")),
            },
            TaskKind::Make(_) => InputPattern {
                after_source: scene,
                after_materials: None,
            },
        }
    }
}

fn derived(medium: MediaKind, file: &Subject, scene: SceneInput) -> Input {
    Input::Derived {
        scene,
        materials: file.materials,
        revision: FormatRevision::current(TaskKind::Make(medium).revision()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{CadFileId, ContentHash, SystemClock, tessellator::Conditions};

    const GLB: TaskKind = TaskKind::SCENE;
    const USD: TaskKind = TaskKind::Make(MediaKind::UsdMaster);

    fn subject() -> Subject {
        Subject {
            id: CadFileId::generate(&SystemClock),
            source: ContentHash::of(b"source"),
            materials: ContentHash::of(b"materials"),
        }
    }

    #[test]
    fn the_pattern_of_a_kind_is_the_text_of_its_input() {
        let (file, plan) = (subject(), MediaPlan::new(Recipe::FINE, []));
        for kind in TaskKind::ALL {
            let pattern = plan.pattern(kind);
            let materials = pattern
                .after_materials
                .map(|after| format!("{}{after}", file.materials));
            let text = format!(
                "{}{}{}",
                file.source,
                pattern.after_source,
                materials.unwrap_or_default()
            );
            assert_eq!(plan.input(kind, &file).to_string(), text);
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
        assert_eq!(coarser.requested(), wanted);
        assert!(!coarser.is_coarser_than(&fine.input(GLB, &file)));
        assert!(!wanted.is_coarser() && !wanted.is_coarser_than(&wanted));
        let (after_source, end) = plan.coarser_pattern();
        let text = coarser.to_string();
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
    fn a_medium_of_a_coarser_scene_has_its_own_input() {
        let (file, plan) = (subject(), MediaPlan::new(Recipe::STANDARD, []));
        let conditions = Conditions::new("kernel 1", 1 << 30, Duration::from_mins(1));
        let scene = plan.input(GLB, &file);
        let coarser = scene.coarser(plan.recipe(), &conditions);
        let wanted = plan.input(USD, &file);
        let made = plan.input_on(USD, &file, &coarser);
        assert!(made.is_coarser_than(&wanted), "{made}");
        assert_eq!(made.scene(), coarser.scene());
        assert_eq!(plan.input_on(USD, &file, &scene), wanted);
        assert_eq!(plan.input_on(GLB, &file, &coarser), scene);
        assert!(plan.accepts(USD, &file, &made) && plan.accepts(USD, &file, &wanted));
        assert!(plan.accepts(GLB, &file, &scene) && !plan.accepts(GLB, &file, &coarser));
    }
}
