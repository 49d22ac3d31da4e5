//! Products, and which of them is used where; how large the tree is when it is expanded.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::{InstanceId, cycles::CycleSearch};

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
    /// Counts how often each product is shown: parents before children, each edge once.
    fn expand(&mut self) {
        let count = self.products.len();
        let mut children = vec![Vec::new(); count];
        let mut parents = vec![Vec::new(); count];
        let mut waiting = vec![0_usize; count];
        for occurrence in &self.occurrences {
            children[occurrence.parent.0].push(occurrence.child.0);
            parents[occurrence.child.0].push(occurrence.parent.0);
            waiting[occurrence.child.0] += 1;
        }
        let mut ready: Vec<usize> = (0..count).filter(|&index| waiting[index] == 0).collect();
        self.counts.roots = ready.len() as u64;
        for &root in &ready {
            self.products[root].occurrences = 1;
        }
        let mut depth = vec![1_u64; count];
        let mut done = vec![false; count];
        let mut cycles = CycleSearch::new(parents);
        loop {
            while let Some(parent) = ready.pop() {
                done[parent] = true;
                let shown = self.products[parent].occurrences;
                for &child in &children[parent] {
                    if done[child] {
                        self.counts.cyclic += 1;
                        continue;
                    }
                    let occurrences = &mut self.products[child].occurrences;
                    *occurrences = occurrences.saturating_add(shown);
                    depth[child] = depth[child].max(depth[parent] + 1);
                    waiting[child] -= 1;
                    if waiting[child] == 0 {
                        ready.push(child);
                    }
                }
            }
            let Some(cycle) = cycles.next(&done) else {
                break;
            };
            // Best where something that is counted leads into it.
            let is_shown = |&product: &usize| self.products[product].occurrences > 0;
            let cut = cycle.iter().copied().find(is_shown).unwrap_or(cycle[0]);
            let occurrences = &mut self.products[cut].occurrences;
            *occurrences = (*occurrences).max(1);
            ready.push(cut);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Products 0 to `products`, used by each other as `uses` says (parent, child).
    fn tree(products: u64, uses: impl IntoIterator<Item = (u64, u64)>) -> ProductTree {
        const FORMATION: u64 = 1_000_000;
        const DEFINITION: u64 = 2_000_000;
        let mut reader = TreeReader::default();
        for id in 0..products {
            reader.product(RawProduct {
                instance: InstanceId(id),
                id: id.to_string(),
                name: String::new(),
                description: String::new(),
            });
            reader.formation(InstanceId(FORMATION + id), InstanceId(id));
            reader.definition(RawDefinition {
                instance: InstanceId(DEFINITION + id),
                formation: Some(InstanceId(FORMATION + id)),
                context: None,
            });
        }
        for (parent, child) in uses {
            reader.usage(RawUsage {
                instance: InstanceId(0),
                id: String::new(),
                name: String::new(),
                relating: Some(InstanceId(DEFINITION + parent)),
                related: Some(InstanceId(DEFINITION + child)),
                reference_designator: String::new(),
            });
        }
        reader.resolve()
    }

    fn shown(tree: &ProductTree) -> Vec<u64> {
        tree.products
            .iter()
            .map(|product| product.occurrences)
            .collect()
    }

    #[test]
    fn occurrences_multiply_along_the_tree() {
        let tree = tree(4, [(0, 1), (0, 1), (1, 2), (1, 2), (1, 2), (0, 2), (0, 3)]);
        assert_eq!(shown(&tree), [1, 2, 7, 1]);
        assert_eq!(
            tree.counts,
            TreeCounts {
                parts: 2,
                assemblies: 2,
                roots: 1,
                part_occurrences: 8,
                assembly_occurrences: 3,
                depth: 3,
                cyclic: 0,
            }
        );
    }

    #[test]
    fn a_bomb_saturates() {
        // Each product is used ten times in the one before it: 10^99 at the end.
        let uses = (0..99).flat_map(|parent| [(parent, parent + 1); 10]);
        let tree = tree(100, uses);
        assert_eq!(tree.products[99].occurrences, u64::MAX);
        assert_eq!(tree.counts.depth, 100);
    }

    #[test]
    fn a_very_deep_tree_is_no_trouble() {
        let tree = tree(200_000, (0..199_999).map(|parent| (parent, parent + 1)));
        assert_eq!(tree.counts.depth, 200_000);
        assert_eq!(tree.counts.part_occurrences, 1);
    }

    #[test]
    fn cycles_are_cut_and_counted() {
        let tree = tree(4, [(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)]);
        assert_eq!(tree.counts.cyclic, 2);
        assert_eq!(shown(&tree), [1, 1, 1, 1]);
        let alone = self::tree(2, [(0, 1), (1, 0)]);
        assert_eq!((alone.counts.cyclic, alone.counts.roots), (1, 0));
        assert_eq!(shown(&alone), [1, 1]);
    }

    #[test]
    fn what_is_below_a_cycle_is_not_on_it() {
        // A leaf that comes first in the file, five times in one of two that hold each other.
        let tree = tree(
            4,
            [
                (3, 1),
                (1, 2),
                (2, 1),
                (2, 0),
                (2, 0),
                (2, 0),
                (2, 0),
                (2, 0),
            ],
        );
        assert_eq!(tree.counts.cyclic, 1);
        assert_eq!(shown(&tree), [5, 1, 1, 1]);
        assert_eq!(tree.counts.depth, 4);
    }

    #[test]
    fn many_cycles_below_each_other_are_no_trouble() {
        // Pairs that hold each other, each used in the next, the lowest first in the file.
        const PAIRS: u64 = 50_000;
        let uses = (0..PAIRS).flat_map(|pair| {
            let (a, b) = (2 * pair, 2 * pair + 1);
            [(a, b), (b, a)]
                .into_iter()
                .chain((pair > 0).then(|| (a, b - 2)))
        });
        let tree = tree(2 * PAIRS, uses);
        assert_eq!(tree.counts.cyclic, PAIRS);
    }

    #[test]
    fn uses_of_nothing_are_counted() {
        assert_eq!(tree(1, [(0, 7)]).dangling, 1);
    }
}
