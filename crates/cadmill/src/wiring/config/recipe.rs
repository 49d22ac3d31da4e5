//! The recipes that have a name.

use cadmill_domain::Recipe;
use clap::ValueEnum;

/// A recipe that has a name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NamedRecipe {
    /// Four times coarser than standard.
    Draft,
    /// 0.1 mm, but between 0.001 % and 0.1 % of the part's diagonal; 20°.
    Standard,
    /// Four times finer than standard.
    Fine,
}

impl From<NamedRecipe> for Recipe {
    fn from(name: NamedRecipe) -> Self {
        match name {
            NamedRecipe::Draft => Self::DRAFT,
            NamedRecipe::Standard => Self::STANDARD,
            NamedRecipe::Fine => Self::FINE,
        }
    }
}
