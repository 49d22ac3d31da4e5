//! Strings in the encoding of Part 21: control directives, doubled apostrophes, raw bytes.
//!
//! Source: ISO 10303-21:2016, 6.4.3 "String".

use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8,
    WINDOWS_1254,
};

/// Decodes the contents of a string, without the enclosing apostrophes.
///
/// Line ends are dropped, as the standard requires. Raw bytes above 0x7F are read as UTF-8 if the
/// whole string is valid UTF-8, and as Latin-1 otherwise. Invalid directives are kept unchanged.
///
/// ```
/// assert_eq!(cadmill_step::strings::decode(b"Geh\\X2\\00E4\\X0\\use it''s"), "Gehäuse it's");
/// ```
#[must_use]
pub fn decode(raw: &[u8]) -> String {
    let mut kept = Vec::new();
    let line_ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let raw = if raw.iter().any(line_ends) {
        kept.extend(raw.iter().copied().filter(|byte| !line_ends(byte)));
        kept.as_slice()
    } else {
        raw
    };
    if let Ok(utf8) = std::str::from_utf8(raw) {
        directives(utf8)
    } else {
        let latin1: String = raw.iter().copied().map(char::from).collect();
        directives(&latin1)
    }
}

/// Encodes `text` in ASCII, with `\X2\` and `\X4\` for other characters. [`decode`] is the inverse.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = String::new();
    let mut open = "";
    for character in text.chars() {
        let encoding = match character {
            ' '..='~' => "",
            '\0'..='\u{FFFF}' => "\\X2\\",
            _ => "\\X4\\",
        };
        if encoding != open {
            if !open.is_empty() {
                out += "\\X0\\";
            }
            out += encoding;
            open = encoding;
        }
        let code = u32::from(character);
        match (encoding, character) {
            ("", '\'') => out += "''",
            ("", '\\') => out += "\\\\",
            ("", _) => out.push(character),
            ("\\X2\\", _) => push_hex(&mut out, code, 4),
            _ => push_hex(&mut out, code, 8),
        }
    }
    if !open.is_empty() {
        out += "\\X0\\";
    }
    out.into_bytes()
}

fn push_hex(out: &mut String, code: u32, digits: u32) {
    let nibbles = (0..digits).rev().map(|place| code >> (4 * place) & 0xF);
    out.extend(
        nibbles
            .filter_map(|nibble| char::from_digit(nibble, 16))
            .map(|c| c.to_ascii_uppercase()),
    );
}

fn directives(text: &str) -> String {
    if !text.contains(['\\', '\'']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut page = b'A';
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\'']) {
        out += &rest[..at];
        rest = &rest[at..];
        let taken = directive(rest, &mut page, &mut out);
        if taken == 0 {
            // An apostrophe and a backslash are one byte each.
            out += &rest[..1];
            rest = &rest[1..];
        } else {
            rest = &rest[taken..];
        }
    }
    out + rest
}

/// Decodes the directive at the start of `rest`. Returns its length in bytes, or 0 if it is
/// invalid.
fn directive(rest: &str, page: &mut u8, out: &mut String) -> usize {
    match rest.as_bytes() {
        [b'\'', b'\'', ..] => {
            out.push('\'');
            2
        }
        [b'\\', b'X', b'2', b'\\', ..] => wide_directive(rest, 4, out),
        [b'\\', b'X', b'4', b'\\', ..] => wide_directive(rest, 8, out),
        [b'\\', b'X', b'\\', high, low, ..] => match hex(&[*high, *low]) {
            Some(code) => {
                out.extend(char::from_u32(code));
                5
            }
            None => 0,
        },
        [b'\\', b'S', b'\\', byte @ b' '..=b'~', ..] => {
            out.push(upper_half(*page, *byte));
            4
        }
        [b'\\', b'P', letter @ b'A'..=b'I', b'\\', ..] => {
            *page = *letter;
            4
        }
        [b'\\', b'N', b'\\', ..] => {
            out.push('\n');
            3
        }
        [b'\\', b'F', b'\\', ..] => {
            out.push('\u{C}');
            3
        }
        [b'\\', b'\\', ..] => {
            out.push('\\');
            2
        }
        _ => 0,
    }
}

/// Decodes `\X2\…\X0\` or `\X4\…\X0\`, as far as its digits are valid.
fn wide_directive(rest: &str, digits: usize, out: &mut String) -> usize {
    let body = &rest.as_bytes()[4..];
    let codes: Vec<u32> = body.chunks_exact(digits).map_while(hex).collect();
    if codes.is_empty() {
        return 0;
    }
    if digits == 4 {
        let units = codes.iter().map(|&code| code as u16);
        let decoded = char::decode_utf16(units);
        out.extend(decoded.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    } else {
        let decoded = codes.iter().map(|&code| char::from_u32(code));
        out.extend(decoded.map(|code| code.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    let taken = codes.len() * digits;
    let closed = body[taken..].starts_with(b"\\X0\\");
    4 + taken + if closed { 4 } else { 0 }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, &digit| {
        Some(code << 4 | char::from(digit).to_digit(16)?)
    })
}

/// Returns the character at `byte + 128` of an ISO 8859 code page, `A` (8859-1) to `I` (8859-9).
fn upper_half(page: u8, byte: u8) -> char {
    let encoding: &'static Encoding = match page {
        b'B' => ISO_8859_2,
        b'C' => ISO_8859_3,
        b'D' => ISO_8859_4,
        b'E' => ISO_8859_5,
        b'F' => ISO_8859_6,
        b'G' => ISO_8859_7,
        b'H' => ISO_8859_8,
        // Equal to ISO 8859-9 from 0xA0 on.
        b'I' => WINDOWS_1254,
        _ => return char::from(byte | 0x80),
    };
    let bytes = [byte | 0x80];
    let (text, _) = encoding.decode_without_bom_handling(&bytes);
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(decode(raw.as_ref()), expected);
    }

    #[test]
    fn directives_are_decoded() {
        check(r"\X2\7121984C\X0\ v1", "無題 v1");
        check(r"\X2\D83DDE00\X0\", "😀");
        check(r"\X4\0001F600\X0\", "😀");
        check(r"Geh\X\E4use", "Gehäuse");
        check(r"Geh\S\duse", "Gehäuse");
        check(r"\PE\\S\4\S\>\S\\", "ДОм");
        check(r"\PB\\S\3 \PA\\S\3", "ł ³");
        check(r"C:\\parts", r"C:\parts");
        check("it''s", "it's");
        check(r"a\N\b", "a\nb");
    }

    #[test]
    fn raw_bytes_are_utf8_or_else_latin1() {
        check("Gehäuse 零件", "Gehäuse 零件");
        check(b"Geh\xE4use", "Gehäuse");
        check(b"\xE4 \\X2\\00E4\\X0\\", "ä ä");
    }

    #[test]
    fn line_ends_are_dropped_even_within_directives() {
        check("Manufa\r\ncturing", "Manufacturing");
        check("\\X2\\71\n21984C\\X0\\", "無題");
    }

    #[test]
    fn invalid_directives_are_kept() {
        check(r"C:\Users\X", r"C:\Users\X");
        check(r"\X2\zz\X0\", r"\X2\zz\X0\");
        check(r"\X2\00E4", "ä");
        check(r"\X2\00E400\X0\", r"ä00\X0\");
        check(r"\X2\D83D\X0\", "\u{FFFD}");
        check(r"\X4\00110000\X0\", "\u{FFFD}");
        check(r"\X\E", r"\X\E");
        check(r"\", r"\");
        check("'", "'");
        check("\\é", "\\é");
    }

    proptest! {
        #[test]
        fn encoding_round_trips(text in any::<String>()) {
            let raw = encode(&text);
            prop_assert!(raw.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(decode(&raw), text);
        }

        #[test]
        fn mixed_directives_and_bytes_never_panic(
            raw in prop::collection::vec(
                prop::sample::select(b"\\XSPN0248ABDFx'\xE4\xC3\n ".to_vec()),
                0..40,
            ),
        ) {
            // Each byte becomes at most three bytes of UTF-8.
            prop_assert!(decode(&raw).len() <= 3 * raw.len());
        }
    }
}
