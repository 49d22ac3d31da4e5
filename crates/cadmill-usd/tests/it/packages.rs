//! Tests of packages written with `usdz::package`.

use cadmill_usd::{UsdError, usdz};
use proptest::prelude::*;

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()))
}

fn double_word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Checks all headers, and returns the name and contents of each file in the order of the
/// directory.
fn read(package: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = package.len() - 22;
    assert_eq!(&package[end..end + 8], b"PK\x05\x06\0\0\0\0");
    let count = word(package, end + 10);
    assert_eq!(word(package, end + 8), count);
    let mut entry = double_word(package, end + 16);
    assert_eq!(entry + double_word(package, end + 12), end);
    let mut expected_start = 0;
    (0..count)
        .map(|_| {
            assert_eq!(&package[entry..entry + 4], b"PK\x01\x02");
            let start = double_word(package, entry + 42);
            assert_eq!(start, expected_start, "there is no gap between files");
            assert_eq!(&package[start..start + 4], b"PK\x03\x04");
            assert_eq!(
                package[start + 4..start + 28],
                package[entry + 6..entry + 30]
            );
            assert_eq!(word(package, start + 8), 0, "stored");
            assert_eq!(word(package, start + 10), 0, "midnight");
            assert_eq!(word(package, start + 12), 0x21, "1980-01-01");
            let (size, name_size) = (double_word(package, start + 22), word(package, start + 26));
            assert_eq!(double_word(package, start + 18), size);
            let name = &package[start + 30..start + 30 + name_size];
            assert_eq!(name, &package[entry + 46..entry + 46 + name_size]);
            let content = start + 30 + name_size + word(package, start + 28);
            assert_eq!(content % 64, 0, "aligned");
            let extra = start + 30 + name_size;
            assert_eq!(word(package, extra + 2), word(package, start + 28) - 4);
            expected_start = content + size;
            entry += 46 + name_size;
            let content = package[content..expected_start].to_vec();
            assert_eq!(
                double_word(package, start + 14) as u32,
                crc32fast::hash(&content)
            );
            (String::from_utf8(name.to_vec()).unwrap(), content)
        })
        .collect()
}

proptest! {
    #[test]
    fn files_round_trip_in_order(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8), name in "[a-zä]{1,70}") {
        let file = |(index, bytes): (usize, &Vec<u8>)| (format!("{index}/{name}.usdc"), bytes.clone());
        let files: Vec<_> = contents.iter().enumerate().map(file).collect();
        let package = usdz::package(&files).unwrap();
        prop_assert_eq!(read(&package), files.clone());
        prop_assert_eq!(usdz::package(&files).unwrap(), package);
    }
}

#[test]
fn the_first_file_must_be_a_layer() {
    let files: [(&str, &[u8]); 2] = [("a.png", b"1"), ("b.usdc", b"2")];
    assert_eq!(usdz::package(&files), Err(UsdError::PackageRoot));
    assert_eq!(usdz::package(&files[..0]), Err(UsdError::PackageRoot));
}
