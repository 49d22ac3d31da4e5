//! Determines which products have geometry in the file, and which product a representation belongs
//! to.

use std::collections::{HashMap, HashSet};

use crate::{InstanceId, id_set::IdSet, product_tree::ProductIndex};

/// Collects shapes and representations until they can be resolved.
#[derive(Debug, Default)]
pub(crate) struct ShapeReader {
    /// `PRODUCT_DEFINITION_SHAPE` → the instance whose shape it is.
    shapes: HashMap<InstanceId, InstanceId>,
    /// `SHAPE_DEFINITION_REPRESENTATION`: shape and representation.
    definitions: Vec<(InstanceId, InstanceId)>,
    /// Representation → its items.
    items: HashMap<InstanceId, Vec<InstanceId>>,
    /// Pairs of representations of the same shape.
    related: Vec<(InstanceId, InstanceId)>,
    /// Instances that can be meshed.
    geometry: IdSet,
}

/// The resolved shapes.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// Representation or representation item → product.
    owners: HashMap<InstanceId, ProductIndex>,
    /// The products with geometry in the file.
    with_geometry: HashSet<ProductIndex>,
}

impl ShapeReader {
    pub(crate) fn geometry(&mut self, id: InstanceId) {
        self.geometry.insert(id);
    }

    pub(crate) fn shape(&mut self, id: InstanceId, of: InstanceId) {
        self.shapes.insert(id, of);
    }

    pub(crate) fn definition(&mut self, shape: InstanceId, representation: InstanceId) {
        self.definitions.push((shape, representation));
    }

    pub(crate) fn representation(&mut self, id: InstanceId, items: Vec<InstanceId>) {
        self.items.insert(id, items);
    }

    pub(crate) fn relationship(&mut self, one: InstanceId, other: InstanceId) {
        self.related.push((one, other));
    }

    /// Returns the instance whose shape this is: a product definition or an occurrence.
    pub(crate) fn subject(&self, shape: InstanceId) -> Option<InstanceId> {
        self.shapes.get(&shape).copied()
    }

    /// Resolves the shapes. `product_of` returns the product of a definition.
    pub(crate) fn resolve(
        &self,
        product_of: impl Fn(InstanceId) -> Option<ProductIndex>,
    ) -> Shapes {
        let groups = self.groups();
        let mut with_geometry = HashSet::new();
        for (representation, items) in &self.items {
            if items.iter().any(|&item| self.geometry.contains(item)) {
                with_geometry.insert(groups.get(representation).unwrap_or(representation));
            }
        }
        let mut shapes = Shapes::default();
        for (shape, representation) in &self.definitions {
            let Some(product) = self.subject(*shape).and_then(&product_of) else {
                continue;
            };
            if with_geometry.contains(groups.get(representation).unwrap_or(representation)) {
                shapes.with_geometry.insert(product);
            }
            shapes.owners.insert(*representation, product);
            for &item in self.items.get(representation).into_iter().flatten() {
                shapes.owners.entry(item).or_insert(product);
            }
        }
        shapes
    }

    /// Maps each representation with relationships to the representative of its group.
    fn groups(&self) -> HashMap<InstanceId, InstanceId> {
        let mut neighbours: HashMap<InstanceId, Vec<InstanceId>> = HashMap::new();
        for &(one, other) in &self.related {
            neighbours.entry(one).or_default().push(other);
            neighbours.entry(other).or_default().push(one);
        }
        let mut groups = HashMap::new();
        for &start in neighbours.keys() {
            let mut pending = vec![start];
            while let Some(id) = pending.pop() {
                if groups.contains_key(&id) {
                    continue;
                }
                groups.insert(id, start);
                pending.extend(neighbours.get(&id).into_iter().flatten());
            }
        }
        groups
    }
}

impl Shapes {
    /// Returns the product of a representation or representation item.
    pub(crate) fn owner(&self, id: InstanceId) -> Option<ProductIndex> {
        self.owners.get(&id).copied()
    }

    pub(crate) fn has_geometry(&self, product: ProductIndex) -> bool {
        self.with_geometry.contains(&product)
    }
}
