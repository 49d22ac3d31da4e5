//! The reasons for which a file is refused, each with its failure code and line.

use std::io;

use cadmill_domain::{Failure, FailureCode};

use crate::InstanceId;

/// The reason for which a STEP file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The input could not be read.
    #[error("Reading it failed.")]
    Io(#[from] io::Error),
    /// The input is empty or holds only white space.
    #[error("Line 1: there is nothing but white space in it.")]
    Empty,
    /// The input does not begin with `ISO-10303-21;`.
    #[error("Line 1: {hint}")]
    NotStep {
        /// The format that was detected instead, as a sentence.
        hint: String,
    },
    /// The input ends before `END-ISO-10303-21;`.
    #[error("Line {line}: the file ends here, without `END-ISO-10303-21;`.")]
    Truncated {
        /// The last line.
        line: u64,
    },
    /// The input violates the syntax in a way that cannot be recovered from.
    #[error("Line {line}: {message}")]
    Syntax {
        /// The line of the violation.
        line: u64,
        /// The violation, as a sentence.
        message: String,
    },
    /// Parentheses do not match, or are nested deeper than [`crate::MAX_NESTING`].
    #[error("Line {line}: {message}")]
    Nesting {
        /// The line of the parenthesis.
        line: u64,
        /// The violation, as a sentence.
        message: String,
    },
    /// Two instances have the same name.
    #[error("Line {line}: {id} is defined a second time.")]
    DuplicateId {
        /// The line of the second definition.
        line: u64,
        /// The name of both instances.
        id: InstanceId,
    },
    /// The file holds no geometry; see the crate documentation for what counts as geometry.
    #[error("Line {line}: {message}")]
    NoGeometry {
        /// The line on which the data section begins.
        line: u64,
        /// What is missing, as a sentence.
        message: String,
    },
    /// The file only refers to geometry in other files.
    #[error("Line {line}: the file holds no geometry of its own, only references {}.", describe(.files))]
    ExternalReference {
        /// The line of the first reference.
        line: u64,
        /// The names of these files, as far as they are given.
        files: Vec<String>,
    },
}

fn describe(files: &[String]) -> String {
    const MAX_NAMES: usize = 3;
    if files.is_empty() {
        return "to other files".to_owned();
    }
    // A name may be a megabyte long; the message must stay readable.
    let short = |file: &String| format!("`{}`", file.chars().take(80).collect::<String>());
    let names = files
        .iter()
        .take(MAX_NAMES)
        .map(short)
        .collect::<Vec<_>>()
        .join(", ");
    match files.len().saturating_sub(MAX_NAMES) {
        0 => format!("to {names}"),
        more => format!("to {names} and {more} more"),
    }
}

impl StepError {
    /// Returns the failure code.
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

    /// Returns the line of the error, counted from 1, or `None` if the input could not be read.
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

    /// Converts the error into the failure that is stored and shown; its detail names the line.
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
