//! Which products have geometry in the file, and which product a representation belongs to.

use std::collections::{HashMap, HashSet};

use crate::{InstanceId, id_set::IdSet, product_tree::ProductIndex};

/// What is read of shapes, until all of it is there.
#[derive(Debug, Default)]
pub(crate) struct ShapeReader {
    /// `PRODUCT_DEFINITION_SHAPE` → what it is the shape of.
    shapes: HashMap<InstanceId, InstanceId>,
    /// `SHAPE_DEFINITION_REPRESENTATION`: the shape, and its representation.
    definitions: Vec<(InstanceId, InstanceId)>,
    /// Representation → its items.
    items: HashMap<InstanceId, Vec<InstanceId>>,
    /// Representations that show the same.
    related: Vec<(InstanceId, InstanceId)>,
    /// Instances that are geometry.
    geometry: IdSet,
}

/// The same, resolved.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// The product of each representation and of each of its items.
    owners: HashMap<InstanceId, ProductIndex>,
    /// The products that have geometry in the file.
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

    /// What an instance is the shape of: a product definition or an occurrence.
    pub(crate) fn subject(&self, shape: InstanceId) -> Option<InstanceId> {
        self.shapes.get(&shape).copied()
    }

    /// `product_of` gives the product of a definition.
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

    /// For each representation that is related to others, one that stands for all of them.
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
    /// The product that a representation, or an item of one, belongs to.
    pub(crate) fn owner(&self, id: InstanceId) -> Option<ProductIndex> {
        self.owners.get(&id).copied()
    }

    pub(crate) fn has_geometry(&self, product: ProductIndex) -> bool {
        self.with_geometry.contains(&product)
    }
}
