//! Converts Latin-1 files to UTF-8 for the kernel.
//!
//! As in `cadmill-step`, a string is UTF-8 if it is valid UTF-8, and Latin-1 otherwise. The kernel
//! assumes one encoding for the whole file.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

const BUFFER: usize = 1 << 20;

/// Whether every string of `file` is valid UTF-8.
///
/// # Errors
/// If `file` cannot be read.
pub(crate) fn is_utf8(mut file: impl Read + Seek) -> io::Result<bool> {
    if is_ascii(&mut file)? {
        return Ok(true);
    }
    let mut strings = Strings::of(file)?;
    while let Some(string) = strings.next()? {
        if std::str::from_utf8(string).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies `file` to `copy`, converting strings that are not UTF-8 from Latin-1.
///
/// # Errors
/// If `file` cannot be read or `copy` cannot be written.
pub(crate) fn copy_as_utf8(file: impl Read + Seek, copy: impl Write) -> io::Result<()> {
    let mut copy = BufWriter::with_capacity(BUFFER, copy);
    let mut strings = Strings::of(file)?;
    while let Some(string) = strings.next()? {
        if std::str::from_utf8(string).is_ok() {
            copy.write_all(string)?;
        } else {
            let text: String = string.iter().copied().map(char::from).collect();
            copy.write_all(text.as_bytes())?;
        }
    }
    copy.flush()
}

/// A fast check that succeeds for most files.
fn is_ascii(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    file.rewind()?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].is_ascii() => {}
            _ => return Ok(false),
        }
    }
}

/// Splits a file after each apostrophe, into strings and the text between them.
struct Strings<R> {
    file: BufReader<R>,
    current: Vec<u8>,
}

impl<R: Read + Seek> Strings<R> {
    fn of(mut file: R) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, file),
            current: Vec::new(),
        })
    }

    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.current.clear();
        let read = self.file.read_until(b'\'', &mut self.current)?;
        Ok((read > 0).then_some(&self.current))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: Option<&str>) {
        let mut file = Cursor::new(text);
        assert_eq!(is_utf8(&mut file).unwrap(), expected.is_none());
        let mut copy = Vec::new();
        copy_as_utf8(&mut file, &mut copy).unwrap();
        let expected = expected.map_or(text, str::as_bytes);
        assert_eq!(copy, expected);
    }

    #[test]
    fn only_strings_that_are_not_utf8_are_changed() {
        check(b"#1=PRODUCT('a','b');", None);
        check("#1=PRODUCT('Gehäuse','零件');".as_bytes(), None);
        check(b"('Geh\xE4use','\xC4\xD6\xDF')", Some("('Gehäuse','ÄÖß')"));
        let mixed = [b"('Geh\xE4use','", "零件".as_bytes(), b"')"].concat();
        check(&mixed, Some("('Gehäuse','零件')"));
        check(b"", None);
    }
}
