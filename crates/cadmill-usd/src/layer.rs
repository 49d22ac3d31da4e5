//! A layer in memory: a tree of prim specs, each with fields and properties.

use std::collections::BTreeMap;

use crate::{
    LayerOffset, ListOp, Path, Reference, Specifier, Token, UsdError, Value, Variability,
    value::{Dictionary, Payload},
};

/// A USD layer. Prims are kept in one list, each after its parent, so a tree may be as deep as it
/// likes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Metadata of the layer, such as `defaultPrim`, `upAxis`, `metersPerUnit`, `customLayerData`.
    pub fields: BTreeMap<Token, Value>,
    /// The layers below this one, the strongest first.
    pub sublayers: Vec<SubLayer>,
    prims: Vec<PrimSpec>,
}

/// A layer below another.
#[derive(Debug, Clone, PartialEq)]
pub struct SubLayer {
    /// The path of its file, relative to that of the layer if it begins with `./`.
    pub asset_path: String,
    /// How its times are shifted and scaled.
    pub offset: LayerOffset,
}

/// Names a prim within its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimId(pub(crate) usize);

/// What a layer says of one prim.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimSpec {
    pub(crate) parent: Option<PrimId>,
    pub(crate) name: Token,
    /// Whether the prim is defined here.
    pub specifier: Specifier,
    /// The schema of the prim, such as `Xform`; none for an over that leaves it as it is.
    pub type_name: Option<Token>,
    /// Metadata, by its name; `specifier` and `typeName` are not among it.
    pub fields: BTreeMap<Token, Value>,
    /// Attributes and relationships, in their order.
    pub properties: Vec<Property>,
}

/// An attribute or a relationship.
#[derive(Debug, Clone, PartialEq)]
pub enum Property {
    /// Holds a value.
    Attribute(Attribute),
    /// Points at prims or properties.
    Relationship(Relationship),
}

/// What a layer says of one attribute. Its value does not change over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name, such as `points` or `xformOp:transform`.
    pub name: Token,
    /// Its type, such as `point3f[]`.
    pub type_name: Token,
    /// Whether it may change over time.
    pub variability: Variability,
    /// Whether it is outside of any schema.
    pub custom: bool,
    /// Its value.
    pub default: Option<Value>,
    /// The attributes that it takes its value from.
    pub connections: Vec<Path>,
    /// Other metadata, such as `interpolation`.
    pub fields: BTreeMap<Token, Value>,
}

/// What a layer says of one relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct Relationship {
    /// Its name, such as `material:binding`.
    pub name: Token,
    /// Whether it is outside of any schema.
    pub custom: bool,
    /// What it points at.
    pub targets: ListOp<Path>,
    /// Other metadata.
    pub fields: BTreeMap<Token, Value>,
}

impl Layer {
    /// A layer that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets metadata of the layer.
    pub fn set(&mut self, field: impl Into<Token>, value: Value) -> &mut Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// Puts a layer below this one, weaker than those before it.
    pub fn sublayer(&mut self, asset_path: impl Into<String>) -> &mut Self {
        self.sublayers.push(SubLayer {
            asset_path: asset_path.into(),
            offset: LayerOffset::default(),
        });
        self
    }

    /// Adds a prim below `parent`, or at the top. An empty `type_name` leaves the type open.
    ///
    /// Names are checked when the layer is written: each must be an identifier that is not used
    /// twice below one parent.
    pub fn add_prim(
        &mut self,
        parent: Option<PrimId>,
        specifier: Specifier,
        type_name: impl Into<Token>,
        name: impl Into<Token>,
    ) -> PrimId {
        let type_name = type_name.into();
        self.prims.push(PrimSpec {
            parent,
            name: name.into(),
            specifier,
            type_name: Some(type_name).filter(|name| !name.as_str().is_empty()),
            fields: BTreeMap::new(),
            properties: Vec::new(),
        });
        PrimId(self.prims.len() - 1)
    }

    /// All prims, each after its parent.
    #[must_use]
    pub fn prims(&self) -> &[PrimSpec] {
        &self.prims
    }

    /// The prim that `id` names.
    ///
    /// # Panics
    /// If `id` is of another layer with more prims.
    pub fn prim_mut(&mut self, id: PrimId) -> &mut PrimSpec {
        &mut self.prims[id.0]
    }

    /// The path of a prim of this layer.
    ///
    /// # Errors
    /// If a name on the way is no identifier.
    ///
    /// # Panics
    /// If `id` is of another layer with more prims.
    pub fn path(&self, id: PrimId) -> Result<Path, UsdError> {
        let mut names = Vec::new();
        let mut at = Some(id);
        while let Some(PrimId(index)) = at {
            names.push(&self.prims[index].name);
            at = self.prims[index].parent;
        }
        names
            .iter()
            .rev()
            .try_fold(Path::root(), |path, name| path.child(name.as_str()))
    }
}

impl PrimSpec {
    /// The name of the prim.
    #[must_use]
    pub fn name(&self) -> &Token {
        &self.name
    }

    /// The prim above, or none for one at the top.
    #[must_use]
    pub fn parent(&self) -> Option<PrimId> {
        self.parent
    }

    /// Sets metadata.
    pub fn set(&mut self, field: impl Into<Token>, value: Value) -> &mut Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// The name that people see, any text.
    pub fn display_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.set("displayName", Value::String(name.into()))
    }

    /// Its place in the model hierarchy: `assembly`, `group`, `component`, `subcomponent`.
    pub fn kind(&mut self, kind: &'static str) -> &mut Self {
        self.set("kind", Value::token(kind))
    }

    /// All prims with the same references share one prototype.
    pub fn instanceable(&mut self) -> &mut Self {
        self.set("instanceable", Value::Bool(true))
    }

    /// Data of one's own.
    pub fn custom_data(&mut self, data: Dictionary) -> &mut Self {
        self.set("customData", Value::Dictionary(data))
    }

    /// Applies schemas, before those that weaker layers apply.
    pub fn prepend_api_schemas(&mut self, schemas: &[&'static str]) -> &mut Self {
        let items = schemas.iter().map(|&schema| Token::from(schema));
        self.set("apiSchemas", Value::TokenListOp(ListOp::prepend(items)))
    }

    /// Brings in other prims.
    pub fn references(&mut self, references: ListOp<Reference>) -> &mut Self {
        self.set("references", Value::ReferenceListOp(references))
    }

    /// Brings in other prims on demand.
    pub fn payloads(&mut self, payloads: ListOp<Payload>) -> &mut Self {
        self.set("payload", Value::PayloadListOp(payloads))
    }

    /// Inherits from class prims.
    pub fn inherits(&mut self, paths: ListOp<Path>) -> &mut Self {
        self.set("inheritPaths", Value::PathListOp(paths))
    }

    /// Refines other prims, whose opinions stay weaker than all else.
    pub fn specializes(&mut self, paths: ListOp<Path>) -> &mut Self {
        self.set("specializes", Value::PathListOp(paths))
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, attribute: Attribute) -> &mut Self {
        self.properties.push(Property::Attribute(attribute));
        self
    }

    /// Adds a relationship.
    pub fn relationship(&mut self, relationship: Relationship) -> &mut Self {
        self.properties.push(Property::Relationship(relationship));
        self
    }
}

impl Property {
    /// The name of the property.
    #[must_use]
    pub fn name(&self) -> &Token {
        match self {
            Self::Attribute(attribute) => &attribute.name,
            Self::Relationship(relationship) => &relationship.name,
        }
    }
}

impl Attribute {
    /// An attribute with a value. The type of `default` must be the one that `type_name` names.
    pub fn new(name: impl Into<Token>, type_name: impl Into<Token>, default: Value) -> Self {
        Self {
            default: Some(default),
            ..Self::declared(name, type_name)
        }
    }

    /// An attribute without a value.
    pub fn declared(name: impl Into<Token>, type_name: impl Into<Token>) -> Self {
        Self {
            name: name.into(),
            type_name: type_name.into(),
            variability: Variability::Varying,
            custom: false,
            default: None,
            connections: Vec::new(),
            fields: BTreeMap::new(),
        }
    }

    /// The same, not to change over time.
    #[must_use]
    pub fn uniform(mut self) -> Self {
        self.variability = Variability::Uniform;
        self
    }

    /// The same with metadata.
    #[must_use]
    pub fn with(mut self, field: impl Into<Token>, value: Value) -> Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// The same, taking its value from the attribute at `source`.
    #[must_use]
    pub fn connected_to(mut self, source: Path) -> Self {
        self.connections.push(source);
        self
    }
}

impl Relationship {
    /// A relationship to exactly `targets`.
    pub fn new(name: impl Into<Token>, targets: impl IntoIterator<Item = Path>) -> Self {
        Self {
            name: name.into(),
            custom: false,
            targets: ListOp::explicit(targets),
            fields: BTreeMap::new(),
        }
    }
}
