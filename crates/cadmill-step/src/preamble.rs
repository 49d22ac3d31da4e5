//! Examines the first bytes of a file: finds the end of `ISO-10303-21;`, or detects another format.

use memchr::memmem;

/// The start mark must end within this many leading bytes.
pub(crate) const HEAD_BYTES: usize = 4096;

/// The message if the start mark is missing and no other format was detected.
pub(crate) const MISSING: &str = "`ISO-10303-21;` is missing at the beginning.";

const MARK: &[u8] = b"ISO-10303-21";

/// The result of [`examine`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// White space only.
    Blank,
    /// The position after the start mark.
    Step(usize),
    /// Another format, described by a sentence.
    Foreign(&'static str),
}

/// Examines the first [`HEAD_BYTES`] bytes of a file, or all if it has fewer.
pub(crate) fn examine(head: &[u8]) -> Preamble {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Preamble::Blank;
    }
    // Known formats come first: an archive may hold an uncompressed STEP file.
    if let Some(sentence) = foreign(text) {
        return Preamble::Foreign(sentence);
    }
    start_mark(head).map_or(Preamble::Foreign(MISSING), Preamble::Step)
}

/// Finds the first start mark that is outside comments and followed by `;`.
fn start_mark(head: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let mark = from + memmem::find(&head[from..], MARK)?;
        if let Some(comment) = memmem::find(&head[from..mark], b"/*") {
            let inner = from + comment + 2;
            from = inner + memmem::find(&head[inner..], b"*/")? + 2;
            continue;
        }
        let behind = mark + MARK.len();
        let rest = &head[behind..];
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let semicolon = space.count();
        if rest.get(semicolon) == Some(&b';') {
            return Some(behind + semicolon + 1);
        }
        from = behind;
    }
}

fn foreign(head: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\x1F\x8B", "it is compressed with gzip; unpack it first."),
        (
            b"PK\x03\x04",
            "it is a ZIP archive (or a 3MF, or an Office file); unpack it first.",
        ),
        (b"PK\x05\x06", "it is an empty ZIP archive."),
        (
            b"7z\xBC\xAF\x27\x1C",
            "it is a 7-Zip archive; unpack it first.",
        ),
        (b"Rar!\x1A\x07", "it is a RAR archive; unpack it first."),
        (b"BZh", "it is compressed with bzip2; unpack it first."),
        (
            b"\xFD7zXZ\x00",
            "it is compressed with xz; unpack it first.",
        ),
        (
            b"\x28\xB5\x2F\xFD",
            "it is compressed with zstd; unpack it first.",
        ),
        (b"%PDF", "it is a PDF document."),
        (
            b"\xD0\xCF\x11\xE0",
            "it is an OLE file, such as a SolidWorks model or an Office document.",
        ),
        (b"AC10", "it is a DWG drawing."),
        (b"glTF", "it is a GLB scene."),
        (b"\x89PNG", "it is a PNG picture."),
        (b"\xFF\xD8\xFF", "it is a JPEG picture."),
        (b"**ABCDEFGHIJKLMNOPQRSTUVWXYZ", "it is a Parasolid file."),
        (b"3D Geometry File Format", "it is a Rhino file."),
        (
            b"ISO-10303-28",
            "it is STEP as XML (Part 28), which is not supported.",
        ),
        (b"\xFF\xFE", "it is encoded in UTF-16; save it as UTF-8."),
        (b"\xFE\xFF", "it is encoded in UTF-16; save it as UTF-8."),
        (
            b"<!DOCTYPE",
            "it is a web page; the download may have failed.",
        ),
        (b"<html", "it is a web page; the download may have failed."),
        (b"<?xml", "it is an XML file."),
        (b"{", "it is a JSON file."),
        (
            b"version https://git-lfs",
            "it is a Git LFS pointer; fetch the file itself.",
        ),
    ];
    let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, sentence)) = known {
        return Some(sentence);
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some("it begins with zero bytes only.");
    }
    if is_ascii_stl(head) || is_binary_stl(head) {
        return Some("it is an STL mesh.");
    }
    is_iges(head).then_some("it is an IGES file.")
}

fn is_ascii_stl(head: &[u8]) -> bool {
    head.starts_with(b"solid") && memmem::find(head, b"facet").is_some()
}

/// A binary STL file has a header of 80 arbitrary bytes, the number of triangles, and the
/// triangles. The normal of the first is a unit vector or zero, and its corners are finite.
fn is_binary_stl(head: &[u8]) -> bool {
    let Some((count, triangle)) = head.get(80..84).zip(head.get(84..134)) else {
        return false;
    };
    let mut numbers = triangle[..48].chunks_exact(4).map(|bytes| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        f32::from_le_bytes(bytes)
    });
    let length: f32 = numbers.by_ref().take(3).map(|part| part * part).sum();
    let unit = length == 0.0 || (length - 1.0).abs() < 0.01;
    // Plain text also reads as finite numbers, but not as a unit vector; a count of zero has no
    // triangle.
    unit && count != [0; 4] && numbers.all(|part| part.is_finite() && part.abs() < 1e12)
}

/// IGES lines have 80 columns; the first ends with the letter of the start section and the number
/// 1.
fn is_iges(head: &[u8]) -> bool {
    head.get(72..80).is_some_and(|columns| {
        matches!(columns[0], b'S' | b'C' | b'B')
            && columns[1..7].iter().all(|c| b" 0".contains(c))
            && columns[7] == b'1'
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: impl AsRef<[u8]>, expected: &Preamble) {
        assert_eq!(&examine(head.as_ref()), expected);
    }

    #[test]
    fn the_start_mark_is_found() {
        check("ISO-10303-21;", &Preamble::Step(13));
        check("\u{FEFF}\r\n ISO-10303-21 ;\r\n", &Preamble::Step(20));
        check("/* ISO-10303-21; */ISO-10303-21;X", &Preamble::Step(32));
        check("junk ISO-10303-21 ISO-10303-21;", &Preamble::Step(31));
    }

    #[test]
    fn blank_input_is_not_foreign() {
        check("", &Preamble::Blank);
        check("\u{FEFF} \r\n\t", &Preamble::Blank);
        check(
            [0; 100],
            &Preamble::Foreign("it begins with zero bytes only."),
        );
        check("ISO-10303-21", &Preamble::Foreign(MISSING));
        check("Hello, world, ".repeat(20), &Preamble::Foreign(MISSING));
    }

    #[test]
    fn other_formats_are_named() {
        check("\x1F\u{8B}", &Preamble::Foreign(MISSING));
        check(
            b"\x1F\x8B\x08",
            &Preamble::Foreign("it is compressed with gzip; unpack it first."),
        );
        check("%PDF-1.7", &Preamble::Foreign("it is a PDF document."));
        let stl = Preamble::Foreign("it is an STL mesh.");
        check("solid cube\n facet normal 0 0 1\n", &stl);
        let mut binary = vec![b' '; 80];
        binary.extend(12_u32.to_le_bytes());
        for number in [
            0.0_f32, 0.0, 1.0, 0.0, 0.0, 5.0, 1.0, 0.0, 5.0, 0.0, 1.0, 5.0,
        ] {
            binary.extend(number.to_le_bytes());
        }
        binary.extend([0; 2]);
        check(&binary, &stl);
        let iges = format!("{:72}S{:>7}\n", "A part", 1);
        check(iges, &Preamble::Foreign("it is an IGES file."));
        check(
            b"PK\x03\x04 part.step ISO-10303-21;",
            &Preamble::Foreign(
                "it is a ZIP archive (or a 3MF, or an Office file); unpack it first.",
            ),
        );
    }
}
