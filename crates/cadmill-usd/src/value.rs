//! The values of fields and attributes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use crate::Path;

/// An interned word, such as the name of a field or of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Cow<'static, str>);

impl Token {
    /// The text of the token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Token {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Named values within one value, such as `customData`.
pub type Dictionary = BTreeMap<String, Value>;

/// A value of a field or attribute. Vectors and matrices are rows of numbers; a matrix transforms
/// row vectors, so its last row is the translation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the USD type of that name")]
pub enum Value {
    Bool(bool),
    Int(i32),
    UInt(u32),
    Int64(i64),
    UInt64(u64),
    Float(f32),
    Double(f64),
    String(String),
    Token(Token),
    AssetPath(String),
    Vec2f([f32; 2]),
    Vec3f([f32; 3]),
    Vec4f([f32; 4]),
    Vec2d([f64; 2]),
    Vec3d([f64; 3]),
    Vec4d([f64; 4]),
    Matrix4d([[f64; 4]; 4]),
    BoolArray(Vec<bool>),
    IntArray(Vec<i32>),
    UIntArray(Vec<u32>),
    Int64Array(Vec<i64>),
    UInt64Array(Vec<u64>),
    FloatArray(Vec<f32>),
    DoubleArray(Vec<f64>),
    StringArray(Vec<String>),
    TokenArray(Vec<Token>),
    AssetPathArray(Vec<String>),
    Vec2fArray(Vec<[f32; 2]>),
    Vec3fArray(Vec<[f32; 3]>),
    Vec4fArray(Vec<[f32; 4]>),
    Vec2dArray(Vec<[f64; 2]>),
    Vec3dArray(Vec<[f64; 3]>),
    Vec4dArray(Vec<[f64; 4]>),
    Matrix4dArray(Vec<[[f64; 4]; 4]>),
    Dictionary(Dictionary),
    TokenListOp(ListOp<Token>),
    StringListOp(ListOp<String>),
    PathListOp(ListOp<Path>),
    ReferenceListOp(ListOp<Reference>),
    PayloadListOp(ListOp<Payload>),
    TokenVector(Vec<Token>),
    StringVector(Vec<String>),
    PathVector(Vec<Path>),
    DoubleVector(Vec<f64>),
    LayerOffsetVector(Vec<LayerOffset>),
    Specifier(Specifier),
    Variability(Variability),
    /// No value here, and none from weaker layers either.
    ValueBlock,
}

impl Value {
    /// A token.
    pub fn token(text: impl Into<Token>) -> Self {
        Self::Token(text.into())
    }

    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }
}

/// An edit of a list that a weaker layer may have begun.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOp<T> {
    /// If set, the list is exactly this, and the other items are not looked at.
    pub explicit: Option<Vec<T>>,
    /// Put before the items of weaker layers.
    pub prepended: Vec<T>,
    /// Put after them.
    pub appended: Vec<T>,
    /// Taken out of them.
    pub deleted: Vec<T>,
}

impl<T> Default for ListOp<T> {
    fn default() -> Self {
        Self {
            explicit: None,
            prepended: Vec::new(),
            appended: Vec::new(),
            deleted: Vec::new(),
        }
    }
}

impl<T> ListOp<T> {
    /// The list is exactly `items`, whatever weaker layers say.
    pub fn explicit(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            explicit: Some(items.into_iter().collect()),
            ..Self::default()
        }
    }

    /// `items` come first, then those of weaker layers.
    pub fn prepend(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            prepended: items.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Brings in a prim of another layer, or another prim of this one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reference {
    /// The layer; empty for the layer stack that this stands in.
    pub asset_path: String,
    /// The prim; none for the default prim of the layer.
    pub prim_path: Option<Path>,
    /// How its times are shifted and scaled.
    pub layer_offset: LayerOffset,
    /// Data of one's own.
    pub custom_data: Dictionary,
}

impl Reference {
    /// The prim at `path` in the same layer stack.
    #[must_use]
    pub fn internal(path: Path) -> Self {
        Self {
            prim_path: Some(path),
            ..Self::default()
        }
    }
}

/// Like a [`Reference`], but loaded only on demand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    /// The layer; empty for the layer stack that this stands in.
    pub asset_path: String,
    /// The prim; none for the default prim of the layer.
    pub prim_path: Option<Path>,
    /// How its times are shifted and scaled.
    pub layer_offset: LayerOffset,
}

/// How the times of a layer are mapped to those of the layer that brings it in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerOffset {
    /// Added to each time, after scaling, in time codes.
    pub offset: f64,
    /// Each time is multiplied by it.
    pub scale: f64,
}

impl Default for LayerOffset {
    fn default() -> Self {
        Self {
            offset: 0.0,
            scale: 1.0,
        }
    }
}

/// What a prim spec does at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specifier {
    /// Defines a prim.
    Def,
    /// Says something about a prim that another layer may define.
    Over,
    /// Defines a prim that only others refer to; it is not shown itself.
    Class,
}

/// Whether an attribute may change over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variability {
    /// It may.
    #[default]
    Varying,
    /// It may not.
    Uniform,
}
