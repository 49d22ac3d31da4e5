//! Failures as people read them.

use std::{fmt, path::Path};

use cadmill_domain::Failure;

use super::text::plain;

/// A failure as a paragraph: code, cause, remedy, and the end of the log.
pub(crate) struct FailureParagraph<'a> {
    pub(crate) file: &'a Path,
    pub(crate) failure: &'a Failure,
}

impl fmt::Display for FailureParagraph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, failure } = self;
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
