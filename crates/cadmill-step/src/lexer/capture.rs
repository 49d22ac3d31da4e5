//! The text of the current record, if the visitor wants it: a slice of the chunk where it can be, a
//! copy where it lies in several.

/// The copy is cut to this size. No chunk is as large, so a slice never is.
const MAX_RECORD: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Capture {
    wanted: bool,
    /// From where on the current chunk belongs to the text, if it does.
    from: Option<usize>,
    /// What lies in earlier chunks.
    earlier: Vec<u8>,
    /// Whether the copy lacks its end.
    cut: bool,
}

impl Capture {
    /// Another statement begins.
    pub(super) fn reset(&mut self) {
        self.wanted = false;
        self.from = None;
        self.earlier.clear();
        self.cut = false;
    }

    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// The text begins at `at`, if it is wanted.
    pub(super) fn open(&mut self, at: usize) {
        self.from = self.wanted.then_some(at);
    }

    pub(super) fn end_chunk(&mut self, chunk: &[u8]) {
        if let Some(from) = self.from {
            self.copy(&chunk[from..]);
            self.from = Some(0);
        }
    }

    /// The text up to `at`, and whether it was cut; none if it is not wanted.
    pub(super) fn close<'a>(&'a mut self, chunk: &'a [u8], at: usize) -> Option<(&'a [u8], bool)> {
        let last = &chunk[self.from.take()?..at];
        if self.earlier.is_empty() {
            return Some((last, false));
        }
        self.copy(last);
        Some((&self.earlier, self.cut))
    }

    fn copy(&mut self, bytes: &[u8]) {
        let room = MAX_RECORD - self.earlier.len();
        let taken = bytes.len().min(room);
        self.earlier.extend_from_slice(&bytes[..taken]);
        self.cut |= taken < bytes.len();
    }
}
