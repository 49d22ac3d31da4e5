//! Products, their usages, and the size of the expanded product tree.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::InstanceId;

/// The index of a product in [`crate::StepSummary::products`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductIndex(pub usize);

/// A distinct product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Product {
    /// Its `PRODUCT` instance.
    pub instance: InstanceId,
    /// Its identifier.
    pub id: String,
    /// Its name, often equal to the identifier.
    pub name: String,
    /// Its description, often empty.
    pub description: String,
    /// Whether it contains other products.
    pub kind: ProductKind,
    /// The number of its occurrences in the expanded tree; saturates.
    pub occurrences: u64,
}

/// Whether a product contains other products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// Contains no other product.
    Part,
    /// Contains other products.
    Assembly,
}

/// One usage of a product in an assembly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProductOccurrence {
    /// Its `NEXT_ASSEMBLY_USAGE_OCCURRENCE` instance.
    pub instance: InstanceId,
    /// The assembly.
    pub parent: ProductIndex,
    /// The product used in the assembly.
    pub child: ProductIndex,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The reference designator, such as `R12`; empty if there is none.
    pub reference_designator: String,
}

/// The size of the product tree when it is expanded from its roots. All counts saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeCounts {
    /// Distinct products that contain no others.
    pub parts: u64,
    /// Distinct products that contain others.
    pub assemblies: u64,
    /// Distinct products that no other product contains.
    pub roots: u64,
    /// Occurrences of parts.
    pub part_occurrences: u64,
    /// Occurrences of assemblies, including roots.
    pub assembly_occurrences: u64,
    /// The number of products on the longest path from a root to a leaf.
    pub depth: u64,
    /// Usages that close a cycle, so that a product would contain itself. No other count includes
    /// them.
    pub cyclic: u64,
}

/// Collects products and usages until they can be resolved.
#[derive(Debug, Default)]
pub(crate) struct TreeReader {
    products: Vec<RawProduct>,
    /// Formation → product.
    formations: HashMap<InstanceId, InstanceId>,
    definitions: Vec<RawDefinition>,
    /// Contexts whose definitions are documents.
    document_contexts: BTreeSet<InstanceId>,
    usages: Vec<RawUsage>,
}

#[derive(Debug)]
pub(crate) struct RawProduct {
    pub(crate) instance: InstanceId,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Debug)]
pub(crate) struct RawDefinition {
    pub(crate) instance: InstanceId,
    pub(crate) formation: Option<InstanceId>,
    pub(crate) context: Option<InstanceId>,
}

#[derive(Debug)]
pub(crate) struct RawUsage {
    pub(crate) instance: InstanceId,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) relating: Option<InstanceId>,
    pub(crate) related: Option<InstanceId>,
    pub(crate) reference_designator: String,
}

/// The resolved product tree.
#[derive(Debug, Default)]
pub(crate) struct ProductTree {
    pub(crate) products: Vec<Product>,
    pub(crate) occurrences: Vec<ProductOccurrence>,
    pub(crate) counts: TreeCounts,
    /// Usages with an undefined assembly or product.
    pub(crate) dangling: u64,
    /// Instance of a product, formation or definition → its product.
    owners: HashMap<InstanceId, ProductIndex>,
    /// Definition that is used but not in the file → names of its usages.
    absent: HashMap<InstanceId, Vec<String>>,
}

impl TreeReader {
    pub(crate) fn product(&mut self, product: RawProduct) {
        self.products.push(product);
    }

    pub(crate) fn formation(&mut self, id: InstanceId, product: InstanceId) {
        self.formations.insert(id, product);
    }

    pub(crate) fn definition(&mut self, definition: RawDefinition) {
        self.definitions.push(definition);
    }

    pub(crate) fn document_context(&mut self, id: InstanceId) {
        self.document_contexts.insert(id);
    }

    pub(crate) fn usage(&mut self, usage: RawUsage) {
        self.usages.push(usage);
    }

    pub(crate) fn resolve(self) -> ProductTree {
        let (documents, owners) = self.owners();
        let mut positions = HashMap::new();
        let mut tree = ProductTree::default();
        for raw in self.products {
            if documents.contains(&raw.instance) {
                continue;
            }
            positions.insert(raw.instance, ProductIndex(tree.products.len()));
            tree.products.push(Product {
                instance: raw.instance,
                id: raw.id,
                name: raw.name,
                description: raw.description,
                kind: ProductKind::Part,
                occurrences: 0,
            });
        }
        let find = |definition: Option<InstanceId>| {
            let product = owners.get(&definition?)?;
            positions.get(product).copied()
        };
        for raw in self.usages {
            let (Some(parent), Some(child)) = (find(raw.relating), find(raw.related)) else {
                tree.dangling += 1;
                if let Some(related) = raw.related {
                    let mut names = [raw.name, raw.id].into_iter();
                    let name = names.find(|name| !name.trim().is_empty());
                    tree.absent.entry(related).or_default().extend(name);
                }
                continue;
            };
            tree.products[parent.0].kind = ProductKind::Assembly;
            tree.occurrences.push(ProductOccurrence {
                instance: raw.instance,
                parent,
                child,
                id: raw.id,
                name: raw.name,
                reference_designator: raw.reference_designator,
            });
        }
        let definitions = owners.iter().chain(&self.formations);
        let owned = definitions.filter_map(|(id, product)| Some((*id, *positions.get(product)?)));
        tree.owners = owned.collect();
        tree.owners.extend(positions);
        tree.expand();
        tree
    }

    /// Returns the products that are only documents, and the product of each definition.
    fn owners(&self) -> (BTreeSet<InstanceId>, HashMap<InstanceId, InstanceId>) {
        let (mut documents, mut designs) = (BTreeSet::new(), BTreeSet::new());
        let mut owners = HashMap::new();
        for definition in &self.definitions {
            let formation = definition.formation;
            let Some(&product) = formation.and_then(|id| self.formations.get(&id)) else {
                continue;
            };
            owners.insert(definition.instance, product);
            let context = definition.context;
            if context.is_some_and(|id| self.document_contexts.contains(&id)) {
                documents.insert(product);
            } else {
                designs.insert(product);
            }
        }
        (&documents - &designs, owners)
    }
}

impl ProductTree {
    /// Returns the product of a product, formation or definition instance; `None` for documents.
    pub(crate) fn product_of(&self, id: InstanceId) -> Option<ProductIndex> {
        self.owners.get(&id).copied()
    }

    /// Returns the names of the usages of a definition that is not in the file.
    pub(crate) fn usage_names(&self, definition: InstanceId) -> &[String] {
        self.absent.get(&definition).map_or(&[], Vec::as_slice)
    }

    /// Counts the occurrences of each product, visiting parents before their children.
    fn expand(&mut self) {
        let count = self.products.len();
        let mut children = vec![Vec::new(); count];
        let mut is_root = vec![true; count];
        for occurrence in &self.occurrences {
            children[occurrence.parent.0].push(occurrence.child.0);
            is_root[occurrence.child.0] = false;
        }
        self.counts.roots = is_root.iter().filter(|&&is_root| is_root).count() as u64;
        let order = parents_first(&children, &is_root);
        let mut position = vec![0; count];
        for (index, &product) in order.iter().enumerate() {
            position[product] = index;
        }
        let mut depth = vec![1_u64; count];
        for parent in order {
            // A product that is reachable only through a cycle counts as a root.
            let parent_occurrences = self.products[parent].occurrences.max(1);
            self.products[parent].occurrences = parent_occurrences;
            for &child in &children[parent] {
                if position[child] <= position[parent] {
                    self.counts.cyclic += 1;
                    continue;
                }
                let occurrences = &mut self.products[child].occurrences;
                *occurrences = occurrences.saturating_add(parent_occurrences);
                depth[child] = depth[child].max(depth[parent] + 1);
            }
        }
        self.counts.depth = depth.into_iter().max().unwrap_or(0);
        for product in &self.products {
            let (distinct, occurrences) = match product.kind {
                ProductKind::Part => (&mut self.counts.parts, &mut self.counts.part_occurrences),
                ProductKind::Assembly => (
                    &mut self.counts.assemblies,
                    &mut self.counts.assembly_occurrences,
                ),
            };
            *distinct += 1;
            *occurrences = occurrences.saturating_add(product.occurrences);
        }
    }
}

/// Returns all products in topological order, ignoring usages that close a cycle.
///
/// This is the reverse post-order of a depth-first search from the roots. A cycle is cut where it
/// returns to the product through which the search entered it.
fn parents_first(children: &[Vec<usize>], is_root: &[bool]) -> Vec<usize> {
    let count = children.len();
    let (roots, others): (Vec<_>, Vec<_>) = (0..count).partition(|&product| is_root[product]);
    let mut seen = vec![false; count];
    let mut post_order = Vec::with_capacity(count);
    // Products, each with the number of its children that have been visited.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in roots.into_iter().chain(others) {
        if !seen[start] {
            seen[start] = true;
            path.push((start, 0));
        }
        while let Some((product, visited)) = path.last_mut() {
            let Some(&child) = children[*product].get(*visited) else {
                post_order.push(*product);
                path.pop();
                continue;
            };
            *visited += 1;
            if !seen[child] {
                seen[child] = true;
                path.push((child, 0));
            }
        }
    }
    post_order.reverse();
    post_order
}

#[cfg(test)]
mod tests;
