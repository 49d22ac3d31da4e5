//! Counts lines lazily, only up to positions that are queried.

use memchr::memchr_iter;

/// Counts the line ends before a position in the current chunk.
///
/// Lines end with LF, or with CR if no LF has been seen.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line_feeds: u64,
    returns: u64,
    /// The position up to which the current chunk has been counted.
    counted: usize,
    /// Whether the last chunk ended with a line end.
    ended: bool,
}

impl Lines {
    /// Returns the line of position `at`, counted from 1.
    pub(crate) fn line_at(&mut self, chunk: &[u8], at: usize) -> u64 {
        self.move_to(chunk, at);
        self.current()
    }

    /// Ends the current chunk; later positions refer to the next one.
    pub(crate) fn end_chunk(&mut self, chunk: &[u8]) {
        self.move_to(chunk, chunk.len());
        self.counted = 0;
        if let Some(last) = chunk.last() {
            self.ended = matches!(last, b'\n' | b'\r');
        }
    }

    /// Returns the line of the last byte of all chunks.
    pub(crate) const fn last(&self) -> u64 {
        let line = self.current();
        if self.ended && line > 1 {
            line - 1
        } else {
            line
        }
    }

    /// Returns the line of the position queried last.
    pub(crate) const fn current(&self) -> u64 {
        if self.line_feeds > 0 {
            self.line_feeds + 1
        } else {
            self.returns + 1
        }
    }

    fn move_to(&mut self, chunk: &[u8], at: usize) {
        if at >= self.counted {
            let passed = &chunk[self.counted..at];
            self.line_feeds += memchr_iter(b'\n', passed).count() as u64;
            self.returns += memchr_iter(b'\r', passed).count() as u64;
        } else {
            let back = &chunk[at..self.counted];
            self.line_feeds -= memchr_iter(b'\n', back).count() as u64;
            self.returns -= memchr_iter(b'\r', back).count() as u64;
        }
        self.counted = at;
    }
}

/// The start of a construct: a position in the current chunk, or the line of an earlier one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    Here(usize),
    Earlier(u64),
}

impl Mark {
    pub(crate) fn line(self, lines: &mut Lines, chunk: &[u8]) -> u64 {
        match self {
            Self::Here(at) => lines.line_at(chunk, at),
            Self::Earlier(line) => line,
        }
    }

    /// Returns the line of a mark in an earlier chunk.
    pub(crate) const fn earlier(self) -> u64 {
        match self {
            Self::Here(_) => 1,
            Self::Earlier(line) => line,
        }
    }

    /// Converts the mark to a line when its chunk ends.
    pub(crate) fn end_chunk(&mut self, lines: &mut Lines, chunk: &[u8]) {
        *self = Self::Earlier(self.line(lines, chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], at: usize, expected: u64) {
        for cut in 0..=at {
            let mut lines = Lines::default();
            lines.end_chunk(&text[..cut]);
            assert_eq!(lines.line_at(&text[cut..], text.len() - cut), {
                let mut whole = Lines::default();
                whole.line_at(text, text.len())
            });
            assert_eq!(lines.line_at(&text[cut..], at - cut), expected, "cut {cut}");
        }
    }

    #[test]
    fn lines_end_with_lf_crlf_or_a_lone_cr() {
        check(b"a\nb\nc", 4, 3);
        check(b"a\r\nb\r\nc", 6, 3);
        check(b"a\rb\rc", 4, 3);
        check(b"abc", 0, 1);
    }
}
