//! Tests of the size of product trees, with and without cycles.

use proptest::prelude::*;

use super::*;

/// Builds a tree of `products` products with usages `uses` (parent, child).
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

fn occurrences(tree: &ProductTree) -> Vec<u64> {
    tree.products
        .iter()
        .map(|product| product.occurrences)
        .collect()
}

#[test]
fn occurrences_multiply_along_the_tree() {
    let tree = tree(4, [(0, 1), (0, 1), (1, 2), (1, 2), (1, 2), (0, 2), (0, 3)]);
    assert_eq!(occurrences(&tree), [1, 2, 7, 1]);
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
fn occurrence_counts_saturate() {
    // Each product is used ten times in the previous one: 10^99 occurrences of the last.
    let uses = (0..99).flat_map(|parent| [(parent, parent + 1); 10]);
    let tree = tree(100, uses);
    assert_eq!(tree.products[99].occurrences, u64::MAX);
    assert_eq!(tree.counts.depth, 100);
}

#[test]
fn a_very_deep_tree_does_not_overflow_the_stack() {
    let tree = tree(200_000, (0..199_999).map(|parent| (parent, parent + 1)));
    assert_eq!(tree.counts.depth, 200_000);
    assert_eq!(tree.counts.part_occurrences, 1);
}

#[test]
fn cycles_are_cut_and_counted() {
    let tree = tree(4, [(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)]);
    assert_eq!(tree.counts.cyclic, 2);
    assert_eq!(occurrences(&tree), [1, 1, 1, 1]);
    let alone = self::tree(2, [(0, 1), (1, 0)]);
    assert_eq!((alone.counts.cyclic, alone.counts.roots), (1, 0));
    assert_eq!(occurrences(&alone), [1, 1]);
}

#[test]
fn products_below_a_cycle_are_not_part_of_it() {
    // Product 0 is a leaf, used five times in one of two products that contain each other.
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
    assert_eq!(occurrences(&tree), [5, 1, 1, 1]);
    assert_eq!(tree.counts.depth, 4);
}

#[test]
fn many_nested_cycles_are_counted() {
    // Pairs of products that contain each other. The second of each pair is used in the next pair.
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

proptest! {
    #[test]
    fn every_product_is_counted_once_and_only_cycles_are_cut(
        uses in prop::collection::vec((0_u64..12, 0_u64..12), 0..40),
    ) {
        let tree = tree(12, uses.clone());
        prop_assert!(occurrences(&tree).iter().all(|&times| times > 0));
        let down: Vec<_> = uses.iter().map(|&(a, b)| (a.min(b), a.max(b) + 12)).collect();
        let cyclic = tree.counts.cyclic as usize;
        prop_assert!(cyclic <= uses.len());
        // Usages from lower to higher numbers close no cycle.
        prop_assert_eq!(self::tree(24, down).counts.cyclic, 0);
        // Cycles are counted if and only if some product is on one.
        let is_on_cycle = |product| reaches(&uses, product, product);
        prop_assert_eq!(cyclic > 0, (0..12).any(is_on_cycle));
    }
}

/// Whether `from` contains `to`, at any depth.
fn reaches(uses: &[(u64, u64)], from: u64, to: u64) -> bool {
    let (mut seen, mut pending) = (BTreeSet::new(), vec![from]);
    while let Some(at) = pending.pop() {
        for &(_, child) in uses.iter().filter(|(parent, _)| *parent == at) {
            if seen.insert(child) {
                pending.push(child);
            }
        }
    }
    seen.contains(&to)
}

#[test]
fn usages_of_undefined_products_are_counted() {
    assert_eq!(tree(1, [(0, 7)]).dangling, 1);
}
