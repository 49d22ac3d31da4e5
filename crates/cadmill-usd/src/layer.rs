//! Layers in memory: a tree of prim specs with fields and properties.

use std::collections::BTreeMap;

use crate::{
    LayerOffset, ListOp, Path, Reference, Specifier, Token, UsdError, Value, Variability,
    value::{Dictionary, Payload},
};

/// A USD layer. Prims are stored in one list in which parents precede their children, so the depth
/// of the tree is not limited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Metadata of the layer, such as `defaultPrim`, `upAxis`, `metersPerUnit` and
    /// `customLayerData`.
    pub fields: BTreeMap<Token, Value>,
    /// The sublayers, strongest first.
    pub sublayers: Vec<SubLayer>,
    prims: Vec<PrimSpec>,
}

/// A sublayer.
#[derive(Debug, Clone, PartialEq)]
pub struct SubLayer {
    /// The path of the file; relative to that of the layer if it begins with `./`.
    pub asset_path: String,
    /// The time offset and scale.
    pub offset: LayerOffset,
}

/// Identifies a prim within its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimId(pub(crate) usize);

/// The opinions of a layer about a prim.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimSpec {
    pub(crate) parent: Option<PrimId>,
    pub(crate) name: Token,
    /// Whether the prim is defined in this layer.
    pub specifier: Specifier,
    /// The schema of the prim, such as `Xform`, or `None` for an over that does not set it.
    pub type_name: Option<Token>,
    /// Metadata by name, except for `specifier` and `typeName`.
    pub fields: BTreeMap<Token, Value>,
    /// Attributes and relationships, in the order in which they were added.
    pub properties: Vec<Property>,
}

/// An attribute or a relationship of a prim.
#[derive(Debug, Clone, PartialEq)]
pub enum Property {
    /// Has a value.
    Attribute(Attribute),
    /// Targets prims or properties.
    Relationship(Relationship),
}

/// The opinions of a layer about an attribute, without time samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The name, such as `points` or `xformOp:transform`.
    pub name: Token,
    /// The type, such as `point3f[]`.
    pub type_name: Token,
    /// Whether the value may change over time.
    pub variability: Variability,
    /// Whether the attribute belongs to no schema.
    pub custom: bool,
    /// The default value.
    pub default: Option<Value>,
    /// The attributes to which this one is connected.
    pub connections: Vec<Path>,
    /// Other metadata, such as `interpolation`.
    pub fields: BTreeMap<Token, Value>,
}

/// The opinions of a layer about a relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct Relationship {
    /// The name, such as `material:binding`.
    pub name: Token,
    /// Whether the relationship belongs to no schema.
    pub custom: bool,
    /// The target paths.
    pub targets: ListOp<Path>,
    /// Other metadata.
    pub fields: BTreeMap<Token, Value>,
}

impl Layer {
    /// Creates an empty layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets metadata of the layer.
    pub fn set(&mut self, field: impl Into<Token>, value: Value) -> &mut Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// Adds a sublayer, which is weaker than those added before.
    pub fn sublayer(&mut self, asset_path: impl Into<String>) -> &mut Self {
        self.sublayers.push(SubLayer {
            asset_path: asset_path.into(),
            offset: LayerOffset::default(),
        });
        self
    }

    /// Adds a prim below `parent`, or at the root. An empty `type_name` leaves the type unset.
    ///
    /// [`usdc::write`](crate::usdc::write) checks that names are identifiers and unique among
    /// siblings.
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

    /// Returns all prims; parents precede their children.
    #[must_use]
    pub fn prims(&self) -> &[PrimSpec] {
        &self.prims
    }

    /// Returns the prim `id`.
    ///
    /// # Panics
    /// If `id` belongs to another layer with more prims.
    pub fn prim_mut(&mut self, id: PrimId) -> &mut PrimSpec {
        &mut self.prims[id.0]
    }

    /// Returns the path of a prim of this layer.
    ///
    /// # Errors
    /// If a name on the path is not an identifier.
    ///
    /// # Panics
    /// If `id` belongs to another layer with more prims.
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
    /// Returns the name of the prim.
    #[must_use]
    pub fn name(&self) -> &Token {
        &self.name
    }

    /// Returns the parent, or `None` for a root prim.
    #[must_use]
    pub fn parent(&self) -> Option<PrimId> {
        self.parent
    }

    /// Sets metadata.
    pub fn set(&mut self, field: impl Into<Token>, value: Value) -> &mut Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// Sets the name for user interfaces, which may be any text.
    pub fn display_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.set("displayName", Value::String(name.into()))
    }

    /// Sets the kind in the model hierarchy: `assembly`, `group`, `component` or `subcomponent`.
    pub fn kind(&mut self, kind: &'static str) -> &mut Self {
        self.set("kind", Value::token(kind))
    }

    /// Makes the prim share one prototype with all instances that have the same references.
    pub fn instanceable(&mut self) -> &mut Self {
        self.set("instanceable", Value::Bool(true))
    }

    /// Sets application-specific data.
    pub fn custom_data(&mut self, data: Dictionary) -> &mut Self {
        self.set("customData", Value::Dictionary(data))
    }

    /// Applies API schemas, before those that weaker layers apply.
    pub fn prepend_api_schemas(&mut self, schemas: &[&'static str]) -> &mut Self {
        let items = schemas.iter().map(|&schema| Token::from(schema));
        self.set("apiSchemas", Value::TokenListOp(ListOp::prepend(items)))
    }

    /// Sets references to other prims.
    pub fn references(&mut self, references: ListOp<Reference>) -> &mut Self {
        self.set("references", Value::ReferenceListOp(references))
    }

    /// Sets payloads, which are references loaded on demand.
    pub fn payloads(&mut self, payloads: ListOp<Payload>) -> &mut Self {
        self.set("payload", Value::PayloadListOp(payloads))
    }

    /// Sets class prims to inherit from.
    pub fn inherits(&mut self, paths: ListOp<Path>) -> &mut Self {
        self.set("inheritPaths", Value::PathListOp(paths))
    }

    /// Sets prims to specialize; their opinions are weaker than all others.
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
    /// Returns the name of the property.
    #[must_use]
    pub fn name(&self) -> &Token {
        match self {
            Self::Attribute(attribute) => &attribute.name,
            Self::Relationship(relationship) => &relationship.name,
        }
    }
}

impl Attribute {
    /// Creates an attribute with a value. The type of `default` must correspond to `type_name`.
    pub fn new(name: impl Into<Token>, type_name: impl Into<Token>, default: Value) -> Self {
        Self {
            default: Some(default),
            ..Self::declared(name, type_name)
        }
    }

    /// Creates an attribute without a value.
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

    /// Makes the attribute uniform, so that it does not change over time.
    #[must_use]
    pub fn uniform(mut self) -> Self {
        self.variability = Variability::Uniform;
        self
    }

    /// Adds metadata.
    #[must_use]
    pub fn with(mut self, field: impl Into<Token>, value: Value) -> Self {
        self.fields.insert(field.into(), value);
        self
    }

    /// Connects the attribute to the attribute at `source`.
    #[must_use]
    pub fn connected_to(mut self, source: Path) -> Self {
        self.connections.push(source);
        self
    }
}

impl Relationship {
    /// Creates a relationship with exactly these targets.
    pub fn new(name: impl Into<Token>, targets: impl IntoIterator<Item = Path>) -> Self {
        Self {
            name: name.into(),
            custom: false,
            targets: ListOp::explicit(targets),
            fields: BTreeMap::new(),
        }
    }
}
