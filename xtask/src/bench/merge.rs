//! One large STEP file, made of several: their data sections one after another, renumbered.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A header for any mixture; readers take what they know of each application protocol.
const HEADER: &[u8] = b"ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('Several files in one, to measure with'),'2;1');
FILE_NAME('merged','',(''),(''),'','','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }'));
ENDSEC;
DATA;
";
const FOOTER: &[u8] = b"ENDSEC;\nEND-ISO-10303-21;\n";

/// Merges `files`, again and again, until the result has `at_least` bytes.
///
/// # Errors
/// If a file cannot be read or has no data section.
pub(crate) fn merge(files: &[impl AsRef<Path>], at_least: usize) -> Result<Vec<u8>> {
    let mut sections = Vec::new();
    for file in files {
        let file = file.as_ref();
        let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let section = data_section(&bytes)
            .with_context(|| format!("{} has no data section", file.display()))?;
        sections.push(section.to_vec());
    }
    let mut merged = HEADER.to_vec();
    let mut offset = 0;
    for section in sections.iter().filter(|s| !s.is_empty()).cycle() {
        if merged.len() + FOOTER.len() >= at_least {
            break;
        }
        offset = renumber(section, offset, &mut merged);
    }
    merged.extend(FOOTER);
    Ok(merged)
}

/// What stands between the first `DATA;` and its `ENDSEC;`.
fn data_section(file: &[u8]) -> Option<&[u8]> {
    let mut start = None;
    let mut statement = 0;
    for (position, byte) in code(file) {
        if byte != b';' {
            continue;
        }
        match (trimmed(&file[statement..position]), start) {
            (b"DATA", None) => start = Some(position + 1),
            (b"ENDSEC", Some(start)) => return Some(&file[start..statement]),
            _ => {}
        }
        statement = position + 1;
    }
    None
}

/// Appends `section` to `merged` with `offset` added to each id; gives the greatest id.
fn renumber(section: &[u8], offset: u64, merged: &mut Vec<u8>) -> u64 {
    let mut greatest = offset;
    let mut copied = 0;
    for (position, byte) in code(section) {
        if byte != b'#' {
            continue;
        }
        let digits = section[position + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let end = position + 1 + digits.count();
        let number = std::str::from_utf8(&section[position + 1..end])
            .ok()
            .and_then(|digits| digits.parse::<u64>().ok());
        if let Some(number) = number {
            let id = offset + number;
            greatest = greatest.max(id);
            merged.extend(&section[copied..=position]);
            merged.extend(id.to_string().as_bytes());
            copied = end;
        }
    }
    merged.extend(&section[copied..]);
    greatest
}

/// The bytes with their positions that lie neither in a string nor in a comment.
fn code(bytes: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &bytes[position.min(bytes.len())..];
            match rest {
                [] => return None,
                // A doubled quote ends one string and begins the next, which comes to the same.
                [b'\'', string @ ..] => position += 1 + until(string, b"'"),
                [b'/', b'*', comment @ ..] => position += 2 + until(comment, b"*/"),
                [byte, ..] => {
                    position += 1;
                    return Some((position - 1, *byte));
                }
            }
        }
    })
}

/// How many bytes there are up to the end of the first `mark`.
fn until(bytes: &[u8], mark: &[u8]) -> usize {
    bytes
        .windows(mark.len())
        .position(|window| window == mark)
        .map_or(bytes.len(), |position| position + mark.len())
}

/// `statement` without the comments and white space around it.
fn trimmed(statement: &[u8]) -> &[u8] {
    let mut words = code(statement).filter(|(_, byte)| !byte.is_ascii_whitespace());
    let first = words.next().map_or(0, |(position, _)| position);
    let last = words.last().map_or(first, |(position, _)| position + 1);
    &statement[first..last]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"ISO-10303-21;HEADER;FILE_NAME('DATA;');ENDSEC;\n/* DATA; */ DATA;\n\
        #1=A('#2 it''s #3',#20);/* #4 */\n#20 = B(#1,(#1,.T.));\nENDSEC;\nEND-ISO-10303-21;\n";

    #[test]
    fn ids_are_renumbered_but_not_within_strings_and_comments() {
        let section = data_section(FILE).unwrap();
        let mut merged = Vec::new();
        assert_eq!(renumber(section, 100, &mut merged), 120);
        assert_eq!(
            String::from_utf8(merged).unwrap(),
            "\n#101=A('#2 it''s #3',#120);/* #4 */\n#120 = B(#101,(#101,.T.));"
        );
    }

    #[test]
    fn files_are_repeated_until_they_suffice() {
        let folder = std::env::temp_dir().join(format!("xtask-merge-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.step");
        fs::write(&file, FILE).unwrap();
        let merged = merge(&[&file], 1000).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!((1000..1200).contains(&merged.len()), "{}", merged.len());
        let text = String::from_utf8(merged).unwrap();
        assert!(text.starts_with("ISO-10303-21;\n"), "{text}");
        assert!(text.ends_with("ENDSEC;\nEND-ISO-10303-21;\n"), "{text}");
        for id in ["\n#1=A(", "\n#21=A(", "\n#41=A("] {
            assert_eq!(text.matches(id).count(), 1, "{text}");
        }
    }

    #[test]
    fn a_file_without_data_is_refused() {
        assert!(data_section(b"ISO-10303-21;HEADER;ENDSEC;").is_none());
        assert!(data_section(b"'DATA;ENDSEC;").is_none());
    }
}
