//! Files damaged at random with a fixed seed, in ways that occur in practice.

use cadmill_step::inspect;

use crate::{ASSEMBLY, ODD, invariants, real_files};

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A random range of at most `max` bytes.
    fn range(&mut self, length: usize, max: usize) -> std::ops::Range<usize> {
        let from = self.below(length);
        from..(from + 1 + self.below(max)).min(length)
    }
}

fn mutate(source: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let mut bytes = source.to_vec();
    for _ in 0..=random.below(3) {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match random.below(10) {
            0 => bytes[random.below(length)] = random.next() as u8,
            1 => bytes[random.below(length)] = b"()'\"#;/*\\=,\n"[random.below(12)],
            2 => drop(bytes.drain(random.range(length, 200))),
            3 => bytes.truncate(random.below(length)),
            4 => duplicate_record(&mut bytes, random),
            5 => swap(&mut bytes, random),
            6 => {
                let range = random.range(length, 40);
                bytes[range].fill(0);
            }
            7 => {
                let (at, depth) = (random.below(length), random.below(2000));
                bytes.splice(at..at, std::iter::repeat_n(b'(', depth));
            }
            8 => {
                let at = random.below(length);
                bytes.splice(at..at, std::iter::repeat_n(b'x', 1 << 16));
            }
            _ => digits(&mut bytes, random),
        }
    }
    bytes
}

fn duplicate_record(bytes: &mut Vec<u8>, random: &mut SplitMix) {
    let from = random.below(bytes.len());
    let start = bytes[..from].iter().rposition(|byte| *byte == b';');
    let end = bytes[from..].iter().position(|byte| *byte == b';');
    if let (Some(start), Some(end)) = (start, end) {
        let (first, last) = (start + 1, from + end);
        let record = bytes[first..=last].to_vec();
        bytes.splice(first..first, record);
    }
}

fn swap(bytes: &mut [u8], random: &mut SplitMix) {
    let (one, other) = (
        random.range(bytes.len(), 100),
        random.range(bytes.len(), 100),
    );
    for (left, right) in one.zip(other) {
        bytes.swap(left, right);
    }
}

/// Replaces a digit by another number, which breaks names and references.
fn digits(bytes: &mut Vec<u8>, random: &mut SplitMix) {
    let from = random.below(bytes.len());
    if let Some(digit) = bytes[from..].iter().position(u8::is_ascii_digit) {
        let at = from + digit;
        let numbers: [&[u8]; 5] = [b"", b"1E300", b"0", b"99999999999999999999999", b"-1"];
        bytes.splice(at..=at, numbers[random.below(5)].iter().copied());
    }
}

fn check(source: &[u8], seed: u64, rounds: usize) {
    let mut random = SplitMix(seed);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..rounds {
        let bytes = mutate(source, &mut random);
        let sizes = [1 + random.below(5000), 1 + random.below(300)];
        invariants::check(&bytes, &sizes);
        match inspect(bytes.as_slice()) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    // If all or no files were refused, the mutations would test little.
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn damaged_samples() {
    check(ASSEMBLY, 1, 1500);
    check(ODD, 2, 1500);
}

#[test]
fn damaged_real_files_up_to_a_megabyte() {
    for (index, (_, bytes)) in real_files::all().iter().enumerate() {
        if bytes.len() <= 1 << 20 {
            check(bytes, 100 + index as u64, 40);
        }
    }
}
