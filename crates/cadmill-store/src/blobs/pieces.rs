//! The bytes of a blob on their way out, in pieces that are worth a system call.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{Error, GetResult, GetResultPayload};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much of a file is read at once, in bytes. A reader has one such piece in hand and one that is
/// read ahead.
const PIECE: usize = 256 << 10;

/// What was found. Of a file the store itself would give 8 KiB at a time, each by a thread that is
/// woken for it.
pub(super) fn pieces(found: GetResult) -> BoxStream<'static, Result<Bytes, Error>> {
    let range = found.range.clone();
    let GetResultPayload::File(file, _) = found.payload else {
        return found.into_stream();
    };
    let rest = Rest {
        file,
        begin: Some(range.start),
        left: range.end.saturating_sub(range.start),
        spare: Spare::default(),
    };
    stream::try_unfold(read_on(rest), async |reading| {
        let (piece, rest) = reading.await.map_err(io::Error::other)??;
        Ok((!piece.is_empty()).then(|| (piece, read_on(rest))))
    })
    .map(|piece| piece.map_err(broken))
    .boxed()
}

/// What is still to be read of a file.
struct Rest {
    file: File,
    /// Where the reading begins, if it has not begun.
    begin: Option<u64>,
    left: u64,
    spare: Spare,
}

/// Memory of pieces that were sent. New memory costs as much as reading does.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Begins to read the next piece, which is empty after the last.
fn read_on(mut rest: Rest) -> JoinHandle<io::Result<(Bytes, Rest)>> {
    spawn_blocking(move || {
        if let Some(begin) = rest.begin.take() {
            rest.file.seek(SeekFrom::Start(begin))?;
        }
        let mut piece = Piece::new(&rest.spare, rest.left);
        rest.file.read_exact(&mut piece.memory[..piece.length])?;
        rest.left -= piece.length as u64;
        Ok((Bytes::from_owner(piece), rest))
    })
}

/// A piece whose memory is spared when nobody holds it any more.
struct Piece {
    memory: Vec<u8>,
    length: usize,
    spare: Spare,
}

impl Piece {
    /// One for the next of `left` bytes.
    fn new(spare: &Spare, left: u64) -> Self {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let spared = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            // What was sent was no shorter.
            memory: spared.unwrap_or_else(|| vec![0; length]),
            length,
            spare: spare.clone(),
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(memory);
    }
}

fn broken(error: io::Error) -> Error {
    Error::Generic {
        store: "folder",
        source: Box::new(error),
    }
}
