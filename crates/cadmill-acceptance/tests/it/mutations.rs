//! Damaged STEP files, made of sound ones. The same every time.

use std::ops::Range;

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mutation {
    /// A few bytes become others.
    Bytes,
    /// A few numbers become others.
    Numbers,
    /// Some references become `$`.
    ReferencesDeleted,
    /// Some references become others of the same file.
    ReferencesSwapped,
    /// Some instances are left out.
    InstancesDeleted,
    /// The end is cut off.
    Truncated,
    /// An aggregate is wrapped in 20 000 parentheses.
    NestedDeeply,
    /// A name becomes 1 MB long.
    LongName,
    /// Coordinates become 1E300.
    HugeCoordinates,
}

/// What differs each time that it is done to the same file.
pub(crate) const RANDOM: [Mutation; 6] = [
    Mutation::Bytes,
    Mutation::Numbers,
    Mutation::ReferencesDeleted,
    Mutation::ReferencesSwapped,
    Mutation::InstancesDeleted,
    Mutation::Truncated,
];

/// What is done to a file once.
pub(crate) const FIXED: [Mutation; 3] = [
    Mutation::NestedDeeply,
    Mutation::LongName,
    Mutation::HugeCoordinates,
];

impl Mutation {
    /// Does it to `file`.
    pub(crate) fn apply(self, file: &[u8], random: &mut Random) -> Vec<u8> {
        let instances = tokens(file, |before, byte| before == b'#' && byte.is_ascii_digit());
        let is_definition = |name: &Range<usize>| {
            let after = file[name.end..]
                .iter()
                .find(|byte| !byte.is_ascii_whitespace());
            after == Some(&b'=')
        };
        let (definitions, references): (Vec<_>, Vec<_>) =
            instances.into_iter().partition(is_definition);
        let numbers = tokens(file, |before, byte| {
            matches!(before, b'(' | b',') && (byte.is_ascii_digit() || byte == b'-')
        });
        match self {
            Self::Bytes => {
                let mut mutated = file.to_vec();
                for _ in 0..random.between(1, 20) {
                    let position = random.below(file.len());
                    mutated[position] = random.next() as u8;
                }
                mutated
            }
            Self::Numbers => {
                let others: [&[u8]; 8] = [
                    b"0.",
                    b"-1.",
                    b"1.E-12",
                    b"1.E12",
                    b"-0.",
                    b"NAN",
                    b"99999999999999999999",
                    b"",
                ];
                let chosen = random.choose(&numbers, 10);
                replaced(
                    file,
                    &chosen,
                    |_, random| others[random.below(8)].to_vec(),
                    random,
                )
            }
            Self::ReferencesDeleted => {
                let chosen = random.choose(&references, 3);
                let with_mark: Vec<_> = chosen.into_iter().map(|r| r.start - 1..r.end).collect();
                replaced(file, &with_mark, |_, _| b"$".to_vec(), random)
            }
            Self::ReferencesSwapped => {
                let chosen = random.choose(&references, 4);
                let other = |_: &[u8], random: &mut Random| {
                    file[references[random.below(references.len())].clone()].to_vec()
                };
                replaced(file, &chosen, other, random)
            }
            Self::InstancesDeleted => {
                let records = definitions.iter().filter_map(|name| {
                    let length = file[name.end..].iter().position(|byte| *byte == b';')?;
                    Some(name.start - 1..name.end + length + 1)
                });
                let records: Vec<_> = records.collect();
                let chosen = random.choose(&records, 5);
                replaced(file, &chosen, |_, _| Vec::new(), random)
            }
            Self::Truncated => file[..random.below(file.len())].to_vec(),
            Self::NestedDeeply => {
                const DEPTH: usize = 20_000;
                let chosen = random.choose(&numbers, 1);
                let nested = |number: &[u8], _: &mut Random| {
                    [&b"(".repeat(DEPTH)[..], number, &b")".repeat(DEPTH)].concat()
                };
                replaced(file, &chosen, nested, random)
            }
            Self::LongName => {
                let quote = position(file, b"PRODUCT('").map(|at| at + b"PRODUCT('".len());
                let at = quote.unwrap_or(file.len() / 2);
                [&file[..at], &b"long ".repeat(200_000), &file[at..]].concat()
            }
            Self::HugeCoordinates => {
                let points = numbers.iter().filter(|number| {
                    let before = &file[number.start.saturating_sub(24)..number.start];
                    position(before, b"CARTESIAN_POINT").is_some()
                });
                let points: Vec<_> = points.cloned().collect();
                let chosen = random.choose(&points, 3);
                replaced(file, &chosen, |_, _| b"1E300".to_vec(), random)
            }
        }
    }
}

/// Where runs of letters, digits and signs begin with a byte that `starts` takes, given the byte
/// before it.
fn tokens(file: &[u8], starts: impl Fn(u8, u8) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut position = 1;
    while position < file.len() {
        let mut end = position;
        if starts(file[position - 1], file[position]) {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            end += file[position..]
                .iter()
                .take_while(|byte| is_part(byte))
                .count();
            found.push(position..end);
        }
        position = end.max(position) + 1;
    }
    found
}

/// `file` with each of `places`, which are in order, replaced by what `by` gives for it.
fn replaced(
    file: &[u8],
    places: &[Range<usize>],
    by: impl Fn(&[u8], &mut Random) -> Vec<u8>,
    random: &mut Random,
) -> Vec<u8> {
    let mut mutated = Vec::with_capacity(file.len());
    let mut copied = 0;
    for place in places {
        mutated.extend(&file[copied..place.start]);
        mutated.extend(by(&file[place.clone()], random));
        copied = place.end;
    }
    mutated.extend(&file[copied..]);
    mutated
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): enough to scatter damage, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to and without `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn between(&mut self, least: usize, greatest: usize) -> usize {
        least + self.below(greatest - least + 1)
    }

    /// Up to `count` of `places`, in order and without doubles.
    fn choose(&mut self, places: &[Range<usize>], count: usize) -> Vec<Range<usize>> {
        if places.is_empty() {
            return Vec::new();
        }
        let mut chosen: Vec<usize> = (0..count).map(|_| self.below(places.len())).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for index in chosen {
            let place = &places[index];
            // Deleted instances must not overlap.
            if ranges.last().is_none_or(|last| last.end <= place.start) {
                ranges.push(place.clone());
            }
        }
        ranges
    }
}
