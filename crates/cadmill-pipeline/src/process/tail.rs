//! The last part of what a child logs.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much is kept, in bytes.
const KEPT: usize = 64 * 1024;

/// The last 64 KiB of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Reads `stream` to its end.
    pub(super) async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 8 * 1024];
        // A stream that breaks has ended.
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            self.push(&chunk[..read]);
        }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend(chunk);
        let surplus = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..surplus);
    }

    /// The text, or `None` if nothing was logged.
    pub(super) fn text(&self) -> Option<String> {
        let (front, back) = self.bytes.as_slices();
        let bytes = [front, back].concat();
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_of_a_flood_is_kept() {
        let flood = [vec![b'x'; 3 * KEPT], b"the end\n".to_vec()].concat();
        let mut tail = Tail::default();
        tail.read(flood.as_slice()).await;
        let text = tail.text().unwrap();
        assert_eq!(text.len(), KEPT - 1);
        assert!(text.ends_with("xthe end"));
    }

    #[tokio::test]
    async fn what_is_no_text_is_kept_as_far_as_it_is() {
        let mut tail = Tail::default();
        tail.read(b"a\xffb".as_slice()).await;
        assert_eq!(tail.text().unwrap(), "a\u{fffd}b");
        assert_eq!(Tail::default().text(), None);
    }
}
