//! The table of media kinds: each fact about a kind or its task stands here once, and every list,
//! name, filter and lock key derives from it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The table: calls `$callback!` with one row for each kind of medium, in the order in which they
/// are made.
///
/// Use it where an item has to be generated for each kind, such as a struct field. For anything
/// else iterate over [`MediaKind::ALL`] and read the facts from the kind.
#[macro_export]
macro_rules! media_kinds {
    ($callback:ident) => {
        $callback! {
            /// The canonical scene: a plain glTF 2.0 binary, from which all other media derive.
            GltfGeometry = gltf_geometry {
                noun: "canonical scene",
                summary: "The canonical scene, a plain GLB",
                task_name: "generate_gltf_geometry",
                step_name: "export_glb_geometry",
                lock_name: "glb_geometry_lock",
                source: MediaSource::File,
                extension: "glb",
                media_type: "model/gltf-binary",
                revision: "glb1",
                cli_word: "glb",
                production: Production::Always,
            }
            /// The USD master: a `.usdz` of `.usdc` layers.
            UsdMaster = usd_master {
                noun: "USD master",
                summary: "The USD master, a .usdz package",
                task_name: "generate_usd_master",
                step_name: "usd_master",
                lock_name: "usd_master_lock",
                source: MediaSource::Scene,
                extension: "usdz",
                media_type: "model/vnd.usdz+zip",
                revision: "usd1",
                cli_word: "usd",
                production: Production::Always,
            }
            /// A copy of the canonical scene for the web, compressed by `EXT_meshopt_compression`.
            WebGlb = web_glb {
                noun: "web scene",
                summary: "The scene for the web, a compressed GLB",
                task_name: "generate_web_glb",
                step_name: "web_glb",
                lock_name: "web_glb_lock",
                source: MediaSource::Scene,
                extension: "web.glb",
                media_type: "model/gltf-binary",
                revision: "web1",
                cli_word: "web-glb",
                production: Production::ByDefault,
            }
            /// A PNG picture of 512 × 512 pixels.
            Thumbnail = thumbnail {
                noun: "thumbnail",
                summary: "A picture of 512 × 512 pixels, a PNG",
                task_name: "generate_thumbnail",
                step_name: "thumbnail",
                lock_name: "thumbnail_lock",
                source: MediaSource::Scene,
                extension: "png",
                media_type: "image/png",
                revision: "png1",
                cli_word: "thumbnail",
                production: Production::ByDefault,
            }
        }
    };
}

/// What a kind of medium is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaSource {
    /// The STEP file.
    File,
    /// The canonical scene and the materials of the file.
    Scene,
}

/// Whether a deployment makes a kind of medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Production {
    /// Every deployment makes it.
    Always,
    /// It is made unless the configuration leaves it out.
    ByDefault,
}

/// The facts about a kind of medium: a row of [`media_kinds!`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaFacts {
    pub(crate) name: &'static str,
    pub(crate) noun: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) task_name: &'static str,
    pub(crate) step_name: &'static str,
    pub(crate) lock_name: &'static str,
    pub(crate) source: MediaSource,
    pub(crate) extension: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) cli_word: &'static str,
    pub(crate) production: Production,
}

macro_rules! define {
    ($($(#[$doc:meta])* $variant:ident = $name:ident { $($fact:ident: $value:expr,)+ })+) => {
        /// A kind of medium that is made of a CAD file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum MediaKind {
            $($(#[$doc])* $variant,)+
        }

        impl MediaKind {
            /// Every kind, in the order in which they are made.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$variant),+];

            /// Its row of the table.
            pub(crate) const fn facts(self) -> MediaFacts {
                match self {
                    $(Self::$variant => MediaFacts { name: stringify!($name), $($fact: $value,)+ },)+
                }
            }
        }
    };
}

media_kinds!(define);

/// The text names no kind of medium.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of medium; the kinds are {names}", names = names())]
pub struct ParseKindError(String);

fn names() -> String {
    let names = MediaKind::ALL.map(|kind| format!("`{kind}`"));
    let (last, others) = names.split_last().expect("the table has rows");
    format!("{} and {last}", others.join(", "))
}

impl MediaKind {
    /// The stable name, as stored, logged and used by the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// The noun for people: "canonical scene".
    #[must_use]
    pub const fn noun(self) -> &'static str {
        self.facts().noun
    }

    /// What it is, in one line without a full stop.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.facts().summary
    }

    /// The file extension, without the leading dot: it follows the stem of the input's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        self.facts().extension
    }

    /// The media type (IANA) of its bytes.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        self.facts().media_type
    }

    /// The word of the command line.
    #[must_use]
    pub const fn cli_word(self) -> &'static str {
        self.facts().cli_word
    }

    /// Whether a deployment makes it.
    #[must_use]
    pub const fn production(self) -> Production {
        self.facts().production
    }

    /// Whether it is made of the canonical scene and the materials.
    #[must_use]
    pub const fn is_derived(self) -> bool {
        matches!(self.facts().source, MediaSource::Scene)
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MediaKind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| ParseKindError(text.to_owned()))
    }
}

impl From<MediaKind> for &'static str {
    fn from(kind: MediaKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for MediaKind {
    type Error = ParseKindError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_name() {
        for kind in MediaKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("{:?}", kind.as_str()));
            assert_eq!(serde_json::from_str::<MediaKind>(&json).unwrap(), kind);
        }
        let error = "usd".parse::<MediaKind>().unwrap_err().to_string();
        assert!(error.ends_with("`web_glb` and `thumbnail`"), "{error}");
    }

    #[test]
    fn names_that_identify_a_kind_are_unique() {
        #[track_caller]
        fn check(column: fn(MediaFacts) -> &'static str) {
            let values: BTreeSet<_> = MediaKind::ALL.map(|kind| column(kind.facts())).into();
            assert_eq!(values.len(), MediaKind::ALL.len(), "{values:?}");
        }
        check(|facts| facts.name);
        check(|facts| facts.task_name);
        check(|facts| facts.step_name);
        check(|facts| facts.lock_name);
        check(|facts| facts.extension);
        check(|facts| facts.revision);
        check(|facts| facts.cli_word);
    }

    #[test]
    fn the_first_kind_alone_is_made_of_the_file() {
        let of_file: Vec<_> = MediaKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_derived())
            .collect();
        assert_eq!(of_file, [MediaKind::GltfGeometry]);
        assert_eq!(MediaKind::ALL[0], MediaKind::GltfGeometry);
    }
}
