//! Names of files: cleaned once, when they come in, and written safely when they go out.

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a file is called whose name has nothing in it.
const UNNAMED: &str = "unnamed.step";
/// The longest name, in bytes: what every file system takes, with room for an extension.
const LONGEST: usize = 200;
/// Of a longer name so much of the extension is kept, in bytes.
const MAX_EXTENSION: usize = 16;
/// What is not encoded in `filename*`: `attr-char` of RFC 5987, section 3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A name without a path, control and invisible characters, and what some system cannot store. The
/// result of a clean name is that name.
pub(crate) fn clean(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c));
    let name: String = visible
        .map(|c| if is_forbidden(c) { '_' } else { c })
        .collect();
    let mut name = shortened(trimmed(&name)).into_owned();
    if name.is_empty() {
        return UNNAMED.to_owned();
    }
    if is_reserved(&name) {
        name.insert(0, '_');
    }
    name
}

fn trimmed(name: &str) -> &str {
    let is_edge = |c: char| c == '.' || c.is_whitespace();
    name.trim_matches(is_edge)
}

/// Marks that change the direction of the text or cannot be seen at all.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

const fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Windows gives these names to devices, whatever follows the first dot.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    let is_port = |name: &str| {
        let number = stem.strip_prefix(name);
        number.is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL") || is_port("COM") || is_port("LPT")
}

/// At most [`LONGEST`] bytes, of which the last are the extension if that is short.
fn shortened(name: &str) -> std::borrow::Cow<'_, str> {
    if name.len() <= LONGEST {
        return name.into();
    }
    let extension = name.rfind('.').map(|dot| &name[dot..]);
    let extension = extension.filter(|extension| extension.len() <= MAX_EXTENSION);
    let extension = extension.unwrap_or_default();
    let stem = &name[..name.floor_char_boundary(LONGEST - extension.len())];
    format!("{}{extension}", trimmed(stem)).into()
}

/// The name of a medium of a file: its stem and the extension of the medium.
pub(crate) fn of_medium(file: &str, extension: &str) -> String {
    let name = clean(file);
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    format!("{stem}.{extension}")
}

/// `Content-Disposition` of a download with this name (RFC 6266, with the encoding of RFC 5987).
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '\\' | '%');
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(name, ENCODED);
    let text = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_cleaned() {
        let long = "x".repeat(10_000);
        let long_step = format!("{long}.step");
        let cases = [
            ("cube.step", "cube.step"),
            ("Gehäuse 零件.stp", "Gehäuse 零件.stp"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system32\\a.step", "a.step"),
            ("C:\\models\\a.step", "a.step"),
            ("/", UNNAMED),
            ("..", UNNAMED),
            (".", UNNAMED),
            ("", UNNAMED),
            ("   ", UNNAMED),
            ("a/", UNNAMED),
            ("a\0b.step", "ab.step"),
            ("\0", UNNAMED),
            ("a\r\nSet-Cookie: x.step", "aSet-Cookie_ x.step"),
            ("a\u{202e}pets.exe", "apets.exe"),
            ("\u{200f}a.step", "a.step"),
            ("\u{feff}a.step", "a.step"),
            ("a\u{200b}.step", "a.step"),
            ("a\u{7f}.step", "a.step"),
            ("\u{85}a.step", "a.step"),
            ("CON", "_CON"),
            ("con.step", "_con.step"),
            ("Nul.tar.gz", "_Nul.tar.gz"),
            ("COM1.step", "_COM1.step"),
            ("lpt9", "_lpt9"),
            ("COM10.step", "COM10.step"),
            ("AUX .step", "_AUX .step"),
            ("console.step", "console.step"),
            (".hidden.step", "hidden.step"),
            ("a.step.", "a.step"),
            ("a.step ", "a.step"),
            (" a.step", "a.step"),
            ("a.step. . .", "a.step"),
            ("a<b>.step", "a_b_.step"),
            ("a:b.step", "a_b.step"),
            ("a\"b.step", "a_b.step"),
            ("a|b?.step", "a_b_.step"),
            ("*.step", "_.step"),
            ("a;b.step", "a;b.step"),
            ("a%00.step", "a%00.step"),
            ("%2e%2e%2fa.step", "%2e%2e%2fa.step"),
            ("a'b.step", "a'b.step"),
            ("$(id).step", "$(id).step"),
            ("`id`.step", "`id`.step"),
            ("-rf", "-rf"),
            ("~", "~"),
            ("😀.step", "😀.step"),
            ("a\u{301}.step", "a\u{301}.step"),
            ("....//....//a.step", "a.step"),
            ("a\\", UNNAMED),
            ("file:///etc/passwd", "passwd"),
            ("\u{2066}a\u{2069}.step", "a.step"),
            ("a\u{e0041}.step", "a.step"),
            ("\t\n", UNNAMED),
        ];
        for (sent, expected) in cases {
            assert_eq!(clean(sent), expected, "{sent:?}");
        }
        assert_eq!(clean(&long).len(), LONGEST);
        assert!(clean(&long_step).ends_with("x.step"));
        assert!(clean(&"é".repeat(5_000)).len() <= LONGEST);
        assert!(clean(&format!("a.{long}")).len() <= LONGEST);
        for (sent, _) in cases {
            let once = clean(sent);
            assert_eq!(clean(&once), once, "{sent:?}");
            let header = attachment(&once);
            assert!(
                header
                    .to_str()
                    .unwrap()
                    .starts_with("attachment; filename=\""),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_name_is_written_for_old_and_new_clients() {
        let header = attachment("Gehäuse \"1\".glb");
        assert_eq!(
            header,
            "attachment; filename=\"Geh_use _1_.glb\"; filename*=UTF-8''Geh%C3%A4use%20%221%22.glb"
        );
        assert_eq!(of_medium("a.b.step", "web.glb"), "a.b.web.glb");
        assert_eq!(of_medium("models/a.step", "png"), "a.png");
    }
}
