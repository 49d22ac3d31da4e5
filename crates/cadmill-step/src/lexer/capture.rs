//! Captures the text of the current record if the visitor requests it: as a slice of the chunk
//! where possible, and as a copy if the record spans several chunks.

/// Copies are truncated to this many bytes. Chunks are smaller, so slices never are.
const MAX_RECORD: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Capture {
    wanted: bool,
    /// Where the text begins in the current chunk.
    from: Option<usize>,
    /// The text in earlier chunks.
    earlier: Vec<u8>,
    /// Whether the copy was truncated.
    cut: bool,
}

impl Capture {
    /// Discards the text; called when a statement begins.
    pub(super) fn reset(&mut self) {
        self.wanted = false;
        self.from = None;
        self.earlier.clear();
        self.cut = false;
    }

    pub(super) fn set_wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Starts the text at `at` if it is wanted.
    pub(super) fn open(&mut self, at: usize) {
        self.from = self.wanted.then_some(at);
    }

    pub(super) fn end_chunk(&mut self, chunk: &[u8]) {
        if let Some(from) = self.from {
            self.copy(&chunk[from..]);
            self.from = Some(0);
        }
    }

    /// Returns the text up to `at` and whether it was truncated, or `None` if it is not wanted.
    pub(super) fn close<'a>(&'a mut self, chunk: &'a [u8], at: usize) -> Option<(&'a [u8], bool)> {
        let last = &chunk[self.from.take()?..at];
        if self.earlier.is_empty() {
            return Some((last, false));
        }
        self.copy(last);
        Some((&self.earlier, self.cut))
    }

    fn copy(&mut self, bytes: &[u8]) {
        let remaining = MAX_RECORD - self.earlier.len();
        let taken = bytes.len().min(remaining);
        self.earlier.extend_from_slice(&bytes[..taken]);
        self.cut |= taken < bytes.len();
    }
}
