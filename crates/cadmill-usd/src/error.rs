//! The errors of writing USD.

/// The reason for which a layer, package or master cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsdError {
    /// The name of a prim or property is not an identifier.
    #[error(
        "`{0}` is not a USD name: only letters, digits and `_` are allowed, and the first character must not be a digit"
    )]
    Name(String),
    /// The text is not an absolute path.
    #[error("`{0}` is not an absolute USD path")]
    Path(String),
    /// Two prims or properties have the same path.
    #[error("there are two specs at `{0}`")]
    Duplicate(String),
    /// A text contains a NUL character, which terminates texts in the binary format.
    #[error("a text contains a NUL character, which USD cannot store")]
    Nul,
    /// A limit of the format is exceeded.
    #[error("{count} {items} are too many: the format allows {limit}")]
    TooLarge {
        /// The items counted, in the plural.
        items: &'static str,
        /// The number of items.
        count: u64,
        /// The maximum number of items.
        limit: u64,
    },
    /// A package has no files, or its first file is not a layer.
    #[error("the first file of a usdz package must be a USD layer")]
    PackageRoot,
    /// A file name is not allowed in a package.
    #[error("`{0}` is not allowed as a file name in a usdz package")]
    PackageName(String),
    /// An index in the scene or its overlay is out of range, or a number is not finite.
    #[error("the scene is invalid: {0}")]
    Scene(String),
}

impl UsdError {
    /// Returns an error if `count` exceeds `limit`.
    pub(crate) fn check_limit(items: &'static str, count: u64, limit: u64) -> Result<(), Self> {
        if count > limit {
            return Err(Self::TooLarge {
                items,
                count,
                limit,
            });
        }
        Ok(())
    }
}
