//! Products, and which of them is used where; how large the tree is when it is expanded.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::InstanceId;

/// Position of a product in [`crate::StepSummary::products`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductIndex(pub usize);

/// A distinct product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Product {
    /// Its `PRODUCT`.
    pub instance: InstanceId,
    /// Its identifier, as the file has it.
    pub id: String,
    /// Its name, as the file has it; often the same.
    pub name: String,
    /// What it is; often empty.
    pub description: String,
    /// Whether others are used in it.
    pub kind: ProductKind,
    /// How often it is shown when the tree is expanded from its roots; saturates.
    pub occurrences: u64,
}

/// Whether a product is made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// A leaf of the tree.
    Part,
    /// Made of other products.
    Assembly,
}

/// One use of a product in an assembly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProductOccurrence {
    /// Its `NEXT_ASSEMBLY_USAGE_OCCURRENCE`.
    pub instance: InstanceId,
    /// The assembly.
    pub parent: ProductIndex,
    /// The product that is used in it.
    pub child: ProductIndex,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The reference designator, such as `R12`; empty if there is none.
    pub reference_designator: String,
}

/// How large the tree is when it is expanded from its roots. All counts saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeCounts {
    /// Distinct products that are made of no others.
    pub parts: u64,
    /// Distinct products that are.
    pub assemblies: u64,
    /// Distinct products that are used in no other.
    pub roots: u64,
    /// How many places show a part.
    pub part_occurrences: u64,
    /// How many places show an assembly, roots included.
    pub assembly_occurrences: u64,
    /// How many products lie on the longest way from a root to a leaf.
    pub depth: u64,
    /// Uses that close a cycle, so that a product would hold itself; they are in no other count.
    pub cyclic: u64,
}

/// What is read of products, until all of it is there.
#[derive(Debug, Default)]
pub(crate) struct TreeReader {
    products: Vec<RawProduct>,
    /// Formation → product.
    formations: HashMap<InstanceId, InstanceId>,
    definitions: Vec<RawDefinition>,
    /// Contexts in which definitions are documents.
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

/// The tree, resolved.
#[derive(Debug, Default)]
pub(crate) struct ProductTree {
    pub(crate) products: Vec<Product>,
    pub(crate) occurrences: Vec<ProductOccurrence>,
    pub(crate) counts: TreeCounts,
    /// Uses whose assembly or product cannot be found.
    pub(crate) dangling: u64,
    /// The product of each product, formation and definition.
    owners: HashMap<InstanceId, ProductIndex>,
    /// The definitions that are used but not here, and the names of their uses.
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

    /// The products that are nothing but documents, and the product of each definition.
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
    /// The product that a product, formation or definition is or belongs to; none for documents.
    pub(crate) fn product_of(&self, id: InstanceId) -> Option<ProductIndex> {
        self.owners.get(&id).copied()
    }

    /// The names of the occurrences of a definition that is not in the file.
    pub(crate) fn names_of_usages(&self, definition: InstanceId) -> &[String] {
        self.absent.get(&definition).map_or(&[], Vec::as_slice)
    }

    /// Counts how often each product is shown: parents before children, each use once.
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
        let mut place = vec![0; count];
        for (at, &product) in order.iter().enumerate() {
            place[product] = at;
        }
        let mut depth = vec![1_u64; count];
        for parent in order {
            // What nothing leads to but a cycle is shown by itself, like a root.
            let shown = self.products[parent].occurrences.max(1);
            self.products[parent].occurrences = shown;
            for &child in &children[parent] {
                if place[child] <= place[parent] {
                    self.counts.cyclic += 1;
                    continue;
                }
                let occurrences = &mut self.products[child].occurrences;
                *occurrences = occurrences.saturating_add(shown);
                depth[child] = depth[child].max(depth[parent] + 1);
            }
        }
        self.counts.depth = depth.into_iter().max().unwrap_or(0);
        for product in &self.products {
            let (distinct, shown) = match product.kind {
                ProductKind::Part => (&mut self.counts.parts, &mut self.counts.part_occurrences),
                ProductKind::Assembly => (
                    &mut self.counts.assemblies,
                    &mut self.counts.assembly_occurrences,
                ),
            };
            *distinct += 1;
            *shown = shown.saturating_add(product.occurrences);
        }
    }
}

/// All products, each before those that it holds, but for uses that close a cycle: those lead back.
///
/// It is the reverse of the order in which a depth-first search leaves them. The search begins at the
/// roots, so a cycle is cut where it comes back to the product by which it was entered.
fn parents_first(children: &[Vec<usize>], is_root: &[bool]) -> Vec<usize> {
    let count = children.len();
    let (roots, others): (Vec<_>, Vec<_>) = (0..count).partition(|&product| is_root[product]);
    let mut seen = vec![false; count];
    let mut left = Vec::with_capacity(count);
    // A product, and how many of its children have been looked at.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in roots.into_iter().chain(others) {
        if !seen[start] {
            seen[start] = true;
            path.push((start, 0));
        }
        while let Some((product, looked_at)) = path.last_mut() {
            let Some(&child) = children[*product].get(*looked_at) else {
                left.push(*product);
                path.pop();
                continue;
            };
            *looked_at += 1;
            if !seen[child] {
                seen[child] = true;
                path.push((child, 0));
            }
        }
    }
    left.reverse();
    left
}

#[cfg(test)]
mod tests;
