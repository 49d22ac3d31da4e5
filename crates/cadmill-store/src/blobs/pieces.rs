//! The bytes of a blob on their way out, in pieces that are worth a system call.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{Error, GetResult, GetResultPayload};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much of a file is read at once, in bytes. A reader has one such piece in hand and one that is
/// read ahead.
const PIECE: u64 = 256 << 10;

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
}

/// Begins to read the next piece, which is empty after the last.
fn read_on(mut rest: Rest) -> JoinHandle<io::Result<(Bytes, Rest)>> {
    spawn_blocking(move || {
        if let Some(begin) = rest.begin.take() {
            rest.file.seek(SeekFrom::Start(begin))?;
        }
        let length = rest.left.min(PIECE);
        let mut piece = Vec::with_capacity(length as usize);
        let read = (&mut rest.file).take(length).read_to_end(&mut piece)?;
        if read as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest.left -= length;
        Ok((piece.into(), rest))
    })
}

fn broken(error: io::Error) -> Error {
    Error::Generic {
        store: "folder",
        source: Box::new(error),
    }
}
