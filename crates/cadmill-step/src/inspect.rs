//! Streams a file through the lexer, the harvest and the hash.

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
    harvest::{Harvest, Totals},
    lexer::{Lexer, Tolerated, Visitor},
    preamble::{self, Preamble},
};

const BUFFER: usize = 256 << 10;
/// How many of the last bytes are searched for the end mark if the lexer did not come to it.
const TAIL: usize = 4096;

/// Reads the file at `path`.
///
/// # Errors
/// If it cannot be opened or read, or is refused.
pub fn inspect_path(path: &Path) -> Result<StepSummary, StepError> {
    inspect(File::open(path)?)
}

/// Reads a STEP file to its end. The result does not depend on how the bytes are dealt out.
///
/// The reader needs no buffer of its own.
///
/// # Errors
/// If the bytes cannot be read, or are refused.
pub fn inspect(reader: impl Read) -> Result<StepSummary, StepError> {
    let mut source = Source {
        hasher: Some(Sha256::new()),
        ..Source::new(reader)
    };
    let mut harvest = Harvest::default();
    let Scanned { lines, tolerated } = scan(&mut source, &mut harvest)?;
    harvest.finish(&Totals {
        hash: ContentHash::from_digest(source.hasher.unwrap_or_default().finalize().into()),
        bytes: source.bytes,
        lines,
        tolerated,
    })
}

/// What is known of a file that was read to its end.
pub(crate) struct Scanned {
    lines: u64,
    tolerated: Tolerated,
}

/// Reads a file to its end.
///
/// # Errors
/// If the bytes cannot be read, or are refused.
pub(crate) fn scan(
    source: &mut Source<impl Read>,
    visitor: &mut impl Visitor,
) -> Result<Scanned, StepError> {
    let mut lexer = Lexer::new();
    let mut tail = Vec::with_capacity(2 * TAIL);

    let head = source.head()?;
    let start = match preamble::examine(&source.buffer[..head.min(preamble::HEAD)]) {
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
    if chunk.len() >= TAIL {
        tail.clear();
    } else if tail.len() + chunk.len() > 2 * TAIL {
        tail.drain(..tail.len() - TAIL);
    }
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL)..]);
}

/// The bytes, counted and perhaps hashed as they pass.
pub(crate) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    hasher: Option<Sha256>,
    bytes: u64,
}

impl<R: Read> Source<R> {
    /// Bytes that are not hashed.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER],
            hasher: None,
            bytes: 0,
        }
    }

    /// Fills the beginning of the buffer, as far as it matters for the start mark.
    fn head(&mut self) -> Result<usize, StepError> {
        let mut filled = 0;
        while filled < preamble::HEAD {
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

    /// The first bytes are blank: is there anything behind them?
    fn blank(&mut self, head: usize) -> StepError {
        let mut rest = &self.buffer[preamble::HEAD.min(head)..head];
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
