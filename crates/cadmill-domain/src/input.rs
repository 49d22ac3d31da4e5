//! What a result is made of: equal inputs give equal bytes.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ContentHash, Recipe, RecipeFingerprint, recipe::is_fingerprint, tessellator::Conditions,
};

/// Everything that a result depends on. It is the key of every cache.
///
/// Its text, under which it is stored, has the parts between colons:
/// `source:revision` of reading a file, `source:recipe:revision` of a scene, and
/// `source:recipe:revision:materials:revision` of a medium that derives from a scene. The recipe of
/// a coarser scene is `recipe~mark`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Input {
    /// Of reading the file.
    Reading {
        /// SHA-256 of the STEP file.
        source: ContentHash,
        /// The revision of what is read.
        revision: FormatRevision,
    },
    /// Of a canonical scene.
    Scene(SceneInput),
    /// Of a medium that is made of a canonical scene and materials.
    Derived {
        /// The input of the scene.
        scene: SceneInput,
        /// The fingerprint of the materials.
        materials: ContentHash,
        /// The revision of the format of the medium.
        revision: FormatRevision,
    },
}

/// Everything that a canonical scene depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SceneInput {
    /// SHA-256 of the STEP file.
    pub source: ContentHash,
    /// The requested recipe.
    pub recipe: RecipeFingerprint,
    /// If the recipe failed and the scene was made by its coarser form: 16 hexadecimal digits of
    /// that form and the [`Conditions`] of the failure.
    pub coarser: Option<String>,
    /// The revision of our canonical GLB.
    pub revision: FormatRevision,
}

/// The revision of what a task writes, such as `glb1`: lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatRevision(Cow<'static, str>);

impl FormatRevision {
    /// The revision of a row of the table of kinds.
    pub(crate) const fn current(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl fmt::Display for FormatRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Input {
    /// SHA-256 of the STEP file.
    #[must_use]
    pub const fn source(&self) -> ContentHash {
        match self {
            Self::Reading { source, .. } => *source,
            Self::Scene(scene) | Self::Derived { scene, .. } => scene.source,
        }
    }

    /// The input of the scene: its own, or that of the scene from which the medium derives.
    #[must_use]
    pub const fn scene(&self) -> Option<&SceneInput> {
        match self {
            Self::Reading { .. } => None,
            Self::Scene(scene) | Self::Derived { scene, .. } => Some(scene),
        }
    }

    /// This input with another scene; unchanged if it depends on no scene.
    #[must_use]
    pub fn with_scene(self, scene: SceneInput) -> Self {
        match self {
            Self::Reading { .. } => self,
            Self::Scene(_) => Self::Scene(scene),
            Self::Derived {
                materials,
                revision,
                ..
            } => Self::Derived {
                scene,
                materials,
                revision,
            },
        }
    }

    /// The input of a scene that is coarser than the one of this input: `recipe` failed under
    /// `conditions`, and the scene was made by its coarser form.
    #[must_use]
    pub fn coarser(&self, recipe: Recipe, conditions: &Conditions) -> Self {
        self.with_mark(Some(conditions.fingerprint(recipe.coarser())))
    }

    /// Whether it belongs to a coarser scene, or to a medium that is made of one.
    #[must_use]
    pub fn is_coarser(&self) -> bool {
        self.scene().is_some_and(|scene| scene.coarser.is_some())
    }

    /// Whether it can replace `requested`: it differs only in that its scene is coarser.
    #[must_use]
    pub fn is_coarser_than(&self, requested: &Self) -> bool {
        self.is_coarser() && self.requested() == *requested
    }

    /// What was requested when this was made: itself, unless it is coarser.
    #[must_use]
    pub fn requested(&self) -> Self {
        self.with_mark(None)
    }

    fn with_mark(&self, coarser: Option<String>) -> Self {
        match self.scene().cloned() {
            Some(scene) => self.clone().with_scene(SceneInput { coarser, ..scene }),
            None => self.clone(),
        }
    }
}

/// Between the requested recipe and the mark of a coarser one.
pub(crate) const COARSER: char = '~';

impl fmt::Display for SceneInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.recipe)?;
        if let Some(mark) = &self.coarser {
            write!(f, "{COARSER}{mark}")?;
        }
        write!(f, ":{}", self.revision)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { source, revision } => write!(f, "{source}:{revision}"),
            Self::Scene(scene) => scene.fmt(f),
            Self::Derived {
                scene,
                materials,
                revision,
            } => write!(f, "{scene}:{materials}:{revision}"),
        }
    }
}

/// The text is no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no input of a result")]
pub struct ParseInputError(String);

impl FromStr for Input {
    type Err = ParseInputError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseInputError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Input> {
    let parts: Vec<_> = text.split(':').collect();
    match *parts.as_slice() {
        [source, revision] => Some(Input::Reading {
            source: source.parse().ok()?,
            revision: parse_revision(revision)?,
        }),
        [source, recipe, revision] => Some(Input::Scene(parse_scene(source, recipe, revision)?)),
        [source, recipe, scene_revision, materials, revision] => Some(Input::Derived {
            scene: parse_scene(source, recipe, scene_revision)?,
            materials: materials.parse().ok()?,
            revision: parse_revision(revision)?,
        }),
        _ => None,
    }
}

fn parse_scene(source: &str, recipe: &str, revision: &str) -> Option<SceneInput> {
    let (recipe, coarser) = match recipe.split_once(COARSER) {
        Some((recipe, mark)) => (recipe, Some(mark)),
        None => (recipe, None),
    };
    if !coarser.is_none_or(is_fingerprint) {
        return None;
    }
    Some(SceneInput {
        source: source.parse().ok()?,
        recipe: recipe.parse().ok()?,
        coarser: coarser.map(str::to_owned),
        revision: parse_revision(revision)?,
    })
}

fn parse_revision(text: &str) -> Option<FormatRevision> {
    let is_valid = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_valid.then(|| FormatRevision(Cow::Owned(text.to_owned())))
}

impl From<Input> for String {
    fn from(input: Input) -> Self {
        input.to_string()
    }
}

impl TryFrom<String> for Input {
    type Error = ParseInputError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CadFileId, MediaPlan, SystemClock, TaskKind, cad_file::Subject};

    #[test]
    fn an_input_is_read_back_from_its_text() {
        let file = Subject {
            id: CadFileId::generate(&SystemClock),
            source: ContentHash::of(b"source"),
            materials: ContentHash::of(b"materials"),
        };
        let plan = MediaPlan::new(Recipe::STANDARD, []);
        let conditions = Conditions::new("kernel 1", 1 << 30, std::time::Duration::from_mins(1));
        for kind in TaskKind::ALL {
            let input = plan.input(kind, &file);
            let coarser = input.coarser(plan.recipe(), &conditions);
            for input in [input, coarser] {
                assert_eq!(input.to_string().parse(), Ok(input.clone()));
                let json = serde_json::to_string(&input).unwrap();
                assert_eq!(serde_json::from_str::<Input>(&json).unwrap(), input);
            }
        }
    }

    #[test]
    fn other_texts_are_errors() {
        let hash = ContentHash::of(b"source");
        let recipe = "0123456789abcdef";
        let bad = [
            String::new(),
            "a:b:glb1".to_owned(),
            format!("{hash}"),
            format!("{hash}:"),
            format!("{hash}:GLB1"),
            format!("{hash}:{recipe}~:glb1"),
            format!("{hash}:{recipe}~{recipe}~{recipe}:glb1"),
            format!("{hash}:{recipe}0:glb1"),
            format!("{hash}:{recipe}:glb1:{hash}"),
            format!("{hash}:{recipe}:glb1:{recipe}:usd1"),
            format!("{hash}:{recipe}:glb1:{hash}:usd1:usd1"),
        ];
        for text in bad {
            assert!(text.parse::<Input>().is_err(), "{text}");
        }
    }
}
