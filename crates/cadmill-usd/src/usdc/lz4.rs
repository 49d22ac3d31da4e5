//! LZ4 blocks with the framing of USD.
//!
//! Source: OpenUSD, `pxr/base/tf/fastCompression.cpp`. The data is a zero byte and one block, or
//! the number of chunks and then each chunk as its compressed size (`i32`) and its block.

use crate::UsdError;

/// The maximum input of one LZ4 block, in bytes.
const MAX_CHUNK_BYTES: usize = 0x7E00_0000;
/// The number of chunks is read as a signed byte.
const MAX_CHUNKS: usize = 127;

/// Compresses `input`.
pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, UsdError> {
    compress_in_chunks(input, MAX_CHUNK_BYTES)
}

fn compress_in_chunks(input: &[u8], chunk_bytes: usize) -> Result<Vec<u8>, UsdError> {
    let limit = (MAX_CHUNKS * chunk_bytes) as u64;
    UsdError::check_limit("bytes to compress", input.len() as u64, limit)?;
    if input.len() <= chunk_bytes {
        let mut output = vec![0];
        output.extend(lz4_flex::block::compress(input));
        return Ok(output);
    }
    let mut output = vec![input.len().div_ceil(chunk_bytes) as u8];
    for chunk in input.chunks(chunk_bytes) {
        let block = lz4_flex::block::compress(chunk);
        let size = i32::try_from(block.len()).map_err(|_| UsdError::TooLarge {
            items: "bytes of a compressed chunk",
            count: block.len() as u64,
            limit: i32::MAX as u64,
        })?;
        output.extend(size.to_le_bytes());
        output.extend(block);
    }
    Ok(output)
}

/// The inverse of [`compress`]. `size` is the maximum size of the output in bytes.
#[cfg(test)]
pub(super) fn decompress(input: &[u8], size: usize) -> Vec<u8> {
    let (&chunks, mut rest) = input.split_first().unwrap();
    if chunks == 0 {
        return lz4_flex::block::decompress(rest, size).unwrap();
    }
    let mut output = Vec::new();
    for _ in 0..chunks {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        let (block, after) = after.split_at(i32::from_le_bytes(*length) as usize);
        output.extend(lz4_flex::block::decompress(block, size).unwrap());
        rest = after;
    }
    assert!(rest.is_empty());
    output
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn compression_round_trips(input: Vec<u8>, chunk_bytes in 8_usize..200) {
            let whole = compress(&input).unwrap();
            prop_assert_eq!(whole[0], 0);
            prop_assert_eq!(decompress(&whole, input.len()), input.clone());
            let chunked = compress_in_chunks(&input, chunk_bytes).unwrap();
            prop_assert_eq!(decompress(&chunked, input.len()), input);
        }
    }

    #[test]
    fn too_many_chunks_are_refused() {
        assert_eq!(compress_in_chunks(&[7; 254], 2).unwrap()[0], 127);
        let error = compress_in_chunks(&[7; 255], 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "255 bytes to compress are too many: the format allows 254"
        );
    }
}
