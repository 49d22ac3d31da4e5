//! Why a file is refused: one entry of the failure catalogue, with the line.

use std::io;

use cadmill_domain::{Failure, FailureCode};

use crate::InstanceId;

/// Why a STEP file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The bytes could not be read.
    #[error("Reading it failed.")]
    Io(#[from] io::Error),
    /// There are no bytes, or only white space.
    #[error("Line 1: there is nothing but white space in it.")]
    Empty,
    /// There is no `ISO-10303-21;` at the beginning.
    #[error("Line 1: {hint}")]
    NotStep {
        /// What it seems to be instead: a whole sentence.
        hint: String,
    },
    /// The input ends before `END-ISO-10303-21;`.
    #[error("Line {line}: the file ends here, without `END-ISO-10303-21;`.")]
    Truncated {
        /// The last line.
        line: u64,
    },
    /// The input breaks the syntax in a way that nothing can be made of.
    #[error("Line {line}: {what}")]
    Syntax {
        /// Where.
        line: u64,
        /// What is wrong: a whole sentence.
        what: String,
    },
    /// Parentheses do not match, or are nested deeper than [`crate::MAX_NESTING`].
    #[error("Line {line}: {what}")]
    Nesting {
        /// Where.
        line: u64,
        /// What is wrong: a whole sentence.
        what: String,
    },
    /// Two instances have the same name.
    #[error("Line {line}: {id} is defined a second time.")]
    DuplicateId {
        /// Where the second one is.
        line: u64,
        /// The name of both.
        id: InstanceId,
    },
    /// There is no geometry; the crate's documentation says what counts.
    #[error("Line {line}: {what}")]
    NoGeometry {
        /// Where the data begin.
        line: u64,
        /// What is missing: a whole sentence.
        what: String,
    },
    /// There is no geometry but in other files.
    #[error("Line {line}: the file holds no geometry of its own, only references {}.", named(.files))]
    ExternalReference {
        /// Where the first of them is named.
        line: u64,
        /// The files, as far as they are named.
        files: Vec<String>,
    },
}

fn named(files: &[String]) -> String {
    const SHOWN: usize = 3;
    if files.is_empty() {
        return "to other files".to_owned();
    }
    // A name may be a megabyte long; the sentence must stay one that can be read.
    let short = |file: &String| format!("`{}`", file.chars().take(80).collect::<String>());
    let shown: Vec<_> = files.iter().take(SHOWN).map(short).collect();
    let shown = shown.join(", ");
    match files.len().saturating_sub(SHOWN) {
        0 => format!("to {shown}"),
        more => format!("to {shown} and {more} more"),
    }
}

impl StepError {
    /// The entry of the failure catalogue.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Io(_) => FailureCode::Unreadable,
            Self::Empty => FailureCode::StepEmpty,
            Self::NotStep { .. } => FailureCode::NotStep,
            Self::Truncated { .. } => FailureCode::StepTruncated,
            Self::Syntax { .. } => FailureCode::StepSyntax,
            Self::Nesting { .. } => FailureCode::StepNesting,
            Self::DuplicateId { .. } => FailureCode::StepDuplicateId,
            Self::NoGeometry { .. } => FailureCode::StepNoGeometry,
            Self::ExternalReference { .. } => FailureCode::StepExternalReference,
        }
    }

    /// The line it was found in, counted from 1; none if the file could not be read.
    #[must_use]
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::Io(_) => None,
            Self::Empty | Self::NotStep { .. } => Some(1),
            Self::Truncated { line }
            | Self::Syntax { line, .. }
            | Self::Nesting { line, .. }
            | Self::DuplicateId { line, .. }
            | Self::NoGeometry { line, .. }
            | Self::ExternalReference { line, .. } => Some(*line),
        }
    }

    /// The failure to be stored and shown; its detail names the line.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let detail = match &self {
            Self::Io(source) => format!("Reading it failed: {source}."),
            other => other.to_string(),
        };
        Failure::new(self.code(), detail)
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        error.into_failure()
    }
}
