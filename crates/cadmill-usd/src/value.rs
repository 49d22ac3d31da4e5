//! Values of fields and attributes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use crate::Path;

/// An interned string, such as the name of a field or type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Cow<'static, str>);

impl Token {
    /// Returns the text of the token.
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

/// A value that consists of named values, such as `customData`.
pub type Dictionary = BTreeMap<String, Value>;

/// A value of a field or attribute. Matrices are stored row by row and transform row vectors, so
/// the last row is the translation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the USD type of the same name")]
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
    /// Blocks values of weaker layers, so that there is no value.
    ValueBlock,
}

impl Value {
    /// Creates a token.
    pub fn token(text: impl Into<Token>) -> Self {
        Self::Token(text.into())
    }

    /// Creates a string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }
}

/// An edit of a list of weaker layers.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOp<T> {
    /// If set, replaces the list, and the other edits are ignored.
    pub explicit: Option<Vec<T>>,
    /// Items added at the front.
    pub prepended: Vec<T>,
    /// Items added at the end.
    pub appended: Vec<T>,
    /// Items removed.
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
    /// Replaces the list by `items`.
    pub fn explicit(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            explicit: Some(items.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Adds `items` at the front of the list.
    pub fn prepend(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            prepended: items.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// A reference to a prim of another layer, or to another prim of the same layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reference {
    /// The layer; empty for the layer stack that contains the reference.
    pub asset_path: String,
    /// The prim, or `None` for the default prim of the layer.
    pub prim_path: Option<Path>,
    /// The time offset and scale.
    pub layer_offset: LayerOffset,
    /// Application-specific data.
    pub custom_data: Dictionary,
}

impl Reference {
    /// Creates a reference to the prim at `path` in the same layer stack.
    #[must_use]
    pub fn internal(path: Path) -> Self {
        Self {
            prim_path: Some(path),
            ..Self::default()
        }
    }
}

/// A [`Reference`] that is loaded on demand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    /// The layer; empty for the layer stack that contains the payload.
    pub asset_path: String,
    /// The prim, or `None` for the default prim of the layer.
    pub prim_path: Option<Path>,
    /// The time offset and scale.
    pub layer_offset: LayerOffset,
}

/// Maps the times of a layer to those of the layer that includes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerOffset {
    /// The offset in time codes, added after scaling.
    pub offset: f64,
    /// The scale factor.
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

/// The role of a prim spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specifier {
    /// Defines the prim.
    Def,
    /// Adds opinions to a prim that another layer may define.
    Over,
    /// Defines a class, to which other prims refer and which is not shown itself.
    Class,
}

/// Whether an attribute may change over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variability {
    /// The value may change.
    #[default]
    Varying,
    /// The value does not change.
    Uniform,
}
