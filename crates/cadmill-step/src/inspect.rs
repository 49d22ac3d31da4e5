//! Streams a file through the lexer, the summary collector and the hash.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use cadmill_domain::ContentHash;
use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::{
    StepError, StepSummary,
    collector::{SummaryCollector, Totals},
    lexer::{Lexer, Tolerated, Visitor},
    preamble::{self, Preamble},
};

const BUFFER_BYTES: usize = 256 << 10;
/// How many trailing bytes are searched for the end mark if the lexer did not reach it.
const TAIL_BYTES: usize = 4096;

/// Summarises the file at `path`. See [`inspect`].
///
/// # Errors
/// If the file cannot be opened or read, or is refused.
pub fn inspect_path(path: &Path) -> Result<StepSummary, StepError> {
    inspect(File::open(path)?)
}

/// Reads a STEP file to its end and summarises it.
///
/// Reads are buffered, so `reader` may be an unbuffered file. The result does not depend on the
/// size of the individual reads.
///
/// # Errors
/// If the input cannot be read, or is refused.
pub fn inspect(reader: impl Read) -> Result<StepSummary, StepError> {
    let mut source = Source {
        hasher: Some(Sha256::new()),
        ..Source::new(reader)
    };
    let mut collector = SummaryCollector::default();
    let Scanned { lines, tolerated } = scan(&mut source, &mut collector)?;
    collector.finish(&Totals {
        hash: ContentHash::from_digest(source.hasher.unwrap_or_default().finalize().into()),
        bytes: source.bytes,
        lines,
        tolerated,
    })
}

/// Properties of a file that was read to its end.
pub(crate) struct Scanned {
    lines: u64,
    tolerated: Tolerated,
}

/// Passes a whole file to `visitor`.
///
/// # Errors
/// If the input cannot be read, or is refused.
pub(crate) fn scan(
    source: &mut Source<impl Read>,
    visitor: &mut impl Visitor,
) -> Result<Scanned, StepError> {
    let mut lexer = Lexer::new();
    let mut tail = Vec::with_capacity(2 * TAIL_BYTES);

    let head = source.head()?;
    let start = match preamble::examine(&source.buffer[..head.min(preamble::HEAD_BYTES)]) {
        Preamble::Blank => return Err(source.blank(head)),
        Preamble::Foreign(sentence) => {
            let hint = sentence.to_owned();
            return Err(StepError::NotStep { hint });
        }
        Preamble::Step(start) => start,
    };
    lexer.skip(&source.buffer[..start]);
    let mut chunk = &source.buffer[start..head];
    while !chunk.is_empty() {
        lexer.push(chunk, visitor)?;
        keep_tail(&mut tail, chunk);
        let read = source.read()?;
        chunk = &source.buffer[..read];
    }
    let marked = memmem::find(&tail, b"END-ISO-10303-21;").is_some();
    let tolerated = lexer.finish(marked)?;
    Ok(Scanned {
        lines: lexer.last_line(),
        tolerated,
    })
}

fn keep_tail(tail: &mut Vec<u8>, chunk: &[u8]) {
    if chunk.len() >= TAIL_BYTES {
        tail.clear();
    } else if tail.len() + chunk.len() > 2 * TAIL_BYTES {
        tail.drain(..tail.len() - TAIL_BYTES);
    }
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL_BYTES)..]);
}

/// Reads, counts and optionally hashes the input.
pub(crate) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    hasher: Option<Sha256>,
    bytes: u64,
}

impl<R: Read> Source<R> {
    /// Creates a source that does not hash its bytes.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER_BYTES],
            hasher: None,
            bytes: 0,
        }
    }

    /// Fills the buffer with at least the bytes that may contain the start mark.
    fn head(&mut self) -> Result<usize, StepError> {
        let mut filled = 0;
        while filled < preamble::HEAD_BYTES {
            match self.read_at(filled)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn read(&mut self) -> Result<usize, StepError> {
        self.read_at(0)
    }

    fn read_at(&mut self, from: usize) -> Result<usize, StepError> {
        loop {
            match self.reader.read(&mut self.buffer[from..]) {
                Ok(read) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&self.buffer[from..from + read]);
                    }
                    self.bytes += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the error for input that begins with white space only.
    fn blank(&mut self, head: usize) -> StepError {
        let mut rest = &self.buffer[preamble::HEAD_BYTES.min(head)..head];
        loop {
            if !rest.iter().all(u8::is_ascii_whitespace) {
                let hint = preamble::MISSING.to_owned();
                return StepError::NotStep { hint };
            }
            rest = match self.read() {
                Ok(0) => return StepError::Empty,
                Ok(read) => &self.buffer[..read],
                Err(error) => return error,
            };
        }
    }
}
