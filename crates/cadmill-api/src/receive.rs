//! Bytes on their way into the blob store: hashed as they come, never whole in memory.

use bytes::Bytes;
use cadmill_domain::{Blobs, blobs::BlobUpload};
use futures_util::{Stream, StreamExt as _};

use crate::problem::{Code, Problem};

/// Stores what comes, up to `limit` bytes; whoever finishes the result makes it readable. If anything
/// goes wrong, or the future is dropped, nothing stays.
pub(crate) async fn receive<E>(
    blobs: &dyn Blobs,
    pieces: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    limit: u64,
    broken: impl Fn(E) -> Problem,
) -> Result<Box<dyn BlobUpload>, Problem> {
    let mut upload = blobs.begin().await?;
    let mut received = 0;
    while let Some(piece) = pieces.next().await {
        let written = match piece {
            Ok(piece) => {
                received += piece.len() as u64;
                if received > limit {
                    Err(too_large(limit))
                } else {
                    upload.write(piece).await.map_err(Problem::from)
                }
            }
            Err(error) => Err(broken(error)),
        };
        if let Err(problem) = written {
            upload.abort().await;
            return Err(problem);
        }
    }
    Ok(upload)
}

pub(crate) fn too_large(limit: u64) -> Problem {
    let detail = format!("A file has at most {limit} bytes here.");
    Problem::new(Code::TooLarge, detail)
}
