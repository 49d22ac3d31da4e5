//! Standard output, whose reader may close it at any time.

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

/// Writes `text` and a line break. It is no error if the reader, like `head`, has closed the pipe.
pub(crate) fn line(text: &str) -> Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes unchanged. It is no error if the reader has closed the pipe.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        _ => Ok(()),
    }
}
