//! Text from files that is safe to print, and counted nouns.

use std::path::Path;

/// The length after which [`plain`] cuts a text, in characters.
const MAX_TEXT: usize = 100;

/// Text from a file on one line, shortened, and without control characters, which a terminal would
/// interpret.
pub(crate) fn plain(text: &str) -> String {
    let mut plain: String = text.chars().take(MAX_TEXT).map(visible).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        plain.push('…');
    }
    plain
}

/// A path without control characters. It is not shortened, so that it can be copied.
pub(crate) fn plain_path(path: &Path) -> String {
    path.to_string_lossy().chars().map(visible).collect()
}

/// A count with its noun, such as `1 file` or `2 files`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_control_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(plain("Gehäuse 零件"), "Gehäuse 零件");
        assert_eq!(plain_path(Path::new("a\u{1b}b")), "a\u{fffd}b");
        let long = "x".repeat(MAX_TEXT + 1);
        assert_eq!(plain_path(Path::new(&long)), long);
        assert_eq!(plain(&"x".repeat(1_000_000)).chars().count(), MAX_TEXT + 1);
    }
}
