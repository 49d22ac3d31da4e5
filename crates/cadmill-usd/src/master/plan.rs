//! Assigns the names of all prims of the master, for all layers.
//!
//! The plan is derived from the scene alone, so that it does not depend on materials.

use std::collections::HashMap;

use cadmill_scene::{OccurrenceIndex, Scene};

use super::names::{Names, identifier};
use crate::{Layer, Path, Token, UsdError, Value};

/// The scope of the prototypes, a child of the root.
pub(super) const PROTOTYPES: &str = "Prototypes";
/// The scope of the materials, a child of the root.
pub(super) const MATERIALS: &str = "Materials";

/// The names and paths of all prims that represent the scene.
#[derive(Debug)]
pub(super) struct Plan {
    /// The default prim.
    pub(super) root: Path,
    pub(super) parts: Vec<PartPlan>,
    pub(super) occurrences: Vec<OccurrencePlan>,
    /// The names in use below [`PROTOTYPES`].
    pub(super) prototype_names: Names,
}

#[derive(Debug)]
pub(super) struct PartPlan {
    pub(super) name: Token,
    pub(super) path: Path,
    /// The indices of the primitives that have triangles. If there are none, the prototype has no
    /// mesh.
    pub(super) primitives: Vec<usize>,
    /// The name of the mesh below the prototype.
    pub(super) mesh: Token,
    /// The name of the subset for each of `primitives`, if there are several.
    pub(super) subsets: Vec<Token>,
}

#[derive(Debug)]
pub(super) struct OccurrencePlan {
    pub(super) name: Token,
    /// The prim that is the instance of the part.
    pub(super) instance: Instance,
}

#[derive(Debug, PartialEq)]
pub(super) enum Instance {
    /// The occurrence has no part.
    None,
    /// The prim of the occurrence.
    Itself,
    /// A child with this name, because the occurrence has children and instances cannot have any.
    Child(Token),
}

impl Plan {
    pub(super) fn new(scene: &Scene) -> Result<Self, UsdError> {
        let roots: Vec<_> = scene
            .occurrences
            .iter()
            .filter(|o| o.parent.is_none())
            .collect();
        let root = match roots[..] {
            [only] => identifier(&only.name, "Assembly"),
            _ => "Assembly".to_owned(),
        };
        let root = Path::root().child(&root)?;
        let prototypes = root.child(PROTOTYPES)?;
        let mut prototype_names = Names::default();
        let parts = scene
            .parts
            .iter()
            .map(|part| {
                let name = prototype_names.unique(&part.name, "Part");
                let path = prototypes.child(&name)?;
                let primitives = part.primitives.iter().enumerate();
                let primitives = primitives.filter(|(_, p)| !p.indices.is_empty());
                let primitives: Vec<_> = primitives.map(|(index, _)| index).collect();
                let mut names = Names::default();
                let subsets = primitives.iter().map(|&index| {
                    let material = &scene.materials[part.primitives[index].material.0];
                    names.unique(&material.name, "Faces").into()
                });
                let subsets = subsets.filter(|_| primitives.len() > 1).collect();
                Ok(PartPlan {
                    name: name.into(),
                    path,
                    mesh: identifier(&part.name, "Part").into(),
                    subsets,
                    primitives,
                })
            })
            .collect::<Result<_, UsdError>>()?;
        Ok(Self {
            root,
            parts,
            occurrences: plan_occurrences(scene),
            prototype_names,
        })
    }

    /// Returns the name of the default prim.
    pub(super) fn root_name(&self) -> Token {
        self.root.as_str()[1..].to_owned().into()
    }

    /// Creates a layer with the metadata that all layers share.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::new();
        layer
            .set("defaultPrim", Value::Token(self.root_name()))
            .set("metersPerUnit", Value::Double(1.0))
            .set("upAxis", Value::token("Z"));
        layer
    }
}

fn plan_occurrences(scene: &Scene) -> Vec<OccurrencePlan> {
    let mut has_children = vec![false; scene.occurrences.len()];
    for parent in scene.occurrences.iter().filter_map(|o| o.parent) {
        has_children[parent.0] = true;
    }
    let mut scopes: HashMap<Option<OccurrenceIndex>, Names> = HashMap::new();
    scopes.insert(None, Names::with_reserved(&[PROTOTYPES, MATERIALS]));
    let occurrences = scene.occurrences.iter().enumerate();
    occurrences
        .map(|(index, occurrence)| {
            let siblings = scopes.entry(occurrence.parent).or_default();
            let name = siblings.unique(&occurrence.name, "Occurrence").into();
            let instance = match occurrence.part {
                None => Instance::None,
                Some(_) if !has_children[index] => Instance::Itself,
                Some(part) => {
                    let children = scopes.entry(Some(OccurrenceIndex(index))).or_default();
                    let part = &scene.parts[part.0];
                    Instance::Child(children.unique(&part.name, "Part").into())
                }
            };
            OccurrencePlan { name, instance }
        })
        .collect()
}
