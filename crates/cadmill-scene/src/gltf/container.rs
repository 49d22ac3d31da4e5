//! The GLB container: a header, a JSON chunk and a BIN chunk.

use std::io::Write;

use crate::{SceneError, gltf::document::Document};

const MAGIC: [u8; 4] = *b"glTF";
const JSON: [u8; 4] = *b"JSON";
const BIN: [u8; 4] = *b"BIN\0";

/// The two chunks of a GLB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunks<'a> {
    pub json: &'a [u8],
    pub bin: &'a [u8],
}

/// Writes everything before the data of the BIN chunk, which must follow with `bin_length` bytes (a
/// multiple of four).
pub(crate) fn write_head(
    document: &Document,
    bin_length: u64,
    out: &mut impl Write,
) -> Result<(), SceneError> {
    let mut json = serde_json::to_vec(document).map_err(SceneError::Json)?;
    json.resize(json.len().next_multiple_of(4), b' ');
    let total = total_length(json.len() as u64, bin_length)?;
    let mut head = Vec::with_capacity(20);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&2_u32.to_le_bytes());
    head.extend_from_slice(&total.to_le_bytes());
    head.extend_from_slice(&(json.len() as u32).to_le_bytes());
    head.extend_from_slice(&JSON);
    out.write_all(&head).map_err(SceneError::Write)?;
    out.write_all(&json).map_err(SceneError::Write)?;
    if bin_length > 0 {
        let length = (bin_length as u32).to_le_bytes();
        out.write_all(&length).map_err(SceneError::Write)?;
        out.write_all(&BIN).map_err(SceneError::Write)?;
    }
    Ok(())
}

/// Returns the total length for the header. Chunk lengths must be multiples of four.
fn total_length(json: u64, bin: u64) -> Result<u32, SceneError> {
    let bin_chunk = if bin > 0 { 8 + bin } else { 0 };
    let bytes = 20 + json + bin_chunk;
    u32::try_from(bytes).map_err(|_| SceneError::TooLarge { bytes })
}

/// Splits a GLB into its chunks.
pub(crate) fn parse(glb: &[u8]) -> Result<Chunks<'_>, SceneError> {
    let Some((header, chunks)) = glb.split_at_checked(12) else {
        return Err(SceneError::NotGlb("it is shorter than a header"));
    };
    if header[..4] != MAGIC {
        return Err(SceneError::NotGlb("it does not begin with `glTF`"));
    }
    if word(&header[4..]) != 2 {
        return Err(SceneError::NotGlb("its version is not 2"));
    }
    if word(&header[8..]) as usize != glb.len() {
        return Err(SceneError::NotGlb(
            "its length differs from the length in its header",
        ));
    }
    let (json, rest) = split_chunk(chunks, JSON)?;
    if rest.is_empty() {
        return Ok(Chunks { json, bin: rest });
    }
    let (bin, rest) = split_chunk(rest, BIN)?;
    if rest.is_empty() {
        Ok(Chunks { json, bin })
    } else {
        Err(SceneError::NotCanonical("it has more than two chunks"))
    }
}

/// Returns the length of the JSON chunk, which follows the first 20 bytes of a GLB.
pub(crate) fn json_length(head: &[u8; 20]) -> Result<u32, SceneError> {
    if head[..4] != MAGIC || word(&head[4..]) != 2 || head[16..] != JSON {
        return Err(SceneError::NotGlb(
            "it does not begin with a header of version 2",
        ));
    }
    let length = word(&head[12..]);
    if u64::from(length) + 20 > u64::from(word(&head[8..])) {
        return Err(SceneError::NotGlb("a chunk is truncated"));
    }
    Ok(length)
}

/// Parses the JSON chunk of a canonical scene.
pub(crate) fn parse_document(json: &[u8]) -> Result<Document, SceneError> {
    serde_json::from_slice(json).map_err(|error| {
        let probe = serde_json::from_slice(json);
        let foreign = probe.is_ok_and(|Probe { asset }| {
            let extras = asset.extras.and_then(|extras| extras.cadmill);
            extras.is_none()
        });
        if foreign {
            SceneError::NotCanonical("it was not written by Cadmill")
        } else {
            SceneError::Json(error)
        }
    })
}

/// The part of a document that identifies the program that wrote it.
#[derive(serde::Deserialize)]
struct Probe {
    asset: ProbeAsset,
}

#[derive(serde::Deserialize)]
struct ProbeAsset {
    extras: Option<ProbeExtras>,
}

#[derive(serde::Deserialize)]
struct ProbeExtras {
    cadmill: Option<serde::de::IgnoredAny>,
}

fn split_chunk(bytes: &[u8], kind: [u8; 4]) -> Result<(&[u8], &[u8]), SceneError> {
    let damaged = SceneError::NotGlb("a chunk is truncated");
    let Some((head, body)) = bytes.split_at_checked(8) else {
        return Err(damaged);
    };
    if head[4..] != kind {
        return Err(SceneError::NotGlb("its chunks are not JSON and BIN"));
    }
    body.split_at_checked(word(head) as usize).ok_or(damaged)
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_32_bits_is_refused() {
        let limit = u64::from(u32::MAX) - 3 - 28 - 100;
        assert_eq!(total_length(100, limit).unwrap(), u32::MAX - 3);
        let error = total_length(100, limit + 4).unwrap_err();
        let SceneError::TooLarge { bytes } = error else {
            panic!("{error}")
        };
        assert_eq!(bytes, 1 << 32);
    }

    #[test]
    fn other_formats_are_refused() {
        for bytes in [
            &b""[..],
            b"glTF",
            b"PNG0\x02\0\0\0\x0c\0\0\0",
            b"glTF\x01\0\0\0\x0c\0\0\0",
            b"glTF\x02\0\0\0\x0d\0\0\0",
            b"glTF\x02\0\0\0\x0c\0\0\0",
            b"glTF\x02\0\0\0\x14\0\0\0\xff\0\0\0JSON",
            b"glTF\x02\0\0\0\x14\0\0\0\0\0\0\0ABCD",
        ] {
            assert!(
                matches!(parse(bytes), Err(SceneError::NotGlb(_))),
                "{bytes:?}"
            );
        }
    }
}
