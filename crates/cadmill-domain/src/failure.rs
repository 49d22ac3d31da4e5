//! The failure catalogue: each way in which work can end badly, with a stable code, one plain
//! sentence and a remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $retry:ident, $sentence:literal, $remedy:literal;)+) => {
        /// The stable code of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)+
        }

        impl FailureCode {
            /// Every code of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What happened, in one plain sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// What the user can do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }

            /// Whether doing it again can help.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)+ }
            }
        }
    };
}

/// Whether doing the work again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same input will always end like this.
    Never,
    /// Once more, with a coarser recipe.
    Coarser,
    /// The cause lies outside the file and may pass.
    Later,
}

catalogue! {
    /// The input could not be opened or read.
    Unreadable = "unreadable", Later,
        "The file cannot be read.",
        "Check that it exists and that you may read it.";
    /// The input is no STEP file.
    NotStep = "not_step", Never,
        "This is not a STEP file.",
        "Export the model again as STEP (ISO 10303-21, `.step` or `.stp`).";
    /// The input breaks the syntax of Part 21.
    StepSyntax = "step_syntax", Never,
        "The STEP file breaks the syntax of ISO 10303-21.",
        "Export the model again; if it was edited by hand, look at the line that is named.";
    /// Parentheses of the input do not match, or are nested absurdly deep.
    StepNesting = "step_nesting", Never,
        "The parentheses of the STEP file do not match or are nested too deep.",
        "Export the model again; if it was edited by hand, look at the line that is named.";
    /// Two instances of the input have the same name.
    StepDuplicateId = "step_duplicate_id", Never,
        "The STEP file defines an instance twice.",
        "Export the model again; if files were merged, number their instances anew.";
    /// The input ends before its end.
    StepTruncated = "step_truncated", Never,
        "The STEP file ends too early.",
        "Copy or upload it again, and compare its size with the original.";
    /// The input has no bytes.
    StepEmpty = "step_empty", Never,
        "The file is empty.",
        "Copy or upload it again.";
    /// The input holds no geometry.
    StepNoGeometry = "step_no_geometry", Never,
        "The STEP file holds no geometry.",
        "Export the model with its solids or surfaces.";
    /// All geometry of the input lies in other files.
    StepExternalReference = "step_external_reference", Never,
        "The geometry of this STEP file lies in other files that it only refers to.",
        "Export the assembly as one file, with its parts included.";
    /// The input's products cannot be laid out as a tree of occurrences.
    StepStructure = "step_structure", Never,
        "The assembly of this STEP file is endless or far too large.",
        "Export the model again; an assembly that truly is so large, in several files.";
    /// The kernel died by a signal.
    KernelCrash = "kernel_crash", Coarser,
        "The geometry kernel crashed on this file.",
        "Repair the model in a CAD system and export it again, or report the file.";
    /// The kernel did not end in time.
    KernelTimeout = "kernel_timeout", Coarser,
        "The geometry kernel did not finish in time.",
        "Give it more time (`--timeout`) or a coarser recipe (`--recipe draft`).";
    /// The kernel asked for more memory than it may have.
    KernelMemory = "kernel_memory", Coarser,
        "The geometry kernel needed more memory than it may have.",
        "Give it more memory (`--memory`) or a coarser recipe (`--recipe draft`).";
    /// The kernel's process was killed from outside.
    KernelKilled = "kernel_killed", Later,
        "The geometry kernel was ended from outside: by a person, or by the system because memory ran out.",
        "It is tried again by itself, a few times; if memory ran out, give the machine more, or a worker fewer `slots`.";
    /// The kernel refused the file with an error.
    KernelError = "kernel_error", Coarser,
        "The geometry kernel could not translate this file.",
        "Repair the model in a CAD system and export it again.";
    /// The kernel called it a success, but nothing came out.
    KernelEmpty = "kernel_empty", Coarser,
        "The geometry kernel found no face that can be meshed in this file.",
        "Repair the model in a CAD system and export it again.";
    /// What the kernel's process wrote failed its check.
    OutputInvalid = "output_invalid", Coarser,
        "The tessellator's result is damaged.",
        "Try again; if it stays so, report the file.";
    /// The tessellator cannot be started.
    TessellatorMissing = "tessellator_missing", Later,
        "The program `cadmill-tessellate` cannot be started.",
        "Install it beside `cadmill`, or name it by `CADMILL_TESSELLATOR`; `cadmill doctor` tells more.";
    /// The system does not offer the sandbox that is required.
    SandboxMissing = "sandbox_missing", Later,
        "The system does not offer the sandbox that `require_sandbox` asks for.",
        "Use Linux 5.13 or newer with Landlock and seccomp; `cadmill doctor` lists what is missing.";
    /// The result is larger than its format can hold.
    TooLarge = "too_large", Never,
        "The result is too large for its format.",
        "Use a coarser recipe (`--recipe draft`), or split the assembly.";
    /// The disk is full.
    DiskFull = "disk_full", Later,
        "The disk is full.",
        "Free some space, then run it again.";
    /// Writing failed.
    Storage = "storage", Later,
        "The folder or the blob store cannot be used.",
        "Check that the folder or the bucket is there, that its disk is mounted, and that it may be read and written.";
    /// Bytes that were stored are gone.
    BlobMissing = "blob_missing", Later,
        "Stored bytes are missing.",
        "A medium is made again by itself; upload the source of a file again.";
    /// Bytes that were stored are others by now, or not all are there.
    BlobDamaged = "blob_damaged", Later,
        "Stored bytes are missing or damaged.",
        "A medium is made again by itself; run `cadmill verify` and check the disk or bucket.";
    /// The bytes of the file itself are missing or damaged.
    SourceLost = "source_lost", Never,
        "The bytes of this file are missing or damaged in the blob store.",
        "Upload the same file again, or restore the blob from a backup and run `cadmill verify --repair`.";
    /// The database could not be asked, or answered with an error.
    Database = "database", Later,
        "The database does not answer as it should.",
        "Check that it runs and can be reached; the work is tried again by itself.";
    /// Pages of the database hold something else than what was written.
    DatabaseDamaged = "database_damaged", Later,
        "The database is damaged.",
        "Stop Cadmill, keep a copy of the damaged database, check the disk, and restore the last backup.";
    /// The lease of the work ran out or was taken away.
    LockLost = "lock_lost", Later,
        "The lock on this work was lost.",
        "Check that the lock store (Redis) runs; the work is tried again by itself.";
    /// The worker died while it was at this work, too often.
    WorkerCrash = "worker_crash", Never,
        "The worker ended three times while it was at this file: the file kills it, or the machine was stopped.",
        "Look at the log of the workers and at the memory they may use, then `cadmill retry`.";
    /// There is no canonical scene to derive a medium from.
    NoScene = "no_scene", Never,
        "There is no canonical scene to make this medium of.",
        "Look at why the canonical scene was not made, then `cadmill retry`.";
    /// The work was cancelled.
    Cancelled = "cancelled", Later,
        "The work was cancelled.",
        "Run it again when you want it.";
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One piece of work that ended badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} {detail}", code.sentence())]
pub struct Failure {
    /// Which entry of the catalogue this is.
    pub code: FailureCode,
    /// What is particular to this case (a line number, a signal, a limit): one sentence.
    pub detail: String,
    /// The last lines that the tessellator logged, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
}

impl Failure {
    /// A failure without a log.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            log_tail: None,
        }
    }

    /// A failure to write, told apart by whether the disk is full.
    #[must_use]
    pub fn writing(what: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let code = match error.kind() {
            StorageFull | QuotaExceeded => FailureCode::DiskFull,
            _ => FailureCode::Storage,
        };
        Self::new(code, format!("Writing {what} failed: {error}."))
    }
}

/// An error with all its sources, as one sentence.
#[must_use]
pub fn sentence(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let text = chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let stop = (!text.ends_with('.')).then_some('.');
    first.chain(letters).chain(stop).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_what_happened_and_what_to_do() {
        for code in FailureCode::ALL {
            assert!(code.sentence().ends_with('.'), "{code}");
            assert!(code.remedy().ends_with('.'), "{code}");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
        }
    }

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::writing("a.glb", &full).code, FailureCode::DiskFull);
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(
            Failure::writing("a.glb", &denied).code,
            FailureCode::Storage
        );
    }
}
