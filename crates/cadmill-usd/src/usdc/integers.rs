//! Compresses lists of integers: differences with a two-bit code each, then LZ4.
//!
//! Source: OpenUSD, `pxr/usd/usd/integerCoding.cpp`. Each number is replaced by its difference from
//! the previous one. The most common difference is written first, then the codes (0: the most
//! common difference; 1, 2, 3: one of the three widths), four per byte from the low bits up, then
//! all other differences in their widths.

use super::lz4;
use crate::UsdError;

/// The sizes of a small, a medium and a large difference, in bytes.
type Widths = [usize; 3];
const WIDTHS_32: Widths = [1, 2, 4];
const WIDTHS_64: Widths = [2, 4, 8];

/// Compresses 32-bit integers.
pub(super) fn compress_i32(integers: impl IntoIterator<Item = i32>) -> Result<Vec<u8>, UsdError> {
    let mut before = 0_i32;
    let differences = integers.into_iter().map(|integer| {
        let difference = integer.wrapping_sub(before);
        before = integer;
        i64::from(difference)
    });
    lz4::compress(&encode(&differences.collect::<Vec<_>>(), WIDTHS_32))
}

/// Compresses 64-bit integers.
pub(super) fn compress_i64(integers: impl IntoIterator<Item = i64>) -> Result<Vec<u8>, UsdError> {
    let mut before = 0_i64;
    let differences = integers.into_iter().map(|integer| {
        let difference = integer.wrapping_sub(before);
        before = integer;
        difference
    });
    lz4::compress(&encode(&differences.collect::<Vec<_>>(), WIDTHS_64))
}

fn encode(differences: &[i64], widths: Widths) -> Vec<u8> {
    if differences.is_empty() {
        return Vec::new();
    }
    let common = most_common(differences);
    let codes_start = widths[2];
    let codes_bytes = differences.len().div_ceil(4);
    let mut output = Vec::with_capacity(codes_start + codes_bytes + differences.len());
    output.extend(&common.to_le_bytes()[..widths[2]]);
    output.resize(codes_start + codes_bytes, 0);
    for (index, &difference) in differences.iter().enumerate() {
        if difference == common {
            continue;
        }
        let width = widths.iter().position(|&bytes| fits(difference, bytes));
        let width = width.unwrap_or(2);
        output[codes_start + index / 4] |= (width as u8 + 1) << (index % 4 * 2);
        output.extend(&difference.to_le_bytes()[..widths[width]]);
    }
    output
}

fn fits(value: i64, bytes: usize) -> bool {
    let unused_bits = 64 - 8 * bytes as u32;
    (value << unused_bits) >> unused_bits == value
}

/// Returns the most common value, and the largest of several, which saves the most bytes.
fn most_common(values: &[i64]) -> i64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|a, b| a == b)
        .max_by_key(|run| run.len())
        .map_or(0, |run| run[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoded: &[u8], count: usize, widths: Widths) -> Vec<i64> {
        if count == 0 {
            return Vec::new();
        }
        let read = |at: &mut usize, bytes: usize| {
            let mut word = [0; 8];
            word[..bytes].copy_from_slice(&encoded[*at..*at + bytes]);
            *at += bytes;
            let unused_bits = 64 - 8 * bytes as u32;
            (i64::from_le_bytes(word) << unused_bits) >> unused_bits
        };
        let mut at = 0;
        let common = read(&mut at, widths[2]);
        let codes = at;
        at += count.div_ceil(4);
        let mut sum = 0_i64;
        let values = (0..count)
            .map(|index| {
                let code = (encoded[codes + index / 4] >> (index % 4 * 2)) & 3;
                let difference = match code {
                    0 => common,
                    _ => read(&mut at, widths[usize::from(code) - 1]),
                };
                sum = sum.wrapping_add(difference);
                sum
            })
            .collect();
        assert_eq!(at, encoded.len());
        values
    }

    proptest! {
        #[test]
        fn all_32_bit_integers_round_trip(values: Vec<i32>) {
            let compressed = compress_i32(values.iter().copied()).unwrap();
            let encoded = lz4::decompress(&compressed, 8 + values.len() * 5);
            let decoded = decode(&encoded, values.len(), WIDTHS_32);
            let decoded: Vec<_> = decoded.into_iter().map(|value| value as i32).collect();
            prop_assert_eq!(decoded, values);
        }

        #[test]
        fn all_64_bit_integers_round_trip(values: Vec<i64>) {
            let compressed = compress_i64(values.iter().copied()).unwrap();
            let encoded = lz4::decompress(&compressed, 16 + values.len() * 9);
            prop_assert_eq!(decode(&encoded, values.len(), WIDTHS_64), values);
        }

        #[test]
        fn triangle_like_indices_round_trip(steps in prop::collection::vec(-3_i32..4, 0..500)) {
            let values: Vec<i32> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let compressed = compress_i32(values.iter().copied()).unwrap();
            let encoded = lz4::decompress(&compressed, 8 + values.len() * 5);
            prop_assert!(encoded.len() <= 4 + values.len().div_ceil(4) + values.len());
            let decoded = decode(&encoded, values.len(), WIDTHS_32);
            prop_assert!(decoded.into_iter().map(|value| value as i32).eq(values));
        }
    }

    #[test]
    fn four_codes_are_packed_per_byte_from_the_low_bits_up() {
        let encoded = encode(&[123, 1, 1, 100_000, 0, 1, 0], WIDTHS_32);
        let codes = [0b11_00_00_01, 0b01_00_01];
        let mut expected = vec![1, 0, 0, 0];
        expected.extend(codes);
        expected.push(123);
        expected.extend(100_000_i32.to_le_bytes());
        expected.extend([0, 0]);
        assert_eq!(encoded, expected);
    }
}
