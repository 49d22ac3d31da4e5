//! A set of instance names: a bitmap where names are dense, a sorted list where they are sparse.

use std::{cell::Cell, collections::BTreeMap};

use crate::InstanceId;

const BITS: usize = 1 << 16;
/// With more members than this, a list is larger than the bitmap.
const MAX_LIST: usize = BITS / 16;

/// A set of instance names.
#[derive(Debug, Default)]
pub(crate) struct IdSet {
    /// Index of the block for names with these upper 48 bits.
    directory: BTreeMap<u64, usize>,
    blocks: Vec<Block>,
    /// The block used last, since names come in runs.
    recent: Cell<Option<(u64, usize)>>,
}

#[derive(Debug)]
enum Block {
    /// Sorted lower 16 bits.
    List(Vec<u16>),
    Bits(Box<[u64; BITS / 64]>),
}

impl IdSet {
    /// Inserts a name. Returns `false` if it was already present.
    pub(crate) fn insert(&mut self, id: InstanceId) -> bool {
        let (upper, lower) = split(id);
        let index = self.find(upper).unwrap_or_else(|| {
            let index = self.blocks.len();
            self.blocks.push(Block::List(Vec::new()));
            self.directory.insert(upper, index);
            self.recent.set(Some((upper, index)));
            index
        });
        self.blocks[index].insert(lower)
    }

    /// Whether the set contains a name.
    pub(crate) fn contains(&self, id: InstanceId) -> bool {
        let (upper, lower) = split(id);
        let block = self.find(upper).map(|index| &self.blocks[index]);
        block.is_some_and(|block| block.contains(lower))
    }

    /// Counts the names that are not in `others`, and returns the smallest `sample` of them.
    pub(crate) fn missing_from(&self, others: &Self, sample: usize) -> (u64, Vec<InstanceId>) {
        let (mut count, mut first) = (0, Vec::new());
        for (&upper, &index) in &self.directory {
            let other = others.find(upper).map(|index| &others.blocks[index]);
            self.blocks[index].for_each(|lower| {
                if !other.is_some_and(|block| block.contains(lower)) {
                    count += 1;
                    if first.len() < sample {
                        first.push(InstanceId(upper << 16 | u64::from(lower)));
                    }
                }
            });
        }
        (count, first)
    }

    fn find(&self, upper: u64) -> Option<usize> {
        match self.recent.get() {
            Some((recent, index)) if recent == upper => Some(index),
            _ => {
                let index = *self.directory.get(&upper)?;
                self.recent.set(Some((upper, index)));
                Some(index)
            }
        }
    }
}

impl Block {
    fn insert(&mut self, lower: u16) -> bool {
        match self {
            Self::Bits(bits) => {
                let (word, mask) = bit_position(lower);
                let inserted = bits[word] & mask == 0;
                bits[word] |= mask;
                inserted
            }
            Self::List(list) => {
                let position = match list.last() {
                    Some(&last) if last >= lower => match list.binary_search(&lower) {
                        Ok(_) => return false,
                        Err(position) => position,
                    },
                    _ => list.len(),
                };
                list.insert(position, lower);
                if list.len() > MAX_LIST {
                    let mut bits = Box::new([0; BITS / 64]);
                    for &lower in &*list {
                        let (word, mask) = bit_position(lower);
                        bits[word] |= mask;
                    }
                    *self = Self::Bits(bits);
                }
                true
            }
        }
    }

    fn contains(&self, lower: u16) -> bool {
        match self {
            Self::List(list) => list.binary_search(&lower).is_ok(),
            Self::Bits(bits) => {
                let (word, mask) = bit_position(lower);
                bits[word] & mask != 0
            }
        }
    }

    fn for_each(&self, mut visit: impl FnMut(u16)) {
        match self {
            Self::List(list) => list.iter().copied().for_each(visit),
            Self::Bits(bits) => {
                for (index, &word) in bits.iter().enumerate() {
                    let mut rest = word;
                    while rest != 0 {
                        visit((index * 64) as u16 + rest.trailing_zeros() as u16);
                        rest &= rest - 1;
                    }
                }
            }
        }
    }
}

const fn split(id: InstanceId) -> (u64, u16) {
    (id.0 >> 16, id.0 as u16)
}

const fn bit_position(lower: u16) -> (usize, u64) {
    (lower as usize / 64, 1 << (lower % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            prop_oneof![0..20_000_u64, 0..300_000_u64, any::<u64>()],
            0..9_000,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn agrees_with_btree_set(defined in ids(), referenced in ids()) {
            let mut plain = BTreeSet::new();
            let mut compact = IdSet::default();
            for &id in &defined {
                prop_assert_eq!(compact.insert(InstanceId(id)), plain.insert(id));
            }
            let mut references = IdSet::default();
            for &id in &referenced {
                references.insert(InstanceId(id));
            }
            for &id in referenced.iter().chain(&defined) {
                prop_assert_eq!(compact.contains(InstanceId(id)), plain.contains(&id));
            }
            let missing: BTreeSet<u64> =
                referenced.iter().copied().filter(|id| !plain.contains(id)).collect();
            let (count, first) = references.missing_from(&compact, 5);
            prop_assert_eq!(count, missing.len() as u64);
            let expected: Vec<_> = missing.into_iter().take(5).map(InstanceId).collect();
            prop_assert_eq!(first, expected);
        }
    }

    #[test]
    fn dense_names_take_one_bit_each() {
        let mut set = IdSet::default();
        for id in 0..1_000_000 {
            assert!(set.insert(InstanceId(id)));
        }
        assert!(
            set.blocks
                .iter()
                .all(|block| matches!(block, Block::Bits(_)))
        );
        assert_eq!(set.blocks.len(), 16);
        assert!(!set.insert(InstanceId(999_999)));
    }
}
