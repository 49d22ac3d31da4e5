//! The protocol of the child process: one JSON object per line on standard output.

use std::io::Write as _;

use cadmill_domain::{Failure, FailureCode, tessellator::Phase};
use serde::Serialize;

/// A line of the protocol.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Progress { phase: Phase, fraction: f64 },
    Done,
    Failed { code: FailureCode, detail: &'a str },
}

/// Reports that `fraction` of `phase` is done.
pub(crate) fn progress(phase: Phase, fraction: f64) {
    // If the parent no longer reads, it will end this process; there is nothing to do here.
    _ = send(&Event::Progress { phase, fraction });
}

/// Reports the result in the last line.
pub(crate) fn end(result: &Result<(), Failure>) -> std::io::Result<()> {
    send(&match result {
        Ok(()) => Event::Done,
        Err(failure) => Event::Failed {
            code: failure.code,
            detail: &failure.detail,
        },
    })
}

fn send(event: &Event<'_>) -> std::io::Result<()> {
    line(event)
}

/// Prints one JSON object as a line.
pub(crate) fn line(object: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(object)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
