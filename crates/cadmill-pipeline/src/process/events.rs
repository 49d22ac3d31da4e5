//! What the tessellator says on its standard output: one JSON object per line.

use std::sync::Arc;

use cadmill_domain::{
    FailureCode,
    tessellator::{Phase, ProgressSink},
};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line that is understood, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Progress is passed on in steps of at least this.
const STEP: f64 = 0.002;

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Progress {
        phase: Phase,
        fraction: f64,
    },
    Done,
    Failed {
        code: String,
        #[serde(default)]
        detail: String,
    },
}

/// The last word of the tessellator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has written its result.
    Done,
    /// It has failed, and knows why.
    Failed { code: FailureCode, detail: String },
}

/// Reads the lines; holds no more than one, however many there are.
pub(super) struct Events {
    progress: Arc<dyn ProgressSink>,
    furthest: Option<(Phase, f64)>,
    verdict: Option<Verdict>,
    line: Vec<u8>,
    is_overlong: bool,
}

impl Events {
    pub(super) fn new(progress: Arc<dyn ProgressSink>) -> Self {
        Self {
            progress,
            furthest: None,
            verdict: None,
            line: Vec::new(),
            is_overlong: false,
        }
    }

    /// Reads `stream` to its end.
    pub(super) async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 8 * 1024];
        // A stream that breaks has ended.
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            self.push(&chunk[..read]);
        }
        self.end_line();
    }

    /// What the tessellator said last, if it said so.
    pub(super) fn verdict(self) -> Option<Verdict> {
        self.verdict
    }

    fn push(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > MAX_LINE_BYTES {
                self.is_overlong = true;
                self.line.clear();
            }
            if !self.is_overlong {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// A line that is no event is none of ours: a library may have printed it.
    fn end_line(&mut self) {
        if !self.is_overlong
            && self.verdict.is_none()
            && let Ok(event) = serde_json::from_slice(&self.line)
        {
            self.take(event);
        }
        self.line.clear();
        self.is_overlong = false;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Progress { phase, fraction } => self.advance(phase, fraction),
            Event::Done => self.verdict = Some(Verdict::Done),
            Event::Failed { code, detail } => {
                let code = code_of(&code);
                self.verdict = Some(Verdict::Failed { code, detail });
            }
        }
    }

    /// Passes progress on if it is any, so that a flood stays a trickle.
    fn advance(&mut self, phase: Phase, fraction: f64) {
        if !(0.0..=1.0).contains(&fraction) {
            return;
        }
        let is_ahead = match self.furthest {
            None => true,
            Some((before, _)) if before != phase => before as u8 <= phase as u8,
            Some((_, before)) => fraction >= before + STEP || (fraction == 1.0 && before < 1.0),
        };
        if is_ahead {
            self.furthest = Some((phase, fraction));
            self.progress.report(phase, fraction);
        }
    }
}

fn code_of(text: &str) -> FailureCode {
    let known = FailureCode::ALL.iter().find(|code| code.as_str() == text);
    match known {
        // Only the parent knows whether somebody cancelled the work.
        None | Some(FailureCode::Cancelled) => FailureCode::KernelError,
        Some(code) => *code,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(Phase, f64)>>);

    impl ProgressSink for Seen {
        fn report(&self, phase: Phase, fraction: f64) {
            self.0.lock().unwrap().push((phase, fraction));
        }
    }

    #[track_caller]
    fn check(text: &[u8], progress: &[(Phase, f64)], verdict: Option<&Verdict>) {
        let seen = Arc::new(Seen::default());
        let mut events = Events::new(Arc::clone(&seen) as Arc<dyn ProgressSink>);
        for chunk in text.chunks(7) {
            events.push(chunk);
        }
        events.end_line();
        assert_eq!(*seen.0.lock().unwrap(), progress);
        assert_eq!(events.verdict().as_ref(), verdict);
    }

    fn failed(code: FailureCode, detail: &str) -> Verdict {
        let detail = detail.to_owned();
        Verdict::Failed { code, detail }
    }

    #[test]
    fn progress_and_the_verdict_are_read_among_other_lines() {
        check(
            b"hello\n\n{\"event\":\"progress\",\"phase\":\"read\",\"fraction\":0.5}\n{\"event\":\"new\"}\n{\"event\":\"done\"}",
            &[(Phase::Read, 0.5)],
            Some(&Verdict::Done),
        );
    }

    #[test]
    fn a_failure_keeps_its_code_and_the_first_verdict_stands() {
        check(
            b"{\"event\":\"failed\",\"code\":\"disk_full\",\"detail\":\"No space.\"}\n{\"event\":\"done\"}\n",
            &[],
            Some(&failed(FailureCode::DiskFull, "No space.")),
        );
        check(
            b"{\"event\":\"failed\",\"code\":\"what?\"}",
            &[],
            Some(&failed(FailureCode::KernelError, "")),
        );
    }

    #[test]
    fn a_flood_of_progress_is_a_trickle() {
        let line = b"{\"event\":\"progress\",\"phase\":\"mesh\",\"fraction\":0.25}\n";
        let back = b"{\"event\":\"progress\",\"phase\":\"read\",\"fraction\":0.25}\n";
        let odd = b"{\"event\":\"progress\",\"phase\":\"mesh\",\"fraction\":-1}\n";
        let text = [line.repeat(1000), back.to_vec(), odd.to_vec()].concat();
        check(&text, &[(Phase::Mesh, 0.25)], None);
    }

    #[test]
    fn an_overlong_line_is_left_out_and_the_next_is_read() {
        let text = [
            vec![b' '; MAX_LINE_BYTES + 1],
            b"{\"event\":\"done\"}\n{\"event\":\"failed\",\"code\":\"kernel_empty\"}\n".to_vec(),
        ]
        .concat();
        check(&text, &[], Some(&failed(FailureCode::KernelEmpty, "")));
    }
}
