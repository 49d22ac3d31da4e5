//! The bytes of media, as far as the blob store has them: what is found to be lost is reported to the
//! ledger, which lets it be made again.

use std::{ops::Range, sync::Arc};

use cadmill_domain::{
    Blob, Blobs, Failure,
    blobs::{ByteStream, report_blob_loss},
    ledger::{WorkRequests, WorkerName},
};
use metrics::counter;
use tracing::warn;

use crate::problem::{Code, Problem};

/// Counts blobs that were found to be lost, as the pipeline does.
const LOST_BLOBS: &str = "cadmill_blobs_lost_total";
/// Who finds what is lost, for the log.
const FINDER: &str = "download";

/// Reads the bytes of media.
#[derive(Debug, Clone)]
pub(crate) struct MediaBytes {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) requests: Arc<dyn WorkRequests>,
}

impl MediaBytes {
    /// The bytes of a range. A medium that is missing or has another length is made again, which
    /// the problem says.
    pub(crate) async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Problem> {
        match self.blobs.read(blob, range).await {
            Ok(stream) => Ok(stream),
            Err(failure) => Err(self.lost(blob, failure).await),
        }
    }

    /// What a failure to read `blob` means for the client.
    pub(crate) async fn lost(&self, blob: &Blob, failure: Failure) -> Problem {
        if !failure.is_blob_loss() {
            return failure.into();
        }
        let finder = WorkerName::new(FINDER);
        let reported = report_blob_loss(&*self.blobs, &*self.requests, blob, failure, &finder);
        match reported.await {
            Ok(loss) => {
                counter!(LOST_BLOBS, "found_by" => FINDER).increment(1);
                warn!(
                    blob.sha256 = %blob.sha256, blob.bytes = blob.bytes, media = loss.media,
                    sources = loss.sources, "bytes are missing or damaged; the media are made again",
                );
                let detail = "The stored bytes are missing or damaged.";
                Problem::new(Code::BytesLost, detail)
            }
            Err(failure) => failure.into(),
        }
    }
}
