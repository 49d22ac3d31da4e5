//! The kinds of media that are made of a CAD file.

use serde::{Deserialize, Serialize};

/// What can be made of a CAD file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// The canonical scene: a plain glTF 2.0 binary, from which all else is derived.
    GltfGeometry,
    /// The USD master: a `.usdz` of `.usdc` layers.
    UsdMaster,
    /// A copy of the canonical scene for the web, compressed by `EXT_meshopt_compression`.
    WebGlb,
    /// A PNG picture of 512 × 512 pixels.
    Thumbnail,
}

impl MediaKind {
    /// Every kind, in the order in which they are made.
    pub const ALL: [Self; 4] = [
        Self::GltfGeometry,
        Self::UsdMaster,
        Self::WebGlb,
        Self::Thumbnail,
    ];

    /// The stable name, as stored and logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GltfGeometry => "gltf_geometry",
            Self::UsdMaster => "usd_master",
            Self::WebGlb => "web_glb",
            Self::Thumbnail => "thumbnail",
        }
    }

    /// What follows the stem of the input's name in the name of the medium.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::GltfGeometry => "glb",
            Self::UsdMaster => "usdz",
            Self::WebGlb => "web.glb",
            Self::Thumbnail => "png",
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
