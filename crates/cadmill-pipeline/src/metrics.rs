//! What is counted and timed, by the facade of the crate `metrics`: whoever links this crate chooses
//! where the figures go, or that they go nowhere.

use std::time::Duration;

use cadmill_domain::{FailureCode, TaskKind};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const DUPLICATES: &str = "cadmill_duplicates_skipped_total";
const CACHE_HITS: &str = "cadmill_cache_hits_total";
const LOST: &str = "cadmill_leases_lost_total";
const REFUSED: &str = "cadmill_publishes_refused_total";
const FAILURES: &str = "cadmill_failures_total";
const PUBLISHED: &str = "cadmill_published_total";
const PHASES: &str = "cadmill_phase_seconds";
const LOST_BLOBS: &str = "cadmill_blobs_lost_total";
const EXAMINED_BLOBS: &str = "cadmill_blobs_examined_total";
const EXAMINED_BYTES: &str = "cadmill_blobs_examined_bytes_total";
const CHILDREN: &str = "cadmill_tessellator_ends_total";

/// Tells the recorder what each figure means, and that nothing has been counted yet.
pub fn describe_metrics() {
    for (name, meaning) in [
        (
            DUPLICATES,
            "Tasks that were skipped since somebody else was at it.",
        ),
        (
            CACHE_HITS,
            "Results that were there already, of this file or another.",
        ),
        (LOST, "Leases that were lost while the work went on."),
        (
            REFUSED,
            "Results that were refused since the claim was no longer the newest.",
        ),
        (FAILURES, "Tasks that failed, by the code of the failure."),
        (
            PUBLISHED,
            "Results that were published, those from the cache included.",
        ),
        (
            LOST_BLOBS,
            "Blobs that were found to be missing or damaged, by what found them.",
        ),
        (
            EXAMINED_BLOBS,
            "Blobs whose bytes were compared with their hash.",
        ),
        (EXAMINED_BYTES, "Bytes that were read for that."),
        (CHILDREN, "Tessellators that ended, by how."),
    ] {
        describe_counter!(name, meaning);
    }
    describe_histogram!(PHASES, Unit::Seconds, "How long each phase of a task took.");
    for found_by in ["download", "work", "scrub", "verify"] {
        counter!(LOST_BLOBS, "found_by" => found_by).absolute(0);
    }
    // What has not happened yet is 0, so that its first time is seen as a step.
    for task in TaskKind::ALL {
        for name in [DUPLICATES, CACHE_HITS, LOST, REFUSED, PUBLISHED] {
            counter!(name, "task" => task.as_str()).absolute(0);
        }
    }
}

pub(crate) fn duplicate(task: TaskKind) {
    counter!(DUPLICATES, "task" => task.as_str()).increment(1);
}

pub(crate) fn published(task: TaskKind, is_cached: bool) {
    counter!(PUBLISHED, "task" => task.as_str()).increment(1);
    if is_cached {
        counter!(CACHE_HITS, "task" => task.as_str()).increment(1);
    }
}

pub(crate) fn lease_lost(task: TaskKind) {
    counter!(LOST, "task" => task.as_str()).increment(1);
}

pub(crate) fn refused(task: TaskKind) {
    counter!(REFUSED, "task" => task.as_str()).increment(1);
}

pub(crate) fn failed(task: TaskKind, code: FailureCode) {
    counter!(FAILURES, "task" => task.as_str(), "code" => code.as_str()).increment(1);
}

pub(crate) fn phase(task: TaskKind, phase: &str, took: Duration) {
    histogram!(PHASES, "task" => task.as_str(), "phase" => phase.to_owned()).record(took);
}

/// A blob was found to be missing or damaged.
pub(crate) fn blob_lost(found_by: &'static str) {
    counter!(LOST_BLOBS, "found_by" => found_by).increment(1);
}

/// Bytes of blobs were compared with their hash.
pub(crate) fn bytes_examined(bytes: u64) {
    counter!(EXAMINED_BYTES).increment(bytes);
}

/// A whole blob was.
pub(crate) fn blob_examined() {
    counter!(EXAMINED_BLOBS).increment(1);
}

/// A tessellator ended, well or with a failure.
pub(crate) fn child_ended(failure: Option<FailureCode>) {
    let end = failure.map_or("ok", FailureCode::as_str);
    counter!(CHILDREN, "end" => end).increment(1);
}
