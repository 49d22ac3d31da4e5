//! The bytes of a blob on their way out, in pieces that are worth a system call.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{Error, GetResult, GetResultPayload};
use tokio::task::spawn_blocking;

/// How much of a file is read at once, in bytes. A reader has a few such pieces in hand.
const PIECE: usize = 256 << 10;

/// What was found. Of a file the store itself would give 8 KiB at a time, each by a thread that is
/// woken for it.
pub(super) fn pieces(found: GetResult) -> BoxStream<'static, Result<Bytes, Error>> {
    let range = found.range.clone();
    let GetResultPayload::File(file, _) = found.payload else {
        return found.into_stream();
    };
    let rest = Rest {
        file: Arc::new(file),
        at: range.start,
        end: range.end,
        spare: Spare::default(),
    };
    stream::try_unfold(rest, Rest::next)
        .map(|piece| piece.map_err(broken))
        .boxed()
}

/// What is still to be read of a file.
struct Rest {
    file: Arc<File>,
    at: u64,
    end: u64,
    spare: Spare,
}

/// Memory of pieces that were sent. New memory costs as much as reading does.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

impl Rest {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = Piece::new(&self.spare, length);
        // What the system has in memory is read at once; only a disk is worth another thread.
        piece.length = match read_cached(&self.file, &mut piece.memory[..length], self.at) {
            0 => {
                let (file, at) = (self.file.clone(), self.at);
                let read = spawn_blocking(move || {
                    file.read_exact_at(&mut piece.memory[..length], at)?;
                    Ok::<_, io::Error>(piece)
                });
                piece = read.await.map_err(io::Error::other)??;
                length
            }
            read => read,
        };
        self.at += piece.length as u64;
        Ok(Some((Bytes::from_owner(piece), self)))
    }
}

/// Reads what is in memory of the bytes at this place: how many, 0 if none are, or if the file
/// system or the operating system does not tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, memory: &mut [u8], at: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut memory = [io::IoSliceMut::new(memory)];
    preadv2(file, &mut memory, at, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
const fn read_cached(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

/// A piece whose memory is spared when nobody holds it any more.
struct Piece {
    memory: Vec<u8>,
    length: usize,
    spare: Spare,
}

impl Piece {
    fn new(spare: &Spare, length: usize) -> Self {
        let spared = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            // What was asked for before was no shorter.
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
        let memory = std::mem::take(&mut self.memory);
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
