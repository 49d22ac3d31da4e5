//! What can go wrong between a scene and its bytes.

/// A layer, a package or a master cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsdError {
    /// The name of a prim or property is no identifier.
    #[error("`{0}` is not a USD name: letters, digits and `_` are expected, and no digit first")]
    Name(String),
    /// The text is not an absolute path.
    #[error("`{0}` is not an absolute USD path")]
    Path(String),
    /// Two prims or properties have the same path.
    #[error("there are two specs at `{0}`")]
    Duplicate(String),
    /// The binary format ends every text at a NUL.
    #[error("a text holds a NUL character, which USD cannot store")]
    Nul,
    /// There is more of something than the format can count.
    #[error("{count} {what} are too many: the format allows {limit}")]
    TooLarge {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A package without files, or one whose first file is no layer.
    #[error("the first file of a usdz package must be a USD layer")]
    PackageRoot,
    /// The name of a file cannot stand in a package.
    #[error("`{0}` cannot be the name of a file in a usdz package")]
    PackageName(String),
    /// An index of the scene or of its overlay points at nothing, or a number is not finite.
    #[error("the scene is not sound: {0}")]
    Scene(String),
}

impl UsdError {
    /// Refuses a `count` above `limit`.
    pub(crate) fn check(what: &'static str, count: u64, limit: u64) -> Result<(), Self> {
        if count > limit {
            return Err(Self::TooLarge { what, count, limit });
        }
        Ok(())
    }
}
