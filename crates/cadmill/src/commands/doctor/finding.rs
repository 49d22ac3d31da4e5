//! One result of `cadmill doctor`.

use std::fmt;

use cadmill_domain::{Failure, FailureCode};

/// A problem, and what to do about it.
pub(super) type Problem = (String, String);

/// The result of one check.
pub(super) struct Finding {
    pub(super) subject: &'static str,
    /// What was found, or the problem.
    pub(super) result: Result<String, Problem>,
    /// What works, but may fail later.
    pub(super) warnings: Vec<Problem>,
}

impl Finding {
    pub(super) const fn new(subject: &'static str, result: Result<String, Problem>) -> Self {
        Self {
            subject,
            result,
            warnings: Vec::new(),
        }
    }

    pub(super) fn of_failure(subject: &'static str, result: Result<String, Failure>) -> Self {
        let result = result.map_err(|failure| {
            let remedy = remedy(failure.code).to_owned();
            (failure.to_string(), remedy)
        });
        Self::new(subject, result)
    }
}

/// What to do after a failure. The remedies of the catalogue concern the model, but the test cube of
/// `cadmill doctor` is valid.
const fn remedy(code: FailureCode) -> &'static str {
    use FailureCode::{KernelCrash, KernelEmpty, KernelError, OutputInvalid};
    match code {
        KernelCrash | KernelEmpty | KernelError | OutputInvalid => {
            "Install `cadmill-tessellate` again, in the version of `cadmill` and with its Open CASCADE."
        }
        _ => code.remedy(),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(found) => write!(f, "ok      {:<12} {found}", self.subject)?,
            Err((problem, remedy)) => {
                writeln!(f, "failed  {:<12} {problem}", self.subject)?;
                write!(f, "{:21}{remedy}", "")?;
            }
        }
        for (problem, remedy) in &self.warnings {
            write!(f, "\nwarning {:<12} {problem}", self.subject)?;
            write!(f, "\n{:21}{remedy}", "")?;
        }
        Ok(())
    }
}
