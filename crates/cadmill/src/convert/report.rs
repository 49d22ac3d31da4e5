//! What became of the files, for people and for programs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use cadmill_domain::Failure;
use cadmill_pipeline::{Converted, Record, Target};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    output::{self, counted, plain, plain_path},
    quantity,
};

/// How many of the last lines of a log are shown to people.
const LOG_LINES: usize = 3;

/// What became of one file.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) input: PathBuf,
    pub(crate) target: Target,
    pub(crate) ended: Result<Converted, Failure>,
}

/// Prints each outcome as it comes and keeps what the summary needs.
#[derive(Debug)]
pub(crate) struct Report {
    is_json: bool,
    planned: usize,
    converted: usize,
    failures: Vec<(PathBuf, Failure)>,
}

impl Report {
    pub(crate) fn new(is_json: bool, planned: usize) -> Self {
        Self {
            is_json,
            planned,
            converted: 0,
            failures: Vec::new(),
        }
    }

    /// Prints one outcome.
    pub(crate) fn add(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        let text = if self.is_json {
            as_json(&outcome).to_string()
        } else {
            in_words(&outcome)
        };
        output::line(&text)?;
        match outcome.ended {
            Ok(_) => self.converted += 1,
            Err(failure) => self.failures.push((outcome.input, shortened(failure))),
        }
        Ok(())
    }

    /// Prints the summary and says how the run ends.
    pub(crate) fn finish(&self, interrupted: bool) -> anyhow::Result<Exit> {
        let exit = if interrupted {
            Exit::Interrupted
        } else {
            Exit::after(self.converted, self.failures.len())
        };
        if self.is_json {
            output::line(&self.summary_as_json(exit).to_string())?;
        } else if self.planned > 1 || !self.failures.is_empty() {
            output::line(&self.summary_in_words())?;
        }
        Ok(exit)
    }

    fn not_begun(&self) -> usize {
        self.planned
            .saturating_sub(self.converted + self.failures.len())
    }

    fn summary_in_words(&self) -> String {
        let mut text = format!(
            "\n{}: {} converted, {} failed",
            counted(self.planned as u64, "file"),
            self.converted,
            self.failures.len()
        );
        if self.not_begun() > 0 {
            text += &[", ", &self.not_begun().to_string(), " not begun"].concat();
        }
        text.push('.');
        for (input, failure) in &self.failures {
            text += &["\n\n", &FailureInWords(input, failure).to_string()].concat();
        }
        text
    }

    fn summary_as_json(&self, exit: Exit) -> Value {
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
            "not_begun": self.not_begun(),
            "failures": failures,
            "exit_code": exit as u8,
        })
    }
}

/// The summary shows only the end of a log, and of thousands of files only that is kept.
fn shortened(failure: Failure) -> Failure {
    let log_tail = failure.log_tail.map(|log| {
        let mut lines: Vec<_> = log.lines().rev().take(LOG_LINES).map(plain).collect();
        lines.reverse();
        lines.join("\n")
    });
    Failure {
        log_tail,
        ..failure
    }
}

fn as_json(outcome: &Outcome) -> Value {
    let input = outcome.input.to_string_lossy();
    let converted = match &outcome.ended {
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

fn in_words(outcome: &Outcome) -> String {
    let input = plain(&outcome.input.to_string_lossy());
    let converted = match &outcome.ended {
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
            quantity::in_words(medium.bytes)
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

/// What a person should know of media that were made all the same.
fn remarks(record: &Record) -> Vec<String> {
    let found = &record.tessellation;
    let mut remarks = Vec::new();
    if let Some(retried) = &found.retried {
        remarks.push(format!(
            "coarser than asked for ({}), because the first try failed: {}",
            retried.recipe, retried.first
        ));
    }
    if found.faces.unmeshed > 0 || found.unread_faces > 0 {
        remarks.push(format!(
            "faces are missing: {} could not be meshed, {} not be read",
            found.faces.unmeshed, found.unread_faces
        ));
    }
    remarks.extend(found.warnings.iter().map(|warning| plain(warning)));
    let unmatched = record.unmatched_materials.iter();
    remarks.extend(unmatched.map(|key| format!("no part is named `{}`", plain(key.as_str()))));
    remarks
}

/// A failure as a paragraph: what, why, what to do, and the end of the log.
pub(crate) struct FailureInWords<'a>(pub(crate) &'a Path, pub(crate) &'a Failure);

impl fmt::Display for FailureInWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(file, failure) = self;
        let code = failure.code;
        writeln!(f, "{}: {code}", plain(&file.to_string_lossy()))?;
        writeln!(f, "  {} {}", code.sentence(), failure.detail)?;
        write!(f, "  {}", code.remedy())?;
        for line in failure.log_tail.iter().flat_map(|log| log.lines()) {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}
