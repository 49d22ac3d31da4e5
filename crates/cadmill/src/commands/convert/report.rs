//! Reports the outcome of each file, as text or as JSON.

use std::path::PathBuf;

use anyhow::Result;
use cadmill_domain::Failure;
use cadmill_pipeline::{Converted, Record, Target};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    quantity,
    terminal::{
        failure::FailureParagraph,
        output,
        text::{counted, plain, plain_path},
    },
};

/// How many of the last lines of a log the summary shows.
const MAX_LOG_LINES: usize = 3;

/// The outcome of one file.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) input: PathBuf,
    pub(crate) target: Target,
    pub(crate) result: Result<Converted, Failure>,
}

/// Prints each outcome, and collects them for the summary.
#[derive(Debug)]
pub(crate) struct Report {
    as_json: bool,
    planned: usize,
    converted: usize,
    failures: Vec<(PathBuf, Failure)>,
}

impl Report {
    pub(crate) fn new(as_json: bool, planned: usize) -> Self {
        Self {
            as_json,
            planned,
            converted: 0,
            failures: Vec::new(),
        }
    }

    /// Prints one outcome.
    pub(crate) fn add(&mut self, outcome: Outcome) -> Result<()> {
        let text = if self.as_json {
            json(&outcome).to_string()
        } else {
            describe(&outcome)
        };
        output::line(&text)?;
        match outcome.result {
            Ok(_) => self.converted += 1,
            Err(failure) => self.failures.push((outcome.input, shortened(failure))),
        }
        Ok(())
    }

    /// Prints the summary, and returns the exit code of the run.
    pub(crate) fn finish(&self, interrupted: bool) -> Result<Exit> {
        let exit = if interrupted {
            Exit::Interrupted
        } else {
            Exit::after(self.converted, self.failures.len())
        };
        if self.as_json {
            output::line(&self.json_summary(exit).to_string())?;
        } else if self.planned > 1 || !self.failures.is_empty() {
            output::line(&self.text_summary())?;
        }
        Ok(exit)
    }

    fn not_started(&self) -> usize {
        self.planned
            .saturating_sub(self.converted + self.failures.len())
    }

    fn text_summary(&self) -> String {
        let mut text = format!(
            "\n{}: {} converted, {} failed",
            counted(self.planned as u64, "file"),
            self.converted,
            self.failures.len()
        );
        if self.not_started() > 0 {
            text += &[", ", &self.not_started().to_string(), " not started"].concat();
        }
        text.push('.');
        for (input, failure) in &self.failures {
            let file = input;
            let paragraph = FailureParagraph { file, failure }.to_string();
            text += &["\n\n", &paragraph].concat();
        }
        text
    }

    fn json_summary(&self, exit: Exit) -> Value {
        let failures: Vec<_> = self
            .failures
            .iter()
            .map(|(input, failure)| {
                json!({
                    "input": input.to_string_lossy(),
                    "code": failure.code,
                    "sentence": failure.code.sentence(),
                    "detail": failure.detail,
                    "remedy": failure.code.remedy(),
                })
            })
            .collect();
        json!({
            "event": "summary",
            "files": self.planned,
            "converted": self.converted,
            "failed": self.failures.len(),
            "not_begun": self.not_started(),
            "failures": failures,
            "exit_code": exit as u8,
        })
    }
}

/// The failure with only the end of its log. There may be thousands of failures.
fn shortened(failure: Failure) -> Failure {
    let log_tail = failure.log_tail.map(|log| {
        let mut lines: Vec<_> = log.lines().rev().take(MAX_LOG_LINES).map(plain).collect();
        lines.reverse();
        lines.join("\n")
    });
    Failure {
        log_tail,
        ..failure
    }
}

fn json(outcome: &Outcome) -> Value {
    let input = outcome.input.to_string_lossy();
    let converted = match &outcome.result {
        Ok(converted) => converted,
        Err(failure) => {
            return json!({
                "event": "file",
                "input": input,
                "status": "failed",
                "failure": failure,
                "sentence": failure.code.sentence(),
                "remedy": failure.code.remedy(),
            });
        }
    };
    let record = &converted.record;
    let found = &record.tessellation;
    let folder = &outcome.target.folder;
    let media = record.media.iter().map(|medium| {
        json!({
            "kind": medium.kind,
            "path": folder.join(&medium.file).to_string_lossy(),
            "bytes": medium.bytes,
            "sha256": medium.sha256,
        })
    });
    json!({
        "event": "file",
        "input": input,
        "status": "converted",
        "reused": converted.reused,
        "record": outcome.target.record().to_string_lossy(),
        "media": media.collect::<Vec<_>>(),
        "parts": found.parts,
        "occurrences": found.occurrences,
        "triangles": found.triangles,
        "partial": found.partial,
        "missing_geometry": found.missing_geometry,
        "retried": found.retried,
        "warnings": found.warnings,
        "unmatched_materials": record.unmatched_materials,
        "timings": record.timings,
    })
}

fn describe(outcome: &Outcome) -> String {
    let input = plain(&outcome.input.to_string_lossy());
    let converted = match &outcome.result {
        Ok(converted) => converted,
        Err(failure) => return format!("{input}: failed, {}", failure.code),
    };
    let record = &converted.record;
    let found = &record.tessellation;
    let media = record.media.iter().map(|medium| {
        let path = outcome.target.folder.join(&medium.file);
        format!(
            "{} ({})",
            plain_path(&path),
            quantity::format_bytes(medium.bytes)
        )
    });
    let mut text = format!(
        "{input}: {}, {}, {}: {}",
        counted(found.parts as u64, "part"),
        counted(found.occurrences as u64, "occurrence"),
        counted(found.triangles, "triangle"),
        media.collect::<Vec<_>>().join(", "),
    );
    for remark in remarks(record) {
        text += &["\n  note: ", &remark].concat();
    }
    text
}

/// What people should know about the media of a file that was converted.
fn remarks(record: &Record) -> Vec<String> {
    let found = &record.tessellation;
    let mut remarks = Vec::new();
    if let Some(retried) = &found.retried {
        remarks.push(format!(
            "coarser than requested ({}), because the first try failed: {}",
            retried.recipe, retried.first
        ));
    }
    if found.faces.unmeshed > 0 || found.unread_faces > 0 {
        remarks.push(format!(
            "faces are missing: {} could not be meshed, {} could not be read",
            found.faces.unmeshed, found.unread_faces
        ));
    }
    remarks.extend(found.warnings.iter().map(|warning| plain(warning)));
    let unmatched = record.unmatched_materials.iter();
    remarks.extend(unmatched.map(|key| format!("no part is named `{}`", plain(key.as_str()))));
    remarks
}
