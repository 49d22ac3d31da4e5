//! `.usdz` packages: uncompressed zip archives whose files are aligned to 64 bytes, so that readers
//! can map them.
//!
//! Source: the usdz file format specification of OpenUSD, and PKWARE's APPNOTE 6.3. The timestamps
//! of all files are 1980-01-01 00:00, so equal files result in equal packages.

use crate::UsdError;

const ALIGNMENT: u64 = 64;
const LOCAL_HEADER_BYTES: u64 = 30;
const CENTRAL_HEADER_BYTES: u64 = 46;
/// Padding is an extra field with this tag, as in OpenUSD.
const PADDING_TAG: u16 = 0x1986;
/// The tag and the size of the extra field.
const EXTRA_HEADER_BYTES: u64 = 4;
const VERSION_NEEDED: u16 = 10;
const FLAG_UTF8: u16 = 1 << 11;
/// 1980-01-01.
const DOS_DATE: u16 = (1 << 5) | 1;
/// The specification does not allow zip64, so sizes and offsets have 32 bits.
const MAX_SIZE: u64 = u32::MAX as u64;
const MAX_COUNT: u64 = u16::MAX as u64;

/// Packs files, given as names and contents, in order. The first one is the root layer.
///
/// # Errors
/// If there are no files or the first is not a layer (`.usd`, `.usda`, `.usdc`); if a name is
/// empty, absolute, not normalised or used twice; or if the package would reach 4 GiB.
pub fn package<N: AsRef<str>, B: AsRef<[u8]>>(files: &[(N, B)]) -> Result<Vec<u8>, UsdError> {
    let sizes = files
        .iter()
        .map(|(name, bytes)| (name.as_ref(), bytes.as_ref().len() as u64));
    let layout = Layout::of(&sizes.collect::<Vec<_>>())?;

    let mut output = Vec::with_capacity(layout.size as usize);
    let mut directory = Vec::new();
    for ((name, bytes), place) in files.iter().zip(&layout.files) {
        let (name, bytes) = (name.as_ref(), bytes.as_ref());
        let entry = entry(name, crc32fast::hash(bytes), bytes.len() as u32);

        output.extend(b"PK\x03\x04");
        output.extend(&entry);
        output.extend((place.extra_bytes as u16).to_le_bytes());
        output.extend(name.as_bytes());
        output.extend(PADDING_TAG.to_le_bytes());
        let padding = place.extra_bytes - EXTRA_HEADER_BYTES;
        output.extend((padding as u16).to_le_bytes());
        output.resize(output.len() + padding as usize, 0);
        debug_assert_eq!(output.len() as u64 % ALIGNMENT, 0);
        output.extend(bytes);

        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION_NEEDED.to_le_bytes());
        directory.extend(&entry);
        // No extra field, no comment, disk 0, no attributes.
        directory.extend([0; 12]);
        directory.extend((place.header_start as u32).to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let directory_start = output.len() as u32;
    let count = (files.len() as u16).to_le_bytes();
    output.extend(&directory);
    output.extend(b"PK\x05\x06\0\0\0\0");
    output.extend(count);
    output.extend(count);
    output.extend((directory.len() as u32).to_le_bytes());
    output.extend(directory_start.to_le_bytes());
    output.extend([0, 0]);
    Ok(output)
}

/// Returns the fields that the local header and the directory share, from the version needed to the
/// length of the name.
fn entry(name: &str, crc: u32, size: u32) -> Vec<u8> {
    let flags = if name.is_ascii() { 0 } else { FLAG_UTF8 };
    let stored = 0;
    let midnight = 0;
    let mut bytes = Vec::with_capacity(24);
    for word in [VERSION_NEEDED, flags, stored, midnight, DOS_DATE] {
        bytes.extend(word.to_le_bytes());
    }
    for double_word in [crc, size, size] {
        bytes.extend(double_word.to_le_bytes());
    }
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes
}

/// The offset of each file, computed before anything is written.
#[derive(Debug)]
struct Layout {
    files: Vec<Place>,
    /// The size of the package.
    size: u64,
}

#[derive(Debug)]
struct Place {
    header_start: u64,
    /// The size of the extra field, including its tag and size.
    extra_bytes: u64,
}

impl Layout {
    fn of(files: &[(&str, u64)]) -> Result<Self, UsdError> {
        let is_layer = |name: &str| {
            let extension = name.rsplit_once('.').map(|(_, extension)| extension);
            matches!(extension, Some("usd" | "usda" | "usdc"))
        };
        if !files.first().is_some_and(|(name, _)| is_layer(name)) {
            return Err(UsdError::PackageRoot);
        }
        UsdError::check_limit("files in a package", files.len() as u64, MAX_COUNT)?;
        let mut places = Vec::with_capacity(files.len());
        let (mut at, mut directory_bytes) = (0_u64, 0_u64);
        for (index, &(name, size)) in files.iter().enumerate() {
            if !is_valid_name(name) || files[..index].iter().any(|&(other, _)| other == name) {
                return Err(UsdError::PackageName(name.to_owned()));
            }
            let name_bytes = name.len() as u64;
            let unpadded = at + LOCAL_HEADER_BYTES + name_bytes + EXTRA_HEADER_BYTES;
            let start = unpadded.next_multiple_of(ALIGNMENT);
            places.push(Place {
                header_start: at,
                extra_bytes: EXTRA_HEADER_BYTES + start - unpadded,
            });
            at = start.saturating_add(size);
            directory_bytes += CENTRAL_HEADER_BYTES + name_bytes;
            UsdError::check_limit("bytes in a package", at, MAX_SIZE)?;
        }
        let size = at + directory_bytes + 22;
        UsdError::check_limit("bytes in a package", size, MAX_SIZE)?;
        Ok(Self {
            files: places,
            size,
        })
    }
}

/// Whether `name` is a relative path that does not leave the package.
fn is_valid_name(name: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    u16::try_from(name.len()).is_ok()
        && name.split('/').all(is_plain)
        && !name.contains(['\\', ':', '\0', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_limited_to_less_than_4_gib() {
        let overhead = Layout::of(&[("a.usdc", 0)]).unwrap().size;
        let max = u64::from(u32::MAX) - overhead;
        let layout = Layout::of(&[("a.usdc", max)]).unwrap();
        assert_eq!(layout.size, u64::from(u32::MAX));
        for sizes in [vec![max + 1], vec![u64::MAX], vec![max, 1], vec![1, max]] {
            let names = ["a.usdc", "b.usdc"];
            let files: Vec<_> = names.into_iter().zip(sizes).collect();
            let error = Layout::of(&files).unwrap_err();
            assert!(matches!(error, UsdError::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn invalid_and_duplicate_names_are_refused() {
        for name in [
            "", "/a", "../a", "a//b", "./a", "a\\b", "c:a", "a\0b", "r.usda",
        ] {
            let error = Layout::of(&[("r.usda", 1), (name, 1)]).unwrap_err();
            assert_eq!(error, UsdError::PackageName(name.to_owned()));
        }
    }

    #[test]
    fn the_first_file_must_be_a_layer() {
        assert_eq!(Layout::of(&[]).unwrap_err(), UsdError::PackageRoot);
        let error = Layout::of(&[("a.png", 1), ("r.usdc", 1)]).unwrap_err();
        assert_eq!(error, UsdError::PackageRoot);
    }
}
