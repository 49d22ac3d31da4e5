//! Standard output that may be closed at any time, and text from files that is safe to show.

use std::{
    io::{self, ErrorKind, Write as _},
    path::Path,
};

/// Writes `text` and a line break. A reader that has gone, like `head`, wants no more; that is fine.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("standard output cannot be written"))
        }
        _ => Ok(()),
    }
}

/// The longest text of a file that is shown, in characters.
const LONGEST: usize = 100;

/// Text from a file on one line and without control characters, which a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let mut plain: String = text.chars().take(LONGEST).map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        plain.push('…');
    }
    plain
}

/// A path as [`plain`] text, but whole, so that it can be copied.
pub(crate) fn plain_path(path: &Path) -> String {
    path.to_string_lossy().chars().map(visible).collect()
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

/// A number of things, in words.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(plain("Gehäuse 零件"), "Gehäuse 零件");
        assert_eq!(plain_path(Path::new("a\u{1b}b")), "a\u{fffd}b");
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(plain_path(Path::new(&long)), long);
        assert_eq!(plain(&"x".repeat(1_000_000)).chars().count(), LONGEST + 1);
    }
}
